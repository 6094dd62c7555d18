/* SPDX-License-Identifier: ISC */
#include "mta/lib/submit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mta/lib/child.h"
#include "mta/lib/clock.h"
#include "mta/lib/environment.h"
#include "mta/lib/envelope.h"
#include "mta/lib/home.h"
#include "mta/lib/io.h"
#include "mta/lib/num.h"

#define GREETING_SIZE 3
#define OUT_MAX 65536 /* so much waits to be sent; a message that fits can be sent again */
#define CHUNK_MAX 16384
#define STEP_MS (3600 * 1000)
#define TELL_FD 6

void submit_fail(struct submit *submit, int result)
{
    if (submit->result == QUEUE_OK)
        submit->result = result;
}

static void fail_for(struct submit *submit, int error, int otherwise)
{
    submit_fail(submit, error == ENOMEM ? QUEUE_MEMORY : otherwise);
}

/* --- the socket of the staying queue --- */

/* A connection, or -1: there is none to be had, whyever. */
static int connect_queue(const struct buf *home)
{
    static const char name[] = "/run/queue";
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (home->length + sizeof name > sizeof address.sun_path)
        return -1;
    memcpy(address.sun_path, home->data, home->length);
    memcpy(address.sun_path + home->length, name, sizeof name);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (connect(fd, (struct sockaddr *) &address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

/* Waits until the socket is ready.  0, or -1 with errno (ETIMEDOUT). */
static int wait_ready(int fd, short events)
{
    struct pollfd ready = {.fd = fd, .events = events};
    int64_t deadline_ms = clock_monotonic_ms() + STEP_MS;
    for (;;) {
        int64_t left_ms = deadline_ms - clock_monotonic_ms();
        int result = poll(&ready, 1, left_ms > 0 ? (int) left_ms : 0);
        if (result > 0)
            return 0;
        if (result == 0) {
            errno = ETIMEDOUT;
            return -1;
        }
        if (errno != EINTR)
            return -1;
    }
}

static int send_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t count = send(fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (count < 0) {
            if (errno == EINTR)
                continue;
            if (errno != EAGAIN || wait_ready(fd, POLLOUT) < 0)
                return -1;
            continue;
        }
        bytes += count;
        size -= (size_t) count;
    }
    return 0;
}

/* A line without its newline into `line`; its length, or -1. */
static int receive_line(int fd, char *line, size_t limit)
{
    size_t length = 0;
    while (length < limit) {
        ssize_t count = recv(fd, line + length, limit - length, MSG_DONTWAIT);
        if (count < 0 && errno == EAGAIN && wait_ready(fd, POLLIN) == 0)
            continue;
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0) {
            if (count == 0)
                errno = ECONNRESET;
            return -1;
        }
        char *newline = memchr(line + length, '\n', (size_t) count);
        length += (size_t) count;
        if (newline)
            return (int) (newline - line);
    }
    errno = EPROTO;
    return -1;
}

/* "CODE NUMBER".  An answer that comes before the end of the message is found here too: behind one,
 * or behind any but "0", no other message follows on this connection. */
static int read_answer(struct submit *submit, uint64_t *number)
{
    char line[64];
    uint64_t code;
    int length = receive_line(submit->socket_fd, line, sizeof line);
    if (length < 0)
        return errno == ETIMEDOUT ? QUEUE_TIMEOUT : QUEUE_CRASHED;
    const char *space = memchr(line, ' ', (size_t) length);
    if (!space || num_parse(line, (size_t) (space - line), &code) < 0 || code > 255 ||
        num_parse(space + 1, (size_t) (line + length - space) - 1, number) < 0)
        return QUEUE_COMMUNICATION;
    return (int) code;
}

/* --- a program of our own --- */

static const char *other_program(char *const *environment)
{
    static const char *const names[] = {"NIXIEQUEUE", "QMAILQUEUE"};
    if (home_is_setuid())
        return NULL;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *value = environment_get(environment, names[i]);
        if (value && *value)
            return value;
    }
    return NULL;
}

struct pipes {
    int message[2];
    int envelope[2];
    int tell[2];
};

static void close_pipes(struct pipes *pipes)
{
    for (int i = 0; i < 2; i++) {
        io_close(&pipes->message[i]);
        io_close(&pipes->envelope[i]);
        io_close(&pipes->tell[i]);
    }
}

static int open_pipes(struct pipes *pipes)
{
    *pipes = (struct pipes){{-1, -1}, {-1, -1}, {-1, -1}};
    if (pipe2(pipes->message, O_CLOEXEC) == 0 && pipe2(pipes->envelope, O_CLOEXEC) == 0 &&
        pipe2(pipes->tell, O_CLOEXEC) == 0)
        return 0;
    int saved = errno;
    close_pipes(pipes);
    errno = saved;
    return -1;
}

static pid_t start_child(struct submit *submit, const char *path, bool ours,
                         const struct pipes *pipes)
{
    char tell[] = "--tell=1";
    tell[sizeof tell - 2] = (char) submit->caller;
    char *name = (char *) path;
    char *argv[] = {name, ours ? tell : NULL, NULL};
    int error_fd = fcntl(2, F_GETFD) >= 0 ? 2 : -1;
    struct child child = {
        .path = path,
        .argv = argv,
        .environment = submit->environment,
        .fds = {pipes->message[0], pipes->envelope[0], error_fd, -1, -1, -1, pipes->tell[1]},
        .fd_count = TELL_FD + 1};
    return child_start(&child);
}

/* Starts the program `path` (one of ours: it tells the number on descriptor 6). */
static void start_program(struct submit *submit, const char *path, bool ours)
{
    struct pipes pipes;
    if (open_pipes(&pipes) < 0) {
        fail_for(submit, errno, QUEUE_EXEC);
        return;
    }
    submit->pid = start_child(submit, path, ours, &pipes);
    if (submit->pid < 0) {
        fail_for(submit, errno, QUEUE_EXEC);
    } else {
        submit->message_fd = pipes.message[1];
        submit->envelope_fd = pipes.envelope[1];
        submit->tell_fd = pipes.tell[0];
        pipes.message[1] = -1;
        pipes.envelope[1] = -1;
        pipes.tell[0] = -1;
    }
    close_pipes(&pipes);
}

static void start_own_program(struct submit *submit)
{
    struct buf path = BUF_INIT(0);
    const char *text = NULL;
    if (home_program(submit->home, "nixie-queue", &path) == 0)
        text = buf_text(&path);
    if (text)
        start_program(submit, text, true);
    else
        submit_fail(submit, QUEUE_MEMORY);
    buf_free(&path);
}

/* --- sending --- */

/* The staying queue took nothing: the same bytes go to a program of our own.  `out` holds the
 * framed message. */
static void fall_back(struct submit *submit)
{
    io_close(&submit->socket_fd);
    start_own_program(submit);
    const char *bytes = submit->out.data;
    size_t size = submit->out.length;
    size_t at = GREETING_SIZE;
    while (submit->result == QUEUE_OK && size - at >= 4) {
        const unsigned char *head = (const unsigned char *) bytes + at;
        size_t length =
            (size_t) head[0] << 24 | (size_t) head[1] << 16 | (size_t) head[2] << 8 | head[3];
        if (length == 0)
            break;
        if (io_write(submit->message_fd, bytes + at + 4, length) < 0)
            submit_fail(submit, QUEUE_CRASHED);
        at += 4 + length;
    }
    buf_reset(&submit->out);
    submit->sent = 0;
}

/* The staying queue did not get all, so it has taken nothing; unless it said why, another does. The
 * connection may be as good as ever (no memory to send): without its end each would wait for the
 * other. */
static void ask_and_fall_back(struct submit *submit)
{
    uint64_t number;
    shutdown(submit->socket_fd, SHUT_WR);
    int status = read_answer(submit, &number);
    if (status == QUEUE_CRASHED || status == QUEUE_CONNECT_REFUSED)
        fall_back(submit);
    else
        submit_fail(submit, status == QUEUE_OK ? QUEUE_COMMUNICATION : status);
}

/* Sends what waits. */
static void flush(struct submit *submit)
{
    if (submit->result != QUEUE_OK)
        return;
    size_t size = submit->out.length - submit->sent;
    if (submit->socket_fd < 0) {
        if (io_write(submit->message_fd, submit->out.data, submit->out.length) < 0)
            submit_fail(submit, QUEUE_CRASHED); /* finish asks the child why */
        buf_reset(&submit->out);
        return;
    }
    if (send_all(submit->socket_fd, submit->out.data + submit->sent, size) == 0)
        submit->sent = submit->out.length;
    else if (errno == ETIMEDOUT)
        submit_fail(submit, QUEUE_TIMEOUT);
    else if (submit->replayable)
        ask_and_fall_back(submit);
    else
        submit_fail(submit, QUEUE_CRASHED);
}

/* Makes room for `size` more bytes (at most CHUNK_MAX and a head) in `out`. */
static void make_room(struct submit *submit, size_t size)
{
    if (submit->out.length + size <= OUT_MAX)
        return;
    flush(submit);
    buf_reset(&submit->out);
    submit->sent = 0;
    submit->replayable = false;
}

static void put(struct submit *submit, const void *bytes, size_t size)
{
    if (submit->result == QUEUE_OK && buf_add(&submit->out, bytes, size) < 0)
        submit_fail(submit, QUEUE_MEMORY);
}

static void put_head(struct submit *submit, size_t length)
{
    unsigned char head[4] = {(unsigned char) (length >> 24), (unsigned char) (length >> 16),
                             (unsigned char) (length >> 8), (unsigned char) length};
    put(submit, head, sizeof head);
}

/* --- the interface --- */

static void ignore_sigpipe(struct submit *submit)
{
    struct sigaction ignore;
    memset(&ignore, 0, sizeof ignore);
    ignore.sa_handler = SIG_IGN;
    submit->signal_saved = sigaction(SIGPIPE, &ignore, &submit->saved) == 0;
}

/* The connection kept of an earlier message, or -1.  Anything to be read on it means that the queue
 * goes or has gone. */
static int take_kept(int *kept)
{
    int fd = *kept;
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    *kept = -1;
    if (fd < 0 || poll(&ready, 1, 0) == 0)
        return fd;
    close(fd);
    return -1;
}

void submit_open(struct submit *submit, const struct buf *home, char *const *environment)
{
    submit_open_as(submit, home, environment, CALLER_USER, NULL);
}

void submit_open_as(struct submit *submit, const struct buf *home, char *const *environment,
                    enum caller caller, int *kept)
{
    const char greeting[GREETING_SIZE] = {'Q', (char) caller, '\n'};
    *submit = (struct submit){.home = home,
                              .environment = environment,
                              .caller = caller,
                              .socket_fd = -1,
                              .message_fd = -1,
                              .envelope_fd = -1,
                              .tell_fd = -1,
                              .pid = -1,
                              .replayable = true,
                              .out = BUF_INIT(2 * OUT_MAX),
                              .envelope = BUF_INIT(ENVELOPE_SIZE_MAX),
                              .kept = kept};
    ignore_sigpipe(submit);
    const char *other = other_program(environment);
    if (other) {
        start_program(submit, other, false);
        return;
    }
    if (kept)
        submit->socket_fd = take_kept(kept);
    if (submit->socket_fd < 0)
        submit->socket_fd = connect_queue(home);
    if (submit->socket_fd < 0)
        start_own_program(submit);
    else
        put(submit, greeting, sizeof greeting);
}

void submit_write(struct submit *submit, const void *bytes, size_t size)
{
    const char *from = bytes;
    while (size > 0 && submit->result == QUEUE_OK) {
        size_t count = size < CHUNK_MAX ? size : CHUNK_MAX;
        make_room(submit, count + 4);
        if (submit->socket_fd >= 0)
            put_head(submit, count);
        put(submit, from, count);
        from += count;
        size -= count;
    }
}

void submit_text(struct submit *submit, const char *text)
{
    submit_write(submit, text, strlen(text));
}

static void add_address(struct submit *submit, char letter, const char *address, size_t size)
{
    if (size > ENVELOPE_ADDRESS_MAX) {
        submit_fail(submit, QUEUE_ADDRESS_LONG);
        return;
    }
    if (buf_add_byte(&submit->envelope, letter) < 0 ||
        buf_add(&submit->envelope, address, size) < 0 || buf_add_byte(&submit->envelope, 0) < 0)
        submit_fail(submit, errno == EMSGSIZE ? QUEUE_REFUSED : QUEUE_MEMORY);
}

void submit_sender(struct submit *submit, const char *sender, size_t size)
{
    add_address(submit, 'F', sender, size);
}

void submit_recipient(struct submit *submit, const char *recipient, size_t size)
{
    add_address(submit, 'T', recipient, size);
}

/* Ends the message and sends the envelope to the staying queue; or falls back on the way. */
static void end_on_socket(struct submit *submit)
{
    make_room(submit, 8);
    if (submit->socket_fd < 0)
        return;
    put_head(submit, 0);
    put_head(submit, submit->envelope.length);
    if (submit->envelope.length <= OUT_MAX) {
        make_room(submit, submit->envelope.length);
        if (submit->socket_fd < 0)
            return;
        put(submit, submit->envelope.data, submit->envelope.length);
        flush(submit);
        return;
    }
    flush(submit);
    submit->replayable = false;
    if (submit->result == QUEUE_OK && submit->socket_fd >= 0 &&
        send_all(submit->socket_fd, submit->envelope.data, submit->envelope.length) < 0)
        submit_fail(submit, errno == ETIMEDOUT ? QUEUE_TIMEOUT : QUEUE_CRASHED);
}

static void end_on_pipes(struct submit *submit)
{
    flush(submit);
    if (submit->result == QUEUE_OK) {
        io_close(&submit->message_fd);
        if (io_write(submit->envelope_fd, submit->envelope.data, submit->envelope.length) < 0)
            submit_fail(submit, QUEUE_CRASHED);
    }
    /* Without the last NUL the program takes nothing; the envelope goes first, so that a message
     * cut short is never taken for a whole one. */
    io_close(&submit->envelope_fd);
    io_close(&submit->message_fd);
}

/* What the program has written by its end; whoever else holds the pipe open is not waited for. */
static void read_told(struct submit *submit, struct buf *told)
{
    char block[SUBMIT_TEXT_SIZE - 1];
    if (io_set_nonblocking(submit->tell_fd) < 0)
        return;
    while (told->length < sizeof block) { /* a read may give a part */
        ssize_t count = io_read(submit->tell_fd, block, sizeof block - told->length);
        if (count <= 0)
            return;
        if (buf_add(told, block, (size_t) count) < 0) {
            buf_reset(told);
            return;
        }
    }
}

static int wait_program(struct submit *submit, struct buf *told)
{
    int status;
    int waited = child_wait(submit->pid, &status);
    submit->pid = -1;
    read_told(submit, told);
    if (waited < 0 || !WIFEXITED(status))
        return QUEUE_CRASHED;
    return WEXITSTATUS(status);
}

/* What the program says counts more than that writing to it failed, unless it says that all went
 * well, which then cannot be. */
static int finish_program(struct submit *submit, struct submit_result *result)
{
    struct buf told = BUF_INIT(SUBMIT_TEXT_SIZE);
    end_on_pipes(submit);
    int failed = submit->result;
    int status = wait_program(submit, &told);
    if (failed != QUEUE_OK && (failed != QUEUE_CRASHED || status == QUEUE_OK))
        status = failed;
    if (status == QUEUE_OK && told.length > 1 && told.data[told.length - 1] == '\n' &&
        num_parse(told.data, told.length - 1, &result->number) < 0)
        result->number = 0;
    if (status == QUEUE_TEXT && told.length > 1 && (told.data[0] == 'D' || told.data[0] == 'Z')) {
        memcpy(result->text, told.data, told.length);
        result->text[told.length] = 0;
        result->text[strcspn(result->text, "\n")] = 0;
    }
    buf_free(&told);
    return status;
}

static int finish_fallen(struct submit *submit, struct submit_result *result)
{
    return submit->pid < 0 ? submit->result : finish_program(submit, result);
}

static int finish_socket(struct submit *submit, struct submit_result *result)
{
    end_on_socket(submit);
    if (submit->socket_fd < 0)
        return finish_fallen(submit, result);
    int failed = submit->result;
    if (failed != QUEUE_OK && failed != QUEUE_CRASHED)
        return failed;
    /* The queue may have refused before all was sent. */
    int status = read_answer(submit, &result->number);
    if (failed != QUEUE_OK && status == QUEUE_OK)
        status = failed;
    if (status != QUEUE_OK) {
        result->number = 0;
    } else if (submit->kept) {
        *submit->kept = submit->socket_fd;
        submit->socket_fd = -1;
    }
    if (status == QUEUE_CONNECT_REFUSED && submit->replayable) {
        submit->result = QUEUE_OK;
        fall_back(submit);
        return finish_fallen(submit, result);
    }
    return status;
}

static void release(struct submit *submit)
{
    io_close(&submit->socket_fd);
    io_close(&submit->message_fd);
    io_close(&submit->envelope_fd);
    io_close(&submit->tell_fd);
    buf_free(&submit->out);
    buf_free(&submit->envelope);
    if (submit->signal_saved)
        sigaction(SIGPIPE, &submit->saved, NULL);
    submit->signal_saved = false;
}

int submit_finish(struct submit *submit, struct submit_result *result)
{
    *result = (struct submit_result){.result = submit->result};
    if (buf_add_byte(&submit->envelope, 0) < 0)
        submit_fail(submit, errno == EMSGSIZE ? QUEUE_REFUSED : QUEUE_MEMORY);
    if (submit->socket_fd >= 0)
        result->result = finish_socket(submit, result);
    else if (submit->pid >= 0)
        result->result = finish_program(submit, result);
    else
        result->result = submit->result;
    if (result->text[0] == 0) {
        const char *text = queue_result_text(result->result);
        memcpy(result->text, text, strlen(text) + 1);
    }
    release(submit);
    return result->result;
}

void submit_abort(struct submit *submit)
{
    struct buf told = BUF_INIT(SUBMIT_TEXT_SIZE);
    io_close(&submit->envelope_fd);
    io_close(&submit->message_fd);
    io_close(&submit->socket_fd);
    if (submit->pid >= 0)
        wait_program(submit, &told);
    buf_free(&told);
    release(submit);
}

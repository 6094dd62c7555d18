/* SPDX-License-Identifier: ISC */
/* Asking nixie-send, on run/send (mta/send/admin.h). */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "mta/admin/admin.h"
#include "mta/lib/error.h"
#include "mta/lib/io.h"
#include "mta/lib/num.h"

#define SOCKET_PATH "../run/send"
#define WINDOW 64          /* commands without an answer: they fit into any socket's buffer */
#define PATIENCE_MS 120000 /* send may be busy: looking through the queue at its start */
#define LINE_MAX_BYTES 1024

struct conversation {
    struct order *order;
    int fd;
    size_t sent, answered;
    struct buf in;
};

/* A connection, or -1 with errno. */
static int connect_server(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, SOCKET_PATH, sizeof SOCKET_PATH);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (connect(fd, (struct sockaddr *) &address, sizeof address) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

/* 0 or -1 with errno. */
static int send_commands(struct conversation *talk)
{
    const struct view_numbers *numbers = talk->order->numbers;
    struct buf commands = BUF_INIT(0);
    int result = 0;
    while (result == 0 && talk->sent < numbers->count && talk->sent - talk->answered < WINDOW) {
        if (buf_add_text(&commands, verb_names[talk->order->verb].name) < 0 ||
            buf_add_byte(&commands, ' ') < 0 ||
            buf_add_number(&commands, numbers->numbers[talk->sent]) < 0 ||
            buf_add_byte(&commands, '\n') < 0)
            result = -1;
        talk->sent++;
    }
    if (result == 0 && commands.length)
        result = io_write(talk->fd, commands.data, commands.length);
    int saved = errno;
    buf_free(&commands);
    errno = saved;
    return result;
}

/* "ok 17" or "no 17 reason".  The line is NUL-ended. */
static void take_answer(struct conversation *talk, const char *line)
{
    uint64_t number;
    const char *blank = strlen(line) > 3 ? strchr(line + 3, ' ') : NULL;
    size_t digits = blank ? (size_t) (blank - line - 3) : strlen(line + 3);
    if (num_parse(line + 3, digits, &number) < 0)
        return;
    if (memcmp(line, "ok ", 3) == 0)
        order_note(talk->order, number, NULL);
    else
        order_note(talk->order, number, blank ? blank + 1 : "for no reason");
}

static void take_lines(struct conversation *talk)
{
    char *newline;
    while (talk->in.length && (newline = memchr(talk->in.data, '\n', talk->in.length)) != NULL) {
        *newline = 0;
        size_t size = (size_t) (newline - talk->in.data) + 1;
        if (size > 4)
            take_answer(talk, talk->in.data);
        talk->answered++;
        buf_drop(&talk->in, size);
    }
}

/* 1; 0 at the end; -1 with errno. */
static int hear(struct conversation *talk)
{
    char block[LINE_MAX_BYTES];
    struct pollfd fd = {.fd = talk->fd, .events = POLLIN};
    int ready = poll(&fd, 1, PATIENCE_MS);
    if (ready == 0)
        errno = ETIMEDOUT;
    if (ready <= 0)
        return ready < 0 && errno == EINTR ? 1 : -1;
    ssize_t count = io_read(talk->fd, block, sizeof block);
    if (count <= 0)
        return count < 0 && errno != ECONNRESET ? -1 : 0;
    if (buf_add(&talk->in, block, (size_t) count) < 0)
        return -1;
    take_lines(talk);
    return 1;
}

static int converse(struct conversation *talk)
{
    while (talk->answered < talk->order->numbers->count) {
        int result = send_commands(talk);
        if (result < 0 && errno == EPIPE)
            return ADMIN_DONE; /* the server has gone */
        if (result == 0)
            result = hear(talk);
        if (result == 0)
            return ADMIN_DONE;
        if (result < 0)
            return complain(ADMIN_LACKING, "nixie-send does not answer: ", error_text(errno));
    }
    return ADMIN_DONE;
}

int ask_server(struct order *order)
{
    struct conversation talk = {.order = order, .in = BUF_INIT(1 << 20)};
    talk.fd = connect_server();
    if (talk.fd < 0) {
        if (errno == ENOENT || errno == ECONNREFUSED)
            return ADMIN_DONE; /* no server runs */
        return complain(ADMIN_LACKING, "unable to connect to run/send: ", error_text(errno));
    }
    int status = converse(&talk);
    close(talk.fd);
    buf_free(&talk.in);
    return status;
}

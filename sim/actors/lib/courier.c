/* SPDX-License-Identifier: ISC */
#include "sim/actors/lib/courier.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mta/lib/error.h"
#include "mta/lib/io.h"
#include "sim/actors/lib/courier_speech.h"

/* --- reading ----------------------------------------------------------------------------------*/

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Takes one line (without CRLF) as part of a reply.  True if it is the last one; -1 in *bad if it
 * is no reply (RFC 5321 4.2). */
static bool take_line(struct courier *courier, const char *line, size_t size, bool *bad)
{
    *bad = size < 3 || !is_digit(line[0]) || !is_digit(line[1]) || !is_digit(line[2]) ||
           (size > 3 && line[3] != ' ' && line[3] != '-') ||
           courier->reply.length + size > COURIER_REPLY_MAX ||
           (courier->reply.length > 0 && buf_add_byte(&courier->reply, '\n') < 0) ||
           buf_add(&courier->reply, line, size) < 0;
    if (*bad)
        return true;
    courier->code = (unsigned) ((line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0'));
    return size == 3 || line[3] == ' ';
}

static void tell_reply(const struct courier *courier)
{
    struct record *record = courier->letter->record;

    if (!record)
        return;
    record_begin(record, "in");
    record_quoted(record, courier->reply.data, courier->reply.length);
    record_write(record);
}

/* Whether no more replies are looked at for now. */
static bool is_over(const struct courier *courier)
{
    return courier->done || (courier->result != COURIER_UNDECIDED && courier->step != COURIER_QUIT);
}

/* Works off the lines that are whole. */
static void take_lines(struct courier *courier, int64_t now_ms)
{
    size_t at = 0;
    const char *newline;
    bool bad;

    while (!is_over(courier) && courier->in.length > at &&
           (newline = memchr(courier->in.data + at, '\n', courier->in.length - at))) {
        const char *line = courier->in.data + at;
        size_t size = (size_t) (newline - line);

        at += size + 1;
        if (size > 0 && line[size - 1] == '\r')
            size--;
        if (!courier->more)
            buf_reset(&courier->reply);
        courier->more = !take_line(courier, line, size, &bad);
        if (bad) {
            courier_lose(courier, "no reply as in SMTP");
            return;
        }
        if (courier->more)
            continue;
        tell_reply(courier);
        courier_on_reply(courier, now_ms);
    }
    buf_drop(&courier->in, at);
}

static void read_replies(struct courier *courier, int64_t now_ms)
{
    char bytes[4096];
    ssize_t got = recv(courier->fd, bytes, sizeof bytes, 0);

    if (got > 0) {
        if (courier->in.length + (size_t) got > COURIER_REPLY_MAX ||
            buf_add(&courier->in, bytes, (size_t) got) < 0)
            courier_lose(courier, "too long a reply");
        else
            take_lines(courier, now_ms);
    } else if (got == 0) {
        courier_lose(courier, "connection closed");
    } else if (errno != EAGAIN && errno != EINTR) {
        courier_lose(courier, errno == ECONNRESET ? "connection reset" : error_text(errno));
    }
}

/* --- writing ----------------------------------------------------------------------------------*/

/* Sends; the count, or 0 if nothing goes out now or ever. */
static size_t send_some(struct courier *courier, const char *bytes, size_t size)
{
    ssize_t sent = send(courier->fd, bytes, size, MSG_NOSIGNAL);

    if (sent >= 0)
        return (size_t) sent;
    if (errno != EAGAIN && errno != EINTR)
        courier->deaf = true;
    return 0;
}

/* How much of the message may go out now. */
static size_t body_room(struct courier *courier, int64_t now_ms)
{
    const struct courier_letter *letter = courier->letter;
    uint64_t left = letter->wire_size - courier->body_sent;

    if (letter->cut && letter->cut_after - courier->body_sent < left)
        left = letter->cut_after - courier->body_sent;
    if (letter->chunk == 0)
        return (size_t) left;
    if (courier->chunk_left == 0 && now_ms >= courier->chunk_at_ms) {
        courier->chunk_left = letter->chunk;
        courier->chunk_at_ms += letter->chunk_ms;
    }
    return left < courier->chunk_left ? (size_t) left : courier->chunk_left;
}

static void send_body(struct courier *courier, int64_t now_ms)
{
    const struct courier_letter *letter = courier->letter;
    size_t room = body_room(courier, now_ms);
    size_t sent = room ? send_some(courier, letter->wire + courier->body_sent, room) : 0;

    courier->body_sent += sent;
    if (letter->chunk > 0)
        courier->chunk_left -= sent;
    if (sent > 0)
        courier_set_deadline(courier, now_ms);
    if (letter->cut && courier->body_sent == letter->cut_after) {
        io_close(&courier->fd);
        courier_lose(courier, "cut");
    } else if (courier->body_sent == letter->wire_size) {
        courier->step = COURIER_DOT;
        courier_set_deadline(courier, now_ms);
    }
}

static void write_out(struct courier *courier, int64_t now_ms)
{
    if (courier->out.length > 0)
        buf_drop(&courier->out, send_some(courier, courier->out.data, courier->out.length));
    else if (courier->step == COURIER_BODY)
        send_body(courier, now_ms);
}

/* --- the connection ---------------------------------------------------------------------------*/

void courier_begin(struct courier *courier, const struct courier_letter *letter,
                   const struct endpoint *to, int64_t now_ms)
{
    char text[ENDPOINT_TEXT];

    *courier = (struct courier){.letter = letter, .step = COURIER_CONNECT};
    for (size_t i = 0; i < letter->recipient_count; i++) {
        letter->recipients[i].code = 0;
        letter->recipients[i].result = COURIER_UNDECIDED;
    }
    if (letter->record) {
        record_begin(letter->record, "connect");
        record_word(letter->record, endpoint_text(to, text));
        record_write(letter->record);
    }
    courier->fd = endpoint_connect(to);
    courier->error = courier->fd < 0 ? errno : 0;
    courier_set_deadline(courier, now_ms);
    if (courier->error)
        courier->deadline_ms = now_ms;
}

static void finish_connect(struct courier *courier, int64_t now_ms)
{
    int error = 0, on = 1;
    socklen_t size = sizeof error;

    if (getsockopt(courier->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
        error = errno;
    if (error != 0) {
        courier_lose(courier, error_text(error));
        return;
    }
    setsockopt(courier->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    courier->step = COURIER_GREETING;
    courier_set_deadline(courier, now_ms);
}

/* Whether a chunk must wait. */
static bool is_waiting(const struct courier *courier, int64_t now_ms)
{
    return courier->step == COURIER_BODY && courier->out.length == 0 &&
           courier->letter->chunk > 0 && courier->chunk_left == 0 && now_ms < courier->chunk_at_ms;
}

short courier_events(const struct courier *courier, int64_t now_ms)
{
    bool writes = courier->out.length > 0 || courier->step == COURIER_BODY;

    if (courier->step == COURIER_CONNECT)
        return POLLOUT;
    return writes && !courier->deaf && !is_waiting(courier, now_ms) ? POLLIN | POLLOUT : POLLIN;
}

int64_t courier_deadline(const struct courier *courier)
{
    bool chunk_waits = courier->step == COURIER_BODY && courier->letter->chunk > 0 &&
                       courier->chunk_left == 0 && courier->chunk_at_ms < courier->deadline_ms;
    return chunk_waits ? courier->chunk_at_ms : courier->deadline_ms;
}

bool courier_work(struct courier *courier, short revents, int64_t now_ms)
{
    bool was_decided = courier->result != COURIER_UNDECIDED;

    if (courier->error) {
        courier_lose(courier, error_text(courier->error));
    } else if (!courier->done && courier->step == COURIER_CONNECT) {
        if (revents & (POLLOUT | POLLERR | POLLHUP))
            finish_connect(courier, now_ms);
    } else if (!courier->done) {
        if (revents & (POLLIN | POLLERR | POLLHUP))
            read_replies(courier, now_ms);
        if (!courier->done && !courier->deaf && courier_events(courier, now_ms) & POLLOUT)
            write_out(courier, now_ms);
    }
    if (!courier->done && now_ms >= courier->deadline_ms)
        courier_lose(courier, "timed out");
    return !was_decided && courier->result != COURIER_UNDECIDED;
}

void courier_quit(struct courier *courier, int64_t now_ms)
{
    if (courier->done)
        return;
    if (courier->deaf || courier->code == 421) {
        courier->done = true;
        return;
    }
    courier->step = COURIER_QUIT;
    courier_say(courier, "QUIT", "", "");
    courier_set_deadline(courier, now_ms);
}

void courier_end(struct courier *courier)
{
    io_close(&courier->fd);
    buf_free(&courier->in);
    buf_free(&courier->out);
    buf_free(&courier->reply);
    buf_free(&courier->failure);
}

/* --- the message ------------------------------------------------------------------------------*/

int courier_add_wire(struct buf *buf, const char *text, size_t size)
{
    bool at_start = true;

    for (size_t at = 0; at < size;) {
        const char *newline = memchr(text + at, '\n', size - at);
        size_t length = newline ? (size_t) (newline - text) - at : size - at;
        size_t plain = length > 0 && newline && text[at + length - 1] == '\r' ? length - 1 : length;

        at_start = text[at] == '.';
        if ((at_start && buf_add_byte(buf, '.') < 0) || buf_add(buf, text + at, plain) < 0 ||
            buf_add_text(buf, "\r\n") < 0)
            return -1;
        at += length + (newline ? 1 : 0);
    }
    return buf_add_text(buf, ".\r\n");
}

/* SPDX-License-Identifier: ISC */
/* A connection: its bytes in and out, what waits, and how it ends. */
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mta/lib/io.h"
#include "mta/lib/mem.h"
#include "sim/actors/smtp-server/server.h"

#define IN_MAX ((size_t) 65536)
#define OUT_ENOUGH ((size_t) 65536) /* no command is looked at while more is to be sent */
#define DRAIN_MS 2000
#define SPLIT_MS 1

static void touch(struct connection *connection)
{
    connection->deadline_ms = server_now(connection->server) + connection->server->timeout_ms;
}

int connection_open(struct server *server, int fd, const struct endpoint *peer)
{
    struct connection *connection = mem_alloc(sizeof *connection);
    struct record *record = &server->record;
    int on = 1;

    if (!connection) {
        io_close(&fd);
        return -1;
    }
    memset(connection, 0, sizeof *connection);
    connection->server = server;
    connection->fd = fd;
    connection->peer = *peer;
    connection->number = ++server->connection_number;
    connection->message.limit = (size_t) server->size_max;
    endpoint_text(peer, connection->peer_text);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    touch(connection);
    server->connections[server->connection_count++] = connection;
    record_begin(record, "connect");
    record_number(record, connection->number);
    record_word(record, connection->peer_text);
    record_number(record, endpoint_port(peer));
    if (record_hold(record) < 0)
        server->broken = true;
    command_connect(connection);
    return 0;
}

void connection_free(struct connection *connection)
{
    message_free(connection);
    io_close(&connection->fd);
    buf_free(&connection->in);
    buf_free(&connection->out);
    buf_free(&connection->argument);
    buf_free(&connection->reply);
    buf_free(&connection->text);
    buf_free(&connection->auth_name);
    buf_free(&connection->helo);
    buf_free(&connection->sender);
    buf_free(&connection->recipients);
    mem_free(connection);
}

/* --- how it ends ------------------------------------------------------------------------------*/

static void tell_end(struct connection *connection, const char *how)
{
    struct record *record = &connection->server->record;

    if (connection->ended)
        return;
    connection->ended = true;
    connection->pending = false;
    record_begin(record, "end");
    record_number(record, connection->number);
    record_word(record, how);
    if (record_write(record) < 0)
        connection->server->broken = true;
}

/* It is not there any more. */
static void leave(struct connection *connection, const char *why, const char *how)
{
    message_lost(connection, why);
    tell_end(connection, how);
    io_close(&connection->fd);
    connection->gone = true;
}

/* The client hears the end at once; what it still sends is read for a while, since the system
 * would answer it with a reset, in which replies under way may be lost. */
static void close_softly(struct connection *connection, const char *how)
{
    tell_end(connection, how);
    if (connection->closed_by_client || shutdown(connection->fd, SHUT_WR) < 0) {
        io_close(&connection->fd);
        connection->gone = true;
        return;
    }
    connection->mode = MODE_DRAINING;
    connection->deadline_ms = server_now(connection->server) + DRAIN_MS;
}

void connection_do(struct connection *connection, const struct deed *deed)
{
    if (deed->kind == DEED_SILENCE) {
        message_lost(connection, "silence");
        connection->mode = MODE_DEAF;
    } else if (deed->kind == DEED_CLOSE) {
        message_lost(connection, "closed");
        close_softly(connection, "server");
    } else {
        message_lost(connection, "reset");
        tell_end(connection, "server");
        endpoint_reset(&connection->fd);
        connection->gone = true;
    }
}

void connection_bad(struct connection *connection, enum bad bad)
{
    static const char *const texts[BAD_COUNT] = {
        [BAD_LF] = "bare LF",
        [BAD_CR] = "bare CR",
        [BAD_NUL] = "NUL in a command",
        [BAD_EARLY] = "speaks before the greeting",
        [BAD_PIPELINING] = "pipelining, which is not offered",
        [BAD_BEHIND] = "more behind a command that ends a group",
        [BAD_LENGTH] = "line too long",
    };
    struct record *record = &connection->server->record;

    if (connection->bad & 1U << bad)
        return;
    connection->bad |= 1U << bad;
    record_begin(record, "bad");
    record_number(record, connection->number);
    record_quoted(record, texts[bad], strlen(texts[bad]));
    if (record_write(record) < 0)
        connection->server->broken = true;
}

/* --- writing ----------------------------------------------------------------------------------*/

static void tell_out(struct connection *connection, const char *bytes, size_t size)
{
    struct record *record = &connection->server->record;

    record_begin(record, "out");
    record_number(record, connection->number);
    record_quoted(record, bytes, size);
    if (record_hold(record) < 0)
        connection->server->broken = true;
}

/* What was said is told before it can be heard. */
static void tell_held(struct connection *connection)
{
    if (record_flush(&connection->server->record) < 0)
        connection->server->broken = true;
}

void connection_send(struct connection *connection, const char *bytes, size_t size)
{
    if (buf_add(&connection->out, bytes, size) < 0) {
        leave(connection, "out of memory", "reset");
        return;
    }
    tell_out(connection, bytes, size);
    touch(connection);
}

void connection_reply(struct connection *connection, const char *text, size_t size)
{
    size_t before = connection->out.length;

    for (size_t at = 0; at < size;) {
        const char *newline = memchr(text + at, '\n', size - at);
        size_t length = newline ? (size_t) (newline - text) - at : size - at;

        if (buf_add(&connection->out, text + at, length) < 0 ||
            buf_add_text(&connection->out, "\r\n") < 0) {
            connection->out.length = before;
            leave(connection, "out of memory", "reset");
            return;
        }
        at += length + 1;
    }
    tell_out(connection, text, size);
    touch(connection);
}

/* What is to happen when all is sent. */
static void all_sent(struct connection *connection)
{
    struct deed close = {.kind = DEED_CLOSE};

    connection->split = false;
    if (connection->after_flush == AFTER_NOTHING || connection->ended)
        return;
    if (connection->end_how) {
        message_lost(connection, connection->end_how);
        close_softly(connection, connection->end_how);
    } else {
        connection_do(connection, &close);
    }
}

static void flush(struct connection *connection)
{
    int64_t now_ms = server_now(connection->server);
    size_t size = connection->split ? 1 : connection->out.length;
    ssize_t sent;

    if (connection->out.length > 0 && (!connection->split || now_ms >= connection->split_at_ms)) {
        tell_held(connection);
        sent = send(connection->fd, connection->out.data, size, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno != EAGAIN && errno != EINTR)
                leave(connection, "connection reset", "reset");
            return;
        }
        buf_drop(&connection->out, (size_t) sent);
        connection->split_at_ms = now_ms + SPLIT_MS;
        touch(connection);
    }
    if (connection->out.length == 0)
        all_sent(connection);
}

/* --- reading ----------------------------------------------------------------------------------*/

/* How many bytes may be read now. */
static size_t read_room(struct connection *connection)
{
    size_t room = IN_MAX;

    if (connection->mode != MODE_DEAF && connection->mode != MODE_DRAINING)
        room -= connection->in.length < room ? connection->in.length : room;
    if (connection->limited && connection->limit_at - connection->received < room)
        room = (size_t) (connection->limit_at - connection->received);
    if (connection->mode == MODE_DATA && connection->slow_bytes > 0 && connection->slow_left < room)
        room = (size_t) connection->slow_left;
    return room;
}

static bool may_read(struct connection *connection)
{
    if (connection->closed_by_client || connection->limit_hit)
        return false;
    if (connection->mode == MODE_DATA) {
        if (server_now(connection->server) < connection->read_at_ms)
            return false;
        if (connection->slow_left == 0)
            connection->slow_left = connection->slow_bytes;
    }
    return read_room(connection) > 0;
}

/* Counts what was read against the limits. */
static void count_read(struct connection *connection, size_t size)
{
    connection->received += size;
    touch(connection);
    if (connection->mode == MODE_DATA && connection->slow_bytes > 0) {
        connection->slow_left -= size;
        if (connection->slow_left == 0)
            connection->read_at_ms = server_now(connection->server) + connection->slow_ms;
    }
    if (connection->limited && connection->received == connection->limit_at) {
        connection->limit_hit = true; /* before the last byte has had an effect */
        if (connection->in.length > 0)
            connection->in.length--;
    }
}

static void read_some(struct connection *connection)
{
    char bytes[16384];
    size_t room = read_room(connection);
    ssize_t got = recv(connection->fd, bytes, room < sizeof bytes ? room : sizeof bytes, 0);

    if (got == 0) {
        connection->closed_by_client = true;
    } else if (got < 0) {
        if (errno != EAGAIN && errno != EINTR)
            leave(connection, "connection reset", "reset");
    } else if (connection->mode != MODE_DEAF && connection->mode != MODE_DRAINING) {
        if (buf_add(&connection->in, bytes, (size_t) got) < 0)
            leave(connection, "out of memory", "reset");
        else
            count_read(connection, (size_t) got);
    }
}

/* --- going on ---------------------------------------------------------------------------------*/

/* A line that is longer than any command: its rest is skipped. */
static bool take_long_line(struct connection *connection)
{
    size_t most = connection->mode == MODE_AUTH ? SERVER_AUTH_LINE_MAX : SERVER_LINE_MAX;

    if (connection->in.length > 5 && strncasecmp(connection->in.data, "AUTH ", 5) == 0)
        most = SERVER_AUTH_LINE_MAX;
    if (connection->in.length <= most)
        return false;
    connection_bad(connection, BAD_LENGTH);
    connection->skipping = true;
    buf_reset(&connection->in);
    return true;
}

/* Takes one line if there is a whole one. */
static bool take_line(struct connection *connection)
{
    struct buf *in = &connection->in;
    const char *newline = in->length ? memchr(in->data, '\n', in->length) : NULL;
    size_t size = newline ? (size_t) (newline - in->data) : 0;
    bool bare = size == 0 || newline[-1] != '\r';
    struct buf line = BUF_INIT(0);

    if (!newline)
        return take_long_line(connection);
    if (buf_add(&line, in->data, size - !bare) < 0) {
        leave(connection, "out of memory", "reset");
        return false;
    }
    buf_drop(in, size + 1);
    if (bare)
        connection_bad(connection, BAD_LF);
    if (connection->skipping || size > SERVER_AUTH_LINE_MAX) {
        connection->skipping = false;
        connection->mode = MODE_COMMANDS;
        event_answer(connection, "500 5.5.6 line too long");
    } else if (bare) {
        connection->mode = MODE_COMMANDS;
        event_answer(connection, "500 5.5.2 a line ends with CR LF");
    } else if (connection->mode == MODE_AUTH) {
        auth_line(connection, line.data, line.length);
    } else {
        command_line(connection, line.data, line.length);
    }
    buf_free(&line);
    return true;
}

/* Takes some of the message. */
static bool take_data(struct connection *connection)
{
    struct buf *in = &connection->in;
    size_t size = in->length;

    if (connection->data_limited) {
        uint64_t left = connection->data_limit.bytes - connection->data_received;

        if (left == 0) {
            if (connection->out.length > 0)
                return false;
            connection_do(connection, &connection->data_limit);
            return true;
        }
        if (left < size)
            size = (size_t) left;
    }
    if (size == 0)
        return false;
    buf_drop(in, message_add(connection, in->data, size));
    if (connection->mode == MODE_COMMANDS && in->length > 0 &&
        !(connection->extended && connection->server->pipelining))
        connection_bad(connection, BAD_PIPELINING);
    return true;
}

/* Nothing more can be done now with what has come in: what if nothing more will come? */
static void run_dry(struct connection *connection)
{
    if (connection->limit_hit && connection->out.length == 0) {
        connection->limit_hit = connection->limited = false;
        connection_do(connection, &connection->limit);
    } else if (connection->closed_by_client && connection->out.length == 0) {
        leave(connection, "connection closed", "client");
    }
}

static bool can_go_on(const struct connection *connection)
{
    return !connection->gone && !connection->ended && connection->after_flush == AFTER_NOTHING &&
           connection->out.length <= OUT_ENOUGH && !(connection->split && connection->out.length);
}

/* Does all that can be done with what has come in. */
static void advance(struct connection *connection)
{
    while (can_go_on(connection)) {
        bool more;

        if (connection->pending) {
            if (server_now(connection->server) < connection->pending_at_ms)
                return;
            event_finish(connection);
            continue;
        }
        if (connection->mode == MODE_DEAF) {
            buf_reset(&connection->in);
            more = false;
        } else {
            more = connection->mode == MODE_DATA ? take_data(connection) : take_line(connection);
        }
        if (!more && !connection->pending) {
            if (can_go_on(connection))
                run_dry(connection);
            return;
        }
    }
}

/* It has been idle, or drained, for too long. */
static void time_out(struct connection *connection)
{
    static const char text[] = "421 4.4.2 timeout, closing";

    if (connection->mode == MODE_DRAINING) {
        io_close(&connection->fd);
        connection->gone = true;
    } else if (connection->out.length > 0 || connection->after_flush != AFTER_NOTHING) {
        leave(connection, "timeout", "timeout");
    } else {
        connection->after_flush = AFTER_CLOSE;
        connection->end_how = "timeout";
        connection_reply(connection, text, sizeof text - 1);
    }
}

short connection_events(struct connection *connection)
{
    short events = may_read(connection) ? POLLIN : 0;

    if (connection->out.length > 0 &&
        (!connection->split || server_now(connection->server) >= connection->split_at_ms))
        events |= POLLOUT;
    return events;
}

/* Whether time does not matter to it. */
static bool is_patient(const struct connection *connection)
{
    return connection->mode == MODE_DEAF || connection->pending;
}

int64_t connection_due(const struct connection *connection)
{
    int64_t due = is_patient(connection) ? SERVER_NEVER : connection->deadline_ms;

    if (connection->pending && connection->pending_at_ms < due)
        due = connection->pending_at_ms;
    if (connection->split && connection->out.length > 0 && connection->split_at_ms < due)
        due = connection->split_at_ms;
    if (connection->mode == MODE_DATA && connection->read_at_ms > server_now(connection->server) &&
        connection->read_at_ms < due)
        due = connection->read_at_ms;
    return due;
}

void connection_work(struct connection *connection, short revents)
{
    bool broken = revents & (POLLERR | POLLHUP);

    if (connection->gone)
        return;
    if (revents && may_read(connection))
        read_some(connection);
    else if (broken && connection->pending)
        connection->hung = true;
    else if (broken)
        leave(connection, "connection reset", "reset");
    if (connection->gone)
        return;
    if (connection->mode == MODE_DRAINING) {
        if (connection->closed_by_client)
            connection->gone = true;
    } else {
        advance(connection);
        if (!connection->gone && !connection->ended)
            flush(connection);
        if (!connection->gone && !connection->ended)
            advance(connection);
    }
    if (!connection->gone && !is_patient(connection) &&
        server_now(connection->server) >= connection->deadline_ms)
        time_out(connection);
    if (connection->hung && !connection->pending && !connection->gone)
        leave(connection, "connection reset", "reset");
}

void connection_stop(struct connection *connection)
{
    static const char text[] = "421 4.3.2 shutting down";

    if (connection->ended)
        return;
    message_lost(connection, "shutting down");
    if (connection->mode == MODE_COMMANDS || connection->mode == MODE_AUTH)
        connection_reply(connection, text, sizeof text - 1);
    tell_held(connection);
    if (!connection->gone && connection->out.length > 0)
        send(connection->fd, connection->out.data, connection->out.length, MSG_NOSIGNAL);
    tell_end(connection, "server");
}

/* SPDX-License-Identifier: ISC */
/* Bytes to and from a server, with deadlines.  The socket never blocks; all waiting is in poll. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "mta/lib/clock.h"
#include "mta/lib/io.h"
#include "mta/remote/remote.h"

#define INPUT_MAX 131072 /* bytes that are kept of what was not asked for yet */
#define PIECE 65536      /* bytes that the server must take within the timeout */
#define READ_AT_ONCE 4096
#define NONE (-1) /* no deadline yet */

void connection_init(struct connection *connection, int life_fd)
{
    memset(connection, 0, sizeof *connection);
    connection->fd = -1;
    connection->life_fd = life_fd;
    connection->in.limit = INPUT_MAX + READ_AT_ONCE;
}

void connection_close(struct connection *connection)
{
    io_close(&connection->fd);
    buf_reset(&connection->in);
    buf_reset(&connection->out);
    connection->in_at = 0;
    connection->esmtp = connection->pipelining = connection->eight_bit = connection->size = false;
    connection->in_transaction = connection->committed = false;
    connection->ended = false;
    connection->transactions = 0;
}

void connection_free(struct connection *connection)
{
    connection_close(connection);
    buf_free(&connection->in);
    buf_free(&connection->out);
    buf_free(&connection->key);
}

static int fail(struct connection *connection, enum connection_trouble trouble)
{
    connection->trouble = trouble;
    connection_close(connection);
    return -1;
}

/* Waits for `events` on the socket, at most until *deadline, which the first wait (*deadline is
 * NONE) sets to `time_ms` from now: what poll found there, 0 after the deadline, or -1 with the
 * connection closed since nobody waits for it any more. */
static int wait_for(struct connection *connection, short events, int64_t time_ms, int64_t *deadline)
{
    for (;;) {
        int life = connection->committed ? -1 : connection->life_fd;
        struct pollfd fds[2] = {{.fd = connection->fd, .events = events},
                                {.fd = life, .events = POLLIN}};
        int64_t now = clock_monotonic_ms();
        if (*deadline == NONE)
            *deadline = now + time_ms;
        if (!connection->committed && connection->until_ms < *deadline)
            *deadline = connection->until_ms;
        int64_t left = *deadline > now ? *deadline - now : 0;
        int found = poll(fds, 2, left < INT_MAX ? (int) left : INT_MAX);
        if (found < 0 && errno == EINTR)
            continue;
        if (found < 0)
            return fail(connection, TROUBLE_MEMORY);
        if (fds[1].revents)
            return fail(connection, TROUBLE_GONE);
        return fds[0].revents;
    }
}

/* --- connecting ---------------------------------------------------------------------------- */

static int connect_socket(struct connection *connection, int64_t connect_ms)
{
    int one = 1, error = 0;
    int64_t deadline = NONE;
    socklen_t size = sizeof error;
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(connection->fd, (const struct sockaddr *) &connection->address,
                socket_address_length(&connection->address)) == 0)
        return 0;
    if (errno != EINPROGRESS && errno != EINTR)
        return -1;
    int found = wait_for(connection, POLLOUT, connect_ms, &deadline);
    if (found < 0)
        return -1;
    if (found == 0) {
        errno = ETIMEDOUT;
        return -1;
    }
    if (getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
        return -1;
    errno = error;
    return error ? -1 : 0;
}

int connection_open(struct connection *connection, const struct sockaddr_storage *address,
                    int64_t connect_ms)
{
    connection_close(connection);
    connection->trouble = TROUBLE_NONE;
    connection->address = *address;
    socket_address_format_host(connection->host, address);
    smtp_reply_begin(&connection->reply);
    connection->fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (connection->fd < 0)
        return -1;
    if (connect_socket(connection, connect_ms) == 0)
        return 0;
    int saved = errno;
    connection_close(connection);
    errno = saved;
    return -1;
}

/* --- bytes --------------------------------------------------------------------------------- */

int connection_put(struct connection *connection, const char *text)
{
    return buf_add_text(&connection->out, text) < 0 ? fail(connection, TROUBLE_MEMORY) : 0;
}

/* Reads once into `in`; notes the end.  -1 without memory. */
static int fill(struct connection *connection)
{
    if (connection->in_at == connection->in.length) {
        buf_reset(&connection->in);
        connection->in_at = 0;
    } else if (connection->in_at > INPUT_MAX / 2) {
        buf_drop(&connection->in, connection->in_at);
        connection->in_at = 0;
    }
    if (buf_reserve(&connection->in, READ_AT_ONCE) < 0)
        return fail(connection, TROUBLE_MEMORY);
    ssize_t count =
        io_read(connection->fd, connection->in.data + connection->in.length, READ_AT_ONCE);
    if (count > 0)
        connection->in.length += (size_t) count;
    else if (count == 0 || errno != EAGAIN)
        connection->ended = true;
    return 0;
}

static size_t unread(const struct connection *connection)
{
    return connection->in.length - connection->in_at;
}

/* Writes once.  What was taken of `out`. */
static size_t drain(struct connection *connection, size_t from)
{
    ssize_t count;
    do {
        count = write(connection->fd, connection->out.data + from, connection->out.length - from);
    } while (count < 0 && errno == EINTR);
    if (count < 0 && errno != EAGAIN)
        connection->ended = true;
    return count > 0 ? (size_t) count : 0;
}

/* The server is gone while we send: what it said last, if anything, is in `in`. */
static int flush_into_nothing(struct connection *connection)
{
    buf_reset(&connection->out);
    while (fill(connection) == 0 && !connection->ended)
        if (unread(connection) > INPUT_MAX / 2)
            break;
    if (connection->fd < 0)
        return -1;
    return unread(connection) ? 0 : fail(connection, TROUBLE_LOST);
}

int connection_flush(struct connection *connection)
{
    size_t sent = 0, piece_end = PIECE;
    int64_t deadline = NONE;
    if (connection->fd < 0)
        return -1;
    connection->unsent = true;
    while (sent < connection->out.length && !connection->ended) {
        sent += drain(connection, sent);
        if (sent == connection->out.length || connection->ended)
            break;
        if (sent >= piece_end) {
            piece_end = sent + PIECE;
            deadline = NONE;
        }
        bool hears = unread(connection) < INPUT_MAX / 2;
        int found =
            wait_for(connection, POLLOUT | (hears ? POLLIN : 0), connection->timeout_ms, &deadline);
        if (found < 0)
            return -1;
        if (found == 0)
            return fail(connection, TROUBLE_SILENT);
        if ((found & POLLIN) && fill(connection) < 0)
            return -1;
    }
    if (sent < connection->out.length)
        return flush_into_nothing(connection);
    buf_reset(&connection->out);
    connection->unsent = false;
    return 0;
}

int connection_reply(struct connection *connection)
{
    enum smtp_reply_state state = SMTP_REPLY_MORE;
    int64_t deadline = NONE;
    smtp_reply_begin(&connection->reply);
    if (connection_flush(connection) < 0)
        return -1;
    for (;;) {
        if (unread(connection)) {
            connection->in_at +=
                smtp_reply_add(&connection->reply, connection->in.data + connection->in_at,
                               unread(connection), &state);
            if (state == SMTP_REPLY_WHOLE)
                return 0;
            if (state == SMTP_REPLY_RUBBISH)
                return fail(connection, TROUBLE_RUBBISH);
        }
        if (connection->ended)
            return fail(connection, TROUBLE_LOST);
        int found = wait_for(connection, POLLIN, connection->timeout_ms, &deadline);
        if (found < 0)
            return -1;
        if (found == 0)
            return fail(connection, TROUBLE_SILENT);
        if (fill(connection) < 0)
            return -1;
    }
}

bool connection_has_input(struct connection *connection)
{
    struct pollfd fd = {.fd = connection->fd, .events = POLLIN};
    if (connection->fd < 0 || connection->ended || unread(connection))
        return true;
    return poll(&fd, 1, 0) != 0;
}

bool connection_has_unread(const struct connection *connection)
{
    return unread(connection) > 0;
}

bool connection_is_ahead(struct connection *connection)
{
    if (connection->fd >= 0 && !unread(connection) && !connection->ended &&
        connection_has_input(connection))
        fill(connection);
    return unread(connection) > 0;
}

int connection_rubbish(struct connection *connection)
{
    return fail(connection, TROUBLE_RUBBISH);
}

int connection_out_of_step(struct connection *connection)
{
    return fail(connection, TROUBLE_OUT_OF_STEP);
}

bool connection_is_unwanted(const struct connection *connection)
{
    struct pollfd fd = {.fd = connection->life_fd, .events = POLLIN};
    return connection->life_fd >= 0 && poll(&fd, 1, 0) != 0;
}

void connection_quit(struct connection *connection, int other_fd)
{
    char rest[512];
    int64_t deadline = clock_monotonic_ms() + QUIT_MS;
    if (connection->fd < 0)
        return;
    buf_reset(&connection->out);
    ssize_t count = connection->ended ? -1 : write(connection->fd, "QUIT\r\n", 6);
    while (count > 0) {
        struct pollfd fds[2] = {{.fd = connection->fd, .events = POLLIN},
                                {.fd = other_fd, .events = POLLIN}};
        int64_t left = deadline - clock_monotonic_ms();
        if (left <= 0 || poll(fds, 2, (int) left) <= 0 || fds[1].revents)
            break;
        count = io_read(connection->fd, rest, sizeof rest);
        if (count > 0 && memchr(rest, '\n', (size_t) count))
            break;
    }
    connection_close(connection);
}

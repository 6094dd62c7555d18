/* SPDX-License-Identifier: ISC */
/*
 * smtp-server: a mail server of somebody else, that behaves as its rules say.  Configuration on
 * fd 0, records on fd 1 (docs/architecture.md, "Actors").
 *
 * Strict where it is not told otherwise: RFC 5321's grammar and order, lines that end with CR LF,
 * and `bad` records about what a client must not do.
 *
 * Exit status: 0 after TERM; 1 if it cannot listen, or its records are not read; 2 if the
 * configuration is wrong.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mta/lib/clock.h"
#include "mta/lib/error.h"
#include "mta/lib/io.h"
#include "mta/lib/mem.h"
#include "sim/actors/smtp-server/server.h"

enum { EXIT_STOPPED = 0, EXIT_TROUBLE = 1, EXIT_CONFIG = 2 };

#define ACCEPTS_MAX 64 /* connections at a time */

int64_t server_now(const struct server *server)
{
    return server->now_ms;
}

static void look_at_clock(struct server *server)
{
    server->now_ms = clock_monotonic_ms() - server->start_ms;
}

/* --- listening --------------------------------------------------------------------------------*/

static void complain(const char *what, const char *why)
{
    struct buf text = BUF_INIT(0);

    if (buf_add_text(&text, "smtp-server: ") == 0 && buf_add_text(&text, what) == 0 &&
        buf_add_text(&text, why) == 0 && buf_add_byte(&text, '\n') == 0)
        io_write(2, text.data, text.length);
    buf_free(&text);
}

/* Listens where that is not done yet.  0, or -1 after telling why. */
static int start_listening(struct server *server, bool tell)
{
    char text[ENDPOINT_TEXT];

    for (size_t i = 0; i < server->listener_count; i++) {
        struct listener *listener = &server->listeners[i];

        if (listener->fd >= 0)
            continue;
        listener->fd = endpoint_listen(&listener->endpoint);
        if (listener->fd < 0) {
            complain("cannot listen: ", error_text(errno));
            return -1;
        }
        if (!tell)
            continue;
        record_begin(&server->record, "listening");
        record_word(&server->record, endpoint_text(&listener->endpoint, text));
        record_number(&server->record, endpoint_port(&listener->endpoint));
        if (record_write(&server->record) < 0)
            return -1;
    }
    return 0;
}

static void stop_listening(struct server *server)
{
    for (size_t i = 0; i < server->listener_count; i++)
        io_close(&server->listeners[i].fd);
}

/* Listens, or does not, as the rules want it now.  When that may change: *change_ms. */
static int heed_refusals(struct server *server, int64_t *change_ms)
{
    if (!rules_refuse(server, server_now(server), change_ms))
        return start_listening(server, false);
    stop_listening(server);
    return 0;
}

static void accept_some(struct server *server, const struct listener *listener)
{
    int64_t change_ms;

    for (int i = 0; i < ACCEPTS_MAX && server->connection_count < server->connections_max; i++) {
        struct endpoint peer = {.size = sizeof peer.address};
        int fd = accept4(listener->fd, &peer.address.any, &peer.size, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd < 0)
            return;
        connection_open(server, fd, &peer);
        if (rules_refuse(server, server_now(server), &change_ms))
            return;
    }
}

/* --- the loop ---------------------------------------------------------------------------------*/

/* What is polled: the signals, the listeners, the connections, the bounces under way. */
struct polls {
    struct pollfd *list;
    size_t room;
};

static int make_polls(struct server *server, struct polls *polls, size_t *count)
{
    size_t bounces = bounce_count(server), at = 0;
    size_t need = 1 + server->listener_count + server->connection_count + bounces;
    bool full = server->connection_count >= server->connections_max;

    if (!polls->list || need > polls->room) {
        struct pollfd *list = mem_resize(polls->list, 2 * need * sizeof *list);
        if (!list)
            return -1;
        polls->list = list;
        polls->room = 2 * need;
    }
    polls->list[at++] = (struct pollfd){.fd = server->signals, .events = POLLIN};
    for (size_t i = 0; i < server->listener_count; i++)
        polls->list[at++] =
            (struct pollfd){.fd = full ? -1 : server->listeners[i].fd, .events = POLLIN};
    for (size_t i = 0; i < server->connection_count; i++) {
        struct connection *connection = server->connections[i];

        polls->list[at++] = (struct pollfd){.fd = connection->hung ? -1 : connection->fd,
                                            .events = connection_events(connection)};
    }
    bounce_poll(server, polls->list + at);
    *count = need;
    return 0;
}

/* Milliseconds until something is due, -1 for never. */
static int time_left(const struct server *server, int64_t due)
{
    int64_t now_ms = server_now(server);
    int64_t bounce = bounce_due(server);

    for (size_t i = 0; i < server->connection_count; i++) {
        int64_t own = connection_due(server->connections[i]);

        if (own < due)
            due = own;
    }
    if (bounce < due)
        due = bounce;
    if (due == SERVER_NEVER)
        return -1;
    if (due <= now_ms)
        return 0;
    return due - now_ms > INT_MAX ? INT_MAX : (int) (due - now_ms);
}

static void sweep(struct server *server)
{
    size_t kept = 0;

    for (size_t i = 0; i < server->connection_count; i++) {
        if (server->connections[i]->gone)
            connection_free(server->connections[i]);
        else
            server->connections[kept++] = server->connections[i];
    }
    server->connection_count = kept;
}

/* Sees to all that poll told of, in a fixed order; connections before those that are new. */
static void work(struct server *server, const struct pollfd *polls)
{
    const struct pollfd *at = polls + 1 + server->listener_count;
    size_t connections = server->connection_count;

    server->stopping = polls[0].revents != 0;
    for (size_t i = 0; i < connections; i++) {
        struct connection *connection = server->connections[i];

        if (at[i].revents || server_now(server) >= connection_due(connection))
            connection_work(connection, at[i].revents);
    }
    bounce_work(server, at + connections);
    for (size_t i = 0; i < server->listener_count; i++)
        if (polls[1 + i].revents)
            accept_some(server, &server->listeners[i]);
    sweep(server);
}

static int run(struct server *server)
{
    struct polls polls = {NULL, 0};
    size_t count;
    int status = EXIT_TROUBLE;

    while (!server->broken && !server->stopping) {
        int64_t change_ms;

        look_at_clock(server);
        if (heed_refusals(server, &change_ms) < 0 || make_polls(server, &polls, &count) < 0 ||
            record_flush(&server->record) < 0)
            break;
        if (poll(polls.list, count, time_left(server, change_ms)) < 0) {
            if (errno == EINTR)
                continue;
            complain("cannot wait: ", error_text(errno));
            break;
        }
        look_at_clock(server);
        work(server, polls.list);
    }
    if (server->stopping)
        status = EXIT_STOPPED;
    mem_free(polls.list);
    return status;
}

static int set_up(struct server *server)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    if (sigaction(SIGPIPE, &ignore, NULL) < 0 || sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return -1;
    server->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    server->connections = mem_alloc(server->connections_max * sizeof(struct connection *));
    server->start_ms = clock_monotonic_ms() - server->age_ms;
    if (server->signals < 0 || !server->connections)
        return -1;
    return start_listening(server, true);
}

static void tear_down(struct server *server)
{
    for (size_t i = 0; i < server->connection_count; i++) {
        connection_stop(server->connections[i]);
        connection_free(server->connections[i]);
    }
    bounce_free_all(server);
    stop_listening(server);
    io_close(&server->signals);
    mem_free(server->connections);
    server_free(server);
}

int main(int argc, char **argv, char **environment)
{
    struct server server;
    int status = EXIT_TROUBLE;

    (void) argc, (void) argv, (void) environment;
    memset(&server, 0, sizeof server);
    server.record = (struct record) RECORD_INIT(1);
    server.signals = -1;
    if (server_configure(&server) < 0)
        status = EXIT_CONFIG;
    else if (set_up(&server) == 0)
        status = run(&server);
    tear_down(&server);
    return status;
}

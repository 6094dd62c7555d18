/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "mta/lib/io.h"
#include "sim/actors/dns-server/server.h"

#define DATAGRAMS_AT_ONCE 64
#define PORT_TRIES 20
#define LENGTH_SIZE 2 /* before each message over TCP, RFC 1035 4.2.2 */

/* --- opening ----------------------------------------------------------------------------------*/

static int open_udp(const struct endpoint *endpoint)
{
    int on = 1, family = endpoint->address.any.sa_family;
    int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    if ((family != AF_INET6 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0) &&
        bind(fd, &endpoint->address.any, endpoint->size) == 0)
        return fd;
    int error = errno;
    io_close(&fd);
    errno = error;
    return -1;
}

/* The same port for both; if any port will do, one that is free for both. */
static int open_listener(struct listener *listener)
{
    const struct endpoint wanted = listener->endpoint;

    for (int tries = endpoint_port(&wanted) ? 1 : PORT_TRIES; tries > 0; tries--) {
        listener->endpoint = wanted;
        listener->tcp = endpoint_listen(&listener->endpoint);
        if (listener->tcp < 0)
            return -1;
        listener->udp = open_udp(&listener->endpoint);
        if (listener->udp >= 0)
            return 0;
        int error = errno;
        io_close(&listener->tcp);
        errno = error;
    }
    return -1;
}

int network_open(struct server *server)
{
    char text[ENDPOINT_TEXT];

    for (size_t i = 0; i < server->listener_count; i++) {
        struct listener *listener = &server->listeners[i];

        endpoint_text(&listener->endpoint, text);
        if (open_listener(listener) < 0) {
            server_complain(text, errno);
            return -1;
        }
        record_begin(&server->record, "listening");
        record_word(&server->record, text);
        record_number(&server->record, endpoint_port(&listener->endpoint));
        if (record_write(&server->record) < 0) {
            server_complain("standard output", errno);
            return -1;
        }
    }
    return 0;
}

void network_close_connection(struct connection *connection)
{
    io_close(&connection->fd);
    buf_free(&connection->in);
    buf_free(&connection->out);
}

void network_close(struct server *server)
{
    for (size_t i = 0; i < server->listener_count; i++) {
        io_close(&server->listeners[i].udp);
        io_close(&server->listeners[i].tcp);
    }
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        network_close_connection(&server->connections[i]);
}

/* --- sending ----------------------------------------------------------------------------------*/

static void send_udp(const struct server *server, const struct client *client, const void *bytes,
                     size_t size)
{
    struct endpoint peer = client->peer;
    struct iovec part = {(void *) bytes, size};
    const struct msghdr header = {
        .msg_name = &peer.address, .msg_namelen = peer.size, .msg_iov = &part, .msg_iovlen = 1};

    sendmsg(server->listeners[client->listener].udp, &header, 0);
}

/* Sends what the connection takes now. */
static void flush(struct connection *connection)
{
    while (connection->out.length > 0) {
        ssize_t count =
            send(connection->fd, connection->out.data, connection->out.length, MSG_NOSIGNAL);

        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0 && errno == EAGAIN)
            return;
        if (count < 0) {
            network_close_connection(connection);
            return;
        }
        buf_drop(&connection->out, (size_t) count);
    }
}

void network_send(struct server *server, const struct client *client, const void *bytes,
                  size_t size)
{
    struct connection *connection = client->connection;
    const char length[LENGTH_SIZE] = {(char) (size >> 8), (char) size};

    if (!connection) {
        send_udp(server, client, bytes, size);
        return;
    }
    if (connection->fd < 0)
        return;
    if (buf_add(&connection->out, length, sizeof length) < 0 ||
        buf_add(&connection->out, bytes, size) < 0)
        network_close_connection(connection);
    else
        flush(connection);
}

/* --- receiving --------------------------------------------------------------------------------*/

static void receive_udp(struct server *server, unsigned listener)
{
    for (int i = 0; i < DATAGRAMS_AT_ONCE && !server->ends; i++) {
        unsigned char bytes[4096];
        struct client client = {.listener = listener};
        struct iovec part = {bytes, sizeof bytes};
        struct msghdr header = {.msg_name = &client.peer.address,
                                .msg_namelen = sizeof client.peer.address,
                                .msg_iov = &part,
                                .msg_iovlen = 1};
        ssize_t count = recvmsg(server->listeners[listener].udp, &header, 0);

        if (count < 0)
            return;
        client.peer.size = header.msg_namelen;
        serve(server, &client, bytes, (size_t) count);
    }
}

/* A place for a new connection; if there is none, that of the one which has been silent longest. */
static struct connection *free_place(struct server *server)
{
    struct connection *oldest = &server->connections[0];

    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        struct connection *connection = &server->connections[i];

        if (connection->fd < 0)
            return connection;
        if (connection->heard_ms < oldest->heard_ms)
            oldest = connection;
    }
    network_close_connection(oldest);
    return oldest;
}

static void accept_connection(struct server *server, unsigned listener)
{
    struct endpoint peer = {.size = sizeof peer.address};
    int fd = accept4(server->listeners[listener].tcp, &peer.address.any, &peer.size,
                     SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0)
        return;
    *free_place(server) = (struct connection){.fd = fd,
                                              .id = ++server->last_connection,
                                              .peer = peer,
                                              .in = BUF_INIT(LENGTH_SIZE + DNS_MESSAGE_MAX + 4096),
                                              .out = BUF_INIT(UNSENT_MAX),
                                              .heard_ms = server_now(server)};
}

/* Answers the messages that have come whole. */
static void serve_connection(struct server *server, struct connection *connection)
{
    const struct client client = {connection->peer, 0, connection};

    while (connection->fd >= 0 && connection->in.length >= LENGTH_SIZE && !server->ends) {
        const unsigned char *in = (const unsigned char *) connection->in.data;
        size_t size = (size_t) in[0] << 8 | in[1];

        if (connection->in.length < LENGTH_SIZE + size)
            return;
        serve(server, &client, in + LENGTH_SIZE, size);
        if (connection->fd >= 0)
            buf_drop(&connection->in, LENGTH_SIZE + size);
    }
}

static void receive_tcp(struct server *server, struct connection *connection)
{
    char bytes[4096];
    ssize_t count = io_read(connection->fd, bytes, sizeof bytes);

    if (count < 0 && errno == EAGAIN)
        return;
    if (count <= 0 || buf_add(&connection->in, bytes, (size_t) count) < 0) {
        network_close_connection(connection);
        return;
    }
    connection->heard_ms = server_now(server);
    serve_connection(server, connection);
}

/* --- the loop ---------------------------------------------------------------------------------*/

#define POLLS_MAX (1 + 2 * LISTENERS_MAX + CONNECTIONS_MAX)

/* What to wait for: signals, then two of each listener, then one of each connection (those that
 * are closed have -1, which poll passes over). */
static nfds_t fill_polls(const struct server *server, struct pollfd *polls)
{
    nfds_t count = 0;

    polls[count++] = (struct pollfd){server->signals, POLLIN, 0};
    for (size_t i = 0; i < server->listener_count; i++) {
        polls[count++] = (struct pollfd){server->listeners[i].udp, POLLIN, 0};
        polls[count++] = (struct pollfd){server->listeners[i].tcp, POLLIN, 0};
    }
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        const struct connection *connection = &server->connections[i];
        short events = connection->out.length ? POLLIN | POLLOUT : POLLIN;

        polls[count++] = (struct pollfd){connection->fd, events, 0};
    }
    return count;
}

/* Closes connections that have been silent; in how many milliseconds the next one is due, -1:
 * none. */
static int close_idle(struct server *server)
{
    int64_t now = server_now(server), next = -1;

    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        struct connection *connection = &server->connections[i];
        int64_t left = connection->heard_ms + IDLE_MS - now;

        if (connection->fd < 0)
            continue;
        if (left <= 0)
            network_close_connection(connection);
        else if (next < 0 || left < next)
            next = left;
    }
    return (int) next;
}

static void take_events(struct server *server, const struct pollfd *polls)
{
    if (polls++->revents)
        server->ends = true;
    for (unsigned i = 0; i < server->listener_count && !server->ends; i++, polls += 2) {
        if (polls[0].revents)
            receive_udp(server, i);
        if (polls[1].revents)
            accept_connection(server, i);
    }
    for (size_t i = 0; i < CONNECTIONS_MAX && !server->ends; i++, polls++) {
        struct connection *connection = &server->connections[i];

        if (!polls->revents || connection->fd != polls->fd)
            continue;
        if (polls->revents & POLLOUT)
            flush(connection);
        if (connection->fd >= 0 && (polls->revents & ~POLLOUT))
            receive_tcp(server, connection);
    }
}

int network_turn(struct server *server, int timeout_ms)
{
    struct pollfd polls[POLLS_MAX];
    int idle_ms = close_idle(server);
    nfds_t count = fill_polls(server, polls);

    if (timeout_ms < 0 || (idle_ms >= 0 && idle_ms < timeout_ms))
        timeout_ms = idle_ms;
    if (poll(polls, count, timeout_ms) >= 0)
        take_events(server, polls);
    else if (errno != EINTR) {
        server_complain("poll", errno);
        return -1;
    }
    return 0;
}

/* SPDX-License-Identifier: ISC */
/*
 * TCP: connect, listen, accept, shutdown, close (tcp(7); what Linux does where POSIX leaves it
 * open).  Simultaneous open is not modelled.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "sim/kernel/net_internal.h"

#define BACKLOG_MAX 4096 /* net.core.somaxconn */

/* --- the end of a connection -------------------------------------------------------------------*/

void tcp_leave(struct inet_socket *socket)
{
    struct connection *connection = socket->connection;
    if (!connection)
        return;
    connection->end[socket->side] = NULL;
    socket->connection = NULL;
    connection_free_unused(connection);
}

void tcp_done(struct inet_socket *socket, int error)
{
    struct connection *connection = socket->connection;
    if (error)
        socket->error = error;
    if (connection && socket->state != TCP_SYN_SENT)
        flow_drop_waiting(connection, socket->side);
    tcp_leave(socket);
    socket->state = TCP_CLOSE;
    socket->shut_read = socket->shut_write = true;
    if (!socket->file && !socket->listener) {
        inet_free(socket);
        return;
    }
    if (socket->bound.port == 0)
        port_release(socket);
    wait_wake(&socket->queue);
}

void tcp_reset(struct inet_socket *socket, int error)
{
    if (socket->state == TCP_SYN_RECV && socket->listener) {
        tcp_leave(socket);
        tcp_unpend(socket);
        inet_free(socket);
        return;
    }
    if (socket->state == TCP_CLOSE_WAIT)
        error = EPIPE;
    tcp_done(socket, error);
}

void tcp_linger(struct inet_socket *socket)
{
    port_time_wait(socket);
    socket->connection->graceful[socket->side] = true;
    tcp_leave(socket);
    inet_free(socket);
}

static bool needs_reset(int state)
{
    return state == TCP_ESTABLISHED || state == TCP_CLOSE_WAIT || state == TCP_FIN_WAIT1 ||
           state == TCP_FIN_WAIT2 || state == TCP_SYN_RECV;
}

/* Tells the other end at once, and leaves. */
static void send_reset(struct inet_socket *socket)
{
    struct connection *connection = socket->connection;
    unsigned side = socket->side;
    connection->held++;
    flow_drop_waiting(connection, side);
    connection->end[side] = NULL;
    socket->connection = NULL;
    flow_push_control(connection, side, RESET);
    connection->held--;
    connection_free_unused(connection);
}

/* A connect that is given up: the other side's half of it goes, too. */
static void abandon_connect(struct inet_socket *socket)
{
    struct connection *connection = socket->connection;
    struct inet_socket *child = connection->end[1];
    connection->held++;
    tcp_leave(socket);
    flow_drop(connection, 0);
    flow_drop(connection, 1);
    if (child && child->state == TCP_SYN_RECV) {
        tcp_leave(child);
        tcp_unpend(child);
        inet_free(child);
    }
    connection->held--;
    connection_free_unused(connection);
}

/* --- listening ---------------------------------------------------------------------------------*/

static void join_listeners(struct inet_socket *socket)
{
    struct net_host *host = socket->host;
    socket->next_listener = NULL;
    if (host->last_listener)
        host->last_listener->next_listener = socket;
    else
        host->first_listener = socket;
    host->last_listener = socket;
}

static void leave_listeners(struct inet_socket *socket)
{
    struct net_host *host = socket->host;
    struct inet_socket *previous = NULL, *one = host->first_listener;
    while (one && one != socket) {
        previous = one;
        one = one->next_listener;
    }
    if (!one)
        return;
    if (previous)
        previous->next_listener = socket->next_listener;
    else
        host->first_listener = socket->next_listener;
    if (host->last_listener == socket)
        host->last_listener = previous;
}

static int tcp_listen(struct file *file, int backlog)
{
    struct inet_socket *socket = inet_of(file);
    if (socket->progress != UNCONNECTED ||
        (socket->state != TCP_CLOSE && socket->state != TCP_LISTEN))
        return -EINVAL;
    socket->backlog = (unsigned) backlog > BACKLOG_MAX ? BACKLOG_MAX : (unsigned) backlog;
    if (socket->state == TCP_LISTEN)
        return 0;
    int result = 0;
    if (!socket->binding) {
        socket->local.port = 0;
        result = port_bind(socket);
    } else if (!port_may_listen(socket)) {
        result = -EADDRINUSE;
    }
    if (result < 0)
        return result;
    socket->state = TCP_LISTEN;
    socket->shut_read = socket->shut_write = false;
    port_update(socket);
    join_listeners(socket);
    return 0;
}

/* Takes `socket` out of a list that hangs together by next_pending. */
static bool unlink_pending(struct inet_socket **first, struct inet_socket **last,
                           struct inet_socket *socket)
{
    struct inet_socket *previous = NULL, *one = *first;
    while (one && one != socket) {
        previous = one;
        one = one->next_pending;
    }
    if (!one)
        return false;
    if (previous)
        previous->next_pending = socket->next_pending;
    else
        *first = socket->next_pending;
    if (last && *last == socket)
        *last = previous;
    socket->next_pending = NULL;
    return true;
}

void tcp_unpend(struct inet_socket *socket)
{
    struct inet_socket *listener = socket->listener;
    if (!unlink_pending(&listener->first_half, NULL, socket))
        unlink_pending(&listener->first_ready, &listener->last_ready, socket);
    listener->pending--;
    socket->listener = NULL;
}

static void stop_listening(struct inet_socket *listener)
{
    struct inet_socket *child;
    leave_listeners(listener);
    listener->state = TCP_CLOSE;
    while ((child = listener->first_ready ? listener->first_ready : listener->first_half)) {
        tcp_unpend(child);
        if (needs_reset(child->state) && child->state != TCP_SYN_RECV)
            send_reset(child);
        else
            tcp_leave(child);
        inet_free(child);
    }
}

static struct file *tcp_accept(struct file *file, int flags, int *error)
{
    struct inet_socket *listener = inet_of(file);
    for (;;) {
        *error = listener->state != TCP_LISTEN ? EINVAL : EAGAIN;
        if (listener->state != TCP_LISTEN)
            return NULL;
        if (listener->first_ready)
            break;
        if (file->flags & O_NONBLOCK)
            return NULL;
        wait_on(&listener->queue, FOREVER);
    }
    struct inet_socket *socket = listener->first_ready;
    tcp_unpend(socket);
    socket->progress = CONNECTED;
    return inet_file(socket, flags);
}

/* --- connecting --------------------------------------------------------------------------------*/

/* Back to how it was after socket and bind. */
static void disconnect(struct inet_socket *socket)
{
    int state = socket->state;
    if (state == TCP_LISTEN) {
        stop_listening(socket);
    } else if (socket->connection && state == TCP_SYN_SENT) {
        abandon_connect(socket);
        socket->error = ECONNRESET;
    } else if (socket->connection && needs_reset(state)) {
        send_reset(socket);
        socket->error = ECONNRESET;
    } else {
        tcp_leave(socket);
    }
    socket->state = TCP_CLOSE;
    socket->shut_read = socket->shut_write = socket->ended = false;
    tcp_drop_received(socket);
    if (socket->bound.port == 0)
        port_release(socket); /* getsockname still tells it */
    socket->local.address = socket->bound.address;
    socket->remote.address = name_any(socket->family);
    socket->remote.port = 0;
    port_update(socket);
    wait_wake(&socket->queue);
}

static int find_way(struct inet_socket *socket, const struct sockaddr *address, socklen_t size,
                    struct net_name *to, struct net_name *local)
{
    int result = name_read(socket->family, address, size, to);
    if (result < 0)
        return result;
    name_resolve_any(to);
    bool v4 = name_is_mapped(&to->address);
    if (name_is_multicast(&to->address) || (v4 && socket->only_v6))
        return -ENETUNREACH;
    *local = socket->local;
    if (name_is_any(&local->address))
        return net_source(socket->host, &to->address, &local->address);
    if (name_is_mapped(&local->address) != v4)
        return -ENETUNREACH;
    bool inside = net_find(socket->host, &to->address) == socket->host;
    return name_is_loopback(&local->address) && !inside ? -EINVAL : 0;
}

/* Sends the SYN. */
static void start(struct inet_socket *socket)
{
    struct net_host *host = socket->host;
    struct connection *connection = connection_create(host->net);
    connection->end[0] = socket;
    connection->host[0] = host;
    connection->host[1] = net_find(host, &socket->remote.address);
    connection->name[0] = socket->local;
    connection->name[1] = socket->remote;
    if (connection->host[1])
        connection->link = net_link(host, connection->host[1]);
    socket->connection = connection;
    socket->side = 0;
    socket->state = TCP_SYN_SENT;
    socket->shut_read = socket->shut_write = socket->ended = false;
    flow_push_control(connection, 0, SYN);
}

static int begin(struct inet_socket *socket, const struct sockaddr *address, socklen_t size)
{
    struct net_name to, local, before = socket->local;
    int result = find_way(socket, address, size, &to, &local);
    if (result < 0)
        return result;
    socket->local = local;
    socket->remote = to;
    result = port_connect(socket);
    if (result < 0) {
        socket->local = before;
        socket->remote.port = 0;
        return result;
    }
    start(socket);
    return 0;
}

static int connect_failed(struct inet_socket *socket)
{
    int error = inet_take_error(socket);
    socket->progress = UNCONNECTED;
    disconnect(socket);
    return error ? -error : -ECONNABORTED;
}

static int tcp_connect(struct file *file, const struct sockaddr *address, socklen_t size)
{
    struct inet_socket *socket = inet_of(file);
    int pending = -EALREADY;
    if (size < sizeof(sa_family_t))
        return -EINVAL;
    if (address->sa_family == AF_UNSPEC) {
        socket->progress = UNCONNECTED;
        disconnect(socket);
        return 0;
    }
    if (socket->progress == CONNECTED)
        return -EISCONN;
    if (socket->progress == UNCONNECTED) {
        if (socket->state != TCP_CLOSE)
            return -EISCONN;
        int result = begin(socket, address, size);
        if (result < 0)
            return result;
        socket->progress = CONNECTING;
        pending = -EINPROGRESS;
    }
    /* Linux hears the answer only when the call is over. */
    if (file->flags & O_NONBLOCK && (pending == -EINPROGRESS || socket->state == TCP_SYN_SENT))
        return pending;
    while (socket->state == TCP_SYN_SENT)
        wait_on(&socket->queue, FOREVER);
    if (socket->state == TCP_CLOSE)
        return connect_failed(socket);
    socket->progress = CONNECTED;
    return 0;
}

/* --- shutting down and closing -----------------------------------------------------------------*/

static void shut_sending(struct inet_socket *socket)
{
    if (socket->shut_write)
        return;
    socket->shut_write = true;
    if (socket->state == TCP_ESTABLISHED)
        socket->state = TCP_FIN_WAIT1;
    else if (socket->state == TCP_CLOSE_WAIT)
        socket->state = TCP_LAST_ACK;
    else
        return;
    flow_push_control(socket->connection, socket->side, FIN);
}

static int tcp_shutdown(struct file *file, int how)
{
    struct inet_socket *socket = inet_of(file);
    if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR)
        return -EINVAL;
    if (socket->progress == CONNECTING)
        socket->progress =
            socket->state == TCP_SYN_SENT || socket->state == TCP_CLOSE ? UNCONNECTED : CONNECTED;
    int state = socket->state;
    if (state == TCP_SYN_SENT || (state == TCP_LISTEN && how != SHUT_WR)) {
        disconnect(socket);
        return 0;
    }
    if (state == TCP_LISTEN)
        return 0;
    if (how != SHUT_WR)
        socket->shut_read = true;
    if (how != SHUT_RD && state == TCP_CLOSE)
        socket->shut_write = true;
    else if (how != SHUT_RD)
        shut_sending(socket);
    wait_wake(&socket->queue);
    return state == TCP_CLOSE ? -ENOTCONN : 0;
}

/* Nobody holds it any more. */
static void close_connected(struct inet_socket *socket)
{
    bool at_once = socket->linger && socket->linger_seconds == 0;
    if (socket->unread > 0 || (at_once && needs_reset(socket->state))) {
        send_reset(socket);
        inet_free(socket);
        return;
    }
    socket->shut_read = true;
    switch (socket->state) {
    case TCP_ESTABLISHED:
    case TCP_CLOSE_WAIT:
        shut_sending(socket); /* may be its end */
        break;
    case TCP_FIN_WAIT2:
        tcp_linger(socket);
        break;
    default: /* its FIN is on the way */
        break;
    }
}

void tcp_release(struct file *file)
{
    struct inet_socket *socket = inet_of(file);
    socket->file = NULL;
    if (socket->state == TCP_LISTEN)
        stop_listening(socket);
    else if (socket->connection && socket->state == TCP_SYN_SENT)
        abandon_connect(socket);
    else if (socket->connection) {
        close_connected(socket);
        return;
    }
    inet_free(socket);
}

static const struct socket_operations tcp_socket_operations = {
    .bind = inet_bind,
    .listen = tcp_listen,
    .connect = tcp_connect,
    .accept = tcp_accept,
    .send = tcp_send,
    .receive = tcp_receive,
    .shutdown = tcp_shutdown,
    .name = inet_name,
    .get_option = inet_get_option,
    .set_option = inet_set_option,
};

const struct file_operations tcp_operations = {
    .read = inet_read,
    .write = inet_write,
    .ready = tcp_ready,
    .queue = inet_queue,
    .stat = inet_stat,
    .release = tcp_release,
    .socket = &tcp_socket_operations,
};

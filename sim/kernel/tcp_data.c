/* SPDX-License-Identifier: ISC */
/* Reading and writing of TCP sockets, and what poll tells of them. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>

#include "sim/kernel/net_internal.h"

/* --- sending -----------------------------------------------------------------------------------*/

static size_t queued(const struct inet_socket *socket)
{
    return socket->connection ? socket->connection->flow[socket->side].queued : 0;
}

bool tcp_writable(const struct inet_socket *socket)
{
    return queued(socket) * 3 <= socket->send_limit * 2;
}

static ssize_t broken(struct inet_socket *socket, const struct socket_message *message)
{
    int error = inet_take_error(socket);
    if (!error)
        error = EPIPE;
    if (error == EPIPE && !(message->flags & MSG_NOSIGNAL))
        signal_send(running, SIGPIPE, &(struct signal_info){.code = SI_KERNEL});
    return -error;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Adds to a piece that has not left, up to `most` bytes in it; how much. */
static size_t fill_last(struct flow *flow, const char *from, size_t size, size_t most)
{
    struct inet_piece *last = flow->last;
    most = flow->waiting ? least(last->room, most) : 0;
    if (!flow->waiting || last->kind != DATA || last->size >= most)
        return 0;
    size_t part = least(size, most - last->size);
    memcpy(last->data + last->size, from, part);
    last->size += (uint32_t) part;
    flow->appended += part;
    flow->queued += part;
    return part;
}

static size_t send_some(struct inet_socket *socket, const char *from, size_t size)
{
    struct connection *connection = socket->connection;
    const struct inet_socket *receiver = connection->end[1 - socket->side];
    size_t part = least(size, socket->send_limit - queued(socket));
    size_t most = connection->link->path.bandwidth ? PIECE_SLOW : PIECE_LARGE;
    if (receiver)
        most = least(most, receiver->receive_limit);
    size_t added = fill_last(&connection->flow[socket->side], from, part, most);
    if (added > 0)
        return added;
    part = least(part, most);
    struct inet_piece *piece = piece_take(connection->net, DATA, part);
    memcpy(piece->data, from, part);
    flow_push(connection, socket->side, piece);
    return part;
}

static bool is_open(const struct inet_socket *socket)
{
    return (socket->state == TCP_ESTABLISHED || socket->state == TCP_CLOSE_WAIT) &&
           !socket->error && !socket->shut_write;
}

ssize_t tcp_send(struct file *file, struct socket_message *message)
{
    struct inet_socket *socket = inet_of(file);
    size_t size = call_transfer_size(message->size), done = 0;
    while (socket->state == TCP_SYN_SENT && !socket->error) {
        if (!inet_can_wait(file, message->flags))
            return -EAGAIN;
        wait_on(&socket->queue, FOREVER);
    }
    if (!is_open(socket))
        return broken(socket, message);
    while (done < size) {
        if (!is_open(socket))
            return done > 0 ? (ssize_t) done : broken(socket, message);
        if (queued(socket) < socket->send_limit) {
            done += send_some(socket, message->data + done, size - done);
        } else {
            socket->no_space = true;
            if (!inet_can_wait(file, message->flags))
                return done > 0 ? (ssize_t) done : -EAGAIN;
            wait_on(&socket->queue, FOREVER);
        }
    }
    return (ssize_t) done;
}

/* --- receiving ---------------------------------------------------------------------------------*/

static void drop_first(struct inet_socket *socket)
{
    struct inet_piece *piece = socket->first;
    socket->first = piece->next;
    if (!socket->first)
        socket->last = NULL;
    piece_give(socket->host->net, piece);
}

void tcp_drop_received(struct inet_socket *socket)
{
    while (socket->first)
        drop_first(socket);
    socket->unread = 0;
}

static size_t peek_some(const struct inet_socket *socket, char *to, size_t size)
{
    size_t done = 0;
    for (struct inet_piece *piece = socket->first; piece && done < size; piece = piece->next) {
        size_t part = least(size - done, piece->size - piece->taken);
        memcpy(to + done, piece->data + piece->taken, part);
        done += part;
    }
    return done;
}

static size_t take_some(struct inet_socket *socket, char *to, size_t size)
{
    size_t done = 0;
    while (socket->first && done < size) {
        struct inet_piece *piece = socket->first;
        size_t part = least(size - done, piece->size - piece->taken);
        memcpy(to + done, piece->data + piece->taken, part);
        piece->taken += (uint32_t) part;
        done += part;
        if (piece->taken == piece->size)
            drop_first(socket);
    }
    socket->unread -= done;
    struct connection *connection = socket->connection;
    if (connection && done > 0 && connection->flow[1 - socket->side].waiting)
        flow_go(connection, 1 - socket->side); /* the window is open again */
    return done;
}

/* Nothing more will come: true, with what a call tells then. */
static bool is_at_end(struct inet_socket *socket, ssize_t *result)
{
    *result = 0;
    if (socket->ended)
        return true;
    if (socket->error) {
        *result = -inet_take_error(socket);
        return true;
    }
    if (socket->shut_read)
        return true;
    *result = -ENOTCONN;
    return socket->state == TCP_CLOSE;
}

ssize_t tcp_receive(struct file *file, struct socket_message *message)
{
    struct inet_socket *socket = inet_of(file);
    bool peek = message->flags & MSG_PEEK, all = message->flags & MSG_WAITALL && !peek;
    size_t size = call_transfer_size(message->size), done = 0;
    ssize_t result;
    if (socket->state == TCP_LISTEN)
        return -ENOTCONN;
    for (;;) {
        if (socket->first) {
            done += peek ? peek_some(socket, message->data, size)
                         : take_some(socket, message->data + done, size - done);
            if (done == size || !all)
                return (ssize_t) done;
            continue;
        }
        if (done > 0 && (socket->error || socket->shut_read || socket->state == TCP_CLOSE))
            return (ssize_t) done;
        if (is_at_end(socket, &result))
            return result;
        if (!inet_can_wait(file, message->flags))
            return done > 0 ? (ssize_t) done : -EAGAIN;
        wait_on(&socket->queue, FOREVER);
    }
}

/* --- poll --------------------------------------------------------------------------------------*/

short tcp_ready(struct file *file, struct process *process)
{
    (void) process;
    struct inet_socket *socket = inet_of(file);
    short ready = 0;
    if (socket->state == TCP_LISTEN)
        return socket->first_ready ? POLLIN : 0;
    if ((socket->shut_read && socket->shut_write) || socket->state == TCP_CLOSE)
        ready |= POLLHUP;
    if (socket->shut_read)
        ready |= POLLIN | POLLRDHUP;
    if (socket->error)
        ready |= POLLERR;
    if (socket->state == TCP_SYN_SENT)
        return ready;
    if (socket->first)
        ready |= POLLIN;
    if (socket->shut_write || tcp_writable(socket))
        ready |= POLLOUT;
    else
        socket->no_space = true;
    return ready;
}

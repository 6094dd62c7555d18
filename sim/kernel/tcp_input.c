/* SPDX-License-Identifier: ISC */
/* What happens to a connection when a piece arrives (RFC 9293 3.10.7, as Linux does it). */
#include <errno.h>
#include <string.h>

#include "sim/kernel/net_internal.h"

/* --- the handshake -----------------------------------------------------------------------------*/

static struct inet_socket *find_listener(const struct connection *connection)
{
    if (!connection->link || connection->link->path.fate != NET_OPEN)
        return NULL;
    return port_listener(connection->host[1], &connection->name[1], &connection->name[0]);
}

bool tcp_must_drop(struct connection *connection)
{
    const struct inet_socket *listener = find_listener(connection);
    return listener && listener->pending > listener->backlog;
}

static void inherit(struct inet_socket *child, const struct inet_socket *listener)
{
    child->uid = listener->uid;
    child->reuse_address = listener->reuse_address;
    child->reuse_port = listener->reuse_port;
    child->keep_alive = listener->keep_alive;
    child->keep_idle = listener->keep_idle;
    child->keep_interval = listener->keep_interval;
    child->keep_count = listener->keep_count;
    child->no_delay = listener->no_delay;
    child->only_v6 = listener->only_v6;
    child->broadcast = listener->broadcast;
    child->linger = listener->linger;
    child->linger_seconds = listener->linger_seconds;
    child->send_buffer = listener->send_buffer;
    child->receive_buffer = listener->receive_buffer;
    child->send_limit = listener->send_limit;
    child->receive_limit = listener->receive_limit;
}

static void take_up(struct connection *connection, struct inet_socket *listener)
{
    struct inet_socket *child = inet_create(connection->host[1], listener->family, PROTOCOL_TCP);
    inherit(child, listener);
    child->local = connection->name[1];
    child->remote = connection->name[0];
    child->state = TCP_SYN_RECV;
    child->connection = connection;
    child->side = 1;
    connection->end[1] = child;
    port_inherit(child);
    child->listener = listener;
    child->next_pending = listener->first_half;
    listener->first_half = child;
    listener->pending++;
    net_apply_cuts(connection);
    flow_push_control(connection, 1, SYN_ACK);
}

static void arrive_syn(struct connection *connection)
{
    struct inet_socket *listener = find_listener(connection);
    if (!connection->end[0])
        return;
    if (listener)
        take_up(connection, listener);
    else if (!connection->link || connection->link->path.fate == NET_UNREACHABLE)
        flow_push_control(connection, 1, UNREACHABLE);
    else
        flow_push_control(connection, 1, RESET);
}

static void arrive_syn_ack(struct connection *connection)
{
    struct inet_socket *client = connection->end[0];
    if (!client || client->state != TCP_SYN_SENT)
        return;
    client->state = TCP_ESTABLISHED;
    wait_wake(&client->queue);
    flow_push_control(connection, 0, ACK);
}

/* The two ends are cut off from each other. */
static void cut(struct connection *connection, enum net_cut how)
{
    if (how == NET_CUT_SILENT) {
        connection->cut = true;
        return;
    }
    net_tell(connection, 0, NET_RESET_BOTH);
    flow_drop(connection, 0);
    flow_drop(connection, 1);
    for (unsigned side = 0; side < 2; side++)
        if (connection->end[side])
            tcp_reset(connection->end[side], ECONNRESET);
}

void tcp_cut_after(struct inet_socket *socket, uint64_t bytes)
{
    struct connection *connection = socket->connection;
    struct flow *flow = &connection->flow[socket->side];
    uint64_t at = flow->arrived + flow->queued + bytes;
    if (at <= flow->arrived) {
        cut(connection, NET_CUT_RESET);
    } else if (at < flow->cut_at) {
        flow->cut_at = at;
        flow->cut_how = NET_CUT_RESET;
    }
}

static void arrive_ack(struct connection *connection)
{
    struct inet_socket *child = connection->end[1];
    if (!child) { /* the listener is gone */
        net_tell(connection, 0, NET_STRAY);
        flow_push_control(connection, 1, RESET);
        return;
    }
    struct inet_socket *listener = child->listener;
    tcp_unpend(child);
    child->state = TCP_ESTABLISHED;
    child->listener = listener;
    listener->pending++;
    if (listener->last_ready)
        listener->last_ready->next_pending = child;
    else
        listener->first_ready = child;
    listener->last_ready = child;
    wait_wake(&listener->queue);
    for (unsigned way = 0; way < 2; way++) {
        if (connection->flow[way].cut_at == 0) {
            cut(connection, connection->flow[way].cut_how);
            break;
        }
    }
}

/* --- data and ends -----------------------------------------------------------------------------*/

static bool is_held(const struct inet_socket *socket)
{
    return socket->file || socket->listener;
}

static void append_received(struct inet_socket *socket, struct inet_piece *piece)
{
    piece->next = NULL;
    if (socket->last)
        socket->last->next = piece;
    else
        socket->first = piece;
    socket->last = piece;
    socket->unread += piece->size;
    wait_wake(&socket->queue);
}

/* Both directions were shut here: nobody will read what comes. */
static bool must_reset(const struct inet_socket *receiver)
{
    return receiver->shut_read &&
           (receiver->state == TCP_FIN_WAIT1 || receiver->state == TCP_FIN_WAIT2);
}

/* Only `size` bytes of it arrive.  The sender, who hears nothing of the rest, sends it again. */
static void keep_rest(struct connection *connection, unsigned way, struct inet_piece *piece,
                      uint32_t size)
{
    uint32_t rest = piece->size - size;
    piece->size = size;
    if (rest == 0 || connection->flow[way].cut_how != NET_CUT_SILENT)
        return;
    struct inet_piece *again = piece_take(connection->net, DATA, rest);
    memcpy(again->data, piece->data + size, rest);
    again->offset = piece->offset + size;
    again->arrival_ns = piece->arrival_ns;
    flow_put_back(&connection->flow[way], again);
}

static void arrive_data(struct connection *connection, unsigned way, struct inet_piece *piece)
{
    struct flow *flow = &connection->flow[way];
    struct inet_socket *receiver = connection->end[1 - way];
    if (!receiver || must_reset(receiver)) {
        piece_give(connection->net, piece);
        net_tell(connection, way, NET_STRAY);
        if (receiver)
            tcp_reset(receiver, ECONNRESET);
        flow_push_control(connection, 1 - way, RESET);
        return;
    }
    bool reached = flow->cut_at - flow->arrived <= piece->size;
    if (reached)
        keep_rest(connection, way, piece, (uint32_t) (flow->cut_at - flow->arrived));
    flow->arrived += piece->size;
    net_tell_taken(connection, way, DATA, piece->size);
    append_received(receiver, piece);
    if (reached)
        cut(connection, flow->cut_how);
}

/* The other end has it all. */
static void fin_acknowledged(struct connection *connection, unsigned side)
{
    struct inet_socket *socket = connection->end[side];
    if (!socket)
        return;
    switch (socket->state) {
    case TCP_FIN_WAIT1:
        socket->state = TCP_FIN_WAIT2;
        if (!is_held(socket))
            tcp_linger(socket);
        break;
    case TCP_CLOSING:
        port_time_wait(socket);
        connection->graceful[side] = true;
        tcp_done(socket, 0);
        break;
    case TCP_LAST_ACK:
        connection->graceful[side] = true;
        tcp_done(socket, 0);
        break;
    default:
        break;
    }
}

static void arrive_fin(struct connection *connection, unsigned way)
{
    unsigned side = 1 - way;
    struct inet_socket *receiver = connection->end[side];
    if (!receiver && !connection->graceful[side]) {
        net_tell(connection, way, NET_STRAY);
        flow_push_control(connection, side, RESET);
        return;
    }
    net_tell_taken(connection, way, FIN, 0);
    if (receiver) {
        receiver->shut_read = receiver->ended = true;
        switch (receiver->state) {
        case TCP_ESTABLISHED:
            receiver->state = TCP_CLOSE_WAIT;
            wait_wake(&receiver->queue);
            break;
        case TCP_FIN_WAIT1:
            receiver->state = TCP_CLOSING;
            wait_wake(&receiver->queue);
            break;
        case TCP_FIN_WAIT2:
            port_time_wait(receiver);
            connection->graceful[side] = true;
            tcp_done(receiver, 0);
            break;
        default:
            break;
        }
    }
    fin_acknowledged(connection, way);
}

static void arrive_reset(struct connection *connection, unsigned way)
{
    struct inet_socket *receiver = connection->end[1 - way];
    if (receiver)
        tcp_reset(receiver, receiver->state == TCP_SYN_SENT ? ECONNREFUSED : ECONNRESET);
}

static void arrive_unreachable(struct connection *connection)
{
    struct inet_socket *client = connection->end[0];
    if (client && client->state == TCP_SYN_SENT)
        tcp_done(client, EHOSTUNREACH);
}

void tcp_arrive(struct connection *connection, unsigned way, struct inet_piece *piece)
{
    enum piece_kind kind = piece->kind;
    if (kind == DATA) {
        arrive_data(connection, way, piece);
        return;
    }
    piece_give(connection->net, piece);
    switch (kind) {
    case SYN:
        arrive_syn(connection);
        break;
    case SYN_ACK:
        arrive_syn_ack(connection);
        break;
    case ACK:
        arrive_ack(connection);
        break;
    case FIN:
        arrive_fin(connection, way);
        break;
    case RESET:
        arrive_reset(connection, way);
        break;
    default:
        arrive_unreachable(connection);
        break;
    }
}

void tcp_give_up(struct connection *connection, unsigned way)
{
    struct inet_socket *sender = connection->end[way], *client = connection->end[0];
    connection->held++;
    flow_drop(connection, way);
    if (sender && sender->state == TCP_SYN_RECV)
        tcp_reset(sender, 0);
    else if (sender)
        tcp_done(sender, ETIMEDOUT);
    if (way == 1 && client && client->state == TCP_SYN_SENT)
        tcp_done(client, ETIMEDOUT);
    connection->held--;
    connection_free_unused(connection);
}

/* SPDX-License-Identifier: ISC */
/*
 * What is on the way from one end of a connection to the other: pieces leave in order when the
 * receiver's window has room, arrive after the path's time, and are tried again while they don't
 * get through.
 */
#include <stddef.h>
#include <string.h>

#include "sim/kernel/net_internal.h"

#define FIRST_RETRY (200 * MILLISECONDS) /* TCP_RTO_MIN */
#define LAST_RETRY (60 * NANOSECONDS)
#define SYN_RETRY NANOSECONDS
#define SYN_RETRIES 6
#define GIVE_UP (924600 * MILLISECONDS)        /* tcp_retries2 = 15 */
#define GIVE_UP_CLOSED (102200 * MILLISECONDS) /* tcp_orphan_retries = 8 */

/* --- pieces ------------------------------------------------------------------------------------*/

static struct pool *pool_of(struct net *net, size_t room)
{
    return room == 0 ? &net->controls : room == PIECE_SMALL ? &net->small : &net->large;
}

struct inet_piece *piece_take(struct net *net, enum piece_kind kind, size_t size)
{
    size_t room = size == 0 ? 0 : size <= PIECE_SMALL ? PIECE_SMALL : PIECE_LARGE;
    struct inet_piece *piece = pool_take(pool_of(net, room), sizeof *piece + room);
    memset(piece, 0, sizeof *piece);
    piece->kind = kind;
    piece->room = (uint32_t) room;
    piece->size = (uint32_t) size;
    return piece;
}

void piece_give(struct net *net, struct inet_piece *piece)
{
    pool_give(pool_of(net, piece->room), piece);
}

/* --- connections -------------------------------------------------------------------------------*/

static void flow_timer(struct timer *timer);

struct connection *connection_create(struct net *net)
{
    struct connection *connection = pool_take(&net->connections_pool, sizeof *connection);
    memset(connection, 0, sizeof *connection);
    connection->net = net;
    connection->number = ++net->connection_count;
    connection->next = net->connections;
    if (connection->next)
        connection->next->previous = connection;
    net->connections = connection;
    for (unsigned way = 0; way < 2; way++) {
        connection->flow[way].way = way;
        connection->flow[way].cut_at = UINT64_MAX;
        connection->flow[way].timer.fire = flow_timer;
    }
    return connection;
}

void connection_free(struct connection *connection)
{
    struct net *net = connection->net;
    net_tell(connection, 0, NET_GONE);
    flow_drop(connection, 0);
    flow_drop(connection, 1);
    if (connection->previous)
        connection->previous->next = connection->next;
    else
        net->connections = connection->next;
    if (connection->next)
        connection->next->previous = connection->previous;
    pool_give(&net->connections_pool, connection);
}

void connection_free_unused(struct connection *connection)
{
    if (!connection->end[0] && !connection->end[1] && !connection->held)
        connection_free(connection);
}

/* --- leaving -----------------------------------------------------------------------------------*/

static struct kernel *kernel_of(const struct connection *connection)
{
    return connection->net->kernel;
}

static void append(struct flow *flow, struct inet_piece *piece)
{
    piece->next = NULL;
    piece->offset = flow->appended;
    flow->appended += piece->size;
    if (flow->last)
        flow->last->next = piece;
    else
        flow->first = piece;
    flow->last = piece;
    if (!flow->waiting)
        flow->waiting = piece;
    flow->queued += piece->size;
}

void flow_put_back(struct flow *flow, struct inet_piece *piece)
{
    piece->next = flow->first;
    flow->first = piece;
    if (!flow->last)
        flow->last = piece;
    flow->queued += piece->size;
    flow->in_flight += piece->size;
}

static struct inet_piece *take_first(struct flow *flow)
{
    struct inet_piece *piece = flow->first;
    flow->first = piece->next;
    if (!flow->first)
        flow->last = NULL;
    if (flow->waiting == piece)
        flow->waiting = piece->next;
    else
        flow->in_flight -= piece->size;
    flow->queued -= piece->size;
    return piece;
}

void flow_drop_waiting(struct connection *connection, unsigned way)
{
    struct flow *flow = &connection->flow[way];
    struct inet_piece *piece = flow->waiting, *last = NULL;
    if (!piece)
        return;
    for (struct inet_piece *one = flow->first; one != piece; one = one->next)
        last = one;
    flow->last = last;
    if (last)
        last->next = NULL;
    else
        flow->first = NULL;
    flow->waiting = NULL;
    if (!last) {
        timer_cancel(&kernel_of(connection)->timers, &flow->timer);
        flow->stalled = false;
    }
    while (piece) {
        struct inet_piece *next = piece->next;
        flow->queued -= piece->size;
        piece_give(connection->net, piece);
        piece = next;
    }
}

void flow_drop(struct connection *connection, unsigned way)
{
    struct flow *flow = &connection->flow[way];
    timer_cancel(&kernel_of(connection)->timers, &flow->timer);
    flow->stalled = false;
    while (flow->first)
        piece_give(connection->net, take_first(flow));
}

static bool window_is_open(const struct connection *connection, unsigned way)
{
    const struct inet_socket *receiver = connection->end[1 - way];
    size_t in_flight = connection->flow[way].in_flight;
    return !receiver || receiver->unread + in_flight < receiver->receive_limit;
}

static bool is_black(const struct connection *connection, unsigned way)
{
    if (connection->cut)
        return true;
    if (!connection->link)
        return false;
    return connection->link->path.fate == NET_BLACK_HOLE || connection->host[1 - way]->off;
}

static int64_t retry_after(const struct connection *connection, const struct flow *flow)
{
    enum piece_kind kind = flow->first->kind;
    if (kind == SYN || kind == SYN_ACK)
        return SYN_RETRY << flow->tries;
    int64_t first = connection->link ? 4 * connection->link->path.delay_ns : 0;
    if (first < FIRST_RETRY)
        first = FIRST_RETRY;
    int64_t wait = flow->tries < 20 ? first << flow->tries : LAST_RETRY;
    return wait < LAST_RETRY ? wait : LAST_RETRY;
}

/* Nothing gets through: all begins again when the timer comes.  A reset is not repeated, unless
 * it answers a SYN, which is. */
static void stall(struct connection *connection, unsigned way)
{
    struct flow *flow = &connection->flow[way];
    struct kernel *kernel = kernel_of(connection);
    flow->waiting = flow->first;
    flow->in_flight = 0;
    const struct inet_socket *other = connection->end[1 - way];
    if (flow->first->kind == RESET && !(other && other->state == TCP_SYN_SENT)) {
        flow_drop(connection, way);
        return;
    }
    if (flow->tries == 0)
        flow->stalled_ns = kernel->now_ns;
    flow->stalled = true;
    scheduler_timer_set(kernel, &flow->timer, kernel->now_ns + retry_after(connection, flow));
}

static void depart(struct connection *connection, unsigned way)
{
    struct flow *flow = &connection->flow[way];
    while (flow->waiting && !flow->stalled) {
        struct inet_piece *piece = flow->waiting;
        if (piece->size && !window_is_open(connection, way))
            return;
        bool lost = is_black(connection, way);
        net_tell_left(connection, way, piece, lost);
        if (lost) {
            stall(connection, way);
            return;
        }
        piece->arrival_ns = connection->link ? net_arrival(connection->link, way, piece->size,
                                                           flow->last_arrival_ns)
                                             : kernel_of(connection)->now_ns + DELAY_HOSTS;
        flow->last_arrival_ns = piece->arrival_ns;
        flow->in_flight += piece->size;
        flow->waiting = piece->next;
    }
}

/* --- arriving ----------------------------------------------------------------------------------*/

static void wake_writer(struct connection *connection, unsigned way)
{
    struct inet_socket *sender = connection->end[way];
    if (!sender || !sender->no_space || !tcp_writable(sender))
        return;
    sender->no_space = false;
    wait_wake(&sender->queue);
}

/* Lets the first piece arrive if it is time. */
static bool arrive(struct connection *connection, unsigned way)
{
    struct flow *flow = &connection->flow[way];
    struct inet_piece *piece = flow->first;
    if (flow->stalled || !piece || piece == flow->waiting ||
        piece->arrival_ns > kernel_of(connection)->now_ns)
        return false;
    if (is_black(connection, way) || (piece->kind == SYN && tcp_must_drop(connection))) {
        stall(connection, way);
        return false;
    }
    take_first(flow);
    flow->tries = 0;
    tcp_arrive(connection, way, piece);
    wake_writer(connection, way);
    return true;
}

/* For the next arrival. */
static void set_timer(struct connection *connection, struct flow *flow)
{
    struct kernel *kernel = kernel_of(connection);
    if (flow->stalled)
        return;
    if (!flow->first || flow->first == flow->waiting)
        timer_cancel(&kernel->timers, &flow->timer);
    else if (!flow->timer.slot || flow->timer.time_ns != flow->first->arrival_ns)
        scheduler_timer_set(kernel, &flow->timer, flow->first->arrival_ns);
}

void flow_retime(struct connection *connection, unsigned way)
{
    struct flow *flow = &connection->flow[way];
    int64_t now_ns = kernel_of(connection)->now_ns, last_ns = now_ns;
    for (struct inet_piece *one = flow->first; one && one != flow->waiting; one = one->next) {
        int64_t arrival_ns = net_arrival(connection->link, way, one->size, last_ns);
        if (arrival_ns < one->arrival_ns)
            one->arrival_ns = arrival_ns;
        last_ns = one->arrival_ns;
    }
    flow->last_arrival_ns = last_ns;
    set_timer(connection, flow);
}

void flow_go(struct connection *connection, unsigned way)
{
    struct flow *flow = &connection->flow[way];
    if (flow->busy || flow->stalled)
        return;
    connection->held++;
    flow->busy = true;
    do
        depart(connection, way);
    while (arrive(connection, way));
    flow->busy = false;
    set_timer(connection, flow);
    connection->held--;
    connection_free_unused(connection);
}

/* One that is closed gives up sooner. */
static bool is_hopeless(const struct connection *connection, unsigned way)
{
    const struct flow *flow = &connection->flow[way];
    enum piece_kind kind = flow->first->kind;
    if (kind == SYN || kind == SYN_ACK)
        return flow->tries > SYN_RETRIES;
    const struct inet_socket *sender = connection->end[way];
    int64_t limit = sender && sender->file ? GIVE_UP : GIVE_UP_CLOSED;
    return kernel_of(connection)->now_ns - flow->stalled_ns >= limit;
}

static void flow_timer(struct timer *timer)
{
    struct flow *flow = (struct flow *) (void *) ((char *) timer - offsetof(struct flow, timer));
    unsigned way = flow->way;
    struct connection *connection =
        (struct connection *) (void *) ((char *) (flow - way) - offsetof(struct connection, flow));
    if (flow->stalled) {
        flow->stalled = false;
        flow->tries++;
        if (is_hopeless(connection, way)) {
            tcp_give_up(connection, way);
            return;
        }
    }
    flow_go(connection, way);
}

void flow_push(struct connection *connection, unsigned way, struct inet_piece *piece)
{
    append(&connection->flow[way], piece);
    flow_go(connection, way);
}

void flow_push_control(struct connection *connection, unsigned way, enum piece_kind kind)
{
    flow_push(connection, way, piece_take(connection->net, kind, 0));
}

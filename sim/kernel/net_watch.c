/* SPDX-License-Identifier: ISC */
/* What an observer is told of the network. */
#include "sim/kernel/net_internal.h"

_Static_assert((int) SYN == NET_SYN && (int) DATA == NET_DATA && (int) RESET == NET_RST &&
                   (int) UNREACHABLE == NET_NO_ROUTE,
               "pieces are told by their numbers");

/* A sender lets one piece go while there is any room, and an end then; so much may come. */
static uint64_t window_of(const struct inet_socket *socket)
{
    size_t most;
    if (!socket)
        return 0;
    most = socket->receive_limit + PIECE_LARGE + 1;
    return most > socket->unread ? most - socket->unread : 0;
}

static struct net_event event_of(struct connection *connection, unsigned way,
                                 enum net_happening what)
{
    bool inside = connection->host[0] == connection->host[1];
    return (struct net_event){
        .what = what,
        .wall_ns = kernel_wall(connection->net->kernel),
        .connection = connection->number,
        .way = way,
        .from = &connection->name[way],
        .to = &connection->name[1 - way],
        .inside = inside ? connection->host[0]->host : NULL,
        .cut_at = UINT64_MAX,
        .window = {window_of(connection->end[0]), window_of(connection->end[1])},
        .note = &connection->note};
}

static void tell(const struct net *net, const struct net_event *event)
{
    net->observer(net->observer_context, event, NULL);
}

void net_tell(struct connection *connection, unsigned way, enum net_happening what)
{
    if (!connection->net->observer)
        return;
    struct net_event event = event_of(connection, way, what);
    tell(connection->net, &event);
}

void net_tell_left(struct connection *connection, unsigned way, const struct inet_piece *piece,
                   bool lost)
{
    if (!connection->net->observer)
        return;
    struct net_event event = event_of(connection, way, NET_LEFT);
    event.packet = (enum net_packet) piece->kind;
    event.offset = piece->offset;
    event.data = piece->data;
    event.size = piece->size;
    event.cut_at = connection->flow[way].cut_at;
    event.lost = lost;
    tell(connection->net, &event);
}

void net_tell_taken(struct connection *connection, unsigned way, enum piece_kind kind, size_t size)
{
    if (!connection->net->observer)
        return;
    struct net_event event = event_of(connection, way, NET_TAKEN);
    event.packet = (enum net_packet) kind;
    event.size = size;
    tell(connection->net, &event);
}

void net_tell_datagram(struct net *net, const struct net_datagram *datagram)
{
    if (!net->observer)
        return;
    struct net_datagram told = *datagram;
    told.wall_ns = kernel_wall(net->kernel);
    net->observer(net->observer_context, NULL, &told);
}

void net_observe(struct kernel *kernel, net_observer *observer, void *context)
{
    struct net *net = net_of(kernel);
    net->observer = observer;
    net->observer_context = context;
}

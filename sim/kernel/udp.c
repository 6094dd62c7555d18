/* SPDX-License-Identifier: ISC */
/*
 * UDP (udp(7)).  Datagrams arrive whole and in order, or not at all: in a black hole, at a host
 * that is down, or when the receiver's buffer is full.  What comes to a port where nobody listens
 * is told to connected senders as ECONNREFUSED.  No multicast, no broadcast.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>

#include "sim/kernel/net_internal.h"

#define UDP_MAX_V4 65507
#define UDP_MAX_V6 65527
#define ROOM ((size_t) 1500) /* datagrams of up to this size are pooled */
#define OVERHEAD ((size_t) 512)

/* A datagram on the way or in a socket's queue; or (error) the answer that it found nobody. */
struct datagram {
    struct timer timer;
    struct net *net;
    struct net_host *to_host, *from_host;
    struct net_name to, from;
    struct datagram *next, *previous; /* flying, or (next) in a queue */
    int error;
    size_t size, room;
    char data[];
};

/* --- datagrams ---------------------------------------------------------------------------------*/

static struct datagram *take(struct net *net, size_t size)
{
    size_t room = size <= ROOM ? ROOM : size;
    struct datagram *datagram = room == ROOM ? pool_take(&net->datagrams, sizeof *datagram + room)
                                             : must(malloc(sizeof *datagram + room));
    memset(datagram, 0, sizeof *datagram);
    datagram->net = net;
    datagram->size = size;
    datagram->room = room;
    return datagram;
}

static void give(struct datagram *datagram)
{
    if (datagram->room == ROOM)
        pool_give(&datagram->net->datagrams, datagram);
    else
        free(datagram);
}

static void land(struct datagram *datagram)
{
    timer_cancel(&datagram->net->kernel->timers, &datagram->timer);
    if (datagram->previous)
        datagram->previous->next = datagram->next;
    else
        datagram->net->flying = datagram->next;
    if (datagram->next)
        datagram->next->previous = datagram->previous;
}

void udp_drop_flying(struct net *net)
{
    while (net->flying) {
        struct datagram *datagram = net->flying;
        net->flying = datagram->next;
        timer_cancel(&net->kernel->timers, &datagram->timer);
        give(datagram);
    }
}

static void drop_first(struct inet_socket *socket)
{
    struct datagram *datagram = socket->first_datagram;
    socket->first_datagram = datagram->next;
    if (!socket->first_datagram)
        socket->last_datagram = NULL;
    socket->charged -= datagram->size + OVERHEAD;
    give(datagram);
}

void udp_drop_received(struct inet_socket *socket)
{
    while (socket->first_datagram)
        drop_first(socket);
}

/* --- on the way --------------------------------------------------------------------------------*/

static void send_back(struct datagram *datagram, int error);

static void enqueue(struct inet_socket *socket, struct datagram *datagram)
{
    if (socket->charged + datagram->size + OVERHEAD > socket->receive_limit) {
        give(datagram);
        return;
    }
    datagram->next = NULL;
    if (socket->last_datagram)
        socket->last_datagram->next = datagram;
    else
        socket->first_datagram = datagram;
    socket->last_datagram = datagram;
    socket->charged += datagram->size + OVERHEAD;
    wait_wake(&socket->queue);
}

/* The sender is told, if it is connected to where that went. */
static void tell_error(struct datagram *datagram)
{
    struct inet_socket *socket = port_receiver(datagram->to_host, &datagram->to, &datagram->from);
    if (socket && socket->connected) {
        socket->error = datagram->error;
        wait_wake(&socket->queue);
    }
    give(datagram);
}

static void arrive(struct datagram *datagram)
{
    if (datagram->to_host->off) {
        give(datagram);
    } else if (datagram->error) {
        tell_error(datagram);
    } else {
        struct inet_socket *socket =
            port_receiver(datagram->to_host, &datagram->to, &datagram->from);
        if (socket)
            enqueue(socket, datagram);
        else
            send_back(datagram, ECONNREFUSED);
    }
}

static void fire(struct timer *timer)
{
    struct datagram *datagram =
        (struct datagram *) (void *) ((char *) timer - offsetof(struct datagram, timer));
    land(datagram);
    arrive(datagram);
}

static void fly(struct datagram *datagram, int64_t arrival_ns)
{
    struct net *net = datagram->net;
    if (arrival_ns <= net->kernel->now_ns) {
        arrive(datagram);
        return;
    }
    datagram->next = net->flying;
    datagram->previous = NULL;
    if (datagram->next)
        datagram->next->previous = datagram;
    net->flying = datagram;
    datagram->timer.fire = fire;
    scheduler_timer_set(net->kernel, &datagram->timer, arrival_ns);
}

/* The link a datagram goes, and which way.  An answer goes back where the question came. */
static struct link *find_link(const struct datagram *datagram, unsigned *way)
{
    struct net_host *from = datagram->from_host, *to = datagram->to_host;
    const struct inet_socket *asker = port_receiver(to, &datagram->to, &datagram->from);
    bool answer = asker && name_same(&asker->sent_to, &datagram->from);
    *way = answer ? 1 : 0;
    return answer ? net_link(to, from) : net_link(from, to);
}

static void tell(const struct datagram *datagram, int error)
{
    struct net_datagram told = {.from = datagram->from,
                                .to = datagram->to,
                                .data = datagram->data,
                                .size = datagram->size,
                                .error = error};
    if (datagram->to_host && datagram->from_host == datagram->to_host)
        told.inside = datagram->from_host->host;
    net_tell_datagram(datagram->net, &told);
}

static void send_back(struct datagram *datagram, int error)
{
    tell(datagram, error);
    struct net_host *host = datagram->from_host;
    struct net_name name = datagram->from;
    int64_t delay = DELAY_HOSTS;
    if (datagram->to_host)
        delay = net_link(host, datagram->to_host)->path.delay_ns;
    datagram->from_host = datagram->to_host;
    datagram->from = datagram->to;
    datagram->to_host = host;
    datagram->to = name;
    datagram->error = error;
    fly(datagram, datagram->net->kernel->now_ns + delay);
}

static void launch(struct datagram *datagram)
{
    unsigned way;
    tell(datagram, 0);
    if (!datagram->to_host) {
        send_back(datagram, EHOSTUNREACH);
        return;
    }
    struct link *link = find_link(datagram, &way);
    switch (link->path.fate) {
    case NET_REFUSE:
        send_back(datagram, ECONNREFUSED);
        break;
    case NET_UNREACHABLE:
        send_back(datagram, EHOSTUNREACH);
        break;
    case NET_BLACK_HOLE:
        give(datagram);
        break;
    default:
        fly(datagram, net_arrival(link, way, datagram->size, 0));
        break;
    }
}

/* --- sending -----------------------------------------------------------------------------------*/

static int autobind(struct inet_socket *socket)
{
    return socket->binding ? 0 : port_bind(socket);
}

/* Where to, and from which address. */
static int find_way(const struct inet_socket *socket, struct net_name *to, struct in6_addr *source)
{
    name_resolve_any(to);
    bool v4 = name_is_mapped(&to->address);
    if (name_is_multicast(&to->address) || (v4 && socket->only_v6))
        return -ENETUNREACH;
    *source = socket->local.address;
    if (name_is_any(source))
        return net_source(socket->host, &to->address, source);
    if (name_is_mapped(source) != v4)
        return -ENETUNREACH;
    bool inside = net_find(socket->host, &to->address) == socket->host;
    return name_is_loopback(source) && !inside ? -EINVAL : 0;
}

static int read_destination(const struct inet_socket *socket, const struct socket_message *message,
                            struct net_name *to)
{
    int family = socket->family;
    if (!message->address) {
        *to = socket->remote;
        return socket->connected ? 0 : -EDESTADDRREQ;
    }
    if (family == AF_INET6 && message->address_size >= sizeof(sa_family_t) &&
        message->address->sa_family == AF_INET)
        family = AF_INET;
    int result = name_read(family, message->address, message->address_size, to);
    if (result == -EAFNOSUPPORT && socket->family == AF_INET6)
        return -EINVAL;
    return result == 0 && to->port == 0 ? -EINVAL : result;
}

static ssize_t udp_send(struct file *file, struct socket_message *message)
{
    struct inet_socket *socket = inet_of(file);
    struct net *net = socket->host->net;
    struct net_name to;
    struct in6_addr source;
    int result = autobind(socket);
    if (result == 0 && message->size > (socket->family == AF_INET ? UDP_MAX_V4 : UDP_MAX_V6))
        result = -EMSGSIZE;
    if (result == 0)
        result = read_destination(socket, message, &to);
    if (result == 0)
        result = find_way(socket, &to, &source);
    if (result == 0 && socket->error)
        result = -inet_take_error(socket);
    if (result == 0 && socket->shut_write)
        result = -EPIPE;
    if (result < 0)
        return result;
    struct datagram *datagram = take(net, message->size);
    if (message->size > 0)
        memcpy(datagram->data, message->data, message->size);
    datagram->from_host = socket->host;
    datagram->from.address = source;
    datagram->from.port = socket->local.port;
    datagram->to = socket->sent_to = to;
    datagram->to_host = net_find(socket->host, &to.address);
    launch(datagram);
    return (ssize_t) message->size;
}

/* --- receiving ---------------------------------------------------------------------------------*/

static ssize_t udp_receive(struct file *file, struct socket_message *message)
{
    struct inet_socket *socket = inet_of(file);
    for (;;) {
        if (socket->error)
            return -inet_take_error(socket);
        if (socket->first_datagram)
            break;
        if (!inet_can_wait(file, message->flags))
            return -EAGAIN;
        if (socket->shut_read)
            return 0;
        wait_on(&socket->queue, FOREVER);
    }
    struct datagram *datagram = socket->first_datagram;
    size_t whole = datagram->size, size = whole < message->size ? whole : message->size;
    if (size > 0)
        memcpy(message->data, datagram->data, size);
    message->from_size = name_write(socket->family, &datagram->from, &message->from);
    if (size < whole)
        message->out_flags |= MSG_TRUNC;
    if (!(message->flags & MSG_PEEK))
        drop_first(socket);
    return (ssize_t) (message->flags & MSG_TRUNC ? whole : size);
}

/* --- the rest ----------------------------------------------------------------------------------*/

static void disconnect(struct inet_socket *socket)
{
    socket->connected = false;
    socket->remote.address = name_any(socket->family);
    socket->remote.port = 0;
    socket->local.address = socket->bound.address;
    if (socket->bound.port == 0) {
        port_release(socket);
        socket->local.port = 0;
    }
    port_update(socket);
}

static int udp_connect(struct file *file, const struct sockaddr *address, socklen_t size)
{
    struct inet_socket *socket = inet_of(file);
    struct net_name to;
    struct in6_addr source;
    if (size < sizeof(sa_family_t))
        return -EINVAL;
    if (address->sa_family == AF_UNSPEC) {
        disconnect(socket);
        return 0;
    }
    int family = socket->family;
    if (family == AF_INET6 && address->sa_family == AF_INET)
        family = AF_INET;
    int result = autobind(socket);
    if (result == 0)
        result = name_read(family, address, size, &to);
    if (result == 0)
        result = find_way(socket, &to, &source);
    if (result < 0)
        return result;
    socket->local.address = source;
    socket->remote = socket->sent_to = to;
    socket->connected = true;
    port_update(socket);
    return 0;
}

static int udp_listen(struct file *file, int backlog)
{
    (void) file;
    (void) backlog;
    return -EOPNOTSUPP;
}

static struct file *udp_accept(struct file *file, int flags, int *error)
{
    (void) file;
    (void) flags;
    *error = EOPNOTSUPP;
    return NULL;
}

static int udp_shutdown(struct file *file, int how)
{
    struct inet_socket *socket = inet_of(file);
    if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR)
        return -EINVAL;
    if (how != SHUT_WR)
        socket->shut_read = true;
    if (how != SHUT_RD)
        socket->shut_write = true;
    wait_wake(&socket->queue);
    return socket->connected ? 0 : -ENOTCONN;
}

static short udp_ready(struct file *file, struct process *process)
{
    (void) process;
    const struct inet_socket *socket = inet_of(file);
    short ready = POLLOUT;
    if (socket->first_datagram)
        ready |= POLLIN;
    if (socket->error)
        ready |= POLLERR;
    if (socket->shut_read)
        ready |= POLLIN | POLLRDHUP;
    if (socket->shut_read && socket->shut_write)
        ready |= POLLHUP;
    return ready;
}

static void udp_release(struct file *file)
{
    inet_free(inet_of(file));
}

static const struct socket_operations udp_socket_operations = {
    .bind = inet_bind,
    .listen = udp_listen,
    .connect = udp_connect,
    .accept = udp_accept,
    .send = udp_send,
    .receive = udp_receive,
    .shutdown = udp_shutdown,
    .name = inet_name,
    .get_option = inet_get_option,
    .set_option = inet_set_option,
};

const struct file_operations udp_operations = {
    .read = inet_read,
    .write = inet_write,
    .ready = udp_ready,
    .queue = inet_queue,
    .stat = inet_stat,
    .release = udp_release,
    .socket = &udp_socket_operations,
};

/* SPDX-License-Identifier: ISC */
/*
 * Ports in use on a host, and who may share one: the rules of Linux (inet_csk_bind_conflict,
 * udp_lib_lport_inuse, ipv6_rcv_saddr_equal).
 */
#include <errno.h>
#include <string.h>

#include "sim/kernel/net_internal.h"

#define FIRST_PORT 32768 /* net.ipv4.ip_local_port_range */
#define LAST_PORT 60999

static struct binding **bucket(struct net_host *host, int protocol, uint16_t port)
{
    if (!host->buckets[protocol])
        host->buckets[protocol] = must(calloc(PORT_BUCKETS, sizeof(struct binding *)));
    return &host->buckets[protocol][port % PORT_BUCKETS];
}

static struct binding *first_in_bucket(const struct net_host *host, int protocol, uint16_t port)
{
    return host->buckets[protocol] ? host->buckets[protocol][port % PORT_BUCKETS] : NULL;
}

/* --- lists -------------------------------------------------------------------------------------*/

static void insert(struct binding *binding)
{
    struct binding **at = bucket(binding->host, binding->protocol, binding->local.port);
    binding->next = *at;
    binding->previous = NULL;
    if (*at)
        (*at)->previous = binding;
    *at = binding;
}

static void drop(struct binding *binding)
{
    if (binding->previous)
        binding->previous->next = binding->next;
    else
        *bucket(binding->host, binding->protocol, binding->local.port) = binding->next;
    if (binding->next)
        binding->next->previous = binding->previous;
    pool_give(&binding->host->net->bindings, binding);
}

static void expire(struct net_host *host)
{
    while (host->first_waiting && host->first_waiting->until_ns <= host->net->kernel->now_ns) {
        struct binding *binding = host->first_waiting;
        host->first_waiting = binding->next_waiting;
        if (!host->first_waiting)
            host->last_waiting = NULL;
        drop(binding);
    }
}

static struct binding *create(struct inet_socket *socket)
{
    struct binding *binding = pool_take(&socket->host->net->bindings, sizeof *binding);
    memset(binding, 0, sizeof *binding);
    binding->host = socket->host;
    binding->socket = socket;
    binding->protocol = socket->protocol;
    binding->uid = socket->uid;
    return binding;
}

void port_update(struct inet_socket *socket)
{
    struct binding *binding = socket->binding;
    if (!binding)
        return;
    binding->local = socket->local;
    binding->remote = socket->remote;
    binding->connected = socket->remote.port != 0;
    binding->reuse_address = socket->reuse_address;
    binding->reuse_port = socket->reuse_port;
    binding->only_v6 = socket->only_v6;
    binding->listening = socket->state == TCP_LISTEN;
}

static void attach(struct inet_socket *socket)
{
    socket->binding = create(socket);
    port_update(socket);
    insert(socket->binding);
}

/* --- sharing -----------------------------------------------------------------------------------*/

static bool overlap(const struct in6_addr *a, bool a_only_v6, const struct in6_addr *b,
                    bool b_only_v6)
{
    bool a_mapped = name_is_mapped(a), b_mapped = name_is_mapped(b);
    bool a_any = name_is_any(a), b_any = name_is_any(b);
    if (a_mapped && b_mapped)
        return a_any || b_any || name_same_address(a, b);
    if (!a_mapped && !b_mapped)
        return a_any || b_any || name_same_address(a, b);
    return a_mapped ? b_any && !b_only_v6 : a_any && !a_only_v6;
}

static bool may_share(const struct inet_socket *socket, const struct binding *other)
{
    if (socket->reuse_address && other->reuse_address && !other->listening)
        return true;
    return socket->reuse_port && other->reuse_port && (!other->socket || other->uid == socket->uid);
}

static bool conflicts(const struct inet_socket *socket, uint16_t port)
{
    struct binding *other = first_in_bucket(socket->host, socket->protocol, port);
    for (; other; other = other->next) {
        if (other->local.port != port || other == socket->binding)
            continue;
        if (!may_share(socket, other) &&
            overlap(&socket->local.address, socket->only_v6, &other->local.address, other->only_v6))
            return true;
    }
    return false;
}

bool port_may_listen(const struct inet_socket *socket)
{
    expire(socket->host);
    return !conflicts(socket, socket->local.port);
}

/* --- choosing ----------------------------------------------------------------------------------*/

static bool is_unused(const struct inet_socket *socket, uint16_t port)
{
    struct binding *other = first_in_bucket(socket->host, socket->protocol, port);
    while (other && other->local.port != port)
        other = other->next;
    return !other;
}

/* A port that connect may choose: nobody bound it, and the pair of names is new. */
static bool is_new_pair(const struct inet_socket *socket, uint16_t port)
{
    struct binding *other = first_in_bucket(socket->host, socket->protocol, port);
    for (; other; other = other->next) {
        if (other->local.port != port || other == socket->binding)
            continue;
        if (other->by_bind && !socket->binding)
            return false;
        if (other->connected && name_same(&other->remote, &socket->remote) &&
            name_same_address(&other->local.address, &socket->local.address))
            return false;
    }
    return true;
}

/* The next one in turn that is `good`; 0 if there is none. */
static uint16_t choose_port(struct inet_socket *socket,
                            bool (*good)(const struct inet_socket *socket, uint16_t port))
{
    uint16_t *next = &socket->host->next_port[socket->protocol];
    for (unsigned i = FIRST_PORT; i <= LAST_PORT; i++) {
        uint16_t port = *next;
        *next = port == LAST_PORT ? FIRST_PORT : (uint16_t) (port + 1);
        if (good(socket, port))
            return port;
    }
    return 0;
}

int port_bind(struct inet_socket *socket)
{
    expire(socket->host);
    uint16_t port = socket->local.port;
    if (port == 0)
        port = choose_port(socket, is_unused);
    else if (conflicts(socket, port))
        port = 0;
    if (port == 0)
        return -EADDRINUSE;
    socket->local.port = port;
    attach(socket);
    socket->binding->by_bind = true;
    return 0;
}

int port_connect(struct inet_socket *socket)
{
    expire(socket->host);
    if (socket->binding) {
        if (!is_new_pair(socket, socket->local.port))
            return -EADDRNOTAVAIL;
        port_update(socket);
        return 0;
    }
    socket->local.port = choose_port(socket, is_new_pair);
    if (socket->local.port == 0)
        return -EADDRNOTAVAIL;
    attach(socket);
    return 0;
}

void port_inherit(struct inet_socket *socket)
{
    expire(socket->host);
    attach(socket);
    socket->binding->by_bind = true;
}

/* --- letting go --------------------------------------------------------------------------------*/

void port_release(struct inet_socket *socket)
{
    if (socket->binding)
        drop(socket->binding);
    socket->binding = NULL;
}

void port_time_wait(const struct inet_socket *socket)
{
    struct net_host *host = socket->host;
    struct binding *binding = pool_take(&host->net->bindings, sizeof *binding);
    expire(host);
    memset(binding, 0, sizeof *binding);
    binding->host = host;
    binding->protocol = socket->protocol;
    binding->local = socket->local;
    binding->remote = socket->remote;
    binding->connected = true;
    binding->reuse_address = socket->reuse_address;
    binding->reuse_port = socket->reuse_port;
    binding->only_v6 = socket->only_v6;
    binding->until_ns = host->net->kernel->now_ns + TIME_WAIT_NS;
    if (host->last_waiting)
        host->last_waiting->next_waiting = binding;
    else
        host->first_waiting = binding;
    host->last_waiting = binding;
    insert(binding);
}

void port_forget(struct net_host *host)
{
    for (int protocol = 0; protocol < PROTOCOLS; protocol++) {
        for (unsigned i = 0; host->buckets[protocol] && i < PORT_BUCKETS; i++) {
            while (host->buckets[protocol][i]) {
                struct binding *binding = host->buckets[protocol][i];
                if (binding->socket)
                    binding->socket->binding = NULL;
                drop(binding);
            }
        }
    }
    host->first_waiting = host->last_waiting = NULL;
    host->first_listener = host->last_listener = NULL;
}

/* --- who hears ---------------------------------------------------------------------------------*/

/* 0: not at all; more is better. */
static int score(const struct inet_socket *socket, const struct net_name *to)
{
    const struct in6_addr *local = &socket->local.address;
    if (socket->local.port != to->port)
        return 0;
    if (name_same_address(local, &to->address))
        return 3;
    if (!name_is_any(local))
        return 0;
    if (name_is_mapped(local))
        return name_is_mapped(&to->address) ? 2 : 0;
    return name_is_mapped(&to->address) && socket->only_v6 ? 0 : 1;
}

static uint32_t spread(const struct net_name *from)
{
    uint32_t hash = 2166136261u;
    for (unsigned i = 0; i < 16; i++)
        hash = (hash ^ from->address.s6_addr[i]) * 16777619u;
    hash = (hash ^ (from->port & 0xff)) * 16777619u;
    hash = (hash ^ from->port >> 8) * 16777619u;
    return hash ^ hash >> 16;
}

struct inet_socket *port_listener(const struct net_host *host, const struct net_name *to,
                                  const struct net_name *from)
{
    struct inet_socket *best = NULL;
    int best_score = 0;
    unsigned sharing = 0;
    for (struct inet_socket *one = host->first_listener; one; one = one->next_listener) {
        int mark = score(one, to);
        if (mark > best_score) {
            best_score = mark;
            best = one;
            sharing = 1;
        } else if (mark && mark == best_score && one->reuse_port) {
            sharing++;
        }
    }
    if (sharing < 2)
        return best;
    unsigned chosen = spread(from) % sharing;
    for (struct inet_socket *one = host->first_listener; one; one = one->next_listener)
        if (score(one, to) == best_score && chosen-- == 0)
            return one;
    return best;
}

struct inet_socket *port_receiver(const struct net_host *host, const struct net_name *to,
                                  const struct net_name *from)
{
    struct binding *binding = first_in_bucket(host, PROTOCOL_UDP, to->port);
    struct inet_socket *best = NULL;
    int best_score = 0;
    unsigned sharing = 0;
    for (; binding; binding = binding->next) {
        struct inet_socket *socket = binding->socket;
        int mark = score(socket, to);
        if (mark && socket->connected)
            mark = name_same(&socket->remote, from) ? mark + 10 : 0;
        if (mark > best_score) {
            best_score = mark;
            best = socket;
            sharing = 1;
        } else if (mark && mark == best_score && best->reuse_port && socket->reuse_port) {
            /* Which of n comes up with every number of them is the same as choosing at the end. */
            if (spread(from) % ++sharing == 0)
                best = socket;
        }
    }
    return best;
}

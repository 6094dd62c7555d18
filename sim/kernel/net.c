/* SPDX-License-Identifier: ISC */
/* The network as a whole: hosts' addresses, paths between hosts, cuts, power loss, the end. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "sim/kernel/net_internal.h"

#define FIRST_PORT 32768

struct net *net_of(struct kernel *kernel)
{
    if (!kernel->net) {
        kernel->net = must(calloc(1, sizeof *kernel->net));
        kernel->net->kernel = kernel;
    }
    return kernel->net;
}

struct net_host *net_host_of(struct host *host)
{
    if (host->net)
        return host->net;
    struct net *net = net_of(host->kernel);
    struct net_host *net_host = must(calloc(1, sizeof *net_host));
    net_host->net = net;
    net_host->host = host;
    for (int protocol = 0; protocol < PROTOCOLS; protocol++)
        net_host->next_port[protocol] = FIRST_PORT;
    if (net->last_host)
        net->last_host->next = net_host;
    else
        net->hosts = net_host;
    net->last_host = net_host;
    host->net = net_host;
    return net_host;
}

/* --- addresses ---------------------------------------------------------------------------------*/

static bool has_address(const struct net_host *host, const struct in6_addr *address)
{
    for (size_t i = 0; i < host->address_count; i++)
        if (name_same_address(&host->addresses[i], address))
            return true;
    return false;
}

static bool parse_address(const char *text, struct in6_addr *address)
{
    char mapped[80] = "::ffff:";
    if (inet_pton(AF_INET6, text, address) == 1)
        return true;
    if (strlen(text) > 20)
        return false;
    strcat(mapped, text);
    return !strchr(text, ':') && inet_pton(AF_INET6, mapped, address) == 1;
}

int host_add_address(struct host *host, const char *text)
{
    struct in6_addr address;
    if (!parse_address(text, &address) || name_is_any(&address) || name_is_loopback(&address) ||
        name_is_multicast(&address))
        return -EINVAL;
    struct net_host *self = net_host_of(host);
    for (struct net_host *other = self->net->hosts; other; other = other->next)
        if (has_address(other, &address))
            return other == self ? 0 : -EADDRINUSE;
    self->addresses =
        must(realloc(self->addresses, (self->address_count + 1) * sizeof *self->addresses));
    self->addresses[self->address_count++] = address;
    return 0;
}

bool net_is_own(const struct net_host *host, const struct in6_addr *address)
{
    return name_is_any(address) || name_is_loopback(address) || has_address(host, address);
}

struct net_host *net_find(struct net_host *from, const struct in6_addr *address)
{
    if (net_is_own(from, address))
        return from;
    struct net_host *host = from->net->hosts;
    while (host && !has_address(host, address))
        host = host->next;
    return host;
}

int net_source(const struct net_host *host, const struct in6_addr *to, struct in6_addr *source)
{
    bool v4 = name_is_mapped(to);
    if (name_is_loopback(to)) {
        struct net_name name = {name_any(v4 ? AF_INET : AF_INET6), 0};
        name_resolve_any(&name);
        *source = name.address;
        return 0;
    }
    if (has_address(host, to)) {
        *source = *to;
        return 0;
    }
    for (size_t i = 0; i < host->address_count; i++) {
        if (name_is_mapped(&host->addresses[i]) == v4) {
            *source = host->addresses[i];
            return 0;
        }
    }
    return -ENETUNREACH;
}

/* --- paths -------------------------------------------------------------------------------------*/

static bool covers(const struct host *rule_from, const struct host *rule_to,
                   const struct host *from, const struct host *to)
{
    if (from == to && from) /* inside of one host */
        return rule_from == from && rule_to == to;
    return (!rule_from || rule_from == from) && (!rule_to || rule_to == to);
}

static struct net_path default_path(bool loopback)
{
    return (struct net_path){.delay_ns = loopback ? DELAY_LOOPBACK : DELAY_HOSTS};
}

struct link *net_link(struct net_host *from, struct net_host *to)
{
    for (struct link *link = from->links; link; link = link->next)
        if (link->to == to)
            return link;
    struct link *link = must(calloc(1, sizeof *link));
    link->from = from;
    link->to = to;
    link->path = default_path(from == to);
    link->next = from->links;
    from->links = link;
    for (struct path_rule *rule = from->net->rules; rule; rule = rule->next) {
        if (covers(rule->from, rule->to, from->host, to->host)) {
            link->path = rule->path;
            break;
        }
    }
    return link;
}

static void add_rule(struct net *net, struct host *from, struct host *to,
                     const struct net_path *path)
{
    struct path_rule **at = &net->rules;
    while (*at) { /* what it covers is forgotten */
        struct path_rule *rule = *at;
        if (covers(from, to, rule->from, rule->to)) {
            *at = rule->next;
            free(rule);
        } else {
            at = &rule->next;
        }
    }
    struct path_rule *rule = must(malloc(sizeof *rule));
    *rule = (struct path_rule){.next = net->rules, .from = from, .to = to, .path = *path};
    net->rules = rule;
}

static void change_link(struct link *link, const struct net_path *path)
{
    link->path = *path;
    link->busy_ns[0] = link->busy_ns[1] = 0;
}

void net_set_path(struct kernel *kernel, struct host *from, struct host *to,
                  const struct net_path *path)
{
    struct net *net = net_of(kernel);
    add_rule(net, from, to, path);
    for (struct net_host *host = net->hosts; host; host = host->next)
        for (struct link *link = host->links; link; link = link->next)
            if (covers(from, to, host->host, link->to->host))
                change_link(link, path);
    for (struct connection *one = net->connections; one; one = one->next)
        for (unsigned way = 0; one->link && way < 2; way++)
            if (covers(from, to, one->link->from->host, one->link->to->host))
                flow_retime(one, way);
}

int64_t net_arrival(struct link *link, unsigned way, size_t size, int64_t last_ns)
{
    int64_t leaves = link->from->net->kernel->now_ns;
    if (link->path.bandwidth && size) {
        if (link->busy_ns[way] > leaves)
            leaves = link->busy_ns[way];
        leaves += (int64_t) (size * (uint64_t) NANOSECONDS / link->path.bandwidth);
        link->busy_ns[way] = leaves;
    }
    int64_t arrival = leaves + link->path.delay_ns;
    return arrival > last_ns ? arrival : last_ns;
}

/* --- cuts --------------------------------------------------------------------------------------*/

void net_cut(struct kernel *kernel, struct host *from, struct host *to, uint64_t nth,
             bool by_client, uint64_t bytes, enum net_cut how)
{
    struct cut_rule **at = &net_of(kernel)->cuts;
    while (*at)
        at = &(*at)->next;
    *at = must(malloc(sizeof **at));
    **at = (struct cut_rule){.from = from,
                             .to = to,
                             .nth = nth,
                             .every = nth == 0,
                             .by_client = by_client,
                             .bytes = bytes,
                             .how = how};
}

void net_take_cuts(struct net *net, const struct host *from, const struct host *to,
                   struct cut ways[2])
{
    struct cut_rule **at = &net->cuts;
    while (*at) {
        struct cut_rule *rule = *at;
        bool meant = (!rule->from || rule->from == from) && (!rule->to || rule->to == to);
        bool now = meant && (rule->every || --rule->nth == 0);
        struct cut *way = &ways[rule->by_client ? 0 : 1];
        if (now && rule->bytes < way->at)
            *way = (struct cut){rule->bytes, rule->how};
        if (now && !rule->every) {
            *at = rule->next;
            free(rule);
        } else {
            at = &rule->next;
        }
    }
}

void net_apply_cuts(struct connection *connection)
{
    struct cut ways[2];
    for (unsigned way = 0; way < 2; way++)
        ways[way] = (struct cut){connection->flow[way].cut_at, connection->flow[way].cut_how};
    net_take_cuts(connection->net, connection->host[0]->host, connection->host[1]->host, ways);
    for (unsigned way = 0; way < 2; way++) {
        connection->flow[way].cut_at = ways[way].at;
        connection->flow[way].cut_how = ways[way].how;
    }
}

/* --- power and the end -------------------------------------------------------------------------*/

/* What the host's end of a connection knew and had sent is gone; the other end hears nothing. */
static void vanish(struct inet_socket *socket)
{
    struct connection *connection = socket->connection;
    unsigned side = socket->side;
    if (!connection)
        return;
    connection->held++;
    flow_drop(connection, side);
    connection->graceful[side] = false;
    struct inet_socket *other = connection->end[1 - side];
    tcp_leave(socket);
    if (other && other->listener && other->state == TCP_SYN_RECV) { /* never was one */
        tcp_leave(other);
        tcp_unpend(other);
        inet_free(other);
    } else if (other && other->state == TCP_SYN_SENT) {
        flow_push_control(connection, 0, SYN); /* nobody has answered it */
    } else if (other) {
        flow_go(connection, 1 - side); /* what the window kept back finds nobody, too */
    }
    connection->held--;
    connection_free_unused(connection);
}

void net_power_off(struct host *host)
{
    struct net_host *net_host = host->net;
    if (!net_host)
        return;
    net_host->off = true;
    for (struct inet_socket *socket = net_host->sockets; socket; socket = socket->next) {
        vanish(socket);
        socket->shut_read = socket->shut_write = true;
        socket->state = TCP_CLOSE;
    }
    port_forget(net_host);
    struct inet_socket *next;
    for (struct inet_socket *socket = net_host->sockets; socket; socket = next) {
        next = socket->next;
        socket->listener = NULL;
        socket->first_ready = socket->last_ready = socket->first_half = NULL;
        if (!socket->file)
            inet_free(socket);
    }
}

void net_power_on(struct host *host)
{
    if (host->net)
        host->net->off = false;
}

size_t net_live_sockets(const struct kernel *kernel)
{
    size_t count = 0;
    if (!kernel->net)
        return 0;
    for (const struct connection *one = kernel->net->connections; one; one = one->next)
        count++;
    for (const struct net_host *host = kernel->net->hosts; host; host = host->next)
        for (const struct inet_socket *one = host->sockets; one; one = one->next)
            count++;
    return count;
}

static void free_host(struct net_host *host)
{
    while (host->sockets) {
        struct inet_socket *socket = host->sockets;
        socket->connection = NULL;
        inet_free(socket);
    }
    port_forget(host);
    while (host->links) {
        struct link *link = host->links;
        host->links = link->next;
        free(link);
    }
    for (int protocol = 0; protocol < PROTOCOLS; protocol++)
        free(host->buckets[protocol]);
    free(host->addresses);
    host->host->net = NULL;
    free(host);
}

void net_destroy(struct kernel *kernel)
{
    struct net *net = kernel->net;
    if (!net)
        return;
    while (net->connections)
        connection_free(net->connections);
    udp_drop_flying(net);
    while (net->hosts) {
        struct net_host *host = net->hosts;
        net->hosts = host->next;
        free_host(host);
    }
    while (net->rules) {
        struct path_rule *rule = net->rules;
        net->rules = rule->next;
        free(rule);
    }
    while (net->cuts) {
        struct cut_rule *rule = net->cuts;
        net->cuts = rule->next;
        free(rule);
    }
    struct pool *pools[] = {
        &net->bindings, &net->connections_pool, &net->sockets, &net->controls, &net->small,
        &net->large,    &net->datagrams};
    for (size_t i = 0; i < sizeof pools / sizeof *pools; i++)
        pool_end(pools[i]);
    free(net);
    kernel->net = NULL;
}

/* SPDX-License-Identifier: ISC */
/* Where a domain's mail goes: smtproutes, an address literal, or what the DNS says. */
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <unistd.h>

#include "mta/lib/io.h"
#include "mta/lib/mem.h"
#include "mta/lib/resolve.h"
#include "mta/remote/remote.h"

#define HOSTS_MAX 50 /* mail exchangers that are looked at, the best ones */

/* --- verdicts ------------------------------------------------------------------------------ */

static int no_way(struct job *job, char letter, const char *before, const char *name,
                  const char *after)
{
    job_verdict(job, letter, before, name, after);
    job->ends = true;
    return -1;
}

static int dns_trouble(struct job *job)
{
    return no_way(job, 'Z', "CNAME lookup failed temporarily. (#4.4.3)\n", "", "");
}

static int no_host(struct job *job)
{
    return no_way(job, 'D', "Sorry, I couldn't find any host named ", job->host, ". (#5.1.2)\n");
}

static int loops(struct job *job)
{
    return no_way(job, 'D',
                  "Sorry. Although I'm listed as a best-preference MX or A for that host,\n"
                  "it isn't in my control/locals file, so I don't treat it as local. (#5.4.6)\n",
                  "", "");
}

/* --- what is this server itself ------------------------------------------------------------ */

static bool is_own_name(const struct settings *settings, const char *name)
{
    return strcasecmp(name, settings->me.data) == 0 || strcasecmp(name, settings->helo.data) == 0 ||
           strcasecmp(name, settings->local_ip.data) == 0;
}

/* Whether the address is one of this machine's: the one that packets to it would come from. */
static bool is_machine_address(const struct sockaddr_storage *address)
{
    struct sockaddr_storage to = *address, from;
    socklen_t size = sizeof from;
    int fd = socket(address->ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    memset(&from, 0, sizeof from);
    socket_address_set_port(&to, SMTP_PORT);
    bool same = connect(fd, (const struct sockaddr *) &to, socket_address_length(&to)) == 0 &&
                getsockname(fd, (struct sockaddr *) &from, &size) == 0 &&
                socket_address_is_same_host(&from, address);
    io_close(&fd);
    return same;
}

static bool is_own_address(const struct settings *settings, const struct sockaddr_storage *address)
{
    const char *line = settings->listen.data, *end = line + settings->listen.length;
    bool all = settings->listen.length == 0;
    if (socket_address_is_loopback(address))
        return true;
    for (; line < end; line += strlen(line) + 1) {
        struct sockaddr_storage listens;
        socklen_t size;
        if (socket_address_parse(line, strlen(line), &listens, &size) < 0)
            continue;
        if (socket_address_is_same_host(&listens, address))
            return true;
        all = all || socket_address_is_any(&listens);
    }
    return all && is_machine_address(address);
}

/* --- lookups ------------------------------------------------------------------------------- */

/* What is looked up for a job. */
struct search {
    const struct settings *settings;
    struct job *job;
    struct resolver *resolver;
    struct smtp_target *targets; /* TARGETS_MAX */
    size_t count;
    enum resolve_status mx_status;
    bool null_mx;
    bool trouble; /* a host's addresses could not be found out */
    struct host *hosts;
    size_t host_count;
};

/* One mail exchanger whose addresses are looked up. */
struct host {
    struct search *search;
    unsigned preference;
    bool is_own;
};

static void add_target(struct search *search, const struct sockaddr_storage *address,
                       unsigned preference, bool is_own)
{
    if (search->count == TARGETS_MAX)
        return;
    struct smtp_target *target = &search->targets[search->count++];
    memset(target, 0, sizeof *target);
    if (address)
        target->address = *address;
    target->preference = preference;
    target->is_own = is_own;
}

static void addresses_done(void *context, enum resolve_status status,
                           const struct sockaddr_storage *list, size_t count)
{
    struct host *host = context;
    struct search *search = host->search;
    search->trouble = search->trouble || status == RESOLVE_TROUBLE;
    for (size_t i = 0; i < count; i++)
        add_target(search, &list[i], host->preference,
                   host->is_own || is_own_address(search->settings, &list[i]));
}

static void look_up_host(struct search *search, const char *name, unsigned preference)
{
    struct host *host = &search->hosts[search->host_count++];
    host->search = search;
    host->preference = preference;
    host->is_own = is_own_name(search->settings, name);
    if (host->is_own)
        add_target(search, NULL, preference, true);
    resolver_addresses(search->resolver, name, addresses_done, host);
}

static void mx_done(void *context, enum resolve_status status, const struct mail_exchanger *list,
                    size_t count)
{
    struct search *search = context;
    search->mx_status = status;
    search->null_mx = count == 1 && !list[0].name[0];
    if (search->null_mx)
        return;
    for (size_t i = 0; i < count && i < HOSTS_MAX; i++)
        look_up_host(search, list[i].name, list[i].preference);
    if (status == RESOLVE_NO_DATA)
        look_up_host(search, search->job->host, 0);
}

/* Opens what a search needs.  0, or -1 with errno. */
static int search_begin(struct search *search)
{
    search->hosts = mem_alloc(HOSTS_MAX * sizeof *search->hosts);
    if (!search->hosts)
        return -1;
    memset(search->hosts, 0, HOSTS_MAX * sizeof *search->hosts);
    return resolver_open(&search->resolver, search->settings->environment);
}

static void search_end(struct search *search)
{
    resolver_close(search->resolver);
    mem_free(search->hosts);
}

/* --- decisions ----------------------------------------------------------------------------- */

uint32_t lookup_draw(void *context, uint32_t below)
{
    uint32_t number = 0, limit = UINT32_MAX - UINT32_MAX % below;
    (void) context;
    do {
        ssize_t count = getrandom(&number, sizeof number, 0);
        if (count < 0 && errno != EINTR)
            return 0;
    } while (number >= limit);
    return number % below;
}

/* Puts what was found into order, or says why nothing was. */
static int decide(struct search *search, size_t *count)
{
    struct job *job = search->job;
    bool found_nothing = search->count == 0;
    if (search->null_mx)
        return no_way(job, 'D', "Sorry, ", job->host,
                      " does not accept mail (null MX). (#5.1.10)\n");
    if (search->mx_status == RESOLVE_TROUBLE || (found_nothing && search->trouble))
        return dns_trouble(job);
    if (search->mx_status == RESOLVE_NO_DOMAIN ||
        (found_nothing && search->mx_status == RESOLVE_NO_DATA))
        return no_host(job);
    *count = search->count;
    switch (smtp_targets_order(search->targets, count, lookup_draw, NULL)) {
    case SMTP_TARGETS_OK:
        return 0;
    case SMTP_TARGETS_LOOP:
        /* one that is better than we are may only be out of sight */
        return search->trouble ? dns_trouble(job) : loops(job);
    case SMTP_TARGETS_NONE:
        break;
    }
    return no_way(job, 'D', "Sorry, I couldn't find a mail exchanger or IP address. (#5.4.4)\n", "",
                  "");
}

static int ask_dns(const struct settings *settings, struct job *job,
                   struct smtp_target targets[TARGETS_MAX], size_t *count)
{
    struct search search = {.settings = settings, .job = job, .targets = targets};
    int result = search_begin(&search);
    if (result == 0) {
        resolver_mx(search.resolver, job->host, mx_done, &search);
        resolver_wait(search.resolver);
        for (size_t i = 0; i < search.count; i++)
            socket_address_set_port(&targets[i].address, SMTP_PORT);
        result = decide(&search, count);
    } else {
        dns_trouble(job);
    }
    search_end(&search);
    return result;
}

static int one_address(struct smtp_target *targets, size_t *count,
                       const struct sockaddr_storage *address, unsigned port)
{
    memset(targets, 0, sizeof *targets);
    targets->address = *address;
    socket_address_set_port(&targets->address, port);
    *count = 1;
    return 0;
}

/* A relay with a name: its addresses, in the order that the DNS gives.  That it is not there is a
 * mistake of ours and no reason to bounce mail. */
static int find_relay(const struct settings *settings, struct job *job,
                      const struct smtp_route *route, struct smtp_target targets[TARGETS_MAX],
                      size_t *count)
{
    struct search search = {.settings = settings, .job = job, .targets = targets};
    struct buf name = BUF_INIT(0);
    int result = search_begin(&search);
    if (result == 0)
        result = buf_set(&name, route->relay, route->relay_size);
    if (result == 0 && buf_text(&name)) {
        struct host *host = &search.hosts[0];
        host->search = &search;
        resolver_addresses(search.resolver, name.data, addresses_done, host);
        resolver_wait(search.resolver);
    }
    *count = search.count;
    for (size_t i = 0; i < search.count; i++)
        socket_address_set_port(&targets[i].address, route->port);
    if (search.count == 0)
        result =
            search.trouble || !name.data
                ? dns_trouble(job)
                : no_way(job, 'Z', "Sorry, I couldn't find the relay ", name.data, ". (#4.4.3)\n");
    search_end(&search);
    buf_free(&name);
    return result;
}

int lookup_targets(const struct settings *settings, struct job *job,
                   struct smtp_target targets[TARGETS_MAX], size_t *count)
{
    struct smtp_route route;
    struct sockaddr_storage address;
    size_t size = strlen(job->host);
    int routed = smtp_routes_find(&settings->routes, job->host, size, &route);
    if (routed < 0)
        return no_way(job, 'Z', "Unable to use control/smtproutes. (#4.3.5)\n", "", "");
    if (routed && socket_address_parse_literal(route.relay, route.relay_size, &address) == 0)
        return one_address(targets, count, &address, route.port);
    if (routed)
        return find_relay(settings, job, &route, targets, count);
    if (job->host[0] != '[')
        return ask_dns(settings, job, targets, count);
    if (socket_address_parse_literal(job->host, size, &address) < 0)
        return no_host(job);
    return is_own_address(settings, &address) ? loops(job)
                                              : one_address(targets, count, &address, SMTP_PORT);
}

/* SPDX-License-Identifier: ISC */
/*
 * A lookup has one part (MX) or two (A and AAAA).  c-ares carries one question at a time for each
 * part and calls back from inside resolver_work, which only notes what came; afterwards
 * `advance` sends what is to be asked next, and `deliver` calls `done` of the lookups that have
 * ended.  So no caller's code ever runs inside c-ares.
 *
 * A question that c-ares still works at when its lookup has ended is let go of: its `lookup` is
 * NULL, and its answer is of no interest.
 */
#include "mta/lib/resolve.h"

#include <ares.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "mta/lib/buf.h"
#include "mta/lib/clock.h"
#include "mta/lib/dns_answer.h"
#include "mta/lib/environment.h"
#include "mta/lib/home.h"
#include "mta/lib/mem.h"
#include "mta/lib/resolve_config.h"

#define TRIES 4 /* of each server */
/* Doubled with each try: 30 s in all with one or two servers.  Less than a second c-ares would
 * take for no timeout at all in the first second of the clock. */
#define FIRST_TRY_MS 2000
#define FIRST_TRY_OF_SEVERAL_MS 1000
#define SECOND_PART_MS 5000
#define PARTS_MAX 2

enum part_state { PART_ASK, PART_WAITS, PART_ENDED };

struct lookup;

struct query { /* what c-ares holds */
    struct lookup *lookup;
    struct part *part;
};

struct part {
    enum part_state state;
    enum resolve_status status; /* when it has ended */
    struct dns_question question;
    struct query *query; /* while it waits */
    struct buf found;    /* of struct sockaddr_storage, or of names ended by NUL behind their
                            preference in two bytes */
};

struct lookup {
    struct lookup *next;
    int64_t deadline_ms;
    resolve_mx_done *mx_done; /* or */
    resolve_addresses_done *addresses_done;
    void *context;
    size_t part_count;
    struct part parts[PARTS_MAX];
};

struct resolver {
    ares_channel channel;
    struct resolve_config config;
    struct lookup *lookups; /* in the order in which they were begun */
};

/* --- opening ----------------------------------------------------------------------------------*/

static int set_servers(struct resolver *resolver)
{
    struct ares_addr_port_node nodes[RESOLVE_SERVERS_MAX];
    size_t count = resolver->config.server_count;

    memset(nodes, 0, sizeof nodes);
    for (size_t i = 0; i < count; i++) {
        const struct sockaddr_storage *address = &resolver->config.servers[i];
        const struct sockaddr_in *v4 = (const struct sockaddr_in *) address;
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *) address;

        nodes[i].next = i + 1 < count ? &nodes[i + 1] : NULL;
        nodes[i].family = address->ss_family;
        if (address->ss_family == AF_INET)
            memcpy(&nodes[i].addr.addr4, &v4->sin_addr, sizeof v4->sin_addr);
        else
            memcpy(&nodes[i].addr.addr6, &v6->sin6_addr, sizeof v6->sin6_addr);
        nodes[i].udp_port = nodes[i].tcp_port =
            ntohs(address->ss_family == AF_INET ? v4->sin_port : v6->sin6_port);
    }
    return ares_set_servers_ports(resolver->channel, nodes);
}

/* Everything is given, so that c-ares reads no files and no environment.  A single server's errors
 * are taken as they come; of several, another one is asked. */
static int open_channel(struct resolver *resolver)
{
    size_t servers = resolver->config.server_count;
    char lookups[] = "b";
    struct ares_options options = {.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES,
                                   .timeout = servers > 1 ? FIRST_TRY_OF_SEVERAL_MS : FIRST_TRY_MS,
                                   .tries = TRIES,
                                   .ndots = 1,
                                   .udp_port = 53,
                                   .tcp_port = 53,
                                   .lookups = lookups};
    int given = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS |
                ARES_OPT_UDP_PORT | ARES_OPT_TCP_PORT | ARES_OPT_SERVERS | ARES_OPT_DOMAINS |
                ARES_OPT_LOOKUPS | ARES_OPT_SORTLIST | ARES_OPT_NOROTATE;

    if (servers == 1)
        options.flags |= ARES_FLAG_NOCHECKRESP;
    if (ares_init_options(&resolver->channel, &options, given) != ARES_SUCCESS) {
        resolver->channel = NULL;
        errno = ENOMEM;
        return -1;
    }
    if (set_servers(resolver) == ARES_SUCCESS)
        return 0;
    ares_destroy(resolver->channel);
    errno = ENOMEM;
    return -1;
}

int resolver_open(struct resolver **resolver, char *const *environment)
{
    const char *path = environment ? environment_get(environment, "NIXIE_RESOLV_CONF") : NULL;
    struct resolver *opened = mem_alloc(sizeof *opened);

    if (!opened)
        return -1;
    memset(opened, 0, sizeof *opened);
    if (!path || !*path || home_is_setuid())
        path = "/etc/resolv.conf";
    if (resolve_config_read(&opened->config, path) == 0) {
        if (open_channel(opened) == 0) {
            *resolver = opened;
            return 0;
        }
        resolve_config_free(&opened->config);
    }
    int saved = errno;
    mem_free(opened);
    errno = saved;
    return -1;
}

/* --- a lookup's life --------------------------------------------------------------------------*/

static void let_go(struct part *part)
{
    if (part->query)
        part->query->lookup = NULL;
    part->query = NULL;
}

static void free_lookup(struct lookup *lookup)
{
    for (size_t i = 0; i < lookup->part_count; i++) {
        let_go(&lookup->parts[i]);
        buf_free(&lookup->parts[i].found);
    }
    mem_free(lookup);
}

void resolver_close(struct resolver *resolver)
{
    if (!resolver)
        return;
    while (resolver->lookups) {
        struct lookup *lookup = resolver->lookups;

        resolver->lookups = lookup->next;
        free_lookup(lookup);
    }
    ares_destroy(resolver->channel);
    resolve_config_free(&resolver->config);
    mem_free(resolver);
}

static void end_part(struct part *part, enum resolve_status status)
{
    part->state = PART_ENDED;
    part->status = status;
}

static bool has_ended(const struct lookup *lookup)
{
    for (size_t i = 0; i < lookup->part_count; i++)
        if (lookup->parts[i].state != PART_ENDED)
            return false;
    return true;
}

/* True if it can be a host's name in mail: no bytes that have no business there. */
static bool is_host_name(const char *name)
{
    unsigned char wire[DNS_NAME_WIRE];

    for (const char *c = name; *c; c++)
        if ((unsigned char) *c <= ' ' || *c == 127 || *c == '\\')
            return false;
    return dns_name_to_wire(wire, name) > 1;
}

static bool is_local_name(const char *name)
{
    size_t length = strlen(name);

    return length >= 9 && strcasecmp(name + length - 9, "localhost") == 0 &&
           (length == 9 || name[length - 10] == '.');
}

/* A lookup of `count` parts, the last of the list; its parts are to ask for `name`, or have ended
 * if that is none. */
static struct lookup *begin(struct resolver *resolver, const char *name, const uint16_t *types,
                            size_t count)
{
    struct lookup *lookup = mem_alloc(sizeof *lookup), **last = &resolver->lookups;
    size_t length = strlen(name);

    if (!lookup)
        return NULL;
    memset(lookup, 0, sizeof *lookup);
    if (length > 0 && name[length - 1] == '.')
        length--;
    lookup->deadline_ms = clock_monotonic_ms() + RESOLVE_TIME_MS;
    lookup->part_count = count;
    for (size_t i = 0; i < count; i++) {
        struct part *part = &lookup->parts[i];

        part->question.type = types[i];
        if (length < sizeof part->question.name)
            memcpy(part->question.name, name, length);
        if (!is_host_name(part->question.name))
            end_part(part, RESOLVE_NO_DOMAIN);
    }
    while (*last)
        last = &(*last)->next;
    *last = lookup;
    return lookup;
}

/* --- asking -----------------------------------------------------------------------------------*/

/* A part of `lookup` has been answered: the other one of two is not waited for long. */
static void hurry(struct lookup *lookup)
{
    int64_t soon = clock_monotonic_ms() + SECOND_PART_MS;

    if (soon < lookup->deadline_ms)
        lookup->deadline_ms = soon;
}

static int take_address(struct part *part, const unsigned char *data, size_t size)
{
    struct sockaddr_storage address;

    memset(&address, 0, sizeof address);
    if (part->question.type == DNS_A && size == 4) {
        address.ss_family = AF_INET;
        memcpy(&((struct sockaddr_in *) &address)->sin_addr, data, size);
    } else if (part->question.type == DNS_AAAA && size == 16) {
        address.ss_family = AF_INET6;
        memcpy(&((struct sockaddr_in6 *) &address)->sin6_addr, data, size);
    } else {
        return -1;
    }
    return buf_add(&part->found, &address, sizeof address);
}

static int take(void *context, const struct dns_reader *reader, const struct dns_record *record)
{
    struct part *part = context;
    const unsigned char *data = reader->bytes + record->data;
    char name[DNS_NAME_TEXT];

    if (record->type != DNS_MX)
        return take_address(part, data, record->size);
    if (dns_record_name(reader, record, 2, name) < 0 || buf_add(&part->found, data, 2) < 0)
        return -1;
    return buf_add(&part->found, name, strlen(name) + 1);
}

static void take_answer(struct lookup *lookup, struct part *part, const void *bytes, size_t size)
{
    switch (dns_answer_read(bytes, size, &part->question, take, part)) {
    case DNS_FOUND:
        end_part(part, RESOLVE_OK);
        hurry(lookup);
        break;
    case DNS_ALIAS:
        part->state = PART_ASK;
        break;
    case DNS_NO_DOMAIN:
        end_part(part, RESOLVE_NO_DOMAIN);
        break;
    case DNS_NO_DATA:
        end_part(part, RESOLVE_NO_DATA);
        break;
    case DNS_TROUBLE:
        buf_free(&part->found);
        end_part(part, RESOLVE_TROUBLE);
        break;
    }
}

/* c-ares has an answer, or none. */
static void answered(void *context, int status, int timeouts, unsigned char *bytes, int size)
{
    struct query *query = context;

    (void) timeouts;
    if (query->lookup) {
        query->part->query = NULL;
        if (status == ARES_SUCCESS)
            take_answer(query->lookup, query->part, bytes, (size_t) size);
        else
            end_part(query->part, RESOLVE_TROUBLE);
    }
    mem_free(query);
}

/* Sends the question that the part has by now.  c-ares may call back at once. */
static void ask(struct resolver *resolver, struct lookup *lookup, struct part *part)
{
    unsigned char bytes[DNS_QUERY_SIZE], id[2] = {0, 0};
    struct query *query = mem_alloc(sizeof *query);
    ssize_t random = query ? getrandom(id, sizeof id, 0) : 0;
    size_t size = dns_write_query(bytes, (uint16_t) (id[0] << 8 | id[1]), part->question.name,
                                  part->question.type);

    if (random != (ssize_t) sizeof id || size == 0) {
        mem_free(query);
        end_part(part, RESOLVE_TROUBLE);
        return;
    }
    *query = (struct query){lookup, part};
    part->query = query;
    part->state = PART_WAITS;
    ares_send(resolver->channel, bytes, (int) size, answered, query);
}

/* --- going on ---------------------------------------------------------------------------------*/

/* Ends the parts that have waited long enough, and sends what is to be asked. */
static void advance(struct resolver *resolver)
{
    int64_t now = resolver->lookups ? clock_monotonic_ms() : 0;

    for (struct lookup *lookup = resolver->lookups; lookup; lookup = lookup->next) {
        bool late = now >= lookup->deadline_ms;

        for (size_t i = 0; i < lookup->part_count; i++) {
            struct part *part = &lookup->parts[i];

            if (late && part->state != PART_ENDED) {
                let_go(part);
                end_part(part, RESOLVE_TROUBLE);
            }
            if (part->state == PART_ASK)
                ask(resolver, lookup, part);
        }
    }
}

static int compare_exchangers(const void *left, const void *right)
{
    const struct mail_exchanger *a = left, *b = right;

    if (a->preference != b->preference)
        return a->preference < b->preference ? -1 : 1;
    return (a->name > b->name) - (a->name < b->name); /* of one buffer: as answered */
}

/* True if a mail exchanger of that name can be used (RFC 5321 5.1: a domain name). */
static bool is_exchanger(const char *name)
{
    struct sockaddr_storage address;

    return is_host_name(name) && !resolve_address_parse(name, &address);
}

/* Makes a list of what an MX part has found, without those that cannot be used.  False: no
 * memory. */
static bool list_exchangers(struct buf *found, struct buf *list)
{
    struct mail_exchanger exchanger;
    size_t records = 0;

    for (char *at = found->data, *end = at + found->length; at < end; records++) {
        exchanger.preference = (unsigned) ((unsigned char) at[0] << 8 | (unsigned char) at[1]);
        exchanger.name = at + 2;
        at += 2 + strlen(at + 2) + 1;
        if ((is_exchanger(exchanger.name) || (at == end && records == 0 && !*exchanger.name)) &&
            buf_add(list, &exchanger, sizeof exchanger) < 0)
            return false;
    }
    return true;
}

static void deliver_exchangers(struct lookup *lookup)
{
    struct part *part = &lookup->parts[0];
    struct buf list = BUF_INIT(0);

    if (part->status == RESOLVE_OK) {
        if (!list_exchangers(&part->found, &list))
            part->status = RESOLVE_TROUBLE;
        else if (list.length == 0)
            part->status = RESOLVE_NO_DOMAIN;
    }
    size_t count = part->status == RESOLVE_OK ? list.length / sizeof(struct mail_exchanger) : 0;
    if (count > 1)
        qsort(list.data, count, sizeof(struct mail_exchanger), compare_exchangers);
    lookup->mx_done(lookup->context, part->status, (const struct mail_exchanger *) list.data,
                    count);
    buf_free(&list);
}

/* What two parts come to: addresses if there are any, else the most hopeful of both. */
static enum resolve_status join_status(enum resolve_status a, enum resolve_status b)
{
    static const enum resolve_status order[] = {RESOLVE_OK, RESOLVE_TROUBLE, RESOLVE_NO_DATA};

    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        if (a == order[i] || b == order[i])
            return order[i];
    return RESOLVE_NO_DOMAIN;
}

static void deliver_addresses(struct lookup *lookup)
{
    struct part *v4 = &lookup->parts[0], *v6 = &lookup->parts[1];
    enum resolve_status status = join_status(v4->status, v6->status);
    size_t count = 0;

    if (v6->found.length > 0 && buf_add(&v4->found, v6->found.data, v6->found.length) < 0 &&
        v4->found.length == 0)
        status = RESOLVE_TROUBLE;
    if (status == RESOLVE_OK)
        count = v4->found.length / sizeof(struct sockaddr_storage);
    lookup->addresses_done(lookup->context, status,
                           (const struct sockaddr_storage *) v4->found.data, count);
}

/* Takes the first lookup that has ended off the list; NULL if there is none. */
static struct lookup *take_ended(struct resolver *resolver)
{
    for (struct lookup **at = &resolver->lookups; *at; at = &(*at)->next) {
        struct lookup *lookup = *at;

        if (has_ended(lookup)) {
            *at = lookup->next;
            return lookup;
        }
    }
    return NULL;
}

static void deliver(struct resolver *resolver)
{
    struct lookup *lookup;

    while ((lookup = take_ended(resolver))) {
        if (lookup->mx_done)
            deliver_exchangers(lookup);
        else
            deliver_addresses(lookup);
        free_lookup(lookup);
    }
}

/* --- what callers call ------------------------------------------------------------------------*/

void resolver_mx(struct resolver *resolver, const char *domain, resolve_mx_done *done,
                 void *context)
{
    static const uint16_t types[] = {DNS_MX};
    struct lookup *lookup = begin(resolver, domain, types, 1);

    if (!lookup) {
        done(context, RESOLVE_TROUBLE, NULL, 0);
        return;
    }
    lookup->mx_done = done;
    lookup->context = context;
    if (lookup->parts[0].state == PART_ASK && is_local_name(lookup->parts[0].question.name))
        end_part(&lookup->parts[0], RESOLVE_NO_DATA);
    advance(resolver);
}

static void add_address(void *context, const struct sockaddr_storage *address)
{
    struct lookup *lookup = context;
    struct part *part = &lookup->parts[address->ss_family == AF_INET ? 0 : 1];

    end_part(part,
             buf_add(&part->found, address, sizeof *address) < 0 ? RESOLVE_TROUBLE : RESOLVE_OK);
}

/* Addresses for which nobody need be asked. */
static void look_here(const struct resolver *resolver, struct lookup *lookup, const char *name)
{
    struct sockaddr_storage address;

    if (resolve_address_parse(name, &address)) {
        add_address(lookup, &address);
    } else if (is_local_name(lookup->parts[0].question.name)) {
        resolve_address_parse("127.0.0.1", &address);
        add_address(lookup, &address);
        resolve_address_parse("::1", &address);
        add_address(lookup, &address);
    } else {
        resolve_config_hosts(&resolver->config, lookup->parts[0].question.name, add_address,
                             lookup);
    }
    if (lookup->parts[0].found.length == 0 && lookup->parts[1].found.length == 0)
        return;
    for (size_t i = 0; i < lookup->part_count; i++)
        if (lookup->parts[i].state != PART_ENDED)
            end_part(&lookup->parts[i], RESOLVE_NO_DATA);
}

void resolver_addresses(struct resolver *resolver, const char *name, resolve_addresses_done *done,
                        void *context)
{
    static const uint16_t types[] = {DNS_A, DNS_AAAA};
    struct lookup *lookup = begin(resolver, name, types, 2);

    if (!lookup) {
        done(context, RESOLVE_TROUBLE, NULL, 0);
        return;
    }
    lookup->addresses_done = done;
    lookup->context = context;
    look_here(resolver, lookup, name);
    advance(resolver);
}

size_t resolver_polls(struct resolver *resolver, struct pollfd *polls, size_t room)
{
    ares_socket_t sockets[ARES_GETSOCK_MAXNUM];
    int bits = ares_getsock(resolver->channel, sockets, ARES_GETSOCK_MAXNUM);
    size_t count = 0;

    for (; count < room && count < ARES_GETSOCK_MAXNUM; count++) {
        bool in = ARES_GETSOCK_READABLE(bits, count) != 0;
        bool out = ARES_GETSOCK_WRITABLE(bits, count) != 0;

        if (!in && !out)
            break;
        polls[count] =
            (struct pollfd){sockets[count], (short) ((in ? POLLIN : 0) | (out ? POLLOUT : 0)), 0};
    }
    return count;
}

int resolver_timeout_ms(struct resolver *resolver)
{
    struct timeval next, *set = ares_timeout(resolver->channel, NULL, &next);
    /* c-ares rounds down, and would be asked again and again in the last millisecond. */
    int64_t ms = set ? (int64_t) next.tv_sec * 1000 + next.tv_usec / 1000 + 1 : -1;

    if (!resolver->lookups)
        return -1;
    int64_t now = clock_monotonic_ms();
    for (const struct lookup *lookup = resolver->lookups; lookup; lookup = lookup->next) {
        int64_t left = has_ended(lookup) ? 0 : lookup->deadline_ms - now;

        if (ms < 0 || left < ms)
            ms = left < 0 ? 0 : left;
    }
    return (int) ms;
}

void resolver_work(struct resolver *resolver, const struct pollfd *polls, size_t count)
{
    const short read_events = POLLIN | POLLERR | POLLHUP;
    const short write_events = POLLOUT | POLLERR | POLLHUP;

    for (size_t i = 0; i < count; i++) {
        bool in = (polls[i].revents & read_events) != 0;
        bool out = (polls[i].events & POLLOUT) && (polls[i].revents & write_events);

        if (in || out)
            ares_process_fd(resolver->channel, in ? polls[i].fd : ARES_SOCKET_BAD,
                            out ? polls[i].fd : ARES_SOCKET_BAD);
    }
    ares_process_fd(resolver->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    advance(resolver);
    deliver(resolver);
}

void resolver_wait(struct resolver *resolver)
{
    struct pollfd polls[RESOLVER_POLLS];

    while (resolver->lookups) {
        size_t count = resolver_polls(resolver, polls, RESOLVER_POLLS);
        int timeout = resolver_timeout_ms(resolver);

        if (poll(polls, (nfds_t) count, timeout) < 0)
            count = 0;
        resolver_work(resolver, polls, count);
    }
}

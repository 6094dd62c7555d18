/* SPDX-License-Identifier: ISC */
/* Machines of the made-up internet: their names, their addresses, and who may relay. */
#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "sim/scenario/checker.h"
#include "sim/scenario/cursor.h"

/* --- names -----------------------------------------------------------------------------------*/

static const char dns_default_name[] = "dns";

const char *actor_name(const struct scenario *scenario, struct actor actor)
{
    switch (actor.kind) {
    case ACTOR_HOST:
        return scenario->hosts[actor.index].name;
    case ACTOR_REMOTE:
        return scenario->remotes[actor.index].name;
    case ACTOR_CLIENT:
        return scenario->clients[actor.index].name;
    case ACTOR_DNS:
        return scenario->dns.name ? scenario->dns.name : dns_default_name;
    case ACTOR_ANY:
        break;
    }
    return "any";
}

const char *actor_kind_name(enum actor_kind kind)
{
    static const char *const names[] = {"machine", "host", "remote", "client", "DNS"};

    return names[kind];
}

/* The next machine after `actor`, in the order of kinds; false at the end. */
static bool next_actor(const struct scenario *scenario, struct actor *actor)
{
    const size_t counts[] = {1, scenario->host_count, scenario->remote_count,
                             scenario->client_count, 1};

    actor->index++;
    while (actor->index >= counts[actor->kind]) {
        if (actor->kind == ACTOR_DNS)
            return false;
        actor->kind++;
        actor->index = 0;
    }
    return true;
}

bool find_actor(const struct checker *checker, const char *name, struct actor *actor)
{
    *actor = (struct actor){ACTOR_ANY, 0};
    while (next_actor(checker->scenario, actor))
        if (strcmp(actor_name(checker->scenario, *actor), name) == 0)
            return true;
    return false;
}

void refuse_taken_name(struct cursor *cursor, const char *name)
{
    struct checker *checker = cursor->checker;
    struct position at = statement_word_at(cursor->statement, cursor->at - 1);
    struct actor other;

    if (cursor->failed)
        return;
    if (strcmp(name, "any") == 0)
        complain(&checker->complaints, at, "\"any\" means every machine: take another name");
    else if (find_actor(checker, name, &other) && (other.kind != ACTOR_DNS || checker->dns_at))
        complain(&checker->complaints, at, "there is a %s \"%s\" already",
                 actor_kind_name(other.kind), name);
}

bool machine_fits(struct checker *checker, const struct statement *statement)
{
    const struct scenario *scenario = checker->scenario;

    if (scenario->host_count + scenario->remote_count + scenario->client_count < MACHINES_MAX)
        return true;
    complain(&checker->complaints, statement->at, "more than %d hosts, remotes and clients",
             MACHINES_MAX);
    return false;
}

static void complain_no_actor(struct cursor *cursor, unsigned kinds, const char *what,
                              const char *name)
{
    struct checker *checker = cursor->checker;
    struct actor actor = {ACTOR_ANY, 0};
    const char **names = NULL;
    size_t count = 0;

    if (cursor->failed)
        return;
    if (find_actor(checker, name, &actor)) {
        cursor_fail(cursor, "\"%s\" is a %s; this wants %s", name, actor_kind_name(actor.kind),
                    what);
        return;
    }
    actor = (struct actor){ACTOR_ANY, 0};
    while (next_actor(checker->scenario, &actor))
        if (kinds & 1u << actor.kind)
            *POOL_ADD(checker->pool, names, count) = actor_name(checker->scenario, actor);
    *POOL_ADD(checker->pool, names, count) = NULL;
    what += strcspn(what, " ") + 1; /* "a machine, or any": a machine */
    complain_unknown(checker, cursor_position(cursor),
                     pool_copy(checker->pool, what, strcspn(what, ",")), name, names);
    cursor->failed = true;
}

struct actor need_actor(struct cursor *cursor, unsigned kinds, const char *what)
{
    struct actor actor = {ACTOR_ANY, 0};
    const char *name;

    if (kinds & 1u << ACTOR_ANY && cursor_take(cursor, "any"))
        return actor;
    name = cursor_peek(cursor);
    if (!name)
        cursor_fail(cursor, "expected %s; the form is: %s", what, cursor->syntax);
    else if (!find_actor(cursor->checker, name, &actor) || !(kinds & 1u << actor.kind))
        complain_no_actor(cursor, kinds, what, name);
    else
        cursor->at++;
    return actor;
}

/* --- addresses and domains -------------------------------------------------------------------*/

const char *address_canonical(struct checker *checker, const char *text)
{
    unsigned char bytes[16];
    char canonical[INET6_ADDRSTRLEN];
    int family = strchr(text, ':') ? AF_INET6 : AF_INET;

    if (inet_pton(family, text, bytes) != 1)
        return NULL;
    return pool_text(checker->pool, inet_ntop(family, bytes, canonical, sizeof canonical));
}

/* Why no machine can have this (canonical) address, or NULL. */
static const char *address_trouble(const char *address)
{
    struct in6_addr six;
    struct in_addr four;
    uint32_t number;

    if (strchr(address, ':')) {
        inet_pton(AF_INET6, address, &six);
        if (IN6_IS_ADDR_LOOPBACK(&six))
            return "this is every machine's own address";
        if (IN6_IS_ADDR_UNSPECIFIED(&six) || IN6_IS_ADDR_MULTICAST(&six) ||
            IN6_IS_ADDR_LINKLOCAL(&six) || IN6_IS_ADDR_V4MAPPED(&six))
            return "no machine can have this address";
        return NULL;
    }
    inet_pton(AF_INET, address, &four);
    number = ntohl(four.s_addr);
    if (number >> 24 == 127)
        return "this is every machine's own address";
    return number >> 24 == 0 || number >> 28 >= 14 ? "no machine can have this address" : NULL;
}

static const char *address_owner(const struct checker *checker, const char *address)
{
    for (size_t i = 0; i < checker->address_count; i++)
        if (strcmp(checker->addresses[i].text, address) == 0)
            return checker->addresses[i].owner;
    return NULL;
}

static void give_address(struct checker *checker, const char *owner, const char *address,
                         const char ***list, size_t *count)
{
    struct taken_address *taken =
        POOL_ADD(checker->pool, checker->addresses, checker->address_count);

    *taken = (struct taken_address){address, owner};
    *POOL_ADD(checker->pool, *list, *count) = address;
}

void need_own_address(struct cursor *cursor, const char *owner, const char ***list, size_t *count)
{
    struct checker *checker = cursor->checker;
    const char *word = cursor_peek(cursor);
    const char *address = word ? address_canonical(checker, word) : NULL;
    const char *other;

    if (!address)
        cursor_fail(cursor, "expected an address as in 192.0.2.7 or 2001:db8::7");
    else if (address_trouble(address))
        cursor_fail(cursor, "%s", address_trouble(address));
    else if (*count == ADDRESSES_MAX)
        cursor_fail(cursor, "more than %d addresses of one machine", ADDRESSES_MAX);
    else if ((other = address_owner(checker, address)))
        cursor_fail(cursor, "\"%s\" has this address already", other);
    else
        cursor->at++;
    if (cursor_done(cursor))
        give_address(checker, owner, address, list, count);
}

bool domain_is_valid(const char *text)
{
    size_t label = 0, size = strlen(text);

    if (size == 0 || size > 253)
        return false;
    for (const char *c = text; *c; c++) {
        bool dot = *c == '.';

        if (dot ? label == 0
                : !strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                          "0123456789-_",
                          *c))
            return false;
        label = dot ? 0 : label + 1;
        if (label > 63)
            return false;
    }
    return label > 0;
}

const char *need_domain(struct cursor *cursor, const char *what)
{
    const char *word = cursor_peek(cursor);
    size_t size = word ? strlen(word) : 0;

    if (size > 1 && word[size - 1] == '.')
        word = pool_copy(cursor->checker->pool, word, size - 1);
    if (!word)
        cursor_fail(cursor, "expected %s; the form is: %s", what, cursor->syntax);
    else if (!domain_is_valid(word))
        cursor_fail(cursor, "expected %s: letters, digits, \"-\" and \"_\", parted by dots", what);
    else
        cursor->at++;
    return word && !cursor->failed ? word : "";
}

/* --- addresses that were left out ------------------------------------------------------------*/

/* Number `n` of the addresses that machines of a kind get: from the ranges for documentation, then
 * from those for tests of networks (RFC 5737, RFC 2544), then from a private one. */
static const char *nth_address(struct checker *checker, enum actor_kind kind, unsigned n)
{
    static const struct {
        const char *first;
        unsigned from;
        const char *more;
    } ranges[] = {{"", 0, ""},
                  {"192.0.2", 10, "198.18"},
                  {"198.51.100", 1, "198.19"},
                  {"203.0.113", 1, "10.20"},
                  {"192.0.2", 53, "10.53"}};
    unsigned here = 255 - ranges[kind].from;

    if (n < here)
        return pool_format(checker->pool, "%s.%u", ranges[kind].first, ranges[kind].from + n);
    n -= here;
    return pool_format(checker->pool, "%s.%u.%u", ranges[kind].more, n / 254, n % 254 + 1);
}

static void fill_addresses(struct checker *checker, struct actor actor, const char ***list,
                           size_t *count, unsigned *next)
{
    const char *address;

    if (*count > 0)
        return;
    do
        address = nth_address(checker, actor.kind, (*next)++);
    while (address_owner(checker, address));
    give_address(checker, actor_name(checker->scenario, actor), address, list, count);
}

static void fill_all_addresses(struct checker *checker)
{
    struct scenario *scenario = checker->scenario;
    unsigned next[ACTOR_DNS + 1] = {0};
    struct actor actor = {ACTOR_DNS, 0};

    fill_addresses(checker, actor, &scenario->dns.addresses, &scenario->dns.address_count,
                   &next[ACTOR_DNS]);
    for (size_t i = 0; i < scenario->host_count; i++)
        fill_addresses(checker, (struct actor){ACTOR_HOST, i}, &scenario->hosts[i].addresses,
                       &scenario->hosts[i].address_count, &next[ACTOR_HOST]);
    for (size_t i = 0; i < scenario->remote_count; i++)
        fill_addresses(checker, (struct actor){ACTOR_REMOTE, i}, &scenario->remotes[i].addresses,
                       &scenario->remotes[i].address_count, &next[ACTOR_REMOTE]);
    for (size_t i = 0; i < scenario->client_count; i++)
        fill_addresses(checker, (struct actor){ACTOR_CLIENT, i}, &scenario->clients[i].addresses,
                       &scenario->clients[i].address_count, &next[ACTOR_CLIENT]);
}

/* --- relaying --------------------------------------------------------------------------------*/

/* "192.0.2.0/24" in canonical form, or NULL. */
static const char *network_canonical(struct checker *checker, const char *text)
{
    char *address = pool_text(checker->pool, text);
    char *slash = strchr(address, '/');
    const char *canonical;
    unsigned bits = 0, most;

    if (slash)
        *slash++ = 0;
    canonical = address_canonical(checker, address);
    if (!canonical || !slash)
        return canonical;
    most = strchr(canonical, ':') ? 128 : 32;
    if (!*slash || strlen(slash) > 3 || slash[strspn(slash, "0123456789")])
        return NULL;
    for (; *slash; slash++)
        bits = bits * 10 + (unsigned) (*slash - '0');
    return bits > most ? NULL : pool_format(checker->pool, "%s/%u", canonical, bits);
}

static void add_addresses_of(struct lines *lines, const struct scenario *scenario,
                             struct actor actor)
{
    const char **list = actor.kind == ACTOR_HOST     ? scenario->hosts[actor.index].addresses
                        : actor.kind == ACTOR_REMOTE ? scenario->remotes[actor.index].addresses
                                                     : scenario->clients[actor.index].addresses;
    size_t count = actor.kind == ACTOR_HOST     ? scenario->hosts[actor.index].address_count
                   : actor.kind == ACTOR_REMOTE ? scenario->remotes[actor.index].address_count
                                                : scenario->clients[actor.index].address_count;

    for (size_t i = 0; i < count; i++) {
        lines_word(lines, list[i]);
        lines_end(lines);
    }
}

static struct named_text *find_control(struct home_spec *host, const char *name)
{
    for (size_t i = 0; i < host->control_count; i++)
        if (strcmp(host->controls[i].name, name) == 0)
            return &host->controls[i];
    return NULL;
}

/* The addresses of one "relay from" statement. */
static struct text relay_lines(struct checker *checker, const struct statement *statement)
{
    struct cursor cursor = cursor_open(checker, statement, "relay from NAME|ADDRESS...");
    struct lines lines = {.pool = checker->pool};
    const char *word, *network;

    cursor.at = 1;
    cursor_need(&cursor, "from");
    do {
        word = cursor_peek(&cursor);
        network = word ? network_canonical(checker, word) : NULL;
        if (network) {
            cursor.at++;
            lines_word(&lines, network);
            lines_end(&lines);
        } else {
            struct actor actor =
                need_actor(&cursor, 1u << ACTOR_HOST | 1u << ACTOR_REMOTE | 1u << ACTOR_CLIENT,
                           "a machine or address");

            if (!cursor.failed)
                add_addresses_of(&lines, checker->scenario, actor);
        }
    } while (cursor_peek(&cursor));
    cursor_done(&cursor);
    return lines_done(&lines);
}

static void finish_relays(struct checker *checker)
{
    for (size_t i = 0; i < checker->relay_count; i++) {
        const struct relay *relay = &checker->relays[i];
        struct home_spec *host = &checker->scenario->hosts[relay->host];
        struct text text = relay_lines(checker, relay->statement);
        struct named_text *control = find_control(host, "relayclients");
        struct lines joined = {.pool = checker->pool};

        if (control && (i == 0 || checker->relays[i - 1].host != relay->host)) {
            complain(&checker->complaints, relay->statement->at,
                     "control relayclients says already who may relay");
            continue;
        }
        if (!control) {
            control = POOL_ADD(checker->pool, host->controls, host->control_count);
            control->name = "relayclients";
        }
        if (control->text.data)
            lines_text_add(&joined, control->text);
        lines_text_add(&joined, text);
        control->text = lines_done(&joined);
    }
}

/* --- all of it -------------------------------------------------------------------------------*/

/* What the DNS is called if nothing declares it: it must not be another machine's name. */
static const char *free_dns_name(struct checker *checker)
{
    const char *name = dns_default_name;
    struct actor other;

    while (find_actor(checker, name, &other) && other.kind != ACTOR_DNS)
        name = pool_format(checker->pool, "the-%s", name);
    return name;
}

void finish_actors(struct checker *checker)
{
    struct scenario *scenario = checker->scenario;

    if (!scenario->dns.name)
        scenario->dns.name = free_dns_name(checker);
    fill_all_addresses(checker);
    finish_remotes(checker);
    finish_relays(checker);
    finish_dns(checker);
    for (size_t i = 0; i < scenario->host_count; i++)
        scenario->hosts[i].smtp |=
            scenario->remote_count > 0 || scenario->client_count > 0 || scenario->host_count > 1;
}

/* SPDX-License-Identifier: ISC */
/* dns and what stands below it; and the records that everything else makes. */
#include <string.h>
#include <strings.h>

#include "sim/scenario/check_rule.h"
#include "sim/scenario/checker.h"
#include "sim/scenario/cursor.h"

#define TTL "3600"
#define STRINGS_MAX 100 /* of a TXT record */

/* --- names and types -------------------------------------------------------------------------*/

/* A name that may be the root, ".". */
static const char *need_name_or_root(struct cursor *cursor, const char *what)
{
    return cursor_take(cursor, ".") ? "." : need_domain(cursor, what);
}

enum record_type { A, AAAA, MX, CNAME, TXT, NS, SOA, PTR, TYPE_COUNT };
static const char *const types[TYPE_COUNT + 1] = {"A",  "AAAA", "MX",  "CNAME", "TXT",
                                                  "NS", "SOA",  "PTR", NULL};

static enum record_type need_type(struct cursor *cursor)
{
    struct position at = cursor_position(cursor);
    const char *word = cursor_need_word(cursor, "a type as in MX");

    for (int i = 0; i < TYPE_COUNT; i++)
        if (strcasecmp(types[i], word) == 0)
            return (enum record_type) i;
    if (!cursor->failed)
        complain_unknown(cursor->checker, at, "type of record", word, types);
    cursor->failed = true;
    return A;
}

const char *take_record_type(struct cursor *cursor)
{
    const char *word = cursor_peek(cursor);

    for (int i = 0; word && i < TYPE_COUNT; i++)
        if (strcasecmp(types[i], word) == 0) {
            cursor->at++;
            return types[i];
        }
    return NULL;
}

/* --- records ---------------------------------------------------------------------------------*/

static void need_address_data(struct cursor *cursor, struct lines *lines, bool six)
{
    const char *word = cursor_peek(cursor);
    const char *address = word ? address_canonical(cursor->checker, word) : NULL;

    if (!address || (strchr(address, ':') != NULL) != six)
        cursor_fail(cursor, six ? "expected an IPv6 address as in 2001:db8::7"
                                : "expected an IPv4 address as in 192.0.2.7");
    else
        cursor->at++;
    lines_word(lines, address ? address : "");
}

static void need_text_data(struct cursor *cursor, struct lines *lines)
{
    for (size_t count = 0; count == 0 || cursor_peek(cursor); count++) {
        const char *word = cursor_need_word(cursor, "a text");

        if (!cursor->failed && strlen(word) > 255) {
            cursor->at--;
            cursor_fail(cursor, "a string of a TXT record has at most 255 bytes");
        }
        if (count == STRINGS_MAX)
            cursor_fail(cursor, "more than %d strings", STRINGS_MAX);
        lines_quoted(lines, word);
    }
}

static void need_soa_data(struct cursor *cursor, struct lines *lines)
{
    lines_word(lines, need_domain(cursor, "the name of a server"));
    lines_word(lines, need_domain(cursor, "the name of a mailbox"));
    for (int i = 0; i < 5; i++) /* serial, refresh, retry, expire, minimum (RFC 1035 3.3.13) */
        lines_number(lines, cursor_need_number(cursor, 0, UINT32_MAX));
}

static void need_data(struct cursor *cursor, enum record_type type, struct lines *lines)
{
    switch (type) {
    case A:
    case AAAA:
        need_address_data(cursor, lines, type == AAAA);
        break;
    case MX:
        lines_number(lines, cursor_need_number(cursor, 0, 65535));
        lines_word(lines, need_name_or_root(cursor, "the name of a mail server, or \".\""));
        break;
    case TXT:
        need_text_data(cursor, lines);
        break;
    case SOA:
        need_soa_data(cursor, lines);
        break;
    default:
        lines_word(lines, need_domain(cursor, "a name"));
        break;
    }
}

/* False after a complaint: there are too many. */
static bool add_name(struct checker *checker, const char *name, bool alias, struct position at)
{
    struct dns_name *entry;

    if (checker->dns_name_count == RECORDS_MAX) {
        complain(&checker->complaints, at, "more than %d records", RECORDS_MAX);
        return false;
    }
    entry = POOL_ADD(checker->pool, checker->dns_names, checker->dns_name_count);
    *entry = (struct dns_name){name, alias, at};
    return true;
}

static void check_record(struct checker *checker, struct cursor *cursor)
{
    struct lines *lines = &checker->dns_records;
    struct position at = cursor_position(cursor);
    const char *name = need_domain(cursor, "a name");
    uint64_t ttl = cursor_need_number(cursor, 0, INT32_MAX);
    enum record_type type = need_type(cursor);

    lines_word(lines, "record");
    lines_word(lines, name);
    lines_number(lines, ttl);
    lines_word(lines, types[type]);
    need_data(cursor, type, lines);
    lines_end(lines);
    if (cursor_done(cursor))
        add_name(checker, name, type == CNAME, at);
}

/* --- rules -----------------------------------------------------------------------------------*/

static const char *const keywords[] = {
    "first",  "after",    "over",    "by",      "chance", "from",     "until", "nxdomain",
    "nodata", "servfail", "refused", "silence", "late",   "truncate", "ok",    NULL};
static const char *const deeds[] = {"nxdomain", "nodata",   "servfail", "refused", "silence",
                                    "late",     "truncate", "ok",       NULL};

static void need_deed(struct cursor *cursor, struct lines *lines)
{
    const char *word = cursor_peek(cursor);

    for (size_t i = 0; deeds[i]; i++) {
        if (!cursor_take(cursor, deeds[i]))
            continue;
        lines_word(lines, deeds[i]);
        if (strcmp(deeds[i], "late") == 0)
            lines_time(lines, need_milliseconds(cursor));
        else if (strcmp(deeds[i], "truncate") == 0 && cursor_take(cursor, "only"))
            lines_word(lines, "only");
        return;
    }
    if (!word) {
        cursor_fail(cursor, "what shall it answer? The form is: %s", cursor->syntax);
        return;
    }
    complain_unknown(cursor->checker, cursor_position(cursor), "type or answer", word, deeds);
    cursor->failed = true;
}

static void check_on(struct checker *checker, struct cursor *cursor)
{
    static const char *const scopes[] = {"client", "name", NULL};
    struct lines *lines = &checker->dns_rules;
    struct condition condition = {.counter = COUNTER_NONE};
    const char *pattern = cursor_need_word(cursor, "a pattern over names");
    const char *type = take_record_type(cursor);

    lines_word(lines, "on");
    lines_value(lines, pattern, keywords);
    if (type)
        lines_word(lines, type);
    need_condition(cursor, scopes, &condition);
    lines_condition(lines, &condition);
    need_deed(cursor, lines);
    lines_end(lines);
    cursor_done(cursor);
}

/* "no zone DOMAIN": it is asked of what it knows nothing about. */
static void check_no_zone(struct checker *checker, struct cursor *cursor)
{
    struct lines *lines = &checker->dns_refusals;
    const char *domain;

    cursor_need(cursor, "zone");
    domain = need_domain(cursor, "a domain");
    if (!cursor_done(cursor))
        return;
    lines_word(lines, "on");
    lines_value(lines, domain, keywords);
    lines_word(lines, "refused");
    lines_end(lines);
    lines_word(lines, "on");
    lines_word(lines, pool_format(checker->pool, "*.%s", domain));
    lines_word(lines, "refused");
    lines_end(lines);
}

static void check_address(struct checker *checker, struct cursor *cursor)
{
    struct dns_spec *dns = &checker->scenario->dns;

    need_own_address(cursor, dns->name, &dns->addresses, &dns->address_count);
}

/* --- the DNS ---------------------------------------------------------------------------------*/

static const struct {
    const char *keyword;
    const char *syntax;
    void (*check)(struct checker *checker, struct cursor *cursor);
} parts[] = {
    {"record", "record NAME TTL TYPE DATA...", check_record},
    {"on",
     "on PATTERN [TYPE] [COUNTER] [chance N%] [from TIME] [until TIME] "
     "nxdomain|nodata|servfail|refused|silence|late TIME|truncate [only]|ok",
     check_on},
    {"no", "no zone DOMAIN", check_no_zone},
    {"address", "address ADDRESS", check_address},
};
#define PART_COUNT (sizeof parts / sizeof *parts)

static void check_part(struct checker *checker, const struct statement *statement)
{
    const char *names[PART_COUNT + 1] = {NULL};
    const char *keyword = word_value(checker, statement, 0);

    if (!keyword)
        return;
    refuse_lines(checker, statement);
    refuse_children(checker, statement);
    for (size_t i = 0; i < PART_COUNT; i++) {
        names[i] = parts[i].keyword;
        if (strcmp(keyword, parts[i].keyword) == 0) {
            struct cursor cursor = cursor_open(checker, statement, parts[i].syntax);

            cursor.at = 1;
            parts[i].check(checker, &cursor);
            return;
        }
    }
    complain_unknown(checker, statement->at, "statement of the DNS", keyword, names);
}

void check_dns(struct checker *checker, const struct statement *statement)
{
    struct cursor cursor = cursor_open(checker, statement, "dns [NAME]");
    struct dns_spec *dns = &checker->scenario->dns;
    const char *name = "dns";

    cursor.at = 1;
    if (cursor_peek(&cursor))
        name = cursor_need_name(&cursor, "the name of the DNS");
    if (!checker->dns_at) {
        refuse_taken_name(&cursor, name);
        checker->dns_at = statement;
        dns->name = name;
        checker->dns_rules.pool = checker->dns_refusals.pool = checker->dns_records.pool =
            checker->pool;
    } else if (!cursor.failed && strcmp(dns->name, name) != 0) {
        cursor.at = statement->word_count > 1;
        cursor_fail(&cursor, "there is one DNS; on line %u it is called \"%s\"",
                    checker->dns_at->at.line, dns->name);
    }
    cursor_done(&cursor);
    for (size_t i = 0; i < statement->child_count; i++)
        if (statement->children[i]->word_count > 0)
            check_part(checker, statement->children[i]);
}

/* --- what everything else makes --------------------------------------------------------------*/

static void add_record(struct checker *checker, struct lines *lines, const char *name,
                       const char *type, unsigned preference, const char *data)
{
    struct position nowhere = {0};
    struct dns_name *entry = POOL_ADD(checker->pool, checker->dns_names, checker->dns_name_count);

    *entry = (struct dns_name){name, false, nowhere};
    lines_word(lines, "record");
    lines_word(lines, name);
    lines_word(lines, TTL);
    lines_word(lines, type);
    if (strcmp(type, "MX") == 0)
        lines_number(lines, preference);
    lines_word(lines, data);
    lines_end(lines);
}

static void add_addresses(struct checker *checker, struct lines *lines, const char *name,
                          const char **addresses, size_t count)
{
    for (size_t i = 0; i < count; i++)
        add_record(checker, lines, name, strchr(addresses[i], ':') ? "AAAA" : "A", 0, addresses[i]);
}

/* The name that a machine has in the DNS, or NULL if it cannot stand there. */
static const char *name_of(const char *text)
{
    return domain_is_valid(text) ? text : NULL;
}

static bool domain_is_new(const struct scenario *scenario, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (strcasecmp(scenario->hosts[i].domain, scenario->hosts[index].domain) == 0)
            return false;
    return true;
}

static void add_machines(struct checker *checker, struct lines *lines)
{
    const struct scenario *scenario = checker->scenario;

    for (size_t i = 0; i < scenario->remote_count; i++) {
        const struct remote_spec *remote = &scenario->remotes[i];

        for (size_t k = 0; k < remote->domain_count; k++)
            add_record(checker, lines, remote->domains[k].domain, "MX",
                       remote->domains[k].preference, remote->smtp_name);
        add_addresses(checker, lines, remote->smtp_name, remote->addresses, remote->address_count);
    }
    for (size_t i = 0; i < scenario->host_count; i++) {
        const struct home_spec *host = &scenario->hosts[i];
        const char *name = name_of(host->domain);

        if (name && domain_is_new(scenario, i))
            add_record(checker, lines, name, "MX", 10, name);
        if (name)
            add_addresses(checker, lines, name, host->addresses, host->address_count);
    }
    for (size_t i = 0; i < scenario->client_count; i++) {
        const struct client_spec *client = &scenario->clients[i];

        if (name_of(client->helo))
            add_addresses(checker, lines, client->helo, client->addresses, client->address_count);
    }
}

/* A name that has a CNAME has nothing else (RFC 1034 3.6.2). */
static void refuse_aliases_with_more(struct checker *checker)
{
    for (size_t i = 0; i < checker->dns_name_count; i++)
        for (size_t k = 0; checker->dns_names[i].alias && k < checker->dns_name_count; k++)
            if (k != i && strcasecmp(checker->dns_names[i].name, checker->dns_names[k].name) == 0) {
                complain(&checker->complaints, checker->dns_names[i].at,
                         "a name with a CNAME has no other records, but this one has%s",
                         checker->dns_names[k].at.line ? "" : ": a machine's");
                break;
            }
}

void finish_dns(struct checker *checker)
{
    struct dns_spec *dns = &checker->scenario->dns;
    struct lines lines = {.pool = checker->pool}, rules = {.pool = checker->pool};

    if (checker->dns_at) {
        lines_text_add(&rules, lines_done(&checker->dns_rules));
        lines_text_add(&rules, lines_done(&checker->dns_refusals));
        lines_text_add(&rules, lines_done(&checker->dns_records));
    }
    dns->rules = lines_done(&rules);
    for (size_t i = 0; i < dns->address_count; i++) {
        lines_word(&lines, "listen");
        lines_word(&lines, dns->addresses[i]);
        lines_word(&lines, "53");
        lines_end(&lines);
    }
    lines_word(&lines, "zone .");
    lines_end(&lines);
    lines_text_add(&lines, dns->rules);
    add_machines(checker, &lines);
    dns->config = lines_done(&lines);
    refuse_aliases_with_more(checker);
}

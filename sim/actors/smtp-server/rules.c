/* SPDX-License-Identifier: ISC */
/* Rules: how they are read, and which one an event meets. */
#include <string.h>
#include <strings.h>

#include "sim/actors/smtp-server/server.h"

#define NS_PER_MS 1000000
#define BYTES_MAX UINT64_C(1000000000000000)

/* --- reading ----------------------------------------------------------------------------------*/

static const char *const verbs[] = {
    [VERB_CONNECT] = "connect", [VERB_EHLO] = "EHLO", [VERB_HELO] = "HELO",
    [VERB_MAIL] = "MAIL",       [VERB_RCPT] = "RCPT", [VERB_DATA] = "DATA",
    [VERB_MESSAGE] = "MESSAGE", [VERB_EOD] = "EOD",   [VERB_RSET] = "RSET",
    [VERB_NOOP] = "NOOP",       [VERB_VRFY] = "VRFY", [VERB_QUIT] = "QUIT",
    [VERB_AUTH] = "AUTH",       [VERB_HELP] = NULL,   [VERB_OTHER] = NULL,
    [VERB_ANY] = "any"};

enum scope { BY_CONNECTION = 1, BY_CLIENT, BY_SENDER, BY_RECIPIENT, BY_TRIPLE };
static const char *const scopes[] = {"connection", "client", "sender", "recipient", "triple", NULL};

static enum verb read_verb(struct config *config)
{
    const char *word = config_word(config, "a verb");

    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (verbs[i] && strcasecmp(word, verbs[i]) == 0)
            return (enum verb) i;
    config_fail(config, "there is no such verb: ", word);
    return VERB_ANY;
}

/* A pattern is what no other part of a rule begins with, or what stands in quotes. */
static const char *read_pattern(struct config *config)
{
    static const char *const keywords[] = {"first", "after",   "over",   "by",   "chance", "from",
                                           "until", "delay",   "reply",  "raw",  "close",  "reset",
                                           "take",  "silence", "refuse", "slow", "ok"};
    const char *word = config_peek(config);

    if (!word)
        return NULL;
    if (!config->words[config->next].quoted)
        for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++)
            if (strcmp(word, keywords[i]) == 0)
                return NULL;
    return config_word(config, "a pattern");
}

static int64_t read_ms(struct config *config)
{
    return (config_time(config) + NS_PER_MS - 1) / NS_PER_MS;
}

static uint64_t read_bytes(struct config *config, uint64_t least)
{
    uint64_t bytes = config_number(config, least, BYTES_MAX);

    if (!config_take(config, "byte"))
        config_need(config, "bytes");
    return bytes;
}

static void read_text(struct deed *deed, struct config *config)
{
    struct config_word word = config_bytes(config, "a text");

    deed->text = word.text;
    deed->text_size = word.size;
}

static void read_reply(struct deed *deed, struct config *config)
{
    deed->code = (unsigned) config_number(config, 200, 599);
    read_text(deed, config);
    if (config_take(config, "cut")) {
        deed->cut = true;
        deed->bytes = read_bytes(config, 0);
    } else {
        deed->split = config_take(config, "split");
    }
}

static void read_end(struct deed *deed, struct config *config)
{
    deed->after = config_take(config, "after");
    if (deed->after)
        deed->bytes = read_bytes(config, 0);
}

static void read_slow(struct deed *deed, struct config *config)
{
    deed->bytes = read_bytes(config, 1);
    config_need(config, "per");
    deed->per_ms = read_ms(config);
}

static void read_bounce(struct deed *deed, struct config *config)
{
    deed->kind = DEED_OK;
    config_need(config, "after");
    deed->bounce_after_ms = read_ms(config);
    config_need(config, "status");
    deed->status = config_word(config, "a status as in 5.1.1");
    deed->diagnostic = config_word(config, "what the bounce says");
}

static void read_take(struct deed *deed, struct config *config)
{
    deed->take = true;
    if (config_take(config, "close"))
        deed->kind = DEED_CLOSE;
    else if (config_take(config, "reset"))
        deed->kind = DEED_RESET;
    else if (config_take(config, "silence"))
        deed->kind = DEED_SILENCE;
    else if (config_take(config, "bounce"))
        read_bounce(deed, config);
    else
        config_fail(config, "take is followed by close, reset, silence or bounce", NULL);
}

static void read_nothing(struct deed *deed, struct config *config)
{
    (void) deed;
    (void) config;
}

#define BIT(verb) (1U << (verb))

static const struct {
    const char *keyword;
    enum deed_kind kind;
    void (*read)(struct deed *deed, struct config *config);
    unsigned verbs;       /* with which it makes sense */
    unsigned verbs_after; /* with which `after N bytes` does */
} deeds[] = {
    {"reply", DEED_REPLY, read_reply, ~BIT(VERB_MESSAGE), 0},
    {"raw", DEED_RAW, read_text, ~BIT(VERB_MESSAGE), 0},
    {"close", DEED_CLOSE, read_end, ~0U, BIT(VERB_CONNECT) | BIT(VERB_MESSAGE)},
    {"reset", DEED_RESET, read_end, ~0U, BIT(VERB_CONNECT) | BIT(VERB_MESSAGE)},
    {"silence", DEED_SILENCE, read_end, ~0U, BIT(VERB_CONNECT) | BIT(VERB_MESSAGE)},
    {"refuse", DEED_REFUSE, read_nothing, BIT(VERB_CONNECT), 0},
    {"take", DEED_OK, read_take, BIT(VERB_EOD), 0},
    {"slow", DEED_SLOW, read_slow, BIT(VERB_MESSAGE), 0},
    {"ok", DEED_OK, read_nothing, ~0U, 0},
};

static void read_deed(struct rule *rule, struct config *config)
{
    struct deed *deed = &rule->deed;

    if (config_take(config, "delay"))
        deed->delay_ms = read_ms(config);
    for (size_t i = 0; i < sizeof deeds / sizeof *deeds; i++) {
        if (!config_take(config, deeds[i].keyword))
            continue;
        deed->kind = deeds[i].kind;
        deeds[i].read(deed, config);
        if (!(deeds[i].verbs & BIT(rule->verb)))
            config_fail(config, "with this verb there is no ", deeds[i].keyword);
        if (deed->after && !(deeds[i].verbs_after & BIT(rule->verb)))
            config_fail(config, "bytes are counted with connect and MESSAGE only", NULL);
        return;
    }
    config_fail(config, "there is no such thing to do: ", config_peek(config));
}

void rule_read(struct rule *rule, struct config *config)
{
    memset(rule, 0, sizeof *rule);
    rule->verb = read_verb(config);
    rule->pattern = read_pattern(config);
    condition_read(&rule->condition, config, scopes);
    read_deed(rule, config);
}

/* --- finding ----------------------------------------------------------------------------------*/

/* Whether the address is in one of the rule's domains, if it has any. */
static bool is_in_domains(const struct server *server, const struct rule *rule, const char *address,
                          size_t size)
{
    const char *const *domains = (const char *const *) (const void *) server->domains.data;
    const char *at = size ? memrchr(address, '@', size) : NULL;

    for (size_t i = 0; i < rule->domain_count && at; i++) {
        const char *domain = domains[rule->first_domain + i];
        size_t length = size - (size_t) (at + 1 - address);

        if (strlen(domain) == length && strncasecmp(domain, at + 1, length) == 0)
            return true;
    }
    return rule->domain_count == 0;
}

/* Whether the rule is about that recipient. */
static bool is_about(const struct server *server, const struct rule *rule, const char *address,
                     size_t size)
{
    return (!rule->pattern || config_matches(rule->pattern, address, size)) &&
           is_in_domains(server, rule, address, size);
}

/* Whether the rule is about one of the recipients. */
static bool is_about_any(const struct connection *connection, const struct rule *rule)
{
    const char *at = connection->recipients.data;

    for (size_t i = 0; i < connection->recipient_count; i++) {
        size_t size = strlen(at);

        if (is_about(connection->server, rule, at, size))
            return true;
        at += size + 1;
    }
    return false;
}

/* Whether an event is one of this rule.  DATA without a recipient is one for those alone whose
 * pattern is empty. */
static bool is_event(const struct connection *connection, enum verb verb, const struct rule *rule)
{
    if (rule->verb != verb && (rule->verb != VERB_ANY || verb == VERB_MESSAGE))
        return false;
    if (verb == VERB_DATA && connection->recipient_count == 0)
        return rule->verb == VERB_DATA && rule->pattern && !*rule->pattern;
    if (!rule->pattern && rule->domain_count == 0)
        return true;
    if (verb == VERB_CONNECT)
        return config_matches(rule->pattern, connection->peer_text, strlen(connection->peer_text));
    if (verb == VERB_DATA || verb == VERB_MESSAGE || verb == VERB_EOD)
        return is_about_any(connection, rule);
    return is_about(connection->server, rule, connection->argument.data,
                    connection->argument.length);
}

static int add_part(struct buf *key, const char *part, size_t size)
{
    return buf_add(key, part, size) < 0 ? -1 : buf_add_byte(key, 0);
}

/* What an event is counted under. */
static int make_key(const struct connection *connection, enum verb verb, enum scope scope,
                    struct buf *key)
{
    const struct buf *sender = verb == VERB_MAIL ? &connection->argument : &connection->sender;
    const struct buf *recipients =
        verb == VERB_RCPT ? &connection->argument : &connection->recipients;

    buf_reset(key);
    if (scope == BY_CONNECTION)
        return buf_add_number(key, connection->number);
    if ((scope == BY_CLIENT || scope == BY_TRIPLE) &&
        add_part(key, connection->peer_text, strlen(connection->peer_text)) < 0)
        return -1;
    if ((scope == BY_SENDER || scope == BY_TRIPLE) &&
        add_part(key, sender->data, sender->length) < 0)
        return -1;
    if (scope == BY_RECIPIENT || scope == BY_TRIPLE)
        return add_part(key, recipients->data, recipients->length);
    return 0;
}

static struct rule *rule_at(const struct server *server, size_t index)
{
    return (struct rule *) (void *) server->rules.data + index;
}

static size_t rule_count(const struct server *server)
{
    return server->rules.length / sizeof(struct rule);
}

bool rules_find(struct connection *connection, enum verb verb, struct deed *deed)
{
    struct server *server = connection->server;
    int64_t now_ms = server_now(server);
    struct buf key = BUF_INIT(0);
    bool found = false;

    for (size_t i = 0; i < rule_count(server); i++) {
        struct rule *rule = rule_at(server, i);

        if (!is_event(connection, verb, rule))
            continue;
        if (make_key(connection, verb, (enum scope) rule->condition.scope, &key) < 0)
            buf_reset(&key);
        if (!condition_count(&rule->condition, now_ms, key.data, key.length) || found)
            continue;
        found = condition_draw(&rule->condition);
        if (found)
            *deed = rule->deed;
    }
    buf_free(&key);
    return found;
}

/* --- refusing ----------------------------------------------------------------------------------
 * A connection is refused by not listening, so before anything is known of it. */

/* Whether it can be told of a connection that is not there yet that it meets this rule. */
static bool is_foreseeable(const struct rule *rule)
{
    const struct condition *condition = &rule->condition;

    return (rule->verb == VERB_CONNECT || rule->verb == VERB_ANY) && !rule->pattern &&
           condition->scope == 0 && condition->percent == 100 &&
           condition->counter != CONDITION_FIRST;
}

bool rules_refuse(const struct server *server, int64_t now_ms, int64_t *change_ms)
{
    *change_ms = SERVER_NEVER;
    for (size_t i = 0; i < rule_count(server); i++) {
        const struct rule *rule = rule_at(server, i);
        int64_t change;

        if (!is_foreseeable(rule))
            continue;
        change = condition_changes_at(&rule->condition, now_ms);
        if (change < *change_ms)
            *change_ms = change;
        if (condition_would_hold(&rule->condition, now_ms))
            return rule->deed.kind == DEED_REFUSE;
    }
    return false;
}

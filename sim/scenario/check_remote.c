/* SPDX-License-Identifier: ISC */
/* remote and what stands below it: a mail server of somebody else, and how it behaves. */
#include <string.h>
#include <strings.h>

#include "sim/scenario/check_rule.h"
#include "sim/scenario/checker.h"
#include "sim/scenario/cursor.h"

#define RULE "on VERB [PATTERN] [COUNTER] [chance N%] [from TIME] [until TIME] [delay TIME] DO"

#define EXTENSIONS_MAX 64

struct remote_check {
    struct checker *checker;
    struct remote_spec *remote;
    struct lines rules;
    const struct statement *extensions_at;
    const struct statement *no_ehlo_at;
};

/* --- what a rule is about --------------------------------------------------------------------*/

enum verb {
    CONNECT,
    EHLO,
    HELO,
    MAIL,
    RCPT,
    DATA,
    MESSAGE,
    EOD,
    RSET,
    NOOP,
    VRFY,
    QUIT,
    AUTH,
    ANY,
    VERB_COUNT
};
#define BIT(verb) (1u << (verb))
#define IN_MAIL (BIT(MAIL) | BIT(RCPT) | BIT(DATA) | BIT(MESSAGE) | BIT(EOD))
#define AFTER_RCPT (BIT(RCPT) | BIT(DATA) | BIT(MESSAGE) | BIT(EOD))
#define WITHOUT_ARGUMENT (BIT(RSET) | BIT(QUIT))

static const char *const verbs[VERB_COUNT + 1] = {"connect", "EHLO",    "HELO", "MAIL", "RCPT",
                                                  "DATA",    "MESSAGE", "EOD",  "RSET", "NOOP",
                                                  "VRFY",    "QUIT",    "AUTH", "any",  NULL};
static const char *const scopes[] = {"connection", "client", "sender", "recipient", "triple", NULL};
/* A bare word like these is no pattern. */
static const char *const keywords[] = {"first",   "after",  "over",  "by",   "chance", "from",
                                       "until",   "delay",  "reply", "raw",  "close",  "reset",
                                       "silence", "refuse", "take",  "slow", "ok",     NULL};

static enum verb need_verb(struct cursor *cursor)
{
    struct position at = cursor_position(cursor);
    const char *word = cursor_need_word(cursor, "a verb as in RCPT");

    for (int i = 0; i < VERB_COUNT; i++)
        if (strcasecmp(word, verbs[i]) == 0)
            return (enum verb) i;
    if (!cursor->failed)
        complain_unknown(cursor->checker, at, "verb", word, verbs);
    cursor->failed = true;
    return ANY;
}

/* A sender is known from MAIL on, a recipient from RCPT on. */
static void check_scope(struct cursor *cursor, enum verb verb, const struct condition *condition)
{
    const char *scope = condition->scope;

    if (!scope || cursor->failed)
        return;
    if ((strcmp(scope, "sender") == 0 && !(BIT(verb) & IN_MAIL)) ||
        ((strcmp(scope, "recipient") == 0 || strcmp(scope, "triple") == 0) &&
         !(BIT(verb) & AFTER_RCPT))) {
        complain(&cursor->checker->complaints, condition->scope_at,
                 "at %s no %s is known that could be counted by", verbs[verb],
                 strcmp(scope, "sender") == 0 ? "sender" : "recipient");
        cursor->failed = true;
    }
}

/* --- what it does ----------------------------------------------------------------------------*/

static void need_reply(struct cursor *cursor, struct lines *lines)
{
    lines_number(lines, cursor_need_number(cursor, 200, 599));
    lines_quoted(lines, cursor_need_word(cursor, "the text of the reply"));
    if (cursor_take(cursor, "cut")) {
        lines_word(lines, "cut");
        lines_number(lines, need_bytes(cursor, 0));
        lines_word(lines, "bytes");
    } else if (cursor_take(cursor, "split")) {
        lines_word(lines, "split");
    }
}

static void need_raw(struct cursor *cursor, struct lines *lines)
{
    lines_quoted(lines, cursor_need_word(cursor, "the bytes to send"));
}

/* close, reset, silence: "[after N bytes]" where bytes can be counted. */
static void need_end(struct cursor *cursor, struct lines *lines)
{
    if (!cursor_take(cursor, "after"))
        return;
    lines_word(lines, "after");
    lines_number(lines, need_bytes(cursor, 0));
    lines_word(lines, "bytes");
}

static void need_nothing(struct cursor *cursor, struct lines *lines)
{
    (void) cursor;
    (void) lines;
}

static void need_slow(struct cursor *cursor, struct lines *lines)
{
    int64_t per;

    lines_number(lines, need_bytes(cursor, 1));
    lines_word(lines, "bytes");
    cursor_need(cursor, "per");
    lines_word(lines, "per");
    per = need_milliseconds(cursor);
    if (!cursor->failed && per == 0) {
        cursor->at--;
        cursor_fail(cursor, "expected a time that is not 0");
    }
    lines_time(lines, per);
}

/* "5.1.1", "4.4.7": class, subject and detail (RFC 3463 2). */
static bool is_status(const char *text)
{
    size_t subject, detail;

    if (!*text || !strchr("245", *text) || text[1] != '.')
        return false;
    subject = strspn(text + 2, "0123456789");
    if (subject < 1 || subject > 3 || text[2 + subject] != '.')
        return false;
    detail = strspn(text + 3 + subject, "0123456789");
    return detail >= 1 && detail <= 3 && !text[3 + subject + detail];
}

static void need_own_bounce(struct cursor *cursor, struct lines *lines)
{
    const char *status;

    cursor_need(cursor, "after");
    lines_word(lines, "after");
    lines_time(lines, need_milliseconds(cursor));
    cursor_need(cursor, "status");
    lines_word(lines, "status");
    status = cursor_need_word(cursor, "a status as in 5.1.1");
    if (!cursor->failed && !is_status(status)) {
        cursor->at--;
        cursor_fail(cursor, "expected a status as in 5.1.1");
    }
    lines_value(lines, status, NULL);
    lines_quoted(lines, cursor_need_word(cursor, "what its bounce says"));
}

static void need_take(struct cursor *cursor, struct lines *lines)
{
    static const char *const ways[] = {"close", "reset", "silence", "bounce", NULL};
    struct position at = cursor_position(cursor);
    const char *word = cursor_need_word(cursor, "what follows: close, reset, silence or bounce");

    for (size_t i = 0; ways[i] && !cursor->failed; i++)
        if (strcmp(ways[i], word) == 0) {
            lines_word(lines, word);
            if (strcmp(word, "bounce") == 0)
                need_own_bounce(cursor, lines);
            return;
        }
    if (!cursor->failed)
        complain_unknown(cursor->checker, at, "way to go on", word, ways);
    cursor->failed = true;
}

static const struct {
    const char *keyword;
    void (*need)(struct cursor *cursor, struct lines *lines);
    unsigned verbs;
    const char *only; /* why not with other verbs */
} deeds[] = {
    {"reply", need_reply, ~BIT(MESSAGE), "while a message comes in nothing is replied: say EOD"},
    {"raw", need_raw, ~BIT(MESSAGE), "while a message comes in nothing is replied: say EOD"},
    {"close", need_end, ~0u, NULL},
    {"reset", need_end, ~0u, NULL},
    {"silence", need_end, ~0u, NULL},
    {"refuse", need_nothing, BIT(CONNECT), "connections are refused with connect only"},
    {"take", need_take, BIT(EOD), "a message is taken with EOD only"},
    {"slow", need_slow, BIT(MESSAGE), "only a MESSAGE is read slowly; delay a reply instead"},
    {"ok", need_nothing, ~0u, NULL},
};
#define DEED_COUNT (sizeof deeds / sizeof *deeds)

/* "after N bytes" is only for what has bytes to be counted. */
static void check_end(struct cursor *cursor, enum verb verb)
{
    struct cursor copy = *cursor;

    if (BIT(verb) & (BIT(CONNECT) | BIT(MESSAGE)))
        return;
    if (cursor_take(&copy, "after"))
        cursor_fail(cursor,
                    "bytes are counted with connect (all that the client sends) or MESSAGE");
}

static void need_deed(struct cursor *cursor, enum verb verb, struct lines *lines)
{
    const char *names[DEED_COUNT + 1] = {NULL};
    const char *word;

    if (cursor_take(cursor, "delay")) {
        lines_word(lines, "delay");
        lines_time(lines, need_milliseconds(cursor));
    }
    for (size_t i = 0; i < DEED_COUNT; i++) {
        names[i] = deeds[i].keyword;
        if (!cursor_take(cursor, deeds[i].keyword))
            continue;
        if (!(deeds[i].verbs & BIT(verb))) {
            cursor->at--;
            cursor_fail(cursor, "%s", deeds[i].only);
        }
        lines_word(lines, deeds[i].keyword);
        if (deeds[i].need == need_end)
            check_end(cursor, verb);
        deeds[i].need(cursor, lines);
        return;
    }
    word = cursor_peek(cursor);
    if (!word) {
        cursor_fail(cursor, "what shall it do? The form is: %s", cursor->syntax);
        return;
    }
    complain_unknown(cursor->checker, cursor_position(cursor), "thing to do", word, names);
    cursor->failed = true;
}

/* A connection is refused before anything is known of it, and one that is refused is not counted.
 */
static void check_refuse(struct cursor *cursor, const char *pattern,
                         const struct condition *condition)
{
    struct cursor copy = *cursor;

    if (!cursor_take(&copy, "refuse"))
        return;
    if (pattern || condition->scope || condition->has_chance)
        cursor_fail(cursor, "who connects is not known when it is refused: say close or reset, or "
                            "take a network statement");
    else if (condition->counter == COUNTER_FIRST)
        cursor_fail(cursor, "connections that are refused cannot be counted: say until TIME");
}

static void check_on(struct remote_check *check, struct cursor *cursor)
{
    struct lines *lines = &check->rules;
    struct condition condition = {.counter = COUNTER_NONE};
    enum verb verb = need_verb(cursor);
    struct position at = cursor_position(cursor);
    const char *pattern = take_pattern(cursor, keywords);

    if (pattern && (WITHOUT_ARGUMENT & BIT(verb)) && !cursor->failed) {
        complain(&check->checker->complaints, at, "%s has nothing that a pattern could match",
                 verbs[verb]);
        return;
    }
    need_condition(cursor, scopes, &condition);
    check_scope(cursor, verb, &condition);
    lines_word(lines, "on");
    lines_word(lines, verbs[verb]);
    if (pattern)
        lines_value(lines, pattern, keywords);
    lines_condition(lines, &condition);
    check_refuse(cursor, pattern, &condition);
    need_deed(cursor, verb, lines);
    lines_end(lines);
    cursor_done(cursor);
}

/* --- other lines below it --------------------------------------------------------------------*/

static void check_serves(struct remote_check *check, struct cursor *cursor)
{
    struct checker *checker = check->checker;
    struct remote_spec *remote = check->remote;
    struct position at = cursor_position(cursor);
    const char *domain = need_domain(cursor, "a domain");
    unsigned preference = 10;

    if (cursor_take(cursor, "preference"))
        preference = (unsigned) cursor_need_number(cursor, 0, 65535);
    if (!cursor_done(cursor))
        return;
    for (size_t i = 0; i < remote->domain_count; i++)
        if (strcasecmp(remote->domains[i].domain, domain) == 0) {
            complain(&checker->complaints, at, "it serves %s already", domain);
            return;
        }
    *POOL_ADD(checker->pool, remote->domains, remote->domain_count) =
        (struct served_domain){domain, preference};
}

static void check_address(struct remote_check *check, struct cursor *cursor)
{
    need_own_address(cursor, check->remote->name, &check->remote->addresses,
                     &check->remote->address_count);
}

static void check_name(struct remote_check *check, struct cursor *cursor)
{
    const char *name;

    if (check->remote->smtp_name)
        cursor_fail(cursor, "it has the name %s already", check->remote->smtp_name);
    name = need_domain(cursor, "a name as in mx.example.com");
    if (cursor_done(cursor))
        check->remote->smtp_name = name;
}

static bool is_extension(const char *word)
{
    size_t keyword = strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789-");

    if (keyword == 0 || strlen(word) > 400 || (word[keyword] && word[keyword] != ' '))
        return false;
    for (const char *c = word; *c; c++)
        if ((unsigned char) *c < ' ' || (unsigned char) *c >= 127)
            return false;
    return true;
}

static void check_extensions(struct remote_check *check, struct cursor *cursor)
{
    struct lines *lines = &check->rules;
    size_t count = 0;

    if (check->extensions_at)
        cursor_fail(cursor, "the extensions are on line %u", check->extensions_at->at.line);
    check->extensions_at = cursor->statement;
    lines_word(lines, "extensions");
    if (cursor_take(cursor, "none")) {
        lines_word(lines, "none");
    } else {
        do {
            const char *word = cursor_need_word(cursor, "extensions as in PIPELINING, or none");

            if (!cursor->failed && !is_extension(word)) {
                cursor->at--;
                cursor_fail(cursor, "an extension is a word of EHLO, with values in quotes: "
                                    "PIPELINING \"SIZE 1000\"");
            }
            if (++count > EXTENSIONS_MAX)
                cursor_fail(cursor, "more than %d extensions", EXTENSIONS_MAX);
            lines_value(lines, word, (const char *const[]){"none", NULL});
        } while (cursor_peek(cursor));
    }
    lines_end(lines);
    cursor_done(cursor);
}

/* "connections N", "recipients N", "timeout TIME": what it bears. */
static void check_limit(struct remote_check *check, struct cursor *cursor)
{
    struct lines *lines = &check->rules;

    cursor->at = 0;
    lines_word(lines, cursor_need_word(cursor, "a limit"));
    lines_number(lines, cursor_need_number(cursor, 1, 100000));
    lines_end(lines);
    cursor_done(cursor);
}

static void check_timeout(struct remote_check *check, struct cursor *cursor)
{
    lines_word(&check->rules, "timeout");
    lines_time(&check->rules, need_milliseconds(cursor));
    lines_end(&check->rules);
    cursor_done(cursor);
}

static void check_no_ehlo(struct remote_check *check, struct cursor *cursor)
{
    if (check->no_ehlo_at)
        cursor_fail(cursor, "this stands on line %u already", check->no_ehlo_at->at.line);
    check->no_ehlo_at = cursor->statement;
    if (!cursor_done(cursor))
        return;
    lines_word(&check->rules, "no-ehlo");
    lines_end(&check->rules);
}

/* --- the remote ------------------------------------------------------------------------------*/

static const struct {
    const char *keyword;
    const char *syntax;
    void (*check)(struct remote_check *check, struct cursor *cursor);
} parts[] = {
    {"serves", "serves DOMAIN [preference N]", check_serves},
    {"address", "address ADDRESS", check_address},
    {"name", "name NAME", check_name},
    {"extensions", "extensions WORD...|none", check_extensions},
    {"no-ehlo", "no-ehlo", check_no_ehlo},
    {"connections", "connections N", check_limit},
    {"recipients", "recipients N", check_limit},
    {"timeout", "timeout TIME", check_timeout},
    {"on", RULE, check_on},
};
#define PART_COUNT (sizeof parts / sizeof *parts)

static void check_part(struct remote_check *check, const struct statement *statement)
{
    const char *names[PART_COUNT + 1] = {NULL};
    const char *keyword = word_value(check->checker, statement, 0);

    if (!keyword)
        return;
    refuse_lines(check->checker, statement);
    refuse_children(check->checker, statement);
    for (size_t i = 0; i < PART_COUNT; i++) {
        names[i] = parts[i].keyword;
        if (strcmp(keyword, parts[i].keyword) == 0) {
            struct cursor cursor = cursor_open(check->checker, statement, parts[i].syntax);

            cursor.at = 1;
            parts[i].check(check, &cursor);
            return;
        }
    }
    complain_unknown(check->checker, statement->at, "statement of a remote", keyword, names);
}

void check_remote(struct checker *checker, const struct statement *statement)
{
    struct cursor cursor = cursor_open(checker, statement, "remote NAME");
    struct scenario *scenario = checker->scenario;
    struct remote_spec remote = {0};
    struct remote_check check = {
        .checker = checker, .remote = &remote, .rules = {.pool = checker->pool}};
    size_t count = scenario->remote_count;

    if (!machine_fits(checker, statement))
        return;
    cursor.at = 1;
    remote.name = cursor_need_name(&cursor, "the name of a remote");
    refuse_taken_name(&cursor, remote.name);
    cursor_done(&cursor);
    for (size_t i = 0; i < statement->child_count; i++)
        if (statement->children[i]->word_count > 0)
            check_part(&check, statement->children[i]);
    if (check.extensions_at && check.no_ehlo_at)
        complain(&checker->complaints, check.no_ehlo_at->at,
                 "who refuses EHLO offers no extensions: leave one of them out");
    remote.rules = lines_done(&check.rules);
    *POOL_ADD(checker->pool, checker->remote_at, count) = statement_word_at(statement, 1);
    *POOL_ADD(checker->pool, scenario->remotes, scenario->remote_count) = remote;
}

/* --- when all are known ----------------------------------------------------------------------*/

static bool is_served_by_others(const struct scenario *scenario, const struct remote_spec *remote,
                                const char *domain)
{
    for (size_t i = 0; i < scenario->remote_count; i++)
        for (size_t k = 0; k < scenario->remotes[i].domain_count; k++)
            if (&scenario->remotes[i] != remote &&
                strcasecmp(scenario->remotes[i].domains[k].domain, domain) == 0)
                return true;
    return false;
}

static const char *default_name(struct checker *checker, const struct remote_spec *remote)
{
    const char *domain;

    if (remote->domain_count == 0)
        return pool_format(checker->pool, "%s.example", remote->name);
    domain = remote->domains[0].domain;
    return pool_format(checker->pool, "%s.%s",
                       is_served_by_others(checker->scenario, remote, domain) ? remote->name : "mx",
                       domain);
}

/* Its mail would be another machine's. */
static void refuse_shared_names(struct checker *checker, size_t index)
{
    const struct scenario *scenario = checker->scenario;
    const struct remote_spec *remote = &scenario->remotes[index];

    for (size_t i = 0; i < index; i++)
        if (strcasecmp(scenario->remotes[i].smtp_name, remote->smtp_name) == 0)
            complain(&checker->complaints, checker->remote_at[index],
                     "its name in the DNS would be %s, as that of \"%s\": give it another (name "
                     "NAME)",
                     remote->smtp_name, scenario->remotes[i].name);
    for (size_t i = 0; i < scenario->host_count; i++) {
        if (strcasecmp(scenario->hosts[i].domain, remote->smtp_name) == 0)
            complain(&checker->complaints, checker->remote_at[index],
                     "its name in the DNS would be %s, as that of \"%s\": give it another (name "
                     "NAME)",
                     remote->smtp_name, scenario->hosts[i].name);
        for (size_t k = 0; k < remote->domain_count; k++)
            if (strcasecmp(scenario->hosts[i].domain, remote->domains[k].domain) == 0)
                complain(&checker->complaints, checker->remote_at[index],
                         "%s is the domain of host \"%s\"", remote->domains[k].domain,
                         scenario->hosts[i].name);
    }
}

static struct text remote_config(struct checker *checker, const struct remote_spec *remote)
{
    const struct scenario *scenario = checker->scenario;
    struct lines lines = {.pool = checker->pool};

    lines_word(&lines, "name");
    lines_value(&lines, remote->smtp_name, NULL);
    lines_end(&lines);
    for (size_t i = 0; i < remote->address_count; i++) {
        lines_word(&lines, "listen");
        lines_word(&lines, remote->addresses[i]);
        lines_word(&lines, "25");
        lines_end(&lines);
    }
    if (scenario->host_count > 0) {
        lines_word(&lines, "bounces to");
        lines_word(&lines, scenario->hosts[0].addresses[0]);
        lines_word(&lines, "25");
        lines_end(&lines);
    }
    lines_text_add(&lines, remote->rules);
    return lines_done(&lines);
}

void finish_remotes(struct checker *checker)
{
    struct scenario *scenario = checker->scenario;

    for (size_t i = 0; i < scenario->remote_count; i++)
        if (!scenario->remotes[i].smtp_name)
            scenario->remotes[i].smtp_name = default_name(checker, &scenario->remotes[i]);
    for (size_t i = 0; i < scenario->remote_count; i++) {
        refuse_shared_names(checker, i);
        scenario->remotes[i].config = remote_config(checker, &scenario->remotes[i]);
    }
}

/* SPDX-License-Identifier: ISC */
/*
 * Failures that a recipient's address asks for, with address-rules on.  The table is this one; it
 * is printed in docs/architecture.md.
 *
 * The local part is words parted by `+`; the first says what happens, whatever its case.
 */
#include <string.h>
#include <strings.h>

#include "mta/lib/num.h"
#include "sim/actors/smtp-server/server.h"

#define NS_PER_MS 1000000
#define PARTS_MAX 32

/* The local part of an address, cut into its parts. */
struct parts {
    char text[SERVER_ADDRESS_MAX + 1];
    const char *list[PARTS_MAX];
    size_t count;
};

static void split(struct parts *parts, const char *address, size_t size)
{
    const char *at = size ? memrchr(address, '@', size) : NULL;
    size_t length = at ? (size_t) (at - address) : size;
    char *from = parts->text;

    parts->count = 0;
    if (length > SERVER_ADDRESS_MAX)
        length = 0;
    if (length > 0)
        memcpy(parts->text, address, length);
    parts->text[length] = 0;
    while (from && parts->count < PARTS_MAX) {
        char *plus = strchr(from, '+');

        parts->list[parts->count++] = from;
        if (plus)
            *plus++ = 0;
        from = plus;
    }
}

static bool is_status(const char *text, char class)
{
    return text[0] == class && text[1] == '.' && strspn(text, "0123456789.") == strlen(text);
}

/* "CODE STATUS words", each part as given or else the default.  The text has no code. */
static bool make_reply(struct connection *connection, const struct parts *parts,
                       const char *code_default, const char *status_default, const char *words,
                       struct deed *deed)
{
    size_t next = 1;
    uint64_t code = 0;
    const char *status = status_default;

    if (next < parts->count && strlen(parts->list[next]) == 3 &&
        *parts->list[next] == *code_default && num_parse(parts->list[next], 3, &code) == 0)
        next++;
    else
        num_parse(code_default, 3, &code);
    if (next < parts->count && is_status(parts->list[next], *code_default))
        status = parts->list[next++];
    buf_reset(&connection->text);
    if (buf_add_text(&connection->text, status) < 0)
        return false;
    for (size_t i = next; i < parts->count; i++)
        if (buf_add_byte(&connection->text, ' ') < 0 ||
            buf_add_text(&connection->text, parts->list[i]) < 0)
            return false;
    if (next == parts->count && buf_add_text(&connection->text, words) < 0)
        return false;
    *deed = (struct deed){.kind = DEED_REPLY,
                          .code = (unsigned) code,
                          .text = connection->text.data,
                          .text_size = connection->text.length};
    return true;
}

static bool do_bounce(struct connection *connection, enum verb verb, const struct parts *parts,
                      struct deed *deed)
{
    return verb == VERB_RCPT &&
           make_reply(connection, parts, "550", "5.1.1", " no such user", deed);
}

static bool do_defer(struct connection *connection, enum verb verb, const struct parts *parts,
                     struct deed *deed)
{
    return verb == VERB_RCPT && make_reply(connection, parts, "451", "4.3.0", " try later", deed);
}

static bool do_drop(struct connection *connection, enum verb verb, const struct parts *parts,
                    struct deed *deed)
{
    const char *when = parts->count > 1 ? parts->list[1] : "";
    bool in_data = strcasecmp(when, "data") == 0, at_end = strcasecmp(when, "eod") == 0;

    (void) connection;
    if (verb != (in_data ? VERB_MESSAGE : at_end ? VERB_EOD : VERB_RCPT))
        return false;
    *deed = (struct deed){.kind = DEED_CLOSE, .after = in_data, .bytes = 1, .take = at_end};
    return true;
}

static bool do_slow(struct connection *connection, enum verb verb, const struct parts *parts,
                    struct deed *deed)
{
    int64_t ns;

    (void) connection;
    if (verb != VERB_RCPT || parts->count < 2 || config_parse_time(parts->list[1], &ns) < 0)
        return false;
    *deed = (struct deed){.kind = DEED_OK, .delay_ms = (ns + NS_PER_MS - 1) / NS_PER_MS};
    return true;
}

/* As many first tries of each client, sender and recipient are deferred as the address says. */
static bool do_greylist(struct connection *connection, enum verb verb, const struct parts *parts,
                        struct deed *deed)
{
    struct condition *condition = &connection->server->greylist;
    struct buf key = BUF_INIT(0);
    uint64_t count = 1;
    bool first = false;

    if (verb != VERB_RCPT)
        return false;
    if (parts->count > 1 && num_parse(parts->list[1], strlen(parts->list[1]), &count) < 0)
        return false;
    condition->counter = CONDITION_FIRST;
    condition->scope = 1;
    condition->percent = 100;
    condition->until_ms = CONDITION_NEVER;
    condition->limit = count;
    if (buf_add_text(&key, connection->peer_text) == 0 && buf_add_byte(&key, 0) == 0 &&
        buf_add(&key, connection->sender.data, connection->sender.length) == 0 &&
        buf_add_byte(&key, 0) == 0 &&
        buf_add(&key, connection->argument.data, connection->argument.length) == 0)
        first = condition_count(condition, 0, key.data, key.length);
    buf_free(&key);
    if (first) {
        static const char text[] = "4.7.1 greylisted, try again later";
        *deed = (struct deed){
            .kind = DEED_REPLY, .code = 451, .text = text, .text_size = sizeof text - 1};
    }
    return first;
}

static const struct {
    const char *word;
    bool (*find)(struct connection *connection, enum verb verb, const struct parts *parts,
                 struct deed *deed);
} table[] = {
    {"bounce", do_bounce},     /* bounce[+CODE][+STATUS][+WORDS]: RCPT is refused, 550 5.1.1 */
    {"defer", do_defer},       /* defer[+CODE][+STATUS][+WORDS]: RCPT is deferred, 451 4.3.0 */
    {"drop", do_drop},         /* drop: closed at RCPT; drop+data: when the message begins;
                                  drop+eod: after the final dot, the message taken */
    {"slow", do_slow},         /* slow+TIME: the reply to RCPT comes so late */
    {"greylist", do_greylist}, /* greylist[+N]: the first N tries (1) get 451 4.7.1 */
};

/* The deed of one recipient. */
static bool find(struct connection *connection, enum verb verb, const char *address, size_t size,
                 struct deed *deed)
{
    struct parts parts;

    split(&parts, address, size);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strcasecmp(parts.list[0], table[i].word) == 0)
            return table[i].find(connection, verb, &parts, deed);
    return false;
}

bool address_rules_find(struct connection *connection, enum verb verb, struct deed *deed)
{
    const char *at = connection->recipients.data;

    if (!connection->server->address_rules)
        return false;
    if (verb == VERB_RCPT)
        return find(connection, verb, connection->argument.data, connection->argument.length, deed);
    if (verb != VERB_MESSAGE && verb != VERB_EOD)
        return false;
    for (size_t i = 0; i < connection->recipient_count; i++) {
        size_t size = strlen(at);

        if (find(connection, verb, at, size, deed))
            return true;
        at += size + 1;
    }
    return false;
}

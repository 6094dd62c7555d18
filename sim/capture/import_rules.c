/* SPDX-License-Identifier: ISC */
/* What a server did, as rules. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sim/capture/import_internal.h"

const char *const import_verb_names[IMPORT_VERBS] = {"connect", "EHLO",    "HELO", "MAIL", "RCPT",
                                                     "DATA",    "MESSAGE", "EOD",  "RSET", "QUIT"};

/* --- events ----------------------------------------------------------------------------------*/

/* Whom a RCPT is for; NULL: nobody who is told.  They are in the order of their commands. */
static const char *find_rcpt(const struct import_transaction *transaction,
                             const struct smtp_exchange *exchange)
{
    size_t low = 0, high = transaction->recipient_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (transaction->recipients[middle].rcpt < exchange)
            low = middle + 1;
        else
            high = middle;
    }
    return low < transaction->recipient_count && transaction->recipients[low].rcpt == exchange
               ? transaction->recipients[low].address
               : NULL;
}

static void set_keys(struct import *import, const struct import_transaction *transaction,
                     const struct smtp_exchange *exchange, struct import_event *event)
{
    const char **keys;
    bool one = event->verb == IMPORT_MAIL || event->verb == IMPORT_RCPT;
    size_t count = 0;

    if (!transaction || event->verb < IMPORT_MAIL || event->verb > IMPORT_EOD)
        return;
    keys = pool_alloc(&import->pool, (one ? 1 : transaction->recipient_count + 1) * sizeof *keys);
    if (event->verb == IMPORT_MAIL)
        keys[count++] = transaction->sender;
    else if (event->verb == IMPORT_RCPT && (*keys = find_rcpt(transaction, exchange)))
        count++;
    for (size_t i = 0; i < transaction->recipient_count && !one; i++)
        if (transaction->recipients[i].rcpt->code / 100 == 2)
            keys[count++] = transaction->recipients[i].address;
    if (event->verb == IMPORT_DATA && count == 0)
        keys[count++] = "";
    event->keys = keys;
    event->key_count = count;
}

/* The state of going through a session. */
struct walk {
    struct import *import;
    const struct import_session *session;
    const struct import_transaction *transaction;
    bool said_ehlo, said_helo, ehlo_failed;
};

static bool find_verb(struct walk *walk, const struct smtp_exchange *exchange,
                      enum import_verb *verb)
{
    const char *word = exchange->verb;
    bool ehlo = strcmp(word, "EHLO") == 0 || strcmp(word, "LHLO") == 0;
    bool helo = strcmp(word, "HELO") == 0;

    if (exchange->step == SMTP_GREETING) {
        *verb = IMPORT_CONNECT;
        return true;
    }
    if (exchange->step == SMTP_MESSAGE) {
        *verb = exchange->command.whole || exchange->reply.there ? IMPORT_EOD : IMPORT_MESSAGE;
        return walk->transaction && walk->transaction->end == exchange;
    }
    if (exchange->step != SMTP_COMMAND)
        return false;
    if (ehlo || helo) {
        /* Ours says EHLO, and HELO where that is refused: what a server said to HELO alone, it says
         * to EHLO. */
        *verb = helo && walk->ehlo_failed ? IMPORT_HELO : IMPORT_EHLO;
        bool again = *verb == IMPORT_HELO ? walk->said_helo : walk->said_ehlo;

        walk->said_ehlo = true;
        walk->said_helo = walk->said_helo || *verb == IMPORT_HELO;
        if (ehlo && !again)
            walk->ehlo_failed = exchange->code / 100 == 5;
        if (again)
            import_note(walk->import, "session %" PRIu64 ": a second %s is left out",
                        walk->session->number, word);
        return !again;
    }
    for (*verb = IMPORT_MAIL; *verb < IMPORT_VERBS; ++*verb)
        if (*verb != IMPORT_MESSAGE && *verb != IMPORT_EOD &&
            strcmp(word, import_verb_names[*verb]) == 0)
            return true;
    return false;
}

/* A message came in and nothing happened: rules of MESSAGE count it. */
static void add_message_event(struct walk *walk, const struct smtp_exchange *exchange)
{
    struct import_remote *remote =
        &walk->import->remotes[import_root(walk->import, walk->session->remote)];
    struct import_event event = {.verb = IMPORT_MESSAGE, .deed = "ok"}, *added;

    set_keys(walk->import, walk->transaction, exchange, &event);
    added = POOL_ADD(&walk->import->pool, remote->events, remote->event_count);
    *added = event;
}

static void add_event(struct walk *walk, const struct smtp_exchange *exchange)
{
    const struct import_session *session = walk->session;
    struct import_remote *remote =
        &walk->import->remotes[import_root(walk->import, session->remote)];
    struct import_event event = {.verb = IMPORT_CONNECT}, *added;

    if (!find_verb(walk, exchange, &event.verb))
        return;
    if (event.verb == IMPORT_EOD)
        add_message_event(walk, exchange);
    if (exchange == session->unanswered)
        event.deed = import_end_deed(walk->import, session);
    else
        event.deed = import_reply(walk->import, exchange, session->closed_after == exchange);
    if (!event.deed)
        return;
    event.delay_ms = import_delay_ms(session, exchange);
    set_keys(walk->import, walk->transaction, exchange, &event);
    added = POOL_ADD(&walk->import->pool, remote->events, remote->event_count);
    *added = event;
}

/* What happened in transaction number `wanted` of a session, and in so many `more`; with what is
 * before the first one, and behind the last one, as part of them.  NONE: everything. */
static void add_events(struct import *import, const struct import_session *session, size_t wanted,
                       size_t more)
{
    struct walk walk = {.import = import, .session = session};
    size_t now = 0;
    bool begun = false;

    for (size_t i = 0; i < session->smtp.count; i++) {
        const struct smtp_exchange *exchange = &session->smtp.exchanges[i];

        if (exchange->step == SMTP_COMMAND && strcmp(exchange->verb, "MAIL") == 0) {
            now += begun;
            begun = true;
            walk.transaction = &session->transactions[now];
        }
        if (wanted == NONE || (now >= wanted && now - wanted <= more))
            add_event(&walk, exchange);
    }
}

static int compare_tries(const void *one, const void *other)
{
    const struct import_try *const *a = one, *const *b = other;

    if ((*a)->begin_ns != (*b)->begin_ns)
        return (*a)->begin_ns < (*b)->begin_ns ? -1 : 1;
    return *a < *b ? -1 : *a > *b; /* both are of one array */
}

void import_events(struct import *import)
{
    const struct import_try **order = must_zeroed((import->try_count + 1) * sizeof *order);
    size_t count = 0;

    for (size_t i = 0; i < import->try_count; i++)
        if (!import->tries[i].dropped)
            order[count++] = &import->tries[i];
    qsort(order, count, sizeof *order, compare_tries);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < order[i]->failed_count; k++)
            add_events(import, &import->sessions[order[i]->failed[k]], NONE, 0);
        add_events(import, &import->sessions[order[i]->session], order[i]->transaction,
                   order[i]->more);
    }
    free(order);
}

/* --- rules -----------------------------------------------------------------------------------*/

/* Delays that differ by chance are the same. */
static bool same_deed(const struct import_event *one, const struct import_event *other)
{
    int64_t more = one->delay_ms > other->delay_ms ? one->delay_ms : other->delay_ms;
    int64_t less = one->delay_ms < other->delay_ms ? one->delay_ms : other->delay_ms;

    return strcmp(one->deed, other->deed) == 0 && (more - less <= 100 || more - less <= more / 4);
}

static void print_rule(struct import *import, FILE *to, enum import_verb verb, const char *key,
                       uint64_t first, const struct import_event *event)
{
    if (import->rules_left == 0) {
        import_note(import, "more rules than a file can hold: some are left out");
        return;
    }
    import->rules_left--;
    fprintf(to, "    on %s", import_verb_names[verb]);
    if (key) {
        fputc(' ', to);
        import_print_quoted(to, key, strlen(key));
    }
    if (first)
        fprintf(to, " first %" PRIu64, first);
    if (event->delay_ms) {
        fputs(" delay ", to);
        import_print_time(to, event->delay_ms * 1000000);
    }
    fprintf(to, " %s\n", event->deed);
}

/* Events in their order: the last deed is for all that may come. */
static void print_sequence(struct import *import, FILE *to, enum import_verb verb, const char *key,
                           const struct import_event *const *events, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t from = i;

        while (i + 1 < count && same_deed(events[from], events[i + 1]))
            i++;
        print_rule(import, to, verb, key, i + 1 < count ? i + 1 : 0, events[from]);
    }
}

static bool all_same(const struct import_event *const *events, size_t count,
                     const struct import_event *as)
{
    for (size_t i = 0; i < count; i++)
        if (!same_deed(events[i], as))
            return false;
    return true;
}

struct keyed {
    const char *key;
    const struct import_event *event;
};

static int compare_keyed(const void *one, const void *other)
{
    const struct keyed *a = one, *b = other;
    int order = strcasecmp(a->key, b->key);

    return order ? order : a->event < b->event ? -1 : a->event > b->event;
}

/* The deed that most events have; of the last event if none has the majority. */
static const struct import_event *most_common(const struct import_event *const *events,
                                              size_t count)
{
    const struct import_event *candidate = events[count - 1];
    size_t lead = 0;

    for (size_t i = 0; i < count; i++) {
        if (lead == 0)
            candidate = events[i];
        lead = same_deed(candidate, events[i]) ? lead + 1 : lead - 1;
    }
    return candidate;
}

/* One sequence for each address whose events are not all as the most common one. */
static void print_by_key(struct import *import, FILE *to, enum import_verb verb,
                         const struct import_event *const *events, size_t count)
{
    const struct import_event *common = most_common(events, count);
    const struct import_event **sequence = must_zeroed(count * sizeof *sequence);
    struct keyed *list = NULL;
    size_t total = 0;

    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < events[i]->key_count; k++) {
            struct keyed *keyed = LIST_ADD(list, total);

            keyed->key = events[i]->keys[k];
            keyed->event = events[i];
        }
    if (total)
        qsort(list, total, sizeof *list, compare_keyed);
    for (size_t i = 0, next; i < total; i = next) {
        size_t length = 0;

        for (next = i; next < total && strcasecmp(list[next].key, list[i].key) == 0; next++)
            if (length < count && (next == i || list[next].event != list[next - 1].event))
                sequence[length++] = list[next].event;
        if (!all_same(sequence, length, common))
            print_sequence(import, to, verb, list[i].key, sequence, length);
    }
    print_rule(import, to, verb, NULL, 0, common);
    free(sequence);
    free(list);
}

static bool is_without_recipient(const struct import_event *event)
{
    return event->verb == IMPORT_DATA && event->key_count == 1 && !*event->keys[0];
}

/* The events of a verb; of DATA with or without recipients.  Returns how many. */
static size_t select_events(const struct import_remote *remote, int verb, bool without,
                            const struct import_event **events, bool *keyed)
{
    size_t count = 0;

    *keyed = true;
    for (size_t i = 0; i < remote->event_count; i++) {
        const struct import_event *event = &remote->events[i];

        if ((int) event->verb != verb || is_without_recipient(event) != without)
            continue;
        events[count++] = event;
        *keyed = *keyed && event->key_count > 0;
    }
    return count;
}

void import_print_rules(struct import *import, const struct import_remote *remote, FILE *to)
{
    const struct import_event **events = must_zeroed((remote->event_count + 1) * sizeof *events);
    bool keyed;

    for (int verb = 0; verb < IMPORT_VERBS; verb++) {
        size_t count = select_events(remote, verb, true, events, &keyed);

        print_sequence(import, to, (enum import_verb) verb, "", events, count);
        count = select_events(remote, verb, false, events, &keyed);
        if (verb == IMPORT_MESSAGE && count > 0 && strcmp(events[0]->deed, "ok") == 0 &&
            all_same(events, count, events[0]))
            continue; /* nothing ever happened while one came in */
        if (count > 0 && keyed && !all_same(events, count, events[0]))
            print_by_key(import, to, (enum import_verb) verb, events, count);
        else
            print_sequence(import, to, (enum import_verb) verb, NULL, events, count);
    }
    free(events);
}

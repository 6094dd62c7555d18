/* SPDX-License-Identifier: ISC */
/* How long things took, and when each try is made in the scenario. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sim/capture/import_internal.h"

#define SECOND INT64_C(1000000000)
#define MS INT64_C(1000000)
#define APART_NS (10 * SECOND)              /* longer than our server keeps a connection */
#define CONNECT_NS (60 * SECOND)            /* that it waits for an answer */
#define SESSION_NS_MAX (7 * 86400 * SECOND) /* more is no more to be believed */
#define SILENCE_MS_MIN 5000
#define SILENCE_MS_MAX 300000
#define DELAY_MS_MAX (24 * 3600 * 1000) /* more is a clock that was set, or a hostile file */

/* --- delays ----------------------------------------------------------------------------------*/

/* Two digits are enough, and what is faster than people notice is at once. */
static int64_t round_ms(int64_t ms)
{
    int64_t unit = 1;

    if (ms < 20)
        return 0;
    if (ms > DELAY_MS_MAX)
        return DELAY_MS_MAX;
    while (ms / unit >= 100)
        unit *= 10;
    return (ms + unit / 2) / unit * unit;
}

int64_t import_delay_ms(const struct import_session *session, const struct smtp_exchange *exchange)
{
    const struct flow *flow = session->smtp.flow;
    int64_t since = exchange->command.there ? exchange->command.last_ns
                    : flow->accepted_ns     ? flow->accepted_ns
                                            : exchange->reply.first_ns;

    if (!exchange->reply.there || exchange->reply.first_ns <= since)
        return 0;
    return round_ms((exchange->reply.first_ns - since) / MS);
}

/* How long our server has to wait for a reply: what the client did, within reason. */
void import_set_silence(struct import *import)
{
    int64_t most = 0;
    bool silent = false;

    for (size_t i = 0; i < import->session_count; i++) {
        const struct import_session *session = &import->sessions[i];

        if (!session->usable)
            continue;
        for (size_t k = 0; k < session->smtp.count; k++) {
            int64_t delay = import_delay_ms(session, &session->smtp.exchanges[k]);

            import->longest_delay_ms =
                delay > import->longest_delay_ms ? delay : import->longest_delay_ms;
        }
        silent = silent || session->end == END_SILENT || session->end == END_CLIENT;
        most = session->waited_ns / MS > most ? session->waited_ns / MS : most;
    }
    if (!silent)
        return;
    most = most < SILENCE_MS_MIN ? SILENCE_MS_MIN : most > SILENCE_MS_MAX ? SILENCE_MS_MAX : most;
    if (most <= import->longest_delay_ms)
        most = import->longest_delay_ms + 1000;
    import->silence_ms = (most + 999) / 1000 * 1000;
}

/* --- times -----------------------------------------------------------------------------------*/

static int64_t square_root(int64_t number)
{
    int64_t root = 0;

    for (int64_t bit = INT64_C(1) << 30; bit; bit >>= 1)
        if ((root + bit) * (root + bit) <= number)
            root += bit;
    return root;
}

/* The time that a session takes of its client, as far as a transaction needs it (NONE: all), and so
 * many `more` behind it. */
static int64_t session_ns(const struct import *import, const struct import_session *session,
                          size_t transaction, size_t more)
{
    int64_t ns = 0;
    size_t now = NONE;

    if (session->end == END_NO_ANSWER)
        return CONNECT_NS;
    for (size_t i = 0; i < session->smtp.count; i++) {
        const struct smtp_exchange *exchange = &session->smtp.exchanges[i];

        if (strcmp(exchange->verb, "MAIL") == 0)
            now = now == NONE ? 0 : now + 1;
        if (transaction == NONE || (transaction == 0 && now == NONE) ||
            (now != NONE && now >= transaction && now - transaction <= more))
            ns += import_delay_ms(session, exchange) * MS;
        if (ns > SESSION_NS_MAX)
            return SESSION_NS_MAX;
    }
    if ((session->end == END_SILENT || session->end == END_CLIENT) &&
        (transaction == NONE || transaction + more + 1 == session->transaction_count))
        ns += import->silence_ms * MS;
    return ns;
}

static int64_t try_ns(const struct import *import, const struct import_try *try)
{
    int64_t ns = session_ns(import, &import->sessions[try->session], try->transaction, try->more);

    for (size_t i = 0; i < try->failed_count; i++)
        ns += session_ns(import, &import->sessions[try->failed[i]], NONE, 0);
    return ns;
}

/* The tries of a message that is sent at `at_ns`, as our server makes them (mta/lib/schedule.h).
 * Returns when the last one ends. */
static int64_t set_tries(struct import *import, struct import_message *message, int64_t at_ns)
{
    int64_t begin = at_ns, end = at_ns;

    message->at_ns = at_ns;
    for (size_t i = 0; i < message->recipient_count; i++)
        message->deleted = message->deleted || message->recipients[i].fate == FATE_OPEN;
    for (size_t i = 0; i < message->try_count; i++) {
        struct import_try *try = &import->tries[message->tries[i]];
        int64_t root = square_root((begin - at_ns) / SECOND);

        if (i > 0)
            begin = at_ns + (root + 20) * (root + 20) * SECOND;
        begin = begin > end ? begin : end;
        try->begin_ns = begin;
        try->end_ns = end = begin + try_ns(import, try);
    }
    return end;
}

static int64_t up_to_second(int64_t ns)
{
    return (ns + SECOND - 1) / SECOND * SECOND;
}

/* Messages of a group go out soon after another, so that they share a connection; groups far
 * enough from each other that they do not. */
void import_set_times(struct import *import)
{
    int64_t free_at = 2 * SECOND, start = import->capture->first_ns;
    bool *done = must_zeroed(import->message_count + 1);

    for (size_t i = 0; i < import->message_count; i++) {
        int64_t at =
            import->sessions[import->messages[i].first_session].smtp.flow->first_ns - start;

        at = at < 0 ? 0 : at > INT64_C(365) * 86400 * SECOND ? 0 : at;
        at = up_to_second(at > free_at ? at : free_at);
        for (size_t k = i; k < import->message_count; k++) {
            struct import_message *message = &import->messages[k];
            int64_t end;

            if (done[k] || message->group != import->messages[i].group)
                continue;
            done[k] = true;
            end = set_tries(import, message, at);
            at = up_to_second(import->tries[message->tries[0]].end_ns + SECOND);
            end += message->deleted ? DELETE_NS + APART_NS : APART_NS;
            free_at = end > free_at ? end : free_at;
        }
    }
    free(done);
}

/* SPDX-License-Identifier: ISC */
/* A job from its addresses to the verdict: which connections are tried, and in what order. */
#include <string.h>

#include "mta/lib/clock.h"
#include "mta/lib/mem.h"
#include "mta/remote/remote.h"

#define VERDICT_SIZE 8192 /* reserved: verdicts need no memory */

int job_init(struct job *job, const char *host, const char *sender, size_t count)
{
    memset(job, 0, sizeof *job);
    job->host = host;
    job->sender = sender;
    job->count = count;
    job->message.fd = -1;
    job->recipients = mem_alloc(count * sizeof *job->recipients);
    if (!job->recipients || buf_reserve(&job->verdict_text, VERDICT_SIZE) < 0)
        return -1;
    memset(job->recipients, 0, count * sizeof *job->recipients);
    return 0;
}

void job_free(struct job *job)
{
    message_close(&job->message);
    mem_free(job->recipients);
    buf_free(&job->texts);
    buf_free(&job->verdict_text);
    memset(job, 0, sizeof *job);
}

void job_set_verdict(struct job *job, char letter, const char *const *parts)
{
    job->verdict = letter;
    buf_reset(&job->verdict_text);
    for (; *parts; parts++)
        buf_add_text(&job->verdict_text, *parts);
}

/* --- addresses that cannot be said --------------------------------------------------------- */

/* Whether an address can stand in a command: no byte that would end or change the line. */
static bool is_sayable(const char *address)
{
    const char *at = strrchr(address, '@');
    for (const char *c = address; *c; c++) {
        unsigned char byte = (unsigned char) *c;
        if (byte < 32 || byte == 127)
            return false;
        if (at && c > at && (byte == ' ' || byte == '<' || byte == '>'))
            return false;
    }
    return true;
}

static void check_addresses(struct job *job)
{
    static const char text[] = "Sorry, this address cannot be told to another server. (#5.1.3)\n";
    if (!is_sayable(job->sender)) {
        job_verdict(job, 'D', "Sorry, the sender's address cannot be told to another server. ",
                    "(#5.1.7)\n");
        answers_settle(job);
        return;
    }
    for (size_t i = 0; i < job->count; i++) {
        struct recipient *recipient = &job->recipients[i];
        if (is_sayable(recipient->address) && strchr(recipient->address, '@'))
            continue;
        recipient->fate = FATE_HARD;
        recipient->text = job->texts.length;
        if (buf_add_text(&job->texts, text) == 0)
            recipient->text_size = recipient->short_size = sizeof text - 1;
    }
    if (!answers_have(job, FATE_OPEN))
        job_verdict(job, 'D', text);
}

/* --- connections --------------------------------------------------------------------------- */

static bool is_late(int64_t start)
{
    return clock_monotonic_ms() - start > TRIES_MS;
}

/* Those who are left over behind a transaction: whether a further one is for them, in *outcome what
 * to do if not.  Where it took nobody the limit was the connection's. */
static bool go_on(struct job *job, struct connection *connection, enum outcome *outcome)
{
    bool took = job->verdict == 'K';
    if (!answers_have(job, FATE_LEFT) || (!took && answers_have(job, FATE_ACCEPTED)))
        return false; /* they have their answer */
    if (took)
        answers_keep(job);
    job->verdict = 0;
    answers_reopen(job, false);
    *outcome = OUTCOME_AGAIN;
    return took && connection->fd >= 0 && ++connection->transactions < KEEP_TRANSACTIONS_MAX;
}

/* Transactions over a connection, as long as each takes somebody. */
static enum outcome run_transactions(struct job *job, struct connection *connection)
{
    int64_t start = 0;
    for (;;) {
        enum outcome outcome = session_transaction(connection, job);
        if (outcome != OUTCOME_DONE)
            return start && !job->ends ? OUTCOME_AGAIN : outcome;
        if (!go_on(job, connection, &outcome))
            return outcome;
        if (!start)
            start = clock_monotonic_ms();
        if (is_late(start))
            return OUTCOME_AGAIN;
    }
}

/* Tries the connection that was kept.  True if the job has its answers. */
static bool try_kept(struct job *job, struct settings *settings, struct connection *connection,
                     const struct buf *key)
{
    if (connection->fd < 0)
        return false;
    if (!buf_equals(&connection->key, key->data) || connection_has_input(connection) ||
        connection->transactions >= KEEP_TRANSACTIONS_MAX) {
        connection_quit(connection, connection->life_fd);
        return false;
    }
    connection->timeout_ms = settings->remote_ms;
    if (run_transactions(job, connection) == OUTCOME_DONE || job->ends)
        return true;
    answers_reopen(job, true);
    job->verdict = 0;
    return !answers_have(job, FATE_OPEN);
}

/* One address, up to some connections to it, if recipients make it break off.  With whom the next
 * begins is left to chance, and the last names only those that were accepted: whatever a server
 * does at some, the others get through, at this retry or another. */
static enum outcome try_address(struct job *job, struct settings *settings,
                                struct connection *connection, const struct smtp_target *target,
                                int64_t start)
{
    job->lock_step = false;
    for (unsigned again = 0;;) {
        enum outcome outcome = session_begin(connection, settings, job, &target->address);
        if (outcome == OUTCOME_DONE)
            outcome = run_transactions(job, connection);
        if (outcome != OUTCOME_AGAIN || again == RECONNECTS_MAX || is_late(start))
            return outcome;
        connection_quit(connection, connection->life_fd);
        answers_reopen(job, false);
        job->first = lookup_draw(NULL, (uint32_t) job->count);
        if (++again == RECONNECTS_MAX)
            answers_narrow(job);
    }
}

static void try_targets(struct job *job, struct settings *settings, struct connection *connection,
                        const struct smtp_target *targets, size_t count)
{
    int64_t start = clock_monotonic_ms();
    for (size_t i = 0; i < count && i < TRIES_MAX; i++) {
        if (i > 0 && is_late(start))
            break;
        enum outcome outcome = try_address(job, settings, connection, &targets[i], start);
        bool last = i + 1 == count || i + 1 == TRIES_MAX;
        if (outcome == OUTCOME_DONE && (last || !answers_have(job, FATE_CHARGED)))
            return;
        connection_quit(connection, connection->life_fd);
        if (job->ends)
            return;
        if (outcome == OUTCOME_DONE)
            answers_keep(job);
        answers_reopen(job, !last);
        if (!answers_have(job, FATE_OPEN))
            return;
    }
}

void job_run(struct job *job, struct settings *settings, struct connection *connection)
{
    struct smtp_target targets[TARGETS_MAX];
    struct buf key = BUF_INIT(0);
    size_t count;
    check_addresses(job);
    if (!answers_have(job, FATE_OPEN))
        return;
    if (smtp_routes_key(&settings->routes, job->host, strlen(job->host), &key) < 0) {
        job_verdict(job, 'Z', "Out of memory. (#4.3.0)\n");
    } else if (!try_kept(job, settings, connection, &key) &&
               lookup_targets(settings, job, targets, &count) == 0) {
        try_targets(job, settings, connection, targets, count);
        if (buf_set(&connection->key, key.data, key.length) < 0)
            connection_quit(connection, connection->life_fd);
    }
    connection->transactions++;
    answers_settle(job);
    buf_free(&key);
}

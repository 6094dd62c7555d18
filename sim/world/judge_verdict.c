/* SPDX-License-Identifier: ISC */
/*
 * A try's result is what the remote server said (judge.h): a failure for good has a 5xx to the
 * envelope or to the message, and no 5xx that was heard is tried again; a domain is only said not
 * to be there if the DNS said so.  Words of the log are asked for one thing only: whether the
 * server has heard what the remote said.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sim/world/dialogue.h"
#include "sim/world/internal.h"
#include "sim/world/judge.h"
#include "sim/world/judge_exchangers.h"

static bool says(const struct attempt *attempt, const char *words)
{
    return attempt->text && strstr(attempt->text, words);
}

/* It was said to a recipient behind others, of the transaction or of the connection: it may be
 * about their number, which is no refusal for good (RFC 5321 4.5.3.1.10). */
static bool is_one_too_many(const struct dialogue *dialogue, const struct transaction *transaction,
                            const struct asked *asked)
{
    if (!asked->reply || strncmp(asked->reply, "552", 3) != 0)
        return false;
    for (const struct asked *before = transaction->recipients; before < asked; before++)
        if (reply_class(before->reply) == 2)
            return true;
    for (const struct transaction *before = dialogue->transactions; before < transaction; before++)
        if (before->connection == transaction->connection)
            return true;
    return false;
}

/* The worst class of reply that it got for that recipient; 0: none.  What came behind a no to the
 * recipient is about others. */
static unsigned worst_reply(const struct dialogue *dialogue, const struct transaction *transaction,
                            const char *recipient)
{
    const struct asked *asked = transaction_for(transaction, recipient);
    const char *const replies[] = {transaction->mail_reply, asked->reply, transaction->data_reply,
                                   transaction->end_reply};
    size_t count = reply_class(replies[1]) > 2 ? 2 : sizeof replies / sizeof *replies;
    unsigned worst = 0;

    if (is_one_too_many(dialogue, transaction, asked))
        return 4;
    for (size_t i = 0; i < count; i++)
        if (reply_class(replies[i]) > worst)
            worst = reply_class(replies[i]);
    return worst;
}

/* Of the transactions with the attempt's recipient while it went on: of one that fails over, or of
 * other messages to him, too. */
struct replies {
    size_t count;
    unsigned worst, best; /* of their worst replies */
};

static struct replies find_replies(const struct world *world, const struct attempt *attempt)
{
    const struct dialogue *dialogue = world->dialogue;
    struct replies replies = {0, 0, 9};

    for (size_t i = dialogue_from(dialogue, attempt->start_ns);
         i < dialogue->transaction_count && dialogue->transactions[i].begin_ns <= attempt->end_ns;
         i++) {
        const struct transaction *transaction = &dialogue->transactions[i];
        unsigned class;

        if (transaction->host != attempt->machine ||
            !transaction_for(transaction, attempt->recipient))
            continue;
        class = worst_reply(dialogue, transaction, attempt->recipient);
        replies.count++;
        if (class > replies.worst)
            replies.worst = class;
        if (class < replies.best)
            replies.best = class;
    }
    return replies;
}

/* A remote has refused its sender before anybody was named, and the server says that it heard a
 * 5xx. */
static bool was_sender_refused(const struct world *world, const struct entry *entry,
                               const struct attempt *attempt)
{
    const struct dialogue *dialogue = world->dialogue;

    for (size_t i = dialogue_from(dialogue, attempt->start_ns);
         i < dialogue->transaction_count && dialogue->transactions[i].begin_ns <= attempt->end_ns;
         i++) {
        const struct transaction *transaction = &dialogue->transactions[i];

        if (transaction->host == attempt->machine && transaction->recipient_count == 0 &&
            reply_class(transaction->mail_reply) == 5 && entry->sender &&
            is_sender(transaction->sender, entry->sender, attempt->recipient))
            return says(attempt, "Remote_host_said:_5");
    }
    return false;
}

static bool has_transaction(const struct dialogue *dialogue, size_t connection)
{
    for (size_t i = 0; i < dialogue->transaction_count; i++)
        if (dialogue->transactions[i].connection == connection)
            return true;
    return false;
}

/* A remote has said a 5xx to the host on a connection that never came to MAIL: of its greeting or
 * of the name, which is no refusal for good. */
static bool was_turned_away(const struct world *world, const struct attempt *attempt)
{
    for (size_t i = 0; i < world->spoken_count; i++) {
        const struct spoken *spoken = &world->spoken[i];

        if (!spoken->by_client && spoken->time_ns >= attempt->start_ns &&
            spoken->time_ns <= attempt->end_ns && spoken->connection < world->connection_count &&
            world->dialogue->host_of[spoken->connection] == attempt->machine &&
            reply_class(spoken->text) == 5 && !has_transaction(world->dialogue, spoken->connection))
            return true;
    }
    return false;
}

/* The DNS had trouble with a question about the domain while the try went on. */
static bool had_dns_trouble(const struct world *world, const struct attempt *attempt)
{
    const char *at = strrchr(attempt->recipient, '@');
    bool trouble = false;

    for (size_t i = 0; at && i < world->query_count; i++) {
        const struct query *query = &world->queries[i];

        if (query->time_ns < attempt->start_ns || query->time_ns > attempt->end_ns ||
            strcasecmp(query->name, at + 1) != 0)
            continue;
        if (query->answer && strcmp(query->answer, "nxdomain") == 0)
            return false;
        trouble |= !query->answer || strcmp(query->answer, "servfail") == 0 ||
                   strcmp(query->answer, "refused") == 0;
    }
    return trouble;
}

static bool was_answered(const struct world *world, const struct attempt *attempt,
                         const char *answer)
{
    for (size_t i = 0; i < world->query_count; i++) {
        const struct query *query = &world->queries[i];

        if (query->time_ns >= attempt->start_ns && query->time_ns <= attempt->end_ns &&
            query->answer && strcmp(query->answer, answer) == 0)
            return true;
    }
    return false;
}

/* A name at or below the domain, or that its mail exchangers have: all that was asked then. */
static bool dns_said_no(const struct world *world, const struct attempt *attempt)
{
    return was_answered(world, attempt, "nxdomain") || was_answered(world, attempt, "nodata") ||
           has_null_mx(world, attempt->recipient);
}

/* The domain has neither a mail exchanger nor an address. */
static bool has_no_host(const struct world *world, const struct attempt *attempt)
{
    const char *at = strrchr(attempt->recipient, '@');

    for (size_t i = 0; at && i < world->query_count; i++) {
        const struct query *query = &world->queries[i];

        if (query->time_ns >= attempt->start_ns && query->time_ns <= attempt->end_ns &&
            strcasecmp(query->name, at + 1) == 0 && strcmp(query->type, "A") == 0 &&
            query->answer && strcmp(query->answer, "nodata") == 0)
            return true;
    }
    return false;
}

/* Some remote has said a 5xx to the host. */
static bool heard_5xx(const struct world *world, const struct attempt *attempt)
{
    for (size_t i = 0; i < world->spoken_count; i++) {
        const struct spoken *spoken = &world->spoken[i];

        if (!spoken->by_client && spoken->time_ns >= attempt->start_ns &&
            spoken->time_ns <= attempt->end_ns && spoken->connection < world->connection_count &&
            world->dialogue->host_of[spoken->connection] == attempt->machine &&
            reply_class(spoken->text) == 5)
            return true;
    }
    return false;
}

static bool serves_domain(const struct machine *machine, const char *recipient)
{
    const char *at = strrchr(recipient, '@');

    for (size_t i = 0; at && machine->remote && i < machine->remote->domain_count; i++)
        if (strcasecmp(machine->remote->domains[i].domain, at + 1) == 0)
            return true;
    return false;
}

/* A mail exchanger of its domain got a connection from the host. */
static bool was_connected(const struct world *world, const struct attempt *attempt)
{
    for (size_t i = 0; i < world->connection_count; i++)
        if (serves_domain(&world->machines[world->connections[i].machine], attempt->recipient) &&
            world->dialogue->host_of[i] == attempt->machine &&
            world->connections[i].start_ns >= attempt->start_ns &&
            world->connections[i].start_ns <= attempt->end_ns)
            return true;
    return false;
}

/* It is too large for a server, which has said so in its reply to EHLO. */
static bool was_too_large(const struct world *world, const struct attempt *attempt)
{
    static const char words[] = "_takes_messages_of_up_to_";
    const char *limit = attempt->text ? strstr(attempt->text, words) : NULL;
    char size[40];

    if (!limit)
        return false;
    limit += sizeof words - 1;
    snprintf(size, sizeof size, "SIZE %.*s", (int) (strspn(limit, "0123456789") % 24), limit);
    for (size_t i = 0; i < world->spoken_count; i++) {
        const struct spoken *spoken = &world->spoken[i];

        if (!spoken->by_client && spoken->connection < world->connection_count &&
            world->dialogue->host_of[spoken->connection] == attempt->machine &&
            spoken->time_ns <= attempt->end_ns && strstr(spoken->text, size))
            return true;
    }
    return false;
}

bool heard_no(const struct world *world, const struct attempt *attempt)
{
    return world->host_count > 1 || heard_5xx(world, attempt) || dns_said_no(world, attempt);
}

static void accuse(struct world *world, const struct entry *entry, const struct attempt *attempt,
                   const char *what)
{
    char name[ENTRY_NAME];
    struct violation *violation =
        world_accuse(world, "VERDICT", entry->letter, entry->bounce, "%s for %s %s: %.300s",
                     entry_name(world, entry, name), attempt->recipient, what, attempt->text);

    violation->time_ns = attempt->end_ns;
    violation->recipient = must_copy(attempt->recipient, strlen(attempt->recipient));
}

static void judge_attempt(struct world *world, const struct entry *entry,
                          const struct attempt *attempt)
{
    struct replies replies = find_replies(world, attempt);
    bool expired = says(attempt, "been_in_the_queue_too_long");
    bool failed = attempt->result == 'D' && !expired && !was_too_large(world, attempt);
    const char *without_cause = NULL;

    if (attempt->result == 'Z' && !says(attempt, "Possible_duplicate"))
        without_cause = put_off_without_cause(world, entry, attempt);
    if (without_cause)
        accuse(world, entry, attempt, without_cause);
    else if (failed && replies.count > 0 && replies.worst < 5 &&
             !was_sender_refused(world, entry, attempt))
        accuse(world, entry, attempt, "failed for good though no remote has refused it");
    else if (failed && replies.count == 0 && was_connected(world, attempt) &&
             world->host_count == 1 && !heard_5xx(world, attempt) &&
             !was_answered(world, attempt, "nxdomain") &&
             !has_no_host(world, attempt)) /* the connection was another message's */
        accuse(world, entry, attempt, "failed for good though no remote has said so");
    else if (failed && replies.count == 0 && had_dns_trouble(world, attempt) &&
             !heard_5xx(world, attempt))
        accuse(world, entry, attempt, "failed for good though only the DNS had trouble");
    else if ((attempt->result == 'Z' || expired) && replies.worst == 5 && replies.best == 5 &&
             says(attempt, "Remote_host_said:_5") && !says(attempt, "Remote_host_said:_4") &&
             !was_turned_away(world, attempt))
        accuse(world, entry, attempt, "is tried again though the remote has refused it for good");
}

/* --- programs of users -----------------------------------------------------------------------*/

/* Of message `entry` for that recipient, in that attempt; not of what a forward made of it, which
 * has another number. */
static bool is_run_of(const struct program_run *run, const struct entry *entry,
                      const struct attempt *attempt)
{
    const char *recipient = run_variable(run, "RECIPIENT");

    return run->ended && run->machine == attempt->machine && run->start_ns >= attempt->start_ns &&
           run->end_ns <= attempt->end_ns && recipient &&
           logged_is(attempt->recipient, recipient) && run->input &&
           number_in_message(run->input, run->input_size) == entry->number;
}

static bool is_soft(int exit_code)
{
    return exit_code == 111 || exit_code == 71 || exit_code == 74 || exit_code == 75;
}

/* The recipient was named twice, and both are tried at once: nobody can say which try a program
 * ran for. */
static bool has_twin(const struct world *world, const struct entry *entry,
                     const struct attempt *attempt)
{
    struct range attempts = world_attempts_of(world, (size_t) (entry - world->entries));

    for (size_t i = 0; i < attempts.count; i++) {
        const struct attempt *other = &world->attempts[attempts.items[i]];

        if (other != attempt && strcmp(other->recipient, attempt->recipient) == 0 &&
            other->start_ns <= attempt->end_ns && other->end_ns >= attempt->start_ns)
            return true;
    }
    return false;
}

/* The last program that ran says how the try ended, unless it said that all is well: then what
 * comes behind it in .qmail may have failed. */
static void judge_local(struct world *world, const struct entry *entry,
                        const struct attempt *attempt)
{
    const struct program_run *last = NULL;
    bool expired = says(attempt, "been_in_the_queue_too_long");

    for (size_t i = 0; i < world->run_count; i++)
        if (is_run_of(&world->runs[i], entry, attempt))
            last = &world->runs[i];
    if (!last || last->exit_code == 0 || last->exit_code == 99 || has_twin(world, entry, attempt))
        return;
    if (attempt->result == 'K')
        accuse(world, entry, attempt, "is delivered though the program did not take it");
    else if (attempt->result == 'D' && is_soft(last->exit_code) && !expired)
        accuse(world, entry, attempt, "failed for good though the program wants it later");
    else if (attempt->result == 'Z' && last->exit_code == 100)
        accuse(world, entry, attempt, "is tried again though the program does not want it");
}

/* A user whose mail goes into his Maildir, and whose home is as it should be. */
static bool is_plain_user(const struct machine *machine, const char *recipient)
{
    const struct home_spec *spec = machine->spec;
    const struct user_spec *user = user_named(machine, recipient, strcspn(recipient, "@"));

    for (size_t i = 0; i < spec->control_count; i++)
        if (strcmp(spec->controls[i].name, "defaultdelivery") == 0)
            return false;
    return user && user->qmail_count == 0 && user->home_mode == 0755;
}

/* Nothing has gone wrong on the host since a little before the try. */
static bool is_undisturbed(const struct world *world, const struct attempt *attempt)
{
    const struct machine *machine = &world->machines[attempt->machine];

    if (machine->squeezed || machine->spec->capacity_bytes > 0)
        return false;
    for (size_t i = 0; i < world->upset_count; i++) {
        const struct upset *upset = &world->upsets[i];

        if (upset->machine == attempt->machine &&
            upset->time_ns + upset->lasts_ns + 2 * NANOSECONDS >= attempt->start_ns &&
            upset->time_ns <= attempt->end_ns)
            return false;
    }
    return true;
}

/* A mailbox that is there takes what comes. */
static void judge_mailbox(struct world *world, const struct entry *entry,
                          const struct attempt *attempt)
{
    if ((attempt->result != 'Z' && attempt->result != 'D') || says(attempt, "looping") ||
        !is_plain_user(&world->machines[attempt->machine], attempt->recipient) ||
        !is_undisturbed(world, attempt))
        return;
    accuse(world, entry, attempt,
           attempt->result == 'Z' ? "is put off, and nothing was wrong"
                                  : "failed for good, and nothing was wrong");
}

void judge_verdicts(struct world *world)
{
    for (size_t i = 0; i < world->attempt_count; i++) {
        const struct attempt *attempt = &world->attempts[i];
        const struct entry *entry = world_entry(world, attempt->machine, attempt->number);

        if (entry && !attempt->remote && attempt->result && world->run_count > 0)
            judge_local(world, entry, attempt);
        if (entry && !attempt->remote)
            judge_mailbox(world, entry, attempt);
        if (attempt->remote && (attempt->result == 'D' || attempt->result == 'Z') && entry)
            judge_attempt(world, entry, attempt);
    }
}

/* SPDX-License-Identifier: ISC */
/*
 * A try at a remote domain is not put off without a cause (judge.h, VERDICT): not when all that the
 * remote said was yes, not while a mail exchanger of the domain was not asked (RFC 5321 5.1), and
 * not at all when the domain says that it takes no mail (RFC 7505).  What else can put it off, a
 * network that has its faults, the DNS, a call of the server, a timeout, leaves it unjudged.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sim/world/dialogue.h"
#include "sim/world/internal.h"
#include "sim/world/judge.h"
#include "sim/world/judge_exchangers.h"
#include "sim/world/words.h"

/* A try that takes longer may have run into a limit of time. */
#define QUICK_NS (20 * NANOSECONDS)

/* --- what the DNS says -------------------------------------------------------------------------*/

/* The next word of a line of a configuration, which ends there; size 0: none. */
static struct text next_word(const char **at)
{
    struct text word;

    *at += strspn(*at, " \t\"");
    word = (struct text){*at, strcspn(*at, " \t\"\n")};
    *at += word.size;
    *at += strspn(*at, "\"");
    return word;
}

static bool is_word(struct text word, const char *text, size_t size)
{
    return word.size == size && strncasecmp(word.data, text, size) == 0;
}

/* "record NAME TTL TYPE DATA": NAME is the domain. */
static bool is_record_of(const char *line, const char *domain)
{
    return is_word(next_word(&line), "record", 6) &&
           is_word(next_word(&line), domain, strlen(domain));
}

/* And it is "MX PREFERENCE .". */
static bool is_null_mx_of(const char *line, const char *domain)
{
    if (!is_record_of(line, domain))
        return false;
    for (unsigned i = 0; i < 3; i++)
        next_word(&line);
    if (!is_word(next_word(&line), "MX", 2))
        return false;
    next_word(&line);
    return is_word(next_word(&line), ".", 1);
}

/* A line of the scenario's own for the DNS is of that kind. */
static bool has_line(const struct world *world, const char *recipient,
                     bool is_it(const char *line, const char *domain))
{
    const char *at = strrchr(recipient, '@');

    for (size_t i = 0; at && i < world->machine_count; i++) {
        const struct dns_spec *dns = world->machines[i].dns;

        for (const char *line = dns ? dns->rules.data : NULL; line && *line;) {
            if (is_it(line, at + 1))
                return true;
            line += strcspn(line, "\n");
            line += *line == '\n';
        }
    }
    return false;
}

bool has_null_mx(const struct world *world, const char *recipient)
{
    return has_line(world, recipient, is_null_mx_of);
}

/* Anything but an answer that has records, or says that there are none. */
static bool had_trouble_with_dns(const struct world *world, const struct attempt *attempt)
{
    for (size_t i = 0; i < world->query_count; i++) {
        const struct query *query = &world->queries[i];

        if (query->time_ns >= attempt->start_ns && query->time_ns <= attempt->end_ns &&
            (!query->answer ||
             (strcmp(query->answer, "noerror") != 0 && strcmp(query->answer, "nodata") != 0)))
            return true;
    }
    return false;
}

/* --- what was said -----------------------------------------------------------------------------*/

/* Everything in it that was said was yes, and the remote has not ended the connection. */
static bool is_all_yes(const struct world *world, const struct transaction *transaction,
                       const struct asked *asked)
{
    const char *end = world->connections[transaction->connection].end;

    return reply_class(transaction->mail_reply) == 2 && reply_class(asked->reply) == 2 &&
           !reply_is_several(asked->reply) && reply_class(transaction->data_reply) == 3 &&
           (!transaction->end_reply || reply_class(transaction->end_reply) == 2) &&
           (!end || strcmp(end, "client") == 0);
}

/* Another message was tried for the recipient at that time. */
static bool was_another_tried(const struct world *world, const struct attempt *attempt,
                              int64_t time_ns)
{
    for (size_t i = 0; i < world->attempt_count; i++) {
        const struct attempt *other = &world->attempts[i];

        if (other != attempt && other->remote && other->machine == attempt->machine &&
            other->start_ns <= time_ns && other->end_ns >= time_ns &&
            other->gone_ns >= time_ns - NANOSECONDS &&
            strcmp(other->recipient, attempt->recipient) == 0)
            return true;
    }
    return false;
}

/* A transaction in which the remote took another message to the same recipient; or it took none,
 * and nobody can tell whose it was. */
static bool is_of_another(const struct world *world, size_t transaction, const struct entry *entry,
                          const struct attempt *attempt)
{
    size_t taking = transaction_taking(world, transaction);

    if (taking != SIZE_MAX)
        return !taking_is_of(world, taking, entry);
    return was_another_tried(world, attempt, world->dialogue->transactions[transaction].begin_ns);
}

/* What a try has met. */
struct met {
    size_t yes, others; /* transactions with its recipient */
    size_t begun;       /* all of its machine */
};

static struct met find_met(const struct world *world, const struct entry *entry,
                           const struct attempt *attempt)
{
    const struct dialogue *dialogue = world->dialogue;
    struct met met = {0, 0, 0};

    for (size_t i = dialogue_from(dialogue, attempt->start_ns);
         i < dialogue->transaction_count && dialogue->transactions[i].begin_ns <= attempt->end_ns;
         i++) {
        const struct transaction *transaction = &dialogue->transactions[i];
        const struct asked *asked = transaction_for(transaction, attempt->recipient);

        if (transaction->host != attempt->machine)
            continue;
        met.begun++;
        if (asked && !is_of_another(world, i, entry, attempt))
            *(is_all_yes(world, transaction, asked) ? &met.yes : &met.others) += 1;
    }
    return met;
}

/* --- who was asked -----------------------------------------------------------------------------*/

static bool was_connected(const struct world *world, size_t remote, const struct attempt *attempt)
{
    for (size_t i = 0; i < world->connection_count; i++)
        if (world->connections[i].machine == remote &&
            world->dialogue->host_of[i] == attempt->machine &&
            world->connections[i].start_ns >= attempt->start_ns &&
            world->connections[i].start_ns <= attempt->end_ns)
            return true;
    return false;
}

/* It serves the domain, has always been there, and lets everybody connect. */
static bool is_open_exchanger(const struct machine *machine, const char *domain)
{
    const struct remote_spec *remote = machine->remote;

    if (!remote || machine->was_down || !machine->tree ||
        (remote->rules.data &&
         pattern_found("on connect", remote->rules.data, remote->rules.size, true)))
        return false;
    for (size_t i = 0; i < remote->domain_count; i++)
        if (strcasecmp(remote->domains[i].domain, domain) == 0)
            return true;
    return false;
}

/* A mail exchanger that was not asked; NULL: there is none, as far as can be told. */
static const char *who_was_left_out(const struct world *world, const struct attempt *attempt)
{
    const char *at = strrchr(attempt->recipient, '@');

    for (size_t i = 0; at && i < world->machine_count; i++)
        if (is_open_exchanger(&world->machines[i], at + 1) && !was_connected(world, i, attempt))
            return world->machines[i].name;
    return NULL;
}

/* --- judging -----------------------------------------------------------------------------------*/

/* Nothing else can have put it off. */
static bool is_undisturbed(const struct world *world, const struct attempt *attempt)
{
    if (world->network_changed || attempt->end_ns > attempt->start_ns + QUICK_NS)
        return false;
    for (size_t i = 0; i < world->upset_count; i++)
        if (world->upsets[i].machine == attempt->machine &&
            world->upsets[i].time_ns + world->upsets[i].lasts_ns >= attempt->start_ns &&
            world->upsets[i].time_ns <= attempt->end_ns)
            return false;
    return true;
}

const char *put_off_without_cause(const struct world *world, const struct entry *entry,
                                  const struct attempt *attempt)
{
    struct met met;

    if (!is_undisturbed(world, attempt) || had_trouble_with_dns(world, attempt))
        return NULL;
    if (has_null_mx(world, attempt->recipient))
        return "is put off, but its domain takes no mail at all";
    met = find_met(world, entry, attempt);
    if (met.yes > 0 && met.others == 0)
        return "is put off, but all that the remote said was yes";
    if (met.begun == 0 && !has_line(world, attempt->recipient, is_record_of) &&
        who_was_left_out(world, attempt))
        return "is put off, but not all mail exchangers of its domain were asked";
    return NULL;
}

/* SPDX-License-Identifier: ISC */
/*
 * What our bounces tell is so (judge.h): each recipient that failed for good is told of once, by
 * one bounce, and nobody else is; and what is said of him is what the remote said.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sim/world/dialogue.h"
#include "sim/world/internal.h"
#include "sim/world/judge.h"
#include "sim/world/judge_exchangers.h"
#include "sim/world/judge_forgotten.h"
#include "sim/world/judge_reasons.h"

static bool is_own_bounce(const struct entry *entry)
{
    return entry->bounce > 0 && entry->letter != NO_LETTER && entry->answer == ANSWER_YES &&
           (entry->origin == ORIGIN_BOUNCE || entry->origin == ORIGIN_UNKNOWN);
}

/* A bounce is there after its message. */
static bool came_before(const struct entry *bounce, const struct entry *entry)
{
    return bounce->history_count > 0 && entry->history_count > 0 &&
           bounce->history[0].time_ns < entry->history[0].time_ns;
}

/* The number of its message: as the log said, else of the one that it has in it; 0: not known. */
static uint64_t parent_of(const struct entry *bounce)
{
    return bounce->parent || !bounce->text ? bounce->parent
                                           : number_in_bounce(bounce->text, bounce->text_size);
}

bool bounce_may_be_of(const struct entry *bounce, const struct entry *entry)
{
    uint64_t parent;

    if (!is_own_bounce(bounce) || bounce->machine != entry->machine || came_before(bounce, entry) ||
        !same_message(bounce, entry->letter, bounce_of_entry(entry)))
        return false;
    parent = parent_of(bounce);
    return parent == 0 || parent == entry->number;
}

static struct violation *accuse(struct world *world, const struct entry *entry,
                                const struct route *route, const char *what, const char *more)
{
    char name[ENTRY_NAME];
    struct violation *violation =
        world_accuse(world, "BOUNCE", entry->letter, entry->bounce, "%s for %s %s%s%.300s",
                     entry_name(world, entry, name), route->shown, what, *more ? ": " : "", more);

    violation->recipient = must_copy(route->address, strlen(route->address));
    return violation;
}

/* --- the tries -------------------------------------------------------------------------------*/

/* The first or the last try that failed for good; NULL: none did. */
static const struct attempt *failure_of(const struct world *world, size_t entry,
                                        const struct route *route, bool last)
{
    struct range attempts = world_attempts_of(world, entry);

    for (size_t i = 0; i < attempts.count; i++) {
        const struct attempt *attempt =
            &world->attempts[attempts.items[last ? attempts.count - 1 - i : i]];

        if (attempt->result == 'D' && attempt_is_at(attempt, route))
            return attempt;
    }
    return NULL;
}

/* A crash made the failure forgotten, or there was no room for the bounce; and then he got it. */
static bool was_delivered_after(const struct world *world, size_t entry, const struct route *route,
                                const struct attempt *failure)
{
    struct range attempts = world_attempts_of(world, entry);

    for (size_t i = 0; i < attempts.count; i++) {
        const struct attempt *attempt = &world->attempts[attempts.items[i]];

        if (attempt > failure && attempt->result == 'K' && attempt_is_at(attempt, route))
            return reason_forgotten(world, &world->entries[entry], failure) ||
                   had_trouble(world, attempt->machine, failure->end_ns, attempt->start_ns);
    }
    return false;
}

static bool has_expired(const struct attempt *attempt)
{
    return strstr(attempt->text, "been_in_the_queue_too_long") != NULL;
}

/* --- whom a bounce tells of --------------------------------------------------------------------*/

/* Somebody who did not fail for good. */
static void judge_told(struct world *world, struct entry *bounce)
{
    const struct bounce_report *report = entry_report(bounce);
    struct range entries = world_entries_of(world, bounce->letter);

    for (size_t i = 0; i < report->group_count; i++) {
        const char *told = report->groups[i].final_recipient;
        bool failed = false;

        for (size_t k = 0; k < entries.count && !failed; k++) {
            const struct entry *entry = &world->entries[entries.items[k]];

            for (size_t r = 0; r < entry->route_count && bounce_may_be_of(bounce, entry) && !failed;
                 r++)
                failed = strcasecmp(entry->routes[r].shown, told) == 0 &&
                         failure_of(world, entries.items[k], &entry->routes[r], true);
        }
        if (!failed && !reason_log_gaps(world, bounce->machine, bounce->answer_ns))
            world_accuse(world, "BOUNCE", bounce->letter, bounce->bounce,
                         "a bounce of %s tells of %.200s, who did not fail for good",
                         world->letters[bounce->letter].name, told)
                ->time_ns = bounce->answer_ns;
    }
}

/* How often a bounce tells of that recipient. */
static size_t count_told(struct entry *bounce, const struct route *route)
{
    const struct bounce_report *report = entry_report(bounce);
    size_t count = 0;

    for (size_t i = 0; i < report->group_count; i++)
        count += strcasecmp(report->groups[i].final_recipient, route->shown) == 0;
    return count;
}

/* As often as the message is for him. */
static size_t count_routes(const struct entry *entry, const struct route *route)
{
    size_t count = 0;

    for (size_t i = 0; i < entry->route_count; i++)
        count += strcasecmp(entry->routes[i].shown, route->shown) == 0;
    return count;
}

/* Nobody is to be told, or not yet. */
static bool needs_no_bounce(const struct entry *entry)
{
    return entry->discarded || entry->stage != STAGE_S1 || entry->bits ||
           (entry->sender && strcmp(entry->sender, "#@[]") == 0);
}

/* --- what a bounce says ------------------------------------------------------------------------*/

/* As a field of a report has it, without blanks. */
static bool next_byte(const char **text, char *byte)
{
    while (**text == ' ' || **text == '\n' || **text == '\r' || **text == '\t')
        ++*text;
    *byte = **text < ' ' || **text > '~' ? '?' : **text;
    return *(*text) && ++*text;
}

/* Whether the field has that reply: all of it, or its first line and what the server made out. */
static bool is_reply(const char *said, const char *reply)
{
    const char *first_line = reply + strcspn(reply, "\r\n");
    char a = 0, b = 0;

    while (next_byte(&said, &a)) {
        if (!next_byte(&reply, &b) || a != b)
            return false;
    }
    return reply >= first_line || !next_byte(&reply, &b);
}

/* The report of a recipient, against the try in which he failed. */
struct comparison {
    struct world *world;
    const struct entry *entry;
    const struct route *route;
    const struct attempt *attempt;
    const struct bounce_group *group;
    const char *said;    /* the remote's reply as the report has it; NULL: none */
    const char *refusal; /* 5xx to his RCPT in the only transaction with it; or NULL */
    size_t connection;   /* on which `said` was said; SIZE_MAX: nowhere */
};

static bool has_address(const struct world *world, size_t connection, const char *remote_mta)
{
    const struct remote_spec *remote =
        world->machines[world->connections[connection].machine].remote;
    size_t size;

    if (*remote_mta != '[' || !remote)
        return !*remote_mta || !remote;
    remote_mta += strncasecmp(remote_mta + 1, "IPv6:", 5) == 0 ? 6 : 1;
    size = strcspn(remote_mta, "]");
    for (size_t i = 0; i < remote->address_count; i++)
        if (strlen(remote->addresses[i]) == size &&
            strncmp(remote->addresses[i], remote_mta, size) == 0)
            return true;
    return false;
}

/* Several may have said the same: the one that the report names counts. */
static void compare_with(struct comparison *comparison, size_t connection, const char *reply)
{
    if (!reply || reply_class(reply) < 4 || !comparison->said || !is_reply(comparison->said, reply))
        return;
    if (comparison->connection == SIZE_MAX ||
        has_address(comparison->world, connection, comparison->group->remote_mta))
        comparison->connection = connection;
}

/* No other message was tried for him meanwhile: whose transaction it was could not be told. */
static bool is_only_try(const struct comparison *comparison)
{
    const struct world *world = comparison->world;
    const struct attempt *attempt = comparison->attempt;

    for (size_t i = 0; i < world->attempt_count; i++) {
        const struct attempt *other = &world->attempts[i];

        if (other != attempt && other->machine == attempt->machine && other->remote &&
            other->start_ns <= attempt->end_ns && other->end_ns >= attempt->start_ns &&
            strcmp(other->recipient, attempt->recipient) == 0)
            return false;
    }
    return true;
}

/* The first line of a dialogue that was said at that time or later; they are in order of time. */
static size_t spoken_from(const struct world *world, int64_t time_ns)
{
    size_t low = 0, high = world->spoken_count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (world->spoken[middle].time_ns < time_ns)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The reply came while the try went on: one whose nixie-remote was killed hears no other. */
static bool was_heard(const struct world *world, const struct attempt *attempt, const char *reply)
{
    for (size_t i = spoken_from(world, attempt->start_ns);
         i < world->spoken_count && world->spoken[i].time_ns <= attempt->end_ns; i++)
        if (world->spoken[i].text == reply)
            return true;
    return false;
}

/* What was said last on a connection that broke may never have been read. */
static bool is_broken(const struct world *world, size_t connection)
{
    const char *end =
        connection < world->connection_count ? world->connections[connection].end : NULL;

    return end && strcmp(end, "reset") == 0;
}

/* RCPT was refused, not for want of a MAIL that was refused before it. */
static bool is_refusal(const struct world *world, const struct attempt *attempt,
                       const struct transaction *transaction, const struct asked *asked)
{
    return reply_class(transaction->mail_reply) == 2 && reply_class(asked->reply) == 5 &&
           !reply_is_several(asked->reply) && was_heard(world, attempt, asked->reply) &&
           !is_broken(world, transaction->connection);
}

/* What was said to him in the try. */
static void compare_transactions(struct comparison *comparison)
{
    const struct attempt *attempt = comparison->attempt;
    const struct dialogue *dialogue = comparison->world->dialogue;
    size_t count = 0;

    for (size_t i = dialogue_from(dialogue, attempt->start_ns);
         i < dialogue->transaction_count && dialogue->transactions[i].begin_ns <= attempt->end_ns;
         i++) {
        const struct transaction *transaction = &dialogue->transactions[i];
        const struct asked *asked = transaction_for(transaction, attempt->recipient);

        if (transaction->host != attempt->machine)
            continue;
        compare_with(comparison, transaction->connection, transaction->mail_reply);
        if (!asked)
            continue;
        compare_with(comparison, transaction->connection, asked->reply);
        compare_with(comparison, transaction->connection, transaction->data_reply);
        compare_with(comparison, transaction->connection, transaction->end_reply);
        comparison->refusal =
            count++ == 0 && is_refusal(comparison->world, attempt, transaction, asked)
                ? asked->reply
                : NULL;
    }
    if (comparison->refusal && !is_only_try(comparison))
        comparison->refusal = NULL;
}

/* What was said before there was a transaction, in a try that was the last of many. */
static void compare_greetings(struct comparison *comparison)
{
    const struct world *world = comparison->world;

    for (size_t i = spoken_from(world, comparison->attempt->start_ns);
         i < world->spoken_count && world->spoken[i].time_ns <= comparison->attempt->end_ns; i++) {
        const struct spoken *spoken = &world->spoken[i];

        if (!spoken->by_client && spoken->connection < world->connection_count &&
            world->dialogue->host_of[spoken->connection] == comparison->entry->machine)
            compare_with(comparison, spoken->connection, spoken->text);
    }
}

/* The status that a report must have: 4.4.7, 5.1.10 of a domain without mail (RFC 7505), the
 * reply's own, or one of its class. */
static bool is_right_status(const struct comparison *comparison)
{
    const char *status = comparison->group->status, *said = comparison->said;
    char own[16] = "";

    if (has_expired(comparison->attempt))
        return strcmp(status, "4.4.7") == 0;
    if (!said && has_null_mx(comparison->world, comparison->attempt->recipient))
        return strcmp(status, "5.1.10") == 0;
    if (said && strlen(said) > 8 && said[0] == said[4] && said[5] == '.')
        snprintf(own, sizeof own, "%.*s", (int) strspn(said + 4, "0123456789."), said + 4);
    if (strspn(own, "0123456789") == 1 && strchr(own + 2, '.') && strlen(own) < 12)
        return strcmp(status, own) == 0;
    return status[0] == (said ? said[0] : '5') && status[1] == '.';
}

static void judge_words(struct comparison *comparison)
{
    struct world *world = comparison->world;
    const struct bounce_group *group = comparison->group;

    if (strcasecmp(group->action, "failed") != 0)
        accuse(world, comparison->entry, comparison->route,
               "has another action than failed in its bounce", group->action);
    if (!is_right_status(comparison))
        accuse(world, comparison->entry, comparison->route, "has a wrong status in its bounce",
               group->status);
    if (comparison->said && comparison->connection == SIZE_MAX)
        accuse(world, comparison->entry, comparison->route,
               "has a reply in its bounce that no remote gave", comparison->said);
    else if (comparison->said && !has_address(world, comparison->connection, group->remote_mta))
        accuse(world, comparison->entry, comparison->route,
               "has a remote in its bounce that did not say so", group->remote_mta);
    else if (comparison->refusal && !comparison->said)
        accuse(world, comparison->entry, comparison->route,
               "was refused by a remote, and its bounce does not say how", comparison->refusal);
}

/* Those of ours may have answered, in words that the world does not hear. */
static bool is_domain_of_ours(const struct world *world, const char *recipient)
{
    const char *at = strrchr(recipient, '@');

    for (size_t i = 0; at && i < world->host_count; i++)
        if (strcasecmp(at + 1, world->machines[i].spec->domain) == 0)
            return true;
    return false;
}

static bool knows_remotes(const struct world *world, const struct entry *entry,
                          const struct route *route)
{
    struct range entries = world_entries_of(world, entry->letter);

    if (is_domain_of_ours(world, route->address))
        return false;
    for (size_t i = 0; i < entries.count; i++)
        if (world->entries[entries.items[i]].machine != entry->machine)
            return false; /* a host of ours may have answered */
    return world->host_count < world->machine_count;
}

static void judge_report(struct world *world, const struct entry *entry, const struct route *route,
                         const struct attempt *attempt, struct entry *bounce)
{
    const struct bounce_report *report = entry_report(bounce);

    for (size_t i = 0; i < report->group_count && report->is_standard; i++) {
        const struct bounce_group *group = &report->groups[i];
        struct comparison comparison = {.world = world,
                                        .entry = entry,
                                        .route = route,
                                        .attempt = attempt,
                                        .group = group,
                                        .connection = SIZE_MAX};

        if (strcasecmp(group->final_recipient, route->shown) != 0)
            continue;
        if (attempt->remote && strncasecmp(group->diagnostic, "smtp;", 5) == 0)
            comparison.said = group->diagnostic + 5 + strspn(group->diagnostic + 5, " ");
        if (attempt->remote && knows_remotes(world, entry, route)) {
            compare_transactions(&comparison);
            if (has_expired(attempt))
                compare_greetings(&comparison);
            judge_words(&comparison);
        }
    }
}

/* --- all of it ---------------------------------------------------------------------------------*/

/* When it was in the spool, whether or not its sender was told so. */
static int64_t came_ns(const struct entry *bounce)
{
    return bounce->history_count ? bounce->history[0].time_ns : bounce->answer_ns;
}

static void judge_recipient(struct world *world, size_t index, const struct route *route)
{
    const struct entry *entry = &world->entries[index];
    const struct attempt *attempt = failure_of(world, index, route, true);
    struct range entries = world_entries_of(world, entry->letter);
    int64_t last = 0;
    size_t count = 0;

    if (!attempt)
        return;
    for (size_t i = 0; i < entries.count; i++) {
        struct entry *bounce = &world->entries[entries.items[i]];
        bool follows = came_ns(bounce) >= failure_of(world, index, route, false)->start_ns;
        size_t told = follows && bounce_may_be_of(bounce, entry) ? count_told(bounce, route) : 0;

        if (told == 0)
            continue;
        count += told;
        last = came_ns(bounce) > last ? came_ns(bounce) : last;
        judge_report(world, entry, route, attempt, bounce);
    }
    if (count == 0 && !needs_no_bounce(entry) && !was_delivered_after(world, index, route, attempt))
        accuse(world, entry, route, "failed for good, and no bounce tells of it", "");
    if (count > count_routes(entry, route) &&
        !upset_excuses(world, entry->machine, failure_of(world, index, route, false)->start_ns,
                       last + FORGET_NS, HIT_SEND | HIT_QUEUE | HIT_TREE))
        accuse(world, entry, route, "is told of twice, and nothing explains that", "");
}

void judge_bounces(struct world *world)
{
    for (size_t i = 0; i < world->entry_count; i++) {
        struct entry *entry = &world->entries[i];

        if (is_own_bounce(entry) && entry->origin == ORIGIN_BOUNCE)
            judge_told(world, entry);
        if (entry->letter == NO_LETTER || entry->answer != ANSWER_YES)
            continue;
        for (size_t k = 0; k < entry->route_count; k++)
            judge_recipient(world, i, &entry->routes[k]);
    }
}

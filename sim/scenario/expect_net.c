/* SPDX-License-Identifier: ISC */
/* Judges what remotes are expected to take, which tries are expected, who was connected to, and
 * what the DNS was asked. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sim/scenario/expect.h"
#include "sim/world/internal.h"

/* --- took ------------------------------------------------------------------------------------*/

/* A copy that the remote took of what the expectation is about. */
static bool taking_counts(const struct run *run, const struct expectation *expectation,
                          const struct copy *copy)
{
    const struct selector *selector = &expectation->message;
    size_t size = strcspn(copy->chain, "\n");

    return copy->kind == COPY_REMOTE &&
           copy->machine == machine_of_actor(run, expectation->actor) &&
           data_is_selected(run, selector, copy->letter, copy->bounce, copy->data, copy->size) &&
           (!selector->recipient || address_is(selector->recipient, copy->chain, size)) &&
           (!expectation->address || address_is(expectation->address, copy->chain, size)) &&
           (!expectation->from ||
            pattern_matches(expectation->from, run->world->takings[copy->taking].sender, true));
}

struct takings {
    size_t in_time, late; /* messages, not recipients */
    int64_t first_ns;
};

/* Counts them, and checks their details (false: one failed). */
static bool count_takings(const struct run *run, const struct expectation *expectation,
                          size_t letter, struct tally *tally, struct takings *takings)
{
    struct range copies = world_copies_of(run->world, letter);
    size_t last = SIZE_MAX;

    takings->first_ns = -1;
    for (size_t i = 0; i < copies.count; i++) {
        const struct copy *copy = &run->world->copies[copies.items[i]];

        if (!taking_counts(run, expectation, copy) || copy->taking == last)
            continue;
        last = copy->taking; /* copies of one taking stand together */
        if (takings->first_ns < 0)
            takings->first_ns = copy->time_ns;
        if (when_holds(run, &expectation->when, letter, copy->time_ns))
            takings->in_time++;
        else
            takings->late++;
        if (!expectation->negated &&
            !details_hold(tally, expectation, letter, run->world->letters[letter].name, copy->data,
                          copy->size, copy->unchanged))
            return false;
    }
    return true;
}

static void judge_takings(const struct run *run, const struct expectation *expectation,
                          size_t letter, struct tally *tally)
{
    const char *remote = run->world->machines[machine_of_actor(run, expectation->actor)].name;
    struct takings takings = {0};
    char why[300], when[WHEN_TEXT], time[TIME_TEXT];
    size_t count;
    bool met;

    tally->asked++;
    if (!count_takings(run, expectation, letter, tally, &takings))
        return;
    count = takings.in_time + takings.late;
    met = expectation->negated   ? takings.in_time == 0
          : expectation->counted ? takings.in_time == expectation->count && takings.late == 0
                                 : takings.in_time > 0;
    if (met)
        return;
    when_text(run, &expectation->when, letter, when);
    time_format(time, takings.first_ns);
    if (count == 0)
        snprintf(why, sizeof why, "%s did not take it%s", remote, when);
    else if (expectation->counted && count != expectation->count)
        snprintf(why, sizeof why, "%s took it %zu time%s, not %llu", remote, count,
                 count == 1 ? "" : "s", (unsigned long long) expectation->count);
    else
        snprintf(why, sizeof why, "%s took it at +%s%s%s", remote, time,
                 expectation->negated ? "" : ", not", expectation->negated ? "" : when);
    tally_fail(tally, letter, run->world->letters[letter].name, when_position(expectation), why);
}

void judge_took(struct run *run, const struct expectation *expectation)
{
    struct tally tally = {0};

    for (size_t i = 0; i < run->world->letter_count; i++)
        if (selector_matches(run->scenario, &expectation->message, i))
            judge_takings(run, expectation, i, &tally);
    tally_report(run, expectation, &tally);
}

/* --- tried -----------------------------------------------------------------------------------*/

struct tries {
    const struct attempt **items;
    size_t count;
};

static bool is_tried(const struct expectation *expectation, const struct attempt *attempt,
                     const char *recipient)
{
    const char *pattern = recipient ? recipient : expectation->message.recipient;

    return !pattern || address_is(pattern, attempt->recipient, strlen(attempt->recipient));
}

/* The attempts at one recipient (NULL: at any) of a message, in their order. */
static struct tries find_tries(const struct run *run, const struct expectation *expectation,
                               size_t letter, const char *recipient)
{
    struct range entries = world_entries_of(run->world, letter);
    struct tries tries = {NULL, 0};

    for (size_t i = 0; i < entries.count; i++) {
        struct range attempts = world_attempts_of(run->world, entries.items[i]);

        if (!entry_is_selected(run, &expectation->message, &run->world->entries[entries.items[i]]))
            continue;
        for (size_t k = 0; k < attempts.count; k++) {
            const struct attempt *attempt = &run->world->attempts[attempts.items[k]];
            size_t at;

            if (!is_tried(expectation, attempt, recipient))
                continue;
            (void) LIST_ADD(tries.items, tries.count);
            for (at = tries.count - 1; at > 0 && tries.items[at - 1]->start_ns > attempt->start_ns;
                 at--)
                tries.items[at] = tries.items[at - 1];
            tries.items[at] = attempt;
        }
    }
    return tries;
}

/* "tried at +0s +6m40s +26m40s ..." */
static void list_times(const struct tries *tries, char *to, size_t size)
{
    size_t used = 0;
    char time[TIME_TEXT];

    to[0] = 0;
    for (size_t i = 0; i < tries->count && used + TIME_TEXT + 8 < size; i++)
        used += (size_t) snprintf(to + used, size - used, " +%s",
                                  time_format(time, tries->items[i]->start_ns));
    if (tries->count > 0 && used + TIME_TEXT + 8 >= size)
        snprintf(to + used, size - used, " ...");
}

/* Whether the tries were at exactly the times that are expected. */
static bool times_are_right(const struct run *run, const struct expectation *expectation,
                            size_t letter, const struct tries *tries)
{
    int64_t base = 0, slack = when_slack(run);

    if (expectation->times_event) {
        base = moment_of(run, expectation->times_event, letter);
        if (base < 0)
            return false;
        base = base / NANOSECONDS * NANOSECONDS;
    }
    if (tries->count != expectation->time_count)
        return false;
    for (size_t i = 0; i < tries->count; i++) {
        int64_t from = base + expectation->times[i].ns, time = tries->items[i]->start_ns;

        if (time < from - slack || time >= from + expectation->times[i].width_ns + slack)
            return false;
    }
    return true;
}

static bool tries_are_right(const struct run *run, const struct expectation *expectation,
                            size_t letter, const struct tries *tries)
{
    size_t count = 0;

    if (expectation->time_count > 0)
        return times_are_right(run, expectation, letter, tries) != expectation->negated;
    for (size_t i = 0; i < tries->count; i++)
        count += when_holds(run, &expectation->when, letter, tries->items[i]->start_ns);
    if (expectation->counted)
        return (count == expectation->count) != expectation->negated;
    return (count > 0) != expectation->negated;
}

static void judge_tries(const struct run *run, const struct expectation *expectation, size_t letter,
                        const char *recipient, struct tally *tally)
{
    struct tries tries = find_tries(run, expectation, letter, recipient);
    char times[250], why[390], when[WHEN_TEXT];

    tally->asked++;
    if (!tries_are_right(run, expectation, letter, &tries)) {
        list_times(&tries, times, sizeof times);
        when_text(run, &expectation->when, letter, when);
        if (tries.count == 0)
            snprintf(why, sizeof why, "never tried");
        else if (expectation->time_count > 0)
            snprintf(why, sizeof why, "tried at%s", times);
        else
            snprintf(why, sizeof why, "tried %zu time%s:%s", tries.count,
                     tries.count == 1 ? "" : "s", times);
        tally_fail(tally, letter, run->world->letters[letter].name, when_position(expectation),
                   why);
    }
    free(tries.items);
}

/* A bounce is for one; a message is judged for each recipient that is meant. */
void judge_tried(struct run *run, const struct expectation *expectation)
{
    struct tally tally = {0};

    for (size_t i = 0; i < run->world->letter_count; i++) {
        const struct letter *letter = &run->world->letters[i];

        if (!selector_matches(run->scenario, &expectation->message, i))
            continue;
        if (expectation->message.bounce > 0 || expectation->message.recipient) {
            judge_tries(run, expectation, i, NULL, &tally);
            continue;
        }
        for (size_t k = 0; k < letter->recipient_count; k++)
            judge_tries(run, expectation, i, letter->recipients[k], &tally);
    }
    tally_report(run, expectation, &tally);
}

/* --- connected, asked ------------------------------------------------------------------------*/

void judge_connected(struct run *run, const struct expectation *expectation)
{
    size_t machine = machine_of_actor(run, expectation->actor), count = 0;

    for (size_t i = 0; i < run->world->connection_count; i++)
        count +=
            run->world->connections[i].machine == machine &&
            when_holds(run, &expectation->when, NO_LETTER, run->world->connections[i].start_ns);
    report_count(run, expectation, count, "connections");
}

static bool is_asked(const struct expectation *expectation, const struct query *query)
{
    size_t length = strlen(query->name);

    if (length > 0 && query->name[length - 1] == '.')
        length--;
    return (!expectation->name || strcasecmp(expectation->name, query->type) == 0) &&
           pattern_matches_bytes(expectation->pattern, query->name, length, true);
}

void judge_asked(struct run *run, const struct expectation *expectation)
{
    size_t count = 0;

    for (size_t i = 0; i < run->world->query_count; i++)
        count += is_asked(expectation, &run->world->queries[i]) &&
                 when_holds(run, &expectation->when, NO_LETTER, run->world->queries[i].time_ns);
    report_count(run, expectation, count, "such queries");
}

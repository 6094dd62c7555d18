/* SPDX-License-Identifier: ISC */
#include "sim/explore/marks.h"

#include <errno.h>
#include <string.h>

#include "sim/world/faults.h"

/* One situation. */
struct mark {
    const char *name;
    bool (*reached)(const struct world *world, int64_t argument, const char *text);
    int64_t argument;
    const char *text;
};

/* --- what went wrong --------------------------------------------------------------------------*/

static bool upset_in_stage(const struct world *world, enum upset_kind kind, enum stage stage)
{
    for (size_t i = 0; i < world->upset_count; i++) {
        const struct upset *upset = &world->upsets[i];
        for (size_t k = 0; k < world->entry_count && upset->kind == kind; k++)
            if (world->entries[k].machine == upset->machine &&
                entry_stage_at(&world->entries[k], upset->time_ns - 1) == stage)
                return true;
    }
    return false;
}

static bool power_in_stage(const struct world *world, int64_t stage, const char *text)
{
    (void) text;
    return upset_in_stage(world, UPSET_POWER, (enum stage) stage);
}

static bool kill_in_stage(const struct world *world, int64_t stage, const char *text)
{
    (void) text;
    return upset_in_stage(world, UPSET_KILL, (enum stage) stage);
}

/* The power went on the same machine again, not long after it came back. */
static bool power_again(const struct world *world, int64_t within_ns, const char *text)
{
    (void) text;
    for (size_t i = 0; i < world->upset_count; i++)
        for (size_t k = 0; k < i; k++)
            if (world->upsets[i].kind == UPSET_POWER && world->upsets[k].kind == UPSET_POWER &&
                world->upsets[i].machine == world->upsets[k].machine &&
                world->upsets[i].time_ns - world->upsets[k].time_ns < within_ns)
                return true;
    return false;
}

/* Something that was not durable was lost. */
static bool power_took(const struct world *world, int64_t argument, const char *text)
{
    (void) argument;
    (void) text;
    for (size_t i = 0; i < world->upset_count; i++)
        if (world->upsets[i].kind == UPSET_POWER && world->upsets[i].lost_count)
            return true;
    return false;
}

static bool fault_hit(const struct world *world, enum fault_kind kind, int error)
{
    for (size_t i = 0; i < world->fault_count; i++)
        if (world->faults[i].hits && world->faults[i].kind == kind &&
            (kind != FAULT_ERROR || world->faults[i].error == error))
            return true;
    return false;
}

static bool call_failed(const struct world *world, int64_t error, const char *text)
{
    (void) text;
    return fault_hit(world, FAULT_ERROR, (int) error);
}

static bool fault_of_kind(const struct world *world, int64_t kind, const char *text)
{
    (void) text;
    return fault_hit(world, (enum fault_kind) kind, 0);
}

/* `forward`: 1 or -1. */
static bool clock_went(const struct world *world, int64_t forward, const char *text)
{
    (void) text;
    for (size_t i = 0; i < world->fault_count; i++)
        if (world->faults[i].hits && world->faults[i].kind == FAULT_CLOCK &&
            (world->faults[i].amount > 0) == (forward > 0))
            return true;
    return false;
}

static bool was_ordered(const struct world *world, int64_t order, const char *text)
{
    (void) text;
    for (size_t i = 0; i < world->upset_count; i++)
        if (world->upsets[i].kind == UPSET_ORDER && world->upsets[i].order == (enum order) order)
            return true;
    return false;
}

/* --- what became of mail ----------------------------------------------------------------------*/

/* An attempt ended so, and says those words (as the log has them, '_' for a space). */
static bool attempt_ended(const struct world *world, int64_t result, const char *text)
{
    for (size_t i = 0; i < world->attempt_count; i++) {
        const struct attempt *attempt = &world->attempts[i];
        if (attempt->result == (char) result && attempt->text && strstr(attempt->text, text))
            return true;
    }
    return false;
}

static bool local_attempt_ended(const struct world *world, int64_t result, const char *text)
{
    (void) text;
    for (size_t i = 0; i < world->attempt_count; i++)
        if (!world->attempts[i].remote && world->attempts[i].result == (char) result)
            return true;
    return false;
}

static bool attempt_was_cut(const struct world *world, int64_t remote, const char *text)
{
    (void) text;
    for (size_t i = 0; i < world->attempt_count; i++)
        if (world->attempts[i].remote == remote && world->attempts[i].end_ns == INT64_MAX)
            return true;
    return false;
}

static bool is_bounce(const struct world *world, int64_t bounce, const char *text)
{
    (void) text;
    for (size_t i = 0; i < world->entry_count; i++)
        if (world->entries[i].bounce == bounce && world->entries[i].answer == ANSWER_YES)
            return true;
    return false;
}

static bool was_discarded(const struct world *world, int64_t argument, const char *text)
{
    (void) argument;
    (void) text;
    for (size_t i = 0; i < world->entry_count; i++)
        if (world->entries[i].discarded && world->entries[i].bounce)
            return true;
    return false;
}

/* A second copy that is no violation: a crash or a lost reply explains it. */
static bool came_twice(const struct world *world, int64_t argument, const char *text)
{
    (void) argument;
    (void) text;
    for (size_t i = 0; i < world->copy_count; i++)
        for (size_t k = 0; k < i; k++)
            if (world->copies[i].letter == world->copies[k].letter &&
                world->copies[i].letter != NO_LETTER &&
                world->copies[i].bounce == world->copies[k].bounce &&
                world->copies[i].kind == world->copies[k].kind &&
                strcmp(world->copies[i].place, world->copies[k].place) == 0 &&
                strcmp(world->copies[i].chain ? world->copies[i].chain : "",
                       world->copies[k].chain ? world->copies[k].chain : "") == 0)
                return true;
    return false;
}

/* It was in that stage and ended without having been in the next: cleaned away. */
static bool was_cleaned(const struct world *world, int64_t stage, const char *text)
{
    (void) text;
    for (size_t i = 0; i < world->entry_count; i++) {
        const struct entry *entry = &world->entries[i];
        for (size_t k = 0; k + 1 < entry->history_count; k++)
            if (entry->history[k].stage == (enum stage) stage &&
                entry->history[k + 1].stage < (enum stage) stage &&
                entry->history[k + 1].time_ns > entry->history[k].time_ns + NANOSECONDS)
                return true;
    }
    return false;
}

/* A crash left files that make no stage, and they were put right. */
static bool was_odd(const struct world *world, int64_t argument, const char *text)
{
    (void) argument;
    (void) text;
    for (size_t i = 0; i < world->entry_count; i++)
        for (size_t k = 0; k < world->entries[i].history_count; k++)
            if (world->entries[i].history[k].stage == STAGE_ODD)
                return true;
    return false;
}

static bool letter_ended(const struct world *world, int64_t state, const char *text)
{
    (void) text;
    for (size_t i = 0; i < world->letter_count; i++)
        if (world->letters[i].state == (enum letter_state) state)
            return true;
    return false;
}

static bool client_does_not_know(const struct world *world, int64_t argument, const char *text)
{
    (void) argument;
    (void) text;
    for (size_t i = 0; i < world->letter_count; i++)
        if (world->letters[i].uncertain)
            return true;
    return false;
}

static bool channel_was_full(const struct world *world, int64_t remote, const char *text)
{
    (void) text;
    for (size_t i = 0; i < world->host_count; i++)
        if (world->machines[i].saturated_ns[remote] >= 0)
            return true;
    return false;
}

/* --- the table --------------------------------------------------------------------------------*/

static const struct mark table[] = {
    {"power lost in S1", power_in_stage, STAGE_S1, NULL},
    {"power lost in S2", power_in_stage, STAGE_S2, NULL},
    {"power lost in S3", power_in_stage, STAGE_S3, NULL},
    {"power lost in S4", power_in_stage, STAGE_S4, NULL},
    {"power lost in S5", power_in_stage, STAGE_S5, NULL},
    {"power lost, and something with it", power_took, 0, NULL},
    {"power lost again within a minute", power_again, 60 * NANOSECONDS, NULL},
    {"killed in S1", kill_in_stage, STAGE_S1, NULL},
    {"killed in S2", kill_in_stage, STAGE_S2, NULL},
    {"killed in S3", kill_in_stage, STAGE_S3, NULL},
    {"killed in S4", kill_in_stage, STAGE_S4, NULL},
    {"killed in S5", kill_in_stage, STAGE_S5, NULL},
    {"ENOSPC", call_failed, ENOSPC, NULL},
    {"EDQUOT", call_failed, EDQUOT, NULL},
    {"EIO", call_failed, EIO, NULL},
    {"EMFILE", call_failed, EMFILE, NULL},
    {"ENFILE", call_failed, ENFILE, NULL},
    {"ENOMEM of a call", call_failed, ENOMEM, NULL},
    {"EINTR", call_failed, EINTR, NULL},
    {"a process that could not be made", call_failed, EAGAIN, NULL},
    {"memory that ran out", fault_of_kind, FAULT_MEMORY, NULL},
    {"a short read or write", fault_of_kind, FAULT_SHORT, NULL},
    {"a slow disk", fault_of_kind, FAULT_SLOW, NULL},
    {"a lost wake-up or datagram", fault_of_kind, FAULT_WAKEUP, NULL},
    {"a connection that broke", fault_of_kind, FAULT_NET, NULL},
    {"the clock set forward", clock_went, 1, NULL},
    {"the clock set back", clock_went, -1, NULL},
    {"a local deferral", local_attempt_ended, 'Z', NULL},
    {"a local failure", local_attempt_ended, 'D', NULL},
    {"a local delivery cut off", attempt_was_cut, false, NULL},
    {"a remote delivery cut off", attempt_was_cut, true, NULL},
    {"no connection", attempt_ended, 'Z', "able_to_establish_an_SMTP_connection"},
    {"a connection that died", attempt_ended, 'Z', "connection_died"},
    {"a reply to the message that never came", attempt_ended, 'Z', "Possible_duplicate"},
    {"a DNS that failed", attempt_ended, 'Z', "CNAME_lookup_failed"},
    {"a recipient put off by 4xx", attempt_ended, 'Z', "does_not_like_recipient"},
    {"a message put off by 4xx", attempt_ended, 'Z', "failed_after_I_sent"},
    {"a recipient refused by 5xx", attempt_ended, 'D', "does_not_like_recipient"},
    {"a lifetime that was over", attempt_ended, 'D', "in_the_queue_too_long"},
    {"a bounce", is_bounce, 1, NULL},
    {"a double bounce", is_bounce, 2, NULL},
    {"a triple bounce, discarded", was_discarded, 0, NULL},
    {"a copy twice, with a reason", came_twice, 0, NULL},
    {"an S2 left over, and cleaned away", was_cleaned, STAGE_S2, NULL},
    {"an S3 left over, and cleaned away", was_cleaned, STAGE_S3, NULL},
    {"files of no stage, put right", was_odd, 0, NULL},
    {"a submitter told no", letter_ended, LETTER_REFUSED, NULL},
    {"a submitter told nothing", letter_ended, LETTER_CUT, NULL},
    {"a client that does not know", client_does_not_know, 0, NULL},
    {"all local places taken", channel_was_full, 0, NULL},
    {"all remote places taken", channel_was_full, 1, NULL},
    {"send told to stop", was_ordered, ORDER_STOP, NULL},
    {"everything due at once", was_ordered, ORDER_ALARM, NULL},
    {"control files read again", was_ordered, ORDER_HANGUP, NULL},
    {"a message held", was_ordered, ORDER_HOLD, NULL},
    {"a message released", was_ordered, ORDER_RELEASE, NULL},
    {"a message retried", was_ordered, ORDER_RETRY, NULL},
    {"a message expired", was_ordered, ORDER_EXPIRE, NULL},
    {"a message deleted", was_ordered, ORDER_DELETE, NULL},
};
#define MARK_COUNT (sizeof table / sizeof *table)
_Static_assert(MARK_COUNT <= MARKS_MAX, "a set of marks has 64 bits");

uint64_t marks_of(const struct world *world)
{
    uint64_t set = 0;
    for (size_t i = 0; i < MARK_COUNT; i++)
        if (table[i].reached(world, table[i].argument, table[i].text))
            set |= (uint64_t) 1 << i;
    return set;
}

void marks_add(struct marks *marks, uint64_t set)
{
    for (size_t i = 0; i < MARK_COUNT; i++)
        marks->counts[i] += set >> i & 1;
}

void marks_add_all(struct marks *marks, const struct marks *more)
{
    for (size_t i = 0; i < MARK_COUNT; i++)
        marks->counts[i] += more->counts[i];
}

#define NAMED_MAX 8 /* of those that were not reached */

bool marks_print(const struct marks *marks, bool whole, FILE *to)
{
    const char *between = ", not: ";
    size_t reached = 0, named = 0;
    for (size_t i = 0; i < MARK_COUNT; i++) {
        reached += marks->counts[i] > 0;
        if (whole)
            fprintf(to, "%9llu  %s\n", (unsigned long long) marks->counts[i], table[i].name);
    }
    fprintf(to, "sometimes: %zu of %zu reached", reached, MARK_COUNT);
    for (size_t i = 0; i < MARK_COUNT && named < NAMED_MAX; i++)
        if (!marks->counts[i]) {
            fprintf(to, "%s%s", between, table[i].name);
            between = "; ";
            named++;
        }
    if (reached + named < MARK_COUNT)
        fprintf(to, "; and %zu more (%s)", MARK_COUNT - reached - named,
                whole ? "those with 0 above" : "--marks tells of all");
    fputc('\n', to);
    return reached == MARK_COUNT;
}

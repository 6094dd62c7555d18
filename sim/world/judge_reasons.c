/* SPDX-License-Identifier: ISC */
#include "sim/world/judge_reasons.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/world/home.h"
#include "sim/world/internal.h"
#include "sim/world/judge.h"
#include "sim/world/judge_forgotten.h"
#include "sim/world/judge_lives.h"

static bool is_about(const struct upset *upset, const struct entry *entry)
{
    return upset->machine == entry->machine &&
           (upset->number == 0 || upset->number == entry->number);
}

bool reason_line_lost(const struct world *world, size_t machine, int64_t time_ns)
{
    for (size_t i = 0; i < world->upset_count; i++)
        if (world->upsets[i].kind == UPSET_FAULT && world->upsets[i].machine == machine &&
            world->upsets[i].time_ns <= time_ns && upset_touches(&world->upsets[i], HIT_LINE))
            return true;
    return false;
}

bool reason_unknown(const struct world *world, const struct entry *entry, int64_t from, int64_t to)
{
    for (size_t i = 0; i < world->upset_count; i++) {
        const struct upset *upset = &world->upsets[i];

        if (is_about(upset, entry) && upset->time_ns >= from && upset->time_ns <= to &&
            (upset_touches(upset, HIT_SEND | HIT_SPAWN | HIT_TREE) ||
             reason_ends_send(world, upset)) &&
            (upset->kind == UPSET_FAULT || upset->kind == UPSET_SLOW ||
             (upset->kind == UPSET_ORDER && upset->order == ORDER_OTHER)))
            return true;
    }
    return false;
}

bool reason_broken(const struct world *world, const struct entry *entry, int64_t from, int64_t to)
{
    for (size_t i = 0; i < world->upset_count; i++) {
        const struct upset *upset = &world->upsets[i];

        if (is_about(upset, entry) && upset->time_ns >= from && upset->time_ns <= to &&
            ((upset->kind == UPSET_FAULT && reason_ends_send(world, upset)) ||
             (upset->kind == UPSET_ORDER && upset->order == ORDER_OTHER)))
            return true;
    }
    return false;
}

bool reason_aged(const struct world *world, const struct entry *entry, int64_t to)
{
    for (size_t i = 0; i < world->upset_count; i++)
        if (world->upsets[i].kind == UPSET_CLOCK && world->upsets[i].machine == entry->machine &&
            world->upsets[i].time_ns >= entry->birth_ns - NANOSECONDS &&
            world->upsets[i].time_ns <= to)
            return true;
    return false;
}

/* Since when the upset makes the message due at once; -1: it does not. */
static int64_t due_since(const struct world *world, const struct entry *entry,
                         const struct upset *upset, const struct attempt *before,
                         const struct attempt *then)
{
    int64_t start = reason_last_ready(world, entry->machine, then->start_ns);

    if (upset->kind == UPSET_POWER || upset->kind == UPSET_KILL)
        return reason_forgets(world, entry, upset, before)
                   ? reason_ready_after(world, upset->machine, upset->time_ns)
                   : -1;
    if (upset->kind != UPSET_ORDER)
        return -1;
    switch (upset->order) {
    case ORDER_ALARM:
        return upset->time_ns;
    case ORDER_RETRY:
    case ORDER_RELEASE:
    case ORDER_EXPIRE:
    case ORDER_UNDELETE:
        /* Given while no nixie-send ran, it is obeyed at the start of the next. */
        return start > upset->time_ns ? start : upset->time_ns;
    default:
        return -1;
    }
}

/* Since when the message is due at once because send said, in the pass that began then or later,
 * that it could not write down when the next one is: it does so once a pass, at the first deferral,
 * which may be long before the last recipient's turn.  -1: it did not say so. */
static int64_t unstored_since(const struct world *world, const struct entry *entry,
                              const struct attempt *then, int64_t pass_ns)
{
    char text[100];

    snprintf(text, sizeof text,
             "warning: unable to utime %s/%llu; message will be retried too soon",
             then->remote ? "remote" : "local", (unsigned long long) entry->number);
    for (size_t i = 0; i < world->line_count; i++) {
        const struct log_line *line = &world->lines[i];

        if (line->machine == entry->machine && line->time_ns >= pass_ns &&
            line->time_ns <= then->start_ns && strcmp(line->text, text) == 0)
            return reason_ready_after(world, entry->machine, line->time_ns);
    }
    return -1;
}

/* What was due since then, when nixie-send ended before it came to it, is due at the next start. */
static int64_t due_anew(const struct world *world, size_t machine, int64_t since, int64_t until)
{
    for (size_t i = 0; i < world->send_end_count; i++) {
        const struct send_start *end = &world->send_ends[i];
        int64_t next;

        if (end->machine != machine || end->time_ns < since || end->time_ns > since + PROMPT_NS)
            continue;
        next = reason_ready_after(world, machine, end->time_ns);
        if (next <= until)
            since = next;
    }
    return since;
}

int64_t reason_early(const struct world *world, const struct entry *entry,
                     const struct attempt *before, int64_t pass_ns, const struct attempt *then)
{
    int64_t since = unstored_since(world, entry, then, pass_ns);
    int64_t given_up = reason_given_up_ns(world, entry, before);

    if (before->gone_ns < INT64_MAX)
        since = reason_ready_after(world, entry->machine, before->gone_ns);
    else if (given_up >= 0)
        since = reason_ready_after(world, entry->machine, given_up);
    if (since > then->start_ns)
        since = -1;
    for (size_t i = 0; i < world->upset_count; i++) {
        const struct upset *upset = &world->upsets[i];
        int64_t due;

        /* what is ordered in a pass makes another one, also before the recipient's turn */
        if (!is_about(upset, entry) || upset->time_ns > then->start_ns ||
            upset->time_ns < (upset->kind == UPSET_ORDER ? pass_ns : before->start_ns))
            continue;
        due = due_since(world, entry, upset, before, then);
        if (due > since && due <= then->start_ns)
            since = due;
    }
    if (since < 0 || since > then->start_ns)
        return -1;
    return due_anew(world, entry->machine, since, then->start_ns);
}

int64_t reason_late(const struct world *world, const struct entry *entry,
                    const struct attempt *before, const struct attempt *then)
{
    int64_t until = reason_last_ready(world, entry->machine, then->start_ns);

    if (until < before->start_ns)
        until = -1;
    for (size_t i = 0; i < world->upset_count; i++) {
        const struct upset *upset = &world->upsets[i];

        if (is_about(upset, entry) && upset->kind == UPSET_ORDER &&
            (upset->order == ORDER_RELEASE || upset->order == ORDER_UNDELETE) &&
            upset->time_ns >= before->start_ns && upset->time_ns <= then->start_ns &&
            upset->time_ns > until)
            until = upset->time_ns;
    }
    return until;
}

/* A power loss so soon after the order may have forgotten it. */
static bool may_be_forgotten(const struct world *world, const struct upset *order)
{
    for (size_t i = 0; i < world->upset_count; i++) {
        const struct upset *upset = &world->upsets[i];

        if (upset->kind == UPSET_POWER && upset->machine == order->machine &&
            upset->time_ns >= order->time_ns &&
            reason_is_within(world, upset, order->time_ns,
                             reason_forget_ns(world, upset, order->time_ns)))
            return true;
    }
    return false;
}

const struct upset *reason_held(const struct world *world, const struct entry *entry,
                                int64_t time_ns)
{
    const struct upset *held = NULL, *deleted = NULL;

    for (size_t i = 0; i < world->upset_count && world->upsets[i].time_ns < time_ns; i++) {
        const struct upset *upset = &world->upsets[i];

        if (upset->number == 0 || !is_about(upset, entry) || upset->kind != UPSET_ORDER)
            continue;
        if (upset->order == ORDER_HOLD && upset->asked)
            continue; /* perhaps */
        if (upset->order == ORDER_HOLD)
            held = may_be_forgotten(world, upset) ? NULL : upset;
        else if (upset->order == ORDER_DELETE)
            deleted = may_be_forgotten(world, upset) ? NULL : upset;
        else if (upset->order == ORDER_RELEASE)
            held = deleted = NULL;
        else if (upset->order == ORDER_UNDELETE)
            deleted = NULL;
    }
    return deleted ? deleted : held;
}

/* A crash, a kill or a fault so soon after the order that nobody knows whether it was obeyed. */
static bool may_be_unheard(const struct world *world, const struct upset *order)
{
    for (size_t i = 0; i < world->upset_count; i++)
        if (world->upsets[i].kind <= UPSET_FAULT && world->upsets[i].machine == order->machine &&
            world->upsets[i].time_ns >= order->time_ns &&
            world->upsets[i].time_ns <= order->time_ns + FORGET_NS)
            return !order->answered;
    return !order->answered && may_be_forgotten(world, order);
}

static bool has_mark(const struct world *world, const struct entry *entry)
{
    char path[100], *data;
    size_t size;

    snprintf(path, sizeof path, HOME_QUEUE "/mark/%llu.hold", (unsigned long long) entry->number);
    if (host_read_file(world->machines[entry->machine].host, path, &data, &size) < 0)
        return false;
    free(data);
    return true;
}

/* The admin was told that it was not done: the order before still waited for its turn, or nobody
 * answered, since nixie-send was ending. */
static bool was_in_vain(const struct world *world, const struct upset *order)
{
    return order->refused || (order->asked && !order->answered && !may_be_unheard(world, order));
}

bool reason_kept(const struct world *world, const struct entry *entry)
{
    bool held = false, asked = false;

    for (size_t i = 0; i < world->upset_count; i++) {
        const struct upset *upset = &world->upsets[i];

        if (upset->kind != UPSET_ORDER || !is_about(upset, entry) ||
            (upset->number == 0 && upset->order != ORDER_HOLD))
            continue;
        if (upset->order == ORDER_HOLD)
            *(upset->asked ? &asked : &held) = true;
        else if (upset->order == ORDER_RELEASE && was_in_vain(world, upset)) {
            asked |= held;
            held = false;
        } else if (upset->order == ORDER_RELEASE && !may_be_unheard(world, upset))
            held = asked = false;
    }
    return held || (asked && has_mark(world, entry));
}

bool reason_expired(const struct world *world, const struct entry *entry, int64_t time_ns)
{
    for (size_t i = 0; i < world->upset_count && world->upsets[i].time_ns <= time_ns; i++) {
        const struct upset *upset = &world->upsets[i];

        if (upset->number != 0 && is_about(upset, entry) && upset->kind == UPSET_ORDER &&
            upset->order == ORDER_EXPIRE)
            return true;
    }
    return false;
}

/* Before send first knew of the message: till then its birth is a time of the wall clock, which may
 * have been set since.  In S4 a new send does not know of it again. */
static bool was_unborn(const struct world *world, const struct entry *entry, int64_t time_ns)
{
    struct range attempts = world_attempts_of(world, (size_t) (entry - world->entries));
    int64_t first = attempts.count ? world->attempts[attempts.items[0]].start_ns : INT64_MAX;

    if (entry->history_count == 0 || time_ns < entry->history[0].time_ns)
        return false;
    return time_ns <= first || entry_stage_at(entry, time_ns) == STAGE_S4;
}

/* Since it started send could not read the message in the spool, which it had not tried yet: it
 * takes its birth from there by the clock as it is then. */
static bool was_unread(const struct world *world, const struct entry *entry, int64_t time_ns)
{
    struct range attempts = world_attempts_of(world, (size_t) (entry - world->entries));
    int64_t start = reason_last_start(world, entry->machine, time_ns);

    for (size_t i = 0; i < attempts.count; i++) {
        int64_t tried = world->attempts[attempts.items[i]].start_ns;

        if (tried >= start && tried <= time_ns)
            return false;
    }
    return had_trouble(world, entry->machine, start, time_ns);
}

bool reason_lost_age(const struct world *world, const struct entry *entry, int64_t to)
{
    int64_t stepped = INT64_MAX;

    for (size_t i = 0; i < world->upset_count && world->upsets[i].time_ns <= to; i++) {
        const struct upset *upset = &world->upsets[i];

        if (upset->machine != entry->machine)
            continue;
        if (upset->kind == UPSET_CLOCK &&
            (was_unborn(world, entry, upset->time_ns) || was_unread(world, entry, upset->time_ns)))
            return true;
        if (upset->kind == UPSET_CLOCK && upset->time_ns >= entry->birth_ns && stepped == INT64_MAX)
            stepped = upset->time_ns;
        else if (stepped != INT64_MAX && upset->kind != UPSET_FAULT)
            return true;
    }
    return reason_last_start(world, entry->machine, to) > stepped;
}

int64_t reason_disturbed_until(const struct world *world, size_t machine, int64_t time_ns)
{
    int64_t last = reason_last_start(world, machine, time_ns);

    for (size_t i = 0; i < world->upset_count; i++) {
        const struct upset *upset = &world->upsets[i];

        if (upset->machine == machine && upset->time_ns <= time_ns &&
            upset->time_ns + upset->lasts_ns > last)
            last = upset->time_ns + upset->lasts_ns;
    }
    if (world->machines[machine].squeezed && world->machines[machine].squeezed_from_ns <= time_ns &&
        world->machines[machine].squeezed_to_ns > last)
        last = world->machines[machine].squeezed_to_ns;
    return last;
}

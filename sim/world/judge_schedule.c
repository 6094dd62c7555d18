/* SPDX-License-Identifier: ISC */
/*
 * The schedule is kept (judge.h): each try after a deferral at the second that the message's birth
 * and the try before give, no more deliveries at once than the control files allow, nothing kept
 * beyond queuelifetime and nothing given up before, nothing tried while it is held or when it is
 * done.
 *
 * Worked out here from the rule of qmail (birth + (floor(sqrt(age)) + skip)^2) and from the times
 * of the log's lines, on the clock of the run.  Crashes, new starts of nixie-send and orders
 * explain what follows from them (judge_reasons.h); a span of time with a fault, a step of the
 * clock or a signal of another kind is not judged.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sim/world/internal.h"
#include "sim/world/judge.h"
#include "sim/world/judge_forgotten.h"
#include "sim/world/judge_lives.h"
#include "sim/world/judge_reasons.h"
#include "sim/world/words.h"

#define LIFETIME_DEFAULT 604800
/* The server's clock stands less than 4 ms behind, unless it is starved. */
static int64_t slack_ns(const struct world *world)
{
    return NANOSECONDS / 250 + world->patience_ns;
}

static const struct {
    const char *control;
    uint64_t limit;
    int64_t skip;
} channels[] = {{"concurrencylocal", 20, 10}, {"concurrencyremote", 20, 20}};

/* --- control files ---------------------------------------------------------------------------*/

uint64_t control_value(const struct machine *machine, const char *name, uint64_t otherwise)
{
    for (size_t i = 0; i < machine->spec->control_count; i++)
        if (strcmp(machine->spec->controls[i].name, name) == 0)
            return strtoull(machine->spec->controls[i].text.data, NULL, 10);
    return otherwise;
}

/* --- what is not judged ----------------------------------------------------------------------*/

bool had_trouble(const struct world *world, size_t machine, int64_t from, int64_t to)
{
    size_t low = 0, high = world->line_count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (world->lines[middle].time_ns < from)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < world->line_count && world->lines[low].time_ns <= to; low++)
        if (world->lines[low].machine == machine &&
            (strncmp(world->lines[low].text, "alert: ", 7) == 0 ||
             strncmp(world->lines[low].text, "warning: ", 9) == 0))
            return true;
    return false;
}

/* --- times -----------------------------------------------------------------------------------*/

static int64_t square_root(int64_t value)
{
    int64_t root = (int64_t) sqrt((double) value);

    while (root * root > value)
        root--;
    while ((root + 1) * (root + 1) <= value)
        root++;
    return root;
}

/* Seconds: the try after one in a pass that began at `now`. */
static int64_t next_try(int64_t birth, int64_t now, int64_t skip)
{
    int64_t root = square_root(now > birth ? now - birth : 0) + skip;

    return (birth <= now + 1 ? birth : now) + root * root; /* clocks differ by that */
}

struct window {
    int64_t from, to; /* seconds, both included */
};

/* A pass may have begun so long before a try of it: without memory it rests, a disk may be slow. */
#define PASS_NS (90 * NANOSECONDS)

/* When the pass of this attempt may have begun.  `due`: not before, -1: not known.  Places that no
 * delivery has any more are not free as long as what came of it cannot be written down. */
static struct window pass_window(const struct world *world, const struct attempt *attempt,
                                 int64_t due)
{
    struct window window = {(attempt->start_ns - slack_ns(world)) / NANOSECONDS,
                            attempt->start_ns / NANOSECONDS};

    if (due < 0 || due >= window.from)
        return window;
    if (attempt->saturated_ns >= due * NANOSECONDS)
        window.from = due;
    else if (had_trouble(world, attempt->machine, attempt->start_ns - PASS_NS, attempt->start_ns))
        window.from =
            due > window.from - PASS_NS / NANOSECONDS ? due : window.from - PASS_NS / NANOSECONDS;
    return window;
}

int64_t schedule_try_after(int64_t birth_ns, int64_t start_ns, bool remote)
{
    return next_try(birth_ns / NANOSECONDS, start_ns / NANOSECONDS, channels[remote].skip) *
           NANOSECONDS;
}

/* --- tries -----------------------------------------------------------------------------------*/

static struct violation *accuse(struct world *world, const struct entry *entry,
                                const struct attempt *attempt, const char *what, int64_t due)
{
    char name[ENTRY_NAME], start[TIME_TEXT], at[TIME_TEXT];
    struct violation *violation =
        world_accuse(world, "SCHEDULE", entry->letter, entry->bounce, "%s for %s %s +%s, not +%s",
                     entry_name(world, entry, name), attempt->recipient, what,
                     time_format(start, attempt->start_ns), time_format(at, due * NANOSECONDS));

    violation->time_ns = attempt->start_ns;
    violation->recipient = must_copy(attempt->recipient, strlen(attempt->recipient));
    return violation;
}

/* When the last try of the message in that channel had come back that began before this one: the
 * next pass waits for all of them. */
static int64_t all_back(const struct world *world, const struct entry *entry,
                        const struct attempt *then)
{
    struct range attempts = world_attempts_of(world, (size_t) (entry - world->entries));
    int64_t time = 0;

    for (size_t i = 0; i < attempts.count; i++) {
        const struct attempt *attempt = &world->attempts[attempts.items[i]];

        if (attempt->start_ns >= then->start_ns)
            break;
        if (attempt->remote == then->remote && attempt->end_ns < INT64_MAX &&
            attempt->end_ns > time)
            time = attempt->end_ns;
    }
    return time;
}

/* A call that took so much longer ended just before it. */
static bool was_held_up(const struct world *world, const struct attempt *before,
                        const struct attempt *then)
{
    for (size_t i = 0; i < world->upset_count; i++) {
        const struct upset *upset = &world->upsets[i];

        if (upset->kind == UPSET_SLOW && upset->machine == then->machine &&
            upset->time_ns >= before->start_ns && upset->time_ns <= then->start_ns &&
            upset->time_ns + upset->lasts_ns + PROMPT_NS >= then->start_ns)
            return true;
    }
    return false;
}

/* Just before it nixie-send had handed a bounce to the queue, and waited for that: a fault had met
 * nixie-queue meanwhile. */
static bool waited_for_queue(const struct world *world, const struct attempt *then, int64_t due_ns)
{
    bool handed = false;

    for (size_t i = 0; i < world->line_count && !handed; i++)
        handed = world->lines[i].machine == then->machine &&
                 world->lines[i].time_ns <= then->start_ns &&
                 world->lines[i].time_ns + PROMPT_NS >= then->start_ns &&
                 strncmp(world->lines[i].text, "bounce msg ", 11) == 0;
    for (size_t i = 0; i < world->upset_count && handed; i++) {
        const struct upset *upset = &world->upsets[i];

        if (upset->kind == UPSET_FAULT && upset->machine == then->machine &&
            (upset->hit & HIT_QUEUE) && upset->time_ns >= due_ns - PASS_NS &&
            upset->time_ns <= then->start_ns)
            return true;
    }
    return false;
}

/* Whether `then` had to wait for others, or for trouble, after it was due. */
static bool had_to_wait(const struct world *world, const struct entry *entry,
                        const struct attempt *before, const struct attempt *then, int64_t due_ns)
{
    return then->saturated_ns >= due_ns ||
           then->start_ns <= all_back(world, entry, then) + NANOSECONDS ||
           had_trouble(world, entry->machine, before->start_ns, then->start_ns) ||
           was_full(world, entry->machine, due_ns - PROMPT_NS, then->start_ns) ||
           was_held_up(world, before, then) || waited_for_queue(world, then, due_ns);
}

#define NO_WINDOW ((struct window){-1, -1})

/* What the disk may have as the time of the next try, if those by order since are forgotten: of the
 * last one, and of the one before it that may still be there. */
struct stored {
    struct window last, older;
};
#define NOT_STORED ((struct stored){NO_WINDOW, NO_WINDOW})

/* Until when it may come at the latest: the end of its second, or soon after a start or a release
 * that it had to wait for. */
static int64_t latest(const struct world *world, const struct entry *entry,
                      const struct attempt *before, const struct attempt *then, int64_t due)
{
    int64_t until = (due + 1) * NANOSECONDS + slack_ns(world);
    int64_t since = reason_late(world, entry, before, then);

    return since >= 0 && since + PROMPT_NS > until ? since + PROMPT_NS : until;
}

static bool is_in_window(const struct world *world, const struct entry *entry,
                         const struct attempt *before, struct window window,
                         const struct attempt *then)
{
    return window.from >= 0 && then->start_ns + slack_ns(world) >= window.from * NANOSECONDS &&
           then->start_ns < latest(world, entry, before, then, window.to);
}

/* `before` came before its time, by an order, and a crash or a kill took its result: the disk still
 * says when it would have come, or when one before it would. */
static bool is_as_stored(const struct world *world, const struct entry *entry,
                         const struct attempt *before, const struct stored *stored,
                         const struct attempt *then, struct window *which)
{
    bool is_last = is_in_window(world, entry, before, stored->last, then);

    *which = is_last ? stored->last : stored->older;
    return (is_last || is_in_window(world, entry, before, stored->older, then)) &&
           reason_forgotten(world, entry, before);
}

/* `before` came before its time and never came back, and so does `then`; and nobody of its pass was
 * deferred, which would have stored another time. */
static bool is_still_stored(const struct world *world, const struct entry *entry,
                            const struct attempt *before, struct window pass, struct window stored,
                            const struct attempt *then)
{
    struct range attempts = world_attempts_of(world, (size_t) (entry - world->entries));

    if (stored.from < 0 || before->end_ns < INT64_MAX ||
        then->start_ns >= stored.from * NANOSECONDS)
        return false;
    for (size_t i = 0; i < attempts.count; i++) {
        const struct attempt *other = &world->attempts[attempts.items[i]];

        if (other->remote == then->remote && other->result == 'Z' &&
            other->start_ns >= pass.from * NANOSECONDS && other->start_ns < then->start_ns)
            return false;
    }
    return true;
}

/* `then` came before it was due; of `before`, which did so too, and was deferred, the result may be
 * forgotten. */
static struct stored stored_with(const struct world *world, const struct entry *entry,
                                 const struct attempt *before, const struct stored *stored,
                                 struct window due, const struct attempt *then)
{
    struct stored with = {due, NO_WINDOW};

    if (stored->last.from >= 0 && then->start_ns < stored->last.from * NANOSECONDS &&
        before->end_ns < INT64_MAX && reason_forgotten(world, entry, before))
        with.older = stored->older.from >= 0 ? stored->older : stored->last;
    return with;
}

/* A fault came while `before` ran or its end was written down, or not long before `then` was due or
 * came; or something that leaves nothing as it was. */
static bool is_unknown(const struct world *world, const struct entry *entry,
                       const struct attempt *before, const struct attempt *then, int64_t due_ns)
{
    int64_t from = before->start_ns - PASS_NS, to = then->start_ns;
    int64_t written = before->end_ns < INT64_MAX ? before->end_ns + FORGET_NS : to;

    return reason_broken(world, entry, from, to) || reason_untold(world, entry->machine, to) ||
           reason_unknown(world, entry, from, written < to ? written : to) ||
           reason_unknown(world, entry, (due_ns < to ? due_ns : to) - PASS_NS, to);
}

/* The server does not know when `then` is due: the clock was set while it waited for that, or the
 * age from which that was worked out was another, or it was not written down.  A new start alone
 * takes it from the disk. */
static bool has_lost_time(const struct world *world, const struct entry *entry,
                          const struct attempt *before, const struct attempt *then)
{
    if (!reason_lost_age(world, entry, then->start_ns))
        return false;
    for (size_t i = 0; i < world->upset_count; i++)
        if (world->upsets[i].kind == UPSET_CLOCK && world->upsets[i].machine == entry->machine &&
            world->upsets[i].time_ns >= before->start_ns - PASS_NS &&
            world->upsets[i].time_ns <= then->start_ns)
            return true;
    return before->end_ns == INT64_MAX || reason_forgotten(world, entry, before) ||
           reason_lost_age(world, entry, before->start_ns);
}

/* So long after the last thing that went wrong all goes on: a file that could not be opened is
 * tried every 10 s, what else failed after 123 s. */
#define WELL_NS (300 * NANOSECONDS)

static bool was_clock_set(const struct world *world, size_t machine)
{
    for (size_t i = 0; i < world->upset_count; i++)
        if (world->upsets[i].kind == UPSET_CLOCK && world->upsets[i].machine == machine)
            return true;
    return false;
}

/* Whatever had gone wrong, that was over long before `then`, which was due at `due_ns`. */
static void judge_recovered(struct world *world, const struct entry *entry,
                            const struct attempt *then, int64_t due_ns)
{
    const struct machine *machine = &world->machines[entry->machine];
    int64_t well = reason_disturbed_until(world, entry->machine, then->start_ns);
    int64_t back = all_back(world, entry, then);

    if (well < due_ns)
        well = due_ns;
    if (well < back)
        well = back;
    if (well < then->saturated_ns)
        well = then->saturated_ns;
    if (machine->spec->capacity_bytes == 0 && !was_clock_set(world, entry->machine) &&
        !reason_untold(world, entry->machine, then->start_ns) && then->start_ns - WELL_NS > well)
        accuse(world, entry, then, "was tried long after all was well again, at",
               well / NANOSECONDS);
}

/* What the admin said of the message before a try of it. */
static const struct upset *last_wish(const struct world *world, const struct entry *entry,
                                     int64_t from, int64_t to)
{
    const struct upset *wish = NULL;

    for (size_t i = 0; i < world->upset_count; i++) {
        const struct upset *upset = &world->upsets[i];

        if (upset->kind != UPSET_ORDER || upset->machine != entry->machine || upset->asked ||
            upset->number != entry->number || upset->time_ns < from || upset->time_ns > to)
            continue;
        wish = upset;
    }
    return wish;
}

/* He wanted it tried, and nothing kept the server from that. */
static void judge_wish(struct world *world, const struct entry *entry, const struct attempt *before,
                       const struct attempt *then)
{
    const struct upset *wish;
    int64_t to = then->start_ns - PROMPT_NS - slack_ns(world);

    if (before->end_ns == INT64_MAX || all_back(world, entry, then) > to)
        return;
    wish = last_wish(world, entry, all_back(world, entry, then), to);
    if (!wish ||
        (wish->order != ORDER_RETRY && wish->order != ORDER_RELEASE && wish->order != ORDER_EXPIRE))
        return;
    if (last_wish(world, entry, to, then->start_ns) ||
        reason_last_start(world, entry->machine, then->start_ns) >= wish->time_ns ||
        reason_held(world, entry, then->start_ns) ||
        had_to_wait(world, entry, before, then, wish->time_ns))
        return;
    accuse(world, entry, then, "was not tried when the admin wanted that: at",
           wish->time_ns / NANOSECONDS);
}

/* A try behind his wish to give the message up is the last. */
static void judge_expired(struct world *world, const struct entry *entry,
                          const struct attempt *attempt)
{
    for (size_t i = 0; i < world->upset_count; i++) {
        const struct upset *upset = &world->upsets[i];

        if (upset->kind != UPSET_ORDER || upset->order != ORDER_EXPIRE || upset->asked ||
            upset->machine != entry->machine || upset->number != entry->number ||
            upset->time_ns + PROMPT_NS > attempt->start_ns ||
            attempt->saturated_ns >= upset->time_ns ||
            reason_disturbed_until(world, entry->machine, attempt->start_ns) > upset->time_ns)
            continue;
        accuse(world, entry, attempt, "was kept though the admin had given it up: at",
               upset->time_ns / NANOSECONDS);
        return;
    }
}

/* The try `then` came after `before`, which was deferred or never came back; returns its window.
 * *stored: when `before` was due as the disk says, if it came too early; then the same of `then`.
 */
static struct window judge_next(struct world *world, const struct entry *entry,
                                const struct attempt *before, struct window pass,
                                const struct attempt *then, struct stored *stored)
{
    int64_t birth = entry->birth_ns / NANOSECONDS, skip = channels[then->remote].skip;
    int64_t since = reason_early(world, entry, before, pass.from * NANOSECONDS, then);
    struct window due = {next_try(birth, pass.from, skip), next_try(birth, pass.to, skip)};
    int64_t first = since >= 0 && since / NANOSECONDS < due.from ? since / NANOSECONDS : due.from;
    struct window next = pass_window(world, then, first);
    struct stored was_stored = *stored;
    struct window which;
    bool is_early = then->start_ns + slack_ns(world) < due.from * NANOSECONDS;

    /* Before the last second at which it may have been due: nobody knows when its pass before had
     * begun, if that had to wait for a place. */
    if (!is_early && (since < 0 || then->start_ns + slack_ns(world) >= due.to * NANOSECONDS))
        *stored = NOT_STORED;
    else if (!is_still_stored(world, entry, before, pass, was_stored.last, then))
        *stored = stored_with(world, entry, before, &was_stored, due, then);
    if (is_unknown(world, entry, before, then, due.from * NANOSECONDS) ||
        has_lost_time(world, entry, before, then)) {
        judge_recovered(world, entry, then, (due.to + 1) * NANOSECONDS);
        return (struct window){next.from < due.from ? next.from : due.from, next.to};
    }
    if (is_early) {
        if (is_as_stored(world, entry, before, &was_stored, then, &which)) {
            if (since < 0) /* else it may have come for that reason, at the same time */
                *stored = NOT_STORED;
            return pass_window(world, then, which.from);
        }
        if (since < 0 ||
            (then->start_ns > since + PROMPT_NS && !had_to_wait(world, entry, before, then, since)))
            accuse(world, entry, then, "was tried again too early, at", due.from);
        return pass_window(world, then, since < 0 ? -1 : since / NANOSECONDS);
    }
    if (then->start_ns < latest(world, entry, before, then, due.to)) {
        judge_wish(world, entry, before, then);
        return next;
    }
    if (!had_to_wait(world, entry, before, then, due.from * NANOSECONDS)) {
        accuse(world, entry, then, "was tried again too late, at", due.to);
        return next;
    }
    judge_recovered(world, entry, then, (due.to + 1) * NANOSECONDS);
    if (due.from < next.from)
        next.from = due.from; /* its pass may have begun in time, and stood still since */
    return next;
}

/* A try of whom was delivered, or failed for good. */
static void judge_done(struct world *world, const struct entry *entry, const struct attempt *before,
                       const struct attempt *then)
{
    char name[ENTRY_NAME];

    /* Without room for what the bounce will say nobody is marked as failed. */
    if (reason_forgotten(world, entry, before) ||
        (before->result == 'D' &&
         had_trouble(world, entry->machine, before->end_ns, then->start_ns)))
        return;
    world_accuse(world, "SCHEDULE", entry->letter, entry->bounce,
                 "%s for %s was tried again though it was done", entry_name(world, entry, name),
                 then->recipient)
        ->time_ns = then->start_ns;
}

static bool gave_up(const struct attempt *attempt)
{
    return attempt->result == 'D' && attempt->text &&
           strstr(attempt->text, "been_in_the_queue_too_long");
}

static void judge_lifetime(struct world *world, const struct entry *entry,
                           const struct attempt *attempt, struct window pass)
{
    const struct machine *machine = &world->machines[entry->machine];
    int64_t end = entry->birth_ns / NANOSECONDS +
                  (int64_t) control_value(machine, "queuelifetime", LIFETIME_DEFAULT);
    int64_t start = reason_last_start(world, entry->machine, attempt->start_ns) / NANOSECONDS;

    if (reason_broken(world, entry, entry->birth_ns, attempt->start_ns) ||
        reason_unknown(world, entry, attempt->start_ns - PASS_NS, attempt->start_ns) ||
        reason_lost_age(world, entry, attempt->start_ns))
        return;
    if (pass.from < start)
        pass.from = start;
    if (attempt->result == 'Z')
        judge_expired(world, entry, attempt);
    if (attempt->result == 'Z' && pass.from > end)
        accuse(world, entry, attempt, "was kept beyond its lifetime: deferred at", end);
    else if (gave_up(attempt) && pass.to <= end && !reason_expired(world, entry, attempt->start_ns))
        accuse(world, entry, attempt, "was given up before its lifetime was over: at", end);
}

/* Not in a pass that had begun before the order. */
static void judge_held(struct world *world, const struct entry *entry,
                       const struct attempt *attempt)
{
    const struct upset *held = reason_held(world, entry, attempt->start_ns);

    if (held && held->time_ns + PROMPT_NS < attempt->start_ns &&
        all_back(world, entry, attempt) < held->time_ns &&
        !reason_unknown(world, entry, held->time_ns, attempt->start_ns))
        accuse(world, entry, attempt, "was tried though it was held or deleted: at",
               held->time_ns / NANOSECONDS);
}

/* The message is for that recipient more than once: its tries cannot be told apart. */
static bool is_named_again(const struct entry *entry, const struct attempt *attempt)
{
    size_t count = 0;

    for (size_t i = 0; i < entry->route_count; i++)
        count += attempt_is_at(attempt, &entry->routes[i]);
    return count > 1;
}

/* The attempts of a message for the recipient of the first of them, from items[0] on. */
/* Seconds: when it had come back, so that the next pass could begin; if it never did, when it
 * began. */
static int64_t back_at(const struct attempt *attempt)
{
    return (attempt->end_ns < INT64_MAX ? attempt->end_ns : attempt->start_ns) / NANOSECONDS;
}

static void judge_recipient(struct world *world, const struct entry *entry, struct range attempts)
{
    const struct attempt *before = &world->attempts[attempts.items[0]];
    struct window pass = pass_window(world, before, entry->birth_ns / NANOSECONDS);
    struct stored stored = NOT_STORED;
    bool aged = reason_aged(world, entry, before->start_ns);

    if (is_named_again(entry, before))
        return;
    judge_lifetime(world, entry, before, pass);
    judge_held(world, entry, before);
    for (size_t i = 1; i < attempts.count; i++) {
        const struct attempt *attempt = &world->attempts[attempts.items[i]];

        if (attempt->remote != before->remote || strcmp(attempt->recipient, before->recipient) != 0)
            continue;
        if (before->result == 'K' || before->result == 'D') {
            judge_done(world, entry, before, attempt);
            pass = pass_window(world, attempt, back_at(before));
            stored = NOT_STORED;
        } else if (aged) {
            pass = pass_window(world, attempt, back_at(before));
            stored = NOT_STORED;
        } else {
            pass = judge_next(world, entry, before, pass, attempt, &stored);
        }
        judge_lifetime(world, entry, attempt, pass);
        judge_held(world, entry, attempt);
        before = attempt;
    }
}

static bool is_first(const struct world *world, struct range attempts, size_t index)
{
    const struct attempt *attempt = &world->attempts[attempts.items[index]];

    for (size_t i = 0; i < index; i++) {
        const struct attempt *other = &world->attempts[attempts.items[i]];

        if (other->remote == attempt->remote && strcmp(other->recipient, attempt->recipient) == 0)
            return false;
    }
    return true;
}

/* More than so many attempts: looked at for their first recipient only, or it would take long. */
#define ATTEMPTS_MAX 3000

static void judge_entry(struct world *world, size_t index)
{
    const struct entry *entry = &world->entries[index];
    struct range attempts = world_attempts_of(world, index);
    size_t count = attempts.count < ATTEMPTS_MAX ? attempts.count : 1;

    if (entry->birth_ns == INT64_MIN)
        return;
    for (size_t i = 0; i < count; i++)
        if (is_first(world, attempts, i))
            judge_recipient(world, entry, (struct range){attempts.items + i, attempts.count - i});
}

/* --- deliveries at once ----------------------------------------------------------------------*/

struct open_attempts {
    const struct attempt **items;
    size_t count;
};

/* Recipients of one message in one domain go together over SMTP. */
static bool goes_with(const struct attempt *a, const struct attempt *b)
{
    const char *of_a = strrchr(a->recipient, '@'), *of_b = strrchr(b->recipient, '@');

    return a->remote && a->number == b->number && of_a && of_b && strcasecmp(of_a, of_b) == 0;
}

/* How many deliveries those that are open are at least. */
static size_t count_open(const struct open_attempts *open)
{
    size_t count = 0;

    for (size_t i = 0; i < open->count; i++) {
        bool is_new = true;

        for (size_t k = 0; k < i && is_new; k++)
            is_new = !goes_with(open->items[k], open->items[i]);
        count += is_new;
    }
    return count;
}

static int64_t end_of(const struct attempt *attempt)
{
    return attempt->end_ns < attempt->gone_ns ? attempt->end_ns : attempt->gone_ns;
}

static void judge_concurrency(struct world *world, size_t machine, bool remote)
{
    uint64_t limit =
        control_value(&world->machines[machine], channels[remote].control, channels[remote].limit);
    struct open_attempts open = {NULL, 0};

    for (size_t i = 0; i < world->attempt_count; i++) {
        const struct attempt *attempt = &world->attempts[i];
        size_t kept = 0;

        if (attempt->machine != machine || attempt->remote != remote)
            continue;
        for (size_t k = 0; k < open.count; k++)
            if (end_of(open.items[k]) > attempt->start_ns)
                open.items[kept++] = open.items[k];
        open.count = kept;
        *LIST_ADD(open.items, open.count) = attempt;
        if (open.count <= limit || count_open(&open) <= limit)
            continue;
        world_accuse(world, "CONCURRENCY", NO_LETTER, 0, "%zu %s deliveries at once; %s is %llu",
                     count_open(&open), remote ? "remote" : "local", channels[remote].control,
                     (unsigned long long) limit)
            ->time_ns = attempt->start_ns;
        break;
    }
    free(open.items);
}

void judge_schedule(struct world *world)
{
    for (size_t i = 0; i < world->entry_count; i++)
        judge_entry(world, i);
    for (size_t i = 0; i < world->host_count; i++) {
        judge_concurrency(world, i, false);
        judge_concurrency(world, i, true);
    }
}

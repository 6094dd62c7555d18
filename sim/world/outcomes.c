/* SPDX-License-Identifier: ISC */
#include "sim/world/outcomes.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "sim/world/internal.h"
#include "sim/world/judge.h"
#include "sim/world/words.h"

#define RECOVERY_NS (10 * 60 * NANOSECONDS)

/* --- a final no ------------------------------------------------------------------------------*/

/* Of a letter (bounce 0), or of an entry of it; of a recipient, or ("") of all. */
static uint64_t hash_of(size_t letter, unsigned bounce, const char *recipient)
{
    uint64_t hash = 0xcbf29ce484222325u ^ letter * 8 ^ bounce;

    for (; *recipient; recipient++)
        hash = (hash ^ (unsigned char) tolower((unsigned char) *recipient)) * 0x100000001b3u;
    return hash * 0x9e3779b97f4a7c15u;
}

/* Who was told no for good. */
struct final {
    size_t letter;
    unsigned bounce;
    const char *recipient; /* "": all of them */
    int64_t time_ns;
    const char *how;
};

typedef void tell_final(void *context, const struct final *final);

static bool is_final_exit(const struct letter *letter)
{
    return letter->path == LETTER_BY_QUEUE ? letter->code >= 11 && letter->code <= 40
                                           : letter->code == 100;
}

/* 503 follows what a client has sent ahead. */
static bool is_final_reply(unsigned code)
{
    return code / 100 == 5 && code != 503;
}

static bool is_taken(const struct letter *letter)
{
    if (letter->state == LETTER_ACCEPTED)
        return true;
    for (size_t i = 0; letter->answers && i < letter->recipient_count; i++)
        if (letter->answers[i].accepted)
            return true;
    return false;
}

static void walk_letter(const struct world *world, size_t index, tell_final *tell, void *context)
{
    const struct letter *letter = &world->letters[index];
    struct final final = {index, 0, "", letter->ended_ns, "its submitter was told so"};

    if (letter->path == LETTER_BY_SMTP) {
        for (size_t i = 0; letter->answers && i < letter->recipient_count; i++) {
            final.recipient = letter->recipients[i];
            final.time_ns = letter->answers[i].time_ns;
            if (is_final_reply(letter->answers[i].code))
                tell(context, &final);
        }
        if (letter->state == LETTER_REFUSED && is_final_reply((unsigned) letter->code) &&
            !is_taken(letter)) {
            final.recipient = "";
            tell(context, &final);
        }
    } else if (letter->state == LETTER_REFUSED && is_final_exit(letter)) {
        tell(context, &final);
    }
}

/* A program that the scenario declares has failed during the try: with what goes wrong their counts
 * fall on other tries, as do those of remotes and the DNS. */
static bool has_program_failed(const struct world *world, const struct attempt *attempt)
{
    for (size_t i = 0; i < world->run_count; i++) {
        const struct program_run *run = &world->runs[i];
        const char *recipient = run_variable(run, "RECIPIENT");

        if (run->machine == attempt->machine && run->ended && run->exit_code != 0 &&
            run->start_ns >= attempt->start_ns && run->end_ns <= attempt->end_ns &&
            (!recipient || logged_is(attempt->recipient, recipient)))
            return true;
    }
    return false;
}

/* VERDICT judges what remotes and the DNS have said. */
static bool is_said_by_others(const struct world *world, const struct attempt *attempt)
{
    return attempt->remote ? heard_no(world, attempt) : has_program_failed(world, attempt);
}

static void walk_attempt(struct world *world, const struct attempt *attempt, bool ours_only,
                         tell_final *tell, void *context)
{
    const struct entry *entry = world_entry(world, attempt->machine, attempt->number);
    struct final final = {0, 0, attempt->recipient, attempt->end_ns, attempt->text};

    if (attempt->result != 'D' || !entry || entry->letter == NO_LETTER ||
        (ours_only && is_said_by_others(world, attempt)))
        return;
    final.letter = entry->letter;
    final.bounce = entry->bounce + 1; /* 0 is what submitters are told */
    tell(context, &final);
}

/* `ours_only`: without what others may have said. */
static void walk(struct world *world, bool ours_only, tell_final *tell, void *context)
{
    for (size_t i = 0; i < world->letter_count; i++)
        walk_letter(world, i, tell, context);
    for (size_t i = 0; i < world->attempt_count; i++)
        walk_attempt(world, &world->attempts[i], ours_only, tell, context);
}

/* --- noting ----------------------------------------------------------------------------------*/

static void note_final(void *context, const struct final *final)
{
    struct outcomes *to = context;

    *LIST_ADD(to->final, to->final_count) = hash_of(final->letter, final->bounce, final->recipient);
}

static int compare(const void *a, const void *b)
{
    uint64_t one = *(const uint64_t *) a, other = *(const uint64_t *) b;

    return one < other ? -1 : one > other;
}

static void note_attempt(struct world *world, const struct attempt *attempt, struct outcomes *to)
{
    const struct entry *entry = world_entry(world, attempt->machine, attempt->number);
    uint64_t hash;

    if (!entry || entry->letter == NO_LETTER)
        return;
    hash = hash_of(entry->letter, entry->bounce + 1, attempt->recipient);
    *LIST_ADD(to->tried, to->tried_count) = hash;
    if (attempt->result == 'K')
        *LIST_ADD(to->done, to->done_count) = hash;
}

static void note_ordered(const struct world *world, struct outcomes *to)
{
    to->ordered = must_zeroed(world->letter_count + 1);
    for (size_t i = 0; i < world->upset_count; i++) {
        const struct upset *upset = &world->upsets[i];

        if (upset->kind != UPSET_ORDER ||
            (upset->order != ORDER_DELETE && upset->order != ORDER_HOLD))
            continue;
        for (size_t k = 0; k < world->entry_count; k++)
            if (world->entries[k].machine == upset->machine &&
                world->entries[k].number == upset->number && world->entries[k].letter != NO_LETTER)
                to->ordered[world->entries[k].letter] = true;
    }
}

void outcomes_note(const struct world *world, struct outcomes *to)
{
    walk((struct world *) world, false, note_final, to);
    for (size_t i = 0; i < world->attempt_count; i++)
        note_attempt((struct world *) world, &world->attempts[i], to);
    if (to->tried_count)
        qsort(to->tried, to->tried_count, sizeof *to->tried, compare);
    if (to->done_count)
        qsort(to->done, to->done_count, sizeof *to->done, compare);
    if (to->final_count)
        qsort(to->final, to->final_count, sizeof *to->final, compare);
    to->letter_count = world->letter_count;
    to->taken = must_alloc(world->letter_count + 1);
    for (size_t i = 0; i < world->letter_count; i++)
        to->taken[i] = is_taken(&world->letters[i]);
    note_ordered(world, to);
    to->host_count = world->host_count;
    to->listens = must_alloc(world->host_count + 1);
    to->squeezed = must_alloc(world->host_count + 1);
    for (size_t i = 0; i < world->host_count; i++) {
        to->listens[i] = world->machines[i].has_listened;
        to->squeezed[i] = world->machines[i].squeezed;
    }
}

void outcomes_free(struct outcomes *outcomes)
{
    free(outcomes->final);
    free(outcomes->tried);
    free(outcomes->done);
    free(outcomes->taken);
    free(outcomes->ordered);
    free(outcomes->listens);
    free(outcomes->squeezed);
    memset(outcomes, 0, sizeof *outcomes);
}

/* --- judging ---------------------------------------------------------------------------------*/

struct judging {
    struct world *world;
    const struct outcomes *base;
};

static bool is_in(const uint64_t *hashes, size_t count, uint64_t hash)
{
    return count && bsearch(&hash, hashes, count, sizeof hash, compare);
}

/* It is of an attempt, for somebody whom the submitter did not name.  A program's exit 99, which
 * keeps a message from being forwarded, may fall on another run than without what went wrong. */
static bool is_forward(const struct world *world, const struct final *final)
{
    const struct letter *letter = &world->letters[final->letter];

    for (size_t i = 0; i < letter->recipient_count; i++)
        if (logged_is(final->recipient, letter->recipients[i]))
            return false;
    return final->bounce == 1;
}

static void judge_final(void *context, const struct final *final)
{
    const struct judging *judging = context;
    const struct outcomes *base = judging->base;
    uint64_t hash = hash_of(final->letter, final->bounce, final->recipient);
    const char *name = judging->world->letters[final->letter].name;
    unsigned bounce = final->bounce ? final->bounce - 1 : 0;
    struct violation *violation;

    /* nothing is known of what was not even taken then, or of bounces that nobody got */
    if (bounce > 0 && !is_in(base->done, base->done_count, hash))
        return;
    if (bounce == 0 && (final->letter < base->letter_count && !base->taken[final->letter]))
        return;
    if (is_forward(judging->world, final) && !is_in(base->tried, base->tried_count, hash))
        return;
    /* what the admin deleted or held then may never have been tried */
    if (final->bounce > 0 && final->letter < base->letter_count && base->ordered[final->letter])
        return;
    /* who gets too old then may as well fail now; SCHEDULE judges who gets too old now */
    if (is_in(base->final, base->final_count, hash) ||
        strstr(final->how, "been_in_the_queue_too_long"))
        return;
    violation = world_accuse(judging->world, "FINAL", final->letter, bounce,
                             "%s%s%s%s is refused for good, only because something went wrong for "
                             "a while: %.200s",
                             name, bounce ? ".bounce" : "", *final->recipient ? " for " : "",
                             final->recipient, final->how);
    violation->time_ns = final->time_ns;
}

static int64_t last_upset(const struct world *world)
{
    int64_t last = 0;

    for (size_t i = 0; i < world->upset_count; i++) {
        const struct upset *upset = &world->upsets[i];

        if (upset->time_ns + upset->lasts_ns > last)
            last = upset->time_ns + upset->lasts_ns;
        if (upset->again_ns > last)
            last = upset->again_ns;
    }
    /* a connection that breaks excuses nobody else, but its client may not try again */
    for (size_t i = 0; i < world->fault_count; i++) {
        const struct fault_rule *rule = &world->faults[i];

        if (rule->kind == FAULT_NET && rule->hits && rule->hit_ns + rule->lasts_ns > last)
            last = rule->hit_ns + rule->lasts_ns;
    }
    return last;
}

/* The scenario itself took room from the host's disk, then or not long before: then less suffices
 * to fill it. */
static bool is_squeezed(const struct world *world, size_t index, int64_t time_ns,
                        const struct outcomes *base)
{
    const struct machine *machine = &world->machines[index];

    return index < base->host_count && base->squeezed[index] && machine->squeezed &&
           time_ns >= machine->squeezed_from_ns && time_ns - RECOVERY_NS < machine->squeezed_to_ns;
}

static void judge_taken(struct world *world, size_t index, const struct outcomes *base)
{
    const struct letter *letter = &world->letters[index];

    if (letter->state != LETTER_REFUSED || is_taken(letter) || letter->uncertain > 0 ||
        (index < base->letter_count && !base->taken[index]) ||
        letter->sent_ns < last_upset(world) + RECOVERY_NS ||
        is_squeezed(world, letter->machine, letter->sent_ns, base))
        return;
    world_accuse(world, "DOWN", index, 0,
                 "%s is not taken (%d), long after the last thing that went wrong: %.200s",
                 letter->name, letter->code,
                 letter->complaint ? letter->complaint
                 : letter->reply   ? letter->reply
                                   : "")
        ->time_ns = letter->ended_ns;
}

static void judge_programs(struct world *world, size_t index, const struct outcomes *base)
{
    static const char *const names[] = {"nixie-start", "nixie-log",    "nixie-queue",
                                        "nixie-send",  "nixie-lspawn", "nixie-rspawn",
                                        "nixie-clean", "nixie-listen"};
    const struct machine *machine = &world->machines[index];
    size_t count =
        sizeof names / sizeof *names - !(index < base->host_count && base->listens[index]);

    if (!host_is_up(machine->host) || machine->stopped ||
        is_squeezed(world, index, kernel_now(world->kernel), base))
        return;
    for (size_t i = 0; i < count; i++)
        if (!host_find_process(machine->host, names[i]))
            world_accuse(world, "DOWN", NO_LETTER, 0,
                         "%s does not run on %s, long after the last thing that went wrong",
                         names[i], machine->name)
                ->time_ns = kernel_now(world->kernel);
}

void judge_outcomes(struct world *world, const struct outcomes *base)
{
    struct judging judging = {world, base};

    walk(world, true, judge_final, &judging);
    for (size_t i = 0; i < world->letter_count; i++)
        judge_taken(world, i, base);
    if (kernel_now(world->kernel) < last_upset(world) + RECOVERY_NS)
        return;
    for (size_t i = 0; i < world->host_count; i++)
        judge_programs(world, i, base);
}

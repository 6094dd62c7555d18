/* SPDX-License-Identifier: ISC */
/* Judges what a scenario expects, and passes on what the oracles found. */
#include <stdlib.h>
#include <string.h>

#include "sim/scenario/runner.h"
#include "sim/world/internal.h"

/* --- saying what failed ----------------------------------------------------------------------*/

/* Of the messages that an expectation is about: how many, and which do not meet it. */
struct tally {
    size_t asked, failed;
    const char *first, *last; /* names of those that failed */
    size_t letter;
    char why[300]; /* of the first */
    struct position at;
};

static void tally_fail(struct tally *tally, size_t letter, const char *name, struct position at,
                       const char *why)
{
    if (tally->failed++ == 0) {
        tally->first = name;
        tally->letter = letter;
        tally->at = at;
        snprintf(tally->why, sizeof tally->why, "%s", why);
    }
    tally->last = name;
}

static void tally_report(struct run *run, const struct expectation *expectation,
                         const struct tally *tally)
{
    struct failure *failure;

    if (tally->failed == 0)
        return;
    if (tally->asked == 1)
        failure = run_fail(run, tally->at, NULL, "%s: %s", expectation->message.text, tally->why);
    else
        failure = run_fail(run, tally->at, NULL, "%zu of %zu: %s (%s%s%s)", tally->failed,
                           tally->asked, tally->why, tally->first,
                           tally->failed > 1 ? tally->failed > 2 ? " ... " : ", " : "",
                           tally->failed > 1 ? tally->last : "");
    failure->detail = story_of(run, tally->letter, expectation->message.bounce);
}

static bool in_time(const struct when *when, int64_t time_ns)
{
    return when->kind == WHEN_ANY || (time_ns >= when->from_ns && time_ns < when->to_ns);
}

/* "at +5m00s", "by +2h" as it was asked for. */
static const char *when_text(const struct when *when, char to[2 * TIME_TEXT + 10])
{
    char from[TIME_TEXT], until[TIME_TEXT];

    time_format(from, when->from_ns);
    time_format(until, when->to_ns - 1);
    to[0] = 0;
    if (when->kind == WHEN_AT)
        snprintf(to, 2 * TIME_TEXT + 10, " at +%s", from);
    else if (when->kind == WHEN_BY)
        snprintf(to, 2 * TIME_TEXT + 10, " by +%s", until);
    else if (when->kind == WHEN_IN)
        snprintf(to, 2 * TIME_TEXT + 10, " in %s..%s", from, until);
    return to;
}

static struct position where(const struct expectation *expectation)
{
    return expectation->when.kind == WHEN_ANY ? expectation->what_at : expectation->when.at;
}

/* --- accepted, refused -----------------------------------------------------------------------*/

static void judge_answer(struct run *run, const struct expectation *expectation)
{
    struct tally tally = {0};
    bool accepted = expectation->kind == EXPECT_ACCEPTED;

    for (size_t i = 0; i < run->world->letter_count; i++) {
        const struct letter *letter = &run->world->letters[i];
        char why[200], time[TIME_TEXT];
        bool met = letter->state == (accepted ? LETTER_ACCEPTED : LETTER_REFUSED) &&
                   (accepted || expectation->code < 0 || expectation->code == letter->code) &&
                   in_time(&expectation->when, letter->ended_ns);

        if (!selector_matches(run->scenario, &expectation->message, i))
            continue;
        tally.asked++;
        if (met != expectation->negated)
            continue;
        time_format(time, letter->ended_ns);
        if (letter->state == LETTER_ACCEPTED)
            snprintf(why, sizeof why, "accepted at +%s", time);
        else if (letter->state == LETTER_REFUSED)
            snprintf(why, sizeof why, "refused with %d at +%s", letter->code, time);
        else
            snprintf(why, sizeof why, "%s",
                     letter->state == LETTER_CUT       ? "its submitter was killed"
                     : letter->state == LETTER_RUNNING ? "its submitter never ended"
                                                       : "never submitted");
        tally_fail(&tally, i, letter->name, where(expectation), why);
    }
    tally_report(run, expectation, &tally);
}

/* --- delivered -------------------------------------------------------------------------------*/

/* True if some address of a chain matches `pattern`; `top`: the newest only. */
static bool chain_matches(const char *chain, const char *pattern, bool top)
{
    while (*chain) {
        size_t size = strcspn(chain, "\n");

        if (pattern_matches_bytes(pattern, chain, size, true) ||
            address_names(chain, size, pattern))
            return true;
        if (top)
            return false;
        chain += size + (chain[size] == '\n');
    }
    return false;
}

/* A copy that the expectation counts for message `letter`, for `recipient` if not NULL. */
static bool copy_counts(const struct expectation *expectation, const struct copy *copy,
                        size_t letter, const char *recipient)
{
    const struct selector *selector = &expectation->message;

    return copy->letter == letter && copy->bounce == selector->bounce &&
           (!expectation->address || chain_matches(copy->chain, expectation->address, true)) &&
           (!recipient || chain_matches(copy->chain, recipient, false)) &&
           (!selector->recipient || chain_matches(copy->chain, selector->recipient, false));
}

static const char *detail_trouble(const struct detail *detail, const char *data, size_t size,
                                  bool unchanged)
{
    char value[2000];
    size_t body;

    switch (detail->kind) {
    case DETAIL_UNCHANGED:
        return unchanged ? NULL : "its contents are not what was submitted";
    case DETAIL_HEADER:
        if (!header_value(data, size, detail->name, value, sizeof value))
            return "there is no such field";
        return pattern_matches(detail->pattern, value, true) ? NULL : "the field is another";
    case DETAIL_BODY:
        body = body_offset(data, size);
        return pattern_found(detail->pattern, data + body, size - body, false)
                   ? NULL
                   : "the body does not contain it";
    default:
        return NULL;
    }
}

static bool check_details(struct tally *tally, const struct expectation *expectation, size_t letter,
                          const char *name, const char *data, size_t size, bool unchanged)
{
    for (size_t i = 0; i < expectation->detail_count; i++) {
        const char *trouble = detail_trouble(&expectation->details[i], data, size, unchanged);

        if (trouble) {
            tally_fail(tally, letter, name, expectation->details[i].at, trouble);
            return false;
        }
    }
    return true;
}

struct copies {
    size_t in_time, late; /* those that count, and those at another time */
    size_t most;          /* in one place */
    int64_t first_ns;
};

static struct copies count_copies(struct run *run, const struct expectation *expectation,
                                  size_t letter, const char *recipient)
{
    struct copies copies = {.first_ns = INT64_MAX};
    const struct world *world = run->world;

    for (size_t i = 0; i < world->copy_count; i++) {
        const struct copy *copy = &world->copies[i];
        size_t here = 0;

        if (!copy_counts(expectation, copy, letter, recipient))
            continue;
        if (in_time(&expectation->when, copy->time_ns))
            copies.in_time++;
        else
            copies.late++;
        if (copy->time_ns < copies.first_ns)
            copies.first_ns = copy->time_ns;
        for (size_t k = 0; k < world->copy_count; k++)
            here += copy_counts(expectation, &world->copies[k], letter, recipient) &&
                    world->copies[k].kind == copy->kind &&
                    strcmp(world->copies[k].place, copy->place) == 0;
        if (here > copies.most)
            copies.most = here;
    }
    return copies;
}

static bool copies_are_right(const struct expectation *expectation, const struct copies *copies)
{
    if (expectation->negated)
        return copies->in_time == 0;
    if (!expectation->counted)
        return copies->in_time > 0;
    return copies->most == expectation->count && copies->late == 0;
}

/* One message, for one recipient or for any. */
static void judge_copies(struct run *run, const struct expectation *expectation, size_t letter,
                         const char *recipient, struct tally *tally)
{
    struct copies copies = count_copies(run, expectation, letter, recipient);
    const char *name = run->world->letters[letter].name;
    char why[250], time[TIME_TEXT], when[2 * TIME_TEXT + 10];

    tally->asked++;
    when_text(&expectation->when, when);
    if (!copies_are_right(expectation, &copies)) {
        if (expectation->negated)
            snprintf(why, sizeof why, "delivered at +%s", time_format(time, copies.first_ns));
        else if (copies.most == 0)
            snprintf(why, sizeof why, "not delivered%s%.100s%s", recipient ? " to " : "",
                     recipient ? recipient : "", when);
        else if (expectation->counted && copies.most != expectation->count)
            snprintf(why, sizeof why, "delivered %zu time%s, not %llu", copies.most,
                     copies.most == 1 ? "" : "s", (unsigned long long) expectation->count);
        else
            snprintf(why, sizeof why, "delivered at +%s, not%s", time_format(time, copies.first_ns),
                     when);
        tally_fail(tally, letter, name, where(expectation), why);
        return;
    }
    for (size_t i = 0; i < run->world->copy_count; i++) {
        const struct copy *copy = &run->world->copies[i];

        if (copy_counts(expectation, copy, letter, recipient) &&
            !check_details(tally, expectation, letter, name, copy->data, copy->size,
                           copy->unchanged))
            return;
    }
}

static void judge_delivered(struct run *run, const struct expectation *expectation)
{
    struct tally tally = {0};

    for (size_t i = 0; i < run->world->letter_count; i++) {
        const struct letter *letter = &run->world->letters[i];

        if (!selector_matches(run->scenario, &expectation->message, i))
            continue;
        if (expectation->address || expectation->message.bounce > 0) {
            judge_copies(run, expectation, i, NULL, &tally);
            continue;
        }
        for (size_t r = 0; r < letter->recipient_count; r++)
            if (!expectation->message.recipient ||
                pattern_matches(expectation->message.recipient, letter->recipients[r], true))
                judge_copies(run, expectation, i, letter->recipients[r], &tally);
    }
    tally_report(run, expectation, &tally);
}

/* --- bounced ---------------------------------------------------------------------------------*/

static bool bounce_is_for(const struct entry *entry, const char *address)
{
    for (size_t i = 0; i < entry->recipient_count; i++)
        if (pattern_matches(address, entry->recipients[i], true))
            return true;
    return !address[0];
}

/* True if the text of a bounce says that the message was not delivered to `recipient` (a pattern):
 * a line "<ADDRESS>:" in front of the copy of the message. */
static bool bounce_tells_of(const struct entry *entry, const char *recipient)
{
    static const char copy_begins[] = "--- ";
    const char *line = entry->text, *end = line ? line + entry->text_size : NULL;

    for (const char *next; line && line < end; line = next) {
        size_t size = 0;

        while (line + size < end && line[size] != '\n')
            size++;
        next = line + size + 1;
        if (size >= sizeof copy_begins - 1 &&
            memcmp(line, copy_begins, sizeof copy_begins - 1) == 0)
            return false;
        if (size > 3 && line[0] == '<' && line[size - 2] == '>' && line[size - 1] == ':' &&
            pattern_matches_bytes(recipient, line + 1, size - 3, true))
            return true;
    }
    return false;
}

/* True if `letter` is for someone whom the selector's recipient (a pattern, or NULL) names. */
static bool is_for(const struct letter *letter, const char *recipient)
{
    for (size_t i = 0; i < letter->recipient_count; i++)
        if (!recipient || pattern_matches(recipient, letter->recipients[i], true))
            return true;
    return false;
}

static void judge_bounces(struct run *run, const struct expectation *expectation, size_t letter,
                          struct tally *tally)
{
    const char *recipient = expectation->message.recipient;
    const char *name = run->world->letters[letter].name;
    size_t count = 0, late = 0;
    int64_t time_ns = 0;
    char why[200], time[TIME_TEXT], when[2 * TIME_TEXT + 10];
    bool met;

    tally->asked++;
    for (size_t i = 0; i < run->world->entry_count; i++) {
        const struct entry *entry = &run->world->entries[i];

        if (entry->letter != letter || entry->bounce != expectation->message.bounce + 1 ||
            entry->answer != ANSWER_YES ||
            (expectation->address && !bounce_is_for(entry, expectation->address)) ||
            (recipient && !bounce_tells_of(entry, recipient)))
            continue;
        time_ns = entry->answer_ns;
        if (in_time(&expectation->when, time_ns))
            count++;
        else
            late++;
        if (!expectation->negated &&
            !check_details(tally, expectation, letter, name, entry->text ? entry->text : "",
                           entry->text_size, true))
            return;
    }
    met = expectation->negated   ? count == 0
          : expectation->counted ? count == expectation->count && late == 0
                                 : count > 0;
    if (met)
        return;
    when_text(&expectation->when, when);
    if (count + late == 0)
        snprintf(why, sizeof why, "no bounce%s", when);
    else
        snprintf(why, sizeof why, "%zu bounces, the last at +%s", count + late,
                 time_format(time, time_ns));
    tally_fail(tally, letter, name, where(expectation), why);
}

static void judge_bounced(struct run *run, const struct expectation *expectation)
{
    struct tally tally = {0};

    for (size_t i = 0; i < run->world->letter_count; i++)
        if (selector_matches(run->scenario, &expectation->message, i) &&
            (expectation->message.bounce > 0 ||
             is_for(&run->world->letters[i], expectation->message.recipient)))
            judge_bounces(run, expectation, i, &tally);
    tally_report(run, expectation, &tally);
}

/* --- lost ------------------------------------------------------------------------------------*/

static bool is_lost(const struct run *run, const struct expectation *expectation, size_t letter,
                    bool *expected)
{
    bool found = false;

    for (size_t i = 0; i < run->world->violation_count; i++) {
        const struct violation *violation = &run->world->violations[i];

        if (violation->letter != letter || violation->bounce != expectation->message.bounce ||
            strcmp(violation->promise, "LOST") != 0)
            continue;
        if (expectation->message.recipient &&
            (!violation->recipient ||
             !pattern_matches(expectation->message.recipient, violation->recipient, true)))
            continue;
        if (expectation->pattern &&
            (!violation->detail ||
             !pattern_matches(expectation->pattern, violation->detail, false)))
            continue;
        found = true;
        if (!expectation->negated)
            expected[i] = true;
    }
    return found;
}

static void judge_lost(struct run *run, const struct expectation *expectation, bool *expected)
{
    struct tally tally = {0};

    for (size_t i = 0; i < run->world->letter_count; i++) {
        if (!selector_matches(run->scenario, &expectation->message, i))
            continue;
        tally.asked++;
        if (is_lost(run, expectation, i, expected) == expectation->negated)
            tally_fail(&tally, i, run->world->letters[i].name, expectation->what_at,
                       expectation->negated ? "lost" : "not lost");
    }
    tally_report(run, expectation, &tally);
}

/* --- states and counts -----------------------------------------------------------------------*/

static void judge_stage(struct run *run, const struct expectation *expectation)
{
    struct tally tally = {0};

    for (size_t i = 0; i < run->world->letter_count; i++) {
        enum stage stage = STAGE_S1;
        char why[100];

        if (!selector_matches(run->scenario, &expectation->message, i))
            continue;
        for (size_t k = 0; k < run->world->entry_count; k++) {
            const struct entry *entry = &run->world->entries[k];

            if (entry->letter == i && entry->bounce == expectation->message.bounce &&
                entry_stage_at(entry, expectation->when.from_ns) > stage)
                stage = entry_stage_at(entry, expectation->when.from_ns);
        }
        tally.asked++;
        snprintf(why, sizeof why, "in %s at that time", stage_name(stage));
        if ((stage == expectation->stage) == expectation->negated)
            tally_fail(&tally, i, run->world->letters[i].name, expectation->when.at, why);
    }
    tally_report(run, expectation, &tally);
}

static size_t in_spool_at(const struct run *run, size_t host, int64_t time_ns)
{
    size_t count = 0;

    for (size_t i = 0; i < run->world->entry_count; i++)
        count += run->world->entries[i].machine == host &&
                 entry_stage_at(&run->world->entries[i], time_ns) > STAGE_S1;
    return count;
}

static void judge_spool(struct run *run, const struct expectation *expectation)
{
    int64_t end = run->result->simulated_ns, from = end, latest = 0;
    size_t count;
    char time[TIME_TEXT];

    if (expectation->when.kind == WHEN_AT)
        from = expectation->when.from_ns;
    else if (expectation->when.kind == WHEN_BY)
        from = expectation->when.to_ns - 1;
    count = in_spool_at(run, expectation->host, from);
    if (count != expectation->count) {
        run_fail(run, where(expectation), NULL, "the spool of %s holds %zu at +%s, not %llu",
                 run->scenario->hosts[expectation->host].name, count, time_format(time, from),
                 (unsigned long long) expectation->count);
        return;
    }
    if (expectation->when.kind != WHEN_BY || expectation->count > 0)
        return;
    for (size_t i = 0; i < run->world->entry_count; i++) {
        const struct entry *entry = &run->world->entries[i];

        for (size_t k = 0; k < entry->history_count; k++)
            if (entry->machine == expectation->host && entry->history[k].time_ns > latest &&
                entry->history[k].stage > STAGE_S1)
                latest = entry->history[k].time_ns;
    }
    if (latest > from)
        run_fail(run, where(expectation), NULL, "the spool of %s is not empty again at +%s",
                 run->scenario->hosts[expectation->host].name, time_format(time, latest));
}

static void report_count(struct run *run, const struct expectation *expectation, size_t count,
                         const char *what)
{
    char when[2 * TIME_TEXT + 10];
    bool met = expectation->counted ? count == expectation->count : count > 0;

    if (met)
        return;
    when_text(&expectation->when, when);
    if (expectation->counted)
        run_fail(run, expectation->what_at, NULL, "%zu %s%s, not %llu", count, what, when,
                 (unsigned long long) expectation->count);
    else
        run_fail(run, expectation->what_at, NULL, "no %s%s", what, when);
}

static void judge_log(struct run *run, const struct expectation *expectation)
{
    size_t count = 0;

    for (size_t i = 0; i < run->world->line_count; i++) {
        const struct log_line *line = &run->world->lines[i];

        count += line->machine == expectation->host && in_time(&expectation->when, line->time_ns) &&
                 pattern_found(expectation->pattern, line->text, strlen(line->text), false);
    }
    report_count(run, expectation, count, "such log lines");
}

static const char *run_trouble(const struct detail *detail, const struct program_run *run)
{
    size_t length;

    if (detail->kind == DETAIL_ARGUMENTS)
        return pattern_matches(detail->pattern, run->arguments, false) ? NULL
                                                                       : "its arguments are others";
    if (detail->kind != DETAIL_ENVIRONMENT)
        return detail_trouble(detail, run->input ? run->input : "", run->input_size, true);
    length = strlen(detail->name);
    for (size_t i = 0; i < run->environment_count; i++)
        if (strncmp(run->environment[i], detail->name, length) == 0 &&
            run->environment[i][length] == '=')
            return pattern_matches(detail->pattern, run->environment[i] + length + 1, false)
                       ? NULL
                       : "the variable has another value";
    return "there is no such variable";
}

static void judge_program(struct run *run, const struct expectation *expectation)
{
    size_t count = 0;

    for (size_t i = 0; i < run->world->run_count; i++) {
        const struct program_run *program = &run->world->runs[i];

        if (program->machine != expectation->host ||
            strcmp(program->program, expectation->name) != 0 ||
            !in_time(&expectation->when, program->start_ns))
            continue;
        count++;
        for (size_t k = 0; k < expectation->detail_count; k++) {
            const char *trouble = run_trouble(&expectation->details[k], program);

            if (trouble)
                run_fail(run, expectation->details[k].at, NULL, "run %llu of %s: %s",
                         (unsigned long long) program->number, program->program, trouble);
        }
    }
    report_count(run, expectation, count, "runs");
}

static void judge_mbox(struct run *run, const struct expectation *expectation)
{
    char path[1200];
    size_t count = 0;

    snprintf(path, sizeof path, "/home/%s/%s", expectation->user->name, expectation->name);
    for (size_t i = 0; i < run->world->copy_count; i++)
        count += run->world->copies[i].kind == COPY_MBOX &&
                 run->world->copies[i].machine == expectation->host &&
                 strcmp(run->world->copies[i].place, path) == 0;
    report_count(run, expectation, count, "messages in it");
}

/* --- all of it -------------------------------------------------------------------------------*/

static void judge(struct run *run, const struct expectation *expectation, bool *expected)
{
    switch (expectation->kind) {
    case EXPECT_ACCEPTED:
    case EXPECT_REFUSED:
        judge_answer(run, expectation);
        break;
    case EXPECT_DELIVERED:
        judge_delivered(run, expectation);
        break;
    case EXPECT_BOUNCED:
        judge_bounced(run, expectation);
        break;
    case EXPECT_LOST:
        judge_lost(run, expectation, expected);
        break;
    case EXPECT_STAGE:
        judge_stage(run, expectation);
        break;
    case EXPECT_PROGRAM:
        judge_program(run, expectation);
        break;
    case EXPECT_LOG:
        judge_log(run, expectation);
        break;
    case EXPECT_SPOOL:
        judge_spool(run, expectation);
        break;
    case EXPECT_MBOX:
        judge_mbox(run, expectation);
        break;
    case EXPECT_TOOK:
    case EXPECT_TRIED:
    case EXPECT_CONNECTED:
    case EXPECT_ASKED:
        run_fail(run, expectation->at, NULL, "there is no network in this world yet");
        break;
    }
}

static bool is_allowed(const struct run *run, const struct violation *violation)
{
    if (strcmp(violation->promise, "DUPLICATE") != 0 || violation->letter == NO_LETTER)
        return false;
    for (size_t i = 0; i < run->scenario->duplicate_count; i++) {
        const struct selector *selector = &run->scenario->duplicates[i].message;

        if (selector_matches(run->scenario, selector, violation->letter) &&
            (!selector->recipient || !violation->recipient ||
             pattern_matches(selector->recipient, violation->recipient, true)))
            return true;
    }
    return false;
}

/* What was to happen and never did: a story that was not told. */
static void judge_events(struct run *run)
{
    for (size_t i = 0; i < run->scenario->event_count; i++) {
        const struct event *event = &run->scenario->events[i];

        if (event->trigger.kind != TRIGGER_TIME && event->trigger.kind != TRIGGER_CRASH &&
            !run->fired[i])
            run_fail(run, event->trigger.at, NULL, "this never happened");
    }
    for (size_t i = 0; i < run->scenario->fault_count; i++)
        if (run->world->faults[i].seen < run->world->faults[i].first)
            run_fail(run, run->scenario->faults[i].at, NULL,
                     "this never happened: there were %llu such calls",
                     (unsigned long long) run->world->faults[i].seen);
}

/* Broken promises first: they are why expectations fail. */
static void sort_failures(struct run_result *result)
{
    for (size_t i = 1; i < result->failure_count; i++)
        for (size_t k = i; k > 0 && result->failures[k].promise && !result->failures[k - 1].promise;
             k--) {
            struct failure swap = result->failures[k];

            result->failures[k] = result->failures[k - 1];
            result->failures[k - 1] = swap;
        }
}

void expect_judge(struct run *run)
{
    struct world *world = run->world;
    bool *expected = must_alloc(world->violation_count + 1);
    struct position nowhere = {0};

    memset(expected, 0, world->violation_count + 1);
    if (!run->options->only_oracles) {
        judge_events(run);
        for (size_t i = 0; i < run->scenario->expectation_count; i++)
            judge(run, &run->scenario->expectations[i], expected);
    }
    for (size_t i = 0; i < world->violation_count; i++) {
        const struct violation *violation = &world->violations[i];
        struct failure *failure;
        char time[TIME_TEXT];

        if (expected[i] || is_allowed(run, violation))
            continue;
        failure = run_fail(run, nowhere, violation->promise, "%s (at +%s)", violation->text,
                           time_format(time, violation->time_ns));
        if (violation->letter != NO_LETTER)
            failure->detail = story_of(run, violation->letter, violation->bounce);
    }
    free(expected);
    sort_failures(run->result);
}

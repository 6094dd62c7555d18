/* SPDX-License-Identifier: ISC */
/* Judges what a scenario expects, and passes on what the oracles found. */
#include <stdlib.h>
#include <string.h>

#include "sim/scenario/expect.h"
#include "sim/world/internal.h"

/* --- saying what failed ----------------------------------------------------------------------*/

void tally_fail(struct tally *tally, size_t letter, const char *name, struct position at,
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

void tally_report(struct run *run, const struct expectation *expectation, const struct tally *tally)
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

/* --- details of messages ---------------------------------------------------------------------*/

const char *detail_trouble(const struct detail *detail, const char *data, size_t size,
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

/* The trouble in more words: what a field holds instead.  Its bytes are a stranger's: what could
 * confuse a terminal becomes '?'. */
static const char *explain_trouble(const struct detail *detail, const char *data, size_t size,
                                   const char *trouble, char to[300])
{
    char value[200];

    if (detail->kind != DETAIL_HEADER ||
        !header_value(data, size, detail->name, value, sizeof value))
        return trouble;
    for (char *c = value; *c; c++)
        if ((unsigned char) *c < ' ' || *c == 127)
            *c = '?';
    snprintf(to, 300, "%s: %s", trouble, value);
    return to;
}

bool details_hold(struct tally *tally, const struct expectation *expectation, size_t letter,
                  const char *name, const char *data, size_t size, bool unchanged)
{
    for (size_t i = 0; i < expectation->detail_count; i++) {
        const char *trouble = detail_trouble(&expectation->details[i], data, size, unchanged);

        char why[300];

        if (trouble) {
            tally_fail(tally, letter, name, expectation->details[i].at,
                       explain_trouble(&expectation->details[i], data, size, trouble, why));
            return false;
        }
    }
    return true;
}

/* --- accepted, refused -----------------------------------------------------------------------*/

/* What the submitter was told: of one recipient, or of the message as a whole. */
struct told {
    bool accepted, refused;
    int code;
    int64_t time_ns;
    uint64_t count; /* of acceptances */
};

static struct told told_of(const struct letter *letter, size_t recipient)
{
    struct told told = {.accepted = letter->state == LETTER_ACCEPTED,
                        .refused = letter->state == LETTER_REFUSED,
                        .code = letter->code,
                        .time_ns = letter->ended_ns,
                        .count = letter->state == LETTER_ACCEPTED};

    if (!letter->answers || letter->recipient_count == 0)
        return told;
    if (recipient != SIZE_MAX) {
        const struct recipient_answer *answer = &letter->answers[recipient];

        told.accepted = answer->accepted;
        told.refused = !answer->accepted && letter->state == LETTER_REFUSED;
        told.code = (int) answer->code;
        told.time_ns = answer->time_ns;
        told.count = answer->accepted_count;
    } else if (told.accepted) {
        told.count = letter->answers[0].accepted_count;
    }
    return told;
}

static bool answer_is_met(const struct run *run, const struct expectation *expectation,
                          size_t letter, const struct told *told)
{
    if (!when_holds(run, &expectation->when, letter, told->time_ns))
        return false;
    if (expectation->kind == EXPECT_REFUSED)
        return told->refused && (expectation->code < 0 || expectation->code == told->code);
    return told->accepted && (!expectation->counted || expectation->count == told->count);
}

static const char *answer_words(const struct letter *letter, const struct told *told, char *to,
                                size_t size)
{
    char time[TIME_TEXT];

    time_format(time, told->time_ns);
    if (told->accepted && told->count > 1)
        snprintf(to, size, "accepted %llu times, at first at +%s", (unsigned long long) told->count,
                 time);
    else if (told->accepted)
        snprintf(to, size, "accepted at +%s", time);
    else if (told->refused && letter->reply)
        snprintf(to, size, "refused at +%s: %.200s", time, letter->reply);
    else if (told->refused)
        snprintf(to, size, "refused with %d at +%s", told->code, time);
    else
        snprintf(to, size, "%s",
                 letter->state == LETTER_CUT       ? "its submitter was killed"
                 : letter->state == LETTER_RUNNING ? "its submitter never ended"
                                                   : "never submitted");
    return to;
}

static void judge_told(const struct run *run, const struct expectation *expectation, size_t index,
                       size_t recipient, struct tally *tally)
{
    const struct letter *letter = &run->world->letters[index];
    struct told told = told_of(letter, recipient);
    char why[300];

    tally->asked++;
    if (answer_is_met(run, expectation, index, &told) == expectation->negated)
        tally_fail(tally, index, letter->name, when_position(expectation),
                   answer_words(letter, &told, why, sizeof why));
}

static void judge_answer(struct run *run, const struct expectation *expectation)
{
    const char *recipient = expectation->message.recipient;
    struct tally tally = {0};

    for (size_t i = 0; i < run->world->letter_count; i++) {
        const struct letter *letter = &run->world->letters[i];

        if (!selector_matches(run->scenario, &expectation->message, i))
            continue;
        if (!recipient)
            judge_told(run, expectation, i, SIZE_MAX, &tally);
        for (size_t k = 0; recipient && k < letter->recipient_count; k++)
            if (pattern_matches(recipient, letter->recipients[k], true))
                judge_told(run, expectation, i, k, &tally);
    }
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
        struct range entries;
        int64_t time_ns;
        char why[100];

        if (!selector_matches(run->scenario, &expectation->message, i))
            continue;
        entries = world_entries_of(run->world, i);
        time_ns = when_start(run, &expectation->when, i);
        for (size_t k = 0; k < entries.count; k++) {
            const struct entry *entry = &run->world->entries[entries.items[k]];

            if (entry_is_selected(run, &expectation->message, entry) &&
                entry_stage_at(entry, time_ns) > stage)
                stage = entry_stage_at(entry, time_ns);
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
        from = when_start(run, &expectation->when, NO_LETTER);
    else if (expectation->when.kind == WHEN_BY)
        from = when_end(run, &expectation->when, NO_LETTER) - 1;
    count = in_spool_at(run, expectation->host, from);
    if (count != expectation->count) {
        run_fail(run, when_position(expectation), NULL,
                 "the spool of %s holds %zu at +%s, not %llu",
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
        run_fail(run, when_position(expectation), NULL, "the spool of %s is not empty again at +%s",
                 run->scenario->hosts[expectation->host].name, time_format(time, latest));
}

void report_count(struct run *run, const struct expectation *expectation, size_t count,
                  const char *what)
{
    char when[WHEN_TEXT];
    bool met = expectation->counted ? count == expectation->count : count > 0;

    if (met != expectation->negated)
        return;
    when_text(run, &expectation->when, NO_LETTER, when);
    if (expectation->negated)
        run_fail(run, expectation->what_at, NULL, "%zu %s%s", count, what, when);
    else if (expectation->counted)
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

        count += line->machine == expectation->host &&
                 when_holds(run, &expectation->when, NO_LETTER, line->time_ns) &&
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
            !when_holds(run, &expectation->when, NO_LETTER, program->start_ns))
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
        judge_took(run, expectation);
        break;
    case EXPECT_TRIED:
        judge_tried(run, expectation);
        break;
    case EXPECT_CONNECTED:
        judge_connected(run, expectation);
        break;
    case EXPECT_ASKED:
        judge_asked(run, expectation);
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

/* What was to happen and never did: a story that was not told.  One that expects nothing is for the
 * oracles. */
static void judge_events(struct run *run)
{
    if (run->scenario->expectation_count == 0)
        return;
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

/* A line before the story. */
static void tell_unsynced(struct failure *failure, const char *unsynced)
{
    char *story = failure->detail;
    size_t size = strlen(unsynced) + (story ? strlen(story) : 0) + 50;

    failure->detail = must_alloc(size);
    snprintf(failure->detail, size, "  acknowledged while unsynced: %s\n%s", unsynced,
             story ? story : "");
    free(story);
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
        if (violation->unsynced)
            tell_unsynced(failure, violation->unsynced);
    }
    free(expected);
    sort_failures(run->result);
}

/* SPDX-License-Identifier: ISC */
#include "sim/explore/shrink.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sim/explore/shrink_steps.h"
#include "sim/scenario/scenario.h"

#define RUNS_MAX 4000
#define SECONDS_MAX 60
#define ROUNDS_MAX 8
#define CALLS_MAX 3000000 /* of the run of the scenario as it is given */
#define FLAWS_MAX 20
#define REPAIRS_MAX 40

/* --- bounds -----------------------------------------------------------------------------------*/

static int64_t now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t) time.tv_sec * NANOSECONDS + time.tv_nsec;
}

static bool is_exhausted(struct shrinker *shrinker)
{
    if (shrinker->runs >= shrinker->runs_max || now_ns() >= shrinker->deadline_ns)
        shrinker->exhausted = true;
    return shrinker->exhausted;
}

/* --- trying -----------------------------------------------------------------------------------*/

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t size)
{
    for (const unsigned char *at = bytes; size-- > 0; at++)
        hash = (hash ^ *at) * 0x100000001b3u;
    return hash;
}

static bool is_new(struct shrinker *shrinker, const struct run_options *run, const char *text,
                   size_t size)
{
    uint64_t hash = hash_bytes(0xcbf29ce484222325u, text, size);
    hash = hash_bytes(hash, &run->seed, sizeof run->seed);
    hash = hash_bytes(hash, &run->policy, sizeof run->policy);
    hash = hash_bytes(hash, &run->knobs, sizeof run->knobs);
    return seen_add(&shrinker->tried, hash);
}

static void note_failure(struct shrinker *shrinker, const struct scenario *scenario,
                         const struct failure *failure)
{
    free(shrinker->failure.message);
    free(shrinker->subject);
    shrinker->failure = *failure;
    shrinker->failure.message = must_copy(failure->message, strlen(failure->message));
    shrinker->failure.detail = NULL;
    shrinker->subject = NULL;
    for (size_t i = 0; i < scenario->message_count && !shrinker->subject; i++) {
        const char *name = scenario->messages[i].name, *at = strstr(failure->message, name);
        if (at && (at == failure->message || at[-1] == ' ' || at[-1] == '(') &&
            !strchr("0123456789", at[strlen(name)]))
            shrinker->subject = must_copy(name, strlen(name));
    }
}

/* True if that fails for the reason. */
static bool fails(struct shrinker *shrinker, const struct scenario *scenario,
                  const struct run_options *run)
{
    struct run_result result;
    shrinker->runs++;
    scenario_run(scenario, run, &result);
    const struct failure *failure = reason_find(&shrinker->reason, scenario, &result);
    if (result.simulated_ns > shrinker->length_max_ns)
        failure = NULL;
    bool found = failure != NULL;
    if (found)
        note_failure(shrinker, scenario, failure);
    run_result_free(&result);
    return found;
}

static void adopt(struct shrinker *shrinker, char *text, size_t size)
{
    if (shrinker->options->progress)
        fprintf(shrinker->options->progress, "%llu runs, %zu bytes: %s\n",
                (unsigned long long) shrinker->runs, size, shrinker->step);
    free(shrinker->text);
    shrinker->text = text;
    shrinker->size = size;
    shrinker->changed = true;
}

/* Tries `text`, which is malloc'd and used up. */
static bool offer_scenario(struct shrinker *shrinker, const struct scenario *scenario, char *text,
                           size_t size)
{
    if (!is_exhausted(shrinker) && is_new(shrinker, &shrinker->run, text, size) &&
        fails(shrinker, scenario, &shrinker->run)) {
        adopt(shrinker, text, size);
        return true;
    }
    free(text);
    return false;
}

void shrink_open(const struct shrinker *shrinker, struct draft *draft)
{
    if (draft_read(draft, shrinker->text, shrinker->size) < 0)
        abort(); /* it was printed by the printer */
}

bool shrink_offer(struct shrinker *shrinker, struct draft *draft)
{
    struct flaw flaws[1];
    size_t count, size;
    char *text = draft_print(draft, &size);
    draft_free(draft);
    struct scenario *scenario = scenario_try(shrinker->name, text, size, flaws, 0, &count);
    if (!scenario) {
        free(text);
        return false;
    }
    bool better = offer_scenario(shrinker, scenario, text, size);
    scenario_free(scenario);
    return better;
}

/* Leaves out what is wrong.  False if that cannot be. */
static bool repair(struct draft *draft, const struct flaw *flaws, size_t count)
{
    struct statement *wrong[FLAWS_MAX];
    size_t index;
    for (size_t i = 0; i < count; i++)
        wrong[i] = draft_on_line(draft, flaws[i].line);
    for (size_t i = 0; i < count; i++) {
        if (!wrong[i])
            return false;
        struct statement *parent = draft_parent(draft, wrong[i], &index);
        if (parent)
            statements_remove(parent, index, 1);
    }
    return count > 0;
}

bool shrink_offer_repaired(struct shrinker *shrinker, struct draft *draft)
{
    struct flaw flaws[FLAWS_MAX];
    for (int i = 0; i < REPAIRS_MAX; i++) {
        size_t size, count;
        char *text = draft_print(draft, &size);
        draft_free(draft);
        struct scenario *scenario =
            scenario_try(shrinker->name, text, size, flaws, FLAWS_MAX, &count);
        if (scenario) {
            bool better = offer_scenario(shrinker, scenario, text, size);
            scenario_free(scenario);
            return better;
        }
        bool readable = draft_read(draft, text, size) == 0;
        free(text);
        if (!readable)
            return false;
        if (!repair(draft, flaws, count))
            break;
    }
    draft_free(draft);
    return false;
}

bool shrink_offer_run(struct shrinker *shrinker, const struct run_options *run)
{
    size_t count;
    if (is_exhausted(shrinker) || !is_new(shrinker, run, shrinker->text, shrinker->size))
        return false;
    struct scenario *scenario =
        scenario_try(shrinker->name, shrinker->text, shrinker->size, NULL, 0, &count);
    bool better = fails(shrinker, scenario, run);
    if (better)
        shrinker->run = *run;
    scenario_free(scenario);
    return better;
}

/* --- lists ------------------------------------------------------------------------------------*/

static size_t list_count(struct shrinker *shrinker, const struct shrink_list *list)
{
    struct draft draft;
    shrink_open(shrinker, &draft);
    size_t count = list->count(&draft, list);
    draft_free(&draft);
    return count;
}

static bool drop_part(struct shrinker *shrinker, const struct shrink_list *list, size_t at,
                      size_t count)
{
    struct draft draft;
    shrink_open(shrinker, &draft);
    if (list->drop(&draft, list, at, count))
        return shrink_offer_repaired(shrinker, &draft);
    draft_free(&draft);
    return false;
}

void shrink_list(struct shrinker *shrinker, const struct shrink_list *list)
{
    size_t count = list_count(shrinker, list), part = count;
    while (part > 0 && !shrinker->exhausted) {
        for (size_t end = count; end >= part && !shrinker->exhausted;) {
            if (drop_part(shrinker, list, end - part, part))
                count = list_count(shrinker, list);
            end = end - part < count ? end - part : count;
        }
        part = part > count && count > 0 ? count : part / 2;
    }
}

/* --- all of it --------------------------------------------------------------------------------*/

static void try_plain_run(struct shrinker *shrinker)
{
    struct run_options plain = shrinker->run;
    plain.knobs = false;
    if (shrinker->run.knobs)
        shrink_offer_run(shrinker, &plain);
    plain = shrinker->run;
    plain.policy = SCHEDULE_ROUND_ROBIN;
    plain.seed = 1;
    if (shrinker->run.policy == plain.policy && shrinker->run.seed == plain.seed)
        return;
    if (shrink_offer_run(shrinker, &plain))
        return;
    plain = shrinker->run;
    plain.policy = SCHEDULE_ROUND_ROBIN;
    shrink_offer_run(shrinker, &plain);
    for (plain.seed = 1; plain.seed < 20 && plain.seed < shrinker->run.seed; plain.seed++)
        if (shrink_offer_run(shrinker, &plain))
            return;
}

static void shrink_round(struct shrinker *shrinker)
{
    static const struct {
        const char *name;
        void (*work)(struct shrinker *shrinker);
        bool careful; /* what is expected cannot hang on it */
    } steps[] = {
        {"seed and schedule", try_plain_run, true}, {"boots", shrink_boots, false},
        {"moments", shrink_moments, false},         {"statements", shrink_statements, true},
        {"recipients", shrink_recipients, true},    {"words", shrink_words, false},
        {"counts", shrink_counts, false},           {"times", shrink_times, false},
        {"what the disk lost", shrink_pins, false}, {"names", shrink_names, true}};
    for (size_t i = 0; i < sizeof steps / sizeof *steps && !shrinker->exhausted; i++) {
        shrinker->step = steps[i].name;
        if (shrinker->reason.promise || steps[i].careful)
            steps[i].work(shrinker);
    }
}

/* Runs the text as it was given, and notes why it fails. */
static int find_reason(struct shrinker *shrinker, const char **why)
{
    const struct shrink_options *options = shrinker->options;
    const struct failure *found = NULL;
    struct run_result result;
    size_t count;
    struct scenario *scenario =
        scenario_try(shrinker->name, shrinker->text, shrinker->size, NULL, 0, &count);
    *why = "it is no scenario";
    if (!scenario || scenario_plays(scenario, stderr) < 0) {
        scenario_free(scenario);
        return -1;
    }
    shrinker->run.calls_max = CALLS_MAX;
    shrinker->runs++;
    scenario_run(scenario, &shrinker->run, &result);
    for (size_t i = 0; i < result.failure_count && !found; i++) {
        const struct failure *failure = &result.failures[i];
        if ((!options->promise ||
             (failure->promise && strcmp(failure->promise, options->promise) == 0)) &&
            (!options->message || strcmp(failure->message, options->message) == 0))
            found = failure;
    }
    *why = result.verdict == VERDICT_HELD     ? "it does not fail"
           : result.verdict != VERDICT_FAILED ? "it cannot be played to its end"
                                              : "it does not fail with that promise";
    if (found && result.verdict == VERDICT_FAILED) {
        reason_of(scenario, found, &shrinker->reason);
        note_failure(shrinker, scenario, found);
        shrinker->run.calls_max = result.calls * 3 + 20000;
        shrinker->length_max_ns = result.simulated_ns * 2 + 120 * NANOSECONDS;
    } else {
        found = NULL;
    }
    run_result_free(&result);
    scenario_free(scenario);
    return found ? 0 : -1;
}

static void give_result(struct shrinker *shrinker, struct shrink_result *result)
{
    *result = (struct shrink_result){.text = shrinker->text,
                                     .size = shrinker->size,
                                     .promise = shrinker->failure.promise,
                                     .message = shrinker->failure.message,
                                     .seed = shrinker->run.seed,
                                     .policy = shrinker->run.policy,
                                     .knobs = shrinker->run.knobs,
                                     .runs = shrinker->runs,
                                     .complete = !shrinker->exhausted};
}

int shrink(const char *name, const char *text, size_t size, const struct shrink_options *options,
           struct shrink_result *result, const char **why)
{
    struct shrinker shrinker = {.options = options, .name = name};
    double seconds = options->seconds > 0 ? options->seconds : SECONDS_MAX;
    shrinker.runs_max = options->runs ? options->runs : RUNS_MAX;
    shrinker.deadline_ns = now_ns() + (int64_t) (seconds * (double) NANOSECONDS);
    shrinker.run = (struct run_options){.seed = options->seed ? options->seed : 1,
                                        .policy = options->policy,
                                        .knobs = options->knobs};
    memset(result, 0, sizeof *result);
    int status = shrink_start(&shrinker, text, size, why);
    if (status == 0)
        status = find_reason(&shrinker, why);
    if (status == 0) {
        shrinker.changed = true;
        for (int i = 0; i < ROUNDS_MAX && shrinker.changed && !shrinker.exhausted; i++) {
            shrinker.changed = false;
            shrink_round(&shrinker);
        }
        bool exhausted = shrinker.exhausted;
        shrink_tell(&shrinker);
        shrinker.exhausted = exhausted;
        give_result(&shrinker, result);
    } else {
        free(shrinker.text);
        free(shrinker.failure.message);
    }
    free(shrinker.subject);
    reason_free(&shrinker.reason);
    seen_free(&shrinker.tried);
    return status;
}

void shrink_result_free(struct shrink_result *result)
{
    free(result->text);
    free(result->message);
    *result = (struct shrink_result){0};
}

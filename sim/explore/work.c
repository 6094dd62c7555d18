/* SPDX-License-Identifier: ISC */
#include "sim/explore/work.h"

#include <stdlib.h>
#include <string.h>

#include "sim/explore/seen.h"
#include "sim/world/pool.h"
#include "sim/world/template.h"

#define UNITS_KEPT 8 /* loaded at a time */
#define CHOICE_STREAM 91

/* A unit that this worker has worked on. */
struct kept_unit {
    size_t index;
    bool loaded;
    struct explore_unit unit;
    struct template template;
    struct outcomes base; /* of the run in which nothing goes wrong, if has_base */
    bool has_base;
    struct seen told; /* situations */
};

struct work {
    const struct exploration *exploration;
    struct kept_unit units[UNITS_KEPT];
    size_t next; /* to be given up */
};

/* What one task finds. */
struct look {
    const struct work_task *task;
    struct points points;
    struct points_options options;
    bool tells_equals;  /* states whose hash was told, too: some are audited */
    struct seen states; /* hashes told */
    struct seen keys;   /* situations told of what is not told in full */
    struct random random;
    struct wire told;     /* candidates */
    uint64_t told_count;  /* of them */
    uint64_t state_count; /* of all, told or not */
    struct wire *chosen;  /* `choice` candidates of those that are left */
    uint64_t offered;     /* how many were left */
};

void work_task_put(struct wire *wire, const struct work_task *task)
{
    wire_put(wire, task->unit);
    wire_put(wire, task->walks);
    wire_put(wire, task->chunk);
    wire_put(wire, task->chunks);
    wire_put(wire, task->choice);
    plan_put(wire, &task->plan);
}

static void work_task_get(struct wire_reader *reader, struct work_task *task)
{
    task->unit = wire_get(reader);
    task->walks = wire_get(reader);
    task->chunk = (unsigned) wire_get(reader);
    task->chunks = (unsigned) wire_get(reader);
    task->choice = wire_get(reader);
    plan_get(reader, &task->plan);
}

/* --- units ------------------------------------------------------------------------------------*/

struct work *work_start(const struct exploration *exploration)
{
    struct work *work = must_zeroed(sizeof *work);
    work->exploration = exploration;
    return work;
}

static void give_up(struct work *work, struct kept_unit *kept)
{
    const struct exploration *exploration = work->exploration;
    if (kept->loaded && exploration->release)
        exploration->release(exploration->context, &kept->unit);
    template_free(&kept->template);
    outcomes_free(&kept->base);
    seen_free(&kept->told);
    memset(kept, 0, sizeof *kept);
}

void work_end(struct work *work)
{
    for (size_t i = 0; i < UNITS_KEPT; i++)
        give_up(work, &work->units[i]);
    free(work);
}

static struct kept_unit *unit_of(struct work *work, size_t index)
{
    const struct exploration *exploration = work->exploration;
    for (size_t i = 0; i < UNITS_KEPT; i++)
        if (work->units[i].loaded && work->units[i].index == index)
            return &work->units[i];
    struct kept_unit *kept = &work->units[work->next++ % UNITS_KEPT];
    give_up(work, kept);
    kept->index = index;
    if (exploration->load(exploration->context, index, &kept->unit) < 0)
        abort(); /* the caller could load it */
    kept->loaded = true;
    return kept;
}

/* --- candidates -------------------------------------------------------------------------------*/

static void put_candidate(struct wire *wire, const struct candidate *candidate)
{
    struct wire planned = {0};
    planned_put(&planned, &candidate->planned);
    wire_put(wire, candidate->order);
    wire_put(wire, candidate->hash);
    wire_put(wire, candidate->key);
    wire_put(wire, planned.size);
    wire_put_bytes(wire, planned.bytes, planned.size);
    wire_free(&planned);
}

/* Each of all that are offered is among the chosen with the same chance. */
static void offer(struct look *look, const struct candidate *candidate)
{
    size_t choice = look->task->choice;
    uint64_t place = look->offered++;
    if (place >= choice)
        place = random_below(&look->random, look->offered);
    if (place >= choice)
        return;
    look->chosen[place].size = 0;
    put_candidate(&look->chosen[place], candidate);
}

static bool is_told_in_full(const struct look *look, const struct candidate *candidate)
{
    return look->task->choice == 0 || candidate->hash;
}

static void note_candidate(void *context, const struct candidate *candidate)
{
    struct look *look = context;
    look->state_count++;
    if (candidate->hash && !look->tells_equals && !seen_add(&look->states, candidate->hash))
        return;
    if (!is_told_in_full(look, candidate) &&
        (candidate->key == 0 || !seen_add(&look->keys, candidate->key))) {
        offer(look, candidate);
        return;
    }
    put_candidate(&look->told, candidate);
    look->told_count++;
}

/* --- answers ----------------------------------------------------------------------------------*/

static void failure_put(struct wire *wire, const struct explore_failure *failure)
{
    plan_put(wire, &failure->plan);
    wire_put_text(wire, failure->crash);
    wire_put_text(wire, failure->cuts);
    wire_put_text(wire, failure->promise);
    wire_put_text(wire, failure->message);
    wire_put_text(wire, failure->detail);
    wire_put(wire, failure->crash_count);
    for (size_t i = 0; i < failure->crash_count; i++) {
        const struct explore_crash *crash = &failure->crashes[i];
        wire_put_signed(wire, crash->time_ns);
        wire_put_text(wire, crash->host);
        wire_put_text(wire, crash->program);
        wire_put_text(wire, crash->lost);
        wire_put_text(wire, crash->line);
    }
}

static void failure_get(struct wire_reader *reader, struct explore_failure *failure)
{
    plan_get(reader, &failure->plan);
    failure->crash = wire_get_text(reader);
    failure->cuts = wire_get_text(reader);
    failure->promise = wire_get_text(reader);
    failure->message = wire_get_text(reader);
    failure->detail = wire_get_text(reader);
    uint64_t count = wire_get_count(reader);
    for (uint64_t i = 0; i < count && i < failure->plan.count; i++) {
        struct explore_crash *crash = LIST_ADD(failure->crashes, failure->crash_count);
        const struct planned *planned = &failure->plan.upsets[i];
        crash->kind = planned->kind;
        crash->fault = planned->fault;
        crash->time_ns = wire_get_signed(reader);
        crash->host = wire_get_text(reader);
        char *program = wire_get_text(reader);
        crash->program = program ? program_named(program) : NULL;
        free(program);
        crash->lost = wire_get_text(reader);
        crash->line = wire_get_text(reader);
    }
}

static void put_situations(struct wire *wire, struct kept_unit *kept, const struct finding *finding)
{
    struct wire keys = {0};
    uint64_t count = 0;
    for (size_t i = 0; i < finding->situation_count; i++) {
        if (!seen_add(&kept->told, finding->situations[i]))
            continue;
        wire_put(&keys, finding->situations[i]);
        count++;
    }
    wire_put(wire, count);
    wire_put_bytes(wire, keys.bytes, keys.size);
    wire_free(&keys);
}

static void put_candidates(struct wire *wire, const struct look *look)
{
    uint64_t chosen = look->offered < look->task->choice ? look->offered : look->task->choice;
    wire_put(wire, look->points.looked_at);
    wire_put(wire, look->state_count);
    wire_put(wire, look->points.sampled);
    wire_put(wire, look->told_count + chosen);
    wire_put_bytes(wire, look->told.bytes, look->told.size);
    for (uint64_t i = 0; i < chosen; i++)
        wire_put_bytes(wire, look->chosen[i].bytes, look->chosen[i].size);
}

static void candidate_get(struct wire_reader *reader, struct work_candidate *candidate)
{
    candidate->order = wire_get(reader);
    candidate->hash = wire_get(reader);
    candidate->key = (uint32_t) wire_get(reader);
    candidate->planned_size = wire_get_count(reader);
    candidate->planned = reader->at;
    reader->at += candidate->planned_size;
}

int work_answer_get(struct wire_reader *reader, struct work_answer *answer)
{
    memset(answer, 0, sizeof *answer);
    answer->failed = wire_get(reader);
    if (answer->failed)
        failure_get(reader, &answer->failure);
    answer->repeated = wire_get(reader);
    answer->outcome = wire_get(reader);
    answer->marks = wire_get(reader);
    answer->calls = wire_get(reader);
    for (uint64_t count = wire_get_count(reader); count > 0; count--)
        *LIST_ADD(answer->situations, answer->situation_count) = (uint32_t) wire_get(reader);
    answer->points = wire_get(reader);
    answer->states = wire_get(reader);
    answer->sampled = wire_get(reader);
    uint64_t count = wire_get_count(reader);
    answer->candidates = must_alloc((count + 1) * sizeof *answer->candidates);
    while (answer->candidate_count < count)
        candidate_get(reader, &answer->candidates[answer->candidate_count++]);
    if (!reader->broken)
        return 0;
    work_answer_free(answer);
    return -1;
}

void work_answer_free(struct work_answer *answer)
{
    if (answer->failed)
        explore_failure_free(&answer->failure);
    free(answer->situations);
    free(answer->candidates);
    memset(answer, 0, sizeof *answer);
}

/* --- one task ---------------------------------------------------------------------------------*/

static uint64_t hash_plan(const struct plan *plan, uint64_t seed)
{
    struct wire wire = {0};
    uint64_t hash = seed ^ 0xcbf29ce484222325u;
    plan_put(&wire, plan);
    for (size_t i = 0; i < wire.size; i++)
        hash = (hash ^ wire.bytes[i]) * 0x100000001b3u;
    wire_free(&wire);
    return hash ^ hash >> 32;
}

static void look_start(struct look *look, const struct work_task *task,
                       const struct explore_options *options)
{
    const struct plan *plan = &task->plan;
    memset(look, 0, sizeof *look);
    look->task = task;
    look->chosen = must_zeroed((task->choice + 1) * sizeof *look->chosen);
    look->options = (struct points_options){.crashes = options->crashes,
                                            .faults = options->faults,
                                            .states = options->sample ? 0 : options->states,
                                            .seed = options->seed,
                                            .every = options->every,
                                            .chunk = task->chunk,
                                            .chunks = task->chunks};
    look->tells_equals = options->audit;
    if (plan->count)
        look->options.after = plan->upsets[plan->count - 1].call;
    random_seed(&look->random, hash_plan(plan, options->seed), CHOICE_STREAM);
    points_start(&look->points, &look->options, note_candidate, look);
}

static void look_end(struct look *look)
{
    for (size_t i = 0; i < look->task->choice; i++)
        wire_free(&look->chosen[i]);
    free(look->chosen);
    wire_free(&look->told);
    seen_free(&look->states);
    seen_free(&look->keys);
}

/* The same run once more, with all changed that must not change it. */
static void run_again(const struct plan_run *run, struct finding *finding)
{
    struct plan_run again = {.unit = run->unit,
                             .plan = run->plan,
                             .base = run->base,
                             .probe = run->probe,
                             .disturbed = true};
    struct finding second;
    run_plan(&again, &second);
    if (second.hash != finding->hash || second.disks != finding->disks ||
        second.failed != finding->failed) {
        struct explore_failure *failure = &finding->failure;
        if (finding->failed)
            explore_failure_free(failure);
        finding->failed = true;
        explore_failure_start(failure, run->plan, run->unit->scenario);
        explore_failure_say(failure, "DETERMINISM", "in two runs",
                            "the same run came to something else the second time");
    }
    finding_free(&second);
}

/* What a plan with a fault is judged by; NULL: it has none. */
static const struct outcomes *base_of(struct kept_unit *kept, const struct plan *plan)
{
    const struct explore_options *options = &kept->unit.options;
    struct run_options base = {.seed = options->seed,
                               .policy = options->policy,
                               .knobs = options->knobs,
                               .disk = options->disk,
                               .without = options->without,
                               .template = &kept->template,
                               .outcomes = &kept->base};
    struct run_result result;
    size_t i = 0;
    while (i < plan->count && plan->upsets[i].kind != UPSET_FAULT)
        i++;
    if (i == plan->count)
        return NULL;
    if (!kept->has_base) {
        scenario_run(kept->unit.scenario, &base, &result);
        run_result_free(&result);
        kept->has_base = true;
    }
    return &kept->base;
}

void work_do(void *context, struct wire_reader *reader, struct wire *answer)
{
    struct work *work = context;
    struct work_task task;
    struct look look;
    struct finding finding;
    work_task_get(reader, &task);
    struct kept_unit *kept = unit_of(work, task.unit);
    const struct explore_options *options = &kept->unit.options;
    struct plan_run run = {.unit = &kept->unit, .plan = &task.plan, .template = &kept->template};
    look_start(&look, &task, options);
    if (task.walks)
        run.points = &look.points;
    run.base = base_of(kept, &task.plan);
    run.probe = run.base && !task.walks; /* or it is walked through, too */
    run_plan(&run, &finding);
    bool repeats = options->repeat && task.chunk == 0 &&
                   hash_plan(&task.plan, options->seed) % options->repeat == 0;
    if (repeats)
        run_again(&run, &finding);
    wire_put(answer, finding.failed);
    if (finding.failed)
        failure_put(answer, &finding.failure);
    wire_put(answer, repeats);
    wire_put(answer, finding.outcome);
    wire_put(answer, finding.marks);
    wire_put(answer, finding.calls);
    put_situations(answer, kept, &finding);
    put_candidates(answer, &look);
    finding_free(&finding);
    look_end(&look);
    plan_free(&task.plan);
}

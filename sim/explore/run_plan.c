/* SPDX-License-Identifier: ISC */
#include "sim/explore/run_plan.h"

#include <stdlib.h>
#include <string.h>

#include "sim/explore/coverage.h"
#include "sim/explore/ledger.h"
#include "sim/explore/marks.h"
#include "sim/world/pool.h"

/* Gives answers again and puts those that were not "kept" in the words of a scenario. */
struct teller {
    struct chooser chooser;
    const struct chooser *inner;
    struct choose_replay replay;
    struct choose_random chance;
    char *lost;
    size_t length;
};

/* A run that is under way. */
struct runner {
    const struct plan_run *run;
    struct finding *finding;
    struct world *world;
    struct teller tellers[PLAN_UPSETS_MAX];
    struct explore_crash upsets[PLAN_UPSETS_MAX]; /* without `lost` */
    char *words;                                  /* for its last upset */
};

static unsigned tell_and_choose(void *context, unsigned count, const char *what)
{
    struct teller *teller = context;
    unsigned answer = teller->inner->choose(teller->inner->context, count, what);
    if (answer + 1 < count) {
        teller->lost = must_resize(teller->lost, teller->length + strlen(what) + 40);
        teller->length +=
            (size_t) (answer
                          ? sprintf(teller->lost + teller->length, "find %u \"%s\"\n", answer, what)
                          : sprintf(teller->lost + teller->length, "lose \"%s\"\n", what));
    }
    return answer;
}

/* --- what it looks like -----------------------------------------------------------------------*/

static void describe_call(struct runner *runner, const char *when, const struct call *call)
{
    char text[700];
    snprintf(text, sizeof text, "%s call %llu, %s %s%s%.250s%s%.250s", when,
             (unsigned long long) call->number, process_name(call->process), call_name(call->id),
             call->path ? " " : "", call->path ? call->path : "", call->path2 ? " " : "",
             call->path2 ? call->path2 : "");
    free(runner->words);
    runner->words = must_copy(text, strlen(text));
}

static void note_situation(struct finding *finding, uint32_t situation)
{
    for (size_t i = 0; i < finding->situation_count; i++)
        if (finding->situations[i] == situation)
            return;
    *LIST_ADD(finding->situations, finding->situation_count) = situation;
}

static void note_upset(struct runner *runner, size_t index, const struct call *call)
{
    const struct planned *planned = &runner->run->plan->upsets[index];
    struct explore_crash *upset = &runner->upsets[index];
    size_t host = planned->kind == UPSET_FAULT ? host_of_call(runner->world, call) : planned->host;
    const char *name = host < runner->world->host_count ? runner->world->machines[host].name : "";
    free(upset->host);
    upset->host = must_copy(name, strlen(name));
    upset->time_ns = call->time_ns;
    note_situation(runner->finding, coverage_of_upset(runner->world, planned, call, host));
    if (planned->kind == UPSET_FAULT)
        upset->program = program_named(process_name(call->process));
    describe_call(runner, planned->kind == UPSET_FAULT ? "in" : "after", call);
}

static int before_call(void *context, const struct call *call)
{
    struct runner *runner = context;
    const struct plan *plan = runner->run->plan;
    for (size_t i = 0; i < plan->count; i++)
        if (plan->upsets[i].kind == UPSET_FAULT && plan->upsets[i].call == call->number)
            note_upset(runner, i, call);
    if (runner->run->points)
        points_before(runner->run->points, runner->world, call);
    return 0;
}

static void after_call(void *context, const struct call *call)
{
    struct runner *runner = context;
    const struct plan *plan = runner->run->plan;
    for (size_t i = 0; i < plan->count; i++) /* of a call that failed before_call is not told */
        if (plan->upsets[i].call == call->number && !runner->upsets[i].host)
            note_upset(runner, i, call);
    if (runner->run->points)
        points_after(runner->run->points, runner->world, call);
    if (plan->count && call->result < 0) {
        uint32_t situation = coverage_of_failure(runner->world, call);
        if (situation)
            note_situation(runner->finding, situation);
    }
}

static void note_world(void *context, struct world *world)
{
    struct runner *runner = context;
    runner->world = world;
}

static void note_end(void *context, const struct world *world, const struct run_result *result)
{
    struct runner *runner = context;
    runner->finding->outcome =
        (ledger_outcome(world) ^ (uint64_t) result->verdict) * 0x9e3779b97f4a7c15u;
    runner->finding->marks = marks_of(world);
}

/* --- running ----------------------------------------------------------------------------------*/

void explore_failure_start(struct explore_failure *failure, const struct plan *plan,
                           const struct scenario *scenario)
{
    memset(failure, 0, sizeof *failure);
    plan_copy(&failure->plan, plan);
    failure->cuts = plan_words(plan, scenario);
}

static char *copy_or_null(const char *text)
{
    return text ? must_copy(text, strlen(text)) : NULL;
}

void explore_failure_say(struct explore_failure *failure, const char *promise, const char *where,
                         const char *message)
{
    failure->promise = copy_or_null(promise);
    failure->crash = copy_or_null(where);
    failure->message = copy_or_null(message);
}

/* Where the last of the plan happened: one that is not over, as a slow call, was told to nobody. */
static char *last_place(const struct plan *plan)
{
    uint64_t call = plan->count ? plan->upsets[plan->count - 1].call : 0;
    char text[40] = "without a crash";
    if (call)
        snprintf(text, sizeof text, "in call %llu", (unsigned long long) call);
    else if (plan->count)
        strcpy(text, "in an allocation"); /* which is in no call */
    return must_copy(text, strlen(text));
}

static void note_failure(struct runner *runner, const struct run_result *result)
{
    const struct plan *plan = runner->run->plan;
    struct explore_failure *failure = &runner->finding->failure;
    const struct failure *first = result->failure_count ? &result->failures[0] : NULL;
    explore_failure_start(failure, plan, runner->run->unit->scenario);
    failure->crash = runner->words ? copy_or_null(runner->words) : last_place(plan);
    failure->promise = copy_or_null(first ? first->promise : NULL);
    failure->message = copy_or_null(first ? first->message : "the run broke");
    failure->detail = copy_or_null(first ? first->detail : NULL);
    for (size_t i = 0, faults = 0; i < plan->count; i++) {
        struct explore_crash *crash = LIST_ADD(failure->crashes, failure->crash_count);
        const struct teller *teller = &runner->tellers[i];
        *crash = runner->upsets[i];
        crash->host = copy_or_null(crash->host ? crash->host : "");
        crash->lost = teller->lost ? must_copy(teller->lost, teller->length) : NULL;
        if (crash->kind == UPSET_FAULT)
            crash->line = copy_or_null(result->fault_lines[faults++]);
    }
}

/* What the plan is for scenario_run. */
struct orders {
    struct crash_plan crashes[PLAN_UPSETS_MAX];
    size_t crash_count;
    struct fault_plan faults[PLAN_UPSETS_MAX];
    size_t fault_count;
};

static void order_crash(struct runner *runner, size_t index, struct crash_plan *crash)
{
    const struct planned *planned = &runner->run->plan->upsets[index];
    struct teller *teller = &runner->tellers[index];
    if (planned->chance) { /* as nixie run --cut CALL,SEED */
        choose_random_start(&teller->chance, planned->chance, planned->call);
        teller->inner = &teller->chance.chooser;
    } else {
        choose_replay_start(&teller->replay, planned->answers, planned->answer_count);
        teller->inner = &teller->replay.chooser;
    }
    teller->chooser = (struct chooser){tell_and_choose, teller};
    *crash = (struct crash_plan){.call_number = planned->call,
                                 .host = runner->run->unit->scenario->hosts[planned->host].name,
                                 .program = planned->program,
                                 .chooser = &teller->chooser};
}

static void give_orders(struct runner *runner, struct orders *orders)
{
    const struct plan *plan = runner->run->plan;
    memset(orders, 0, sizeof *orders);
    for (size_t i = 0; i < plan->count; i++) {
        const struct planned *planned = &plan->upsets[i];
        runner->upsets[i].kind = planned->kind;
        runner->upsets[i].program = planned->program;
        runner->upsets[i].fault = planned->fault;
        if (planned->kind == UPSET_FAULT)
            orders->faults[orders->fault_count++] = planned->fault;
        else
            order_crash(runner, i, &orders->crashes[orders->crash_count++]);
    }
}

void run_plan(const struct plan_run *run, struct finding *finding)
{
    const struct explore_options *wanted = &run->unit->options;
    struct runner runner = {.run = run, .finding = finding};
    struct kernel_watch watch = {before_call, after_call, &runner};
    struct orders orders;
    struct run_result result;
    memset(finding, 0, sizeof *finding);
    give_orders(&runner, &orders);
    struct run_options options = {.seed = wanted->seed,
                                  .policy = wanted->policy,
                                  .knobs = wanted->knobs,
                                  .disk = wanted->disk,
                                  .crashes = orders.crashes,
                                  .crash_count = orders.crash_count,
                                  .faults = orders.faults,
                                  .fault_count = orders.fault_count,
                                  .only_oracles = run->plan->count > 0,
                                  .without = wanted->without,
                                  .watch = &watch,
                                  .started = note_world,
                                  .started_context = &runner,
                                  .ended = note_end,
                                  .ended_context = &runner,
                                  .base = run->base,
                                  .probe = run->probe,
                                  .template = run->template,
                                  .story = run->story};
    if (run->disturbed) {
        options.fill_byte = 0xa5;
        options.arena_offset = 73728;
        options.environment_padding = 3001;
    }
    scenario_run(run->unit->scenario, &options, &result);
    if (run->points)
        points_end(run->points, result.allocations);
    finding->hash = result.hash;
    finding->calls = result.calls;
    finding->disks = result.disk_hash;
    finding->failed = result.verdict != VERDICT_HELD;
    if (finding->failed)
        note_failure(&runner, &result);
    run_result_free(&result);
    for (size_t i = 0; i < run->plan->count; i++) {
        free(runner.tellers[i].lost);
        free(runner.upsets[i].host);
    }
    free(runner.words);
}

void finding_free(struct finding *finding)
{
    if (finding->failed)
        explore_failure_free(&finding->failure);
    free(finding->situations);
    memset(finding, 0, sizeof *finding);
}

void explore_failure_free(struct explore_failure *failure)
{
    plan_free(&failure->plan);
    free(failure->crash);
    for (size_t i = 0; i < failure->crash_count; i++) {
        free(failure->crashes[i].host);
        free(failure->crashes[i].lost);
        free(failure->crashes[i].line);
    }
    free(failure->crashes);
    free(failure->cuts);
    free(failure->promise);
    free(failure->message);
    free(failure->detail);
}

/* SPDX-License-Identifier: ISC */
#include "sim/explore/run_plan.h"

#include <stdlib.h>
#include <string.h>

#include "sim/world/pool.h"

/* Gives answers again and puts those that were not "kept" in the words of a scenario. */
struct teller {
    struct chooser chooser;
    struct choose_replay replay;
    char *lost;
    size_t length;
};

/* A run that is under way. */
struct runner {
    const struct plan_run *run;
    struct world *world;
    struct teller tellers[PLAN_UPSETS_MAX];
    struct explore_crash upsets[PLAN_UPSETS_MAX]; /* without `lost` */
    struct program_calls *calls;                  /* so far, of each program and call */
    size_t call_count;
    char *words; /* for its last upset */
};

struct program_calls {
    const char *program;
    enum call_id id;
    uint64_t count;
};

static unsigned tell_and_choose(void *context, unsigned count, const char *what)
{
    struct teller *teller = context;
    const struct chooser *inner = &teller->replay.chooser;
    unsigned answer = inner->choose(inner->context, count, what);
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

static bool has_faults(const struct plan *plan)
{
    for (size_t i = 0; i < plan->count; i++)
        if (plan->upsets[i].kind == UPSET_FAULT)
            return true;
    return false;
}

/* How often that program has made that call, this one included. */
static uint64_t count_call(struct runner *runner, const struct call *call)
{
    const char *program = process_name(call->process);
    for (size_t i = 0; i < runner->call_count; i++)
        if (runner->calls[i].id == call->id && strcmp(runner->calls[i].program, program) == 0)
            return ++runner->calls[i].count;
    struct program_calls *calls = LIST_ADD(runner->calls, runner->call_count);
    *calls = (struct program_calls){program_named(program), call->id, 1};
    return 1;
}

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

static void note_upset(struct runner *runner, size_t index, const struct call *call)
{
    const struct planned *planned = &runner->run->plan->upsets[index];
    struct explore_crash *upset = &runner->upsets[index];
    size_t host = planned->kind == UPSET_FAULT ? host_of_call(runner->world, call) : planned->host;
    const char *name = host < runner->world->host_count ? runner->world->machines[host].name : "";
    free(upset->host);
    upset->host = must_copy(name, strlen(name));
    upset->time_ns = call->time_ns;
    if (planned->kind == UPSET_FAULT) {
        upset->program = program_named(process_name(call->process));
        upset->call = call->id;
    }
    describe_call(runner, planned->kind == UPSET_FAULT ? "in" : "after", call);
}

static int before_call(void *context, const struct call *call)
{
    struct runner *runner = context;
    const struct plan *plan = runner->run->plan;
    uint64_t ordinal = count_call(runner, call);
    for (size_t i = 0; i < plan->count; i++)
        if (plan->upsets[i].kind == UPSET_FAULT && plan->upsets[i].call == call->number) {
            note_upset(runner, i, call);
            runner->upsets[i].ordinal = ordinal;
        }
    return 0;
}

static void after_call(void *context, const struct call *call)
{
    struct runner *runner = context;
    const struct plan *plan = runner->run->plan;
    for (size_t i = 0; i < plan->count; i++)
        if (plan->upsets[i].kind != UPSET_FAULT && plan->upsets[i].call == call->number)
            note_upset(runner, i, call);
    if (runner->run->points)
        points_after(runner->run->points, runner->world, call);
}

static void note_world(void *context, struct world *world)
{
    struct runner *runner = context;
    runner->world = world;
}

/* --- running ----------------------------------------------------------------------------------*/

static void note_failure(struct runner *runner, const struct run_result *result,
                         struct explore_failure *failure)
{
    const struct plan *plan = runner->run->plan;
    const struct failure *first = result->failure_count ? &result->failures[0] : NULL;
    const char *message = first ? first->message : "the run broke";
    failure->crash = runner->words ? runner->words : must_copy("without a crash", 15);
    runner->words = NULL;
    failure->cuts = plan_words(plan, runner->run->scenario);
    failure->promise = first ? first->promise : NULL;
    failure->message = must_copy(message, strlen(message));
    if (first && first->detail)
        failure->detail = must_copy(first->detail, strlen(first->detail));
    for (size_t i = 0; i < plan->count; i++) {
        struct explore_crash *crash = LIST_ADD(failure->crashes, failure->crash_count);
        const struct teller *teller = &runner->tellers[i];
        *crash = runner->upsets[i];
        runner->upsets[i].host = NULL;
        if (!crash->host)
            crash->host = must_copy("", 0);
        crash->lost = teller->lost ? must_copy(teller->lost, teller->length) : NULL;
    }
}

/* What the plan is for scenario_run. */
struct orders {
    struct crash_plan crashes[PLAN_UPSETS_MAX];
    size_t crash_count;
    struct fault_plan faults[PLAN_UPSETS_MAX];
    size_t fault_count;
};

static void give_orders(struct runner *runner, struct orders *orders)
{
    const struct plan *plan = runner->run->plan;
    memset(orders, 0, sizeof *orders);
    for (size_t i = 0; i < plan->count; i++) {
        const struct planned *planned = &plan->upsets[i];
        struct teller *teller = &runner->tellers[i];
        runner->upsets[i].kind = planned->kind;
        runner->upsets[i].program = planned->program;
        runner->upsets[i].fault = planned->fault;
        if (planned->kind == UPSET_FAULT) {
            orders->faults[orders->fault_count++] = planned->fault;
            continue;
        }
        choose_replay_start(&teller->replay, planned->answers, planned->answer_count);
        teller->chooser = (struct chooser){tell_and_choose, teller};
        orders->crashes[orders->crash_count++] =
            (struct crash_plan){.call_number = planned->call,
                                .host = runner->run->scenario->hosts[planned->host].name,
                                .program = planned->program,
                                .chooser = &teller->chooser};
    }
}

bool run_plan(const struct plan_run *run, struct explore_failure *failure)
{
    struct runner runner = {.run = run};
    struct kernel_watch watch = {.before = has_faults(run->plan) ? before_call : NULL,
                                 .after = after_call,
                                 .context = &runner};
    struct orders orders;
    struct run_result result;
    give_orders(&runner, &orders);
    struct run_options options = {.seed = run->options->seed,
                                  .policy = run->options->policy,
                                  .disk = run->options->disk,
                                  .crashes = orders.crashes,
                                  .crash_count = orders.crash_count,
                                  .faults = orders.faults,
                                  .fault_count = orders.fault_count,
                                  .only_oracles = run->plan->count > 0,
                                  .without = run->options->without,
                                  .watch = &watch,
                                  .started = note_world,
                                  .started_context = &runner,
                                  .story = run->story};
    scenario_run(run->scenario, &options, &result);
    bool failed = result.verdict != VERDICT_HELD;
    if (failure)
        memset(failure, 0, sizeof *failure);
    if (failed && failure)
        note_failure(&runner, &result, failure);
    run_result_free(&result);
    for (size_t i = 0; i < run->plan->count; i++) {
        free(runner.tellers[i].lost);
        free(runner.upsets[i].host);
    }
    free(runner.calls);
    free(runner.words);
    return failed;
}

void explore_failure_free(struct explore_failure *failure)
{
    free(failure->crash);
    for (size_t i = 0; i < failure->crash_count; i++) {
        free(failure->crashes[i].host);
        free(failure->crashes[i].lost);
    }
    free(failure->crashes);
    free(failure->cuts);
    free(failure->message);
    free(failure->detail);
}

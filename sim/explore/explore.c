/* SPDX-License-Identifier: ISC */
#include "sim/explore/explore.h"

#include <stdlib.h>
#include <string.h>

#include "sim/explore/run_plan.h"
#include "sim/explore/seen.h"
#include "sim/world/pool.h"

struct explorer {
    const struct scenario *scenario;
    const struct explore_options *options;
    struct explore_result *result;
    struct plan *plans; /* a queue: `next` is the first that was not run yet */
    size_t plan_count, next;
    struct seen seen;
    struct plan plan; /* that is under way */
};

/* The plan that is under way with one more upset, which the caller fills in. */
static struct planned *add_plan(struct explorer *explorer)
{
    struct plan *plan = LIST_ADD(explorer->plans, explorer->plan_count);
    plan_copy(plan, &explorer->plan);
    return &plan->upsets[plan->count++];
}

static void note_state(void *context, const struct point *point, uint64_t hash,
                       const unsigned *answers, size_t count)
{
    struct explorer *explorer = context;
    explorer->result->states++;
    hash = hash * 0x9e3779b97f4a7c15u ^ point->ledger;
    if (!seen_add(&explorer->seen, hash + point->host * 0xd1b54a32d192ed03u))
        return;
    explorer->result->distinct++;
    struct planned planned = {.kind = UPSET_POWER,
                              .call = point->call,
                              .host = point->host,
                              .answers = (unsigned *) answers,
                              .answer_count = count};
    planned_copy(add_plan(explorer), &planned);
}

static void note_kill(void *context, const struct point *point, const char *program)
{
    struct explorer *explorer = context;
    struct planned planned = {
        .kind = UPSET_KILL, .call = point->call, .host = point->host, .program = program};
    explorer->result->states++;
    explorer->result->distinct++;
    planned_copy(add_plan(explorer), &planned);
}

/* Runs explorer->plan, and finds more of them. */
static void explore_plan(struct explorer *explorer)
{
    const struct explore_options *options = explorer->options;
    struct explore_result *result = explorer->result;
    const struct plan *plan = &explorer->plan;
    unsigned depth = options->depth ? options->depth : 1;
    struct points_options wanted = {
        .crashes = options->crashes ? options->crashes : EXPLORE_MACHINE,
        .states = options->states ? options->states : 256,
        .seed = options->seed,
        .every = options->every,
        .after = plan->count ? plan->upsets[plan->count - 1].call : 0,
    };
    struct points_hearer hearer = {.state = note_state, .kill = note_kill, .context = explorer};
    struct points points;
    points_start(&points, &wanted, &hearer);
    struct plan_run run = {.scenario = explorer->scenario,
                           .options = options,
                           .plan = plan,
                           .points = plan->count < depth ? &points : NULL};
    struct explore_failure failure;
    result->runs++;
    bool failed = run_plan(&run, &failure);
    result->points += points.looked_at;
    result->complete &= points.complete;
    if (!failed)
        return;
    result->violations++;
    if (result->failure_count < 100)
        *LIST_ADD(result->failures, result->failure_count) = failure;
    else
        explore_failure_free(&failure);
    if (options->story && result->violations == 1) {
        run.points = NULL;
        run.story = options->story;
        run_plan(&run, NULL);
    }
}

static void tell_progress(const struct explorer *explorer)
{
    const struct explore_result *result = explorer->result;
    if (explorer->options->progress && result->runs % 1000 == 0)
        fprintf(explorer->options->progress, "%llu runs, %zu to go, %llu violations\n",
                (unsigned long long) result->runs, explorer->plan_count - explorer->next,
                (unsigned long long) result->violations);
}

void explore_run(const struct scenario *scenario, const struct explore_options *options,
                 struct explore_result *result)
{
    struct explorer explorer = {.scenario = scenario, .options = options, .result = result};
    size_t failures_max = options->failures ? options->failures : 10;
    size_t violations = result->violations, runs = result->runs;
    explore_plan(&explorer); /* as told; finds the first crash points */
    while (explorer.next < explorer.plan_count) {
        if (result->violations - violations >= failures_max ||
            (options->runs && result->runs - runs >= options->runs)) {
            result->complete = false;
            break;
        }
        explorer.plan = explorer.plans[explorer.next++];
        explore_plan(&explorer);
        plan_free(&explorer.plan);
        tell_progress(&explorer);
    }
    for (; explorer.next < explorer.plan_count; explorer.next++)
        plan_free(&explorer.plans[explorer.next]);
    free(explorer.plans);
    seen_free(&explorer.seen);
}

void explore_result_free(struct explore_result *result)
{
    for (size_t i = 0; i < result->failure_count; i++)
        explore_failure_free(&result->failures[i]);
    free(result->failures);
    memset(result, 0, sizeof *result);
}

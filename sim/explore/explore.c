/* SPDX-License-Identifier: ISC */
#include "sim/explore/explore.h"

#include <stdlib.h>
#include <string.h>

#include "sim/explore/ledger.h"
#include "sim/explore/seen.h"
#include "sim/explore/states.h"
#include "sim/programs.h"
#include "sim/world/pool.h"

#define DEPTH_MAX 3

/* A crash: where, and what the disk held then. */
struct cut {
    uint64_t call;
    size_t host;         /* that loses power */
    const char *program; /* of the kill, or NULL */
    unsigned *answers;
    size_t answer_count;
};

/* A run to be made: so many crashes, one after another. */
struct plan {
    struct cut cuts[DEPTH_MAX];
    size_t cut_count;
};

struct explorer {
    const struct scenario *scenario;
    const struct explore_options *options;
    struct explore_result *result;
    struct plan *plans; /* a queue: `next` is the first that was not run yet */
    size_t plan_count, next;
    struct seen seen;
    /* of the run that is under way */
    struct plan plan;
    struct world *world;
    uint64_t ledger;
    uint64_t call;
    size_t host;
    uint64_t point_count;
    struct explore_crash crashes[DEPTH_MAX]; /* without `lost` */
    char *crash;                             /* words for its last crash */
    bool telling;                            /* it is run again only for its story */
};

/* --- crash points -----------------------------------------------------------------------------*/

/* Calls after which the disk or what was promised may differ. */
static bool matters(const struct call *call)
{
    if (call->changed_disk)
        return true;
    return call->result >= 0 &&
           (call->id == CALL_exit || call->id == CALL_write || call->id == CALL_sendmsg);
}

static void cut_copy(struct cut *to, uint64_t call, size_t host, const unsigned *answers,
                     size_t count)
{
    to->call = call;
    to->host = host;
    to->answer_count = count;
    to->answers = must_alloc((count + 1) * sizeof *answers);
    if (count)
        memcpy(to->answers, answers, count * sizeof *answers);
}

/* The plan that is under way with one more cut, which the caller fills in. */
static struct cut *add_plan(struct explorer *explorer)
{
    struct plan *plan = LIST_ADD(explorer->plans, explorer->plan_count);
    for (; plan->cut_count < explorer->plan.cut_count; plan->cut_count++) {
        const struct cut *cut = &explorer->plan.cuts[plan->cut_count];
        cut_copy(&plan->cuts[plan->cut_count], cut->call, cut->host, cut->answers,
                 cut->answer_count);
        plan->cuts[plan->cut_count].program = cut->program;
    }
    return &plan->cuts[plan->cut_count++];
}

static void note_state(void *context, uint64_t hash, const unsigned *answers, size_t count)
{
    struct explorer *explorer = context;
    explorer->result->states++;
    hash = hash * 0x9e3779b97f4a7c15u ^ explorer->ledger;
    if (!seen_add(&explorer->seen, hash + explorer->host * 0xd1b54a32d192ed03u))
        return;
    explorer->result->distinct++;
    cut_copy(add_plan(explorer), explorer->call, explorer->host, answers, count);
}

static void note_kill(struct explorer *explorer, const char *program)
{
    struct cut *cut = add_plan(explorer);
    explorer->result->states++;
    explorer->result->distinct++;
    cut_copy(cut, explorer->call, explorer->host, NULL, 0);
    cut->program = program;
}

/* Programs that people run, and that end soon: they are no part of the server. */
static bool is_part_of_server(const char *program)
{
    static const char *const others[] = {"nixie-inject", "nixie-sendmail", "nixie-qread",
                                         "nixie-qstat"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strcmp(program, others[i]) == 0)
            return false;
    return strncmp(program, "nixie-", 6) == 0;
}

static void look_at_kills(struct explorer *explorer, unsigned crashes)
{
    struct host *host = explorer->world->machines[explorer->host].host;
    if (crashes & EXPLORE_PROGRAMS)
        note_kill(explorer, "*");
    if (!(crashes & EXPLORE_ONE))
        return;
    for (const struct program *program = programs; program->name; program++)
        if (is_part_of_server(program->name) && host_find_process(host, program->name))
            note_kill(explorer, program->name);
}

static void look_at_host(struct explorer *explorer, size_t host)
{
    const struct explore_options *options = explorer->options;
    struct states_options states = {.limit = options->states ? options->states : 256,
                                    .seed = options->seed};
    unsigned crashes = options->crashes ? options->crashes : EXPLORE_MACHINE;
    explorer->host = host;
    look_at_kills(explorer, crashes);
    if (!(crashes & EXPLORE_MACHINE))
        return;
    if (!states_walk(host_vfs(explorer->world->machines[host].host), &states, note_state, explorer))
        explorer->result->complete = false;
}

/* The host of ours that makes the call; host_count: an actor makes it. */
static size_t host_of_call(const struct world *world, const struct call *call)
{
    size_t host = 0;
    while (host < world->host_count && world->machines[host].host != process_host(call->process))
        host++;
    return host;
}

/* Any host of ours may lose power when a remote has taken a message, or a client was told that its
 * message is accepted. */
static void look_at_hosts(struct explorer *explorer)
{
    for (size_t i = 0; i < explorer->world->host_count; i++)
        if (host_is_up(explorer->world->machines[i].host))
            look_at_host(explorer, i);
}

static void look_at_point(struct explorer *explorer, const struct call *call)
{
    const struct explore_options *options = explorer->options;
    size_t host = host_of_call(explorer->world, call);
    uint64_t ledger = ledger_hash(explorer->world);
    if (host == explorer->world->host_count && ledger == explorer->ledger)
        return; /* an actor did what matters to nobody */
    if (options->every > 1 && explorer->point_count++ % options->every != 0) {
        explorer->result->complete = false;
        return;
    }
    explorer->result->points++;
    explorer->call = call->number;
    explorer->ledger = ledger;
    if (host < explorer->world->host_count)
        look_at_host(explorer, host);
    else
        look_at_hosts(explorer);
}

static void describe_call(struct explorer *explorer, const struct call *call)
{
    char text[700];
    snprintf(text, sizeof text, "after call %llu, %s %s%s%.250s%s%.250s",
             (unsigned long long) call->number, process_name(call->process), call_name(call->id),
             call->path ? " " : "", call->path ? call->path : "", call->path2 ? " " : "",
             call->path2 ? call->path2 : "");
    free(explorer->crash);
    explorer->crash = must_copy(text, strlen(text));
}

static void note_crash(const struct explorer *explorer, struct explore_crash *crash,
                       const struct cut *cut, const struct call *call)
{
    const char *host = explorer->world->machines[cut->host].name;
    free(crash->host);
    crash->host = must_copy(host, strlen(host));
    crash->program = cut->program;
    crash->time_ns = call->time_ns;
}

static void after_call(void *context, const struct call *call)
{
    struct explorer *explorer = context;
    const struct plan *plan = &explorer->plan;
    unsigned depth = explorer->options->depth ? explorer->options->depth : 1;
    uint64_t last = plan->cut_count ? plan->cuts[plan->cut_count - 1].call : 0;
    for (size_t i = 0; i < plan->cut_count; i++)
        if (plan->cuts[i].call == call->number)
            note_crash(explorer, &explorer->crashes[i], &plan->cuts[i], call);
    if (last == call->number)
        describe_call(explorer, call);
    if (!explorer->telling && plan->cut_count < depth && plan->cut_count < DEPTH_MAX &&
        call->number > last && matters(call) && !explorer->world->finished)
        look_at_point(explorer, call);
}

static void note_world(void *context, struct world *world)
{
    struct explorer *explorer = context;
    explorer->world = world;
}

/* --- running ----------------------------------------------------------------------------------*/

/* Gives answers again and puts those that were not "kept" in the words of a scenario. */
struct teller {
    struct chooser chooser;
    struct choose_replay replay;
    char *lost;
    size_t length;
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

/* " --cut 214,answers=1.0.2" for each crash, malloc'd. */
static char *plan_words(const struct explorer *explorer)
{
    const struct plan *plan = &explorer->plan;
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    if (!to)
        return must_copy("", 0);
    for (size_t i = 0; i < plan->cut_count; i++) {
        const struct cut *cut = &plan->cuts[i];
        fprintf(to, " --cut %llu,", (unsigned long long) cut->call);
        if (explorer->scenario->internet)
            fprintf(to, "host=%s,", explorer->scenario->hosts[cut->host].name);
        if (cut->program)
            fprintf(to, "kill=%s", cut->program);
        else
            fputs(cut->answer_count ? "answers=" : "none", to);
        for (size_t k = 0; k < cut->answer_count; k++) /* NOLINTNEXTLINE(*-core.NullDereference) */
            fprintf(to, "%s%u", k ? "." : "", cut->answers[k]);
    }
    fclose(to);
    return text;
}

static void note_failure(struct explorer *explorer, const struct run_result *run,
                         const struct teller *tellers)
{
    struct explore_result *result = explorer->result;
    result->violations++;
    if (result->failure_count >= 100)
        return;
    struct explore_failure *failure = LIST_ADD(result->failures, result->failure_count);
    const struct failure *first = run->failure_count ? &run->failures[0] : NULL;
    const char *crash = explorer->crash ? explorer->crash : "without a crash";
    const char *message = first ? first->message : "the run broke";
    failure->crash = must_copy(crash, strlen(crash));
    failure->cuts = plan_words(explorer);
    failure->promise = first ? first->promise : NULL;
    failure->message = must_copy(message, strlen(message));
    if (first && first->detail)
        failure->detail = must_copy(first->detail, strlen(first->detail));
    for (size_t i = 0; i < explorer->plan.cut_count; i++) {
        struct explore_crash *cut = LIST_ADD(failure->crashes, failure->crash_count);
        const char *host = explorer->crashes[i].host ? explorer->crashes[i].host : "";
        cut->time_ns = explorer->crashes[i].time_ns;
        cut->host = must_copy(host, strlen(host));
        cut->program = explorer->crashes[i].program;
        cut->lost = tellers[i].lost ? must_copy(tellers[i].lost, tellers[i].length) : NULL;
    }
}

/* Runs explorer->plan; with a `story` only to tell it. */
static void run_plan(struct explorer *explorer, FILE *story)
{
    struct teller tellers[DEPTH_MAX];
    struct crash_plan crashes[DEPTH_MAX];
    const struct plan *plan = &explorer->plan;
    memset(tellers, 0, sizeof tellers);
    for (size_t i = 0; i < plan->cut_count; i++) {
        const struct cut *cut = &plan->cuts[i];
        choose_replay_start(&tellers[i].replay, cut->answers, cut->answer_count);
        tellers[i].chooser = (struct chooser){tell_and_choose, &tellers[i]};
        crashes[i] = (struct crash_plan){.call_number = cut->call,
                                         .host = explorer->scenario->hosts[cut->host].name,
                                         .program = cut->program,
                                         .chooser = &tellers[i].chooser};
    }
    struct kernel_watch watch = {.after = after_call, .context = explorer};
    struct run_options options = {.seed = explorer->options->seed,
                                  .policy = explorer->options->policy,
                                  .disk = explorer->options->disk,
                                  .crashes = crashes,
                                  .crash_count = plan->cut_count,
                                  .only_oracles = plan->cut_count > 0,
                                  .watch = &watch,
                                  .started = note_world,
                                  .started_context = explorer,
                                  .story = story,
                                  .without = explorer->options->without};
    struct run_result run;
    free(explorer->crash);
    explorer->crash = NULL;
    explorer->point_count = 0;
    explorer->ledger = 0;
    explorer->telling = story != NULL;
    scenario_run(explorer->scenario, &options, &run);
    explorer->world = NULL;
    bool failed = run.verdict != VERDICT_HELD;
    if (!story)
        explorer->result->runs++;
    if (!story && failed)
        note_failure(explorer, &run, tellers);
    run_result_free(&run);
    for (size_t i = 0; i < plan->cut_count; i++)
        free(tellers[i].lost);
    if (failed && !story && explorer->options->story && explorer->result->violations == 1)
        run_plan(explorer, explorer->options->story);
}

static void plan_free(struct plan *plan)
{
    for (size_t i = 0; i < plan->cut_count; i++)
        free(plan->cuts[i].answers);
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
    run_plan(&explorer, NULL); /* as told; finds the first crash points */
    while (explorer.next < explorer.plan_count) {
        if (result->violations - violations >= failures_max ||
            (options->runs && result->runs - runs >= options->runs)) {
            result->complete = false;
            break;
        }
        explorer.plan = explorer.plans[explorer.next++];
        run_plan(&explorer, NULL);
        plan_free(&explorer.plan);
        tell_progress(&explorer);
    }
    for (; explorer.next < explorer.plan_count; explorer.next++)
        plan_free(&explorer.plans[explorer.next]);
    free(explorer.plans);
    seen_free(&explorer.seen);
    free(explorer.crash);
    for (size_t i = 0; i < DEPTH_MAX; i++)
        free(explorer.crashes[i].host);
}

void explore_result_free(struct explore_result *result)
{
    for (size_t i = 0; i < result->failure_count; i++) {
        free(result->failures[i].crash);
        for (size_t k = 0; k < result->failures[i].crash_count; k++) {
            free(result->failures[i].crashes[k].host);
            free(result->failures[i].crashes[k].lost);
        }
        free(result->failures[i].crashes);
        free(result->failures[i].cuts);
        free(result->failures[i].message);
        free(result->failures[i].detail);
    }
    free(result->failures);
    memset(result, 0, sizeof *result);
}

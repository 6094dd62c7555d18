/* SPDX-License-Identifier: ISC */
#include "sim/scenario/run.h"

#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "sim/kernel/random.h"
#include "sim/scenario/runner.h"

#define GRACE_NS (30 * NANOSECONDS) /* of idleness at the end */
/* After the last event everything must be gone: a message may wait for its lifetime, and so may its
 * bounce. */
#define DRAIN_NS (20 * 86400 * NANOSECONDS)
#define RUN_STREAM 77 /* of the seed: keep random */

struct failure *run_fail(struct run *run, struct position at, const char *promise,
                         const char *format, ...)
{
    struct failure *failure = LIST_ADD(run->result->failures, run->result->failure_count);
    char message[1200];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    failure->at = at;
    failure->promise = promise;
    failure->message = must_copy(message, strlen(message));
    if (run->result->verdict == VERDICT_HELD)
        run->result->verdict = VERDICT_FAILED;
    return failure;
}

/* --- what is due -----------------------------------------------------------------------------*/

static bool is_sooner(const struct due *a, const struct due *b)
{
    return a->time_ns < b->time_ns || (a->time_ns == b->time_ns && a->order < b->order);
}

/* A heap: each is sooner than those at 2i+1 and 2i+2. */
static void add_due(struct run *run, struct due due)
{
    size_t at = run->due_count;

    due.order = run->order++;
    if (due.time_ns > run->last_due_ns)
        run->last_due_ns = due.time_ns;
    (void) LIST_ADD(run->dues, run->due_count);
    for (; at > 0 && is_sooner(&due, &run->dues[(at - 1) / 2]); at = (at - 1) / 2)
        run->dues[at] = run->dues[(at - 1) / 2];
    run->dues[at] = due;
}

static struct due take_due(struct run *run)
{
    struct due first = run->dues[0], last = run->dues[--run->due_count];
    size_t at = 0, below;

    for (; (below = 2 * at + 1) < run->due_count; at = below) {
        if (below + 1 < run->due_count && is_sooner(&run->dues[below + 1], &run->dues[below]))
            below++;
        if (!is_sooner(&run->dues[below], &last))
            break;
        run->dues[at] = run->dues[below];
    }
    run->dues[at] = last;
    return first;
}

void schedule_event(struct run *run, const struct event *event, int64_t time_ns)
{
    const struct submission *submission;

    if (event->action.kind != ACTION_SEND) {
        add_due(run, (struct due){.time_ns = time_ns, .event = event});
        return;
    }
    submission = &run->scenario->submissions[event->action.submission];
    for (size_t i = 0; i < submission->times; i++)
        add_due(run, (struct due){.time_ns = time_ns + (int64_t) i * submission->every_ns,
                                  .event = event,
                                  .repeat = i});
}

/* When something is due next; INT64_MAX: nothing is. */
static int64_t next_due(const struct run *run)
{
    return run->due_count > 0 ? run->dues[0].time_ns : INT64_MAX;
}

/* --- keep S3 ---------------------------------------------------------------------------------*/

struct stage_chooser {
    char mark[32]; /* "/17:" */
    enum stage stage;
};

/* Whether a new name (or its removal) in a directory belongs to a message in that stage. */
static bool stage_wants(enum stage stage, const char *what)
{
    bool removed = strstr(what, "entry removed") != NULL;

    if (strstr(what, "/mess/"))
        return stage >= STAGE_S2;
    if (strstr(what, "/intd/"))
        return removed ? stage == STAGE_S5 : stage >= STAGE_S3;
    if (strstr(what, "/todo/"))
        return removed ? stage == STAGE_S5 : stage >= STAGE_S4;
    if (strstr(what, "/info/") || strstr(what, "/local/") || strstr(what, "/remote/"))
        return stage == STAGE_S5;
    return true;
}

static unsigned choose_stage(void *context, unsigned count, const char *what)
{
    const struct stage_chooser *chooser = context;

    if (strstr(what, chooser->mark) && !stage_wants(chooser->stage, what))
        return 0;
    return count - 1;
}

/* --- actions ---------------------------------------------------------------------------------*/

/* What waits for a crash happens after each: else the host would stay down.  But not a crash. */
static void crashed(struct run *run, size_t host)
{
    int64_t now = kernel_now(run->world->kernel);

    run->result->crashes++;
    for (size_t i = 0; i < run->scenario->event_count; i++) {
        const struct event *event = &run->scenario->events[i];
        bool again = event->action.kind != ACTION_CRASH && event->action.kind != ACTION_KILL_ALL;

        if (event->trigger.kind != TRIGGER_CRASH || event->action.host != host ||
            (run->fired[i] && !again))
            continue;
        run->fired[i] = true;
        schedule_event(run, event, now + event->trigger.delay_ns);
    }
}

static void crash_power(struct run *run, const struct action *action, struct entry *entry)
{
    struct choose_random chance;
    struct stage_chooser stage = {.stage = action->keep_stage};
    struct chooser by_stage = {choose_stage, &stage};
    struct pinned pinned;
    const struct chooser *chooser = action->keep == KEEP_ALL    ? &choose_all
                                    : action->keep == KEEP_NONE ? &choose_none
                                                                : &by_stage;
    uint64_t number = entry ? entry->number : 0;
    size_t machine = entry ? entry->machine : 0;

    if (action->keep == KEEP_RANDOM) {
        choose_random_start(&chance, run->options->seed, RUN_STREAM + run->result->crashes);
        chooser = &chance.chooser;
    }
    snprintf(stage.mark, sizeof stage.mark, "/%llu:", (unsigned long long) number);
    pinned_start(&pinned, run, action, chooser);
    world_crash(run->world, action->host, &pinned.chooser);
    pinned_end(&pinned);
    if (action->keep == KEEP_STAGE && !run->options->backend) {
        entry = world_entry(run->world, machine, number);
        if (entry && entry->stage != action->keep_stage && entry->stage != STAGE_NONE) {
            run_fail(run, action->at, NULL, "keep %s cannot be: the disk gives %s after this crash",
                     stage_name(action->keep_stage), stage_name(entry->stage));
            run->result->verdict = VERDICT_WRONG;
        }
    }
    crashed(run, action->host);
}

static void send_message(struct run *run, const struct event *event, size_t repeat)
{
    static const char *const programs[] = {"nixie-inject", "nixie-queue", "nixie-sendmail"};
    const struct submission *submission = &run->scenario->submissions[event->action.submission];
    struct submitter submitter = {NULL, submission->user, submission->from};

    if (submission->via == VIA_SMTP) {
        world_submit_smtp(run->world, submission->first_message + repeat);
        return;
    }
    submitter.program = programs[submission->via];
    world_submit(run->world, submission->first_message + repeat, &submitter);
}

static void set_free_space(const struct world *world, struct machine *machine, uint64_t bytes)
{
    if (!machine->squeezed && bytes != UINT64_MAX) {
        machine->squeezed = true;
        machine->squeezed_from_ns = kernel_now(world->kernel);
    }
    machine->squeezed_to_ns = bytes == UINT64_MAX ? kernel_now(world->kernel) : INT64_MAX;
    host_set_free_space(machine->host, bytes);
}

static void do_action(struct run *run, const struct event *event, size_t repeat,
                      struct entry *entry)
{
    const struct action *action = &event->action;
    struct world *world = run->world;

    switch (action->kind) {
    case ACTION_SEND:
        send_message(run, event, repeat);
        break;
    case ACTION_CRASH:
        crash_power(run, action, entry);
        break;
    case ACTION_KILL_ALL:
        world_kill_all(world, action->host);
        crashed(run, action->host);
        break;
    case ACTION_BOOT:
        world_boot(world, action->host);
        break;
    case ACTION_STOP:
        world_stop(world, action->host);
        break;
    case ACTION_START:
        world_start(world, action->host);
        break;
    case ACTION_SIGNAL:
        /* A planned crash may have taken it away. */
        if (!world_signal(world, action->host, action->program, action->signal) &&
            !run->options->only_oracles && !action->if_any)
            run_fail(run, action->at, NULL, "no %s runs there at that time", action->program);
        break;
    case ACTION_DISK:
        world_tell(world, action->host,
                   action->free_bytes == UINT64_MAX ? "disk      has room"
                                                    : "disk      has %llu bytes left",
                   (unsigned long long) action->free_bytes);
        set_free_space(world, &world->machines[action->host], action->free_bytes);
        break;
    case ACTION_CLOCK:
        world_step_clock(world, action->clock_ns);
        break;
    case ACTION_NETWORK:
        network_set(run, &action->network);
        break;
    case ACTION_DOWN:
        world_down(world, machine_of_actor(run, action->actor));
        break;
    case ACTION_UP:
        world_up(world, machine_of_actor(run, action->actor));
        break;
    case ACTION_CLIENT_STOP:
        world_stop_client(world, machine_of_actor(run, action->actor));
        break;
    case ACTION_ORDER:
        order_give(run, action);
        break;
    }
}

/* --- planned crashes -------------------------------------------------------------------------*/

static void on_quiet(void *context)
{
    struct run *run = context;

    kernel_stop(run->world->kernel);
}

static void plan_crash(struct run *run, const struct call *call, bool before)
{
    const struct crash_plan *plan = &run->options->crashes[run->next_crash];

    if (run->crash_host || plan->before != before)
        return;
    for (size_t i = 0; i < run->world->host_count; i++)
        if (plan->host ? strcmp(run->world->machines[i].name, plan->host) == 0
                       : run->world->machines[i].host == process_host(call->process))
            run->crash_host = i + 1;
    if (!run->crash_host) {
        run->next_crash++;
        return;
    }
    kernel_stop(run->world->kernel);
}

static bool is_planned(const struct run *run, const struct call *call)
{
    return run->next_crash < run->options->crash_count &&
           run->options->crashes[run->next_crash].call_number == call->number;
}

static int crash_before(void *context, const struct call *call)
{
    if (is_planned(context, call))
        plan_crash(context, call, true);
    return 0;
}

static void crash_after(void *context, const struct call *call)
{
    if (is_planned(context, call))
        plan_crash(context, call, false);
}

static bool crashes_before_calls(const struct run *run)
{
    for (size_t i = 0; i < run->options->crash_count; i++)
        if (run->options->crashes[i].before)
            return true;
    return false;
}

static void do_planned_crash(struct run *run)
{
    size_t host = run->crash_host - 1;
    int64_t delay = run->options->boot_delay_ns ? run->options->boot_delay_ns : NANOSECONDS;

    const struct crash_plan *plan = &run->options->crashes[run->next_crash++];

    run->crash_host = 0;
    run->result->planned_crashes++;
    if (!plan->program)
        world_crash(run->world, host, plan->chooser);
    else if (strcmp(plan->program, "*") == 0)
        world_kill_all(run->world, host);
    else
        world_signal(run->world, host, plan->program, SIGKILL);
    if (!plan->program || strcmp(plan->program, "*") == 0)
        crashed(run, host);
    /* Who was killed is started again by nixie-start; and that by whoever watches over it. */
    add_due(run, (struct due){.time_ns = kernel_now(run->world->kernel) + delay, .boot = host + 1});
}

static bool is_too_long(const struct run *run)
{
    uint64_t most = run->options->calls_max;

    return most > 0 && kernel_call_count(run->world->kernel) >= most;
}

static void count_call(void *context, const struct call *call)
{
    struct run *run = context;

    (void) call;
    if (is_too_long(run))
        kernel_stop(run->world->kernel);
}

/* --- the run ---------------------------------------------------------------------------------*/

static void add_letters(struct run *run)
{
    const struct scenario *scenario = run->scenario;
    struct world *world = run->world;

    for (size_t i = 0; i < scenario->message_count; i++) {
        const struct message *message = &scenario->messages[i];
        const struct submission *submission = &scenario->submissions[message->submission];
        struct letter *letter = LIST_ADD(world->letters, world->letter_count);

        letter->name = message->name;
        letter->id = message->id;
        letter->header = message->header;
        letter->content = submission->content;
        letter->recipients = submission->recipients;
        letter->recipient_count = submission->recipient_count;
        letter->machine = submission->host;
        letter->path = submission->via == VIA_QUEUE  ? LETTER_BY_QUEUE
                       : submission->via == VIA_SMTP ? LETTER_BY_SMTP
                                                     : LETTER_BY_INJECT;
        letter->sender = submission->from;
        letter->client = machine_of_actor(run, (struct actor){ACTOR_CLIENT, submission->client});
    }
    probe_add(run);
    for (size_t i = 0; i < scenario->fault_count; i++)
        faults_add_rule(world, &scenario->faults[i].rule);
    for (size_t i = 0; i < run->options->fault_count; i++)
        faults_add_plan(world, &run->options->faults[i]);
}

static void set_hooks(struct run *run)
{
    struct kernel_watch crashes = {crashes_before_calls(run) ? crash_before : NULL, crash_after,
                                   run};
    struct kernel_watch bounded = {NULL, count_call, run};

    triggers_start(run);
    run->world->hooks.quiet = on_quiet;
    if (run->options->crash_count > 0)
        kernel_watch(run->world->kernel, &crashes);
    if (run->options->calls_max > 0)
        kernel_watch(run->world->kernel, &bounded);
    if (run->options->watch)
        kernel_watch(run->world->kernel, run->options->watch);
    if (run->options->started)
        run->options->started(run->options->started_context, run->world);
}

/* Does what has become due while the kernel stands still. */
static void do_stopped(struct run *run)
{
    if (run->crash_host) {
        do_planned_crash(run);
        run->at_once = NULL;
    }
    if (run->at_once) {
        const struct event *event = run->at_once;

        run->at_once = NULL;
        do_action(run, event, 0, run->at_once_entry);
    }
}

/* Does all that is due by now. */
static void do_dues(struct run *run)
{
    while (next_due(run) <= kernel_now(run->world->kernel)) {
        struct due due = take_due(run);

        if (due.probe)
            probe_send(run);
        else if (due.boot)
            world_boot(run->world, due.boot - 1);
        else
            do_action(run, due.event, due.repeat, NULL);
    }
}

static void accuse_spin(struct run *run)
{
    world_accuse(run->world, "SPIN", NO_LETTER, 0, "%s", kernel_spinner(run->world->kernel));
}

static void give_up(struct run *run)
{
    struct position nowhere = {0};

    run_fail(run, nowhere, NULL, "it makes more than %llu calls",
             (unsigned long long) run->options->calls_max);
    run->result->verdict = VERDICT_WRONG;
}

static void do_nothing(void *context)
{
    (void) context;
}

/* All is over: false, or the probe is due now. */
static bool go_on_with_probe(struct run *run)
{
    struct due due = {.probe = true};

    if (!probe_is_wanted(run, &due.time_ns))
        return false;
    add_due(run, due);
    return true;
}

/* Lets the world go on until all is over. */
static void loop(struct run *run)
{
    struct world *world = run->world;
    int64_t quiet_since = -1, limit;

    for (;;) {
        int64_t now = kernel_now(world->kernel), target;
        enum kernel_end end;

        do_dues(run);
        limit = run->scenario->has_until && !run->options->only_oracles
                    ? run->scenario->until_ns
                    : run->last_due_ns + DRAIN_NS;
        target = limit;
        if (next_due(run) < target)
            target = next_due(run);
        if (!world_is_quiet(world) || run->due_count > 0)
            quiet_since = -1;
        else if (quiet_since < 0)
            quiet_since = now;
        if (quiet_since >= 0 && !run->scenario->has_until && quiet_since + GRACE_NS < target)
            target = quiet_since + GRACE_NS;
        if (now >= target && (run->due_count == 0 || now >= limit)) {
            if (!go_on_with_probe(run))
                return;
            continue;
        }
        end = kernel_run(world->kernel, target);
        do_stopped(run);
        if (is_too_long(run)) {
            give_up(run);
            return;
        }
        if (end == KERNEL_SPIN) {
            accuse_spin(run);
            return;
        }
        if (end == KERNEL_IDLE && run->due_count == 0 && !go_on_with_probe(run))
            return;
        if (end == KERNEL_IDLE && kernel_next_timer(world->kernel) == INT64_MAX)
            kernel_at(world->kernel, target, do_nothing, NULL); /* or time would stand still */
        if (run->result->verdict != VERDICT_HELD)
            return;
    }
}

/* What the knobs set besides control files. */
static void turn_knobs(struct run *run, struct world_options *world)
{
    struct knobs *knobs = &run->knobs;

    knobs->delay_ns = -1;
    if (!run->options->knobs)
        return;
    knobs_draw(run->options->seed ? run->options->seed : 1, knobs);
    run->result->knobs = knobs_words(knobs, run->scenario);
    world->specs = knobs_hosts(knobs, run->scenario, &run->pool);
    world->kernel.fsync_min_ns = knobs->sync_min_ns;
    world->kernel.fsync_max_ns = knobs->sync_max_ns;
}

/* Before the scenario says what its network is like. */
static void turn_network(struct run *run)
{
    struct network network = {.sets_delay = true, .delay_ns = run->knobs.delay_ns};

    if (run->knobs.delay_ns >= 0 && run->scenario->internet)
        network_set(run, &network);
}

/* Real processes are all of one user. */
static const struct home_spec *single_users(struct run *run)
{
    const struct scenario *scenario = run->scenario;
    struct home_spec *specs =
        pool_alloc(&run->pool, (scenario->host_count + 1) * sizeof(struct home_spec));

    for (size_t i = 0; i < scenario->host_count; i++) {
        specs[i] = scenario->hosts[i];
        specs[i].single_user = true;
    }
    return specs;
}

static bool make_world(struct run *run)
{
    const struct run_options *options = run->options;
    struct world_options world = {
        .kernel = {.seed = options->seed ? options->seed : 1,
                   .policy = options->policy,
                   .epoch = run->scenario->epoch,
                   .fill_byte = options->fill_byte,
                   .arena_offset = options->arena_offset,
                   .environment_padding = options->environment_padding,
                   .backend = options->backend},
        .specs = run->scenario->hosts,
        .spec_count = run->scenario->host_count,
        .remotes = run->scenario->remotes,
        .remote_count = run->scenario->remote_count,
        .clients = run->scenario->clients,
        .client_count = run->scenario->client_count,
        .dns = run->scenario->internet ? &run->scenario->dns : NULL,
        .disk = options->disk,
        .story = options->story,
        .without = options->without,
        .template = options->template,
    };
    struct position nowhere = {0};
    int error = 0;

    turn_knobs(run, &world);
    if (options->backend)
        world.specs = single_users(run);
    run->world = world_create(&world, &error);
    if (run->world)
        return true;
    run_fail(run, nowhere, NULL, "a host cannot be set up: %s", strerror(error));
    run->result->verdict = VERDICT_WRONG;
    return false;
}

static uint64_t disk_hash(const struct world *world)
{
    uint64_t hash = 0;

    for (size_t i = 0; i < world->host_count; i++)
        hash = hash * 1099511628211u ^ vfs_hash(host_vfs(world->machines[i].host));
    return hash;
}

/* The words of the planned faults. */
static void tell_faults(struct run *run)
{
    struct run_result *result = run->result;

    result->fault_count = run->options->fault_count;
    result->fault_lines = must_zeroed((result->fault_count + 1) * sizeof *result->fault_lines);
    for (size_t i = 0; i < result->fault_count; i++)
        result->fault_lines[i] = fault_line(&run->world->faults[run->scenario->fault_count + i]);
}

static void finish(struct run *run)
{
    struct run_result *result = run->result;
    struct world *world = run->world;

    result->simulated_ns = kernel_now(world->kernel);
    result->calls = kernel_call_count(world->kernel);
    result->hash = kernel_hash(world->kernel);
    result->disk_hash = disk_hash(world);
    result->allocations = kernel_allocation_count(world->kernel);
    tell_faults(run);
    world->finished = true;
    world_index(world);
    if (result->verdict != VERDICT_WRONG) {
        world_collect(world);
        world_judge(world, run->scenario->has_until && !run->options->only_oracles);
        if (run->options->outcomes)
            outcomes_note(world, run->options->outcomes);
        if (run->options->base)
            judge_outcomes(world, run->options->base);
        expect_judge(run);
    }
    result->summary = summary_of(run);
    if (run->options->ended)
        run->options->ended(run->options->ended_context, world, result);
}

void scenario_run(const struct scenario *scenario, const struct run_options *options,
                  struct run_result *result)
{
    struct run_options own = *options;
    struct run run = {.scenario = scenario, .options = &own, .result = result};

    own.only_oracles |= own.knobs;
    memset(result, 0, sizeof *result);
    result->fired_ns = must_alloc((scenario->event_count + 1) * sizeof *result->fired_ns);
    for (size_t i = 0; i < scenario->event_count; i++)
        result->fired_ns[i] = -1;
    run.fired = must_alloc(scenario->event_count + 1);
    memset(run.fired, 0, scenario->event_count + 1);
    if (make_world(&run)) {
        add_letters(&run);
        turn_network(&run);
        network_start(&run);
        for (size_t i = 0; i < run.world->host_count; i++)
            world_start(run.world, i);
        set_hooks(&run);
        loop(&run);
        finish(&run);
        world_destroy(run.world);
    }
    if (!result->summary)
        result->summary = must_copy("", 0);
    pool_free(&run.pool);
    free(run.paths);
    free(run.dues);
    free(run.fired);
}

void run_result_free(struct run_result *result)
{
    for (size_t i = 0; i < result->failure_count; i++) {
        free(result->failures[i].message);
        free(result->failures[i].detail);
    }
    for (size_t i = 0; i < result->fault_count; i++)
        free(result->fault_lines[i]);
    free(result->fault_lines);
    free(result->failures);
    free(result->summary);
    free(result->fired_ns);
    free(result->knobs);
    memset(result, 0, sizeof *result);
}

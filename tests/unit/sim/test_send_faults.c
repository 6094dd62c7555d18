/* SPDX-License-Identifier: ISC */
/*
 * nixie-send, start and log within a whole simulated home: when any call of send fails, when any
 * of its allocations fails, when it is killed after any call.  The world's oracles judge: nothing
 * is lost, nothing comes twice (but after a kill), everything ends.  And what these programs leave
 * when they exit.
 */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "sim/world/world.h"

#define MINUTE (60 * NANOSECONDS)
#define NONE (-1)

static const char *const recipients[] = {"bob@example.com", "nobody@example.com",
                                         "carol@remote.example"};
static const char *const few[] = {"bob@example.com"};

struct plan {
    const char *program; /* NULL: nixie-send */
    uint64_t at;         /* the call or allocation, from 1; 0: none */
    int error;           /* of the call; NONE: it does not fail */
    bool kill;           /* send is killed after it */
    bool memory;         /* an allocation fails instead of a call */
    bool recovery;       /* the power is cut while a message waits; calls count from then on */
    bool crashed;
    struct world *world;
    uint64_t calls; /* of send, counted */
    char what[200]; /* the call that it was */
    char leak[200]; /* the first */
};

static bool is_meant(const struct plan *plan, const struct call *call)
{
    return strcmp(process_name(call->process), plan->program ? plan->program : "nixie-send") == 0;
}

/* Those that Linux lets fail, and whose failure is no lie about a partner: a pipe between living
 * processes has no I/O errors. */
static bool may_fail(const struct call *call)
{
    switch (call->id) {
    case CALL_open:
    case CALL_stat:
    case CALL_lstat:
    case CALL_link:
    case CALL_unlink:
    case CALL_rename:
    case CALL_opendir:
    case CALL_readdir:
    case CALL_syncfs:
        return true;
    case CALL_read:
    case CALL_write:
    case CALL_ftruncate:
    case CALL_fstat:
        return call->fd > 7;
    default:
        return false;
    }
}

static int before_call(void *context, const struct call *call)
{
    struct plan *plan = context;
    const char *name = process_name(call->process);
    if (call->id == CALL_exit && !plan->leak[0] &&
        (strcmp(name, "nixie-send") == 0 || strcmp(name, "nixie-start") == 0 ||
         strcmp(name, "nixie-log") == 0) &&
        process_live_bytes(call->process) > 0)
        snprintf(plan->leak, sizeof plan->leak, "%s leaves %zu bytes", name,
                 process_live_bytes(call->process));
    if (plan->kill || plan->memory || !is_meant(plan, call) || !may_fail(call) ||
        plan->recovery != plan->crashed)
        return 0;
    if (++plan->calls != plan->at || plan->error == NONE)
        return 0;
    snprintf(plan->what, sizeof plan->what, "%s %s (fd %d)", call_name(call->id),
             call->path ? call->path : "", call->fd);
    return plan->error;
}

static void after_call(void *context, const struct call *call)
{
    struct plan *plan = context;
    if (!plan->kill || !is_meant(plan, call) || call->id == CALL_exit)
        return;
    if (++plan->calls != plan->at)
        return;
    snprintf(plan->what, sizeof plan->what, "%s %s (fd %d)", call_name(call->id),
             call->path ? call->path : "", call->fd);
    world_kill(plan->world, 0, call->process);
}

static struct user_spec users[] = {
    {.name = "alice", .uid = 1001, .home_mode = 0755},
    {.name = "bob", .uid = 1002, .home_mode = 0755},
    {.name = "postmaster", .uid = 1003, .home_mode = 0755},
};
static struct named_text controls[] = {{"queuelifetime", {"300", 3}}};

static void add_letter(struct world *world, const char *name, const char *id, const char *content,
                       const char *const *to, size_t count)
{
    struct letter *letter = LIST_ADD(world->letters, world->letter_count);
    letter->name = name;
    letter->id = id;
    letter->header = "";
    letter->content = (struct text){content, strlen(content)};
    letter->recipients = to;
    letter->recipient_count = count;
    letter->path = LETTER_BY_QUEUE;
}

/* The log may tell of trouble; nothing else is excused. */
static void expect_trouble(struct world *world)
{
    struct upset *upset = LIST_ADD(world->upsets, world->upset_count);
    upset->kind = UPSET_ORDER;
    upset->order = ORDER_HANGUP;
}

static struct world *make_world(const struct home_spec *spec)
{
    struct world_options options = {
        .kernel = {.seed = 1, .policy = SCHEDULE_RANDOM, .fill_byte = 0xa5},
        .specs = spec,
        .spec_count = 1};
    int error;
    struct world *world = world_create(&options, &error);
    ck_assert_ptr_nonnull(world);
    add_letter(world, "m1", "<m1@x>", "Message-ID: <m1@x>\n\nhello\n", recipients, 3);
    add_letter(world, "m2", "<m2@x>", "Message-ID: <m2@x>\n\nhello again\n", few, 1);
    return world;
}

/* A pass that waited for memory tries again by the time of its begin; the world is not told of what
 * goes wrong here, and what is tried again seconds later looks like unfairness. */
static bool is_excused(const struct plan *plan, const char *promise)
{
    return strcmp(promise, "FAIRNESS") == 0 || (plan->memory && strcmp(promise, "SCHEDULE") == 0);
}

/* Nothing of send is to be seen in here: the oracles tell. */
static void judge(struct world *world, const struct plan *plan)
{
    world_collect(world);
    world_judge(world, false);
    for (size_t i = 0; i < world->violation_count; i++)
        if (!is_excused(plan, world->violations[i].promise))
            ck_abort_msg("%s at %lu, error %d, %s: %s: %s", plan->memory ? "allocation" : "call",
                         (unsigned long) plan->at, plan->error, plan->what,
                         world->violations[i].promise, world->violations[i].text);
    ck_assert_msg(!plan->leak[0], "%s (at %lu, error %d, %s)", plan->leak, (unsigned long) plan->at,
                  plan->error, plan->what);
    ck_assert_msg(kernel_fault_count(world->kernel) == 0, "%s (at %lu, %s)",
                  kernel_fault(world->kernel), (unsigned long) plan->at, plan->what);
}

static void run(struct plan *plan)
{
    struct home_spec spec = {.name = "mail",
                             .domain = "example.com",
                             .disk = disk_model_named("honest"),
                             .single_user = true,
                             .controls = controls,
                             .control_count = 1,
                             .users = users,
                             .user_count = 3};
    struct submitter submitter = {.program = "nixie-queue", .user = &users[0]};
    struct world *world = make_world(&spec);
    struct kernel_watch watch = {.before = before_call, .after = after_call, .context = plan};
    plan->world = world;
    kernel_watch(world->kernel, &watch);
    if (plan->error != NONE || plan->memory || plan->kill)
        expect_trouble(world);
    if (plan->memory)
        kernel_fail_allocation(world->kernel, "nixie-send", plan->at);
    world_start(world, 0);
    kernel_at(world->kernel, NANOSECONDS, NULL, NULL);
    kernel_run(world->kernel, NANOSECONDS);
    world_submit(world, 0, &submitter);
    if (plan->recovery) {
        kernel_at(world->kernel, MINUTE, NULL, NULL);
        kernel_run(world->kernel, MINUTE);
        world_crash(world, 0, &choose_all);
        plan->crashed = true;
        world_boot(world, 0);
    }
    kernel_at(world->kernel, 2 * MINUTE, NULL, NULL);
    kernel_run(world->kernel, 2 * MINUTE);
    world_submit(world, 1, &submitter);
    kernel_at(world->kernel, 90 * MINUTE, NULL, NULL);
    enum kernel_end end = kernel_run(world->kernel, 90 * MINUTE);
    ck_assert_msg(end != KERNEL_SPIN, "%s spins (at %lu, %s)", kernel_spinner(world->kernel),
                  (unsigned long) plan->at, plan->what);
    world_stop(world, 0);
    kernel_run(world->kernel, 91 * MINUTE);
    judge(world, plan);
    world_destroy(world);
}

static uint64_t count_calls(struct plan plan)
{
    plan.at = 0;
    run(&plan);
    ck_assert_uint_gt(plan.calls, 10);
    return plan.calls;
}

/* One run for each call of the program. */
static void run_all(struct plan plan)
{
    uint64_t calls = count_calls(plan);
    for (uint64_t at = 1; at <= calls; at++) {
        struct plan next = plan;
        next.at = at;
        run(&next);
    }
}

START_TEST(nothing_fails)
{
    struct plan plan = {.error = NONE};
    run(&plan);
}
END_TEST

START_TEST(any_call_fails_with_an_io_error)
{
    run_all((struct plan){.error = EIO});
}
END_TEST

/* A directory that cannot be read to its end must not make messages look finished. */
START_TEST(any_call_after_a_crash_fails_with_an_io_error)
{
    run_all((struct plan){.error = EIO, .recovery = true});
}
END_TEST

START_TEST(any_call_finds_no_memory)
{
    run_all((struct plan){.error = ENOMEM});
}
END_TEST

START_TEST(any_call_finds_no_room)
{
    run_all((struct plan){.error = ENOSPC});
}
END_TEST

START_TEST(any_call_finds_no_descriptor)
{
    run_all((struct plan){.error = EMFILE});
}
END_TEST

/* Allocations are not told one by one: as many as make a difference, and some more. */
START_TEST(any_allocation_fails)
{
    for (uint64_t at = 1; at <= 160; at++) {
        struct plan plan = {.at = at, .error = NONE, .memory = true};
        run(&plan);
    }
}
END_TEST

START_TEST(any_call_of_clean_fails)
{
    run_all((struct plan){.program = "nixie-clean", .error = EIO});
}
END_TEST

START_TEST(killed_after_any_call)
{
    run_all((struct plan){.error = NONE, .kill = true});
}
END_TEST

START_TEST(clean_killed_after_any_call)
{
    run_all((struct plan){.program = "nixie-clean", .error = NONE, .kill = true});
}
END_TEST

START_TEST(lspawn_killed_after_any_call)
{
    run_all((struct plan){.program = "nixie-lspawn", .error = NONE, .kill = true});
}
END_TEST

START_TEST(log_killed_after_any_call)
{
    run_all((struct plan){.program = "nixie-log", .error = NONE, .kill = true});
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("send faults");
    TCase *tests = tcase_create("all");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, nothing_fails);
    tcase_add_test(tests, any_call_fails_with_an_io_error);
    tcase_add_test(tests, any_call_after_a_crash_fails_with_an_io_error);
    tcase_add_test(tests, any_call_finds_no_memory);
    tcase_add_test(tests, any_call_finds_no_room);
    tcase_add_test(tests, any_call_finds_no_descriptor);
    tcase_add_test(tests, any_allocation_fails);
    tcase_add_test(tests, any_call_of_clean_fails);
    tcase_add_test(tests, killed_after_any_call);
    tcase_add_test(tests, clean_killed_after_any_call);
    tcase_add_test(tests, lspawn_killed_after_any_call);
    tcase_add_test(tests, log_killed_after_any_call);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

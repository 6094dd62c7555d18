/* SPDX-License-Identifier: ISC */
/*
 * nixie-rspawn and nixie-remote in a whole simulated world with a remote server and a DNS: when any
 * of their calls or allocations fails, and when either is killed after any call.  The world's
 * oracles judge: nothing is lost, nothing comes twice but where an attempt says so, trouble of ours
 * never bounces mail.  And neither leaves memory when it exits.
 */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "sim/world/world.h"

#define MINUTE (60 * NANOSECONDS)
#define NONE (-1)

struct plan {
    const char *program;
    uint64_t at; /* the call or allocation, from 1; 0: none */
    int error;   /* of the call; NONE: it does not fail */
    bool kill;   /* it is killed after the call */
    bool memory; /* an allocation fails instead of a call */
    struct world *world;
    uint64_t calls;
    char what[200];
    char leak[200];
};

/* Those that Linux lets fail in this way; between living processes a socket has no errors. */
static bool may_fail(const struct plan *plan, const struct call *call)
{
    bool is_partner = strcmp(plan->program, "nixie-remote") == 0 ? call->fd <= 2 : true;
    switch (call->id) {
    case CALL_open:
    case CALL_stat:
    case CALL_socket:
    case CALL_socketpair:
    case CALL_spawn:
        return true;
    case CALL_fstat:
    case CALL_lseek:
        return plan->error == EIO;
    case CALL_connect:
    case CALL_read:
    case CALL_write:
        return !is_partner && plan->error != EMFILE;
    default:
        return false;
    }
}

/* The log may tell of trouble, and a try that meets it may end early. */
static void expect_trouble(struct world *world, enum upset_kind kind)
{
    struct upset *upset = LIST_ADD(world->upsets, world->upset_count);
    upset->kind = kind;
    upset->order = ORDER_HANGUP; /* which excuses nothing else */
    upset->hit = HIT_DELIVERY | HIT_SPAWN;
    upset->time_ns = kernel_now(world->kernel);
}

static void note(struct plan *plan, const struct call *call)
{
    expect_trouble(plan->world, plan->kill ? UPSET_ORDER : UPSET_FAULT);
    snprintf(plan->what, sizeof plan->what, "%s %s (fd %d)", call_name(call->id),
             call->path ? call->path : "", call->fd);
}

static int before_call(void *context, const struct call *call)
{
    struct plan *plan = context;
    if (strcmp(process_name(call->process), plan->program) != 0)
        return 0;
    if (call->id == CALL_exit && !plan->leak[0] && process_live_bytes(call->process) > 0)
        snprintf(plan->leak, sizeof plan->leak, "%s leaves %zu bytes", plan->program,
                 process_live_bytes(call->process));
    if (plan->kill || plan->memory || !may_fail(plan, call))
        return 0;
    if (++plan->calls != plan->at || plan->error == NONE)
        return 0;
    note(plan, call);
    return plan->error;
}

static void after_call(void *context, const struct call *call)
{
    struct plan *plan = context;
    if (!plan->kill || call->id == CALL_exit ||
        strcmp(process_name(call->process), plan->program) != 0)
        return;
    if (++plan->calls != plan->at)
        return;
    note(plan, call);
    world_kill(plan->world, 0, call->process);
}

/* --- the world ----------------------------------------------------------------------------------
 */

static struct user_spec users[] = {
    {.name = "alice", .uid = 1001, .home_mode = 0755},
    {.name = "postmaster", .uid = 1003, .home_mode = 0755},
};
static const char *home_address[] = {"192.0.2.10"}, *away_address[] = {"198.51.100.1"},
                  *dns_address[] = {"192.0.2.53"};
static struct served_domain away_domain[] = {{"away.example", 10}};
static const char *const first_recipients[] = {"bob@away.example", "no@away.example",
                                               "carol@away.example"};
static const char *const one[] = {"bob@away.example"};

#define RULES "on RCPT no@* reply 550 \"5.1.1 no such user\"\n"
#define REMOTE_CONFIG "name mx.away.example\nlisten 198.51.100.1 25\n" RULES
#define DNS_CONFIG                                                                                 \
    "listen 192.0.2.53 53\nzone .\nrecord away.example 3600 MX 10 mx.away.example\n"               \
    "record mx.away.example 3600 A 198.51.100.1\n"

static const struct remote_spec remote = {
    .name = "away",
    .smtp_name = "mx.away.example",
    .addresses = away_address,
    .address_count = 1,
    .domains = away_domain,
    .domain_count = 1,
    .rules = {RULES, sizeof RULES - 1},
    .config = {REMOTE_CONFIG, sizeof REMOTE_CONFIG - 1},
};
static const struct dns_spec dns = {
    .name = "dns",
    .addresses = dns_address,
    .address_count = 1,
    .config = {DNS_CONFIG, sizeof DNS_CONFIG - 1},
};

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

static struct world *make_world(const struct home_spec *home)
{
    struct world_options options = {
        .kernel = {.seed = 1, .policy = SCHEDULE_RANDOM, .fill_byte = 0xa5},
        .specs = home,
        .spec_count = 1,
        .remotes = &remote,
        .remote_count = 1,
        .dns = &dns};
    int error;
    struct world *world = world_create(&options, &error);
    ck_assert_ptr_nonnull(world);
    add_letter(world, "m1", "<m1@x>", "Message-ID: <m1@x>\n\nhello\n", first_recipients, 3);
    add_letter(world, "m2", "<m2@x>", "Message-ID: <m2@x>\n\nhello again\n", one, 1);
    add_letter(world, "m3", "<m3@x>", "Message-ID: <m3@x>\n\nand again\n", one, 1);
    return world;
}

static void judge(struct world *world, const struct plan *plan)
{
    unsigned taken = 0;
    world_collect(world);
    world_judge(world, false);
    for (size_t i = 0; i < world->violation_count; i++)
        /* without memory there may be no words for what happened, and a try may end early */
        if (!plan->memory || (strcmp(world->violations[i].promise, "BOUNCE") != 0 &&
                              strcmp(world->violations[i].promise, "VERDICT") != 0))
            ck_abort_msg("%s %s at %lu, error %d, %s: %s: %s", plan->program,
                         plan->memory ? "allocation" : "call", (unsigned long) plan->at,
                         plan->error, plan->what, world->violations[i].promise,
                         world->violations[i].text);
    for (size_t i = 0; i < world->taking_count; i++)
        taken += (unsigned) world->takings[i].recipient_count;
    ck_assert_msg(taken >= 4, "%u taken (%s at %lu, error %d, %s)", taken, plan->program,
                  (unsigned long) plan->at, plan->error, plan->what);
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
                             .addresses = home_address,
                             .address_count = 1,
                             .users = users,
                             .user_count = 2};
    struct submitter submitter = {
        .program = "nixie-queue", .user = &users[0], .sender = "alice@example.com"};
    struct world *world = make_world(&spec);
    struct kernel_watch watch = {.before = before_call, .after = after_call, .context = plan};
    plan->world = world;
    kernel_watch(world->kernel, &watch);
    if (plan->memory) {
        expect_trouble(world, UPSET_ORDER);
        kernel_fail_allocation(world->kernel, plan->program, plan->at);
    }
    world_start_actor(world, 1);
    world_start_actor(world, 2);
    world_start(world, 0);
    for (size_t i = 0; i < 3; i++) { /* the second over the connection of the first */
        int64_t until = ((int64_t) i + 1) * NANOSECONDS + (i == 2 ? 5 * MINUTE : 0);
        kernel_at(world->kernel, until, NULL, NULL);
        kernel_run(world->kernel, until);
        world_submit(world, i, &submitter);
    }
    kernel_at(world->kernel, 150 * MINUTE, NULL, NULL);
    enum kernel_end end = kernel_run(world->kernel, 150 * MINUTE);
    ck_assert_msg(end != KERNEL_SPIN, "%s spins (at %lu, %s)", kernel_spinner(world->kernel),
                  (unsigned long) plan->at, plan->what);
    world_stop(world, 0);
    kernel_run(world->kernel, 151 * MINUTE);
    judge(world, plan);
    world_destroy(world);
}

static void run_all(struct plan plan, uint64_t step)
{
    struct plan count = plan;
    count.at = 0;
    run(&count);
    ck_assert_uint_gt(count.calls, 5);
    for (uint64_t at = 1; at <= count.calls; at += step) {
        struct plan next = plan;
        next.at = at;
        run(&next);
    }
}

static const char *const programs[] = {"nixie-rspawn", "nixie-remote"};

START_TEST(calls_fail)
{
    static const int errors[] = {EIO, ENOMEM, EMFILE, ECONNRESET};
    for (size_t i = 0; i < 4; i++)
        run_all((struct plan){.program = programs[_i], .error = errors[i]}, 1);
}
END_TEST

/* Allocations are not told one by one: as many as make a difference, and some more. */
START_TEST(allocations_fail)
{
    for (uint64_t at = 1; at <= 120; at++) {
        struct plan plan = {.program = programs[_i], .at = at, .error = NONE, .memory = true};
        run(&plan);
    }
}
END_TEST

START_TEST(killed_after_any_call)
{
    run_all((struct plan){.program = programs[_i], .error = NONE, .kill = true}, 1);
}
END_TEST

START_TEST(send_killed_after_a_call)
{
    run_all((struct plan){.program = "nixie-send", .error = NONE, .kill = true}, 5);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("remote faults");
    TCase *tests = tcase_create("all");
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, calls_fail, 0, 2);
    tcase_add_loop_test(tests, allocations_fail, 0, 2);
    tcase_add_loop_test(tests, killed_after_any_call, 0, 2);
    tcase_add_test(tests, send_killed_after_a_call);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

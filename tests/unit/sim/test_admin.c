/* SPDX-License-Identifier: ISC */
/*
 * nixie-admin within a whole simulated home.  The power is cut after every call that follows the
 * command; any call of send, clean or nixie-admin fails; send is killed.  In the end what the admin
 * was told holds, and what was not told was done wholly or not at all.
 */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "sim/world/home.h"
#include "sim/world/world.h"

#define SECOND NANOSECONDS
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define COMMAND_AT (100 * SECOND) /* slow was tried at 1 s and is due at 101 s, then 401 s ... */

enum verb { RETRY, HOLD, RELEASE, EXPIRE, DELETE, VERBS };
static const char *const verb_names[VERBS] = {"retry", "hold", "release", "expire", "delete"};

enum trouble { NO_TROUBLE, POWER, FAIL, KILL };

struct plan {
    enum verb verb;
    enum trouble trouble;
    bool stopped; /* no server runs at the command */
    const char *disk;
    unsigned outcome;    /* of a power loss: all lost, all kept, then chance */
    const char *program; /* FAIL, KILL */
    int error;
    uint64_t at; /* the call, from 1; 0: none */
    /* What came of it. */
    uint64_t calls;
    bool counting, happened;
    struct world *world;
    int answer;        /* exit status of nixie-admin; -1: it did not end */
    int64_t answer_ns; /* when */
    char what[200];
};

static const char *const recipients[] = {"bob@example.com", "nobody@example.com",
                                         "slow@example.com"};
static struct named_text later[] = {{"", {"|later\n", 7}}};
static struct user_spec users[] = {
    {.name = "alice", .uid = 1001, .home_mode = 0755},
    {.name = "bob", .uid = 1002, .home_mode = 0755},
    {.name = "slow", .uid = 1003, .home_mode = 0755, .qmail = later, .qmail_count = 1},
    {.name = "postmaster", .uid = 1004, .home_mode = 0755},
};
static struct program_rule later_rules[] = {
    {.first = 1, .last = UINT64_MAX, .exit_code = 111, .print = "later\n"}};
static struct program_spec programs[] = {{"later", later_rules, 1}};
static struct named_text controls[] = {{"queuelifetime", {"7200", 4}}};

/* --- the run ------------------------------------------------------------------------------- */

static bool changes_disk(const struct call *call)
{
    switch (call->id) {
    case CALL_open:
    case CALL_write:
    case CALL_unlink:
    case CALL_link:
    case CALL_rename:
    case CALL_fsync:
    case CALL_syncfs:
        return true;
    default:
        return false;
    }
}

static bool is_meant(const struct plan *plan, const struct call *call)
{
    return plan->counting && !plan->happened &&
           (!plan->program || strcmp(process_name(call->process), plan->program) == 0);
}

static bool may_fail(const struct call *call)
{
    switch (call->id) {
    case CALL_open:
    case CALL_lstat:
    case CALL_unlink:
    case CALL_opendir:
    case CALL_readdir:
    case CALL_syncfs:
    case CALL_fsync:
    case CALL_socket:
    case CALL_connect:
    case CALL_accept:
        return true;
    default:
        return false;
    }
}

static void note_what(struct plan *plan, const struct call *call)
{
    struct upset *upset = LIST_ADD(plan->world->upsets, plan->world->upset_count);
    upset->time_ns = kernel_now(plan->world->kernel);
    upset->kind = plan->trouble == KILL ? UPSET_KILL : UPSET_FAULT;
    plan->happened = true;
    snprintf(plan->what, sizeof plan->what, "%s: %s %s (fd %d)", process_name(call->process),
             call_name(call->id), call->path ? call->path : "", call->fd);
}

static int before_call(void *context, const struct call *call)
{
    struct plan *plan = context;
    if (plan->trouble != FAIL || !is_meant(plan, call) || !may_fail(call) ||
        ++plan->calls != plan->at)
        return 0;
    note_what(plan, call);
    return plan->error;
}

static void after_call(void *context, const struct call *call)
{
    struct plan *plan = context;
    if ((plan->trouble != POWER && plan->trouble != KILL) || !is_meant(plan, call) ||
        !(plan->trouble == KILL || changes_disk(call)) || call->id == CALL_exit ||
        ++plan->calls != plan->at)
        return;
    note_what(plan, call);
    if (plan->trouble == KILL)
        world_kill(plan->world, 0, call->process);
    else
        kernel_stop(plan->world->kernel);
}

static void admin_ended(void *context, struct process *process, int status)
{
    struct plan *plan = context;
    (void) process;
    plan->answer = status >= 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    plan->answer_ns = kernel_now(plan->world->kernel);
}

static void start_admin(struct plan *plan, const char *verb)
{
    const char *argv[] = {"nixie-admin", verb, "1", NULL};
    static const char *const environment[] = {NULL};
    struct process_spec spec = {.path = HOME_DIRECTORY "/bin/nixie-admin",
                                .argv = argv,
                                .environment = environment,
                                .uid = HOME_OWNER,
                                .gid = HOME_OWNER,
                                .ended = admin_ended,
                                .context = plan};
    int error;
    plan->answer = -1;
    ck_assert_ptr_nonnull(process_start(plan->world->machines[0].host, &spec, &error));
}

static enum kernel_end run_until(struct plan *plan, int64_t time_ns)
{
    kernel_at(plan->world->kernel, time_ns, NULL, NULL);
    enum kernel_end end = kernel_run(plan->world->kernel, time_ns);
    ck_assert_msg(end != KERNEL_SPIN, "%s spins", kernel_spinner(plan->world->kernel));
    return end;
}

static void cut_power(struct plan *plan)
{
    struct choose_random chance;
    choose_random_start(&chance, 7, plan->outcome + 100 * plan->at);
    world_crash(plan->world, 0,
                plan->outcome == 0   ? &choose_none
                : plan->outcome == 1 ? &choose_all
                                     : &chance.chooser);
    world_boot(plan->world, 0);
}

static void add_letter(struct world *world)
{
    static const char content[] = "Message-ID: <m1@x>\n\nhello\n";
    struct letter *letter = LIST_ADD(world->letters, world->letter_count);
    letter->name = "m1";
    letter->id = "<m1@x>";
    letter->header = "";
    letter->content = (struct text){content, sizeof content - 1};
    letter->recipients = recipients;
    letter->recipient_count = 3;
    letter->path = LETTER_BY_QUEUE;
}

static void begin(struct plan *plan, struct home_spec *spec)
{
    *spec = (struct home_spec){.name = "mail",
                               .domain = "example.com",
                               .disk = disk_model_named(plan->disk),
                               .single_user = true,
                               .controls = controls,
                               .control_count = 1,
                               .users = users,
                               .user_count = 4,
                               .programs = programs,
                               .program_count = 1};
    struct world_options options = {
        .kernel = {.seed = 1, .policy = SCHEDULE_RANDOM}, .specs = spec, .spec_count = 1};
    struct submitter submitter = {
        .program = "nixie-queue", .user = &users[0], .sender = "alice@example.com"};
    int error;
    plan->world = world_create(&options, &error);
    ck_assert_ptr_nonnull(plan->world);
    add_letter(plan->world);
    world_start(plan->world, 0);
    run_until(plan, SECOND);
    world_submit(plan->world, 0, &submitter);
    run_until(plan, 30 * SECOND);
}

/* The world hears of orders by the log of nixie-send; of one to a stopped server, or to one that is
 * killed before it says so, it hears here: from now on it may be obeyed. */
static void note_order(struct world *world, enum verb verb)
{
    static const enum order orders[VERBS] = {
        [RETRY] = ORDER_RETRY, [RELEASE] = ORDER_RELEASE, [EXPIRE] = ORDER_EXPIRE};
    struct machine *machine = &world->machines[0];
    if (verb == DELETE)
        *LIST_ADD(machine->deletions, machine->deletion_count) = 1;
    if (!orders[verb])
        return;
    struct upset *upset = LIST_ADD(world->upsets, world->upset_count);
    upset->time_ns = kernel_now(world->kernel);
    upset->kind = UPSET_ORDER;
    upset->order = orders[verb];
    upset->asked = true;
    upset->number = 1;
}

/* Until after the trouble, at most until 10 minutes after the command. */
static void command(struct plan *plan)
{
    struct world *world = plan->world;
    struct kernel_watch watch = {.before = before_call, .after = after_call, .context = plan};
    if (plan->verb == RELEASE) {
        start_admin(plan, "hold");
        run_until(plan, 40 * SECOND);
        ck_assert_int_eq(plan->answer, 0);
    }
    if (plan->stopped)
        world_stop(world, 0);
    run_until(plan, COMMAND_AT - 10 * SECOND);
    kernel_watch(world->kernel, &watch);
    plan->counting = true;
    note_order(world, plan->verb);
    start_admin(plan, verb_names[plan->verb]);
    enum kernel_end end = run_until(plan, COMMAND_AT);
    if (end != KERNEL_STOPPED && plan->stopped) {
        world_start(world, 0);
        note_order(world, plan->verb); /* it is obeyed from here on */
    }
    if (end != KERNEL_STOPPED)
        end = run_until(plan, COMMAND_AT + 10 * MINUTE);
    if (end == KERNEL_STOPPED)
        cut_power(plan);
    plan->counting = false;
}

/* --- what must hold ------------------------------------------------------------------------ */

static size_t tries_after(const struct plan *plan, int64_t time_ns)
{
    size_t count = 0;
    for (size_t i = 0; i < plan->world->attempt_count; i++)
        count +=
            plan->world->attempts[i].number == 1 && plan->world->attempts[i].start_ns > time_ns;
    return count;
}

static const struct entry *bounce_of(const struct world *world)
{
    for (size_t i = 0; i < world->entry_count; i++)
        if (world->entries[i].bounce == 1 && world->entries[i].answer == ANSWER_YES)
            return &world->entries[i];
    return NULL;
}

static bool bounce_tells_of(const struct entry *bounce, const char *what)
{
    return memmem(bounce->text, bounce->text_size, what, strlen(what)) != NULL;
}

/* Gone, or but for mess/N, which is swept later if it could not be removed. */
static bool is_gone(const struct plan *plan, const struct entry *entry)
{
    bool may_be_left = plan->trouble == FAIL || plan->trouble == KILL;
    return entry->stage == STAGE_S1 || (may_be_left && entry->stage == STAGE_S2);
}

static void check_deleted(const struct plan *plan, const struct entry *entry,
                          const struct entry *bounce, const char *where)
{
    if (plan->answer == 0)
        ck_assert_msg(!bounce && is_gone(plan, entry), "%s: deleted, but it is in %s", where,
                      stage_name(entry->stage));
    else if (bounce) /* all of it was kept */
        ck_assert_msg(bounce_tells_of(bounce, "<nobody@") && bounce_tells_of(bounce, "<slow@"),
                      "%s: a part of it was deleted", where);
    else
        ck_assert_msg(is_gone(plan, entry), "%s: it neither bounced nor was deleted", where);
}

static void check_effect(const struct plan *plan, const char *where)
{
    const struct entry *entry = world_entry(plan->world, 0, 1);
    const struct entry *bounce = bounce_of(plan->world);
    bool told = plan->answer == 0;
    ck_assert_msg(plan->trouble || told, "%s: exit %d", where, plan->answer);
    switch (plan->verb) {
    case RETRY:
    case RELEASE:
        ck_assert_msg(!told || tries_after(plan, COMMAND_AT - 10 * SECOND) > 0, "%s: no try",
                      where);
        break;
    case HOLD:
        ck_assert_msg(!told || (tries_after(plan, plan->answer_ns) == 0 && !bounce &&
                                entry->stage == STAGE_S5),
                      "%s: held, but it went on", where);
        break;
    case EXPIRE:
        ck_assert_msg(!told || (bounce && bounce_tells_of(bounce, "too long") &&
                                bounce->history[0].time_ns < COMMAND_AT + 30 * MINUTE),
                      "%s: it has not expired", where);
        break;
    default:
        check_deleted(plan, entry, bounce, where);
    }
    bool over = plan->verb != HOLD && !(plan->verb == RELEASE && !told);
    ck_assert_msg(!over || is_gone(plan, entry), "%s: it is still in %s", where,
                  stage_name(entry->stage));
}

/* A home without the message has no mark of it. */
static void check_marks(const struct plan *plan, const char *where)
{
    char **names;
    if (world_entry(plan->world, 0, 1)->stage != STAGE_S1)
        return;
    ck_assert_int_eq(host_list_directory(plan->world->machines[0].host, HOME_QUEUE "/mark", &names),
                     0);
    ck_assert_msg(!names[0] || plan->trouble == FAIL, "%s: mark/%s is left", where, names[0]);
    for (size_t i = 0; names[i]; i++)
        free(names[i]);
    free(names);
}

static void run(struct plan *plan)
{
    struct home_spec spec;
    char where[400];
    begin(plan, &spec);
    command(plan);
    run_until(plan, 4 * HOUR);
    snprintf(where, sizeof where, "%s%s on %s, trouble %d outcome %u error %d at %lu, %s, exit %d",
             verb_names[plan->verb], plan->stopped ? " (stopped)" : "", plan->disk, plan->trouble,
             plan->outcome, plan->error, (unsigned long) plan->at, plan->what, plan->answer);
    world_collect(plan->world);
    world_judge(plan->world, true);
    for (size_t i = 0; i < plan->world->violation_count; i++)
        ck_abort_msg("%s: %s: %s", where, plan->world->violations[i].promise,
                     plan->world->violations[i].text);
    ck_assert_msg(kernel_fault_count(plan->world->kernel) == 0, "%s: %s", where,
                  kernel_fault(plan->world->kernel));
    check_effect(plan, where);
    check_marks(plan, where);
    world_destroy(plan->world);
}

static bool is_full_size(void)
{
    const char *all = getenv("CHECK_ALL");
    return all && *all;
}

/* One run for each call, until there is none any more; if not at full size, every `step`-th from
 * the `first` on. */
static void run_all(struct plan plan, unsigned first, unsigned step)
{
    bool happened = true;
    if (is_full_size())
        first = step = 1;
    for (uint64_t at = first; happened; at += step) {
        struct plan next = plan;
        next.at = at;
        run(&next);
        happened = next.happened;
    }
}

/* --- the tests: _i is verb and whether the server is stopped -------------------------------- */

#define CASES (VERBS * 2)

static struct plan plan_of(int index, enum trouble trouble)
{
    return (struct plan){.verb = (enum verb)(index % VERBS),
                         .stopped = index >= VERBS,
                         .trouble = trouble,
                         .disk = "honest"};
}

START_TEST(no_trouble)
{
    struct plan plan = plan_of(_i, NO_TROUBLE);
    run(&plan);
    plan = plan_of(_i, NO_TROUBLE);
    plan.disk = "strict";
    run(&plan);
}
END_TEST

START_TEST(power_lost_anywhere)
{
    for (unsigned outcome = 0; outcome < (is_full_size() ? 8 : 3); outcome++) {
        struct plan plan = plan_of(_i, POWER);
        plan.disk = "strict";
        plan.outcome = outcome;
        run_all(plan, 1 + outcome % 2, 2);
    }
}
END_TEST

START_TEST(any_call_fails)
{
    static const char *const names[] = {"nixie-admin", "nixie-send", "nixie-clean"};
    static const int errors[] = {EIO, ENOSPC};
    for (size_t i = 0; i < 3; i++)
        for (size_t k = 0; k < 2; k++) {
            struct plan plan = plan_of(_i, FAIL);
            plan.program = names[i];
            plan.error = errors[k];
            run_all(plan, 1, 3);
        }
}
END_TEST

START_TEST(killed_anywhere)
{
    static const char *const names[] = {"nixie-admin", "nixie-send", "nixie-clean"};
    for (size_t i = 0; i < 3; i++) {
        struct plan plan = plan_of(_i, KILL);
        plan.program = names[i];
        run_all(plan, 1, 2);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("admin");
    TCase *tests = tcase_create("all");
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, no_trouble, 0, CASES);
    tcase_add_loop_test(tests, power_lost_anywhere, 0, CASES);
    tcase_add_loop_test(tests, any_call_fails, 0, CASES);
    tcase_add_loop_test(tests, killed_anywhere, 0, CASES);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

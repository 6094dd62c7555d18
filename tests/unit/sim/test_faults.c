/* SPDX-License-Identifier: ISC */
/* Faults in single calls: that each kind does what it says, that a plan and the line that tells it
 * are the same run to the byte, that which call may meet what, and that what goes wrong for a while
 * is judged. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sim/explore/faults.h"

#define HOST                                                                                       \
    "host mail example.com\n    user alice\n    user bob\n"                                        \
    "remote away\n    serves away.example\n    on RCPT ghost@* reply 550 \"no such user\"\n"
#define SEND "at 0s alice sends m1 to bob@example.com carol@away.example\n"
#define LATER "at 5m alice sends m2 to bob@example.com\n"

static struct scenario *parse(const char *text)
{
    struct scenario *scenario = scenario_parse("test", text, strlen(text), NULL, 0, stderr);

    ck_assert_ptr_nonnull(scenario);
    return scenario;
}

/* --- faults of a run -------------------------------------------------------------------------*/

struct found {
    struct fault_plan *plans;
    size_t count;
};

/* A run that is watched, and what it is asked for. */
struct watching {
    struct world *world;
    unsigned set; /* plans of these are gathered */
    struct found found;
    uint64_t number; /* of this call it is noted what came of it */
    int64_t result, begin_ns, end_ns, wall_before_ns, wall_after_ns;
    size_t size;
};

static void add_plan(void *context, const struct fault_plan *plan)
{
    struct watching *watching = context;

    *LIST_ADD(watching->found.plans, watching->found.count) = *plan;
}

static int before(void *context, const struct call *call)
{
    struct watching *watching = context;

    if (watching->set && !watching->world->finished)
        faults_of_call(watching->world, call, watching->set, add_plan, watching);
    if (call->number == watching->number)
        watching->size = call->size;
    if (call->number + 1 == watching->number)
        watching->wall_before_ns = kernel_wall(watching->world->kernel);
    return 0;
}

static void after(void *context, const struct call *call)
{
    struct watching *watching = context;

    if (call->number != watching->number)
        return;
    watching->result = call->result;
    watching->end_ns = call->time_ns;
    watching->wall_after_ns = kernel_wall(watching->world->kernel);
}

static void started(void *context, struct world *world)
{
    struct watching *watching = context;

    watching->world = world;
}

static void run(const char *text, const struct fault_plan *plan, struct watching *watching,
                struct run_result *result)
{
    struct scenario *scenario = parse(text);
    struct kernel_watch watch = {before, after, watching};
    struct run_options options = {.faults = plan,
                                  .fault_count = plan != NULL,
                                  .only_oracles = true,
                                  .watch = &watch,
                                  .started = started,
                                  .started_context = watching};

    watching->number = plan ? plan->call_number : 0;
    scenario_run(scenario, &options, result);
    scenario_free(scenario);
}

/* All plans of these kinds in a run of the story. */
static struct found plans_of(const char *text, unsigned set)
{
    struct watching watching = {.set = set};
    struct run_result result;

    run(text, NULL, &watching, &result);
    ck_assert_int_eq(result.verdict, VERDICT_HELD);
    faults_of_memory(result.allocations, set, add_plan, &watching);
    run_result_free(&result);
    ck_assert_uint_gt(watching.found.count, 0);
    return watching.found;
}

/* --- a plan is what its line says ------------------------------------------------------------*/

static const unsigned kinds[] = {FAULTS_ENOSPC, FAULTS_EIO,     FAULTS_ENFILE, FAULTS_EINTR,
                                 FAULTS_SHORT,  FAULTS_SLOW,    FAULTS_CLOCK,  FAULTS_SPAWN,
                                 FAULTS_WAKEUP, FAULTS_NETWORK, FAULTS_MEMORY};

START_TEST(lines_are_the_plans)
{
    struct found found = plans_of(HOST SEND LATER, kinds[_i]);
    size_t step = found.count / 12 + 1;

    for (size_t i = 0; i < found.count; i += step) {
        struct watching watching = {0};
        struct run_result planned, told;
        char text[2000];

        run(HOST SEND LATER, &found.plans[i], &watching, &planned);
        ck_assert_uint_eq(planned.fault_count, 1);
        ck_assert_ptr_nonnull(planned.fault_lines[0]);
        snprintf(text, sizeof text, HOST SEND LATER "%s\n", planned.fault_lines[0]);
        run(text, NULL, &watching, &told);
        ck_assert_msg(planned.hash == told.hash && planned.disk_hash == told.disk_hash,
                      "another run: %s", planned.fault_lines[0]);
        ck_assert_msg(planned.verdict == VERDICT_HELD, "%s: %s", planned.fault_lines[0],
                      planned.failure_count ? planned.failures[0].message : "");
        run_result_free(&planned);
        run_result_free(&told);
    }
    free(found.plans);
}
END_TEST

/* --- what each does --------------------------------------------------------------------------*/

/* Runs the first plan of that kind, of its n-th call. */
static struct watching run_first(unsigned kind, size_t n, struct run_result *result)
{
    struct found found = plans_of(HOST SEND, kind);
    struct watching watching = {0};

    ck_assert_uint_gt(found.count, n);
    run(HOST SEND, &found.plans[n], &watching, result);
    free(found.plans);
    return watching;
}

START_TEST(errors_are_returned)
{
    struct run_result result;
    struct watching watching = run_first(FAULTS_EIO, 5, &result);

    ck_assert_int_eq(watching.result, -EIO);
    run_result_free(&result);
}
END_TEST

START_TEST(short_is_one_byte)
{
    size_t ones = 0;

    for (size_t i = 0; i < 30; i++) {
        struct run_result result;
        struct watching watching = run_first(FAULTS_SHORT, i, &result);

        ck_assert_int_le(watching.result, 1); /* or nothing was there to be read */
        ones += watching.result == 1;
        run_result_free(&result);
    }
    ck_assert_uint_gt(ones, 10);
}
END_TEST

START_TEST(slow_takes_its_time)
{
    struct found found = plans_of(HOST SEND, FAULTS_SLOW);

    for (size_t i = 0; i < found.count; i += 7) {
        struct watching quick = {0}, slow = {0};
        struct fault_plan none = {
            .call_number = found.plans[i].call_number, .kind = FAULT_SHORT, .amount = INT32_MAX};
        struct run_result result;

        run(HOST SEND, &none, &quick, &result);
        run_result_free(&result);
        run(HOST SEND, &found.plans[i], &slow, &result);
        run_result_free(&result);
        if (slow.end_ns == 0) { /* the run was over before it ended */
            ck_assert_int_lt(result.simulated_ns, quick.end_ns + found.plans[i].amount);
            continue;
        }
        ck_assert_int_ge(slow.end_ns, quick.end_ns + found.plans[i].amount - 10000000);
    }
    free(found.plans);
}
END_TEST

START_TEST(clock_steps_both_ways)
{
    for (size_t i = 0; i < 2; i++) {
        struct run_result result;
        struct watching watching = run_first(FAULTS_CLOCK, i, &result);
        int64_t step = watching.wall_after_ns - watching.wall_before_ns;

        ck_assert_int_gt(i == 0 ? step : -step, 3 * 3600 * NANOSECONDS - NANOSECONDS);
        run_result_free(&result);
    }
}
END_TEST

/* The message is found when send looks of itself. */
START_TEST(wakeup_is_lost)
{
    static const char story[] = HOST "at 2m alice sends m1 to bob@example.com\n";
    struct found found = plans_of(story, FAULTS_WAKEUP);
    struct watching watching = {0};
    struct run_result result;

    run(story, &found.plans[found.count - 1], &watching, &result);
    ck_assert_int_eq(watching.result, (int64_t) watching.size);
    ck_assert_int_eq(result.verdict, VERDICT_HELD);
    ck_assert_int_gt(result.simulated_ns, 5 * 60 * NANOSECONDS);
    run_result_free(&result);
    free(found.plans);
}
END_TEST

/* A disk without room for a minute: told no meanwhile, and yes afterwards. */
START_TEST(full_for_a_minute)
{
    const char *text = HOST "fault any any 1 ENOSPC for 1m\n" SEND LATER
                            "expect m1 refused\nexpect m2 delivered once by 6m\n";
    struct scenario *scenario = parse(text);
    struct run_options options = {0};
    struct run_result result;

    scenario_run(scenario, &options, &result);
    ck_assert_msg(result.verdict == VERDICT_HELD, "%s",
                  result.failure_count ? result.failures[0].message : "");
    run_result_free(&result);
    scenario_free(scenario);
}
END_TEST

/* The connection goes after exactly that many bytes: a byte later it is another run. */
START_TEST(resets_are_at_each_byte)
{
    struct found found = plans_of(HOST SEND, FAULTS_NETWORK);
    uint64_t last = 0;
    size_t differ = 0, pairs = 0;

    for (size_t i = 1; i < found.count; i += 5) {
        struct watching watching = {0};
        struct run_result result;

        if (found.plans[i].kind != FAULT_NET || found.plans[i].amount == 0)
            continue;
        run(HOST SEND, &found.plans[i], &watching, &result);
        ck_assert_msg(result.verdict == VERDICT_HELD, "%s: %s", result.fault_lines[0],
                      result.failure_count ? result.failures[0].message : "");
        differ += result.hash != last;
        pairs++;
        last = result.hash;
        run_result_free(&result);
    }
    ck_assert_uint_gt(pairs, 20);
    ck_assert_uint_gt(differ, pairs / 2);
    free(found.plans);
}
END_TEST

/* --- which there are -------------------------------------------------------------------------*/

START_TEST(lists_are_read)
{
    unsigned set;

    ck_assert_int_eq(faults_parse("all", &set), 0);
    ck_assert_uint_eq(set, FAULTS_ALL);
    ck_assert_int_eq(faults_parse("none", &set), 0);
    ck_assert_uint_eq(set, 0);
    ck_assert_int_eq(faults_parse("eio,network,short", &set), 0);
    ck_assert_uint_eq(set, FAULTS_EIO | FAULTS_NETWORK | FAULTS_SHORT);
    ck_assert_int_eq(faults_parse("", &set), -1);
    ck_assert_int_eq(faults_parse("eio,", &set), -1);
    ck_assert_int_eq(faults_parse("EIO", &set), -1);
    for (unsigned one = 1; one < FAULTS_ALL; one <<= 1) {
        ck_assert_int_eq(faults_parse(faults_name(one), &set), 0);
        ck_assert_uint_eq(set, one);
    }
}
END_TEST

/* What no call of that kind meets on Linux. */
static int check_table(void *context, const struct call *call)
{
    const struct watching *watching = context;
    unsigned set = faults_of(watching->world, call);
    enum file_kind file = process_file_kind(call->process, call->fd);

    if ((file == FILE_REGULAR && call->id != CALL_flock) || call->id == CALL_fsync ||
        call->id == CALL_syncfs)
        ck_assert_uint_eq(set & FAULTS_EINTR, 0);
    if (call->id == CALL_read || call->id == CALL_unlink || call->id == CALL_stat)
        ck_assert_uint_eq(set & (FAULTS_ENOSPC | FAULTS_EDQUOT), 0);
    if (call->id == CALL_exit || call->id == CALL_get_id || call->id == CALL_close)
        ck_assert_uint_eq(set, 0);
    if (strncmp(process_name(call->process), "nixie-", 6) != 0)
        ck_assert_uint_eq(set & ~(unsigned) FAULTS_NETWORK, 0);
    return 0;
}

START_TEST(table_is_linux)
{
    struct watching watching = {0};
    struct kernel_watch watch = {check_table, NULL, &watching};
    struct scenario *scenario = parse(HOST SEND);
    struct run_options options = {
        .watch = &watch, .started = started, .started_context = &watching};
    struct run_result result;

    scenario_run(scenario, &options, &result);
    run_result_free(&result);
    scenario_free(scenario);
}
END_TEST

/* --- judging ---------------------------------------------------------------------------------*/

static void note_outcomes(const char *text, struct outcomes *outcomes)
{
    struct scenario *scenario = parse(text);
    struct run_options options = {.outcomes = outcomes};
    struct run_result result;

    scenario_run(scenario, &options, &result);
    run_result_free(&result);
    scenario_free(scenario);
}

/* A run of `text`, judged as if nothing had gone wrong had come to what `base` comes to. */
static void judge(const char *text, const char *base, const char *promise)
{
    struct outcomes outcomes = {0};
    struct scenario *scenario = parse(text);
    struct run_options options = {.only_oracles = true, .base = &outcomes, .probe = true};
    struct run_result result;
    const char *found;

    note_outcomes(base, &outcomes);
    scenario_run(scenario, &options, &result);
    found = result.failure_count ? result.failures[0].promise : "";
    ck_assert_msg(strcmp(found, promise) == 0, "%s, not %s: %s", found, promise,
                  result.failure_count ? result.failures[0].message : "it held");
    run_result_free(&result);
    outcomes_free(&outcomes);
    scenario_free(scenario);
}

/* friend's mail goes to nobody, unless the program says that it is done. */
#define FORWARD                                                                                    \
    "host mail example.com\n    user alice\n    user friend\n        | |first\n"                   \
    "        | &nobody@example.com\n    program first\n"
#define TO_FRIEND "at 0s alice sends m1 to friend@example.com\n"
#define TO_NOBODY "at 0s alice sends m1 to nobody@example.com\n"

START_TEST(final_is_found)
{
    judge(HOST "at 0s alice sends m1 to ghost@away.example\n",
          HOST "at 0s alice sends m1 to ghost@away.example\n", "");
    judge(HOST "at 0s alice sends m1 to nobody@example.com\n",
          HOST "at 0s alice sends m1 to bob@example.com\n", "FINAL");
    /* what the admin deleted was never tried */
    judge(HOST "at 0s alice sends m1 to nobody@example.com\n",
          HOST "at 0s alice sends m1 to bob@example.com\nafter m1 enters S3 delete m1\n", "");
    /* what a remote has said is VERDICT's */
    judge(HOST "at 0s alice sends m1 to ghost@away.example\n",
          HOST "at 0s alice sends m1 to bob@away.example\n", "");
    /* nor is anything known of a forward that a program's exit 99 kept from being made */
    judge(FORWARD TO_FRIEND, FORWARD "        exit 99 first 1\n" TO_FRIEND, "");
    judge(FORWARD TO_FRIEND, FORWARD "        exit 0\n" TO_FRIEND, "");
    judge(FORWARD TO_NOBODY, FORWARD "        exit 99 first 1\n" TO_FRIEND, "FINAL");
}
END_TEST

#define FAULT "fault log write 1 EIO\n" /* something goes wrong, or there is no probe */

#define CLIENT HOST "client app\n"
#define BY_CLIENT "at 1h app sends m1 to bob@example.com\n"

#define STOPPED CLIENT "at 44m stop mail\nat 45m start mail\n"
#define SILENCE                                                                                    \
    "remote quiet\n    serves quiet.example\n    on EOD first 1 take silence\n"                    \
    "at 43m alice sends m2 to zoe@quiet.example\n"

START_TEST(down_is_found)
{
    judge(HOST FAULT SEND, HOST SEND, "");
    /* a client that loses its connection has no second try */
    judge(CLIENT "fault smtpd sendmsg 3 reset after 10 bytes\n" BY_CLIENT, CLIENT BY_CLIENT, "");
    judge(CLIENT FAULT BY_CLIENT "network app to mail reset after 10 bytes from server\n",
          CLIENT BY_CLIENT, "DOWN");
    /* told no long after the fault, where it was told yes */
    judge(HOST FAULT "at 1h alice sends m1 to bob@example.com\n"
                     "at 30m mail disk full\nat 2h mail disk room\n",
          HOST SEND, "DOWN");
    /* the story itself takes the room: then a little less may be too little */
    judge(HOST FAULT "at 1h alice sends m1 to bob@example.com\n"
                     "at 30m mail disk full\nat 2h mail disk room\n",
          HOST SEND "at 30m mail disk full\nat 2h mail disk room\n", "");
    /* stopped and started, it listens when its last delivery has ended */
    judge(STOPPED FAULT SILENCE BY_CLIENT, STOPPED BY_CLIENT, "");
    judge(STOPPED FAULT BY_CLIENT "at 59m network any to mail refuse\n", STOPPED BY_CLIENT, "DOWN");
    /* the probe comes when the disk is full */
    judge(HOST FAULT "at 0s alice sends m1 to bob@example.com\nat 1m mail disk full\n", HOST SEND,
          "DOWN");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("faults");
    TCase *tests = tcase_create("faults");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, lines_are_the_plans, 0, sizeof kinds / sizeof *kinds);
    tcase_add_test(tests, errors_are_returned);
    tcase_add_test(tests, short_is_one_byte);
    tcase_add_test(tests, slow_takes_its_time);
    tcase_add_test(tests, clock_steps_both_ways);
    tcase_add_test(tests, wakeup_is_lost);
    tcase_add_test(tests, full_for_a_minute);
    tcase_add_test(tests, resets_are_at_each_byte);
    tcase_add_test(tests, lists_are_read);
    tcase_add_test(tests, table_is_linux);
    tcase_add_test(tests, final_is_found);
    tcase_add_test(tests, down_is_found);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

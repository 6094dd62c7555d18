/* SPDX-License-Identifier: ISC */
/* Runs of scenarios: that expectations can fail, that the same run is the same, and that planned
 * power cuts take place and are judged. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "sim/scenario/run.h"
#include "sim/world/template.h"

static struct scenario *parse(const char *text)
{
    struct scenario *scenario = scenario_parse("test", text, strlen(text), NULL, 0, stderr);

    ck_assert_ptr_nonnull(scenario);
    return scenario;
}

#define HOST                                                                                       \
    "host mail example.com\n    user alice\n    user bob\n    user carol\n        | |later\n"      \
    "    program later\n        exit 111 first 1\n        exit 0\n"
#define SEND "at 0s alice sends m1 to bob@example.com\n"
#define TWO "at 0s alice sends m2 to bob@example.com ghost@example.com\n"
#define S4_CRASH(keep) "after m1 enters S4 crash mail power keep " keep "\n"
#define S5_CRASH "after m1 enters S5 crash mail power keep all\n"
#define BOOT "after crash 1s boot mail\n"
#define SEND_CAROL "at 0s alice sends m1 to carol@example.com\n"

/* --- each expectation can fail ---------------------------------------------------------------*/

static const struct {
    const char *text;
    const char *want; /* in the first failure; NULL: it holds */
} expectations[] = {
    {HOST SEND "expect m1 accepted at 0s\n", NULL},
    {HOST SEND "expect m1 accepted at 1s\n", "accepted at +"},
    {HOST SEND "expect m1 not accepted\n", "accepted at +"},
    {HOST SEND "expect m1 refused\n", "accepted at +"},
    {HOST SEND "expect m1 delivered once\n", NULL},
    {HOST SEND "expect m1 delivered 2 times\n", "delivered 1 time, not 2"},
    {HOST SEND "expect m1 not delivered\n", "delivered at +"},
    {HOST SEND "expect m1 delivered to carol@example.com\n", "not delivered"},
    {HOST SEND "expect m1@bob@example.com delivered\n", NULL},
    {HOST TWO "expect m2@bob@example.com not bounced\n", NULL},
    {HOST TWO "expect m2@bob@example.com bounced\n", "no bounce"},
    {HOST TWO "expect m2@GHOST@* bounced once to alice@example.com\n", NULL},
    {HOST TWO "expect m2@* delivered\n", "1 of 2: not delivered to ghost@example.com"},
    {HOST TWO "expect m2@bob@example.com lost\n", "not lost"},
    {HOST SEND "expect m1 delivered at 5s\n", "delivered at +"},
    {HOST SEND "expect m1 delivered in 1s..5s\n", "delivered at +"},
    {HOST SEND "expect m1 delivered\n    contents unchanged\n", NULL},
    {HOST SEND "expect m1 delivered\n    header Subject matches m2\n", "the field is another"},
    {HOST SEND "expect m1 delivered\n    header X-No matches *\n", "there is no such field"},
    {HOST SEND "expect m1 delivered\n    body contains \"is m2\"\n", "does not contain"},
    {HOST SEND "expect m1 bounced\n", "no bounce"},
    {HOST SEND "expect m1 not bounced\n", NULL},
    {HOST SEND "expect m1 lost\n", "not lost"},
    {HOST SEND "expect m1 in S4 at 10s\n", "in S1 at that time"},
    {HOST SEND "expect m1 not in S4 at 10s\n", NULL},
    {HOST SEND "expect mail spool empty by 1s\n", NULL},
    {HOST SEND "expect mail spool holds 1 message\n", "holds 0"},
    {HOST SEND "expect log \"new msg\" once\n", NULL},
    {HOST SEND "expect log \"new msg\" 2 times\n", "1 such log lines, not 2"},
    {HOST SEND "expect log \"no such line\"\n", "no such log lines"},
    {HOST SEND "expect mbox bob/Mailbox holds 1 message\n", "0 messages in it, not 1"},
    {HOST SEND "fault queue fsync 9999 EIO\nexpect m1 accepted\n", "this never happened"},
    {HOST SEND "after m1.bounce enters S2 kill send\nexpect m1 accepted\n", "this never happened"},
    {HOST SEND "before m1 enters S4 kill send\nafter m1 enters S4 1s start mail\n", NULL},
    {HOST SEND_CAROL "expect program later ran 2 times\nexpect m1 delivered once at 1m40s\n", NULL},
    {HOST SEND_CAROL "expect program later ran once\n", "2 runs, not 1"},
    {HOST SEND_CAROL "expect program later ran 2 times\n    arguments match x\n", "arguments"},
    {HOST SEND_CAROL "expect program later ran 2 times\n    environment NO matches x\n",
     "no such variable"},
    {HOST SEND_CAROL "expect mail spool empty by 1m\n", "spool of mail holds 1 at +1m00s, not 0"},
    {HOST SEND_CAROL "until 1m\nexpect m1 not delivered\nexpect m1 in S5 at 30s\n", NULL},
    {HOST SEND "at 1ms crash mail power keep all\n", NULL},
    {HOST SEND "after m1 accepted crash mail power keep none\n", "still in S"},
    {HOST SEND "before m1 enters S5 crash mail power keep S2\n", "keep S2 cannot be"},
    {HOST SEND S5_CRASH "    lose \"*/todo/1: *\"\n" BOOT "expect m1 delivered once\n", NULL},
    {HOST SEND S5_CRASH "    keep \"*/todo/2: *\"\n" BOOT,
     "the disk has no such thing to keep here"},
    {HOST SEND S5_CRASH "    lose \"todo/1: *\"\n" BOOT, "the disk has no such thing to lose here"},
    {HOST SEND S5_CRASH "    lose \"todo/1: *\" if any\n" BOOT "expect m1 delivered\n", NULL},
    {HOST SEND "at 1h kill inject\n", "no nixie-inject runs there"},
    {HOST SEND "at 1h kill inject if any\nexpect m1 delivered\n", NULL},
    {HOST SEND S4_CRASH("all") "after crash 2s crash mail power keep all\n" BOOT
                               "expect m1 delivered by 4s\n",
     NULL},
    {HOST SEND S5_CRASH "    find 99 \"*/todo/1: *\"\n" BOOT, "the disk can only be found in ways"},
    {HOST SEND S4_CRASH("all") "    lose \"*/mess/1: entry added\"\n    keep *\n" BOOT
                               "expect m1 not accepted\nexpect m1 not delivered\n",
     NULL},
    {HOST SEND S4_CRASH("none") "    keep *\n" BOOT "expect m1 delivered once\n", NULL},
    {HOST "at 0s alice sends m1 to a@example.com times 3\nexpect m1.2 delivered\n",
     "m1.2: not delivered"},
    {HOST "at 0s alice sends m1 to a@example.com times 3\nexpect m1.* delivered\n",
     "3 of 3: not delivered to a@example.com (m1.1 ... m1.3)"},
};

START_TEST(expectations_hold_and_fail)
{
    struct scenario *scenario = parse(expectations[_i].text);
    struct run_options options = {.seed = 1};
    struct run_result result;

    scenario_run(scenario, &options, &result);
    if (!expectations[_i].want) {
        ck_assert_msg(result.verdict == VERDICT_HELD, "%s\n%s", expectations[_i].text,
                      result.failure_count ? result.failures[0].message : "");
    } else {
        ck_assert_msg(result.failure_count > 0, "held: %s", expectations[_i].text);
        ck_assert_msg(strstr(result.failures[0].message, expectations[_i].want), "%s\n%s",
                      expectations[_i].text, result.failures[0].message);
    }
    run_result_free(&result);
    scenario_free(scenario);
}
END_TEST

/* --- the same run is the same ----------------------------------------------------------------*/

static uint64_t hash_of(const struct scenario *scenario, const struct run_options *options)
{
    struct run_result result;
    uint64_t hash;

    scenario_run(scenario, options, &result);
    ck_assert_msg(result.verdict == VERDICT_HELD, "%s",
                  result.failure_count ? result.failures[0].message : "");
    hash = result.hash;
    run_result_free(&result);
    return hash;
}

START_TEST(same_seed_same_hash)
{
    struct scenario *scenario =
        parse(HOST "at 0s alice sends m to bob@example.com carol@example.com times 5\n"
                   "at 10ms crash mail power keep random\nafter crash 5s boot mail\n"
                   "expect mail spool empty by 1h\n");
    struct run_options plain = {.seed = 7}, other = {.seed = 8},
                       moved = {.seed = 7,
                                .fill_byte = 0xa5,
                                .arena_offset = 4096 * 3 + 16,
                                .environment_padding = 333},
                       chance = {.seed = 7, .policy = SCHEDULE_RANDOM};
    uint64_t hash = hash_of(scenario, &plain);

    ck_assert_uint_eq(hash_of(scenario, &plain), hash);
    ck_assert_uint_eq(hash_of(scenario, &moved), hash);
    ck_assert_uint_ne(hash_of(scenario, &other), hash);
    ck_assert_uint_ne(hash_of(scenario, &chance), hash);
    scenario_free(scenario);
}
END_TEST

/* --- power cuts at every call ----------------------------------------------------------------*/

struct changes {
    uint64_t *calls;
    size_t count;
};

static void note_change(void *context, const struct call *call)
{
    struct changes *changes = context;

    if (call->changed_disk || call->id == CALL_exit || call->id == CALL_fsync ||
        call->id == CALL_syncfs)
        *LIST_ADD(changes->calls, changes->count) = call->number;
}

static void cut(const struct scenario *scenario, const struct disk_model *disk, uint64_t call,
                const struct chooser *chooser, bool before)
{
    struct crash_plan plan = {.call_number = call, .chooser = chooser, .before = before};
    struct run_options options = {
        .seed = 1, .disk = disk, .crashes = &plan, .crash_count = 1, .only_oracles = true};
    struct run_result result;

    scenario_run(scenario, &options, &result);
    ck_assert_uint_eq(result.planned_crashes, 1);
    ck_assert_msg(result.verdict == VERDICT_HELD, "cut %s call %llu on %s: %s%s",
                  before ? "before" : "after", (unsigned long long) call, disk_model_name(disk),
                  result.failures[0].message,
                  result.failures[0].detail ? result.failures[0].detail : "");
    run_result_free(&result);
}

static const char *const cut_stories[] = {
    HOST SEND,
    "host mail example.com\n    user alice\n    user bob\n        | ./Mailbox\n" SEND,
    "host mail example.com\n    user alice\n    user bob\n        | &alice\n" SEND,
    HOST SEND_CAROL,
    HOST "at 0s alice sends m1 to nobody@example.com bob@example.com\n",
};

/* Each disk at every third call (strict at all, with half of the choices), or with CHECK_ALL all.
 */
START_TEST(nothing_is_lost_at_any_call)
{
    const char *full_size = getenv("CHECK_ALL");
    bool all = full_size && *full_size;
    struct scenario *scenario = parse(cut_stories[_i]);
    struct changes changes = {NULL, 0};
    struct kernel_watch watch = {NULL, note_change, &changes};
    struct run_options options = {.seed = 1, .watch = &watch};
    struct run_result result;

    scenario_run(scenario, &options, &result);
    ck_assert_int_eq(result.verdict, VERDICT_HELD);
    run_result_free(&result);
    ck_assert_uint_gt(changes.count, 20);
    for (size_t i = 0; i < changes.count; i++)
        for (const struct disk_model *const *disk = disk_models; *disk; disk++) {
            bool strict = strcmp(disk_model_name(*disk), "strict") == 0;

            if (!all && !strict && (i + (size_t) (disk - disk_models)) % 3 != 0)
                continue;
            cut(scenario, *disk, changes.calls[i], &choose_none, false);
            cut(scenario, *disk, changes.calls[i], &choose_all, false);
            for (uint64_t seed = 2 + (!all && i % 2); strict && seed < 10; seed += all ? 1 : 2) {
                struct choose_random chance; /* as nixie run --cut CALL,SEED */

                choose_random_start(&chance, seed, changes.calls[i]);
                cut(scenario, *disk, changes.calls[i], &chance.chooser, false);
            }
        }
    free(changes.calls);
    scenario_free(scenario);
}
END_TEST

/* A run whose machines are copies of a template is the same run; seeds and disks do not mix. */
START_TEST(same_with_a_template)
{
    struct scenario *scenario = parse(HOST SEND_CAROL S4_CRASH("random") BOOT);
    struct template template = {0};

    for (unsigned i = 0; i < 12; i++) {
        struct run_options options = {.seed = 1 + i / 6,
                                      .disk = disk_model_named(i / 3 % 2 ? "strict" : "ext4")};
        struct run_result alone, with;

        scenario_run(scenario, &options, &alone);
        options.template = &template;
        scenario_run(scenario, &options, &with);
        ck_assert_int_eq(alone.verdict, VERDICT_HELD);
        ck_assert_int_eq(with.verdict, VERDICT_HELD);
        ck_assert_uint_eq(alone.calls, with.calls);
        ck_assert_uint_eq(alone.hash, with.hash);
        ck_assert_uint_eq(alone.disk_hash, with.disk_hash);
        ck_assert_uint_eq(template.count, 1);
        run_result_free(&alone);
        run_result_free(&with);
    }
    template_free(&template);
    scenario_free(scenario);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("run");
    TCase *tests = tcase_create("run");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, expectations_hold_and_fail, 0,
                        sizeof expectations / sizeof *expectations);
    tcase_add_test(tests, same_seed_same_hash);
    tcase_add_test(tests, same_with_a_template);
    tcase_add_loop_test(tests, nothing_is_lost_at_any_call, 0,
                        sizeof cut_stories / sizeof *cut_stories);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

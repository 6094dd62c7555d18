/* SPDX-License-Identifier: ISC */
/* Worker processes, what is said to them, and plans in words and bytes. */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim/explore/jobs.h"
#include "sim/explore/plan.h"
#include "sim/explore/seen.h"
#include "sim/scenario/scenario.h"

enum { DIES = 1000, EXITS, LARGE };

/* Doubles the number; some numbers are bad for it. */
static void work(void *context, struct wire_reader *task, struct wire *answer)
{
    uint64_t number = wire_get(task);
    ck_assert_str_eq(context, "known");
    if (number == DIES)
        raise(SIGKILL);
    if (number == EXITS)
        _exit(7);
    wire_put(answer, 2 * number);
    for (int i = 0; number == LARGE && i < 300000; i++)
        wire_put(answer, (uint64_t) i);
}

struct tally {
    uint64_t answered[2000];
    unsigned died, status;
};

static void take(struct jobs *jobs, struct tally *tally)
{
    struct jobs_answer answer;
    int result = jobs_take(jobs, 10000, &answer);
    ck_assert_int_ge(result, 0);
    if (result == 0)
        return;
    if (answer.died) {
        tally->died++;
        tally->status = (unsigned) answer.died;
        ck_assert(answer.id == DIES || answer.id == EXITS);
        return;
    }
    struct wire_reader reader = wire_read(answer.bytes, answer.size);
    ck_assert_uint_eq(wire_get(&reader), 2 * answer.id);
    for (int i = 0; answer.id == LARGE && i < 300000; i++)
        ck_assert_uint_eq(wire_get(&reader), (uint64_t) i);
    ck_assert(!reader.broken && reader.at == reader.end);
    tally->answered[answer.id]++;
}

static void do_all(unsigned workers, uint64_t count, struct tally *tally)
{
    static char known[] = "known";
    struct jobs *jobs = jobs_start(workers, work, known);
    ck_assert_ptr_nonnull(jobs);
    memset(tally, 0, sizeof *tally);
    for (uint64_t number = 0; number < count; number++) {
        struct wire task = {0};
        while (!jobs_has_room(jobs))
            take(jobs, tally);
        wire_put(&task, number);
        jobs_give(jobs, number, task.bytes, task.size);
        wire_free(&task);
    }
    while (jobs_outstanding(jobs))
        take(jobs, tally);
    jobs_end(jobs);
}

/* Each task is answered once, whatever happens to workers. */
START_TEST(all_is_answered)
{
    static struct tally tally;
    for (unsigned workers = 1; workers < 5; workers++) {
        do_all(workers, 1010, &tally);
        for (uint64_t number = 0; number < 1010; number++)
            ck_assert_uint_eq(tally.answered[number], number != DIES && number != EXITS);
        ck_assert_uint_eq(tally.died, 2);
    }
}
END_TEST

START_TEST(a_death_is_told)
{
    static char known[] = "known";
    struct jobs *jobs = jobs_start(1, work, known);
    static struct tally tally;
    struct wire task = {0};
    wire_put(&task, DIES);
    jobs_give(jobs, DIES, task.bytes, task.size);
    while (jobs_outstanding(jobs))
        take(jobs, &tally);
    ck_assert(WIFSIGNALED((int) tally.status) && WTERMSIG((int) tally.status) == SIGKILL);
    wire_free(&task);
    jobs_end(jobs);
}
END_TEST

START_TEST(numbers_and_texts)
{
    static const uint64_t numbers[] = {0, 1, 127, 128, 300, UINT32_MAX, UINT64_MAX};
    static const int64_t signs[] = {0, -1, 1, INT64_MIN, INT64_MAX};
    struct wire wire = {0};
    for (size_t i = 0; i < 7; i++)
        wire_put(&wire, numbers[i]);
    for (size_t i = 0; i < 5; i++)
        wire_put_signed(&wire, signs[i]);
    wire_put_text(&wire, NULL);
    wire_put_text(&wire, "");
    wire_put_text(&wire, "words");
    struct wire_reader reader = wire_read(wire.bytes, wire.size);
    for (size_t i = 0; i < 7; i++)
        ck_assert_uint_eq(wire_get(&reader), numbers[i]);
    for (size_t i = 0; i < 5; i++)
        ck_assert_int_eq(wire_get_signed(&reader), signs[i]);
    ck_assert_ptr_null(wire_get_text(&reader));
    char *empty = wire_get_text(&reader), *words = wire_get_text(&reader);
    ck_assert_str_eq(empty, "");
    ck_assert_str_eq(words, "words");
    ck_assert(!reader.broken);
    ck_assert_uint_eq(wire_get(&reader), 0);
    ck_assert(reader.broken);
    free(empty);
    free(words);
    /* Cut off anywhere, it is never read past its end. */
    for (size_t size = 0; size < wire.size; size++) {
        reader = wire_read(wire.bytes, size);
        for (size_t i = 0; i < 12; i++)
            wire_get(&reader);
        for (size_t i = 0; i < 3; i++)
            free(wire_get_text(&reader));
        ck_assert(reader.broken);
    }
    wire_free(&wire);
}
END_TEST

static const char text[] = "host mail example.com\n    user bob\n"
                           "host other other.example\n    user carol\n"
                           "remote far\n"
                           "at 0s bob sends m1 to carol@other.example\n";

static struct scenario *load(void)
{
    struct scenario *scenario = scenario_parse("text", text, sizeof text - 1, NULL, 0, stderr);
    ck_assert_ptr_nonnull(scenario);
    return scenario;
}

/* Words and bytes of a plan are read again as they were written. */
START_TEST(plans_are_read_again)
{
    static const char *const all[] = {
        "",
        " --cut 214,host=mail,answers=1.0.2",
        " --cut 214,host=other,none",
        " --cut 9,host=mail,kill=nixie-send --cut 300,host=other,kill=*",
        " --cut 9,host=mail,12345 --fault 20,error=ENOSPC,for=1000,any --fault 300,short=1",
        " --fault 4,memory --cut 9,host=mail,answers=0",
    };
    struct scenario *scenario = load();
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct plan plan, again;
        struct wire wire = {0};
        ck_assert_msg(plan_read(all[i], scenario, &plan) == 0, "%s", all[i]);
        char *words = plan_words(&plan, scenario);
        ck_assert_str_eq(words, all[i]);
        free(words);
        plan_put(&wire, &plan);
        struct wire_reader reader = wire_read(wire.bytes, wire.size);
        plan_get(&reader, &again);
        ck_assert(!reader.broken && reader.at == reader.end);
        words = plan_words(&again, scenario);
        ck_assert_str_eq(words, all[i]);
        free(words);
        plan_free(&again);
        plan_free(&plan);
        wire_free(&wire);
    }
    scenario_free(scenario);
}
END_TEST

START_TEST(wrong_plans_are_refused)
{
    static const char *const all[] = {
        "--cut",
        "--cut x",
        "--cut 1",
        "--cut 1,none",
        "--cut 1,host=x,none",
        "--cut 1,host=mail,answers=",
        "--cut 1,host=mail,answers=1.",
        "--cut 1,host=mail,kill=sendmail",
        "--fault 1",
        "--fault 1,error=EFOO",
        "--burn 1,none",
        "--cut 1,host=mail,none --cut 2,host=mail,none --cut 3,host=mail,none --cut "
        "4,host=mail,none",
    };
    struct scenario *scenario = load();
    struct plan plan;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        ck_assert_msg(plan_read(all[i], scenario, &plan) < 0, "%s", all[i]);
    scenario_free(scenario);
}
END_TEST

START_TEST(a_set_of_numbers)
{
    struct seen seen = {0};
    for (uint32_t i = 0; i < 5000; i++) {
        uint32_t note = i + 1;
        ck_assert(!seen_has(&seen, i * 0x10000001u));
        ck_assert(seen_note(&seen, i * 0x10000001u, &note));
        note = 0;
        ck_assert(!seen_note(&seen, (i / 2) * 0x10000001u, &note));
        ck_assert_uint_eq(note, i / 2 + 1);
        ck_assert(!seen_add(&seen, i * 0x10000001u) && seen_has(&seen, i * 0x10000001u));
    }
    seen_free(&seen);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("jobs");
    TCase *tests = tcase_create("jobs");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, all_is_answered);
    tcase_add_test(tests, a_death_is_told);
    tcase_add_test(tests, numbers_and_texts);
    tcase_add_test(tests, plans_are_read_again);
    tcase_add_test(tests, wrong_plans_are_refused);
    tcase_add_test(tests, a_set_of_numbers);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

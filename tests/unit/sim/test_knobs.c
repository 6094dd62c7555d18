/* SPDX-License-Identifier: ISC */
/* Knobs: drawn from the seed, only where the scenario says nothing itself, judged by oracles. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "sim/scenario/knobs.h"
#include "sim/scenario/run.h"

static const char text[] = "host mail example.com\n"
                           "    control queuelifetime 86400\n"
                           "    user alice\n"
                           "remote away\n"
                           "    serves away.example\n"
                           "    on RCPT first 2 reply 451 \"4.3.0 later\"\n"
                           "at 0s alice sends m1 to bob@away.example\n"
                           "expect m1 delivered once at 26m40s\n"
                           "expect m1 refused\n"; /* is not so */

static struct scenario *load(void)
{
    struct scenario *scenario = scenario_parse("test", text, strlen(text), NULL, 0, stderr);
    ck_assert_ptr_nonnull(scenario);
    return scenario;
}

static void play(const struct scenario *scenario, uint64_t seed, bool knobs,
                 struct run_result *result)
{
    struct run_options options = {.seed = seed, .knobs = knobs};
    scenario_run(scenario, &options, result);
}

START_TEST(test_same_seed_same_knobs)
{
    size_t different = 0;
    char *first = NULL;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct knobs knobs, again;
        knobs_draw(seed, &knobs);
        knobs_draw(seed, &again);
        char *words = knobs_words(&knobs, NULL), *same = knobs_words(&again, NULL);
        ck_assert_str_eq(words, same);
        if (first)
            different += strcmp(first, words) != 0;
        else
            first = strdup(words);
        free(words);
        free(same);
    }
    free(first);
    ck_assert_uint_ge(different, 40);
}
END_TEST

/* What the hosts say stays, and is not told of. */
START_TEST(test_the_scenario_comes_first)
{
    struct scenario *scenario = load();
    struct pool pool = {0};
    size_t added = 0;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct knobs knobs;
        knobs_draw(seed, &knobs);
        const struct home_spec *hosts = knobs_hosts(&knobs, scenario, &pool);
        size_t found = 0;
        for (size_t i = 0; i < hosts[0].control_count; i++)
            if (strcmp(hosts[0].controls[i].name, "queuelifetime") == 0) {
                found++;
                ck_assert_str_eq(hosts[0].controls[i].text.data, "86400\n");
            }
        ck_assert_uint_eq(found, 1);
        added += hosts[0].control_count - scenario->hosts[0].control_count;
        char *words = knobs_words(&knobs, scenario);
        ck_assert_ptr_null(strstr(words, "queuelifetime"));
        free(words);
    }
    ck_assert_uint_ge(added, 50);
    pool_free(&pool);
    scenario_free(scenario);
}
END_TEST

START_TEST(test_runs)
{
    struct scenario *scenario = load();
    struct run_result plain, turned, again;
    unsigned others = 0;
    play(scenario, 1, false, &plain);
    ck_assert_int_eq(plain.verdict, VERDICT_FAILED);
    ck_assert_ptr_null(plain.knobs);
    for (uint64_t seed = 1; seed <= 20; seed++) {
        play(scenario, seed, true, &turned);
        play(scenario, seed, true, &again);
        ck_assert_msg(turned.verdict == VERDICT_HELD, "seed %llu, %s: %s",
                      (unsigned long long) seed, turned.knobs, turned.failures[0].message);
        ck_assert_ptr_nonnull(turned.knobs);
        ck_assert_uint_eq(turned.hash, again.hash);
        run_result_free(&again);
        play(scenario, seed, false, &again);
        others += again.hash != turned.hash;
        run_result_free(&again);
        run_result_free(&turned);
    }
    ck_assert_uint_ge(others, 12);
    run_result_free(&plain);
    scenario_free(scenario);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("knobs");
    TCase *tests = tcase_create("knobs");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, test_same_seed_same_knobs);
    tcase_add_test(tests, test_the_scenario_comes_first);
    tcase_add_test(tests, test_runs);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

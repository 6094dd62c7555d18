/* SPDX-License-Identifier: ISC */
#include <check.h>
#include <stdlib.h>

#include "mta/lib/schedule.h"

START_TEST(instant_failures)
{
    int64_t birth = 1700000000;
    int64_t local = birth, remote = birth;
    for (int64_t k = 1; k < 200; k++) {
        local = schedule_next(birth, local, SCHEDULE_SKIP_LOCAL);
        remote = schedule_next(birth, remote, SCHEDULE_SKIP_REMOTE);
        ck_assert_int_eq(local, birth + 100 * k * k);
        ck_assert_int_eq(remote, birth + 400 * k * k);
    }
}
END_TEST

START_TEST(late_tries)
{
    static const struct {
        int64_t age, local, remote;
    } rows[] = {
        {1, 121, 441},
        {3, 121, 441},
        {4, 144, 484},
        {99, 361, 841},
        {100, 400, 900},
        {101, 400, 900},
        {577600, 592900, 608400},
        {604800, 619369, 635209},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ck_assert_int_eq(schedule_next(50, 50 + rows[i].age, 10), 50 + rows[i].local);
        ck_assert_int_eq(schedule_next(50, 50 + rows[i].age, 20), 50 + rows[i].remote);
    }
}
END_TEST

START_TEST(birth_in_the_future)
{
    ck_assert_int_eq(schedule_next(2000, 1000, 10), 1100);
    ck_assert_int_eq(schedule_next(1002, 1000, 10), 1100);
    ck_assert_int_eq(schedule_next(1001, 1000, 10), 1101);
    ck_assert_int_eq(schedule_next(INT64_MAX, INT64_MIN / 2, 10), INT64_MIN / 2 + 100);
}
END_TEST

START_TEST(steps_are_bounded)
{
    int64_t largest = schedule_largest_step(604800, 20);
    for (int64_t now = 0; now <= 604800; now += 7) {
        int64_t next = schedule_next(0, now, 20);
        ck_assert_int_gt(next, now);
        ck_assert_int_le(next - now, largest);
    }
    ck_assert_int_eq(schedule_largest_step(0, 10), 100);
    ck_assert_int_eq(schedule_largest_step(-5, 10), 100);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("schedule");
    TCase *tests = tcase_create("all");
    tcase_add_test(tests, instant_failures);
    tcase_add_test(tests, late_tries);
    tcase_add_test(tests, birth_in_the_future);
    tcase_add_test(tests, steps_are_bounded);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

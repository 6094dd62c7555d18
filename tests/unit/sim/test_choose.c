/* SPDX-License-Identifier: ISC */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "sim/kernel/choose.h"

/* Two questions, and a third only after a certain answer. */
static void ask(const struct chooser *chooser, char *to)
{
    unsigned first = chooser->choose(chooser->context, 2, "first");
    unsigned second = chooser->choose(chooser->context, 3, "second");
    to[0] = (char) ('0' + first);
    to[1] = (char) ('0' + second);
    to[2] = '\0';
    if (first == 1 && second == 1) {
        to[2] = (char) ('0' + chooser->choose(chooser->context, 2, "third"));
        to[3] = '\0';
    }
}

START_TEST(a_walk_visits_every_path_once_in_order)
{
    char got[200] = "", one[5];
    struct choose_walk walk;
    choose_walk_first(&walk);
    do {
        ask(&walk.chooser, one);
        strcat(strcat(got, one), " ");
    } while (choose_walk_next(&walk));
    choose_walk_end(&walk);
    ck_assert_str_eq(got, "00 01 02 10 110 111 12 ");
}
END_TEST

START_TEST(a_walk_without_questions_is_one_path)
{
    struct choose_walk walk;
    choose_walk_first(&walk);
    ck_assert(!choose_walk_next(&walk));
    choose_walk_end(&walk);
}
END_TEST

START_TEST(first_and_last_answers)
{
    char got[5];
    ask(&choose_none, got);
    ck_assert_str_eq(got, "00");
    ask(&choose_all, got);
    ck_assert_str_eq(got, "12");
}
END_TEST

START_TEST(answers_are_replayed)
{
    static const unsigned answers[] = {1, 1, 1}, large[] = {9, 9};
    struct choose_replay replay;
    char got[5];
    choose_replay_start(&replay, answers, 3);
    ask(&replay.chooser, got);
    ck_assert_str_eq(got, "111");
    choose_replay_start(&replay, answers, 1);
    ask(&replay.chooser, got);
    ck_assert_str_eq(got, "10");
    choose_replay_start(&replay, large, 2);
    ask(&replay.chooser, got);
    ck_assert_str_eq(got, "12");
}
END_TEST

START_TEST(random_answers_come_from_the_seed)
{
    struct choose_random one, same;
    choose_random_start(&one, 3, 1);
    choose_random_start(&same, 3, 1);
    unsigned seen = 0;
    for (int i = 0; i < 100; i++) {
        unsigned answer = one.chooser.choose(one.chooser.context, 5, "");
        ck_assert_uint_lt(answer, 5);
        ck_assert_uint_eq(answer, same.chooser.choose(same.chooser.context, 5, ""));
        seen |= 1u << answer;
    }
    ck_assert_uint_eq(seen, 31);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("choose");
    TCase *tests = tcase_create("choose");
    tcase_add_test(tests, a_walk_visits_every_path_once_in_order);
    tcase_add_test(tests, a_walk_without_questions_is_one_path);
    tcase_add_test(tests, first_and_last_answers);
    tcase_add_test(tests, answers_are_replayed);
    tcase_add_test(tests, random_answers_come_from_the_seed);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}

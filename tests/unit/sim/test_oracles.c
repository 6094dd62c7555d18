/* SPDX-License-Identifier: ISC */
/* The table of oracles, and that what is switched off finds nothing. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/scenario/run.h"
#include "sim/world/oracles.h"

START_TEST(each_oracle_is_one)
{
    ck_assert_uint_le(oracle_count, 32);
    for (size_t i = 0; i < oracle_count; i++) {
        ck_assert_uint_eq(oracle_bit(oracles[i].name), 1u << i);
        ck_assert_ptr_nonnull(strchr(oracles[i].statement, '.'));
    }
    ck_assert_uint_eq(oracle_bit("LOS"), 0);
    ck_assert_uint_eq(oracle_bit(""), 0);
}
END_TEST

START_TEST(lists_are_read)
{
    unsigned set;

    ck_assert_int_eq(oracles_parse("LEAK", &set), 0);
    ck_assert_uint_eq(set, oracle_bit("LEAK"));
    ck_assert_int_eq(oracles_parse("LEAK,LOST", &set), 0);
    ck_assert_uint_eq(set, oracle_bit("LEAK") | oracle_bit("LOST"));
    ck_assert_int_eq(oracles_parse("", &set), -1);
    ck_assert_int_eq(oracles_parse("LEAK,", &set), -1);
    ck_assert_int_eq(oracles_parse("leak", &set), -1);
}
END_TEST

/* Each promise by itself: accused, and accused while it is switched off. */
START_TEST(what_is_switched_off_finds_nothing)
{
    const char *name = oracles[_i].name;
    struct home_spec spec = {
        .name = "mail", .domain = "example.com", .disk = disk_model_named("honest")};

    for (int off = 0; off < 2; off++) {
        struct world_options options = {.kernel = {.seed = 1},
                                        .specs = &spec,
                                        .spec_count = 1,
                                        .without = off ? oracle_bit(name) : 0};
        int error;
        struct world *world = world_create(&options, &error);

        for (int again = 0; again < 2; again++)
            world_accuse(world, name, NO_LETTER, 0, "accused %d", again)->recipient = strdup("bob");
        ck_assert_uint_eq(world->violation_count, off ? 0 : 2);
        world_accuse(world, oracles[(size_t) (_i + 1) % oracle_count].name, NO_LETTER, 0, "other");
        ck_assert_uint_eq(world->violation_count, off ? 1 : 3);
        world_destroy(world);
    }
}
END_TEST

START_TEST(no_other_promise_is_taken)
{
    struct home_spec spec = {
        .name = "mail", .domain = "example.com", .disk = disk_model_named("honest")};
    struct world_options options = {.kernel = {.seed = 1}, .specs = &spec, .spec_count = 1};
    int error;

    world_accuse(world_create(&options, &error), "NONE", NO_LETTER, 0, "x");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("oracles");
    TCase *tests = tcase_create("oracles");
    SRunner *runner;
    int failed;

    tcase_add_test(tests, each_oracle_is_one);
    tcase_add_test(tests, lists_are_read);
    tcase_add_loop_test(tests, what_is_switched_off_finds_nothing, 0, (int) oracle_count);
    tcase_add_test_raise_signal(tests, no_other_promise_is_taken, 6);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

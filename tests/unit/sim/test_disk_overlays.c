/* SPDX-License-Identifier: ISC */
/* The overlays, each by small programs and exactly the trees that may be found. */
#include "tests/unit/sim/states.h"

static void over(const char *model, const char *program, const char *wanted)
{
    const struct disk_model *named = disk_model_named(model);
    ck_assert_msg(named, "%s", model);
    ck_assert_str_eq(disk_model_name(named), model);
    check_states(named, program, wanted);
}

START_TEST(without_a_failure_fsync_eio_is_the_model_below)
{
    over("fsync-eio", "put a hi; fsync a", "|a=hi");
    over("strict+fsync-eio", "put a hi; fsync a; fsync .", "a=hi");
    over("ext4+fsync-eio", "new a; new b; fsync b", "a= b=");
}
END_TEST

START_TEST(an_fsync_that_failed_is_not_made_good)
{
    over("ffs+fsync-eio", "put a x; fail a; fsync a; fsync a; sync", "a=|a=.|a=?|a=x");
    over("ffs+fsync-eio", "put a TT; fsync a; over a 0 D; fail a; fsync a", "a=TT|a=DT");
    over("ffs+fsync-eio", "put a 1234; fsync a; cut a 2; fail a; fsync a", "a=1234|a=12..|a=12");
    over("ext4+fsync-eio", "new a; settle; put a x; fail a; fsync a; wait 9; sync", "a=|a=.|a=x");
    over("xfs+fsync-eio", "new a; settle; put a x; fail a; fsync a; wait 99; sync", "a=|a=x");
    over("btrfs+fsync-eio", "new a; settle; put a x; fail a; fsync a; wait 99; sync", "a=|a=x");
    over("ext4+fsync-eio", "put a old; settle; put t new; fail t; mv t a; wait 9",
         "a=|a=...|a=new");
    /* without the overlay the second fsync does it */
    over("ffs", "put a x; fail a; fsync a", "a=x");
    over("strict", "put a x; fail a; fsync a; fail .; fsync .", "a=x");
}
END_TEST

START_TEST(processes_read_it_until_reboot)
{
    over("honest+fsync-eio", "put a x; fail a", "a=x");
}
END_TEST

START_TEST(what_is_written_later_can_be_synced)
{
    over("ffs+fsync-eio", "put a x; fail a; put b y; fsync b", "a= b=y|a=. b=y|a=? b=y|a=x b=y");
    over("ffs+fsync-eio", "put a x; fail a; put a y; fsync a", "a=.y|a=?y|a=xy");
    over("ffs+fsync-eio", "put a 12; fsync a; over a 0 X; fail a; over a 1 Y; fsync a",
         "a=1Y|a=XY");
    over("ffs+fsync-eio", "put a 12; fsync a; over a 0 X; fail a; over a 0 Y; fsync a", "a=Y2");
    over("ffs+fsync-eio", "put a x; fail a; rewrite a new; fsync a", "a=new");
    over("ffs+fsync-eio", "put a xyz; fail a; over a 0 ABC; fsync a", "a=ABC");
    over("ffs+fsync-eio", "put a x; put a y; fail a; over a 0 AB; put a z; fsync a", "a=ABz");
    over("ffs+fsync-eio", "put a xyz; fail a; over a 1 B; fsync a",
         "a=.B|a=.B.|a=?B?|a=xB|a=xB.|a=xBz|a=?B");
    over("ext4+fsync-eio", "new a; settle; put a xyz; fail a; over a 0 ABC; fsync a", "a=ABC");
    over("ext4+fsync-eio", "new a; settle; put a x; fail a; put a y; fsync a", "a=.y|a=xy");
    over("ext4+fsync-eio", "put a x; fail a; rewrite a new; sync", "a=new");
}
END_TEST

START_TEST(what_is_written_only_awaits_a_flush)
{
    over("strict+fsync-eio", "put a x; sync; fail *; new b; fsync b", "a=x|a=x b=");
    over("strict+fsync-eio", "put a x; sync; fail a; fsync .", "a=x");
    over("strict+fsync-eio", "put a x; fail *; sync; fsync .", "a=|a=.|a=?|a=x");
    over("xfs+fsync-eio", "put a xy; fsync a; over a 0 A; sync; fail *; fsync a", "a=Ay");
}
END_TEST

START_TEST(on_strict_names_fail_too)
{
    over("strict+fsync-eio", "new a; fail .; fsync .; sync", "|a=");
    over("strict+fsync-eio", "new a; fsync .; rm a; fail .; fsync .", "|a=");
    over("strict+fsync-eio", "new a; fail .; new b; fsync b; fsync .", "b=|a= b=");
    /* what it covers is the directory, and not others */
    over("strict+fsync-eio", "mkdir d; settle; new a; new d/b; fail .; fsync d/b; fsync d; fsync .",
         "d/ d/b=|a= d/ d/b=");
    /* an entry that is changed again can be synced */
    over("strict+fsync-eio", "new a; fail .; rm a; fsync .", "");
    over("strict+fsync-eio", "new a; settle; chmod a 600; fail a; fsync a", "a=|a(600)=");
    over("strict+fsync-eio", "new a; settle; chmod a 600; fail a; chmod a 640; fsync a", "a(640)=");
    over("strict+fsync-eio", "mkdir d; settle; put d/a x; fail *; sync; sync",
         "d/ d/a=|d/ d/a=.|d/ d/a=?|d/ d/a=x");
    over("strict+fsync-eio", "mkdir d; settle; new d/a; fail d; rm d/a; rmdir d; sync; sync", "");
    /* in a log there are no such names */
    over("ext4+fsync-eio", "new a; fail .; fsync .", "a=");
}
END_TEST

START_TEST(liars_keep_nothing)
{
    over("liar", "put a x; fsync a; fsync .; sync", "|a=|a=.|a=?|a=x");
    over("strict+liar", "mkdir d; settle; put d/a x; fsync d/a; fsync d",
         "d/|d/ d/a=|d/ d/a=.|d/ d/a=?|d/ d/a=x");
    over("ext4+liar", "new a; fsync a; new b; sync", "|a=|a= b=");
    over("btrfs+liar", "new a; new b; fsync b", "|a=|a= b=");
    over("xfs+liar", "new a; settle; put a x; fsync a", "a=|a=x");
    over("ffs+liar", "put a x; sync", "a=|a=.|a=?|a=x");
    over("honest+liar", "put a x; sync", "a=x");
    /* but what is old enough */
    over("ext4+liar", "new a; wait 5", "a=");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("overlays");
    TCase *tests = tcase_create("overlays");
    tcase_add_test(tests, without_a_failure_fsync_eio_is_the_model_below);
    tcase_add_test(tests, an_fsync_that_failed_is_not_made_good);
    tcase_add_test(tests, processes_read_it_until_reboot);
    tcase_add_test(tests, what_is_written_later_can_be_synced);
    tcase_add_test(tests, what_is_written_only_awaits_a_flush);
    tcase_add_test(tests, on_strict_names_fail_too);
    tcase_add_test(tests, liars_keep_nothing);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}

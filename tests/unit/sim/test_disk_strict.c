/* SPDX-License-Identifier: ISC */
/* The rules of `strict`, each by small programs and exactly the trees that may be found. */
#include "tests/unit/sim/states.h"

static void strict(const char *program, const char *wanted)
{
    check_states(&disk_strict, program, wanted);
}

START_TEST(rule_1_fsync_of_a_file_is_not_of_its_name)
{
    strict("put a hi; fsync a", "|a=hi");
    strict("new a; fsync .; put a hi; fdatasync a", "a=hi");
    strict("put a x; settle; chmod a 600", "a=x|a(600)=x");
    strict("put a x; settle; chmod a 600; fsync a", "a(600)=x");
    strict("put a x; settle; chmod a 600; fdatasync a", "a=x|a(600)=x");
    strict("put a x; settle; new b; fdatasync .", "a=x|a=x b=");
}
END_TEST

START_TEST(rule_2_fsync_of_a_directory_is_not_of_its_files)
{
    strict("new a; put a hi; fsync .", "|a=|a=.|a=..|a=?|a=??|a=h.|a=h|a=hi");
    strict("put a hi; fsync a; fsync .", "a=hi");
    strict("put a hi; fsync .; fsync a", "a=hi");
    strict("mkdir d; fsync .", "|d/");
    strict("mkdir d; fsync .; fsync d", "d/");
    strict("mkdir d; fsync d; fsync .", "d/");
    strict("new a; fdatasync a; fsync .", "a=");
    strict("new a; fsync .; chmod a 600", "|a=|a(600)=");
    strict("put b x; settle; new a; mv a b; fsync .", "|b=");
    strict("mkdir d; put d/a x; fsync d/a; fsync d", "|d/ d/a=x");
    strict("mkdir d; put d/a x; fsync d/a; fsync .", "|d/|d/ d/a=x");
    strict("mkdir d; put d/a x; fsync d/a; fsync .; fsync d", "d/ d/a=x");
}
END_TEST

START_TEST(rule_2_a_new_file_stands_where_a_removed_one_was)
{
    strict("put a x; settle; rm a; new b",
           "|a=|a=x|b=|b=x|a= b=|a=x b=x|a=x b=|a= b=x"); /* each entry by itself */
    strict("put a x; settle; rm a; new b; fsync .", "|b=|b=x");
    strict("put a x; settle; rm a; fsync .; new b; fsync .", "|b=|b=x");
    strict("put a x; settle; rm a; new b; fsync .; fsync b", "b=");
    strict("put a x; settle; rm a; fsync .; new b; fsync b; fsync .", "b=");
    /* what was removed is gone when a syncfs is durable */
    strict("put a x; settle; rm a; sync; new b; fsync .", "|b=");
    strict("put a x; settle; rm a; sync; fsync .; new b; fsync .", "|b=");
    strict("put a x; settle; rm a; new b; sync; fsync .", "b=");
    /* one after another */
    strict("put a x; settle; rm a; put b y; fsync b; rm b; put c z; fsync c; rm c; new d; fsync .",
           "|d=|d=z");
    strict("put a x; settle; rm a; new b; chmod b 600; rm b; new c; fsync .", "|c=|c(600)=|c=x");
    /* only where the number is the same */
    strict("put a x; new e; settle; rm e; new b; fsync .", "a=x|a=x b=");
    strict("put a x; settle; rm a; mkdir d; fsync .", "|d=|d=x|d/");
}
END_TEST

START_TEST(rule_3_syncfs_is_fsync_of_everything_once_the_cache_is_flushed)
{
    strict("mkdir d; put d/a x; chmod d/a 600; link d/a b; sync; fsync .",
           "b(600)=x d/ d/a(600)=x");
    strict("new a; sync", "|a=");
    strict("new a; sync; sync", "a=");
    strict("new a; new b; settle; put a x; sync; fdatasync b", "a=x b=");
    strict("new a; begin *; end; begin .; end", "a=");
    strict("new b; settle; new a; begin b; begin *; end; end", "b=|a= b="); /* b's began first */
    strict("new b; settle; new a; begin *; begin b; end; end", "b=|a= b=");
    strict("new b; settle; new a; begin *; new c; end; fsync b", "a= b=|a= b= c=");
    strict("new b; settle; new a; sync; new c; sync; fsync b", "a= b= c=");
    strict("new b; settle; new a; sync; new c; sync", "a= b=|a= b= c=");
}
END_TEST

START_TEST(rule_4_a_sync_covers_what_was_dirty_when_it_began)
{
    strict("new a; fsync .; begin a; put a x; end", "a=|a=.|a=?|a=x");
    strict("new a; fsync .; put a x; begin a; end", "a=x");
    strict("new a; fsync .; put a x; begin a", "|a=|a=.|a=?|a=x");
    strict("begin .; new a; end", "|a=");
    strict("new a; begin .; end", "|a=");
    strict("begin *; new a; end", "|a=");
    strict("mkdir d; settle; new a; begin *; new b; end; fsync d", "a= d/|a= b= d/");
    strict("new a; begin .; begin .; rm a; end; end", "a=|");
}
END_TEST

START_TEST(rule_5_entries_are_independent)
{
    strict("new a; new b", "|a=|b=|a= b=");
    strict("put a x; settle; link a b", "a=x|a=x b=x");
    strict("put a x; settle; link a b; rm a", "|a=x|b=x|a=x b=x");
    strict("put a x; settle; mv a b", "|a=x|b=x|a=x b=x");
    strict("mkdir d; put a x; settle; mv a d/b; fsync d", "a=x d/ d/b=x|d/ d/b=x");
    strict("mkdir d; put a x; settle; mv a d/b; fsync .", "d/|d/ d/b=x");
    strict("put a x; put b y; settle; mv a b; fsync .", "b=x");
    strict("put a x; put b y; settle; mv a b", "a=x b=y|a=x b=|b=y|b=|a=x b=x|b=x|a=x|");
    strict("new a; rm a; put a x; fsync a", "|a=|a=x");
}
END_TEST

START_TEST(rule_6_a_removed_name_may_come_back)
{
    strict("put a x; settle; rm a", "a=x|a=|");
    strict("put a x; settle; rm a; fsync .", "");
    strict("mkdir d; put d/a x; settle; rm d/a; put b y; fsync b; fsync .",
           "b=y d/|b=y d/ d/a=x|b=y d/ d/a=|b=y d/ d/a=y");
    strict("mkdir d; put d/a x; settle; rm d/a; put b y; fsync b; fsync .; fsync d", "b=y d/");
    /* not while it is still open: its inode is not free */
    strict("mkdir d; put d/a x; settle; hold d/a; rm d/a; put b y; fsync b; fsync .",
           "b=y d/|b=y d/ d/a=x");
    strict("mkdir d; put d/a x; settle; hold d/a; rm d/a; drop; put b y; fsync b; fsync .",
           "b=y d/|b=y d/ d/a=x|b=y d/ d/a=|b=y d/ d/a=y");
    /* nor a file that was there before */
    strict("mkdir d; put d/a x; put b y; settle; rm d/a", "b=y d/|b=y d/ d/a=x|b=y d/ d/a=");
    /* nor does a directory come back as a file */
    strict("mkdir d; mkdir e; settle; rmdir d/../e; put d/b y; fsync d/b; fsync d",
           "d/ d/b=y|d/ d/b=y e/");
    /* a target that was replaced, too */
    strict("mkdir d; put a x; put d/b y; settle; mv a d/b; put c z; fsync c; fsync .",
           "c=z d/ d/b=y|c=z d/ d/b=|c=z d/ d/b=z|c=z d/ d/b=x|c=z d/");
}
END_TEST

#define SEVEN "1=1 2=2 3=3 4=4 5=5 6=6 7=7 d/"

START_TEST(rule_6_offers_a_bounded_number)
{
    strict(
        "mkdir d; put d/a x; settle; rm d/a; put 1 1; put 2 2; put 3 3; put 4 4; put 5 5;"
        "put 6 6; put 7 7; fsync 1; fsync 2; fsync 3; fsync 4; fsync 5; fsync 6; fsync 7; fsync .",
        SEVEN "|" SEVEN " d/a=|" SEVEN " d/a=x|" SEVEN " d/a=1|" SEVEN " d/a=2|" SEVEN
              " d/a=3|" SEVEN " d/a=4|" SEVEN " d/a=7");
}
END_TEST

START_TEST(rule_7_freed_content_may_be_gone)
{
    strict("put a 12; settle; put a 3; rm a", "|a=|a=12|a=12.|a=12?|a=123");
}
END_TEST

START_TEST(rule_8_bytes_written_over_others)
{
    strict("put a 1234; settle; over a 1 X", "a=1234|a=1X34");
    strict("put a 1234; settle; over a 1 XY", "a=1234|a=1X34|a=12Y4|a=1XY4");
    strict("put a 123456; settle; over a 0 ABCDEF", "a=123456|a=ABC456|a=123DEF|a=ABCDEF");
    strict("put a 123456; settle; over a 0 1B3456", "a=123456|a=1B3456");
    strict("put a 123456; settle; over a 0 ABCDEF; fsync a", "a=ABCDEF");
    strict("put a 12; settle; over a 0 X; over a 0 Y", "a=12|a=X2|a=Y2");
}
END_TEST

START_TEST(rule_8_bytes_written_behind_the_end)
{
    strict("new a; settle; put a x", "a=|a=.|a=?|a=x");
    strict("new a; settle; put a wxyz", "a=|a=..|a=....|a=??|a=????|a=wx..|a=wx|a=wxy|a=wxyz");
    strict("new a; settle; pages a 6000 x",
           "a=|a=.*4096|a=.*6000|a=?*4096|a=?*6000|a=x*4096.*1904|a=x*4096|a=x*5999|a=x*6000");
    /* one lost, a later one not */
    strict("new a; settle; put a x; put a y",
           "a=|a=.|a=?|a=x|a=..|a=.?|a=.y|a=?.|a=??|a=?y|a=x.|a=x?|a=xy");
    strict("put a 12; settle; over a 1 XY", "a=12|a=12.|a=12?|a=12Y|a=1X|a=1X.|a=1X?|a=1XY");
}
END_TEST

START_TEST(rule_8_truncation)
{
    strict("put a 1234; settle; cut a 2", "a=1234|a=12..|a=12");
    strict("put a 1234; settle; cut a 6", "a=1234|a=1234..");
    strict("put a 1234; settle; cut a 2; cut a 4", "a=1234|a=12|a=12..");
    strict("put a 12; settle; rewrite a X", "a=12|a=|a=.|a=?|a=X|a=.2|a=?2|a=X2");
    strict("put a 12; settle; rewrite a X; fsync a", "a=X");
}
END_TEST

START_TEST(rule_8_attributes)
{
    strict("new a; settle; chmod a 600; chmod a 640", "a=|a(600)=|a(640)=");
    strict("new a; settle; chmod a 600; begin a; chmod a 640; end", "a(600)=|a(640)=");
}
END_TEST

START_TEST(rule_9_directories)
{
    strict("mkdir d; settle; rmdir d", "d/|");
    strict("mkdir d; settle; mv d e", "|d/|e/");
    strict("mkdir d; put d/a x; settle; mv d e", "|d/ d/a=x|e/ e/a=x");
    strict("mkdir d; put d/a x; settle; rm d/a; rmdir d; fsync .", "");
    strict("mkdir d; put d/a x; settle; rm d/a; rmdir d", "|d/|d/ d/a=x|d/ d/a=");
    strict("mkdir d; mkdir e; settle; mv d e/d; mv e/d/../../e f", "e/|d/ e/|f/|d/ f/|d/|"
                                                                   "|e/ e/d/|f/ f/d/");
}
END_TEST

/* What qmail's queue does, and what is needed. */
START_TEST(the_queue)
{
    strict("mkdir i; mkdir t; settle; put i/1 e; fsync i/1; link i/1 t/1",
           "i/ t/|i/ i/1=e t/|i/ t/ t/1=e|i/ i/1=e t/ t/1=e");
    strict("mkdir i; mkdir t; settle; put i/1 e; fsync i/1; link i/1 t/1; fsync t",
           "i/ t/ t/1=e|i/ i/1=e t/ t/1=e");
}
END_TEST

static char asked[4000];

static unsigned note_question(void *context, unsigned count, const char *what)
{
    const unsigned *answer = context;
    sprintf(asked + strlen(asked), "%s? %u|", what, count);
    return *answer < count ? *answer : count - 1;
}

static void check_questions(const char *program, unsigned answer, const char *wanted)
{
    struct machine machine;
    machine_start(&machine, &disk_strict);
    machine_run(&machine, program, true);
    struct chooser chooser = {note_question, &answer};
    asked[0] = '\0';
    machine_crash(&machine, &chooser);
    vfs_destroy(machine.vfs);
    ck_assert_str_eq(asked, wanted);
}

START_TEST(questions_are_few_and_in_words)
{
    const char *program = "mkdir q; mkdir q/t; settle; put q/t/1 abcd; chmod q/t/1 600; put m x;"
                          "over q/t/1 1 B; new t; mv t m; cut q/t/1 2";
    check_questions(program, 99,
                    "m: entry added, replaced? 3|t: entry added, removed? 3|q/t/1: entry added? 2|"
                    "q/t/1: mode or owner changed? 2|q/t/1: write of 4 bytes at 0? 5|"
                    "q/t/1: write of 4 bytes at 0: length? 3|q/t/1: write of 1 bytes at 1? 2|"
                    "q/t/1: size set to 2? 3|");
    /* nothing is asked about files that no surviving name reaches */
    check_questions(
        program, 0,
        "m: entry added, replaced? 3|t: entry added, removed? 3|q/t/1: entry added? 2|");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("strict");
    TCase *tests = tcase_create("strict");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, rule_1_fsync_of_a_file_is_not_of_its_name);
    tcase_add_test(tests, rule_2_fsync_of_a_directory_is_not_of_its_files);
    tcase_add_test(tests, rule_2_a_new_file_stands_where_a_removed_one_was);
    tcase_add_test(tests, rule_3_syncfs_is_fsync_of_everything_once_the_cache_is_flushed);
    tcase_add_test(tests, rule_4_a_sync_covers_what_was_dirty_when_it_began);
    tcase_add_test(tests, rule_5_entries_are_independent);
    tcase_add_test(tests, rule_6_a_removed_name_may_come_back);
    tcase_add_test(tests, rule_6_offers_a_bounded_number);
    tcase_add_test(tests, rule_7_freed_content_may_be_gone);
    tcase_add_test(tests, rule_8_bytes_written_over_others);
    tcase_add_test(tests, rule_8_bytes_written_behind_the_end);
    tcase_add_test(tests, rule_8_truncation);
    tcase_add_test(tests, rule_8_attributes);
    tcase_add_test(tests, rule_9_directories);
    tcase_add_test(tests, the_queue);
    tcase_add_test(tests, questions_are_few_and_in_words);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}

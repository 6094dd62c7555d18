/* SPDX-License-Identifier: ISC */
/* The rules of `ext4`, each by small programs and exactly the trees that may be found. */
#include "tests/unit/sim/states.h"

static void ext4(const char *program, const char *wanted)
{
    check_states(&disk_ext4, program, wanted);
}

START_TEST(rule_1_a_prefix_of_the_log)
{
    ext4("new a; new b; rm a", "|a=|a= b=|b=");
    ext4("new a; new b; new c; new d; new e; new f; new g",
         "|a=|a= b=|a= b= c=|a= b= c= d=|a= b= c= d= e=|a= b= c= d= e= f=|a= b= c= d= e= f= g=");
    ext4("put a x; settle; mv a b", "a=x|b=x");
    ext4("put a x; put b y; settle; mv a b", "a=x b=y|b=x");
    ext4("put a x; settle; rm a", "a=x|");
    ext4("put a x; settle; link a b; rm a", "a=x|a=x b=x|b=x");
    ext4("new a; settle; chmod a 600; new b", "a=|a(600)=|a(600)= b=");
    ext4("mkdir d; put d/a x; settle; rm d/a; rmdir d", "d/ d/a=x|d/|");
    ext4("mkdir d; settle; mv d e; new e/a", "d/|e/|e/ e/a=");
    ext4("put a 123456; settle; cut a 2; cut a 4", "a=123456|a=12....|a=12|a=12..");
}
END_TEST

START_TEST(rule_2_old_changes_are_on_disk)
{
    ext4("new a; wait 4; new b; wait 1", "a=|a= b=");
    ext4("new a; wait 4; new b; wait 0.9", "|a=|a= b=");
    ext4("new a; wait 4; new b; wait 5", "a= b=");
    ext4("put a 1234; settle; cut a 2; wait 5", "a=12");
}
END_TEST

START_TEST(rule_3_fsync_commits_all_that_is_older)
{
    ext4("new a; new b; fsync b", "a= b=");
    ext4("new a; begin a; new b; end", "a=|a= b=");
    ext4("new a; begin a", "|a=");
    ext4("put c x; settle; new a; fsync c", "c=x|a= c=x");
    ext4("mkdir d; settle; new a; fsync d", "d/|a= d/");
    ext4("mkdir d; settle; new a; new d/b; fsync d", "a= d/ d/b=");
    ext4("put a x; fsync a; link a b", "a=x|a=x b=x");
    ext4("put a x; fsync a; link a b; fsync a", "a=x b=x");
    ext4("put a x; settle; wait 1; over a 0 y; new b; fsync a", "a=y b=");
    ext4("put a x; settle; over a 0 y; wait 6; new b; fsync a", "a=y|a=y b=");
    ext4("put a x; settle; over a 0 y; new b; fdatasync a", "a=y|a=y b=");
    ext4("new b; put a x; fdatasync a", "a=x b=");
    ext4("put a x; settle; new b; put a y; fdatasync a", "a=xy b=");
    ext4("new a; mkdir d; put d/b x; sync", "a= d/ d/b=x");
}
END_TEST

START_TEST(rule_4_what_is_appended)
{
    ext4("new a; settle; put a hi", "a=|a=..|a=hi");
    ext4("new a; settle; put a hi; put a yo", "a=|a=..|a=hi|a=....|a=..yo|a=hi..|a=hiyo");
    ext4("new a; settle; pages a 8192 x", "a=|a=.*4096|a=.*8192|a=x*4096|a=x*4096.*4096|a=x*8192");
    ext4("new a; settle; pages a 4096 x", "a=|a=.*4096|a=x*4096");
    ext4("new a; settle; new b; put a hi", "a=|a= b=|a=.. b=|a=hi b=");
    ext4("put a 123456; settle; cut a 2; put a Z", "a=123456|a=12....|a=12Z...|a=12|a=12.|a=12Z");
    ext4("new a; settle; put a hi; begin a", "a=|a=..|a=hi");
    ext4("new a; settle; put a hi; fsync a", "a=hi");
    ext4("new a; settle; begin a; put a hi; end", "a=|a=..|a=hi");
    ext4("put a hi; wait 9", "a=|a=..|a=hi");
}
END_TEST

START_TEST(rule_5_bytes_written_over_others)
{
    ext4("put a 1234; settle; over a 0 AB", "a=1234|a=AB34");
    ext4("put a 1234; settle; new b; over a 0 AB", "a=1234|a=AB34|a=1234 b=|a=AB34 b=");
    ext4("put a 1234; settle; over a 0 A; over a 3 D", "a=1234|a=A234|a=123D|a=A23D");
}
END_TEST

START_TEST(rule_6_files_that_replace_others)
{
    ext4("put a old; settle; put t new; mv t a", "a=old|a=old t=|a=old t=...|a=old t=new|a=new");
    ext4("put a old; settle; put t new; mv t a; wait 5", "a=new");
    ext4("put a old; settle; rewrite a new", "a=old|a=|a=...|a=new");
    ext4("put a old; settle; rewrite a new; wait 5", "a=new");
    ext4("new a; settle; rewrite a new; wait 5", "a=new");
    ext4("put t new; link t b; wait 5", "b= t=|b=... t=...|b=new t=new");
    ext4("put t new; mv t b; wait 5", "b=|b=...|b=new");
}
END_TEST

START_TEST(what_qmail_does_is_not_enough)
{
    ext4("mkdir i; mkdir t; settle; put i/1 e; fsync i/1; link i/1 t/1",
         "i/ i/1=e t/|i/ i/1=e t/ t/1=e");
    ext4("mkdir i; mkdir t; settle; put i/1 e; fsync i/1; link i/1 t/1; fsync t",
         "i/ i/1=e t/ t/1=e");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ext4");
    TCase *tests = tcase_create("ext4");
    tcase_add_test(tests, rule_1_a_prefix_of_the_log);
    tcase_add_test(tests, rule_2_old_changes_are_on_disk);
    tcase_add_test(tests, rule_3_fsync_commits_all_that_is_older);
    tcase_add_test(tests, rule_4_what_is_appended);
    tcase_add_test(tests, rule_5_bytes_written_over_others);
    tcase_add_test(tests, rule_6_files_that_replace_others);
    tcase_add_test(tests, what_qmail_does_is_not_enough);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}

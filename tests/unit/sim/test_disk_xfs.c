/* SPDX-License-Identifier: ISC */
/* The rules of `xfs`, each by small programs and exactly the trees that may be found. */
#include "tests/unit/sim/states.h"

static void xfs(const char *program, const char *wanted)
{
    check_states(&disk_xfs, program, wanted);
}

START_TEST(rule_1_a_prefix_of_the_log)
{
    xfs("new a; new b; rm a", "|a=|a= b=|b=");
    xfs("put a x; put b y; settle; mv a b", "a=x b=y|b=x");
    xfs("put a x; settle; link a b; rm a", "a=x|a=x b=x|b=x");
    xfs("new a; settle; chmod a 600; new b", "a=|a(600)=|a(600)= b=");
    xfs("mkdir d; settle; mv d e; new e/a", "d/|e/|e/ e/a=");
    xfs("put a 123456; settle; cut a 2; cut a 4", "a=123456|a=12....|a=12|a=12..");
}
END_TEST

START_TEST(rule_2_old_changes_are_on_disk)
{
    xfs("new a; wait 29; new b; wait 1", "a=|a= b=");
    xfs("new a; wait 29; new b; wait 0.9", "|a=|a= b=");
    xfs("new a; wait 29; new b; wait 30", "a= b=");
}
END_TEST

START_TEST(rule_3_fsync_waits_for_the_last_change)
{
    xfs("new a; new b; fsync b", "a= b=");
    /* what came after the last change of a may be in a later checkpoint */
    xfs("new a; new b; fsync a", "a=|a= b=");
    xfs("new a; new b; sync", "a= b=");
    xfs("new a; new b; fsync .", "a= b=");
    xfs("mkdir d; settle; new a; new d/b; new c; fsync d", "a= d/ d/b=|a= c= d/ d/b=");
    /* a new size is logged by the fsync itself */
    xfs("new a; settle; new b; put a x; new c; fsync a", "a=x b= c=");
    xfs("new a; settle; new b; put a x; new c; fdatasync a", "a=x b= c=");
    xfs("new a; begin a; new b; end", "a=|a= b=");
    xfs("new a; begin a", "|a=");
    /* a clean one */
    xfs("put c x; settle; new a; fsync c", "c=x|a= c=x");
    xfs("mkdir d; settle; new a; fsync d", "d/|a= d/");
    /* bytes written over others change time stamps at most */
    xfs("put a x; settle; over a 0 y; new b; fsync a", "a=y|a=y b=");
    /* a name or an attribute is a change of the file */
    xfs("put a x; fsync a; link a b; fsync a", "a=x b=x");
    xfs("new a; settle; new b; chmod a 600; fsync a", "a(600)= b=");
    xfs("put a x; settle; new b; mv a c; fsync c", "b= c=x");
}
END_TEST

START_TEST(rule_4_data_before_the_size)
{
    xfs("new a; settle; put a hi", "a=|a=hi");
    xfs("new a; settle; put a hi; put a yo", "a=|a=hi|a=hiyo");
    xfs("new a; settle; pages a 8192 x", "a=|a=x*4096|a=x*8192");
    xfs("new a; settle; new b; put a hi", "a=|a= b=|a=hi b=");
    /* a cut within a block is there before the size */
    xfs("put a 123456; settle; cut a 2; put a Z", "a=123456|a=12....|a=12Z...|a=12|a=12Z");
    xfs("put a 123; settle; cut a 1; put a WXYZ; fsync a", "a=1WXYZ");
    xfs("put a 123; settle; cut a 1; put a WXYZ", "a=123|a=1..|a=1WX|a=1|a=1WXYZ");
    xfs("pages a 4096 x; put a 12; settle; cut a 4096", "a=x*409612|a=x*4096");
    xfs("put a x; pages a 4096 y; settle; cut a 1", "a=xy*4096|a=x.*4095y|a=x");
    xfs("put a 1234; settle; cut a 2; begin a", "a=1234|a=12..|a=12");
    xfs("put a 1234; settle; cut a 2; fsync a", "a=12");
    xfs("put a hi; wait 99", "a=|a=hi");
    xfs("new a; settle; put a hi; fsync a", "a=hi");
    /* pages that were not written are holes before those that were */
    xfs("new a; settle; pages a 4096 x; pages a 4096 y",
        "a=|a=x*4096|a=x*4096y*4096|a=.*4096y*4096");
    xfs("new a; settle; pages a 4096 x; put a y", "a=|a=x*4096|a=x*4096y|a=.*4096y");
    xfs("new a; settle; pages a 8192 x; put a y",
        "a=|a=x*4096|a=x*8192|a=.*8192y|a=x*4096.*4096y|a=x*8192y");
}
END_TEST

START_TEST(rule_5_bytes_written_over_others)
{
    xfs("put a 1234; settle; over a 0 AB", "a=1234|a=AB34");
    xfs("put a 1234; settle; new b; over a 0 AB", "a=1234|a=AB34|a=1234 b=|a=AB34 b=");
    /* syncfs does not flush them, nor does fsync of a directory, but any fsync of a file does */
    const char *either = "a=1234 b=|a=AB34 b=";
    xfs("put a 1234; new b; settle; over a 0 AB; sync", either);
    xfs("put a 1234; new b; settle; over a 0 AB; sync; sync; fsync .", either);
    xfs("put a 1234; new b; settle; over a 0 AB; fsync b", either);
    xfs("put a 1234; new b; settle; over a 0 AB; sync; fdatasync b", "a=AB34 b=");
    xfs("put a 1234; new b; settle; over a 0 AB; fsync a", "a=AB34 b=");
    xfs("put a 1234; new b; settle; over a 0 AB; begin b; sync; end", either);
    xfs("put a 1234; settle; over a 0 AB; put a Z; sync", "a=1234Z|a=AB34Z");
    xfs("put a 1234; new b; settle; over a 0 AB; sync; over a 0 CD; fsync b",
        "a=AB34 b=|a=CD34 b=");
}
END_TEST

START_TEST(rule_6_no_heuristic)
{
    xfs("put a old; settle; put t new; mv t a", "a=old|a=old t=|a=old t=new|a=|a=new");
    xfs("put a old; settle; put t new; mv t a; wait 99", "a=|a=new");
    xfs("put a old; settle; put t new; fsync t; mv t a", "a=old t=new|a=new");
    xfs("put a old; settle; rewrite a new; wait 99", "a=|a=new");
}
END_TEST

START_TEST(what_qmail_does_is_not_enough)
{
    xfs("mkdir i; mkdir t; settle; put i/1 e; fsync i/1; link i/1 t/1",
        "i/ i/1=e t/|i/ i/1=e t/ t/1=e");
    xfs("mkdir i; mkdir t; settle; put i/1 e; fsync i/1; link i/1 t/1; fsync t",
        "i/ i/1=e t/ t/1=e");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("xfs");
    TCase *tests = tcase_create("xfs");
    tcase_add_test(tests, rule_1_a_prefix_of_the_log);
    tcase_add_test(tests, rule_2_old_changes_are_on_disk);
    tcase_add_test(tests, rule_3_fsync_waits_for_the_last_change);
    tcase_add_test(tests, rule_4_data_before_the_size);
    tcase_add_test(tests, rule_5_bytes_written_over_others);
    tcase_add_test(tests, rule_6_no_heuristic);
    tcase_add_test(tests, what_qmail_does_is_not_enough);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}

/* SPDX-License-Identifier: ISC */
/* The rules of `btrfs`, each by small programs and exactly the trees that may be found. */
#include "tests/unit/sim/states.h"

static void btrfs(const char *program, const char *wanted)
{
    check_states(&disk_btrfs, program, wanted);
}

START_TEST(rule_1_a_transaction_is_a_prefix)
{
    btrfs("new a; new b; rm a", "|a=|a= b=|b=");
    btrfs("put a x; settle; mv a b", "a=x|b=x");
    btrfs("put a x; settle; link a b; rm a", "a=x|a=x b=x|b=x");
    btrfs("new a; settle; chmod a 600; new b", "a=|a(600)=|a(600)= b=");
    btrfs("put a 123456; settle; cut a 2; cut a 4", "a=123456|a=12|a=12..");
    btrfs("new a; wait 29; new b; wait 1", "a=|a= b=");
    btrfs("new a; wait 29; new b; wait 30", "a= b=");
    btrfs("new a; new b; sync", "a= b=");
    btrfs("new a; begin *; new b; end", "a=|a= b=");
}
END_TEST

START_TEST(rule_2_fsync_logs_one_inode)
{
    /* not what is older */
    btrfs("new a; new b; fsync b", "b=|a= b=");
    btrfs("mkdir d; settle; new d/a; new b; fsync b", "b= d/|b= d/ d/a=");
    btrfs("mkdir d; put d/a x; settle; rm d/a; put b y; fsync b", "b=y d/|b=y d/ d/a=x");
    btrfs("new a; new b; fdatasync b", "b=|a= b=");
    /* data, attributes and names of a file */
    btrfs("put a x; fsync a", "a=x");
    btrfs("new a; settle; new b; chmod a 600; fsync a", "a(600)=|a(600)= b=");
    btrfs("put a 1234; settle; new b; cut a 2; fsync a", "a=12|a=12 b=");
    btrfs("put a x; settle; new c; link a b; fsync a", "a=x b=x|a=x b=x c=");
    btrfs("put a x; link a b; settle; new c; rm a; fsync b", "b=x|b=x c=");
    /* entries and attributes of a directory, and its own name */
    btrfs("mkdir d; settle; new a; new d/b; fsync d", "d/ d/b=|a= d/ d/b=");
    btrfs("mkdir d; new d/a; fsync d", "d/ d/a=");
    btrfs("new a; mkdir d; new d/b; fsync d", "d/ d/b=|a= d/ d/b=");
    btrfs("mkdir d; new d/a; settle; rm d/a; new b; fsync d", "d/|b= d/");
    /* not the data of its files */
    btrfs("mkdir d; put d/a x; fsync d", "d/ d/a=|d/ d/a=x");
    /* what comes after it began is not covered */
    btrfs("new a; begin a; link a b; end", "a=|a= b=");
    /* a clean one */
    btrfs("put c x; settle; new a; fsync c", "c=x|a= c=x");
    btrfs("new a; fsync a; settle; link a b; fsync .", "a= b=");
}
END_TEST

START_TEST(rule_3_rename_is_atomic)
{
    btrfs("put a x; settle; new b; mv a c; fsync c", "c=x|b= c=x");
    btrfs("mkdir d; put a x; settle; mv a d/b; fsync .", "d/ d/b=x");
    btrfs("mkdir d; put a x; settle; mv a d/b; fsync d", "d/ d/b=x");
    btrfs("mkdir d; put a x; settle; mv a d/b", "a=x d/|d/ d/b=x");
    btrfs("mkdir d; mkdir e; put d/a x; settle; mv d/a e/a; mv e/a b; fsync .", "b=x d/ e/");
    btrfs("mkdir d; mkdir e; put d/a x; settle; mv d/a e/a; mv e/a b; fsync e", "b=x d/ e/");
}
END_TEST

START_TEST(rule_4_the_log_makes_a_tree)
{
    /* a: new directories above it */
    btrfs("mkdir d; mkdir d/e; put d/e/a x; fsync d/e/a", "d/ d/e/ d/e/a=x");
    /* b: the file whose name was taken keeps one */
    btrfs("put a x; settle; mv a b; put a y; fsync a", "a=y b=x");
    btrfs("put a x; put b y; settle; mv a c; mv b a; mv c b; fsync a", "a=y b=x|a=y c=x");
    btrfs("put a x; settle; rm a; put a y; fsync a", "a=y");
    /* the name that another had in between is not asked */
    btrfs("put x X; settle; mv x a; rm a; put a y; fsync a", "a=y x=X|a=y");
    /* c: newer names of what is logged */
    btrfs("new a; fsync a; link a b; put c x; fsync c", "a= b= c=x|a= c=x");
    btrfs("new a; fsync a; mv a b; put c x; fsync c", "b= c=x|a= c=x");
    btrfs("new a; mv a b; put c x; fsync c", "c=x|a= c=x|b= c=x");
    /* e: perhaps more entries, of the directories of a file that got, lost or changed a name ... */
    btrfs("mkdir d; put a x; settle; new d/a; new b; link a c; fsync a",
          "a=x c=x d/|a=x b= c=x d/|a=x c=x d/ d/a=|a=x b= c=x d/ d/a=");
    btrfs("mkdir d; put a x; put c y; link a d/b; settle; new d/a; rm d/b; rm c; fsync a",
          "a=x c=y d/|a=x c=y d/ d/a=|a=x d/|a=x d/ d/a=");
    btrfs("mkdir d; new c; settle; new d/a; put b v; new a; link a e; fsync a", /* a new one */
          "a= c= d/ e=|a= c= d/ d/a= e=|a= b= c= d/ d/a= e=|a= b=v c= d/ d/a= e=");
    /* ... and of new directories below a directory */
    btrfs("mkdir d; settle; new d/a; mkdir e; put e/x v; fsync .",
          "d/ e/|d/ e/ e/x=|d/ d/a= e/|d/ d/a= e/ e/x=|d/ d/a= e/ e/x=v");
    /* d: directories that move into each other */
    btrfs("mkdir x; mkdir x/w; mkdir x/w/y; settle; mv x/w w; mv x w/y/x; put a A; fsync w/y/x",
          "w/ w/y/ w/y/x/|a= w/ w/y/ w/y/x/|a=A w/ w/y/ w/y/x/");
}
END_TEST

START_TEST(rule_5_a_log_under_way)
{
    btrfs("new a; new b; begin b", "|a=|b=|a= b=");
    btrfs("put a x; begin a", "|a=|a=x");
    btrfs("mkdir d; put d/a x; settle; rm d/a; begin d; new b", "d/ d/a=x|d/|b= d/");
}
END_TEST

START_TEST(rule_6_data_as_on_xfs)
{
    btrfs("new a; settle; put a hi", "a=|a=hi");
    btrfs("new a; settle; new b; put a hi", "a=|a= b=|a=hi b=");
    btrfs("new a; settle; pages a 4096 x; pages a 4096 y",
          "a=|a=x*4096|a=x*4096y*4096|a=.*4096y*4096");
    btrfs("put a 1234; settle; new b; over a 0 AB", "a=1234|a=AB34|a=1234 b=|a=AB34 b=");
    btrfs("put a hi; wait 99", "a=|a=hi");
}
END_TEST

START_TEST(rule_7_no_heuristic)
{
    btrfs("put a old; settle; put t new; mv t a; wait 99", "a=|a=new");
    btrfs("put a old; settle; put t new; mv t a", "a=old|a=old t=|a=old t=new|a=|a=new");
    btrfs("put a old; settle; put t new; fsync t; mv t a", "a=old t=new|a=new");
    btrfs("put a old; settle; rewrite a new; wait 99", "a=|a=new");
}
END_TEST

START_TEST(what_qmail_does_is_not_enough)
{
    btrfs("mkdir i; mkdir t; settle; put i/1 e; fsync i/1; link i/1 t/1",
          "i/ i/1=e t/|i/ i/1=e t/ t/1=e");
    btrfs("mkdir i; mkdir t; settle; put i/1 e; fsync i/1; link i/1 t/1; fsync t",
          "i/ i/1=e t/ t/1=e");
    /* an unlink survives without the older files of another directory */
    btrfs("mkdir l; mkdir t; put t/1 e; settle; put l/1 r; rm t/1; fsync t",
          "l/ t/|l/ l/1= t/|l/ l/1=r t/");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("btrfs");
    TCase *tests = tcase_create("btrfs");
    tcase_add_test(tests, rule_1_a_transaction_is_a_prefix);
    tcase_add_test(tests, rule_2_fsync_logs_one_inode);
    tcase_add_test(tests, rule_3_rename_is_atomic);
    tcase_add_test(tests, rule_4_the_log_makes_a_tree);
    tcase_add_test(tests, rule_5_a_log_under_way);
    tcase_add_test(tests, rule_6_data_as_on_xfs);
    tcase_add_test(tests, rule_7_no_heuristic);
    tcase_add_test(tests, what_qmail_does_is_not_enough);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}

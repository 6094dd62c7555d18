/* SPDX-License-Identifier: ISC */
/* The rules of `ffs` and `honest`, each by small programs and exactly the trees that may be found.
 */
#include "tests/unit/sim/states.h"

static void in_ffs(const char *program, const char *wanted)
{
    check_states(&disk_ffs, program, wanted);
}

START_TEST(rule_1_names_and_attributes_are_durable)
{
    in_ffs("new a; link a b; mv b c", "a= c=");
    in_ffs("new a; new b; mv a b", "b=");
    in_ffs("mkdir d; new d/a; rm d/a; rmdir d; mkdir e", "e/");
    in_ffs("new a; chmod a 600", "a(600)=");
}
END_TEST

START_TEST(rule_2_data_need_fsync)
{
    in_ffs("put a x", "a=|a=.|a=?|a=x");
    in_ffs("put a x; fsync a", "a=x");
    in_ffs("put a x; fdatasync a", "a=x");
    in_ffs("put a x; begin a", "a=|a=.|a=?|a=x");
    in_ffs("new a; begin a; put a x; end", "a=|a=.|a=?|a=x");
    in_ffs("put a x; put b y; sync", "a=x b=y");
    in_ffs("put a 1234; fsync a; cut a 2", "a=1234|a=12..|a=12");
}
END_TEST

START_TEST(rule_3_one_byte_is_atomic)
{
    in_ffs("put a TT; fsync a; over a 0 D", "a=TT|a=DT");
    in_ffs("put a 123456; fsync a; over a 0 ABCDEF", "a=123456|a=ABC456|a=123DEF|a=ABCDEF");
}
END_TEST

START_TEST(rule_4_removed_is_gone)
{
    in_ffs("put a x; fsync a; rm a; put b y; fsync b", "b=y");
    in_ffs("put a x; hold a; rm a", "");
}
END_TEST

START_TEST(what_qmail_does_is_enough)
{
    in_ffs("mkdir i; mkdir t; settle; put i/1 e; fsync i/1; link i/1 t/1", "i/ i/1=e t/ t/1=e");
}
END_TEST

START_TEST(honest_keeps_everything)
{
    check_states(&disk_honest, "put a x; over a 0 y; mkdir d; mv a d/b; new c; rm c; chmod d/b 600",
                 "d/ d/b(600)=y");
    check_states(&disk_honest, "put a x; hold a; rm a", "");
}
END_TEST

START_TEST(models_have_names)
{
    ck_assert_ptr_eq(disk_model_named("strict"), &disk_strict);
    ck_assert_ptr_eq(disk_model_named("floppy"), NULL);
    ck_assert_ptr_eq(disk_model_named("floppy+liar"), NULL);
    ck_assert_ptr_eq(disk_model_named("ext4+honest"), NULL);
    size_t count = 0;
    for (; disk_models[count]; count++)
        ck_assert_ptr_eq(disk_model_named(disk_model_name(disk_models[count])), disk_models[count]);
    ck_assert_uint_eq(count, 6);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ffs and honest");
    TCase *tests = tcase_create("ffs");
    tcase_add_test(tests, rule_1_names_and_attributes_are_durable);
    tcase_add_test(tests, rule_2_data_need_fsync);
    tcase_add_test(tests, rule_3_one_byte_is_atomic);
    tcase_add_test(tests, rule_4_removed_is_gone);
    tcase_add_test(tests, what_qmail_does_is_enough);
    tcase_add_test(tests, honest_keeps_everything);
    tcase_add_test(tests, models_have_names);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}

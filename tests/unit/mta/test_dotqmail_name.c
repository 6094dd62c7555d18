/* SPDX-License-Identifier: ISC */
/* The names of .qmail files, in the order in which they are looked for. */
#include <check.h>
#include <string.h>

#include "mta/lib/dotqmail_name.h"

/* All names, each with a blank behind. */
static void expect(const char *dash, const char *extension, const char *folder, const char *want)
{
    struct buf part = BUF_INIT(0), path = BUF_INIT(0), all = BUF_INIT(0);
    struct dotqmail_name name;
    int more;
    ck_assert_int_eq(dotqmail_name_part(&part, dash, extension), 0);
    dotqmail_name_begin(&name, &part, strlen(dash));
    while ((more = dotqmail_name_next(&name, folder, &path)) == 1) {
        ck_assert_uint_eq(strlen(path.data), path.length);
        ck_assert_int_eq(buf_add_text(&all, path.data), 0);
        ck_assert_int_eq(buf_add_byte(&all, ' '), 0);
    }
    ck_assert_int_eq(more, 0);
    ck_assert_str_eq(buf_text(&all), want);
    buf_free(&part);
    buf_free(&path);
    buf_free(&all);
}

START_TEST(names)
{
    expect("", "", "", ".qmail ");
    expect("", "ext", "", ".qmailext ");
    expect("-", "", "", ".qmail- .qmail-default ");
    expect("-", "list", "", ".qmail-list .qmail-default ");
    expect("-", "List-Own.er", "/home/a/",
           "/home/a/.qmail-list-own:er /home/a/.qmail-list-default /home/a/.qmail-default ");
    expect("-", "a-b-", "", ".qmail-a-b- .qmail-a-b-default .qmail-a-default .qmail-default ");
    expect("-", "-", "", ".qmail-- .qmail--default .qmail-default ");
    expect("--", "a", "", ".qmail--a .qmail--default ");
    expect("-", "../x", "", ".qmail-::/x .qmail-default ");
}
END_TEST

START_TEST(no_memory)
{
    struct buf part = BUF_INIT(0), path = BUF_INIT(12);
    struct dotqmail_name name;
    ck_assert_int_eq(dotqmail_name_part(&part, "-", "list"), 0);
    dotqmail_name_begin(&name, &part, 1);
    ck_assert_int_eq(dotqmail_name_next(&name, "", &path), 1);
    ck_assert_int_eq(dotqmail_name_next(&name, "", &path), -1);
    buf_free(&part);
    buf_free(&path);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("dotqmail_name");
    TCase *tests = tcase_create("dotqmail_name");
    SRunner *runner;
    int failed;

    tcase_add_test(tests, names);
    tcase_add_test(tests, no_memory);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

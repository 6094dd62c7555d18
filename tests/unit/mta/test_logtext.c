/* SPDX-License-Identifier: ISC */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mta/lib/logtext.h"

START_TEST(known_texts)
{
    static const char *const rows[][2] = {
        {"did 1+0+0\n", "did_1+0+0/"},
        {"", ""},
        {"a%b\tc\x7f\xff\r\n", "a_b_c___/"},
        {"plain!~", "plain!~"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf buf = BUF_INIT(100);
        ck_assert_int_eq(logtext_add(&buf, rows[i][0], strlen(rows[i][0])), 0);
        ck_assert_str_eq(buf_text(&buf), rows[i][1]);
        buf_free(&buf);
    }
}
END_TEST

START_TEST(every_byte_is_safe)
{
    struct buf buf = BUF_INIT(0);
    for (int byte = 0; byte < 256; byte++) {
        char text = (char) byte;
        ck_assert_int_eq(logtext_add(&buf, &text, 1), 0);
    }
    ck_assert_uint_eq(buf.length, 256);
    for (size_t i = 0; i < buf.length; i++)
        ck_assert(buf.data[i] > ' ' && buf.data[i] <= '~' && buf.data[i] != '%');
    buf_free(&buf);
}
END_TEST

START_TEST(keeps_to_the_limit)
{
    struct buf buf = BUF_INIT(3);
    ck_assert_int_eq(logtext_add(&buf, "abcd", 4), -1);
    ck_assert_int_eq(errno, EMSGSIZE);
    ck_assert_uint_eq(buf.length, 0);
    buf_free(&buf);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("logtext");
    TCase *tests = tcase_create("all");
    tcase_add_test(tests, known_texts);
    tcase_add_test(tests, every_byte_is_safe);
    tcase_add_test(tests, keeps_to_the_limit);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* SPDX-License-Identifier: ISC */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "mta/lib/failure.h"
#include "mta/lib/utf8.h"

static const struct {
    const char *report, *status, *reply, *mta;
} rows[] = {
    /* nixie-local */
    {"Sorry, no mailbox here by that name. (#5.1.1)\n", "5.1.1", "", ""},
    {"no such user\n", "5.0.0", "", ""},
    {"", "5.0.0", "", ""},
    {"\n\n", "5.0.0", "", ""},
    {"mail.example is full\n", "5.0.0", "", ""},
    /* nixie-remote without a connection */
    {"Sorry, I couldn't find any host named gone.example. (#5.1.2)\n", "5.1.2", "", ""},
    {"Sorry, gone.example does not accept mail (null MX). (#5.1.10)\n", "5.1.10", "", ""},
    {"Connected to 192.0.2.25 but connection died. (#4.4.2)\n", "4.4.2", "", "192.0.2.25"},
    {"Connected to mx.gone.example but connection died. (#4.4.2)\n", "4.4.2", "",
     "mx.gone.example"},
    /* with a reply */
    {"192.0.2.25 does not like recipient.\nRemote host said: 550 5.1.1 no such user\n"
     "Giving up on 192.0.2.25.\n",
     "5.1.1", "550 5.1.1 no such user", "192.0.2.25"},
    {"2001:db8::19 does not like recipient.\nRemote host said: 550 no such user\n"
     "Giving up on 2001:db8::19.\n",
     "5.0.0", "550 no such user", "2001:db8::19"},
    {"mx.away.example does not like recipient.\nRemote host said: 550 sorry, no mailbox here by "
     "that name (#5.1.1)\nGiving up on mx.away.example.\n",
     "5.1.1", "550 sorry, no mailbox here by that name (#5.1.1)", "mx.away.example"},
    {"Connected to 192.0.2.25 but sender was rejected.\nRemote host said: 553-5.1.8 one\n"
     "553-5.1.8 two\n553 5.1.8 three\nGiving up on 192.0.2.25.\n",
     "5.1.8", "553-5.1.8 one\n553-5.1.8 two\n553 5.1.8 three", "192.0.2.25"},
    {"Connected to 192.0.2.25 but greeting failed.\nRemote host said: 554-go\n550 away\n", "5.0.0",
     "554-go", "192.0.2.25"},
    {"192.0.2.25 failed on DATA command.\nRemote host said: 451 4.3.0 later\n", "4.3.0",
     "451 4.3.0 later", "192.0.2.25"},
    {"192.0.2.25 failed on DATA command.\nRemote host said: 451 later\n", "4.0.0", "451 later",
     "192.0.2.25"},
    /* enhanced codes that are none, or of another class */
    {"x\nRemote host said: 550 4.1.1 a\n", "5.0.0", "550 4.1.1 a", ""},
    {"x\nRemote host said: 550 2.1.1 a\n", "5.0.0", "550 2.1.1 a", ""},
    {"x\nRemote host said: 550 5.1.1000 a\n", "5.0.0", "550 5.1.1000 a", ""},
    {"x\nRemote host said: 550 5.1.1.1 a\n", "5.0.0", "550 5.1.1.1 a", ""},
    {"x\nRemote host said: 550 5.1 a\n", "5.0.0", "550 5.1 a", ""},
    {"x\nRemote host said: 550 5.7.1\n", "5.7.1", "550 5.7.1", ""},
    {"x\nRemote host said: 550\n", "5.0.0", "550", ""},
    {"x\nRemote host said: \n", "5.0.0", "", ""},
    {"x\nRemote host said: 250 2.0.0 fine\n", "5.0.0", "250 2.0.0 fine", ""},
    {"x\nRemote host said: SSH-2.0-OpenSSH\n550 5.1.1 b\n", "5.0.0", "SSH-2.0-OpenSSH", ""},
    {"a (#2.1.5) b (#9.9.9) c (#5.1) d (#5.4.6) e (#5.1.1)\n", "5.4.6", "", ""},
    {"cut (#5.1.1", "5.0.0", "", ""},
    /* the mark counts at the start of a line only */
    {"it said Remote host said: 550 5.1.1 x\n", "5.0.0", "", ""},
    /* what looks like an address */
    {"192.0.2.256 does not like recipient.\nRemote host said: 550 x\n", "5.0.0", "550 x", ""},
    {"1.2.3.4.5 x\nRemote host said: 550 x\n", "5.0.0", "550 x", ""},
    {"-bad.example x\nRemote host said: 550 x\n", "5.0.0", "550 x", ""},
};

START_TEST(reports)
{
    struct failure failure;
    failure_parse(&failure, rows[_i].report, strlen(rows[_i].report));
    ck_assert_str_eq(failure.status, rows[_i].status);
    ck_assert_uint_eq(failure.reply_size, strlen(rows[_i].reply));
    ck_assert_mem_eq(failure.reply ? failure.reply : "", rows[_i].reply, failure.reply_size);
    ck_assert_uint_eq(failure.mta_size, strlen(rows[_i].mta));
    ck_assert_mem_eq(failure.mta ? failure.mta : "", rows[_i].mta, failure.mta_size);
    ck_assert(!failure.expired);
}
END_TEST

START_TEST(expired)
{
    static const char report[] = "192.0.2.25 does not like recipient.\n"
                                 "Remote host said: 450 4.2.0 greylisted\n"
                                 "Giving up on 192.0.2.25.\n" FAILURE_EXPIRED;
    struct failure failure;
    failure_parse(&failure, report, sizeof report - 1);
    ck_assert(failure.expired);
    ck_assert_str_eq(failure.status, "4.4.7");
    ck_assert_uint_eq(failure.reply_size, strlen("450 4.2.0 greylisted"));
    ck_assert_uint_eq(failure.text_size, sizeof report - sizeof FAILURE_EXPIRED - 1);
    failure_parse(&failure, FAILURE_EXPIRED, strlen(FAILURE_EXPIRED));
    ck_assert(failure.expired);
    ck_assert_uint_eq(failure.text_size, 0);
    failure_parse(&failure, "No " FAILURE_EXPIRED, strlen("No " FAILURE_EXPIRED));
    ck_assert(!failure.expired);
}
END_TEST

/* Every cut of a report, in memory of just that size. */
START_TEST(cut_anywhere)
{
    static const char report[] = "Connected to 2001:db8::1 but sender was rejected.\n"
                                 "Remote host said: 553-5.1.8 one\n553 5.1.8 (#5.1.2) two\n"
                                 "Giving up.\n" FAILURE_EXPIRED;
    struct failure failure;
    for (size_t size = 0; size < sizeof report; size++) {
        char *copy = malloc(size + 1);
        memcpy(copy, report, size);
        failure_parse(&failure, copy, size);
        ck_assert(failure.status[0] == '4' || failure.status[0] == '5');
        ck_assert(failure.text_size <= size);
        free(copy);
    }
}
END_TEST

START_TEST(utf8)
{
    static const struct {
        const char *text, *cleaned;
    } texts[] = {
        {"", ""},
        {"plain", "plain"},
        {"J\xC3\xB6rg \xE2\x82\xAC \xF0\x9F\x93\xA7", "J\xC3\xB6rg \xE2\x82\xAC \xF0\x9F\x93\xA7"},
        {"J\xF6rg", "J?rg"},
        {"\x80\xC0\xAF\xC1\x81", "?????"},
        {"\xE0\x80\x80 \xED\xA0\x80", "??? ???"},
        {"\xF4\x90\x80\x80\xF5", "?????"},
        {"cut \xE2\x82", "cut ??"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char text[40];
        size_t size = strlen(texts[i].text);
        strcpy(text, texts[i].text);
        bool same = strcmp(texts[i].text, texts[i].cleaned) == 0;
        ck_assert(utf8_is_valid(text, size) == same);
        utf8_clean(text, size);
        ck_assert_str_eq(text, texts[i].cleaned);
        ck_assert(utf8_is_valid(text, size));
    }
    ck_assert(utf8_is_ascii("abc\x7f", 4) && !utf8_is_ascii("abc\x80", 4));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("failure");
    TCase *tests = tcase_create("failure");
    tcase_add_loop_test(tests, reports, 0, sizeof rows / sizeof *rows);
    tcase_add_test(tests, expired);
    tcase_add_test(tests, cut_anywhere);
    tcase_add_test(tests, utf8);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* SPDX-License-Identifier: ISC */
/* What bounces say: RFC 3464 reports and qmail's own text. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "sim/world/bounce_report.h"

static const char standard[] =
    "From: MAILER-DAEMON@example.com\n"
    "Content-Type: multipart/report; report-type=delivery-status; boundary=\"b\"\n\n"
    "--b\nContent-Type: text/plain\n\nHi.\n\n<bob@away.example>:\n192.0.2.9 does not like\n\n"
    "--- Enclosed is a copy of the message.\n\n<eve@away.example>:\nx\n\n"
    "--b\nContent-Type: message/delivery-status\n\n"
    "Reporting-MTA: dns; example.com\nArrival-Date: now\n\n"
    "Final-Recipient: rfc822; bob@away.example\nAction: failed\nStatus: 5.1.1\n"
    "Remote-MTA: dns; mx.away.example\n"
    "Diagnostic-Code: smtp; 550 5.1.1\n no such user\n\n"
    "Final-Recipient: RFC822;carol@away.example\nAction: delayed\nStatus: 4.4.7\n\n"
    "--b\nContent-Type: message/rfc822\n\nTo: dave@away.example\n\n"
    "Final-Recipient: rfc822; dave@away.example\n\n<dave@away.example>:\nx\n";

START_TEST(reads_a_standard_report)
{
    struct bounce_report report;

    bounce_report_read(&report, standard, sizeof standard - 1);
    ck_assert(report.is_standard);
    ck_assert(report.has_original);
    ck_assert_uint_eq(report.group_count, 2);
    ck_assert_str_eq(report.groups[0].final_recipient, "bob@away.example");
    ck_assert_str_eq(report.groups[0].action, "failed");
    ck_assert_str_eq(report.groups[0].status, "5.1.1");
    ck_assert_str_eq(report.groups[0].diagnostic, "smtp; 550 5.1.1 no such user");
    ck_assert_str_eq(report.groups[0].remote_mta, "mx.away.example");
    ck_assert_str_eq(report.groups[1].final_recipient, "carol@away.example");
    ck_assert_str_eq(report.groups[1].diagnostic, "");
    bounce_report_free(&report);
    ck_assert(bounce_report_tells_of(standard, sizeof standard - 1, "CAROL@*"));
    ck_assert(!bounce_report_tells_of(standard, sizeof standard - 1, "dave@away.example"));
}
END_TEST

static const struct {
    const char *field, *address;
} quoted[] = {
    {"\"a b\"@x.example", "a b@x.example"},
    {"\"a\\\"b\\\\\"@x.example", "a\"b\\@x.example"},
    {"a\"b@x.example", "a\"b@x.example"},
    {"\"\"@x.example", "@x.example"},
    {"\"a b", "a b"},
    {"\"a\\", "a\\"},
};

START_TEST(takes_quotes_off)
{
    struct bounce_report report;
    char text[500];

    snprintf(text, sizeof text,
             "Content-Type: multipart/report; boundary=\"b\"\n\n"
             "--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; example.com\n\n"
             "Final-Recipient: rfc822; %s\nAction: failed\n\n--b--\n",
             quoted[_i].field);
    bounce_report_read(&report, text, strlen(text));
    ck_assert_uint_eq(report.group_count, 1);
    ck_assert_str_eq(report.groups[0].final_recipient, quoted[_i].address);
    ck_assert_str_eq(report.groups[0].final_field, quoted[_i].field);
    bounce_report_free(&report);
}
END_TEST

START_TEST(reads_qmails_text)
{
    static const char text[] =
        "Subject: failure notice\n\nHi. This is the program.\n\n"
        "<bob@away.example>:\n192.0.2.9 does not like recipient.\n"
        "Remote host said: 550-5.1.1 no\n550 5.1.1 really\nGiving up on 192.0.2.9.\n\n"
        "<carol@away.example>:\nSorry, I couldn't find any host. (#5.1.2)\n\n"
        "--- Below this line is a copy of the message.\n\n<dave@away.example>:\nx\n\n";
    struct bounce_report report;

    bounce_report_read(&report, text, sizeof text - 1);
    ck_assert(!report.is_standard);
    ck_assert(report.has_original);
    ck_assert_uint_eq(report.group_count, 2);
    ck_assert_str_eq(report.groups[0].status, "5.1.1");
    ck_assert_str_eq(report.groups[1].final_recipient, "carol@away.example");
    ck_assert_str_eq(report.groups[1].status, "5.1.2");
    bounce_report_free(&report);
}
END_TEST

/* Cut anywhere it is read without going astray (the sanitizer sees). */
START_TEST(survives_every_cut)
{
    for (size_t size = 0; size < sizeof standard; size++) {
        char copy[sizeof standard];
        struct bounce_report report;

        memcpy(copy, standard, size);
        bounce_report_read(&report, copy, size);
        ck_assert_uint_le(report.group_count, 2);
        bounce_report_free(&report);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bounce_report");
    TCase *tests = tcase_create("bounce_report");
    SRunner *runner;
    int failed;

    tcase_add_test(tests, reads_a_standard_report);
    tcase_add_loop_test(tests, takes_quotes_off, 0, sizeof quoted / sizeof *quoted);
    tcase_add_test(tests, reads_qmails_text);
    tcase_add_test(tests, survives_every_cut);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

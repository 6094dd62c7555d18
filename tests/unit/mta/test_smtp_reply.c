/* SPDX-License-Identifier: ISC */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mta/lib/smtp_reply.h"

/* Feeds it in pieces of `step` bytes; how many were taken. */
static size_t feed(struct smtp_reply *reply, const char *bytes, size_t size, size_t step,
                   enum smtp_reply_state *state)
{
    size_t taken = 0;
    smtp_reply_begin(reply);
    *state = SMTP_REPLY_MORE;
    while (taken < size && *state == SMTP_REPLY_MORE) {
        size_t part = size - taken < step ? size - taken : step;
        size_t used = smtp_reply_add(reply, bytes + taken, part, state);
        ck_assert_uint_le(used, part);
        ck_assert(*state != SMTP_REPLY_MORE || used == part);
        taken += used;
    }
    return taken;
}

static const struct {
    const char *wire;
    size_t size; /* 0: strlen */
    enum smtp_reply_state state;
    unsigned code;
    const char *text;
    size_t rest; /* bytes behind the reply */
} rows[] = {
    {"250 ok\r\n", 0, SMTP_REPLY_WHOLE, 250, "250 ok\n", 0},
    {"250 ok\n", 0, SMTP_REPLY_WHOLE, 250, "250 ok\n", 0},
    {"250\r\n", 0, SMTP_REPLY_WHOLE, 250, "250\n", 0},
    {"250 \r\n", 0, SMTP_REPLY_WHOLE, 250, "250 \n", 0},
    {"250-a\r\n250 b\r\n354 c\r\n", 0, SMTP_REPLY_WHOLE, 250, "250-a\n250 b\n", 7},
    {"250-\r\n250\r\n", 0, SMTP_REPLY_WHOLE, 250, "250-\n250\n", 0},
    {"250-a\r\n550 b\r\n", 0, SMTP_REPLY_WHOLE, 550, "250-a\n550 b\n", 0},
    {"550 5.1.1 \303\244\r\n", 0, SMTP_REPLY_WHOLE, 550, "550 5.1.1 \303\244\n", 0},
    {"250 a\rb\r\r\n", 0, SMTP_REPLY_WHOLE, 250, "250 a?b?\n", 0},
    {"250 a\0b\r\n", 9, SMTP_REPLY_WHOLE, 250, "250 a?b\n", 0},
    {"250 ok\r", 0, SMTP_REPLY_MORE, 250, NULL, 0},
    {"25", 0, SMTP_REPLY_MORE, 25, NULL, 0},
    {"250-a\r\n", 0, SMTP_REPLY_MORE, 250, NULL, 0},
    {"", 0, SMTP_REPLY_MORE, 0, NULL, 0},
    {"\r\n", 0, SMTP_REPLY_RUBBISH, 0, "\n", 0},
    {"25\r\n", 0, SMTP_REPLY_RUBBISH, 25, "25\n", 0},
    {"hello\r\n", 0, SMTP_REPLY_RUBBISH, 0, "h\n", 6},
    {"150 no\r\n", 0, SMTP_REPLY_RUBBISH, 0, "1\n", 7},
    {"650 no\r\n", 0, SMTP_REPLY_RUBBISH, 0, "6\n", 7},
    {"2x0 no\r\n", 0, SMTP_REPLY_RUBBISH, 2, "2x\n", 6},
    {"2500 no\r\n", 0, SMTP_REPLY_RUBBISH, 250, "2500\n", 5},
    {"250\tno\r\n", 0, SMTP_REPLY_RUBBISH, 250, "250\t\n", 4},
    {"250-a\r\nb\r\n", 0, SMTP_REPLY_RUBBISH, 250, "250-a\nb\n", 2},
    {" 250 a\r\n", 0, SMTP_REPLY_RUBBISH, 0, " \n", 7},
    {"\0\0\0", 3, SMTP_REPLY_RUBBISH, 0, "?\n", 2},
    {"\r250 a\r\n", 0, SMTP_REPLY_RUBBISH, 0, "?\n", 6},
};

START_TEST(replies)
{
    static struct smtp_reply reply;
    enum smtp_reply_state state;
    size_t size = rows[_i].size ? rows[_i].size : strlen(rows[_i].wire);
    for (size_t step = 1; step <= size + 1; step++) {
        size_t taken = feed(&reply, rows[_i].wire, size, step, &state);
        ck_assert_int_eq(state, rows[_i].state);
        ck_assert_uint_eq(reply.code, rows[_i].code);
        ck_assert_uint_eq(size - taken, rows[_i].rest);
        if (rows[_i].text)
            ck_assert_str_eq(reply.text, rows[_i].text);
    }
}
END_TEST

START_TEST(bounds)
{
    static struct smtp_reply reply;
    enum smtp_reply_state state;
    size_t size = 2 * SMTP_REPLY_BYTES_MAX;
    char *bytes = malloc(size);
    /* one line without an end */
    memset(bytes, 'x', size);
    memcpy(bytes, "250 ", 4);
    ck_assert_uint_eq(feed(&reply, bytes, size, 4096, &state), SMTP_REPLY_BYTES_MAX + 1);
    ck_assert_int_eq(state, SMTP_REPLY_RUBBISH);
    ck_assert_uint_eq(strlen(reply.text), SMTP_REPLY_TEXT_MAX);
    ck_assert_int_eq(reply.text[SMTP_REPLY_TEXT_MAX - 1], '\n');
    /* lines without an end */
    for (size_t i = 0; i + 7 <= size; i += 7)
        memcpy(bytes + i, "250-x\r\n", 7);
    feed(&reply, bytes, size, 1000, &state);
    ck_assert_int_eq(state, SMTP_REPLY_RUBBISH);
    /* a long one that ends: its code counts, its text is cut */
    memset(bytes, 'y', 50000);
    memcpy(bytes, "550 ", 4);
    memcpy(bytes + 50000, "\r\n", 2);
    ck_assert_uint_eq(feed(&reply, bytes, 50002, 999, &state), 50002);
    ck_assert_int_eq(state, SMTP_REPLY_WHOLE);
    ck_assert_uint_eq(smtp_reply_class(&reply), 5);
    ck_assert_uint_eq(strlen(reply.text), SMTP_REPLY_TEXT_MAX);
    free(bytes);
}
END_TEST

START_TEST(extensions)
{
    static const char wire[] = "250-PIPELINING greets\r\n250-size 1000\r\n250-AUTH=PLAIN\r\n"
                               "250-8BITMIMEX\r\n250-X\r\n250 Pipelining\r\n";
    static struct smtp_reply reply;
    enum smtp_reply_state state;
    size_t size = 99;
    feed(&reply, wire, sizeof wire - 1, 5, &state);
    ck_assert_int_eq(state, SMTP_REPLY_WHOLE);
    const char *found = smtp_reply_extension(&reply, "SIZE", &size);
    ck_assert_ptr_nonnull(found);
    ck_assert_uint_eq(size, 4);
    ck_assert_int_eq(memcmp(found, "1000", 4), 0);
    found = smtp_reply_extension(&reply, "AUTH", &size);
    ck_assert_ptr_nonnull(found);
    ck_assert_int_eq(memcmp(found, "PLAIN", size), 0);
    ck_assert_ptr_nonnull(smtp_reply_extension(&reply, "PIPELINING", &size));
    ck_assert_uint_eq(size, 0);
    ck_assert_ptr_null(smtp_reply_extension(&reply, "8BITMIME", &size));
    ck_assert_ptr_null(smtp_reply_extension(&reply, "greets", &size));
    feed(&reply, "250 PIPELINING\r\n", 16, 16, &state);
    ck_assert_ptr_null(smtp_reply_extension(&reply, "PIPELINING", &size));
}
END_TEST

/* SIZE stands where the text that is kept ends: `room` bytes before that. */
START_TEST(cut_extensions)
{
    static const char line[] = "250-SIZE 33554432\r\n", last[] = "250 HELP\r\n";
    static struct smtp_reply reply;
    enum smtp_reply_state state;
    for (size_t room = 0; room < 40; room++) {
        char wire[SMTP_REPLY_TEXT_MAX + 200];
        size_t size = 0, kept = 0, extension;
        while (kept + room < SMTP_REPLY_TEXT_MAX) {
            size_t left = SMTP_REPLY_TEXT_MAX - kept - room;
            size_t length = left < 100 ? left : left < 110 ? 50 : 60; /* with LF; at least 50 */
            memcpy(wire + size, "250-", 4);
            memset(wire + size + 4, 'x', length - 5);
            memcpy(wire + size + length - 1, "\r\n", 2);
            size += length + 1;
            kept += length;
        }
        memcpy(wire + size, line, sizeof line - 1);
        size += sizeof line - 1;
        memcpy(wire + size, last, sizeof last - 1);
        size += sizeof last - 1;
        feed(&reply, wire, size, size, &state);
        ck_assert_int_eq(state, SMTP_REPLY_WHOLE);
        const char *found = smtp_reply_extension(&reply, "SIZE", &extension);
        ck_assert_int_eq(found != NULL, room >= sizeof "250-SIZE 33554432");
        if (found)
            ck_assert_uint_eq(extension, strlen("33554432"));
        found = smtp_reply_extension(&reply, "HELP", &extension);
        ck_assert_int_eq(found != NULL, room >= sizeof "250-SIZE 33554432" + sizeof "250 HELP");
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("smtp_reply");
    TCase *tests = tcase_create("all");
    tcase_add_loop_test(tests, replies, 0, sizeof rows / sizeof *rows);
    tcase_add_test(tests, bounds);
    tcase_add_test(tests, extensions);
    tcase_add_test(tests, cut_extensions);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

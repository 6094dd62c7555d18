/* SPDX-License-Identifier: ISC */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "mta/lib/mem.h"
#include "mta/lib/smtp_data.h"

#define ROOM 64

/* What a whole text comes to. */
struct outcome {
    bool ended, bare_lf, bare_cr;
    size_t used;
    char content[ROOM];
    size_t content_size;
};

/* The rule as RFC 5321 tells it, on a text that is all there: lines end with CR LF; the line "."
 * is the end; a dot in front of another line is taken off. */
static void model(const char *text, size_t size, struct outcome *outcome)
{
    size_t begin = 0;
    memset(outcome, 0, sizeof *outcome);
    for (;;) {
        const char *line = text + begin;
        const char *end = memmem(line, size - begin, "\r\n", 2);
        size_t length = end ? (size_t) (end - line) : size - begin;
        if (end && length == 1 && line[0] == '.') {
            outcome->ended = true;
            outcome->used = begin + 3;
            return;
        }
        begin += length + 2;
        if (length && line[0] == '.') {
            line++;
            length--;
        }
        if (!end && length && line[length - 1] == '\r')
            length--; /* a LF may follow */
        outcome->bare_lf |= memchr(line, '\n', length) != NULL;
        outcome->bare_cr |= memchr(line, '\r', length) != NULL;
        memcpy(outcome->content + outcome->content_size, line, length);
        outcome->content_size += length;
        if (!end) {
            outcome->used = size;
            return;
        }
        outcome->content[outcome->content_size++] = '\n';
    }
}

/* Feeds the text in pieces of `step` bytes, each from and to memory of exactly the size stated. */
static void feed(const char *text, size_t size, size_t step, struct outcome *outcome)
{
    struct smtp_data data;
    memset(outcome, 0, sizeof *outcome);
    smtp_data_begin(&data);
    uint64_t doubled = 0;
    for (size_t at = 0; at < size && !smtp_data_ended(&data);) {
        size_t count = size - at < step ? size - at : step;
        char *from = mem_alloc(count), *to = mem_alloc(count + 1);
        size_t put;
        memcpy(from, text + at, count);
        size_t used = smtp_data_feed(&data, from, count, to, &put);
        ck_assert_uint_le(put, count + 1);
        ck_assert(used == count || smtp_data_ended(&data));
        memcpy(outcome->content + outcome->content_size, to, put);
        outcome->content_size += put;
        at += used;
        outcome->used = at;
        mem_free(from);
        mem_free(to);
    }
    outcome->ended = smtp_data_ended(&data);
    outcome->bare_lf = data.bare_lf;
    outcome->bare_cr = data.bare_cr;
    for (size_t i = 0; i < outcome->content_size; i++)
        doubled += outcome->content[i] == '\n';
    ck_assert_uint_eq(data.size, outcome->content_size + doubled);
}

static void compare(const char *text, size_t size, size_t step)
{
    struct outcome want, got;
    char shown[4 * ROOM + 1] = "";
    model(text, size, &want);
    feed(text, size, step, &got);
    for (size_t i = 0; i < size; i++)
        strcat(shown, text[i] == '\r'   ? "CR "
                      : text[i] == '\n' ? "LF "
                      : text[i] == '.'  ? ". "
                                        : "a ");
    ck_assert_msg(got.ended == want.ended && got.used == want.used && got.bare_lf == want.bare_lf &&
                      got.bare_cr == want.bare_cr && got.content_size == want.content_size &&
                      memcmp(got.content, want.content, want.content_size) == 0,
                  "%sin steps of %zu: ended %d (want %d), used %zu (%zu), lf %d (%d), cr %d (%d), "
                  "content of %zu (%zu)",
                  shown, step, got.ended, want.ended, got.used, want.used, got.bare_lf,
                  want.bare_lf, got.bare_cr, want.bare_cr, got.content_size, want.content_size);
}

/* All texts of up to 7 bytes over CR, LF, dot and a letter, cut into pieces of every size. */
START_TEST(test_all_short)
{
    static const char letters[4] = "\r\n.a";
    char text[8];
    for (size_t size = 0; size <= 7; size++)
        for (unsigned number = 0; number < 1U << (2 * size); number++) {
            for (size_t i = 0; i < size; i++)
                text[i] = letters[number >> (2 * i) & 3];
            for (size_t step = 1; step <= (size ? size : 1); step++)
                compare(text, size, step);
        }
}
END_TEST

/* The same in the middle of a line, which is a state of its own, and behind a whole line. */
START_TEST(test_all_short_behind)
{
    static const char letters[4] = "\r\n.a";
    static const char *const before[] = {"ab", "b\r\n"};
    char text[12];
    for (size_t which = 0; which < 2; which++) {
        size_t begin = strlen(before[which]), size = begin + 6;
        memcpy(text, before[which], begin);
        for (unsigned number = 0; number < 1U << 12; number++) {
            for (size_t i = 0; i < 6; i++)
                text[begin + i] = letters[number >> (2 * i) & 3];
            for (size_t step = 1; step <= size; step++)
                compare(text, size, step);
        }
    }
}
END_TEST

/* What smuggles a message through servers that take one of these for the end of data. */
START_TEST(test_smuggling)
{
    static const char *const texts[] = {"a\n.\r\n", "a\r\n.\n", "a\n.\n",   "a\r.\r",
                                        "a\r\n.\r", "a\r.\r\n", "\n.\r\na", "a\r\n.\r\r\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct outcome outcome;
        feed(texts[i], strlen(texts[i]), 1, &outcome);
        ck_assert_msg(!outcome.ended, "text %zu ends the data", i);
    }
}
END_TEST

/* Every byte passes, NUL too, and lines may be long. */
START_TEST(test_bytes)
{
    enum { SIZE = 100000 };
    char *text = malloc(SIZE + 5), *to = malloc(SIZE + 6);
    struct smtp_data data;
    size_t put;
    for (size_t i = 0; i < SIZE; i++) {
        text[i] = (char) (i % 256);
        if (text[i] == '\r' || text[i] == '\n')
            text[i] = 0;
    }
    memcpy(text + SIZE, "\r\n.\r\n", 5);
    smtp_data_begin(&data);
    ck_assert_uint_eq(smtp_data_feed(&data, text, SIZE + 5, to, &put), SIZE + 5);
    ck_assert(smtp_data_ended(&data));
    ck_assert_uint_eq(put, SIZE + 1);
    ck_assert_int_eq(memcmp(to, text, SIZE), 0);
    ck_assert_int_eq(to[SIZE], '\n');
    ck_assert_uint_eq(data.size, SIZE + 2);
    ck_assert(!data.bare_lf && !data.bare_cr);
    free(text);
    free(to);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("smtp_data");
    TCase *cases = tcase_create("smtp_data");
    tcase_add_test(cases, test_all_short);
    tcase_add_test(cases, test_all_short_behind);
    tcase_add_test(cases, test_smuggling);
    tcase_add_test(cases, test_bytes);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

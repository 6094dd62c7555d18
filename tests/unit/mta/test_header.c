/* SPDX-License-Identifier: ISC */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mta/lib/header.h"
#include "mta/lib/mem.h"

#define ALL (-1)

static const struct {
    const char *text;
    int size; /* ALL: to the NUL */
    size_t header_size;
    size_t body;
} ends[] = {
    {"", ALL, 0, 0},
    {"\n", ALL, 0, 1},
    {"\r\n", ALL, 0, 2},
    {"\n\n", ALL, 0, 1},
    {"A: b\n\nbody", ALL, 5, 6},
    {"A: b\r\n\r\nbody", ALL, 6, 8},
    {"A: b\n\r\nbody", ALL, 5, 7},
    {"A: b\nC:d\n\n", ALL, 9, 10},
    {"A: b\n c\n\td\n\nx", ALL, 11, 12},
    {"A: b\n \n\nx", ALL, 7, 8}, /* a line of blanks is no empty line */
    {"A: b", ALL, 4, 4},         /* never ended */
    {"A: b\n", ALL, 5, 5},
    {"A: b\n c", ALL, 7, 7},
    {"A: b\nC", ALL, 5, 5},
    {"A: b\nC:", ALL, 7, 7},
    {"A: b\n\r", ALL, 5, 5},
    {"A: b\nno field\n", ALL, 5, 5},
    {"A: b\n: c\n", ALL, 5, 5},
    {"A : b\n\n", ALL, 6, 7},
    {"A \t: b\n\n", ALL, 7, 8},
    {"A b: c\n\n", ALL, 0, 0},
    {"hello\n", ALL, 0, 0},
    {"hello", ALL, 0, 0},
    {" A: b\n\n", ALL, 0, 0},
    {"From joe Mon\nA: b\n", ALL, 0, 0},
    {"J\303\266: b\n", ALL, 0, 0},
    {"A:\0\n\n", 5, 4, 5},
    {"A\0: b\n", 6, 0, 0},
    {"A: b\rC: d\n\n", ALL, 10, 11}, /* a bare CR ends no line */
};

/* The text comes in pieces of every size; each time in memory of exactly what has come. */
START_TEST(test_end)
{
    const char *text = ends[_i].text;
    size_t size = ends[_i].size == ALL ? strlen(text) : (size_t) ends[_i].size;
    for (size_t step = 1; step <= size + 1; step++) {
        struct header_scan scan = {0, 0, 0};
        bool found = false;
        for (size_t come = 0; !found; come += step) {
            bool ended = come >= size + step; /* only a call with nothing new tells */
            size_t have = come < size ? come : size;
            char *exact = mem_alloc(have);
            memcpy(exact, text, have);
            found = header_scan(&scan, exact, have, ended);
            mem_free(exact);
            ck_assert(found || !ended);
        }
        ck_assert_msg(scan.header_size == ends[_i].header_size && scan.body == ends[_i].body,
                      "%s: step %zu: got %zu %zu", text, step, scan.header_size, scan.body);
    }
}
END_TEST

START_TEST(test_long_name)
{
    char text[HEADER_NAME_MAX + 3];
    memset(text, 'a', sizeof text);
    text[HEADER_NAME_MAX] = ':';
    struct header_scan scan = {0, 0, 0};
    ck_assert(!header_scan(&scan, text, sizeof text, false));
    ck_assert(header_scan(&scan, text, sizeof text, true));
    ck_assert_uint_eq(scan.header_size, sizeof text);
    text[HEADER_NAME_MAX] = 'a';
    text[HEADER_NAME_MAX + 1] = ':';
    memset(&scan, 0, sizeof scan);
    ck_assert(header_scan(&scan, text, sizeof text, false));
    ck_assert_uint_eq(scan.header_size, 0);
}
END_TEST

START_TEST(test_fields)
{
    static const char text[] = "A: b\nSubject : folded\n text\r\nEmpty:\nLast:x\n y";
    static const struct {
        const char *name;
        const char *body;
    } want[] = {
        {"A", " b\n"},
        {"Subject", " folded\n text\r\n"},
        {"Empty", "\n"},
        {"Last", "x\n y"},
    };
    size_t at = 0;
    size_t sum = 0;
    struct header_field field;
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        ck_assert(header_next(text, sizeof text - 1, &at, &field));
        ck_assert(header_is(&field, want[i].name));
        ck_assert_uint_eq(field.body_size, strlen(want[i].body));
        ck_assert_mem_eq(field.body, want[i].body, field.body_size);
        ck_assert_ptr_eq(field.whole, text + sum);
        sum += field.whole_size;
    }
    ck_assert(!header_next(text, sizeof text - 1, &at, &field));
    ck_assert_uint_eq(sum, sizeof text - 1);
}
END_TEST

START_TEST(test_is)
{
    struct header_field field = {.name = "sUBJECT", .name_size = 7};
    ck_assert(header_is(&field, "Subject"));
    ck_assert(!header_is(&field, "Subjec"));
    ck_assert(!header_is(&field, "Subjects"));
    field.name_size = 0;
    ck_assert(header_is(&field, ""));
}
END_TEST

/* Any bytes in any pieces: the same end as in one piece, and fields that cover the header. */
START_TEST(test_hostile)
{
    static const char alphabet[] = "A: \t\r\n\0\377b";
    uint64_t state = 7;
    for (int round = 0; round < 20000; round++) {
        char text[20];
        size_t size = 0;
        state = state * 6364136223846793005u + 1442695040888963407u;
        for (uint64_t bits = state >> 8; size < sizeof text && bits; bits /= 5)
            text[size++] = alphabet[(bits ^ state >> 50) % (sizeof alphabet - 1)];
        struct header_scan whole = {0, 0, 0}, pieces = {0, 0, 0};
        ck_assert(header_scan(&whole, text, size, true));
        ck_assert_uint_le(whole.header_size, whole.body);
        ck_assert_uint_le(whole.body, size);
        size_t come = 0;
        while (!header_scan(&pieces, text, come, come == size))
            ck_assert_uint_le(++come, size);
        ck_assert_uint_eq(pieces.header_size, whole.header_size);
        size_t at = 0, sum = 0;
        struct header_field field;
        while (header_next(text, whole.header_size, &at, &field)) {
            ck_assert_uint_gt(field.name_size, 0);
            sum += field.whole_size;
        }
        ck_assert_uint_eq(sum, whole.header_size);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("header");
    TCase *all = tcase_create("header");
    tcase_set_timeout(all, 60);
    tcase_add_loop_test(all, test_end, 0, (int) (sizeof ends / sizeof *ends));
    tcase_add_test(all, test_long_name);
    tcase_add_test(all, test_fields);
    tcase_add_test(all, test_is);
    tcase_add_test(all, test_hostile);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

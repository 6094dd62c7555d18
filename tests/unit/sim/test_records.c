/* SPDX-License-Identifier: ISC */
/* Records of actors: words, raw messages, pieces of any size, and what is no record. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/world/records.h"

/* What was told, as text: words in <>, data in {}, trouble behind !. */
static char told[4000];

static void tell(void *context, const struct record_line *line)
{
    char *to = told + strlen(told);

    (void) context;
    if (line->trouble) {
        sprintf(to, "!%s;", line->line);
        return;
    }
    for (size_t i = 0; i < line->count; i++) {
        *to++ = '<';
        memcpy(to, line->words[i].text, line->words[i].size);
        to += line->words[i].size;
        *to++ = '>';
    }
    if (line->data)
        to += sprintf(to, "{%.*s}", (int) line->size, line->data);
    strcpy(to, ";");
}

static const struct {
    const char *bytes, *want;
} cases[] = {
    {"listening 192.0.2.1 25\n", "<listening><192.0.2.1><25>;"},
    {"in 3 \"MAIL FROM:<a@b>\"\n", "<in><3><MAIL FROM:<a@b>>;"},
    {"out 1 \"550-a\\n550 \\\"b\\\" \\\\ \\x41\\r\\t\"\n", "<out><1><550-a\n550 \"b\" \\ A\r\t>;"},
    {"a \"\" b\n", "<a><><b>;"},
    {"  a   b  \n", "<a><b>;"},
    {"took 1 1 s@x 6 r@y\na\nb\"c\n\nend 1 client\n",
     "<took><1><1><s@x><6><r@y>{a\nb\"c\n};<end><1><client>;"},
    {"took 1 1 \"\" 0 r@y\n\nx y\n", "<took><1><1><><0><r@y>{};<x><y>;"},
    {"\nx\n", "!;<x>;"},
    {"in 1 \"no end\nx\n", "!in 1 \"no end;<x>;"},
    {"in 1 \"bad \\q\"\nx\n", "!in 1 \"bad \\q\";<x>;"},
    {"in 1 \"bad \\x4\"\nx\n", "!in 1 \"bad \\x4\";<x>;"},
    {"in 1 \"a\"b\nx\n", "!in 1 \"a\"b;<x>;"},
    {"in 1 \"a\\\nx\n", "!in 1 \"a\\;<x>;"},
    {"took 1 1 s\nx\n", "!took 1 1 s;<x>;"},
    {"took 1 1 s 9999999999999999999999 r\nx\n", "!took 1 1 s 9999999999999999999999 r;<x>;"},
    {"took 1 1 s 99999999999 r\nx\n", "!took 1 1 s 99999999999 r;<x>;"},
    {"took 1 1 s 2 r\nabcd\n", "!took 1 1 s 2 r;<d>;"},
};

START_TEST(records_are_read_in_pieces_of_any_size)
{
    size_t size = strlen(cases[_i].bytes);

    for (size_t piece = 1; piece <= size; piece++) {
        struct record_reader reader = {0};

        told[0] = 0;
        for (size_t at = 0; at < size; at += piece)
            records_feed(&reader, cases[_i].bytes + at, size - at < piece ? size - at : piece, tell,
                         NULL);
        ck_assert_str_eq(told, cases[_i].want);
        ck_assert(records_at_end(&reader));
        records_free(&reader);
    }
}
END_TEST

START_TEST(a_half_record_is_kept)
{
    struct record_reader reader = {0};

    told[0] = 0;
    records_feed(&reader, "took 1 1 s 5 r\nab", 17, tell, NULL);
    ck_assert(!records_at_end(&reader));
    ck_assert_str_eq(told, "");
    records_free(&reader);
    ck_assert(records_at_end(&reader));
}
END_TEST

START_TEST(an_endless_line_is_dropped)
{
    struct record_reader reader = {0};
    size_t size = RECORD_LINE_MAX / 4;
    char *block = malloc(size);

    memset(block, 'x', size);
    told[0] = 0;
    for (int i = 0; i < 6; i++)
        records_feed(&reader, block, size, tell, NULL);
    ck_assert_int_eq(told[0], '!');
    told[0] = 0;
    records_feed(&reader, "x\ny z\n", 6, tell, NULL);
    ck_assert_str_eq(told, "<y><z>;");
    records_free(&reader);
    free(block);
}
END_TEST

START_TEST(numbers_are_whole)
{
    uint64_t number;

    ck_assert(record_number(&(struct record_word){"18446744073709551615", 20}, &number));
    ck_assert_uint_eq(number, UINT64_MAX);
    ck_assert(!record_number(&(struct record_word){"18446744073709551616", 20}, &number));
    ck_assert(!record_number(&(struct record_word){"", 0}, &number));
    ck_assert(!record_number(&(struct record_word){"1x", 2}, &number));
    ck_assert(!record_number(&(struct record_word){"-1", 2}, &number));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("records");
    TCase *tests = tcase_create("records");
    SRunner *runner;
    int failed;

    tcase_add_loop_test(tests, records_are_read_in_pieces_of_any_size, 0,
                        sizeof cases / sizeof *cases);
    tcase_add_test(tests, a_half_record_is_kept);
    tcase_add_test(tests, an_endless_line_is_dropped);
    tcase_add_test(tests, numbers_are_whole);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

/* SPDX-License-Identifier: ISC */
/* Times and patterns as people write them. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/kernel/random.h"
#include "sim/world/pool.h"
#include "sim/world/words.h"

#define MS 1000000LL
#define S (1000 * MS)

static const struct {
    const char *text;
    int64_t ns, width;
} times[] = {
    {"0s", 0, S},
    {"5s", 5 * S, S},
    {"+5m", 300 * S, S},
    {"1h30m", 5400 * S, S},
    {"7d", 604800 * S, S},
    {"2h46m40s", 10000 * S, S},
    {"20ms", 20 * MS, MS},
    {"1.5s", 1500 * MS, 100 * MS},
    {"1.25s", 1250 * MS, 10 * MS},
    {"0.5h", 1800 * S, S},
    {"3us", 3000, 1000},
    {"1s500ms", 1500 * MS, MS},
    {"1.0000000001s", S, 1},
};

START_TEST(reads_times)
{
    struct moment moment;

    ck_assert_int_eq(time_parse(times[_i].text, &moment), 0);
    ck_assert_int_eq(moment.ns, times[_i].ns);
    ck_assert_int_eq(moment.width_ns, times[_i].width);
}
END_TEST

START_TEST(refuses_what_is_no_time)
{
    static const char *const wrong[] = {"",
                                        "+",
                                        "5",
                                        "s",
                                        "5x",
                                        "-5s",
                                        "5 s",
                                        "1.s",
                                        ".5s",
                                        "5s5",
                                        "1e3s",
                                        "++5s",
                                        "99999999999999d",
                                        "999999999999999999999999s",
                                        "5sm"};
    struct moment moment;

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        ck_assert_msg(time_parse(wrong[i], &moment) < 0, "took %s", wrong[i]);
}
END_TEST

START_TEST(writes_times)
{
    char text[TIME_TEXT];

    ck_assert_str_eq(time_format(text, 0), "0s");
    ck_assert_str_eq(time_format(text, 20 * MS), "20ms");
    ck_assert_str_eq(time_format(text, 350000), "0.350ms");
    ck_assert_str_eq(time_format(text, 59 * S + 999 * MS), "59s");
    ck_assert_str_eq(time_format(text, 400 * S), "6m40s");
    ck_assert_str_eq(time_format(text, 90000 * S), "25h00m00s");
    ck_assert_str_eq(time_format_length(text, 8 * 86400 * S + 3 * 3600 * S), "8d 3h");
    ck_assert_str_eq(time_format_length(text, 10000 * S), "2h46m40s");
    ck_assert_str_eq(time_format_length(text, 530 * MS), "0.5 s");
}
END_TEST

START_TEST(reads_dates)
{
    int64_t seconds;

    ck_assert_int_eq(date_parse("1970-01-01", "00:00:00", &seconds), 0);
    ck_assert_int_eq(seconds, 0);
    ck_assert_int_eq(date_parse("2024-02-29", "23:59:59", &seconds), 0);
    ck_assert_int_eq(seconds, 1709251199);
    ck_assert_int_eq(date_parse("2023-02-29", "00:00:00", &seconds), -1);
    ck_assert_int_eq(date_parse("2026-13-01", "00:00:00", &seconds), -1);
    ck_assert_int_eq(date_parse("2026-1-01", "00:00:00", &seconds), -1);
    ck_assert_int_eq(date_parse("2026-01-01", "24:00:00", &seconds), -1);
    ck_assert_int_eq(date_parse("2026-01-01x", "00:00:00", &seconds), -1);
}
END_TEST

static const struct {
    const char *pattern, *text;
    bool whole, found;
} patterns[] = {
    {"", "", true, true},         {"", "a", false, true},        {"*", "", true, true},
    {"a*c", "abbc", true, true},  {"a*c", "abbcd", false, true}, {"b", "abc", false, true},
    {"a?c", "abc", true, true},   {"a?c", "ac", false, false},   {"*b*", "abc", true, true},
    {"x*y", "abc", false, false}, {"ABC", "abc", true, true},    {"a*b*c", "a1b2b3c", true, true},
};

/* All ways to match, tried one by one. */
static bool slowly(const char *pattern, const char *text)
{
    if (!*pattern)
        return !*text;
    if (*pattern == '*')
        return slowly(pattern + 1, text) || (*text && slowly(pattern, text + 1));
    return *text && (*pattern == '?' || *pattern == *text) && slowly(pattern + 1, text + 1);
}

START_TEST(matches_patterns)
{
    struct random random;

    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        ck_assert_int_eq(pattern_matches(patterns[i].pattern, patterns[i].text, true),
                         patterns[i].whole);
        ck_assert_int_eq(
            pattern_found(patterns[i].pattern, patterns[i].text, strlen(patterns[i].text), true),
            patterns[i].found);
    }
    random_seed(&random, 1, 1);
    for (int round = 0; round < 20000; round++) {
        char pattern[8] = "", text[8] = "", around[12];

        for (uint64_t k = random_below(&random, 6); k > 0; k--)
            pattern[k - 1] = "ab*?"[random_below(&random, 4)];
        for (uint64_t k = random_below(&random, 7); k > 0; k--)
            text[k - 1] = "ab"[random_below(&random, 2)];
        ck_assert_int_eq(pattern_matches(pattern, text, false), slowly(pattern, text));
        snprintf(around, sizeof around, "*%s*", pattern);
        ck_assert_int_eq(pattern_found(pattern, text, strlen(text), false), slowly(around, text));
    }
}
END_TEST

START_TEST(patterns_take_no_exponential_time)
{
    char text[20001];

    memset(text, 'a', 20000);
    text[20000] = 0;
    ck_assert(!pattern_matches("*a*a*a*a*a*a*a*b", text, false));
}
END_TEST

START_TEST(quotes_for_the_shell)
{
    static const char *const words[][2] = {
        {"a.scenario", "a.scenario"}, {"n=5", "n=5"}, {"", "''"},   {"a b", "'a b'"},
        {"it's", "'it'\\''s'"},       {"$x", "'$x'"}, {"*", "'*'"},
    };

    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        char *word = shell_word(words[i][0]);

        ck_assert_str_eq(word, words[i][1]);
        free(word);
    }
}
END_TEST

START_TEST(measures_distances)
{
    ck_assert_uint_eq(words_distance("host", "host", 2), 0);
    ck_assert_uint_eq(words_distance("hots", "host", 2), 2);
    ck_assert_uint_eq(words_distance("fsyn", "fsync", 2), 1);
    ck_assert_uint_eq(words_distance("a", "bcdefg", 2), 3);
    ck_assert_uint_eq(words_distance("", "ab", 2), 2);
}
END_TEST

START_TEST(lists_grow)
{
    struct pool pool = {NULL};
    size_t *list = NULL, *pooled = NULL, count = 0, pooled_count = 0;

    for (size_t i = 0; i < 1000; i++) {
        *LIST_ADD(list, count) = i;
        *POOL_ADD(&pool, pooled, pooled_count) = i;
    }
    for (size_t i = 0; i < 1000; i++) {
        ck_assert_uint_eq(list[i], i);
        ck_assert_uint_eq(pooled[i], i);
    }
    free(list);
    pool_free(&pool);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("words");
    TCase *tests = tcase_create("words");
    SRunner *runner;
    int failed;

    tcase_add_loop_test(tests, reads_times, 0, sizeof times / sizeof *times);
    tcase_add_test(tests, refuses_what_is_no_time);
    tcase_add_test(tests, writes_times);
    tcase_add_test(tests, reads_dates);
    tcase_add_test(tests, matches_patterns);
    tcase_add_test(tests, patterns_take_no_exponential_time);
    tcase_add_test(tests, quotes_for_the_shell);
    tcase_add_test(tests, measures_distances);
    tcase_add_test(tests, lists_grow);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

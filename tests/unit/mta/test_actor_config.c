/* SPDX-License-Identifier: ISC */
/* Configuration and records of the made-up servers (sim/actors/lib). */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mta/lib/io.h"
#include "sim/actors/lib/config.h"
#include "sim/actors/lib/record.h"

/* A descriptor that reads `size` bytes, then the end. */
static int file_of(const char *text, size_t size)
{
    char name[] = "/tmp/nixie-test-XXXXXX";
    int fd = mkstemp(name);

    ck_assert_int_ge(fd, 0);
    unlink(name);
    ck_assert_int_eq(io_write(fd, text, size), 0);
    lseek(fd, 0, SEEK_SET);
    return fd;
}

static void open_text(struct config *config, const char *text)
{
    int fd = file_of(text, strlen(text));

    ck_assert_int_eq(config_open(config, "actor", fd), 0);
    close(fd);
}

/* Runs `use` on a configuration with descriptor 2 in a file; returns what was told there. */
static char *told_by(const char *text, void (*use)(struct config *config))
{
    static char told[500];
    int saved = dup(2), fd = file_of("", 0);
    struct config config;

    dup2(fd, 2);
    open_text(&config, text);
    use(&config);
    config_close(&config);
    dup2(saved, 2);
    close(saved);
    lseek(fd, 0, SEEK_SET);
    ssize_t size = read(fd, told, sizeof told - 1);
    ck_assert_int_ge(size, 0);
    told[size] = 0;
    close(fd);
    return told;
}

START_TEST(lines_and_words)
{
    struct config config;

    open_text(&config,
              "# comment\n\n  name\tmx.example # more\r\nreply \"a \\\"b\\\\\\x00\\xFf\\n\" \"\" "
              "\"on\" on 5 1.5s");
    ck_assert(config_line(&config));
    ck_assert_uint_eq(config.line, 3);
    ck_assert(!config_take(&config, "nam"));
    ck_assert(config_take(&config, "name"));
    ck_assert_str_eq(config_word(&config, "a name"), "mx.example");
    ck_assert_ptr_null(config_peek(&config));
    ck_assert(config_line(&config));
    config_need(&config, "reply");
    struct config_word word = config_bytes(&config, "a reply");
    ck_assert(word.quoted);
    ck_assert_uint_eq(word.size, 8);
    ck_assert_mem_eq(word.text, "a \"b\\\0\xff\n", 9);
    ck_assert_str_eq(config_word(&config, "an empty word"), "");
    ck_assert(!config_take(&config, "on")); /* a quoted word is no keyword */
    ck_assert_str_eq(config_word(&config, "a word"), "on");
    ck_assert(config_take(&config, "on"));
    ck_assert(config_number_follows(&config));
    ck_assert_uint_eq(config_number(&config, 1, 5), 5);
    ck_assert_int_eq(config_time(&config), 1500000000);
    ck_assert(!config_line(&config));
    ck_assert_int_eq(config_close(&config), 0);
}
END_TEST

START_TEST(payload)
{
    struct config config;

    open_text(&config, "message 7\n\"\n\nabc\nname x\n");
    ck_assert(config_line(&config));
    config_need(&config, "message");
    uint64_t size = config_number(&config, 0, 100);
    const char *bytes = config_payload(&config, size);
    ck_assert_mem_eq(bytes, "\"\n\nabc\n", 7);
    ck_assert(config_line(&config));
    ck_assert(config_take(&config, "name"));
    config_word(&config, "a name");
    ck_assert(!config_line(&config));
    ck_assert_int_eq(config_close(&config), 0);
}
END_TEST

static void read_all(struct config *config)
{
    while (config_line(config))
        while (config_peek(config))
            config_word(config, "a word");
}

static void read_number(struct config *config)
{
    config_line(config);
    ck_assert_uint_eq(config_number(config, 3, 9), 3);
    ck_assert_ptr_null(config_peek(config));
    ck_assert(!config_line(config));
}

static void read_line_only(struct config *config)
{
    ck_assert(config_line(config));
    ck_assert(!config_line(config));
}

static void read_time(struct config *config)
{
    config_line(config);
    ck_assert_int_eq(config_time(config), 0);
}

static void read_payload(struct config *config)
{
    config_line(config);
    config_word(config, "a word");
    ck_assert_ptr_null(config_payload(config, 4));
}

START_TEST(errors)
{
    ck_assert_str_eq(told_by("a\nb \"c\n", read_all), "actor: line 2: a quote is not closed\n");
    ck_assert_str_eq(told_by("\"c\\", read_all),
                     "actor: line 1: after a backslash stands one of \" \\ n r t xHH\n");
    ck_assert_str_eq(told_by("\"\\x1\"", read_all),
                     "actor: line 1: after a backslash stands one of \" \\ n r t xHH\n");
    ck_assert_str_eq(told_by("\"a\"b", read_all),
                     "actor: line 1: behind a closing quote stands a space\n");
    ck_assert_str_eq(told_by("a\"b\"", read_all), "actor: line 1: a quote begins inside a word\n");
    ck_assert_str_eq(told_by("\"\\x00\"", read_all),
                     "actor: line 1: a NUL cannot be here: a word\n");
    ck_assert_str_eq(told_by("10\nx", read_number),
                     "actor: line 1: expected a number from 3 to 9\n");
    ck_assert_str_eq(told_by("\n\nabc", read_line_only), "actor: line 3: this is too much: abc\n");
    ck_assert_str_eq(told_by("5x", read_time),
                     "actor: line 1: expected a time as in 5s, 1h30m or 20ms\n");
    ck_assert_str_eq(told_by("x\nabc", read_payload),
                     "actor: line 1: the configuration ends before these bytes do\n");
}
END_TEST

START_TEST(many_words)
{
    char text[2 * CONFIG_WORDS_MAX + 3] = "";
    struct config config;

    for (size_t i = 0; i < CONFIG_WORDS_MAX; i++)
        memcpy(text + 2 * i, "w ", 3);
    open_text(&config, text);
    ck_assert(config_line(&config));
    ck_assert_uint_eq(config.count, CONFIG_WORDS_MAX);
    config_free(&config);
    strcat(text, "w");
    ck_assert_str_eq(told_by(text, read_all), "actor: line 1: there are too many words\n");
}
END_TEST

START_TEST(times)
{
    static const struct {
        const char *text;
        int64_t ns; /* -1: none */
    } cases[] = {{"5s", 5000000000},
                 {"1h30m", 5400000000000},
                 {"20ms", 20000000},
                 {"250us", 250000},
                 {"7d", INT64_C(604800000000000)},
                 {"1.5d", INT64_C(129600000000000)},
                 {"0.123456789s", 123456789},
                 {"0.5ms", 500000},
                 {"0s", 0},
                 {"5", -1},
                 {"", -1},
                 {"s", -1},
                 {"-5s", -1},
                 {"1.s", -1},
                 {"5s ", -1},
                 {"99999d", -1},
                 {"99999999999999999999s", -1}};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t ns;
        int result = config_parse_time(cases[i].text, &ns);

        ck_assert_msg(result == (cases[i].ns < 0 ? -1 : 0), "%s: %d", cases[i].text, result);
        if (result == 0)
            ck_assert_msg(ns == cases[i].ns, "%s: %lld", cases[i].text, (long long) ns);
    }
}
END_TEST

START_TEST(patterns)
{
    ck_assert(config_matches("*@EXAMPLE.com", "bob@example.com", 15));
    ck_assert(config_matches("*", "", 0));
    ck_assert(config_matches("a*b?c", "aXXbYbZc", 8));
    ck_assert(!config_matches("a?", "a", 1));
    ck_assert(!config_matches("", "a", 1));
    ck_assert(!config_matches("b*", "ab", 2));
}
END_TEST

START_TEST(records)
{
    int fd = file_of("", 0);
    struct record record = RECORD_INIT(fd);
    char got[300];
    static const char want[] = "took 1 18446744073709551615 bob@example.com \"\" \"a b\" \"#x\" "
                               "\"\\xc3\\xa4\\x00\\x7f\" \"plain\"\nraw\n\n"
                               "out \"250 \\\"ok\\\"\\r\\n\\\\\"\n";

    record_begin(&record, "took");
    record_number(&record, 1);
    record_number(&record, UINT64_MAX);
    record_word(&record, "bob@example.com");
    record_word(&record, "");
    record_word(&record, "a b");
    record_word(&record, "#x");
    record_bytes(&record, "\xc3\xa4\0\x7f", 4);
    record_quoted(&record, "plain", 5);
    record_payload(&record, "raw\n", 4);
    ck_assert_int_eq(record_write(&record), 0);
    record_begin(&record, "out");
    record_quoted(&record, "250 \"ok\"\r\n\\", 11);
    ck_assert_int_eq(record_write(&record), 0);
    record_free(&record);
    lseek(fd, 0, SEEK_SET);
    ssize_t size = read(fd, got, sizeof got);
    close(fd);
    ck_assert_int_eq(size, (int) sizeof want - 1);
    ck_assert_mem_eq(got, want, sizeof want - 1);
}
END_TEST

/* What record.c writes, config.c reads as the same words. */
START_TEST(records_are_words)
{
    int fd = file_of("", 0);
    struct record record = RECORD_INIT(fd);
    struct config config;
    char bytes[256];

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char) i;
    record_begin(&record, "all");
    record_bytes(&record, bytes, sizeof bytes);
    record_word(&record, "x");
    ck_assert_int_eq(record_write(&record), 0);
    record_free(&record);
    lseek(fd, 0, SEEK_SET);
    ck_assert_int_eq(config_open(&config, "actor", fd), 0);
    close(fd);
    ck_assert(config_line(&config));
    config_need(&config, "all");
    struct config_word word = config_bytes(&config, "bytes");
    ck_assert_uint_eq(word.size, sizeof bytes);
    ck_assert_mem_eq(word.text, bytes, sizeof bytes);
    config_need(&config, "x");
    ck_assert_int_eq(config_close(&config), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("actor_config");
    TCase *tests = tcase_create("all");

    tcase_add_test(tests, lines_and_words);
    tcase_add_test(tests, payload);
    tcase_add_test(tests, errors);
    tcase_add_test(tests, many_words);
    tcase_add_test(tests, times);
    tcase_add_test(tests, patterns);
    tcase_add_test(tests, records);
    tcase_add_test(tests, records_are_words);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

/* SPDX-License-Identifier: ISC */
/* Conditions of rules, base64 and endpoints of the made-up servers (sim/actors/lib). */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mta/lib/io.h"
#include "sim/actors/lib/base64.h"
#include "sim/actors/lib/condition.h"
#include "sim/actors/lib/endpoint.h"

static const char *const scopes[] = {"client", "triple", NULL};

/* Opens a configuration of one line, at its first word. */
static void open_line(struct config *config, const char *line)
{
    char name[] = "/tmp/nixie-test-XXXXXX";
    int fd = mkstemp(name);

    unlink(name);
    ck_assert_int_eq(io_write(fd, line, strlen(line)), 0);
    lseek(fd, 0, SEEK_SET);
    ck_assert_int_eq(config_open(config, "test", fd), 0);
    close(fd);
    ck_assert(config_line(config));
}

static void read_condition(struct condition *condition, const char *line)
{
    struct config config;

    open_line(&config, line);
    condition_read(condition, &config, scopes);
    ck_assert_msg(!config_line(&config), "%s", line);
    ck_assert_int_eq(config_close(&config), 0);
}

static bool event(struct condition *condition, int64_t now_ms, const char *key)
{
    return condition_count(condition, now_ms, key, strlen(key)) && condition_draw(condition);
}

START_TEST(counters)
{
    struct condition first, after, over;

    read_condition(&first, "first 2");
    read_condition(&after, "after 2");
    read_condition(&over, "over 2 per 10s");
    static const struct {
        int64_t at;
        bool first, after, over;
    } events[] = {
        {0, true, false, false},    {1000, true, false, false},  {9999, false, true, true},
        {10999, false, true, true}, {19999, false, true, false}, {20999, false, true, false},
        {29998, false, true, true}, {30998, false, true, true},  {60000, false, true, false}};
    for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
        ck_assert_msg(event(&first, events[i].at, "") == events[i].first, "first, event %zu", i);
        ck_assert_msg(event(&after, events[i].at, "") == events[i].after, "after, event %zu", i);
        ck_assert_msg(condition_would_hold(&over, events[i].at) == events[i].over, "%zu", i);
        ck_assert_msg(event(&over, events[i].at, "") == events[i].over, "over, event %zu", i);
    }
    condition_free(&first);
    condition_free(&after);
    condition_free(&over);
}
END_TEST

START_TEST(nothing_over)
{
    struct condition over;

    read_condition(&over, "over 0 per 1s");
    ck_assert(event(&over, 0, ""));
    ck_assert(event(&over, 5000, ""));
    condition_free(&over);
}
END_TEST

START_TEST(keys)
{
    struct condition first, over;

    read_condition(&first, "first 1 by triple");
    read_condition(&over, "over 1 per 1m by client");
    ck_assert_uint_eq(first.scope, 2);
    ck_assert_uint_eq(over.scope, 1);
    for (unsigned i = 0; i < 1000; i++) {
        char key[40];
        snprintf(key, sizeof key, "key %u", i);
        ck_assert(event(&first, i, key));
        ck_assert(!event(&first, i, key));
        ck_assert(!event(&over, i, key));
        ck_assert(event(&over, i, key));
    }
    ck_assert(!event(&first, 5, "KEY 7"));
    ck_assert(event(&first, 5, ""));
    ck_assert(!event(&first, 5, ""));
    condition_free(&first);
    condition_free(&over);
}
END_TEST

/* Keys beyond the limit are counted as one. */
START_TEST(too_many_keys)
{
    struct condition first;

    read_condition(&first, "first 1 by client");
    for (unsigned i = 0; i < CONDITION_KEYS + 2; i++) {
        char key[40];
        snprintf(key, sizeof key, "%u", i);
        ck_assert_msg(event(&first, 0, key) == (i <= CONDITION_KEYS), "%u", i);
    }
    ck_assert(!event(&first, 0, "0"));
    condition_free(&first);
}
END_TEST

START_TEST(times)
{
    struct condition condition;

    read_condition(&condition, "after 1 from 10s until 1m20ms");
    ck_assert_int_eq(condition_changes_at(&condition, 0), 10000);
    ck_assert(!event(&condition, 0, ""));
    ck_assert(!event(&condition, 9999, ""));
    ck_assert(event(&condition, 10000, ""));
    ck_assert_int_eq(condition_changes_at(&condition, 10000), 60020);
    ck_assert(event(&condition, 60019, ""));
    ck_assert(!event(&condition, 60020, ""));
    ck_assert(condition_changes_at(&condition, 60020) == CONDITION_NEVER);
    condition_free(&condition);
    read_condition(&condition, "over 1 per 1h");
    ck_assert(condition_changes_at(&condition, 0) == CONDITION_NEVER);
    ck_assert(!event(&condition, 500, ""));
    ck_assert_int_eq(condition_changes_at(&condition, 600), 3600500);
    condition_free(&condition);
}
END_TEST

START_TEST(chances)
{
    struct condition condition;
    unsigned count = 0;

    read_condition(&condition, "chance 30%");
    for (unsigned i = 0; i < 10000; i++)
        count += event(&condition, 0, "");
    ck_assert_uint_gt(count, 2500);
    ck_assert_uint_lt(count, 3500);
    condition_free(&condition);
    read_condition(&condition, "chance 0%");
    for (unsigned i = 0; i < 1000; i++)
        ck_assert(!event(&condition, 0, ""));
    condition_free(&condition);
}
END_TEST

START_TEST(wrong_conditions)
{
    static const char *const lines[] = {"first",      "first x",          "over 2",
                                        "over 2 per", "over 1000001 per", "first 1 by nobody",
                                        "chance 10",  "chance 101%",      "chance %",
                                        "from",       "until never",      "first 1 by \"client\""};
    int saved = dup(2), null = open("/dev/null", O_WRONLY);

    dup2(null, 2);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct config config;
        struct condition condition;

        open_line(&config, lines[i]);
        condition_read(&condition, &config, scopes);
        ck_assert_msg(config.failed, "%s", lines[i]);
        config_close(&config);
        condition_free(&condition);
    }
    dup2(saved, 2);
    close(saved);
    close(null);
}
END_TEST

START_TEST(base64)
{
    static const struct {
        const char *plain, *text;
    } pairs[] = {{"", ""},
                 {"f", "Zg=="},
                 {"fo", "Zm8="},
                 {"foo", "Zm9v"},
                 {"foob", "Zm9vYg=="},
                 {"fooba", "Zm9vYmE="},
                 {"foobar", "Zm9vYmFy"},
                 {"\xff\xfe\xfd", "//79"}};
    static const char *const wrong[] = {
        "Z", "Zg=", "Zg", "Z===", "====", "Zg==Zg==", "Zh==", "Zm9=", "Zm9\n", "Zm v", "Z=9v"};
    struct buf buf = BUF_INIT(0);

    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        buf_reset(&buf);
        ck_assert_int_eq(base64_add(&buf, pairs[i].plain, strlen(pairs[i].plain)), 0);
        ck_assert(buf_equals(&buf, pairs[i].text));
        buf_reset(&buf);
        ck_assert_int_eq(base64_read(&buf, pairs[i].text, strlen(pairs[i].text)), 0);
        ck_assert(buf_equals(&buf, pairs[i].plain));
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        ck_assert_msg(base64_read(&buf, wrong[i], strlen(wrong[i])) < 0 && errno == EINVAL, "%s",
                      wrong[i]);
    buf_free(&buf);
}
END_TEST

START_TEST(endpoints)
{
    struct config config;
    char text[ENDPOINT_TEXT];

    open_line(&config, "127.0.0.1 0 2001:DB8::1 25");
    struct endpoint v4 = endpoint_read(&config, 0), v6 = endpoint_read(&config, 1);
    ck_assert_int_eq(config_close(&config), 0);
    ck_assert_str_eq(endpoint_text(&v4, text), "127.0.0.1");
    ck_assert_str_eq(endpoint_text(&v6, text), "2001:db8::1");
    ck_assert_uint_eq(endpoint_port(&v6), 25);
    int listener = endpoint_listen(&v4);
    ck_assert_int_ge(listener, 0);
    ck_assert_uint_ne(endpoint_port(&v4), 0);
    int client = endpoint_connect(&v4);
    ck_assert_int_ge(client, 0);
    endpoint_reset(&client);
    ck_assert_int_eq(client, -1);
    close(listener);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("actor conditions");
    TCase *cases = tcase_create("all");
    tcase_add_test(cases, counters);
    tcase_add_test(cases, nothing_over);
    tcase_add_test(cases, keys);
    tcase_add_test(cases, too_many_keys);
    tcase_add_test(cases, times);
    tcase_add_test(cases, chances);
    tcase_add_test(cases, wrong_conditions);
    tcase_add_test(cases, base64);
    tcase_add_test(cases, endpoints);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}

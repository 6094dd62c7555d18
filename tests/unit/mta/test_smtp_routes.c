/* SPDX-License-Identifier: ISC */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mta/lib/smtp_routes.h"

static char directory[64];

static void set_up(void)
{
    strcpy(directory, "/tmp/nixie-routes.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    ck_assert_int_eq(chdir(directory), 0);
    ck_assert_int_eq(mkdir("control", 0755), 0);
}

static void tear_down(void)
{
    unlink("control/smtproutes");
    rmdir("control");
    rmdir(directory);
}

static void load(struct smtp_routes *routes, const char *text)
{
    FILE *file = fopen("control/smtproutes", "w");
    fputs(text, file);
    fclose(file);
    ck_assert_int_eq(smtp_routes_load(routes), 0);
}

static const char file[] = "# relays\n"
                           "one.example:relay.example\n"
                           "PORT.example:relay.example:2525  \n"
                           "literal.example:[192.0.2.1]\n"
                           "six.example:[2001:db8::1]:26\n"
                           ".sub.example:suffix.example\n"
                           ".deep.sub.example:deeper.example\n"
                           "own.sub.example:\n"
                           "bad.example:relay.example:port\n"
                           "zero.example:relay.example:0\n"
                           "large.example:relay.example:65536\n"
                           "colon.example:relay.example:\n"
                           "[192.0.2.9]:for-literal.example\n"
                           "no colon\n";

static const struct {
    const char *domain;
    int result;
    const char *relay;
    unsigned port;
    const char *key;
} rows[] = {
    {"one.example", 1, "relay.example", 25, "relay.example:25"},
    {"ONE.Example", 1, "relay.example", 25, "relay.example:25"},
    {"port.example", 1, "relay.example", 2525, "relay.example:2525"},
    {"literal.example", 1, "[192.0.2.1]", 25, "[192.0.2.1]:25"},
    {"six.example", 1, "[2001:db8::1]", 26, "[2001:db8::1]:26"},
    {"a.sub.example", 1, "suffix.example", 25, "suffix.example:25"},
    {"b.a.sub.example", 1, "suffix.example", 25, "suffix.example:25"},
    {"a.deep.sub.example", 1, "deeper.example", 25, "deeper.example:25"},
    {"deep.sub.example", 1, "suffix.example", 25, "suffix.example:25"},
    {"sub.example", 0, NULL, 0, "@sub.example"},
    {"own.sub.example", 0, NULL, 0, "@own.sub.example"},
    {"Other.Example", 0, NULL, 0, "@other.example"},
    {"", 0, NULL, 0, "@"},
    {"bad.example", -1, NULL, 0, "@bad.example"},
    {"zero.example", -1, NULL, 0, "@zero.example"},
    {"large.example", -1, NULL, 0, "@large.example"},
    {"colon.example", 1, "relay.example", 25, "relay.example:25"},
    {"[192.0.2.9]", 1, "for-literal.example", 25, "for-literal.example:25"},
    {"no colon", 0, NULL, 0, "@no colon"},
};

START_TEST(routes)
{
    struct smtp_routes table;
    struct smtp_route route;
    struct buf key = BUF_INIT(0);
    load(&table, file);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t size = strlen(rows[i].domain);
        int result = smtp_routes_find(&table, rows[i].domain, size, &route);
        ck_assert_msg(result == rows[i].result, "%s: %d", rows[i].domain, result);
        if (result == 1) {
            ck_assert_uint_eq(route.relay_size, strlen(rows[i].relay));
            ck_assert_int_eq(memcmp(route.relay, rows[i].relay, route.relay_size), 0);
            ck_assert_uint_eq(route.port, rows[i].port);
        }
        ck_assert_int_eq(smtp_routes_key(&table, rows[i].domain, size, &key), 0);
        ck_assert_str_eq(buf_text(&key), rows[i].key);
    }
    buf_free(&key);
    smtp_routes_free(&table);
}
END_TEST

START_TEST(all_others)
{
    struct smtp_routes table;
    struct smtp_route route;
    load(&table, ":[127.0.0.1]:2525\n.example:\n");
    ck_assert_int_eq(smtp_routes_find(&table, "x.test", 6, &route), 1);
    ck_assert_uint_eq(route.port, 2525);
    ck_assert_int_eq(smtp_routes_find(&table, "x.example", 9, &route), 0);
    ck_assert_int_eq(smtp_routes_find(&table, "", 0, &route), 1);
    smtp_routes_free(&table);
}
END_TEST

START_TEST(no_file)
{
    struct smtp_routes table;
    struct smtp_route route;
    ck_assert_int_eq(smtp_routes_load(&table), 0);
    ck_assert_int_eq(smtp_routes_find(&table, "x.test", 6, &route), 0);
    smtp_routes_free(&table);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("smtp_routes");
    TCase *tests = tcase_create("all");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, routes);
    tcase_add_test(tests, all_others);
    tcase_add_test(tests, no_file);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

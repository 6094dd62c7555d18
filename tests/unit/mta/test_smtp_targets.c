/* SPDX-License-Identifier: ISC */
/* Orders of addresses and the loop decision; and the address functions that they need. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "mta/lib/smtp_targets.h"
#include "mta/lib/socket_address.h"

/* A target is "PREFERENCE ADDRESS", with `!` behind if it is ourselves; ADDRESS `-`: none. */
static size_t read_targets(const char *text, struct smtp_target *targets)
{
    size_t count = 0;
    while (*text) {
        char *end;
        struct smtp_target *target = &targets[count++];
        memset(target, 0, sizeof *target);
        target->preference = (unsigned) strtoul(text, &end, 10);
        const char *address = end + 1;
        size_t size = strcspn(address, " !");
        if (*address != '-')
            ck_assert_int_eq(socket_address_parse_host(address, size, &target->address), 0);
        text = address + size;
        target->is_own = *text == '!';
        text += strspn(text, " !");
    }
    return count;
}

static void write_targets(const struct smtp_target *targets, size_t count, char *to)
{
    *to = 0;
    for (size_t i = 0; i < count; i++) {
        char host[SOCKET_ADDRESS_SIZE];
        socket_address_format_host(host, &targets[i].address);
        strcat(strcat(to, i ? " " : ""), host);
    }
}

static uint32_t draw_last(void *context, uint32_t below)
{
    ++*(unsigned *) context;
    return below - 1; /* leaves the order as it is */
}

static uint32_t draw_first(void *context, uint32_t below)
{
    (void) below;
    ++*(unsigned *) context;
    return 0;
}

static const struct {
    const char *targets;
    enum smtp_targets_result result;
    const char *order;
    unsigned drawn;
} rows[] = {
    {"", SMTP_TARGETS_NONE, "", 0},
    {"10 1.1.1.1", SMTP_TARGETS_OK, "1.1.1.1", 0},
    {"20 2.2.2.2 10 1.1.1.1 30 3.3.3.3", SMTP_TARGETS_OK, "1.1.1.1 2.2.2.2 3.3.3.3", 0},
    {"10 1.1.1.1 10 1.1.1.2 20 2.2.2.2", SMTP_TARGETS_OK, "1.1.1.1 1.1.1.2 2.2.2.2", 1},
    {"20 2001:db8::2 10 1.1.1.1", SMTP_TARGETS_OK, "1.1.1.1 2001:db8::2", 0},
    {"10 1.1.1.1!", SMTP_TARGETS_LOOP, "", 0},
    {"10 -!", SMTP_TARGETS_LOOP, "", 0},
    {"10 1.1.1.1! 20 2.2.2.2", SMTP_TARGETS_LOOP, "", 0},
    {"10 1.1.1.1! 10 1.1.1.2", SMTP_TARGETS_LOOP, "", 0},
    {"20 2.2.2.2! 10 1.1.1.1 20 2.2.2.3 30 3.3.3.3", SMTP_TARGETS_OK, "1.1.1.1", 0},
    {"30 3.3.3.3! 20 2.2.2.2! 10 1.1.1.1 25 2.5.2.5", SMTP_TARGETS_OK, "1.1.1.1", 0},
    {"20 -! 20 2.2.2.2! 10 1.1.1.1", SMTP_TARGETS_OK, "1.1.1.1", 0},
    {"10 -", SMTP_TARGETS_NONE, "", 0},
};

START_TEST(orders)
{
    struct smtp_target targets[10];
    char text[400];
    unsigned drawn = 0;
    size_t count = read_targets(rows[_i].targets, targets);
    ck_assert_int_eq(smtp_targets_order(targets, &count, draw_last, &drawn), rows[_i].result);
    write_targets(targets, count, text);
    ck_assert_str_eq(text, rows[_i].order);
    ck_assert_uint_eq(drawn, rows[_i].drawn);
}
END_TEST

/* Equal ones change places, others never. */
START_TEST(chance)
{
    struct smtp_target targets[10];
    char text[400];
    unsigned drawn = 0;
    size_t count = read_targets("20 2.2.2.1 10 1.1.1.1 10 1.1.1.2 10 1.1.1.3 20 2.2.2.2", targets);
    ck_assert_int_eq(smtp_targets_order(targets, &count, draw_first, &drawn), SMTP_TARGETS_OK);
    write_targets(targets, count, text);
    ck_assert_str_eq(text, "1.1.1.2 1.1.1.3 1.1.1.1 2.2.2.2 2.2.2.1");
    ck_assert_uint_eq(drawn, 3);
}
END_TEST

static const struct {
    const char *text;
    const char *host; /* NULL: no literal */
} literals[] = {
    {"[192.0.2.1]", "192.0.2.1"},
    {"[IPv6:2001:db8::1]", "2001:db8::1"},
    {"[ipv6:::1]", "::1"},
    {"[2001:db8::1]", "2001:db8::1"},
    {"[IPv6:::ffff:192.0.2.1]", "192.0.2.1"},
    {"[IPv6:192.0.2.1]", NULL},
    {"[192.0.2.256]", NULL},
    {"[192.0.2]", NULL},
    {"192.0.2.1", NULL},
    {"[]", NULL},
    {"[", NULL},
    {"", NULL},
    {"[IPv6:]", NULL},
    {"[192.0.2.1] ", NULL},
    {"[name.example]", NULL},
    {"[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:dddd:eeee:ffff]", NULL},
};

START_TEST(address_literals)
{
    struct sockaddr_storage address;
    char host[SOCKET_ADDRESS_SIZE];
    const char *text = literals[_i].text;
    int result = socket_address_parse_literal(text, strlen(text), &address);
    ck_assert_int_eq(result, literals[_i].host ? 0 : -1);
    if (!literals[_i].host)
        return;
    socket_address_set_port(&address, 2525);
    ck_assert_uint_eq(socket_address_port(&address), 2525);
    socket_address_format_host(host, &address);
    ck_assert_str_eq(host, literals[_i].host);
}
END_TEST

START_TEST(own_addresses)
{
    static const struct {
        const char *host;
        bool loopback, any;
    } hosts[] = {
        {"127.0.0.1", true, false},  {"127.255.0.9", true, false}, {"0.0.0.0", true, true},
        {"0.1.2.3", true, false},    {"::1", true, false},         {"::", true, true},
        {"128.0.0.1", false, false}, {"::2", false, false},        {"2001:db8::1", false, false},
    };
    struct sockaddr_storage address, other;
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        const char *host = hosts[i].host;
        ck_assert_int_eq(socket_address_parse_host(host, strlen(host), &address), 0);
        ck_assert_int_eq(socket_address_is_loopback(&address), hosts[i].loopback);
        ck_assert_int_eq(socket_address_is_any(&address), hosts[i].any);
        other = address;
        socket_address_set_port(&other, 99);
        ck_assert(socket_address_is_same_host(&address, &other));
        socket_address_parse_host("192.0.2.7", 9, &other);
        ck_assert(!socket_address_is_same_host(&address, &other));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("smtp_targets");
    TCase *tests = tcase_create("all");
    tcase_add_loop_test(tests, orders, 0, sizeof rows / sizeof *rows);
    tcase_add_test(tests, chance);
    tcase_add_loop_test(tests, address_literals, 0, sizeof literals / sizeof *literals);
    tcase_add_test(tests, own_addresses);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

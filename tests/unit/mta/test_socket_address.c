/* SPDX-License-Identifier: ISC */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "mta/lib/socket_address.h"

static const struct {
    const char *text;
    const char *back; /* NULL: no address */
    const char *host;
    unsigned port;
} addresses[] = {
    {"192.0.2.1:25", "192.0.2.1:25", "192.0.2.1", 25},
    {"127.0.0.1:0", "127.0.0.1:0", "127.0.0.1", 0},
    {"0.0.0.0:65535", "0.0.0.0:65535", "0.0.0.0", 65535},
    {"[::1]:25", "[::1]:25", "::1", 25},
    {"[2001:DB8:0::1]:2525", "[2001:db8::1]:2525", "2001:db8::1", 2525},
    {"[::ffff:192.0.2.1]:25", "192.0.2.1:25", "192.0.2.1", 25},
    {"[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
     "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
     65535},
    {"", NULL, NULL, 0},
    {"192.0.2.1", NULL, NULL, 0},
    {"192.0.2.1:", NULL, NULL, 0},
    {"192.0.2.1:65536", NULL, NULL, 0},
    {"192.0.2.1:x", NULL, NULL, 0},
    {"192.0.2.256:25", NULL, NULL, 0},
    {"192.0.2:25", NULL, NULL, 0},
    {":25", NULL, NULL, 0},
    {"localhost:25", NULL, NULL, 0},
    {"::1:25", NULL, NULL, 0},
    {"[::1]", NULL, NULL, 0},
    {"[::1]25", NULL, NULL, 0},
    {"[::1:25", NULL, NULL, 0},
    {"[192.0.2.1]:25", NULL, NULL, 0},
    {"[", NULL, NULL, 0},
};

START_TEST(test_parse)
{
    struct sockaddr_storage address;
    socklen_t length;
    char text[SOCKET_ADDRESS_SIZE];
    size_t size = strlen(addresses[_i].text);
    char *exact = malloc(size + 1);
    memcpy(exact, addresses[_i].text, size);
    int result = socket_address_parse(exact, size, &address, &length);
    free(exact);
    ck_assert_int_eq(result, addresses[_i].back ? 0 : -1);
    if (result < 0)
        return;
    ck_assert_uint_eq(socket_address_format(text, &address), strlen(addresses[_i].back));
    ck_assert_str_eq(text, addresses[_i].back);
    socket_address_format_host(text, &address);
    ck_assert_str_eq(text, addresses[_i].host);
    ck_assert_uint_eq(socket_address_port(&address), addresses[_i].port);
}
END_TEST

static const struct {
    const char *address;
    const char *network;
    bool in;
} networks[] = {
    {"192.0.2.1:1", "192.0.2.1", true},
    {"192.0.2.2:1", "192.0.2.1", false},
    {"192.0.2.2:1", "192.0.2.0/24", true},
    {"192.0.3.2:1", "192.0.2.0/24", false},
    {"192.0.3.2:1", "192.0.2.0/23", true},
    {"192.0.2.127:1", "192.0.2.0/25", true},
    {"192.0.2.128:1", "192.0.2.0/25", false},
    {"192.0.2.1:1", "0.0.0.0/0", true},
    {"[2001:db8::1]:1", "0.0.0.0/0", false},
    {"[2001:db8::1]:1", "::/0", true},
    {"192.0.2.1:1", "::/0", true},
    {"[2001:db8::1]:1", "2001:db8::/32", true},
    {"[2001:db9::1]:1", "2001:db8::/32", false},
    {"[2001:db8::1]:1", "2001:db8::1", true},
    {"[::ffff:192.0.2.1]:1", "192.0.2.0/24", true},
    {"192.0.2.1:1", "192.0.2.0/33", false},
    {"192.0.2.1:1", "192.0.2.0/", false},
    {"192.0.2.1:1", "192.0.2", false},
    {"192.0.2.1:1", "", false},
    {"192.0.2.1:1", "/0", false},
};

START_TEST(test_network)
{
    struct sockaddr_storage address;
    socklen_t length;
    unsigned char bytes[16];
    const char *text = networks[_i].address;
    ck_assert_int_eq(socket_address_parse(text, strlen(text), &address, &length), 0);
    socket_address_bytes(&address, bytes);
    ck_assert_msg(socket_address_in(bytes, networks[_i].network, strlen(networks[_i].network)) ==
                      networks[_i].in,
                  "%s in %s", text, networks[_i].network);
}
END_TEST

START_TEST(test_unknown)
{
    struct sockaddr_storage address;
    char text[SOCKET_ADDRESS_SIZE];
    memset(&address, 0, sizeof address);
    socket_address_format(text, &address);
    ck_assert_str_eq(text, "unknown");
    socket_address_format_host(text, &address);
    ck_assert_str_eq(text, "unknown");
    ck_assert_uint_eq(socket_address_port(&address), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("socket_address");
    TCase *cases = tcase_create("socket_address");
    tcase_add_loop_test(cases, test_parse, 0, sizeof addresses / sizeof *addresses);
    tcase_add_loop_test(cases, test_network, 0, sizeof networks / sizeof *networks);
    tcase_add_test(cases, test_unknown);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

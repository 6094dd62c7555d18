/* SPDX-License-Identifier: ISC */
/* The simulated network between hosts: who reaches whom, in which time, what refuses. */
#include <check.h>
#include <poll.h>
#include <unistd.h>

#include "tests/unit/sim/net_world.h"

static const struct kernel_options options = {.seed = 1};

/* --- programs ----------------------------------------------------------------------------------*/

/* echo ADDRESS: serves one connection after the other, each until its end. */
static int echo_main(int argc, char **argv, char **environment)
{
    (void) environment;
    char block[40000], text[80];
    struct sockaddr_storage from;
    MUST(argc == 2);
    int listener = net_listen(argv[1], 25, 5);
    MUST(listener >= 0);
    for (;;) {
        socklen_t size = sizeof from;
        int fd = sim_accept4(listener, (struct sockaddr *) &from, &size, SOCK_CLOEXEC);
        MUST(fd >= 0);
        address_text(&from, text);
        tell("from %s\n", text);
        ssize_t count;
        while ((count = sim_read(fd, block, sizeof block)) > 0)
            MUST(sim_write(fd, block, (size_t) count) == count);
        sim_close(fd);
    }
}

/* call ADDRESS: sends a word there and reads it back. */
static int call_main(int argc, char **argv, char **environment)
{
    (void) environment;
    char block[10];
    MUST(argc == 2);
    int64_t begin = now_ms();
    int fd = net_dial(argv[1], 25);
    if (fd < 0) {
        tell("error %d after %lld ms\n", errno, (long long) (now_ms() - begin));
        return 2;
    }
    tell("connected after %lld ms\n", (long long) (now_ms() - begin));
    MUST(sim_write(fd, "word", 4) == 4);
    MUST(sim_recv(fd, block, 4, MSG_WAITALL) == 4);
    tell("answer after %lld ms\n", (long long) (now_ms() - begin));
    MUST(memcmp(block, "word", 4) == 0);
    MUST(sim_shutdown(fd, SHUT_WR) == 0);
    MUST(sim_read(fd, block, 10) == 0);
    return 0;
}

/* udp-echo ADDRESS: sends every datagram back. */
static int udp_echo_main(int argc, char **argv, char **environment)
{
    (void) environment;
    char block[2000];
    struct sockaddr_storage from;
    MUST(argc == 2);
    int fd = net_socket(argv[1], SOCK_DGRAM);
    MUST(net_bind(fd, argv[1], 53) == 0);
    for (;;) {
        socklen_t size = sizeof from;
        ssize_t count = sim_recvfrom(fd, block, sizeof block, 0, (struct sockaddr *) &from, &size);
        MUST(count >= 0);
        MUST(sim_sendto(fd, block, (size_t) count, 0, (struct sockaddr *) &from, size) == count);
    }
}

/* ask ADDRESS: a datagram and its answer, or what else came within a second. */
static int ask_main(int argc, char **argv, char **environment)
{
    (void) environment;
    char block[10];
    MUST(argc == 2);
    int fd = net_socket(argv[1], SOCK_DGRAM);
    int64_t begin = now_ms();
    if (net_connect(fd, argv[1], 53) < 0) {
        tell("error %d\n", errno);
        return 2;
    }
    MUST(sim_send(fd, "word", 4, 0) == 4);
    struct pollfd poll = {fd, POLLIN, 0};
    if (sim_poll(&poll, 1, 1000) == 0) {
        tell("silence\n");
        return 3;
    }
    ssize_t count = sim_recv(fd, block, sizeof block, 0);
    if (count < 0)
        tell("error %d after %lld ms\n", errno, (long long) (now_ms() - begin));
    else
        tell("%d bytes after %lld ms\n", (int) count, (long long) (now_ms() - begin));
    return count == 4 ? 0 : 2;
}

static const struct test_program programs[] = {{"echo", echo_main},
                                               {"call", call_main},
                                               {"udp-echo", udp_echo_main},
                                               {"ask", ask_main},
                                               {0, 0}};

/* --- tests -------------------------------------------------------------------------------------*/

static struct net_world *world;

static void set_up(void)
{
    world = net_world_create(&options, programs);
}

static void tear_down(void)
{
    net_world_destroy(world);
}

static void expect_call(int from, const char *program, const char *to, const char *output)
{
    world->said[from].output_size = 0;
    net_start(world, from, program, to, NULL);
    kernel_run(world->kernel, INT64_MAX);
    ck_assert_str_eq(world->said[from].output, output);
}

static const struct {
    const char *listen, *call;
    int from;
    const char *seen;
} pairs[] = {
    {"192.0.2.1", "192.0.2.1", 1, "from 192.0.2.2 32768\n"},
    {"0.0.0.0", "192.0.2.1", 1, "from 192.0.2.2 32768\n"},
    {"2001:db8::1", "2001:db8::1", 1, "from 2001:db8::2 32768\n"},
    {"::", "2001:db8::1", 2, "from 2001:db8::3 32768\n"},
    {"::", "192.0.2.1", 1, "from ::ffff:192.0.2.2 32768\n"},
    {"::", "::ffff:192.0.2.1", 1, "from ::ffff:192.0.2.2 32768\n"},
    {"0.0.0.0", "::ffff:192.0.2.1", 1, "from 192.0.2.2 32768\n"},
    {"127.0.0.1", "127.0.0.1", 0, "from 127.0.0.1 32768\n"},
    {"::1", "::1", 0, "from ::1 32768\n"},
    {"0.0.0.0", "127.1.2.3", 0, "from 127.0.0.1 32768\n"},
    {"0.0.0.0", "192.0.2.1", 0, "from 192.0.2.1 32768\n"},
};

START_TEST(test_pairs)
{
    struct net_path path = {.delay_ns = 10 * MS};
    net_set_path(world->kernel, NULL, NULL, &path);
    net_set_path(world->kernel, world->host[0], world->host[0], &path);
    net_start(world, 0, "echo", pairs[_i].listen, NULL);
    kernel_run(world->kernel, MS);
    if (pairs[_i].from == 0) { /* the same host: only what the server wrote is of interest */
        net_start(world, 0, "call", pairs[_i].call, NULL);
        kernel_run(world->kernel, INT64_MAX);
        ck_assert_ptr_nonnull(strstr(world->said[0].output, pairs[_i].seen));
        ck_assert_ptr_nonnull(strstr(world->said[0].output, "answer after 40 ms\n"));
        return;
    }
    expect_call(pairs[_i].from, "call", pairs[_i].call,
                "connected after 20 ms\nanswer after 40 ms\n");
    ck_assert_str_eq(world->said[0].output, pairs[_i].seen);
}
END_TEST

START_TEST(test_nobody_there)
{
    expect_call(1, "call", "192.0.2.1", "error 111 after 0 ms\n");    /* nobody listens */
    expect_call(1, "call", "198.51.100.9", "error 113 after 0 ms\n"); /* nobody has it */
    expect_call(1, "call", "127.0.0.1", "error 111 after 0 ms\n");
    expect_call(1, "ask", "192.0.2.1", "error 111 after 0 ms\n");
    expect_call(1, "ask", "198.51.100.9", "error 113 after 0 ms\n");
}
END_TEST

START_TEST(test_no_address)
{
    struct host_options more = {.name = "bare", .disk = disk_model_named("honest")};
    struct host *bare = host_create(world->kernel, &more);
    net_install(bare, programs);
    world->said[1].host = bare;
    expect_call(1, "call", "192.0.2.1", "error 101 after 0 ms\n"); /* ENETUNREACH */
    expect_call(1, "ask", "2001:db8::1", "error 101\n");
    expect_call(1, "call", "127.0.0.1", "error 111 after 0 ms\n");
    ck_assert_int_eq(host_add_address(bare, "192.0.2.1"), -EADDRINUSE);
    ck_assert_int_eq(host_add_address(bare, "192.0.2"), -EINVAL);
    ck_assert_int_eq(host_add_address(bare, "127.0.0.2"), -EINVAL);
    ck_assert_int_eq(host_add_address(bare, "::"), -EINVAL);
    ck_assert_int_eq(host_add_address(bare, "224.0.0.1"), -EINVAL);
    ck_assert_int_eq(host_add_address(bare, "203.0.113.7"), 0);
    ck_assert_int_eq(host_add_address(bare, "203.0.113.7"), 0);
    expect_call(1, "call", "192.0.2.1", "error 111 after 0 ms\n");
}
END_TEST

START_TEST(test_datagrams)
{
    struct net_path path = {.delay_ns = 10 * MS};
    net_set_path(world->kernel, world->host[1], world->host[0], &path);
    net_start(world, 0, "udp-echo", _i ? "::" : "0.0.0.0", NULL);
    kernel_run(world->kernel, MS);
    expect_call(1, "ask", "192.0.2.1", "4 bytes after 20 ms\n");
    if (_i)
        expect_call(1, "ask", "2001:db8::1", "4 bytes after 20 ms\n");
    path.fate = NET_BLACK_HOLE;
    net_set_path(world->kernel, world->host[1], NULL, &path);
    expect_call(1, "ask", "192.0.2.1", "silence\n");
    path.fate = NET_UNREACHABLE;
    net_set_path(world->kernel, NULL, world->host[0], &path);
    expect_call(1, "ask", "192.0.2.1", "error 113 after 10 ms\n");
    path.fate = NET_REFUSE;
    net_set_path(world->kernel, NULL, NULL, &path);
    expect_call(1, "ask", "192.0.2.1", "error 111 after 10 ms\n");
    host_crash(world->host[0], &choose_none);
    path.fate = NET_OPEN;
    net_set_path(world->kernel, NULL, NULL, &path);
    expect_call(1, "ask", "192.0.2.1", "silence\n");
    host_boot(world->host[0]);
    expect_call(1, "ask", "192.0.2.1", "error 111 after 20 ms\n");
}
END_TEST

START_TEST(test_fates)
{
    struct net_path path = {.delay_ns = 10 * MS, .fate = NET_REFUSE};
    net_start(world, 0, "echo", "::", NULL);
    kernel_run(world->kernel, MS);
    net_set_path(world->kernel, world->host[1], world->host[0], &path);
    expect_call(1, "call", "192.0.2.1", "error 111 after 20 ms\n");
    expect_call(2, "call", "192.0.2.1", "connected after 0 ms\nanswer after 0 ms\n");
    path.fate = NET_UNREACHABLE;
    net_set_path(world->kernel, world->host[1], NULL, &path);
    expect_call(1, "call", "2001:db8::1", "error 113 after 20 ms\n");
    path.fate = NET_BLACK_HOLE;
    net_set_path(world->kernel, NULL, world->host[0], &path);
    expect_call(1, "call", "192.0.2.1", "error 110 after 127000 ms\n");
    host_crash(world->host[0], &choose_none);
    path.fate = NET_OPEN;
    net_set_path(world->kernel, NULL, world->host[0], &path);
    expect_call(1, "call", "192.0.2.1", "error 110 after 127000 ms\n");
    host_boot(world->host[0]);
    expect_call(1, "call", "192.0.2.1", "error 111 after 20 ms\n");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("network");
    TCase *tests = tcase_create("hosts");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, test_pairs, 0, sizeof pairs / sizeof *pairs);
    tcase_add_test(tests, test_nobody_there);
    tcase_add_test(tests, test_no_address);
    tcase_add_loop_test(tests, test_datagrams, 0, 2);
    tcase_add_test(tests, test_fates);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

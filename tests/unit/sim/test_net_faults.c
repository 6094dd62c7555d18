/* SPDX-License-Identifier: ISC */
/* What the simulated network does to connections: bandwidth, black holes, cuts, hosts and
 * processes that go away, full backlogs and buffers. */
#include <check.h>
#include <poll.h>
#include <unistd.h>

#include "tests/unit/sim/net_world.h"

#define SECOND (1000 * MS)

static const struct kernel_options options = {.seed = 1};

/* --- programs ----------------------------------------------------------------------------------*/

/* sink: takes one connection at port 25 and tells how much came until when, and how it ended. */
static int sink_main(int argc, char **argv, char **environment)
{
    (void) environment;
    (void) argc;
    (void) argv;
    char block[5000];
    long long total = 0;
    int listener = net_listen("::", 25, 5);
    int fd = sim_accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    MUST(fd >= 0);
    sim_close(listener);
    ssize_t count;
    while ((count = sim_read(fd, block, sizeof block)) > 0)
        total += count;
    int error = count < 0 ? errno : 0;
    tell("%lld bytes, %lld ms, error %d\n", total, (long long) now_ms(), error);
    return 0;
}

/* pour BYTES [PAUSE]: sends so many to host 0, at once, or byte by byte with so many ms between;
 * shuts down; tells how it ended. */
static int pour_main(int argc, char **argv, char **environment)
{
    (void) environment;
    static const char zeros[65536];
    char answer[10];
    long left = strtol(argv[1], NULL, 10), pause = argc > 2 ? strtol(argv[2], NULL, 10) : 0;
    size_t most = argc > 2 ? 1 : sizeof zeros;
    int fd = net_dial("192.0.2.1", 25);
    MUST(fd >= 0);
    while (left > 0) {
        ssize_t count =
            sim_send(fd, zeros, (size_t) left < most ? (size_t) left : most, MSG_NOSIGNAL);
        if (count < 0)
            break;
        left -= count;
        if (pause)
            sim_poll(NULL, 0, (int) pause);
    }
    int error = left > 0 ? errno : 0;
    sim_shutdown(fd, SHUT_WR);
    ssize_t count = sim_read(fd, answer, sizeof answer);
    tell("left %ld error %d, then %d error %d, %lld ms\n", left, error, (int) count,
         count < 0 ? errno : 0, (long long) now_ms());
    return 0;
}

/* talk BYTES: a server that answers each byte with one, and tells how it ended. */
static int serve_main(int argc, char **argv, char **environment)
{
    (void) environment;
    (void) argc;
    (void) argv;
    char byte;
    int listener = net_listen("0.0.0.0", 25, 5);
    for (;;) {
        long in = 0, out = 0;
        int fd = sim_accept4(listener, NULL, NULL, SOCK_CLOEXEC), error = 0;
        MUST(fd >= 0);
        for (;;) {
            ssize_t count = sim_read(fd, &byte, 1);
            if (count <= 0 || sim_send(fd, "y", 1, MSG_NOSIGNAL) < 0) {
                error = count == 0 ? 0 : errno;
                break;
            }
            in++;
            out++;
        }
        tell("served %ld error %d\n", in, error);
        sim_close(fd);
    }
}

/* ask COUNT [PAUSE]: sends so many bytes, each when the answer of the one before has come; tells
 * how far it got and how it ended. */
static int ask_main(int argc, char **argv, char **environment)
{
    (void) environment;
    char byte;
    long count = strtol(argv[1], NULL, 10), done = 0;
    int pause = argc > 2 ? (int) strtol(argv[2], NULL, 10) : 0, error = 0;
    int fd = net_dial("192.0.2.1", 25);
    if (fd < 0) {
        tell("connect %d, %lld ms\n", errno, (long long) now_ms());
        return 0;
    }
    for (; done < count && !error; done++) {
        if (pause)
            sim_poll(NULL, 0, pause);
        if (sim_send(fd, "x", 1, MSG_NOSIGNAL) < 0)
            error = errno;
        ssize_t got = error ? -1 : sim_read(fd, &byte, 1);
        if (!error && got <= 0)
            error = got == 0 ? -1 : errno;
        if (error)
            break;
    }
    tell("asked %ld error %d, %lld ms\n", done, error, (long long) now_ms());
    sim_close(fd);
    return 0;
}

/* wait: connects, then waits for what comes. */
static int wait_main(int argc, char **argv, char **environment)
{
    (void) environment;
    (void) argc;
    (void) argv;
    char byte;
    int fd = net_dial("192.0.2.1", 25);
    ssize_t count = fd < 0 ? -1 : sim_read(fd, &byte, 1);
    tell("wait %d error %d, %lld ms\n", (int) count, count < 0 ? errno : 0, (long long) now_ms());
    return 0;
}

/* offer: sends 100 bytes at once, then waits for an answer. */
static int offer_main(int argc, char **argv, char **environment)
{
    (void) environment;
    (void) argc;
    (void) argv;
    static const char zeros[100];
    char byte;
    int fd = net_dial("192.0.2.1", 25);
    MUST(sim_send(fd, zeros, sizeof zeros, 0) == sizeof zeros);
    ssize_t count = sim_read(fd, &byte, 1);
    tell("offer %d error %d, %lld s\n", (int) count, count < 0 ? errno : 0,
         (long long) now_ms() / 1000);
    return 0;
}

/* deaf: listens with a backlog of 1 and takes the connections only after 10 s; reads nothing. */
static int deaf_main(int argc, char **argv, char **environment)
{
    (void) environment;
    (void) argc;
    (void) argv;
    int listener = net_listen("0.0.0.0", 25, 1);
    sim_poll(NULL, 0, 10000);
    for (int i = 0; i < 3; i++)
        MUST(sim_accept4(listener, NULL, NULL, 0) >= 0);
    sim_poll(NULL, 0, 10000);
    return 0;
}

/* slow: takes one connection and reads only after 10 s. */
static int slow_main(int argc, char **argv, char **environment)
{
    (void) environment;
    (void) argc;
    (void) argv;
    char block[1000];
    long long total = 0;
    int listener = net_listen("0.0.0.0", 25, 1);
    int fd = sim_accept4(listener, NULL, NULL, 0);
    sim_poll(NULL, 0, 10000);
    ssize_t count;
    while ((count = sim_read(fd, block, sizeof block)) > 0)
        total += count;
    tell("%lld bytes, error %d\n", total, count < 0 ? errno : 0);
    return 0;
}

/* stuff: writes until the buffers are full, waits for room, writes 1000 bytes more. */
static int stuff_main(int argc, char **argv, char **environment)
{
    (void) environment;
    (void) argc;
    (void) argv;
    static const char zeros[10000];
    long long total = 0;
    int fd = net_dial("192.0.2.1", 25);
    ssize_t count;
    struct pollfd poll = {fd, POLLOUT, 0};
    for (;;) {
        while ((count = sim_send(fd, zeros, sizeof zeros, MSG_DONTWAIT)) > 0)
            total += count;
        MUST(errno == EAGAIN);
        if (sim_poll(&poll, 1, 1000) == 0)
            break;
    }
    int64_t full = now_ms();
    MUST(sim_poll(&poll, 1, 60000) == 1);
    MUST(sim_send(fd, zeros, 1000, 0) == 1000);
    tell("full at %lld, %lld ms later room; %lld bytes\n", total, (long long) (now_ms() - full),
         total + 1000);
    return 0;
}

/* claim: listens, has one connection that it closes first, and tells when the port is free. */
static int claim_main(int argc, char **argv, char **environment)
{
    (void) environment;
    (void) argc;
    (void) argv;
    int listener = net_listen("0.0.0.0", 25, 1), tries = 0;
    int client = net_dial("127.0.0.1", 25), fd = sim_accept4(listener, NULL, NULL, 0);
    MUST(fd >= 0);
    sim_close(listener);
    sim_close(fd);
    sim_poll(NULL, 0, 1);
    sim_close(client);
    int64_t begin = now_ms();
    for (;;) {
        int again = net_socket("0.0.0.0", SOCK_STREAM);
        if (net_bind(again, "0.0.0.0", 25) == 0)
            break;
        MUST(errno == EADDRINUSE && ++tries < 1000);
        sim_close(again);
        sim_poll(NULL, 0, 1000);
    }
    tell("free after %lld s\n", (long long) (now_ms() - begin) / 1000);
    return 0;
}

static const struct test_program programs[] = {{"sink", sink_main},
                                               {"pour", pour_main},
                                               {"serve", serve_main},
                                               {"ask", ask_main},
                                               {"wait", wait_main},
                                               {"deaf", deaf_main},
                                               {"slow", slow_main},
                                               {"stuff", stuff_main},
                                               {"claim", claim_main},
                                               {"offer", offer_main},
                                               {0, 0}};

/* --- tests -------------------------------------------------------------------------------------*/

static struct net_world *world;

static void set_up(void)
{
    world = net_world_create(&options, programs);
}

static void tear_down(void)
{
    for (int i = 0; i < HOSTS; i++)
        host_kill_all(world->host[i]);
    kernel_run(world->kernel, INT64_MAX);
    ck_assert_uint_eq(net_live_sockets(world->kernel), 0);
    ck_assert_uint_eq(kernel_live_files(world->kernel), 0);
    net_world_destroy(world);
}

static void run_for(int64_t ns)
{
    int64_t until = kernel_now(world->kernel) + ns;
    kernel_at(world->kernel, until, NULL, NULL);
    kernel_run(world->kernel, until);
}

static void set_path(enum net_fate fate, int64_t delay_ns, uint64_t bandwidth)
{
    struct net_path path = {.delay_ns = delay_ns, .bandwidth = bandwidth, .fate = fate};
    net_set_path(world->kernel, NULL, NULL, &path);
}

#define SAID(host, text) ck_assert_str_eq(world->said[host].output, text)

START_TEST(test_bandwidth)
{
    set_path(NET_OPEN, 50 * MS, 10000);
    net_start(world, 0, "sink", NULL, NULL);
    run_for(MS);
    net_start(world, 1, "pour", "100000", NULL);
    kernel_run(world->kernel, INT64_MAX);
    /* SYN, SYN-ACK, then ten seconds of data, one way. */
    SAID(0, "100000 bytes, 10151 ms, error 0\n");
    SAID(1, "left 0 error 0, then 0 error 0, 10201 ms\n");
}
END_TEST

START_TEST(test_bandwidth_is_shared)
{
    set_path(NET_OPEN, MS, 10000);
    for (int i = 0; i < 2; i++) {
        net_start(world, 0, "sink", NULL, NULL);
        run_for(MS);
        net_start(world, 1, "pour", "50000", NULL);
        run_for(9 * MS);
    }
    struct net_path fast = {.delay_ns = MS};
    net_set_path(world->kernel, world->host[2], world->host[0], &fast);
    net_start(world, 0, "sink", NULL, NULL);
    run_for(MS);
    net_start(world, 2, "pour", "50000", NULL);
    kernel_run(world->kernel, INT64_MAX);
    SAID(0, "50000 bytes, 24 ms, error 0\n50000 bytes, 5004 ms, error 0\n"
            "50000 bytes, 10004 ms, error 0\n");
}
END_TEST

/* At 100 bytes a second the window alone would take twenty minutes. */
START_TEST(test_bandwidth_changes)
{
    set_path(NET_OPEN, MS, 100);
    net_start(world, 0, "sink", NULL, NULL);
    run_for(MS);
    net_start(world, 1, "pour", "200000", NULL);
    run_for(10 * SECOND);
    set_path(NET_OPEN, MS, 100000);
    kernel_run(world->kernel, INT64_MAX);
    SAID(0, "200000 bytes, 12002 ms, error 0\n");
}
END_TEST

START_TEST(test_black_hole_opens)
{
    net_start(world, 0, "sink", NULL, NULL);
    run_for(MS);
    net_start(world, 1, "pour", "2000", "10");
    run_for(5 * SECOND);
    set_path(NET_BLACK_HOLE, 0, 0);
    run_for(10 * SECOND);
    set_path(NET_OPEN, MS, 0);
    kernel_run(world->kernel, INT64_MAX);
    /* Poured at 10 ms a byte, so done at 20 s; what was held came before. */
    ck_assert_ptr_nonnull(strstr(world->said[0].output, "2000 bytes, 20"));
    ck_assert_ptr_nonnull(strstr(world->said[1].output, "left 0 error 0, then 0 error 0"));
}
END_TEST

START_TEST(test_black_hole_retries)
{
    net_start(world, 0, "serve", NULL, NULL);
    run_for(MS);
    net_start(world, 1, "ask", "1", "1000");
    run_for(500 * MS);
    set_path(NET_BLACK_HOLE, 0, 0);
    run_for(_i * SECOND);
    set_path(NET_OPEN, MS, 0);
    kernel_run(world->kernel, INT64_MAX);
    /* Sent at 1001 ms; tried 200, 600, 1400, ... ms later, and at least every minute. */
    static const struct {
        int opened;
        const char *said;
    } wants[] = {{1, "asked 1 error 0, 1603 ms\n"},
                 {10, "asked 1 error 0, 13603 ms\n"},
                 {100, "asked 1 error 0, 103203 ms\n"},
                 {200, "asked 1 error 0, 223203 ms\n"}};
    for (unsigned i = 0; i < sizeof wants / sizeof *wants; i++)
        if (wants[i].opened == _i)
            SAID(1, wants[i].said);
}
END_TEST

START_TEST(test_black_hole_for_good)
{
    net_start(world, 0, "serve", NULL, NULL);
    run_for(MS);
    net_start(world, 1, "ask", "5", "1000");
    run_for(1500 * MS);
    set_path(NET_BLACK_HOLE, 0, 0);
    kernel_run(world->kernel, INT64_MAX);
    ck_assert_ptr_nonnull(strstr(world->said[1].output, "asked 1 error 110, "));
    long long ended = strtoll(strrchr(world->said[1].output, ',') + 1, NULL, 10);
    ck_assert_int_ge(ended, 2000 + 924600);
    ck_assert_int_le(ended, 2000 + 924600 + 60000);
    SAID(0, ""); /* the server has not noticed */
    ck_assert_uint_gt(net_live_sockets(world->kernel), 1);
}
END_TEST

START_TEST(test_closed_in_black_hole)
{
    net_start(world, 0, "serve", NULL, NULL);
    run_for(MS);
    struct process *client = net_start(world, 1, "wait", NULL, NULL);
    run_for(SECOND);
    set_path(NET_BLACK_HOLE, 0, 0);
    process_signal(client, 9);
    run_for(100 * SECOND);
    ck_assert_uint_eq(net_live_sockets(world->kernel), 4); /* two ends, one listener */
    run_for(60 * SECOND);
    ck_assert_uint_eq(net_live_sockets(world->kernel), 3);
    set_path(NET_OPEN, MS, 0);
}
END_TEST

/* Cut at every byte, either way: exactly so many bytes arrive. */
START_TEST(test_cut_reset)
{
    char want[100];
    bool by_client = _i % 2;
    unsigned bytes = (unsigned) _i / 2;
    net_start(world, 0, "serve", NULL, NULL);
    run_for(MS);
    net_cut(world->kernel, world->host[1], world->host[0], 2, by_client, bytes, NET_CUT_RESET);
    for (int round = 0; round < 3; round++) {
        world->said[0].output_size = world->said[1].output_size = 0;
        net_start(world, 2, "ask", "1", NULL); /* does not count */
        net_start(world, 1, "ask", "10", NULL);
        run_for(SECOND);
        if (round != 1) {
            ck_assert_ptr_nonnull(strstr(world->said[1].output, "asked 10 error 0,"));
            continue;
        }
        /* The last byte of the client that arrives cannot be answered any more. */
        unsigned done = by_client && bytes > 0 ? bytes - 1 : bytes;
        snprintf(want, sizeof want, "asked %u error 104,", done);
        ck_assert_msg(strstr(world->said[1].output, want) != NULL, "%s", world->said[1].output);
        snprintf(want, sizeof want, "served %u error 104", done);
        ck_assert_ptr_nonnull(strstr(world->said[0].output, want));
    }
}
END_TEST

START_TEST(test_cut_stream)
{
    char want[100];
    unsigned bytes = (unsigned) _i * 9999;
    net_start(world, 0, "sink", NULL, NULL);
    run_for(MS);
    net_cut(world->kernel, NULL, world->host[0], 0, true, bytes, NET_CUT_RESET);
    net_start(world, 1, "pour", "100000", NULL);
    run_for(10 * SECOND);
    snprintf(want, sizeof want, "%u bytes, ", bytes);
    ck_assert_msg(strncmp(world->said[0].output, want, strlen(want)) == 0, "%s",
                  world->said[0].output);
    ck_assert_ptr_nonnull(strstr(world->said[0].output, "error 104"));
    ck_assert_ptr_nonnull(strstr(world->said[1].output, "104"));
}
END_TEST

START_TEST(test_cut_silent)
{
    net_start(world, 0, "serve", NULL, NULL);
    run_for(MS);
    net_cut(world->kernel, world->host[1], NULL, 1, _i % 2, 3, NET_CUT_SILENT);
    net_start(world, 1, "ask", "10", NULL);
    run_for(900 * SECOND);
    SAID(1, "");
    SAID(0, "");
    run_for(3600 * SECOND);
    if (_i % 2) { /* the client's third byte came and it waits; the answer is not acknowledged */
        SAID(1, "");
        SAID(0, "served 3 error 110\n");
    } else { /* the third answer came; the fourth question is never acknowledged */
        ck_assert_ptr_nonnull(strstr(world->said[1].output, "asked 3 error 110"));
    }
    net_start(world, 1, "ask", "10", NULL); /* others do not feel it */
    run_for(SECOND);
}
END_TEST

/* What of a piece did not arrive is sent again, and never acknowledged. */
START_TEST(test_cut_silent_in_a_piece)
{
    net_start(world, 0, "sink", NULL, NULL);
    run_for(MS);
    net_cut(world->kernel, world->host[1], NULL, 1, true, 50, NET_CUT_SILENT);
    net_start(world, 1, "offer", NULL, NULL);
    run_for(900 * SECOND);
    SAID(1, "");
    run_for(100 * SECOND);
    ck_assert_ptr_nonnull(strstr(world->said[1].output, "offer -1 error 110, 9"));
    SAID(0, "");
}
END_TEST

START_TEST(test_power_loss_of_server)
{
    net_start(world, 0, "serve", NULL, NULL);
    run_for(MS);
    net_start(world, 1, "ask", "5", "1000");
    net_start(world, 2, "wait", NULL, NULL);
    run_for(1500 * MS);
    host_crash(world->host[0], &choose_none);
    run_for(10 * SECOND);
    SAID(1, "");
    host_boot(world->host[0]);
    run_for(100 * SECOND);
    /* The byte of 2001 ms was tried until the machine was up again: reset. */
    ck_assert_ptr_nonnull(strstr(world->said[1].output, "asked 1 error 104, "));
    SAID(2, ""); /* who only waits learns nothing */
}
END_TEST

START_TEST(test_power_loss_in_handshake)
{
    set_path(NET_OPEN, 100 * MS, 0);
    net_start(world, 0, "serve", NULL, NULL);
    run_for(MS);
    net_start(world, 1, "ask", "1", NULL);
    run_for(_i * 50 * MS);
    host_crash(world->host[0], &choose_none);
    run_for(SECOND);
    host_boot(world->host[0]);
    net_start(world, 0, "serve", NULL, NULL);
    run_for(200 * SECOND);
    const char *said = world->said[1].output;
    if (_i * 50 <= 200) /* before it is established: tried again, and taken up */
        ck_assert_msg(strstr(said, "asked 1 error 0, ") != NULL, "%s", said);
    else
        ck_assert_msg(strstr(said, "asked 0 error 104, ") != NULL, "%s", said);
}
END_TEST

START_TEST(test_power_loss_of_client)
{
    set_path(NET_OPEN, 100 * MS, 0);
    net_start(world, 0, "sink", NULL, NULL);
    run_for(MS);
    net_start(world, 1, "pour", "2000000", NULL);
    run_for(_i * 50 * MS);
    host_crash(world->host[1], &choose_none);
    run_for(2000 * SECOND);
    SAID(0, ""); /* the server waits; nobody tells it */
    SAID(1, "");
    host_boot(world->host[1]);
}
END_TEST

START_TEST(test_killed)
{
    net_start(world, 0, "serve", NULL, NULL);
    run_for(MS);
    struct process *client = net_start(world, 1, "wait", NULL, NULL);
    run_for(SECOND);
    process_signal(client, 9);
    run_for(SECOND);
    SAID(0, "served 0 error 0\n");
    net_start(world, 1, "wait", NULL, NULL);
    run_for(SECOND);
    process_signal(host_find_process(world->host[0], "serve"), 9);
    run_for(SECOND);
    ck_assert_ptr_nonnull(strstr(world->said[1].output, "wait 0 error 0"));
    /* A server that has not read all: reset. */
    net_start(world, 0, "slow", NULL, NULL);
    run_for(MS);
    world->said[1].output_size = 0;
    net_start(world, 1, "pour", "5000", NULL);
    run_for(SECOND);
    process_signal(host_find_process(world->host[0], "slow"), 9);
    run_for(SECOND);
    ck_assert_ptr_nonnull(strstr(world->said[1].output, "left 0 error 0, then -1 error 104"));
}
END_TEST

START_TEST(test_full_backlog)
{
    net_start(world, 0, "deaf", NULL, NULL);
    run_for(MS);
    for (int i = 0; i < 3; i++)
        net_start(world, 1, "wait", NULL, NULL);
    run_for(9 * SECOND);
    /* Two ends of two connections, the third client's, the listener. */
    ck_assert_uint_eq(net_live_sockets(world->kernel), 3 + 3 + 2 + 1);
    run_for(100 * SECOND);
    /* The third SYN was tried at 1, 3, 7, 15 s and taken up then. */
    ck_assert_uint_eq(world->said[0].ended, 1);
    ck_assert_uint_eq(world->said[1].ended, 3);
    ck_assert_int_eq(world->said[0].status, 0);
}
END_TEST

START_TEST(test_full_buffers)
{
    net_start(world, 0, "slow", NULL, NULL);
    run_for(MS);
    net_start(world, 1, "stuff", NULL, NULL);
    kernel_run(world->kernel, INT64_MAX);
    unsigned full, later, total, came;
    ck_assert_int_eq(sscanf(world->said[1].output, "full at %u, %u ms later room; %u bytes", &full,
                            &later, &total),
                     3);
    ck_assert_uint_gt(full, 100000);
    ck_assert_uint_lt(full, 500000);
    ck_assert_uint_gt(later, 8000);
    ck_assert_int_eq(sscanf(world->said[0].output, "%u bytes, error 0", &came), 1);
    ck_assert_uint_eq(came, total);
}
END_TEST

START_TEST(test_time_wait)
{
    net_start(world, 0, "claim", NULL, NULL);
    kernel_run(world->kernel, INT64_MAX);
    SAID(0, "free after 60 s\n");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("network faults");
    TCase *tests = tcase_create("faults");
    tcase_set_timeout(tests, 30);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, test_bandwidth);
    tcase_add_test(tests, test_bandwidth_is_shared);
    tcase_add_test(tests, test_bandwidth_changes);
    tcase_add_test(tests, test_black_hole_opens);
    tcase_add_loop_test(tests, test_black_hole_retries, 1, 2);
    tcase_add_loop_test(tests, test_black_hole_retries, 10, 11);
    tcase_add_loop_test(tests, test_black_hole_retries, 100, 101);
    tcase_add_loop_test(tests, test_black_hole_retries, 200, 201);
    tcase_add_test(tests, test_black_hole_for_good);
    tcase_add_test(tests, test_closed_in_black_hole);
    tcase_add_loop_test(tests, test_cut_reset, 0, 20);
    tcase_add_loop_test(tests, test_cut_stream, 0, 10);
    tcase_add_loop_test(tests, test_cut_silent, 0, 2);
    tcase_add_test(tests, test_cut_silent_in_a_piece);
    tcase_add_test(tests, test_power_loss_of_server);
    tcase_add_loop_test(tests, test_power_loss_in_handshake, 0, 7);
    tcase_add_loop_test(tests, test_power_loss_of_client, 0, 9);
    tcase_add_test(tests, test_killed);
    tcase_add_test(tests, test_full_backlog);
    tcase_add_test(tests, test_full_buffers);
    tcase_add_test(tests, test_time_wait);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

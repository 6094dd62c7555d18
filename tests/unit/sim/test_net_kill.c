/* SPDX-License-Identifier: ISC */
/*
 * A small world that uses all of the network is disturbed at one call after the other: the caller
 * killed there, a worker killed, one of the machines switched off, the network gone.  Whatever
 * happens, the run ends and no socket, file or memory is left.  And: what watchers see, and what
 * the hash of a run covers.
 */
#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "tests/unit/sim/net_world.h"

#define WORKERS 2
#define CLIENTS 3

/* --- programs ----------------------------------------------------------------------------------*/

/* worker: shares the listener on descriptor 3 and answers what comes, for at most a minute. */
static int worker_main(int argc, char **argv, char **environment)
{
    (void) argc;
    (void) argv;
    (void) environment;
    static const char answer[3000];
    char block[500];
    struct pollfd poll = {3, POLLIN, 0};
    while (sim_poll(&poll, 1, 60000) > 0 && !(poll.revents & (POLLERR | POLLHUP))) {
        int fd = sim_accept4(3, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            continue;
        struct pollfd wait = {fd, POLLIN, 0};
        while (sim_poll(&wait, 1, 10000) > 0 && sim_recv(fd, block, sizeof block, 0) > 0)
            if (sim_send(fd, answer, sizeof answer, MSG_NOSIGNAL) < 0)
                break;
        sim_close(fd);
    }
    return 0;
}

/* server: starts the workers, answers datagrams itself. */
static int server_main(int argc, char **argv, char **environment)
{
    (void) argc;
    (void) argv;
    char *const worker[] = {TEXT("worker"), NULL};
    struct sockaddr_storage from;
    char block[100];
    int listener = net_listen("::", 25, 1);
    int datagrams = net_socket("0.0.0.0", SOCK_DGRAM);
    net_bind(datagrams, "0.0.0.0", 53);
    sim_fcntl(listener, F_SETFL, O_NONBLOCK);
    if (listener != 3 || sim_fcntl(datagrams, F_SETFD, FD_CLOEXEC) < 0)
        return 1;
    for (int i = 0; i < WORKERS; i++) {
        pid_t pid;
        sim_posix_spawn(&pid, "/bin/worker", NULL, NULL, worker, environment);
    }
    sim_close(listener);
    struct pollfd poll = {datagrams, POLLIN, 0};
    while (sim_poll(&poll, 1, 60000) > 0) {
        socklen_t size = sizeof from;
        ssize_t count =
            sim_recvfrom(datagrams, block, sizeof block, 0, (struct sockaddr *) &from, &size);
        if (count >= 0)
            sim_sendto(datagrams, block, (size_t) count, 0, (struct sockaddr *) &from, size);
    }
    while (sim_waitpid(-1, NULL, 0) > 0)
        ;
    return 0;
}

static void ask(void)
{
    char block[100];
    int fd = net_socket("192.0.2.1", SOCK_DGRAM | SOCK_CLOEXEC);
    struct pollfd poll = {fd, POLLIN, 0};
    net_connect(fd, "192.0.2.1", 53);
    sim_send(fd, "question", 8, 0);
    if (sim_poll(&poll, 1, 1000) > 0)
        sim_recv(fd, block, sizeof block, 0);
    sim_close(fd);
}

/* client ADDRESS: connects without waiting, talks, leaves in one of three ways. */
static int client_main(int argc, char **argv, char **environment)
{
    (void) argc;
    (void) environment;
    char block[4000];
    struct linger linger = {1, 0};
    int way = argv[2][0] - '0';
    ask();
    int fd = net_socket(argv[1], SOCK_STREAM | SOCK_NONBLOCK);
    net_connect(fd, argv[1], 25);
    struct pollfd poll = {fd, POLLOUT, 0};
    if (sim_poll(&poll, 1, 10000) > 0 && !(poll.revents & POLLERR))
        sim_send(fd, "hello", 5, MSG_NOSIGNAL);
    poll.events = POLLIN;
    if (sim_poll(&poll, 1, 10000) > 0 && way < 2)
        sim_recv(fd, block, sizeof block, 0);
    if (way == 1)
        sim_shutdown(fd, SHUT_WR);
    if (way == 2)
        sim_setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    sim_close(fd);
    return 0;
}

static const struct test_program programs[] = {
    {"server", server_main}, {"worker", worker_main}, {"client", client_main}, {0, 0}};

/* --- disturbing --------------------------------------------------------------------------------*/

enum disturbance { KILL_CALLER, KILL_WORKER, SERVER_OFF, CLIENT_OFF, NO_NETWORK, FAIL_CALL, LAST };

struct plan {
    struct net_world *world;
    enum disturbance disturbance;
    uint64_t at;
    bool before;
};

static void disturb(struct plan *plan, const struct call *call)
{
    struct net_path path = {.delay_ns = MS, .fate = NET_BLACK_HOLE};
    if (call->number != plan->at)
        return;
    struct process *worker = host_find_process(plan->world->host[0], "worker");
    switch (plan->disturbance) {
    case KILL_CALLER:
        process_signal(call->process, SIGKILL);
        break;
    case KILL_WORKER:
        if (worker)
            process_signal(worker, SIGKILL);
        break;
    case SERVER_OFF:
        host_crash(plan->world->host[0], &choose_none);
        break;
    case CLIENT_OFF:
        host_crash(plan->world->host[1], &choose_none);
        break;
    case NO_NETWORK:
        net_set_path(plan->world->kernel, NULL, NULL, &path);
        break;
    default:
        break;
    }
}

static int before(void *context, const struct call *call)
{
    struct plan *plan = context;
    if (plan->before)
        disturb(plan, call);
    return plan->disturbance == FAIL_CALL && call->number == plan->at ? EIO : 0;
}

static void after(void *context, const struct call *call)
{
    struct plan *plan = context;
    if (!plan->before)
        disturb(plan, call);
}

/* Host 0 serves, host 1 has a client of each kind, host 0 has one, too. */
static void start_all(struct net_world *world)
{
    static const char *const names[CLIENTS] = {"192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"};
    static const char *const ways[CLIENTS] = {"0", "1", "2"};
    net_start(world, 0, "server", NULL, NULL);
    kernel_run(world->kernel, MS);
    for (int i = 0; i < CLIENTS && host_is_up(world->host[1]); i++)
        net_start(world, 1, "client", names[i], ways[i]);
    if (host_is_up(world->host[0]))
        net_start(world, 0, "client", "127.0.0.1", "0");
}

/* Returns how many calls were made. */
static uint64_t run_disturbed(enum disturbance disturbance, uint64_t at, bool is_before)
{
    struct kernel_options options = {.seed = at, .policy = SCHEDULE_RANDOM, .spin_calls = 100000};
    struct net_world *world = net_world_create(&options, programs);
    struct plan plan = {world, disturbance, at, is_before};
    struct kernel_watch watch = {before, after, &plan};
    kernel_watch(world->kernel, &watch);
    start_all(world);
    enum kernel_end end = kernel_run(world->kernel, INT64_MAX);
    uint64_t calls = kernel_call_count(world->kernel);
    ck_assert_msg(end == KERNEL_IDLE, "%s when disturbed at call %llu, way %d%s",
                  kernel_spinner(world->kernel), (unsigned long long) at, disturbance,
                  is_before ? " before" : "");
    host_kill_all(world->host[0]);
    host_kill_all(world->host[1]);
    kernel_run(world->kernel, INT64_MAX);
    ck_assert_uint_eq(kernel_fault_count(world->kernel), 0);
    ck_assert_uint_eq(kernel_live_files(world->kernel), 0);
    ck_assert_uint_eq(kernel_live_bytes(world->kernel), 0);
    ck_assert_msg(net_live_sockets(world->kernel) == 0, "sockets left, call %llu, way %d%s",
                  (unsigned long long) at, disturbance, is_before ? " before" : "");
    net_world_destroy(world);
    return calls;
}

START_TEST(test_disturbed_at_every_call)
{
    enum disturbance disturbance = (enum disturbance)(_i / 2);
    uint64_t calls = run_disturbed(disturbance, 0, false);
    ck_assert_uint_gt(calls, 80);
    for (uint64_t at = 1; at <= calls; at++)
        run_disturbed(disturbance, at, _i % 2);
}
END_TEST

/* The end of the kernel in the middle of everything leaks nothing (AddressSanitizer tells). */
START_TEST(test_ended_at_any_time)
{
    for (int64_t time = 0; time < 3 * MS; time += MS / 100) {
        struct kernel_options options = {.seed = 7};
        struct net_world *world = net_world_create(&options, programs);
        start_all(world);
        kernel_run(world->kernel, MS + time);
        net_world_destroy(world);
    }
}
END_TEST

/* --- watching ----------------------------------------------------------------------------------*/

/* once: a datagram to 192.0.2.9, with garbage or zeros in the address's padding. */
static int once_main(int argc, char **argv, char **environment)
{
    (void) argc;
    (void) environment;
    struct sockaddr_storage to;
    socklen_t size = address_of(argv[1], 53, &to);
    if (argv[2] && argv[2][0] == 'x')
        memset((char *) &to + 8, 'x', 8);
    int fd = net_socket(argv[1], SOCK_DGRAM);
    sim_sendto(fd, "data", 4, 0, (struct sockaddr *) &to, size);
    return 0;
}

static uint64_t hash_of(const char *address, const char *padding, uint8_t fill)
{
    static const struct test_program one[] = {{"once", once_main}, {0, 0}};
    struct kernel_options options = {.seed = 1, .fill_byte = fill};
    struct net_world *world = net_world_create(&options, one);
    net_start(world, 1, "once", address, padding);
    kernel_run(world->kernel, INT64_MAX);
    uint64_t hash = kernel_hash(world->kernel);
    net_world_destroy(world);
    return hash;
}

START_TEST(test_hash)
{
    uint64_t hash = hash_of("192.0.2.9", "0", 0);
    ck_assert_uint_eq(hash, hash_of("192.0.2.9", "0", 0x5a));
    ck_assert_uint_ne(hash, hash_of("192.0.2.8", "0", 0));
    /* Only the argument differs, and it is data of no call. */
    ck_assert_uint_eq(hash, hash_of("192.0.2.9", "x", 0));
}
END_TEST

struct heard {
    char text[4000];
    size_t length;
};

static void hear(void *context, const struct call *call)
{
    struct heard *heard = context;
    struct sockaddr_storage address;
    char text[80] = "-";
    if (call->id != CALL_connect && call->id != CALL_accept && call->id != CALL_sendmsg &&
        call->id != CALL_recvmsg && call->id != CALL_bind)
        return;
    memset(&address, 0, sizeof address);
    if (call->address) {
        memcpy(&address, call->address, call->address_size);
        address_text(&address, text);
    }
    if (heard->length < sizeof heard->text - 200)
        heard->length +=
            (size_t) snprintf(heard->text + heard->length, 200, "%s %s %s %lld %.*s\n",
                              host_name(process_host(call->process)), call_name(call->id), text,
                              (long long) call->result, call->size < 20 ? (int) call->size : 0,
                              call->data ? (const char *) call->data : "");
}

START_TEST(test_watched)
{
    struct kernel_options options = {.seed = 1};
    struct net_world *world = net_world_create(&options, programs);
    static struct heard heard;
    struct kernel_watch watch = {NULL, hear, &heard};
    heard.length = 0;
    kernel_watch(world->kernel, &watch);
    net_start(world, 0, "server", NULL, NULL);
    kernel_run(world->kernel, MS);
    net_start(world, 1, "client", "192.0.2.1", "0");
    kernel_run(world->kernel, INT64_MAX);
    ck_assert_str_eq(heard.text, "host0 bind :: 25 0 \n"
                                 "host0 bind 0.0.0.0 53 0 \n"
                                 "host1 connect 192.0.2.1 53 0 \n"
                                 "host1 sendmsg - 8 question\n"
                                 "host0 recvmsg 192.0.2.2 32768 8 question\n"
                                 "host0 sendmsg 192.0.2.2 32768 8 question\n"
                                 "host1 recvmsg 192.0.2.1 53 8 question\n"
                                 "host1 connect 192.0.2.1 25 -115 \n"
                                 "host1 sendmsg - 5 hello\n"
                                 "host0 accept ::ffff:192.0.2.2 32768 4 \n"
                                 "host0 recvmsg - 5 hello\n"
                                 "host0 sendmsg - 3000 \n"
                                 "host0 accept - -11 \n"
                                 "host1 recvmsg - 3000 \n"
                                 "host0 recvmsg - 0 \n");
    net_world_destroy(world);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("network kills");
    TCase *tests = tcase_create("kill");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, test_disturbed_at_every_call, 0, 2 * LAST);
    tcase_add_test(tests, test_ended_at_any_time);
    tcase_add_test(tests, test_hash);
    tcase_add_test(tests, test_watched);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

/* SPDX-License-Identifier: ISC */
/* Simulated programs that ask a simulated DNS over the simulated network: the resolver with c-ares
 * in it, the made-up DNS, and exact times. */
#include <check.h>

#include "tests/unit/sim/net_world.h"

program_main program_test_resolve_client_main, program_actor_dns_server_main;

static const struct test_program none[] = {{NULL, NULL}};
static const struct test_program client[] = {{"client", program_test_resolve_client_main}, {0, 0}};
static const struct test_program server[] = {{"dns-server", program_actor_dns_server_main}, {0, 0}};

static const char conf[] = "listen 192.0.2.1 53\n"
                           "listen 2001:db8::1 53\n"
                           "zone away.example\n"
                           "record away.example 3600 MX 20 mx2.away.example\n"
                           "record away.example 3600 MX 10 mx.away.example\n"
                           "record mx.away.example 3600 A 198.51.100.1\n"
                           "record mx.away.example 3600 AAAA 2001:db8::1:1\n"
                           "record null.away.example 3600 MX 0 .\n"
                           "record loop.away.example 3600 CNAME loop.away.example\n"
                           "record alias.away.example 3600 CNAME mx.away.example\n"
                           "record cut.away.example 3600 A 198.51.100.2\n"
                           "record four.away.example 3600 A 198.51.100.4\n"
                           "record late.away.example 3600 A 198.51.100.3\n"
                           "record twice.away.example 3600 MX 1 mx.away.example\n"
                           "on fail.* servfail\n"
                           "on silent.* silence\n"
                           "on four.* AAAA silence\n"
                           "on cut.* A truncate\n"
                           "on reset.* truncate only\n"
                           "on late.* A late 3s\n"
                           "on twice.* first 2 silence\n";

static struct net_world *create(const struct kernel_options *options, const char *resolv_conf)
{
    struct net_world *world = net_world_create(options, none);

    kernel_register_program(world->kernel, server->name, server->main);
    kernel_register_program(world->kernel, client->name, client->main);
    net_install(world->host[0], server);
    net_install(world->host[1], client);
    ck_assert_int_eq(host_write_file(world->host[1], "/etc/resolv.conf", resolv_conf,
                                     strlen(resolv_conf), 0, 0, 0644),
                     0);
    static const char hosts[] = "127.0.0.1 localhost\n192.0.2.7 Near.example near # here\n";
    ck_assert_int_eq(
        host_write_file(world->host[1], "/etc/hosts", hosts, sizeof hosts - 1, 0, 0, 0644), 0);
    return world;
}

static struct process *start_server(struct net_world *world)
{
    const char *argv[] = {"dns-server", NULL}, *environment[] = {NULL};
    struct process_spec spec = {.path = "/bin/dns-server",
                                .argv = argv,
                                .environment = environment,
                                .input = conf,
                                .input_size = sizeof conf - 1,
                                .output = machine_output,
                                .ended = machine_ended,
                                .context = &world->said[0]};
    int error;
    struct process *process = process_start(world->host[0], &spec, &error);

    ck_assert_ptr_nonnull(process);
    return process;
}

/* Starts the client with KIND NAME words, in one line. */
static struct process *start_client(struct net_world *world, const char *words)
{
    static char copy[1000];
    const char *argv[40] = {"client", "-m"}, *environment[] = {NULL};
    size_t count = 2;
    struct process_spec spec = {.path = "/bin/client",
                                .argv = argv,
                                .environment = environment,
                                .output = machine_output,
                                .ended = machine_ended,
                                .context = &world->said[1]};
    int error;

    strcpy(copy, words);
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
        argv[count++] = word;
    world->said[1].status = ALIVE;
    struct process *process = process_start(world->host[1], &spec, &error);
    ck_assert_ptr_nonnull(process);
    return process;
}

static unsigned count_of(const char *text, const char *part)
{
    unsigned count = 0;

    for (; (text = strstr(text, part)); text++)
        count++;
    return count;
}

/* --- what is found, and when -------------------------------------------------------------------*/

static const struct {
    const char *words;
    const char *want;
    unsigned udp, tcp; /* questions that the server gets */
} cases[] = {
    {"mx away.example", "mx away.example 0: 10 mx.away.example, 20 mx2.away.example\n", 1, 0},
    {"a mx.away.example", "a mx.away.example 0: 198.51.100.1, 2001:db8::1:1\n", 2, 0},
    {"a alias.away.example", "a alias.away.example 0: 198.51.100.1, 2001:db8::1:1\n", 2, 0},
    {"mx gone.away.example", "mx gone.away.example 0: no domain\n", 1, 0},
    {"mx mx.away.example", "mx mx.away.example 0: no data\n", 1, 0},
    {"mx other.example", "mx other.example 0: trouble\n", 1, 0},
    {"mx fail.away.example", "mx fail.away.example 0: trouble\n", 1, 0},
    {"mx silent.away.example", "mx silent.away.example 30000: trouble\n", 4, 0},
    {"a silent.away.example", "a silent.away.example 30000: trouble\n", 8, 0},
    {"mx twice.away.example", "mx twice.away.example 6002: 1 mx.away.example\n", 3, 0},
    {"a late.away.example", "a late.away.example 3000: 198.51.100.3\n", 3, 0},
    {"a four.away.example", "a four.away.example 5000: 198.51.100.4\n", 3, 0},
    {"a cut.away.example", "a cut.away.example 0: 198.51.100.2\n", 2, 1},
    {"mx reset.away.example", "mx reset.away.example 1: trouble\n", 1, 4},
    {"a loop.away.example", "a loop.away.example 0: trouble\n", 2, 0},
    {"mx null.away.example", "mx null.away.example 0: 0 (null)\n", 1, 0},
    {"a near.EXAMPLE", "a near.EXAMPLE 0: 192.0.2.7\n", 0, 0},
    {"a localhost", "a localhost 0: 127.0.0.1, ::1\n", 0, 0},
    {"mx away.example a silent.away.example a mx.away.example",
     "mx away.example 0: 10 mx.away.example, 20 mx2.away.example\n"
     "a silent.away.example 30000: trouble\n"
     "a mx.away.example 0: 198.51.100.1, 2001:db8::1:1\n",
     11, 0},
};

static void check_case(size_t i, const char *resolv_conf)
{
    const struct kernel_options options = {.seed = 7};
    struct net_world *world = create(&options, resolv_conf);

    start_server(world);
    start_client(world, cases[i].words);
    ck_assert_int_eq(kernel_run(world->kernel, INT64_MAX), KERNEL_IDLE);
    ck_assert_int_eq(world->said[1].status, 0);
    ck_assert_str_eq(world->said[1].output, cases[i].want);
    ck_assert_uint_eq(count_of(world->said[0].output, "query udp"), cases[i].udp);
    ck_assert_uint_eq(count_of(world->said[0].output, "query tcp"), cases[i].tcp);
    net_world_destroy(world);
}

START_TEST(found)
{
    check_case((size_t) _i, "nameserver 192.0.2.1\n");
}
END_TEST

START_TEST(found_over_ipv6)
{
    check_case((size_t) _i, "# comment\nnameserver 2001:db8::1\nsearch away.example\n");
}
END_TEST

/* --- servers that are not there ----------------------------------------------------------------*/

static const struct {
    const char *resolv_conf;
    enum net_fate fate;
    const char *want;
} absences[] = {
    {"nameserver 192.0.2.1\n", NET_OPEN, "mx away.example 0: trouble\n"}, /* nobody listens */
    {"nameserver 192.0.2.1\n", NET_BLACK_HOLE, "mx away.example 30000: trouble\n"},
    {"nameserver 192.0.2.99\n", NET_OPEN, "mx away.example 0: trouble\n"}, /* no such host */
    {"", NET_OPEN, "mx away.example 0: trouble\n"}, /* nobody listens on 127.0.0.1 */
    {"nameserver 192.0.2.1\nnameserver 192.0.2.3\n", NET_BLACK_HOLE,
     "mx away.example 30000: trouble\n"},
};

START_TEST(no_server)
{
    const struct kernel_options options = {.seed = 7};
    struct net_world *world = create(&options, absences[_i].resolv_conf);
    struct net_path path = {.delay_ns = 100000, .fate = absences[_i].fate};

    net_set_path(world->kernel, world->host[1], NULL, &path);
    start_client(world, "mx away.example");
    ck_assert_int_eq(kernel_run(world->kernel, INT64_MAX), KERNEL_IDLE);
    ck_assert_int_eq(world->said[1].status, 0);
    ck_assert_str_eq(world->said[1].output, absences[_i].want);
    net_world_destroy(world);
}
END_TEST

/* The first of two is silent, the second one answers. */
START_TEST(second_server)
{
    const struct kernel_options options = {.seed = 7};
    struct net_world *world =
        create(&options, "nameserver 192.0.2.3\nnameserver 192.0.2.1\nnameserver 192.0.2.2\n");
    struct net_path hole = {.fate = NET_BLACK_HOLE};

    net_set_path(world->kernel, world->host[1], world->host[2], &hole);
    start_server(world);
    start_client(world, "mx away.example");
    ck_assert_int_eq(kernel_run(world->kernel, INT64_MAX), KERNEL_IDLE);
    ck_assert_str_eq(world->said[1].output,
                     "mx away.example 1001: 10 mx.away.example, 20 mx2.away.example\n");
    net_world_destroy(world);
}
END_TEST

/* --- one run is like the other -----------------------------------------------------------------*/

#define ALL                                                                                        \
    "mx away.example a late.away.example a cut.away.example a silent.away.example mx "             \
    "fail.away.example a alias.away.example"

static uint64_t hash_of(const struct kernel_options *options, char *output)
{
    struct net_world *world = create(options, "nameserver 192.0.2.1\nnameserver 2001:db8::1\n");

    start_server(world);
    start_client(world, ALL);
    start_client(world, ALL); /* several at once: they share c-ares */
    ck_assert_int_eq(kernel_run(world->kernel, INT64_MAX), KERNEL_IDLE);
    ck_assert_uint_eq(world->said[1].ended, 2);
    strcpy(output, world->said[1].output);
    uint64_t hash = kernel_hash(world->kernel);
    net_world_destroy(world);
    return hash;
}

START_TEST(same_hash)
{
    struct kernel_options options = {.seed = 3, .policy = SCHEDULE_RANDOM};
    static char first[65536], again[65536];
    uint64_t hash = hash_of(&options, first);

    ck_assert_uint_eq(hash_of(&options, again), hash);
    ck_assert_str_eq(first, again);
    options.fill_byte = 0xa5;
    options.arena_offset = 4096 + 32;
    options.environment_padding = 77;
    ck_assert_uint_eq(hash_of(&options, again), hash);
    ck_assert_str_eq(first, again);
    options.seed = 4;
    ck_assert_uint_ne(hash_of(&options, again), hash);
}
END_TEST

/* Killed at any moment, a program leaves nothing, and the next one is served as before. */
START_TEST(killed)
{
    const struct kernel_options options = {.seed = 7};
    struct net_world *world = create(&options, "nameserver 192.0.2.1\n");
    struct process *process = start_server(world);

    kernel_run(world->kernel, 100 * MS);
    size_t bytes = kernel_live_bytes(world->kernel), files = kernel_live_files(world->kernel);
    for (int i = 0; i < 40; i++) {
        int64_t now = kernel_now(world->kernel);
        struct process *asking = start_client(world, ALL);

        kernel_run(world->kernel, now + i * 7919 * 17);
        if (world->said[1].status == ALIVE)
            process_signal(asking, SIGKILL);
        kernel_run(world->kernel, now + 10000 * MS);
        ck_assert_int_ne(world->said[1].status, ALIVE);
        ck_assert_uint_le(kernel_live_bytes(world->kernel), bytes + 65536); /* the server's own */
        ck_assert_uint_eq(kernel_live_files(world->kernel), files);
    }
    world->said[1].output_size = 0;
    start_client(world, "mx away.example");
    kernel_run(world->kernel, kernel_now(world->kernel) + 1000 * MS);
    ck_assert_str_eq(world->said[1].output,
                     "mx away.example 0: 10 mx.away.example, 20 mx2.away.example\n");
    process_signal(process, SIGTERM);
    ck_assert_int_eq(kernel_run(world->kernel, INT64_MAX), KERNEL_IDLE);
    ck_assert_uint_eq(kernel_live_bytes(world->kernel), 0);
    ck_assert_uint_eq(kernel_live_files(world->kernel), 0);
    net_world_destroy(world);
}
END_TEST

/* --- memory runs out
 * ----------------------------------------------------------------------------*/

/* What programs have not freed when they end. */
static int count_leaks(void *context, const struct call *call)
{
    size_t *leaked = context;

    if (call->id == CALL_exit)
        *leaked += process_live_bytes(call->process);
    return 0;
}

static const char *const out_of_memory[] = {"client", "dns-server"};

START_TEST(no_memory)
{
    const struct kernel_options options = {.seed = 7};
    const char *program = out_of_memory[_i];
    unsigned good = 0, n;

    for (n = 1; n < 2000 && good < 2; n++) {
        struct net_world *world = create(&options, "nameserver 192.0.2.1\n");
        size_t leaked = 0;
        const struct kernel_watch watch = {.before = count_leaks, .context = &leaked};

        kernel_watch(world->kernel, &watch);
        kernel_fail_allocation(world->kernel, program, n);
        struct process *process = start_server(world);
        start_client(world, "mx away.example a cut.away.example a alias.away.example");
        ck_assert_int_eq(kernel_run(world->kernel, INT64_MAX), KERNEL_IDLE);
        int status = world->said[1].status;
        ck_assert_msg(status == 0 || status == 111 << 8, "allocation %u: status %x", n, status);
        if (world->said[0].status == 0 && world->said[0].ended == 0)
            process_signal(process, SIGTERM);
        kernel_run(world->kernel, INT64_MAX);
        ck_assert_str_eq(kernel_fault(world->kernel), "");
        ck_assert_msg(leaked == 0, "allocation %u: %zu bytes leaked", n, leaked);
        bool all = strstr(world->said[1].output, "mx.away.example, 20") &&
                   strstr(world->said[1].output, ": 198.51.100.2") &&
                   strstr(world->said[1].output, ": 198.51.100.1, 2001:db8::1:1");
        ck_assert_msg(all || status == 111 << 8 || strstr(world->said[1].output, "trouble") ||
                          strstr(world->said[1].output, ": 198.51.100.1\n"),
                      "allocation %u: %s", n, world->said[1].output);
        good = all ? good + 1 : 0;
        net_world_destroy(world);
    }
    ck_assert_uint_gt(n, 20);
    ck_assert_uint_lt(n, 2000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("resolve");
    TCase *tests = tcase_create("all");
    const int count = (int) (sizeof cases / sizeof *cases);

    tcase_set_timeout(tests, 30);
    tcase_add_loop_test(tests, found, 0, count);
    tcase_add_loop_test(tests, found_over_ipv6, 0, count);
    tcase_add_loop_test(tests, no_server, 0, (int) (sizeof absences / sizeof *absences));
    tcase_add_test(tests, second_server);
    tcase_add_test(tests, same_hash);
    tcase_add_test(tests, killed);
    tcase_add_loop_test(tests, no_memory, 0, 2);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

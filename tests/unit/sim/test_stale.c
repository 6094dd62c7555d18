/* SPDX-License-Identifier: ISC */
/* What a process holds of what is over. */
#include <check.h>
#include <fcntl.h>
#include <poll.h>

#include "tests/unit/sim/net_world.h"

/* keep ADDRESS: keeps a connection, a file and a removed one, and waits for ever. */
static int keep_main(int argc, char **argv, char **environment)
{
    (void) environment;
    MUST(argc == 2);
    int listener = net_listen(argv[1], 25, 5);
    MUST(listener >= 0);
    MUST(sim_open("/kept", O_RDWR | O_CREAT, 0600) >= 0);
    MUST(sim_open("/gone", O_RDWR | O_CREAT, 0600) >= 0);
    MUST(sim_accept4(listener, NULL, NULL, SOCK_CLOEXEC) >= 0);
    sim_poll(NULL, 0, 2000);
    MUST(sim_unlink("/gone") == 0);
    return sim_poll(NULL, 0, -1);
}

/* call ADDRESS: is connected for a second. */
static int call_main(int argc, char **argv, char **environment)
{
    (void) environment;
    MUST(argc == 2);
    MUST(net_dial(argv[1], 25) >= 0);
    return sim_poll(NULL, 0, 1000);
}

static const struct test_program programs[] = {
    {"keep", keep_main}, {"call", call_main}, {NULL, NULL}};

START_TEST(counts_what_is_over)
{
    const struct kernel_options options = {.seed = 1};
    struct net_world *world = net_world_create(&options, programs);
    struct process *process = net_start(world, 0, "keep", v4_names[0], NULL);
    const char *what = NULL;

    kernel_run(world->kernel, MS);
    net_start(world, 1, "call", v4_names[0], NULL);
    kernel_run(world->kernel, 500 * MS);
    ck_assert_uint_eq(process_stale_count(process, &what), 0);
    ck_assert_ptr_null(what);
    kernel_run(world->kernel, 1500 * MS);
    ck_assert_uint_eq(process_stale_count(process, &what), 1);
    ck_assert_str_eq(what, "a connection that the other side has ended");
    kernel_run(world->kernel, 3000 * MS);
    ck_assert_uint_eq(process_stale_count(process, &what), 2);
    ck_assert_str_eq(what, "a file that was removed");
    net_world_destroy(world);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stale");
    TCase *tests = tcase_create("stale");
    SRunner *runner;
    int failed;

    tcase_add_test(tests, counts_what_is_over);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

/* SPDX-License-Identifier: ISC */
/* The policies of the scheduler: repeatable, fair in the end, and what orders they reach. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim/kernel/policy.h"
#include "tests/unit/sim/machine.h"

#define SEEDS 100

/* --- programs ----------------------------------------------------------------------------------*/

/* Writes its letter to a file that all share, three times. */
static int letters_main(int argc, char **argv, char **environment)
{
    (void) argc, (void) environment;
    int fd = sim_open("/tmp/letters", O_CREAT | O_WRONLY | O_APPEND, 0600);
    MUST(fd >= 0);
    for (int i = 0; i < 3; i++)
        MUST(sim_write(fd, argv[1], 1) == 1);
    return 0;
}

static int number_in(const char *path)
{
    char text[16] = "";
    int fd = sim_open(path, O_RDONLY);
    if (fd < 0)
        return 0;
    ssize_t size = sim_read(fd, text, sizeof text - 1);
    sim_close(fd);
    return size > 0 ? atoi(text) : 0;
}

/* Adds 1 to a number without a lock: one that comes between is lost. */
static int adder_main(int argc, char **argv, char **environment)
{
    (void) argc, (void) argv, (void) environment;
    char text[16];
    int length = snprintf(text, sizeof text, "%d", number_in("/tmp/number") + 1);
    int fd = sim_open("/tmp/number", O_CREAT | O_WRONLY, 0600);
    MUST(fd >= 0 && sim_write(fd, text, (size_t) length) == length);
    sim_close(fd);
    return 0;
}

/* Never waits until the other one has come to its end. */
static int busy_main(int argc, char **argv, char **environment)
{
    (void) argc, (void) argv, (void) environment;
    struct stat status;
    while (sim_stat("/tmp/done", &status) != 0)
        ;
    return 0;
}

static int done_main(int argc, char **argv, char **environment)
{
    (void) argc, (void) argv, (void) environment;
    struct stat status;
    for (int i = 0; i < 8; i++)
        sim_stat("/tmp", &status);
    MUST(sim_open("/tmp/done", O_CREAT | O_WRONLY, 0600) >= 0);
    return 0;
}

/* Two that wait for each other by turns, and end after 100. */
static int ping_main(int argc, char **argv, char **environment)
{
    (void) argc, (void) argv, (void) environment;
    int there[2], back[2], status;
    char byte = 0;
    MUST(sim_pipe(there) == 0 && sim_pipe(back) == 0);
    char in[8], out[8], *const pong[] = {TEXT("pong"), in, out, NULL};
    snprintf(in, sizeof in, "%d", there[0]);
    snprintf(out, sizeof out, "%d", back[1]);
    pid_t pid = spawn_program("/bin/pong", pong);
    MUST(pid > 0);
    for (int i = 0; i < 100; i++)
        MUST(sim_write(there[1], &byte, 1) == 1 && sim_read(back[0], &byte, 1) == 1);
    MUST(sim_waitpid(pid, &status, 0) == pid);
    return WEXITSTATUS(status);
}

static int pong_main(int argc, char **argv, char **environment)
{
    (void) argc, (void) environment;
    char byte;
    for (int i = 0; i < 100; i++)
        MUST(sim_read(atoi(argv[1]), &byte, 1) == 1 && sim_write(atoi(argv[2]), &byte, 1) == 1);
    return 0;
}

static const struct test_program programs[] = {
    {"letters", letters_main}, {"adder", adder_main}, {"busy", busy_main}, {"done", done_main},
    {"ping", ping_main},       {"pong", pong_main},   {NULL, NULL}};

/* --- runs --------------------------------------------------------------------------------------*/

static struct machine *machine_of(enum schedule_policy policy, uint64_t seed)
{
    struct kernel_options options = {.seed = seed, .policy = policy};
    return machine_create(&options, programs);
}

/* What three that write letters have written. */
static void order_of(enum schedule_policy policy, uint64_t seed, char order[16], uint64_t *hash)
{
    struct machine *machine = machine_of(policy, seed);
    char *text = NULL;
    size_t size = 0;
    for (const char *const *name = (const char *const[]){"a", "b", "c", NULL}; *name; name++)
        machine_start_as(machine, 0, "letters", *name, NULL);
    ck_assert_int_eq(kernel_run(machine->kernel, INT64_MAX), KERNEL_IDLE);
    ck_assert_int_eq(host_read_file(machine->host, "/tmp/letters", &text, &size), 0);
    ck_assert_uint_eq(size, 9);
    memcpy(order, text, size + 1);
    *hash = kernel_hash(machine->kernel);
    free(text);
    machine_destroy(machine);
}

/* How many different orders the seeds give, which must not differ if they are run again. */
static size_t count_orders(enum schedule_policy policy, unsigned seeds)
{
    static char orders[SEEDS][16];
    size_t count = 0;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        char order[16], again[16];
        uint64_t hash, hash_again;
        size_t i = 0;
        order_of(policy, seed, order, &hash);
        order_of(policy, seed, again, &hash_again);
        ck_assert_str_eq(order, again);
        ck_assert_uint_eq(hash, hash_again);
        while (i < count && strcmp(orders[i], order) != 0)
            i++;
        if (i == count)
            memcpy(orders[count++], order, sizeof order);
    }
    return count;
}

START_TEST(test_orders)
{
    static const size_t least[SCHEDULE_COUNT] = {1, 20, 10, 20};
    size_t count = count_orders((enum schedule_policy) _i, SEEDS);
    ck_assert_msg(_i == SCHEDULE_ROUND_ROBIN ? count == 1 : count >= least[_i], "%s: %zu orders",
                  schedule_name((enum schedule_policy) _i), count);
}
END_TEST

/* How many seeds of a hundred show that two add to a number without a lock. */
static unsigned lost_updates(enum schedule_policy policy)
{
    unsigned lost = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct machine *machine = machine_of(policy, seed);
        char *text = NULL;
        size_t size = 0;
        machine_start(machine, "adder");
        machine_start(machine, "adder");
        ck_assert_int_eq(kernel_run(machine->kernel, INT64_MAX), KERNEL_IDLE);
        ck_assert_int_eq(host_read_file(machine->host, "/tmp/number", &text, &size), 0);
        lost += atoi(text) != 2;
        free(text);
        machine_destroy(machine);
    }
    return lost;
}

START_TEST(test_a_race_is_met)
{
    unsigned lost = lost_updates((enum schedule_policy) _i);
    if (_i == SCHEDULE_ROUND_ROBIN)
        ck_assert_uint_eq(lost, 0);
    else
        ck_assert_msg(lost >= 5 && lost <= 95, "%s: %u of 100",
                      schedule_name((enum schedule_policy) _i), lost);
}
END_TEST

/* Somebody who never waits keeps nobody from running for ever, nor counts as spinning for it. */
START_TEST(test_fair_in_the_end)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct machine *machine = machine_of((enum schedule_policy) _i, seed);
        machine_start(machine, "busy");
        machine_start(machine, "done");
        enum kernel_end end = kernel_run(machine->kernel, INT64_MAX);
        ck_assert_msg(end == KERNEL_IDLE && machine->ended == 2, "seed %llu: ends with %d",
                      (unsigned long long) seed, end);
        ck_assert_int_lt(kernel_now(machine->kernel), 12 * (int64_t) PATIENCE_MAX_NS);
        machine_destroy(machine);
    }
}
END_TEST

/* When all that could run are starved, time goes on until they are not. */
START_TEST(test_nobody_waits_for_ever)
{
    int64_t longest = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct machine *machine = machine_of((enum schedule_policy) _i, seed);
        ck_assert_int_eq(machine_run(machine, "ping"), 0);
        if (kernel_now(machine->kernel) > longest)
            longest = kernel_now(machine->kernel);
        machine_destroy(machine);
    }
    if (_i == SCHEDULE_STARVE)
        ck_assert_int_gt(longest, 10000000);
    else
        ck_assert_int_lt(longest, 10000000);
}
END_TEST

START_TEST(test_names)
{
    for (int i = 0; i < SCHEDULE_COUNT; i++) {
        enum schedule_policy policy = SCHEDULE_COUNT;
        ck_assert_int_eq(schedule_named(schedule_name((enum schedule_policy) i), &policy), 0);
        ck_assert_int_eq((int) policy, i);
    }
    enum schedule_policy policy;
    ck_assert_int_eq(schedule_named("rand", &policy), -1);
    ck_assert_int_eq(schedule_named("", &policy), -1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("schedules");
    TCase *tcase = tcase_create("policies");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, test_orders, 0, SCHEDULE_COUNT);
    tcase_add_loop_test(tcase, test_a_race_is_met, 0, SCHEDULE_COUNT);
    tcase_add_loop_test(tcase, test_fair_in_the_end, 0, SCHEDULE_COUNT);
    tcase_add_loop_test(tcase, test_nobody_waits_for_ever, 0, SCHEDULE_COUNT);
    tcase_add_test(tcase, test_names);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}

/* SPDX-License-Identifier: ISC */
/* The made-up world's shell. */
#include <check.h>
#include <sys/wait.h>

#include "tests/unit/sim/machine.h"

#include "sim/programs.h" /* after machine.h, which has a parameter of that name */

/* Writes its arguments in brackets. */
static int show_main(int argc, char **argv, char **environment)
{
    (void) environment;
    for (int i = 0; i < argc; i++) {
        sim_write(1, "[", 1);
        sim_write(1, argv[i], strlen(argv[i]));
        sim_write(1, "]", 1);
    }
    return 7;
}

static const struct {
    const char *line;
    const char *want;
    int status;
} cases[] = {
    {"show a  b", "[show][a][b]", 7},
    {"exec show a", "[show][a]", 7},
    {"/bin/show", "[/bin/show]", 7},
    {"\tshow 'a b' \"c 'd'\" e\\ f ''", "[show][a b][c 'd'][e f][]", 7},
    {"show a'b'\"c\"", "[show][abc]", 7},
    {"show \"\\\\ \\\" \\x\"", "[show][\\ \" \\x]", 7},
    {"show 'a|b;$c'", "[show][a|b;$c]", 7},
    {"", "", 0},
    {"nothing here", "sh: not found: nothing here\n", 127},
    {"/bin/nothing", "sh: not found: /bin/nothing\n", 127},
    {"/tmp", "sh: cannot be run: /tmp\n", 126},
    {"show a | show b", "sh: more than the simulated shell understands: show a | show b\n", 127},
    {"show $HOME", "sh: more than the simulated shell understands: show $HOME\n", 127},
    {"show \"$HOME\"", "sh: more than the simulated shell understands: show \"$HOME\"\n", 127},
    {"show 'a", "sh: more than the simulated shell understands: show 'a\n", 127},
    {"show a\\", "sh: more than the simulated shell understands: show a\\\n", 127},
    {"show >f", "sh: more than the simulated shell understands: show >f\n", 127},
};

static struct machine *make_machine(void)
{
    static struct test_program table[] = {{"show", show_main}, {"sh", NULL}, {NULL, NULL}};
    struct kernel_options options = {.seed = 1};

    for (const struct program *program = programs; program->name; program++)
        if (strcmp(program->name, "sh") == 0)
            table[1].main = program->main;
    ck_assert_ptr_nonnull(table[1].main);
    return machine_create(&options, table);
}

START_TEST(runs_a_line)
{
    struct machine *machine = make_machine();

    machine_start_as(machine, 0, "sh", "-c", cases[_i].line);
    ck_assert_int_eq(kernel_run(machine->kernel, INT64_MAX), KERNEL_IDLE);
    ck_assert_str_eq(machine->output, cases[_i].want);
    ck_assert_int_eq(WEXITSTATUS(machine->status), cases[_i].status);
    ck_assert_uint_eq(kernel_live_bytes(machine->kernel), 0);
    machine_destroy(machine);
}
END_TEST

START_TEST(wants_a_line)
{
    struct machine *machine = make_machine();

    machine_start_as(machine, 0, "sh", "script", "x");
    kernel_run(machine->kernel, INT64_MAX);
    ck_assert_int_eq(WEXITSTATUS(machine->status), 127);
    machine_destroy(machine);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sh");
    TCase *tests = tcase_create("sh");
    SRunner *runner;
    int failed;

    tcase_add_loop_test(tests, runs_a_line, 0, sizeof cases / sizeof *cases);
    tcase_add_test(tests, wants_a_line);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

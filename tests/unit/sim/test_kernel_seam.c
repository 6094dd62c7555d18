/* SPDX-License-Identifier: ISC */
/* Every name of posix.list is a call of the simulated kernel: sim_NAME is in the library. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_MAX 2000

static char *names[NAMES_MAX];
static size_t name_count;

static void read_symbols(void)
{
    char command[256], line[512], symbol[256], type;
    const char *build = getenv("BUILD");
    snprintf(command, sizeof command, "nm --defined-only %s/libsim.a 2>/dev/null",
             build ? build : "build");
    FILE *output = popen(command, "r");
    ck_assert_ptr_nonnull(output);
    while (fgets(line, sizeof line, output) && name_count < NAMES_MAX)
        if (sscanf(line, "%*x %c sim_%255s", &type, symbol) == 2 && type == 'T')
            names[name_count++] = strdup(symbol);
    pclose(output);
    ck_assert_uint_gt(name_count, 100);
}

static int has_symbol(const char *name)
{
    for (size_t i = 0; i < name_count; i++)
        if (strcmp(names[i], name) == 0)
            return 1;
    return 0;
}

START_TEST(test_every_listed_call_exists)
{
    char line[256];
    unsigned count = 0;
    FILE *list = fopen("sim/kernel/posix.list", "r");
    ck_assert_msg(list, "run this from the top of the tree");
    read_symbols();
    ck_assert(!has_symbol("fork"));
    while (fgets(line, sizeof line, list)) {
        line[strcspn(line, "# \t\n")] = 0;
        if (!line[0])
            continue;
        ck_assert_msg(has_symbol(line), "posix.list names %s, but there is no sim_%s", line, line);
        count++;
    }
    fclose(list);
    while (name_count > 0)
        free(names[--name_count]);
    ck_assert_uint_gt(count, 100);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kernel seam");
    TCase *tests = tcase_create("seam");
    tcase_add_test(tests, test_every_listed_call_exists);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

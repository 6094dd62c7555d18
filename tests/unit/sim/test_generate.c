/* SPDX-License-Identifier: ISC */
/* Made-up scenarios: each is valid and in the one right form, the same seed gives the same, and
 * together they have all there is.  With CHECK_ALL of 20,000 seeds, else of 300. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "sim/explore/generate.h"
#include "sim/scenario/scenario.h"
#include "sim/scenario/tree.h"

static uint64_t seeds(void)
{
    return getenv("CHECK_ALL") ? 20000 : 300;
}

/* As `nixie fmt` would have it. */
static void check_form(uint64_t seed, const char *text, size_t size)
{
    struct pool pool = {0};
    struct complaints complaints = {.pool = &pool};
    struct source source = {.name = "made-up", .text = text, .size = size};
    struct tree tree;
    char *printed = NULL;
    size_t printed_size = 0;
    tree_read(&source, &complaints, &tree);
    FILE *to = open_memstream(&printed, &printed_size);
    tree_print(&tree, to);
    fclose(to);
    ck_assert_msg(printed_size == size && memcmp(printed, text, size) == 0,
                  "seed %llu: not in the right form:\n%s", (unsigned long long) seed, text);
    free(printed);
    pool_free(&pool);
}

START_TEST(test_valid)
{
    for (uint64_t seed = 0; seed < seeds(); seed++) {
        size_t size;
        char *text = generate_scenario(seed, &size);
        ck_assert_uint_eq(strlen(text), size);
        struct scenario *scenario = scenario_parse("made-up", text, size, NULL, 0, stderr);
        ck_assert_msg(scenario, "seed %llu: not valid:\n%s", (unsigned long long) seed, text);
        scenario_free(scenario);
        check_form(seed, text, size);
        free(text);
    }
}
END_TEST

START_TEST(test_same_seed_same_text)
{
    char *one, *again, *other;
    size_t size;
    one = generate_scenario(7, &size);
    again = generate_scenario(7, &size);
    other = generate_scenario(8, &size);
    ck_assert_str_eq(one, again);
    ck_assert_str_ne(one, other);
    free(one);
    free(again);
    free(other);
}
END_TEST

/* Each is in some of them, and in no more than most. */
static const char *const things[] = {
    "\nhost other ", "\nremote away", "\nclient app",   "\ndns\n",       "\nnetwork ",
    "single-user",   "./Mailbox",     "program first",  "alias list",    "virtualdomains",
    "concurrency",   "queuelifetime", "nobody@",        "from \"\"",     " times ",
    "    | Subject", " hold ",        " delete ",       " signal send ", " stop mail",
    " kill ",        " power keep ",  "\nfault ",       " disk full",    " clock ",
    " greylisted",   "take silence",  " silent after ", "\nat 0s ",      "before m1 enters",
};

START_TEST(test_all_there_is)
{
    size_t counts[sizeof things / sizeof *things] = {0};
    for (uint64_t seed = 1; seed <= 1000; seed++) {
        size_t size;
        char *text = generate_scenario(seed, &size);
        for (size_t i = 0; i < sizeof things / sizeof *things; i++)
            counts[i] += strstr(text, things[i]) != NULL;
        free(text);
    }
    for (size_t i = 0; i < sizeof things / sizeof *things; i++)
        ck_assert_msg(counts[i] >= 3 && counts[i] <= 800, "\"%s\" is in %zu of 1000", things[i],
                      counts[i]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("made-up scenarios");
    TCase *tests = tcase_create("generate");
    tcase_set_timeout(tests, 600);
    tcase_add_test(tests, test_valid);
    tcase_add_test(tests, test_same_seed_same_text);
    tcase_add_test(tests, test_all_there_is);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

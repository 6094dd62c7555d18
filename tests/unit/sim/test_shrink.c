/* SPDX-License-Identifier: ISC */
/* What the shrinker stands on: printing and reading are inverse, any line may go, reasons can be
 * compared; and the shrinker itself, on disks that lie. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "sim/explore/draft.h"
#include "sim/explore/reason.h"
#include "sim/explore/shrink.h"
#include "sim/kernel/random.h"
#include "sim/scenario/files.h"

static const char **files;
static size_t file_count;
static struct pool pool;
static FILE *nowhere;

static void find_files(void)
{
    nowhere = fopen("/dev/null", "w");
    ck_assert_int_eq(files_find(&pool, "scenarios", &files, &file_count), 0);
    ck_assert_uint_gt(file_count, 50);
}

static void forget_files(void)
{
    fclose(nowhere);
    pool_free(&pool);
    files = NULL;
    file_count = 0;
}

/* --- reading what was printed
 * -------------------------------------------------------------------*/

static bool same_bytes(const char *a, size_t a_size, const char *b, size_t b_size)
{
    return a_size == b_size && (a_size == 0 || memcmp(a, b, a_size) == 0);
}

static bool same_statement(const struct statement *a, const struct statement *b)
{
    bool same = a->word_count == b->word_count && a->child_count == b->child_count &&
                a->line_count == b->line_count &&
                same_bytes(a->comment, a->comment_size, b->comment, b->comment_size);
    for (size_t i = 0; same && i < a->word_count; i++)
        same = same_bytes(a->words[i].raw, a->words[i].size, b->words[i].raw, b->words[i].size) &&
               a->words[i].quoted == b->words[i].quoted;
    for (size_t i = 0; same && i < a->line_count; i++)
        same = same_bytes(a->lines[i].text, a->lines[i].size, b->lines[i].text, b->lines[i].size);
    for (size_t i = 0; same && i < a->child_count; i++)
        same = same_statement(a->children[i], b->children[i]);
    return same;
}

/* Reading what is printed gives the same tree, which is printed in the same way. */
static void check_inverse(const char *what, const struct draft *draft)
{
    struct draft again;
    size_t size, size_again;
    char *text = draft_print(draft, &size), *text_again;
    ck_assert_msg(draft_read(&again, text, size) == 0, "%s: cannot be read again:\n%s", what, text);
    text_again = draft_print(&again, &size_again);
    ck_assert_msg(same_statement(&draft->tree.root, &again.tree.root), "%s: another tree:\n%s",
                  what, text);
    ck_assert_msg(same_bytes(text, size, text_again, size_again), "%s:\n%s\nis printed as\n%s",
                  what, text, text_again);
    free(text);
    free(text_again);
    draft_free(&again);
}

static void read_file(const char *path, struct draft *draft)
{
    struct source source;
    ck_assert_int_eq(source_read(&pool, path, SOURCE_SIZE_MAX, &source), 0);
    ck_assert_msg(draft_read(draft, source.text, source.size) == 0, "%s", path);
}

START_TEST(printing_and_reading_are_inverse)
{
    for (size_t i = 0; i < file_count; i++) {
        struct draft draft;
        read_file(files[i], &draft);
        check_inverse(files[i], &draft);
        draft_free(&draft);
    }
}
END_TEST

/* --- trees that nobody wrote ------------------------------------------------------------------*/

static size_t below(struct random *random, size_t limit)
{
    return (size_t) random_below(random, limit);
}

static struct statement *any_statement(struct draft *draft, struct random *random)
{
    size_t count = 0;
    while (draft_statement(draft, count))
        count++;
    return count ? draft_statement(draft, below(random, count)) : NULL;
}

static void mutate_words(struct draft *draft, struct random *random, struct statement *statement)
{
    static const char *const odd[] = {"\"\"",      "\"a b\"", "\"\\\"\"", "\"#\"", "a#b",
                                      "\"\\x00\"", "${n}",    "|",        "*",     "\xff"};
    size_t at = below(random, statement->word_count);
    const struct statement *other = any_statement(draft, random);
    switch (below(random, 4)) {
    case 0:
        if (statement->word_count > 1)
            words_replace(draft, statement, at, 1, "");
        break;
    case 1:
        if (at > 0)
            word_set(draft, statement, at, odd[below(random, sizeof odd / sizeof *odd)]);
        break;
    case 2:
        if (other && other->word_count > 0)
            word_set(draft, statement, at,
                     draft_word(draft, other, below(random, other->word_count)));
        break;
    default:
        words_replace(draft, statement, at, 0, draft_word(draft, statement, at));
    }
    if (*statement->words[0].raw == '|') /* would be a line of text */
        word_set(draft, statement, 0, "a");
}

static void mutate(struct draft *draft, struct random *random)
{
    struct statement *statement = any_statement(draft, random), *parent;
    size_t index;
    if (!statement)
        return;
    parent = draft_parent(draft, statement, &index);
    switch (below(random, 6)) {
    case 0:
        statements_remove(parent, index, 1);
        break;
    case 1:
        if (index > 0) {
            parent->children[index] = parent->children[index - 1];
            parent->children[index - 1] = statement;
        }
        break;
    case 2:
        if (statement->line_count > 0)
            lines_remove(statement, below(random, statement->line_count), 1);
        break;
    case 3:
        statement->blank_before = !statement->blank_before;
        break;
    default:
        if (statement->word_count > 0)
            mutate_words(draft, random, statement);
    }
}

/* Comments of their own go: one that ends a block is no longer there when it is the last of all. */
static void drop_comments(struct statement *statement)
{
    for (size_t i = statement->child_count; i-- > 0;) {
        drop_comments(statement->children[i]);
        if (statement->children[i]->word_count == 0)
            statements_remove(statement, i, 1);
    }
}

START_TEST(mutated_trees_are_inverse_too)
{
    struct random random;
    random_seed(&random, 1, 4);
    for (size_t i = 0; i < file_count; i++) {
        for (int round = 0; round < 30; round++) {
            struct draft draft;
            size_t size, count;
            struct flaw flaws[4];
            read_file(files[i], &draft);
            drop_comments(&draft.tree.root);
            for (size_t steps = 1 + below(&random, 8); steps > 0; steps--)
                mutate(&draft, &random);
            check_inverse(files[i], &draft);
            char *text = draft_print(&draft, &size);
            scenario_free(scenario_try(files[i], text, size, flaws, 4, &count));
            free(text);
            draft_free(&draft);
        }
    }
}
END_TEST

/* --- without a line
 * -----------------------------------------------------------------------------*/

static void run_shortly(const struct scenario *scenario)
{
    struct run_options options = {.seed = 1, .calls_max = 20000};
    struct run_result result;
    scenario_run(scenario, &options, &result);
    ck_assert_int_ne(result.verdict, VERDICT_BROKEN);
    run_result_free(&result);
}

/* Every n-th of those that are valid still is run for a while. */
static void check_without_lines(const char *path, size_t *valid)
{
    struct source source;
    ck_assert_int_eq(source_read(&pool, path, SOURCE_SIZE_MAX, &source), 0);
    for (size_t at = 0; at < source.size;) {
        const char *newline = memchr(source.text + at, '\n', source.size - at);
        size_t end = newline ? (size_t) (newline - source.text) + 1 : source.size, count;
        char *text = must_alloc(source.size + 1);
        struct flaw flaws[4];
        memcpy(text, source.text, at);
        memcpy(text + at, source.text + end, source.size - end);
        struct scenario *scenario =
            scenario_try(path, text, source.size - (end - at), flaws, 4, &count);
        ck_assert_msg(scenario || count > 0, "%s without the line at %zu: no flaw", path, at);
        if (scenario && scenario_plays(scenario, nowhere) == 0 && (*valid)++ % 25 == 0)
            run_shortly(scenario);
        scenario_free(scenario);
        free(text);
        at = end;
    }
}

START_TEST(any_line_may_go)
{
    size_t valid = 0;
    for (size_t i = 0; i < file_count; i++)
        check_without_lines(files[i], &valid);
    ck_assert_uint_gt(valid, 500);
}
END_TEST

/* --- reasons ----------------------------------------------------------------------------------*/

#define STORY                                                                                      \
    "host mail example.com\n    user alice\n    user bob\nremote away\n    serves away.example\n"  \
    "at 0s alice sends m1 to bob@example.com\nat 0s alice sends m to bob@example.com times 3\n"

static struct scenario *parse(const char *text)
{
    struct scenario *scenario = scenario_parse("test", text, strlen(text), NULL, 0, stderr);
    ck_assert_ptr_nonnull(scenario);
    return scenario;
}

static const struct {
    const char *promise, *message, *other_promise, *other;
    bool equal;
} reasons[] = {
    {"LOST", "m1 was accepted for bob@example.com and is gone: todo/1 unsynced (at +4ms)", "LOST",
     "m.2 was accepted for bob@example.com and is gone: todo/77 unsynced (at +1h00m00s)", true},
    {"LOST", "m1 was accepted for bob@example.com and is gone: todo/1 unsynced (at +4ms)", "LOST",
     "m1 was accepted for bob@example.com and is gone: mess/1 unsynced (at +4ms)", false},
    {"LOST", "m1 was accepted for a@b and is gone", "LOST",
     "m1.bounce was accepted for a@b and is gone", false},
    {"LOST", "m1 was accepted for a@b and is gone", "LOST", "m1#2 was accepted for a@b and is gone",
     true},
    {"LOST", "m1 was accepted for a@b and is gone", "LOST", "m1 was accepted for c@d and is gone",
     false},
    {"LOST", "m1 was tried", "STUCK", "m1 was tried", false},
    {"SCHEDULE", "m1 was tried at +6m01s, not +6m40s", "SCHEDULE",
     "m1 was tried at +26m01s, not +26m40s", true},
    {"DUPLICATE", "m1 is in what away took 2 times", "DUPLICATE", "m1 is in what mail took 3 times",
     true},
    {NULL, "m1: tried at +10ms", NULL, "m1: tried at +10ms", true},
    {NULL, "m1: tried at +10ms", NULL, "m1: tried at +11ms", false},
    {NULL, "m1: tried", "LOST", "m1: tried", false},
};

START_TEST(reasons_are_equal_or_not)
{
    struct scenario *scenario = parse(STORY);
    struct failure failure = {.promise = reasons[_i].promise};
    struct failure other = {.promise = reasons[_i].other_promise};
    struct run_result result = {.verdict = VERDICT_FAILED, .failures = &other, .failure_count = 1};
    struct reason reason;
    failure.message = must_copy(reasons[_i].message, strlen(reasons[_i].message));
    other.message = must_copy(reasons[_i].other, strlen(reasons[_i].other));
    reason_of(scenario, &failure, &reason);
    ck_assert_msg((reason_find(&reason, scenario, &result) == &other) == reasons[_i].equal,
                  "%s and %s: %s", failure.message, other.message, reason.kind);
    result.verdict = VERDICT_WRONG;
    ck_assert_ptr_null(reason_find(&reason, scenario, &result));
    reason_free(&reason);
    free(failure.message);
    free(other.message);
    scenario_free(scenario);
}
END_TEST

/* --- shrinking --------------------------------------------------------------------------------*/

/* A disk that lies loses what was accepted, whatever the server does. */
static const char lies[] =
    "# A comment.\n"
    "param who bob\n"
    "scenario \"a disk that lies\"\n"
    "host mail example.com\n"
    "    disk strict+liar\n"
    "    control queuelifetime 86400\n"
    "    user alice\n"
    "    user bob\n"
    "    user carol\n"
    "remote away\n"
    "    serves away.example\n"
    "at 0.25s alice sends m1 to carol@example.com x@away.example\n"
    "    | Subject: one\n"
    "    |\n"
    "    | A text.\n"
    "at 1.5s alice sends m2 to ${who}@example.com carol@example.com times 4\n"
    "at 1.000345678s kill log\n"
    "at 1.508345678s crash mail power keep all\n"
    "    lose \"*/queue/*\"\n"
    "    lose \"*/Maildir/*\" if any\n"
    "    keep \"*/home/alice*\" if any\n"
    "at 2.508345678s boot mail\n"
    "expect m1 delivered\n";

static void shrink_text(const char *text, const char *promise, struct shrink_result *result)
{
    struct shrink_options options = {.promise = promise, .seed = 7, .policy = SCHEDULE_RANDOM};
    const char *why = "";
    ck_assert_msg(shrink("test", text, strlen(text), &options, result, &why) == 0, "%s", why);
    ck_assert(result->complete);
}

START_TEST(a_story_is_made_small)
{
    struct shrink_result result, again;
    shrink_text(lies, "LOST", &result);
    ck_assert_str_eq(result.promise, "LOST");
    ck_assert_uint_eq(result.seed, 1);
    ck_assert_int_eq(result.policy, SCHEDULE_ROUND_ROBIN);
    struct draft draft;
    ck_assert_int_eq(draft_read(&draft, result.text, result.size), 0);
    size_t count = 0;
    for (size_t i = 0; i < draft.tree.root.child_count; i++)
        count += draft.tree.root.children[i]->word_count > 0;
    ck_assert_msg(count <= 5, "%s", result.text);
    ck_assert_ptr_null(strstr(result.text, "remote"));
    ck_assert_ptr_null(strstr(result.text, "345"));
    ck_assert_ptr_nonnull(strstr(result.text, "fails until LOST holds"));
    ck_assert_ptr_nonnull(strstr(result.text, "after crash 1s boot mail"));
    draft_free(&draft);
    shrink_text(lies, "LOST", &again);
    ck_assert_str_eq(again.text, result.text);
    ck_assert_uint_eq(again.runs, result.runs);
    shrink_result_free(&again);
    shrink_result_free(&result);
}
END_TEST

START_TEST(what_does_not_fail_is_refused)
{
    struct shrink_options options = {.promise = "LEAK"};
    struct shrink_result result;
    const char *why = NULL;
    ck_assert_int_eq(shrink("test", STORY, strlen(STORY), &options, &result, &why), -1);
    ck_assert_ptr_nonnull(why);
    ck_assert_int_eq(shrink("test", "host", 4, &options, &result, &why), -1);
    ck_assert_int_eq(shrink("test", "\"", 1, &options, &result, &why), -1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("shrink");
    TCase *inverse = tcase_create("inverse"), *steps = tcase_create("steps");
    tcase_add_checked_fixture(inverse, find_files, forget_files);
    tcase_set_timeout(inverse, 60);
    tcase_add_test(inverse, printing_and_reading_are_inverse);
    tcase_add_test(inverse, mutated_trees_are_inverse_too);
    tcase_add_test(inverse, any_line_may_go);
    tcase_set_timeout(steps, 60);
    tcase_add_loop_test(steps, reasons_are_equal_or_not, 0,
                        (int) (sizeof reasons / sizeof *reasons));
    tcase_add_test(steps, a_story_is_made_small);
    tcase_add_test(steps, what_does_not_fail_is_refused);
    suite_add_tcase(suite, inverse);
    suite_add_tcase(suite, steps);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

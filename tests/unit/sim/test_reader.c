/* SPDX-License-Identifier: ISC */
/* The reader of scenario files: trees, places, bounds, and hostile input; and the printer. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "sim/kernel/random.h"
#include "sim/scenario/tree.h"

struct reading {
    struct pool pool;
    struct complaints complaints;
    struct source source;
    struct tree tree;
};

static void read_bytes(struct reading *reading, const char *text, size_t size)
{
    memset(reading, 0, sizeof *reading);
    reading->complaints.pool = &reading->pool;
    reading->source = (struct source){"test", pool_copy(&reading->pool, text, size), size};
    tree_read(&reading->source, &reading->complaints, &reading->tree);
}

static void done(struct reading *reading)
{
    pool_free(&reading->pool);
}

/* What the tree prints as; malloc'd. */
static char *printed(const struct reading *reading, size_t *size)
{
    char *text = NULL;
    FILE *to = open_memstream(&text, size);

    ck_assert_ptr_nonnull(to);
    tree_print(&reading->tree, to);
    fclose(to);
    return text;
}

static const struct {
    const char *text;
    const char *want;
} formats[] = {
    {"a   b\tc  \n", "a b c\n"},
    {"a\r\nb\r\n", "a\nb\n"},
    {"\xef\xbb\xbf"
     "a\n",
     "a\n"},
    {"a", "a\n"},
    {"\n\n\na\n\n\nb\n\n", "a\n\nb\n"},
    {"a\n  b\n  c\n      d\ne\n", "a\n    b\n    c\n        d\ne\n"},
    {"a\n  |x\n  |  y\n  |\n", "a\n    | x\n    |  y\n    |\n"},
    {"a\n | one\n b\n  | two\n", "a\n    | one\n    b\n        | two\n"},
    {"a # why\n", "a  # why\n"},
    {"# top   \na\n", "# top\na\n"},
    {"a\n      # deep\n   b\n", "a\n    # deep\n    b\n"},
    {"a\n   b\n # shallow\n   c\n", "a\n    b\n    # shallow\n    c\n"},
    {"a\n   b\n   # end of block\nc\n", "a\n    b\n    # end of block\nc\n"},
    {"a\n   b\n# before c\nc\n", "a\n    b\n# before c\nc\n"},
    {"a \"x \\\" \\x41 # y\" z#2\n", "a \"x \\\" \\x41 # y\" z#2\n"},
    {"a\n   b\n   # last\n", "a\n    b\n    # last\n"},
    {"", ""},
    {"# only\n", "# only\n"},
};

START_TEST(prints_the_one_right_form)
{
    struct reading reading;
    size_t size;
    char *text;

    read_bytes(&reading, formats[_i].text, strlen(formats[_i].text));
    ck_assert_uint_eq(reading.complaints.total, 0);
    text = printed(&reading, &size);
    ck_assert_str_eq(text, formats[_i].want);
    free(text);
    done(&reading);
}
END_TEST

static const struct {
    const char *text;
    unsigned line, column;
    const char *message;
} wrongs[] = {
    {"a \"b\n", 1, 3, "not closed"},
    {"a \"b\\\n", 1, 5, "unknown escape"},
    {"a \"b\\q\"\n", 1, 5, "unknown escape"},
    {"a \"b\\x4\"\n", 1, 5, "unknown escape"},
    {"a \"b\"c\n", 1, 6, "must follow a closing quote"},
    {"a b\"c\n", 1, 4, "quote the whole word"},
    {"  a\n", 1, 1, "must not be indented"},
    {"a\n   b\n  c\n", 3, 1, "fits none"},
    {"a\n\tb\n", 2, 1, "not with tabs"},
    {"| x\n", 1, 1, "below the statement"},
    {"a\n| x\n", 2, 1, "below the statement"},
    {"a\x01 b\n", 1, 2, "byte 0x01"},
    {"a\rb\n", 1, 2, "byte 0x0d"},
    {"a\n | x\r\r\n", 2, 5, "byte 0x0d"},
    {"a\n b\n  c\n   d\n    e\n     f\n      g\n       h\n        i\n         j\n", 10, 10,
     "levels of indentation"},
};

START_TEST(says_what_is_wrong_and_where)
{
    struct reading reading;

    read_bytes(&reading, wrongs[_i].text, strlen(wrongs[_i].text));
    ck_assert_uint_ge(reading.complaints.count, 1);
    ck_assert_uint_eq(reading.complaints.list[0].at.line, wrongs[_i].line);
    ck_assert_uint_eq(reading.complaints.list[0].at.column, wrongs[_i].column);
    ck_assert_ptr_nonnull(strstr(reading.complaints.list[0].message, wrongs[_i].message));
    done(&reading);
}
END_TEST

START_TEST(keeps_bytes_of_text_lines)
{
    static const char text[] = "a\n | x\x01\xff\ty \n";
    struct reading reading;
    const struct statement *statement;

    read_bytes(&reading, text, sizeof text - 1);
    ck_assert_uint_eq(reading.complaints.total, 0);
    statement = reading.tree.root.children[0];
    ck_assert_uint_eq(statement->line_count, 1);
    ck_assert_mem_eq(statement->lines[0].text, "x\x01\xff\ty ", 6);
    ck_assert_uint_eq(statement->lines[0].size, 6);
    done(&reading);
}
END_TEST

START_TEST(refuses_a_nul)
{
    static const char text[] = "a\n | x\0y\n";
    struct reading reading;

    read_bytes(&reading, text, sizeof text - 1);
    ck_assert_uint_eq(reading.complaints.total, 1);
    done(&reading);
}
END_TEST

START_TEST(bounds_hold)
{
    size_t size = 300000;
    char *text = malloc(size);
    struct reading reading;

    ck_assert_ptr_nonnull(text);
    memset(text, 'a', size);
    read_bytes(&reading, text, size); /* one long line */
    ck_assert_uint_eq(reading.complaints.total, 1);
    done(&reading);
    for (size_t i = 0; i < size; i += 2)
        memcpy(text + i, "a ", 2);
    read_bytes(&reading, text, 60000); /* many words */
    ck_assert_uint_eq(reading.complaints.total, 1);
    done(&reading);
    for (size_t i = 0; i < size; i += 2)
        memcpy(text + i, "a\n", 2);
    read_bytes(&reading, text, size); /* many statements */
    ck_assert_uint_eq(reading.complaints.total, 1);
    ck_assert_uint_eq(reading.tree.root.child_count, TREE_STATEMENTS_MAX);
    done(&reading);
    free(text);
}
END_TEST

static void assert_fixpoint(const char *text, size_t size)
{
    struct reading first, second;
    char *once, *twice;
    size_t once_size, twice_size;

    read_bytes(&first, text, size);
    if (first.complaints.total == 0) {
        once = printed(&first, &once_size);
        read_bytes(&second, once, once_size);
        ck_assert_uint_eq(second.complaints.total, 0);
        twice = printed(&second, &twice_size);
        ck_assert_uint_eq(once_size, twice_size);
        ck_assert_mem_eq(once, twice, once_size);
        free(once);
        free(twice);
        done(&second);
    }
    done(&first);
}

START_TEST(survives_random_bytes)
{
    static const char alphabet[] = "ab \n\n    |#\"\\x0\t\r\xc3\x01";
    struct random random;

    random_seed(&random, (uint64_t) _i + 1, 0);
    for (int round = 0; round < 400; round++) {
        char text[200];
        size_t size = random_below(&random, sizeof text);

        for (size_t i = 0; i < size; i++)
            text[i] = round % 8 == 0 ? (char) random_u64(&random)
                                     : alphabet[random_below(&random, sizeof alphabet - 1)];
        assert_fixpoint(text, size);
    }
}
END_TEST

/* Only what keeps files valid, so that the fixpoint is reached often. */
START_TEST(random_valid_files_are_a_fixpoint)
{
    static const char *const ends[] = {"a\n", "b c\n", "# x\n", "| t\n", "\n", "c # y\n"};
    struct random random;

    random_seed(&random, (uint64_t) _i + 100, 0);
    for (int round = 0; round < 400; round++) {
        char text[400] = "s\n";
        size_t size = 2;

        for (int line = 0; line < 12; line++)
            size += (size_t) snprintf(text + size, sizeof text - size, "%*s%s",
                                      (int) random_below(&random, 4) * 2, "",
                                      ends[random_below(&random, 6)]);
        assert_fixpoint(text, size);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reader");
    TCase *tests = tcase_create("reader");
    SRunner *runner;
    int failed;

    tcase_add_loop_test(tests, prints_the_one_right_form, 0, sizeof formats / sizeof *formats);
    tcase_add_loop_test(tests, says_what_is_wrong_and_where, 0, sizeof wrongs / sizeof *wrongs);
    tcase_add_test(tests, keeps_bytes_of_text_lines);
    tcase_add_test(tests, refuses_a_nul);
    tcase_add_test(tests, bounds_hold);
    tcase_add_loop_test(tests, survives_random_bytes, 0, 5);
    tcase_add_loop_test(tests, random_valid_files_are_a_fixpoint, 0, 5);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

/* SPDX-License-Identifier: ISC */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mta/lib/control.h"

#define BYTES(text) text, sizeof(text) - 1
#define FILE_NAME "control/x"

static char directory[64];

static void put(const char *path, const char *bytes, size_t size)
{
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, size, file), size);
    ck_assert_int_eq(fclose(file), 0);
}

static void setup(void)
{
    strcpy(directory, "/tmp/test_control.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    ck_assert_int_eq(chdir(directory), 0);
    ck_assert_int_eq(mkdir("control", 0700), 0);
}

static void teardown(void)
{
    unlink("control/me");
    if (unlink(FILE_NAME) < 0)
        rmdir(FILE_NAME);
    ck_assert_int_eq(rmdir("control"), 0);
    ck_assert_int_eq(chdir("/"), 0);
    ck_assert_int_eq(rmdir(directory), 0);
}

static const struct {
    const char *content;
    size_t size;
    int result, error;
    const char *line; /* of control_line */
    const char *list; /* of control_list, each line ended by `|`; NULL: EINVAL */
} contents[] = {
    {BYTES(""), 1, 0, "", ""},
    {BYTES("\n"), 1, 0, "", ""},
    {BYTES("a"), 1, 0, "a", "a|"},
    {BYTES("a\n"), 1, 0, "a", "a|"},
    {BYTES("a \t\r\nb\n"), 1, 0, "a", "a|b|"},
    {BYTES(" a\n\n\nb"), 1, 0, " a", " a|b|"},
    {BYTES("#a\nb\n"), 1, 0, "#a", "b|"},
    {BYTES("\nb\n"), 1, 0, "", "b|"},
    {BYTES("   \n#\n \t"), 1, 0, "", ""},
    {BYTES("a#b\n"), 1, 0, "a#b", "a#b|"},
    {BYTES("a\0b\n"), -1, EINVAL, NULL, NULL},
    {BYTES("\0\n"), -1, EINVAL, NULL, NULL},
    {BYTES("a\0\n"), -1, EINVAL, NULL, NULL},
    {BYTES("a\n\0\n"), 1, 0, "a", NULL},
    {BYTES("#\0\na\n"), -1, EINVAL, NULL, "a|"},
    {BYTES("\xff\x01\n"), 1, 0, "\xff\x01", "\xff\x01|"},
};
#define CONTENTS ((int) (sizeof contents / sizeof *contents))

START_TEST(lines)
{
    struct buf value = BUF_INIT(0);
    put(FILE_NAME, contents[_i].content, contents[_i].size);
    int result = control_line("x", &value);
    ck_assert_int_eq(result, contents[_i].result);
    if (result < 0)
        ck_assert_int_eq(errno, contents[_i].error);
    else
        ck_assert_str_eq(buf_text(&value), contents[_i].line);
    buf_free(&value);
}
END_TEST

START_TEST(lists)
{
    struct buf value = BUF_INIT(0);
    put(FILE_NAME, contents[_i].content, contents[_i].size);
    int result = control_list("x", &value);
    if (!contents[_i].list) {
        ck_assert_int_eq(result, -1);
        ck_assert_int_eq(errno, EINVAL);
    } else {
        ck_assert_int_eq(result, 1);
        for (size_t i = 0; i < value.length; i++)
            if (value.data[i] == 0)
                value.data[i] = '|';
        ck_assert_str_eq(buf_text(&value), contents[_i].list);
    }
    buf_free(&value);
}
END_TEST

static const struct {
    const char *content;
    int result, error;
    uint64_t number;
} numbers[] = {
    {"0\n", 1, 0, 0},
    {"17", 1, 0, 17},
    {"1000 \n", 1, 0, 1000},
    {"0000000000000000000000000017\n", 1, 0, 17},
    {"1001\n", -1, ERANGE, 0},
    {"18446744073709551615\n", -1, ERANGE, 0},
    {"18446744073709551616\n", -1, ERANGE, 0},
    {"99999999999999999999999999\n", -1, ERANGE, 0},
    {"-1\n", -1, EINVAL, 0},
    {"+1\n", -1, EINVAL, 0},
    {" 1\n", -1, EINVAL, 0},
    {"1e3\n", -1, EINVAL, 0},
    {"0x10\n", -1, EINVAL, 0},
    {"1 2\n", -1, EINVAL, 0},
    {"ten\n", -1, EINVAL, 0},
    {"\n", -1, EINVAL, 0},
    {"", -1, EINVAL, 0},
};
#define NUMBERS ((int) (sizeof numbers / sizeof *numbers))

START_TEST(number)
{
    uint64_t found = 5;
    put(FILE_NAME, numbers[_i].content, strlen(numbers[_i].content));
    int result = control_number("x", 42, 1000, &found);
    if (numbers[_i].result < 0) {
        ck_assert_int_eq(result, -1);
        ck_assert_int_eq(errno, numbers[_i].error);
    } else {
        ck_assert_int_eq(result, 0);
        ck_assert_uint_eq(found, numbers[_i].number);
    }
}
END_TEST

START_TEST(missing)
{
    struct buf value = BUF_INIT(0);
    uint64_t found = 5;
    ck_assert_int_eq(control_line("x", &value), 0);
    ck_assert_int_eq(control_list("x", &value), 0);
    ck_assert_int_eq(control_number("x", 42, 1000, &found), 0);
    ck_assert_uint_eq(found, 42);
    ck_assert_int_eq(control_line_or("x", false, "fallback", &value), 0);
    ck_assert_str_eq(buf_text(&value), "fallback");
    ck_assert_int_eq(control_line_or("x", true, NULL, &value), -1);
    ck_assert_int_eq(errno, ENOENT);
    put("control/me", BYTES("mail.example\n"));
    ck_assert_int_eq(control_line_or("x", true, "fallback", &value), 0);
    ck_assert_str_eq(buf_text(&value), "mail.example");
    buf_free(&value);
}
END_TEST

static void make_directory(void)
{
    ck_assert_int_eq(mkdir(FILE_NAME, 0700), 0);
}
static void make_fifo(void)
{
    ck_assert_int_eq(mkfifo(FILE_NAME, 0600), 0);
}
static void make_loop(void)
{
    ck_assert_int_eq(symlink("x", FILE_NAME), 0);
}
static void make_huge(void)
{
    put(FILE_NAME, "", 0);
    ck_assert_int_eq(truncate(FILE_NAME, CONTROL_LIMIT + 1), 0);
}

static const struct {
    void (*make)(void);
    int error;
} no_files[] = {
    {make_directory, EISDIR}, {make_fifo, EINVAL}, {make_loop, ELOOP}, {make_huge, EFBIG}};
#define NO_FILES ((int) (sizeof no_files / sizeof *no_files))

START_TEST(no_file)
{
    struct buf value = BUF_INIT(0);
    uint64_t found;
    no_files[_i].make();
    ck_assert_int_eq(control_line("x", &value), -1);
    ck_assert_int_eq(errno, no_files[_i].error);
    ck_assert_int_eq(control_list("x", &value), -1);
    ck_assert_int_eq(errno, no_files[_i].error);
    ck_assert_int_eq(control_number("x", 1, 2, &found), -1);
    ck_assert_int_eq(errno, no_files[_i].error);
    ck_assert_int_eq(control_line_or("x", true, "no", &value), -1);
    ck_assert_int_eq(errno, no_files[_i].error);
    buf_free(&value);
}
END_TEST

START_TEST(long_name)
{
    struct buf value = BUF_INIT(0);
    char name[300];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = 0;
    ck_assert_int_eq(control_line(name, &value), -1);
    ck_assert_int_eq(errno, ENAMETOOLONG);
}
END_TEST

static const char *map_find(const struct control_map *map, const char *key, size_t size)
{
    char *copy = malloc(size ? size : 1); /* exactly so long: a sanitizer sees what reads on */
    memcpy(copy, key, size);
    const char *found = control_map_find(map, copy, size);
    free(copy);
    return found;
}

START_TEST(maps)
{
    struct buf value = BUF_INIT(0);
    struct control_map map;
    put(FILE_NAME,
        BYTES("b.example:one\nA.example:two\n:empty\nno separator\na.EXAMPLE:three\nc::\n"));
    ck_assert_int_eq(control_list("x", &value), 1);
    ck_assert_int_eq(control_map_init(&map, &value, ':'), 0);
    ck_assert_str_eq(map_find(&map, BYTES("B.EXAMPLE")), "one");
    ck_assert_str_eq(map_find(&map, BYTES("a.example")), "two"); /* the first counts */
    ck_assert_str_eq(map_find(&map, BYTES("")), "empty");
    ck_assert_str_eq(map_find(&map, BYTES("c")), ":");
    ck_assert_ptr_null(map_find(&map, BYTES("no separator")));
    ck_assert_ptr_null(map_find(&map, BYTES("b.example\0")));
    ck_assert_ptr_null(map_find(&map, BYTES("b.exampl")));
    ck_assert_ptr_null(map_find(&map, BYTES("b.example:one")));
    ck_assert_ptr_null(map_find(&map, BYTES("\xff")));
    control_map_free(&map);
    ck_assert_int_eq(control_map_init(&map, &value, 0), 0);
    ck_assert_ptr_null(map_find(&map, BYTES("")));
    control_map_free(&map);
}
END_TEST

/* Any bytes: no crash, and every key that is found is there. */
START_TEST(random_bytes)
{
    uint32_t state = 1;
    for (int round = 0; round < 300; round++) {
        char bytes[200];
        struct buf value = BUF_INIT(0);
        struct control_map map;
        for (size_t i = 0; i < sizeof bytes; i++) {
            state = state * 1103515245 + 12345;
            bytes[i] = "ab:#\n \t\r\xff.\n:"[(state >> 16) % 12];
        }
        put(FILE_NAME, bytes, sizeof bytes);
        ck_assert_int_eq(control_line("x", &value), 1);
        ck_assert_int_eq(control_list("x", &value), 1);
        ck_assert_int_eq(control_map_init(&map, &value, round % 2 ? ':' : 0), 0);
        for (size_t i = 0; i < map.count; i++)
            ck_assert_ptr_nonnull(map_find(&map, map.keys[i], strlen(map.keys[i])));
        control_map_free(&map);
        buf_free(&value);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("control");
    TCase *tests = tcase_create("all");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, lines, 0, CONTENTS);
    tcase_add_loop_test(tests, lists, 0, CONTENTS);
    tcase_add_loop_test(tests, number, 0, NUMBERS);
    tcase_add_test(tests, missing);
    tcase_add_loop_test(tests, no_file, 0, NO_FILES);
    tcase_add_test(tests, long_name);
    tcase_add_test(tests, maps);
    tcase_add_test(tests, random_bytes);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

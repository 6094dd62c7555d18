/* SPDX-License-Identifier: ISC */
/* What is no regular file, or does not check out, in the directories of the spool. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mta/lib/spool.h"

#define NUMBER 17
#define PATH "todo/17"

static char directory[64];

static void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    ck_assert_int_eq(fclose(file), 0);
}

static void setup(void)
{
    strcpy(directory, "/tmp/test_spool_files.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    ck_assert_int_eq(chdir(directory), 0);
    ck_assert_int_eq(mkdir("todo", 0700), 0);
    ck_assert_int_eq(mkdir("corrupt", 0700), 0);
    put("outside", "outside");
}

static void teardown(void)
{
    char command[100];
    ck_assert_int_eq(chdir("/"), 0);
    snprintf(command, sizeof command, "rm -r %s", directory);
    ck_assert_int_eq(system(command), 0);
}

static void make_directory(void)
{
    ck_assert_int_eq(mkdir(PATH, 0700), 0);
}
static void make_fifo(void)
{
    ck_assert_int_eq(mkfifo(PATH, 0600), 0);
}
static void make_link(void)
{
    ck_assert_int_eq(symlink("../outside", PATH), 0);
}
static void make_loop(void)
{
    ck_assert_int_eq(symlink("17", PATH), 0);
}
static void make_dangling_link(void)
{
    ck_assert_int_eq(symlink("/nowhere", PATH), 0);
}

static void (*const no_files[])(void) = {make_directory, make_fifo, make_link, make_loop,
                                         make_dangling_link};
#define NO_FILES ((int) (sizeof no_files / sizeof *no_files))
static const int modes[] = {O_RDONLY, O_WRONLY, O_RDWR};

static bool exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

START_TEST(no_file_is_opened)
{
    uint64_t length;
    no_files[_i]();
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        ck_assert_int_eq(spool_open(SPOOL_TODO, NUMBER, modes[i]), -1);
        ck_assert_int_eq(errno, EBADMSG);
    }
    ck_assert_int_eq(spool_length(SPOOL_TODO, NUMBER, &length), -1);
    ck_assert_int_eq(errno, EBADMSG);
}
END_TEST

START_TEST(no_file_is_set_aside)
{
    struct stat before, after;
    no_files[_i]();
    ck_assert_int_eq(lstat(PATH, &before), 0);
    ck_assert_int_eq(spool_aside(SPOOL_TODO, NUMBER), 0);
    ck_assert(!exists(PATH));
    ck_assert_int_eq(lstat("corrupt/todo.17", &after), 0);
    ck_assert_uint_eq(before.st_ino, after.st_ino);
    ck_assert(exists("outside"));
}
END_TEST

START_TEST(files_are_opened)
{
    uint64_t length;
    put(PATH, "hello");
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        int fd = spool_open(SPOOL_TODO, NUMBER, modes[i]);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
        close(fd);
    }
    ck_assert_int_eq(spool_length(SPOOL_TODO, NUMBER, &length), 0);
    ck_assert_uint_eq(length, 5);
}
END_TEST

START_TEST(what_is_missing)
{
    uint64_t length;
    ck_assert_int_eq(spool_open(SPOOL_TODO, NUMBER, O_RDONLY), -1);
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_int_eq(spool_length(SPOOL_TODO, NUMBER, &length), -1);
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_int_eq(spool_aside(SPOOL_TODO, NUMBER), -1);
    ck_assert_int_eq(errno, ENOENT);
}
END_TEST

/* The same number again and again: each keeps its bytes, the tenth stays where it is. */
START_TEST(nothing_set_aside_is_overwritten)
{
    for (int i = 1; i <= 10; i++) {
        char text[8], path[40];
        snprintf(text, sizeof text, "%d", i);
        put(PATH, text);
        if (i == 10)
            break;
        ck_assert_int_eq(spool_aside(SPOOL_TODO, NUMBER), 0);
        snprintf(path, sizeof path, i == 1 ? "corrupt/todo.17" : "corrupt/todo.17.%d", i);
        FILE *file = fopen(path, "r");
        ck_assert_ptr_nonnull(file);
        ck_assert_int_eq(fgetc(file), '0' + i);
        fclose(file);
    }
    ck_assert_int_eq(spool_aside(SPOOL_TODO, NUMBER), -1);
    ck_assert_int_eq(errno, EEXIST);
    ck_assert(exists(PATH));
}
END_TEST

START_TEST(the_largest_number)
{
    put("todo/18446744073709551614", "x");
    ck_assert_int_eq(spool_aside(SPOOL_TODO, UINT64_MAX - 1), 0);
    put("todo/18446744073709551614", "y");
    ck_assert_int_eq(spool_aside(SPOOL_TODO, UINT64_MAX - 1), 0);
    ck_assert(exists("corrupt/todo.18446744073709551614"));
    ck_assert(exists("corrupt/todo.18446744073709551614.2"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("spool_files");
    TCase *tests = tcase_create("all");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, no_file_is_opened, 0, NO_FILES);
    tcase_add_loop_test(tests, no_file_is_set_aside, 0, NO_FILES);
    tcase_add_test(tests, files_are_opened);
    tcase_add_test(tests, what_is_missing);
    tcase_add_test(tests, nothing_set_aside_is_overwritten);
    tcase_add_test(tests, the_largest_number);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* SPDX-License-Identifier: ISC */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mta/lib/maildir.h"

static char directory[64];

static void setup(void)
{
    strcpy(directory, "/tmp/test_maildir.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    ck_assert_int_eq(chdir(directory), 0);
    ck_assert_int_eq(mkdir("box", 0700), 0);
    ck_assert_int_eq(mkdir("box/tmp", 0700), 0);
    ck_assert_int_eq(mkdir("box/new", 0700), 0);
    ck_assert_int_eq(mkdir("box/cur", 0700), 0);
}

static void teardown(void)
{
    char command[100];
    ck_assert_int_eq(chdir("/"), 0);
    snprintf(command, sizeof command, "rm -rf %s", directory);
    ck_assert_int_eq(system(command), 0);
}

/* Counts the files and leaves the path of one in `path`. */
static unsigned count(const char *folder, char path[400])
{
    unsigned files = 0;
    DIR *handle = opendir(folder);
    ck_assert_ptr_nonnull(handle);
    for (struct dirent *entry; (entry = readdir(handle));)
        if (entry->d_name[0] != '.') {
            snprintf(path, 400, "%s/%s", folder, entry->d_name);
            files++;
        }
    closedir(handle);
    return files;
}

static void check_content(const char *path, const char *want, size_t size)
{
    char *got = malloc(size + 1);
    FILE *file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fread(got, 1, size + 1, file), size);
    fclose(file);
    ck_assert_int_eq(memcmp(got, want, size), 0);
    free(got);
}

START_TEST(whole_messages)
{
    static const size_t sizes[] = {0,     1,     MAILDIR_BUFFER - 1, MAILDIR_BUFFER,
                                   16385, 99999, 3 * MAILDIR_BUFFER};
    char *bytes = malloc(100000), path[400];
    for (size_t i = 0; i < 100000; i++)
        bytes[i] = (char) (i * 7 + i / 256);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (unsigned slash = 0; slash < 2; slash++) {
            struct maildir maildir;
            ck_assert_int_eq(maildir_begin(&maildir, slash ? "./box/" : "box"), 0);
            ck_assert_uint_eq(count("box/tmp", path), 1);
            ck_assert_int_eq(maildir_write(&maildir, bytes, sizes[i] / 3), 0);
            ck_assert_int_eq(maildir_write(&maildir, bytes + sizes[i] / 3, sizes[i] - sizes[i] / 3),
                             0);
            ck_assert_uint_eq(count("box/new", path), 0);
            ck_assert_int_eq(maildir_commit(&maildir), 0);
            ck_assert_uint_eq(count("box/tmp", path), 0);
            ck_assert_uint_eq(count("box/new", path), 1);
            check_content(path, bytes, sizes[i]);
            unlink(path);
            maildir_abort(&maildir);
        }
    free(bytes);
}
END_TEST

START_TEST(given_up)
{
    struct maildir maildir;
    char path[400];
    ck_assert_int_eq(maildir_begin(&maildir, "box/"), 0);
    ck_assert_int_eq(maildir_write(&maildir, "x", 1), 0);
    maildir_abort(&maildir);
    maildir_abort(&maildir);
    ck_assert_uint_eq(count("box/tmp", path) + count("box/new", path), 0);
}
END_TEST

START_TEST(no_maildir)
{
    struct maildir maildir;
    char path[400];
    errno = 0;
    ck_assert_int_eq(maildir_begin(&maildir, "nothing/"), -1);
    ck_assert_int_eq(errno, ENOENT);
    maildir_abort(&maildir);
    fclose(fopen("file", "w"));
    ck_assert_int_eq(maildir_begin(&maildir, "file/"), -1);
    ck_assert_int_eq(errno, ENOTDIR);
    maildir_abort(&maildir);
    char *longest = malloc(10001);
    memset(longest, 'x', 10000);
    longest[10000] = 0;
    ck_assert_int_eq(maildir_begin(&maildir, longest), -1);
    maildir_abort(&maildir);
    free(longest);
    /* new/ is missing: found out at the end, and nothing stays */
    ck_assert_int_eq(rmdir("box/new"), 0);
    ck_assert_int_eq(maildir_begin(&maildir, "box/"), 0);
    ck_assert_int_eq(maildir_commit(&maildir), -1);
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_uint_eq(count("box/tmp", path), 0);
}
END_TEST

/* Two Maildirs, one of which loses its new/ meanwhile: each delivery has its own result. */
START_TEST(together)
{
    enum { COUNT = 9 };
    struct maildir all[COUNT], *pointers[COUNT];
    int results[COUNT];
    char path[400];
    ck_assert_int_eq(mkdir("other", 0700), 0);
    ck_assert_int_eq(mkdir("other/tmp", 0700), 0);
    for (int i = 0; i < COUNT; i++) {
        pointers[i] = &all[i];
        ck_assert_int_eq(maildir_begin(&all[i], i % 3 == 1 ? "other" : "box"), 0);
        ck_assert_int_eq(maildir_write(&all[i], "content", 7), 0);
    }
    ck_assert_uint_eq(count("box/tmp", path), 6);
    maildir_commit_all(pointers, COUNT, results);
    for (int i = 0; i < COUNT; i++)
        ck_assert_int_eq(results[i], i % 3 == 1 ? ENOENT : 0);
    ck_assert_uint_eq(count("box/tmp", path) + count("other/tmp", path), 0);
    ck_assert_uint_eq(count("box/new", path), 6);
    check_content(path, "content", 7);
}
END_TEST

/* So many in one Maildir that their file system is waited for, not each file. */
START_TEST(many)
{
    enum { COUNT = 7 };
    struct maildir all[COUNT], *pointers[COUNT];
    int results[COUNT];
    char path[400];
    for (int i = 0; i < COUNT; i++) {
        pointers[i] = &all[i];
        ck_assert_int_eq(maildir_begin(&all[i], "box"), 0);
        ck_assert_int_eq(maildir_write(&all[i], "content", 7), 0);
    }
    int fd = all[2].fd;
    all[2].fd = -1; /* its bytes cannot be written: the others are delivered all the same */
    maildir_commit_all(pointers, COUNT, results);
    close(fd);
    for (int i = 0; i < COUNT; i++)
        ck_assert_int_eq(results[i], i == 2 ? EBADF : 0);
    ck_assert_uint_eq(count("box/tmp", path), 0);
    ck_assert_uint_eq(count("box/new", path), COUNT - 1);
    check_content(path, "content", 7);
}
END_TEST

START_TEST(names)
{
    char path[400];
    for (unsigned i = 0; i < 200; i++) {
        struct maildir maildir;
        ck_assert_int_eq(maildir_begin(&maildir, "box/"), 0);
        ck_assert_ptr_null(memchr(maildir.name.data, '/', maildir.name.length));
        ck_assert_ptr_null(memchr(maildir.name.data, ':', maildir.name.length));
        ck_assert_uint_lt(maildir.name.length, 256);
        ck_assert_int_eq(maildir_commit(&maildir), 0);
    }
    ck_assert_uint_eq(count("box/new", path), 200);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("maildir");
    TCase *tests = tcase_create("maildir");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, whole_messages);
    tcase_add_test(tests, given_up);
    tcase_add_test(tests, no_maildir);
    tcase_add_test(tests, together);
    tcase_add_test(tests, many);
    tcase_add_test(tests, names);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

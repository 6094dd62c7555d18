/* SPDX-License-Identifier: ISC */
/* bounce/N piece by piece: files larger than memory may be, damaged ones, cut ones. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mta/lib/bounce_file.h"

#define NUMBER 17
#define HOLE ((off_t) 70 << 20) /* more than BUF_LIMIT */

static char directory[64];

static void setup(void)
{
    strcpy(directory, "/tmp/test_bounce_file.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    ck_assert_int_eq(chdir(directory), 0);
    ck_assert_int_eq(mkdir("bounce", 0700), 0);
}

static void teardown(void)
{
    char command[100];
    ck_assert_int_eq(chdir("/"), 0);
    snprintf(command, sizeof command, "rm -r %s", directory);
    ck_assert_int_eq(system(command), 0);
}

/* Writes pieces `first` to `last` at `at`; where they end. */
static off_t put(off_t at, unsigned first, unsigned last, size_t text_size)
{
    struct buf pieces = BUF_INIT(0);
    char address[32], *text = malloc(text_size);
    ck_assert_ptr_nonnull(text);
    memset(text, 'x', text_size);
    for (unsigned i = first; i <= last; i++) {
        size_t size = (size_t) snprintf(address, sizeof address, "r%u@x", i);
        ck_assert_int_eq(spool_bounce_build(&pieces, NUMBER, address, size, text, text_size), 0);
    }
    int fd = open("bounce/17", O_WRONLY | O_CREAT, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(pwrite(fd, pieces.data, pieces.length, at), (ssize_t) pieces.length);
    close(fd);
    at += (off_t) pieces.length;
    buf_free(&pieces);
    free(text);
    return at;
}

/* Takes all from `offset` on: they must be first to last.  How many damaged places there were. */
static unsigned expect(uint64_t offset, unsigned first, unsigned last)
{
    struct bounce_file file;
    struct spool_bounce piece;
    char address[32];
    unsigned damaged = 0, next = first;
    int found;
    ck_assert_int_eq(bounce_file_open(&file, NUMBER, offset), 0);
    while ((found = bounce_file_next(&file, &piece)) != 0) {
        ck_assert_uint_le(file.window.capacity, (size_t) 1 << 20);
        if (found < 0) {
            ck_assert_int_eq(errno, EBADMSG);
            damaged++;
            continue;
        }
        snprintf(address, sizeof address, "r%u@x", next++);
        ck_assert_str_eq(piece.recipient, address);
    }
    bounce_file_close(&file);
    ck_assert_uint_eq(next, last + 1);
    return damaged;
}

START_TEST(takes_all)
{
    put(0, 1, 20000, 100); /* many windows */
    ck_assert_uint_eq(expect(0, 1, 20000), 0);
}
END_TEST

START_TEST(takes_the_largest)
{
    put(0, 1, 20, BOUNCE_PIECE_MAX - 100);
    ck_assert_uint_eq(expect(0, 1, 20), 0);
}
END_TEST

/* A window is read when less than the largest piece is left of the one before: about there. */
START_TEST(takes_at_any_place)
{
    for (size_t size = BOUNCE_PIECE_MAX - 80; size < BOUNCE_PIECE_MAX - 62; size++) {
        off_t at = put(0, 1, 3, size);
        off_t end = put(at, 4, 4, BOUNCE_PIECE_MAX - 71);
        end = put(end, 5, 6, 10);
        ck_assert_int_eq(truncate("bounce/17", end), 0);
        ck_assert_uint_eq(expect(0, 1, 6), 0);
        ck_assert_uint_eq(expect((uint64_t) at, 4, 6), 0);
    }
}
END_TEST

START_TEST(goes_on_behind_damage)
{
    off_t end = put(0, 1, 3, 100);
    off_t edge = 4 * BOUNCE_PIECE_MAX - end; /* of the first window */
    for (off_t gap = 1; gap < 300000; gap += gap < edge - 50 || gap > edge + 10 ? 40000 : 1) {
        if (gap < edge - 50 && gap + 40000 > edge - 50)
            gap = edge - 50;
        off_t last = put(end + gap, 4, 5, 100);
        ck_assert_int_eq(truncate("bounce/17", last), 0);
        ck_assert_uint_ge(expect(0, 1, 5), 1);
        ck_assert_int_eq(truncate("bounce/17", end), 0);
    }
}
END_TEST

START_TEST(goes_on_behind_a_large_hole)
{
    off_t end = put(0, 1, 3, 100);
    put(end + HOLE, 4, 5, 100);
    ck_assert_uint_ge(expect(0, 1, 5), 1);
}
END_TEST

START_TEST(sees_a_torn_end)
{
    off_t end = put(0, 1, 3, 100);
    off_t torn = put(end, 4, 4, 100);
    for (off_t size = end + 1; size < torn; size++) {
        ck_assert_int_eq(truncate("bounce/17", torn), 0);
        put(end, 4, 4, 100);
        ck_assert_int_eq(truncate("bounce/17", size), 0);
        ck_assert_uint_eq(expect(0, 1, 3), 1);
    }
}
END_TEST

START_TEST(says_where)
{
    struct bounce_file file;
    struct spool_bounce piece;
    off_t end = put(0, 1, 5000, 100);
    uint64_t at = 0;
    unsigned count = 0;
    ck_assert_int_eq(bounce_file_open(&file, NUMBER, 0), 0);
    for (; bounce_file_next(&file, &piece) == 1; count++) {
        ck_assert_uint_eq(bounce_file_begin(&file), at);
        at = bounce_file_end(&file);
        if (count % 1000 == 0)
            expect(at, count + 2, 5000);
    }
    ck_assert_uint_eq(count, 5000);
    ck_assert_uint_eq(at, (uint64_t) end);
    bounce_file_close(&file);
}
END_TEST

START_TEST(no_file)
{
    struct bounce_file file;
    ck_assert_int_eq(bounce_file_open(&file, NUMBER, 0), -1);
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_int_eq(mkdir("bounce/17", 0700), 0);
    ck_assert_int_eq(bounce_file_open(&file, NUMBER, 0), -1);
    ck_assert_int_eq(errno, EBADMSG);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bounce_file");
    TCase *tests = tcase_create("bounce_file");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, takes_all);
    tcase_add_test(tests, takes_the_largest);
    tcase_add_test(tests, takes_at_any_place);
    tcase_add_test(tests, goes_on_behind_damage);
    tcase_add_test(tests, goes_on_behind_a_large_hole);
    tcase_add_test(tests, sees_a_torn_end);
    tcase_add_test(tests, says_where);
    tcase_add_test(tests, no_file);
    tcase_set_timeout(tests, 60);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

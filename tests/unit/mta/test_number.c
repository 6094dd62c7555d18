/* SPDX-License-Identifier: ISC */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mta/lib/checksum.h"
#include "mta/lib/io.h"
#include "mta/lib/num.h"
#include "mta/lib/number.h"

#define RECORD 90

static char folder[64];

static void make_queue(void)
{
    static const char *const names[] = {"pid", "mess", "intd", "todo", "lock"};
    strcpy(folder, "/tmp/nixie-number.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chdir(folder), 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        ck_assert_int_eq(mkdir(names[i], 0700), 0);
}

static void remove_queue(void)
{
    char command[128];
    ck_assert_int_eq(chdir("/"), 0);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    ck_assert_int_eq(system(command), 0);
}

static uint64_t reserve(uint64_t count)
{
    uint64_t first = 0;
    ck_assert_int_eq(number_reserve(count, &first), 0);
    return first;
}

static uint64_t floor_now(void)
{
    uint64_t floor = 12345;
    ck_assert_int_eq(number_floor(&floor), 0);
    return floor;
}

static void write_bytes(const char *path, const void *bytes, size_t size)
{
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(io_write(fd, bytes, size), 0);
    close(fd);
}

static size_t read_bytes(const char *path, char to[RECORD + 1])
{
    int fd = open(path, O_RDONLY);
    if (fd < 0)
        return 0;
    ssize_t count = read(fd, to, RECORD + 1);
    close(fd);
    ck_assert_int_ge(count, 0);
    return (size_t) count;
}

/* As if the machine had been started anew since the file was written. */
static void make_older(char record[RECORD])
{
    memcpy(record + 14, "0123456789abcdef", 16);
    num_format_hex(record + 73, checksum_of(record, 73));
}

static void boot_anew(void)
{
    static const char *const paths[] = {"lock/number", "lock/next"};
    for (int i = 0; i < 2; i++) {
        char record[RECORD + 1];
        if (read_bytes(paths[i], record) == RECORD) {
            make_older(record);
            write_bytes(paths[i], record, RECORD);
        }
    }
}

START_TEST(test_in_a_row)
{
    ck_assert_uint_eq(reserve(1), 1);
    ck_assert_uint_eq(reserve(1), 2);
    ck_assert_uint_eq(reserve(5), 3);
    ck_assert_uint_eq(reserve(1), 8);
    uint64_t last = 8;
    for (int i = 0; i < 3000; i++) {
        uint64_t number = reserve(1);
        ck_assert_uint_eq(number, last + 1);
        last = number;
    }
    ck_assert_uint_eq(reserve(NUMBER_BLOCK_MAX), last + 1);
    ck_assert_uint_eq(reserve(1), last + 1 + NUMBER_BLOCK_MAX);
}
END_TEST

START_TEST(test_arguments)
{
    uint64_t first;
    ck_assert_int_eq(number_reserve(0, &first), -1);
    ck_assert_int_eq(number_reserve(NUMBER_BLOCK_MAX + 1, &first), -1);
    ck_assert_int_eq(number_raise(UINT64_MAX), -1);
    ck_assert_int_eq(number_raise(UINT64_MAX - 2), -1);
    ck_assert_uint_eq(reserve(1), 1);
}
END_TEST

START_TEST(test_another_boot)
{
    ck_assert_uint_eq(reserve(10), 1);
    ck_assert_uint_eq(floor_now(), 0);
    boot_anew();
    uint64_t floor = floor_now();
    ck_assert_uint_gt(floor, 10);
    uint64_t first = reserve(1);
    ck_assert_uint_eq(first, floor);
    ck_assert_uint_eq(floor_now(), floor);
    ck_assert_uint_eq(reserve(1), first + 1);
    ck_assert_uint_eq(floor_now(), floor);
    boot_anew();
    ck_assert_uint_gt(floor_now(), first + 1);
}
END_TEST

START_TEST(test_next_is_lost)
{
    reserve(10);
    ck_assert_int_eq(unlink("lock/next"), 0);
    uint64_t first = reserve(1);
    ck_assert_uint_gt(first, 10);
    ck_assert_uint_eq(reserve(1), first + 1);
    ck_assert_uint_eq(floor_now(), 0); /* the same boot */
}
END_TEST

/* Each byte of lock/next damaged, and each length: never a used number. */
START_TEST(test_next_is_damaged)
{
    char record[RECORD + 1];
    uint64_t used = reserve(10) + 9;
    for (size_t at = 0; at < RECORD; at++)
        for (int cut = 0; cut < 2; cut++) {
            ck_assert_uint_eq(read_bytes("lock/next", record), RECORD);
            record[at] ^= 1;
            write_bytes("lock/next", record, cut ? at : RECORD);
            uint64_t first = reserve(1);
            ck_assert_uint_gt(first, used);
            used = first;
        }
    char longer[RECORD + 1];
    ck_assert_uint_eq(read_bytes("lock/next", longer), RECORD);
    longer[RECORD] = 'x';
    write_bytes("lock/next", longer, sizeof longer);
    ck_assert_uint_gt(reserve(1), used);
}
END_TEST

START_TEST(test_number_is_lost)
{
    uint64_t used = reserve(10) + 9;
    ck_assert_int_eq(unlink("lock/number"), 0);
    uint64_t first = reserve(1);
    ck_assert_uint_gt(first, used); /* next tells */
    ck_assert_int_eq(unlink("lock/number"), 0);
    ck_assert_int_eq(unlink("lock/next"), 0);
    write_bytes("mess/5000", "x", 1);
    write_bytes("todo/6000", "x", 1);
    write_bytes("pid/junk", "x", 1);
    ck_assert_uint_eq(reserve(1), 6001);
    ck_assert_uint_eq(floor_now(), 0);
}
END_TEST

/* A power loss while it was replaced, on a disk that keeps no order. */
START_TEST(test_old_number_tells)
{
    reserve(10);
    uint64_t used = reserve(5000) + 4999; /* the second lock/number */
    write_bytes("mess/3", "x", 1);
    write_bytes("lock/number", "", 0);
    boot_anew();
    char record[RECORD + 1];
    ck_assert_uint_eq(read_bytes("lock/number.old", record), RECORD);
    make_older(record);
    write_bytes("lock/number.old", record, RECORD);
    ck_assert_uint_gt(floor_now(), 3); /* mess/3 is of an earlier boot */
    ck_assert_uint_le(floor_now(), used);
    write_bytes("mess/6000", "x", 1);
    ck_assert_uint_gt(reserve(1), 6000);
}
END_TEST

START_TEST(test_number_is_damaged)
{
    char record[RECORD + 1];
    write_bytes("intd/700", "x", 1);
    uint64_t used = reserve(10) + 9;
    for (size_t at = 0; at < RECORD; at++) {
        ck_assert_uint_eq(read_bytes("lock/number", record), RECORD);
        record[at] ^= 2;
        write_bytes("lock/number", record, RECORD);
        uint64_t first = reserve(1);
        ck_assert_uint_gt(first, used);
        used = first;
    }
}
END_TEST

/* After a crash lock/number is the last durable one or a newer one, lock/next is anything that it
 * ever was, or missing: no number comes twice. */
START_TEST(test_any_crash)
{
    enum { STEPS = 12 };
    static char numbers[STEPS][RECORD + 1];
    static char nexts[STEPS][RECORD + 1];
    uint64_t used[STEPS];
    for (int i = 0; i < STEPS; i++) {
        uint64_t count = 400 + (uint64_t) i;
        used[i] = reserve(count) + count - 1;
        ck_assert_uint_eq(read_bytes("lock/number", numbers[i]), RECORD);
        ck_assert_uint_eq(read_bytes("lock/next", nexts[i]), RECORD);
    }
    for (int crash = 0; crash < STEPS; crash++)
        for (int next = -1; next < STEPS; next++)
            for (int other_boot = 0; other_boot < 2; other_boot++) {
                write_bytes("lock/number", numbers[crash], RECORD);
                unlink("lock/next");
                if (next >= 0)
                    write_bytes("lock/next", nexts[next], RECORD);
                if (!other_boot && next >= 0 && next != crash)
                    continue; /* without a crash there is one file only */
                if (other_boot)
                    boot_anew();
                ck_assert_uint_gt(reserve(1), used[crash]);
            }
}
END_TEST

/* A name that came back after a crash: the file behind it is another one's. */
START_TEST(test_next_names_a_message)
{
    char content[RECORD + 1];
    reserve(1);
    ck_assert_int_eq(unlink("lock/next"), 0);
    write_bytes("mess/1", "Received: by us\n\nmail\n", 22);
    ck_assert_int_eq(link("mess/1", "lock/next"), 0);
    ck_assert_int_eq(link("mess/1", "lock/number.new"), 0);
    reserve(1);
    reserve(1);
    ck_assert_uint_eq(read_bytes("mess/1", content), 22);
    ck_assert_int_eq(memcmp(content, "Received: by us\n\nmail\n", 22), 0);
}
END_TEST

START_TEST(test_disk_says_no)
{
    uint64_t first;
    uint64_t used = reserve(1000) + 999;
    ck_assert_int_eq(mkdir("lock/number.new", 0700), 0);
    ck_assert_int_eq(number_reserve(2000, &first), -1);
    ck_assert_int_eq(number_reserve(2000, &first), -1);
    ck_assert_uint_eq(reserve(1), used + 1); /* below the mark that is durable */
    ck_assert_int_eq(rmdir("lock/number.new"), 0);
    ck_assert_uint_eq(reserve(2000), used + 2);
    ck_assert_int_eq(rename("lock", "away"), 0);
    ck_assert_int_eq(number_reserve(1, &first), -1);
    ck_assert_int_eq(errno, ENOENT);
}
END_TEST

START_TEST(test_raise)
{
    reserve(1);
    ck_assert_int_eq(number_raise(100), 0);
    ck_assert_uint_eq(reserve(1), 101);
    ck_assert_int_eq(number_raise(50), 0);
    ck_assert_uint_eq(reserve(1), 102);
    ck_assert_int_eq(number_raise(50000), 0);
    boot_anew();
    ck_assert_uint_gt(reserve(1), 50000);
}
END_TEST

START_TEST(test_side_by_side)
{
    enum { PROCESSES = 6, EACH = 150 };
    int pipe_fds[2];
    static bool seen[PROCESSES * EACH * 3 + 2];
    ck_assert_int_eq(pipe(pipe_fds), 0);
    for (int i = 0; i < PROCESSES; i++)
        if (fork() == 0) {
            for (int k = 0; k < EACH; k++) {
                uint64_t first;
                uint64_t count = (uint64_t) (1 + k % 3);
                if (number_reserve(count, &first) < 0)
                    _exit(1);
                for (; count > 0; count--, first++)
                    if (write(pipe_fds[1], &first, sizeof first) != sizeof first)
                        _exit(1);
            }
            _exit(0);
        }
    close(pipe_fds[1]);
    uint64_t number;
    int total = 0;
    while (read(pipe_fds[0], &number, sizeof number) == sizeof number) {
        ck_assert_uint_lt(number, sizeof seen);
        ck_assert(!seen[number]);
        seen[number] = true;
        total++;
    }
    ck_assert_int_eq(total, PROCESSES * EACH * 2);
    for (int i = 0; i < PROCESSES; i++) {
        int status;
        ck_assert_int_gt(wait(&status), 0);
        ck_assert_int_eq(status, 0);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("number");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 60);
    tcase_add_checked_fixture(all, make_queue, remove_queue);
    tcase_add_test(all, test_in_a_row);
    tcase_add_test(all, test_arguments);
    tcase_add_test(all, test_another_boot);
    tcase_add_test(all, test_next_is_lost);
    tcase_add_test(all, test_next_is_damaged);
    tcase_add_test(all, test_number_is_lost);
    tcase_add_test(all, test_old_number_tells);
    tcase_add_test(all, test_number_is_damaged);
    tcase_add_test(all, test_any_crash);
    tcase_add_test(all, test_next_names_a_message);
    tcase_add_test(all, test_disk_says_no);
    tcase_add_test(all, test_raise);
    tcase_add_test(all, test_side_by_side);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* SPDX-License-Identifier: ISC */
/* Syncs that fail with EIO on a disk with the overlay fsync-eio, as programs see them: each
 * descriptor that was open is told once, and what was not written stays unwritten. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "sim/kernel/disk.h"
#include "sim/kernel/vfs.h"
#include "tests/unit/sim/machine.h"

#define UNUSED (void) argc, (void) argv, (void) environment

static int open_file(const char *path)
{
    return sim_open(path, O_CREAT | O_RDWR, 0600);
}

/* Fails at its first fsync. */
static int file_main(int argc, char **argv, char **environment)
{
    UNUSED;
    int fd = open_file("/data/a"), other = open_file("/data/a"), b = open_file("/data/b");
    MUST(fd >= 0 && other >= 0 && b >= 0 && sim_write(fd, "data", 4) == 4);
    MUST_FAIL(EIO, sim_fsync(fd));
    int later = open_file("/data/a");
    MUST(sim_fsync(fd) == 0);
    MUST_FAIL(EIO, sim_fsync(other));
    MUST(sim_fsync(other) == 0 && sim_fsync(later) == 0 && sim_fsync(b) == 0);
    MUST_FAIL(EIO, sim_syncfs(fd)); /* which is told apart */
    MUST(sim_syncfs(fd) == 0 && sim_syncfs(later) == 0);
    char text[8];
    MUST(sim_read(later, text, sizeof text) == 4 && memcmp(text, "data", 4) == 0);
    return 0;
}

/* Fails at its first syncfs. */
static int whole_main(int argc, char **argv, char **environment)
{
    UNUSED;
    int fd = open_file("/data/a"), other = open_file("/data/b"), clean = open_file("/data/c");
    MUST(fd >= 0 && other >= 0 && clean >= 0 && sim_fsync(clean) == 0);
    MUST(sim_write(other, "data", 4) == 4);
    MUST_FAIL(EIO, sim_syncfs(fd));
    MUST(sim_syncfs(fd) == 0 && sim_fsync(fd) == 0 && sim_fsync(clean) == 0);
    MUST_FAIL(EIO, sim_fsync(other));
    MUST_FAIL(EIO, sim_syncfs(other));
    MUST(sim_syncfs(open_file("/data/c")) == 0);
    return 0;
}

static const struct test_program programs[] = {{"file", file_main}, {"whole", whole_main}, {0, 0}};

static int fail_first(void *context, const struct call *call)
{
    unsigned *failures = context;
    if ((call->id != CALL_fsync && call->id != CALL_syncfs) || call->fd < 0)
        return 0;
    bool first = *failures == 0 &&
                 (call->id == CALL_syncfs) == (strcmp(process_name(call->process), "whole") == 0);
    *failures += first;
    return first ? EIO : 0;
}

/* The program runs, the power goes: /data/a then has this size, -1 if it is not there. */
static long size_after(const char *disk, const char *program, const char *path)
{
    struct kernel_options options = {.seed = 1};
    struct machine *machine = machine_create(&options, programs);
    struct host_options host = {.name = "disk.test", .disk = disk_model_named(disk)};
    unsigned failures = 0;
    struct kernel_watch watch = {fail_first, NULL, &failures};
    char *text = NULL, script[64], to[64];
    size_t size = 0;
    machine->host = host_create(machine->kernel, &host);
    snprintf(script, sizeof script, "#!nixie %s\n", program);
    snprintf(to, sizeof to, "/bin/%s", program);
    host_write_file(machine->host, to, script, strlen(script), 0, 0, 0755);
    host_make_directory(machine->host, "/data", 0, 0, 0755);
    vfs_settle(host_vfs(machine->host));
    kernel_watch(machine->kernel, &watch);
    int status = machine_run(machine, program);
    ck_assert_msg(status == 0, "%s on %s: %d, %s", program, disk, status, machine->output);
    ck_assert_uint_eq(failures, 1);
    host_crash(machine->host, &choose_none);
    host_boot(machine->host);
    long result = host_read_file(machine->host, path, &text, &size) == 0 ? (long) size : -1;
    free(text);
    machine_destroy(machine);
    return result;
}

START_TEST(each_descriptor_is_told_once)
{
    ck_assert_int_eq(size_after("ffs+fsync-eio", "file", "/data/a"), 0);
    ck_assert_int_eq(size_after("ext4+fsync-eio", "file", "/data/a"), 0);
    /* the inode was to become durable by that fsync, too */
    ck_assert_int_eq(size_after("strict+fsync-eio", "file", "/data/a"), -1);
}
END_TEST

START_TEST(a_failed_syncfs_is_told_to_all)
{
    ck_assert_int_eq(size_after("ffs+fsync-eio", "whole", "/data/b"), 0);
    ck_assert_int_eq(size_after("strict+fsync-eio", "whole", "/data/b"), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sync errors");
    TCase *tests = tcase_create("sync errors");
    tcase_add_test(tests, each_descriptor_is_told_once);
    tcase_add_test(tests, a_failed_syncfs_is_told_to_all);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}

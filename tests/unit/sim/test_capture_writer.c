/* SPDX-License-Identifier: ISC */
/* Capture files: what is in them, and what becomes of them when they cannot be written. */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pcap/pcap.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim/capture/writer.h"

static char folder[200], path[300];
static const char packet[100] = {0x45};

static void set_up(void)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%.150s/nixie-writer.XXXXXX", tmp ? tmp : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/one.pcap", folder);
}

/* Names in the folder. */
static unsigned names(void)
{
    unsigned count = 0;
    DIR *list = opendir(folder);
    struct dirent *entry;
    while ((entry = readdir(list)))
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(list);
    return count;
}

static void tear_down(void)
{
    unlink(path);
    rmdir(path);
    ck_assert_int_eq(rmdir(folder), 0); /* nothing is left behind */
}

/* The file as libpcap reads it: how many packets. */
static unsigned read_all(const char *file, struct pcap_pkthdr *last)
{
    char error[PCAP_ERRBUF_SIZE];
    pcap_t *reader =
        pcap_open_offline_with_tstamp_precision(file, PCAP_TSTAMP_PRECISION_NANO, error);
    struct pcap_pkthdr *header;
    const unsigned char *bytes;
    unsigned count = 0;
    int result;
    ck_assert_msg(reader != NULL, "%s", error);
    ck_assert_int_eq(pcap_datalink(reader), DLT_RAW);
    while ((result = pcap_next_ex(reader, &header, &bytes)) == 1) {
        count++;
        ck_assert_int_eq(memcmp(bytes, packet, 1), 0);
        *last = *header;
    }
    ck_assert_int_eq(result, PCAP_ERROR_BREAK);
    pcap_close(reader);
    return count;
}

/* A process that is killed while it writes leaves nothing, on file systems of today. */
static void kill_in_the_middle(void)
{
    int status, fd = open(folder, O_TMPFILE | O_WRONLY, 0600);
    unsigned before = names();
    if (fd < 0)
        return;
    close(fd);
    pid_t child = fork();
    if (child == 0) {
        struct capture_writer *writer = capture_open(folder, "other.pcap");
        for (int i = 0; i < 10000; i++)
            capture_add(writer, 0, packet, 100);
        raise(SIGKILL);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status));
    ck_assert_uint_eq(names(), before);
}

START_TEST(test_written)
{
    struct pcap_pkthdr last = {0};
    struct capture_writer *writer = capture_open(folder, "one.pcap");
    ck_assert_ptr_nonnull(writer);
    for (int i = 0; i < 1000; i++)
        ck_assert_int_eq(capture_add(writer, 1767225600123456789 + i, packet, 60), 0);
    ck_assert_uint_eq(capture_count(writer), 1000);
    ck_assert_int_lt(access(path, F_OK), 0); /* it has no name yet */
    kill_in_the_middle();
    ck_assert_int_eq(capture_close(writer), 0);
    ck_assert_uint_eq(names(), 1);
    ck_assert_uint_eq(read_all(path, &last), 1000);
    ck_assert_int_eq(last.ts.tv_sec, 1767225600);
    ck_assert_int_eq(last.ts.tv_usec, 123456789 + 999);
    ck_assert_uint_eq(last.caplen, 60);
    ck_assert_uint_eq(last.len, 60);
}
END_TEST

START_TEST(test_empty)
{
    struct pcap_pkthdr last;
    ck_assert_int_eq(capture_close(capture_open(folder, "one.pcap")), 0);
    ck_assert_uint_eq(read_all(path, &last), 0);
}
END_TEST

START_TEST(test_replaces)
{
    struct pcap_pkthdr last;
    for (unsigned i = 1; i < 3; i++) {
        struct capture_writer *writer = capture_open(folder, "one.pcap");
        for (unsigned n = 0; n < i; n++)
            capture_add(writer, 0, packet, 60);
        ck_assert_int_eq(capture_close(writer), 0);
        ck_assert_uint_eq(read_all(path, &last), i);
    }
}
END_TEST

START_TEST(test_no_folder)
{
    char none[300];
    snprintf(none, sizeof none, "%s/none", folder);
    ck_assert_ptr_null(capture_open(none, "one.pcap"));
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_ptr_null(capture_open("/dev/null", "one.pcap"));
    ck_assert_int_eq(errno, ENOTDIR);
}
END_TEST

START_TEST(test_name_is_a_folder)
{
    struct capture_writer *writer = capture_open(folder, "one.pcap");
    ck_assert_int_eq(mkdir(path, 0700), 0);
    capture_add(writer, 0, packet, 60);
    ck_assert_int_eq(capture_close(writer), -1);
    ck_assert_int_eq(errno, EISDIR);
    ck_assert_uint_eq(names(), 1);
}
END_TEST

/* The disk is full after so many bytes: what was there before stays. */
START_TEST(test_full)
{
    struct pcap_pkthdr last;
    struct rlimit before, limit;
    struct capture_writer *writer = capture_open(folder, "one.pcap");
    int result = 0;
    ck_assert_int_eq(capture_add(writer, 0, packet, 60), 0);
    ck_assert_int_eq(capture_close(writer), 0);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    limit = (struct rlimit){_i ? 500000 : 10, before.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
    writer = capture_open(folder, "one.pcap");
    for (int i = 0; i < 10000; i++)
        result |= capture_add(writer, 0, packet, 100);
    ck_assert_int_eq(result, -1); /* it is told as soon as it is known */
    ck_assert_int_eq(capture_add(writer, 0, packet, 1), -1);
    ck_assert_int_eq(capture_close(writer), -1);
    ck_assert_int_eq(errno, EFBIG);
    setrlimit(RLIMIT_FSIZE, &before);
    ck_assert_uint_eq(read_all(path, &last), 1);
}
END_TEST

/* The last bytes are found not to fit when the file is closed. */
START_TEST(test_full_at_the_end)
{
    struct rlimit before, limit;
    struct capture_writer *writer = capture_open(folder, "one.pcap");
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    limit = (struct rlimit){10, before.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
    ck_assert_int_eq(capture_add(writer, 0, packet, 100), 0);
    ck_assert_int_eq(capture_close(writer), -1);
    ck_assert_int_eq(errno, EFBIG);
    setrlimit(RLIMIT_FSIZE, &before);
}
END_TEST

START_TEST(test_times)
{
    static const struct {
        int64_t time_ns;
        int result;
    } times[] = {
        {0, 0},          {-1, -1},       {4294967295999999999, 0}, {4294967296000000000, -1},
        {INT64_MAX, -1}, {INT64_MIN, -1}};
    struct capture_writer *writer = capture_open(folder, "one.pcap");
    ck_assert_int_eq(capture_add(writer, times[_i].time_ns, packet, 60), times[_i].result);
    if (times[_i].result < 0)
        ck_assert_int_eq(errno, EOVERFLOW);
    ck_assert_int_eq(capture_close(writer), times[_i].result);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("capture files");
    TCase *tests = tcase_create("capture files");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, test_written);
    tcase_add_test(tests, test_empty);
    tcase_add_test(tests, test_replaces);
    tcase_add_test(tests, test_no_folder);
    tcase_add_test(tests, test_name_is_a_folder);
    tcase_add_loop_test(tests, test_full, 0, 2);
    tcase_add_test(tests, test_full_at_the_end);
    tcase_add_loop_test(tests, test_times, 0, 6);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

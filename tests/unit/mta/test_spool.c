/* SPDX-License-Identifier: ISC */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mta/lib/checksum.h"
#include "mta/lib/spool.h"

#define NUMBER UINT64_C(4711)
#define BYTES(text) text, sizeof(text) - 1

static const char recipients[] = "Tb@example.org\0Tc@example.net";

static struct spool_message sample(void)
{
    return (struct spool_message){.uid = 1000,
                                  .qp = NUMBER,
                                  .birth = 1795456645,
                                  .mess_length = 89,
                                  .mess_checksum = UINT64_C(0x0123456789abcdef),
                                  .sender = "a@example.com",
                                  .sender_size = 13,
                                  .recipients = recipients,
                                  .recipients_size = sizeof recipients};
}

/* --- every kind of file, for the tests that damage files --- */

static void build(struct buf *file, enum spool_kind kind)
{
    struct spool_message message = sample();
    size_t start;
    buf_reset(file);
    switch (kind) {
    case SPOOL_TODO:
        ck_assert_int_eq(spool_todo_build(file, NUMBER, &message), 0);
        break;
    case SPOOL_INFO:
        ck_assert_int_eq(spool_info_build(file, NUMBER, &message), 0);
        break;
    case SPOOL_BOUNCE:
        ck_assert_int_eq(spool_bounce_build(file, NUMBER, "b@x", 3, "no\nsuch\n", 8), 0);
        break;
    default:
        ck_assert_int_eq(spool_channel_begin(file, kind, NUMBER, 1795456700, &start), 0);
        ck_assert_int_eq(spool_channel_add(file, "b@example.org", 13), 0);
        ck_assert_int_eq(spool_channel_add(file, "c", 1), 0);
        spool_end(file, start, kind, NUMBER);
    }
}

static bool is_good(const char *file, size_t size, enum spool_kind kind, uint64_t number)
{
    struct spool_message message;
    struct spool_channel channel;
    struct spool_bounce bounce;
    size_t at = 0;
    errno = 0;
    int result;
    if (kind == SPOOL_TODO)
        result = spool_todo_parse(file, size, number, &message);
    else if (kind == SPOOL_INFO)
        result = spool_info_parse(file, size, number, &message);
    else if (kind == SPOOL_BOUNCE)
        result = spool_bounce_next(file, size, number, &at, &bounce) == 1 && at == size ? 0 : -1;
    else
        result = spool_channel_parse(file, size, kind, number, &channel);
    if (result < 0 && kind != SPOOL_BOUNCE)
        ck_assert_int_eq(errno, EBADMSG);
    return result == 0;
}

static const enum spool_kind kinds[] = {SPOOL_TODO, SPOOL_INFO, SPOOL_LOCAL, SPOOL_REMOTE,
                                        SPOOL_BOUNCE};
#define KINDS ((int) (sizeof kinds / sizeof *kinds))

/* A copy of exactly this size, so that a sanitizer sees what reads beyond it. */
static char *copy(const char *bytes, size_t size)
{
    char *made = malloc(size ? size : 1);
    if (size)
        memcpy(made, bytes, size);
    return made;
}

START_TEST(test_whole)
{
    struct buf file = BUF_INIT(0);
    build(&file, kinds[_i]);
    ck_assert(is_good(file.data, file.length, kinds[_i], NUMBER));
    ck_assert(!is_good(file.data, file.length, kinds[_i], NUMBER + 1));
    for (int other = 0; other < KINDS; other++)
        if (other != _i)
            ck_assert(!is_good(file.data, file.length, kinds[other], NUMBER));
    buf_free(&file);
}
END_TEST

START_TEST(test_cut_anywhere)
{
    struct buf file = BUF_INIT(0);
    build(&file, kinds[_i]);
    for (size_t size = 0; size < file.length; size++) {
        char *cut = copy(file.data, size);
        ck_assert(!is_good(cut, size, kinds[_i], NUMBER));
        free(cut);
    }
    buf_free(&file);
}
END_TEST

START_TEST(test_longer)
{
    struct buf file = BUF_INIT(0);
    build(&file, kinds[_i]);
    ck_assert_int_eq(buf_add(&file, "\0", 1), 0);
    ck_assert(!is_good(file.data, file.length, kinds[_i], NUMBER));
    ck_assert_int_eq(buf_add(&file, "Tx", 3), 0);
    ck_assert(!is_good(file.data, file.length, kinds[_i], NUMBER));
    buf_free(&file);
}
END_TEST

/* What may change in place: the first byte of a channel's records and its next try. */
static bool may_change(const struct buf *file, enum spool_kind kind, size_t at)
{
    if (kind != SPOOL_LOCAL && kind != SPOOL_REMOTE)
        return false;
    size_t first = SPOOL_HEADER_SIZE + 1;
    return at >= first && at < first + 37 && file->data[at] != ' ';
}

static bool is_mark(const struct buf *file, enum spool_kind kind, size_t at)
{
    return (kind == SPOOL_LOCAL || kind == SPOOL_REMOTE) && at >= SPOOL_HEADER_SIZE + 39 &&
           file->data[at - 1] == 0;
}

START_TEST(test_every_bit)
{
    struct buf file = BUF_INIT(0);
    build(&file, kinds[_i]);
    for (size_t bit = 0; bit < file.length * 8; bit++) {
        size_t at = bit / 8;
        char mask = (char) (1 << bit % 8);
        bool free_to_change = may_change(&file, kinds[_i], at);
        struct spool_channel channel;
        file.data[at] ^= mask;
        if (mask == ('T' ^ 'D') && is_mark(&file, kinds[_i], at)) {
            ck_assert(is_good(file.data, file.length, kinds[_i], NUMBER));
        } else if (!free_to_change) {
            ck_assert_msg(!is_good(file.data, file.length, kinds[_i], NUMBER), "bit %zu", bit);
        } else if (is_good(file.data, file.length, kinds[_i], NUMBER)) {
            ck_assert_int_eq(
                spool_channel_parse(file.data, file.length, kinds[_i], NUMBER, &channel), 0);
            ck_assert(!channel.next_try_known);
        }
        file.data[at] ^= mask;
    }
    buf_free(&file);
}
END_TEST

/* Zeros, as a crash may leave them, from any offset on. */
START_TEST(test_zeros)
{
    struct buf file = BUF_INIT(0);
    build(&file, kinds[_i]);
    for (size_t at = 0; at + 1 < file.length; at++) {
        char *torn = copy(file.data, file.length);
        memset(torn + at, 0, file.length - at);
        ck_assert(!is_good(torn, file.length, kinds[_i], NUMBER));
        free(torn);
    }
    buf_free(&file);
}
END_TEST

/* A body that checks out and still is not of the right form. */
START_TEST(test_wrong_body)
{
    static const struct {
        const char *body;
        size_t size;
    } bodies[] = {
        {BYTES("")},
        {BYTES("\0")},
        {BYTES("u1\0p1\0t1\0m1 0123456789abcdef\0")},
        {BYTES("u1\0p1\0t1\0m1 0123456789abcdef\0Fa")},
        {BYTES("u1\0p1\0t1\0m1 0123456789abcdef\0Fa\0Xb\0")},
        {BYTES("u1\0p1\0t1\0m1 0123456789abcdef\0Fa\0\0")},
        {BYTES("u1\0p1\0t1\0m1 0123456789abcdeg\0Fa\0")},
        {BYTES("u1\0p1\0t1\0m 0123456789abcdef\0Fa\0")},
        {BYTES("u1\0p1\0t1\0m1\0Fa\0")},
        {BYTES("u-1\0p1\0t1\0m1 0123456789abcdef\0Fa\0")},
        {BYTES("p1\0u1\0t1\0m1 0123456789abcdef\0Fa\0")},
        {BYTES("u1\0p1\0t99999999999999\0m1 0123456789abcdef\0Fa\0")},
        {BYTES("u99999999999999999999\0p1\0t1\0m1 0123456789abcdef\0Fa\0")},
    };
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        for (int k = 0; k < KINDS; k++) {
            struct buf file = BUF_INIT(0);
            size_t start;
            ck_assert_int_eq(spool_begin(&file, &start), 0);
            ck_assert_int_eq(buf_add(&file, bodies[i].body, bodies[i].size), 0);
            spool_end(&file, start, kinds[k], NUMBER);
            ck_assert_msg(!is_good(file.data, file.length, kinds[k], NUMBER), "%zu %d", i, k);
            buf_free(&file);
        }
}
END_TEST

START_TEST(test_lengths_that_lie)
{
    static const char *const lengths[] = {"9999999999", "0000000000", "4294967295", "-000000001",
                                          "0x00000001", "          ", "1844674407"};
    struct buf file = BUF_INIT(0);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        build(&file, kinds[_i]);
        memcpy(file.data + 35, lengths[i], 10);
        ck_assert(!is_good(file.data, file.length, kinds[_i], NUMBER));
    }
    buf_free(&file);
}
END_TEST

/* --- contents --- */

START_TEST(test_todo_content)
{
    struct buf file = BUF_INIT(0);
    struct spool_message message;
    build(&file, SPOOL_TODO);
    ck_assert(memcmp(file.data, "nixie1 todo   00000000000000004711 ", 35) == 0);
    ck_assert_int_eq(file.data[SPOOL_HEADER_SIZE - 1], '\n');
    ck_assert_int_eq(spool_todo_parse(file.data, file.length, NUMBER, &message), 0);
    ck_assert_uint_eq(message.uid, 1000);
    ck_assert_uint_eq(message.qp, NUMBER);
    ck_assert_int_eq(message.birth, 1795456645);
    ck_assert_uint_eq(message.mess_length, 89);
    ck_assert_uint_eq(message.mess_checksum, UINT64_C(0x0123456789abcdef));
    ck_assert_str_eq(message.sender, "a@example.com");
    ck_assert_uint_eq(message.recipients_size, sizeof recipients);
    ck_assert_int_eq(memcmp(message.recipients, recipients, sizeof recipients), 0);
    size_t used;
    ck_assert(spool_check(file.data, file.length, SPOOL_INTD, NUMBER, &used)); /* one inode */
    buf_free(&file);
}
END_TEST

START_TEST(test_no_recipients)
{
    struct buf file = BUF_INIT(0);
    struct spool_message message = sample();
    message.recipients_size = 0;
    message.sender_size = 0;
    message.sender = "";
    ck_assert_int_eq(spool_todo_build(&file, 1, &message), 0);
    ck_assert_int_eq(spool_todo_parse(file.data, file.length, 1, &message), 0);
    ck_assert_uint_eq(message.recipients_size, 0);
    ck_assert_str_eq(message.sender, "");
    buf_free(&file);
}
END_TEST

START_TEST(test_extreme_numbers)
{
    struct buf file = BUF_INIT(0);
    struct spool_message message = sample();
    message.uid = message.qp = message.mess_length = message.mess_checksum = UINT64_MAX;
    message.birth = INT64_MIN;
    ck_assert_int_eq(spool_todo_build(&file, UINT64_MAX, &message), 0);
    ck_assert_int_eq(spool_todo_parse(file.data, file.length, UINT64_MAX, &message), 0);
    ck_assert_uint_eq(message.mess_length, UINT64_MAX);
    ck_assert_int_eq(message.birth, 0);
    buf_free(&file);
}
END_TEST

START_TEST(test_limit)
{
    struct buf file = BUF_INIT(100);
    struct spool_message message = sample();
    errno = 0;
    ck_assert_int_eq(spool_todo_build(&file, 1, &message), -1);
    ck_assert_int_eq(errno, EMSGSIZE);
    buf_free(&file);
}
END_TEST

static int write_file(const struct buf *file)
{
    char path[] = "/tmp/nixie-spool.XXXXXX";
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    unlink(path);
    ck_assert_int_eq(write(fd, file->data, file->length), (ssize_t) file->length);
    return fd;
}

static void read_file(int fd, struct buf *file)
{
    ck_assert_int_eq(pread(fd, file->data, file->length + 1, 0), (ssize_t) file->length);
}

START_TEST(test_channel_marks)
{
    struct buf file = BUF_INIT(0);
    struct spool_channel channel;
    struct record record;
    build(&file, SPOOL_REMOTE);
    int fd = write_file(&file);
    ck_assert_int_eq(buf_reserve(&file, 1), 0);
    ck_assert_int_eq(spool_channel_parse(file.data, file.length, SPOOL_REMOTE, NUMBER, &channel),
                     0);
    ck_assert_uint_eq(channel.to_do, 2);
    ck_assert(channel.next_try_known);
    ck_assert_int_eq(channel.next_try, 1795456700);
    size_t at = channel.first;
    ck_assert_int_eq(record_next(file.data, file.length, &at, &record), 1);
    ck_assert_str_eq(record.text, "b@example.org");
    ck_assert_int_eq(record_next(file.data, file.length, &at, &record), 1);
    ck_assert_str_eq(record.text, "c");
    ck_assert_int_eq(spool_channel_mark(fd, record.offset), 0);
    ck_assert_int_eq(spool_channel_write_next_try(fd, SPOOL_REMOTE, NUMBER, 1800000000), 0);
    read_file(fd, &file);
    ck_assert_int_eq(spool_channel_parse(file.data, file.length, SPOOL_REMOTE, NUMBER, &channel),
                     0);
    ck_assert_uint_eq(channel.to_do, 1);
    ck_assert_uint_eq(channel.done, 1);
    ck_assert_int_eq(channel.next_try, 1800000000);
    close(fd);
    buf_free(&file);
}
END_TEST

/* Each byte of an overwritten next try may be the old or the new one: it is one of the two, or it
 * is not believed; the recipients are always. */
START_TEST(test_torn_next_try)
{
    struct buf old = BUF_INIT(0);
    struct buf new = BUF_INIT(0);
    struct spool_channel channel;
    build(&old, SPOOL_LOCAL);
    build(&new, SPOOL_LOCAL);
    int fd = write_file(&new);
    ck_assert_int_eq(buf_reserve(&new, 1), 0);
    ck_assert_int_eq(spool_channel_write_next_try(fd, SPOOL_LOCAL, NUMBER, 1795460000), 0);
    read_file(fd, &new);
    unsigned seed = 1;
    int torn = 0;
    for (int round = 0; round < 20000; round++) {
        char *mixed = copy(old.data, old.length);
        for (size_t i = 0; i < old.length; i++) {
            seed = seed * 1103515245 + 12345;
            if (seed >> 16 & 1)
                mixed[i] = new.data[i];
        }
        ck_assert_int_eq(spool_channel_parse(mixed, old.length, SPOOL_LOCAL, NUMBER, &channel), 0);
        ck_assert_uint_eq(channel.to_do, 2);
        if (!channel.next_try_known)
            torn++;
        else
            ck_assert(channel.next_try == 1795456700 || channel.next_try == 1795460000);
        free(mixed);
    }
    ck_assert_int_gt(torn, 0);
    close(fd);
    buf_free(&old);
    buf_free(&new);
}
END_TEST

START_TEST(test_mark_on_closed)
{
    ck_assert_int_eq(spool_channel_mark(-1, 0), -1);
    ck_assert_int_eq(errno, EBADF);
}
END_TEST

START_TEST(test_bounce_pieces)
{
    struct buf file = BUF_INIT(0);
    struct spool_bounce bounce;
    size_t at = 0;
    ck_assert_int_eq(spool_bounce_build(&file, NUMBER, "a", 1, "one\n", 4), 0);
    size_t second = file.length;
    ck_assert_int_eq(spool_bounce_build(&file, NUMBER, "b", 1, "two\0hidden", 10), 0);
    ck_assert_int_eq(spool_bounce_next(file.data, file.length, NUMBER, &at, &bounce), 1);
    ck_assert_str_eq(bounce.recipient, "a");
    ck_assert_str_eq(bounce.text, "one\n");
    ck_assert_uint_eq(at, second);
    ck_assert_int_eq(spool_bounce_next(file.data, file.length, NUMBER, &at, &bounce), 1);
    ck_assert_str_eq(bounce.text, "two");
    ck_assert_int_eq(spool_bounce_next(file.data, file.length, NUMBER, &at, &bounce), 0);
    buf_free(&file);
}
END_TEST

/* A torn piece hides neither what is before nor what is behind it, even if its text looks like a
 * piece. */
START_TEST(test_bounce_torn)
{
    struct buf fake = BUF_INIT(0);
    ck_assert_int_eq(spool_bounce_build(&fake, NUMBER, "evil", 4, "forged", 6), 0);
    struct buf piece = BUF_INIT(0);
    ck_assert_int_eq(spool_bounce_build(&piece, NUMBER, "b", 1, fake.data, fake.length), 0);
    for (size_t cut = 0; cut < piece.length; cut++) {
        struct buf file = BUF_INIT(0);
        struct spool_bounce bounce;
        size_t at = 0;
        int found = 0;
        int result;
        ck_assert_int_eq(spool_bounce_build(&file, NUMBER, "a", 1, "one", 3), 0);
        ck_assert_int_eq(buf_add(&file, piece.data, cut), 0);
        ck_assert_int_eq(spool_bounce_build(&file, NUMBER, "c", 1, "three", 5), 0);
        while ((result = spool_bounce_next(file.data, file.length, NUMBER, &at, &bounce)) != 0) {
            if (result < 0)
                continue;
            ck_assert_str_eq(bounce.text, found == 0 ? "one" : "three");
            found++;
        }
        ck_assert_int_eq(found, 2);
        ck_assert_uint_eq(at, file.length);
        buf_free(&file);
    }
    buf_free(&fake);
    buf_free(&piece);
}
END_TEST

/* --- mess, paths, numbers --- */

START_TEST(test_mess)
{
    struct buf file = BUF_INIT(0);
    for (int i = 0; i < 20000; i++)
        ck_assert_int_eq(buf_add(&file, "some bytes", 10), 0);
    int fd = write_file(&file);
    uint64_t checksum = checksum_of(file.data, file.length);
    ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
    ck_assert_int_eq(spool_mess_check(fd, file.length, checksum), 0);
    static const int lengths[] = {-1, 1, -200000, 1000};
    for (size_t i = 0; i < 4; i++) {
        ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
        ck_assert_int_eq(
            spool_mess_check(fd, (uint64_t) ((int64_t) file.length + lengths[i]), checksum), -1);
        ck_assert_int_eq(errno, EBADMSG);
    }
    ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
    ck_assert_int_eq(spool_mess_check(fd, file.length, checksum ^ 1), -1);
    ck_assert_int_eq(spool_mess_check(-1, 0, 0), -1);
    ck_assert_int_eq(errno, EBADF);
    close(fd);
    buf_free(&file);
}
END_TEST

START_TEST(test_paths)
{
    char path[SPOOL_PATH_SIZE];
    ck_assert_str_eq(spool_path(path, SPOOL_TODO, 17), "todo/17");
    ck_assert_str_eq(spool_path(path, SPOOL_CORRUPT, UINT64_MAX), "corrupt/18446744073709551615");
    enum spool_kind kind;
    for (int i = 0; i < SPOOL_KIND_COUNT; i++) {
        const char *name = spool_directory((enum spool_kind) i);
        ck_assert_int_eq(spool_kind_parse(name, strlen(name), &kind), 0);
        ck_assert_int_eq((int) kind, i);
    }
    ck_assert_int_eq(spool_kind_parse("tod", 3, &kind), -1);
    ck_assert_int_eq(spool_kind_parse("", 0, &kind), -1);
    ck_assert_int_eq(spool_kind_parse("lock", 4, &kind), -1);
}
END_TEST

START_TEST(test_numbers)
{
    static const struct {
        const char *name;
        uint64_t number; /* 0: none */
    } names[] = {{"1", 1},    {"17", 17}, {"18446744073709551614", UINT64_MAX - 1},
                 {"0", 0},    {"", 0},    {"01", 0},
                 {"+1", 0},   {"1 ", 0},  {".", 0},
                 {"..", 0},   {"1x", 0},  {"18446744073709551615", 0},
                 {"1/2", 0},  {"-1", 0},  {"18446744073709551616", 0},
                 {"1.new", 0}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        uint64_t number = 0;
        int result = spool_number_parse(names[i].name, strlen(names[i].name), &number);
        ck_assert_int_eq(result, names[i].number ? 0 : -1);
        ck_assert_uint_eq(number, names[i].number);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("spool");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 60);
    tcase_add_loop_test(all, test_whole, 0, KINDS);
    tcase_add_loop_test(all, test_cut_anywhere, 0, KINDS);
    tcase_add_loop_test(all, test_longer, 0, KINDS);
    tcase_add_loop_test(all, test_every_bit, 0, KINDS);
    tcase_add_loop_test(all, test_zeros, 0, KINDS);
    tcase_add_loop_test(all, test_lengths_that_lie, 0, KINDS);
    tcase_add_test(all, test_wrong_body);
    tcase_add_test(all, test_todo_content);
    tcase_add_test(all, test_no_recipients);
    tcase_add_test(all, test_extreme_numbers);
    tcase_add_test(all, test_limit);
    tcase_add_test(all, test_channel_marks);
    tcase_add_test(all, test_torn_next_try);
    tcase_add_test(all, test_mark_on_closed);
    tcase_add_test(all, test_bounce_pieces);
    tcase_add_test(all, test_bounce_torn);
    tcase_add_test(all, test_mess);
    tcase_add_test(all, test_paths);
    tcase_add_test(all, test_numbers);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

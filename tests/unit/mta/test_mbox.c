/* SPDX-License-Identifier: ISC */
/* Appending, quoting and records; tests/unit/sim/test_local_crash.c has the crashes. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mta/lib/checksum.h"
#include "mta/lib/mbox.h"
#include "mta/lib/mbox_record.h"
#include "mta/lib/mbox_text.h"

#define FROM "From a@b Thu Jan  1 00:00:00 1970\n"
#define HEADER "Return-Path: <a@b>\n"

static char directory[64];

static void setup(void)
{
    strcpy(directory, "/tmp/test_mbox.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    ck_assert_int_eq(chdir(directory), 0);
}

static void teardown(void)
{
    char command[100];
    ck_assert_int_eq(chdir("/"), 0);
    snprintf(command, sizeof command, "rm -rf %s", directory);
    ck_assert_int_eq(system(command), 0);
}

static void put(const char *path, const char *bytes, size_t size)
{
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, size, file), size);
    ck_assert_int_eq(fclose(file), 0);
}

static size_t get(const char *path, char *to, size_t room)
{
    FILE *file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    size_t size = fread(to, 1, room, file);
    fclose(file);
    return size;
}

static int deliver(const char *box, const char *text, size_t size, enum mbox_trouble *trouble)
{
    put("message", text, size);
    struct mbox_message message = {.fd = open("message", O_RDONLY),
                                   .from_line = FROM,
                                   .from_line_size = sizeof FROM - 1,
                                   .header = HEADER,
                                   .header_size = sizeof HEADER - 1};
    int result = mbox_deliver(box, &message, trouble);
    int saved = errno;
    close(message.fd);
    errno = saved;
    return result;
}

/* --- text --- */

START_TEST(from_lines)
{
    static const struct {
        const char *sender;
        int64_t time;
        const char *want;
    } rows[] = {
        {"a@b", 0, "From a@b Thu Jan  1 00:00:00 1970\n"},
        {"", 1795453509, "From MAILER-DAEMON Mon Nov 23 17:05:09 2026\n"},
        {"a b\tc\n@d", 951782400, "From a-b-c-@d Tue Feb 29 00:00:00 2000\n"},
        {"x", -1, "From x Wed Dec 31 23:59:59 1969\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf line = BUF_INIT(0);
        ck_assert_int_eq(mbox_from_line(&line, rows[i].sender, rows[i].time), 0);
        ck_assert_str_eq(buf_text(&line), rows[i].want);
        buf_free(&line);
    }
}
END_TEST

START_TEST(quoting)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"", "\n"},
        {"a", "a\n\n"},
        {"a\n", "a\n\n"},
        {"From ", ">From \n\n"},
        {"From\n", "From\n\n"},
        {"From", "From\n\n"},
        {"Fro", "Fro\n\n"},
        {">", ">\n\n"},
        {">From x\n", ">>From x\n\n"},
        {">>>From x", ">>>>From x\n\n"},
        {"> From x", "> From x\n\n"},
        {"F>From x", "F>From x\n\n"},
        {" From x\nFrom y\n\nFrom From From z\n", " From x\n>From y\n\n>From From From z\n\n"},
        {"FFrom x\nFrFrom x\n>Fro>From x\n", "FFrom x\nFrFrom x\n>Fro>From x\n\n"},
        {"a\r\nFrom b\r\n", "a\r\n>From b\r\n\n"},
        {"\n\n", "\n\n\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t size = strlen(rows[i].text);
        for (size_t cut = 0; cut <= size; cut++) { /* in two pieces, anywhere */
            struct mbox_quoter quoter;
            char got[MBOX_QUOTED_MAX(200)];
            mbox_quoter_init(&quoter);
            size_t used = mbox_quote(&quoter, got, rows[i].text, cut);
            used += mbox_quote(&quoter, got + used, rows[i].text + cut, size - cut);
            used += mbox_quote_end(&quoter, got + used);
            got[used] = 0;
            ck_assert_str_eq(got, rows[i].want);
        }
    }
}
END_TEST

START_TEST(finding)
{
    static const char text[] = "xFrom FrFrom x\n>From \0From here";
    static const struct mbox_place places[] = {
        {1, "FrFrom x", 8}, {8, "x\n>From ", 8}, {16, "\0From he", 8}, {22, "here", 4}};
    for (size_t cut = 0; cut < sizeof text; cut++) {
        struct mbox_finder finder = {.at = 0};
        struct mbox_place place;
        size_t found = 0, used, at = 0, ends[2] = {cut, sizeof text - 1};
        for (unsigned piece = 0; piece < 3; piece++)
            for (;;) {
                if (piece < 2 ? !mbox_find_from(&finder, text + at, ends[piece] - at, &used, &place)
                              : !mbox_find_end(&finder, &place)) {
                    at = piece < 2 ? ends[piece] : at;
                    break;
                }
                ck_assert_uint_lt(found, 4);
                ck_assert_uint_eq(place.at, places[found].at);
                ck_assert_uint_eq(place.known, places[found].known);
                ck_assert_int_eq(memcmp(place.following, places[found].following, place.known), 0);
                found++;
                at += used;
            }
        ck_assert_uint_eq(found, 4);
    }
}
END_TEST

/* --- records --- */

START_TEST(records)
{
    struct mbox_record record = {.inode = 7, .length = 1, .size = UINT64_MAX, .fence = 3}, back;
    struct buf bytes = BUF_INIT(0);
    struct mbox_place place = {0, "followin", MBOX_FOLLOWING};
    for (; place.at < UINT64_MAX / 2; place.at = place.at * 3 + 1)
        ck_assert_int_eq(mbox_record_add_from(&record, &place), 0);
    ck_assert_int_eq(buf_set_text(&record.head, "\n" FROM), 0);
    ck_assert_int_eq(mbox_record_build(&record, &bytes), 0);
    ck_assert_int_eq(mbox_record_parse(&back, bytes.data, bytes.length), 1);
    ck_assert_uint_eq(back.size, UINT64_MAX);
    ck_assert_uint_eq(back.from_count, 41);
    place.at = 4;
    ck_assert(mbox_record_has_from(&back, &place));
    place.following[1] = 0;
    ck_assert(mbox_record_has_from(&back, &place));
    place.following[1] = 'x';
    ck_assert(!mbox_record_has_from(&back, &place));
    back.length = MBOX_SECTOR - 4 - 6; /* a sector begins at the one that differs */
    ck_assert(!mbox_record_has_from(&back, &place));
    place.following[1] = '\x80';
    ck_assert(mbox_record_has_from(&back, &place));
    back.length++;
    ck_assert(!mbox_record_has_from(&back, &place));
    place.known = 1;
    ck_assert(mbox_record_has_from(&back, &place));
    place.at = 5;
    ck_assert(!mbox_record_has_from(&back, &place));
    mbox_record_free(&back);
    /* cut at every byte, and with every byte changed */
    for (size_t size = 0; size < bytes.length; size++) {
        char *exact = malloc(size ? size : 1);
        memcpy(exact, bytes.data, size);
        ck_assert_int_eq(mbox_record_parse(&back, exact, size), 0);
        mbox_record_free(&back);
        free(exact);
        bytes.data[size] ^= 1;
        ck_assert_int_eq(mbox_record_parse(&back, bytes.data, bytes.length), 0);
        mbox_record_free(&back);
        bytes.data[size] ^= 1;
    }
    /* what an older one left behind it does not matter */
    ck_assert_int_eq(buf_add_text(&bytes, "rest"), 0);
    ck_assert_int_eq(mbox_record_parse(&back, bytes.data, bytes.length), 1);
    mbox_record_free(&back);
    memcpy(bytes.data, MBOX_RECORD_CLOSED, sizeof MBOX_RECORD_CLOSED - 1);
    ck_assert_int_eq(mbox_record_parse(&back, bytes.data, bytes.length), 0);
    mbox_record_free(&back);
    mbox_record_free(&record);
    buf_free(&bytes);
}
END_TEST

/* --- boxes --- */

START_TEST(appends)
{
    static const char text[] = "S: x\n\nFrom \0\r\nlast";
    static const char boxed[] = FROM HEADER "S: x\n\n>From \0\r\nlast\n\n";
    static const struct {
        const char *before, *between;
    } rows[] = {{"", ""},      {"a\n\n", ""}, {"\n\n", ""},  {"a\n", "\n"},
                {"a", "\n\n"}, {"\n", ""},    {"\n\n\n", ""}};
    enum mbox_trouble trouble;
    char got[1000];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t before = strlen(rows[i].before), between = strlen(rows[i].between);
        put("box", rows[i].before, before);
        ck_assert_int_eq(deliver("box", text, sizeof text - 1, &trouble), 0);
        ck_assert_uint_eq(get("box", got, sizeof got), before + between + sizeof boxed - 1);
        ck_assert_int_eq(memcmp(got, rows[i].before, before), 0);
        ck_assert_int_eq(memcmp(got + before, rows[i].between, between), 0);
        ck_assert_int_eq(memcmp(got + before + between, boxed, sizeof boxed - 1), 0);
    }
    ck_assert_int_eq(deliver("./new", text, sizeof text - 1, &trouble), 0);
    struct stat st;
    ck_assert_int_eq(stat("new", &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    ck_assert_int_eq(stat(".new.nixie", &st), 0);
}
END_TEST

START_TEST(troubles)
{
    enum mbox_trouble trouble;
    ck_assert_int_eq(deliver("nothing/box", "x", 1, &trouble), -1);
    ck_assert(errno == ENOENT && trouble == MBOX_OPEN);
    ck_assert_int_eq(mkdir("directory", 0700), 0);
    ck_assert_int_eq(deliver("directory", "x", 1, &trouble), -1);
    ck_assert(errno == EISDIR && trouble == MBOX_OPEN);
    ck_assert_int_eq(mkfifo("fifo", 0600), 0);
    ck_assert_int_eq(deliver("fifo", "x", 1, &trouble), -1);
    ck_assert_int_eq(trouble, MBOX_KIND);
    /* a record's place taken by something else: the box is not touched */
    put("box", "a\n\n", 3);
    ck_assert_int_eq(mkdir(".box.nixie", 0700), 0);
    ck_assert_int_eq(deliver("box", "x", 1, &trouble), -1);
    ck_assert_int_eq(trouble, MBOX_RECORD);
    char got[10];
    ck_assert_uint_eq(get("box", got, sizeof got), 3);
}
END_TEST

/* A record that others may have written is not used. */
START_TEST(record_of_others)
{
    enum mbox_trouble trouble;
    struct stat st;
    ck_assert_int_eq(mkdir("spool", 0700), 0);
    put("spool/box", "", 0);
    put("spool/.box.nixie", "mine", 4);
    ck_assert_int_eq(chmod("spool/.box.nixie", 0666), 0);
    ck_assert_int_eq(deliver("spool/box", "x", 1, &trouble), 0);
    ck_assert_int_eq(stat("spool/.box.nixie", &st), 0);
    ck_assert_int_eq(st.st_size, 4);
    ck_assert_int_eq(system("ls .nixie-mbox-* >/dev/null"), 0);
    ck_assert_int_eq(unlink("spool/.box.nixie"), 0);
    ck_assert_int_eq(symlink("/etc/passwd", "spool/.box.nixie"), 0);
    ck_assert_int_eq(deliver("spool/box", "x", 1, &trouble), 0);
}
END_TEST

/* Rubbish in the record's place is no record, whatever it is. */
START_TEST(rubbish_record)
{
    enum mbox_trouble trouble;
    char rubbish[3000], got[20000];
    for (unsigned i = 0; i < 60; i++) {
        size_t size = i * 50;
        memset(rubbish, "x\0\n1 "[i % 5], sizeof rubbish);
        if (i % 2)
            memcpy(rubbish, MBOX_RECORD_CLOSED " 0", 25);
        put("box", "From me\n\nsome\n\n", 15);
        put(".box.nixie", rubbish, size);
        ck_assert_int_eq(deliver("box", "x", 1, &trouble), 0);
        size_t end = get("box", got, sizeof got);
        ck_assert_uint_eq(end, 15 + sizeof FROM - 1 + sizeof HEADER - 1 + 3);
    }
}
END_TEST

/* The record as it was during the append: with the checksum of what is behind it. */
static size_t get_open_record(const char *path, char *record, size_t room)
{
    char hex[17];
    size_t size = get(path, record, room);
    snprintf(hex, sizeof hex, "%016llx", (unsigned long long) checksum_of(record + 30, size - 30));
    memcpy(record + 14, hex, 16);
    return size;
}

/* A name that came back after a power loss may name the record's file: the record is heeded, the
 * file not written to. */
START_TEST(linked_record)
{
    enum mbox_trouble trouble;
    struct stat st;
    char record[2000], got[2000];
    put("box", "", 0);
    ck_assert_int_eq(deliver("box", "torn", 4, &trouble), 0);
    size_t size = get_open_record(".box.nixie", record, sizeof record);
    put(".box.nixie", record, size);
    ck_assert_int_eq(link(".box.nixie", "other"), 0);
    ck_assert_int_eq(truncate("box", 20), 0);
    for (unsigned i = 1; i <= 2; i++) {
        ck_assert_int_eq(deliver("box", "x", 1, &trouble), 0);
        ck_assert_uint_eq(get("box", got, sizeof got),
                          i * (sizeof FROM - 1 + sizeof HEADER - 1 + 3));
        ck_assert_uint_eq(get("other", got, sizeof got), size);
        ck_assert_mem_eq(got, record, size);
        ck_assert_int_eq(stat(".box.nixie", &st), 0);
        ck_assert_uint_eq(st.st_nlink, 1);
    }
}
END_TEST

/* Every length that a killed process may have left: cut off, if nobody has added anything. */
START_TEST(torn_at_every_byte)
{
    static const char old[] = "From me\n\nold\n\n";
    static const char text[] = "S: x\n\n>From here\nmy From there\n";
    static const char other[] = "From other\n\nx\n\n";
    enum mbox_trouble trouble;
    char record[2000], box[1000], got[2000];
    put("box", old, sizeof old - 1);
    ck_assert_int_eq(deliver("box", text, sizeof text - 1, &trouble), 0);
    size_t whole = get("box", box, sizeof box);
    size_t size = get_open_record(".box.nixie", record, sizeof record);
    for (unsigned foreign = 0; foreign < 2; foreign++)
        for (size_t end = sizeof old - 1; end <= whole; end++) {
            put(".box.nixie", record, size);
            put("box", box, end);
            if (foreign) {
                FILE *file = fopen("box", "a");
                fputs(other, file);
                fclose(file);
            }
            size_t before = get("box", got, sizeof got);
            char kept[2000];
            memcpy(kept, got, before);
            ck_assert_int_eq(deliver("box", "x", 1, &trouble), 0);
            size_t after = get("box", got, sizeof got);
            size_t wanted = foreign || end == whole ? before : sizeof old - 1;
            ck_assert_uint_ge(after, wanted);
            ck_assert_int_eq(memcmp(got, kept, wanted), 0);
            ck_assert_msg(
                memcmp(got + after - 3 - (sizeof FROM - 1) - (sizeof HEADER - 1), FROM, 5) == 0,
                "end %zu", end);
            if (!foreign && end < whole)
                ck_assert_uint_eq(after, sizeof old - 1 + sizeof FROM - 1 + sizeof HEADER - 1 + 3);
        }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("mbox");
    TCase *tests = tcase_create("mbox");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, from_lines);
    tcase_add_test(tests, quoting);
    tcase_add_test(tests, finding);
    tcase_add_test(tests, records);
    tcase_add_test(tests, appends);
    tcase_add_test(tests, troubles);
    tcase_add_test(tests, record_of_others);
    tcase_add_test(tests, rubbish_record);
    tcase_add_test(tests, linked_record);
    tcase_add_test(tests, torn_at_every_byte);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

/* SPDX-License-Identifier: ISC */
/* The journal's file: which slot counts, where records end, what is covered. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mta/lib/io.h"
#include "mta/lib/journal.h"

#define PATH "lock/journal"
#define GENERATION 7

static char folder[64];

static void write_at(int fd, off_t offset, const void *bytes, size_t size)
{
    ck_assert_int_eq(lseek(fd, offset, SEEK_SET), offset);
    ck_assert_int_eq(io_write(fd, bytes, size), 0);
}

static void set_up(void)
{
    struct journal journal = {.slot = {.generation = GENERATION}};
    char zeros[8192] = {0};
    strcpy(folder, "/tmp/nixie-journal.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chdir(folder), 0);
    ck_assert_int_eq(mkdir("lock", 0700), 0);
    journal.fd = open(PATH, O_RDWR | O_CREAT, 0600);
    ck_assert_int_ge(journal.fd, 0);
    write_at(journal.fd, 0, zeros, sizeof zeros);
    ck_assert_int_eq(journal_make_slot(&journal, 11), 0);
    journal_close(&journal);
}

static void tear_down(void)
{
    char command[128];
    ck_assert_int_eq(chdir("/"), 0);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    ck_assert_int_eq(system(command), 0);
}

static struct journal open_journal(void)
{
    struct journal journal;
    ck_assert_int_eq(journal_open(&journal), 1);
    return journal;
}

/* Adds a record of that number where `journal` is. */
static void add(struct journal *journal, uint64_t number, const char *todo, const char *mess)
{
    struct buf bytes = BUF_INIT(0);
    struct journal_record record = {number, strlen(todo), strlen(mess)};
    ck_assert_int_eq(
        journal_build_line(&bytes, journal->slot.generation, journal->last + 1, &record, todo), 0);
    ck_assert_uint_eq(bytes.length, JOURNAL_LINE_SIZE);
    buf_add_text(&bytes, todo);
    buf_add_text(&bytes, mess);
    write_at(journal->fd, (off_t) journal->end, bytes.data, bytes.length);
    journal->last++;
    journal->end += bytes.length;
    buf_free(&bytes);
}

/* The numbers of the records that a new reader finds, joined by blanks. */
static const char *found(bool whole)
{
    static char text[200];
    struct journal journal = open_journal();
    struct journal_record record;
    struct buf content = BUF_INIT(0);
    int result;
    text[0] = 0;
    while ((result = journal_next(&journal, &record, whole ? &content : NULL)) > 0)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%d ", (int) record.number);
    ck_assert_int_eq(result, 0);
    buf_free(&content);
    journal_close(&journal);
    return text;
}

START_TEST(records_are_found)
{
    struct journal journal = open_journal();
    struct journal_record record;
    struct buf content = BUF_INIT(0);
    ck_assert_uint_eq(journal.slot.generation, GENERATION);
    ck_assert_uint_eq(journal.slot.boot, 11);
    ck_assert_str_eq(found(true), "");
    add(&journal, 3, "to do", "a message");
    add(&journal, 9, "other", "");
    ck_assert_str_eq(found(true), "3 9 ");
    ck_assert_str_eq(found(false), "3 9 ");
    journal_close(&journal);

    journal = open_journal();
    ck_assert_int_eq(journal_next(&journal, &record, &content), 1);
    ck_assert_uint_eq(record.todo_size, 5);
    ck_assert_uint_eq(record.mess_size, 9);
    ck_assert_uint_eq(content.length, 14);
    ck_assert(memcmp(content.data, "to doa message", 14) == 0);
    buf_free(&content);
    journal_close(&journal);
}
END_TEST

/* Whatever byte of a line or of todo is another one: the records end before. */
START_TEST(damaged_record_ends_them)
{
    struct journal journal = open_journal();
    add(&journal, 3, "to do", "a message");
    uint64_t second = journal.end;
    add(&journal, 9, "other", "x");
    for (size_t i = 0; i < JOURNAL_LINE_SIZE + 5; i++) {
        char byte, changed;
        ck_assert_int_eq(lseek(journal.fd, (off_t) (second + i), SEEK_SET), second + i);
        ck_assert_int_eq(read(journal.fd, &byte, 1), 1);
        changed = (char) (byte ^ 1);
        write_at(journal.fd, (off_t) (second + i), &changed, 1);
        ck_assert_str_eq(found(true), "3 ");
        write_at(journal.fd, (off_t) (second + i), &byte, 1);
    }
    ck_assert_str_eq(found(true), "3 9 ");
    journal_close(&journal);
}
END_TEST

START_TEST(cut_record_ends_them)
{
    struct journal journal = open_journal();
    add(&journal, 3, "to do", "a message");
    add(&journal, 9, "other", "end");
    ck_assert_int_eq(ftruncate(journal.fd, (off_t) journal.end - 1), 0);
    ck_assert_str_eq(found(true), "3 ");
    journal_close(&journal);
}
END_TEST

START_TEST(new_generation_forgets)
{
    struct journal journal = open_journal();
    struct journal other = open_journal();
    struct journal_slot slot = journal.slot;
    add(&journal, 3, "to do", "a message");
    slot.generation++;
    ck_assert_int_eq(journal_write_slot(&journal, slot), 0);
    ck_assert_str_eq(found(true), "");
    /* who still thinks of the old generation changes nothing */
    slot = other.slot;
    slot.covered = 1;
    ck_assert_int_eq(journal_write_slot(&other, slot), 0);
    ck_assert_int_eq(journal_refresh(&other), 0);
    ck_assert_uint_eq(other.slot.generation, GENERATION + 1);
    ck_assert_uint_eq(other.slot.covered, 0);
    ck_assert_uint_eq(other.end, JOURNAL_FIRST);
    journal_close(&journal);
    journal_close(&other);
}
END_TEST

/* The newest slot is torn: the one before it counts. */
START_TEST(torn_slot)
{
    struct journal journal = open_journal();
    for (int i = 1; i <= 4; i++) {
        struct journal_slot slot = journal.slot;
        slot.covered = (uint64_t) i;
        ck_assert_int_eq(journal_write_slot(&journal, slot), 0);
        char byte, torn = '#';
        off_t at = (off_t) journal.place * 512 + 30 + i;
        ck_assert_int_eq(lseek(journal.fd, at, SEEK_SET), at);
        ck_assert_int_eq(read(journal.fd, &byte, 1), 1);
        write_at(journal.fd, at, &torn, 1);
        struct journal other = open_journal();
        ck_assert_uint_eq(other.slot.covered, i - 1);
        journal_close(&other);
        write_at(journal.fd, at, &byte, 1);
    }
    journal_close(&journal);
}
END_TEST

START_TEST(no_slot_at_all)
{
    struct journal journal = open_journal();
    char zeros[1024] = {0};
    write_at(journal.fd, 0, zeros, sizeof zeros);
    journal_close(&journal);
    ck_assert_int_eq(journal_open(&journal), -1);
    ck_assert_int_eq(errno, EBADMSG);
    ck_assert_int_ge(journal.fd, 0);
    journal_close(&journal);
    ck_assert_int_eq(unlink(PATH), 0);
    ck_assert_int_eq(journal_open(&journal), 0);
    ck_assert_int_eq(journal.fd, -1);
    ck_assert_int_eq(mkdir(PATH, 0700), 0);
    ck_assert_int_eq(journal_open(&journal), -1);
}
END_TEST

START_TEST(covering)
{
    struct journal journal = open_journal();
    int commit = open(".", O_RDONLY | O_DIRECTORY);
    add(&journal, 3, "to do", "a message");
    add(&journal, 9, "other", "x");
    struct journal other = open_journal();
    ck_assert_int_eq(journal_cover(&other, commit), 0);
    ck_assert_uint_eq(other.slot.covered, 2);
    ck_assert_int_eq(journal_refresh(&journal), 0);
    ck_assert_uint_eq(journal.slot.covered, 2);
    ck_assert_uint_eq(journal.last, 2);
    journal_close(&other);
    journal_close(&journal);
    close(commit);
}
END_TEST

/* After a sync that failed nothing is covered by a later one that does not. */
START_TEST(tainted)
{
    struct journal journal = open_journal();
    int commit = open(".", O_RDONLY | O_DIRECTORY);
    add(&journal, 3, "to do", "a message");
    ck_assert_int_eq(journal_cover(&journal, -1), -1);
    ck_assert_int_eq(errno, EBADF);
    struct journal other = open_journal();
    ck_assert(other.slot.tainted);
    ck_assert_int_eq(journal_cover(&other, commit), -1);
    ck_assert_int_eq(journal_refresh(&other), 0);
    ck_assert_uint_eq(other.slot.covered, 0);
    struct journal_slot slot = {.boot = 11, .generation = journal.slot.generation + 1};
    ck_assert_int_eq(journal_write_slot(&journal, slot), 0);
    ck_assert_int_eq(journal_refresh(&other), 0);
    ck_assert(!other.slot.tainted);
    journal_close(&other);
    journal_close(&journal);
    close(commit);
}
END_TEST

/* The queue begins a generation while the sync of clean is under way, and that fails. */
START_TEST(taint_of_a_generation_that_began_meanwhile)
{
    struct journal queue = open_journal();
    struct journal clean = open_journal();
    struct journal_slot slot = {.boot = 11, .generation = GENERATION + 1};
    int commit = open(".", O_RDONLY | O_DIRECTORY);
    add(&queue, 3, "to do", "a message");
    ck_assert_int_eq(journal_write_slot(&queue, slot), 0);
    queue.last = 0;
    queue.end = JOURNAL_FIRST;
    add(&queue, 9, "other", "x");
    ck_assert_int_eq(journal_cover(&clean, -1), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(journal_refresh(&queue), 0);
    ck_assert_uint_eq(queue.slot.generation, GENERATION + 1);
    ck_assert(queue.slot.tainted);
    ck_assert_int_eq(journal_cover(&clean, commit), -1);
    ck_assert_int_eq(errno, EIO);
    journal_close(&queue);
    journal_close(&clean);
    close(commit);
}
END_TEST

/* The disk fails the taint too: it is written when that is possible, and counts meanwhile. */
START_TEST(taint_that_cannot_be_written)
{
    struct journal clean = open_journal();
    int commit = open(".", O_RDONLY | O_DIRECTORY);
    int writable = clean.fd;
    add(&clean, 3, "to do", "a message");
    clean.fd = open(PATH, O_RDONLY);
    ck_assert_int_ge(clean.fd, 0);
    ck_assert_int_eq(journal_cover(&clean, -1), -1);
    ck_assert_int_eq(errno, EBADF);
    struct journal other = open_journal();
    ck_assert(!other.slot.tainted);
    ck_assert_int_eq(journal_refresh(&clean), 0);
    ck_assert_int_eq(journal_cover(&clean, commit), -1);
    ck_assert_int_eq(errno, EIO);
    close(clean.fd);
    clean.fd = writable;
    ck_assert_int_eq(journal_refresh(&clean), 0);
    ck_assert_int_eq(journal_refresh(&other), 0);
    ck_assert(other.slot.tainted);
    ck_assert_uint_eq(other.slot.covered, 0);
    journal_close(&other);
    journal_close(&clean);
    close(commit);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("journal");
    TCase *tests = tcase_create("journal");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, records_are_found);
    tcase_add_test(tests, damaged_record_ends_them);
    tcase_add_test(tests, cut_record_ends_them);
    tcase_add_test(tests, new_generation_forgets);
    tcase_add_test(tests, torn_slot);
    tcase_add_test(tests, no_slot_at_all);
    tcase_add_test(tests, covering);
    tcase_add_test(tests, tainted);
    tcase_add_test(tests, taint_of_a_generation_that_began_meanwhile);
    tcase_add_test(tests, taint_that_cannot_be_written);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}

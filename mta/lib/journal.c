/* SPDX-License-Identifier: ISC */
#include "mta/lib/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mta/lib/checksum.h"
#include "mta/lib/io.h"
#include "mta/lib/num.h"

#define PATH "lock/journal"

/* nixie1 journl BOOT(16 hex) SERIAL(20) GENERATION(16 hex) COVERED(20) STATE(1) CHECK(16 hex)\n */
#define SLOT_GAP 512
#define SLOT_SIZE 109
#define SLOT_BOOT_AT 14
#define SLOT_SERIAL_AT 31
#define SLOT_GENERATION_AT 52
#define SLOT_COVERED_AT 69
#define SLOT_STATE_AT 90
#define SLOT_CHECK_AT 92

/* nixie1 accept GENERATION(16 hex) SEQUENCE(20) NUMBER(20) TODO(8) MESS(8) CHECK(16 hex)\n */
#define LINE_GENERATION_AT 14
#define LINE_SEQUENCE_AT 31
#define LINE_NUMBER_AT 52
#define LINE_TODO_AT 73
#define LINE_MESS_AT 82
#define LINE_CHECK_AT 91
#define LINE_SIZE_DIGITS 8
#define DIGITS 20

#define TAINT_TRIES 3

_Static_assert(LINE_CHECK_AT + 16 + 1 <= JOURNAL_LINE_SIZE, "a record's line has room");
_Static_assert(SLOT_CHECK_AT + 16 + 1 == SLOT_SIZE, "a slot's line has its size");

/* --- slots --- */

static void slot_format(char to[SLOT_SIZE], const struct journal_slot *slot)
{
    memset(to, ' ', SLOT_SIZE);
    memcpy(to, "nixie1 journl", 13);
    num_format_hex(to + SLOT_BOOT_AT, slot->boot);
    num_format_padded(to + SLOT_SERIAL_AT, DIGITS, slot->serial);
    num_format_hex(to + SLOT_GENERATION_AT, slot->generation);
    num_format_padded(to + SLOT_COVERED_AT, DIGITS, slot->covered);
    to[SLOT_STATE_AT] = slot->tainted ? '1' : '0';
    num_format_hex(to + SLOT_CHECK_AT, checksum_of(to, SLOT_CHECK_AT));
    to[SLOT_SIZE - 1] = '\n';
}

static bool slot_parse(const char from[SLOT_SIZE], struct journal_slot *slot)
{
    char again[SLOT_SIZE];
    if (num_parse_hex(from + SLOT_BOOT_AT, &slot->boot) < 0 ||
        num_parse(from + SLOT_SERIAL_AT, DIGITS, &slot->serial) < 0 ||
        num_parse_hex(from + SLOT_GENERATION_AT, &slot->generation) < 0 ||
        num_parse(from + SLOT_COVERED_AT, DIGITS, &slot->covered) < 0)
        return false;
    slot->tainted = from[SLOT_STATE_AT] == '1';
    slot_format(again, slot);
    return memcmp(again, from, SLOT_SIZE) == 0;
}

/* Up to `size` bytes at `offset`.  The count, or -1 with errno. */
static ssize_t read_at(int fd, uint64_t offset, char *to, size_t size)
{
    size_t got = 0;
    if (lseek(fd, (off_t) offset, SEEK_SET) < 0)
        return -1;
    while (got < size) {
        ssize_t count = io_read(fd, to + got, size - got);
        if (count < 0)
            return -1;
        if (count == 0)
            break;
        got += (size_t) count;
    }
    return (ssize_t) got;
}

/* The slot that counts.  0, or -1 with errno (EBADMSG: there is none). */
static int read_slots(int fd, struct journal_slot *slot, unsigned *place)
{
    bool found = false;
    for (unsigned i = 0; i < 2; i++) {
        char line[SLOT_SIZE];
        struct journal_slot one;
        ssize_t count = read_at(fd, i * SLOT_GAP, line, sizeof line);
        if (count < 0)
            return -1;
        if (count != SLOT_SIZE || !slot_parse(line, &one) || (found && one.serial < slot->serial))
            continue;
        found = true;
        *slot = one;
        *place = i;
    }
    if (found)
        return 0;
    errno = EBADMSG;
    return -1;
}

/* The slot that counts now.  0, or -1 with errno: all is as it was. */
static int read_current(struct journal *journal)
{
    struct journal_slot slot;
    unsigned place;
    if (read_slots(journal->fd, &slot, &place) < 0)
        return -1;
    if (journal->end == 0 || journal->slot.generation != slot.generation) {
        journal->last = 0;
        journal->end = JOURNAL_FIRST;
    }
    journal->slot = slot;
    journal->place = place;
    return 0;
}

int journal_open(struct journal *journal)
{
    struct stat st;
    memset(journal, 0, sizeof *journal);
    journal->fd = open(PATH, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (journal->fd < 0)
        return errno == ENOENT ? 0 : -1;
    if (fstat(journal->fd, &st) < 0)
        return -1;
    if (!S_ISREG(st.st_mode)) {
        errno = EBADMSG;
        return -1;
    }
    return read_current(journal) < 0 ? -1 : 1;
}

void journal_close(struct journal *journal)
{
    io_close(&journal->fd);
}

int journal_lock(const struct journal *journal)
{
    int result;
    do
        result = flock(journal->fd, LOCK_EX);
    while (result < 0 && errno == EINTR);
    return result;
}

void journal_unlock(const struct journal *journal)
{
    int saved = errno;
    flock(journal->fd, LOCK_UN);
    errno = saved;
}

int journal_make_slot(struct journal *journal, uint64_t boot)
{
    char line[SLOT_SIZE];
    struct journal_slot slot = {.boot = boot, .generation = journal->slot.generation, .serial = 1};
    slot_format(line, &slot);
    if (lseek(journal->fd, 0, SEEK_SET) < 0 || io_write(journal->fd, line, sizeof line) < 0)
        return -1;
    journal->slot = slot;
    journal->place = 0;
    journal->last = 0;
    journal->end = JOURNAL_FIRST;
    return 0;
}

/* Writes a slot and waits for the disk.  0, or -1 with errno. */
static int put_slot(struct journal *journal, unsigned place, const struct journal_slot *slot)
{
    char line[SLOT_SIZE];
    slot_format(line, slot);
    if (lseek(journal->fd, (off_t) (place * SLOT_GAP), SEEK_SET) < 0 ||
        io_write(journal->fd, line, sizeof line) < 0 || fdatasync(journal->fd) < 0)
        return -1;
    journal->sure = slot->serial;
    return 0;
}

/* Under the lock.  The slot that counts may be in cache only, since a sync has failed, or who wrote
 * it was killed: then the other one is all that the disk has, and may not be overwritten. */
static int replace_slot(struct journal *journal, struct journal_slot *slot)
{
    uint64_t generation = journal->slot.generation;
    struct journal_slot now;
    if (read_slots(journal->fd, &now, &journal->place) < 0)
        return -1;
    if (now.generation != generation)
        return 0;
    journal->slot = now;
    if (now.tainted && !slot->tainted && slot->generation == generation) {
        errno = EIO;
        return -1;
    }
    if (now.serial != journal->sure && put_slot(journal, journal->place, &now) < 0)
        return -1;
    slot->serial = now.serial + 1;
    unsigned other = 1 - journal->place;
    if (put_slot(journal, other, slot) < 0)
        return -1;
    journal->slot = *slot;
    journal->place = other;
    return 0;
}

int journal_write_slot(struct journal *journal, struct journal_slot slot)
{
    if (journal_lock(journal) < 0)
        return -1;
    int result = replace_slot(journal, &slot);
    journal_unlock(journal);
    return result;
}

/* --- taint --- */

/* Writes it to the generation that counts, be it one that began meanwhile.  What cannot be written
 * is owed: journal_refresh comes back to it. */
static void settle_taint(struct journal *journal)
{
    for (int i = 0; i < TAINT_TRIES; i++) {
        struct journal_slot slot = journal->slot;
        slot.tainted = true;
        if (journal_write_slot(journal, slot) < 0 || read_current(journal) < 0)
            break;
        if (journal->slot.tainted) {
            journal->owes_taint = false;
            return;
        }
    }
    journal->slot.tainted = true;
}

void journal_taint(struct journal *journal)
{
    journal->owes_taint = true;
    settle_taint(journal);
}

int journal_refresh(struct journal *journal)
{
    if (read_current(journal) < 0)
        return -1;
    if (journal->owes_taint)
        settle_taint(journal);
    return 0;
}

/* --- records --- */

static void line_format(char to[JOURNAL_LINE_SIZE], uint64_t generation, uint64_t sequence,
                        const struct journal_record *record, const char *todo)
{
    struct checksum checksum;
    memset(to, ' ', JOURNAL_LINE_SIZE);
    memcpy(to, "nixie1 accept", 13);
    num_format_hex(to + LINE_GENERATION_AT, generation);
    num_format_padded(to + LINE_SEQUENCE_AT, DIGITS, sequence);
    num_format_padded(to + LINE_NUMBER_AT, DIGITS, record->number);
    num_format_padded(to + LINE_TODO_AT, LINE_SIZE_DIGITS, record->todo_size);
    num_format_padded(to + LINE_MESS_AT, LINE_SIZE_DIGITS, record->mess_size);
    checksum_begin(&checksum);
    checksum_add(&checksum, to, LINE_CHECK_AT);
    checksum_add(&checksum, todo, record->todo_size);
    num_format_hex(to + LINE_CHECK_AT, checksum_value(&checksum));
    to[JOURNAL_LINE_SIZE - 1] = '\n';
}

/* True if it is the line of that record, as far as can be told without its content. */
static bool line_parse(const char line[JOURNAL_LINE_SIZE], uint64_t generation, uint64_t sequence,
                       struct journal_record *record)
{
    uint64_t found_generation, found_sequence, todo_size, mess_size;
    if (memcmp(line, "nixie1 accept ", 14) != 0 || line[JOURNAL_LINE_SIZE - 1] != '\n' ||
        num_parse_hex(line + LINE_GENERATION_AT, &found_generation) < 0 ||
        num_parse(line + LINE_SEQUENCE_AT, DIGITS, &found_sequence) < 0 ||
        num_parse(line + LINE_NUMBER_AT, DIGITS, &record->number) < 0 ||
        num_parse(line + LINE_TODO_AT, LINE_SIZE_DIGITS, &todo_size) < 0 ||
        num_parse(line + LINE_MESS_AT, LINE_SIZE_DIGITS, &mess_size) < 0)
        return false;
    record->todo_size = todo_size;
    record->mess_size = mess_size;
    return found_generation == generation && found_sequence == sequence &&
           todo_size <= JOURNAL_TODO_MAX && mess_size <= JOURNAL_MESS_MAX;
}

int journal_build_line(struct buf *to, uint64_t generation, uint64_t sequence,
                       const struct journal_record *record, const char *todo)
{
    char line[JOURNAL_LINE_SIZE];
    line_format(line, generation, sequence, record, todo);
    return buf_add(to, line, sizeof line);
}

/* What follows the line.  1 if it is there and fits the line, else 0; -1 with errno. */
static int read_content(const struct journal *journal, const char line[JOURNAL_LINE_SIZE],
                        const struct journal_record *record, struct buf *content)
{
    char again[JOURNAL_LINE_SIZE];
    size_t size = record->todo_size + record->mess_size;
    buf_reset(content);
    if (buf_reserve(content, size + 1) < 0)
        return -1;
    ssize_t count = read_at(journal->fd, journal->end + JOURNAL_LINE_SIZE, content->data, size);
    if (count < 0)
        return -1;
    if ((size_t) count != size)
        return 0;
    content->length = size;
    line_format(again, journal->slot.generation, journal->last + 1, record, content->data);
    return memcmp(again, line, sizeof again) == 0;
}

int journal_next(struct journal *journal, struct journal_record *record, struct buf *content)
{
    char line[JOURNAL_LINE_SIZE];
    ssize_t count = read_at(journal->fd, journal->end, line, sizeof line);
    if (count < 0)
        return -1;
    if (count != JOURNAL_LINE_SIZE ||
        !line_parse(line, journal->slot.generation, journal->last + 1, record))
        return 0;
    if (content) {
        int there = read_content(journal, line, record, content);
        if (there <= 0)
            return there;
    }
    journal->last++;
    journal->end += JOURNAL_LINE_SIZE + record->todo_size + record->mess_size;
    return 1;
}

/* --- covering --- */

int journal_cover(struct journal *journal, int commit_fd)
{
    struct journal_record record;
    int found;
    do
        found = journal_next(journal, &record, NULL);
    while (found > 0);
    if (found < 0)
        return -1;
    if (io_sync_all(commit_fd) < 0) {
        int saved = errno;
        journal_taint(journal);
        errno = saved;
        return -1;
    }
    if (journal->last <= journal->slot.covered)
        return 0;
    if (journal->slot.tainted) {
        errno = EIO;
        return -1;
    }
    struct journal_slot slot = journal->slot;
    slot.covered = journal->last;
    return journal_write_slot(journal, slot);
}

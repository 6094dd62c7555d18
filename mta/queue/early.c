/* SPDX-License-Identifier: ISC */
#include "mta/queue/early.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mta/lib/boot.h"
#include "mta/lib/io.h"
#include "mta/lib/mem.h"
#include "mta/lib/queue_result.h"
#include "mta/lib/spool.h"
#include "mta/queue/commit.h"

#define PATH "lock/journal"
#define SIZE_FIRST ((uint64_t) 256 << 10)
#define SIZE_MAX_BYTES ((uint64_t) 16 << 20)
#define GROWTH 4
#define PIECE ((size_t) 256 << 10)      /* zeros written at once: all sizes are multiples */
#define BATCH_KEPT ((size_t) 256 << 10) /* a larger buffer is given back */
#define COVER_MS 5000 /* from a generation's first record to the look whether it is covered */
#define MODE 0644     /* of spool files, as in entry.c */

/* --- a journal that is new ------------------------------------------------------------------ */

/* Blocks for the file up to `size`: what is overwritten later needs no new ones. */
static int extend(struct early *early, uint64_t size)
{
    char *zeros = mem_alloc(PIECE);
    if (!zeros)
        return -1;
    memset(zeros, 0, PIECE);
    int result = lseek(early->journal.fd, (off_t) early->size, SEEK_SET) < 0 ? -1 : 0;
    for (uint64_t at = early->size; result == 0 && at < size; at += PIECE)
        result = io_write(early->journal.fd, zeros, PIECE);
    int saved = errno;
    mem_free(zeros);
    errno = saved;
    if (result == 0)
        early->size = size;
    return result;
}

/* Begins a generation: nothing that was recorded counts any more.  If that fails nobody knows which
 * one the disk will have, and so no record may follow. */
static int begin_generation(struct early *early)
{
    struct journal *journal = &early->journal;
    struct journal_slot slot = {.boot = early->boot, .generation = journal->slot.generation + 1};
    if (journal_write_slot(journal, slot) < 0) {
        early->is_usable = false;
        return -1;
    }
    journal->last = 0;
    journal->end = JOURNAL_FIRST;
    journal->owes_taint = false;
    early->since_ms = 0;
    return 0;
}

/* What a file begins with until it is known that the disk has its name and its blocks: of an error
 * in these nobody would be told any more, and a slot would be believed. */
#define BEING_MADE "nixie1 being made: its name and blocks may not be on the disk\n"

/* 1: nothing has been written into it yet (nixie mta init makes such a file); 0; -1 with errno. */
static int is_fresh(int fd)
{
    static const char nothing[JOURNAL_FIRST];
    char start[JOURNAL_FIRST];
    size_t size = 0;
    ssize_t count;
    if (lseek(fd, 0, SEEK_SET) < 0)
        return -1;
    while ((count = io_read(fd, start + size, sizeof start - size)) > 0)
        size += (size_t) count;
    return count < 0 ? -1 : memcmp(start, nothing, size) == 0;
}

/* Opens a file to make a journal of, a new one if the one that is there has been begun with. */
static int open_new(struct journal *journal)
{
    int fresh = journal->fd < 0 ? 0 : is_fresh(journal->fd);
    if (fresh)
        return fresh < 0 ? -1 : 0;
    if (journal->fd >= 0 && unlink(PATH) < 0 && errno != ENOENT)
        return -1;
    io_close(&journal->fd);
    journal->fd = open(PATH, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return journal->fd < 0 ? -1 : 0;
}

/* The blocks and the name of the file, on the disk. */
static int make_file(struct early *early)
{
    static const char start[JOURNAL_FIRST] = BEING_MADE;
    int fd = early->journal.fd;
    if ((early->size < SIZE_FIRST && extend(early, SIZE_FIRST) < 0) || lseek(fd, 0, SEEK_SET) < 0 ||
        io_write(fd, start, sizeof start) < 0 || fsync(fd) < 0)
        return -1;
    return io_sync_directory("lock");
}

/* The file is made, or no slot in it counts: it is fresh from nixie mta init, say. */
static int make(struct early *early)
{
    struct journal *journal = &early->journal;
    struct stat st;
    if (open_new(journal) < 0 || fstat(journal->fd, &st) < 0)
        return -1;
    /* No record of an earlier file may fit a generation of this one. */
    if (getrandom(&journal->slot.generation, sizeof journal->slot.generation, 0) !=
        (ssize_t) sizeof journal->slot.generation)
        return -1;
    journal->slot.generation >>= 1;
    early->size = (uint64_t) st.st_size;
    if (make_file(early) < 0 || journal_make_slot(journal, early->boot) < 0)
        return -1;
    return fsync(journal->fd);
}

/* --- making messages again ------------------------------------------------------------------ */

/* 1, 0, or -1 with errno: that cannot be told. */
static int is_there(enum spool_kind kind, uint64_t number)
{
    uint64_t length;
    if (spool_length(kind, number, &length) == 0)
        return 1;
    return errno == ENOENT ? 0 : -1;
}

/* Whether it waits in the spool as it was accepted.  In this boot one that does not has been
 * delivered, or will be from info/N. */
static int is_in_S4(uint64_t number)
{
    int mess = is_there(SPOOL_MESS, number);
    return mess <= 0 ? mess : is_there(SPOOL_TODO, number);
}

/* A new file with these bytes.  0, or -1 with errno. */
static int write_new(const char *path, const char *bytes, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, MODE);
    if (fd < 0)
        return -1;
    int result = io_write(fd, bytes, size);
    int saved = errno;
    io_close(&fd);
    errno = saved;
    return result;
}

/* KIND/N as a new file, first made in pid: what info/N beside it would make of an intd/N is none of
 * the stages.  0, or -1 with errno. */
static int put_new(uint64_t number, enum spool_kind kind, const char *bytes, size_t size)
{
    char from[SPOOL_PATH_SIZE], to[SPOOL_PATH_SIZE];
    spool_path(from, SPOOL_PID, number);
    spool_path(to, kind, number);
    if (unlink(from) < 0 && errno != ENOENT)
        return -1;
    if (write_new(from, bytes, size) == 0 && rename(from, to) == 0)
        return 0;
    int saved = errno;
    unlink(from); /* it may hold the last of the room */
    errno = saved;
    return -1;
}

static bool holds(int fd, const char *bytes, size_t size)
{
    char block[16384];
    size_t at = 0;
    ssize_t count;
    while ((count = io_read(fd, block, sizeof block)) > 0) {
        if ((size_t) count > size - at || memcmp(block, bytes + at, (size_t) count) != 0)
            return false;
        at += (size_t) count;
    }
    return count == 0 && at == size;
}

/* If KIND/N holds just these bytes writes them over themselves, which needs no room: the next sync
 * tells what has become of them.  False: it does not, or that failed. */
static bool put_over(uint64_t number, enum spool_kind kind, const char *bytes, size_t size)
{
    int fd = spool_open(kind, number, O_RDWR);
    bool done = fd >= 0 && holds(fd, bytes, size) && lseek(fd, 0, SEEK_SET) == 0 &&
                io_write(fd, bytes, size) == 0;
    io_close(&fd);
    return done;
}

/* KIND/N, anew.  On a full disk what is there already must do: nothing makes room before it is
 * delivered.  0, or -1 with errno. */
static int put(uint64_t number, enum spool_kind kind, const char *bytes, size_t size)
{
    if (put_new(number, kind, bytes, size) == 0)
        return 0;
    int saved = errno;
    if ((saved == ENOSPC || saved == EDQUOT) && put_over(number, kind, bytes, size))
        return 0;
    errno = saved;
    return -1;
}

/* 1 if it is there, -1 with errno.  That files are right says nothing: they may not be on the disk
 * since a sync has failed, and in another boot than the record's too, since the queue that made
 * them again was killed. */
static int put_again(const struct early *early, const struct journal_record *record,
                     const char *todo)
{
    const struct journal_slot *slot = &early->journal.slot;
    uint64_t number = record->number;
    if (slot->boot == early->boot) {
        int there = slot->tainted ? is_in_S4(number) : 0;
        if (there <= 0)
            return there < 0 ? -1 : 1;
    }
    if (put(number, SPOOL_MESS, todo + record->todo_size, record->mess_size) < 0 ||
        put(number, SPOOL_TODO, todo, record->todo_size) < 0)
        return -1;
    return 1;
}

/* One message.  1: it is there; 0: it is not whole in the journal, so it was never accepted; -1
 * with errno.  nixie-clean must not remove it between the look and the making. */
static int make_again(const struct early *early, const struct journal_record *record,
                      const struct buf *content)
{
    const char *mess = content->data + record->todo_size;
    struct spool_message message;
    if (spool_todo_parse(content->data, record->todo_size, record->number, &message) < 0 ||
        message.mess_length != record->mess_size ||
        message.mess_checksum != checksum_of(mess, record->mess_size))
        return 0;
    if (journal_lock(&early->journal) < 0)
        return -1;
    int result = put_again(early, record, content->data);
    journal_unlock(&early->journal);
    return result;
}

/* If that fails halfway the next record still goes behind the last one, not over one of those that
 * are wanted again. */
static int make_all_again(struct early *early)
{
    struct journal *journal = &early->journal;
    uint64_t last = journal->last, end = journal->end;
    struct buf content = BUF_INIT(JOURNAL_TODO_MAX + JOURNAL_MESS_MAX + 1);
    struct journal_record record;
    int result = 1;
    journal->last = 0;
    journal->end = JOURNAL_FIRST;
    while (result > 0) {
        result = journal_next(journal, &record, &content);
        if (result > 0 && journal->last > journal->slot.covered)
            result = make_again(early, &record, &content);
    }
    if (result < 0 && journal->last < last) {
        journal->last = last;
        journal->end = end;
    }
    int saved = errno;
    buf_free(&content);
    errno = saved;
    return result;
}

/* Everything that was recorded is made durable in the spool by that descriptor, and the journal is
 * empty.  0, or -1 with errno. */
static int recover(struct early *early, int sync_fd)
{
    if (make_all_again(early) < 0)
        return -1;
    if (io_sync_all(sync_fd) < 0) {
        int saved = errno;
        journal_taint(&early->journal);
        errno = saved;
        return -1;
    }
    return begin_generation(early);
}

/* 0 if nothing that is recorded would have to be made again; else, or if that cannot be told, -1.
 */
static int is_covered(struct journal *journal)
{
    struct journal_record record;
    int found;
    do
        found = journal_next(journal, &record, NULL);
    while (found > 0);
    return found == 0 && journal->last <= journal->slot.covered ? 0 : -1;
}

/* Of an error that another program was told of before this one opened the file system it is told
 * nothing.  So what was recorded in this boot and is not covered counts as if it had met one; first
 * of all for nixie-clean, which must not cover what is being made again.  0, or -1 with errno. */
static int distrust(struct early *early)
{
    struct journal *journal = &early->journal;
    if (journal->slot.boot != early->boot || is_covered(journal) == 0)
        return 0;
    journal_taint(journal);
    errno = EIO;
    return journal->owes_taint ? -1 : 0;
}

/* After a power loss the name of a journal that was just being made can lead to a file that another
 * user had removed.  One of our own that cannot be opened is somebody's doing, and may be needed.
 */
static int open_journal(struct journal *journal)
{
    struct stat st;
    int found = journal_open(journal);
    if (found >= 0 || errno != EACCES)
        return found;
    if (lstat(PATH, &st) < 0)
        return -1;
    if (st.st_uid == geteuid()) {
        errno = EACCES;
        return -1;
    }
    return unlink(PATH);
}

int early_start(struct early *early, int commit_fd)
{
    struct stat st;
    *early = (struct early){.journal = {.fd = -1}, .commit_fd = commit_fd, .cover_fd = -1};
    int known = boot_id(&early->boot);
    if (known < 0)
        return -1;
    early->cover_fd = commit_open();
    if (early->cover_fd < 0)
        return -1;
    int found = open_journal(&early->journal);
    if (found < 0 && (early->journal.fd < 0 || errno != EBADMSG))
        return -1;
    if (found <= 0) {
        early->is_usable = known && make(early) == 0;
        return 0;
    }
    if (!known) /* what was delivered in this boot must not come back */
        return is_covered(&early->journal);
    if (fstat(early->journal.fd, &st) < 0 || distrust(early) < 0 || recover(early, commit_fd) < 0)
        return -1;
    early->size = (uint64_t) st.st_size;
    early->is_usable = true;
    return 0;
}

/* --- covering what was recorded -------------------------------------------------------------- */

/* All that was recorded is durable in the spool, or durably gone, and the journal is empty.  0, or
 * -1 with errno. */
static int cover(struct early *early, int sync_fd)
{
    struct journal *journal = &early->journal;
    bool has_slot = journal->fd >= 0 && journal->slot.serial > 0;
    if (!has_slot) { /* there could be no journal */
        int result = io_sync_all(sync_fd);
        early->since_ms = result < 0 ? early->since_ms : 0;
        return result;
    }
    if (journal_refresh(journal) < 0)
        return -1;
    if (journal->slot.tainted)
        return recover(early, sync_fd);
    if ((early->is_behind || journal->slot.covered < journal->last) &&
        journal_cover(journal, sync_fd) < 0)
        return -1;
    early->is_behind = false;
    return begin_generation(early);
}

/* --- commits -------------------------------------------------------------------------------- */

static struct journal_record record_of(const struct entry *entry)
{
    return (struct journal_record){.number = entry->number,
                                   .todo_size = entry->todo.length,
                                   .mess_size = entry->waiting.length};
}

/* Puts the records together.  False: one is too large, or there is no memory. */
static bool build_batch(struct early *early, struct entry *const *entries, size_t count)
{
    const struct journal *journal = &early->journal;
    buf_reset(&early->batch);
    for (size_t i = 0; i < count; i++) {
        const struct entry *entry = entries[i];
        struct journal_record record = record_of(entry);
        if (!entry_is_held(entry) || record.todo_size > JOURNAL_TODO_MAX ||
            record.mess_size > JOURNAL_MESS_MAX ||
            journal_build_line(&early->batch, journal->slot.generation, journal->last + i + 1,
                               &record, entry->todo.data) < 0 ||
            buf_add(&early->batch, entry->todo.data, entry->todo.length) < 0 ||
            buf_add(&early->batch, entry->waiting.data, entry->waiting.length) < 0)
            return false;
    }
    return true;
}

/* What was withdrawn is not to come back when the power goes, neither by its files nor by its
 * record in the journal.  What fails is tried again later. */
static void forget_withdrawn(struct early *early, int64_t now_ms)
{
    early->is_behind = commit_forget(early->commit_fd) < 0;
    if (early->is_behind || cover(early, early->commit_fd) < 0)
        early->since_ms = now_ms;
}

static int commit_to_spool(struct early *early, struct entry *const *entries, size_t count,
                           int64_t now_ms)
{
    int result = commit(early->commit_fd, entries, count);
    if (result == QUEUE_OK)
        return result;
    if (early->journal.fd >= 0)
        journal_taint(&early->journal);
    forget_withdrawn(early, now_ms);
    return result;
}

/* The journal is full: all waits for the spool, and the journal begins anew. */
static int commit_and_begin(struct early *early, struct entry *const *entries, size_t count,
                            int64_t now_ms)
{
    bool small = early->since_ms && now_ms - early->since_ms < COVER_MS;
    if (small && early->size < SIZE_MAX_BYTES && extend(early, early->size * GROWTH) < 0) {
        /* It stays as large as it is. */
    }
    if (early->journal.slot.tainted)
        return commit_to_spool(early, entries, count, now_ms);
    int result = commit_to_spool(early, entries, count, now_ms);
    if (result == QUEUE_OK && begin_generation(early) < 0) {
        /* It is not usable any more, but they are accepted. */
    }
    return result;
}

static int commit_to_journal(struct early *early, struct entry *const *entries, size_t count,
                             int64_t now_ms)
{
    struct journal *journal = &early->journal;
    if (lseek(journal->fd, (off_t) journal->end, SEEK_SET) < 0 ||
        io_write(journal->fd, early->batch.data, early->batch.length) < 0 ||
        fdatasync(journal->fd) < 0) {
        early->is_usable = false; /* a failed sync is not repeated */
        commit_withdraw(entries, count);
        journal_taint(journal); /* the next syncfs may be the one that tells what others lost */
        forget_withdrawn(early, now_ms);
        return QUEUE_WRITE;
    }
    journal->last += count;
    journal->end += early->batch.length;
    if (early->batch.capacity > BATCH_KEPT)
        buf_free(&early->batch);
    if (!early->since_ms)
        early->since_ms = now_ms;
    return QUEUE_OK;
}

int early_commit(struct early *early, struct entry *const *entries, size_t count, int64_t now_ms)
{
    if (!early->is_usable || !build_batch(early, entries, count))
        return commit_to_spool(early, entries, count, now_ms);
    if (early->journal.end + early->batch.length > early->size)
        return commit_and_begin(early, entries, count, now_ms);
    return commit_to_journal(early, entries, count, now_ms);
}

/* --- later ----------------------------------------------------------------------------------- */

int64_t early_due_ms(const struct early *early)
{
    return early->since_ms ? early->since_ms + COVER_MS : INT64_MAX;
}

void early_look(struct early *early, int64_t now_ms)
{
    if (now_ms < early_due_ms(early))
        return;
    if (cover(early, early->cover_fd) < 0)
        early->since_ms = now_ms; /* tried again later */
}

void early_end(struct early *early)
{
    if (early->since_ms && cover(early, early->cover_fd) < 0) {
        /* The next one to start does it. */
    }
    journal_close(&early->journal);
    io_close(&early->cover_fd);
    buf_free(&early->batch);
}

/* SPDX-License-Identifier: ISC */
/*
 * A disk that remembers all that was done to it: each write, when each flush began and ended, and
 * marks of the test, in the order they came.  From that any disk can be made that is found after
 * the power went at some point: it has all that was written before the last flush that had ended
 * began, and of the later writes any.
 *
 * Contents are kept by sectors, shared between a disk and those cut from it: a disk must outlive
 * those.  All functions but disk_cut and disk_pending may be called from several threads at once,
 * and these two while others only read.  Memory that runs out ends the program.
 */
#ifndef TESTS_POWERCUT_DISK_H
#define TESTS_POWERCUT_DISK_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SECTOR 512

enum entry_kind {
    ENTRY_WRITE,
    ENTRY_FLUSH_BEGIN,
    ENTRY_FLUSH_END, /* `begin` tells of which */
    ENTRY_MARK
};

struct entry {
    enum entry_kind kind;
    uint64_t offset, size; /* of a write: bytes, whole sectors */
    const uint8_t *data;   /* NULL: zeros (a discard) */
    size_t begin;          /* index of the flush's begin */
    int64_t mark;
};

struct disk {
    uint64_t sectors;
    const uint8_t **base; /* what each sector held before the log began; NULL: zeros */
    const uint8_t **now;  /* what it holds */
    struct entry *log;
    size_t count, capacity;
    bool logs; /* false: writes are done and not remembered, as a set-up wants */
    pthread_mutex_t lock;
    struct chunk *chunks;
};

/* A disk of zeros; `size` in bytes, whole sectors. */
struct disk *disk_create(uint64_t size);
void disk_destroy(struct disk *disk);

/* The disk as it is now, with an empty log. */
struct disk *disk_copy(const struct disk *disk);

void disk_read(struct disk *disk, void *to, uint64_t size, uint64_t offset);
/* `from` NULL: zeros.  Parts of sectors are merged with what is there. */
void disk_write(struct disk *disk, const void *from, uint64_t size, uint64_t offset);
/* A flush: begin tells which, for end. */
size_t disk_flush_begin(struct disk *disk);
void disk_flush_end(struct disk *disk, size_t begin);
void disk_mark(struct disk *disk, int64_t mark);

/* What stands in for the drive's mind when the power goes. */
enum cut_kind {
    CUT_NONE, /* no write that was not flushed is there */
    CUT_ALL,  /* all of them */
    CUT_ANY,  /* each by itself, as likely as not */
    CUT_MOST, /* all but one */
    CUT_FEW,  /* only one */
    CUT_TORN, /* as CUT_ANY, and of one write only some sectors */
    CUT_KINDS
};
const char *cut_kind_name(enum cut_kind kind);

struct cut {
    size_t at; /* the log's entries before this index were */
    enum cut_kind kind;
    uint64_t seed;   /* for what is drawn */
    bool drive_lies; /* flushes were acknowledged, and not done */
};

/* How many writes before `at` are covered by no flush. */
size_t disk_pending(const struct disk *disk, size_t at);

/* The disk that is found after the cut. */
struct disk *disk_cut(const struct disk *disk, const struct cut *cut);

/* The same for two disks of the same parent if each sector comes from the same write. */
uint64_t disk_hash(const struct disk *disk);

#endif

/* SPDX-License-Identifier: ISC */
/*
 * Marks that the admin puts on messages: empty files mark/NUMBER.WHAT.  Only the name counts.  The
 * current directory is HOME/queue.
 *
 * nixie-send makes and removes them while it runs, else whoever holds lock/sendmutex.  A mark is
 * removed only when it is durable that the message is gone, or when the admin says so.
 */
#ifndef MTA_LIB_MARK_H
#define MTA_LIB_MARK_H

#include <stddef.h>
#include <stdint.h>

enum mark {
    MARK_HOLD = 1,   /* nothing is tried, and nothing expires */
    MARK_EXPIRE = 2, /* the next try is the last */
    MARK_DELETE = 4, /* to be removed without a bounce */
};

#define MARK_DIRECTORY "mark"
#define MARK_PATH_SIZE 40

/* "mark/17.hold" into `to`; returns `to`. */
const char *mark_path(char to[MARK_PATH_SIZE], uint64_t number, enum mark mark);

/* Reads a name of the directory: 0, or -1 with EINVAL (some other file). */
int mark_parse(const char *name, size_t size, uint64_t *number, enum mark *mark);

/* Makes or removes it; 0 also if there is nothing to do.  Not synced.  0 or -1 with errno (ENOENT:
 * a home without the directory). */
int mark_set(uint64_t number, enum mark mark);
int mark_clear(uint64_t number, enum mark mark);

/* Makes the mark's inode durable, which not every disk does with the directory's entry; the entry
 * is not synced.  Blocks on the disk.  0 or -1 with errno. */
int mark_sync(uint64_t number, enum mark mark);

/* The marks of a message, or'ed. */
unsigned mark_read(uint64_t number);

#endif

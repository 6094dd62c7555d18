/* SPDX-License-Identifier: ISC */
/* The box itself, for mbox.c: found or made, and locked. */
#ifndef MTA_LIB_MBOX_OPEN_H
#define MTA_LIB_MBOX_OPEN_H

#include <sys/stat.h>

#include "mta/lib/buf.h"
#include "mta/lib/mbox.h"

/* Opens the box `path` for reading and writing, made with mode 0600 if there is none, and takes the
 * lock on it.  Returns the descriptor, which the caller closes, with *st as it is under the lock;
 * or -1 with errno and *trouble: MBOX_OPEN, MBOX_KIND or MBOX_LOCK.  Waits for MBOX_LOCK_SECONDS
 * for the lock, and as long before it if another delivery is putting a file aside.
 *
 * A regular file of another user (but root: what root has put there is meant) that may not be
 * opened is put aside: it becomes `path`.nixie-anothers, or the first that is free of that name and
 * the same with .2 to .9 behind it; nothing is ever replaced or removed.  So only if the directory
 * belongs to the user, and nobody else may write to it: elsewhere it may be the other one's box. */
int mbox_open(const char *path, struct stat *st, enum mbox_trouble *trouble);

/* The directory that `path` is in, as "." or with a slash at its end.  0 or -1 as buf_add. */
int mbox_directory(struct buf *to, const char *path);

#endif

/* SPDX-License-Identifier: ISC */
/*
 * Delivery into a Maildir: tmp/ cur/ new/, no locks.
 *
 * The message is written under a unique name in tmp/ and made durable, linked into new/, and the
 * entry in new/ made durable.  Only then does maildir_commit succeed, and this holds on a disk
 * that keeps nothing but what was synced, in no order.  A mail reader never sees a part of it.
 *
 * The name is TIME.MmicrosecondsPpidRrandom.HOST, `/` and `:` of HOST written \057 and \072.
 */
#ifndef MTA_LIB_MAILDIR_H
#define MTA_LIB_MAILDIR_H

#include <stdbool.h>
#include <stddef.h>

#include "mta/lib/buf.h"

#define MAILDIR_BUFFER 16384

struct maildir {
    int fd;             /* tmp/NAME, -1 when closed */
    struct buf path;    /* of the Maildir, with a slash at its end */
    struct buf name;    /* NAME */
    struct buf tmp;     /* whole paths, kept with a NUL behind */
    struct buf arrived; /* in new/ */
    bool hasty;    /* set behind maildir_begin: nothing waits for the disk, nothing is durable */
    bool unsynced; /* it is in new/, which has not been synced since */
    size_t held;
    char buffer[MAILDIR_BUFFER];
};

/* Starts a delivery: creates a file in tmp/ of the Maildir `path` (relative to the current
 * directory, or absolute).  0, or -1 with errno (ENOENT, ENOTDIR: it is no Maildir); maildir_abort
 * must follow in both cases unless maildir_commit is called. */
int maildir_begin(struct maildir *maildir, const char *path);

/* Adds bytes to the message.  0, or -1 with write's errno. */
int maildir_write(struct maildir *maildir, const void *bytes, size_t size);

/* Makes the message durable and visible.  0, or -1 with errno: then it is not in new/ (a name
 * whose directory could not be synced is withdrawn, but may come back after power loss).  Frees all
 * either way.  Waits for the disk. */
int maildir_commit(struct maildir *maildir);

/* The same for several at once, whose files are waited for together, and each new/ once. results[i]
 * is 0 or the errno of maildirs[i]. */
void maildir_commit_all(struct maildir *const *maildirs, size_t count, int *results);

/* Gives the delivery up: nothing of it stays.  Harmless after maildir_commit. */
void maildir_abort(struct maildir *maildir);

#endif

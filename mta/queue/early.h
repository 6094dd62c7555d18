/* SPDX-License-Identifier: ISC */
/*
 * Messages that are durable in the journal (mta/lib/journal.h) before they are in the spool: how
 * the staying queue commits.  What does not fit, or has no journal, waits for the spool itself
 * (commit.h).  Functions may block on the disk.
 */
#ifndef MTA_QUEUE_EARLY_H
#define MTA_QUEUE_EARLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mta/lib/journal.h"
#include "mta/queue/entry.h"

struct early {
    struct journal journal;
    int commit_fd; /* of commit_open: tells of errors in what is not accepted yet, once */
    int cover_fd;  /* the same for looks, which must not hear of those errors in its place */
    uint64_t boot;
    bool is_usable;
    bool is_behind;   /* what was withdrawn may not be gone from the disk */
    uint64_t size;    /* of the file: blocks are there up to here */
    int64_t since_ms; /* monotonic: when the first record of the generation was added; 0: none */
    struct buf batch;
};

/* Opens the journal, or makes one; what it holds and the spool may not is made again and made
 * durable.  0, also if there can be no journal; -1 with errno if messages that were accepted could
 * not be made again, or not durably. */
int early_start(struct early *early, int commit_fd);

/* Makes the messages, all in S4, durable.  Returns QUEUE_OK; else all are withdrawn, as durably as
 * the disk lets them be, and so must be all that are not whole yet. */
int early_commit(struct early *early, struct entry *const *entries, size_t count, int64_t now_ms);

/* When early_look is next to be called, monotonic ms; INT64_MAX: no need. */
int64_t early_due_ms(const struct early *early);

/* Sees to it that what was recorded some seconds ago is durable in the spool too. */
void early_look(struct early *early, int64_t now_ms);

/* The same for all of it, at the end; gives memory and descriptor back. */
void early_end(struct early *early);

#endif

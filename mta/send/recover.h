/* SPDX-License-Identifier: ISC */
/* What the files of start-up share (recover.c, recover_files.c). */
#ifndef MTA_SEND_RECOVER_H
#define MTA_SEND_RECOVER_H

#include <stdbool.h>
#include <stdint.h>

#include "mta/lib/spool.h"

struct message;
struct send;

#define BIT(kind) (1u << (kind))

/* A number that was found, and its files. */
struct entry {
    uint64_t number;
    unsigned kinds;  /* BITs */
    bool unreadable; /* todo or info is no file, or one that we may not open */
    bool sure;       /* the disk has what can be read of info, local and remote, beside todo */
    unsigned tries;  /* the one that is under way; from 1 on */
};

/* Of these kinds of files (BITs) the disk has what can be read of them, when this returns; what
 * looks whole may be in cache only, since of a failed sync only the send before this one was told.
 * Waits for one sync.  0, or -1 with errno; EIO also if the sync failed. */
int recover_make_sure(struct send *send, uint64_t number, unsigned kinds);

/* Reads bounce, local and remote of a message in S5 into `message`, and mends what a crash tore. 0;
 * -1 with errno, *failed tells whose: EBADMSG: it does not check out. */
int recover_files(struct send *send, const struct entry *entry, struct message *message,
                  enum spool_kind *failed);

#endif

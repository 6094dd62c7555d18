/* SPDX-License-Identifier: ISC */
/*
 * One message on its way from S1 to S4.  Nothing here waits for the disk: an entry that is in S4
 * counts as accepted only after commit (commit.h).
 *
 * Functions return an enum queue_result.  After a failure the caller withdraws the entry.  Names
 * are only unlinked, never truncated: after a crash a name may lead to another message's file.
 */
#ifndef MTA_QUEUE_ENTRY_H
#define MTA_QUEUE_ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "mta/lib/buf.h"
#include "mta/lib/checksum.h"
#include "mta/lib/envelope.h"
#include "mta/queue/received.h"

enum entry_stage {
    ENTRY_NONE, /* nothing in the spool */
    ENTRY_PID,  /* pid/N: S1 */
    ENTRY_MESS, /* S2 */
    ENTRY_INTD, /* S3 */
    ENTRY_TODO, /* S4 */
};

struct entry {
    uint64_t number;
    enum entry_stage stage;
    int fd;          /* of the message while it is written, else -1 */
    uid_t uid;       /* of who sends it */
    uint64_t length; /* of the message with its Received field */
    struct checksum checksum;
    struct buf waiting; /* bytes not yet written; in S4 all of the message, if that is short */
    struct buf todo;    /* in S4: what todo holds */
    bool is_lazy;       /* nobody will wait until just these files are written */
};

#define ENTRY_INIT                                                                                 \
    {                                                                                              \
        .fd = -1                                                                                   \
    }

/* Makes pid/N for `number`, which must be reserved, and begins the message with its field. */
int entry_begin(struct entry *entry, uint64_t number, uid_t uid, enum caller caller,
                const struct received_users *users);

/* More of the message. */
int entry_write(struct entry *entry, const char *bytes, size_t size);

/* The message is whole: S2, S3 and S4 with this envelope. */
int entry_finish(struct entry *entry, const struct envelope *envelope);

/* Whether `waiting` holds all of the message (it is in S4). */
bool entry_is_held(const struct entry *entry);

/* Takes back what was made, todo first.  If todo is gone already, the message has been taken over
 * for delivery and is left alone. */
void entry_withdraw(struct entry *entry);

/* Forgets the entry and gives its memory and descriptor back; the spool is not touched. */
void entry_free(struct entry *entry);

/* The result that an errno of a write or of making a file means: no memory, disk full, or
 * `otherwise`. */
int entry_result(int error, int otherwise);

#endif

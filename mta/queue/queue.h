/* SPDX-License-Identifier: ISC */
/* What the two forms of nixie-queue have in common. */
#ifndef MTA_QUEUE_QUEUE_H
#define MTA_QUEUE_QUEUE_H

#include <sys/types.h>

#include "mta/queue/received.h"

struct queue {
    uid_t caller;      /* the real user at the start */
    enum caller claim; /* of the one-shot form's caller */
    struct received_users users;
    int commit_fd;
};

/* One message from descriptor 0 with its envelope from descriptor 1.  The current directory is
 * HOME/queue.  The number of an accepted message into *number.  Returns an enum queue_result. */
int queue_once(struct queue *queue, uint64_t *number);

/* Serves run/queue until TERM.  Returns the exit status. */
int queue_stay(struct queue *queue);

#endif

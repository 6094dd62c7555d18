/* SPDX-License-Identifier: ISC */
/* The one wait for the disk that turns messages in S4 into accepted ones. */
#ifndef MTA_QUEUE_COMMIT_H
#define MTA_QUEUE_COMMIT_H

#include <stddef.h>
#include <stdint.h>

#include "mta/queue/entry.h"

/* Opens what commit needs, which must be before the first byte of a message is written: so that
 * a write-back error in between is seen.  A descriptor, or -1 with errno. */
int commit_open(void);

/* Makes the messages, all in S4, durable: contents and entries of mess and todo.  Returns
 * QUEUE_OK; else all are withdrawn.  Blocks until the disk has answered.  A failed wait is not
 * repeated: the kernel may have forgotten what it could not write. */
int commit(int commit_fd, struct entry *const *entries, size_t count);

/* The messages could not be made durable: withdraws them.  Returns QUEUE_WRITE. */
int commit_withdraw(struct entry *const *entries, size_t count);

/* Before anybody hears no: makes it durable that what was withdrawn is gone, so that it does not
 * come back when the power goes.  Asks the disk twice, which may tell once more of the error that
 * is known already.  0, or -1 with errno.  Since commit_fd may hear of errors in what is not whole
 * yet here, all of that is to be refused, too. */
int commit_forget(int commit_fd);

/* Tells send the numbers of messages that are durable now (none: that it should look into todo).
 * Never blocks; failure does no harm. */
void commit_trigger(const uint64_t *numbers, size_t count);

#endif

/* SPDX-License-Identifier: ISC */
/*
 * Message numbers: never used twice, whatever a crash leaves.
 *
 * lock/number holds the high-water mark, which no used number has passed, durable before a number
 * below it is used; with it, the boot in which it was written and the first number of that boot.
 * lock/next (not synced, believed only in the boot that wrote it) holds the next number and the
 * high-water mark that is known to be durable.  Both are guarded by flock on lock/number.lock.
 *
 * The current directory must be HOME/queue.  All may block on the lock and on the disk.
 */
#ifndef MTA_LIB_NUMBER_H
#define MTA_LIB_NUMBER_H

#include <stdint.h>

/* Reserves `count` (1 to NUMBER_BLOCK_MAX) numbers; the first into *first.  0, or -1 with errno:
 * no number may be used then.  A missing lock/number is made above all numbers found in pid, mess,
 * intd and todo; a damaged one too. */
int number_reserve(uint64_t count, uint64_t *first);
#define NUMBER_BLOCK_MAX 65536

/* Numbers below *floor are of an earlier boot: no living process works on them.  0 if that cannot
 * be told.  0, or -1 with errno. */
int number_floor(uint64_t *floor);

/* Makes sure that every number from now on is above `used`.  0, or -1 with errno. */
int number_raise(uint64_t used);

/* number_raise above every number found in pid, mess, intd and todo: after a restore from a backup
 * lock/number may be older than the spool.  0, or -1 with errno. */
int number_raise_above_spool(void);

/* Removes the file that guards the numbers if it may not be opened (lock_mend); the next to lock it
 * makes it.  Only for the one nixie-queue that stays: nobody else does so at the same time.  0, or
 * -1 with errno. */
int number_mend_lock(void);

/* Opens (and makes) the file that guards the numbers, without taking the lock: a regular file of
 * the queue that is never written nor removed, for io_sync_all.  A close-on-exec descriptor, or -1
 * with errno. */
int number_open_lock(void);

#endif

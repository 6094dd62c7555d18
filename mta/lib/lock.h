/* SPDX-License-Identifier: ISC */
#ifndef MTA_LIB_LOCK_H
#define MTA_LIB_LOCK_H

#include <stdbool.h>
#include <sys/types.h>

/* Opens (and with `mode` other than 0 creates) the file `path` and takes an exclusive flock on it,
 * waiting for it if `wait` (may block without bound).  Returns a close-on-exec descriptor that
 * holds the lock until closed, or -1 with errno: EWOULDBLOCK if someone else has it, ELOOP if
 * `path` is a symbolic link (root locks in directories of others). */
int lock_file(const char *path, mode_t mode, bool wait);

/* Removes the lock's file if the caller may not open it (EACCES): after a power loss the name of a
 * new file can lead to one that another user had removed.  Only where nobody else does so at the
 * same time, and whoever may hold the lock is of the caller's user, who made it for himself.  0
 * also if there is nothing to do, or -1 with errno. */
int lock_mend(const char *path);

#endif

/* SPDX-License-Identifier: ISC */
/* Where this installation lives (docs/architecture.md, "A home"). */
#ifndef MTA_LIB_HOME_H
#define MTA_LIB_HOME_H

#include <stdbool.h>

#include "mta/lib/buf.h"

/* The home directory, an absolute path: NIXIE_HOME if it is set and the program is not setuid or
 * setgid, else the directory above the one of the program's file; for a setuid or setgid program
 * that must be root's, and nobody else's to write to (else EPERM).  Returns 0, or -1 with errno. */
int home_find(char *const *environment, struct buf *home);

/* home_find and chdir there.  Returns 0, or -1 with errno. */
int home_enter(char *const *environment, struct buf *home);

/* HOME "/bin/" NAME into `path`.  0 or -1 with ENOMEM. */
int home_program(const struct buf *home, const char *name, struct buf *path);

/* True in a program that runs with other rights than its caller's: its environment is not to be
 * trusted. */
bool home_is_setuid(void);

/* *single: whether control/singleuser exists (current directory is the home): nobody becomes
 * anybody.  Returns 0, or -1 with errno: that cannot be known now. */
int home_single_user(bool *single);

#endif

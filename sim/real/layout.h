/* SPDX-License-Identifier: ISC */
/* What lies where in a home, who owns it, and with which mode (docs/architecture.md, "A home"). */
#ifndef SIM_REAL_LAYOUT_H
#define SIM_REAL_LAYOUT_H

#include <limits.h>
#include <stdbool.h>

#include "sim/real/accounts.h"

struct layout_home {
    char path[PATH_MAX]; /* absolute, as realpath gives it */
    int fd;              /* the directory */
    bool single_user;
};

/* Opens an existing home.  Returns MTA_OK, or after telling what is wrong MTA_WRONG (no such
 * directory, not a home) or MTA_LACKING (no permission).  The descriptor is the caller's. */
int layout_open(struct layout_home *home, const char *directory);

/* For root: whether the home is root's alone, and whether nobody else may replace it or a directory
 * above it; whoever could might put programs of their own where root looks for its own.  MTA_OK;
 * MTA_LACKING after telling what is wrong and how to mend it. */
int layout_check_owner(const struct layout_home *home);

/* The right user for a home: its owner in single-user mode, else root, who runs no program that
 * others could have put there.  MTA_OK, or after telling MTA_WRONG or MTA_LACKING. */
int layout_check_caller(const struct layout_home *home);

/* Makes all that is missing below the home but control files and programs, and sets owners and
 * modes of what is there.  MTA_OK, or MTA_LACKING (told). */
int layout_make(const struct layout_home *home, const struct accounts *accounts);

/* Copies the server's programs (nixie-*, not nixie-actor-*) from where this very command is
 * installed into HOME/bin and makes nixie-queue setuid unless `home` is single-user.  MTA_OK, or
 * MTA_LACKING (told). */
int layout_install_programs(const struct layout_home *home, const struct accounts *accounts);

/* True if `name` is an entry of a home's top directory. */
bool layout_owns(const char *name);

#endif

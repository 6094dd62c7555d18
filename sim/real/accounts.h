/* SPDX-License-Identifier: ISC */
/* The users that the parts of a server run as (docs/architecture.md, "A home"). */
#ifndef SIM_REAL_ACCOUNTS_H
#define SIM_REAL_ACCOUNTS_H

#include <stdbool.h>
#include <sys/types.h>

enum account {
    ACCOUNT_ROOT,   /* root; in single-user mode, as all others, the user of the home */
    ACCOUNT_QUEUE,  /* nixieq */
    ACCOUNT_SEND,   /* nixies */
    ACCOUNT_REMOTE, /* nixier */
    ACCOUNT_DAEMON, /* nixied */
    ACCOUNT_LOG,    /* nixiel */
    ACCOUNT_ALIAS,  /* nixiea: delivers by the files of alias/ */
    ACCOUNT_COUNT
};

struct accounts {
    uid_t uid[ACCOUNT_COUNT];
    gid_t gid; /* group nixie */
};

/* All of them are the calling user: single-user mode. */
void accounts_single(struct accounts *accounts);

/* Looks the users and the group up.  With `create`, makes those that are missing (needs root and
 * the system's useradd and groupadd; may block).  Returns MTA_OK, or MTA_LACKING after telling
 * which are missing and the commands that make them. */
int accounts_find(struct accounts *accounts, bool create);

/* Makes the system user `name`, who cannot log in, with home directory `home`.  MTA_OK, or
 * MTA_LACKING (told). */
int accounts_create_person(const char *name, const char *home);

#endif

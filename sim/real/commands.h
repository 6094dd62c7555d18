/* SPDX-License-Identifier: ISC */
/* The commands of `nixie mta`, each with its arguments read.  They return an exit status
 * (sim/real/say.h). */
#ifndef SIM_REAL_COMMANDS_H
#define SIM_REAL_COMMANDS_H

#include <stdbool.h>

#define MTA_ADDRESSES_MAX 32

struct mta_options {
    const char *directory;                    /* the home */
    const char *name;                         /* user: the new user */
    const char *domain;                       /* init; NULL: not given */
    const char *addresses[MTA_ADDRESSES_MAX]; /* start: of --smtp */
    int address_count;
    bool create_users;
    bool single_user;
};

int mta_init(const struct mta_options *options);
int mta_user(const struct mta_options *options);
/* Becomes nixie-start; returns only if that fails. */
int mta_start(const struct mta_options *options);
int mta_stop(const struct mta_options *options);
int mta_status(const struct mta_options *options);

/* list, retry, hold, release, expire, delete: becomes nixie-admin.  `words` are `count` arguments
 * behind the command: a directory, unless the first looks like a selection, and a selection. */
bool mta_is_queue_command(const char *name);
int mta_queue(const char *command, int count, char **words);

#endif

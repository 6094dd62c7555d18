/* SPDX-License-Identifier: ISC */
/* The Received field that every message gets in front (RFC 5321 4.4, in qmail's words). */
#ifndef MTA_QUEUE_RECEIVED_H
#define MTA_QUEUE_RECEIVED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "mta/lib/caller.h"

#define RECEIVED_SIZE 160

/* Users whose messages are told apart; (uid_t) -1 where there is none.  In single-user mode they
 * are all one, and what the caller says must do. */
struct received_users {
    bool single_user;
    uid_t network; /* nixied */
    uid_t alias;   /* alias, or the owner of HOME/alias */
    uid_t bounce;  /* nixies */
};

/* Looks the others up, the current directory being the home.  May read /etc/passwd.  Returns 0, or
 * -1 with errno: that is not possible now. */
int received_users_find(struct received_users *users);

/* The field with its newline into `to`, NUL-terminated; returns its length.  `number` is the
 * message's, `now` Unix seconds. */
size_t received_format(char to[RECEIVED_SIZE], const struct received_users *users, uint64_t number,
                       uid_t uid, enum caller caller, int64_t now);

#endif

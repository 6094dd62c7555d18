/* SPDX-License-Identifier: ISC */
/*
 * Whose mail a local part is: users/assign; then the system's users, tried with ever more of the
 * local part taken as an extension (joe-list-x: joe-list-x, joe-list, joe); then alias.
 *
 * A system's user gets mail if it is not root and owns its home directory.  In single-user mode
 * the system's users are left alone: all belongs below the server's home there.
 *
 * The current directory must be the server's home.
 */
#ifndef MTA_LIB_USERS_H
#define MTA_LIB_USERS_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "mta/lib/assign.h"
#include "mta/lib/buf.h"

struct recipient_user {
    struct buf user;
    uid_t uid;
    gid_t gid;
    struct buf home;
    struct buf dash;
    struct buf extension;
};

struct users {
    const char *server_home;
    bool single_user;
    bool outsider; /* may not look everywhere: what is denied is an error, not absent */
    int error;     /* errno that the last report of users_find is of; 0: of none */
    struct assign assign;
    bool assign_known; /* `seen` is the state of the file that `assign` was made from */
    struct stat seen;
};

void users_init(struct users *users, const char *server_home, bool single_user);
/* Finds the user of a local part (NUL-terminated).  Returns NULL, or the report that says why not:
 * "Z..." (constant, or in `trouble`); `user` is to be freed in any case.  May block in the system's
 * user database. */
const char *users_find(struct users *users, const char *local, struct recipient_user *user,
                       struct buf *trouble);
void users_free(struct users *users);
void recipient_user_free(struct recipient_user *user);

#endif

/* SPDX-License-Identifier: ISC */
/* The parts of nixie-lspawn (main.c says what it does). */
#ifndef MTA_LSPAWN_LSPAWN_H
#define MTA_LSPAWN_LSPAWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "mta/lib/assign.h"
#include "mta/lib/buf.h"

#define LSPAWN_SLOTS 500      /* deliveries at once */
#define LSPAWN_FIELD_MAX 5000 /* bytes of an address in a request */

/* --- request.c: what send asks for --- */

struct request {
    unsigned slot;
    struct buf number;    /* of the message, decimal */
    struct buf sender;    /* all three without their NULs, but with one behind */
    struct buf recipient; /* when the request is whole */
    bool too_long;        /* a field was longer than LSPAWN_FIELD_MAX, or no memory: not whole */
    unsigned stage;
};

void request_init(struct request *request);
/* Takes one byte; true if the request is now whole.  Then request_reset before the next byte. */
bool request_add(struct request *request, char byte);
void request_reset(struct request *request);
void request_free(struct request *request);

/* --- user.c: whose mail it is --- */

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
    struct assign assign;
    bool assign_known; /* `seen` is the state of the file that `assign` was made from */
    struct stat seen;
};

void users_init(struct users *users, const char *server_home, bool single_user);
/* Finds the user of a local part (NUL-terminated): users/assign, the system's users, alias.
 * Returns NULL, or the report that says why not: "Z..." (constant, or in `trouble`).  May block in
 * the system's user database. */
const char *users_find(struct users *users, const char *local, struct recipient_user *user,
                       struct buf *trouble);
void users_free(struct users *users);
void recipient_user_free(struct recipient_user *user);

/* --- report.c --- */

#define REPORT_MAX 3000 /* bytes of a delivery's output that are passed on */

/* Builds the report of a delivery whose program ended with `wait_status` and told `output`, which
 * may have been longer than it is here (`cut`). */
int report_build(struct buf *report, unsigned slot, int wait_status, const struct buf *output,
                 bool cut);
/* Builds a report from a letter and text, such as "ZOut of memory. (#4.3.0)\n". */
int report_build_text(struct buf *report, unsigned slot, const char *text);

#endif

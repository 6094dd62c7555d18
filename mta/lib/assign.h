/* SPDX-License-Identifier: ISC */
/*
 * users/assign: which user a local part belongs to (qmail-users(5)).  No I/O.
 *
 *   =LOCAL:USER:UID:GID:HOME:DASH:EXT:      this local part
 *   +PREFIX:USER:UID:GID:HOME:DASH:PRE:     those that begin with PREFIX; the rest is added to PRE
 *   .                                       the last line: what lacks it is not whole
 *
 * ASCII case of local parts does not count; the first of equal lines does.  Lines that begin with
 * `#` and empty lines are left out.
 */
#ifndef MTA_LIB_ASSIGN_H
#define MTA_LIB_ASSIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mta/lib/buf.h"

#define ASSIGN_SIZE_MAX ((size_t) 64 << 20)

struct assign_entry;

struct assign {
    struct buf text;
    struct assign_entry *entries; /* sorted */
    size_t count;
};

struct assign_user {
    const char *user; /* all NUL-terminated, in the table's text */
    uint32_t uid, gid;
    const char *home;
    const char *dash;
    const char *extension; /* the extension, or what comes before the rest of the local part */
    size_t matched;        /* the extension ends in what follows these bytes of the local part */
};

/* Takes over `text` (emptied, also on failure).  0; -1 with EBADMSG, and in *line the number of the
 * line that is malformed (0: the last line is missing); or -1 with ENOMEM. */
int assign_init(struct assign *assign, struct buf *text, unsigned long *line);

/* Finds the user of a local part: an exact line, else the longest prefix. */
bool assign_find(const struct assign *assign, const char *local, size_t size,
                 struct assign_user *user);

void assign_free(struct assign *assign);

#endif

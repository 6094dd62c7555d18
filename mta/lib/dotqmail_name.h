/* SPDX-License-Identifier: ISC */
/*
 * Which .qmail file of a home tells what to do: .qmail DASH EXT, else for ever less of EXT, cut at
 * dashes, .qmail DASH PART default.  The names only: no I/O.
 *
 *     dotqmail_name_begin(&name, &part, strlen(dash));
 *     while ((more = dotqmail_name_next(&name, "", &path)) == 1)
 *         the first regular file of these is it
 */
#ifndef MTA_LIB_DOTQMAIL_NAME_H
#define MTA_LIB_DOTQMAIL_NAME_H

#include <stdbool.h>
#include <stddef.h>

#include "mta/lib/buf.h"

/* DASH and EXTENSION as file names have them: lower case, and no dots, so that no `..` comes about.
 * NUL-ended.  0, or -1 with ENOMEM. */
int dotqmail_name_part(struct buf *part, const char *dash, const char *extension);

struct dotqmail_name {
    const struct buf *part; /* as dotqmail_name_part made it */
    size_t dash;            /* bytes of it that are the dash */
    size_t kept;            /* bytes of it that are in the name */
    bool is_default;        /* the name ends in "default" */
    bool begun;
};

/* `part` must stay as long as `name`. */
void dotqmail_name_begin(struct dotqmail_name *name, const struct buf *part, size_t dash);
/* Puts `folder` and the next name into `path`, NUL-ended.  1; 0: there are no more; -1 with
 * ENOMEM, or EMSGSIZE by the limit of `path`. */
int dotqmail_name_next(struct dotqmail_name *name, const char *folder, struct buf *path);

#endif

/* SPDX-License-Identifier: ISC */
/*
 * What an mbox holds: `From ` lines, and bodies in which lines that could be taken for one are
 * quoted with a `>` (mboxrd: also those that begin with more of them, so that it can be undone).
 * No I/O.
 */
#ifndef MTA_LIB_MBOX_TEXT_H
#define MTA_LIB_MBOX_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mta/lib/buf.h"

/* "From SENDER Mon Nov 23 17:05:09 2026\n" into `line`: what is blank in the sender becomes a
 * dash, an empty one MAILER-DAEMON.  0 or -1 as buf_add. */
int mbox_from_line(struct buf *line, const char *sender, int64_t unix_seconds);

/* Quotes a message as it comes in, in any pieces. */
struct mbox_quoter {
    unsigned
        matched; /* bytes of "From " held back at the start of a line, or none of it is possible */
    bool line_started; /* the last line has no newline yet */
};
void mbox_quoter_init(struct mbox_quoter *quoter);

/* The most bytes that `size` bytes become, at the end of the message too. */
#define MBOX_QUOTED_MAX(size) (2 * (size) + 8)

/* Quotes `size` bytes into `to` (room for MBOX_QUOTED_MAX); returns how many bytes that is. */
size_t mbox_quote(struct mbox_quoter *quoter, char *to, const char *from, size_t size);

/* The end of a message: what was held back, a newline if it lacks one, the empty line behind it. */
size_t mbox_quote_end(struct mbox_quoter *quoter, char *to);

/* A place of "From " and the bytes that follow it there. */
#define MBOX_FOLLOWING 8
struct mbox_place {
    uint64_t at; /* of the F, from the start of what was looked through */
    char following[MBOX_FOLLOWING];
    unsigned known; /* how many of them there are */
};

/* Finds "From " anywhere in bytes that come in pieces. */
struct mbox_finder {
    uint64_t at;                     /* bytes seen */
    char window[5 + MBOX_FOLLOWING]; /* the last ones */
    unsigned open;                   /* how many more of them are of interest */
    unsigned missing;                /* of the window's end: there are no more bytes */
};
/* Looks on through `size` bytes: true with a place (call again with what is behind *used bytes);
 * false if all were looked at. */
bool mbox_find_from(struct mbox_finder *finder, const char *from, size_t size, size_t *used,
                    struct mbox_place *place);
/* At the end of the bytes, until it returns false: places of which not all following bytes exist.
 */
bool mbox_find_end(struct mbox_finder *finder, struct mbox_place *place);

#endif

/* SPDX-License-Identifier: ISC */
/* The lines of the log, whole, to fd 0. */
#ifndef MTA_SEND_LOGLINE_H
#define MTA_SEND_LOGLINE_H

#include "mta/lib/buf.h"

#define LOGLINE_LIMIT 16384 /* bytes; longer lines are cut */

struct logline {
    struct buf line;
    size_t held; /* bytes of `line`: whole lines that are not written yet */
};

/* Takes the memory that lines need.  0 or -1 with ENOMEM. */
int logline_init(struct logline *log);
void logline_free(struct logline *log);

/* Writes one line.  In `format`, %s is a string of ours, %t a string of others (made safe),
 * %n a uint64_t.  The newline is added.  May block while the log's pipe is full; other errors are
 * ignored: nobody is left to tell. */
void logline(struct logline *log, const char *format, ...);

/* The same, but the line is held until the next one, and both are written at once; or until
 * logline_flush.  One of them must follow before anything else is done. */
void logline_hold(struct logline *log, const char *format, ...);
void logline_flush(struct logline *log);

#endif

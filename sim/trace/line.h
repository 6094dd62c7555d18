/* SPDX-License-Identifier: ISC */
/*
 * One line of a log of qmail-send or nixie-send: when, and what it tells.
 *
 * What may stand before qmail's own words, each part at most once and in this order:
 *
 *     1.                                      the number of a line in a text about logs
 *     Apr 12 00:46:06 host qmail:             syslog, or with 2007-04-12T00:46:06.123+02:00
 *     @40000000461d81581ec60f34               multilog, nixie-log (TAI64N)
 *     1176338766.516300                       splogger; joined by '+': the line before goes on
 *     2007-04-12 00:46:06.516300500           tai64nlocal
 *
 * Nothing is allocated; texts are counted and point into the line, which may hold any bytes.
 */
#ifndef SIM_TRACE_LINE_H
#define SIM_TRACE_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct moment {
    bool known;
    int64_t seconds; /* Unix time */
    uint32_t nanoseconds;
};

struct words { /* counted text */
    const char *at;
    size_t size;
};

enum line_kind {
    LINE_UNKNOWN,   /* of no form that we know: cut, hostile, of another program */
    LINE_CONTINUED, /* `text` goes on with what the line before told */
    LINE_OTHER,     /* known, and of no interest: status, other programs of Nixie */
    LINE_NEW,       /* message */
    LINE_INFO,      /* message, bytes, sender, qp, uid */
    LINE_START,     /* delivery, message, remote, recipient */
    LINE_SUCCESS,   /* delivery, text */
    LINE_FAILURE,
    LINE_DEFERRAL,
    LINE_MANGLED, /* delivery */
    LINE_BOUNCE,  /* message, qp */
    LINE_TRIPLE,  /* message */
    LINE_END,     /* message */
    LINE_ADMIN,   /* message, text: "held" ... */
    LINE_EXITING,
    LINE_TROUBLE, /* text: warning: or alert: ... */
};

struct line {
    enum line_kind kind;
    struct moment at;
    uint64_t message, delivery, bytes, qp, uid;
    bool remote;
    bool sender_shown; /* false: blanked out, "from  qp" */
    struct words sender, recipient, text;
};

/* Reads a line without its newline. */
void line_read(struct line *line, const char *text, size_t size);

#endif

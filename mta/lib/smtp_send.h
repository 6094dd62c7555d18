/* SPDX-License-Identifier: ISC */
/*
 * A stored message in the form that it has after DATA (RFC 5321 4.5.2, 2.3.8).  No I/O, no
 * allocation; works on pieces of any size.
 *
 * Stored lines end with LF.  On the wire
 *   - LF is CRLF; a CR right before it is part of the line's end and goes;
 *   - every other CR is a blank;
 *   - a dot that begins a line is doubled;
 *   - a message that does not end with LF gets a line end;
 *   - all else, NUL and bytes above 127 included, is sent as it is, however long the line.
 * So what is sent has no CR and no LF but in pairs, and CRLF.CRLF only at its end: nothing in a
 * message ends it early.
 */
#ifndef MTA_LIB_SMTP_SEND_H
#define MTA_LIB_SMTP_SEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct smtp_send {
    bool within_line;     /* something of the line was sent */
    bool carriage_return; /* a CR waits for what follows it */
    bool eight_bit;       /* a byte above 127 was among them */
    uint64_t size;        /* bytes made so far: what SIZE declares (RFC 1870 3), without the dot */
};

/* Room that smtp_send_some needs for `size` bytes of message. */
#define SMTP_SEND_ROOM(size) (2 * (size) + 2)
/* Room that smtp_send_end needs. */
#define SMTP_SEND_END_ROOM 6

void smtp_send_begin(struct smtp_send *send);

/* Puts the wire form of the next `size` bytes of the message to `to`, which has
 * SMTP_SEND_ROOM(size) bytes, or counts it only if `to` is NULL.  Returns how many bytes it made.
 */
size_t smtp_send_some(struct smtp_send *send, const char *from, size_t size, char *to);

/* The end of the message: what its last line still needs and, unless `without_dot`, the dot that
 * ends it.  `size` counts the dot in no case. */
size_t smtp_send_end(struct smtp_send *send, char to[SMTP_SEND_END_ROOM], bool without_dot);

#endif

/* SPDX-License-Identifier: ISC */
/*
 * The header of a message: where it ends, and its fields (RFC 5322 2.2).  No I/O, no allocation.
 *
 * A field is a line "name [blanks] : anything" and the lines behind it that begin with a blank or
 * tab.  The first line that is neither ends the header: the empty line (also one with a bare CR,
 * "\r\n"), which belongs to neither part, or any other, which is the first of the body.
 */
#ifndef MTA_LIB_HEADER_H
#define MTA_LIB_HEADER_H

#include <stdbool.h>
#include <stddef.h>

/* Field names longer than this are no field names (RFC 5322 2.1.1). */
#define HEADER_NAME_MAX 998

/* Finds the end of a header that arrives in pieces.  Zero it before the first call. */
struct header_scan {
    size_t line;        /* start of the first line not yet judged */
    size_t header_size; /* found: the header is text[0..header_size) */
    size_t body;        /* found: where the body begins; header_size if no empty line divides */
};

/* Looks on in `text`, all that has arrived (`size` bytes); `ended` if nothing will follow.
 * Returns true when the end is found, false if more is needed (never if `ended`). */
bool header_scan(struct header_scan *scan, const char *text, size_t size, bool ended);

/* A field within a header: counted strings into its text. */
struct header_field {
    const char *name;
    size_t name_size;
    const char *body; /* behind the colon, to the field's end, line ends included */
    size_t body_size;
    const char *whole;
    size_t whole_size;
};

/* The field that begins at text[*at]; moves *at behind it.  Returns false at the header's end.
 * `text` must be a header as header_scan finds it. */
bool header_next(const char *text, size_t size, size_t *at, struct header_field *field);

/* True if the field's name is `name`, without regard to ASCII case. */
bool header_is(const struct header_field *field, const char *name);

#endif

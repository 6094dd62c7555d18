/* SPDX-License-Identifier: ISC */
/*
 * The receiving end of a message on SMTP (RFC 5321 4.1.1.4, 4.5.2): finds the one true end of
 * data, takes the dots of transparency off, and turns line ends into newlines.  A push parser: no
 * I/O, no memory of its own, pieces may be cut anywhere.
 *
 *     struct smtp_data data;
 *     smtp_data_begin(&data);
 *     while (!smtp_data_ended(&data)) {
 *         ... read `size` bytes ...
 *         used = smtp_data_feed(&data, bytes, size, content, &content_size);
 *         ... bytes[used..size) are behind the end of data: commands
 *     }
 *
 * Only CR LF ends a line, and only CR LF . CR LF (or . CR LF at the very start) ends the data:
 * whatever stands around a CR or LF that is alone never does (RFC 5321 4.1.1.4; "SMTP
 * smuggling").  A dot is taken off only behind a CR LF.  What is alone stays as it is: a bare LF
 * is then a newline of the content, a bare CR a byte of it; `bare_lf` and `bare_cr` tell of them,
 * and whether such a message is taken is the caller's to decide.  All other bytes stay as they
 * are, NUL too; lines may have any length.
 */
#ifndef MTA_LIB_SMTP_DATA_H
#define MTA_LIB_SMTP_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum smtp_data_state {
    SMTP_DATA_LINE_START, /* behind CR LF, or nothing has come yet */
    SMTP_DATA_DOT,        /* a dot at the start of a line */
    SMTP_DATA_DOT_CR,
    SMTP_DATA_MIDDLE, /* anywhere else in a line */
    SMTP_DATA_CR,     /* a CR not yet known to be alone */
    SMTP_DATA_END,
};

struct smtp_data {
    enum smtp_data_state state;
    bool bare_lf;  /* a LF without a CR in front has come */
    bool bare_cr;  /* a CR without a LF behind has come */
    uint64_t size; /* bytes of the message so far, its newlines counted as two (RFC 1870 3) */
};

void smtp_data_begin(struct smtp_data *data);

/* Takes `size` bytes, but none behind the end of data; returns how many it took.  The content goes
 * to `to`, which must have room for `size` + 1 bytes, its count into *to_size. */
size_t smtp_data_feed(struct smtp_data *data, const char *bytes, size_t size, char *to,
                      size_t *to_size);

bool smtp_data_ended(const struct smtp_data *data);

#endif

/* SPDX-License-Identifier: ISC */
/*
 * Replies of an SMTP server, as they arrive (RFC 5321 4.2).  No I/O, no allocation.
 *
 *     struct smtp_reply reply;
 *     smtp_reply_begin(&reply);
 *     while bytes come: used = smtp_reply_add(&reply, bytes, size, &state);
 *
 * A reply is lines of a three-digit code and '-', the last one of a code and a blank (or nothing
 * behind it).  Lines end with LF or CRLF.  Where the codes of its lines differ the last counts.
 * What is no such line makes it SMTP_REPLY_RUBBISH; so does a reply that does not end within
 * SMTP_REPLY_BYTES_MAX bytes: nothing that a server sends makes us read for ever.
 */
#ifndef MTA_LIB_SMTP_REPLY_H
#define MTA_LIB_SMTP_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#define SMTP_REPLY_TEXT_MAX 5000    /* bytes of text that are kept; qmail's limit too */
#define SMTP_REPLY_BYTES_MAX 100000 /* bytes of a reply on the wire */

enum smtp_reply_state { SMTP_REPLY_MORE, SMTP_REPLY_WHOLE, SMTP_REPLY_RUBBISH };

struct smtp_reply {
    unsigned code;       /* 200 to 599, or what rubbish had; 0 before the first */
    size_t text_length;  /* kept of it */
    size_t whole_length; /* of that, in lines that are there to their end */
    size_t line_length;  /* of the line being read, without its end */
    size_t byte_count;
    bool carriage_return; /* the last byte was one */
    bool last;            /* the line being read is the last */
    /* All lines as they came, each ended by LF, codes included; NUL and bare CR became '?'. */
    char text[SMTP_REPLY_TEXT_MAX + 1];
};

/* Makes it ready for the next reply. */
void smtp_reply_begin(struct smtp_reply *reply);

/* Takes bytes up to the end of the reply, and tells how many were taken.  *state SMTP_REPLY_MORE:
 * all were taken, more is needed; else it is done: `text` is then NUL-ended, ends with LF, and
 * holds all that fits. */
size_t smtp_reply_add(struct smtp_reply *reply, const char *bytes, size_t size,
                      enum smtp_reply_state *state);

/* The kind of a reply: 2 for 2yz and so on. */
unsigned smtp_reply_class(const struct smtp_reply *reply);

/* Looks up an extension in the text of a reply to EHLO (RFC 5321 4.1.1.1), without regard to case;
 * a '=' counts as a blank; a line of which not all was kept is none.  Returns its parameters, up to
 * the LF, in *size bytes, or NULL if the server does not offer it. */
const char *smtp_reply_extension(const struct smtp_reply *reply, const char *keyword, size_t *size);

#endif

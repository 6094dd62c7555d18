/* SPDX-License-Identifier: ISC */
/*
 * What the report of a failed delivery says to machines: the texts of nixie-remote and nixie-local
 * (which are qmail's) taken apart for a delivery status notification (RFC 3464).
 *
 * Reports hold whatever a remote server or a user's program said: any bytes, any length.  No I/O,
 * no allocation, nothing fails; what is found points into the text.
 */
#ifndef MTA_LIB_FAILURE_H
#define MTA_LIB_FAILURE_H

#include <stdbool.h>
#include <stddef.h>

/* Added as its last line to the report of a recipient that is not tried again because the message
 * is too old; with its newline. */
#define FAILURE_EXPIRED "I'm not going to try again; this message has been in the queue too long.\n"

#define FAILURE_STATUS_SIZE 12 /* "5.123.123" and a NUL */

struct failure {
    /* RFC 3463.  4.4.7 if expired; else the enhanced code in the remote's reply (RFC 2034), else
     * the first "(#5.1.1)" in the text, else X.0.0 with the class of the reply, else 5.0.0. */
    char status[FAILURE_STATUS_SIZE];
    bool expired;
    /* The remote's reply, all its lines, without the last newline; size 0: none is told of. */
    const char *reply;
    size_t reply_size;
    /* The remote's host name or address ("192.0.2.1", "2001:db8::1"); size 0: not told. */
    const char *mta;
    size_t mta_size;
    bool mta_is_address;
    /* The whole report, without FAILURE_EXPIRED and the newlines at its end. */
    const char *text;
    size_t text_size;
};

/* Takes a report of `size` bytes apart. */
void failure_parse(struct failure *failure, const char *report, size_t size);

#endif

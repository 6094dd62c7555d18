/* SPDX-License-Identifier: ISC */
/*
 * What a bounce says: the delivery status of an RFC 3464 report, or the paragraphs of qmail's
 * QSBMF, which the text part of Nixie's own reports has too.
 */
#ifndef SIM_WORLD_BOUNCE_REPORT_H
#define SIM_WORLD_BOUNCE_REPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "sim/world/pool.h"

/* One recipient.  Texts are "" where the report does not say. */
struct bounce_group {
    const char *final_recipient; /* without "rfc822;" and the quotes of its local part */
    const char *action;
    const char *status;
    const char *diagnostic;  /* with its type: "smtp; 550 5.1.1 no such user" */
    const char *remote_mta;  /* without "dns;" */
    const char *final_field; /* final_recipient with its quotes; "" if nobody wrote it so */
};

struct bounce_report {
    struct pool pool;
    struct bounce_group *groups;
    size_t group_count;
    bool is_standard;  /* it has a message/delivery-status */
    bool has_original; /* the message that it is about, or its header, is in it */
};

/* Reads a whole message.  One that is no bounce gives no groups. */
void bounce_report_read(struct bounce_report *report, const char *data, size_t size);
void bounce_report_free(struct bounce_report *report);

/* True if the message says that it could not be delivered to `recipient` (a pattern, the case of
 * letters ignored): a group of the delivery status, or a paragraph.  That the copy of the message
 * in it mentions them, as its header may, tells nothing. */
bool bounce_report_tells_of(const char *data, size_t size, const char *recipient);

#endif

/* SPDX-License-Identifier: ISC */
/*
 * nixie-admin VERB SELECTION...: what the admin wants of messages in the queue (selection.h).  It
 * chooses them by reading the queue, and has nixie-send do the rest; if no send runs, it takes
 * lock/sendmutex and does it itself.
 *
 * `list` shows them.  For the other verbs see mta/send/admin.h; without a server `delete` only
 * marks, and the next start removes.
 *
 * Exit status: 0 done; 1 no message is selected, or something could not be done; 2 the command is
 * wrong; 3 the queue cannot be read, or the server does not answer.
 */
#ifndef MTA_ADMIN_ADMIN_H
#define MTA_ADMIN_ADMIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mta/admin/selection.h"
#include "mta/lib/output.h"

enum { ADMIN_DONE = 0, ADMIN_NOT_DONE = 1, ADMIN_WRONG = 2, ADMIN_LACKING = 3 };

enum verb { VERB_LIST, VERB_RETRY, VERB_HOLD, VERB_RELEASE, VERB_EXPIRE, VERB_DELETE };

struct verb_name {
    const char *name, *done;
};
extern const struct verb_name verb_names[];

/* MARKED: open still, and its mark is new. */
enum outcome { OUTCOME_OPEN, OUTCOME_DONE, OUTCOME_REFUSED, OUTCOME_MARKED };

/* A verb for messages, and what came of it. */
struct order {
    enum verb verb;
    const struct view_numbers *numbers;
    unsigned char *outcomes; /* one a number */
};

/* main.c: one line on standard error: "nixie-admin: WHAT DETAIL".  Returns `status`. */
int complain(int status, const char *what, const char *detail);
/* main.c: notes the outcome for a number; `reason` NULL: it is done, else told. */
void order_note(struct order *order, uint64_t number, const char *reason);

/* list.c */
void list_message(struct output *output, const struct rewrite *rewrite, const struct view *view,
                  unsigned marks, int64_t now);

/* ask.c: has nixie-send do it.  ADMIN_DONE: it was asked; what is left open it did not answer,
 * because there is none (any more).  ADMIN_LACKING after a message. */
int ask_server(struct order *order);

/* direct.c: does what is left open, without nixie-send.  ADMIN_DONE, or ADMIN_LACKING after a
 * message. */
int do_directly(struct order *order);

#endif

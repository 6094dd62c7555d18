/* SPDX-License-Identifier: ISC */
/* The messages that bear marks of the admin (mta/lib/mark.h), as send knows them. */
#ifndef MTA_SEND_MARKED_H
#define MTA_SEND_MARKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mta/lib/mark.h"

struct send;
struct message;

struct marked_message {
    uint64_t number;
    unsigned marks;      /* or'ed: whose files are there */
    unsigned void_marks; /* of these: they mean nothing any more, and could not be removed yet */
};

struct marked { /* in order of numbers */
    struct marked_message *messages;
    size_t count, capacity;
    /* Steady seconds; 0: no look is needed.  For marks that could not be removed, whether their
     * message is gone or is not deleted after all; for those of messages that are in todo and not
     * known, or that nobody could look for; and for held messages that queue may withdraw. */
    int64_t next_look;
};

/* Start-up: learns all marks.  0 or -1 with errno. */
int marked_load(struct marked *marked);
void marked_free(struct marked *marked);
/* The marks of a message, or'ed, without those that mean nothing any more. */
unsigned marked_find(const struct marked *marked, uint64_t number);

/* Puts a mark on a message, or takes it off: the file, not synced, and here.  0 or -1 with errno.
 */
int marked_add(struct marked *marked, uint64_t number, enum mark mark);
int marked_remove(struct marked *marked, uint64_t number, enum mark mark);

/* A message that was just made known: takes its marks. */
void marked_apply(const struct marked *marked, struct message *message);
/* A message is gone: its marks go once that is durable. */
void marked_gone(struct send *send, uint64_t number);
/* A message is taken from todo again, if queue does not withdraw it: then its marks go later. */
void marked_forgotten(struct send *send, uint64_t number);
/* The admin holds it, perhaps.  If queue may withdraw it, that is looked for time and again: no
 * pass would see it. */
void marked_held(struct send *send, const struct message *message);
/* The message is not deleted after all: from now on the mark means nothing, and it goes, now or as
 * soon as it can be removed.  A start of nixie-send before that still obeys it. */
void marked_undelete(struct send *send, uint64_t number);
/* Start-up, at its end: marks go of messages of which neither todo nor info is there, whatever is
 * left of mess. */
void marked_look(struct send *send);
/* The same, and what else is left to do, when it is time for next_look. */
void marked_step(struct send *send);

#endif

/* SPDX-License-Identifier: ISC */
/*
 * The messages of a queue as they can be seen from outside, also beside a running nixie-send, which
 * changes and removes files at any time: what has gone is passed over, never told of as trouble.
 * Only reads.  The current directory is HOME/queue.
 */
#ifndef MTA_LIB_VIEW_H
#define MTA_LIB_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mta/lib/buf.h"
#include "mta/lib/spool.h"

#define VIEW_CHANNELS 2

/* Numbers, ascending.  Zero it before the first use; freed by view_numbers_free. */
struct view_numbers {
    uint64_t *numbers;
    size_t count, capacity;
};

/* Adds one.  0 or -1 with ENOMEM. */
int view_numbers_put(struct view_numbers *numbers, uint64_t number);
/* Adds the numbers that have a file of that kind.  0 or -1 with errno. */
int view_numbers_add(struct view_numbers *numbers, enum spool_kind kind);
/* Brings them in order, each once. */
void view_numbers_sort(struct view_numbers *numbers);
/* Whether a number is among them, which must be in order. */
bool view_numbers_have(const struct view_numbers *numbers, uint64_t number);
void view_numbers_free(struct view_numbers *numbers);

struct view {
    uint64_t number;
    bool is_new;                     /* S4: not preprocessed yet */
    bool bouncing;                   /* a recipient has failed */
    struct spool_message message;    /* its recipients only if is_new; points into `envelope` */
    struct buf envelope;             /* info/N or todo/N */
    struct buf files[VIEW_CHANNELS]; /* local/N and remote/N; empty if there is none */
    struct spool_channel channels[VIEW_CHANNELS];
};

/* Reads a message into `view`, which was zeroed or used before.  Returns 1; 0 if there is no such
 * message (any more); -1 with errno: EBADMSG if a file does not check out. */
int view_read(struct view *view, uint64_t number);
void view_free(struct view *view);

struct view_recipient {
    const char *address; /* NUL-terminated; in a channel's file as rewritten */
    int channel;         /* 0 local, 1 remote; -1: not known yet (is_new) */
    bool done;
};
/* Where a walk over the recipients is; zeroed at first. */
struct view_walk {
    int channel;
    size_t at;
};
/* The next recipient.  False at the end. */
bool view_next(const struct view *view, struct view_walk *walk, struct view_recipient *recipient);

#endif

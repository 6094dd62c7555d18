/* SPDX-License-Identifier: ISC */
/*
 * What became of the messages of a run, as far as something that goes wrong for a while (a full
 * disk, no memory, a connection that breaks) must not change it:
 *
 *   FINAL  nobody is told no for good (5xx, exit 100 of inject, a permanent code of queue), and no
 *          delivery fails for good, where that did not happen when nothing went wrong; a message
 *          that is too old is judged by SCHEDULE
 *   DOWN   ten minutes after the last thing that went wrong all programs of the server run, and a
 *          message that was taken when nothing went wrong is taken
 *
 * What is allowed: a temporary no to who submits (4xx, exit 111, another code of queue), then
 * nothing of the message comes out (REFUSED judges that); a deferral; a late delivery.
 */
#ifndef SIM_WORLD_OUTCOMES_H
#define SIM_WORLD_OUTCOMES_H

#include "sim/world/world.h"

/* Zeroed: none. */
struct outcomes {
    uint64_t *final; /* hashes of who was told no for good, in order */
    size_t final_count;
    uint64_t *tried; /* of to whom a delivery of a message or a bounce was begun, in order */
    size_t tried_count;
    uint64_t *done; /* of to whom one was delivered, in order */
    size_t done_count;
    bool *taken;   /* of each letter: somebody was told yes */
    bool *ordered; /* the same: the admin deleted or held it, so that nobody knows its fate */
    size_t letter_count;
    bool *listens;  /* of each host: it had a port open */
    bool *squeezed; /* the same: the scenario took room from its disk */
    size_t host_count;
};

/* At the end of a run, after world_collect. */
void outcomes_note(const struct world *world, struct outcomes *to);
void outcomes_free(struct outcomes *outcomes);

/* Judges a run by those of one in which nothing went wrong.  Letters that this one did not have
 * must be taken. */
void judge_outcomes(struct world *world, const struct outcomes *base);

#endif

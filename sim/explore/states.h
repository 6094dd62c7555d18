/* SPDX-License-Identifier: ISC */
/*
 * What a disk may hold after power loss at this moment: the trees that its model allows, each with
 * the answers of a chooser that lead to it.
 */
#ifndef SIM_EXPLORE_STATES_H
#define SIM_EXPLORE_STATES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim/kernel/vfs.h"

struct states_options {
    /* Up to so many paths of answers are walked in full.  Where there are more: all kept, all
     * lost, each one thing in each other way, each one thing lost with another in each other way
     * (up to eight times this number), then random ones up to this number. */
    size_t limit;
    uint64_t seed; /* of the random ones */
};

/* Told for each path of answers; `hash` is that of the tree it gives, without the log
 * and the names in Maildirs.  The answers
 * are valid during the call. */
typedef void states_teller(void *context, uint64_t hash, const unsigned *answers, size_t count);

/* Tells the states of a live file system, which stays as it is.  Returns true if these are all
 * that the model allows, false if they are a choice. */
bool states_walk(const struct vfs *vfs, const struct states_options *options, states_teller *tell,
                 void *context);

#endif

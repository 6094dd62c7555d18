/* SPDX-License-Identifier: ISC */
/*
 * Situations that an exploration must sometimes reach; one that is never reached is a failure of
 * the exploration, not of the server.
 */
#ifndef SIM_EXPLORE_MARKS_H
#define SIM_EXPLORE_MARKS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "sim/world/world.h"

#define MARKS_MAX 64

/* In how many runs each was reached. */
struct marks { /* zeroed: in none */
    uint64_t counts[MARKS_MAX];
};

/* Those that a run, which has been judged, has reached: a set. */
uint64_t marks_of(const struct world *world);
void marks_add(struct marks *marks, uint64_t set);
void marks_add_all(struct marks *marks, const struct marks *more);

/* "sometimes: 28 of 34 reached, not: power lost in S3; ...", or the whole table with counts.
 * Returns true if all were reached. */
bool marks_print(const struct marks *marks, bool table, FILE *to);

#endif

/* SPDX-License-Identifier: ISC */
/*
 * Seeded randomness of the simulator.  Every consumer draws from a stream of its own (scheduler,
 * disk times, getrandom, crash choices), so that one more draw in one place moves no other place.
 */
#ifndef SIM_KERNEL_RANDOM_H
#define SIM_KERNEL_RANDOM_H

#include <stdint.h>

struct random {
    uint64_t state[4];
};

/* Starts stream number `stream` of seed `seed`.  The same pair always gives the same draws. */
void random_seed(struct random *random, uint64_t seed, uint64_t stream);

/* Next 64 random bits. */
uint64_t random_u64(struct random *random);

/* A number in 0 .. bound-1, without bias.  `bound` must not be 0. */
uint64_t random_below(struct random *random, uint64_t bound);

#endif

/* SPDX-License-Identifier: ISC */
/* A set of 64-bit numbers, each with a small number that goes with it. */
#ifndef SIM_EXPLORE_SEEN_H
#define SIM_EXPLORE_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct seen { /* zeroed: empty */
    uint64_t *slots;
    uint32_t *notes; /* of each slot; NULL until one is kept */
    size_t used, capacity;
};

/* False if it was there already. */
bool seen_add(struct seen *seen, uint64_t value);
/* The same; keeps `note` if it is new, else *note becomes what was kept (0: nothing was). */
bool seen_note(struct seen *seen, uint64_t value, uint32_t *note);
bool seen_has(const struct seen *seen, uint64_t value);
void seen_free(struct seen *seen);

#endif

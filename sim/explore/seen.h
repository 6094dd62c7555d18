/* SPDX-License-Identifier: ISC */
/* A set of 64-bit numbers. */
#ifndef SIM_EXPLORE_SEEN_H
#define SIM_EXPLORE_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct seen { /* zeroed: empty */
    uint64_t *slots;
    size_t used, capacity;
};

/* False if it was there already. */
bool seen_add(struct seen *seen, uint64_t value);
void seen_free(struct seen *seen);

#endif

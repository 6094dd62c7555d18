/* SPDX-License-Identifier: ISC */
/* What was promised and what came of it so far, as one number. */
#ifndef SIM_EXPLORE_LEDGER_H
#define SIM_EXPLORE_LEDGER_H

#include <stdint.h>

#include "sim/world/world.h"

/* A hash of everything outside of the disks that a verdict depends on: what submitters were told,
 * which attempts were made and what came of each, what declared programs and remotes took. */
uint64_t ledger_hash(const struct world *world);

/* At the end of a run, after world_collect: what came of everything, whenever it did: what
 * submitters were told, which copies there are and where, what is left in the spools. */
uint64_t ledger_outcome(const struct world *world);

#endif

/* SPDX-License-Identifier: ISC */
/*
 * What an exploration has covered: situations in which something went wrong, each as a number.  A
 * situation is (what went wrong, the program's call, the stages of the messages there), not the
 * number of the call; so there are a few thousand of them, however many runs there are.
 */
#ifndef SIM_EXPLORE_COVERAGE_H
#define SIM_EXPLORE_COVERAGE_H

#include "sim/explore/plan.h"

/* That upset in that call, on machine `host` (host_count and more: of an actor). */
uint32_t coverage_of_upset(const struct world *world, const struct planned *planned,
                           const struct call *call, size_t host);

/* A call that failed in a run in which something had gone wrong; 0: of a kind that always does. */
uint32_t coverage_of_failure(const struct world *world, const struct call *call);

#endif

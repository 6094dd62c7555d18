/* SPDX-License-Identifier: ISC */
/* Runs a scenario with what a plan says that goes wrong, and tells what came of it. */
#ifndef SIM_EXPLORE_RUN_PLAN_H
#define SIM_EXPLORE_RUN_PLAN_H

#include "sim/explore/explore.h"
#include "sim/explore/plan.h"
#include "sim/explore/points.h"

struct plan_run {
    const struct scenario *scenario;
    const struct explore_options *options; /* disk, seed and policy of them */
    const struct plan *plan;
    struct points *points; /* is told of the calls of the run; or NULL */
    FILE *story;           /* or NULL */
};

/* Returns true if the run broke a promise: then *failure (which may be NULL) tells which; else it
 * is zeroed. */
bool run_plan(const struct plan_run *run, struct explore_failure *failure);

void explore_failure_free(struct explore_failure *failure);

#endif

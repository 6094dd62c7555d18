/* SPDX-License-Identifier: ISC */
/* Runs a scenario with what a plan says that goes wrong, and tells what came of it. */
#ifndef SIM_EXPLORE_RUN_PLAN_H
#define SIM_EXPLORE_RUN_PLAN_H

#include "sim/explore/explore.h"

struct plan_run {
    const struct explore_unit *unit;
    const struct plan *plan;
    struct points *points;     /* is told of the run; or NULL */
    struct template *template; /* of the scenario's worlds, see run_options; or NULL */
    /* See run_options.  Those of the unit's run in which nothing goes wrong: a plan with a fault is
     * judged by them.  NULL: it is not. */
    const struct outcomes *base;
    bool probe;
    FILE *story;    /* or NULL */
    bool disturbed; /* with all changed that must not change a run */
};

struct finding {
    bool failed;
    struct explore_failure failure; /* if so */
    uint64_t hash;                  /* of the run: each of its calls */
    uint64_t disks;                 /* of all that is on them at the end */
    uint64_t outcome;               /* of what it came to: verdict and ledger_outcome */
    uint64_t calls;                 /* that it made */
    uint64_t marks;                 /* that it reached (marks.h) */
    uint32_t *situations;           /* that it covered besides its plan's, each once */
    size_t situation_count;
};

void run_plan(const struct plan_run *run, struct finding *finding);
void finding_free(struct finding *finding);

/* The plan and its replay command; the rest of the failure is zeroed. */
void explore_failure_start(struct explore_failure *failure, const struct plan *plan,
                           const struct scenario *scenario);
/* Of one that was started: of no oracle. */
void explore_failure_say(struct explore_failure *failure, const char *promise, const char *where,
                         const char *message);
void explore_failure_free(struct explore_failure *failure);

#endif

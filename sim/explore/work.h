/* SPDX-License-Identifier: ISC */
/* What a worker process does: one run of a plan, and a look for what may go wrong behind it. */
#ifndef SIM_EXPLORE_WORK_H
#define SIM_EXPLORE_WORK_H

#include "sim/explore/explore.h"
#include "sim/explore/jobs.h"
#include "sim/explore/run_plan.h"

struct work_task {
    size_t unit;
    struct plan plan;
    bool walks;             /* looks for candidates behind the plan's last upset; */
    unsigned chunk, chunks; /* of one part of them (points_options) */
    /* Of those that are not to be told in full: those that cover something that no other of the
     * run does, and so many of the others. */
    size_t choice;
};

void work_task_put(struct wire *wire, const struct work_task *task);

/* The worker's memory. */
struct work;
struct work *work_start(const struct exploration *exploration);
void work_end(struct work *work);
/* A jobs_work; `context` is a struct work. */
void work_do(void *context, struct wire_reader *task, struct wire *answer);

/* --- answers, as the caller reads them
 * ----------------------------------------------------------*/

struct work_candidate {
    uint64_t order; /* where in the run it was told; equal for those of one point */
    uint64_t hash;  /* as struct candidate */
    uint32_t key;
    const uint8_t *planned; /* as planned_put wrote it */
    size_t planned_size;
};

struct work_answer {
    bool failed;
    struct explore_failure failure; /* if so; the reader frees it */
    bool repeated;                  /* made twice */
    uint64_t outcome, marks;
    uint64_t calls;       /* that the run made */
    uint32_t *situations; /* that the worker had not told of this unit before */
    size_t situation_count;
    uint64_t points, states;
    bool sampled;
    struct work_candidate *candidates; /* they point into the answer's bytes */
    size_t candidate_count;
};

/* Returns 0, or -1: that is no answer. */
int work_answer_get(struct wire_reader *reader, struct work_answer *answer);
void work_answer_free(struct work_answer *answer);

#endif

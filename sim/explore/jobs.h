/* SPDX-License-Identifier: ISC */
/*
 * Worker processes.  They are forked without an exec, so that they know all that the caller knew
 * when it started them; each does the tasks that it is given, one after another, and tells an
 * answer for each.
 */
#ifndef SIM_EXPLORE_JOBS_H
#define SIM_EXPLORE_JOBS_H

#include "sim/explore/wire.h"

struct jobs;

/* In a worker: does what `task` says and writes the answer. */
typedef void jobs_work(void *context, struct wire_reader *task, struct wire *answer);

/* Starts `count` workers (at least 1).  NULL with errno. */
struct jobs *jobs_start(unsigned count, jobs_work *work, void *context);
/* Ends them, whatever they do. */
void jobs_end(struct jobs *jobs);

/* True if another task may be given now. */
bool jobs_has_room(const struct jobs *jobs);
size_t jobs_outstanding(const struct jobs *jobs);
/* `id` comes back with the answer.  The task is copied. */
void jobs_give(struct jobs *jobs, uint64_t id, const void *task, size_t size);

struct jobs_answer {
    uint64_t id;
    const uint8_t *bytes; /* until the next jobs_take */
    size_t size;
    int died; /* not 0: none, the worker ended while it did this, with that wait status */
};

/* Waits up to `wait_ms` (-1: for ever) for an answer, of whichever task.  Returns 1, 0 if there is
 * none in that time or a signal came, or -1 with errno: no worker can be started any more. */
int jobs_take(struct jobs *jobs, int wait_ms, struct jobs_answer *answer);

#endif

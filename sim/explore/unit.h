/* SPDX-License-Identifier: ISC */
/*
 * The search of one unit, as the process that plans it sees it: which runs are to be made next, and
 * what their answers come to.  Answers are taken in the order of the runs, whatever the order is in
 * which they come.
 */
#ifndef SIM_EXPLORE_UNIT_H
#define SIM_EXPLORE_UNIT_H

#include "sim/explore/explore.h"
#include "sim/explore/jobs.h"

struct unit_search;

/* `chunks`: in so many parts the crash points of the first run are looked at, `at_once`
 * at a time. */
struct unit_search *unit_start(size_t index, const struct explore_unit *unit, unsigned chunks,
                               unsigned at_once);
void unit_free(struct unit_search *search);

/* Writes the next task.  False: there is none now, or none any more. */
bool unit_next(struct unit_search *search, struct wire *task, uint32_t *number);
/* The answer to the task of that number. */
void unit_answer(struct unit_search *search, uint32_t number, const struct jobs_answer *answer);
/* If crash points of the first run are still looked at: those of the parts that are here are enough
 * (there is at least one). */
void unit_hurry(struct unit_search *search);
/* No more tasks are wanted. */
void unit_stop(struct unit_search *search, enum explore_missing why);

bool unit_is_finished(const struct unit_search *search);
size_t unit_index(const struct unit_search *search);
const struct explore_unit *unit_of_search(const struct unit_search *search);
const struct explore_result *unit_result(const struct unit_search *search);

#endif

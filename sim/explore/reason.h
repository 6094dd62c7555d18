/* SPDX-License-Identifier: ISC */
/*
 * Why a run failed, such that it can be compared with another run's: the promise that broke (or the
 * expectation), and its message without what may differ: names of messages and machines, numbers
 * and times, and addresses but for the first.  What a disk lost stays in it, as in "todo/#".
 */
#ifndef SIM_EXPLORE_REASON_H
#define SIM_EXPLORE_REASON_H

#include "sim/scenario/run.h"

struct reason {
    const char *promise; /* static; NULL: an expectation */
    char *kind;          /* malloc'd: "N was accepted for @ and is gone: todo/# unsynced" */
    char *address;       /* the first in the message, which stays the same; malloc'd; NULL: any */
    char **names;        /* of the scenario's messages and machines; malloc'd */
    size_t name_count;
};

/* Of a failure of a run of `scenario`. */
void reason_of(const struct scenario *scenario, const struct failure *failure,
               struct reason *reason);
void reason_free(struct reason *reason);

/* The failure of a run that is for that reason, or NULL; none if the scenario asked for what cannot
 * be, or Nixie broke. */
const struct failure *reason_find(const struct reason *reason, const struct scenario *scenario,
                                  const struct run_result *result);

#endif

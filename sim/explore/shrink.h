/* SPDX-License-Identifier: ISC */
/*
 * Makes a scenario that fails as small and plain as it can be: whatever can be left out, shortened
 * or rounded such that it still fails for the same reason (reason.h) is.  Each step is tried by a
 * run.  The result is a pure function of the scenario and the options, unless time runs out.
 */
#ifndef SIM_EXPLORE_SHRINK_H
#define SIM_EXPLORE_SHRINK_H

#include "sim/scenario/run.h"

struct shrink_options {
    const char *promise; /* that must break: "LOST"; NULL: the first that does */
    const char *message; /* of the failure that is meant, as it was told; or NULL: any */
    const struct definition *definitions; /* of parameters; they end in the text */
    size_t definition_count;
    uint64_t seed; /* 0 counts as 1 */
    enum schedule_policy policy;
    bool knobs;
    const struct disk_model *disk; /* instead of what hosts say; it ends in the text; or NULL */
    unsigned without;              /* set of oracles that are switched off (sim/world/oracles.h) */
    const char *folder; /* where the result will stand: paths count from there; NULL: as now */
    const char *title;  /* of the result; NULL: one is made */
    uint64_t runs;      /* at most so many; 0: 4000 */
    double seconds;     /* at most so long; 0: 60 */
    FILE *progress;     /* a line for each step that worked; or NULL */
};

struct shrink_result {
    char *text; /* malloc'd, in the one right form */
    size_t size;
    const char *promise; /* static; NULL: it is an expectation that fails */
    char *message;
    uint64_t seed; /* and what else the run needs */
    enum schedule_policy policy;
    bool knobs;
    uint64_t runs;
    bool complete; /* nothing more can be left out; false: a bound was reached */
};

/* `name` is the file of the text, which relative paths count from.  Returns 0; or -1 if it does not
 * fail so in the first place or cannot be read: *why (static words). */
int shrink(const char *name, const char *text, size_t size, const struct shrink_options *options,
           struct shrink_result *result, const char **why);
void shrink_result_free(struct shrink_result *result);

#endif

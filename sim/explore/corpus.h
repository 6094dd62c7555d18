/* SPDX-License-Identifier: ISC */
/*
 * A folder of small files, each a run that covered something that no run before it had covered:
 *
 *     scenario scenarios/spool/bounce.scenario
 *     disk strict
 *     schedule round-robin
 *     seed 1
 *     knobs            (or not)
 *     run --cut 214,answers=1.0.2 --fault 300,error=EIO
 *
 * Later explorations of the same unit make these runs first.  A scenario that was made up is
 * called "random".
 */
#ifndef SIM_EXPLORE_CORPUS_H
#define SIM_EXPLORE_CORPUS_H

#include "sim/explore/explore.h"

struct corpus_entry {
    char *scenario; /* its file, or "random" */
    const struct disk_model *disk;
    enum schedule_policy policy;
    uint64_t seed;
    bool knobs;
    char *run; /* as plan_words */
};

struct corpus {
    char *folder;
    struct corpus_entry *entries; /* sorted by the names of their files */
    size_t count;
    uint64_t added; /* since it was opened */
};

/* Reads all files NAME.run of the folder, which is made if it is not there.  Files that are not
 * understood are left alone.  Returns 0 or -1 with errno. */
int corpus_open(struct corpus *corpus, const char *folder);
void corpus_close(struct corpus *corpus);

/* The plans of a unit, malloc'd; *count of them. */
struct plan *corpus_plans(const struct corpus *corpus, const struct explore_unit *unit,
                          size_t *count);
/* Writes one more file, unless it is there.  Returns 0 or -1 with errno. */
int corpus_add(struct corpus *corpus, const struct explore_unit *unit, const struct plan *plan);

#endif

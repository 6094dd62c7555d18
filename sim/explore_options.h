/* SPDX-License-Identifier: ISC */
/* The options of `nixie explore`. */
#ifndef SIM_EXPLORE_OPTIONS_H
#define SIM_EXPLORE_OPTIONS_H

#include "sim/explore/explore.h"
#include "sim/scenario/files.h"

#define SCHEDULES_MAX 8

struct explore_command {
    struct pool pool;
    const char **files;
    size_t file_count;
    struct definition *definitions;
    size_t definition_count;
    const char *replay; /* what is given to run besides; a space before each */
    const struct disk_model **disks;
    size_t disk_count;
    bool has_disks; /* they were said; else each scenario has its own */
    enum schedule_policy schedules[SCHEDULES_MAX];
    size_t schedule_count;
    uint64_t first_seed, last_seed;
    uint64_t shard, shards; /* the I-th of N, from 1 */
    unsigned jobs;
    int64_t time_ns;    /* 0: no limit */
    bool random;        /* scenarios that are made up, one for each seed */
    bool bounded;       /* some option says how much is to be done */
    bool all_seeds;     /* no end of them was said */
    const char *corpus; /* a folder; or NULL */
    const char *out;    /* where violations are written */
    bool out_given;
    bool marks;                     /* all are printed, and must be reached */
    bool raw;                       /* they are not shrunk */
    bool verbose, crashes, faults;  /* given */
    struct explore_options options; /* disk, seed and policy are each unit's own */
};

/* Returns an exit_status: HELD, or WRONG after saying what is. */
int explore_options_read(int argc, char **argv, struct explore_command *command);
extern const char explore_usage[];

#endif

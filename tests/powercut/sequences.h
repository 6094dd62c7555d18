/* SPDX-License-Identifier: ISC */
/*
 * Whether each tree that is found after a cut is one that the simulator's model of that file system
 * allows: programs drawn at random are run on the real file system, the power is cut at each point
 * of what they did to the disk, in several ways, and what is found is looked up among the states
 * that the model, and `strict`, allow at that point.
 */
#ifndef TESTS_POWERCUT_SEQUENCES_H
#define TESTS_POWERCUT_SEQUENCES_H

#include "tests/powercut/rig.h"

struct sequences_options {
    enum filesystem filesystem;
    unsigned programs;
    uint64_t seed;       /* of the first program; the next has the next */
    const char *program; /* this one instead; or NULL */
    unsigned most_cuts;  /* different disks looked at, a program */
    double seconds;      /* no new program after this time; 0: no limit */
    bool drive_lies;     /* flushes are not done: there must be trees that no model allows */
    bool verbose;
};

/* Prints TAP-like comments and a line "SUM ..."; 0 if all was allowed, 1 if not. */
int sequences_run(struct rig *rig, void *options);

#endif

/* SPDX-License-Identifier: ISC */
/*
 * The shipped mail server on a real file system, while several clients send mail as fast as it
 * takes it; then the power is cut at many points of what it did to the disk, the server is started
 * on what is found, and judged:
 *
 * - each message acknowledged before the cut reaches each of its recipients, whole;
 * - each file in a mailbox is a message that had been sent before the cut, whole, and for that
 *   recipient; what was not acknowledged may be there too.
 *
 * The power may go again during that start: then the same is judged once more.
 */
#ifndef TESTS_POWERCUT_LOAD_H
#define TESTS_POWERCUT_LOAD_H

#include "tests/powercut/rig.h"

struct load_options {
    enum filesystem filesystem;
    const char *programs; /* the folder of `nixie` and the server's programs */
    unsigned messages, cuts;
    unsigned again; /* of 100 cuts, how many are followed by one during recovery */
    uint64_t seed;
    double seconds;  /* no new cut after this time; 0: no limit */
    bool drive_lies; /* flushes are not done: mail must be lost */
    bool verbose;
};

/* Prints a line "SUM ..."; 0 if nothing was lost and nothing invented, 1 if not. */
int load_run(struct rig *rig, void *options);

#endif

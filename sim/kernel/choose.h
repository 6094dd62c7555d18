/* SPDX-License-Identifier: ISC */
/*
 * A chooser answers "which of `count` possibilities?".  Whatever the simulated world leaves open
 * (above all: what a disk holds after power loss) is asked of a chooser, in an order that is the
 * same in every run.  So a run is (scenario, seed, answers), and an explorer that walks all
 * answers depth first visits every outcome.
 *
 * By convention answer 0 is "old / lost" and answer count-1 is "new / kept".
 */
#ifndef SIM_KERNEL_CHOOSE_H
#define SIM_KERNEL_CHOOSE_H

struct chooser {
    /* Returns 0 .. count-1.  `count` is at least 2.  `what` names the thing in words a person
     * understands ("queue/todo/1: entry added"); valid during the call only. */
    unsigned (*choose)(void *context, unsigned count, const char *what);
    void *context;
};

/* Choosers that always answer 0, or always count-1. */
extern const struct chooser choose_none;
extern const struct chooser choose_all;

#endif

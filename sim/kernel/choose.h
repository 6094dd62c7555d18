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

#include <stdbool.h>
#include <stddef.h>

#include "sim/kernel/random.h"

struct chooser {
    /* Returns 0 .. count-1.  `count` is at least 2.  `what` names the thing in words a person
     * understands ("queue/todo/1: entry added"); valid during the call only. */
    unsigned (*choose)(void *context, unsigned count, const char *what);
    void *context;
};

/* Choosers that always answer 0, or always count-1. */
extern const struct chooser choose_none;
extern const struct chooser choose_all;

/*
 * A walk over every path of answers, depth first, the first path all 0, the last all count-1:
 *
 *     struct choose_walk walk;
 *     choose_walk_first(&walk);
 *     do
 *         run everything from the start, asking &walk.chooser;
 *     while (choose_walk_next(&walk));
 *     choose_walk_end(&walk);
 *
 * The questions of a run may depend on its earlier answers, and on nothing else: a question with
 * another count than when it was asked before ends the program (the run is not deterministic).
 */
struct choose_answer {
    unsigned answer, count;
};
struct choose_walk {
    struct chooser chooser;
    struct choose_answer *answers; /* the path of this run so far, then what is left to replay */
    size_t used, length, capacity;
};
void choose_walk_first(struct choose_walk *walk);
/* Goes to the next path; false if the last run was the last one. */
bool choose_walk_next(struct choose_walk *walk);
void choose_walk_end(struct choose_walk *walk);

/* Gives the answers of a list again; questions beyond its end get answer 0, an answer that is too
 * large for its question the largest there is.  `answers` must live as long. */
struct choose_replay {
    struct chooser chooser;
    const unsigned *answers;
    size_t count, used;
};
void choose_replay_start(struct choose_replay *replay, const unsigned *answers, size_t count);

/* Answers at random: each question's answers are equally likely. */
struct choose_random {
    struct chooser chooser;
    struct random random;
};
void choose_random_start(struct choose_random *chance, uint64_t seed, uint64_t stream);

#endif

/* SPDX-License-Identifier: ISC */
/*
 * The points of a run at which something may go wrong.  A crash point is a call that changes a
 * disk or what was promised; there the power may go, in every way that the disk model allows, and
 * programs may be killed.  Faults may be in every call of the server's programs.
 */
#ifndef SIM_EXPLORE_POINTS_H
#define SIM_EXPLORE_POINTS_H

#include "sim/explore/plan.h"

enum explore_crashes {
    EXPLORE_MACHINE = 1,  /* the power goes */
    EXPLORE_PROGRAMS = 2, /* every program of a machine is killed */
    EXPLORE_ONE = 4       /* each program of the server by itself */
};

/* Something that may go wrong. */
struct candidate {
    struct planned planned;
    uint64_t
        hash; /* POWER: of what is then: tree and ledger; equal ones come to the same.  Else 0 */
    uint32_t key;   /* coverage_of_upset; 0: a fault in an allocation */
    uint64_t order; /* grows in the course of the run, in whatever chunks it is looked at */
};

/* The candidate and what it points to is valid during the call. */
typedef void points_teller(void *context, const struct candidate *candidate);

struct points_options {
    unsigned crashes; /* set of enum explore_crashes */
    unsigned faults;  /* set of FAULTS_... */
    size_t states;    /* as states_options.limit; 0: no walk, but all lost, and one by chance */
    uint64_t seed;    /* of what is chosen */
    uint64_t every;   /* only each n-th point; 0 and 1: all */
    uint64_t after;   /* only calls with a number above */
    /* Only each `chunks`-th of them, from number `chunk` on; 0, 0: all.  All chunks together tell
     * what the whole does. */
    unsigned chunk, chunks;
};

/* Of one run. */
struct points {
    const struct points_options *options;
    points_teller *tell;
    void *context;
    uint64_t crash_count, fault_count; /* points so far */
    uint64_t moment;                   /* counts calls' beginnings and ends */
    uint64_t ledger;
    uint64_t looked_at; /* crash points that were looked at */
    bool sampled;       /* some crash point had more states than are walked */
};

void points_start(struct points *points, const struct points_options *options, points_teller *tell,
                  void *context);
/* Before and after each call of the run; and at its end, with its allocations. */
void points_before(struct points *points, const struct world *world, const struct call *call);
void points_after(struct points *points, const struct world *world, const struct call *call);
void points_end(struct points *points, uint64_t allocations);

/* The host of ours that makes the call; host_count: an actor makes it. */
size_t host_of_call(const struct world *world, const struct call *call);

#endif

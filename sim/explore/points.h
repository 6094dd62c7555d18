/* SPDX-License-Identifier: ISC */
/*
 * The points of a run at which something may go wrong.  A crash point is a call that changes a
 * disk or what was promised; there the power may go, in every way that the disk model allows, and
 * programs may be killed.
 */
#ifndef SIM_EXPLORE_POINTS_H
#define SIM_EXPLORE_POINTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim/world/world.h"

enum explore_crashes {
    EXPLORE_MACHINE = 1,  /* the power goes */
    EXPLORE_PROGRAMS = 2, /* every program of a machine is killed */
    EXPLORE_ONE = 4       /* each program of the server by itself */
};

struct point {
    uint64_t call;   /* its number */
    size_t host;     /* what happens to it */
    uint64_t ledger; /* ledger_hash after the call */
};

/* Who is told. */
struct points_hearer {
    /* The power may go: that is what the disk then may hold (states.h). */
    void (*state)(void *context, const struct point *point, uint64_t hash, const unsigned *answers,
                  size_t count);
    /* That program (static; "*": every one) may be killed. */
    void (*kill)(void *context, const struct point *point, const char *program);
    void *context;
};

struct points_options {
    unsigned crashes; /* set of enum explore_crashes */
    size_t states;    /* as states_options.limit */
    uint64_t seed;    /* of the states that are chosen */
    uint64_t every;   /* only each n-th crash point; 0 and 1: all */
    uint64_t after;   /* only calls with a number above */
};

/* Of one run. */
struct points {
    const struct points_options *options;
    struct points_hearer hearer;
    uint64_t index; /* of the next crash point */
    uint64_t ledger;
    uint64_t looked_at; /* crash points that were looked at */
    bool complete;      /* nothing was left out */
};

void points_start(struct points *points, const struct points_options *options,
                  const struct points_hearer *hearer);
/* After each call of the run. */
void points_after(struct points *points, const struct world *world, const struct call *call);

/* The host of ours that makes the call; host_count: an actor makes it. */
size_t host_of_call(const struct world *world, const struct call *call);

#endif

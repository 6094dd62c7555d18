/* SPDX-License-Identifier: ISC */
/*
 * Knobs: what a run could as well have otherwise, drawn from its seed: control files of the hosts
 * that the scenario does not set, how long a sync takes, how slow the network is.  Most are left
 * alone in a run.  A run with knobs is judged by the oracles only: what a scenario expects need not
 * hold with other timeouts.
 */
#ifndef SIM_SCENARIO_KNOBS_H
#define SIM_SCENARIO_KNOBS_H

#include "sim/scenario/model.h"

#define KNOBS_MAX 16

struct knobs {
    struct {
        const char *name; /* of the control file, static */
        unsigned value;
    } controls[KNOBS_MAX];
    size_t control_count;
    uint64_t sync_min_ns, sync_max_ns; /* both 0: as always */
    int64_t delay_ns;                  /* of the network, one way; -1: as always */
};

/* The knobs of that seed. */
void knobs_draw(uint64_t seed, struct knobs *knobs);

/* In words: "queuelifetime 60, a sync takes 50 to 200 ms, the network 50 ms"; those that the
 * scenario (NULL: any) does not set itself, "none" if none is left.  malloc'd. */
char *knobs_words(const struct knobs *knobs, const struct scenario *scenario);

/* The scenario's hosts with them, in `pool`. */
const struct home_spec *knobs_hosts(const struct knobs *knobs, const struct scenario *scenario,
                                    struct pool *pool);

#endif

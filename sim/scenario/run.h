/* SPDX-License-Identifier: ISC */
/*
 * Runs a scenario, any number of times.  The same scenario, options and answers of choosers give
 * the same run to the byte.
 */
#ifndef SIM_SCENARIO_RUN_H
#define SIM_SCENARIO_RUN_H

#include <stdbool.h>
#include <stdio.h>

#include "sim/kernel/backend.h"
#include "sim/kernel/kernel.h"
#include "sim/scenario/model.h"
#include "sim/world/outcomes.h"
#include "sim/world/world.h"

/* A power cut before or after call number `call_number` of the run, on the host that makes it, or
 * on `host` (its name; NULL: the one that makes it, none if that is no host of ours).  With a
 * `program` ("nixie-send") that one is killed instead and the disk keeps everything; "*": every
 * program is. */
struct crash_plan {
    uint64_t call_number;
    const char *host;
    const struct chooser *chooser; /* of a power cut */
    const char *program;           /* or NULL */
    bool before;
};

struct run_result;

/* How the world is to be seen by an explorer. */
struct run_options {
    uint64_t seed; /* 0 counts as 1 */
    enum schedule_policy policy;
    bool knobs;                    /* drawn from the seed (knobs.h); implies only_oracles */
    const struct disk_model *disk; /* instead of what the hosts say; or NULL */
    /* Things that must not change a run (the determinism test). */
    uint8_t fill_byte;
    size_t arena_offset;
    size_t environment_padding;
    /* Power cuts besides those of the scenario, in the order of their calls.  After each the host
     * boots again `boot_delay_ns` later (0: 1 s). */
    const struct crash_plan *crashes;
    size_t crash_count;
    int64_t boot_delay_ns;
    /* Faults besides those of the scenario, in the order of their calls. */
    const struct fault_plan *faults;
    size_t fault_count;
    /* Judges only by the oracles that are always on, not by `expect`: what a scenario expects need
     * not hold when more goes wrong than it tells. */
    bool only_oracles;
    /* For runs in which something goes wrong for a while.  `outcomes` (or NULL) is filled with
     * those of this run; `base`: those of the same run where nothing goes wrong, which this one is
     * judged by as well (sim/world/outcomes.h).  `probe`: one message more is sent when all is over
     * (probe.c). */
    struct outcomes *outcomes;
    const struct outcomes *base;
    bool probe;
    /* A run that makes so many calls ends there with VERDICT_WRONG; 0: no limit. */
    uint64_t calls_max;
    /* Sees every call, after the world has; `world` is told once, before the run. */
    const struct kernel_watch *watch;
    void (*started)(void *context, struct world *world);
    void *started_context;
    /* Told once, when it has been judged and before the world goes; or NULL. */
    void (*ended)(void *context, const struct world *world, const struct run_result *result);
    void *ended_context;
    /* Runs real processes (sim/reality/): homes are single-user then.  NULL: simulated ones. */
    const struct kernel_backend *backend;
    /* Remembers how the machines are set up, for runs of the same scenario; or NULL. */
    struct template *template;
    FILE *story;      /* told as it happens; or NULL */
    unsigned without; /* set of oracles that are switched off (sim/world/oracles.h) */
    /* Tells what became of a letter, for a failure about it: malloc'd lines.  NULL: as the spools
     * of the world's hosts show it. */
    char *(*story_of)(void *context, size_t letter);
    void *story_context;
};

enum verdict {
    VERDICT_HELD,
    VERDICT_FAILED, /* an expectation or an oracle */
    VERDICT_WRONG,  /* the scenario asks for what cannot be (keep S3 that the disk forbids) */
    VERDICT_BROKEN  /* Nixie itself */
};

struct failure {
    struct position at;  /* of an expectation; source NULL for an oracle */
    const char *promise; /* of an oracle: "LOST"; or NULL */
    char *message;       /* one line */
    char *detail;        /* more lines, each with a newline; or NULL */
};

struct run_result {
    enum verdict verdict;
    struct failure *failures;
    size_t failure_count;
    char *knobs; /* in words; NULL: none were drawn */
    /* Of each event of the scenario: when it happened that it waits for; -1: it did not, or it
     * waits for a time or a crash. */
    int64_t *fired_ns;
    char *summary; /* one line: "delivered, try 3 at +6m40s" */
    int64_t simulated_ns;
    uint64_t calls;
    uint64_t hash;
    size_t crashes;         /* that took place, of plan and scenario */
    size_t planned_crashes; /* of the plan only */
    char **fault_lines;     /* of each planned fault: as a line of a scenario, "fault queue fsync
                               3 EIO"; NULL: its call never came */
    size_t fault_count;
    uint64_t allocations; /* of the server's programs */
    uint64_t disk_hash;   /* of all hosts' trees at the end */
};

void scenario_run(const struct scenario *scenario, const struct run_options *options,
                  struct run_result *result);
void run_result_free(struct run_result *result);

#endif

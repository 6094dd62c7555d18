/* SPDX-License-Identifier: ISC */
/*
 * Explores scenarios: after each call that changes a disk or what was promised the power goes, and
 * every tree that the disk model allows (or a choice of them) is booted, run on to its end and
 * judged by the oracles; or programs are killed; or a call of the server fails.  States after power
 * losses that are equal (tree and ledger) are judged once; kills and faults all, since programs
 * remember more than the disk.
 *
 * What is explored is cut into units: a scenario with a disk model, a seed and a schedule.  What is
 * found in a unit depends on nothing but that, neither on how many processes there are nor on what
 * else is explored.
 */
#ifndef SIM_EXPLORE_EXPLORE_H
#define SIM_EXPLORE_EXPLORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "sim/explore/marks.h"
#include "sim/explore/plan.h"
#include "sim/explore/points.h"
#include "sim/scenario/run.h"

/* Of one unit. */
struct explore_options {
    const struct disk_model *disk; /* instead of what the hosts say; or NULL */
    uint64_t seed;                 /* of the runs and of what is chosen at random */
    enum schedule_policy policy;
    bool knobs;       /* drawn from the seed (sim/scenario/knobs.h) */
    size_t states;    /* a crash point is walked in full up to so many; 0: 256 */
    uint64_t every;   /* judges only each n-th crash point; 0 and 1: all */
    unsigned depth;   /* so many things go wrong in one run at most, up to 3; 0 counts as 1 */
    size_t sample;    /* not 0: so many runs with a choice of what may go wrong, up to 3 each */
    uint64_t effort;  /* of a sample: fewer runs, if so many calls are made before; 0: no limit */
    size_t runs;      /* stops after so many; 0: no limit */
    size_t failures;  /* stops after so many violations; 0: 10 */
    unsigned crashes; /* set of enum explore_crashes */
    unsigned faults;  /* set of FAULTS_... */
    unsigned without; /* set of oracles that are switched off (sim/world/oracles.h) */
    uint64_t repeat;  /* one of so many runs is made twice, which must be equal; 0: none */
    uint64_t audit;   /* one of so many states that are equal to another is judged too; 0: none */
};

struct explore_unit {
    const struct scenario *scenario;
    const char *file; /* NULL: it was made up */
    struct explore_options options;
    struct plan *starts; /* plans that are run first, malloc'd; or NULL */
    size_t start_count;
    bool wants_finds; /* explore_result.finds */
};

/* Something that went wrong, planned. */
struct explore_crash {
    enum upset_kind kind; /* POWER, KILL or FAULT */
    int64_t time_ns;      /* since the start */
    char *host;
    /* KILL: who was killed ("*": every one); FAULT: who made the call; else NULL.  Static. */
    const char *program;
    char *lost; /* POWER: what the disk did not keep, lines as a scenario has them; or NULL */
    struct fault_plan fault; /* FAULT */
    char *line;              /* FAULT: "fault queue fsync 3 EIO"; or NULL */
};

struct explore_failure {
    struct plan plan; /* what went wrong, as it was planned */
    char *crash; /* the last one: "after call 214, nixie-queue link intd/1 todo/1", "in call ..." */
    struct explore_crash *crashes; /* in the order of the plan */
    size_t crash_count;
    char *cuts;    /* as options of nixie run: " --cut 214,answers=1.0.2 --fault 300,short", "" */
    char *promise; /* that broke: "LOST"; or NULL: none with a name */
    char *message;
    char *detail; /* or NULL */
};

/* What was left out. */
enum explore_missing {
    MISSING_STATES = 1,   /* some crash points have more states than were walked */
    MISSING_POINTS = 2,   /* only each n-th */
    MISSING_RUNS = 4,     /* the limit of runs was reached */
    MISSING_FAILURES = 8, /* so was that of violations */
    MISSING_TIME = 16,    /* time was up */
    MISSING_REST = 32,    /* interrupted, or a worker died */
    MISSING_SECONDS = 64, /* of second kills and faults only a choice */
    MISSING_SAMPLE = 128  /* all was a choice */
};

/* A run that covered something that none before it in its unit did. */
struct explore_find {
    struct plan plan;
    uint32_t *situations;
    size_t situation_count;
};

struct explore_result {
    uint64_t points;     /* crash points */
    uint64_t states;     /* disks, kills and faults looked at */
    uint64_t distinct;   /* of them */
    uint64_t runs;       /* scenario runs, the first one included */
    uint64_t repeated;   /* of them made twice */
    uint64_t audited;    /* states that were judged though equal to another; in `runs` too */
    uint64_t situations; /* that were covered (coverage.h) */
    struct marks marks;  /* reached by the runs */
    uint64_t violations; /* runs that failed */
    unsigned missing;    /* set of enum explore_missing */
    struct explore_failure *failures;
    size_t failure_count;
    struct explore_find *finds; /* if they are wanted */
    size_t find_count;
};

void explore_result_free(struct explore_result *result);

struct exploration {
    size_t unit_count;
    /* Fills in the unit of that index, the same each time; workers call it too.  Returns 0 or -1:
     * it cannot be had (the unit is left out).  `release` gives it back; may be NULL. */
    int (*load)(void *context, size_t index, struct explore_unit *unit);
    void (*release)(void *context, struct explore_unit *unit);
    /* Told of each unit in the order of their indexes, when it has been explored. */
    void (*done)(void *context, const struct explore_unit *unit,
                 const struct explore_result *result);
    void *context;
    unsigned jobs;   /* processes; 0: 1 */
    int64_t time_ns; /* of the wall clock; 0: no limit */
    bool deals_time; /* evenly to the units; else each takes as long as it takes */
    FILE *progress;  /* a terminal that is told how far it is; or NULL */
    FILE *status;    /* told the same in lines, from time to time; or NULL */
};

enum explore_end {
    EXPLORE_ALL,
    EXPLORE_TIME_UP,    /* some units were not begun, or not finished */
    EXPLORE_INTERRUPTED /* by SIGINT or SIGTERM */
};

/* Explores the units.  *begun: so many of them.  Returns how it ended, or -1 with errno: there
 * can be no worker processes. */
int explore(const struct exploration *exploration, size_t *begun);

#endif

/* SPDX-License-Identifier: ISC */
/*
 * Walks the crashes of a scenario: after each call that changes a disk or what was promised, the
 * power goes, and every tree that the disk model allows (or a choice of them) is booted, run on to
 * its end and judged by the oracles; or programs are killed.  States after power losses that are
 * equal (tree and ledger) are judged once; kills all, since programs remember more than the disk.
 */
#ifndef SIM_EXPLORE_EXPLORE_H
#define SIM_EXPLORE_EXPLORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "sim/explore/points.h"
#include "sim/scenario/run.h"

struct explore_options {
    const struct disk_model *disk; /* instead of what the hosts say; or NULL */
    uint64_t seed;                 /* of the runs and of what is chosen at random */
    enum schedule_policy policy;
    size_t states;    /* a crash point is walked in full up to so many; 0: 256 */
    uint64_t every;   /* judges only each n-th crash point; 0 and 1: all */
    unsigned depth;   /* 2: a second crash during each recovery; 0 counts as 1 */
    size_t runs;      /* stops after so many; 0: no limit */
    size_t failures;  /* stops after so many violations; 0: 10 */
    unsigned crashes; /* set of enum explore_crashes; 0: EXPLORE_MACHINE */
    unsigned without; /* set of oracles that are switched off (sim/world/oracles.h) */
    FILE *progress;   /* a line from time to time; or NULL */
    FILE *story;      /* the story of the first run that fails; or NULL */
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
    enum call_id call;       /* FAULT: what the call was; */
    uint64_t ordinal;        /* it was that program's ordinal-th, in all its processes, from 1 */
};

struct explore_failure {
    char *crash; /* the last one: "after call 214, nixie-queue link intd/1 todo/1", "in call ..." */
    struct explore_crash *crashes; /* in the order of the plan */
    size_t crash_count;
    char *cuts; /* as options of nixie run: " --cut 214,answers=1.0.2 --fault 300,short", "" */
    const char *promise; /* that broke: "LOST", static; or NULL: none with a name */
    char *message;
    char *detail; /* or NULL */
};

struct explore_result {
    uint64_t points;     /* crash points */
    uint64_t states;     /* trees looked at */
    uint64_t distinct;   /* of (tree, ledger) */
    uint64_t runs;       /* scenario runs, the first one included */
    uint64_t violations; /* runs that failed */
    bool complete;       /* nothing was left out */
    struct explore_failure *failures;
    size_t failure_count;
};

/* Adds to *result, which starts zeroed with `complete` true. */
void explore_run(const struct scenario *scenario, const struct explore_options *options,
                 struct explore_result *result);
void explore_result_free(struct explore_result *result);

/* write.c: writes the violation as a scenario file: that of `file` without what it expects, with
 * the crashes and what the disk lost.  `options` are those of the run.  The file is there only if
 * running it fails with the same message.  Returns 0, or -1: see *why (words, static). */
int explore_write(const char *path, const char *file, const struct explore_options *options,
                  const struct explore_failure *failure, const char **why);

#endif

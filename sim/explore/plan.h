/* SPDX-License-Identifier: ISC */
/* What is to go wrong in one run of a scenario. */
#ifndef SIM_EXPLORE_PLAN_H
#define SIM_EXPLORE_PLAN_H

#include <stddef.h>
#include <stdint.h>

#include "sim/explore/wire.h"
#include "sim/scenario/run.h"

#define PLAN_UPSETS_MAX 3

/* One thing that goes wrong. */
struct planned {
    enum upset_kind kind;    /* POWER, KILL or FAULT */
    uint64_t call;           /* POWER, KILL: after the call of that number; FAULT: in it */
    size_t host;             /* POWER, KILL: of ours, by its index */
    const char *program;     /* KILL: "nixie-send", "*": every one; static */
    unsigned *answers;       /* POWER: what the disk then holds, as choosers answer; malloc'd */
    size_t answer_count;     /* 0: nothing that was not durable */
    uint64_t chance;         /* POWER: not 0: by chance instead, that is its seed */
    struct fault_plan fault; /* FAULT; of MEMORY `call` is 0 */
};

/* In the order in which it happens. */
struct plan {
    struct planned upsets[PLAN_UPSETS_MAX];
    size_t count;
};

/* `to` gets memory of its own. */
void planned_copy(struct planned *to, const struct planned *from);
void plan_copy(struct plan *to, const struct plan *from);
void plan_free(struct plan *plan);

/* Both ways to and from a worker.  The program of what was read is static. */
void plan_put(struct wire *wire, const struct plan *plan);
void planned_put(struct wire *wire, const struct planned *planned);
/* Adds one that planned_put wrote. */
void plan_get_one(struct wire_reader *reader, struct plan *plan);
void plan_get(struct wire_reader *reader, struct plan *plan);

/* As options of `nixie run`, a space before each: " --cut 214,answers=1.0.2"; "" if nothing is to
 * go wrong.  malloc'd. */
char *plan_words(const struct plan *plan, const struct scenario *scenario);
/* Reads such words again.  Returns 0, or -1: they are none, or of another scenario. */
int plan_read(const char *words, const struct scenario *scenario, struct plan *plan);

/* The name of a program of the table with that name, or "*", static; "?" if there is none. */
const char *program_named(const char *name);

#endif

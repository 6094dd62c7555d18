/* SPDX-License-Identifier: ISC */
/*
 * The oracles: each a promise that is judged by itself, by its name.  What they find are violations
 * (world.h); world_accuse takes none whose promise is not in this table.  One that is switched off
 * finds nothing, so that it can be tested whether anybody notices.
 */
#ifndef SIM_WORLD_ORACLES_H
#define SIM_WORLD_ORACLES_H

#include <stddef.h>
#include <stdio.h>

/* When an oracle finds what it finds. */
enum oracle_time {
    ORACLE_MEANWHILE, /* while the run goes on */
    ORACLE_AT_END     /* from the ledger, when it is over */
};

struct oracle {
    const char *name;      /* "LOST" */
    const char *statement; /* what is promised: a sentence or two */
    enum oracle_time when;
    const char *where; /* files of sim/world that find it, with spaces between */
};

extern const struct oracle oracles[];
extern const size_t oracle_count; /* at most 32 */

/* The bit of the oracle of that name in a set; 0: there is none. */
unsigned oracle_bit(const char *name);

/* "LOST,LEAK": the set of those.  Returns 0; -1 if `list` has another name, or none. */
int oracles_parse(const char *list, unsigned *set);

/* The table, for people: of each its name, statement and place. */
void oracles_print(FILE *to);

#endif

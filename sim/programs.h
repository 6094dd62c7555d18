/* SPDX-License-Identifier: ISC */
/* The table of the programs that are linked into this binary, made by the GNUmakefile. */
#ifndef SIM_PROGRAMS_H
#define SIM_PROGRAMS_H

#include "sim/kernel/kernel.h"

struct program {
    const char *name; /* "nixie-queue", "sh" */
    program_main *main;
};

/* Ends with a NULL name. */
extern const struct program programs[];

#endif

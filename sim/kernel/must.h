/* SPDX-License-Identifier: ISC */
/* The simulator's own memory: when the machine has none left, the run cannot go on. */
#ifndef SIM_KERNEL_MUST_H
#define SIM_KERNEL_MUST_H

#include <stdio.h>
#include <stdlib.h>

static inline void *must(void *memory)
{
    if (!memory) {
        fputs("nixie: out of memory\n", stderr);
        abort();
    }
    return memory;
}

#endif

/* SPDX-License-Identifier: ISC */
/* A fault in one call, as the value of `nixie run --fault`: "214,error=ENOSPC". */
#ifndef SIM_SCENARIO_FAULT_WORDS_H
#define SIM_SCENARIO_FAULT_WORDS_H

#include "sim/scenario/run.h"

/*
 *   CALL,error=ENOSPC   CALL,short[=BYTES]   CALL,slow=NANOSECONDS   CALL,clock=[-]NANOSECONDS
 *   ALLOCATION,memory   CALL,wakeup          CALL,net[=BYTES]
 *
 * and ",times=K" behind it; behind an error ",for=NANOSECONDS" and ",any", too.  Returns 0, or -1
 * if it is none of these. */
int fault_read(const char *text, struct fault_plan *fault);

/* The same text again; in `to`, which is returned. */
#define FAULT_WORDS 120
const char *fault_words(const struct fault_plan *fault, char to[FAULT_WORDS]);

#endif

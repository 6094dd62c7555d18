/* SPDX-License-Identifier: ISC */
/* Where two stories part: which message, in which stage, at which call. */
#ifndef SIM_TRACE_PART_H
#define SIM_TRACE_PART_H

#include <stdio.h>

#include "sim/trace/story.h"

struct part_options {
    const char *names[2]; /* of the two runs */
    int64_t slack_ns;     /* times that differ by less are the same */
    size_t most;          /* so many are told at length */
};

/* Tells it; the number of threads that part, or whose times do. */
size_t part_tell(const struct story stories[2], const struct part_options *options, FILE *to);

#endif

/* SPDX-License-Identifier: ISC */
/* Stories of a log in plain words, on a stream. */
#ifndef SIM_TRACE_TELL_H
#define SIM_TRACE_TELL_H

#include <stdbool.h>
#include <stdio.h>

#include "sim/trace/history.h"

struct teller {
    const struct history *history;
    FILE *to;
    bool local;   /* times in local time, not UTC */
    bool *told;   /* one a story */
    size_t count; /* stories told */
};

/* A story, and that of its bounce, and of the bounce of that; none twice. */
void tell_story(struct teller *teller, size_t story);
/* One line a story, and the sums. */
void tell_summary(struct teller *teller);

#endif

/* SPDX-License-Identifier: ISC */
/*
 * Text for people on standard output, written in large pieces.  Nothing but output_end tells of an
 * error; what is put after one is dropped.
 */
#ifndef MTA_LIB_OUTPUT_H
#define MTA_LIB_OUTPUT_H

#include <stdint.h>

#include "mta/lib/buf.h"

struct output { /* zeroed at first */
    struct buf held;
    int error; /* an errno */
};

void output_text(struct output *output, const char *text);
void output_number(struct output *output, uint64_t number);
/* Text of others: what is not printable ASCII becomes `_`. */
void output_safe(struct output *output, const char *text);

/* Writes what is held.  0, or -1 with the errno of the first failure.  May block. */
int output_end(struct output *output);

#endif

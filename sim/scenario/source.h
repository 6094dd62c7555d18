/* SPDX-License-Identifier: ISC */
/* Source files of scenarios, places in them, and complaints about them. */
#ifndef SIM_SCENARIO_SOURCE_H
#define SIM_SCENARIO_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "sim/world/pool.h"

struct source {
    const char *name; /* as the user gave it */
    const char *text; /* `size` bytes and a NUL */
    size_t size;
};

/* A stretch of one line; lines and columns (bytes) count from 1. */
struct position {
    const struct source *source;
    unsigned line;
    unsigned column;
    unsigned length;
};

struct complaint {
    struct position at;
    const char *message;
};

#define COMPLAINTS_MAX 20

struct complaints {
    struct pool *pool;
    struct complaint *list; /* the first COMPLAINTS_MAX */
    size_t count;
    size_t total;
};

/* Adds a complaint; its message is one line without a full stop. */
void complain(struct complaints *complaints, struct position at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Prints "FILE:LINE:COLUMN: message", the line and a caret below.  Bytes that would confuse a
 * terminal are shown as '?', long lines are cut around the place. */
void complaints_print(const struct complaints *complaints, FILE *to);

/* The two lines that show a place: "12 | text" and the carets. */
void position_show(struct position at, FILE *to);

/* Reads a file.  Returns 0, or -1 with errno (EFBIG over SOURCE_SIZE_MAX; EISDIR).  `text` is in
 * the pool. */
#define SOURCE_SIZE_MAX ((size_t) 4 << 20)
int source_read(struct pool *pool, const char *path, size_t size_max, struct source *source);

#endif

/* SPDX-License-Identifier: ISC */
/*
 * The story that `nixie run -v` tells, read back: what happened to each message, step by step, and
 * to each of its recipients; and what happened to machines.  Of each step it is known which call
 * its machine had made last.
 */
#ifndef SIM_TRACE_STORY_H
#define SIM_TRACE_STORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "sim/world/pool.h"

struct story_step {
    int64_t time_ns;
    const char *what;  /* without numbers that another run gives otherwise */
    const char *call;  /* the machine's last call before: "nixie-clean unlink todo/1"; or NULL */
    const char *stage; /* of the message then: "S4"; or NULL */
};

/* "m1", "m1 to bob@example.com", "machine mail" */
struct story_thread {
    const char *name;
    struct story_step *steps;
    size_t count;
};

struct story {
    struct pool pool;
    struct story_thread *threads; /* in the order in which they begin */
    size_t thread_count;
    size_t line_count; /* of the story; others are passed over */
    struct story_memory *memory;
};

/* Reads until the end.  0, or -1 if nothing of it is a line of a story. */
int story_read(struct story *story, FILE *from);
void story_free(struct story *story);
const struct story_thread *story_find(const struct story *story, const char *name);

#endif

/* SPDX-License-Identifier: ISC */
/*
 * Builds the lines that an actor reads as its configuration: words in one canonical form, so that
 * reading what was built and building it again gives the same text.
 */
#ifndef SIM_SCENARIO_LINES_H
#define SIM_SCENARIO_LINES_H

#include <stdbool.h>
#include <stdint.h>

#include "sim/world/pool.h"
#include "sim/world/spec.h"

struct lines {
    struct pool *pool; /* where the text lies */
    char *text;
    size_t size;
};

/* A word as it is: a keyword. */
void lines_word(struct lines *lines, const char *word);
/* Any word: bare if it needs no quotes and is not in `keywords` (NULL at the end; NULL: none). */
void lines_value(struct lines *lines, const char *value, const char *const *keywords);
/* A word in quotes. */
void lines_quoted(struct lines *lines, const char *value);
void lines_number(struct lines *lines, uint64_t number);
/* A length of time in whole milliseconds: "1h30m", "20ms", "0s". */
void lines_time(struct lines *lines, int64_t ns);
void lines_end(struct lines *lines);

/* Lines that are built already. */
void lines_text_add(struct lines *lines, struct text text);

/* All of it, with a NUL behind. */
struct text lines_done(const struct lines *lines);

#endif

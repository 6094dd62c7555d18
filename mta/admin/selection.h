/* SPDX-License-Identifier: ISC */
/*
 * Which messages the admin means.  A selection is words, each one of
 *
 *   17            that message; several: any of them
 *   all           every message
 *   from=PATTERN  its sender
 *   to=PATTERN    a recipient that is not done
 *   held          held
 *   older=2h      accepted longer ago than that (s, m, h, d, w; also 1d12h)
 *
 * A message is selected if it is one of the numbers, if there are any, and all else holds of it. In
 * patterns `*` is any run of bytes and `?` any byte; upper and lower case are the same.  A pattern
 * with an `@`, or empty, is of the whole address, else of the domain.
 */
#ifndef MTA_ADMIN_SELECTION_H
#define MTA_ADMIN_SELECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mta/lib/rewrite.h"
#include "mta/lib/view.h"

#define SELECTION_PATTERNS 16

struct selection {
    struct view_numbers numbers;
    const char *from[SELECTION_PATTERNS], *to[SELECTION_PATTERNS]; /* words of the caller's */
    size_t from_count, to_count;
    bool all, held;
    int64_t older;                 /* s; -1: of any age */
    const struct rewrite *rewrite; /* takes the prefixes of virtual domains off recipients */
};

/* Reads a word, which must live as long as the selection.  NULL, or what is wrong with it. */
const char *selection_add(struct selection *selection, const char *word);
/* After the last word. */
void selection_end(struct selection *selection);
void selection_free(struct selection *selection);

/* True if nothing was said. */
bool selection_is_empty(const struct selection *selection);
/* Whether the message is meant; `marks` are its marks, `now` Unix seconds. */
bool selection_has(const struct selection *selection, const struct view *view, unsigned marks,
                   int64_t now);

/* True if the pattern means the address. */
bool selection_matches(const char *pattern, const char *address);

#endif

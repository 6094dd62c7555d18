/* SPDX-License-Identifier: ISC */
/*
 * A scenario that is being edited: its text as a tree of statements whose words, children and lines
 * can be changed, and which can be printed again.  What the words mean nobody asks here.
 */
#ifndef SIM_EXPLORE_DRAFT_H
#define SIM_EXPLORE_DRAFT_H

#include <stdbool.h>
#include <stddef.h>

#include "sim/scenario/tree.h"

struct draft {
    struct pool pool;
    struct complaints complaints;
    struct source source;
    struct tree tree;
};

/* Reads a copy of `size` bytes of text.  Returns 0, or -1 if it is no tree of statements (then
 * nothing is there to be freed). */
int draft_read(struct draft *draft, const char *text, size_t size);
void draft_free(struct draft *draft);
/* In the one right form; malloc'd, *size bytes and a NUL. */
char *draft_print(const struct draft *draft, size_t *size);

/* A word as it stands there, quotes too; "" if there is none. */
const char *draft_word(struct draft *draft, const struct statement *statement, size_t index);
bool word_is(const struct statement *statement, size_t index, const char *text);
/* Replaces words [index, index + count) by those of `text`, which are parted by spaces. */
void words_replace(struct draft *draft, struct statement *statement, size_t index, size_t count,
                   const char *text);
/* Replaces one word, by exactly that. */
void word_set(struct draft *draft, struct statement *statement, size_t index, const char *text);

/* A statement of the words of `text` at `index` among the children of `parent`. */
struct statement *statement_insert(struct draft *draft, struct statement *parent, size_t index,
                                   const char *text);
void statements_remove(struct statement *parent, size_t index, size_t count);
void lines_remove(struct statement *statement, size_t index, size_t count);

/* Statement number `index` of all, in the order of the file, from 0; NULL if there are not so many.
 */
struct statement *draft_statement(struct draft *draft, size_t index);
/* The same, by the line that it stands on in the text that was read. */
struct statement *draft_on_line(struct draft *draft, unsigned line);
/* The statement that it is below, and as which of its children. */
struct statement *draft_parent(struct draft *draft, const struct statement *statement,
                               size_t *index);

#endif

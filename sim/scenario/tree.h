/* SPDX-License-Identifier: ISC */
/*
 * A scenario file as a tree of statements, before anybody asks what they mean.
 *
 * A statement is a line of words; what is indented below it belongs to it: other statements, and
 * lines of text that begin with '|'.  '#' begins a comment where a word could begin.  A word is
 * bare, or stands in double quotes with \" \\ \n \r \t \xHH.  Indentation is spaces.  Everything
 * is bounded; a file that is too large, too deep or not text is complained about, never fatal.
 */
#ifndef SIM_SCENARIO_TREE_H
#define SIM_SCENARIO_TREE_H

#include "sim/scenario/source.h"

#define TREE_DEPTH_MAX 8
#define TREE_WORDS_MAX 4096
#define TREE_LINE_MAX ((size_t) 64 << 10)
#define TREE_STATEMENTS_MAX 10000

struct word {
    const char *raw; /* as it stands in the file, quotes too; `size` bytes, no NUL behind */
    size_t size;
    unsigned column;
    bool quoted;
};

struct text_line {
    const char *text; /* what follows "| ", no NUL behind */
    size_t size;
    struct position at;
};

struct statement {
    struct position at; /* its first word */
    struct word *words;
    size_t word_count;   /* 0: a comment on a line of its own */
    const char *comment; /* from '#' on, or NULL */
    size_t comment_size;
    bool blank_before; /* an empty line stands before it */
    struct text_line *lines;
    size_t line_count;
    struct statement **children;
    size_t child_count;
};

struct tree {
    const struct source *source;
    struct statement root; /* no words; its children are the file's statements */
};

/* Reads `source`, which must outlive the tree; memory comes from the pool of `complaints`.  What
 * could not be read is left out and complained about. */
void tree_read(const struct source *source, struct complaints *complaints, struct tree *tree);

/* Prints it in the one right form: four spaces a level, one space between words, at most one
 * empty line.  Reading what this prints gives the same tree. */
void tree_print(const struct tree *tree, FILE *to);

/* Where word number `index` stands; behind the last word if there is no such word. */
struct position statement_word_at(const struct statement *statement, size_t index);

#endif

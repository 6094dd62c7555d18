/* SPDX-License-Identifier: ISC */
/*
 * Walks along the words of a statement.  The need_ functions complain and mark the cursor failed
 * when the word is not what it must be; after that they return harmless values without complaint,
 * so a statement is complained about once.
 */
#ifndef SIM_SCENARIO_CURSOR_H
#define SIM_SCENARIO_CURSOR_H

#include "sim/scenario/checker.h"

struct cursor {
    struct checker *checker;
    const struct statement *statement;
    size_t at;
    bool failed;
    const char *syntax; /* shown when words are missing */
};

struct cursor cursor_open(struct checker *checker, const struct statement *statement,
                          const char *syntax);
/* Complains about words that are left.  True if all went well. */
bool cursor_done(struct cursor *cursor);

/* Complains at the next word. */
void cursor_fail(struct cursor *cursor, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The next word without taking it; NULL at the end. */
const char *cursor_peek(struct cursor *cursor);
/* Where it is. */
struct position cursor_position(const struct cursor *cursor);
/* Takes the next word if it is `keyword` (never a quoted one). */
bool cursor_take(struct cursor *cursor, const char *keyword);
bool cursor_looks_like_time(struct cursor *cursor);
bool cursor_looks_like_number(struct cursor *cursor);

void cursor_need(struct cursor *cursor, const char *keyword);
const char *cursor_need_word(struct cursor *cursor, const char *what);
struct moment cursor_need_time(struct cursor *cursor);
uint64_t cursor_need_number(struct cursor *cursor, uint64_t least, uint64_t most);
/* A name that is declared here: letters, digits, '-' and '_', a letter first. */
const char *cursor_need_name(struct cursor *cursor, const char *what);
/* A path inside some directory: not empty, not absolute, without "..". */
const char *cursor_need_relative(struct cursor *cursor, const char *what);

#endif

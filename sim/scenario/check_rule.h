/* SPDX-License-Identifier: ISC */
/* What rules of remote servers and of the DNS have in common: "on WHAT [PATTERN] [COUNTER] [chance
 * N%] [from TIME] [until TIME] DO".  A rule is checked word by word, and written as the one line
 * that the actor reads. */
#ifndef SIM_SCENARIO_CHECK_RULE_H
#define SIM_SCENARIO_CHECK_RULE_H

#include "sim/scenario/cursor.h"

/* When a rule counts. */
enum counter { COUNTER_NONE, COUNTER_FIRST, COUNTER_AFTER, COUNTER_OVER };

struct condition {
    enum counter counter;
    uint64_t count;
    int64_t per_ns;    /* OVER */
    const char *scope; /* "client" of "by client"; NULL: all together */
    struct position scope_at;
    bool has_chance, has_from, has_until;
    unsigned chance; /* per cent */
    int64_t from_ns, until_ns;
};

/* The next word if it is a pattern: in quotes, or none of `keywords` (NULL at the end).  NULL if
 * there is none.  A bare word that is almost a keyword is complained about. */
const char *take_pattern(struct cursor *cursor, const char *const *keywords);

/* Reads what stands before DO, in any order.  `scopes`: what may follow "by". */
void need_condition(struct cursor *cursor, const char *const *scopes, struct condition *condition);
/* And writes it in the one right order. */
void lines_condition(struct lines *lines, const struct condition *condition);

/* A time in whole milliseconds: actors know no shorter ones. */
int64_t need_milliseconds(struct cursor *cursor);

/* "N bytes". */
uint64_t need_bytes(struct cursor *cursor, uint64_t least);

#endif

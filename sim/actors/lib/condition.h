/* SPDX-License-Identifier: ISC */
/*
 * When a rule of an actor holds: `[COUNTER [by SCOPE]] [chance N%] [from TIME] [until TIME]`.
 *
 *     first N          the first N events
 *     after N          every event but the first N
 *     over N per TIME  an event with which there are more than N within the last TIME
 *
 * Events are counted all together, or `by SCOPE` one count for each key (each client's address,
 * say).  What an event of a rule is, the actor knows (its verb and pattern match); every such event
 * is counted, whether another rule wins, the time is right or the dice fall otherwise.  Times are
 * milliseconds since the actor's start.
 *
 * At most CONDITION_KEYS keys are told apart; further ones are counted as one.  Keys are compared
 * without regard to the case of ASCII letters.
 */
#ifndef SIM_ACTORS_LIB_CONDITION_H
#define SIM_ACTORS_LIB_CONDITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mta/lib/buf.h"
#include "sim/actors/lib/config.h"

#define CONDITION_KEYS 65536
#define CONDITION_RATE_MAX 1000000 /* N of `over N per TIME` */
#define CONDITION_NEVER INT64_MAX

enum condition_counter { CONDITION_ALWAYS, CONDITION_FIRST, CONDITION_AFTER, CONDITION_OVER };

struct condition_tally {
    struct buf key;   /* of no use in the one tally of a condition without scope */
    uint64_t hash;    /* of the key */
    uint64_t count;   /* events */
    struct buf times; /* of the last events, at most `limit`, 8 bytes each: OVER only */
};

struct condition {
    enum condition_counter counter;
    uint64_t limit;    /* N */
    int64_t window_ms; /* of OVER */
    unsigned scope;    /* place in the actor's names of scopes, from 1; 0: all together */
    unsigned percent;  /* of chance; 100: always */
    int64_t from_ms;   /* holds from here on ... */
    int64_t until_ms;  /* ... and until before this; CONDITION_NEVER: for ever */
    struct condition_tally all;
    struct condition_tally *keys; /* a table with open addressing */
    size_t room;                  /* a power of two, or 0 */
    size_t key_count;
};

/* Reads a condition from the words that follow; there may be none of it.  `scopes` are the names
 * that `by` takes, the last one NULL.  What is wrong fails `config`. */
void condition_read(struct condition *condition, struct config *config, const char *const *scopes);
void condition_free(struct condition *condition);

/* Counts an event (`key` matters only with a scope).  True if counter and time say that the rule
 * holds; condition_draw then has the last word. */
bool condition_count(struct condition *condition, int64_t now_ms, const char *key, size_t size);
/* Throws the dice if there is a chance to be taken. */
bool condition_draw(const struct condition *condition);

/* For events that a rule prevents, of a condition without scope and chance: whether an event at
 * `now_ms` would fit, and when, after `now_ms`, that may change by itself. */
bool condition_would_hold(const struct condition *condition, int64_t now_ms);
int64_t condition_changes_at(const struct condition *condition, int64_t now_ms);

#endif

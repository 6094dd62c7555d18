/* SPDX-License-Identifier: ISC */
#include "sim/kernel/choose.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

static unsigned always_first(void *context, unsigned count, const char *what)
{
    (void) context;
    (void) count;
    (void) what;
    return 0;
}

static unsigned always_last(void *context, unsigned count, const char *what)
{
    (void) context;
    (void) what;
    return count - 1;
}

const struct chooser choose_none = {always_first, 0};
const struct chooser choose_all = {always_last, 0};

/* --- every path -------------------------------------------------------------------------------*/

static void walk_fail(const char *why, const char *what)
{
    fprintf(stderr, "nixie: choose: %s: %s\n", why, what);
    abort();
}

static unsigned walk_choose(void *context, unsigned count, const char *what)
{
    struct choose_walk *walk = context;
    assert(count >= 2);
    if (walk->used < walk->length) {
        if (walk->answers[walk->used].count != count)
            walk_fail("another question than last time", what);
        return walk->answers[walk->used++].answer;
    }
    if (walk->length == walk->capacity) {
        walk->capacity = walk->capacity ? 2 * walk->capacity : 64;
        walk->answers = realloc(walk->answers, walk->capacity * sizeof *walk->answers);
        if (!walk->answers)
            walk_fail("out of memory", what);
    }
    walk->answers[walk->length++] = (struct choose_answer){.answer = 0, .count = count};
    walk->used++;
    return 0;
}

void choose_walk_first(struct choose_walk *walk)
{
    *walk = (struct choose_walk){.chooser = {walk_choose, walk}};
}

bool choose_walk_next(struct choose_walk *walk)
{
    walk->length = walk->used;
    while (walk->length > 0) {
        struct choose_answer *last = &walk->answers[walk->length - 1];
        if (last->answer + 1 < last->count) {
            last->answer++;
            walk->used = 0;
            return true;
        }
        walk->length--;
    }
    return false;
}

void choose_walk_end(struct choose_walk *walk)
{
    free(walk->answers);
    *walk = (struct choose_walk){0};
}

/* --- given and random answers -----------------------------------------------------------------*/

static unsigned replay_choose(void *context, unsigned count, const char *what)
{
    struct choose_replay *replay = context;
    (void) what;
    unsigned answer = replay->used < replay->count ? replay->answers[replay->used] : 0;
    replay->used++;
    return answer < count ? answer : count - 1;
}

void choose_replay_start(struct choose_replay *replay, const unsigned *answers, size_t count)
{
    *replay = (struct choose_replay){
        .chooser = {replay_choose, replay}, .answers = answers, .count = count};
}

static unsigned random_choose(void *context, unsigned count, const char *what)
{
    struct choose_random *chance = context;
    (void) what;
    return (unsigned) random_below(&chance->random, count);
}

void choose_random_start(struct choose_random *chance, uint64_t seed, uint64_t stream)
{
    chance->chooser = (struct chooser){random_choose, chance};
    random_seed(&chance->random, seed, stream);
}

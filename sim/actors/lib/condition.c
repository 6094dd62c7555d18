/* SPDX-License-Identifier: ISC */
#include "sim/actors/lib/condition.h"

#include <string.h>
#include <sys/random.h>

#include "mta/lib/checksum.h"
#include "mta/lib/mem.h"
#include "mta/lib/num.h"

#define NS_PER_MS 1000000
#define ROOM_FIRST 64

/* --- reading ----------------------------------------------------------------------------------*/

/* A time in milliseconds, rounded up: what is short is not nothing. */
static int64_t read_ms(struct config *config)
{
    return (config_time(config) + NS_PER_MS - 1) / NS_PER_MS;
}

static void read_scope(struct condition *condition, struct config *config,
                       const char *const *scopes)
{
    if (!config_take(config, "by"))
        return;
    for (unsigned i = 0; scopes[i]; i++)
        if (config_take(config, scopes[i])) {
            condition->scope = i + 1;
            return;
        }
    config_fail(config, "nothing is counted by this: ", config_peek(config));
}

static void read_counter(struct condition *condition, struct config *config,
                         const char *const *scopes)
{
    if (config_take(config, "first"))
        condition->counter = CONDITION_FIRST;
    else if (config_take(config, "after"))
        condition->counter = CONDITION_AFTER;
    else if (config_take(config, "over"))
        condition->counter = CONDITION_OVER;
    else
        return;
    if (condition->counter == CONDITION_OVER) {
        condition->limit = config_number(config, 0, CONDITION_RATE_MAX);
        config_need(config, "per");
        condition->window_ms = read_ms(config);
    } else {
        condition->limit = config_number(config, 0, UINT32_MAX);
    }
    read_scope(condition, config, scopes);
}

static void read_chance(struct condition *condition, struct config *config)
{
    uint64_t percent;

    if (!config_take(config, "chance"))
        return;
    struct config_word word = config_bytes(config, "a chance as in 10%");
    if (word.size < 2 || word.text[word.size - 1] != '%' ||
        num_parse(word.text, word.size - 1, &percent) < 0 || percent > 100)
        config_fail(config, "expected a chance as in 10%: ", word.text);
    else
        condition->percent = (unsigned) percent;
}

void condition_read(struct condition *condition, struct config *config, const char *const *scopes)
{
    *condition = (struct condition){.percent = 100, .until_ms = CONDITION_NEVER};
    read_counter(condition, config, scopes);
    read_chance(condition, config);
    if (config_take(config, "from"))
        condition->from_ms = read_ms(config);
    if (config_take(config, "until"))
        condition->until_ms = read_ms(config);
}

static void tally_free(struct condition_tally *tally)
{
    buf_free(&tally->key);
    buf_free(&tally->times);
}

void condition_free(struct condition *condition)
{
    tally_free(&condition->all);
    for (size_t i = 0; i < condition->room; i++)
        tally_free(&condition->keys[i]);
    mem_free(condition->keys);
    condition->keys = NULL;
    condition->room = condition->key_count = 0;
}

/* --- one tally a key --------------------------------------------------------------------------*/

static bool is_free(const struct condition_tally *tally)
{
    return tally->count == 0;
}

/* Where a key with this hash is, or could be, in a table with a free place. */
static struct condition_tally *find(struct condition_tally *keys, size_t room, uint64_t hash,
                                    const struct buf *key)
{
    size_t at = (size_t) hash & (room - 1);

    while (!is_free(&keys[at]) &&
           (keys[at].hash != hash || keys[at].key.length != key->length ||
            (key->length > 0 && memcmp(keys[at].key.data, key->data, key->length) != 0)))
        at = (at + 1) & (room - 1);
    return &keys[at];
}

/* Makes sure that there is a place for one more key.  0, or -1 with ENOMEM. */
static int make_room(struct condition *condition)
{
    size_t room = condition->room ? 2 * condition->room : ROOM_FIRST;
    struct condition_tally *keys;

    if (4 * (condition->key_count + 1) <= 3 * condition->room)
        return 0;
    keys = mem_alloc(room * sizeof *keys);
    if (!keys)
        return -1;
    memset(keys, 0, room * sizeof *keys);
    for (size_t i = 0; i < condition->room; i++) {
        const struct condition_tally *old = &condition->keys[i];

        if (!is_free(old))
            *find(keys, room, old->hash, &old->key) = *old;
    }
    mem_free(condition->keys);
    condition->keys = keys;
    condition->room = room;
    return 0;
}

static int add_folded(struct buf *buf, const char *key, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (buf_add_byte(buf, key[i] >= 'A' && key[i] <= 'Z' ? (char) (key[i] + 32) : key[i]) < 0)
            return -1;
    return 0;
}

/* The tally of a key; that of all further ones where there is no room for it. */
static struct condition_tally *tally_of(struct condition *condition, const char *key, size_t size)
{
    struct buf folded = BUF_INIT(0);
    struct condition_tally *tally;

    if (condition->scope == 0 || add_folded(&folded, key, size) < 0 || make_room(condition) < 0) {
        buf_free(&folded);
        return &condition->all;
    }
    uint64_t hash = checksum_of(folded.data, folded.length);
    tally = find(condition->keys, condition->room, hash, &folded);
    if (is_free(tally) && condition->key_count < CONDITION_KEYS) {
        condition->key_count++;
        tally->hash = hash;
        tally->key = folded;
        return tally;
    }
    buf_free(&folded);
    return is_free(tally) ? &condition->all : tally;
}

/* --- counting ---------------------------------------------------------------------------------*/

static int64_t oldest(const struct condition_tally *tally)
{
    int64_t time;
    memcpy(&time, tally->times.data, sizeof time);
    return time;
}

/* Whether, of the events before an event now, N are within the window. */
static bool is_over(const struct condition *condition, const struct condition_tally *tally,
                    int64_t now_ms)
{
    if (condition->limit == 0)
        return true;
    return tally->times.length == condition->limit * sizeof now_ms &&
           now_ms - oldest(tally) < condition->window_ms;
}

/* Whether the counter is met by an event now, before that is counted. */
static bool counter_holds(const struct condition *condition, const struct condition_tally *tally,
                          int64_t now_ms)
{
    switch (condition->counter) {
    case CONDITION_FIRST:
        return tally->count < condition->limit;
    case CONDITION_AFTER:
        return tally->count >= condition->limit;
    case CONDITION_OVER:
        return is_over(condition, tally, now_ms);
    case CONDITION_ALWAYS:
    default:
        return true;
    }
}

static bool time_holds(const struct condition *condition, int64_t now_ms)
{
    return now_ms >= condition->from_ms && now_ms < condition->until_ms;
}

bool condition_count(struct condition *condition, int64_t now_ms, const char *key, size_t size)
{
    struct condition_tally *tally = tally_of(condition, key, size);
    bool holds = counter_holds(condition, tally, now_ms) && time_holds(condition, now_ms);

    tally->count++;
    if (condition->counter == CONDITION_OVER && condition->limit > 0) {
        if (tally->times.length == condition->limit * sizeof now_ms)
            buf_drop(&tally->times, sizeof now_ms);
        buf_add(&tally->times, &now_ms, sizeof now_ms); /* no memory: it is not counted */
    }
    return holds;
}

bool condition_draw(const struct condition *condition)
{
    uint32_t number = 0;

    if (condition->percent == 100)
        return true;
    ssize_t got = getrandom(&number, sizeof number, 0);
    return got == (ssize_t) sizeof number && number % 100 < condition->percent;
}

bool condition_would_hold(const struct condition *condition, int64_t now_ms)
{
    return counter_holds(condition, &condition->all, now_ms) && time_holds(condition, now_ms);
}

int64_t condition_changes_at(const struct condition *condition, int64_t now_ms)
{
    int64_t change = CONDITION_NEVER;

    if (now_ms < condition->from_ms)
        change = condition->from_ms;
    else if (now_ms < condition->until_ms)
        change = condition->until_ms;
    if (condition->counter == CONDITION_OVER && condition->limit > 0 &&
        is_over(condition, &condition->all, now_ms)) {
        int64_t room_at = oldest(&condition->all) + condition->window_ms;

        if (room_at < change)
            change = room_at;
    }
    return change;
}

/* SPDX-License-Identifier: ISC */
#include "sim/scenario/check_rule.h"

#include <string.h>

#define COUNT_MAX 1000000000
#define RATE_MAX 1000000 /* the actors keep so many times at most */
#define MS 1000000

int64_t need_milliseconds(struct cursor *cursor)
{
    struct moment moment = cursor_need_time(cursor);

    if (!cursor->failed && moment.ns % MS) {
        cursor->at--;
        cursor_fail(cursor, "times here are in whole milliseconds");
    }
    return moment.ns;
}

uint64_t need_bytes(struct cursor *cursor, uint64_t least)
{
    uint64_t number = cursor_need_number(cursor, least, (uint64_t) 1 << 40);

    if (!cursor_take(cursor, "byte"))
        cursor_need(cursor, "bytes");
    return number;
}

/* --- patterns --------------------------------------------------------------------------------*/

static bool is_listed(const char *word, const char *const *list)
{
    for (; *list; list++)
        if (strcmp(*list, word) == 0)
            return true;
    return false;
}

/* The keyword that `word` may have been meant for: letters only, one or two edits away. */
static const char *almost(const char *word, const char *const *keywords)
{
    size_t size = strlen(word);
    unsigned limit = size < 5 ? 1 : 2;
    const char *best = NULL;

    if (size < 4 || word[strspn(word, "abcdefghijklmnopqrstuvwxyz-")])
        return NULL;
    for (; *keywords; keywords++) {
        unsigned distance = words_distance(word, *keywords, 2);

        if (distance <= limit) {
            best = *keywords;
            limit = distance - 1; /* only a nearer one is better */
        }
    }
    return best;
}

const char *take_pattern(struct cursor *cursor, const char *const *keywords)
{
    const char *word = cursor_peek(cursor), *other;

    if (!word)
        return NULL;
    if (!cursor->statement->words[cursor->at].quoted) {
        if (is_listed(word, keywords))
            return NULL;
        other = almost(word, keywords);
        if (other) {
            cursor_fail(cursor, "did you mean \"%s\"? If \"%s\" is a pattern, put it in quotes",
                        other, word);
            return NULL;
        }
    }
    cursor->at++;
    return word;
}

/* --- conditions ------------------------------------------------------------------------------*/

static void need_scope(struct cursor *cursor, const char *const *scopes,
                       struct condition *condition)
{
    const char *word;

    if (!cursor_take(cursor, "by"))
        return;
    condition->scope_at = cursor_position(cursor);
    word = cursor_need_word(cursor, "what it is counted by");
    if (!cursor->failed && !is_listed(word, scopes)) {
        complain_unknown(cursor->checker, condition->scope_at, "thing to count by", word, scopes);
        cursor->failed = true;
    }
    condition->scope = word;
}

/* True if a counter stands here; it is taken then. */
static bool take_counter(struct cursor *cursor, const char *const *scopes,
                         struct condition *condition)
{
    struct position at = cursor_position(cursor);
    enum counter counter = cursor_take(cursor, "first")   ? COUNTER_FIRST
                           : cursor_take(cursor, "after") ? COUNTER_AFTER
                           : cursor_take(cursor, "over")  ? COUNTER_OVER
                                                          : COUNTER_NONE;

    if (counter == COUNTER_NONE)
        return false;
    if (condition->counter != COUNTER_NONE) {
        complain(&cursor->checker->complaints, at, "a rule counts one thing: it has a counter");
        cursor->failed = true;
        return true;
    }
    condition->counter = counter;
    condition->count = counter == COUNTER_OVER ? cursor_need_number(cursor, 0, RATE_MAX)
                                               : cursor_need_number(cursor, 1, COUNT_MAX);
    if (counter == COUNTER_OVER) {
        cursor_need(cursor, "per");
        condition->per_ns = need_milliseconds(cursor);
        if (!cursor->failed && condition->per_ns == 0) {
            cursor->at--;
            cursor_fail(cursor, "expected a time that is not 0");
        }
    }
    need_scope(cursor, scopes, condition);
    return true;
}

static void need_chance(struct cursor *cursor, struct condition *condition)
{
    const char *word = cursor_peek(cursor);
    size_t digits = word ? strspn(word, "0123456789") : 0;

    condition->has_chance = true;
    condition->chance = 0;
    if (digits > 0 && digits <= 3 && strcmp(word + digits, "%") == 0)
        for (size_t i = 0; i < digits; i++)
            condition->chance = condition->chance * 10 + (unsigned) (word[i] - '0');
    else
        condition->chance = 101;
    if (condition->chance > 100)
        cursor_fail(cursor, "expected a chance from 0%% to 100%%, as in 10%%");
    else
        cursor->at++;
}

void need_condition(struct cursor *cursor, const char *const *scopes, struct condition *condition)
{
    for (;;) {
        struct position at = cursor_position(cursor);

        if (take_counter(cursor, scopes, condition))
            continue;
        if (!condition->has_chance && cursor_take(cursor, "chance")) {
            need_chance(cursor, condition);
        } else if (!condition->has_from && cursor_take(cursor, "from")) {
            condition->has_from = true;
            condition->from_ns = need_milliseconds(cursor);
        } else if (!condition->has_until && cursor_take(cursor, "until")) {
            condition->has_until = true;
            condition->until_ns = need_milliseconds(cursor);
        } else {
            return;
        }
        if (!cursor->failed && condition->has_from && condition->has_until &&
            condition->from_ns >= condition->until_ns) {
            complain(&cursor->checker->complaints, at, "the rule would end before it begins");
            cursor->failed = true;
        }
    }
}

void lines_condition(struct lines *lines, const struct condition *condition)
{
    static const char *const counters[] = {"", "first", "after", "over"};

    if (condition->counter != COUNTER_NONE) {
        lines_word(lines, counters[condition->counter]);
        lines_number(lines, condition->count);
        if (condition->counter == COUNTER_OVER) {
            lines_word(lines, "per");
            lines_time(lines, condition->per_ns);
        }
        if (condition->scope) {
            lines_word(lines, "by");
            lines_word(lines, condition->scope);
        }
    }
    if (condition->has_chance) {
        char text[8];

        snprintf(text, sizeof text, "%u%%", condition->chance);
        lines_word(lines, "chance");
        lines_word(lines, text);
    }
    if (condition->has_from) {
        lines_word(lines, "from");
        lines_time(lines, condition->from_ns);
    }
    if (condition->has_until) {
        lines_word(lines, "until");
        lines_time(lines, condition->until_ns);
    }
}

/* SPDX-License-Identifier: ISC */
/* WHEN: times from the start or from an event. */
#include <errno.h>
#include <string.h>

#include "sim/scenario/checker.h"
#include "sim/scenario/cursor.h"

/* What times count from, or NULL. */
static const struct trigger *take_base(struct cursor *cursor)
{
    struct trigger trigger;

    if (!take_event(cursor, &trigger))
        return NULL;
    return memcpy(pool_alloc(cursor->checker->pool, sizeof trigger), &trigger, sizeof trigger);
}

/* A time; behind an event it may be left out. */
static struct moment need_offset(struct cursor *cursor, const struct trigger *event)
{
    struct moment at_once = {0, 1000000000};

    return event && !cursor_looks_like_time(cursor) ? at_once : cursor_need_time(cursor);
}

static void need_range(struct cursor *cursor, struct when *when)
{
    struct moment from, to;
    char *range, *dots;

    range = pool_text(cursor->checker->pool, cursor_need_word(cursor, "a range as in 5s..10s"));
    dots = strstr(range, "..");
    errno = 0;
    if (dots)
        *dots = 0;
    if (!dots || time_parse(range, &from) < 0 || time_parse(dots + 2, &to) < 0 || from.ns > to.ns) {
        cursor->at -= !cursor->failed;
        cursor_fail(cursor, dots && errno == ERANGE ? "this time is too long: at most " TIME_LARGEST
                                                    : "expected a range of times as in 5s..10s");
        return;
    }
    when->kind = WHEN_IN;
    when->from_ns = from.ns;
    when->to_ns = to.ns + to.width_ns;
}

void when_extend(const struct cursor *cursor, struct position *at)
{
    struct position last;

    at->length = 1;
    if (cursor->failed || cursor->at == 0)
        return;
    last = statement_word_at(cursor->statement, cursor->at - 1);
    at->length = last.column + last.length - at->column;
}

void take_when(struct cursor *cursor, struct when *when)
{
    struct moment moment;

    when->at = cursor_position(cursor);
    when->to_ns = INT64_MAX;
    if (cursor_take(cursor, "at")) {
        when->event = take_base(cursor);
        moment = need_offset(cursor, when->event);
        when->kind = WHEN_AT;
        when->from_ns = moment.ns;
        when->to_ns = moment.ns + moment.width_ns;
    } else if (cursor_take(cursor, "by")) {
        when->event = take_base(cursor);
        moment = need_offset(cursor, when->event);
        when->kind = WHEN_BY;
        when->to_ns = moment.ns + 1;
    } else if (cursor_take(cursor, "in")) {
        when->event = take_base(cursor);
        need_range(cursor, when);
    } else {
        return;
    }
    when_extend(cursor, &when->at);
}

void need_times(struct cursor *cursor, struct expectation *expectation)
{
    expectation->when.at = cursor_position(cursor);
    cursor_need(cursor, "at");
    expectation->times_event = take_base(cursor);
    do {
        struct position at = cursor_position(cursor);
        struct moment moment = cursor_need_time(cursor);

        if (!cursor->failed && expectation->time_count > 0 &&
            expectation->times[expectation->time_count - 1].ns >= moment.ns) {
            complain(&cursor->checker->complaints, at, "times of tries rise");
            cursor->failed = true;
        }
        *POOL_ADD(cursor->checker->pool, expectation->times, expectation->time_count) = moment;
    } while (cursor_looks_like_time(cursor));
    when_extend(cursor, &expectation->when.at);
}

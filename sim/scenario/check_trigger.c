/* SPDX-License-Identifier: ISC */
/* Events: when something happens that other things wait for or count from. */
#include <string.h>

#include "sim/scenario/checker.h"
#include "sim/scenario/cursor.h"

#define KNOWN_AFTER                                                                                \
    "expected: enters S1 .. S5, durable S4, accepted, tried [at RECIPIENT], bounced or delivered"

/* "NAME takes MESSAGE", "NAME connected". */
static void need_remote_event(struct cursor *cursor, struct trigger *trigger)
{
    trigger->actor = need_actor(cursor, 1u << ACTOR_REMOTE, "a remote");
    if (!trigger->before && cursor_take(cursor, "connected")) {
        trigger->kind = TRIGGER_CONNECTED;
    } else if (cursor_take(cursor, "takes")) {
        trigger->kind = TRIGGER_TAKES;
        need_selector(cursor, &trigger->message);
        need_known_recipient(cursor, &trigger->message);
    } else {
        cursor_fail(cursor, trigger->before ? "expected: takes MESSAGE"
                                            : "expected: takes MESSAGE, or connected");
    }
}

static void need_durable(struct cursor *cursor, struct trigger *trigger)
{
    trigger->kind = TRIGGER_DURABLE;
    trigger->stage = cursor_looks_like_time(cursor) ? STAGE_S4 : need_stage(cursor);
    if (trigger->stage != STAGE_S4)
        cursor_fail(cursor, "only S4 can be waited for like this: durable S4");
}

/* What happens to each recipient: "tried [at RECIPIENT]", "bounced", "delivered". */
static bool take_recipient_event(struct cursor *cursor, struct trigger *trigger)
{
    if (cursor_take(cursor, "tried")) {
        trigger->kind = TRIGGER_TRIED;
        if (!trigger->message.recipient && cursor_take(cursor, "at"))
            trigger->message.recipient = cursor_need_word(cursor, "a recipient");
    } else if (cursor_take(cursor, "bounced")) {
        trigger->kind = TRIGGER_BOUNCED;
    } else if (cursor_take(cursor, "delivered")) {
        trigger->kind = TRIGGER_DELIVERED;
    } else {
        return false;
    }
    need_known_recipient(cursor, &trigger->message);
    return true;
}

static void refuse_recipient(struct cursor *cursor, const struct trigger *trigger)
{
    if (!trigger->message.recipient || cursor->failed)
        return;
    complain(&cursor->checker->complaints, trigger->message.at,
             "a message is in a stage as a whole: leave the recipient out");
    cursor->failed = true;
}

/* What follows MESSAGE. */
static void need_message_event(struct cursor *cursor, struct trigger *trigger)
{
    if (!trigger->before && take_recipient_event(cursor, trigger))
        return;
    refuse_recipient(cursor, trigger);
    if (cursor_take(cursor, "enters")) {
        trigger->kind = TRIGGER_ENTERS;
        trigger->stage = need_stage(cursor);
    } else if (!trigger->before && cursor_take(cursor, "durable")) {
        need_durable(cursor, trigger);
    } else if (!trigger->before && cursor_take(cursor, "accepted")) {
        trigger->kind = TRIGGER_ACCEPTED;
    } else {
        cursor_fail(cursor, trigger->before ? "expected: enters S1 .. S5" : KNOWN_AFTER);
    }
}

static bool at_machine(struct cursor *cursor)
{
    const char *word = cursor_peek(cursor);
    struct actor actor;

    return word && find_actor(cursor->checker, word, &actor);
}

static void need_event(struct cursor *cursor, struct trigger *trigger)
{
    if (!trigger->before && cursor_take(cursor, "crash")) {
        trigger->kind = TRIGGER_CRASH;
    } else if (at_machine(cursor)) {
        need_remote_event(cursor, trigger);
    } else {
        need_selector(cursor, &trigger->message);
        need_message_event(cursor, trigger);
    }
}

void need_trigger(struct cursor *cursor, struct trigger *trigger)
{
    trigger->at = cursor_position(cursor);
    if (cursor_take(cursor, "at")) {
        trigger->kind = TRIGGER_TIME;
        trigger->delay_ns = cursor_need_time(cursor).ns;
        return;
    }
    trigger->before = cursor_take(cursor, "before");
    if (!trigger->before)
        cursor_need(cursor, "after");
    need_event(cursor, trigger);
    if (!trigger->before && cursor_looks_like_time(cursor))
        trigger->delay_ns = cursor_need_time(cursor).ns;
}

/* True if the word behind the next one is a time: the next one is a message and nothing else. */
static bool is_bare_message(const struct cursor *cursor)
{
    struct cursor copy = *cursor;

    copy.at++;
    return cursor_looks_like_time(&copy);
}

bool take_event(struct cursor *cursor, struct trigger *trigger)
{
    const char *word = cursor_peek(cursor);
    struct cursor copy = *cursor;

    if (!word || cursor_looks_like_time(&copy))
        return false;
    *trigger = (struct trigger){.at = cursor_position(cursor)};
    if (!at_machine(cursor) && !names_message(cursor, word) && !cursor_take(&copy, "crash")) {
        cursor_fail(cursor, "expected a time as in 5s, 1h30m or 20ms, or an event as in "
                            "m1 accepted +5m");
        return false;
    }
    if (names_message(cursor, word) && is_bare_message(cursor)) {
        need_selector(cursor, &trigger->message);
        refuse_recipient(cursor, trigger);
        trigger->kind = TRIGGER_ENTERS;
        trigger->stage = STAGE_S4;
    } else {
        need_event(cursor, trigger);
    }
    return true;
}

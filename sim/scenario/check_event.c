/* SPDX-License-Identifier: ISC */
/* at, after, before: what happens then. */
#include <signal.h>
#include <string.h>

#include "sim/scenario/checker.h"
#include "sim/scenario/cursor.h"

/* --- actions ---------------------------------------------------------------------------------*/

static void need_crash(struct cursor *cursor, struct action *action)
{
    action->host = need_host(cursor);
    if (cursor_take(cursor, "programs")) {
        action->kind = ACTION_KILL_ALL;
        return;
    }
    cursor_need(cursor, "power");
    action->kind = ACTION_CRASH;
    action->keep = KEEP_NONE;
    if (!cursor_take(cursor, "keep"))
        return;
    if (cursor_take(cursor, "all"))
        action->keep = KEEP_ALL;
    else if (cursor_take(cursor, "random"))
        action->keep = KEEP_RANDOM;
    else if (!cursor_take(cursor, "none")) {
        const char *word = cursor_peek(cursor);

        if (!word || stage_named(word) == STAGE_NONE)
            cursor_fail(cursor, "expected all, none, random or a stage, S1 to S5");
        action->keep = KEEP_STAGE;
        action->keep_stage = need_stage(cursor);
    }
}

/* "if any": no error if there is no such thing. */
static bool take_if_any(struct cursor *cursor)
{
    if (!cursor_take(cursor, "if"))
        return false;
    cursor_need(cursor, "any");
    return true;
}

static bool need_pin(struct cursor *cursor, struct pin *pin)
{
    static const char *const names[] = {"lose", "keep", "find", NULL};
    const char *word = cursor_peek(cursor);

    if (cursor_take(cursor, "lose")) {
        pin->kind = PIN_LOSE;
    } else if (cursor_take(cursor, "keep")) {
        pin->kind = PIN_KEEP;
    } else if (cursor_take(cursor, "find")) {
        pin->kind = PIN_FIND;
        pin->answer = (unsigned) cursor_need_number(cursor, 0, 1000000);
    } else {
        complain_unknown(cursor->checker, cursor_position(cursor), "statement", word ? word : "",
                         names);
        return false;
    }
    pin->at = cursor_position(cursor);
    pin->pattern = cursor_need_word(cursor, "a pattern");
    pin->if_any = take_if_any(cursor);
    return cursor_done(cursor);
}

/* What is below "crash HOST power". */
static void check_pins(struct checker *checker, const struct statement *statement,
                       struct action *action)
{
    for (size_t i = 0; i < statement->child_count; i++) {
        const struct statement *child = statement->children[i];
        struct cursor cursor =
            cursor_open(checker, child, "lose PATTERN, keep PATTERN or find N PATTERN [if any]");
        struct pin pin = {.kind = PIN_LOSE};

        if (child->word_count == 0)
            continue;
        refuse_lines(checker, child);
        refuse_children(checker, child);
        if (need_pin(&cursor, &pin))
            *POOL_ADD(checker->pool, action->pins, action->pin_count) = pin;
    }
}

/* "disk full|room|free N blocks|bytes", behind "disk". */
static void need_disk(struct cursor *cursor, struct action *action)
{
    action->kind = ACTION_DISK;
    if (cursor_take(cursor, "full")) {
        action->free_bytes = 0;
    } else if (cursor_take(cursor, "room")) {
        action->free_bytes = UINT64_MAX;
    } else {
        cursor_need(cursor, "free");
        action->free_bytes = cursor_need_number(cursor, 0, (uint64_t) 1 << 50);
        if (cursor_take(cursor, "blocks") || cursor_take(cursor, "block"))
            action->free_bytes *= 4096;
        else
            cursor_need(cursor, "bytes");
    }
}

static void need_signal(struct cursor *cursor, struct action *action, bool kill)
{
    action->kind = ACTION_SIGNAL;
    action->program = need_program(cursor);
    action->signal = SIGKILL;
    if (!kill) {
        const char *word = cursor_peek(cursor);

        action->signal = word ? signal_named(word) : 0;
        if (action->signal == 0)
            cursor_fail(cursor, "expected a signal as in TERM");
        else
            cursor->at++;
    }
    action->host = need_on_host(cursor);
    action->if_any = take_if_any(cursor);
}

static void need_clock(struct cursor *cursor, struct action *action)
{
    bool back = cursor_take(cursor, "back");

    if (!back)
        cursor_need(cursor, "forward");
    action->kind = ACTION_CLOCK;
    action->clock_ns = cursor_need_time(cursor).ns;
    if (back)
        action->clock_ns = -action->clock_ns;
}

/* "HOST disk ...", "HOST down", "HOST up": the last two are other words for a power loss that keeps
 * nothing, and for a boot. */
static void need_host_action(struct cursor *cursor, struct action *action)
{
    if (cursor_take(cursor, "disk")) {
        need_disk(cursor, action);
    } else if (cursor_take(cursor, "down")) {
        action->kind = ACTION_CRASH;
        action->keep = KEEP_NONE;
    } else if (cursor_take(cursor, "up")) {
        action->kind = ACTION_BOOT;
    } else {
        cursor_fail(cursor, "expected disk, down or up");
    }
}

/* What a machine of the scenario does, or what is done to it. */
static void need_machine_action(struct cursor *cursor, struct action *action)
{
    find_actor(cursor->checker, cursor_peek(cursor), &action->actor);
    cursor->at++;
    if (action->actor.kind == ACTOR_HOST) {
        action->host = action->actor.index;
        need_host_action(cursor, action);
    } else if (cursor_take(cursor, "down")) {
        action->kind = ACTION_DOWN;
    } else if (cursor_take(cursor, "up")) {
        action->kind = ACTION_UP;
    } else if (action->actor.kind == ACTOR_CLIENT && cursor_take(cursor, "stops")) {
        action->kind = ACTION_CLIENT_STOP;
    } else {
        cursor_fail(cursor, action->actor.kind == ACTOR_CLIENT ? "expected sends, stops, down or up"
                                                               : "expected down or up");
    }
}

/* "hold MESSAGE|all [on HOST] [if any]". */
static bool take_order(struct cursor *cursor, struct action *action)
{
    for (enum order order = ORDER_RETRY; order <= ORDER_DELETE; order++) {
        if (!cursor_take(cursor, order_name(order)))
            continue;
        action->kind = ACTION_ORDER;
        action->order = order;
        if (!cursor_take(cursor, "all"))
            need_selector(cursor, &action->message);
        if (action->message.recipient)
            cursor_fail(cursor, "the admin's orders are for whole messages");
        action->host = need_on_host(cursor);
        action->if_any = take_if_any(cursor);
        return true;
    }
    return false;
}

static void need_action(struct cursor *cursor, struct action *action)
{
    static const char *const names[] = {"crash",  "boot",    "stop",    "start",  "kill",
                                        "signal", "clock",   "network", "sends",  "retry",
                                        "hold",   "release", "expire",  "delete", NULL};
    const char *word = cursor_peek(cursor);
    struct actor actor;

    action->at = cursor_position(cursor);
    if (cursor_take(cursor, "crash")) {
        need_crash(cursor, action);
    } else if (cursor_take(cursor, "boot")) {
        action->kind = ACTION_BOOT;
        action->host = need_host(cursor);
    } else if (cursor_take(cursor, "stop")) {
        action->kind = ACTION_STOP;
        action->host = need_host(cursor);
    } else if (cursor_take(cursor, "start")) {
        action->kind = ACTION_START;
        action->host = need_host(cursor);
    } else if (cursor_take(cursor, "kill")) {
        need_signal(cursor, action, true);
    } else if (cursor_take(cursor, "signal")) {
        need_signal(cursor, action, false);
    } else if (cursor_take(cursor, "clock")) {
        need_clock(cursor, action);
    } else if (cursor_take(cursor, "network")) {
        action->kind = ACTION_NETWORK;
        need_network(cursor, &action->network);
    } else if (take_order(cursor, action)) {
        return;
    } else if (word && find_actor(cursor->checker, word, &actor)) {
        need_machine_action(cursor, action);
    } else if (word) {
        complain_unknown(cursor->checker, cursor_position(cursor), "action or host", word, names);
        cursor->failed = true;
    } else {
        cursor_fail(cursor, "what shall happen? The form is: %s", cursor->syntax);
    }
}

void check_event(struct checker *checker, const struct statement *statement)
{
    struct cursor cursor = cursor_open(checker, statement,
                                       "at TIME|after EVENT|before EVENT "
                                       "ACTION");
    struct scenario *scenario = checker->scenario;
    struct event event = {.action = {.free_bytes = UINT64_MAX}};
    size_t sends = find_sends(statement);

    need_trigger(&cursor, &event.trigger);
    if (sends >= 2) {
        refuse_children(checker, statement);
        event.action.at = statement->at;
        event.action.kind = ACTION_SEND;
        event.action.submission = submission_at(scenario, statement);
        if (event.action.submission == scenario->submission_count)
            return; /* complained about already */
        event.action.host = scenario->submissions[event.action.submission].host;
        if (cursor.at != sends - sender_words(statement, sends))
            cursor_fail(&cursor, "expected USER sends, USER on HOST sends or CLIENT sends");
        if (cursor.failed)
            return;
    } else {
        refuse_lines(checker, statement);
        need_action(&cursor, &event.action);
        if (!cursor_done(&cursor))
            return;
        if (event.action.kind == ACTION_CRASH)
            check_pins(checker, statement, &event.action);
        else
            refuse_children(checker, statement);
    }
    if (event.action.keep == KEEP_STAGE && event.trigger.kind != TRIGGER_ENTERS &&
        event.trigger.kind != TRIGGER_DURABLE) {
        complain(&checker->complaints, statement->at,
                 "keep %s goes with a message that enters a stage",
                 stage_name(event.action.keep_stage));
        return;
    }
    *POOL_ADD(checker->pool, scenario->events, scenario->event_count) = event;
}

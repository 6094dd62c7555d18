/* SPDX-License-Identifier: ISC */
/* expect and allow. */
#include <string.h>

#include "sim/scenario/checker.h"
#include "sim/scenario/cursor.h"

/* "once", "N times". */
static void take_count(struct cursor *cursor, struct expectation *expectation)
{
    if (cursor_take(cursor, "once")) {
        expectation->counted = true;
        expectation->count = 1;
    } else if (cursor_looks_like_number(cursor)) {
        expectation->counted = true;
        expectation->count = cursor_need_number(cursor, 0, 1000000);
        if (!cursor_take(cursor, "time"))
            cursor_need(cursor, "times");
    }
}

/* --- kinds of expectations -------------------------------------------------------------------*/

static void need_delivered(struct cursor *cursor, struct expectation *expectation)
{
    for (;;) {
        size_t before = cursor->at;

        if (cursor_take(cursor, "to"))
            expectation->address = cursor_need_word(cursor, "an address");
        if (!expectation->counted)
            take_count(cursor, expectation);
        if (expectation->kind == EXPECT_BOUNCED && cursor_take(cursor, "status"))
            need_status(cursor, expectation);
        if (expectation->when.kind == WHEN_ANY)
            take_when(cursor, &expectation->when);
        if (cursor->at == before || cursor->failed)
            return;
    }
}

/* "tried 3 times by 1h", "tried at 0s 6m40s": of the latter no other tries than those. */
static void need_tried(struct cursor *cursor, struct expectation *expectation)
{
    struct cursor copy = *cursor;

    take_count(cursor, expectation);
    if (!expectation->counted && !expectation->negated && cursor_take(&copy, "at"))
        need_times(cursor, expectation);
    else
        take_when(cursor, &expectation->when);
}

/* The code of a refusal: a program's exit code, or the reply that a client got. */
static int need_code(struct cursor *cursor, const struct selector *selector)
{
    const struct scenario *scenario = cursor->checker->scenario;

    for (size_t i = 0; i < scenario->message_count; i++)
        if (selector_matches(scenario, selector, i) &&
            scenario->submissions[scenario->messages[i].submission].via >= VIA_SMTP)
            return (int) cursor_need_number(cursor, 400, 599);
    return (int) cursor_need_number(cursor, 1, 255);
}

/* Whether what is expected can be so for one recipient and not for another.  A client is told yes
 * or no for each. */
static bool is_of_recipients(const struct scenario *scenario, const struct expectation *expectation)
{
    switch (expectation->kind) {
    case EXPECT_DELIVERED:
    case EXPECT_BOUNCED:
    case EXPECT_LOST:
    case EXPECT_TRIED:
        return true;
    case EXPECT_ACCEPTED:
    case EXPECT_REFUSED:
        for (size_t i = 0; i < scenario->message_count; i++)
            if (selector_matches(scenario, &expectation->message, i) &&
                scenario->submissions[scenario->messages[i].submission].via != VIA_SMTP)
                return false;
        return true;
    default:
        return false;
    }
}

/* "m1@bob@example.com": bob must be one of those whom m1 is sent to, or what is expected of him
 * would hold whatever happens; and some things happen to a message, not to its recipients. */
static void check_recipient(struct cursor *cursor, const struct expectation *expectation)
{
    struct checker *checker = cursor->checker;
    const struct selector *selector = &expectation->message;

    if (!selector->recipient || cursor->failed)
        return;
    if (!is_of_recipients(checker->scenario, expectation)) {
        complain(&checker->complaints, selector->at,
                 "this is said of a message, not of one recipient: %.*s",
                 (int) strcspn(selector->text, "@"), selector->text);
        return;
    }
    need_known_recipient(cursor, selector);
}

static void need_fate(struct cursor *cursor, struct expectation *expectation)
{
    static const char *const names[] = {"accepted", "refused", "delivered", "bounced",
                                        "lost",     "tried",   "in",        NULL};
    const char *word;

    need_selector(cursor, &expectation->message);
    if (cursor_take(cursor, "not"))
        expectation->negated = true;
    word = cursor_peek(cursor);
    expectation->what_at = cursor_position(cursor);
    if (cursor_take(cursor, "accepted")) {
        expectation->kind = EXPECT_ACCEPTED;
        cursor_take(cursor, "once");
        take_when(cursor, &expectation->when);
    } else if (cursor_take(cursor, "refused")) {
        expectation->kind = EXPECT_REFUSED;
        expectation->code = -1;
        if (cursor_take(cursor, "with"))
            expectation->code = need_code(cursor, &expectation->message);
        take_when(cursor, &expectation->when);
    } else if (cursor_take(cursor, "delivered")) {
        expectation->kind = EXPECT_DELIVERED;
        need_delivered(cursor, expectation);
    } else if (cursor_take(cursor, "bounced")) {
        expectation->kind = EXPECT_BOUNCED;
        need_delivered(cursor, expectation);
    } else if (cursor_take(cursor, "tried")) {
        expectation->kind = EXPECT_TRIED;
        need_tried(cursor, expectation);
    } else if (cursor_take(cursor, "lost")) {
        expectation->kind = EXPECT_LOST;
        if (cursor_peek(cursor))
            expectation->pattern = cursor_need_word(cursor, "what is lost");
    } else if (cursor_take(cursor, "in")) {
        expectation->kind = EXPECT_STAGE;
        expectation->stage = need_stage(cursor);
        if (!cursor_take(cursor, "at"))
            cursor_need(cursor, "at");
        else
            cursor->at--;
        take_when(cursor, &expectation->when);
    } else if (word) {
        complain_unknown(cursor->checker, cursor_position(cursor), "fate of a message", word,
                         names);
        cursor->failed = true;
    } else {
        cursor_fail(cursor, "what of it? Known are accepted, refused, delivered, bounced, lost, "
                            "tried and in S1 .. S5 at TIME");
    }
    check_recipient(cursor, expectation);
    if (expectation->message.bounce > 0 &&
        (expectation->kind == EXPECT_ACCEPTED || expectation->kind == EXPECT_REFUSED) &&
        !cursor->failed)
        complain(&cursor->checker->complaints, expectation->what_at,
                 "nobody submits a bounce: say delivered or bounced");
}

static void need_program_runs(struct cursor *cursor, struct expectation *expectation)
{
    struct checker *checker = cursor->checker;
    struct position at = cursor_position(cursor);
    const char *name = cursor_need_word(cursor, "a program");
    const char **names = NULL;
    size_t count = 0, found = 0;

    expectation->kind = EXPECT_PROGRAM;
    expectation->name = name;
    for (size_t i = 0; i < checker->scenario->host_count; i++)
        for (size_t k = 0; k < checker->scenario->hosts[i].program_count; k++) {
            *POOL_ADD(checker->pool, names, count) = checker->scenario->hosts[i].programs[k].name;
            if (strcmp(name, checker->scenario->hosts[i].programs[k].name) == 0) {
                expectation->host = i;
                found++;
            }
        }
    *POOL_ADD(checker->pool, names, count) = NULL;
    if (!cursor->failed && !found) {
        complain_unknown(checker, at, "program", name, names);
        cursor->failed = true;
        return;
    }
    if (cursor_take(cursor, "on"))
        expectation->host = need_host(cursor);
    else if (found > 1)
        cursor_fail(cursor, "more than one host has that program: say on which (on HOST)");
    cursor_need(cursor, "ran");
    take_count(cursor, expectation);
    take_when(cursor, &expectation->when);
}

static void need_log(struct cursor *cursor, struct expectation *expectation)
{
    const char *word = cursor_peek(cursor);

    expectation->kind = EXPECT_LOG;
    if (word && find_host(cursor->checker, word, &expectation->host) &&
        cursor->at + 1 < cursor->statement->word_count)
        cursor->at++;
    else if (cursor->checker->scenario->host_count != 1)
        cursor_fail(cursor, "there is more than one host, or none: expect log HOST PATTERN");
    expectation->what_at = cursor_position(cursor);
    expectation->pattern = cursor_need_word(cursor, "a pattern over log lines");
    take_count(cursor, expectation);
    take_when(cursor, &expectation->when);
}

static void need_mbox(struct cursor *cursor, struct expectation *expectation)
{
    struct scenario *scenario = cursor->checker->scenario;
    struct position at = cursor_position(cursor);
    char *path = pool_text(cursor->checker->pool, cursor_need_relative(cursor, "USER/FILE"));
    char *slash = strchr(path, '/');

    expectation->kind = EXPECT_MBOX;
    if (slash)
        *slash = 0;
    for (size_t i = 0; i < scenario->host_count && slash; i++)
        for (size_t k = 0; k < scenario->hosts[i].user_count; k++)
            if (strcmp(scenario->hosts[i].users[k].name, path) == 0) {
                expectation->host = i;
                expectation->user = &scenario->hosts[i].users[k];
                expectation->name = slash + 1;
            }
    if (!cursor->failed && !expectation->user) {
        complain(&cursor->checker->complaints, at, "expected USER/FILE of a declared user");
        cursor->failed = true;
    }
    cursor_need(cursor, "holds");
    expectation->count = cursor_need_number(cursor, 0, 1000000);
    expectation->counted = true;
    if (!cursor_take(cursor, "message"))
        cursor_need(cursor, "messages");
}

static void need_spool(struct cursor *cursor, struct expectation *expectation)
{
    expectation->kind = EXPECT_SPOOL;
    cursor_need(cursor, "spool");
    expectation->what_at = cursor_position(cursor);
    if (!cursor_take(cursor, "empty")) {
        cursor_need(cursor, "holds");
        expectation->count = cursor_need_number(cursor, 0, MESSAGES_MAX);
        if (!cursor_take(cursor, "message"))
            cursor_need(cursor, "messages");
    }
    take_when(cursor, &expectation->when);
    if (expectation->when.kind == WHEN_IN)
        cursor_fail(cursor, "say at TIME or by TIME");
}

/* What a remote did: "took MESSAGE", "connected". */
static void need_remote_deed(struct cursor *cursor, struct expectation *expectation)
{
    if (cursor_take(cursor, "not"))
        expectation->negated = true;
    expectation->what_at = cursor_position(cursor);
    if (cursor_take(cursor, "connected")) {
        expectation->kind = EXPECT_CONNECTED;
        take_count(cursor, expectation);
        take_when(cursor, &expectation->when);
        return;
    }
    if (!cursor_take(cursor, "took"))
        cursor_fail(cursor, "expected: took MESSAGE, or connected");
    expectation->kind = EXPECT_TOOK;
    need_selector(cursor, &expectation->message);
    need_known_recipient(cursor, &expectation->message);
    for (size_t before = 0; cursor->at != before && !cursor->failed;) {
        before = cursor->at;
        if (!expectation->from && cursor_take(cursor, "from"))
            expectation->from = cursor_need_word(cursor, "a pattern over senders");
        if (!expectation->address && cursor_take(cursor, "to"))
            expectation->address = cursor_need_word(cursor, "a pattern over recipients");
        if (!expectation->counted)
            take_count(cursor, expectation);
        if (expectation->when.kind == WHEN_ANY)
            take_when(cursor, &expectation->when);
    }
}

/* "DNS asked NAME [TYPE]". */
static void need_asked(struct cursor *cursor, struct expectation *expectation)
{
    if (cursor_take(cursor, "not"))
        expectation->negated = true;
    expectation->what_at = cursor_position(cursor);
    expectation->kind = EXPECT_ASKED;
    cursor_need(cursor, "asked");
    expectation->pattern = cursor_need_word(cursor, "a pattern over names");
    expectation->name = take_record_type(cursor);
    take_count(cursor, expectation);
    take_when(cursor, &expectation->when);
}

/* What is expected of a machine. */
static void need_machine(struct cursor *cursor, struct expectation *expectation)
{
    struct actor *actor = &expectation->actor;

    find_actor(cursor->checker, cursor_peek(cursor), actor);
    if (actor->kind == ACTOR_CLIENT) {
        cursor_fail(cursor, "\"%s\" is a client: expect something of a message that it sends",
                    cursor_peek(cursor));
        return;
    }
    cursor->at++;
    if (actor->kind == ACTOR_HOST) {
        expectation->host = actor->index;
        need_spool(cursor, expectation);
    } else if (actor->kind == ACTOR_REMOTE) {
        need_remote_deed(cursor, expectation);
    } else {
        need_asked(cursor, expectation);
    }
}

void check_expect(struct checker *checker, const struct statement *statement)
{
    struct cursor cursor = cursor_open(checker, statement,
                                       "expect MESSAGE accepted|refused|delivered|bounced|lost|"
                                       "tried, program, log, mbox, HOST spool, REMOTE took|"
                                       "connected, or DNS asked");
    struct expectation expectation = {.at = statement->at};
    const char *word;
    struct actor actor;

    cursor.at = 1;
    word = cursor_peek(&cursor);
    expectation.what_at = cursor_position(&cursor);
    expectation.when.to_ns = INT64_MAX;
    if (cursor_take(&cursor, "program"))
        need_program_runs(&cursor, &expectation);
    else if (cursor_take(&cursor, "log"))
        need_log(&cursor, &expectation);
    else if (cursor_take(&cursor, "mbox"))
        need_mbox(&cursor, &expectation);
    else if (word && find_actor(checker, word, &actor))
        need_machine(&cursor, &expectation);
    else
        need_fate(&cursor, &expectation);
    if (!cursor_done(&cursor))
        return;
    check_details(checker, statement, &expectation);
    *POOL_ADD(checker->pool, checker->scenario->expectations,
              checker->scenario->expectation_count) = expectation;
}

void check_allow(struct checker *checker, const struct statement *statement)
{
    struct cursor cursor = cursor_open(checker, statement, "allow duplicate [MESSAGE]");
    struct allowance allowance = {.at = statement->at};

    cursor.at = 1;
    cursor_need(&cursor, "duplicate");
    if (cursor_peek(&cursor))
        need_selector(&cursor, &allowance.message);
    else
        allowance.message = (struct selector){.name = "*", .text = "*"};
    if (cursor_done(&cursor))
        *POOL_ADD(checker->pool, checker->scenario->duplicates,
                  checker->scenario->duplicate_count) = allowance;
}

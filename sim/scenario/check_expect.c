/* SPDX-License-Identifier: ISC */
/* expect and allow. */
#include <string.h>

#include "sim/scenario/checker.h"
#include "sim/scenario/cursor.h"

/* "at T", "by T", "in A..B", all optional. */
static void take_when(struct cursor *cursor, struct when *when)
{
    struct moment from, to;
    char *range, *dots;

    when->at = cursor_position(cursor);
    when->to_ns = INT64_MAX;
    if (cursor_take(cursor, "at")) {
        from = cursor_need_time(cursor);
        *when = (struct when){when->at, WHEN_AT, from.ns, from.ns + from.width_ns, NULL};
    } else if (cursor_take(cursor, "by")) {
        to = cursor_need_time(cursor);
        *when = (struct when){when->at, WHEN_BY, 0, to.ns + 1, NULL};
    } else if (cursor_take(cursor, "in")) {
        range = pool_text(cursor->checker->pool, cursor_need_word(cursor, "a range as in 5s..10s"));
        dots = strstr(range, "..");
        if (dots)
            *dots = 0;
        if (!dots || time_parse(range, &from) < 0 || time_parse(dots + 2, &to) < 0 ||
            from.ns > to.ns) {
            cursor->at -= !cursor->failed;
            cursor_fail(cursor, "expected a range of times as in 5s..10s");
            return;
        }
        *when = (struct when){when->at, WHEN_IN, from.ns, to.ns + to.width_ns, NULL};
    } else {
        return;
    }
    when->at.length = cursor->failed
                          ? 1
                          : statement_word_at(cursor->statement, cursor->at - 1).column +
                                statement_word_at(cursor->statement, cursor->at - 1).length -
                                when->at.column;
}

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

/* --- what stands below -----------------------------------------------------------------------*/

static bool need_detail(struct cursor *cursor, struct detail *detail)
{
    static const char *const names[] = {"contents",  "header",      "body",
                                        "arguments", "environment", NULL};
    const char *word = cursor_peek(cursor);

    detail->at = cursor_position(cursor);
    if (cursor_take(cursor, "contents")) {
        cursor_need(cursor, "unchanged");
        detail->kind = DETAIL_UNCHANGED;
    } else if (cursor_take(cursor, "header")) {
        detail->kind = DETAIL_HEADER;
        detail->name = cursor_need_word(cursor, "the name of a field");
        cursor_need(cursor, "matches");
        detail->pattern = cursor_need_word(cursor, "a pattern");
    } else if (cursor_take(cursor, "body")) {
        detail->kind = DETAIL_BODY;
        cursor_need(cursor, "contains");
        detail->pattern = cursor_need_word(cursor, "a pattern");
    } else if (cursor_take(cursor, "arguments")) {
        detail->kind = DETAIL_ARGUMENTS;
        cursor_need(cursor, "match");
        detail->pattern = cursor_need_word(cursor, "a pattern");
    } else if (cursor_take(cursor, "environment")) {
        detail->kind = DETAIL_ENVIRONMENT;
        detail->name = cursor_need_word(cursor, "the name of a variable");
        cursor_need(cursor, "matches");
        detail->pattern = cursor_need_word(cursor, "a pattern");
    } else {
        complain_unknown(cursor->checker, cursor_position(cursor), "detail", word ? word : "",
                         names);
        return false;
    }
    return cursor_done(cursor);
}

static bool detail_fits(const struct detail *detail, enum expect_kind kind)
{
    if (kind == EXPECT_PROGRAM)
        return detail->kind != DETAIL_UNCHANGED;
    if (kind == EXPECT_DELIVERED)
        return detail->kind <= DETAIL_BODY;
    return kind == EXPECT_BOUNCED && detail->kind != DETAIL_UNCHANGED &&
           detail->kind <= DETAIL_BODY;
}

static void check_details(struct checker *checker, const struct statement *statement,
                          struct expectation *expectation)
{
    for (size_t i = 0; i < statement->child_count; i++) {
        const struct statement *child = statement->children[i];
        struct cursor cursor =
            cursor_open(checker, child,
                        "contents unchanged, header NAME matches PATTERN, or body "
                        "contains PATTERN");
        struct detail detail = {.kind = DETAIL_BODY};

        if (child->word_count == 0)
            continue;
        refuse_lines(checker, child);
        refuse_children(checker, child);
        if (!need_detail(&cursor, &detail))
            continue;
        if (!detail_fits(&detail, expectation->kind) || expectation->negated)
            complain(&checker->complaints, child->at,
                     "this cannot be said about the expectation above");
        else
            *POOL_ADD(checker->pool, expectation->details, expectation->detail_count) = detail;
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
        if (expectation->when.kind == WHEN_ANY)
            take_when(cursor, &expectation->when);
        if (cursor->at == before || cursor->failed)
            return;
    }
}

/* "m1@bob@example.com": bob must be one of those whom m1 is sent to, or what is expected of him
 * would hold whatever happens; and some things happen to a message, not to its recipients. */
static void check_recipient(struct cursor *cursor, const struct expectation *expectation)
{
    struct checker *checker = cursor->checker;
    const struct scenario *scenario = checker->scenario;
    const struct selector *selector = &expectation->message;

    if (!selector->recipient || cursor->failed)
        return;
    if (expectation->kind != EXPECT_DELIVERED && expectation->kind != EXPECT_BOUNCED &&
        expectation->kind != EXPECT_LOST) {
        complain(&checker->complaints, selector->at,
                 "this is said of a message, not of one recipient: %.*s",
                 (int) strcspn(selector->text, "@"), selector->text);
        return;
    }
    if (selector->bounce > 0)
        return;
    for (size_t i = 0; i < scenario->message_count; i++) {
        const struct submission *submission =
            &scenario->submissions[scenario->messages[i].submission];

        for (size_t k = 0;
             selector_matches(scenario, selector, i) && k < submission->recipient_count; k++)
            if (pattern_matches(selector->recipient, submission->recipients[k], true))
                return;
    }
    complain(&checker->complaints, selector->at, "%.*s is not sent to \"%s\"",
             (int) strcspn(selector->text, "@"), selector->text, selector->recipient);
}

static void need_fate(struct cursor *cursor, struct expectation *expectation)
{
    static const char *const names[] = {"accepted", "refused", "delivered", "bounced",
                                        "lost",     "in",      NULL};
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
            expectation->code = (int) cursor_need_number(cursor, 1, 255);
        take_when(cursor, &expectation->when);
    } else if (cursor_take(cursor, "delivered")) {
        expectation->kind = EXPECT_DELIVERED;
        need_delivered(cursor, expectation);
    } else if (cursor_take(cursor, "bounced")) {
        expectation->kind = EXPECT_BOUNCED;
        need_delivered(cursor, expectation);
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
        cursor_fail(cursor, "what of it? Known are accepted, refused, delivered, bounced, lost "
                            "and in S1 .. S5 at TIME");
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

void check_expect(struct checker *checker, const struct statement *statement)
{
    struct cursor cursor = cursor_open(checker, statement,
                                       "expect MESSAGE accepted|refused|delivered|bounced|lost, "
                                       "program, log, mbox, or HOST spool");
    struct expectation expectation = {.at = statement->at};
    const char *word;
    size_t host;

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
    else if (word && find_host(checker, word, &host)) {
        cursor.at++;
        expectation.host = host;
        need_spool(&cursor, &expectation);
    } else {
        need_fate(&cursor, &expectation);
    }
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

/* SPDX-License-Identifier: ISC */
/* What stands below an expectation: about the copies, bounces or runs that it counts. */
#include <string.h>

#include "sim/scenario/checker.h"
#include "sim/scenario/cursor.h"

#define BIT(kind) (1u << (kind))
#define OF_COPIES (BIT(EXPECT_DELIVERED) | BIT(EXPECT_TOOK))
#define OF_TEXTS (OF_COPIES | BIT(EXPECT_BOUNCED) | BIT(EXPECT_PROGRAM))

static const struct {
    const char *keyword;
    const char *name; /* what the name behind it is, or NULL */
    const char *verb; /* what stands before the pattern, or NULL */
    bool pattern;
    enum detail_kind kind;
    unsigned kinds; /* of expectations */
} details[] = {
    {"contents", NULL, "unchanged", false, DETAIL_UNCHANGED, OF_COPIES},
    {"header", "the name of a field", "matches", true, DETAIL_HEADER, OF_TEXTS},
    {"body", NULL, "contains", true, DETAIL_BODY, OF_TEXTS},
    {"arguments", NULL, "match", true, DETAIL_ARGUMENTS, BIT(EXPECT_PROGRAM)},
    {"environment", "the name of a variable", "matches", true, DETAIL_ENVIRONMENT,
     BIT(EXPECT_PROGRAM)},
    {"final-recipient", NULL, NULL, true, DETAIL_FINAL_RECIPIENT, BIT(EXPECT_BOUNCED)},
    {"action", NULL, NULL, true, DETAIL_ACTION, BIT(EXPECT_BOUNCED)},
    {"status", NULL, NULL, true, DETAIL_STATUS, BIT(EXPECT_BOUNCED)},
    {"diagnostic", NULL, NULL, true, DETAIL_DIAGNOSTIC, BIT(EXPECT_BOUNCED)},
    {"remote-mta", NULL, NULL, true, DETAIL_REMOTE_MTA, BIT(EXPECT_BOUNCED)},
    {"original", NULL, "attached", false, DETAIL_ORIGINAL, BIT(EXPECT_BOUNCED)},
};
#define DETAIL_COUNT (sizeof details / sizeof *details)

/* Reads the line; the index in details[], or DETAIL_COUNT after a complaint. */
static size_t need_detail(struct cursor *cursor, struct detail *detail)
{
    const char *names[DETAIL_COUNT + 1] = {NULL};
    const char *word = cursor_peek(cursor);

    detail->at = cursor_position(cursor);
    for (size_t i = 0; i < DETAIL_COUNT; i++) {
        names[i] = details[i].keyword;
        if (!cursor_take(cursor, details[i].keyword))
            continue;
        detail->kind = details[i].kind;
        if (details[i].name)
            detail->name = cursor_need_word(cursor, details[i].name);
        if (details[i].verb)
            cursor_need(cursor, details[i].verb);
        if (details[i].pattern)
            detail->pattern = cursor_need_word(cursor, "a pattern");
        return cursor_done(cursor) ? i : DETAIL_COUNT;
    }
    if (word)
        complain_unknown(cursor->checker, cursor_position(cursor), "detail", word, names);
    return DETAIL_COUNT;
}

void need_status(struct cursor *cursor, struct expectation *expectation)
{
    struct detail *detail =
        POOL_ADD(cursor->checker->pool, expectation->details, expectation->detail_count);

    detail->kind = DETAIL_STATUS;
    detail->at = cursor_position(cursor);
    detail->pattern = cursor_need_word(cursor, "a status as in 5.1.1");
    if (!cursor->failed && expectation->negated)
        complain(&cursor->checker->complaints, detail->at, "what does not happen has no status");
}

void check_details(struct checker *checker, const struct statement *statement,
                   struct expectation *expectation)
{
    for (size_t i = 0; i < statement->child_count; i++) {
        const struct statement *child = statement->children[i];
        struct cursor cursor =
            cursor_open(checker, child,
                        "contents unchanged, header NAME matches PATTERN, or body "
                        "contains PATTERN");
        struct detail detail = {.kind = DETAIL_BODY};
        size_t index;

        if (child->word_count == 0)
            continue;
        refuse_lines(checker, child);
        refuse_children(checker, child);
        index = need_detail(&cursor, &detail);
        if (index == DETAIL_COUNT)
            continue;
        if (!(details[index].kinds & BIT(expectation->kind)) || expectation->negated)
            complain(&checker->complaints, child->at,
                     "this cannot be said about the expectation above");
        else
            *POOL_ADD(checker->pool, expectation->details, expectation->detail_count) = detail;
    }
}

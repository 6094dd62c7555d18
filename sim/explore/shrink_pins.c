/* SPDX-License-Identifier: ISC */
/* What the disk lost: patterns as a person writes them.  Which lines are needed, and which crashes
 * need none, is found out where statements are left out and moments are chosen. */
#include <stdlib.h>
#include <string.h>

#include "sim/explore/shrink_steps.h"

static bool is_pin(const struct statement *statement)
{
    return statement->word_count >= 2 &&
           (word_is(statement, 0, "lose") || word_is(statement, 0, "keep") ||
            word_is(statement, 0, "find"));
}

/* "var/nixie/queue/todo/1: entry added" as "todo/1: entry added"; what is above the last directory
 * says nothing. */
static const char *last_directory(const char *name)
{
    size_t length = strcspn(name, ":");
    unsigned slashes = 0;
    while (length > 0 && (name[length - 1] != '/' || ++slashes < 2))
        length--;
    return name + length;
}

/* A Maildir's names begin with the time; in front of ": " only. */
static const char *without_odd_name(struct draft *draft, const char *name)
{
    size_t end = strcspn(name, ":"), start = end;
    while (start > 0 && name[start - 1] != '/')
        start--;
    if (end - start < 8)
        return name;
    return pool_format(&draft->pool, "%.*s*%s", (int) start, name, name + end);
}

/* "write of 312 bytes at 0" as "write of * bytes at 0". */
static const char *without_size(struct draft *draft, const char *name)
{
    static const char mark[] = "write of ";
    const char *at = strstr(name, mark);
    if (!at)
        return name;
    at += sizeof mark - 1;
    return pool_format(&draft->pool, "%.*s*%s", (int) (at - name), name,
                       at + strspn(at, "0123456789"));
}

/* In quotes, with a star in front. */
static const char *plain_pattern(struct draft *draft, const char *word)
{
    size_t length = strlen(word);
    if (length < 3 || *word != '"' || word[1] == '*' || strchr(word, '\\'))
        return NULL;
    const char *name = pool_copy(&draft->pool, word + 1, length - 2);
    name = without_size(draft, without_odd_name(draft, last_directory(name)));
    return pool_format(&draft->pool, "\"*/%s\"", name);
}

static void shorten_pin(struct shrinker *shrinker, size_t index)
{
    struct draft draft;
    shrink_open(shrinker, &draft);
    struct statement *pin = draft_statement(&draft, index);
    size_t at = word_is(pin, 0, "find") ? 2 : 1;
    const char *pattern =
        at < pin->word_count ? plain_pattern(&draft, draft_word(&draft, pin, at)) : NULL;
    if (pattern) {
        word_set(&draft, pin, at, pattern);
        shrink_offer(shrinker, &draft);
    } else {
        draft_free(&draft);
    }
}

/* "find 0" is "lose". */
static void plain_verb(struct shrinker *shrinker, size_t index)
{
    struct draft draft;
    shrink_open(shrinker, &draft);
    struct statement *pin = draft_statement(&draft, index);
    if (!word_is(pin, 0, "find")) {
        draft_free(&draft);
        return;
    }
    words_replace(&draft, pin, 0, 2, "lose");
    shrink_offer(shrinker, &draft);
}

void shrink_pins(struct shrinker *shrinker)
{
    for (size_t index = 0; !shrinker->exhausted; index++) {
        struct draft draft;
        shrink_open(shrinker, &draft);
        struct statement *statement = draft_statement(&draft, index);
        bool pin = statement && is_pin(statement);
        draft_free(&draft);
        if (!statement)
            return;
        if (!pin)
            continue;
        plain_verb(shrinker, index);
        shorten_pin(shrinker, index);
    }
}

/* SPDX-License-Identifier: ISC */
#include "mta/admin/selection.h"

#include <string.h>

#include "mta/lib/mark.h"

#define AGE_MAX INT64_C(100000000000) /* s */

/* --- words --------------------------------------------------------------------------------- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int64_t unit_of(char c)
{
    switch (c) {
    case 's':
        return 1;
    case 'm':
        return 60;
    case 'h':
        return 3600;
    case 'd':
        return 86400;
    case 'w':
        return 604800;
    default:
        return 0;
    }
}

/* "2h", "1d12h", "90" (seconds).  -1: it is none. */
static int64_t read_age(const char *text)
{
    int64_t age = 0;
    if (!*text)
        return -1;
    while (*text) {
        int64_t number = 0;
        if (!is_digit(*text))
            return -1;
        for (; is_digit(*text) && number < AGE_MAX; text++)
            number = number * 10 + (*text - '0');
        int64_t unit = *text ? unit_of(*text) : 1;
        if (!unit || number >= AGE_MAX / unit)
            return -1;
        age += number * unit;
        if (age >= AGE_MAX)
            return -1;
        text += *text != 0;
    }
    return age;
}

static const char *add_pattern(const char **patterns, size_t *count, const char *pattern)
{
    if (*count == SELECTION_PATTERNS)
        return "too many patterns";
    patterns[(*count)++] = pattern;
    return NULL;
}

static const char *add_number(struct selection *selection, const char *word)
{
    uint64_t number;
    if (spool_number_parse(word, strlen(word), &number) < 0)
        return "not a message number";
    return view_numbers_put(&selection->numbers, number) < 0 ? "out of memory" : NULL;
}

const char *selection_add(struct selection *selection, const char *word)
{
    if (is_digit(*word))
        return add_number(selection, word);
    if (strcmp(word, "all") == 0) {
        selection->all = true;
        return NULL;
    }
    if (strcmp(word, "held") == 0) {
        selection->held = true;
        return NULL;
    }
    if (strncmp(word, "from=", 5) == 0)
        return add_pattern(selection->from, &selection->from_count, word + 5);
    if (strncmp(word, "to=", 3) == 0)
        return add_pattern(selection->to, &selection->to_count, word + 3);
    if (strncmp(word, "older=", 6) != 0)
        return "not a number, all, held, from=PATTERN, to=PATTERN or older=TIME";
    selection->older = read_age(word + 6);
    return selection->older < 0 ? "not a time such as 90s, 2h or 1d12h" : NULL;
}

void selection_end(struct selection *selection)
{
    view_numbers_sort(&selection->numbers);
}

void selection_free(struct selection *selection)
{
    view_numbers_free(&selection->numbers);
}

bool selection_is_empty(const struct selection *selection)
{
    return !selection->all && !selection->held && !selection->numbers.count &&
           !selection->from_count && !selection->to_count && selection->older < 0;
}

/* --- messages ------------------------------------------------------------------------------ */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char) (c - 'A' + 'a') : c;
}

/* Goes back to the last star only, so that no pattern takes long. */
static bool glob(const char *pattern, const char *text)
{
    const char *star = NULL, *from = NULL;
    while (*text) {
        if (*pattern == '*') {
            star = pattern++;
            from = text;
        } else if (*pattern && (*pattern == '?' || lower(*pattern) == lower(*text))) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star + 1;
            text = ++from;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}

bool selection_matches(const char *pattern, const char *address)
{
    if (*pattern && !strchr(pattern, '@')) {
        const char *at = strrchr(address, '@');
        address = at ? at + 1 : "";
    }
    return glob(pattern, address);
}

static bool any_matches(const char *const *patterns, size_t count, const char *address)
{
    for (size_t i = 0; i < count; i++)
        if (selection_matches(patterns[i], address))
            return true;
    return count == 0;
}

static bool has_recipient(const struct selection *selection, const struct view *view)
{
    struct view_walk walk = {0};
    struct view_recipient recipient;
    if (!selection->to_count)
        return true;
    while (view_next(view, &walk, &recipient))
        if (!recipient.done && any_matches(selection->to, selection->to_count,
                                           rewrite_strip(selection->rewrite, recipient.address)))
            return true;
    return false;
}

bool selection_has(const struct selection *selection, const struct view *view, unsigned marks,
                   int64_t now)
{
    if (selection->numbers.count && !view_numbers_have(&selection->numbers, view->number))
        return false;
    if (selection->held && !(marks & MARK_HOLD))
        return false;
    if (selection->older >= 0 && now - view->message.birth <= selection->older)
        return false;
    return any_matches(selection->from, selection->from_count, view->message.sender) &&
           has_recipient(selection, view);
}

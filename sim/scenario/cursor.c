/* SPDX-License-Identifier: ISC */
#include "sim/scenario/cursor.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

struct cursor cursor_open(struct checker *checker, const struct statement *statement,
                          const char *syntax)
{
    return (struct cursor){checker, statement, 0, false, syntax};
}

struct position cursor_position(const struct cursor *cursor)
{
    return statement_word_at(cursor->statement, cursor->at);
}

void cursor_fail(struct cursor *cursor, const char *format, ...)
{
    char message[400];
    va_list arguments;

    if (cursor->failed)
        return;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    complain(&cursor->checker->complaints, cursor_position(cursor), "%s", message);
    cursor->failed = true;
}

bool cursor_done(struct cursor *cursor)
{
    if (cursor->at < cursor->statement->word_count)
        cursor_fail(cursor, "this is too much; the form is: %s", cursor->syntax);
    return !cursor->failed;
}

const char *cursor_peek(struct cursor *cursor)
{
    const char *word;

    if (cursor->failed || cursor->at >= cursor->statement->word_count)
        return NULL;
    word = word_value(cursor->checker, cursor->statement, cursor->at);
    if (!word)
        cursor->failed = true;
    return word;
}

static bool is_keyword(struct cursor *cursor, size_t at, const char *keyword)
{
    const struct word *word;

    if (cursor->failed || at >= cursor->statement->word_count)
        return false;
    word = &cursor->statement->words[at];
    return !word->quoted && strlen(keyword) == word->size &&
           memcmp(word->raw, keyword, word->size) == 0;
}

bool cursor_take(struct cursor *cursor, const char *keyword)
{
    if (!is_keyword(cursor, cursor->at, keyword))
        return false;
    cursor->at++;
    return true;
}

bool cursor_looks_like_time(struct cursor *cursor)
{
    const char *word = cursor_peek(cursor);

    return word && (*word == '+' || (*word >= '0' && *word <= '9'));
}

bool cursor_looks_like_number(struct cursor *cursor)
{
    const char *word = cursor_peek(cursor);

    return word && *word && word[strspn(word, "0123456789")] == 0;
}

void cursor_need(struct cursor *cursor, const char *keyword)
{
    if (!cursor_take(cursor, keyword))
        cursor_fail(cursor, "expected \"%s\"; the form is: %s", keyword, cursor->syntax);
}

const char *cursor_need_word(struct cursor *cursor, const char *what)
{
    const char *word = cursor_peek(cursor);

    if (!word) {
        cursor_fail(cursor, "expected %s; the form is: %s", what, cursor->syntax);
        return "";
    }
    cursor->at++;
    return word;
}

struct moment cursor_need_time(struct cursor *cursor)
{
    struct moment moment = {0, 1};
    const char *word = cursor_peek(cursor);

    if (word && time_parse(word, &moment) == 0)
        cursor->at++;
    else if (word && errno == ERANGE)
        cursor_fail(cursor, "this time is too long: at most " TIME_LARGEST);
    else
        cursor_fail(cursor, "expected a time as in 5s, 1h30m or 20ms");
    return moment;
}

uint64_t cursor_need_number(struct cursor *cursor, uint64_t least, uint64_t most)
{
    const char *word = cursor_peek(cursor);
    uint64_t number = 0;

    if (word && *word && strlen(word) < 19 && word[strspn(word, "0123456789")] == 0) {
        for (const char *c = word; *c; c++)
            number = number * 10 + (uint64_t) (*c - '0');
        if (number >= least && number <= most) {
            cursor->at++;
            return number;
        }
    }
    cursor_fail(cursor, "expected a number from %llu to %llu", (unsigned long long) least,
                (unsigned long long) most);
    return least;
}

const char *cursor_need_name(struct cursor *cursor, const char *what)
{
    const char *word = cursor_peek(cursor);
    const char *allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

    if (!word) {
        cursor_fail(cursor, "expected %s; the form is: %s", what, cursor->syntax);
        return "";
    }
    if (!*word || strlen(word) > 60 || word[strspn(word, allowed)] ||
        strspn(word, allowed) == strspn(word, "0123456789_-"))
        cursor_fail(cursor, "%s is made of letters, digits, \"-\" and \"_\"", what);
    else if (strchr("0123456789_-", *word))
        cursor_fail(cursor, "%s begins with a letter", what);
    cursor->at++;
    return word;
}

const char *cursor_need_relative(struct cursor *cursor, const char *what)
{
    const char *word = cursor_peek(cursor);

    if (!word) {
        cursor_fail(cursor, "expected %s; the form is: %s", what, cursor->syntax);
        return "";
    }
    if (*word == '/' || !*word || strlen(word) > 1000 || strcmp(word, "..") == 0 ||
        strncmp(word, "../", 3) == 0 || strstr(word, "/../") ||
        (strlen(word) > 3 && strcmp(word + strlen(word) - 3, "/..") == 0))
        cursor_fail(cursor, "%s is a path below its directory", what);
    cursor->at++;
    return word;
}

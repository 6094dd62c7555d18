/* SPDX-License-Identifier: ISC */
#include "sim/scenario/lines.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void add(struct lines *lines, char c)
{
    *POOL_ADD(lines->pool, lines->text, lines->size) = c;
}

static void add_text(struct lines *lines, const char *text)
{
    while (*text)
        add(lines, *text++);
}

static void part(struct lines *lines)
{
    if (lines->size > 0 && lines->text[lines->size - 1] != '\n')
        add(lines, ' ');
}

void lines_word(struct lines *lines, const char *word)
{
    part(lines);
    add_text(lines, word);
}

static bool is_listed(const char *value, const char *const *list)
{
    for (; list && *list; list++)
        if (strcmp(*list, value) == 0)
            return true;
    return false;
}

static bool needs_quotes(const char *value)
{
    if (!*value || *value == '#' || *value == '|')
        return true;
    for (; *value; value++)
        if ((unsigned char) *value <= ' ' || (unsigned char) *value >= 127 || *value == '"' ||
            *value == '\\')
            return true;
    return false;
}

void lines_value(struct lines *lines, const char *value, const char *const *keywords)
{
    if (needs_quotes(value) || is_listed(value, keywords))
        lines_quoted(lines, value);
    else
        lines_word(lines, value);
}

static void add_quoted_byte(struct lines *lines, char c)
{
    char hex[8];

    if (c == '"' || c == '\\') {
        add(lines, '\\');
        add(lines, c);
    } else if (c == '\n' || c == '\r' || c == '\t') {
        add_text(lines, c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t");
    } else if ((unsigned char) c < ' ' || (unsigned char) c >= 127) {
        snprintf(hex, sizeof hex, "\\x%02x", (unsigned char) c);
        add_text(lines, hex);
    } else {
        add(lines, c);
    }
}

void lines_quoted(struct lines *lines, const char *value)
{
    part(lines);
    add(lines, '"');
    while (*value)
        add_quoted_byte(lines, *value++);
    add(lines, '"');
}

void lines_number(struct lines *lines, uint64_t number)
{
    char text[24];

    snprintf(text, sizeof text, "%" PRIu64, number);
    lines_word(lines, text);
}

void lines_time(struct lines *lines, int64_t ns)
{
    static const struct {
        int64_t ms;
        const char *name;
    } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}};
    int64_t ms = ns / 1000000;
    char text[80] = "";
    size_t used = 0;

    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (ms < units[i].ms)
            continue;
        used += (size_t) snprintf(text + used, sizeof text - used, "%lld%s",
                                  (long long) (ms / units[i].ms), units[i].name);
        ms %= units[i].ms;
    }
    lines_word(lines, used ? text : "0s");
}

void lines_end(struct lines *lines)
{
    add(lines, '\n');
}

void lines_text_add(struct lines *lines, struct text text)
{
    for (size_t i = 0; i < text.size; i++)
        add(lines, text.data[i]);
}

struct text lines_done(const struct lines *lines)
{
    return (struct text){pool_copy(lines->pool, lines->text ? lines->text : "", lines->size),
                         lines->size};
}

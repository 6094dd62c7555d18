/* SPDX-License-Identifier: ISC */
#include "sim/explore/reason.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* The length of `name` at `text` if it is that name, or what is made from it: "m1", "m1.bounce",
 * "mail's". */
static size_t name_length(const char *text, const char *name)
{
    size_t length = strlen(name);
    if (length == 0 || strncmp(text, name, length) != 0 || isalnum((unsigned char) text[length]) ||
        text[length] == '-' || text[length] == '_' || text[length] == '@')
        return 0;
    return length;
}

static void add_name(struct reason *reason, const char *name)
{
    *LIST_ADD(reason->names, reason->name_count) = must_copy(name, strlen(name));
}

static void add_names(struct reason *reason, const struct scenario *scenario)
{
    for (size_t i = 0; i < scenario->message_count; i++)
        add_name(reason, scenario->messages[i].name);
    for (size_t i = 0; i < scenario->host_count; i++)
        add_name(reason, scenario->hosts[i].name);
    for (size_t i = 0; i < scenario->remote_count; i++)
        add_name(reason, scenario->remotes[i].name);
    for (size_t i = 0; i < scenario->client_count; i++)
        add_name(reason, scenario->clients[i].name);
}

/* The longest of the names that stands there. */
static size_t any_name_length(const struct reason *reason, const char *text)
{
    size_t best = 0;
    for (size_t i = 0; i < reason->name_count; i++) {
        size_t length = name_length(text, reason->names[i]);
        if (length > best)
            best = length;
    }
    return best;
}

static size_t word_length(const char *text)
{
    return strcspn(text, " ,:;()<>\"'");
}

static bool is_time(const char *text, size_t length)
{
    char word[64];
    struct moment moment;
    if (length == 0 || length >= sizeof word || !isdigit((unsigned char) text[length > 1]))
        return false;
    memcpy(word, text, length);
    word[length] = 0;
    return time_parse(word, &moment) == 0;
}

/* Appends a word without its numbers; "#2" of an entry goes altogether. */
static size_t blank_numbers(const char *text, size_t length, char *to)
{
    size_t used = 0;
    for (size_t i = 0; i < length;) {
        size_t start = i;
        if (text[i] == '#')
            i++;
        while (i < length && isdigit((unsigned char) text[i]))
            i++;
        if (i == start)
            to[used++] = text[i++];
        else if (text[start] != '#')
            to[used++] = '#';
    }
    return used;
}

/* `other` may be NULL: its names count, too. */
static char *kind_of(const struct reason *reason, const struct reason *other, const char *text)
{
    char *kind = must_alloc(strlen(text) * 2 + 2), *to = kind;
    while (*text) {
        size_t length = word_length(text), name = any_name_length(reason, text);
        size_t name_there = other ? any_name_length(other, text) : 0;
        if (name_there > name)
            name = name_there;
        if (length > 0 && memchr(text, '@', length)) {
            *to++ = '@';
        } else if (is_time(text, length)) {
            *to++ = 'T';
        } else {
            if (name > 0 && name <= length)
                *to++ = 'N';
            else
                name = 0;
            to += blank_numbers(text + name, length - name, to);
        }
        text += length;
        if (*text)
            *to++ = *text++;
    }
    *to = 0;
    return kind;
}

/* The first address in a text; malloc'd, or NULL. */
static char *address_in(const char *text)
{
    while (*text) {
        size_t length = word_length(text);
        if (length > 0 && memchr(text, '@', length))
            return must_copy(text, length);
        text += length + (text[length] != 0);
    }
    return NULL;
}

static bool is_about(const struct reason *reason, const struct failure *failure)
{
    char *address = reason->address ? address_in(failure->message) : NULL;
    bool same = !reason->address || (address && strcmp(address, reason->address) == 0);
    free(address);
    return same;
}

void reason_of(const struct scenario *scenario, const struct failure *failure,
               struct reason *reason)
{
    *reason = (struct reason){.promise = failure->promise};
    reason->address = address_in(failure->message);
    add_names(reason, scenario);
    reason->kind = failure->promise ? kind_of(reason, NULL, failure->message)
                                    : must_copy(failure->message, strlen(failure->message));
}

void reason_free(struct reason *reason)
{
    for (size_t i = 0; i < reason->name_count; i++)
        free(reason->names[i]);
    free(reason->names);
    free(reason->kind);
    free(reason->address);
    *reason = (struct reason){0};
}

/* What is a name in one of the scenarios may be a word like others in the other. */
static bool is_like(const struct reason *reason, const struct reason *here,
                    const struct failure *failure)
{
    if (!reason->promise || !failure->promise)
        return !reason->promise && !failure->promise && strcmp(reason->kind, failure->message) == 0;
    if (strcmp(reason->promise, failure->promise) != 0 || !is_about(reason, failure))
        return false;
    char *kind = kind_of(here, reason, failure->message);
    bool same = strcmp(reason->kind, kind) == 0;
    free(kind);
    return same;
}

const struct failure *reason_find(const struct reason *reason, const struct scenario *scenario,
                                  const struct run_result *result)
{
    struct reason here = {0};
    const struct failure *found = NULL;
    if (result->verdict != VERDICT_FAILED)
        return NULL;
    add_names(&here, scenario);
    for (size_t i = 0; i < result->failure_count && !found; i++)
        if (is_like(reason, &here, &result->failures[i]))
            found = &result->failures[i];
    reason_free(&here);
    return found;
}

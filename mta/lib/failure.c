/* SPDX-License-Identifier: ISC */
#include "mta/lib/failure.h"

#include <stdio.h>
#include <string.h>

struct text {
    const char *at, *end;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool begins_with(struct text text, const char *start)
{
    size_t size = strlen(start);
    return (size_t) (text.end - text.at) >= size && memcmp(text.at, start, size) == 0;
}

/* Takes the first line, without its newline. */
static struct text take_line(struct text *rest)
{
    const char *newline = memchr(rest->at, '\n', (size_t) (rest->end - rest->at));
    struct text line = {rest->at, newline ? newline : rest->end};
    rest->at = newline ? newline + 1 : rest->end;
    return line;
}

/* --- the reply ----------------------------------------------------------------------------- */

/* True if the line begins with a reply code (RFC 5321 4.2). */
static bool has_code(struct text line)
{
    size_t size = (size_t) (line.end - line.at);
    return size >= 3 && line.at[0] >= '2' && line.at[0] <= '5' && is_digit(line.at[1]) &&
           is_digit(line.at[2]) && (size == 3 || line.at[3] == ' ' || line.at[3] == '-');
}

/* Where the reply that begins at `rest` ends: its last line is the first without "-". */
static const char *reply_end(struct text rest)
{
    struct text line = take_line(&rest);
    const char *code = line.at;
    if (!has_code(line))
        return line.end;
    while (line.end - line.at > 3 && line.at[3] == '-' && rest.at < rest.end) {
        struct text next = rest;
        struct text candidate = take_line(&next);
        if (!has_code(candidate) || memcmp(candidate.at, code, 3) != 0)
            break;
        line = candidate;
        rest = next;
    }
    return line.end;
}

static void find_reply(struct failure *failure, struct text text)
{
    static const char mark[] = "Remote host said: ";
    while (text.at < text.end) {
        if (begins_with(text, mark)) {
            text.at += sizeof mark - 1;
            failure->reply = text.at;
            failure->reply_size = (size_t) (reply_end(text) - text.at);
            return;
        }
        take_line(&text);
    }
}

/* --- the status ---------------------------------------------------------------------------- */

/* Reads up to three digits; how many there were. */
static size_t take_number(struct text *text, unsigned *number)
{
    size_t count = 0;
    for (*number = 0; text->at < text->end && is_digit(*text->at) && count < 4; count++)
        *number = *number * 10 + (unsigned) (*text->at++ - '0');
    return count <= 3 ? count : 0;
}

/* Reads "5.1.1" (RFC 3463 2) of class 4 or 5 that ends at `end_byte`, or with 0 at anything that
 * cannot go on with it. */
static bool take_status(struct text text, char end_byte, char status[FAILURE_STATUS_SIZE])
{
    unsigned class, subject, detail;
    if (take_number(&text, &class) != 1 || (class != 4 && class != 5) || text.at == text.end ||
        *text.at++ != '.' || !take_number(&text, &subject) || text.at == text.end ||
        *text.at++ != '.' || !take_number(&text, &detail))
        return false;
    bool ended = text.at == text.end ? !end_byte
                 : end_byte          ? *text.at == end_byte
                                     : !is_digit(*text.at) && *text.at != '.';
    if (ended)
        snprintf(status, FAILURE_STATUS_SIZE, "%u.%u.%u", class, subject, detail);
    return ended;
}

/* The enhanced code of the first line that has one, if its class is that of the reply. */
static bool status_in_reply(struct failure *failure)
{
    if (failure->reply_size == 0)
        return false;
    struct text text = {failure->reply, failure->reply + failure->reply_size};
    while (text.at < text.end) {
        struct text line = take_line(&text);
        if (line.end - line.at < 5 || !has_code(line) || line.at[4] != line.at[0])
            continue;
        line.at += 4;
        if (take_status(line, 0, failure->status))
            return true;
    }
    return false;
}

static bool status_in_text(struct failure *failure)
{
    struct text text = {failure->text, failure->text + failure->text_size};
    for (;;) {
        text.at = memmem(text.at, (size_t) (text.end - text.at), "(#", 2);
        if (!text.at)
            return false;
        text.at += 2;
        if (take_status(text, ')', failure->status))
            return true;
    }
}

static void find_status(struct failure *failure)
{
    if (failure->expired) {
        memcpy(failure->status, "4.4.7", sizeof "4.4.7");
        return;
    }
    if (status_in_reply(failure) || status_in_text(failure))
        return;
    memcpy(failure->status, "5.0.0", sizeof "5.0.0");
    if (failure->reply_size && failure->reply[0] == '4')
        failure->status[0] = '4';
}

/* --- the remote ---------------------------------------------------------------------------- */

static bool is_ipv4(const char *word, size_t size)
{
    struct text text = {word, word + size};
    for (int part = 0; part < 4; part++) {
        unsigned number;
        if (part && (text.at == text.end || *text.at++ != '.'))
            return false;
        if (!take_number(&text, &number) || number > 255)
            return false;
    }
    return text.at == text.end;
}

/* Near enough: what only an address looks like. */
static bool is_ipv6(const char *word, size_t size)
{
    size_t colons = 0;
    for (size_t i = 0; i < size; i++) {
        colons += word[i] == ':';
        if (!word[i] || (!is_digit(word[i]) && !strchr("abcdefABCDEF:.", word[i])))
            return false;
    }
    return colons >= 2 && size <= 45;
}

static bool is_host_name(const char *word, size_t size)
{
    bool dot = false, letters = false;
    for (size_t i = 0; i < size; i++) {
        char c = word[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        letters = letters || letter;
        dot = dot || c == '.';
        if (!letter && !is_digit(c) && (i == 0 || i + 1 == size || (c != '.' && c != '-')))
            return false;
    }
    return dot && letters && size <= 255;
}

/* "Connected to HOST but ...", or "HOST does not like ..." with a reply. */
static void find_mta(struct failure *failure, struct text text)
{
    static const char connected[] = "Connected to ";
    struct text line = take_line(&text);
    bool told = failure->reply_size > 0;
    if (begins_with(line, connected)) {
        line.at += sizeof connected - 1;
        told = true;
    }
    const char *end = memchr(line.at, ' ', (size_t) (line.end - line.at));
    size_t size = end ? (size_t) (end - line.at) : 0;
    if (size == 0)
        return;
    bool address = is_ipv4(line.at, size) || is_ipv6(line.at, size);
    if (!address && !(told && is_host_name(line.at, size)))
        return;
    failure->mta = line.at;
    failure->mta_size = size;
    failure->mta_is_address = address;
}

void failure_parse(struct failure *failure, const char *report, size_t size)
{
    static const char expired[] = FAILURE_EXPIRED;
    const size_t expired_size = sizeof expired - 2; /* without newline */
    memset(failure, 0, sizeof *failure);
    while (size && report[size - 1] == '\n')
        size--;
    if (size >= expired_size && memcmp(report + size - expired_size, expired, expired_size) == 0 &&
        (size == expired_size || report[size - expired_size - 1] == '\n')) {
        failure->expired = true;
        size -= expired_size;
    }
    while (size && report[size - 1] == '\n')
        size--;
    struct text text = {report, report + size};
    failure->text = report;
    failure->text_size = size;
    find_reply(failure, text);
    find_status(failure);
    find_mta(failure, text);
}

/* SPDX-License-Identifier: ISC */
#include "mta/lib/mbox_text.h"

#include <stdio.h>
#include <string.h>

#include "mta/lib/clock.h"

static const char word[] = "From ";
#define WORD 5
#define MIDDLE 99 /* of a line: nothing to be quoted before its end */

/* "Mon Nov 23 17:05:09 2026" */
static int add_date(struct buf *line, int64_t seconds)
{
    static const char days[] = "ThuFriSatSunMonTueWed"; /* 1970-01-01 was a Thursday */
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct clock_date date;
    char text[64];
    int64_t day = seconds / 86400 - (seconds % 86400 < 0);
    int64_t weekday = (day % 7 + 7) % 7;
    clock_split(&date, seconds);
    int length = snprintf(text, sizeof text, "%.3s %.3s %2u %02u:%02u:%02u %lld",
                          days + weekday * 3, months + (date.month - 1) * 3, date.day, date.hour,
                          date.minute, date.second, (long long) date.year);
    return buf_add(line, text, (size_t) length);
}

int mbox_from_line(struct buf *line, const char *sender, int64_t unix_seconds)
{
    if (buf_set_text(line, word) < 0)
        return -1;
    for (const char *c = *sender ? sender : "MAILER-DAEMON"; *c; c++) {
        bool blank = *c == ' ' || (*c >= '\t' && *c <= '\r');
        if (buf_add_byte(line, blank ? '-' : *c) < 0)
            return -1;
    }
    if (buf_add_byte(line, ' ') < 0 || add_date(line, unix_seconds) < 0)
        return -1;
    return buf_add_byte(line, '\n');
}

void mbox_quoter_init(struct mbox_quoter *quoter)
{
    quoter->matched = 0;
    quoter->line_started = false;
}

/* Writes out the bytes of "From " that were held back. */
static char *release(struct mbox_quoter *quoter, char *to)
{
    if (quoter->matched != MIDDLE && quoter->matched > 0) {
        memcpy(to, word, quoter->matched);
        to += quoter->matched;
    }
    return to;
}

size_t mbox_quote(struct mbox_quoter *quoter, char *to, const char *from, size_t size)
{
    char *start = to;
    for (size_t i = 0; i < size; i++) {
        char c = from[i];
        if (quoter->matched < WORD && c == word[quoter->matched]) {
            if (++quoter->matched == WORD) {
                *to++ = '>';
                to = release(quoter, to);
                quoter->matched = MIDDLE;
            }
        } else {
            to = release(quoter, to);
            *to++ = c;
            /* `>` at the start of a line: what follows may still be "From " */
            bool still = c == '>' && quoter->matched == 0;
            quoter->matched = c == '\n' || still ? 0 : MIDDLE;
        }
        quoter->line_started = c != '\n';
    }
    return (size_t) (to - start);
}

size_t mbox_quote_end(struct mbox_quoter *quoter, char *to)
{
    char *start = to;
    to = release(quoter, to);
    if (quoter->line_started)
        *to++ = '\n';
    *to++ = '\n';
    mbox_quoter_init(quoter);
    return (size_t) (to - start);
}

#define WINDOW (WORD + MBOX_FOLLOWING)

/* Moves the window one byte on; true if it then begins with the word. */
static bool push(struct mbox_finder *finder, char c, struct mbox_place *place)
{
    memmove(finder->window, finder->window + 1, WINDOW - 1);
    finder->window[WINDOW - 1] = c;
    finder->open = c == word[0] ? WINDOW : finder->open - 1;
    if (memcmp(finder->window, word, WORD) != 0)
        return false;
    place->at = finder->at + finder->missing - WINDOW;
    place->known = MBOX_FOLLOWING - finder->missing;
    memcpy(place->following, finder->window + WORD, MBOX_FOLLOWING);
    return true;
}

bool mbox_find_from(struct mbox_finder *finder, const char *from, size_t size, size_t *used,
                    struct mbox_place *place)
{
    size_t i = 0;
    while (i < size) {
        if (finder->open == 0) { /* nothing begun: on to where something may */
            const char *next = memchr(from + i, word[0], size - i);
            size_t skipped = next ? (size_t) (next - from) - i : size - i;
            finder->at += skipped;
            i += skipped;
            if (!next)
                return false;
            memset(finder->window, 0, WINDOW);
            finder->open = 1;
        }
        finder->at++;
        if (push(finder, from[i++], place)) {
            *used = i;
            return true;
        }
    }
    return false;
}

bool mbox_find_end(struct mbox_finder *finder, struct mbox_place *place)
{
    while (finder->missing < MBOX_FOLLOWING && finder->open > 0) {
        finder->missing++;
        if (push(finder, 0, place))
            return true;
    }
    return false;
}

/* SPDX-License-Identifier: ISC */
#include "sim/world/words.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sim/world/pool.h"

#define US 1000LL
#define MS (1000 * US)
#define SECOND (1000 * MS)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define TIME_MAX (250LL * 365 * DAY) /* fits in 63 bits */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int fail(int error)
{
    errno = error;
    return -1;
}

/* The number at *text, which is moved behind it; TIME_MAX if it is more than that. */
static int64_t read_whole(const char **text)
{
    int64_t whole = 0;

    for (; is_digit(**text); ++*text)
        whole = whole > TIME_MAX / 10 - 1 ? TIME_MAX : whole * 10 + (**text - '0');
    return whole;
}

/* The unit at *text, which is moved behind it; 0 if there is none. */
static int64_t read_unit(const char **text)
{
    static const struct {
        const char *name;
        int64_t ns;
    } units[] = {{"ms", MS}, {"us", US}, {"d", DAY}, {"h", HOUR}, {"m", MINUTE}, {"s", SECOND}};

    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        size_t length = strlen(units[i].name);

        if (strncmp(*text, units[i].name, length) == 0) {
            *text += length;
            return units[i].ns;
        }
    }
    return 0;
}

int time_parse(const char *text, struct moment *moment)
{
    bool too_long = false;

    moment->ns = 0;
    moment->width_ns = SECOND;
    if (*text == '+')
        text++;
    if (!*text)
        return fail(EINVAL);
    while (*text) {
        int64_t whole, fraction = 0, scale = 1, unit;

        if (!is_digit(*text))
            return fail(EINVAL);
        whole = read_whole(&text);
        if (*text == '.') {
            text++;
            if (!is_digit(*text))
                return fail(EINVAL);
            for (; is_digit(*text); text++) {
                if (scale < 1000000000)
                    fraction = fraction * 10 + (*text - '0'), scale *= 10;
            }
        }
        unit = read_unit(&text);
        if (unit == 0)
            return fail(EINVAL);
        too_long |= whole > (TIME_MAX - moment->ns) / unit;
        if (!too_long)
            moment->ns +=
                whole * unit + fraction * (unit / scale) + fraction * (unit % scale) / scale;
        too_long |= moment->ns > TIME_MAX;
        if (unit / scale < moment->width_ns)
            moment->width_ns = unit / scale ? unit / scale : 1;
    }
    return too_long ? fail(ERANGE) : 0;
}

const char *time_format(char to[TIME_TEXT], int64_t ns)
{
    long long seconds = ns / SECOND;

    if (ns < 0)
        snprintf(to, TIME_TEXT, "-%lldns", (long long) -ns);
    else if (seconds >= 3600)
        snprintf(to, TIME_TEXT, "%lldh%02lldm%02llds", seconds / 3600, seconds / 60 % 60,
                 seconds % 60);
    else if (seconds >= 60)
        snprintf(to, TIME_TEXT, "%lldm%02llds", seconds / 60, seconds % 60);
    else if (seconds > 0 || ns == 0)
        snprintf(to, TIME_TEXT, "%llds", seconds);
    else if (ns >= MS)
        snprintf(to, TIME_TEXT, "%lldms", (long long) (ns / MS));
    else
        snprintf(to, TIME_TEXT, "%lld.%03lldms", (long long) (ns / MS),
                 (long long) (ns / US % 1000));
    return to;
}

const char *time_format_length(char to[TIME_TEXT], int64_t ns)
{
    if (ns >= DAY)
        snprintf(to, TIME_TEXT, "%lldd %lldh", (long long) (ns / DAY),
                 (long long) (ns / HOUR % 24));
    else if (ns >= 60 * SECOND)
        time_format(to, ns);
    else
        snprintf(to, TIME_TEXT, "%lld.%01lld s", (long long) (ns / SECOND),
                 (long long) (ns / (100 * MS) % 10));
    return to;
}

const char *time_format_precise(char to[TIME_TEXT], int64_t ns)
{
    long long seconds = ns / SECOND;
    char text[TIME_TEXT];

    snprintf(text, sizeof text, "+%lldh%02lldm%02lld.%06llds", seconds / 3600, seconds / 60 % 60,
             seconds % 60, (long long) (ns / US % 1000000));
    snprintf(to, TIME_TEXT, "%18s", text);
    return to;
}

/* Days from 1970-01-01 to a date of the Gregorian calendar. */
static int64_t days_from_civil(int64_t year, int64_t month, int64_t day)
{
    int64_t era, year_of_era, day_of_year;

    if (month <= 2)
        year--;
    era = year / 400;
    year_of_era = year - era * 400;
    day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
           719468;
}

/* Reads three decimal numbers parted by `separator`, in the given numbers of digits. */
static int read_three(const char *text, char separator, const int digits[3], int values[3])
{
    for (int i = 0; i < 3; i++) {
        values[i] = 0;
        for (int k = 0; k < digits[i]; k++, text++) {
            if (!is_digit(*text))
                return -1;
            values[i] = values[i] * 10 + (*text - '0');
        }
        if (*text != (i < 2 ? separator : 0))
            return -1;
        text++;
    }
    return 0;
}

int date_parse(const char *date, const char *time, int64_t *seconds)
{
    static const int date_digits[3] = {4, 2, 2}, time_digits[3] = {2, 2, 2};
    static const int days[12] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int d[3], t[3];

    if (read_three(date, '-', date_digits, d) < 0 || read_three(time, ':', time_digits, t) < 0)
        return -1;
    if (d[0] < 1970 || d[1] < 1 || d[1] > 12 || d[2] < 1 || d[2] > days[d[1] - 1])
        return -1;
    if (d[1] == 2 && d[2] == 29 && !(d[0] % 4 == 0 && (d[0] % 100 != 0 || d[0] % 400 == 0)))
        return -1;
    if (t[0] > 23 || t[1] > 59 || t[2] > 59)
        return -1;
    *seconds = days_from_civil(d[0], d[1], d[2]) * 86400 + t[0] * 3600 + t[1] * 60 + t[2];
    return 0;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char) (c + 32) : c;
}

static bool same(char pattern, char byte, bool fold)
{
    return pattern == '?' || pattern == byte || (fold && lower(pattern) == lower(byte));
}

bool pattern_matches_bytes(const char *pattern, const char *text, size_t size, bool fold)
{
    const char *star = NULL;
    size_t at = 0, resume = 0;

    while (at < size) {
        if (*pattern == '*') {
            star = ++pattern;
            resume = at;
        } else if (*pattern && same(*pattern, text[at], fold)) {
            pattern++;
            at++;
        } else if (star) {
            pattern = star;
            at = ++resume;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}

bool pattern_matches(const char *pattern, const char *text, bool fold)
{
    return pattern_matches_bytes(pattern, text, strlen(text), fold);
}

/* True if some beginning of `text` matches `pattern`. */
static bool begins(const char *pattern, const char *text, size_t size, bool fold)
{
    const char *star = NULL;
    size_t at = 0, resume = 0;

    for (;;) {
        if (!*pattern)
            return true;
        if (*pattern == '*') {
            star = ++pattern;
            resume = at;
        } else if (at < size && same(*pattern, text[at], fold)) {
            pattern++;
            at++;
        } else if (star && resume < size) {
            pattern = star;
            at = ++resume;
        } else {
            return false;
        }
    }
}

bool pattern_found(const char *pattern, const char *text, size_t size, bool fold)
{
    size_t start = 0;

    do {
        if (begins(pattern, text + start, size - start, fold))
            return true;
    } while (++start <= size);
    return false;
}

#define WORD_MAX 40

unsigned words_distance(const char *a, const char *b, unsigned limit)
{
    unsigned row[WORD_MAX + 1];
    size_t length = strlen(b);

    if (length > WORD_MAX || strlen(a) > WORD_MAX)
        return limit + 1;
    for (size_t k = 0; k <= length; k++)
        row[k] = (unsigned) k;
    for (size_t i = 0; a[i]; i++) {
        unsigned corner = row[0];

        row[0] = (unsigned) i + 1;
        for (size_t k = 0; k < length; k++) {
            unsigned best = corner + (a[i] != b[k]);

            corner = row[k + 1];
            if (row[k] + 1 < best)
                best = row[k] + 1;
            if (corner + 1 < best)
                best = corner + 1;
            row[k + 1] = best;
        }
    }
    return row[length] > limit ? limit + 1 : row[length];
}

/* --- shell words -----------------------------------------------------------------------------*/

char *shell_word(const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "@%_+=:,./-";
    size_t length = strlen(text);
    char *word = must_alloc(4 * length + 3), *to = word;

    if (length > 0 && strspn(text, plain) == length)
        return strcpy(word, text);
    *to++ = '\'';
    for (; *text; text++)
        if (*text == '\'')
            to = stpcpy(to, "'\\''");
        else
            *to++ = *text;
    strcpy(to, "'");
    return word;
}

/* SPDX-License-Identifier: ISC */
#include "sim/trace/line.h"

#include <string.h>
#include <time.h>

#define TAI_OFFSET ((UINT64_C(1) << 62) + 10) /* as multilog counts: no leap seconds */
#define SECONDS_MAX INT64_C(253402300799)     /* the year 9999 */

/* --- words -----------------------------------------------------------------------------------*/

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static void skip(struct words *rest, size_t count)
{
    rest->at += count;
    rest->size -= count;
}

static bool take(struct words *rest, const char *text)
{
    size_t size = strlen(text);

    if (rest->size < size || memcmp(rest->at, text, size) != 0)
        return false;
    skip(rest, size);
    return true;
}

/* Up to 19 digits. */
static bool take_number(struct words *rest, uint64_t *number)
{
    size_t count = 0;

    *number = 0;
    while (count < rest->size && is_digit(rest->at[count])) {
        if (count == 19)
            return false;
        *number = *number * 10 + (uint64_t) (rest->at[count++] - '0');
    }
    skip(rest, count);
    return count > 0;
}

/* Exactly `digits` of them. */
static bool take_digits(struct words *rest, size_t digits, int *number)
{
    *number = 0;
    if (rest->size < digits)
        return false;
    for (size_t i = 0; i < digits; i++) {
        if (!is_digit(rest->at[i]))
            return false;
        *number = *number * 10 + (rest->at[i] - '0');
    }
    skip(rest, digits);
    return true;
}

static struct words take_word(struct words *rest)
{
    struct words word = {rest->at, 0};

    while (word.size < rest->size && rest->at[word.size] != ' ')
        word.size++;
    skip(rest, word.size);
    return word;
}

static void skip_blanks(struct words *rest)
{
    while (rest->size && (*rest->at == ' ' || *rest->at == '\t'))
        skip(rest, 1);
}

/* --- times -----------------------------------------------------------------------------------*/

static bool take_hex(struct words *rest, size_t digits, uint64_t *value)
{
    *value = 0;
    if (rest->size < digits)
        return false;
    for (size_t i = 0; i < digits; i++) {
        char c = rest->at[i];
        unsigned digit = is_digit(c)            ? (unsigned) (c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned) (c - 'a') + 10
                                                : 16;

        if (digit == 16)
            return false;
        *value = *value << 4 | digit;
    }
    skip(rest, digits);
    return true;
}

static bool take_tai64n(struct words *rest, struct moment *at)
{
    struct words word = *rest;
    uint64_t seconds, nanoseconds;

    if (!take(&word, "@") || !take_hex(&word, 16, &seconds) || !take_hex(&word, 8, &nanoseconds) ||
        (word.size && *word.at != ' ') || nanoseconds > 999999999 || seconds < TAI_OFFSET ||
        seconds - TAI_OFFSET > (uint64_t) SECONDS_MAX)
        return false;
    *at = (struct moment){true, (int64_t) (seconds - TAI_OFFSET), (uint32_t) nanoseconds};
    *rest = word;
    return true;
}

/* ".516300": at most 9 digits count. */
static uint32_t take_fraction(struct words *rest)
{
    uint32_t nanoseconds = 0, unit = 100000000;

    if (rest->size < 2 || (*rest->at != '.' && *rest->at != ',') || !is_digit(rest->at[1]))
        return 0;
    skip(rest, 1);
    for (; rest->size && is_digit(*rest->at); skip(rest, 1), unit /= 10)
        nanoseconds += (uint32_t) (*rest->at - '0') * unit;
    return nanoseconds;
}

/* "1176338766.516300" and a blank, or '+' if the line before goes on. */
static bool take_unix_time(struct words *rest, struct moment *at, bool *continued)
{
    struct words word = *rest;
    uint64_t seconds;

    if (!take_number(&word, &seconds) || seconds > (uint64_t) SECONDS_MAX || !word.size ||
        *word.at != '.')
        return false;
    uint32_t nanoseconds = take_fraction(&word);

    if (!word.size || (*word.at != ' ' && *word.at != '+'))
        return false;
    *continued = *word.at == '+';
    skip(&word, 1);
    *at = (struct moment){true, (int64_t) seconds, nanoseconds};
    *rest = word;
    return true;
}

/* "00:46:06" with a fraction. */
static bool take_clock(struct words *rest, struct tm *tm, uint32_t *nanoseconds)
{
    if (!take_digits(rest, 2, &tm->tm_hour) || !take(rest, ":") ||
        !take_digits(rest, 2, &tm->tm_min) || !take(rest, ":") ||
        !take_digits(rest, 2, &tm->tm_sec) || tm->tm_hour > 23 || tm->tm_min > 59 ||
        tm->tm_sec > 60)
        return false;
    *nanoseconds = take_fraction(rest);
    return true;
}

static bool take_zone(struct words *rest, int64_t *offset)
{
    int hours, minutes;
    bool east = rest->size && *rest->at == '+';

    *offset = 0;
    if (take(rest, "Z"))
        return true;
    if (!take(rest, "+") && !take(rest, "-"))
        return false;
    if (!take_digits(rest, 2, &hours))
        return false;
    take(rest, ":");
    if (!take_digits(rest, 2, &minutes))
        return false;
    *offset = (hours * 60 + minutes) * (east ? 60 : -60);
    return true;
}

/* "2007-04-12T00:46:06.516+02:00", or with a blank and in local time. */
static bool take_date(struct words *rest, struct moment *at)
{
    struct words word = *rest;
    struct tm tm = {.tm_isdst = -1};
    uint32_t nanoseconds;
    int64_t offset;

    if (!take_digits(&word, 4, &tm.tm_year) || !take(&word, "-") ||
        !take_digits(&word, 2, &tm.tm_mon) || !take(&word, "-") ||
        !take_digits(&word, 2, &tm.tm_mday) || tm.tm_year < 1970 || tm.tm_mon < 1 ||
        tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 ||
        !(take(&word, "T") || take(&word, " ")) || !take_clock(&word, &tm, &nanoseconds))
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    bool zoned = take_zone(&word, &offset);

    if (word.size && *word.at != ' ')
        return false;
    time_t seconds = zoned ? timegm(&tm) - offset : mktime(&tm);

    *at = (struct moment){true, seconds, nanoseconds};
    *rest = word;
    return true;
}

/* "Apr 12 00:46:06": no year, so no time. */
static bool take_syslog_date(struct words *rest)
{
    static const char months[] = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec ";
    struct words word = *rest;
    struct tm tm;
    uint32_t nanoseconds;
    uint64_t day;
    char month[4] = {0};

    if (word.size < 4 || word.at[3] != ' ')
        return false;
    memcpy(month, word.at, 3);
    if (memchr(month, ' ', 3) || !strstr(months, month))
        return false;
    skip(&word, 4);
    skip_blanks(&word);
    if (!take_number(&word, &day) || day > 31 || !take(&word, " ") ||
        !take_clock(&word, &tm, &nanoseconds) || !take(&word, " "))
        return false;
    *rest = word;
    return true;
}

/* "host qmail:" or "host qmail[123]:" */
static bool take_syslog_names(struct words *rest)
{
    struct words word = *rest;

    skip_blanks(&word);
    struct words host = take_word(&word);

    skip_blanks(&word);
    struct words tag = take_word(&word);

    if (!host.size || tag.size < 2 || tag.at[tag.size - 1] != ':')
        return false;
    *rest = word;
    return true;
}

/* --- what it tells ---------------------------------------------------------------------------*/

/* " bytes B from <S> qp Q uid U": the sender may hold anything, so from the end. */
static bool read_info(struct line *line, struct words rest)
{
    static const char mark[] = " qp ";
    const char *qp = NULL;

    if (!take(&rest, ": bytes ") || !take_number(&rest, &line->bytes) || !take(&rest, " from "))
        return false;
    for (size_t i = 0; i + sizeof mark - 1 <= rest.size; i++)
        if (memcmp(rest.at + i, mark, sizeof mark - 1) == 0)
            qp = rest.at + i;
    if (!qp)
        return false;
    line->sender = (struct words){rest.at, (size_t) (qp - rest.at)};
    skip(&rest, line->sender.size + sizeof mark - 1);
    if (!take_number(&rest, &line->qp) || !take(&rest, " uid ") ||
        !take_number(&rest, &line->uid) || rest.size)
        return false;
    line->sender_shown = line->sender.size >= 2 && line->sender.at[0] == '<' &&
                         line->sender.at[line->sender.size - 1] == '>';
    if (line->sender_shown)
        line->sender = (struct words){line->sender.at + 1, line->sender.size - 2};
    return true;
}

static bool read_start(struct line *line, struct words rest)
{
    if (!take(&rest, ": msg ") || !take_number(&rest, &line->message))
        return false;
    line->remote = take(&rest, " to remote ");
    if (!line->remote && !take(&rest, " to local "))
        return false;
    line->recipient = rest;
    return true;
}

static enum line_kind read_result(struct line *line, struct words rest)
{
    static const struct {
        const char *words;
        enum line_kind kind;
    } results[] = {{": success:", LINE_SUCCESS},
                   {": failure:", LINE_FAILURE},
                   {": deferral:", LINE_DEFERRAL},
                   {": report mangled, will defer", LINE_MANGLED}};

    for (size_t i = 0; i < sizeof results / sizeof *results; i++)
        if (take(&rest, results[i].words)) {
            take(&rest, " ");
            line->text = rest;
            return results[i].kind;
        }
    return LINE_UNKNOWN;
}

static enum line_kind read_admin(struct line *line, struct words rest)
{
    static const char by[] = " by the admin";

    if (!take_number(&rest, &line->message) || !take(&rest, " ") || rest.size < sizeof by ||
        memcmp(rest.at + rest.size - (sizeof by - 1), by, sizeof by - 1) != 0)
        return LINE_UNKNOWN;
    line->text = (struct words){rest.at, rest.size - (sizeof by - 1)};
    return LINE_ADMIN;
}

/* A number, and nothing behind it. */
static bool read_last_number(struct words *rest, uint64_t *number)
{
    return take_number(rest, number) && rest->size == 0;
}

static enum line_kind read_message_line(struct line *line, struct words rest)
{
    if (take(&rest, "new msg "))
        return read_last_number(&rest, &line->message) ? LINE_NEW : LINE_UNKNOWN;
    if (take(&rest, "end msg "))
        return read_last_number(&rest, &line->message) ? LINE_END : LINE_UNKNOWN;
    if (take(&rest, "info msg "))
        return take_number(&rest, &line->message) && read_info(line, rest) ? LINE_INFO
                                                                           : LINE_UNKNOWN;
    if (take(&rest, "bounce msg "))
        return take_number(&rest, &line->message) && take(&rest, " qp ") &&
                       read_last_number(&rest, &line->qp)
                   ? LINE_BOUNCE
                   : LINE_UNKNOWN;
    if (take(&rest, "triple bounce: discarding bounce/"))
        return read_last_number(&rest, &line->message) ? LINE_TRIPLE : LINE_UNKNOWN;
    return take(&rest, "msg ") ? read_admin(line, rest) : LINE_UNKNOWN;
}

static enum line_kind read_words(struct line *line, struct words rest)
{
    static const char *const others[] = {"status: ", "smtpd ", "listen ",
                                         "info: ",   "nixie-", "double bounce"};
    struct words whole = rest;

    if (take(&rest, "starting delivery "))
        return take_number(&rest, &line->delivery) && read_start(line, rest) ? LINE_START
                                                                             : LINE_UNKNOWN;
    if (take(&rest, "delivery "))
        return take_number(&rest, &line->delivery) ? read_result(line, rest) : LINE_UNKNOWN;
    if (take(&rest, "warning: ") || take(&rest, "alert: ")) {
        line->text = whole;
        return LINE_TROUBLE;
    }
    if (take(&rest, "status: exiting") && rest.size == 0)
        return LINE_EXITING;
    rest = whole;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (take(&rest, others[i]))
            return LINE_OTHER;
    return read_message_line(line, rest);
}

/* "triple bounce: ..." is not of a program bounce on a host triple. */
static bool is_known(struct words rest)
{
    struct line line;

    skip_blanks(&rest);
    return read_words(&line, rest) != LINE_UNKNOWN;
}

/* Everything before qmail's words.  *continued: they belong to the line before. */
static void take_prefix(struct words *rest, struct moment *at, bool *continued)
{
    struct words word = *rest;
    uint64_t number;

    skip_blanks(rest);
    if (take_number(&word, &number) && take(&word, ".") && word.size && *word.at == ' ')
        *rest = word;
    skip_blanks(rest);
    word = *rest;
    if (take_syslog_date(&word) && take_syslog_names(&word))
        *rest = word;
    else if (take_date(&word, at)) {
        *rest = word;
        if (!is_known(*rest) && take_syslog_names(&word))
            *rest = word;
    }
    skip_blanks(rest);
    if (!take_tai64n(rest, at) && !take_unix_time(rest, at, continued) && !at->known)
        take_date(rest, at);
    if (!*continued)
        skip_blanks(rest);
}

void line_read(struct line *line, const char *text, size_t size)
{
    struct words rest = {text, size};
    bool continued = false;

    memset(line, 0, sizeof *line);
    if (rest.size && rest.at[rest.size - 1] == '\r')
        rest.size--;
    take_prefix(&rest, &line->at, &continued);
    line->text = rest;
    line->kind = continued ? LINE_CONTINUED : read_words(line, rest);
}

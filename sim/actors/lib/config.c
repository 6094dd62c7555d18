/* SPDX-License-Identifier: ISC */
#include "sim/actors/lib/config.h"

#include <errno.h>
#include <string.h>

#include "mta/lib/error.h"
#include "mta/lib/io.h"
#include "mta/lib/num.h"

int config_open(struct config *config, const char *program, int fd)
{
    config->program = program;
    config->text = (struct buf) BUF_INIT(CONFIG_LIMIT);
    config->at = 0;
    config->line = 0;
    config->count = config->next = 0;
    config->failed = false;
    if (io_read_all(fd, &config->text) == 0 && buf_text(&config->text))
        return 0;
    config_fail(config, "the configuration cannot be read: ", error_text(errno));
    config_free(config);
    return -1;
}

void config_free(struct config *config)
{
    buf_free(&config->text);
}

int config_close(struct config *config)
{
    config_free(config);
    return config->failed ? -1 : 0;
}

void config_fail(struct config *config, const char *text, const char *about)
{
    struct buf line = BUF_INIT(0);

    if (config->failed)
        return;
    config->failed = true;
    if (buf_add_text(&line, config->program) == 0 && buf_add_text(&line, ": line ") == 0 &&
        buf_add_number(&line, config->line) == 0 && buf_add_text(&line, ": ") == 0 &&
        buf_add_text(&line, text) == 0 && buf_add_text(&line, about ? about : "") == 0 &&
        buf_add_byte(&line, '\n') == 0)
        io_write(2, line.data, line.length);
    buf_free(&line);
}

/* --- lines into words --------------------------------------------------------------------------
 * A word is written where it stood, which it never outgrows, and its NUL over what ended it. */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Reads the escape whose letter is at *from, which is moved behind it.  -1 if there is none. */
static int read_escape(const char **from, const char *end)
{
    static const char letters[] = "\"\\nrt", meanings[] = "\"\\\n\r\t";
    const char *letter;

    if (*from == end)
        return -1;
    letter = memchr(letters, **from, sizeof letters - 1);
    if (letter) {
        ++*from;
        return meanings[letter - letters];
    }
    if (**from != 'x' || end - *from < 3 || hex_digit((*from)[1]) < 0 || hex_digit((*from)[2]) < 0)
        return -1;
    *from += 3;
    return hex_digit((*from)[-2]) * 16 + hex_digit((*from)[-1]);
}

/* Reads what stands in quotes; *from is behind the opening one.  Returns behind the closing one. */
static const char *read_quoted(struct config *config, const char *from, const char *end, char **to)
{
    while (from < end && *from != '"') {
        int c = (unsigned char) *from++;

        if (c == '\\' && (c = read_escape(&from, end)) < 0) {
            config_fail(config, "after a backslash stands one of \" \\ n r t xHH", NULL);
            return end;
        }
        *(*to)++ = (char) c;
    }
    if (from == end) {
        config_fail(config, "a quote is not closed", NULL);
        return end;
    }
    from++;
    if (from < end && *from != ' ' && *from != '\t')
        config_fail(config, "behind a closing quote stands a space", NULL);
    return from;
}

/* Reads the word that begins at `from`.  Returns behind it and what ended it. */
static char *read_word(struct config *config, char *from, char *end)
{
    struct config_word word = {from, 0, *from == '"'};
    char *to = from;

    if (config->count == CONFIG_WORDS_MAX) {
        config_fail(config, "there are too many words", NULL);
        return end;
    }
    if (word.quoted) {
        from = (char *) read_quoted(config, from + 1, end, &to);
    } else {
        while (from < end && *from != ' ' && *from != '\t' && *from != '"')
            from++;
        to = from;
        if (from < end && *from == '"')
            config_fail(config, "a quote begins inside a word", NULL);
    }
    word.size = (size_t) (to - word.text);
    *to = 0;
    config->words[config->count++] = word;
    return from < end ? from + 1 : end;
}

static void split_line(struct config *config, char *from, char *end)
{
    if (end > from && end[-1] == '\r')
        end--;
    for (;;) {
        while (from < end && (*from == ' ' || *from == '\t'))
            from++;
        if (from == end || *from == '#' || config->failed)
            return;
        from = read_word(config, from, end);
    }
}

bool config_line(struct config *config)
{
    if (!config->failed && config->next < config->count)
        config_fail(config, "this is too much: ", config_peek(config));
    config->count = config->next = 0;
    while (!config->failed && config->count == 0) {
        char *from = config->text.data + config->at;
        size_t left = config->text.length - config->at;
        char *end = left ? memchr(from, '\n', left) : NULL;

        if (left == 0)
            return false;
        config->line++;
        config->at += end ? (size_t) (end - from) + 1 : left;
        split_line(config, from, end ? end : from + left);
    }
    return !config->failed;
}

/* --- words ------------------------------------------------------------------------------------*/

static const struct config_word *peek(const struct config *config)
{
    return config->failed || config->next == config->count ? NULL : &config->words[config->next];
}

const char *config_peek(const struct config *config)
{
    const struct config_word *word = peek(config);
    return word ? word->text : NULL;
}

bool config_take(struct config *config, const char *keyword)
{
    const struct config_word *word = peek(config);

    if (!word || word->quoted || strcmp(word->text, keyword) != 0)
        return false;
    config->next++;
    return true;
}

void config_need(struct config *config, const char *keyword)
{
    if (!config_take(config, keyword))
        config_fail(config, "expected ", keyword);
}

struct config_word config_bytes(struct config *config, const char *what)
{
    const struct config_word *word = peek(config);

    if (!word) {
        config_fail(config, "expected ", what);
        return (struct config_word){"", 0, false};
    }
    config->next++;
    return *word;
}

const char *config_word(struct config *config, const char *what)
{
    struct config_word word = config_bytes(config, what);

    if (memchr(word.text, 0, word.size)) {
        config_fail(config, "a NUL cannot be here: ", what);
        return "";
    }
    return word.text;
}

bool config_number_follows(const struct config *config)
{
    const struct config_word *word = peek(config);
    return word && !word->quoted && *word->text >= '0' && *word->text <= '9';
}

uint64_t config_number(struct config *config, uint64_t least, uint64_t most)
{
    const struct config_word *word = peek(config);
    char text[2 * NUM_DIGITS + 8];
    uint64_t number;

    if (word && num_parse(word->text, word->size, &number) == 0 && number >= least &&
        number <= most) {
        config->next++;
        return number;
    }
    size_t length = num_format(text, least);
    memcpy(text + length, " to ", 4);
    num_format(text + length + 4, most);
    config_fail(config, "expected a number from ", text);
    return least;
}

int64_t config_time(struct config *config)
{
    const struct config_word *word = peek(config);
    int64_t ns = 0;

    if (word && config_parse_time(word->text, &ns) == 0)
        config->next++;
    else
        config_fail(config, "expected a time as in 5s, 1h30m or 20ms", NULL);
    return ns;
}

const char *config_payload(struct config *config, size_t size)
{
    const char *bytes = config->text.data + config->at;

    if (config->failed)
        return NULL;
    if (size > config->text.length - config->at) {
        config_fail(config, "the configuration ends before these bytes do", NULL);
        return NULL;
    }
    config->at += size;
    return bytes;
}

/* --- texts ------------------------------------------------------------------------------------*/

#define TIME_MAX_NS (INT64_C(250) * 365 * 86400 * 1000000000)

/* Nanoseconds of the unit at *text, which is moved behind it; 0 if there is none. */
static int64_t read_unit(const char **text)
{
    static const struct {
        char name[3];
        int64_t ns;
    } units[] = {{"ms", 1000000},
                 {"us", 1000},
                 {"d", INT64_C(86400000000000)},
                 {"h", INT64_C(3600000000000)},
                 {"m", INT64_C(60000000000)},
                 {"s", 1000000000}};

    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        size_t length = strlen(units[i].name);

        if (strncmp(*text, units[i].name, length) == 0) {
            *text += length;
            return units[i].ns;
        }
    }
    return 0;
}

/* Reads the digits at *text after a point as billionths; -1 if there are none. */
static int64_t read_fraction(const char **text)
{
    int64_t billionths = 0, worth = 100000000;

    if (**text < '0' || **text > '9')
        return -1;
    for (; **text >= '0' && **text <= '9'; ++*text, worth /= 10)
        billionths += (**text - '0') * worth;
    return billionths;
}

/* Reads one number with its unit.  0, or -1 with errno. */
static int read_part(const char **text, int64_t *ns)
{
    uint64_t whole;
    int64_t fraction = 0, unit;
    size_t digits = strspn(*text, "0123456789");

    if (num_parse(*text, digits, &whole) < 0)
        return -1;
    *text += digits;
    if (**text == '.') {
        ++*text;
        fraction = read_fraction(text);
    }
    unit = read_unit(text);
    if (fraction < 0 || unit == 0) {
        errno = EINVAL;
        return -1;
    }
    if (whole > (uint64_t) (TIME_MAX_NS / unit)) {
        errno = ERANGE;
        return -1;
    }
    *ns = (int64_t) whole * unit;
    *ns += unit < 1000000000 ? unit * fraction / 1000000000 : unit / 1000000000 * fraction;
    return 0;
}

int config_parse_time(const char *text, int64_t *ns)
{
    int64_t part;

    *ns = 0;
    do {
        if (read_part(&text, &part) < 0)
            return -1;
        *ns += part;
        if (*ns > TIME_MAX_NS) {
            errno = ERANGE;
            return -1;
        }
    } while (*text);
    return 0;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char) (c + 32) : c;
}

bool config_matches(const char *pattern, const char *text, size_t size)
{
    const char *star = NULL;
    size_t at = 0, resume = 0;

    while (at < size) {
        if (*pattern == '*') {
            star = ++pattern;
            resume = at;
        } else if (*pattern && (*pattern == '?' || lower(*pattern) == lower(text[at]))) {
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

/* SPDX-License-Identifier: ISC */
#include "sim/world/records.h"

#include <stdlib.h>
#include <string.h>

#include "sim/world/pool.h"

#define TROUBLE_SHOWN 200

/* --- words -----------------------------------------------------------------------------------*/

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* The byte that an escape behind a backslash means; *from is moved behind it.  -1: none. */
static int read_escape(const char **from, const char *end)
{
    const char *at = *from;
    int high, low;

    if (at == end)
        return -1;
    *from = at + 1;
    switch (*at) {
    case '"':
    case '\\':
        return *at;
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'x':
        high = end - at > 2 ? hex_digit(at[1]) : -1;
        low = end - at > 2 ? hex_digit(at[2]) : -1;
        *from = at + 3;
        return high < 0 || low < 0 ? -1 : high * 16 + low;
    default:
        return -1;
    }
}

/* Reads a quoted word behind its first quote into `to`; -1 if it does not end well. */
static int read_quoted(const char **from, const char *end, char **to)
{
    while (*from < end && **from != '"') {
        int byte = (unsigned char) *(*from)++;

        if (byte == '\\')
            byte = read_escape(from, end);
        if (byte < 0)
            return -1;
        *(*to)++ = (char) byte;
    }
    if (*from == end)
        return -1;
    (*from)++;
    return *from < end && **from != ' ' ? -1 : 0;
}

static struct record_word *add_word(struct record_words *list)
{
    if (list->count == list->room) {
        list->room = list->room ? 2 * list->room : 8;
        list->words = must_resize(list->words, list->room * sizeof *list->words);
    }
    return &list->words[list->count++];
}

/* Parts a line into words.  NULL, or what is wrong. */
static const char *split_words(const char *line, size_t size, struct record_words *list)
{
    const char *at = line, *end = line + size;
    char *to;

    list->count = 0;
    if (2 * size + 1 > list->text_room) { /* each word has a byte before it, or is quoted */
        list->text_room = 2 * size + 1;
        list->text = must_resize(list->text, list->text_room);
    }
    to = list->text;
    for (;;) {
        struct record_word *word;

        while (at < end && *at == ' ')
            at++;
        if (at == end)
            return list->count > 0 ? NULL : "an empty line";
        word = add_word(list);
        word->text = to;
        if (*at == '"') {
            at++;
            if (read_quoted(&at, end, &to) < 0)
                return "a quoted word that does not end well";
        } else {
            while (at < end && *at != ' ')
                *to++ = *at++;
        }
        word->size = (size_t) (to - word->text);
        *to++ = 0;
    }
}

bool record_number(const struct record_word *word, uint64_t *number)
{
    uint64_t value = 0;

    for (size_t i = 0; i < word->size; i++) {
        unsigned digit = (unsigned) word->text[i] - '0';

        if (digit > 9 || value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *number = value;
    return word->size > 0;
}

bool record_word_is(const struct record_word *word, const char *text)
{
    return word->size == strlen(text) && memcmp(word->text, text, word->size) == 0;
}

/* --- records ---------------------------------------------------------------------------------*/

struct telling {
    struct record_reader *reader;
    record_teller *tell;
    void *context;
};

static void tell_trouble(struct telling *telling, const char *line, size_t size,
                         const char *trouble)
{
    char shown[TROUBLE_SHOWN + 1];
    struct record_line record = {.trouble = trouble, .line = shown};

    if (size > TROUBLE_SHOWN)
        size = TROUBLE_SHOWN;
    memcpy(shown, line, size);
    shown[size] = 0;
    telling->tell(telling->context, &record);
}

/* The raw bytes that this record has behind it: *size.  False: it should have, but does not say
 * how many. */
static bool data_size(const struct record_words *list, uint64_t *size)
{
    *size = 0;
    if (!record_word_is(&list->words[0], "took"))
        return true;
    return list->count >= 5 && record_number(&list->words[4], size) && *size <= RECORD_DATA_MAX;
}

static void free_words(struct record_words *list)
{
    free(list->words);
    free(list->text);
}

/* A line is whole; with `data` its raw bytes are there too. */
static void take_line(struct telling *telling, const char *line, size_t size, const char *data,
                      size_t data_count)
{
    struct record_reader *reader = telling->reader;
    struct record_words list = reader->last;
    const char *trouble;
    uint64_t want = 0;

    reader->last = (struct record_words){0}; /* while they are told they are nobody else's */
    trouble = split_words(line, size, &list);

    if (!trouble && !data_size(&list, &want))
        trouble = "\"took\" without the size of its message";
    if (trouble) {
        tell_trouble(telling, line, size, trouble);
    } else if (!data && record_word_is(&list.words[0], "took")) {
        reader->want = (size_t) want + 1;
        reader->line = must_copy(line, size);
    } else {
        struct record_line record = {
            .words = list.words, .count = list.count, .data = data, .size = data_count};

        telling->tell(telling->context, &record);
    }
    free_words(&reader->last);
    reader->last = list;
}

/* The raw bytes are all there, with the newline behind them. */
static void take_data(struct telling *telling, const char *data, size_t size)
{
    struct record_reader *reader = telling->reader;
    char *line = reader->line;

    reader->line = NULL;
    reader->want = 0;
    if (data[size - 1] != '\n')
        tell_trouble(telling, line, strlen(line), "no newline behind the message");
    else
        take_line(telling, line, strlen(line), data, size - 1);
    free(line);
}

static void keep(struct record_reader *reader, const char *bytes, size_t size)
{
    if (reader->used + size + 1 > reader->room) {
        while (reader->used + size + 1 > reader->room)
            reader->room = reader->room ? 2 * reader->room : 256;
        reader->bytes = must_resize(reader->bytes, reader->room);
    }
    memcpy(reader->bytes + reader->used, bytes, size);
    reader->used += size;
}

/* How many of these bytes end what is being read; 0: more must come. */
static size_t find_end(const struct record_reader *reader, const char *bytes, size_t size)
{
    const char *newline;

    if (reader->want > 0)
        return reader->used + size >= reader->want ? reader->want - reader->used : 0;
    newline = memchr(bytes, '\n', size);
    return newline ? (size_t) (newline - bytes) + 1 : 0;
}

/* What was being read is whole: kept bytes and `size` more. */
static void complete(struct telling *telling, const char *bytes, size_t size)
{
    struct record_reader *reader = telling->reader;

    if (reader->skipping) {
        reader->skipping = false;
        return;
    }
    if (reader->used > 0) {
        keep(reader, bytes, size);
        bytes = reader->bytes;
        size = reader->used;
        reader->used = 0;
    }
    if (reader->want > 0)
        take_data(telling, bytes, size);
    else
        take_line(telling, bytes, size - 1, NULL, 0);
}

void records_feed(struct record_reader *reader, const char *bytes, size_t size, record_teller *tell,
                  void *context)
{
    struct telling telling = {reader, tell, context};

    while (size > 0) {
        size_t end = find_end(reader, bytes, size);

        if (end == 0) {
            if (reader->want == 0 && !reader->skipping && reader->used + size > RECORD_LINE_MAX) {
                tell_trouble(&telling, reader->used ? reader->bytes : bytes,
                             reader->used ? reader->used : size, "an endless line");
                reader->skipping = true;
                reader->used = 0;
            }
            if (!reader->skipping)
                keep(reader, bytes, size);
            return;
        }
        complete(&telling, bytes, end);
        bytes += end;
        size -= end;
    }
}

bool records_at_end(const struct record_reader *reader)
{
    return reader->used == 0 && reader->want == 0 && !reader->skipping;
}

void records_free(struct record_reader *reader)
{
    free(reader->bytes);
    free(reader->line);
    free_words(&reader->last);
    memset(reader, 0, sizeof *reader);
}

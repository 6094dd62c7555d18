/* SPDX-License-Identifier: ISC */
/*
 * What an actor tells on its descriptor 1: records, one a line, of words as a scenario has them
 * (bare, or in double quotes with \" \\ \n \r \t \xHH).  The record
 *
 *     took CONNECTION NUMBER SENDER SIZE RECIPIENT...
 *
 * has SIZE raw bytes and a newline behind its line.  The reader takes the bytes as they come, in
 * pieces of any size.  It is told by a program that may be wrong: what does not check out is told
 * as trouble, and reading goes on with the next line.
 */
#ifndef SIM_WORLD_RECORDS_H
#define SIM_WORLD_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECORD_LINE_MAX ((size_t) 8 << 20)   /* bytes of a line */
#define RECORD_DATA_MAX ((size_t) 512 << 20) /* raw bytes behind a line */

struct record_word {
    const char *text; /* `size` bytes, maybe with NULs, and a NUL behind them */
    size_t size;
};

/* Valid while it is told. */
struct record_line {
    const struct record_word *words;
    size_t count;     /* at least 1, but 0 for trouble */
    const char *data; /* of "took", else NULL */
    size_t size;
    const char *trouble; /* words about a line that is no record; else NULL */
    const char *line;    /* that line, cut to 200 bytes, for trouble */
};

typedef void record_teller(void *context, const struct record_line *line);

struct record_reader { /* zeroed: at the start of a line */
    char *bytes;       /* of a line, or of raw data, that is not whole yet */
    size_t used, room;
    size_t want;   /* raw bytes and a newline that are still to come; 0: a line */
    char *line;    /* whose raw data are being read */
    bool skipping; /* the line was too long: until its end */
    struct record_words {
        struct record_word *words;
        size_t count, room;
        char *text; /* of all of them */
        size_t text_room;
    } last; /* memory for the words of the next line */
};

/* Takes `size` more bytes and tells each record that they complete. */
void records_feed(struct record_reader *reader, const char *bytes, size_t size, record_teller *tell,
                  void *context);
/* True if nothing is half read. */
bool records_at_end(const struct record_reader *reader);
void records_free(struct record_reader *reader);

/* The word as a decimal number; false if it is none or does not fit. */
bool record_number(const struct record_word *word, uint64_t *number);
/* True if the word is that text. */
bool record_word_is(const struct record_word *word, const char *text);

#endif

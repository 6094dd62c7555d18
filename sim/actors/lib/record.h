/* SPDX-License-Identifier: ISC */
/*
 * What an actor tells on descriptor 1: one record a line, words parted by spaces, each record
 * written with one write, but for those that are held back to be written together.
 *
 *     record_begin(&record, "in");
 *     record_number(&record, connection);
 *     record_quoted(&record, line, length);
 *     record_write(&record);
 *
 * Errors (no memory, the reader is gone) are kept until record_write tells them.
 */
#ifndef SIM_ACTORS_LIB_RECORD_H
#define SIM_ACTORS_LIB_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mta/lib/buf.h"

struct record {
    struct buf line;
    struct buf held; /* whole records, not yet written */
    int fd;
    bool failed; /* this record */
};

#define RECORD_INIT(descriptor)                                                                    \
    {                                                                                              \
        BUF_INIT(0), BUF_INIT(0), (descriptor), false                                              \
    }

/* Begins a record with its kind, a plain word. */
void record_begin(struct record *record, const char *kind);
/* Adds a word, in quotes if it needs them (it is empty, or has spaces, quotes, control bytes or
 * bytes beyond ASCII, or begins with `#`). */
void record_word(struct record *record, const char *text);
void record_bytes(struct record *record, const char *bytes, size_t size);
/* Adds a word in quotes, whatever it holds. */
void record_quoted(struct record *record, const char *bytes, size_t size);
void record_number(struct record *record, uint64_t number);
/* Ends the line and adds raw bytes behind it; last thing before record_write. */
void record_payload(struct record *record, const char *bytes, size_t size);
/* Writes what is held, and then the record and a newline.  Returns 0, or -1 with errno (the record
 * is dropped).  Blocks while a pipe is full. */
int record_write(struct record *record);
/* Ends the record but keeps it back: it is written before the next one that is not, or by
 * record_flush.  For what nobody acts on before the actor waits or is heard.  As record_write. */
int record_hold(struct record *record);
int record_flush(struct record *record);
void record_free(struct record *record);

#endif

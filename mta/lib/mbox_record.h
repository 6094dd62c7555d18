/* SPDX-License-Identifier: ISC */
/*
 * The record beside an mbox: what is being appended, written before it is, so that what a crash
 * leaves of it can be told from everything else.  For .../NAME it is the file .../.NAME.nixie; it
 * stays, and is overwritten.  mbox.c explains when it is believed.
 */
#ifndef MTA_LIB_MBOX_RECORD_H
#define MTA_LIB_MBOX_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mta/lib/buf.h"
#include "mta/lib/mbox_text.h"

#define MBOX_FENCE 4096   /* bytes before the append that are checked */
#define MBOX_HEAD_MAX 512 /* bytes of the append that are kept */
#define MBOX_WRITE 16384  /* bytes of one write of an append */
#define MBOX_SECTOR 512
#define MBOX_FROM_MAX 100000 /* places of "From " that are kept */

struct mbox_record {
    uint64_t inode;    /* of the box */
    uint64_t length;   /* of the box before the append */
    uint64_t size;     /* of the append */
    uint64_t fence;    /* checksum of the MBOX_FENCE bytes before `length` (or what there is) */
    uint64_t checksum; /* of the append */
    struct buf head;   /* the append's first bytes: what comes before the message's own */
    struct mbox_place *from; /* where "From " is in it, ascending */
    size_t from_count;       /* at most MBOX_FROM_MAX: later places are not known */
    size_t from_room;
};

/* The path of the record of the box `path`.  0 or -1 as buf_add. */
int mbox_record_path(struct buf *to, const char *path);

/* Notes a place of "From ".  0, or -1 with ENOMEM. */
int mbox_record_add_from(struct mbox_record *record, const struct mbox_place *place);
/* True if the append has "From " there, followed by the same bytes, as far as they are known and
 * one write or sector goes (mbox_record_may_break). */
bool mbox_record_has_from(const struct mbox_record *record, const struct mbox_place *place);

/* Whether, when `found` stands at this byte of the append and differs, a crash may have done that,
 * though what is before it is ours: it is a zero, as in the hole that a lost write leaves, or it is
 * no text, and here begins a write of ours or a sector of the disk. */
bool mbox_record_may_break(const struct mbox_record *record, uint64_t offset, char found);

/* The whole record as bytes; 0 or -1 as buf_add. */
int mbox_record_build(const struct mbox_record *record, struct buf *bytes);

/* Reads bytes that may be anything.  1 if they are an open record; 0 if not (none, torn, retired);
 * -1 with ENOMEM.  Free it in any case. */
int mbox_record_parse(struct mbox_record *record, const char *bytes, size_t size);

/* What to write at the start of the file to retire a record. */
#define MBOX_RECORD_CLOSED "nixie1 append ----------------"

void mbox_record_free(struct mbox_record *record);

#endif

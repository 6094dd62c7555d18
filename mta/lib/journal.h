/* SPDX-License-Identifier: ISC */
/*
 * lock/journal: what the staying queue has accepted and the files of the spool do not hold durably
 * yet.  One fdatasync of a file whose blocks are there already costs a tenth of what making new
 * names and files durable does.
 *
 *   0       two slots, 512 bytes apart: lines "nixie1 journl BOOT SERIAL GENERATION COVERED STATE
 *           CHECK\n".  The one with the higher serial that checks out counts; the other one is
 *           overwritten next, once it is certain that this one is durable: who has not
 *           seen it become that writes it once more, and waits for the disk.
 *   4096    records, one behind the other: a line "nixie1 accept GENERATION SEQUENCE NUMBER TODO
 *           MESS CHECK\n" (lengths; the check is of the line and todo), then todo/N, then mess/N
 *
 * Records of the slot's generation count from 1; the first line that is not the next one ends them.
 * Of those up to COVERED everything in the spool is durable: a syncfs has begun and ended well
 * since mess/N and todo/N were made.  The others are made again from the journal when the machine
 * starts (BOOT is another one).  STATE 1: a syncfs has failed, so that the next one says nothing of
 * what came before it; nothing more is covered in this generation.
 *
 * The current directory must be HOME/queue.  Only nixie-queue --stay adds records and begins
 * generations; nixie-clean covers them too.  A slot is changed under a flock on the file.
 */
#ifndef MTA_LIB_JOURNAL_H
#define MTA_LIB_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "mta/lib/buf.h"

#define JOURNAL_FIRST 4096 /* offset of the first record */
#define JOURNAL_LINE_SIZE 112
#define JOURNAL_TODO_MAX 65536
#define JOURNAL_MESS_MAX 65536

struct journal_slot {
    uint64_t boot;
    uint64_t serial;
    uint64_t generation;
    uint64_t covered;
    bool tainted;
};

struct journal {
    int fd; /* -1: there is none */
    struct journal_slot slot;
    unsigned place;  /* of the slot: 0, 1 */
    uint64_t sure;   /* serial of the slot that this program has seen become durable, 0: none */
    uint64_t last;   /* sequence of the last record that was found, 0: none */
    uint64_t end;    /* offset behind it */
    bool owes_taint; /* a taint could not be written yet */
};

struct journal_record {
    uint64_t number;
    size_t todo_size, mess_size;
};

/* Opens it.  Returns 1; 0 if there is none; -1 with errno (EBADMSG: no slot checks out, the
 * descriptor is open all the same). */
int journal_open(struct journal *journal);
void journal_close(struct journal *journal);

/* Held while a message is looked for and made again, and by who removes files that this might bring
 * back.  Blocks; not nested, nor around journal_write_slot.  0, or -1 with errno. */
int journal_lock(const struct journal *journal);
void journal_unlock(const struct journal *journal); /* errno stays */

/* Reads the slots again; the records of another generation are looked for anew.  A taint that is
 * owed is written, or counts at least here.  0, or -1 with errno (EBADMSG). */
int journal_refresh(struct journal *journal);

/* The first slot of a file that has none: journal->slot.generation and this boot.  Not synced.  0,
 * or -1 with errno. */
int journal_make_slot(struct journal *journal, uint64_t boot);

/* Writes `slot` in the place of the older one and waits for the disk; its serial is set.  Nothing
 * is done if the generation is not journal->slot's any more, and 0 is returned.  Else 0, or -1 with
 * errno. */
int journal_write_slot(struct journal *journal, struct journal_slot slot);

/* The line of a record at the end of `to`, 0 or -1 with ENOMEM. */
int journal_build_line(struct buf *to, uint64_t generation, uint64_t sequence,
                       const struct journal_record *record, const char *todo);

/* Goes on to the next record.  With `content` reads what is in it, todo before mess, and checks the
 * line (of what follows todo knows length and checksum).  Returns 1; 0 if there is none; -1 with
 * errno. */
int journal_next(struct journal *journal, struct journal_record *record, struct buf *content);

/* A syncfs has failed: what was to be made durable may be lost, and no later one of this program
 * tells of it.  That holds for a generation that began while it was under way too.  What cannot be
 * written is owed, and counts in this program. */
void journal_taint(struct journal *journal);

/* syncfs of `commit_fd` (opened before anything was written), then everything that was recorded
 * before it is covered.  0, or -1 with errno: nothing is known to be durable. */
int journal_cover(struct journal *journal, int commit_fd);

#endif

/* SPDX-License-Identifier: ISC */
/*
 * bounce/N read piece by piece, in memory that does not grow with it: a message with some hundred
 * thousand failed recipients has a file of many megabytes.  The format is spool.h's.
 *
 *     bounce_file_open(&file, number, 0);
 *     while ((found = bounce_file_next(&file, &piece)) != 0)
 *         found < 0 && errno != EBADMSG: reading failed; else a piece, or a damaged place
 *     bounce_file_close(&file);
 */
#ifndef MTA_LIB_BOUNCE_FILE_H
#define MTA_LIB_BOUNCE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mta/lib/buf.h"
#include "mta/lib/spool.h"

#define BOUNCE_PIECE_MAX 65536 /* bytes; send's reports are shorter by far */

struct bounce_file {
    uint64_t number;
    int fd;
    struct buf window; /* a part of the file, which begins at `offset` */
    uint64_t offset;
    size_t from, at; /* in the window: where what was taken last begins and ends */
    bool ended;      /* nothing is behind the window */
};

/* Opens bounce/NUMBER and begins at `offset`, 0 or what bounce_file_begin said.  0, or -1 with
 * errno (EBADMSG: it is no file), nothing is then held. */
int bounce_file_open(struct bounce_file *file, uint64_t number, uint64_t offset);
/* Takes the next piece, which points into the window: it is gone at the next call.  Returns 1; 0 at
 * the end; -1 with EBADMSG: bytes were passed over that are no whole piece, and the next call goes
 * on behind them; -1 with another errno: reading failed, or no memory.  May block on the disk. */
int bounce_file_next(struct bounce_file *file, struct spool_bounce *piece);
/* Where what bounce_file_next has taken begins and ends in the file. */
uint64_t bounce_file_begin(const struct bounce_file *file);
uint64_t bounce_file_end(const struct bounce_file *file);
/* Gives everything back.  Leaves errno as it is. */
void bounce_file_close(struct bounce_file *file);

#endif

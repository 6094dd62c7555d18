/* SPDX-License-Identifier: ISC */
/*
 * The message that a bounce is: built in memory but for the copy of the original, which goes
 * between `begin` and `end`.
 *
 * Two forms (control/bounceformat): `report`, a multipart/report of RFC 6522 and RFC 3464 whose
 * first part is the text of the other, and `qsbmf`, plain QSBMF
 * (https://cr.yp.to/proto/qsbmf.txt), which mailing list managers read.
 */
#ifndef MTA_SEND_NOTICE_H
#define MTA_SEND_NOTICE_H

#include <stdbool.h>
#include <stdint.h>

#include "mta/lib/buf.h"
#include "mta/lib/spool.h"

struct send;

enum notice_type { NOTICE_BOUNCE, NOTICE_DOUBLE_BOUNCE };

#define NOTICE_BOUNDARY_SIZE 72
#define NOTICE_RECORD_MAX ((size_t) 4 << 20) /* bytes of bounce/N that one message tells of */

struct notice {
    uint64_t number; /* of the message that bounces */
    bool damaged;    /* a part of its record was lost */
    struct buf info_file;
    struct buf record;         /* whole pieces of bounce/N ... */
    uint64_t begin_at, end_at; /* ... from there; and where the next message begins, ... */
    bool more;                 /* ... if there is one */
    struct spool_message info; /* into info_file */
    /* Made by notice_build. */
    enum notice_type type;
    struct buf recipient; /* who gets it */
    struct buf begin, end;
    /* While it is made. */
    struct buf text, status;
    size_t failures; /* whole pieces of the record */
    bool original_is_8bit;
    char boundary[NOTICE_BOUNDARY_SIZE];
};

void notice_init(struct notice *notice, uint64_t number, bool damaged);
void notice_free(struct notice *notice);

/* Makes the notice from `info_file`, `info` and `record`, which the caller has read.  Reads mess/N
 * once if a report is made, so as to choose a boundary.  0, or -1 with errno. */
int notice_build(struct send *send, struct notice *notice);

/* --- for notice.c --- */

/* notice_text.c: adds the body of QSBMF up to the line above the original to notice->text; counts
 * `failures`.  0 or -1 with errno. */
int notice_add_text(struct send *send, struct notice *notice);

/* notice_status.c: the body of the message/delivery-status part, in notice->status.  0 or -1 with
 * errno. */
int notice_add_status(const struct send *send, struct notice *notice);

#endif

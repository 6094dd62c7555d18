/* SPDX-License-Identifier: ISC */
/*
 * NUL-ended records, of which envelopes and the bodies of spool files are made, and the envelope
 * that nixie-queue takes: `F`SENDER`\0` (`T`RECIPIENT`\0`)* `\0`.
 *
 * Parsers work in memory that the caller keeps; what they return points into it.
 */
#ifndef MTA_LIB_ENVELOPE_H
#define MTA_LIB_ENVELOPE_H

#include <stddef.h>

#define ENVELOPE_ADDRESS_MAX 1002 /* bytes of an address without its NUL */
#define ENVELOPE_SIZE_MAX ((size_t) 16 << 20)
/* Envelopes of many short recipients grow when nixie-send rewrites them: a host where there is
 * none, a prefix of virtualdomains.  With so many bytes added to each recipient an envelope may
 * have so many in all, and local/N and remote/N stay below BUF_LIMIT. */
#define ENVELOPE_ADDED 64
#define ENVELOPE_REWRITTEN_MAX ((size_t) 63 << 20)

struct record {
    char letter;
    const char *text; /* behind the letter, NUL-terminated */
    size_t size;      /* of text, without the NUL */
    size_t offset;    /* of the letter from the start of what is parsed */
};

/* Takes the record at offset *at of `size` bytes and moves *at behind it.  Returns 1; 0 at the
 * end; -1 with EBADMSG if there is no NUL any more or the record is empty (no letter). */
int record_next(const char *bytes, size_t size, size_t *at, struct record *record);

enum envelope_result {
    ENVELOPE_OK,
    ENVELOPE_CUT,     /* ends before its last NUL: more may come */
    ENVELOPE_LONG,    /* an address is longer than ENVELOPE_ADDRESS_MAX, or all are together than
                         ENVELOPE_REWRITTEN_MAX */
    ENVELOPE_INVALID, /* a wrong letter */
};

struct envelope {
    const char *sender; /* NUL-terminated */
    size_t sender_size;
    const char *recipients; /* a run of `T` records */
    size_t recipients_size; /* bytes */
    size_t recipient_count;
    size_t size; /* of the whole envelope; bytes behind it were not looked at */
};

/* Reads an envelope at the start of `size` bytes.  *envelope is set only for ENVELOPE_OK. */
enum envelope_result envelope_parse(const char *bytes, size_t size, struct envelope *envelope);

/* How far envelope_resume got; zeroed at first. */
struct envelope_progress {
    size_t at;
    size_t sender_end;
    size_t recipient_count;
};
/* As envelope_parse, for bytes that grow: after ENVELOPE_CUT call it again with the same bytes and
 * more behind them, and what was read is not read again. */
enum envelope_result envelope_resume(struct envelope_progress *progress, const char *bytes,
                                     size_t size, struct envelope *envelope);

#endif

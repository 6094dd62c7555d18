/* SPDX-License-Identifier: ISC */
/*
 * The files of the spool: their paths and their formats (docs/architecture.md, "The spool").
 *
 * Paths are relative to the current directory, which must be HOME/queue.  Builders make a whole
 * file in a buf; parsers look at a whole file in memory that the caller keeps (io_read_file), what
 * they return points into it.  Parsers trust nothing: they return -1 with EBADMSG for a file that
 * does not check out.  Builders return 0, or -1 with ENOMEM or EMSGSIZE (the buf's limit passed),
 * and may then leave a part of the file in the buf.
 */
#ifndef MTA_LIB_SPOOL_H
#define MTA_LIB_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "mta/lib/buf.h"
#include "mta/lib/envelope.h"

enum spool_kind {
    SPOOL_PID,
    SPOOL_MESS,
    SPOOL_INTD, /* the same file as todo, and it says todo */
    SPOOL_TODO,
    SPOOL_INFO,
    SPOOL_LOCAL,
    SPOOL_REMOTE,
    SPOOL_BOUNCE,
    SPOOL_CORRUPT,
    SPOOL_KIND_COUNT
};

/* A birth or next try beyond this is not believed (Unix seconds, the year 9999). */
#define SPOOL_TIME_MAX INT64_C(253402300799)

/* --- paths --- */

/* The directory of a kind: "todo". */
const char *spool_directory(enum spool_kind kind);
/* The kind whose directory is the `size` bytes `name`: 0, or -1 with EINVAL. */
int spool_kind_parse(const char *name, size_t size, enum spool_kind *kind);

#define SPOOL_PATH_SIZE 32
/* "todo/17" into `to`; returns `to`. */
const char *spool_path(char to[SPOOL_PATH_SIZE], enum spool_kind kind, uint64_t number);

/* The number that names a file: decimal, from 1 on, no leading zero, not UINT64_MAX.  0, or -1
 * with EINVAL (some other file). */
int spool_number_parse(const char *name, size_t size, uint64_t *number);

/* --- every file but mess: a header line, then a body --- */

#define SPOOL_HEADER_SIZE 63
#define SPOOL_BODY_MAX UINT64_C(9999999999)

/* Starts a file: leaves room for the header at the end of `file`.  Returns its offset in *start. */
int spool_begin(struct buf *file, size_t *start);
/* Fills in the header at `start`; the body is what was added behind it.  Cannot fail. */
void spool_end(struct buf *file, size_t start, enum spool_kind kind, uint64_t number);

#define SPOOL_LABEL_SIZE 35 /* of the header: up to the space behind the number */
/* True if the file begins as that kind and number does, whether or not it checks out: it was
 * written as this file, and is damaged if it does not. */
bool spool_is_labelled(const char *file, size_t size, enum spool_kind kind, uint64_t number);

/* True if the `size` bytes at `file` begin with a header that fits kind, number and a body that
 * checks out; *used is the size of both.  Bytes behind them are not looked at. */
bool spool_check(const char *file, size_t size, enum spool_kind kind, uint64_t number,
                 size_t *used);

/* --- intd, todo and info --- */

struct spool_message {
    uint64_t uid;           /* of the caller of queue */
    uint64_t qp;            /* `qp` of the log: the message's number */
    int64_t birth;          /* Unix seconds */
    uint64_t mess_length;   /* bytes of mess/N */
    uint64_t mess_checksum; /* its checksum_of */
    const char *sender;     /* NUL-terminated */
    size_t sender_size;
    const char *recipients; /* `T` records, for record_next; none in info */
    size_t recipients_size; /* bytes */
};

/* todo/N (and intd/N) or info/N at the end of `file`. */
int spool_todo_build(struct buf *file, uint64_t number, const struct spool_message *message);
int spool_info_build(struct buf *file, uint64_t number, const struct spool_message *message);
/* 0, or -1 with EBADMSG. */
int spool_todo_parse(const char *file, size_t size, uint64_t number, struct spool_message *message);
int spool_info_parse(const char *file, size_t size, uint64_t number, struct spool_message *message);

/* Reads the message open at `fd` from its offset on and compares length and checksum.  Returns 0,
 * -1 with EBADMSG if it is not the whole message, or with read's errno.  May block on the disk. */
int spool_mess_check(int fd, uint64_t length, uint64_t checksum);

/* --- local and remote --- */

/* A channel file: begin, any number of adds, end (spool_end, with its kind). */
int spool_channel_begin(struct buf *file, enum spool_kind kind, uint64_t number, int64_t next_try,
                        size_t *start);
int spool_channel_add(struct buf *file, const char *recipient, size_t size);

struct spool_channel {
    int64_t next_try;    /* Unix seconds */
    bool next_try_known; /* false: torn, next_try is 0 */
    size_t first;        /* offset in the file of the first record, for record_next over the
                            whole file: letter `T` to do, `D` done, `offset` is where to mark */
    size_t to_do, done;  /* how many */
};
int spool_channel_parse(const char *file, size_t size, enum spool_kind kind, uint64_t number,
                        struct spool_channel *channel);

/* Marks the recipient at `offset` done in the file open for writing at `fd`, which must be open
 * without O_APPEND.  Not synced.  0, or -1 with errno. */
int spool_channel_mark(int fd, size_t offset);
/* The same in memory: `file` is a whole channel file. */
void spool_channel_set_next_try(char *file, enum spool_kind kind, uint64_t number,
                                int64_t next_try);
/* Overwrites the next try.  Not synced.  0, or -1 with errno. */
int spool_channel_write_next_try(int fd, enum spool_kind kind, uint64_t number, int64_t next_try);

/* --- bounce: one piece a failed recipient, appended one after another --- */

/* One piece at the end of `file`.  `text` counts up to its first NUL. */
int spool_bounce_build(struct buf *file, uint64_t number, const char *recipient,
                       size_t recipient_size, const char *text, size_t text_size);

struct spool_bounce {
    const char *recipient; /* NUL-terminated */
    size_t recipient_size;
    const char *text; /* NUL-terminated */
    size_t text_size;
};
/* Takes the piece at *at and moves *at behind it.  Returns 1; 0 at the end; -1 with EBADMSG for
 * bytes that are no whole piece (an append that a crash tore): *at is then the next place where
 * a piece may begin, or the end, so that a loop that goes on after -1 finds all that is whole. */
int spool_bounce_next(const char *file, size_t size, uint64_t number, size_t *at,
                      struct spool_bounce *bounce);

/* --- files that do not check out --- */

/* Opens KIND/NUMBER, which must be a regular file, with O_RDONLY, O_RDWR or O_WRONLY.  Never waits
 * for a FIFO and never follows a link.  A descriptor, or -1 with errno; EBADMSG: it is something
 * else than a file, or a file that is not for us to open. */
int spool_open(enum spool_kind kind, uint64_t number, int flags);
/* Whether KIND/NUMBER is a regular file: its length.  0, or -1 with errno (EBADMSG as above). */
int spool_length(enum spool_kind kind, uint64_t number, uint64_t *length);
/* Moves KIND/NUMBER, whatever it is, to corrupt/KIND.NUMBER, or to corrupt/KIND.NUMBER.2 and so on
 * up to .9 if that is taken: what was set aside is never overwritten by this.  0, or -1 with
 * errno. */
int spool_aside(enum spool_kind kind, uint64_t number);

#endif

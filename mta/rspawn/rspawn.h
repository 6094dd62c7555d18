/* SPDX-License-Identifier: ISC */
/*
 * The parts of nixie-rspawn (main.c says what it does).
 *
 * A group is one message for recipients of one host, as send asks for it.  It is read (request.c),
 * given to a worker (pool.c, worker.c), and reported, recipient by recipient (group.c).  Nothing
 * waits but the poll in main.c, and no report needs memory that was not taken before.
 */
#ifndef MTA_RSPAWN_RSPAWN_H
#define MTA_RSPAWN_RSPAWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "mta/lib/buf.h"
#include "mta/lib/smtp_routes.h"

#define WORKERS_MAX 500              /* groups at once; control/concurrencyremote may say less */
#define GROUP_MAX 1000               /* recipients of a group; send asks for 100 at most */
#define FIELD_MAX 5000               /* bytes of an address */
#define RECIPIENTS_BYTES_MAX 1000000 /* of a group; a worker takes a little more */
#define REPORT_TEXT_MAX 9000         /* bytes of a report that are passed on */
#define OUT_MAX 65536                /* bytes of reports that wait for send */
#define WORKER_JOBS_MAX 500          /* after which a worker is replaced */
#define WORKER_IDLE_MS 6000          /* after which it is ended */

/* --- group.c: whom to report to send --- */

struct reports {
    struct buf out; /* OUT_MAX bytes reserved; not written yet */
    bool listening; /* somebody reads descriptor 1 */
};

struct group {
    uint16_t *slots; /* of the recipients; owned */
    size_t count;
    size_t reported;     /* of them */
    const char *failure; /* constant: the report of those left, once it is sure */
};

/* 0, or -1 with ENOMEM. */
int reports_init(struct reports *reports);
/* Whether there is room for a report of any size. */
bool reports_have_room(const struct reports *reports);
/* Adds one (letter and text, `size` bytes, cut to REPORT_TEXT_MAX); there must be room. */
void reports_add(struct reports *reports, unsigned slot, const char *text, size_t size);
/* Writes what descriptor 1 takes now. */
void reports_flush(struct reports *reports);

/* Reports group->failure to as many as there is room for.  True when all are told. */
bool group_fail(struct group *group, struct reports *reports);
void group_free(struct group *group);

/* --- request.c: what send asks for --- */

struct request {
    unsigned stage;
    unsigned count;
    size_t recipient_start; /* in recipients, of the one being read */
    struct group group;     /* the slots read so far */
    struct buf number;      /* of the message, decimal */
    struct buf sender;      /* with its NUL at the end, as the recipients */
    struct buf recipients;
    bool broken; /* too long or no memory: not whole */
    bool whole;
};

int request_init(struct request *request);
/* Takes one byte.  1 if the request is now whole (then request_reset before the next byte), 0; -1
 * with EPROTO if this cannot be send. */
int request_add(struct request *request, char byte);
/* Its group may have been taken over: then slots is NULL.  0, or -1 with ENOMEM. */
int request_reset(struct request *request);
void request_free(struct request *request);

/* --- worker.c --- */

enum worker_state {
    WORKER_NONE,
    WORKER_IDLE,
    WORKER_BUSY,
    WORKER_BROKEN, /* its process is gone or spoke nonsense; the group is reported as failed */
};

struct worker {
    enum worker_state state;
    int fd;
    int message;    /* to be passed; -1: was, or none is there */
    struct buf out; /* the request, from `sent` on */
    size_t sent;
    struct group group;
    struct buf report; /* being read */
    bool report_whole; /* it waits for room */
    bool holds;        /* a connection that can serve `key` again */
    bool not_given;    /* the kernel would not take the request */
    bool shut;         /* it was told that nobody waits any more */
    struct buf key;
    unsigned jobs;
    int64_t idle_since; /* monotonic ms */
};

/* Starts the program.  0, or -1 with errno; nothing is left then. */
int worker_start(struct worker *worker, const char *path, char *const *environment);
/* Gives it the request, whose group it takes over, and the descriptor of the message.  -1 with
 * ENOMEM: nothing was taken. */
int worker_give(struct worker *worker, struct request *request, int message, struct buf *key);
/* After poll: writes and reads what goes. */
void worker_work(struct worker *worker, struct reports *reports, short found, int64_t now);
/* Goes on with what waited for room. */
void worker_report(struct worker *worker, struct reports *reports, int64_t now);
/* What poll is to look for; 0: it need not be asked. */
short worker_events(const struct worker *worker);
/* Nobody waits for its results: it gives up what it can. */
void worker_hurry(struct worker *worker);
/* Lets it go: it ends by itself. */
void worker_end(struct worker *worker);

/* --- pool.c --- */

struct pool {
    struct worker *workers; /* `count` */
    unsigned count;
    const char *program;
    char *const *environment;
    uid_t message_owner;
    struct smtp_routes routes;
    bool routes_known;
    struct stat routes_seen; /* st_nlink 0: there is none */
};

/* Gives a whole request to a worker.  1 if it is given or failed for good (group.failure is set),
 * 0 if it must wait for a worker. */
int pool_give(struct pool *pool, struct request *request);
/* Ends workers that are idle for long or worn out.  Returns when the next will be (monotonic ms,
 * INT64_MAX: none). */
int64_t pool_trim(struct pool *pool, int64_t now);

#endif

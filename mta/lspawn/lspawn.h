/* SPDX-License-Identifier: ISC */
/* The parts of nixie-lspawn (main.c says what it does). */
#ifndef MTA_LSPAWN_LSPAWN_H
#define MTA_LSPAWN_LSPAWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "mta/lib/buf.h"
#include "mta/lib/users.h"

#define LSPAWN_SLOTS 500      /* deliveries at once */
#define LSPAWN_FIELD_MAX 5000 /* bytes of an address in a request */

/* --- request.c: what send asks for --- */

struct request {
    unsigned slot;
    struct buf number;    /* of the message, decimal */
    struct buf sender;    /* all three without their NULs, but with one behind */
    struct buf recipient; /* when the request is whole */
    bool too_long;        /* a field was longer than LSPAWN_FIELD_MAX, or no memory: not whole */
    unsigned stage;
};

void request_init(struct request *request);
/* Takes one byte; true if the request is now whole.  Then request_reset before the next byte. */
bool request_add(struct request *request, char byte);
void request_reset(struct request *request);
void request_free(struct request *request);

/* --- worker.c: processes that stay --- */

/*
 * A worker is a nixie-local that serves one user (uid and gid).  Workers come when they are needed
 * and go when they have been idle; none is ever waited for.  A user whose mail comes in quickly has
 * WORKERS_APART workers busy; further deliveries wait at one of those, which does together what
 * has come to wait, unless it has not answered for a while.
 */
#define WORKERS_MAX 100
#define WORKERS_APART 2
#define WORKER_INPUT 4096
#define WORKER_TOGETHER_MAX 16 /* deliveries that one worker has */
#define WORKER_SLOW_MS 500     /* without an answer */
#define WORKER_JOBS_MAX 500    /* after which it is replaced */
#define WORKER_IDLE_MS 2000    /* after which it is ended */

/* Instead of an exit code (mta/local/local.h). */
enum { WORKER_CODE_READY = 1, WORKER_CODE_OTHER = 2 };

enum worker_state { WORKER_NONE, WORKER_IDLE, WORKER_BUSY };

struct worker {
    enum worker_state state;
    int fd; /* its socket, our end: does not block */
    uid_t uid;
    gid_t gid;
    bool ready;                          /* it has said that it runs */
    unsigned slots[WORKER_TOGETHER_MAX]; /* of its deliveries, while busy */
    unsigned slot_count;
    unsigned last;      /* slot of the one that `request` is for */
    struct buf request; /* of the last one, of which `sent` bytes have gone */
    size_t sent;
    struct buf output; /* of an answer */
    bool cut;          /* there was more than is kept */
    bool text_whole;   /* the end is still to come */
    char end[3];       /* code, tag: end_size bytes of them */
    unsigned end_size; /* ... */
    int code;          /* after WORKER_ANSWERS: an exit code, or WORKER_CODE_OTHER */
    unsigned slot;     /* after WORKER_ANSWERS: whose it is; it has it no more */
    char *input;       /* WORKER_INPUT bytes that all share; from input_at on it is not taken */
    size_t input_at, input_size;
    unsigned jobs;
    int64_t since; /* monotonic ms: idle; or busy without an answer */
};

struct workers {
    struct worker *all; /* WORKERS_MAX */
    /* Starts the program as that user with `socket` as its descriptors 1 and 2: a pid, or -1. */
    pid_t (*start)(void *context, uid_t uid, gid_t gid, int socket);
    void *context;
    char input[WORKER_INPUT];
};

/* Needs `start` and `context`.  0, or -1 with ENOMEM. */
int workers_init(struct workers *workers);
/* Ends all. */
void workers_free(struct workers *workers);
/* One that is that user's and can take a delivery, started if need be.  NULL: there is none to be
 * had now. */
struct worker *workers_take(struct workers *workers, uid_t uid, gid_t gid, int64_t now);
/* Ends workers that are idle for long or worn out.  When the next will be (monotonic ms;
 * INT64_MAX: none is idle). */
int64_t workers_trim(struct workers *workers, int64_t now);

/* Gives a worker that workers_take has found a delivery: the arguments of nixie-local, each with
 * its NUL, and the message, which stays the caller's and open until the answer.  -1: nothing was
 * given (the worker may have ended). */
int worker_give(struct worker *worker, unsigned slot, const struct buf *arguments, int message,
                int64_t now);
/* What poll is to look for. */
short worker_events(const struct worker *worker);

enum worker_news {
    WORKER_SILENT,
    WORKER_ANSWERS, /* an answer is whole: worker_answered, then worker_next must follow */
    WORKER_GONE,    /* worker_end must follow */
};
/* After poll has found something.  `message` is that of the delivery in worker->last.  As long as
 * it ANSWERS, worker_next must be called before another worker is worked. */
enum worker_news worker_work(struct worker *worker, short found, int message);
/* The next of what has been read. */
enum worker_news worker_next(struct worker *worker);
/* An answer has been made use of. */
void worker_answered(struct worker *worker, int64_t now);
void worker_end(struct worker *worker);

/* --- report.c --- */

#define REPORT_MAX 3000 /* bytes of a delivery's output that are passed on */
#define OUTPUT_KEPT (REPORT_MAX + 1)
#define EXIT_CRASHED (-1)

/* Builds the report of a delivery whose program ended with `exit_code` (EXIT_CRASHED: without one)
 * and told `output`, which may have been longer than it is here (`cut`). */
int report_build(struct buf *report, unsigned slot, int exit_code, const struct buf *output,
                 bool cut);
/* Builds a report from a letter and text, such as "ZOut of memory. (#4.3.0)\n". */
int report_build_text(struct buf *report, unsigned slot, const char *text);

#endif

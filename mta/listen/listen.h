/* SPDX-License-Identifier: ISC */
/* The parts of nixie-listen (main.c says what it does).  Functions that return `int` return 0, or
 * -1 with errno. */
#ifndef MTA_LISTEN_LISTEN_H
#define MTA_LISTEN_LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "mta/lib/buf.h"
#include "mta/lib/socket_address.h"

/* --- sockets.c: where we listen --- */

#define SOCKETS_MAX 64

struct sockets {
    int fds[SOCKETS_MAX]; /* -1: closed */
    size_t count;
};

/* Listens on the addresses of control/listen and of `arguments` (NULL-ended), in the home, our
 * current directory.  A port 0 becomes the one that run/listen tells of an earlier life for this
 * address, if that is free, else any.  After trouble `trouble` says what it is. */
int sockets_open(struct sockets *sockets, char *const *arguments, struct buf *trouble);
/* Adds a line ADDRESS:PORT for each, with the real port. */
int sockets_list(const struct sockets *sockets, struct buf *lines);
void sockets_close(struct sockets *sockets);

/* --- pool.c: the workers --- */

#define WORKERS_MAX 1000

struct worker {
    pid_t pid;
    int control; /* our end of its socket; -1: it has been told to end, or has ended */
    bool busy;
    unsigned served;          /* connections so far */
    int64_t since_ms;         /* monotonic: started, or idle since */
    unsigned char client[16]; /* if busy */
};

struct pool {
    const char *program; /* path of nixie-smtpd */
    char *const *environment;
    struct worker workers[WORKERS_MAX];
    size_t count; /* with those that have not been waited for */
    size_t busy;
    int64_t start_after_ms; /* monotonic: no new worker before, since starting one failed */
};

/* Hands the connection `fd` over to an idle worker, or to a new one.  The caller closes `fd`. */
int pool_give(struct pool *pool, int fd, const unsigned char client[16], int64_t now_ms);
/* How many connections from the client's address (IPv6: its /64) are under way. */
size_t pool_count_client(const struct pool *pool, const unsigned char client[16]);
/* Something came from worker `index`. */
void pool_hear(struct pool *pool, size_t index, int64_t now_ms);
/* Waits for those that have ended; tells of those that ended badly. */
void pool_reap(struct pool *pool, int64_t now_ms);
/* Lets idle workers go that are too many for now.  Returns when to call it again, monotonic ms;
 * INT64_MAX: no need. */
int64_t pool_shrink(struct pool *pool, int64_t now_ms);
/* Tells all workers to end when their sessions allow. */
void pool_end(struct pool *pool);
void pool_signal(const struct pool *pool, int number);

/* --- main.c --- */

/* "listen TEXT DETAIL\n" on descriptor 2. */
void tell(const char *text, const char *detail);

#endif

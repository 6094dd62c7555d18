/* SPDX-License-Identifier: ISC */
/*
 * What the admin wants of single messages (nixie-admin), heard on run/send, a Unix stream socket
 * that nixie-start binds and passes as descriptor 8.
 *
 * A client sends lines VERB NUMBER, any number of them without waiting.  Each is answered by one
 * line, in the order in which they are done: `ok NUMBER`, once what was asked is durable, or `no
 * NUMBER REASON`.  What was asked is not done any less if the client goes away.  No client is
 * waited for: one that does not read its answers is not read from.
 *
 *   retry     its recipients are due now
 *   hold      nothing is tried, nothing expires, until it is released
 *   release   tried again, at once
 *   expire    tried once more, now; then who is left bounces
 *   delete    removed without a bounce once its running deliveries have ended
 */
#ifndef MTA_SEND_ADMIN_H
#define MTA_SEND_ADMIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mta/lib/buf.h"

struct send;

#define ADMIN_CLIENTS 4
#define ADMIN_REQUESTS 256 /* that wait for the disk at a time */

struct admin_client {
    int fd;          /* -1: free */
    uint64_t serial; /* never 0, never used again */
    struct buf in, out;
    unsigned pending; /* requests that wait for the disk */
    bool ended;       /* it sends no more */
};

enum admin_verb { ADMIN_RETRY, ADMIN_HOLD, ADMIN_RELEASE, ADMIN_EXPIRE, ADMIN_DELETE };

struct admin_request {
    uint64_t client; /* its serial; 0: free */
    uint64_t number;
    enum admin_verb verb;
};

struct admin {
    int listen_fd;        /* -1: none */
    int64_t accept_after; /* steady seconds: there was no descriptor for who is there */
    uint64_t serials;
    struct admin_client clients[ADMIN_CLIENTS];
    struct admin_request requests[ADMIN_REQUESTS];
};

/* Takes descriptor 8, if it is a socket that listens. */
void admin_open(struct admin *admin);
void admin_free(struct admin *admin);

/* What poll is to look at: for the client at `index` its events, 0: nothing. */
short admin_client_events(const struct admin *admin, unsigned index);

/* After poll said that somebody is there. */
void admin_accept(struct send *send);
/* Hears and answers; cheap if there are no clients. */
void admin_step(struct send *send);

#endif

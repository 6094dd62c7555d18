/* SPDX-License-Identifier: ISC */
/*
 * The made-up DNS: one process that answers over UDP and TCP what it is configured to, well or
 * badly.
 *
 *     listen 192.0.2.53 53          # UDP and TCP; any number; port 0: one that is free
 *     zone away.example             # other names in it do not exist; outside of zones: REFUSED
 *     record away.example 3600 MX 10 mx.away.example     # also A AAAA CNAME TXT NS SOA PTR
 *     age TIME                      # it counts as started TIME ago, for `from` and `until`
 *     on PATTERN [TYPE] [COUNTER] [chance N%] [from TIME] [until TIME] DO
 *
 * DO is one of `nxdomain`, `nodata`, `servfail`, `refused`, `silence` (no answer), `late TIME`
 * (the right answer after TIME), `truncate` (cut over UDP, whole over TCP), `truncate only` (over
 * TCP the connection is reset) and `ok`.  The first rule in order that holds wins; COUNTER as in
 * condition.h, `by client` or `by name`.
 *
 * Records: `listening ADDR PORT`, `query udp|tcp ADDR NAME TYPE`, and for what is sent `answer NAME
 * TYPE WORD`, WORD one of noerror, nodata (noerror without records), nxdomain, servfail, refused,
 * truncated, formerr, notimp.
 */
#ifndef SIM_ACTORS_DNS_SERVER_SERVER_H
#define SIM_ACTORS_DNS_SERVER_SERVER_H

#include "sim/actors/dns-server/answer.h"
#include "sim/actors/lib/condition.h"
#include "sim/actors/lib/endpoint.h"
#include "sim/actors/lib/record.h"

#define LISTENERS_MAX 16
#define CONNECTIONS_MAX 200
#define LATE_MAX 10000                /* answers that wait */
#define IDLE_MS 60000                 /* a connection without a word is closed */
#define UNSENT_MAX ((size_t) 1 << 20) /* of a connection that does not read */

struct rule {
    char *pattern;
    uint16_t type; /* 0: any */
    struct condition condition;
    enum outcome outcome;
    int64_t late_ms;
};

struct listener {
    struct endpoint endpoint;
    int udp;
    int tcp;
};

struct connection {
    int fd; /* -1: free */
    uint64_t id;
    struct endpoint peer;
    struct buf in;  /* length and message, maybe not whole */
    struct buf out; /* not sent yet */
    int64_t heard_ms;
};

struct late {
    int64_t due_ms;
    uint64_t connection; /* its id; 0: UDP */
    unsigned listener;   /* of UDP */
    struct endpoint peer;
    struct buf message;
    struct buf record; /* the line that tells of it */
};

struct server {
    struct data data;
    struct buf rules; /* of struct rule */
    struct listener listeners[LISTENERS_MAX];
    size_t listener_count;
    struct connection connections[CONNECTIONS_MAX];
    uint64_t last_connection;
    struct buf lates; /* of struct late, in no order */
    struct record record;
    struct message message; /* the answer that is written */
    int signals;
    int64_t start_ms;
    bool ends;
};

/* Where a query came from, and its answer goes. */
struct client {
    struct endpoint peer;
    unsigned listener;
    struct connection *connection; /* NULL: UDP */
};

/* configure.c */
/* Reads the configuration from fd 0.  0, or -1 after telling why. */
int server_configure(struct server *server);
void server_free(struct server *server);

/* rules.c */
/* Reads the rest of an `on` line. */
void rule_read(struct server *server, struct config *config);
void rule_free(struct rule *rule);
/* The rule that wins for a query, or NULL; counts it for all that match. */
const struct rule *rule_for(struct server *server, const struct query *query,
                            const struct client *client, int64_t now_ms);

/* serve.c */
/* Answers a message (any bytes) from a client, now or later. */
void serve(struct server *server, const struct client *client, const unsigned char *bytes,
           size_t size);
/* Sends the answers that are due.  Returns in how many milliseconds the next one is, -1: none. */
int serve_late(struct server *server);

/* network.c */
/* Binds all sockets and tells where.  0, or -1 after telling why. */
int network_open(struct server *server);
void network_close(struct server *server);
/* Sends a message; over UDP it may get lost, over TCP it waits until there is room. */
void network_send(struct server *server, const struct client *client, const void *bytes,
                  size_t size);
void network_close_connection(struct connection *connection);
/* One turn of the loop: waits at most that long (-1: for ever), takes what has come.  0, or -1
 * after telling why. */
int network_turn(struct server *server, int timeout_ms);

/* main.c */
/* Milliseconds since the start. */
int64_t server_now(const struct server *server);
/* Tells on fd 2: "dns-server: WHAT: ERROR". */
void server_complain(const char *what, int error);

#endif

/* SPDX-License-Identifier: ISC */
/*
 * The client's side of SMTP (RFC 5321), one connection and one message: what smtp-client is, and
 * how smtp-server sends bounces of its own.  A state machine for a poll loop: nothing blocks.
 *
 *     courier_begin(&courier, &letter, &to, now_ms);
 *     while (!courier.done) {
 *         poll courier.fd for courier_events() until courier_deadline();
 *         if (courier_work(&courier, revents, now_ms)) {
 *             look at courier.result, courier.reply and the recipients' codes;
 *             courier_quit(&courier, now_ms);
 *         }
 *     }
 *     courier_end(&courier);
 *
 * It is a client as RFC 5321 and RFC 2920 want it, but for what the letter says: cut, chunk, raw
 * bytes, blind.  Waits are limited as RFC 5321 4.5.3.2 has it.
 */
#ifndef SIM_ACTORS_LIB_COURIER_H
#define SIM_ACTORS_LIB_COURIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mta/lib/buf.h"
#include "sim/actors/lib/endpoint.h"
#include "sim/actors/lib/record.h"

#define COURIER_REPLY_MAX ((size_t) 65536) /* bytes of a reply; a longer one is no SMTP */

enum courier_result {
    COURIER_UNDECIDED,
    COURIER_ACCEPTED, /* every recipient; `reply` is that after the final dot */
    COURIER_REFUSED,  /* none to be tried again, at least one refused for good */
    COURIER_DEFERRED, /* at least one is to be tried again */
    COURIER_LOST      /* the connection died, or never was: `reply` says why */
};

/* A recipient, and what became of it in this try. */
struct courier_recipient {
    const char *address;
    unsigned code; /* the reply to RCPT; 0: none */
    enum courier_result result;
};

/* What to send.  Belongs to the caller, who keeps it until courier_end. */
struct courier_letter {
    const char *helo;
    const char *user; /* for AUTH PLAIN; NULL: no AUTH */
    const char *password;
    const char *sender;
    const char *const *options; /* of MAIL, `option_count` words: BODY=8BITMIME and SIZE only if */
    size_t option_count;        /* offered, others as they are */
    struct courier_recipient *recipients;
    size_t recipient_count; /* at least one */
    const char *wire;       /* what goes out behind 354, the final dot included */
    size_t wire_size;
    bool pipelining;       /* if offered */
    bool blind;            /* whatever RCPT and DATA are answered, DATA and `wire` go out */
    size_t chunk;          /* bytes at a time; 0: no matter */
    int64_t chunk_ms;      /* ... and the time between them */
    bool cut;              /* the connection is closed ... */
    uint64_t cut_after;    /* ... behind so many bytes of `wire` */
    int64_t timeout_ms;    /* for every wait; 0: as in the RFC */
    struct record *record; /* told: connect, out, in, rcpt; may be NULL */
};

enum courier_step {
    COURIER_CONNECT,
    COURIER_GREETING,
    COURIER_EHLO,
    COURIER_HELO,
    COURIER_AUTH,
    COURIER_MAIL,
    COURIER_RCPT,
    COURIER_DATA,
    COURIER_BODY,
    COURIER_DOT,
    COURIER_QUIT
};

struct courier {
    const struct courier_letter *letter;
    int fd;
    enum courier_step step; /* whose reply is awaited; BODY: the message goes out */
    size_t rcpt;            /* the recipient whose reply is awaited */
    size_t accepted;        /* recipients with 2xx */
    struct buf in;          /* of a reply that is not whole */
    struct buf out;         /* commands to be sent */
    uint64_t body_sent;
    int64_t chunk_at_ms; /* the next chunk goes out then */
    size_t chunk_left;
    int64_t deadline_ms;
    bool can_pipeline, can_size, can_8bit, can_auth; /* offered */
    bool piped;                                      /* MAIL, RCPT and DATA have gone out */
    bool more;                                       /* the reply has lines to come */
    int error;                                       /* of connect, at once */
    bool deaf; /* it takes no more bytes; what it said is still read */
    bool done;
    enum courier_result result;
    struct buf reply;   /* the last reply, or why the connection was lost */
    struct buf failure; /* the first reply to MAIL or RCPT that was none of success */
    unsigned code;      /* of the last reply */
};

/* Begins to connect to `to`.  If that fails at once, it is decided by the first courier_work. */
void courier_begin(struct courier *courier, const struct courier_letter *letter,
                   const struct endpoint *to, int64_t now_ms);
/* POLLIN, POLLOUT for its descriptor; and when courier_work must be called anyway. */
short courier_events(const struct courier *courier, int64_t now_ms);
int64_t courier_deadline(const struct courier *courier);
/* Goes on.  True at that call which decides the result. */
bool courier_work(struct courier *courier, short revents, int64_t now_ms);
/* After it is decided: says QUIT, if anybody is there; `done` follows. */
void courier_quit(struct courier *courier, int64_t now_ms);
/* Closes and gives back what it has. */
void courier_end(struct courier *courier);

/* Adds `text` to `buf` as it goes out: lines with CRLF, dots stuffed, the final dot behind it.
 * 0, or -1 as buf_add. */
int courier_add_wire(struct buf *buf, const char *text, size_t size);

#endif

/* SPDX-License-Identifier: ISC */
/*
 * The parts of nixie-remote (main.c says what it does).
 *
 * A job is one message for recipients of one host.  It is tried at one address after another, in a
 * session each, until every recipient has an answer.  Sessions wait in poll, all with deadlines.
 */
#ifndef MTA_REMOTE_REMOTE_H
#define MTA_REMOTE_REMOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "mta/lib/buf.h"
#include "mta/lib/socket_address.h"
#include "mta/lib/smtp_reply.h"
#include "mta/lib/smtp_routes.h"
#include "mta/lib/smtp_send.h"
#include "mta/lib/smtp_targets.h"

#define RECIPIENTS_MAX 1000             /* of a job */
#define REQUEST_MAX (1 << 20)           /* bytes of a job from rspawn */
#define TARGETS_MAX 100                 /* addresses that are looked at */
#define TRIES_MAX 20                    /* addresses that are tried */
#define TRIES_MS (60 * 60 * 1000)       /* after which nothing further is begun */
#define SESSION_MS (2 * 60 * 60 * 1000) /* of a session or transaction, up to the dot; and ... */
#define SESSION_MS_PER_BYTE 10          /* ... so much for each byte of the message */
#define RECONNECTS_MAX 5                /* to an address that breaks off at some recipients */
#define KEEP_MS 5000                    /* that an idle connection is kept */
#define KEEP_TRANSACTIONS_MAX 100       /* over a connection */
#define QUIT_MS 5000                    /* that the answer to QUIT is waited for */

/* --- settings.c: control files --- */

#define SETTING_FILES 7

struct settings {
    char *const *environment;
    struct buf me;       /* NUL-ended, as the other names */
    struct buf helo;     /* the name in EHLO */
    struct buf local_ip; /* localiphost */
    struct buf listen;   /* lines ADDR:PORT, each ended by NUL */
    struct smtp_routes routes;
    int64_t connect_ms, remote_ms;
    bool known;
    struct stat seen[SETTING_FILES]; /* as the files were when read; st_nlink 0: missing */
};

/* Reads the files if one has changed; the current directory is the home.  0, or -1 with errno: no
 * settings are known then. */
int settings_refresh(struct settings *settings);
void settings_free(struct settings *settings);

/* --- message.c: the message, from a file or in memory --- */

#define MESSAGE_MEMORY 65536 /* bytes up to which a message is read into memory once */

struct message {
    int fd;             /* -1: all of it is in `content` */
    struct buf content; /* or a block that was read */
    size_t at;          /* in memory: taken so far */
    uint64_t wire_size; /* as SIZE declares it */
    bool eight_bit;
    struct smtp_send encoder;
    bool ended;
};

/* Reads it through from `fd`, which it takes over, in either case: a file from its start, or a pipe
 * (then it is kept in memory, up to BUF_LIMIT).  0, or -1 with errno. */
int message_open(struct message *message, int fd);
void message_close(struct message *message);
/* Back to the start, for (another) sending.  0, or -1 with errno. */
int message_rewind(struct message *message);
/* Adds the next piece, some 64 KB, in its wire form to `out`; sets message->ended with the last,
 * which has the dot.  0, or -1 with errno of read, ENOMEM. */
int message_next(struct message *message, struct buf *out);

/* --- connection.c: bytes to and from a server --- */

enum connection_trouble {
    TROUBLE_NONE,
    TROUBLE_LOST,        /* closed or reset */
    TROUBLE_SILENT,      /* too long */
    TROUBLE_RUBBISH,     /* what it sends is no SMTP */
    TROUBLE_OUT_OF_STEP, /* there are more replies than commands */
    TROUBLE_GONE,        /* nobody waits for the result any more */
    TROUBLE_MEMORY,
};

struct connection {
    int fd;      /* -1: none */
    int life_fd; /* readable: nobody waits for the result any more; -1: not looked at */
    int64_t timeout_ms;
    int64_t until_ms; /* monotonic: nothing but the wait for the reply to the dot lasts longer */
    enum connection_trouble trouble;
    struct sockaddr_storage address;
    char host[SOCKET_ADDRESS_SIZE]; /* it in text */
    struct buf key;                 /* smtp_routes_key of what it was made for */
    struct buf in;
    size_t in_at;
    struct buf out;
    struct smtp_reply reply;
    bool esmtp, pipelining, eight_bit, size;
    uint64_t size_limit; /* 0: none */
    bool in_transaction; /* RSET is needed before MAIL */
    bool committed;      /* the dot may be out: life_fd counts no more */
    bool ended;          /* the server has closed it; what it said before may be in `in` */
    bool unsent;         /* not all was taken of what was to be sent last; known when closed, too */
    unsigned transactions;
};

void connection_init(struct connection *connection, int life_fd);
void connection_free(struct connection *connection);

/* Connects; waits at most `connect_ms`.  0, or -1 with errno. */
int connection_open(struct connection *connection, const struct sockaddr_storage *address,
                    int64_t connect_ms);
/* Closes it at once. */
void connection_close(struct connection *connection);

/* All of these return 0, or -1 with connection->trouble set and the connection closed. */

/* Adds text to what is to be sent. */
int connection_put(struct connection *connection, const char *text);
/* Sends what there is to send.  The server must take each 64 KB within timeout_ms.  What it says
 * meanwhile is kept. */
int connection_flush(struct connection *connection);
/* Sends what there is to send and reads one reply, which must be whole within timeout_ms. */
int connection_reply(struct connection *connection);

/* Whether bytes came that nobody asked for, or the end: looks without waiting. */
bool connection_has_input(struct connection *connection);
/* As it, of what was read already. */
bool connection_has_unread(const struct connection *connection);
/* As connection_has_input, but of bytes only. */
bool connection_is_ahead(struct connection *connection);
/* Says that what the server sends is no SMTP: closes it, returns -1. */
int connection_rubbish(struct connection *connection);
/* Says that it has sent more than it was asked: as before. */
int connection_out_of_step(struct connection *connection);
/* Whether nobody waits for the result any more: looks without waiting. */
bool connection_is_unwanted(const struct connection *connection);

/* Says QUIT, waits QUIT_MS at most for the answer (not if `other_fd` is readable), closes. */
void connection_quit(struct connection *connection, int other_fd);

/* --- job.c --- */

enum fate {
    FATE_OPEN,     /* no answer yet; with a text: what put it off at an address before */
    FATE_ACCEPTED, /* at RCPT, in the transaction that runs */
    FATE_CHARGED,  /* the server broke off at its RCPT: is not named at this address again */
    FATE_LEFT,     /* one too many for the transaction or the connection */
    FATE_MESSAGE,  /* the verdict on the message is its own */
    FATE_TAKEN,    /* in an earlier transaction than the last */
    FATE_HARD,
    FATE_SOFT,
};

struct recipient {
    const char *address; /* NUL-terminated */
    enum fate fate;
    bool liked;             /* was accepted once, though perhaps in vain */
    unsigned transaction;   /* the number of the one in which it was answered */
    size_t text, text_size; /* in job->texts: its own answer; size 0: none, or no memory for it */
    size_t short_size;      /* of it, without "Giving up on ..." */
};

struct job {
    const char *host; /* NUL-terminated, as `sender` */
    const char *sender;
    struct recipient *recipients;
    size_t count;
    size_t first; /* with which recipient a transaction begins */
    unsigned transactions;
    bool lock_step; /* without PIPELINING, until the next address */
    struct message message;
    struct buf texts;
    char verdict; /* K, Z or D, on the message */
    struct buf verdict_text;
    bool ends; /* the verdict holds for all, no other address is to be tried */
};

/* 0, or -1 with ENOMEM.  `addresses` are `count` NUL-terminated strings. */
int job_init(struct job *job, const char *host, const char *sender, size_t count);
void job_free(struct job *job);

/* Sets the verdict: `letter`, and texts that are put one after another.  A later one counts. */
#define job_verdict(job, letter, ...)                                                              \
    job_set_verdict(job, letter, (const char *const[]){__VA_ARGS__, NULL})
void job_set_verdict(struct job *job, char letter, const char *const *parts);

/* Delivers the job, as far as it can be, over `connection` if that fits and is alive, else over new
 * ones; a connection that may serve again is left open in `connection`. */
void job_run(struct job *job, struct settings *settings, struct connection *connection);

/* --- answers.c: what each recipient is told --- */

/* Gives a recipient an answer of its own: `parts` one after another up to NULL, the first
 * `short_count` of which are the short one. */
void answer_set(struct job *job, struct recipient *recipient, enum fate fate,
                const char *const *parts, size_t short_count);
/* The server broke off at this recipient, as the verdict says. */
void answers_charge(struct job *job, struct recipient *recipient);
/* If there is trouble, as the verdict says: charges all that were not accepted yet, if some were.
 */
void answers_narrow(struct job *job);
/* The verdict is that of all who are open or accepted, and no more the job's, which goes on. */
void answers_keep(struct job *job);
/* After trouble: who was accepted in vain, or left over, waits for an answer again; who was
 * charged, too, if `charged`: at the next address. */
void answers_reopen(struct job *job, bool charged);
/* The server was out of step in the transaction that ends: what it answered to recipients may have
 * been meant for others, and they wait for an answer again. */
void answers_doubt(struct job *job);
/* Whether somebody's fate is that one. */
bool answers_have(const struct job *job, enum fate fate);
/* Whether more than one recipient is open or accepted. */
bool answers_several_wait(const struct job *job);
/* Gives recipients without an answer of their own the verdict on the message, and who was put off
 * what put it off.  If somebody's was taken the verdict is K. */
void answers_settle(struct job *job);

/* --- session.c: greeting to QUIT --- */

enum outcome {
    OUTCOME_DONE,    /* every recipient has its answer, or the verdict ends the job */
    OUTCOME_TROUBLE, /* before the dot: the next address is to be tried; the verdict says why */
    OUTCOME_AGAIN, /* as it, but about a recipient, who was charged: others may fare better here */
};

/* Connects, up to the answer to EHLO or HELO. */
enum outcome session_begin(struct connection *connection, const struct settings *settings,
                           struct job *job, const struct sockaddr_storage *address);
/* One transaction for the open recipients. */
enum outcome session_transaction(struct connection *connection, struct job *job);

/* --- lookup.c: where a domain's mail goes --- */

/* Puts the addresses of the job's host into `targets`, in order.  0, or -1: the verdict says why
 * there are none, and ends the job. */
int lookup_targets(const struct settings *settings, struct job *job,
                   struct smtp_target targets[TARGETS_MAX], size_t *count);
/* A number by chance, 0 to `below` - 1; `context` is not used. */
uint32_t lookup_draw(void *context, uint32_t below);

/* --- report.c: results as qmail's rspawn reads them, or one a recipient --- */

/* Writes records of recipients and message to `fd`.  0 or -1 with errno. */
int report_records(const struct job *job, int fd);
/* Writes a letter, text and NUL a recipient to `fd`.  0 or -1 with errno. */
int report_each(const struct job *job, int fd);

/* --- stay.c --- */

/* rspawn's worker: jobs on descriptor 0 until its end.  The exit status. */
int stay(struct settings *settings);

#endif

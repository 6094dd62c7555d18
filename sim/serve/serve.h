/* SPDX-License-Identifier: ISC */
/*
 * nixie serve: the made-up mail servers on real ports, for applications under test.
 *
 *   options.c   the command line
 *   cannot.c    what a scenario says and cannot be had here
 *   plan.c      which remote is played on which port, and its configuration
 *   mailbox.c   the Maildir of what is taken
 *   server.c    the processes of the actor smtp-server
 *   command.c   the application's process
 *   hear.c      what the servers tell becomes sessions and mails
 *   subject.c   the subject of a message in plain text
 *   ledger.c    sessions and mails as the judges of expectations want them
 *   story.c     what a failure is explained with
 *   report.c    how it ended
 *   serve.c     the order of all this
 *
 * A run has one thread, waits in one place (serve.c), and judges at its end.  Times are nanoseconds
 * since the start, on the monotonic clock.
 */
#ifndef SIM_SERVE_SERVE_H
#define SIM_SERVE_SERVE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "sim/scenario/model.h"
#include "sim/scenario/run.h"
#include "sim/world/pool.h"
#include "sim/world/records.h"

enum serve_status {
    SERVE_HELD = 0,
    SERVE_FAILED = 1,
    SERVE_WRONG = 2,   /* the command line or the file */
    SERVE_LACKING = 3, /* the machine lacks something: a port, a directory, a program */
    SERVE_BROKEN = 4   /* Nixie itself; 125 with a command */
};
#define SERVE_COMMAND_BROKEN 125
#define SERVE_CANNOT_EXECUTE 126
#define SERVE_NOT_FOUND 127
#define SERVE_INTERRUPTED 128 /* plus the signal */

/* --- options.c --------------------------------------------------------------------------------*/

#define SERVE_HOST_SIZE 46 /* INET6_ADDRSTRLEN */

/* "--smtp NAME=ADDRESS:PORT" */
struct serve_address {
    const char *remote; /* or NULL */
    char host[SERVE_HOST_SIZE];
    unsigned port; /* 0: one that is free */
};

struct serve_options {
    const char *file; /* or NULL */
    struct definition *definitions;
    size_t definition_count;
    struct serve_address *addresses;
    size_t address_count;
    struct serve_address bounces_to;
    bool has_bounces_to;
    const char *maildir; /* or NULL */
    bool keep, verbose, strict, tap;
    const char *junit; /* or NULL */
    char **command;    /* NULL at its end; or NULL */
};

extern const char serve_use[];

/* Reads argv[1] and on.  0, or -1 after telling what is wrong. */
int options_read(struct serve_options *options, struct pool *pool, int argc, char **argv);

/* --- what is known of a run -------------------------------------------------------------------*/

#define SERVE_NONE SIZE_MAX

/* A process that plays one remote, or several. */
struct serve_server {
    struct serve *serve;
    const char *name; /* for people; NULL: the only one, or the one of all others */
    size_t remote;    /* in the scenario; SERVE_NONE: as its recipients' domains say */
    const struct serve_address **addresses; /* where it listens */
    size_t address_count;
    const char *config;
    size_t config_size;
    pid_t pid; /* 0: it does not run */
    int fd;    /* its records; -1 when they have ended */
    int error_fd;
    char *errors; /* what it wrote there, malloc'd */
    size_t errors_size;
    bool stopping;
    struct record_reader reader;
    struct listening { /* as told, in the order of `addresses` */
        char host[SERVE_HOST_SIZE];
        unsigned port;
    } * listening;
    size_t listening_count;
    size_t *live; /* in sessions[], that have not ended */
    size_t live_count;
    size_t *taken; /* in mails[], by the server's number of it less 1 */
    size_t taken_count;
};

struct serve_line {
    int64_t time_ns;
    bool by_client;
    const char *text; /* a reply of several lines has them parted by \n */
};

enum serve_command { HEARD_OTHER, HEARD_MAIL, HEARD_RCPT, HEARD_DATA };

struct serve_session {
    size_t server;
    uint64_t number;
    const char *client;
    int64_t start_ns, end_ns; /* end -1: it is open */
    const char *how;          /* it ended: client, server, reset, timeout */
    struct serve_line *lines;
    size_t line_count;
    /* While it lasts. */
    enum serve_command command; /* that waits for its reply */
    size_t mail;                /* that is under way */
    bool in_data;               /* behind 354 */
    const char *kept;           /* file of a message that is about to be taken */
};

struct serve_recipient {
    const char *address;
    unsigned code; /* of the reply to RCPT; 0: none came */
    const char *reply;
    int64_t time_ns; /* of the reply */
    size_t letter;   /* the message of the scenario that it is, or NO_LETTER */
};

/* One try to send a message: from MAIL on. */
struct serve_mail {
    size_t session;
    size_t first_line, last_line; /* of the session's */
    int64_t start_ns, end_ns;
    const char *sender;
    struct serve_recipient *recipients;
    size_t recipient_count;
    unsigned code;     /* of the reply to the message, or the one that ended it; 0: none came */
    const char *reply; /* that, or "" */
    bool taken;
    int64_t taken_ns;
    const char *subject; /* in plain text; NULL: not known */
    const char *data;    /* of a message that the scenario knows; else NULL */
    size_t size;
    const char *file; /* in the Maildir */
};

/* A bounce of a remote's own that the application's server took. */
struct serve_bounce {
    size_t mail;
    int64_t time_ns;
    const char *status, *diagnostic;
};

struct serve_mailbox {
    char *path; /* absolute, malloc'd; NULL: not made */
    bool temporary;
};

struct serve {
    struct serve_options options;
    struct pool pool;
    struct scenario *scenario; /* or NULL: nothing is judged, nothing is remembered */
    FILE *out;                 /* what serve itself says */
    int64_t start_ns;          /* on the monotonic clock */
    struct serve_mailbox mailbox;
    struct serve_server *servers; /* the main one first */
    size_t server_count;
    size_t *remote_server; /* of each remote of the scenario */
    struct serve_session *sessions;
    size_t session_count;
    struct serve_mail *mails;
    size_t mail_count;
    struct serve_bounce *bounces;
    size_t bounce_count;
    size_t line_count; /* that are remembered, in all */
    uint64_t taken;    /* messages */
    uint64_t unkept;   /* that were refused since they could not be written */
    const char **bad;  /* what clients did wrong, once each */
    size_t bad_count;
    pid_t command; /* the application; 0: it does not run */
    bool broken;   /* Nixie itself failed; told */
    bool *stories; /* of which letters the story was told (story.c) */
    bool others_told;
};

/* Prints "nixie serve: ..." on standard error. */
void serve_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Nanoseconds since the start. */
int64_t serve_now(const struct serve *serve);
/* A text for the terminal: what could confuse one becomes '?'; in the run's pool. */
const char *serve_shown(struct pool *pool, const char *text, size_t size);

/* --- cannot.c ---------------------------------------------------------------------------------*/

/* Tells of everything that the scenario wants and that cannot be had here, with its place.  0, or
 * -1 if there is anything. */
int cannot_check(struct serve *serve);

/* --- plan.c -----------------------------------------------------------------------------------*/

/* Makes the list of servers; needs the mailbox.  0, or -1 after telling what is wrong. */
int plan_make(struct serve *serve);
/* The remote that answers for an address at that server; SERVE_NONE: none. */
size_t plan_remote(const struct serve *serve, const struct serve_server *server,
                   const char *address);

/* --- mailbox.c --------------------------------------------------------------------------------*/

/* Makes the Maildir.  0, or -1 after telling why not. */
int mailbox_make(struct serve_mailbox *mailbox, const char *path);
/* Forgets it; `remove`: a temporary one is removed with all that is in it. */
void mailbox_end(struct serve_mailbox *mailbox, bool remove);

/* --- server.c ---------------------------------------------------------------------------------*/

/* Starts a server.  0, or -1 after telling why not. */
int server_start(struct serve_server *server);
/* Reads what it has written.  Its descriptors become -1 at their ends. */
void server_read(struct serve_server *server);
void server_read_errors(struct serve_server *server);
/* It has ended with that status of waitpid.  0: it was to; -1 after telling what went wrong. */
int server_ended(struct serve_server *server, int status);
void server_free(struct serve_server *server);

/* --- command.c --------------------------------------------------------------------------------*/

/* Starts the application.  0, or the exit status after telling why not. */
int command_start(struct serve *serve);

/* --- hear.c -----------------------------------------------------------------------------------*/

/* A record of a server. */
void hear_record(struct serve_server *server, const struct record_line *line);

/* --- subject.c --------------------------------------------------------------------------------*/

/* The Subject of a message, unfolded, encoded words (RFC 2047) as UTF-8; NULL: it has none. */
const char *subject_of(struct pool *pool, const char *data, size_t size);

/* --- ledger.c ---------------------------------------------------------------------------------*/

/* The message of the scenario that a mail is for that recipient; NO_LETTER: none. */
size_t ledger_letter(const struct serve *serve, const struct serve_mail *mail, size_t recipient);
/* Judges all that is expected. */
void ledger_judge(struct serve *serve, struct run_result *result);

/* --- story.c ----------------------------------------------------------------------------------*/

/* What came of a message, with the dialogues: malloc'd lines.  `context` is the struct serve. */
char *story_tell(void *context, size_t letter);
/* One line of a dialogue. */
void story_line(const struct serve *serve, const struct serve_server *server, uint64_t session,
                const struct serve_line *line, FILE *to);
/* "taken", "550 5.1.1 no such user": what came of a mail for a recipient. */
const char *story_outcome(const struct serve_mail *mail, const struct serve_recipient *recipient);

/* --- report.c ---------------------------------------------------------------------------------*/

/* Where it listens, and where mail goes. */
void report_start(const struct serve *serve);
/* Judges, and tells how it ended.  The status as far as Nixie's own verdict goes. */
int report_end(struct serve *serve);

/* --- serve.c ----------------------------------------------------------------------------------*/

/* Runs it all.  Returns the exit status. */
int serve_run(int argc, char **argv);

#endif

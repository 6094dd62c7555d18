/* SPDX-License-Identifier: ISC */
/*
 * The parts of nixie-smtpd (main.c says what it does).  Functions that return `int` return 0 or -1;
 * those on a session return -1 when the session is over, `session->why` then says why.
 */
#ifndef MTA_SMTPD_SMTPD_H
#define MTA_SMTPD_SMTPD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "mta/lib/buf.h"
#include "mta/lib/control.h"
#include "mta/lib/rewrite.h"
#include "mta/lib/smtp_data.h"
#include "mta/lib/socket_address.h"
#include "mta/lib/submit.h"
#include "mta/lib/users.h"

#define COMMAND_MAX 2048     /* bytes of a command line with its CR LF (RFC 5321 4.5.3.1.4: 512) */
#define RECIPIENTS_MAX 10000 /* a transaction (RFC 5321 4.5.3.1.8: at least 100) */
#define HOPS_MAX 100         /* RFC 5321 6.3 */
#define BAD_COMMANDS_MAX 20  /* unknown or malformed ones a session */
#define REFUSALS_LOGGED 20   /* a session */
#define LINE_EARNS_MS 2000   /* time that a command line gives a session ... */
#define BYTE_EARNS_MS 20     /* ... and each byte of a message */
#define PATIENCE 20000       /* with commands that bring no message: ... */
#define RCPT_COSTS 1
#define COMMAND_COSTS 100
#define INPUT_SIZE 16384 /* bytes read at once */

/* --- settings.c: the control files --- */

#define SETTINGS_FILES 15
#define SETTINGS_LOOK_MS 500

struct settings {
    bool loaded;
    int64_t looked_ms;                /* monotonic: when the files were looked at */
    struct stat seen[SETTINGS_FILES]; /* the files as they were when read; zeroed: missing */
    struct buf me;
    struct buf greeting;
    struct buf localiphost;
    uint64_t databytes; /* RFC 1870 size of the largest message; 0: no limit */
    int timeout_ms;     /* for one command line, or for one read or write */
    bool accept_bare_lf;
    bool has_rcpthosts;
    struct control_map rcpthosts; /* domains, and suffixes that begin with a dot */
    struct control_map morercpthosts;
    struct control_map locals;         /* without rcpthosts: these, and ... */
    struct control_map virtualdomains; /* ... these, are what mail is taken for */
    struct control_map badmailfrom;    /* addresses, and @DOMAIN */
    struct buf relayclients;           /* NUL-ended lines: ADDRESS[/BITS] [SUFFIX] */
    bool refuse_unknown;               /* recipients here whom nobody is: then these two are set */
    bool single_user;
    struct rewrite rewrite; /* as nixie-send has it */
};

/* Reads the files below the current directory, the home, if any has changed since they were read;
 * looks for that once in SETTINGS_LOOK_MS at most.
 * Returns 0, or -1 with errno (*failed names the file, nothing is then held). */
int settings_refresh(struct settings *settings, const char **failed);
void settings_free(struct settings *settings);

/* True if mail for this address (of the envelope) is taken from anybody. */
bool settings_take(const struct settings *settings, const char *address, size_t size);
/* True if badmailfrom has this sender. */
bool settings_is_bad_sender(const struct settings *settings, const char *address, size_t size);
/* The suffix for recipients from this client, "" for none, or NULL if it may not relay. */
const char *settings_relay(const struct settings *settings, const unsigned char client[16]);

/* --- known.c: who is here --- */

/* NULL, or the reply that refuses this recipient (an address as the queue gets it, NUL-ended): 550
 * if a delivery would fail for good since there is no mailbox of that name, that is its domain is
 * in locals, and neither users/assign nor the system nor alias/ has somebody; 451 if that cannot be
 * told for now.  What can't be told for good, as we may not see it, is not refused; and nothing is
 * without settings->refuse_unknown.  May block in the user database. */
const char *known_refusal(const struct settings *settings, struct users *users,
                          const char *recipient);

/* --- peer.c: who is at the other end --- */

struct peer {
    char address[SOCKET_ADDRESS_SIZE]; /* without port */
    char name[SOCKET_ADDRESS_SIZE];    /* for the log, with port if known */
    char local[SOCKET_ADDRESS_SIZE];   /* the address it connected to, "" if not known */
    unsigned char bytes[16];           /* of `address`; zero if not known */
    const char *host;                  /* its name as DNS has it, or "unknown" */
    const char *info;                  /* RFC 1413, or NULL */
    const char *relay;                 /* RELAYCLIENT of the environment, or NULL */
};
/* Of a connected socket. */
void peer_from_socket(struct peer *peer, int fd);
/* Of what tcpserver or inetd tell (tcp-environ(5)); what they don't, descriptor 0 does. */
void peer_from_environment(struct peer *peer, char *const *environment);

/* --- session.c: one connection --- */

struct session {
    const struct settings *settings;
    struct users *users;
    const struct buf *home;
    char *const *environment;
    int *queue; /* the connection to the staying queue that is kept, -1 if none */
    int in, out;
    int control; /* readable when the session should end soon; -1: there is none */
    struct peer peer;
    const char *local_host; /* by whom messages are received */
    const char *relay;      /* suffix for recipients if the client may relay, or NULL */
    uint64_t databytes;

    char *input; /* INPUT_SIZE bytes; the unread ones are [input_at, input_end) */
    size_t input_at, input_end;
    struct buf replies; /* not yet sent */
    struct buf line;    /* the command, without its line end */

    struct buf helo; /* as given, "" before */
    bool extended;   /* by EHLO */
    bool in_transaction;
    bool data_refused; /* and no command of a new beginning has come since: see command_refuse */
    struct buf sender;
    struct buf recipients; /* NUL-ended addresses */
    size_t recipient_count;

    int64_t until_ms;  /* monotonic: by then the client must have sent something more */
    unsigned patience; /* PATIENCE at first, and after each message */

    const char *why; /* the session is over */
    unsigned accepted, refused, bad_commands, refusals_logged;
};

/* Serves the connection until its end and logs that.  `session` has everything up to `input` set,
 * the rest zeroed.  Does not close descriptors. */
void session_run(struct session *session);

/* Adds a reply line "TEXT\r\n". */
int session_reply(struct session *session, const char *text);
/* Sends the replies. */
int session_flush(struct session *session);
/* Waits for input and reads some, until session->until_ms; sends the replies first. */
int session_fill(struct session *session);
/* The client may take longer, since it has sent something useful; never more than timeoutsmtpd from
 * now on.  So it must send at some rate, however small, whatever it sends. */
void session_earn(struct session *session, int64_t ms);
/* A message has been taken or refused: everything counts anew. */
void session_renew(struct session *session);
/* No transaction is under way any more. */
void session_reset(struct session *session);
/* Ends the session: returns -1. */
int session_end(struct session *session, const char *why);

/* --- commands.c: everything but DATA --- */

/* Does what session->line says. */
int command_run(struct session *session);
/* For a line that cannot be a command; the session ends when there are too many, and at the first
 * one behind a refused DATA, but for a lone dot: it is content of a client that does not read
 * replies. */
int command_refuse(struct session *session, const char *reply);
/* For session->line, a line that does not end as it should, or has control bytes. */
int command_refuse_line(struct session *session, const char *reply);

/* --- receive.c: DATA --- */

int receive_message(struct session *session);

/* --- hops.c: Received and Delivered-To fields of a header that passes by --- */

struct hops {
    unsigned count;
    unsigned position; /* bytes of the line so far, as long as they may be one of the fields */
    unsigned candidates;
    bool in_header, at_start;
};
void hops_begin(struct hops *hops);
void hops_feed(struct hops *hops, const char *bytes, size_t size);

/* --- log.c: one line on descriptor 2, begun by "smtpd CLIENT " --- */

/* Starts a line; then logtext_add, buf_add_text ...; then log_line. */
void log_begin(struct buf *line, const struct session *session);
/* Writes and empties it. */
void log_line(struct buf *line);
/* Adds "<ADDRESS>", made fit for the log. */
void log_add_address(struct buf *line, const char *address, size_t size);
/* "refused [from <..>] [to <..>]: REPLY", some times a session. */
void log_refusal(struct session *session, const char *address, size_t size, const char *reply);

#endif

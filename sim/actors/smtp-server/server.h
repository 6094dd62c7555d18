/* SPDX-License-Identifier: ISC */
/*
 * What the files of smtp-server share.
 *
 *   configure.c      reads the configuration
 *   rules.c          which rule an event meets
 *   address_rules.c  failures that a recipient's address asks for
 *   connection.c     bytes in and out, delays, ends
 *   commands.c       the verbs: syntax, order
 *   events.c         what is done at an event: rules, replies, effects
 *   syntax.c         paths, names, parameters
 *   auth.c           AUTH's exchanges
 *   message.c        the data, and taking it
 *   keep.c           a Maildir of what was taken
 *   bounce.c         bounces of its own
 *   main.c           the loop
 *
 * Times are milliseconds since the start of the actor.
 */
#ifndef SIM_ACTORS_SMTP_SERVER_SERVER_H
#define SIM_ACTORS_SMTP_SERVER_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mta/lib/buf.h"
#include "sim/actors/lib/condition.h"
#include "sim/actors/lib/config.h"
#include "sim/actors/lib/courier.h"
#include "sim/actors/lib/endpoint.h"
#include "sim/actors/lib/record.h"

#define SERVER_LISTENERS_MAX 64
#define SERVER_RULES_MAX 10000
#define SERVER_EXTENSIONS_MAX 64
#define SERVER_LINE_MAX 2048       /* a command without CRLF; the RFC wants 512 at least */
#define SERVER_AUTH_LINE_MAX 12288 /* RFC 4954 4 */
#define SERVER_ADDRESS_MAX 1000
#define SERVER_HELD_MAX                                                                            \
    ((uint64_t) 512 << 20) /* bytes of messages that are coming in, together                       \
                            */
#define SERVER_NEVER INT64_MAX

enum verb {
    VERB_CONNECT,
    VERB_EHLO,
    VERB_HELO,
    VERB_MAIL,
    VERB_RCPT,
    VERB_DATA,
    VERB_MESSAGE,
    VERB_EOD,
    VERB_RSET,
    VERB_NOOP,
    VERB_VRFY,
    VERB_QUIT,
    VERB_AUTH,
    VERB_HELP,
    VERB_OTHER, /* EXPN, and what is no command */
    VERB_ANY    /* of rules only */
};

/* --- rules ------------------------------------------------------------------------------------*/

enum deed_kind {
    DEED_OK,
    DEED_REPLY,
    DEED_RAW,
    DEED_CLOSE,
    DEED_RESET,
    DEED_SILENCE,
    DEED_REFUSE,
    DEED_SLOW
};

/* What is done at an event.  Texts belong to the configuration, or to the connection. */
struct deed {
    enum deed_kind kind;
    int64_t delay_ms;
    unsigned code; /* REPLY */
    const char *text;
    size_t text_size; /* REPLY, RAW */
    bool cut;         /* REPLY: only `bytes` of it, then close */
    bool split;       /* REPLY: byte by byte */
    bool after;       /* CLOSE, RESET, SILENCE: after `bytes` bytes */
    bool take;        /* CLOSE, RESET, SILENCE: the message is taken; OK: it is, and bounced */
    uint64_t bytes;   /* SLOW too: so many ... */
    int64_t per_ms;   /* ... in so long */
    int64_t bounce_after_ms;
    const char *status;
    const char *diagnostic;
};

struct rule {
    enum verb verb;
    const char *pattern; /* NULL: any */
    size_t first_domain; /* in the server's domains: the rule is for recipients there ... */
    size_t domain_count; /* ... if this is not 0 */
    struct condition condition;
    struct deed deed;
};

/* --- the server -------------------------------------------------------------------------------*/

struct listener {
    struct endpoint endpoint;
    int fd; /* -1: connections are refused */
};

struct connection;
struct bounce;

struct server {
    struct config config; /* texts of rules and names belong to it */
    const char *name;
    struct listener listeners[SERVER_LISTENERS_MAX];
    size_t listener_count;
    const char *extensions[SERVER_EXTENSIONS_MAX]; /* lines of EHLO's reply */
    size_t extension_count;
    bool extensions_given;
    bool pipelining, size, eight_bit, status_codes, utf8, dsn, auth; /* are offered */
    bool no_ehlo;
    bool address_rules;
    uint64_t size_max; /* of a message */
    uint64_t recipients_max;
    uint64_t connections_max;
    int64_t timeout_ms; /* of a connection that does nothing */
    struct endpoint bounces_to;
    bool has_bounces_to;

    const char *maildir; /* where what is taken is kept, or NULL */

    struct buf rules;          /* of struct rule */
    struct buf domains;        /* of const char *: what `domains` lines name */
    size_t first_domain;       /* of the last such line */
    struct condition greylist; /* of addresses */
    struct record record;
    bool broken; /* records are not taken: the end */

    struct connection **connections; /* in the order of their numbers */
    size_t connection_count;
    uint64_t connection_number; /* of the last one */
    uint64_t taken;
    uint64_t held;          /* bytes of messages that are coming in */
    struct bounce *bounces; /* in the order in which they were promised */

    int64_t age_ms;   /* it counts as started so long before it was */
    int64_t start_ms; /* monotonic */
    int64_t now_ms;   /* since then, when the clock was last looked at */
    int signals;
    bool stopping;
};

/* Milliseconds since the start, as the clock was before or behind the last poll. */
int64_t server_now(const struct server *server);

/* Reads fd 0 into a zeroed server.  0, or -1 after telling why (server_free is due anyway). */
int server_configure(struct server *server);
void server_free(struct server *server);

/* Reads one rule, behind `on`, into *rule.  Failures are the configuration's. */
void rule_read(struct rule *rule, struct config *config);

/* --- a connection -----------------------------------------------------------------------------*/

enum mode {
    MODE_COMMANDS,
    MODE_AUTH,    /* the next line belongs to AUTH */
    MODE_DATA,    /* the message comes in */
    MODE_DEAF,    /* nothing is answered any more */
    MODE_DRAINING /* it is ended; what comes is thrown away for a while */
};

enum auth_step { AUTH_PLAIN, AUTH_LOGIN_NAME, AUTH_LOGIN_PASSWORD, AUTH_CRAM };

/* Where in a line the data is (RFC 5321 4.5.2). */
enum data_state {
    DATA_LINE_START, /* behind CRLF */
    DATA_DOT,        /* a dot at the start */
    DATA_DOT_CR,     /* ... and CR */
    DATA_TEXT,
    DATA_CR
};

enum bad { BAD_LF, BAD_CR, BAD_NUL, BAD_EARLY, BAD_PIPELINING, BAD_BEHIND, BAD_LENGTH, BAD_COUNT };

/* What happens when all has been sent. */
enum after_flush { AFTER_NOTHING, AFTER_CLOSE, AFTER_RESET };

struct connection {
    struct server *server;
    uint64_t number;
    int fd;
    struct endpoint peer;
    char peer_text[ENDPOINT_TEXT];
    enum mode mode;
    int64_t deadline_ms;   /* when it has been idle, or drained, for too long */
    bool closed_by_client; /* the end of what it sends has been read */
    bool hung;             /* poll says that it is broken; seen to when nothing is pending */
    bool ended;            /* told; it may be DRAINING */
    bool gone;             /* to be freed */
    unsigned bad;          /* kinds that were told, bits */

    struct buf in;
    struct buf out;
    bool split; /* `out` goes byte by byte */
    int64_t split_at_ms;
    enum after_flush after_flush;
    const char *end_how; /* what is told of its end then */
    bool skipping;       /* the rest of too long a line */

    uint64_t received; /* bytes from the client */
    struct deed limit; /* CLOSE, RESET or SILENCE after bytes ... */
    uint64_t limit_at; /* ... when `received` is this */
    bool limited, limit_hit;

    enum verb verb;   /* of the event that is pending */
    struct deed deed; /* what will be done with it */
    bool pending;
    int64_t pending_at_ms;
    struct buf argument; /* of the command: an address, a name */
    struct buf reply;    /* the normal reply to it, with its code, lines parted by \n */
    struct buf text;     /* of a deed that an address asked for */

    bool greeted;       /* its greeting was 220 */
    bool hello;         /* EHLO or HELO was taken ... */
    bool extended;      /* ... EHLO */
    bool authenticated; /* as auth_name */
    struct buf helo;    /* the name that it gave */
    enum auth_step auth_step;
    struct buf auth_name;

    bool in_mail; /* MAIL was taken */
    struct buf sender;
    struct buf recipients; /* each ended by NUL */
    size_t recipient_count;
    bool refused_recipient; /* one was */

    struct buf message;
    bool message_open; /* behind 354, and not yet taken or refused */
    enum data_state data_state;
    bool too_big, no_room;
    uint64_t data_received; /* bytes since 354 */
    struct deed data_limit; /* as `limit`, of MESSAGE */
    bool data_limited;
    int64_t read_at_ms;  /* nothing is read before */
    uint64_t slow_bytes; /* then so many, and not again for slow_ms; 0: no matter */
    int64_t slow_ms;
    uint64_t slow_left;
};

/* connection.c */
/* Takes a connection that was accepted; the descriptor is its own from then on, also on failure.
 * 0 or -1 with ENOMEM. */
int connection_open(struct server *server, int fd, const struct endpoint *peer);
/* What to poll its descriptor for; not at all while `hung`. */
short connection_events(struct connection *connection);
int64_t connection_due(const struct connection *connection);
void connection_work(struct connection *connection, short revents);
/* Ends it in order: says 421 if that can be said. */
void connection_stop(struct connection *connection);
void connection_free(struct connection *connection);
/* Queues a reply (with its code, lines parted by \n) and tells of it. */
void connection_reply(struct connection *connection, const char *text, size_t size);
/* Tells, once a connection, that the client does what it must not. */
void connection_bad(struct connection *connection, enum bad bad);
/* Queues bytes as they are, and tells of them. */
void connection_send(struct connection *connection, const char *bytes, size_t size);
/* Does a CLOSE, RESET or SILENCE now; a message that is coming in is lost. */
void connection_do(struct connection *connection, const struct deed *deed);

/* commands.c */
/* The event of a new connection. */
void command_connect(struct connection *connection);
/* A line, without its end. */
void command_line(struct connection *connection, const char *line, size_t size);

/* events.c */
/* An event, its argument in `argument`: finds what is to be done; it is then pending.  `reply` is
 * the normal thing; NULL: it is in connection->reply already. */
void event_happens(struct connection *connection, enum verb verb, const char *reply);
/* Does what is pending. */
void event_finish(struct connection *connection);
/* Answers without asking the rules. */
void event_answer(struct connection *connection, const char *reply);

/* syntax.c */
/* The path that begins at `text` ("<...>"): its address, without brackets and source route, is set
 * as *address; returns its length, or 0 if it is none (RFC 5321 4.1.2). */
size_t syntax_path(const char *text, size_t size, struct buf *address);
/* A domain or an address literal. */
bool syntax_host(const char *text, size_t size);

/* auth.c */
/* AUTH with its argument; and a line of the exchange. */
void auth_begin(struct connection *connection, const char *argument, size_t size);
void auth_line(struct connection *connection, const char *line, size_t size);

/* message.c */
/* 354 was said: gets ready. */
void message_begin(struct connection *connection);
/* Takes some of the bytes (at least one); returns how many.  When the message is whole, EOD is
 * pending. */
size_t message_add(struct connection *connection, const char *bytes, size_t size);
/* The connection ends; if a message is coming in, that is lost. */
void message_lost(struct connection *connection, const char *why);
/* Takes the message: writes the record.  0, or -1: it must not be answered with success. */
int message_take(struct connection *connection);
/* Forgets it. */
void message_free(struct connection *connection);

/* rules.c */
/* The deed of the rule that an event meets, counted in all; false if there is none. */
bool rules_find(struct connection *connection, enum verb verb, struct deed *deed);
/* Whether new connections are to be refused, and when that may change. */
bool rules_refuse(const struct server *server, int64_t now_ms, int64_t *change_ms);

/* keep.c */
/* Puts the message into the Maildir, and its envelope beside it.  0, or -1 after a record of why.
 */
int keep_message(struct connection *connection);

/* address_rules.c */
/* The same, as recipients ask for it with address-rules on. */
bool address_rules_find(struct connection *connection, enum verb verb, struct deed *deed);

/* bounce.c */
/* Promises a bounce of the message that was just taken. */
void bounce_promise(struct connection *connection, const struct deed *deed);
/* How many are under way: each has one descriptor to be polled. */
size_t bounce_count(const struct server *server);
struct pollfd;
void bounce_poll(const struct server *server, struct pollfd *polls);
/* When bounce_work is to be called though nothing is heard; SERVER_NEVER. */
int64_t bounce_due(const struct server *server);
/* `polls` are those of bounce_poll. */
void bounce_work(struct server *server, const struct pollfd *polls);
void bounce_free_all(struct server *server);

#endif

/* SPDX-License-Identifier: ISC */
/*
 * What the files of import share.
 *
 *   import.c         the order of things
 *   import_session.c what a session was: transactions, how it ended
 *   import_story.c   which tries are of one message
 *   import_served.c  which server serves which domains
 *   import_time.c    when each try is made
 *   import_deed.c    replies and ends as deeds of a rule
 *   import_rules.c   what a server did as rules
 *   import_write.c   the scenario as text
 *   import_text.c    pieces of it
 *   import_server.c  the same, of what clients sent to our server
 */
#ifndef SIM_CAPTURE_IMPORT_INTERNAL_H
#define SIM_CAPTURE_IMPORT_INTERNAL_H

#include "sim/capture/import.h"
#include "sim/capture/smtp.h"
#include "sim/world/pool.h"

#define IMPORT_MESSAGES_MAX 1000
#define IMPORT_RULES_MAX 5000 /* and lines `serves`; a scenario has 10000 statements at most */
#define IMPORT_EXPECTS_MAX 2000
#define IMPORT_INLINE_MAX ((size_t) 64 << 10) /* bytes of a message in the scenario itself */
#define IMPORT_INLINES_MAX ((size_t) 2 << 20) /* of all of them */
#define IMPORT_EXCHANGES_MAX 400000
#define IMPORT_SEEN_MAX 16
#define NONE SIZE_MAX
#define DELETE_NS (INT64_C(60) * 1000000000) /* behind the last try */

enum import_verb {
    IMPORT_CONNECT,
    IMPORT_EHLO,
    IMPORT_HELO,
    IMPORT_MAIL,
    IMPORT_RCPT,
    IMPORT_DATA,
    IMPORT_MESSAGE,
    IMPORT_EOD,
    IMPORT_RSET,
    IMPORT_QUIT,
    IMPORT_VERBS
};

extern const char *const import_verb_names[IMPORT_VERBS];

/* What became of a recipient, or of all that a try was for. */
enum import_fate {
    FATE_OPEN, /* put off, or the connection broke: it is tried again */
    FATE_TAKEN,
    FATE_REFUSED,
    FATE_GONE /* the client did not go on */
};

struct import_recipient {
    const char *address;
    const struct smtp_exchange *rcpt;
    enum import_fate fate;
};

/* MAIL and what follows, up to the next MAIL. */
struct import_transaction {
    const struct smtp_exchange *mail, *data, *end; /* `end`: what the message's reply is to */
    const struct smtp_exchange **pieces;           /* of the message: one, or chunks */
    size_t piece_count;
    const char *sender;
    struct import_recipient *recipients;
    size_t recipient_count;
    const char *text; /* of the message, lines end with LF, dots are not stuffed; NULL: none came */
    size_t text_size;
    bool text_whole;
    size_t received;       /* bytes behind 354 */
    enum import_fate fate; /* of all who were not refused by themselves */
};

enum import_end {
    END_ORDERLY,   /* QUIT, or the client went */
    END_CLOSED,    /* by the server, while the client waited */
    END_RESET,     /* the same */
    END_SILENT,    /* the client waited in vain */
    END_REFUSED,   /* no connection */
    END_NO_ANSWER, /* not even that */
    END_CLIENT     /* the client went while it had something to say */
};

struct import_session {
    struct smtp_session smtp;
    uint64_t number; /* as `nixie pcap show` counts */
    size_t remote;   /* whose server it was with */
    struct import_transaction *transactions;
    size_t transaction_count;
    enum import_end end;
    const struct smtp_exchange *unanswered; /* what `end` was the answer to, or NULL */
    const struct smtp_exchange
        *closed_after; /* the server closed behind its reply to it; or NULL */
    int64_t waited_ns; /* END_SILENT: how long */
    bool failed_early; /* ... so that the client would try another server, or later */
    bool usable;
};

/* One thing that a server did. */
struct import_event {
    enum import_verb verb;
    const char *const *keys; /* addresses that a pattern may name */
    size_t key_count;
    const char *deed; /* as behind the delay of a rule */
    int64_t delay_ms;
};

struct import_domain {
    const char *name;
    unsigned rank; /* servers that were tried first have lower ones */
};

struct import_remote {
    struct frame_end end;
    const char *name;     /* in the scenario */
    const char *greeting; /* the name that it gave itself, or NULL */
    size_t same;          /* the remote that this one is a part of; itself if none */
    unsigned rank;
    const char **domains;
    size_t domain_count;
    const char *seen[IMPORT_SEEN_MAX]; /* some of the domains that it was asked for, behind an @ */
    size_t seen_count;
    const char *extensions; /* words, or NULL: nobody asked */
    struct import_event *events;
    size_t event_count;
};

/* A try: sessions that came to nothing, then the one with the transaction. */
struct import_try {
    size_t message;
    size_t *failed; /* sessions before it, at other servers */
    size_t failed_count;
    size_t session;
    size_t transaction;       /* NONE: it did not come to that */
    size_t more;              /* transactions behind that one, for those who were too many for it */
    bool dropped;             /* it is part of another try */
    int64_t begin_ns, end_ns; /* in the scenario */
};

struct import_message {
    const char *name;
    const char *sender;
    const struct import_transaction *content; /* the first one that has any, or NULL */
    struct import_recipient *recipients;
    size_t recipient_count;
    size_t first_session;
    size_t group; /* messages that share sessions have the same */
    bool made_up; /* the capture does not have it */
    size_t
        bounce_of; /* the message that it is the bounce of, which our server makes itself; NONE */
    bool bounced;  /* one is the bounce of this */
    bool deleted;  /* the capture does not tell what became of it: it ends with its last try */
    size_t *tries;
    size_t try_count;
    int64_t at_ns; /* when it is sent */
};

struct import {
    const struct capture *capture;
    const struct import_options *options;
    struct import_result *result;
    struct pool pool;
    struct import_session *sessions;
    size_t session_count;
    struct import_remote *remotes;
    size_t remote_count;
    struct import_message *messages;
    size_t message_count;
    struct import_try *tries;
    size_t try_count;
    const char **notes;
    size_t note_count;
    int64_t longest_delay_ms, silence_ms;
    size_t inline_left; /* bytes of messages that still have a place in the file */
    size_t rules_left, expects_left;
    const char *host_domain;
    char message_letter; /* that names of messages begin with */
};

/* Something that the scenario cannot tell; each text once. */
void import_note(struct import *import, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* import_session.c */
/* Reads the sessions that are wanted, and what happened in them. */
void import_sessions(struct import *import);
void import_sessions_free(struct import *import);

/* import_story.c */
/* Finds messages and tries, ranks of servers; sets times. */
void import_story(struct import *import);

/* import_served.c */
/* Notes that the servers of a try serve the domains of its recipients. */
void import_add_served(struct import *import, const struct import_try *try);
/* Makes the lists of domains, when all is noted, and one remote of servers that are alike. */
void import_sort_domains(struct import *import);
/* The remote that a server is told as. */
size_t import_root(const struct import *import, size_t remote);

/* import_time.c */
/* The time from what an exchange asked to the reply, in ms as it is worth telling; 0: at once. */
int64_t import_delay_ms(const struct import_session *session, const struct smtp_exchange *exchange);
/* Sets how long our server waits for replies. */
void import_set_silence(struct import *import);
/* Sets when messages are sent and tries are made. */
void import_set_times(struct import *import);

/* import_deed.c */
/* The deed that is this reply; NULL if there is none.  `closed`: the connection ends behind it. */
const char *import_reply(struct import *import, const struct smtp_exchange *exchange, bool closed);
/* The deed that is the end of a session. */
const char *import_end_deed(struct import *import, const struct import_session *session);
/* A word in quotes. */
const char *import_quoted(struct import *import, const char *bytes, size_t size);
void import_print_quoted(FILE *to, const char *bytes, size_t size);

/* import_rules.c */
/* Collects what servers did, in the order of the scenario. */
void import_events(struct import *import);
void import_print_rules(struct import *import, const struct import_remote *remote, FILE *to);

/* import_write.c */
void import_write(struct import *import, FILE *to);
/* Prints "NAME sends M [with FILE] to ... from ... and how", and the message below it; `how` is
 * what is behind the addresses. */
void import_print_sends(struct import *import, const struct import_message *message,
                        const char *sender, const char *how, FILE *to);
/* How many of its recipients it tells: a line has no place for more. */
size_t import_told_recipients(const struct import_message *message);
/* A comment that stands for nothing: bytes of the capture are escaped. */
void import_print_comment(FILE *to, const char *text);
/* The beginning of the file. */
void import_print_head(struct import *import, FILE *to);
/* The domain for our server: none that the capture sends to. */
void import_choose_domain(struct import *import);
/* A word: in quotes if it needs any. */
void import_print_word(FILE *to, const char *word);
/* True if there is still a place for an expectation; it is taken then. */
bool import_may_expect(struct import *import);
/* "1h2m3s", "20ms" */
void import_print_time(FILE *to, int64_t ns);
/* A domain that scenarios and the DNS take. */
bool import_is_domain(const char *text, size_t size);
/* An address that our server can send to, or from: something, @, a domain. */
bool import_is_address(const char *address, bool sender);

/* import_server.c */
void import_write_server(struct import *import, FILE *to);

#endif

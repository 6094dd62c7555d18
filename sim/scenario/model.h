/* SPDX-License-Identifier: ISC */
/*
 * A scenario that has been read and checked: everything resolved, nothing left to look up.  It is
 * never changed by a run, so one scenario can be run any number of times.
 */
#ifndef SIM_SCENARIO_MODEL_H
#define SIM_SCENARIO_MODEL_H

#include "sim/scenario/scenario.h"
#include "sim/scenario/source.h"
#include "sim/world/faults.h"
#include "sim/world/spec.h"
#include "sim/world/stage.h"
#include "sim/world/words.h"
#include "sim/world/world.h"

/* What a name of the scenario stands for: a machine.  Hosts, remotes, clients and the DNS share one
 * name space, and messages keep out of it. */
enum actor_kind {
    ACTOR_ANY, /* "any" */
    ACTOR_HOST,
    ACTOR_REMOTE,
    ACTOR_CLIENT,
    ACTOR_DNS
};

struct actor {
    enum actor_kind kind;
    size_t index; /* in hosts[], remotes[], clients[]; 0 for others */
};

enum via {
    VIA_INJECT,
    VIA_QUEUE,
    VIA_SENDMAIL,
    VIA_SMTP,       /* a client's, over the network */
    VIA_APPLICATION /* "match": an application under test will send it, no event does */
};

/* "at 0s alice sends m ... times 50", "at 0s app sends m", "match m to PATTERN" */
struct submission {
    struct position at;
    const char *name;
    size_t host; /* of the user; SMTP: the one it is submitted to */
    enum via via;
    const struct user_spec *user; /* of inject, queue, sendmail; NULL: root */
    size_t client;                /* of SMTP: in clients[] */
    const char *from;    /* envelope sender; NULL: the program's own choice (never with SMTP).  Of
                            APPLICATION: a pattern or NULL */
    const char *subject; /* of APPLICATION: a pattern over the Subject field, or NULL */
    const char **recipients; /* of APPLICATION: one pattern */
    size_t recipient_count;
    struct text content; /* of APPLICATION: empty */
    bool default_content;
    size_t times;
    int64_t every_ns;
    size_t first_message; /* in messages[]; `times` of them */
};

/* One message of a submission. */
struct message {
    const char *name; /* "m1", "m.7" */
    size_t submission;
    const char *id;     /* the value of its Message-ID, with <>; NULL for APPLICATION */
    const char *header; /* lines put before the content so that it can be told apart, or "" */
};

/* "m1", "m.7", "m.*", "m1#2", "m1.bounce", "m1#2.bounce", "m1@bob@example.com" */
struct selector {
    struct position at;
    const char *name; /* a pattern over message names */
    unsigned entry;   /* 0 all its spool entries; else the N-th that entered S4, from 1 (a client's
                         retry, a forward); a bounce is one of the bounces of that entry */
    unsigned bounce;  /* 0 the message, 1 its bounce, 2 the bounce of that */
    const char *recipient; /* a pattern, or NULL */
    const char *text;      /* as written */
};

enum trigger_kind {
    TRIGGER_TIME,
    TRIGGER_ENTERS,   /* a message enters a stage */
    TRIGGER_DURABLE,  /* the disk holds it for certain */
    TRIGGER_ACCEPTED, /* its submitter was told so */
    TRIGGER_CRASH,    /* of the action's host; as an `event` of a moment: the first, of any */
    TRIGGER_TAKES,    /* remote `actor` has the message and has not answered yet ("took C ...") */
    TRIGGER_TRIED,    /* an attempt has been reported, of `message.recipient` if that is not NULL */
    TRIGGER_BOUNCED,  /* a bounce of it was accepted into the spool */
    TRIGGER_DELIVERED, /* a copy is there: in a mailbox, or a remote took it */
    TRIGGER_CONNECTED  /* remote `actor` was connected to */
};

/* The first time that it happens.  `before` (ENTERS, TAKES only): just before the call that would
 * make it so. */
struct trigger {
    struct position at;
    enum trigger_kind kind;
    bool before;
    int64_t delay_ns;        /* TIME: from the start; else after the event */
    struct selector message; /* ENTERS, DURABLE, ACCEPTED, TAKES, TRIED, BOUNCED, DELIVERED */
    enum stage stage;        /* ENTERS, DURABLE */
    struct actor actor;      /* TAKES, CONNECTED */
};

/* "network app to mail delay 50ms bandwidth 10000 bytes refuse", or
 * "network mail to away reset after 1000 bytes from client connection 2" */
enum network_fate { FATE_OPEN, FATE_REFUSE, FATE_UNREACHABLE, FATE_SILENT };
enum network_cut { CUT_NONE, CUT_RESET, CUT_SILENT };

/* What holds from now on from one machine (or any) to another (or any).  What a statement does not
 * set stays as it was for that pair; at the start all is open, without delay or limit of its own.
 */
struct network {
    struct position at;
    struct actor from, to;
    bool sets_delay, sets_bandwidth, sets_fate;
    int64_t delay_ns;   /* one way */
    uint64_t bandwidth; /* bytes a second, at least 1 */
    enum network_fate fate;
    enum network_cut cut; /* not NONE: nothing else is set; a connection is cut */
    bool cut_by_client;   /* when that many bytes of its client's have arrived, else its server's */
    uint64_t cut_bytes;
    uint64_t cut_connection; /* the N-th from now on, from 1; 0: every one */
};

enum action_kind {
    ACTION_SEND,
    ACTION_CRASH, /* power */
    ACTION_KILL_ALL,
    ACTION_BOOT,
    ACTION_STOP,  /* TERM to the process tree */
    ACTION_START, /* the process tree, without a boot */
    ACTION_SIGNAL,
    ACTION_DISK,
    ACTION_CLOCK,
    ACTION_NETWORK,
    ACTION_DOWN, /* power off of a remote, client or the DNS ("HOST down" is CRASH, keep none) */
    ACTION_UP,   /* and on: the actor starts anew, its counters at zero ("HOST up" is BOOT) */
    ACTION_CLIENT_STOP, /* a client tries no more: TERM to its processes */
    ACTION_ORDER        /* of the admin, for messages in the queue */
};

enum keep { KEEP_ALL, KEEP_NONE, KEEP_RANDOM, KEEP_STAGE };

enum pin_kind { PIN_LOSE, PIN_KEEP, PIN_FIND };

/* One thing that the disk lost or kept: below a crash, the first that fits decides. */
struct pin {
    struct position at;
    enum pin_kind kind;
    unsigned answer;     /* FIND: 0 is "lost" */
    const char *pattern; /* over what a chooser is asked */
    bool if_any;         /* the disk need not have such a thing */
};

struct action {
    struct position at;
    enum action_kind kind;
    size_t host;
    size_t submission;
    enum keep keep;
    enum stage keep_stage;
    struct pin *pins;
    size_t pin_count;
    const char *program; /* "nixie-send" */
    int signal;
    bool if_any;         /* it need not run; of ORDER: need not be there */
    uint64_t free_bytes; /* UINT64_MAX: no limit */
    int64_t clock_ns;
    struct actor actor;      /* DOWN, UP, CLIENT_STOP */
    struct network network;  /* NETWORK */
    enum order order;        /* ORDER: retry, hold, release, expire or delete */
    struct selector message; /* ORDER; its name is NULL: all that are in the queue */
};

struct event {
    struct trigger trigger;
    struct action action;
};

/* "fault queue fsync 1 EIO" */
struct fault {
    struct position at;
    struct fault_rule rule;
};

enum expect_kind {
    EXPECT_ACCEPTED,
    EXPECT_REFUSED,
    EXPECT_DELIVERED,
    EXPECT_BOUNCED,
    EXPECT_LOST,
    EXPECT_STAGE,
    EXPECT_PROGRAM,
    EXPECT_LOG,
    EXPECT_SPOOL,
    EXPECT_MBOX,
    EXPECT_TOOK,      /* `actor` took the message; from `from`, for `address` (patterns or NULL) */
    EXPECT_TRIED,     /* delivery attempts, of `message.recipient` if not NULL: `count` of them, or
                         exactly those at `times`, or at least one in time */
    EXPECT_CONNECTED, /* connections that `actor`, a remote, got */
    EXPECT_ASKED      /* queries that the DNS got: of `pattern` over the name, `name` is the type */
};

enum when_kind { WHEN_ANY, WHEN_AT, WHEN_BY, WHEN_IN };

/*
 * Times from the start, or from `event` ("m1 accepted +1h"; plain "m1#2 +25h" is ENTERS S4, where
 * queue lifetimes begin).  An event of several messages means the same message that is judged if it
 * is one of them, else the first that it happens to; if it never happens, nothing is in time.
 */
struct when {
    struct position at;
    enum when_kind kind;
    int64_t from_ns, to_ns;      /* met by from <= t < to */
    const struct trigger *event; /* NULL: the start; its delay_ns is 0 */
};

enum detail_kind {
    DETAIL_UNCHANGED,
    DETAIL_HEADER,      /* name, pattern */
    DETAIL_BODY,        /* pattern, found anywhere */
    DETAIL_ARGUMENTS,   /* pattern over the program's arguments, joined by spaces */
    DETAIL_ENVIRONMENT, /* name, pattern */
    /* Of a bounce's message/delivery-status (RFC 3464): some recipient's fields match, all that are
     * given in the same group of fields.  Patterns must match the whole value. */
    DETAIL_FINAL_RECIPIENT, /* the address, without "rfc822;" */
    DETAIL_ACTION,
    DETAIL_STATUS,     /* also written in the line of the expectation: "bounced status 5.1.1" */
    DETAIL_DIAGNOSTIC, /* the field with its type: "smtp; 550 5.1.1 no such user" */
    DETAIL_REMOTE_MTA, /* the name or address, without "dns;" */
    DETAIL_ORIGINAL    /* "original attached": the message, or its header, is in the bounce */
};

struct detail {
    struct position at;
    enum detail_kind kind;
    const char *name;
    const char *pattern;
};

struct expectation {
    struct position at;      /* the statement */
    struct position what_at; /* the word a failure points at */
    enum expect_kind kind;
    bool negated;
    struct selector message;
    const char *address; /* pattern, or NULL */
    const char *from;    /* TOOK: pattern over the envelope sender, or NULL */
    struct actor actor;  /* TOOK, CONNECTED, ASKED */
    bool counted;
    uint64_t count;
    struct when when;
    struct moment *times; /* TRIED: "tried at 0s 6m40s": exactly these attempts, in this order */
    size_t time_count;
    const struct trigger *times_event; /* what they count from, as in struct when */
    int code;                          /* REFUSED: exit code, or a client's SMTP reply; -1 any */
    enum stage stage;
    size_t host;
    const char *name; /* program; file of an mbox; type of a query */
    const struct user_spec *user;
    const char *pattern; /* log line; what is lost; name of a query */
    struct detail *details;
    size_t detail_count;
};

struct allowance {
    struct position at;
    struct selector message;
};

struct scenario {
    struct pool pool;
    const char *file;
    const char *title;
    struct home_spec *hosts;
    size_t host_count;
    struct remote_spec *remotes;
    size_t remote_count;
    struct client_spec *clients;
    size_t client_count;
    struct dns_spec dns;
    bool internet; /* there are remotes, clients, several hosts, a `dns` or a `network` statement;
                      without all of them nobody needs the DNS's machine */
    struct network *networks; /* what holds from the start, in the order of the file */
    size_t network_count;
    size_t match_count; /* `match` statements: the file is for `nixie serve` alone */
    struct submission *submissions;
    size_t submission_count;
    struct message *messages;
    size_t message_count;
    struct event *events; /* in the order of the file */
    size_t event_count;
    struct fault *faults;
    size_t fault_count;
    struct expectation *expectations;
    size_t expectation_count;
    struct allowance *duplicates;
    size_t duplicate_count;
    int64_t epoch;    /* 0: the kernel's default */
    int64_t until_ns; /* INT64_MAX: until all is idle */
    bool has_until;
};

/* True if `selector` means message number `index`; entry, bounce and recipient are the caller's. */
bool selector_matches(const struct scenario *scenario, const struct selector *selector,
                      size_t index);

#endif

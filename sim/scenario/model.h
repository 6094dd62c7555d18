/* SPDX-License-Identifier: ISC */
/*
 * A scenario that has been read and checked: everything resolved, nothing left to look up.  It is
 * never changed by a run, so one scenario can be run any number of times.
 */
#ifndef SIM_SCENARIO_MODEL_H
#define SIM_SCENARIO_MODEL_H

#include "sim/scenario/scenario.h"
#include "sim/scenario/source.h"
#include "sim/world/spec.h"
#include "sim/world/stage.h"
#include "sim/world/words.h"

enum via { VIA_INJECT, VIA_QUEUE, VIA_SENDMAIL };

/* "at 0s alice sends m ... times 50" */
struct submission {
    struct position at;
    const char *name;
    size_t host;
    const struct user_spec *user; /* NULL: root */
    enum via via;
    const char *from; /* envelope sender; NULL: the program's own choice */
    const char **recipients;
    size_t recipient_count;
    struct text content;
    bool default_content;
    size_t times;
    int64_t every_ns;
    size_t first_message; /* in messages[]; `times` of them */
};

/* One message of a submission. */
struct message {
    const char *name; /* "m1", "m.7" */
    size_t submission;
    const char *id;     /* the value of its Message-ID, with <> */
    const char *header; /* lines put before the content so that it can be told apart, or "" */
};

/* "m1", "m.7", "m.*", "m1.bounce", "m1@bob@example.com" */
struct selector {
    struct position at;
    const char *name;      /* a pattern over message names */
    unsigned bounce;       /* 0 the message, 1 its bounce, 2 the bounce of that */
    const char *recipient; /* a pattern, or NULL */
    const char *text;      /* as written */
};

enum trigger_kind {
    TRIGGER_TIME,
    TRIGGER_ENTERS,   /* a message enters a stage */
    TRIGGER_DURABLE,  /* the disk holds it for certain */
    TRIGGER_ACCEPTED, /* its submitter was told so */
    TRIGGER_CRASH
};

struct trigger {
    struct position at;
    enum trigger_kind kind;
    bool before;
    int64_t delay_ns; /* TIME: from the start; else after the event */
    struct selector message;
    enum stage stage;
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
    ACTION_CLOCK
};

enum keep { KEEP_ALL, KEEP_NONE, KEEP_RANDOM, KEEP_STAGE };

enum pin_kind { PIN_LOSE, PIN_KEEP, PIN_FIND };

/* One thing that the disk lost or kept: below a crash, the first that fits decides. */
struct pin {
    struct position at;
    enum pin_kind kind;
    unsigned answer;     /* FIND: 0 is "lost" */
    const char *pattern; /* over what a chooser is asked */
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
    uint64_t free_bytes; /* UINT64_MAX: no limit */
    int64_t clock_ns;
};

struct event {
    struct trigger trigger;
    struct action action;
};

/* "fault queue fsync 1 EIO" */
struct fault {
    struct position at;
    const char *program;
    int call; /* enum call_id */
    uint64_t first, last;
    int error;
    const char *path; /* pattern over the call's path, or NULL */
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
    EXPECT_MBOX
};

enum when_kind { WHEN_ANY, WHEN_AT, WHEN_BY, WHEN_IN };

struct when {
    struct position at;
    enum when_kind kind;
    int64_t from_ns, to_ns; /* met by from <= t < to */
};

enum detail_kind {
    DETAIL_UNCHANGED,
    DETAIL_HEADER,     /* name, pattern */
    DETAIL_BODY,       /* pattern, found anywhere */
    DETAIL_ARGUMENTS,  /* pattern over the program's arguments, joined by spaces */
    DETAIL_ENVIRONMENT /* name, pattern */
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
    bool counted;
    uint64_t count;
    struct when when;
    int code; /* REFUSED: -1 any */
    enum stage stage;
    size_t host;
    const char *name; /* program; file of an mbox */
    const struct user_spec *user;
    const char *pattern; /* log line; what is lost */
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

/* True if `selector` means message number `index`. */
bool selector_matches(const struct scenario *scenario, const struct selector *selector,
                      size_t index);

#endif

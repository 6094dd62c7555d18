/* SPDX-License-Identifier: ISC */
/*
 * What a log tells, message by message.  A number that a log has again is another story, unless the
 * message was only taken in again after a crash.
 */
#ifndef SIM_TRACE_HISTORY_H
#define SIM_TRACE_HISTORY_H

#include "sim/trace/line.h"

#define NO_STORY SIZE_MAX

enum result { RESULT_OPEN, RESULT_SUCCESS, RESULT_FAILURE, RESULT_DEFERRAL, RESULT_LOST };

struct delivery {
    uint64_t id;
    size_t story;
    bool remote;
    char *recipient;
    struct moment start, end;
    enum result result; /* RESULT_LOST: the server ended before it could tell */
    char *text;
    unsigned try;    /* 1: the first for this recipient */
    size_t previous; /* the try before, or SIZE_MAX */
    bool is_last;    /* no later try of it */
};

enum event_kind {
    EVENT_NEW,
    EVENT_AGAIN, /* taken in again */
    EVENT_START,
    EVENT_RESULT,
    EVENT_LOST, /* the server ended, or was found to have ended, before there was a result */
    EVENT_BOUNCE,
    EVENT_TRIPLE,
    EVENT_ADMIN,
    EVENT_TROUBLE,
    EVENT_END,
};

struct event {
    enum event_kind kind;
    struct moment at;
    size_t delivery; /* START, RESULT, LOST */
    char *text;      /* ADMIN, TROUBLE */
};

struct story {
    uint64_t number;
    bool has_begin; /* "new msg" is in the log */
    bool has_info;
    bool ended;
    bool replaced; /* another message got its number, and its end is not in the log */
    bool triple, deleted, held;
    struct moment begin, end;
    char *sender; /* NULL: not shown */
    uint64_t bytes, qp, uid;
    uint64_t bounce_qp;       /* of "bounce msg" */
    size_t bounce, bounce_of; /* stories, or NO_STORY */
    size_t before;            /* the story before of the same number, or NO_STORY */
    struct event *events;
    size_t event_count;
};

struct history {
    struct story *stories; /* in order of their first lines */
    size_t story_count;
    struct delivery *deliveries;
    size_t delivery_count;
    uint64_t lines, skipped, runs; /* runs: how often the server began anew */
    struct moment last;
    /* While it is read. */
    struct index *by_number, *by_delivery; /* what a number means now */
    struct index *by_bounce;               /* a qp: the story whose bounce it is */
    struct index *by_recipient;            /* hash of story and recipient: the last delivery */
    uint64_t last_delivery;
    char *pending; /* a line that may go on */
    size_t pending_size, pending_room;
};

void history_init(struct history *history);
/* The next line of the log, without its newline. */
void history_line(struct history *history, const char *text, size_t size);
/* A line that was too long to be read. */
void history_skip(struct history *history);
/* After the last line. */
void history_end(struct history *history);
void history_free(struct history *history);

/* True if the story's sender or one of its recipients is meant by `address`: `*` and `?` as in file
 * names; without an `@` it is a domain or a local part. */
bool story_names(const struct history *history, const struct story *story, const char *address);

#endif

/* SPDX-License-Identifier: ISC */
/*
 * nixie-start: the process tree of one home.
 *
 * Children fall into four units that are restarted on their own: the log; the staying queue;
 * listen, if there is anything to listen on; and the send tree (send with its spawners and clean,
 * which live and die together, because a report that is lost with one of them cannot be told from a
 * delivery that never was).
 */
#ifndef MTA_START_START_H
#define MTA_START_START_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "mta/lib/buf.h"

enum member {
    MEMBER_LOG,
    MEMBER_QUEUE,
    MEMBER_LISTEN,
    MEMBER_SEND,
    MEMBER_LSPAWN,
    MEMBER_RSPAWN,
    MEMBER_CLEAN
};
#define MEMBER_COUNT 7
#define MEMBER_TREE_FIRST MEMBER_SEND

enum unit { UNIT_LOG, UNIT_QUEUE, UNIT_LISTEN, UNIT_TREE };
#define UNIT_COUNT 4
#define ADDRESSES_MAX 32 /* with --smtp */

/* What a member of the tree is. */
struct member_kind {
    const char *name;     /* nixie-NAME */
    const char *user;     /* who it runs as; NULL: stays root */
    const char *argument; /* NULL: none */
    enum unit unit;
};
extern const struct member_kind member_kinds[MEMBER_COUNT];

struct unit_state {
    int64_t started;  /* monotonic ms */
    int64_t again_at; /* monotonic ms: not started before */
    int64_t failed;   /* monotonic ms: when its first member ended; 0: none has */
    int64_t pause;    /* ms before the next start */
    bool told;        /* to end, after a member had ended */
};

struct start {
    struct buf home;
    char **environment; /* ours with NIXIE_HOME set; the array and the first string are ours */
    struct buf home_variable;
    bool single_user;
    char ids[MEMBER_COUNT][2][24]; /* uid and gid as text, for become */
    int signals;                   /* signalfd */
    int lock;                      /* run/start.pid */
    int log_read, log_write;       /* kept open, so that no line is lost when log is restarted */
    int admin_listen;              /* run/send: 8 of send; -1: could not be bound */
    int life_read, life_write;     /* ends when we end: fd 0 of queue and listen, 7 of send */
    pid_t pids[MEMBER_COUNT];      /* 0: not running */
    struct unit_state units[UNIT_COUNT];
    bool has_listen;                          /* there is control/listen, or --smtp was given */
    const char *addresses[ADDRESSES_MAX + 1]; /* of --smtp; NULL-ended */
    unsigned address_count;
    bool ending;
    int64_t ending_since;  /* monotonic ms */
    int64_t log_closed_at; /* monotonic ms; 0: not yet */
};

/* check.c: changes to the home and makes sure that it is complete.  Returns 0, or -1 after a
 * message on fd 2 that says what to do. */
int check_home(struct start *start, const char *home, char *const *environment);

/* spawn.c: starts all members of a unit, which must not run.  Returns 0, or -1 with errno; members
 * that were started are then in `pids`. */
int unit_start(struct start *start, enum unit unit);
bool member_runs(const struct start *start, enum member member);

/* spawn.c: puts "nixie-start: TEXT NAME" into the log, if there is room in its pipe. */
void start_tell(struct start *start, const char *text, const char *name);

#endif

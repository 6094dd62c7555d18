/* SPDX-License-Identifier: ISC */
/*
 * What goes wrong in single calls: errors, short transfers, slow disks, clocks that jump, memory
 * that runs out, wake-ups that get lost, connections that break.
 *
 * A fault is put into a call before it has any effect.  Faults are for the server's own programs
 * on hosts of ours; only a connection may break (FAULT_NET) in calls of made-up servers and
 * clients too.  A scenario counts calls (of a program, of one kind); an explorer knows the number
 * of the call in the run.
 */
#ifndef SIM_WORLD_FAULTS_H
#define SIM_WORLD_FAULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim/kernel/kernel.h"

struct world;
struct machine;

enum fault_kind {
    FAULT_ERROR,  /* the call fails with `error` */
    FAULT_SHORT,  /* read/write/send/recv moves 1 byte (or `amount`) */
    FAULT_SLOW,   /* the call (a sync, a write) takes `amount` ns more of virtual time */
    FAULT_CLOCK,  /* the wall clock of the run steps by `amount` ns (either sign) at that call */
    FAULT_MEMORY, /* an allocation of the server's allocator fails */
    FAULT_WAKEUP, /* what the call would wake (the trigger) is not woken, a datagram is lost: the
                     write says success, nothing arrives */
    FAULT_NET     /* the connection that the call writes to / reads from is reset now, or after
                     `amount` more bytes of the caller's */
};

/* Something that goes wrong in one call: number `call_number` of the run (for MEMORY: the
 * allocation of that number). */
struct fault_plan {
    uint64_t call_number;
    enum fault_kind kind;
    int error;
    int64_t amount; /* of ERROR: lasts so many ns, whatever `times` says; 0: does not */
    uint64_t times; /* calls of the same program and kind that fail from there on; 0, 1: one */
    bool any;       /* of ERROR: any call of any program that may fail so, not only the same */
};

#define FAULT_ANY_CALL (-1)
#define FAULT_ALLOCATION (-2)

/* A fault in the words of a scenario, and what came of it. */
struct fault_rule {
    const char *program; /* NULL: any */
    int call;            /* enum call_id; ANY_CALL: all that may fail with `error` (of ERROR) */
    const char *path;    /* pattern over the call's path, or NULL */
    uint64_t first;      /* which of such calls, from 1 */
    uint64_t times;      /* so many from there on; 0 counts as 1 */
    int64_t lasts_ns;    /* or all of them for so long; 0: does not */
    enum fault_kind kind;
    int error;
    int64_t amount; /* of SHORT bytes, of SLOW and CLOCK ns, of NET bytes */
    /* Of a plan: until the call of that number is there, program, call and first are not known
     * (but of `any`). */
    uint64_t call_number; /* 0: none, or it was there */
    bool any;
    uint64_t seen; /* such calls */
    uint64_t hits;
    int64_t hit_ns; /* the first hit */
};

/* Both before the run.  A plan's hits are told by fault_line. */
void faults_add_rule(struct world *world, const struct fault_rule *rule);
void faults_add_plan(struct world *world, const struct fault_plan *plan);
void faults_free(struct world *world);

/* A call is about to be made on a machine: what is due goes wrong.  Returns 0 or the errno that it
 * fails with.  May wait (SLOW). */
int faults_before(struct machine *machine, const struct call *call);

/* A call has failed: a disk may tell late of an error (fsync-eio), to another than it hit. */
void faults_after(struct machine *machine, const struct call *call);

/* A syncfs has ended well: what the faults before left unsynced is durable. */
void faults_synced(struct machine *machine, int64_t time_ns);

/* The rule as a line of a scenario without a newline, "fault queue fsync 3 EIO times 2"; malloc'd.
 * NULL: it is a plan's whose call has not come. */
char *fault_line(const struct fault_rule *rule);

/* --- which faults there are ------------------------------------------------------------------*/

/* Sets of them. */
enum {
    FAULTS_ENOSPC = 1 << 0,
    FAULTS_EDQUOT = 1 << 1,
    FAULTS_EIO = 1 << 2,
    FAULTS_EMFILE = 1 << 3,
    FAULTS_ENFILE = 1 << 4,
    FAULTS_ENOMEM = 1 << 5,
    FAULTS_EINTR = 1 << 6,
    FAULTS_SHORT = 1 << 7,
    FAULTS_SLOW = 1 << 8,
    FAULTS_CLOCK = 1 << 9,
    FAULTS_SPAWN = 1 << 10, /* EAGAIN: no process more */
    FAULTS_WAKEUP = 1 << 11,
    FAULTS_NETWORK = 1 << 12,
    FAULTS_MEMORY = 1 << 13,
    FAULTS_ALL = (1 << 14) - 1
};

/* The faults that a call may meet on Linux, before it takes effect; 0 if it is of no program of
 * ours (of actors: FAULTS_NETWORK at most).  fault_table.c says which and why. */
unsigned faults_of(const struct world *world, const struct call *call);
/* The errno of one of ENOSPC ... EINTR, SPAWN; and the set of an errno, 0 if it is none. */
int fault_error(unsigned one);
unsigned fault_of_error(int error);

#endif

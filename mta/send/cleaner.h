/* SPDX-License-Identifier: ISC */
/*
 * nixie-clean, asked without waiting: commands go out on fd 5, answers come back on fd 6 in the
 * same order, and each is handed to the function that was given with the command.
 *
 * Syncs are joined: all that ask before a `sync` is sent are served by it; those that ask while
 * it runs are served by the next one, since what they wrote may have come too late.  If it fails
 * they hear no as well, since it may have told of what they wrote.
 */
#ifndef MTA_SEND_CLEANER_H
#define MTA_SEND_CLEANER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mta/lib/buf.h"

struct send;

/* `answer` is '+' for done; '!' or 'x' for not. */
typedef void cleaner_done(struct send *send, uint64_t number, bool done);

struct cleaner_request {
    cleaner_done *done;
    uint64_t number;
};

struct cleaner_queue { /* a ring */
    struct cleaner_request *requests;
    size_t first, count, capacity;
};

struct cleaner {
    struct buf out;               /* commands not written yet */
    struct cleaner_queue asked;   /* commands without an answer; a sync stands for `syncing` */
    struct cleaner_queue waiting; /* for the next sync */
    struct cleaner_queue syncing; /* for the running one */
    bool sync_runs;
};

void cleaner_free(struct cleaner *cleaner);

/* Asks for COMMAND/NUMBER ("todo", "mess", "aside/todo"); `done` may be NULL.  0 or -1 with ENOMEM.
 */
int cleaner_ask(struct cleaner *cleaner, const char *command, uint64_t number, cleaner_done *done);
/* Asks for `sweep`.  0 or -1 with ENOMEM. */
int cleaner_sweep(struct cleaner *cleaner);
/* Asks for a sync of all that was changed before this call.  0 or -1 with ENOMEM. */
int cleaner_sync(struct cleaner *cleaner, uint64_t number, cleaner_done *done);

/* True while something was asked and not answered. */
bool cleaner_busy(const struct cleaner *cleaner);

/* Sends what can be sent without blocking; the place where a sync begins.  0, or -1: clean is
 * gone. */
int cleaner_flush(struct cleaner *cleaner);
/* Takes answers, after poll said that there are some.  0, or -1: clean is gone. */
int cleaner_answers(struct send *send);

#endif

/* SPDX-License-Identifier: ISC */
/*
 * Hands one message to the queue: to the staying nixie-queue if its socket answers, else to a
 * nixie-queue started for it.
 *
 *     struct submit submit;
 *     struct submit_result result;
 *     submit_open(&submit, &home, environment);
 *     submit_write(&submit, bytes, size);             any number of times
 *     submit_sender(&submit, sender, size);           once
 *     submit_recipient(&submit, recipient, size);     any number of times
 *     submit_finish(&submit, &result);                or submit_abort(&submit)
 *
 * Nothing but submit_finish tells of an error: what fails before makes its result.  All may block
 * while the queue is slow, an hour at most for each step with the staying one, a day with another.
 * SIGPIPE is ignored from submit_open to submit_finish or submit_abort.
 */
#ifndef MTA_LIB_SUBMIT_H
#define MTA_LIB_SUBMIT_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "mta/lib/buf.h"
#include "mta/lib/caller.h"
#include "mta/lib/queue_result.h"

#define SUBMIT_TEXT_SIZE 512

struct submit_result {
    int result;                  /* enum queue_result, or another exit code of a program */
    uint64_t number;             /* the message's, for `qp`; 0 if not accepted or not known */
    char text[SUBMIT_TEXT_SIZE]; /* "" or `D` or `Z` and a line */
};

struct submit {
    const struct buf *home;
    char *const *environment;
    enum caller caller;
    int socket_fd;   /* -1: not with the staying queue */
    int message_fd;  /* -1: no program started */
    int envelope_fd; /* likewise */
    int tell_fd;     /* what the program writes on descriptor 6 */
    pid_t pid;
    int result;       /* the first failure */
    bool replayable;  /* `out` holds all that was sent on the socket */
    bool in_envelope; /* the message has ended */
    struct buf out;   /* to be sent, or sent already up to `sent` */
    size_t sent;
    struct buf envelope;
    int *kept; /* where a connection that can take another message goes; NULL: it is closed */
    bool signal_saved;
    struct sigaction saved;
};

/* `home` and `environment` must stay until the end.  $NIXIEQUEUE, then $QMAILQUEUE, names another
 * program to use (never asked in a setuid program). */
void submit_open(struct submit *submit, const struct buf *home, char *const *environment);

/* As submit_open, which is for CALLER_USER without `kept`.  `kept` (or NULL) is for one message of
 * many: takes the connection *kept to the staying queue, if there is one (not -1) that still
 * stands, and puts it back when the message has been accepted.  *kept is the caller's to close. */
void submit_open_as(struct submit *submit, const struct buf *home, char *const *environment,
                    enum caller caller, int *kept);

void submit_write(struct submit *submit, const void *bytes, size_t size);
void submit_text(struct submit *submit, const char *text); /* without its NUL */

/* Addresses hold no NUL; `size` bytes. */
void submit_sender(struct submit *submit, const char *sender, size_t size);
void submit_recipient(struct submit *submit, const char *recipient, size_t size);

/* Makes what goes wrong outside (the message could not be read, say) the result, if nothing else
 * failed before: nothing will be queued. */
void submit_fail(struct submit *submit, int result);

/* Ends it, waits until the message is durable or refused, and tells.  Returns result->result. */
int submit_finish(struct submit *submit, struct submit_result *result);

/* Gives up: nothing is queued. */
void submit_abort(struct submit *submit);

#endif

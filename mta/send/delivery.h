/* SPDX-License-Identifier: ISC */
/*
 * Channels (local, remote): passes over the recipients of messages that are due, and deliveries,
 * one a recipient.  Deliveries that one request asks the channel's spawner for are a group: in the
 * remote channel recipients of one host, which follow each other in the message's file; in the
 * local one always a single recipient.  Groups are what concurrency counts.
 *
 * A job is a message in a channel from the begin of its pass to the end of its last delivery.
 */
#ifndef MTA_SEND_DELIVERY_H
#define MTA_SEND_DELIVERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mta/lib/buf.h"
#include "mta/lib/spool.h"
#include "mta/send/message.h"

struct send;

#define REPORT_MAX 10000 /* bytes of a report that are kept */
#define GROUP_MAX 100    /* recipients of a request to rspawn */

struct job {
    struct message *message; /* NULL: free */
    int fd;                  /* the channel file, open for reading and writing; -1: there is none,
                                as long as the message is MESSAGE_DIRECT (or _MOVING) */
    struct buf file;         /* its content; marks are kept up to date */
    struct buf sender;
    size_t at;            /* the next record */
    size_t to_do;         /* recipients without a mark */
    unsigned outstanding; /* deliveries in use */
    int64_t retry;        /* steady seconds */
    bool passing, dying;
    bool again; /* the admin wished, while it was open, that what is left be tried */
    bool retry_written;
};

enum delivery_state {
    DELIVERY_FREE,
    DELIVERY_RUNNING,
    DELIVERY_FAILED,    /* `piece` is to be added to the bounce */
    DELIVERY_FAIL_SYNC, /* it waits for the sync of `batch` */
    DELIVERY_MARK,      /* the recipient is to be marked done */
};

struct delivery {
    enum delivery_state state;
    struct job *job;
    struct group *group;
    uint64_t id;
    size_t offset;    /* of the recipient's record */
    struct buf piece; /* of the bounce */
    uint64_t batch;
    int64_t due; /* steady seconds: not before */
    bool warned;
};

struct group {
    unsigned used;    /* deliveries of it that have not ended; 0: it is free */
    unsigned running; /* of these, those that wait for their report */
};

struct channel {
    enum due_kind index;
    enum spool_kind kind;
    const char *name;
    unsigned skip;
    int out_fd, in_fd;
    unsigned group_max;   /* recipients of a request */
    unsigned group_count; /* at once: the concurrency */
    struct group *groups;
    unsigned slot_count; /* at least group_count */
    struct delivery *slots;
    struct job *jobs;                     /* group_count + 1 */
    unsigned used, running;               /* deliveries; running: that wait for their report */
    unsigned groups_used, groups_running; /* the same of groups */
    struct job *pass;                     /* NULL: none */
    struct buf out;                       /* requests not written yet */
    char input[2048];                     /* read and not taken: input_at to input_size */
    size_t input_at, input_size;
    struct buf report; /* the beginning of one */
    bool report_whole; /* all of it, but it could not be taken yet */
    int64_t stalled_until;
};

/* channel.c: reads the spawner's limit (waits for it) and takes all memory.  0; -1 with errno:
 * EPIPE: there is no spawner. */
int channel_start(struct send *send, enum due_kind index);
void channel_free(struct channel *channel);
/* Whether another group can be started. */
bool channel_has_room(const struct channel *channel);
/* "status: ..." */
void channel_log_status(struct send *send);

/* pass.c */
void pass_step(struct send *send, struct channel *channel);
/* True if a step would do something now. */
bool pass_ready(const struct send *send, const struct channel *channel);
/* The job of the message in the channel, or NULL. */
struct job *channel_job(const struct channel *channel, const struct message *message);
/* Whether deliveries of the message are under way in the channel. */
bool channel_works_on(const struct channel *channel, const struct message *message);
/* Ends the job if nothing of it is left. */
void job_check(struct send *send, struct channel *channel, struct job *job);

/* delivery.c */

/* Starts deliveries of the recipients at `offsets` of the job's file, `count` of them (1 to
 * channel->group_max, and not more than there are free slots), as one group.  The channel must have
 * room.  0, or -1: not now. */
int delivery_start(struct send *send, struct channel *channel, struct job *job,
                   const size_t *offsets, unsigned count);
/* Takes reports after poll.  0, or -1: the spawner is gone. */
int delivery_reports(struct send *send, struct channel *channel);
/* Writes bounces and marks that are due. */
void delivery_step(struct send *send);
/* Steady seconds of the next delivery_step that is to do something; INT64_MAX: none. */
int64_t delivery_next(const struct send *send);

#endif

/* SPDX-License-Identifier: ISC */
/*
 * Delivery while a message is in S4: few recipients, and it is known to be durable.  Nothing is
 * written for it: results are held in memory, and when all recipients have it todo and mess go.
 * That needs no wait for the disk, since a crash before merely repeats deliveries.
 *
 * Anything else than success, a wish of the admin, the end of send or DIRECT_SECONDS since the
 * first delivery began take it to S5 first, with what is done marked: info, local and remote are
 * written, made durable, and todo is removed.  Deliveries under way go on meanwhile and mark in the
 * files afterwards.  Only in S5 are failures written to the bounce and deferred recipients tried
 * again.
 */
#ifndef MTA_SEND_DIRECT_H
#define MTA_SEND_DIRECT_H

#include <stdint.h>

#include "mta/send/delivery.h"
#include "mta/send/message.h"

struct send;

#define DIRECT_RECIPIENTS 10 /* at most */
#define DIRECT_BYTES 16384   /* of the todo file, at most */
#define DIRECT_MAX 4000      /* messages at a time */
#define DIRECT_SECONDS 2     /* from the first delivery on; then it moves */

/* A new message starts so.  Takes the contents of `info` and of the channels' files out of the
 * bufs. 0, or -1 with ENOMEM: nothing was taken. */
int direct_begin(struct send *send, struct message *message, const char *sender, struct buf *info,
                 struct buf channels[CHANNEL_COUNT]);

/* A delivery of it begins: only from then on is there something that a crash would forget. */
void direct_started(struct send *send, struct message *message);

/* Takes it to S5, if it is not on its way. */
void direct_move(struct send *send, struct message *message);
/* That failed, at the sync: what was written is not believed. */
void direct_move_failed(struct send *send, struct message *message);
/* It is in S5. */
void direct_moved(struct send *send, struct message *message);

/* Fills a job: file, sender; the descriptor stays -1.  0, or -1 with errno. */
int direct_open(struct job *job, enum due_kind channel);
/* Takes the file of a job that ends back. */
void direct_close(struct job *job, enum due_kind channel);
/* Such a job has ended with `left` recipients, who are to be tried again at `retry`, and the
 * message is not in S5 yet. */
void direct_job_ended(struct send *send, struct message *message, enum due_kind channel,
                      size_t left, int64_t retry);
/* A recipient of the job was deferred: notes in the file when it is next tried. */
void direct_deferred(struct send *send, const struct channel *channel, struct job *job);

/* All recipients have it: asks clean to remove it. */
void direct_remove(struct send *send, struct message *message);

/* send is to end: messages whose results would be lost otherwise are moved, and clean is asked
 * again to remove those that all have. */
void direct_exit(struct send *send);
/* send ends at once, because a partner is gone: the same, as far as that goes without a sync if it
 * is clean.  Waits for clean. */
void direct_save(struct send *send);

#endif

/* SPDX-License-Identifier: ISC */
/*
 * nixie-send: what its files share.  One context, one loop; every function does a bounded piece of
 * work and none waits, but where it says so.
 *
 * The current directory is HOME/queue.  What must be durable before what is in
 * docs/architecture.md, "Contract".
 */
#ifndef MTA_SEND_SEND_H
#define MTA_SEND_SEND_H

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>

#include "mta/lib/buf.h"
#include "mta/lib/rewrite.h"
#include "mta/lib/spool.h"
#include "mta/send/admin.h"
#include "mta/send/cleaner.h"
#include "mta/send/delivery.h"
#include "mta/send/direct.h"
#include "mta/send/logline.h"
#include "mta/send/marked.h"
#include "mta/send/message.h"
#include "mta/send/steady.h"

/* Descriptors; those of the channels are in channel.c's table. */
#define FD_CLEAN_OUT 5
#define FD_CLEAN_IN 6
#define FD_LIFE 7

#define PAUSE_TROUBLE 10        /* s, after no memory, no descriptors, no room */
#define PAUSE_CHORE 123         /* s, between tries to remove a file or send a bounce, and looks */
#define EXIT_CHORES_MAX 60      /* s, for the last try of what failed, at exit */
#define PAUSE_TODO 1500         /* s, between looks at todo while nothing comes */
#define PAUSE_TODO_BUSY 60      /* s, after messages came of which queue told */
#define PAUSE_CLEANUP 76431     /* s, between looks for left-overs */
#define LEFT_OVER_AGE 129600    /* s, from when on an unfinished message is garbage */
#define DIRTY_MAX 5             /* s, from a mark or a removal to the sync that covers it */
#define LIFETIME_DEFAULT 604800 /* s */

#define TOLD_SIZE 4096

struct todo {
    DIR *directory;       /* open while being gone through */
    bool wanted;          /* something was added since `directory` was opened */
    int64_t next_look;    /* steady seconds */
    bool files_left;      /* perhaps, of one that could not be preprocessed; never false again */
    uint64_t *left_alone; /* numbers that are passed over until the next start */
    size_t left_alone_count;
    int trigger_read, trigger_write;
    char told[TOLD_SIZE]; /* read from the trigger; told_at to told_size is not taken yet */
    size_t told_at, told_size;
};

struct cleanup {
    DIR *directory;
    int64_t next_look;
    uint64_t floor; /* lower numbers are of an earlier boot */
};

struct send {
    struct buf home;
    struct rewrite rewrite;
    int64_t lifetime;
    struct buf bounce_from, bounce_host, double_to, double_host, me;
    bool bounce_qsbmf; /* the form of bounces */
    struct logline log;
    struct steady time;
    struct cleaner cleaner;
    struct messages messages;
    unsigned direct_count; /* messages that have `direct` */
    struct channel channels[CHANNEL_COUNT];
    struct todo todo;
    struct cleanup cleanup;
    struct marked marked;
    struct admin admin;
    uint64_t delivery_count;
    uint64_t failure_batch; /* of the failures that wait for the next sync */
    bool failures_to_sync;  /* there are such, and the sync was not asked for yet */
    char *const *environment;
    int mutex, signals;
    bool has_life; /* FD_LIFE is open */
    bool exit_asap;
    bool clean_is_gone;
    bool dirty; /* something is not durable that should be soon */
    int64_t dirty_since;
    bool all_synced;      /* start-up: what was asked for last */
    bool todo_finished;   /* the same: clean has removed the todo that was asked for */
    bool last_sync_asked; /* exit */
    int64_t chores_until; /* the same: no chore begins from then on; 0: no last try yet */
};

/* main.c */

/* Writes what can be written of `out` to `fd`, which does not block.  0, or -1 with errno. */
int send_flush(int fd, struct buf *out);
/* Something was changed that is to be durable soon. */
void send_dirty(struct send *send);
/* Takes signals, waits at most `seconds`.  Start-up only.  -1 if we are told to end. */
int send_pause(struct send *send, int64_t seconds);
/* Flushes and takes answers until clean has answered everything.  Start-up only; waits.
 * -1: clean is gone, or we are told to end while there is no memory. */
int send_wait_cleaner(struct send *send);

/* controls.c: current directory is the home.  0, or -1 after an alert line. */
int controls_read(struct send *send);
/* HUP.  -1 if there is no way back to the queue directory. */
int controls_reread(struct send *send);
void controls_free(struct send *send);

/* files.c */

/* The whole file KIND/NUMBER into `content`.  0 or -1 with errno; EBADMSG: it is no file, or too
 * large to be one of ours. */
int file_read(enum spool_kind kind, uint64_t number, struct buf *content);
/* Writes it as a new file, whatever had the name before.  0 or -1 with errno; nothing is left. */
int file_write(enum spool_kind kind, uint64_t number, const struct buf *content);
/* Writes what the file holds over itself: the next sync then tells whether the disk has it, also of
 * a file of which another program may have been told that it could not be written.  0, or -1 with
 * errno. */
int file_write_over(enum spool_kind kind, uint64_t number);
/* The sender from info/N, NUL-ended.  0 or -1 with errno; EBADMSG: it does not check out. */
int info_read_sender(uint64_t number, struct buf *sender);
/* Compares mess/N with length and checksum in info/N.  0 or -1 with errno; EBADMSG: they differ, or
 * info does not check out.  Reads all of the message. */
int mess_verify(uint64_t number);
/* Unlinks it, or sets aside a directory; 0 also if there is none. */
int file_remove(enum spool_kind kind, uint64_t number);
/* A file that does not check out: says so and moves it to corrupt/. */
void file_aside(struct send *send, enum spool_kind kind, uint64_t number);
/* Whether there is anything of that name. */
bool file_is_there(enum spool_kind kind, uint64_t number);
/* A message that cannot be delivered any more: says so and moves all its files to corrupt/.  0, or
 * -1: one could not be moved, and those behind it stay, too. */
int message_files_aside(struct send *send, uint64_t number);
/* Logs "warning: WHAT KIND/NUMBER; will try again later". */
void file_warn(struct send *send, const char *what, enum spool_kind kind, uint64_t number);

/* recover.c: brings every number into S1 to S5 and learns all messages.  Waits.  0; -1 if clean is
 * gone or we are told to end. */
int recover(struct send *send);

/* cleanup.c */
void cleanup_step(struct send *send);
bool cleanup_due(const struct send *send);
void cleanup_close(struct send *send);
/* True if nobody can be working on a message that is in S2 or S3. */
bool left_over_is_old(const struct send *send, uint64_t number);

/* todo.c */
int todo_open_trigger(struct send *send);
/* Whether the trigger is to be listened to. */
bool todo_hears(const struct send *send);
void todo_triggered(struct send *send);
void todo_step(struct send *send);
bool todo_due(const struct send *send);
/* Writes info/N and those channel files that are not empty, all anew; without a sync.  0, or -1
 * with errno: then there is none of them. */
int todo_write(uint64_t number, const struct buf *info,
               const struct buf *const channels[CHANNEL_COUNT]);
/* Removes what todo_write has written.  0 or -1 with errno. */
int todo_unwrite(uint64_t number);
/* Start-up: todo/N is not looked into by this nixie-send.  0, or -1 with ENOMEM. */
int todo_leave_alone(struct send *send, uint64_t number);
/* Has them made durable, and then todo removed.  0, or -1 with ENOMEM. */
int todo_sync(struct send *send, struct message *message);
void todo_remove(struct send *send, struct message *message);
/* Queue told its client no, and took mess away, while we wrote the files of S5: removes and forgets
 * the message.  0, or -1 with errno: not all of its files could be removed. */
int todo_withdrawn(struct send *send, struct message *message);
void todo_close(struct send *send);
/* A message that is MESSAGE_STUCK: removes it if the admin deleted it, else looks at it again. */
void todo_unstick(struct send *send, struct message *message);
/* Those that are MESSAGE_STUCK are looked at again: control files may say something else now. */
void todo_unstick_all(struct send *send);

/* chores.c: what is to be done to a message as a whole. */
void chores_step(struct send *send);
bool chores_due(const struct send *send);
/* Steady seconds of the next chores_step that is to do something; INT64_MAX: none. */
int64_t chores_next(const struct send *send);
/* Goes on to the end of a message in S5 that has no channels, or that the admin deleted. */
void message_check_done(struct send *send, struct message *message);
/* A channel of the message is done; goes on to its end when it was the last. */
void message_channel_done(struct send *send, struct message *message, enum due_kind channel);

/* admin.c */

/* Whether deliveries of the message are under way. */
bool message_is_busy(const struct send *send, const struct message *message);

/* bounce.c */

/* Adds one failed recipient's piece to the message's bounce.  Not synced.  0, or -1 with errno. */
int bounce_append(struct message *message, const struct buf *piece);
/* Hands the bounce of a message to the queue (waits for that), or a part of it: so many failures
 * are told of by several.  Returns 0: accepted or rightly discarded; 1: so far; -1: later.  What
 * was told is in message->bounce_told: a crash in between has it told again. */
int bounce_inject(struct send *send, struct message *message);

#endif

/* SPDX-License-Identifier: ISC */
/* The messages that send knows, by number and by what is due next. */
#ifndef MTA_SEND_MESSAGE_H
#define MTA_SEND_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mta/lib/buf.h"

/* Heaps; the first two are the channels. */
enum due_kind { DUE_LOCAL, DUE_REMOTE, DUE_CHORE };
#define DUE_KINDS 3
#define CHANNEL_COUNT 2

enum message_state {
    MESSAGE_DIRECT, /* S4: it is delivered without being preprocessed (direct.c) */
    MESSAGE_MOVING, /* S4: that is to end, but info, local, remote could not be written (chore) */
    MESSAGE_STUCK,  /* S4: its recipients are too long for local and remote; it waits for the admin
                       (chore: another try, or its end) */
    MESSAGE_PREPARED, /* S4: info, local, remote are written and wait for a sync */
    MESSAGE_SYNCED,   /* S4: todo is to be removed (chore, or clean was asked) */
    MESSAGE_QUEUED,   /* S5: recipients are left */
    MESSAGE_BOUNCING, /* S5: no recipients left, the bounce is to be sent once all is synced */
    MESSAGE_BOUNCE,   /* S5: the bounce is to be sent (chore) */
    MESSAGE_ENDING,   /* S5: info is to be removed (chore) */
    MESSAGE_DONE,     /* S4: all recipients have it: todo is to be removed (chore, or clean was
                         asked) */
    MESSAGE_ENDED,    /* S2: mess is to be removed (chore, or clean was asked) */
};

/* What the files of S5 would hold, of a message that is not there yet. */
struct direct {
    struct buf sender;                  /* with its NUL */
    struct buf info;                    /* all of info/N */
    struct buf channels[CHANNEL_COUNT]; /* all of local/N and remote/N, with the marks; while there
                                           is a job, this has it */
    int64_t retry[CHANNEL_COUNT];       /* steady seconds: when the channel is due in S5; 0: now */
    bool started;                       /* a delivery was */
};

struct message {
    uint64_t number;
    int64_t birth; /* steady seconds */
    enum message_state state;
    bool has[CHANNEL_COUNT]; /* recipients are left in the channel file */
    struct direct *direct;   /* until S5, if it is or was MESSAGE_DIRECT; owned */
    bool has_bounce;
    bool found;       /* without a word of queue (or it is not known): it may be withdrawn */
    bool unverified;  /* perhaps of an earlier boot: mess/N is not yet compared with its checksum */
    bool bounce_lost; /* a part of it was found damaged when nobody was left to be tried */
    bool bounce_tainted; /* a sync failed: to be written anew before anything is added */
    bool end_logged;
    bool held;               /* by the admin: due in no channel, whatever due[] says */
    bool expired;            /* by the admin: the next try is the last */
    bool removed;            /* by the admin: nothing is tried any more ... */
    bool remove_now;         /* ... and as that is durable, it may go */
    uint64_t bounce_length;  /* bytes written */
    uint64_t bounce_durable; /* bytes known to be durable */
    uint64_t bounce_told;    /* bytes that the bounces so far have told of */
    int64_t due[DUE_KINDS];  /* steady seconds */
    size_t at[DUE_KINDS];    /* place in the heap, from 1; 0: not in it */
};

struct messages {
    struct message **table; /* open addressing, capacity a power of two */
    size_t capacity, count;
    struct message **heaps[DUE_KINDS];
    size_t heap_count[DUE_KINDS];
    size_t heap_capacity;
};

struct message *message_find(const struct messages *messages, uint64_t number);
/* A new message (the number must not be known), due nowhere.  NULL with ENOMEM. */
struct message *message_new(struct messages *messages, uint64_t number);
/* Frees message->direct, if there is one. */
void message_drop_direct(struct message *message);
/* Forgets and frees it. */
void message_drop(struct messages *messages, struct message *message);
void messages_free(struct messages *messages);

/* Makes it due at `when`, also if it is due at another time already; in a channel only if it is
 * neither held nor removed.  Cannot fail. */
void message_due(struct messages *messages, struct message *message, enum due_kind kind,
                 int64_t when);
void message_not_due(struct messages *messages, struct message *message, enum due_kind kind);
/* What is due first (of equals the smaller number), or NULL. */
struct message *message_first(const struct messages *messages, enum due_kind kind);
/* Makes all that is due in the heap due at `when`, if that is earlier. */
void messages_hurry(struct messages *messages, enum due_kind kind, int64_t when);

#endif

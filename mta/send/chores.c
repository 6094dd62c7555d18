/* SPDX-License-Identifier: ISC */
/* What is to be done to a message as a whole: above all its end. */
#include "mta/send/send.h"

#define CHORES_A_STEP 16

static void later(struct send *send, struct message *message, int64_t pause)
{
    message_due(&send->messages, message, DUE_CHORE, send->time.now + pause);
}

static void now(struct send *send, struct message *message, enum message_state state)
{
    message->state = state;
    later(send, message, 0);
}

void message_check_done(struct send *send, struct message *message)
{
    if (message->removed) {
        if (message->remove_now && !message_is_busy(send, message))
            now(send, message, MESSAGE_ENDING);
        return;
    }
    if (!message->has[DUE_LOCAL] && !message->has[DUE_REMOTE])
        now(send, message,
            message->has_bounce || message->bounce_lost ? MESSAGE_BOUNCING : MESSAGE_ENDING);
}

void message_channel_done(struct send *send, struct message *message, enum due_kind channel)
{
    message->has[channel] = false;
    message_not_due(&send->messages, message, channel);
    message_check_done(send, message);
}

/* --- the bounce ---------------------------------------------------------------------------- */

static void marks_synced(struct send *send, uint64_t number, bool done)
{
    struct message *message = message_find(&send->messages, number);
    if (!message)
        return;
    if (done)
        now(send, message, MESSAGE_BOUNCE);
    else
        later(send, message, PAUSE_TROUBLE);
}

static void sync_marks(struct send *send, struct message *message)
{
    message_not_due(&send->messages, message, DUE_CHORE);
    if (cleaner_sync(&send->cleaner, message->number, marks_synced) < 0)
        later(send, message, PAUSE_TROUBLE);
}

static void send_bounce(struct send *send, struct message *message)
{
    int result = bounce_inject(send, message);
    if (result != 0) {
        later(send, message, result < 0 ? PAUSE_CHORE : 0);
        return;
    }
    message->has_bounce = false;
    message->bounce_lost = false;
    now(send, message, MESSAGE_ENDING);
}

/* --- the end ------------------------------------------------------------------------------- */

static void mess_removed(struct send *send, uint64_t number, bool done)
{
    struct message *message = message_find(&send->messages, number);
    if (!message)
        return;
    send_dirty(send);
    if (done) {
        message_drop(&send->messages, message);
        marked_gone(send, number);
        return;
    }
    logline(&send->log, "warning: nixie-clean unable to clean up mess/%n", number);
    later(send, message, PAUSE_CHORE);
}

static void remove_mess(struct send *send, struct message *message)
{
    message_not_due(&send->messages, message, DUE_CHORE);
    if (cleaner_ask(&send->cleaner, "mess", message->number, mess_removed) < 0)
        later(send, message, PAUSE_TROUBLE);
}

/* Removes info last.  Channel files stay until now: were local/N removed while remote/N is still
 * worked on, a power loss could bring the name back with another file's content, and nobody could
 * tell that from damage. */
static void end(struct send *send, struct message *message)
{
    static const enum spool_kind kinds[] = {SPOOL_LOCAL, SPOOL_REMOTE, SPOOL_BOUNCE, SPOOL_INFO};
    uint64_t number = message->number;
    if (!message->end_logged)
        logline(&send->log, "end msg %n", number);
    message->end_logged = true;
    send_dirty(send);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (file_remove(kinds[i], number) < 0) {
            file_warn(send, "unable to unlink", kinds[i], number);
            later(send, message, PAUSE_CHORE);
            return;
        }
    message->state = MESSAGE_ENDED;
    remove_mess(send, message);
}

static void chore(struct send *send, struct message *message)
{
    switch (message->state) {
    case MESSAGE_DIRECT:
    case MESSAGE_MOVING:
        direct_move(send, message);
        return;
    case MESSAGE_DONE:
        direct_remove(send, message);
        return;
    case MESSAGE_STUCK:
        todo_unstick(send, message);
        return;
    case MESSAGE_SYNCED:
        todo_remove(send, message);
        return;
    case MESSAGE_BOUNCING:
    case MESSAGE_BOUNCE:
        if (message->removed)
            break;
        if (message->state == MESSAGE_BOUNCING)
            sync_marks(send, message);
        else
            send_bounce(send, message);
        return;
    case MESSAGE_ENDING:
        end(send, message);
        return;
    case MESSAGE_ENDED:
        remove_mess(send, message);
        return;
    case MESSAGE_PREPARED:
    case MESSAGE_QUEUED:
        break;
    }
    message_not_due(&send->messages, message, DUE_CHORE);
}

int64_t chores_next(const struct send *send)
{
    const struct message *message = message_first(&send->messages, DUE_CHORE);
    if (!message || (send->chores_until && send->time.now >= send->chores_until))
        return INT64_MAX;
    return message->due[DUE_CHORE];
}

bool chores_due(const struct send *send)
{
    return chores_next(send) <= send->time.now;
}

/* When told to end, only what was nearly done is still done, and what else would be forgotten: each
 * delivery that is waited for is time in which there may be room again.  A bounce is the next
 * start's. */
static bool is_left(const struct send *send, const struct message *message)
{
    return send->exit_asap && (message->state == MESSAGE_BOUNCING ||
                               message->state == MESSAGE_BOUNCE || message->state == MESSAGE_STUCK);
}

void chores_step(struct send *send)
{
    for (unsigned i = 0; i < CHORES_A_STEP && chores_due(send); i++) {
        struct message *message = message_first(&send->messages, DUE_CHORE);
        if (is_left(send, message)) /* it must not stand before others */
            message_not_due(&send->messages, message, DUE_CHORE);
        else
            chore(send, message);
    }
}

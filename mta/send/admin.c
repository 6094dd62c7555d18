/* SPDX-License-Identifier: ISC */
#include "mta/send/admin.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mta/lib/error.h"
#include "mta/lib/io.h"
#include "mta/lib/num.h"
#include "mta/send/send.h"

#define ACCEPT_PAUSE 1 /* seconds */
#define FD_ADMIN 8
#define IN_MAX 4096   /* bytes of commands that are held */
#define OUT_MAX 16384 /* bytes of answers from which on no more commands are taken */
#define ANSWER_MAX 128

/* --- clients ------------------------------------------------------------------------------- */

void admin_open(struct admin *admin)
{
    int listens = 0;
    socklen_t size = sizeof listens;
    if (getsockopt(FD_ADMIN, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) < 0 || !listens)
        return;
    if (io_set_cloexec(FD_ADMIN) == 0 && io_set_nonblocking(FD_ADMIN) == 0)
        admin->listen_fd = FD_ADMIN;
}

static void drop(struct admin_client *client)
{
    io_close(&client->fd);
    buf_free(&client->in);
    buf_free(&client->out);
    client->serial = 0;
}

void admin_free(struct admin *admin)
{
    for (int i = 0; i < ADMIN_CLIENTS; i++)
        if (admin->clients[i].fd >= 0)
            drop(&admin->clients[i]);
    io_close(&admin->listen_fd);
}

static bool has_free_request(const struct admin *admin)
{
    for (int i = 0; i < ADMIN_REQUESTS; i++)
        if (!admin->requests[i].client)
            return true;
    return false;
}

/* True if a command of it could be taken now. */
static bool may_command(const struct admin *admin, const struct admin_client *client)
{
    return client->out.length < OUT_MAX && has_free_request(admin);
}

short admin_client_events(const struct admin *admin, unsigned index)
{
    const struct admin_client *client = &admin->clients[index];
    short events = 0;
    if (client->fd < 0)
        return 0;
    if (!client->ended && client->in.length < IN_MAX && may_command(admin, client))
        events |= POLLIN;
    if (client->out.length)
        events |= POLLOUT;
    return events;
}

/* A free place, or that of who has been there for longest: only the admin can connect. */
static struct admin_client *find_place(struct admin *admin)
{
    struct admin_client *oldest = &admin->clients[0];
    for (int i = 0; i < ADMIN_CLIENTS; i++) {
        struct admin_client *client = &admin->clients[i];
        if (client->fd < 0)
            return client;
        if (client->serial < oldest->serial)
            oldest = client;
    }
    drop(oldest);
    return oldest;
}

void admin_accept(struct send *send)
{
    struct admin *admin = &send->admin;
    int fd = accept4(admin->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
            admin->accept_after = send->time.now + ACCEPT_PAUSE;
        return;
    }
    struct admin_client *client = find_place(admin);
    *client = (struct admin_client){.fd = fd, .serial = ++admin->serials};
    client->in.limit = IN_MAX;
    client->out.limit = OUT_MAX + (ADMIN_REQUESTS + 1) * ANSWER_MAX;
    if (buf_reserve(&client->in, client->in.limit) < 0 ||
        buf_reserve(&client->out, client->out.limit) < 0)
        drop(client);
}

/* `reason` NULL: it is done. */
static void answer(struct admin_client *client, uint64_t number, const char *reason)
{
    char line[ANSWER_MAX];
    int length = snprintf(line, sizeof line, "%s %llu%s%.80s\n", reason ? "no" : "ok",
                          (unsigned long long) number, reason ? " " : "", reason ? reason : "");
    buf_add(&client->out, line, (size_t) length); /* there is room */
}

/* --- what is asked ------------------------------------------------------------------------- */

static const struct {
    const char *name, *done;
} verbs[] = {
    [ADMIN_RETRY] = {"retry", "retried"},      [ADMIN_HOLD] = {"hold", "held"},
    [ADMIN_RELEASE] = {"release", "released"}, [ADMIN_EXPIRE] = {"expire", "expired"},
    [ADMIN_DELETE] = {"delete", "deleted"},
};
#define VERB_COUNT (sizeof verbs / sizeof *verbs)

bool message_is_busy(const struct send *send, const struct message *message)
{
    return channel_works_on(&send->channels[DUE_LOCAL], message) ||
           channel_works_on(&send->channels[DUE_REMOTE], message);
}

/* All that is left of it is due now; of a channel that has begun all its deliveries, when the last
 * of them has ended.  One that still begins some does so now. */
static void hurry(struct send *send, struct message *message)
{
    for (int i = 0; i < CHANNEL_COUNT; i++) {
        struct job *job = channel_job(&send->channels[i], message);
        if (job && !job->passing)
            job->again = true;
    }
    if (message->state == MESSAGE_STUCK)
        message_due(&send->messages, message, DUE_CHORE, send->time.now);
    if (message->state == MESSAGE_BOUNCING || message->state == MESSAGE_BOUNCE) {
        if (message->at[DUE_CHORE])
            message_due(&send->messages, message, DUE_CHORE, send->time.now);
        return;
    }
    for (int i = 0; i < CHANNEL_COUNT && message->direct; i++)
        message->direct->retry[i] = 0; /* as soon as it has moved to S5 */
    for (int i = 0; i < CHANNEL_COUNT && message->state == MESSAGE_QUEUED; i++)
        if (message->has[i] && !channel_works_on(&send->channels[i], message))
            message_due(&send->messages, message, (enum due_kind) i, send->time.now);
}

static void log_verb(struct send *send, enum admin_verb verb, uint64_t number)
{
    logline(&send->log, "msg %n %s by the admin", number, verbs[verb].done);
}

/* Each returns NULL, or why not. */
static const char *mark(struct send *send, struct message *message, enum mark mark)
{
    if (marked_add(&send->marked, message->number, mark) == 0)
        return NULL;
    logline(&send->log, "warning: unable to mark msg %n: %s", message->number, error_text(errno));
    return errno == ENOENT ? "this home has no queue/mark: nixie mta init makes it"
                           : error_text(errno);
}

static const char *hold(struct send *send, struct message *message)
{
    const char *reason = mark(send, message, MARK_HOLD);
    if (reason)
        return reason;
    log_verb(send, ADMIN_HOLD, message->number);
    for (int i = 0; i < CHANNEL_COUNT; i++)
        message_not_due(&send->messages, message, (enum due_kind) i);
    message->held = true;
    marked_held(send, message);
    return NULL;
}

static const char *release(struct send *send, struct message *message)
{
    if (!message->held)
        return "it is not held";
    if (marked_remove(&send->marked, message->number, MARK_HOLD) < 0)
        return error_text(errno);
    log_verb(send, ADMIN_RELEASE, message->number);
    message->held = false;
    hurry(send, message);
    return NULL;
}

static const char *expire(struct send *send, struct message *message)
{
    const char *reason = mark(send, message, MARK_EXPIRE);
    if (reason)
        return reason;
    log_verb(send, ADMIN_EXPIRE, message->number);
    message->expired = true;
    hurry(send, message);
    return NULL;
}

/* The line comes before anything is removed: whoever finds the message gone finds out why.  It
 * comes behind the mark: who is killed in between has not said what is not done, and the next one
 * says it. */
static const char *delete_message(struct send *send, struct message *message)
{
    const char *reason = mark(send, message, MARK_DELETE);
    if (reason)
        return reason;
    log_verb(send, ADMIN_DELETE, message->number);
    for (int i = 0; i < CHANNEL_COUNT; i++)
        message_not_due(&send->messages, message, (enum due_kind) i);
    message->removed = true;
    return NULL;
}

static const char *act(struct send *send, enum admin_verb verb, struct message *message)
{
    if (message->removed && verb != ADMIN_DELETE)
        return "it is being deleted";
    if (message->state >= MESSAGE_ENDING)
        return "it has ended";
    if (message->state == MESSAGE_STUCK && (verb == ADMIN_HOLD || verb == ADMIN_EXPIRE))
        return "its recipients are too long";
    if (message->state == MESSAGE_DIRECT)
        direct_move(send, message);
    if (message->state > MESSAGE_QUEUED && verb != ADMIN_DELETE && verb != ADMIN_RETRY)
        return "no recipient is left to be tried";
    switch (verb) {
    case ADMIN_RETRY:
        if (message->held)
            return "it is held";
        log_verb(send, verb, message->number);
        hurry(send, message);
        return NULL;
    case ADMIN_HOLD:
        return hold(send, message);
    case ADMIN_RELEASE:
        return release(send, message);
    case ADMIN_EXPIRE:
        return expire(send, message);
    case ADMIN_DELETE:
        break;
    }
    return delete_message(send, message);
}

/* --- when it is durable -------------------------------------------------------------------- */

/* The mark could not be made durable: the message goes on, whatever the line before said.  Who is
 * killed before the mark is gone leaves that, and the next one deletes and says so again. */
static void undelete(struct send *send, uint64_t number, struct message *message)
{
    logline(&send->log, "warning: unable to delete msg %n: the disk could not be synced", number);
    marked_undelete(send, number);
    if (!message) /* it is taken from todo/N again, if it is there */
        return;
    message->removed = message->remove_now = false;
    if (message->state == MESSAGE_BOUNCING || message->state == MESSAGE_BOUNCE)
        message_due(&send->messages, message, DUE_CHORE, send->time.now);
    hurry(send, message);
    if (message->state == MESSAGE_QUEUED)
        message_check_done(send, message);
}

static void deleted(struct send *send, struct message *message)
{
    message->remove_now = true;
    if (message->state == MESSAGE_STUCK)
        message_due(&send->messages, message, DUE_CHORE, send->time.now);
    if (message->state >= MESSAGE_QUEUED && message->state < MESSAGE_ENDING)
        message_check_done(send, message);
}

static void request_synced(struct send *send, uint64_t slot, bool done)
{
    struct admin_request *request = &send->admin.requests[slot];
    struct message *message = message_find(&send->messages, request->number);
    if (request->verb == ADMIN_DELETE && !done &&
        (message || file_is_there(SPOOL_TODO, request->number) || errno != ENOENT))
        undelete(send, request->number, message);
    else if (request->verb == ADMIN_DELETE && message)
        deleted(send, message);
    for (int i = 0; i < ADMIN_CLIENTS; i++) {
        struct admin_client *client = &send->admin.clients[i];
        if (client->fd < 0 || client->serial != request->client)
            continue;
        client->pending--;
        answer(client, request->number, done ? NULL : "the disk could not be synced");
    }
    request->client = 0;
}

/* --- commands ------------------------------------------------------------------------------ */

static void perform(struct send *send, struct admin_client *client, enum admin_verb verb,
                    uint64_t number)
{
    struct message *message = message_find(&send->messages, number);
    if (!message) {
        send->todo.wanted = send->todo.wanted || file_is_there(SPOOL_TODO, number);
        answer(client, number, "there is no such message");
        return;
    }
    unsigned slot = 0;
    while (send->admin.requests[slot].client) /* one is free */
        slot++;
    struct admin_request *request = &send->admin.requests[slot];
    const char *reason = act(send, verb, message);
    if (reason || verb == ADMIN_RETRY) {
        answer(client, number, reason);
        return;
    }
    *request = (struct admin_request){client->serial, number, verb};
    client->pending++;
    if (cleaner_sync(&send->cleaner, slot, request_synced) < 0)
        request_synced(send, slot, false);
}

static void command(struct send *send, struct admin_client *client, const char *line, size_t size)
{
    const char *blank = memchr(line, ' ', size);
    uint64_t number;
    for (size_t i = 0; blank && i < VERB_COUNT; i++) {
        size_t length = (size_t) (blank - line);
        if (strlen(verbs[i].name) != length || memcmp(verbs[i].name, line, length) != 0 ||
            spool_number_parse(blank + 1, size - length - 1, &number) < 0)
            continue;
        perform(send, client, (enum admin_verb) i, number);
        return;
    }
    answer(client, 0, "what is that?");
}

static void take_commands(struct send *send, struct admin_client *client)
{
    while (!send->exit_asap && may_command(&send->admin, client)) {
        const char *newline =
            client->in.length ? memchr(client->in.data, '\n', client->in.length) : NULL;
        if (!newline)
            return;
        size_t size = (size_t) (newline - client->in.data);
        command(send, client, client->in.data, size);
        buf_drop(&client->in, size + 1);
    }
}

/* 0, or -1: it is to be dropped. */
static int hear(const struct admin *admin, struct admin_client *client)
{
    char block[IN_MAX];
    if (client->ended || client->in.length == IN_MAX || !may_command(admin, client))
        return client->in.length == IN_MAX && !memchr(client->in.data, '\n', IN_MAX) ? -1 : 0;
    ssize_t count = io_read(client->fd, block, IN_MAX - client->in.length);
    if (count < 0)
        return errno == EAGAIN ? 0 : -1;
    client->ended = count == 0;
    return buf_add(&client->in, block, (size_t) count);
}

static void client_step(struct send *send, struct admin_client *client)
{
    int result = hear(&send->admin, client);
    if (result == 0) {
        take_commands(send, client);
        result = send_flush(client->fd, &client->out);
    }
    bool over = client->ended && !client->pending && !client->out.length &&
                !(client->in.length && memchr(client->in.data, '\n', client->in.length));
    if (result < 0 || over)
        drop(client);
}

void admin_step(struct send *send)
{
    for (int i = 0; i < ADMIN_CLIENTS; i++)
        if (send->admin.clients[i].fd >= 0)
            client_step(send, &send->admin.clients[i]);
}

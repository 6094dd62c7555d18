/* SPDX-License-Identifier: ISC */
/*
 * What is new.  Preprocessing, S4 to S5: info/N, local/N and remote/N are written anew, made
 * durable (many messages with one sync), and only then is todo/N removed.  A message with few
 * recipients of which queue has told that it is durable is delivered first (direct.h).
 *
 * Queue writes the numbers of messages that it has made durable into the trigger, a line each. What
 * else is found in todo may be about to be made durable, or to be withdrawn, right now: our sync
 * covers it.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mta/lib/io.h"
#include "mta/lib/mem.h"
#include "mta/send/send.h"

#define TRIGGER "lock/trigger"
#define ENTRIES_A_STEP 64
#define MESSAGES_A_STEP 4

/* --- the trigger --------------------------------------------------------------------------- */

int todo_open_trigger(struct send *send)
{
    struct todo *todo = &send->todo;
    if (mkfifo(TRIGGER, 0622) == 0)
        chmod(TRIGGER, 0622); /* whatever the umask */
    else if (errno != EEXIST)
        return -1;
    todo->trigger_read = open(TRIGGER, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (todo->trigger_read < 0)
        return -1;
    /* Held open, so that the other end never looks closed. */
    todo->trigger_write = open(TRIGGER, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    return todo->trigger_write;
}

/* From so many bytes at once on, the pipe may have been full, and numbers may be missing.  Queue
 * writes less than a page holds besides, so a single read then gets them (mta/queue/commit.c). */
#define TOLD_MANY 2048

static bool has_told(const struct todo *todo)
{
    return memchr(todo->told + todo->told_at, '\n', todo->told_size - todo->told_at);
}

bool todo_hears(const struct send *send)
{
    return !send->exit_asap && !has_told(&send->todo);
}

/* Keeps what is not taken yet, and reads more behind it. */
void todo_triggered(struct send *send)
{
    struct todo *todo = &send->todo;
    size_t rest = todo->told_size - todo->told_at;
    memmove(todo->told, todo->told + todo->told_at, rest);
    todo->told_at = 0;
    todo->told_size = rest;
    if (rest == TOLD_SIZE) { /* no line of ours */
        todo->told_size = 0;
        todo->wanted = true;
    }
    ssize_t count =
        io_read(todo->trigger_read, todo->told + todo->told_size, TOLD_SIZE - todo->told_size);
    if (count <= 0)
        return;
    todo->told_size += (size_t) count;
    bool cut = todo->told_size < TOLD_SIZE && todo->told[todo->told_size - 1] != '\n';
    if (count >= TOLD_MANY || cut)
        todo->wanted = true;
    if (cut && !has_told(todo)) /* nothing will follow */
        todo->told_size = 0;
}

/* The number in the next line; 0: that is another one, or there is none. */
static uint64_t take_told(struct todo *todo)
{
    uint64_t number;
    const char *at = todo->told + todo->told_at;
    const char *end = memchr(at, '\n', todo->told_size - todo->told_at);
    if (!end)
        return 0;
    todo->told_at += (size_t) (end - at) + 1;
    if (spool_number_parse(at, (size_t) (end - at), &number) == 0)
        return number;
    todo->wanted = true;
    return 0;
}

/* --- one message --------------------------------------------------------------------------- */

struct preparation {
    struct buf todo;
    struct spool_message message;
    struct buf info;
    struct buf channels[CHANNEL_COUNT];
    size_t starts[CHANNEL_COUNT];
    bool has[CHANNEL_COUNT];
    struct buf address;
    unsigned recipients;
};

static const enum spool_kind channel_kinds[CHANNEL_COUNT] = {SPOOL_LOCAL, SPOOL_REMOTE};

static void preparation_free(struct preparation *preparation)
{
    buf_free(&preparation->todo);
    buf_free(&preparation->info);
    for (int i = 0; i < CHANNEL_COUNT; i++)
        buf_free(&preparation->channels[i]);
    buf_free(&preparation->address);
}

static int add_recipient(const struct send *send, struct preparation *preparation, uint64_t number,
                         const char *recipient)
{
    bool is_local;
    if (rewrite_recipient(&send->rewrite, recipient, &preparation->address, &is_local) < 0)
        return -1;
    int index = is_local ? DUE_LOCAL : DUE_REMOTE;
    struct buf *file = &preparation->channels[index];
    if (!preparation->has[index] &&
        spool_channel_begin(file, channel_kinds[index], number, 0, &preparation->starts[index]) < 0)
        return -1;
    preparation->has[index] = true;
    return spool_channel_add(file, preparation->address.data, preparation->address.length);
}

/* Makes the contents of all files in memory. */
static int build(const struct send *send, struct preparation *preparation, uint64_t number)
{
    const struct spool_message *message = &preparation->message;
    struct record record;
    size_t at = 0;
    while (record_next(message->recipients, message->recipients_size, &at, &record) == 1) {
        if (add_recipient(send, preparation, number, record.text) < 0)
            return -1;
        preparation->recipients++;
    }
    for (int i = 0; i < CHANNEL_COUNT; i++)
        if (preparation->has[i])
            spool_end(&preparation->channels[i], preparation->starts[i], channel_kinds[i], number);
    return spool_info_build(&preparation->info, number, message);
}

int todo_unwrite(uint64_t number)
{
    if (file_remove(SPOOL_LOCAL, number) < 0 || file_remove(SPOOL_REMOTE, number) < 0 ||
        file_remove(SPOOL_BOUNCE, number) < 0)
        return -1;
    return file_remove(SPOOL_INFO, number);
}

int todo_write(uint64_t number, const struct buf *info,
               const struct buf *const channels[CHANNEL_COUNT])
{
    if (todo_unwrite(number) < 0)
        return -1;
    int result = file_write(SPOOL_INFO, number, info);
    for (int i = 0; i < CHANNEL_COUNT && result == 0; i++)
        if (channels[i]->length)
            result = file_write(channel_kinds[i], number, channels[i]);
    if (result == 0)
        return 0;
    int saved = errno;
    todo_unwrite(number);
    errno = saved;
    return -1;
}

static void try_later(struct send *send)
{
    send->todo.wanted = false;
    send->todo.next_look = send->time.now + PAUSE_TROUBLE;
}

static void trouble(struct send *send, const char *what, enum spool_kind kind, uint64_t number)
{
    file_warn(send, what, kind, number);
    try_later(send);
}

static void todo_synced(struct send *send, uint64_t number, bool done);

static void log_new(struct send *send, const struct spool_message *message, uint64_t number)
{
    logline_hold(&send->log, "new msg %n", number);
    logline(&send->log, "info msg %n: bytes %n from <%t> qp %n uid %n", number,
            message->mess_length, message->sender, message->qp, message->uid);
}

int todo_sync(struct send *send, struct message *message)
{
    if (cleaner_sync(&send->cleaner, message->number, todo_synced) < 0)
        return -1;
    message->state = MESSAGE_PREPARED;
    return 0;
}

/* Files of S5 that are left beside todo/N would stay behind if it were delivered at once. */
static void take_back(struct send *send, uint64_t number)
{
    if (todo_unwrite(number) < 0)
        send->todo.files_left = true;
}

/* Nothing of S5 is beside todo/N, as far as we know. */
static bool has_no_files(const struct send *send, uint64_t number)
{
    return !send->todo.files_left || todo_unwrite(number) == 0;
}

/* Whether the message is delivered before it is preprocessed. */
static bool may_be_direct(const struct send *send, const struct message *message,
                          const struct preparation *preparation)
{
    return send->direct_count < DIRECT_MAX && preparation->recipients > 0 &&
           preparation->recipients <= DIRECT_RECIPIENTS &&
           preparation->todo.length <= DIRECT_BYTES && !message->held && !message->expired &&
           !message->removed && has_no_files(send, message->number);
}

/* Writes the files and waits for the sync. */
static int preprocess(struct send *send, struct message *message,
                      const struct preparation *preparation)
{
    const struct buf *files[CHANNEL_COUNT] = {&preparation->channels[0], &preparation->channels[1]};
    if (todo_write(message->number, &preparation->info, files) == 0 &&
        todo_sync(send, message) == 0)
        return 0;
    int saved = errno;
    take_back(send, message->number);
    errno = saved;
    return -1;
}

/* What local/N or remote/N would hold is longer than anybody reads: other control files may help, a
 * time of waiting not.  It is known, so that the admin can have it tried again or deleted.  0 or -1
 * with errno. */
static int enter_stuck(struct send *send, uint64_t number)
{
    struct message *message = message_new(&send->messages, number);
    if (!message)
        return -1;
    marked_apply(&send->marked, message);
    message->state = MESSAGE_STUCK;
    if (message->removed)
        message_due(&send->messages, message, DUE_CHORE, send->time.now);
    logline(&send->log,
            "alert: unable to preprocess todo/%n: its recipients are too long as they are "
            "rewritten; retry or delete msg %n",
            number, number);
    return 0;
}

static void stuck_removed(struct send *send, uint64_t number, bool done)
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
    file_warn(send, "nixie-clean unable to clean up", SPOOL_TODO, number);
    message_due(&send->messages, message, DUE_CHORE, send->time.now + PAUSE_CHORE);
}

void todo_unstick(struct send *send, struct message *message)
{
    message_not_due(&send->messages, message, DUE_CHORE);
    if (message->removed) {
        if (message->remove_now &&
            cleaner_ask(&send->cleaner, "done", message->number, stuck_removed) < 0)
            message_due(&send->messages, message, DUE_CHORE, send->time.now + PAUSE_TROUBLE);
        return;
    }
    uint64_t number = message->number;
    message_drop(&send->messages, message);
    marked_forgotten(send, number);
    send->todo.wanted = true;
}

void todo_unstick_all(struct send *send)
{
    for (size_t i = 0; i < send->messages.capacity; i++) {
        struct message *message = send->messages.table[i];
        if (message && message->state == MESSAGE_STUCK && !message->removed)
            message_due(&send->messages, message, DUE_CHORE, send->time.now);
    }
}

/* 0 or -1 with errno. */
static int enter(struct send *send, struct preparation *preparation, uint64_t number,
                 bool is_durable)
{
    if (build(send, preparation, number) < 0)
        return errno == EMSGSIZE ? enter_stuck(send, number) : -1;
    struct message *message = message_new(&send->messages, number);
    if (!message)
        return -1;
    marked_apply(&send->marked, message);
    message->found = !is_durable;
    /* One of an earlier boot that recovery could not remove may be torn. */
    message->unverified = !is_durable && number < send->cleanup.floor;
    message->birth = steady_from_birth(&send->time, preparation->message.birth);
    memcpy(message->has, preparation->has, sizeof message->has);
    bool is_direct = is_durable && may_be_direct(send, message, preparation) &&
                     direct_begin(send, message, preparation->message.sender, &preparation->info,
                                  preparation->channels) == 0;
    if (!is_direct && preprocess(send, message, preparation) < 0) {
        int saved = errno;
        message_drop(&send->messages, message);
        errno = saved;
        return -1;
    }
    log_new(send, &preparation->message, number);
    return 0;
}

/* todo/N has been read: is the message there? */
static void prepare_read(struct send *send, struct preparation *preparation, uint64_t number,
                         bool is_durable)
{
    uint64_t length;
    int found = spool_length(SPOOL_MESS, number, &length);
    if (found < 0 && errno != ENOENT && errno != EBADMSG) {
        trouble(send, "unable to stat", SPOOL_MESS, number);
        return;
    }
    if (found < 0 || length != preparation->message.mess_length) {
        logline(&send->log, "warning: mess/%n is not what todo/%n says", number, number);
        if (message_files_aside(send, number) < 0)
            try_later(send);
        return;
    }
    if (enter(send, preparation, number, is_durable) < 0)
        trouble(send, "unable to preprocess", SPOOL_TODO, number);
}

int todo_leave_alone(struct send *send, uint64_t number)
{
    struct todo *todo = &send->todo;
    uint64_t *numbers =
        mem_resize(todo->left_alone, (todo->left_alone_count + 1) * sizeof *numbers);
    if (!numbers)
        return -1;
    todo->left_alone = numbers;
    numbers[todo->left_alone_count++] = number;
    return 0;
}

static bool is_left_alone(const struct send *send, uint64_t number)
{
    for (size_t i = 0; i < send->todo.left_alone_count; i++)
        if (send->todo.left_alone[i] == number)
            return true;
    return false;
}

/* `is_durable`: queue has told so. */
static void prepare(struct send *send, uint64_t number, bool is_durable)
{
    struct preparation preparation = {0};
    const struct buf *todo = &preparation.todo;
    if (is_left_alone(send, number))
        return;
    int result = file_read(SPOOL_TODO, number, &preparation.todo);
    if (result == 0)
        result = spool_todo_parse(todo->data, todo->length, number, &preparation.message);
    if (result == 0) {
        prepare_read(send, &preparation, number, is_durable);
    } else if (errno == EBADMSG) {
        logline(&send->log, "warning: todo/%n does not check out", number);
        if (message_files_aside(send, number) < 0)
            try_later(send);
    } else if (errno != ENOENT) {
        trouble(send, "unable to open", SPOOL_TODO, number);
    }
    preparation_free(&preparation);
}

/* --- after the sync ------------------------------------------------------------------------ */

int todo_withdrawn(struct send *send, struct message *message)
{
    uint64_t number = message->number;
    if (todo_unwrite(number) < 0)
        return -1;
    logline(&send->log, "warning: msg %n was never finished; removed", number);
    send_dirty(send);
    message_drop(&send->messages, message);
    marked_gone(send, number);
    return 0;
}

static void todo_removed(struct send *send, uint64_t number, bool done)
{
    struct message *message = message_find(&send->messages, number);
    if (!message)
        return;
    if (!done) {
        logline(&send->log, "warning: nixie-clean unable to clean up todo/%n", number);
        message_due(&send->messages, message, DUE_CHORE, send->time.now + PAUSE_TROUBLE);
        return;
    }
    send_dirty(send);
    message->state = MESSAGE_QUEUED;
    marked_held(send, message);
    if (message->direct)
        direct_moved(send, message);
    else
        for (int i = 0; i < CHANNEL_COUNT; i++)
            if (message->has[i])
                message_due(&send->messages, message, (enum due_kind) i, send->time.now);
    message_check_done(send, message);
}

void todo_remove(struct send *send, struct message *message)
{
    message->state = MESSAGE_SYNCED;
    message_not_due(&send->messages, message, DUE_CHORE);
    if (cleaner_ask(&send->cleaner, "todo", message->number, todo_removed) < 0)
        message_due(&send->messages, message, DUE_CHORE, send->time.now + PAUSE_TROUBLE);
}

static void todo_synced(struct send *send, uint64_t number, bool done)
{
    struct message *message = message_find(&send->messages, number);
    if (!message)
        return;
    if (done) {
        todo_remove(send, message);
        return;
    }
    /* Nothing that was written is believed: from todo/N again, with fresh files. */
    trouble(send, "trouble fsyncing", SPOOL_INFO, number);
    if (message->direct) {
        direct_move_failed(send, message);
        return;
    }
    take_back(send, number);
    message_drop(&send->messages, message);
    marked_forgotten(send, number);
}

/* --- the directory ------------------------------------------------------------------------- */

static bool directory_due(const struct send *send)
{
    return send->todo.directory || send->todo.wanted || send->todo.next_look <= send->time.now;
}

bool todo_due(const struct send *send)
{
    return !send->exit_asap && (has_told(&send->todo) || directory_due(send));
}

void todo_close(struct send *send)
{
    if (send->todo.directory)
        closedir(send->todo.directory);
    send->todo.directory = NULL;
}

static bool todo_begin(struct send *send)
{
    send->todo.wanted = false;
    send->todo.next_look = send->time.now + PAUSE_TODO;
    send->todo.directory = opendir("todo");
    if (send->todo.directory)
        return true;
    logline(&send->log, "alert: unable to opendir todo, sleeping...");
    try_later(send);
    return false;
}

/* Those that queue told of.  Returns how many. */
static unsigned told_step(struct send *send)
{
    unsigned messages = 0;
    while (messages < MESSAGES_A_STEP && has_told(&send->todo)) {
        uint64_t number = take_told(&send->todo);
        if (!number || message_find(&send->messages, number))
            continue;
        prepare(send, number, true);
        messages++;
        /* Of what a queue that was killed has left nobody tells. */
        if (send->todo.next_look > send->time.now + PAUSE_TODO_BUSY)
            send->todo.next_look = send->time.now + PAUSE_TODO_BUSY;
    }
    return messages;
}

static void directory_step(struct send *send, unsigned messages)
{
    if (!directory_due(send) || (!send->todo.directory && !todo_begin(send)))
        return;
    for (unsigned i = 0; i < ENTRIES_A_STEP && messages < MESSAGES_A_STEP; i++) {
        uint64_t number;
        errno = 0;
        struct dirent *entry = readdir(send->todo.directory);
        if (!entry) {
            if (errno)
                try_later(send);
            todo_close(send);
            return;
        }
        if (spool_number_parse(entry->d_name, strlen(entry->d_name), &number) < 0 ||
            message_find(&send->messages, number))
            continue;
        prepare(send, number, false);
        messages++;
    }
}

void todo_step(struct send *send)
{
    if (!todo_due(send))
        return;
    unsigned messages = told_step(send);
    if (messages < MESSAGES_A_STEP)
        directory_step(send, messages);
}

/* SPDX-License-Identifier: ISC */
/*
 * Start-up: whatever a crash left, every number is brought into one of S1 to S5 before the first
 * delivery (docs/architecture.md, "send").
 *
 *   todo checks out and its mess is whole          S4: preprocessed again; S5 if info, local and
 *                                                  remote are there for all of its recipients
 *   todo does not, but info does, and mess is there S5, without the name in todo
 *   info and mess, no todo                         S5; of an earlier boot, or of one that cannot be
 *                                                  told: mess is compared with
 *                                                  its checksum before the first try (pass.c), or
 *                                                  here if only its bounce is left to do
 *   info without mess                              finished: the rest is removed
 *   info or a channel damaged, mess not its length set aside, all of the message
 *   todo without whole mess, or damaged            never accepted if of an earlier boot: removed;
 *                                                  else set aside
 *   neither todo nor info                          garbage: removed when nobody can be writing it
 *   mark/N.delete                                  removed, whatever there is of it
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mta/lib/error.h"
#include "mta/lib/io.h"
#include "mta/lib/mem.h"
#include "mta/lib/number.h"
#include "mta/send/recover.h"
#include "mta/send/send.h"

#define TRIES_MAX 6   /* for a message whose files cannot be read or changed */
#define OUT_MAX 16384 /* bytes of commands after which clean is waited for */

struct list {
    struct entry *entries;
    size_t count, capacity;
};

/* --- what is there ------------------------------------------------------------------------- */

static int list_add(struct list *list, uint64_t number, unsigned kinds)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 256;
        struct entry *entries = mem_resize(list->entries, capacity * sizeof *entries);
        if (!entries)
            return -1;
        list->entries = entries;
        list->capacity = capacity;
    }
    list->entries[list->count++] = (struct entry){.number = number, .kinds = kinds};
    return 0;
}

/* A bounce that an earlier version was writing anew when the power went. */
static void remove_fresh_bounce(const char *name)
{
    char path[300] = "bounce/";
    size_t length = strlen(name);
    if (length <= 4 || length > 255 || strcmp(name + length - 4, ".new") != 0)
        return;
    memcpy(path + 7, name, length + 1);
    unlink(path);
}

/* All of the directory or an error: of a message whose info was passed over the rest would look
 * like garbage. */
static int list_directory(struct list *list, enum spool_kind kind)
{
    DIR *directory = opendir(spool_directory(kind));
    if (!directory)
        return -1;
    int result = 0;
    while (result == 0) {
        uint64_t number;
        errno = 0;
        struct dirent *entry = readdir(directory);
        if (!entry) {
            result = errno ? -1 : 0;
            break;
        }
        if (spool_number_parse(entry->d_name, strlen(entry->d_name), &number) == 0)
            result = list_add(list, number, BIT(kind));
        else if (kind == SPOOL_BOUNCE)
            remove_fresh_bounce(entry->d_name);
    }
    int saved = errno;
    closedir(directory);
    errno = saved;
    return result;
}

static int compare_entries(const void *a, const void *b)
{
    const struct entry *left = a, *right = b;
    if (left->number != right->number)
        return left->number < right->number ? -1 : 1;
    return left->kinds < right->kinds ? -1 : left->kinds > right->kinds;
}

/* All numbers in ascending order.  0 or -1 with errno. */
static int list_all(struct list *list)
{
    static const enum spool_kind kinds[] = {SPOOL_MESS,  SPOOL_TODO,   SPOOL_INFO,
                                            SPOOL_LOCAL, SPOOL_REMOTE, SPOOL_BOUNCE};
    list->count = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (list_directory(list, kinds[i]) < 0)
            return -1;
    if (list->count)
        qsort(list->entries, list->count, sizeof *list->entries, compare_entries);
    size_t merged = 0;
    for (size_t i = 0; i < list->count; i++) {
        if (merged && list->entries[merged - 1].number == list->entries[i].number)
            list->entries[merged - 1].kinds |= list->entries[i].kinds;
        else
            list->entries[merged++] = list->entries[i];
    }
    list->count = merged;
    return 0;
}

/* --- messages that are no more, or should not be ------------------------------------------- */

static const enum spool_kind own_kinds[] = {SPOOL_LOCAL, SPOOL_REMOTE, SPOOL_BOUNCE, SPOOL_INFO};
#define OWN_COUNT (sizeof own_kinds / sizeof *own_kinds)
#define QUEUED_KINDS (BIT(SPOOL_INFO) | BIT(SPOOL_LOCAL) | BIT(SPOOL_REMOTE))
#define OWN_KINDS (QUEUED_KINDS | BIT(SPOOL_BOUNCE))

/* Asks clean; 0 or -1 with errno. */
static int ask(struct send *send, const char *command, uint64_t number)
{
    send_dirty(send);
    return cleaner_ask(&send->cleaner, command, number, NULL);
}

static int remove_own(struct send *send, const struct entry *entry)
{
    for (size_t i = 0; i < OWN_COUNT; i++) {
        if (!(entry->kinds & BIT(own_kinds[i])))
            continue;
        send_dirty(send);
        if (file_remove(own_kinds[i], entry->number) < 0)
            return -1;
    }
    return 0;
}

static int remove_all(struct send *send, const struct entry *entry)
{
    bool todo = entry->kinds & BIT(SPOOL_TODO), mess = entry->kinds & BIT(SPOOL_MESS);
    if (remove_own(send, entry) < 0)
        return -1;
    if (!todo && !mess)
        return 0;
    return ask(send, todo && mess ? "done" : todo ? "todo" : "mess", entry->number);
}

/* The admin wanted it: also what a power loss kept of it. */
static int remove_deleted(struct send *send, const struct entry *entry)
{
    logline(&send->log, "msg %n deleted by the admin", entry->number);
    return remove_all(send, entry);
}

static int trouble(struct send *send)
{
    logline(&send->log, errno == ENOMEM ? "alert: out of memory, sleeping..."
                                        : "alert: unable to read the queue, sleeping...");
    return send_pause(send, PAUSE_TROUBLE);
}

/* Because KIND is damaged. */
static int set_all_aside(struct send *send, const struct entry *entry, enum spool_kind kind)
{
    logline(&send->log, "warning: %s/%n does not check out", spool_directory(kind), entry->number);
    for (unsigned tries = 1; message_files_aside(send, entry->number) < 0 && tries < TRIES_MAX;
         tries++)
        if (trouble(send) < 0)
            return -1;
    return 0;
}

/* Neither todo nor info. */
static int recover_garbage(struct send *send, struct entry *entry)
{
    if (entry->kinds & BIT(SPOOL_MESS) && !left_over_is_old(send, entry->number))
        entry->kinds &= ~BIT(SPOOL_MESS); /* being received, perhaps */
    return remove_all(send, entry);
}

/* todo is damaged, or its message is not whole. */
static int recover_unfinished(struct send *send, const struct entry *entry)
{
    bool admins_hand = entry->unreadable && (entry->kinds & BIT(SPOOL_MESS));
    if (entry->number >= send->cleanup.floor || admins_hand)
        return set_all_aside(send, entry, SPOOL_TODO);
    logline(&send->log, "warning: msg %n was never finished; removed", entry->number);
    return remove_all(send, entry);
}

/* --- what may be in cache only -------------------------------------------------------------- */

static void all_synced(struct send *send, uint64_t number, bool done)
{
    (void) number;
    send->all_synced = done;
}

/* 0: the disk now has everything; -1 with errno. */
static int sync_all(struct send *send)
{
    send->all_synced = false;
    if (cleaner_sync(&send->cleaner, 0, all_synced) < 0)
        return -1;
    if (send_wait_cleaner(send) == 0 && send->all_synced)
        return 0;
    errno = EIO;
    return -1;
}

/* -1: it is not to be tried again. */
static int no_sync(struct send *send)
{
    if (send->clean_is_gone || send->exit_asap)
        return -1;
    logline(&send->log, "alert: unable to sync the queue, sleeping...");
    return send_pause(send, PAUSE_TROUBLE);
}

static int write_over(uint64_t number, unsigned kinds)
{
    for (int kind = 0; kind < SPOOL_KIND_COUNT; kind++)
        if ((kinds & BIT(kind)) && file_write_over((enum spool_kind) kind, number) < 0)
            return -1;
    return 0;
}

int recover_make_sure(struct send *send, uint64_t number, unsigned kinds)
{
    return write_over(number, kinds) < 0 ? -1 : sync_all(send);
}

/* Of all messages that have files of S5 beside todo, with one sync.  0, or -1 with errno. */
static int sync_beside_todo(struct send *send, struct list *list)
{
    bool any = false;
    for (size_t i = 0; i < list->count; i++) {
        struct entry *entry = &list->entries[i];
        bool both = (entry->kinds & BIT(SPOOL_TODO)) && (entry->kinds & BIT(SPOOL_INFO));
        entry->sure = both && write_over(entry->number, entry->kinds & QUEUED_KINDS) == 0;
        any |= entry->sure;
    }
    if (!any || sync_all(send) == 0)
        return 0;
    for (size_t i = 0; i < list->count; i++)
        list->entries[i].sure = false;
    return -1;
}

/* After a few tries each is made sure of by itself, since one may keep all others.  -1: we are told
 * to end, or clean is gone. */
static int make_sure_of_all(struct send *send, struct list *list)
{
    for (unsigned tries = 1; sync_beside_todo(send, list) < 0 && tries < TRIES_MAX; tries++)
        if (no_sync(send) < 0)
            return -1;
    return 0;
}

/* --- S5 ------------------------------------------------------------------------------------ */

/* Its bounce, with its text, is all that is left to do: no try comes that would look at mess. */
static bool is_bounce_due(const struct message *message)
{
    return !message->has[DUE_LOCAL] && !message->has[DUE_REMOTE] &&
           (message->has_bounce || message->bounce_lost);
}

/* If the boot cannot be told, as without /proc, any may. */
static bool may_be_of_earlier_boot(const struct send *send, uint64_t number)
{
    return send->cleanup.floor == 0 || number < send->cleanup.floor;
}

static int recover_queued(struct send *send, const struct entry *entry,
                          const struct spool_message *info)
{
    enum spool_kind failed;
    struct message *message = message_new(&send->messages, entry->number);
    if (!message)
        return -1;
    message->state = MESSAGE_QUEUED;
    marked_apply(&send->marked, message);
    /* What a crash kept of a message that was never accepted may be all but its content. */
    message->unverified = may_be_of_earlier_boot(send, entry->number);
    message->found = entry->number >= send->cleanup.floor; /* queue may still withdraw it */
    message->birth = steady_from_birth(&send->time, info->birth);
    int result = recover_files(send, entry, message, &failed);
    if (result == 0 && message->unverified && is_bounce_due(message)) {
        failed = SPOOL_MESS;
        result = mess_verify(entry->number);
    }
    if (result < 0) {
        int saved = errno;
        message_drop(&send->messages, message);
        if (saved == EBADMSG)
            return set_all_aside(send, entry, failed);
        errno = saved;
        return -1;
    }
    message_check_done(send, message);
    return 0;
}

/* 1: mess/N is there and `length` bytes long; 0: it is there, but is not; -1 with errno. */
static int look_at_mess(uint64_t number, uint64_t length)
{
    uint64_t found;
    if (spool_length(SPOOL_MESS, number, &found) == 0)
        return found == length;
    return errno == EBADMSG ? 0 : -1;
}

/* info is damaged. */
static int recover_bad_info(struct send *send, const struct entry *entry)
{
    unsigned work = BIT(SPOOL_LOCAL) | BIT(SPOOL_REMOTE) | BIT(SPOOL_BOUNCE);
    if ((entry->kinds & BIT(SPOOL_MESS)) && (entry->kinds & work))
        return set_all_aside(send, entry, SPOOL_INFO);
    logline(&send->log, "warning: info/%n does not check out, and nothing is left to do; removed",
            entry->number);
    return remove_all(send, entry);
}

static void todo_finished(struct send *send, uint64_t number, bool done)
{
    (void) number;
    send->todo_finished = done;
}

/* A message does not leave S4 as long as its todo is there.  0 or -1 with errno. */
static int finish_todo(struct send *send, uint64_t number)
{
    send_dirty(send);
    send->todo_finished = false;
    if (cleaner_ask(&send->cleaner, "todo", number, todo_finished) < 0)
        return -1;
    if (send_wait_cleaner(send) == 0 && send->todo_finished)
        return 0;
    errno = EIO;
    return -1;
}

/* info, and todo not to be believed or not there. */
static int recover_info(struct send *send, const struct entry *entry, const struct buf *content)
{
    struct spool_message info;
    if (spool_info_parse(content->data, content->length, entry->number, &info) < 0)
        return recover_bad_info(send, entry);
    int mess = look_at_mess(entry->number, info.mess_length);
    if (mess < 0)
        return errno == ENOENT ? remove_all(send, entry) : -1;
    if (mess == 0)
        return set_all_aside(send, entry, SPOOL_MESS);
    if ((entry->kinds & BIT(SPOOL_TODO)) && finish_todo(send, entry->number) < 0)
        return -1;
    return recover_queued(send, entry, &info);
}

/* --- S4 ------------------------------------------------------------------------------------ */

enum { TODO_DAMAGED, TODO_WITHOUT_MESS, TODO_WHOLE };

/* One of the above, or -1 with errno. */
static int check_todo(uint64_t number, const struct buf *content)
{
    struct spool_message todo;
    if (spool_todo_parse(content->data, content->length, number, &todo) < 0)
        return TODO_DAMAGED;
    int fd = spool_open(SPOOL_MESS, number, O_RDONLY);
    if (fd < 0)
        return errno == ENOENT || errno == EBADMSG ? TODO_WITHOUT_MESS : -1;
    int result = spool_mess_check(fd, todo.mess_length, todo.mess_checksum);
    int saved = errno;
    close(fd);
    errno = saved;
    if (result == 0)
        return TODO_WHOLE;
    return errno == EBADMSG ? TODO_WITHOUT_MESS : -1;
}

/* 1: it is whole, and mess is what it says; 0: it is not; -1 with errno: nobody can say. */
static int info_is_good(const struct entry *entry, const struct buf *content)
{
    struct spool_message info;
    int result = spool_info_parse(content->data, content->length, entry->number, &info);
    if (result == 0)
        result = look_at_mess(entry->number, info.mess_length);
    return result < 0 && (errno == EBADMSG || errno == ENOENT) ? 0 : result;
}

/* Reads a file that may not be there any more; its bit then goes. */
static int read_if_there(struct entry *entry, enum spool_kind kind, struct buf *content)
{
    buf_reset(content);
    if (!(entry->kinds & BIT(kind)) || file_read(kind, entry->number, content) == 0)
        return 0;
    if (errno == EBADMSG) {
        buf_reset(content); /* it is there, and does not check out */
        entry->unreadable = true;
        return 0;
    }
    if (errno != ENOENT)
        return -1;
    entry->kinds &= ~BIT(kind);
    return 0;
}

static size_t count_recipients(const struct spool_message *todo)
{
    struct record record;
    size_t at = 0, count = 0;
    while (record_next(todo->recipients, todo->recipients_size, &at, &record) == 1)
        count++;
    return count;
}

/* Whether all files of S5 are there, for so many recipients: todo was about to be removed, or is
 * back after its removal, and what is marked is done.  A failure is marked only when its record and
 * the removal of todo are durable.  1, with how many are `done`, 0, or -1 with errno. */
static int is_preprocessed(const struct entry *entry, size_t recipients, size_t *done)
{
    static const enum spool_kind kinds[] = {SPOOL_INFO, SPOOL_LOCAL, SPOOL_REMOTE};
    struct buf content = BUF_INIT(0);
    size_t found = 0;
    int result = 1;
    *done = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds && result == 1; i++) {
        struct spool_channel channel = {0};
        struct spool_message info;
        if (!(entry->kinds & BIT(kinds[i])))
            continue;
        int bad = file_read(kinds[i], entry->number, &content);
        if (bad == 0)
            bad = kinds[i] == SPOOL_INFO
                      ? spool_info_parse(content.data, content.length, entry->number, &info)
                      : spool_channel_parse(content.data, content.length, kinds[i], entry->number,
                                            &channel);
        if (bad) /* or removed in part, by the try before */
            result = errno == EBADMSG || errno == ENOENT ? 0 : -1;
        found += channel.to_do + channel.done;
        *done += channel.done;
    }
    int saved = errno;
    buf_free(&content);
    errno = saved;
    return result == 1 ? (entry->kinds & BIT(SPOOL_INFO)) && found == recipients : result;
}

/* The same of what the disk has.  If it does not take that, todo still has all of a message that
 * nothing was done for. */
static int is_durably_preprocessed(struct send *send, const struct entry *entry, size_t recipients)
{
    size_t done;
    int result = is_preprocessed(entry, recipients, &done);
    if (result != 1 || entry->sure)
        return result;
    if (recover_make_sure(send, entry->number, entry->kinds & QUEUED_KINDS) == 0)
        return is_preprocessed(entry, recipients, &done); /* what was read to be written over */
    bool is_new = done == 0 && !(entry->kinds & BIT(SPOOL_BOUNCE));
    return entry->tries >= TRIES_MAX && is_new && !send->clean_is_gone ? 0 : -1;
}

/* todo is whole, and in `content`. */
static int recover_todo(struct send *send, struct entry *entry, struct buf *content)
{
    struct spool_message todo;
    int result = spool_todo_parse(content->data, content->length, entry->number, &todo);
    if (result == 0)
        result = is_durably_preprocessed(send, entry, count_recipients(&todo));
    if (result < 0)
        return -1;
    if (result == 1)
        return read_if_there(entry, SPOOL_INFO, content) < 0 ? -1
                                                             : recover_info(send, entry, content);
    /* It is written anew; or never, if queue tells of the message before todo is looked into. */
    return remove_own(send, entry);
}

static int recover_number(struct send *send, struct entry *entry, struct buf *content)
{
    int todo = TODO_DAMAGED, info = 0;
    if (marked_find(&send->marked, entry->number) & MARK_DELETE)
        return remove_deleted(send, entry);
    if (read_if_there(entry, SPOOL_TODO, content) < 0)
        return -1;
    if (entry->kinds & BIT(SPOOL_TODO)) {
        todo = check_todo(entry->number, content);
        if (todo < 0)
            return -1;
    }
    if (todo == TODO_WITHOUT_MESS) /* whatever info says: it was never accepted */
        return recover_unfinished(send, entry);
    if (todo == TODO_WHOLE)
        return recover_todo(send, entry, content);
    if (read_if_there(entry, SPOOL_INFO, content) < 0)
        return -1;
    if (entry->kinds & BIT(SPOOL_TODO)) {
        if (entry->kinds & BIT(SPOOL_INFO))
            info = info_is_good(entry, content);
        if (info < 0)
            return -1;
        return info ? recover_info(send, entry, content) : recover_unfinished(send, entry);
    }
    if (entry->kinds & BIT(SPOOL_INFO))
        return recover_info(send, entry, content);
    return recover_garbage(send, entry);
}

/* --- all of it ----------------------------------------------------------------------------- */

/* What is read may exist only in cache: it is made durable first. */
static int first_sync(struct send *send)
{
    while (sync_all(send) < 0)
        if (no_sync(send) < 0)
            return -1;
    return 0;
}

/* Files of S5 beside todo may tell who has got the message: then it does not go on from todo.  One
 * without them is looked at with all of todo, a moment later.  0, or -1 with ENOMEM. */
static int leave_alone(struct send *send, const struct entry *entry)
{
    bool todo = entry->kinds & BIT(SPOOL_TODO);
    if (todo && (entry->kinds & OWN_KINDS) && todo_leave_alone(send, entry->number) < 0)
        return -1;
    logline(&send->log, "alert: unable to read files of msg %n; left alone until the next start",
            entry->number);
    return 0;
}

/* One message that cannot be read must not keep all others: after a few tries it is left as it is.
 * -1: we are told to end, or clean is gone. */
static int recover_one(struct send *send, struct entry *entry, struct buf *content)
{
    for (entry->tries = 1; recover_number(send, entry, content) < 0; entry->tries++) {
        bool memory = errno == ENOMEM || errno == EMFILE || errno == ENFILE;
        if (send->clean_is_gone)
            return -1;
        if (!memory && (entry->tries >= TRIES_MAX || !error_is_temporary(errno)) &&
            leave_alone(send, entry) == 0)
            return 0;
        if (trouble(send) < 0)
            return -1;
    }
    return 0;
}

static int recover_all(struct send *send, struct list *list, struct buf *content)
{
    while (list_all(list) < 0 || marked_load(&send->marked) < 0 ||
           number_floor(&send->cleanup.floor) < 0)
        if (trouble(send) < 0)
            return -1;
    if (make_sure_of_all(send, list) < 0)
        return -1;
    for (size_t i = 0; i < list->count; i++) {
        steady_refresh(&send->time);
        if (recover_one(send, &list->entries[i], content) < 0)
            return -1;
        if (send->cleaner.out.length > OUT_MAX && send_wait_cleaner(send) < 0)
            return -1;
    }
    while (cleaner_sweep(&send->cleaner) < 0)
        if (trouble(send) < 0)
            return -1;
    if (send_wait_cleaner(send) < 0)
        return -1;
    marked_look(send);
    return 0;
}

int recover(struct send *send)
{
    struct list list = {0};
    struct buf content = BUF_INIT(0);
    if (first_sync(send) < 0)
        return -1;
    int result = recover_all(send, &list, &content);
    mem_free(list.entries);
    buf_free(&content);
    return result;
}

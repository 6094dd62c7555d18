/* SPDX-License-Identifier: ISC */
/*
 * Start-up: whatever a crash left, every number is brought into one of S1 to S5 before the first
 * delivery (docs/architecture.md, "send").
 *
 *   todo checks out and its mess is whole          S4: preprocessed again
 *   todo does not, but info does, and mess is there S5, without the name in todo
 *   info and mess, no todo                         S5; of an earlier boot: mess is compared with
 *                                                  its checksum before the first try (pass.c)
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
#include "mta/lib/schedule.h"
#include "mta/send/send.h"

#define BIT(kind) (1u << (kind))
#define TRIES_MAX 6   /* for a message whose files cannot be read or changed */
#define OUT_MAX 16384 /* bytes of commands after which clean is waited for */

struct entry {
    uint64_t number;
    unsigned kinds;  /* BITs */
    bool unreadable; /* todo or info is no file, or one that we may not open */
};

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

/* A bounce that was being written anew when the power went. */
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
    if (remove_own(send, entry) < 0)
        return -1;
    if ((entry->kinds & BIT(SPOOL_TODO)) && ask(send, "todo", entry->number) < 0)
        return -1;
    if ((entry->kinds & BIT(SPOOL_MESS)) && ask(send, "mess", entry->number) < 0)
        return -1;
    return 0;
}

/* The admin wanted it: also what a power loss kept of it. */
static int remove_deleted(struct send *send, const struct entry *entry)
{
    logline(&send->log, "msg %n deleted by the admin", entry->number);
    return remove_all(send, entry);
}

/* Because KIND is damaged. */
static int set_all_aside(struct send *send, const struct entry *entry, enum spool_kind kind)
{
    logline(&send->log, "warning: %s/%n does not check out", spool_directory(kind), entry->number);
    message_files_aside(send, entry->number);
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

/* --- S5 ------------------------------------------------------------------------------------ */

/* How often a recipient stands in the pieces of the bounce. */
static size_t count_pieces(const struct buf *bounce, uint64_t number, const struct record *record)
{
    struct spool_bounce piece;
    size_t at = 0, count = 0;
    while (spool_bounce_next(bounce->data, bounce->length, number, &at, &piece) == 1)
        count += piece.recipient_size == record->size &&
                 memcmp(piece.recipient, record->text, record->size) == 0;
    return count;
}

static size_t count_done(const struct buf *file, size_t first, const struct record *record)
{
    struct record other;
    size_t at = first, count = 0;
    while (record_next(file->data, file->length, &at, &other) == 1)
        count += other.letter == 'D' && other.size == record->size &&
                 memcmp(other.text, record->text, record->size) == 0;
    return count;
}

/* A recipient whose failure stands in the bounce must not be tried again: marks what the crash
 * left unmarked. */
static int mark_failed(struct send *send, int fd, struct buf *file, uint64_t number,
                       struct spool_channel *channel, const struct buf *bounce)
{
    struct record record;
    size_t at = channel->first;
    if (!bounce->length)
        return 0;
    while (record_next(file->data, file->length, &at, &record) == 1) {
        if (record.letter != 'T' ||
            count_pieces(bounce, number, &record) <= count_done(file, channel->first, &record))
            continue;
        if (spool_channel_mark(fd, record.offset) < 0)
            return -1;
        send_dirty(send);
        file->data[record.offset] = 'D';
        channel->to_do--;
        channel->done++;
    }
    return 0;
}

/* When a channel is due that says `next_try`: never later than the schedule could have said. */
static int64_t due_time(const struct send *send, const struct message *message,
                        const struct spool_channel *found, unsigned skip)
{
    int64_t now = send->time.now;
    if (!found->next_try_known)
        return now;
    int64_t due = steady_from_wall(&send->time, found->next_try);
    int64_t largest = schedule_largest_step(send->lifetime, skip);
    return due > now + largest ? schedule_next(message->birth, now, skip) : due;
}

static int read_channel(struct send *send, struct message *message, const struct channel *channel,
                        const struct buf *bounce, int fd, struct buf *file)
{
    struct spool_channel found;
    uint64_t number = message->number;
    if (fd < 0)
        return errno == ENOENT ? 0 : -1;
    if (io_read_all(fd, file) < 0)
        return -1;
    if (spool_channel_parse(file->data, file->length, channel->kind, number, &found) < 0)
        return -1;
    if (mark_failed(send, fd, file, number, &found, bounce) < 0)
        return -1;
    if (found.to_do == 0)
        return 0; /* it goes with the message */
    message->has[channel->index] = true;
    message_due(&send->messages, message, channel->index,
                message->expired ? send->time.now : due_time(send, message, &found, channel->skip));
    return 0;
}

static int recover_channel(struct send *send, struct message *message,
                           const struct channel *channel, const struct buf *bounce)
{
    struct buf file = BUF_INIT(0);
    int fd = spool_open(channel->kind, message->number, O_RDWR);
    int result = read_channel(send, message, channel, bounce, fd, &file);
    int saved = errno == EMSGSIZE ? EBADMSG : errno;
    io_close(&fd);
    buf_free(&file);
    errno = saved;
    return result;
}

/* The whole pieces of the bounce, and where the last of them ends.  *torn tells whether there is
 * anything else in it. */
static int read_bounce(struct send *send, uint64_t number, struct buf *whole, size_t *end,
                       bool *torn)
{
    struct buf content = BUF_INIT(0);
    struct spool_bounce piece;
    size_t at = 0, from = 0;
    int found = 0;
    int result = file_read(SPOOL_BOUNCE, number, &content);
    if (result < 0 && errno == EBADMSG) { /* no file at all */
        file_aside(send, SPOOL_BOUNCE, number);
        buf_reset(&content);
        *torn = true;
        result = 0;
    }
    while (result == 0 &&
           (found = spool_bounce_next(content.data, content.length, number, &at, &piece)) != 0) {
        if (found == 1 && buf_add(whole, content.data + from, at - from) < 0)
            result = -1;
        from = at;
        if (found == 1)
            *end = at;
    }
    int saved = errno;
    *torn = *torn || !content.length || whole->length != content.length;
    buf_free(&content);
    errno = saved;
    return result < 0 && errno != ENOENT ? -1 : 0;
}

/* Cuts off what stands behind the last whole piece.  In place: were the file replaced, another
 * power loss could leave neither the old nor the new one. */
static int cut_bounce(uint64_t number, size_t end)
{
    if (end == 0)
        return file_remove(SPOOL_BOUNCE, number);
    int fd = spool_open(SPOOL_BOUNCE, number, O_WRONLY);
    if (fd < 0)
        return -1;
    int result = ftruncate(fd, (off_t) end);
    int saved = errno;
    close(fd);
    errno = saved;
    return result;
}

/* A piece that a crash tore is of a recipient who is tried again: then the whole ones are kept.  If
 * nobody is left to be tried it was damaged later: the bounce then says so. */
static int mend_bounce(struct send *send, struct message *message, size_t end)
{
    uint64_t number = message->number;
    if (!message->has[DUE_LOCAL] && !message->has[DUE_REMOTE]) {
        message->bounce_lost = true;
        return 0;
    }
    logline(&send->log, "warning: bounce/%n was torn; its whole records are kept", number);
    send_dirty(send);
    return cut_bounce(number, end);
}

/* local/N or remote/N is damaged, and there is a bounce to be sent.  A file that does not even say
 * that it is ours is a name that came back after its removal: nobody was left in it.  If it does,
 * recipients may be unheard of: the bounce then says so. */
static int finish_channel(struct send *send, struct message *message, enum spool_kind kind)
{
    char path[SPOOL_PATH_SIZE], label[SPOOL_LABEL_SIZE];
    ssize_t count = 0;
    int fd = spool_open(kind, message->number, O_RDONLY);
    if (fd >= 0) {
        count = io_read(fd, label, sizeof label);
        close(fd);
    }
    if (count < 0)
        return -1;
    message->bounce_lost |= spool_is_labelled(label, (size_t) count, kind, message->number);
    logline(&send->log, "warning: %s does not check out; set aside in corrupt/",
            spool_path(path, kind, message->number));
    send_dirty(send);
    return spool_aside(kind, message->number);
}

static int recover_files(struct send *send, const struct entry *entry, struct message *message,
                         enum spool_kind *failed)
{
    struct buf bounce = BUF_INIT(0);
    size_t end = 0;
    bool torn = false;
    int result = 0;
    *failed = SPOOL_BOUNCE;
    if (entry->kinds & BIT(SPOOL_BOUNCE))
        result = read_bounce(send, entry->number, &bounce, &end, &torn);
    for (int i = 0; i < CHANNEL_COUNT && result == 0; i++) {
        *failed = send->channels[i].kind;
        if (entry->kinds & BIT(*failed))
            result = recover_channel(send, message, &send->channels[i], &bounce);
        if (result < 0 && errno == EBADMSG && bounce.length > 0)
            result = finish_channel(send, message, *failed);
    }
    message->has_bounce = bounce.length > 0;
    message->bounce_length = end;
    message->bounce_durable = end;
    if (result == 0 && torn)
        result = mend_bounce(send, message, end);
    int saved = errno;
    buf_free(&bounce);
    errno = saved;
    return result;
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
    message->unverified = entry->number < send->cleanup.floor;
    message->birth = steady_from_birth(&send->time, info->birth);
    int result = recover_files(send, entry, message, &failed);
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
    if ((entry->kinds & BIT(SPOOL_TODO)) && ask(send, "todo", entry->number) < 0)
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

static bool info_is_good(const struct entry *entry, const struct buf *content)
{
    struct spool_message info;
    return spool_info_parse(content->data, content->length, entry->number, &info) == 0 &&
           look_at_mess(entry->number, info.mess_length) == 1;
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

static int recover_number(struct send *send, struct entry *entry, struct buf *content)
{
    int todo = TODO_DAMAGED;
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
    if (todo == TODO_WHOLE) /* the rest is written anew; a bounce does not belong to S4 */
        return entry->kinds & BIT(SPOOL_BOUNCE) ? file_remove(SPOOL_BOUNCE, entry->number) : 0;
    if (read_if_there(entry, SPOOL_INFO, content) < 0)
        return -1;
    if (entry->kinds & BIT(SPOOL_TODO)) {
        if ((entry->kinds & BIT(SPOOL_INFO)) && info_is_good(entry, content))
            return recover_info(send, entry, content);
        return recover_unfinished(send, entry);
    }
    if (entry->kinds & BIT(SPOOL_INFO))
        return recover_info(send, entry, content);
    return recover_garbage(send, entry);
}

/* --- all of it ----------------------------------------------------------------------------- */

static void first_sync_done(struct send *send, uint64_t number, bool done)
{
    (void) number;
    send->first_sync_done = done;
}

/* What is read may exist only in cache: it is made durable first. */
static int first_sync(struct send *send)
{
    for (;;) {
        if (cleaner_sync(&send->cleaner, 0, first_sync_done) == 0 && send_wait_cleaner(send) < 0)
            return -1;
        if (send->first_sync_done)
            return 0;
        logline(&send->log, "alert: unable to sync the queue, sleeping...");
        if (send_pause(send, PAUSE_TROUBLE) < 0)
            return -1;
    }
}

static int trouble(struct send *send)
{
    logline(&send->log, errno == ENOMEM ? "alert: out of memory, sleeping..."
                                        : "alert: unable to read the queue, sleeping...");
    return send_pause(send, PAUSE_TROUBLE);
}

/* One message that cannot be read must not keep all others: after a few tries it is left as it is.
 * -1: we are told to end. */
static int recover_one(struct send *send, struct entry *entry, struct buf *content)
{
    for (unsigned tries = 1; recover_number(send, entry, content) < 0; tries++) {
        bool memory = errno == ENOMEM || errno == EMFILE || errno == ENFILE;
        if (!memory && (tries == TRIES_MAX || !error_is_temporary(errno))) {
            logline(&send->log,
                    "alert: unable to read files of msg %n; left alone until the next start",
                    entry->number);
            return 0;
        }
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
    marked_forget_gone(send);
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

/* SPDX-License-Identifier: ISC */
#include "mta/send/marked.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "mta/lib/mem.h"
#include "mta/send/send.h"

/* Where the number is, or would be. */
static size_t place_of(const struct marked *marked, uint64_t number)
{
    size_t low = 0, high = marked->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (marked->messages[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct marked_message *find(const struct marked *marked, uint64_t number)
{
    size_t at = place_of(marked, number);
    bool found = at < marked->count && marked->messages[at].number == number;
    return found ? &marked->messages[at] : NULL;
}

static int reserve(struct marked *marked)
{
    if (marked->count < marked->capacity)
        return 0;
    size_t capacity = marked->capacity ? marked->capacity * 2 : 64;
    struct marked_message *messages =
        mem_resize(marked->messages, capacity * sizeof *marked->messages);
    if (!messages)
        return -1;
    marked->messages = messages;
    marked->capacity = capacity;
    return 0;
}

/* There must be room. */
static void note(struct marked *marked, uint64_t number, enum mark mark)
{
    struct marked_message *message = find(marked, number);
    if (!message) {
        size_t at = place_of(marked, number);
        message = &marked->messages[at];
        memmove(message + 1, message, (marked->count++ - at) * sizeof *message);
        *message = (struct marked_message){.number = number};
    }
    message->marks |= mark;
}

static void forget(struct marked *marked, uint64_t number, unsigned marks)
{
    struct marked_message *message = find(marked, number);
    if (!message)
        return;
    message->marks &= ~marks;
    message->void_marks &= ~marks;
    if (message->marks)
        return;
    size_t behind = (size_t) (marked->messages + --marked->count - message);
    memmove(message, message + 1, behind * sizeof *message);
}

int marked_load(struct marked *marked)
{
    marked->count = 0;
    DIR *directory = opendir(MARK_DIRECTORY);
    if (!directory)
        return errno == ENOENT ? 0 : -1; /* a home of an earlier version */
    int result = 0;
    while (result == 0) {
        uint64_t number;
        enum mark mark;
        errno = 0;
        const struct dirent *entry = readdir(directory);
        if (!entry) {
            result = errno ? -1 : 0;
            break;
        }
        if (mark_parse(entry->d_name, strlen(entry->d_name), &number, &mark) < 0)
            continue;
        result = reserve(marked);
        if (result == 0)
            note(marked, number, mark);
    }
    int saved = errno;
    closedir(directory);
    errno = saved;
    return result;
}

void marked_free(struct marked *marked)
{
    mem_free(marked->messages);
    memset(marked, 0, sizeof *marked);
}

/* Those that have a file. */
static unsigned files_of(const struct marked *marked, uint64_t number)
{
    const struct marked_message *message = find(marked, number);
    return message ? message->marks : 0;
}

unsigned marked_find(const struct marked *marked, uint64_t number)
{
    const struct marked_message *message = find(marked, number);
    return message ? message->marks & ~message->void_marks : 0;
}

int marked_add(struct marked *marked, uint64_t number, enum mark mark)
{
    if (reserve(marked) < 0 || mark_set(number, mark) < 0)
        return -1;
    note(marked, number, mark);
    find(marked, number)->void_marks &= ~(unsigned) mark;
    return 0;
}

int marked_remove(struct marked *marked, uint64_t number, enum mark mark)
{
    if (mark_clear(number, mark) < 0)
        return -1;
    forget(marked, number, mark);
    return 0;
}

void marked_apply(const struct marked *marked, struct message *message)
{
    unsigned marks = marked_find(marked, message->number);
    message->held = marks & MARK_HOLD;
    message->expired = marks & MARK_EXPIRE;
    message->removed = message->remove_now = marks & MARK_DELETE;
}

static void look_later(struct send *send)
{
    if (!send->marked.next_look)
        send->marked.next_look = send->time.now + PAUSE_CHORE;
}

static void gone_durably(struct send *send, uint64_t number, bool done)
{
    static const enum mark all[] = {MARK_HOLD, MARK_EXPIRE, MARK_DELETE};
    unsigned marks = files_of(&send->marked, number);
    if (!done) {
        look_later(send);
        return;
    }
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (marks & all[i] && marked_remove(&send->marked, number, all[i]) < 0)
            look_later(send);
    send_dirty(send);
}

void marked_gone(struct send *send, uint64_t number)
{
    if (files_of(&send->marked, number) && cleaner_sync(&send->cleaner, number, gone_durably) < 0)
        look_later(send);
}

void marked_forgotten(struct send *send, uint64_t number)
{
    if (files_of(&send->marked, number))
        look_later(send);
}

void marked_held(struct send *send, const struct message *message)
{
    if (message->held && message->found)
        look_later(send);
}

void marked_undelete(struct send *send, uint64_t number)
{
    if (marked_remove(&send->marked, number, MARK_DELETE) == 0) {
        send_dirty(send); /* it must not come back with the power */
        return;
    }
    struct marked_message *marked = find(&send->marked, number);
    if (marked)
        marked->void_marks |= MARK_DELETE;
    look_later(send);
}

/* Whether something of the message is there, or that cannot be told. */
static bool may_be_in_queue(uint64_t number)
{
    static const enum spool_kind kinds[] = {SPOOL_TODO, SPOOL_INFO};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (file_is_there(kinds[i], number) || errno != ENOENT)
            return true;
    return false;
}

/* No pass sees whether queue has withdrawn it.  In S4 there is no need to look yet. */
static void look_at_held(struct send *send, struct message *message)
{
    if (!message->held || !message->found || message->state != MESSAGE_QUEUED)
        return;
    bool gone = !file_is_there(SPOOL_MESS, message->number) && errno == ENOENT;
    if (!gone || message_is_busy(send, message) || todo_withdrawn(send, message) < 0)
        look_later(send);
}

/* What is to be done about the marks of one message. */
static void look_at(struct send *send, const struct marked_message *marked)
{
    uint64_t number = marked->number;
    if (marked->void_marks)
        marked_undelete(send, number); /* `marked` may be gone then */
    struct message *message = message_find(&send->messages, number);
    if (message)
        look_at_held(send, message);
    else if (may_be_in_queue(number)) /* it is taken from todo again, or queue withdraws it */
        look_later(send);
    else
        marked_gone(send, number);
}

void marked_look(struct send *send)
{
    for (size_t i = send->marked.count; i-- > 0;) /* the one that is looked at may go */
        look_at(send, &send->marked.messages[i]);
}

void marked_step(struct send *send)
{
    if (send->exit_asap || !send->marked.next_look || send->marked.next_look > send->time.now)
        return;
    send->marked.next_look = 0;
    marked_look(send);
}

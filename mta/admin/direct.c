/* SPDX-License-Identifier: ISC */
/* Without a nixie-send: marks, and times of next tries, for the next one to find. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "mta/admin/admin.h"
#include "mta/lib/error.h"
#include "mta/lib/io.h"
#include "mta/lib/lock.h"
#include "mta/lib/mark.h"

#define MUTEX_TRIES 150
#define MUTEX_PAUSE_MS 200

/* A send that does not hear us is starting or ending; it is waited for. */
static int take_mutex(int *mutex)
{
    for (int i = 0; i < MUTEX_TRIES; i++) {
        *mutex = lock_file("lock/sendmutex", 0, false);
        if (*mutex >= 0)
            return ADMIN_DONE;
        if (errno != EWOULDBLOCK)
            return complain(ADMIN_LACKING,
                            "unable to lock queue/lock/sendmutex: ", error_text(errno));
        poll(NULL, 0, MUTEX_PAUSE_MS);
    }
    return complain(ADMIN_LACKING,
                    "nixie-send runs, but not behind run/send: ", "was it started by nixie-start?");
}

static int hurry_channel(enum spool_kind kind, uint64_t number)
{
    int fd = spool_open(kind, number, O_RDWR);
    if (fd < 0)
        return errno == ENOENT ? 0 : -1;
    int result = spool_channel_write_next_try(fd, kind, number, 0);
    if (result == 0)
        result = fsync(fd);
    int saved = errno;
    close(fd);
    errno = saved;
    return result;
}

static const char *retry(const struct view *view, unsigned marks)
{
    if (marks & MARK_HOLD)
        return "it is held";
    if (!view->is_new && (hurry_channel(SPOOL_LOCAL, view->number) < 0 ||
                          hurry_channel(SPOOL_REMOTE, view->number) < 0))
        return error_text(errno);
    return NULL;
}

static const char *mark(const struct view *view, enum mark mark)
{
    if (mark_set(view->number, mark) == 0 && mark_sync(view->number, mark) == 0)
        return NULL;
    return errno == ENOENT ? "this home has no queue/mark: nixie mta init makes it"
                           : error_text(errno);
}

static const char *release(const struct view *view, unsigned marks)
{
    if (!(marks & MARK_HOLD))
        return "it is not held";
    if (mark_clear(view->number, MARK_HOLD) < 0)
        return error_text(errno);
    return retry(view, 0);
}

static const char *act(enum verb verb, const struct view *view)
{
    unsigned marks = mark_read(view->number);
    bool left = view->is_new || view->channels[0].to_do || view->channels[1].to_do;
    if ((marks & MARK_DELETE) && verb != VERB_DELETE)
        return "it is being deleted";
    if (!left && verb != VERB_DELETE && verb != VERB_RETRY)
        return "no recipient is left to be tried";
    switch (verb) {
    case VERB_RETRY:
        return retry(view, marks);
    case VERB_HOLD:
        return mark(view, MARK_HOLD);
    case VERB_RELEASE:
        return release(view, marks);
    case VERB_EXPIRE:
        return mark(view, MARK_EXPIRE);
    case VERB_DELETE:
        return mark(view, MARK_DELETE);
    case VERB_LIST:
        break;
    }
    return NULL;
}

/* Of a message that will not be deleted after all: the next send would do it.  Returns what to
 * tell, which is more than `reason` if the mark may be there again after a power loss. */
static const char *undelete(const struct order *order, uint64_t number, const char *reason)
{
    if (order->verb != VERB_DELETE)
        return reason;
    if (mark_clear(number, MARK_DELETE) == 0 &&
        (io_sync_directory(MARK_DIRECTORY) == 0 || errno == ENOENT)) /* there is none */
        return reason;
    return "the disk failed twice: nixie-send may yet delete it";
}

/* Refusals are told at once; what is done only once it is durable. */
static void do_all(struct order *order, bool *marked)
{
    struct view view = {0};
    for (size_t i = 0; i < order->numbers->count; i++) {
        uint64_t number = order->numbers->numbers[i];
        if (order->outcomes[i] != OUTCOME_OPEN)
            continue;
        bool is_new = !(mark_read(number) & MARK_DELETE);
        int found = view_read(&view, number);
        const char *reason = found == 0  ? "there is no such message"
                             : found < 0 ? error_text(errno)
                                         : act(order->verb, &view);
        if (reason && is_new)
            reason = undelete(order, number, reason);
        if (reason)
            order_note(order, number, reason);
        else if (is_new)
            order->outcomes[i] = OUTCOME_MARKED;
        *marked = true;
    }
    view_free(&view);
}

int do_directly(struct order *order)
{
    int mutex = -1;
    bool marked = false;
    int status = take_mutex(&mutex);
    if (status != ADMIN_DONE)
        return status;
    do_all(order, &marked);
    const char *reason = NULL;
    if (marked && order->verb != VERB_RETRY && io_sync_directory(MARK_DIRECTORY) < 0)
        reason = error_text(errno);
    for (size_t i = 0; i < order->numbers->count; i++) {
        uint64_t number = order->numbers->numbers[i];
        const char *told = reason;
        if (reason && order->outcomes[i] == OUTCOME_MARKED)
            told = undelete(order, number, reason);
        if (order->outcomes[i] == OUTCOME_OPEN || order->outcomes[i] == OUTCOME_MARKED)
            order_note(order, number, told);
    }
    io_close(&mutex);
    return ADMIN_DONE;
}

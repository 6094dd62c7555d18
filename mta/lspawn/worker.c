/* SPDX-License-Identifier: ISC */
/* Staying workers, nixie-local --stay: mta/local/stay.c says what goes over their sockets. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mta/lib/io.h"
#include "mta/lib/mem.h"
#include "mta/lib/pass.h"
#include "mta/lspawn/lspawn.h"

/* --- coming and going ---------------------------------------------------------------------- */

int workers_init(struct workers *workers)
{
    workers->all = mem_alloc(WORKERS_MAX * sizeof *workers->all);
    if (!workers->all)
        return -1;
    memset(workers->all, 0, WORKERS_MAX * sizeof *workers->all);
    for (unsigned i = 0; i < WORKERS_MAX; i++)
        workers->all[i].fd = -1;
    return 0;
}

void worker_end(struct worker *worker)
{
    io_close(&worker->fd);
    buf_free(&worker->request);
    buf_free(&worker->output);
    worker->state = WORKER_NONE;
    worker->slot_count = 0;
}

void workers_free(struct workers *workers)
{
    for (unsigned i = 0; workers->all && i < WORKERS_MAX; i++)
        worker_end(&workers->all[i]);
    mem_free(workers->all);
}

/* The socket is non-blocking on our end only. */
static int start(struct workers *workers, struct worker *worker, uid_t uid, gid_t gid)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return -1;
    pid_t pid = -1;
    if (io_set_nonblocking(ends[0]) == 0)
        pid = workers->start(workers->context, uid, gid, ends[1]);
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return -1;
    }
    *worker = (struct worker){
        .state = WORKER_IDLE, .fd = ends[0], .uid = uid, .gid = gid, .input = workers->input};
    worker->output.limit = OUTPUT_KEPT;
    return 0;
}

/* --- which one ----------------------------------------------------------------------------- */

/* The idle one of that user that was used last, so that those that are not needed come to rest. */
static struct worker *find_idle(const struct workers *workers, uid_t uid, gid_t gid)
{
    struct worker *found = NULL;
    for (unsigned i = 0; i < WORKERS_MAX; i++) {
        struct worker *worker = &workers->all[i];
        if (worker->state == WORKER_IDLE && worker->uid == uid && worker->gid == gid &&
            (!found || worker->since > found->since))
            found = worker;
    }
    return found;
}

/* A free place, or that of the one that has been idle for longest. */
static struct worker *find_place(const struct workers *workers)
{
    struct worker *oldest = NULL;
    for (unsigned i = 0; i < WORKERS_MAX; i++) {
        struct worker *worker = &workers->all[i];
        if (worker->state == WORKER_NONE)
            return worker;
        if (worker->state == WORKER_IDLE && (!oldest || worker->since < oldest->since))
            oldest = worker;
    }
    if (oldest)
        worker_end(oldest);
    return oldest;
}

/* Whether a busy one can take one more. */
static bool has_room(const struct worker *worker, int64_t now)
{
    return worker->ready && worker->slot_count < WORKER_TOGETHER_MAX &&
           worker->jobs < WORKER_JOBS_MAX && worker->sent == worker->request.length &&
           now - worker->since < WORKER_SLOW_MS;
}

/* The busy one of that user that has the fewest deliveries, if as many as should are busy. */
static struct worker *find_busy(const struct workers *workers, uid_t uid, gid_t gid, int64_t now)
{
    struct worker *found = NULL;
    unsigned count = 0;
    for (unsigned i = 0; i < WORKERS_MAX; i++) {
        struct worker *worker = &workers->all[i];
        if (worker->state != WORKER_BUSY || worker->uid != uid || worker->gid != gid)
            continue;
        count++;
        if (has_room(worker, now) && (!found || worker->slot_count < found->slot_count))
            found = worker;
    }
    return count >= WORKERS_APART ? found : NULL;
}

struct worker *workers_take(struct workers *workers, uid_t uid, gid_t gid, int64_t now)
{
    struct worker *worker = find_busy(workers, uid, gid, now);
    if (!worker)
        worker = find_idle(workers, uid, gid);
    if (worker)
        return worker;
    worker = find_place(workers);
    return worker && start(workers, worker, uid, gid) == 0 ? worker : NULL;
}

int64_t workers_trim(struct workers *workers, int64_t now)
{
    int64_t next = INT64_MAX;
    for (unsigned i = 0; i < WORKERS_MAX; i++) {
        struct worker *worker = &workers->all[i];
        if (worker->state != WORKER_IDLE)
            continue;
        int64_t end = worker->since + WORKER_IDLE_MS;
        if (worker->jobs >= WORKER_JOBS_MAX || end <= now)
            worker_end(worker);
        else if (end < next)
            next = end;
    }
    return next;
}

/* --- one job ------------------------------------------------------------------------------- */

/* 0, or -1: it cannot take it. */
static int write_request(struct worker *worker, int message)
{
    const char *bytes = worker->request.data + worker->sent;
    size_t size = worker->request.length - worker->sent;
    ssize_t count = worker->sent == 0 ? pass_send(worker->fd, bytes, size, message)
                                      : send(worker->fd, bytes, size, MSG_NOSIGNAL);
    if (count < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    worker->sent += (size_t) count;
    return 0;
}

int worker_give(struct worker *worker, unsigned slot, const struct buf *arguments, int message,
                int64_t now)
{
    const char tag[2] = {(char) (slot & 255), (char) (slot >> 8)};
    char head[4];
    for (int i = 0; i < 4; i++)
        head[i] = (char) ((arguments->length + sizeof tag) >> 8 * i & 255);
    if (buf_set(&worker->request, head, sizeof head) < 0 ||
        buf_add(&worker->request, tag, sizeof tag) < 0 ||
        buf_add(&worker->request, arguments->data, arguments->length) < 0) {
        worker->sent = worker->request.length; /* nothing of it is to be sent */
        return -1;
    }
    worker->sent = 0;
    if (write_request(worker, message) < 0) {
        if (worker->slot_count > 0) { /* its end is told when it is heard */
            worker->sent = worker->request.length;
            return -1;
        }
        worker_end(worker);
        return -1;
    }
    if (worker->state != WORKER_BUSY)
        worker->since = now;
    worker->state = WORKER_BUSY;
    worker->slots[worker->slot_count++] = worker->last = slot;
    worker->jobs++;
    return 0;
}

short worker_events(const struct worker *worker)
{
    bool writes = worker->state == WORKER_BUSY && worker->sent < worker->request.length;
    return (short) (POLLIN | (writes ? POLLOUT : 0));
}

static void keep(struct worker *worker, const char *bytes, size_t size)
{
    size_t room = OUTPUT_KEPT - worker->output.length;
    size_t part = size < room ? size : room;
    if (buf_add(&worker->output, bytes, part) < 0)
        part = 0;
    worker->cut = worker->cut || part < size;
}

/* The delivery is the worker's no more.  -1: it never was. */
static int remove_slot(struct worker *worker, unsigned slot)
{
    for (unsigned i = 0; i < worker->slot_count; i++)
        if (worker->slots[i] == slot) {
            worker->slots[i] = worker->slots[--worker->slot_count];
            return 0;
        }
    return -1;
}

/* An answer is whole. */
static enum worker_news end_answer(struct worker *worker)
{
    const unsigned char *end = (const unsigned char *) worker->end;
    worker->text_whole = false;
    worker->end_size = 0;
    worker->code = end[0];
    worker->slot = end[1] | (unsigned) end[2] << 8;
    if (!worker->ready && worker->code == WORKER_CODE_READY) {
        worker->ready = true;
        return WORKER_SILENT;
    }
    /* an answer to nothing: this is no worker of ours */
    return remove_slot(worker, worker->slot) < 0 ? WORKER_GONE : WORKER_ANSWERS;
}

enum worker_news worker_next(struct worker *worker)
{
    while (worker->input_at < worker->input_size) {
        const char *bytes = worker->input + worker->input_at;
        size_t size = worker->input_size - worker->input_at;
        if (worker->text_whole) {
            worker->end[worker->end_size++] = *bytes;
            worker->input_at++;
            enum worker_news news =
                worker->end_size == sizeof worker->end ? end_answer(worker) : WORKER_SILENT;
            if (news != WORKER_SILENT)
                return news;
            continue;
        }
        const char *end = memchr(bytes, 0, size);
        size_t part = end ? (size_t) (end - bytes) : size;
        keep(worker, bytes, part);
        worker->text_whole = end;
        worker->input_at += part + (end != NULL);
    }
    return WORKER_SILENT;
}

enum worker_news worker_work(struct worker *worker, short found, int message)
{
    if ((found & POLLOUT) && worker->sent < worker->request.length &&
        write_request(worker, message) < 0)
        return WORKER_GONE;
    if (!(found & (POLLIN | POLLHUP | POLLERR)))
        return WORKER_SILENT;
    ssize_t count = io_read(worker->fd, worker->input, WORKER_INPUT);
    if (count < 0 && errno == EAGAIN)
        return WORKER_SILENT;
    if (count <= 0)
        return WORKER_GONE;
    worker->input_at = 0;
    worker->input_size = (size_t) count;
    return worker_next(worker);
}

void worker_answered(struct worker *worker, int64_t now)
{
    worker->since = now;
    worker->cut = false;
    buf_reset(&worker->output);
    if (worker->slot_count > 0)
        return;
    worker->state = WORKER_IDLE;
    worker->sent = 0;
    buf_reset(&worker->request);
}

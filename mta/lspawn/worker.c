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
    *worker = (struct worker){.state = WORKER_IDLE, .fd = ends[0], .uid = uid, .gid = gid};
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
            (!found || worker->idle_since > found->idle_since))
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
        if (worker->state == WORKER_IDLE && (!oldest || worker->idle_since < oldest->idle_since))
            oldest = worker;
    }
    if (oldest)
        worker_end(oldest);
    return oldest;
}

struct worker *workers_take(struct workers *workers, uid_t uid, gid_t gid)
{
    struct worker *worker = find_idle(workers, uid, gid);
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
        int64_t end = worker->idle_since + WORKER_IDLE_MS;
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

int worker_give(struct worker *worker, unsigned slot, const struct buf *arguments, int message)
{
    char head[4];
    for (int i = 0; i < 4; i++)
        head[i] = (char) (arguments->length >> 8 * i & 255);
    if (buf_set(&worker->request, head, sizeof head) < 0 ||
        buf_add(&worker->request, arguments->data, arguments->length) < 0)
        return -1;
    worker->sent = 0;
    if (write_request(worker, message) < 0) {
        worker_end(worker);
        return -1;
    }
    worker->state = WORKER_BUSY;
    worker->slot = slot;
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

/* Takes what was read, up to the end of an answer. */
static enum worker_news take(struct worker *worker, const char *bytes, size_t size)
{
    for (size_t at = 0; at < size; at++) {
        if (!worker->text_whole) {
            const char *end = memchr(bytes + at, 0, size - at);
            size_t part = end ? (size_t) (end - bytes) - at : size - at;
            keep(worker, bytes + at, part);
            worker->text_whole = end;
            at += end ? part : part - 1;
            continue;
        }
        worker->text_whole = false;
        worker->code = (unsigned char) bytes[at];
        if (!worker->ready && worker->code == WORKER_CODE_READY) {
            worker->ready = true;
            continue;
        }
        /* more than one answer to a job, or one to none: this is no worker of ours */
        return worker->state == WORKER_BUSY && at + 1 == size ? WORKER_ANSWERS : WORKER_GONE;
    }
    return WORKER_SILENT;
}

enum worker_news worker_work(struct worker *worker, short found, int message)
{
    char block[4096];
    if ((found & POLLOUT) && worker->sent < worker->request.length &&
        write_request(worker, message) < 0)
        return WORKER_GONE;
    if (!(found & (POLLIN | POLLHUP | POLLERR)))
        return WORKER_SILENT;
    ssize_t count = io_read(worker->fd, block, sizeof block);
    if (count < 0 && errno == EAGAIN)
        return WORKER_SILENT;
    return count > 0 ? take(worker, block, (size_t) count) : WORKER_GONE;
}

void worker_rest(struct worker *worker, int64_t now)
{
    worker->state = WORKER_IDLE;
    worker->idle_since = now;
    worker->cut = false;
    worker->sent = 0;
    buf_reset(&worker->request);
    buf_reset(&worker->output);
}

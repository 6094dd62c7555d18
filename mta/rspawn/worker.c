/* SPDX-License-Identifier: ISC */
/* One nixie-remote --stay: mta/remote/stay.c says what goes over its socket. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mta/lib/child.h"
#include "mta/lib/io.h"
#include "mta/lib/mem.h"
#include "mta/rspawn/rspawn.h"

static const char not_given[] = "ZUnable to give the message to nixie-remote. (#4.3.0)\n";
static const char crashed[] = "Znixie-remote crashed. Possible duplicate! (#4.3.0)\n";

/* Our end does not block. */
static int start_program(const char *path, char *const *environment, const int ends[2])
{
    char stay[] = "--stay";
    char *argv[] = {(char *) path, stay, NULL};
    struct child child = {.path = path,
                          .argv = argv,
                          .environment = environment,
                          .fds = {ends[1], 2, 2},
                          .fd_count = 3};
    if (io_set_nonblocking(ends[0]) < 0)
        return -1;
    return child_start(&child) < 0 ? -1 : 0;
}

int worker_start(struct worker *worker, const char *path, char *const *environment)
{
    int ends[2];
    memset(worker, 0, sizeof *worker);
    worker->message = -1;
    worker->report.limit = REPORT_TEXT_MAX;
    if (buf_reserve(&worker->report, REPORT_TEXT_MAX) < 0)
        return -1;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
        buf_free(&worker->report);
        return -1;
    }
    int result = start_program(path, environment, ends);
    int saved = errno;
    close(ends[1]);
    if (result < 0) {
        close(ends[0]);
        buf_free(&worker->report);
        errno = saved;
        return -1;
    }
    worker->fd = ends[0];
    worker->state = WORKER_IDLE;
    return 0;
}

void worker_end(struct worker *worker)
{
    io_close(&worker->fd);
    io_close(&worker->message);
    buf_free(&worker->out);
    buf_free(&worker->report);
    buf_free(&worker->key);
    group_free(&worker->group);
    worker->state = WORKER_NONE;
}

/* --- giving -------------------------------------------------------------------------------- */

static int build_request(struct buf *out, const struct request *request)
{
    const char *host = strrchr(request->recipients.data, '@') + 1;
    size_t size = strlen(host) + 1 + request->sender.length + request->recipients.length;
    char head[4];
    for (int i = 0; i < 4; i++)
        head[i] = (char) (size >> 8 * i & 255);
    if (buf_set(out, head, 4) < 0 || buf_add(out, host, strlen(host) + 1) < 0 ||
        buf_add(out, request->sender.data, request->sender.length) < 0)
        return -1;
    return buf_add(out, request->recipients.data, request->recipients.length);
}

/* The first bytes go with the descriptor. */
static ssize_t send_first(struct worker *worker)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec part = {.iov_base = worker->out.data, .iov_len = worker->out.length};
    struct msghdr header = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = control.bytes,
                            .msg_controllen = sizeof control.bytes};
    memset(&control, 0, sizeof control);
    struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(rights), &worker->message, sizeof(int));
    return sendmsg(worker->fd, &header, MSG_NOSIGNAL);
}

/* The request cannot be sent: the worker is dead, or the kernel has no room for it.  With this end
 * of the connection it has no reason to go on, and reading will find that out. */
static void give_up(struct worker *worker)
{
    worker->sent = worker->out.length;
    worker->not_given = errno != EPIPE && errno != ECONNRESET;
    shutdown(worker->fd, SHUT_WR);
}

static void write_request(struct worker *worker)
{
    while (worker->sent < worker->out.length) {
        ssize_t count = worker->message >= 0 ? send_first(worker)
                                             : write(worker->fd, worker->out.data + worker->sent,
                                                     worker->out.length - worker->sent);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0 && errno == EAGAIN)
            return;
        if (count < 0) {
            give_up(worker);
            break;
        }
        io_close(&worker->message);
        worker->sent += (size_t) count;
    }
    io_close(&worker->message);
    buf_free(&worker->out);
    worker->sent = 0;
}

int worker_give(struct worker *worker, struct request *request, int message, struct buf *key)
{
    if (build_request(&worker->out, request) < 0)
        return -1;
    struct buf old = worker->key;
    worker->key = *key;
    *key = old;
    worker->sent = 0;
    worker->message = message;
    worker->group = request->group;
    request->group.slots = NULL;
    worker->holds = false;
    worker->jobs++;
    worker->state = WORKER_BUSY;
    write_request(worker);
    return 0;
}

/* --- taking -------------------------------------------------------------------------------- */

static void break_off(struct worker *worker)
{
    io_close(&worker->fd);
    worker->group.failure = worker->not_given ? not_given : crashed;
    worker->state = WORKER_BROKEN;
}

/* A whole report is in worker->report; without room it waits. */
static void pass_on(struct worker *worker, struct reports *reports)
{
    struct group *group = &worker->group;
    worker->report_whole = !reports_have_room(reports);
    if (worker->report_whole)
        return;
    reports_add(reports, group->slots[group->reported++], worker->report.data,
                worker->report.length);
    buf_reset(&worker->report);
}

static void end_job(struct worker *worker, bool holds, int64_t now)
{
    group_free(&worker->group);
    worker->holds = holds;
    worker->idle_since = now;
    worker->state = WORKER_IDLE;
}

/* Its connection went while the request was on its way: no report begins like that. */
static bool is_late_news(const struct worker *worker, char byte)
{
    return byte == 'n' && worker->group.reported == 0 && worker->report.length == 0;
}

/* One byte of a busy worker's answer, or of an idle one. */
static void take_byte(struct worker *worker, struct reports *reports, char byte, int64_t now)
{
    if (worker->state == WORKER_BUSY && worker->group.reported < worker->group.count) {
        if (is_late_news(worker, byte))
            return;
        if (!byte)
            pass_on(worker, reports);
        else if (worker->report.length < REPORT_TEXT_MAX)
            buf_add_byte(&worker->report, byte);
    } else if (worker->state == WORKER_BUSY && (byte == 'h' || byte == 'n')) {
        end_job(worker, byte == 'h', now);
    } else if (worker->state == WORKER_IDLE && byte == 'n') {
        worker->holds = false;
    } else {
        break_off(worker);
    }
}

/* What was looked at and taken is read, all of it: what stayed would be taken again. */
static void drop(struct worker *worker, char *block, size_t size)
{
    while (size > 0 && worker->fd >= 0) {
        ssize_t count = io_read(worker->fd, block, size);
        if (count <= 0)
            break_off(worker);
        else
            size -= (size_t) count;
    }
}

/* Reads what a report or state needs, never more than can be taken. */
static void read_answers(struct worker *worker, struct reports *reports, int64_t now)
{
    char block[2048];
    ssize_t count = recv(worker->fd, block, sizeof block, MSG_PEEK);
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (count <= 0) {
        break_off(worker);
        return;
    }
    ssize_t used = 0;
    while (used < count && !worker->report_whole && worker->fd >= 0)
        take_byte(worker, reports, block[used++], now);
    drop(worker, block, (size_t) used);
}

void worker_report(struct worker *worker, struct reports *reports, int64_t now)
{
    (void) now;
    if (worker->report_whole)
        pass_on(worker, reports);
    if (worker->state == WORKER_BROKEN && group_fail(&worker->group, reports))
        worker_end(worker);
}

void worker_work(struct worker *worker, struct reports *reports, short found, int64_t now)
{
    if ((found & POLLOUT) && worker->out.length)
        write_request(worker);
    if (found & (POLLIN | POLLHUP | POLLERR) && !worker->report_whole)
        read_answers(worker, reports, now);
    worker_report(worker, reports, now);
}

short worker_events(const struct worker *worker)
{
    bool runs = worker->state == WORKER_IDLE || worker->state == WORKER_BUSY;
    if (!runs || worker->report_whole)
        return 0;
    return (short) (POLLIN | (worker->out.length ? POLLOUT : 0));
}

void worker_hurry(struct worker *worker)
{
    if (worker->state == WORKER_BUSY && !worker->shut)
        shutdown(worker->fd, SHUT_WR);
    worker->shut = true;
}

/* SPDX-License-Identifier: ISC */
/*
 * rspawn's worker.  Descriptor 0 is a Unix stream socket; on it, for each job:
 *
 *   rspawn: 4 bytes little-endian length, then that many bytes: host `\0`, sender `\0`, and any
 *           number of recipients, each with `\0`; the message's descriptor comes with the first
 * byte worker: for each recipient a letter K, Z or D, a text, `\0`; then `h` if it holds a
 * connection that can serve the same host again, else `n`
 *
 * Between jobs it says `n` when the connection that it held is gone; the next job may be on its way
 * then, so that this comes in front of its reports.  The end of the socket within
 * a job means that nobody hears its result: it is given up, unless the dot was sent.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mta/lib/clock.h"
#include "mta/lib/io.h"
#include "mta/remote/remote.h"

#define CONTROL 0

struct worker {
    struct settings *settings;
    struct connection connection;
    struct buf request;
    int message; /* that came with the request; -1: none */
};

/* The first bytes of a request, with the descriptor.  Count, 0 at the end, or -1. */
static ssize_t read_first(struct worker *worker, char *to, size_t size)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec part = {.iov_base = to, .iov_len = size};
    struct msghdr header = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = control.bytes,
                            .msg_controllen = sizeof control.bytes};
    ssize_t count;
    do {
        count = recvmsg(CONTROL, &header, MSG_CMSG_CLOEXEC);
    } while (count < 0 && errno == EINTR);
    struct cmsghdr *rights = count > 0 ? CMSG_FIRSTHDR(&header) : NULL;
    if (rights && rights->cmsg_level == SOL_SOCKET && rights->cmsg_type == SCM_RIGHTS &&
        rights->cmsg_len == CMSG_LEN(sizeof(int))) {
        io_close(&worker->message);
        memcpy(&worker->message, CMSG_DATA(rights), sizeof(int));
    }
    return count;
}

static int read_exactly(char *to, size_t size)
{
    while (size > 0) {
        ssize_t count = io_read(CONTROL, to, size);
        if (count <= 0)
            return -1;
        to += count;
        size -= (size_t) count;
    }
    return 0;
}

/* Reads a request.  1, 0 at the end, -1 if there is no whole one. */
static int read_request(struct worker *worker)
{
    unsigned char head[4];
    ssize_t count = read_first(worker, (char *) head, sizeof head);
    if (count <= 0)
        return (int) count;
    if (read_exactly((char *) head + count, sizeof head - (size_t) count) < 0)
        return -1;
    size_t size = head[0] | (size_t) head[1] << 8 | (size_t) head[2] << 16 | (size_t) head[3] << 24;
    buf_reset(&worker->request);
    if (size > REQUEST_MAX || buf_reserve(&worker->request, size) < 0 ||
        read_exactly(worker->request.data, size) < 0)
        return -1;
    worker->request.length = size;
    return size && worker->request.data[size - 1] == 0 ? 1 : -1;
}

static int set_up(struct worker *worker, struct job *job)
{
    const char *at = worker->request.data, *end = at + worker->request.length;
    size_t strings = 0;
    for (const char *c = at; c < end; c++)
        strings += *c == 0;
    if (strings < 3 || strings - 2 > RECIPIENTS_MAX)
        return -1;
    const char *host = at;
    const char *sender = host + strlen(host) + 1;
    if (job_init(job, host, sender, strings - 2) < 0)
        return -1;
    at = sender + strlen(sender) + 1;
    for (size_t i = 0; i < job->count; i++, at += strlen(at) + 1)
        job->recipients[i].address = at;
    return 0;
}

static void run(struct worker *worker, struct job *job)
{
    int fd = worker->message;
    worker->message = -1;
    if (fd < 0 || message_open(&job->message, fd) < 0) {
        job_verdict(job, 'Z', "Unable to read message. (#4.3.0)\n");
        answers_settle(job);
    } else if (settings_refresh(worker->settings) < 0) {
        job_verdict(job, 'Z', "Unable to read control files. (#4.3.0)\n");
        answers_settle(job);
    } else {
        job_run(job, worker->settings, &worker->connection);
    }
}

/* One job.  0, or -1: this worker cannot go on. */
static int serve(struct worker *worker)
{
    struct job job;
    memset(&job, 0, sizeof job);
    int result = set_up(worker, &job);
    if (result == 0) {
        run(worker, &job);
        result = report_each(&job, CONTROL);
    }
    if (result == 0)
        result = io_write(CONTROL, worker->connection.fd >= 0 ? "h" : "n", 1);
    job_free(&job);
    return result;
}

/* Waits for the next request; lets the connection go when it is not used for long, or the server
 * says something.  0, or -1. */
static int wait_for_request(struct worker *worker)
{
    struct connection *connection = &worker->connection;
    int64_t until = clock_monotonic_ms() + KEEP_MS;
    for (;;) {
        struct pollfd fds[2] = {{.fd = CONTROL, .events = POLLIN},
                                {.fd = connection->fd, .events = POLLIN}};
        int64_t left = until - clock_monotonic_ms();
        int timeout = connection->fd < 0 ? -1 : left > 0 ? (int) left : 0;
        int found = poll(fds, 2, timeout);
        if (found < 0 && errno == EINTR)
            continue;
        if (found < 0 || fds[0].revents)
            return found < 0 ? -1 : 0;
        connection_quit(connection, CONTROL);
        if (io_write(CONTROL, "n", 1) < 0)
            return -1;
    }
}

int stay(struct settings *settings)
{
    struct worker worker = {.settings = settings, .message = -1};
    int result;
    connection_init(&worker.connection, CONTROL);
    do {
        result = wait_for_request(&worker);
        if (result == 0)
            result = read_request(&worker);
        if (result == 1 && serve(&worker) < 0)
            result = -1;
    } while (result == 1);
    connection_quit(&worker.connection, CONTROL); /* which is readable at its end: no wait */
    connection_free(&worker.connection);
    io_close(&worker.message);
    buf_free(&worker.request);
    return result < 0 ? 111 : 0;
}

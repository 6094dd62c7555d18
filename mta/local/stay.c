/* SPDX-License-Identifier: ISC */
/*
 * lspawn's worker for one user.  Descriptors 1 and 2 are one Unix stream socket, descriptor 0 is
 * free for messages.  On the socket:
 *
 *   worker: an answer with the code LOCAL_READY, once
 *   lspawn: requests, any number before their answers: 4 bytes little-endian length, then that
 * many: a tag of 2 bytes, then the eight arguments of the program, each with its `\0`; the
 *           message's descriptor comes with the first byte
 *   worker: an answer to each, in any order: what the program would have written on its descriptors
 *           1 and 2, `\0`, the exit code as one byte, the tag
 *
 * LOCAL_OTHER instead of an exit code: there are other instructions than Maildirs; nothing was
 * done.  Those are for a process of their own, whose descriptors, environment and crashes are what
 * programs of a .qmail file expect.  The end of the socket ends the worker.
 *
 * Requests that are there at once are done together: their files are written one after the other,
 * and then the disk is waited for twice for all of them, not for each.
 */
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "mta/lib/io.h"
#include "mta/lib/maildir.h"
#include "mta/lib/mem.h"
#include "mta/lib/pass.h"
#include "mta/local/local.h"

#define CONTROL 1
#define REQUEST_MAX 65536
#define TOGETHER_MAX 16

/* A delivery and what it points to. */
struct job {
    struct local local;
    struct buf request; /* tag and arguments */
};

struct jobs {
    struct job *held[TOGETHER_MAX]; /* whose Maildirs wait to be committed */
    size_t count;
};

/* 0, or -1. */
static int answer(int code, const char tag[2])
{
    const char end[4] = {0, (char) code, tag[0], tag[1]};
    return io_write(CONTROL, end, sizeof end);
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

/* Descriptor 0 is free, so a descriptor that is received is it; whatever the system does, it is
 * made so. */
static int put_message(int fd)
{
    if (fd <= 0)
        return fd;
    int result = dup2(fd, 0);
    close(fd);
    return result;
}

/* Reads a request, the message's descriptor becomes 0.  1, 0 at the end, -1 if there is no whole
 * one. */
static int read_request(struct buf *request)
{
    unsigned char head[4];
    int message;
    ssize_t count = pass_receive(CONTROL, head, sizeof head, &message);
    if (count <= 0)
        return (int) count;
    if (put_message(message) < 0 ||
        read_exactly((char *) head + count, sizeof head - (size_t) count) < 0)
        return -1;
    size_t size = head[0] | (size_t) head[1] << 8 | (size_t) head[2] << 16 | (size_t) head[3] << 24;
    buf_reset(request);
    if (size == 0 || size > REQUEST_MAX || buf_reserve(request, size) < 0 ||
        read_exactly(request->data, size) < 0)
        return -1;
    request->length = size;
    return request->data[size - 1] == 0 ? 1 : -1;
}

/* -1: these are no arguments. */
static int set_arguments(struct local *local, const struct buf *request)
{
    const char *arguments[LOCAL_ARGUMENTS];
    const char *at = request->data + 2, *end = request->data + request->length;
    if (request->length < 2)
        return -1;
    for (int i = 0; i < LOCAL_ARGUMENTS; i++) {
        if (at >= end)
            return -1;
        arguments[i] = at;
        at += strlen(at) + 1;
    }
    local_set_arguments(local, arguments);
    return at == end ? 0 : -1;
}

static void job_free(struct job *job)
{
    local_release(&job->local);
    buf_free(&job->request);
    mem_free(job);
}

/* Commits what is held, and answers.  0, or -1: nobody listens. */
static int commit(struct jobs *jobs)
{
    struct maildir *maildirs[TOGETHER_MAX];
    int results[TOGETHER_MAX], failed = 0;
    if (jobs->count == 0)
        return 0;
    for (size_t i = 0; i < jobs->count; i++)
        maildirs[i] = jobs->held[i]->local.held;
    maildir_commit_all(maildirs, jobs->count, results);
    for (size_t i = 0; i < jobs->count; i++) {
        struct job *job = jobs->held[i];
        if (answer(deliver_held(&job->local, results[i]), job->request.data) < 0)
            failed = -1;
        job_free(job);
    }
    jobs->count = 0;
    return failed;
}

/* One delivery, whose message is descriptor 0: done and answered, or held.  0, or -1: this worker
 * cannot go on. */
static int serve(struct jobs *jobs, struct job *job)
{
    if (set_arguments(&job->local, &job->request) < 0)
        return -1;
    int code = local_deliver(&job->local);
    close(0);
    if (!job->local.held)
        return answer(code, job->request.data);
    jobs->held[jobs->count++] = job;
    return 0;
}

/* The next request.  1; 0 at the end; -1: this worker cannot go on. */
static int take(char *const *environment, struct jobs *jobs)
{
    struct job *job = mem_alloc(sizeof *job);
    if (!job)
        return -1;
    *job = (struct job){.local = {.environment = environment,
                                  .deliver = true,
                                  .maildirs_only = true,
                                  .may_hold = true},
                        .request = BUF_INIT(REQUEST_MAX)};
    int result = read_request(&job->request);
    if (result == 1 && serve(jobs, job) < 0)
        result = -1;
    if (jobs->count == 0 || jobs->held[jobs->count - 1] != job)
        job_free(job);
    return result;
}

static bool has_more(void)
{
    struct pollfd control = {.fd = CONTROL, .events = POLLIN};
    return poll(&control, 1, 0) > 0;
}

/* What there is at once.  1; 0 at the end; -1: this worker cannot go on. */
static int take_together(char *const *environment, struct jobs *jobs)
{
    int result = take(environment, jobs);
    while (result == 1 && jobs->count > 0 && jobs->count < TOGETHER_MAX && has_more())
        result = take(environment, jobs);
    if (commit(jobs) < 0 || chdir("/") < 0) /* nobody's directory is held while there is no work */
        return -1;
    return result;
}

int stay(char *const *environment)
{
    static const char no_tag[2] = {0, 0};
    struct jobs jobs = {.count = 0};
    int result = answer(LOCAL_READY, no_tag) == 0 ? 1 : -1;
    close(0);
    while (result == 1)
        result = take_together(environment, &jobs);
    return result < 0 ? LOCAL_SOFT : LOCAL_OK;
}

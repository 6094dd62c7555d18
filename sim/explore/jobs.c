/* SPDX-License-Identifier: ISC */
#include "sim/explore/jobs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim/world/pool.h"

/* A worker has so many tasks at most, that it need not wait for the next one. */
#define TASKS_MAX 6

/* Before each task and each answer. */
struct frame {
    uint64_t id;
    uint64_t size;
};

struct task {
    uint64_t id;
    uint8_t *bytes;
    size_t size;
};

struct worker {
    pid_t pid; /* 0: none */
    int to, from;
    struct task tasks[TASKS_MAX]; /* given and not answered, oldest first */
    size_t task_count;
    struct wire out; /* that could not be written yet */
    size_t out_done;
    struct wire in; /* of answers */
    size_t in_done; /* what was taken of it */
};

struct jobs {
    jobs_work *work;
    void *context;
    struct worker *workers;
    unsigned count;
    uint8_t *kept; /* the answer that was taken last */
};

/* --- in the worker ----------------------------------------------------------------------------*/

static bool read_all(int fd, void *to, size_t size)
{
    char *at = to;
    while (size) {
        ssize_t got = read(fd, at, size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        at += got;
        size -= (size_t) got;
    }
    return true;
}

static bool write_all(int fd, const void *from, size_t size)
{
    const char *at = from;
    while (size) {
        ssize_t put = write(fd, at, size);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return false;
        at += put;
        size -= (size_t) put;
    }
    return true;
}

/* Until there are no more tasks. */
static _Noreturn void work_off(const struct jobs *jobs, int in, int out)
{
    struct wire answer = {0};
    struct frame frame;
    while (read_all(in, &frame, sizeof frame)) {
        uint8_t *task = must_alloc(frame.size + 1);
        if (!read_all(in, task, frame.size))
            break;
        struct wire_reader reader = wire_read(task, frame.size);
        answer.size = 0;
        jobs->work(jobs->context, &reader, &answer);
        free(task);
        frame.size = answer.size;
        if (!write_all(out, &frame, sizeof frame) || !write_all(out, answer.bytes, answer.size))
            break;
    }
    _exit(0);
}

/* --- starting and ending ----------------------------------------------------------------------*/

static void close_both(const int fds[2])
{
    close(fds[0]);
    close(fds[1]);
}

static void close_others(const struct jobs *jobs)
{
    for (unsigned i = 0; i < jobs->count; i++) {
        if (jobs->workers[i].pid == 0)
            continue;
        close(jobs->workers[i].to);
        close(jobs->workers[i].from);
    }
}

static int start_worker(struct jobs *jobs, struct worker *worker)
{
    int to[2], from[2];
    if (pipe2(to, O_CLOEXEC) < 0)
        return -1;
    if (pipe2(from, O_CLOEXEC) < 0) {
        close_both(to);
        return -1;
    }
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0) {
        close_both(to);
        close_both(from);
        return -1;
    }
    if (pid == 0) {
        close(to[1]);
        close(from[0]);
        close_others(jobs);
        signal(SIGINT, SIG_IGN); /* the caller ends it */
        signal(SIGTERM, SIG_DFL);
        work_off(jobs, to[0], from[1]);
    }
    close(to[0]);
    close(from[1]);
    worker->pid = pid;
    worker->to = to[1];
    worker->from = from[0];
    fcntl(worker->to, F_SETFL, O_NONBLOCK);
    fcntl(worker->from, F_SETFL, O_NONBLOCK);
    worker->out.size = worker->out_done = worker->in.size = worker->in_done = 0;
    return 0;
}

/* Its wait status. */
static int end_worker(struct worker *worker, bool kill_it)
{
    int status = 0;
    close(worker->to);
    close(worker->from);
    if (kill_it)
        kill(worker->pid, SIGKILL);
    while (waitpid(worker->pid, &status, 0) < 0 && errno == EINTR)
        ;
    worker->pid = 0;
    return status;
}

struct jobs *jobs_start(unsigned count, jobs_work *work, void *context)
{
    struct jobs *jobs = must_zeroed(sizeof *jobs);
    jobs->work = work;
    jobs->context = context;
    jobs->workers = must_zeroed(count * sizeof *jobs->workers);
    jobs->count = count;
    signal(SIGPIPE, SIG_IGN); /* of a worker that died */
    for (unsigned i = 0; i < count; i++) {
        if (start_worker(jobs, &jobs->workers[i]) < 0) {
            int error = errno;
            jobs_end(jobs);
            errno = error;
            return NULL;
        }
    }
    return jobs;
}

void jobs_end(struct jobs *jobs)
{
    for (unsigned i = 0; i < jobs->count; i++) {
        struct worker *worker = &jobs->workers[i];
        if (worker->pid)
            end_worker(worker, true);
        for (size_t k = 0; k < worker->task_count; k++)
            free(worker->tasks[k].bytes);
        wire_free(&worker->out);
        wire_free(&worker->in);
    }
    free(jobs->kept);
    free(jobs->workers);
    free(jobs);
}

/* --- giving -----------------------------------------------------------------------------------*/

static void write_out(struct worker *worker)
{
    while (worker->out_done < worker->out.size) {
        ssize_t put = write(worker->to, worker->out.bytes + worker->out_done,
                            worker->out.size - worker->out_done);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return; /* later; and if it died, the end of its answers tells */
        worker->out_done += (size_t) put;
    }
    worker->out.size = worker->out_done = 0;
}

static void send_task(struct worker *worker, const struct task *task)
{
    struct frame frame = {task->id, task->size};
    wire_put_bytes(&worker->out, &frame, sizeof frame);
    wire_put_bytes(&worker->out, task->bytes, task->size);
    write_out(worker);
}

static struct worker *least_busy(const struct jobs *jobs)
{
    struct worker *found = &jobs->workers[0];
    for (unsigned i = 1; i < jobs->count; i++)
        if (jobs->workers[i].task_count < found->task_count)
            found = &jobs->workers[i];
    return found;
}

bool jobs_has_room(const struct jobs *jobs)
{
    return least_busy(jobs)->task_count < TASKS_MAX;
}

size_t jobs_outstanding(const struct jobs *jobs)
{
    size_t count = 0;
    for (unsigned i = 0; i < jobs->count; i++)
        count += jobs->workers[i].task_count;
    return count;
}

void jobs_give(struct jobs *jobs, uint64_t id, const void *task, size_t size)
{
    struct worker *worker = least_busy(jobs);
    struct task *own = &worker->tasks[worker->task_count++];
    *own = (struct task){id, (uint8_t *) must_copy(task, size), size};
    send_task(worker, own);
}

/* --- taking -----------------------------------------------------------------------------------*/

static void drop_first_task(struct worker *worker)
{
    free(worker->tasks[0].bytes);
    worker->task_count--;
    memmove(worker->tasks, worker->tasks + 1, worker->task_count * sizeof *worker->tasks);
}

/* The worker's next answer, if all of it is here. */
static bool take_from(struct jobs *jobs, struct worker *worker, struct jobs_answer *answer)
{
    struct frame frame;
    size_t here = worker->in.size - worker->in_done;
    if (here < sizeof frame)
        return false;
    memcpy(&frame, worker->in.bytes + worker->in_done, sizeof frame);
    if (here - sizeof frame < frame.size)
        return false;
    free(jobs->kept);
    jobs->kept =
        (uint8_t *) must_copy(worker->in.bytes + worker->in_done + sizeof frame, frame.size);
    worker->in_done += sizeof frame + frame.size;
    if (worker->in_done == worker->in.size)
        worker->in.size = worker->in_done = 0;
    *answer = (struct jobs_answer){frame.id, jobs->kept, frame.size, 0};
    drop_first_task(worker);
    return true;
}

/* True at the end of its answers. */
static bool read_in(struct worker *worker)
{
    uint8_t bytes[65536];
    worker->in.size -= worker->in_done;
    if (worker->in.size)
        memmove(worker->in.bytes, worker->in.bytes + worker->in_done, worker->in.size);
    worker->in_done = 0;
    for (;;) {
        ssize_t got = read(worker->from, bytes, sizeof bytes);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return errno != EAGAIN;
        if (got == 0)
            return true;
        wire_put_bytes(&worker->in, bytes, (size_t) got);
        if ((size_t) got < sizeof bytes)
            return false;
    }
}

/* It died in its first task; another does the rest of them.  Returns as jobs_take. */
static int bury(struct jobs *jobs, struct worker *worker, struct jobs_answer *answer)
{
    int status = end_worker(worker, false);
    bool told = worker->task_count > 0;
    if (told) {
        *answer = (struct jobs_answer){.id = worker->tasks[0].id, .died = status ? status : -1};
        drop_first_task(worker);
    }
    if (start_worker(jobs, worker) < 0)
        return -1;
    for (size_t i = 0; i < worker->task_count; i++)
        send_task(worker, &worker->tasks[i]);
    return told;
}

/* Waits until some worker has something to read or room to write. */
static bool wait_for_some(struct jobs *jobs, int wait_ms, struct pollfd *fds)
{
    for (unsigned i = 0; i < jobs->count; i++) {
        const struct worker *worker = &jobs->workers[i];
        fds[2 * i] = (struct pollfd){.fd = worker->from, .events = POLLIN};
        fds[2 * i + 1] =
            (struct pollfd){.fd = worker->out.size ? worker->to : -1, .events = POLLOUT};
    }
    return poll(fds, 2 * jobs->count, wait_ms) > 0;
}

int jobs_take(struct jobs *jobs, int wait_ms, struct jobs_answer *answer)
{
    for (unsigned i = 0; i < jobs->count; i++)
        if (take_from(jobs, &jobs->workers[i], answer))
            return 1;
    struct pollfd *fds = must_alloc(2 * jobs->count * sizeof *fds);
    int result = 0;
    if (wait_for_some(jobs, wait_ms, fds)) {
        for (unsigned i = 0; i < jobs->count && result == 0; i++) {
            struct worker *worker = &jobs->workers[i];
            bool ended = false;
            if (fds[2 * i + 1].revents)
                write_out(worker);
            if (fds[2 * i].revents)
                ended = read_in(worker);
            result = take_from(jobs, worker, answer);
            if (result == 0 && ended)
                result = bury(jobs, worker, answer);
        }
    }
    free(fds);
    return result;
}

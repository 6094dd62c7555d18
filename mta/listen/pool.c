/* SPDX-License-Identifier: ISC */
#include "mta/listen/listen.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mta/lib/child.h"
#include "mta/lib/io.h"

#define SERVED_MAX 500      /* connections of one worker */
#define IDLE_MAX_MS 2000    /* an idle worker that is not the last one goes after so long */
#define START_PAUSE_MS 1000 /* after starting one failed, or one died young */
#define DIED_YOUNG_MS 1000
#define IPV6_NETWORK_BYTES 8

/* --- starting and ending one --- */

static int start_child(const struct pool *pool, int control, pid_t *pid)
{
    char stay[] = "--stay";
    char *argv[] = {(char *) pool->program, stay, NULL};
    struct child child = {.path = pool->program,
                          .argv = argv,
                          .environment = pool->environment,
                          .fds = {control, 2, 2},
                          .fd_count = 3};
    *pid = child_start(&child);
    return *pid < 0 ? -1 : 0;
}

static struct worker *start_worker(struct pool *pool, int64_t now_ms)
{
    int ends[2];
    pid_t pid;
    if (pool->count == WORKERS_MAX || now_ms < pool->start_after_ms) {
        errno = EAGAIN;
        return NULL;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return NULL;
    int result = start_child(pool, ends[1], &pid);
    int saved = errno;
    close(ends[1]);
    if (result < 0) {
        close(ends[0]);
        pool->start_after_ms = now_ms + START_PAUSE_MS;
        errno = saved;
        return NULL;
    }
    struct worker *worker = &pool->workers[pool->count++];
    *worker = (struct worker){.pid = pid, .control = ends[0], .since_ms = now_ms};
    return worker;
}

static void set_busy(struct pool *pool, struct worker *worker, bool busy)
{
    if (worker->busy != busy)
        pool->busy += busy ? 1 : (size_t) -1;
    worker->busy = busy;
}

/* It ends when it finds its socket closed. */
static void retire(struct pool *pool, struct worker *worker)
{
    io_close(&worker->control);
    set_busy(pool, worker, false);
}

/* --- giving them work --- */

/* One byte and the descriptor. */
static int send_connection(const struct worker *worker, int fd)
{
    char byte = 'c';
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } space;
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = space.bytes,
                             .msg_controllen = sizeof space.bytes};
    memset(&space, 0, sizeof space);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
    return sendmsg(worker->control, &message, MSG_NOSIGNAL | MSG_DONTWAIT) == 1 ? 0 : -1;
}

/* The worker that became idle last, so that others grow old; NULL if there is none. */
static struct worker *find_idle(struct pool *pool)
{
    struct worker *found = NULL;
    for (size_t i = 0; i < pool->count; i++) {
        struct worker *worker = &pool->workers[i];
        if (worker->control >= 0 && !worker->busy && (!found || worker->since_ms > found->since_ms))
            found = worker;
    }
    return found;
}

int pool_give(struct pool *pool, int fd, const unsigned char client[16], int64_t now_ms)
{
    for (;;) {
        struct worker *worker = find_idle(pool);
        bool fresh = worker == NULL;
        if (fresh)
            worker = start_worker(pool, now_ms);
        if (!worker)
            return -1;
        if (send_connection(worker, fd) == 0) {
            memcpy(worker->client, client, sizeof worker->client);
            set_busy(pool, worker, true);
            return 0;
        }
        int saved = errno;
        retire(pool, worker); /* it has died, or cannot take a descriptor now */
        errno = saved;
        if (fresh)
            return -1;
    }
}

size_t pool_count_client(const struct pool *pool, const unsigned char client[16])
{
    static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    size_t compared = memcmp(client, mapped, sizeof mapped) == 0 ? 16 : IPV6_NETWORK_BYTES;
    size_t count = 0;
    for (size_t i = 0; i < pool->count; i++)
        count += pool->workers[i].busy && memcmp(pool->workers[i].client, client, compared) == 0;
    return count;
}

void pool_hear(struct pool *pool, size_t index, int64_t now_ms)
{
    struct worker *worker = &pool->workers[index];
    char byte;
    ssize_t count = recv(worker->control, &byte, 1, MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (count != 1 || ++worker->served >= SERVED_MAX) {
        retire(pool, worker);
        return;
    }
    set_busy(pool, worker, false);
    worker->since_ms = now_ms;
}

/* --- ends --- */

static void tell_end(pid_t pid, int status)
{
    char text[96];
    bool killed = WIFSIGNALED(status);
    snprintf(text, sizeof text, "smtpd %ld ended: %s %d", (long) pid, killed ? "signal" : "exit",
             killed ? WTERMSIG(status) : WEXITSTATUS(status));
    tell("alert: ", text);
}

static void note_end(struct pool *pool, size_t index, int status, int64_t now_ms)
{
    struct worker *worker = &pool->workers[index];
    bool well = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (!well)
        tell_end(worker->pid, status);
    if (!well && worker->served == 0 && now_ms - worker->since_ms < DIED_YOUNG_MS)
        pool->start_after_ms = now_ms + START_PAUSE_MS;
    retire(pool, worker);
    *worker = pool->workers[--pool->count];
}

void pool_reap(struct pool *pool, int64_t now_ms)
{
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid <= 0)
            return;
        for (size_t i = 0; i < pool->count; i++)
            if (pool->workers[i].pid == pid) {
                note_end(pool, i, status, now_ms);
                break;
            }
    }
}

int64_t pool_shrink(struct pool *pool, int64_t now_ms)
{
    const struct worker *keep = find_idle(pool);
    int64_t next_ms = INT64_MAX;
    for (size_t i = 0; i < pool->count; i++) {
        struct worker *worker = &pool->workers[i];
        if (worker->control < 0 || worker->busy || worker == keep)
            continue;
        if (now_ms - worker->since_ms >= IDLE_MAX_MS)
            retire(pool, worker);
        else if (worker->since_ms + IDLE_MAX_MS < next_ms)
            next_ms = worker->since_ms + IDLE_MAX_MS;
    }
    return next_ms;
}

void pool_end(struct pool *pool)
{
    for (size_t i = 0; i < pool->count; i++)
        retire(pool, &pool->workers[i]);
}

void pool_signal(const struct pool *pool, int number)
{
    for (size_t i = 0; i < pool->count; i++)
        kill(pool->workers[i].pid, number);
}

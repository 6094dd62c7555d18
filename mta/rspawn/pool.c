/* SPDX-License-Identifier: ISC */
/* The workers, and which of them gets a group. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "mta/lib/io.h"
#include "mta/lib/num.h"
#include "mta/rspawn/rspawn.h"

static const char out_of_memory[] = "ZOut of memory in nixie-rspawn. (#4.3.0)\n";

/* --- what a group needs -------------------------------------------------------------------- */

/* queue/mess/N, read-only.  NULL or a report. */
static const char *open_message(const struct pool *pool, const struct buf *number, int *fd)
{
    char path[64] = "queue/mess/";
    uint64_t value;
    struct stat st;
    if (num_parse(number->data, number->length, &value) < 0)
        return "DInternal error: messid has nonnumerics. (#5.3.5)\n";
    num_format(path + strlen(path), value);
    *fd = open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
    if (*fd < 0)
        return "Znixie-rspawn unable to open message. (#4.3.0)\n";
    if (fstat(*fd, &st) < 0)
        return "Znixie-rspawn unable to fstat message. (#4.3.0)\n";
    if (!S_ISREG(st.st_mode))
        return "ZSorry, message has wrong type. (#4.3.5)\n";
    if (st.st_uid != pool->message_owner)
        return "ZSorry, message has wrong owner. (#4.3.5)\n";
    return NULL;
}

/* Whether all recipients are at one host.  NULL or a report. */
static const char *check_hosts(const struct request *request)
{
    const char *at = request->recipients.data, *end = at + request->recipients.length;
    const char *first = NULL;
    for (; at < end; at += strlen(at) + 1) {
        const char *host = strrchr(at, '@');
        if (!host)
            return "DSorry, address must include host name. (#5.1.3)\n";
        if (first && strcasecmp(first, host) != 0)
            return "ZInternal error: recipients of several hosts. (#4.3.5)\n";
        first = host;
    }
    return NULL;
}

/* Reads control/smtproutes again if it has changed. */
static void refresh_routes(struct pool *pool)
{
    struct stat now;
    if (stat("control/smtproutes", &now) < 0)
        memset(&now, 0, sizeof now);
    struct stat *seen = &pool->routes_seen;
    bool same = now.st_nlink == seen->st_nlink && now.st_ino == seen->st_ino &&
                now.st_size == seen->st_size && now.st_mtim.tv_sec == seen->st_mtim.tv_sec &&
                now.st_mtim.tv_nsec == seen->st_mtim.tv_nsec;
    if (pool->routes_known && same)
        return;
    *seen = now;
    smtp_routes_free(&pool->routes);
    pool->routes_known = smtp_routes_load(&pool->routes) == 0; /* if not, the worker will tell */
}

static int find_key(struct pool *pool, const struct request *request, struct buf *key)
{
    const char *host = strrchr(request->recipients.data, '@') + 1;
    refresh_routes(pool);
    return smtp_routes_key(&pool->routes, host, strlen(host), key);
}

/* --- which worker -------------------------------------------------------------------------- */

/* Idle, with a connection for `key`; else without any connection. */
static struct worker *find_idle(struct pool *pool, const struct buf *key)
{
    struct worker *plain = NULL;
    for (unsigned i = 0; i < pool->count; i++) {
        struct worker *worker = &pool->workers[i];
        if (worker->state != WORKER_IDLE)
            continue;
        if (worker->holds && buf_equals(&worker->key, key->data))
            return worker;
        if (!worker->holds && !plain)
            plain = worker;
    }
    return plain;
}

/* The one that holds a connection for the longest time. */
static struct worker *find_longest_idle(struct pool *pool)
{
    struct worker *found = NULL;
    for (unsigned i = 0; i < pool->count; i++) {
        struct worker *worker = &pool->workers[i];
        if (worker->state == WORKER_IDLE && (!found || worker->idle_since < found->idle_since))
            found = worker;
    }
    return found;
}

/* A worker for `key`.  NULL with errno; EBUSY: all are busy. */
static struct worker *find_worker(struct pool *pool, const struct buf *key)
{
    struct worker *found = find_idle(pool, key);
    int error = EBUSY;
    for (unsigned i = 0; i < pool->count && !found && error == EBUSY; i++) {
        struct worker *worker = &pool->workers[i];
        if (worker->state != WORKER_NONE)
            continue;
        if (worker_start(worker, pool->program, pool->environment) == 0)
            found = worker;
        else
            error = errno == EBUSY ? EAGAIN : errno;
    }
    if (!found)
        found = find_longest_idle(pool);
    if (!found)
        errno = error;
    return found;
}

/* NULL if it is given or must wait (*wait), or a report. */
static const char *give(struct pool *pool, struct request *request, struct buf *key, bool *wait)
{
    int message = -1;
    if (request->broken)
        return "ZInternal error: request too long, or out of memory. (#4.3.5)\n";
    const char *report = check_hosts(request);
    if (report)
        return report;
    if (find_key(pool, request, key) < 0)
        return out_of_memory;
    struct worker *worker = find_worker(pool, key);
    if (!worker) {
        *wait = errno == EBUSY;
        return *wait ? NULL : "ZUnable to run nixie-remote. (#4.3.0)\n";
    }
    report = open_message(pool, &request->number, &message);
    if (!report && worker_give(worker, request, message, key) < 0)
        report = out_of_memory;
    if (report)
        io_close(&message);
    return report;
}

int pool_give(struct pool *pool, struct request *request)
{
    struct buf key = BUF_INIT(0);
    bool wait = false;
    const char *report = give(pool, request, &key, &wait);
    buf_free(&key);
    if (wait)
        return 0;
    request->group.failure = report;
    return 1;
}

int64_t pool_trim(struct pool *pool, int64_t now)
{
    int64_t next = INT64_MAX;
    for (unsigned i = 0; i < pool->count; i++) {
        struct worker *worker = &pool->workers[i];
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

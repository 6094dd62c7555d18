/* SPDX-License-Identifier: ISC */
/*
 * nixie-rspawn
 *
 * Runs remote deliveries for nixie-send, many at once.  Reads requests from descriptor 0 and writes
 * reports to descriptor 1 (docs/architecture.md, "Processes"); first it tells how many groups it
 * takes at once.  Each goes to a worker, nixie-remote --stay; one that holds a connection to the
 * same place gets it before others.
 *
 * TERM: takes no more requests, finishes what runs.  The end of descriptor 0 while something runs
 * means that send is gone: what can be given up, since the remote server cannot have it yet, is.
 *
 * Exit status: 0; 111 if it cannot start or cannot go on.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mta/lib/clock.h"
#include "mta/lib/control.h"
#include "mta/lib/environment.h"
#include "mta/lib/error.h"
#include "mta/lib/home.h"
#include "mta/lib/io.h"
#include "mta/lib/mem.h"
#include "mta/rspawn/rspawn.h"

#define CONCURRENCY_DEFAULT 20
#define FDS_BEFORE 3 /* signals, requests, reports */

struct rspawn {
    struct buf home, program, variable;
    char **environment;
    int signals;
    struct request request;
    bool pending;       /* the request is whole and waits for a worker, or for reports */
    bool slots_missing; /* there was no memory for the next request's */
    char input[4096];   /* read and not taken: input_at to input_size */
    size_t input_at, input_size;
    bool reading; /* more requests are wanted */
    struct reports reports;
    struct pool pool;
    struct pollfd *polls; /* FDS_BEFORE + pool.count */
};

static int die(const char *what, int error)
{
    const char *parts[] = {"nixie-rspawn: ", what, error ? ": " : "",
                           error ? error_text(error) : "", "\n"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (io_write(2, parts[i], strlen(parts[i])) < 0)
            break;
    return 111;
}

/* --- requests ------------------------------------------------------------------------------ */

/* Send is gone, whether we saw it by reading or by writing. */
static void send_is_gone(struct rspawn *rspawn)
{
    rspawn->reading = rspawn->pending = rspawn->reports.listening = false;
    for (unsigned i = 0; i < rspawn->pool.count; i++)
        worker_hurry(&rspawn->pool.workers[i]);
}

/* Goes on with a request that is whole. */
static void go_on(struct rspawn *rspawn)
{
    struct request *request = &rspawn->request;
    if (rspawn->pending && !request->group.failure && pool_give(&rspawn->pool, request) == 0)
        return;
    if (rspawn->pending && request->group.failure && !group_fail(&request->group, &rspawn->reports))
        return;
    rspawn->pending = false;
    rspawn->slots_missing = request_reset(request) < 0;
}

/* Takes what was read, up to a request that must wait.  0, or -1: this is not send. */
static int take_input(struct rspawn *rspawn)
{
    while (rspawn->input_at < rspawn->input_size && !rspawn->pending && !rspawn->slots_missing) {
        int result = request_add(&rspawn->request, rspawn->input[rspawn->input_at++]);
        if (result < 0)
            return -1;
        rspawn->pending = result == 1;
        if (rspawn->pending)
            go_on(rspawn);
    }
    return 0;
}

static void read_input(struct rspawn *rspawn)
{
    ssize_t count = io_read(0, rspawn->input, sizeof rspawn->input);
    if (count < 0 && errno == EAGAIN)
        return;
    rspawn->input_at = 0;
    rspawn->input_size = count > 0 ? (size_t) count : 0;
    if (count <= 0)
        send_is_gone(rspawn);
}

/* --- the loop ------------------------------------------------------------------------------ */

static void take_signals(struct rspawn *rspawn)
{
    struct signalfd_siginfo info;
    int status;
    while (io_read(rspawn->signals, &info, sizeof info) == (ssize_t) sizeof info)
        if (info.ssi_signo != SIGCHLD)
            rspawn->reading = false;
    while (waitpid(-1, &status, WNOHANG) > 0)
        ; /* that a worker is gone is seen at its socket */
}

static bool is_busy(const struct rspawn *rspawn)
{
    for (unsigned i = 0; i < rspawn->pool.count; i++)
        if (rspawn->pool.workers[i].state > WORKER_IDLE)
            return true;
    return rspawn->pending || rspawn->reports.out.length;
}

static void fill_polls(struct rspawn *rspawn)
{
    bool reads = rspawn->reading && !rspawn->pending && !rspawn->slots_missing;
    bool listening = rspawn->reports.listening;
    struct pollfd *polls = rspawn->polls;
    polls[0] = (struct pollfd){.fd = rspawn->signals, .events = POLLIN};
    polls[1] = (struct pollfd){.fd = reads ? 0 : -1, .events = POLLIN};
    polls[2] = (struct pollfd){.fd = listening ? 1 : -1,
                               .events = rspawn->reports.out.length ? POLLOUT : 0};
    for (unsigned i = 0; i < rspawn->pool.count; i++) {
        const struct worker *worker = &rspawn->pool.workers[i];
        short events = worker_events(worker);
        polls[FDS_BEFORE + i] = (struct pollfd){.fd = events ? worker->fd : -1, .events = events};
    }
}

/* What was found.  0, or -1: cannot go on. */
static int hear(struct rspawn *rspawn, int64_t now)
{
    if (rspawn->polls[0].revents)
        take_signals(rspawn);
    if (rspawn->polls[2].revents & (POLLERR | POLLHUP | POLLNVAL))
        send_is_gone(rspawn);
    if (rspawn->polls[1].revents && rspawn->reading)
        read_input(rspawn);
    for (unsigned i = 0; i < rspawn->pool.count; i++)
        if (rspawn->polls[FDS_BEFORE + i].revents)
            worker_work(&rspawn->pool.workers[i], &rspawn->reports,
                        rspawn->polls[FDS_BEFORE + i].revents, now);
    return 0;
}

/* What can be done now.  0, or -1: this is not send. */
static int work(struct rspawn *rspawn, int64_t now)
{
    reports_flush(&rspawn->reports);
    for (unsigned i = 0; i < rspawn->pool.count; i++)
        worker_report(&rspawn->pool.workers[i], &rspawn->reports, now);
    if (rspawn->pending || rspawn->slots_missing)
        go_on(rspawn);
    int result = take_input(rspawn);
    reports_flush(&rspawn->reports);
    /* What could not be told is not told later: send learns by our end that it does not know. */
    if (!rspawn->reports.listening && rspawn->reading)
        send_is_gone(rspawn);
    return result;
}

static int poll_timeout(const struct rspawn *rspawn, int64_t next, int64_t now)
{
    if (rspawn->slots_missing && now + 1000 < next)
        next = now + 1000;
    if (next == INT64_MAX)
        return -1;
    return next <= now ? 0 : next - now < INT_MAX ? (int) (next - now) : INT_MAX;
}

static int loop(struct rspawn *rspawn)
{
    while (rspawn->reading || is_busy(rspawn)) {
        int64_t now = clock_monotonic_ms();
        int64_t next = pool_trim(&rspawn->pool, now);
        fill_polls(rspawn);
        if (poll(rspawn->polls, FDS_BEFORE + rspawn->pool.count, poll_timeout(rspawn, next, now)) <
            0) {
            if (errno == EINTR || errno == ENOMEM)
                continue;
            return die("unable to poll", errno);
        }
        now = clock_monotonic_ms();
        if (hear(rspawn, now) < 0 || work(rspawn, now) < 0)
            return die("nixie-send speaks another language", 0);
    }
    return 0;
}

/* --- start --------------------------------------------------------------------------------- */

static int prepare_signals(struct rspawn *rspawn)
{
    struct sigaction ignore;
    sigset_t taken;
    memset(&ignore, 0, sizeof ignore);
    ignore.sa_handler = SIG_IGN;
    sigemptyset(&taken);
    sigaddset(&taken, SIGCHLD);
    sigaddset(&taken, SIGTERM);
    if (sigaction(SIGPIPE, &ignore, NULL) < 0 || sigprocmask(SIG_BLOCK, &taken, NULL) < 0)
        return -1;
    rspawn->signals = signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK);
    return rspawn->signals < 0 ? -1 : 0;
}

static int prepare_pool(struct rspawn *rspawn, uint64_t concurrency)
{
    struct pool *pool = &rspawn->pool;
    struct stat st;
    pool->count = concurrency < WORKERS_MAX ? (unsigned) concurrency : WORKERS_MAX;
    pool->workers = mem_alloc(pool->count * sizeof *pool->workers);
    rspawn->polls = mem_alloc((FDS_BEFORE + pool->count) * sizeof *rspawn->polls);
    if (pool->workers) /* in order before anything fails: end() looks at them */
        memset(pool->workers, 0, pool->count * sizeof *pool->workers);
    for (unsigned i = 0; pool->workers && i < pool->count; i++)
        pool->workers[i].fd = pool->workers[i].message = -1;
    if (!pool->workers || !rspawn->polls)
        return -1;
    pool->program = rspawn->program.data;
    pool->environment = rspawn->environment;
    /* the owner of queue/mess is the one that queue writes messages as */
    if (stat("queue/mess", &st) < 0)
        return -1;
    pool->message_owner = st.st_uid;
    return 0;
}

static int start(struct rspawn *rspawn, char *const *environment)
{
    uint64_t concurrency;
    if (home_enter(environment, &rspawn->home) < 0 || !buf_text(&rspawn->home))
        return die("unable to enter the home directory", errno);
    if (control_number("concurrencyremote", CONCURRENCY_DEFAULT, 65535, &concurrency) < 0)
        return die("unable to read control/concurrencyremote", errno);
    if (home_program(&rspawn->home, "nixie-remote", &rspawn->program) < 0 ||
        !buf_text(&rspawn->program) ||
        environment_with(environment, "NIXIE_HOME", rspawn->home.data, &rspawn->variable,
                         &rspawn->environment) < 0 ||
        request_init(&rspawn->request) < 0 || reports_init(&rspawn->reports) < 0 ||
        prepare_pool(rspawn, concurrency) < 0)
        return die("unable to start", errno);
    if (prepare_signals(rspawn) < 0 || io_set_nonblocking(0) < 0)
        return die("unable to set up signals", errno);
    char limit[2] = {(char) (rspawn->pool.count & 255), (char) (rspawn->pool.count >> 8)};
    if (io_write(1, limit, 2) < 0 || io_set_nonblocking(1) < 0)
        return die("unable to write", errno);
    return 0;
}

static void end(struct rspawn *rspawn)
{
    for (unsigned i = 0; rspawn->pool.workers && i < rspawn->pool.count; i++)
        worker_end(&rspawn->pool.workers[i]);
    smtp_routes_free(&rspawn->pool.routes);
    mem_free(rspawn->pool.workers);
    mem_free(rspawn->polls);
    mem_free(rspawn->environment);
    request_free(&rspawn->request);
    buf_free(&rspawn->reports.out);
    buf_free(&rspawn->variable);
    buf_free(&rspawn->program);
    buf_free(&rspawn->home);
    io_close(&rspawn->signals);
}

int main(int argc, char **argv, char **environment)
{
    struct rspawn rspawn;
    (void) argc;
    (void) argv;
    memset(&rspawn, 0, sizeof rspawn);
    rspawn.signals = -1;
    rspawn.reading = true;
    int status = start(&rspawn, environment);
    if (status == 0)
        status = loop(&rspawn);
    end(&rspawn);
    return status;
}

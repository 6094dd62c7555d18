/* SPDX-License-Identifier: ISC */
/*
 * nixie-send: the scheduler.  Descriptors: 0 log lines out; 1 and 2 lspawn; 3 and 4 rspawn; 5 and
 * 6 clean; 7, if open, ends when nixie-start is gone, which counts as TERM; 8, if it is a listening
 * socket, is where the admin asks for things (admin.h).
 *
 * TERM: starts nothing more, waits for running deliveries, exits 0.  ALRM: everything is due now,
 * and todo is looked into. HUP: reads locals and virtualdomains again.  Exit status: 0 after TERM;
 * 111 after an alert line.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mta/lib/home.h"
#include "mta/lib/io.h"
#include "mta/lib/lock.h"
#include "mta/lib/mem.h"
#include "mta/send/send.h"

#define WAIT_MAX 86400 /* s */

int send_flush(int fd, struct buf *out)
{
    while (out->length) {
        ssize_t count = write(fd, out->data, out->length);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return errno == EAGAIN ? 0 : -1;
        buf_drop(out, (size_t) count);
    }
    return 0;
}

void send_dirty(struct send *send)
{
    if (!send->dirty)
        send->dirty_since = send->time.now;
    send->dirty = true;
}

/* --- signals ------------------------------------------------------------------------------- */

static int take_over_signals(struct send *send)
{
    static const int taken[] = {SIGTERM, SIGINT, SIGALRM, SIGHUP};
    struct sigaction ignore;
    sigset_t set;
    memset(&ignore, 0, sizeof ignore);
    ignore.sa_handler = SIG_IGN;
    if (sigaction(SIGPIPE, &ignore, NULL) < 0)
        return -1;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        sigaddset(&set, taken[i]);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return -1;
    send->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    return send->signals;
}

static void exit_soon(struct send *send)
{
    if (send->exit_asap)
        return;
    send->exit_asap = true;
    channel_log_status(send);
    direct_exit(send);
}

/* Takes what signals there are; -1 after HUP if there is no way back to the queue. */
static int take_signals(struct send *send)
{
    struct signalfd_siginfo info;
    while (io_read(send->signals, &info, sizeof info) == (ssize_t) sizeof info) {
        switch (info.ssi_signo) {
        case SIGHUP:
            if (controls_reread(send) < 0)
                return -1;
            todo_unstick_all(send);
            break;
        case SIGALRM:
            for (int i = 0; i < CHANNEL_COUNT; i++)
                messages_hurry(&send->messages, (enum due_kind) i, send->time.now);
            send->todo.wanted = true;
            todo_unstick_all(send);
            break;
        default:
            exit_soon(send);
        }
    }
    return 0;
}

int send_pause(struct send *send, int64_t seconds)
{
    struct pollfd fd = {.fd = send->signals, .events = POLLIN};
    steady_refresh(&send->time);
    int64_t until = send->time.now_ms + seconds * 1000;
    while (!send->exit_asap && send->time.now_ms < until) {
        if (poll(&fd, 1, (int) (until - send->time.now_ms)) > 0) {
            struct signalfd_siginfo info;
            while (io_read(send->signals, &info, sizeof info) == (ssize_t) sizeof info)
                if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
                    send->exit_asap = true;
        }
        steady_refresh(&send->time);
    }
    return send->exit_asap ? -1 : 0;
}

static int lost_clean(struct send *send)
{
    send->clean_is_gone = true;
    logline(&send->log, "alert: oh no! lost nixie-clean connection! dying...");
    return -1;
}

int send_wait_cleaner(struct send *send)
{
    for (;;) {
        struct pollfd fds[2] = {{.fd = FD_CLEAN_IN, .events = POLLIN},
                                {.fd = FD_CLEAN_OUT, .events = POLLOUT}};
        if (cleaner_flush(&send->cleaner) < 0)
            break;
        if (!cleaner_busy(&send->cleaner))
            return 0;
        if (!send->cleaner.asked.count) { /* no memory for the question */
            if (send_pause(send, PAUSE_TROUBLE) < 0)
                return -1;
            continue;
        }
        if (poll(fds, send->cleaner.out.length ? 2 : 1, -1) > 0 && fds[0].revents &&
            cleaner_answers(send) < 0)
            break;
    }
    return lost_clean(send);
}

/* --- start-up ------------------------------------------------------------------------------ */

static int cannot_start(struct send *send, const char *why)
{
    logline(&send->log, "alert: cannot start: %s", why);
    return -1;
}

static int set_descriptors(struct send *send)
{
    send->has_life = io_set_cloexec(FD_LIFE) == 0;
    for (int fd = 0; fd <= FD_CLEAN_IN; fd++)
        if (io_set_cloexec(fd) < 0)
            return -1;
    return io_set_nonblocking(FD_CLEAN_OUT) < 0 ? -1 : io_set_nonblocking(FD_CLEAN_IN);
}

static int start_up(struct send *send, char *const *environment)
{
    send->environment = environment;
    umask(077);
    if (logline_init(&send->log) < 0 || set_descriptors(send) < 0 || take_over_signals(send) < 0)
        return cannot_start(send, "unable to set up descriptors and signals");
    if (home_enter(environment, &send->home) < 0)
        return cannot_start(send, "unable to switch to home directory");
    if (controls_read(send) < 0)
        return -1;
    for (int i = 0; i < CHANNEL_COUNT; i++)
        if (channel_start(send, (enum due_kind) i) < 0)
            return cannot_start(send, errno == EPIPE    ? "hath the daemon spawn no fire?"
                                      : errno == ENOMEM ? "out of memory"
                                                        : "unable to read controls: "
                                                          "concurrencylocal, concurrencyremote");
    if (chdir("queue") < 0)
        return cannot_start(send, "unable to switch to queue directory");
    send->mutex = lock_file("lock/sendmutex", 0600, false);
    if (send->mutex < 0)
        return cannot_start(send, errno == EWOULDBLOCK ? "nixie-send is already running"
                                                       : "unable to open mutex");
    if (todo_open_trigger(send) < 0)
        return cannot_start(send, "unable to open lock/trigger");
    steady_start(&send->time);
    admin_open(&send->admin);
    send->todo.wanted = true;
    send->cleanup.next_look = send->time.now + PAUSE_CLEANUP; /* recover looks at all */
    return 0;
}

/* --- the loop ------------------------------------------------------------------------------ */

/* True if the delivery is one that the end need not wait for: its result could not be written, so
 * the next run tries again. */
static bool is_given_up(const struct delivery *delivery)
{
    bool has_result = delivery->state == DELIVERY_FAILED || delivery->state == DELIVERY_MARK;
    return has_result && (delivery->warned || delivery->job->message->state < MESSAGE_QUEUED);
}

/* Results that could not be saved are forgotten when we end, and two copies come of that: what has
 * failed is tried once more.  True if there is something to wait for. */
static bool tries_last_time(struct send *send)
{
    if (send->chores_until)
        return false;
    send->chores_until = send->time.now + EXIT_CHORES_MAX;
    direct_exit(send);
    return cleaner_busy(&send->cleaner);
}

/* Exit: nothing runs any more, and what was done is durable. */
static bool may_exit(struct send *send)
{
    if (cleaner_busy(&send->cleaner))
        return false;
    for (int i = 0; i < CHANNEL_COUNT; i++)
        for (unsigned k = 0; k < send->channels[i].slot_count; k++) {
            const struct delivery *delivery = &send->channels[i].slots[k];
            if (delivery->state != DELIVERY_FREE && !is_given_up(delivery))
                return false;
        }
    if (chores_due(send) || tries_last_time(send))
        return false;
    if (!send->dirty || send->last_sync_asked)
        return true;
    send->last_sync_asked = true;
    send->dirty = false;
    return cleaner_sync(&send->cleaner, 0, NULL) < 0;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* When there will be something to do though nothing is heard (steady seconds). */
static int64_t next_work(const struct send *send)
{
    int64_t now = send->time.now;
    int64_t next = earlier(now + WAIT_MAX, delivery_next(send));
    if (send->dirty)
        next = earlier(next, send->dirty_since + DIRTY_MAX);
    if (send->cleaner.waiting.count && !send->cleaner.sync_runs)
        next = earlier(next, now + PAUSE_TROUBLE); /* no memory for the question */
    if (chores_due(send) || todo_due(send) || cleanup_due(send) || send->failures_to_sync)
        return now;
    next = earlier(next, chores_next(send));
    if (send->exit_asap)
        return next;
    for (int i = 0; i < CHANNEL_COUNT; i++) {
        const struct channel *channel = &send->channels[i];
        const struct message *message = message_first(&send->messages, (enum due_kind) i);
        if (pass_ready(send, channel))
            return now;
        if (channel->stalled_until > now)
            next = earlier(next, channel->stalled_until);
        else if (message && channel_has_room(channel) && !channel->pass)
            next = earlier(next, message->due[i]);
    }
    if (send->admin.accept_after > now)
        next = earlier(next, send->admin.accept_after);
    if (send->marked.next_look)
        next = earlier(next, send->marked.next_look);
    return earlier(next, earlier(send->todo.next_look, send->cleanup.next_look));
}

/* Joined: all that is dirty becomes durable with one sync. */
static void sync_if_due(struct send *send)
{
    if (!send->dirty || send->time.now < send->dirty_since + DIRTY_MAX)
        return;
    if (cleaner_sync(&send->cleaner, 0, NULL) == 0)
        send->dirty = false;
    else
        send->dirty_since = send->time.now;
}

static void do_work(struct send *send)
{
    todo_step(send);
    for (int i = 0; i < CHANNEL_COUNT; i++)
        pass_step(send, &send->channels[i]);
    delivery_step(send);
    chores_step(send);
    cleanup_step(send);
    marked_step(send);
    admin_step(send);
    sync_if_due(send);
}

#define FDS_MAX (10 + ADMIN_CLIENTS)
struct polled {
    struct pollfd fds[FDS_MAX];
    nfds_t count;
};

static void add_fd(struct polled *polled, int fd, short events)
{
    polled->fds[polled->count++] = (struct pollfd){.fd = fd, .events = events};
}

static bool is_ready(const struct polled *polled, int fd)
{
    for (nfds_t i = 0; i < polled->count; i++)
        if (polled->fds[i].fd == fd)
            return polled->fds[i].revents != 0;
    return false;
}

static void wait_for_something(struct send *send, struct polled *polled)
{
    int64_t timeout = next_work(send) * 1000 - send->time.now_ms;
    polled->count = 0;
    add_fd(polled, send->signals, POLLIN);
    if (todo_hears(send))
        add_fd(polled, send->todo.trigger_read, POLLIN);
    add_fd(polled, FD_CLEAN_IN, POLLIN);
    if (send->has_life && !send->exit_asap)
        add_fd(polled, FD_LIFE, 0);
    if (send->cleaner.out.length)
        add_fd(polled, FD_CLEAN_OUT, POLLOUT);
    if (send->admin.listen_fd >= 0 && send->admin.accept_after <= send->time.now &&
        !send->exit_asap)
        add_fd(polled, send->admin.listen_fd, POLLIN);
    for (unsigned i = 0; i < ADMIN_CLIENTS; i++) {
        short events = admin_client_events(&send->admin, i);
        if (events)
            add_fd(polled, send->admin.clients[i].fd, events);
    }
    for (int i = 0; i < CHANNEL_COUNT; i++) {
        const struct channel *channel = &send->channels[i];
        if (!channel->report_whole)
            add_fd(polled, channel->in_fd, POLLIN);
        if (channel->out.length)
            add_fd(polled, channel->out_fd, POLLOUT);
    }
    if (poll(polled->fds, polled->count, timeout > 0 ? (int) timeout : 0) < 0) {
        polled->count = 0;
        if (errno != EINTR)
            logline(&send->log, "warning: trouble in select");
    }
    steady_refresh(&send->time);
}

/* Sends what is to be sent.  -1 after an alert line: a partner is gone. */
static int flush(struct send *send)
{
    if (cleaner_flush(&send->cleaner) < 0) {
        return lost_clean(send);
    }
    for (int i = 0; i < CHANNEL_COUNT; i++)
        if (send_flush(send->channels[i].out_fd, &send->channels[i].out) < 0) {
            logline(&send->log, "alert: oh no! lost spawn connection! dying...");
            return -1;
        }
    return 0;
}

/* Hears what there is to hear.  -1 after an alert line. */
static int hear(struct send *send, const struct polled *polled)
{
    if (is_ready(polled, send->signals) && take_signals(send) < 0)
        return -1;
    if (is_ready(polled, FD_CLEAN_IN) && cleaner_answers(send) < 0) {
        return lost_clean(send);
    }
    for (int i = 0; i < CHANNEL_COUNT; i++) {
        struct channel *channel = &send->channels[i];
        if (is_ready(polled, channel->in_fd) && delivery_reports(send, channel) < 0) {
            logline(&send->log, "alert: oh no! lost spawn connection! dying...");
            return -1;
        }
    }
    if (send->has_life && is_ready(polled, FD_LIFE))
        exit_soon(send);
    if (is_ready(polled, send->todo.trigger_read))
        todo_triggered(send);
    if (is_ready(polled, send->admin.listen_fd))
        admin_accept(send);
    return 0;
}

static int run(struct send *send)
{
    struct polled polled;
    channel_log_status(send);
    for (;;) {
        if (send->exit_asap && may_exit(send))
            return 0;
        if (flush(send) < 0)
            return -1;
        wait_for_something(send, &polled);
        if (hear(send, &polled) < 0)
            return -1;
        do_work(send);
    }
}

static void log_given_up(struct send *send)
{
    for (int i = 0; i < CHANNEL_COUNT; i++)
        for (unsigned k = 0; k < send->channels[i].slot_count; k++) {
            const struct delivery *delivery = &send->channels[i].slots[k];
            if (delivery->state == DELIVERY_MARK)
                logline(&send->log,
                        "warning: trouble marking %s/%n; message will be delivered twice!",
                        send->channels[i].name, delivery->job->message->number);
        }
    for (size_t i = 0; i < send->messages.capacity; i++) {
        const struct message *message = send->messages.table[i];
        if (message && (message->state == MESSAGE_MOVING || message->state == MESSAGE_DONE))
            logline(&send->log, "warning: trouble with todo/%n; message will be delivered twice!",
                    message->number);
    }
}

static void release(struct send *send)
{
    todo_close(send);
    mem_free(send->todo.left_alone);
    cleanup_close(send);
    for (int i = 0; i < CHANNEL_COUNT; i++)
        channel_free(&send->channels[i]);
    messages_free(&send->messages);
    marked_free(&send->marked);
    admin_free(&send->admin);
    cleaner_free(&send->cleaner);
    controls_free(send);
    logline_free(&send->log);
    buf_free(&send->home);
    io_close(&send->todo.trigger_read);
    io_close(&send->todo.trigger_write);
    io_close(&send->mutex);
    io_close(&send->signals);
}

int main(int argc, char **argv, char **environment)
{
    struct send send;
    (void) argc;
    (void) argv;
    memset(&send, 0, sizeof send);
    send.admin.listen_fd = -1;
    for (int i = 0; i < ADMIN_CLIENTS; i++)
        send.admin.clients[i].fd = -1;
    send.mutex = send.signals = send.todo.trigger_read = send.todo.trigger_write = -1;
    int result = start_up(&send, environment);
    if (result == 0)
        result = recover(&send);
    if (result == 0 && (result = run(&send)) < 0)
        direct_save(&send);
    if (send.exit_asap) {
        log_given_up(&send);
        logline(&send.log, "status: exiting");
        result = 0;
    }
    release(&send);
    return result < 0 ? 111 : 0;
}

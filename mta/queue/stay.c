/* SPDX-License-Identifier: ISC */
/*
 * The staying form: one loop over poll.  A round takes what can be read at once from every client;
 * when a round finds nothing more, or after enough rounds, all messages that are whole are made
 * durable with one wait for the disk.  A slow client is not waited for.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "mta/lib/clock.h"
#include "mta/lib/io.h"
#include "mta/lib/lock.h"
#include "mta/lib/mem.h"
#include "mta/lib/num.h"
#include "mta/lib/number.h"
#include "mta/lib/queue_result.h"
#include "mta/queue/client.h"
#include "mta/queue/commit.h"
#include "mta/queue/early.h"
#include "mta/queue/queue.h"

#define SOCKET_PATH "../run/queue"
#define LOCK_PATH "../run/queue.lock"

#define CLIENTS_MAX 1000
#define BACKLOG 1024
#define IDLE_MS (20 * 60 * 1000)     /* between messages */
#define SILENT_MS (24 * 3600 * 1000) /* within one: who hands it on may have slow clients */
#define ACCEPT_PAUSE_MS 100          /* after accept found no descriptor or memory */
#define STOP_GRACE_MS 5000           /* for messages that have begun when TERM comes */
#define ROUNDS_MAX 16 /* reads from each client, before a whole message is committed */
#define BLOCK_SIZE 65536

#define EXIT_TEMPORARY 111

enum { POLL_SIGNAL, POLL_LIFE, POLL_LISTEN, POLL_CLIENTS };

struct stay {
    struct queue *queue;
    struct client_pool pool;
    struct early early;
    uid_t uid; /* ours */
    int lock_fd;
    int listen_fd;
    int signal_fd;
    size_t client_max;
    size_t client_count;
    struct client **clients; /* client_max */
    struct client **done;    /* client_max: whose message is in S4 */
    struct entry **entries;  /* client_max: theirs */
    uint64_t *numbers;       /* client_max: theirs */
    struct pollfd *polled;   /* POLL_CLIENTS + client_max */
    size_t done_count;
    unsigned rounds; /* since the first of `done` */
    int64_t accept_after_ms;
    int64_t stop_by_ms; /* 0: not stopping */
    char *block;
};

/* --- coming and going --- */

static void remove_client(struct stay *stay, size_t index)
{
    struct client *client = stay->clients[index];
    client_free(&stay->pool, client);
    mem_free(client);
    stay->clients[index] = stay->clients[--stay->client_count];
}

/* Tells a client of whom nothing was read that nothing will be taken. */
static void refuse(int fd)
{
    static const char answer[] = "73 0\n";
    send(fd, answer, sizeof answer - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Nobody may take more than half of the places, so that there are some for others; but for our own
 * user, who may be the only one there is. */
static bool has_place(const struct stay *stay, uid_t uid)
{
    size_t count = 0;
    if (stay->client_count == stay->client_max)
        return false;
    if (uid == stay->uid || stay->client_count < stay->client_max / 2)
        return true;
    for (size_t i = 0; i < stay->client_count; i++)
        count += stay->clients[i]->uid == uid;
    return count < stay->client_max / 2;
}

static void add_client(struct stay *stay, int fd)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || !has_place(stay, peer.uid)) {
        refuse(fd);
        close(fd);
        return;
    }
    struct client *client = mem_alloc(sizeof *client);
    if (!client) {
        refuse(fd);
        close(fd);
        return;
    }
    client_init(client, fd, peer.uid, clock_monotonic_ms());
    stay->clients[stay->client_count++] = client;
}

static void accept_clients(struct stay *stay)
{
    for (int i = 0; i < BACKLOG; i++) {
        int fd = accept4(stay->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            add_client(stay, fd);
            continue;
        }
        if (errno == EINTR || errno == ECONNABORTED)
            continue;
        if (errno != EAGAIN)
            stay->accept_after_ms = clock_monotonic_ms() + ACCEPT_PAUSE_MS;
        return;
    }
}

/* --- answers --- */

/* Tells the client its result and makes it ready for the next message.  -1: it must go. */
static int answer(struct stay *stay, struct client *client)
{
    char line[8 + NUM_DIGITS];
    uint64_t number = client->result == QUEUE_OK ? client->entry.number : 0;
    int length =
        snprintf(line, sizeof line, "%d %llu\n", client->result, (unsigned long long) number);
    bool broken = client->broken;
    client_next(&stay->pool, client);
    ssize_t sent = send(client->fd, line, (size_t) length, MSG_NOSIGNAL | MSG_DONTWAIT);
    return sent == length && !broken ? 0 : -1;
}

/* Takes bytes, with at most one message that is whole and not refused among them; what is behind
 * it is kept.  -1: the client must go. */
static int feed(struct stay *stay, struct client *client, const char *bytes, size_t size)
{
    while (size > 0) {
        size_t taken = client_feed(&stay->pool, client, bytes, size);
        bytes += taken;
        size -= taken;
        if (client->state != CLIENT_DONE)
            return 0;
        if (client->result == QUEUE_OK) {
            if (buf_set(&client->rest, bytes, size) < 0)
                return -1;
            stay->entries[stay->done_count] = &client->entry;
            stay->done[stay->done_count++] = client;
            return 0;
        }
        if (answer(stay, client) < 0)
            return -1;
    }
    return 0;
}

static int read_client(struct stay *stay, struct client *client, int64_t now_ms)
{
    ssize_t count = recv(client->fd, stay->block, BLOCK_SIZE, MSG_DONTWAIT);
    if (count < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    if (count == 0)
        return -1;
    client->heard_ms = now_ms;
    return feed(stay, client, stay->block, (size_t) count);
}

/* What came behind a message that is now answered. */
static int feed_rest(struct stay *stay, struct client *client)
{
    struct buf rest = client->rest;
    if (rest.length == 0)
        return 0;
    client->rest = (struct buf) BUF_INIT(0);
    int result = feed(stay, client, rest.data, rest.length);
    buf_free(&rest);
    return result;
}

static size_t index_of(const struct stay *stay, const struct client *client)
{
    size_t index = 0;
    while (stay->clients[index] != client)
        index++;
    return index;
}

/* The kernel tells of a write-back error once: it may have been in any file written so far, also
 * in those of messages that are not whole yet. */
static void fail_all(struct stay *stay)
{
    for (size_t i = 0; i < stay->client_count; i++)
        client_fail(stay->clients[i], QUEUE_WRITE);
}

/* The one wait for the disk for all messages that are whole. */
static void commit_done(struct stay *stay)
{
    size_t count = stay->done_count;
    if (count == 0)
        return;
    int result = early_commit(&stay->early, stay->entries, count, clock_monotonic_ms());
    stay->pool.is_lazy = stay->early.is_usable;
    if (result != QUEUE_OK)
        fail_all(stay);
    stay->done_count = 0;
    stay->rounds = 0;
    for (size_t i = 0; i < count; i++) {
        stay->done[i]->result = result;
        stay->numbers[i] = stay->done[i]->entry.number;
    }
    /* feed_rest adds to `done` again, but never beyond what this loop has passed. */
    for (size_t i = 0; i < count; i++) {
        struct client *client = stay->done[i];
        if (answer(stay, client) < 0 || feed_rest(stay, client) < 0)
            remove_client(stay, index_of(stay, client));
    }
    /* Last, so that who was told no, or nothing, rarely sees the message delivered all the same. */
    if (result == QUEUE_OK)
        commit_trigger(stay->numbers, count);
}

/* --- the loop --- */

static bool is_done(const struct client *client)
{
    return client->state == CLIENT_DONE;
}

static nfds_t prepare_poll(struct stay *stay, int64_t now_ms)
{
    bool accepting = !stay->stop_by_ms && now_ms >= stay->accept_after_ms;
    stay->polled[POLL_SIGNAL] = (struct pollfd){.fd = stay->signal_fd, .events = POLLIN};
    /* nixie-start gives us the end of a pipe that ends with it: nothing is read from it. */
    stay->polled[POLL_LIFE] = (struct pollfd){.fd = stay->stop_by_ms ? -1 : 0, .events = 0};
    stay->polled[POLL_LISTEN] =
        (struct pollfd){.fd = accepting ? stay->listen_fd : -1, .events = POLLIN};
    for (size_t i = 0; i < stay->client_count; i++) {
        const struct client *client = stay->clients[i];
        stay->polled[POLL_CLIENTS + i] =
            (struct pollfd){.fd = is_done(client) ? -1 : client->fd, .events = POLLIN};
    }
    return POLL_CLIENTS + stay->client_count;
}

/* When it is let go if nothing more is heard of it. */
static int64_t leave_ms(const struct client *client)
{
    return client->heard_ms + (client_is_busy(client) ? SILENT_MS : IDLE_MS);
}

/* When a client is next due to be let go; INT64_MAX if there is none. */
static int64_t next_leave_ms(const struct stay *stay, int64_t now_ms)
{
    int64_t until_ms = INT64_MAX;
    for (size_t i = 0; i < stay->client_count; i++) {
        const struct client *client = stay->clients[i];
        if (stay->stop_by_ms && !client_is_busy(client))
            return now_ms;
        if (leave_ms(client) < until_ms)
            until_ms = leave_ms(client);
    }
    if (early_due_ms(&stay->early) < until_ms)
        until_ms = early_due_ms(&stay->early);
    if (stay->stop_by_ms && stay->stop_by_ms < until_ms)
        until_ms = stay->stop_by_ms;
    return until_ms;
}

/* How long poll may wait. */
static int timeout_ms(const struct stay *stay, int64_t now_ms)
{
    if (stay->done_count > 0)
        return 0;
    int64_t until_ms = next_leave_ms(stay, now_ms);
    if (stay->accept_after_ms > now_ms && stay->accept_after_ms < until_ms)
        until_ms = stay->accept_after_ms;
    if (until_ms == INT64_MAX)
        return -1;
    return until_ms > now_ms ? (int) (until_ms - now_ms) : 0;
}

/* Reads once from every client that poll told of; from the last to the first, because a client
 * that goes is replaced by the last. */
static void read_clients(struct stay *stay, size_t count, int64_t now_ms)
{
    for (size_t i = count; i-- > 0;) {
        struct client *client = stay->clients[i];
        bool failed = false;
        if (stay->polled[POLL_CLIENTS + i].revents)
            failed = read_client(stay, client, now_ms) < 0;
        else if (!is_done(client))
            failed = now_ms >= leave_ms(client);
        if (failed)
            remove_client(stay, i);
    }
}

/* TERM: who has not begun a message is let go, and who has not ended it when time is up. */
static void let_go(struct stay *stay, int64_t now_ms)
{
    for (size_t i = stay->client_count; i-- > 0;) {
        struct client *client = stay->clients[i];
        if (is_done(client) || (client_is_busy(client) && now_ms < stay->stop_by_ms))
            continue;
        if (!client_is_busy(client))
            refuse(client->fd);
        remove_client(stay, i);
    }
}

static void begin_stop(struct stay *stay)
{
    struct signalfd_siginfo info;
    while (io_read(stay->signal_fd, &info, sizeof info) > 0) {
        /* which one does not matter */
    }
    if (stay->stop_by_ms)
        return;
    unlink(SOCKET_PATH);
    accept_clients(stay); /* who is connected already may have sent a whole message */
    io_close(&stay->listen_fd);
    stay->stop_by_ms = clock_monotonic_ms() + STOP_GRACE_MS;
}

/* One poll and what it tells of.  Returns false if poll fails. */
static bool turn(struct stay *stay)
{
    int64_t now_ms = clock_monotonic_ms();
    size_t count = stay->client_count;
    nfds_t polled = prepare_poll(stay, now_ms);
    int ready = poll(stay->polled, polled, timeout_ms(stay, now_ms));
    if (ready < 0)
        return errno == EINTR || errno == ENOMEM;
    now_ms = clock_monotonic_ms();
    bool stopping = stay->stop_by_ms != 0;
    read_clients(stay, count, now_ms);
    if (stay->polled[POLL_LISTEN].revents)
        accept_clients(stay);
    if (stay->polled[POLL_SIGNAL].revents || (stay->polled[POLL_LIFE].revents & POLLHUP))
        begin_stop(stay);
    if (stay->done_count > 0)
        stay->rounds++;
    if (ready == 0 || stay->rounds >= ROUNDS_MAX)
        commit_done(stay);
    early_look(&stay->early, now_ms);
    if (stopping && (ready == 0 || now_ms >= stay->stop_by_ms))
        let_go(stay, now_ms);
    return true;
}

/* --- start and end --- */

static int open_socket(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, SOCKET_PATH, sizeof SOCKET_PATH);
    if (unlink(SOCKET_PATH) < 0 && errno != ENOENT)
        return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    mode_t mask = umask(0111); /* for everybody from the first moment on */
    int bound = bind(fd, (struct sockaddr *) &address, sizeof address);
    umask(mask);
    if (bound == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    close(fd);
    return -1;
}

static int open_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return -1;
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* As many clients as descriptors allow: a connection and a message each. */
static size_t find_client_max(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 100;
    if (limit.rlim_cur < limit.rlim_max) {
        struct rlimit raised = {limit.rlim_max, limit.rlim_max};
        if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
            limit = raised;
    }
    size_t max = limit.rlim_cur > 64 ? (size_t) (limit.rlim_cur - 32) / 2 : 16;
    return max < CLIENTS_MAX ? max : CLIENTS_MAX;
}

static int get_memory(struct stay *stay)
{
    size_t count = stay->client_max;
    stay->clients = mem_alloc(count * sizeof *stay->clients);
    stay->done = mem_alloc(count * sizeof *stay->done);
    stay->entries = mem_alloc(count * sizeof *stay->entries);
    stay->numbers = mem_alloc(count * sizeof *stay->numbers);
    stay->polled = mem_alloc((POLL_CLIENTS + count) * sizeof *stay->polled);
    stay->block = mem_alloc(BLOCK_SIZE);
    return stay->clients && stay->done && stay->entries && stay->numbers && stay->polled &&
                   stay->block
               ? 0
               : -1;
}

/* Returns NULL, or what could not be done. */
static const char *start(struct stay *stay)
{
    stay->uid = geteuid();
    if (stay->queue->caller != stay->uid) /* whose limits would be everybody's, for ever */
        return "only the server has one stay";
    stay->lock_fd = lock_mend(LOCK_PATH) < 0 ? -1 : lock_file(LOCK_PATH, 0600, false);
    if (stay->lock_fd < 0)
        return errno == EWOULDBLOCK ? "another nixie-queue stays already"
                                    : "unable to lock run/queue.lock";
    stay->client_max = find_client_max();
    if (get_memory(stay) < 0)
        return "out of memory";
    if (early_start(&stay->early, stay->queue->commit_fd) < 0)
        return "unable to recover what is in lock/journal";
    stay->pool.is_lazy = stay->early.is_usable;
    /* above what was made again, too */
    if (number_mend_lock() < 0 || number_raise_above_spool() < 0)
        return "unable to read the queue or to set the number";
    stay->signal_fd = open_signals();
    if (stay->signal_fd < 0)
        return "unable to get signals";
    stay->listen_fd = open_socket();
    return stay->listen_fd < 0 ? "unable to listen on run/queue" : NULL;
}

static void finish(struct stay *stay)
{
    while (stay->clients && stay->client_count > 0)
        remove_client(stay, stay->client_count - 1);
    if (stay->listen_fd >= 0)
        unlink(SOCKET_PATH);
    early_end(&stay->early);
    io_close(&stay->listen_fd);
    io_close(&stay->signal_fd);
    io_close(&stay->lock_fd);
    mem_free(stay->clients);
    mem_free(stay->done);
    mem_free(stay->entries);
    mem_free(stay->numbers);
    mem_free(stay->polled);
    mem_free(stay->block);
}

int queue_stay(struct queue *queue)
{
    struct stay stay = {.queue = queue,
                        .early = {.journal = {.fd = -1}},
                        .listen_fd = -1,
                        .signal_fd = -1,
                        .lock_fd = -1};
    stay.pool.users = &queue->users;
    const char *problem = start(&stay);
    if (!problem) /* the one before us may have been killed */
        commit_trigger(NULL, 0);
    while (!problem && !(stay.stop_by_ms && stay.client_count == 0))
        if (!turn(&stay))
            problem = "poll failed";
    finish(&stay);
    if (!problem)
        return 0;
    char line[128];
    int length = snprintf(line, sizeof line, "nixie-queue: %s\n", problem);
    if (io_write(2, line, (size_t) length) < 0) {
        /* Nobody listens; the status tells. */
    }
    return EXIT_TEMPORARY;
}

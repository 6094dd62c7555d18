/* SPDX-License-Identifier: ISC */
/*
 * nixie-listen [ADDRESS:PORT ...]
 *
 * Listens on the addresses of control/listen and of its arguments, and hands each connection to a
 * nixie-smtpd of a pool that stays.  Binds as root, then becomes nixied for good, but for a home in
 * single-user mode.  The addresses are told on descriptor 1 ("listening on ADDRESS:PORT") and in
 * run/listen.
 *
 * Descriptor 0 is only watched: at its end, and at TERM or INT, no more connections are taken;
 * sessions have GRACE_MS to end.  HUP: reads the limits again.
 *
 * Exit status: 0 after TERM; 111 if it cannot start or go on.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "mta/lib/clock.h"
#include "mta/lib/control.h"
#include "mta/lib/error.h"
#include "mta/lib/home.h"
#include "mta/lib/io.h"
#include "mta/lib/mem.h"
#include "mta/listen/listen.h"

#define USER "nixied"
#define CONCURRENCY_DEFAULT 20
#define GRACE_MS 10000
#define KILL_MS 15000         /* sessions that TERM did not end */
#define ACCEPT_PAUSE_MS 100   /* after accept found no descriptor or memory */
#define ACCEPT_ROUND 64       /* connections from one socket before others get their turn */
#define DESCRIPTORS_SPARE 128 /* sockets we listen on, and others, besides one a worker */
#define EXIT_TEMPORARY 111

enum { POLL_SIGNAL, POLL_LIFE, POLL_SOCKETS };

struct listener {
    struct buf home;
    struct buf program;
    struct sockets sockets;
    struct pool pool;
    struct pollfd polls[POLL_SOCKETS + SOCKETS_MAX + WORKERS_MAX];
    int signals;
    uint64_t concurrency;
    uint64_t concurrency_per_address; /* 0: no limit */
    bool told_full;
    bool told_trouble;
    int64_t accept_after_ms;
    int64_t stopped_ms; /* 0: not stopping */
};

void tell(const char *text, const char *detail)
{
    struct buf line = BUF_INIT(4096);
    if (buf_add_text(&line, "listen ") == 0 && buf_add_text(&line, text) == 0 &&
        buf_add_text(&line, detail) == 0 && buf_add_byte(&line, '\n') == 0 &&
        io_write(2, line.data, line.length) < 0) {
        /* nobody reads it */
    }
    buf_free(&line);
}

static int fail(const char *text, const char *detail)
{
    tell(text, detail);
    return -1;
}

/* --- taking connections --- */

static bool is_full(const struct listener *listener)
{
    return listener->pool.busy >= listener->concurrency;
}

static void send_refusal(int fd, const char *reply)
{
    if (send(fd, reply, strlen(reply), MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
        /* it has gone already */
    }
}

static void take(struct listener *listener, int fd, const struct sockaddr_storage *address,
                 int64_t now_ms)
{
    unsigned char client[16];
    char name[SOCKET_ADDRESS_SIZE];
    socket_address_bytes(address, client);
    socket_address_format(name, address);
    if (listener->concurrency_per_address &&
        pool_count_client(&listener->pool, client) >= listener->concurrency_per_address) {
        tell("refused, too many connections: ", name);
        send_refusal(fd, "421 4.7.0 too many connections\r\n");
    } else if (pool_give(&listener->pool, fd, client, now_ms) < 0) {
        tell("alert: no nixie-smtpd can be started, refused: ", name);
        send_refusal(fd, "421 4.3.0 out of resources\r\n");
        listener->accept_after_ms = now_ms + ACCEPT_PAUSE_MS;
    }
}

/* True for what accept tells of a connection that failed before it was accepted (accept(2)). */
static bool is_of_connection(int error)
{
    return error == EINTR || error == ECONNABORTED || error == ENETDOWN || error == EPROTO ||
           error == ENOPROTOOPT || error == EHOSTDOWN || error == ENONET || error == EHOSTUNREACH ||
           error == EOPNOTSUPP || error == ENETUNREACH || error == ETIMEDOUT || error == EPERM;
}

static void accept_trouble(struct listener *listener, int error, int64_t now_ms)
{
    if (!listener->told_trouble)
        tell("alert: unable to accept: ", error_text(error));
    listener->told_trouble = true;
    listener->accept_after_ms = now_ms + ACCEPT_PAUSE_MS;
}

static void accept_some(struct listener *listener, int socket, int64_t now_ms)
{
    for (int i = 0; i < ACCEPT_ROUND; i++) {
        struct sockaddr_storage address;
        socklen_t length = sizeof address;
        if (is_full(listener) || now_ms < listener->accept_after_ms)
            return;
        memset(&address, 0, sizeof address);
        int fd =
            accept4(socket, (struct sockaddr *) &address, &length, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0) {
            if (errno == EAGAIN)
                return;
            if (!is_of_connection(errno))
                accept_trouble(listener, errno, now_ms);
            continue;
        }
        listener->told_trouble = false;
        take(listener, fd, &address, now_ms);
        close(fd);
    }
}

/* --- signals --- */

/* What cannot be read stays as it was.  0, or -1: it may be possible another time. */
static int read_limits(struct listener *listener)
{
    uint64_t number = 0;
    bool temporary = false;
    int result = control_number("concurrencyincoming", CONCURRENCY_DEFAULT, UINT32_MAX, &number);
    if (result == 0 && number > 0) {
        listener->concurrency = number < WORKERS_MAX ? number : WORKERS_MAX;
    } else {
        temporary = result < 0 && error_is_temporary(errno);
        tell("alert: unable to read control/concurrencyincoming", "");
    }
    if (control_number("concurrencyperaddress", 0, UINT32_MAX, &number) == 0) {
        listener->concurrency_per_address = number;
    } else {
        temporary = temporary || error_is_temporary(errno);
        tell("alert: unable to read control/concurrencyperaddress", "");
    }
    return temporary ? -1 : 0;
}

static void stop(struct listener *listener, int64_t now_ms)
{
    if (listener->stopped_ms)
        return;
    listener->stopped_ms = now_ms;
    sockets_close(&listener->sockets);
    pool_end(&listener->pool);
}

static void take_signals(struct listener *listener, int64_t now_ms)
{
    struct signalfd_siginfo info;
    while (io_read(listener->signals, &info, sizeof info) == (ssize_t) sizeof info) {
        if (info.ssi_signo == SIGHUP)
            read_limits(listener);
        else if (info.ssi_signo != SIGCHLD)
            stop(listener, now_ms);
    }
    pool_reap(&listener->pool, now_ms);
}

/* --- the loop --- */

static nfds_t fill_polls(struct listener *listener, int64_t now_ms)
{
    struct pollfd *polls = listener->polls;
    bool accepting = !is_full(listener) && now_ms >= listener->accept_after_ms;
    nfds_t count = POLL_SOCKETS;
    polls[POLL_SIGNAL] = (struct pollfd){.fd = listener->signals, .events = POLLIN};
    polls[POLL_LIFE] = (struct pollfd){.fd = listener->stopped_ms ? -1 : 0, .events = 0};
    for (size_t i = 0; i < listener->sockets.count; i++)
        polls[count++] =
            (struct pollfd){.fd = accepting ? listener->sockets.fds[i] : -1, .events = POLLIN};
    for (size_t i = 0; i < listener->pool.count; i++)
        polls[count++] = (struct pollfd){.fd = listener->pool.workers[i].control, .events = POLLIN};
    return count;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* How long poll may wait, after what time brings has been done. */
static int pass_time(struct listener *listener, int64_t now_ms)
{
    int64_t next_ms = INT64_MAX;
    if (!listener->stopped_ms) {
        next_ms = pool_shrink(&listener->pool, now_ms);
        if (listener->accept_after_ms > now_ms)
            next_ms = earlier(next_ms, listener->accept_after_ms);
    } else if (now_ms >= listener->stopped_ms + KILL_MS) {
        pool_signal(&listener->pool, SIGKILL);
    } else if (now_ms >= listener->stopped_ms + GRACE_MS) {
        pool_signal(&listener->pool, SIGTERM);
        next_ms = listener->stopped_ms + KILL_MS;
    } else {
        next_ms = listener->stopped_ms + GRACE_MS;
    }
    if (next_ms == INT64_MAX)
        return -1;
    return next_ms > now_ms ? (int) (next_ms - now_ms) : 0;
}

static void note_full(struct listener *listener)
{
    bool full = is_full(listener);
    if (full && !listener->told_full)
        tell("all places taken, others wait", "");
    listener->told_full =
        listener->told_full ? listener->pool.busy * 2 > listener->concurrency : full;
}

/* One poll and what it tells of.  0, or -1 if poll fails. */
static int turn(struct listener *listener)
{
    int64_t now_ms = clock_monotonic_ms();
    int timeout_ms = pass_time(listener, now_ms);
    nfds_t count = fill_polls(listener, now_ms);
    const struct pollfd *polls = listener->polls;
    if (poll(listener->polls, count, timeout_ms) < 0)
        return errno == EINTR || errno == ENOMEM ? 0 : fail("alert: poll: ", error_text(errno));
    now_ms = clock_monotonic_ms();
    size_t sockets = listener->sockets.count, workers = count - POLL_SOCKETS - sockets;
    for (size_t i = 0; i < workers; i++)
        if (polls[POLL_SOCKETS + sockets + i].revents)
            pool_hear(&listener->pool, i, now_ms);
    if (polls[POLL_SIGNAL].revents)
        take_signals(listener, now_ms);
    if (polls[POLL_LIFE].revents & (POLLHUP | POLLERR))
        stop(listener, now_ms);
    for (size_t i = 0; i < sockets && !listener->stopped_ms; i++)
        if (polls[POLL_SOCKETS + i].revents)
            accept_some(listener, listener->sockets.fds[i], now_ms);
    note_full(listener);
    return 0;
}

/* --- start --- */

/* No socket may become one of these descriptors. */
static int fill_descriptors(void)
{
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
            return -1;
    return 0;
}

/* As nixie-become does it for the others. */
static int become_user(void)
{
    uid_t now = geteuid();
    bool single_user;
    if (home_single_user(&single_user) < 0)
        return fail("unable to look for control/singleuser: ", error_text(errno));
    if (now != 0 || single_user)
        return 0;
    const struct passwd *user = getpwnam(USER);
    if (!user || user->pw_uid == 0)
        return fail("there is no user " USER, "");
    uid_t uid = user->pw_uid;
    gid_t gid = user->pw_gid;
    if (setgroups(1, &gid) < 0 || setgid(gid) < 0 || setuid(uid) < 0)
        return fail("unable to become " USER ": ", error_text(errno));
    uid_t real_uid = getuid();
    gid_t real_gid = getgid(), effective_gid = getegid();
    now = geteuid();
    if (real_uid != uid || now != uid || real_gid != gid || effective_gid != gid || setuid(0) == 0)
        return fail("unable to become " USER " for good", "");
    return 0;
}

/* Makes run/listen whole or not at all.  Nothing of it must outlive the system, so nothing is
 * synced.  The directory is the queue's user's: no link that stands there is followed. */
static int write_addresses(const struct buf *lines)
{
    static const char fresh[] = "run/.listen.new";
    if (unlink(fresh) < 0 && errno != ENOENT)
        return -1;
    int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0)
        return -1;
    int result = io_write(fd, lines->data, lines->length);
    io_close(&fd);
    if (result == 0)
        result = rename(fresh, "run/listen");
    return result;
}

/* Tells where we listen, before root's rights are gone. */
static int publish(const struct listener *listener)
{
    struct buf lines = BUF_INIT(0);
    if (sockets_list(&listener->sockets, &lines) < 0) {
        buf_free(&lines);
        return fail("unable to find out where this listens: ", error_text(errno));
    }
    if (write_addresses(&lines) < 0)
        tell("warning: unable to write run/listen: ", error_text(errno));
    for (size_t begin = 0; begin < lines.length;) {
        char *line = lines.data + begin;
        char *end = memchr(line, '\n', lines.length - begin);
        begin += (size_t) (end - line) + 1;
        *end = 0;
        struct buf text = BUF_INIT(256);
        if (buf_add_text(&text, "listening on ") == 0 && buf_add_text(&text, line) == 0 &&
            buf_add_byte(&text, '\n') == 0 && io_write(1, text.data, text.length) < 0) {
            /* nobody reads it; the log has it too */
        }
        buf_free(&text);
        tell("ready on ", line);
    }
    buf_free(&lines);
    return 0;
}

static int take_over_signals(struct listener *listener)
{
    static const int taken[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD};
    struct sigaction action;
    sigset_t set;
    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_DFL;
    if (sigaction(SIGCHLD, &action, NULL) < 0)
        return -1;
    action.sa_handler = SIG_IGN;
    if (sigaction(SIGPIPE, &action, NULL) < 0)
        return -1;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        sigaddset(&set, taken[i]);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return -1;
    listener->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return listener->signals < 0 ? -1 : 0;
}

/* A descriptor a worker is needed. */
static void raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= WORKERS_MAX + DESCRIPTORS_SPARE)
        return;
    limit.rlim_cur = WORKERS_MAX + DESCRIPTORS_SPARE;
    if (limit.rlim_cur > limit.rlim_max)
        limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0) {
        /* then accept will tell */
    }
}

static int open_sockets(struct listener *listener, char *const *arguments)
{
    struct buf trouble = BUF_INIT(4096);
    int result = sockets_open(&listener->sockets, arguments, &trouble);
    const char *text = buf_text(&trouble);
    if (result < 0) {
        tell("alert: ", text && *text ? text : "out of memory");
        if (buf_add_byte(&trouble, '\n') == 0 && io_write(1, trouble.data, trouble.length) < 0) {
            /* the log has it too */
        }
    }
    buf_free(&trouble);
    return result;
}

static int start(struct listener *listener, char *const *arguments, char *const *environment)
{
    if (home_enter(environment, &listener->home) < 0)
        return fail("alert: unable to enter the home directory: ", error_text(errno));
    listener->concurrency = CONCURRENCY_DEFAULT;
    if (read_limits(listener) < 0)
        return -1; /* without limits it does not begin */
    if (home_program(&listener->home, "nixie-smtpd", &listener->program) < 0 ||
        !buf_text(&listener->program))
        return fail("alert: out of memory", "");
    listener->pool.program = listener->program.data;
    listener->pool.environment = environment;
    if (take_over_signals(listener) < 0)
        return fail("alert: unable to take signals: ", error_text(errno));
    if (open_sockets(listener, arguments) < 0)
        return -1;
    raise_descriptors();
    if (publish(listener) < 0)
        return -1;
    return become_user();
}

static void release(struct listener *listener)
{
    sockets_close(&listener->sockets);
    pool_end(&listener->pool);
    io_close(&listener->signals);
    buf_free(&listener->home);
    buf_free(&listener->program);
    mem_free(listener);
}

int main(int argc, char **argv, char **environment)
{
    struct listener *listener = mem_alloc(sizeof *listener);
    if (!listener)
        return EXIT_TEMPORARY;
    memset(listener, 0, sizeof *listener);
    listener->signals = -1;
    int result = fill_descriptors();
    if (result == 0)
        result = start(listener, argv + (argc > 0), environment);
    while (result == 0 && !(listener->stopped_ms && listener->pool.count == 0))
        result = turn(listener);
    release(listener);
    return result < 0 ? EXIT_TEMPORARY : 0;
}

/* SPDX-License-Identifier: ISC */
/*
 * nixie-start [--smtp ADDRESS:PORT ...] [HOME]: starts the server of a home, keeps it running, and
 * ends it in order.  It listens on the addresses given and on those of control/listen; without any
 * nixie-listen is not started.
 *
 * TERM or INT: listen takes no more connections and ends, send finishes its running deliveries,
 * then the rest ends; exit 0.  HUP and ALRM are passed on to send, HUP also to listen.  What ends
 * by itself is started again, after 1 s, 2 s ... 60 s when it keeps failing.  run/start.pid holds
 * our process number while we run, and a lock.
 *
 * Exit status: 0 after TERM; 100 usage; 111 if the home is not complete or something failed.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mta/lib/clock.h"
#include "mta/lib/io.h"
#include "mta/lib/lock.h"
#include "mta/lib/mem.h"
#include "mta/lib/num.h"
#include "mta/start/start.h"

#define PAUSE_FIRST_MS 1000
#define PAUSE_MAX_MS 60000
#define RAN_WELL_MS 60000        /* a unit that ran for so long starts again with the first pause */
#define REST_MS 60000            /* for the rest of a tree to end when one has; then TERM ... */
#define REST_KILL_MS 120000      /* ... and KILL */
#define LOG_PATIENCE_MS 10000    /* for the log to see the end of its input */
#define LISTEN_PATIENCE_MS 30000 /* longer than it gives its sessions */
#define PID_PATH "run/start.pid"
#define PID_TRIES 5
#define ADMIN_PATH "run/send" /* where send hears the admin */
#define ADMIN_BACKLOG 16
#define DESCRIPTORS_LOOKED_AT 65536
#define LISTEN_PATH "run/listen" /* nixie-listen writes it */

static int complain(const char *text)
{
    io_write(2, "nixie-start: ", 13);
    io_write(2, text, strlen(text));
    io_write(2, "\n", 1);
    return -1;
}

/* --- start-up ------------------------------------------------------------------------------ */

/* run/ is the queue's user's, who must not have us overwrite another file by a link to it. */
static bool is_our_file(const struct stat *st)
{
    uid_t uid = geteuid();
    return S_ISREG(st->st_mode) && st->st_nlink == 1 && st->st_uid == uid;
}

/* Opens and locks run/start.pid, so that nobody else runs.  Its name may be taken away by the one
 * that had it before, or lead to what a power loss left of an old one: then there is a new one. */
static int lock_pid(struct start *start)
{
    struct stat st;
    for (int i = 0; i < PID_TRIES; i++) {
        io_close(&start->lock);
        start->lock = lock_file(PID_PATH, 0644, false);
        if (start->lock < 0 && errno == EACCES && unlink(PID_PATH) == 0)
            continue;
        if (start->lock < 0) {
            return complain(errno == EWOULDBLOCK ? "already running in this home"
                                                 : "cannot open or lock " PID_PATH);
        }
        if (fstat(start->lock, &st) < 0)
            return complain("cannot look at " PID_PATH);
        if (is_our_file(&st))
            return 0;
        if (st.st_nlink > 0 && unlink(PID_PATH) < 0 && errno != ENOENT)
            break;
    }
    return complain(PID_PATH " is not a file of this program's: remove it");
}

/* Without space for its bytes the server runs all the same: what it delivers makes space, and the
 * lock counts. */
static int write_pid(struct start *start)
{
    char text[NUM_DIGITS + 1];
    if (lock_pid(start) < 0)
        return -1;
    pid_t pid = getpid();
    size_t length = num_format(text, (uint64_t) pid);
    text[length++] = '\n';
    int result = ftruncate(start->lock, 0);
    if (result == 0)
        result = io_write(start->lock, text, length);
    if (result < 0 && errno != ENOSPC && errno != EDQUOT)
        return complain("cannot write " PID_PATH);
    if (result < 0)
        complain("no space left to write " PID_PATH);
    return 0;
}

static int take_signals(struct start *start)
{
    static const int taken[] = {SIGTERM, SIGINT, SIGHUP, SIGALRM, SIGCHLD};
    struct sigaction action;
    sigset_t set;
    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_DFL; /* whoever started this may have ignored it */
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
    start->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    return start->signals;
}

static int open_pipes(struct start *start)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return -1;
    start->log_read = fds[0];
    start->log_write = fds[1];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return -1;
    start->life_read = fds[0];
    start->life_write = fds[1];
    return 0;
}

static int copy_environment(struct start *start, char *const *environment)
{
    size_t count = 0, used = 0;
    while (environment[count])
        count++;
    start->environment = mem_alloc((count + 2) * sizeof *start->environment);
    if (!start->environment)
        return -1;
    if (buf_set_text(&start->home_variable, "NIXIE_HOME=") < 0 ||
        buf_add_text(&start->home_variable, start->home.data) < 0 ||
        !buf_text(&start->home_variable))
        return -1;
    start->environment[used++] = start->home_variable.data;
    for (size_t i = 0; i < count; i++)
        if (strncmp(environment[i], "NIXIE_HOME=", 11) != 0)
            start->environment[used++] = environment[i];
    start->environment[used] = NULL;
    return 0;
}

/* What we were started with beside 0, 1 and 2 is nobody's business: users' programs, and those that
 * speak with the network, inherit what is not closed.  A kernel before 5.11 needs it one by one. */
static void keep_descriptors_in(void)
{
    struct rlimit limit;
    if (close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) == 0 || getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    for (int fd = 3; (rlim_t) fd < limit.rlim_cur && fd < DESCRIPTORS_LOOKED_AT; fd++)
        io_set_cloexec(fd);
}

/* Only the admin may connect, from the first moment on.  Without it nothing that is held would ever
 * be released: whoever starts us tries again. */
static int open_admin(struct start *start)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, ADMIN_PATH, sizeof ADMIN_PATH);
    unlink(ADMIN_PATH); /* of an earlier life */
    start->admin_listen = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (start->admin_listen < 0)
        return -1;
    mode_t mask = umask(0177);
    int bound = bind(start->admin_listen, (struct sockaddr *) &address, sizeof address);
    umask(mask);
    return bound < 0 ? -1 : listen(start->admin_listen, ADMIN_BACKLOG);
}

static int start_up(struct start *start, const char *home, char *const *environment)
{
    keep_descriptors_in();
    if (check_home(start, home, environment) < 0)
        return -1;
    umask(022);
    if (copy_environment(start, environment) < 0)
        return complain("out of memory");
    if (write_pid(start) < 0)
        return -1;
    unlink(LISTEN_PATH); /* of an earlier life */
    if (take_signals(start) < 0)
        return complain("cannot take signals");
    if (open_pipes(start) < 0)
        return complain("cannot make pipes");
    return open_admin(start) < 0 ? complain("cannot listen on " ADMIN_PATH) : 0;
}

/* --- children that end --------------------------------------------------------------------- */

static void tell_end(struct start *start, const char *name, int status)
{
    char text[128];
    bool killed = WIFSIGNALED(status);
    snprintf(text, sizeof text, "alert: nixie-%s ended: %s %d", name, killed ? "signal" : "exit",
             killed ? WTERMSIG(status) : WEXITSTATUS(status));
    start_tell(start, text, "");
}

static void note_end(struct start *start, enum member member, int status)
{
    struct unit_state *unit = &start->units[member_kinds[member].unit];
    int64_t now = clock_monotonic_ms();
    start->pids[member] = 0;
    if (start->ending) {
        if (!unit->failed)
            unit->failed = now;
        return;
    }
    tell_end(start, member_kinds[member].name, status);
    if (unit->failed)
        return;
    unit->failed = now;
    if (now - unit->started >= RAN_WELL_MS || unit->pause == 0)
        unit->pause = PAUSE_FIRST_MS;
    else if (unit->pause < PAUSE_MAX_MS)
        unit->pause = unit->pause * 2 < PAUSE_MAX_MS ? unit->pause * 2 : PAUSE_MAX_MS;
    unit->again_at = now + unit->pause;
}

static void reap(struct start *start)
{
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid <= 0)
            return;
        for (int i = 0; i < MEMBER_COUNT; i++)
            if (start->pids[i] == pid)
                note_end(start, (enum member) i, status);
    }
}

static void signal_member(const struct start *start, enum member member, int number)
{
    if (member_runs(start, member))
        kill(start->pids[member], number);
}

static void begin_end(struct start *start)
{
    if (start->ending)
        return;
    start->ending = true;
    start->ending_since = clock_monotonic_ms();
    signal_member(start, MEMBER_LISTEN, SIGTERM);
    signal_member(start, MEMBER_SEND, SIGTERM);
}

static void take_signal(struct start *start)
{
    struct signalfd_siginfo info;
    while (io_read(start->signals, &info, sizeof info) == (ssize_t) sizeof info) {
        switch (info.ssi_signo) {
        case SIGTERM:
        case SIGINT:
            begin_end(start);
            break;
        case SIGCHLD:
            reap(start);
            break;
        case SIGHUP:
            signal_member(start, MEMBER_LISTEN, SIGHUP);
            signal_member(start, MEMBER_SEND, SIGHUP);
            break;
        default:
            signal_member(start, MEMBER_SEND, (int) info.ssi_signo);
        }
    }
}

/* --- what is to be done now ---------------------------------------------------------------- */

static bool unit_runs(const struct start *start, enum unit unit)
{
    for (int i = 0; i < MEMBER_COUNT; i++)
        if (member_kinds[i].unit == unit && member_runs(start, (enum member) i))
            return true;
    return false;
}

/* The earlier of two times, of which 0 means none. */
static int64_t earlier(int64_t a, int64_t b)
{
    if (!a || !b)
        return a ? a : b;
    return a < b ? a : b;
}

/* A member of the tree ended: the others end by themselves, since their pipes end.  Returns when
 * to look again. */
static int64_t end_rest(struct start *start, int64_t now)
{
    struct unit_state *tree = &start->units[UNIT_TREE];
    if (now >= tree->failed + REST_KILL_MS) {
        for (int i = MEMBER_TREE_FIRST; i < MEMBER_COUNT; i++)
            signal_member(start, (enum member) i, SIGKILL);
        return 0;
    }
    if (now < tree->failed + REST_MS)
        return tree->failed + REST_MS;
    for (int i = MEMBER_TREE_FIRST; i < MEMBER_COUNT && !tree->told; i++)
        signal_member(start, (enum member) i, SIGTERM);
    tree->told = true;
    return tree->failed + REST_KILL_MS;
}

/* Starts what should run and does not.  Returns when to look again, 0: never. */
static int64_t keep_running(struct start *start, int64_t now)
{
    int64_t wake = 0;
    for (int i = 0; i < UNIT_COUNT; i++) {
        struct unit_state *unit = &start->units[i];
        if (i == UNIT_LISTEN && !start->has_listen)
            continue;
        if (unit_runs(start, (enum unit) i)) {
            if (i == UNIT_TREE && unit->failed)
                wake = earlier(wake, end_rest(start, now));
            continue;
        }
        if (now >= unit->again_at && unit_start(start, (enum unit) i) < 0) {
            start_tell(start, "alert: cannot start a program of the tree: ",
                       errno == ENOENT ? "it is missing" : "no room for it");
            if (!unit->failed)
                unit->failed = now;
            unit->pause = unit->pause ? unit->pause * 2 : PAUSE_FIRST_MS;
            if (unit->pause > PAUSE_MAX_MS)
                unit->pause = PAUSE_MAX_MS;
            unit->again_at = now + unit->pause;
        }
        if (now < unit->again_at)
            wake = earlier(wake, unit->again_at);
    }
    return wake;
}

/* One step of the orderly end: listen and the send tree, queue, log.  True when all is over. */
static bool end_step(struct start *start, int64_t now, int64_t *wake)
{
    *wake = 0;
    if (unit_runs(start, UNIT_LISTEN)) {
        if (now >= start->ending_since + LISTEN_PATIENCE_MS)
            signal_member(start, MEMBER_LISTEN, SIGKILL);
        else
            *wake = start->ending_since + LISTEN_PATIENCE_MS;
        return false;
    }
    if (unit_runs(start, UNIT_TREE)) {
        if (start->units[UNIT_TREE].failed) /* send first, if all is well */
            *wake = end_rest(start, now);
        return false;
    }
    if (unit_runs(start, UNIT_QUEUE)) {
        if (!start->units[UNIT_QUEUE].told)
            signal_member(start, MEMBER_QUEUE, SIGTERM);
        start->units[UNIT_QUEUE].told = true;
        io_close(&start->life_write);
        return false;
    }
    if (!unit_runs(start, UNIT_LOG))
        return true;
    if (!start->log_closed_at) {
        io_close(&start->log_write);
        start->log_closed_at = now;
    }
    if (now >= start->log_closed_at + LOG_PATIENCE_MS)
        signal_member(start, MEMBER_LOG, SIGKILL); /* someone else holds its pipe open */
    else
        *wake = start->log_closed_at + LOG_PATIENCE_MS;
    return false;
}

static void run(struct start *start)
{
    for (;;) {
        int64_t now = clock_monotonic_ms();
        int64_t wake;
        if (!start->ending)
            wake = keep_running(start, now);
        else if (end_step(start, now, &wake))
            return;
        int64_t timeout = -1;
        if (wake)
            timeout = wake > now ? wake - now : 0;
        struct pollfd fd = {.fd = start->signals, .events = POLLIN};
        poll(&fd, 1, (int) timeout);
        take_signal(start);
    }
}

static void release(struct start *start)
{
    io_close(&start->signals);
    io_close(&start->admin_listen);
    io_close(&start->log_read);
    io_close(&start->log_write);
    io_close(&start->life_read);
    io_close(&start->life_write);
    io_close(&start->lock);
    mem_free(start->environment);
    buf_free(&start->home_variable);
    buf_free(&start->home);
}

static int read_arguments(struct start *start, int argc, char **argv, const char **home)
{
    int i = 1;
    *home = NULL;
    while (i + 1 < argc && strcmp(argv[i], "--smtp") == 0) {
        if (start->address_count == ADDRESSES_MAX)
            return -1;
        start->addresses[start->address_count++] = argv[i + 1];
        i += 2;
    }
    if (i < argc)
        *home = argv[i++];
    return i < argc || (*home && strcmp(*home, "--smtp") == 0) ? -1 : 0;
}

int main(int argc, char **argv, char **environment)
{
    struct start start;
    memset(&start, 0, sizeof start);
    start.signals = start.lock = start.admin_listen = -1;
    start.log_read = start.log_write = start.life_read = start.life_write = -1;
    const char *home;
    if (read_arguments(&start, argc, argv, &home) < 0) {
        complain("usage: nixie-start [--smtp ADDRESS:PORT ...] [HOME]");
        return 100;
    }
    int status = 111;
    if (start_up(&start, home, environment) == 0) {
        run(&start);
        unlink(LISTEN_PATH);
        unlink(ADMIN_PATH);
        unlink(PID_PATH);
        status = 0;
    }
    release(&start);
    return status;
}

/* SPDX-License-Identifier: ISC */
/*
 * nixie-lspawn [DEFAULT-DELIVERY]
 *
 * Runs local deliveries for nixie-send, many at once.  Reads requests from descriptor 0 and writes
 * reports to descriptor 1 (docs/architecture.md, "Processes"); first it tells how many deliveries
 * it takes at once.  A delivery first goes to a staying nixie-local of its user (worker.c), which
 * does it if that takes nothing but Maildirs; any other is one nixie-local of its own, with the
 * message as its descriptor 0.  All are turned into the user by nixie-become; in single-user mode
 * nobody becomes anybody.
 *
 * DEFAULT-DELIVERY is what happens to mail of users without a .qmail file, in the format of one;
 * without it control/defaultdelivery; if that is missing or empty, "./Maildir/".
 *
 * A delivery is over when its nixie-local has answered or ended: what programs that it left behind
 * still hold of the pipe is not waited for.  At the end of descriptor 0 the running deliveries are
 * waited for.
 *
 * Exit status: 0 at the end of requests; 111 if it cannot start or cannot go on.
 */
#include "mta/lspawn/lspawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mta/lib/child.h"
#include "mta/lib/clock.h"
#include "mta/lib/control.h"
#include "mta/lib/error.h"
#include "mta/lib/home.h"
#include "mta/lib/io.h"
#include "mta/lib/mem.h"
#include "mta/lib/num.h"

#define DEFAULT_DELIVERY_MAX 10000
#define EXIT_TEMPORARY 111
#define LAST_READS 32 /* of a delivery that has ended: 32 * 4096 bytes */

#define FDS_BEFORE 2    /* signals, requests */
#define LOCAL_STRINGS 8 /* arguments of nixie-local */

struct delivery {
    struct worker *worker; /* that has it; NULL: none */
    pid_t pid;             /* of the program that has it; 0: none (neither: the slot is free) */
    /* For the worker, and for a program if it is none of the worker's. */
    struct buf arguments; /* LOCAL_STRINGS, each with its NUL */
    int message;
    uid_t uid;
    gid_t gid;
    /* For the program. */
    int pipe; /* its output; -1 after its end */
    struct buf output;
    bool cut; /* there was more output than is kept */
};

struct lspawn {
    struct buf home;
    bool single_user;
    uid_t message_owner;
    struct buf default_delivery;
    struct buf local_program;
    struct buf become_program;
    char **environment; /* of the programs: ours with NIXIE_HOME */
    struct buf home_variable;
    int signals;
    struct users users;
    struct request request;
    struct buf report;
    struct delivery *deliveries; /* LSPAWN_SLOTS */
    struct workers workers;
    struct pollfd *polls; /* FDS_BEFORE + LSPAWN_SLOTS + WORKERS_MAX */
    unsigned *polled;     /* what polls[FDS_BEFORE + i] is: a slot, or LSPAWN_SLOTS + a worker */
    unsigned programs;    /* deliveries that programs have */
    unsigned running;     /* deliveries */
    bool reading;         /* descriptor 0 is not at its end */
    bool listening;       /* somebody reads descriptor 1 */
};

static const char out_of_memory[] = "ZOut of memory in nixie-lspawn. (#4.3.0)\n";

static int die(const char *what, int error)
{
    const char *parts[] = {"nixie-lspawn: ", what, error ? ": " : "",
                           error ? error_text(error) : "", "\n"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (io_write(2, parts[i], strlen(parts[i])) < 0)
            break;
    return 111;
}

/* --- reports --- */

static void send_report(struct lspawn *lspawn)
{
    if (!lspawn->listening)
        return;
    /* nobody reads: send has died, and will try these again when it comes back */
    if (io_write(1, lspawn->report.data, lspawn->report.length) < 0)
        lspawn->listening = lspawn->reading = false;
}

/* What cannot be reported must not be waited for: without memory for a report there is the constant
 * one, which the buffer was made to hold at the start. */
static void report_text(struct lspawn *lspawn, unsigned slot, const char *text)
{
    if (report_build_text(&lspawn->report, slot, text) < 0)
        report_build_text(&lspawn->report, slot, out_of_memory);
    send_report(lspawn);
}

/* --- running deliveries --- */

static void release(struct lspawn *lspawn, struct delivery *delivery)
{
    io_close(&delivery->message);
    buf_free(&delivery->arguments);
    buf_free(&delivery->output);
    delivery->worker = NULL;
    delivery->pid = 0;
    delivery->cut = false;
    lspawn->running--;
}

/* It has ended, with these results. */
static void finish(struct lspawn *lspawn, unsigned slot, int exit_code, const struct buf *output,
                   bool cut)
{
    cut = cut || output->length > REPORT_MAX;
    if (report_build(&lspawn->report, slot, exit_code, output, cut) < 0)
        report_build_text(&lspawn->report, slot, out_of_memory);
    send_report(lspawn);
    release(lspawn, &lspawn->deliveries[slot]);
}

/* One read of a program's output; false at its end (or when there is none just now). */
static bool read_output(struct delivery *delivery)
{
    char block[4096];
    ssize_t count = io_read(delivery->pipe, block, sizeof block);
    if (count < 0 && errno == EAGAIN)
        return false;
    if (count <= 0) {
        io_close(&delivery->pipe);
        return false;
    }
    size_t room = OUTPUT_KEPT - delivery->output.length;
    size_t part = (size_t) count < room ? (size_t) count : room;
    if (buf_add(&delivery->output, block, part) < 0)
        part = 0;
    if (part < (size_t) count)
        delivery->cut = true;
    return true;
}

static void program_ended(struct lspawn *lspawn, unsigned slot, int status)
{
    struct delivery *delivery = &lspawn->deliveries[slot];
    for (int i = 0; i < LAST_READS && delivery->pipe >= 0; i++)
        if (!read_output(delivery))
            break;
    io_close(&delivery->pipe);
    lspawn->programs--;
    finish(lspawn, slot, WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_CRASHED, &delivery->output,
           delivery->cut);
}

/* That a worker has ended is seen at its socket. */
static void reap(struct lspawn *lspawn)
{
    struct signalfd_siginfo signals[4];
    while (io_read(lspawn->signals, signals, sizeof signals) > 0)
        ;
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid <= 0)
            return;
        for (unsigned slot = 0; lspawn->programs && slot < LSPAWN_SLOTS; slot++)
            if (lspawn->deliveries[slot].pid == pid)
                program_ended(lspawn, slot, status);
    }
}

/* --- starting one --- */

/* queue/mess/N, read-only.  NULL or a report. */
static const char *open_message(const struct lspawn *lspawn, const struct buf *number, int *fd)
{
    char path[64] = "queue/mess/";
    uint64_t value;
    if (num_parse(number->data, number->length, &value) < 0)
        return "DInternal error: messid has nonnumerics. (#5.3.5)\n";
    num_format(path + strlen(path), value);
    *fd = open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
    if (*fd < 0)
        return "Znixie-lspawn unable to open message. (#4.3.0)\n";
    struct stat st;
    if (fstat(*fd, &st) < 0)
        return "Znixie-lspawn unable to fstat message. (#4.3.0)\n";
    if (!S_ISREG(st.st_mode))
        return "ZSorry, message has wrong type. (#4.3.5)\n";
    if (st.st_uid != lspawn->message_owner)
        return "ZSorry, message has wrong owner. (#4.3.5)\n";
    return NULL;
}

/* Starts `program` as that user with these descriptors.  Its pid, or -1 with errno. */
static pid_t start_program(const struct lspawn *lspawn, uid_t user, gid_t group,
                           const char *const *program, const int fds[3])
{
    char uid[NUM_DIGITS], gid[NUM_DIGITS];
    const char *argv[4 + LOCAL_STRINGS + 3] = {lspawn->become_program.data, uid, gid, "/"};
    size_t count = 4;
    num_format(uid, user);
    num_format(gid, group);
    while (*program)
        argv[count++] = *program++;
    argv[count] = NULL;
    const char **from = lspawn->single_user ? argv + 4 : argv;
    struct child child = {.path = from[0],
                          .argv = (char *const *) from,
                          .environment = lspawn->environment,
                          .fds = {fds[0], fds[1], fds[2]},
                          .fd_count = 3};
    return child_start(&child);
}

/* For workers.c. */
static pid_t start_worker(void *context, uid_t uid, gid_t gid, int socket)
{
    const struct lspawn *lspawn = context;
    const char *program[] = {lspawn->local_program.data, "--stay", NULL};
    const int fds[3] = {-1, socket, socket};
    return start_program(lspawn, uid, gid, program, fds);
}

static pid_t start_local(const struct lspawn *lspawn, const struct delivery *delivery, int output)
{
    const char *program[2 + LOCAL_STRINGS + 1] = {lspawn->local_program.data, "--"};
    const char *at = delivery->arguments.data;
    const int fds[3] = {delivery->message, output, output};
    for (int i = 0; i < LOCAL_STRINGS; i++, at += strlen(at) + 1)
        program[2 + i] = at;
    return start_program(lspawn, delivery->uid, delivery->gid, program, fds);
}

/* Gives the delivery to a process of its own.  NULL if it now runs, or a report. */
static const char *run_program(struct lspawn *lspawn, struct delivery *delivery)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return "Znixie-lspawn unable to create pipe. (#4.3.0)\n";
    pid_t pid = -1;
    if (io_set_nonblocking(ends[0]) == 0)
        pid = start_local(lspawn, delivery, ends[1]);
    close(ends[1]);
    if (pid < 0) {
        /* also when the program is missing: an upgrade that went wrong is no reason to bounce */
        close(ends[0]);
        return "ZUnable to run nixie-local. (#4.3.0)\n";
    }
    io_close(&delivery->message);
    delivery->worker = NULL;
    delivery->pid = pid;
    delivery->pipe = ends[0];
    delivery->output.limit = OUTPUT_KEPT;
    lspawn->programs++;
    return NULL;
}

/* Gives the delivery to a worker.  False: there is none. */
static bool give_worker(struct lspawn *lspawn, unsigned slot)
{
    struct delivery *delivery = &lspawn->deliveries[slot];
    int64_t now = clock_monotonic_ms();
    struct worker *worker = workers_take(&lspawn->workers, delivery->uid, delivery->gid, now);
    if (!worker || worker_give(worker, slot, &delivery->arguments, delivery->message, now) < 0)
        return false;
    delivery->worker = worker;
    return true;
}

static int add_string(struct buf *to, const char *text)
{
    return buf_add(to, text, strlen(text) + 1);
}

static int add_field(struct buf *to, const struct buf *field)
{
    if (buf_add(to, field->data, field->length) < 0)
        return -1;
    return buf_add_byte(to, 0);
}

/* The arguments of nixie-local.  0, or -1 with ENOMEM. */
static int make_arguments(const struct lspawn *lspawn, struct buf *to,
                          const struct recipient_user *user, const char *local, const char *domain)
{
    if (add_field(to, &user->user) < 0 || add_field(to, &user->home) < 0 ||
        add_string(to, local) < 0 || add_field(to, &user->dash) < 0 ||
        add_field(to, &user->extension) < 0 || add_string(to, domain) < 0 ||
        add_field(to, &lspawn->request.sender) < 0 || add_field(to, &lspawn->default_delivery) < 0)
        return -1;
    return 0;
}

/* NULL if it now runs, or a report.  Takes over the message. */
static const char *run(struct lspawn *lspawn, unsigned slot, const struct recipient_user *user,
                       const char *local, const char *domain, int message)
{
    struct delivery *delivery = &lspawn->deliveries[slot];
    const char *report = NULL;
    delivery->message = message;
    delivery->uid = user->uid;
    delivery->gid = user->gid;
    lspawn->running++;
    if (make_arguments(lspawn, &delivery->arguments, user, local, domain) < 0)
        report = out_of_memory;
    else if (!give_worker(lspawn, slot))
        report = run_program(lspawn, delivery);
    if (report)
        release(lspawn, delivery);
    return report;
}

static const char *deliver(struct lspawn *lspawn, unsigned slot, struct buf *trouble)
{
    struct request *request = &lspawn->request;
    const struct delivery *delivery = &lspawn->deliveries[slot];
    if (delivery->pid || delivery->worker)
        return "ZInternal error: delnum in use. (#4.3.5)\n";
    if (request->too_long)
        return "ZInternal error: request too long. (#4.3.5)\n";
    char *at = memrchr(request->recipient.data, '@', request->recipient.length);
    if (!at)
        return "DSorry, address must include host name. (#5.1.3)\n";
    *at = 0;
    int message = -1;
    struct recipient_user user = {.uid = 0};
    const char *report = open_message(lspawn, &request->number, &message);
    if (!report)
        report = users_find(&lspawn->users, request->recipient.data, &user, trouble);
    if (!report)
        report = run(lspawn, slot, &user, request->recipient.data, at + 1, message);
    else
        io_close(&message);
    recipient_user_free(&user);
    return report;
}

static void take_request(struct lspawn *lspawn)
{
    struct buf trouble = BUF_INIT(1000);
    unsigned slot = lspawn->request.slot;
    if (slot >= LSPAWN_SLOTS) {
        report_text(lspawn, slot, "ZInternal error: delnum too big. (#4.3.5)\n");
    } else {
        const char *report = deliver(lspawn, slot, &trouble);
        if (report)
            report_text(lspawn, slot, report);
    }
    buf_free(&trouble);
    request_reset(&lspawn->request);
}

static void read_requests(struct lspawn *lspawn)
{
    char block[4096];
    ssize_t count = io_read(0, block, sizeof block);
    if (count <= 0 && !(count < 0 && errno == EAGAIN))
        lspawn->reading = false;
    for (ssize_t i = 0; i < count; i++)
        if (request_add(&lspawn->request, block[i]))
            take_request(lspawn);
}

/* --- workers --- */

/* The worker has ended, within deliveries perhaps.  If it never began, because it could not become
 * the user, say, what it told says so. */
static void worker_gone(struct lspawn *lspawn, struct worker *worker)
{
    bool told = !worker->ready && worker->output.length;
    for (unsigned i = 0; i < worker->slot_count; i++)
        finish(lspawn, worker->slots[i], told ? EXIT_TEMPORARY : EXIT_CRASHED, &worker->output,
               worker->cut);
    worker_end(worker);
}

static void worker_answers(struct lspawn *lspawn, struct worker *worker, int64_t now)
{
    unsigned slot = worker->slot;
    if (worker->code != WORKER_CODE_OTHER) {
        finish(lspawn, slot, worker->code, &worker->output, worker->cut);
        worker_answered(worker, now);
        return;
    }
    worker_answered(worker, now);
    const char *report = run_program(lspawn, &lspawn->deliveries[slot]);
    if (report) {
        release(lspawn, &lspawn->deliveries[slot]);
        report_text(lspawn, slot, report);
    }
}

static void hear_worker(struct lspawn *lspawn, struct worker *worker, short found, int64_t now)
{
    if (worker->state == WORKER_NONE) /* ended since, for its place */
        return;
    int message = worker->state == WORKER_BUSY ? lspawn->deliveries[worker->last].message : -1;
    enum worker_news news = worker_work(worker, found, message);
    while (news == WORKER_ANSWERS) {
        worker_answers(lspawn, worker, now);
        news = worker_next(worker);
    }
    if (news == WORKER_GONE)
        worker_gone(lspawn, worker);
}

/* --- the loop --- */

static void add_poll(struct lspawn *lspawn, unsigned *count, unsigned what, int fd, short events)
{
    lspawn->polled[*count - FDS_BEFORE] = what;
    lspawn->polls[(*count)++] = (struct pollfd){.fd = fd, .events = events};
}

static unsigned fill_polls(struct lspawn *lspawn)
{
    unsigned count = FDS_BEFORE;
    lspawn->polls[0] = (struct pollfd){.fd = lspawn->signals, .events = POLLIN};
    lspawn->polls[1] = (struct pollfd){.fd = lspawn->reading ? 0 : -1, .events = POLLIN};
    for (unsigned slot = 0; lspawn->programs && slot < LSPAWN_SLOTS; slot++) {
        const struct delivery *delivery = &lspawn->deliveries[slot];
        if (delivery->pid && delivery->pipe >= 0)
            add_poll(lspawn, &count, slot, delivery->pipe, POLLIN);
    }
    for (unsigned i = 0; i < WORKERS_MAX; i++) {
        const struct worker *worker = &lspawn->workers.all[i];
        if (worker->state != WORKER_NONE)
            add_poll(lspawn, &count, LSPAWN_SLOTS + i, worker->fd, worker_events(worker));
    }
    return count;
}

static void hear(struct lspawn *lspawn, unsigned count, int64_t now)
{
    for (unsigned i = FDS_BEFORE; i < count; i++) {
        unsigned what = lspawn->polled[i - FDS_BEFORE];
        short found = lspawn->polls[i].revents;
        if (found && what < LSPAWN_SLOTS)
            read_output(&lspawn->deliveries[what]);
        else if (found)
            hear_worker(lspawn, &lspawn->workers.all[what - LSPAWN_SLOTS], found, now);
    }
    if (lspawn->polls[0].revents)
        reap(lspawn);
    if (lspawn->reading && lspawn->polls[1].revents)
        read_requests(lspawn);
}

static int poll_timeout(int64_t next, int64_t now)
{
    if (next == INT64_MAX)
        return -1;
    return next - now < INT_MAX ? (int) (next - now) : INT_MAX;
}

static int loop(struct lspawn *lspawn)
{
    while (lspawn->reading || lspawn->running) {
        int64_t now = clock_monotonic_ms();
        int64_t next = workers_trim(&lspawn->workers, now);
        unsigned count = fill_polls(lspawn);
        if (poll(lspawn->polls, count, poll_timeout(next, now)) < 0) {
            if (errno == EINTR || errno == ENOMEM)
                continue;
            return die("unable to poll", errno);
        }
        hear(lspawn, count, clock_monotonic_ms());
    }
    return 0;
}

/* --- start --- */

static int read_default_delivery(struct lspawn *lspawn, int argc, char **argv)
{
    struct buf *to = &lspawn->default_delivery;
    to->limit = DEFAULT_DELIVERY_MAX;
    if (argc > 1) {
        if (buf_set_text(to, argv[1]) < 0)
            return -1;
    } else if (io_read_file("control/defaultdelivery", to) < 0) {
        if (errno != ENOENT)
            return -1;
    }
    /* instructions to do nothing would lose all mail */
    if (to->length == 0 && buf_set_text(to, "./Maildir/") < 0)
        return -1;
    if (to->length && memchr(to->data, 0, to->length)) {
        errno = EINVAL;
        return -1;
    }
    return buf_text(to) ? 0 : -1;
}

/* Our environment with NIXIE_HOME as we found it, whatever directory the programs run in. */
static int make_environment(struct lspawn *lspawn, char **environment)
{
    static const char name[] = "NIXIE_HOME=";
    size_t count = 0;
    while (environment[count])
        count++;
    lspawn->environment = mem_alloc((count + 2) * sizeof *lspawn->environment);
    if (!lspawn->environment || buf_set_text(&lspawn->home_variable, name) < 0 ||
        buf_add(&lspawn->home_variable, lspawn->home.data, lspawn->home.length) < 0 ||
        !buf_text(&lspawn->home_variable))
        return -1;
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (strncmp(environment[i], name, sizeof name - 1) != 0)
            lspawn->environment[kept++] = environment[i];
    lspawn->environment[kept++] = lspawn->home_variable.data;
    lspawn->environment[kept] = NULL;
    return 0;
}

static int prepare_memory(struct lspawn *lspawn)
{
    const size_t polled = LSPAWN_SLOTS + WORKERS_MAX;
    lspawn->deliveries = mem_alloc(LSPAWN_SLOTS * sizeof *lspawn->deliveries);
    lspawn->polls = mem_alloc((FDS_BEFORE + polled) * sizeof *lspawn->polls);
    lspawn->polled = mem_alloc(polled * sizeof *lspawn->polled);
    lspawn->workers.start = start_worker;
    lspawn->workers.context = lspawn;
    if (!lspawn->deliveries || !lspawn->polls || !lspawn->polled ||
        buf_reserve(&lspawn->report, 200) < 0 || workers_init(&lspawn->workers) < 0)
        return -1;
    memset(lspawn->deliveries, 0, LSPAWN_SLOTS * sizeof *lspawn->deliveries);
    for (unsigned i = 0; i < LSPAWN_SLOTS; i++)
        lspawn->deliveries[i].pipe = lspawn->deliveries[i].message = -1;
    return 0;
}

static int prepare_signals(struct lspawn *lspawn)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    if (sigaction(SIGPIPE, &ignore, NULL) < 0 || sigprocmask(SIG_BLOCK, &child, NULL) < 0)
        return -1;
    lspawn->signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    return lspawn->signals < 0 ? -1 : 0;
}

/* The owner of queue/mess is the one that queue writes messages as. */
static int find_message_owner(struct lspawn *lspawn)
{
    struct stat st;
    if (stat("queue/mess", &st) < 0)
        return -1;
    lspawn->message_owner = st.st_uid;
    return 0;
}

static int start(struct lspawn *lspawn, int argc, char **argv, char **environment)
{
    if (home_enter(environment, &lspawn->home) < 0 || !buf_text(&lspawn->home))
        return die("unable to enter the home directory", errno);
    if (home_single_user(&lspawn->single_user) < 0)
        return die("unable to look for control/singleuser", errno);
    if (read_default_delivery(lspawn, argc, argv) < 0)
        return die("unable to read control/defaultdelivery", errno);
    if (find_message_owner(lspawn) < 0)
        return die("unable to find queue/mess", errno);
    if (home_program(&lspawn->home, "nixie-local", &lspawn->local_program) < 0 ||
        home_program(&lspawn->home, "nixie-become", &lspawn->become_program) < 0 ||
        !buf_text(&lspawn->local_program) || !buf_text(&lspawn->become_program) ||
        make_environment(lspawn, environment) < 0 || prepare_memory(lspawn) < 0)
        return die("unable to start", errno);
    if (prepare_signals(lspawn) < 0)
        return die("unable to set up signals", errno);
    users_init(&lspawn->users, lspawn->home.data, lspawn->single_user);
    request_init(&lspawn->request);
    return 0;
}

static void end(struct lspawn *lspawn)
{
    workers_free(&lspawn->workers);
    users_free(&lspawn->users);
    request_free(&lspawn->request);
    buf_free(&lspawn->report);
    mem_free(lspawn->deliveries);
    mem_free(lspawn->polls);
    mem_free(lspawn->polled);
    mem_free(lspawn->environment);
    buf_free(&lspawn->home_variable);
    buf_free(&lspawn->default_delivery);
    buf_free(&lspawn->local_program);
    buf_free(&lspawn->become_program);
    buf_free(&lspawn->home);
    io_close(&lspawn->signals);
}

int main(int argc, char **argv, char **environment)
{
    struct lspawn lspawn = {.signals = -1, .reading = true, .listening = true};
    int status = start(&lspawn, argc, argv, environment);
    if (status == 0) {
        char limit[2] = {(char) (LSPAWN_SLOTS & 255), (char) (LSPAWN_SLOTS >> 8)};
        status = io_write(1, limit, 2) < 0 ? die("unable to write", errno) : loop(&lspawn);
    }
    end(&lspawn);
    return status;
}

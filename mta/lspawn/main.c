/* SPDX-License-Identifier: ISC */
/*
 * nixie-lspawn [DEFAULT-DELIVERY]
 *
 * Runs local deliveries for nixie-send, many at once.  Reads requests from descriptor 0 and writes
 * reports to descriptor 1 (docs/architecture.md, "Processes"); first it tells how many deliveries
 * it takes at once.  Each delivery is one nixie-local with the message as its descriptor 0, turned
 * into the user by nixie-become; in single-user mode nobody becomes anybody.
 *
 * DEFAULT-DELIVERY is what happens to mail of users without a .qmail file, in the format of one;
 * without it control/defaultdelivery, else "./Maildir/".
 *
 * A delivery is over when nixie-local has ended: what programs that it left behind still hold of
 * the pipe is not waited for.  At the end of descriptor 0 the running deliveries are waited for.
 *
 * Exit status: 0 at the end of requests; 111 if it cannot start or cannot go on.
 */
#include "mta/lspawn/lspawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mta/lib/child.h"
#include "mta/lib/control.h"
#include "mta/lib/error.h"
#include "mta/lib/home.h"
#include "mta/lib/io.h"
#include "mta/lib/mem.h"
#include "mta/lib/num.h"

#define DEFAULT_DELIVERY_MAX 10000
#define OUTPUT_KEPT (REPORT_MAX + 1)
#define LAST_READS 32 /* of a delivery that has ended: 32 * 4096 bytes */

struct delivery {
    pid_t pid; /* 0: the slot is free */
    int pipe;  /* the output of the program; -1 after its end */
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
    struct pollfd *polls;        /* 2 + LSPAWN_SLOTS */
    unsigned *polled;            /* the slot of polls[2 + i] */
    unsigned running;
    bool reading;   /* descriptor 0 is not at its end */
    bool listening; /* somebody reads descriptor 1 */
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

/* One read of a delivery's output; false at its end (or when there is none just now). */
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

static void finish(struct lspawn *lspawn, unsigned slot, int status)
{
    struct delivery *delivery = &lspawn->deliveries[slot];
    for (int i = 0; i < LAST_READS && delivery->pipe >= 0; i++)
        if (!read_output(delivery))
            break;
    io_close(&delivery->pipe);
    bool cut = delivery->cut || delivery->output.length > REPORT_MAX;
    if (report_build(&lspawn->report, slot, status, &delivery->output, cut) < 0)
        report_build_text(&lspawn->report, slot, out_of_memory);
    send_report(lspawn);
    buf_free(&delivery->output);
    delivery->pid = 0;
    delivery->cut = false;
    lspawn->running--;
}

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
        for (unsigned slot = 0; slot < LSPAWN_SLOTS; slot++)
            if (lspawn->deliveries[slot].pid == pid)
                finish(lspawn, slot, status);
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

/* Runs nixie-local with these descriptors.  Its pid, or -1 with errno. */
static pid_t start_program(struct lspawn *lspawn, struct recipient_user *user, char *local,
                           char *domain, int message, int output)
{
    char uid[NUM_DIGITS], gid[NUM_DIGITS];
    char become_directory[] = "/", end_of_flags[] = "--";
    num_format(uid, user->uid);
    num_format(gid, user->gid);
    char *argv[] = {lspawn->become_program.data,
                    uid,
                    gid,
                    become_directory,
                    lspawn->local_program.data,
                    end_of_flags,
                    user->user.data,
                    user->home.data,
                    local,
                    user->dash.data,
                    user->extension.data,
                    domain,
                    lspawn->request.sender.data,
                    lspawn->default_delivery.data,
                    NULL};
    char **from = lspawn->single_user ? argv + 4 : argv;
    struct child child = {.path = from[0],
                          .argv = from,
                          .environment = lspawn->environment,
                          .fds = {message, output, output},
                          .fd_count = 3};
    return child_start(&child);
}

/* Ends the texts of `user` with NULs.  0 or -1 with ENOMEM. */
static int end_texts(struct recipient_user *user)
{
    if (!buf_text(&user->user) || !buf_text(&user->home) || !buf_text(&user->dash) ||
        !buf_text(&user->extension))
        return -1;
    return 0;
}

/* NULL if it now runs, or a report. */
static const char *run(struct lspawn *lspawn, struct delivery *delivery,
                       struct recipient_user *user, char *local, char *domain, int message)
{
    int ends[2];
    if (end_texts(user) < 0)
        return out_of_memory;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return "Znixie-lspawn unable to create pipe. (#4.3.0)\n";
    pid_t pid = -1;
    if (io_set_nonblocking(ends[0]) == 0)
        pid = start_program(lspawn, user, local, domain, message, ends[1]);
    close(ends[1]);
    if (pid < 0) {
        /* also when the program is missing: an upgrade that went wrong is no reason to bounce */
        close(ends[0]);
        return "ZUnable to run nixie-local. (#4.3.0)\n";
    }
    delivery->pid = pid;
    delivery->pipe = ends[0];
    delivery->output.limit = OUTPUT_KEPT;
    lspawn->running++;
    return NULL;
}

static const char *deliver(struct lspawn *lspawn, struct delivery *delivery, struct buf *trouble)
{
    struct request *request = &lspawn->request;
    if (delivery->pid)
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
        report = run(lspawn, delivery, &user, request->recipient.data, at + 1, message);
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
        const char *report = deliver(lspawn, &lspawn->deliveries[slot], &trouble);
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

/* --- the loop --- */

static unsigned fill_polls(struct lspawn *lspawn)
{
    lspawn->polls[0] = (struct pollfd){.fd = lspawn->signals, .events = POLLIN};
    lspawn->polls[1] = (struct pollfd){.fd = lspawn->reading ? 0 : -1, .events = POLLIN};
    unsigned count = 2;
    for (unsigned slot = 0; slot < LSPAWN_SLOTS; slot++) {
        const struct delivery *delivery = &lspawn->deliveries[slot];
        if (!delivery->pid || delivery->pipe < 0)
            continue;
        lspawn->polled[count - 2] = slot;
        lspawn->polls[count++] = (struct pollfd){.fd = delivery->pipe, .events = POLLIN};
    }
    return count;
}

static int loop(struct lspawn *lspawn)
{
    while (lspawn->reading || lspawn->running) {
        unsigned count = fill_polls(lspawn);
        if (poll(lspawn->polls, count, -1) < 0) {
            if (errno == EINTR)
                continue;
            return die("unable to poll", errno);
        }
        for (unsigned i = 2; i < count; i++)
            if (lspawn->polls[i].revents)
                read_output(&lspawn->deliveries[lspawn->polled[i - 2]]);
        if (lspawn->polls[0].revents)
            reap(lspawn);
        if (lspawn->reading && lspawn->polls[1].revents)
            read_requests(lspawn);
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
        if (errno != ENOENT || buf_set_text(to, "./Maildir/") < 0)
            return -1;
    }
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
    lspawn->deliveries = mem_alloc(LSPAWN_SLOTS * sizeof *lspawn->deliveries);
    lspawn->polls = mem_alloc((LSPAWN_SLOTS + 2) * sizeof *lspawn->polls);
    lspawn->polled = mem_alloc(LSPAWN_SLOTS * sizeof *lspawn->polled);
    if (!lspawn->deliveries || !lspawn->polls || !lspawn->polled ||
        buf_reserve(&lspawn->report, 200) < 0)
        return -1;
    memset(lspawn->deliveries, 0, LSPAWN_SLOTS * sizeof *lspawn->deliveries);
    for (unsigned i = 0; i < LSPAWN_SLOTS; i++)
        lspawn->deliveries[i].pipe = -1;
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
    lspawn->single_user = home_is_single_user();
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

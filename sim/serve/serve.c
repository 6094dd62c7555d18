/* SPDX-License-Identifier: ISC */
/*
 * The order of a run: read, check, listen, run the command (or wait for ^C), stop, judge.
 *
 * With a command ^C and TERM are passed on to it, and its end is the end, unjudged (130); without
 * one they are the end that was meant, and all is judged.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sim/serve/serve.h"

#define START_NS (10 * INT64_C(1000000000)) /* until all servers listen */
#define STOP_NS (5 * INT64_C(1000000000))   /* until they have ended */
#define ERROR_READS 64                      /* of what a dead server has left in its pipe */
#define PATIENCE_NS STOP_NS                 /* with a command that was told to end */

/* --- small things -----------------------------------------------------------------------------*/

void serve_say(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fputs("nixie serve: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}

static int64_t monotonic(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t) time.tv_sec * 1000000000 + time.tv_nsec;
}

int64_t serve_now(const struct serve *serve)
{
    return monotonic() - serve->start_ns;
}

/* --- the loop ---------------------------------------------------------------------------------*/

struct loop {
    struct serve *serve;
    int signals;
    struct pollfd *polls;
    int command_status; /* of waitpid, when `command_ended` */
    bool command_ended;
    int told;          /* the signal that said to end; 0: none */
    int64_t killed_ns; /* when the command is killed; INT64_MAX: never */
};

static void reap(struct loop *loop)
{
    struct serve *serve = loop->serve;
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == serve->command) {
            serve->command = 0;
            loop->command_status = status;
            loop->command_ended = true;
        }
        for (size_t i = 0; i < serve->server_count; i++) {
            struct serve_server *server = &serve->servers[i];

            if (server->pid != pid)
                continue;
            for (int k = 0; k < ERROR_READS && server->error_fd >= 0; k++)
                server_read_errors(server);
            if (server_ended(server, status) < 0)
                serve->broken = true;
        }
    }
}

/* ^C reaches the command by itself; what was sent to serve alone is passed on.  The second time
 * there is no more patience. */
static void pass_on(struct loop *loop, const struct signalfd_siginfo *info)
{
    bool from_terminal = info->ssi_code == SI_KERNEL;

    if (loop->serve->command > 0) {
        if (loop->told)
            kill(loop->serve->command, SIGKILL);
        else if (!from_terminal)
            kill(loop->serve->command, (int) info->ssi_signo);
    }
    loop->told = (int) info->ssi_signo;
    loop->killed_ns = serve_now(loop->serve) + PATIENCE_NS;
}

static void heed_signals(struct loop *loop)
{
    struct signalfd_siginfo info;

    while (read(loop->signals, &info, sizeof info) == (ssize_t) sizeof info) {
        if (info.ssi_signo == SIGCHLD)
            reap(loop);
        else
            pass_on(loop, &info);
    }
}

/* Waits for something, until `deadline` at most, and sees to it. */
static void turn(struct loop *loop, int64_t deadline)
{
    struct serve *serve = loop->serve;
    int64_t left = deadline == INT64_MAX ? -1 : (deadline - serve_now(serve)) / 1000000 + 1;
    size_t count = 0;

    if (deadline != INT64_MAX && left < 0)
        left = 0;
    loop->polls[count++] = (struct pollfd){.fd = loop->signals, .events = POLLIN};
    for (size_t i = 0; i < serve->server_count; i++) {
        loop->polls[count++] = (struct pollfd){.fd = serve->servers[i].fd, .events = POLLIN};
        loop->polls[count++] = (struct pollfd){.fd = serve->servers[i].error_fd, .events = POLLIN};
    }
    if (poll(loop->polls, count, left > 60000 ? 60000 : (int) left) <= 0)
        return;
    for (size_t i = 0; i < serve->server_count; i++) {
        if (loop->polls[1 + 2 * i].revents)
            server_read(&serve->servers[i]);
        if (loop->polls[2 + 2 * i].revents && serve->servers[i].error_fd >= 0)
            server_read_errors(&serve->servers[i]);
    }
    if (loop->polls[0].revents)
        heed_signals(loop);
    fflush(serve->out);
}

/* --- the servers ------------------------------------------------------------------------------*/

static bool all_listen(const struct serve *serve)
{
    for (size_t i = 0; i < serve->server_count; i++)
        if (serve->servers[i].listening_count < serve->servers[i].address_count)
            return false;
    return true;
}

/* 0; SERVE_LACKING after telling why not; or 128 and a signal. */
static int start_servers(struct loop *loop)
{
    struct serve *serve = loop->serve;

    for (size_t i = 0; i < serve->server_count; i++)
        if (server_start(&serve->servers[i]) < 0)
            return SERVE_LACKING;
    while (!all_listen(serve) && !serve->broken && !loop->told && serve_now(serve) < START_NS)
        turn(loop, START_NS);
    if (loop->told)
        return SERVE_INTERRUPTED + loop->told;
    if (all_listen(serve) && !serve->broken)
        return 0;
    if (!serve->broken)
        serve_say("the servers do not start");
    return SERVE_LACKING;
}

static bool all_ended(const struct serve *serve)
{
    for (size_t i = 0; i < serve->server_count; i++)
        if (serve->servers[i].pid > 0 || serve->servers[i].fd >= 0)
            return false;
    return true;
}

static void signal_servers(struct serve *serve, int signal)
{
    for (size_t i = 0; i < serve->server_count; i++) {
        serve->servers[i].stopping = true;
        if (serve->servers[i].pid > 0)
            kill(serve->servers[i].pid, signal);
    }
}

/* They say all that they have to say. */
static void stop_servers(struct loop *loop)
{
    struct serve *serve = loop->serve;
    int64_t deadline = serve_now(serve) + STOP_NS;

    signal_servers(serve, SIGTERM);
    while (!all_ended(serve) && serve_now(serve) < deadline)
        turn(loop, deadline);
    if (all_ended(serve))
        return;
    serve_say("a server does not end, and is killed");
    serve->broken = true;
    signal_servers(serve, SIGKILL);
    while (!all_ended(serve) && serve_now(serve) < deadline + STOP_NS)
        turn(loop, deadline + STOP_NS);
}

/* --- the command ------------------------------------------------------------------------------*/

/* Until it has ended; or, without one, until ^C. */
static void serve_until_end(struct loop *loop)
{
    struct serve *serve = loop->serve;

    loop->killed_ns = INT64_MAX;
    while (!serve->broken && (serve->options.command ? !loop->command_ended : !loop->told)) {
        turn(loop, loop->killed_ns);
        if (serve->command > 0 && serve_now(serve) >= loop->killed_ns)
            kill(serve->command, SIGKILL);
    }
    if (serve->command <= 0)
        return;
    kill(serve->command, SIGTERM); /* there is no server any more */
    loop->killed_ns = serve_now(serve) + PATIENCE_NS;
    while (!loop->command_ended) {
        turn(loop, loop->killed_ns);
        if (serve->command > 0 && serve_now(serve) >= loop->killed_ns)
            kill(serve->command, SIGKILL);
    }
}

static int command_result(const struct loop *loop)
{
    int status = loop->command_status;

    if (!loop->serve->options.command)
        return 0;
    if (WIFSIGNALED(status))
        return SERVE_INTERRUPTED + WTERMSIG(status);
    return WEXITSTATUS(status);
}

/* With the servers listening: the rest.  Returns the exit status. */
static int run_command(struct loop *loop)
{
    struct serve *serve = loop->serve;
    int broken = serve->options.command ? SERVE_COMMAND_BROKEN : SERVE_BROKEN, status, verdict;

    report_start(serve);
    if (serve->options.command) {
        status = command_start(serve);
        if (status != 0)
            return status;
    }
    serve_until_end(loop);
    stop_servers(loop);
    status = command_result(loop);
    if (serve->broken)
        return broken;
    if (serve->options.command && loop->told) {
        serve_say("interrupted: nothing is judged");
        return SERVE_INTERRUPTED + loop->told;
    }
    verdict = report_end(serve);
    return status ? status : verdict;
}

/* --- all of it --------------------------------------------------------------------------------*/

static int open_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_DFL); /* ignored, as it may be inherited, nobody could be waited for */
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return -1;
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int run_servers(struct serve *serve)
{
    struct loop loop = {.serve = serve, .killed_ns = INT64_MAX};
    int status;

    loop.signals = open_signals();
    if (loop.signals < 0) {
        serve_say("cannot wait for signals: %s", strerror(errno));
        return SERVE_LACKING;
    }
    loop.polls = must_zeroed((1 + 2 * serve->server_count) * sizeof *loop.polls);
    status = start_servers(&loop);
    if (status == 0)
        status = run_command(&loop);
    serve->broken = false;
    stop_servers(&loop);
    free(loop.polls);
    close(loop.signals);
    return status;
}

static int load(struct serve *serve)
{
    const struct serve_options *options = &serve->options;

    if (!options->file) {
        if (options->definition_count == 0)
            return 0;
        serve_say("-D without a scenario file");
        return -1;
    }
    serve->scenario =
        scenario_load(options->file, options->definitions, options->definition_count, stderr);
    return serve->scenario ? cannot_check(serve) : -1;
}

static void forget(struct serve *serve)
{
    for (size_t i = 0; i < serve->server_count; i++)
        server_free(&serve->servers[i]);
    for (size_t i = 0; i < serve->session_count; i++)
        free(serve->sessions[i].lines);
    free(serve->sessions);
    free(serve->mails);
    free(serve->bounces);
    if (serve->scenario)
        scenario_free(serve->scenario);
    pool_free(&serve->pool);
}

static int prepare_and_run(struct serve *serve)
{
    int status;

    if (load(serve) < 0)
        return SERVE_WRONG;
    if (mailbox_make(&serve->mailbox, serve->options.maildir) < 0)
        return SERVE_LACKING;
    status = plan_make(serve) < 0 ? SERVE_WRONG : run_servers(serve);
    if (serve->mailbox.temporary && serve->taken > 0 && status != SERVE_HELD)
        serve_say("the mail is in %s", serve->mailbox.path);
    mailbox_end(&serve->mailbox,
                !serve->options.keep && (status == SERVE_HELD || serve->taken == 0));
    return status;
}

int serve_run(int argc, char **argv)
{
    struct serve serve = {.start_ns = monotonic()};
    int status = SERVE_WRONG;

    if (options_read(&serve.options, &serve.pool, argc, argv) == 0) {
        serve.out = serve.options.command ? stderr : stdout;
        status = prepare_and_run(&serve);
    } else {
        fputs(serve_use, stderr);
    }
    forget(&serve);
    return status;
}

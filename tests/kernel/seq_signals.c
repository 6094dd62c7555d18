/* SPDX-License-Identifier: ISC */
/* Signals, signalfd, time and chance. */
#include "tests/kernel/sequences.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int signal_descriptor(int first, int second)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, first);
    if (second)
        sigaddset(&set, second);
    DO(sigprocmask(SIG_BLOCK, &set, NULL));
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static void read_signal(int fd)
{
    struct signalfd_siginfo info;
    errno = 0;
    ssize_t count = read(fd, &info, sizeof info);
    if (count == -1)
        say("read: %s", error_name(errno));
    else
        say("read %zd bytes: signal %u", count, info.ssi_signo);
}

static void to_myself(void)
{
    int fd = signal_descriptor(SIGTERM, SIGALRM);
    DO(fd);
    read_signal(fd);
    DO(kill(getpid(), SIGTERM));
    DO(kill(getpid(), SIGTERM));
    struct pollfd one = {fd, POLLIN, 0};
    DO(poll(&one, 1, 0));
    read_signal(fd);
    read_signal(fd);
    DO(kill(getpid(), SIGTERM));
    DO(kill(getpid(), SIGALRM));
    read_signal(fd);
    read_signal(fd);
    read_signal(fd);
    DO(poll(&one, 1, 0));
    char small[4];
    DO(read(fd, small, 4));
    DO(write(fd, small, 4));
}

static void child_ends(void)
{
    int fd = signal_descriptor(SIGCHLD, 0);
    pid_t child = start_child("exit 5", -1, -1);
    struct pollfd one = {fd, POLLIN, 0};
    DO(poll(&one, 1, 5000));
    read_signal(fd);
    say_wait(child);
    read_signal(fd);
    child = start_child("terminate", -1, -1);
    DO(poll(&one, 1, 5000));
    say_wait(child);
    read_signal(fd);
}

static void kill_errors(void)
{
    DO(kill(999999, SIGTERM));
    DO(kill(getpid(), 0));
    DO(kill(getpid(), 999));
    DO(kill(getpid(), -1));
    pid_t child = start_child("exit 0", -1, -1);
    pause_ms(50);
    DO(kill(child, 0));
    DO(kill(child, SIGKILL));
    say_wait(child);
    DO(kill(child, 0));
}

static void end_a_child(void)
{
    static const int signals[] = {SIGTERM, SIGKILL, SIGHUP, SIGALRM, SIGPIPE, SIGINT, SIGUSR1};
    for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++) {
        pid_t child = start_child("forever", -1, -1);
        pause_ms(5);
        DO(kill(child, signals[i]));
        say_wait(child);
    }
    pid_t child = start_child("forever", -1, -1);
    DO(kill(child, SIGCHLD));
    DO(kill(child, 0));
    DO(kill(child, SIGTERM));
    say_wait(child);
}

static void actions(void)
{
    struct sigaction action, old;
    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_IGN;
    DO(sigaction(SIGTERM, &action, &old));
    DO(old.sa_handler == SIG_DFL);
    DO(kill(getpid(), SIGTERM));
    DO(sigaction(SIGTERM, NULL, &old));
    DO(old.sa_handler == SIG_IGN);
    DO(sigaction(SIGKILL, &action, NULL));
    DO(sigaction(SIGSTOP, &action, NULL));
    DO(sigaction(0, &action, NULL));
    DO(sigaction(999, &action, NULL));
    DO(sigaction(SIGKILL, NULL, &old));
    action.sa_handler = SIG_DFL;
    DO(sigaction(SIGTERM, &action, NULL));
    DO(kill(getpid(), SIGTERM));
    say("not reached");
}

static void blocked_then_opened(void)
{
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    DO(sigprocmask(SIG_BLOCK, &set, &old));
    DO(sigismember(&old, SIGTERM));
    DO(kill(getpid(), SIGTERM));
    DO(sigprocmask(SIG_BLOCK, NULL, &old));
    DO(sigismember(&old, SIGTERM));
    DO(sigprocmask(99, &set, NULL));
    DO(sigprocmask(SIG_UNBLOCK, &set, NULL));
    say("not reached");
}

static void ignored_while_blocked(void)
{
    int fd = signal_descriptor(SIGTERM, 0);
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_IGN;
    DO(kill(getpid(), SIGTERM));
    DO(sigaction(SIGTERM, &action, NULL));
    read_signal(fd);
    DO(kill(getpid(), SIGTERM));
    read_signal(fd);
}

static void signalfd_changed(void)
{
    int fd = signal_descriptor(SIGTERM, SIGUSR1);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    DO(signalfd(fd, &set, 0) == fd);
    DO(kill(getpid(), SIGTERM));
    read_signal(fd);
    DO(kill(getpid(), SIGUSR1));
    read_signal(fd);
    DO(signalfd(1, &set, 0));
    DO(signalfd(99, &set, 0));
    DO(signalfd(-1, &set, 12345));
}

static void ignored_children(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_IGN;
    DO(sigaction(SIGCHLD, &action, NULL));
    pid_t child = start_child("exit 3", -1, -1);
    pause_ms(50);
    DO(waitpid(child, NULL, 0));
}

static void clocks(void)
{
    struct timespec first, second;
    DO(clock_gettime(CLOCK_MONOTONIC, &first));
    DO(poll(NULL, 0, 30));
    DO(clock_gettime(CLOCK_MONOTONIC, &second));
    long passed =
        (long) ((second.tv_sec - first.tv_sec) * 1000 + (second.tv_nsec - first.tv_nsec) / 1000000);
    DO(passed >= 29);
    DO(clock_gettime(CLOCK_REALTIME, &first));
    DO(first.tv_sec > 1700000000);
    DO(clock_gettime(12345, &first));
}

static void chance(void)
{
    unsigned char first[16], second[16];
    DO(getrandom(first, 16, 0));
    DO(getrandom(second, 16, 0));
    DO(memcmp(first, second, 16) != 0);
    DO(getrandom(first, 0, 0));
    DO(getrandom(first, 16, 12345));
}

const struct sequence signal_sequences[] = {{"signal to myself", to_myself},
                                            {"SIGCHLD", child_ends},
                                            {"kill errors", kill_errors},
                                            {"ending a child", end_a_child},
                                            {"dispositions", actions},
                                            {"blocked, then unblocked", blocked_then_opened},
                                            {"ignored while blocked", ignored_while_blocked},
                                            {"signalfd changed", signalfd_changed},
                                            {"ignored children", ignored_children},
                                            {"clocks", clocks},
                                            {"random numbers", chance},
                                            {NULL, NULL}};

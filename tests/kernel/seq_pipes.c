/* SPDX-License-Identifier: ISC */
/* Pipes, FIFOs and poll. */
#include "tests/kernel/sequences.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void ignore_pipe_signal(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
}

static void show_poll(int fd, short events)
{
    struct pollfd one = {fd, events, 0};
    errno = 0;
    int result = poll(&one, 1, 0);
    report("poll", result, errno);
    say("revents%s%s%s%s%s", one.revents & POLLIN ? " IN" : "", one.revents & POLLOUT ? " OUT" : "",
        one.revents & POLLHUP ? " HUP" : "", one.revents & POLLERR ? " ERR" : "",
        one.revents & POLLNVAL ? " NVAL" : "");
}

static void simple(void)
{
    int ends[2];
    char block[10];
    DO(pipe(ends));
    DO(write(ends[1], "hello", 5));
    DO(read(ends[0], block, 2));
    DO(read(ends[0], block, 10));
    say_bytes("rest", block, 3);
    DO(write(ends[0], "x", 1));
    DO(read(ends[1], block, 1));
    DO(close(ends[1]));
    DO(read(ends[0], block, 10));
}

static void broken(void)
{
    int ends[2];
    ignore_pipe_signal();
    DO(pipe2(ends, O_CLOEXEC));
    DO(fcntl(ends[0], F_GETFD));
    DO(close(ends[0]));
    DO(write(ends[1], "x", 1));
    DO(write(ends[1], "", 0));
    show_poll(ends[1], POLLOUT);
}

static void full(void)
{
    int ends[2];
    char block[4096];
    memset(block, 'f', sizeof block);
    DO(pipe2(ends, O_NONBLOCK));
    DO(read(ends[0], block, 1));
    long total = 0;
    ssize_t count;
    while ((count = write(ends[1], block, sizeof block)) > 0)
        total += count;
    report("write", count, errno);
    DO(total);
    show_poll(ends[1], POLLOUT);
    show_poll(ends[0], POLLIN);
    DO(read(ends[0], block, 4096));
    show_poll(ends[1], POLLOUT);
    DO(write(ends[1], block, 4096));
    DO(write(ends[1], block, 1));
    DO(pipe2(ends, 12345678));
}

static void atomic_writes(void)
{
    int ends[2];
    static const size_t large = 60000;
    char block[60000];
    memset(block, 'a', sizeof block);
    make_pipe(ends, O_NONBLOCK);
    DO(write(ends[1], block, large));
    DO(write(ends[1], block, 4096));
    DO(write(ends[1], block, 4096));
    DO(read(ends[0], block, large));
    DO(read(ends[0], block, large));
    DO(read(ends[0], block, large));
}

static void end_of_file_poll(void)
{
    int ends[2];
    make_pipe(ends, 0);
    show_poll(ends[0], POLLIN);
    show_poll(ends[1], POLLOUT);
    DO(write(ends[1], "x", 1));
    show_poll(ends[0], POLLIN);
    DO(close(ends[1]));
    show_poll(ends[0], POLLIN);
    char block[4];
    DO(read(ends[0], block, 4));
    show_poll(ends[0], POLLIN);
    show_poll(ends[0], 0);
}

static void poll_kinds(void)
{
    make_file("a", "x", 0644);
    int fd = open("a", O_RDWR);
    show_poll(fd, POLLIN | POLLOUT);
    show_poll(fd, 0);
    show_poll(99, POLLIN);
    show_poll(-1, POLLIN);
    int null = open("/dev/null", O_RDWR);
    show_poll(null, POLLIN | POLLOUT);
    int directory = open(".", O_RDONLY);
    show_poll(directory, POLLIN);
    DO(poll(NULL, 0, 1));
    DO(poll(NULL, 0, 0));
}

static void poll_many(void)
{
    int first[2], second[2];
    make_pipe(first, 0);
    make_pipe(second, 0);
    struct pollfd set[4] = {
        {first[0], POLLIN, 0}, {second[0], POLLIN, 0}, {first[1], POLLOUT, 0}, {-5, POLLIN, 0}};
    DO(poll(set, 4, 0));
    DO(write(second[1], "x", 1));
    DO(poll(set, 4, 1000));
    DO(set[0].revents == 0);
    DO(set[1].revents == POLLIN);
    DO(set[2].revents == POLLOUT);
    DO(set[3].revents == 0);
    DO(close(first[0]));
    DO(poll(set, 4, 1000));
    DO(set[0].revents == POLLNVAL);
    DO(set[2].revents == (POLLOUT | POLLERR));
}

static void poll_waits(void)
{
    int ends[2], back[2];
    char block[10];
    make_pipe(ends, O_CLOEXEC);
    make_pipe(back, O_CLOEXEC);
    pid_t child = start_child("cat", ends[0], back[1]);
    close(ends[0]);
    close(back[1]);
    struct pollfd one = {back[0], POLLIN, 0};
    DO(poll(&one, 1, 20));
    DO(write(ends[1], "ping", 4));
    DO(poll(&one, 1, 5000));
    DO(read(back[0], block, 10));
    DO(close(ends[1]));
    DO(poll(&one, 1, -1));
    DO(one.revents & POLLHUP);
    DO(read(back[0], block, 10));
    say_wait(child);
}

static void fifo_open(void)
{
    char block[4];
    ignore_pipe_signal();
    DO(mkfifo("f", 0644));
    DO(open("f", O_WRONLY | O_NONBLOCK));
    int reader = open("f", O_RDONLY | O_NONBLOCK);
    DO(reader);
    DO(read(reader, block, 4));
    show_poll(reader, POLLIN);
    int writer = open("f", O_WRONLY | O_NONBLOCK);
    DO(writer);
    DO(read(reader, block, 4));
    DO(write(writer, "abc", 3));
    show_poll(reader, POLLIN);
    DO(read(reader, block, 4));
    DO(close(writer));
    DO(read(reader, block, 4));
    show_poll(reader, POLLIN);
    DO(close(reader));
    DO(open("f", O_WRONLY | O_NONBLOCK));
    int both = open("f", O_RDWR | O_NONBLOCK);
    DO(both);
    DO(write(both, "self", 4));
    DO(read(both, block, 4));
    DO(read(both, block, 4));
    DO(unlink("f"));
    DO(write(both, "x", 1));
    DO(read(both, block, 4));
}

static void fifo_pull(void)
{
    char block[10];
    mkfifo("f", 0622);
    say_stat("f");
    int reader = open("f", O_RDONLY | O_NONBLOCK);
    int hold = open("f", O_WRONLY | O_NONBLOCK);
    show_poll(reader, POLLIN);
    int trigger = open("f", O_WRONLY | O_NONBLOCK);
    DO(write(trigger, "x", 1));
    DO(close(trigger));
    show_poll(reader, POLLIN);
    DO(read(reader, block, 10));
    DO(read(reader, block, 10));
    show_poll(reader, POLLIN);
    DO(close(hold));
    DO(read(reader, block, 10));
}

static void fifo_renamed(void)
{
    char block[4];
    mkfifo("f", 0600);
    int reader = open("f", O_RDONLY | O_NONBLOCK);
    DO(rename("f", "g"));
    int writer = open("g", O_WRONLY | O_NONBLOCK);
    DO(write(writer, "ab", 2));
    DO(read(reader, block, 4));
    DO(open("g", O_RDONLY | O_CREAT | O_EXCL, 0600));
    DO(open("g", O_WRONLY | O_TRUNC | O_NONBLOCK));
}

static void blocking_write(void)
{
    int ends[2], back[2];
    static char block[20000];
    long total = 0;
    make_pipe(ends, O_CLOEXEC);
    make_pipe(back, O_CLOEXEC);
    pid_t child = start_child("cat", ends[0], back[1]);
    close(ends[0]);
    close(back[1]);
    DO(write(ends[1], block, sizeof block));
    DO(close(ends[1]));
    ssize_t count;
    while ((count = read(back[0], block, sizeof block)) > 0)
        total += count;
    DO(total);
    say_wait(child);
}

static void killed_by_pipe(void)
{
    int ends[2];
    make_pipe(ends, O_CLOEXEC);
    pid_t child = start_child("pipe", -1, ends[1]);
    close(ends[1]);
    close(ends[0]);
    say_wait(child);
    ignore_pipe_signal();
    make_pipe(ends, O_CLOEXEC);
    child = start_child("pipe", -1, ends[1]);
    close(ends[1]);
    close(ends[0]);
    say_wait(child);
}

static void zero_reads(void)
{
    int ends[2];
    char block[4];
    make_pipe(ends, O_NONBLOCK);
    DO(read(ends[0], block, 0));
    DO(write(ends[1], block, 0));
    DO(read(ends[0], block, 4));
    DO(fcntl(ends[0], F_GETFL) & O_NONBLOCK ? 1 : 0);
    DO(fcntl(ends[0], F_SETFL, 0));
    DO(fcntl(ends[0], F_GETFL) & O_NONBLOCK ? 1 : 0);
    struct stat st;
    DO(fstat(ends[0], &st));
    DO(S_ISFIFO(st.st_mode));
}

const struct sequence pipe_sequences[] = {{"pipe", simple},
                                          {"broken pipe", broken},
                                          {"full pipe", full},
                                          {"atomic pipe writes", atomic_writes},
                                          {"pipe at its end", end_of_file_poll},
                                          {"poll of every kind", poll_kinds},
                                          {"poll of many", poll_many},
                                          {"poll waits", poll_waits},
                                          {"FIFO open", fifo_open},
                                          {"FIFO as a trigger", fifo_pull},
                                          {"FIFO renamed", fifo_renamed},
                                          {"blocking write", blocking_write},
                                          {"killed by SIGPIPE", killed_by_pipe},
                                          {"empty reads", zero_reads},
                                          {NULL, NULL}};

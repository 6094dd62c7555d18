/* SPDX-License-Identifier: ISC */
/* Starting, ending and waiting for processes; identity. */
#include "tests/kernel/sequences.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <spawn.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* A child that is waited for before anything is printed, so that its output comes first. */
#define SPAWN(call)                                                                                \
    do {                                                                                           \
        int error_ = (call);                                                                       \
        if (!error_)                                                                               \
            say_wait(pid);                                                                         \
        say("%s = %s", #call, error_ ? error_name(error_) : "0");                                  \
    } while (0)

static void self_path(char *to, size_t size)
{
    ssize_t length = readlink("/proc/self/exe", to, size - 1);
    to[length < 0 ? 0 : length] = 0;
}

static void exit_codes(void)
{
    say_wait(start_child("exit 0", -1, -1));
    say_wait(start_child("exit 3", -1, -1));
    say_wait(start_child("exit 256", -1, -1));
    say_wait(start_child("exit 255", -1, -1));
    say_wait(start_child("terminate", -1, -1));
    DO(waitpid(-1, NULL, 0));
    DO(waitpid(getpid(), NULL, 0));
    DO(waitpid(999999, NULL, WNOHANG));
    DO(waitpid(-1, NULL, 12345));
}

static void wait_without_hanging(void)
{
    int ends[2], status = 0;
    make_pipe(ends, O_CLOEXEC);
    pid_t child = start_child("cat", ends[0], -1);
    close(ends[0]);
    DO(waitpid(child, &status, WNOHANG));
    DO(close(ends[1]));
    DO(waitpid(child, &status, 0) == child);
    DO(status);
    DO(waitpid(child, &status, 0));
}

static void any_child(void)
{
    pid_t first = start_child("exit 1", -1, -1);
    say_wait(first);
    pid_t second = start_child("exit 2", -1, -1);
    int status = 0;
    DO(waitpid(-1, &status, 0) == second);
    DO(WEXITSTATUS(status));
}

static void environment(void)
{
    say_wait(start_child("environment", -1, -1));
    say_wait(start_child("where", -1, -1));
}

static void spawn_errors(void)
{
    char *argv[] = {(char *) (size_t) "x", NULL};
    char *none[] = {NULL};
    pid_t pid;
    make_file("plain", "not a program", 0644);
    make_file("rubbish", "not a program", 0755);
    make_file("empty", "", 0755);
    mkdir("d", 0755);
    DO_ERROR(posix_spawn(&pid, "missing", NULL, NULL, argv, none));
    DO_ERROR(posix_spawn(&pid, "plain", NULL, NULL, argv, none));
    DO_ERROR(posix_spawn(&pid, "rubbish", NULL, NULL, argv, none));
    DO_ERROR(posix_spawn(&pid, "empty", NULL, NULL, argv, none));
    DO_ERROR(posix_spawn(&pid, "d", NULL, NULL, argv, none));
    DO_ERROR(posix_spawn(&pid, "plain/x", NULL, NULL, argv, none));
    DO(waitpid(-1, NULL, 0));
    DO(execve("missing", argv, none));
    DO(execve("plain", argv, none));
    DO(execve("rubbish", argv, none));
    DO(execve("d", argv, none));
}

static void spawn_actions(void)
{
    char self[4096];
    self_path(self, sizeof self);
    char *argv[] = {self, (char *) (size_t) "child", (char *) (size_t) "descriptors", NULL};
    char *none[] = {NULL};
    pid_t pid;
    posix_spawn_file_actions_t actions;
    make_file("a", "input", 0644);
    int plain = open("a", O_RDONLY);
    int closed = open("a", O_RDONLY | O_CLOEXEC);
    DO(plain);
    DO(closed);
    SPAWN(posix_spawn(&pid, self, NULL, NULL, argv, none));
    posix_spawn_file_actions_init(&actions);
    DO_ERROR(posix_spawn_file_actions_adddup2(&actions, closed, 7));
    DO_ERROR(posix_spawn_file_actions_addclose(&actions, plain));
    DO_ERROR(posix_spawn_file_actions_addopen(&actions, 9, "a", O_RDONLY, 0));
    SPAWN(posix_spawn(&pid, self, &actions, NULL, argv, none));
    posix_spawn_file_actions_destroy(&actions);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, closed, closed);
    SPAWN(posix_spawn(&pid, self, &actions, NULL, argv, none));
    posix_spawn_file_actions_destroy(&actions);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, 77, 5);
    DO_ERROR(posix_spawn(&pid, self, &actions, NULL, argv, none));
    posix_spawn_file_actions_destroy(&actions);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "missing", O_RDONLY, 0);
    DO_ERROR(posix_spawn(&pid, self, &actions, NULL, argv, none));
    posix_spawn_file_actions_destroy(&actions);
    posix_spawn_file_actions_init(&actions);
    DO_ERROR(posix_spawn_file_actions_addclose(&actions, 66));
    DO_ERROR(posix_spawn_file_actions_addclose(&actions, -1));
    DO_ERROR(posix_spawn_file_actions_adddup2(&actions, -1, 3));
    SPAWN(posix_spawn(&pid, self, &actions, NULL, argv, none));
    posix_spawn_file_actions_destroy(&actions);
    DO(waitpid(-1, NULL, 0));
}

static void spawn_directory(void)
{
    char self[4096];
    self_path(self, sizeof self);
    char *argv[] = {self, (char *) (size_t) "child", (char *) (size_t) "where", NULL};
    char *none[] = {NULL};
    pid_t pid;
    posix_spawn_file_actions_t actions;
    mkdir("d", 0755);
    make_file("d/inside", "", 0644);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addchdir_np(&actions, "d");
    SPAWN(posix_spawn(&pid, self, &actions, NULL, argv, none));
    posix_spawn_file_actions_destroy(&actions);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addchdir_np(&actions, "missing");
    DO_ERROR(posix_spawn(&pid, self, &actions, NULL, argv, none));
    posix_spawn_file_actions_destroy(&actions);
    say_directory(".");
}

static void spawn_signals(void)
{
    char self[4096];
    self_path(self, sizeof self);
    char *argv[] = {self, (char *) (size_t) "child", (char *) (size_t) "mask", NULL};
    char *none[] = {NULL};
    pid_t pid;
    sigset_t term, all, empty;
    sigemptyset(&empty);
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigfillset(&all);
    struct sigaction ignore;
    memset(&ignore, 0, sizeof ignore);
    ignore.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &ignore, NULL);
    sigprocmask(SIG_BLOCK, &term, NULL);
    SPAWN(posix_spawn(&pid, self, NULL, NULL, argv, none));
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    DO_ERROR(posix_spawnattr_setsigmask(&attributes, &empty));
    DO_ERROR(posix_spawnattr_setsigdefault(&attributes, &all));
    SPAWN(posix_spawn(&pid, self, NULL, &attributes, argv, none));
    DO_ERROR(posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK));
    SPAWN(posix_spawn(&pid, self, NULL, &attributes, argv, none));
    DO_ERROR(posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF));
    SPAWN(posix_spawn(&pid, self, NULL, &attributes, argv, none));
    posix_spawnattr_destroy(&attributes);
}

static void exec_keeps(void)
{
    char self[4096];
    self_path(self, sizeof self);
    char *argv[] = {self, (char *) (size_t) "child", (char *) (size_t) "descriptors", NULL};
    char *none[] = {NULL};
    make_file("a", "", 0644);
    DO(open("a", O_RDONLY | O_CLOEXEC));
    DO(open("a", O_RDONLY));
    pid_t pid = getpid();
    DO(pid > 1);
    DO(execve(self, argv, none));
}

static void exec_mask(void)
{
    char self[4096];
    self_path(self, sizeof self);
    char *argv[] = {self, (char *) (size_t) "child", (char *) (size_t) "mask", NULL};
    char *none[] = {NULL};
    sigset_t term;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, NULL);
    struct sigaction ignore;
    memset(&ignore, 0, sizeof ignore);
    ignore.sa_handler = SIG_IGN;
    DO(sigaction(SIGPIPE, &ignore, NULL));
    DO(execve(self, argv, none));
}

static void identity(void)
{
    DO(getuid() == geteuid());
    DO(setuid(getuid()));
    DO(setgid(getgid()));
    DO(getuid() == geteuid());
    DO(getppid() > 0);
    gid_t groups[64];
    DO(getgroups(64, groups) >= 0);
    volatile int minus_one = -1;
    DO(getgroups(minus_one, groups));
    DO(setsid() != -1 || errno == EPERM);
}

static void other_user(void)
{
    if (getuid() == 0) {
        gid_t groups[2] = {70001, 70002};
        DO(setgroups(2, groups));
        DO(getgroups(0, NULL));
        DO(setgid(70001));
        DO(setuid(70000));
        DO(getuid());
        DO(geteuid());
        DO(getegid());
    }
    DO(setuid(0));
    DO(setgid(0));
    DO(setgroups(0, NULL));
    DO(open("mine", O_WRONLY | O_CREAT, 0644) >= 0 ? 1 : -1);
    DO(mkdir("/sequences-not-allowed", 0755));
}

/* Real and effective users apart, both ways, and for good. */
static void two_users(void)
{
    const uid_t none = (uid_t) -1;
    if (getuid() != 0) {
        DO(setreuid(none, none));
        DO(setreuid(0, none));
        DO(setreuid(none, 0));
        DO(setreuid(geteuid(), getuid()) == 0 && getuid() == geteuid());
        return;
    }
    DO(setreuid(70000, 70001));
    DO(getuid());
    DO(geteuid());
    DO(setreuid(none, 0));
    DO(setreuid(70001, 70000));
    DO(getuid());
    DO(geteuid());
    DO(setreuid(none, 70001));
    DO(geteuid());
    DO(setreuid(70002, none));
    DO(setreuid(geteuid(), geteuid()));
    DO(getuid());
    DO(setreuid(none, 70000));
    DO(setuid(70000));
}

static void group_access(void)
{
    if (getuid() != 0) {
        say("not root");
        return;
    }
    make_file("group", "g", 0640);
    make_file("other", "o", 0604);
    make_file("owner", "w", 0400);
    mkdir("shared", 01777);
    chmod("shared", 01777);
    make_file("shared/roots", "r", 0666);
    mkdir("open", 0777);
    chmod("open", 0777);
    make_file("open/roots", "r", 0600);
    DO(chown("group", 0, 70001));
    DO(chown("other", 0, 70001));
    gid_t groups[1] = {70001};
    DO(setgroups(1, groups));
    DO(setgid(70005));
    DO(setuid(70000));
    DO(open("group", O_RDONLY));
    DO(open("group", O_WRONLY));
    DO(open("other", O_RDONLY));
    DO(open("owner", O_RDONLY));
    DO(unlink("shared/roots"));
    DO(rename("shared/roots", "shared/mine"));
    DO(open("shared/roots", O_RDWR));
    DO(open("shared/new", O_RDWR | O_CREAT, 0600));
    say_stat("shared/new");
    DO(unlink("shared/new"));
    DO(unlink("open/roots"));
    DO(chmod("group", 0666));
    DO(chown("open", 70000, 70005));
    DO(link("group", "open/linked"));
}

static void setuid_program(void)
{
    struct stat st;
    make_file("s", "x", 04755);
    DO(stat("s", &st));
    DO((st.st_mode & S_ISUID) != 0);
    int fd = open("s", O_WRONLY);
    DO(chown("s", getuid(), getgid()));
    say_stat("s");
    DO(chmod("s", 06711));
    DO(write(fd, "y", 1));
    say_stat("s");
}

static void orphan_pipe(void)
{
    int ends[2];
    char block[4];
    make_pipe(ends, 0);
    pid_t child = start_child("forever", -1, -1);
    DO(close(ends[1]));
    struct pollfd one = {ends[0], POLLIN, 0};
    DO(poll(&one, 1, 10));
    DO(kill(child, SIGKILL));
    say_wait(child);
    DO(poll(&one, 1, 5000));
    DO(read(ends[0], block, 4));
}

const struct sequence process_sequences[] = {{"exit codes", exit_codes},
                                             {"wait without hanging", wait_without_hanging},
                                             {"any child", any_child},
                                             {"environment", environment},
                                             {"spawn errors", spawn_errors},
                                             {"spawn actions", spawn_actions},
                                             {"spawn in a directory", spawn_directory},
                                             {"spawn and signals", spawn_signals},
                                             {"exec keeps descriptors", exec_keeps},
                                             {"exec keeps the mask", exec_mask},
                                             {"identity", identity},
                                             {"another user", other_user},
                                             {"two users", two_users},
                                             {"access of groups", group_access},
                                             {"setuid bits", setuid_program},
                                             {"inherited pipe", orphan_pipe},
                                             {NULL, NULL}};

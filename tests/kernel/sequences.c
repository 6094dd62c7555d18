/* SPDX-License-Identifier: ISC */
/*
 * sequences            runs every sequence in a process and a directory of its own (below the
 *                      current one); prints "== NAME" and the sequence's lines for each
 * sequences run NAME   one of them, here
 * sequences child WHAT what the children of sequences do
 */
#include "tests/kernel/sequences.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct sequence *const tables[] = {
    file_sequences, pipe_sequences,     socket_sequences,   process_sequences, signal_sequences,
    tcp_sequences,  tcp_more_sequences, tcp_port_sequences, udp_sequences,     NULL};

static void write_all(const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t count = write(1, bytes, size);
        if (count <= 0)
            _exit(99);
        bytes += count;
        size -= (size_t) count;
    }
}

void say(const char *format, ...)
{
    char line[4096];
    va_list list;
    va_start(list, format);
    int length = vsnprintf(line, sizeof line - 1, format, list);
    va_end(list);
    if (length < 0)
        _exit(98);
    if ((size_t) length > sizeof line - 2)
        length = sizeof line - 2;
    line[length] = '\n';
    write_all(line, (size_t) length + 1);
}

const char *error_name(int error)
{
    static const struct {
        int number;
        char name[16];
    } names[] = {
#define NAME(e) {e, #e}
        NAME(EPERM),        NAME(ENOENT),        NAME(ESRCH),           NAME(EINTR),
        NAME(EIO),          NAME(ENXIO),         NAME(E2BIG),           NAME(ENOEXEC),
        NAME(EBADF),        NAME(ECHILD),        NAME(EAGAIN),          NAME(ENOMEM),
        NAME(EACCES),       NAME(EFAULT),        NAME(EBUSY),           NAME(EEXIST),
        NAME(EXDEV),        NAME(ENOTDIR),       NAME(EISDIR),          NAME(EINVAL),
        NAME(ENFILE),       NAME(EMFILE),        NAME(ENOTTY),          NAME(EFBIG),
        NAME(ENOSPC),       NAME(ESPIPE),        NAME(EROFS),           NAME(EMLINK),
        NAME(EPIPE),        NAME(ERANGE),        NAME(ENAMETOOLONG),    NAME(ENOSYS),
        NAME(ENOTEMPTY),    NAME(ELOOP),         NAME(ENOTSOCK),        NAME(EDESTADDRREQ),
        NAME(EMSGSIZE),     NAME(EPROTOTYPE),    NAME(EOPNOTSUPP),      NAME(EADDRINUSE),
        NAME(ENOTCONN),     NAME(EISCONN),       NAME(ECONNREFUSED),    NAME(ECONNRESET),
        NAME(EAFNOSUPPORT), NAME(EALREADY),      NAME(EINPROGRESS),     NAME(ETXTBSY),
        NAME(ENOPROTOOPT),  NAME(ESHUTDOWN),     NAME(EPROTONOSUPPORT), NAME(ESOCKTNOSUPPORT),
        NAME(ENETUNREACH),  NAME(EADDRNOTAVAIL), NAME(ECONNABORTED),    NAME(EHOSTUNREACH),
        NAME(ETIMEDOUT)
#undef NAME
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].number == error)
            return names[i].name;
    return "other error";
}

void report(const char *what, long result, int error)
{
    if (result == -1)
        say("%s = -1 %s", what, error_name(error));
    else
        say("%s = %ld", what, result);
}

void say_bytes(const char *label, const char *bytes, long count)
{
    char text[512];
    size_t length = 0;
    for (long i = 0; i < count && length < sizeof text - 8; i++) {
        unsigned char c = (unsigned char) bytes[i];
        if (c >= 32 && c < 127 && c != '\\')
            text[length++] = (char) c;
        else
            length += (size_t) snprintf(text + length, 5, "\\%03o", c);
    }
    text[length] = 0;
    say("%s \"%s\"", label, text);
}

void say_stat(const char *path)
{
    struct stat st;
    if (lstat(path, &st) < 0) {
        say("lstat %s: %s", path, error_name(errno));
        return;
    }
    int directory = S_ISDIR(st.st_mode);
    say("lstat %s: mode %o links %lu size %lld uid %u gid %u", path, (unsigned) st.st_mode,
        (unsigned long) st.st_nlink, directory ? 0LL : (long long) st.st_size, st.st_uid,
        st.st_gid);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(a, b);
}

void say_directory(const char *path)
{
    char names[40][64];
    size_t count = 0;
    DIR *directory = opendir(path);
    if (!directory) {
        say("opendir %s: %s", path, error_name(errno));
        return;
    }
    struct dirent *entry;
    while ((entry = readdir(directory)) && count < 40)
        snprintf(names[count++], sizeof names[0], "%.60s%s", entry->d_name,
                 entry->d_type == DT_DIR    ? "/"
                 : entry->d_type == DT_LNK  ? "@"
                 : entry->d_type == DT_FIFO ? "|"
                 : entry->d_type == DT_SOCK ? "="
                                            : "");
    closedir(directory);
    qsort(names, count, sizeof names[0], compare_names);
    char line[3000] = "";
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(line);
        snprintf(line + length, sizeof line - length, " %s", names[i]);
    }
    say("names in %s:%s", path, line);
}

void make_pipe(int ends[2], int flags)
{
    if (pipe2(ends, flags) < 0)
        say("pipe2: %s", error_name(errno));
}

void make_file(const char *path, const char *content, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0) {
        say("make_file %s: %s", path, error_name(errno));
        return;
    }
    size_t length = strlen(content);
    if (write(fd, content, length) != (ssize_t) length)
        say("make_file %s: short write", path);
    fchmod(fd, mode);
    close(fd);
}

static pid_t start_self(const char *const arguments[], int input, int output)
{
    char self[4096];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length < 0)
        return -1;
    self[length] = 0;
    char *argv[5] = {self};
    for (int i = 0; arguments[i] && i < 3; i++)
        argv[i + 1] = (char *) (size_t) arguments[i];
    char *environment[] = {(char *) (size_t) "WORD=value", NULL};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    if (input >= 0)
        posix_spawn_file_actions_adddup2(&actions, input, 0);
    if (output >= 0)
        posix_spawn_file_actions_adddup2(&actions, output, 1);
    pid_t pid = -1;
    int error = posix_spawn(&pid, self, &actions, NULL, argv, environment);
    posix_spawn_file_actions_destroy(&actions);
    if (error) {
        errno = error;
        return -1;
    }
    return pid;
}

pid_t start_child(const char *what, int input, int output)
{
    const char *const arguments[] = {"child", what, NULL};
    return start_self(arguments, input, output);
}

void say_wait(pid_t pid)
{
    int status;
    pid_t got;
    do
        got = waitpid(pid, &status, 0);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        say("waitpid: %s", error_name(errno));
    else if (WIFEXITED(status))
        say("exited %d", WEXITSTATUS(status));
    else
        say("killed by %d", WTERMSIG(status));
}

void pause_ms(int ms)
{
    poll(NULL, 0, ms);
}

/* --- what children do -------------------------------------------------------------------------*/

static int child_cat(void)
{
    char block[1000];
    ssize_t count;
    while ((count = read(0, block, sizeof block)) > 0)
        write_all(block, (size_t) count);
    return count < 0;
}

/* Takes one connection from descriptor 0 and echoes it. */
static int child_serve(void)
{
    char block[1000];
    ssize_t count;
    int fd = accept(0, NULL, NULL);
    if (fd < 0)
        return 9;
    while ((count = read(fd, block, sizeof block)) > 0)
        if (write(fd, block, (size_t) count) != count)
            return 8;
    return count < 0 ? 7 : 0;
}

static int child_main(const char *what, char **environment)
{
    if (strncmp(what, "exit ", 5) == 0)
        return (int) strtol(what + 5, NULL, 10);
    if (strcmp(what, "cat") == 0)
        return child_cat();
    if (strcmp(what, "serve") == 0)
        return child_serve();
    if (strcmp(what, "environment") == 0) {
        for (char **entry = environment; *entry; entry++)
            say("%s", *entry);
        return 0;
    }
    if (strcmp(what, "forever") == 0) {
        for (;;)
            poll(NULL, 0, 60000);
    }
    if (strcmp(what, "terminate") == 0) {
        kill(getpid(), SIGTERM);
        return 7;
    }
    if (strcmp(what, "pipe") == 0) {
        while (write(1, "x", 1) == 1)
            ;
        return errno == EPIPE ? 8 : 9;
    }
    if (strcmp(what, "descriptors") == 0) {
        for (int fd = 0; fd < 20; fd++)
            if (fcntl(fd, F_GETFD) >= 0)
                say("descriptor %d is open", fd);
        return 0;
    }
    if (strcmp(what, "mask") == 0) {
        sigset_t mask;
        sigprocmask(SIG_BLOCK, NULL, &mask);
        say("TERM blocked: %d", sigismember(&mask, SIGTERM));
        struct sigaction action;
        sigaction(SIGPIPE, NULL, &action);
        say("PIPE ignored: %d", action.sa_handler == SIG_IGN);
        return 0;
    }
    if (strcmp(what, "where") == 0) {
        say_directory(".");
        return 0;
    }
    return 97;
}

/* --- running ----------------------------------------------------------------------------------*/

static int run_named(const char *name)
{
    char found[256];
    for (int t = 0; tables[t]; t++) {
        for (const struct sequence *s = tables[t]; s->name; s++) {
            if (strcmp(s->name, name) == 0) {
                s->run();
                return 0;
            }
        }
    }
    for (unsigned i = 0; path_sequence(i, found, 0); i++) {
        if (strcmp(found, name) == 0) {
            path_sequence(i, found, 1);
            return 0;
        }
    }
    return 96;
}

static void run_apart(unsigned number, const char *name)
{
    char directory[40];
    say("== %s", name);
    snprintf(directory, sizeof directory, "s%u", number);
    /* One deeper, so that ".." holds nothing else. */
    if (mkdir(directory, 0755) < 0 || chdir(directory) < 0 || mkdir("here", 0755) < 0 ||
        chdir("here") < 0) {
        say("cannot make %s: %s", directory, error_name(errno));
        return;
    }
    const char *const arguments[] = {"run", name, NULL};
    pid_t pid = start_self(arguments, -1, -1);
    if (pid < 0)
        say("cannot start: %s", error_name(errno));
    else
        say_wait(pid);
    if (chdir("../..") < 0)
        _exit(95);
}

int main(int argc, char **argv, char **environment)
{
    if (argc == 3 && strcmp(argv[1], "child") == 0)
        return child_main(argv[2], environment);
    umask(022);
    if (argc == 3 && strcmp(argv[1], "run") == 0)
        return run_named(argv[2]);
    char name[256];
    unsigned number = 0;
    for (int t = 0; tables[t]; t++)
        for (const struct sequence *s = tables[t]; s->name; s++)
            run_apart(number++, s->name);
    for (unsigned i = 0; path_sequence(i, name, 0); i++)
        run_apart(number++, name);
    return 0;
}

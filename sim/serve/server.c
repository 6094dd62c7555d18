/* SPDX-License-Identifier: ISC */
/* The processes of the actor smtp-server. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim/serve/serve.h"

#define PROGRAM "nixie-actor-smtp-server"
#define ERRORS_MAX 4096

/* --- starting ---------------------------------------------------------------------------------*/

/* The actor's path: beside this command (a build), or in ../libexec/nixie (installed).  -1 after
 * telling that it is nowhere. */
static int find_program(char path[PATH_MAX])
{
    static const char *const places[] = {"", "/../libexec/nixie"};
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);

    if (length > 0) {
        self[length] = 0;
        *strrchr(self, '/') = 0;
        for (size_t i = 0; i < sizeof places / sizeof *places; i++)
            if (snprintf(path, PATH_MAX, "%s%s/" PROGRAM, self, places[i]) < PATH_MAX &&
                access(path, X_OK) == 0)
                return 0;
    }
    serve_say("cannot find " PROGRAM " beside this command or in ../libexec/nixie; run make, or "
              "make install");
    return -1;
}

/* A descriptor from which the configuration can be read. */
static int open_config(const struct serve_server *server)
{
    int fd = memfd_create("configuration", MFD_CLOEXEC);
    size_t done = 0;

    while (fd >= 0 && done < server->config_size) {
        ssize_t count = write(fd, server->config + done, server->config_size - done);

        if (count < 0 && errno != EINTR)
            break;
        done += count > 0 ? (size_t) count : 0;
    }
    if (fd >= 0 && (done < server->config_size || lseek(fd, 0, SEEK_SET) < 0)) {
        close(fd);
        return -1;
    }
    return fd;
}

/* In the child.  A process group of its own, so that ^C does not reach it before its mail is
 * judged; and the end of serve, even by KILL, is its end. */
static void become_actor(const char *path, pid_t parent, const int fds[3])
{
    char *argv[] = {(char[]){PROGRAM}, NULL}, *environment[] = {NULL};
    sigset_t none;

    setpgid(0, 0);
    sigemptyset(&none);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent)
        _exit(1);
    for (int i = 0; i < 3; i++)
        if (dup2(fds[i], i) < 0)
            _exit(1);
    execve(path, argv, environment);
    _exit(1);
}

/* Its descriptors 0, 1, 2 as `child`, this side's ends in the server. */
static int open_pipes(struct serve_server *server, int child[3])
{
    int records[2], errors[2];

    child[0] = open_config(server);
    if (child[0] < 0)
        return -1;
    if (pipe2(records, O_CLOEXEC) < 0) {
        close(child[0]);
        return -1;
    }
    if (pipe2(errors, O_CLOEXEC) < 0) {
        close(child[0]);
        close(records[0]);
        close(records[1]);
        return -1;
    }
    server->fd = records[0];
    server->error_fd = errors[0];
    fcntl(server->fd, F_SETFL, O_NONBLOCK);
    fcntl(server->error_fd, F_SETFL, O_NONBLOCK);
    child[1] = records[1];
    child[2] = errors[1];
    return 0;
}

int server_start(struct serve_server *server)
{
    char path[PATH_MAX];
    pid_t parent = getpid(), pid = -1;
    int child[3], error;

    if (find_program(path) < 0)
        return -1;
    if (open_pipes(server, child) == 0) {
        pid = fork();
        error = errno;
        if (pid == 0)
            become_actor(path, parent, child);
        for (int i = 0; i < 3; i++)
            close(child[i]);
        errno = error;
    }
    if (pid < 0) {
        serve_say("cannot start a server: %s", strerror(errno));
        return -1;
    }
    server->pid = pid;
    return 0;
}

/* --- listening to it --------------------------------------------------------------------------*/

static void tell_record(void *context, const struct record_line *line)
{
    hear_record(context, line);
}

void server_read(struct serve_server *server)
{
    char bytes[65536];
    ssize_t count = read(server->fd, bytes, sizeof bytes);

    if (count > 0) {
        records_feed(&server->reader, bytes, (size_t) count, tell_record, server);
    } else if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
        close(server->fd);
        server->fd = -1;
    }
}

void server_read_errors(struct serve_server *server)
{
    char bytes[512];
    ssize_t count = read(server->error_fd, bytes, sizeof bytes);

    if (count > 0 && server->errors_size + (size_t) count < ERRORS_MAX) {
        server->errors = must_resize(server->errors, server->errors_size + (size_t) count + 1);
        memcpy(server->errors + server->errors_size, bytes, (size_t) count);
        server->errors_size += (size_t) count;
        server->errors[server->errors_size] = 0;
    } else if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) {
        close(server->error_fd);
        server->error_fd = -1;
    }
}

/* --- its end ----------------------------------------------------------------------------------*/

/* "127.0.0.1:2525 [::1]:2525" */
static void list_addresses(const struct serve_server *server, char *to, size_t size)
{
    size_t used = 0;

    to[0] = 0;
    for (size_t i = 0; i < server->address_count && used < size; i++) {
        const struct serve_address *address = server->addresses[i];
        bool v6 = strchr(address->host, ':');

        used += (size_t) snprintf(to + used, size - used, "%s%s%s%s:%u", i ? " " : "",
                                  v6 ? "[" : "", address->host, v6 ? "]" : "", address->port);
    }
}

int server_ended(struct serve_server *server, int status)
{
    char addresses[400];
    const char *why = server->errors ? server->errors : "";

    server->pid = 0;
    if (server->stopping && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (strncmp(why, "smtp-server: ", 13) == 0)
        why += 13;
    list_addresses(server, addresses, sizeof addresses);
    if (server->listening_count < server->address_count)
        serve_say("%s: %.*s%s", addresses, (int) strcspn(why, "\n"),
                  *why ? why : "the server does not start",
                  strstr(why, "address in use") ? "; --smtp 127.0.0.1:0 takes a port that is free"
                                                : "");
    else
        serve_say("the server at %s ended with %s %d%s%.*s", addresses,
                  WIFEXITED(status) ? "status" : "signal",
                  WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status), *why ? ": " : "",
                  (int) strcspn(why, "\n"), why);
    return -1;
}

void server_free(struct serve_server *server)
{
    if (server->fd >= 0)
        close(server->fd);
    if (server->error_fd >= 0)
        close(server->error_fd);
    free(server->errors);
    free(server->listening);
    free(server->live);
    free(server->taken);
    records_free(&server->reader);
}

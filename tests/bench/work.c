/* SPDX-License-Identifier: ISC */
/*
 * work OPERATION COUNT: the calls whose cost is compared.  It keeps the server's rules, so that it
 * runs as a real process and, the same object, as a simulated one.
 *
 *   pipe   writes a byte into a pipe and reads it
 *   stat   stat of its own file
 *   open   opens its own file and closes it
 *   spawn  starts itself with `none 0` and waits for it
 *   none   nothing
 *
 * Exit status: 0; 1 if a call failed; 2 usage.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mta/lib/child.h"
#include "mta/lib/num.h"

static int work_pipe(const char *self, uint64_t count)
{
    int fds[2];
    char byte = 'x';
    (void) self;
    if (pipe2(fds, O_CLOEXEC) < 0)
        return 1;
    for (uint64_t i = 0; i < count; i++) {
        if (write(fds[1], &byte, 1) != 1)
            return 1;
        if (read(fds[0], &byte, 1) != 1)
            return 1;
    }
    return 0;
}

static int work_stat(const char *self, uint64_t count)
{
    struct stat st;
    for (uint64_t i = 0; i < count; i++)
        if (stat(self, &st) < 0)
            return 1;
    return 0;
}

static int work_open(const char *self, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        int fd = open(self, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return 1;
        close(fd);
    }
    return 0;
}

static int work_spawn(const char *self, uint64_t count)
{
    char *argv[] = {(char *) self, (char *) "none", (char *) "0", NULL};
    char *environment[] = {NULL};
    struct child child = {
        .path = self, .argv = argv, .environment = environment, .fds = {0, 1, 2}, .fd_count = 3};
    for (uint64_t i = 0; i < count; i++) {
        int status;
        pid_t pid = child_start(&child);
        if (pid < 0)
            return 1;
        if (child_wait(pid, &status) < 0 || status != 0)
            return 1;
    }
    return 0;
}

int main(int argc, char **argv, char **environment)
{
    uint64_t count;
    (void) environment;
    if (argc != 3 || num_parse(argv[2], strlen(argv[2]), &count) < 0)
        return 2;
    if (!strcmp(argv[1], "pipe"))
        return work_pipe(argv[0], count);
    if (!strcmp(argv[1], "stat"))
        return work_stat(argv[0], count);
    if (!strcmp(argv[1], "open"))
        return work_open(argv[0], count);
    if (!strcmp(argv[1], "spawn"))
        return work_spawn(argv[0], count);
    return strcmp(argv[1], "none") ? 2 : 0;
}

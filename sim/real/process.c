/* SPDX-License-Identifier: ISC */
/* `nixie mta start`, `stop` and `status`. */
#include "sim/real/commands.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sim/real/files.h"
#include "sim/real/layout.h"
#include "sim/real/say.h"

#define PID_FILE "run/start.pid" /* nixie-start writes it */
#define LISTEN_FILE "run/listen" /* nixie-listen does */
#define STOP_SECONDS 60          /* running deliveries may finish */

/* Whether process `pid` runs HOME/bin/nixie-start (also one that was replaced on disk since): 1 or
 * 0; -1 if another user's process does not tell. */
static int runs_start(const struct layout_home *home, pid_t pid)
{
    char name[64], target[PATH_MAX + 32], program[PATH_MAX + 32];
    snprintf(name, sizeof name, "/proc/%ld/exe", (long) pid);
    ssize_t length = readlink(name, target, sizeof target - 1);
    if (length < 0)
        return errno == EACCES || errno == EPERM ? -1 : 0;
    target[length] = 0;
    char *deleted = strstr(target, " (deleted)");
    if (deleted)
        *deleted = 0;
    snprintf(program, sizeof program, "%s/bin/nixie-start", home->path);
    return strcmp(target, program) == 0;
}

/* As runs_start; of another user's process the name must do. */
static bool is_our_start(const struct layout_home *home, pid_t pid)
{
    char name[64], comm[32];
    int runs = runs_start(home, pid);
    if (runs >= 0)
        return runs;
    snprintf(name, sizeof name, "/proc/%ld/comm", (long) pid);
    return files_read(AT_FDCWD, name, comm, sizeof comm) > 0 && !strcmp(comm, "nixie-start\n");
}

/* Looks at all processes. */
static pid_t search_start(const struct layout_home *home)
{
    DIR *folder = opendir("/proc");
    if (!folder)
        return 0;
    pid_t found = 0;
    struct dirent *entry;
    while (!found && (entry = readdir(folder)) != NULL) {
        long pid = strtol(entry->d_name, NULL, 10);
        if (pid > 0 && runs_start(home, (pid_t) pid) == 1)
            found = (pid_t) pid;
    }
    closedir(folder);
    return found;
}

/* The server's process, 0 if none runs.  A server that was started on a full disk could not write
 * its number down. */
static pid_t find_start(const struct layout_home *home)
{
    char text[32], *end;
    if (files_read(home->fd, PID_FILE, text, sizeof text) < 0)
        return 0;
    long pid = strtol(text, &end, 10);
    if (pid < 1 || *end != '\n') /* 1: all there is in a container */
        return search_start(home);
    return is_our_start(home, (pid_t) pid) ? (pid_t) pid : 0;
}

/* Becomes nixie-start. */
static int become_start(const struct layout_home *home, const struct mta_options *options)
{
    extern char **environ;
    char program[PATH_MAX + 32];
    snprintf(program, sizeof program, "%s/bin/nixie-start", home->path);
    char *argv[2 * MTA_ADDRESSES_MAX + 3] = {program};
    int argc = 1;
    for (int i = 0; i < options->address_count; i++) {
        argv[argc++] = (char *) "--smtp";
        argv[argc++] = (char *) options->addresses[i];
    }
    argv[argc] = (char *) home->path;
    if (chdir(home->path) < 0 || setenv("NIXIE_HOME", home->path, 1) < 0)
        return say_errno("enter", home->path, errno);
    execve(program, argv, environ);
    return say_errno("run", program, errno);
}

int mta_start(const struct mta_options *options)
{
    struct layout_home home;
    int result = layout_open(&home, options->directory);
    if (result != MTA_OK)
        return result;
    result = layout_check_caller(&home);
    pid_t pid = result == MTA_OK ? find_start(&home) : 0;
    if (pid)
        result = say_failure(MTA_NO, "the server of %s is already running (pid %ld)", home.path,
                             (long) pid);
    if (result == MTA_OK)
        result = become_start(&home, options);
    close(home.fd);
    return result;
}

static int wait_for_end(const struct layout_home *home, pid_t pid)
{
    const struct timespec pause = {0, 50 * 1000 * 1000};
    for (int i = 0; i < STOP_SECONDS * 20; i++) {
        if (!is_our_start(home, pid)) {
            printf("stopped\n");
            return MTA_OK;
        }
        nanosleep(&pause, NULL);
    }
    return say_failure(MTA_NO, "pid %ld still runs after %d s: it waits for deliveries to end",
                       (long) pid, STOP_SECONDS);
}

int mta_stop(const struct mta_options *options)
{
    struct layout_home home;
    int result = layout_open(&home, options->directory);
    if (result != MTA_OK)
        return result;
    pid_t pid = find_start(&home);
    if (!pid)
        printf("not running\n");
    else if (kill(pid, SIGTERM) < 0)
        result = say_errno("stop the server of", home.path, errno);
    else
        result = wait_for_end(&home, pid);
    close(home.fd);
    return result;
}

/* Names in one directory of the queue that are numbers, sorted. */
struct numbers {
    unsigned long long *at;
    size_t count, capacity;
};

static int compare_numbers(const void *a, const void *b)
{
    unsigned long long x = *(const unsigned long long *) a, y = *(const unsigned long long *) b;
    return (x > y) - (x < y);
}

static int numbers_add(struct numbers *numbers, unsigned long long number)
{
    if (numbers->count == numbers->capacity) {
        size_t capacity = numbers->capacity ? 2 * numbers->capacity : 256;
        void *at = realloc(numbers->at, capacity * sizeof *numbers->at);
        if (!at)
            return -1;
        numbers->at = at;
        numbers->capacity = capacity;
    }
    numbers->at[numbers->count++] = number;
    return 0;
}

/* Reads queue/KIND.  Entries that are no numbers count too, as 0.  Returns 0 or -1 with errno. */
static int numbers_read(const struct layout_home *home, const char *kind, struct numbers *numbers)
{
    char path[64];
    snprintf(path, sizeof path, "queue/%s", kind);
    int fd = openat(home->fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    if (!folder)
        return -1;
    struct dirent *entry;
    int result = 0;
    while (result == 0 && (errno = 0, entry = readdir(folder)) != NULL)
        if (entry->d_name[0] != '.')
            result = numbers_add(numbers, strtoull(entry->d_name, NULL, 10));
    if (errno)
        result = -1;
    int error = errno;
    closedir(folder);
    if (numbers->count > 0)
        qsort(numbers->at, numbers->count, sizeof *numbers->at, compare_numbers);
    errno = error;
    return result;
}

static bool numbers_have(const struct numbers *numbers, unsigned long long number)
{
    return numbers->count > 0 && bsearch(&number, numbers->at, numbers->count, sizeof *numbers->at,
                                         compare_numbers) != NULL;
}

enum { PID, MESS, INTD, TODO, INFO, LOCAL, REMOTE, BOUNCE, CORRUPT, KIND_COUNT };
static const char *const kind_names[KIND_COUNT] = {"pid",   "mess",   "intd",   "todo",   "info",
                                                   "local", "remote", "bounce", "corrupt"};

static void print_stages(const struct numbers kinds[KIND_COUNT])
{
    size_t s2 = 0, s3 = 0, s5 = 0;
    for (size_t i = 0; i < kinds[MESS].count; i++) {
        unsigned long long number = kinds[MESS].at[i];
        if (numbers_have(&kinds[TODO], number))
            continue;
        if (numbers_have(&kinds[INFO], number))
            s5++;
        else if (numbers_have(&kinds[INTD], number))
            s3++;
        else
            s2++;
    }
    printf("S1 %zu, S2 %zu, S3 %zu    being received, or left-overs\n", kinds[PID].count, s2, s3);
    printf("S4 %zu                accepted\n", kinds[TODO].count);
    printf("S5 %zu                being delivered: local %zu, remote %zu, with a bounce %zu\n", s5,
           kinds[LOCAL].count, kinds[REMOTE].count, kinds[BOUNCE].count);
    if (kinds[CORRUPT].count > 0)
        printf("corrupt %zu           files set aside in queue/corrupt: please look\n",
               kinds[CORRUPT].count);
}

/* Counts the messages of each stage.  A queue at work changes under the reader: the figures are of
 * the moment each directory was read. */
static int print_queue(const struct layout_home *home)
{
    struct numbers kinds[KIND_COUNT] = {{0}};
    int result = MTA_OK;
    for (int i = 0; i < KIND_COUNT && result == MTA_OK; i++)
        if (numbers_read(home, kind_names[i], &kinds[i]) < 0) {
            char path[PATH_MAX + 32];
            snprintf(path, sizeof path, "%s/queue/%s", home->path, kind_names[i]);
            result = say_errno("read", path, errno);
        }
    if (result == MTA_OK)
        print_stages(kinds);
    for (int i = 0; i < KIND_COUNT; i++)
        free(kinds[i].at);
    return result;
}

/* Where nixie-listen takes mail. */
static void print_addresses(const struct layout_home *home)
{
    char text[4096];
    if (files_read(home->fd, LISTEN_FILE, text, sizeof text) < 0)
        return;
    for (char *line = text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = 0;
        printf("listening on %s\n", line);
    }
}

int mta_status(const struct mta_options *options)
{
    struct layout_home home;
    int result = layout_open(&home, options->directory);
    if (result != MTA_OK)
        return result;
    pid_t pid = find_start(&home);
    if (pid) {
        printf("running (pid %ld)\n", (long) pid);
        print_addresses(&home);
    } else {
        printf("not running\n");
    }
    result = print_queue(&home);
    close(home.fd);
    return result != MTA_OK || pid ? result : MTA_NO;
}

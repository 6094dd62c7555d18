/* SPDX-License-Identifier: ISC */
/* Calls that make and end processes.  What the library needs is put into every environment. */
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sim/reality/preload/preload.h"

static const char *const kept[] = {"LD_PRELOAD=",          "FAKETIME_TIMESTAMP_FILE=",
                                   "FAKETIME_NO_CACHE=",   "NO_FAKE_STAT=",
                                   "FAKETIME_DONT_RESET=", "TZ=",
                                   WIRE_ENVIRONMENT "=",   WIRE_TAG "=",
                                   "NIXIE_REALITY_4=",     "NIXIE_REALITY_6=",
                                   "NIXIE_REALITY_HOST=",  WIRE_ROOT "="};
#define KEPT (sizeof kept / sizeof *kept)

extern char **environ;

static const char *find(char *const *environment, const char *start)
{
    for (; environment && *environment; environment++)
        if (strncmp(*environment, start, strlen(start)) == 0)
            return *environment;
    return NULL;
}

/* `environment` with what is missing; malloc'd array of others' strings, or NULL. */
static char **completed(char *const *environment)
{
    size_t count = 0, used = 0;
    while (environment && environment[count])
        count++;
    char **list = malloc((count + KEPT + 1) * sizeof *list);
    for (size_t i = 0; list && i < count; i++)
        list[used++] = environment[i];
    for (size_t i = 0; list && i < KEPT; i++) {
        const char *own = find(environ, kept[i]);
        if (own && !find(environment, kept[i]))
            list[used++] = (char *) (uintptr_t) own;
    }
    if (list)
        list[used] = NULL;
    return list;
}

typedef int spawner(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                    const posix_spawnattr_t *attributes, char *const argv[], char *const envp[]);

int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                const posix_spawnattr_t *attributes, char *const argv[], char *const environment[])
{
    struct told told = TOLD(spawn, .path = path);
    spawner *spawn = (spawner *) behind("posix_spawn");
    pid_t child = 0;
    int saved = errno;
    if (!tell_before(&told)) {
        int error = errno;
        tell_after(&told, -1);
        errno = saved;
        return error;
    }
    char **all = completed(environment);
    int error = all ? spawn(&child, PLACED(path), actions, attributes, argv, all) : ENOMEM;
    free(all);
    if (pid)
        *pid = child;
    told.argument[0] = child;
    errno = error;
    tell_after(&told, error ? -1 : 0);
    errno = saved;
    return error;
}

int execve(const char *path, char *const argv[], char *const environment[])
{
    struct told told = TOLD(exec, .path = path);
    if (preload.fd < 0)
        return (int) syscall(SYS_execve, PLACED(path), argv, environment);
    if (!tell_before(&told))
        return (int) tell_after(&told, -1);
    char **all = completed(environment);
    if (all)
        syscall(SYS_execve, PLACED(path), argv, all);
    int error = all ? errno : ENOMEM;
    free(all);
    errno = error;
    return (int) tell_after(&told, -1);
}

typedef pid_t forker(void);

/* A child that is a copy talks for itself. */
pid_t fork(void)
{
    struct told told = TOLD(spawn, .path = NULL);
    forker *real = (forker *) behind("fork");
    if (preload.fd < 0)
        return real();
    if (!tell_before(&told)) {
        tell_after(&told, -1);
        return -1;
    }
    pid_t pid = real();
    if (pid == 0) {
        talk_begin(true);
        return 0;
    }
    told.argument[0] = pid;
    tell_after(&told, pid < 0 ? -1 : 0);
    return pid;
}

pid_t vfork(void)
{
    return fork();
}

int kill(pid_t pid, int signal)
{
    struct told told = TOLD(kill, .argument = {pid, signal});
    if (!tell_before(&told))
        return (int) tell_after(&told, -1);
    return (int) tell_after(&told, syscall(SYS_kill, pid, signal));
}

_Noreturn void _exit(int status)
{
    struct told told = TOLD(exit, .argument = {status});
    tell_before(&told);
    for (;;)
        syscall(SYS_exit_group, status);
}

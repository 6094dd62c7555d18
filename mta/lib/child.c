/* SPDX-License-Identifier: ISC */
#include "mta/lib/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

/* posix_spawn works through the actions one by one, so a source may be overwritten before it is
 * used: every source below the target range is first moved out of the way, in the parent. */
static int lift(int fd, unsigned count, int *lifted)
{
    *lifted = -1;
    if (fd < 0 || (unsigned) fd >= count)
        return fd;
    *lifted = fcntl(fd, F_DUPFD_CLOEXEC, (int) count);
    return *lifted;
}

static int add_descriptors(posix_spawn_file_actions_t *actions, const struct child *child,
                           int lifted[CHILD_FDS_MAX])
{
    for (unsigned i = 0; i < child->fd_count; i++) {
        int error;
        if (child->fds[i] < 0) {
            error = posix_spawn_file_actions_addclose(actions, (int) i);
        } else {
            int source = lift(child->fds[i], child->fd_count, &lifted[i]);
            if (source < 0)
                return errno;
            error = posix_spawn_file_actions_adddup2(actions, source, (int) i);
        }
        if (error)
            return error;
    }
    return 0;
}

static int set_attributes(posix_spawnattr_t *attributes, bool own_group)
{
    sigset_t none, all;
    short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    sigemptyset(&none);
    sigfillset(&all);
    int error = posix_spawnattr_setsigmask(attributes, &none);
    if (!error)
        error = posix_spawnattr_setsigdefault(attributes, &all);
    if (!error && own_group) {
        flags |= POSIX_SPAWN_SETPGROUP;
        error = posix_spawnattr_setpgroup(attributes, 0);
    }
    if (!error)
        error = posix_spawnattr_setflags(attributes, flags);
    return error;
}

pid_t child_start(const struct child *child)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int lifted[CHILD_FDS_MAX];
    for (unsigned i = 0; i < CHILD_FDS_MAX; i++)
        lifted[i] = -1;
    pid_t pid = -1;
    int error = posix_spawn_file_actions_init(&actions);
    if (error) {
        errno = error;
        return -1;
    }
    error = posix_spawnattr_init(&attributes);
    if (!error) {
        error = set_attributes(&attributes, child->own_group);
        if (!error)
            error = add_descriptors(&actions, child, lifted);
        if (!error)
            error = posix_spawn(&pid, child->path, &actions, &attributes, child->argv,
                                child->environment);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    for (unsigned i = 0; i < CHILD_FDS_MAX; i++)
        if (lifted[i] >= 0)
            close(lifted[i]);
    if (error) {
        errno = error;
        return -1;
    }
    return pid;
}

int child_wait(pid_t pid, int *status)
{
    for (;;) {
        if (waitpid(pid, status, 0) == pid)
            return 0;
        if (errno != EINTR)
            return -1;
    }
}

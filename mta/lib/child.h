/* SPDX-License-Identifier: ISC */
/* Starting other programs.  Never fork: posix_spawn, with mask and dispositions reset. */
#ifndef MTA_LIB_CHILD_H
#define MTA_LIB_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define CHILD_FDS_MAX 10

struct child {
    const char *path;
    char *const *argv;
    char *const *environment;
    int fds[CHILD_FDS_MAX]; /* the child's descriptor i is our fds[i]; -1: closed */
    bool own_group;         /* in a process group of its own: no ^C of a terminal */
    unsigned fd_count;      /* descriptors at and above are those not close-on-exec: none */
};

/* Starts it with an empty signal mask and default dispositions.  Every other descriptor of ours
 * must be close-on-exec.  Returns its pid, or -1 with errno (execve's errors included). */
pid_t child_start(const struct child *child);

/* Waits for it (may block without bound).  The wait status into *status; 0 or -1 with errno. */
int child_wait(pid_t pid, int *status);

#endif

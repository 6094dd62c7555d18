/* SPDX-License-Identifier: ISC */
/*
 * The frame around every simulated call: time passes, others may get their turn, watchers are
 * told, the run's hash is extended, errno is set.
 *
 *     struct call call = CALL(unlink, .path = path);
 *     if (call_enter(&call))
 *         call.result = vfs_unlink(...);
 *     return (int) call_leave(&call);
 */
#ifndef SIM_KERNEL_CALL_H
#define SIM_KERNEL_CALL_H

#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "sim/kernel/internal.h"

#define CALL(name, ...)                                                                            \
    {                                                                                              \
        .id = CALL_##name, .fd = -1, __VA_ARGS__                                                   \
    }

/* False if a watcher made it fail: the result is set. */
bool call_enter(struct call *call);

/* Returns the result, or -1 with errno set. */
int64_t call_leave(struct call *call);

/* The same for functions that return an error number (posix_spawn). */
int call_leave_error(struct call *call);

/* Puts argv, joined by NULs, into the call's data. */
void call_note_arguments(struct call *call, char *const argv[]);

/* Notes a socket address: AF_UNIX as path, AF_INET and AF_INET6 decoded, without padding; `noted`
 * holds it as long as the call. */
struct noted_address {
    char path[sizeof(struct sockaddr_un) + 1];
    struct sockaddr_storage storage;
};
void call_note_address(struct call *call, const struct sockaddr *address, socklen_t size,
                       struct noted_address *noted);

/* A signal set as bits n-1. */
uint64_t call_signal_set(const sigset_t *set);

static inline struct vfs *call_vfs(void)
{
    return running->host->vfs;
}

#endif

/* SPDX-License-Identifier: ISC */
/*
 * Another engine behind the simulated kernel's interface for the world outside: hosts whose
 * processes are real ones (sim/reality/).  The kernel keeps hosts, addresses, paths of the network,
 * timers, watchers and the list of processes; the backend runs the processes and tells of their
 * calls, before and after, as the simulated ones are told.  The tree of files that was set up
 * through kernel.h is the pattern that the backend makes real files of when it is first asked to
 * start something; from then on files are read from where it has put them.
 */
#ifndef SIM_KERNEL_BACKEND_H
#define SIM_KERNEL_BACKEND_H

#include "sim/kernel/kernel.h"

/* What a backend does.  Functions return 0 or -errno unless said otherwise. */
struct kernel_backend {
    void *context;
    /* The kernel is there; it goes. */
    void (*attach)(void *context, struct kernel *kernel);
    void (*detach)(void *context);
    /* As kernel_run. */
    enum kernel_end (*run)(void *context, int64_t until_ns);
    /* Starts a process: makes it with backend_born.  NULL with *error = errno. */
    struct process *(*start)(void *context, struct host *host, const struct process_spec *spec,
                             int *error);
    void (*signal)(void *context, struct process *process, int signal);
    /* Every process of the host is dead when it returns. */
    void (*kill_host)(void *context, struct host *host);
    /* The host comes up with a new boot id. */
    void (*boot)(void *context, struct host *host);
    /* Up to `most` bytes from `offset` on, malloc'd with a NUL behind; the count or -errno. */
    ssize_t (*read)(void *context, struct host *host, const char *path, uint64_t offset,
                    size_t most, char **data);
    /* As host_list_directory. */
    int (*list)(void *context, struct host *host, const char *path, char ***names);
    /* As host_set_free_space. */
    void (*set_free_space)(void *context, struct host *host, uint64_t leave_bytes);
};

/* --- for the backend ---------------------------------------------------------------------------*/

/* A process of a host: its name is copied.  `real` is the backend's own. */
struct process *backend_born(struct host *host, pid_t pid, const char *name, uint64_t tag,
                             const struct process_spec *spec, void *real);
void *backend_real(const struct process *process);
void backend_set_real(struct process *process, void *real);
/* It runs another program now (exec). */
void backend_rename(struct process *process, const char *name);
/* It has ended with that status of waitpid (-1: with its host): `ended` is told. */
void backend_gone(struct process *process, int status);

/* What is to become of a call that is about to be made. */
struct backend_verdict {
    int error;             /* it fails with that errno; 0: it does not */
    uint64_t limit;        /* it moves so many bytes at most; 0: as many as it can */
    int64_t slow_ns;       /* it takes effect so much later */
    bool discards;         /* it says success, and nothing arrives */
    bool resets;           /* its connection is reset */
    uint64_t resets_after; /* when so many more bytes of this side have arrived; 0: now */
};
/* What the fd is that the next call of the process is on, for faults. */
void backend_call_on(struct process *process, enum file_kind kind);
/* Tells the watchers of a call: time goes on by what a call costs, and call->number and times are
 * set.  kernel_stop may have been called when they return. */
void backend_before(struct kernel *kernel, struct call *call, struct backend_verdict *verdict);
/* How long a sync takes, drawn as for the simulated disk. */
int64_t backend_sync_ns(struct kernel *kernel);
/* What the call has changed is told from here on (backend_changed), until backend_after. */
void backend_changing(struct kernel *kernel, const struct call *call);
void backend_after(struct kernel *kernel, struct call *call);
/* True if kernel_stop was called: run returns KERNEL_STOPPED then; taking the wish back with it. */
bool backend_is_stopped(const struct kernel *kernel);
void backend_take_stop(struct kernel *kernel);

/* A name or the content of a file of the host has changed: tells the host's observer. */
void backend_changed(struct host *host, enum vfs_change change, const char *path,
                     const char *old_path);

/* Time comes to `now_ns`, and what is due by then is done. */
void backend_advance(struct kernel *kernel, int64_t now_ns);
/* Why the run cannot go on, for kernel_spinner. */
void backend_accuse(struct kernel *kernel, const char *why);

/* What stands between a host and an address now. */
enum backend_way {
    WAY_OPEN,
    WAY_REFUSED,
    WAY_UNREACHABLE,
    WAY_SILENT /* also: nobody answers there */
};
enum backend_way backend_way(struct host *from, const struct sockaddr *to);
/* How long a sender of `size` bytes waits until they are over there, nanoseconds: as long as they
 * take at the path's rate, which is taken up by them, and `delays` times its delay.  The path is
 * that of connections which `host` opens to the address, or (`listened`) which come from there.  0
 * of a path of which a scenario has said nothing. */
int64_t backend_path_ns(struct host *host, const struct sockaddr *address, bool listened,
                        size_t size, unsigned delays);

/* The connection that `from` opens to the address is the next one: how many bytes of its client
 * and its server arrive before it is reset; UINT64_MAX: it is not. */
void backend_cuts(struct host *from, const struct sockaddr *address, uint64_t bytes[2]);

/* Told what a process asks of the world (sim/world/declared.c): malloc'd answer, or NULL. */
char *backend_ask(struct kernel *kernel, struct process *process, const char *question, size_t size,
                  size_t *answer_size);

/* All hosts in the order in which they were made; the n-th address of a host as text, or NULL. */
struct host *backend_host(const struct kernel *kernel, size_t index);
const char *backend_address(const struct host *host, size_t index, char to[46]);
void *backend_host_real(const struct host *host);
void backend_set_host_real(struct host *host, void *real);

/* Lines for /etc/passwd and /etc/group of the host: malloc'd. */
char *backend_passwd(const struct host *host);
char *backend_group(const struct host *host);

#endif

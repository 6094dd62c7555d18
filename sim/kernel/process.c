/* SPDX-License-Identifier: ISC */
/* Processes: how they come, end and are waited for. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "sim/kernel/internal.h"
#include "sim/kernel/must.h"

#define FIRST_PID 100
#define LAST_PID 4194303 /* as Linux's pid_max allows on 64 bits */
#define OPEN_FILES 1024
#define OPEN_FILES_HARD 524288

/* --- lists -----------------------------------------------------------------------------------*/

struct process *process_find(struct host *host, pid_t pid)
{
    for (struct process *process = host->first; process; process = process->next_in_host)
        if (process->pid == pid)
            return process;
    return NULL;
}

static pid_t next_pid(struct host *host)
{
    for (;;) {
        if (host->next_pid < FIRST_PID || host->next_pid > LAST_PID)
            host->next_pid = FIRST_PID;
        pid_t pid = host->next_pid++;
        /* The last process has the highest pid until numbers begin anew. */
        if (!host->last || host->last->pid < pid || !process_find(host, pid))
            return pid;
    }
}

static void join_host(struct process *process)
{
    struct host *host = process->host;
    process->previous_in_host = host->last;
    if (host->last)
        host->last->next_in_host = process;
    else
        host->first = process;
    host->last = process;
}

static void leave_host(struct process *process)
{
    struct host *host = process->host;
    if (process->previous_in_host)
        process->previous_in_host->next_in_host = process->next_in_host;
    else
        host->first = process->next_in_host;
    if (process->next_in_host)
        process->next_in_host->previous_in_host = process->previous_in_host;
    else
        host->last = process->previous_in_host;
    process->next_in_host = process->previous_in_host = NULL;
}

static void join_parent(struct process *process)
{
    struct process *parent = process->parent;
    process->previous_sibling = parent->last_child;
    if (parent->last_child)
        parent->last_child->next_sibling = process;
    else
        parent->first_child = process;
    parent->last_child = process;
}

static void leave_parent(struct process *process)
{
    struct process *parent = process->parent;
    if (!parent)
        return;
    if (process->previous_sibling)
        process->previous_sibling->next_sibling = process->next_sibling;
    else
        parent->first_child = process->next_sibling;
    if (process->next_sibling)
        process->next_sibling->previous_sibling = process->previous_sibling;
    else
        parent->last_child = process->previous_sibling;
    process->next_sibling = process->previous_sibling = NULL;
    process->parent = NULL;
}

/* --- birth -----------------------------------------------------------------------------------*/

static struct process *take(struct kernel *kernel)
{
    struct process *process = kernel->free_processes;
    if (!process)
        return must(calloc(1, sizeof *process));
    kernel->free_processes = process->next_free;
    /* The tables of the last user are kept. */
    struct descriptor *entries = process->descriptors.entries;
    unsigned room = process->descriptors.room;
    char *scratch = process->scratch;
    size_t scratch_size = process->scratch_size;
    memset(process, 0, sizeof *process);
    process->descriptors.entries = entries;
    process->descriptors.room = room;
    process->scratch = scratch;
    process->scratch_size = scratch_size;
    return process;
}

static void set_default_limits(struct process *process)
{
    for (int i = 0; i < RLIMIT_NLIMITS; i++)
        process->limits[i].rlim_cur = process->limits[i].rlim_max = RLIM_INFINITY;
    process->limits[RLIMIT_NOFILE].rlim_cur = OPEN_FILES;
    process->limits[RLIMIT_NOFILE].rlim_max = OPEN_FILES_HARD;
    process->limits[RLIMIT_CORE].rlim_cur = 0;
}

static void inherit(struct process *process, struct process *parent)
{
    process->parent = parent;
    join_parent(process);
    process->name = parent->name;
    process->group = parent->group;
    process->session = parent->session;
    process->tag = parent->tag;
    process->cred = parent->cred;
    process->uid = parent->uid;
    process->saved_uid = parent->saved_uid;
    process->gid = parent->gid;
    process->saved_gid = parent->saved_gid;
    process->umask = parent->umask;
    process->directory = parent->directory;
    memcpy(process->limits, parent->limits, sizeof process->limits);
    process->blocked = parent->blocked;
    process->ignored = parent->ignored;
    descriptor_copy_all(process, parent);
}

struct process *process_create(struct host *host, struct process *parent)
{
    struct process *process = take(host->kernel);
    process->kernel = host->kernel;
    process->host = host;
    process->pid = next_pid(host);
    process->state = PROCESS_WAITING;
    join_host(process);
    if (parent) {
        inherit(process, parent);
    } else {
        process->name = "";
        process->group = process->session = process->pid;
        process->umask = 022;
        process->directory = vfs_root(host->vfs);
        set_default_limits(process);
    }
    inode_ref(process->directory);
    policy_born(process);
    return process;
}

/* --- end -------------------------------------------------------------------------------------*/

static void release_memory(struct process *process)
{
    struct kernel *kernel = process->kernel;
    if (kernel->leaving == process)
        return; /* the scheduler does it */
    coro_release(&process->coro);
    process->next_free = kernel->free_processes;
    kernel->free_processes = process;
}

static void unlink_process(struct process *process)
{
    leave_parent(process);
    leave_host(process);
    process->state = PROCESS_GONE;
}

void process_reap(struct process *process)
{
    unlink_process(process);
    release_memory(process);
}

static void orphan_children(struct process *process)
{
    while (process->first_child) {
        struct process *child = process->first_child;
        leave_parent(child);
        if (child->state == PROCESS_ZOMBIE)
            process_reap(child);
    }
}

static void let_go(struct process *process)
{
    wait_forget(process);
    timer_cancel(&process->kernel->timers, &process->timer);
    if (process->state == PROCESS_RUNNABLE)
        scheduler_remove(process);
    process->state = PROCESS_ZOMBIE;
    process->ended_ns = process->host->kernel->now_ns;
    if (process->opening)
        file_unref(process->opening);
    process->opening = NULL;
    if (process->lock_wait)
        flock_abandon(process->lock_wait);
    process->lock_wait = NULL;
    descriptor_close_all(process);
    inode_unref(process->directory);
    process->directory = NULL;
    arena_end(&process->arena);
    arena_end(&process->replaced);
    orphan_children(process);
}

void process_discard(struct process *process)
{
    let_go(process);
    process_reap(process);
}

void process_end(struct process *process, int status)
{
    assert(process_is_alive(process));
    if (process == running)
        process->kernel->leaving = process;
    let_go(process);
    if (process != running)
        coro_release(&process->coro);
    process->status = status;
    struct process *parent = process->parent;
    if (parent && !process->kill_quietly) {
        bool unwanted = parent->ignored & SIGNAL_BIT(SIGCHLD);
        signal_child_ended(parent, process);
        wait_wake(&parent->child_queue);
        if (unwanted)
            process_reap(process);
        return;
    }
    unlink_process(process);
    if (process->ended)
        process->ended(process->ended_context, process, process->kill_quietly ? -1 : status);
    release_memory(process);
}

/* --- waiting ---------------------------------------------------------------------------------*/

static bool is_meant(const struct process *child, const struct process *parent, pid_t which)
{
    if (which > 0)
        return child->pid == which;
    if (which == -1)
        return true;
    return child->group == (which == 0 ? parent->group : -which);
}

int64_t process_wait(struct process *process, pid_t which, int *status, int options)
{
    if (options & ~(WNOHANG | WUNTRACED | WCONTINUED))
        return -EINVAL;
    for (;;) {
        bool any = false;
        for (struct process *child = process->first_child; child; child = child->next_sibling) {
            if (!is_meant(child, process, which))
                continue;
            any = true;
            if (child->state != PROCESS_ZOMBIE)
                continue;
            pid_t pid = child->pid;
            if (status)
                *status = child->status;
            process_reap(child);
            return pid;
        }
        if (!any)
            return -ECHILD;
        if (options & WNOHANG)
            return 0;
        wait_on(&process->child_queue, FOREVER);
    }
}

void *process_scratch(struct process *process, size_t size)
{
    if (size > process->scratch_size) {
        process->scratch_size = size < 4096 ? 4096 : size * 2;
        free(process->scratch);
        process->scratch = must(malloc(process->scratch_size));
    }
    return process->scratch;
}

/* --- what the outside sees -------------------------------------------------------------------*/

pid_t process_pid(const struct process *process)
{
    return process->pid;
}

const char *process_name(const struct process *process)
{
    return process->name;
}

struct host *process_host(const struct process *process)
{
    return process->host;
}

size_t process_live_bytes(const struct process *process)
{
    return process->arena.live_bytes;
}

unsigned process_descriptor_count(const struct process *process)
{
    return process->descriptors.used;
}

uint64_t process_tag(const struct process *process)
{
    return process->tag;
}

void process_set_tag(struct process *process, uint64_t tag)
{
    process->tag = tag;
}

struct process *host_find_process(struct host *host, const char *program)
{
    struct process *found = NULL;
    for (struct process *process = host->first; process; process = process->next_in_host)
        if (process_is_alive(process) && strcmp(process->name, program) == 0 &&
            (!found || process->pid < found->pid))
            found = process;
    return found;
}

static void give_streams(struct process *process, const struct process_spec *spec)
{
    struct kernel *kernel = process->kernel;
    struct file *files[3];
    files[0] = stream_input_create(kernel, spec->input, spec->input_size);
    files[1] = spec->input1 ? stream_input_create(kernel, spec->input1, spec->input1_size)
                            : stream_output_create(kernel, 1, spec->output, spec->context);
    files[2] = stream_output_create(kernel, 2, spec->output, spec->context);
    for (int i = 0; i < 3; i++)
        descriptor_add(process, files[i], 0, false);
}

static int start(struct process *process, const struct process_spec *spec)
{
    process->cred.uid = process->uid = process->saved_uid = spec->uid;
    process->cred.gid = process->gid = process->saved_gid = spec->gid;
    if (spec->directory) {
        int result = process_change_directory(process, spec->directory);
        if (result < 0)
            return result;
    }
    struct arena none;
    memset(&none, 0, sizeof none);
    int result = exec_load(process, spec->path, (char *const *) spec->argv,
                           (char *const *) spec->environment, &none);
    if (result < 0)
        return result;
    give_streams(process, spec);
    return 0;
}

struct process *process_start(struct host *host, const struct process_spec *spec, int *error)
{
    assert(host->up);
    const struct kernel_backend *backend = host->kernel->backend;
    if (backend)
        return backend->start(backend->context, host, spec, error);
    struct process *process = process_create(host, NULL);
    int result = start(process, spec);
    if (result < 0) {
        process_discard(process);
        *error = -result;
        return NULL;
    }
    process->ended = spec->ended;
    process->ended_context = spec->context;
    exec_prepare(process);
    scheduler_ready(process);
    return process;
}

void process_signal(struct process *process, int signal)
{
    const struct kernel_backend *backend = process->kernel->backend;
    struct signal_info info = {.code = SI_USER};
    if (backend) {
        backend->signal(backend->context, process, signal);
        return;
    }
    signal_send(process, signal, &info);
}

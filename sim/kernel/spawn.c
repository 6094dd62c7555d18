/* SPDX-License-Identifier: ISC */
/*
 * posix_spawn with file actions and attributes.  Errors of the actions and of exec are returned,
 * as glibc does; then there is no child.
 *
 * What the caller's objects hold is ours: they are as large as libc's.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "sim/kernel/call.h"
#include "sim/kernel/calls.h"

enum action_kind { ACTION_DUP2, ACTION_CLOSE, ACTION_OPEN, ACTION_CHDIR };

struct action {
    enum action_kind kind;
    int fd, new_fd, flags;
    mode_t mode;
    char *path; /* in the caller's arena */
};

struct actions {
    struct action *list; /* in the caller's arena */
    size_t count, room;
};

struct attributes {
    short flags;
    pid_t group;
    uint64_t mask, defaults;
};

_Static_assert(sizeof(struct actions) <= sizeof(posix_spawn_file_actions_t), "actions fit");
_Static_assert(sizeof(struct attributes) <= sizeof(posix_spawnattr_t), "attributes fit");

static struct actions *actions_of(const posix_spawn_file_actions_t *actions)
{
    return (struct actions *) (uintptr_t) actions;
}

static struct attributes *attributes_of(const posix_spawnattr_t *attributes)
{
    return (struct attributes *) (uintptr_t) attributes;
}

/* --- building; these make no call to the kernel ------------------------------------------------*/

int sim_posix_spawn_file_actions_init(posix_spawn_file_actions_t *actions)
{
    memset(actions, 0, sizeof *actions);
    return 0;
}

int sim_posix_spawn_file_actions_destroy(posix_spawn_file_actions_t *actions)
{
    struct actions *mine = actions_of(actions);
    for (size_t i = 0; i < mine->count; i++)
        arena_free(&running->arena, mine->list[i].path);
    arena_free(&running->arena, mine->list);
    memset(actions, 0, sizeof *actions);
    return 0;
}

static int add_action(posix_spawn_file_actions_t *actions, const struct action *action,
                      const char *path)
{
    struct actions *mine = actions_of(actions);
    struct arena *arena = &running->arena;
    if (mine->count == mine->room) {
        mine->room = mine->room ? mine->room * 2 : 4;
        mine->list = arena_realloc(arena, mine->list, mine->room * sizeof *mine->list);
    }
    struct action *added = &mine->list[mine->count++];
    *added = *action;
    if (path) {
        size_t size = strlen(path) + 1;
        added->path = arena_alloc(arena, size);
        memcpy(added->path, path, size);
    }
    return 0;
}

static bool is_possible(int fd)
{
    return fd >= 0 && (rlim_t) fd < running->limits[RLIMIT_NOFILE].rlim_cur;
}

int sim_posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t *actions, int fd, int new_fd)
{
    struct action action = {.kind = ACTION_DUP2, .fd = fd, .new_fd = new_fd};
    return is_possible(fd) && is_possible(new_fd) ? add_action(actions, &action, NULL) : EBADF;
}

int sim_posix_spawn_file_actions_addclose(posix_spawn_file_actions_t *actions, int fd)
{
    struct action action = {.kind = ACTION_CLOSE, .fd = fd};
    return is_possible(fd) ? add_action(actions, &action, NULL) : EBADF;
}

int sim_posix_spawn_file_actions_addopen(posix_spawn_file_actions_t *actions, int fd,
                                         const char *path, int flags, mode_t mode)
{
    struct action action = {.kind = ACTION_OPEN, .fd = fd, .flags = flags, .mode = mode};
    return is_possible(fd) ? add_action(actions, &action, path) : EBADF;
}

int sim_posix_spawn_file_actions_addchdir_np(posix_spawn_file_actions_t *actions, const char *path)
{
    struct action action = {.kind = ACTION_CHDIR};
    return add_action(actions, &action, path);
}

int sim_posix_spawnattr_init(posix_spawnattr_t *attributes)
{
    memset(attributes, 0, sizeof *attributes);
    return 0;
}

int sim_posix_spawnattr_destroy(posix_spawnattr_t *attributes)
{
    (void) attributes;
    return 0;
}

int sim_posix_spawnattr_setflags(posix_spawnattr_t *attributes, short flags)
{
    const int known = POSIX_SPAWN_RESETIDS | POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF |
                      POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID | POSIX_SPAWN_USEVFORK;
    if (flags & ~known)
        return EINVAL;
    attributes_of(attributes)->flags = flags;
    return 0;
}

int sim_posix_spawnattr_setsigmask(posix_spawnattr_t *attributes, const sigset_t *mask)
{
    attributes_of(attributes)->mask = call_signal_set(mask);
    return 0;
}

int sim_posix_spawnattr_setsigdefault(posix_spawnattr_t *attributes, const sigset_t *signals)
{
    attributes_of(attributes)->defaults = call_signal_set(signals);
    return 0;
}

int sim_posix_spawnattr_setpgroup(posix_spawnattr_t *attributes, pid_t group)
{
    attributes_of(attributes)->group = group;
    return 0;
}

/* --- spawning ----------------------------------------------------------------------------------*/

static int set_group(struct process *child, pid_t group)
{
    if (group < 0)
        return -EINVAL;
    if (group == 0 || group == child->pid) {
        child->group = child->pid;
        return 0;
    }
    for (struct process *other = child->host->first; other; other = other->next_in_host) {
        if (other->group == group && other->session == child->session) {
            child->group = group;
            return 0;
        }
    }
    return -EPERM;
}

static int apply_attributes(struct process *child, const struct attributes *attributes)
{
    if (attributes->flags & POSIX_SPAWN_SETSIGDEF)
        child->ignored &= ~attributes->defaults;
    if (attributes->flags & POSIX_SPAWN_SETSID)
        child->session = child->group = child->pid;
    if (attributes->flags & POSIX_SPAWN_SETPGROUP) {
        int result = set_group(child, attributes->group);
        if (result < 0)
            return result;
    }
    if (attributes->flags & POSIX_SPAWN_RESETIDS) {
        child->cred.uid = child->uid;
        child->cred.gid = child->gid;
    }
    if (attributes->flags & POSIX_SPAWN_SETSIGMASK)
        child->blocked = attributes->mask & ~(SIGNAL_BIT(SIGKILL) | SIGNAL_BIT(SIGSTOP));
    return 0;
}

static struct file *child_file(const struct process *child, int fd)
{
    const struct descriptor_table *table = &child->descriptors;
    return fd >= 0 && (unsigned) fd < table->top ? table->entries[fd].file : NULL;
}

static int apply_dup2(struct process *child, const struct action *action)
{
    struct file *file = child_file(child, action->fd);
    if (!file)
        return -EBADF;
    if (action->fd == action->new_fd) { /* glibc: it stays open over exec */
        child->descriptors.entries[action->fd].close_on_exec = false;
        return 0;
    }
    int result = descriptor_put(child, action->new_fd, file, false);
    return result < 0 ? result : 0;
}

static int apply_open(struct process *child, const struct action *action)
{
    int error;
    descriptor_close(child, action->fd); /* glibc: closed before, if open */
    struct file *file = file_open(child, action->path, action->flags, action->mode, &error);
    if (!file)
        return -error;
    int result = descriptor_put(child, action->fd, file, action->flags & O_CLOEXEC);
    file_unref(file);
    return result < 0 ? result : 0;
}

static int apply_action(struct process *child, const struct action *action)
{
    switch (action->kind) {
    case ACTION_DUP2:
        return apply_dup2(child, action);
    case ACTION_CLOSE:
        descriptor_close(child, action->fd); /* glibc: no error if it is not open */
        return 0;
    case ACTION_OPEN:
        return apply_open(child, action);
    case ACTION_CHDIR:
        return process_change_directory(child, action->path);
    }
    return -EINVAL;
}

static int load(struct process *child, const char *path, const struct actions *actions,
                const struct attributes *attributes, char *const argv[], char *const environment[])
{
    int result = attributes ? apply_attributes(child, attributes) : 0;
    for (size_t i = 0; result == 0 && actions && i < actions->count; i++)
        result = apply_action(child, &actions->list[i]);
    struct arena none;
    return result < 0 ? result : exec_load(child, path, argv, environment, &none);
}

int sim_posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                    const posix_spawnattr_t *attributes, char *const argv[],
                    char *const environment[])
{
    struct process *parent = running;
    struct call call = CALL(spawn, .path = path);
    call_note_arguments(&call, argv);
    if (call_enter(&call)) {
        struct process *child = process_create(parent->host, parent);
        call.result =
            load(child, path, actions_of(actions), attributes_of(attributes), argv, environment);
        if (call.result < 0) {
            process_discard(child);
        } else {
            exec_prepare(child);
            scheduler_ready(child);
            call.argument[0] = child->pid;
            if (pid)
                *pid = child->pid;
        }
    }
    return call_leave_error(&call);
}

/* SPDX-License-Identifier: ISC */
/* Calls about who a process is and what it may use; credentials(7). */
#include <errno.h>
#include <string.h>

#include "sim/kernel/call.h"
#include "sim/kernel/calls.h"

enum { ID_UID, ID_EUID, ID_GID, ID_EGID, ID_PID, ID_PPID, ID_GROUPS };
enum { SET_UID, SET_GID, SET_GROUPS, SET_INITGROUPS, SET_SESSION, SET_REUID };

static int64_t tell_id(int which, int64_t id)
{
    struct call call = CALL(get_id, .argument = {which});
    call_enter(&call);
    call.result = id; /* cannot fail */
    return call_leave(&call);
}

uid_t sim_getuid(void)
{
    return (uid_t) tell_id(ID_UID, running->uid);
}

uid_t sim_geteuid(void)
{
    return (uid_t) tell_id(ID_EUID, running->cred.uid);
}

gid_t sim_getgid(void)
{
    return (gid_t) tell_id(ID_GID, running->gid);
}

gid_t sim_getegid(void)
{
    return (gid_t) tell_id(ID_EGID, running->cred.gid);
}

pid_t sim_getpid(void)
{
    return (pid_t) tell_id(ID_PID, running->pid);
}

pid_t sim_getppid(void)
{
    return (pid_t) tell_id(ID_PPID, running->parent ? running->parent->pid : 1);
}

static int change_uid(struct process *process, uid_t uid)
{
    if (uid == (uid_t) -1)
        return -EINVAL;
    if (process->cred.uid == 0)
        process->uid = process->saved_uid = uid;
    else if (uid != process->uid && uid != process->saved_uid)
        return -EPERM;
    process->cred.uid = uid;
    return 0;
}

int sim_setuid(uid_t uid)
{
    struct call call = CALL(set_id, .argument = {SET_UID, uid});
    if (call_enter(&call))
        call.result = change_uid(running, uid);
    return (int) call_leave(&call);
}

/* setreuid(2): -1 leaves an id as it is; with the real one the saved one changes. */
static int change_both_uids(struct process *process, uid_t real, uid_t effective)
{
    const uid_t none = (uid_t) -1;
    uid_t old_real = process->uid, old = process->cred.uid;
    if (old != 0) {
        if (real != none && real != old_real && real != old)
            return -EPERM;
        if (effective != none && effective != old_real && effective != old &&
            effective != process->saved_uid)
            return -EPERM;
    }
    if (real != none)
        process->uid = real;
    if (effective != none)
        process->cred.uid = effective;
    if (real != none || (effective != none && effective != old_real))
        process->saved_uid = process->cred.uid;
    return 0;
}

int sim_setreuid(uid_t real, uid_t effective)
{
    struct call call = CALL(set_id, .argument = {SET_REUID, real, effective});
    if (call_enter(&call))
        call.result = change_both_uids(running, real, effective);
    return (int) call_leave(&call);
}

static int change_gid(struct process *process, gid_t gid)
{
    if (gid == (gid_t) -1)
        return -EINVAL;
    if (process->cred.uid == 0)
        process->gid = process->saved_gid = gid;
    else if (gid != process->gid && gid != process->saved_gid)
        return -EPERM;
    process->cred.gid = gid;
    return 0;
}

int sim_setgid(gid_t gid)
{
    struct call call = CALL(set_id, .argument = {SET_GID, gid});
    if (call_enter(&call))
        call.result = change_gid(running, gid);
    return (int) call_leave(&call);
}

static int change_groups(struct process *process, size_t count, const gid_t *groups)
{
    if (process->cred.uid != 0)
        return -EPERM;
    if (count > VFS_GROUPS_MAX)
        return -EINVAL;
    for (size_t i = 0; i < count; i++)
        process->cred.groups[i] = groups[i];
    process->cred.group_count = (unsigned) count;
    return 0;
}

int sim_setgroups(size_t count, const gid_t *groups)
{
    struct call call = CALL(set_id, .argument = {SET_GROUPS, (int64_t) count});
    call.argument[2] = count > 0 && count <= VFS_GROUPS_MAX ? groups[0] : 0;
    if (call_enter(&call))
        call.result = change_groups(running, count, groups);
    return (int) call_leave(&call);
}

static int tell_groups(const struct process *process, int count, gid_t groups[])
{
    if (count < 0 || (count > 0 && (unsigned) count < process->cred.group_count))
        return -EINVAL;
    if (count > 0)
        memcpy(groups, process->cred.groups, process->cred.group_count * sizeof *groups);
    return (int) process->cred.group_count;
}

int sim_getgroups(int count, gid_t groups[])
{
    struct call call = CALL(get_id, .argument = {ID_GROUPS});
    if (call_enter(&call))
        call.result = tell_groups(running, count, groups);
    return (int) call_leave(&call);
}

int sim___getgroups_chk(int count, gid_t groups[], size_t room)
{
    (void) room;
    return sim_getgroups(count, groups);
}

static bool is_member(const struct group_record *group, const char *user)
{
    for (size_t i = 0; i < group->member_count; i++)
        if (strcmp(group->members[i], user) == 0)
            return true;
    return false;
}

static int initialise_groups(struct process *process, const char *user, gid_t first)
{
    gid_t groups[VFS_GROUPS_MAX];
    size_t count = 0;
    groups[count++] = first;
    for (const struct group_record *group = process->host->groups; group; group = group->next)
        if (group->gid != first && is_member(group, user) && count < VFS_GROUPS_MAX)
            groups[count++] = group->gid;
    return change_groups(process, count, groups);
}

int sim_initgroups(const char *user, gid_t group)
{
    struct call call = CALL(set_id, .path = user, .argument = {SET_INITGROUPS, group});
    if (call_enter(&call))
        call.result = initialise_groups(running, user, group);
    return (int) call_leave(&call);
}

static pid_t begin_session(struct process *process)
{
    for (struct process *other = process->host->first; other; other = other->next_in_host)
        if (other->group == process->pid)
            return -EPERM;
    process->session = process->group = process->pid;
    return process->pid;
}

pid_t sim_setsid(void)
{
    struct call call = CALL(set_id, .argument = {SET_SESSION});
    if (call_enter(&call))
        call.result = begin_session(running);
    return (pid_t) call_leave(&call);
}

/* --- users and groups --------------------------------------------------------------------------
 * The results stand in the process's memory and are overwritten by the next call, as in libc. */

static char *keep(struct process *process, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = arena_alloc_hidden(&process->arena, size);
    memcpy(copy, text, size);
    return copy;
}

static struct passwd *give_user(struct process *process, const struct user_record *user)
{
    struct arena *arena = &process->arena;
    struct passwd *area = process->passwd_area;
    if (!user)
        return NULL;
    if (area) {
        arena_free(arena, area->pw_name);
        arena_free(arena, area->pw_dir);
    } else {
        area = process->passwd_area = arena_alloc_hidden(arena, sizeof *area);
        memset(area, 0, sizeof *area);
        area->pw_passwd = keep(process, "x");
        area->pw_gecos = keep(process, "");
        area->pw_shell = keep(process, "/bin/sh");
    }
    area->pw_name = keep(process, user->name);
    area->pw_dir = keep(process, user->home);
    area->pw_uid = user->uid;
    area->pw_gid = user->gid;
    return area;
}

struct passwd *sim_getpwnam(const char *name)
{
    struct call call = CALL(getpw, .path = name);
    struct passwd *found = NULL;
    if (call_enter(&call)) {
        found = give_user(running, host_user(running->host, name));
        call.argument[0] = found ? (int64_t) found->pw_uid : -1;
    }
    call_leave(&call);
    return found;
}

struct passwd *sim_getpwuid(uid_t uid)
{
    struct call call = CALL(getpw, .argument = {uid});
    struct passwd *found = NULL;
    if (call_enter(&call)) {
        found = give_user(running, host_user_by_id(running->host, uid));
        call.argument[1] = found != NULL;
    }
    call_leave(&call);
    return found;
}

static struct group *give_group(struct process *process, const struct group_record *group)
{
    struct arena *arena = &process->arena;
    struct group *area = process->group_area;
    if (!group)
        return NULL;
    if (!area) {
        area = process->group_area = arena_alloc_hidden(arena, sizeof *area);
        memset(area, 0, sizeof *area);
        area->gr_passwd = keep(process, "x");
    } else {
        for (char **member = area->gr_mem; *member; member++)
            arena_free(arena, *member);
        arena_free(arena, area->gr_mem);
        arena_free(arena, area->gr_name);
    }
    area->gr_name = keep(process, group->name);
    area->gr_gid = group->gid;
    area->gr_mem = arena_alloc_hidden(arena, (group->member_count + 1) * sizeof(char *));
    for (size_t i = 0; i < group->member_count; i++)
        area->gr_mem[i] = keep(process, group->members[i]);
    area->gr_mem[group->member_count] = NULL;
    return area;
}

struct group *sim_getgrnam(const char *name)
{
    struct call call = CALL(getpw, .path2 = name);
    struct group *found = NULL;
    if (call_enter(&call)) {
        found = give_group(running, host_group(running->host, name));
        call.argument[0] = found ? (int64_t) found->gr_gid : -1;
    }
    call_leave(&call);
    return found;
}

/* --- limits and names --------------------------------------------------------------------------*/

static int change_limit(struct process *process, unsigned resource, const struct rlimit *limit)
{
    if (resource >= RLIMIT_NLIMITS || limit->rlim_cur > limit->rlim_max)
        return -EINVAL;
    if (limit->rlim_max > process->limits[resource].rlim_max && process->cred.uid != 0)
        return -EPERM;
    process->limits[resource] = *limit;
    return 0;
}

int sim_setrlimit(__rlimit_resource_t resource, const struct rlimit *limit)
{
    struct call call = CALL(rlimit, .argument = {(int64_t) resource, (int64_t) limit->rlim_cur});
    if (call_enter(&call))
        call.result = change_limit(running, (unsigned) resource, limit);
    return (int) call_leave(&call);
}

int sim_getrlimit(__rlimit_resource_t resource, struct rlimit *limit)
{
    struct call call = CALL(rlimit, .argument = {(int64_t) resource});
    if (call_enter(&call)) {
        if ((unsigned) resource >= RLIMIT_NLIMITS)
            call.result = -EINVAL;
        else
            *limit = running->limits[resource];
    }
    return (int) call_leave(&call);
}

/* The 64-bit aliases: on 64-bit machines the same structure. */
int sim_setrlimit64(__rlimit_resource_t resource, const struct rlimit *limit)
{
    return sim_setrlimit(resource, limit);
}

int sim_getrlimit64(__rlimit_resource_t resource, struct rlimit *limit)
{
    return sim_getrlimit(resource, limit);
}

int sim_gethostname(char *to, size_t size)
{
    struct call call = CALL(hostname);
    if (call_enter(&call)) {
        const char *name = running->host->name;
        size_t length = strlen(name) + 1;
        if (length > size)
            call.result = -ENAMETOOLONG;
        else
            memcpy(to, name, length);
    }
    return (int) call_leave(&call);
}

int sim___gethostname_chk(char *to, size_t size, size_t room)
{
    (void) room;
    return sim_gethostname(to, size);
}

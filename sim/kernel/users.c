/* SPDX-License-Identifier: ISC */
/* The users and groups that a host knows. */
#include <stdlib.h>
#include <string.h>

#include "sim/kernel/internal.h"
#include "sim/kernel/must.h"

const struct user_record *host_user(const struct host *host, const char *name)
{
    for (const struct user_record *user = host->users; user; user = user->next)
        if (strcmp(user->name, name) == 0)
            return user;
    return NULL;
}

const struct user_record *host_user_by_id(const struct host *host, uid_t uid)
{
    for (const struct user_record *user = host->users; user; user = user->next)
        if (user->uid == uid)
            return user;
    return NULL;
}

static struct group_record *find_group(const struct host *host, const char *name)
{
    for (struct group_record *group = host->groups; group; group = group->next)
        if (strcmp(group->name, name) == 0)
            return group;
    return NULL;
}

const struct group_record *host_group(const struct host *host, const char *name)
{
    return find_group(host, name);
}

/* Records stand in the order they were added, as the lines of a file. */
void host_add_user(struct host *host, const char *name, uid_t uid, gid_t gid, const char *home)
{
    struct user_record *user = must(calloc(1, sizeof *user));
    user->name = must(strdup(name));
    user->home = must(strdup(home));
    user->uid = uid;
    user->gid = gid;
    struct user_record **end = &host->users;
    while (*end)
        end = &(*end)->next;
    *end = user;
}

void host_add_group(struct host *host, const char *name, gid_t gid)
{
    struct group_record *group = must(calloc(1, sizeof *group));
    group->name = must(strdup(name));
    group->gid = gid;
    struct group_record **end = &host->groups;
    while (*end)
        end = &(*end)->next;
    *end = group;
}

void host_add_group_member(struct host *host, const char *group_name, const char *user)
{
    struct group_record *group = find_group(host, group_name);
    if (!group)
        return;
    group->members =
        must(realloc(group->members, (group->member_count + 1) * sizeof *group->members));
    group->members[group->member_count++] = must(strdup(user));
}

void host_users_free(struct host *host)
{
    while (host->users) {
        struct user_record *user = host->users;
        host->users = user->next;
        free(user->name);
        free(user->home);
        free(user);
    }
    while (host->groups) {
        struct group_record *group = host->groups;
        host->groups = group->next;
        for (size_t i = 0; i < group->member_count; i++)
            free(group->members[i]);
        free(group->members);
        free(group->name);
        free(group);
    }
}

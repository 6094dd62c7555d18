/* SPDX-License-Identifier: ISC */
/*
 * nixie-become [-l BYTES] UID GID[,GID...] DIRECTORY PROGRAM [ARGUMENT...]
 *
 * Turns into another user for good and executes PROGRAM: groups, group, user, limits, in this
 * order; proves that there is no way back; changes to DIRECTORY.  The only program that root's
 * parts of the server use for it.  Not root: nothing can be changed, so it goes on only if it is
 * that user and group already.
 *
 *   -l BYTES   the largest address space of PROGRAM (RLIMIT_AS)
 *
 * Exit status: PROGRAM's, or 111 with one line on descriptor 2.
 */
#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "mta/lib/error.h"
#include "mta/lib/io.h"
#include "mta/lib/num.h"

#define GROUPS_MAX 64

struct become {
    uid_t uid;
    gid_t groups[GROUPS_MAX]; /* the first is the primary one */
    size_t group_count;
    uint64_t memory; /* bytes; 0: no limit */
    const char *directory;
    char *const *argv;
};

/* What cannot be written to fd 2 cannot be told at all. */
static void say(const char *text)
{
    if (io_write(2, text, strlen(text)) < 0)
        return;
}

static int die(const char *what, const char *why)
{
    say("nixie-become: ");
    say(what);
    say(": ");
    say(why);
    say("\n");
    return 111;
}

/* (uid_t) -1 means "leave as it is" to the system, so it is no user here. */
static int parse_id(const char *from, size_t size, uint64_t *id)
{
    if (num_parse(from, size, id) < 0 || *id >= UINT32_MAX)
        return -1;
    return 0;
}

static int parse_groups(struct become *become, const char *list)
{
    for (;;) {
        size_t size = strcspn(list, ",");
        uint64_t gid;
        if (become->group_count == GROUPS_MAX || parse_id(list, size, &gid) < 0)
            return -1;
        become->groups[become->group_count++] = (gid_t) gid;
        if (!list[size])
            return 0;
        list += size + 1;
    }
}

static int parse_arguments(struct become *become, int argc, char **argv)
{
    uint64_t uid;
    if (argc > 2 && strcmp(argv[1], "-l") == 0) {
        if (num_parse(argv[2], strlen(argv[2]), &become->memory) < 0 || !become->memory)
            return -1;
        argc -= 2;
        argv += 2;
    }
    if (argc < 5 || parse_id(argv[1], strlen(argv[1]), &uid) < 0)
        return -1;
    become->uid = (uid_t) uid;
    if (parse_groups(become, argv[2]) < 0)
        return -1;
    become->directory = argv[3];
    become->argv = argv + 4;
    return 0;
}

/* True if user and group, real and effective, are those wanted. */
static bool is_become(const struct become *become)
{
    uid_t uid = getuid();
    uid_t effective_uid = geteuid();
    gid_t gid = getgid();
    gid_t effective_gid = getegid();
    return uid == become->uid && effective_uid == become->uid && gid == become->groups[0] &&
           effective_gid == become->groups[0];
}

/* True if the supplementary groups are the wanted ones (the system may sort them). */
static bool groups_are(const struct become *become)
{
    gid_t groups[GROUPS_MAX + 1];
    int count = getgroups(GROUPS_MAX + 1, groups);
    if (count < 0)
        return false;
    for (int i = 0; i < count; i++) {
        bool wanted = false;
        for (size_t k = 0; k < become->group_count; k++)
            wanted = wanted || groups[i] == become->groups[k];
        if (!wanted)
            return false;
    }
    return true;
}

static int drop(const struct become *become)
{
    if (setgroups(become->group_count, become->groups) < 0)
        return die("unable to set groups", error_text(errno));
    if (setgid(become->groups[0]) < 0)
        return die("unable to set group", error_text(errno));
    if (setuid(become->uid) < 0)
        return die("unable to set user", error_text(errno));
    if (!is_become(become) || !groups_are(become))
        return die("unable to become the user", "the system left user or groups as they were");
    if (become->uid == 0)
        return 0;
    if (setuid(0) == 0)
        return die("unable to become the user", "there is a way back to root");
    if (become->groups[0] != 0 && setgid(0) == 0)
        return die("unable to become the user", "there is a way back to group 0");
    return 0;
}

int main(int argc, char **argv, char **environment)
{
    struct become become = {.group_count = 0};
    if (parse_arguments(&become, argc, argv) < 0)
        return die("usage", "nixie-become [-l bytes] uid gid[,gid...] directory program ...");
    int status = 0;
    uid_t now = geteuid();
    if (now == 0)
        status = drop(&become);
    else if (!is_become(&become))
        status = die("unable to become the user", "only root can");
    if (status)
        return status;
    if (chdir(become.directory) < 0)
        return die("unable to change directory", error_text(errno));
    if (become.memory) {
        struct rlimit limit = {.rlim_cur = become.memory, .rlim_max = become.memory};
        if (setrlimit(RLIMIT_AS, &limit) < 0)
            return die("unable to set the memory limit", error_text(errno));
    }
    execve(become.argv[0], become.argv, environment);
    return die("unable to run the program", error_text(errno));
}

/* SPDX-License-Identifier: ISC */
/* What must be there before anything is started. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mta/lib/home.h"
#include "mta/lib/io.h"
#include "mta/lib/num.h"
#include "mta/start/start.h"

const struct member_kind member_kinds[MEMBER_COUNT] = {
    [MEMBER_LOG] = {"log", "nixiel", "log", UNIT_LOG},
    [MEMBER_QUEUE] = {"queue", "nixieq", "--stay", UNIT_QUEUE},
    [MEMBER_LISTEN] = {"listen", NULL, NULL, UNIT_LISTEN},
    [MEMBER_SEND] = {"send", "nixies", NULL, UNIT_TREE},
    [MEMBER_LSPAWN] = {"lspawn", NULL, NULL, UNIT_TREE},
    [MEMBER_RSPAWN] = {"rspawn", "nixier", NULL, UNIT_TREE},
    [MEMBER_CLEAN] = {"clean", "nixieq", NULL, UNIT_TREE},
};

static const char *const needed[] = {
    "control/me",
    "queue/pid",
    "queue/mess",
    "queue/intd",
    "queue/todo",
    "queue/info",
    "queue/local",
    "queue/remote",
    "queue/bounce",
    "queue/corrupt",
    "queue/lock",
    "run",
    "log",
    "bin/nixie-log",
    "bin/nixie-queue",
    "bin/nixie-send",
    "bin/nixie-clean",
    "bin/nixie-lspawn",
    "bin/nixie-local",
    "bin/nixie-rspawn",
    "bin/nixie-remote",
};

static int complain(const struct start *start, const char *what, const char *name,
                    const char *advice)
{
    char text[1024];
    int length = snprintf(text, sizeof text, "nixie-start: %.400s: %s%s%s\n",
                          start->home.data ? start->home.data : "", what, name, advice);
    if (length > 0)
        io_write(2, text, (size_t) length < sizeof text ? (size_t) length : sizeof text - 1);
    return -1;
}

static int enter(struct start *start, const char *home, char *const *environment)
{
    char path[4096];
    int result = 0;
    if (home)
        result = chdir(home);
    else
        result = home_enter(environment, &start->home);
    if (result == 0 && !getcwd(path, sizeof path))
        result = -1;
    if (result < 0) {
        if (home)
            buf_set_text(&start->home, home);
        buf_text(&start->home);
        return complain(start, "cannot change to this directory", "", "");
    }
    if (buf_set_text(&start->home, path) < 0 || !buf_text(&start->home))
        return complain(start, "out of memory", "", "");
    return 0;
}

static int check_files(struct start *start)
{
    struct stat st;
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        if (stat(needed[i], &st) < 0)
            return complain(start, needed[i], errno == ENOENT ? " is missing" : " is out of reach",
                            ": `nixie mta init` makes a complete home");
    if (!start->single_user && stat("bin/nixie-become", &st) < 0)
        return complain(start, "bin/nixie-become", " is missing",
                        ": `nixie mta init` makes a complete home");
    start->has_listen = start->address_count > 0 || stat("control/listen", &st) == 0;
    if (!start->has_listen && errno != ENOENT)
        return complain(start, "control/listen", " is out of reach", "");
    if (start->has_listen &&
        (stat("bin/nixie-listen", &st) < 0 || stat("bin/nixie-smtpd", &st) < 0))
        return complain(start, "bin/nixie-listen or bin/nixie-smtpd", " is missing",
                        ": `nixie mta init` makes a complete home");
    return 0;
}

static int find_users(struct start *start)
{
    if (start->single_user)
        return 0;
    uid_t me = geteuid();
    if (me != 0)
        return complain(start, "must be started by root", "",
                        ", or be made for one user: `nixie mta init`");
    struct group *group = getgrnam("nixie");
    if (!group)
        return complain(start, "there is no group ", "nixie", ": `nixie mta init` makes it");
    gid_t gid = group->gr_gid;
    for (int i = 0; i < MEMBER_COUNT; i++) {
        if (!member_kinds[i].user)
            continue;
        struct passwd *user = getpwnam(member_kinds[i].user);
        if (!user)
            return complain(start, "there is no user ", member_kinds[i].user,
                            ": `nixie mta init` makes it");
        num_format(start->ids[i][0], user->pw_uid);
        /* the group may read the queue, which is not the log's business */
        num_format(start->ids[i][1], i == MEMBER_LOG ? user->pw_gid : gid);
    }
    return 0;
}

int check_home(struct start *start, const char *home, char *const *environment)
{
    if (enter(start, home, environment) < 0)
        return -1;
    if (home_single_user(&start->single_user) < 0)
        return complain(start, "control/singleuser", " is out of reach", "");
    if (check_files(start) < 0)
        return -1;
    return find_users(start);
}

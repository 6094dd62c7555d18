/* SPDX-License-Identifier: ISC */
#include "sim/real/accounts.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim/real/say.h"

#define GROUP "nixie"

/* Those of group nixie may read what is queued; the network's and the log's user may not. */
static const struct {
    const char *name; /* NULL: root */
    bool in_group;
} account_table[ACCOUNT_COUNT] = {
    [ACCOUNT_ROOT] = {NULL, false},       [ACCOUNT_QUEUE] = {"nixieq", true},
    [ACCOUNT_SEND] = {"nixies", true},    [ACCOUNT_REMOTE] = {"nixier", true},
    [ACCOUNT_DAEMON] = {"nixied", false}, [ACCOUNT_LOG] = {"nixiel", false},
    [ACCOUNT_ALIAS] = {"nixiea", false},
};

#define USERADD "useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin"

void accounts_single(struct accounts *accounts)
{
    for (int i = 0; i < ACCOUNT_COUNT; i++)
        accounts->uid[i] = geteuid();
    accounts->gid = getegid();
}

/* Runs a command found in PATH and waits for it; 0 if it ended with status 0. */
static int run(const char *const *argv)
{
    extern char **environ;
    pid_t pid;
    int status;
    int error = posix_spawnp(&pid, argv[0], NULL, NULL, (char *const *) argv, environ);
    if (error) {
        say_failure(MTA_LACKING, "cannot run %s: %s", argv[0], strerror(error));
        return -1;
    }
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

static void create_group(void)
{
    const char *const argv[] = {"groupadd", "--system", GROUP, NULL};
    run(argv);
}

static void create_account(const char *name, bool in_group)
{
    const char *const grouped[] = {USERADD, "--gid", GROUP, name, NULL};
    const char *const alone[] = {USERADD, "--user-group", name, NULL};
    run(in_group ? grouped : alone);
}

int accounts_create_person(const char *name, const char *home)
{
    const char *const argv[] = {USERADD, "--user-group", "--home-dir", home, name, NULL};
    if (run(argv) < 0)
        return say_failure(MTA_LACKING, "could not make the system user %s", name);
    return MTA_OK;
}

/* Returns how many are missing; prints the command for each if `tell`. */
static int look_up(struct accounts *accounts, bool tell)
{
    int missing = 0;
    struct group *group = getgrnam(GROUP);
    if (group)
        accounts->gid = group->gr_gid;
    else if (++missing && tell)
        fprintf(stderr, "    groupadd --system " GROUP "\n");
    accounts->uid[ACCOUNT_ROOT] = 0;
    for (int i = ACCOUNT_ROOT + 1; i < ACCOUNT_COUNT; i++) {
        struct passwd *user = getpwnam(account_table[i].name);
        if (user) {
            accounts->uid[i] = user->pw_uid;
            continue;
        }
        missing++;
        if (tell)
            fprintf(
                stderr, "    useradd --system --no-create-home --shell /usr/sbin/nologin %s %s\n",
                account_table[i].in_group ? "--gid " GROUP : "--user-group", account_table[i].name);
    }
    return missing;
}

int accounts_find(struct accounts *accounts, bool create)
{
    if (look_up(accounts, false) == 0)
        return MTA_OK;
    if (create) {
        if (!getgrnam(GROUP))
            create_group();
        for (int i = ACCOUNT_ROOT + 1; i < ACCOUNT_COUNT; i++)
            if (!getpwnam(account_table[i].name))
                create_account(account_table[i].name, account_table[i].in_group);
        if (look_up(accounts, false) == 0)
            return MTA_OK;
    }
    say_failure(MTA_LACKING, "the server's parts run as users of their own, which are missing "
                             "here.  Give --create-users, or run:");
    look_up(accounts, true);
    return MTA_LACKING;
}

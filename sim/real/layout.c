/* SPDX-License-Identifier: ISC */
#include "sim/real/layout.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sim/real/files.h"
#include "sim/real/say.h"

#define JOURNAL "queue/lock/journal"
#define JOURNAL_SIZE ((off_t) 16 << 20)

enum kind { DIRECTORY, FIFO, REGULAR };

/* In single-user mode a directory that several users share is its one user's alone. */
static const struct {
    const char *path;
    enum kind kind;
    enum account owner;
    bool grouped; /* group nixie; else the owner's place is what counts, and the group is root's */
    mode_t mode;
} layout_table[] = {
    {"control", DIRECTORY, ACCOUNT_ROOT, false, 0755},
    {"bin", DIRECTORY, ACCOUNT_ROOT, false, 0755},
    {"users", DIRECTORY, ACCOUNT_ROOT, false, 0755},
    {"alias", DIRECTORY, ACCOUNT_ALIAS, false, 0755},
    {"queue", DIRECTORY, ACCOUNT_QUEUE, true, 0750},
    {"queue/pid", DIRECTORY, ACCOUNT_QUEUE, true, 0700},
    {"queue/intd", DIRECTORY, ACCOUNT_QUEUE, true, 0700},
    {"queue/mess", DIRECTORY, ACCOUNT_QUEUE, true, 0750},
    {"queue/todo", DIRECTORY, ACCOUNT_QUEUE, true, 0750},
    {"queue/info", DIRECTORY, ACCOUNT_SEND, true, 0700},
    {"queue/local", DIRECTORY, ACCOUNT_SEND, true, 0700},
    {"queue/remote", DIRECTORY, ACCOUNT_SEND, true, 0700},
    {"queue/bounce", DIRECTORY, ACCOUNT_SEND, true, 0700},
    {"queue/mark", DIRECTORY, ACCOUNT_SEND, true, 0700},
    {"queue/corrupt", DIRECTORY, ACCOUNT_SEND, true, 0770},
    {"queue/lock", DIRECTORY, ACCOUNT_QUEUE, true, 0750},
    {"queue/lock/sendmutex", REGULAR, ACCOUNT_SEND, true, 0600},
    {"queue/lock/trigger", FIFO, ACCOUNT_SEND, true, 0622},
    {JOURNAL, REGULAR, ACCOUNT_QUEUE, true, 0600},
    {"run", DIRECTORY, ACCOUNT_QUEUE, true, 0755},
    {"log", DIRECTORY, ACCOUNT_LOG, true, 0755},
};
#define LAYOUT_COUNT (sizeof layout_table / sizeof *layout_table)

bool layout_owns(const char *name)
{
    for (size_t i = 0; i < LAYOUT_COUNT; i++)
        if (!strcmp(layout_table[i].path, name))
            return true;
    return false;
}

int layout_open(struct layout_home *home, const char *directory)
{
    if (!realpath(directory, home->path))
        return say_errno("open", directory, errno);
    home->fd = open(home->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (home->fd < 0)
        return say_errno("open", home->path, errno);
    if (!files_exists(home->fd, "control/me") || !files_exists(home->fd, "queue")) {
        close(home->fd);
        return say_failure(MTA_WRONG,
                           "%s is not a Nixie home (no control/me and queue in it); make one with "
                           "nixie mta init %s --domain NAME",
                           home->path, directory);
    }
    home->single_user = files_exists(home->fd, "control/singleuser");
    return MTA_OK;
}

int layout_check_owner(const struct layout_home *home)
{
    char path[PATH_MAX];
    memcpy(path, home->path, sizeof path);
    for (;;) {
        const char *name = path[0] ? path : "/";
        struct stat st;
        if (lstat(name, &st) < 0)
            return say_errno("look at", name, errno);
        bool sticky = (st.st_mode & S_ISVTX) && strcmp(name, home->path) != 0;
        if (st.st_uid != 0 || ((st.st_mode & 022) && !sticky))
            return say_failure(MTA_LACKING,
                               "%s must be root's, and nobody else may write there: chown root %s; "
                               "chmod go-w %s",
                               name, name, name);
        if (!path[0])
            return MTA_OK;
        *strrchr(path, '/') = 0;
    }
}

static int make_entry(int at, size_t i, const struct accounts *accounts)
{
    const char *path = layout_table[i].path;
    uid_t uid = accounts->uid[layout_table[i].owner];
    gid_t gid = layout_table[i].grouped ? accounts->gid : getegid();
    if (layout_table[i].kind == DIRECTORY)
        return files_directory(at, path, uid, gid, layout_table[i].mode);
    return files_node(at, path, layout_table[i].kind == FIFO, uid, gid, layout_table[i].mode);
}

static int fail_to_make(const struct layout_home *home, const char *name)
{
    int error = errno;
    char path[2 * PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", home->path, name);
    return say_errno("make", path, error);
}

static int write_zeros(int fd, off_t size)
{
    static const char zeros[65536];
    for (off_t at = 0; at < size; at += (off_t) sizeof zeros)
        if (write(fd, zeros, sizeof zeros) != (ssize_t) sizeof zeros)
            return -1;
    return fsync(fd);
}

/* Blocks for a new journal, so that a busy server need not wait for them (mta/queue/early.c).  A
 * full disk is no reason to make no home. */
static int fill_journal(int at)
{
    struct stat st;
    int fd = openat(at, JOURNAL, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int result = fstat(fd, &st);
    if (result == 0 && st.st_size == 0 && write_zeros(fd, JOURNAL_SIZE) < 0)
        result = ftruncate(fd, 0);
    int saved = errno;
    close(fd);
    errno = saved;
    return result;
}

int layout_make(const struct layout_home *home, const struct accounts *accounts)
{
    for (size_t i = 0; i < LAYOUT_COUNT; i++)
        if (make_entry(home->fd, i, accounts) < 0)
            return fail_to_make(home, layout_table[i].path);
    return fill_journal(home->fd) < 0 ? fail_to_make(home, JOURNAL) : MTA_OK;
}

/* Opens the folder that holds the server's programs: beside this command (a build), or in
 * ../libexec/nixie (installed).  `path` gets its name.  Returns a descriptor, or -1. */
static int open_programs(char path[PATH_MAX])
{
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length < 0)
        return -1;
    self[length] = 0;
    char *slash = strrchr(self, '/');
    if (!slash)
        return -1;
    *slash = 0;
    static const char *const places[] = {"", "/../libexec/nixie"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (snprintf(path, PATH_MAX, "%s%s", self, places[i]) >= PATH_MAX)
            continue;
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd >= 0 && files_exists(fd, "nixie-queue"))
            return fd;
        if (fd >= 0)
            close(fd);
    }
    return -1;
}

static int install_program(const struct layout_home *home, const struct accounts *accounts, int at,
                           const char *name)
{
    bool setuid = !strcmp(name, "nixie-queue") && !home->single_user;
    uid_t uid = accounts->uid[setuid ? ACCOUNT_QUEUE : ACCOUNT_ROOT];
    char target[PATH_MAX];
    snprintf(target, sizeof target, "bin/%s", name);
    int from = openat(at, name, O_RDONLY | O_CLOEXEC);
    if (from < 0)
        return say_errno("read", name, errno);
    gid_t gid = setuid ? accounts->gid : getegid();
    int result = files_copy(from, home->fd, target, uid, gid, setuid ? 04711 : 0755);
    int error = errno;
    close(from);
    return result < 0 ? say_errno("write", target, error) : MTA_OK;
}

int layout_install_programs(const struct layout_home *home, const struct accounts *accounts)
{
    char path[PATH_MAX];
    int at = open_programs(path);
    if (at < 0)
        return say_failure(MTA_LACKING,
                           "cannot find the server's programs (nixie-queue and others) beside this "
                           "command or in ../libexec/nixie; run make, or make install");
    DIR *folder = fdopendir(at);
    if (!folder) {
        int error = errno;
        close(at);
        return say_errno("read", path, error);
    }
    int result = MTA_OK;
    struct dirent *entry;
    while (result == MTA_OK && (entry = readdir(folder)) != NULL)
        if (!strncmp(entry->d_name, "nixie-", 6) && strncmp(entry->d_name, "nixie-actor-", 12) != 0)
            result = install_program(home, accounts, at, entry->d_name);
    closedir(folder);
    /* What other programs call the list of the queue. */
    if (result == MTA_OK && symlinkat("nixie-qread", home->fd, "bin/mailq") < 0 && errno != EEXIST)
        return say_errno("make", "bin/mailq", errno);
    return result;
}

int layout_check_caller(const struct layout_home *home)
{
    bool root = geteuid() == 0;
    if (home->single_user && root)
        return say_failure(MTA_WRONG,
                           "%s is in single-user mode, and everything would run as root; "
                           "run this as its owner",
                           home->path);
    if (!home->single_user && !root)
        return say_failure(MTA_LACKING, "the parts of %s run as different users: run this as root",
                           home->path);
    return root ? layout_check_owner(home) : MTA_OK;
}

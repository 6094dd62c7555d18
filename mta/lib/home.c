/* SPDX-License-Identifier: ISC */
#include "mta/lib/home.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mta/lib/environment.h"

bool home_is_setuid(void)
{
    uid_t uid = getuid();
    uid_t effective_uid = geteuid();
    gid_t gid = getgid();
    gid_t effective_gid = getegid();
    return uid != effective_uid || gid != effective_gid;
}

/* Cuts the last component off; false if there is none. */
static bool cut_component(char *path)
{
    char *slash = strrchr(path, '/');
    if (!slash)
        return false;
    *slash = 0;
    return true;
}

static int home_from_program(struct buf *home)
{
    char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length < 0)
        return -1;
    path[length] = 0;
    if (!cut_component(path) || !cut_component(path)) {
        errno = ENOENT;
        return -1;
    }
    return buf_set_text(home, path[0] ? path : "/");
}

/* Where fs.protected_hardlinks is 0 anybody can give a setuid program's file a name below a
 * directory of his own; that is not its home. */
static int check_root_made(struct buf *home)
{
    struct stat st;
    const char *path = buf_text(home);
    if (!path || stat(path, &st) < 0)
        return -1;
    if (st.st_uid == 0 && !(st.st_mode & (S_IWGRP | S_IWOTH)))
        return 0;
    errno = EPERM;
    return -1;
}

int home_find(char *const *environment, struct buf *home)
{
    const char *named = environment_get(environment, "NIXIE_HOME");
    if (home_is_setuid())
        return home_from_program(home) < 0 ? -1 : check_root_made(home);
    if (!named || !*named)
        return home_from_program(home);
    if (*named == '/')
        return buf_set_text(home, named);
    char path[PATH_MAX];
    if (!getcwd(path, sizeof path))
        return -1;
    if (buf_set_text(home, path) < 0 || buf_add_byte(home, '/') < 0)
        return -1;
    return buf_add_text(home, named);
}

int home_enter(char *const *environment, struct buf *home)
{
    if (home_find(environment, home) < 0)
        return -1;
    const char *path = buf_text(home);
    return path ? chdir(path) : -1;
}

int home_program(const struct buf *home, const char *name, struct buf *path)
{
    if (buf_set(path, home->data, home->length) < 0 || buf_add_text(path, "/bin/") < 0)
        return -1;
    return buf_add_text(path, name);
}

int home_single_user(bool *single)
{
    struct stat st;
    *single = stat("control/singleuser", &st) == 0;
    return *single || errno == ENOENT ? 0 : -1;
}

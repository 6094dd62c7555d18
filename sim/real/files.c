/* SPDX-License-Identifier: ISC */
#include "sim/real/files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int close_keeping_errno(int fd, int result)
{
    int saved = errno;
    close(fd);
    errno = saved;
    return result;
}

static int set_owner_and_mode(int fd, uid_t uid, gid_t gid, mode_t mode)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -1;
    if ((st.st_uid != uid || st.st_gid != gid) && fchown(fd, uid, gid) < 0)
        return -1;
    return fchmod(fd, mode); /* after chown, which clears the setuid bit */
}

/* Opens the directory that `path` is in, following no link on the way: the directories between
 * belong to other users, who could put one there at any time.  *name is the last component. */
static int open_parent(int at, const char *path, const char **name)
{
    int fd = openat(at, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (*name = path; fd >= 0;) {
        const char *slash = strchr(*name, '/');
        if (!slash)
            break;
        char component[NAME_MAX + 1];
        int next = -1;
        if (snprintf(component, sizeof component, "%.*s", (int) (slash - *name), *name) > NAME_MAX)
            errno = ENAMETOOLONG;
        else
            next = openat(fd, component, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        fd = close_keeping_errno(fd, next);
        *name = slash + 1;
    }
    return fd;
}

static int open_made_directory(int at, const char *name)
{
    if (mkdirat(at, name, 0700) < 0 && errno != EEXIST)
        return -1;
    return openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

int files_directory(int at, const char *path, uid_t uid, gid_t gid, mode_t mode)
{
    const char *name;
    int parent = open_parent(at, path, &name);
    if (parent < 0)
        return -1;
    int fd = close_keeping_errno(parent, open_made_directory(parent, name));
    if (fd < 0)
        return -1;
    return close_keeping_errno(fd, set_owner_and_mode(fd, uid, gid, mode));
}

static int open_made_node(int at, const char *name, bool fifo)
{
    if (!fifo)
        return openat(at, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    if (mkfifoat(at, name, 0600) < 0 && errno != EEXIST)
        return -1;
    return openat(at, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
}

int files_node(int at, const char *path, bool fifo, uid_t uid, gid_t gid, mode_t mode)
{
    const char *name;
    int parent = open_parent(at, path, &name);
    if (parent < 0)
        return -1;
    int fd = close_keeping_errno(parent, open_made_node(parent, name, fifo));
    if (fd < 0)
        return -1;
    struct stat st;
    int result = fstat(fd, &st);
    if (result == 0 &&
        ((fifo ? !S_ISFIFO(st.st_mode) : !S_ISREG(st.st_mode)) || st.st_nlink != 1)) {
        errno = EEXIST;
        result = -1;
    }
    if (result == 0)
        result = set_owner_and_mode(fd, uid, gid, mode);
    return close_keeping_errno(fd, result);
}

static int write_whole(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t count = write(fd, bytes, size);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return -1;
        bytes += count;
        size -= (size_t) count;
    }
    return 0;
}

static int copy_bytes(int from, int to)
{
    char block[65536];
    ssize_t count;
    while ((count = read(from, block, sizeof block)) != 0) {
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0 || write_whole(to, block, (size_t) count) < 0)
            return -1;
    }
    return 0;
}

/* "a/b" gives "a/.b.new". */
static int temporary_name(const char *path, char to[PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    int folder = slash ? (int) (slash - path) + 1 : 0;
    int length = snprintf(to, PATH_MAX, "%.*s.%s.new", folder, path, path + folder);
    if (length >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return 0;
}

int files_sync_all(int directory)
{
    return syncfs(directory) < 0 ? -1 : fsync(directory);
}

int files_sync_parent(int at, const char *path)
{
    char folder[PATH_MAX] = ".";
    const char *slash = strrchr(path, '/');
    if (slash == path)
        strcpy(folder, "/");
    else if (slash)
        snprintf(folder, sizeof folder, "%.*s", (int) (slash - path), path);
    int fd = openat(at, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    return close_keeping_errno(fd, fsync(fd));
}

static int open_new(int at, const char *path)
{
    if (unlinkat(at, path, 0) < 0 && errno != ENOENT)
        return -1;
    return openat(at, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

/* Syncs and closes `fd`, the file `temporary`, and puts it in the place of `path`, if `result` is
 * 0; else removes it. */
static int put_in_place(int at, int fd, const char *temporary, const char *path, int result)
{
    if (result == 0)
        result = fsync(fd);
    result = close_keeping_errno(fd, result);
    if (result == 0)
        result = renameat(at, temporary, at, path);
    if (result < 0) {
        int saved = errno;
        unlinkat(at, temporary, 0);
        errno = saved;
        return -1;
    }
    return files_sync_parent(at, path);
}

int files_replace(int at, const char *path, const void *bytes, size_t size, mode_t mode)
{
    char temporary[PATH_MAX];
    if (temporary_name(path, temporary) < 0)
        return -1;
    int fd = open_new(at, temporary);
    if (fd < 0)
        return -1;
    int result = write_whole(fd, bytes, size);
    if (result == 0)
        result = fchmod(fd, mode);
    return put_in_place(at, fd, temporary, path, result);
}

int files_copy(int from, int at, const char *path, uid_t uid, gid_t gid, mode_t mode)
{
    char temporary[PATH_MAX];
    if (temporary_name(path, temporary) < 0)
        return -1;
    int fd = open_new(at, temporary);
    if (fd < 0)
        return -1;
    int result = copy_bytes(from, fd);
    if (result == 0)
        result = set_owner_and_mode(fd, uid, gid, mode);
    return put_in_place(at, fd, temporary, path, result);
}

bool files_exists(int at, const char *path)
{
    struct stat st;
    return fstatat(at, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

ssize_t files_read(int at, const char *path, char *to, size_t size)
{
    int fd = openat(at, path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -1;
    size_t length = 0;
    while (length < size) {
        ssize_t count = read(fd, to + length, size - length);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return close_keeping_errno(fd, -1);
        if (count == 0)
            break;
        length += (size_t) count;
    }
    close(fd);
    if (length == size) {
        errno = EFBIG;
        return -1;
    }
    to[length] = 0;
    return (ssize_t) length;
}

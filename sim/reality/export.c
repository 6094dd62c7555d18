/* SPDX-License-Identifier: ISC */
/* The tree of a simulated host as real files.  Programs, which are "#!nixie NAME" there, become
 * links to the shipped ones; all files are those of the one user of the namespace. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sim/reality/reality.h"
#include "sim/world/home.h"
#include "sim/world/pool.h"

#define PROGRAM "#!nixie "

static const struct cred root_cred;

static int write_whole(const char *path, const char *data, size_t size, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    int result = fd < 0 ? -errno : 0;

    while (result == 0 && size > 0) {
        ssize_t count = write(fd, data, size);

        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0) {
            result = -errno;
            break;
        }
        data += count;
        size -= (size_t) count;
    }
    if (result == 0 && fchmod(fd, mode & 0777) < 0)
        result = -errno;
    if (fd >= 0)
        close(fd);
    return result;
}

/* Where the program of that name is on a real machine. */
static int link_program(const struct real_machine *machine, const char *name, const char *path)
{
    const char *programs = machine_programs(machine);
    char target[PATH_MAX + 128];

    if (strcmp(name, "sh") == 0)
        snprintf(target, sizeof target, "/usr/bin/sh");
    else if (strcmp(name, "declared") == 0)
        machine_shared(machine, "nixie-declared", target);
    else if (strncmp(name, "nixie-", 6) == 0)
        snprintf(target, sizeof target, "%s/%.100s", programs, name);
    else
        snprintf(target, sizeof target, "%s/nixie-actor-%.100s", programs, name);
    return symlink(target, path) < 0 && errno != EEXIST ? -errno : 0;
}

static int export_file(const struct real_machine *machine, struct inode *inode, const char *path)
{
    size_t size = inode_size(inode);
    char *data = must_alloc(size + 1);
    ssize_t got = inode_read(inode, data, size, 0);
    int result = got < 0 ? (int) got : 0;

    data[got > 0 ? got : 0] = 0;
    if (result == 0 && strncmp(data, PROGRAM, sizeof PROGRAM - 1) == 0) {
        data[strcspn(data, "\n")] = 0;
        result = link_program(machine, data + sizeof PROGRAM - 1, path);
    } else if (result == 0) {
        result = write_whole(path, data, (size_t) got, inode_mode(inode));
    }
    free(data);
    return result;
}

static int export_directory(struct vfs *vfs, const char *path, const struct real_machine *machine);

static int export_entry(struct vfs *vfs, const char *path, const struct real_machine *machine)
{
    char to[PATH_MAX];
    struct inode *inode;
    int result = vfs_lookup(vfs, &root_cred, vfs_root(vfs), path, false, &inode);

    if (result < 0)
        return result;
    if (snprintf(to, sizeof to, "%s%s", machine->root, path) >= (int) sizeof to)
        result = -ENAMETOOLONG;
    else if (S_ISDIR(inode_mode(inode))) {
        if (mkdir(to, 0700) < 0 && errno != EEXIST)
            result = -errno;
        if (result == 0)
            result = export_directory(vfs, path, machine);
        if (result == 0 && chmod(to, inode_mode(inode) & 07777) < 0)
            result = -errno;
    } else if (S_ISREG(inode_mode(inode))) {
        result = export_file(machine, inode, to);
    } else if (S_ISFIFO(inode_mode(inode)) && mkfifo(to, 0600) < 0) {
        result = -errno;
    }
    if (result == 0 && namespace_has_root() && lchown(to, HOME_OWNER, HOME_OWNER) < 0)
        result = -errno;
    inode_unref(inode);
    return result;
}

/* What real machines have of their own, and the programs of a home, which are mounted. */
static bool is_left_out(const char *path)
{
    return strcmp(path, "/dev") == 0 || strcmp(path, "/proc") == 0 ||
           strcmp(path, "/var/nixie/bin") == 0;
}

static int export_directory(struct vfs *vfs, const char *path, const struct real_machine *machine)
{
    struct vfs_cursor cursor = {0};
    struct vfs_entry entry;
    struct inode *inode;
    int result = vfs_lookup(vfs, &root_cred, vfs_root(vfs), *path ? path : "/", false, &inode);
    int more = 0;

    while (result == 0 && (more = vfs_readdir(inode, &cursor, &entry)) > 0) {
        char below[PATH_MAX];

        if (strcmp(entry.name, ".") == 0 || strcmp(entry.name, "..") == 0)
            continue;
        if (snprintf(below, sizeof below, "%s/%s", path, entry.name) >= (int) sizeof below)
            result = -ENAMETOOLONG;
        else if (!is_left_out(below))
            result = export_entry(vfs, below, machine);
    }
    vfs_cursor_close(&cursor);
    if (result == 0)
        inode_unref(inode);
    return result < 0 ? result : more;
}

int export_files(struct vfs *vfs, const struct real_machine *machine)
{
    return export_directory(vfs, "", machine);
}

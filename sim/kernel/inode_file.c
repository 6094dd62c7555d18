/* SPDX-License-Identifier: ISC */
/* Open regular files, directories and /dev/null; and open(2) itself. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "sim/kernel/internal.h"

#define KEPT_FLAGS (O_ACCMODE | O_APPEND | O_NONBLOCK | O_DIRECTORY)

static short always_ready(struct file *file, struct process *process)
{
    (void) file;
    (void) process;
    return POLLIN | POLLOUT;
}

static void stat_of_inode(struct file *file, struct stat *stat)
{
    vfs_stat(file->inode, stat);
}

/* --- regular files ---------------------------------------------------------------------------*/

static ssize_t regular_read(struct file *file, void *to, size_t size)
{
    ssize_t result = inode_read(file->inode, to, size, file->offset);
    if (result > 0)
        file->offset += (uint64_t) result;
    return result;
}

static ssize_t regular_write(struct file *file, const void *from, size_t size)
{
    rlim_t limit = running->limits[RLIMIT_FSIZE].rlim_cur;
    if (size == 0)
        return 0;
    if (file->flags & O_APPEND)
        file->offset = inode_size(file->inode);
    if (limit != RLIM_INFINITY && file->offset + size > limit) {
        if (file->offset >= limit) {
            signal_send(running, SIGXFSZ, &(struct signal_info){.code = SI_KERNEL});
            return -EFBIG;
        }
        size = limit - file->offset;
    }
    ssize_t result = inode_write(file->inode, from, size, file->offset);
    if (result > 0) {
        file->offset += (uint64_t) result;
        if (running->cred.uid != 0)
            inode_clear_setuid(file->inode);
    }
    return result;
}

const struct file_operations regular_operations = {
    .read = regular_read,
    .write = regular_write,
    .ready = always_ready,
    .stat = stat_of_inode,
};

bool file_is_regular(const struct file *file)
{
    return file->operations == &regular_operations;
}

/* --- directories -----------------------------------------------------------------------------*/

static ssize_t directory_read(struct file *file, void *to, size_t size)
{
    (void) file;
    (void) to;
    (void) size;
    return -EISDIR;
}

static void directory_release(struct file *file)
{
    vfs_cursor_close(&file->cursor);
}

const struct file_operations directory_operations = {
    .read = directory_read,
    .ready = always_ready,
    .stat = stat_of_inode,
    .release = directory_release,
};

bool file_is_directory(const struct file *file)
{
    return file->operations == &directory_operations;
}

/* --- /dev/null -------------------------------------------------------------------------------*/

static ssize_t null_read(struct file *file, void *to, size_t size)
{
    (void) file;
    (void) to;
    (void) size;
    return 0;
}

static ssize_t null_write(struct file *file, const void *from, size_t size)
{
    (void) file;
    (void) from;
    return (ssize_t) size;
}

static void null_stat(struct file *file, struct stat *stat)
{
    vfs_stat(file->inode, stat);
    stat->st_mode = S_IFCHR | 0666;
    stat->st_rdev = makedev(1, 3);
}

const struct file_operations null_operations = {
    .read = null_read,
    .write = null_write,
    .ready = always_ready,
    .stat = null_stat,
};

void file_stat_inode(struct host *host, const struct inode *inode, struct stat *stat)
{
    vfs_stat(inode, stat);
    if (inode == host->null_device) {
        stat->st_mode = S_IFCHR | 0666;
        stat->st_rdev = makedev(1, 3);
    }
}

/* --- open(2) ---------------------------------------------------------------------------------*/

static const struct file_operations *operations_for(struct host *host, const struct inode *inode)
{
    if (inode == host->null_device)
        return &null_operations;
    if (S_ISDIR(inode_mode(inode)))
        return &directory_operations;
    return &regular_operations;
}

struct file *file_open(struct process *process, const char *path, int flags, mode_t mode,
                       int *error)
{
    struct host *host = process->host;
    struct inode *inode;
    mode_t permissions = mode & ~process->umask & 07777;
    int result =
        vfs_open(host->vfs, &process->cred, process->directory, path, flags, permissions, &inode);
    if (result < 0) {
        *error = -result;
        return NULL;
    }
    mode_t type = inode_mode(inode) & S_IFMT;
    if (type == S_IFIFO)
        return fifo_open(process->kernel, inode, flags, error);
    if (type == S_IFSOCK) {
        inode_unref(inode);
        *error = ENXIO;
        return NULL;
    }
    struct file *file =
        file_create(process->kernel, operations_for(host, inode), flags & KEPT_FLAGS);
    file->inode = inode;
    file->errors_seen = file->all_errors_seen = vfs_sync_error(host->vfs, NULL);
    return file;
}

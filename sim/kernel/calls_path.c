/* SPDX-License-Identifier: ISC */
/* Calls on paths, attributes and directories. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "sim/kernel/call.h"
#include "sim/kernel/calls.h"

#define SELF_EXECUTABLE "/proc/self/exe"

/* --- stat ------------------------------------------------------------------------------------*/

static int find(const char *path, bool follow, struct inode **inode)
{
    if (!path)
        return -EFAULT;
    return vfs_lookup(call_vfs(), &running->cred, running->directory, path, follow, inode);
}

/* What the hash and watchers learn of a stat. */
static void note_stat(struct call *call, const struct stat *stat)
{
    if (call->result < 0)
        return;
    call->argument[0] = (int64_t) stat->st_ino;
    call->argument[1] = stat->st_mode;
    call->argument[2] = stat->st_size;
}

static int stat_path(const char *path, bool follow, struct stat *stat)
{
    struct inode *inode;
    int result = find(path, follow, &inode);
    if (result < 0)
        return result;
    file_stat_inode(running->host, inode, stat);
    inode_unref(inode);
    return 0;
}

int sim_stat(const char *path, struct stat *stat)
{
    struct call call = CALL(stat, .path = path);
    if (call_enter(&call))
        call.result = stat_path(path, true, stat);
    note_stat(&call, stat);
    return (int) call_leave(&call);
}

int sim_stat64(const char *path, struct stat *stat)
{
    return sim_stat(path, stat);
}

int sim_lstat(const char *path, struct stat *stat)
{
    struct call call = CALL(lstat, .path = path);
    if (call_enter(&call))
        call.result = stat_path(path, false, stat);
    note_stat(&call, stat);
    return (int) call_leave(&call);
}

int sim_lstat64(const char *path, struct stat *stat)
{
    return sim_lstat(path, stat);
}

static int stat_descriptor(int fd, struct stat *stat)
{
    struct file *file = descriptor_file(fd);
    if (!file)
        return -EBADF;
    file->operations->stat(file, stat);
    return 0;
}

int sim_fstat(int fd, struct stat *stat)
{
    struct call call = CALL(fstat);
    call.fd = fd;
    if (call_enter(&call))
        call.result = stat_descriptor(fd, stat);
    note_stat(&call, stat);
    return (int) call_leave(&call);
}

int sim_fstat64(int fd, struct stat *stat)
{
    return sim_fstat(fd, stat);
}

/* --- names -----------------------------------------------------------------------------------*/

int sim_link(const char *old_path, const char *new_path)
{
    struct call call = CALL(link, .path = old_path, .path2 = new_path);
    if (call_enter(&call))
        call.result = old_path && new_path ? vfs_link(call_vfs(), &running->cred,
                                                      running->directory, old_path, new_path)
                                           : -EFAULT;
    return (int) call_leave(&call);
}

int sim_rename(const char *old_path, const char *new_path)
{
    struct call call = CALL(rename, .path = old_path, .path2 = new_path);
    if (call_enter(&call))
        call.result = old_path && new_path ? vfs_rename(call_vfs(), &running->cred,
                                                        running->directory, old_path, new_path)
                                           : -EFAULT;
    return (int) call_leave(&call);
}

int sim_symlink(const char *target, const char *path)
{
    struct call call = CALL(symlink, .path = target, .path2 = path);
    if (call_enter(&call))
        call.result = target && path ? vfs_symlink(call_vfs(), &running->cred, running->directory,
                                                   target, path)
                                     : -EFAULT;
    return (int) call_leave(&call);
}

int sim_unlink(const char *path)
{
    struct call call = CALL(unlink, .path = path);
    if (call_enter(&call))
        call.result =
            path ? vfs_unlink(call_vfs(), &running->cred, running->directory, path) : -EFAULT;
    return (int) call_leave(&call);
}

int sim_rmdir(const char *path)
{
    struct call call = CALL(rmdir, .path = path);
    if (call_enter(&call))
        call.result =
            path ? vfs_rmdir(call_vfs(), &running->cred, running->directory, path) : -EFAULT;
    return (int) call_leave(&call);
}

int sim_mkdir(const char *path, mode_t mode)
{
    struct call call = CALL(mkdir, .path = path, .argument = {mode});
    mode_t permissions = mode & ~running->umask & 01777;
    if (call_enter(&call))
        call.result =
            path ? vfs_mkdir(call_vfs(), &running->cred, running->directory, path, permissions)
                 : -EFAULT;
    return (int) call_leave(&call);
}

static int make_fifo(const char *path, mode_t mode)
{
    struct inode *inode;
    if (!path)
        return -EFAULT;
    int result = vfs_mknod(call_vfs(), &running->cred, running->directory, path,
                           S_IFIFO | (mode & ~running->umask & 07777), &inode);
    if (result == 0)
        inode_unref(inode);
    return result;
}

int sim_mkfifo(const char *path, mode_t mode)
{
    struct call call = CALL(mkfifo, .path = path, .argument = {mode});
    if (call_enter(&call))
        call.result = make_fifo(path, mode);
    return (int) call_leave(&call);
}

static ssize_t read_link(const char *path, char *to, size_t size)
{
    if (!path)
        return -EFAULT;
    if ((ssize_t) size <= 0)
        return -EINVAL;
    if (strcmp(path, SELF_EXECUTABLE) != 0)
        return vfs_readlink(call_vfs(), &running->cred, running->directory, path, to, size);
    size_t length = strlen(running->executable);
    if (length > size)
        length = size;
    memcpy(to, running->executable, length);
    return (ssize_t) length;
}

ssize_t sim_readlink(const char *path, char *to, size_t size)
{
    struct call call = CALL(readlink, .path = path);
    if (call_enter(&call)) {
        call.result = read_link(path, to, size);
        if (call.result > 0) {
            call.data = to;
            call.size = (size_t) call.result;
        }
    }
    return call_leave(&call);
}

ssize_t sim___readlink_chk(const char *path, char *to, size_t size, size_t room)
{
    (void) room;
    return sim_readlink(path, to, size);
}

/* --- attributes ------------------------------------------------------------------------------*/

static int change_mode(const char *path, mode_t mode)
{
    struct inode *inode;
    int result = find(path, true, &inode);
    if (result < 0)
        return result;
    result = vfs_chmod(inode, &running->cred, mode & 07777);
    inode_unref(inode);
    return result;
}

int sim_chmod(const char *path, mode_t mode)
{
    struct call call = CALL(chmod, .path = path, .argument = {mode});
    if (call_enter(&call))
        call.result = change_mode(path, mode);
    return (int) call_leave(&call);
}

/* The inode of a descriptor, for changes of attributes; NULL with *error for others. */
static struct inode *descriptor_inode(int fd, int *error)
{
    struct file *file = descriptor_file(fd);
    *error = !file ? -EBADF : -EINVAL;
    return file ? file->inode : NULL;
}

int sim_fchmod(int fd, mode_t mode)
{
    struct call call = CALL(chmod, .argument = {mode});
    call.fd = fd;
    if (call_enter(&call)) {
        int error;
        struct inode *inode = descriptor_inode(fd, &error);
        call.result = inode ? vfs_chmod(inode, &running->cred, mode & 07777) : error;
    }
    return (int) call_leave(&call);
}

static int change_owner(const char *path, uid_t uid, gid_t gid)
{
    struct inode *inode;
    int result = find(path, true, &inode);
    if (result < 0)
        return result;
    result = vfs_chown(inode, &running->cred, uid, gid);
    inode_unref(inode);
    return result;
}

int sim_chown(const char *path, uid_t uid, gid_t gid)
{
    struct call call = CALL(chown, .path = path, .argument = {uid, gid});
    if (call_enter(&call))
        call.result = change_owner(path, uid, gid);
    return (int) call_leave(&call);
}

int sim_fchown(int fd, uid_t uid, gid_t gid)
{
    struct call call = CALL(chown, .argument = {uid, gid});
    call.fd = fd;
    if (call_enter(&call)) {
        int error;
        struct inode *inode = descriptor_inode(fd, &error);
        call.result = inode ? vfs_chown(inode, &running->cred, uid, gid) : error;
    }
    return (int) call_leave(&call);
}

int sim_futimens(int fd, const struct timespec times[2])
{
    struct call call = CALL(utimens);
    call.fd = fd;
    if (times) {
        call.argument[0] = times[0].tv_sec;
        call.argument[1] = times[1].tv_sec;
    }
    if (call_enter(&call)) {
        static const struct timespec now[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}};
        int error;
        struct inode *inode = descriptor_inode(fd, &error);
        call.result = inode ? vfs_utimens(inode, &running->cred, times ? times : now) : error;
    }
    return (int) call_leave(&call);
}

/* --- the working directory -------------------------------------------------------------------*/

int process_change_directory(struct process *process, const char *path)
{
    struct inode *directory;
    int result = path ? vfs_lookup(process->host->vfs, &process->cred, process->directory, path,
                                   true, &directory)
                      : -EFAULT;
    if (result < 0)
        return result;
    if (!S_ISDIR(inode_mode(directory)))
        result = -ENOTDIR;
    else if (!inode_permits(directory, &process->cred, 1))
        result = -EACCES;
    if (result < 0) {
        inode_unref(directory);
        return result;
    }
    inode_unref(process->directory);
    process->directory = directory;
    return 0;
}

int sim_chdir(const char *path)
{
    struct call call = CALL(chdir, .path = path);
    if (call_enter(&call))
        call.result = process_change_directory(running, path);
    return (int) call_leave(&call);
}

static int64_t tell_directory(char *to, size_t size)
{
    char path[PATH_LIMIT];
    int result = vfs_path_of_directory(running->directory, path, sizeof path);
    if (result < 0)
        return result;
    size_t length = strlen(path) + 1;
    if (length > size)
        return -ERANGE;
    memcpy(to, path, length);
    return 0;
}

char *sim_getcwd(char *to, size_t size)
{
    struct call call = CALL(getcwd);
    if (call_enter(&call)) {
        call.result = to && size > 0 ? tell_directory(to, size) : -EINVAL;
        if (call.result == 0) {
            call.data = to;
            call.size = strlen(to);
        }
    }
    return call_leave(&call) < 0 ? NULL : to;
}

char *sim___getcwd_chk(char *to, size_t size, size_t room)
{
    (void) room;
    return sim_getcwd(to, size);
}

mode_t sim_umask(mode_t mask)
{
    struct call call = CALL(umask, .argument = {mask});
    if (call_enter(&call)) {
        call.result = running->umask;
        running->umask = mask & 0777;
    }
    return (mode_t) call_leave(&call);
}

/* --- reading directories ---------------------------------------------------------------------*/

/* What a program's DIR pointer points to; in its memory. */
struct directory_stream {
    int fd;
    struct dirent entry;
};

static struct directory_stream *stream_of(DIR *directory)
{
    return (struct directory_stream *) (void *) directory;
}

static int64_t open_directory(const char *path, struct directory_stream **stream)
{
    if (!path)
        return -EFAULT;
    if (!*path)
        return -ENOENT;
    int error;
    struct file *file = file_open(running, path, O_RDONLY | O_DIRECTORY, 0, &error);
    if (!file)
        return -error;
    int fd = descriptor_add(running, file, 0, true);
    if (fd < 0)
        return fd;
    *stream = arena_alloc(&running->arena, sizeof **stream);
    (*stream)->fd = fd;
    return fd;
}

DIR *sim_opendir(const char *path)
{
    struct call call = CALL(opendir, .path = path);
    struct directory_stream *stream = NULL;
    if (call_enter(&call))
        call.result = open_directory(path, &stream);
    return call_leave(&call) < 0 ? NULL : (DIR *) stream;
}

static int next_entry(struct directory_stream *stream, struct dirent *entry)
{
    struct file *file = descriptor_file(stream->fd);
    struct vfs_entry found;
    if (!file || !file_is_directory(file))
        return -EBADF;
    int result = vfs_readdir(file->inode, &file->cursor, &found);
    if (result <= 0)
        return result;
    memset(entry, 0, sizeof *entry);
    entry->d_ino = found.number;
    entry->d_off = (off_t) ++file->offset;
    entry->d_reclen = sizeof *entry;
    entry->d_type = found.type;
    size_t length = strlen(found.name);
    if (length >= sizeof entry->d_name)
        return -EOVERFLOW;
    memcpy(entry->d_name, found.name, length + 1);
    return 1;
}

struct dirent *sim_readdir(DIR *directory)
{
    struct directory_stream *stream = stream_of(directory);
    struct call call = CALL(readdir);
    call.fd = stream->fd;
    if (call_enter(&call)) {
        call.result = next_entry(stream, &stream->entry);
        if (call.result > 0) {
            call.data = stream->entry.d_name;
            call.size = strlen(stream->entry.d_name);
        }
    }
    return call_leave(&call) > 0 ? &stream->entry : NULL;
}

struct dirent *sim_readdir64(DIR *directory)
{
    return sim_readdir(directory);
}

int sim_closedir(DIR *directory)
{
    struct directory_stream *stream = stream_of(directory);
    struct call call = CALL(close);
    call.fd = stream->fd;
    if (call_enter(&call)) {
        call.result = descriptor_close(running, stream->fd);
        arena_free(&running->arena, stream);
    }
    return (int) call_leave(&call);
}

/* --- space -----------------------------------------------------------------------------------*/

static int tell_space(const char *path, struct statvfs *to)
{
    struct inode *inode;
    uint64_t total, available, inodes;
    int result = find(path, true, &inode);
    if (result < 0)
        return result;
    inode_unref(inode);
    vfs_space(call_vfs(), &total, &available, &inodes);
    memset(to, 0, sizeof *to);
    to->f_bsize = to->f_frsize = 4096;
    to->f_blocks = total / 4096;
    to->f_bfree = to->f_bavail = available / 4096;
    to->f_files = to->f_ffree = to->f_favail = inodes;
    to->f_namemax = 255;
    return 0;
}

int sim_statvfs(const char *path, struct statvfs *to)
{
    struct call call = CALL(statvfs, .path = path);
    if (call_enter(&call)) {
        call.result = tell_space(path, to);
        if (call.result == 0) {
            call.argument[0] = (int64_t) to->f_bfree;
            call.argument[1] = (int64_t) to->f_ffree;
        }
    }
    return (int) call_leave(&call);
}

int sim_statvfs64(const char *path, struct statvfs *to)
{
    return sim_statvfs(path, to);
}

/* SPDX-License-Identifier: ISC */
/* Calls on descriptors: reading, writing, seeking, duplicating, syncing. */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>
#include <sys/file.h>

#include "sim/kernel/call.h"
#include "sim/kernel/calls.h"

#define IO_MAX ((size_t) 0x7ffff000) /* what Linux reads or writes at most at once */

static int open_path(const char *path, int flags, mode_t mode)
{
    if (!path)
        return -EFAULT;
    if (!descriptor_fits(running))
        return -EMFILE;
    int error;
    struct file *file = file_open(running, path, flags, mode, &error);
    if (!file)
        return -error;
    return descriptor_add(running, file, 0, flags & O_CLOEXEC);
}

static int do_open(const char *path, int flags, mode_t mode)
{
    struct call call = CALL(open, .path = path, .argument = {flags, mode});
    if (call_enter(&call))
        call.result = open_path(path, flags, mode);
    return (int) call_leave(&call);
}

int sim_open(const char *path, int flags, ...)
{
    mode_t mode = 0;
    if (flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE) {
        va_list arguments;
        va_start(arguments, flags);
        mode = va_arg(arguments, mode_t);
        va_end(arguments);
    }
    return do_open(path, flags, mode);
}

int sim_open64(const char *path, int flags, ...)
{
    mode_t mode = 0;
    if (flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE) {
        va_list arguments;
        va_start(arguments, flags);
        mode = va_arg(arguments, mode_t);
        va_end(arguments);
    }
    return do_open(path, flags, mode);
}

int sim___open_2(const char *path, int flags)
{
    return do_open(path, flags, 0);
}

int sim___open64_2(const char *path, int flags)
{
    return do_open(path, flags, 0);
}

int sim_close(int fd)
{
    struct call call = CALL(close);
    call.fd = fd;
    if (call_enter(&call))
        call.result = descriptor_close(running, fd);
    else
        descriptor_close(running, fd); /* an error or not, it is closed */
    return (int) call_leave(&call);
}

static int close_range_of(unsigned first, unsigned last, int flags)
{
    struct descriptor_table *table = &running->descriptors;
    if (first > last || flags & ~(int) CLOSE_RANGE_CLOEXEC)
        return -EINVAL;
    for (unsigned fd = first; fd < table->top && fd <= last; fd++) {
        if (!table->entries[fd].file)
            continue;
        if (flags)
            table->entries[fd].close_on_exec = true;
        else
            descriptor_close(running, (int) fd);
    }
    return 0;
}

/* Told as a close of the first. */
int sim_close_range(unsigned first, unsigned last, int flags)
{
    struct call call = CALL(close, .argument = {last, flags});
    call.fd = (int) first;
    if (call_enter(&call))
        call.result = close_range_of(first, last, flags);
    return (int) call_leave(&call);
}

/* --- reading and writing ---------------------------------------------------------------------*/

static ssize_t read_file(int fd, void *to, size_t size)
{
    struct file *file = descriptor_file(fd);
    if (!file || !file_readable(file))
        return -EBADF;
    if (!file->operations->read)
        return -EINVAL;
    return file->operations->read(file, to, call_transfer_size(size < IO_MAX ? size : IO_MAX));
}

static ssize_t write_file(int fd, const void *from, size_t size)
{
    struct file *file = descriptor_file(fd);
    if (!file || !file_writable(file))
        return -EBADF;
    if (!file->operations->write)
        return -EINVAL;
    if (running->discards)
        return (ssize_t) size;
    return file->operations->write(file, from, call_transfer_size(size < IO_MAX ? size : IO_MAX));
}

ssize_t sim_read(int fd, void *to, size_t size)
{
    struct call call = CALL(read);
    call.fd = fd;
    if (call_enter(&call)) {
        call.result = read_file(fd, to, size);
        if (call.result > 0) {
            call.data = to;
            call.size = (size_t) call.result;
        }
    }
    return call_leave(&call);
}

ssize_t sim___read_chk(int fd, void *to, size_t size, size_t room)
{
    (void) room;
    return sim_read(fd, to, size);
}

ssize_t sim_write(int fd, const void *from, size_t size)
{
    struct call call = CALL(write, .data = from, .size = size);
    call.fd = fd;
    if (call_enter(&call))
        call.result = write_file(fd, from, size);
    return call_leave(&call);
}

/* The sum of the parts' sizes, or -EINVAL. */
static ssize_t measure_parts(const struct iovec *parts, int count)
{
    size_t size = 0;
    if (count < 0 || count > IOV_MAX)
        return -EINVAL;
    for (int i = 0; i < count; i++) {
        if (parts[i].iov_len > SSIZE_MAX - size)
            return -EINVAL;
        size += parts[i].iov_len;
    }
    return (ssize_t) (size < IO_MAX ? size : IO_MAX);
}

static ssize_t read_parts(int fd, const struct iovec *parts, int count, struct call *call)
{
    ssize_t size = measure_parts(parts, count);
    if (size < 0)
        return size;
    char *whole = process_scratch(running, (size_t) size + 1);
    ssize_t result = read_file(fd, whole, (size_t) size);
    if (result <= 0)
        return result;
    size_t done = 0;
    for (int i = 0; done < (size_t) result; i++) {
        size_t part = parts[i].iov_len;
        if (part > (size_t) result - done)
            part = (size_t) result - done;
        if (part > 0)
            memcpy(parts[i].iov_base, whole + done, part);
        done += part;
    }
    call->data = whole;
    call->size = (size_t) result;
    return result;
}

ssize_t sim_readv(int fd, const struct iovec *parts, int count)
{
    struct call call = CALL(read);
    call.fd = fd;
    if (call_enter(&call))
        call.result = read_parts(fd, parts, count, &call);
    return call_leave(&call);
}

/* Joins the parts in the process's scratch memory, so that watchers see the bytes as one. */
static ssize_t gather(const struct iovec *parts, int count, struct call *call)
{
    ssize_t size = measure_parts(parts, count);
    if (size < 0)
        return size;
    char *whole = process_scratch(running, (size_t) size + 1);
    size_t done = 0;
    for (int i = 0; done < (size_t) size; i++) {
        size_t part = parts[i].iov_len;
        if (part > (size_t) size - done)
            part = (size_t) size - done;
        if (part > 0)
            memcpy(whole + done, parts[i].iov_base, part);
        done += part;
    }
    call->data = whole;
    call->size = (size_t) size;
    return size;
}

ssize_t sim_writev(int fd, const struct iovec *parts, int count)
{
    struct call call = CALL(write);
    call.fd = fd;
    ssize_t size = gather(parts, count, &call);
    if (call_enter(&call))
        call.result = size < 0 ? size : write_file(fd, call.data, call.size);
    return call_leave(&call);
}

/* --- position and size -----------------------------------------------------------------------*/

static int64_t seek(int fd, off_t offset, int whence)
{
    struct file *file = descriptor_file(fd);
    if (!file)
        return -EBADF;
    if (file->operations == &null_operations)
        return 0;
    if (!file_is_regular(file) && !file_is_directory(file))
        return -ESPIPE;
    int64_t base;
    switch (whence) {
    case SEEK_SET:
        base = 0;
        break;
    case SEEK_CUR:
        base = (int64_t) file->offset;
        break;
    case SEEK_END:
        base = (int64_t) inode_size(file->inode);
        break;
    default:
        return -EINVAL;
    }
    int64_t target;
    if (__builtin_add_overflow(base, offset, &target) || target < 0)
        return -EINVAL;
    file->offset = (uint64_t) target;
    return target;
}

off_t sim_lseek(int fd, off_t offset, int whence)
{
    struct call call = CALL(lseek, .argument = {offset, whence});
    call.fd = fd;
    if (call_enter(&call))
        call.result = seek(fd, offset, whence);
    return call_leave(&call);
}

off_t sim_lseek64(int fd, off_t offset, int whence)
{
    return sim_lseek(fd, offset, whence);
}

static int truncate_file(int fd, off_t length)
{
    struct file *file = descriptor_file(fd);
    if (!file)
        return -EBADF;
    if (length < 0 || !file_writable(file) || !file_is_regular(file))
        return -EINVAL;
    return inode_truncate(file->inode, (uint64_t) length);
}

int sim_ftruncate(int fd, off_t length)
{
    struct call call = CALL(ftruncate, .argument = {length});
    call.fd = fd;
    if (call_enter(&call))
        call.result = truncate_file(fd, length);
    return (int) call_leave(&call);
}

int sim_ftruncate64(int fd, off_t length)
{
    return sim_ftruncate(fd, length);
}

/* --- the disk --------------------------------------------------------------------------------*/

/* Linux tells each descriptor once of a failure since it was opened (errseq_t; syncfs since 5.8).
 */
static bool has_unseen_error(struct file *file, bool whole)
{
    uint64_t *seen = whole ? &file->all_errors_seen : &file->errors_seen;
    uint64_t error = vfs_sync_error(running->host->vfs, whole ? NULL : file->inode);
    bool unseen = error > *seen;
    *seen = unseen ? error : *seen;
    return unseen;
}

static int sync_descriptor(int fd, bool data_only, bool whole)
{
    struct file *file = descriptor_file(fd);
    if (!file)
        return -EBADF;
    if (!whole && !file_is_regular(file) && !file_is_directory(file))
        return -EINVAL;
    int result = sync_wait(running->host, whole ? NULL : file->inode, data_only);
    bool unseen = has_unseen_error(file, whole);
    return !result && unseen ? -EIO : result;
}

/* The call did not get past a fault. */
static void note_failed_sync(const struct call *call, bool whole)
{
    struct file *file = descriptor_file(call->fd);
    if (call->result == -EIO && file && file->inode) {
        vfs_sync_fail(running->host->vfs, whole ? NULL : file->inode);
        has_unseen_error(file, whole); /* this is how it is told */
    }
}

int sim_fsync(int fd)
{
    struct call call = CALL(fsync);
    call.fd = fd;
    if (call_enter(&call))
        call.result = sync_descriptor(fd, false, false);
    else
        note_failed_sync(&call, false);
    return (int) call_leave(&call);
}

int sim_fdatasync(int fd)
{
    struct call call = CALL(fdatasync);
    call.fd = fd;
    if (call_enter(&call))
        call.result = sync_descriptor(fd, true, false);
    else
        note_failed_sync(&call, false);
    return (int) call_leave(&call);
}

int sim_syncfs(int fd)
{
    struct call call = CALL(syncfs);
    call.fd = fd;
    if (call_enter(&call))
        call.result = sync_descriptor(fd, false, true);
    else
        note_failed_sync(&call, true);
    return (int) call_leave(&call);
}

/* It only starts writing, which promises nothing. */
static int start_write_back(int fd, off_t offset, off_t length, unsigned flags)
{
    struct file *file = descriptor_file(fd);
    if (!file)
        return -EBADF;
    if (flags & ~7u || offset < 0 || length < 0)
        return -EINVAL;
    return file_is_regular(file) || file_is_directory(file) ? 0 : -ESPIPE;
}

int sim_sync_file_range(int fd, off_t offset, off_t length, unsigned flags)
{
    struct call call = CALL(sync_file_range, .argument = {offset, length, flags});
    call.fd = fd;
    if (call_enter(&call))
        call.result = start_write_back(fd, offset, length, flags);
    return (int) call_leave(&call);
}

/* --- descriptors -----------------------------------------------------------------------------*/

static int duplicate(int fd, int64_t from, bool close_on_exec)
{
    struct file *file = descriptor_file(fd);
    if (!file)
        return -EBADF;
    if (from < 0 || (rlim_t) from >= running->limits[RLIMIT_NOFILE].rlim_cur)
        return -EINVAL;
    file_ref(file);
    return descriptor_add(running, file, (unsigned) from, close_on_exec);
}

static int control_descriptor(int fd, int command, int64_t argument)
{
    struct file *file = descriptor_file(fd);
    if (!file)
        return -EBADF;
    struct descriptor *descriptor = &running->descriptors.entries[fd];
    switch (command) {
    case F_GETFD:
        return descriptor->close_on_exec ? FD_CLOEXEC : 0;
    case F_SETFD:
        descriptor->close_on_exec = argument & FD_CLOEXEC;
        return 0;
    case F_GETFL:
        return file->flags | O_LARGEFILE;
    case F_SETFL:
        file->flags =
            (file->flags & ~(O_APPEND | O_NONBLOCK)) | ((int) argument & (O_APPEND | O_NONBLOCK));
        return 0;
    case F_DUPFD:
        return duplicate(fd, argument, false);
    case F_DUPFD_CLOEXEC:
        return duplicate(fd, argument, true);
    default:
        return -EINVAL;
    }
}

static int do_fcntl(int fd, int command, int64_t argument)
{
    struct call call = CALL(fcntl, .argument = {command, argument});
    call.fd = fd;
    if (call_enter(&call))
        call.result = control_descriptor(fd, command, argument);
    return (int) call_leave(&call);
}

static bool takes_number(int command)
{
    return command == F_SETFD || command == F_SETFL || command == F_DUPFD ||
           command == F_DUPFD_CLOEXEC;
}

int sim_fcntl(int fd, int command, ...)
{
    int argument = 0;
    if (takes_number(command)) {
        va_list arguments;
        va_start(arguments, command);
        argument = va_arg(arguments, int);
        va_end(arguments);
    }
    return do_fcntl(fd, command, argument);
}

int sim_fcntl64(int fd, int command, ...)
{
    int argument = 0;
    if (takes_number(command)) {
        va_list arguments;
        va_start(arguments, command);
        argument = va_arg(arguments, int);
        va_end(arguments);
    }
    return do_fcntl(fd, command, argument);
}

int sim_dup(int fd)
{
    struct call call = CALL(dup);
    call.fd = fd;
    if (call_enter(&call))
        call.result = duplicate(fd, 0, false);
    return (int) call_leave(&call);
}

static int duplicate_to(int fd, int new_fd)
{
    struct file *file = descriptor_file(fd);
    if (!file)
        return -EBADF;
    return fd == new_fd ? fd : descriptor_put(running, new_fd, file, false);
}

int sim_dup2(int fd, int new_fd)
{
    struct call call = CALL(dup, .argument = {new_fd});
    call.fd = fd;
    if (call_enter(&call))
        call.result = duplicate_to(fd, new_fd);
    return (int) call_leave(&call);
}

static int lock_descriptor(int fd, int operation)
{
    struct file *file = descriptor_file(fd);
    return file ? file_lock(file, operation) : -EBADF;
}

int sim_flock(int fd, int operation)
{
    struct call call = CALL(flock, .argument = {operation});
    call.fd = fd;
    if (call_enter(&call))
        call.result = lock_descriptor(fd, operation);
    return (int) call_leave(&call);
}

/* --- pipes -----------------------------------------------------------------------------------*/

static int open_pipe(int fds[2], int flags)
{
    if (flags & ~(O_CLOEXEC | O_NONBLOCK))
        return -EINVAL;
    struct file *reader, *writer;
    int found[2];
    pipe_create(running->kernel, flags, &reader, &writer);
    found[0] = descriptor_add(running, reader, 0, flags & O_CLOEXEC);
    if (found[0] < 0) {
        file_unref(writer);
        return found[0];
    }
    found[1] = descriptor_add(running, writer, 0, flags & O_CLOEXEC);
    if (found[1] < 0) {
        descriptor_close(running, found[0]);
        return found[1];
    }
    memcpy(fds, found, sizeof found);
    return 0;
}

int sim_pipe2(int fds[2], int flags)
{
    struct call call = CALL(pipe, .argument = {flags});
    if (call_enter(&call)) {
        call.result = open_pipe(fds, flags);
        if (call.result == 0) {
            call.argument[1] = fds[0];
            call.argument[2] = fds[1];
        }
    }
    return (int) call_leave(&call);
}

int sim_pipe(int fds[2])
{
    return sim_pipe2(fds, 0);
}

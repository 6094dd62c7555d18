/* SPDX-License-Identifier: ISC */
#include "mta/lib/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int io_write(int fd, const void *bytes, size_t size)
{
    const char *from = bytes;
    while (size > 0) {
        ssize_t count = write(fd, from, size);
        if (count < 0) {
            if (errno == EINTR)
                continue;
            return -1;
        }
        from += count;
        size -= (size_t) count;
    }
    return 0;
}

ssize_t io_read(int fd, void *to, size_t size)
{
    for (;;) {
        ssize_t count = read(fd, to, size);
        if (count >= 0 || errno != EINTR)
            return count;
    }
}

int io_read_all(int fd, struct buf *buf)
{
    char block[4096];
    for (;;) {
        ssize_t count = io_read(fd, block, sizeof block);
        if (count <= 0)
            return (int) count;
        if (buf_add(buf, block, (size_t) count) < 0)
            return -1;
    }
}

int io_read_file(const char *path, struct buf *buf)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return -1;
    struct stat st;
    int result = fstat(fd, &st);
    if (result == 0 && !S_ISREG(st.st_mode)) {
        errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
        result = -1;
    }
    if (result == 0)
        result = io_read_all(fd, buf);
    int saved = errno;
    close(fd);
    errno = saved;
    return result;
}

static int write_synced(int fd, const void *bytes, size_t size)
{
    if (io_write(fd, bytes, size) < 0)
        return -1;
    return fsync(fd);
}

int io_replace_file(const char *directory, const char *path, const char *temporary,
                    const void *bytes, size_t size, mode_t mode)
{
    if (unlink(temporary) < 0 && errno != ENOENT)
        return -1;
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0)
        return -1;
    int result = write_synced(fd, bytes, size);
    int saved = errno;
    close(fd);
    if (result == 0) {
        result = rename(temporary, path);
        saved = errno;
    }
    if (result < 0) {
        unlink(temporary);
        errno = saved;
        return -1;
    }
    return io_sync_directory(directory);
}

int io_sync_directory(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int result = fsync(fd);
    int saved = errno;
    close(fd);
    errno = saved;
    return result;
}

int io_sync_all(int fd)
{
    if (syncfs(fd) < 0)
        return -1;
    return fsync(fd);
}

void io_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

int io_set_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0)
        return -1;
    return fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

int io_set_cloexec(int fd)
{
    return fcntl(fd, F_SETFD, FD_CLOEXEC);
}

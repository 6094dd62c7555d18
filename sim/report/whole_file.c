/* SPDX-License-Identifier: ISC */
#include "sim/report/whole_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int write_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t put = write(fd, bytes, size);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return -1;
        bytes += put;
        size -= (size_t) put;
    }
    return 0;
}

/* Closes it.  Returns `result`, or -1 with the first errno. */
static int close_with(int fd, int result)
{
    int error = errno;
    if (close(fd) < 0 && result == 0)
        return -1;
    errno = error;
    return result;
}

static int write_through(const char *path, const char *bytes, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOCTTY | O_CLOEXEC, 0666);
    return fd < 0 ? -1 : close_with(fd, write_all(fd, bytes, size));
}

/* `mode`: of the file that it replaces; -1 if it is none. */
static int write_beside(const char *path, int mode, const char *bytes, size_t size)
{
    char *beside = NULL;
    if (asprintf(&beside, "%s.new.%d", path, (int) getpid()) < 0)
        abort();
    int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    int result = fd;
    if (fd >= 0) {
        result = write_all(fd, bytes, size);
        if (result == 0 && ((mode >= 0 && fchmod(fd, (mode_t) mode) < 0) || fsync(fd) < 0))
            result = -1;
        result = close_with(fd, result);
        if (result == 0)
            result = rename(beside, path);
        if (result < 0) {
            int error = errno;
            unlink(beside);
            errno = error;
        }
    }
    free(beside);
    return result < 0 ? -1 : 0;
}

int whole_file_write(const char *path, const char *bytes, size_t size)
{
    struct stat status;
    if (stat(path, &status) < 0)
        return write_beside(path, -1, bytes, size);
    if (!S_ISREG(status.st_mode))
        return write_through(path, bytes, size);
    char *real = realpath(path, NULL);
    if (!real)
        return -1;
    int result = write_beside(real, status.st_mode & 07777, bytes, size);
    if (result < 0 && errno == EACCES)
        result = write_through(real, bytes, size);
    int error = errno;
    free(real);
    errno = error;
    return result;
}

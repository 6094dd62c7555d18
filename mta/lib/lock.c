/* SPDX-License-Identifier: ISC */
#include "mta/lib/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

int lock_mend(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0)
        close(fd);
    else if (errno == EACCES)
        return unlink(path);
    return 0;
}

int lock_file(const char *path, mode_t mode, bool wait)
{
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | (mode ? O_CREAT : 0), mode);
    if (fd < 0)
        return -1;
    int result;
    do
        result = flock(fd, LOCK_EX | (wait ? 0 : LOCK_NB));
    while (result < 0 && errno == EINTR);
    if (result == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

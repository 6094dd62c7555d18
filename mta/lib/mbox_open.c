/* SPDX-License-Identifier: ISC */
#include "mta/lib/mbox_open.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "mta/lib/clock.h"
#include "mta/lib/io.h"

#define LOCK_STEP_MS 100
#define OPEN_TRIES 10
#define WRITABLE_BY_OTHERS 0022

static int lock(int fd)
{
    int64_t end = clock_monotonic_ms() + MBOX_LOCK_SECONDS * 1000;
    while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return -1;
        if (clock_monotonic_ms() >= end) {
            errno = EWOULDBLOCK;
            return -1;
        }
        if (poll(NULL, 0, LOCK_STEP_MS) < 0 && errno != EINTR)
            return -1;
    }
    return 0;
}

/* --- what is another user's --- */

int mbox_directory(struct buf *to, const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? buf_set(to, path, (size_t) (slash - path) + 1) : buf_set_text(to, ".");
}

static bool is_anothers(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid != 0 && st.st_uid != geteuid();
}

/* A descriptor of the directory, locked, if it is the user's alone; else -1. */
static int lock_own_directory(const char *path)
{
    struct buf directory = BUF_INIT(0);
    struct stat st;
    int fd = -1;
    if (mbox_directory(&directory, path) == 0 && buf_text(&directory))
        fd = open(directory.data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    buf_free(&directory);
    if (fd >= 0 && (fstat(fd, &st) < 0 || st.st_uid != geteuid() ||
                    (st.st_mode & WRITABLE_BY_OTHERS) || lock(fd) < 0))
        io_close(&fd);
    return fd;
}

/* Gives it the first name that is free. */
static int rename_aside(const char *path)
{
    struct buf to = BUF_INIT(0);
    struct stat st;
    int result = -1;
    for (char again = '1'; again <= '9'; again++) {
        const char suffix[] = {'.', again, 0};
        if (buf_set_text(&to, path) < 0 || buf_add_text(&to, ".nixie-anothers") < 0 ||
            buf_add_text(&to, again == '1' ? "" : suffix) < 0 || !buf_text(&to))
            break;
        if (lstat(to.data, &st) == 0)
            continue;
        if (errno == ENOENT)
            result = rename(path, to.data);
        break;
    }
    buf_free(&to);
    return result;
}

/* After a power loss the name of a box that was just being made can lead to a file that another
 * user had removed.  0: it does not any more, -1: it is left alone.
 *
 * Two deliveries may find it at the same time, and the second must not take the first one's new box
 * for it: so it is looked at again under a lock on the directory, which all who do this take (over
 * NFS those of one machine).  If the power goes before the directory is synced, both names may lead
 * to it: rename() would do nothing then, so it gets one more name. */
static int put_aside(const char *path)
{
    if (!is_anothers(path))
        return -1;
    int directory = lock_own_directory(path);
    if (directory < 0)
        return -1;
    int result = is_anothers(path) ? rename_aside(path) : 0;
    io_close(&directory);
    return result;
}

/* --- the box --- */

/* A reader may have put another file in the place of the one that we waited for. */
static bool is_still_there(const char *path, const struct stat *box)
{
    struct stat st;
    return stat(path, &st) == 0 && st.st_dev == box->st_dev && st.st_ino == box->st_ino;
}

/* The open box: locked, and still the one that `path` leads to.  1; 0: it is not any more; -1 with
 * errno and *trouble. */
static int take(int fd, const char *path, struct stat *st, enum mbox_trouble *trouble)
{
    *trouble = MBOX_OPEN;
    if (fstat(fd, st) < 0)
        return -1;
    if (!S_ISREG(st->st_mode)) {
        *trouble = MBOX_KIND;
        errno = EINVAL;
        return -1;
    }
    if (lock(fd) < 0) {
        *trouble = MBOX_LOCK;
        return -1;
    }
    if (!is_still_there(path, st))
        return 0;
    return fstat(fd, st) < 0 ? -1 : 1;
}

int mbox_open(const char *path, struct stat *st, enum mbox_trouble *trouble)
{
    *trouble = MBOX_OPEN;
    for (int i = 0; i < OPEN_TRIES; i++) {
        int fd = open(path, O_RDWR | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
        if (fd < 0) {
            int error = errno;
            if (error == EACCES && put_aside(path) == 0)
                continue;
            errno = error;
            return -1;
        }
        int result = take(fd, path, st, trouble);
        if (result > 0)
            return fd;
        int saved = errno;
        io_close(&fd);
        errno = saved;
        if (result < 0)
            return -1;
    }
    errno = EBUSY;
    return -1;
}

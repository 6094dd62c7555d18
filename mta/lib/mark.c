/* SPDX-License-Identifier: ISC */
#include "mta/lib/mark.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mta/lib/spool.h"

static const struct {
    enum mark mark;
    const char *name;
} marks[] = {{MARK_HOLD, "hold"}, {MARK_EXPIRE, "expire"}, {MARK_DELETE, "delete"}};
#define MARK_COUNT (sizeof marks / sizeof *marks)

const char *mark_path(char to[MARK_PATH_SIZE], uint64_t number, enum mark mark)
{
    const char *name = "";
    for (size_t i = 0; i < MARK_COUNT; i++)
        if (marks[i].mark == mark)
            name = marks[i].name;
    snprintf(to, MARK_PATH_SIZE, MARK_DIRECTORY "/%llu.%s", (unsigned long long) number, name);
    return to;
}

int mark_parse(const char *name, size_t size, uint64_t *number, enum mark *mark)
{
    const char *dot = memchr(name, '.', size);
    size_t digits = dot ? (size_t) (dot - name) : size;
    if (dot && spool_number_parse(name, digits, number) == 0)
        for (size_t i = 0; i < MARK_COUNT; i++)
            if (strlen(marks[i].name) == size - digits - 1 &&
                memcmp(marks[i].name, dot + 1, size - digits - 1) == 0) {
                *mark = marks[i].mark;
                return 0;
            }
    errno = EINVAL;
    return -1;
}

int mark_set(uint64_t number, enum mark mark)
{
    char path[MARK_PATH_SIZE];
    /* one that is there may be root's, which nixie-send could not open */
    int fd = open(mark_path(path, number, mark), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno == EEXIST ? 0 : -1;
    close(fd);
    return 0;
}

int mark_sync(uint64_t number, enum mark mark)
{
    char path[MARK_PATH_SIZE];
    int fd = open(mark_path(path, number, mark),
                  O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int result = fsync(fd), saved = errno;
    close(fd);
    errno = saved;
    return result;
}

int mark_clear(uint64_t number, enum mark mark)
{
    char path[MARK_PATH_SIZE];
    if (unlink(mark_path(path, number, mark)) < 0 && errno != ENOENT)
        return -1;
    return 0;
}

unsigned mark_read(uint64_t number)
{
    char path[MARK_PATH_SIZE];
    struct stat st;
    unsigned found = 0;
    for (size_t i = 0; i < MARK_COUNT; i++)
        if (lstat(mark_path(path, number, marks[i].mark), &st) == 0)
            found |= marks[i].mark;
    return found;
}

/* SPDX-License-Identifier: ISC */
/*
 * libfaketime keeps a semaphore and a page in /dev/shm, which stay there when its process is
 * killed.  Where machines have no /dev/shm of their own they are files of the run, which go with
 * it. libfaketime begins before this library does, so that nothing here depends on `preload`.
 */
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sim/reality/preload/preload.h"

/* The file for that name; false: machines have their own /dev/shm. */
static bool file_of(const char *name, const char *kind, char path[PLACE_MAX])
{
    const char *socket = getenv(WIRE_ENVIRONMENT), *slash = socket ? strrchr(socket, '/') : NULL;
    if (!slash || !getenv(WIRE_ROOT))
        return false;
    return snprintf(path, PLACE_MAX, "%.*s/" WIRE_SHARED_MEMORY "/%s%s", (int) (slash - socket),
                    socket, kind, *name == '/' ? name + 1 : name) < PLACE_MAX;
}

/* Of an earlier program of this process one may be left. */
static int open_file(const char *path, int flags)
{
    return (int) syscall(SYS_openat, AT_FDCWD, path,
                         (flags & (O_CREAT | O_TRUNC)) | O_RDWR | O_CLOEXEC, 0600);
}

int shm_open(const char *name, int flags, mode_t mode)
{
    typedef int opener(const char *name, int flags, mode_t mode);
    char path[PLACE_MAX];
    if (!file_of(name, "", path))
        return ((opener *) behind("shm_open"))(name, flags, mode);
    return open_file(path, flags);
}

typedef int remover(const char *name);

static int remove_file(const char *name, const char *kind, const char *call)
{
    char path[PLACE_MAX];
    if (!file_of(name, kind, path))
        return ((remover *) behind(call))(name);
    return (int) syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

int shm_unlink(const char *name)
{
    return remove_file(name, "", "shm_unlink");
}

int sem_unlink(const char *name)
{
    return remove_file(name, "sem.", "sem_unlink");
}

static sem_t *map_semaphore(const char *path, int flags, unsigned value)
{
    int fd = open_file(path, flags);
    sem_t *semaphore = SEM_FAILED;
    if (fd < 0)
        return SEM_FAILED;
    if (syscall(SYS_ftruncate, fd, (long) sizeof *semaphore) == 0) {
        void *page = mmap(NULL, sizeof *semaphore, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        semaphore = page == MAP_FAILED ? SEM_FAILED : page;
    }
    syscall(SYS_close, fd);
    if (semaphore != SEM_FAILED && (flags & O_CREAT))
        sem_init(semaphore, 1, value);
    return semaphore;
}

sem_t *sem_open(const char *name, int flags, ...)
{
    typedef sem_t *opener(const char *name, int flags, ...);
    char path[PLACE_MAX];
    mode_t mode = 0;
    unsigned value = 0;
    va_list arguments;
    va_start(arguments, flags);
    if (flags & O_CREAT) {
        mode = va_arg(arguments, mode_t);
        value = va_arg(arguments, unsigned);
    }
    va_end(arguments);
    if (!file_of(name, "sem.", path))
        return ((opener *) behind("sem_open"))(name, flags, mode, value);
    return map_semaphore(path, flags, value);
}

int sem_close(sem_t *semaphore)
{
    typedef int closer(sem_t * semaphore);
    if (!getenv(WIRE_ROOT))
        return ((closer *) behind("sem_close"))(semaphore);
    return munmap(semaphore, sizeof *semaphore);
}

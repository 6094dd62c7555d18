/* SPDX-License-Identifier: ISC */
/* Calls on files and directories.  Both names of each are here: with and without 64. */
#undef _FILE_OFFSET_BITS
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "sim/reality/preload/preload.h"

/* Runs a call between what is told before and after. */
#define AROUND(told, does) (tell_before(told) ? tell_after(told, (does)) : tell_after(told, -1))

/* --- opening -----------------------------------------------------------------------------------*/

static bool exists(const char *path)
{
    struct stat status;
    return syscall(SYS_newfstatat, AT_FDCWD, PLACED(path), &status, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Files have the times of the clock that their program sees. */
static void set_times(int fd)
{
    struct timespec times[2];
    int saved = errno;
    if (clock_gettime(CLOCK_REALTIME, &times[0]) == 0) {
        times[1] = times[0];
        syscall(SYS_utimensat, fd, NULL, times, 0);
    }
    errno = saved;
}

static int open_it(const char *path, int flags, mode_t mode)
{
    struct told told = TOLD(open, .path = path, .argument = {flags, mode});
    int saved = errno;
    bool is_new = is_told(CALL_open) && (flags & O_CREAT) && !exists(path);
    errno = saved;
    if (!tell_before(&told))
        return (int) tell_after(&told, -1);
    long fd = syscall(SYS_openat, AT_FDCWD, PLACED(path), flags, mode);
    told.argument[2] = fd >= 0 && is_new;
    if (told.argument[2])
        set_times((int) fd);
    return (int) tell_after(&told, fd);
}

static mode_t mode_of(int flags, va_list arguments)
{
    return flags & (O_CREAT | __O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
}

int open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = mode_of(flags, arguments);
    va_end(arguments);
    return open_it(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = mode_of(flags, arguments);
    va_end(arguments);
    return open_it(path, flags, mode);
}

int __open_2(const char *path, int flags);
int __open_2(const char *path, int flags)
{
    return open_it(path, flags, 0);
}

int __open64_2(const char *path, int flags);
int __open64_2(const char *path, int flags)
{
    return open_it(path, flags, 0);
}

int close(int fd)
{
    silent_forget(fd);
    cut_forget(fd);
    if (fd == preload.fd && fd >= 0) {
        errno = EBADF;
        return -1;
    }
    return (int) syscall(SYS_close, fd);
}

/* --- reading and writing -----------------------------------------------------------------------*/

static size_t limited(const struct told *told, size_t size)
{
    return told->reply.limit && told->reply.limit < size ? told->reply.limit : size;
}

ssize_t read(int fd, void *to, size_t size)
{
    struct told told = TOLD_AT(read, fd);
    wait_until_ready(fd, POLLIN);
    if (!tell_before(&told))
        return tell_after(&told, -1);
    cut_begin(fd, &told.reply);
    struct cut *cut = cut_find(fd);
    ssize_t got = cut ? cut_read(cut, to, limited(&told, size))
                      : syscall(SYS_read, fd, to, limited(&told, size));
    if (got > 0)
        turn_receive(fd);
    return tell_after(&told, got);
}

ssize_t __read_chk(int fd, void *to, size_t size, size_t room);
ssize_t __read_chk(int fd, void *to, size_t size, size_t room)
{
    (void) room;
    return read(fd, to, size);
}

ssize_t readv(int fd, const struct iovec *parts, int count)
{
    wait_until_ready(fd, POLLIN);
    ssize_t got = syscall(SYS_readv, fd, parts, count);
    if (got > 0)
        turn_receive(fd);
    return got;
}

/* A pipe or socket without O_NONBLOCK. */
static bool blocks(int fd)
{
    struct stat status;
    int saved = errno;
    long flags = syscall(SYS_fcntl, fd, F_GETFL);
    bool is_stream = syscall(SYS_newfstatat, fd, "", &status, AT_EMPTY_PATH) == 0 &&
                     (S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode));
    errno = saved;
    return is_stream && flags >= 0 && !(flags & O_NONBLOCK);
}

/* The name of a regular file that is written to; NULL: it is none. */
static const char *name_of(int fd, char to[4096])
{
    struct stat status;
    char link[64];
    if (syscall(SYS_newfstatat, fd, "", &status, AT_EMPTY_PATH) < 0 || !S_ISREG(status.st_mode))
        return NULL;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long length = syscall(SYS_readlinkat, AT_FDCWD, link, to, 4095);
    if (length <= 0)
        return NULL;
    to[length] = 0;
    place_strip(to);
    return to;
}

#define CHUNK 4096 /* what a pipe that is ready takes without waiting */

/* Where a write could block it goes piece by piece, and waiting is told of. */
static ssize_t write_waiting(int fd, const char *from, size_t size)
{
    size_t done = 0;
    if (!blocks(fd))
        return syscall(SYS_write, fd, from, size);
    do {
        wait_until_ready(fd, POLLOUT);
        size_t part = size - done < CHUNK ? size - done : CHUNK;
        long count = syscall(SYS_write, fd, from + done, part);
        if (count < 0)
            return done > 0 ? (ssize_t) done : -1;
        done += (size_t) count;
    } while (done < size);
    return (ssize_t) done;
}

ssize_t write(int fd, const void *from, size_t size)
{
    struct told told = TOLD_AT(write, fd, .data = from, .size = size);
    struct sockaddr_storage other;
    char name[4096];
    int saved = errno;
    if (!is_told(CALL_write))
        return syscall(SYS_write, fd, from, size);
    told.path2 = name_of(fd, name);
    errno = saved;
    if (!told.path2)
        turn_send(&told, NULL, &other);
    if (!tell_before(&told))
        return tell_after(&told, -1);
    if (told.reply.flags & WIRE_DISCARDS)
        return tell_after(&told, (ssize_t) size);
    cut_begin(fd, &told.reply);
    struct cut *cut = cut_find(fd);
    ssize_t done = cut ? cut_write(cut, from, limited(&told, size))
                       : write_waiting(fd, from, limited(&told, size));
    if (told.path2 && done > 0)
        set_times(fd);
    return tell_after(&told, done);
}

/* As one write, of which less may go through. */
ssize_t writev(int fd, const struct iovec *parts, int count)
{
    static const size_t most = 65536;
    char bytes[65536];
    size_t used = 0;
    if (!is_told(CALL_write))
        return syscall(SYS_writev, fd, parts, count);
    for (int i = 0; i < count && used < most; i++) {
        size_t room = most - used, size = parts[i].iov_len < room ? parts[i].iov_len : room;
        if (size > 0)
            memcpy(bytes + used, parts[i].iov_base, size);
        used += size;
    }
    return write(fd, bytes, used);
}

/* --- names -------------------------------------------------------------------------------------*/

int link(const char *old_path, const char *new_path)
{
    struct told told = TOLD(link, .path = old_path, .path2 = new_path);
    return (int) AROUND(
        &told, syscall(SYS_linkat, AT_FDCWD, PLACED(old_path), AT_FDCWD, PLACED(new_path), 0));
}

int unlink(const char *path)
{
    struct told told = TOLD(unlink, .path = path);
    return (int) AROUND(&told, syscall(SYS_unlinkat, AT_FDCWD, PLACED(path), 0));
}

int rename(const char *old_path, const char *new_path)
{
    struct told told = TOLD(rename, .path = old_path, .path2 = new_path);
    return (int) AROUND(
        &told, syscall(SYS_renameat2, AT_FDCWD, PLACED(old_path), AT_FDCWD, PLACED(new_path), 0));
}

int mkdir(const char *path, mode_t mode)
{
    struct told told = TOLD(mkdir, .path = path, .argument = {mode});
    return (int) AROUND(&told, syscall(SYS_mkdirat, AT_FDCWD, PLACED(path), mode));
}

int rmdir(const char *path)
{
    struct told told = TOLD(rmdir, .path = path);
    return (int) AROUND(&told, syscall(SYS_unlinkat, AT_FDCWD, PLACED(path), AT_REMOVEDIR));
}

int chmod(const char *path, mode_t mode)
{
    struct told told = TOLD(chmod, .path = path, .argument = {mode});
    return (int) AROUND(&told, syscall(SYS_fchmodat, AT_FDCWD, PLACED(path), mode));
}

int fchmod(int fd, mode_t mode)
{
    struct told told = TOLD_AT(chmod, fd, .argument = {mode});
    return (int) AROUND(&told, syscall(SYS_fchmod, fd, mode));
}

int mkfifo(const char *path, mode_t mode)
{
    struct told told = TOLD(mkfifo, .path = path, .argument = {mode});
    return (int) AROUND(&told, syscall(SYS_mknodat, AT_FDCWD, PLACED(path), S_IFIFO | mode, 0));
}

/* What a link says, as the machine calls it. */
static ssize_t read_link(const char *path, char *to, size_t size)
{
    char text[PLACE_MAX];
    if (!preload.root)
        return syscall(SYS_readlinkat, AT_FDCWD, path, to, size);
    size_t length = strcmp(path, "/proc/self/exe") == 0 ? place_program(to, size) : 0;
    if (length > 0)
        return (ssize_t) length;
    long got = syscall(SYS_readlinkat, AT_FDCWD, PLACED(path), text, sizeof text - 1);
    if (got < 0)
        return -1;
    text[got] = 0;
    place_strip(text);
    length = strlen(text) < size ? strlen(text) : size;
    memcpy(to, text, length);
    return (ssize_t) length;
}

ssize_t readlink(const char *path, char *to, size_t size)
{
    struct told told = TOLD(readlink, .path = path);
    return AROUND(&told, read_link(path, to, size));
}

ssize_t __readlink_chk(const char *path, char *to, size_t size, size_t room);
ssize_t __readlink_chk(const char *path, char *to, size_t size, size_t room)
{
    (void) room;
    return readlink(path, to, size);
}

int pipe2(int fds[2], int flags)
{
    struct told told = TOLD(pipe);
    return (int) AROUND(&told, syscall(SYS_pipe2, fds, flags));
}

int pipe(int fds[2])
{
    return pipe2(fds, 0);
}

int dup(int fd)
{
    struct told told = TOLD_AT(dup, fd);
    return (int) AROUND(&told, syscall(SYS_dup, fd));
}

off_t lseek(int fd, off_t offset, int whence)
{
    struct told told = TOLD_AT(lseek, fd, .argument = {offset, whence});
    return AROUND(&told, syscall(SYS_lseek, fd, offset, whence));
}

static long look_at(int fd, const char *path, struct stat *status, int flags)
{
    long result = syscall(SYS_newfstatat, fd, path, status, flags);
    if (result == 0)
        place_owner(status);
    return result;
}

int fstat64(int fd, struct stat64 *status)
{
    return fstat(fd, (struct stat *) (void *) status);
}

int fstat(int fd, struct stat *status)
{
    struct told told = TOLD_AT(fstat, fd);
    return (int) AROUND(&told, look_at(fd, "", status, AT_EMPTY_PATH));
}

typedef DIR *directory_opener(const char *path);

DIR *opendir(const char *path)
{
    static directory_opener *opener;
    struct told told = TOLD(opendir, .path = path);
    DIR *directory = NULL;
    if (!opener)
        opener = (directory_opener *) behind("opendir");
    if (tell_before(&told))
        directory = opener(PLACED(path));
    tell_after(&told, directory ? 0 : -1);
    return directory;
}

typedef struct dirent *directory_reader(DIR *directory);

struct dirent *readdir(DIR *directory)
{
    static directory_reader *reader;
    struct told told = TOLD(readdir);
    struct dirent *entry = NULL;
    if (!reader)
        reader = (directory_reader *) behind("readdir");
    if (tell_before(&told))
        entry = reader(directory);
    tell_after(&told, entry ? 1 : 0);
    return entry;
}

struct dirent64 *readdir64(DIR *directory)
{
    return (struct dirent64 *) (void *) readdir(directory);
}

int chdir(const char *path)
{
    char directory[4096];
    long result = syscall(SYS_chdir, PLACED(path));
    if (result < 0 || preload.fd < 0)
        return (int) result;
    int saved = errno;
    if (syscall(SYS_getcwd, directory, sizeof directory) > 0) {
        place_strip(directory);
        struct wire_note note = {.kind = WIRE_DIRECTORY,
                                 .path_size = (uint32_t) strlen(directory) + 1};
        const void *parts[] = {directory};
        const size_t sizes[] = {note.path_size};
        talk_send(&note, parts, sizes, 1);
    }
    errno = saved;
    return 0;
}

/* --- looking -----------------------------------------------------------------------------------*/

#define LOOKS(name, call, ...)                                                                     \
    int name(const char *path, struct stat *status)                                                \
    {                                                                                              \
        struct told told = TOLD(call, .path = path);                                               \
        return (int) AROUND(&told, look_at(AT_FDCWD, PLACED(path), status, __VA_ARGS__));          \
    }
LOOKS(stat, stat, 0)
LOOKS(lstat, lstat, AT_SYMLINK_NOFOLLOW)
int stat64(const char *path, struct stat64 *status)
{
    return stat(path, (struct stat *) (void *) status);
}
int lstat64(const char *path, struct stat64 *status)
{
    return lstat(path, (struct stat *) (void *) status);
}

typedef struct passwd *passwd_finder(const char *name);

struct passwd *getpwnam(const char *name)
{
    static passwd_finder *finder;
    struct told told = TOLD(getpw, .path = name);
    struct passwd *found = NULL;
    if (!finder)
        finder = (passwd_finder *) behind("getpwnam");
    if (tell_before(&told))
        found = preload.root ? place_passwd(name, 0) : finder(name);
    tell_after(&told, found ? 0 : -1);
    return found;
}

typedef struct passwd *passwd_by_id(uid_t uid);

struct passwd *getpwuid(uid_t uid)
{
    static passwd_by_id *finder;
    struct told told = TOLD(getpw, .argument = {uid});
    struct passwd *found = NULL;
    if (!finder)
        finder = (passwd_by_id *) behind("getpwuid");
    if (tell_before(&told))
        found = preload.root ? place_passwd(NULL, uid) : finder(uid);
    tell_after(&told, found ? 0 : -1);
    return found;
}

/* --- syncs -------------------------------------------------------------------------------------*/

int fsync(int fd)
{
    struct told told = TOLD_AT(fsync, fd);
    return (int) AROUND(&told, syscall(SYS_fsync, fd));
}

int fdatasync(int fd)
{
    struct told told = TOLD_AT(fdatasync, fd);
    return (int) AROUND(&told, syscall(SYS_fdatasync, fd));
}

int syncfs(int fd)
{
    struct told told = TOLD_AT(syncfs, fd);
    return (int) AROUND(&told, syscall(SYS_syncfs, fd));
}

int ftruncate(int fd, off_t length)
{
    struct told told = TOLD_AT(ftruncate, fd, .argument = {length});
    char name[4096];
    if (is_told(CALL_ftruncate))
        told.path2 = name_of(fd, name);
    return (int) AROUND(&told, syscall(SYS_ftruncate, fd, length));
}

int ftruncate64(int fd, off64_t length)
{
    return ftruncate(fd, length);
}

/* SPDX-License-Identifier: ISC */
/*
 * Where no namespaces can be had: the machine's own names of files, of itself and of its one user,
 * though it shares all that with the real system (place.h).
 */
#undef _FILE_OFFSET_BITS
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sim/reality/place.h"
#include "sim/reality/preload/preload.h"
#include "sim/world/home.h"

const char *placed(const char *path, char to[PLACE_MAX])
{
    return place_real(preload.root, path, to);
}

void place_strip(char *path)
{
    place_own(preload.root, path);
}

/* The program, as it was started; 0: that is not known. */
size_t place_program(char *to, size_t size)
{
    const char *file = (const char *) (uintptr_t) getauxval(AT_EXECFN);
    char path[PLACE_MAX];
    if (!preload.root || !file || *file != '/' || strlen(file) >= sizeof path)
        return 0;
    strcpy(path, file);
    place_own(preload.root, path);
    size_t length = strlen(path);
    memcpy(to, path, length < size ? length : size);
    return length < size ? length : size;
}

/* --- files that are not told of ----------------------------------------------------------------*/

char *getcwd(char *to, size_t size)
{
    typedef char *getter(char *to, size_t size);
    getter *get = (getter *) behind("getcwd");
    char *found = get ? get(to, size) : NULL;
    if (found)
        place_own(preload.root, found);
    return found;
}

char *__getcwd_chk(char *to, size_t size, size_t room);
char *__getcwd_chk(char *to, size_t size, size_t room)
{
    (void) room;
    return getcwd(to, size);
}

int symlink(const char *target, const char *path)
{
    return (int) syscall(SYS_symlinkat, PLACED(target), AT_FDCWD, PLACED(path));
}

int access(const char *path, int mode)
{
    return (int) syscall(SYS_faccessat, AT_FDCWD, PLACED(path), mode);
}

int faccessat(int at, const char *path, int mode, int flags)
{
    typedef int looker(int at, const char *path, int mode, int flags);
    looker *look = (looker *) behind("faccessat");
    return look(at, PLACED(path), mode, flags);
}

static int open_at(int at, const char *path, int flags, mode_t mode)
{
    if (at == AT_FDCWD || *path == '/')
        return open(path, flags, mode);
    return (int) syscall(SYS_openat, at, path, flags, mode);
}

int openat(int at, const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return open_at(at, path, flags, mode);
}

int openat64(int at, const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return open_at(at, path, flags, mode);
}

typedef FILE *file_opener(const char *path, const char *mode);

FILE *fopen(const char *path, const char *mode)
{
    file_opener *opener = (file_opener *) behind("fopen");
    return opener(PLACED(path), mode);
}

FILE *fopen64(const char *path, const char *mode)
{
    return fopen(path, mode);
}

int statvfs(const char *path, struct statvfs *space)
{
    typedef int looker(const char *path, struct statvfs *space);
    looker *look = (looker *) behind("statvfs");
    return look(PLACED(path), space);
}

int statvfs64(const char *path, struct statvfs64 *space)
{
    typedef int looker(const char *path, struct statvfs64 *space);
    looker *look = (looker *) behind("statvfs64");
    return look(PLACED(path), space);
}

typedef int action_adder(posix_spawn_file_actions_t *actions, const char *path);

int posix_spawn_file_actions_addchdir_np(posix_spawn_file_actions_t *actions, const char *path)
{
    action_adder *add = (action_adder *) behind("posix_spawn_file_actions_addchdir_np");
    return add(actions, PLACED(path));
}

int posix_spawn_file_actions_addopen(posix_spawn_file_actions_t *actions, int fd, const char *path,
                                     int flags, mode_t mode)
{
    typedef int adder(posix_spawn_file_actions_t * actions, int fd, const char *path, int flags,
                      mode_t mode);
    adder *add = (adder *) behind("posix_spawn_file_actions_addopen");
    return add(actions, fd, PLACED(path), flags, mode);
}

/* --- who it is ---------------------------------------------------------------------------------*/

/* Programs run as whoever called nixie, and take themselves for the one user. */
static uid_t own_uid(void)
{
    return (uid_t) syscall(SYS_getuid);
}

static gid_t own_gid(void)
{
    return (gid_t) syscall(SYS_getgid);
}

static bool pretends(void)
{
    return preload.root && own_uid() != HOME_OWNER;
}

void place_owner(struct stat *status)
{
    if (!pretends())
        return;
    if (status->st_uid == own_uid())
        status->st_uid = HOME_OWNER;
    if (status->st_gid == own_gid())
        status->st_gid = HOME_OWNER;
}

uid_t getuid(void)
{
    return pretends() ? HOME_OWNER : own_uid();
}

uid_t geteuid(void)
{
    return pretends() ? HOME_OWNER : (uid_t) syscall(SYS_geteuid);
}

gid_t getgid(void)
{
    return pretends() ? HOME_OWNER : own_gid();
}

gid_t getegid(void)
{
    return pretends() ? HOME_OWNER : (gid_t) syscall(SYS_getegid);
}

int setuid(uid_t uid)
{
    typedef int setter(uid_t uid);
    setter *set = (setter *) behind("setuid");
    if (!pretends())
        return set(uid);
    if (uid == HOME_OWNER)
        return 0;
    errno = EPERM;
    return -1;
}

int gethostname(char *to, size_t size)
{
    typedef int getter(char *to, size_t size);
    getter *get = (getter *) behind("gethostname");
    const char *own = preload.root ? getenv("NIXIE_REALITY_HOST") : NULL;
    if (!own)
        return get(to, size);
    if (strlen(own) >= size) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(to, own);
    return 0;
}

int __gethostname_chk(char *to, size_t size, size_t room);
int __gethostname_chk(char *to, size_t size, size_t room)
{
    (void) room;
    return gethostname(to, size);
}

/* --- who others are ----------------------------------------------------------------------------*/

/* The machine's own table: of `name`, or (NULL) of the user. */
struct passwd *place_passwd(const char *name, uid_t uid)
{
    FILE *from = fopen("/etc/passwd", "re");
    struct passwd *found = NULL;
    while (from && (found = fgetpwent(from)))
        if (name ? strcmp(found->pw_name, name) == 0 : found->pw_uid == uid)
            break;
    if (from)
        fclose(from);
    return found;
}

struct group *getgrnam(const char *name)
{
    typedef struct group *finder(const char *name);
    finder *find = (finder *) behind("getgrnam");
    struct group *found = NULL;
    if (!preload.root)
        return find(name);
    FILE *from = fopen("/etc/group", "re");
    while (from && (found = fgetgrent(from)))
        if (strcmp(found->gr_name, name) == 0)
            break;
    if (from)
        fclose(from);
    return found;
}

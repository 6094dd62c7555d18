/* SPDX-License-Identifier: ISC */
/* Operations on one or two paths, multiplied with everything that a path can name. */
#include "tests/kernel/sequences.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LONG64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define LONG256 LONG64 LONG64 LONG64 LONG64

static const char *const targets[] = {
    "file",      "dir",      "full",      "link",   "linkdir",   "dangling",  "loop",
    "fifo",      "noread",   "missing",   "full/x", "missing/x", "file/x",    "dir/",
    "file/",     "missing/", "",          ".",      "..",        "dir/.",     "full/..",
    "nodir/x",   "fixed/x",  "fixed/new", "link/",  "linkdir/",  "dangling/", LONG256,
    "linkdir/x", "setuid",   "dir//./new"};

static void make_targets(void)
{
    make_file("file", "hello", 0644);
    mkdir("dir", 0755);
    mkdir("full", 0755);
    make_file("full/x", "inner", 0644);
    (void) !symlink("file", "link");
    (void) !symlink("full", "linkdir");
    (void) !symlink("nowhere", "dangling");
    (void) !symlink("loop", "loop");
    mkfifo("fifo", 0644);
    make_file("noread", "secret", 0000);
    mkdir("nodir", 0755);
    make_file("nodir/x", "hidden", 0644);
    chmod("nodir", 0000);
    mkdir("fixed", 0755);
    make_file("fixed/x", "kept", 0644);
    chmod("fixed", 0555);
    make_file("setuid", "s", 04755);
}

static void show_all(const char *path)
{
    say_stat(path);
    say_directory(".");
    say_directory("full");
    say_stat("file");
    say_stat("nowhere");
}

static void open_with(const char *path, int flags)
{
    errno = 0;
    int fd = open(path, flags | O_NONBLOCK, 0640);
    report("open", fd, errno);
    if (fd >= 0) {
        char block[20];
        DO(read(fd, block, 3));
        DO(write(fd, "new", 3));
        DO(lseek(fd, 0, SEEK_CUR));
        DO(ftruncate(fd, 2));
        DO(fsync(fd));
        close(fd);
    }
}

static void do_rdonly(const char *path)
{
    open_with(path, O_RDONLY);
}
static void do_wronly(const char *path)
{
    open_with(path, O_WRONLY);
}
static void do_rdwr_append(const char *path)
{
    open_with(path, O_RDWR | O_APPEND);
}
static void do_creat(const char *path)
{
    open_with(path, O_RDWR | O_CREAT);
}
static void do_excl(const char *path)
{
    open_with(path, O_WRONLY | O_CREAT | O_EXCL);
}
static void do_trunc(const char *path)
{
    open_with(path, O_WRONLY | O_TRUNC);
}
static void do_trunc_creat(const char *path)
{
    open_with(path, O_WRONLY | O_CREAT | O_TRUNC);
}
static void do_directory(const char *path)
{
    open_with(path, O_RDONLY | O_DIRECTORY);
}
static void do_nofollow(const char *path)
{
    open_with(path, O_RDONLY | O_NOFOLLOW);
}
static void do_mkdir(const char *path)
{
    DO(mkdir(path, 0750));
}
static void do_rmdir(const char *path)
{
    DO(rmdir(path));
}
static void do_unlink(const char *path)
{
    DO(unlink(path));
}
static void do_stat(const char *path)
{
    struct stat st;
    errno = 0;
    int result = stat(path, &st);
    report("stat", result, errno);
    if (result == 0)
        say("mode %o", (unsigned) st.st_mode);
}
static void do_readlink(const char *path)
{
    char to[100];
    errno = 0;
    ssize_t count = readlink(path, to, sizeof to);
    report("readlink", count, errno);
    if (count >= 0)
        say_bytes("target", to, count);
    DO(readlink(path, to, 2));
}
static void do_chdir(const char *path)
{
    errno = 0;
    int result = chdir(path);
    report("chdir", result, errno);
    if (result == 0)
        say_directory(".");
}
static void do_opendir(const char *path)
{
    say_directory(path);
}
static void do_mkfifo(const char *path)
{
    DO(mkfifo(path, 0600));
}
static void do_chmod(const char *path)
{
    DO(chmod(path, 0755));
}
static void do_chown(const char *path)
{
    DO(chown(path, getuid(), getgid()));
    DO(chown(path, 12345, (gid_t) -1));
}
static void do_symlink(const char *path)
{
    DO(symlink("target", path));
}

static const struct {
    const char *name;
    void (*run)(const char *path);
} operations[] = {{"open RDONLY", do_rdonly},
                  {"open WRONLY", do_wronly},
                  {"open RDWR APPEND", do_rdwr_append},
                  {"open CREAT", do_creat},
                  {"open CREAT EXCL", do_excl},
                  {"open TRUNC", do_trunc},
                  {"open CREAT TRUNC", do_trunc_creat},
                  {"open DIRECTORY", do_directory},
                  {"open NOFOLLOW", do_nofollow},
                  {"mkdir", do_mkdir},
                  {"rmdir", do_rmdir},
                  {"unlink", do_unlink},
                  {"stat", do_stat},
                  {"readlink", do_readlink},
                  {"chdir", do_chdir},
                  {"opendir", do_opendir},
                  {"mkfifo", do_mkfifo},
                  {"chmod", do_chmod},
                  {"chown", do_chown},
                  {"symlink", do_symlink}};

/* Two paths: what is moved or linked, and where to. */
static const char *const pair_from[] = {"file",    "dir",  "full",    "link",    "dangling",
                                        "missing", "fifo", "nodir/x", "fixed/x", "file/",
                                        "dir/",    ".",    "",        "linkdir"};
static const char *const pair_to[] = {
    "file",      "new",     "dir",  "full", "full/x", "link", "dangling", "missing/x", "file/x",
    "fixed/new", "dir/new", "new/", "dir/", "",       ".",    "full/sub", "linkdir",   "fifo"};

#define COUNT(array) (sizeof(array) / sizeof *(array))

int path_sequence(unsigned index, char *name, int run)
{
    unsigned singles = COUNT(operations) * COUNT(targets);
    unsigned pairs = COUNT(pair_from) * COUNT(pair_to);
    if (index < singles) {
        unsigned operation = index / COUNT(targets);
        const char *path = targets[index % COUNT(targets)];
        snprintf(name, 200, "%s \"%.100s\"", operations[operation].name, path);
        if (run) {
            make_targets();
            operations[operation].run(path);
            show_all(path);
        }
        return 1;
    }
    index -= singles;
    if (index >= 2 * pairs)
        return 0;
    int renaming = index >= pairs;
    index %= pairs;
    const char *from = pair_from[index / COUNT(pair_to)];
    const char *to = pair_to[index % COUNT(pair_to)];
    snprintf(name, 200, "%s \"%s\" \"%s\"", renaming ? "rename" : "link", from, to);
    if (run) {
        make_targets();
        if (renaming)
            DO(rename(from, to));
        else
            DO(link(from, to));
        say_stat(from);
        show_all(to);
        say_directory("dir");
    }
    return 1;
}

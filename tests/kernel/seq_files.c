/* SPDX-License-Identifier: ISC */
/* Reading, writing, offsets, descriptors, directories, locks. */
#include "tests/kernel/sequences.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <stdio.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

static void show_file(const char *path)
{
    char block[200];
    int fd = open(path, O_RDONLY);
    if (fd < 0) {
        say("open %s: %s", path, error_name(errno));
        return;
    }
    ssize_t count = read(fd, block, sizeof block);
    say_bytes(path, block, count);
    close(fd);
}

static void write_then_read(void)
{
    char block[20];
    int fd = open("a", O_RDWR | O_CREAT, 0644);
    DO(fd);
    DO(write(fd, "hello", 5));
    DO(lseek(fd, 0, SEEK_SET));
    DO(read(fd, block, 20));
    DO(read(fd, block, 20));
    DO(lseek(fd, -2, SEEK_END));
    DO(read(fd, block, 20));
    say_bytes("tail", block, 2);
    DO(close(fd));
    DO(close(fd));
}

static void seek_errors(void)
{
    int fd = open("a", O_RDWR | O_CREAT, 0644);
    DO(lseek(fd, -1, SEEK_SET));
    DO(lseek(fd, 0, 99));
    DO(lseek(fd, 100, SEEK_SET));
    DO(lseek(99, 0, SEEK_SET));
    int ends[2];
    DO(pipe2(ends, 0));
    DO(lseek(ends[0], 0, SEEK_SET));
    int directory = open(".", O_RDONLY);
    DO(lseek(directory, 0, SEEK_SET));
}

static void hole(void)
{
    int fd = open("a", O_RDWR | O_CREAT, 0644);
    DO(lseek(fd, 10, SEEK_SET));
    DO(write(fd, "x", 1));
    say_stat("a");
    show_file("a");
    DO(ftruncate(fd, 4));
    say_stat("a");
    DO(lseek(fd, 0, SEEK_CUR));
    DO(write(fd, "y", 1));
    show_file("a");
    DO(ftruncate(fd, 20));
    show_file("a");
    DO(ftruncate(fd, -1));
    DO(ftruncate(99, 0));
}

static void append_mode(void)
{
    make_file("a", "one", 0644);
    int fd = open("a", O_RDWR | O_APPEND);
    DO(lseek(fd, 0, SEEK_SET));
    DO(write(fd, "two", 3));
    DO(lseek(fd, 0, SEEK_CUR));
    show_file("a");
    int second = open("a", O_WRONLY | O_APPEND);
    DO(write(second, "three", 5));
    DO(write(fd, "four", 4));
    show_file("a");
    DO(fcntl(fd, F_GETFL) & (O_APPEND | O_NONBLOCK | O_ACCMODE));
    DO(fcntl(fd, F_SETFL, 0));
    DO(lseek(fd, 0, SEEK_SET));
    DO(write(fd, "ONE", 3));
    show_file("a");
}

static void wrong_direction(void)
{
    char block[4];
    make_file("a", "text", 0644);
    int reader = open("a", O_RDONLY);
    int writer = open("a", O_WRONLY);
    DO(write(reader, "x", 1));
    DO(read(writer, block, 4));
    DO(ftruncate(reader, 0));
    DO(write(reader, "", 0));
    DO(read(99, block, 1));
    DO(write(99, block, 1));
    int directory = open(".", O_RDONLY);
    DO(read(directory, block, 4));
    DO(write(directory, "x", 1));
    DO(ftruncate(directory, 0));
    DO(fsync(directory));
    DO(fsync(reader));
    DO(fdatasync(writer));
    DO(syncfs(directory));
    DO(fsync(99));
    DO(syncfs(99));
    int ends[2];
    make_pipe(ends, 0);
    DO(fsync(ends[0]));
    DO(fdatasync(ends[1]));
    DO(ftruncate(ends[1], 0));
    DO(sync_file_range(writer, 0, 0, SYNC_FILE_RANGE_WRITE));
    DO(sync_file_range(ends[0], 0, 0, SYNC_FILE_RANGE_WRITE));
}

static void shared_offset(void)
{
    char block[4] = "";
    make_file("a", "abcdefgh", 0644);
    int fd = open("a", O_RDONLY);
    int copy = dup(fd);
    int other = open("a", O_RDONLY);
    DO(read(fd, block, 2));
    DO(read(copy, block, 2));
    say_bytes("copy", block, 2);
    DO(read(other, block, 2));
    say_bytes("other", block, 2);
    DO(close(fd));
    DO(read(copy, block, 2));
    say_bytes("copy", block, 2);
}

static void vectors(void)
{
    volatile int minus_one = -1;
    char first[3], second[10];
    struct iovec parts[2] = {{(char *) (size_t) "ab", 2}, {(char *) (size_t) "cde", 3}};
    int fd = open("a", O_RDWR | O_CREAT, 0644);
    DO(writev(fd, parts, 2));
    DO(writev(fd, parts, 0));
    DO(lseek(fd, 0, SEEK_SET));
    struct iovec into[2] = {{first, 3}, {second, 10}};
    DO(readv(fd, into, 2));
    say_bytes("first", first, 3);
    say_bytes("second", second, 2);
    DO(writev(99, parts, 2));
    DO(writev(fd, parts, minus_one));
}

static void open_unlinked(void)
{
    char block[8];
    struct stat st;
    make_file("a", "still", 0644);
    int fd = open("a", O_RDWR);
    DO(unlink("a"));
    DO(fstat(fd, &st));
    DO(st.st_nlink);
    DO(read(fd, block, 8));
    DO(write(fd, "here", 4));
    DO(fsync(fd));
    make_file("a", "new", 0644);
    show_file("a");
    DO(lseek(fd, 0, SEEK_SET));
    DO(read(fd, block, 8));
    say_bytes("old", block, 8);
}

static void hard_links(void)
{
    make_file("a", "one", 0644);
    DO(link("a", "b"));
    say_stat("a");
    int fd = open("b", O_WRONLY | O_APPEND);
    DO(write(fd, "+", 1));
    show_file("a");
    DO(unlink("a"));
    say_stat("b");
    DO(link("b", "b"));
    DO(rename("b", "b"));
    DO(link("b", "c"));
    DO(rename("b", "c"));
    say_directory(".");
    DO(unlink("b"));
    DO(unlink("b"));
}

static void descriptors(void)
{
    int fd = open("a", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    DO(fd);
    DO(fcntl(fd, F_GETFD));
    DO(dup(fd));
    DO(fcntl(4, F_GETFD));
    DO(dup2(fd, 9));
    DO(dup2(fd, fd));
    DO(dup2(99, 5));
    DO(dup2(99, 99));
    DO(dup2(fd, -1));
    DO(fcntl(fd, F_DUPFD_CLOEXEC, 7));
    DO(fcntl(fd, F_DUPFD, 9));
    DO(fcntl(10, F_GETFD));
    DO(fcntl(7, F_GETFD));
    DO(fcntl(fd, F_SETFD, 0));
    DO(fcntl(fd, F_GETFD));
    DO(fcntl(99, F_GETFD));
    DO(fcntl(fd, F_DUPFD, -1));
    DO(close(3));
    DO(open("a", O_RDONLY));
    DO(dup(99));
    DO(close(-1));
    DO(close_range(9, 5, 0));
    DO(close_range(9, 9, 1 << 20));
    DO(dup2(0, 20));
    DO(dup2(0, 21));
    DO(dup2(0, 22));
    DO(close_range(20, 21, CLOSE_RANGE_CLOEXEC));
    DO(fcntl(20, F_GETFD));
    DO(fcntl(21, F_GETFD));
    DO(fcntl(22, F_GETFD));
    DO(close_range(21, ~0U, 0));
    DO(fcntl(20, F_GETFD));
    DO(fcntl(21, F_GETFD));
    DO(fcntl(22, F_GETFD));
    DO(close(20));
}

static void too_many(void)
{
    struct rlimit limit;
    DO(getrlimit(RLIMIT_NOFILE, &limit));
    limit.rlim_cur = 8;
    DO(setrlimit(RLIMIT_NOFILE, &limit));
    make_file("a", "", 0644);
    for (int i = 0; i < 7; i++)
        DO(open("a", O_RDONLY));
    int ends[2];
    DO(pipe2(ends, 0));
    DO(dup(1));
    DO(dup2(1, 8));
    DO(fcntl(1, F_DUPFD, 8));
    DO(close(7));
    DO(pipe2(ends, 0));
    DO(open("new", O_WRONLY | O_CREAT, 0644));
    DO(open("newer", O_WRONLY | O_CREAT, 0644));
    DO(close(6));
    say_directory(".");
}

static void umask_and_modes(void)
{
    DO(umask(027));
    DO(open("a", O_WRONLY | O_CREAT, 0666));
    say_stat("a");
    DO(mkdir("d", 0777));
    say_stat("d");
    DO(mkfifo("f", 0666));
    say_stat("f");
    DO(umask(0));
    DO(mkdir("e", 0711));
    say_stat("e");
    DO(fchmod(3, 04711));
    say_stat("a");
    DO(fchown(3, getuid(), getgid()));
    say_stat("a");
    DO(fchmod(99, 0600));
    DO(open("noread", O_RDWR | O_CREAT, 0000));
    DO(write(4, "fine", 4));
    DO(open("noread", O_RDONLY) >= 0 || errno == EACCES);
}

static void directories(void)
{
    char path[PATH_MAX];
    DO(mkdir("d", 0755));
    DO(mkdir("d/e", 0755));
    DO(chdir("d/e"));
    make_file("../f", "x", 0644);
    say_directory("..");
    DO(rmdir("."));
    DO(rmdir("../e"));
    DO(getcwd(path, sizeof path) == NULL);
    DO(open("x", O_WRONLY | O_CREAT, 0644));
    say_directory(".");
    DO(chdir(".."));
    DO(mkdir("../x", 0755));
    DO(chdir("/nowhere"));
}

static void current_directory(void)
{
    char path[PATH_MAX], small[3];
    DO(mkdir("deep", 0755));
    DO(chdir("deep"));
    DO(getcwd(path, sizeof path) != NULL);
    char *last = strrchr(path, '/');
    say("ends in %s", last ? last : "?");
    DO(getcwd(small, sizeof small) == NULL);
    int fd = open("..", O_RDONLY | O_DIRECTORY);
    DO(rename("../deep", "../renamed"));
    DO(getcwd(path, sizeof path) != NULL);
    last = strrchr(path, '/');
    say("ends in %s", last ? last : "?");
    DO(close(fd));
}

static void directory_reading(void)
{
    mkdir("d", 0755);
    char name[] = "d/x0";
    for (int i = 0; i < 10; i++) {
        name[3] = (char) ('0' + i);
        make_file(name, "", 0644);
    }
    DIR *directory = opendir("d");
    int count = 0;
    struct dirent *entry;
    while ((entry = readdir(directory))) {
        char path[300] = "d/";
        count++;
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "d/%.200s", entry->d_name);
        unlink(path);
    }
    DO(count);
    DO(closedir(directory));
    say_directory("d");
    DO(rmdir("d"));
}

static void locks(void)
{
    int first = open("lock", O_RDWR | O_CREAT, 0644);
    int second = open("lock", O_RDWR);
    int copy = dup(first);
    DO(flock(first, LOCK_EX | LOCK_NB));
    DO(flock(second, LOCK_EX | LOCK_NB));
    DO(flock(second, LOCK_SH | LOCK_NB));
    DO(flock(copy, LOCK_EX | LOCK_NB));
    DO(close(first));
    DO(flock(second, LOCK_EX | LOCK_NB));
    DO(flock(copy, LOCK_UN));
    DO(flock(second, LOCK_SH | LOCK_NB));
    int third = open("lock", O_RDONLY);
    DO(flock(third, LOCK_SH | LOCK_NB));
    DO(flock(second, LOCK_EX | LOCK_NB));
    DO(close(third));
    DO(flock(second, LOCK_EX | LOCK_NB));
    DO(flock(99, LOCK_EX));
    DO(flock(second, 77));
}

static void lock_of_ended_child(void)
{
    int mine = open("lock", O_RDWR | O_CREAT, 0644);
    int ends[2];
    make_pipe(ends, O_CLOEXEC);
    DO(flock(mine, LOCK_EX));
    pid_t child = start_child("cat", ends[0], 1);
    DO(close(ends[0]));
    DO(close(mine));
    int again = open("lock", O_RDWR);
    DO(flock(again, LOCK_EX | LOCK_NB));
    DO(close(ends[1]));
    say_wait(child);
    DO(flock(again, LOCK_EX | LOCK_NB));
}

static void special_files(void)
{
    char block[4];
    int fd = open("/dev/null", O_RDWR);
    DO(write(fd, "gone", 4));
    DO(read(fd, block, 4));
    DO(close(fd));
    fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY);
    char id[64];
    DO(read(fd, id, sizeof id));
    DO(id[8] == '-' && id[36] == '\n');
    DO(close(fd));
    struct statvfs space;
    DO(statvfs(".", &space));
    DO(statvfs("nowhere", &space));
    DO(space.f_bavail > 0);
}

static void big_file(void)
{
    static const size_t size = 100000;
    char block[1000];
    memset(block, 'b', sizeof block);
    int fd = open("big", O_RDWR | O_CREAT, 0644);
    size_t total = 0;
    while (total < size) {
        ssize_t count = write(fd, block, sizeof block);
        if (count <= 0)
            break;
        total += (size_t) count;
    }
    DO(total);
    say_stat("big");
    DO(lseek(fd, 50000, SEEK_SET));
    DO(write(fd, "middle", 6));
    DO(lseek(fd, 49999, SEEK_SET));
    DO(read(fd, block, 8));
    say_bytes("middle", block, 8);
    DO(ftruncate(fd, 50003));
    DO(lseek(fd, 49999, SEEK_SET));
    DO(read(fd, block, 100));
}

static void file_times(void)
{
    struct stat before, after;
    struct timespec times[2] = {{1000, 0}, {2000, 5}};
    make_file("a", "x", 0644);
    int fd = open("a", O_RDWR);
    DO(futimens(fd, times));
    DO(fstat(fd, &before));
    DO(before.st_atim.tv_sec);
    DO(before.st_mtim.tv_sec);
    DO(before.st_mtim.tv_nsec);
    DO(write(fd, "y", 1));
    DO(fstat(fd, &after));
    DO(after.st_mtim.tv_sec > 2000);
    DO(chmod("a", 0600));
    DO(stat("a", &before));
    DO(before.st_mtim.tv_sec == after.st_mtim.tv_sec);
    DO(futimens(99, NULL));
}

static void replace_by_rename(void)
{
    char block[8];
    make_file("a", "old", 0644);
    make_file("b", "new", 0600);
    int fd = open("a", O_RDONLY);
    DO(rename("b", "a"));
    say_stat("a");
    say_directory(".");
    DO(read(fd, block, 8));
    say_bytes("old", block, 3);
    show_file("a");
    mkdir("d", 0755);
    DO(rename("a", "d"));
    DO(rename("d", "a"));
    DO(rename("d", "d/e"));
    DO(rename("a", "d/a"));
    DO(rename("d", "D"));
    say_directory("D");
}

static void sticky_directory(void)
{
    DO(mkdir("sticky", 0755));
    DO(chmod("sticky", 01777));
    make_file("sticky/mine", "x", 0644);
    DO(unlink("sticky/mine"));
    say_stat("sticky");
}

static void created_behind_a_link(void)
{
    DO(symlink("made", "to"));
    DO(open("to", O_WRONLY | O_CREAT | O_EXCL, 0644));
    DO(open("to", O_WRONLY | O_CREAT, 0644));
    say_directory(".");
    DO(unlink("to"));
    say_directory(".");
    DO(symlink("", "empty"));
    DO(symlink("x", "made"));
}

static void socket_file(void)
{
    DO(mkdir("d", 0755));
    char block[4];
    int fd = open("d", O_RDONLY | O_DIRECTORY);
    DO(open("d", O_WRONLY));
    DO(open("d", O_RDWR | O_CREAT, 0644));
    DO(open("d", O_RDONLY | O_CREAT, 0644));
    DO(open("d", O_RDONLY | O_TRUNC));
    DO(readlink("d", block, 4));
    DO(readlink("d", block, 0));
    DO(close(fd));
}

const struct sequence file_sequences[] = {{"write then read", write_then_read},
                                          {"seek errors", seek_errors},
                                          {"hole", hole},
                                          {"append mode", append_mode},
                                          {"wrong direction", wrong_direction},
                                          {"shared offset", shared_offset},
                                          {"vectors", vectors},
                                          {"open unlinked", open_unlinked},
                                          {"hard links", hard_links},
                                          {"descriptors", descriptors},
                                          {"too many descriptors", too_many},
                                          {"umask and modes", umask_and_modes},
                                          {"directories", directories},
                                          {"current directory", current_directory},
                                          {"directory reading", directory_reading},
                                          {"locks", locks},
                                          {"lock of a child", lock_of_ended_child},
                                          {"special files", special_files},
                                          {"big file", big_file},
                                          {"file times", file_times},
                                          {"replace by rename", replace_by_rename},
                                          {"sticky directory", sticky_directory},
                                          {"created behind a link", created_behind_a_link},
                                          {"opened directory", socket_file},
                                          {NULL, NULL}};

/* SPDX-License-Identifier: ISC */
/*
 * The simulated file system against the real one: random sequences of calls, run on both, must
 * give the same results, errors included, and leave the same tree.  Runs as two users when root.
 */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sim/kernel/disk.h"
#include "sim/kernel/random.h"
#include "sim/kernel/vfs.h"

#define SEQUENCES 500
#define STEPS 60
#define OTHER_USER 4242

static char long_name[300]; /* 256 characters: one too many */
static char full_name[300]; /* 255 */
static char long_path[5000];

struct both {
    struct vfs *vfs;
    struct inode *top; /* stands for the real working directory */
    struct cred cred;
    struct random random;
    char log[STEPS][700];
    unsigned steps;
};

static unsigned below(struct both *both, unsigned bound)
{
    return (unsigned) random_below(&both->random, bound);
}

/* A path made of few names, so that sequences meet each other. */
static void draw_path(struct both *both, char *to)
{
    static const char *const names[] = {"a", "b", "c", "d", "e", ".", "..", "a", "b", "c"};
    *to = '\0';
    unsigned kind = below(both, 100);
    if (kind == 0) {
        return; /* empty */
    } else if (kind == 1) {
        strcat(to, below(both, 2) ? long_name : full_name);
        return;
    } else if (kind == 2) {
        strcat(to, "a/");
        strcat(to, long_name);
        return;
    } else if (kind == 3) {
        strcat(to, long_path);
        return;
    }
    unsigned depth = 1 + below(both, 3);
    /* never above the top: there both would differ */
    int level = 0;
    for (unsigned i = 0; i < depth; i++) {
        const char *name = names[below(both, 10)];
        if (strcmp(name, "..") == 0 && level <= 0)
            name = "a";
        level += strcmp(name, "..") == 0 ? -1 : strcmp(name, ".") == 0 ? 0 : 1;
        if (i)
            strcat(to, below(both, 20) ? "/" : "//");
        strcat(to, name);
    }
    if (below(both, 12) == 0)
        strcat(to, "/");
}

enum operation {
    OPEN,
    MKDIR,
    RMDIR,
    UNLINK,
    LINK,
    RENAME,
    SYMLINK,
    READLINK,
    STAT,
    LSTAT,
    CHMOD,
    CHOWN,
    WRITE,
    TRUNCATE,
    MKFIFO,
    UTIMES,
    SWITCH_USER,
    OPERATIONS
};

static const char *const operation_names[] = {
    "open",  "mkdir", "rmdir", "unlink", "link",     "rename", "symlink", "readlink", "stat",
    "lstat", "chmod", "chown", "write",  "truncate", "mkfifo", "utimes",  "user"};

struct step {
    enum operation operation;
    char path[5100], path2[5100];
    int flags;
    mode_t mode;
    uint64_t number;
};

static void draw_step(struct both *both, struct step *step)
{
    static const int accesses[] = {O_RDONLY, O_WRONLY, O_RDWR};
    static const int extras[] = {O_CREAT, O_EXCL, O_TRUNC, O_NOFOLLOW, O_DIRECTORY};
    static const mode_t modes[] = {0777, 0755, 0700, 0600, 0444, 0000, 01777, 04755, 0111, 0070};
    static const unsigned weights[] = {OPEN, OPEN, OPEN, WRITE, MKDIR, MKDIR, RENAME, RENAME, LINK};
    unsigned drawn = below(both, OPERATIONS + 9);
    step->operation = drawn < OPERATIONS ? drawn : weights[drawn - OPERATIONS];
    draw_path(both, step->path);
    draw_path(both, step->path2);
    step->flags = accesses[below(both, 3)];
    if (below(both, 2))
        step->flags |= O_CREAT;
    for (unsigned i = 1; i < 5; i++)
        if (below(both, 6) == 0)
            step->flags |= extras[i];
    if (step->flags & O_CREAT) /* differs between kernels: EINVAL since 6.4 */
        step->flags &= ~O_DIRECTORY;
    step->mode = modes[below(both, 10)];
    step->number = below(both, 3) ? below(both, 10) : below(both, 9000);
}

static void fill(char *bytes, size_t size, uint64_t salt)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (char) ('a' + (salt + i) % 23);
}

static void describe_stat(const struct stat *stat, char *to)
{
    if (S_ISDIR(stat->st_mode))
        sprintf(to, " %o %u:%u links %u", stat->st_mode, stat->st_uid, stat->st_gid,
                (unsigned) stat->st_nlink);
    else
        sprintf(to, " %o %u:%u links %u size %llu", stat->st_mode, stat->st_uid, stat->st_gid,
                (unsigned) stat->st_nlink, (unsigned long long) stat->st_size);
}

/* What can be read, in short. */
static void describe_bytes(const char *bytes, ssize_t size, char *to)
{
    uint64_t sum = 14695981039346656037u;
    for (ssize_t i = 0; i < size; i++)
        sum = (sum ^ (unsigned char) bytes[i]) * 1099511628211u;
    sprintf(to + strlen(to), " reads %zd %llx", size, (unsigned long long) sum);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

/* Names of a directory, sorted; releases them. */
static void describe_names(char **names, size_t count, char *to)
{
    qsort(names, count, sizeof *names, by_text);
    for (size_t i = 0; i < count; i++) {
        sprintf(to + strlen(to), " %.20s", names[i]);
        free(names[i]);
    }
}

static int error_of(int result)
{
    return result < 0 ? -errno : result;
}

static int real_with_open(const struct step *step, char *note)
{
    int fd = open(step->path, step->flags | O_NONBLOCK | O_CLOEXEC, step->mode);
    if (fd < 0)
        return -errno;
    struct stat stat;
    ck_assert(fstat(fd, &stat) == 0);
    int result = 0;
    char bytes[9000];
    if (step->operation == WRITE && S_ISREG(stat.st_mode) && (step->flags & O_ACCMODE)) {
        fill(bytes, step->number, step->mode);
        result = error_of((int) pwrite(fd, bytes, step->number, (off_t) (step->mode % 50)));
    } else if (step->operation == TRUNCATE && S_ISREG(stat.st_mode) && (step->flags & O_ACCMODE)) {
        result = error_of(ftruncate(fd, (off_t) step->number));
    }
    ck_assert(fstat(fd, &stat) == 0);
    describe_stat(&stat, note);
    if (S_ISREG(stat.st_mode) && (step->flags & O_ACCMODE) != O_WRONLY) {
        ssize_t got = pread(fd, bytes, sizeof bytes, (off_t) (step->number % 5));
        describe_bytes(bytes, got, note);
    }
    if (S_ISDIR(stat.st_mode)) {
        DIR *directory = fdopendir(fd);
        char *names[100];
        size_t count = 0;
        for (struct dirent *entry; (entry = readdir(directory));)
            names[count++] = strdup(entry->d_name);
        describe_names(names, count, note);
        closedir(directory);
    } else {
        close(fd);
    }
    return result;
}

static int real_step(const struct step *step, char *note)
{
    struct stat status;
    char target[6000];
    ssize_t length;
    *note = '\0';
    switch (step->operation) {
    case MKDIR:
        return error_of(mkdir(step->path, step->mode));
    case RMDIR:
        return error_of(rmdir(step->path));
    case UNLINK:
        return error_of(unlink(step->path));
    case LINK:
        return error_of(link(step->path, step->path2));
    case RENAME:
        return error_of(rename(step->path, step->path2));
    case SYMLINK:
        return error_of(symlink(step->path, step->path2));
    case READLINK:
        length = readlink(step->path, target, sizeof target - 1);
        if (length >= 0 && length < 600)
            sprintf(note, " %.*s", (int) length, target);
        return error_of((int) length);
    case STAT:
    case LSTAT:
        if ((step->operation == STAT ? stat : lstat)(step->path, &status) != 0)
            return -errno;
        describe_stat(&status, note);
        return 0;
    case CHMOD:
        return error_of(chmod(step->path, step->mode));
    case CHOWN:
        return error_of(chown(step->path, step->number & 1 ? OTHER_USER : (uid_t) -1,
                              step->number & 2 ? OTHER_USER : (gid_t) -1));
    case MKFIFO:
        return error_of(mkfifo(step->path, step->mode));
    case UTIMES: {
        struct timespec times[2] = {{1, 2}, {3, step->number & 1 ? UTIME_NOW : 4}};
        return error_of(utimensat(AT_FDCWD, step->path, step->number & 2 ? times : NULL, 0));
    }
    default:
        return real_with_open(step, note);
    }
}

static void simulated_names(struct inode *directory, char *note)
{
    char *names[100];
    size_t count = 0;
    struct vfs_cursor cursor = {0};
    struct vfs_entry entry;
    while (vfs_readdir(directory, &cursor, &entry) == 1)
        names[count++] = strdup(entry.name);
    vfs_cursor_close(&cursor);
    describe_names(names, count, note);
}

static int simulated_with_open(struct both *both, const struct step *step, char *note)
{
    struct inode *inode;
    int result =
        vfs_open(both->vfs, &both->cred, both->top, step->path, step->flags, step->mode, &inode);
    if (result < 0)
        return result;
    mode_t mode = inode_mode(inode);
    if (S_ISFIFO(mode) && (step->flags & O_ACCMODE) == O_WRONLY) {
        inode_unref(inode);
        return -ENXIO; /* no reader: the kernel's part */
    }
    char bytes[9000];
    if (step->operation == WRITE && S_ISREG(mode) && (step->flags & O_ACCMODE)) {
        fill(bytes, step->number, step->mode);
        result = (int) inode_write(inode, bytes, step->number, step->mode % 50);
        if (both->cred.uid != 0 && result > 0 && (mode & S_ISUID)) {
            /* as the kernel does for a writer without privilege */
            struct cred root = {0};
            vfs_chmod(inode, &root, mode & 03777);
        }
    } else if (step->operation == TRUNCATE && S_ISREG(mode) && (step->flags & O_ACCMODE)) {
        result = inode_truncate(inode, step->number);
        if (both->cred.uid != 0 && result == 0 && (mode & S_ISUID)) {
            struct cred root = {0};
            vfs_chmod(inode, &root, mode & 03777);
        }
    }
    struct stat stat;
    vfs_stat(inode, &stat);
    describe_stat(&stat, note);
    if (S_ISREG(mode) && (step->flags & O_ACCMODE) != O_WRONLY) {
        ssize_t got = inode_read(inode, bytes, sizeof bytes, step->number % 5);
        describe_bytes(bytes, got, note);
    }
    if (S_ISDIR(mode))
        simulated_names(inode, note);
    inode_unref(inode);
    return result;
}

/* Calls that take an inode. */
static int simulated_on_inode(struct both *both, const struct step *step, char *note)
{
    struct inode *inode;
    int result =
        vfs_lookup(both->vfs, &both->cred, both->top, step->path, step->operation != LSTAT, &inode);
    if (result < 0)
        return result;
    struct stat stat;
    struct timespec times[2] = {{1, 2}, {3, step->number & 1 ? UTIME_NOW : 4}};
    switch (step->operation) {
    case CHMOD:
        result = vfs_chmod(inode, &both->cred, step->mode);
        break;
    case CHOWN:
        result = vfs_chown(inode, &both->cred, step->number & 1 ? OTHER_USER : (uid_t) -1,
                           step->number & 2 ? OTHER_USER : (gid_t) -1);
        break;
    case UTIMES:
        result = vfs_utimens(inode, &both->cred, step->number & 2 ? times : NULL);
        break;
    default:
        vfs_stat(inode, &stat);
        describe_stat(&stat, note);
        break;
    }
    inode_unref(inode);
    return result;
}

static int simulated_step(struct both *both, const struct step *step, char *note)
{
    struct vfs *vfs = both->vfs;
    struct cred *cred = &both->cred;
    char target[6000];
    ssize_t length;
    *note = '\0';
    switch (step->operation) {
    case MKDIR:
        return vfs_mkdir(vfs, cred, both->top, step->path, step->mode);
    case RMDIR:
        return vfs_rmdir(vfs, cred, both->top, step->path);
    case UNLINK:
        return vfs_unlink(vfs, cred, both->top, step->path);
    case LINK:
        return vfs_link(vfs, cred, both->top, step->path, step->path2);
    case RENAME:
        return vfs_rename(vfs, cred, both->top, step->path, step->path2);
    case SYMLINK:
        return vfs_symlink(vfs, cred, both->top, step->path, step->path2);
    case READLINK:
        length = vfs_readlink(vfs, cred, both->top, step->path, target, sizeof target - 1);
        if (length >= 0 && length < 600)
            sprintf(note, " %.*s", (int) length, target);
        return (int) length;
    case MKFIFO:
        return vfs_mknod(vfs, cred, both->top, step->path, S_IFIFO | step->mode, NULL);
    case STAT:
    case LSTAT:
    case CHMOD:
    case CHOWN:
    case UTIMES:
        return simulated_on_inode(both, step, note);
    default:
        return simulated_with_open(both, step, note);
    }
}

static void switch_user(struct both *both)
{
    if (geteuid() != 0 && both->cred.uid != OTHER_USER)
        return; /* one user has to do */
    if (both->cred.uid == OTHER_USER) {
        ck_assert(seteuid(0) == 0 && setegid(0) == 0);
        both->cred.uid = both->cred.gid = 0;
    } else {
        ck_assert(setegid(OTHER_USER) == 0 && seteuid(OTHER_USER) == 0);
        both->cred.uid = both->cred.gid = OTHER_USER;
    }
}

static void tell_log(const struct both *both, uint64_t seed)
{
    fprintf(stderr, "sequence %llu:\n", (unsigned long long) seed);
    for (unsigned i = 0; i <= both->steps && i < STEPS; i++)
        fprintf(stderr, "  %s\n", both->log[i]);
}

static void run_step(struct both *both, uint64_t seed)
{
    static struct step step;
    char real_note[1000] = "", simulated_note[1000] = "";
    draw_step(both, &step);
    if (step.operation == SWITCH_USER) {
        switch_user(both);
        snprintf(both->log[both->steps], sizeof both->log[0], "user %u", both->cred.uid);
        return;
    }
    int real = real_step(&step, real_note);
    int simulated = simulated_step(both, &step, simulated_note);
    snprintf(
        both->log[both->steps], sizeof both->log[0],
        "%s \"%.99s\" \"%.99s\" flags %o mode %o number %llu: real %d (%s)%.99s, simulated %d%.99s",
        operation_names[step.operation], step.path, step.path2, step.flags, step.mode,
        (unsigned long long) step.number, real, real < 0 ? strerror(-real) : "", real_note,
        simulated, simulated_note);
    bool same = real == simulated && strcmp(real_note, simulated_note) == 0;
    if (!same)
        tell_log(both, seed);
    ck_assert_msg(same, "%s", both->log[both->steps]);
}

static void remove_tree(const char *path)
{
    char command[300];
    snprintf(command, sizeof command, "chmod -R u+rwx %s; rm -rf %s", path, path);
    ck_assert(system(command) == 0);
}

/* Both stand some levels deep, so that ".." through symbolic links stays inside. */
#define LEVELS 16

static void run_sequence(const char *directory, uint64_t seed)
{
    char top[200];
    snprintf(top, sizeof top, "%s/%llu", directory, (unsigned long long) seed);
    struct vfs_options options = {.model = &disk_honest, .seed = seed};
    struct both both = {.vfs = vfs_create(&options)};
    both.cred.uid = geteuid();
    both.cred.gid = getegid();
    both.top = vfs_root(both.vfs);
    ck_assert(vfs_chmod(both.top, &(struct cred){0}, 0777) == 0);
    ck_assert(vfs_chown(both.top, &(struct cred){0}, both.cred.uid, both.cred.gid) == 0);
    for (int level = 0; level < LEVELS; level++) {
        struct inode *above = both.top;
        ck_assert(mkdir(top, 0777) == 0 && chdir(top) == 0);
        ck_assert(vfs_mkdir(both.vfs, &both.cred, above, "t", 0777) == 0);
        ck_assert(vfs_lookup(both.vfs, &both.cred, above, "t", true, &both.top) == 0);
        if (level)
            inode_unref(above);
        strcpy(top, "t");
    }
    random_seed(&both.random, seed, 7);
    for (both.steps = 0; both.steps < STEPS; both.steps++)
        run_step(&both, seed);
    if (both.cred.uid == OTHER_USER && getuid() == 0)
        switch_user(&both);
    inode_unref(both.top);
    vfs_destroy(both.vfs);
    ck_assert(chdir("/") == 0);
}

START_TEST(same_results_as_the_real_one)
{
    char directory[100]; /* in memory where there is room, for speed */
    strcpy(directory, access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    strcat(directory, "/nixie-vfs-XXXXXX");
    ck_assert(mkdtemp(directory) != NULL && chmod(directory, 0777) == 0);
    memset(long_name, 'x', 256);
    memset(full_name, 'y', 255);
    memset(long_path, '/', 4096);
    umask(0);
    for (uint64_t seed = 1; seed <= SEQUENCES; seed++)
        run_sequence(directory, seed);
    remove_tree(directory);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("vfs and the real file system");
    TCase *tests = tcase_create("same");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, same_results_as_the_real_one);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}

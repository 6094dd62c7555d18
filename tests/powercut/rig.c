/* SPDX-License-Identifier: ISC */
#include "tests/powercut/rig.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

struct kind {
    const char *name, *type, *model, *options;
    uint64_t megabytes;
    const char *mkfs[12];
};

/* An ext4 of more than 128 MiB has a second superblock, for one that was torn. */
static const struct kind kinds[FILESYSTEMS] = {
    {"ext4",
     "ext4",
     "ext4",
     "",
     160,
     {"mkfs.ext4", "-q", "-F", "-E", "nodiscard", "-b", "4096", "-J", "size=4"}},
    {"ext4-no-journal",
     "ext4",
     "strict",
     "",
     160,
     {"mkfs.ext4", "-q", "-F", "-E", "nodiscard", "-b", "4096", "-O", "^has_journal"}},
    {"xfs", "xfs", "xfs", "", 300, {"mkfs.xfs", "-q", "-f", "-K"}},
    {"btrfs", "btrfs", "btrfs", "", 256, {"mkfs.btrfs", "-q", "-f", "-K"}},
};

const char *filesystem_name(enum filesystem filesystem)
{
    return kinds[filesystem].name;
}

int filesystem_named(const char *name)
{
    for (int i = 0; i < FILESYSTEMS; i++)
        if (strcmp(kinds[i].name, name) == 0)
            return i;
    return -1;
}

const char *filesystem_model(enum filesystem filesystem)
{
    return kinds[filesystem].model;
}

double rig_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

/* --- programs ---------------------------------------------------------------------------------*/

pid_t rig_spawn(struct rig *rig, const char *const *arguments)
{
    pid_t pid;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, rig->log, O_WRONLY | O_CREAT | O_APPEND, 0666);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    int error =
        posix_spawnp(&pid, arguments[0], &actions, NULL, (char *const *) arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    return error ? -1 : pid;
}

int rig_wait(pid_t pid, int seconds)
{
    int status;
    double end = rig_now() + seconds;
    for (unsigned turns = 0; pid > 0; turns++) {
        pid_t ended = waitpid(pid, &status, WNOHANG);
        if (ended == pid)
            return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        if (ended < 0 || rig_now() > end)
            break;
        usleep(turns < 20 ? 200 : 2000);
    }
    if (pid > 0) {
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
    }
    return -1;
}

int rig_command(struct rig *rig, const char *const *arguments)
{
    return rig_wait(rig_spawn(rig, arguments), 60);
}

void rig_kill_all(void)
{
    double end = rig_now() + 20;
    kill(-1, SIGKILL);
    for (;;) {
        pid_t pid = waitpid(-1, NULL, WNOHANG);
        if (pid < 0 || rig_now() > end)
            return;
        if (pid == 0) {
            usleep(500);
            kill(-1, SIGKILL);
        }
    }
}

/* --- disks ------------------------------------------------------------------------------------*/

struct disk *rig_format(struct rig *rig, enum filesystem filesystem)
{
    const struct kind *kind = &kinds[filesystem];
    const char *arguments[14] = {0};
    char path[RIG_PATH];
    unsigned count = 0;
    struct disk *disk = disk_create(kind->megabytes << 20);
    rig->filesystem = filesystem;
    disk->logs = false;
    serve_add(rig->serve, disk, path, sizeof path);
    while (kind->mkfs[count]) {
        arguments[count] = kind->mkfs[count];
        count++;
    }
    arguments[count] = path;
    int status = rig_command(rig, arguments);
    serve_remove(rig->serve, disk);
    disk->logs = true;
    disk->count = 0; /* its flushes */
    if (status == 0)
        return disk;
    fprintf(stderr, "powercut: %s: status %d\n", kind->mkfs[0], status);
    disk_destroy(disk);
    return NULL;
}

/* A loop device on that file, which goes when nobody uses it any more; a descriptor of it, or -1.
 */
static int loop_open(const char *file, char *device, size_t size)
{
    int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    int backing = open(file, O_RDWR | O_CLOEXEC), fd = -1;
    for (unsigned turn = 0; control >= 0 && backing >= 0 && fd < 0 && turn < 50; turn++) {
        struct loop_config config = {.fd = (unsigned) backing, .block_size = SECTOR};
        int number = ioctl(control, LOOP_CTL_GET_FREE);
        config.info.lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO;
        snprintf(device, size, "/dev/loop%d", number);
        fd = number < 0 ? -1 : open(device, O_RDWR | O_CLOEXEC);
        if (fd >= 0 && ioctl(fd, LOOP_CONFIGURE, &config) != 0) {
            close(fd); /* another was quicker */
            fd = -1;
            usleep(5000);
        }
    }
    close(control);
    close(backing);
    return fd;
}

static int check_ext4(struct rig *rig, const char *path)
{
    const char *arguments[] = {"e2fsck", "-fy", path, NULL};
    int status = rig_command(rig, arguments);
    return status == 0 || status == 1 ? 0 : -1;
}

/* btrfs remembers devices by the identity of the file system, and takes an older state of one for a
 * mistake. */
static void btrfs_forgets(const char *device)
{
    struct {
        int64_t fd;
        char name[4088];
    } arguments = {0};
    int fd = open("/dev/btrfs-control", O_RDWR | O_CLOEXEC);
    snprintf(arguments.name, sizeof arguments.name, "%s", device);
    if (fd >= 0)
        ioctl(fd, _IOC(_IOC_WRITE, 0x94, 5, 4096), &arguments);
    close(fd);
}

/* A torn superblock: it has another. */
static int rescue_btrfs(struct rig *rig, const char *path)
{
    const char *arguments[] = {"btrfs", "rescue", "super-recover", "-y", path, NULL};
    int status = rig_command(rig, arguments);
    return status == 0 || status == 2 ? 0 : -1;
}

/* 0, or -1 with errno. */
static int mount_file(struct rig *rig, const char *path)
{
    const struct kind *kind = &kinds[rig->filesystem];
    char device[64];
    int fd = loop_open(path, device, sizeof device);
    if (fd < 0)
        return -1;
    if (rig->filesystem == BTRFS)
        btrfs_forgets(device);
    int result = mount(device, rig->mountpoint, kind->type, 0, kind->options);
    int error = errno;
    close(fd);
    errno = error;
    return result;
}

enum rig_found rig_mount(struct rig *rig, struct disk *disk, bool after_cut)
{
    char path[RIG_PATH];
    bool can_check = after_cut && rig->filesystem <= EXT4_NO_JOURNAL;
    serve_add(rig->serve, disk, path, sizeof path);
    int cleared = truncate(rig->log, 0);
    bool checked = can_check && rig->fsck;
    if (cleared == 0 && checked && check_ext4(rig, path) != 0)
        goto broken;
    if (mount_file(rig, path) == 0)
        return RIG_MOUNTED;
    /* A torn superblock: a boot would have checked it. */
    if (can_check && !checked && check_ext4(rig, path) == 0 && mount_file(rig, path) == 0)
        return RIG_MOUNTED;
    if (after_cut && rig->filesystem == BTRFS && rescue_btrfs(rig, path) == 0 &&
        mount_file(rig, path) == 0)
        return RIG_OLDER;
    fprintf(stderr, "powercut: mount %s: %s\n", filesystem_name(rig->filesystem), strerror(errno));
broken:
    serve_remove(rig->serve, disk);
    return RIG_BROKEN;
}

void rig_unmount(struct rig *rig, struct disk *disk)
{
    for (unsigned turn = 0; umount(rig->mountpoint) != 0; turn++) {
        if (turn == 2000) {
            fprintf(stderr, "powercut: umount: %s\n", strerror(errno));
            exit(1);
        }
        usleep(1000);
    }
    serve_remove(rig->serve, disk);
}

/* --- the machine ------------------------------------------------------------------------------*/

static int machine_is_not_there(const char *what)
{
    fprintf(stderr, "powercut: %s: %s\n", what, strerror(errno));
    return 77;
}

static int machine(struct rig *rig, int (*body)(struct rig *rig, void *context), void *context)
{
    char disks[RIG_PATH];
    snprintf(disks, sizeof disks, "%s/disks", rig->folder);
    snprintf(rig->mountpoint, sizeof rig->mountpoint, "%s/disk", rig->folder);
    snprintf(rig->log, sizeof rig->log, "%s/log", rig->folder);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (mkdir(disks, 0755) != 0 || mkdir(rig->mountpoint, 0755) != 0)
        return machine_is_not_there(rig->folder);
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("proc", "/proc", "proc", 0, NULL) != 0)
        return machine_is_not_there("mounts");
    if (access("/dev/loop-control", R_OK | W_OK) != 0)
        return machine_is_not_there("/dev/loop-control");
    rig->serve = serve_start(disks);
    if (!rig->serve)
        return machine_is_not_there("FUSE");
    int status = body(rig, context);
    rig_kill_all();
    umount2(rig->mountpoint, MNT_DETACH);
    serve_stop(rig->serve);
    return status;
}

static pid_t machine_pid; /* for the handler of signals */

static void end_machine(int signal)
{
    (void) signal;
    if (machine_pid > 0)
        kill(machine_pid, SIGKILL);
}

/* What the namespace leaves: an empty tree but for the log. */
static void remove_folder(const struct rig *rig)
{
    static const char *const names[] = {"disks", "disk", "log", "boot", "boot.mail", ""};
    char path[RIG_PATH];
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", rig->folder, names[i]);
        remove(path);
    }
}

int rig_run(int (*body)(struct rig *rig, void *context), void *context)
{
    struct rig rig = {.fsck = true};
    const char *folder = getenv("TMPDIR");
    int status;
    snprintf(rig.folder, sizeof rig.folder, "%s/nixie-powercut.XXXXXX", folder ? folder : "/tmp");
    if (!mkdtemp(rig.folder))
        return machine_is_not_there(rig.folder);
    chmod(rig.folder, 0755);
    signal(SIGINT, end_machine);
    signal(SIGTERM, end_machine);
    signal(SIGHUP, end_machine);
    fflush(NULL);
    if (unshare(CLONE_NEWPID) != 0) {
        status = machine_is_not_there("namespaces");
        remove_folder(&rig);
        return status;
    }
    machine_pid = fork();
    if (machine_pid == 0) {
        signal(SIGINT, SIG_IGN);
        signal(SIGTERM, SIG_DFL);
        signal(SIGHUP, SIG_DFL);
        status = machine(&rig, body, context);
        fflush(NULL);
        _exit(status);
    }
    while (waitpid(machine_pid, &status, 0) < 0 && errno == EINTR)
        ;
    remove_folder(&rig);
    fflush(NULL);
    _exit(WIFEXITED(status) ? WEXITSTATUS(status)
                            : 128 + WTERMSIG(status)); /* no other process can be made */
}

/* SPDX-License-Identifier: ISC */
#define FUSE_USE_VERSION 35
#include <fuse.h>
#include <fuse_lowlevel.h>

#include "tests/powercut/serve.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <unistd.h>

#define DISKS 8

struct serve {
    struct fuse *fuse;
    char folder[256];
    pthread_t thread;
    unsigned flush_us;
    pthread_mutex_t lock;
    unsigned number, turn;
    struct {
        struct disk *disk;
        unsigned number;
    } disks[DISKS];
};

static struct serve *self(void)
{
    return fuse_get_context()->private_data;
}

static struct disk *named(struct serve *serve, const char *path)
{
    struct disk *disk = NULL;
    char *end;
    unsigned long number = strtoul(path + 1, &end, 10);
    pthread_mutex_lock(&serve->lock);
    for (unsigned i = 0; i < DISKS && !*end && number; i++)
        if (serve->disks[i].disk && serve->disks[i].number == number)
            disk = serve->disks[i].disk;
    pthread_mutex_unlock(&serve->lock);
    return disk;
}

static struct disk *opened(const struct fuse_file_info *info)
{
    return (struct disk *) (uintptr_t) info->fh;
}

static int serve_getattr(const char *path, struct stat *stat, struct fuse_file_info *info)
{
    (void) info;
    memset(stat, 0, sizeof *stat);
    stat->st_nlink = 1;
    if (strcmp(path, "/") == 0) {
        stat->st_mode = S_IFDIR | 0700;
        return 0;
    }
    const struct disk *disk = named(self(), path);
    if (!disk)
        return -ENOENT;
    stat->st_mode = S_IFREG | 0600;
    stat->st_size = (off_t) (disk->sectors * SECTOR);
    return 0;
}

static int serve_open(const char *path, struct fuse_file_info *info)
{
    struct disk *disk = named(self(), path);
    if (!disk)
        return -ENOENT;
    info->fh = (uintptr_t) disk;
    info->direct_io = 1;
    return 0;
}

/* How much of that lies on the disk. */
static size_t within(const struct disk *disk, size_t size, off_t offset)
{
    uint64_t end = disk->sectors * SECTOR;
    if ((uint64_t) offset >= end)
        return 0;
    return size < end - (uint64_t) offset ? size : (size_t) (end - (uint64_t) offset);
}

static int serve_read(const char *path, char *to, size_t size, off_t offset,
                      struct fuse_file_info *info)
{
    (void) path;
    size = within(opened(info), size, offset);
    disk_read(opened(info), to, size, (uint64_t) offset);
    return (int) size;
}

static int serve_write(const char *path, const char *from, size_t size, off_t offset,
                       struct fuse_file_info *info)
{
    (void) path;
    size = within(opened(info), size, offset);
    if (size == 0)
        return -ENOSPC;
    disk_write(opened(info), from, size, (uint64_t) offset);
    return (int) size;
}

/* Only what a loop device makes of discards and of writes of zeros. */
static int serve_fallocate(const char *path, int mode, off_t offset, off_t length,
                           struct fuse_file_info *info)
{
    (void) path;
    if (mode == 0 || length <= 0)
        return -EOPNOTSUPP;
    disk_write(opened(info), NULL, within(opened(info), (size_t) length, offset),
               (uint64_t) offset);
    return 0;
}

static int serve_fsync(const char *path, int data_only, struct fuse_file_info *info)
{
    struct serve *serve = self();
    struct disk *disk = opened(info);
    (void) path;
    (void) data_only;
    size_t begin = disk_flush_begin(disk);
    pthread_mutex_lock(&serve->lock);
    unsigned turn = serve->turn++, most = serve->flush_us;
    pthread_mutex_unlock(&serve->lock);
    if (most > 0)
        usleep(turn * 2654435761u % most);
    disk_flush_end(disk, begin);
    return 0;
}

/* mkfs cuts a file to the length it has. */
static int serve_truncate(const char *path, off_t size, struct fuse_file_info *info)
{
    const struct disk *disk = named(self(), path);
    (void) info;
    return disk && (uint64_t) size == disk->sectors * SECTOR ? 0 : -EINVAL;
}

static void *serve_init(struct fuse_conn_info *connection, struct fuse_config *config)
{
    (void) connection;
    config->entry_timeout = config->attr_timeout = config->negative_timeout = 0;
    return fuse_get_context()->private_data;
}

static const struct fuse_operations operations = {.init = serve_init,
                                                  .getattr = serve_getattr,
                                                  .open = serve_open,
                                                  .read = serve_read,
                                                  .write = serve_write,
                                                  .truncate = serve_truncate,
                                                  .fallocate = serve_fallocate,
                                                  .fsync = serve_fsync};

static void *serve_run(void *context)
{
    struct serve *serve = context;
    struct fuse_loop_config config = {.max_idle_threads = 4};
    prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0); /* memory is not made free by waiting for us */
    fuse_loop_mt(serve->fuse, &config);
    return NULL;
}

struct serve *serve_start(const char *folder)
{
    char name[] = "powercut", option[] = "-ofsname=powercut";
    char *argv[] = {name, option, NULL};
    struct fuse_args args = FUSE_ARGS_INIT(2, argv);
    struct serve *serve = calloc(1, sizeof *serve);
    if (!serve)
        return NULL;
    snprintf(serve->folder, sizeof serve->folder, "%s", folder);
    pthread_mutex_init(&serve->lock, NULL);
    serve->fuse = fuse_new(&args, &operations, sizeof operations, serve);
    if (serve->fuse && fuse_mount(serve->fuse, folder) == 0 &&
        pthread_create(&serve->thread, NULL, serve_run, serve) == 0 && unshare(CLONE_FILES) == 0) {
        /* Killed while it waits for a disk this thread cannot end before the wait does; that is
         * when the last descriptor of FUSE goes, which must be with the threads that serve. */
        close(fuse_session_fd(fuse_get_session(serve->fuse)));
        return serve;
    }
    free(serve);
    errno = ENODEV;
    return NULL;
}

void serve_flush_takes(struct serve *serve, unsigned flush_us)
{
    pthread_mutex_lock(&serve->lock);
    serve->flush_us = flush_us;
    pthread_mutex_unlock(&serve->lock);
}

void serve_stop(struct serve *serve)
{
    umount2(serve->folder, MNT_DETACH); /* the threads see that, and end */
    pthread_join(serve->thread, NULL);
    free(serve);
}

void serve_add(struct serve *serve, struct disk *disk, char *path, size_t size)
{
    pthread_mutex_lock(&serve->lock);
    for (unsigned i = 0; i < DISKS; i++)
        if (!serve->disks[i].disk) {
            serve->disks[i].disk = disk;
            serve->disks[i].number = ++serve->number;
            break;
        }
    snprintf(path, size, "%s/%u", serve->folder, serve->number);
    pthread_mutex_unlock(&serve->lock);
}

void serve_remove(struct serve *serve, struct disk *disk)
{
    pthread_mutex_lock(&serve->lock);
    for (unsigned i = 0; i < DISKS; i++)
        if (serve->disks[i].disk == disk)
            serve->disks[i].disk = NULL;
    pthread_mutex_unlock(&serve->lock);
}

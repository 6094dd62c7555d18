/* SPDX-License-Identifier: ISC */
/* The file system itself, the life of inodes, and their attributes. */
#include "sim/kernel/pool.h"
#include "sim/kernel/vfs_internal.h"

#include <stdio.h>
#include <string.h>

void *vfs_allocate(size_t size)
{
    void *new = calloc(1, size);
    if (!new) {
        fputs("nixie: out of memory\n", stderr);
        abort();
    }
    return new;
}

void *vfs_reallocate(void *old, size_t size)
{
    void *new = realloc(old, size);
    if (!new) {
        fputs("nixie: out of memory\n", stderr);
        abort();
    }
    return new;
}

/* Objects of similar size share a pool. */
#define OBJECT_STEP 32u
#define OBJECT_MAX 512u
static struct pool objects[OBJECT_MAX / OBJECT_STEP + 1];

void *vfs_take(size_t size)
{
    if (size > OBJECT_MAX)
        return vfs_reallocate(NULL, size);
    size_t steps = (size + OBJECT_STEP - 1) / OBJECT_STEP;
    return pool_take(&objects[steps], steps * OBJECT_STEP);
}

void *vfs_take_zeroed(size_t size)
{
    return memset(vfs_take(size), 0, size);
}

void vfs_give(void *object, size_t size)
{
    if (!object)
        return;
    if (size > OBJECT_MAX)
        free(object);
    else
        pool_give(&objects[(size + OBJECT_STEP - 1) / OBJECT_STEP], object);
}

/* --- the file system --------------------------------------------------------------------------*/

struct vfs *vfs_create(const struct vfs_options *options)
{
    struct vfs *vfs = vfs_allocate(sizeof *vfs);
    vfs->options = *options;
    if (options->model->base) {
        vfs->options.model = options->model->base;
        vfs->overlays = options->model->overlays;
    }
    vfs->next_number = VFS_FIRST_NUMBER;
    vfs->blocks_total = options->capacity_bytes ? options->capacity_bytes / VFS_BLOCK : UINT64_MAX;
    vfs->root = inode_create(vfs, S_IFDIR | 0755, 0, 0);
    vfs->root->links = 1;
    vfs->root->references = 1;
    vfs->root->parent = vfs->root;
    return vfs;
}

void vfs_destroy(struct vfs *vfs)
{
    if (!vfs)
        return;
    while (vfs->syncs) {
        struct vfs_sync *next = vfs->syncs->next;
        free(vfs->syncs);
        vfs->syncs = next;
    }
    for (struct inode *inode = vfs->first; inode; inode = inode->next) {
        inode->references = inode->links = 0;
        inode->parent_referenced = false;
        inode->holds++; /* nothing goes before its turn */
    }
    for (struct inode *inode = vfs->first; inode; inode = inode->next)
        changes_drop_all(inode);
    while (vfs->first)
        inode_destroy(vfs->first);
    free(vfs->free_numbers);
    free(vfs);
}

struct inode *vfs_root(struct vfs *vfs)
{
    return vfs->root;
}

int64_t vfs_now(const struct vfs *vfs)
{
    return vfs->options.clock ? vfs->options.clock(vfs->options.clock_context) : 0;
}

void vfs_operation(struct vfs *vfs)
{
    vfs->operation++;
    if (vfs->options.model->tick)
        vfs->options.model->tick(vfs);
}

void vfs_space(const struct vfs *vfs, uint64_t *total_bytes, uint64_t *free_bytes,
               uint64_t *free_inodes)
{
    /* Without a limit: sizes that fit every statvfs. */
    uint64_t total = vfs->blocks_total == UINT64_MAX ? UINT64_C(1) << 30 : vfs->blocks_total;
    uint64_t used = vfs->blocks_used;
    *total_bytes = total * VFS_BLOCK;
    *free_bytes = used < total ? (total - used) * VFS_BLOCK : 0;
    uint64_t inodes =
        vfs->options.capacity_inodes ? vfs->options.capacity_inodes : UINT64_C(1) << 30;
    *free_inodes = vfs->inodes_used < inodes ? inodes - vfs->inodes_used : 0;
}

void vfs_set_free_space(struct vfs *vfs, uint64_t leave_bytes)
{
    vfs->blocks_total =
        leave_bytes == UINT64_MAX ? UINT64_MAX : vfs->blocks_used + leave_bytes / VFS_BLOCK;
}

uint64_t vfs_lift_limit(struct vfs *vfs)
{
    uint64_t limit = vfs->blocks_total;
    vfs->blocks_total = UINT64_MAX;
    return limit;
}

void vfs_limit_again(struct vfs *vfs, uint64_t limit)
{
    vfs->blocks_total = limit;
}

void vfs_observe(struct vfs *vfs, vfs_observer *observer, void *context)
{
    vfs->observer = observer;
    vfs->observer_context = context;
}

void inode_tell(struct inode *inode, enum vfs_change change)
{
    struct vfs *vfs = inode->vfs;
    if (!vfs->observer)
        return;
    char path[LABEL_MAX];
    if (!inode->names)
        vfs->observer(vfs->observer_context, change, inode_path(inode, path, sizeof path), NULL);
    for (const struct slot *slot = inode->names; slot; slot = slot->name_next)
        vfs->observer(vfs->observer_context, change, slot_path(slot, path, sizeof path), NULL);
}

void slot_tell(struct slot *slot, struct slot *old, enum vfs_change change)
{
    struct vfs *vfs = slot->directory->vfs;
    if (!vfs->observer)
        return;
    char path[LABEL_MAX], old_path[LABEL_MAX];
    const char *told = slot_path(slot, path, sizeof path);
    vfs->observer(vfs->observer_context, change, told,
                  old ? slot_path(old, old_path, sizeof old_path) : NULL);
}

/* --- the life of an inode ---------------------------------------------------------------------*/

struct inode *inode_create(struct vfs *vfs, mode_t mode, uid_t uid, gid_t gid)
{
    uint64_t limit = vfs->options.capacity_inodes;
    if (limit && vfs->inodes_used >= limit)
        return NULL;
    struct inode *inode = vfs_take_zeroed(sizeof *inode);
    inode->vfs = vfs;
    inode->number = VFS_ROOT_NUMBER;
    inode->mode = mode;
    inode->uid = uid;
    inode->gid = gid;
    inode->atime_ns = inode->mtime_ns = inode->ctime_ns = vfs_now(vfs);
    inode->created = inode->changed = inode->size_changed = inode->logged = vfs->operation;
    inode->previous = vfs->last;
    *(vfs->last ? &vfs->last->next : &vfs->first) = inode;
    vfs->last = inode;
    vfs->inodes_used++;
    if (vfs->root) {
        number_take(inode);
        change_log_birth(inode);
    }
    return inode;
}

/* Gives the memory back.  Whatever else knew the inode must be gone. */
void inode_destroy(struct inode *inode)
{
    struct vfs *vfs = inode->vfs;
    assert(inode->links == 0 && inode->references == 0);
    inode->holds++; /* not again from below */
    changes_drop_all(inode);
    directory_free(inode);
    content_free(&inode->content);
    *(inode->previous ? &inode->previous->next : &vfs->first) = inode->next;
    *(inode->next ? &inode->next->previous : &vfs->last) = inode->previous;
    struct inode *parent = inode->parent_referenced ? inode->parent : NULL;
    vfs_give(inode, sizeof *inode);
    if (parent)
        inode_unref(parent);
}

void inode_check(struct inode *inode)
{
    if (inode->links > 0 || inode->references > 0)
        return;
    struct vfs *vfs = inode->vfs;
    if (!inode->freed) {
        inode->freed = vfs->operation;
        number_give_back(inode);
        vfs->inodes_used--;
        vfs->blocks_used -= inode_blocks(inode);
    }
    if (inode->holds == 0)
        inode_destroy(inode);
}

void inode_ref(struct inode *inode)
{
    inode->references++;
}

void inode_unref(struct inode *inode)
{
    assert(inode->references > 0);
    inode->references--;
    if (inode->references > 0 || inode->vfs->power_off)
        return;
    if (inode->flush_on_close && inode->vfs->options.model->closes)
        inode->vfs->options.model->closes(inode);
    inode_check(inode);
}

void inode_hold(struct inode *inode)
{
    inode->holds++;
}

void inode_drop(struct inode *inode)
{
    assert(inode->holds > 0);
    inode->holds--;
    inode_check(inode);
}

/* Only data of regular files take blocks. */
uint64_t inode_blocks(const struct inode *inode)
{
    return S_ISREG(inode->mode) ? content_blocks(&inode->content) : 0;
}

/* Block accounting after the content grew or shrank. */
void inode_account(struct inode *inode, size_t held_before)
{
    struct content before = {.held = held_before};
    inode->vfs->blocks_used += inode_blocks(inode) - content_blocks(&before);
}

void inode_changed(struct inode *inode, enum inode_part part)
{
    inode->ctime_ns = vfs_now(inode->vfs);
    inode->changed = inode->vfs->operation;
    if (part == PART_SIZE)
        inode->size_changed = inode->vfs->operation;
    if (part >= PART_SIZE)
        inode->logged = inode->vfs->operation;
}

ino_t inode_number(const struct inode *inode)
{
    return inode->number;
}

mode_t inode_mode(const struct inode *inode)
{
    return inode->mode;
}

uid_t inode_uid(const struct inode *inode)
{
    return inode->uid;
}

struct vfs *inode_vfs(const struct inode *inode)
{
    return inode->vfs;
}

uint64_t inode_size(const struct inode *inode)
{
    if (S_ISDIR(inode->mode))
        return VFS_BLOCK;
    return S_ISLNK(inode->mode) ? inode->content.size - 1 : inode->content.size;
}

void *inode_endpoint(const struct inode *inode)
{
    return inode->endpoint;
}

void inode_set_endpoint(struct inode *inode, void *endpoint)
{
    inode->endpoint = endpoint;
}

/* --- permissions and attributes ---------------------------------------------------------------*/

bool cred_has_group(const struct cred *cred, gid_t gid)
{
    if (cred->gid == gid)
        return true;
    for (unsigned i = 0; i < cred->group_count; i++)
        if (cred->groups[i] == gid)
            return true;
    return false;
}

bool inode_permits(const struct inode *inode, const struct cred *cred, int want)
{
    if (cred->uid == 0)
        return !(want & 1) || S_ISDIR(inode->mode) || (inode->mode & 0111);
    unsigned have = inode->mode;
    if (cred->uid == inode->uid)
        have >>= 6;
    else if (cred_has_group(cred, inode->gid))
        have >>= 3;
    return ((unsigned) want & ~have & 7) == 0;
}

int inode_check_permission(const struct inode *inode, const struct cred *cred, int want)
{
    return inode_permits(inode, cred, want) ? 0 : -EACCES;
}

static bool owns(const struct inode *inode, const struct cred *cred)
{
    return cred->uid == 0 || cred->uid == inode->uid;
}

/* What of setuid and setgid is taken away when a file is changed or given away.  Setgid without
 * group execution is not a privilege and stays. */
static mode_t lost_bits(const struct inode *inode)
{
    if (S_ISDIR(inode->mode))
        return 0;
    mode_t lost = inode->mode & S_ISUID;
    if (inode->mode & S_IXGRP)
        lost |= inode->mode & S_ISGID;
    return lost;
}

void inode_clear_setuid(struct inode *inode)
{
    mode_t lost = lost_bits(inode);
    if (!lost)
        return;
    change_log_attribute(inode);
    inode->mode &= ~lost;
}

int vfs_chmod(struct inode *inode, const struct cred *cred, mode_t mode)
{
    if (!owns(inode, cred))
        return -EPERM;
    vfs_operation(inode->vfs);
    if (cred->uid != 0 && !cred_has_group(cred, inode->gid))
        mode &= ~(mode_t) S_ISGID;
    change_log_attribute(inode);
    inode->mode = (inode->mode & S_IFMT) | (mode & 07777);
    inode_changed(inode, PART_REST);
    inode_tell(inode, VFS_ATTRIBUTE);
    return 0;
}

int vfs_chown(struct inode *inode, const struct cred *cred, uid_t uid, gid_t gid)
{
    bool keep_uid = uid == (uid_t) -1, keep_gid = gid == (gid_t) -1;
    if (cred->uid != 0) {
        if (!keep_uid && (cred->uid != inode->uid || uid != inode->uid))
            return -EPERM;
        if (!keep_gid &&
            (cred->uid != inode->uid || (gid != inode->gid && !cred_has_group(cred, gid))))
            return -EPERM;
        if (lost_bits(inode) && cred->uid != inode->uid)
            return -EPERM;
    }
    vfs_operation(inode->vfs);
    change_log_attribute(inode);
    inode->mode &= ~lost_bits(inode);
    if (!keep_uid)
        inode->uid = uid;
    if (!keep_gid)
        inode->gid = gid;
    inode_changed(inode, PART_REST);
    inode_tell(inode, VFS_ATTRIBUTE);
    return 0;
}

static bool valid_time(const struct timespec *time)
{
    return time->tv_nsec == UTIME_NOW || time->tv_nsec == UTIME_OMIT ||
           (time->tv_nsec >= 0 && time->tv_nsec < 1000000000);
}

static void set_time(int64_t *to, const struct timespec *time, int64_t now)
{
    if (time->tv_nsec == UTIME_NOW)
        *to = now;
    else if (time->tv_nsec != UTIME_OMIT)
        *to = (int64_t) time->tv_sec * 1000000000 + time->tv_nsec;
}

int vfs_utimens(struct inode *inode, const struct cred *cred, const struct timespec times[2])
{
    static const struct timespec now_both[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}};
    if (!times)
        times = now_both;
    if (!valid_time(&times[0]) || !valid_time(&times[1]))
        return -EINVAL;
    if (times[0].tv_nsec == UTIME_OMIT && times[1].tv_nsec == UTIME_OMIT)
        return 0;
    bool now_only = times[0].tv_nsec == UTIME_NOW && times[1].tv_nsec == UTIME_NOW;
    if (!owns(inode, cred)) {
        if (!now_only)
            return -EPERM;
        if (!inode_permits(inode, cred, 2))
            return -EACCES;
    }
    vfs_operation(inode->vfs);
    int64_t now = vfs_now(inode->vfs);
    set_time(&inode->atime_ns, &times[0], now);
    set_time(&inode->mtime_ns, &times[1], now);
    inode_changed(inode, PART_TIMES);
    return 0;
}

static struct timespec to_timespec(int64_t ns)
{
    int64_t seconds = ns / 1000000000, rest = ns % 1000000000;
    if (rest < 0) {
        seconds--;
        rest += 1000000000;
    }
    return (struct timespec){.tv_sec = seconds, .tv_nsec = rest};
}

static nlink_t link_count(const struct inode *inode)
{
    if (!S_ISDIR(inode->mode))
        return inode->links;
    return inode->links ? 2 + inode->subdirectories : 0;
}

void vfs_stat(const struct inode *inode, struct stat *stat)
{
    memset(stat, 0, sizeof *stat);
    stat->st_dev = 1;
    stat->st_ino = inode->number;
    stat->st_mode = inode->mode;
    stat->st_nlink = link_count(inode);
    stat->st_uid = inode->uid;
    stat->st_gid = inode->gid;
    stat->st_size = (off_t) inode_size(inode);
    stat->st_blksize = VFS_BLOCK;
    stat->st_blocks =
        S_ISDIR(inode->mode) ? 8 : (blkcnt_t) (inode_blocks(inode) * (VFS_BLOCK / 512));
    stat->st_atim = to_timespec(inode->atime_ns);
    stat->st_mtim = to_timespec(inode->mtime_ns);
    stat->st_ctim = to_timespec(inode->ctime_ns);
}

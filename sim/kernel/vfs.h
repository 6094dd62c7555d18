/* SPDX-License-Identifier: ISC */
/*
 * The file system of one simulated host: inodes, directories, hard links, permissions, capacity,
 * and what of it survives power loss.
 *
 * The tree that processes see (the cache) is always the newest.  Beside it the vfs keeps what the
 * disk holds for certain (the durable image) and the ordered list of changes that are not yet
 * certain.  A disk model (disk.h) says which changes become durable when, and which subsets may
 * be found after power loss.
 *
 * Nothing here knows of processes or blocks: credentials and the time come in as parameters, and
 * a sync is two calls (begin, end) with virtual time in between.  Functions that can fail return
 * 0 or a count on success and -errno (the code Linux gives) on failure.
 */
#ifndef SIM_KERNEL_VFS_H
#define SIM_KERNEL_VFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "sim/kernel/choose.h"
#include "sim/kernel/random.h"

struct disk_model; /* disk.h */
struct vfs;
struct inode;

#define VFS_GROUPS_MAX 16

struct cred {
    uid_t uid; /* the effective ones: those that permissions are checked with */
    gid_t gid;
    unsigned group_count;
    gid_t groups[VFS_GROUPS_MAX];
};

struct vfs_options {
    const struct disk_model *model;
    uint64_t capacity_bytes;  /* 0: no limit.  Data is counted in blocks of 4096 bytes. */
    uint64_t capacity_inodes; /* 0: no limit */
    uint64_t seed;            /* orders readdir; a new inode gets the lowest number that is free */
    /* Virtual wall-clock time in nanoseconds since 1970, for st_mtime and rules by age.  NULL: it
     * is always 0. */
    int64_t (*clock)(void *clock_context);
    void *clock_context;
};

/* What a change was, as told to the observer and to the crash report. */
enum vfs_change {
    VFS_CREATE, /* new inode and its first name */
    VFS_LINK,
    VFS_UNLINK, /* also rmdir */
    VFS_RENAME,
    VFS_WRITE,     /* also truncate and extend */
    VFS_ATTRIBUTE, /* mode, owner */
    VFS_DURABLE    /* something became durable (fsync, commit by age) */
};

struct vfs *vfs_create(const struct vfs_options *options);
void vfs_destroy(struct vfs *vfs);

struct inode *vfs_root(struct vfs *vfs);

/* An inode stays while it has a name or a reference.  References are open descriptors, working
 * directories and the like; they do not survive vfs_crash, which requires that none are left but
 * those of the root. */
void inode_ref(struct inode *inode);
void inode_unref(struct inode *inode);

ino_t inode_number(const struct inode *inode);
mode_t inode_mode(const struct inode *inode); /* with the S_IFMT bits */
uid_t inode_uid(const struct inode *inode);
struct vfs *inode_vfs(const struct inode *inode);

/* A slot for the owner of a FIFO or socket node (the pipe or listening socket in memory).
 * Cleared by a crash.  The kernel clears it before the last reference goes. */
void *inode_endpoint(const struct inode *inode);
void inode_set_endpoint(struct inode *inode, void *endpoint);

/* True if `cred` may do all of `want` (bits 4 read, 2 write, 1 execute or search). */
bool inode_permits(const struct inode *inode, const struct cred *cred, int want);

/* Finds what `path` names, from `cwd` if relative.  Follows symbolic links (ELOOP after 40), the
 * last one only if `follow`.  The result carries a new reference. */
int vfs_lookup(struct vfs *vfs, const struct cred *cred, struct inode *cwd, const char *path,
               bool follow, struct inode **inode);

/*
 * What differs from an ordinary ext4, mounted noatime, of Debian: st_atime changes by utimens only;
 * directories take no blocks; a gap in the middle of a file takes blocks (one at its end does not);
 * writing does not clear setuid (vfs_open with O_TRUNC and vfs_chown do); O_CREAT with O_DIRECTORY
 * is EINVAL, as since Linux 6.4.  fs.protected_hardlinks is 1, protected_regular and
 * protected_symlinks are 0.
 */

/* open(2) with O_CREAT, O_EXCL, O_TRUNC, O_DIRECTORY, O_NOFOLLOW, access mode and permission
 * checks in Linux's order.  `mode` is already without the umask.  For FIFOs and sockets only the
 * lookup and the permission check are done here.  The result carries a new reference. */
int vfs_open(struct vfs *vfs, const struct cred *cred, struct inode *cwd, const char *path,
             int flags, mode_t mode, struct inode **inode);

/* Data of a regular file (else -EISDIR, -EINVAL).  Read returns the count, 0 at the end.  Write
 * extends, fills gaps with zeros, and returns a short count if space runs out in the middle,
 * -ENOSPC if at once. */
ssize_t inode_read(struct inode *inode, void *to, size_t size, uint64_t offset);
ssize_t inode_write(struct inode *inode, const void *from, size_t size, uint64_t offset);
int inode_truncate(struct inode *inode, uint64_t size);
/* Takes setuid and setgid away, as a write by anyone but root does. */
void inode_clear_setuid(struct inode *inode);
uint64_t inode_size(const struct inode *inode);

int vfs_mknod(struct vfs *vfs, const struct cred *cred, struct inode *cwd, const char *path,
              mode_t mode /* S_IFIFO or S_IFSOCK with permissions */, struct inode **inode);
int vfs_mkdir(struct vfs *vfs, const struct cred *cred, struct inode *cwd, const char *path,
              mode_t mode);
int vfs_rmdir(struct vfs *vfs, const struct cred *cred, struct inode *cwd, const char *path);
int vfs_link(struct vfs *vfs, const struct cred *cred, struct inode *cwd, const char *old_path,
             const char *new_path);
int vfs_symlink(struct vfs *vfs, const struct cred *cred, struct inode *cwd, const char *target,
                const char *path);
ssize_t vfs_readlink(struct vfs *vfs, const struct cred *cred, struct inode *cwd, const char *path,
                     char *to, size_t size);
int vfs_unlink(struct vfs *vfs, const struct cred *cred, struct inode *cwd, const char *path);
int vfs_rename(struct vfs *vfs, const struct cred *cred, struct inode *cwd, const char *old_path,
               const char *new_path);
int vfs_chmod(struct inode *inode, const struct cred *cred, mode_t mode);
int vfs_chown(struct inode *inode, const struct cred *cred, uid_t uid, gid_t gid);
int vfs_utimens(struct inode *inode, const struct cred *cred, const struct timespec times[2]);
void vfs_stat(const struct inode *inode, struct stat *stat);
/* Total and free space, for statvfs.  Without a limit: 4 TiB, 2^30 inodes. */
void vfs_space(const struct vfs *vfs, uint64_t *total_bytes, uint64_t *free_bytes,
               uint64_t *free_inodes);
/* From now on `leave_bytes` are free (rounded down to blocks), whatever the capacity was;
 * UINT64_MAX: no limit. */
void vfs_set_free_space(struct vfs *vfs, uint64_t leave_bytes);
/* Takes the limit away and returns it, for vfs_limit_again: between the two anything fits. */
uint64_t vfs_lift_limit(struct vfs *vfs);
void vfs_limit_again(struct vfs *vfs, uint64_t limit);

/* The absolute path of a directory (getcwd).  -ERANGE, -ENOENT if it was removed. */
int vfs_path_of_directory(const struct inode *directory, char *to, size_t size);

/* Reading a directory.  Order is fixed by the seed, never by addresses.  An entry that stays
 * through the whole reading is told exactly once; "." and ".." are told too.  Returns 1 with an
 * entry, 0 at the end.  Start with a zeroed cursor; close releases it. */
struct vfs_cursor {
    struct inode *directory; /* a reference, taken by the first call */
    void *state;
};
struct vfs_entry {
    const char *name; /* valid until the next call with this cursor */
    ino_t number;
    unsigned char type; /* DT_REG ... */
};
int vfs_readdir(struct inode *directory, struct vfs_cursor *cursor, struct vfs_entry *entry);
void vfs_cursor_rewind(struct vfs_cursor *cursor);
void vfs_cursor_close(struct vfs_cursor *cursor);

/* Sync: what is dirty at begin is durable after end.  `inode` NULL means the whole file system
 * (syncfs).  `data_only` is fdatasync.  A power loss between the two may keep any part the model
 * allows.  The ticket is released by end, or by a crash. */
struct vfs_sync;
struct vfs_sync *vfs_sync_begin(struct vfs *vfs, struct inode *inode, bool data_only);
void vfs_sync_end(struct vfs_sync *sync);
/* Ends it without anything becoming durable: a sync that fails, or that lies.  What it covered is
 * still pending. */
void vfs_sync_cancel(struct vfs_sync *sync);

/* A sync of the inode (NULL: of everything) fails with EIO now.  With the overlay fsync-eio all
 * that it covers is taken for clean from now on: processes read it, but no sync makes it durable.
 * Without that overlay it stays as dirty as it was. */
void vfs_sync_fail(struct vfs *vfs, struct inode *inode);
/* With that overlay: the number of the latest such failure that concerns the inode (NULL: any);
 * they are counted from 1, 0 is none.  Whoever had it open before is told by its next sync. */
uint64_t vfs_sync_error(const struct vfs *vfs, const struct inode *inode);

/* The power is gone: nothing that happens from here to vfs_crash, which must follow, changes what
 * will be found.  Call it before the references of the processes are dropped: else files that were
 * open without a name would be freed, and closed ones written out, as by programs that end. */
void vfs_power_off(struct vfs *vfs);

/* Power loss: replaces the tree by one that the model allows, as `chooser` answers; then nothing
 * is pending.  All inode references but the root's must be gone.  Inode numbers stay. */
void vfs_crash(struct vfs *vfs, const struct chooser *chooser);

/* A copy of the file system as it is when the power goes now: vfs_power_off is done, and only
 * vfs_crash (then everything else) and vfs_destroy may be called.  So an explorer can see all that
 * may be found, by vfs_hash, without another run.  References are not copied; the observer is not
 * either. */
struct vfs *vfs_clone(const struct vfs *vfs);

/* A copy of a file system that is settled and of which no file is open, to go on with, by this
 * clock (as in the options; NULL: time stands at 0).  Without an observer. */
struct vfs *vfs_copy(const struct vfs *vfs, int64_t (*clock)(void *context), void *context);

/* Whether a write at or behind `from` is pending, but for those that failed if one there that came
 * later is durable: whoever made that was told. */
bool inode_awaits_sync(const struct inode *inode, uint64_t from);

/* Makes everything durable at once, as a clean unmount does (set-up of a scenario). */
void vfs_settle(struct vfs *vfs);

/* How many changes are not yet durable. */
size_t vfs_pending_count(const struct vfs *vfs);

/* Tells each thing that is not yet durable, oldest first, in words: "queue/todo/1: entry added",
 * "queue/mess/1: 312 bytes written". */
void vfs_describe_pending(const struct vfs *vfs, void (*tell)(void *context, const char *what),
                          void *context);

/* A 64-bit hash of the visible tree: names, types, modes, owners, contents, and which names share
 * an inode; not inode numbers or times. */
uint64_t vfs_hash(const struct vfs *vfs);
/* The same without what has that path ("var/nixie/log") and what is below it; in directories of
 * those names (a list that ends with NULL) it does not count what entries are called. */
uint64_t vfs_hash_but(const struct vfs *vfs, const char *path, const char *const *nameless);

/* Called after each change, with the path of the entry (VFS_CREATE, LINK, UNLINK, RENAME: the new
 * path, and the old one in `old_path`) or, once each, of all names of the inode ("" if it has
 * none). */
typedef void vfs_observer(void *context, enum vfs_change change, const char *path,
                          const char *old_path);
void vfs_observe(struct vfs *vfs, vfs_observer *observer, void *context);

#endif

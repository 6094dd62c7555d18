/* SPDX-License-Identifier: ISC */
/*
 * ext4: as Linux mounts it by default (data=ordered, delayed allocation, auto_da_alloc, commit=5).
 * Sources: Linux Documentation/admin-guide/ext4.rst (options data=ordered, auto_da_alloc, commit)
 * and Documentation/filesystems/ext4/journal.rst; xfstests generic/640 for rule 3.
 *
 * 1. Metadata (names, attributes, truncates) is one log in the order of the calls, and a crash
 *    keeps a prefix of it.  What one call does is in it whole: rename is atomic.
 * 2. What is older than 5 s is on disk.
 * 3. fsync of a file or directory that changed since the last commit puts all metadata made before
 *    the fsync began on disk; of one that did not change it does nothing.  fdatasync does so only
 *    if the file is new or its size changed.
 * 4. Blocks are allocated late, so of appends that no sync covers the first ones may be there (a
 *    long one cut at a page), and only if all metadata older than they are on disk too: the size
 *    travels in the same log.  It may come before the data: then there are zeros below it, never
 *    rubbish.  (Since Linux 5.6, dioread_nolock: the size is set when the write begins, and the
 *    blocks are marked as written when it ends; tests/e2e/power-cut.sh saw it on 6.18.  Before,
 *    data went first.)  A truncate within a block clears the rest of the block, and that may be on
 *    disk before the size: zeros behind what is to be the end, or what was appended there since.
 * 5. Bytes written over others are old or new; nothing orders them.
 * 6. Renaming a file over another one writes its data out before the rename is committed; closing
 *    a file that had been cut to nothing does the same.  link does not.
 */
#include "sim/kernel/vfs_internal.h"

#define COMMIT_NS 5000000000

static void ext4_tick(struct vfs *vfs)
{
    log_commit_older(vfs, COMMIT_NS);
}

/* Its data go to disk with the log at this point. */
static void mark_flush(struct inode *inode)
{
    if (inode->data.first)
        change_log_mark(inode, MARK_FLUSH);
}

static void ext4_closes(struct inode *inode)
{
    inode->flush_on_close = false;
    if (!inode->data.first || inode->links == 0)
        return;
    vfs_operation(inode->vfs);
    mark_flush(inode);
}

/* A file cut to nothing needs none of what was written before. */
static void ext4_truncated(struct inode *inode)
{
    change_log_mark(inode, inode->content.size == 0 ? MARK_FLUSH : MARK_SIZE);
}

static bool is_dirty(const struct inode *inode, bool data_only)
{
    const struct vfs *vfs = inode->vfs;
    if (log_has_append(inode))
        return true;
    if (data_only)
        return inode->size_changed > vfs->committed;
    return inode->changed > vfs->committed && vfs_now(vfs) - inode->ctime_ns < COMMIT_NS;
}

static void ext4_sync_begin(struct vfs_sync *sync)
{
    if (!sync->inode || is_dirty(sync->inode, sync->data_only))
        sync->commits = sync->operation;
}

static void ext4_sync_end(struct vfs_sync *sync)
{
    changes_settle(sync->inode ? &sync->inode->data : &sync->vfs->data, sync->operation);
    log_commit(sync->vfs, sync->commits);
}

static void ext4_crash(struct vfs *vfs, const struct chooser *chooser)
{
    log_crash(vfs, LOG_EARLY_SIZE | LOG_EARLY_TAIL, chooser);
}

const struct disk_model disk_ext4 = {.name = "ext4",
                                     .logs_metadata = true,
                                     .logs_data = true,
                                     .tick = ext4_tick,
                                     .replaces = mark_flush,
                                     .closes = ext4_closes,
                                     .truncated = ext4_truncated,
                                     .sync_begin = ext4_sync_begin,
                                     .sync_end = ext4_sync_end,
                                     .crash = ext4_crash};

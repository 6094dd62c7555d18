/* SPDX-License-Identifier: ISC */
/*
 * xfs: as Linux mounts it by default.
 * Sources: Linux Documentation/filesystems/xfs/xfs-delayed-logging-design.rst (checkpoints, log
 * force by sequence) and Documentation/admin-guide/xfs.rst (fs.xfs.xfssyncd_centisecs); the commit
 * "Fix to prevent the notorious 'NULL files' problem after a crash" (2007) for rule 4; xfstests
 * generic/640 for rule 3; J. Mohan and others, "Documenting the crash-recovery guarantees of Linux
 * file systems" (linux-fsdevel, 2019).
 *
 * 1. Metadata (names, attributes, truncates) is one log in the order of the calls, and a crash
 *    keeps a prefix of it.  What one call does is in it whole: rename is atomic.
 * 2. What is older than 30 s is on disk.
 * 3. fsync and fdatasync of a file or directory wait for the checkpoint that holds its last change:
 *    the log up to that change is on disk, and what came later may not be.  Of one that did not
 *    change since the last checkpoint they do nothing but write data.  A new size is logged when
 *    the data are written, so then all metadata made before the fsync began are on disk.  Time
 *    stamps do not count: a write within the same tick of the clock changes none.
 * 4. The size is set when the data are on disk: neither zeros nor rubbish at the end.  Of appends
 *    that no sync covers the first ones may be there (a long one cut at a page), and only if all
 *    metadata older than they are on disk too.  Pages are written in any order: those before the
 *    end may be missing, which reads as zeros.  A truncate within a block clears the rest of the
 *    block, and that is on disk before the size: zeros behind what is to be the end, or what was
 *    appended there since.  (tests/e2e/power-cut.sh saw it.)
 * 5. Bytes written over others are old or new; nothing orders them.  syncfs writes them, but only
 *    a write of the log flushes the disk's cache, and there may be nothing to log: a time stamp
 *    that is the same as before is not.  So they are durable only when an fsync or fdatasync of
 *    that file has ended, or one of any other file that began later: these flush.  fsync of a
 *    directory need not.  (Linux fs/xfs: xfs_fs_sync_fs(), xfs_dir_fsync() and xfs_file_fsync();
 *    tests/e2e/power-cut.sh saw it on 6.18.)
 * 6. No heuristic: neither rename over a file nor closing one that was cut to nothing writes its
 *    data.  (xfs starts writing in the second case and does not wait for it.)
 */
#include "sim/kernel/vfs_internal.h"

#define COMMIT_NS 30000000000

static void xfs_tick(struct vfs *vfs)
{
    log_commit_older(vfs, COMMIT_NS);
}

static void xfs_truncated(struct inode *inode)
{
    change_log_mark(inode, inode->content.size == 0 ? MARK_FLUSH : MARK_SIZE);
}

static void xfs_sync_begin(struct vfs_sync *sync)
{
    const struct inode *inode = sync->inode;
    sync->commits = !inode || log_has_append(inode) ? sync->operation : inode->logged;
}

static void xfs_sync_end(struct vfs_sync *sync)
{
    struct vfs *vfs = sync->vfs;
    if (!sync->inode) {
        changes_settle_appends(vfs, sync->operation);
        vfs->cached = vfs->cached < sync->operation ? sync->operation : vfs->cached;
    } else {
        if (S_ISREG(sync->inode->mode))
            changes_settle(&vfs->data, sync->cached);
        changes_settle(&sync->inode->data, sync->operation);
    }
    log_commit(vfs, sync->commits);
}

static void xfs_crash(struct vfs *vfs, const struct chooser *chooser)
{
    log_crash(vfs, LOG_HOLES | LOG_EARLY_TAIL, chooser);
}

const struct disk_model disk_xfs = {.name = "xfs",
                                    .logs_metadata = true,
                                    .logs_data = true,
                                    .tick = xfs_tick,
                                    .truncated = xfs_truncated,
                                    .sync_begin = xfs_sync_begin,
                                    .sync_end = xfs_sync_end,
                                    .crash = xfs_crash};

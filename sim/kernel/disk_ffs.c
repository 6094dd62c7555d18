/* SPDX-License-Identifier: ISC */
/*
 * ffs: what qmail relies on.
 *
 * 1. Creating, linking, renaming and removing names, and changing attributes, is durable, in
 *    order, when the call returns: such metadata is written synchronously.  (4.4BSD fast file
 *    system: McKusick et al., "A Fast File System for UNIX", 1984; qmail's INTERNALS, section 2.)
 * 2. Data is durable only by fsync, fdatasync or syncfs, which cover what was dirty when they
 *    began.  Without one, every rule of disk_data.c applies.
 * 3. A write of one byte over another is atomic: old or new.  (The same source.)
 * 4. A file whose last name is removed is gone.
 */
#include "sim/kernel/vfs_internal.h"

static void ffs_sync_end(struct vfs_sync *sync)
{
    changes_settle(sync->inode ? &sync->inode->data : &sync->vfs->data, sync->operation);
}

static void ffs_crash(struct vfs *vfs, const struct chooser *chooser)
{
    crash_mark(vfs);
    struct inode **survivors = crash_survivors(vfs);
    for (size_t i = 0; survivors[i]; i++)
        data_choose(survivors[i], chooser);
    free(survivors);
}

const struct disk_model disk_ffs = {
    .name = "ffs", .logs_data = true, .sync_end = ffs_sync_end, .crash = ffs_crash};

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
 * 4. Data are on disk before the size that covers them: neither zeros nor rubbish.  But blocks are
 *    allocated late, so of appends that no sync covers the first ones may be there (a long one cut
 *    at a page), and only if all metadata older than they are on disk too: the size travels in the
 *    same log.
 * 5. Bytes written over others are old or new; nothing orders them.
 * 6. Renaming a file over another one writes its data out before the rename is committed; closing
 *    a file that had been cut to nothing does the same.  link does not.
 *
 * A log position is an operation number: what is below the first lost one survived.
 */
#include "sim/kernel/vfs_internal.h"

#include <stdio.h>

#define COMMIT_NS 5000000000

static void commit_mark(const struct change *mark)
{
    struct change_list *data = &mark->inode->data;
    if (mark->mark.flushes)
        changes_settle(data, mark->operation);
    while (data->first && data->first->kind == CHANGE_TRUNCATE &&
           data->first->operation <= mark->operation)
        change_drop(data->first);
}

/* Puts the log up to `operation` on disk. */
static void commit(struct vfs *vfs, uint64_t operation)
{
    while (vfs->metadata.first && vfs->metadata.first->operation <= operation) {
        struct change *change = vfs->metadata.first;
        if (change->kind == CHANGE_MARK)
            commit_mark(change);
        change_drop(change);
    }
    if (vfs->committed < operation)
        vfs->committed = operation;
}

static void ext4_tick(struct vfs *vfs)
{
    int64_t now = vfs_now(vfs);
    uint64_t operation = 0;
    for (struct change *change = vfs->metadata.first; change && now - change->time_ns >= COMMIT_NS;
         change = change->log_next)
        operation = change->operation;
    if (operation > 0)
        commit(vfs, operation);
}

/* Its data go to disk with the log at this point. */
static void mark_flush(struct inode *inode)
{
    if (inode->data.first)
        change_log_mark(inode, true);
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
    change_log_mark(inode, inode->content.size == 0);
}

static bool has_pending_append(const struct inode *inode)
{
    for (const struct change *change = inode->data.first; change; change = change->own_next)
        if (change->kind == CHANGE_WRITE && data_appended(change) > 0)
            return true;
    return false;
}

static void ext4_sync_begin(struct vfs_sync *sync)
{
    const struct inode *inode = sync->inode;
    const struct vfs *vfs = sync->vfs;
    if (!inode)
        sync->commits = true;
    else if (sync->data_only)
        sync->commits = inode->size_changed > vfs->committed || has_pending_append(inode);
    else
        sync->commits =
            (inode->changed > vfs->committed && vfs_now(vfs) - inode->ctime_ns < COMMIT_NS) ||
            has_pending_append(inode);
}

static void ext4_sync_end(struct vfs_sync *sync)
{
    changes_settle(sync->inode ? &sync->inode->data : &sync->vfs->data, sync->operation);
    if (sync->commits)
        commit(sync->vfs, sync->operation);
}

/* --- power loss -------------------------------------------------------------------------------*/

/* The pending operations of the log: the first change of each, NULL at the end. */
static struct change **log_operations(struct vfs *vfs, size_t *count)
{
    struct change **log = vfs_allocate((vfs->metadata.count + 1) * sizeof(struct change *));
    *count = 0;
    for (struct change *change = vfs->metadata.first; change; change = change->log_next)
        if (*count == 0 || log[*count - 1]->operation != change->operation)
            log[(*count)++] = change;
    return log;
}

/* The first operation whose metadata is lost.  Asked by halves: few questions, and answers drawn at
 * random make every length about as likely. */
static uint64_t choose_prefix(struct vfs *vfs, const struct chooser *chooser)
{
    char change[LABEL_MAX + 64], what[LABEL_MAX + 100];
    size_t most, least = 0; /* operations that survive */
    struct change **log = log_operations(vfs, &most);
    while (least < most) {
        size_t middle = least + (most - least + 1) / 2;
        snprintf(what, sizeof what, "%s, and the log before it",
                 change_describe(log[middle - 1], change, sizeof change));
        if (chooser->choose(chooser->context, 2, what) == 1)
            least = middle;
        else
            most = middle - 1;
    }
    uint64_t lost = log[least] ? log[least]->operation : UINT64_MAX;
    free(log);
    return lost;
}

static void take_back(struct vfs *vfs, uint64_t lost)
{
    for (struct change *change = vfs->metadata.last; change && change->operation >= lost;
         change = change->log_previous)
        if (change->kind == CHANGE_NAME) {
            change->name.slot->live = change->name.old;
        } else if (change->kind == CHANGE_ATTRIBUTE) {
            change->inode->mode = change->old.mode;
            change->inode->uid = change->old.uid;
            change->inode->gid = change->old.gid;
        }
}

/* Data up to this operation went out with the part of the log that survived. */
static uint64_t flushed_up_to(const struct inode *inode, uint64_t lost)
{
    uint64_t flushed = 0;
    for (const struct change *change = inode->metadata.first; change && change->operation < lost;
         change = change->own_next)
        if (change->kind == CHANGE_MARK && change->mark.flushes)
            flushed = change->operation;
    return flushed;
}

/* Appends as much as survives; true if all of it. */
static bool choose_append(struct inode *inode, const struct change *change,
                          const struct chooser *chooser)
{
    char what[LABEL_MAX + 64];
    uint64_t size = data_appended(change), half = data_half(change);
    uint64_t end = change->data.offset + change->data.size;
    uint64_t lengths[3] = {0, half, size};
    unsigned count = 3;
    if ((end - size + half) % VFS_BLOCK != 0 || half == 0) { /* only pages are written */
        lengths[1] = size;
        count = 2;
    }
    change_describe(change, what, sizeof what);
    uint64_t length = lengths[chooser->choose(chooser->context, count, what)];
    data_apply_append(inode, change, length);
    return length == size;
}

static void choose_overwrite(struct inode *inode, const struct change *change,
                             const struct chooser *chooser)
{
    char what[LABEL_MAX + 64];
    if (!data_overwrite_shows(inode, change))
        return;
    change_describe(change, what, sizeof what);
    if (chooser->choose(chooser->context, 2, what) == 1)
        data_apply_overwrite(inode, change);
}

static void choose_data(struct inode *inode, uint64_t lost, const struct chooser *chooser)
{
    uint64_t flushed = flushed_up_to(inode, lost);
    bool whole = true; /* all appends so far are there */
    crash_rewind_data(inode);
    for (struct change *change = inode->data.first; change; change = change->own_next) {
        bool sure = change->operation <= flushed;
        if (change->kind == CHANGE_TRUNCATE) {
            if (change->operation < lost)
                data_apply_truncate(inode, change);
            whole = inode->content.size == change->data.offset;
            continue;
        }
        if (sure)
            data_apply_overwrite(inode, change);
        else
            choose_overwrite(inode, change, chooser);
        if (data_appended(change) == 0)
            continue;
        if (sure)
            data_apply_append(inode, change, data_appended(change));
        else if (whole && change->operation < lost)
            whole = choose_append(inode, change, chooser);
        else
            whole = false;
    }
}

static void ext4_crash(struct vfs *vfs, const struct chooser *chooser)
{
    uint64_t lost = choose_prefix(vfs, chooser);
    take_back(vfs, lost);
    crash_mark(vfs);
    struct inode **survivors = crash_survivors(vfs);
    for (size_t i = 0; survivors[i]; i++)
        if (survivors[i]->data.first)
            choose_data(survivors[i], lost, chooser);
    free(survivors);
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

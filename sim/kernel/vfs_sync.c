/* SPDX-License-Identifier: ISC */
/* Syncs, and what is not durable yet. */
#include "sim/kernel/vfs_internal.h"

static void tick(const struct vfs *vfs)
{
    /* What has become durable by age does not change what anybody sees. */
    if (vfs->options.model->tick)
        vfs->options.model->tick((struct vfs *) vfs);
}

struct vfs_sync *vfs_sync_begin(struct vfs *vfs, struct inode *inode, bool data_only)
{
    tick(vfs);
    struct vfs_sync *sync = vfs_allocate(sizeof *sync);
    sync->vfs = vfs;
    sync->inode = inode;
    sync->operation = vfs->operation;
    sync->cached = vfs->cached;
    sync->data_only = data_only;
    sync->next = vfs->syncs;
    if (vfs->syncs)
        vfs->syncs->previous = sync;
    vfs->syncs = sync;
    vfs->last_sync_operation = vfs->operation;
    if (inode)
        inode_ref(inode);
    if (vfs->options.model->sync_begin && !(vfs->overlays & OVERLAY_LIAR))
        vfs->options.model->sync_begin(sync);
    return sync;
}

static void tell_durable(const struct vfs_sync *sync)
{
    struct vfs *vfs = sync->vfs;
    if (sync->inode)
        inode_tell(sync->inode, VFS_DURABLE);
    else if (vfs->observer)
        vfs->observer(vfs->observer_context, VFS_DURABLE, "", NULL);
}

void vfs_sync_cancel(struct vfs_sync *sync)
{
    struct vfs *vfs = sync->vfs;
    *(sync->previous ? &sync->previous->next : &vfs->syncs) = sync->next;
    if (sync->next)
        sync->next->previous = sync->previous;
    vfs->last_sync_operation = vfs->cached;
    for (struct vfs_sync *other = vfs->syncs; other; other = other->next)
        if (other->operation > vfs->last_sync_operation)
            vfs->last_sync_operation = other->operation;
    if (sync->inode)
        inode_unref(sync->inode);
    free(sync);
}

void vfs_sync_end(struct vfs_sync *sync)
{
    struct vfs *vfs = sync->vfs;
    tick(vfs);
    size_t pending = vfs_pending_count(vfs);
    if (vfs->options.model->sync_end && !(vfs->overlays & OVERLAY_LIAR))
        vfs->options.model->sync_end(sync);
    if (vfs_pending_count(vfs) != pending)
        tell_durable(sync);
    vfs_sync_cancel(sync);
}

void vfs_sync_fail(struct vfs *vfs, struct inode *inode)
{
    tick(vfs);
    if (vfs->overlays & OVERLAY_FSYNC_EIO)
        changes_fail(vfs, inode);
}

uint64_t vfs_sync_error(const struct vfs *vfs, const struct inode *inode)
{
    return inode ? inode->sync_error : vfs->sync_error;
}

void vfs_settle(struct vfs *vfs)
{
    while (vfs->data.first)
        change_drop(vfs->data.first);
    while (vfs->metadata.first)
        change_drop(vfs->metadata.first);
    numbers_settle(vfs, vfs->operation);
    vfs->committed = vfs->operation;
}

size_t vfs_pending_count(const struct vfs *vfs)
{
    tick(vfs);
    return vfs->metadata.count - vfs->marks + vfs->data.count - vfs->sure;
}

/* Whether something at or behind `from` was written since, and is durable. */
static bool is_passed(const struct change *change, uint64_t from)
{
    for (const struct change *later = change->own_next; later; later = later->own_next)
        if (later->sure && later->kind == CHANGE_WRITE && later->data.offset >= from)
            return true;
    return false;
}

bool inode_awaits_sync(const struct inode *inode, uint64_t from)
{
    tick(inode->vfs);
    for (const struct change *change = inode->data.first; change; change = change->own_next)
        if (change->kind == CHANGE_WRITE && change->data.offset >= from && !change->sure &&
            !(change->failed && is_passed(change, from)))
            return true;
    return false;
}

void vfs_describe_pending(const struct vfs *vfs, void (*tell)(void *context, const char *what),
                          void *context)
{
    tick(vfs);
    char what[LABEL_MAX + 64];
    const struct change *metadata = vfs->metadata.first, *data = vfs->data.first;
    while (metadata || data) {
        const struct change **oldest =
            !data || (metadata && metadata->operation <= data->operation) ? &metadata : &data;
        if ((*oldest)->kind != CHANGE_MARK && !(*oldest)->sure)
            tell(context, change_describe(*oldest, what, sizeof what));
        *oldest = (*oldest)->log_next;
    }
}

/* SPDX-License-Identifier: ISC */
/*
 * Power loss.  The model decides what every entry names and what every file holds; before and
 * after it, this file does what is the same for all: descriptors are gone, what no name reaches is
 * gone, nothing is pending.
 */
#include "sim/kernel/vfs_internal.h"

#include <string.h>

/* Of a write of most of the file what was written stays where it is: whoever changes the content
 * takes a copy of all of it. */
static void keep_fresh(struct change *change, const struct content *content)
{
    uint64_t offset = change->data.offset, size = change->data.size;
    if (size >= VFS_BLOCK && size >= content->held / 2 && offset + size <= content->held) {
        change->data.fresh_bytes = bytes_share(content->bytes);
        change->data.fresh = content->bytes + offset;
        return;
    }
    change->data.fresh_bytes = bytes_new(size);
    change->data.fresh = change->data.fresh_bytes;
    content_get(content, change->data.fresh_bytes, size, offset);
}

/* What was overwritten and had not been held was zeros. */
static void rewind_zeros(const struct change *change, struct content *content)
{
    uint64_t start = change->data.offset + change->data.saved_size;
    uint64_t end = change->data.offset + change->data.size;
    if (end > change->data.old_size)
        end = change->data.old_size;
    if (start >= end)
        return;
    content_own(content);
    memset(content->bytes + start, 0, end - start);
}

void crash_rewind_data(struct inode *inode)
{
    struct content *content = &inode->content;
    inode->content_hash_valid = false;
    for (struct change *change = inode->data.last; change; change = change->own_previous) {
        if (change->kind == CHANGE_WRITE) {
            keep_fresh(change, content);
            rewind_zeros(change, content);
        }
        if (change->data.old_size < content->held)
            content->held = change->data.old_size; /* the bytes stay, to be put back */
        content->size = change->data.old_size;
        if (change->data.saved_size > 0)
            content_put(content, change->data.offset, change->data.saved, change->data.saved_size);
    }
}

static void forget_references(struct vfs *vfs)
{
    while (vfs->syncs) {
        struct vfs_sync *sync = vfs->syncs;
        if (sync->inode)
            sync->inode->references--;
        vfs->syncs = sync->next;
        free(sync);
    }
    vfs->last_sync_operation = vfs->cached = 0;
    for (struct inode *inode = vfs->first; inode; inode = inode->next)
        if (inode->parent_referenced) {
            inode->parent_referenced = false;
            inode->parent->references--;
        }
    for (struct inode *inode = vfs->first; inode; inode = inode->next)
        assert(inode->references == 0 || inode == vfs->root);
    vfs->root->references = 1;
}

/* Frees every record of a pending change, and the slots that stood for nothing else. */
static void forget_changes(struct vfs *vfs)
{
    for (struct change *change = vfs->metadata.first, *next; change; change = next) {
        next = change->log_next;
        if (change->kind == CHANGE_NAME) {
            struct slot *slot = change->name.slot;
            bool last = slot->last == change;
            slot->first = last ? NULL : change->name.later;
            if (last) {
                slot->last = NULL;
                slot->change_count = 0;
                slot_forget_if_empty(slot);
            }
        }
        vfs_give(change, sizeof *change);
    }
    for (struct change *change = vfs->data.first, *next; change; change = next) {
        next = change->log_next;
        bytes_release(change->data.saved);
        bytes_release(change->data.fresh_bytes);
        vfs_give(change, sizeof *change);
    }
    vfs->metadata = vfs->data = (struct change_list){0};
    vfs->marks = vfs->sure = 0;
    vfs->failures = false;
    for (struct inode *inode = vfs->first; inode; inode = inode->next) {
        inode->metadata = inode->data = (struct change_list){0};
        inode->holds = 0;
        inode->before = NULL;
    }
}

void crash_reach(struct inode *inode, struct slot *slot)
{
    if (S_ISDIR(inode->mode))
        inode->parent = slot->directory;
    if (inode->reached)
        return;
    inode->reached = true;
    inode->reached_by = slot;
}

static void add_name(struct inode *inode, struct slot *slot)
{
    slot->name_previous = NULL;
    slot->name_next = inode->names;
    if (inode->names)
        inode->names->name_previous = slot;
    inode->names = slot;
    inode->links++;
}

static void mark_below(struct inode *directory)
{
    for (struct slot *slot = directory_first(directory); slot; slot = directory_next(slot)) {
        struct inode *inode = slot->live;
        if (!inode)
            continue;
        directory->entries++;
        directory->subdirectories += S_ISDIR(inode->mode) != 0;
        crash_reach(inode, slot);
        add_name(inode, slot);
        if (S_ISDIR(inode->mode))
            mark_below(inode);
    }
}

void crash_mark(struct vfs *vfs)
{
    for (struct inode *inode = vfs->first; inode; inode = inode->next) {
        inode->reached = false;
        inode->reached_by = inode->names = NULL;
        inode->links = 0;
        inode->entries = 0;
        inode->subdirectories = 0;
    }
    vfs->root->reached = true;
    vfs->root->links = 1;
    mark_below(vfs->root);
}

static int by_number(const void *a, const void *b)
{
    const struct inode *x = *(struct inode *const *) a, *y = *(struct inode *const *) b;
    if (x->number != y->number)
        return x->number < y->number ? -1 : 1;
    return x->created < y->created ? -1 : x->created > y->created;
}

struct inode **crash_survivors(struct vfs *vfs)
{
    size_t count = 0;
    for (struct inode *inode = vfs->first; inode; inode = inode->next)
        count += inode->reached;
    struct inode **survivors = vfs_allocate((count + 1) * sizeof(struct inode *));
    count = 0;
    for (struct inode *inode = vfs->first; inode; inode = inode->next)
        if (inode->reached)
            survivors[count++] = inode;
    qsort(survivors, count, sizeof(struct inode *), by_number);
    return survivors;
}

/* Frees what no name reaches and does the accounts anew. */
static void sweep(struct vfs *vfs)
{
    vfs->inodes_used = 0;
    vfs->blocks_used = 0;
    for (struct inode *inode = vfs->first, *next; inode; inode = next) {
        next = inode->next;
        if (!inode->reached) {
            inode->links = 0;
            inode_destroy(inode);
            continue;
        }
        inode->freed = 0;
        inode->endpoint = NULL;
        inode->flush_on_close = false;
        inode->reached_by = NULL;
        vfs->inodes_used++;
        vfs->blocks_used += inode_blocks(inode);
    }
    numbers_rebuild(vfs);
}

void vfs_power_off(struct vfs *vfs)
{
    vfs_operation(vfs); /* what is old enough is on disk */
    vfs->power_off = true;
}

void vfs_crash(struct vfs *vfs, const struct chooser *chooser)
{
    if (!vfs->power_off)
        vfs_power_off(vfs);
    forget_references(vfs);
    if (vfs->options.model->crash)
        vfs->options.model->crash(vfs, chooser);
    forget_changes(vfs);
    crash_mark(vfs);
    sweep(vfs);
    vfs->power_off = false;
    vfs->committed = vfs->operation;
}

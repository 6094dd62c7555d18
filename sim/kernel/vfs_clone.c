/* SPDX-License-Identifier: ISC */
/* A copy of a file system: at the moment the power goes, to try out what may be found; or of one
 * that was set up, to go on with. */
#include "sim/kernel/vfs_internal.h"

#include <string.h>

/* While copying, the `scratch` of each inode of the original is the address of its copy. */
static struct inode *copy_of(const struct inode *inode)
{
    return inode ? (struct inode *) (uintptr_t) inode->scratch : NULL;
}

static struct inode *copy_inode(struct vfs *to, const struct inode *inode)
{
    struct inode *copy = vfs_take(sizeof *copy);
    *copy = *inode;
    copy->vfs = to;
    copy->scratch = 0;
    copy->references = 0;
    copy->parent_referenced = false;
    copy->endpoint = NULL;
    copy->names = NULL;
    copy->table = (struct slot_table){0};
    copy->metadata = copy->data = (struct change_list){0};
    bytes_share(copy->content.bytes);
    copy->next = NULL;
    copy->previous = to->last;
    *(to->last ? &to->last->next : &to->first) = copy;
    to->last = copy;
    return copy;
}

static struct slot *copy_slot(const struct slot *slot, struct inode *directory)
{
    size_t size = slot_size(slot->length);
    struct slot *copy = vfs_take(size);
    memcpy(copy, slot, size);
    copy->next = NULL;
    copy->directory = directory;
    copy->live = copy_of(slot->live);
    copy->name_previous = copy->name_next = NULL;
    copy->first = copy->last = NULL;
    copy->change_count = 0;
    return copy;
}

static void copy_table(struct inode *from)
{
    struct inode *to = copy_of(from);
    const struct slot_table *table = &from->table;
    if (!table->buckets)
        return;
    to->table = *table;
    to->table.buckets = vfs_take_zeroed(table_size(table->bits));
    for (size_t i = 0; i < (size_t) 1 << table->bits; i++) {
        struct slot **at = &to->table.buckets[i];
        for (struct slot *slot = table->buckets[i]; slot; slot = slot->next) {
            slot->copy = *at = copy_slot(slot, to);
            at = &(*at)->next;
        }
    }
}

static void copy_names(const struct inode *from)
{
    struct slot *last = NULL;
    for (const struct slot *slot = from->names; slot; slot = slot->name_next) {
        slot->copy->name_previous = last;
        *(last ? &last->name_next : &copy_of(from)->names) = slot->copy;
        last = slot->copy;
    }
}

static void copy_changes(const struct change_list *changes)
{
    for (const struct change *change = changes->first; change; change = change->log_next) {
        struct change *copy = vfs_take(sizeof *copy);
        *copy = *change;
        copy->inode = copy_of(change->inode);
        if (change->kind == CHANGE_NAME) {
            copy->name.slot = change->name.slot->copy;
            copy->name.old = copy_of(change->name.old);
            copy->name.later = NULL;
        } else if (change->kind >= CHANGE_WRITE) {
            bytes_share(copy->data.saved);
        }
        change_append(copy);
    }
}

/* All but references and pending changes.  The `scratch` of each inode stays as copy_of needs it.
 */
static struct vfs *copy_tree(const struct vfs *vfs)
{
    struct vfs *to = vfs_allocate(sizeof *to);
    to->options = vfs->options;
    to->operation = vfs->operation;
    to->committed = vfs->committed;
    to->marks = vfs->marks;
    to->sure = vfs->sure;
    to->overlays = vfs->overlays;
    to->failures = vfs->failures;
    to->sync_error = vfs->sync_error;
    to->blocks_used = vfs->blocks_used;
    to->blocks_total = vfs->blocks_total;
    to->inodes_used = vfs->inodes_used;
    to->next_number = vfs->next_number;
    for (struct inode *inode = vfs->first; inode; inode = inode->next)
        inode->scratch = (uintptr_t) copy_inode(to, inode);
    for (struct inode *inode = vfs->first; inode; inode = inode->next)
        copy_table(inode);
    for (struct inode *inode = vfs->first; inode; inode = inode->next) {
        copy_names(inode);
        copy_of(inode)->before = copy_of(inode->before);
        if (inode->links > 0) /* of a removed one it may be gone */
            copy_of(inode)->parent = copy_of(inode->parent);
    }
    to->root = copy_of(vfs->root);
    return to;
}

static void forget_copies(const struct vfs *vfs)
{
    for (struct inode *inode = vfs->first; inode; inode = inode->next)
        inode->scratch = 0;
}

struct vfs *vfs_clone(const struct vfs *vfs)
{
    struct vfs *to = copy_tree(vfs);
    copy_changes(&vfs->metadata);
    copy_changes(&vfs->data);
    forget_copies(vfs);
    vfs_power_off(to);
    return to;
}

struct vfs *vfs_copy(const struct vfs *vfs, int64_t (*clock)(void *context), void *context)
{
    assert(!vfs->metadata.count && !vfs->data.count && !vfs->syncs && !vfs->power_off);
    assert(vfs->removed_count == 0);
    struct vfs *to = copy_tree(vfs);
    forget_copies(vfs);
    to->options.clock = clock;
    to->options.clock_context = context;
    to->root->references = 1;
    to->free_count = to->free_capacity = vfs->free_count;
    if (vfs->free_count) {
        size_t size = vfs->free_count * sizeof *vfs->free_numbers;
        to->free_numbers = vfs_reallocate(NULL, size);
        memcpy(to->free_numbers, vfs->free_numbers, size);
    }
    return to;
}

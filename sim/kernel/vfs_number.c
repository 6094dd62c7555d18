/* SPDX-License-Identifier: ISC */
/*
 * Inode numbers: a new inode gets the lowest that is free.
 *
 * With a model that logs births the place of a removed file on disk is its own until everything is
 * synced, or what took its number over: its number is free, and it is held with it.
 */
#include "sim/kernel/vfs_internal.h"

#include <string.h>

static void numbers_push(struct vfs *vfs, struct free_number number)
{
    if (vfs->free_count == vfs->free_capacity) {
        vfs->free_capacity = vfs->free_capacity ? 2 * vfs->free_capacity : 16;
        vfs->free_numbers =
            vfs_reallocate(vfs->free_numbers, vfs->free_capacity * sizeof *vfs->free_numbers);
    }
    size_t i = vfs->free_count++;
    for (; i > 0 && vfs->free_numbers[(i - 1) / 2].number > number.number; i = (i - 1) / 2)
        vfs->free_numbers[i] = vfs->free_numbers[(i - 1) / 2];
    vfs->free_numbers[i] = number;
}

static struct free_number numbers_pop(struct vfs *vfs)
{
    if (vfs->free_count == 0)
        return (struct free_number){.number = vfs->next_number++};
    struct free_number *heap = vfs->free_numbers;
    struct free_number lowest = heap[0];
    struct free_number last = heap[--vfs->free_count];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= vfs->free_count)
            break;
        if (child + 1 < vfs->free_count && heap[child + 1].number < heap[child].number)
            child++;
        if (heap[child].number >= last.number)
            break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = last;
    return lowest;
}

/* Removed directories and the like are not found again. */
void number_give_back(struct inode *inode)
{
    struct vfs *vfs = inode->vfs;
    struct free_number free = {.number = inode->number};
    if (vfs->options.model->logs_births && S_ISREG(inode->mode)) {
        inode_hold(inode);
        free.removed = inode;
        vfs->removed_count++;
    }
    numbers_push(vfs, free);
}

static void forget_before(struct inode *inode)
{
    struct inode *before = inode->before;
    inode->before = NULL;
    if (before)
        inode_drop(before);
}

/* Of those whose number was taken over the birth of what took it is pending. */
static void settle_before(struct vfs *vfs, uint64_t operation)
{
    for (struct change *change = vfs->metadata.first, *next; change; change = next) {
        struct inode *inode = change->inode;
        bool is_gone =
            change_is_birth(change) && inode->before && inode->before->freed <= operation;
        if (is_gone)
            forget_before(inode);
        next = is_gone ? vfs->metadata.first : change->log_next; /* changes may have gone with it */
    }
}

void numbers_settle(struct vfs *vfs, uint64_t operation)
{
    if (operation <= vfs->removed_settled)
        return;
    vfs->removed_settled = operation;
    for (size_t i = 0; i < vfs->free_count && vfs->removed_count > 0; i++) {
        struct inode *removed = vfs->free_numbers[i].removed;
        if (!removed || removed->freed > operation)
            continue;
        vfs->free_numbers[i].removed = NULL;
        vfs->removed_count--;
        inode_drop(removed);
    }
    settle_before(vfs, operation);
}

#define BEFORE_MOST 4 /* inodes that had the number one after another, none of them synced */

void number_take(struct inode *inode)
{
    struct free_number free = numbers_pop(inode->vfs);
    struct inode *removed = free.removed;
    inode->number = free.number;
    if (!removed)
        return;
    inode->before = removed;
    inode->vfs->removed_count--;
    for (unsigned i = 1; i < BEFORE_MOST && removed; i++)
        removed = removed->before;
    if (removed)
        forget_before(removed);
}

static int by_number_then_newest(const void *a, const void *b)
{
    const struct inode *x = *(struct inode *const *) a;
    const struct inode *y = *(struct inode *const *) b;
    if (x->number != y->number)
        return x->number < y->number ? -1 : 1;
    return x->created > y->created ? -1 : x->created < y->created;
}

/* After a crash: which numbers are free.  Of two inodes with one number (the name of a removed
 * file came back although a later file got its number) the later keeps it. */
void numbers_rebuild(struct vfs *vfs)
{
    size_t count = 0;
    for (struct inode *inode = vfs->first; inode; inode = inode->next)
        count++;
    struct inode **sorted = vfs_allocate(count * sizeof *sorted);
    count = 0;
    for (struct inode *inode = vfs->first; inode; inode = inode->next)
        sorted[count++] = inode;
    qsort(sorted, count, sizeof *sorted, by_number_then_newest);
    vfs->free_count = vfs->removed_count = 0;
    vfs->next_number = VFS_FIRST_NUMBER;
    size_t doubles = 0;
    for (size_t i = 1; i < count; i++) { /* sorted[0] is the root */
        while (vfs->next_number < sorted[i]->number)
            numbers_push(vfs, (struct free_number){.number = vfs->next_number++});
        if (vfs->next_number == sorted[i]->number)
            vfs->next_number++;
        else
            sorted[doubles++] = sorted[i];
    }
    for (size_t i = 0; i < doubles; i++)
        sorted[i]->number = numbers_pop(vfs).number;
    free(sorted);
}

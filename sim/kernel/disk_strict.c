/* SPDX-License-Identifier: ISC */
/*
 * strict: POSIX at its worst.  Nothing reaches the disk but by a sync, and whatever POSIX does not
 * promise does not hold.  Sources: POSIX.1-2017 fsync(), fdatasync(), rename(); Pillai et al., "All
 * File Systems Are Not Created Equal" (OSDI '14), table 1: every "persistence property" taken as
 * failing; Linux man-pages fsync(2): "does not necessarily ensure that the entry in the directory
 * containing the file has also reached disk".
 *
 * 1. fsync of a file makes its data and attributes durable, not its names.  fdatasync: its data
 *    and size alone; of a directory: nothing.
 * 2. fsync of a directory makes its entries durable, not the files they name, not its own name.
 *    Nor the inodes they name: an entry, durable or not, of one that was never synced itself, file
 *    or directory, may be gone (fsck removes it), or name what is on disk in that inode's place: a
 *    file that was removed and had the number before, or one of up to 4 such, if each got it
 *    before the one before was synced.  A removed file is on disk until a syncfs is durable, or
 *    until a file in its place is.  (ext4 without a journal; tests/e2e/power-cut.sh saw both.)
 * 3. syncfs writes everything, but the disk's cache may have been flushed before the last of it:
 *    all of it is durable only when a sync of anything (an fsync, another syncfs) that began later
 *    has ended.  (Linux on ext4 without a journal, and on ext2: sync_filesystem() writes the blocks
 *    of metadata after ext4_sync_fs() has flushed.  tests/e2e/power-cut.sh saw it on 6.18.)
 * 4. A sync covers what was dirty when it began; one that is under way may have done any part.
 * 5. Every entry is by itself: it holds its durable value or any it had since.  So rename is two
 *    entries (new name made, old name removed, either without the other), and the target it
 *    replaced may still be there.
 * 6. A name whose removal or replacement is not durable may come back.  It names its old inode, or,
 *    if that was freed, a file that may have got the inode since: every later file with its
 *    number, and of all files made after the freeing the first 4 and the last.
 * 7. A file that was freed and comes back holds what rule 8 says, or nothing.  Or the name that is
 *    not durably removed or replaced goes with what it named: fsck removes a name of a freed inode.
 *    So when a file replaces another by rename, all three may be gone: the old name, the new one,
 *    and what the new one named.  (ext4 without a journal; tests/e2e/power-cut.sh saw it.)
 * 8. Data that no sync covers: disk_data.c.  Attributes that no sync covers: any they had.
 *    An entry keeps its first values since the last sync and the newest, a file its first writes,
 *    and the later ones joined where they touch (vfs_change.c).
 * 9. What no entry names is gone, with all that is in it.  A directory has one name: when two would
 *    survive, the second is dropped (as fsck does).
 */
#include "sim/kernel/vfs_internal.h"

#include <stdio.h>
#include <string.h>

#define LATER_FIRST 4 /* of files made after the freeing */
#define LATER_SAME 4  /* with the same number */
#define STATES_MAX 64 /* of one entry */

struct strict {
    struct vfs *vfs;
    const struct chooser *chooser;
    struct inode **files; /* all regular files, in order of creation */
    size_t file_count;
    struct inode **directories; /* surviving ones, those found first in front */
    size_t directory_count, directory_capacity;
    struct inode *states[STATES_MAX]; /* what one entry may name, oldest first */
    unsigned state_count;
};

/* Whether the inode has not been synced since it was made. */
static bool is_new(const struct inode *inode)
{
    return inode->metadata.first && change_is_birth(inode->metadata.first);
}

static void strict_sync_end(struct vfs_sync *sync)
{
    struct inode *inode = sync->inode;
    struct vfs *vfs = sync->vfs;
    changes_settle(&vfs->data, sync->cached);
    changes_settle(&vfs->metadata, sync->cached);
    numbers_settle(vfs, sync->cached);
    if (!inode) {
        vfs->cached = vfs->cached < sync->operation ? sync->operation : vfs->cached;
        return;
    }
    changes_settle(&inode->data, sync->operation);
    struct change *first = inode->metadata.first;
    if (!sync->data_only)
        changes_settle(&inode->metadata, sync->operation);
    else if (is_new(inode) && first->operation <= sync->operation && !first->failed)
        change_drop(first);
}

/* --- names ------------------------------------------------------------------------------------*/

static void state_add(struct strict *strict, struct inode *inode)
{
    for (unsigned i = 0; i < strict->state_count; i++)
        if (strict->states[i] == inode)
            return;
    if (strict->state_count < STATES_MAX - 1)
        strict->states[strict->state_count++] = inode;
}

static void list_files(struct strict *strict)
{
    size_t count = 0;
    for (struct inode *inode = strict->vfs->first; inode; inode = inode->next)
        count += S_ISREG(inode->mode) != 0;
    strict->files = vfs_allocate((count + 1) * sizeof(struct inode *));
    for (struct inode *inode = strict->vfs->first; inode; inode = inode->next)
        if (S_ISREG(inode->mode))
            strict->files[strict->file_count++] = inode;
}

/* Index of the first file made after that operation. */
static size_t first_after(const struct strict *strict, uint64_t operation)
{
    size_t low = 0, high = strict->file_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strict->files[middle]->created > operation)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* The files that may have got the inode of `old`. */
static void add_later_files(struct strict *strict, const struct inode *old)
{
    if (!old->freed || !S_ISREG(old->mode))
        return;
    if (!strict->files)
        list_files(strict);
    size_t first = first_after(strict, old->freed);
    unsigned same = 0;
    for (size_t i = first; i < strict->file_count; i++)
        if (i < first + LATER_FIRST || i == strict->file_count - 1) {
            state_add(strict, strict->files[i]);
        } else if (strict->files[i]->number == old->number && same < LATER_SAME) {
            same++;
            state_add(strict, strict->files[i]);
        }
}

/* What may be found instead of an inode that was never synced: nothing, or what had its place. */
static void add_instead(struct strict *strict, const struct inode *inode)
{
    if (!is_new(inode))
        return;
    state_add(strict, NULL);
    for (struct inode *before = inode->before; before; before = before->before)
        state_add(strict, before);
}

/* "queue/todo/1: entry added, removed" */
static void label_entry(const struct slot *slot, char *to, size_t size)
{
    change_describe(slot->first, to, size);
    size_t length = strlen(to);
    for (const struct change *change = slot->first->name.later; change && length < size;
         change = change->name.later)
        length += (size_t) snprintf(to + length, size - length, ", %s", change_verb(change));
}

/* Answer 0 is what is durable, the last one what processes saw. */
static void choose_entry(struct strict *strict, struct slot *slot)
{
    char what[LABEL_MAX + 300];
    strict->state_count = 0;
    for (struct change *change = slot->first; change; change = change->name.later) {
        state_add(strict, change->name.old);
        if (!change->name.old)
            continue;
        if (change->name.old->freed)
            state_add(strict, NULL);
        add_instead(strict, change->name.old);
        add_later_files(strict, change->name.old);
    }
    if (slot->live)
        add_instead(strict, slot->live);
    /* the newest stands last, even if it was there before */
    unsigned kept = 0;
    for (unsigned i = 0; i < strict->state_count; i++)
        if (i == 0 || strict->states[i] != slot->live)
            strict->states[kept++] = strict->states[i];
    if (kept > 1 || strict->states[0] != slot->live)
        strict->states[kept++] = slot->live;
    if (kept < 2)
        return;
    label_entry(slot, what, sizeof what);
    slot->live = strict->states[strict->chooser->choose(strict->chooser->context, kept, what)];
}

/* An entry that is durable, of an inode that may not be. */
static void choose_new_inode(struct strict *strict, struct slot *slot)
{
    char what[LABEL_MAX + 64];
    change_describe(slot->live->metadata.first, what, sizeof what);
    strict->state_count = 0;
    add_instead(strict, slot->live);
    state_add(strict, slot->live);
    unsigned answer = strict->chooser->choose(strict->chooser->context, strict->state_count, what);
    slot->live = strict->states[answer];
}

static int by_number(const void *a, const void *b)
{
    const struct inode *x = *(struct inode *const *) a, *y = *(struct inode *const *) b;
    if (x->number != y->number)
        return x->number < y->number ? -1 : 1;
    return x->created < y->created ? -1 : x->created > y->created;
}

static void add_directory(struct strict *strict, struct inode *directory)
{
    if (strict->directory_count == strict->directory_capacity) {
        strict->directory_capacity =
            strict->directory_capacity ? 2 * strict->directory_capacity : 16;
        strict->directories = vfs_reallocate(strict->directories,
                                             strict->directory_capacity * sizeof(struct inode *));
    }
    strict->directories[strict->directory_count++] = directory;
}

/* Decides the entries of a surviving directory and adds the directories in it. */
static void choose_directory(struct strict *strict, struct inode *directory)
{
    for (struct change *change = directory->metadata.first; change; change = change->own_next)
        if (change->kind == CHANGE_NAME && change->name.slot->first == change)
            choose_entry(strict, change->name.slot);
    size_t first = strict->directory_count;
    for (struct slot *slot = directory_first(directory); slot; slot = directory_next(slot)) {
        if (slot->live && !slot->first && is_new(slot->live))
            choose_new_inode(strict, slot);
        struct inode *inode = slot->live;
        if (!inode)
            continue;
        if (S_ISDIR(inode->mode) && inode->reached) {
            slot->live = NULL;
            continue;
        }
        crash_reach(inode, slot);
        if (S_ISDIR(inode->mode))
            add_directory(strict, inode);
    }
    if (strict->directory_count - first > 1)
        qsort(strict->directories + first, strict->directory_count - first, sizeof(struct inode *),
              by_number);
}

static void choose_names(struct strict *strict)
{
    struct inode *root = strict->vfs->root;
    for (struct inode *inode = strict->vfs->first; inode; inode = inode->next) {
        inode->reached = false;
        inode->reached_by = NULL;
    }
    root->reached = true;
    add_directory(strict, root);
    for (size_t i = 0; i < strict->directory_count; i++)
        choose_directory(strict, strict->directories[i]);
}

/* --- files ------------------------------------------------------------------------------------*/

static bool same_attributes(const struct inode *inode, const struct change *change)
{
    return change->old.mode == inode->mode && change->old.uid == inode->uid &&
           change->old.gid == inode->gid;
}

static void choose_attributes(struct strict *strict, struct inode *inode)
{
    unsigned count = 1; /* what processes saw */
    bool differ = false;
    const struct change *first = NULL;
    for (struct change *change = inode->metadata.first; change; change = change->own_next)
        if (change->kind == CHANGE_ATTRIBUTE && !change_is_birth(change)) {
            first = first ? first : change;
            differ |= !same_attributes(inode, change);
            count++;
        }
    if (!differ)
        return;
    char what[LABEL_MAX + 64];
    unsigned answer = strict->chooser->choose(strict->chooser->context, count,
                                              change_describe(first, what, sizeof what));
    for (const struct change *change = first; change; change = change->own_next)
        if (change->kind == CHANGE_ATTRIBUTE && !change_is_birth(change) && answer-- == 0) {
            inode->mode = change->old.mode;
            inode->uid = change->old.uid;
            inode->gid = change->old.gid;
            return;
        }
}

static void choose_content(struct strict *strict, struct inode *inode)
{
    char path[LABEL_MAX], what[LABEL_MAX + 64];
    bool has_content = S_ISREG(inode->mode) && (inode->content.size > 0 || inode->data.first);
    if (inode->freed && has_content) {
        snprintf(what, sizeof what, "%s: content freed", inode_path(inode, path, sizeof path));
        if (strict->chooser->choose(strict->chooser->context, 2, what) == 1) {
            content_free(&inode->content);
            inode->content_hash_valid = false;
            return;
        }
    }
    data_choose(inode, strict->chooser);
}

static void strict_crash(struct vfs *vfs, const struct chooser *chooser)
{
    struct strict *strict = vfs_allocate(sizeof *strict);
    strict->vfs = vfs;
    strict->chooser = chooser;
    choose_names(strict);
    struct inode **survivors = crash_survivors(vfs);
    for (size_t i = 0; survivors[i]; i++) {
        choose_attributes(strict, survivors[i]);
        choose_content(strict, survivors[i]);
    }
    free(survivors);
    free(strict->files);
    free(strict->directories);
    free(strict);
}

const struct disk_model disk_strict = {.name = "strict",
                                       .logs_metadata = true,
                                       .logs_data = true,
                                       .joins_names = true,
                                       .fails_names = true,
                                       .logs_births = true,
                                       .sync_end = strict_sync_end,
                                       .crash = strict_crash};

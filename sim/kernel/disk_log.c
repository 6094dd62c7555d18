/* SPDX-License-Identifier: ISC */
/*
 * What ext4, xfs and btrfs share: metadata (names, attributes, truncates) are one log in the order
 * of the calls, of which a crash keeps a prefix; data reach the disk before the size that covers
 * them, late, and in any order.  What they do not share stands in their own files.
 */
#include "sim/kernel/vfs_internal.h"

#include <stdio.h>

static void commit_mark(const struct change *mark)
{
    struct change_list *data = &mark->inode->data;
    if (mark->mark == MARK_FLUSH)
        changes_settle(data, mark->operation);
    while (mark->mark <= MARK_FLUSH && data->first && data->first->kind == CHANGE_TRUNCATE &&
           data->first->operation <= mark->operation)
        change_drop(data->first);
}

void log_commit(struct vfs *vfs, uint64_t operation)
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

void log_commit_older(struct vfs *vfs, int64_t age_ns)
{
    int64_t now = vfs_now(vfs);
    uint64_t operation = 0;
    for (struct change *change = vfs->metadata.first; change && now - change->time_ns >= age_ns;
         change = change->log_next)
        operation = change->operation;
    if (operation > 0)
        log_commit(vfs, operation);
}

bool log_has_append(const struct inode *inode)
{
    for (const struct change *change = inode->data.first; change; change = change->own_next)
        if (change->kind == CHANGE_WRITE && data_appended(change) > 0 && !change->failed &&
            !change->sure)
            return true;
    return false;
}

/* --- power loss -------------------------------------------------------------------------------*/

/* The pending operations of the log: the first change of each, NULL at the end. */
static struct change **log_operations(struct vfs *vfs, size_t *count)
{
    struct change **log = vfs_allocate((vfs->metadata.count + 1) * sizeof(struct change *));
    *count = 0;
    for (struct change *change = vfs->metadata.first; change; change = change->log_next)
        if ((change->kind != CHANGE_MARK || change->mark <= MARK_FLUSH) &&
            (*count == 0 || log[*count - 1]->operation != change->operation))
            log[(*count)++] = change;
    return log;
}

/* The first operation whose metadata is lost.  Asked by halves: few questions, and answers drawn at
 * random make every length about as likely. */
uint64_t log_choose_prefix(struct vfs *vfs, const struct chooser *chooser)
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

void log_take_back(struct vfs *vfs, uint64_t lost)
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
        if (change->kind == CHANGE_MARK && change->mark == MARK_FLUSH)
            flushed = change->operation;
    return flushed;
}

/* The size of an append without its data, or without the last of them; true if it is all there. */
static bool choose_size(struct inode *inode, const struct change *change,
                        const struct chooser *chooser)
{
    char what[LABEL_MAX + 64], longer[LABEL_MAX + 80];
    uint64_t end = change->data.offset + change->data.size;
    uint64_t half = end - data_appended(change) + data_half(change);
    uint64_t sizes[3] = {inode->content.size};
    unsigned count = 1;
    if (half % VFS_BLOCK == 0 && half > inode->content.size && half < end)
        sizes[count++] = half;
    sizes[count++] = end;
    snprintf(longer, sizeof longer, "%s: size", change_describe(change, what, sizeof what));
    uint64_t size = sizes[chooser->choose(chooser->context, count, longer)];
    if (size > inode->content.size)
        content_cut(&inode->content, size);
    return size == end;
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
    change_describe(change, what, sizeof what);
    if ((end - size + half) % VFS_BLOCK != 0 || half == 0) { /* only pages are written */
        lengths[1] = size;
        count = 2;
    }
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

/* Whether pages are missing before this append, and nothing but whole pages. */
static bool follows_pages(const struct inode *inode, const struct change *change)
{
    uint64_t start = change->data.offset + data_overwritten(change);
    return inode->content.size % VFS_BLOCK == 0 && start % VFS_BLOCK == 0;
}

/* Of a truncate whose size is lost the zeros behind the new end; returns where they end, or 0. */
static uint64_t choose_tail(struct inode *inode, const struct change *change,
                            const struct chooser *chooser)
{
    char what[LABEL_MAX + 64], longer[LABEL_MAX + 80];
    uint64_t end = data_tail(inode, change);
    if (end == 0)
        return 0;
    snprintf(longer, sizeof longer, "%s: zeros", change_describe(change, what, sizeof what));
    if (chooser->choose(chooser->context, 2, longer) == 0)
        return 0;
    data_apply_tail(inode, change);
    return end;
}

/* An append whose size is lost, onto such zeros, as far as they go. */
static void choose_in_tail(struct inode *inode, const struct change *change, uint64_t tail,
                           const struct chooser *chooser)
{
    char what[LABEL_MAX + 64];
    uint64_t start = change->data.offset + data_overwritten(change);
    uint64_t end = change->data.offset + change->data.size;
    end = end < tail ? end : tail;
    if (start >= end)
        return;
    change_describe(change, what, sizeof what);
    if (chooser->choose(chooser->context, 2, what) == 1)
        data_apply_part(inode, change, start, end);
}

static void choose_content(struct inode *inode, uint64_t lost, unsigned rules,
                           const struct chooser *chooser)
{
    uint64_t flushed = flushed_up_to(inode, lost);
    uint64_t tail = 0; /* the last truncate's size is lost, and its zeros end here */
    bool whole = true; /* all appends so far are there */
    crash_rewind_data(inode);
    for (struct change *change = inode->data.first; change; change = change->own_next) {
        if (change->kind == CHANGE_TRUNCATE) {
            tail = 0;
            if (change->operation < lost || change->sure)
                data_apply_truncate(inode, change);
            else if (rules & LOG_EARLY_TAIL)
                tail = choose_tail(inode, change, chooser);
            whole = inode->content.size == change->data.offset;
            continue;
        }
        if (change->sure || (change->operation <= flushed && !change->failed)) {
            data_apply(inode, change);
            whole |= data_appended(change) > 0;
            continue;
        }
        choose_overwrite(inode, change, chooser);
        if (data_appended(change) == 0)
            continue;
        choose_in_tail(inode, change, tail, chooser);
        bool follows = whole || ((rules & LOG_HOLES) && follows_pages(inode, change));
        whole = change->operation < lost && follows &&
                (choose_append(inode, change, chooser) ||
                 ((rules & LOG_EARLY_SIZE) && choose_size(inode, change, chooser)));
    }
}

void log_choose_data(struct vfs *vfs, uint64_t lost, unsigned rules, const struct chooser *chooser)
{
    struct inode **survivors = crash_survivors(vfs);
    for (size_t i = 0; survivors[i]; i++)
        if (survivors[i]->data.first)
            choose_content(survivors[i], lost, rules, chooser);
    free(survivors);
}

void log_crash(struct vfs *vfs, unsigned rules, const struct chooser *chooser)
{
    uint64_t lost = log_choose_prefix(vfs, chooser);
    log_take_back(vfs, lost);
    crash_mark(vfs);
    log_choose_data(vfs, lost, rules, chooser);
}

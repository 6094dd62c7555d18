/* SPDX-License-Identifier: ISC */
/* The pending changes: written down as they happen, forgotten when they are durable. */
#include "sim/kernel/vfs_internal.h"

#include <stdio.h>
#include <string.h>

/* So many pending writes of a file, or changes of an entry, are kept apart.  Further ones are
 * joined to the last one where that is possible, so that what is never synced does not grow for
 * ever. */
#define APART 8

static struct change_list *log_of(struct change *change)
{
    struct vfs *vfs = change->inode->vfs;
    return change->kind < CHANGE_WRITE ? &vfs->metadata : &vfs->data;
}

static struct change_list *own_of(struct change *change)
{
    return change->kind < CHANGE_WRITE ? &change->inode->metadata : &change->inode->data;
}

static void log_append(struct change *change)
{
    struct change_list *log = log_of(change);
    change->log_previous = log->last;
    change->log_next = NULL;
    *(log->last ? &log->last->log_next : &log->first) = change;
    log->last = change;
    log->count++;
}

static void log_remove(struct change *change)
{
    struct change_list *log = log_of(change);
    *(change->log_previous ? &change->log_previous->log_next : &log->first) = change->log_next;
    *(change->log_next ? &change->log_next->log_previous : &log->last) = change->log_previous;
    log->count--;
}

static void own_append(struct change *change)
{
    struct change_list *own = own_of(change);
    change->own_previous = own->last;
    change->own_next = NULL;
    *(own->last ? &own->last->own_next : &own->first) = change;
    own->last = change;
    own->count++;
}

static void own_remove(struct change *change)
{
    struct change_list *own = own_of(change);
    *(change->own_previous ? &change->own_previous->own_next : &own->first) = change->own_next;
    *(change->own_next ? &change->own_next->own_previous : &own->last) = change->own_previous;
    own->count--;
}

static struct change *change_new(struct inode *inode, enum change_kind kind)
{
    struct change *change = vfs_take_zeroed(sizeof *change);
    change->kind = kind;
    change->inode = inode;
    change->operation = inode->vfs->operation;
    change->time_ns = vfs_now(inode->vfs);
    return change;
}

void change_append(struct change *change)
{
    log_append(change);
    own_append(change);
    if (change->kind != CHANGE_NAME)
        return;
    struct slot *slot = change->name.slot;
    *(slot->last ? &slot->last->name.later : &slot->first) = change;
    slot->last = change;
    slot->change_count++;
}

/* The change happens again, now. */
static void change_renew(struct change *change)
{
    log_remove(change);
    own_remove(change);
    change->operation = change->inode->vfs->operation;
    change->time_ns = vfs_now(change->inode->vfs);
    log_append(change);
    own_append(change);
}

/* Whether this change of the entry can be taken as part of the last one: what the entry named in
 * between is forgotten.  Not if a sync under way covers one and not the other. */
static bool may_join_name(const struct slot *slot)
{
    const struct vfs *vfs = slot->directory->vfs;
    return vfs->options.model->joins_names && slot->change_count >= APART &&
           slot->last->operation > vfs->last_sync_operation && !slot->last->failed;
}

void change_log_name(struct slot *slot)
{
    if (!slot->directory->vfs->options.model->logs_metadata)
        return;
    if (may_join_name(slot)) {
        change_renew(slot->last);
        return;
    }
    struct change *change = change_new(slot->directory, CHANGE_NAME);
    change->name.slot = slot;
    change->name.old = slot->live;
    if (slot->live)
        inode_hold(slot->live);
    change_append(change);
}

void change_log_attribute(struct inode *inode)
{
    if (!inode->vfs->options.model->logs_metadata)
        return;
    struct change *change = change_new(inode, CHANGE_ATTRIBUTE);
    change->old.mode = inode->mode;
    change->old.uid = inode->uid;
    change->old.gid = inode->gid;
    change_append(change);
}

void change_log_birth(struct inode *inode)
{
    if (inode->vfs->options.model->logs_births)
        change_append(change_new(inode, CHANGE_ATTRIBUTE));
}

bool change_is_birth(const struct change *change)
{
    return change->kind == CHANGE_ATTRIBUTE && change->old.mode == 0;
}

struct change *change_log_mark(struct inode *inode, enum mark_kind kind)
{
    struct change *change = change_new(inode, CHANGE_MARK);
    change->mark = kind;
    change_append(change);
    inode->vfs->marks++;
    return change;
}

/* Keeps `size` bytes at `offset` of what is really held of the file. */
static void save(struct change *change, uint64_t offset, uint64_t size)
{
    const struct content *content = &change->inode->content;
    if (offset >= content->held)
        return;
    if (size > content->held - offset)
        size = content->held - offset;
    if (size == 0)
        return;
    change->data.saved = bytes_new(size);
    change->data.saved_size = size;
    memcpy(change->data.saved, content->bytes + offset, size);
}

/* Whether a write can be made part of the last pending one: it goes on where that ended, at the
 * end of the file, or writes over the very same bytes.  Not if a sync or a mark lies between. */
static bool may_join_write(const struct inode *inode, uint64_t offset, size_t size)
{
    const struct change *last = inode->data.last, *mark = inode->metadata.last;
    if (inode->data.count < APART || last->kind != CHANGE_WRITE ||
        last->operation <= inode->vfs->last_sync_operation || last->failed || last->sure ||
        (mark && mark->operation >= last->operation))
        return false;
    if (last->data.offset >= last->data.old_size) /* an append */
        return offset == inode->content.size && last->data.offset + last->data.size == offset;
    return last->data.offset == offset && last->data.size == size && last->data.saved_size == size;
}

void change_log_write(struct inode *inode, uint64_t offset, size_t size)
{
    if (!inode->vfs->options.model->logs_data)
        return;
    if (may_join_write(inode, offset, size)) {
        struct change *last = inode->data.last;
        last->data.size = offset + size - last->data.offset;
        change_renew(last);
        return;
    }
    struct change *change = change_new(inode, CHANGE_WRITE);
    change->data.offset = offset;
    change->data.size = size;
    change->data.old_size = inode->content.size;
    change_append(change);
    save(change, offset, size);
}

void change_log_truncate(struct inode *inode, uint64_t size)
{
    if (!inode->vfs->options.model->logs_data)
        return;
    struct change *change = change_new(inode, CHANGE_TRUNCATE);
    change->data.offset = size;
    change->data.old_size = inode->content.size;
    change_append(change);
    if (size > 0) {
        save(change, size, UINT64_MAX - size);
        return;
    }
    /* All of it: the bytes change hands. */
    change->data.saved = inode->content.bytes;
    change->data.saved_size = inode->content.held;
    inode->content.bytes = NULL;
    inode->content.held = inode->content.capacity = 0;
}

void change_drop(struct change *change)
{
    log_remove(change);
    own_remove(change);
    change->inode->vfs->sure -= change->sure;
    struct inode *old = NULL;
    if (change->kind == CHANGE_NAME) {
        struct slot *slot = change->name.slot;
        assert(slot->first == change);
        slot->first = change->name.later;
        if (!slot->first)
            slot->last = NULL;
        slot->change_count--;
        slot_forget_if_empty(slot);
        old = change->name.old;
    } else if (change_is_birth(change)) {
        old = change->inode->before; /* its place is taken */
        change->inode->before = NULL;
    } else if (change->kind == CHANGE_MARK) {
        change->inode->vfs->marks--;
    } else if (change->kind >= CHANGE_WRITE) {
        bytes_release(change->data.saved);
        bytes_release(change->data.fresh_bytes);
    }
    vfs_give(change, sizeof *change);
    if (old)
        inode_drop(old);
}

static void drop_up_to(struct change_list *list, uint64_t operation)
{
    /* change_drop takes it off the list. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
    while (list->first && list->first->operation <= operation)
        change_drop(list->first);
}

void changes_drop_all(struct inode *inode)
{
    drop_up_to(&inode->metadata, UINT64_MAX);
    drop_up_to(&inode->data, UINT64_MAX);
}

/* --- changes that failed ----------------------------------------------------------------------*/

void change_is_sure(struct change *change)
{
    change->inode->vfs->sure += !change->sure;
    change->sure = true;
}

/* The next change of the same entry, or of the same attributes. */
static struct change *next_of_same(const struct change *change)
{
    if (change->kind == CHANGE_NAME)
        return change->name.later;
    struct change *next = change->own_next;
    while (next && next->kind != change->kind)
        next = next->own_next;
    return next;
}

/* Whether a later value of the same thing has become durable. */
static bool is_superseded(const struct change *change, uint64_t operation)
{
    while ((change = next_of_same(change)) && change->operation <= operation)
        if (!change->failed)
            return true;
    return false;
}

/* What failed is of no account when all of it was written once more, and that is durable. */
static void supersede(struct change *change)
{
    struct inode *inode = change->inode;
    uint64_t start = change->data.offset, end = start + change->data.size;
    for (struct change *older = inode->data.first; older != change; older = older->own_next)
        if (older->failed && older->kind == CHANGE_WRITE && older->data.offset >= start &&
            older->data.offset + older->data.size <= end) {
            older->failed = false;
            change_is_sure(older);
        }
    while (inode->data.first != change && inode->data.first->sure)
        change_drop(inode->data.first);
}

/* Writes are told on top of each other, so what follows one that failed stays. */
static void settle_data(struct change *change)
{
    struct inode *inode = change->inode;
    if (change->kind == CHANGE_WRITE && !change->failed)
        supersede(change);
    bool cuts_all = change->kind == CHANGE_TRUNCATE && change->data.offset == 0;
    if (cuts_all && !change->failed)
        while (inode->data.first != change)
            change_drop(inode->data.first);
    if (inode->data.first == change && !change->failed)
        change_drop(change);
    else if (!change->failed)
        change_is_sure(change);
}

static void settle_among_failures(struct change_list *list, uint64_t operation)
{
    bool of_vfs = list == log_of(list->first);
    for (struct change *change = list->first, *next; change && change->operation <= operation;
         change = next) {
        next = of_vfs ? change->log_next : change->own_next;
        if (change->kind >= CHANGE_WRITE) {
            settle_data(change);
        } else if (!change->failed || is_superseded(change, operation)) {
            change_drop(change);
            next = list->first; /* a directory may have gone with it, and its changes */
        }
    }
}

void changes_settle(struct change_list *list, uint64_t operation)
{
    if (list->first && list->first->inode->vfs->failures)
        settle_among_failures(list, operation);
    else
        drop_up_to(list, operation);
}

static bool only_overwrites(const struct change *change)
{
    return change->kind == CHANGE_WRITE && data_appended(change) == 0 && !change->sure;
}

void changes_settle_appends(struct vfs *vfs, uint64_t operation)
{
    for (struct change *change = vfs->data.first, *next; change && change->operation <= operation;
         change = next) {
        next = change->log_next;
        if (!only_overwrites(change))
            settle_data(change);
    }
}

static void fail(struct change_list *list)
{
    bool of_vfs = list->first && list == log_of(list->first);
    for (struct change *change = list->first; change;
         change = of_vfs ? change->log_next : change->own_next) {
        const struct vfs *vfs = change->inode->vfs;
        /* What a syncfs has written awaits a flush only. */
        if (change->operation > vfs->cached || change->failed)
            change->failed = !change->sure && change->kind != CHANGE_MARK;
        change->inode->sync_error = vfs->sync_error;
    }
}

void changes_fail(struct vfs *vfs, struct inode *inode)
{
    vfs->failures = true;
    vfs->sync_error++;
    if (inode)
        inode->sync_error = vfs->sync_error;
    fail(inode ? &inode->data : &vfs->data);
    if (inode && vfs->options.model->fails_names)
        fail(&inode->metadata);
}

/* --- in words ---------------------------------------------------------------------------------*/

struct inode *change_new_name(const struct change *change)
{
    return change->name.later ? change->name.later->name.old : change->name.slot->live;
}

const char *change_verb(const struct change *change)
{
    if (!change_new_name(change))
        return "removed";
    return change->name.old ? "replaced" : "added";
}

static const char *name_of_inode(const struct inode *inode, char *to, size_t size)
{
    if (inode == inode->vfs->root)
        return "/";
    const char *path = inode_path(inode, to, size);
    if (*path)
        return path;
    snprintf(to, size, "inode %ju (removed)", (uintmax_t) inode->number);
    return to;
}

const char *change_describe(const struct change *change, char *to, size_t size)
{
    char path[LABEL_MAX];
    if (change->kind == CHANGE_NAME) {
        snprintf(to, size, "%s: entry %s", slot_path(change->name.slot, path, sizeof path),
                 change_verb(change));
        return to;
    }
    const char *name = name_of_inode(change->inode, path, sizeof path);
    if (change->kind == CHANGE_ATTRIBUTE)
        snprintf(to, size, "%s: %s", name,
                 change_is_birth(change) ? "inode new" : "mode or owner changed");
    else if (change->kind == CHANGE_MARK)
        snprintf(to, size, "%s: %s", name,
                 change->mark >= MARK_LOGGING ? "in the log tree"
                 : change->mark == MARK_FLUSH ? "data written out"
                                              : "size set");
    else if (change->kind == CHANGE_WRITE)
        snprintf(to, size, "%s: write of %ju bytes at %ju", name, (uintmax_t) change->data.size,
                 (uintmax_t) change->data.offset);
    else
        snprintf(to, size, "%s: size set to %ju", name, (uintmax_t) change->data.offset);
    return to;
}

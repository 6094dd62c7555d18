/* SPDX-License-Identifier: ISC */
/*
 * What power loss leaves of data that no sync covers, for the models that promise nothing about
 * them (ffs, strict).
 *
 * Each pending write and truncate is decided by itself, in the order they were made:
 *
 * - bytes written over others: each is the old or the new one.  Told apart are all old, the first
 *   half new, the second half new, all new; if at most two bytes differ, every combination.
 *   (POSIX.1-2017 fsync() and "synchronized I/O data integrity completion": before it nothing is
 *   known; sectors and pages reach the disk one by one.)
 * - bytes written behind the end: not there; or the file is longer, by all or by part of it, and
 *   holds zeros, rubbish, the data, or the data and then zeros.  (Size and blocks are separate
 *   pieces of metadata: Pillai et al., "All File Systems Are Not Created Equal", OSDI '14, section
 *   3, "append": content atomicity and prefix append; XFS FAQ, "Why do I see binary NULLS in some
 *   files after recovery when I unplugged the power?")
 * - a truncate: made or not; or, if it cuts a file within a block, the block alone was written: the
 *   old length, and zeros from the new end to the end of the block.  What is written there later
 * may come so, too.  (Every file system clears the rest of the last block, lest the bytes come back
 *   when the file grows; ext4 and xfs write it before the size.  tests/e2e/power-cut.sh saw it.)
 */
#include "sim/kernel/vfs_internal.h"

#include <stdio.h>
#include <string.h>

uint64_t data_overwritten(const struct change *change)
{
    uint64_t offset = change->data.offset, end = offset + change->data.size;
    uint64_t old_size = change->data.old_size;
    return offset >= old_size ? 0 : (end < old_size ? end : old_size) - offset;
}

uint64_t data_appended(const struct change *change)
{
    return change->data.size - data_overwritten(change);
}

uint64_t data_half(const struct change *change)
{
    uint64_t size = data_appended(change);
    uint64_t end = change->data.offset + change->data.size, start = end - size;
    uint64_t page = (end - 1) / VFS_BLOCK * VFS_BLOCK; /* the last page border inside */
    return page > start ? page - start : size / 2;
}

static void put_zeros(struct inode *inode, uint64_t offset, uint64_t size)
{
    char *zeros = vfs_allocate(size);
    content_put(&inode->content, offset, zeros, size);
    free(zeros);
}

/* How many overwritten bytes lie in the file as it is now (an earlier append may be lost). */
static uint64_t overwritten_now(const struct inode *inode, const struct change *change)
{
    uint64_t size = data_overwritten(change), now = inode->content.size;
    uint64_t offset = change->data.offset;
    if (offset >= now)
        return 0;
    return size < now - offset ? size : now - offset;
}

static char byte_at(const struct content *content, uint64_t offset)
{
    return offset < content->held ? content->bytes[offset] : 0;
}

/* The bytes from `from` up to `to` (counted from the change's offset) become the new ones. */
static void overwrite(struct inode *inode, const struct change *change, uint64_t from, uint64_t to)
{
    if (to > from)
        content_put(&inode->content, change->data.offset + from, change->data.fresh + from,
                    to - from);
}

void data_apply_overwrite(struct inode *inode, const struct change *change)
{
    overwrite(inode, change, 0, overwritten_now(inode, change));
}

void data_apply_append(struct inode *inode, const struct change *change, uint64_t bytes)
{
    uint64_t skip = data_overwritten(change);
    if (bytes > 0)
        content_put(&inode->content, change->data.offset + skip, change->data.fresh + skip, bytes);
}

void data_apply_truncate(struct inode *inode, const struct change *change)
{
    uint64_t size = change->data.offset;
    bool grows = size > change->data.old_size;
    if (grows == (size > inode->content.size))
        content_cut(&inode->content, size);
}

uint64_t data_tail(const struct inode *inode, const struct change *change)
{
    const struct content *content = &inode->content;
    uint64_t start = change->data.offset;
    uint64_t end = (start + VFS_BLOCK - 1) / VFS_BLOCK * VFS_BLOCK;
    if (start >= change->data.old_size)
        return 0;
    end = end < content->size ? end : content->size;
    uint64_t held = end < content->held ? end : content->held;
    if (start >= held || bytes_are_zeros(content->bytes + start, held - start))
        return 0;
    return end;
}

void data_apply_tail(struct inode *inode, const struct change *change)
{
    put_zeros(inode, change->data.offset, data_tail(inode, change) - change->data.offset);
}

void data_apply_part(struct inode *inode, const struct change *change, uint64_t from, uint64_t to)
{
    content_put(&inode->content, from, change->data.fresh + (from - change->data.offset),
                to - from);
}

void data_apply(struct inode *inode, const struct change *change)
{
    if (change->kind == CHANGE_TRUNCATE) {
        data_apply_truncate(inode, change);
        return;
    }
    if (change->data.size > 0)
        content_put(&inode->content, change->data.offset, change->data.fresh, change->data.size);
}

/* --- overwriting ------------------------------------------------------------------------------*/

struct difference {
    uint64_t first, last; /* bytes that differ, from the change's offset */
    uint64_t count;
};

static struct difference compare(const struct inode *inode, const struct change *change)
{
    struct difference found = {0};
    uint64_t size = overwritten_now(inode, change);
    const struct content *content = &inode->content;
    if (size > 0 && change->data.offset + size <= content->held &&
        memcmp(content->bytes + change->data.offset, change->data.fresh, size) == 0)
        return found;
    for (uint64_t i = 0; i < size; i++) {
        if (byte_at(&inode->content, change->data.offset + i) == change->data.fresh[i])
            continue;
        if (found.count++ == 0)
            found.first = i;
        found.last = i;
    }
    return found;
}

bool data_overwrite_shows(const struct inode *inode, const struct change *change)
{
    return compare(inode, change).count > 0;
}

static void choose_overwrite(struct inode *inode, const struct change *change,
                             const struct chooser *chooser, const char *what)
{
    struct difference found = compare(inode, change);
    if (found.count == 0)
        return;
    uint64_t middle = found.first + (found.last - found.first) / 2 + 1;
    if (found.count == 1) {
        if (chooser->choose(chooser->context, 2, what) == 1)
            overwrite(inode, change, found.first, found.last + 1);
        return;
    }
    switch (chooser->choose(chooser->context, 4, what)) {
    case 0:
        break;
    case 1:
        overwrite(inode, change, found.first, middle);
        break;
    case 2:
        overwrite(inode, change, middle, found.last + 1);
        break;
    default:
        overwrite(inode, change, found.first, found.last + 1);
        break;
    }
}

/* --- appending --------------------------------------------------------------------------------*/

enum append_kind { LOST, ZEROS, RUBBISH, DATA_THEN_ZEROS, DATA, APPEND_KINDS };

/* What the blocks held before: the same at the same place in every run. */
static void put_rubbish(struct inode *inode, uint64_t offset, uint64_t size)
{
    char *rubbish = vfs_allocate(size);
    for (uint64_t i = 0; i < size; i++)
        rubbish[i] = (char) (0x80 | ((offset + i) * 0x9e3779b97f4a7c15u) >> 57);
    content_put(&inode->content, offset, rubbish, size);
    free(rubbish);
}

/* How much of an append is there, if anything is.  Of its bytes `inside` lie in the file as it is:
 * a truncate before is not there. */
static uint64_t choose_length(const struct change *change, enum append_kind kind, uint64_t inside,
                              const struct chooser *chooser, const char *what)
{
    uint64_t size = data_appended(change), half = data_half(change);
    uint64_t lengths[4];
    unsigned count = 0;
    if (half > 0)
        lengths[count++] = half;
    if (kind == DATA && size > 1 && size - 1 != half)
        lengths[count++] = size - 1;
    if (kind == DATA && inside > 0 && inside < size && inside != half && inside != size - 1)
        lengths[count++] = inside;
    lengths[count++] = size;
    if (count == 1)
        return size;
    char longer[LABEL_MAX + 100];
    snprintf(longer, sizeof longer, "%s: length", what);
    return lengths[chooser->choose(chooser->context, count, longer)];
}

static void choose_append(struct inode *inode, const struct change *change,
                          const struct chooser *chooser, const char *what)
{
    static const enum append_kind every[] = {LOST, ZEROS, RUBBISH, DATA_THEN_ZEROS, DATA};
    static const enum append_kind of_zeros[] = {LOST, RUBBISH, DATA};
    static const enum append_kind of_one[] = {LOST, ZEROS, RUBBISH, DATA};
    uint64_t size = data_appended(change), skip = data_overwritten(change);
    uint64_t offset = change->data.offset + skip, half = data_half(change);
    uint64_t inside = inode->content.size > offset ? inode->content.size - offset : 0;
    if (size == 0)
        return;
    enum append_kind kind;
    if (bytes_are_zeros(change->data.fresh + skip, size))
        kind = of_zeros[chooser->choose(chooser->context, 3, what)];
    else if (half == 0)
        kind = of_one[chooser->choose(chooser->context, 4, what)];
    else
        kind = every[chooser->choose(chooser->context, 5, what)];
    switch (kind) {
    case ZEROS:
        put_zeros(inode, offset, choose_length(change, kind, inside, chooser, what));
        break;
    case RUBBISH:
        put_rubbish(inode, offset, choose_length(change, kind, inside, chooser, what));
        break;
    case DATA_THEN_ZEROS:
        put_zeros(inode, offset, size);
        data_apply_append(inode, change, half);
        break;
    case DATA:
        data_apply_append(inode, change, choose_length(change, kind, inside, chooser, what));
        break;
    default:
        break;
    }
}

/* --- all of a file ----------------------------------------------------------------------------*/

static void choose_truncate(struct inode *inode, const struct change *change,
                            const struct chooser *chooser, const char *what)
{
    uint64_t size = change->data.offset, now = inode->content.size;
    bool grows = size > change->data.old_size;
    if (grows ? size <= now : size >= now)
        return; /* nothing to be seen of it */
    unsigned count = data_tail(inode, change) > 0 ? 3 : 2;
    unsigned answer = chooser->choose(chooser->context, count, what);
    if (answer == count - 1)
        data_apply_truncate(inode, change);
    else if (answer == 1)
        data_apply_tail(inode, change);
}

void data_choose(struct inode *inode, const struct chooser *chooser)
{
    char what[LABEL_MAX + 64];
    if (!inode->data.first)
        return;
    crash_rewind_data(inode);
    for (struct change *change = inode->data.first; change; change = change->own_next) {
        change_describe(change, what, sizeof what);
        if (change->sure) {
            data_apply(inode, change);
        } else if (change->kind == CHANGE_TRUNCATE) {
            choose_truncate(inode, change, chooser, what);
        } else {
            choose_overwrite(inode, change, chooser, what);
            choose_append(inode, change, chooser, what);
        }
        /* The content may be nobody else's now, and then takes what follows without a copy. */
        bytes_release(change->data.fresh_bytes);
        change->data.fresh = change->data.fresh_bytes = NULL;
    }
}

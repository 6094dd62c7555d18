/* SPDX-License-Identifier: ISC */
/* The bytes of files. */
#include "sim/kernel/vfs_internal.h"

#include <stddef.h>
#include <string.h>

/* --- bytes ------------------------------------------------------------------------------------*/

/* Stands before them. */
struct bytes {
    size_t shares;
    char start[];
};

static struct bytes *bytes_of(char *start)
{
    return (struct bytes *) (void *) (start - offsetof(struct bytes, start));
}

char *bytes_new(size_t size)
{
    struct bytes *bytes = vfs_reallocate(NULL, sizeof *bytes + size);
    bytes->shares = 1;
    return bytes->start;
}

char *bytes_share(char *bytes)
{
    if (bytes)
        bytes_of(bytes)->shares++;
    return bytes;
}

void bytes_release(char *bytes)
{
    if (bytes && --bytes_of(bytes)->shares == 0)
        free(bytes_of(bytes));
}

bool bytes_are_zeros(const char *bytes, size_t size)
{
    return size == 0 || (!*bytes && memcmp(bytes, bytes + 1, size - 1) == 0);
}

/* --- content: bytes alone, without accounts ---------------------------------------------------*/

static void copy_bytes(struct content *content, size_t capacity)
{
    char *bytes = bytes_new(capacity);
    if (content->bytes && content->held)
        memcpy(bytes, content->bytes, content->held);
    bytes_release(content->bytes);
    content->bytes = bytes;
    content->capacity = capacity;
}

void content_own(struct content *content)
{
    if (content->bytes && bytes_of(content->bytes)->shares > 1)
        copy_bytes(content, content->capacity);
}

/* Owned, and with room for `size` bytes. */
static void content_reserve(struct content *content, size_t size)
{
    if (size <= content->capacity) {
        content_own(content);
        return;
    }
    size_t capacity = content->capacity ? 2 * content->capacity : 64;
    if (capacity < size)
        capacity = size;
    copy_bytes(content, capacity);
}

void content_put(struct content *content, uint64_t offset, const void *from, size_t size)
{
    uint64_t end = offset + size;
    /* What was cut off may be put back where it still is. */
    if (!content->bytes || from != content->bytes + offset || offset > content->held) {
        content_reserve(content, end);
        assert(content->bytes || end == 0);
        if (content->bytes && offset > content->held)
            memset(content->bytes + content->held, 0, offset - content->held);
        if (content->bytes && size > 0)
            memcpy(content->bytes + offset, from, size);
    }
    if (end > content->held)
        content->held = end;
    if (end > content->size)
        content->size = end;
}

void content_cut(struct content *content, uint64_t size)
{
    if (size < content->held)
        content->held = size;
    content->size = size;
    if (size == 0)
        content_free(content);
}

size_t content_get(const struct content *content, void *to, size_t size, uint64_t offset)
{
    if (offset >= content->size)
        return 0;
    if (size > content->size - offset)
        size = content->size - offset;
    size_t held = 0;
    if (offset < content->held) {
        held = content->held - offset < size ? content->held - offset : size;
        memcpy(to, content->bytes + offset, held);
    }
    memset((char *) to + held, 0, size - held);
    return size;
}

void content_free(struct content *content)
{
    bytes_release(content->bytes);
    *content = (struct content){0};
}

uint64_t content_blocks(const struct content *content)
{
    return (content->held + VFS_BLOCK - 1) / VFS_BLOCK;
}

/* --- files ------------------------------------------------------------------------------------*/

ssize_t inode_read(struct inode *inode, void *to, size_t size, uint64_t offset)
{
    if (S_ISDIR(inode->mode))
        return -EISDIR;
    if (!S_ISREG(inode->mode))
        return -EINVAL;
    return (ssize_t) content_get(&inode->content, to, size, offset);
}

/* How many of `size` bytes at `offset` the file system has room for, or -ENOSPC, -EFBIG.  Blocks
 * of a gap before the offset count too: files have no holes but at their end. */
static ssize_t room_for(const struct inode *inode, size_t size, uint64_t offset)
{
    if (offset >= VFS_HELD_MAX)
        return -EFBIG;
    if (size > VFS_HELD_MAX - offset)
        size = VFS_HELD_MAX - offset;
    const struct vfs *vfs = inode->vfs;
    uint64_t free_blocks =
        vfs->blocks_used < vfs->blocks_total ? vfs->blocks_total - vfs->blocks_used : 0;
    uint64_t has = content_blocks(&inode->content);
    uint64_t needs = (offset + size + VFS_BLOCK - 1) / VFS_BLOCK;
    if (needs <= has || needs - has <= free_blocks)
        return (ssize_t) size;
    uint64_t end = (has + free_blocks) * VFS_BLOCK;
    return end > offset ? (ssize_t) (end - offset) : -ENOSPC;
}

static void data_changed(struct inode *inode, size_t held_before, bool size_too)
{
    inode_account(inode, held_before);
    inode->content_hash_valid = false;
    inode_changed(inode, size_too ? PART_SIZE : PART_BYTES);
    inode->mtime_ns = inode->ctime_ns;
    inode_tell(inode, VFS_WRITE);
}

ssize_t inode_write(struct inode *inode, const void *from, size_t size, uint64_t offset)
{
    if (S_ISDIR(inode->mode))
        return -EISDIR;
    if (!S_ISREG(inode->mode))
        return -EINVAL;
    if (size == 0)
        return 0;
    ssize_t room = room_for(inode, size, offset);
    if (room < 0)
        return room;
    size = (size_t) room;
    vfs_operation(inode->vfs);
    size_t held = inode->content.held;
    bool grows = offset + size > inode->content.size;
    change_log_write(inode, offset, size);
    content_put(&inode->content, offset, from, size);
    data_changed(inode, held, grows);
    return room;
}

int inode_truncate(struct inode *inode, uint64_t size)
{
    if (S_ISDIR(inode->mode))
        return -EISDIR;
    if (!S_ISREG(inode->mode))
        return -EINVAL;
    if (size > VFS_FILE_MAX)
        return -EFBIG;
    struct vfs *vfs = inode->vfs;
    vfs_operation(vfs);
    size_t held = inode->content.held;
    bool changes = size != inode->content.size;
    if (changes)
        change_log_truncate(inode, size);
    content_cut(&inode->content, size);
    data_changed(inode, held, changes);
    inode->flush_on_close |= size == 0;
    if (changes && vfs->options.model->truncated)
        vfs->options.model->truncated(inode);
    return 0;
}

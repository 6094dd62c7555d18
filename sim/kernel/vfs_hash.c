/* SPDX-License-Identifier: ISC */
/*
 * Hashes: of names (for directory tables) and of the whole visible tree.  The hash of the tree is a
 * sum over all entries, so it does not depend on the order in which they are met.
 */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "sim/kernel/vfs_internal.h"

uint64_t vfs_hash_bytes(const void *bytes, size_t size, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes, size, seed);
}

static uint64_t content_hash(struct inode *inode)
{
    if (inode->content_hash_valid)
        return inode->content_hash;
    const struct content *content = &inode->content;
    size_t held = content->held; /* zeros at the end count the same, held or not */
    while (held > 0 && content->bytes[held - 1] == 0)
        held--;
    inode->content_hash = vfs_hash_bytes(held ? content->bytes : "", held, content->size);
    inode->content_hash_valid = true;
    return inode->content_hash;
}

static uint64_t inode_hash(struct inode *inode, uint64_t path)
{
    uint64_t parts[4] = {path, inode->mode, (uint64_t) inode->uid << 32 | inode->gid,
                         S_ISREG(inode->mode) || S_ISLNK(inode->mode) ? content_hash(inode) : 0};
    return vfs_hash_bytes(parts, sizeof parts, 0);
}

/* Adds up the entries below a directory.  The `scratch` of an inode with several names becomes the
 * sum of its paths. */
static uint64_t tree_hash(struct inode *directory, uint64_t path)
{
    uint64_t sum = 0;
    for (struct slot *slot = directory_first(directory); slot; slot = directory_next(slot)) {
        struct inode *inode = slot->live;
        if (!inode)
            continue;
        uint64_t below = vfs_hash_bytes(slot->name, slot->length, path);
        sum += inode_hash(inode, below);
        if (S_ISDIR(inode->mode))
            sum += tree_hash(inode, below);
        else if (inode->links > 1)
            inode->scratch += below;
    }
    return sum;
}

/* What names share an inode. */
static uint64_t shared_hash(struct inode *directory)
{
    uint64_t sum = 0;
    for (struct slot *slot = directory_first(directory); slot; slot = directory_next(slot)) {
        struct inode *inode = slot->live;
        if (inode && S_ISDIR(inode->mode))
            sum += shared_hash(inode);
        if (!inode || !inode->scratch)
            continue;
        sum += vfs_hash_bytes(&inode->scratch, sizeof inode->scratch, inode->links);
        inode->scratch = 0;
    }
    return sum;
}

uint64_t vfs_hash(const struct vfs *vfs)
{
    uint64_t parts[3];
    parts[0] = inode_hash(vfs->root, 1);
    parts[1] = tree_hash(vfs->root, 1);
    parts[2] = shared_hash(vfs->root);
    return vfs_hash_bytes(parts, sizeof parts, 0);
}

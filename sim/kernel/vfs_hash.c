/* SPDX-License-Identifier: ISC */
/*
 * Hashes: of names (for directory tables) and of the whole visible tree.  The hash of the tree is a
 * sum over all entries, so it does not depend on the order in which they are met.
 */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "sim/kernel/vfs_internal.h"

#include <string.h>

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
    while (held >= VFS_BLOCK && bytes_are_zeros(content->bytes + held - VFS_BLOCK, VFS_BLOCK))
        held -= VFS_BLOCK;
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

/* What of the tree does not count. */
struct blind {
    uint64_t left_out;           /* a path: what is there and below */
    const char *const *nameless; /* names of directories in which names do not count */
    bool is_in_nameless;
};

static bool is_nameless(const struct blind *blind, const struct slot *slot)
{
    for (const char *const *name = blind->nameless; name && *name; name++)
        if (strlen(*name) == slot->length && memcmp(*name, slot->name, slot->length) == 0)
            return true;
    return false;
}

/* Adds up the entries below a directory.  The `scratch` of an inode with several names becomes the
 * sum of its paths. */
static uint64_t tree_hash(struct inode *directory, uint64_t path, const struct blind *blind)
{
    uint64_t sum = 0;
    for (struct slot *slot = directory_first(directory); slot; slot = directory_next(slot)) {
        struct inode *inode = slot->live;
        if (!inode)
            continue;
        uint64_t below = blind->is_in_nameless ? vfs_hash_bytes("", 0, path)
                                               : vfs_hash_bytes(slot->name, slot->length, path);
        if (below == blind->left_out)
            continue;
        sum += inode_hash(inode, below);
        if (S_ISDIR(inode->mode)) {
            struct blind inner = *blind;
            inner.is_in_nameless = is_nameless(blind, slot);
            sum += tree_hash(inode, below, &inner);
        } else if (inode->links > 1) {
            inode->scratch += below;
        }
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

#define ROOT_PATH 1
#define NO_PATH 0

static uint64_t whole_hash(const struct vfs *vfs, const struct blind *blind)
{
    uint64_t parts[3];
    parts[0] = inode_hash(vfs->root, ROOT_PATH);
    parts[1] = tree_hash(vfs->root, ROOT_PATH, blind);
    parts[2] = shared_hash(vfs->root);
    return vfs_hash_bytes(parts, sizeof parts, 0);
}

uint64_t vfs_hash(const struct vfs *vfs)
{
    return whole_hash(vfs, &(struct blind){.left_out = NO_PATH});
}

uint64_t vfs_hash_but(const struct vfs *vfs, const char *path, const char *const *nameless)
{
    struct blind blind = {.left_out = ROOT_PATH, .nameless = nameless};
    while (*path) {
        size_t length = strcspn(path, "/");
        if (length)
            blind.left_out = vfs_hash_bytes(path, length, blind.left_out);
        path += length + (path[length] == '/');
    }
    return whole_hash(vfs, &blind);
}

/* SPDX-License-Identifier: ISC */
/* From paths to inodes: path_resolution(7). */
#include "sim/kernel/vfs_internal.h"

#include <string.h>

static int walk(struct vfs *vfs, const struct cred *cred, struct inode *start, const char *path,
                bool follow, unsigned *symlinks, struct inode **inode);

/* "", too long, or 0 */
static int check_path(const char *path)
{
    if (!*path)
        return -ENOENT;
    return strnlen(path, VFS_PATH_MAX) == VFS_PATH_MAX ? -ENAMETOOLONG : 0;
}

static enum last_type type_of(const char *name, size_t length)
{
    if (length == 1 && name[0] == '.')
        return LAST_DOT;
    if (length == 2 && name[0] == '.' && name[1] == '.')
        return LAST_DOTDOT;
    return LAST_NORMAL;
}

int place_find(const struct place *place, const struct cred *cred, struct inode **inode)
{
    *inode = NULL;
    switch (place->type) {
    case LAST_ROOT:
    case LAST_DOT:
        *inode = place->directory;
        return 0;
    case LAST_DOTDOT:
        *inode = place->directory->parent;
        return 0;
    case LAST_NORMAL:
        break;
    }
    (void) cred;                      /* the search permission was checked with the place */
    if (place->directory->links == 0) /* removed */
        return -ENOENT;
    if (place->length > VFS_NAME_MAX)
        return -ENAMETOOLONG;
    struct slot *slot = slot_find(place->directory, place->name, place->length);
    *inode = slot ? slot->live : NULL;
    return 0;
}

/* Up to the next slash. */
static size_t name_length(const char *path)
{
    const char *end = path;
    while (*end && *end != '/')
        end++;
    return (size_t) (end - path);
}

/* The directory that a component in the middle of a path names. */
static int enter(struct vfs *vfs, const struct cred *cred, struct place *place)
{
    struct inode *inode;
    int error = place_find(place, cred, &inode);
    if (error)
        return error;
    if (!inode)
        return -ENOENT;
    if (S_ISLNK(inode->mode)) {
        if (++place->symlinks > VFS_SYMLINKS_MAX)
            return -ELOOP;
        error =
            walk(vfs, cred, place->directory, inode->content.bytes, true, &place->symlinks, &inode);
        if (error)
            return error;
    }
    if (!S_ISDIR(inode->mode))
        return -ENOTDIR;
    place->directory = inode;
    return 0;
}

/* As path_parent, for a path whose length is known to be in bounds. */
static int parent_of(struct vfs *vfs, const struct cred *cred, struct inode *start,
                     const char *path, struct place *place)
{
    place->directory = *path == '/' ? vfs->root : start;
    place->type = LAST_ROOT;
    place->name = path;
    place->length = 0;
    place->slash = false;
    while (*path == '/')
        path++;
    while (*path) {
        int error = inode_check_permission(place->directory, cred, 1);
        if (error)
            return error;
        place->name = path;
        place->length = name_length(path);
        place->type = type_of(path, place->length);
        path += place->length;
        place->slash = *path == '/';
        while (*path == '/')
            path++;
        if (!*path)
            return 0;
        error = enter(vfs, cred, place);
        if (error)
            return error;
    }
    return 0;
}

int path_parent(struct vfs *vfs, const struct cred *cred, struct inode *start, const char *path,
                struct place *place)
{
    place->symlinks = 0;
    int error = check_path(path);
    return error ? error : parent_of(vfs, cred, start, path, place);
}

int place_follow(struct vfs *vfs, const struct cred *cred, const struct inode *link,
                 struct place *place)
{
    if (++place->symlinks > VFS_SYMLINKS_MAX)
        return -ELOOP;
    bool slash = place->slash;
    int error = parent_of(vfs, cred, place->directory, link->content.bytes, place);
    place->slash |= slash;
    return error;
}

/* The whole path.  *symlinks counts on. */
static int walk(struct vfs *vfs, const struct cred *cred, struct inode *start, const char *path,
                bool follow, unsigned *symlinks, struct inode **inode)
{
    struct place place = {.symlinks = *symlinks};
    int error = parent_of(vfs, cred, start, path, &place);
    if (!error)
        error = place_find(&place, cred, inode);
    while (!error && *inode && S_ISLNK((*inode)->mode) && (follow || place.slash)) {
        error = place_follow(vfs, cred, *inode, &place);
        if (!error)
            error = place_find(&place, cred, inode);
    }
    *symlinks = place.symlinks;
    if (error)
        return error;
    if (!*inode)
        return -ENOENT;
    return place.slash && !S_ISDIR((*inode)->mode) ? -ENOTDIR : 0;
}

int vfs_lookup(struct vfs *vfs, const struct cred *cred, struct inode *cwd, const char *path,
               bool follow, struct inode **inode)
{
    unsigned symlinks = 0;
    struct inode *found = NULL;
    *inode = NULL;
    int error = check_path(path);
    if (!error)
        error = walk(vfs, cred, cwd, path, follow, &symlinks, &found);
    if (error)
        return error;
    inode_ref(found);
    *inode = found;
    return 0;
}

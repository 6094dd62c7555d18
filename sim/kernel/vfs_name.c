/* SPDX-License-Identifier: ISC */
/* The calls that make, change and remove names.  Errors come in the order of Linux' fs/namei.c. */
#include "sim/kernel/vfs_internal.h"

#include <fcntl.h>
#include <string.h>

/* May a name be made or removed in this directory? */
static int check_directory_write(const struct inode *directory, const struct cred *cred)
{
    return inode_check_permission(directory, cred, 2 | 1);
}

static int check_create(const struct inode *directory, const struct cred *cred)
{
    if (directory->links == 0)
        return -ENOENT;
    return check_directory_write(directory, cred);
}

/* Sticky directories: only the owner of the file or of the directory removes or renames. */
static bool sticky_forbids(const struct inode *directory, const struct inode *victim,
                           const struct cred *cred)
{
    return (directory->mode & S_ISVTX) && cred->uid != 0 && cred->uid != victim->uid &&
           cred->uid != directory->uid;
}

static int check_delete(const struct inode *directory, const struct inode *victim,
                        const struct cred *cred, bool is_directory)
{
    int error = check_directory_write(directory, cred);
    if (error)
        return error;
    if (sticky_forbids(directory, victim, cred))
        return -EPERM;
    if (is_directory && !S_ISDIR(victim->mode))
        return -ENOTDIR;
    if (is_directory && victim == victim->vfs->root)
        return -EBUSY;
    if (!is_directory && S_ISDIR(victim->mode))
        return -EISDIR;
    return directory->links == 0 ? -ENOENT : 0;
}

/* A place for a new name; nothing must be there. */
static int new_place(struct vfs *vfs, const struct cred *cred, struct inode *cwd, const char *path,
                     bool is_directory, struct place *place)
{
    int error = path_parent(vfs, cred, cwd, path, place);
    if (error)
        return error;
    if (place->type != LAST_NORMAL)
        return -EEXIST;
    struct inode *there;
    error = place_find(place, cred, &there);
    if (error)
        return error;
    if (there)
        return -EEXIST;
    return place->slash && !is_directory ? -ENOENT : 0;
}

static struct slot *place_slot(const struct place *place)
{
    return slot_find_or_add(place->directory, place->name, place->length);
}

/* A new inode with its first name, in a directory where the caller may write. */
static int create_at(const struct place *place, const struct cred *cred, mode_t mode,
                     struct inode **inode)
{
    struct inode *directory = place->directory;
    struct vfs *vfs = directory->vfs;
    vfs_operation(vfs);
    *inode = inode_create(vfs, mode, cred->uid, cred->gid);
    if (!*inode)
        return -ENOSPC;
    slot_assign(place_slot(place), *inode);
    return 0;
}

/* --- open -------------------------------------------------------------------------------------*/

static int wanted_access(int flags)
{
    int mode = flags & O_ACCMODE;
    int want = mode == O_RDONLY ? 4 : mode == O_WRONLY ? 2 : 6;
    return flags & O_TRUNC ? want | 2 : want;
}

/* The checks and the truncation for something that exists. */
static int open_existing(struct inode *inode, const struct cred *cred, int flags, bool slash)
{
    if (flags & O_CREAT) {
        if (flags & O_EXCL)
            return -EEXIST;
        if (S_ISDIR(inode->mode))
            return -EISDIR;
    }
    if (((flags & O_DIRECTORY) || slash) && !S_ISDIR(inode->mode))
        return -ENOTDIR;
    if (S_ISLNK(inode->mode))
        return -ELOOP;
    if (S_ISDIR(inode->mode) && (wanted_access(flags) & 2))
        return -EISDIR;
    int error = inode_check_permission(inode, cred, wanted_access(flags));
    if (error)
        return error;
    if ((flags & O_TRUNC) && S_ISREG(inode->mode)) {
        error = inode_truncate(inode, 0);
        if (!error && cred->uid != 0)
            inode_clear_setuid(inode);
    }
    return error;
}

static int open_missing(const struct place *place, const struct cred *cred, int flags, mode_t mode,
                        struct inode **inode)
{
    if (!(flags & O_CREAT))
        return -ENOENT;
    int error = check_create(place->directory, cred);
    if (error)
        return error;
    error = create_at(place, cred, S_IFREG | (mode & 07777), inode);
    if (error)
        return error;
    inode_tell(*inode, VFS_CREATE);
    return 0;
}

int vfs_open(struct vfs *vfs, const struct cred *cred, struct inode *cwd, const char *path,
             int flags, mode_t mode, struct inode **inode)
{
    *inode = NULL;
    if ((flags & O_CREAT) && (flags & O_DIRECTORY))
        return -EINVAL;
    struct place place;
    int error = path_parent(vfs, cred, cwd, path, &place);
    bool follow = !(flags & O_NOFOLLOW) && !((flags & O_CREAT) && (flags & O_EXCL));
    struct inode *found = NULL;
    while (!error) {
        if ((flags & O_CREAT) && place.type == LAST_NORMAL && place.slash)
            return -EISDIR;
        error = place_find(&place, cred, &found);
        if (error)
            return error;
        if (!found || !S_ISLNK(found->mode) || !(follow || place.slash))
            break;
        error = place_follow(vfs, cred, found, &place);
    }
    if (!error)
        error = found ? open_existing(found, cred, flags, place.slash)
                      : open_missing(&place, cred, flags, mode, &found);
    if (error)
        return error;
    inode_ref(found);
    *inode = found;
    return 0;
}

/* --- new names --------------------------------------------------------------------------------*/

/* A new inode that is not a regular file; its content, if a symbolic link, is put before others
 * can see it. */
static int make_node(struct vfs *vfs, const struct cred *cred, struct inode *cwd, const char *path,
                     mode_t mode, const char *target, struct inode **inode)
{
    struct place place;
    int error = new_place(vfs, cred, cwd, path, S_ISDIR(mode), &place);
    if (!error)
        error = check_create(place.directory, cred);
    if (!error)
        error = create_at(&place, cred, mode, inode);
    if (error)
        return error;
    if (target) /* with its NUL, that paths are walked by; short ones take no block */
        content_put(&(*inode)->content, 0, target, strlen(target) + 1);
    inode_tell(*inode, VFS_CREATE);
    return 0;
}

int vfs_mknod(struct vfs *vfs, const struct cred *cred, struct inode *cwd, const char *path,
              mode_t mode, struct inode **inode)
{
    struct inode *made = NULL;
    if (inode)
        *inode = NULL;
    if (!S_ISFIFO(mode) && !S_ISSOCK(mode))
        return -EPERM;
    int error = make_node(vfs, cred, cwd, path, mode & (S_IFMT | 07777), NULL, &made);
    if (!error && inode) {
        inode_ref(made);
        *inode = made;
    }
    return error;
}

int vfs_mkdir(struct vfs *vfs, const struct cred *cred, struct inode *cwd, const char *path,
              mode_t mode)
{
    struct inode *made;
    return make_node(vfs, cred, cwd, path, S_IFDIR | (mode & 01777), NULL, &made);
}

int vfs_symlink(struct vfs *vfs, const struct cred *cred, struct inode *cwd, const char *target,
                const char *path)
{
    struct inode *made;
    if (!*target)
        return -ENOENT;
    if (strnlen(target, VFS_PATH_MAX) == VFS_PATH_MAX)
        return -ENAMETOOLONG;
    return make_node(vfs, cred, cwd, path, S_IFLNK | 0777, target, &made);
}

ssize_t vfs_readlink(struct vfs *vfs, const struct cred *cred, struct inode *cwd, const char *path,
                     char *to, size_t size)
{
    if (size == 0)
        return -EINVAL;
    struct inode *inode;
    int error = vfs_lookup(vfs, cred, cwd, path, false, &inode);
    if (error)
        return error;
    ssize_t result = -EINVAL;
    if (S_ISLNK(inode->mode)) {
        size_t length = strlen(inode->content.bytes);
        result = (ssize_t) (length < size ? length : size);
        memcpy(to, inode->content.bytes, (size_t) result);
    }
    inode_unref(inode);
    return result;
}

/* fs.protected_hardlinks = 1, as Debian sets it: no links to what one could not write anyway. */
static bool may_link(const struct inode *inode, const struct cred *cred)
{
    if (cred->uid == 0 || cred->uid == inode->uid)
        return true;
    bool group_setid = (inode->mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP);
    return S_ISREG(inode->mode) && !(inode->mode & S_ISUID) && !group_setid &&
           inode_permits(inode, cred, 4 | 2);
}

int vfs_link(struct vfs *vfs, const struct cred *cred, struct inode *cwd, const char *old_path,
             const char *new_path)
{
    struct inode *inode;
    int error = vfs_lookup(vfs, cred, cwd, old_path, false, &inode);
    if (error)
        return error;
    struct place place;
    error = new_place(vfs, cred, cwd, new_path, false, &place);
    if (!error && !may_link(inode, cred))
        error = -EPERM;
    if (!error)
        error = check_create(place.directory, cred);
    if (!error && S_ISDIR(inode->mode))
        error = -EPERM;
    if (!error && inode->links == 0)
        error = -ENOENT;
    if (!error && inode->links >= VFS_LINK_MAX)
        error = -EMLINK;
    if (!error) {
        vfs_operation(vfs);
        struct slot *from = inode->names, *slot = place_slot(&place);
        slot_assign(slot, inode);
        slot_tell(slot, from, VFS_LINK);
    }
    inode_unref(inode);
    return error;
}

/* --- removal ----------------------------------------------------------------------------------*/

/* Takes the name away and tells; the path is told as it was. */
static void remove_name(struct slot *slot)
{
    struct vfs *vfs = slot->directory->vfs;
    char path[LABEL_MAX];
    const char *told = vfs->observer ? slot_path(slot, path, sizeof path) : NULL;
    vfs_operation(vfs);
    slot_assign(slot, NULL);
    if (told)
        vfs->observer(vfs->observer_context, VFS_UNLINK, told, NULL);
}

int vfs_unlink(struct vfs *vfs, const struct cred *cred, struct inode *cwd, const char *path)
{
    struct place place;
    int error = path_parent(vfs, cred, cwd, path, &place);
    if (error)
        return error;
    if (place.type != LAST_NORMAL)
        return -EISDIR;
    struct inode *victim;
    error = place_find(&place, cred, &victim);
    if (error)
        return error;
    if (!victim)
        return -ENOENT;
    if (place.slash)
        return S_ISDIR(victim->mode) ? -EISDIR : -ENOTDIR;
    error = check_delete(place.directory, victim, cred, false);
    if (!error)
        remove_name(place_slot(&place));
    return error;
}

int vfs_rmdir(struct vfs *vfs, const struct cred *cred, struct inode *cwd, const char *path)
{
    struct place place;
    int error = path_parent(vfs, cred, cwd, path, &place);
    if (error)
        return error;
    switch (place.type) {
    case LAST_DOTDOT:
        return -ENOTEMPTY;
    case LAST_DOT:
        return -EINVAL;
    case LAST_ROOT:
        return -EBUSY;
    case LAST_NORMAL:
        break;
    }
    struct inode *victim;
    error = place_find(&place, cred, &victim);
    if (error)
        return error;
    if (!victim)
        return -ENOENT;
    error = check_delete(place.directory, victim, cred, true);
    if (!error && victim->entries > 0)
        error = -ENOTEMPTY;
    if (!error)
        remove_name(place_slot(&place));
    return error;
}

/* --- rename -----------------------------------------------------------------------------------*/

static bool is_below(const struct inode *inode, const struct inode *above)
{
    for (; inode != inode->vfs->root; inode = inode->parent)
        if (inode == above)
            return true;
    return inode == above;
}

/* Everything that forbids to rename `source` to a name where `target` (or NULL) is. */
static int check_rename(const struct place *from, const struct place *to,
                        const struct inode *source, const struct inode *target,
                        const struct cred *cred)
{
    bool is_directory = S_ISDIR(source->mode);
    if (!is_directory && (from->slash || to->slash))
        return -ENOTDIR;
    if (is_directory && from->directory != to->directory && is_below(to->directory, source))
        return -EINVAL;
    if (target && S_ISDIR(target->mode) && from->directory != to->directory &&
        is_below(from->directory, target))
        return -ENOTEMPTY;
    if (source == target)
        return 0;
    int error = check_delete(from->directory, source, cred, is_directory);
    if (!error)
        error = target ? check_delete(to->directory, target, cred, is_directory)
                       : check_create(to->directory, cred);
    if (!error && is_directory && from->directory != to->directory)
        error = inode_check_permission(source, cred, 2);
    if (!error && target && target->entries > 0)
        error = -ENOTEMPTY;
    return error;
}

static void rename_do(const struct place *from, const struct place *to, struct inode *source,
                      bool replaces)
{
    struct vfs *vfs = source->vfs;
    char new_path[LABEL_MAX], old_path[LABEL_MAX];
    vfs_operation(vfs);
    if (replaces && vfs->options.model->replaces)
        vfs->options.model->replaces(source);
    struct slot *old = place_slot(from), *new = place_slot(to);
    const char *told_old = vfs->observer ? slot_path(old, old_path, sizeof old_path) : NULL;
    slot_assign(new, source);
    slot_assign(old, NULL);
    if (vfs->observer)
        vfs->observer(vfs->observer_context, VFS_RENAME, slot_path(new, new_path, sizeof new_path),
                      told_old);
}

int vfs_rename(struct vfs *vfs, const struct cred *cred, struct inode *cwd, const char *old_path,
               const char *new_path)
{
    struct place from, to;
    int error = path_parent(vfs, cred, cwd, old_path, &from);
    if (!error)
        error = path_parent(vfs, cred, cwd, new_path, &to);
    if (error)
        return error;
    if (from.type != LAST_NORMAL || to.type != LAST_NORMAL)
        return -EBUSY;
    struct inode *source, *target;
    error = place_find(&from, cred, &source);
    if (error)
        return error;
    if (!source)
        return -ENOENT;
    error = place_find(&to, cred, &target);
    if (!error)
        error = check_rename(&from, &to, source, target, cred);
    if (!error && source != target)
        rename_do(&from, &to, source, target != NULL);
    return error;
}

/* SPDX-License-Identifier: ISC */
#include "tests/powercut/tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct cred root_cred = {0};

static struct tree_entry *add(struct tree *tree, const char *path, mode_t mode, uint64_t inode)
{
    if (tree->count % 8 == 0)
        tree->entries = realloc(tree->entries, (tree->count + 8) * sizeof *tree->entries);
    struct tree_entry *entry = &tree->entries[tree->count++];
    *entry = (struct tree_entry){.mode = mode, .inode = inode};
    snprintf(entry->path, sizeof entry->path, "%s", path);
    return entry;
}

/* Cut short if it does not fit, as no path of a test is. */
static void join(char *to, size_t size, const char *path, const char *name, const char *end)
{
    if (snprintf(to, size, "%s%s%s", path, name, end) >= (int) size)
        to[size - 1] = '\0';
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct tree_entry *) a)->path, ((const struct tree_entry *) b)->path);
}

static void put_in_order(struct tree *tree)
{
    qsort(tree->entries, tree->count, sizeof *tree->entries, by_path);
}

/* --- a real one -------------------------------------------------------------------------------*/

static int read_file(struct tree_entry *entry, int folder, const char *name, size_t size)
{
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -1;
    entry->bytes = malloc(size + 1);
    ssize_t got = read(fd, entry->bytes, size);
    close(fd);
    if (got < 0)
        return -1;
    entry->size = (size_t) got;
    return 0;
}

static int read_folder(struct tree *tree, int fd, const char *path);

static int read_entry(struct tree *tree, int folder, const char *path, const char *name)
{
    char below[100];
    struct stat stat;
    join(below, sizeof below, path, name, "");
    if (fstatat(folder, name, &stat, AT_SYMLINK_NOFOLLOW) != 0)
        return -1;
    struct tree_entry *entry = add(tree, below, stat.st_mode, stat.st_ino);
    if (S_ISREG(stat.st_mode))
        return read_file(entry, folder, name, (size_t) stat.st_size);
    if (!S_ISDIR(stat.st_mode))
        return 0;
    join(below, sizeof below, path, name, "/");
    return read_folder(tree, openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC), below);
}

/* Closes it. */
static int read_folder(struct tree *tree, int fd, const char *path)
{
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    int result = folder ? 0 : -1;
    for (const struct dirent *entry; result == 0 && (entry = readdir(folder));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            (*path || strcmp(entry->d_name, "lost+found") != 0))
            result = read_entry(tree, fd, path, entry->d_name);
    if (folder)
        closedir(folder);
    return result;
}

int tree_of_folder(struct tree *tree, const char *folder)
{
    *tree = (struct tree){0};
    int result = read_folder(tree, open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), "");
    put_in_order(tree);
    return result;
}

/* --- a simulated one --------------------------------------------------------------------------*/

static int simulated_folder(struct tree *tree, struct inode *folder, const char *path)
{
    struct vfs_cursor cursor = {0};
    struct vfs_entry found;
    int result = 0;
    while (result == 0 && vfs_readdir(folder, &cursor, &found) == 1) {
        char below[100];
        struct inode *inode;
        if (strcmp(found.name, ".") == 0 || strcmp(found.name, "..") == 0)
            continue;
        join(below, sizeof below, path, found.name, "");
        if (vfs_lookup(inode_vfs(folder), &root_cred, folder, found.name, false, &inode) != 0)
            abort();
        struct tree_entry *entry = add(tree, below, inode_mode(inode), inode_number(inode));
        if (S_ISREG(entry->mode)) {
            entry->size = inode_size(inode);
            entry->bytes = malloc(entry->size + 1);
            inode_read(inode, entry->bytes, entry->size, 0);
        } else if (S_ISDIR(entry->mode)) {
            join(below, sizeof below, path, found.name, "/");
            result = simulated_folder(tree, inode, below);
        }
        inode_unref(inode);
    }
    vfs_cursor_close(&cursor);
    return result;
}

int tree_of_vfs(struct tree *tree, struct vfs *vfs)
{
    *tree = (struct tree){0};
    int result = simulated_folder(tree, vfs_root(vfs), "");
    put_in_order(tree);
    return result;
}

/* --- both -------------------------------------------------------------------------------------*/

void tree_free(struct tree *tree)
{
    for (size_t i = 0; i < tree->count; i++)
        free(tree->entries[i].bytes);
    free(tree->entries);
    *tree = (struct tree){0};
}

/* Index of the first name of the same file. */
static size_t first_name(const struct tree *tree, size_t i)
{
    size_t first = 0;
    while (tree->entries[first].inode != tree->entries[i].inode)
        first++;
    return first;
}

static bool same_bytes(const struct tree_entry *found, const struct tree_entry *allowed)
{
    if (found->size != allowed->size)
        return false;
    for (size_t i = 0; i < found->size; i++)
        if (found->bytes[i] != allowed->bytes[i] && !(allowed->bytes[i] & 0x80))
            return false;
    return true;
}

bool tree_matches(const struct tree *found, const struct tree *allowed)
{
    if (found->count != allowed->count)
        return false;
    for (size_t i = 0; i < found->count; i++) {
        const struct tree_entry *a = &found->entries[i], *b = &allowed->entries[i];
        if (a->mode != b->mode || strcmp(a->path, b->path) != 0 ||
            first_name(found, i) != first_name(allowed, i))
            return false;
        if (S_ISREG(a->mode) && !same_bytes(a, b))
            return false;
    }
    return true;
}

static size_t tell_bytes(const struct tree_entry *entry, char *to, size_t room)
{
    size_t used = 0;
    for (size_t i = 0, run; i < entry->size && used + 40 < room; i += run) {
        unsigned char byte = entry->bytes[i];
        char shown = byte == 0 ? '.' : byte < ' ' || byte >= 0x7f ? '?' : (char) byte;
        for (run = 1; i + run < entry->size; run++) {
            unsigned char next = entry->bytes[i + run];
            if (next != byte && (next < 0x80 || byte < 0x80))
                break;
        }
        if (run > 8)
            used += (size_t) snprintf(to + used, room - used, "%c*%zu", shown, run);
        else
            for (size_t k = 0; k < run; k++)
                to[used++] = shown;
    }
    to[used] = '\0';
    return used;
}

void tree_tell(const struct tree *tree, char to[TREE_TEXT])
{
    size_t used = 0;
    *to = '\0';
    for (size_t i = 0; i < tree->count && used + 300 < TREE_TEXT; i++) {
        const struct tree_entry *entry = &tree->entries[i];
        mode_t mode = entry->mode & 07777;
        used += (size_t) snprintf(to + used, TREE_TEXT - used, "%s%s", i ? " " : "", entry->path);
        if (mode != 0755 && mode != 0644)
            used += (size_t) snprintf(to + used, TREE_TEXT - used, "(%o)", mode);
        if (S_ISDIR(entry->mode))
            used += (size_t) snprintf(to + used, TREE_TEXT - used, "/");
        else if (first_name(tree, i) < i)
            used += (size_t) snprintf(to + used, TREE_TEXT - used, "==%s",
                                      tree->entries[first_name(tree, i)].path);
        else if (S_ISREG(entry->mode)) {
            to[used++] = '=';
            used += tell_bytes(entry, to + used, TREE_TEXT - used - 200);
        }
    }
}

/* SPDX-License-Identifier: ISC */
/* Directories: tables of names, reading them, and paths for people. */
#include "sim/kernel/vfs_internal.h"

#include <dirent.h>
#include <string.h>

#define BITS_MIN 3

static size_t bucket_of(const struct slot_table *table, uint64_t hash)
{
    return (size_t) (hash >> (64 - table->bits));
}

/* Order of a directory: by hash, then name. */
static int compare(const struct slot *slot, uint64_t hash, const char *name, size_t length)
{
    if (slot->hash != hash)
        return slot->hash < hash ? -1 : 1;
    size_t shorter = slot->length < length ? slot->length : length;
    int order = memcmp(slot->name, name, shorter);
    return order ? order : (slot->length > length) - (slot->length < length);
}

static void table_resize(struct slot_table *table, unsigned bits)
{
    struct slot_table old = *table;
    table->bits = bits;
    table->buckets = vfs_take_zeroed(table_size(bits));
    if (!old.buckets)
        return;
    /* From the last to the first, put in front: chains stay sorted. */
    struct slot *reversed = NULL;
    for (size_t i = 0; i < (size_t) 1 << old.bits; i++)
        for (struct slot *slot = old.buckets[i], *next; slot; slot = next) {
            next = slot->next;
            slot->next = reversed;
            reversed = slot;
        }
    while (reversed) {
        struct slot *slot = reversed;
        reversed = slot->next;
        struct slot **bucket = &table->buckets[bucket_of(table, slot->hash)];
        slot->next = *bucket;
        *bucket = slot;
    }
    vfs_give(old.buckets, table_size(old.bits));
}

/* Where the slot is, or would be, linked in. */
static struct slot **slot_position(const struct inode *directory, uint64_t hash, const char *name,
                                   size_t length)
{
    struct slot **at = &directory->table.buckets[bucket_of(&directory->table, hash)];
    while (*at && compare(*at, hash, name, length) < 0)
        at = &(*at)->next;
    return at;
}

static uint64_t name_hash(const struct inode *directory, const char *name, size_t length)
{
    return vfs_hash_bytes(name, length, directory->vfs->options.seed);
}

static bool slot_is(const struct slot *slot, uint64_t hash, const char *name, size_t length)
{
    return slot && slot->hash == hash && slot->length == length &&
           memcmp(slot->name, name, length) == 0;
}

struct slot *slot_find(const struct inode *directory, const char *name, size_t length)
{
    if (!directory->table.buckets)
        return NULL;
    uint64_t hash = name_hash(directory, name, length);
    struct slot *slot = directory->table.buckets[bucket_of(&directory->table, hash)];
    while (slot && slot->hash < hash)
        slot = slot->next;
    while (slot && slot->hash == hash && !slot_is(slot, hash, name, length))
        slot = slot->next;
    return slot && slot->hash == hash ? slot : NULL;
}

struct slot *slot_find_or_add(struct inode *directory, const char *name, size_t length)
{
    struct slot_table *table = &directory->table;
    if (!table->buckets)
        table_resize(table, BITS_MIN);
    uint64_t hash = name_hash(directory, name, length);
    struct slot **at = slot_position(directory, hash, name, length);
    if (slot_is(*at, hash, name, length))
        return *at;
    if (table->slots >= (size_t) 1 << table->bits) {
        table_resize(table, table->bits + 1);
        at = slot_position(directory, hash, name, length);
    }
    struct slot *slot = vfs_take_zeroed(slot_size(length));
    slot->directory = directory;
    slot->hash = hash;
    slot->length = (unsigned short) length;
    memcpy(slot->name, name, length);
    slot->next = *at;
    *at = slot;
    table->slots++;
    return slot;
}

void slot_forget_if_empty(struct slot *slot)
{
    if (slot->live || slot->first)
        return;
    struct inode *directory = slot->directory;
    struct slot **at = slot_position(directory, slot->hash, slot->name, slot->length);
    assert(*at == slot);
    *at = slot->next;
    vfs_give(slot, slot_size(slot->length));
    struct slot_table *table = &directory->table;
    table->slots--;
    if (table->bits > BITS_MIN && table->slots < (size_t) 1 << (table->bits - 3))
        table_resize(table, table->bits - 1);
}

static void names_add(struct inode *inode, struct slot *slot)
{
    slot->name_previous = NULL;
    slot->name_next = inode->names;
    if (inode->names)
        inode->names->name_previous = slot;
    inode->names = slot;
    inode->links++;
}

static void names_remove(struct inode *inode, struct slot *slot)
{
    *(slot->name_previous ? &slot->name_previous->name_next : &inode->names) = slot->name_next;
    if (slot->name_next)
        slot->name_next->name_previous = slot->name_previous;
    slot->name_previous = slot->name_next = NULL;
    inode->links--;
}

/* A directory lost its name: whoever still stands in it can leave it by "..". */
static void directory_died(struct inode *directory)
{
    directory->parent_referenced = true;
    inode_ref(directory->parent);
}

void slot_assign(struct slot *slot, struct inode *inode)
{
    struct inode *directory = slot->directory, *old = slot->live;
    change_log_name(slot);
    if (inode) {
        directory->entries += old == NULL;
        directory->subdirectories += S_ISDIR(inode->mode) != 0;
        if (S_ISDIR(inode->mode))
            inode->parent = directory;
        inode_changed(inode, PART_REST);
    }
    slot->live = inode;
    if (old) {
        directory->entries -= inode == NULL;
        directory->subdirectories -= S_ISDIR(old->mode) != 0;
        names_remove(old, slot);
        inode_changed(old, PART_REST);
    }
    if (inode)
        names_add(inode, slot);
    inode_changed(directory, PART_REST);
    directory->mtime_ns = directory->ctime_ns;
    if (old) {
        if (S_ISDIR(old->mode) && old->links == 0 && old->references > 0)
            directory_died(old);
        inode_check(old);
    }
    slot_forget_if_empty(slot);
}

struct slot *directory_first(const struct inode *directory)
{
    if (!directory->table.slots)
        return NULL;
    for (size_t i = 0; i < (size_t) 1 << directory->table.bits; i++)
        if (directory->table.buckets[i])
            return directory->table.buckets[i];
    return NULL;
}

/* The first slot after that place in the order of the hash. */
static struct slot *slot_after(const struct inode *directory, uint64_t hash, const char *name,
                               size_t length)
{
    const struct slot_table *table = &directory->table;
    if (!table->buckets)
        return NULL;
    size_t i = bucket_of(table, hash);
    for (struct slot *slot = table->buckets[i]; slot; slot = slot->next)
        if (compare(slot, hash, name, length) > 0)
            return slot;
    for (i++; i < (size_t) 1 << table->bits; i++)
        if (table->buckets[i])
            return table->buckets[i];
    return NULL;
}

struct slot *directory_next(const struct slot *slot)
{
    return slot->next ? slot->next
                      : slot_after(slot->directory, slot->hash, slot->name, slot->length);
}

void directory_free(struct inode *directory)
{
    struct slot_table *table = &directory->table;
    if (!table->buckets)
        return;
    for (size_t i = 0; i < (size_t) 1 << table->bits; i++)
        for (struct slot *slot = table->buckets[i], *next; slot; slot = next) {
            next = slot->next;
            vfs_give(slot, slot_size(slot->length));
        }
    vfs_give(table->buckets, table_size(table->bits));
    *table = (struct slot_table){0};
}

/* --- reading ----------------------------------------------------------------------------------*/

enum cursor_stage { AT_DOT, AT_DOTDOT, AT_FIRST, AT_NEXT };

struct cursor_state {
    enum cursor_stage stage;
    uint64_t hash;
    size_t length;
    char name[VFS_NAME_MAX + 1];
};

static int tell_special(struct vfs_entry *entry, const struct inode *inode, const char *name)
{
    *entry = (struct vfs_entry){.name = name, .number = inode->number, .type = DT_DIR};
    return 1;
}

int vfs_readdir(struct inode *directory, struct vfs_cursor *cursor, struct vfs_entry *entry)
{
    if (!S_ISDIR(directory->mode))
        return -ENOTDIR;
    if (!cursor->directory) {
        inode_ref(directory);
        cursor->directory = directory;
        struct cursor_state *state = vfs_take(sizeof *state);
        state->stage = AT_DOT;
        cursor->state = state;
    }
    if (directory->links == 0)
        return -ENOENT;
    struct cursor_state *state = cursor->state;
    struct slot *slot;
    switch (state->stage) {
    case AT_DOT:
        state->stage = AT_DOTDOT;
        return tell_special(entry, directory, ".");
    case AT_DOTDOT:
        state->stage = AT_FIRST;
        return tell_special(entry, directory->parent, "..");
    case AT_FIRST:
        slot = directory_first(directory);
        break;
    default:
        slot = slot_after(directory, state->hash, state->name, state->length);
        break;
    }
    while (slot && !slot->live)
        slot = directory_next(slot);
    if (!slot)
        return 0;
    state->stage = AT_NEXT;
    state->hash = slot->hash;
    state->length = slot->length;
    memcpy(state->name, slot->name, slot->length + 1u);
    *entry = (struct vfs_entry){.name = state->name,
                                .number = slot->live->number,
                                .type = (unsigned char) IFTODT(slot->live->mode)};
    return 1;
}

void vfs_cursor_rewind(struct vfs_cursor *cursor)
{
    if (cursor->state)
        ((struct cursor_state *) cursor->state)->stage = AT_DOT;
}

void vfs_cursor_close(struct vfs_cursor *cursor)
{
    if (cursor->directory)
        inode_unref(cursor->directory);
    vfs_give(cursor->state, sizeof(struct cursor_state));
    *cursor = (struct vfs_cursor){0};
}

/* --- paths ------------------------------------------------------------------------------------*/

/* Writes name behind a slash in front of what begins at `at`; NULL if it does not fit. */
static char *put_in_front(char *start, char *at, const char *name, size_t length)
{
    if ((size_t) (at - start) < length + 1)
        return NULL;
    at -= length;
    memcpy(at, name, length);
    *--at = '/';
    return at;
}

int vfs_path_of_directory(const struct inode *directory, char *to, size_t size)
{
    const struct inode *root = directory->vfs->root;
    if (directory != root && directory->links == 0)
        return -ENOENT;
    char path[VFS_PATH_MAX + VFS_NAME_MAX];
    char *at = path + sizeof path - 1;
    *at = '\0';
    for (; directory != root; directory = directory->parent) {
        if (directory->links == 0) /* its parent was removed: cannot be */
            return -ENOENT;
        at = put_in_front(path, at, directory->names->name, directory->names->length);
        if (!at)
            return -ENAMETOOLONG;
    }
    if (!*at)
        *--at = '/';
    size_t length = strlen(at);
    if (length + 1 > size)
        return -ERANGE;
    memcpy(to, at, length + 1);
    return 0;
}

/* The slot by which a directory is known now: during a crash the one found first. */
static const struct slot *slot_of(const struct inode *inode)
{
    return inode->reached_by ? inode->reached_by : inode->names;
}

const char *slot_path(const struct slot *slot, char *to, size_t size)
{
    char *at = to + size - 1;
    *at = '\0';
    for (; slot; slot = slot_of(slot->directory)) {
        char *longer = put_in_front(to, at, slot->name, slot->length);
        if (!longer)
            break;
        at = longer;
    }
    return *at == '/' ? at + 1 : at;
}

const char *inode_path(const struct inode *inode, char *to, size_t size)
{
    const struct slot *slot = slot_of(inode);
    if (slot)
        return slot_path(slot, to, size);
    to[0] = '\0';
    return to;
}

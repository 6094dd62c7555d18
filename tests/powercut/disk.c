/* SPDX-License-Identifier: ISC */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "tests/powercut/disk.h"
#include "sim/kernel/random.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK (1 << 20)

struct chunk {
    struct chunk *next;
    size_t used, size;
    uint8_t bytes[];
};

static void *allocate(size_t size)
{
    void *memory = calloc(1, size ? size : 1);
    if (!memory)
        abort();
    return memory;
}

static uint8_t *take(struct disk *disk, size_t size)
{
    struct chunk *chunk = disk->chunks;
    if (!chunk || chunk->size - chunk->used < size) {
        size_t room = size > CHUNK ? size : CHUNK;
        chunk = malloc(sizeof *chunk + room);
        if (!chunk)
            abort();
        *chunk = (struct chunk){.next = disk->chunks, .size = room};
        disk->chunks = chunk;
    }
    uint8_t *bytes = chunk->bytes + chunk->used;
    chunk->used += size;
    return bytes;
}

struct disk *disk_create(uint64_t size)
{
    struct disk *disk = allocate(sizeof *disk);
    disk->sectors = size / SECTOR;
    disk->base = allocate(disk->sectors * sizeof *disk->base);
    disk->now = allocate(disk->sectors * sizeof *disk->now);
    disk->logs = true;
    pthread_mutex_init(&disk->lock, NULL);
    return disk;
}

void disk_destroy(struct disk *disk)
{
    if (!disk)
        return;
    while (disk->chunks) {
        struct chunk *chunk = disk->chunks;
        disk->chunks = chunk->next;
        free(chunk);
    }
    pthread_mutex_destroy(&disk->lock);
    free(disk->base);
    free(disk->now);
    free(disk->log);
    free(disk);
}

static void start_from(struct disk *disk, const uint8_t **sectors)
{
    memcpy(disk->base, sectors, disk->sectors * sizeof *disk->base);
    memcpy(disk->now, sectors, disk->sectors * sizeof *disk->now);
}

struct disk *disk_copy(const struct disk *disk)
{
    struct disk *copy = disk_create(disk->sectors * SECTOR);
    start_from(copy, disk->now);
    return copy;
}

static size_t append(struct disk *disk, struct entry entry)
{
    if (disk->count == disk->capacity) {
        disk->capacity = disk->capacity ? 2 * disk->capacity : 1024;
        disk->log = realloc(disk->log, disk->capacity * sizeof *disk->log);
        if (!disk->log)
            abort();
    }
    disk->log[disk->count] = entry;
    return disk->count++;
}

static void copy_out(const struct disk *disk, uint8_t *to, uint64_t size, uint64_t offset)
{
    while (size > 0) {
        const uint8_t *sector = disk->now[offset / SECTOR];
        uint64_t skip = offset % SECTOR, part = SECTOR - skip < size ? SECTOR - skip : size;
        if (sector)
            memcpy(to, sector + skip, part);
        else
            memset(to, 0, part);
        to += part;
        offset += part;
        size -= part;
    }
}

void disk_read(struct disk *disk, void *to, uint64_t size, uint64_t offset)
{
    pthread_mutex_lock(&disk->lock);
    copy_out(disk, to, size, offset);
    pthread_mutex_unlock(&disk->lock);
}

static void apply_sector(const uint8_t **sectors, const struct entry *write, uint64_t i)
{
    sectors[write->offset / SECTOR + i] = write->data ? write->data + i * SECTOR : NULL;
}

static void apply(const uint8_t **sectors, const struct entry *write)
{
    for (uint64_t i = 0; i < write->size / SECTOR; i++)
        apply_sector(sectors, write, i);
}

/* Whole sectors, with `from` at its place in them. */
static const uint8_t *whole_sectors(struct disk *disk, const struct entry *write, const void *from,
                                    uint64_t size, uint64_t offset)
{
    uint8_t *data = take(disk, write->size);
    if (write->size != size)
        copy_out(disk, data, write->size, write->offset);
    if (from)
        memcpy(data + (offset - write->offset), from, size);
    else
        memset(data + (offset - write->offset), 0, size);
    return data;
}

void disk_write(struct disk *disk, const void *from, uint64_t size, uint64_t offset)
{
    uint64_t end = (offset + size + SECTOR - 1) / SECTOR * SECTOR;
    struct entry write = {.kind = ENTRY_WRITE, .offset = offset / SECTOR * SECTOR};
    write.size = end - write.offset;
    pthread_mutex_lock(&disk->lock);
    if (from || write.size != size)
        write.data = whole_sectors(disk, &write, from, size, offset);
    apply(disk->now, &write);
    if (disk->logs)
        append(disk, write);
    else
        apply(disk->base, &write);
    pthread_mutex_unlock(&disk->lock);
}

static size_t append_locked(struct disk *disk, struct entry entry)
{
    pthread_mutex_lock(&disk->lock);
    size_t index = append(disk, entry);
    pthread_mutex_unlock(&disk->lock);
    return index;
}

size_t disk_flush_begin(struct disk *disk)
{
    return append_locked(disk, (struct entry){.kind = ENTRY_FLUSH_BEGIN});
}

void disk_flush_end(struct disk *disk, size_t begin)
{
    append_locked(disk, (struct entry){.kind = ENTRY_FLUSH_END, .begin = begin});
}

void disk_mark(struct disk *disk, int64_t mark)
{
    append_locked(disk, (struct entry){.kind = ENTRY_MARK, .mark = mark});
}

/* --- cuts -------------------------------------------------------------------------------------*/

const char *cut_kind_name(enum cut_kind kind)
{
    static const char *const names[CUT_KINDS] = {"none",        "all",      "any",
                                                 "all but one", "only one", "torn"};
    return names[kind];
}

/* All before this index is on the disk for certain. */
static size_t certain(const struct disk *disk, size_t at)
{
    size_t flushed = 0;
    for (size_t i = 0; i < at; i++)
        if (disk->log[i].kind == ENTRY_FLUSH_END && disk->log[i].begin > flushed)
            flushed = disk->log[i].begin;
    return flushed;
}

size_t disk_pending(const struct disk *disk, size_t at)
{
    size_t pending = 0;
    for (size_t i = certain(disk, at); i < at; i++)
        pending += disk->log[i].kind == ENTRY_WRITE;
    return pending;
}

static void apply_torn(const uint8_t **sectors, const struct entry *write, struct random *random)
{
    for (uint64_t i = 0; i < write->size / SECTOR; i++)
        if (random_below(random, 2))
            apply_sector(sectors, write, i);
}

struct disk *disk_cut(const struct disk *disk, const struct cut *cut)
{
    struct disk *found = disk_create(disk->sectors * SECTOR);
    struct random random;
    random_seed(&random, cut->seed, 77);
    start_from(found, disk->base);
    size_t flushed = cut->drive_lies ? 0 : certain(disk, cut->at), pending = 0;
    for (size_t i = flushed; i < cut->at; i++)
        pending += disk->log[i].kind == ENTRY_WRITE;
    size_t chosen = pending ? random_below(&random, pending) : 0, nth = 0;
    for (size_t i = 0; i < cut->at; i++) {
        const struct entry *entry = &disk->log[i];
        if (entry->kind != ENTRY_WRITE)
            continue;
        bool keep = i < flushed || cut->kind == CUT_ALL;
        if (i >= flushed) {
            bool is_chosen = nth++ == chosen;
            if (cut->kind == CUT_TORN && is_chosen)
                apply_torn(found->now, entry, &random);
            else if (cut->kind == CUT_ANY || cut->kind == CUT_TORN)
                keep = random_below(&random, 2);
            else if (cut->kind == CUT_MOST || cut->kind == CUT_FEW)
                keep = is_chosen == (cut->kind == CUT_FEW);
        }
        if (keep)
            apply(found->now, entry);
    }
    memcpy(found->base, found->now, found->sectors * sizeof *found->base);
    return found;
}

uint64_t disk_hash(const struct disk *disk)
{
    return XXH3_64bits(disk->now, disk->sectors * sizeof *disk->now);
}

/* SPDX-License-Identifier: ISC */
#include "sim/kernel/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "sim/kernel/internal.h"
#include "sim/kernel/must.h"
#include "sim/kernel/pool.h"

static struct pool files; /* of all kernels */

struct file *file_create(struct kernel *kernel, const struct file_operations *operations, int flags)
{
    struct file *file = pool_take(&files, sizeof *file);
    memset(file, 0, sizeof *file);
    file->operations = operations;
    file->kernel = kernel;
    file->references = 1;
    file->flags = flags;
    kernel->live_files++;
    return file;
}

void file_ref(struct file *file)
{
    file->references++;
}

void file_unref(struct file *file)
{
    if (--file->references > 0)
        return;
    struct kernel *kernel = file->kernel;
    if (file->locks)
        file_unlock_at_release(file);
    if (file->operations->release)
        file->operations->release(file);
    if (file->inode)
        inode_unref(file->inode);
    kernel->live_files--;
    pool_give(&files, file);
}

/* --- descriptors -----------------------------------------------------------------------------*/

struct file *descriptor_file(int fd)
{
    const struct descriptor_table *table = &running->descriptors;
    if (fd < 0 || (unsigned) fd >= table->top)
        return NULL;
    return table->entries[fd].file;
}

static void make_room(struct descriptor_table *table, unsigned need)
{
    if (need <= table->room)
        return;
    unsigned room = table->room ? table->room : 16;
    while (room < need)
        room *= 2;
    table->entries = must(realloc(table->entries, room * sizeof *table->entries));
    table->room = room;
}

/* Entries between the old top and `fd` become free ones. */
static void raise_top(struct descriptor_table *table, unsigned fd)
{
    make_room(table, fd + 1);
    while (table->top <= fd)
        table->entries[table->top++] = (struct descriptor){0};
}

static void occupy(struct descriptor_table *table, unsigned fd, struct file *file,
                   bool close_on_exec)
{
    raise_top(table, fd);
    table->entries[fd] = (struct descriptor){file, close_on_exec};
    table->used++;
    while (table->low < table->top && table->entries[table->low].file)
        table->low++;
}

bool descriptor_fits(const struct process *process)
{
    const struct descriptor_table *table = &process->descriptors;
    unsigned fd = table->low;
    while (fd < table->top && table->entries[fd].file)
        fd++;
    return fd < process->limits[RLIMIT_NOFILE].rlim_cur;
}

int descriptor_add(struct process *process, struct file *file, unsigned from, bool close_on_exec)
{
    struct descriptor_table *table = &process->descriptors;
    unsigned fd = from > table->low ? from : table->low;
    while (fd < table->top && table->entries[fd].file)
        fd++;
    if (fd >= process->limits[RLIMIT_NOFILE].rlim_cur) {
        file_unref(file);
        return -EMFILE;
    }
    occupy(table, fd, file, close_on_exec);
    return (int) fd;
}

/* Empties an entry; the file's reference goes to the caller. */
static struct file *vacate(struct descriptor_table *table, unsigned fd)
{
    struct file *file = table->entries[fd].file;
    table->entries[fd].file = NULL;
    table->used--;
    if (fd < table->low)
        table->low = fd;
    while (table->top > 0 && !table->entries[table->top - 1].file)
        table->top--;
    return file;
}

int descriptor_put(struct process *process, int fd, struct file *file, bool close_on_exec)
{
    struct descriptor_table *table = &process->descriptors;
    if (fd < 0 || (rlim_t) fd >= process->limits[RLIMIT_NOFILE].rlim_cur)
        return -EBADF;
    file_ref(file);
    if ((unsigned) fd < table->top && table->entries[fd].file)
        file_unref(vacate(table, (unsigned) fd));
    occupy(table, (unsigned) fd, file, close_on_exec);
    return fd;
}

int descriptor_close(struct process *process, int fd)
{
    struct descriptor_table *table = &process->descriptors;
    if (fd < 0 || (unsigned) fd >= table->top || !table->entries[fd].file)
        return -EBADF;
    file_unref(vacate(table, (unsigned) fd));
    return 0;
}

void descriptor_copy_all(struct process *to, const struct process *from)
{
    const struct descriptor_table *source = &from->descriptors;
    struct descriptor_table *table = &to->descriptors;
    make_room(table, source->top);
    for (unsigned fd = 0; fd < source->top; fd++) {
        table->entries[fd] = source->entries[fd];
        if (source->entries[fd].file)
            file_ref(source->entries[fd].file);
    }
    table->top = source->top;
    table->low = source->low;
    table->used = source->used;
}

void descriptor_close_all(struct process *process)
{
    struct descriptor_table *table = &process->descriptors;
    for (unsigned fd = 0; fd < table->top; fd++)
        if (table->entries[fd].file)
            file_unref(vacate(table, fd));
    table->top = table->low = table->used = 0;
}

void descriptor_close_on_exec(struct process *process)
{
    struct descriptor_table *table = &process->descriptors;
    for (unsigned fd = 0; fd < table->top; fd++)
        if (table->entries[fd].file && table->entries[fd].close_on_exec)
            file_unref(vacate(table, fd));
}

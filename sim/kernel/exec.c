/* SPDX-License-Identifier: ISC */
/* Programs: what execve and posix_spawn load. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sim/kernel/calls.h"
#include "sim/kernel/internal.h"

#define MAGIC "#!nixie "
#define HEAD_SIZE 256
#define STRINGS_MAX ((size_t) 2 << 20)  /* a quarter of the usual stack limit, as on Linux */
#define STRING_MAX ((size_t) 128 << 10) /* MAX_ARG_STRLEN */

struct image {
    program_main *main;
    const char *name;
    struct stat stat;
};

/* The program that an executable names. */
static int read_image(struct kernel *kernel, struct inode *inode, struct image *image)
{
    char head[HEAD_SIZE];
    ssize_t size = inode_read(inode, head, sizeof head, 0);
    if (size < 0)
        return (int) size;
    size_t magic = strlen(MAGIC);
    if ((size_t) size <= magic || memcmp(head, MAGIC, magic) != 0)
        return -ENOEXEC;
    const char *end = memchr(head, '\n', (size_t) size);
    if (!end)
        return -ENOEXEC;
    const char *name = head + magic;
    image->main = kernel_program(kernel, name, (size_t) (end - name), &image->name);
    return image->main ? 0 : -ENOEXEC;
}

static int find_image(struct process *process, const char *path, struct image *image)
{
    struct inode *inode;
    int result =
        vfs_lookup(process->host->vfs, &process->cred, process->directory, path, true, &inode);
    if (result < 0)
        return result;
    vfs_stat(inode, &image->stat);
    if (!S_ISREG(image->stat.st_mode) || !inode_permits(inode, &process->cred, 1))
        result = -EACCES;
    else
        result = read_image(process->kernel, inode, image);
    inode_unref(inode);
    return result;
}

/* Sizes of a NULL-terminated array of strings, added to *bytes. */
static int measure(char *const *strings, size_t *count, size_t *bytes)
{
    *count = 0;
    for (; strings && strings[*count]; (*count)++) {
        size_t length = strlen(strings[*count]) + 1;
        *bytes += length + sizeof(char *);
        if (length > STRING_MAX || *bytes > STRINGS_MAX)
            return -E2BIG;
    }
    return 0;
}

static char **copy_strings(struct arena *arena, char *const *strings, size_t count)
{
    char **copies = arena_alloc_hidden(arena, (count + 1) * sizeof(char *));
    for (size_t i = 0; i < count; i++) {
        size_t size = strlen(strings[i]) + 1;
        copies[i] = arena_alloc_hidden(arena, size);
        memcpy(copies[i], strings[i], size);
    }
    copies[count] = NULL;
    return copies;
}

/* What readlink of /proc/self/exe tells: absolute, without "." and doubled slashes. */
static char *absolute_path(struct arena *arena, struct process *process, const char *path)
{
    char joined[2 * PATH_LIMIT];
    size_t length = 0;
    if (path[0] != '/') {
        if (vfs_path_of_directory(process->directory, joined, PATH_LIMIT) < 0)
            joined[0] = 0;
        length = strlen(joined);
    }
    while (*path) {
        size_t part = strcspn(path, "/");
        if (part > 0 && !(part == 1 && path[0] == '.')) {
            if (length == 0 || joined[length - 1] != '/')
                joined[length++] = '/';
            memcpy(joined + length, path, part);
            length += part;
        }
        path += part;
        path += strspn(path, "/");
    }
    char *copy = arena_alloc_hidden(arena, length + 1);
    memcpy(copy, joined, length);
    copy[length] = 0;
    return copy;
}

static void take_identity(struct process *process, const struct stat *stat)
{
    if (stat->st_mode & S_ISUID)
        process->cred.uid = stat->st_uid;
    if ((stat->st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
        process->cred.gid = stat->st_gid;
    process->saved_uid = process->cred.uid;
    process->saved_gid = process->cred.gid;
}

int exec_load(struct process *process, const char *path, char *const *argv,
              char *const *environment, struct arena *old)
{
    struct image image = {0};
    size_t argument_count = 0, environment_count = 0, bytes = 0;
    int result = measure(argv, &argument_count, &bytes);
    if (result == 0)
        result = measure(environment, &environment_count, &bytes);
    if (result == 0)
        result = find_image(process, path, &image);
    if (result < 0)
        return result;
    const struct kernel_options *options = &process->kernel->options;
    struct arena arena;
    arena_start(&arena, options->arena_offset, options->fill_byte);
    if (options->environment_padding)
        arena_alloc_hidden(&arena, options->environment_padding);
    process->executable = absolute_path(&arena, process, path);
    process->arguments = copy_strings(&arena, argv, argument_count);
    process->environment = copy_strings(&arena, environment, environment_count);
    process->argument_count = (int) argument_count;
    process->passwd_area = NULL;
    process->group_area = NULL;
    *old = process->arena;
    process->arena = arena;
    process->name = image.name;
    process->main = image.main;
    process_count_allocations(process);
    take_identity(process, &image.stat);
    descriptor_close_on_exec(process);
    return 0;
}

static void program_begin(void *argument)
{
    struct process *process = argument;
    inside_call = false;
    int status = process->main(process->argument_count, process->arguments, process->environment);
    sim__exit(status);
}

void exec_prepare(struct process *process)
{
    process->kept_errno = 0;
    coro_prepare(&process->coro, program_begin, process, process->kernel->options.fill_byte);
}

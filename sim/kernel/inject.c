/* SPDX-License-Identifier: ISC */
/* What a watcher may do to the call that it hears of, besides making it fail (kernel.h). */
#include <assert.h>
#include <string.h>
#include <sys/stat.h>

#include "sim/kernel/net_internal.h"

void kernel_shorten(struct kernel *kernel, size_t size)
{
    assert(kernel->current && size > 0);
    kernel->current->transfer_limit = size;
}

void kernel_discard(struct kernel *kernel)
{
    assert(kernel->current);
    kernel->current->discards = true;
}

void kernel_slow(struct kernel *kernel, int64_t ns)
{
    struct process *process = kernel->current;
    assert(process && ns > 0);
    if (kernel->backend) {
        process->slow_ns = ns;
        return;
    }
    if (process->call_id == CALL_fsync || process->call_id == CALL_fdatasync ||
        process->call_id == CALL_syncfs)
        process->slow_ns = ns;
    else
        wait_sleep(kernel->now_ns + ns);
}

void kernel_fail_sync(struct kernel *kernel, int error)
{
    assert(kernel->current);
    kernel->current->sync_error = error;
}

static struct file *file_at(const struct process *process, int fd)
{
    const struct descriptor_table *table = &process->descriptors;
    return fd >= 0 && (unsigned) fd < table->top ? table->entries[fd].file : NULL;
}

int kernel_reset(struct kernel *kernel, int fd, uint64_t bytes)
{
    if (kernel->backend) {
        kernel->current->resets = true;
        kernel->current->resets_after = bytes;
        return 0;
    }
    struct file *file = file_at(kernel->current, fd);
    struct inet_socket *socket = file && file->operations == &tcp_operations ? inet_of(file) : NULL;
    if (!socket || !socket->connection)
        return -1;
    tcp_cut_after(socket, bytes);
    return 0;
}

enum file_kind process_file_kind(const struct process *process, int fd)
{
    struct file *file = file_at(process, fd);
    struct stat status;
    if (process->kernel->backend)
        return process->call_file;
    if (!file)
        return FILE_NONE;
    if (file->operations == &tcp_operations)
        return FILE_TCP;
    if (file->operations == &udp_operations)
        return FILE_UDP;
    if (file->operations->socket)
        return FILE_UNIX;
    if (!file->operations->stat)
        return FILE_OTHER;
    file->operations->stat(file, &status);
    if (S_ISFIFO(status.st_mode))
        return status.st_ino ? FILE_FIFO : FILE_PIPE;
    return S_ISREG(status.st_mode)   ? FILE_REGULAR
           : S_ISDIR(status.st_mode) ? FILE_DIRECTORY
                                     : FILE_OTHER;
}

/* --- allocations -----------------------------------------------------------------------------*/

void kernel_count_allocations(struct kernel *kernel, const char *prefix,
                              bool (*fails)(void *context, const struct process *process,
                                            uint64_t number),
                              void *context)
{
    kernel->counted_prefix = prefix;
    kernel->allocation_fails = fails;
    kernel->allocation_context = context;
}

uint64_t kernel_allocation_count(const struct kernel *kernel)
{
    return kernel->allocations;
}

void process_count_allocations(struct process *process)
{
    const char *prefix = process->kernel->counted_prefix;
    process->counted = prefix && strncmp(process->name, prefix, strlen(prefix)) == 0;
}

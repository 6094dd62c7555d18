/* SPDX-License-Identifier: ISC */
/* Pipes and FIFOs: 64 KiB, writes of up to PIPE_BUF bytes are atomic (pipe(7), fifo(7)). */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "sim/kernel/internal.h"
#include "sim/kernel/pool.h"

#define CAPACITY ((size_t) 65536)

struct pipe {
    unsigned readers, writers;
    uint64_t reader_count, writer_count; /* how many there have ever been */
    size_t first, used;                  /* a ring */
    struct wait_queue queue;
    struct inode *fifo; /* a reference while somebody has it open, or NULL */
    ino_t number;
    char data[CAPACITY];
};

static struct pool pipes; /* of all kernels */

static struct pipe *pipe_take(void)
{
    struct pipe *pipe = pool_take(&pipes, sizeof *pipe);
    memset(pipe, 0, offsetof(struct pipe, data));
    return pipe;
}

static void pipe_give(struct pipe *pipe)
{
    wait_drain(&pipe->queue);
    if (pipe->fifo) {
        inode_set_endpoint(pipe->fifo, NULL);
        inode_unref(pipe->fifo);
    }
    pool_give(&pipes, pipe);
}

/* --- reading and writing ---------------------------------------------------------------------*/

static size_t take_bytes(struct pipe *pipe, char *to, size_t size)
{
    if (size > pipe->used)
        size = pipe->used;
    size_t straight = CAPACITY - pipe->first;
    if (straight > size)
        straight = size;
    memcpy(to, pipe->data + pipe->first, straight);
    memcpy(to + straight, pipe->data, size - straight);
    pipe->first = (pipe->first + size) % CAPACITY;
    pipe->used -= size;
    if (pipe->used == 0)
        pipe->first = 0;
    return size;
}

static size_t put_bytes(struct pipe *pipe, const char *from, size_t size)
{
    size_t room = CAPACITY - pipe->used;
    if (size > room)
        size = room;
    size_t at = (pipe->first + pipe->used) % CAPACITY;
    size_t straight = CAPACITY - at;
    if (straight > size)
        straight = size;
    memcpy(pipe->data + at, from, straight);
    memcpy(pipe->data, from + straight, size - straight);
    pipe->used += size;
    return size;
}

static ssize_t pipe_read(struct file *file, void *to, size_t size)
{
    struct pipe *pipe = file->object;
    if (size == 0)
        return 0;
    while (pipe->used == 0) {
        if (pipe->writers == 0)
            return 0;
        if (file->flags & O_NONBLOCK)
            return -EAGAIN;
        wait_on(&pipe->queue, FOREVER);
    }
    size_t done = take_bytes(pipe, to, size);
    wait_wake(&pipe->queue);
    return (ssize_t) done;
}

static ssize_t pipe_broken(void)
{
    signal_send(running, SIGPIPE, &(struct signal_info){.code = SI_KERNEL});
    return -EPIPE;
}

static ssize_t pipe_write(struct file *file, const void *from, size_t size)
{
    struct pipe *pipe = file->object;
    size_t done = 0;
    if (size == 0)
        return 0;
    for (;;) {
        if (pipe->readers == 0)
            return done > 0 ? (ssize_t) done : pipe_broken();
        size_t room = CAPACITY - pipe->used;
        if (size > PIPE_BUF ? room > 0 : room >= size) {
            done += put_bytes(pipe, (const char *) from + done, size - done);
            wait_wake(&pipe->queue);
            if (done == size)
                return (ssize_t) done;
        }
        if (file->flags & O_NONBLOCK)
            return done > 0 ? (ssize_t) done : -EAGAIN;
        wait_on(&pipe->queue, FOREVER);
    }
}

static short pipe_ready(struct file *file, struct process *process)
{
    (void) process;
    const struct pipe *pipe = file->object;
    short ready = 0;
    if (file_readable(file)) {
        if (pipe->used > 0)
            ready |= POLLIN;
        /* A FIFO that nobody has opened for writing since is not hung up. */
        if (pipe->writers == 0 && file->generation != pipe->writer_count)
            ready |= POLLHUP;
    }
    if (file_writable(file)) {
        if (CAPACITY - pipe->used >= PIPE_BUF)
            ready |= POLLOUT;
        if (pipe->readers == 0)
            ready |= POLLERR;
    }
    return ready;
}

static struct wait_queue *pipe_queue(struct file *file, struct process *process)
{
    (void) process;
    struct pipe *pipe = file->object;
    return &pipe->queue;
}

static void pipe_stat(struct file *file, struct stat *stat)
{
    const struct pipe *pipe = file->object;
    if (pipe->fifo) {
        vfs_stat(pipe->fifo, stat);
        return;
    }
    memset(stat, 0, sizeof *stat);
    stat->st_mode = S_IFIFO | 0600;
    stat->st_nlink = 1;
    stat->st_blksize = 4096;
}

static void pipe_release(struct file *file)
{
    struct pipe *pipe = file->object;
    if (file_readable(file))
        pipe->readers--;
    if (file_writable(file))
        pipe->writers--;
    if (pipe->readers == 0 && pipe->writers == 0)
        pipe_give(pipe);
    else
        wait_wake(&pipe->queue);
}

static const struct file_operations pipe_operations = {
    .read = pipe_read,
    .write = pipe_write,
    .ready = pipe_ready,
    .queue = pipe_queue,
    .stat = pipe_stat,
    .release = pipe_release,
};

/* --- making ----------------------------------------------------------------------------------*/

static struct file *pipe_end(struct kernel *kernel, struct pipe *pipe, int flags)
{
    struct file *file = file_create(kernel, &pipe_operations, flags & (O_ACCMODE | O_NONBLOCK));
    file->object = pipe;
    if (file_readable(file)) {
        pipe->readers++;
        pipe->reader_count++;
    }
    if (file_writable(file)) {
        pipe->writers++;
        pipe->writer_count++;
    }
    return file;
}

void pipe_create(struct kernel *kernel, int flags, struct file **reader, struct file **writer)
{
    struct pipe *pipe = pipe_take();
    *reader = pipe_end(kernel, pipe, O_RDONLY | (flags & O_NONBLOCK));
    *writer = pipe_end(kernel, pipe, O_WRONLY | (flags & O_NONBLOCK));
}

/* Takes over the inode's reference. */
static struct pipe *fifo_pipe(struct inode *inode)
{
    struct pipe *pipe = inode_endpoint(inode);
    if (pipe) {
        inode_unref(inode);
        return pipe;
    }
    pipe = pipe_take();
    pipe->fifo = inode;
    inode_set_endpoint(inode, pipe);
    return pipe;
}

/* Waits until there has been somebody on the other side since.  The file stands in no descriptor
 * table yet: if its process is killed here, `opening` tells what to drop. */
static void wait_for_other_side(struct file *file)
{
    struct pipe *pipe = file->object;
    bool reader = file_readable(file);
    uint64_t seen = reader ? pipe->writer_count : pipe->reader_count;
    while ((reader ? pipe->writers : pipe->readers) == 0 &&
           seen == (reader ? pipe->writer_count : pipe->reader_count))
        wait_on(&pipe->queue, FOREVER);
}

struct file *fifo_open(struct kernel *kernel, struct inode *inode, int flags, int *error)
{
    struct pipe *pipe = fifo_pipe(inode);
    if ((flags & O_ACCMODE) == O_WRONLY && flags & O_NONBLOCK && pipe->readers == 0) {
        if (pipe->writers == 0)
            pipe_give(pipe);
        *error = ENXIO;
        return NULL;
    }
    struct file *file = pipe_end(kernel, pipe, flags);
    wait_wake(&pipe->queue);
    if ((flags & O_ACCMODE) != O_RDWR && !(flags & O_NONBLOCK)) {
        running->opening = file;
        wait_for_other_side(file);
        running->opening = NULL;
    }
    if ((flags & O_ACCMODE) == O_RDONLY && flags & O_NONBLOCK && pipe->writers == 0)
        file->generation = pipe->writer_count;
    return file;
}

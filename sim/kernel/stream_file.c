/* SPDX-License-Identifier: ISC */
/* The ends of what process_start gives a process: bytes to read, and a listener for what it
 * writes.  To the process both look like pipes. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "sim/kernel/internal.h"
#include "sim/kernel/must.h"

struct stream {
    char *data; /* input */
    size_t size;
    int fd; /* output */
    void (*tell)(void *context, struct process *process, int fd, const char *data, size_t size);
    void *context;
};

static ssize_t input_read(struct file *file, void *to, size_t size)
{
    struct stream *stream = file->object;
    size_t left = stream->size - file->offset;
    if (size > left)
        size = left;
    if (size > 0)
        memcpy(to, stream->data + file->offset, size);
    file->offset += size;
    return (ssize_t) size;
}

static ssize_t output_write(struct file *file, const void *from, size_t size)
{
    struct stream *stream = file->object;
    if (stream->tell && size > 0) {
        stream->tell(stream->context, running, stream->fd, from, size);
        process_check_alive();
    }
    return (ssize_t) size;
}

static short input_ready(struct file *file, struct process *process)
{
    (void) process;
    struct stream *stream = file->object;
    return file->offset < stream->size ? POLLIN : POLLIN | POLLHUP;
}

static short output_ready(struct file *file, struct process *process)
{
    (void) file;
    (void) process;
    return POLLOUT;
}

static void stream_stat(struct file *file, struct stat *stat)
{
    (void) file;
    memset(stat, 0, sizeof *stat);
    stat->st_mode = S_IFIFO | 0600;
    stat->st_nlink = 1;
    stat->st_blksize = 4096;
}

static void stream_release(struct file *file)
{
    struct stream *stream = file->object;
    free(stream->data);
    free(stream);
}

static const struct file_operations input_operations = {
    .read = input_read,
    .ready = input_ready,
    .stat = stream_stat,
    .release = stream_release,
};

static const struct file_operations output_operations = {
    .write = output_write,
    .ready = output_ready,
    .stat = stream_stat,
    .release = stream_release,
};

struct file *stream_input_create(struct kernel *kernel, const void *data, size_t size)
{
    struct file *file = file_create(kernel, &input_operations, O_RDONLY);
    struct stream *stream = must(calloc(1, sizeof *stream));
    if (data && size > 0) {
        stream->data = must(malloc(size));
        memcpy(stream->data, data, size);
        stream->size = size;
    }
    file->object = stream;
    return file;
}

struct file *stream_output_create(struct kernel *kernel, int fd,
                                  void (*tell)(void *context, struct process *process, int fd,
                                               const char *data, size_t size),
                                  void *context)
{
    struct file *file = file_create(kernel, &output_operations, O_WRONLY);
    struct stream *stream = must(calloc(1, sizeof *stream));
    stream->fd = fd;
    stream->tell = tell;
    stream->context = context;
    file->object = stream;
    return file;
}

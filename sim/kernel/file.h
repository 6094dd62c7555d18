/* SPDX-License-Identifier: ISC */
/*
 * Open file descriptions and descriptor tables.
 *
 * A `struct file` is what open(2), pipe(2) or socket(2) make: it is shared by dup, spawn and
 * SCM_RIGHTS and counted.  What it does is in its operations; each kind of file has a table.
 */
#ifndef SIM_KERNEL_FILE_H
#define SIM_KERNEL_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "sim/kernel/vfs.h"
#include "sim/kernel/wait.h"

struct file;
struct kernel;
struct process;
struct host;
struct socket_operations; /* socket.h */

struct file_operations {
    /* Like read(2) and write(2): a count or -errno; wait unless O_NONBLOCK.  NULL: -EINVAL. */
    ssize_t (*read)(struct file *file, void *to, size_t size);
    ssize_t (*write)(struct file *file, const void *from, size_t size);
    /* What poll(2) tells: all POLL bits that hold now for that process. */
    short (*ready)(struct file *file, struct process *process);
    /* Woken when that may have changed; NULL: it never does. */
    struct wait_queue *(*queue)(struct file *file, struct process *process);
    void (*stat)(struct file *file, struct stat *stat);
    /* The last reference goes.  The file itself is freed by the caller. */
    void (*release)(struct file *file);
    const struct socket_operations *socket; /* NULL: not a socket */
};

struct flock_list;

struct file {
    const struct file_operations *operations;
    struct kernel *kernel;
    unsigned references;
    int flags; /* access mode, O_NONBLOCK, O_APPEND */
    uint64_t offset;
    struct inode *inode;      /* a reference, or NULL */
    uint64_t errors_seen;     /* of vfs_sync_error: what an fsync, or the opener, was told of */
    uint64_t all_errors_seen; /* the same of syncfs */
    void *object;             /* the pipe, socket, ... */
    uint64_t generation;      /* FIFO: its count of writers when this reader came */
    struct flock_list *locks; /* what this file holds a flock in, or NULL */
    struct vfs_cursor cursor; /* of a directory */
};

/* A file with one reference and zeroed fields, from the kernel's pool. */
struct file *file_create(struct kernel *kernel, const struct file_operations *operations,
                         int flags);
void file_ref(struct file *file);
void file_unref(struct file *file);

static inline bool file_readable(const struct file *file)
{
    return (file->flags & 3) != 1; /* not O_WRONLY */
}

static inline bool file_writable(const struct file *file)
{
    return (file->flags & 3) != 0;
}

/* --- descriptors -----------------------------------------------------------------------------*/

struct descriptor {
    struct file *file;
    bool close_on_exec;
};

struct descriptor_table {
    struct descriptor *entries;
    unsigned room;
    unsigned top;  /* all at or above are free */
    unsigned low;  /* all below are used */
    unsigned used; /* how many are open */
};

/* The file of a descriptor of the running process, or NULL (EBADF).  No reference is added. */
struct file *descriptor_file(int fd);

/* Puts `file` (its reference is taken over) at the lowest free descriptor from `from` up.
 * Returns it, or -EMFILE (the reference is then dropped). */
int descriptor_add(struct process *process, struct file *file, unsigned from, bool close_on_exec);

/* True if one more descriptor fits (open asks before it creates anything). */
bool descriptor_fits(const struct process *process);

/* Puts a new reference of `file` at `fd`, closing what was there; fd or -EBADF. */
int descriptor_put(struct process *process, int fd, struct file *file, bool close_on_exec);

/* 0 or -EBADF. */
int descriptor_close(struct process *process, int fd);

void descriptor_copy_all(struct process *to, const struct process *from);
void descriptor_close_all(struct process *process);
void descriptor_close_on_exec(struct process *process);

/* --- kinds -----------------------------------------------------------------------------------*/

/* Opens a path of the running process's host; a new file, or NULL with *error = errno. */
struct file *file_open(struct process *process, const char *path, int flags, mode_t mode,
                       int *error);

/* Two ends of a pipe; `flags` O_NONBLOCK. */
void pipe_create(struct kernel *kernel, int flags, struct file **reader, struct file **writer);
/* Opens a FIFO (the inode's reference is taken over); may wait for the other side. */
struct file *fifo_open(struct kernel *kernel, struct inode *inode, int flags, int *error);

/* Gives these bytes (copied), then the end. */
struct file *stream_input_create(struct kernel *kernel, const void *data, size_t size);
/* Tells what is written; `tell` NULL discards. */
struct file *stream_output_create(struct kernel *kernel, int fd,
                                  void (*tell)(void *context, struct process *process, int fd,
                                               const char *data, size_t size),
                                  void *context);

struct file *signalfd_create(struct kernel *kernel, uint64_t mask, int flags);
/* Replaces the mask; -EINVAL if it is not a signalfd. */
int signalfd_set(struct file *file, uint64_t mask);

/* flock(2). */
int file_lock(struct file *file, int operation);
void file_unlock_at_release(struct file *file);
/* A process that waited for a lock in that list was killed. */
void flock_abandon(struct flock_list *list);

bool file_is_regular(const struct file *file);
bool file_is_directory(const struct file *file);
void file_stat_inode(struct host *host, const struct inode *inode, struct stat *stat);

extern const struct file_operations regular_operations;
extern const struct file_operations directory_operations;
extern const struct file_operations null_operations;

#endif

/* SPDX-License-Identifier: ISC */
/* Whole reads and writes on descriptors.  All may block; all go on after EINTR and short counts. */
#ifndef MTA_LIB_IO_H
#define MTA_LIB_IO_H

#include <stddef.h>
#include <sys/types.h>

#include "mta/lib/buf.h"

/* Writes all of it.  Returns 0, or -1 with write's errno (EPIPE: SIGPIPE must be ignored). */
int io_write(int fd, const void *bytes, size_t size);

/* One read, repeated on EINTR.  Returns the count, 0 at the end, -1 with errno. */
ssize_t io_read(int fd, void *to, size_t size);

/* Reads until the end of file.  Returns 0, or -1 with read's errno, ENOMEM, or EMSGSIZE when
 * there is more than `buf`'s limit. */
int io_read_all(int fd, struct buf *buf);

/* The content of the file `path`.  As io_read_all, or open's errno.  Not for FIFOs and devices:
 * they fail with EINVAL, directories with EISDIR. */
int io_read_file(const char *path, struct buf *buf);

/* Makes `path` hold these bytes, durably: writes `temporary` (same directory), fsync, rename,
 * fsync of `directory`.  Returns 0 or -1 with errno; `temporary` is then gone. */
int io_replace_file(const char *directory, const char *path, const char *temporary,
                    const void *bytes, size_t size, mode_t mode);

/* fsync of a directory by path.  0 or -1 with errno. */
int io_sync_directory(const char *path);

/* Makes all of the file system durable that `fd`, an open file or directory, is on: syncfs, then
 * fsync of it.  Waits for the disk.  0 or -1 with errno.
 *
 * syncfs alone is not enough: on ext4 without a journal, and on ext2, Linux (seen on 6.18:
 * sync_filesystem, ext4_sync_fs) flushes the disk's cache before it writes the last blocks of
 * metadata, not after; and on xfs it does not flush at all where there is nothing to log, as when
 * bytes were written over others within one tick of the clock.  The fsync has nothing to write and
 * flushes again; of a directory not on xfs (xfs_dir_fsync), so there `fd` must be a regular file
 * for bytes that were written over others. */
int io_sync_all(int fd);

/* Closes, ignoring errors, and sets *fd to -1; nothing if it is -1. */
void io_close(int *fd);

int io_set_nonblocking(int fd);
int io_set_cloexec(int fd);

#endif

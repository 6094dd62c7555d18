/* SPDX-License-Identifier: ISC */
/*
 * Files of a real home, made so that a crash leaves the old or the new one.  All paths are
 * relative to a directory descriptor; no symbolic link is followed in their last component, by
 * files_directory and files_node in none.
 * Functions return 0, or -1 with errno.
 */
#ifndef SIM_REAL_FILES_H
#define SIM_REAL_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Makes the directory if it is missing, and gives it this owner and mode. */
int files_directory(int at, const char *path, uid_t uid, gid_t gid, mode_t mode);

/* Makes the file (or with `fifo` the FIFO) if it is missing, and gives it owner and mode.  EEXIST:
 * it is something else, or has a second name somewhere. */
int files_node(int at, const char *path, bool fifo, uid_t uid, gid_t gid, mode_t mode);

/* Makes `path` hold these bytes: a temporary file beside it, fsync, rename, fsync of the directory.
 * Owner and group are the caller's. */
int files_replace(int at, const char *path, const void *bytes, size_t size, mode_t mode);

/* As files_replace, with the content of the open file `from`, and an owner. */
int files_copy(int from, int at, const char *path, uid_t uid, gid_t gid, mode_t mode);

/* All of the file system that `directory` is on, as io_sync_all of mta/lib/io.h does it. */
int files_sync_all(int directory);

/* fsync of the directory that `path` is in. */
int files_sync_parent(int at, const char *path);

bool files_exists(int at, const char *path);

/* Reads the file into `to`, at most `size` - 1 bytes, and adds a NUL.  Returns the count; -1 with
 * errno (EFBIG: it holds more). */
ssize_t files_read(int at, const char *path, char *to, size_t size);

#endif

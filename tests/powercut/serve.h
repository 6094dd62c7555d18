/* SPDX-License-Identifier: ISC */
/*
 * Disks as files of a FUSE file system, so that a loop device can be made of each.  A write of the
 * loop device is a write here, its flush an fsync.
 */
#ifndef TESTS_POWERCUT_SERVE_H
#define TESTS_POWERCUT_SERVE_H

#include "tests/powercut/disk.h"

struct serve;

/* Mounts at `folder`, which must be there, and serves from threads of its own.  NULL with errno if
 * FUSE cannot be used here. */
struct serve *serve_start(const char *folder);
/* From now on a flush takes up to that many microseconds (0 at first). */
void serve_flush_takes(struct serve *serve, unsigned flush_us);
void serve_stop(struct serve *serve);

/* From now on `disk` is a file; its path is written to `path`.  The name is used only once. */
void serve_add(struct serve *serve, struct disk *disk, char *path, size_t size);
/* No more.  Nobody may have it open. */
void serve_remove(struct serve *serve, struct disk *disk);

#endif

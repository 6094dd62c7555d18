/* SPDX-License-Identifier: ISC */
/*
 * Disk models: what survives power loss.  One file a model (disk_honest.c, disk_ffs.c,
 * disk_ext4.c, disk_xfs.c, disk_btrfs.c, disk_strict.c), with the rules and their sources at its
 * top.
 *
 * Over any of them an overlay may lie, named "MODEL+OVERLAY"; alone it lies over strict.  It is a
 * model of its own that names the one below it, and a file system (vfs.h) keeps to the rules of
 * that one but for what the overlay changes.  Over honest, which knows nothing that is not durable,
 * they change nothing.
 *
 * - "fsync-eio": when a sync fails with EIO (a fault that the run puts in: this alone makes none),
 *   all that the sync covered, and what was written while it ran, is taken for clean.  The error
 *   is told once: by that call, and to every other descriptor that was open by the next sync of it.
 *   Processes go on reading what was written, later syncs say success, and none makes it durable:
 *   after power loss it is there or not, as the model below says of what was never synced.  On
 *   strict that goes for the entries of a directory and for attributes too, if the sync was one of
 *   that inode alone; elsewhere, and of a syncfs, for data alone: there metadata are in a log, and
 *   a log that cannot be written stops the file system.  What is changed again afterwards can be
 *   synced.  What a syncfs before has written, so that only a flush of the disk's cache is missing,
 *   is not covered any more: the error is one of writing back, not one of flushing.
 *   (PostgreSQL's "fsyncgate", 2018; Rebello et al., "Can Applications Recover from fsync
 *   Failures?", USENIX ATC '20; Linux man-pages fsync(2), errseq_t since Linux 4.13.)
 * - "liar": every sync says success after its time and makes nothing durable; what the model below
 *   makes durable without a sync (by age, or at once on ffs) still is.  A drive that acknowledges
 *   flushes that it has not done.  Runs on it are expected to lose mail: they prove that the
 *   oracles see it.
 */
#ifndef SIM_KERNEL_DISK_H
#define SIM_KERNEL_DISK_H

struct disk_model;

extern const struct disk_model disk_honest; /* everything survives: only programs are killed */
extern const struct disk_model disk_ffs;    /* metadata durable in order when the call returns */
extern const struct disk_model disk_ext4;   /* metadata is one ordered log, data before names */
extern const struct disk_model disk_xfs;    /* the same without ext4's heuristics */
extern const struct disk_model disk_btrfs;  /* fsync logs one inode past what is older */
extern const struct disk_model disk_strict; /* POSIX at its worst */

/* The names of the plain models and of the overlays, as a usage tells them. */
#define DISK_MODEL_NAMES "honest, ffs, ext4, xfs, btrfs, strict"
#define DISK_OVERLAY_NAMES "fsync-eio, liar"

/* The model of that name ("ext4", "ext4+liar", "liar"), or NULL. */
const struct disk_model *disk_model_named(const char *name);
const char *disk_model_name(const struct disk_model *model);

/* All plain models, NULL at the end, mildest first. */
extern const struct disk_model *const disk_models[];

#endif

/* SPDX-License-Identifier: ISC */
/*
 * Disk models: what survives power loss.  One file a model (disk_honest.c, disk_ffs.c,
 * disk_ext4.c, disk_strict.c), with the rules and their sources at its top.
 */
#ifndef SIM_KERNEL_DISK_H
#define SIM_KERNEL_DISK_H

struct disk_model;

extern const struct disk_model disk_honest; /* everything survives: only programs are killed */
extern const struct disk_model disk_ffs;    /* metadata durable in order when the call returns */
extern const struct disk_model disk_ext4;   /* metadata is one ordered log, data before names */
extern const struct disk_model disk_strict; /* POSIX at its worst */

/* The model of that name, or NULL. */
const struct disk_model *disk_model_named(const char *name);
const char *disk_model_name(const struct disk_model *model);

/* All models, NULL at the end, mildest first. */
extern const struct disk_model *const disk_models[];

#endif

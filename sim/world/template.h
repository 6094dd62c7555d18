/* SPDX-License-Identifier: ISC */
/*
 * Files of machines as they are set up, kept so that the next world that is set up equally copies
 * them.  What a run does is the same with and without.
 */
#ifndef SIM_WORLD_TEMPLATE_H
#define SIM_WORLD_TEMPLATE_H

#include <stddef.h>
#include <stdint.h>

struct host;
struct vfs;
struct world_options;

/* Zeroed at first, and good for one set of options: whoever hands it to world_create again hands
 * equal specs and the same epoch and DNS with it.  Another seed or disk is noticed. */
struct template
{
    uint64_t seed;
    const struct disk_model *disk;
    struct vfs **files; /* of each machine, by its index; NULL: not kept */
    size_t count;
};

/* What the machine of that index is to be created with, or NULL. */
const struct vfs *template_files(const struct world_options *options, size_t index);
/* Keeps what the machine has now, which is settled, for others.  Nothing if it is kept already. */
void template_keep(const struct world_options *options, size_t index, const struct host *host);
void template_free(struct template *template);

#endif

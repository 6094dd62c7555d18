/* SPDX-License-Identifier: ISC */
/* A user's mail is for him: no mailbox, and no file in one, may be read or written by others
 * (judge.h). */
#include <string.h>

#include "sim/world/internal.h"
#include "sim/world/judge.h"

/* The mode of a file; 0: it is not there. */
static mode_t mode_of(struct host *host, const char *path)
{
    struct vfs *vfs = host_vfs(host);
    struct cred root = {.uid = 0};
    struct inode *inode;
    mode_t mode;

    if (vfs_lookup(vfs, &root, vfs_root(vfs), path, true, &inode) < 0)
        return 0;
    mode = inode_mode(inode);
    inode_unref(inode);
    return mode;
}

void judge_privacy(struct world *world)
{
    for (size_t i = 0; i < world->copy_count; i++) {
        const struct copy *copy = &world->copies[i];
        mode_t mode;

        if (copy->kind != COPY_MAILDIR && copy->kind != COPY_MBOX)
            continue;
        mode = mode_of(world->machines[copy->machine].host, copy->path);
        if (mode & 077)
            world_accuse(world, "PRIVATE", copy->letter, copy->bounce,
                         "%s is open to others: its mode is %04o", copy->path,
                         (unsigned) mode & 07777);
    }
}

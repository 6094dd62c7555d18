/* SPDX-License-Identifier: ISC */
/* flock(2): locks belong to open file descriptions and go with the last descriptor. */
#include <errno.h>
#include <stdlib.h>
#include <sys/file.h>

#include "sim/kernel/internal.h"
#include "sim/kernel/must.h"

/* The locks of one inode; hangs at its endpoint while there is a lock or somebody waits. */
struct flock_list {
    struct inode *inode; /* those who hold or wait have it open */
    const struct file *exclusive;
    unsigned shared;
    struct wait_queue queue;
};

static struct flock_list *list_of(struct inode *inode)
{
    struct flock_list *list = inode_endpoint(inode);
    if (!list) {
        list = must(calloc(1, sizeof *list));
        list->inode = inode;
        inode_set_endpoint(inode, list);
    }
    return list;
}

static void drop_if_unused(struct flock_list *list)
{
    if (list->exclusive || list->shared || list->queue.first)
        return;
    inode_set_endpoint(list->inode, NULL);
    free(list);
}

static void unlock(struct file *file)
{
    struct flock_list *list = file->locks;
    if (!list)
        return;
    file->locks = NULL;
    if (list->exclusive == file)
        list->exclusive = NULL;
    else
        list->shared--;
    wait_wake(&list->queue);
    drop_if_unused(list);
}

void flock_abandon(struct flock_list *list)
{
    drop_if_unused(list);
}

void file_unlock_at_release(struct file *file)
{
    unlock(file);
}

static bool is_free_for(const struct flock_list *list, bool exclusive)
{
    return !list->exclusive && (!exclusive || list->shared == 0);
}

int file_lock(struct file *file, int operation)
{
    bool wait = !(operation & LOCK_NB);
    operation &= ~LOCK_NB;
    if (operation != LOCK_SH && operation != LOCK_EX && operation != LOCK_UN)
        return -EINVAL;
    if (!file->inode)
        return -EBADF;
    bool exclusive = operation == LOCK_EX;
    if (operation == LOCK_UN) {
        unlock(file);
        return 0;
    }
    if (file->locks && (file->locks->exclusive == file) == exclusive)
        return 0; /* held already */
    unlock(file); /* converting is not atomic */
    for (;;) {
        struct flock_list *list = list_of(file->inode);
        if (is_free_for(list, exclusive)) {
            if (exclusive)
                list->exclusive = file;
            else
                list->shared++;
            file->locks = list;
            return 0;
        }
        if (!wait)
            return -EWOULDBLOCK;
        running->lock_wait = list;
        wait_on(&list->queue, FOREVER);
        running->lock_wait = NULL;
    }
}

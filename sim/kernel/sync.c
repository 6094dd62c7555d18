/* SPDX-License-Identifier: ISC */
/*
 * fsync, fdatasync and syncfs take virtual time while others run.  A sync under way is the
 * kernel's, not the process's: it completes although the process is killed.
 */
#include <errno.h>
#include <stdlib.h>

#include "sim/kernel/internal.h"
#include "sim/kernel/must.h"

struct sync_job {
    struct timer timer;
    struct host *host;
    struct sync_job *next;
    struct vfs_sync *sync;
    struct inode *inode; /* a reference, or NULL */
    struct wait_queue done;
};

static void job_unlink(struct sync_job *job)
{
    struct sync_job **at = &job->host->syncs;
    while (*at != job)
        at = &(*at)->next;
    *at = job->next;
}

static void job_free(struct sync_job *job)
{
    wait_drain(&job->done);
    if (job->inode)
        inode_unref(job->inode);
    free(job);
}

static void job_done(struct timer *timer)
{
    struct sync_job *job =
        (struct sync_job *) (void *) ((char *) timer - offsetof(struct sync_job, timer));
    vfs_sync_end(job->sync);
    job_unlink(job);
    job_free(job);
}

int sync_wait(struct host *host, struct inode *inode, bool data_only)
{
    struct kernel *kernel = host->kernel;
    const struct kernel_options *options = &kernel->options;
    uint64_t range = options->fsync_max_ns - options->fsync_min_ns;
    uint64_t duration = options->fsync_min_ns + random_below(&kernel->disk_random, range + 1) +
                        (uint64_t) running->slow_ns;
    if (running->sync_error) {
        if (running->sync_error == EIO)
            vfs_sync_fail(host->vfs, inode);
        wait_sleep(kernel->now_ns + (int64_t) duration);
        /* what was written meanwhile may have failed too, and this tells of it */
        if (running->sync_error == EIO)
            vfs_sync_fail(host->vfs, inode);
        return -running->sync_error;
    }
    struct sync_job *job = must(calloc(1, sizeof *job));
    job->host = host;
    job->inode = inode;
    if (inode)
        inode_ref(inode);
    job->next = host->syncs;
    host->syncs = job;
    job->timer.fire = job_done;
    job->sync = vfs_sync_begin(host->vfs, inode, data_only);
    scheduler_timer_set(kernel, &job->timer, kernel->now_ns + (int64_t) duration);
    wait_on(&job->done, FOREVER);
    return 0;
}

void sync_cancel_all(struct host *host)
{
    while (host->syncs) {
        struct sync_job *job = host->syncs;
        host->syncs = job->next;
        timer_cancel(&host->kernel->timers, &job->timer);
        job_free(job);
    }
}

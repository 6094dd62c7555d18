/* SPDX-License-Identifier: ISC */
/* poll(2). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sim/kernel/call.h"
#include "sim/kernel/calls.h"

#define MILLISECOND 1000000LL
#define SMALL 32 /* entries that need no memory of their own */

static int look(struct pollfd *fds, nfds_t count)
{
    int ready = 0;
    for (nfds_t i = 0; i < count; i++) {
        struct pollfd *fd = &fds[i];
        fd->revents = 0;
        if (fd->fd < 0)
            continue;
        struct file *file = descriptor_file(fd->fd);
        if (!file)
            fd->revents = POLLNVAL;
        else
            fd->revents =
                (short) (file->operations->ready(file, running) & (fd->events | POLLERR | POLLHUP));
        if (fd->revents)
            ready++;
    }
    return ready;
}

static void join_queues(const struct pollfd *fds, nfds_t count, struct wait_entry *entries)
{
    for (nfds_t i = 0; i < count; i++) {
        struct file *file = fds[i].fd < 0 ? NULL : descriptor_file(fds[i].fd);
        if (!file || !file->operations->queue)
            continue;
        wait_join(&entries[i], file->operations->queue(file, running));
    }
}

static int64_t wait_ready(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    struct process *process = running;
    int64_t deadline =
        timeout_ms < 0 ? FOREVER : process->kernel->now_ns + timeout_ms * (int64_t) MILLISECOND;
    struct wait_entry small[SMALL];
    struct wait_entry *entries = small;
    if (count > process->limits[RLIMIT_NOFILE].rlim_cur)
        return -EINVAL;
    if (count > SMALL) /* the process is in this one call: its scratch memory is free */
        entries = process_scratch(process, count * sizeof *entries);
    for (;;) {
        int ready = look(fds, count);
        if (ready > 0 || timeout_ms == 0)
            return ready;
        join_queues(fds, count, entries);
        if (!wait_sleep(deadline))
            return look(fds, count);
    }
}

/* The hash covers descriptors, events and results, not the padding of the caller's array. */
static void note(struct call *call, const struct pollfd *fds, nfds_t count)
{
    call->argument[0] = (int64_t) count;
    uint64_t sum = 0;
    for (nfds_t i = 0; i < count; i++)
        sum = sum * 0x100000001b3u + ((uint64_t) (uint32_t) fds[i].fd << 32 |
                                      (uint32_t) (uint16_t) fds[i].events << 16 |
                                      (uint16_t) fds[i].revents);
    call->argument[2] = (int64_t) sum;
}

int sim_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    struct call call = CALL(poll, .argument = {(int64_t) count, timeout_ms});
    if (call_enter(&call))
        call.result = wait_ready(fds, count, timeout_ms);
    note(&call, fds, count);
    return (int) call_leave(&call);
}

int sim___poll_chk(struct pollfd *fds, nfds_t count, int timeout_ms, size_t room)
{
    (void) room;
    return sim_poll(fds, count, timeout_ms);
}

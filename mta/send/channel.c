/* SPDX-License-Identifier: ISC */
/* The two channels: their spawners, limits and memory. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "mta/lib/control.h"
#include "mta/lib/io.h"
#include "mta/lib/mem.h"
#include "mta/lib/schedule.h"
#include "mta/send/send.h"

static const struct {
    enum spool_kind kind;
    const char *name, *control;
    unsigned skip, concurrency;
    int out_fd, in_fd;
} kinds[CHANNEL_COUNT] = {
    [DUE_LOCAL] = {SPOOL_LOCAL, "local", "concurrencylocal", SCHEDULE_SKIP_LOCAL, 20, 1, 2},
    [DUE_REMOTE] = {SPOOL_REMOTE, "remote", "concurrencyremote", SCHEDULE_SKIP_REMOTE, 20, 3, 4},
};

#define LIMIT_MAX 65535
#define SLOTS_FOR_GROUPS 1000 /* more than groups: for those of several recipients */

/* The spawner's limit: 2 bytes, little-endian, first of all.  0, or -1: there is no spawner. */
static int read_limit(const struct channel *channel, unsigned *limit)
{
    unsigned char bytes[2];
    size_t have = 0;
    while (have < sizeof bytes) {
        ssize_t count = io_read(channel->in_fd, bytes + have, sizeof bytes - have);
        if (count <= 0)
            return -1;
        have += (size_t) count;
    }
    *limit = bytes[0] | (unsigned) bytes[1] << 8;
    return 0;
}

static void *zeroed(size_t size)
{
    void *block = mem_alloc(size);
    if (block)
        memset(block, 0, size);
    return block;
}

/* What there is of it is in order also if something is not: channel_free looks at it. */
static int take_memory(struct channel *channel)
{
    channel->groups = zeroed(channel->group_count * sizeof *channel->groups);
    channel->slots = zeroed(channel->slot_count * sizeof *channel->slots);
    channel->jobs = zeroed((channel->group_count + 1) * sizeof *channel->jobs);
    for (unsigned i = 0; channel->jobs && i <= channel->group_count; i++)
        channel->jobs[i].fd = -1;
    if (!channel->groups || !channel->slots || !channel->jobs)
        return -1;
    channel->report.limit = 2 + REPORT_MAX;
    return buf_reserve(&channel->report, 2 + REPORT_MAX);
}

int channel_start(struct send *send, enum due_kind index)
{
    struct channel *channel = &send->channels[index];
    uint64_t concurrency;
    unsigned limit = 0;
    char path[64];
    channel->index = index;
    channel->kind = kinds[index].kind;
    channel->name = kinds[index].name;
    channel->skip = kinds[index].skip;
    channel->out_fd = kinds[index].out_fd;
    channel->in_fd = kinds[index].in_fd;
    snprintf(path, sizeof path, "%s", kinds[index].control);
    if (control_number(path, kinds[index].concurrency, LIMIT_MAX, &concurrency) < 0)
        return -1;
    if (read_limit(channel, &limit) < 0) {
        errno = EPIPE;
        return -1;
    }
    channel->group_count = concurrency < limit ? (unsigned) concurrency : limit;
    channel->group_max = index == DUE_REMOTE ? GROUP_MAX : 1;
    channel->slot_count = channel->group_count;
    if (channel->group_max > 1 && channel->slot_count <= LIMIT_MAX - SLOTS_FOR_GROUPS)
        channel->slot_count += SLOTS_FOR_GROUPS;
    if (io_set_nonblocking(channel->in_fd) < 0 || io_set_nonblocking(channel->out_fd) < 0)
        return -1;
    return take_memory(channel);
}

void channel_free(struct channel *channel)
{
    for (unsigned i = 0; channel->slots && i < channel->slot_count; i++)
        buf_free(&channel->slots[i].piece);
    for (unsigned i = 0; channel->jobs && i <= channel->group_count; i++) {
        io_close(&channel->jobs[i].fd);
        buf_free(&channel->jobs[i].file);
        buf_free(&channel->jobs[i].sender);
    }
    mem_free(channel->groups);
    mem_free(channel->slots);
    mem_free(channel->jobs);
    buf_free(&channel->out);
    buf_free(&channel->report);
    memset(channel, 0, sizeof *channel);
}

bool channel_has_room(const struct channel *channel)
{
    return channel->groups_used < channel->group_count && channel->used < channel->slot_count;
}

void channel_log_status(struct send *send)
{
    const struct channel *local = &send->channels[DUE_LOCAL];
    const struct channel *remote = &send->channels[DUE_REMOTE];
    logline(&send->log, "status: local %n/%n remote %n/%n%s", (uint64_t) local->groups_running,
            (uint64_t) local->group_count, (uint64_t) remote->groups_running,
            (uint64_t) remote->group_count, send->exit_asap ? " exitasap" : "");
}

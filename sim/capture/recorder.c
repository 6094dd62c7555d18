/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/capture/recorder.h"
#include "sim/capture/synth.h"
#include "sim/capture/writer.h"
#include "sim/kernel/net.h"
#include "sim/world/pool.h"

struct outlet {
    const struct host *inside; /* NULL: between hosts */
    char *name;
    struct capture_writer *writer; /* NULL: it could not be made */
    int error;
};

struct recorder {
    struct kernel *kernel;
    struct pool pool;
    const char *directory, *name;
    struct synth *synth;
    struct outlet *outlets;
    size_t count;
};

static struct outlet *outlet_for(struct recorder *recorder, const struct host *inside)
{
    struct outlet *outlet;

    for (size_t i = 0; i < recorder->count; i++)
        if (recorder->outlets[i].inside == inside)
            return &recorder->outlets[i];
    outlet = POOL_ADD(&recorder->pool, recorder->outlets, recorder->count);
    outlet->inside = inside;
    outlet->name =
        inside ? pool_format(&recorder->pool, "%s.%s-lo.pcap", recorder->name, host_name(inside))
               : pool_format(&recorder->pool, "%s.pcap", recorder->name);
    outlet->writer = capture_open(recorder->directory, outlet->name);
    outlet->error = outlet->writer ? 0 : errno;
    return outlet;
}

/* On a process's stack, with its errno. */
static void record(void *context, const struct host *inside, int64_t wall_ns, const void *packet,
                   size_t size)
{
    int error = errno;
    struct outlet *outlet = outlet_for(context, inside);

    if (!outlet->error && capture_add(outlet->writer, wall_ns, packet, size) < 0)
        outlet->error = errno;
    errno = error;
}

struct recorder *recorder_start(struct kernel *kernel, const char *directory, const char *name)
{
    struct recorder *recorder = must_zeroed(sizeof *recorder);

    recorder->kernel = kernel;
    recorder->directory = pool_text(&recorder->pool, directory);
    recorder->name = pool_text(&recorder->pool, name);
    recorder->synth = synth_create(record, recorder);
    net_observe(kernel, synth_observe, recorder->synth);
    return recorder;
}

static void note_failure(const struct recorder *recorder, const struct outlet *outlet,
                         struct recorded *recorded)
{
    size_t size = strlen(recorder->directory) + strlen(outlet->name) + 2;

    if (recorded->failed)
        return;
    recorded->failed = must_alloc(size);
    snprintf(recorded->failed, size, "%s/%s", recorder->directory, outlet->name);
    recorded->error = outlet->error;
}

static void finish(const struct recorder *recorder, struct outlet *outlet,
                   struct recorded *recorded)
{
    uint64_t packets = outlet->writer ? capture_count(outlet->writer) : 0;

    if (outlet->writer && capture_close(outlet->writer) < 0)
        outlet->error = errno;
    if (outlet->error) {
        note_failure(recorder, outlet, recorded);
        return;
    }
    recorded->files++;
    recorded->packets += packets;
}

void recorder_end(struct recorder *recorder, struct recorded *recorded)
{
    net_observe(recorder->kernel, NULL, NULL);
    for (size_t i = 0; i < recorder->count; i++)
        finish(recorder, &recorder->outlets[i], recorded);
    synth_free(recorder->synth);
    pool_free(&recorder->pool);
    free(recorder);
}

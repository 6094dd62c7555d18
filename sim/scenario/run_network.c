/* SPDX-License-Identifier: ISC */
/* What a scenario says of the paths between its machines, and of machines with actors. */
#include <stdlib.h>
#include <string.h>

#include "sim/kernel/net.h"
#include "sim/scenario/runner.h"

/* A path that was set; those that came later stand behind. */
struct set_path {
    size_t from, to; /* machines, or ANY */
    struct net_path path;
};

#define ANY SIZE_MAX

size_t machine_of_actor(const struct run *run, struct actor actor)
{
    const struct scenario *scenario = run->scenario;

    switch (actor.kind) {
    case ACTOR_HOST:
        return actor.index;
    case ACTOR_REMOTE:
        return scenario->host_count + actor.index;
    case ACTOR_CLIENT:
        return scenario->host_count + scenario->remote_count + actor.index;
    case ACTOR_DNS:
        return scenario->host_count + scenario->remote_count + scenario->client_count;
    case ACTOR_ANY:
        break;
    }
    return ANY;
}

static struct host *host_of(const struct run *run, size_t machine)
{
    return machine < run->world->machine_count ? run->world->machines[machine].host : NULL;
}

/* What holds so far: the last that was set for that pair, or for more. */
static struct net_path path_now(const struct run *run, size_t from, size_t to)
{
    struct net_path path = {.delay_ns = 100000};

    for (size_t i = 0; i < run->path_count; i++)
        if ((run->paths[i].from == ANY || run->paths[i].from == from) &&
            (run->paths[i].to == ANY || run->paths[i].to == to))
            path = run->paths[i].path;
    return path;
}

static void remember_path(struct run *run, size_t from, size_t to, const struct net_path *path)
{
    size_t kept = 0;

    for (size_t i = 0; i < run->path_count; i++) /* it stands behind all others then */
        if (run->paths[i].from != from || run->paths[i].to != to)
            run->paths[kept++] = run->paths[i];
    run->path_count = kept;
    *LIST_ADD(run->paths, run->path_count) = (struct set_path){from, to, *path};
}

static void cut(struct run *run, const struct network *network, size_t from, size_t to)
{
    enum net_cut how = network->cut == CUT_RESET ? NET_CUT_RESET : NET_CUT_SILENT;

    net_cut(run->world->kernel, host_of(run, from), host_of(run, to), network->cut_connection,
            network->cut_by_client, network->cut_bytes, how);
}

static const char *name_of(const struct run *run, size_t machine)
{
    return machine < run->world->machine_count ? run->world->machines[machine].name : "any";
}

void network_set(struct run *run, const struct network *network)
{
    static const enum net_fate fates[] = {[FATE_OPEN] = NET_OPEN,
                                          [FATE_REFUSE] = NET_REFUSE,
                                          [FATE_UNREACHABLE] = NET_UNREACHABLE,
                                          [FATE_SILENT] = NET_BLACK_HOLE};
    size_t from = machine_of_actor(run, network->from), to = machine_of_actor(run, network->to);
    struct net_path path = path_now(run, from, to);

    run->world->network_changed = true;
    world_tell(run->world, from < run->world->machine_count ? from : 0,
               "network   from %s to %s changes", name_of(run, from), name_of(run, to));
    if (network->cut != CUT_NONE) {
        cut(run, network, from, to);
        return;
    }
    if (network->sets_delay)
        path.delay_ns = network->delay_ns;
    if (network->sets_bandwidth)
        path.bandwidth = network->bandwidth;
    if (network->sets_fate)
        path.fate = fates[network->fate];
    remember_path(run, from, to, &path);
    net_set_path(run->world->kernel, host_of(run, from), host_of(run, to), &path);
}

void network_start(struct run *run)
{
    for (size_t i = 0; i < run->scenario->network_count; i++)
        network_set(run, &run->scenario->networks[i]);
    for (size_t i = run->world->host_count; i < run->world->machine_count; i++)
        world_start_actor(run->world, i);
}

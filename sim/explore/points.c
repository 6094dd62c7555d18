/* SPDX-License-Identifier: ISC */
#include "sim/explore/points.h"

#include <string.h>

#include "sim/explore/ledger.h"
#include "sim/explore/states.h"
#include "sim/programs.h"

void points_start(struct points *points, const struct points_options *options,
                  const struct points_hearer *hearer)
{
    *points = (struct points){.options = options, .hearer = *hearer, .complete = true};
}

/* Calls after which the disk or what was promised may differ. */
static bool matters(const struct call *call)
{
    if (call->changed_disk)
        return true;
    return call->result >= 0 &&
           (call->id == CALL_exit || call->id == CALL_write || call->id == CALL_sendmsg);
}

size_t host_of_call(const struct world *world, const struct call *call)
{
    size_t host = 0;
    while (host < world->host_count && world->machines[host].host != process_host(call->process))
        host++;
    return host;
}

/* Programs that people run, and that end soon: they are no part of the server. */
static bool is_part_of_server(const char *program)
{
    static const char *const others[] = {"nixie-inject", "nixie-sendmail", "nixie-qread",
                                         "nixie-qstat"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strcmp(program, others[i]) == 0)
            return false;
    return strncmp(program, "nixie-", 6) == 0;
}

static void look_at_kills(const struct points *points, struct host *host, const struct point *point)
{
    const struct points_hearer *hearer = &points->hearer;
    if (points->options->crashes & EXPLORE_PROGRAMS)
        hearer->kill(hearer->context, point, "*");
    if (!(points->options->crashes & EXPLORE_ONE))
        return;
    for (const struct program *program = programs; program->name; program++)
        if (is_part_of_server(program->name) && host_find_process(host, program->name))
            hearer->kill(hearer->context, point, program->name);
}

struct state_teller {
    const struct points_hearer *hearer;
    const struct point *point;
};

static void tell_state(void *context, uint64_t hash, const unsigned *answers, size_t count)
{
    const struct state_teller *teller = context;
    teller->hearer->state(teller->hearer->context, teller->point, hash, answers, count);
}

static void look_at_host(struct points *points, const struct world *world,
                         const struct point *point)
{
    struct states_options states = {.limit = points->options->states,
                                    .seed = points->options->seed};
    struct state_teller teller = {&points->hearer, point};
    struct host *host = world->machines[point->host].host;
    look_at_kills(points, host, point);
    if (points->options->crashes & EXPLORE_MACHINE &&
        !states_walk(host_vfs(host), &states, tell_state, &teller))
        points->complete = false;
}

/* Any host of ours may lose power when a remote has taken a message, or a client was told that its
 * message is accepted. */
static void look_at_hosts(struct points *points, const struct world *world, struct point *point)
{
    for (point->host = 0; point->host < world->host_count; point->host++)
        if (host_is_up(world->machines[point->host].host))
            look_at_host(points, world, point);
}

void points_after(struct points *points, const struct world *world, const struct call *call)
{
    const struct points_options *options = points->options;
    if (call->number <= options->after || world->finished || !options->crashes || !matters(call))
        return;
    struct point point = {call->number, host_of_call(world, call), ledger_hash(world)};
    bool same_ledger = point.ledger == points->ledger;
    points->ledger = point.ledger;
    if (point.host == world->host_count && same_ledger)
        return; /* an actor did what matters to nobody */
    if (options->every > 1 && points->index++ % options->every != 0) {
        points->complete = false;
        return;
    }
    points->looked_at++;
    if (point.host < world->host_count)
        look_at_host(points, world, &point);
    else
        look_at_hosts(points, world, &point);
}

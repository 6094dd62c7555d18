/* SPDX-License-Identifier: ISC */
#include "sim/explore/points.h"

#include <string.h>

#include "sim/explore/coverage.h"
#include "sim/explore/faults.h"
#include "sim/explore/ledger.h"
#include "sim/explore/states.h"
#include "sim/programs.h"

void points_start(struct points *points, const struct points_options *options, points_teller *tell,
                  void *context)
{
    *points = (struct points){.options = options, .tell = tell, .context = context};
}

/* Counts a point; true if it is to be looked at. */
static bool is_wanted(const struct points_options *options, uint64_t *count)
{
    uint64_t number = (*count)++;
    if (options->every > 1) {
        if (number % options->every != 0)
            return false;
        number /= options->every;
    }
    return options->chunks < 2 || number % options->chunks == options->chunk;
}

/* --- crashes ----------------------------------------------------------------------------------*/

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

/* A crash point on one host. */
struct place {
    struct points *points;
    const struct world *world;
    const struct call *call;
    size_t host;
};

static void tell(const struct place *place, struct planned planned, uint64_t hash)
{
    planned.call = place->call->number;
    planned.host = place->host;
    struct candidate candidate = {
        .planned = planned,
        .hash = hash,
        .order = place->points->moment,
        .key = coverage_of_upset(place->world, &planned, place->call, place->host)};
    place->points->tell(place->points->context, &candidate);
}

static void look_at_kills(const struct place *place)
{
    struct host *host = place->world->machines[place->host].host;
    unsigned crashes = place->points->options->crashes;
    if (crashes & EXPLORE_PROGRAMS)
        tell(place, (struct planned){.kind = UPSET_KILL, .program = "*"}, 0);
    if (!(crashes & EXPLORE_ONE))
        return;
    for (const struct program *program = programs; program->name; program++)
        if (is_part_of_server(program->name) && host_find_process(host, program->name))
            tell(place, (struct planned){.kind = UPSET_KILL, .program = program->name}, 0);
}

static void tell_state(void *context, uint64_t hash, const unsigned *answers, size_t count)
{
    const struct place *place = context;
    hash = (hash * 0x9e3779b97f4a7c15u ^ place->points->ledger) + place->host * 0xd1b54a32d192ed03u;
    tell(place,
         (struct planned){
             .kind = UPSET_POWER, .answers = (unsigned *) answers, .answer_count = count},
         hash ? hash : 1);
}

static void look_at_power(struct place *place)
{
    const struct points_options *options = place->points->options;
    struct states_options states = {.limit = options->states, .seed = options->seed};
    if (options->states) {
        if (!states_walk(host_vfs(place->world->machines[place->host].host), &states, tell_state,
                         place))
            place->points->sampled = true;
        return;
    }
    tell(place, (struct planned){.kind = UPSET_POWER}, 0);
    tell(place,
         (struct planned){
             .kind = UPSET_POWER,
             .chance = (options->seed * 0x9e3779b97f4a7c15u + place->call->number) >> 20 | 1},
         0);
    place->points->sampled = true;
}

static void look_at_host(struct place *place)
{
    look_at_kills(place);
    if (place->points->options->crashes & EXPLORE_MACHINE)
        look_at_power(place);
}

/* Any host of ours may lose power when a remote has taken a message, or a client was told that its
 * message is accepted. */
static void look_at_hosts(struct place *place)
{
    for (place->host = 0; place->host < place->world->host_count; place->host++)
        if (host_is_up(place->world->machines[place->host].host))
            look_at_host(place);
}

void points_after(struct points *points, const struct world *world, const struct call *call)
{
    const struct points_options *options = points->options;
    points->moment++;
    if (call->number <= options->after || world->finished || !options->crashes || !matters(call))
        return;
    struct place place = {points, world, call, host_of_call(world, call)};
    uint64_t ledger = ledger_hash(world);
    bool same_ledger = ledger == points->ledger;
    points->ledger = ledger;
    if (place.host == world->host_count && same_ledger)
        return; /* an actor did what matters to nobody */
    if (!is_wanted(options, &points->crash_count))
        return;
    points->looked_at++;
    if (place.host < world->host_count)
        look_at_host(&place);
    else
        look_at_hosts(&place);
}

/* --- faults -----------------------------------------------------------------------------------*/

static void tell_fault(void *context, const struct fault_plan *fault)
{
    const struct place *place = context;
    struct candidate candidate = {
        .planned = {.kind = UPSET_FAULT, .fault = *fault, .call = fault->call_number},
        .order = place->points->moment};
    candidate.key = coverage_of_upset(place->world, &candidate.planned, place->call, place->host);
    place->points->tell(place->points->context, &candidate);
}

void points_before(struct points *points, const struct world *world, const struct call *call)
{
    const struct points_options *options = points->options;
    points->moment++;
    if (call->number <= options->after || world->finished || !options->faults)
        return;
    if (!faults_of(world, call) || !is_wanted(options, &points->fault_count))
        return;
    struct place place = {points, world, call, host_of_call(world, call)};
    faults_of_call(world, call, options->faults, tell_fault, &place);
}

static void tell_allocation(void *context, const struct fault_plan *fault)
{
    struct points *points = context;
    points->moment++;
    if (!is_wanted(points->options, &points->fault_count))
        return;
    struct candidate candidate = {.planned = {.kind = UPSET_FAULT, .fault = *fault},
                                  .order = points->moment};
    points->tell(points->context, &candidate);
}

void points_end(struct points *points, uint64_t allocations)
{
    if (points->options->after == 0) /* an allocation's number is none of a call */
        faults_of_memory(allocations, points->options->faults, tell_allocation, points);
}

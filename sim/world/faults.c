/* SPDX-License-Identifier: ISC */
#include "sim/world/faults.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/world/internal.h"
#include "sim/world/words.h"

/* --- counting --------------------------------------------------------------------------------*/

/* How many calls a program has made, for plans that know only their number in the run. */
struct call_counts {
    const char *program; /* as the kernel has it: one pointer a name */
    uint64_t calls[CALL_COUNT];
    uint64_t allocations;
};

struct fault_counts {
    struct call_counts *programs;
    size_t count;
};

static struct call_counts *counts_of(struct world *world, const char *program)
{
    struct fault_counts *counts = world->fault_counts;
    struct call_counts *found;

    assert(counts);
    for (size_t i = 0; i < counts->count; i++)
        if (counts->programs[i].program == program)
            return &counts->programs[i];
    found = LIST_ADD(counts->programs, counts->count);
    found->program = program;
    return found;
}

/* --- rules -----------------------------------------------------------------------------------*/

static bool allocation_fails(void *context, const struct process *process, uint64_t number);

void faults_add_rule(struct world *world, const struct fault_rule *rule)
{
    *LIST_ADD(world->faults, world->fault_count) = *rule;
    if (rule->kind == FAULT_MEMORY)
        kernel_count_allocations(world->kernel, "nixie-", allocation_fails, world);
    if (!world->fault_counts && rule->call_number) {
        world->fault_counts = must_alloc(sizeof *world->fault_counts);
        memset(world->fault_counts, 0, sizeof *world->fault_counts);
    }
}

void faults_add_plan(struct world *world, const struct fault_plan *plan)
{
    bool lasts = plan->kind == FAULT_ERROR && plan->amount > 0;
    struct fault_rule rule = {.call =
                                  plan->kind == FAULT_MEMORY ? FAULT_ALLOCATION : FAULT_ANY_CALL,
                              .times = plan->times,
                              .lasts_ns = lasts ? plan->amount : 0,
                              .kind = plan->kind,
                              .error = plan->error,
                              .amount = lasts ? 0 : plan->amount,
                              .call_number = plan->call_number,
                              .any = plan->any};

    faults_add_rule(world, &rule);
}

void faults_free(struct world *world)
{
    free(world->faults);
    if (world->fault_counts)
        free(world->fault_counts->programs);
    free(world->fault_counts);
}

/* It is one of the calls that the rule counts. */
static bool is_meant(const struct world *world, const struct fault_rule *rule,
                     const struct call *call)
{
    if (rule->program && strcmp(process_name(call->process), rule->program) != 0)
        return false;
    if (rule->call == FAULT_ANY_CALL ? !(faults_of(world, call) & fault_of_error(rule->error))
                                     : rule->call != (int) call->id)
        return false;
    return !rule->path ||
           (call->path && pattern_found(rule->path, call->path, strlen(call->path), false));
}

/* One more of them: true if it is hit. */
static bool count_hit(struct fault_rule *rule, int64_t now_ns)
{
    uint64_t times = rule->times ? rule->times : 1;
    bool hit;

    rule->seen++;
    if (rule->seen < rule->first)
        return false;
    hit = rule->hits == 0 || (rule->lasts_ns ? now_ns < rule->hit_ns + rule->lasts_ns
                                             : rule->seen < rule->first + times);
    if (hit && rule->hits++ == 0)
        rule->hit_ns = now_ns;
    return hit;
}

/* A plan's call is there: from now on it is a rule as any other. */
static void settle_plan(struct world *world, struct fault_rule *rule, const struct call *call)
{
    rule->call_number = 0;
    if (rule->any) {
        rule->first = rule->seen + 1;
        return;
    }
    rule->program = process_name(call->process);
    rule->call = (int) call->id;
    rule->first = counts_of(world, rule->program)->calls[call->id];
    rule->seen = rule->first - 1;
}

static bool rule_hits(struct world *world, struct fault_rule *rule, const struct call *call)
{
    if (rule->call_number == call->number)
        settle_plan(world, rule, call);
    if (rule->call_number && rule->any) /* counts, so that it can be put in words */
        rule->seen += is_meant(world, rule, call);
    return !rule->call_number && is_meant(world, rule, call) && count_hit(rule, call->time_ns);
}

/* --- words -----------------------------------------------------------------------------------*/

static const char *program_word(const struct fault_rule *rule)
{
    if (!rule->program)
        return "any";
    return strncmp(rule->program, "nixie-", 6) == 0 ? rule->program + 6 : rule->program;
}

/* "1h", "90s", "5ms": exact to the microsecond. */
static void print_time(FILE *to, int64_t ns)
{
    static const struct {
        int64_t ns;
        const char *name;
    } units[] = {{3600 * NANOSECONDS, "h"},
                 {60 * NANOSECONDS, "m"},
                 {NANOSECONDS, "s"},
                 {1000000, "ms"},
                 {1000, "us"}};
    size_t i = 0;

    while (i < sizeof units / sizeof *units - 1 && ns % units[i].ns != 0)
        i++;
    fprintf(to, "%lld%s", (long long) (ns / units[i].ns), units[i].name);
}

static void print_what(FILE *to, const struct fault_rule *rule)
{
    switch (rule->kind) {
    case FAULT_ERROR:
        fputs(strerrorname_np(rule->error), to);
        break;
    case FAULT_SHORT:
        fputs("short", to);
        if (rule->amount > 1)
            fprintf(to, " %lld bytes", (long long) rule->amount);
        break;
    case FAULT_SLOW:
        fputs("slow ", to);
        print_time(to, rule->amount);
        break;
    case FAULT_CLOCK:
        fputs(rule->amount < 0 ? "clock back " : "clock forward ", to);
        print_time(to, rule->amount < 0 ? -rule->amount : rule->amount);
        break;
    case FAULT_WAKEUP:
        fputs("lost", to);
        break;
    case FAULT_NET:
        fputs("reset", to);
        if (rule->amount > 0)
            fprintf(to, " after %lld bytes", (long long) rule->amount);
        break;
    case FAULT_MEMORY:
        break;
    }
}

char *fault_line(const struct fault_rule *rule)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to;

    if (rule->call_number)
        return NULL;
    to = open_memstream(&text, &size);
    if (!to)
        return must_copy("", 0);
    fprintf(to, "fault %s ", program_word(rule));
    fputs(rule->call == FAULT_ALLOCATION ? "allocation"
          : rule->call == FAULT_ANY_CALL ? "any"
                                         : call_name((enum call_id) rule->call),
          to);
    fprintf(to, " %llu%s", (unsigned long long) rule->first, rule->kind == FAULT_MEMORY ? "" : " ");
    print_what(to, rule);
    if (rule->times > 1 && !rule->lasts_ns)
        fprintf(to, " times %llu", (unsigned long long) rule->times);
    if (rule->lasts_ns) {
        fputs(" for ", to);
        print_time(to, rule->lasts_ns);
    }
    if (rule->path)
        fprintf(to, " path \"%s\"", rule->path);
    fclose(to);
    return text;
}

/* --- what happens ----------------------------------------------------------------------------*/

static void tell(struct machine *machine, const struct fault_rule *rule, const struct call *call)
{
    char *line = machine->world->story ? fault_line(rule) : NULL;

    if (line)
        world_tell(machine->world, machine->index, "fault     %s[%d] %s%s%s: %s",
                   process_name(call->process), (int) process_pid(call->process),
                   call_name(call->id), call->path ? " " : "", call->path ? call->path : "", line);
    free(line);
}

static unsigned hit_of_program(const char *name)
{
    static const struct {
        const char *name;
        unsigned hit;
    } programs[] = {
        {"nixie-start", HIT_TREE},      {"nixie-log", HIT_TREE},
        {"nixie-send", HIT_SEND},       {"nixie-clean", HIT_SEND},
        {"nixie-lspawn", HIT_SPAWN},    {"nixie-rspawn", HIT_SPAWN},
        {"nixie-local", HIT_DELIVERY},  {"nixie-remote", HIT_DELIVERY},
        {"nixie-queue", HIT_QUEUE},     {"nixie-smtpd", HIT_CLIENT},
        {"nixie-listen", HIT_CLIENT},   {"nixie-inject", HIT_CLIENT},
        {"nixie-sendmail", HIT_CLIENT}, {"nixie-admin", HIT_ADMIN},
    };

    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++)
        if (strcmp(programs[i].name, name) == 0)
            return programs[i].hit;
    return HIT_ANY & ~(HIT_LINE | HIT_SYNC | HIT_UNSYNCED);
}

static bool is_sync(const struct call *call)
{
    return call->id == CALL_fsync || call->id == CALL_fdatasync || call->id == CALL_syncfs;
}

/* nixie-send's descriptor 0 is the log. */
static unsigned hit_of_call(const struct call *call)
{
    const char *name = process_name(call->process);
    bool line = call->id == CALL_write && call->fd == 0 && strcmp(name, "nixie-send") == 0;

    return hit_of_program(name) | (line ? HIT_LINE : 0) | (is_sync(call) ? HIT_SYNC : 0);
}

static struct upset *note(struct machine *machine, enum upset_kind kind, int64_t time_ns,
                          unsigned hit)
{
    struct world *world = machine->world;
    struct upset *upset;

    upset = LIST_ADD(world->upsets, world->upset_count);
    upset->machine = machine->index;
    upset->time_ns = time_ns;
    upset->kind = kind;
    upset->hit = hit;
    machine->faulted = true;
    return upset;
}

/* Returns the errno for an ERROR, else 0; a sync fails only when it has taken its time. */
static int strike(struct machine *machine, const struct fault_rule *rule, const struct call *call)
{
    struct kernel *kernel = machine->world->kernel;

    tell(machine, rule, call);
    switch (rule->kind) {
    case FAULT_ERROR:
        note(machine, UPSET_FAULT, call->time_ns, hit_of_call(call));
        if (!is_sync(call))
            return rule->error;
        kernel_fail_sync(kernel, rule->error);
        break;
    case FAULT_SHORT:
        kernel_shorten(kernel, rule->amount > 0 ? (size_t) rule->amount : 1);
        break;
    case FAULT_SLOW:
        note(machine, UPSET_SLOW, call->time_ns, hit_of_call(call))->lasts_ns = rule->amount;
        kernel_slow(kernel, rule->amount);
        break;
    case FAULT_CLOCK:
        world_step_clock(machine->world, rule->amount);
        break;
    case FAULT_WAKEUP:
        note(machine, UPSET_SLOW, call->time_ns, hit_of_call(call));
        kernel_discard(kernel);
        break;
    case FAULT_NET:
        machine->world->network_changed = true;
        if (process_file_kind(call->process, call->fd) == FILE_UDP)
            kernel_discard(kernel);
        else
            kernel_reset(kernel, call->fd, rule->amount > 0 ? (uint64_t) rule->amount : 0);
        break;
    case FAULT_MEMORY:
        break;
    }
    return 0;
}

void faults_after(struct machine *machine, const struct call *call)
{
    bool for_good = vfs_sync_error(host_vfs(machine->host), NULL) > 0;

    if (is_sync(call) && call->result != -EINVAL && call->result != -EBADF)
        note(machine, UPSET_FAULT, call->time_ns,
             hit_of_call(call) | (for_good ? HIT_UNSYNCED : 0));
}

void faults_synced(struct machine *machine, int64_t time_ns)
{
    struct world *world = machine->world;

    for (size_t i = world->upset_count; i-- > 0;) {
        struct upset *upset = &world->upsets[i];

        if (upset->machine != machine->index || upset->kind != UPSET_FAULT)
            continue;
        if (upset->good_ns)
            return;
        upset->good_ns = time_ns;
    }
}

int faults_before(struct machine *machine, const struct call *call)
{
    struct world *world = machine->world;
    int error = 0;

    if (machine->kind == MACHINE_HOST && strncmp(process_name(call->process), "nixie-", 6) != 0)
        return 0;
    if (world->fault_counts)
        counts_of(world, process_name(call->process))->calls[call->id]++;
    for (size_t i = 0; i < world->fault_count && error == 0; i++) {
        struct fault_rule *rule = &world->faults[i];

        if (rule->kind == FAULT_MEMORY ||
            (machine->kind != MACHINE_HOST && rule->kind != FAULT_NET))
            continue;
        if (rule_hits(world, rule, call))
            error = strike(machine, rule, call);
    }
    return error;
}

/* --- memory ----------------------------------------------------------------------------------*/

static struct machine *machine_of_process(struct world *world, const struct process *process)
{
    for (size_t i = 0; i < world->host_count; i++)
        if (world->machines[i].host == process_host(process))
            return &world->machines[i];
    return NULL;
}

static bool allocation_hits(struct world *world, struct fault_rule *rule, const char *program,
                            uint64_t number)
{
    if (rule->kind != FAULT_MEMORY)
        return false;
    if (rule->call_number == number) {
        rule->call_number = 0;
        rule->program = program;
        rule->first = counts_of(world, program)->allocations;
        rule->seen = rule->first - 1;
    }
    return !rule->call_number && (!rule->program || strcmp(rule->program, program) == 0) &&
           count_hit(rule, kernel_now(world->kernel));
}

static bool allocation_fails(void *context, const struct process *process, uint64_t number)
{
    struct world *world = context;
    struct machine *machine = machine_of_process(world, process);
    bool fails = false;

    if (!machine || world->finished)
        return false;
    if (world->fault_counts)
        counts_of(world, process_name(process))->allocations++;
    for (size_t i = 0; i < world->fault_count; i++)
        fails |= allocation_hits(world, &world->faults[i], process_name(process), number);
    if (!fails)
        return false;
    note(machine, UPSET_FAULT, kernel_now(world->kernel), hit_of_program(process_name(process)));
    if (world->story)
        world_tell(world, machine->index, "fault     %s[%d] allocation %llu fails",
                   process_name(process), (int) process_pid(process), (unsigned long long) number);
    return true;
}

/* SPDX-License-Identifier: ISC */
/* The server's process tree on a machine of the world: its start and its end, and what is done to
 * it. */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "sim/world/home.h"
#include "sim/world/internal.h"

static void tree_output(void *context, struct process *process, int fd, const char *data,
                        size_t size)
{
    struct machine *machine = context;

    (void) process;
    while (size > 0 && data[size - 1] == '\n')
        size--;
    world_tell(machine->world, machine->index, "output%d   %.*s", fd, (int) size, data);
}

/* Whoever watches over the server (init, systemd) starts it again if a fault has ended it. */
static void start_again(void *context)
{
    struct machine *machine = context;

    if (!machine->world->finished && !machine->stopped)
        world_start(machine->world, machine->index);
}

/* Nothing has gone wrong since the server was started, and there is room: it does not end by
 * itself. */
static void check_end(struct machine *machine, int status)
{
    const struct world *world = machine->world;

    if (world->finished || machine->stopped || status == -1 || !WIFEXITED(status) ||
        machine->squeezed || machine->spec->capacity_bytes > 0)
        return;
    for (size_t i = 0; i < world->upset_count; i++)
        if (world->upsets[i].machine == machine->index &&
            (world->upsets[i].kind == UPSET_FAULT || world->upsets[i].kind == UPSET_KILL ||
             world->upsets[i].order == ORDER_STOP) &&
            world->upsets[i].time_ns >= machine->started_ns)
            return;
    world_accuse(machine->world, "START", NO_LETTER, 0, "nixie-start ended with %d, for no reason",
                 WEXITSTATUS(status));
}

static void tree_ended(void *context, struct process *process, int status)
{
    struct machine *machine = context;
    struct kernel *kernel = machine->world->kernel;

    machine->tree = NULL;
    check_end(machine, status);
    if (!machine->world->finished && machine->start_wanted && status != -1)
        kernel_at(kernel, kernel_now(kernel), start_again, machine);
    else if (!machine->world->finished && machine->faulted && !machine->stopped && status != -1)
        kernel_at(kernel, kernel_now(kernel) + NANOSECONDS, start_again, machine);
    if (!machine->world->finished && status != -1)
        world_tell(machine->world, machine->index, "server    %s ended with status %d",
                   process_name(process), WIFEXITED(status) ? WEXITSTATUS(status) : -status);
}

/* Who was stopped ends only when its deliveries do, be that long after the stop. */
static void note_started_again(struct world *world, size_t index)
{
    for (size_t i = world->upset_count; i-- > 0;) {
        struct upset *upset = &world->upsets[i];

        if (upset->machine != index || upset->order != ORDER_STOP)
            continue;
        if (!upset->again_ns)
            upset->again_ns = kernel_now(world->kernel);
        return;
    }
}

void world_start(struct world *world, size_t index)
{
    struct machine *machine = &world->machines[index];
    int error = 0;

    /* One that was stopped ends its deliveries first. */
    machine->start_wanted = machine->tree && (machine->stopped || machine->start_wanted);
    machine->stopped = false;
    if (machine->tree || !host_is_up(machine->host))
        return;
    world_tell(world, index, "start     the server");
    machine->started_ns = kernel_now(world->kernel);
    note_started_again(world, index);
    machine->tree =
        home_start(machine->host, machine->spec, tree_output, tree_ended, machine, &error);
    if (!machine->tree)
        world_accuse(world, "START", NO_LETTER, 0, "nixie-start does not start: %s",
                     strerror(error));
}

/* A server that is started again counts anew, while workers of the old one end their sessions. */
static void forget_sessions(struct world *world, size_t index)
{
    world->machines[index].sessions = 0;
    for (size_t i = 0; i < world->letter_count; i++)
        if (world->letters[i].machine == index)
            world->letters[i].in_session = false;
}

struct upset *upset_note(struct world *world, size_t index, enum upset_kind kind)
{
    struct upset *upset = LIST_ADD(world->upsets, world->upset_count);

    if (kind == UPSET_POWER || kind == UPSET_KILL)
        forget_sessions(world, index);
    upset->machine = index;
    upset->time_ns = kernel_now(world->kernel);
    upset->kind = kind;
    return upset;
}

void world_step_clock(struct world *world, int64_t step_ns)
{
    for (size_t i = 0; i < world->host_count; i++)
        upset_note(world, i, UPSET_CLOCK)->back_ns = step_ns < 0 ? -step_ns : 0;
    kernel_step_wall(world->kernel, step_ns);
}

void world_stop(struct world *world, size_t index)
{
    struct machine *machine = &world->machines[index];

    upset_note(world, index, UPSET_ORDER)->order = ORDER_STOP;
    machine->stopped = true;
    machine->start_wanted = false;
    world_tell(world, index, "stop      the server");
    if (machine->tree)
        process_signal(machine->tree, SIGTERM);
}

bool world_signal(struct world *world, size_t index, const char *program, int signal)
{
    struct process *process = host_find_process(world->machines[index].host, program);
    struct upset *upset;

    if (!process)
        return false;
    world_tell(world, index, "signal    %d to %s[%d]", signal, program, (int) process_pid(process));
    upset =
        upset_note(world, index,
                   signal == SIGKILL || signal == SIGTERM || signal == SIGSEGV || signal == SIGABRT
                       ? UPSET_KILL
                       : UPSET_ORDER);
    if (strcmp(program, "nixie-send") == 0)
        upset->order = signal == SIGALRM  ? ORDER_ALARM
                       : signal == SIGHUP ? ORDER_HANGUP
                                          : ORDER_OTHER;
    if (signal != SIGTERM && upset->kind == UPSET_KILL && strcmp(program, "nixie-send") == 0)
        log_note_end(&world->machines[index], true);
    process_signal(process, signal);
    return true;
}

void world_kill(struct world *world, size_t index, struct process *process)
{
    world_tell(world, index, "kill      %s[%d]", process_name(process), (int) process_pid(process));
    upset_note(world, index, UPSET_KILL);
    if (strcmp(process_name(process), "nixie-send") == 0)
        log_note_end(&world->machines[index], true);
    process_signal(process, SIGKILL);
}

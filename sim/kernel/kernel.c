/* SPDX-License-Identifier: ISC */
/* The kernel as a whole: making it, its programs, clocks, call-backs and accounts. */
#include "sim/kernel/kernel.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "sim/kernel/internal.h"
#include "sim/kernel/must.h"

#define EPOCH 1767225600 /* 2026-01-01 00:00:00 UTC */
#define CALL_NS 1000
#define SPIN_CALLS 2000000
#define FSYNC_MIN_NS 1000000
#define FSYNC_MAX_NS 8000000

static void set_defaults(struct kernel_options *options)
{
    if (!options->epoch)
        options->epoch = EPOCH;
    if (!options->call_ns)
        options->call_ns = CALL_NS;
    if (!options->spin_calls)
        options->spin_calls = SPIN_CALLS;
    if (!options->fsync_min_ns && !options->fsync_max_ns) {
        options->fsync_min_ns = FSYNC_MIN_NS;
        options->fsync_max_ns = FSYNC_MAX_NS;
    }
    if (options->fsync_max_ns < options->fsync_min_ns)
        options->fsync_max_ns = options->fsync_min_ns;
}

struct kernel *kernel_create(const struct kernel_options *options)
{
    struct kernel *kernel = must(calloc(1, sizeof *kernel));
    kernel->options = *options;
    set_defaults(&kernel->options);
    kernel->wall_ns = kernel->options.epoch * NANOSECONDS;
    random_seed(&kernel->schedule_random, options->seed, STREAM_SCHEDULE);
    random_seed(&kernel->disk_random, options->seed, STREAM_DISK);
    random_seed(&kernel->getrandom_random, options->seed, STREAM_GETRANDOM);
    random_seed(&kernel->boot_random, options->seed, STREAM_BOOT);
    policy_start(kernel);
    kernel->backend = options->backend;
    if (kernel->backend)
        kernel->backend->attach(kernel->backend->context, kernel);
    return kernel;
}

/* --- programs ----------------------------------------------------------------------------------*/

static size_t name_hash(const char *name, size_t length)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char) name[i]) * 0x100000001b3u;
    return hash ^ hash >> 32;
}

/* The entry of that name, or the free one where it belongs. */
static struct program_entry *program_slot(const struct kernel *kernel, const char *name,
                                          size_t length)
{
    size_t mask = kernel->program_room - 1;
    for (size_t i = name_hash(name, length) & mask;; i = (i + 1) & mask) {
        struct program_entry *entry = &kernel->programs[i];
        if (!entry->name || (strncmp(entry->name, name, length) == 0 && entry->name[length] == 0))
            return entry;
    }
}

static void grow_programs(struct kernel *kernel)
{
    struct program_entry *old = kernel->programs;
    size_t old_room = kernel->program_room;
    kernel->program_room = old_room ? old_room * 2 : 64;
    kernel->programs = must(calloc(kernel->program_room, sizeof *kernel->programs));
    for (size_t i = 0; i < old_room; i++)
        if (old[i].name)
            *program_slot(kernel, old[i].name, strlen(old[i].name)) = old[i];
    free(old);
}

void kernel_register_program(struct kernel *kernel, const char *name, program_main *main)
{
    if (kernel->program_count * 2 >= kernel->program_room)
        grow_programs(kernel);
    struct program_entry *entry = program_slot(kernel, name, strlen(name));
    if (!entry->name) {
        entry->name = must(strdup(name));
        kernel->program_count++;
    }
    entry->main = main;
}

program_main *kernel_program(const struct kernel *kernel, const char *name, size_t length,
                             const char **registered)
{
    if (!kernel->program_room)
        return NULL;
    struct program_entry *entry = program_slot(kernel, name, length);
    *registered = entry->name;
    return entry->main;
}

/* --- time --------------------------------------------------------------------------------------*/

struct callback {
    struct timer timer;
    struct kernel *kernel;
    void (*function)(void *context);
    void *context;
    struct callback *next, *previous;
};

int64_t kernel_now(const struct kernel *kernel)
{
    return kernel->now_ns;
}

int64_t kernel_wall(const struct kernel *kernel)
{
    return kernel->wall_ns + kernel->now_ns;
}

void kernel_step_wall(struct kernel *kernel, int64_t ns)
{
    kernel->wall_ns += ns;
}

static void call_back(struct timer *timer)
{
    struct callback *callback =
        (struct callback *) (void *) ((char *) timer - offsetof(struct callback, timer));
    struct kernel *kernel = callback->kernel;
    if (callback->previous)
        callback->previous->next = callback->next;
    else
        kernel->callbacks = callback->next;
    if (callback->next)
        callback->next->previous = callback->previous;
    void (*function)(void *) = callback->function;
    void *context = callback->context;
    free(callback);
    if (function)
        function(context);
}

void kernel_at(struct kernel *kernel, int64_t time_ns, void (*function)(void *context),
               void *context)
{
    struct callback *callback = must(calloc(1, sizeof *callback));
    callback->kernel = kernel;
    callback->function = function;
    callback->context = context;
    callback->timer.fire = call_back;
    callback->next = kernel->callbacks;
    if (callback->next)
        callback->next->previous = callback;
    kernel->callbacks = callback;
    scheduler_timer_set(kernel, &callback->timer, time_ns);
}

/* --- accounts ----------------------------------------------------------------------------------*/

uint64_t kernel_hash(const struct kernel *kernel)
{
    return kernel->hash;
}

uint64_t kernel_call_count(const struct kernel *kernel)
{
    return kernel->calls;
}

const char *kernel_spinner(const struct kernel *kernel)
{
    return kernel->spinner_text;
}

uint64_t kernel_fault_count(const struct kernel *kernel)
{
    return kernel->fault_count;
}

const char *kernel_fault(const struct kernel *kernel)
{
    return kernel->fault_text;
}

size_t kernel_live_bytes(const struct kernel *kernel)
{
    size_t bytes = 0;
    for (const struct host *host = kernel->hosts; host; host = host->next)
        for (const struct process *process = host->first; process; process = process->next_in_host)
            bytes += process->arena.live_bytes;
    return bytes;
}

size_t kernel_live_files(const struct kernel *kernel)
{
    return kernel->live_files;
}

void kernel_tell_processes(const struct kernel *kernel,
                           void (*tell)(void *context, const struct process *process,
                                        size_t live_bytes, unsigned descriptors),
                           void *context)
{
    for (const struct host *host = kernel->hosts; host; host = host->next)
        for (const struct process *process = host->first; process; process = process->next_in_host)
            if (process_is_alive(process))
                tell(context, process, process->arena.live_bytes, process->descriptors.used);
}

void kernel_fail_allocation(struct kernel *kernel, const char *program, uint64_t n)
{
    free(kernel->fail_program);
    kernel->fail_program = must(strdup(program));
    kernel->fail_countdown = n;
}

/* --- end ---------------------------------------------------------------------------------------*/

static void free_pools(struct kernel *kernel)
{
    while (kernel->free_processes) {
        struct process *process = kernel->free_processes;
        kernel->free_processes = process->next_free;
        free(process->descriptors.entries);
        free(process->scratch);
        free(process);
    }
    socket_free_pool(kernel);
}

void kernel_destroy(struct kernel *kernel)
{
    assert(!running && "kernel_destroy inside a simulated process");
    guards_leave();
    for (struct host *host = kernel->hosts; host; host = host->next)
        host_end_processes(host, false);
    if (kernel->backend)
        kernel->backend->detach(kernel->backend->context);
    net_destroy(kernel);
    while (kernel->hosts) {
        struct host *host = kernel->hosts;
        kernel->hosts = host->next;
        host_destroy(host);
    }
    while (kernel->callbacks) {
        struct callback *callback = kernel->callbacks;
        kernel->callbacks = callback->next;
        free(callback);
    }
    free_pools(kernel);
    for (size_t i = 0; i < kernel->program_room; i++)
        free(kernel->programs[i].name);
    free(kernel->programs);
    free(kernel->run_queue);
    timer_heap_end(&kernel->timers);
    free(kernel->fail_program);
    free(kernel);
}

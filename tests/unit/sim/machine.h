/* SPDX-License-Identifier: ISC */
/* What the tests of the simulated kernel share: one machine on which small programs run that call
 * sim_* themselves, and what they wrote. */
#ifndef TESTS_UNIT_SIM_MACHINE_H
#define TESTS_UNIT_SIM_MACHINE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/kernel/calls.h"
#include "sim/kernel/kernel.h"

#define ALIVE (-2)

struct machine {
    struct kernel *kernel;
    struct host *host;
    char output[65536]; /* what processes wrote to descriptors 1 and 2 */
    size_t output_size;
    int status; /* of the process started last; ALIVE until it ends */
    unsigned ended;
};

struct test_program {
    const char *name;
    program_main *main;
};

static inline void machine_output(void *context, struct process *process, int fd, const char *data,
                                  size_t size)
{
    struct machine *machine = context;
    (void) process;
    (void) fd;
    if (size > sizeof machine->output - 1 - machine->output_size)
        size = sizeof machine->output - 1 - machine->output_size;
    memcpy(machine->output + machine->output_size, data, size);
    machine->output_size += size;
    machine->output[machine->output_size] = 0;
}

static inline void machine_ended(void *context, struct process *process, int status)
{
    struct machine *machine = context;
    (void) process;
    machine->status = status;
    machine->ended++;
}

/* A machine whose /bin holds each of the programs (a table that ends with a NULL name). */
static inline struct machine *machine_create(const struct kernel_options *options,
                                             const struct test_program *programs)
{
    struct machine *machine = calloc(1, sizeof *machine);
    struct host_options host = {.name = "mail.test", .disk = disk_model_named("honest")};
    machine->kernel = kernel_create(options);
    machine->host = host_create(machine->kernel, &host);
    for (; programs->name; programs++) {
        char path[64], text[64];
        snprintf(path, sizeof path, "/bin/%s", programs->name);
        snprintf(text, sizeof text, "#!nixie %s\n", programs->name);
        kernel_register_program(machine->kernel, programs->name, programs->main);
        if (host_write_file(machine->host, path, text, strlen(text), 0, 0, 0755) != 0)
            abort();
    }
    vfs_settle(host_vfs(machine->host));
    return machine;
}

static inline void machine_destroy(struct machine *machine)
{
    kernel_destroy(machine->kernel);
    free(machine);
}

/* Starts /bin/NAME with up to three arguments as `uid`. */
static inline struct process *machine_start_as(struct machine *machine, uid_t uid, const char *name,
                                               const char *a, const char *b)
{
    char path[64];
    const char *argv[] = {name, a, a ? b : NULL, NULL};
    const char *environment[] = {"PATH=/bin", NULL};
    struct process_spec spec = {
        .path = path,
        .argv = argv,
        .environment = environment,
        .uid = uid,
        .gid = uid,
        .output = machine_output,
        .ended = machine_ended,
        .context = machine,
    };
    int error = 0;
    snprintf(path, sizeof path, "/bin/%s", name);
    machine->status = ALIVE;
    struct process *process = process_start(machine->host, &spec, &error);
    if (!process)
        machine->status = -1000 - error;
    return process;
}

static inline struct process *machine_start(struct machine *machine, const char *name)
{
    return machine_start_as(machine, 0, name, NULL, NULL);
}

/* Starts it and runs until nothing is left to do; its wait status. */
static inline int machine_run(struct machine *machine, const char *name)
{
    machine_start(machine, name);
    enum kernel_end end = kernel_run(machine->kernel, INT64_MAX);
    return end == KERNEL_IDLE ? machine->status : -100 - (int) end;
}

/* --- for the programs ------------------------------------------------------------------------*/

/* A program returns the line of the first thing that is not so. */
#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            char line_[160];                                                                       \
            int length_ = snprintf(line_, sizeof line_, "%d: not so: %s (errno %d)\n", __LINE__,   \
                                   #condition, errno);                                             \
            sim_write(2, line_, (size_t) length_);                                                 \
            return 1;                                                                              \
        }                                                                                          \
    } while (0)

/* The call fails with that error. */
#define MUST_FAIL(error, call) MUST((call) == -1 && errno == (error))

/* String constants for argv. */
#define TEXT(constant) ((char *) (uintptr_t) (constant))

static inline pid_t spawn_program(const char *path, char *const *argv)
{
    pid_t pid;
    char *environment[] = {NULL};
    int error = sim_posix_spawn(&pid, path, NULL, NULL, argv, environment);
    return error ? -error : pid;
}

#endif

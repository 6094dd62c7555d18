/* SPDX-License-Identifier: ISC */
/*
 * calls WORK: what a call costs in the simulator and on this machine's kernel, side by side, the
 * same object doing it.  WORK is the file of the real program (tests/bench/work.c).  Each figure
 * is the smallest of several runs, less what a run of nothing takes.
 */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sim/kernel/kernel.h"

#define RUNS 5

program_main program_work_main;

static const struct {
    const char *name, *told;
    unsigned count;
} operations[] = {
    {"pipe", "pipe write + read", 50000},
    {"stat", "stat", 50000},
    {"open", "open + close", 50000},
    {"spawn", "spawn + wait", 500},
};

static void die(const char *what)
{
    fprintf(stderr, "calls: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double) t.tv_sec * 1e9 + (double) t.tv_nsec;
}

static double run_real(const char *work, const char *name, const char *count)
{
    char *argv[] = {(char *) work, (char *) name, (char *) count, NULL};
    char *environment[] = {NULL};
    pid_t pid;
    int status;
    double start = now_ns();
    if (posix_spawn(&pid, work, NULL, NULL, argv, environment) != 0 ||
        waitpid(pid, &status, 0) < 0 || status != 0)
        die(work);
    return now_ns() - start;
}

static void note_status(void *context, struct process *process, int status)
{
    (void) process;
    *(int *) context = status;
}

static double run_simulated(const char *name, const char *count)
{
    static const char file[] = "#!nixie work\n";
    const char *argv[] = {"/bin/work", name, count, NULL};
    const char *environment[] = {NULL};
    int status = -1, error = 0;
    struct kernel_options options = {.seed = 1};
    struct host_options host_options = {.name = "bench", .disk = &disk_honest};
    struct process_spec spec = {.path = "/bin/work",
                                .argv = argv,
                                .environment = environment,
                                .ended = note_status,
                                .context = &status};
    struct kernel *kernel = kernel_create(&options);
    kernel_register_program(kernel, "work", program_work_main);
    struct host *host = host_create(kernel, &host_options);
    if (host_write_file(host, "/bin/work", file, sizeof file - 1, 0, 0, 0755) < 0)
        die("/bin/work in the simulator");
    double start = now_ns();
    if (!process_start(host, &spec, &error))
        die("process_start");
    kernel_run(kernel, INT64_MAX);
    double took = now_ns() - start;
    if (status != 0) {
        fprintf(stderr, "calls: %s %s in the simulator ended with status %d\n", name, count,
                status);
        exit(1);
    }
    kernel_destroy(kernel);
    return took;
}

static double smallest(const char *work, const char *name, const char *count)
{
    double best = 0;
    for (int i = 0; i < RUNS; i++) {
        double took = work ? run_real(work, name, count) : run_simulated(name, count);
        if (i == 0 || took < best)
            best = took;
    }
    return best;
}

static double cost(const char *work, const char *name, unsigned count)
{
    char text[16];
    snprintf(text, sizeof text, "%u", count);
    double net = smallest(work, name, text) - smallest(work, "none", "0");
    return net > 0 ? net / count : 0;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: calls WORK\n");
        return 2;
    }
    printf("%-22s %12s %12s %8s\n", "a call", "simulated", "real", "ratio");
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
        double simulated = cost(NULL, operations[i].name, operations[i].count);
        double real = cost(argv[1], operations[i].name, operations[i].count);
        printf("%-22s %9.0f ns %9.0f ns %8.2f\n", operations[i].told, simulated, real,
               real > 0 ? simulated / real : 0);
    }
    return 0;
}

/* SPDX-License-Identifier: ISC */
/*
 * Who of the runnable processes runs next.  Every policy draws from the seed's stream of the
 * scheduler alone, and each is fair in the end: nobody who is runnable is passed over for longer
 * than `PATIENCE_MAX_NS` of virtual time at once, and rarely again before it has got anywhere.
 *
 * Round robin: whoever has waited longest, 8 calls each.  Random: anyone, 1 to 16 calls.
 *
 * Priority: probabilistic concurrency testing (Burckhardt et al., ASPLOS 2010).  Each process gets
 * a random priority when it is born; the highest one that is runnable runs, call by call; at change
 * points, numbers of calls that are drawn, whoever is about to run falls below all others.  A bug
 * that needs d orders of steps among n processes is then met with a probability of at least
 * 1/(n k^(d-1)) in a run of k calls.  How long a run will be is not known, so gaps between change
 * points are drawn, as likely short as long, up to a reach that each seed has of its own.
 *
 * Starvation: random, but in intervals that begin after a drawn number of calls (as above) and last
 * a drawn time, one process, all of one program or some of all processes are not run although they
 * could be.  If nobody else is runnable, time passes: as it does for a process whose pages are
 * being read back from a slow disk.
 */
#ifndef SIM_KERNEL_POLICY_H
#define SIM_KERNEL_POLICY_H

#include <stddef.h>
#include <stdint.h>

#define PATIENCE_MAX_NS 200000000

/* A few calls of a process take so long at most when it is starved between them: intervals may
 * follow each other, but hardly ever four of the longest. */
#define STARVED_MAX_NS (3 * (int64_t) PATIENCE_MAX_NS)

struct kernel;
struct process;

/* What the policies remember from one choice to the next. */
struct policy_state {
    unsigned reach; /* gaps, of calls, are below 2 to that */
    /* PRIORITY */
    uint64_t change_at; /* the number of calls at the next change point */
    uint64_t lowest;    /* the priority that the next one to fall gets */
    int64_t patience_ns;
    /* STARVE */
    uint64_t quantum;     /* calls in a row, at most */
    uint64_t starve_at;   /* the number of calls at which the next interval begins */
    int64_t starve_until; /* the end of the one that is on; 0: none is */
    uint64_t victim;      /* the process with that lot; 0: see below */
    const char *program;  /* all processes of that program; NULL: see below */
    uint64_t salt, share; /* those whose lot, mixed with salt, is below share */
};

/* At the start of a kernel, and at the birth of each process. */
void policy_start(struct kernel *kernel);
void policy_born(struct process *process);

/* Which place in the run queue, counted from its head, goes next; it is not empty.  SIZE_MAX: all
 * are starved, until *until_ns. */
size_t policy_choose(struct kernel *kernel, int64_t *until_ns);

/* How many calls in a row it may make while others are runnable, at least 1. */
int64_t policy_quantum(struct kernel *kernel);

#endif

/* SPDX-License-Identifier: ISC */
/*
 * Wait queues: who is to be woken when something changes.  A woken process looks again at what it
 * waits for, so a wake too many is harmless.
 */
#ifndef SIM_KERNEL_WAIT_H
#define SIM_KERNEL_WAIT_H

#include <stdbool.h>
#include <stdint.h>

struct process;
struct wait_queue;

struct wait_entry {
    struct process *process;
    struct wait_queue *queue;
    struct wait_entry *next, *previous; /* in the queue */
    struct wait_entry *sibling;         /* of the process */
};

struct wait_queue {
    struct wait_entry *first, *last;
};

/* Puts the running process on a queue; it leaves all its queues when it wakes or dies.  The entry
 * lives on the process's own stack. */
void wait_join(struct wait_entry *entry, struct wait_queue *queue);

/* Stops the running process until one of the queues it joined is woken (true) or virtual time
 * `deadline_ns` comes (false; INT64_MAX: never). */
bool wait_sleep(int64_t deadline_ns);

/* wait_join of one queue, and wait_sleep. */
bool wait_on(struct wait_queue *queue, int64_t deadline_ns);

/* Wakes all that wait there, in the order they came. */
void wait_wake(struct wait_queue *queue);

/* The same, and the queue is about to be freed. */
void wait_drain(struct wait_queue *queue);

/* Takes a process off all its queues. */
void wait_forget(struct process *process);

#endif

/* SPDX-License-Identifier: ISC */
/* The scheduler: who runs, when time passes, how a run ends; and wait queues. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim/kernel/internal.h"
#include "sim/kernel/must.h"

struct process *running;
volatile bool inside_call;

/* --- the run queue ---------------------------------------------------------------------------*/

static struct process **run_slot(struct kernel *kernel, size_t index)
{
    return &kernel->run_queue[(kernel->run_first + index) & (kernel->run_room - 1)];
}

static void run_grow(struct kernel *kernel)
{
    size_t room = kernel->run_room ? kernel->run_room * 2 : 64;
    struct process **ring = must(malloc(room * sizeof(struct process *)));
    for (size_t i = 0; i < kernel->run_count; i++)
        ring[i] = *run_slot(kernel, i);
    free(kernel->run_queue);
    kernel->run_queue = ring;
    kernel->run_room = room;
    kernel->run_first = 0;
}

void scheduler_ready(struct process *process)
{
    struct kernel *kernel = process->kernel;
    if (kernel->run_count == kernel->run_room)
        run_grow(kernel);
    *run_slot(kernel, kernel->run_count) = process;
    kernel->run_count++;
    process->state = PROCESS_RUNNABLE;
    process->ready_ns = kernel->now_ns;
}

void scheduler_remove(struct process *process)
{
    struct kernel *kernel = process->kernel;
    if (kernel->resume == process)
        kernel->resume = NULL;
    size_t kept = 0;
    for (size_t i = 0; i < kernel->run_count; i++) {
        struct process *other = *run_slot(kernel, i);
        if (other != process)
            *run_slot(kernel, kept++) = other;
    }
    kernel->run_count = kept;
}

/* The order of those that stay is kept: who has waited longest stands first.  (At random the first
 * changes places with the chosen one.) */
static struct process *run_take_at(struct kernel *kernel, size_t chosen)
{
    struct process *process = *run_slot(kernel, chosen);
    if (kernel->options.policy == SCHEDULE_RANDOM)
        *run_slot(kernel, chosen) = *run_slot(kernel, 0);
    else
        for (; chosen > 0; chosen--)
            *run_slot(kernel, chosen) = *run_slot(kernel, chosen - 1);
    kernel->run_first = (kernel->run_first + 1) & (kernel->run_room - 1);
    kernel->run_count--;
    return process;
}

/* NULL: nobody, before *until_ns (INT64_MAX: before something happens). */
static struct process *run_take(struct kernel *kernel, int64_t *until_ns)
{
    *until_ns = INT64_MAX;
    if (kernel->resume) {
        struct process *process = kernel->resume;
        kernel->resume = NULL;
        return process;
    }
    if (!kernel->run_count)
        return NULL;
    size_t chosen = policy_choose(kernel, until_ns);
    return chosen == SIZE_MAX ? NULL : run_take_at(kernel, chosen);
}

/* --- switching -------------------------------------------------------------------------------*/

static void run(struct kernel *kernel, struct process *process)
{
    struct timer *first = timer_first(&kernel->timers);
    kernel->yield_ns =
        first && first->time_ns < kernel->until_ns ? first->time_ns : kernel->until_ns;
    process->state = PROCESS_RUNNING;
    process->quantum = policy_quantum(kernel);
    kernel->current = running = process;
    int outer_errno = errno;
    errno = process->kept_errno;
    coro_switch(&kernel->coro, &process->coro);
    errno = outer_errno;
    inside_call = true;
    kernel->current = running = NULL;
    if (kernel->restarting) {
        exec_prepare(kernel->restarting);
        kernel->restarting = NULL;
    }
    struct process *leaving = kernel->leaving;
    if (leaving) {
        kernel->leaving = NULL;
        coro_release(&leaving->coro);
        if (leaving->state == PROCESS_GONE) {
            leaving->next_free = kernel->free_processes;
            kernel->free_processes = leaving;
        }
    }
}

void scheduler_switch_away(void)
{
    struct process *process = running;
    coro_switch(&process->coro, &process->kernel->coro);
}

void scheduler_yield(void)
{
    scheduler_ready(running);
    scheduler_switch_away();
}

void scheduler_stop_here(void)
{
    running->state = PROCESS_RUNNABLE;
    running->kernel->resume = running;
    scheduler_switch_away();
}

_Noreturn void scheduler_leave(void)
{
    coro_leave(&running->coro, &running->kernel->coro);
}

void scheduler_report_spin(struct process *process, const char *how)
{
    struct kernel *kernel = process->kernel;
    snprintf(kernel->spinner_text, sizeof kernel->spinner_text, "%s (pid %d on %s) %s",
             process->name, (int) process->pid, process->host->name, how);
    kernel->spinner = kernel->spinner_text;
}

void scheduler_at_call(struct process *process)
{
    struct kernel *kernel = process->kernel;
    if (process->busy_calls > kernel->options.spin_calls) {
        process->busy_calls = 0;
        scheduler_report_spin(process, "makes calls without end and never waits");
        scheduler_stop_here();
        return;
    }
    if (kernel->now_ns < kernel->yield_ns && !kernel->run_count) {
        process->quantum = policy_quantum(kernel); /* nobody else wants to run */
        return;
    }
    scheduler_yield();
}

/* --- time ------------------------------------------------------------------------------------*/

void scheduler_timer_set(struct kernel *kernel, struct timer *timer, int64_t time_ns)
{
    timer_set(&kernel->timers, timer, time_ns);
    if (time_ns < kernel->yield_ns)
        kernel->yield_ns = time_ns;
}

int64_t kernel_next_timer(const struct kernel *kernel)
{
    struct timer *first = timer_first(&kernel->timers);
    return first ? first->time_ns : INT64_MAX;
}

/* Fires one timer that is due. */
static bool fire_due(struct kernel *kernel)
{
    struct timer *timer = timer_first(&kernel->timers);
    if (!timer || timer->time_ns > kernel->now_ns)
        return false;
    timer_cancel(&kernel->timers, timer);
    timer->fire(timer);
    return true;
}

/* One step of a run: false when it ends, with *end set. */
static bool step(struct kernel *kernel, enum kernel_end *end)
{
    if (kernel->stop) {
        kernel->stop = false;
        *end = KERNEL_STOPPED;
        return false;
    }
    if (kernel->spinner) {
        *end = KERNEL_SPIN;
        return false;
    }
    if (fire_due(kernel))
        return true;
    if (kernel->now_ns >= kernel->until_ns) {
        *end = KERNEL_UNTIL;
        return false;
    }
    int64_t starved_until;
    struct process *process = run_take(kernel, &starved_until);
    if (process) {
        run(kernel, process);
        return true;
    }
    int64_t next = kernel_next_timer(kernel);
    if (starved_until < next)
        next = starved_until;
    if (next == INT64_MAX) {
        *end = KERNEL_IDLE;
        return false;
    }
    kernel->now_ns = next < kernel->until_ns ? next : kernel->until_ns;
    return true;
}

/* Signal handlers and the watchdog's timer stay from the first run to the end of a kernel, because
 * runs may be short.  A fork inherits the handlers but no timer. */
static pid_t guarded;

static void guards_take(void)
{
    pid_t self = getpid();
    if (guarded == self)
        return;
    if (!guarded) {
        faults_catch();
        watchdog_catch();
    }
    guarded = self;
    watchdog_start();
}

void guards_leave(void)
{
    if (!guarded)
        return;
    guarded = 0;
    watchdog_stop();
    faults_release();
}

enum kernel_end kernel_run(struct kernel *kernel, int64_t until_ns)
{
    assert(!running && "kernel_run inside a simulated process");
    enum kernel_end end;
    if (kernel->backend)
        return kernel->backend->run(kernel->backend->context, until_ns);
    kernel->until_ns = until_ns;
    kernel->spinner = NULL;
    guards_take();
    watchdog_watch(kernel);
    while (step(kernel, &end))
        ;
    watchdog_watch(NULL);
    return end;
}

/* --- wait queues -----------------------------------------------------------------------------*/

void wait_join(struct wait_entry *entry, struct wait_queue *queue)
{
    entry->process = running;
    entry->queue = queue;
    entry->next = NULL;
    entry->previous = queue->last;
    if (queue->last)
        queue->last->next = entry;
    else
        queue->first = entry;
    queue->last = entry;
    entry->sibling = running->waits;
    running->waits = entry;
}

void wait_forget(struct process *process)
{
    for (struct wait_entry *entry = process->waits; entry; entry = entry->sibling) {
        struct wait_queue *queue = entry->queue;
        if (!queue)
            continue;
        if (entry->previous)
            entry->previous->next = entry->next;
        else
            queue->first = entry->next;
        if (entry->next)
            entry->next->previous = entry->previous;
        else
            queue->last = entry->previous;
    }
    process->waits = NULL;
}

static void wake(struct process *process)
{
    if (process->state != PROCESS_WAITING)
        return;
    timer_cancel(&process->kernel->timers, &process->timer);
    scheduler_ready(process);
}

void wait_wake(struct wait_queue *queue)
{
    for (struct wait_entry *entry = queue->first; entry; entry = entry->next)
        wake(entry->process);
}

void wait_drain(struct wait_queue *queue)
{
    for (struct wait_entry *entry = queue->first; entry; entry = entry->next) {
        wake(entry->process);
        entry->queue = NULL;
    }
    queue->first = queue->last = NULL;
}

static void deadline_passed(struct timer *timer)
{
    struct process *process =
        (struct process *) (void *) ((char *) timer - offsetof(struct process, timer));
    process->timed_out = true;
    wake(process);
}

bool wait_sleep(int64_t deadline_ns)
{
    struct process *process = running;
    process->state = PROCESS_WAITING;
    process->timed_out = false;
    process->busy_calls = 0;
    if (deadline_ns != FOREVER) {
        process->timer.fire = deadline_passed;
        scheduler_timer_set(process->kernel, &process->timer, deadline_ns);
    }
    scheduler_switch_away();
    wait_forget(process);
    return !process->timed_out;
}

bool wait_on(struct wait_queue *queue, int64_t deadline_ns)
{
    struct wait_entry entry;
    wait_join(&entry, queue);
    return wait_sleep(deadline_ns);
}

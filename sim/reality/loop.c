/* SPDX-License-Identifier: ISC */
/*
 * Lets the processes run.  When every one waits, all are asked whether anything has happened that
 * they have not seen yet; if nothing has, twice, the clock jumps to what comes next.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "sim/reality/reality.h"
#include "sim/reality/session.h"
#include "sim/world/pool.h"

#define BUSY_MAX_NS (20 * NANOSECONDS) /* of real time without a word, and it counts as hanging */
#define PATIENCE_MS 20
#define NOTICEABLE_NS 20000000 /* a jump that could be one over a timeout */
#define NETWORK_TRIES 8        /* of a millisecond */

/* --- listening ---------------------------------------------------------------------------------*/

struct ear {
    struct pollfd *polls;
    void **whose; /* a process, or a machine */
    char *kinds;  /* p process, o its output, m the listener of a machine, i its first process */
    size_t count, room;
};

static void add_ear(struct ear *ear, int fd, char kind, void *whose)
{
    if (fd < 0)
        return;
    if (ear->count == ear->room) {
        ear->room = ear->room ? 2 * ear->room : 64;
        ear->polls = must_resize(ear->polls, ear->room * sizeof *ear->polls);
        ear->whose = must_resize(ear->whose, ear->room * sizeof *ear->whose);
        ear->kinds = must_resize(ear->kinds, ear->room);
    }
    ear->polls[ear->count] = (struct pollfd){.fd = fd, .events = POLLIN};
    ear->whose[ear->count] = whose;
    ear->kinds[ear->count++] = kind;
}

static void make_ear(const struct reality *reality, struct ear *ear)
{
    for (size_t i = 0; i < reality->machine_count; i++) {
        add_ear(ear, reality->machines[i]->listener, 'm', reality->machines[i]);
        add_ear(ear, reality->machines[i]->init, 'i', reality->machines[i]);
    }
    for (size_t i = 0; i < reality->process_count; i++)
        add_ear(ear, reality->processes[i]->fd, 'p', reality->processes[i]);
    for (size_t i = 0; i < reality->process_count; i++)
        for (int k = 0; k < 2; k++)
            if (reality->processes[i]->is_ours)
                add_ear(ear, reality->processes[i]->output_fds[k], 'o', reality->processes[i]);
}

static bool is_there(const struct reality *reality, const struct real_process *process)
{
    for (size_t i = 0; i < reality->process_count; i++)
        if (reality->processes[i] == process)
            return true;
    return false;
}

static void see_to(struct reality *reality, char kind, void *whose)
{
    struct real_process *process = whose;

    switch (kind) {
    case 'm':
        processes_accept(whose);
        break;
    case 'i':
        processes_reap(whose);
        break;
    case 'p':
        if (is_there(reality, process) && process->fd >= 0)
            hear(process);
        break;
    default:
        break;
    }
}

/* An output that has ended would be ready for ever. */
static void end_output(struct reality *reality, struct real_process *process, int fd)
{
    for (int i = 0; is_there(reality, process) && i < 2; i++)
        if (process->output_fds[i] == fd)
            process->output_fds[i] = -1;
}

/* Hears what there is to be heard, after `ms` at most; false: nothing. */
static bool pump(struct reality *reality, int ms)
{
    struct ear ear = {0};
    bool heard = false;
    int ready;

    make_ear(reality, &ear);
    ready = poll(ear.polls, ear.count, ms);
    for (size_t i = 0; ready > 0 && i < ear.count && !backend_is_stopped(reality->kernel); i++) {
        if (!ear.polls[i].revents)
            continue;
        if (ear.kinds[i] == 'o') {
            processes_drain(reality);
            if (ear.polls[i].revents == POLLHUP)
                end_output(reality, ear.whose[i], ear.polls[i].fd);
            continue;
        }
        heard = true;
        see_to(reality, ear.kinds[i], ear.whose[i]);
    }
    free(ear.polls);
    free(ear.whose);
    free(ear.kinds);
    return heard;
}

/* --- idle? -------------------------------------------------------------------------------------*/

static const struct real_process *busy_one(const struct reality *reality)
{
    for (size_t i = 0; i < reality->process_count; i++)
        if (reality->processes[i]->life != LIFE_WAITING &&
            reality->processes[i]->life != LIFE_DELAYED)
            return reality->processes[i];
    return NULL;
}

static bool is_busy(const struct reality *reality)
{
    for (size_t i = 0; i < reality->machine_count; i++)
        if (reality->machines[i]->coming > 0)
            return true;
    return busy_one(reality) != NULL;
}

static void ask_all(struct reality *reality)
{
    struct wire_reply probe = {.kind = WIRE_PROBE, .number = ++reality->probe};

    reality->is_under_way = false;
    for (size_t i = 0; i < reality->process_count; i++) {
        reality->processes[i]->is_still = false;
        if (reality->processes[i]->life == LIFE_WAITING)
            process_reply(reality->processes[i], &probe);
    }
}

static bool all_are_still(const struct reality *reality)
{
    for (size_t i = 0; i < reality->process_count; i++)
        if (reality->processes[i]->life == LIFE_WAITING && !reality->processes[i]->is_still)
            return false;
    return true;
}

/* Each process that waits says that nothing has happened; and nothing else has come meanwhile. */
static bool is_idle(struct reality *reality)
{
    int64_t since = clock_real_ns();
    uint32_t round;

    ask_all(reality);
    round = reality->probe;
    while (!all_are_still(reality)) {
        pump(reality, PATIENCE_MS);
        if (is_busy(reality) || backend_is_stopped(reality->kernel) || reality->probe != round ||
            clock_real_ns() - since > BUSY_MAX_NS)
            return false;
    }
    return !is_busy(reality) && !pump(reality, 0) && !is_busy(reality);
}

/* --- time --------------------------------------------------------------------------------------*/

static int64_t next_time(const struct reality *reality)
{
    int64_t next = kernel_next_timer(reality->kernel);

    for (size_t i = 0; i < reality->process_count; i++)
        if (reality->processes[i]->deadline_ns < next)
            next = reality->processes[i]->deadline_ns;
    return next;
}

static void wake_due(struct reality *reality)
{
    int64_t now = kernel_now(reality->kernel);

    for (size_t i = 0; i < reality->process_count; i++) {
        struct real_process *process = reality->processes[i];
        struct wire_reply wake = {.kind = WIRE_WAKE, .number = process->wait};

        if (process->deadline_ns > now)
            continue;
        if (process->life == LIFE_DELAYED) {
            hear_release(process);
        } else if (process->life == LIFE_WAITING) {
            process->life = LIFE_RUNNING;
            process->deadline_ns = INT64_MAX;
            process_reply(process, &wake);
        }
    }
}

static void release_held(struct reality *reality)
{
    for (size_t i = 0; i < reality->process_count; i++)
        if (reality->processes[i]->life == LIFE_HELD)
            hear_release(reality->processes[i]);
}

/* A busy machine may deliver late what was sent: that is waited for, but not for ever, as the other
 * side may have no room for it.  False: look again. */
static bool network_rests(struct reality *reality)
{
    if (!reality->is_under_way || reality->network_tries >= NETWORK_TRIES)
        return true;
    reality->network_tries++;
    pump(reality, 1);
    return false;
}

static bool hangs(struct reality *reality, bool heard)
{
    int64_t now = clock_real_ns();
    const struct real_process *busy = busy_one(reality);

    if (heard || reality->busy_since_ns == 0)
        reality->busy_since_ns = now;
    if (now - reality->busy_since_ns < BUSY_MAX_NS)
        return false;
    snprintf(reality->trouble, sizeof reality->trouble,
             "%s[%d] runs for %d s without a word (or waits in a way that is not seen)",
             busy ? process_name(busy->process) : "a new process", busy ? (int) busy->host_pid : 0,
             (int) (BUSY_MAX_NS / NANOSECONDS));
    backend_accuse(reality->kernel, reality->trouble);
    return true;
}

enum kernel_end loop_run(struct reality *reality, int64_t until_ns)
{
    struct kernel *kernel = reality->kernel;

    reality->busy_since_ns = 0;
    for (;;) {
        int64_t next;

        if (backend_is_stopped(kernel)) {
            backend_take_stop(kernel);
            return KERNEL_STOPPED;
        }
        if (session_is_interrupted() && !reality->is_broken) {
            reality->is_broken = true;
            strcpy(reality->trouble, "interrupted");
        }
        if (reality->is_broken) {
            backend_accuse(kernel, reality->trouble);
            return KERNEL_SPIN;
        }
        if (kernel_now(kernel) >= until_ns && until_ns > 0)
            return KERNEL_UNTIL;
        release_held(reality);
        backend_advance(kernel, kernel_now(kernel));
        if (is_busy(reality)) {
            if (hangs(reality, pump(reality, PATIENCE_MS)))
                return KERNEL_SPIN;
            continue;
        }
        if (pump(reality, 0) || backend_is_stopped(kernel) || !is_idle(reality) ||
            !is_idle(reality))
            continue;
        reality->busy_since_ns = 0;
        next = next_time(reality);
        if (next > kernel_now(kernel) + NOTICEABLE_NS && !network_rests(reality))
            continue;
        reality->network_tries = 0;
        if (next == INT64_MAX)
            return KERNEL_IDLE;
        backend_advance(kernel, next < until_ns ? next : until_ns);
        if (!backend_is_stopped(kernel))
            wake_due(reality);
    }
}

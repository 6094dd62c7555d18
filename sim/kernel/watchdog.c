/* SPDX-License-Identifier: ISC */
/*
 * A simulated process that loops without making calls would hang the whole run.  A timer that
 * counts the CPU time of this real process looks every second whether calls are still made; if
 * for several seconds simulated code has run without any, its process is ended and named.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "sim/kernel/internal.h"

#define TICK_SECONDS 1
#define TICKS_MAX 3

static struct kernel *watched;
static uint64_t seen_calls;
static unsigned idle_ticks;
static struct sigaction outer_action;

static void end_looping_process(void)
{
    struct process *process = running;
    inside_call = true;
    idle_ticks = 0;
    scheduler_report_spin(process, "loops without making a call");
    process_end(process, W_EXITCODE(0, SIGKILL));
    /* The handler never returns, so the signal must be let through again by hand. */
    sigset_t tick;
    sigemptyset(&tick);
    sigaddset(&tick, SIGVTALRM);
    sigprocmask(SIG_UNBLOCK, &tick, NULL);
    scheduler_leave();
}

static void tick(int signal)
{
    (void) signal;
    if (!watched || !running || inside_call || watched->calls != seen_calls) {
        seen_calls = watched ? watched->calls : 0;
        idle_ticks = 0;
        return;
    }
    if (++idle_ticks >= TICKS_MAX)
        end_looping_process();
}

static void timer_every(int seconds)
{
    struct itimerval timer = {{seconds, 0}, {seconds, 0}};
    setitimer(ITIMER_VIRTUAL, &timer, NULL);
}

void watchdog_catch(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = tick;
    action.sa_flags = SA_RESTART;
    sigaction(SIGVTALRM, &action, &outer_action);
}

void watchdog_start(void)
{
    timer_every(TICK_SECONDS);
}

void watchdog_stop(void)
{
    timer_every(0);
    sigaction(SIGVTALRM, &outer_action, NULL);
}

void watchdog_watch(struct kernel *kernel)
{
    watched = kernel;
    seen_calls = kernel ? kernel->calls : 0;
    idle_ticks = 0;
}

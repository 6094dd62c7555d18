/* SPDX-License-Identifier: ISC */
/*
 * A simulated program that crashes (a wild pointer, a division by zero, a failed assertion) ends
 * as a real one would: killed by that signal, its parent told, and the run can name it.  The
 * simulator's own crashes are left to the system; with AddressSanitizer all are, because its
 * report says more.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim/kernel/internal.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LEAVE_TO_SANITIZER 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define LEAVE_TO_SANITIZER 1
#endif

#ifndef LEAVE_TO_SANITIZER

/* Faults may be overflows of the process's own stack, so the handler has another one. */
static char handler_stack[32768] __attribute__((aligned(16)));
static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
#define SIGNAL_COUNT (sizeof signals / sizeof signals[0])
static struct sigaction outer_actions[SIGNAL_COUNT];
static stack_t outer_stack;

static void note_fault(struct process *process, int signal)
{
    struct kernel *kernel = process->kernel;
    if (kernel->fault_count++ == 0)
        snprintf(kernel->fault_text, sizeof kernel->fault_text, "%s (pid %d on %s) died of %s",
                 process->name, (int) process->pid, process->host->name,
                 sigabbrev_np(signal) ? sigabbrev_np(signal) : "a signal");
}

/* The simulator itself crashed, or was given a wild pointer: at least say where. */
static void leave_to_system(int signal)
{
    char text[200];
    if (running) {
        int length = snprintf(text, sizeof text, "nixie: crashed in call %s of %s (pid %d on %s)\n",
                              call_name(running->call_id), running->name, (int) running->pid,
                              running->host->name);
        if (write(2, text, (size_t) length) != length)
            abort();
    }
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_DFL;
    sigaction(signal, &action, NULL);
    raise(signal); /* once this handler returns */
}

static void handle(int signal)
{
    if (!running || inside_call) {
        leave_to_system(signal);
        return;
    }
    inside_call = true;
    note_fault(running, signal);
    process_end(running, W_EXITCODE(0, signal));
    /* The handler never returns, so the signal must be let through again by hand. */
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    scheduler_leave();
}

void faults_catch(void)
{
    stack_t stack = {.ss_sp = handler_stack, .ss_size = sizeof handler_stack};
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handle;
    action.sa_flags = SA_ONSTACK;
    sigaltstack(&stack, &outer_stack);
    for (size_t i = 0; i < SIGNAL_COUNT; i++)
        sigaction(signals[i], &action, &outer_actions[i]);
}

void faults_release(void)
{
    for (size_t i = 0; i < SIGNAL_COUNT; i++)
        sigaction(signals[i], &outer_actions[i], NULL);
    sigaltstack(&outer_stack, NULL);
}

#else

void faults_catch(void)
{
}

void faults_release(void)
{
}

#endif

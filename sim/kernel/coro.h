/* SPDX-License-Identifier: ISC */
/*
 * Coroutines: a stack and the place where its code stopped.  One thread runs them in turn; a
 * switch is a few instructions and no system call (x86-64 and arm64; elsewhere ucontext).
 * AddressSanitizer is told of every switch.
 *
 * Stacks have a guard page below and are kept in a pool of the whole program, because simulated
 * processes are short.
 */
#ifndef SIM_KERNEL_CORO_H
#define SIM_KERNEL_CORO_H

#include <stddef.h>
#include <stdint.h>

#if !defined(__x86_64__) && !defined(__aarch64__)
#define CORO_UCONTEXT 1
#include <ucontext.h>
#endif

struct coro {
    void *stack_pointer; /* where it stopped */
    char *stack;         /* lowest usable byte; NULL in the coroutine of the thread itself */
    size_t stack_size;
    void *fake_stack; /* AddressSanitizer's */
    void (*entry)(void *argument);
    void *argument;
#ifdef CORO_UCONTEXT
    ucontext_t context;
#endif
};

/* Gives `coro` a stack of its own if it has none and makes the next switch to it call
 * `entry(argument)` from the top.  `entry` must never return.  If `fill` is not 0, the top of the
 * stack is filled with that byte.  Not for the running coroutine.  Ends the program if there is
 * no memory. */
void coro_prepare(struct coro *coro, void (*entry)(void *argument), void *argument, uint8_t fill);

/* Gives the stack back.  Not for the running coroutine. */
void coro_release(struct coro *coro);

/* Stops `from` (the running one) and continues `to`; returns when something switches back. */
void coro_switch(struct coro *from, struct coro *to);

/* The same, but `from` is never continued (it may be prepared anew). */
_Noreturn void coro_leave(struct coro *from, struct coro *to);

/* Unmaps the pool's stacks. */
void coro_trim(void);

#endif

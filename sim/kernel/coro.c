/* SPDX-License-Identifier: ISC */
#include "sim/kernel/coro.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CORO_ASAN 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define CORO_ASAN 1
#endif

#ifdef CORO_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define STACK_SIZE ((size_t) 512 << 10)
#else
#define STACK_SIZE ((size_t) 256 << 10)
#endif
#define STACK_FILL ((size_t) 48 << 10) /* as deep as the fill byte goes */
#define POOL_LIMIT 4096

/* Free stacks, linked through their lowest word. */
static char *pool;
static unsigned pool_count;

static char *stack_map(void)
{
    size_t guard = (size_t) sysconf(_SC_PAGESIZE);
    char *base = mmap(NULL, STACK_SIZE + guard, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED || mprotect(base, guard, PROT_NONE) != 0) {
        perror("nixie: no memory for a simulated process's stack");
        abort();
    }
    return base + guard;
}

static void stack_unmap(char *stack)
{
    size_t guard = (size_t) sysconf(_SC_PAGESIZE);
    munmap(stack - guard, STACK_SIZE + guard);
}

static void stack_unpoison(char *stack)
{
#ifdef CORO_ASAN
    ASAN_UNPOISON_MEMORY_REGION(stack, STACK_SIZE);
#else
    (void) stack;
#endif
}

static char *stack_take(void)
{
    if (!pool)
        return stack_map();
    char *stack = pool;
    memcpy(&pool, stack, sizeof pool);
    pool_count--;
    return stack;
}

void coro_release(struct coro *coro)
{
    char *stack = coro->stack;
    if (!stack)
        return;
    coro->stack = NULL;
    stack_unpoison(stack);
    if (pool_count >= POOL_LIMIT) {
        stack_unmap(stack);
        return;
    }
    memcpy(stack, &pool, sizeof pool);
    pool = stack;
    pool_count++;
}

void coro_trim(void)
{
    while (pool)
        stack_unmap(stack_take());
}

static void finish_switch(struct coro *to)
{
#ifdef CORO_ASAN
    __sanitizer_finish_switch_fiber(to->fake_stack, NULL, NULL);
#else
    (void) to;
#endif
}

/* The thread's own coroutine learns its stack's bounds from the first switch away from it. */
static struct coro *thread_coro;

static void coro_begin(void *argument)
{
    struct coro *coro = argument;
#ifdef CORO_ASAN
    const void *bottom;
    size_t size;
    __sanitizer_finish_switch_fiber(NULL, &bottom, &size);
    if (thread_coro && thread_coro->stack_size == 0) {
        thread_coro->stack_pointer = (void *) (uintptr_t) bottom;
        thread_coro->stack_size = size;
    }
#endif
    coro->entry(coro->argument);
    assert(!"a coroutine's entry returned");
}

#ifdef CORO_UCONTEXT
static void coro_begin_split(unsigned high, unsigned low)
{
    coro_begin((void *) ((uintptr_t) high << 16 << 16 | low));
}

static void machine_prepare(struct coro *coro)
{
    getcontext(&coro->context);
    coro->context.uc_stack.ss_sp = coro->stack;
    coro->context.uc_stack.ss_size = coro->stack_size;
    coro->context.uc_link = NULL;
    makecontext(&coro->context, (void (*)(void)) coro_begin_split, 2,
                (unsigned) ((uintptr_t) coro >> 16 >> 16), (unsigned) (uintptr_t) coro);
}

static void machine_switch(struct coro *from, struct coro *to)
{
    swapcontext(&from->context, &to->context);
}
#else
/* coro_switch_*.S */
void coro_machine_switch(void **save_stack_pointer, void *stack_pointer);

#if defined(__x86_64__)
extern void coro_machine_start(void);
/* What coro_machine_switch pops: rbp rbx r12 r13 r14 r15, then the address to return to. */
static void *frame_prepare(char *top, void (*entry)(void *), void *argument)
{
    uint64_t *frame = (uint64_t *) (void *) top - 9; /* so that entry sees an aligned stack */
    memset(frame, 0, 9 * sizeof *frame);
    frame[2] = (uint64_t) (uintptr_t) argument;           /* r12 */
    frame[3] = (uint64_t) (uintptr_t) entry;              /* r13 */
    frame[6] = (uint64_t) (uintptr_t) coro_machine_start; /* return address */
    return frame;
}
#else
extern void coro_machine_start(void);
/* What coro_machine_switch loads: x19..x30, d8..d15. */
static void *frame_prepare(char *top, void (*entry)(void *), void *argument)
{
    uint64_t *frame = (uint64_t *) (void *) top - 20;
    memset(frame, 0, 20 * sizeof *frame);
    frame[0] = (uint64_t) (uintptr_t) argument;            /* x19 */
    frame[1] = (uint64_t) (uintptr_t) entry;               /* x20 */
    frame[11] = (uint64_t) (uintptr_t) coro_machine_start; /* x30 */
    return frame;
}
#endif

static void machine_prepare(struct coro *coro)
{
    coro->stack_pointer = frame_prepare(coro->stack + coro->stack_size, coro_begin, coro);
}

static void *thread_stack_pointer;

static void machine_switch(struct coro *from, struct coro *to)
{
    /* stack_pointer of the thread's coroutine keeps the stack's bottom for the sanitizer. */
    void **save = from->stack ? &from->stack_pointer : &thread_stack_pointer;
    coro_machine_switch(save, to->stack ? to->stack_pointer : thread_stack_pointer);
}
#endif

void coro_prepare(struct coro *coro, void (*entry)(void *argument), void *argument, uint8_t fill)
{
    if (!coro->stack)
        coro->stack = stack_take();
    coro->stack_size = STACK_SIZE;
    coro->fake_stack = NULL;
    coro->entry = entry;
    coro->argument = argument;
    stack_unpoison(coro->stack);
    if (fill)
        memset(coro->stack + STACK_SIZE - STACK_FILL, fill, STACK_FILL);
    machine_prepare(coro);
}

static void switch_to(struct coro *from, struct coro *to, bool for_good)
{
    if (!from->stack)
        thread_coro = from;
#ifdef CORO_ASAN
    __sanitizer_start_switch_fiber(for_good ? NULL : &from->fake_stack,
                                   to->stack ? to->stack : to->stack_pointer, to->stack_size);
#else
    (void) for_good;
#endif
    machine_switch(from, to);
    finish_switch(from);
}

void coro_switch(struct coro *from, struct coro *to)
{
    switch_to(from, to, false);
}

_Noreturn void coro_leave(struct coro *from, struct coro *to)
{
    switch_to(from, to, true);
    abort();
}

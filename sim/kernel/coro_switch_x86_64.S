/* SPDX-License-Identifier: ISC */
/* The switch of coro.c for x86-64, System V calling convention. */
#ifdef __x86_64__
        .text

/* void coro_machine_switch(void **save_stack_pointer, void *stack_pointer) */
        .globl  coro_machine_switch
        .type   coro_machine_switch, @function
coro_machine_switch:
        .cfi_startproc
        pushq   %r15
        pushq   %r14
        pushq   %r13
        pushq   %r12
        pushq   %rbx
        pushq   %rbp
        movq    %rsp, (%rdi)
        movq    %rsi, %rsp
        popq    %rbp
        popq    %rbx
        popq    %r12
        popq    %r13
        popq    %r14
        popq    %r15
        ret
        .cfi_endproc
        .size   coro_machine_switch, .-coro_machine_switch

/* Where a new stack begins: r13(r12). */
        .globl  coro_machine_start
        .type   coro_machine_start, @function
coro_machine_start:
        .cfi_startproc
        .cfi_undefined rip
        movq    %r12, %rdi
        callq   *%r13
        ud2
        .cfi_endproc
        .size   coro_machine_start, .-coro_machine_start
#endif
        .section .note.GNU-stack, "", %progbits

/* SPDX-License-Identifier: ISC */
/* The switch of coro.c for arm64, AAPCS64. */
#ifdef __aarch64__
        .text

/* void coro_machine_switch(void **save_stack_pointer, void *stack_pointer) */
        .globl  coro_machine_switch
        .type   coro_machine_switch, %function
coro_machine_switch:
        .cfi_startproc
        hint    #34                     /* bti c */
        sub     sp, sp, #160
        stp     x19, x20, [sp, #0]
        stp     x21, x22, [sp, #16]
        stp     x23, x24, [sp, #32]
        stp     x25, x26, [sp, #48]
        stp     x27, x28, [sp, #64]
        stp     x29, x30, [sp, #80]
        stp     d8, d9, [sp, #96]
        stp     d10, d11, [sp, #112]
        stp     d12, d13, [sp, #128]
        stp     d14, d15, [sp, #144]
        mov     x9, sp
        str     x9, [x0]
        mov     sp, x1
        ldp     x19, x20, [sp, #0]
        ldp     x21, x22, [sp, #16]
        ldp     x23, x24, [sp, #32]
        ldp     x25, x26, [sp, #48]
        ldp     x27, x28, [sp, #64]
        ldp     x29, x30, [sp, #80]
        ldp     d8, d9, [sp, #96]
        ldp     d10, d11, [sp, #112]
        ldp     d12, d13, [sp, #128]
        ldp     d14, d15, [sp, #144]
        add     sp, sp, #160
        ret
        .cfi_endproc
        .size   coro_machine_switch, .-coro_machine_switch

/* Where a new stack begins: x20(x19). */
        .globl  coro_machine_start
        .type   coro_machine_start, %function
coro_machine_start:
        .cfi_startproc
        .cfi_undefined x30
        mov     x0, x19
        blr     x20
        brk     #1
        .cfi_endproc
        .size   coro_machine_start, .-coro_machine_start
#endif
        .section .note.GNU-stack, "", %progbits

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * soft_load_slow() and soft_store_slow() for callers that have no stack frame: all general registers
 * but the result's are kept, and the stack may be aligned in any way (access.h).
 */
    .macro THUNK name, target, result
    .globl \name
    .hidden \name
    .type \name, @function
    .p2align 4
\name:
    .cfi_startproc
    push %rbp
    .cfi_def_cfa_offset 16
    .cfi_offset %rbp, -16
    mov %rsp, %rbp
    .cfi_def_cfa_register %rbp
    push %rcx
    push %rdx
    push %rsi
    push %rdi
    push %r8
    push %r9
    push %r10
    push %r11
    .ifeq \result
    push %rax
    .endif
    and $-16, %rsp
    call \target
    .ifeq \result
    mov -72(%rbp), %rax
    .endif
    mov -8(%rbp), %rcx
    mov -16(%rbp), %rdx
    mov -24(%rbp), %rsi
    mov -32(%rbp), %rdi
    mov -40(%rbp), %r8
    mov -48(%rbp), %r9
    mov -56(%rbp), %r10
    mov -64(%rbp), %r11
    leave
    .cfi_def_cfa %rsp, 8
    ret
    .cfi_endproc
    .size \name, . - \name
    .endm

    .text
    THUNK soft_load_thunk, soft_load_slow, 1
    THUNK soft_store_thunk, soft_store_slow, 0
    .section .note.GNU-stack, "", @progbits

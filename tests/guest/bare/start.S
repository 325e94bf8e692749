/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Entry by the PVH protocol: 32-bit protected mode without paging, %ebx points to the start info.
 * Also the entry of each interrupt vector, and that of a second processor. */

    .section .note.pvh, "a", @note
    .long 4, 4, 18              /* sizes of name and contents; XEN_ELFNOTE_PHYS32_ENTRY */
    .asciz "Xen"
    .long _start

    .text
    .code32
    .globl _start
_start:
    cli
    cld
    mov $stack_top, %esp
    lgdt gdtr
    ljmp $8, $1f
1:  mov $16, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %fs
    mov %eax, %gs
    mov %eax, %ss
    push %ebx
    call runtime_main
1:  hlt
    jmp 1b

/* ---- interrupts: 256 entries of 16 bytes; those without an error code push 0 ---- */

    .globl vectors
    .p2align 4
vectors:
    .set n, 0
    .rept 256
    .p2align 4
    .if !((n == 8) || (n >= 10 && n <= 14) || (n == 17))
    push $0
    .endif
    push $n
    jmp vector_common
    .set n, n + 1
    .endr

vector_common:
    pusha
    cld
    push %esp
    call runtime_interrupt
    add $4, %esp
    popa
    add $8, %esp
    /* As iret does, of which the instruction emulation of KVM knows only that of real mode. After
     * STI no interrupt comes before RET is through: else one could come on top of the other, as fast
     * as another processor sends them, until the stack is full. */
    pushl 8(%esp)
    testl $0x200, (%esp)
    jz 1f
    andl $~0x200, (%esp)
    popfl
    sti
    ret $8
1:  popfl
    ret $8

/* ---- a second processor: copied below 1 MiB, started in real mode by a SIPI ---- */

    .globl ap_start, ap_end, ap_stack
    .code16
ap_start:
    cli
    xor %ax, %ax
    mov %ax, %ds
    mov %cs, %ax
    mov %ax, %ds
    lgdtl ap_gdtr - ap_start
    mov %cr0, %eax
    or $1, %al
    mov %eax, %cr0
    ljmpl $8, $ap_protected
ap_gdtr:
    .word 23
    .long gdt
ap_end:

    .code32
ap_protected:
    mov $16, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %fs
    mov %eax, %gs
    mov %eax, %ss
    mov ap_stack, %esp
    call ap_main
1:  hlt
    jmp 1b
    .weak ap_main
    .set ap_main, _start

    .data
    .p2align 3
gdt:
    .quad 0
    .quad 0x00cf9b000000ffff    /* 8: code, 4 GiB */
    .quad 0x00cf93000000ffff    /* 16: data, 4 GiB */
    .globl gdtr
gdtr:
    .word 23
    .long gdt
ap_stack:
    .long 0

    .bss
    .p2align 4
    .skip 16384
stack_top:

    .section .note.GNU-stack, "", @progbits

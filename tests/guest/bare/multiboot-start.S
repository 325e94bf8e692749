/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A Multiboot header (specification 0.6.96), with addresses if KLUDGE is defined, and the entry: 32-bit
 * protected mode without paging, a magic number in %eax, %ebx points to the information. */

#define MAGIC 0x1badb002
#ifdef KLUDGE
#define FLAGS 0x00010003        /* modules on pages, memory; addresses are here */
#else
#define FLAGS 0x00000003
#endif

    .section .multiboot, "a"
    .skip 4                     /* a header need not be where the file begins */
    .p2align 2
multiboot_header:
    .long MAGIC, FLAGS, -(MAGIC + FLAGS)
#ifdef KLUDGE
    .long multiboot_header, image_start, image_data_end, image_end, multiboot_start
#endif

    .text
    .code32
    .globl multiboot_start
multiboot_start:
    mov %eax, entry_state
    mov %ebx, entry_state + 4
    mov %cr0, %eax
    mov %eax, entry_state + 8
    mov $entry_stack, %esp
    pushf
    popl entry_state + 12
    cld
    lgdt gdtr
    ljmp $8, $1f
1:  mov $16, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    call guest_main
    call finish
1:  hlt
    jmp 1b

    .data
    .globl entry_state
entry_state:
    .skip 16

    .bss
    .skip 16384
entry_stack:

    .section .note.GNU-stack, "", @progbits

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A ROM of 64 KiB, for -bios: writes what CPUID answers to port 0xe9. For each line of the table the
 * leaf, the subleaf, EAX, EBX, ECX and EDX, 4 bytes each. Any processor that has CPUID runs it.
 */
    .set RECORD, 0x500          /* in RAM */

    .code16
    .text
    .globl rom
rom:

leaves:
    .long 0x0, 0
    .long 0x1, 0
    .long 0x5, 0
    .long 0x6, 0
    .long 0x7, 0
    .long 0x7, 1
    .long 0xd, 0
    .long 0xd, 1
    .long 0xd, 2
    .long 0x80000000, 0
    .long 0x80000001, 0
    .long 0x80000002, 0
    .long 0x80000003, 0
    .long 0x80000004, 0
    .long 0x80000007, 0
    .long 0x80000008, 0
leaves_end:

low:
    xor %ax, %ax
    mov %ax, %ds
    mov %ax, %ss
    mov $0x7000, %sp
    cld
    mov $leaves, %di
next:
    mov %cs:(%di), %eax
    mov %cs:4(%di), %ecx
    mov %eax, RECORD
    mov %ecx, RECORD + 4
    push %di
    cpuid
    pop %di
    mov %eax, RECORD + 8
    mov %ebx, RECORD + 12
    mov %ecx, RECORD + 16
    mov %edx, RECORD + 20
    mov $RECORD, %si
    mov $24, %cx
    mov $0xe9, %dx
    rep outsb
    add $8, %di
    cmp $leaves_end, %di
    jne next
    mov $0, %al
    out %al, $0xf4
1:  hlt
    jmp 1b

    .org 0xfff0
    ljmp $0xf000, $low
    .org 0x10000
    .section .note.GNU-stack, "", @progbits

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A ROM of 64 KiB, for -bios: the state of a processor after reset (SDM volume 3, table 9-1), then
 * what firmware does in real mode: the image below 1 MiB, an interrupt by the vector table, 4 GiB
 * segments, stores to the ROM. No stack is used before the reset values are looked at.
 */
    .set CR0_AT_RESET, 0x60000010
    .set STACK, 0x7000
    .set RESULTS, 0x6000        /* in RAM: EAX, EFLAGS, CR0, ESP, and the selectors */

    .code16
    .text
    .globl rom
rom:

ok_text:        .asciz "ok "
failed_text:    .asciz "FAILED "
end_text:       .asciz "end, 0 failures\n"
failures_text:  .asciz "end, failures\n"

/* Say @what, and whether the zero flag is set. */
.macro CHECK what
    mov $0, %al
    setz %al
    mov $8f, %si
    call report
    jmp 9f
8:  .asciz "\what\n"
9:
.endm

put:                            /* the text at CS:SI */
    cs lodsb
    test %al, %al
    jz 1f
    out %al, $0xe9
    jmp put
1:  ret

report:                         /* AL: whether it is so; SI: what */
    push %si
    mov $ok_text, %si
    test %al, %al
    jnz 1f
    mov $failed_text, %si
    movb $1, %ss:(RESULTS + 64)
1:  call put
    pop %si
    jmp put

/* The processor is still at 0xfffffxxx: CS has the selector 0xf000 and the base 0xffff0000. */
high:
    /* EAX is 0 unless there was a self test; keep everything without a stack. */
    mov %esp, %ss:(RESULTS + 12)
    mov %eax, %ss:(RESULTS)
    mov %cr0, %eax
    mov %eax, %ss:(RESULTS + 8)
    mov %ds, %ss:(RESULTS + 16)
    mov %ss, %ss:(RESULTS + 18)
    mov %es, %ss:(RESULTS + 20)
    mov %cs, %ss:(RESULTS + 22)
    mov $STACK, %esp
    pushfl
    popl %ss:(RESULTS + 4)
    movb $0, %ss:(RESULTS + 64)
    ljmp $0xf000, $low

low:                            /* the same code in the image below 1 MiB */
    cmpl $0, RESULTS
    CHECK "EAX is 0"
    cmpl $2, RESULTS + 4
    CHECK "EFLAGS is 2"
    cmpl $CR0_AT_RESET, RESULTS + 8
    CHECK "CR0: no protection, no paging, caches off"
    cmpl $0, RESULTS + 12
    CHECK "ESP is 0"
    cmpl $0, RESULTS + 16
    CHECK "DS and SS are 0"
    cmpw $0, RESULTS + 20
    CHECK "ES is 0"
    cmpw $0xf000, RESULTS + 22
    CHECK "CS is 0xf000"

    /* A store to the ROM is dropped. */
    mov $0xf000, %ax
    mov %ax, %es
    movw $0x5555, %es:ok_text
    cmpb $'o', %es:ok_text
    CHECK "the ROM keeps its contents"

    /* Interrupt 0x40 by the vector table at 0. */
    movw $handler, 0x40 * 4
    movw $0xf000, 0x40 * 4 + 2
    xor %bx, %bx
    int $0x40
    cmp $0x1234, %bx
    CHECK "an interrupt by the vector table"
    movw $divide, 0
    movw $0xf000, 2
    xor %cx, %cx
    xor %dl, %dl
    div %dl
divided:
    cmp $1, %cx
    CHECK "a division by zero, by the vector table"

    /* A data segment that reaches 4 GiB, taken along into real mode. */
    cli
    lgdtl %cs:gdtr
    mov %cr0, %eax
    or $1, %al
    mov %eax, %cr0
    mov $8, %bx
    mov %bx, %ds
    and $0xfe, %al
    mov %eax, %cr0
    mov $0x200000, %esi
    movl $0x13572468, (%esi)
    cmpl $0x13572468, (%esi)
    CHECK "memory above 1 MiB from real mode"
    mov $0xfffffff0, %esi
    cmpb $0xe9, (%esi)          /* the jump that came first */
    CHECK "the ROM below 4 GiB"

    cmpb $0, %ss:(RESULTS + 64)
    jne 1f
    mov $end_text, %si
    call put
    mov $0, %al
    out %al, $0xf4
1:  mov $failures_text, %si
    call put
    mov $1, %al
    out %al, $0xf4
1:  hlt
    jmp 1b

handler:
    mov $0x1234, %bx
    iret

divide:                         /* the fault's return address is the division */
    inc %cx
    mov %sp, %bp
    movw $divided, (%bp)
    iret

    .p2align 3
gdt:
    .quad 0
    .quad 0x00cf93000000ffff    /* data, 4 GiB */
gdtr:
    .word 15
    .long 0xf0000 + gdt

    .org 0xfff0
    jmp high
    .org 0x10000
    .section .note.GNU-stack, "", @progbits

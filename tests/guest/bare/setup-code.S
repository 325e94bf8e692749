/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A Linux kernel of an old boot protocol (VERSION), as far as a boot loader can tell: setup code of three
 * sectors, which a BIOS' boot loader enters in real mode, and a kernel, loaded low or, if HIGH is 1, at
 * 1 MiB. It prints to port 0xe9 where it is and what it was given, and ends by port 0xf4.
 */
#define SETUP_SECTORS 2
#define KERNEL_SIZE   1003      /* bytes: the last paragraph is short */
#define OLD_CMDLINE_MAGIC 0xa33f
#if HIGH
#define KERNEL 0x100000
#define CODE32_START 0x100000
#else
#define KERNEL 0x10000
#define CODE32_START 0x1000     /* a segment, then */
#endif

    .code16
    .section .text
    .globl _start
_start:
    .org 0x1f1
    .byte SETUP_SECTORS
    .word 0
    .long (KERNEL_SIZE + 15) / 16
    .org 0x1fe
    .word 0xaa55
    jmp begin                   /* 0x200, two bytes */
    .ascii "HdrS"
    .word VERSION
    .org 0x210
    .byte 0                     /* type_of_loader */
    .byte HIGH                  /* loadflags */
    .word 0x8000                /* setup_move_size */
    .long CODE32_START
ramdisk_image:
    .long 0
ramdisk_size:
    .long 0
    .long 0                     /* bootsect_kludge */
heap_end_ptr:
    .word 0x1234                /* 0x224: from 2.01 on */
    .word 0
cmd_line_ptr:
    .long 0x56789abc            /* 0x228: from 2.02 on */
#if VERSION >= 0x203
    .long 0x37ffffff
#endif
    .org 0x240

begin:
    mov $name_segment, %si
    call text
    mov %cs, %ax
    call hex16
    mov $name_stack, %si
    call text
    mov %ss, %ax                /* the same segment as data */
    mov %ds, %bx
    sub %bx, %ax
    call hex16
    mov $name_loader, %si
    call text
    mov 0x210, %ax
    call hex16
    mov $name_heap, %si
    call text
    mov heap_end_ptr, %ax
    cmp $0x9000, %ax            /* any heap of that size is one */
    jb 1f
    mov $0x9000, %ax
1:  call hex16

    mov $name_cmdline, %si
    call text
#if VERSION >= 0x202
    mov cmd_line_ptr, %eax
    shr $4, %eax
    mov %ax, %es
    mov cmd_line_ptr, %di
    and $15, %di
#else
    cmpw $OLD_CMDLINE_MAGIC, 0x20
    jne fail
    mov %ds, %ax
    mov %ax, %es
    mov 0x22, %di
    cmpl $0x56789abc, cmd_line_ptr /* which is not there */
    jne fail
#endif
1:  mov %es:(%di), %al
    test %al, %al
    jz 2f
    out %al, $0xe9
    inc %di
    jmp 1b
2:
    mov $name_kernel, %si
    call text
    mov $KERNEL, %eax
    call copy
    mov $buffer, %si
    call text
    mov $name_end, %si
    call text
    mov $KERNEL + KERNEL_SIZE - 3, %eax
    call copy
    movb $0, buffer + 3
    mov $buffer, %si
    call text
    mov $name_initrd, %si
    call text
    mov ramdisk_size, %eax
    call hex16
    mov $' ', %al
    out %al, $0xe9
    mov ramdisk_image, %eax
    call copy
    mov $buffer, %si
    call text
    mov $name_done, %si
    call text
    xor %eax, %eax
    out %eax, $0xf4
fail:
    mov $name_failed, %si
    call text
    mov $1, %eax
    out %eax, $0xf4
1:  hlt
    jmp 1b

text:                           /* %si, up to a NUL */
    lodsb
    test %al, %al
    jz 1f
    out %al, $0xe9
    jmp text
1:  ret

hex16:                          /* %ax */
    mov %ax, %dx
    mov $4, %cx
1:  rol $4, %dx
    mov %dl, %al
    and $15, %al
    add $'0', %al
    cmp $'9', %al
    jbe 2f
    add $'a' - '9' - 1, %al
2:  out %al, $0xe9
    loop 1b
    ret

copy:                           /* 8 bytes from %eax to the buffer, by the BIOS (INT 15h, AH=87h) */
    mov %ax, source + 2
    shr $16, %eax
    mov %al, source + 4
    mov %ah, source + 7
    xor %eax, %eax
    mov %ds, %ax
    shl $4, %eax
    add $buffer, %eax
    mov %ax, target + 2
    shr $16, %eax
    mov %al, target + 4
    mov %ah, target + 7
    mov %ds, %ax
    mov %ax, %es
    mov $moves, %si
    mov $4, %cx                 /* words */
    mov $0x87, %ah
    int $0x15
    jc fail
    movb $0, buffer + 8
    ret

    .p2align 3
moves:
    .quad 0, 0
source:
    .word 0xffff, 0
    .byte 0, 0x93, 0, 0
target:
    .word 0xffff, 0
    .byte 0, 0x93, 0, 0
    .quad 0, 0
buffer:
    .skip 9

name_segment:
    .asciz "code segment "
name_stack:
    .asciz "\nstack and data differ by "
name_loader:
    .asciz "\nloader and flags "
name_heap:
    .asciz "\nheap "
name_cmdline:
    .asciz "\ncommand line "
name_kernel:
    .asciz "\nkernel "
name_end:
    .asciz " to "
name_initrd:
    .asciz "\ninitrd "
name_done:
    .asciz "\nend\n"
name_failed:
    .asciz "\nFAILED\n"

    .org (1 + SETUP_SECTORS) * 512
    .ascii "KERNEL!"
    .byte 0
    .org (1 + SETUP_SECTORS) * 512 + KERNEL_SIZE - 3
    .ascii "END"

    .section .note.GNU-stack, "", @progbits

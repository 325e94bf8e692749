/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The head of our option ROMs: what a BIOS finds them by (BIOS Boot Specification 1.01,
 * Plug and Play BIOS Specification 1.0a, section 3.2), and the way into its C code. The build
 * script fills in both checksums and the length.
 */
#include "hw/i386/optionrom/linuxboot.h"

    .code16
    .section .head, "a"
    .globl _start
_start:
    .byte 0x55, 0xaa
    .byte 0             /* length in units of 512 bytes */
    lret                /* initialisation, a far call: there is nothing to do */
    .org 0x1a
    .word pnp
    .org 0x20
pnp:
    .ascii "$PnP"
    .byte 1             /* revision */
    .byte 2             /* length in units of 16 bytes */
    .word 0             /* next header */
    .byte 0
    .byte 0             /* checksum of the header */
    .long 0             /* device */
    .word manufacturer
    .word product
    .byte 0, 0, 0       /* type */
    .byte 0
    .word 0             /* boot connection vector */
    .word 0             /* disconnect vector */
    .word boot          /* bootstrap entry vector: this is what can be booted from */
    .word 0
    .word 0

manufacturer:
    .asciz "Dimmable"
product:
    .asciz "the kernel of -kernel"

/* A BIOS makes ROM read-only: the code runs as a copy in RAM, with all segments there. */
boot:
    cli
    cld
    movw %cs, %ax
    movw %ax, %ds
    movw $LINUXBOOT_SEGMENT, %ax
    movw %ax, %es
    xorw %si, %si
    xorw %di, %di
    movw $rom_words, %cx
    rep movsw
    movw %ax, %ds
    movw %ax, %ss
    movl $LINUXBOOT_STACK, %esp
    ljmp $LINUXBOOT_SEGMENT, $1f
1:
    calll rom_main      /* does not return */

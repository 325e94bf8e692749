/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where our option ROMs run: below are the places for kernels' setup code, kernels that are loaded
 * low, command lines and information (hw/i386/linux-boot.h, bzimage.c), and above is nothing but
 * the BIOS' own data area. For C and assembly.
 */
#ifndef HW_I386_OPTIONROM_LINUXBOOT_H
#define HW_I386_OPTIONROM_LINUXBOOT_H

#define LINUXBOOT_SEGMENT 0x9b00 /* in units of 16 bytes */
#define LINUXBOOT_STACK   0x2000 /* grows down from here */
#define LINUXBOOT_BUFFER  0x2000 /* and data up, to 0x4000 */

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the option ROM that starts the kernel of -kernel runs: below the places for the kernel's
 * setup code and command line come first, and above is nothing but the BIOS' own data area.
 * For C and assembly.
 */
#ifndef HW_I386_OPTIONROM_LINUXBOOT_H
#define HW_I386_OPTIONROM_LINUXBOOT_H

#define LINUXBOOT_SEGMENT 0x8000 /* in units of 16 bytes */
#define LINUXBOOT_STACK   0xfff0

#endif

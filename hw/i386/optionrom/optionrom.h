/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Option ROMs that are part of the program, for fw_cfg's files genroms/... */
#ifndef HW_I386_OPTIONROM_OPTIONROM_H
#define HW_I386_OPTIONROM_OPTIONROM_H

#include <stddef.h>
#include <stdint.h>

/* Starts a bzImage from a BIOS, by its setup code (linuxboot.c). */
#define OPTIONROM_LINUXBOOT_FILE "genroms/linuxboot_dma.bin"
extern const uint8_t optionrom_linuxboot[];
extern const size_t optionrom_linuxboot_size; /* bytes, a multiple of 512 */

/* Enters ELF and multiboot kernels in protected mode (protected.c). */
#define OPTIONROM_PROTECTED_FILE "genroms/multiboot_dma.bin"
extern const uint8_t optionrom_protected[];
extern const size_t optionrom_protected_size;

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Option ROMs that are part of the program, for fw_cfg's files genroms/... */
#ifndef HW_I386_OPTIONROM_OPTIONROM_H
#define HW_I386_OPTIONROM_OPTIONROM_H

#include <stddef.h>
#include <stdint.h>

/* Starts the kernel of -kernel from a BIOS (linuxboot.c). */
#define OPTIONROM_LINUXBOOT_FILE "genroms/linuxboot_dma.bin"
extern const uint8_t optionrom_linuxboot[];
extern const size_t optionrom_linuxboot_size; /* bytes, a multiple of 512 */

#endif

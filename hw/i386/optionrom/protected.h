/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Between hw/i386/boot-fw-cfg.c and the option ROM that enters kernels in 32-bit protected mode
 * (protected.c). The item FW_CFG_SETUP_DATA begins with these numbers, all little endian:
 *   a ProtectedBoot, then ProtectedBoot.parts times a ProtectedPart
 * and what a part names may be in the same item.
 */
#ifndef HW_I386_OPTIONROM_PROTECTED_H
#define HW_I386_OPTIONROM_PROTECTED_H

#include <stdint.h>

#define MULTIBOOT_LOADER_MAGIC 0x2badb002 /* in EAX */

/* What the kernel is given, at ProtectedBoot.info (in EBX); the ROM fills in the memory. */
enum {
    PROTECTED_MULTIBOOT = 1, /* a Multiboot information structure */
    PROTECTED_PVH = 2,       /* a hvm_start_info */
};

/* Offsets of the fields that the ROM fills in. */
enum {
    MULTIBOOT_MEM_LOWER = 4,
    MULTIBOOT_MEM_UPPER = 8,
    MULTIBOOT_MMAP_LENGTH = 44,

    PVH_RSDP = 32,
    PVH_MEMMAP_ENTRIES = 48,
};

typedef struct ProtectedBoot {
    uint32_t kind, entry, info;
    uint32_t map, map_max; /* address, and entries that there is room for */
    uint32_t parts;
} ProtectedBoot;

/* @file_size bytes of item @item, from @offset on, to @addr; then zeros up to @size. */
typedef struct ProtectedPart {
    uint32_t item, offset, addr, file_size, size;
} ProtectedPart;

#endif

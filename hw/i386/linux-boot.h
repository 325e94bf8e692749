/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Booting a kernel without firmware (-kernel): a bzImage by the 64-bit Linux boot protocol
 * (Documentation/arch/x86/boot.rst, 2.12 or later), or an ELF file by the Xen PVH protocol
 * (pvh.c). Neither touches the machine: both write to the memory that they are given and tell the
 * registers that the first processor starts with. Machine lock for loading.
 */
#ifndef HW_I386_LINUX_BOOT_H
#define HW_I386_LINUX_BOOT_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "hw/i386/fw-cfg.h"
#include "memory/memory.h"
#include "target/i386/cpu.h"

/* Guest RAM from address 0; on the host it may be in several places. */
typedef struct BootRam {
    AddressSpace *as;
    uint64_t size; /* bytes that may be used: up to the ACPI tables; below 4 GiB */
} BootRam;

/* Structures that the loaders make in low memory, below LOW_RAM_END. */
enum {
    BOOT_PARAMS = 0x10000, /* the "zero page", or PVH's start info */
    BOOT_GDT = 0x11000,
    BOOT_PAGE_TABLES = 0x12000, /* 6 pages: 4 GiB, identity-mapped */
    BOOT_CMDLINE = 0x20000,
    BOOT_CMDLINE_MAX = 0x10000,
};

typedef struct LinuxBoot LinuxBoot;

/* Open kernel and @initrd (may be NULL) and check them; @append may be NULL. Errors: no such file,
 * neither bzImage nor ELF, truncated, protocol too old, not 64-bit, no PVH entry, command line too
 * long. The files stay mapped: each reset loads them again. */
LinuxBoot *linux_boot_open(const char *kernel, const char *initrd, const char *append,
                           GError **errp);
void linux_boot_free(LinuxBoot *boot);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LinuxBoot, linux_boot_free)

/* Choose the places for kernel and initrd in @ram_size bytes of RAM; writes nothing. An error says
 * how much would be enough. */
bool linux_boot_plan(LinuxBoot *boot, uint64_t ram_size, GError **errp);

/* Write everything to @ram (whose size was given to linux_boot_plan()). @e820: GArray of E820Entry;
 * @rsdp: address of the ACPI root pointer. */
void linux_boot_load(const LinuxBoot *boot, const BootRam *ram, const GArray *e820, uint64_t rsdp);

/* With firmware: put the files, unchanged, and the command line into @fw, where UEFI and our option
 * ROM find them. An error if it is no bzImage, which is all that they start. linux_boot_plan() was
 * called. */
bool linux_boot_offer(const LinuxBoot *boot, FwCfg *fw, GError **errp);

/* Set the registers of a processor that was reset to the state in which the kernel is entered. */
void linux_boot_start(const LinuxBoot *boot, X86Cpu *cpu);

#endif

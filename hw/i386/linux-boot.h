/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Booting a kernel (-kernel): by the Linux boot protocol (Documentation/arch/x86/boot.rst,
 * bzimage.c), ELF files by the Xen PVH protocol (pvh.c), multiboot kernels (multiboot.c), EFI
 * applications (efi-app.c). What is started without firmware is written to the memory that the
 * loaders are given, and they tell the registers that the first processor starts with; else
 * firmware finds it in fw_cfg. Machine lock for loading.
 */
#ifndef HW_I386_LINUX_BOOT_H
#define HW_I386_LINUX_BOOT_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "hw/i386/fw-cfg.h"
#include "memory/address-space.h"
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
    BOOT_LOW_END = 0x9b000, /* above are our option ROM while it runs, and the BIOS' data */
};

/* Who can start a kernel. */
typedef enum BootStarter {
    BOOT_DIRECTLY = 1 << 0, /* nobody: the processor begins in it */
    BOOT_BY_BIOS = 1 << 1,  /* and our option ROM */
    BOOT_BY_UEFI = 1 << 2,
} BootStarter;

typedef struct LinuxBoot LinuxBoot;

/* Open kernel and @initrd (may be NULL) and check them; @append may be NULL. @initrd is a file, and
 * for multiboot a list of modules: "FILE ARGUMENTS,...", two commas being one of the name. Errors:
 * no such file, of no format that is known, truncated, headers that make no sense, protocol too
 * old, no entry point, command line too long. The files stay mapped: each reset loads them again.
 */
LinuxBoot *linux_boot_open(const char *kernel, const char *initrd, const char *append,
                           GError **errp);
void linux_boot_free(LinuxBoot *boot);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LinuxBoot, linux_boot_free)

/* Choose the places for kernel and initrd in @ram_size bytes of RAM; writes nothing. An error says
 * how much would be enough. */
bool linux_boot_plan(LinuxBoot *boot, uint64_t ram_size, GError **errp);

/* For a kernel that is started directly: write everything to @ram (whose size was given to
 * linux_boot_plan()). @e820: GArray of E820Entry;
 * @rsdp: address of the ACPI root pointer. */
void linux_boot_load(const LinuxBoot *boot, const BootRam *ram, const GArray *e820, uint64_t rsdp);

/* Can @starter start it? An error says what can. */
bool linux_boot_check_starter(const LinuxBoot *boot, BootStarter starter, GError **errp);
/* Is a BIOS what it takes, since it cannot be started directly? */
bool linux_boot_needs_bios(const LinuxBoot *boot);

/* With firmware that can start it: put files and command line into @fw, where UEFI and our option
 * ROMs find them. linux_boot_plan() was called. */
void linux_boot_offer(const LinuxBoot *boot, FwCfg *fw);
/* Name of the file in fw_cfg with the option ROM that starts it from a BIOS, and its contents;
 * NULL: there is none. */
const char *linux_boot_option_rom(const LinuxBoot *boot, const uint8_t **rom, size_t *size);

/* Set the registers of a processor that was reset to the state in which the kernel is entered. */
void linux_boot_start(const LinuxBoot *boot, X86Cpu *cpu);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ELF kernels by the PVH protocol of Xen (docs/misc/pvh.pandoc there): a note in the file names an
 * entry point for 32-bit protected mode, which is given a structure with what there is.
 */
#include <string.h>

#include "hw/i386/boot-protocol.h"
#include "hw/i386/e820.h"
#include "hw/i386/optionrom/protected.h"
#include "memory/address-space.h"
#include "util/error.h"

#define XEN_ELFNOTE_PHYS32_ENTRY 18
#define PVH_CMDLINE_MAX          2047
#define START_MAGIC              0x336ec578

/* Offsets in hvm_start_info, version 1, and the structures it points to, all at BOOT_PARAMS. */
enum {
    START_MAGIC_FIELD = 0,
    START_VERSION = 4,
    START_MODULES = 12,
    START_MODULE_LIST = 16,
    START_CMDLINE = 24,
    START_RSDP = PVH_RSDP,
    START_MEMMAP = 40,
    START_MEMMAP_ENTRIES = PVH_MEMMAP_ENTRIES,

    MODULE_LIST = 0x100,
    MEMMAP = 0x200,
    MEMMAP_ENTRY_SIZE = 24,
    START_SIZE = 0x1000,
    MEMMAP_MAX = (START_SIZE - MEMMAP) / MEMMAP_ENTRY_SIZE,
};

static bool pvh_check(LinuxBoot *boot, GError **errp)
{
    uint32_t entry;

    if (!boot_image_from_elf(boot, errp)) {
        return false;
    }
    if (!boot_image_elf_note(boot, "Xen", XEN_ELFNOTE_PHYS32_ENTRY, &entry)) {
        error_set(errp,
                  "-kernel: '%s' has no PVH entry point (Xen note 18): a Linux kernel with "
                  "CONFIG_PVH, or its bzImage, is needed; a multiboot kernel is ELF of 32 bits, or "
                  "has load addresses in its multiboot header (flag bit 16)",
                  boot->kernel_path);
        return false;
    }
    boot->entry = entry;
    boot->starters = BOOT_DIRECTLY | BOOT_BY_BIOS;
    boot->cmdline_max = PVH_CMDLINE_MAX;
    return true;
}

static bool pvh_plan(LinuxBoot *boot, uint64_t ram_size, GError **errp)
{
    boot->initrd_limit = FOUR_GIB;
    return boot_image_plan(boot, HIGH_RAM, ram_size, errp);
}

/* The structure without what depends on firmware: the map of memory, and the RSDP. */
static void pvh_make_start(const LinuxBoot *boot, uint8_t *start)
{
    const BootModule *initrd = boot_initrd(boot);

    boot_put32(start + START_MAGIC_FIELD, START_MAGIC);
    boot_put32(start + START_VERSION, 1);
    if (initrd) {
        boot_put32(start + START_MODULES, 1);
        boot_put64(start + START_MODULE_LIST, BOOT_PARAMS + MODULE_LIST);
        boot_put64(start + MODULE_LIST, initrd->addr);
        boot_put64(start + MODULE_LIST + 8, initrd->size);
    }
    boot_put64(start + START_CMDLINE, BOOT_CMDLINE);
    boot_put64(start + START_MEMMAP, BOOT_PARAMS + MEMMAP);
}

static void pvh_load(const LinuxBoot *boot, const BootRam *ram, const GArray *e820, uint64_t rsdp)
{
    uint8_t start[START_SIZE] = { 0 };
    unsigned entries = MIN(e820->len, MEMMAP_MAX);

    boot_image_load(boot, ram);
    pvh_make_start(boot, start);
    boot_put64(start + START_RSDP, rsdp);
    boot_put32(start + START_MEMMAP_ENTRIES, entries);
    for (unsigned i = 0; i < entries; i++) {
        const E820Entry *entry = &g_array_index(e820, E820Entry, i);
        uint8_t *p = start + MEMMAP + i * MEMMAP_ENTRY_SIZE;

        boot_put64(p, entry->addr);
        boot_put64(p + 8, entry->size);
        boot_put32(p + 16, entry->type);
    }
    address_space_write(ram->as, BOOT_PARAMS, start, sizeof(start));
    boot_write_gdt(ram, false);
}

static void pvh_start(const LinuxBoot *boot, X86Cpu *cpu)
{
    boot_start_protected(boot, cpu);
    cpu->regs[X86_RBX] = BOOT_PARAMS;
}

static void pvh_offer(const LinuxBoot *boot, FwCfg *fw)
{
    uint8_t start[START_SIZE] = { 0 };
    g_autoptr(GByteArray) info = g_byte_array_new();

    pvh_make_start(boot, start);
    g_byte_array_append(info, start, sizeof(start));
    fw_cfg_add_u32(fw, FW_CFG_CMDLINE_ADDR, BOOT_CMDLINE);
    boot_offer_segments(boot, fw, PROTECTED_PVH, MEMMAP, MEMMAP_MAX, info, BOOT_PARAMS);
}

const BootProtocol pvh_protocol = {
    .name = "a kernel with a PVH entry point",
    .matches = boot_is_elf,
    .check = pvh_check,
    .plan = pvh_plan,
    .load = pvh_load,
    .start = pvh_start,
    .offer = pvh_offer,
};

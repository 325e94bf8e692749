/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The Linux/x86 boot protocol, 64-bit entry. Names are those of its documentation. */
#include <string.h>

#include "hw/i386/boot-protocol.h"
#include "hw/i386/e820.h"
#include "util/error.h"

/* The setup header: offsets in the file, and in the boot parameters. */
enum {
    HDR_SETUP_SECTS = 0x1f1,
    HDR_SYSSIZE = 0x1f4,
    HDR_BOOT_FLAG = 0x1fe,
    HDR_JUMP = 0x200, /* its second byte says where the header ends */
    HDR_MAGIC = 0x202,
    HDR_VERSION = 0x206,
    HDR_TYPE_OF_LOADER = 0x210,
    HDR_LOADFLAGS = 0x211,
    HDR_CODE32_START = 0x214,
    HDR_RAMDISK_IMAGE = 0x218,
    HDR_RAMDISK_SIZE = 0x21c,
    HDR_CMD_LINE_PTR = 0x228,
    HDR_INITRD_ADDR_MAX = 0x22c,
    HDR_KERNEL_ALIGNMENT = 0x230,
    HDR_RELOCATABLE = 0x234,
    HDR_XLOADFLAGS = 0x236,
    HDR_CMDLINE_SIZE = 0x238,
    HDR_SETUP_DATA = 0x250,
    HDR_PREF_ADDRESS = 0x258,
    HDR_INIT_SIZE = 0x260,
    HDR_LEAST_END = 0x268,
};

/* Further boot parameters. */
enum {
    PARAMS_ACPI_RSDP = 0x070,
    PARAMS_E820_ENTRIES = 0x1e8,
    PARAMS_E820_TABLE = 0x2d0,
    PARAMS_E820_MAX = 128,
    PARAMS_E820_SIZE = 20,
    PARAMS_SIZE = 0x1000,
    PARAMS_HEADER_END = 0x290, /* where the room for the header ends */
};

#define SECTOR             512
#define VERSION_LEAST      0x020c
#define LOADED_HIGH        (1 << 0)
#define XLF_KERNEL_64      (1 << 0)
#define LOADER_UNDEFINED   0xff
#define ENTRY_64           0x200
#define PAGE_TABLE_ENTRIES 512

static bool bzimage_matches(const uint8_t *file, size_t size)
{
    return size >= HDR_VERSION + 2 && file[HDR_BOOT_FLAG] == 0x55 &&
           file[HDR_BOOT_FLAG + 1] == 0xaa && !memcmp(file + HDR_MAGIC, "HdrS", 4);
}

static uint64_t bzimage_payload(const LinuxBoot *boot)
{
    return (uint64_t)boot_get32(boot->kernel + HDR_SYSSIZE) * 16;
}

static bool bzimage_check(LinuxBoot *boot, GError **errp)
{
    const uint8_t *file = boot->kernel;
    unsigned version = file[HDR_VERSION] | file[HDR_VERSION + 1] << 8;
    unsigned sectors = file[HDR_SETUP_SECTS] ? file[HDR_SETUP_SECTS] : 4;
    uint64_t need = (1 + sectors) * SECTOR;

    if (version < VERSION_LEAST) {
        error_set(errp,
                  "-kernel: '%s' has boot protocol %u.%02u, but 2.12 (Linux 3.8) or later is "
                  "needed",
                  boot->kernel_path, version >> 8, version & 0xff);
        return false;
    }
    boot->setup_size = need;
    if (boot->kernel_size >= HDR_LEAST_END) {
        need += bzimage_payload(boot);
    }
    if (boot->kernel_size < MAX(need, HDR_LEAST_END)) {
        error_set(errp,
                  "-kernel: '%s' is truncated: it has %" G_GUINT64_FORMAT
                  " bytes, but its header says that there are %" G_GUINT64_FORMAT,
                  boot->kernel_path, boot->kernel_size, need);
        return false;
    }
    if (!(file[HDR_XLOADFLAGS] & XLF_KERNEL_64)) {
        error_set(errp, "-kernel: '%s' has no 64-bit entry point: an x86-64 kernel is needed",
                  boot->kernel_path);
        return false;
    }
    if (!(file[HDR_LOADFLAGS] & LOADED_HIGH)) {
        error_set(errp, "-kernel: '%s' is a zImage: a bzImage is needed", boot->kernel_path);
        return false;
    }
    boot->cmdline_max = boot_get32(file + HDR_CMDLINE_SIZE);
    return true;
}

/* Where the kernel prefers to be, or else as low as it can. */
static bool bzimage_plan(LinuxBoot *boot, uint64_t ram_size, GError **errp)
{
    const uint8_t *file = boot->kernel;
    uint64_t need = MAX(boot_get32(file + HDR_INIT_SIZE), bzimage_payload(boot));
    uint64_t align = MAX(boot_get32(file + HDR_KERNEL_ALIGNMENT), 0x1000);
    uint64_t addr = boot_get64(file + HDR_PREF_ADDRESS);

    if (addr < HIGH_RAM || addr > ram_size || need > ram_size - addr) {
        if (!file[HDR_RELOCATABLE]) {
            boot_error_ram(boot, MIN(addr, FOUR_GIB) + need, errp);
            return false;
        }
        addr = (HIGH_RAM + align - 1) / align * align;
        if (addr > ram_size || need > ram_size - addr) {
            boot_error_ram(boot, addr + need, errp);
            return false;
        }
    }
    boot->kernel_addr = addr;
    boot->kernel_end = addr + need;
    boot->entry = addr + ENTRY_64;
    boot->initrd_limit = (uint64_t)boot_get32(file + HDR_INITRD_ADDR_MAX) + 1;
    return true;
}

static void bzimage_write_e820(uint8_t *params, const GArray *e820)
{
    unsigned count = MIN(e820->len, PARAMS_E820_MAX);

    params[PARAMS_E820_ENTRIES] = count;
    for (unsigned i = 0; i < count; i++) {
        const E820Entry *entry = &g_array_index(e820, E820Entry, i);
        uint8_t *p = params + PARAMS_E820_TABLE + i * PARAMS_E820_SIZE;
        boot_put64(p, entry->addr);
        boot_put64(p + 8, entry->size);
        boot_put32(p + 16, entry->type);
    }
}

/* The first 4 GiB mapped to themselves by pages of 2 MiB. */
static void bzimage_write_page_tables(const BootRam *ram)
{
    enum { GIBS = 4, PML4 = 0, PDPT = PML4 + 0x1000, PD = PDPT + 0x1000, END = PD + GIBS * 0x1000 };
    const uint64_t base = BOOT_PAGE_TABLES;
    uint8_t tables[END] = { 0 };

    boot_put64(tables + PML4, (base + PDPT) | PTE_P | PTE_RW);
    for (unsigned i = 0; i < GIBS; i++) {
        boot_put64(tables + PDPT + i * 8, (base + PD + i * 0x1000) | PTE_P | PTE_RW);
    }
    for (unsigned i = 0; i < GIBS * PAGE_TABLE_ENTRIES; i++) {
        boot_put64(tables + PD + i * 8, ((uint64_t)i << 21) | PTE_P | PTE_RW | PTE_PS);
    }
    address_space_write(ram->as, base, tables, sizeof(tables));
}

static void bzimage_load(const LinuxBoot *boot, const BootRam *ram, const GArray *e820,
                         uint64_t rsdp)
{
    uint8_t params[PARAMS_SIZE] = { 0 };
    unsigned end = MIN(HDR_MAGIC + boot->kernel[HDR_JUMP + 1], PARAMS_HEADER_END);

    memcpy(params + HDR_SETUP_SECTS, boot->kernel + HDR_SETUP_SECTS, end - HDR_SETUP_SECTS);
    params[HDR_TYPE_OF_LOADER] = LOADER_UNDEFINED;
    boot_put32(params + HDR_CODE32_START, boot->kernel_addr);
    boot_put32(params + HDR_RAMDISK_IMAGE, boot->initrd_addr);
    boot_put32(params + HDR_RAMDISK_SIZE, boot->initrd_size);
    boot_put32(params + HDR_CMD_LINE_PTR, BOOT_CMDLINE);
    boot_put64(params + HDR_SETUP_DATA, 0);
    boot_put64(params + PARAMS_ACPI_RSDP, rsdp);
    bzimage_write_e820(params, e820);

    address_space_write(ram->as, BOOT_PARAMS, params, sizeof(params));
    address_space_write(ram->as, boot->kernel_addr, boot->kernel + boot->setup_size,
                        bzimage_payload(boot));
    bzimage_write_page_tables(ram);
    boot_write_gdt(ram, true);
}

static void bzimage_start(const LinuxBoot *boot, X86Cpu *cpu)
{
    boot_set_segments(cpu, true);
    cpu->cr0 = CR0_PG | CR0_NE | CR0_ET | CR0_MP | CR0_PE;
    cpu->cr3 = BOOT_PAGE_TABLES;
    cpu->cr4 = CR4_PAE;
    cpu->efer = EFER_LME | EFER_LMA;
    cpu->regs[X86_RSI] = BOOT_PARAMS;
    cpu->rip = boot->entry;
}

const BootProtocol bzimage_protocol = {
    .matches = bzimage_matches,
    .check = bzimage_check,
    .plan = bzimage_plan,
    .load = bzimage_load,
    .start = bzimage_start,
};

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Linux/x86 boot protocol. Without firmware a kernel is entered in 64-bit or 32-bit mode; a
 * BIOS runs its setup code first, by our option ROM (optionrom/linuxboot.c), and kernels older than
 * protocol 2.10 and zImages can be started by that only. Names are those of the documentation.
 */
#include <inttypes.h>
#include <string.h>

#include "hw/i386/boot-protocol.h"
#include "hw/i386/e820.h"
#include "memory/address-space.h"
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

/* Versions of the protocol from which on there is something, or something is different. */
enum {
    VERSION_LEAST = 0x200,
    VERSION_CMD_LINE_PTR = 0x202, /* before: both at 0x90000 */
    VERSION_INITRD_ADDR_MAX = 0x203,
    VERSION_SYSSIZE_32 = 0x204, /* before: what does not fit into 16 bits is lost */
    VERSION_RELOCATABLE = 0x205,
    VERSION_CMDLINE_SIZE = 0x206,
    VERSION_INIT_SIZE = 0x20a, /* and pref_address: what a boot without setup code needs */
    VERSION_XLOADFLAGS = 0x20c,
};

#define SECTOR             512
#define PARAGRAPH          16
#define LOADED_HIGH        (1 << 0)
#define XLF_KERNEL_64      (1 << 0)
#define LOADER_UNDEFINED   0xff
#define ENTRY_64           0x200
#define PAGE_TABLE_ENTRIES 512

/* Where a BIOS has setup code, command line and a kernel that is not loaded high. */
enum {
    OLD_KERNEL = 0x10000,
    OLD_SETUP = 0x90000,
    OLD_CMDLINE = 0x99f00,
    OLD_CMDLINE_MAX = 255,
    OLD_INITRD_ADDR_MAX = 0x37ffffff,
    SETUP_HEAP = 0x1000, /* bytes for heap and stack behind the setup code */
};

static unsigned bzimage_version(const LinuxBoot *boot)
{
    return boot_get16(boot->kernel + HDR_VERSION);
}

static bool bzimage_high(const LinuxBoot *boot)
{
    return boot->kernel[HDR_LOADFLAGS] & LOADED_HIGH;
}

/* Is everything of the real mode where the oldest kernels must have it? */
static bool bzimage_old_layout(const LinuxBoot *boot)
{
    return bzimage_version(boot) < VERSION_CMD_LINE_PTR || !bzimage_high(boot);
}

/* Can it be entered without its setup code? Then it says how much memory it needs. */
static bool bzimage_direct(const LinuxBoot *boot)
{
    return bzimage_version(boot) >= VERSION_INIT_SIZE && bzimage_high(boot);
}

static bool bzimage_64(const LinuxBoot *boot)
{
    return bzimage_version(boot) >= VERSION_XLOADFLAGS &&
           boot->kernel[HDR_XLOADFLAGS] & XLF_KERNEL_64;
}

static bool bzimage_relocatable(const LinuxBoot *boot)
{
    return bzimage_version(boot) >= VERSION_RELOCATABLE && boot->kernel[HDR_RELOCATABLE];
}

static bool bzimage_matches(const uint8_t *file, size_t size)
{
    return size >= HDR_VERSION + 2 && file[HDR_BOOT_FLAG] == 0x55 &&
           file[HDR_BOOT_FLAG + 1] == 0xaa && !memcmp(file + HDR_MAGIC, "HdrS", 4);
}

/* Bytes of protected-mode code that the header says there are; 0: it does not say. The last
 * paragraph may be short. */
static uint64_t bzimage_said_size(const LinuxBoot *boot)
{
    const uint8_t *size = boot->kernel + HDR_SYSSIZE;

    if (bzimage_version(boot) >= VERSION_SYSSIZE_32) {
        return (uint64_t)boot_get32(size) * PARAGRAPH;
    }
    return bzimage_high(boot) ? 0 : boot_get16(size) * PARAGRAPH;
}

/* Bytes of it that are in the file. */
static uint64_t bzimage_payload(const LinuxBoot *boot)
{
    uint64_t there = boot->kernel_size - boot->setup_size, said = bzimage_said_size(boot);

    return said ? MIN(there, said) : there;
}

static bool bzimage_check_size(LinuxBoot *boot, GError **errp)
{
    unsigned sectors = boot->kernel[HDR_SETUP_SECTS] ? boot->kernel[HDR_SETUP_SECTS] : 4;
    uint64_t said, room, setup = (1 + sectors) * SECTOR;

    boot->setup_size = setup;
    said = boot->kernel_size > setup ? bzimage_said_size(boot) : 0;
    if (boot->kernel_size <= setup ||
        boot->kernel_size + PARAGRAPH - 1 < setup + said) { /* a short paragraph is none */
        error_set(errp,
                  "-kernel: '%s' is truncated: it has %" PRIu64
                  " bytes, but its header says that there are %" PRIu64,
                  boot->kernel_path, boot->kernel_size, setup + MAX(said, 1));
        return false;
    }
    room = bzimage_old_layout(boot) ? OLD_CMDLINE - OLD_SETUP : BOOT_CMDLINE - BOOT_PARAMS;
    if (setup > room - SETUP_HEAP) {
        error_set(errp,
                  "-kernel: '%s' has setup code of %" PRIu64 " bytes: there is room for %" PRIu64,
                  boot->kernel_path, setup, room - SETUP_HEAP);
        return false;
    }
    if (!bzimage_high(boot) && bzimage_payload(boot) > OLD_SETUP - OLD_KERNEL) {
        error_set(errp,
                  "-kernel: '%s' is a zImage of %" PRIu64
                  " bytes: there is room for %u below its setup code; a bzImage is loaded high",
                  boot->kernel_path, bzimage_payload(boot), OLD_SETUP - OLD_KERNEL);
        return false;
    }
    return true;
}

static bool bzimage_check(LinuxBoot *boot, GError **errp)
{
    const uint8_t *file = boot->kernel;
    unsigned version = bzimage_version(boot);

    if (version < VERSION_LEAST) {
        error_set(errp,
                  "-kernel: '%s' has boot protocol %u.%02u, but 2.00 (Linux 1.3.73) or later is "
                  "needed",
                  boot->kernel_path, version >> 8, version & 0xff);
        return false;
    }
    if (!bzimage_check_size(boot, errp)) {
        return false;
    }
    boot->starters = BOOT_BY_BIOS;
    if (bzimage_direct(boot)) {
        boot->starters |= BOOT_DIRECTLY;
    }
    if (bzimage_relocatable(boot) || boot_is_pe(file, boot->kernel_size)) {
        boot->starters |= BOOT_BY_UEFI;
    }
    boot->cmdline_max = version < VERSION_CMDLINE_SIZE || bzimage_old_layout(boot)
                            ? OLD_CMDLINE_MAX
                            : boot_get32(file + HDR_CMDLINE_SIZE);
    return true;
}

/* By its setup code: where that expects it, and what it needs there it must see to. */
static bool bzimage_plan_by_bios(LinuxBoot *boot, uint64_t ram_size, GError **errp)
{
    boot->kernel_addr = bzimage_high(boot) ? HIGH_RAM : OLD_KERNEL;
    boot->kernel_end = MAX(boot->kernel_addr + bzimage_payload(boot), HIGH_RAM);
    if (boot->kernel_end > ram_size) {
        boot_error_ram(boot, boot->kernel_end, errp);
        return false;
    }
    return true;
}

/* Where the kernel prefers to be, or else as low as it can. */
static bool bzimage_plan_directly(LinuxBoot *boot, uint64_t ram_size, GError **errp)
{
    const uint8_t *file = boot->kernel;
    uint64_t need = MAX(boot_get32(file + HDR_INIT_SIZE), bzimage_payload(boot));
    uint64_t align = MAX(boot_get32(file + HDR_KERNEL_ALIGNMENT), 0x1000);
    uint64_t addr = boot_get64(file + HDR_PREF_ADDRESS);

    if (addr < HIGH_RAM || addr > ram_size || need > ram_size - addr) {
        if (!bzimage_relocatable(boot)) {
            boot_error_ram(boot, CLAMP(addr, HIGH_RAM, FOUR_GIB) + need, errp);
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
    boot->entry = addr + (bzimage_64(boot) ? ENTRY_64 : 0);
    return true;
}

static bool bzimage_plan(LinuxBoot *boot, uint64_t ram_size, GError **errp)
{
    uint32_t initrd_addr_max = bzimage_version(boot) < VERSION_INITRD_ADDR_MAX
                                   ? OLD_INITRD_ADDR_MAX
                                   : boot_get32(boot->kernel + HDR_INITRD_ADDR_MAX);

    boot->initrd_limit = (uint64_t)initrd_addr_max + 1;
    return bzimage_direct(boot) ? bzimage_plan_directly(boot, ram_size, errp)
                                : bzimage_plan_by_bios(boot, ram_size, errp);
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
    const BootModule *initrd = boot_initrd(boot);
    uint8_t params[PARAMS_SIZE] = { 0 };
    unsigned end = MIN(HDR_MAGIC + boot->kernel[HDR_JUMP + 1], PARAMS_HEADER_END);

    memcpy(params + HDR_SETUP_SECTS, boot->kernel + HDR_SETUP_SECTS, end - HDR_SETUP_SECTS);
    params[HDR_TYPE_OF_LOADER] = LOADER_UNDEFINED;
    boot_put32(params + HDR_CODE32_START, boot->kernel_addr);
    boot_put32(params + HDR_RAMDISK_IMAGE, initrd ? initrd->addr : 0);
    boot_put32(params + HDR_RAMDISK_SIZE, initrd ? initrd->size : 0);
    boot_put32(params + HDR_CMD_LINE_PTR, BOOT_CMDLINE);
    boot_put64(params + HDR_SETUP_DATA, 0);
    boot_put64(params + PARAMS_ACPI_RSDP, rsdp);
    bzimage_write_e820(params, e820);

    address_space_write(ram->as, BOOT_PARAMS, params, sizeof(params));
    address_space_write(ram->as, boot->kernel_addr, boot->kernel + boot->setup_size,
                        bzimage_payload(boot));
    if (bzimage_64(boot)) {
        bzimage_write_page_tables(ram);
    }
    boot_write_gdt(ram, bzimage_64(boot));
}

static void bzimage_start(const LinuxBoot *boot, X86Cpu *cpu)
{
    boot_start_protected(boot, cpu);
    if (bzimage_64(boot)) {
        boot_set_segments(cpu, true);
        cpu->cr0 |= CR0_PG | CR0_NE | CR0_MP;
        cpu->cr3 = BOOT_PAGE_TABLES;
        cpu->cr4 = CR4_PAE;
        cpu->efer = EFER_LME | EFER_LMA;
    }
    cpu->regs[X86_RSI] = BOOT_PARAMS;
}

/* For firmware: the file, unchanged, in two parts. */
static void bzimage_offer(const LinuxBoot *boot, FwCfg *fw)
{
    const BootModule *initrd = boot_initrd(boot);
    bool old = bzimage_old_layout(boot);
    g_autoptr(GBytes) file = g_mapped_file_get_bytes(boot->kernel_map);
    g_autoptr(GBytes) setup = g_bytes_new_from_bytes(file, 0, boot->setup_size);
    g_autoptr(GBytes) kernel =
        g_bytes_new_from_bytes(file, boot->setup_size, boot->kernel_size - boot->setup_size);

    boot_offer_item(fw, FW_CFG_SETUP_ADDR, old ? OLD_SETUP : BOOT_PARAMS, FW_CFG_SETUP_SIZE,
                    FW_CFG_SETUP_DATA, setup);
    boot_offer_item(fw, FW_CFG_KERNEL_ADDR, bzimage_high(boot) ? HIGH_RAM : OLD_KERNEL,
                    FW_CFG_KERNEL_SIZE, FW_CFG_KERNEL_DATA, kernel);
    fw_cfg_add_u32(fw, FW_CFG_CMDLINE_ADDR, old ? OLD_CMDLINE : BOOT_CMDLINE);
    fw_cfg_add_u32(fw, FW_CFG_INITRD_ADDR, initrd ? (uint32_t)initrd->addr : 0);
}

const BootProtocol bzimage_protocol = {
    .name = "a Linux kernel",
    .matches = bzimage_matches,
    .check = bzimage_check,
    .plan = bzimage_plan,
    .load = bzimage_load,
    .start = bzimage_start,
    .offer = bzimage_offer,
};

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kernels by the Multiboot specification, version 0.6.96 (its first one): a header in the first
 * 8 KiB of the file. The file is ELF of 32 bits, or of any kind if the header itself has addresses
 * (the "a.out kludge"). The kernel is entered in protected mode, and given a structure with what
 * there is.
 */
#include <inttypes.h>
#include <string.h>

#include "hw/i386/boot-protocol.h"
#include "hw/i386/e820.h"
#include "hw/i386/optionrom/protected.h"
#include "memory/address-space.h"
#include "util/error.h"

#define HEADER_MAGIC  0x1badb002
#define HEADER_WITHIN 8192 /* bytes from the begin of the file */
#define LOADER_NAME   "Dimmable"
#define PAGE          0x1000u

/* The header: offsets, and bits of its flags. */
enum {
    HEADER_FLAGS = 4,
    HEADER_CHECKSUM = 8,
    HEADER_LEAST = 12,
    HEADER_ADDR = 12,
    HEADER_LOAD_ADDR = 16,
    HEADER_LOAD_END_ADDR = 20,
    HEADER_BSS_END_ADDR = 24,
    HEADER_ENTRY_ADDR = 28,
    HEADER_WITH_ADDRESSES = 32,

    NEEDS_VIDEO = 1 << 2,
    NEEDS_KNOWN = 0x0007, /* pages, memory, video: of the bits that a loader has to know */
    NEEDS_ALL = 0xffff,
    HAS_ADDRESSES = 1 << 16,
};

/* The structure for the kernel; bits of its flags say which fields are filled in. */
enum {
    INFO_FLAGS = 0,
    INFO_MEM_LOWER = MULTIBOOT_MEM_LOWER,
    INFO_MEM_UPPER = MULTIBOOT_MEM_UPPER,
    INFO_CMDLINE = 16,
    INFO_MODS_COUNT = 20,
    INFO_MODS_ADDR = 24,
    INFO_MMAP_LENGTH = MULTIBOOT_MMAP_LENGTH,
    INFO_MMAP_ADDR = 48,
    INFO_LOADER_NAME = 64,
    INFO_SIZE = 128,

    HAS_MEMORY = 1 << 0,
    HAS_CMDLINE = 1 << 2,
    HAS_MODULES = 1 << 3,
    HAS_MMAP = 1 << 6,
    HAS_LOADER_NAME = 1 << 9,

    MODULE_ENTRY = 16, /* start, end, string, 0 */
    MMAP_ENTRY = 24,   /* bytes that follow (20), address, length, type */
    MMAP_MAX = 128,
};

/* Where the header is in the file; false: there is none. */
static bool find_header(const uint8_t *file, size_t size, size_t *at)
{
    size_t end = MIN(size, HEADER_WITHIN);

    for (size_t i = 0; i + HEADER_LEAST <= end; i += 4) {
        if (boot_get32(file + i) == HEADER_MAGIC &&
            HEADER_MAGIC + boot_get32(file + i + HEADER_FLAGS) +
                    boot_get32(file + i + HEADER_CHECKSUM) ==
                0) {
            *at = i;
            return true;
        }
    }
    return false;
}

/* ELF of 64 bits without addresses is none that could be entered in 32-bit mode; it may have a PVH
 * entry point. */
static bool multiboot_matches(const uint8_t *file, size_t size)
{
    size_t at;

    return find_header(file, size, &at) &&
           (!boot_is_elf64(file, size) || boot_get32(file + at + HEADER_FLAGS) & HAS_ADDRESSES);
}

static bool error_addresses(const LinuxBoot *boot, const char *what, uint32_t a, uint32_t b,
                            GError **errp)
{
    error_set(errp, "-kernel: '%s' has a multiboot header that makes no sense: %s (0x%x, 0x%x)",
              boot->kernel_path, what, a, b);
    return false;
}

/* The addresses of the header, which is at @at in the file. */
static bool take_addresses(LinuxBoot *boot, size_t at, GError **errp)
{
    const uint8_t *header = boot->kernel + at;
    uint32_t addr, load, load_end, bss_end;
    BootSegment part;

    if (boot->kernel_size - at < HEADER_WITH_ADDRESSES) {
        error_set(errp, "-kernel: '%s' is truncated: it ends within its multiboot header",
                  boot->kernel_path);
        return false;
    }
    addr = boot_get32(header + HEADER_ADDR);
    load = boot_get32(header + HEADER_LOAD_ADDR);
    load_end = boot_get32(header + HEADER_LOAD_END_ADDR);
    bss_end = boot_get32(header + HEADER_BSS_END_ADDR);
    if (addr < load || addr - load > at) {
        return error_addresses(boot, "what is loaded begins behind the header or before the file",
                               load, addr, errp);
    }
    part = (BootSegment){ .addr = load, .offset = at - (addr - load) };
    part.file_size = boot->kernel_size - part.offset;
    if (load_end) {
        if (load_end <= load) {
            return error_addresses(boot, "what is loaded ends before it begins", load, load_end,
                                   errp);
        }
        if (load_end - load > part.file_size) {
            error_set(errp,
                      "-kernel: '%s' is truncated: its multiboot header says that there are %u "
                      "bytes to load, and there are %" PRIu64,
                      boot->kernel_path, load_end - load, part.file_size);
            return false;
        }
        part.file_size = load_end - load;
    }
    part.size = bss_end ? (uint64_t)bss_end - load : part.file_size;
    if (bss_end && (bss_end < load || part.size < part.file_size)) {
        return error_addresses(boot, "its bss ends before what is loaded does", load, bss_end,
                               errp);
    }
    boot->entry = boot_get32(header + HEADER_ENTRY_ADDR);
    g_array_append_val(boot->segments, part);
    return true;
}

/* Is the entry point in what is loaded? */
static bool check_entry(const LinuxBoot *boot, GError **errp)
{
    for (unsigned i = 0; i < boot->segments->len; i++) {
        const BootSegment *s = &g_array_index(boot->segments, BootSegment, i);

        if (boot->entry >= s->addr && boot->entry - s->addr < s->size) {
            return true;
        }
    }
    error_set(errp, "-kernel: the entry point of '%s', 0x%" PRIx64 ", is in nothing that is loaded",
              boot->kernel_path, boot->entry);
    return false;
}

static bool multiboot_check(LinuxBoot *boot, GError **errp)
{
    uint32_t flags;
    size_t at;
    bool ok;

    find_header(boot->kernel, boot->kernel_size, &at);
    flags = boot_get32(boot->kernel + at + HEADER_FLAGS);
    if (flags & NEEDS_ALL & ~NEEDS_KNOWN) {
        error_set(
            errp,
            "-kernel: '%s' needs what no multiboot loader of this version has: flags 0x%x, of "
            "which bits 0 to 2 are known",
            boot->kernel_path, flags & NEEDS_ALL);
        return false;
    }
    if (flags & HAS_ADDRESSES) {
        ok = take_addresses(boot, at, errp);
    } else if (boot_is_elf(boot->kernel, boot->kernel_size)) {
        ok = boot_image_from_elf(boot, errp);
    } else {
        error_set(errp,
                  "-kernel: '%s' has a multiboot header, but it is not ELF, and the header has no "
                  "load addresses (flag bit 16)",
                  boot->kernel_path);
        return false;
    }
    if (!ok || !check_entry(boot, errp)) {
        return false;
    }
    if (flags & NEEDS_VIDEO) {
        error_warn("-kernel: '%s' asks for a video mode; there is no display, and it is not told "
                   "of any",
                   boot->kernel_path);
    }
    boot->starters = BOOT_DIRECTLY | BOOT_BY_BIOS;
    boot->cmdline_max = BOOT_CMDLINE_MAX - 1;
    return true;
}

/* ---- the structure ---- */

static void info_put32(GByteArray *info, unsigned at, uint32_t value)
{
    boot_put32(info->data + at, value);
}

/* Append, aligned to 4 bytes; the offset of it. */
static unsigned info_append(GByteArray *info, const void *data, size_t size)
{
    unsigned at = info->len;

    g_byte_array_append(info, data, size);
    while (info->len % 4) {
        g_byte_array_append(info, (const uint8_t *)"", 1);
    }
    return at;
}

static unsigned info_append_text(GByteArray *info, const char *text)
{
    return info_append(info, text, strlen(text) + 1);
}

static void info_add_modules(const LinuxBoot *boot, GByteArray *info)
{
    const unsigned count = boot->modules->len;
    g_autofree uint8_t *list = g_malloc0(count * MODULE_ENTRY + 1);
    unsigned at = info_append(info, list, count * MODULE_ENTRY);

    info_put32(info, INFO_MODS_COUNT, count);
    info_put32(info, INFO_MODS_ADDR, boot->info_addr + at);
    for (unsigned i = 0; i < count; i++) {
        const BootModule *module = &g_array_index(boot->modules, BootModule, i);
        unsigned text = info_append_text(info, module->text);

        info_put32(info, at + i * MODULE_ENTRY, module->addr);
        info_put32(info, at + i * MODULE_ENTRY + 4, module->addr + module->size);
        info_put32(info, at + i * MODULE_ENTRY + 8, boot->info_addr + text);
    }
}

/* All of it, for boot->info_addr, with room for a map of memory, which is empty. */
static GByteArray *make_info(const LinuxBoot *boot)
{
    static const uint8_t zeros[INFO_SIZE + MMAP_MAX * MMAP_ENTRY];
    GByteArray *info = g_byte_array_new();
    g_autofree char *cmdline = g_strdup_printf("%s %s", boot->kernel_path, boot->cmdline);

    g_byte_array_append(info, zeros, sizeof(zeros));
    info_put32(info, INFO_FLAGS,
               HAS_MEMORY | HAS_CMDLINE | HAS_MODULES | HAS_MMAP | HAS_LOADER_NAME);
    info_put32(info, INFO_MMAP_ADDR, boot->info_addr + INFO_SIZE);
    info_add_modules(boot, info);
    info_put32(info, INFO_CMDLINE, boot->info_addr + info_append_text(info, cmdline));
    info_put32(info, INFO_LOADER_NAME, boot->info_addr + info_append_text(info, LOADER_NAME));
    return info;
}

static void info_add_e820(GByteArray *info, const GArray *e820)
{
    const unsigned count = MIN(e820->len, MMAP_MAX);

    info_put32(info, INFO_MMAP_LENGTH, count * MMAP_ENTRY);
    for (unsigned i = 0; i < count; i++) {
        const E820Entry *entry = &g_array_index(e820, E820Entry, i);
        uint8_t *p = info->data + INFO_SIZE + i * MMAP_ENTRY;

        boot_put32(p, MMAP_ENTRY - 4);
        boot_put64(p + 4, entry->addr);
        boot_put64(p + 12, entry->size);
        boot_put32(p + 20, entry->type);
        if (entry->addr == 0) {
            info_put32(info, INFO_MEM_LOWER, entry->size / 1024);
        } else if (entry->addr == HIGH_RAM) {
            info_put32(info, INFO_MEM_UPPER, entry->size / 1024);
        }
    }
}

/* ---- placing and starting ---- */

static uint64_t page_up(uint64_t addr)
{
    return (addr + PAGE - 1) / PAGE * PAGE;
}

/* Modules follow the kernel, each on a page of its own. The structure is in low memory, which
 * kernels leave alone longest; behind the modules if the kernel is there, or it is too large. */
static bool multiboot_plan(LinuxBoot *boot, uint64_t ram_size, GError **errp)
{
    g_autoptr(GByteArray) info = make_info(boot);
    uint64_t at;

    if (!boot_image_plan(boot, PAGE, ram_size, errp)) {
        return false;
    }
    at = page_up(boot->kernel_end);
    for (unsigned i = 0; i < boot->modules->len; i++) {
        BootModule *module = &g_array_index(boot->modules, BootModule, i);

        if (at > ram_size || module->size > ram_size - at) {
            boot_error_module(module, at + module->size, FOUR_GIB, errp);
            return false;
        }
        module->addr = at;
        at = page_up(at + module->size);
    }
    boot->info_addr = BOOT_PARAMS;
    if (boot_image_below(boot, HIGH_RAM) || info->len > BOOT_LOW_END - BOOT_PARAMS) {
        boot->info_addr = at;
        if (at > ram_size || info->len > ram_size - at) {
            boot_error_ram(boot, at + info->len, errp);
            return false;
        }
    }
    return true;
}

static void multiboot_load(const LinuxBoot *boot, const BootRam *ram, const GArray *e820,
                           uint64_t rsdp)
{
    g_autoptr(GByteArray) info = make_info(boot);

    boot_write_gdt(ram, false); /* which a kernel must not rely on, and may overwrite */
    boot_image_load(boot, ram);
    info_add_e820(info, e820);
    address_space_write(ram->as, boot->info_addr, info->data, info->len);
}

static void multiboot_start(const LinuxBoot *boot, X86Cpu *cpu)
{
    boot_start_protected(boot, cpu);
    cpu->regs[X86_RAX] = MULTIBOOT_LOADER_MAGIC;
    cpu->regs[X86_RBX] = boot->info_addr;
}

static void multiboot_offer(const LinuxBoot *boot, FwCfg *fw)
{
    g_autoptr(GByteArray) info = make_info(boot);

    boot_offer_segments(boot, fw, PROTECTED_MULTIBOOT, INFO_SIZE, MMAP_MAX, info, boot->info_addr);
}

const BootProtocol multiboot_protocol = {
    .name = "a multiboot kernel",
    .modules = true,
    .matches = multiboot_matches,
    .check = multiboot_check,
    .plan = multiboot_plan,
    .load = multiboot_load,
    .start = multiboot_start,
    .offer = multiboot_offer,
};

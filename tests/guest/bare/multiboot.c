/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Started by the Multiboot protocol: what the loader promises, and what it tells. */
#include "runtime.h"

enum {
    LOADER_MAGIC = 0x2badb002,
    HAS_MEMORY = 1 << 0,
    HAS_CMDLINE = 1 << 2,
    HAS_MODULES = 1 << 3,
    HAS_MMAP = 1 << 6,
    HAS_LOADER_NAME = 1 << 9,
    PAGE = 4096,
    MIB = 1 << 20,
    CR0_PE = 1u << 0,
    EFLAGS_IF = 1 << 9,
    EFLAGS_VM = 1 << 17,
};

typedef struct Module {
    uint32_t start, end, string, reserved;
} Module;

typedef struct MapEntry {
    uint32_t size;
    uint64_t addr, length;
    uint32_t type;
} __attribute__((packed)) MapEntry;

typedef struct Info {
    uint32_t flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr, syms[4];
    uint32_t mmap_length, mmap_addr, drives_length, drives_addr, config, loader_name;
} Info;

extern const struct {
    uint32_t eax, ebx, cr0, eflags;
} entry_state;
extern char image_start[], image_end[];

static uint32_t zeros[1024];
static volatile uint32_t initialised = 0x600df00d;

static const char *after(const char *text, char what)
{
    const char *found = text;

    for (; *text; text++) {
        if (*text == what) {
            found = text + 1;
        }
    }
    return found;
}

/* A string whose first word is a path: the name of the file, and what follows. */
static void print_named(const char *what, const char *text)
{
    char word[64];
    unsigned len = 0;

    while (text[len] && text[len] != ' ' && len < sizeof(word) - 1) {
        word[len] = text[len];
        len++;
    }
    word[len] = 0;
    print("%s: %s%s\n", what, after(word, '/'), text + len);
}

static void check_state(void)
{
    uint32_t sum = 0;

    check_equal(entry_state.eax, LOADER_MAGIC, "magic number");
    check_equal(entry_state.cr0 & 0x80000001, CR0_PE, "protected mode, no paging");
    check_equal(entry_state.eflags & (EFLAGS_IF | EFLAGS_VM), 0, "interrupts are off");
    for (unsigned i = 0; i < sizeof(zeros) / sizeof(*zeros); i++) {
        sum |= zeros[i];
    }
    check_equal(sum, 0, "bss is zeros");
    check_equal(initialised, 0x600df00d, "data is there");
}

/* Is all of it RAM by the map? */
static bool in_ram(const Info *info, uint32_t start, uint32_t end)
{
    for (uint32_t at = info->mmap_addr; at < info->mmap_addr + info->mmap_length;
         at += ((const MapEntry *)at)->size + 4) {
        const MapEntry *entry = (const MapEntry *)at;

        if (entry->type == 1 && start >= entry->addr && end <= entry->addr + entry->length) {
            return true;
        }
    }
    return false;
}

static void check_map(const Info *info)
{
    uint64_t end = 0;
    uint32_t upper = 0, lower = 0;
    bool ascending = true;

    for (uint32_t at = info->mmap_addr; at < info->mmap_addr + info->mmap_length;
         at += ((const MapEntry *)at)->size + 4) {
        const MapEntry *entry = (const MapEntry *)at;

        ascending &= entry->addr >= end && entry->length > 0 && entry->size >= 20;
        end = entry->addr + entry->length;
        if (entry->type == 1 && entry->addr == 0) {
            lower = (uint32_t)entry->length / 1024;
        } else if (entry->type == 1 && entry->addr == MIB) {
            upper = (uint32_t)entry->length / 1024;
        }
    }
    check(ascending, "the map ascends");
    check_equal(info->mem_lower, lower, "KiB of lower memory");
    check_equal(info->mem_upper, upper, "KiB of upper memory");
    check(upper > 62 * 1024 && upper <= 63 * 1024, "64 MiB of RAM");
    check(in_ram(info, (uint32_t)image_start, (uint32_t)image_end), "the image is in RAM");
}

static void check_modules(const Info *info)
{
    const Module *modules = (const Module *)info->mods_addr;
    uint32_t free = (uint32_t)image_end;

    print("modules: %u\n", info->mods_count);
    for (uint32_t i = 0; i < info->mods_count; i++) {
        const Module *m = modules + i;
        char begin[9] = "";

        check(m->start % PAGE == 0, "a page of its own");
        check(m->start >= free && in_ram(info, m->start, m->end), "in RAM, behind the one before");
        free = m->end;
        for (unsigned j = 0; j < 8 && j < m->end - m->start; j++) {
            begin[j] = ((const char *)m->start)[j];
        }
        print_named("module", (const char *)m->string);
        print("%u bytes: %s\n", m->end - m->start, begin);
    }
}

/* fw_cfg: number of CPUs. */
static unsigned cpus(void)
{
    out16(0x510, 5);
    unsigned low = in8(0x511);

    return low | (unsigned)in8(0x511) << 8;
}

void guest_main(void)
{
    const Info *info = (const Info *)entry_state.ebx;
    const uint32_t wanted = HAS_MEMORY | HAS_CMDLINE | HAS_MODULES | HAS_MMAP | HAS_LOADER_NAME;

    print("multiboot\n");
    check_state();
    check_equal(info->flags & wanted, wanted, "what the information has");
    check_map(info);
    check(*(const char *)info->loader_name != 0, "the loader has a name");
    print_named("command line", (const char *)info->cmdline);
    print("CPUs: %u\n", cpus());
    check_modules(info);
}

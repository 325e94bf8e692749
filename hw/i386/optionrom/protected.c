/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The option ROM that starts a multiboot kernel, or an ELF kernel with a PVH entry point, from a
 * BIOS: it copies from fw_cfg to memory what protected.h lists, adds what the BIOS says of memory,
 * and enters the kernel in 32-bit protected mode. Compiled for 16 bits, at address 0 of
 * LINUXBOOT_SEGMENT.
 */
#include "hw/i386/optionrom/protected.h"
#include "hw/i386/optionrom/rom.h"

/* Numbers of items (FW_CFG_... of hw/i386/fw-cfg.h). */
enum { SIGNATURE = 0x00, SIGNATURE_SIZE = 4, SETUP_DATA = 0x18 };

#define LINEAR(p)   (LINUXBOOT_SEGMENT * 16 + (uint32_t)(uintptr_t)(p))
#define HIGH_MEMORY 0x100000

/* ---- what is loaded ---- */

/* Is all of it RAM that the BIOS does not use? */
static bool is_free(uint32_t addr, uint32_t size)
{
    E820Entry entry;
    uint32_t next = 0;

    while (e820_next(&entry, &next)) {
        if (entry.type == 1 && addr >= entry.addr &&
            (uint64_t)addr + size <= entry.addr + entry.size) {
            return true;
        }
        if (!next) {
            break;
        }
    }
    return false;
}

/* What is read behind the end of an item is zeros, up to a MiB. */
static void clear(uint32_t addr, uint32_t size)
{
    while (size) {
        uint32_t part = size < HIGH_MEMORY / 2 ? size : HIGH_MEMORY / 2;

        load_part("zeros", SIGNATURE, SIGNATURE_SIZE, part, addr);
        addr += part;
        size -= part;
    }
}

static void load_parts(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        ProtectedPart part;

        load_part("the list of parts", SETUP_DATA, sizeof(ProtectedBoot) + i * sizeof(part),
                  sizeof(part), LINEAR(&part));
        __asm__ volatile("" : : : "memory"); /* it was written by DMA */
        if (!is_free(part.addr, part.size)) {
            stop("no room in memory for", "the kernel");
        }
        load_part("the kernel", part.item, part.offset, part.file_size, part.addr);
        clear(part.addr + part.file_size, part.size - part.file_size);
    }
}

/* ---- what the kernel is told ---- */

typedef struct Poke {
    uint32_t addr, value; /* 0: the end */
} Poke;

/* For enter(), which can write anywhere. */
typedef struct Entry {
    uint32_t entry, eax, ebx;
    uint32_t map, map_to, map_size; /* bytes that are copied */
    Poke pokes[4];
} Entry;

typedef struct MultibootMap {
    uint32_t size; /* of what follows */
    uint64_t addr, length;
    uint32_t type;
} __attribute__((packed)) MultibootMap;

typedef struct PvhMap {
    uint64_t addr, length;
    uint32_t type, reserved;
} PvhMap;

/* Entries are put into the buffer in both forms: they have the same size. Returns how many. */
static uint32_t make_map(const ProtectedBoot *boot, uint32_t *kib_above_1m)
{
    union {
        MultibootMap multiboot;
        PvhMap pvh;
    } *map = (void *)LINUXBOOT_BUFFER;
    uint32_t count = 0, next = 0;
    E820Entry e;

    while (count < boot->map_max && e820_next(&e, &next)) {
        if (boot->kind == PROTECTED_PVH) {
            map[count].pvh = (PvhMap){ e.addr, e.size, e.type, 0 };
        } else {
            map[count].multiboot =
                (MultibootMap){ sizeof(MultibootMap) - 4, e.addr, e.size, e.type };
        }
        if (e.type == 1 && e.addr == HIGH_MEMORY) {
            *kib_above_1m = (uint32_t)(e.size >> 10);
        }
        count++;
        if (!next) {
            break;
        }
    }
    return count;
}

/* KiB of memory below 640 KiB, without the BIOS' data area (INT 12h). */
static uint16_t kib_low(void)
{
    uint16_t kib;

    __asm__ volatile("int $0x12" : "=a"(kib) : : "cc", "memory");
    return kib;
}

/* The BIOS has put the ACPI root pointer into its area (ACPI 6.4, 5.2.5.1). 0: it has not. */
static uint32_t find_rsdp(void)
{
    for (uint32_t addr = 0xe0000; addr < HIGH_MEMORY; addr += 16) {
        uint32_t a, b;

        __asm__ volatile("movw %w2, %%fs\n\tmovl %%fs:0, %0\n\tmovl %%fs:4, %1"
                         : "=&r"(a), "=&r"(b)
                         : "r"(addr / 16));
        if (a == 0x20445352 && b == 0x20525450) { /* "RSD PTR " */
            return addr;
        }
    }
    return 0;
}

static _Noreturn void enter(const Entry *entry)
{
    __asm__ volatile("cli\n\t"
                     "lgdtl gdtr\n\t"
                     "movl %%cr0, %%eax\n\t"
                     "orb $1, %%al\n\t"
                     "movl %%eax, %%cr0\n\t"
                     "ljmpl $0x10, $1f + %c1\n\t"
                     ".code32\n"
                     "1:\tmovl $0x18, %%eax\n\t"
                     "movl %%eax, %%ds\n\t"
                     "movl %%eax, %%es\n\t"
                     "movl %%eax, %%fs\n\t"
                     "movl %%eax, %%gs\n\t"
                     "movl %%eax, %%ss\n\t"
                     "movl 12(%%ebx), %%esi\n\t"
                     "movl 16(%%ebx), %%edi\n\t"
                     "movl 20(%%ebx), %%ecx\n\t"
                     "cld\n\t"
                     "rep movsb\n\t"
                     "leal 24(%%ebx), %%esi\n"
                     "2:\tlodsl\n\t"
                     "testl %%eax, %%eax\n\t"
                     "jz 3f\n\t"
                     "movl %%eax, %%edi\n\t"
                     "movsl\n\t"
                     "jmp 2b\n"
                     "3:\tmovl (%%ebx), %%ecx\n\t"
                     "movl 4(%%ebx), %%eax\n\t"
                     "movl 8(%%ebx), %%ebx\n\t"
                     "jmp *%%ecx\n\t"
                     ".code16gcc\n\t"
                     ".pushsection .rodata\n\t"
                     ".p2align 3\n"
                     "gdt:\t.quad 0, 0, 0x00cf9b000000ffff, 0x00cf93000000ffff\n"
                     "gdtr:\t.word 31\n\t"
                     ".long gdt + %c1\n\t"
                     ".popsection"
                     :
                     : "b"(LINEAR(entry)), "i"(LINUXBOOT_SEGMENT * 16)
                     : "eax", "memory");
    __builtin_unreachable();
}

_Noreturn void rom_main(void)
{
    ProtectedBoot boot;
    uint32_t kib_high = 0, count;

    load_part("the list of parts", SETUP_DATA, 0, sizeof(boot), LINEAR(&boot));
    __asm__ volatile("" : : : "memory");
    load_parts(boot.parts);
    count = make_map(&boot, &kib_high);
    Entry entry = { .entry = boot.entry,
                    .eax = boot.kind == PROTECTED_MULTIBOOT ? MULTIBOOT_LOADER_MAGIC : 0,
                    .ebx = boot.info,
                    .map = LINEAR(LINUXBOOT_BUFFER),
                    .map_to = boot.map,
                    .map_size = count * sizeof(PvhMap) };

    if (boot.kind == PROTECTED_PVH) {
        entry.pokes[0] = (Poke){ boot.info + PVH_MEMMAP_ENTRIES, count };
        entry.pokes[1] = (Poke){ boot.info + PVH_RSDP, find_rsdp() };
    } else {
        entry.pokes[0] = (Poke){ boot.info + MULTIBOOT_MMAP_LENGTH, entry.map_size };
        entry.pokes[1] = (Poke){ boot.info + MULTIBOOT_MEM_LOWER, kib_low() };
        entry.pokes[2] = (Poke){ boot.info + MULTIBOOT_MEM_UPPER, kib_high };
    }
    enter(&entry);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What our option ROMs share: they run in real mode as a copy in RAM at LINUXBOOT_SEGMENT
 * (entry.S), and read fw_cfg (hw/i386/fw-cfg.h). Each is one C file, which includes this.
 */
#ifndef HW_I386_OPTIONROM_ROM_H
#define HW_I386_OPTIONROM_ROM_H

#include <stdbool.h>
#include <stdint.h>

#include "hw/i386/optionrom/linuxboot.h"

enum { SELECTOR = 0x510, DATA = 0x511, DMA_HIGH = 0x514, DMA_LOW = 0x518 };
enum { DMA_ERROR = 1 << 0, DMA_READ = 1 << 1, DMA_SKIP = 1 << 2, DMA_SELECT = 1 << 3 };

typedef struct Descriptor {
    uint32_t control, length;
    uint64_t address;
} Descriptor; /* all big endian */

static void out16(uint16_t port, uint16_t value)
{
    __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}

static void out32(uint16_t port, uint32_t value)
{
    __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static uint8_t in8(uint16_t port)
{
    uint8_t value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static uint32_t item_u32(uint16_t item)
{
    uint32_t value = 0;

    out16(SELECTOR, item);
    for (unsigned i = 0; i < 4; i++) {
        value |= (uint32_t)in8(DATA) << (8 * i);
    }
    return value;
}

static void print(const char *text)
{
    for (; *text; text++) {
        __asm__ volatile("int $0x10" : : "a"(0x0e00 | (uint8_t)*text), "b"(7) : "cc", "memory");
    }
}

static void stop(const char *why, const char *what)
{
    print("linuxboot: ");
    print(why);
    print(" ");
    print(what);
    print("\r\n");
    for (;;) {
        __asm__ volatile("hlt");
    }
}

/* One transfer from the selected item: control is DMA_... */
static void dma(const char *what, uint32_t control, uint32_t len, uint32_t addr)
{
    volatile Descriptor d = {
        .control = __builtin_bswap32(control),
        .length = __builtin_bswap32(len),
        .address = (uint64_t)__builtin_bswap32(addr) << 32,
    };

    out32(DMA_HIGH, 0);
    out32(DMA_LOW, __builtin_bswap32(LINUXBOOT_SEGMENT * 16 + (uint32_t)(uintptr_t)&d));
    while (__builtin_bswap32(d.control) & ~(uint32_t)DMA_ERROR) {
    }
    if (d.control) {
        stop("cannot read", what);
    }
}

/* The @len bytes from @offset on of item @item go to @addr. */
static void load_part(const char *what, uint16_t item, uint32_t offset, uint32_t len, uint32_t addr)
{
    if (len) {
        dma(what, (uint32_t)item << 16 | DMA_SELECT | DMA_SKIP, offset, 0);
        dma(what, DMA_READ, len, addr);
    }
}

/* ---- the BIOS ---- */

typedef struct E820Entry {
    uint64_t addr, size;
    uint32_t type;
} E820Entry;

/* The next entry of the BIOS' map of memory (INT 15h, AX=E820h). *@next is 0 for the first one, and
 * after the last. */
static bool e820_next(E820Entry *entry, uint32_t *next)
{
    uint32_t signature = 0x534d4150, eax = 0xe820, ecx = 20; /* "SMAP" */
    uint8_t failed;

    __asm__ volatile("int $0x15\n\tsetc %0"
                     : "=qm"(failed), "+a"(eax), "+b"(*next), "+c"(ecx)
                     : "D"(entry), "d"(signature)
                     : "cc", "memory");
    return !failed && eax == signature;
}

/* Where the ROM is entered. Does not return. */
_Noreturn void rom_main(void);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The option ROM that starts the kernel of -kernel from a BIOS. It runs in real mode, reads kernel,
 * initrd and command line from fw_cfg (hw/i386/fw-cfg.h), and
 * enters the kernel's 16-bit setup code (Linux boot protocol, "Running the kernel"), which asks the
 * BIOS for what it needs to know. Compiled for 16 bits, at address 0 of LINUXBOOT_SEGMENT.
 */
#include "hw/i386/optionrom/linuxboot.h"

#include <stdbool.h>
#include <stdint.h>

enum { SELECTOR = 0x510, DATA = 0x511, DMA_HIGH = 0x514, DMA_LOW = 0x518 };
enum { DMA_ERROR = 1 << 0, DMA_READ = 1 << 1, DMA_SELECT = 1 << 3 };

/* Numbers of items (FW_CFG_... of hw/i386/fw-cfg.h). */
enum {
    KERNEL_ADDR = 0x07,
    KERNEL_SIZE = 0x08,
    INITRD_SIZE = 0x0b,
    KERNEL_DATA = 0x11,
    INITRD_DATA = 0x12,
    CMDLINE_ADDR = 0x13,
    CMDLINE_SIZE = 0x14,
    CMDLINE_DATA = 0x15,
    SETUP_ADDR = 0x16,
    SETUP_SIZE = 0x17,
    SETUP_DATA = 0x18,
};

/* The setup header. */
enum {
    HDR_TYPE_OF_LOADER = 0x210, /* and then one byte of flags */
    HDR_RAMDISK_IMAGE = 0x218,
    HDR_RAMDISK_SIZE = 0x21c,
    HDR_HEAP_END_PTR = 0x224, /* 16 bits */
    HDR_CMD_LINE_PTR = 0x228,
    HDR_INITRD_ADDR_MAX = 0x22c,
};
enum { LOADER_UNDEFINED = 0xff, CAN_USE_HEAP = 1 << 7 };
#define STACK_ROOM  0x200    /* bytes between the setup code's heap and its stack */
#define HIGH_MEMORY 0x100000 /* where the kernel is loaded */

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

/* The @len bytes of item @data go to @addr. */
static void load(const char *what, uint16_t data, uint32_t len, uint32_t addr)
{
    volatile Descriptor d = {
        .control = __builtin_bswap32((uint32_t)data << 16 | DMA_SELECT | DMA_READ),
        .length = __builtin_bswap32(len),
        .address = (uint64_t)__builtin_bswap32(addr) << 32,
    };

    if (!len) {
        return;
    }
    out32(DMA_HIGH, 0);
    out32(DMA_LOW, __builtin_bswap32(LINUXBOOT_SEGMENT * 16 + (uint32_t)(uintptr_t)&d));
    while (__builtin_bswap32(d.control) & ~(uint32_t)DMA_ERROR) {
    }
    if (d.control) {
        stop("cannot read", what);
    }
}

/* ---- where the initrd goes ---- */

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

/* As high as @size bytes fit into RAM below @limit; 0: nowhere. */
static uint32_t place_initrd(uint32_t size, uint64_t limit)
{
    E820Entry entry;
    uint32_t next = 0;
    uint64_t best = 0;

    do {
        if (!e820_next(&entry, &next)) {
            break;
        }
        uint64_t end = entry.addr + entry.size < limit ? entry.addr + entry.size : limit;
        uint64_t at = (end - size) & ~UINT64_C(0xfff);

        if (entry.type == 1 && end > size && at >= entry.addr && at >= HIGH_MEMORY && at > best) {
            best = at;
        }
    } while (next);
    return (uint32_t)best;
}

/* ---- the kernel ---- */

/* A field of the setup header, wherever its segment is. */
static uint32_t peek32(uint32_t addr)
{
    uint32_t value;

    __asm__ volatile("movw %w1, %%fs\n\tmovl %%fs:(%k2), %0"
                     : "=r"(value)
                     : "r"(addr / 16), "r"(addr % 16));
    return value;
}

static void poke32(uint32_t addr, uint32_t value)
{
    __asm__ volatile("movw %w0, %%fs\n\tmovl %1, %%fs:(%k2)"
                     :
                     : "r"(addr / 16), "r"(value), "r"(addr % 16)
                     : "memory");
}

static void load_initrd(uint32_t setup)
{
    uint32_t size = item_u32(INITRD_SIZE);
    uint32_t addr = place_initrd(size, (uint64_t)peek32(setup + HDR_INITRD_ADDR_MAX) + 1);

    if (!size) {
        return;
    }
    if (!addr) {
        stop("no room in memory for", "the initrd");
    }
    load("the initrd", INITRD_DATA, size, addr);
    poke32(setup + HDR_RAMDISK_IMAGE, addr);
    poke32(setup + HDR_RAMDISK_SIZE, size);
}

/* What a boot loader fills in: who it is, the heap, the command line. */
static void fill_header(uint32_t setup, uint32_t cmdline)
{
    uint32_t loader = peek32(setup + HDR_TYPE_OF_LOADER);
    uint32_t heap = peek32(setup + HDR_HEAP_END_PTR);

    poke32(setup + HDR_TYPE_OF_LOADER,
           (loader & 0xffff0000) | LOADER_UNDEFINED | ((loader & 0xff00) | CAN_USE_HEAP << 8));
    poke32(setup + HDR_HEAP_END_PTR, (heap & 0xffff0000) | (cmdline - setup - STACK_ROOM));
    poke32(setup + HDR_CMD_LINE_PTR, cmdline);
}

/* All segments are that of the setup code, whose entry is 512 bytes after its begin; the stack
 * grows down from the command line. */
static _Noreturn void enter(uint32_t setup, uint32_t cmdline)
{
    uint16_t segment = (uint16_t)(setup / 16);

    __asm__ volatile("cli\n\t"
                     "movw %w0, %%ds\n\t"
                     "movw %w0, %%es\n\t"
                     "movw %w0, %%fs\n\t"
                     "movw %w0, %%gs\n\t"
                     "movw %w0, %%ss\n\t"
                     "movl %1, %%esp\n\t"
                     "pushw %w2\n\t"
                     "pushw $0\n\t"
                     "lretw"
                     :
                     : "a"(segment), "c"(cmdline - setup - 16), "d"(segment + 0x20)
                     : "memory");
    __builtin_unreachable();
}

_Noreturn void linuxboot(void);

_Noreturn void linuxboot(void)
{
    uint32_t setup = item_u32(SETUP_ADDR), cmdline = item_u32(CMDLINE_ADDR);

    load("the setup code", SETUP_DATA, item_u32(SETUP_SIZE), setup);
    load("the command line", CMDLINE_DATA, item_u32(CMDLINE_SIZE), cmdline);
    load("the kernel", KERNEL_DATA, item_u32(KERNEL_SIZE), item_u32(KERNEL_ADDR));
    load_initrd(setup);
    fill_header(setup, cmdline);
    enter(setup, cmdline);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The option ROM that starts a Linux kernel from a BIOS. It runs in real mode, reads kernel, initrd
 * and command line from fw_cfg, and enters the kernel's 16-bit setup code (Linux boot protocol,
 * "Running the kernel"), which asks the BIOS for what it needs to know. Compiled for 16 bits, at
 * address 0 of LINUXBOOT_SEGMENT.
 */
#include "hw/i386/optionrom/rom.h"

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
    OLD_CMDLINE_MAGIC = 0x20,   /* 16 bits */
    OLD_CMDLINE_OFFSET = 0x22,  /* 16 bits */
    HDR_VERSION = 0x206,        /* 16 bits */
    HDR_TYPE_OF_LOADER = 0x210, /* and then one byte of flags */
    HDR_RAMDISK_IMAGE = 0x218,
    HDR_RAMDISK_SIZE = 0x21c,
    HDR_HEAP_END_PTR = 0x224, /* 16 bits */
    HDR_CMD_LINE_PTR = 0x228,
    HDR_INITRD_ADDR_MAX = 0x22c,
};
enum {
    VERSION_HEAP = 0x201,
    VERSION_CMD_LINE_PTR = 0x202,
    VERSION_INITRD_ADDR_MAX = 0x203,
};
#define OLD_CMDLINE_IS_THERE 0xa33f
#define OLD_INITRD_ADDR_MAX  0x37ffffff
enum { LOADER_UNDEFINED = 0xff, CAN_USE_HEAP = 1 << 7 };
#define STACK_ROOM  0x200    /* bytes between the setup code's heap and its stack */
#define HIGH_MEMORY 0x100000 /* where the kernel is loaded */

/* ---- where the initrd goes ---- */

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

static void poke16(uint32_t addr, uint16_t value)
{
    poke32(addr, (peek32(addr) & 0xffff0000) | value);
}

static uint16_t version(uint32_t setup)
{
    return (uint16_t)peek32(setup + HDR_VERSION);
}

static void load_initrd(uint32_t setup)
{
    uint32_t size = item_u32(INITRD_SIZE);
    uint32_t max = version(setup) < VERSION_INITRD_ADDR_MAX ? OLD_INITRD_ADDR_MAX
                                                            : peek32(setup + HDR_INITRD_ADDR_MAX);
    uint32_t addr = place_initrd(size, (uint64_t)max + 1);

    if (!size) {
        return;
    }
    if (!addr) {
        stop("no room in memory for", "the initrd");
    }
    load_part("the initrd", INITRD_DATA, 0, size, addr);
    poke32(setup + HDR_RAMDISK_IMAGE, addr);
    poke32(setup + HDR_RAMDISK_SIZE, size);
}

/* What a boot loader fills in: who it is, the heap, the command line; as far as this version of the
 * protocol knows it, since what follows its header is code. */
static void fill_header(uint32_t setup, uint32_t cmdline)
{
    uint32_t loader = peek32(setup + HDR_TYPE_OF_LOADER) & ~0xffu;

    if (version(setup) >= VERSION_HEAP) {
        loader |= CAN_USE_HEAP << 8;
        poke16(setup + HDR_HEAP_END_PTR, (uint16_t)(cmdline - setup - STACK_ROOM));
    }
    poke32(setup + HDR_TYPE_OF_LOADER, loader | LOADER_UNDEFINED);
    if (version(setup) >= VERSION_CMD_LINE_PTR) {
        poke32(setup + HDR_CMD_LINE_PTR, cmdline);
    } else {
        poke16(setup + OLD_CMDLINE_MAGIC, OLD_CMDLINE_IS_THERE);
        poke16(setup + OLD_CMDLINE_OFFSET, (uint16_t)(cmdline - setup));
    }
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

_Noreturn void rom_main(void)
{
    uint32_t setup = item_u32(SETUP_ADDR), cmdline = item_u32(CMDLINE_ADDR);

    load_part("the setup code", SETUP_DATA, 0, item_u32(SETUP_SIZE), setup);
    load_part("the command line", CMDLINE_DATA, 0, item_u32(CMDLINE_SIZE), cmdline);
    load_part("the kernel", KERNEL_DATA, 0, item_u32(KERNEL_SIZE), item_u32(KERNEL_ADDR));
    load_initrd(setup);
    fill_header(setup, cmdline);
    enter(setup, cmdline);
}

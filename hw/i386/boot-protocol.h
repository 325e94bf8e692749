/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the loaders of kernel formats (bzimage.c, pvh.c) share with linux-boot.c. Private to them.
 */
#ifndef HW_I386_BOOT_PROTOCOL_H
#define HW_I386_BOOT_PROTOCOL_H

#include "hw/i386/linux-boot.h"

typedef struct BootProtocol {
    /* Is the file of this format at all? */
    bool (*matches)(const uint8_t *file, size_t size);
    /* Check the file, and set cmdline_max and what else of LinuxBoot does not depend on RAM. */
    bool (*check)(LinuxBoot *boot, GError **errp);
    /* Place the kernel in @ram_size bytes: sets kernel_end, initrd_limit, entry. */
    bool (*plan)(LinuxBoot *boot, uint64_t ram_size, GError **errp);
    /* Write the kernel and its parameters; initrd and command line are there already. */
    void (*load)(const LinuxBoot *boot, const BootRam *ram, const GArray *e820, uint64_t rsdp);
    void (*start)(const LinuxBoot *boot, X86Cpu *cpu);
} BootProtocol;

struct LinuxBoot {
    const BootProtocol *protocol;
    char *kernel_path, *initrd_path;
    GMappedFile *kernel_map, *initrd_map;
    const uint8_t *kernel, *initrd; /* contents; initrd NULL: none */
    uint64_t kernel_size, initrd_size;
    char *cmdline;
    /* set by check */
    uint64_t cmdline_max; /* characters, without the terminating NUL */
    uint64_t setup_size;  /* bzImage: bytes of the real-mode part */
    uint64_t entry;       /* PVH: in check; bzImage: in plan */
    /* set by plan */
    uint64_t kernel_addr, kernel_end; /* bzImage: where; both: end of what the kernel needs */
    uint64_t initrd_limit;            /* the initrd must end at or below */
    uint64_t initrd_addr;
};

extern const BootProtocol bzimage_protocol, pvh_protocol;

/* An error for a kernel that needs RAM up to @end. */
void boot_error_ram(const LinuxBoot *boot, uint64_t end, GError **errp);
/* The flat segments of the boot protocols: code of 64 or 32 bits in CS, selector 0x10, data in the
 * others, 0x18; and a table in memory that says the same. */
void boot_write_gdt(const BootRam *ram, bool long_mode);
void boot_set_segments(X86Cpu *cpu, bool long_mode);

static inline uint32_t boot_get32(const uint8_t *p)
{
    return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}
static inline uint64_t boot_get64(const uint8_t *p)
{
    return boot_get32(p) | (uint64_t)boot_get32(p + 4) << 32;
}
static inline void boot_put32(uint8_t *p, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++) {
        p[i] = value >> (8 * i);
    }
}
static inline void boot_put64(uint8_t *p, uint64_t value)
{
    boot_put32(p, value);
    boot_put32(p + 4, value >> 32);
}

#endif

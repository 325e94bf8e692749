/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the loaders of kernel formats (bzimage.c, pvh.c, multiboot.c, efi-app.c) share with
 * linux-boot.c and boot-fw-cfg.c. Private to them.
 */
#ifndef HW_I386_BOOT_PROTOCOL_H
#define HW_I386_BOOT_PROTOCOL_H

#include "hw/i386/linux-boot.h"

typedef struct BootProtocol {
    const char *name; /* of such a file, in messages */
    /* -initrd is a list of modules, "FILE ARGUMENTS,...", which plan places; else one file, placed
     * when plan has set initrd_limit. */
    bool modules;
    /* Is the file of this format at all? */
    bool (*matches)(const uint8_t *file, size_t size);
    /* Check the file, and set cmdline_max, starters and what else of LinuxBoot does not depend on
     * RAM. */
    bool (*check)(LinuxBoot *boot, GError **errp);
    /* Place the kernel in @ram_size bytes: sets kernel_end, initrd_limit, entry. NULL: firmware
     * does. */
    bool (*plan)(LinuxBoot *boot, uint64_t ram_size, GError **errp);
    /* Without firmware, so only if that is among starters; modules are in memory already, and the
     * command line at BOOT_CMDLINE. Write the kernel and its parameters. */
    void (*load)(const LinuxBoot *boot, const BootRam *ram, const GArray *e820, uint64_t rsdp);
    void (*start)(const LinuxBoot *boot, X86Cpu *cpu);
    /* With firmware: fill in the items of fw_cfg, but for the initrd and the command line. */
    void (*offer)(const LinuxBoot *boot, FwCfg *fw);
} BootProtocol;

/* A file of -initrd. */
typedef struct BootModule {
    char *path;
    char *text; /* what -initrd says of it: path and arguments */
    GMappedFile *map;
    const uint8_t *data;
    uint64_t size; /* bytes, more than 0 */
    uint64_t addr; /* set by plan */
} BootModule;

/* A part of the kernel's file that goes to memory, and zeros behind it. */
typedef struct BootSegment {
    uint64_t addr, size;        /* in memory, bytes */
    uint64_t offset, file_size; /* in the file; at most size */
} BootSegment;

struct LinuxBoot {
    const BootProtocol *protocol;
    char *kernel_path;
    GMappedFile *kernel_map;
    const uint8_t *kernel; /* contents */
    uint64_t kernel_size;
    GArray *modules; /* of BootModule; bzImage and PVH: none or one, the initrd */
    char *cmdline;
    /* set by check */
    unsigned starters;    /* bits of BootStarter: what can start it */
    uint64_t cmdline_max; /* characters, without the terminating NUL */
    uint64_t setup_size;  /* bzImage: bytes of the real-mode part */
    GArray *segments;     /* of BootSegment; PVH, multiboot */
    uint64_t entry;       /* PVH, multiboot: in check; bzImage: in plan */
    /* set by plan */
    uint64_t kernel_addr, kernel_end; /* bzImage: where; all: end of what the kernel needs */
    uint64_t initrd_limit;            /* the initrd must end at or below */
    uint64_t info_addr;               /* multiboot: where the information structure goes */
};

extern const BootProtocol bzimage_protocol, pvh_protocol, multiboot_protocol, efi_app_protocol;

/* The initrd, or NULL. */
static inline const BootModule *boot_initrd(const LinuxBoot *boot)
{
    return boot->modules->len ? &g_array_index(boot->modules, BootModule, 0) : NULL;
}

/* An error for a kernel that needs RAM up to @end. */
void boot_error_ram(const LinuxBoot *boot, uint64_t end, GError **errp);
/* An error for @module, which needs RAM up to @end, if @limit allows that. */
void boot_error_module(const BootModule *module, uint64_t end, uint64_t limit, GError **errp);

/* The flat segments of the boot protocols: code of 64 or 32 bits in CS, selector 0x10, data in the
 * others, 0x18; and a table in memory that says the same. */
void boot_write_gdt(const BootRam *ram, bool long_mode);
void boot_set_segments(X86Cpu *cpu, bool long_mode);
/* Protected mode, 32 bits, flat segments, no paging, at boot->entry. */
void boot_start_protected(const LinuxBoot *boot, X86Cpu *cpu);

/* ---- boot-image.c: ELF, and segments of any origin ---- */

/* Is the file ELF, little endian, of 32 or 64 bits? */
bool boot_is_elf(const uint8_t *file, size_t size);
bool boot_is_elf64(const uint8_t *file, size_t size);
/* Take over segments and entry point (as a physical address) of an ELF kernel. Errors: truncated,
 * another processor's, nothing to load. */
bool boot_image_from_elf(LinuxBoot *boot, GError **errp);
/* Look for the note @type of @name in it, with at least 4 bytes; these, or false. */
bool boot_image_elf_note(const LinuxBoot *boot, const char *name, uint32_t type, uint32_t *value);
/* Are all segments where they may be: from @lowest up, not in the area of ROMs, below @ram_size,
 * each apart from the others? Sets kernel_end, at least HIGH_RAM. */
bool boot_image_plan(LinuxBoot *boot, uint64_t lowest, uint64_t ram_size, GError **errp);
/* Is anything of the image below @limit? */
bool boot_image_below(const LinuxBoot *boot, uint64_t limit);
void boot_image_load(const LinuxBoot *boot, const BootRam *ram);

/* Is the file PE, with headers that are inside it? (efi-app.c) */
bool boot_is_pe(const uint8_t *file, size_t size);

/* ---- boot-fw-cfg.c ---- */

/* An item's contents, and the items that tell its size and where a BIOS is to load it. */
void boot_offer_item(FwCfg *fw, uint16_t addr_key, uint64_t addr, uint16_t size_key,
                     uint16_t data_key, GBytes *bytes);
/* For the option ROM that enters kernels in protected mode (optionrom/protected.h): segments,
 * modules, command line, and @info of that kind, which goes to @info_addr; the ROM fills in the map
 * of memory, which is at @map_at in it and has room for @map_max entries. */
void boot_offer_segments(const LinuxBoot *boot, FwCfg *fw, uint32_t kind, uint32_t map_at,
                         uint32_t map_max, const GByteArray *info, uint64_t info_addr);

static inline uint16_t boot_get16(const uint8_t *p)
{
    return p[0] | p[1] << 8;
}
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

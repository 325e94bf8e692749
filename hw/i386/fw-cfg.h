/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The firmware configuration device, fw_cfg (QEMU's published interface, docs/specs/fw_cfg; ours is
 * described in docs/fw-cfg.md): numbered items, some of them files with names, that firmware and
 * guest kernels read through
 *   0x510        selector (16 bits, little endian, write only)
 *   0x511        data (one byte of the selected item after the other; zeros past its end)
 *   0x514-0x51b  address of a DMA descriptor (64 bits, big endian); reads give "QEMU CFG"
 * The guest can change no item but the files that are made for it (fw_cfg_set_file_writable()), and
 * those by DMA only. Machine lock for everything.
 *
 * Contents are GBytes, so that a kernel or an initrd stays mapped rather than copied; the device
 * keeps a reference of its own.
 */
#ifndef HW_I386_FW_CFG_H
#define HW_I386_FW_CFG_H

#include "hw/core/device.h"
#include "memory/address-space.h"
#include "memory/memory.h"

#define TYPE_FW_CFG "fw_cfg_io"

enum {
    FW_CFG_IO_BASE = 0x510,
    FW_CFG_DMA_BASE = 0x514,
    FW_CFG_NAME_MAX = 55, /* characters in the name of a file, without its NUL */
};

/* Numbers of items. Files get theirs from FW_CFG_FILE_FIRST on. */
enum {
    FW_CFG_SIGNATURE = 0x00, /* "QEMU" */
    FW_CFG_ID = 0x01,        /* u32: features */
    FW_CFG_UUID = 0x02,
    FW_CFG_RAM_SIZE = 0x03, /* u64: bytes of boot RAM */
    FW_CFG_NOGRAPHIC = 0x04,
    FW_CFG_NB_CPUS = 0x05, /* u16 */
    FW_CFG_MACHINE_ID = 0x06,
    FW_CFG_KERNEL_ADDR = 0x07,
    FW_CFG_KERNEL_SIZE = 0x08,
    FW_CFG_KERNEL_CMDLINE = 0x09,
    FW_CFG_INITRD_ADDR = 0x0a,
    FW_CFG_INITRD_SIZE = 0x0b,
    FW_CFG_BOOT_DEVICE = 0x0c, /* u16: the first letter of -boot order= */
    FW_CFG_NUMA = 0x0d,        /* u64s: nodes; node of each CPU; bytes of each node */
    FW_CFG_BOOT_MENU = 0x0e,   /* u16: 1 with -boot menu=on */
    FW_CFG_MAX_CPUS = 0x0f,    /* u16: highest APIC id + 1 */
    FW_CFG_KERNEL_ENTRY = 0x10,
    FW_CFG_KERNEL_DATA = 0x11,
    FW_CFG_INITRD_DATA = 0x12,
    FW_CFG_CMDLINE_ADDR = 0x13,
    FW_CFG_CMDLINE_SIZE = 0x14,
    FW_CFG_CMDLINE_DATA = 0x15,
    FW_CFG_SETUP_ADDR = 0x16,
    FW_CFG_SETUP_SIZE = 0x17,
    FW_CFG_SETUP_DATA = 0x18,
    FW_CFG_FILE_DIR = 0x19,
    FW_CFG_FILE_FIRST = 0x20,
    FW_CFG_FILE_LAST = 0x3fff, /* above are flag bits of the selector */
    FW_CFG_ACPI_TABLES = 0x8000,
    FW_CFG_SMBIOS_ENTRIES = 0x8001,
    FW_CFG_IRQ0_OVERRIDE = 0x8002, /* u8: 1, interrupt 0 is at pin 2 of the I/O APIC */
    FW_CFG_E820_TABLE = 0x8003,
    FW_CFG_HPET = 0x8004, /* description of the HPETs, see hw/i386/fw-cfg-files.c */
};

/* The guest wrote [@offset, @offset + @len) of the file; @bytes is all of it as it is now. */
typedef void FwCfgWritten(void *opaque, GBytes *bytes, uint64_t offset, uint64_t len);

typedef struct FwCfg FwCfg;
OBJECT_CAST_DEFINE(FwCfg, FW_CFG, TYPE_FW_CFG)

/* Called before the guest gets at an item, or at the directory of files; may replace contents with
 * fw_cfg_set_file(). */
typedef void FwCfgPrepare(void *opaque);

/* Make the device, with its ports in @io; DMA goes to the RAM of @dma. It is /machine/fw_cfg and
 * belongs to the device tree; there is at most one. */
FwCfg *fw_cfg_create(MemoryRegion *io, AddressSpace *dma);
/* The machine's, or NULL. */
FwCfg *fw_cfg_get(void);

/* ---- numbered items: adding one that exists replaces it ---- */

/* The first takes its own reference, the others copy. */
void fw_cfg_add_bytes(FwCfg *fw, uint16_t key, GBytes *bytes);
void fw_cfg_add_copy(FwCfg *fw, uint16_t key, const void *data, size_t len);
void fw_cfg_add_string(FwCfg *fw, uint16_t key, const char *text); /* with its NUL */
void fw_cfg_add_u16(FwCfg *fw, uint16_t key, uint16_t value);      /* all little endian */
void fw_cfg_add_u32(FwCfg *fw, uint16_t key, uint32_t value);
void fw_cfg_add_u64(FwCfg *fw, uint16_t key, uint64_t value);

/* ---- files ---- */

/* A new file. Errors: name empty or longer than FW_CFG_NAME_MAX, such a file exists, no number
 * left, 4 GiB or more. For a name from the user; see fw_cfg_set_file() for our own. */
bool fw_cfg_add_file(FwCfg *fw, const char *name, GBytes *bytes, GError **errp);
/* Make the file @name, or replace its contents. The name is right, or the program is wrong. */
void fw_cfg_set_file(FwCfg *fw, const char *name, GBytes *bytes);
/* The same with a copy of @len bytes at @data. */
void fw_cfg_set_file_copy(FwCfg *fw, const char *name, const void *data, size_t len);
/* There is no file @name any more; nor need there have been one. */
void fw_cfg_remove_file(FwCfg *fw, const char *name);
/* Call @prepare each time before the guest selects the file @name (which exists); several files may
 * share one function. */
void fw_cfg_set_file_prepare(FwCfg *fw, const char *name, FwCfgPrepare *prepare, void *opaque);
/* Call @prepare each time before the guest selects the directory of files: sizes are final then. */
void fw_cfg_set_directory_prepare(FwCfg *fw, FwCfgPrepare *prepare, void *opaque);

/* The guest may write to the file @name (which exists); its size stays as it is. @written is called
 * after each write. What is in the file is state of whoever calls this, who keeps it in a snapshot.
 */
void fw_cfg_set_file_writable(FwCfg *fw, const char *name, FwCfgWritten *written, void *opaque);

/* Contents as they are now, borrowed; NULL: no such item. */
GBytes *fw_cfg_find(FwCfg *fw, uint16_t key);
GBytes *fw_cfg_find_file(FwCfg *fw, const char *name);

#endif

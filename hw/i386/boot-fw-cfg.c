/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A kernel for firmware: it finds the files in fw_cfg, and starts them in its own way. */
#include <string.h>

#include "hw/i386/boot-protocol.h"
#include "hw/i386/optionrom/optionrom.h"
#include "hw/i386/optionrom/protected.h"
#include "util/error.h"

void boot_offer_item(FwCfg *fw, uint16_t addr_key, uint64_t addr, uint16_t size_key,
                     uint16_t data_key, GBytes *bytes)
{
    fw_cfg_add_u32(fw, addr_key, (uint32_t)addr);
    fw_cfg_add_u32(fw, size_key, (uint32_t)g_bytes_get_size(bytes));
    fw_cfg_add_bytes(fw, data_key, bytes);
}

static void offer_bytes(FwCfg *fw, uint16_t size_key, uint16_t data_key, GBytes *bytes)
{
    fw_cfg_add_u32(fw, size_key, (uint32_t)g_bytes_get_size(bytes));
    fw_cfg_add_bytes(fw, data_key, bytes);
}

/* All modules as they are in memory, with what is between them. */
static GBytes *modules_bytes(const LinuxBoot *boot)
{
    const BootModule *first = boot_initrd(boot), *last;
    uint64_t size;
    uint8_t *all;

    if (!first) {
        return g_bytes_new_static(NULL, 0);
    }
    if (boot->modules->len == 1) {
        return g_mapped_file_get_bytes(first->map);
    }
    last = &g_array_index(boot->modules, BootModule, boot->modules->len - 1);
    size = last->addr + last->size - first->addr;
    all = g_malloc0(size);
    for (unsigned i = 0; i < boot->modules->len; i++) {
        const BootModule *module = &g_array_index(boot->modules, BootModule, i);

        memcpy(all + (module->addr - first->addr), module->data, module->size);
    }
    return g_bytes_new_take(all, size);
}

void linux_boot_offer(const LinuxBoot *boot, FwCfg *fw)
{
    g_autoptr(GBytes) cmdline = g_bytes_new(boot->cmdline, strlen(boot->cmdline) + 1);
    g_autoptr(GBytes) modules = modules_bytes(boot);

    offer_bytes(fw, FW_CFG_CMDLINE_SIZE, FW_CFG_CMDLINE_DATA, cmdline);
    offer_bytes(fw, FW_CFG_INITRD_SIZE, FW_CFG_INITRD_DATA, modules);
    boot->protocol->offer(boot, fw);
}

const char *linux_boot_option_rom(const LinuxBoot *boot, const uint8_t **rom, size_t *size)
{
    if (!(boot->starters & BOOT_BY_BIOS)) {
        return NULL;
    }
    if (boot->segments->len > 0) {
        *rom = optionrom_protected;
        *size = optionrom_protected_size;
        return OPTIONROM_PROTECTED_FILE;
    }
    *rom = optionrom_linuxboot;
    *size = optionrom_linuxboot_size;
    return OPTIONROM_LINUXBOOT_FILE;
}

static void add_part(GArray *parts, uint32_t item, uint64_t offset, uint64_t addr,
                     uint64_t file_size, uint64_t size)
{
    /* All below 4 GiB: they are in RAM that is. */
    ProtectedPart part = { item, (uint32_t)offset, (uint32_t)addr, (uint32_t)file_size,
                           (uint32_t)size };

    g_array_append_val(parts, part);
}

/* Everything but the information structure. */
static GArray *list_parts(const LinuxBoot *boot, FwCfg *fw, uint32_t kind)
{
    const BootModule *first = boot_initrd(boot);
    uint64_t modules = g_bytes_get_size(fw_cfg_find(fw, FW_CFG_INITRD_DATA));
    GArray *parts = g_array_new(false, false, sizeof(ProtectedPart));

    if (kind == PROTECTED_PVH) { /* in the structure of the other kind it is inside */
        uint64_t size = strlen(boot->cmdline) + 1;

        add_part(parts, FW_CFG_CMDLINE_DATA, 0, BOOT_CMDLINE, size, size);
    }
    if (first) {
        add_part(parts, FW_CFG_INITRD_DATA, 0, first->addr, modules, modules);
    }
    for (unsigned i = 0; i < boot->segments->len; i++) {
        const BootSegment *s = &g_array_index(boot->segments, BootSegment, i);

        add_part(parts, FW_CFG_KERNEL_DATA, s->offset, s->addr, s->file_size, s->size);
    }
    return parts;
}

void boot_offer_segments(const LinuxBoot *boot, FwCfg *fw, uint32_t kind, uint32_t map_at,
                         uint32_t map_max, const GByteArray *info, uint64_t info_addr)
{
    g_autoptr(GArray) parts = list_parts(boot, fw, kind);
    g_autoptr(GBytes) kernel = g_mapped_file_get_bytes(boot->kernel_map);
    GByteArray *setup = g_byte_array_new();
    ProtectedBoot head = {
        kind,    (uint32_t)boot->entry, (uint32_t)info_addr, (uint32_t)info_addr + map_at,
        map_max, parts->len + 1
    };

    add_part(parts, FW_CFG_SETUP_DATA, sizeof(head) + head.parts * sizeof(ProtectedPart), info_addr,
             info->len, info->len);
    g_byte_array_append(setup, (const uint8_t *)&head, sizeof(head));
    g_byte_array_append(setup, (const uint8_t *)parts->data, parts->len * sizeof(ProtectedPart));
    g_byte_array_append(setup, info->data, info->len);
    g_autoptr(GBytes) bytes = g_byte_array_free_to_bytes(setup);

    offer_bytes(fw, FW_CFG_SETUP_SIZE, FW_CFG_SETUP_DATA, bytes);
    offer_bytes(fw, FW_CFG_KERNEL_SIZE, FW_CFG_KERNEL_DATA, kernel);
}

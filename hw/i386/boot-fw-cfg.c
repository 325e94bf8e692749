/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A kernel for firmware: it finds the files in fw_cfg, and starts them in its own way. */
#include <string.h>

#include "hw/i386/boot-protocol.h"
#include "hw/i386/e820.h"
#include "util/error.h"

/* An item's contents, and the items that tell its size and where a BIOS is to load it. */
static void offer(FwCfg *fw, uint16_t addr_key, uint64_t addr, uint16_t size_key, uint16_t data_key,
                  GBytes *bytes)
{
    fw_cfg_add_u32(fw, addr_key, (uint32_t)addr);
    fw_cfg_add_u32(fw, size_key, (uint32_t)g_bytes_get_size(bytes));
    fw_cfg_add_bytes(fw, data_key, bytes);
}

bool linux_boot_offer(const LinuxBoot *boot, FwCfg *fw, GError **errp)
{
    if (boot->protocol != &bzimage_protocol) {
        error_set(errp,
                  "-kernel: '%s' is an ELF file; firmware starts a bzImage ('vmlinuz') only: use "
                  "one, or no firmware",
                  boot->kernel_path);
        return false;
    }
    g_autoptr(GBytes) file = g_mapped_file_get_bytes(boot->kernel_map);
    g_autoptr(GBytes) setup = g_bytes_new_from_bytes(file, 0, boot->setup_size);
    g_autoptr(GBytes) kernel =
        g_bytes_new_from_bytes(file, boot->setup_size, boot->kernel_size - boot->setup_size);
    g_autoptr(GBytes) cmdline = g_bytes_new(boot->cmdline, strlen(boot->cmdline) + 1);
    g_autoptr(GBytes) initrd =
        boot->initrd_map ? g_mapped_file_get_bytes(boot->initrd_map) : g_bytes_new_static(NULL, 0);

    offer(fw, FW_CFG_SETUP_ADDR, BOOT_PARAMS, FW_CFG_SETUP_SIZE, FW_CFG_SETUP_DATA, setup);
    offer(fw, FW_CFG_KERNEL_ADDR, HIGH_RAM, FW_CFG_KERNEL_SIZE, FW_CFG_KERNEL_DATA, kernel);
    offer(fw, FW_CFG_CMDLINE_ADDR, BOOT_CMDLINE, FW_CFG_CMDLINE_SIZE, FW_CFG_CMDLINE_DATA, cmdline);
    offer(fw, FW_CFG_INITRD_ADDR, boot->initrd_addr, FW_CFG_INITRD_SIZE, FW_CFG_INITRD_DATA,
          initrd);
    return true;
}

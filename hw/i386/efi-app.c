/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * EFI applications (PE/COFF specification, chapters 2 and 3; UEFI 2.10, section 2.1.1): UEFI
 * firmware finds the file in fw_cfg, and loads and starts it by itself.
 */
#include <inttypes.h>
#include <string.h>

#include "hw/i386/boot-protocol.h"
#include "util/error.h"

/* Offsets: in the file; from "PE\0\0"; in the optional header; in an entry of the section table. */
enum {
    DOS_NEW_HEADER = 0x3c,

    PE_MACHINE = 4,
    PE_SECTIONS = 6,
    PE_OPTIONAL_SIZE = 20,
    PE_OPTIONAL = 24,

    OPTIONAL_SUBSYSTEM = 68,
    OPTIONAL_LEAST = 70,

    SECTION_RAW_SIZE = 16,
    SECTION_RAW_AT = 20,
    SECTION_ENTRY = 40,
};

enum {
    MACHINE_I386 = 0x14c,
    MACHINE_X86_64 = 0x8664,
    SUBSYSTEM_EFI_FIRST = 10, /* application, boot service driver, run-time driver */
    SUBSYSTEM_EFI_LAST = 12,
};

/* Where "PE\0\0" is, with its headers behind it inside the file; 0: nowhere. */
static size_t pe_header(const uint8_t *file, size_t size)
{
    uint32_t at;

    if (size < DOS_NEW_HEADER + 4 || memcmp(file, "MZ", 2)) {
        return 0;
    }
    at = boot_get32(file + DOS_NEW_HEADER);
    return at <= size && size - at >= PE_OPTIONAL + OPTIONAL_LEAST && !memcmp(file + at, "PE\0", 4)
               ? at
               : 0;
}

bool boot_is_pe(const uint8_t *file, size_t size)
{
    return pe_header(file, size) != 0;
}

/* Is everything that its headers name in the file? */
static bool pe_complete(const uint8_t *file, size_t size, size_t header)
{
    uint64_t table = header + PE_OPTIONAL + boot_get16(file + header + PE_OPTIONAL_SIZE);
    unsigned sections = boot_get16(file + header + PE_SECTIONS);

    if (table + (uint64_t)sections * SECTION_ENTRY > size) {
        return false;
    }
    for (unsigned i = 0; i < sections; i++) {
        const uint8_t *entry = file + table + i * SECTION_ENTRY;

        if ((uint64_t)boot_get32(entry + SECTION_RAW_AT) + boot_get32(entry + SECTION_RAW_SIZE) >
            size) {
            return false;
        }
    }
    return true;
}

static bool efi_app_check(LinuxBoot *boot, GError **errp)
{
    size_t header = pe_header(boot->kernel, boot->kernel_size);
    unsigned machine = boot_get16(boot->kernel + header + PE_MACHINE);
    unsigned subsystem = boot_get16(boot->kernel + header + PE_OPTIONAL + OPTIONAL_SUBSYSTEM);

    if (subsystem < SUBSYSTEM_EFI_FIRST || subsystem > SUBSYSTEM_EFI_LAST ||
        (machine != MACHINE_X86_64 && machine != MACHINE_I386)) {
        error_set(errp,
                  "-kernel: '%s' is a PE file, but not an EFI application for x86-64 or i386: its "
                  "machine is 0x%x and its subsystem %u",
                  boot->kernel_path, machine, subsystem);
        return false;
    }
    if (!pe_complete(boot->kernel, boot->kernel_size, header)) {
        error_set(errp,
                  "-kernel: '%s' is truncated: its section table names parts behind its end at "
                  "%" PRIu64 " bytes",
                  boot->kernel_path, boot->kernel_size);
        return false;
    }
    boot->starters = BOOT_BY_UEFI;
    boot->cmdline_max = BOOT_CMDLINE_MAX - 1;
    return true;
}

/* Firmware puts the two parts together: all of it is the second. */
static void efi_app_offer(const LinuxBoot *boot, FwCfg *fw)
{
    g_autoptr(GBytes) file = g_mapped_file_get_bytes(boot->kernel_map);
    g_autoptr(GBytes) nothing = g_bytes_new_static(NULL, 0);

    boot_offer_item(fw, FW_CFG_SETUP_ADDR, 0, FW_CFG_SETUP_SIZE, FW_CFG_SETUP_DATA, nothing);
    boot_offer_item(fw, FW_CFG_KERNEL_ADDR, 0, FW_CFG_KERNEL_SIZE, FW_CFG_KERNEL_DATA, file);
}

const BootProtocol efi_app_protocol = {
    .name = "an EFI application",
    .matches = boot_is_pe,
    .check = efi_app_check,
    .offer = efi_app_offer,
};

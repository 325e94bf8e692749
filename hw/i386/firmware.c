/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/i386/firmware.h"

#include <inttypes.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "accel/accel.h"
#include "hw/block/pflash-cfi01.h"
#include "hw/core/firmware-file.h"
#include "hw/i386/e820.h"
#include "hw/i386/fw-cfg.h"
#include "hw/i386/optionrom/optionrom.h"
#include "memory/smm.h"
#include "util/error.h"
#include "util/file-read.h"
#include "util/units.h"

#define ROM_ALIGN    0x10000u /* bytes that a firmware file is a multiple of */
#define LOW_ROM_SIZE 0x20000u /* bytes that are seen below 1 MiB */

/* ---- firmware that needs SMM ---- */

static bool same_file(const char *a, const char *b)
{
    struct stat sa, sb;

    return stat(a, &sa) == 0 && stat(b, &sb) == 0 && sa.st_dev == sb.st_dev &&
           sa.st_ino == sb.st_ino;
}

/* Is @desc a firmware descriptor of the file @path with the feature "requires-smm"? */
static bool descriptor_requires_smm(struct json_object *desc, const char *path)
{
    struct json_object *mapping, *executable, *filename, *features;

    if (!json_object_object_get_ex(desc, "mapping", &mapping) ||
        !json_object_object_get_ex(mapping, "executable", &executable) ||
        !json_object_object_get_ex(executable, "filename", &filename) ||
        !json_object_object_get_ex(desc, "features", &features) ||
        !json_object_is_type(features, json_type_array) ||
        !same_file(json_object_get_string(filename), path)) {
        return false;
    }
    for (size_t i = 0; i < json_object_array_length(features); i++) {
        const char *feature = json_object_get_string(json_object_array_get_idx(features, i));

        if (g_strcmp0(feature, "requires-smm") == 0) {
            return true;
        }
    }
    return false;
}

/* What packages of firmware say of their files, in descriptors for tools; and, where there are
 * none, the usual name of such builds of OVMF. */
static bool requires_smm(const char *path)
{
    const char *dir = "/usr/share/qemu/firmware", *name;
    g_autoptr(GDir) descriptors = g_dir_open(dir, 0, NULL);
    g_autofree char *base = g_path_get_basename(path);
    bool requires = strstr(base, "secboot");

    while (!requires && descriptors && (name = g_dir_read_name(descriptors))) {
        g_autofree char *file = g_build_filename(dir, name, NULL);
        struct json_object *desc = json_object_from_file(file);

        requires = desc && descriptor_requires_smm(desc, path);
        json_object_put(desc);
    }
    return requires;
}

static bool check_smm(const X86Machine *x86, const char *path, GError **errp)
{
    g_autoptr(GError) reason = NULL;

    if (!requires_smm(path)) {
        return true;
    }
    if (!x86_machine_ops(&x86->parent)->has_tseg) {
        error_set(errp,
                  "%s needs system management mode with a TSEG, which %s has not: use -machine "
                  "q35,smm=on, or firmware without it, such as OVMF_CODE_4M.fd",
                  path, machine_ops(&x86->parent)->name);
    } else if (x86->smm == X86_SMM_OFF) {
        error_set(errp,
                  "%s needs system management mode: leave out -machine smm=off, or use firmware "
                  "without it, such as OVMF_CODE_4M.fd rather than a secure boot build",
                  path);
    } else if (!memory_smram()) {
        accel_has_smm(&reason);
        error_set(errp,
                  "%s needs system management mode, and %s: use -accel soft, or firmware without "
                  "it, such as OVMF_CODE_4M.fd rather than a secure boot build",
                  path, reason ? reason->message : "there is none");
    } else {
        return true;
    }
    return false;
}

/* ---- which ---- */

/* The file that becomes ROM, or NULL. */
static const char *rom_name(const Machine *machine)
{
    const LinuxBoot *boot = X86_MACHINE(machine)->boot;

    if (machine->firmware) {
        return !strcmp(machine->firmware, "off")  ? NULL
               : !strcmp(machine->firmware, "on") ? FIRMWARE_DEFAULT
                                                  : machine->firmware;
    }
    if (boot && linux_boot_needs_bios(boot)) {
        return FIRMWARE_DEFAULT;
    }
    bool cpus_run = accel_current() && accel_current()->has_vcpu_threads && !machine->dump_tables;
    g_autofree char *found =
        cpus_run && !machine->kernel ? firmware_file_find(FIRMWARE_DEFAULT, NULL) : NULL;
    return found ? FIRMWARE_DEFAULT : NULL;
}

bool firmware_check_bootable(const Machine *machine, GError **errp)
{
    const X86Machine *x86 = X86_MACHINE(machine);

    if (machine->kernel || machine->flash[0] || x86->pflash[0] || rom_name(machine)) {
        return true;
    }
    if (machine->firmware) {
        error_set(errp, "firmware=off: without firmware the machine needs -kernel FILE");
    } else {
        error_set(errp,
                  "there is nothing to boot: give a kernel with -kernel FILE, or firmware with "
                  "-bios FILE, or install the default one, %s of Debian's package seabios (with -S "
                  "the machine starts without, to be looked at)",
                  FIRMWARE_DEFAULT);
    }
    return false;
}

/* ---- flash ---- */

bool firmware_add_flash(Machine *machine, unsigned unit, const char *file, bool readonly,
                        GError **errp)
{
    static const char *const names[MAX_FLASH] = { "system.flash0", "system.flash1" };
    uint64_t room, taken = 0;

    if (!object_is_a(OBJECT(machine), TYPE_X86_MACHINE)) {
        error_set(errp, "machine none has no firmware, and no flash for it: use pc or q35");
        return false;
    }
    room = X86_MACHINE(machine)->max_fw_size;
    if (machine->flash[unit]) {
        error_set(errp, "unit %u is there already; flash has units 0 and 1", unit);
        return false;
    }
    for (unsigned i = 0; i < MAX_FLASH; i++) {
        taken += machine->flash[i] ? pflash_cfi01_region(machine->flash[i])->size : 0;
    }
    room -= MIN(room, taken);
    machine->flash[unit] = pflash_cfi01_create(names[unit], file, readonly, room, errp);
    return machine->flash[unit];
}

static bool check_flash_smm(const X86Machine *x86, GError **errp)
{
    for (unsigned i = 0; i < MAX_FLASH; i++) {
        Device *flash = x86->parent.flash[i];

        if (flash && !check_smm(x86, pflash_cfi01_use(flash)->file, errp)) {
            return false;
        }
    }
    return true;
}

static bool map_flash(X86Machine *x86, GError **errp)
{
    Machine *machine = &x86->parent;
    uint64_t at = FOUR_GIB;

    if (!check_flash_smm(x86, errp)) {
        return false;
    }

    if (!machine->flash[0]) {
        error_set(errp, "-drive if=pflash: there is unit 1, but not unit 0, where firmware starts");
        return false;
    }
    if (machine->firmware && strcmp(machine->firmware, "off") != 0) {
        error_set(errp, "-bios %s and flash (if=pflash) exclude each other: use one of them",
                  machine->firmware);
        return false;
    }
    for (unsigned i = 0; i < MAX_FLASH && machine->flash[i]; i++) {
        MemoryRegion *region = pflash_cfi01_region(machine->flash[i]);

        at -= region->size;
        device_map(machine->flash[i], memory_system(), at, region, 0);
    }
    x86->rom_top = pflash_cfi01_region(machine->flash[0]);
    return true;
}

/* ---- ROM ---- */

/* A ROM with @size bytes from @contents. */
static bool map_rom(X86Machine *x86, const void *contents, uint64_t size, GError **errp)
{
    x86->rom = ram_block_new("pc.bios", size, -1, false, true, 0, errp);
    if (!x86->rom) {
        return false;
    }
    memcpy(x86->rom->host, contents, size);
    memory_region_init_ram(&x86->rom_region, "pc.bios", x86->rom);
    x86->rom_region.readonly = true;
    memory_region_add(memory_system(), FOUR_GIB - size, &x86->rom_region);
    x86->rom_top = &x86->rom_region;
    return true;
}

bool firmware_is_uefi(const X86Machine *x86)
{
    enum { VOLUME_ALIGN = 0x1000, VOLUME_SIGNATURE = 0x28 };
    const uint8_t *rom = x86->rom_top->ram->host;

    for (uint64_t at = VOLUME_SIGNATURE; at + 4 <= x86->rom_top->size; at += VOLUME_ALIGN) {
        if (!memcmp(rom + at, "_FVH", 4)) {
            return true;
        }
    }
    return false;
}

/* Without firmware a processor that starts at the reset vector halts. */
static bool map_halting_rom(X86Machine *x86, GError **errp)
{
    static const uint8_t halt[] = { 0xfa, 0xf4, 0xeb, 0xfd }; /* cli; hlt; jmp to the hlt */
    g_autofree uint8_t *rom = g_malloc0(ROM_ALIGN);

    memcpy(rom + ROM_ALIGN - 16, halt, sizeof(halt));
    return map_rom(x86, rom, ROM_ALIGN, errp);
}

static bool load_rom(X86Machine *x86, const char *name, GError **errp)
{
    g_autofree char *path = firmware_file_find(name, errp);
    g_autoptr(GError) err = NULL;

    if (!path || !check_smm(x86, path, errp)) {
        return false;
    }
    if (!g_file_test(path, G_FILE_TEST_IS_REGULAR)) {
        error_set(errp, "%s is not a regular file; firmware is a file with a ROM's contents", path);
        return false;
    }
    g_autoptr(GMappedFile) file = file_map(path, UINT64_MAX, &err);
    if (!file) {
        error_set(errp, "firmware cannot be read: %s", err->message);
        return false;
    }
    uint64_t size = g_mapped_file_get_length(file);
    if (size == 0 || size % ROM_ALIGN || size > x86->max_fw_size) {
        bool is_mib = x86->max_fw_size % MIB == 0;

        error_set(
            errp,
            "%s has %" PRIu64
            " bytes: the size of a firmware file is a multiple of 64 KiB, and at most %" PRIu64
            " %s (-machine max-fw-size=)",
            path, size, x86->max_fw_size / (is_mib ? MIB : KIB), is_mib ? "MiB" : "KiB");
        return false;
    }
    if (!map_rom(x86, g_mapped_file_get_contents(file), size, errp)) {
        return false;
    }
    x86->rom_name = g_path_get_basename(path);
    return true;
}

/* Flash is the node's file, which it reads and writes itself. */
static bool add_flash_of_node(X86Machine *x86, unsigned unit, GError **errp)
{
    g_autofree char *user = g_strdup_printf("flash %u", unit);
    BlockNode *node = block_node_find(x86->pflash[unit], errp);
    const char *file = node ? block_node_plain_file(node) : NULL;
    BlockEdge *edge = &x86->flash_edges[unit];

    if (!node) {
        return false;
    }
    if (!file) {
        error_set(errp, "flash is a file as it is: driver file, with or without raw on top of it");
        return false;
    }
    /* The flash locks the file as it needs: the node does nothing with it. */
    if (!block_edge_attach(edge, node, user, 0, BLOCK_PERM_ALL, errp)) {
        return false;
    }
    if (!firmware_add_flash(&x86->parent, unit, file, node->read_only, errp)) {
        block_edge_detach(edge);
        return false;
    }
    return true;
}

/* -machine pflash0=, pflash1= */
static bool add_flash_of_nodes(X86Machine *x86, GError **errp)
{
    for (unsigned i = 0; i < MAX_FLASH; i++) {
        if (x86->pflash[i] && !add_flash_of_node(x86, i, errp)) {
            g_prefix_error(errp, "-machine pflash%u=%s: ", i, x86->pflash[i]);
            return false;
        }
    }
    return true;
}

bool firmware_init_rom(X86Machine *x86, GError **errp)
{
    const Machine *machine = &x86->parent;
    const char *name = rom_name(machine);

    x86->firmware = true;
    if (!add_flash_of_nodes(x86, errp)) {
        return false;
    }
    if (machine->flash[0] || machine->flash[1]) {
        return map_flash(x86, errp);
    }
    if (!name) {
        x86->firmware = false;
        return map_halting_rom(x86, errp);
    }
    if (!load_rom(x86, name, errp)) {
        g_prefix_error(errp, "-bios: ");
        return false;
    }
    return true;
}

void firmware_map_low_rom(X86Machine *x86, MemoryRegion *behind)
{
    uint64_t size = MIN(x86->rom_top->size, LOW_ROM_SIZE);

    if (!x86->firmware) {
        return;
    }
    memory_region_init_alias(&x86->rom_low, "isa-bios", x86->rom_top, x86->rom_top->size - size,
                             size);
    memory_region_add_overlap(behind, HIGH_RAM - size, &x86->rom_low, 1);
}

/* ---- for people ---- */

static void list_rom(GString *text, uint64_t end, uint64_t size, const char *name)
{
    g_string_append_printf(text, "addr=%016" PRIx64 " size=0x%06" PRIx64 " mem=rom name=\"%s\"\n",
                           end - size, size, name);
}

/* The lowest first: unit 0 is on top. */
static void list_flash(GString *text, Device *const *flash)
{
    for (unsigned unit = MAX_FLASH; unit-- > 0;) {
        g_autofree char *name = flash[unit] ? pflash_cfi01_name(flash[unit]) : NULL;
        uint64_t end = FOUR_GIB;

        for (unsigned above = 0; name && above < unit; above++) {
            end -= pflash_cfi01_region(flash[above])->size;
        }
        if (name) {
            list_rom(text, end, pflash_cfi01_region(flash[unit])->size, name);
        }
    }
}

char *firmware_roms_text(X86Machine *x86)
{
    static const char *const option_roms[] = { OPTIONROM_LINUXBOOT_FILE, OPTIONROM_PROTECTED_FILE };
    GString *text = g_string_new(NULL);

    for (size_t i = 0; i < G_N_ELEMENTS(option_roms); i++) {
        GBytes *rom = fw_cfg_find_file(x86->fw_cfg, option_roms[i]);
        g_autofree char *name = g_path_get_basename(option_roms[i]);

        if (rom) {
            g_string_append_printf(text, "fw=%s size=0x%06zx name=\"%s\"\n", option_roms[i],
                                   g_bytes_get_size(rom), name);
        }
    }
    list_flash(text, x86->parent.flash);
    if (x86->rom_name) {
        list_rom(text, FOUR_GIB, x86->rom_region.size, x86->rom_name);
    }
    return g_string_free(text, FALSE);
}

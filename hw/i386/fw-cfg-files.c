/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/core/boot-order.h"
#include "hw/i386/fw-cfg-files.h"

#include <string.h>

#include "hw/acpi/linker.h"
#include "hw/floppy/fdc.h"
#include "hw/i386/acpi-build.h"
#include "hw/i386/cmos-disks.h"
#include "hw/i386/cpu.h"
#include "hw/i386/e820.h"
#include "hw/i386/smbios.h"
#include "hw/misc/pvpanic.h"
#include "hw/timer/hpet.h"
#include "hw/tpm/tpm.h"
#include "memory/address-space.h"
#include "util/error.h"
#include "util/file-read.h"
#include "util/units.h"

/* Room for what a DIMM adds to the tables when it is plugged after firmware has read the sizes: its
 * ranges in SRAT. */
#define TABLES_HEADROOM 0x8000
#define SPLASH_MOST     (64 * MIB)
#define FILE_ALIGN      0x1000

struct FwCfgFiles {
    X86Machine *x86;
    FwCfg *fw;
    Mc146818 *rtc;
    bool fresh;  /* the files below were made since the last reset */
    bool booted; /* the boot that -boot once= is for has been */
};

/* ---- what may change ---- */

static GBytes *padded(const GByteArray *data, size_t size)
{
    uint8_t *bytes = g_malloc0(size);

    memcpy(bytes, data->data, data->len);
    return g_bytes_new_take(bytes, size);
}

/* Make @name out of @data in the size that it has already, which a firmware may have read. */
static void refill(FwCfg *fw, const char *name, const GByteArray *data)
{
    g_autoptr(GBytes) bytes = padded(data, g_bytes_get_size(fw_cfg_find_file(fw, name)));

    fw_cfg_set_file(fw, name, bytes);
}

static bool fits(FwCfg *fw, const char *name, const GByteArray *data)
{
    return data->len <= g_bytes_get_size(fw_cfg_find_file(fw, name));
}

static void acpi_make(FwCfgFiles *files)
{
    g_autoptr(AcpiTables) tables = acpi_build(&files->x86->parent);
    g_autoptr(AcpiFiles) acpi = acpi_files_build(tables);
    size_t tables_size = acpi->tables->len + TABLES_HEADROOM;
    g_autoptr(GBytes) blob =
        padded(acpi->tables, (tables_size + FILE_ALIGN - 1) / FILE_ALIGN * FILE_ALIGN);
    /* Firmware passes over commands of zeros. */
    g_autoptr(GBytes) loader =
        padded(acpi->loader, (acpi->loader->len + FILE_ALIGN - 1) / FILE_ALIGN * FILE_ALIGN);

    if (acpi_blob_find(tables, "tpm-log")) {
        g_autofree uint8_t *no_events = g_malloc0(TPM_LOG_SIZE);

        fw_cfg_set_file_copy(files->fw, TPM_LOG_FILE, no_events, TPM_LOG_SIZE);
    }
    fw_cfg_set_file(files->fw, ACPI_FILE_TABLES, blob);
    fw_cfg_set_file(files->fw, ACPI_FILE_LOADER, loader);
    fw_cfg_set_file_copy(files->fw, ACPI_FILE_RSDP, acpi->rsdp->data, acpi->rsdp->len);
}

/* The same within the sizes that the directory has told; what does not fit leaves all as it was:
 * the guest's driver finds a DIMM without the tables, too. */
static void acpi_remake(FwCfgFiles *files)
{
    g_autoptr(AcpiTables) tables = acpi_build(&files->x86->parent);
    g_autoptr(AcpiFiles) acpi = acpi_files_build(tables);

    if (fits(files->fw, ACPI_FILE_TABLES, acpi->tables) &&
        fits(files->fw, ACPI_FILE_LOADER, acpi->loader) &&
        fits(files->fw, ACPI_FILE_RSDP, acpi->rsdp)) {
        refill(files->fw, ACPI_FILE_TABLES, acpi->tables);
        refill(files->fw, ACPI_FILE_LOADER, acpi->loader);
        refill(files->fw, ACPI_FILE_RSDP, acpi->rsdp);
    }
}

static void smbios_make(FwCfgFiles *files)
{
    g_autoptr(GByteArray) tables = smbios_build(&files->x86->parent, files->x86->smbios);
    uint8_t anchor[SMBIOS_ANCHOR_MAX];
    unsigned size = smbios_anchor(anchor, (SmbiosEntry)files->x86->smbios_entry, tables, 0);

    fw_cfg_set_file_copy(files->fw, SMBIOS_FILE_ANCHOR, anchor, size);
    fw_cfg_set_file_copy(files->fw, SMBIOS_FILE_TABLES, tables->data, tables->len);
}

static void e820_put(GByteArray *out, uint64_t addr, uint64_t size, uint32_t type)
{
    addr = GUINT64_TO_LE(addr);
    size = GUINT64_TO_LE(size);
    type = GUINT32_TO_LE(type);
    g_byte_array_append(out, (const uint8_t *)&addr, sizeof(addr));
    g_byte_array_append(out, (const uint8_t *)&size, sizeof(size));
    g_byte_array_append(out, (const uint8_t *)&type, sizeof(type));
}

/* RAM as it is: what firmware keeps of it for itself and for tables is its own affair. */
static void e820_make(FwCfgFiles *files)
{
    g_autoptr(GArray) map = e820_of_machine(&files->x86->parent);
    g_autoptr(GByteArray) out = g_byte_array_new();

    e820_put(out, 0, files->x86->below_4g, E820_RAM);
    for (unsigned i = 0; i < map->len; i++) {
        const E820Entry *entry = &g_array_index(map, E820Entry, i);
        if (entry->addr >= FOUR_GIB) {
            e820_put(out, entry->addr, entry->size, entry->type);
        }
    }
    fw_cfg_set_file_copy(files->fw, "etc/e820", out->data, out->len);
}

static void add_file_int(FwCfg *fw, const char *name, uint64_t value, size_t size)
{
    value = GUINT64_TO_LE(value);
    fw_cfg_set_file_copy(fw, name, &value, size);
}

static void pvpanic_make(FwCfgFiles *files)
{
    uint16_t port = pvpanic_isa_port();

    if (port) {
        add_file_int(files->fw, "etc/pvpanic-port", port, sizeof(port));
    }
}

static void make_files(void *opaque)
{
    FwCfgFiles *files = opaque;

    if (!files->fresh) {
        files->fresh = true;
        if (files->x86->acpi != X86_ACPI_OFF) {
            acpi_make(files);
        }
        smbios_make(files);
        e820_make(files);
        pvpanic_make(files);
    }
}

/* The script begins a round of its own: between the directory and it, the guest may have set up
 * what the tables tell (where PCI Express configuration is, for one). */
static void make_loader(void *opaque)
{
    make_files(opaque);
    acpi_remake(opaque);
}

static void add_made_files(FwCfgFiles *files)
{
    static const struct {
        const char *name;
        FwCfgPrepare *prepare;
        bool acpi;
    } made[] = {
        { ACPI_FILE_TABLES, make_files, true },  { ACPI_FILE_RSDP, make_files, true },
        { ACPI_FILE_LOADER, make_loader, true }, { SMBIOS_FILE_ANCHOR, make_files },
        { SMBIOS_FILE_TABLES, make_files },      { "etc/e820", make_files },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(made); i++) {
        if (made[i].acpi && files->x86->acpi == X86_ACPI_OFF) {
            continue;
        }
        fw_cfg_set_file_copy(files->fw, made[i].name, NULL, 0);
        fw_cfg_set_file_prepare(files->fw, made[i].name, made[i].prepare, files);
    }
    fw_cfg_set_directory_prepare(files->fw, make_files, files);
}

/* ---- what does not change ---- */

static uint32_t apic_id_limit(const Machine *machine)
{
    uint32_t limit = 0;

    for (unsigned i = 0; i < machine->cpu_slots.count; i++) {
        limit = MAX(limit, machine->cpu_slots.list[i].arch_id + 1);
    }
    return limit;
}

/* Number of nodes; the node of each APIC ID; the bytes of each node. */
static void add_numa(FwCfg *fw, const Machine *machine)
{
    unsigned limit = apic_id_limit(machine), count = 1 + limit + machine->numa.num_nodes;
    g_autofree uint64_t *words = g_new0(uint64_t, count);

    words[0] = GUINT64_TO_LE(machine->numa.num_nodes);
    for (unsigned i = 0; i < machine->cpu_slots.count; i++) {
        words[1 + machine->cpu_slots.list[i].arch_id] = GUINT64_TO_LE(machine->numa.cpu_node[i]);
    }
    for (unsigned i = 0; i < machine->numa.num_nodes; i++) {
        words[1 + limit + i] = GUINT64_TO_LE(machine->numa.nodes[i].mem);
    }
    fw_cfg_add_copy(fw, FW_CFG_NUMA, words, count * sizeof(*words));
}

/* u8 number of blocks; each: u32 ID, u64 address, u16 least tick, u8 page protection. */
static void add_hpet(FwCfg *fw)
{
    uint8_t data[1 + 4 + 8 + 2 + 1] = { 1 };
    uint32_t id = GUINT32_TO_LE(HPET_BLOCK_ID);
    uint64_t base = GUINT64_TO_LE(HPET_BASE);

    memcpy(data + 1, &id, sizeof(id));
    memcpy(data + 5, &base, sizeof(base));
    fw_cfg_add_copy(fw, FW_CFG_HPET, data, sizeof(data));
}

static void add_numbers(X86Machine *x86)
{
    const Machine *machine = &x86->parent;
    FwCfg *fw = x86->fw_cfg;

    fw_cfg_add_copy(fw, FW_CFG_UUID, machine->uuid, sizeof(machine->uuid));
    fw_cfg_add_u64(fw, FW_CFG_RAM_SIZE, machine->ram.size);
    fw_cfg_add_u16(fw, FW_CFG_NOGRAPHIC, 1); /* there is no display */
    fw_cfg_add_u16(fw, FW_CFG_MAX_CPUS, apic_id_limit(machine));
    fw_cfg_add_u16(fw, FW_CFG_BOOT_MENU, machine->boot.given->menu);
    fw_cfg_add_u32(fw, FW_CFG_IRQ0_OVERRIDE, 1);
    add_numa(fw, machine);
    if (x86->hpet) {
        add_hpet(fw);
    }
}

/* NULL: firmware does not know it. */
static char *firmware_path(const BootDevice *boot)
{
    g_autofree char *path = NULL;

    if (object_is_a(OBJECT(boot->card), TYPE_PCI_DEVICE)) {
        path = pci_firmware_path(PCI_DEVICE(boot->card), boot->kind);
    } else if (object_is_a(OBJECT(boot->card), TYPE_ISA_FDC)) {
        const X86MachineOps *ops = x86_machine_ops(machine_current());

        path = g_strdup_printf("/pci@i0cf8/isa@%x/%s@%04x", PCI_SLOT(ops->isa_bridge), boot->kind,
                               ISA_FDC(boot->card)->iobase);
    }

    return path ? g_strconcat(path, boot->below, NULL) : NULL;
}

static void append_boot_device(const BootDevice *boot, void *opaque)
{
    GString *order = opaque;
    g_autofree char *path = firmware_path(boot);

    if (path) {
        g_string_append_printf(order, "%s%s", order->len ? "\n" : "", path);
    }
}

static void append_geometry(const BootDevice *boot, void *opaque)
{
    GString *text = opaque;
    g_autofree char *path = firmware_path(boot);

    if (path) {
        g_string_append_printf(text, "%s%s %u %u %u", text->len ? "\n" : "", path,
                               boot->geometry.cyls, boot->geometry.heads, boot->geometry.secs);
    }
}

static void add_geometries(FwCfg *fw)
{
    g_autoptr(GString) text = g_string_new(NULL);

    boot_geometry_foreach(append_geometry, text);
    fw_cfg_set_file_copy(fw, "bios-geometry", text->str, text->len ? text->len + 1 : 0);
}

/* Firmware tries these in their order before it chooses by itself; HALT: it does not. */
static void add_boot_order(X86Machine *x86)
{
    g_autoptr(GString) order = g_string_new(NULL);
    const uint8_t *rom;
    size_t size;
    const char *name =
        x86->boot && x86->firmware ? linux_boot_option_rom(x86->boot, &rom, &size) : NULL;

    if (name) {
        g_string_append_printf(order, "/rom@%s", name);
    }
    boot_order_foreach(append_boot_device, order);
    if (order->len && x86->parent.boot.given->strict) {
        g_string_append(order, "\nHALT");
    }
    fw_cfg_set_file_copy(x86->fw_cfg, "bootorder", order->str, order->len ? order->len + 1 : 0);
}

static bool add_splash(FwCfg *fw, const char *path, GError **errp)
{
    enum { BMP_BITS = 28, BMP_HEADER = 54 };
    g_autoptr(GError) err = NULL;
    char *contents;
    gsize size;

    if (!file_read(path, SPLASH_MOST, &contents, &size, &err)) {
        error_set(errp, "-boot splash=%s: cannot read it: %s", path, err->message);
        return false;
    }
    g_autoptr(GBytes) bytes = g_bytes_new_take(contents, size);
    const uint8_t *p = (const uint8_t *)contents;
    if (size > 2 && p[0] == 0xff && p[1] == 0xd8) {
        return fw_cfg_add_file(fw, "bootsplash.jpg", bytes, errp);
    }
    if (size > BMP_HEADER && p[0] == 'B' && p[1] == 'M' && p[BMP_BITS] == 24) {
        return fw_cfg_add_file(fw, "bootsplash.bmp", bytes, errp);
    }
    error_set(errp, "-boot splash=%s: it is neither a JPEG nor a BMP file with 24 bits a pixel",
              path);
    return false;
}

static bool add_boot(X86Machine *x86, GError **errp)
{
    const BootConfiguration *boot = x86->parent.boot.given;

    add_boot_order(x86); /* of devices: at the reset, when they are there */
    add_geometries(x86->fw_cfg);
    add_file_int(x86->fw_cfg, "etc/boot-fail-wait", boot->reboot_timeout, 4);
    if (boot->has_splash_time) {
        add_file_int(x86->fw_cfg, "etc/boot-menu-wait", boot->splash_time, 2);
    }
    return !boot->splash || add_splash(x86->fw_cfg, boot->splash, errp);
}

/* By it, firmware knows that there are more root buses to look for. */
static void add_extra_roots(X86Machine *x86)
{
    guint roots = x86->host->bus->extra_roots->len;

    if (roots) {
        add_file_int(x86->fw_cfg, "etc/extra-pci-roots", roots, 8);
    }
}

static void add_facts(X86Machine *x86)
{
    enum { THERE = 0x80 };
    /* For each sleep state: is it there, and its SLP_TYP; as the DSDT has it. */
    const AcpiPm *pm = x86->pm;
    const uint8_t states[] = { [0] = THERE,
                               [3] = (acpi_pm_offers_s3(pm) ? THERE : 0) | ACPI_SLP_TYP_S3,
                               [4] = (acpi_pm_offers_s4(pm) ? THERE : 0) |
                                     (pm->sleep ? pm->sleep->s4_val : 0),
                               [5] = THERE | ACPI_SLP_TYP_S5 };

    fw_cfg_set_file_copy(x86->fw_cfg, "etc/system-states", states, sizeof(states));
    if (x86->parent.device_memory.size || x86->cxl) {
        /* PCI memory above 4 GiB begins here. */
        add_file_int(x86->fw_cfg, "etc/reserved-memory-end",
                     (x86_memory_end(x86) + GIB - 1) / GIB * GIB, 8);
    }
}

/* ---- CMOS ---- */

enum {
    CMOS_FLOPPIES = 0x10,   /* types of drive A, upper half, and B */
    CMOS_EQUIPMENT = 0x14,  /* bit 1: FPU, bit 2: PS/2 mouse; bits 0, 6, 7: floppy drives */
    CMOS_BOOT_THIRD = 0x38, /* in the upper half; bit 0: a floppy's signature is not checked */
    CMOS_BOOT_FIRST = 0x3d, /* and the second in the upper half */
    CMOS_LAST_CPU = 0x5f,
};

#define DRIVES_MAX    3
#define DRIVES_PC     "acdn" /* 1 to 4 in the CMOS RAM */
#define DRIVES_NORMAL "cad"

static bool check_drives(const char *key, const char *drives, GError **errp)
{
    if (!drives) {
        return true;
    }
    if (strlen(drives) > DRIVES_MAX) {
        error_set(errp, "-boot %s=%s: a PC boots from at most %d drives", key, drives, DRIVES_MAX);
        return false;
    }
    for (const char *p = drives; *p; p++) {
        if (!strchr(DRIVES_PC, *p)) {
            error_set(errp,
                      "-boot %s=%s: a PC does not boot from '%c'; use a (floppy disk), c (hard "
                      "disk), d (CD-ROM) or n (network)",
                      key, drives, *p);
            return false;
        }
    }
    return true;
}

static void set_drives(FwCfgFiles *files, const char *drives)
{
    uint8_t numbers[DRIVES_MAX] = { 0 };

    for (unsigned i = 0; i < DRIVES_MAX && drives[i]; i++) {
        numbers[i] = strchr(DRIVES_PC, drives[i]) - DRIVES_PC + 1;
    }
    mc146818_cmos_set(files->rtc, CMOS_BOOT_FIRST, numbers[1] << 4 | numbers[0]);
    mc146818_cmos_set(files->rtc, CMOS_BOOT_THIRD,
                      numbers[2] << 4 |
                          (files->x86->parent.boot.no_floppy_check || !files->x86->fd_bootchk));
    fw_cfg_add_u16(files->fw, FW_CFG_BOOT_DEVICE, (uint8_t)drives[0]);
}

/* Those that are there after cold-plug. */
static void set_equipment(FwCfgFiles *files)
{
    static const uint8_t types[] = {
        [FLOPPY_120] = 2, [FLOPPY_144] = 4, [FLOPPY_288] = 5, [FLOPPY_NONE] = 0
    };
    uint8_t a = types[fdc_drive_type(0)], b = types[fdc_drive_type(1)];
    unsigned count = !!a + !!b;

    mc146818_cmos_set(files->rtc, CMOS_FLOPPIES, (uint8_t)(a << 4 | b));
    mc146818_cmos_set(files->rtc, CMOS_EQUIPMENT,
                      (uint8_t)(1 << 1 | 1 << 2 | (count ? 1 | (count - 1) << 6 : 0)));
}

/* ---- for the machine ---- */

void x86_fw_cfg_count_cpus(X86Machine *x86)
{
    const FwCfgFiles *files = x86->fw_cfg_files;
    unsigned count = cpu_slots_present(&x86->parent.cpu_slots);

    if (files && DEVICE(files->fw)->realized) {
        fw_cfg_add_u16(files->fw, FW_CFG_NB_CPUS, (uint16_t)count);
        /* 0 if they are too many for it: firmware finds the number in fw_cfg, too. */
        mc146818_cmos_set(files->rtc, CMOS_LAST_CPU, (uint8_t)(count <= 256 ? count - 1 : 0));
    }
}

bool x86_init_fw_cfg(X86Machine *x86, Mc146818 *rtc, GError **errp)
{
    const Machine *machine = &x86->parent;
    FwCfgFiles *files;

    if (!check_drives("order", machine->boot.given->order, errp) ||
        !check_drives("once", machine->boot.given->once, errp)) {
        return false;
    }
    x86->fw_cfg = fw_cfg_create(memory_io(), &address_space_memory);
    files = x86->fw_cfg_files = g_new0(FwCfgFiles, 1);
    *files = (FwCfgFiles){ .x86 = x86, .fw = x86->fw_cfg, .rtc = rtc };
    x86_fw_cfg_count_cpus(x86);
    add_numbers(x86);
    add_facts(x86);
    add_made_files(files);
    return add_boot(x86, errp) && x86_offer_kernel(x86, x86->fw_cfg, errp);
}

void x86_reset_fw_cfg(X86Machine *x86)
{
    FwCfgFiles *files = x86->fw_cfg_files;
    const BootConfiguration *boot = x86->parent.boot.given;
    const char *order = boot->order ? boot->order : DRIVES_NORMAL;

    files->fresh = false;
    set_equipment(files);
    cmos_disks_set(files->rtc);
    add_boot_order(x86);
    add_geometries(x86->fw_cfg);
    add_extra_roots(x86);
    set_drives(files, !files->booted && boot->once ? boot->once : order);
    files->booted = true;
}

bool x86_machine_set_boot_order(Machine *machine, const char *drives, GError **errp)
{
    BootConfig *boot = &machine->boot;

    if (!check_drives("order", drives, errp) || !boot_config_set_order(boot, drives, errp)) {
        return false;
    }
    set_drives(X86_MACHINE(machine)->fw_cfg_files, boot->given->order);
    return true;
}

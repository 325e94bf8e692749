/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a reset puts into guest memory: the ACPI tables and the kernel. */
#include "hw/char/isa-parallel.h"
#include "hw/i386/cpu.h"
#include "hw/i386/x86.h"
#include "memory/address-space.h"

#include <string.h>

#include "hw/core/runstate.h"
#include "hw/i386/acpi-build.h"
#include "hw/i386/acpi-pci.h"
#include "hw/i386/bios-data.h"
#include "hw/i386/e820.h"
#include "hw/i386/firmware.h"
#include "hw/i386/fw-cfg-files.h"
#include "hw/i386/mtrr.h"
#include "hw/misc/acpi-erst.h"
#include "hw/rtc/mc146818.h"
#include "hw/pci/pci-host.h"
#include "util/error.h"
#include "util/units.h"

bool x86_init_boot(X86Machine *x86, GError **errp)
{
    const Machine *machine = &x86->parent;

    if (!machine->kernel) {
        return true;
    }
    if (x86->below_4g < LEAST_RAM) {
        error_set(errp, "-kernel: a kernel needs at least -m %uM", (unsigned)(LEAST_RAM / MIB));
        return false;
    }
    x86->boot = linux_boot_open(machine->kernel, machine->initrd, machine->append, errp);
    return x86->boot && linux_boot_plan(x86->boot, x86->below_4g - ACPI_AREA, errp);
}

bool x86_offer_kernel(X86Machine *x86, FwCfg *fw, GError **errp)
{
    const LinuxBoot *boot = x86->boot;
    BootStarter starter = !x86->firmware          ? BOOT_DIRECTLY
                          : firmware_is_uefi(x86) ? BOOT_BY_UEFI
                                                  : BOOT_BY_BIOS;
    const uint8_t *rom;
    const char *name;
    size_t size;

    if (!boot) {
        return true;
    }
    if (!linux_boot_check_starter(boot, starter, errp)) {
        return false;
    }
    if (!x86->firmware) {
        return true;
    }
    name = linux_boot_option_rom(boot, &rom, &size);
    if (name) {
        fw_cfg_set_file_copy(fw, name, rom, size);
    }
    linux_boot_offer(boot, fw);
    return true;
}

/* The tables as they are now, in guest memory. Address of the RSDP. */
static bool x86_load_acpi(X86Machine *x86, uint64_t *rsdp, GError **errp)
{
    g_autoptr(AcpiTables) tables = acpi_build(&x86->parent);

    if (!acpi_link_direct(tables, x86->below_4g, errp)) {
        return false;
    }
    for (unsigned i = 0; i < tables->blobs->len; i++) {
        const AcpiBlob *blob = tables->blobs->pdata[i];
        address_space_write(&address_space_memory, blob->address, blob->data->data,
                            blob->data->len);
    }
    *rsdp = acpi_blob_find(tables, "rsdp")->address;
    return true;
}

/* Where an operating system looks for them if no firmware tells it. */
static void x86_load_smbios(X86Machine *x86)
{
    g_autoptr(GByteArray) tables = smbios_build(&x86->parent, x86->smbios);
    uint8_t anchor[SMBIOS_ANCHOR_MAX];

    if (tables->len > SMBIOS_TABLES_MAX) {
        error_warn("the SMBIOS tables of %u bytes do not fit into the BIOS area, where there are "
                   "%u: the guest starts without them; say less with -smbios, or use firmware",
                   tables->len, SMBIOS_TABLES_MAX);
        return;
    }
    unsigned size =
        smbios_anchor(anchor, (SmbiosEntry)x86->smbios_entry, tables, SMBIOS_TABLES_BASE);

    address_space_write(&address_space_memory, SMBIOS_ANCHOR_BASE, anchor, size);
    address_space_write(&address_space_memory, SMBIOS_TABLES_BASE, tables->data, tables->len);
}

static void x86_load_bios_data(const Machine *machine)
{
    bool serial[MAX_SERIAL];
    uint16_t parallel[BIOS_DATA_PARALLELS] = { 0 };

    for (unsigned i = 0; i < MAX_SERIAL; i++) {
        serial[i] = machine->serial[i] != NULL;
    }
    for (unsigned i = 0; i < BIOS_DATA_PARALLELS; i++) {
        unsigned port, irq;

        if (isa_parallel_find(i, &port, &irq)) {
            parallel[i] = (uint16_t)port;
        }
    }
    bios_data_load(&address_space_memory, serial, parallel);
}

/* What firmware does to chips, as far as the tables tell of it. */
static void set_up_chipset(X86Machine *x86)
{
    x86->set_up = true;
    if (x86_machine_ops(&x86->parent)->set_up_chipset) {
        x86_machine_ops(&x86->parent)->set_up_chipset(x86);
    }
    acpi_erst_place(acpi_pci_low_end(x86));
}

/* With firmware, that is the firmware's work. Else the tables are in memory with and without
 * -kernel: a test that plays the guest looks for them. */
void x86_machine_reset(Machine *machine)
{
    X86Machine *x86 = X86_MACHINE(machine);
    g_autoptr(GError) err = NULL;
    g_autoptr(GArray) e820 = NULL;
    BootRam ram;
    X86Cpu *cpu;
    uint64_t rsdp = 0; /* none */
    bool acpi = x86->acpi != X86_ACPI_OFF;

    x86_reset_fw_cfg(x86);
    if (x86->firmware) {
        return;
    }
    pci_host_show_ram(x86->host);
    set_up_chipset(x86);
    if (x86->below_4g < LEAST_RAM) {
        return; /* no room for tables, and x86_init_boot() refused a kernel */
    }
    if (acpi && !x86_load_acpi(x86, &rsdp, &err)) {
        error_report("%s", err->message);
        runstate_internal_error();
        return;
    }
    x86_load_smbios(x86);
    x86_load_bios_data(machine);
    if (!x86->boot) {
        return;
    }
    ram = (BootRam){ &address_space_memory, x86->below_4g - ACPI_AREA };
    e820 = e820_of_machine(machine);
    linux_boot_load(x86->boot, &ram, e820, rsdp);
    linux_boot_start(x86->boot, x86_cpu_at(machine, 0));
    for (unsigned i = 0; (cpu = x86_cpu_next(machine, &i)); i++) {
        mtrr_set_up(cpu, x86->below_4g);
    }
    acpi_pm_set_sci_enabled(x86->pm, acpi);
}

/* ---- from S3 ---- */

/* Fields of the FACS (ACPI 6.4 table 5.12). */
enum { FACS_VECTOR = 12, FACS_BYTES = 16 };

/* Where real mode ends, and with it what a waking vector can say. */
#define REAL_MODE_END 0x100000u

/* The waking vector of a kernel that was started without firmware, in real mode, as Linux has it;
 * false: there is none that is possible. */
static bool find_waking_vector(const X86Machine *x86, uint32_t *vector)
{
    uint8_t facs[FACS_BYTES];

    if (x86->below_4g < LEAST_RAM) {
        return false;
    }
    address_space_read(&address_space_memory, acpi_facs_address(x86->below_4g), facs, sizeof(facs));
    memcpy(vector, facs + FACS_VECTOR, sizeof(*vector));
    *vector = GUINT32_FROM_LE(*vector);
    return memcmp(facs, "FACS", 4) == 0 && *vector && *vector < REAL_MODE_END;
}

/* As firmware does it (section 16.3): CS is the vector / 16, IP what is left. */
static void start_at_vector(X86Cpu *cpu, uint32_t vector)
{
    x86_cpu_sipi(cpu, 0);
    cpu->segs[X86_SEG_CS].selector = (uint16_t)(vector >> 4);
    cpu->segs[X86_SEG_CS].base = vector & ~0xfu;
    cpu->rip = vector & 0xf;
}

/* Firmware finds in the CMOS RAM that it is to resume. Without it, what it would do is done here.
 */
bool x86_machine_wake(Machine *machine)
{
    X86Machine *x86 = X86_MACHINE(machine);
    uint32_t vector;
    X86Cpu *cpu;

    if (x86->firmware) {
        mc146818_cmos_set(mc146818_find(), CMOS_SHUTDOWN, CMOS_SHUTDOWN_S3);
        return true;
    }
    pci_host_show_ram(x86->host);
    set_up_chipset(x86);
    if (!x86->boot) {
        return true; /* a test plays the guest */
    }
    if (!find_waking_vector(x86, &vector)) {
        return false;
    }
    for (unsigned i = 0; (cpu = x86_cpu_next(machine, &i)); i++) {
        mtrr_set_up(cpu, x86->below_4g);
    }
    start_at_vector(x86_cpu_at(machine, 0), vector);
    return true;
}

bool x86_machine_can_suspend(const Machine *machine)
{
    return acpi_pm_offers_s3(X86_MACHINE(machine)->pm);
}

bool x86_machine_dump_tables(Machine *machine, const char *dir, GError **errp)
{
    g_autoptr(AcpiTables) tables = NULL;

    if (X86_MACHINE(machine)->acpi == X86_ACPI_OFF) {
        error_set(errp, "-machine dump-acpi= and acpi=off exclude each other: there are no tables");
        return false;
    }
    set_up_chipset(X86_MACHINE(machine));
    tables = acpi_build(machine);
    return acpi_link_direct(tables, MAX(X86_MACHINE(machine)->below_4g, LEAST_RAM), errp) &&
           acpi_tables_dump(tables, dir, errp);
}

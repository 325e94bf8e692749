/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/i386/x86.h"

#include <inttypes.h>
#include <json-c/json.h>

#include "accel/accel.h"
#include "hw/acpi/cpu-hotplug.h"
#include "hw/acpi/memory-hotplug.h"
#include "hw/acpi/nfit.h"
#include "hw/cxl/cxl-host.h"
#include "hw/floppy/fdc.h"
#include "hw/char/isa-parallel.h"
#include "hw/char/isa-serial.h"
#include "hw/dma/i8257.h"
#include "hw/i386/acpi-build.h"
#include "hw/i386/acpi-pci.h"
#include "hw/i386/cpu-plug.h"
#include "hw/i386/cpu.h"
#include "hw/i386/e820.h"
#include "hw/i386/firmware.h"
#include "hw/i386/fw-cfg-files.h"
#include "hw/i386/fpu-error.h"
#include "hw/i386/hyperv.h"
#include "hw/i386/port92.h"
#include "hw/i386/smi.h"
#include "hw/input/i8042.h"
#include "hw/misc/vmmouse.h"
#include "hw/misc/vmport.h"
#include "hw/intc/apic.h"
#include "hw/rtc/mc146818.h"
#include "hw/timer/pcspk.h"
#include "memory/smm.h"
#include "util/error.h"
#include "util/units.h"

/* ---- chips ---- */

/* Inputs of X86Machine.pic_lines. */
enum { PIC_GSI, PIC_PCI };

static void x86_gsi_out(void *opaque, int n, int level)
{
    X86Machine *x86 = opaque;
    Irq pin = ioapic_irq(x86->ioapic, n);

    if (n < ISA_IRQS) {
        irq_or_set(&x86->pic_lines[n], PIC_GSI, level);
    }
    irq_set(&pin, level);
}

Irq x86_gsi(X86Machine *x86, unsigned gsi, X86IrqSource source)
{
    return irq_or_input(&x86->gsi[gsi], source);
}

Irq x86_pic_pci_irq(X86Machine *x86, unsigned irq)
{
    return irq_or_input(&x86->pic_lines[irq], PIC_PCI);
}

static void x86_init_interrupts(X86Machine *x86)
{
    Irq irqs[ISA_IRQS];

    apic_map(memory_system());
    x86->ioapic = ioapic_create(memory_system());
    x86->pic = i8259_create(memory_io(), apic_pic_irq());
    apic_connect_pic(x86->pic);
    for (int i = 0; i < IOAPIC_PINS; i++) {
        /* 2 is the cascade: it is no line of the bus, and its pin is interrupt 0's. */
        x86->gsi[i].out = (Irq){ i == 2 ? NULL : x86_gsi_out, x86, i };
    }
    for (int i = 0; i < ISA_IRQS; i++) {
        x86->pic_lines[i].out = i8259_irq(x86->pic, i);
        irqs[i] = x86_gsi(x86, i, X86_IRQ_ISA);
    }
    isa_irqs_connect(irqs);
}

static void x86_init_hpet(X86Machine *x86)
{
    Irq routes[HPET_ROUTES];
    const Irq legacy[HPET_LEGACIES] = {
        [HPET_LEGACY_PIT] = isa_irq(0), [HPET_LEGACY_RTC] = isa_irq(MC146818_IRQ)
    };

    for (unsigned i = 0; i < HPET_ROUTES; i++) {
        routes[i] = x86_gsi(x86, HPET_FIRST_ROUTE + i, X86_IRQ_HPET);
    }
    x86->hpet = hpet_create(memory_system(), routes, legacy);
}

/* The line of the 8254 or the RTC, which an HPET may take over. */
static Irq x86_timer_irq(X86Machine *x86, unsigned irq, HpetLegacy which)
{
    return x86->hpet ? hpet_legacy_input(x86->hpet, which) : isa_irq(irq);
}

/* ---- ticks that the guest had no time for ---- */

static bool x86_timer_heard(void *opaque)
{
    const X86Machine *x86 = opaque;

    return i8259_hears_timer(x86->pic) || ioapic_hears_timer(x86->ioapic);
}

static bool x86_pit_heard(void *opaque)
{
    const X86Machine *x86 = opaque;

    return !(x86->hpet && hpet_is_legacy(x86->hpet)) && x86_timer_heard(opaque);
}

static void x86_timer_taken(void *opaque)
{
    X86Machine *x86 = opaque;

    i8254_tick_taken(x86->pit);
    if (x86->hpet) {
        hpet_tick_taken(x86->hpet);
    }
}

/* VMware's port, and its mouse, which interrupts by way of the controller's. */
static void x86_init_input(X86Machine *x86, I8042 *i8042)
{
    if (x86->vmport != X86_VMPORT_OFF) {
        x86->vmport = X86_VMPORT_ON;
        vmport_create();
        vmmouse_create(i8042);
    }
}

/* Not with an engine's local APICs, which do not tell what a CPU takes. */
static void x86_make_up_ticks(X86Machine *x86)
{
    if (accel_apics()) {
        return;
    }
    i8254_make_up(x86->pit, x86_pit_heard, x86);
    if (x86->hpet) {
        hpet_make_up(x86->hpet, x86_timer_heard, x86);
    }
    i8259_on_timer_taken(x86->pic, x86_timer_taken, x86);
    ioapic_on_timer_taken(x86->ioapic, x86_timer_taken, x86);
}

static void x86_memory_hotplug_notify(void *opaque, bool pending)
{
    X86Machine *x86 = opaque;

    acpi_pm_set_gpe(x86->pm, ACPI_GPE_MEMORY_HOTPLUG, pending);
}

static bool x86_firmware_ejects(const Machine *machine)
{
    const X86MachineOps *ops = x86_machine_ops(machine);

    return ops->smi_features && ops->smi_features(X86_MACHINE(machine)) & SMI_CPU_HOTUNPLUG;
}

static void x86_cpu_hotplug_notify(void *opaque, bool pending)
{
    acpi_pm_set_gpe(X86_MACHINE(opaque)->pm, ACPI_GPE_CPU_HOTPLUG, pending);
}

static void x86_nvdimm_notify(void *opaque, bool pending)
{
    acpi_pm_set_gpe(X86_MACHINE(opaque)->pm, ACPI_GPE_NVDIMM, pending);
}

static void x86_init_nvdimms(X86Machine *x86)
{
    const char *domain = x86->nvdimm_persistence;
    uint32_t capabilities = !domain                      ? 0
                            : g_str_equal(domain, "cpu") ? NFIT_CPU_FLUSH | NFIT_CONTROLLER_FLUSH
                                                         : NFIT_CONTROLLER_FLUSH;

    x86->nvdimms =
        nvdimm_mailbox_create(&x86->parent, memory_system(), capabilities, x86_nvdimm_notify, x86);
}

static void x86_pci_hotplug_notify(void *opaque, bool pending)
{
    acpi_pm_set_gpe(X86_MACHINE(opaque)->pm, ACPI_GPE_PCI_HOTPLUG, pending);
}

void x86_init_pci_hotplug(X86Machine *x86, const AcpiPciHotplugConfig *config)
{
    if (x86->acpi != X86_ACPI_OFF && (config->root || config->bridges)) {
        x86->pci_hotplug = acpi_pci_hotplug_create(x86->host->bus, config, memory_io(),
                                                   x86_machine_ops(&x86->parent)->pci_hotplug_port,
                                                   x86_pci_hotplug_notify, x86);
    }
}

static void x86_rtc_alarm(void *opaque)
{
    acpi_pm_rtc_alarm(X86_MACHINE(opaque)->pm);
}

static bool x86_init_devices(X86Machine *x86, GError **errp)
{
    Machine *machine = &x86->parent;
    const X86MachineOps *ops = x86_machine_ops(machine);
    MemoryRegion *io = memory_io();
    Mc146818 *rtc;

    x86->pm = acpi_pm_create(io, x86_gsi(x86, ACPI_SCI_IRQ, X86_IRQ_SCI), ops->pm);
    ops->create_chipset(x86);
    x86->host->holes = acpi_pci_holes;
    firmware_map_low_rom(x86, &x86->host->bus->memory);
    if (x86->hpet_enabled) {
        x86_init_hpet(x86);
    }
    x86->pit = i8254_create(io, x86_timer_irq(x86, 0, HPET_LEGACY_PIT));
    x86_make_up_ticks(x86);
    x86_init_input(x86, i8042_create(io, isa_irq(1), isa_irq(12)));
    rtc = mc146818_create(io, x86_timer_irq(x86, MC146818_IRQ, HPET_LEGACY_RTC));
    mc146818_set_alarm(rtc, x86_rtc_alarm, x86);
    mc146818_set_memory(rtc, x86->below_4g, x86->above_4g);
    port92_create(io);
    isa_dma_create(io);
    fpu_error_create(machine, io, isa_irq(FPU_ERROR_IRQ));
    cpu_hotplug_create(machine, io, ops->cpu_hotplug_port, x86_cpu_hotplug_notify, x86)
        ->firmware_ejects = x86_firmware_ejects;
    if (machine->ram.slots) {
        memory_hotplug_create(machine, io, MEMHP_IO_BASE, x86_memory_hotplug_notify, x86);
    }
    if (x86->nvdimm && x86->acpi != X86_ACPI_OFF) {
        x86_init_nvdimms(x86);
    }
    for (unsigned i = 0; i < MAX_SERIAL; i++) {
        if (machine->serial[i] && !isa_serial_create(i, machine->serial[i], errp)) {
            return false;
        }
    }
    for (unsigned i = 0; i < MAX_PARALLEL; i++) {
        if (machine->parallel[i] && !isa_parallel_create(i, machine->parallel[i], errp)) {
            return false;
        }
    }
    if (x86->pcspk_audiodev && !pcspk_create(x86->pit, x86->pcspk_audiodev, errp)) {
        return false;
    }
    if ((ops->fdc && !fdc_create(errp)) || !x86_init_fw_cfg(x86, rtc, errp)) {
        return false;
    }
    if (ops->add_files) {
        ops->add_files(x86);
    }
    return true;
}

static void x86_powerdown(Machine *machine)
{
    acpi_pm_power_button(X86_MACHINE(machine)->pm);
}

/* Before there are CPUs and chips, which look whether there is memory_smram(). */
static bool x86_init_smm(X86Machine *x86, GError **errp)
{
    g_autoptr(GError) reason = NULL;

    if (x86->smm == X86_SMM_OFF) {
        return true;
    }
    if (!accel_has_smm(&reason)) {
        if (x86->smm == X86_SMM_ON) {
            error_set(
                errp,
                "-machine smm=on: %s: use -accel soft, or smm=auto, which takes what there is",
                reason->message);
        }
        return x86->smm != X86_SMM_ON;
    }
    memory_smm_init();
    accel_current()->init_smm();
    return true;
}

bool x86_machine_init(Machine *machine, GError **errp)
{
    X86Machine *x86 = X86_MACHINE(machine);
    const char *cpu =
        machine->cpu_model ? machine->cpu_model : machine_ops(machine)->default_cpu_type;
    g_autofree char *with_globals = x86_cpu_with_globals(cpu);
    X86CpuModel model;

    if (!x86_cpu_model_parse(&model, with_globals, errp) || !x86_lay_out(x86, &model, errp) ||
        !acpi_check_hmat(machine, errp) || !x86_init_smm(x86, errp) || !x86_init_boot(x86, errp) ||
        !firmware_init_rom(x86, errp) || !x86_init_ram(x86, errp) ||
        !hyperv_create(machine, &model, errp) || !x86_init_cpus(x86, &model, errp)) {
        return false;
    }
    x86_init_interrupts(x86);
    machine->powerdown = x86_powerdown;
    return x86_init_devices(x86, errp);
}

bool x86_machine_complete(const Machine *machine, GError **errp)
{
    const X86Machine *x86 = X86_MACHINE(machine);

    return !x86->cxl || cxl_host_check_targets(x86->cxl, errp);
}

static const StateField irq_or_fields[] = {
    STATE_UINT(IrqOr, levels),
    {},
};
static const StateTable irq_or_state = { .name = "irq-or", .version = 1, .fields = irq_or_fields };

static const StateField x86_machine_fields[] = {
    STATE_STRUCTS(X86Machine, gsi, &irq_or_state),
    STATE_STRUCTS(X86Machine, pic_lines, &irq_or_state),
    {},
};
const StateTable x86_machine_state = { .name = "x86-machine",
                                       .version = 1,
                                       .fields = x86_machine_fields };

static void x86_machine_instance_init(Object *obj)
{
    X86Machine *x86 = X86_MACHINE(obj);

    x86->smbios = smbios_config_new();
    x86->max_ram_below_4g = x86_machine_ops(&x86->parent)->low_ram_limit;
    x86->high_base = FOUR_GIB;
}

static void x86_machine_finalize(Object *obj)
{
    cxl_host_free(X86_MACHINE(obj)->cxl);
    g_clear_pointer(&X86_MACHINE(obj)->cxl_windows, g_ptr_array_unref);
    smbios_config_free(X86_MACHINE(obj)->smbios);
    g_free(X86_MACHINE(obj)->fw_cfg_files);
    g_free(X86_MACHINE(obj)->rom_name);
}

static const char *const acpi_values[] = {
    [X86_ACPI_AUTO] = "auto",
    [X86_ACPI_ON] = "on",
    [X86_ACPI_OFF] = "off",
    NULL,
};

static const char *const smm_values[] = {
    [X86_SMM_AUTO] = "auto",
    [X86_SMM_ON] = "on",
    [X86_SMM_OFF] = "off",
    NULL,
};

static bool check_persistence(Object *obj, const Property *prop, struct json_object *value,
                              GError **errp)
{
    const char *domain = json_object_get_string(value);

    if (!g_str_equal(domain, "cpu") && !g_str_equal(domain, "mem-ctrl")) {
        error_set(errp,
                  "'nvdimm-persistence' is from where on what is written lasts: 'cpu' (its caches) "
                  "or 'mem-ctrl' (the memory controller), and not '%s'",
                  domain);
        return false;
    }
    return true;
}

static bool set_max_ram_below_4g(Object *obj, const Property *prop, struct json_object *value,
                                 GError **errp)
{
    X86Machine *x86 = X86_MACHINE(obj);
    uint64_t size = json_object_get_uint64(value);

    if (size > FOUR_GIB || (size && size < MIB)) {
        error_set(errp,
                  "max-ram-below-4g=%" PRIu64 " is not possible: it is from 1M to 4G, or 0, which "
                  "is the board's own limit, %" PRIu64 " MiB",
                  size, x86_machine_ops(&x86->parent)->low_ram_limit / MIB);
        return false;
    }
    x86->max_ram_below_4g = size ? size : x86_machine_ops(&x86->parent)->low_ram_limit;
    return true;
}

static struct json_object *get_device_memory_size(Object *obj, const Property *prop, GError **errp)
{
    return json_object_new_uint64(MACHINE(obj)->device_memory.size);
}

static bool check_fw_size(Object *obj, const Property *prop, struct json_object *value,
                          GError **errp)
{
    uint64_t size = json_object_get_uint64(value);

    if (!size || size > FIRMWARE_MAX) {
        error_set(errp,
                  "max-fw-size=%" PRIu64 " is not possible: firmware has at most %" PRIu64
                  " bytes, which end at 4 GiB",
                  size, FIRMWARE_MAX);
        return false;
    }
    return true;
}

static bool check_bus_locks(Object *obj, const Property *prop, struct json_object *value,
                            GError **errp)
{
    if (json_object_get_uint64(value)) {
        error_set(errp, "bus-lock-ratelimit: locks on the bus are not limited: leave it out, or "
                        "give 0");
        return false;
    }
    return true;
}

static const Property x86_machine_properties[] = {
    { .name = "max-ram-below-4g",
      .kind = PROP_SIZE,
      .offset = offsetof(X86Machine, max_ram_below_4g),
      .set = set_max_ram_below_4g,
      .description = "the most boot memory below 4 GiB, where PCI memory is, too; 0: as always" },
    { .name = "x-amd-hole",
      .kind = PROP_BOOL,
      .offset = offsetof(X86Machine, amd_hole),
      .has_default = true,
      .default_int = true,
      .description = "with an AMD CPU no memory lies from 0xfd00000000 up to 1 TiB" },
    { .name = "pflash0",
      .kind = PROP_STRING,
      .offset = offsetof(X86Machine, pflash[0]),
      .description = "block node (-blockdev) of the flash that ends at 4 GiB" },
    { .name = "pflash1",
      .kind = PROP_STRING,
      .offset = offsetof(X86Machine, pflash[1]),
      .description = "block node of the flash below it" },
    { .name = "hpet",
      .kind = PROP_BOOL,
      .offset = offsetof(X86Machine, hpet_enabled),
      .has_default = true,
      .default_int = true,
      .description = "high precision event timers" },
    { .name = "acpi",
      .kind = PROP_ENUM,
      .offset = offsetof(X86Machine, acpi),
      .has_default = true,
      .enum_names = acpi_values,
      .custom_type = "OnOffAuto",
      .description = "ACPI tables, which memory hot-plug needs; auto is on" },
    { .name = "vmport",
      .kind = PROP_ENUM,
      .offset = offsetof(X86Machine, vmport),
      .has_default = true,
      .enum_names = acpi_values,
      .custom_type = "OnOffAuto",
      .description = "VMware's port, with its mouse; auto is on" },
    { .name = "smm",
      .kind = PROP_ENUM,
      .offset = offsetof(X86Machine, smm),
      .has_default = true,
      .enum_names = smm_values,
      .custom_type = "OnOffAuto",
      .description = "system management mode; auto is on where the engine has it" },
    { .name = "nvdimm",
      .kind = PROP_BOOL,
      .offset = offsetof(X86Machine, nvdimm),
      .has_default = true,
      .description = "there may be NVDIMMs, in the slots of -m" },
    { .name = "device-memory-region-size",
      .kind = PROP_CUSTOM,
      .custom_type = "int",
      .read_only = true,
      .get = get_device_memory_size,
      .description = "bytes of the window for memory devices" },
    PROPERTY_ALWAYS("i8042", X86Machine, parent.fixed, "the keyboard controller is part of it"),
    PROPERTY_FIXED_AUTO("pic", "auto", "the 8259s are part of it"),
    PROPERTY_FIXED_AUTO("pit", "auto", "the 8254 is part of it"),
    { .name = "smbus",
      .kind = PROP_BOOL,
      .offset = offsetof(X86Machine, smbus),
      .has_default = true,
      .default_int = true,
      .description = "SMBus, on which boot memory tells of itself" },
    { .name = "sata",
      .kind = PROP_BOOL,
      .offset = offsetof(X86Machine, sata),
      .has_default = true,
      .default_int = true,
      .description = "q35: the SATA controller" },
    { .name = "smbios-entry-point-type",
      .kind = PROP_ENUM,
      .offset = offsetof(X86Machine, smbios_entry),
      .has_default = true,
      .enum_names = smbios_entry_names,
      .custom_type = "str",
      .description = "64: SMBIOS tables of 3.0; 32: of 2.8, at most 65535 bytes" },
    { .name = "max-fw-size",
      .kind = PROP_SIZE,
      .offset = offsetof(X86Machine, max_fw_size),
      .has_default = true,
      .default_int = FIRMWARE_MAX,
      .check = check_fw_size,
      .description = "the most bytes of firmware, all flash together" },
    { .name = "default-bus-bypass-iommu",
      .kind = PROP_BOOL,
      .offset = offsetof(X86Machine, bypass_iommu),
      .has_default = true,
      .description = "PCI functions are not below the IOMMU, if there is one" },
    { .name = "bus-lock-ratelimit",
      .kind = PROP_UINT64,
      .offset = offsetof(X86Machine, bus_locks),
      .has_default = true,
      .check = check_bus_locks,
      .description = "0: locks on the bus are not limited" },
    { .name = "fd-bootchk",
      .kind = PROP_BOOL,
      .offset = offsetof(X86Machine, fd_bootchk),
      .has_default = true,
      .default_int = true,
      .description = "firmware looks at the boot signature of a floppy disk" },
    { .name = "pcspk-audiodev",
      .kind = PROP_STRING,
      .offset = offsetof(X86Machine, pcspk_audiodev),
      .description =
          "id of the -audiodev where the speaker's sound goes; without it nobody hears it" },
    { .name = "nvdimm-persistence",
      .kind = PROP_STRING,
      .offset = offsetof(X86Machine, nvdimm_persistence),
      .check = check_persistence,
      .description = "cpu, mem-ctrl: from there on what is written to an NVDIMM lasts" },
    { 0 },
};

static const ObjectType x86_machine_type = {
    .name = TYPE_X86_MACHINE,
    .parent = TYPE_MACHINE,
    .description = "a PC",
    .instance_size = sizeof(X86Machine),
    .abstract = true,
    .properties = x86_machine_properties,
    .init = x86_machine_instance_init,
    .finalize = x86_machine_finalize,
};
OBJECT_TYPE_REGISTER(x86_machine_type)

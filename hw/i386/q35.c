/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/i386/q35.h"

#include "hw/acpi/cpu-hotplug.h"
#include "hw/cxl/cxl-host.h"
#include "hw/i386/fw-cfg-files.h"
#include "hw/i2c/spd.h"
#include "hw/i386/versions.h"
#include "hw/ide/ahci.h"
#include "hw/pci/ich9-smb.h"
#include "hw/pci/mch.h"
#include "hw/usb/ehci.h"
#include "hw/watchdog/watchdog.h"
#include "memory/smm.h"
#include "qapi/qapi-types.h"
#include "util/units.h"

static void q35_create_chipset(X86Machine *x86)
{
    Irq pins[ICH9_PIRQS], pic[ISA_IRQS];

    for (unsigned i = 0; i < ICH9_PIRQS; i++) {
        pins[i] = x86_gsi(x86, ICH9_FIRST_GSI + i, X86_IRQ_PCI);
    }
    for (unsigned i = 0; i < ISA_IRQS; i++) {
        pic[i] = x86_pic_pci_irq(x86, i);
    }
    x86->host = mch_create(memory_system(), memory_io(), &x86->ram_below);
    x86->host->bus->bypass_iommu = x86->bypass_iommu;
    Q35_MACHINE(x86)->lpc = ich9_lpc_create(x86->host->bus, x86->pm, pins, pic);
    Q35_MACHINE(x86)->lpc->tco.fired = watchdog_fired;
    x86_init_pci_hotplug(x86, &Q35_MACHINE(x86)->lpc->hotplug);
    if (x86->sata) {
        pci_create(x86->host->bus, AHCI_DEVFN, TYPE_AHCI);
    }
    if (x86->parent.usb) {
        ehci_create_ich9(x86->host->bus);
    }
    if (x86->smbus) {
        spd_create(ich9_smb_create(x86->host->bus), x86->below_4g + x86->above_4g);
    }
}

static void q35_set_up_chipset(X86Machine *x86)
{
    mch_enable_ecam(x86->host);
    ich9_lpc_set_up(Q35_MACHINE(x86)->lpc);
    if (x86->smbus) {
        ich9_smb_set_up(x86->host->bus);
    }
}

static bool q35_ecam(const X86Machine *x86, hwaddr *base, unsigned *buses)
{
    return mch_ecam(x86->host, base, buses);
}

static bool q35_broadcasts(void *opaque)
{
    return SMI_FEATURES(opaque)->agreed & SMI_BROADCAST;
}

static void q35_add_files(X86Machine *x86)
{
    Ich9Lpc *lpc = Q35_MACHINE(x86)->lpc;
    uint64_t offered = (lpc->smi_broadcast ? SMI_BROADCAST : 0) |
                       (lpc->smi_cpu_hotplug ? SMI_CPU_HOTPLUG : 0) |
                       (lpc->smi_cpu_hotunplug ? SMI_CPU_HOTUNPLUG : 0);

    /* An engine without system management mode offers none of them: the machine is the same with
     * each, and goes from one to another. */
    if (x86->smm != X86_SMM_OFF && offered) {
        Q35_MACHINE(x86)->smi = smi_features_create(x86->fw_cfg, memory_smram() ? offered : 0);
        lpc->broadcasts = q35_broadcasts;
        lpc->broadcasts_opaque = Q35_MACHINE(x86)->smi;
    }
}

static uint64_t q35_smi_features(const X86Machine *x86)
{
    const SmiFeatures *smi = Q35_MACHINE(x86)->smi;

    return smi ? smi->agreed : 0;
}

static const X86MachineOps q35_machine_ops = {
    .machine = {
        .name = "pc-q35",
        .alias = "q35",
        .description = "PC with PCI Express: a Q35 host bridge and an ICH9 south bridge",
        .max_cpus = MAX_CPUS,
        .default_cpu_type = "qemu64",
        .default_nic = "e1000e",
        .ram_id = "pc.ram",
        .default_ram_size = 128 * MIB,
        .init = x86_machine_init,
        .complete = x86_machine_complete,
        .reset = x86_machine_reset,
        .wake = x86_machine_wake,
        .can_suspend = x86_machine_can_suspend,
        .ide_buses = AHCI_PORTS,
        .ide_units = 1,
        .floppy_drives = true,
        .parallel_port = true,
        .dump_tables = x86_machine_dump_tables,
        .set_boot_order = x86_machine_set_boot_order,
        .state = &x86_machine_state,
        .hotplug = x86_hotplug,
    },
    .low_ram_max = 2 * GIB,
    .low_ram_split_at = 2 * GIB + 3 * GIB / 4,
    .low_ram_limit = 4 * GIB,
    .pm = &acpi_pm_ich9,
    .isa_bridge = ICH9_LPC_DEVFN,
    .pci_pirqs = ICH9_PIRQS,
    .pci_gsi = ICH9_FIRST_GSI,
    .pci_pirq = ich9_pirq,
    .pci_hotplug_port = PCIHP_PORT_Q35,
    .cpu_hotplug_port = CPUHP_PORT_Q35,
    .host_type = TYPE_Q35_HOST,
    .create_chipset = q35_create_chipset,
    .set_up_chipset = q35_set_up_chipset,
    .ecam = q35_ecam,
    .add_files = q35_add_files,
    .has_tseg = true,
    .smi_features = q35_smi_features,
};

static void *get_cxl_windows(Object *obj)
{
    const X86Machine *x86 = X86_MACHINE(obj);
    GPtrArray *copy = CXLFixedMemoryWindowOptions_list_new();

    for (unsigned i = 0; x86->cxl_windows && i < x86->cxl_windows->len; i++) {
        CXLFixedMemoryWindowOptions *o = g_new0(CXLFixedMemoryWindowOptions, 1);

        qapi_update(&CXLFixedMemoryWindowOptions_type, o, x86->cxl_windows->pdata[i]);
        g_ptr_array_add(copy, o);
    }
    return copy;
}

static bool set_cxl_windows(Object *obj, const void *value, GError **errp)
{
    X86Machine *x86 = X86_MACHINE(obj);
    const GPtrArray *given = value;
    GPtrArray *old = x86->cxl_windows;

    if (!cxl_host_check(given, errp)) {
        return false;
    }
    x86->cxl_windows = CXLFixedMemoryWindowOptions_list_new();
    for (unsigned i = 0; i < given->len; i++) {
        CXLFixedMemoryWindowOptions *o = g_new0(CXLFixedMemoryWindowOptions, 1);

        qapi_update(&CXLFixedMemoryWindowOptions_type, o, given->pdata[i]);
        g_ptr_array_add(x86->cxl_windows, o);
    }
    g_clear_pointer(&old, g_ptr_array_unref);
    return true;
}

static const Property q35_machine_properties[] = {
    { .name = "cxl",
      .kind = PROP_BOOL,
      .offset = offsetof(X86Machine, cxl_enabled),
      .has_default = true,
      .description = "there may be CXL host bridges (pxb-cxl)" },
    { .name = "cxl-fmw",
      .kind = PROP_STRUCT,
      .struct_type = &CXLFixedMemoryWindowOptions_list_type,
      .get_struct = get_cxl_windows,
      .set_struct = set_cxl_windows,
      .description = "ranges of addresses for memory behind CXL host bridges" },
    { 0 },
};

static const ObjectType q35_machine_type = {
    .name = TYPE_Q35_MACHINE,
    .parent = TYPE_X86_MACHINE,
    .description = "a PC with a Q35 host bridge",
    .instance_size = sizeof(Q35Machine),
    .abstract = true,
    .properties = q35_machine_properties,
    .ops = &q35_machine_ops,
};
OBJECT_TYPE_REGISTER(q35_machine_type)
X86_VERSIONS_REGISTER(q35_machine_type)

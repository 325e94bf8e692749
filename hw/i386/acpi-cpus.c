/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Processors in the DSDT and in the MADT: the guest's side of docs/cpu-hotplug.md.
 *
 * The registers show one processor at a time, so whatever selects one holds the mutex CPLK until it
 * is done.
 */
#include "hw/i386/acpi-build.h"

#include "hw/acpi/cpu-hotplug.h"
#include "hw/acpi/pm.h"
#include "hw/i386/smi.h"
#include "hw/i386/x86.h"

#define NOTIFY_DEVICE_CHECK  1
#define NOTIFY_EJECT_REQUEST 3
#define STA_ALL              0xf /* present, enabled, shown, working */

/* ---- what the MADT says of one ---- */

enum {
    MADT_LAPIC = 0,
    MADT_X2APIC = 9, /* its _UID is at most its APIC ID: each place has another */

    MADT_ENABLED = 1 << 0,
    MADT_ONLINE_CAPABLE = 1 << 1, /* it is not there, and may come */

    MADT_ENTRY_MOST = 16, /* bytes */
};

/* Into @out; how many bytes it has. */
static unsigned madt_entry(uint8_t *out, unsigned uid, uint32_t apic_id, uint8_t flags)
{
    const uint8_t small[] = { MADT_LAPIC, 8, (uint8_t)uid, (uint8_t)apic_id, flags, 0, 0, 0 };
    const uint8_t large[MADT_ENTRY_MOST] = { MADT_X2APIC,
                                             MADT_ENTRY_MOST,
                                             0,
                                             0,
                                             (uint8_t)apic_id,
                                             (uint8_t)(apic_id >> 8),
                                             (uint8_t)(apic_id >> 16),
                                             (uint8_t)(apic_id >> 24),
                                             flags,
                                             0,
                                             0,
                                             0,
                                             (uint8_t)uid,
                                             (uint8_t)(uid >> 8),
                                             0,
                                             0 };
    bool x2apic = apic_id >= ACPI_FIRST_X2APIC;

    memcpy(out, x2apic ? large : small, x2apic ? sizeof(large) : sizeof(small));
    return x2apic ? sizeof(large) : sizeof(small);
}

void acpi_madt_processors(AcpiBlob *madt, const Machine *machine)
{
    for (unsigned i = 0; i < machine->cpu_slots.count; i++) {
        const CpuSlot *slot = &machine->cpu_slots.list[i];
        uint8_t entry[MADT_ENTRY_MOST];
        unsigned len =
            madt_entry(entry, i, slot->arch_id, slot->device ? MADT_ENABLED : MADT_ONLINE_CAPABLE);

        acpi_bytes(madt, entry, len);
    }
}

/* ---- the registers ---- */

#define PRES(field) "\\_SB.PCI0.PRES." field

static const AmlField flag_fields[] = {
    { "CPEN", CPUHP_REG_FLAGS * 8 + 0, 1 }, { "CINS", CPUHP_REG_FLAGS * 8 + 1, 1 },
    { "CRMV", CPUHP_REG_FLAGS * 8 + 2, 1 }, { "CEJ0", CPUHP_REG_FLAGS * 8 + 3, 1 },
    { "CCMD", CPUHP_REG_COMMAND * 8, 8 },   {},
};
static const AmlField word_fields[] = {
    { "CSEL", CPUHP_REG_SELECT * 8, 32 },
    { "CDAT", CPUHP_REG_DATA * 8, 32 },
    {},
};

static const AmlField smi_fields[] = { { "SMIC", 0, 8 }, {} };
static const AmlField firmware_fields[] = { { "CEJF", CPUHP_REG_FLAGS * 8 + 4, 1 }, {} };

/* What firmware and the chipset have agreed on about SMIs. */
static uint64_t smi_features(const Machine *machine)
{
    const X86MachineOps *ops = x86_machine_ops(machine);

    return ops->smi_features ? ops->smi_features(X86_MACHINE(machine)) : 0;
}

/* Firmware looks at the registers, and at all processors with an event, before this is done. What
 * it has selected there it leaves so. */
static Aml *tell_firmware(void)
{
    return aml_store(aml_int(SMI_COMMAND_CPUS), aml_name_ref(PRES("SMIC")));
}

/* _INI: from the bitmap to the registers; where they are there already, it selects CPU 0. */
static Aml *cpu_registers(uint16_t port, bool smis)
{
    Aml *registers = aml_device(
        "PRES", aml_name("_HID", aml_eisaid("PNP0A06")), aml_name("_UID", aml_string("CPU slots")),
        aml_name("_CRS", aml_resources(aml_io(port, CPUHP_SIZE))),
        aml_operation_region("REGS", AML_REGION_IO, port, CPUHP_SIZE),
        aml_field("REGS", AML_BYTE_ACC, AML_WRITE_AS_ZEROS, flag_fields),
        aml_field("REGS", AML_DWORD_ACC, AML_PRESERVE, word_fields), aml_mutex("CPLK"),
        aml_method("_INI", 0, AML_NOT_SERIALIZED, aml_store(aml_int(0), aml_name_ref("CSEL"))));

    if (smis) {
        aml_add(registers, aml_operation_region("SMIR", AML_REGION_IO, ACPI_SMI_CMD_PORT, 1));
        aml_add(registers, aml_field("SMIR", AML_BYTE_ACC, AML_WRITE_AS_ZEROS, smi_fields));
        aml_add(registers, aml_field("REGS", AML_BYTE_ACC, AML_WRITE_AS_ZEROS, firmware_fields));
    }
    return registers;
}

/* ---- the processors ---- */

#define SELECT(cpu) aml_acquire(PRES("CPLK")), aml_store(cpu, aml_name_ref(PRES("CSEL")))
#define DONE()      aml_release(PRES("CPLK"))

static Aml *set(const char *field, Aml *value)
{
    return aml_store(value, aml_name_ref(field));
}

static Aml *is_set(const char *field)
{
    return aml_equal(aml_name_ref(field), aml_int(1));
}

/* CSTA(cpu), CEJ0(cpu), COST(cpu, event, status). */
static void cpu_simple_methods(Aml *cpus, bool firmware_ejects)
{
    aml_add(cpus,
            aml_method("CSTA", 1, AML_NOT_SERIALIZED, SELECT(aml_arg(0)),
                       aml_store(aml_int(0), aml_local(0)),
                       aml_if(is_set(PRES("CPEN")), aml_store(aml_int(STA_ALL), aml_local(0))),
                       DONE(), aml_return(aml_local(0))));
    if (firmware_ejects) {
        aml_add(cpus, aml_method("CEJ0", 1, AML_NOT_SERIALIZED, SELECT(aml_arg(0)),
                                 set(PRES("CEJF"), aml_int(1)), tell_firmware(), DONE()));
    } else {
        aml_add(cpus, aml_method("CEJ0", 1, AML_NOT_SERIALIZED, SELECT(aml_arg(0)),
                                 set(PRES("CEJ0"), aml_int(1)), DONE()));
    }
    aml_add(cpus,
            aml_method("COST", 3, AML_NOT_SERIALIZED, SELECT(aml_arg(0)),
                       set(PRES("CCMD"), aml_int(CPUHP_OST_EVENT)), set(PRES("CDAT"), aml_arg(1)),
                       set(PRES("CCMD"), aml_int(CPUHP_OST_STATUS)), set(PRES("CDAT"), aml_arg(2)),
                       DONE()));
}

/* If the event @field is there, clear it and pass it on as @value. */
static Aml *pass_on(const char *field, uint64_t value)
{
    return aml_if(is_set(field), set(field, aml_int(1)),
                  aml_call("CTFY", aml_local(0), aml_int(value)));
}

/* CSCN(): pass on each pending event. It is cleared before its notification, so that one that comes
 * meanwhile is not lost; a processor selected for an event that it has not ends the scan. */
static Aml *cpu_scan_method(bool smis)
{
    /* Firmware has to know a processor before the guest starts it; more than once is no harm. */
    Aml *loop = aml_while(aml_int(1), set(PRES("CSEL"), aml_int(0)),
                          set(PRES("CCMD"), aml_int(CPUHP_NEXT_EVENT)),
                          aml_store(aml_name_ref(PRES("CDAT")), aml_local(0)));

    if (smis) {
        aml_add(loop,
                aml_if(is_set(PRES("CINS")), tell_firmware(), set(PRES("CSEL"), aml_local(0))));
    }
    aml_add(loop, pass_on(PRES("CINS"), NOTIFY_DEVICE_CHECK));
    aml_add(loop, aml_else(pass_on(PRES("CRMV"), NOTIFY_EJECT_REQUEST), aml_else(aml_break())));
    return aml_method("CSCN", 0, AML_NOT_SERIALIZED, aml_acquire(PRES("CPLK")), loop, DONE());
}

/* _MAT says how it is when it is there: nobody asks before. CPU 0 cannot go. */
static Aml *processor(const Machine *machine, unsigned n)
{
    uint8_t entry[MADT_ENTRY_MOST];
    unsigned len = madt_entry(entry, n, machine->cpu_slots.list[n].arch_id, MADT_ENABLED);
    char name[5];
    Aml *cpu;

    acpi_slot_name(name, 'C', n);
    cpu = aml_device(
        name, aml_name("_HID", aml_string("ACPI0007")), aml_name("_UID", aml_int(n)),
        aml_name("_PXM", aml_int((uint64_t)MAX(machine->numa.cpu_node[n], 0))),
        aml_name("_MAT", aml_buffer(entry, len)),
        aml_method("_STA", 0, AML_NOT_SERIALIZED, aml_return(aml_call("CSTA", aml_int(n)))),
        aml_method("_OST", 3, AML_NOT_SERIALIZED,
                   aml_call("COST", aml_int(n), aml_arg(0), aml_arg(1))));
    if (n > 0) {
        aml_add(cpu, aml_method("_EJ0", 1, AML_NOT_SERIALIZED, aml_call("CEJ0", aml_int(n))));
    }
    return cpu;
}

void acpi_build_processors(Aml *dsdt, const Machine *machine)
{
    unsigned count = machine->cpu_slots.count;
    uint16_t port = x86_machine_ops(machine)->cpu_hotplug_port;
    uint64_t features = smi_features(machine);
    Aml *cpus = aml_device("CPUS", aml_name("_HID", aml_string("ACPI0010")),
                           aml_name("_CID", aml_eisaid("PNP0A05")));
    g_autofree char *event = g_strdup_printf("_E%02X", ACPI_GPE_CPU_HOTPLUG);

    cpu_simple_methods(cpus, features & SMI_CPU_HOTUNPLUG);
    aml_add(cpus, acpi_build_notify_method("CTFY", 'C', count));
    aml_add(cpus, cpu_scan_method(features & SMI_CPU_HOTPLUG));
    for (unsigned n = 0; n < count; n++) {
        aml_add(cpus, processor(machine, n));
    }
    aml_add(dsdt, aml_scope("\\_SB.PCI0", cpu_registers(port, features & SMI_CPU_HOTPLUG)));
    aml_add(dsdt, aml_scope("\\_SB", cpus));
    aml_add(dsdt, aml_scope("\\_GPE",
                            aml_method(event, 0, AML_NOT_SERIALIZED, aml_call("\\_SB.CPUS.CSCN"))));
}

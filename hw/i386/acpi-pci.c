/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/i386/acpi-pci.h"

#include "hw/pci/pirq.h"

#define PCI_SLOTS 32
#define PCI_PINS  4

/* ---- PCI Express: who controls what ---- */

/* PCI Firmware 3.0, section 4.5: the operating system gets all that it asks for, as there is
 * no firmware that could do it; but for hot-plug where that goes by ACPI. */
Aml *acpi_pci_osc(bool acpi_hotplug)
{
    enum {
        /* hot-plug; power management events, errors, the PCI Express capability */
        HOTPLUG = 1 << 0,
        OTHERS = 1 << 2 | 1 << 3 | 1 << 4,
        BAD_UUID = 1 << 2,
        BAD_REVISION = 1 << 3,
        CAPABILITIES_MASKED = 1 << 4,
    };
    Aml *known =
        aml_if(aml_equal(aml_arg(0), aml_uuid("33db4d5b-1ff7-401c-9657-7441c03dd766")),
               aml_create_dword_field(aml_arg(3), 8, "CDW3"),
               aml_store(aml_name_ref("CDW3"), aml_local(0)),
               aml_store(aml_and(aml_local(0), aml_int(OTHERS | (acpi_hotplug ? 0 : HOTPLUG))),
                         aml_local(0)),
               aml_if(aml_not(aml_equal(aml_arg(1), aml_int(1))),
                      aml_store(aml_or(aml_name_ref("CDW1"), aml_int(BAD_REVISION)),
                                aml_name_ref("CDW1"))),
               aml_if(aml_not(aml_equal(aml_name_ref("CDW3"), aml_local(0))),
                      aml_store(aml_or(aml_name_ref("CDW1"), aml_int(CAPABILITIES_MASKED)),
                                aml_name_ref("CDW1"))),
               aml_store(aml_local(0), aml_name_ref("CDW3")));

    return aml_method(
        "_OSC", 4, AML_SERIALIZED, aml_create_dword_field(aml_arg(3), 0, "CDW1"), known,
        aml_else(aml_store(aml_or(aml_name_ref("CDW1"), aml_int(BAD_UUID)), aml_name_ref("CDW1"))),
        aml_return(aml_arg(3)));
}

/* ---- interrupts ---- */

static void link_name(char name[5], unsigned link)
{
    g_snprintf(name, 5, "LNK%c", 'A' + link);
}

#define LINK_FIELD_PATH sizeof("\\_SB.PCI0.ISA.PRQA")

static void link_field(char path[LINK_FIELD_PATH], unsigned link)
{
    g_snprintf(path, LINK_FIELD_PATH, "\\_SB.PCI0.ISA.PRQ%c", 'A' + link);
}

/* Where the pins of root bus functions go: to links while the operating system uses the 8259s, to
 * pins of the I/O APIC else. */
static Aml *pci_routes(const X86MachineOps *ops, const char *name, bool apic)
{
    Aml *routes = aml_package();

    for (unsigned i = 0; i < PCI_SLOTS * PCI_PINS; i++) {
        unsigned slot = i / PCI_PINS, pin = i % PCI_PINS, pirq = ops->pci_pirq(slot, pin);
        char link[5];

        link_name(link, pirq);
        aml_add(routes, aml_package(aml_int(slot << 16 | 0xffff), aml_int(pin),
                                    apic ? aml_int(0) : aml_name_ref(link),
                                    aml_int(apic ? ops->pci_gsi + pirq : 0)));
    }
    return aml_name(name, routes);
}

static void pci_prt(Aml *pci, const X86MachineOps *ops)
{
    if (!ops->pci_gsi) {
        aml_add(pci, pci_routes(ops, "_PRT", false));
        return;
    }
    aml_add(pci, pci_routes(ops, "PRTP", false));
    aml_add(pci, pci_routes(ops, "PRTA", true));
    aml_add(pci, aml_method("_PRT", 0, AML_NOT_SERIALIZED,
                            aml_if(aml_equal(aml_name_ref("PICF"), aml_int(0)),
                                   aml_return(aml_name_ref("PRTP"))),
                            aml_return(aml_name_ref("PRTA"))));
}

/* The routing registers, in the configuration space of the ISA bridge. */
static void pci_link_registers(Aml *isa, const X86MachineOps *ops)
{
    AmlField fields[PCI_PIRQS + 1] = { 0 };
    char names[PCI_PIRQS][5];
    unsigned last = 0;

    for (unsigned i = 0; i < ops->pci_pirqs; i++) {
        last = (i < 4 ? PIRQ_A : PIRQ_E) + i % 4;
        g_snprintf(names[i], sizeof(names[i]), "PRQ%c", 'A' + i);
        fields[i] = (AmlField){ names[i], (last - PIRQ_A) * 8, 8 };
    }
    aml_add(isa, aml_operation_region("PIRQ", AML_REGION_PCI_CONFIG, PIRQ_A, last + 1 - PIRQ_A));
    aml_add(isa, aml_field("PIRQ", AML_BYTE_ACC, AML_PRESERVE, fields));
}

/* The settings of a link: any of the interrupts that no chip of the board has. */
static Aml *link_device(unsigned n)
{
    static const uint32_t possible[] = { 5, 10, 11 };
    enum { OFF = 0x80, STA_ENABLED = 0x0b, STA_DISABLED = 0x09 };
    const uint32_t none = 0;
    char name[5], reg[LINK_FIELD_PATH];

    link_name(name, n);
    link_field(reg, n);
    return aml_device(
        name, aml_name("_HID", aml_eisaid("PNP0C0F")), aml_name("_UID", aml_int(n)),
        aml_name("_PRS", aml_resources(aml_interrupts(possible, G_N_ELEMENTS(possible)))),
        aml_method(
            "_STA", 0, AML_NOT_SERIALIZED,
            aml_if(aml_less(aml_name_ref(reg), aml_int(OFF)), aml_return(aml_int(STA_ENABLED))),
            aml_return(aml_int(STA_DISABLED))),
        aml_method("_DIS", 0, AML_NOT_SERIALIZED, aml_store(aml_int(OFF), aml_name_ref(reg))),
        aml_name("CURR", aml_resources(aml_interrupts(&none, 1))),
        aml_create_dword_field(aml_name_ref("CURR"), AML_INTERRUPT_NUMBER, "CIRQ"),
        aml_method("_CRS", 0, AML_SERIALIZED, aml_store(aml_int(0), aml_name_ref("CIRQ")),
                   aml_if(aml_less(aml_name_ref(reg), aml_int(OFF)),
                          aml_store(aml_name_ref(reg), aml_name_ref("CIRQ"))),
                   aml_return(aml_name_ref("CURR"))),
        aml_method("_SRS", 1, AML_SERIALIZED,
                   aml_create_dword_field(aml_arg(0), AML_INTERRUPT_NUMBER, "SIRQ"),
                   aml_store(aml_name_ref("SIRQ"), aml_name_ref(reg))));
}

void acpi_build_pci_routing(Aml *dsdt, const X86Machine *x86)
{
    const X86MachineOps *ops = x86_machine_ops(&x86->parent);
    Aml *sb = aml_scope("\\_SB");

    if (ops->pci_gsi) {
        aml_add(dsdt, aml_name("\\PICF", aml_int(0)));
        aml_add(dsdt, aml_method("\\_PIC", 1, AML_NOT_SERIALIZED,
                                 aml_store(aml_arg(0), aml_name_ref("PICF"))));
    }
    for (unsigned i = 0; i < ops->pci_pirqs; i++) {
        aml_add(sb, link_device(i));
    }
    aml_add(dsdt, sb);
}

/* ---- the device ---- */

Aml *acpi_build_pci_root(const X86Machine *x86, Aml *isa)
{
    const X86MachineOps *ops = x86_machine_ops(&x86->parent);
    Aml *pci = aml_device("PCI0");

    if (ops->ecam) {
        aml_add(pci, aml_name("_HID", aml_eisaid("PNP0A08")));
        aml_add(pci, aml_name("_CID", aml_eisaid("PNP0A03")));
        aml_add(pci, acpi_pci_osc(x86->pci_hotplug));
    } else {
        aml_add(pci, aml_name("_HID", aml_eisaid("PNP0A03")));
    }
    aml_add(pci, aml_name("_UID", aml_int(0)));
    aml_add(pci, aml_name("_BBN", aml_int(0)));
    aml_add(pci, acpi_pci_crs(x86, x86->host ? x86->host->bus : NULL));
    pci_link_registers(isa, ops);
    pci_prt(pci, ops);
    aml_add(pci, isa);
    return pci;
}

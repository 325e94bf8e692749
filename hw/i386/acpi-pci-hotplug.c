/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PCI hot-plug in the DSDT: the guest's side of hw/pci/acpi-pci-hotplug.h. Each slot of a hot-plug
 * bus, in use or not, is a device in that of its bus's bridge, with _EJ0 and _OST if what is in it
 * can go. The registers show one bus at a time: whatever selects one holds the mutex BLCK. They,
 * and the methods for them, are in PCI0; below other roots their names need the whole path.
 */
#include "hw/i386/acpi-pci.h"

#include "hw/acpi/pm.h"

#define NOTIFY_DEVICE_CHECK  1
#define NOTIFY_EJECT_REQUEST 3

static const AmlField fields[] = {
    { "PCIU", PCIHP_INSERTED * 8, 32 },
    { "PCID", PCIHP_ASKED * 8, 32 },
    { "B0EJ", PCIHP_EJECT * 8, 32 },
    { "BNUM", PCIHP_SELECT * 8, 32 },
    { "AIDX", PCIHP_INDEX * 8, 32 },
    { "OSLT", PCIHP_OST_SLOTS * 8, 32 },
    { "OEVT", PCIHP_OST_EVENT * 8, 32 },
    { "OSTS", PCIHP_OST_STATUS * 8, 32 },
    {},
};

/* "_DSM for PCI Express", PCI Firmware Specification 3.2, 4.6.7: names of devices. */
#define PCI_DSM_UUID "e5c937d0-3553-4d7a-9117-ea4d19c3434d"
enum { DSM_WHICH = 0, DSM_NAME = 7, DSM_NAME_REVISION = 2 };

#define SELECT(bus) aml_acquire("BLCK"), aml_store(bus, aml_name_ref("BNUM"))
#define SLOT_NAME   5

typedef struct Builder {
    const AcpiPciHotplug *hp;
    Aml *scan;      /* NULL: there is no hot-plug */
    const char *in; /* before the names of what PCI0 has */
} Builder;

static void slot_name(char name[SLOT_NAME], uint8_t devfn)
{
    g_snprintf(name, SLOT_NAME, "S%02X", devfn);
}

static Aml *bit_of(unsigned slot)
{
    return aml_int(1u << slot);
}

/* ---- names of devices ---- */

static Aml *byte(uint8_t value)
{
    return aml_buffer(&value, 1);
}

/* PNAM(index, UUID, revision, function): what _DSM of a device with that acpi-index answers. */
static Aml *name_method(void)
{
    return aml_method(
        "PNAM", 4, AML_SERIALIZED, aml_store(byte(0), aml_local(0)),
        aml_if(aml_not(aml_equal(aml_arg(1), aml_uuid(PCI_DSM_UUID))), aml_return(aml_local(0))),
        aml_if(aml_less(aml_arg(2), aml_int(DSM_NAME_REVISION)), aml_return(aml_local(0))),
        aml_if(aml_equal(aml_arg(0), aml_int(0)), aml_return(aml_local(0))),
        aml_if(aml_equal(aml_arg(3), aml_int(DSM_WHICH)),
               aml_return(byte(1 << DSM_WHICH | 1 << DSM_NAME))),
        aml_if(aml_equal(aml_arg(3), aml_int(DSM_NAME)),
               aml_store(aml_package(aml_int(0), aml_string("")), aml_local(1)),
               aml_store(aml_arg(0), aml_index(aml_local(1), aml_int(0))),
               aml_return(aml_local(1))),
        aml_return(aml_local(0)));
}

/* _DSM of a device whose acpi-index is what @index gives. */
static Aml *dsm(const Builder *builder, Aml *index)
{
    g_autofree char *name = g_strconcat(builder->in, "PNAM", NULL);

    return aml_method("_DSM", 4, AML_SERIALIZED,
                      aml_return(aml_call(name, index, aml_arg(0), aml_arg(1), aml_arg(2))));
}

/* PCEJ(bus, slots), POST(bus, slots, event, status), PIDX(bus, slots): acpi-index of what is in the
 * slot. */
static void add_methods(Aml *pci, uint16_t port)
{
    aml_add(pci, aml_operation_region("PHPR", AML_REGION_IO, port, PCIHP_SIZE));
    aml_add(pci, aml_field("PHPR", AML_DWORD_ACC, AML_WRITE_AS_ZEROS, fields));
    aml_add(pci, aml_mutex("BLCK"));
    aml_add(pci, aml_method("PCEJ", 2, AML_NOT_SERIALIZED, SELECT(aml_arg(0)),
                            aml_store(aml_arg(1), aml_name_ref("B0EJ")), aml_release("BLCK")));
    aml_add(pci, aml_method("POST", 4, AML_NOT_SERIALIZED, SELECT(aml_arg(0)),
                            aml_store(aml_arg(1), aml_name_ref("OSLT")),
                            aml_store(aml_arg(2), aml_name_ref("OEVT")),
                            aml_store(aml_arg(3), aml_name_ref("OSTS")), aml_release("BLCK")));
    aml_add(pci, aml_method("PIDX", 2, AML_NOT_SERIALIZED, SELECT(aml_arg(0)),
                            aml_store(aml_arg(1), aml_name_ref("AIDX")),
                            aml_store(aml_name_ref("AIDX"), aml_local(0)), aml_release("BLCK"),
                            aml_return(aml_local(0))));
}

/* ---- slots ---- */

/* Whether slot @n shows as one that can be emptied: nothing of the board is in it. */
static bool is_plug_slot(const PciBus *bus, unsigned n)
{
    return !pci_slot_in_use(&bus->slots[n]) || pci_slot_removable(&bus->slots[n]);
}

static Aml *build_slot(const Builder *builder, unsigned number, unsigned n)
{
    char name[SLOT_NAME];
    g_autofree char *eject = g_strconcat(builder->in, "PCEJ", NULL);
    g_autofree char *report = g_strconcat(builder->in, "POST", NULL);
    g_autofree char *index = g_strconcat(builder->in, "PIDX", NULL);

    slot_name(name, PCI_DEVFN(n, 0));
    return aml_device(
        name, aml_name("_SUN", aml_int(number << 5 | n)), aml_name("_ADR", aml_int(n << 16)),
        aml_method("_EJ0", 1, AML_NOT_SERIALIZED, aml_call(eject, aml_int(number), bit_of(n))),
        aml_method("_OST", 3, AML_NOT_SERIALIZED,
                   aml_call(report, aml_int(number), bit_of(n), aml_arg(0), aml_arg(1))),
        dsm(builder, aml_call(index, aml_int(number), bit_of(n))));
}

/* PCNT(): pass the events of bus @number on to its slots. */
static Aml *build_notify(const Builder *builder, const PciBus *bus, unsigned number)
{
    g_autofree char *lock = g_strconcat(builder->in, "BLCK", NULL);
    g_autofree char *select = g_strconcat(builder->in, "BNUM", NULL);
    g_autofree char *inserted = g_strconcat(builder->in, "PCIU", NULL);
    g_autofree char *asked = g_strconcat(builder->in, "PCID", NULL);
    Aml *method = aml_method("PCNT", 0, AML_NOT_SERIALIZED, aml_acquire(lock),
                             aml_store(aml_int(number), aml_name_ref(select)),
                             aml_store(aml_name_ref(inserted), aml_local(0)),
                             aml_store(aml_name_ref(asked), aml_local(1)), aml_release(lock));

    for (unsigned n = 0; n < bus->slot_count; n++) {
        char name[SLOT_NAME];

        slot_name(name, PCI_DEVFN(n, 0));
        if (is_plug_slot(bus, n)) {
            aml_add(method, aml_if(aml_and(aml_local(0), bit_of(n)),
                                   aml_notify(name, aml_int(NOTIFY_DEVICE_CHECK))));
            aml_add(method, aml_if(aml_and(aml_local(1), bit_of(n)),
                                   aml_notify(name, aml_int(NOTIFY_EJECT_REQUEST))));
        }
    }
    return method;
}

/* ---- buses ---- */

/* Has @dev an acpi-index, and is not in a slot whose device asks for that of what is there? */
static bool is_named_for_ever(const PciDevice *dev, const PciBus *bus, int number)
{
    return dev && dev->acpi_index &&
           (number < 0 || PCI_FUNC(dev->devfn) || !is_plug_slot(bus, PCI_SLOT(dev->devfn)));
}

static void add_bus(Aml *scope, const Builder *builder, const PciBus *bus, const char *path)
{
    int number = builder->hp ? acpi_pci_hotplug_number(builder->hp, bus) : -1;
    bool any = false;

    for (unsigned devfn = 0; devfn < PCI_DEVFN_MAX; devfn++) {
        const PciDevice *dev = bus->devices[devfn];
        const PciBus *below = dev ? pci_secondary_bus(dev) : NULL;
        char name[SLOT_NAME];

        slot_name(name, devfn);
        if (below || is_named_for_ever(dev, bus, number)) {
            g_autofree char *below_path = g_strdup_printf("%s.%s", path, name);
            Aml *node = aml_device(
                name, aml_name("_ADR", aml_int(PCI_SLOT(devfn) << 16 | PCI_FUNC(devfn))));

            if (dev->acpi_index) {
                aml_add(node, dsm(builder, aml_int(dev->acpi_index)));
            }
            if (below) {
                add_bus(node, builder, below, below_path);
            }
            aml_add(scope, node);
        }
    }
    for (unsigned n = 0; number >= 0 && n < bus->slot_count; n++) {
        any |= is_plug_slot(bus, n);
    }
    if (!any) {
        return;
    }
    g_autofree char *notify = g_strdup_printf("%s.PCNT", path);

    aml_add(scope, aml_name("BSEL", aml_int(number)));
    for (unsigned n = 0; n < bus->slot_count; n++) {
        if (is_plug_slot(bus, n)) {
            aml_add(scope, build_slot(builder, number, n));
        }
    }
    aml_add(scope, build_notify(builder, bus, number));
    aml_add(builder->scan, aml_call(notify));
}

/* The root bus @root that an expander gives. */
static Aml *build_extra_root(Aml *scan, const AcpiPciHotplug *hp, const PciBus *root)
{
    const Builder builder = { hp, scan, "\\_SB.PCI0." };
    char name[ACPI_PCI_ROOT_NAME];
    g_autofree char *path = NULL;
    Aml *scope;

    acpi_pci_root_name(name, root);
    path = g_strconcat("\\_SB.", name, NULL);
    scope = aml_scope(path);
    add_bus(scope, &builder, root, path);
    return scope;
}

static bool has_no_index(Device *dev, void *opaque)
{
    return !object_is_a(OBJECT(dev), TYPE_PCI_DEVICE) || !PCI_DEVICE(dev)->acpi_index;
}

void acpi_build_pci_hotplug(Aml *pci, Aml *dsdt, const X86Machine *x86)
{
    g_autofree char *event = g_strdup_printf("_E%02X", ACPI_GPE_PCI_HOTPLUG);
    const AcpiPciHotplug *hp = x86->pci_hotplug;
    bool has_hotplug = hp && hp->buses->len;
    Aml *scan = NULL;

    if (!has_hotplug && devices_foreach(has_no_index, NULL)) {
        return;
    }
    aml_add(pci, name_method());
    if (has_hotplug) {
        add_methods(pci, x86_machine_ops(&x86->parent)->pci_hotplug_port);
        scan = aml_method(event, 0, AML_NOT_SERIALIZED);
    }
    add_bus(pci, &(Builder){ hp, scan, "" }, x86->host->bus, "\\_SB.PCI0");
    for (guint i = 0; i < x86->host->bus->extra_roots->len; i++) {
        aml_add(dsdt, build_extra_root(scan, hp, x86->host->bus->extra_roots->pdata[i]));
    }
    if (scan) {
        aml_add(dsdt, aml_scope("\\_GPE", scan));
    }
}

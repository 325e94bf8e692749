/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pxb-pcie for the machine q35: behind it is a PCI Express root bus, for root ports. pxb for the
 * machine pc: behind it is a conventional root bus with one pci-bridge, and what is put on the pxb
 * is behind that, in windows of its own.
 *
 * Registers: IDs and class (host bridge); it does nothing.
 */
#include "hw/pci/pxb.h"

#include "hw/core/machine.h"
#include "util/error.h"

#define TYPE_PXB_PCIE "pxb-pcie"
#define TYPE_PXB      "pxb"

uint16_t pxb_node(const PciBus *root)
{
    return PXB(root->expander)->node;
}

/* ---- the bus ---- */

static bool check_number(const Pxb *s, const PciBus *root, GError **errp)
{
    if (!s->number) {
        error_set(errp, "'bus_nr' is 0, or was not given: it must be from 1 to 255, the number of "
                        "its bus");
        return false;
    }
    for (guint i = 0; i < root->extra_roots->len; i++) {
        const PciBus *other = root->extra_roots->pdata[i];

        if (other->number == s->number) {
            error_set(errp, "'bus_nr' is %u, the number of bus '%s': choose another", s->number,
                      other->parent.parent.name);
            return false;
        }
    }
    return true;
}

bool pxb_check(const Pxb *s, GError **errp)
{
    const PciBus *bus = pci_bus_of(&s->parent);
    const Machine *machine = machine_current();

    if (bus->expander) {
        error_set(errp,
                  "bus '%s' is that of another expander: a '%s' must be on the root bus, '%s'",
                  bus->parent.parent.name, object_typename(OBJECT(s)),
                  pci_root_bus()->parent.parent.name);
        return false;
    }
    if (s->node != PXB_NO_NODE && !numa_node_exists(&machine->numa, s->node)) {
        error_set(errp, "'numa_node' is %u: the machine has no such node (-numa node)", s->node);
        return false;
    }
    return check_number(s, bus, errp);
}

static gint by_number(gconstpointer a, gconstpointer b)
{
    const PciBus *const *one = a, *const *other = b;

    return (*one)->number - (*other)->number;
}

bool pxb_add_bus(Pxb *s, const char *type, const char *name, GError **errp)
{
    PciBus *root = pci_bus_of(&s->parent);

    s->bus = pci_bus_create(type, name, OBJECT(s), NULL, errp);
    if (!s->bus) {
        return false;
    }
    s->bus->expander = &s->parent;
    s->bus->number = s->number;
    memory_region_add(&root->memory, 0, &s->bus->memory);
    memory_region_add(&root->io, 0, &s->bus->io);
    g_ptr_array_add(root->extra_roots, s->bus);
    g_ptr_array_sort(root->extra_roots, by_number);
    return true;
}

void pxb_drop_bus(Pxb *s)
{
    g_ptr_array_remove(pci_bus_of(&s->parent)->extra_roots, s->bus);
    memory_region_remove(&s->bus->memory);
    memory_region_remove(&s->bus->io);
    object_unparent(OBJECT(s->bus));
    s->bus = NULL;
}

char *pxb_bus_name(const Pxb *s, const char *prefix)
{
    return s->parent.parent.id ? g_strdup(s->parent.parent.id)
                               : g_strdup_printf("%s.%u", prefix, s->number);
}

/* ---- the types ---- */

static const StateField pxb_fields[] = {
    STATE_STRUCT(Pxb, parent, &pci_device_state),
    STATE_POINTER(Pxb, bus, &pci_bus_state),
    {},
};
const StateTable pxb_state = { .name = "pxb", .version = 1, .fields = pxb_fields };

static const PciRegister pxb_registers[] = {
    { PCI_VENDOR_ID, 2, 0x1b36 },
    { PCI_STATUS, 2, 0x00a0 }, /* 66 MHz, fast back-to-back */
    { PCI_CLASS_DEVICE, 2, 0x0600 },
    { PCI_SUBSYSTEM_VENDOR_ID, 2, PCI_SUBSYSTEM_VENDOR_BOARD },
    { PCI_SUBSYSTEM_ID, 2, PCI_SUBSYSTEM_BOARD },
};

static void pxb_base_init(Object *obj)
{
    pci_set_registers(PCI_DEVICE(obj), pxb_registers, G_N_ELEMENTS(pxb_registers));
}

static const Property pxb_properties[] = {
    { .name = "bus_nr",
      .kind = PROP_UINT8,
      .offset = offsetof(Pxb, number),
      .description = "number of the bus behind it, and the first one of those behind that; from 1",
      .has_default = true },
    { .name = "numa_node",
      .kind = PROP_UINT16,
      .offset = offsetof(Pxb, node),
      .description = "NUMA node that its devices are near to; 128: none",
      .has_default = true,
      .default_int = PXB_NO_NODE },
    { 0 },
};

static const ObjectType pxb_base_type = {
    .name = TYPE_PXB_BASE,
    .parent = TYPE_PCI_DEVICE,
    .description = "An expander bridge",
    .instance_size = sizeof(Pxb),
    .abstract = true,
    .properties = pxb_properties,
    .init = pxb_base_init,
};
OBJECT_TYPE_REGISTER(pxb_base_type)

/* ---- pxb-pcie ---- */

static bool pxb_pcie_realize(PciDevice *dev, GError **errp)
{
    Pxb *s = PXB(dev);
    g_autofree char *name = pxb_bus_name(s, "pxb-pcie");

    if (!pci_bus_is_express(pci_bus_of(dev))) {
        error_set(errp, "bus '%s' is a conventional PCI bus: use a '%s' there, or the machine q35",
                  dev->parent.bus->parent.name, TYPE_PXB);
        return false;
    }
    return pxb_check(s, errp) && pxb_add_bus(s, TYPE_PCIE_BUS, name, errp);
}

static void pxb_pcie_unrealize(PciDevice *dev)
{
    pxb_drop_bus(PXB(dev));
}

static const PciFunctionClass pxb_pcie_ops = { PXB_CLASS(&pxb_state), .realize = pxb_pcie_realize,
                                               .unrealize = pxb_pcie_unrealize };

static void pxb_pcie_init(Object *obj)
{
    pci_set_registers(PCI_DEVICE(obj), &(PciRegister){ PCI_DEVICE_ID, 2, 0x000b }, 1);
}

static const ObjectType pxb_pcie_type = {
    .name = TYPE_PXB_PCIE,
    .parent = TYPE_PXB_BASE,
    .description = "PCI Express Expander Bridge",
    .ops = &pxb_pcie_ops,
    .init = pxb_pcie_init,
};
OBJECT_TYPE_REGISTER(pxb_pcie_type)

/* ---- pxb ---- */

/* The bridge behind which everything is. */
static bool realize_bridge(Pxb *s, const char *name, GError **errp)
{
    struct json_object *chassis = json_object_new_int(s->number);
    bool ok;

    s->bridge->bus_name = name;
    s->bridge->parent.parent.bus = &s->bus->parent;
    s->bridge->parent.addr = 0;
    ok = object_property_set(OBJECT(s->bridge), "chassis_nr", chassis, errp) &&
         device_realize(&s->bridge->parent.parent, errp);
    json_object_put(chassis);
    s->bridge->bus_name = NULL;
    return ok;
}

static bool pxb_realize(PciDevice *dev, GError **errp)
{
    Pxb *s = PXB(dev);
    g_autofree char *name = pxb_bus_name(s, "pxb"),
                    *root_name = g_strconcat(name, "-internal", NULL);

    if (pci_bus_is_express(pci_bus_of(dev))) {
        error_set(errp, "bus '%s' is a PCI Express bus: use a '%s' there",
                  dev->parent.bus->parent.name, TYPE_PXB_PCIE);
        return false;
    }
    if (!pxb_check(s, errp) || !pxb_add_bus(s, TYPE_PCI_BUS, root_name, errp)) {
        return false;
    }
    if (!realize_bridge(s, name, errp)) {
        pxb_drop_bus(s);
        return false;
    }
    return true;
}

static void pxb_unrealize(PciDevice *dev)
{
    Pxb *s = PXB(dev);

    if (s->bridge->parent.parent.realized) {
        device_unrealize(&s->bridge->parent.parent);
    }
    pxb_drop_bus(s);
}

static const PciFunctionClass pxb_ops = { PXB_CLASS(&pxb_state), .realize = pxb_realize,
                                          .unrealize = pxb_unrealize };

static void pxb_init(Object *obj)
{
    Pxb *s = PXB(obj);
    g_autoptr(Object) bridge = object_new("pci-bridge", NULL);

    pci_set_registers(&s->parent, &(PciRegister){ PCI_DEVICE_ID, 2, 0x0009 }, 1);
    s->bridge = PCI_BRIDGE(bridge);
    object_add_child(obj, "bridge", bridge, NULL); /* cannot fail: it has no child yet */
}

static const ObjectType pxb_type = {
    .name = TYPE_PXB,
    .parent = TYPE_PXB_BASE,
    .description = "PCI Expander Bridge",
    .ops = &pxb_ops,
    .init = pxb_init,
};
OBJECT_TYPE_REGISTER(pxb_type)

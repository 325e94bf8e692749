/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pci-ipmi-kcs and pci-ipmi-bt: the ports are BAR 0. */
#include "hw/ipmi/ipmi-ports.h"
#include "hw/pci/pci.h"

#define TYPE_PCI_IPMI "pci-ipmi"

enum { BAR_SIZE = 8, CLASS_IPMI = 0x0c07, PROG_IF_KCS = 1, PROG_IF_BT = 2 };

typedef struct IpmiPci {
    PciDevice parent;
    /* state */
    IpmiPorts ports;
} IpmiPci;
OBJECT_CAST_DEFINE(IpmiPci, IPMI_PCI, TYPE_PCI_IPMI)

static void set_line(void *opaque, int n, int level)
{
    pci_set_irq(opaque, level);
}

static bool ipmi_pci_realize(PciDevice *dev, const IpmiPortsOps *ops, GError **errp)
{
    IpmiPci *s = IPMI_PCI(dev);

    s->ports.ops = ops;
    s->ports.irq = (Irq){ set_line, dev, 0 };
    if (!ipmi_ports_init(&s->ports, BAR_SIZE, errp)) {
        return false;
    }
    pci_add_bar(dev, 0, PCI_BAR_IO, &s->ports.region);
    return true;
}

static bool pci_kcs_realize(PciDevice *dev, GError **errp)
{
    return ipmi_pci_realize(dev, &ipmi_kcs_ops, errp);
}

static bool pci_bt_realize(PciDevice *dev, GError **errp)
{
    return ipmi_pci_realize(dev, &ipmi_bt_ops, errp);
}

static void ipmi_pci_unrealize(PciDevice *dev)
{
    ipmi_ports_destroy(&IPMI_PCI(dev)->ports);
}

static void ipmi_pci_reset(PciDevice *dev)
{
    ipmi_ports_reset(&IPMI_PCI(dev)->ports);
}

/* There is nothing to be derived. */
static void ipmi_pci_loaded(PciDevice *dev)
{
}

static const StateField ipmi_pci_fields[] = {
    STATE_STRUCT(IpmiPci, parent, &pci_device_state),
    STATE_STRUCT(IpmiPci, ports, &ipmi_ports_state),
    {},
};
static const StateTable ipmi_pci_state = { .name = TYPE_PCI_IPMI,
                                           .version = 1,
                                           .fields = ipmi_pci_fields };

#define IPMI_PCI_CLASS(realize_fn)                                                             \
    {                                                                                          \
        .device = { PCI_DEVICE_CLASS_CORE, .category = "misc", .flags = DEVICE_USER_CREATABLE, \
                    .state = &ipmi_pci_state },                                                \
        .realize = realize_fn, .unrealize = ipmi_pci_unrealize, .reset = ipmi_pci_reset,       \
        .loaded = ipmi_pci_loaded,                                                             \
    }
static const PciFunctionClass pci_kcs_class = IPMI_PCI_CLASS(pci_kcs_realize);
static const PciFunctionClass pci_bt_class = IPMI_PCI_CLASS(pci_bt_realize);

static void init(Object *obj, uint8_t prog_if)
{
    const PciRegister registers[] = {
        { PCI_VENDOR_ID, 2, 0x1234 },
        { PCI_DEVICE_ID, 2, 0x1112 },
        { PCI_COMMAND, 2, 0, PCI_COMMAND_IO },
        { PCI_CLASS_PROG, 1, prog_if },
        { PCI_CLASS_DEVICE, 2, CLASS_IPMI },
        { PCI_SUBSYSTEM_VENDOR_ID, 2, PCI_SUBSYSTEM_VENDOR_BOARD },
        { PCI_SUBSYSTEM_ID, 2, PCI_SUBSYSTEM_BOARD },
        { PCI_INTERRUPT_LINE, 1, 0, 0xff },
        { PCI_INTERRUPT_PIN, 1, 1 },
    };

    pci_set_registers(PCI_DEVICE(obj), registers, G_N_ELEMENTS(registers));
}

static void pci_kcs_init(Object *obj)
{
    init(obj, PROG_IF_KCS);
}

static void pci_bt_init(Object *obj)
{
    init(obj, PROG_IF_BT);
}

static const Property ipmi_pci_properties[] = {
    IPMI_PORTS_PROPERTY(IpmiPci, ports),
    { 0 },
};

static const ObjectType ipmi_pci_type = {
    .name = TYPE_PCI_IPMI,
    .parent = TYPE_PCI_DEVICE,
    .description = "IPMI as a PCI function",
    .instance_size = sizeof(IpmiPci),
    .abstract = true,
    .properties = ipmi_pci_properties,
};
OBJECT_TYPE_REGISTER(ipmi_pci_type)

static const ObjectType pci_kcs_type = {
    .name = "pci-ipmi-kcs",
    .parent = TYPE_PCI_IPMI,
    .description = "IPMI by KCS, as a PCI function",
    .instance_size = sizeof(IpmiPci),
    .ops = &pci_kcs_class,
    .init = pci_kcs_init,
};
OBJECT_TYPE_REGISTER(pci_kcs_type)

static const ObjectType pci_bt_type = {
    .name = "pci-ipmi-bt",
    .parent = TYPE_PCI_IPMI,
    .description = "IPMI by BT, as a PCI function",
    .instance_size = sizeof(IpmiPci),
    .ops = &pci_bt_class,
    .init = pci_bt_init,
};
OBJECT_TYPE_REGISTER(pci_bt_type)

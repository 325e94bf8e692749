/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pci-bridge: a bridge to a conventional PCI bus with 32 slots. It has no controller for hot-plug
 * of its own (SHPC): its devices come and go by ACPI, where the machine has that for bridges.
 *
 * Registers: type 1 header (hw/pci/pci-bridge.h), and with a chassis number the slot numbering
 * capability (PCI-to-PCI Bridge 1.2, section 13.3).
 */
#include "hw/pci/pci-bridge.h"
#include "hw/pci/pci-cap.h"
#include "hw/pci/pci-reserve.h"
#include "util/error.h"

#define TYPE_PCI_BRIDGE_DEVICE "pci-bridge"

enum {
    SLOT_ID_SLOTS = 2, /* 32 do not fit: 0 to 31 */
    SLOT_ID_CHASSIS = 3,
    SLOT_ID_SIZE = 4,
    SLOT_ID_FIRST = 1 << 5, /* the first bridge of its chassis */
};

typedef struct PciBridgeDevice {
    PciBridge parent;
    /* configuration */
    uint8_t chassis;
    bool shpc;
    PciReserve reserve;
} PciBridgeDevice;
OBJECT_CAST_DEFINE(PciBridgeDevice, BRIDGE_DEVICE, TYPE_PCI_BRIDGE_DEVICE)

static bool bridge_realize(PciDevice *dev, GError **errp)
{
    PciBridgeDevice *s = BRIDGE_DEVICE(dev);

    if (s->shpc) {
        error_set(errp, "it has no standard hot-plug controller (shpc=on): leave it off; devices "
                        "come and go by ACPI");
        return false;
    }
    if (!pci_reserve_check(&s->reserve, errp) ||
        !pci_bridge_realize(&s->parent, TYPE_PCI_BUS, true, errp)) {
        return false;
    }
    pci_reserve_add(dev, &s->reserve);
    if (s->chassis) {
        uint8_t at = pci_add_capability(dev, PCI_CAP_ID_SLOT_ID, SLOT_ID_SIZE);

        dev->config[at + SLOT_ID_SLOTS] = SLOT_ID_FIRST;
        dev->config[at + SLOT_ID_CHASSIS] = s->chassis;
    }
    return true;
}

static const PciFunctionClass bridge_ops = {
    .device = { PCI_DEVICE_CLASS_CORE, .category = "bridge", .flags = DEVICE_USER_CREATABLE,
                .state = &pci_bridge_state },
    .realize = bridge_realize,
    .unrealize = pci_bridge_unrealize,
    .reset = pci_bridge_reset,
    .config_written = pci_bridge_config_written,
};

static const PciRegister bridge_registers[] = {
    { PCI_VENDOR_ID, 2, 0x1b36 },
    { PCI_DEVICE_ID, 2, 0x0001 },
};

static void bridge_init(Object *obj)
{
    pci_set_registers(PCI_DEVICE(obj), bridge_registers, G_N_ELEMENTS(bridge_registers));
}

static const Property bridge_properties[] = {
    { .name = "chassis_nr",
      .kind = PROP_UINT8,
      .offset = offsetof(PciBridgeDevice, chassis),
      .description = "number of the chassis that its slots are in; 0: none is told",
      .has_default = true },
    { .name = "shpc",
      .kind = PROP_BOOL,
      .offset = offsetof(PciBridgeDevice, shpc),
      .description = "standard hot-plug controller; there is none, so off is the only value",
      .has_default = true },
    PCI_RESERVE_PROPERTIES(offsetof(PciBridgeDevice, reserve)),
    { 0 },
};

static const ObjectType bridge_device_type = {
    .name = TYPE_PCI_BRIDGE_DEVICE,
    .parent = TYPE_PCI_BRIDGE_BASE,
    .description = "Standard PCI Bridge",
    .instance_size = sizeof(PciBridgeDevice),
    .properties = bridge_properties,
    .ops = &bridge_ops,
    .init = bridge_init,
};
OBJECT_TYPE_REGISTER(bridge_device_type)

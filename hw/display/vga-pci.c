/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The standard VGA as a PCI function: BAR 0 is its memory, BAR 2 its registers (QEMU's published
 * interface, docs/specs/standard-vga). "VGA" has the ports and the window of a PC's first one;
 * "secondary-vga" has the BARs alone.
 */
#include "hw/display/vga.h"

#define TYPE_VGA           "VGA"
#define TYPE_SECONDARY_VGA "secondary-vga"

typedef struct PciVga {
    PciDevice parent;
    Vga vga;
} PciVga;
OBJECT_CAST_DEFINE(PciVga, PCI_VGA, "vga-common")

#define VGA_REGISTERS(class)                                                             \
    { PCI_VENDOR_ID, 2, 0x1234 }, { PCI_DEVICE_ID, 2, 0x1111 },                          \
        { PCI_COMMAND, 2, 0, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER }, \
        { PCI_REVISION_ID, 1, 2 }, { PCI_CLASS_DEVICE, 2, class },                       \
        { PCI_SUBSYSTEM_VENDOR_ID, 2, PCI_SUBSYSTEM_VENDOR_BOARD },                      \
    {                                                                                    \
        PCI_SUBSYSTEM_ID, 2, PCI_SUBSYSTEM_BOARD                                         \
    }

static const PciRegister vga_registers[] = { VGA_REGISTERS(0x0300) };
static const PciRegister secondary_registers[] = { VGA_REGISTERS(0x0380) };

static bool realize(PciDevice *dev, bool legacy, GError **errp)
{
    PciVga *s = PCI_VGA(dev);

    if (!vga_realize(&s->vga, dev, legacy, errp)) {
        return false;
    }
    pci_add_bar(dev, 0, PCI_BAR_PREFETCH, &s->vga.vram.region);
    pci_add_bar(dev, 2, 0, &s->vga.bar);
    return true;
}

static bool pci_vga_realize(PciDevice *dev, GError **errp)
{
    return realize(dev, true, errp);
}

static bool secondary_realize(PciDevice *dev, GError **errp)
{
    return realize(dev, false, errp);
}

static void pci_vga_unrealize(PciDevice *dev)
{
    vga_unrealize(&PCI_VGA(dev)->vga);
}

static void pci_vga_reset(PciDevice *dev)
{
    vga_reset(&PCI_VGA(dev)->vga);
}

/* The VGA's own state is all there is. */
static void pci_vga_loaded(PciDevice *dev)
{
}

static const StateField pci_vga_fields[] = {
    STATE_STRUCT(PciVga, parent, &pci_device_state),
    STATE_STRUCT(PciVga, vga, &vga_state),
    {},
};
static const StateTable pci_vga_state = { .name = "pci-vga",
                                          .version = 1,
                                          .fields = pci_vga_fields };

static const PciFunctionClass vga_ops = {
    .device = { PCI_DEVICE_CLASS_CORE, .category = "display", .flags = DEVICE_USER_CREATABLE,
                .state = &pci_vga_state },
    .rom = "vgabios-stdvga.bin",
    .realize = pci_vga_realize,
    .unrealize = pci_vga_unrealize,
    .reset = pci_vga_reset,
    .loaded = pci_vga_loaded,
};

static const PciFunctionClass secondary_ops = {
    .device = { PCI_DEVICE_CLASS_CORE, .category = "display",
                .flags = DEVICE_USER_CREATABLE | DEVICE_HOTPLUG, .state = &pci_vga_state },
    .realize = secondary_realize,
    .unrealize = pci_vga_unrealize,
    .reset = pci_vga_reset,
    .loaded = pci_vga_loaded,
};

static void vga_init(Object *obj)
{
    pci_set_registers(PCI_DEVICE(obj), vga_registers, G_N_ELEMENTS(vga_registers));
}

static void secondary_init(Object *obj)
{
    pci_set_registers(PCI_DEVICE(obj), secondary_registers, G_N_ELEMENTS(secondary_registers));
}

static const Property pci_vga_properties[] = { VGA_PROPERTIES(PciVga, vga), { 0 } };

static const ObjectType common_type = {
    .name = "vga-common",
    .parent = TYPE_PCI_DEVICE,
    .description = "A VGA",
    .abstract = true,
    .instance_size = sizeof(PciVga),
    .properties = pci_vga_properties,
};
OBJECT_TYPE_REGISTER(common_type)

static const ObjectType vga_type = {
    .name = TYPE_VGA,
    .parent = "vga-common",
    .description = "Graphics card: a VGA, with the modes of Bochs's interface",
    .ops = &vga_ops,
    .init = vga_init,
};
OBJECT_TYPE_REGISTER(vga_type)

static const ObjectType secondary_type = {
    .name = TYPE_SECONDARY_VGA,
    .parent = "vga-common",
    .description = "Graphics card: the same without the ports and the memory of a PC's VGA",
    .ops = &secondary_ops,
    .init = secondary_init,
};
OBJECT_TYPE_REGISTER(secondary_type)

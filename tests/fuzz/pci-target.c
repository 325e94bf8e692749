/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fuzz/pci-target.h"

#include "hw/pci/pci-bridge.h"
#include "hw/pci/pci-cap.h"
#include "hw/pci/pci-msix.h"

#define IO_SIZE     16
#define MEMORY_SIZE 0x1000
#define WIDE_SIZE   0x100000
#define VECTORS     4

typedef struct FuzzPci {
    PciDevice parent;
    MemoryRegion io, memory, wide;
} FuzzPci;

static uint64_t bar_read(void *opaque, hwaddr addr, unsigned size)
{
    return addr;
}

static void io_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    pci_set_irq(opaque, value & 1);
}

static void memory_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    pci_msi_notify(opaque, value % VECTORS);
}

static void wide_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    pci_msix_notify(opaque, value % VECTORS);
}

static const MemoryRegionOps io_ops = { bar_read, io_write, 1, 4 };
static const MemoryRegionOps memory_ops = { bar_read, memory_write, 2, 4 };
static const MemoryRegionOps wide_ops = { bar_read, wide_write, 8, 8 };

static void fuzz_pci_init(Object *obj)
{
    static const PciRegister regs[] = {
        { PCI_VENDOR_ID, 2, 0x1234 },         { PCI_DEVICE_ID, 2, 0x5678 },
        { PCI_COMMAND, 2, 0, 0x0547 },        { PCI_CLASS_DEVICE, 2, 0x00ff },
        { PCI_INTERRUPT_LINE, 1, 0, 0xff },   { PCI_INTERRUPT_PIN, 1, 1 },
        { PCI_STATUS, 2, 0x4000, 0, 0xf900 },
    };
    FuzzPci *s = (FuzzPci *)obj;

    pci_set_registers(&s->parent, regs, G_N_ELEMENTS(regs));
    memory_region_init_io(&s->io, &io_ops, s, "fuzz-io", IO_SIZE);
    memory_region_init_io(&s->memory, &memory_ops, s, "fuzz-memory", MEMORY_SIZE);
    memory_region_init_io(&s->wide, &wide_ops, s, "fuzz-wide", WIDE_SIZE);
    pci_add_bar(&s->parent, 0, PCI_BAR_IO, &s->io);
    pci_add_bar(&s->parent, 1, 0, &s->memory);
    pci_add_bar(&s->parent, 2, PCI_BAR_MEM64 | PCI_BAR_PREFETCH, &s->wide);
    pci_add_msi(&s->parent, VECTORS);
    pci_add_msix(&s->parent, VECTORS, 4);
}

static const ObjectType fuzz_pci_type = {
    .name = TYPE_FUZZ_PCI,
    .parent = TYPE_PCI_DEVICE,
    .description = "a PCI function of a fuzz target",
    .instance_size = sizeof(FuzzPci),
    .init = fuzz_pci_init,
};
OBJECT_TYPE_REGISTER(fuzz_pci_type)

static void fuzz_pcie_init(Object *obj)
{
    pci_add_express(PCI_DEVICE(obj), PCIE_ENDPOINT, 0);
}

static const ObjectType fuzz_pcie_type = {
    .name = TYPE_FUZZ_PCIE,
    .parent = TYPE_FUZZ_PCI,
    .description = "a PCI Express function of a fuzz target",
    .init = fuzz_pcie_init,
};
OBJECT_TYPE_REGISTER(fuzz_pcie_type)

static bool fuzz_bridge_realize(PciDevice *dev, GError **errp)
{
    return pci_bridge_realize(PCI_BRIDGE(dev), TYPE_PCI_BUS, true, errp);
}

static const PciFunctionClass fuzz_bridge_ops = {
    .unrealize = pci_bridge_unrealize,
    .device = { PCI_DEVICE_CLASS_BASE, .category = "bridge" },
    .realize = fuzz_bridge_realize,
    .reset = pci_bridge_reset,
    .config_written = pci_bridge_config_written,
};

static const ObjectType fuzz_bridge_type = {
    .name = TYPE_FUZZ_BRIDGE,
    .parent = TYPE_PCI_BRIDGE_BASE,
    .description = "a bridge of a fuzz target",
    .ops = &fuzz_bridge_ops,
};
OBJECT_TYPE_REGISTER(fuzz_bridge_type)

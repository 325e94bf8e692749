/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qemu-xhci: the PCI function of the USB controller, which tools give to every machine: registers
 * in memory (BAR 0), and the table of MSI-X (BAR 4). `p2` and `p3` say how many ports of USB 2 and
 * of USB 3 it has.
 */
#include "hw/core/runstate.h"
#include "hw/pci/pci-cap.h"
#include "hw/pci/pci-msix.h"
#include "hw/usb/xhci.h"
#include "util/error.h"

enum { REGISTERS_BAR = 0, MSIX_BAR = 4, DEFAULT_PORTS = 4 };

static const PciRegister pci_registers[] = {
    { PCI_VENDOR_ID, 2, 0x1b36 },
    { PCI_DEVICE_ID, 2, 0x000d },
    { PCI_COMMAND, 2, 0,
      PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE },
    { PCI_STATUS, 2, 0, 0, PCI_STATUS_ERRORS },
    { PCI_REVISION_ID, 1, 1 },
    { PCI_CLASS_PROG, 1, 0x30 },     /* xHCI */
    { PCI_CLASS_DEVICE, 2, 0x0c03 }, /* USB controller */
    { PCI_CACHE_LINE_SIZE, 1, 0, 0xff },
    { PCI_SUBSYSTEM_VENDOR_ID, 2, PCI_SUBSYSTEM_VENDOR_BOARD },
    { PCI_SUBSYSTEM_ID, 2, PCI_SUBSYSTEM_BOARD },
    { PCI_INTERRUPT_LINE, 1, 0, 0xff },
    { PCI_INTERRUPT_PIN, 1, 1 },
    { 0x60, 1, 0x30 }, /* the release of the bus: 3.0 */
};

static void xhci_init(Object *obj)
{
    pci_set_registers(PCI_DEVICE(obj), pci_registers, G_N_ELEMENTS(pci_registers));
}

/* ---- life ---- */

static void machine_starts(void *opaque)
{
    xhci_run_commands(opaque);
}

static bool check_ports(const char *name, uint32_t ports, GError **errp)
{
    if (ports >= 1 && ports <= XHCI_PORTS_MAX) {
        return true;
    }
    error_set(errp, "%s=%u: there are 1 to %u ports of each", name, ports, XHCI_PORTS_MAX);
    return false;
}

static bool xhci_realize(PciDevice *dev, GError **errp)
{
    Xhci *s = XHCI(dev);
    const PciBus *bus = pci_bus_of(dev);

    if (!check_ports("p2", s->p2, errp) || !check_ports("p3", s->p3, errp)) {
        return false;
    }
    memory_region_init_io(&s->registers, &xhci_register_ops, s, TYPE_QEMU_XHCI, XHCI_BAR_SIZE);
    pci_add_bar(dev, REGISTERS_BAR, PCI_BAR_MEM64, &s->registers);
    pci_add_msix(dev, 1, MSIX_BAR);
    if (pci_bus_is_express(bus)) {
        pci_add_express(dev, bus->bridge ? PCIE_ENDPOINT : PCIE_INTEGRATED_ENDPOINT, 0);
    }
    runstate_add_start(machine_starts, s);
    return true;
}

static void xhci_unrealize(PciDevice *dev)
{
    Xhci *s = XHCI(dev);

    runstate_remove_start(machine_starts, s);
    memory_region_destroy(&s->registers);
}

static void xhci_reset(PciDevice *dev)
{
    xhci_reset_controller(XHCI(dev));
}

/* It may be a bus master now, or interrupt in another way. */
static void xhci_config_written(PciDevice *dev, unsigned offset, unsigned size)
{
    Xhci *s = XHCI(dev);

    if (pci_touches(offset, size, PCI_COMMAND, 2)) {
        xhci_run_commands(s);
    }
    xhci_update_interrupt(s);
}

/* Nothing follows from the registers: the level of the interrupt line is the function's state. */
static void xhci_loaded(PciDevice *dev)
{
}

static const StateField xhci_fields[] = {
    STATE_STRUCT(Xhci, parent, &pci_device_state),
    STATE_UINT(Xhci, usbcmd),
    STATE_UINT(Xhci, usbsts),
    STATE_UINT(Xhci, dnctrl),
    STATE_UINT(Xhci, config),
    STATE_UINT(Xhci, dcbaap),
    STATE_UINT(Xhci, command),
    STATE_BOOL(Xhci, command_cycle),
    STATE_BOOL(Xhci, command_runs),
    STATE_UINT(Xhci, iman),
    STATE_UINT(Xhci, imod),
    STATE_UINT(Xhci, erstsz),
    STATE_UINT(Xhci, erstba),
    STATE_UINT(Xhci, erdp),
    STATE_UINT(Xhci, event_next),
    STATE_BOOL(Xhci, event_cycle),
    STATE_BOOL(Xhci, saved),
    STATE_UINTS(Xhci, ports),
    {},
};
static const StateTable xhci_state = { .name = TYPE_QEMU_XHCI,
                                       .version = 1,
                                       .fields = xhci_fields };

/* ---- the type ---- */

static const PciFunctionClass xhci_ops = {
    .device = { PCI_DEVICE_CLASS_CORE, .category = "usb",
                .flags = DEVICE_USER_CREATABLE | DEVICE_HOTPLUG, .state = &xhci_state },
    .realize = xhci_realize,
    .unrealize = xhci_unrealize,
    .reset = xhci_reset,
    .loaded = xhci_loaded,
    .config_written = xhci_config_written,
};

static const Property xhci_properties[] = {
    { .name = "p2",
      .kind = PROP_UINT32,
      .offset = offsetof(Xhci, p2),
      .has_default = true,
      .default_int = DEFAULT_PORTS,
      .description = "ports of USB 2, 1 to 15; all are empty" },
    { .name = "p3",
      .kind = PROP_UINT32,
      .offset = offsetof(Xhci, p3),
      .has_default = true,
      .default_int = DEFAULT_PORTS,
      .description = "ports of USB 3" },
    { 0 },
};

static const ObjectType xhci_type = {
    .name = TYPE_QEMU_XHCI,
    .parent = TYPE_PCI_DEVICE,
    .description = "USB controller (xHCI) without devices",
    .instance_size = sizeof(Xhci),
    .properties = xhci_properties,
    .ops = &xhci_ops,
    .init = xhci_init,
};
OBJECT_TYPE_REGISTER(xhci_type)

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qemu-xhci and nec-usb-xhci: the PCI function of the USB controller, which tools give to every
 * machine: registers in memory (BAR 0), and the table of MSI-X (BAR 4). `p2` and `p3` say how many
 * ports of USB 2 and of USB 3 it has. The two differ in nothing but their IDs.
 */
#include "hw/core/runstate.h"
#include "hw/pci/pci-cap.h"
#include "hw/pci/pci-msix.h"
#include "hw/usb/xhci.h"
#include "util/error.h"

enum { REGISTERS_BAR = 0, MSIX_BAR = 4, DEFAULT_PORTS = 4 };

static const PciRegister pci_registers[] = {
    { PCI_COMMAND, 2, 0,
      PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE },
    { PCI_STATUS, 2, 0, 0, PCI_STATUS_ERRORS },
    { PCI_CLASS_PROG, 1, 0x30 },     /* xHCI */
    { PCI_CLASS_DEVICE, 2, 0x0c03 }, /* USB controller */
    { PCI_CACHE_LINE_SIZE, 1, 0, 0xff },
    { PCI_SUBSYSTEM_VENDOR_ID, 2, PCI_SUBSYSTEM_VENDOR_BOARD },
    { PCI_SUBSYSTEM_ID, 2, PCI_SUBSYSTEM_BOARD },
    { PCI_INTERRUPT_LINE, 1, 0, 0xff },
    { PCI_INTERRUPT_PIN, 1, 1 },
    { 0x60, 1, 0x30 }, /* the release of the bus: 3.0 */
};

static void init(Object *obj, uint16_t vendor, uint16_t device, uint8_t revision)
{
    const PciRegister ids[] = { { PCI_VENDOR_ID, 2, vendor },
                                { PCI_DEVICE_ID, 2, device },
                                { PCI_REVISION_ID, 1, revision } };

    pci_set_registers(PCI_DEVICE(obj), pci_registers, G_N_ELEMENTS(pci_registers));
    pci_set_registers(PCI_DEVICE(obj), ids, G_N_ELEMENTS(ids));
}

static void qemu_xhci_init(Object *obj)
{
    init(obj, 0x1b36, 0x000d, 1);
}

static void nec_xhci_init(Object *obj)
{
    init(obj, 0x1033, 0x0194, 3);
}

/* ---- life ---- */

static void machine_starts(void *opaque)
{
    xhci_go_on(opaque);
}

static void later(void *opaque)
{
    xhci_run_endpoints(opaque);
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
    if (!xhci_add_ports(s, errp)) {
        return false;
    }
    s->later = timer_new(later, s);
    memory_region_init_io(&s->registers, &xhci_register_ops, s, TYPE_XHCI, XHCI_BAR_SIZE);
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
    xhci_remove_ports(s);
    g_clear_pointer(&s->later, timer_free);
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
        xhci_go_on(s);
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
    STATE_UINT_MAX_SINCE(Xhci, port_news, 0, 2),
    STATE_UINT_MAX_SINCE(Xhci, slots, 0, 2),
    STATE_UINTS_SINCE(Xhci, contexts, 2),
    STATE_UINTS_SINCE(Xhci, active, 2),
    STATE_TIMER_SINCE(Xhci, later, 2),
    {},
};
static const StateTable xhci_state = { .name = TYPE_QEMU_XHCI,
                                       .version = 2,
                                       .oldest = 1,
                                       .fields = xhci_fields,
                                       .post_load = xhci_check_ports };

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
      .description = "ports of USB 2, 1 to 15" },
    { .name = "p3",
      .kind = PROP_UINT32,
      .offset = offsetof(Xhci, p3),
      .has_default = true,
      .default_int = DEFAULT_PORTS,
      .description = "ports of USB 3, 1 to 15; all are empty" },
    { .name = "intrs",
      .kind = PROP_UINT32,
      .offset = offsetof(Xhci, interrupters),
      .has_default = true,
      .default_int = 16,
      .description = "interrupters; not looked at: there is one" },
    { .name = "slots",
      .kind = PROP_UINT32,
      .offset = offsetof(Xhci, slot_count),
      .has_default = true,
      .default_int = XHCI_SLOTS,
      .description = "devices at the same time; not looked at: 64" },
    { 0 },
};

static const ObjectType xhci_type = {
    .name = TYPE_XHCI,
    .parent = TYPE_PCI_DEVICE,
    .description = "USB controller (xHCI)",
    .instance_size = sizeof(Xhci),
    .abstract = true,
    .properties = xhci_properties,
    .ops = &xhci_ops,
};
OBJECT_TYPE_REGISTER(xhci_type)

static const ObjectType qemu_xhci_type = {
    .name = TYPE_QEMU_XHCI,
    .parent = TYPE_XHCI,
    .description = "USB controller (xHCI)",
    .init = qemu_xhci_init,
};
OBJECT_TYPE_REGISTER(qemu_xhci_type)

static const ObjectType nec_xhci_type = {
    .name = TYPE_NEC_XHCI,
    .parent = TYPE_XHCI,
    .description = "USB controller (xHCI) with the IDs of NEC's",
    .init = nec_xhci_init,
};
OBJECT_TYPE_REGISTER(nec_xhci_type)

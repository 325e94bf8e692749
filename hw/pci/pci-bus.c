/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Buses: names, places, the way of configuration accesses down and of INTx up. */
#include <string.h>

#include "hw/pci/pci-bridge.h"
#include "hw/pci/pci-cap.h"
#include "hw/pci/pci-hotplug.h"
#include "hw/pci/pci-internal.h"
#include "util/error.h"

/* ---- buses ---- */

PciBus *pci_bus_find(const char *name, GError **errp)
{
    return PCI_BUS(bus_find(TYPE_PCI_BUS, name, errp));
}

/* Between a bus that an expander gives and the machine's root bus is no bridge. */
static PciDevice *device_above(const PciBus *bus)
{
    return bus->bridge ? bus->bridge : bus->expander;
}

PciBus *pci_bus_root(const PciBus *bus)
{
    PciBus *root = PCI_BUS(bus);

    while (device_above(root)) {
        root = pci_bus_of(device_above(root));
    }
    return root;
}

PciBus *pci_root_bus(void)
{
    for (unsigned i = 0; i < buses()->len; i++) {
        Bus *bus = buses()->pdata[i];

        if (object_is_a(&bus->parent, TYPE_PCI_BUS) && !device_above(PCI_BUS(bus))) {
            return PCI_BUS(bus);
        }
    }
    return NULL;
}

PciBus *pci_bus_create(const char *type, const char *name, Object *owner, PciDevice *bridge,
                       GError **errp)
{
    g_autofree char *memory = g_strdup_printf("%s-memory", name);
    g_autofree char *io = g_strdup_printf("%s-io", name);
    PciBus *bus = PCI_BUS(bus_new(type, name, owner, errp));

    if (bus) {
        bus->bridge = bridge;
        bus->parent.hotplug = &pci_hotplug_handler;
        memory_region_init_container(&bus->memory, memory, UINT64_MAX);
        memory_region_init_container(&bus->io, io, 0x10000);
    }
    return bus;
}

bool pci_bus_is_express(const PciBus *bus)
{
    return object_is_a(&bus->parent.parent, TYPE_PCIE_BUS);
}

bool pci_bus_is_below_cxl(const PciBus *bus)
{
    while (bus->bridge) {
        bus = pci_bus_of(bus->bridge);
    }
    return object_is_a(&bus->parent.parent, TYPE_CXL_BUS);
}

uint8_t pci_bus_number(const PciBus *bus)
{
    return bus->bridge ? bus->bridge->config[PCI_SECONDARY_BUS] : bus->number;
}

void pci_bus_set_interrupts(PciBus *root, const PciInterrupts *interrupts)
{
    root->interrupts = *interrupts;
}

PciBus *pci_secondary_bus(const PciDevice *dev)
{
    return object_is_a(&dev->parent.parent, TYPE_PCI_BRIDGE_BASE) ? PCI_BRIDGE(dev)->secondary
                                                                  : NULL;
}

/* ---- places ---- */

/* A PCI Express link has one device at its end; between the ports of a switch is none. */
unsigned pci_bus_slots(const PciBus *bus)
{
    bool link = bus->bridge && pci_bus_is_express(bus) &&
                pci_express_type(bus->bridge) != PCIE_UPSTREAM_PORT;

    return link ? 1 : 32;
}

static bool check_bus_kind(const PciDevice *dev, const PciBus *bus, GError **errp)
{
    const PciFunctionClass *ops = pci_function_class(dev);
    const char *type = object_typename(&dev->parent.parent);

    if (ops->express && !pci_bus_is_express(bus)) {
        error_set(errp,
                  "bus '%s' is a conventional PCI bus: a '%s' needs a PCI Express bus, such as "
                  "'pcie.0' of the machine q35",
                  bus->parent.parent.name, type);
        return false;
    }
    if (ops->root_only && bus->bridge) {
        error_set(errp,
                  "bus '%s' is behind a bridge: a '%s' must be on the root bus, '%s', as part of "
                  "the host",
                  bus->parent.parent.name, type, pci_root_bus()->parent.parent.name);
        return false;
    }
    if (bus->expander && pci_bus_is_express(bus) &&
        !object_is_a(OBJECT(dev), TYPE_PCI_BRIDGE_BASE)) {
        error_set(errp,
                  "bus '%s' is that of an expander, which takes bridges only: put a '%s' on it, "
                  "and the '%s' on that",
                  bus->parent.parent.name, pci_bus_is_below_cxl(bus) ? "cxl-rp" : "pcie-root-port",
                  type);
        return false;
    }
    return true;
}

static bool pick_slot(PciDevice *dev, const PciBus *bus, GError **errp)
{
    for (unsigned slot = 0; slot < pci_bus_slots(bus); slot++) {
        bool used = false;

        for (unsigned fn = 0; fn < 8; fn++) {
            used |= bus->devices[PCI_DEVFN(slot, fn)] != NULL;
        }
        if (!used) {
            dev->addr = PCI_DEVFN(slot, 0);
            return true;
        }
    }
    error_set(errp, "bus '%s' has no free slot", bus->parent.parent.name);
    return false;
}

static bool is_multifunction(const PciDevice *dev)
{
    return dev->multifunction || dev->config[PCI_HEADER_TYPE] & PCI_HEADER_MULTIFUNCTION;
}

/* Software looks at functions 1 to 7 only if function 0 says that there may be some. */
static bool check_functions(const PciDevice *dev, const PciBus *bus, GError **errp)
{
    unsigned slot = PCI_SLOT(dev->addr);
    const PciDevice *first = bus->devices[PCI_DEVFN(slot, 0)];

    if (PCI_FUNC(dev->addr) != 0) {
        if (first && !is_multifunction(first)) {
            error_set(errp,
                      "function 0 of slot %x of bus '%s' is a single function: give that device "
                      "multifunction=on, or use another slot",
                      slot, bus->parent.parent.name);
            return false;
        }
        return true;
    }
    for (unsigned fn = 1; fn < 8 && !is_multifunction(dev); fn++) {
        if (bus->devices[PCI_DEVFN(slot, fn)]) {
            error_set(errp,
                      "slot %x of bus '%s' has a function %u already: function 0 needs "
                      "multifunction=on there",
                      slot, bus->parent.parent.name, fn);
            return false;
        }
    }
    return true;
}

static bool check_addr(const PciDevice *dev, const PciBus *bus, GError **errp)
{
    const PciDevice *there = bus->devices[dev->addr];
    unsigned slot = PCI_SLOT(dev->addr), fn = PCI_FUNC(dev->addr);

    if (slot >= pci_bus_slots(bus)) {
        error_set(errp, "bus '%s' has only slot 0, so 'addr' cannot be %x.%x",
                  bus->parent.parent.name, slot, fn);
        return false;
    }
    if (there) {
        g_autofree char *path = object_path(&there->parent.parent);

        error_set(errp,
                  "'addr' %x.%x of bus '%s' is taken by '%s', a '%s': choose another, or none for "
                  "the first free slot",
                  slot, fn, bus->parent.parent.name, there->parent.id ? there->parent.id : path,
                  object_typename(&there->parent.parent));
        return false;
    }
    return check_functions(dev, bus, errp);
}

static bool bus_place(Bus *bus, Device *device, GError **errp)
{
    PciBus *pci = PCI_BUS(bus);
    PciDevice *dev = PCI_DEVICE(device);

    if (!check_bus_kind(dev, pci, errp) || (dev->addr < 0 && !pick_slot(dev, pci, errp)) ||
        !check_addr(dev, pci, errp)) {
        return false;
    }
    dev->devfn = dev->addr;
    pci->devices[dev->devfn] = dev;
    return true;
}

static void bus_leave(Bus *bus, Device *dev)
{
    PCI_BUS(bus)->devices[PCI_DEVICE(dev)->devfn] = NULL;
}

static int bus_compare(const Device *a, const Device *b)
{
    return PCI_DEVICE(a)->devfn - PCI_DEVICE(b)->devfn;
}

static char *bus_describe(const Device *device)
{
    const PciDevice *dev = PCI_DEVICE(device);
    bool plain = (dev->config[PCI_HEADER_TYPE] & PCI_HEADER_LAYOUT) == 0;
    const char *class = pci_class_name(dev);

    return g_strdup_printf("class %s, addr %02x:%02x.%x, pci id %04x:%04x (sub %04x:%04x)",
                           class ? class : "unknown", pci_bus_number(pci_bus_of(dev)),
                           PCI_SLOT(dev->devfn), PCI_FUNC(dev->devfn),
                           pci_get_word(dev, PCI_VENDOR_ID), pci_get_word(dev, PCI_DEVICE_ID),
                           plain ? pci_get_word(dev, PCI_SUBSYSTEM_VENDOR_ID) : 0,
                           plain ? pci_get_word(dev, PCI_SUBSYSTEM_ID) : 0);
}

static const BusClass pci_bus_class = {
    .attach = bus_place,
    .detach = bus_leave,
    .compare = bus_compare,
    .describe = bus_describe,
};

static void bus_init(Object *obj)
{
    PCI_BUS(obj)->extra_roots = g_ptr_array_new();
}

static void bus_finalize(Object *obj)
{
    PciBus *bus = PCI_BUS(obj);

    pci_hotplug_disable(bus);
    g_ptr_array_unref(bus->extra_roots);
    memory_region_destroy(&bus->memory);
    memory_region_destroy(&bus->io);
}

static struct json_object *get_slots(Object *obj, const Property *prop, GError **errp)
{
    return pci_hotplug_to_json(PCI_BUS(obj));
}

static const Property bus_properties[] = {
    { .name = "slots",
      .kind = PROP_CUSTOM,
      .custom_type = "list",
      .read_only = true,
      .get = get_slots,
      .description = "slots in use whose devices can go while the machine runs: the devices, and "
                     "how far the last request to give them back came, with times" },
    { 0 },
};

static const StateField bus_fields[] = {
    STATE_UINTS(PciBus, raised),
    STATE_ARRAY(PciBus, slots, slot_count, &pci_slot_state),
    {},
};
const StateTable pci_bus_state = { .name = "pci-bus", .version = 2, .fields = bus_fields };

static const ObjectType pci_bus_type = {
    .name = TYPE_PCI_BUS,
    .parent = TYPE_BUS,
    .description = "PCI bus",
    .instance_size = sizeof(PciBus),
    .properties = bus_properties,
    .ops = &pci_bus_class,
    .init = bus_init,
    .finalize = bus_finalize,
};
OBJECT_TYPE_REGISTER(pci_bus_type)

static const ObjectType pcie_bus_type = {
    .name = TYPE_PCIE_BUS,
    .parent = TYPE_PCI_BUS,
    .description = "PCI Express bus",
};
OBJECT_TYPE_REGISTER(pcie_bus_type)

static const ObjectType cxl_bus_type = {
    .name = TYPE_CXL_BUS,
    .parent = TYPE_PCIE_BUS,
    .description = "Compute Express Link bus",
};
OBJECT_TYPE_REGISTER(cxl_bus_type)

/* ---- configuration accesses ---- */

/* The bridge on @bus that passes accesses to bus @number on, or NULL. */
static PciBus *bus_towards(const PciBus *bus, uint8_t number)
{
    for (unsigned i = 0; i < PCI_DEVFN_MAX; i++) {
        const PciDevice *dev = bus->devices[i];
        PciBus *secondary = dev ? pci_secondary_bus(dev) : NULL;

        if (secondary && dev->config[PCI_SECONDARY_BUS] <= number &&
            number <= dev->config[PCI_SUBORDINATE_BUS]) {
            return secondary;
        }
    }
    return NULL;
}

/* The root bus under which @number is: that with the highest number of those up to it. */
static PciBus *root_towards(PciBus *root, uint8_t number)
{
    PciBus *found = root;

    for (guint i = 0; i < root->extra_roots->len; i++) {
        PciBus *extra = root->extra_roots->pdata[i];

        found = extra->number <= number ? extra : found;
    }
    return found;
}

/* Each step goes one bus down, so this ends whatever numbers the guest gave. A root's number is its
 * own, and nothing that a bridge says of itself changes that. */
static PciDevice *find_function(PciBus *root, uint8_t number, uint8_t devfn)
{
    PciBus *bus = root_towards(root, number);

    while (bus && pci_bus_number(bus) != number) {
        bus = bus_towards(bus, number);
    }
    return bus ? bus->devices[devfn] : NULL;
}

uint32_t pci_config_read(PciBus *root, uint8_t number, uint8_t devfn, unsigned offset,
                         unsigned size)
{
    return pci_device_read(find_function(root, number, devfn), offset, size);
}

void pci_config_write(PciBus *root, uint8_t number, uint8_t devfn, unsigned offset, uint32_t value,
                      unsigned size)
{
    pci_device_write(find_function(root, number, devfn), offset, value, size);
}

/* ---- INTx ---- */

/* Tell the root bus that one more, or one less, raises @pin of @dev. */
static void send_irq(const PciDevice *dev, bool raise)
{
    unsigned pin = dev->config[PCI_INTERRUPT_PIN] - 1;
    PciBus *bus = pci_bus_of(dev);
    uint8_t slot = PCI_SLOT(dev->devfn);

    /* PCI-to-PCI Bridge 1.2 section 9.1 */
    while (bus->bridge) {
        pin = (pin + slot) % 4;
        slot = PCI_SLOT(bus->bridge->devfn);
        bus = pci_bus_of(bus->bridge);
    }
    bus = pci_bus_root(bus); /* an expander's bus has the same lines, by its own slots */
    if (bus->interrupts.set) {
        unsigned line = bus->interrupts.map(bus->interrupts.opaque, slot, pin) % PCI_PIRQS;

        bus->raised[line] += raise ? 1 : -1;
        bus->interrupts.set(bus->interrupts.opaque, line, bus->raised[line] != 0);
    }
}

void pci_update_irq(PciDevice *dev)
{
    uint16_t status = pci_get_word(dev, PCI_STATUS) & ~PCI_STATUS_INTERRUPT;
    bool send = dev->irq_raised && !(pci_get_word(dev, PCI_COMMAND) & PCI_COMMAND_INTX_DISABLE);

    if (!dev->config[PCI_INTERRUPT_PIN]) {
        return;
    }
    pci_set_word(dev, PCI_STATUS, status | (dev->irq_raised ? PCI_STATUS_INTERRUPT : 0));
    if (send != dev->irq_sent) {
        dev->irq_sent = send;
        send_irq(dev, send);
    }
}

void pci_set_irq(PciDevice *dev, int level)
{
    dev->irq_raised = level;
    pci_update_irq(dev);
}

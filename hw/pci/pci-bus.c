/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Buses: names, places, the way of configuration accesses down and of INTx up. */
#include <string.h>

#include "hw/pci/pci-bridge.h"
#include "hw/pci/pci-internal.h"
#include "util/error.h"

/* ---- buses ---- */

static void bus_finalize(Object *obj)
{
    PciBus *bus = (PciBus *)obj;

    memory_region_destroy(&bus->memory);
    memory_region_destroy(&bus->io);
}

static const ObjectType pci_bus_type = {
    .name = TYPE_PCI_BUS,
    .parent = "object",
    .description = "PCI bus",
    .instance_size = sizeof(PciBus),
    .finalize = bus_finalize,
};
OBJECT_TYPE_REGISTER(pci_bus_type)

static const ObjectType pcie_bus_type = {
    .name = TYPE_PCIE_BUS,
    .parent = TYPE_PCI_BUS,
    .description = "PCI Express bus",
};
OBJECT_TYPE_REGISTER(pcie_bus_type)

typedef struct BusSearch {
    const char *name; /* NULL: a root bus */
    PciBus *found;
    GString *names; /* of those that do not fit */
} BusSearch;

/* Go on until it is found. */
static bool search_bus(Object *obj, void *opaque)
{
    BusSearch *search = opaque;
    PciBus *bus = (PciBus *)obj;

    if (!object_is_a(obj, TYPE_PCI_BUS)) {
        return true;
    }
    if (search->name ? strcmp(obj->name, search->name) == 0 : !bus->bridge) {
        search->found = bus;
        return false;
    }
    g_string_append_printf(search->names, "%s'%s'", search->names->len ? ", " : "", obj->name);
    return true;
}

PciBus *pci_bus_find(const char *name, GError **errp)
{
    g_autoptr(GString) names = g_string_new(NULL);
    BusSearch search = { .name = name, .names = names };

    object_foreach(object_root(), search_bus, &search);
    if (search.found) {
        return search.found;
    }
    if (!names->len) {
        error_set(errp, "this machine has no PCI bus");
    } else {
        error_set(errp, "there is no PCI bus '%s'; those there are: %s", name, names->str);
    }
    return NULL;
}

PciBus *pci_root_bus(void)
{
    return pci_bus_find(NULL, NULL);
}

PciBus *pci_bus_create(const char *type, const char *name, Object *owner, PciDevice *bridge,
                       GError **errp)
{
    g_autofree char *memory = g_strdup_printf("%s-memory", name);
    g_autofree char *io = g_strdup_printf("%s-io", name);
    PciBus *bus;

    if (pci_bus_find(name, NULL)) {
        error_set(errp, "there is a bus with the name '%s' already; choose another id", name);
        return NULL;
    }
    bus = (PciBus *)object_new(type, errp);
    if (!bus) {
        return NULL;
    }
    bus->bridge = bridge;
    memory_region_init_container(&bus->memory, memory, UINT64_MAX);
    memory_region_init_container(&bus->io, io, 0x10000);
    if (!object_add_child(owner, name, &bus->parent, errp)) {
        g_clear_pointer((Object **)&bus, object_unref);
    } else {
        object_unref(&bus->parent); /* the tree has one */
    }
    return bus;
}

bool pci_bus_is_express(const PciBus *bus)
{
    return object_is_a(&bus->parent, TYPE_PCIE_BUS);
}

uint8_t pci_bus_number(const PciBus *bus)
{
    return bus->bridge ? bus->bridge->config[PCI_SECONDARY_BUS] : 0;
}

void pci_bus_set_interrupts(PciBus *root, const PciInterrupts *interrupts)
{
    root->interrupts = *interrupts;
}

PciBus *pci_secondary_bus(const PciDevice *dev)
{
    return object_is_a(&dev->parent.parent, TYPE_PCI_BRIDGE_BASE)
               ? ((const PciBridge *)dev)->secondary
               : NULL;
}

/* ---- places ---- */

/* A PCI Express link has one device at its end. */
static unsigned bus_slots(const PciBus *bus)
{
    return bus->bridge && pci_bus_is_express(bus) ? 1 : 32;
}

static bool check_bus_kind(const PciDevice *dev, const PciBus *bus, GError **errp)
{
    const PciDeviceOps *ops = pci_device_ops(dev);
    const char *type = object_typename(&dev->parent.parent);

    if (ops->express && !pci_bus_is_express(bus)) {
        error_set(errp,
                  "bus '%s' is a conventional PCI bus: a '%s' needs a PCI Express bus, such as "
                  "'pcie.0' of the machine q35",
                  bus->parent.name, type);
        return false;
    }
    if (ops->root_only && bus->bridge) {
        error_set(errp,
                  "bus '%s' is behind a bridge: a '%s' must be on the root bus, '%s', as part of "
                  "the host",
                  bus->parent.name, type, pci_root_bus()->parent.name);
        return false;
    }
    return true;
}

static bool pick_slot(PciDevice *dev, const PciBus *bus, GError **errp)
{
    for (unsigned slot = 0; slot < bus_slots(bus); slot++) {
        bool used = false;

        for (unsigned fn = 0; fn < 8; fn++) {
            used |= bus->devices[PCI_DEVFN(slot, fn)] != NULL;
        }
        if (!used) {
            dev->addr = PCI_DEVFN(slot, 0);
            return true;
        }
    }
    error_set(errp, "bus '%s' has no free slot", bus->parent.name);
    return false;
}

static bool is_multifunction(const PciDevice *dev)
{
    return dev->config[PCI_HEADER_TYPE] & PCI_HEADER_MULTIFUNCTION;
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
                      slot, bus->parent.name);
            return false;
        }
        return true;
    }
    for (unsigned fn = 1; fn < 8 && !is_multifunction(dev); fn++) {
        if (bus->devices[PCI_DEVFN(slot, fn)]) {
            error_set(errp,
                      "slot %x of bus '%s' has a function %u already: function 0 needs "
                      "multifunction=on there",
                      slot, bus->parent.name, fn);
            return false;
        }
    }
    return true;
}

static bool check_addr(const PciDevice *dev, const PciBus *bus, GError **errp)
{
    const PciDevice *there = bus->devices[dev->addr];
    unsigned slot = PCI_SLOT(dev->addr), fn = PCI_FUNC(dev->addr);

    if (slot >= bus_slots(bus)) {
        error_set(errp, "bus '%s' has only slot 0, so 'addr' cannot be %x.%x", bus->parent.name,
                  slot, fn);
        return false;
    }
    if (there) {
        g_autofree char *path = object_path(&there->parent.parent);

        error_set(errp,
                  "'addr' %x.%x of bus '%s' is taken by '%s', a '%s': choose another, or none for "
                  "the first free slot",
                  slot, fn, bus->parent.name, there->parent.id ? there->parent.id : path,
                  object_typename(&there->parent.parent));
        return false;
    }
    return check_functions(dev, bus, errp);
}

bool pci_bus_attach(PciDevice *dev, GError **errp)
{
    PciBus *bus = dev->bus ? dev->bus : pci_bus_find(dev->bus_name, errp);

    if (!bus || !check_bus_kind(dev, bus, errp) || (dev->addr < 0 && !pick_slot(dev, bus, errp)) ||
        !check_addr(dev, bus, errp)) {
        return false;
    }
    dev->bus = bus;
    dev->devfn = dev->addr;
    bus->devices[dev->devfn] = dev;
    return true;
}

void pci_bus_detach(PciDevice *dev)
{
    dev->bus->devices[dev->devfn] = NULL;
    dev->bus = NULL;
}

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

/* Each step goes one bus down, so this ends whatever numbers the guest gave. Bus 0 is the root, and
 * nothing that a bridge says of itself changes that. */
static PciDevice *find_function(PciBus *root, uint8_t number, uint8_t devfn)
{
    PciBus *bus = root;

    while (bus && (bus == root ? number != 0 : pci_bus_number(bus) != number)) {
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
    PciBus *bus = dev->bus;
    uint8_t slot = PCI_SLOT(dev->devfn);

    /* PCI-to-PCI Bridge 1.2 section 9.1 */
    while (bus->bridge) {
        pin = (pin + slot) % 4;
        slot = PCI_SLOT(bus->bridge->devfn);
        bus = bus->bridge->bus;
    }
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

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/pci/pci-hotplug.h"

#include "hw/core/failover.h"
#include "hw/mem/memory-device.h"
#include "hw/pci/pci-internal.h"
#include "qapi/qapi-events.h"
#include "util/error.h"
#include "util/log.h"

static PciDevice *function_of(const PciSlot *slot, unsigned fn)
{
    return slot->bus->devices[PCI_DEVFN(slot->number, fn)];
}

static PciSlot *slot_of(const Device *dev)
{
    const PciDevice *pci = PCI_DEVICE(dev);
    PciBus *bus = pci_bus_of(pci);

    return bus->slots ? &bus->slots[PCI_SLOT(pci->devfn)] : NULL;
}

bool pci_slot_in_use(const PciSlot *slot)
{
    bool used = false;

    for (unsigned fn = 0; fn < 8; fn++) {
        used |= function_of(slot, fn) != NULL;
    }
    return used;
}

bool pci_slot_removable(const PciSlot *slot)
{
    for (unsigned fn = 0; fn < 8; fn++) {
        const PciDevice *dev = function_of(slot, fn);

        if (dev && !device_has_flags(&dev->parent, DEVICE_UNPLUG)) {
            return false;
        }
    }
    return pci_slot_in_use(slot);
}

/* ---- how requests end ---- */

/* The functions stay. */
static void tell_error(const PciSlot *slot)
{
    for (unsigned fn = 0; fn < 8; fn++) {
        const PciDevice *dev = function_of(slot, fn);

        if (dev) {
            g_autofree char *path = object_path(OBJECT(dev));

            qapi_event_send_device_unplug_guest_error(dev->parent.id, path);
            failover_stays(&dev->parent);
        }
    }
}

static void withdraw(void *opaque, const char *why)
{
    PciSlot *slot = opaque;

    if (slot->bus->hotplug->withdraw) {
        slot->bus->hotplug->withdraw(slot->bus->hotplug_opaque, slot);
    }
    unplug_end(&slot->unplug, UNPLUG_WITHDRAWN);
    tell_error(slot);
}

static bool check_withdraw(void *opaque, GError **errp)
{
    const PciSlot *slot = opaque;

    if (!unplug_pending(&slot->unplug)) {
        error_set(errp, "slot %x of bus '%s': no request to unplug it is pending", slot->number,
                  slot->bus->parent.parent.name);
        return false;
    }
    return true;
}

void pci_slot_seen(PciSlot *slot)
{
    unplug_reach(&slot->unplug, UNPLUG_SEEN);
}

void pci_slot_in_progress(PciSlot *slot)
{
    unplug_reach(&slot->unplug, UNPLUG_IN_PROGRESS);
}

void pci_slot_refused(PciSlot *slot, uint32_t status)
{
    if (pci_slot_in_use(slot)) {
        unplug_end(&slot->unplug, UNPLUG_REFUSED);
        slot->unplug.status = status;
        tell_error(slot);
    }
}

void pci_slot_eject(PciSlot *slot)
{
    if (!pci_slot_removable(slot)) {
        if (log_enabled(LOG_GUEST_ERROR)) {
            log_printf("pci: the guest ejects slot %x of bus '%s', which has nothing that can go\n",
                       slot->number, slot->bus->parent.parent.name);
        }
        return;
    }
    unplug_end(&slot->unplug, UNPLUG_EJECTED); /* perhaps of the guest's own accord */
    for (unsigned fn = 8; fn-- > 0;) {
        if (function_of(slot, fn)) {
            device_unplug(&function_of(slot, fn)->parent);
        }
    }
}

void pci_slot_reset(PciSlot *slot)
{
    slot->insert_event = false;
    slot->remove_event = false;
    if (unplug_pending(&slot->unplug)) {
        withdraw(slot, "the machine was reset");
    }
}

/* ---- the handler ---- */

static bool check_slot(const PciSlot *slot, const PciDevice *dev, GError **errp)
{
    const char *bus = slot->bus->parent.parent.name;
    const PciDevice *first = function_of(slot, 0);

    if (unplug_pending(&slot->unplug)) {
        error_set(errp,
                  "slot %x of bus '%s' is about to be given back by the guest: wait for "
                  "DEVICE_DELETED, or choose another",
                  slot->number, bus);
        return false;
    }
    if (first && first != dev) {
        error_set(errp,
                  "function 0 of slot %x of bus '%s' is there, and the guest has looked at the "
                  "slot: plug function 0 last, or choose another slot",
                  slot->number, bus);
        return false;
    }
    return true;
}

static bool pre_plug(Machine *machine, Device *dev, GError **errp)
{
    const PciSlot *slot = slot_of(dev);

    if (!dev->hotplugged) {
        return true;
    }
    if (!slot) {
        error_set(errp, "Bus '%s' does not support hotplugging", dev->bus->parent.name);
        return false;
    }
    return check_slot(slot, PCI_DEVICE(dev), errp);
}

static void announce(void *opaque)
{
    PciSlot *slot = opaque;

    slot->bus->hotplug->inserted(slot->bus->hotplug_opaque, slot);
}

static void plug(Machine *machine, Device *dev)
{
    PciSlot *slot = slot_of(dev);

    if (!slot) {
        return;
    }
    dev->unplug = &slot->unplug;
    if (dev->hotplugged && PCI_FUNC(PCI_DEVICE(dev)->devfn) == 0) {
        unplug_record_clear(&slot->unplug);
        if (slot->bus->hotplug->inserted) {
            memory_device_when_settled(announce, slot); /* it may have brought memory */
        }
    }
}

static bool check_unplug(const Device *dev, const PciSlot *slot, GError **errp)
{
    g_autofree char *what = device_describe(dev);

    if (!slot) {
        error_set(errp, "%s cannot be unplugged: bus '%s' does not support hotplugging", what,
                  dev->bus->parent.name);
        return false;
    }
    for (unsigned fn = 0; fn < 8; fn++) {
        const PciDevice *other = function_of(slot, fn);

        if (other && !device_has_flags(&other->parent, DEVICE_UNPLUG)) {
            error_set(errp,
                      "%s cannot be unplugged: slots go as a whole, and function %u of slot %x is "
                      "a '%s', which stays",
                      what, fn, slot->number, object_typename(OBJECT(other)));
            return false;
        }
        if (other && device_class(&other->parent)->check_unplug &&
            !device_class(&other->parent)->check_unplug(&function_of(slot, fn)->parent, errp)) {
            return false;
        }
    }
    return true;
}

static bool unplug_request(Machine *machine, Device *dev, GError **errp)
{
    PciSlot *slot = slot_of(dev);
    const PciHotplugOps *ops;

    if (!check_unplug(dev, slot, errp)) {
        return false;
    }
    ops = slot->bus->hotplug;
    if (!function_of(slot, 0)) { /* the guest never heard of it */
        unplug_begin(&slot->unplug);
        unplug_end(&slot->unplug, UNPLUG_EJECTED);
        device_unplug(dev);
        return true;
    }
    if (ops->check_ask && !ops->check_ask(slot->bus->hotplug_opaque, slot, errp)) {
        return false;
    }
    unplug_begin(&slot->unplug);
    ops->ask(slot->bus->hotplug_opaque, slot);
    return true;
}

static void unplugged(Machine *machine, Device *dev)
{
    PciSlot *slot = slot_of(dev);
    bool last = true;

    dev->unplug = NULL;
    memory_device_forget_settled(announce, slot);
    for (unsigned fn = 0; slot && fn < 8; fn++) {
        last &= !function_of(slot, fn) || function_of(slot, fn) == PCI_DEVICE(dev);
    }
    if (!slot || !last) {
        return;
    }
    if (unplug_pending(&slot->unplug)) { /* it was taken without the guest's doing */
        unplug_end(&slot->unplug, UNPLUG_EJECTED);
    }
    if (slot->bus->hotplug->removed) {
        slot->bus->hotplug->removed(slot->bus->hotplug_opaque, slot);
    }
}

const HotplugHandler pci_hotplug_handler = {
    .pre_plug = pre_plug,
    .plug = plug,
    .unplug_request = unplug_request,
    .unplug = unplugged,
};

/* ---- buses ---- */

void pci_hotplug_enable(PciBus *bus, const PciHotplugOps *ops, void *opaque)
{
    static const UnplugOps unplug_ops = { .withdraw = withdraw, .check_withdraw = check_withdraw };

    g_assert(!bus->slots);
    bus->hotplug = ops;
    bus->hotplug_opaque = opaque;
    bus->slot_count = pci_bus_slots(bus);
    bus->slots = g_new0(PciSlot, bus->slot_count);
    for (unsigned n = 0; n < bus->slot_count; n++) {
        bus->slots[n].bus = bus;
        bus->slots[n].number = n;
        unplug_record_init(&bus->slots[n].unplug, &unplug_ops, &bus->slots[n]);
    }
    if (ops->bus_added) {
        ops->bus_added(opaque, bus);
    }
}

void pci_hotplug_disable(PciBus *bus)
{
    if (bus->hotplug && bus->hotplug->bus_gone) {
        bus->hotplug->bus_gone(bus->hotplug_opaque, bus);
    }
    for (unsigned n = 0; n < bus->slot_count; n++) {
        unplug_record_clear(&bus->slots[n].unplug);
    }
    g_clear_pointer(&bus->slots, g_free);
    bus->slot_count = 0;
    bus->hotplug = NULL;
}

void pci_hotplug_enable_below(PciBus *root, const PciHotplugOps *ops, void *opaque)
{
    root->below = ops;
    root->below_opaque = opaque;
}

/* ---- state ---- */

static bool slot_loaded(void *obj, GError **errp)
{
    const PciSlot *slot = obj;

    if (!pci_slot_in_use(slot) &&
        (slot->insert_event || slot->remove_event || unplug_pending(&slot->unplug))) {
        error_set(errp, "slot %x of bus '%s', which is empty, cannot be in the saved state",
                  slot->number, slot->bus->parent.parent.name);
        return false;
    }
    return true;
}

static const StateField slot_fields[] = {
    STATE_BOOL(PciSlot, insert_event),
    STATE_BOOL(PciSlot, remove_event),
    STATE_STRUCT(PciSlot, unplug, &unplug_record_state),
    {},
};
const StateTable pci_slot_state = {
    .name = "pci-slot", .version = 1, .fields = slot_fields, .post_load = slot_loaded
};

/* ---- telling users ---- */

static struct json_object *slot_to_json(const PciSlot *slot)
{
    const PciHotplugOps *ops = slot->bus->hotplug;
    struct json_object *obj = json_object_new_object(), *devices = json_object_new_array();

    json_object_object_add(obj, "slot", json_object_new_int(slot->number));
    for (unsigned fn = 0; fn < 8; fn++) {
        if (function_of(slot, fn)) {
            g_autofree char *path = object_path(OBJECT(function_of(slot, fn)));

            json_object_array_add(devices, json_object_new_string(path ? path : ""));
        }
    }
    json_object_object_add(obj, "devices", devices);
    unplug_record_to_json(&slot->unplug, obj);
    if (slot->unplug.last == UNPLUG_REFUSED && ops->reason) {
        json_object_object_add(obj, "reason",
                               json_object_new_string(ops->reason(slot->unplug.status)));
    }
    return obj;
}

struct json_object *pci_hotplug_to_json(const PciBus *bus)
{
    struct json_object *list = json_object_new_array();

    for (unsigned n = 0; n < bus->slot_count; n++) {
        const PciSlot *slot = &bus->slots[n];

        if (pci_slot_removable(slot) || slot->unplug.last != UNPLUG_NONE) {
            json_object_array_add(list, slot_to_json(slot));
        }
    }
    return list;
}

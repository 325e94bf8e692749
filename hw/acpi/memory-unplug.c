/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Plug and unplug of memory slots as transactions: requested, seen by the guest, refused or
 * ejected, with a time for each (DESIGN decision 9).
 */
#include "hw/acpi/memory-unplug.h"

#include "hw/mem/pc-dimm.h"
#include "qapi/qapi-events.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/log.h"

const char *const unplug_state_names[] = {
    [UNPLUG_NONE] = "none",       [UNPLUG_REQUESTED] = "requested", [UNPLUG_SEEN] = "seen",
    [UNPLUG_REFUSED] = "refused", [UNPLUG_EJECTED] = "ejected",     NULL,
};

static const UnplugTransaction no_transaction = {
    .requested_ns = -1, .seen_ns = -1, .refused_ns = -1, .ejected_ns = -1
};

static bool unplug_pending(const MemoryHotplugSlot *slot)
{
    return slot->unplug.state == UNPLUG_REQUESTED || slot->unplug.state == UNPLUG_SEEN;
}

static MemoryHotplugSlot *slot_of(MemoryHotplug *mh, const Device *dev)
{
    int32_t n = PC_DIMM(dev)->slot;

    return n >= 0 && (uint32_t)n < mh->num_slots ? &mh->slots[n] : NULL;
}

static void notify(MemoryHotplug *mh)
{
    if (mh->notify) {
        mh->notify(mh->notify_opaque);
    }
}

void memory_unplug_clear(MemoryHotplugSlot *slot)
{
    *slot = (MemoryHotplugSlot){ .unplug = no_transaction };
}

/* ---- what management does ---- */

void memory_hotplug_plug(MemoryHotplug *mh, Device *dev)
{
    MemoryHotplugSlot *slot = slot_of(mh, dev);

    g_return_if_fail(slot && !slot->dimm);
    memory_unplug_clear(slot);
    slot->dimm = dev;
    if (dev->hotplugged) {
        slot->insert_event = true;
        notify(mh);
    }
}

bool memory_hotplug_unplug_request(MemoryHotplug *mh, Device *dev, GError **errp)
{
    MemoryHotplugSlot *slot = slot_of(mh, dev);

    if (!slot || slot->dimm != dev) {
        g_autofree char *what = pc_dimm_describe(PC_DIMM(dev));

        error_set(errp, "%s is in no slot that the guest can be asked to empty", what);
        return false;
    }
    if (!unplug_pending(slot)) {
        slot->unplug = no_transaction;
        slot->unplug.requested_ns = clock_ns();
        slot->unplug.state = UNPLUG_REQUESTED;
    }
    /* Also when asked again: a guest that lost the first event gets a second. */
    slot->remove_event = true;
    notify(mh);
    return true;
}

void memory_hotplug_unplug(MemoryHotplug *mh, Device *dev)
{
    MemoryHotplugSlot *slot = slot_of(mh, dev);

    if (slot && slot->dimm == dev) {
        slot->dimm = NULL;
        slot->insert_event = false;
        slot->remove_event = false;
    }
}

/* ---- what the guest does ---- */

void memory_unplug_seen(MemoryHotplugSlot *slot)
{
    slot->remove_event = false;
    if (slot->unplug.state == UNPLUG_REQUESTED) {
        slot->unplug.state = UNPLUG_SEEN;
        slot->unplug.seen_ns = clock_ns();
    }
}

void memory_unplug_eject(MemoryHotplug *mh, unsigned n)
{
    MemoryHotplugSlot *slot = &mh->slots[n];

    if (!slot->dimm) {
        if (log_enabled(LOG_GUEST_ERROR)) {
            log_printf("memory-hotplug: the guest ejects slot %u, which is empty\n", n);
        }
        return;
    }
    if (!unplug_pending(slot)) {
        slot->unplug = no_transaction; /* the guest's own idea */
    }
    slot->unplug.state = UNPLUG_EJECTED;
    slot->unplug.ejected_ns = clock_ns();
    device_unplug(slot->dimm);
}

static void refused(MemoryHotplugSlot *slot, unsigned n, uint32_t event, uint32_t status)
{
    Device *dev = slot->dimm;
    g_autofree char *path = object_path(OBJECT(dev));
    g_autofree char *msg =
        g_strdup_printf("the guest refused to give back the memory in slot %u: %s (_OST event "
                        "0x%x, status 0x%x)",
                        n, ost_status_text(event, status), event, status);

    slot->remove_event = false;
    slot->unplug.state = UNPLUG_REFUSED;
    slot->unplug.refused_ns = clock_ns();
    slot->unplug.status = status;
    dev->pending_deleted_event = false;
    qapi_event_send_mem_unplug_error(dev->id ? dev->id : "", msg);
    qapi_event_send_device_unplug_guest_error(dev->id, path);
}

void memory_unplug_ost(MemoryHotplug *mh, unsigned n, uint32_t event, uint32_t status)
{
    MemoryHotplugSlot *slot = &mh->slots[n];
    g_autofree char *number = g_strdup_printf("%u", n);
    ACPIOSTInfo info = {
        .device = slot->dimm ? slot->dimm->id : NULL,
        .slot = number,
        .slot_type = ACPI_SLOT_TYPE_DIMM,
        .source = event,
        .status = status,
    };

    slot->ost_event = event;
    slot->ost_status = status;
    qapi_event_send_acpi_device_ost(&info);
    if (!slot->dimm) {
        return;
    }
    if (ost_is_refusal(event, status)) {
        refused(slot, n, event, status);
    } else if (event == OST_EVENT_EJECT_REQUEST && status == OST_STATUS_IN_PROGRESS) {
        if (slot->unplug.state == UNPLUG_REQUESTED) {
            memory_unplug_seen(slot);
        }
    }
}

void memory_unplug_forget(MemoryHotplugSlot *slot)
{
    slot->insert_event = false;
    slot->remove_event = false;
    slot->ost_event = 0;
    slot->ost_status = 0;
    if (slot->dimm) {
        slot->dimm->pending_deleted_event = false;
    }
    if (unplug_pending(slot)) {
        slot->unplug = no_transaction;
    }
}

/* ---- telling users ---- */

static void add_time(struct json_object *obj, const char *key, int64_t ns)
{
    if (ns >= 0) {
        json_object_object_add(obj, key, json_object_new_int64(ns));
    }
}

struct json_object *memory_unplug_to_json(const MemoryHotplugSlot *slot, unsigned n)
{
    const UnplugTransaction *unplug = &slot->unplug;
    struct json_object *obj = json_object_new_object();

    json_object_object_add(obj, "slot", json_object_new_int((int)n));
    if (slot->dimm) {
        g_autofree char *path = object_path(OBJECT(slot->dimm));

        json_object_object_add(obj, "device", json_object_new_string(path ? path : ""));
    }
    json_object_object_add(obj, "unplug",
                           json_object_new_string(unplug_state_names[unplug->state]));
    add_time(obj, "requested-ns", unplug->requested_ns);
    add_time(obj, "seen-ns", unplug->seen_ns);
    add_time(obj, "refused-ns", unplug->refused_ns);
    add_time(obj, "ejected-ns", unplug->ejected_ns);
    if (unplug->state == UNPLUG_REFUSED) {
        json_object_object_add(
            obj, "reason",
            json_object_new_string(ost_status_text(OST_EVENT_EJECT_REQUEST, unplug->status)));
    }
    return obj;
}

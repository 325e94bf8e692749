/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Plug and unplug of memory slots as transactions: a request is made, seen by the guest, and ends
 * in one of three ways: ejected, refused, withdrawn; with a time for each (DESIGN decision 9).
 */
#include "hw/acpi/memory-unplug.h"

#include "hw/acpi/slot.h"
#include "hw/mem/guest-fit.h"
#include "hw/mem/memory-device.h"
#include "hw/mem/pc-dimm.h"
#include "memory/ram-hold.h"
#include "qapi/qapi-events.h"
#include "util/error.h"
#include "util/log.h"
#include "util/main-loop.h"

static unsigned slot_number(const MemoryHotplugSlot *slot)
{
    return (unsigned)(slot - slot->all->list);
}

static void notify(const MemoryHotplugSlots *slots, bool pending)
{
    if (slots->notify) {
        slots->notify(slots->notify_opaque, pending);
    }
}

static bool any_event(const MemoryHotplugSlots *slots)
{
    for (unsigned n = 0; n < slots->count; n++) {
        if (slots->list[n].insert_event || slots->list[n].remove_event) {
            return true;
        }
    }
    return false;
}

/* Those of @slot's events that are given are over, in one way or another. */
static void end_events(MemoryHotplugSlot *slot, bool insert, bool remove)
{
    bool had = slot->insert_event || slot->remove_event;

    slot->insert_event &= !insert;
    slot->remove_event &= !remove;
    if (had && !any_event(slot->all)) {
        notify(slot->all, false);
    }
}

/* ---- the state, and who is told ---- */

/* @previous: NULL if the DIMM was just plugged. */
static void send_state(MemoryHotplugSlot *slot, const MemoryDeviceState *previous)
{
    g_autofree char *path = object_path(OBJECT(slot->dimm));
    uint32_t status = 0;
    const char *meaning = dimm_state_meaning(&slot->state, &status);

    qapi_event_send_memory_device_state_change(
        slot->dimm->id, path, dimm_state_get(&slot->state), previous != NULL,
        previous ? *previous : MEMORY_DEVICE_STATE_INSERTED, meaning != NULL, status, meaning);
    slot->told = dimm_state_get(&slot->state);
}

/* @slot has a DIMM. */
static void step(MemoryHotplugSlot *slot, DimmTrigger trigger, uint32_t status)
{
    MemoryDeviceState previous = dimm_state_get(&slot->state);

    if (dimm_state_step(&slot->state, trigger, status)) {
        send_state(slot, &previous);
    }
}

/* The request ended without an ejection: @msg says why. */
static void send_errors(const MemoryHotplugSlot *slot, const char *msg)
{
    g_autofree char *path = object_path(OBJECT(slot->dimm));
    const char *id = slot->dimm->id;

    qapi_event_send_mem_unplug_error(id ? id : "", msg);
    qapi_event_send_device_unplug_guest_error(id, path);
}

/* ---- withdrawal ---- */

/* What the guest did with a pending request. */
static const char *progress_text(const MemoryHotplugSlot *slot)
{
    if (slot->ejecting) {
        return "the guest had given the memory back, which was still in use";
    }
    switch (dimm_state_get(&slot->state)) {
    case MEMORY_DEVICE_STATE_UNPLUG_REQUESTED:
        return "the guest had not looked at it";
    case MEMORY_DEVICE_STATE_UNPLUG_NOTICED:
        return "the guest had seen it, and not answered";
    default:
        return "the guest was still giving the memory back";
    }
}

/* @trigger is DIMM_WITHDRAWN, or what else ends requests. */
static void end_withdrawn(MemoryHotplugSlot *slot, DimmTrigger trigger, const char *why)
{
    g_autofree char *msg =
        g_strdup_printf("the request to give back the memory in slot %u was withdrawn: %s; %s",
                        slot_number(slot), why, progress_text(slot));

    end_events(slot, false, true);
    step(slot, trigger, 0);
    send_errors(slot, msg);
}

static void withdraw(void *opaque, const char *why)
{
    end_withdrawn(opaque, DIMM_WITHDRAWN, why);
}

static bool check_withdraw(void *opaque, GError **errp)
{
    const MemoryHotplugSlot *slot = opaque;

    if (slot->ejecting) {
        g_autofree char *what = device_describe(slot->dimm);
        g_autofree char *holder = ram_block_holder(pc_dimm_ram(PC_DIMM(slot->dimm)), false);

        error_set(errp,
                  "%s: the guest has given it back, and it goes as soon as '%s' is through "
                  "with its memory",
                  what, holder ? holder : "a device");
        return false;
    }
    return acpi_slot_check_pending(slot->dimm, &slot->state, false, errp);
}

/* Who has to take the memory of a new DIMM has it: the guest is told. */
static void announce(void *opaque)
{
    MemoryHotplugSlot *slot = opaque;

    slot->unsettled = false;
    if (slot->insert_event) {
        notify(slot->all, true);
    }
}

/* An empty slot, in which nothing ever happened. */
static void init_slot(MemoryHotplugSlot *slot, MemoryHotplugSlots *all)
{
    static const UnplugOps ops = { .withdraw = withdraw, .check_withdraw = check_withdraw };

    *slot = (MemoryHotplugSlot){ .all = all, .told = MEMORY_DEVICE_STATE_INSERTED };
    unplug_record_init(&slot->unplug, &ops, slot);
}

void memory_unplug_init(MemoryHotplugSlots *slots)
{
    slots->list = g_new0(MemoryHotplugSlot, slots->count);
    for (unsigned n = 0; n < slots->count; n++) {
        init_slot(&slots->list[n], slots);
    }
}

void memory_unplug_clear(MemoryHotplugSlots *slots)
{
    for (unsigned n = 0; n < slots->count; n++) {
        unplug_record_clear(&slots->list[n].unplug);
        memory_device_forget_settled(announce, &slots->list[n]);
    }
    g_clear_pointer(&slots->list, g_free);
}

/* ---- what management does ---- */

/* NULL: no slot is chosen for it. */
static MemoryHotplugSlot *chosen_slot(const MemoryHotplugSlots *slots, const Device *dev)
{
    int32_t n = PC_DIMM(dev)->slot;

    return n >= 0 && (uint32_t)n < slots->count ? &slots->list[n] : NULL;
}

MemoryHotplugSlot *memory_unplug_slot_of(const MemoryHotplugSlots *slots, const Device *dev)
{
    MemoryHotplugSlot *slot = chosen_slot(slots, dev);

    return slot && slot->dimm == dev ? slot : NULL;
}

void memory_unplug_plugged(MemoryHotplugSlots *slots, Device *dev)
{
    MemoryHotplugSlot *slot = chosen_slot(slots, dev);

    g_return_if_fail(slot && !slot->dimm);
    unplug_record_clear(&slot->unplug);
    init_slot(slot, slots);
    slot->dimm = dev;
    dev->unplug = &slot->unplug;
    dimm_state_init(&slot->state, &slot->unplug);
    send_state(slot, NULL);
    if (dev->hotplugged) {
        slot->insert_event = slot->unsettled = true;
        memory_device_when_settled(announce, slot);
    }
}

/* An ejection could not take the memory away from who holds it for good. */
static bool check_holders(const Device *dev, GError **errp)
{
    g_autofree char *holder = ram_block_holder(pc_dimm_ram(PC_DIMM(dev)), true);

    if (holder) {
        g_autofree char *what = device_describe(dev);

        error_set(errp, "%s cannot be unplugged: '%s' uses its memory, and does not let it go",
                  what, holder);
    }
    return !holder;
}

bool memory_unplug_request(MemoryHotplugSlots *slots, Device *dev, GError **errp)
{
    MemoryHotplugSlot *slot = memory_unplug_slot_of(slots, dev);

    if (!slot) {
        g_autofree char *what = device_describe(dev);

        error_set(errp, "%s is in no slot that the guest can be asked to empty", what);
        return false;
    }
    if (!check_holders(dev, errp)) {
        return false;
    }
    if (slot->ejecting) {
        return true; /* it is on its way */
    }
    step(slot, DIMM_UNPLUG_ASKED, 0);
    /* Also when asked again: a guest that lost the first event gets a second. */
    slot->remove_event = true;
    notify(slots, true);
    return true;
}

void memory_unplug_unplugged(MemoryHotplugSlots *slots, Device *dev)
{
    MemoryHotplugSlot *slot = memory_unplug_slot_of(slots, dev);

    if (slot) {
        memory_device_forget_settled(announce, slot);
        slot->dimm = NULL;
        slot->ejecting = slot->unsettled = false;
        dev->unplug = NULL;
        end_events(slot, true, true);
        if (unplug_pending(&slot->unplug)) { /* it was taken without the guest's doing */
            unplug_end(&slot->unplug, UNPLUG_EJECTED);
        }
    }
}

/* ---- what the guest does ---- */

void memory_unplug_insert_acked(MemoryHotplugSlot *slot)
{
    if (slot->insert_event) {
        end_events(slot, true, false);
        step(slot, DIMM_INSERT_ACKED, 0);
    }
}

void memory_unplug_place_read(MemoryHotplugSlot *slot)
{
    if (slot->dimm) {
        step(slot, DIMM_PLACE_READ, 0);
    }
}

void memory_unplug_remove_acked(MemoryHotplugSlot *slot)
{
    if (slot->remove_event) {
        end_events(slot, false, true);
        step(slot, DIMM_REMOVE_ACKED, 0);
    }
}

/* Nobody holds the memory any more. */
static void finish_eject(void *opaque)
{
    MemoryHotplugSlot *slot = opaque;

    slot->ejecting = false;
    end_events(slot, false, true);
    unplug_end(&slot->unplug, UNPLUG_EJECTED);
    device_unplug(slot->dimm);
}

/* The DIMM stays, because of @holder. For the guest it has just gone: it is announced anew. */
static void refuse_for(MemoryHotplugSlot *slot, const char *holder)
{
    g_autofree char *msg = g_strdup_printf("the guest gave back the memory in slot %u, but '%s' "
                                           "uses it, and does not let it go",
                                           slot_number(slot), holder);

    end_events(slot, false, true);
    step(slot, DIMM_EJECT_FAILURE, OST_STATUS_EJECT_FAILED);
    send_errors(slot, msg);
    slot->insert_event = true;
    notify(slot->all, true);
}

void memory_unplug_eject(MemoryHotplugSlot *slot)
{
    g_autofree char *holder = NULL;

    if (!slot->dimm || slot->ejecting) {
        if (log_enabled(LOG_GUEST_ERROR)) {
            log_printf("memory-hotplug: the guest ejects slot %u, which is empty\n",
                       slot_number(slot));
        }
        return;
    }
    if (!unplug_pending(&slot->unplug)) {
        unplug_record_clear(&slot->unplug); /* the guest's own idea, or late */
    }
    switch (ram_block_close(pc_dimm_ram(PC_DIMM(slot->dimm)), finish_eject, slot, &holder)) {
    case RAM_CLOSED:
        finish_eject(slot);
        break;
    case RAM_CLOSE_WAITS:
        slot->ejecting = true;
        end_events(slot, true, true);
        unplug_drop_deadline(&slot->unplug);
        break;
    case RAM_CLOSE_IN_USE:
        refuse_for(slot, holder);
        break;
    }
}

/* A reset: the DIMM is there for the next boot. */
static void cancel_eject(MemoryHotplugSlot *slot)
{
    slot->ejecting = false;
    ram_block_open(pc_dimm_ram(PC_DIMM(slot->dimm)));
}

/* After loading: nobody holds anything yet. */
static void resume_eject(void *opaque)
{
    MemoryHotplugSlot *slot = opaque;

    if (slot->ejecting) {
        slot->ejecting = false;
        memory_unplug_eject(slot);
    }
}

static void refused(MemoryHotplugSlot *slot, uint32_t event, uint32_t status)
{
    g_autofree char *msg =
        g_strdup_printf("the guest refused to give back the memory in slot %u: %s (_OST event "
                        "0x%x, status 0x%x)",
                        slot_number(slot), ost_status_text(event, status), event, status);

    end_events(slot, false, true);
    step(slot, DIMM_EJECT_FAILURE, status);
    send_errors(slot, msg);
}

void memory_unplug_ost(MemoryHotplugSlot *slot, uint32_t event, uint32_t status)
{
    DimmTrigger trigger = dimm_trigger_of_ost(event, status);

    if (trigger == DIMM_INSERT_SUCCESS && slot->dimm && !guest_fit_usable(PC_DIMM(slot->dimm))) {
        trigger = DIMM_INSERT_UNUSABLE;
    }
    slot->ost_event = event;
    slot->ost_status = status;
    acpi_slot_send_ost(ACPI_SLOT_TYPE_DIMM, slot_number(slot), slot->dimm, event, status);
    if (!slot->dimm || slot->ejecting) {
        return;
    }
    if (trigger == DIMM_EJECT_FAILURE) {
        refused(slot, event, status);
        return;
    }
    if (trigger == DIMM_EJECT_PROGRESS && slot->unplug.last == UNPLUG_REQUESTED) {
        end_events(slot, false, true); /* a guest that answers has seen it */
    }
    step(slot, trigger, status);
}

void memory_unplug_reset(MemoryHotplugSlot *slot)
{
    end_events(slot, true, false);
    slot->ost_event = 0;
    slot->ost_status = 0;
    if (!slot->dimm) {
        return;
    }
    if (unplug_pending(&slot->unplug)) {
        end_withdrawn(slot, DIMM_RESET, "the machine was reset");
    } else {
        step(slot, DIMM_RESET, 0);
    }
    if (slot->ejecting) {
        cancel_eject(slot);
    }
}

/* ---- saving and loading ---- */

static bool slot_loaded(void *obj, GError **errp)
{
    MemoryHotplugSlot *slot = obj;

    if (!slot->dimm && (slot->insert_event || slot->remove_event || slot->ejecting ||
                        unplug_pending(&slot->unplug))) {
        error_set(errp, "memory slot %u, which has no DIMM, cannot be in the saved state",
                  slot_number(slot));
        return false;
    }
    slot->state.unplug = &slot->unplug;
    if (slot->dimm && dimm_state_get(&slot->state) != slot->told) {
        const MemoryDeviceState previous = slot->told;

        send_state(slot, &previous);
    }
    if (slot->ejecting) {
        unplug_drop_deadline(&slot->unplug);
        main_loop_schedule(resume_eject, slot);
    }
    return true;
}

static const StateField slot_fields[] = {
    STATE_STRUCT(MemoryHotplugSlot, state, &dimm_state_table),
    STATE_BOOL(MemoryHotplugSlot, insert_event),
    STATE_BOOL(MemoryHotplugSlot, remove_event),
    STATE_UINT(MemoryHotplugSlot, ost_event),
    STATE_UINT(MemoryHotplugSlot, ost_status),
    STATE_BOOL(MemoryHotplugSlot, ejecting),
    STATE_STRUCT(MemoryHotplugSlot, unplug, &unplug_record_state),
    {},
};
const StateTable memory_unplug_slot_state = {
    .name = "memory-slot", .version = 2, .fields = slot_fields, .post_load = slot_loaded
};

/* ---- telling users ---- */

struct json_object *memory_unplug_to_json(const MemoryHotplugSlot *slot)
{
    return acpi_slot_to_json(slot_number(slot), slot->dimm, &slot->state, &slot->unplug);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/acpi/cpu-unplug.h"

#include "hw/acpi/slot.h"
#include "qapi/qapi-events.h"
#include "target/i386/cpu.h"
#include "util/error.h"
#include "util/log.h"
#include "util/main-loop.h"

static unsigned slot_number(const CpuHotplugSlot *slot)
{
    return (unsigned)(slot - slot->all->list);
}

static void set_events(CpuHotplugSlot *slot, bool insert, bool remove)
{
    CpuHotplugSlots *all = slot->all;
    bool any = false;

    slot->insert_event = insert;
    slot->remove_event = remove;
    for (unsigned n = 0; n < all->count; n++) {
        any |= all->list[n].insert_event || all->list[n].remove_event;
    }
    if (all->notify) {
        all->notify(all->notify_opaque, any);
    }
}

/* ---- withdrawal ---- */

/* The request ended without an ejection. */
static void send_error(const CpuHotplugSlot *slot)
{
    g_autofree char *path = object_path(OBJECT(slot->cpu));

    qapi_event_send_device_unplug_guest_error(slot->cpu->id, path);
}

/* @trigger is DIMM_WITHDRAWN, or what else ends requests. */
static void end_withdrawn(CpuHotplugSlot *slot, DimmTrigger trigger)
{
    slot->firmware_remove = false;
    set_events(slot, slot->insert_event, false);
    dimm_state_step(&slot->state, trigger, 0);
    send_error(slot);
}

static void withdraw(void *opaque, const char *why)
{
    end_withdrawn(opaque, DIMM_WITHDRAWN);
}

static bool check_withdraw(void *opaque, GError **errp)
{
    const CpuHotplugSlot *slot = opaque;

    return acpi_slot_check_pending(slot->cpu, &slot->state, slot->ejecting, errp);
}

/* An empty place, in which nothing ever happened. */
static void init_slot(CpuHotplugSlot *slot, CpuHotplugSlots *all)
{
    static const UnplugOps ops = { .withdraw = withdraw, .check_withdraw = check_withdraw };

    *slot = (CpuHotplugSlot){ .all = all };
    unplug_record_init(&slot->unplug, &ops, slot);
    dimm_state_init(&slot->state, &slot->unplug);
}

void cpu_unplug_init(CpuHotplugSlots *slots)
{
    slots->list = g_new0(CpuHotplugSlot, slots->count);
    for (unsigned n = 0; n < slots->count; n++) {
        init_slot(&slots->list[n], slots);
    }
}

void cpu_unplug_clear(CpuHotplugSlots *slots)
{
    for (unsigned n = 0; n < slots->count; n++) {
        CpuHotplugSlot *slot = &slots->list[n];

        if (slot->cpu) {
            slot->cpu->unplug = NULL;
        }
        unplug_record_clear(&slot->unplug);
    }
    g_clear_pointer(&slots->list, g_free);
}

/* ---- what management does ---- */

void cpu_unplug_plugged(CpuHotplugSlots *slots, unsigned n, Device *cpu)
{
    CpuHotplugSlot *slot = &slots->list[n];

    g_return_if_fail(n < slots->count && !slot->cpu);
    unplug_record_clear(&slot->unplug);
    init_slot(slot, slots);
    slot->cpu = cpu;
    cpu->unplug = &slot->unplug;
    if (cpu->hotplugged) {
        set_events(slot, true, false);
    }
}

void cpu_unplug_request(CpuHotplugSlot *slot)
{
    if (!slot->ejecting) {
        dimm_state_step(&slot->state, DIMM_UNPLUG_ASKED, 0);
        /* Also when asked again: a guest that lost the first event gets a second. */
        set_events(slot, slot->insert_event, true);
    }
}

void cpu_unplug_unplugged(CpuHotplugSlots *slots, unsigned n)
{
    CpuHotplugSlot *slot = &slots->list[n];

    if (slot->cpu) {
        slot->cpu->unplug = NULL;
        slot->cpu = NULL;
        slot->ejecting = slot->firmware_remove = false;
        set_events(slot, false, false);
        if (unplug_pending(&slot->unplug)) { /* it was taken without the guest's doing */
            unplug_end(&slot->unplug, UNPLUG_EJECTED);
        }
    }
}

/* ---- what the guest does ---- */

void cpu_unplug_insert_acked(CpuHotplugSlot *slot)
{
    if (slot->insert_event) {
        set_events(slot, false, slot->remove_event);
        dimm_state_step(&slot->state, DIMM_INSERT_ACKED, 0);
    }
}

void cpu_unplug_remove_acked(CpuHotplugSlot *slot)
{
    if (slot->remove_event) {
        set_events(slot, slot->insert_event, false);
        dimm_state_step(&slot->state, DIMM_REMOVE_ACKED, 0);
    }
}

/* Unless a reset came in between. */
static void finish_eject(void *opaque)
{
    CpuHotplugSlot *slot = opaque;

    if (slot->ejecting) {
        unplug_end(&slot->unplug, UNPLUG_EJECTED);
        device_unplug(slot->cpu);
    }
}

void cpu_unplug_eject(CpuHotplugSlot *slot)
{
    if (!slot->cpu || slot->ejecting || slot_number(slot) == 0) {
        if (log_enabled(LOG_GUEST_ERROR)) {
            log_printf("cpu-hotplug: the guest ejects CPU %u, which is %s\n", slot_number(slot),
                       slot->cpu && !slot->ejecting ? "the one that boots" : "not there");
        }
        return;
    }
    if (!unplug_pending(&slot->unplug)) {
        unplug_record_clear(&slot->unplug); /* the guest's own idea, or late */
    }
    slot->ejecting = true;
    set_events(slot, false, false);
    unplug_drop_deadline(&slot->unplug);
    if (current_cpu) {
        main_loop_schedule(finish_eject, slot);
    } else {
        finish_eject(slot);
    }
}

void cpu_unplug_ost(CpuHotplugSlot *slot, uint32_t event, uint32_t status)
{
    DimmTrigger trigger = dimm_trigger_of_ost(event, status);

    slot->ost_event = event;
    slot->ost_status = status;
    acpi_slot_send_ost(ACPI_SLOT_TYPE_CPU, slot_number(slot), slot->ejecting ? NULL : slot->cpu,
                       event, status);
    if (!slot->cpu || slot->ejecting) {
        return;
    }
    if (trigger == DIMM_EJECT_FAILURE ||
        (trigger == DIMM_EJECT_PROGRESS && slot->unplug.last == UNPLUG_REQUESTED)) {
        set_events(slot, slot->insert_event, false); /* a guest that answers has seen it */
    }
    dimm_state_step(&slot->state, trigger, status);
    if (trigger == DIMM_EJECT_FAILURE) {
        slot->firmware_remove = false;
        send_error(slot);
    }
}

void cpu_unplug_reset(CpuHotplugSlot *slot)
{
    slot->ost_event = slot->ost_status = 0;
    slot->ejecting = slot->firmware_remove = false;
    set_events(slot, false, slot->remove_event);
    if (!slot->cpu) {
        return;
    }
    if (unplug_pending(&slot->unplug)) {
        end_withdrawn(slot, DIMM_RESET);
    } else {
        dimm_state_step(&slot->state, DIMM_RESET, 0);
    }
}

/* ---- saving and loading ---- */

static bool slot_loaded(void *obj, GError **errp)
{
    CpuHotplugSlot *slot = obj;

    if (!slot->cpu && (slot->insert_event || slot->remove_event || slot->firmware_remove ||
                       slot->ejecting || unplug_pending(&slot->unplug))) {
        error_set(errp, "CPU %u, which is not there, cannot be in the saved state",
                  slot_number(slot));
        return false;
    }
    if (slot->ejecting && slot_number(slot) == 0) {
        error_set(errp, "CPU 0 cannot be ejected");
        return false;
    }
    slot->state.unplug = &slot->unplug;
    if (slot->ejecting) {
        unplug_drop_deadline(&slot->unplug);
        main_loop_schedule(finish_eject, slot);
    }
    return true;
}

static const StateField slot_fields[] = {
    STATE_STRUCT(CpuHotplugSlot, state, &dimm_state_table),
    STATE_BOOL(CpuHotplugSlot, insert_event),
    STATE_BOOL(CpuHotplugSlot, remove_event),
    STATE_BOOL(CpuHotplugSlot, firmware_remove),
    STATE_UINT(CpuHotplugSlot, ost_event),
    STATE_UINT(CpuHotplugSlot, ost_status),
    STATE_BOOL(CpuHotplugSlot, ejecting),
    STATE_STRUCT(CpuHotplugSlot, unplug, &unplug_record_state),
    {},
};
const StateTable cpu_unplug_slot_state = {
    .name = "cpu-slot", .version = 1, .fields = slot_fields, .post_load = slot_loaded
};

/* ---- telling users ---- */

struct json_object *cpu_unplug_to_json(const CpuHotplugSlot *slot)
{
    return acpi_slot_to_json(slot_number(slot), slot->cpu, &slot->state, &slot->unplug);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Plug and unplug of memory slots as transactions: what the registers of memory-hotplug.h set off.
 * Machine lock for everything.
 *
 * Whatever the guest does here may come at any time, in any order and as often as it likes; an
 * empty slot takes it too. Each change of a DIMM's state sends MEMORY_DEVICE_STATE_CHANGE.
 */
#ifndef HW_ACPI_MEMORY_UNPLUG_H
#define HW_ACPI_MEMORY_UNPLUG_H

#include <json-c/json.h>

#include "hw/acpi/dimm-state.h"
#include "hw/acpi/ost.h"
#include "hw/core/device.h"
#include "hw/core/unplug.h"

typedef struct MemoryHotplugSlot {
    /* wiring */
    struct MemoryHotplugSlots *all;
    Device *dimm; /* borrowed; NULL: empty */
    /* state */
    DimmState state;                 /* while there is a DIMM */
    bool insert_event, remove_event; /* changed by memory-unplug.c only, which notifies */
    uint32_t ost_event, ost_status;  /* last written by the guest; 0 after a plug and a reset */
    /* The guest gave the DIMM back, and it goes when nobody holds its memory any more; for the
     * guest the slot is empty. */
    bool ejecting;
    UnplugRecord unplug; /* kept when the slot is empty */
    /* derived */
    MemoryDeviceState told; /* what users know of it */
    bool unsettled;         /* somebody has to take its memory before the guest hears of it */
} MemoryHotplugSlot;

/* The slots of a machine. */
typedef struct MemoryHotplugSlots {
    /* state */
    MemoryHotplugSlot *list;
    /* wiring */
    unsigned count;
    /* There is a new event for the guest to look at (GPE ACPI_GPE_MEMORY_HOTPLUG), or none is left
     * that it has not taken. NULL: nobody wants to know. */
    void (*notify)(void *opaque, bool pending);
    void *notify_opaque;
} MemoryHotplugSlots;

/* Make @slots.count slots, in which nothing ever happened; and free them. */
void memory_unplug_init(MemoryHotplugSlots *slots);
void memory_unplug_clear(MemoryHotplugSlots *slots);

/* The slot that @dev is in, or NULL. Borrowed. */
MemoryHotplugSlot *memory_unplug_slot_of(const MemoryHotplugSlots *slots, const Device *dev);

/* ---- what the machine's HotplugHandler calls (after/before the pc_dimm_* functions) ---- */

/* After pc_dimm_plug(): fills the slot; a hot-plugged one gets an insert event and a notification.
 */
void memory_unplug_plugged(MemoryHotplugSlots *slots, Device *dev);
/* HotplugHandler.unplug_request: marks the slot "removing" and notifies. Asking again while a
 * request is pending notifies again, and is harmless. */
bool memory_unplug_request(MemoryHotplugSlots *slots, Device *dev, GError **errp);
/* HotplugHandler.unplug, before pc_dimm_unplug(): empties the slot. */
void memory_unplug_unplugged(MemoryHotplugSlots *slots, Device *dev);

/* ---- what the guest does ---- */

/* The guest cleared the insert resp. remove event, which need not be set. */
void memory_unplug_insert_acked(MemoryHotplugSlot *slot);
void memory_unplug_remove_acked(MemoryHotplugSlot *slot);

/* The guest read where the DIMM is. */
void memory_unplug_place_read(MemoryHotplugSlot *slot);

/* The guest evaluated _EJ0: the DIMM, if there is one, leaves the machine. Asked for or not: the
 * guest owns its memory. While somebody holds that (memory/ram-hold.h), the slot is empty for the
 * guest, and the DIMM goes when the last hold has ended. Where one does not end by itself, the
 * ejection is refused with its holder's name, and the DIMM is announced to the guest again. */
void memory_unplug_eject(MemoryHotplugSlot *slot);

/* The guest evaluated _OST. Sends events; a refusal ends the request. */
void memory_unplug_ost(MemoryHotplugSlot *slot, uint32_t event, uint32_t status);

/* ---- what the machine does ---- */

/* Reset: the machine boots anew with the DIMMs that it has. A pending request is withdrawn. */
void memory_unplug_reset(MemoryHotplugSlot *slot);

/* What of a slot a snapshot keeps. */
extern const StateTable memory_unplug_slot_state;

/* A slot for users: {"slot", "device", "state", "unplug", "requested-ns", ...}. New reference. */
struct json_object *memory_unplug_to_json(const MemoryHotplugSlot *slot);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Plug and unplug of memory slots as transactions: what the registers of memory-hotplug.c set off.
 * Private to the memory hot-plug block. Machine lock for everything.
 *
 * Whatever the guest does here may come at any time, in any order and as often as it likes; an
 * empty slot takes it too. Each change of a DIMM's state sends MEMORY_DEVICE_STATE_CHANGE.
 */
#ifndef HW_ACPI_MEMORY_UNPLUG_H
#define HW_ACPI_MEMORY_UNPLUG_H

#include <json-c/json.h>

#include "hw/acpi/memory-hotplug.h"

/* Make @slot an empty one of @block, in which nothing ever happened. */
void memory_unplug_init(MemoryHotplugSlot *slot, MemoryHotplug *block);

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

/* Reset: the machine boots anew with the DIMMs that it has. A pending request is withdrawn. */
void memory_unplug_reset(MemoryHotplugSlot *slot);

/* What of a slot a snapshot keeps. */
extern const StateTable memory_unplug_slot_state;

/* A slot for users: {"slot", "device", "state", "unplug", "requested-ns", ...}. New reference. */
struct json_object *memory_unplug_to_json(const MemoryHotplugSlot *slot);

#endif

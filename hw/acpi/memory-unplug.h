/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Plug and unplug transactions of memory slots: what the registers of memory-hotplug.c set off.
 * Private to the memory hot-plug block. Machine lock for everything.
 */
#ifndef HW_ACPI_MEMORY_UNPLUG_H
#define HW_ACPI_MEMORY_UNPLUG_H

#include <json-c/json.h>

#include "hw/acpi/memory-hotplug.h"

/* An empty slot in which nothing ever happened. */
void memory_unplug_clear(MemoryHotplugSlot *slot);

/* The guest acknowledged the remove event, or there is none. */
void memory_unplug_seen(MemoryHotplugSlot *slot);

/* The guest evaluated _EJ0 for slot @n: the DIMM, if there is one, leaves the machine. */
void memory_unplug_eject(MemoryHotplug *mh, unsigned n);

/* The guest evaluated _OST for slot @n. Sends events; a refusal ends the transaction. */
void memory_unplug_ost(MemoryHotplug *mh, unsigned n, uint32_t event, uint32_t status);

/* Reset: the machine boots anew with the DIMMs that it has, and nobody asked for anything. */
void memory_unplug_forget(MemoryHotplugSlot *slot);

/* A slot for users: {"slot", "device", "state", "requested-ns", ...}. New reference. */
struct json_object *memory_unplug_to_json(const MemoryHotplugSlot *slot, unsigned n);

#endif

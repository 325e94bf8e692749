/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a DIMM's slot (memory-unplug.h) and a CPU's place (cpu-unplug.h) tell users and ask in the
 * same way. Machine lock.
 */
#ifndef HW_ACPI_SLOT_H
#define HW_ACPI_SLOT_H

#include <json-c/json.h>

#include "hw/acpi/dimm-state.h"
#include "hw/core/device.h"

/* A slot for users: {"slot", "device", "state", "unplug", "requested-ns", ..., "reason"}; @dev:
 * what is in slot @number, or NULL. New reference. */
struct json_object *acpi_slot_to_json(unsigned number, const Device *dev, const DimmState *state,
                                      const UnplugRecord *unplug);

/* The event ACPI_DEVICE_OST: the guest evaluated _OST of slot @number. @dev: what is there for the
 * guest, or NULL. */
void acpi_slot_send_ost(ACPISlotType type, unsigned number, const Device *dev, uint32_t event,
                        uint32_t status);

/* An error, which names the state as "ejected" if @ejecting, unless a request to unplug @dev is
 * pending. */
bool acpi_slot_check_pending(const Device *dev, const DimmState *state, bool ejecting,
                             GError **errp);

#endif

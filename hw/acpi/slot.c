/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/acpi/slot.h"

#include "hw/acpi/ost.h"
#include "qapi/qapi-events.h"
#include "util/error.h"
#include "util/trace.h"

static const char *state_name(const DimmState *state)
{
    return MemoryDeviceState_str(dimm_state_get(state));
}

static void add_string(struct json_object *obj, const char *key, const char *value)
{
    json_object_object_add(obj, key, json_object_new_string(value));
}

struct json_object *acpi_slot_to_json(unsigned number, const Device *dev, const DimmState *state,
                                      const UnplugRecord *unplug)
{
    struct json_object *obj = json_object_new_object();

    json_object_object_add(obj, "slot", json_object_new_int((int)number));
    if (dev) {
        g_autofree char *path = object_path(OBJECT(dev));

        add_string(obj, "device", path ? path : "");
        add_string(obj, "state", state_name(state));
    }
    unplug_record_to_json(unplug, obj);
    if (unplug->last == UNPLUG_REFUSED) {
        add_string(obj, "reason", ost_status_text(OST_EVENT_EJECT_REQUEST, unplug->status));
    }
    return obj;
}

void acpi_slot_send_ost(ACPISlotType type, unsigned number, const Device *dev, uint32_t event,
                        uint32_t status)
{
    g_autofree char *name = g_strdup_printf("%u", number);
    ACPIOSTInfo info = {
        .device = dev ? dev->id : NULL,
        .slot = name,
        .slot_type = type,
        .source = event,
        .status = status,
    };

    trace(TRACE_OST, "%s slot %u event 0x%x status 0x%x: %s", ACPISlotType_str(type), number, event,
          status, ost_status_text(event, status));
    qapi_event_send_acpi_device_ost(&info);
}

bool acpi_slot_check_pending(const Device *dev, const DimmState *state, bool ejecting,
                             GError **errp)
{
    bool can = unplug_pending(state->unplug) && !ejecting;

    if (!can) {
        g_autofree char *what = device_describe(dev);

        error_set(errp, "%s: no request to unplug it is pending: its state is '%s'", what,
                  ejecting ? "ejected" : state_name(state));
    }
    return can;
}

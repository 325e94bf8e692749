/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The status codes of _OST in words (ACPI 6.4, tables 6.50 to 6.53).
 */
#include "hw/acpi/ost.h"

#include <stddef.h>

typedef enum OstFamily {
    OST_ANY,
    OST_EJECTION,
    OST_INSERTION,
} OstFamily;

static const struct OstStatus {
    OstFamily family;
    uint32_t status;
    const char *text;
} ost_statuses[] = {
    { OST_ANY, 0x00, "success" },
    { OST_ANY, 0x01, "the guest gave no specific reason (non-specific failure)" },
    { OST_ANY, 0x02, "the guest does not know the notification (unrecognized notify code)" },
    { OST_EJECTION, 0x80, "the guest does not support ejecting this device" },
    { OST_EJECTION, 0x81, "the device is in use by an application in the guest" },
    { OST_EJECTION, 0x82, "the device is busy in the guest" },
    { OST_EJECTION, 0x83, "the guest must eject devices that depend on this one first" },
    { OST_EJECTION, 0x84, "the ejection is in progress" },
    { OST_EJECTION, 0x85, "the ejection failed" },
    { OST_INSERTION, 0x80, "the insertion is in progress" },
    { OST_INSERTION, 0x81, "the guest's driver for the device could not be loaded" },
    { OST_INSERTION, 0x82, "the guest does not support inserting this device" },
};

static OstFamily family_of(uint32_t event)
{
    switch (event) {
    case OST_EVENT_EJECT_REQUEST:
    case OST_EVENT_OS_EJECT:
        return OST_EJECTION;
    case OST_EVENT_BUS_CHECK:
    case OST_EVENT_DEVICE_CHECK:
    case OST_EVENT_OS_INSERT:
        return OST_INSERTION;
    default:
        return OST_ANY;
    }
}

const char *ost_status_text(uint32_t event, uint32_t status)
{
    OstFamily family = family_of(event);

    for (size_t i = 0; i < sizeof(ost_statuses) / sizeof(ost_statuses[0]); i++) {
        const struct OstStatus *s = &ost_statuses[i];

        if (s->status == status && (s->family == OST_ANY || s->family == family)) {
            return s->text;
        }
    }
    return "the guest gave a status code that ACPI does not define";
}

bool ost_is_insertion(uint32_t event)
{
    return family_of(event) == OST_INSERTION;
}

bool ost_is_ejection(uint32_t event)
{
    return family_of(event) == OST_EJECTION;
}

bool ost_is_refusal(uint32_t event, uint32_t status)
{
    return ost_is_ejection(event) && status != OST_STATUS_SUCCESS &&
           status != OST_STATUS_IN_PROGRESS;
}

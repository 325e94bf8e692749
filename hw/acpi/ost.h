/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the codes of _OST mean (ACPI 6.4, 6.3.5).
 */
#ifndef HW_ACPI_OST_H
#define HW_ACPI_OST_H

#include <stdbool.h>
#include <stdint.h>

/* Source events */
#define OST_EVENT_BUS_CHECK     0x000
#define OST_EVENT_DEVICE_CHECK  0x001 /* what a hot-add is notified as */
#define OST_EVENT_EJECT_REQUEST 0x003
#define OST_EVENT_OS_EJECT      0x103 /* the guest ejects on its own */
#define OST_EVENT_OS_INSERT     0x200

/* Statuses */
#define OST_STATUS_SUCCESS         0x00
#define OST_STATUS_INSERT_PROGRESS 0x80 /* of an insertion */
#define OST_STATUS_IN_PROGRESS     0x84 /* of an ejection */
#define OST_STATUS_EJECT_FAILED    0x85

/* The reason that @status gives for @event, in words. Never NULL. */
const char *ost_status_text(uint32_t event, uint32_t status);

/* What @event is about; neither if ACPI does not define it. */
bool ost_is_insertion(uint32_t event);
bool ost_is_ejection(uint32_t event);

/* Is this the guest saying that an ejection did not happen? */
bool ost_is_refusal(uint32_t event, uint32_t status);

#endif

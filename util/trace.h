/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Trace events: things that happen, each of which a user may want to see a line of in the log. One
 * table of names; an event that is off costs the load of a byte and a branch.
 *
 *     trace(TRACE_BLK_REQUEST, "%s write", name);
 *
 * Arguments are evaluated only if the event is on. Any thread.
 */
#ifndef UTIL_TRACE_H
#define UTIL_TRACE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* X(constant, name that users know, what a line tells) */
#define TRACE_EVENTS(X)                                                                    \
    X(TRACE_QMP_COMMAND, "handle_qmp_command", "a QMP command, before it runs")            \
    X(TRACE_QMP_RESPOND, "monitor_qmp_respond", "what a QMP command has returned")         \
    X(TRACE_QMP_EVENT, "monitor_protocol_event_emit", "a QMP event, before it is sent")    \
    X(TRACE_RUNSTATE, "runstate_set", "the machine is in another state")                   \
    X(TRACE_MIGRATE_STATE, "migrate_set_state", "a migration is in another state")         \
    X(TRACE_DEVICE_REALIZE, "qdev_realize", "a device is there from now on")               \
    X(TRACE_DEVICE_UNREALIZE, "qdev_unrealize", "a device goes")                           \
    X(TRACE_MHP_WRITE, "mhp_acpi_write", "the guest writes to a memory hot-plug register") \
    X(TRACE_MHP_READ, "mhp_acpi_read", "the guest reads one")                              \
    X(TRACE_GPE_SET, "acpi_gpe_set", "a general-purpose event becomes pending, or not")    \
    X(TRACE_OST, "acpi_ost", "the guest tells by _OST what it did with a device")          \
    X(TRACE_BLK_REQUEST, "blk_request", "a request of a device or job to a drive begins")  \
    X(TRACE_BLK_DONE, "blk_request_done", "and is done")                                   \
    X(TRACE_VIRTIO_STATUS, "virtio_set_status", "a driver writes the status of its device")

#define TRACE_CONSTANT(constant, name, help) constant,
typedef enum TraceEvent { TRACE_EVENTS(TRACE_CONSTANT) TRACE_EVENT_COUNT } TraceEvent;
#undef TRACE_CONSTANT

extern uint8_t trace_on[TRACE_EVENT_COUNT];

/* A load and a branch, and no call in builds without optimization either. */
#define trace_enabled(event) G_UNLIKELY(__atomic_load_n(&trace_on[event], __ATOMIC_RELAXED))

/* A line in the log: when, which event, and what @... says, without a newline. */
#define trace(event, ...)                    \
    do {                                     \
        if (trace_enabled(event)) {          \
            trace_print(event, __VA_ARGS__); \
        }                                    \
    } while (0)
void trace_print(TraceEvent event, const char *fmt, ...) G_GNUC_PRINTF(2, 3);

const char *trace_name(TraceEvent event);
/* Does @pattern, a name or one with * and ?, stand for @event? */
bool trace_matches(TraceEvent event, const char *pattern);
/* An error if @pattern is a name that no event has; one with * or ? may stand for nothing. */
bool trace_check(const char *pattern, GError **errp);
/* Turn those on or off that @pattern stands for; errors as above. */
bool trace_set(const char *pattern, bool on, GError **errp);
/* The events, a line each, for people; g_free. */
char *trace_list(void);

#endif

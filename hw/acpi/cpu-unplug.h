/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Plug and unplug of CPUs as transactions: what the registers of cpu-hotplug.h set off. The same
 * states, and the same record of a request, as DIMMs have (memory-unplug.h, docs/dimm-states.md);
 * docs/cpu-hotplug.md tells in what they differ. Machine lock for everything.
 *
 * Whatever the guest does here may come at any time, in any order and as often as it likes; an
 * empty place takes it too.
 */
#ifndef HW_ACPI_CPU_UNPLUG_H
#define HW_ACPI_CPU_UNPLUG_H

#include <json-c/json.h>

#include "hw/acpi/dimm-state.h"
#include "hw/core/device.h"
#include "hw/core/unplug.h"

typedef struct CpuHotplugSlot {
    /* wiring */
    struct CpuHotplugSlots *all;
    Device *cpu; /* borrowed; NULL: none is there */
    /* state */
    DimmState state;                 /* while there is a CPU */
    bool insert_event, remove_event; /* changed by cpu-unplug.c only, which notifies */
    bool firmware_remove;            /* the guest leaves the ejection to firmware */
    uint32_t ost_event, ost_status;  /* last written by the guest; 0 after a plug and a reset */
    bool ejecting; /* the guest gave it back, and its thread is about to end: gone for the guest */
    UnplugRecord unplug; /* kept when the place is empty */
} CpuHotplugSlot;

/* The places of a machine, by the CPU's index. */
typedef struct CpuHotplugSlots {
    /* state */
    CpuHotplugSlot *list;
    /* wiring */
    unsigned count;
    /* There is an event for the guest to look at (GPE ACPI_GPE_CPU_HOTPLUG), or none is left that
     * it has not taken. NULL: nobody wants to know. */
    void (*notify)(void *opaque, bool pending);
    void *notify_opaque;
} CpuHotplugSlots;

/* Make @slots.count places, in which nothing ever happened; and free them. */
void cpu_unplug_init(CpuHotplugSlots *slots);
void cpu_unplug_clear(CpuHotplugSlots *slots);

/* ---- what the machine's HotplugHandler calls ---- */

/* @cpu is now in place @n, which was empty; one that was hot-plugged gets an insert event. */
void cpu_unplug_plugged(CpuHotplugSlots *slots, unsigned n, Device *cpu);
/* HotplugHandler.unplug_request for the CPU in @slot: ask the guest. Asking again while a request
 * is pending notifies again. */
void cpu_unplug_request(CpuHotplugSlot *slot);
/* HotplugHandler.unplug: the CPU in place @n, if one is there, leaves it. */
void cpu_unplug_unplugged(CpuHotplugSlots *slots, unsigned n);

/* ---- what the guest does ---- */

/* The guest cleared the insert resp. remove event, which need not be set. */
void cpu_unplug_insert_acked(CpuHotplugSlot *slot);
void cpu_unplug_remove_acked(CpuHotplugSlot *slot);
/* The guest evaluated _EJ0: the CPU, if there is one, leaves the machine, asked for or not; the
 * bootstrap processor does not. A vCPU cannot wait for the end of another one's thread, so if one
 * asks for this the main loop does it. */
void cpu_unplug_eject(CpuHotplugSlot *slot);
/* The guest evaluated _OST. Sends events; a refusal ends the request. */
void cpu_unplug_ost(CpuHotplugSlot *slot, uint32_t event, uint32_t status);

/* ---- what the machine does ---- */

/* Reset: the machine boots anew with the CPUs that it has. A pending request is withdrawn. */
void cpu_unplug_reset(CpuHotplugSlot *slot);

/* What of a place a snapshot keeps. */
extern const StateTable cpu_unplug_slot_state;

/* A place for users: {"slot", "device", "state", "unplug", "requested-ns", ...}. New reference. */
struct json_object *cpu_unplug_to_json(const CpuHotplugSlot *slot);

#endif

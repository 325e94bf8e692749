/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The CPU hot-plug register block: what the guest reads and writes. What it sets off is in
 * cpu-unplug.h. docs/cpu-hotplug.md is the specification. Machine lock for everything.
 *
 * After power-up the ports show the old interface, a bitmap of the APIC IDs that are there; a write
 * of 0 to the first of them switches to the registers below, for good.
 */
#ifndef HW_ACPI_CPU_HOTPLUG_H
#define HW_ACPI_CPU_HOTPLUG_H

#include "hw/acpi/cpu-unplug.h"
#include "hw/core/machine.h"
#include "memory/memory.h"

#define TYPE_CPU_HOTPLUG "acpi-cpu-hotplug"

/* I/O ports */
#define CPUHP_PORT_PC     0xaf00
#define CPUHP_PORT_Q35    0x0cd8
#define CPUHP_SIZE        0x0c
#define CPUHP_BITMAP_SIZE 0x20 /* the old interface */

/* Registers: offsets */
#define CPUHP_REG_SELECT  0x00 /* W: index of a CPU */
#define CPUHP_REG_DATA2   0x00 /* R: upper half of what CPUHP_REG_DATA has */
#define CPUHP_REG_FLAGS   0x04 /* R, W; one byte */
#define CPUHP_REG_COMMAND 0x05 /* W; one byte */
#define CPUHP_REG_DATA    0x08 /* R, W: as the command says */

/* Bits of CPUHP_REG_FLAGS. The event bits are cleared by writing one to them. */
#define CPUHP_ENABLED         (1u << 0)
#define CPUHP_INSERT          (1u << 1)
#define CPUHP_REMOVE          (1u << 2)
#define CPUHP_EJECT           (1u << 3) /* W */
#define CPUHP_FIRMWARE_REMOVE (1u << 4)

/* Commands */
enum {
    CPUHP_NEXT_EVENT = 0, /* select the next CPU with an event; CPUHP_REG_DATA has its index */
    CPUHP_OST_EVENT = 1,  /* what is written to CPUHP_REG_DATA is an _OST event */
    CPUHP_OST_STATUS = 2, /* and the status, which reports the pair */
    CPUHP_ARCH_ID = 3,    /* CPUHP_REG_DATA and CPUHP_REG_DATA2 have the APIC ID */
};

typedef struct CpuHotplug {
    Device parent;
    /* wiring */
    MemoryRegion region;
    Machine *machine;
    /* Does the guest's firmware do what CPUHP_FIRMWARE_REMOVE asks for? NULL: never. */
    bool (*firmware_ejects)(const Machine *machine);
    /* state */
    CpuHotplugSlots slots;
    bool modern; /* the registers are there, not the bitmap */
    uint32_t selector;
    uint8_t command;
    uint32_t ost_event, ost_status; /* registers that are being written */
} CpuHotplug;
OBJECT_CAST_DEFINE(CpuHotplug, CPU_HOTPLUG, TYPE_CPU_HOTPLUG)

/* Make, realize and map the block at @port of @io (memory_io()), for the places for CPUs of
 * @machine. @notify: as CpuHotplugSlots.notify. Owned by /machine/unattached. */
CpuHotplug *cpu_hotplug_create(Machine *machine, MemoryRegion *io, uint16_t port,
                               void (*notify)(void *opaque, bool pending), void *opaque);
/* The machine's block, or NULL. */
CpuHotplug *cpu_hotplug_of(const Machine *machine);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The machine "pc": what its parts (ACPI tables, boot, wiring) know of each other.
 */
#ifndef HW_I386_PC_H
#define HW_I386_PC_H

#include "hw/acpi/memory-hotplug.h"
#include "hw/acpi/pm.h"
#include "hw/core/machine.h"
#include "hw/i386/linux-boot.h"
#include "hw/intc/i8259.h"
#include "hw/intc/ioapic.h"

#define TYPE_PC_MACHINE "pc-i440fx-7.2-machine"
#define PC_MACHINE(x)   ((PcMachine *)(x))

/* The last byte of the window below 4 GiB that PCI memory may use; above it are the I/O APIC, the
 * local APICs and the ROM. */
#define PC_PCI_HOLE_LAST 0xfebfffffu

typedef struct PcMachine {
    Machine parent;
    uint64_t below_4g, above_4g; /* boot RAM, bytes: from 0, and from 4 GiB */
    MemoryRegion ram_below, ram_above;
    RamBlock *rom;
    MemoryRegion rom_region; /* up to 4 GiB: the reset vector */
    I8259 *pic;
    Ioapic *ioapic;
    AcpiPm *pm;
    MemoryHotplug *memory_hotplug; /* NULL without slots */
    LinuxBoot *boot;               /* NULL without -kernel */
} PcMachine;

/* Split @size bytes of RAM: what is left out below 4 GiB follows from there. */
uint64_t pc_ram_below_4g(uint64_t size);

#endif

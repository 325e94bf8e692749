/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "pc-dimm": a DIMM, cold- or hot-plugged. Its memory is a memory backend; slot and address are
 * chosen when not given. Machine lock for everything.
 */
#ifndef HW_MEM_PC_DIMM_H
#define HW_MEM_PC_DIMM_H

#include "backends/host-memory-backend.h"
#include "hw/core/device.h"
#include "hw/core/machine.h"
#include "hw/mem/memory-device.h"

#define TYPE_PC_DIMM "pc-dimm"

#define PC_DIMM_SLOT_AUTO (-1)

typedef struct PcDimm {
    Device parent;
    /* configuration */
    Object *memdev; /* link<memory-backend>: cast with MEMORY_BACKEND(); set once realized */
    uint64_t addr;  /* guest-physical; 0 until chosen */
    int32_t slot;   /* PC_DIMM_SLOT_AUTO until chosen */
    uint32_t node;  /* NUMA node (proximity domain) */
    /* Cold-plugged, and in the memory map that the guest is given at boot, as RAM; else a guest
     * learns of it by ACPI only. It can be unplugged like any other. */
    bool boot;
} PcDimm;
OBJECT_CAST_DEFINE(PcDimm, PC_DIMM, TYPE_PC_DIMM)

/* Bytes that the guest sees; 0 if it has no memdev. */
uint64_t pc_dimm_size(const PcDimm *dimm);

/* The memory of a realized one; borrowed. */
RamBlock *pc_dimm_ram(const PcDimm *dimm);

/* Of a subtype's MemoryDeviceOps: place; and what describe tells, the caller's. */
void pc_dimm_place(Device *dev, hwaddr addr);
PCDIMMDeviceInfo *pc_dimm_info(const PcDimm *dimm);

/* What a machine's HotplugHandler for TYPE_PC_DIMM calls. pre_plug makes all checks and sets slot
 * and addr, where unset, on success; it changes nothing on failure. plug maps the memory and marks
 * the backend used. unplug undoes that and returns when no vCPU can reach the memory any more. */
bool pc_dimm_pre_plug(Machine *machine, Device *dev, GError **errp);
/* The same, of a subtype that takes read-only backends. */
bool pc_dimm_pre_plug_read_only(Machine *machine, Device *dev, GError **errp);
void pc_dimm_plug(Machine *machine, Device *dev);
void pc_dimm_unplug(Machine *machine, Device *dev);

/* Those of the plugged memory devices that are DIMMs, subtypes too, sorted by address: GPtrArray of
 * PcDimm *, borrowed elements; g_ptr_array_unref. */
GPtrArray *pc_dimm_list(const Machine *machine);

#endif

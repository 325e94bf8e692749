/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "nvdimm": a DIMM whose memory lasts. It is a "pc-dimm" in all that has to do with its place
 * (slot, address, node, backend); the guest learns of it not by the slots' registers but by NFIT
 * and the NVDIMM root device (hw/acpi/nvdimm-mailbox.h). It cannot be unplugged while the machine
 * runs.
 *
 * The last label_size bytes of the backend are the label area: not in the guest's memory, it reads
 * and writes them by methods. What is before, in whole multiples of MEMORY_DEVICE_ALIGN, is what
 * the guest sees as persistent memory. Machine lock for everything.
 */
#ifndef HW_MEM_NVDIMM_H
#define HW_MEM_NVDIMM_H

#include "hw/mem/pc-dimm.h"

#define TYPE_NVDIMM "nvdimm"

#define NVDIMM_LABEL_MIN 0x20000u /* the least size that an area of labels can have, but for 0 */

typedef struct Nvdimm {
    PcDimm parent;
    /* configuration */
    uint64_t label_size; /* bytes; 0: it has no labels */
    bool unarmed;        /* the guest is told that its writes may be lost */
    char *uuid;
    /* wiring */
    MemoryRegion memory;  /* the part of the backend that the guest sees */
    MemoryRegion discard; /* takes writes to it where the backend is read-only */
} Nvdimm;
OBJECT_CAST_DEFINE(Nvdimm, NVDIMM, TYPE_NVDIMM)

/* What a machine's HotplugHandler for TYPE_NVDIMM calls, like those of hw/mem/pc-dimm.h; unplug is
 * that of a pc-dimm. */
bool nvdimm_pre_plug(Machine *machine, Device *dev, GError **errp);
void nvdimm_plug(Machine *machine, Device *dev);

/* The plugged one in @slot, or NULL. */
Nvdimm *nvdimm_in_slot(const Machine *machine, uint32_t slot);

/* @size bytes of the label area from @offset on. False: they are not all in it; for a write also:
 * the backend is read-only. */
bool nvdimm_read_labels(const Nvdimm *nv, uint64_t offset, void *buf, uint64_t size);
bool nvdimm_write_labels(Nvdimm *nv, uint64_t offset, const void *buf, uint64_t size);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The mailbox of the NVDIMM root device: a page of registers by which the methods of ACPI's NVDIMM
 * devices (hw/i386/acpi-nvdimm.c) read and write labels, and get the firmware interface table of
 * what is plugged now. docs/nvdimm.md is the specification. Nothing in it is an address of the
 * guest's memory, and firmware has nothing to set up. Machine lock for everything.
 */
#ifndef HW_ACPI_NVDIMM_MAILBOX_H
#define HW_ACPI_NVDIMM_MAILBOX_H

#include "hw/core/device.h"
#include "hw/core/machine.h"
#include "memory/memory.h"

#define TYPE_NVDIMM_MAILBOX "acpi-nvdimm"

#define NVDIMM_MAILBOX_ADDR 0xfef10000u
#define NVDIMM_MAILBOX_SIZE 0x1000u

/* Registers of 32 bits: offsets in the page. */
enum {
    NVDIMM_REG_HANDLE = 0x0,
    NVDIMM_REG_OFFSET = 0x4,
    NVDIMM_REG_LENGTH = 0x8,
    NVDIMM_REG_COMMAND = 0xc, /* a write carries it out; reads give its status */
    NVDIMM_REG_DATA = 0x10,
    NVDIMM_DATA_SIZE = 0x800, /* bytes */
};

typedef enum NvdimmCommand {
    NVDIMM_CMD_INFO = 1,  /* OFFSET: bytes of labels; LENGTH: the most bytes a transfer has */
    NVDIMM_CMD_READ = 2,  /* LENGTH bytes of labels from OFFSET on to DATA */
    NVDIMM_CMD_WRITE = 3, /* the same from DATA */
    NVDIMM_CMD_FIT = 4,   /* the table from OFFSET on to DATA; LENGTH: how many bytes; 0: its end */
    NVDIMM_CMD_TAKE = 5,  /* the guest has heard that something was plugged */
    /* LENGTH bytes to DATA: what Intel's "Get SMART and Health Info" gives after the status */
    NVDIMM_CMD_HEALTH = 6,
} NvdimmCommand;

/* As Intel's NVDIMM DSM interface has them, but for the last. */
typedef enum NvdimmStatus {
    NVDIMM_STATUS_OK = 0,
    NVDIMM_STATUS_UNKNOWN_COMMAND = 1,
    NVDIMM_STATUS_NO_DEVICE = 2,
    NVDIMM_STATUS_BAD_INPUT = 3,
    NVDIMM_STATUS_FIT_CHANGED = 0x100, /* since OFFSET 0 was read: begin again */
} NvdimmStatus;

typedef struct NvdimmMailbox {
    Device parent;
    /* wiring */
    MemoryRegion region;
    Machine *machine;
    uint32_t capabilities; /* for nfit_structures() */
    void (*notify)(void *opaque, bool pending);
    void *notify_opaque;
    /* state */
    uint32_t handle, offset, length, status;
    uint8_t data[NVDIMM_DATA_SIZE];
    bool fit_changed; /* since the guest began to read it */
    bool pending;     /* plugged, and not heard of yet */
} NvdimmMailbox;
OBJECT_CAST_DEFINE(NvdimmMailbox, NVDIMM_MAILBOX, TYPE_NVDIMM_MAILBOX)

/* Make, realize and map it in @memory (memory_system()). @capabilities: NFIT_*. @notify is called
 * with whether there is something for the guest to take. Owned by /machine/unattached. */
NvdimmMailbox *nvdimm_mailbox_create(Machine *machine, MemoryRegion *memory, uint32_t capabilities,
                                     void (*notify)(void *opaque, bool pending), void *opaque);

/* After nvdimm_plug(): the table has changed, and of one that is hot-plugged the guest is told. */
void nvdimm_mailbox_plugged(NvdimmMailbox *box, const Device *dev);

#endif

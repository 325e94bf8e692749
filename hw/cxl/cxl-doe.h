/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Data Object Exchange (PCI Express Base 6.0, sections 6.30 and 7.9.24): a mailbox in configuration
 * space, by which software finds out which protocols there are, and reads a CDAT. Machine lock.
 */
#ifndef HW_CXL_CXL_DOE_H
#define HW_CXL_CXL_DOE_H

#include "hw/pci/pci.h"

#define CXL_DOE_REQUEST 16 /* double words that a request may have */

/* Part of a function's structure. */
typedef struct CxlDoe {
    uint32_t request[CXL_DOE_REQUEST];
    uint32_t written; /* of it; more than CXL_DOE_REQUEST: too many */
    GBytes *reply;    /* NULL: none */
    uint32_t read;    /* bytes of it that software has taken */
    /* wiring */
    PciDevice *dev;
    unsigned at;
    GPtrArray *(*table)(void *opaque); /* the CDAT, for the caller to unref */
    void *opaque;
} CxlDoe;

extern const StateTable cxl_doe_state;

/* For the realize of @dev, after its other extended capabilities. */
void cxl_doe_add(CxlDoe *doe, PciDevice *dev, GPtrArray *(*table)(void *opaque), void *opaque);
/* And for unrealize. */
void cxl_doe_remove(CxlDoe *doe);
void cxl_doe_reset(CxlDoe *doe);
/* For the function's PciFunctionClass. */
void cxl_doe_reading(CxlDoe *doe, unsigned offset, unsigned size);
void cxl_doe_written(CxlDoe *doe, unsigned offset, unsigned size);

#endif

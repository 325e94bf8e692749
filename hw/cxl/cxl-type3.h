/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cxl-type3: a CXL memory device (Compute Express Link 3.0). Its addresses (DPA) begin with
 * volatile memory, if it has some; behind that is what lasts. Registers: type 0 header, MSI-X,
 * DVSECs, DOE; BAR 0 are component registers, BAR 2 device registers with the mailbox
 * (hw/cxl/cxl-mailbox.h). Machine lock.
 */
#ifndef HW_CXL_CXL_TYPE3_H
#define HW_CXL_CXL_TYPE3_H

#include "backends/host-memory-backend.h"
#include "hw/cxl/cxl-component.h"
#include "hw/cxl/cxl-doe.h"
#include "hw/cxl/cxl-events.h"
#include "hw/pci/pci.h"

#define TYPE_CXL_TYPE3 "cxl-type3"

/* Its vectors: those of event logs first. */
enum { CXL_VECTOR_EVENTS = 0, CXL_VECTORS = CXL_VECTOR_EVENTS + CXL_EVENT_LOGS };

typedef struct CxlType3 {
    PciDevice parent;
    CxlComponent component;
    CxlDoe doe;
    uint8_t registers[CXL_DEVICE_SIZE]; /* BAR 2 */
    CxlLog logs[CXL_EVENT_LOGS];
    CxlPoisonList poison;
    bool timestamp_set;
    uint64_t timestamp;   /* that was set, ns */
    int64_t timestamp_at; /* when: of the virtual clock */
    /* configuration */
    Object *memdev;          /* property: as persistent, by its old name */
    Object *persistent;      /* property "persistent-memdev"; or NULL */
    Object *volatile_memory; /* property "volatile-memdev"; or NULL */
    Object *labels;          /* property "lsa"; NULL: there is no label storage area */
    uint64_t serial;         /* property "sn"; UINT64_MAX: none */
    char *cdat;              /* file with the table; NULL: made */
    /* wiring */
    GPtrArray *entries;  /* of that file, GBytes */
    MemoryRegion memory; /* all of it, by its own addresses */
    MemoryRegion device; /* BAR 2 */
    unsigned dvsec;      /* that of the device */
} CxlType3;
OBJECT_CAST_DEFINE(CxlType3, CXL_TYPE3, TYPE_CXL_TYPE3)

/* Bytes of its parts. */
uint64_t cxl_type3_volatile_size(const CxlType3 *s);
uint64_t cxl_type3_persistent_size(const CxlType3 *s);
static inline uint64_t cxl_type3_size(const CxlType3 *s)
{
    return cxl_type3_volatile_size(s) + cxl_type3_persistent_size(s);
}
/* Its label storage area; NULL: none. */
HostMemoryBackend *cxl_type3_labels(const CxlType3 *s);

/* Its own address of what @addr is to the host, if its decoders, and its settings, let the access
 * in. *@run becomes the bytes from there on that go the same way, if that is less, and
 * *@interleaved true if others take turns with it. */
bool cxl_type3_decode(const CxlType3 *s, hwaddr addr, uint64_t *dpa, uint64_t *run,
                      bool *interleaved);
/* [@dpa, @dpa + @size), within one part; what is outside reads as ones. */
void cxl_type3_read(CxlType3 *s, uint64_t dpa, void *buf, unsigned size);
void cxl_type3_write(CxlType3 *s, uint64_t dpa, const void *buf, unsigned size);

/* The time as the device knows it; 0: nobody has set it. */
uint64_t cxl_type3_timestamp(const CxlType3 *s);
/* Something happened: into the log, and tell the guest if it wants. */
void cxl_type3_event(CxlType3 *s, CxlEventLog log, const uint8_t record[CXL_EVENT_BYTES]);

#endif

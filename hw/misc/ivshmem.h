/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the functions with memory that is shared with others have in common: registers in BAR 0, and
 * whether the contents go with the machine. Machine lock.
 */
#ifndef HW_MISC_IVSHMEM_H
#define HW_MISC_IVSHMEM_H

#include "hw/pci/pci.h"

#define TYPE_IVSHMEM "ivshmem-common"

enum { IVSHMEM_REGISTERS_BAR = 0, IVSHMEM_MSIX_BAR = 1, IVSHMEM_MEMORY_BAR = 2 };
enum { IVSHMEM_RING = 12 }; /* a register: the peer's number, and its vector */

typedef struct Ivshmem {
    PciDevice parent;
    /* configuration */
    int master; /* this machine takes the contents with it when it moves */
    /* wiring */
    MemoryRegion registers;
    uint32_t position; /* the number by which others call it; 0: they do not */
    void (*ring)(struct Ivshmem *s, unsigned peer,
                 unsigned vector); /* NULL: there is no doorbell */
    /* state */
    uint32_t mask, status; /* of interrupts by a pin, of which there are none */
} Ivshmem;
OBJECT_CAST_DEFINE(Ivshmem, IVSHMEM, TYPE_IVSHMEM)

extern const StateTable ivshmem_state; /* of each of them, by the common part */

/* For realize, when nothing fails any more: BAR 0, and BAR 2 with @memory. */
void ivshmem_add(Ivshmem *s, MemoryRegion *memory);
/* Undoes it, for unrealize. */
void ivshmem_remove(Ivshmem *s);
/* Bytes of the memory are a power of 2, as a PCI function needs it? @what names it in the error. */
bool ivshmem_check_size(const char *what, uint64_t size, GError **errp);

#define IVSHMEM_CLASS(REALIZE, UNREALIZE)                                                       \
    {                                                                                           \
        .device = { PCI_DEVICE_CLASS_CORE, .category = "misc",                                  \
                    .flags = DEVICE_USER_CREATABLE | DEVICE_HOTPLUG, .state = &ivshmem_state }, \
        .realize = (REALIZE), .unrealize = (UNREALIZE), .reset = ivshmem_reset,                 \
        .loaded = ivshmem_loaded,                                                               \
    }
void ivshmem_reset(PciDevice *dev);
void ivshmem_loaded(PciDevice *dev);

#endif

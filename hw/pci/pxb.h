/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Expander bridges: each gives the machine one more PCI root bus, with a number of its own, which
 * may be near a NUMA node. It shares configuration space, addresses and interrupt lines with the
 * root bus that the expander is on: there is no bridge between them, and operating systems learn of
 * it from ACPI only (hw/i386/acpi-pci-roots.c). Machine lock.
 */
#ifndef HW_PCI_PXB_H
#define HW_PCI_PXB_H

#include "hw/pci/pci-bridge.h"

#define TYPE_PXB_BASE "base-pxb"

typedef struct Pxb {
    PciDevice parent;
    PciBus *bus; /* a child */
    /* wiring */
    PciBridge *bridge; /* of a pxb: the child "bridge" */
    /* configuration */
    uint8_t number;
    uint16_t node;
} Pxb;
OBJECT_CAST_DEFINE(Pxb, PXB, TYPE_PXB_BASE)

extern const StateTable pxb_state;

/* For types' PciFunctionClass. */
#define PXB_CLASS(state_table)                                                               \
    .device = { PCI_DEVICE_CLASS_CORE, .category = "bridge", .flags = DEVICE_USER_CREATABLE, \
                .state = (state_table) },                                                    \
    .root_only = true
/* For types' realize: are its number and its node possible? Then make the bus @name of @type. */
bool pxb_check(const Pxb *s, GError **errp);
bool pxb_add_bus(Pxb *s, const char *type, const char *name, GError **errp);
/* And for their unrealize. */
void pxb_drop_bus(Pxb *s);
/* What it is called: its id, else @prefix and the bus number. g_free. */
char *pxb_bus_name(const Pxb *s, const char *prefix);

#define PXB_NO_NODE 128 /* property numa_node: near none */

/* The NUMA node of @root, a bus that an expander gives; PXB_NO_NODE: none. */
uint16_t pxb_node(const PciBus *root);

#endif

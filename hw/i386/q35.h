/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The machine "q35": a PCI Express board, MCH and ICH9, with ACPI. */
#ifndef HW_I386_Q35_H
#define HW_I386_Q35_H

#include "hw/i386/smi.h"
#include "hw/i386/x86.h"
#include "hw/pci/ich9-lpc.h"

#define TYPE_Q35_MACHINE "pc-q35-machine" /* abstract: see versions.h */

typedef struct Q35Machine {
    X86Machine parent;
    Ich9Lpc *lpc;
    SmiFeatures *smi; /* NULL: none are offered */
} Q35Machine;
OBJECT_CAST_DEFINE(Q35Machine, Q35_MACHINE, TYPE_Q35_MACHINE)

#endif

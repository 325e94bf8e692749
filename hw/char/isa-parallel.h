/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A parallel port as PCs have it (IEEE 1284 in compatibility mode, with the direction bit of
 * bidirectional ports), with a printer that takes what the guest strobes out: the bytes go to a
 * character device. Machine lock for everything.
 */
#ifndef HW_CHAR_ISA_PARALLEL_H
#define HW_CHAR_ISA_PARALLEL_H

#include "chardev/chardev.h"
#include "hw/core/device.h"

#define TYPE_ISA_PARALLEL  "isa-parallel"
#define ISA_PARALLELS      3 /* LPT1 to LPT3 */
#define ISA_PARALLEL_PORTS 3 /* of each */

/* Make and realize the port with this @index (below ISA_PARALLELS), whose printer is @chr
 * (borrowed). NULL with @errp set. */
Device *isa_parallel_create(unsigned index, Chardev *chr, GError **errp);
/* For the tables that tell the guest: is there a port with this @index, and where? */
bool isa_parallel_find(unsigned index, unsigned *port, unsigned *irq);

#endif

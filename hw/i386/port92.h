/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * System control port A, 0x92: fast reset (bit 0) and fast A20 (bit 1, kept and without effect: the
 * A20 line is always on). Machine lock.
 */
#ifndef HW_I386_PORT92_H
#define HW_I386_PORT92_H

#include "hw/core/device.h"
#include "memory/memory.h"

#define TYPE_PORT92 "port92"

/* Make it, with its port in @io. Belongs to the device tree. */
void port92_create(MemoryRegion *io);

#endif

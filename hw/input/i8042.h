/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The 8042 keyboard controller, ports 0x60 and 0x64, with a keyboard whose keys the monitor presses
 * (hw/input/ps2-keyboard.h), and a mouse (hw/input/ps2-mouse.h). Guests also use it for reset
 * (pulse of output bit 0) and the A20 bit. Machine lock for everything.
 */
#ifndef HW_INPUT_I8042_H
#define HW_INPUT_I8042_H

#include "hw/core/device.h"
#include "hw/core/irq.h"
#include "memory/memory.h"

#define TYPE_I8042 "i8042"

typedef struct I8042 I8042;
OBJECT_CAST_DEFINE(I8042, I8042_DEVICE, TYPE_I8042)

/* Make it, with its ports in @io; the lines are ISA IRQ 1 and 12. Belongs to the device tree. */
I8042 *i8042_create(MemoryRegion *io, Irq keyboard, Irq mouse);
/* Let the mouse send a packet, if its driver wants any: there is news elsewhere (VMware's mouse).
 */
void i8042_nudge_mouse(I8042 *s);

#endif

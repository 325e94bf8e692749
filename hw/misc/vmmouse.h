/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VMware's mouse: a pointer with places, whose driver reads its packets at VMware's port (vmport.h)
 * when the PS/2 mouse sends one of its own. A packet is four words of 32 bits: flags with the
 * buttons, x, y, and the wheel. The driver first enables it, which puts its version into the queue,
 * and then asks for places or moves. Machine lock for everything.
 */
#ifndef HW_MISC_VMMOUSE_H
#define HW_MISC_VMMOUSE_H

#include "hw/core/device.h"
#include "hw/input/i8042.h"

/* Make and realize it; its driver is told of news by way of @i8042's mouse. There is a vmport.
 * Belongs to the device tree. */
Device *vmmouse_create(I8042 *i8042);

#endif

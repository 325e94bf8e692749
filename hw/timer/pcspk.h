/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The speaker of a PC, as it sounds: a square wave of counter 2 of the 8254, while port 0x61 lets
 * it through. Machine lock for everything.
 */
#ifndef HW_TIMER_PCSPK_H
#define HW_TIMER_PCSPK_H

#include "hw/timer/i8254.h"

#define TYPE_PCSPK "isa-pcspk"

/* Let what @pit plays be heard by the -audiodev @audiodev; an error if there is none of the name.
 */
bool pcspk_create(I8254 *pit, const char *audiodev, GError **errp);

#endif

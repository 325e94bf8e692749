/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hard disks at a PC's first IDE channel in its CMOS RAM, where systems and firmware of old look,
 * and how the BIOS translates the geometry of all four. Machine lock. */
#ifndef HW_I386_CMOS_DISKS_H
#define HW_I386_CMOS_DISKS_H

#include "hw/rtc/mc146818.h"

/* Those that are there now; of a machine without such channels, none. */
void cmos_disks_set(Mc146818 *rtc);

#endif

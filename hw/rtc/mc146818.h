/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The MC146818 real-time clock with 128 bytes of CMOS RAM (Motorola MC146818 data sheet; PC use of
 * the RAM: ports 0x70 and 0x71). It starts with the host's time, in UTC, and counts virtual time;
 * what the host's clock does beside that, while the machine stands or when it is set, is added, if
 * it is to go by that (MC146818_CLOCK). When the guest sets it, the event RTC_CHANGE tells by how
 * much. Machine lock for everything.
 */
#ifndef HW_RTC_MC146818_H
#define HW_RTC_MC146818_H

#include "hw/core/device.h"
#include "hw/core/irq.h"
#include "memory/memory.h"

#define TYPE_MC146818 "mc146818rtc"

#define MC146818_IRQ 8

/* Property: "discard", or "slew": each periodic interrupt for which the guest had no time comes
 * later, as soon as it took the one before. */
#define MC146818_LOST_TICK_POLICY "lost_tick_policy"

/* Property, RtcClock: "host", "rt" or "vm". Under qtest all are "vm". */
#define MC146818_CLOCK "clock"

/* The byte of the RAM by which firmware knows why the processor was reset; the one that says: S3
 * has ended. */
#define CMOS_SHUTDOWN    0x0f
#define CMOS_SHUTDOWN_S3 0xfe

typedef struct Mc146818 Mc146818;
OBJECT_CAST_DEFINE(Mc146818, MC146818, TYPE_MC146818)

/* Make it, with ports 0x70 and 0x71 in @io; @irq is ISA IRQ 8. Belongs to the device tree. */
Mc146818 *mc146818_create(MemoryRegion *io, Irq irq);
/* From now on call @fn(@opaque) whenever the clock comes to the alarm that the guest has enabled.
 */
void mc146818_set_alarm(Mc146818 *rtc, void (*fn)(void *opaque), void *opaque);
/* The RAM at @index, 14-127. The clock's own registers (below 14, and the century, 0x32) are left
 * alone. */
void mc146818_cmos_set(Mc146818 *rtc, unsigned index, uint8_t value);
uint8_t mc146818_cmos_get(const Mc146818 *rtc, unsigned index); /* 0-127 */
/* The memory sizes that firmware leaves in the RAM: boot RAM below and above 4 GiB, in bytes. */
void mc146818_set_memory(Mc146818 *rtc, uint64_t below_4g, uint64_t above_4g);
/* Set the clock to @seconds since 1970 UTC. */
void mc146818_set_time(Mc146818 *rtc, int64_t seconds);
/* Those that were still to come do not come any more. */
void mc146818_forget_lost_ticks(Mc146818 *rtc);
/* The machine's; borrowed; NULL if it has none. */
Mc146818 *mc146818_find(void);

#endif

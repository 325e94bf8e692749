/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The clocks of the machine run at the same time. The bounds are wide: a busy host may take the
 * processor away between two reads, never for half of the interval. */
#include "runtime.h"

#define INTERVAL_MS 200

static volatile unsigned rtc_ticks;

static void on_rtc(Frame *frame)
{
    (void)frame;
    rtc_ticks++;
    out8(0x70, 0x0c);
    (void)in8(0x71);
    pic_eoi(8);
}

static unsigned pit_latch(void)
{
    unsigned low;

    out8(0x43, 0x80); /* latch counter 2 */
    low = in8(0x42);
    return low | (unsigned)in8(0x42) << 8;
}

static bool about(unsigned found, unsigned wanted)
{
    return found > wanted / 2 && found < wanted * 2;
}

/* The PIT's counter 2 goes round in 55 ms: an interval in which the host took the processor away
 * for longer says nothing, and another is measured. */
static bool pit_runs_with_pm_timer(void)
{
    out8(0x61, (in8(0x61) & ~2) | 1); /* gate open, speaker off */
    out8(0x43, 0xb4);                 /* counter 2, mode 2, both bytes */
    out8(0x42, 0);
    out8(0x42, 0);
    for (unsigned i = 0; i < 100; i++) {
        uint64_t begin = pm_ns();
        unsigned count = pit_latch(), us;

        wait_ms(20);
        count = (count - pit_latch()) & 0xffff;
        us = (unsigned)(pm_ns() - begin) / 1000;
        if (us < 50000) {
            return about(count, us * 1193 / 1000);
        }
    }
    return false;
}

/* Ticks that find the one before unanswered are lost, and a busy host can make the guest lose many:
 * another interval is measured. */
static bool rtc_runs_with_pm_timer(void)
{
    for (unsigned i = 0; i < 10; i++) {
        rtc_ticks = 0;
        irq_enable();
        wait_ms(2 * INTERVAL_MS);
        irq_disable();
        if (about(rtc_ticks, 128 * 2 * INTERVAL_MS / 1000)) {
            return true;
        }
    }
    return false;
}

/* Ticks of the APIC's timer in a millisecond, over about @ms of them by the PM timer: a busy host
 * makes more of it. */
static unsigned apic_rate(unsigned ms)
{
    uint64_t begin = pm_ns();
    uint32_t start = apic_read(APIC_TIMER_CURRENT);

    wait_ms(ms);
    start -= apic_read(APIC_TIMER_CURRENT);
    return start / ((unsigned)(pm_ns() - begin) / 1000000);
}

/* The rate does not depend on how long it is measured. */
static bool apic_runs_with_pm_timer(void)
{
    for (unsigned i = 0; i < 10; i++) {
        unsigned rate = apic_rate(INTERVAL_MS / 2);

        if (about(apic_rate(INTERVAL_MS), rate)) {
            return true;
        }
    }
    return false;
}

void guest_main(void)
{
    check(pit_runs_with_pm_timer(), "PIT against the PM timer");

    pic_init();
    handlers[PIC_VECTOR(8)] = on_rtc;
    apic_enable();
    apic_write(APIC_LVT_LINT0, 0x700);
    out8(0x70, 0x0a);
    out8(0x71, 0x29); /* 128 Hz */
    out8(0x70, 0x0b);
    out8(0x71, 0x42);
    out8(0x70, 0x0c);
    (void)in8(0x71);
    pic_unmask(8);
    check(rtc_runs_with_pm_timer(), "RTC against the PM timer");

    apic_write(APIC_TIMER_DIVIDE, 0x3); /* by 16 */
    apic_write(APIC_LVT_TIMER, 0x10000);
    apic_write(APIC_TIMER_INITIAL, 0xffffffff);
    check(apic_runs_with_pm_timer(), "APIC timer against the PM timer");
}

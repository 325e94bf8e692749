/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The local APIC's timer (SDM vol. 3 section 11.5.4). The count is never stored: it follows from
 * when the counter was started. The host timer is armed only for what can interrupt.
 */
#include "hw/intc/apic-internal.h"
#include "util/clock.h"
#include "util/timer.h"

enum {
    MODE_ONE_SHOT = 0,
    MODE_PERIODIC = 1,
    MODE_DEADLINE = 2,
};

/* A guest that asks for a shorter period gets interrupts at this distance; the count that it reads
 * is exact. */
#define MIN_PERIOD (20 * NS_PER_US)

/* Far beyond any time that a clock reaches. */
#define FAR_NS (1ll << 61)

static unsigned timer_mode(const Apic *apic)
{
    return apic->lvt[LVT_TIMER] >> LVT_TIMER_MODE_SHIFT & 3;
}

/* log2 of the divisor: bits 3, 1, 0 are 000 for 2 ... 110 for 128, 111 for 1. */
static unsigned timer_shift(uint32_t divide)
{
    return ((divide & 3) + (divide >> 1 & 4) + 1) & 7;
}

static int64_t timer_period(const Apic *apic)
{
    return (int64_t)apic->initial_count << timer_shift(apic->divide);
}

/* Arm for the first expiry of the counter after @now. */
static void timer_arm(Apic *apic, int64_t now)
{
    int64_t period = timer_period(apic), expiry = apic->timer_start + period;

    if (!period || apic->lvt[LVT_TIMER] & LVT_MASKED || timer_mode(apic) > MODE_PERIODIC) {
        timer_del(apic->timer);
        return;
    }
    if (expiry <= now) {
        if (timer_mode(apic) == MODE_ONE_SHOT) {
            return; /* over; or pending still, and the main loop will run it */
        }
        expiry += (now - expiry) / period * period + period;
        expiry = MAX(expiry, now + MIN_PERIOD);
    }
    timer_mod(apic->timer, expiry);
}

static uint64_t timer_tsc(const Apic *apic)
{
    return (uint64_t)clock_ns() + (uint64_t)apic->cpu->msr.tsc_offset;
}

/* Fire or arm for the deadline. */
static void timer_check_deadline(Apic *apic)
{
    uint64_t tsc = timer_tsc(apic);

    if (!apic->tsc_deadline) {
        timer_del(apic->timer);
    } else if (apic->tsc_deadline <= tsc) {
        apic->tsc_deadline = 0;
        timer_del(apic->timer);
        apic_local_event(apic, LVT_TIMER);
    } else {
        uint64_t distance = MIN(apic->tsc_deadline - tsc, (uint64_t)FAR_NS);

        timer_mod(apic->timer, clock_ns() + (int64_t)distance);
    }
}

static void timer_fired(void *opaque)
{
    Apic *apic = opaque;

    if (timer_mode(apic) == MODE_DEADLINE) {
        timer_check_deadline(apic);
        return;
    }
    apic_local_event(apic, LVT_TIMER);
    if (timer_mode(apic) == MODE_PERIODIC) {
        timer_arm(apic, clock_ns());
    }
}

void apic_timer_set_count(Apic *apic, uint32_t count)
{
    if (timer_mode(apic) == MODE_DEADLINE) {
        return;
    }
    apic->initial_count = count;
    apic->timer_start = clock_ns();
    timer_arm(apic, apic->timer_start);
}

uint32_t apic_timer_count(const Apic *apic)
{
    int64_t elapsed, count = apic->initial_count;

    if (!count || timer_mode(apic) > MODE_PERIODIC) {
        return 0;
    }
    elapsed = (clock_ns() - apic->timer_start) >> timer_shift(apic->divide);
    if (timer_mode(apic) == MODE_PERIODIC) {
        return count - elapsed % count;
    }
    return elapsed >= count ? 0 : count - elapsed;
}

void apic_timer_load(Apic *apic, uint32_t initial, uint32_t count, uint32_t divide)
{
    apic->initial_count = initial;
    apic->divide = divide & 0xb;
    apic->timer_start = clock_ns() - ((int64_t)(initial - count) << timer_shift(apic->divide));
}

void apic_timer_resume(Apic *apic)
{
    if (timer_mode(apic) == MODE_DEADLINE) {
        timer_check_deadline(apic); /* also if it is armed: for another TSC perhaps */
    } else if (!timer_pending(apic->timer)) {
        timer_arm(apic, clock_ns());
    }
}

void apic_timer_set_divide(Apic *apic, uint32_t value)
{
    uint32_t count = apic_timer_count(apic);
    int64_t now = clock_ns();

    apic->divide = value & 0xb;
    if (count) {
        /* Go on from the present count at the new rate. */
        apic->timer_start =
            now - ((int64_t)(apic->initial_count - count) << timer_shift(apic->divide));
        timer_arm(apic, now);
    }
}

void apic_timer_set_lvt(Apic *apic, uint32_t value)
{
    unsigned old_mode = timer_mode(apic);

    apic->lvt[LVT_TIMER] = value;
    if ((timer_mode(apic) == MODE_DEADLINE) != (old_mode == MODE_DEADLINE)) {
        apic->initial_count = 0;
        apic->tsc_deadline = 0;
    }
    if (timer_mode(apic) != MODE_DEADLINE) {
        timer_arm(apic, clock_ns());
    }
}

void apic_timer_set_deadline(Apic *apic, uint64_t tsc)
{
    if (timer_mode(apic) == MODE_DEADLINE) {
        apic->tsc_deadline = tsc;
        timer_check_deadline(apic);
    }
}

uint64_t apic_timer_deadline(const Apic *apic)
{
    return apic->tsc_deadline;
}

void apic_timer_init(Apic *apic)
{
    apic->timer = timer_new(timer_fired, apic);
}

void apic_timer_reset(Apic *apic)
{
    apic->divide = apic->initial_count = 0;
    apic->timer_start = 0;
    apic->tsc_deadline = 0;
    timer_del(apic->timer);
}

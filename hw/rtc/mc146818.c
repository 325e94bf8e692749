/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The time is a second (base_seconds) that began at a known virtual time (base_ns); registers and
 * flags are computed from these when they are read. A host timer runs only while an interrupt is
 * enabled.
 *
 * There is one divider chain, 15 bits that count the 32768 Hz of the oscillator. A second begins
 * when its highest bit rises, so when it counts to 16384; the periodic interrupt is at the rising
 * edges of another bit (DIVIDER_LEAD_NS). Both have the divider's phase, whatever is written when.
 */
#include "hw/rtc/mc146818.h"

#include <string.h>
#include <time.h>

#include "hw/core/irq-lines.h"
#include "hw/core/runstate.h"
#include "qapi/qapi-events.h"
#include "util/clock.h"
#include "util/timer.h"

enum {
    SECONDS = 0x00,
    SECONDS_ALARM = 0x01,
    MINUTES = 0x02,
    MINUTES_ALARM = 0x03,
    HOURS = 0x04,
    HOURS_ALARM = 0x05,
    DAY_OF_WEEK = 0x06,
    DAY = 0x07,
    MONTH = 0x08,
    YEAR = 0x09,
    REG_A = 0x0a,
    REG_B = 0x0b,
    REG_C = 0x0c,
    REG_D = 0x0d,
    RAM = 0x0e,
    CENTURY = 0x32,
    CMOS_SIZE = 128,
};

enum {
    A_UIP = 0x80,
    A_DIVIDER = 0x70,
    A_DIVIDER_TEST = 0x30, /* from here on: tests of the chip and, from 0x60, divider reset */
    A_RATE = 0x0f,
    A_DEFAULT = 0x26, /* 32768 Hz divider, 1024 Hz rate */
    B_SET = 0x80,
    B_PIE = 0x40,
    B_AIE = 0x20,
    B_UIE = 0x10,
    B_BINARY = 0x04,
    B_24H = 0x02,
    C_IRQF = 0x80,
    C_PF = 0x40, /* each flag has its enable's place in B */
    C_AF = 0x20,
    C_UF = 0x10,
    D_VALID = 0x80,
    HOUR_PM = 0x80,
    ALARM_ANY = 0xc0, /* an alarm byte with both bits matches everything */
};

/* Two clocks of the host may differ by that much before one follows the other. */
#define LEEWAY_NS         (10 * NS_PER_MS)
#define OSCILLATOR_HZ     32768
#define DIVIDER_LEAD_NS   (NS_PER_SEC / 2) /* at the begin of a second since the count of 0 */
#define UIP_NS            (244 * NS_PER_US)
#define DAY_SECONDS       86400
#define CENTURY_REG_OK(i) ((i) <= YEAR || (i) == CENTURY)

/* What becomes of periodic interrupts for which the guest had no time. */
typedef enum LostTickPolicy { LOST_TICK_DISCARD, LOST_TICK_SLEW } LostTickPolicy;

static const char *const lost_tick_policies[] = { "discard", "slew", NULL };

struct Mc146818 {
    Device parent;
    uint8_t cmos[CMOS_SIZE]; /* time registers are current only while the clock stands */
    uint8_t index;
    int64_t base_seconds; /* since 1970 UTC; a guest may choose any year of four digits */
    int64_t base_ns;      /* clock_ns() when that second began; while the clock stands: a second */
    int64_t checked;      /* rtc_now() up to which the flags in REG_C are right */
    int64_t host_seconds, host_ns; /* as base_..., but what it would be without the guest */
    uint64_t lost_ticks;           /* periodic interrupts that are still to come: LOST_TICK_SLEW */
    uint64_t saved_host_ns;        /* as met_host_ns, when it was saved; 0: it was not */
    Timer *timer;
    /* derived: at clock_ns() == met_ns (-1: not yet) it was met_host_ns by the clock it goes by */
    int64_t met_ns, met_host_ns;
    /* configuration */
    int clock;            /* RtcClock */
    int lost_tick_policy; /* LostTickPolicy */
    /* wiring */
    Irq irq;
    MemoryRegion ports;
    void (*alarm)(void *opaque); /* NULL: nobody else is told */
    void *alarm_opaque;
};

/* Nanoseconds since base_seconds. */
static int64_t rtc_now(const Mc146818 *s)
{
    return clock_ns() - s->base_ns;
}

static int64_t rtc_seconds(const Mc146818 *s)
{
    return s->base_seconds + rtc_now(s) / NS_PER_SEC;
}

/* It is @fraction ns after @seconds now. */
static void rtc_start(Mc146818 *s, int64_t seconds, int64_t fraction)
{
    s->base_seconds = seconds;
    s->base_ns = clock_ns() - fraction;
    s->checked = fraction;
}

/* The same, by the host: what the guest's changes are told against. */
static void rtc_start_by_host(Mc146818 *s, int64_t seconds, int64_t fraction)
{
    rtc_start(s, seconds, fraction);
    s->host_seconds = s->base_seconds;
    s->host_ns = s->base_ns;
}

/* Seconds that the guest has set it ahead, to the nearest one. */
static int64_t rtc_offset(const Mc146818 *s)
{
    int64_t later = s->host_ns - s->base_ns + NS_PER_SEC / 2;
    int64_t whole = later / NS_PER_SEC - (later % NS_PER_SEC < 0);

    return s->base_seconds - s->host_seconds + whole;
}

/* ---- the clock that it goes by ---- */

static int64_t rtc_host_ns(const Mc146818 *s)
{
    return s->clock == RTC_CLOCK_RT ? clock_host_ns() : g_get_real_time() * NS_PER_US;
}

static void rtc_meet_host(Mc146818 *s)
{
    s->met_ns = clock_ns();
    s->met_host_ns = rtc_host_ns(s);
}

/* Does nothing but the virtual clock count? Under qtest there is no other. */
static bool rtc_is_virtual(const Mc146818 *s)
{
    return s->clock == RTC_CLOCK_VM || clock_is_stepped();
}

/* How far that clock has got ahead of the virtual one since they last met, or since this one was
 * saved; then they meet. */
static int64_t rtc_host_ahead(Mc146818 *s)
{
    int64_t ahead;

    if (s->met_ns < 0) {
        s->met_ns = clock_ns();
        s->met_host_ns = s->clock == RTC_CLOCK_HOST && s->saved_host_ns ? (int64_t)s->saved_host_ns
                                                                        : rtc_host_ns(s);
    }
    ahead = rtc_host_ns(s) - s->met_host_ns - (clock_ns() - s->met_ns);
    if (ABS(ahead) < LEEWAY_NS) {
        return 0;
    }
    rtc_meet_host(s);
    return ahead;
}

/* Does the divider count? Of the three time bases that register A names this chip has one, which is
 * used for all; while it is reset, or under one of the chip's tests, nothing is counted. */
static bool rtc_divider_runs(const Mc146818 *s)
{
    return (s->cmos[REG_A] & A_DIVIDER) < A_DIVIDER_TEST;
}

/* Are there no updates: do the registers stand? */
static bool rtc_stands(const Mc146818 *s)
{
    return s->cmos[REG_B] & B_SET || !rtc_divider_runs(s);
}

/* ---- time and registers ---- */

static uint8_t rtc_encode(const Mc146818 *s, int value)
{
    return s->cmos[REG_B] & B_BINARY ? value : value / 10 << 4 | value % 10;
}

static int rtc_decode(const Mc146818 *s, uint8_t value)
{
    return s->cmos[REG_B] & B_BINARY ? value : (value >> 4) * 10 + (value & 0xf);
}

static uint8_t rtc_encode_hour(const Mc146818 *s, int hour)
{
    if (s->cmos[REG_B] & B_24H) {
        return rtc_encode(s, hour);
    }
    return rtc_encode(s, hour % 12 ? hour % 12 : 12) | (hour >= 12 ? HOUR_PM : 0);
}

static int rtc_decode_hour(const Mc146818 *s, uint8_t value)
{
    if (s->cmos[REG_B] & B_24H) {
        return rtc_decode(s, value);
    }
    return rtc_decode(s, value & ~HOUR_PM) % 12 + (value & HOUR_PM ? 12 : 0);
}

/* Write the time at @seconds into the registers. */
static void rtc_store_time(Mc146818 *s, int64_t seconds)
{
    time_t t = seconds;
    struct tm tm;
    int year;

    if (!gmtime_r(&t, &tm)) {
        return;
    }
    year = MAX(tm.tm_year + 1900, 0);
    s->cmos[SECONDS] = rtc_encode(s, tm.tm_sec);
    s->cmos[MINUTES] = rtc_encode(s, tm.tm_min);
    s->cmos[HOURS] = rtc_encode_hour(s, tm.tm_hour);
    s->cmos[DAY_OF_WEEK] = rtc_encode(s, tm.tm_wday + 1);
    s->cmos[DAY] = rtc_encode(s, tm.tm_mday);
    s->cmos[MONTH] = rtc_encode(s, tm.tm_mon + 1);
    s->cmos[YEAR] = rtc_encode(s, year % 100);
    s->cmos[CENTURY] = rtc_encode(s, year / 100 % 100);
}

/* The time that the registers say; timegm() makes sense of any values. */
static int64_t rtc_load_time(const Mc146818 *s)
{
    struct tm tm = {
        .tm_sec = rtc_decode(s, s->cmos[SECONDS]),
        .tm_min = rtc_decode(s, s->cmos[MINUTES]),
        .tm_hour = rtc_decode_hour(s, s->cmos[HOURS]),
        .tm_mday = rtc_decode(s, s->cmos[DAY]),
        .tm_mon = rtc_decode(s, s->cmos[MONTH]) - 1,
        .tm_year = rtc_decode(s, s->cmos[CENTURY]) * 100 + rtc_decode(s, s->cmos[YEAR]) - 1900,
    };

    return timegm(&tm);
}

/* ---- flags and the interrupt ---- */

/* Counts of the divider in one period of the periodic interrupt; 0: off. */
static int64_t rtc_period(const Mc146818 *s)
{
    unsigned rate = s->cmos[REG_A] & A_RATE;

    if (!rate || !rtc_divider_runs(s)) {
        return 0;
    }
    rate = rate < 3 ? rate + 7 : rate; /* 3.9 and 7.8 ms with this divider */
    return 1 << (rate - 1);
}

/* What the divider has counted at @now, as of rtc_now(), without its overflows taken off. */
static int64_t rtc_divider(int64_t now)
{
    now += DIVIDER_LEAD_NS;
    return now / NS_PER_SEC * OSCILLATOR_HZ + now % NS_PER_SEC * OSCILLATOR_HZ / NS_PER_SEC;
}

/* When it has counted to @count. */
static int64_t rtc_divider_at(int64_t count)
{
    return count / OSCILLATOR_HZ * NS_PER_SEC +
           (count % OSCILLATOR_HZ * NS_PER_SEC + OSCILLATOR_HZ - 1) / OSCILLATOR_HZ -
           DIVIDER_LEAD_NS;
}

/* Periodic interrupts up to @now: the rising edges of the divider's bit that has this period. */
static int64_t rtc_edges(int64_t now, int64_t period)
{
    return (rtc_divider(now) + period / 2) / period;
}

static bool rtc_alarm_byte(const Mc146818 *s, unsigned reg, uint8_t now)
{
    return (s->cmos[reg] & ALARM_ANY) == ALARM_ANY || s->cmos[reg] == now;
}

static bool rtc_alarm_at(const Mc146818 *s, int64_t seconds)
{
    int of_day = (int)((seconds % DAY_SECONDS + DAY_SECONDS) % DAY_SECONDS);

    return rtc_alarm_byte(s, SECONDS_ALARM, rtc_encode(s, of_day % 60)) &&
           rtc_alarm_byte(s, MINUTES_ALARM, rtc_encode(s, of_day / 60 % 60)) &&
           rtc_alarm_byte(s, HOURS_ALARM, rtc_encode_hour(s, of_day / 3600));
}

/* @periods came to an end since the last look: how many interrupts are one too many for C_PF? */
static void rtc_count_lost(Mc146818 *s, uint64_t periods)
{
    if (s->lost_tick_policy == LOST_TICK_SLEW && s->cmos[REG_B] & B_PIE) {
        s->lost_ticks += s->cmos[REG_C] & C_PF ? periods : periods - 1;
    }
}

/* The guest took an interrupt: the next that it missed comes at once. */
static void rtc_repeat_lost(Mc146818 *s)
{
    if (s->lost_ticks && s->lost_tick_policy == LOST_TICK_SLEW) {
        s->lost_ticks--;
        s->cmos[REG_C] |= C_PF;
    }
}

static void rtc_alarm(Mc146818 *s)
{
    s->cmos[REG_C] |= C_AF;
    if (s->cmos[REG_B] & B_AIE && s->alarm) {
        s->alarm(s->alarm_opaque);
    }
}

/* Seconds began between the last look and @now. */
static void rtc_check_seconds(Mc146818 *s, int64_t now)
{
    int64_t second = now / NS_PER_SEC, last = s->checked / NS_PER_SEC;

    if (second > last && !rtc_stands(s)) {
        s->cmos[REG_C] |= C_UF;
        last = MAX(last, second - DAY_SECONDS); /* an alarm that matches does so within a day */
        while (last < second && !(s->cmos[REG_C] & C_AF)) {
            if (rtc_alarm_at(s, s->base_seconds + ++last)) {
                rtc_alarm(s);
            }
        }
    }
    s->checked = now;
}

/* Set the flags of what happened since the last look. */
static void rtc_check(Mc146818 *s)
{
    int64_t now = rtc_now(s), period = rtc_period(s);

    if (now <= s->checked) {
        return;
    }
    if (period && rtc_edges(now, period) != rtc_edges(s->checked, period)) {
        rtc_count_lost(s, (uint64_t)(rtc_edges(now, period) - rtc_edges(s->checked, period)));
        s->cmos[REG_C] |= C_PF;
    }
    rtc_check_seconds(s, now);
}

/* Set the interrupt line and arm the timer for the next flag that may interrupt. */
static void rtc_update(Mc146818 *s)
{
    uint8_t enabled = s->cmos[REG_B] & (B_PIE | B_AIE | B_UIE);
    int64_t now = rtc_now(s), next = INT64_MAX, period = rtc_period(s);

    if (s->cmos[REG_C] & enabled) {
        s->cmos[REG_C] |= C_IRQF;
    }
    irq_set(&s->irq, !!(s->cmos[REG_C] & C_IRQF));

    if (s->cmos[REG_C] & C_IRQF) {
        /* Nothing more can interrupt until REG_C is read; the alarm may wake all the same. */
        enabled &= s->cmos[REG_C] & C_AF ? 0 : B_AIE;
    }
    if (enabled & B_PIE && period) {
        next = rtc_divider_at(rtc_edges(now, period) * period + period / 2);
    }
    if (enabled & (B_AIE | B_UIE) && !rtc_stands(s)) {
        next = MIN(next, (now / NS_PER_SEC + 1) * NS_PER_SEC);
    }
    if (next == INT64_MAX) {
        timer_del(s->timer);
    } else {
        timer_mod(s->timer, next + s->base_ns);
    }
}

/* If the clock that it goes by has made a leap, make it, too: seconds, and an alarm, count as if
 * they had passed, but periodic interrupts do not. */
static void rtc_follow_host(Mc146818 *s)
{
    int64_t ahead = rtc_is_virtual(s) ? 0 : rtc_host_ahead(s);

    if (ahead && !rtc_stands(s)) {
        rtc_check(s);
        s->base_ns -= ahead;
        s->host_ns -= ahead;
        rtc_check_seconds(s, rtc_now(s));
        rtc_update(s);
    }
}

static void rtc_timer(void *opaque)
{
    Mc146818 *s = opaque;

    rtc_follow_host(s);
    rtc_check(s);
    rtc_update(s);
}

static void machine_starts(void *opaque)
{
    rtc_follow_host(opaque);
}

/* ---- ports ---- */

static uint8_t rtc_read_reg(Mc146818 *s, unsigned reg)
{
    int64_t now = rtc_now(s);
    bool stands = rtc_stands(s);
    uint8_t value;

    if (CENTURY_REG_OK(reg) && !stands) {
        rtc_store_time(s, rtc_seconds(s));
    } else if (reg == REG_A && !stands && now % NS_PER_SEC >= NS_PER_SEC - UIP_NS) {
        return s->cmos[REG_A] | A_UIP;
    } else if (reg == REG_C) {
        rtc_check(s);
        rtc_update(s);
        value = s->cmos[REG_C];
        s->cmos[REG_C] = 0;
        irq_set(&s->irq, 0); /* an edge for each */
        rtc_repeat_lost(s);
        rtc_update(s);
        return value;
    }
    return s->cmos[reg];
}

/* The guest has set the clock: the time is in the registers; the divider is what says when the next
 * second begins. */
static void rtc_set_by_guest(Mc146818 *s)
{
    g_autofree char *path = object_path(OBJECT(s));

    rtc_start(s, rtc_load_time(s), rtc_now(s) % NS_PER_SEC);
    qapi_event_send_rtc_change(rtc_offset(s), path ? path : "");
}

/* Registers A and B: the clock may stop or go on, and the divider may come out of its reset. Its
 * first second is over when half of the divider has been counted. */
static void rtc_write_control(Mc146818 *s, unsigned reg, uint8_t value)
{
    bool stood = rtc_stands(s), ran = rtc_divider_runs(s);

    if (!stood) {
        rtc_store_time(s, rtc_seconds(s));
    }
    s->cmos[reg] = value;
    if (rtc_divider_runs(s) && !ran) {
        rtc_start(s, rtc_seconds(s), DIVIDER_LEAD_NS);
    }
    if (stood && !rtc_stands(s)) {
        rtc_set_by_guest(s);
    }
}

static void rtc_write_reg(Mc146818 *s, unsigned reg, uint8_t value)
{
    bool is_time =
        CENTURY_REG_OK(reg) && reg != SECONDS_ALARM && reg != MINUTES_ALARM && reg != HOURS_ALARM;

    rtc_check(s);
    if (reg == REG_A) {
        s->lost_ticks = (s->cmos[REG_A] ^ value) & A_RATE ? 0 : s->lost_ticks;
        rtc_write_control(s, reg, value & ~A_UIP);
    } else if (reg == REG_B) {
        s->lost_ticks = value & B_PIE ? s->lost_ticks : 0;
        rtc_write_control(s, reg, value & B_SET ? value & ~B_UIE : value);
    } else if (reg == REG_C || reg == REG_D) {
        return;
    } else if (is_time && !rtc_stands(s)) {
        rtc_store_time(s, rtc_seconds(s));
        s->cmos[reg] = value;
        rtc_set_by_guest(s);
    } else {
        s->cmos[reg] = value;
    }
    rtc_update(s);
}

static uint64_t rtc_port_read(void *opaque, hwaddr addr, unsigned size)
{
    Mc146818 *s = opaque;

    if (addr != 1) {
        return 0xff;
    }
    rtc_follow_host(s);
    return rtc_read_reg(s, s->index);
}

static void rtc_port_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    Mc146818 *s = opaque;

    if (addr == 1) {
        rtc_follow_host(s);
        rtc_write_reg(s, s->index, value);
    } else {
        s->index = value & (CMOS_SIZE - 1);
    }
}

static const MemoryRegionOps rtc_ops = { rtc_port_read, rtc_port_write, 1, 1 };

/* ---- for the board ---- */

void mc146818_set_alarm(Mc146818 *s, void (*fn)(void *opaque), void *opaque)
{
    s->alarm = fn;
    s->alarm_opaque = opaque;
}

void mc146818_cmos_set(Mc146818 *s, unsigned index, uint8_t value)
{
    if (index >= RAM && index < CMOS_SIZE && index != CENTURY) {
        s->cmos[index] = value;
    }
}

uint8_t mc146818_cmos_get(const Mc146818 *s, unsigned index)
{
    return index < CMOS_SIZE ? s->cmos[index] : 0;
}

/* @size in units of @unit, at most what two bytes hold, at both of the places (0: only one). */
static void rtc_set_size(Mc146818 *s, uint64_t size, uint64_t unit, unsigned at, unsigned also_at)
{
    uint16_t n = MIN(size / unit, 0xffff);

    for (unsigned i = 0; i < 2; i++) {
        mc146818_cmos_set(s, at + i, n >> (8 * i));
        mc146818_cmos_set(s, also_at ? also_at + i : 0, n >> (8 * i));
    }
}

void mc146818_set_memory(Mc146818 *s, uint64_t below_4g, uint64_t above_4g)
{
    const uint64_t kib = 1024, mib = 1024 * kib, blocks = MIN(above_4g / (64 * kib), 0xffffff);

    rtc_set_size(s, MIN(below_4g, 640 * kib), kib, 0x15, 0);
    rtc_set_size(s, below_4g > mib ? below_4g - mib : 0, kib, 0x17, 0x30);
    rtc_set_size(s, below_4g > 16 * mib ? below_4g - 16 * mib : 0, 64 * kib, 0x34, 0);
    for (unsigned i = 0; i < 3; i++) {
        mc146818_cmos_set(s, 0x5b + i, blocks >> (8 * i));
    }
}

void mc146818_set_time(Mc146818 *s, int64_t seconds)
{
    rtc_start_by_host(s, seconds, 0);
    rtc_store_time(s, seconds);
    rtc_update(s);
}

void mc146818_forget_lost_ticks(Mc146818 *s)
{
    rtc_check(s); /* those that nobody has looked at yet, too */
    s->lost_ticks = 0;
}

Mc146818 *mc146818_find(void)
{
    return MC146818(object_find_type(TYPE_MC146818));
}

/* ---- the device: a battery keeps the RAM and the time; a reset only stops interrupts ---- */

static void rtc_reset(Device *dev)
{
    Mc146818 *s = MC146818(dev);

    s->cmos[REG_B] &= ~(B_PIE | B_AIE | B_UIE);
    s->cmos[REG_C] = 0;
    s->lost_ticks = 0;
    s->index = 0;
    rtc_update(s);
}

static bool rtc_realize(Device *dev, GError **errp)
{
    Mc146818 *s = MC146818(dev);
    int64_t real_time = g_get_real_time();

    s->timer = timer_new(rtc_timer, s);
    s->cmos[REG_A] = A_DEFAULT;
    s->cmos[REG_B] = B_24H;
    s->cmos[REG_D] = D_VALID;
    rtc_start_by_host(s, real_time / G_USEC_PER_SEC, real_time % G_USEC_PER_SEC * NS_PER_US);
    rtc_meet_host(s);
    runstate_add_start(machine_starts, s);
    return true;
}

static void rtc_unrealize(Device *dev)
{
    runstate_remove_start(machine_starts, dev);
    timer_free(MC146818(dev)->timer);
}

static void rtc_pre_save(void *obj)
{
    Mc146818 *s = obj;

    s->saved_host_ns = rtc_is_virtual(s) ? 0 : (uint64_t)MAX(g_get_real_time() * NS_PER_US, 0);
}

static bool rtc_loaded(void *obj, GError **errp)
{
    Mc146818 *s = obj;

    s->met_ns = -1;
    return true;
}

static const StateField rtc_fields[] = {
    STATE_UINTS(Mc146818, cmos),
    STATE_UINT_MAX(Mc146818, index, CMOS_SIZE - 1),
    STATE_INT(Mc146818, base_seconds),
    STATE_INT(Mc146818, base_ns),
    STATE_INT(Mc146818, checked),
    STATE_INT(Mc146818, host_seconds),
    STATE_INT(Mc146818, host_ns),
    STATE_UINT(Mc146818, lost_ticks),
    STATE_TIMER(Mc146818, timer),
    STATE_UINT_MAX_SINCE(Mc146818, saved_host_ns, INT64_MAX / 2, 2),
    {},
};

static const StateTable rtc_state = {
    .name = "mc146818",
    .version = 2,
    .oldest = 1,
    .fields = rtc_fields,
    .pre_save = rtc_pre_save,
    .post_load = rtc_loaded,
};

static const DeviceClass rtc_device_ops = {
    .category = "misc",
    .realize = rtc_realize,
    .unrealize = rtc_unrealize,
    .reset = rtc_reset,
    .state = &rtc_state,
};

/* Nothing that has passed is made up for. */
static bool clock_chosen(Object *obj, const Property *prop, struct json_object *value,
                         GError **errp)
{
    if (obj) {
        MC146818(obj)->met_ns = -1;
        MC146818(obj)->saved_host_ns = 0;
    }
    return true;
}

static const Property rtc_properties[] = {
    { .name = MC146818_LOST_TICK_POLICY,
      .kind = PROP_ENUM,
      .offset = offsetof(Mc146818, lost_tick_policy),
      .has_default = true,
      .default_int = LOST_TICK_DISCARD,
      .enum_names = lost_tick_policies,
      .live = true,
      .description = "what becomes of periodic interrupts for which the guest had no time" },
    { .name = MC146818_CLOCK,
      .kind = PROP_ENUM,
      .offset = offsetof(Mc146818, clock),
      .has_default = true,
      .default_int = RTC_CLOCK_HOST,
      .enum_names = RtcClock_lookup,
      .live = true,
      .check = clock_chosen,
      .description = "which clock it goes by" },
    { 0 },
};

static const ObjectType rtc_type = {
    .name = TYPE_MC146818,
    .parent = TYPE_DEVICE,
    .description = "MC146818 real-time clock and CMOS RAM",
    .instance_size = sizeof(Mc146818),
    .properties = rtc_properties,
    .ops = &rtc_device_ops,
};
OBJECT_TYPE_REGISTER(rtc_type)

static const IrqLines mc146818_lines[] = {
    { .type = TYPE_MC146818, .out = true, .offset = offsetof(Mc146818, irq), .count = 1 },
    {},
};
IRQ_LINES_REGISTER(mc146818_lines)

Mc146818 *mc146818_create(MemoryRegion *io, Irq irq)
{
    Mc146818 *s = MC146818(device_new_onboard(TYPE_MC146818));

    s->irq = irq;
    device_realize(&s->parent, NULL);
    memory_region_init_io(&s->ports, &rtc_ops, s, "rtc", 2);
    s->ports.coalesced_size = 1; /* the index: it counts only when the data port is accessed */
    device_map(&s->parent, io, 0x70, &s->ports, 0);
    return s;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a guest reads is computed from clock_ns(); a host timer runs only for an armed comparator.
 */
#include "hw/timer/hpet.h"

#include "hw/core/irq-lines.h"
#include "hw/timer/lost-ticks.h"
#include "util/clock.h"
#include "util/timer.h"

/* Registers, of 64 bits each (section 2.3.1). */
enum {
    CAPABILITIES = 0x00,
    CONFIG = 0x10,
    STATUS = 0x20,
    COUNTER = 0xf0,
    TIMERS = 0x100,
    TIMER_STRIDE = 0x20,
    TIMER_CONFIG = 0x00,
    TIMER_COMPARATOR = 0x08,
};

#define CONFIG_ENABLE   0x1u
#define CONFIG_LEGACY   0x2u
#define CONFIG_WRITABLE (CONFIG_ENABLE | CONFIG_LEGACY)

/* Timer configuration (section 2.3.8). */
#define T_LEVEL        (1u << 1)
#define T_ENABLE       (1u << 2)
#define T_PERIODIC     (1u << 3)
#define T_PERIODIC_CAP (1u << 4)
#define T_64BIT_CAP    (1u << 5)
#define T_SET_VALUE    (1u << 6)
#define T_32BIT        (1u << 8)
#define T_ROUTE_SHIFT  9
#define T_ROUTE_MASK   0x1fu
#define T_WRITABLE \
    (T_LEVEL | T_ENABLE | T_PERIODIC | T_SET_VALUE | T_32BIT | T_ROUTE_MASK << T_ROUTE_SHIFT)
#define T_CAPABILITIES \
    ((uint64_t)((1u << HPET_ROUTES) - 1) << HPET_FIRST_ROUTE << 32 | T_PERIODIC_CAP | T_64BIT_CAP)

#define TICK_NS     (NS_PER_SEC / HPET_HZ)
#define FS_PER_TICK (UINT64_C(1000000) * TICK_NS)
/* A guest that asks for a shorter period gets interrupts at this distance; counts are exact. */
#define MIN_PERIOD_NS (20 * NS_PER_US)
/* A match further away than this (30 years) is never. */
#define FARTHEST_TICKS (UINT64_C(1) << 57)

typedef struct HpetTimer {
    /* wiring */
    Hpet *hpet;
    unsigned n;
    /* state */
    uint32_t config;
    uint64_t comparator, period; /* period: what was last written to the comparator */
    uint64_t due;                /* while armed: full tick count of the match */
    bool asserted;               /* level-triggered: its bit in STATUS */
    Timer *timer;
} HpetTimer;

struct Hpet {
    Device parent;
    uint32_t config;
    uint64_t stopped_at; /* the counter while it is disabled */
    uint64_t offset;     /* added to the clock while it is enabled */
    HpetTimer timers[HPET_TIMERS];
    bool route_levels[HPET_ROUTES], legacy_levels[HPET_LEGACIES];
    bool inputs[HPET_LEGACIES]; /* levels of the 8254 and the RTC */
    LostTicks lost;             /* of timer 0, when it has the place of the 8254 */
    /* wiring */
    Irq routes[HPET_ROUTES], legacy[HPET_LEGACIES];
    MemoryRegion region;
};

/* ---- counting ---- */

static uint64_t hpet_counter(const Hpet *s)
{
    return s->config & CONFIG_ENABLE ? (uint64_t)(clock_ns() / TICK_NS) + s->offset : s->stopped_at;
}

static void hpet_set_counter(Hpet *s, uint64_t value)
{
    s->stopped_at = value;
    s->offset = value - (uint64_t)(clock_ns() / TICK_NS);
}

static uint64_t timer_mask(const HpetTimer *t)
{
    return t->config & T_32BIT ? UINT32_MAX : UINT64_MAX;
}

/* Arm for the next time after the counter's @now that it is equal to the comparator. Who has
 * computed the comparator from @now passes it on: time may have gone on past it since. */
static void timer_arm(HpetTimer *t, uint64_t now)
{
    const Hpet *s = t->hpet;
    uint64_t distance = ((t->comparator - now - 1) & timer_mask(t)) + 1; /* 0: 2^64 */
    int64_t expiry;

    timer_del(t->timer);
    if (!(s->config & CONFIG_ENABLE) || !(t->config & T_ENABLE) || distance - 1 > FARTHEST_TICKS) {
        return;
    }
    t->due = now + distance;
    expiry = (int64_t)(t->due - s->offset) * TICK_NS;
    if (t->config & T_PERIODIC) {
        expiry = MAX(expiry, clock_ns() + MIN_PERIOD_NS);
    }
    timer_mod(t->timer, expiry);
}

/* ---- interrupts ---- */

static bool timer_is_legacy(const HpetTimer *t)
{
    return t->hpet->config & CONFIG_LEGACY && t->n < HPET_LEGACIES;
}

/* Index into routes; -1 if the guest chose one that the capabilities do not offer. */
static int timer_route(const HpetTimer *t)
{
    uint32_t route = (t->config >> T_ROUTE_SHIFT & T_ROUTE_MASK) - HPET_FIRST_ROUTE;

    return route < HPET_ROUTES ? (int)route : -1;
}

static void line_set(const Irq *irq, bool *level, bool wanted)
{
    if (*level != wanted) {
        *level = wanted;
        irq_set(irq, wanted);
    }
}

/* Every line as the state says it. */
static void hpet_update_lines(Hpet *s)
{
    bool routes[HPET_ROUTES] = { false }, legacy[HPET_LEGACIES] = { false };

    for (unsigned i = 0; i < HPET_TIMERS; i++) {
        const HpetTimer *t = &s->timers[i];

        if (!t->asserted || !(t->config & T_ENABLE)) {
            continue;
        }
        if (timer_is_legacy(t)) {
            legacy[i] = true;
        } else if (timer_route(t) >= 0) {
            routes[timer_route(t)] = true;
        }
    }
    for (unsigned i = 0; i < HPET_ROUTES; i++) {
        line_set(&s->routes[i], &s->route_levels[i], routes[i]);
    }
    for (unsigned i = 0; i < HPET_LEGACIES; i++) {
        line_set(&s->legacy[i], &s->legacy_levels[i],
                 s->config & CONFIG_LEGACY ? legacy[i] : s->inputs[i]);
    }
}

static void hpet_fire(HpetTimer *t)
{
    const Hpet *s = t->hpet;

    if (t->config & T_LEVEL) {
        t->asserted = true;
        hpet_update_lines(t->hpet);
    } else if (timer_is_legacy(t)) {
        irq_pulse(&s->legacy[t->n]);
    } else if (timer_route(t) >= 0 && !s->route_levels[timer_route(t)]) {
        irq_pulse(&s->routes[timer_route(t)]);
    }
}

/* Does it give the edges that the 8254 would? */
static bool timer_is_tick(const HpetTimer *t)
{
    return t->n == HPET_LEGACY_PIT && timer_is_legacy(t) && !(t->config & T_LEVEL) &&
           t->config & T_PERIODIC;
}

void hpet_tick_taken(Hpet *s)
{
    HpetTimer *t = &s->timers[HPET_LEGACY_PIT];

    if (lost_ticks_taken(&s->lost) && timer_is_tick(t)) {
        hpet_fire(t);
    }
}

bool hpet_is_legacy(const Hpet *s)
{
    return s->config & CONFIG_LEGACY;
}

void hpet_make_up(Hpet *s, bool (*heard)(void *opaque), void *opaque)
{
    s->lost.heard = heard;
    s->lost.opaque = opaque;
}

static void timer_expired(void *opaque)
{
    HpetTimer *t = opaque;
    uint64_t now = hpet_counter(t->hpet);

    if (t->config & T_PERIODIC && t->period) {
        /* Matches that were missed meanwhile give no interrupts of their own, but for those of what
         * is the machine's timer. */
        uint64_t late = now - t->due, matches = late / t->period + 1;

        t->comparator = (t->comparator + matches * t->period) & timer_mask(t);
        if (timer_is_tick(t)) {
            lost_ticks_due(&t->hpet->lost, MIN(t->period, (uint64_t)NS_PER_SEC) * TICK_NS, matches);
        }
    }
    timer_arm(t, now);
    hpet_fire(t);
}

static void hpet_legacy_set(void *opaque, int n, int level)
{
    Hpet *s = opaque;

    s->inputs[n] = level;
    hpet_update_lines(s);
}

Irq hpet_legacy_input(Hpet *s, HpetLegacy which)
{
    return (Irq){ hpet_legacy_set, s, which };
}

/* ---- registers ---- */

static uint64_t timer_read(const HpetTimer *t, unsigned reg)
{
    switch (reg) {
    case TIMER_CONFIG:
        return T_CAPABILITIES | t->config;
    case TIMER_COMPARATOR:
        return t->comparator;
    }
    return 0;
}

static uint64_t hpet_status(const Hpet *s)
{
    uint64_t status = 0;

    for (unsigned i = 0; i < HPET_TIMERS; i++) {
        status |= (uint64_t)s->timers[i].asserted << i;
    }
    return status;
}

/* The register of 8 bytes at @reg. */
static uint64_t hpet_read_register(const Hpet *s, unsigned reg)
{
    unsigned n = (reg - TIMERS) / TIMER_STRIDE;

    switch (reg) {
    case CAPABILITIES:
        return FS_PER_TICK << 32 | HPET_BLOCK_ID;
    case CONFIG:
        return s->config;
    case STATUS:
        return hpet_status(s);
    case COUNTER:
        return hpet_counter(s);
    }
    return reg >= TIMERS && n < HPET_TIMERS ? timer_read(&s->timers[n], reg % TIMER_STRIDE) : 0;
}

static uint64_t hpet_read(void *opaque, hwaddr addr, unsigned size)
{
    return hpet_read_register(opaque, addr & ~7u) >> (addr & 7) * 8;
}

static void timer_write_config(HpetTimer *t, uint32_t value)
{
    t->config = value & T_WRITABLE;
    if (!(t->config & T_PERIODIC)) {
        t->config &= ~T_SET_VALUE;
    }
    if (!(t->config & T_LEVEL)) {
        t->asserted = false;
    }
    t->comparator &= timer_mask(t);
    t->period &= timer_mask(t);
    timer_arm(t, hpet_counter(t->hpet));
    hpet_update_lines(t->hpet);
}

/* Section 2.3.9.2.2: in periodic mode what is written is the period; the comparator itself, only
 * after T_SET_VALUE was written. */
static void timer_write_comparator(HpetTimer *t, uint64_t value, uint64_t mask)
{
    t->period = ((t->period & ~mask) | value) & timer_mask(t);
    if (!(t->config & T_PERIODIC) || t->config & T_SET_VALUE) {
        t->comparator = ((t->comparator & ~mask) | value) & timer_mask(t);
        t->config &= ~T_SET_VALUE;
    }
    timer_arm(t, hpet_counter(t->hpet));
}

static void hpet_write_config(Hpet *s, uint32_t value)
{
    uint64_t counter = hpet_counter(s);

    s->config = value & CONFIG_WRITABLE;
    hpet_set_counter(s, counter);
    for (unsigned i = 0; i < HPET_TIMERS; i++) {
        timer_arm(&s->timers[i], counter);
    }
    hpet_update_lines(s);
}

static void hpet_write_counter(Hpet *s, uint64_t value, uint64_t mask)
{
    uint64_t counter = (hpet_counter(s) & ~mask) | value;

    hpet_set_counter(s, counter);
    for (unsigned i = 0; i < HPET_TIMERS; i++) {
        timer_arm(&s->timers[i], counter);
    }
}

static void hpet_clear_status(Hpet *s, uint64_t value)
{
    for (unsigned i = 0; i < HPET_TIMERS; i++) {
        s->timers[i].asserted &= !(value >> i & 1);
    }
    hpet_update_lines(s);
}

/* Those bits of the register at @reg that are set in @mask become @value. */
static void hpet_write_register(Hpet *s, unsigned reg, uint64_t value, uint64_t mask)
{
    unsigned n = (reg - TIMERS) / TIMER_STRIDE;
    HpetTimer *t = reg >= TIMERS && n < HPET_TIMERS ? &s->timers[n] : NULL;

    if (reg != STATUS) {
        lost_ticks_forget(&s->lost);
    }
    switch (reg) {
    case CONFIG:
        hpet_write_config(s, (s->config & ~mask) | value);
        return;
    case STATUS:
        hpet_clear_status(s, value);
        return;
    case COUNTER:
        hpet_write_counter(s, value, mask);
        return;
    }
    if (t && reg % TIMER_STRIDE == TIMER_CONFIG) {
        timer_write_config(t, (t->config & ~mask) | value);
    } else if (t && reg % TIMER_STRIDE == TIMER_COMPARATOR) {
        timer_write_comparator(t, value, mask);
    }
}

static void hpet_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    unsigned shift = (addr & 7) * 8;
    uint64_t mask = UINT64_MAX >> (64 - 8 * size) << shift;

    hpet_write_register(opaque, addr & ~7u, value << shift & mask, mask);
}

static const MemoryRegionOps hpet_ops = { hpet_read, hpet_write, 4, 8 };

/* ---- the device ---- */

static void hpet_reset(Device *dev)
{
    Hpet *s = HPET(dev);

    s->config = 0;
    s->stopped_at = 0;
    lost_ticks_forget(&s->lost);
    for (unsigned i = 0; i < HPET_TIMERS; i++) {
        HpetTimer *t = &s->timers[i];

        t->config = 0;
        t->comparator = UINT64_MAX;
        t->period = 0;
        t->asserted = false;
        timer_del(t->timer);
    }
    hpet_update_lines(s);
}

static bool hpet_realize(Device *dev, GError **errp)
{
    Hpet *s = HPET(dev);

    for (unsigned i = 0; i < HPET_TIMERS; i++) {
        s->timers[i] = (HpetTimer){ .hpet = s, .n = i };
        s->timers[i].timer = timer_new(timer_expired, &s->timers[i]);
    }
    hpet_reset(dev);
    return true;
}

static void hpet_unrealize(Device *dev)
{
    Hpet *s = HPET(dev);

    for (unsigned i = 0; i < HPET_TIMERS; i++) {
        g_clear_pointer(&s->timers[i].timer, timer_free);
    }
}

static const StateField hpet_timer_fields[] = {
    STATE_UINT(HpetTimer, config),
    STATE_UINT(HpetTimer, comparator),
    STATE_UINT(HpetTimer, period),
    STATE_UINT(HpetTimer, due),
    STATE_BOOL(HpetTimer, asserted),
    STATE_TIMER(HpetTimer, timer),
    {},
};
static const StateTable hpet_timer_state = { .name = "hpet-timer",
                                             .version = 1,
                                             .fields = hpet_timer_fields };

static const StateField hpet_fields[] = {
    STATE_UINT(Hpet, config),
    STATE_UINT(Hpet, stopped_at),
    STATE_UINT(Hpet, offset),
    STATE_STRUCTS(Hpet, timers, &hpet_timer_state),
    STATE_BOOLS(Hpet, route_levels),
    STATE_BOOLS(Hpet, legacy_levels),
    STATE_BOOLS(Hpet, inputs),
    STATE_LOST_TICKS(Hpet, lost, 2),
    {},
};

static const StateTable hpet_state = {
    .name = "hpet", .version = 2, .oldest = 1, .fields = hpet_fields
};

static const DeviceClass hpet_device_ops = {
    .category = "misc",
    .realize = hpet_realize,
    .unrealize = hpet_unrealize,
    .reset = hpet_reset,
    .state = &hpet_state,
};

static const ObjectType hpet_type = {
    .name = TYPE_HPET,
    .parent = TYPE_DEVICE,
    .description = "High precision event timers",
    .instance_size = sizeof(Hpet),
    .ops = &hpet_device_ops,
};
OBJECT_TYPE_REGISTER(hpet_type)

static const IrqLines hpet_lines[] = {
    { .type = TYPE_HPET, .out = true, .offset = offsetof(Hpet, routes), .count = HPET_ROUTES },
    { .type = TYPE_HPET,
      .name = "legacy",
      .out = true,
      .offset = offsetof(Hpet, legacy),
      .count = HPET_LEGACIES },
    {},
};
IRQ_LINES_REGISTER(hpet_lines)

Hpet *hpet_create(MemoryRegion *memory, const Irq routes[HPET_ROUTES],
                  const Irq legacy[HPET_LEGACIES])
{
    Hpet *s = HPET(device_new_onboard(TYPE_HPET));

    for (unsigned i = 0; i < HPET_ROUTES; i++) {
        s->routes[i] = routes[i];
    }
    for (unsigned i = 0; i < HPET_LEGACIES; i++) {
        s->legacy[i] = legacy[i];
    }
    memory_region_init_io(&s->region, &hpet_ops, s, "hpet", HPET_SIZE);
    device_map(&s->parent, memory, HPET_BASE, &s->region, 1);
    device_realize(&s->parent, NULL); /* cannot fail */
    return s;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/timer/i8254.h"

#include "hw/core/irq-lines.h"
#include "hw/timer/lost-ticks.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/timer.h"

/* A guest that programs a shorter period gets interrupts at this distance; counts are exact. */
#define MIN_PERIOD (20 * NS_PER_US)

/* Port 0x61, bit 4 toggles at each memory refresh. */
#define REFRESH_NS 15085

/* How the bytes of a count are transferred (control word bits 5:4). */
enum {
    ACCESS_LATCH = 0,
    ACCESS_LOW = 1,
    ACCESS_HIGH = 2,
    ACCESS_BOTH = 3,
};

enum {
    PORT61_GATE = 0x01,
    PORT61_SPEAKER = 0x02,
    PORT61_WRITABLE = 0x0f,
    PORT61_REFRESH = 0x10,
    PORT61_OUT = 0x20,
};

typedef struct Counter {
    uint8_t mode, access; /* access: ACCESS_* but LATCH */
    bool bcd;
    bool gate;
    bool loaded;      /* a count was written since the control word */
    bool started;     /* counting; modes 1 and 5: after a trigger */
    bool stopped;     /* by the gate, or by half a new count in mode 0 */
    uint32_t initial; /* 1 to 65536 (10000 in BCD) */
    int64_t start;    /* ns: when it was last started */
    int64_t base;     /* ticks after start, when initial was loaded into the counting element */
    int64_t elapsed;  /* ns counted, while stopped */
    uint32_t next;    /* written while initial is counted; 0: none */
    int64_t next_at;  /* ticks after start: when next is loaded, in modes 2 and 3 */
    bool next_low;    /* mode 3: and for the low half of its period */
    uint8_t write_low;
    bool write_high_next, read_high_next;
    bool count_latched, status_latched;
    uint16_t latch;
    uint8_t status;
} Counter;

struct I8254 {
    Device parent;
    Counter counters[3];
    uint8_t port61;
    int irq_level;
    Timer *timer;
    LostTicks lost; /* of counter 0 */
    /* derived */
    int64_t due; /* when the timer is to expire; -1: it is not */
    /* wiring */
    Irq irq; /* OUT of counter 0 */
    MemoryRegion ports, speaker;
    void (*tone_changed)(void *opaque); /* NULL: nobody asks */
    void *tone_opaque;
};

/* ---- time ---- */

static int64_t ns_to_ticks(int64_t ns)
{
    return (int64_t)((__int128)ns * I8254_HZ / NS_PER_SEC);
}

/* The first nanosecond at which ns_to_ticks() gives @ticks. */
static int64_t ticks_to_ns(int64_t ticks)
{
    return (int64_t)(((__int128)ticks * NS_PER_SEC + I8254_HZ - 1) / I8254_HZ);
}

static bool counter_periodic(const Counter *c)
{
    return c->mode == 2 || c->mode == 3;
}

static int64_t counter_ticks(const Counter *c)
{
    return ns_to_ticks(c->stopped ? c->elapsed : clock_ns() - c->start) - c->base;
}

/* When it has counted @ticks. */
static int64_t counter_at(const Counter *c, int64_t ticks)
{
    return c->start + ticks_to_ns(c->base + ticks);
}

static uint32_t counter_span(const Counter *c)
{
    return c->bcd ? 10000 : 0x10000;
}

/* The counting element, 0-65535 (0-9999). */
static uint32_t counter_value(const Counter *c)
{
    int64_t ticks, n = c->initial;
    uint32_t span = counter_span(c);

    if (!c->started) {
        return n % span;
    }
    ticks = counter_ticks(c);
    if (c->mode == 3) {
        /* Counts by two, twice for each period; an odd count's first half is one tick longer. */
        int64_t pos = ticks % n, half = (n + 1) / 2;

        pos = pos >= half ? pos - half : pos;
        return ((n & ~1ll) - 2 * pos + span) % span;
    }
    ticks %= c->mode == 2 ? n : span;
    return (n - ticks + span) % span;
}

static bool counter_out(const Counter *c)
{
    int64_t ticks, n = c->initial;

    if (!c->started) {
        return c->mode != 0;
    }
    ticks = counter_ticks(c);
    switch (c->mode) {
    case 0:
    case 1:
        return ticks >= n;
    case 2:
        return !c->gate || ticks % n != n - 1;
    case 3:
        return !c->gate || ticks % n < (n + 1) / 2;
    default:
        return ticks != n;
    }
}

/* Modes 2 and 3: a new count does not disturb the cycle, or half of one, that is under way (82C54
 * data sheet, "Mode Definitions"). */
static void counter_load_later(Counter *c, uint32_t n)
{
    int64_t ticks, cycle, half = (c->initial + 1) / 2;

    c->next = n;
    ticks = counter_ticks(c);
    cycle = ticks / c->initial * c->initial;
    c->next_low = c->mode == 3 && ticks - cycle < half;
    c->next_at = c->base + cycle + (c->next_low ? half : c->initial);
}

/* Load what is due. */
static void counter_settle(Counter *c)
{
    if (!c->next || !counter_periodic(c) || c->stopped || counter_ticks(c) < c->next_at - c->base) {
        return;
    }
    c->initial = c->next;
    c->next = 0;
    c->base = c->next_at - (c->next_low ? (c->initial + 1) / 2 : 0);
}

/* To be done before a counter is looked at. */
static void i8254_settle(I8254 *s)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(s->counters); i++) {
        counter_settle(&s->counters[i]);
    }
}

/* ---- the interrupt of counter 0 ---- */

static void i8254_set_irq(I8254 *s, int level)
{
    if (level != s->irq_level) {
        s->irq_level = level;
        irq_set(&s->irq, level);
    }
}

/* Arm for the next rising edge of OUT. */
static void i8254_arm(I8254 *s)
{
    const Counter *c = &s->counters[0];
    int64_t now = clock_ns(), n = c->initial, expiry;

    timer_del(s->timer);
    if (!c->started || c->stopped) {
        return;
    }
    if (counter_periodic(c)) {
        if (c->next) {
            expiry = counter_at(c, c->next_at - c->base + (c->next_low ? c->next / 2 : 0));
        } else {
            expiry = counter_at(c, (counter_ticks(c) / n + 1) * n);
        }
        s->due = MAX(expiry, now + MIN_PERIOD);
        timer_mod(s->timer, s->due);
        return;
    }
    /* The strobe of modes 4 and 5 ends one tick after the count. */
    expiry = counter_at(c, n + (c->mode >= 4));
    if (expiry > now) {
        timer_mod(s->timer, expiry);
    }
}

/* An edge of the line, which is high between the ticks. */
static void i8254_tick(I8254 *s)
{
    i8254_set_irq(s, 0);
    i8254_set_irq(s, 1);
}

static void i8254_timer(void *opaque)
{
    I8254 *s = opaque;
    const Counter *c = &s->counters[0];
    int64_t late = clock_ns() - s->due, period;

    i8254_settle(s);
    if (counter_periodic(c)) {
        period = ticks_to_ns(c->initial);
        lost_ticks_due(&s->lost, period, 1 + (late > 0 ? late / period : 0));
    }
    i8254_tick(s);
    if (counter_periodic(c)) {
        i8254_arm(s);
    }
}

void i8254_tick_taken(I8254 *s)
{
    if (lost_ticks_taken(&s->lost)) {
        i8254_tick(s);
    }
}

/* ---- control ---- */

static void counter_start(Counter *c)
{
    c->initial = c->next ? c->next : c->initial;
    c->next = 0;
    c->base = 0;
    c->start = clock_ns();
    c->started = true;
    c->stopped = false;
}

static void counter_stop(Counter *c)
{
    if (c->started && !c->stopped) {
        c->elapsed = clock_ns() - c->start;
        c->stopped = true;
    }
}

static void counter_load(Counter *c, uint16_t value)
{
    uint32_t n = value;

    if (c->bcd) {
        n = (value >> 12) * 1000 + (value >> 8 & 0xf) * 100 + (value >> 4 & 0xf) * 10 +
            (value & 0xf);
        n %= 10000;
    }
    n = n ? n : counter_span(c);
    c->loaded = true;
    if (counter_periodic(c) && c->started) {
        counter_load_later(c, n);
        return;
    }
    c->next = n;
    if (c->mode == 1 || c->mode == 5) {
        return; /* they wait for the gate to rise */
    }
    counter_start(c);
    if (!c->gate) {
        counter_stop(c);
    }
}

static void counter_set_gate(Counter *c, bool gate)
{
    bool rising = gate && !c->gate;

    if (gate == c->gate) {
        return;
    }
    c->gate = gate;
    if (c->mode == 0 || c->mode == 4) {
        if (!gate) {
            counter_stop(c);
        } else if (c->stopped) {
            c->start = clock_ns() - c->elapsed;
            c->stopped = false;
        }
    } else if (rising && c->loaded) {
        counter_start(c);
    } else if (counter_periodic(c)) {
        counter_stop(c);
    }
}

static void counter_write(Counter *c, uint8_t value)
{
    switch (c->access) {
    case ACCESS_LOW:
        counter_load(c, value);
        break;
    case ACCESS_HIGH:
        counter_load(c, value << 8);
        break;
    default:
        if (c->write_high_next) {
            counter_load(c, value << 8 | c->write_low);
        } else {
            c->write_low = value;
            if (c->mode == 0) {
                counter_stop(c);
            }
        }
        c->write_high_next = !c->write_high_next;
    }
}

static uint16_t counter_read_value(const Counter *c)
{
    uint32_t v = counter_value(c);

    return c->bcd ? v / 1000 % 10 << 12 | v / 100 % 10 << 8 | v / 10 % 10 << 4 | v % 10 : v;
}

static void counter_latch(Counter *c)
{
    if (!c->count_latched) {
        c->latch = counter_read_value(c);
        c->count_latched = true;
    }
}

static void counter_latch_status(Counter *c)
{
    if (!c->status_latched) {
        c->status = counter_out(c) << 7 | (!c->loaded || c->next) << 6 | c->access << 4 |
                    c->mode << 1 | c->bcd;
        c->status_latched = true;
    }
}

static uint8_t counter_read(Counter *c)
{
    uint16_t value;
    bool high;

    if (c->status_latched) {
        c->status_latched = false;
        return c->status;
    }
    value = c->count_latched ? c->latch : counter_read_value(c);
    high = c->access == ACCESS_HIGH || (c->access == ACCESS_BOTH && c->read_high_next);
    if (c->access == ACCESS_BOTH) {
        c->read_high_next = !c->read_high_next;
    }
    if (high || c->access == ACCESS_LOW) {
        c->count_latched = false;
    }
    return high ? value >> 8 : value;
}

static void i8254_write_control(I8254 *s, uint8_t value)
{
    enum { READ_BACK = 3, RB_NO_COUNT = 0x20, RB_NO_STATUS = 0x10 };
    unsigned select = value >> 6, access = value >> 4 & 3, mode = value >> 1 & 7;
    Counter *c;

    if (select == READ_BACK) {
        for (unsigned i = 0; i < 3; i++) {
            if (value >> (i + 1) & 1) {
                if (!(value & RB_NO_COUNT)) {
                    counter_latch(&s->counters[i]);
                }
                if (!(value & RB_NO_STATUS)) {
                    counter_latch_status(&s->counters[i]);
                }
            }
        }
        return;
    }
    c = &s->counters[select];
    if (access == ACCESS_LATCH) {
        counter_latch(c);
        return;
    }
    *c = (Counter){
        .mode = mode > 5 ? mode - 4 : mode,
        .access = access,
        .bcd = value & 1,
        .gate = c->gate,
        .initial = c->initial,
    };
}

static void i8254_tell_tone(const I8254 *s)
{
    if (s->tone_changed) {
        s->tone_changed(s->tone_opaque);
    }
}

static uint64_t i8254_read(void *opaque, hwaddr addr, unsigned size)
{
    I8254 *s = opaque;

    i8254_settle(s);
    return addr < 3 ? counter_read(&s->counters[addr]) : 0;
}

static void i8254_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    I8254 *s = opaque;
    Counter old;

    i8254_settle(s);
    old = s->counters[0];
    if (addr == 3) {
        i8254_write_control(s, value);
    } else {
        counter_write(&s->counters[addr], value);
    }
    /* Latching changes neither; only a new mode or count moves OUT. */
    if (old.start != s->counters[0].start || old.started != s->counters[0].started ||
        old.stopped != s->counters[0].stopped || old.mode != s->counters[0].mode ||
        old.next != s->counters[0].next) {
        lost_ticks_forget(&s->lost);
        i8254_set_irq(s, counter_out(&s->counters[0]));
        i8254_arm(s);
    }
    i8254_tell_tone(s);
}

static uint64_t i8254_speaker_read(void *opaque, hwaddr addr, unsigned size)
{
    I8254 *s = opaque;

    i8254_settle(s);
    return s->port61 | (clock_ns() / REFRESH_NS & 1 ? PORT61_REFRESH : 0) |
           (counter_out(&s->counters[2]) ? PORT61_OUT : 0);
}

static void i8254_speaker_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    I8254 *s = opaque;

    i8254_settle(s);
    s->port61 = value & PORT61_WRITABLE;
    counter_set_gate(&s->counters[2], value & PORT61_GATE);
    i8254_tell_tone(s);
}

static const MemoryRegionOps i8254_ops = { i8254_read, i8254_write, 1, 1 };
static const MemoryRegionOps i8254_speaker_ops = { i8254_speaker_read, i8254_speaker_write, 1, 1 };

/* ---- the device ---- */

static void i8254_reset(Device *dev)
{
    I8254 *s = I8254_DEVICE(dev);

    for (unsigned i = 0; i < 3; i++) {
        s->counters[i] =
            (Counter){ .mode = 3, .access = ACCESS_BOTH, .gate = i != 2, .initial = 0x10000 };
    }
    s->port61 = 0;
    lost_ticks_forget(&s->lost);
    i8254_set_irq(s, 0);
    i8254_arm(s);
}

static bool i8254_realize(Device *dev, GError **errp)
{
    I8254 *s = I8254_DEVICE(dev);

    s->timer = timer_new(i8254_timer, s);
    i8254_reset(dev);
    return true;
}

static void i8254_unrealize(Device *dev)
{
    timer_free(I8254_DEVICE(dev)->timer);
}

static const StateField counter_fields[] = {
    STATE_UINT_MAX(Counter, mode, 5),
    STATE_UINT_MAX(Counter, access, ACCESS_BOTH),
    STATE_BOOL(Counter, bcd),
    STATE_BOOL(Counter, gate),
    STATE_BOOL(Counter, loaded),
    STATE_BOOL(Counter, started),
    STATE_BOOL(Counter, stopped),
    STATE_UINT_MAX(Counter, initial, 0x10000),
    STATE_INT(Counter, start),
    STATE_INT(Counter, base),
    STATE_INT(Counter, elapsed),
    STATE_UINT_MAX(Counter, next, 0x10000),
    STATE_INT(Counter, next_at),
    STATE_BOOL(Counter, next_low),
    STATE_UINT(Counter, write_low),
    STATE_BOOL(Counter, write_high_next),
    STATE_BOOL(Counter, read_high_next),
    STATE_BOOL(Counter, count_latched),
    STATE_BOOL(Counter, status_latched),
    STATE_UINT(Counter, latch),
    STATE_UINT(Counter, status),
    {},
};

static bool counter_loaded(void *obj, GError **errp)
{
    const Counter *c = obj;

    if (!c->initial) {
        error_set(errp, "a counter of the 8254 cannot count from 0");
        return false;
    }
    return true;
}

static const StateTable counter_state = {
    .name = "i8254-counter", .version = 1, .fields = counter_fields, .post_load = counter_loaded
};

static const StateField i8254_fields[] = {
    STATE_STRUCTS(I8254, counters, &counter_state),
    STATE_UINT_MAX(I8254, port61, 0x3f),
    STATE_UINT_MAX(I8254, irq_level, 1),
    STATE_TIMER(I8254, timer),
    STATE_LOST_TICKS(I8254, lost, 2),
    {},
};

static bool i8254_loaded(void *obj, GError **errp)
{
    I8254 *s = obj;

    s->due = timer_expiry(s->timer);
    return true;
}

static const StateTable i8254_state = {
    .name = "i8254", .version = 2, .oldest = 1, .fields = i8254_fields, .post_load = i8254_loaded
};

static const DeviceClass i8254_device_ops = {
    .category = "misc",
    .realize = i8254_realize,
    .unrealize = i8254_unrealize,
    .reset = i8254_reset,
    .state = &i8254_state,
};

static const ObjectType i8254_type = {
    .name = TYPE_I8254,
    .parent = TYPE_DEVICE,
    .description = "8254 interval timer",
    .instance_size = sizeof(I8254),
    .ops = &i8254_device_ops,
};
OBJECT_TYPE_REGISTER(i8254_type)

typedef struct KvmPit {
    I8254 parent;
    /* configuration */
    int lost_tick_policy;
} KvmPit;

OBJECT_CAST_DEFINE(KvmPit, KVM_PIT, TYPE_KVM_PIT)

/* Tools set its property for every guest (docs/command-line.md). */
enum { TICKS_DISCARD, TICKS_DELAY };
static const char *const tick_policies[] = { "discard", "delay", NULL };

static const Property kvm_pit_properties[] = {
    { .name = "lost_tick_policy",
      .kind = PROP_ENUM,
      .offset = offsetof(KvmPit, lost_tick_policy),
      .has_default = true,
      .default_int = TICKS_DELAY,
      .enum_names = tick_policies,
      .description = "ticks for which the guest had no time are lost, or come later" },
    { 0 },
};

static const ObjectType kvm_pit_type = {
    .name = TYPE_KVM_PIT,
    .parent = TYPE_I8254,
    .description = "8254 interval timer in KVM; no machine has it, as all have " TYPE_I8254,
    .instance_size = sizeof(KvmPit),
    .properties = kvm_pit_properties,
};
OBJECT_TYPE_REGISTER(kvm_pit_type)

static const IrqLines i8254_lines[] = {
    { .type = TYPE_I8254, .out = true, .offset = offsetof(I8254, irq), .count = 1 },
    {},
};
IRQ_LINES_REGISTER(i8254_lines)

uint32_t i8254_tone(const I8254 *s)
{
    enum { OPEN = PORT61_GATE | PORT61_SPEAKER, SQUARE = 3 };
    const Counter *c = &s->counters[2];

    return (s->port61 & OPEN) == OPEN && c->mode == SQUARE && c->loaded ? c->initial : 0;
}

void i8254_on_tone(I8254 *s, void (*fn)(void *opaque), void *opaque)
{
    s->tone_changed = fn;
    s->tone_opaque = opaque;
}

I8254 *i8254_create(MemoryRegion *io, Irq irq)
{
    I8254 *s = I8254_DEVICE(device_new_onboard(TYPE_I8254));

    s->irq = irq;
    device_realize(&s->parent, NULL);
    memory_region_init_io(&s->ports, &i8254_ops, s, "pit", 4);
    memory_region_init_io(&s->speaker, &i8254_speaker_ops, s, "pcspk", 1);
    device_map(&s->parent, io, 0x40, &s->ports, 0);
    device_map(&s->parent, io, 0x61, &s->speaker, 0);
    return s;
}

/* What -global says of a kvm-pit holds for the one that there is. */
static bool ticks_come_later(void)
{
    g_autoptr(Object) model = object_new(TYPE_KVM_PIT, NULL);

    return KVM_PIT(model)->lost_tick_policy == TICKS_DELAY;
}

void i8254_make_up(I8254 *s, bool (*heard)(void *opaque), void *opaque)
{
    s->lost.heard = ticks_come_later() ? heard : NULL;
    s->lost.opaque = opaque;
}

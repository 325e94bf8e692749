/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/acpi/ich9-tco.h"

#include "hw/core/runstate.h"
#include "hw/intc/apic.h"
#include "util/clock.h"

/* Words of the block. */
enum { RLD, DAT, STS1, STS2, CNT1, CNT2, MESSAGE, WDCNT, SW_IRQ_GEN, TMR };

enum {
    STS1_SW_TCO_SMI = 1 << 1, /* DAT_IN was written */
    STS1_TCO_INT = 1 << 2,    /* DAT_OUT was written */
    STS1_TIMEOUT = 1 << 3,
    STS2_SECOND_TO = 1 << 1,
    STS2_BOOT = 1 << 2, /* the watchdog has ended what ran before */
    CNT1_NMI_NOW = 1 << 8,
    CNT1_TMR_HLT = 1 << 11,
    CNT1_LOCK = 1 << 12, /* stays until a reset */
    TICKS = 0x3ff,
    FEWEST_TICKS = 2, /* less is ignored */
};

#define TICK_NS (600 * NS_PER_MS)

/* What a write sets, and what 1 clears. */
static const struct {
    uint16_t reset, writable, clears;
} layout[ICH9_TCO_SIZE / 2] = {
    [DAT] = { 0, 0xffff, 0 },       [STS1] = { 0, 0, 0x178e },
    [STS2] = { 0, 0, 0x0017 },      [CNT1] = { 0, CNT1_TMR_HLT | CNT1_LOCK | 1 << 9, 0 },
    [CNT2] = { 0x0008, 0x003e, 0 }, [MESSAGE] = { 0, 0xffff, 0 },
    [WDCNT] = { 0, 0x00ff, 0 },     [SW_IRQ_GEN] = { 0x0003, 0x0003, 0 },
    [TMR] = { 0x0004, TICKS, 0 },
};

static bool halted(const Ich9Tco *tco)
{
    return tco->words[CNT1] & CNT1_TMR_HLT;
}

/* Ticks that are left are counted from here. */
static void count(Ich9Tco *tco, int64_t ns)
{
    tco->left_ns = ns;
    if (ns && !halted(tco)) {
        timer_mod(tco->timer, clock_ns() + ns);
    } else {
        timer_del(tco->timer);
    }
}

static int64_t left(const Ich9Tco *tco)
{
    return timer_pending(tco->timer) ? MAX(timer_expiry(tco->timer) - clock_ns(), 1) : tco->left_ns;
}

static int64_t initial(const Ich9Tco *tco)
{
    return MAX(tco->words[TMR] & TICKS, FEWEST_TICKS) * TICK_NS;
}

static void tco_expired(void *opaque)
{
    Ich9Tco *tco = opaque;

    if (runstate_is_asleep()) { /* it has no power then: it goes on when the guest is awake */
        count(tco, initial(tco));
        return;
    }
    if (!tco->timed_out) {
        tco->timed_out = true;
        tco->words[STS1] |= STS1_TIMEOUT;
        count(tco, initial(tco));
        tco->asks_smi(tco->smi_opaque);
        return;
    }
    tco->timed_out = false;
    tco->words[STS2] |= STS2_SECOND_TO;
    count(tco, 0);
    if (!(ich9_tco_gcs(tco) & ICH9_GCS_NR)) {
        tco->words[STS2] |= STS2_BOOT;
        tco->fired();
    }
}

/* ---- ports ---- */

static uint16_t read_word(const Ich9Tco *tco, unsigned word)
{
    if (word == RLD) {
        return (uint16_t)((left(tco) + TICK_NS - 1) / TICK_NS);
    }
    return tco->words[word];
}

static uint64_t tco_read(void *opaque, hwaddr addr, unsigned size)
{
    const Ich9Tco *tco = opaque;
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i++) {
        unsigned at = (unsigned)addr + i;

        value |= (uint64_t)(read_word(tco, at / 2) >> at % 2 * 8 & 0xff) << i * 8;
    }
    return value;
}

static void write_control(Ich9Tco *tco, uint16_t value, uint16_t old)
{
    uint16_t *now = &tco->words[CNT1];

    *now |= old & CNT1_LOCK;
    /* 1 sets it, and clears it where it is set. */
    *now = (uint16_t)((*now & ~CNT1_NMI_NOW) | ((old ^ value) & CNT1_NMI_NOW));
    if (*now & ~old & CNT1_NMI_NOW) {
        apic_nmi();
    }
    if (halted(tco) != !!(old & CNT1_TMR_HLT)) {
        count(tco, left(tco));
    }
}

/* @value in the bits of @mask, which are whole bytes. */
static void write_word(Ich9Tco *tco, unsigned word, uint16_t value, uint16_t mask)
{
    uint16_t old = tco->words[word];
    uint16_t set = layout[word].writable & mask;
    uint16_t now = (uint16_t)((old & ~set) | (value & set));

    value &= mask;
    if (word == TMR && now < FEWEST_TICKS) {
        return;
    }
    tco->words[word] = (uint16_t)(now & ~(value & layout[word].clears));
    if (word == RLD) {
        tco->timed_out = false;
        count(tco, initial(tco));
    } else if (word == DAT) {
        tco->words[STS1] |=
            (mask & 0x00ff ? STS1_SW_TCO_SMI : 0) | (mask & 0xff00 ? STS1_TCO_INT : 0);
        if (mask & 0x00ff) {
            tco->asks_smi(tco->smi_opaque);
        }
    } else if (word == CNT1) {
        write_control(tco, value, old);
    }
}

static void tco_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    Ich9Tco *tco = opaque;

    for (unsigned at = (unsigned)addr; at < addr + size;) {
        unsigned shift = at % 2 * 8;
        unsigned bytes = MIN(2 - at % 2, (unsigned)addr + size - at);
        uint16_t mask = (uint16_t)((bytes == 2 ? 0xffff : 0xff) << shift);

        write_word(tco, at / 2, (uint16_t)(value >> (at - addr) * 8 << shift), mask);
        at += bytes;
    }
}

static const MemoryRegionOps tco_ops = { .read = tco_read, .write = tco_write, .max_access = 4 };

bool ich9_tco_locked(const Ich9Tco *tco)
{
    return tco->words[CNT1] & CNT1_LOCK;
}

/* ---- GCS ---- */

uint32_t ich9_tco_gcs(const Ich9Tco *tco)
{
    return tco->strap || tco->no_reboot ? ICH9_GCS_NR : 0;
}

void ich9_tco_set_gcs(Ich9Tco *tco, uint32_t value)
{
    tco->no_reboot = value & ICH9_GCS_NR;
}

/* ---- life ---- */

void ich9_tco_init(Ich9Tco *tco)
{
    tco->timer = timer_new(tco_expired, tco);
    memory_region_init_io(&tco->region, &tco_ops, tco, "tco", ICH9_TCO_SIZE);
    memory_region_set_enabled(&tco->region, false);
}

void ich9_tco_destroy(Ich9Tco *tco)
{
    memory_region_destroy(&tco->region);
    g_clear_pointer(&tco->timer, timer_free);
}

void ich9_tco_reset(Ich9Tco *tco)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(layout); i++) {
        if (i != STS2) { /* which is of another power well */
            tco->words[i] = layout[i].reset;
        }
    }
    tco->timed_out = tco->no_reboot = false;
    count(tco, 0);
}

static const StateField tco_fields[] = {
    STATE_TIMER(Ich9Tco, timer),    STATE_UINTS(Ich9Tco, words),    STATE_INT(Ich9Tco, left_ns),
    STATE_BOOL(Ich9Tco, timed_out), STATE_BOOL(Ich9Tco, no_reboot), {},
};

const StateTable ich9_tco_state = { .name = "ich9-tco", .version = 1, .fields = tco_fields };

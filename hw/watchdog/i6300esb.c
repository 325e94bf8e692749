/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * i6300esb: the watchdog timer of Intel's 6300ESB I/O controller hub (its data sheet, chapter
 * "Watchdog Timer"), as a function of its own. It counts down twice: at the end of the first stage
 * it sets a status bit (the interrupt that may come with it is not wired on these boards), at the
 * end of the second one it fires. Machine lock for everything.
 */
#include "hw/pci/pci.h"
#include "hw/watchdog/watchdog.h"
#include "util/clock.h"
#include "util/timer.h"

#define TYPE_I6300ESB "i6300esb"

enum {
    /* configuration space */
    CONFIG = 0x60,
    CONFIG_INT_TYPE = 3 << 0,
    CONFIG_FAST = 1 << 2,   /* the pre-scaler gives 1 MHz and not 1 kHz */
    CONFIG_SILENT = 1 << 5, /* its output is off: it does not fire */
    LOCK = 0x68,
    LOCK_LOCKED = 1 << 0, /* ENABLED stays as it is until a reset */
    LOCK_ENABLED = 1 << 1,
    LOCK_FREE_RUNNING = 1 << 2, /* begins again when it has fired, and looks at no reload */

    /* memory */
    BAR_SIZE = 16,
    PRELOAD_1 = 0x0, /* ticks of a stage */
    PRELOAD_2 = 0x4,
    STATUS = 0x8,
    STATUS_STAGE_1 = 1 << 0, /* has ended; written as 1: cleared */
    RELOAD = 0xc,
    RELOAD_NOW = 1 << 8,
    RELOAD_FIRED = 1 << 9, /* since it was cleared, by writing 1; a reset leaves it */
    UNLOCK_1 = 0x80,       /* written to RELOAD before what else is written, each time anew */
    UNLOCK_2 = 0x86,

    PRELOAD_MASK = 0xfffff,
    CLOCK_MHZ = 33,  /* of the PCI bus */
    SLOW_SHIFT = 15, /* the pre-scaler: a tick is 2^n cycles */
    FAST_SHIFT = 5,
};

/* A stage is not shorter: the guest must not keep us busy. */
#define SHORTEST_NS NS_PER_MS

typedef struct I6300Esb {
    PciDevice parent;
    /* wiring */
    MemoryRegion bar;
    /* state */
    Timer *timer; /* of the stage; not pending: disabled */
    uint32_t preload[2];
    uint8_t stage;    /* 0, 1 */
    uint8_t unlocked; /* 0: no, 1: UNLOCK_1 was written, 2: UNLOCK_2 too */
    bool stage_1_ended;
    bool fired;
} I6300Esb;
OBJECT_CAST_DEFINE(I6300Esb, I6300ESB, TYPE_I6300ESB)

static uint8_t esb_lock(const I6300Esb *s)
{
    return s->parent.config[LOCK];
}

static void esb_begin(I6300Esb *s, uint8_t stage)
{
    bool fast = pci_get_word(&s->parent, CONFIG) & CONFIG_FAST;
    int64_t cycles = (int64_t)s->preload[stage] << (fast ? FAST_SHIFT : SLOW_SHIFT);

    s->stage = stage;
    timer_mod(s->timer, clock_ns() + MAX(cycles * 1000 / CLOCK_MHZ, SHORTEST_NS));
}

static void esb_expired(void *opaque)
{
    I6300Esb *s = opaque;

    if (s->stage == 0) {
        s->stage_1_ended = true;
        esb_begin(s, 1);
        return;
    }
    if (esb_lock(s) & LOCK_FREE_RUNNING) {
        esb_begin(s, 0);
    }
    if (!(pci_get_word(&s->parent, CONFIG) & CONFIG_SILENT)) {
        s->fired = true;
        watchdog_fired();
    }
}

/* ---- memory ---- */

static uint64_t esb_read(void *opaque, hwaddr addr, unsigned size)
{
    const I6300Esb *s = opaque;
    const uint32_t registers[BAR_SIZE / 4] = {
        s->preload[0],
        s->preload[1],
        s->stage_1_ended ? STATUS_STAGE_1 : 0,
        s->fired ? RELOAD_FIRED : 0,
    };

    return registers[addr / 4] >> addr % 4 * 8;
}

/* The two unlocking writes, whose order counts. */
static bool esb_unlocks(I6300Esb *s, hwaddr addr, uint32_t value)
{
    if (addr == RELOAD && value == UNLOCK_1) {
        s->unlocked = 1;
        return true;
    }
    if (addr == RELOAD && value == UNLOCK_2 && s->unlocked == 1) {
        s->unlocked = 2;
        return true;
    }
    return false;
}

static void esb_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    I6300Esb *s = opaque;
    bool unlocked = s->unlocked == 2;

    if (addr == STATUS) {
        s->stage_1_ended &= !(value & STATUS_STAGE_1);
        return;
    }
    if (esb_unlocks(s, addr, value)) {
        return;
    }
    s->unlocked = 0;
    if (!unlocked) {
        return;
    }
    if (addr == RELOAD) {
        s->fired &= !(value & RELOAD_FIRED);
        if (value & RELOAD_NOW && timer_pending(s->timer) && !(esb_lock(s) & LOCK_FREE_RUNNING)) {
            esb_begin(s, 0);
        }
    } else if (addr == PRELOAD_1 || addr == PRELOAD_2) {
        s->preload[addr / PRELOAD_2] = value & PRELOAD_MASK;
    }
}

static const MemoryRegionOps esb_region_ops = { esb_read, esb_write, 1, 4 };

/* ---- configuration space ---- */

static const PciRegister esb_registers[] = {
    { PCI_VENDOR_ID, 2, 0x8086 },
    { PCI_DEVICE_ID, 2, 0x25ab },
    { PCI_COMMAND, 2, 0, PCI_COMMAND_MEMORY },
    { PCI_CLASS_DEVICE, 2, 0x0880 }, /* another device of the system */
    { PCI_SUBSYSTEM_VENDOR_ID, 2, PCI_SUBSYSTEM_VENDOR_BOARD },
    { PCI_SUBSYSTEM_ID, 2, PCI_SUBSYSTEM_BOARD },
    { CONFIG, 2, 0, CONFIG_INT_TYPE | CONFIG_FAST | CONFIG_SILENT },
    { LOCK, 1, 0, LOCK_LOCKED | LOCK_ENABLED | LOCK_FREE_RUNNING },
};

static void esb_config_written(PciDevice *dev, unsigned offset, unsigned size)
{
    I6300Esb *s = I6300ESB(dev);

    if (!pci_touches(offset, size, LOCK, 1)) {
        return;
    }
    if (!(esb_lock(s) & LOCK_ENABLED)) {
        timer_del(s->timer);
    } else if (!timer_pending(s->timer)) {
        esb_begin(s, 0);
    }
    if (esb_lock(s) & LOCK_LOCKED) {
        dev->wmask[LOCK] = 0;
    }
}

static void esb_reset(PciDevice *dev)
{
    I6300Esb *s = I6300ESB(dev);

    timer_del(s->timer);
    s->preload[0] = s->preload[1] = PRELOAD_MASK;
    s->stage = s->unlocked = 0;
    s->stage_1_ended = false;
    dev->wmask[LOCK] = LOCK_LOCKED | LOCK_ENABLED | LOCK_FREE_RUNNING;
}

static void esb_loaded(PciDevice *dev)
{
    dev->wmask[LOCK] =
        esb_lock(I6300ESB(dev)) & LOCK_LOCKED ? 0 : LOCK_LOCKED | LOCK_ENABLED | LOCK_FREE_RUNNING;
}

static bool esb_realize(PciDevice *dev, GError **errp)
{
    I6300Esb *s = I6300ESB(dev);

    s->timer = timer_new(esb_expired, s);
    memory_region_init_io(&s->bar, &esb_region_ops, s, TYPE_I6300ESB, BAR_SIZE);
    pci_add_bar(dev, 0, 0, &s->bar);
    return true;
}

static void esb_unrealize(PciDevice *dev)
{
    I6300Esb *s = I6300ESB(dev);

    memory_region_destroy(&s->bar);
    timer_free(s->timer);
}

static const StateField esb_fields[] = {
    STATE_STRUCT(I6300Esb, parent, &pci_device_state),
    STATE_TIMER(I6300Esb, timer),
    STATE_UINTS(I6300Esb, preload),
    STATE_UINT_MAX(I6300Esb, stage, 1),
    STATE_UINT_MAX(I6300Esb, unlocked, 2),
    STATE_BOOL(I6300Esb, stage_1_ended),
    STATE_BOOL(I6300Esb, fired),
    {},
};

static const StateTable esb_state = { .name = TYPE_I6300ESB, .version = 1, .fields = esb_fields };

static const PciFunctionClass esb_ops = {
    .device = { PCI_DEVICE_CLASS_CORE, .category = "watchdog",
                .flags = DEVICE_USER_CREATABLE | DEVICE_HOTPLUG, .state = &esb_state },
    .realize = esb_realize,
    .unrealize = esb_unrealize,
    .reset = esb_reset,
    .loaded = esb_loaded,
    .config_written = esb_config_written,
};

static void esb_init(Object *obj)
{
    pci_set_registers(PCI_DEVICE(obj), esb_registers, G_N_ELEMENTS(esb_registers));
}

static const ObjectType esb_type = {
    .name = TYPE_I6300ESB,
    .parent = TYPE_PCI_DEVICE,
    .description = "Watchdog: Intel 6300ESB",
    .instance_size = sizeof(I6300Esb),
    .ops = &esb_ops,
    .init = esb_init,
};
OBJECT_TYPE_REGISTER(esb_type)

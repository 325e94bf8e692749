/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/sd/sdhci.h"

#include <string.h>

#include "hw/core/runstate.h"
#include "util/bytes.h"
#include "util/error.h"

enum {
    /* transfer mode and command (2.2.5, 2.2.6) */
    MODE_AUTO_CMD = 3 << 2,
    MODE_AUTO_CMD12 = 1 << 2,
    MODE_WRITABLE = 0x37, /* Auto CMD23 is of 3.00, and not here */
    COMMAND_RESPONSE = 3,
    COMMAND_NO_RESPONSE = 0,
    COMMAND_LONG = 1,
    COMMAND_SHORT_BUSY = 3,
    COMMAND_DATA = 1 << 5,
    COMMAND_ABORT = 3 << 6,
    COMMAND_INDEX_SHIFT = 8,
    COMMAND_WRITABLE = 0x3ffb,
    AUTO_RESPONSE = SDHCI_RESPONSE + 12,

    /* present state (2.2.9) */
    PRESENT_INSERTED = 1 << 16,
    PRESENT_STABLE = 1 << 17,
    PRESENT_DETECT_PIN = 1 << 18,
    PRESENT_CAN_WRITE = 1 << 19,
    PRESENT_DAT_HIGH = 0xf << 20,
    PRESENT_DAT0_HIGH = 1 << 20,
    PRESENT_CMD_HIGH = 1 << 24,

    POWER_ON = 1 << 0,
    CLOCK_INTERNAL = 1 << 0,
    CLOCK_STABLE = 1 << 1,
    CLOCK_SD = 1 << 2,

    RESET_ALL = 1 << 0,
    RESET_COMMAND = 1 << 1,
    RESET_DATA = 1 << 2,

    VENDOR_VERSION = 0x24,
    STATUS_BITS = 0x01ff,
    ERROR_BITS = 0x03ff, /* of 2.00; the others are vendors' */
    STATUS_CARD_INTERRUPT = 1 << 8,
};

/* What the guest can write by itself; the others have functions, or are read only. */
static const struct {
    uint8_t at, size;
    uint32_t mask;
} writable[] = {
    { SDHCI_SDMA_ADDRESS, 4, 0xffffffff },
    { SDHCI_BLOCK_SIZE, 2, 0x7fff },
    { SDHCI_BLOCK_COUNT, 2, 0xffff },
    { SDHCI_ARGUMENT, 4, 0xffffffff },
    { SDHCI_TRANSFER_MODE, 2, MODE_WRITABLE },
    { SDHCI_COMMAND, 2, COMMAND_WRITABLE },
    { SDHCI_HOST_CONTROL, 1, 0xff },
    { SDHCI_POWER, 1, 0x0f },
    { SDHCI_BLOCK_GAP, 1, 0x0f },
    { SDHCI_WAKEUP, 1, 0x07 },
    { SDHCI_CLOCK, 2, 0xffe5 },
    { SDHCI_TIMEOUT, 1, 0x0f },
    { SDHCI_STATUS_ENABLE, 2, STATUS_BITS },
    { SDHCI_ERROR_ENABLE, 2, ERROR_BITS },
    { SDHCI_STATUS_SIGNAL, 2, STATUS_BITS },
    { SDHCI_ERROR_SIGNAL, 2, ERROR_BITS },
    { SDHCI_ADMA_ADDRESS, 4, 0xffffffff },
};

/* ---- registers ---- */

uint32_t sdhci_get(const Sdhci *s, unsigned at, unsigned size)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < size; i++) {
        value |= (uint32_t)s->regs[at + i] << 8 * i;
    }
    return value;
}

void sdhci_set(Sdhci *s, unsigned at, unsigned size, uint32_t value)
{
    for (unsigned i = 0; i < size; i++) {
        s->regs[at + i] = (uint8_t)(value >> 8 * i);
    }
}

static void update_irq(Sdhci *s)
{
    bool on = sdhci_get(s, SDHCI_STATUS, 2) & sdhci_get(s, SDHCI_STATUS_SIGNAL, 2) ||
              sdhci_get(s, SDHCI_ERROR, 2) & sdhci_get(s, SDHCI_ERROR_SIGNAL, 2);

    s->regs[SDHCI_SLOT_STATUS] = on;
    pci_set_irq(&s->parent, on);
}

void sdhci_raise(Sdhci *s, uint16_t status)
{
    sdhci_set(s, SDHCI_STATUS, 2,
              sdhci_get(s, SDHCI_STATUS, 2) | (status & sdhci_get(s, SDHCI_STATUS_ENABLE, 2)));
    update_irq(s);
}

void sdhci_fail(Sdhci *s, uint16_t error)
{
    uint32_t errors = sdhci_get(s, SDHCI_ERROR, 2) | (error & sdhci_get(s, SDHCI_ERROR_ENABLE, 2));

    sdhci_set(s, SDHCI_ERROR, 2, errors);
    sdhci_set(s, SDHCI_STATUS, 2, sdhci_get(s, SDHCI_STATUS, 2) | (errors ? SDHCI_ANY_ERROR : 0));
    update_irq(s);
}

static uint32_t present_state(const Sdhci *s)
{
    const SdCard *card = s->bus->card;
    uint32_t state = sdhci_data_state(s) | PRESENT_STABLE | PRESENT_CMD_HIGH | PRESENT_DAT_HIGH;

    if (card) {
        state |= PRESENT_INSERTED | PRESENT_DETECT_PIN;
        state &= sd_card_is_busy(card) ? ~(uint32_t)PRESENT_DAT0_HIGH : UINT32_MAX;
    }
    return state | (!card || sd_card_can_write(card) ? PRESENT_CAN_WRITE : 0);
}

/* ---- commands ---- */

static unsigned response_type(const Sdhci *s)
{
    return s->regs[SDHCI_COMMAND] & COMMAND_RESPONSE;
}

/* Give it to the card; false: no answer, or another than was to be. */
static bool give(Sdhci *s, uint8_t index, uint32_t argument, unsigned type, unsigned at)
{
    SdCard *card = s->bus->card;
    uint8_t response[SD_RESPONSE_MAX] = { 0 };
    unsigned size = card ? sd_card_command(card, index, argument, response) : 0;

    if (type == COMMAND_NO_RESPONSE) {
        return true;
    }
    if (!size || (size == SD_RESPONSE_MAX) != (type == COMMAND_LONG)) {
        return false;
    }
    if (size == SD_RESPONSE_MAX) { /* all but the check (2.2.7) */
        for (unsigned i = 0; i < 15; i++) {
            s->regs[at + i] = response[14 - i];
        }
        s->regs[at + 15] = 0;
    } else {
        sdhci_set(s, at, 4, bytes_get_be32(response));
    }
    return true;
}

void sdhci_auto_stop(Sdhci *s)
{
    bool multiple = sdhci_get(s, SDHCI_TRANSFER_MODE, 2) & 1 << 5;

    if (multiple && (s->regs[SDHCI_TRANSFER_MODE] & MODE_AUTO_CMD) == MODE_AUTO_CMD12 &&
        !give(s, 12, 0, 2, AUTO_RESPONSE)) {
        sdhci_set(s, SDHCI_AUTO_ERROR, 2, 1 << 1); /* timeout */
        sdhci_fail(s, SDHCI_AUTO_FAILED);
    }
}

static bool can_talk(const Sdhci *s)
{
    uint32_t clock = sdhci_get(s, SDHCI_CLOCK, 2);

    return s->regs[SDHCI_POWER] & POWER_ON && clock & CLOCK_INTERNAL && clock & CLOCK_SD;
}

static void command(Sdhci *s)
{
    uint32_t word = sdhci_get(s, SDHCI_COMMAND, 2);
    uint8_t index = word >> COMMAND_INDEX_SHIFT & 63;
    bool stops = index == 12 || (word & COMMAND_ABORT) == COMMAND_ABORT;

    if (!can_talk(s)) {
        return;
    }
    if (s->phase != SDHCI_IDLE) {
        if (word & COMMAND_DATA) {
            return; /* the line is in use: it is inhibited */
        }
        if (stops) {
            sdhci_data_stop(s);
        } else if (index == 0) { /* the card forgets what it was at */
            sdhci_data_stop(s);
            sdhci_fail(s, SDHCI_DATA_TIMEOUT);
        }
    }
    if (!give(s, index, sdhci_get(s, SDHCI_ARGUMENT, 4), response_type(s), SDHCI_RESPONSE)) {
        sdhci_fail(s, SDHCI_COMMAND_TIMEOUT);
        return;
    }
    sdhci_raise(s, SDHCI_COMMAND_COMPLETE);
    if (word & COMMAND_DATA) {
        sdhci_data_begin(s);
    } else if (response_type(s) == COMMAND_SHORT_BUSY) {
        sdhci_raise(s, SDHCI_TRANSFER_COMPLETE);
    }
}

/* ---- resets, and the card's coming and going ---- */

static void reset_all(Sdhci *s)
{
    sdhci_data_stop(s);
    memset(s->regs, 0, sizeof(s->regs));
    memset(s->buffer, 0, SDHCI_BUFFER);
    s->block = 0;
    s->adma = s->adma_data = 0;
    sdhci_set(s, SDHCI_CAPABILITIES, 4, (uint32_t)s->capabilities);
    sdhci_set(s, SDHCI_CAPABILITIES + 4, 4, (uint32_t)(s->capabilities >> 32));
    sdhci_set(s, SDHCI_MAX_CURRENT, 4, (uint32_t)s->max_current);
    sdhci_set(s, SDHCI_MAX_CURRENT + 4, 4, (uint32_t)(s->max_current >> 32));
    sdhci_set(s, SDHCI_VERSION, 2, (uint32_t)(VENDOR_VERSION << 8 | (s->spec - 1)));
    update_irq(s);
}

static void soft_reset(Sdhci *s, uint8_t what)
{
    if (what & RESET_ALL) {
        reset_all(s);
        return;
    }
    if (what & RESET_DATA) {
        sdhci_data_stop(s);
        s->regs[SDHCI_BLOCK_GAP] = 0;
        sdhci_set(s, SDHCI_STATUS, 2,
                  sdhci_get(s, SDHCI_STATUS, 2) &
                      ~(uint32_t)(SDHCI_TRANSFER_COMPLETE | SDHCI_DMA_INTERRUPT |
                                  SDHCI_WRITE_READY | SDHCI_READ_READY));
    }
    if (what & RESET_COMMAND) {
        sdhci_set(s, SDHCI_STATUS, 2,
                  sdhci_get(s, SDHCI_STATUS, 2) & ~(uint32_t)SDHCI_COMMAND_COMPLETE);
    }
    update_irq(s);
}

static void card_changed(Object *owner)
{
    Sdhci *s = SDHCI(owner);

    if (s->phase != SDHCI_IDLE) {
        sdhci_data_stop(s);
        sdhci_fail(s, SDHCI_DATA_TIMEOUT);
    }
    sdhci_raise(s, s->bus->card ? SDHCI_INSERTED : SDHCI_REMOVED);
}

/* ---- accesses ---- */

/* Those that the guest clears by writing 1. */
static void clear(Sdhci *s, unsigned at, uint16_t bits)
{
    sdhci_set(s, at, 2, sdhci_get(s, at, 2) & ~(uint32_t)bits);
    if (!sdhci_get(s, SDHCI_ERROR, 2)) {
        sdhci_set(s, SDHCI_STATUS, 2, sdhci_get(s, SDHCI_STATUS, 2) & ~(uint32_t)SDHCI_ANY_ERROR);
    } else {
        sdhci_set(s, SDHCI_STATUS, 2, sdhci_get(s, SDHCI_STATUS, 2) | SDHCI_ANY_ERROR);
    }
    update_irq(s);
}

/* A byte of a register that keeps what is written. */
static void keep(Sdhci *s, unsigned at, uint8_t byte)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(writable); i++) {
        unsigned from = writable[i].at;

        if (at >= from && at < from + writable[i].size) {
            uint8_t mask = (uint8_t)(writable[i].mask >> 8 * (at - from));

            s->regs[at] = (uint8_t)((s->regs[at] & ~mask) | (byte & mask));
        }
    }
}

/* What a written byte does, after it was kept. */
static void act(Sdhci *s, unsigned at, uint8_t byte)
{
    switch (at) {
    case SDHCI_SDMA_ADDRESS + 3:
        sdhci_data_go_on(s);
        break;
    case SDHCI_COMMAND + 1:
        command(s);
        break;
    case SDHCI_CLOCK:
        s->regs[SDHCI_CLOCK] &= (uint8_t)~CLOCK_STABLE;
        s->regs[SDHCI_CLOCK] |= s->regs[SDHCI_CLOCK] & CLOCK_INTERNAL ? CLOCK_STABLE : 0;
        break;
    case SDHCI_RESET:
        soft_reset(s, byte);
        break;
    case SDHCI_STATUS:
        clear(s, SDHCI_STATUS, byte);
        break;
    case SDHCI_ERROR:
    case SDHCI_ERROR + 1:
        clear(s, SDHCI_ERROR, (uint16_t)(byte << 8 * (at - SDHCI_ERROR)));
        break;
    case SDHCI_FORCE_ERROR:
    case SDHCI_FORCE_ERROR + 1:
        sdhci_fail(s, (uint16_t)(byte << 8 * (at - SDHCI_FORCE_ERROR) & ERROR_BITS));
        break;
    case SDHCI_STATUS_ENABLE:
    case SDHCI_STATUS_ENABLE + 1:
        /* What is not enabled any more is not set. */
        clear(s, SDHCI_STATUS,
              (uint16_t) ~(sdhci_get(s, SDHCI_STATUS_ENABLE, 2) | SDHCI_ANY_ERROR));
        break;
    case SDHCI_ERROR_ENABLE:
    case SDHCI_ERROR_ENABLE + 1:
        clear(s, SDHCI_ERROR, (uint16_t)~sdhci_get(s, SDHCI_ERROR_ENABLE, 2));
        break;
    case SDHCI_STATUS_SIGNAL:
    case SDHCI_STATUS_SIGNAL + 1:
    case SDHCI_ERROR_SIGNAL:
    case SDHCI_ERROR_SIGNAL + 1:
        update_irq(s);
        break;
    }
}

static uint64_t registers_read(void *opaque, hwaddr addr, unsigned size)
{
    Sdhci *s = opaque;

    if (addr >= SDHCI_DATA_PORT && addr < SDHCI_DATA_PORT + 4) {
        return sdhci_data_read(s, size);
    }
    sdhci_set(s, SDHCI_PRESENT_STATE, 4, present_state(s));
    return sdhci_get(s, (unsigned)addr, size);
}

static void registers_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    Sdhci *s = opaque;

    if (addr >= SDHCI_DATA_PORT && addr < SDHCI_DATA_PORT + 4) {
        sdhci_data_write(s, (uint32_t)value, size);
        return;
    }
    /* While data move, those that say where and how stay. */
    if (s->phase != SDHCI_IDLE && addr >= SDHCI_BLOCK_SIZE && addr + size <= SDHCI_ARGUMENT) {
        return;
    }
    for (unsigned i = 0; i < size; i++) {
        unsigned at = (unsigned)addr + i;

        if (s->phase == SDHCI_IDLE || at < SDHCI_TRANSFER_MODE || at >= SDHCI_COMMAND) {
            keep(s, at, (uint8_t)(value >> 8 * i));
        }
    }
    for (unsigned i = 0; i < size; i++) {
        act(s, (unsigned)addr + i, (uint8_t)(value >> 8 * i));
    }
}

static const MemoryRegionOps registers_ops = { registers_read, registers_write, 1, 4 };

/* ---- the device ---- */

static void machine_stops(void *opaque)
{
    /* What the card has under way comes into the buffer, or out of it. */
    SdCard *card = SDHCI(opaque)->bus->card;

    if (card && card->busy) {
        block_drain(card->conf.backend);
    }
}

static bool sdhci_realize(PciDevice *dev, GError **errp)
{
    Sdhci *s = SDHCI(dev);

    if (s->spec != 2 && s->spec != 3) {
        error_set(errp, "sd-spec-version=%u: it is 2 or 3", s->spec);
        return false;
    }
    if (s->uhs > 4) {
        error_set(errp, "uhs=%u: it is 0 (none) to 4", s->uhs);
        return false;
    }
    s->bus = s->bus ? s->bus : sd_bus_new(&dev->parent.parent, card_changed, errp);
    if (!s->bus) {
        return false;
    }
    s->buffer = g_malloc0(SDHCI_BUFFER);
    memory_region_init_io(&s->bar, &registers_ops, s, "sdhci", SDHCI_REGISTERS);
    pci_add_bar(dev, 0, 0, &s->bar);
    runstate_add_stop(machine_stops, s);
    return true;
}

static void sdhci_unrealize(PciDevice *dev)
{
    Sdhci *s = SDHCI(dev);

    runstate_remove_stop(machine_stops, s);
    sdhci_data_stop(s);
    memory_region_destroy(&s->bar);
    g_clear_pointer(&s->buffer, g_free);
}

static void sdhci_reset(PciDevice *dev)
{
    reset_all(SDHCI(dev));
}

/* All is in its state. */
static void sdhci_loaded(PciDevice *dev)
{
}

static void pre_save(void *opaque)
{
    Sdhci *s = opaque;

    g_clear_pointer(&s->saved, g_bytes_unref);
    s->saved = g_bytes_new(s->buffer, s->have);
}

static bool post_load(void *opaque, GError **errp)
{
    Sdhci *s = opaque;
    gsize size = 0;
    const void *data = s->saved ? g_bytes_get_data(s->saved, &size) : NULL;

    if (s->have > SDHCI_BUFFER || s->used > s->have || size != s->have) {
        error_set(errp, "%u of %u bytes went on, and %zu are there", s->used, s->have, size);
        return false;
    }
    if (s->phase != SDHCI_IDLE && (!s->block || s->block > 4095)) {
        error_set(errp, "blocks of %u bytes: they have 1 to 4095", s->block);
        return false;
    }
    if (size) {
        memcpy(s->buffer, data, size);
    }
    g_clear_pointer(&s->saved, g_bytes_unref);
    return true;
}

static const StateField sdhci_fields[] = {
    STATE_UINTS(Sdhci, regs),
    STATE_UINT_MAX(Sdhci, phase, SDHCI_PHASES - 1),
    STATE_BOOL(Sdhci, endless),
    STATE_BOOL(Sdhci, waits),
    STATE_UINT_MAX(Sdhci, left, UINT16_MAX),
    STATE_UINT(Sdhci, block),
    STATE_UINT(Sdhci, have),
    STATE_UINT(Sdhci, used),
    STATE_UINT(Sdhci, adma),
    STATE_UINT(Sdhci, adma_data),
    STATE_UINT_MAX(Sdhci, adma_left, 65536),
    STATE_UINT(Sdhci, adma_flags),
    STATE_BLOB(Sdhci, saved),
    STATE_STRUCT(Sdhci, parent, &pci_device_state),
    {},
};
static const StateTable sdhci_state = { .name = TYPE_SDHCI_PCI,
                                        .version = 1,
                                        .fields = sdhci_fields,
                                        .pre_save = pre_save,
                                        .post_load = post_load };

static const PciFunctionClass sdhci_ops = {
    .device = { PCI_DEVICE_CLASS_CORE, .category = "storage",
                .flags = DEVICE_USER_CREATABLE | DEVICE_HOTPLUG, .state = &sdhci_state },
    .realize = sdhci_realize,
    .unrealize = sdhci_unrealize,
    .reset = sdhci_reset,
    .loaded = sdhci_loaded,
};

static const PciRegister sdhci_pci_registers[] = {
    { PCI_VENDOR_ID, 2, 0x1b36 },
    { PCI_DEVICE_ID, 2, 0x0007 },
    { PCI_COMMAND, 2, 0, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE },
    { PCI_CLASS_DEVICE - 1, 1, 0x01 }, /* with DMA */
    { PCI_CLASS_DEVICE, 2, 0x0805 },
    { PCI_SUBSYSTEM_VENDOR_ID, 2, PCI_SUBSYSTEM_VENDOR_BOARD },
    { PCI_SUBSYSTEM_ID, 2, PCI_SUBSYSTEM_BOARD },
    { PCI_INTERRUPT_LINE, 1, 0, 0xff },
    { PCI_INTERRUPT_PIN, 1, 1 },
};

static void sdhci_init(Object *obj)
{
    pci_set_registers(PCI_DEVICE(obj), sdhci_pci_registers, G_N_ELEMENTS(sdhci_pci_registers));
}

static void sdhci_finalize(Object *obj)
{
    g_clear_pointer(&SDHCI(obj)->saved, g_bytes_unref);
}

#define PROP(NAME, KIND, member, initial, text)                                                 \
    {                                                                                           \
        .name = (NAME), .kind = (KIND), .offset = offsetof(Sdhci, member), .has_default = true, \
        .default_int = (initial), .description = (text)                                         \
    }

static const Property sdhci_properties[] = {
    PROP("sd-spec-version", PROP_UINT8, spec, 2, "of the controller: 2 or 3"),
    PROP("uhs", PROP_UINT8, uhs, 0, "fastest mode of UHS-I: 0 is none"),
    PROP("vendor", PROP_UINT8, vendor, 0, "whose it is, which changes nothing"),
    PROP("capareg", PROP_UINT64, capabilities, 0x057834b4, "what its capabilities register says"),
    PROP("maxcurr", PROP_UINT64, max_current, 0, "what its register of currents says"),
    { 0 },
};

static const ObjectType sdhci_type = {
    .name = TYPE_SDHCI_PCI,
    .parent = TYPE_PCI_DEVICE,
    .description = "SD host controller",
    .instance_size = sizeof(Sdhci),
    .properties = sdhci_properties,
    .ops = &sdhci_ops,
    .init = sdhci_init,
    .finalize = sdhci_finalize,
};
OBJECT_TYPE_REGISTER(sdhci_type)

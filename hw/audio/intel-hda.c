/* SPDX-License-Identifier: GPL-2.0-or-later */
/* intel-hda and ich9-intel-hda: the controller's registers (3.3), and the rings of commands. */
#include <string.h>

#include "hw/audio/hda.h"
#include "hw/pci/pci-cap.h"
#include "memory/dma.h"
#include "util/clock.h"
#include "util/error.h"

enum {
    GCAP = 0x00,
    OUTPAY = 0x04,
    GCTL = 0x08,
    WAKEEN = 0x0c,
    STATESTS = 0x0e,
    INTCTL = 0x20,
    INTSTS = 0x24,
    WALCLK = 0x30,
    CORBLBASE = 0x40,
    CORBUBASE = 0x44,
    CORBWP = 0x48,
    CORBRP = 0x4a,
    CORBCTL = 0x4c,
    CORBSIZE = 0x4e,
    RIRBLBASE = 0x50,
    RIRBUBASE = 0x54,
    RIRBWP = 0x58,
    RINTCNT = 0x5a,
    RIRBCTL = 0x5c,
    RIRBSTS = 0x5d,
    RIRBSIZE = 0x5e,
    ICOI = 0x60,
    ICII = 0x64,
    ICIS = 0x68,
    ALIASES = 0x2000,
};
enum { IN_RESET = 0, RUNS = 1, RING = 256, POINTER_RESET = 0x8000, CORB_ON = 2, RIRB_ON = 2 };
enum { ANSWER_INTERRUPT = 1, GLOBAL = 31, CONTROLLER = 30, BAR_SIZE = 0x4000, WALL_MHZ = 24 };

/* What a guest can write, and what it clears by writing ones. The rest is fixed. */
static const struct {
    uint16_t offset;
    uint8_t size;
    uint32_t mask, clear, value;
} table[] = {
    { GCAP, 4, 0, 0, 0x01004401 }, /* four streams of each direction, 64 bits; version 1.0 */
    { OUTPAY, 4, 0, 0, 0x001d003c },
    { GCTL, 4, 0x101, 0, 0 },
    { WAKEEN, 2, 0x7fff, 0, 0 },
    { STATESTS, 2, 0, 0x7fff, 0 },
    { INTCTL, 4, 0xc00000ff, 0, 0 },
    { CORBLBASE, 4, 0xffffff80, 0, 0 },
    { CORBUBASE, 4, 0xffffffff, 0, 0 },
    { CORBWP, 2, 0xff, 0, 0 },
    { CORBRP, 2, 0x80ff, 0, 0 },
    { CORBCTL, 1, 3, 0, 0 },
    { CORBSIZE, 1, 0, 0, 0x42 }, /* 256 entries */
    { RIRBLBASE, 4, 0xffffff80, 0, 0 },
    { RIRBUBASE, 4, 0xffffffff, 0, 0 },
    { RIRBWP, 2, 0x8000, 0, 0 },
    { RINTCNT, 2, 0xff, 0, 0 },
    { RIRBCTL, 1, 7, 0, 0 },
    { RIRBSTS, 1, 0, 5, 0 },
    { RIRBSIZE, 1, 0, 0, 0x42 },
    { ICOI, 4, 0xffffffff, 0, 0 },
    { ICIS, 2, 1, 2, 0 },
    { 0x70, 4, 0xffffff81, 0, 0 },
    { 0x74, 4, 0xffffffff, 0, 0 },
};
/* The same for each stream. */
static const struct {
    uint16_t offset;
    uint8_t size;
    uint32_t mask, clear, value;
} stream_table[] = {
    { 0x00, 3, 0xff001f, 0, 0 },   { 0x03, 1, 0, 0x1c, 0x20 },    { 0x08, 4, 0xffffffff, 0, 0 },
    { 0x0c, 2, 0xff, 0, 0 },       { 0x10, 2, 0, 0, 0x100 },      { 0x12, 2, 0x7f7f, 0, 0 },
    { 0x18, 4, 0xffffff80, 0, 0 }, { 0x1c, 4, 0xffffffff, 0, 0 },
};

uint32_t hda_get(const IntelHda *s, unsigned offset, unsigned size)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < size; i++) {
        value |= (uint32_t)s->registers[offset + i] << 8 * i;
    }
    return value;
}

void hda_put(IntelHda *s, unsigned offset, unsigned size, uint32_t value)
{
    for (unsigned i = 0; i < size; i++) {
        s->registers[offset + i] = (uint8_t)(value >> 8 * i);
    }
}

/* ---- interrupts ---- */

static uint32_t interrupt_status(const IntelHda *s)
{
    uint32_t status = 0;

    for (unsigned n = 0; n < HDA_STREAMS; n++) {
        const uint8_t *stream = &s->registers[HDA_STREAM_AT + n * HDA_STREAM_SIZE];

        status |= stream[0] & stream[3] & 0x1c ? 1u << n : 0;
    }
    if (s->registers[RIRBSTS] & s->registers[RIRBCTL] & (ANSWER_INTERRUPT | 4) ||
        hda_get(s, STATESTS, 2) & hda_get(s, WAKEEN, 2)) {
        status |= 1u << CONTROLLER;
    }
    return status | (status & hda_get(s, INTCTL, 4) ? 1u << GLOBAL : 0);
}

void hda_update_interrupt(IntelHda *s)
{
    bool before = hda_get(s, INTSTS, 4) >> GLOBAL, now;
    uint32_t status = interrupt_status(s);

    hda_put(s, INTSTS, 4, status);
    now = status >> GLOBAL && hda_get(s, INTCTL, 4) >> GLOBAL;
    if (!pci_msi_enabled(&s->parent)) {
        pci_set_irq(&s->parent, now);
    } else if (now && (!before || !s->told)) {
        pci_msi_notify(&s->parent, 0);
    }
    s->told = now;
}

/* ---- commands ---- */

/* False: no codec has the address. */
static bool command(IntelHda *s, uint32_t what, uint32_t *answer)
{
    unsigned address = what >> 28;
    HdaCodec *codec = address < HDA_CODECS ? s->bus->codecs[address] : NULL;

    *answer = codec ? hda_codec_command(codec, what >> 20 & 0x7f, what & 0xfffff) : 0;
    return codec;
}

static bool give_answer(IntelHda *s, uint32_t answer, uint32_t address)
{
    unsigned at = (s->registers[RIRBWP] + 1) % RING;
    uint64_t ring = hda_get(s, RIRBLBASE, 4) | (uint64_t)hda_get(s, RIRBUBASE, 4) << 32;
    uint32_t words[] = { GUINT32_TO_LE(answer), GUINT32_TO_LE(address) };

    if (!dma_write_ram(&s->parent.dma, ring + 8 * (uint64_t)at, words, sizeof(words))) {
        return false;
    }
    s->registers[RIRBWP] = (uint8_t)at;
    s->answers++;
    return true;
}

/* As many as there are; but the guest is to see the answers in time. */
static void run_commands(IntelHda *s)
{
    uint64_t ring = hda_get(s, CORBLBASE, 4) | (uint64_t)hda_get(s, CORBUBASE, 4) << 32;
    unsigned wanted = s->registers[RINTCNT] ? s->registers[RINTCNT] : RING;

    while (s->registers[CORBCTL] & CORB_ON && s->registers[RIRBCTL] & RIRB_ON &&
           s->registers[CORBRP] != s->registers[CORBWP] && pci_can_dma(&s->parent) &&
           !(s->registers[CORBRP + 1] & 0x80) && s->answers < wanted) {
        unsigned at = (s->registers[CORBRP] + 1) % RING;
        uint32_t what, answer;

        if (!dma_read_ram(&s->parent.dma, ring + 4 * (uint64_t)at, &what, sizeof(what))) {
            break;
        }
        what = GUINT32_FROM_LE(what);
        s->registers[CORBRP] = (uint8_t)at;
        if (command(s, what, &answer) && !give_answer(s, answer, what >> 28)) {
            break;
        }
    }
    if (s->answers && (s->answers >= wanted || s->registers[CORBRP] == s->registers[CORBWP])) {
        s->registers[RIRBSTS] |= ANSWER_INTERRUPT;
    }
}

static void immediate_command(IntelHda *s)
{
    uint32_t answer;

    if (s->registers[ICIS] & 1) {
        command(s, hda_get(s, ICOI, 4), &answer);
        hda_put(s, ICII, 4, answer);
        s->registers[ICIS] = 2;
    }
}

/* ---- registers ---- */

static void reset_registers(IntelHda *s)
{
    for (unsigned n = 0; n < HDA_STREAMS; n++) {
        uint8_t *control = &s->registers[HDA_STREAM_AT + n * HDA_STREAM_SIZE];
        uint8_t before = *control;

        *control = 0;
        hda_stream_written(s, n, before);
        s->entries[n] = s->offsets[n] = 0;
    }
    memset(s->registers, 0, sizeof(s->registers));
    for (unsigned i = 0; i < G_N_ELEMENTS(table); i++) {
        hda_put(s, table[i].offset, table[i].size, table[i].value);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(stream_table); i++) {
        for (unsigned n = 0; n < HDA_STREAMS; n++) {
            hda_put(s, HDA_STREAM_AT + n * HDA_STREAM_SIZE + stream_table[i].offset,
                    stream_table[i].size, stream_table[i].value);
        }
    }
    s->answers = 0;
    timer_del(s->timer);
}

/* It leaves its reset: codecs say that they are there. */
static void control_written(IntelHda *s, uint8_t before)
{
    uint16_t there = 0;

    if (!(s->registers[GCTL] & RUNS)) {
        reset_registers(s);
    } else if (!(before & RUNS)) {
        for (unsigned i = 0; i < HDA_CODECS; i++) {
            there |= s->bus->codecs[i] ? (uint16_t)(1u << i) : 0;
        }
        hda_put(s, STATESTS, 2, there);
        s->began = clock_ns();
    }
}

static void mask_of(unsigned offset, uint8_t *mask, uint8_t *clear)
{
    *mask = *clear = 0;
    if (offset < HDA_STREAM_AT) {
        for (unsigned i = 0; i < G_N_ELEMENTS(table); i++) {
            if (offset >= table[i].offset && offset < table[i].offset + table[i].size) {
                *mask = (uint8_t)(table[i].mask >> 8 * (offset - table[i].offset));
                *clear = (uint8_t)(table[i].clear >> 8 * (offset - table[i].offset));
            }
        }
        return;
    }
    offset = (offset - HDA_STREAM_AT) % HDA_STREAM_SIZE;
    for (unsigned i = 0; i < G_N_ELEMENTS(stream_table); i++) {
        unsigned at = stream_table[i].offset;

        if (offset >= at && offset < at + stream_table[i].size) {
            *mask = (uint8_t)(stream_table[i].mask >> 8 * (offset - at));
            *clear = (uint8_t)(stream_table[i].clear >> 8 * (offset - at));
        }
    }
}

static void byte_written(IntelHda *s, unsigned offset, uint8_t value)
{
    uint8_t mask, clear, before = s->registers[offset];

    mask_of(offset, &mask, &clear);
    s->registers[offset] = ((before & ~mask) | (value & mask)) & ~(value & clear);
    switch (offset) {
    case GCTL:
        control_written(s, before);
        return;
    case CORBRP + 1: /* stays until it is taken back */
        s->registers[CORBRP] = value & 0x80 ? 0 : s->registers[CORBRP];
        return;
    case CORBRP: /* the controller's own */
        s->registers[CORBRP] = before;
        return;
    case RIRBWP + 1:
        s->registers[RIRBWP] = value & 0x80 ? 0 : s->registers[RIRBWP];
        s->registers[RIRBWP + 1] = 0;
        return;
    case RIRBSTS:
        s->answers = value & ANSWER_INTERRUPT ? 0 : s->answers;
        return;
    case ICIS:
        immediate_command(s);
        return;
    default:
        if (offset >= HDA_STREAM_AT && offset % HDA_STREAM_SIZE == 0) {
            hda_stream_written(s, (offset - HDA_STREAM_AT) / HDA_STREAM_SIZE, before);
        }
        return;
    }
}

/* It begins later, says a saved machine with another clock: it stands until then. */
static uint32_t wall_clock(const IntelHda *s)
{
    int64_t passed = MAX(clock_ns() - s->began, 0);

    return (uint32_t)((uint64_t)passed * WALL_MHZ / 1000);
}

static uint64_t registers_read(void *opaque, hwaddr addr, unsigned size)
{
    IntelHda *s = opaque;
    unsigned offset = (unsigned)(addr >= ALIASES ? addr - ALIASES : addr);

    hda_put(s, WALCLK, 4, wall_clock(s));
    return offset + size <= HDA_REGISTERS ? hda_get(s, offset, size) : 0;
}

/* From the last byte on: the number of a stream is there before it runs. In its reset it takes
 * nothing but the end of that. */
static void registers_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    IntelHda *s = opaque;

    for (unsigned i = size; i-- > 0;) {
        unsigned offset = (unsigned)addr + i;

        if (offset < HDA_REGISTERS && (s->registers[GCTL] & RUNS || offset == GCTL)) {
            byte_written(s, offset, (uint8_t)(value >> 8 * i));
        }
    }
    run_commands(s);
    hda_update_interrupt(s);
}

static const MemoryRegionOps register_ops = { registers_read, registers_write, 1, 4 };

/* ---- the bus ---- */

static bool attach(Bus *bus, Device *dev, GError **errp)
{
    HdaBus *hda = HDA_BUS(bus);
    HdaCodec *codec = HDA_CODEC(dev);
    unsigned address = codec->address;

    for (address = address == PROP_UNSET ? 0 : address;
         codec->address == PROP_UNSET && address < HDA_CODECS && hda->codecs[address]; address++) {
    }
    if (address >= HDA_CODECS || hda->codecs[address]) {
        error_set(errp, "cad=%u of bus '%s' is %s", address, bus->parent.name,
                  address < HDA_CODECS ? "taken" : "too high: there are 0 to 14");
        return false;
    }
    codec->address = address;
    hda->codecs[address] = codec;
    return true;
}

static void detach(Bus *bus, Device *dev)
{
    HDA_BUS(bus)->codecs[HDA_CODEC(dev)->address] = NULL;
}

static const BusClass bus_ops = { .attach = attach, .detach = detach };

static const ObjectType bus_type = {
    .name = TYPE_HDA_BUS,
    .parent = TYPE_BUS,
    .description = "codecs of HD audio",
    .instance_size = sizeof(HdaBus),
    .ops = &bus_ops,
};
OBJECT_TYPE_REGISTER(bus_type)

/* ---- life ---- */

static char *bus_name(const Device *card)
{
    if (card->id) {
        return g_strdup_printf("%s.0", card->id);
    }
    for (unsigned n = 0;; n++) {
        g_autofree char *name = g_strdup_printf("hda.%u", n);

        if (!bus_find(TYPE_HDA_BUS, name, NULL)) {
            return g_steal_pointer(&name);
        }
    }
}

static bool hda_realize(PciDevice *dev, GError **errp)
{
    IntelHda *s = INTEL_HDA(dev);
    g_autofree char *name = bus_name(&dev->parent);
    Bus *bus = bus_new(TYPE_HDA_BUS, name, &dev->parent.parent, errp);

    if (!bus) {
        return false;
    }
    s->bus = HDA_BUS(bus);
    s->timer = timer_new(hda_streams_run, s);
    memory_region_init_io(&s->region, &register_ops, s, TYPE_INTEL_HDA, BAR_SIZE);
    pci_add_bar(dev, 0, 0, &s->region);
    pci_add_msi_unmasked(dev, 1);
    return true;
}

static void hda_unrealize(PciDevice *dev)
{
    IntelHda *s = INTEL_HDA(dev);

    object_unparent(&s->bus->parent.parent);
    s->bus = NULL;
    g_clear_pointer(&s->timer, timer_free);
    memory_region_destroy(&s->region);
}

static void hda_reset(PciDevice *dev)
{
    reset_registers(INTEL_HDA(dev));
    hda_update_interrupt(INTEL_HDA(dev));
}

/* The level of the interrupt line is the function's state. */
static void hda_loaded(PciDevice *dev)
{
}

static bool check_loaded(void *opaque, GError **errp)
{
    IntelHda *s = opaque;

    s->began = MAX(s->began, 0);
    for (unsigned n = 0; n < HDA_STREAMS; n++) {
        s->entries[n] %= RING;
    }
    return true;
}

static const StateField hda_fields[] = {
    STATE_STRUCT(IntelHda, parent, &pci_device_state),
    STATE_UINTS(IntelHda, registers),
    STATE_UINT(IntelHda, answers),
    STATE_INT(IntelHda, began),
    STATE_UINTS(IntelHda, entries),
    STATE_UINTS(IntelHda, offsets),
    STATE_UINTS(IntelHda, since),
    STATE_BOOL(IntelHda, told),
    STATE_TIMER(IntelHda, timer),
    {},
};
static const StateTable hda_state = {
    .name = TYPE_INTEL_HDA, .version = 1, .fields = hda_fields, .post_load = check_loaded
};

static const PciFunctionClass hda_ops = {
    .device = { PCI_DEVICE_CLASS_CORE, .category = "sound",
                .flags = DEVICE_USER_CREATABLE | DEVICE_HOTPLUG, .state = &hda_state },
    .realize = hda_realize,
    .unrealize = hda_unrealize,
    .reset = hda_reset,
    .loaded = hda_loaded,
};

static void init(Object *obj, uint16_t device, uint8_t revision)
{
    const PciRegister registers[] = {
        { PCI_VENDOR_ID, 2, 0x8086 },
        { PCI_DEVICE_ID, 2, device },
        { PCI_COMMAND, 2, 0, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE },
        { PCI_STATUS, 2, 0, 0, PCI_STATUS_ERRORS },
        { PCI_REVISION_ID, 1, revision },
        { PCI_CLASS_DEVICE, 2, 0x0403 }, /* audio device */
        { PCI_SUBSYSTEM_VENDOR_ID, 2, PCI_SUBSYSTEM_VENDOR_BOARD },
        { PCI_SUBSYSTEM_ID, 2, PCI_SUBSYSTEM_BOARD },
        { PCI_INTERRUPT_LINE, 1, 0, 0xff },
        { PCI_INTERRUPT_PIN, 1, 1 },
        { 0x40, 1, 1 }, /* HD audio, not AC'97 */
    };

    pci_set_registers(PCI_DEVICE(obj), registers, G_N_ELEMENTS(registers));
}

static const ObjectType hda_type = {
    .name = TYPE_INTEL_HDA,
    .parent = TYPE_PCI_DEVICE,
    .description = "HD audio controller",
    .instance_size = sizeof(IntelHda),
    .abstract = true,
    .ops = &hda_ops,
};
OBJECT_TYPE_REGISTER(hda_type)

static void ich6_init(Object *obj)
{
    init(obj, 0x2668, 1);
}

static void ich9_init(Object *obj)
{
    init(obj, 0x293e, 3);
}

static const ObjectType ich6_type = {
    .name = "intel-hda",
    .parent = TYPE_INTEL_HDA,
    .description = "HD audio controller of the ICH6",
    .init = ich6_init,
};
OBJECT_TYPE_REGISTER(ich6_type)

static const ObjectType ich9_type = {
    .name = "ich9-intel-hda",
    .parent = TYPE_INTEL_HDA,
    .description = "HD audio controller of the ICH9",
    .init = ich9_init,
};
OBJECT_TYPE_REGISTER(ich9_type)

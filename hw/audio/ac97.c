/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * AC97: the audio function of an ICH (Intel 82801AA data sheet, chapter 13) with a codec of AC '97
 * (the component specification, revision 2.3) that has variable rates. Three streams, each with a
 * list of up to 32 pieces of memory; one plays, two record, which is silence. Machine lock for
 * everything.
 */
#include <string.h>

#include "audio/audio.h"
#include "hw/audio/sound.h"
#include "hw/pci/pci.h"
#include "memory/dma.h"
#include "util/clock.h"
#include "util/timer.h"

#define TYPE_AC97 "AC97"

/* ---- the codec ---- */

#define CODEC_WORDS 64u
enum {
    MASTER = 0x02,
    PCM_OUT = 0x18,
    POWER = 0x26,
    EXTENDED = 0x28,
    EXTENDED_CONTROL = 0x2a,
    DAC_RATE = 0x2c,
    ADC_RATE = 0x32,
    MIC_RATE = 0x34,
    VENDOR_1 = 0x7c,
    VENDOR_2 = 0x7e,
};
enum { MUTE = 0x8000, VARIABLE_RATE = 1, USUAL_RATE = 48000, RATE_MIN = 4000, READY = 0xf };

static const struct CodecRegister {
    uint8_t offset;
    uint16_t value, mask; /* after a reset; what can be written */
} codec_registers[] = {
    { MASTER, 0x8000, 0xbf3f },
    { 0x04, 0x8000, 0xbf3f }, /* headphones */
    { 0x06, 0x8000, 0x803f }, /* mono */
    { 0x0c, 0x8008, 0x801f }, /* phone */
    { 0x0e, 0x8008, 0x805f }, /* microphone */
    { 0x10, 0x8808, 0x9f1f }, /* line in */
    { 0x12, 0x8808, 0x9f1f }, /* CD */
    { 0x16, 0x8808, 0x9f1f }, /* auxiliary */
    { PCM_OUT, 0x8808, 0x9f1f },
    { 0x1a, 0x0000, 0x0707 }, /* what is recorded */
    { 0x1c, 0x8000, 0x8f0f }, /* how loud */
    { 0x20, 0x0000, 0x8380 }, /* general purpose */
    { POWER, READY, 0xff00 },
    { EXTENDED, 0x0809, 0 }, /* variable rates, for the microphone, too; revision 2.3 */
    { EXTENDED_CONTROL, 0x0009, 0x0009 },
    { DAC_RATE, USUAL_RATE, 0xffff },
    { ADC_RATE, USUAL_RATE, 0xffff },
    { MIC_RATE, USUAL_RATE, 0xffff },
    { VENDOR_1, 0x8384, 0 }, /* SigmaTel STAC9700 */
    { VENDOR_2, 0x7600, 0 },
};

/* ---- the controller ---- */

enum { STREAM_IN, STREAM_OUT, STREAM_MIC, STREAMS };
enum { LIST = 0, CURRENT = 4, LAST = 5, STATUS = 6, LEFT = 8, NEXT = 10, CONTROL = 11 };
enum { STREAM_SIZE = 0x10, GLOBAL_CONTROL = 0x2c, GLOBAL_STATUS = 0x30, SEMAPHORE = 0x34 };
enum { HALTED = 1, AT_LAST = 2, LAST_DONE = 4, PIECE_DONE = 8, STATUS_CLEARED = 0x1c };
enum { RUN = 1, RESET = 2, LAST_INTERRUPT = 4, PIECE_INTERRUPT = 0x10, CONTROL_BITS = 0x1f };
enum { PIECES = 32, PIECE_INTERRUPTS = 0x80 };
enum { GLOBAL_COLD = 2, GLOBAL_BITS = 0x3f, CODEC_READY = 0x100 };
enum { NABM_SIZE = 0x100, NAM_SIZE = 0x400, NAM_BAR = 0, NABM_BAR = 1 };

typedef struct Ac97Stream {
    uint32_t list;
    uint8_t current, last, next, control;
    uint16_t status;
    uint32_t address; /* of the piece that is moved */
    uint16_t left;    /* samples of it */
    uint8_t flags;    /* of it */
    uint64_t since;   /* up to when it was moved */
} Ac97Stream;

typedef struct Ac97 {
    PciDevice parent;
    uint16_t codec[CODEC_WORDS];
    Ac97Stream streams[STREAMS];
    uint32_t global;
    uint8_t semaphore;
    Timer *timer; /* while a stream runs */
    /* configuration */
    char *audiodev;
    /* wiring */
    AudioVoice *voice;
    MemoryRegion codec_region, region;
} Ac97;
OBJECT_CAST_DEFINE(Ac97, AC97, TYPE_AC97)

static bool wants_interrupt(const Ac97Stream *t)
{
    return (t->status & LAST_DONE && t->control & LAST_INTERRUPT) ||
           (t->status & PIECE_DONE && t->control & PIECE_INTERRUPT);
}

static uint32_t global_status(const Ac97 *s)
{
    static const uint32_t bits[] = {
        [STREAM_IN] = 1 << 5, [STREAM_OUT] = 1 << 6, [STREAM_MIC] = 1 << 7
    };
    uint32_t value = CODEC_READY;

    for (unsigned i = 0; i < STREAMS; i++) {
        value |= wants_interrupt(&s->streams[i]) ? bits[i] : 0;
    }
    return value;
}

static void update(Ac97 *s)
{
    pci_set_irq(&s->parent, global_status(s) != CODEC_READY);
}

/* ---- streams ---- */

static bool runs(const Ac97Stream *t)
{
    return t->control & RUN && !(t->status & HALTED);
}

static unsigned rate_of(const Ac97 *s, unsigned n)
{
    static const uint8_t registers[] = {
        [STREAM_IN] = ADC_RATE, [STREAM_OUT] = DAC_RATE, [STREAM_MIC] = MIC_RATE
    };

    return s->codec[EXTENDED_CONTROL / 2] & VARIABLE_RATE
               ? MAX(s->codec[registers[n] / 2], RATE_MIN)
               : USUAL_RATE;
}

static void fetch(Ac97 *s, Ac97Stream *t)
{
    uint32_t words[2] = { 0 };

    dma_read_ram(&s->parent.dma, t->list + 8 * (uint64_t)t->current, words, sizeof(words));
    t->address = GUINT32_FROM_LE(words[0]) & ~3u;
    t->left = (uint16_t)GUINT32_FROM_LE(words[1]);
    t->flags = (uint8_t)(GUINT32_FROM_LE(words[1]) >> 24);
}

static void go_to_next(Ac97 *s, Ac97Stream *t)
{
    t->current = t->next;
    t->next = (uint8_t)((t->next + 1) % PIECES);
    fetch(s, t);
}

/* The piece is through. */
static void piece_done(Ac97 *s, Ac97Stream *t)
{
    t->status |= t->flags & PIECE_INTERRUPTS ? PIECE_DONE : 0;
    if (t->current == t->last) {
        t->status |= HALTED | AT_LAST | LAST_DONE;
    } else {
        go_to_next(s, t);
    }
}

static void play(Ac97 *s, int16_t *samples, unsigned frames)
{
    uint16_t master = s->codec[MASTER / 2], pcm = s->codec[PCM_OUT / 2];
    bool mute = (master | pcm) & MUTE;

    for (unsigned i = 0; i < 2 * frames; i++) {
        unsigned shift = i % 2 ? 0 : 8;
        int steps = (master >> shift & 0x3f) + (pcm >> shift & 0x1f) - 8;

        samples[i] = mute ? 0 : sound_scale((int16_t)GUINT16_FROM_LE(samples[i]), steps);
    }
    audio_voice_write(s->voice, samples, frames);
}

/* What has sounded of stream @n since the last time. */
static void run(Ac97 *s, unsigned n, int64_t now)
{
    enum { CHUNK = 1024, MOST_PIECES = 4096 }; /* frames; pieces that may be empty */
    Ac97Stream *t = &s->streams[n];
    unsigned frames = sound_due(&t->since, now, rate_of(s, n));
    unsigned unit = n == STREAM_MIC ? 1 : 2, pieces = 0;

    while (frames && runs(t) && pieces < MOST_PIECES) {
        int16_t samples[2 * CHUNK] = { 0 };
        unsigned count = MIN(MIN(frames, CHUNK), t->left / unit);

        if (n == STREAM_OUT) {
            dma_read_ram(&s->parent.dma, t->address, samples, 4 * (uint64_t)count);
            play(s, samples, count);
        } else {
            dma_write_ram(&s->parent.dma, t->address, samples, 2 * (uint64_t)count * unit);
        }
        t->address += 2 * count * unit;
        t->left = (uint16_t)(t->left - count * unit);
        frames -= count;
        if (t->left < unit) {
            t->left = 0;
            piece_done(s, t);
            pieces++;
        }
    }
}

static void set_voice(Ac97 *s)
{
    if (runs(&s->streams[STREAM_OUT])) {
        audio_voice_start(s->voice, rate_of(s, STREAM_OUT));
    } else {
        audio_voice_stop(s->voice);
    }
}

static void expired(void *opaque)
{
    Ac97 *s = opaque;
    bool some = false;

    set_voice(s);
    for (unsigned n = 0; n < STREAMS; n++) {
        if (runs(&s->streams[n])) {
            if (pci_can_dma(&s->parent)) {
                run(s, n, clock_ns());
            }
            some |= runs(&s->streams[n]);
        }
    }
    set_voice(s);
    if (some) {
        timer_mod(s->timer, clock_ns() + SOUND_PERIOD_NS);
    }
    update(s);
}

static void begin(Ac97 *s, Ac97Stream *t)
{
    t->since = (uint64_t)clock_ns();
    set_voice(s);
    timer_mod(s->timer, clock_ns() + SOUND_PERIOD_NS);
}

static void reset_stream(Ac97Stream *t)
{
    *t = (Ac97Stream){ .status = HALTED };
}

static void write_control(Ac97 *s, Ac97Stream *t, uint8_t value)
{
    if (value & RESET) {
        reset_stream(t);
    } else if (value & RUN && !(t->control & RUN)) {
        t->status &= (uint16_t) ~(HALTED | AT_LAST);
        if (!t->left) {
            go_to_next(s, t);
        }
        t->control = value & CONTROL_BITS;
        begin(s, t);
    } else {
        t->control = value & CONTROL_BITS;
        t->status |= value & RUN ? 0 : HALTED;
    }
    set_voice(s);
}

/* More pieces: what stands at the last one goes on. */
static void write_last(Ac97 *s, Ac97Stream *t, uint8_t value)
{
    t->last = value % PIECES;
    if (t->control & RUN && t->status & HALTED) {
        t->status &= (uint16_t) ~(HALTED | AT_LAST);
        go_to_next(s, t);
        begin(s, t);
    }
}

/* ---- registers ---- */

static uint32_t stream_read(const Ac97Stream *t, unsigned offset)
{
    switch (offset) {
    case LIST:
        return t->list;
    case CURRENT: /* and LAST and STATUS behind it */
        return t->current | (uint32_t)t->last << 8 | (uint32_t)t->status << 16;
    case LEFT: /* and NEXT and CONTROL */
        return t->left | (uint32_t)t->next << 16 | (uint32_t)t->control << 24;
    }
    return 0;
}

static uint64_t ac97_read(void *opaque, hwaddr addr, unsigned size)
{
    Ac97 *s = opaque;
    uint32_t value = 0;

    if (addr < STREAMS * STREAM_SIZE && addr % STREAM_SIZE < GLOBAL_CONTROL % STREAM_SIZE) {
        value = stream_read(&s->streams[addr / STREAM_SIZE], addr & 0xc);
    } else if ((addr & ~3u) == GLOBAL_CONTROL) {
        value = s->global;
    } else if ((addr & ~3u) == GLOBAL_STATUS) {
        value = global_status(s);
    } else if (addr == SEMAPHORE) { /* whoever reads has it, until the codec was accessed */
        value = s->semaphore;
        s->semaphore = 1;
    }
    value >>= 8 * (addr & 3);
    return size == 4 ? value : value & ((1u << 8 * size) - 1);
}

static void stream_write(Ac97 *s, Ac97Stream *t, unsigned offset, uint32_t value)
{
    switch (offset) {
    case LIST:
        t->list = value & ~7u;
        break;
    case LAST:
        write_last(s, t, (uint8_t)value);
        break;
    case STATUS:
        t->status &= (uint16_t) ~(value & STATUS_CLEARED);
        break;
    case CONTROL:
        write_control(s, t, (uint8_t)value);
        break;
    }
}

static void reset_codec(Ac97 *s)
{
    memset(s->codec, 0, sizeof(s->codec));
    for (unsigned i = 0; i < G_N_ELEMENTS(codec_registers); i++) {
        s->codec[codec_registers[i].offset / 2] = codec_registers[i].value;
    }
}

static void reset_all(Ac97 *s)
{
    for (unsigned n = 0; n < STREAMS; n++) {
        reset_stream(&s->streams[n]);
    }
    reset_codec(s);
    s->global = 0;
    s->semaphore = 0;
    timer_del(s->timer);
    set_voice(s);
}

static void ac97_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    Ac97 *s = opaque;

    if (addr < STREAMS * STREAM_SIZE && addr % STREAM_SIZE < GLOBAL_CONTROL % STREAM_SIZE) {
        stream_write(s, &s->streams[addr / STREAM_SIZE], addr % STREAM_SIZE, (uint32_t)value);
        if (addr % STREAM_SIZE == CURRENT && size == 4) { /* the three that are in it */
            stream_write(s, &s->streams[addr / STREAM_SIZE], STATUS, (uint32_t)(value >> 16));
            stream_write(s, &s->streams[addr / STREAM_SIZE], LAST, (uint32_t)(value >> 8));
        }
    } else if (addr == GLOBAL_CONTROL) {
        if (!(value & GLOBAL_COLD) && s->global & GLOBAL_COLD) {
            reset_all(s);
        }
        s->global = value & GLOBAL_BITS & ~4u; /* a warm reset is over at once */
    }
    update(s);
}

static const MemoryRegionOps ac97_ops = { ac97_read, ac97_write, 1, 4 };

static uint64_t codec_read(void *opaque, hwaddr addr, unsigned size)
{
    Ac97 *s = opaque;

    s->semaphore = 0;
    return addr / 2 < CODEC_WORDS ? (uint16_t)(s->codec[addr / 2] >> 8 * (addr & 1)) : 0;
}

static void codec_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    Ac97 *s = opaque;

    s->semaphore = 0;
    if (addr < 2) {
        reset_codec(s);
    }
    if (size == 1 && addr / 2 < CODEC_WORDS) { /* the other half stays */
        unsigned shift = 8 * (addr & 1);

        value = (s->codec[addr / 2] & ~(0xffu << shift)) | value << shift;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(codec_registers); i++) {
        const struct CodecRegister *r = &codec_registers[i];

        if (r->offset == (addr & ~1u)) {
            s->codec[addr / 2] = (uint16_t)((s->codec[addr / 2] & ~r->mask) | (value & r->mask));
        }
    }
    set_voice(s);
}

static const MemoryRegionOps codec_ops = { codec_read, codec_write, 1, 2 };

/* ---- life ---- */

static bool ac97_realize(PciDevice *dev, GError **errp)
{
    Ac97 *s = AC97(dev);
    AudioDev *audio = audio_dev_find(s->audiodev, errp);

    if (!audio) {
        return false;
    }
    s->voice = audio_voice_new(audio);
    s->timer = timer_new(expired, s);
    reset_all(s);
    memory_region_init_io(&s->codec_region, &codec_ops, s, "ac97-codec", NAM_SIZE);
    memory_region_init_io(&s->region, &ac97_ops, s, "ac97", NABM_SIZE);
    pci_add_bar(dev, NAM_BAR, PCI_BAR_IO, &s->codec_region);
    pci_add_bar(dev, NABM_BAR, PCI_BAR_IO, &s->region);
    return true;
}

static void ac97_unrealize(PciDevice *dev)
{
    Ac97 *s = AC97(dev);

    g_clear_pointer(&s->timer, timer_free);
    g_clear_pointer(&s->voice, audio_voice_free);
    memory_region_destroy(&s->codec_region);
    memory_region_destroy(&s->region);
}

static void ac97_reset(PciDevice *dev)
{
    reset_all(AC97(dev));
    update(AC97(dev));
}

/* The level of the interrupt line is the function's state. */
static void ac97_loaded(PciDevice *dev)
{
}

static const StateField stream_fields[] = {
    STATE_UINT(Ac97Stream, list),
    STATE_UINT_MAX(Ac97Stream, current, PIECES - 1),
    STATE_UINT_MAX(Ac97Stream, last, PIECES - 1),
    STATE_UINT_MAX(Ac97Stream, next, PIECES - 1),
    STATE_UINT(Ac97Stream, control),
    STATE_UINT(Ac97Stream, status),
    STATE_UINT(Ac97Stream, address),
    STATE_UINT(Ac97Stream, left),
    STATE_UINT(Ac97Stream, flags),
    STATE_UINT(Ac97Stream, since),
    {},
};
static const StateTable stream_state = { .name = "ac97-stream",
                                         .version = 1,
                                         .fields = stream_fields };

static const StateField ac97_fields[] = {
    STATE_STRUCT(Ac97, parent, &pci_device_state),
    STATE_UINTS(Ac97, codec),
    STATE_STRUCTS(Ac97, streams, &stream_state),
    STATE_UINT(Ac97, global),
    STATE_UINT(Ac97, semaphore),
    STATE_TIMER(Ac97, timer),
    {},
};
static const StateTable ac97_state = { .name = TYPE_AC97, .version = 1, .fields = ac97_fields };

static const PciFunctionClass ac97_class = {
    .device = { PCI_DEVICE_CLASS_CORE, .category = "sound",
                .flags = DEVICE_USER_CREATABLE | DEVICE_HOTPLUG, .state = &ac97_state },
    .realize = ac97_realize,
    .unrealize = ac97_unrealize,
    .reset = ac97_reset,
    .loaded = ac97_loaded,
};

static const PciRegister registers[] = {
    { PCI_VENDOR_ID, 2, 0x8086 },
    { PCI_DEVICE_ID, 2, 0x2415 },
    { PCI_COMMAND, 2, 0, PCI_COMMAND_IO | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE },
    { PCI_STATUS, 2, 0x0280, PCI_STATUS_ERRORS },
    { PCI_REVISION_ID, 1, 0x01 },
    { PCI_CLASS_DEVICE, 2, 0x0401 }, /* audio */
    { PCI_SUBSYSTEM_VENDOR_ID, 2, PCI_SUBSYSTEM_VENDOR_BOARD },
    { PCI_SUBSYSTEM_ID, 2, PCI_SUBSYSTEM_BOARD },
    { PCI_INTERRUPT_LINE, 1, 0, 0xff },
    { PCI_INTERRUPT_PIN, 1, 1 },
};

static void ac97_init(Object *obj)
{
    pci_set_registers(PCI_DEVICE(obj), registers, G_N_ELEMENTS(registers));
}

static const Property properties[] = {
    { .name = "audiodev",
      .kind = PROP_STRING,
      .offset = offsetof(Ac97, audiodev),
      .description = "id of the -audiodev where its sound goes; without it nobody hears it" },
    { 0 },
};

static const ObjectType ac97_type = {
    .name = TYPE_AC97,
    .parent = TYPE_PCI_DEVICE,
    .description = "Intel 82801AA AC97 audio",
    .instance_size = sizeof(Ac97),
    .properties = properties,
    .ops = &ac97_class,
    .init = ac97_init,
};
OBJECT_TYPE_REGISTER(ac97_type)

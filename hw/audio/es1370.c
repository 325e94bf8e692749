/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ES1370: Ensoniq's AudioPCI (its programmer's reference). Two streams play and one records, which
 * is silence; each goes through a piece of memory again and again, and has a count of samples,
 * whose end is an interrupt. The codec (AK4531) takes what is written to it: how loud it is, the
 * guest decides before. Machine lock for everything.
 */
#include <string.h>

#include "audio/audio.h"
#include "hw/audio/sound.h"
#include "hw/pci/pci.h"
#include "memory/dma.h"
#include "util/clock.h"
#include "util/timer.h"

#define TYPE_ES1370 "ES1370"

enum {
    CONTROL = 0x00,
    STATUS = 0x04,
    UART_STATUS = 0x09,
    PAGE = 0x0c,
    CODEC = 0x10,
    SERIAL = 0x20,
    COUNTS = 0x24, /* of the three streams */
    FRAMES = 0x30, /* of two of them, or of one: by the page */
    SIZE = 0x100,  /* of the ports; 0x40 are there */
};
enum { STREAM_DAC1, STREAM_DAC2, STREAM_ADC, STREAMS };
enum { PAGE_DACS = 0xc, PAGE_ADC = 0xd };
enum { CONTROL_RESET = 1, STATUS_RESET = 0x60, PENDING = 7 };
#define STATUS_INTERRUPT 0x80000000u

/* Where a stream's bits are. */
static const struct StreamBits {
    uint32_t enable, pending, interrupt, pause, once;
    uint8_t mode; /* first of the two bits of the format */
} stream_bits[STREAMS] = {
    [STREAM_DAC1] = { 1 << 6, 1 << 2, 1 << 8, 1 << 11, 1 << 13, 0 },
    [STREAM_DAC2] = { 1 << 5, 1 << 1, 1 << 9, 1 << 12, 1 << 14, 2 },
    [STREAM_ADC] = { 1 << 4, 1 << 0, 1 << 10, 0, 1 << 15, 4 },
};

typedef struct Es1370Stream {
    uint32_t address;
    uint16_t size, place;    /* of the memory, in words of 32 bits, less one; where it is in it */
    uint16_t count, counted; /* samples less one, until the interrupt; of those, still to come */
    uint8_t byte;            /* of the word */
    uint64_t since;          /* up to when it was moved */
} Es1370Stream;

typedef struct Es1370 {
    PciDevice parent;
    uint32_t control, status, serial;
    uint16_t codec;
    uint8_t page;
    Es1370Stream streams[STREAMS];
    Timer *timer; /* while a stream runs */
    /* configuration */
    char *audiodev;
    /* wiring */
    AudioVoice *voices[STREAMS - 1];
    MemoryRegion region;
} Es1370;
OBJECT_CAST_DEFINE(Es1370, ES1370, TYPE_ES1370)

static void update(Es1370 *s)
{
    s->status &= ~STATUS_INTERRUPT;
    s->status |= s->status & PENDING ? STATUS_INTERRUPT : 0;
    pci_set_irq(&s->parent, s->status & STATUS_INTERRUPT ? 1 : 0);
}

/* ---- streams ---- */

static bool runs(const Es1370 *s, unsigned n)
{
    return s->control & stream_bits[n].enable && !(s->serial & stream_bits[n].pause);
}

static unsigned rate_of(const Es1370 *s, unsigned n)
{
    static const uint16_t rates[] = { 5512, 11025, 22050, 44100 };
    enum { CLOCK = 1411200, LEAST = 4000 };
    unsigned divisor = (s->control >> 16 & 0x1fff) + 2;

    return n == STREAM_DAC1 ? rates[s->control >> 12 & 3] : CLAMP(CLOCK / divisor, LEAST, 192000);
}

/* Bytes of a frame: one or two sides, of one or two bytes. */
static unsigned frame_of(const Es1370 *s, unsigned n)
{
    unsigned mode = s->serial >> stream_bits[n].mode & 3;

    return 1u << ((mode & 1) + (mode >> 1));
}

/* Samples of 8 bits have no sign. */
static bool is_bytes(const Es1370 *s, unsigned n)
{
    return !(s->serial >> stream_bits[n].mode & 2);
}

/* @size bytes, which reach the end of the memory at the most. */
static void touch(Es1370 *s, unsigned n, uint8_t *data, unsigned size)
{
    Es1370Stream *t = &s->streams[n];
    uint64_t at = t->address + 4 * (uint64_t)t->place + t->byte;

    if (n == STREAM_ADC) {
        dma_write_ram(&s->parent.dma, at, data, size);
    } else {
        dma_read_ram(&s->parent.dma, at, data, size);
    }
    t->place = (uint16_t)(t->place + (t->byte + size) / 4);
    t->byte = (uint8_t)((t->byte + size) % 4);
}

/* Bytes until the end of the memory. */
static unsigned room(const Es1370Stream *t)
{
    return t->place > t->size ? 0 : 4 * (t->size + 1u - t->place) - t->byte;
}

static void play(Es1370 *s, unsigned n, const uint8_t *data, unsigned frames)
{
    unsigned mode = s->serial >> stream_bits[n].mode & 3, sides = mode & 1 ? 2 : 1;
    g_autofree int16_t *samples = g_new(int16_t, 2 * (size_t)frames + 1);

    for (unsigned i = 0; i < 2 * frames; i++) {
        unsigned at = i / 2 * sides + (sides == 2 ? i % 2 : 0);

        samples[i] = mode & 2 ? (int16_t)(data[2 * at] | data[2 * at + 1] << 8)
                              : (int16_t)((data[at] - 128) * 256);
    }
    audio_voice_write(s->voices[n], samples, frames);
}

/* @frames more of them have been moved. */
static void count(Es1370 *s, unsigned n, unsigned frames)
{
    Es1370Stream *t = &s->streams[n];

    if (frames <= t->counted) {
        t->counted = (uint16_t)(t->counted - frames);
        return;
    }
    t->counted = (uint16_t)(t->count - (frames - t->counted - 1) % (t->count + 1u));
    s->status |= s->serial & stream_bits[n].interrupt ? stream_bits[n].pending : 0;
    if (s->serial & stream_bits[n].once) {
        s->control &= ~stream_bits[n].enable;
    }
}

static void run(Es1370 *s, unsigned n, int64_t now)
{
    enum { CHUNK = 4096 };
    Es1370Stream *t = &s->streams[n];
    unsigned frames = sound_due(&t->since, now, rate_of(s, n)), frame = frame_of(s, n);

    while (frames && runs(s, n)) {
        uint8_t data[CHUNK];
        unsigned some = MIN(frames, CHUNK / frame), done = 0, bytes;

        memset(data, n == STREAM_ADC && is_bytes(s, n) ? 0x80 : 0, sizeof(data)); /* silence */
        for (bytes = some * frame; done < bytes;) {
            unsigned piece = MIN(bytes - done, room(t));

            touch(s, n, data + done, piece);
            done += piece;
            if (!room(t)) {
                t->place = t->byte = 0;
            }
        }
        if (n != STREAM_ADC) {
            play(s, n, data, some);
        }
        count(s, n, some);
        frames -= some;
    }
}

static void set_voices(Es1370 *s)
{
    for (unsigned n = 0; n < STREAMS - 1; n++) {
        if (runs(s, n)) {
            audio_voice_start(s->voices[n], rate_of(s, n));
        } else {
            audio_voice_stop(s->voices[n]);
        }
    }
}

static void move(Es1370 *s)
{
    for (unsigned n = 0; n < STREAMS; n++) {
        if (runs(s, n) && pci_can_dma(&s->parent)) {
            run(s, n, clock_ns());
        }
    }
    set_voices(s);
    update(s);
}

static void expired(void *opaque)
{
    Es1370 *s = opaque;
    bool some = false;

    set_voices(s);
    move(s);
    for (unsigned n = 0; n < STREAMS; n++) {
        some |= runs(s, n);
    }
    if (some) {
        timer_mod(s->timer, clock_ns() + SOUND_PERIOD_NS);
    }
}

/* ---- registers ---- */

/* Control or serial control; streams that begin to run by it. */
static void set_streams(Es1370 *s, uint32_t *which, uint32_t value)
{
    bool before[STREAMS];

    for (unsigned n = 0; n < STREAMS; n++) {
        before[n] = runs(s, n);
    }
    *which = value;
    for (unsigned n = 0; n < STREAMS; n++) {
        Es1370Stream *t = &s->streams[n];

        s->status &= s->serial & stream_bits[n].interrupt ? ~0u : ~stream_bits[n].pending;
        if (runs(s, n) && !before[n]) {
            t->since = (uint64_t)clock_ns();
            t->counted = t->count;
            timer_mod(s->timer, clock_ns() + SOUND_PERIOD_NS);
        }
    }
    set_voices(s);
    update(s);
}

/* The stream whose memory is at @addr, and whether that is its size. */
static Es1370Stream *paged(Es1370 *s, hwaddr addr, bool *size)
{
    unsigned n = (unsigned)(addr - FRAMES) / 8;

    *size = addr & 4;
    if (s->page == PAGE_DACS) {
        return &s->streams[n];
    }
    return s->page == PAGE_ADC && n == 0 ? &s->streams[STREAM_ADC] : NULL;
}

static uint32_t read_word(Es1370 *s, hwaddr addr)
{
    bool size;

    if (addr >= FRAMES && addr < FRAMES + 0x10) {
        const Es1370Stream *t = paged(s, addr, &size);

        return !t ? 0 : size ? t->size | (uint32_t)t->place << 16 : t->address;
    }
    if (addr >= COUNTS && addr < COUNTS + 4 * STREAMS) {
        const Es1370Stream *t = &s->streams[(addr - COUNTS) / 4];

        return t->count | (uint32_t)t->counted << 16;
    }
    switch (addr) {
    case CONTROL:
        return s->control;
    case STATUS:
        return s->status;
    case PAGE:
        return s->page;
    case CODEC:
        return s->codec;
    case SERIAL:
        return s->serial;
    }
    return addr == (UART_STATUS & ~3u) ? 0 : UINT32_MAX;
}

static uint64_t es1370_read(void *opaque, hwaddr addr, unsigned size)
{
    uint32_t value = read_word(opaque, addr & ~3u) >> 8 * (addr & 3);

    return size == 4 ? value : value & ((1u << 8 * size) - 1);
}

static void write_word(Es1370 *s, hwaddr addr, uint32_t value)
{
    bool size;

    if (addr >= FRAMES && addr < FRAMES + 0x10) {
        Es1370Stream *t = paged(s, addr, &size);

        if (t && size) {
            t->size = (uint16_t)value;
            t->place = (uint16_t)(value >> 16);
            t->byte = 0;
        } else if (t) {
            t->address = value & ~3u;
        }
    } else if (addr >= COUNTS && addr < COUNTS + 4 * STREAMS) {
        Es1370Stream *t = &s->streams[(addr - COUNTS) / 4];

        t->count = t->counted = (uint16_t)value;
    } else if (addr == CONTROL) {
        set_streams(s, &s->control, value);
    } else if (addr == PAGE) {
        s->page = value & 0xf;
    } else if (addr == CODEC) {
        s->codec = (uint16_t)value;
    } else if (addr == SERIAL) {
        set_streams(s, &s->serial, value);
    }
}

/* What is narrower changes a part of the register. */
static void es1370_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    Es1370 *s = opaque;
    hwaddr word = addr & ~3u;
    unsigned shift = 8 * (addr & 3);
    uint32_t mask = (size == 4 ? UINT32_MAX : (1u << 8 * size) - 1) << shift;

    move(s); /* what has sounded, with what was set */
    write_word(s, word, (read_word(s, word) & ~mask) | ((uint32_t)value << shift & mask));
}

static const MemoryRegionOps es1370_ops = { es1370_read, es1370_write, 1, 4 };

/* ---- life ---- */

static void reset(Es1370 *s)
{
    s->control = CONTROL_RESET;
    s->status = STATUS_RESET;
    s->serial = 0;
    s->codec = 0;
    s->page = 0;
    memset(s->streams, 0, sizeof(s->streams));
    timer_del(s->timer);
    set_voices(s);
}

static bool es1370_realize(PciDevice *dev, GError **errp)
{
    Es1370 *s = ES1370(dev);
    AudioDev *audio = audio_dev_find(s->audiodev, errp);

    if (!audio) {
        return false;
    }
    for (unsigned n = 0; n < STREAMS - 1; n++) {
        s->voices[n] = audio_voice_new(audio);
    }
    s->timer = timer_new(expired, s);
    reset(s);
    memory_region_init_io(&s->region, &es1370_ops, s, "es1370", SIZE);
    pci_add_bar(dev, 0, PCI_BAR_IO, &s->region);
    return true;
}

static void es1370_unrealize(PciDevice *dev)
{
    Es1370 *s = ES1370(dev);

    g_clear_pointer(&s->timer, timer_free);
    for (unsigned n = 0; n < STREAMS - 1; n++) {
        g_clear_pointer(&s->voices[n], audio_voice_free);
    }
    memory_region_destroy(&s->region);
}

static void es1370_reset(PciDevice *dev)
{
    reset(ES1370(dev));
    update(ES1370(dev));
}

/* The level of the interrupt line is the function's state. */
static void es1370_loaded(PciDevice *dev)
{
}

static const StateField stream_fields[] = {
    STATE_UINT(Es1370Stream, address), STATE_UINT(Es1370Stream, size),
    STATE_UINT(Es1370Stream, place),   STATE_UINT(Es1370Stream, count),
    STATE_UINT(Es1370Stream, counted), STATE_UINT_MAX(Es1370Stream, byte, 3),
    STATE_UINT(Es1370Stream, since),   {},
};
static const StateTable stream_state = { .name = "es1370-stream",
                                         .version = 1,
                                         .fields = stream_fields };

static const StateField es1370_fields[] = {
    STATE_STRUCT(Es1370, parent, &pci_device_state),
    STATE_UINT(Es1370, control),
    STATE_UINT(Es1370, status),
    STATE_UINT(Es1370, serial),
    STATE_UINT(Es1370, codec),
    STATE_UINT_MAX(Es1370, page, 0xf),
    STATE_STRUCTS(Es1370, streams, &stream_state),
    STATE_TIMER(Es1370, timer),
    {},
};
static const StateTable es1370_state = { .name = TYPE_ES1370,
                                         .version = 1,
                                         .fields = es1370_fields };

static const PciFunctionClass es1370_class = {
    .device = { PCI_DEVICE_CLASS_CORE, .category = "sound",
                .flags = DEVICE_USER_CREATABLE | DEVICE_HOTPLUG, .state = &es1370_state },
    .realize = es1370_realize,
    .unrealize = es1370_unrealize,
    .reset = es1370_reset,
    .loaded = es1370_loaded,
};

static const PciRegister registers[] = {
    { PCI_VENDOR_ID, 2, 0x1274 },
    { PCI_DEVICE_ID, 2, 0x5000 },
    { PCI_COMMAND, 2, 0, PCI_COMMAND_IO | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE },
    { PCI_STATUS, 2, 0x0400, PCI_STATUS_ERRORS },
    { PCI_CLASS_DEVICE, 2, 0x0401 }, /* audio */
    { PCI_SUBSYSTEM_VENDOR_ID, 2, 0x4942 },
    { PCI_SUBSYSTEM_ID, 2, 0x4c4c },
    { PCI_INTERRUPT_LINE, 1, 0, 0xff },
    { PCI_INTERRUPT_PIN, 1, 1 },
};

static void es1370_init(Object *obj)
{
    pci_set_registers(PCI_DEVICE(obj), registers, G_N_ELEMENTS(registers));
}

static const Property properties[] = {
    { .name = "audiodev",
      .kind = PROP_STRING,
      .offset = offsetof(Es1370, audiodev),
      .description = "id of the -audiodev where its sound goes; without it nobody hears it" },
    { 0 },
};

static const ObjectType es1370_type = {
    .name = TYPE_ES1370,
    .parent = TYPE_PCI_DEVICE,
    .description = "Ensoniq AudioPCI ES1370",
    .instance_size = sizeof(Es1370),
    .properties = properties,
    .ops = &es1370_class,
    .init = es1370_init,
};
OBJECT_TYPE_REGISTER(es1370_type)

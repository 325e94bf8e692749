/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Streams (3.3.35 and 4.5 of the specification): a list of pieces of memory, which is gone through
 * again and again as time passes. What plays goes to the voices of the codecs that have the
 * stream's number; what is recorded is silence.
 */
#include <string.h>

#include "hw/audio/hda.h"
#include "memory/dma.h"
#include "util/clock.h"

enum {
    CTL = 0,
    NUMBER = 2,
    STS = 3,
    LPIB = 4,
    CBL = 8,
    LVI = 0xc,
    FIFO = 0x10,
    FMT = 0x12,
    BDPL = 0x18,
    BDPU = 0x1c
};
enum {
    RUN = 1 << 1,
    INTERRUPT = 1 << 2,
    COMPLETE = 1 << 2,
    STREAMS_OUT = 4,
    READY = 0x20,
    FIFO_BYTES = 0x100
};
enum { DPLBASE = 0x70, DPUBASE = 0x74, POSITIONS_ON = 1 };
enum { PERIOD_NS = 10 * 1000 * 1000, LATE_NS = 200 * 1000 * 1000, PIECES = 4096, CHUNK = 4096 };

typedef struct Entry {
    uint64_t address;
    uint32_t size, flags;
} Entry;

HdaFormat hda_format(uint16_t value)
{
    static const uint8_t bytes[] = { 1, 2, 4, 4, 4, 4, 4, 4 };
    unsigned base = value & 1 << 14 ? 44100 : 48000;

    return (HdaFormat){ .rate = base * (1 + (value >> 11 & 7)) / (1 + (value >> 8 & 7)),
                        .channels = 1 + (value & 0xf),
                        .bytes = bytes[value >> 4 & 7] };
}

static unsigned at(unsigned n, unsigned offset)
{
    return HDA_STREAM_AT + n * HDA_STREAM_SIZE + offset;
}

static bool runs(const IntelHda *s, unsigned n)
{
    return s->registers[at(n, CTL)] & RUN;
}

static HdaFormat format_of(const IntelHda *s, unsigned n)
{
    return hda_format((uint16_t)hda_get(s, at(n, FMT), 2));
}

/* ---- voices ---- */

static unsigned number_of(const IntelHda *s, unsigned n)
{
    return s->registers[at(n, NUMBER)] >> 4;
}

static bool is_played(const IntelHda *s, const HdaCodec *codec)
{
    for (unsigned n = STREAMS_OUT; n < HDA_STREAMS; n++) {
        if (runs(s, n) && hda_codec_plays(codec, number_of(s, n))) {
            return true;
        }
    }
    return false;
}

/* Codecs at which no stream is any more. */
static void silence(IntelHda *s)
{
    for (unsigned i = 0; i < HDA_CODECS; i++) {
        HdaCodec *codec = s->bus->codecs[i];

        if (codec && codec->voice && !is_played(s, codec)) {
            audio_voice_stop(codec->voice);
        }
    }
}

static void sound(IntelHda *s, unsigned n, const int16_t *frames, unsigned count)
{
    for (unsigned i = 0; i < HDA_CODECS; i++) {
        HdaCodec *codec = s->bus->codecs[i];

        if (codec && codec->voice && hda_codec_plays(codec, number_of(s, n))) {
            audio_voice_start(codec->voice, format_of(s, n).rate);
            audio_voice_write(codec->voice, frames, count);
        }
    }
}

static int16_t sample(const uint8_t *p, unsigned bytes)
{
    return bytes == 1 ? (int16_t)((p[0] - 128) * 256) : (int16_t)(p[bytes - 2] | p[bytes - 1] << 8);
}

/* Whole frames. */
static void play(IntelHda *s, unsigned n, const uint8_t *data, unsigned size)
{
    HdaFormat f = format_of(s, n);
    unsigned frame = f.channels * f.bytes, count = size / frame;
    g_autofree int16_t *frames = g_new(int16_t, 2 * (size_t)count + 1);

    for (unsigned i = 0; i < count; i++) {
        const uint8_t *p = data + (size_t)i * frame;

        frames[2 * i] = sample(p, f.bytes);
        frames[2 * i + 1] = sample(f.channels > 1 ? p + f.bytes : p, f.bytes);
    }
    sound(s, n, frames, count);
}

/* ---- the list ---- */

static bool read_entry(const IntelHda *s, unsigned n, Entry *e)
{
    uint64_t list = hda_get(s, at(n, BDPL), 4) | (uint64_t)hda_get(s, at(n, BDPU), 4) << 32;
    uint32_t words[4];

    if (!dma_read_ram(&s->parent.dma, list + 16 * (uint64_t)s->entries[n], words, sizeof(words))) {
        return false;
    }
    *e = (Entry){ .address = GUINT32_FROM_LE(words[0]) | (uint64_t)GUINT32_FROM_LE(words[1]) << 32,
                  .size = GUINT32_FROM_LE(words[2]),
                  .flags = GUINT32_FROM_LE(words[3]) };
    return true;
}

static void advance(IntelHda *s, unsigned n, const Entry *e, uint32_t size)
{
    uint32_t length = hda_get(s, at(n, CBL), 4), place = hda_get(s, at(n, LPIB), 4) + size;

    s->offsets[n] += size;
    if (s->offsets[n] >= e->size) {
        s->offsets[n] = 0;
        s->entries[n] = s->entries[n] >= hda_get(s, at(n, LVI), 2) ? 0 : s->entries[n] + 1;
        s->registers[at(n, STS)] |= e->flags & 1 ? COMPLETE : 0;
    }
    hda_put(s, at(n, LPIB), 4, length && place >= length ? place % length : place);
}

/* @size bytes between memory and @data, in no more than *@pieces. False: there is no such memory,
 * or that was too little. */
static bool move(IntelHda *s, unsigned n, uint8_t *data, unsigned size, unsigned *pieces)
{
    for (; size && *pieces; --*pieces) {
        Entry e;
        uint32_t bytes;

        if (!read_entry(s, n, &e)) {
            return false;
        }
        bytes = MIN(size, e.size - MIN(s->offsets[n], e.size));
        if (n >= STREAMS_OUT
                ? !dma_read_ram(&s->parent.dma, e.address + s->offsets[n], data, bytes)
                : !dma_write_ram(&s->parent.dma, e.address + s->offsets[n], data, bytes)) {
            return false;
        }
        advance(s, n, &e, bytes);
        data += bytes;
        size -= bytes;
    }
    return !size;
}

static void tell_position(IntelHda *s, unsigned n)
{
    uint32_t low = hda_get(s, DPLBASE, 4), place = GUINT32_TO_LE(hda_get(s, at(n, LPIB), 4));
    uint64_t base = (low & ~0x7fu) | (uint64_t)hda_get(s, DPUBASE, 4) << 32;

    if (low & POSITIONS_ON) {
        dma_write_ram(&s->parent.dma, base + 8 * (uint64_t)n, &place, sizeof(place));
    }
}

static void run(IntelHda *s, unsigned n, int64_t now)
{
    HdaFormat f = format_of(s, n);
    unsigned frame = f.channels * f.bytes, pieces = PIECES;
    int64_t frames;

    int64_t since = CLAMP((int64_t)s->since[n], now - LATE_NS, now);
    frames = (now - since) * f.rate / NS_PER_SEC;
    s->since[n] = (uint64_t)(since + frames * NS_PER_SEC / f.rate);
    while (frames && runs(s, n)) {
        uint8_t data[CHUNK] = { 0 };
        unsigned count = (unsigned)MIN(frames, CHUNK / frame);

        if (!move(s, n, data, count * frame, &pieces)) {
            break;
        }
        if (n >= STREAMS_OUT) {
            play(s, n, data, count * frame);
        }
        frames -= count;
    }
    tell_position(s, n);
}

void hda_streams_run(void *opaque)
{
    IntelHda *s = opaque;
    int64_t now = clock_ns();
    bool some = false;

    for (unsigned n = 0; n < HDA_STREAMS; n++) {
        if (runs(s, n)) {
            some = true;
            if (pci_can_dma(&s->parent)) {
                run(s, n, now);
            }
        }
    }
    if (some) {
        timer_mod(s->timer, now + PERIOD_NS);
    }
    hda_update_interrupt(s);
}

void hda_stream_written(IntelHda *s, unsigned n, uint8_t before)
{
    uint8_t *control = &s->registers[at(n, CTL)];

    if (*control & 1) { /* a reset, as long as it is set */
        memset(control, 0, HDA_STREAM_SIZE);
        *control = 1;
        s->registers[at(n, STS)] = READY;
        hda_put(s, at(n, FIFO), 2, FIFO_BYTES);
        s->entries[n] = s->offsets[n] = 0;
    }
    if (*control & RUN && !(before & RUN)) {
        s->since[n] = (uint64_t)clock_ns();
        if (n >= STREAMS_OUT) {
            sound(s, n, NULL, 0); /* others wait for what it will play */
        }
        timer_mod(s->timer, clock_ns() + PERIOD_NS);
    } else if (!(*control & RUN) && before & RUN) {
        silence(s);
    }
}

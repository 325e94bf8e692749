/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * High Definition Audio (Intel's specification, 1.0a): a controller with four streams of each
 * direction, and codecs on its bus. Commands go to codecs, and answers come back, by two rings in
 * memory; a stream has a number, by which a codec's converter is at its other end. Machine lock for
 * everything.
 */
#ifndef HW_AUDIO_HDA_H
#define HW_AUDIO_HDA_H

#include "audio/audio.h"
#include "hw/core/bus.h"
#include "hw/pci/pci.h"
#include "util/timer.h"

#define TYPE_HDA_BUS    "HDA"
#define TYPE_HDA_CODEC  "hda-codec"
#define TYPE_INTEL_HDA  "intel-hda-generic"
#define HDA_CODECS      15u
#define HDA_NODES       6u /* of a codec */
#define HDA_STREAMS     8u /* four to the controller, then four from it */
#define HDA_REGISTERS   0x180u
#define HDA_STREAM_AT   0x80u /* the registers of the first; 0x20 each */
#define HDA_STREAM_SIZE 0x20u

/* What an SDnFMT or a converter's format says (3.7.1). */
typedef struct HdaFormat {
    unsigned rate, channels, bytes; /* of a sample in memory */
} HdaFormat;

/* ---- codecs: hda-codec.c ---- */

typedef struct HdaCodec {
    Device parent;
    uint8_t stream[HDA_NODES]; /* of converters: number, and first channel */
    uint16_t format[HDA_NODES];
    uint8_t pin[HDA_NODES], power[HDA_NODES], unsolicited[HDA_NODES];
    /* configuration */
    uint32_t address; /* property "cad" */
    char *audiodev;
    /* wiring */
    AudioVoice *voice;
} HdaCodec;
OBJECT_CAST_DEFINE(HdaCodec, HDA_CODEC, TYPE_HDA_CODEC)

/* What it answers to @verb, 20 bits, for node @node. */
uint32_t hda_codec_command(HdaCodec *codec, uint8_t node, uint32_t verb);
/* Is a converter of its at stream @number, which plays? */
bool hda_codec_plays(const HdaCodec *codec, unsigned number);

/* ---- the controller ---- */

typedef struct HdaBus {
    Bus parent;
    HdaCodec *codecs[HDA_CODECS]; /* by address; borrowed */
} HdaBus;
OBJECT_CAST_DEFINE(HdaBus, HDA_BUS, TYPE_HDA_BUS)

typedef struct IntelHda {
    PciDevice parent;
    uint8_t registers[HDA_REGISTERS];
    uint32_t answers;                                    /* since the last interrupt for them */
    int64_t began;                                       /* WALLCLK */
    uint32_t entries[HDA_STREAMS], offsets[HDA_STREAMS]; /* where a stream is in its list */
    uint64_t since[HDA_STREAMS];                         /* up to when that was moved */
    bool told;                                           /* an interrupt is up */
    Timer *timer;                                        /* while a stream runs */
    /* wiring */
    MemoryRegion region;
    HdaBus *bus;
} IntelHda;
OBJECT_CAST_DEFINE(IntelHda, INTEL_HDA, TYPE_INTEL_HDA)

uint32_t hda_get(const IntelHda *s, unsigned offset, unsigned size);
void hda_put(IntelHda *s, unsigned offset, unsigned size, uint32_t value);
void hda_update_interrupt(IntelHda *s);

/* ---- hda-stream.c ---- */

HdaFormat hda_format(uint16_t value);
/* The control byte of stream @n was written, and was @before. */
void hda_stream_written(IntelHda *s, unsigned n, uint8_t before);
/* Move what has sounded since the last time. */
void hda_streams_run(void *opaque);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Codecs (chapter 7 of the specification): hda-output, hda-micro and hda-duplex. Node 0 is the
 * codec, node 1 its only function, which has a converter and a jack for each direction. There are
 * no amplifiers: how loud it is, is the guest's own doing. What is recorded is silence.
 */
#include "hw/audio/hda.h"
#include "util/error.h"

enum { ROOT, FUNCTION, FIRST };
/* Kinds of widgets. */
enum { CONVERTER_OUT = 0, CONVERTER_IN = 1, JACK = 4 };
enum {
    STEREO = 1 << 0,
    OWN_FORMAT = 1 << 4,
    HAS_LIST = 1 << 8,
    JACK_OUT = 1 << 4,
    JACK_IN = 1 << 5
};
/* 8 to 96 kHz of 16 bits; and those are plain samples. */
enum { RATES = 0x1ff | 1 << 17, PLAIN = 1 };
/* Parameters. */
enum {
    VENDOR = 0x00,
    SUBSYSTEM = 0x01,
    REVISION = 0x02,
    SUBNODES = 0x04,
    FUNCTION_TYPE = 0x05,
    WIDGET = 0x09,
    PCM_RATES = 0x0a,
    FORMATS = 0x0b,
    JACK_ABILITIES = 0x0c,
    LIST_LENGTH = 0x0e,
    POWER_STATES = 0x0f,
};
/* Verbs: of four bits with 16 of payload, and of twelve with 8. */
enum { SET_FORMAT = 0x2, GET_FORMAT = 0xa };
enum {
    GET_PARAMETER = 0xf00,
    GET_SELECTED = 0xf01,
    GET_LIST = 0xf02,
    GET_POWER = 0xf05,
    SET_POWER = 0x705,
    GET_STREAM = 0xf06,
    SET_STREAM = 0x706,
    GET_PIN = 0xf07,
    SET_PIN = 0x707,
    GET_UNSOLICITED = 0xf08,
    SET_UNSOLICITED = 0x708,
    GET_DEFAULT = 0xf1c,
    GET_SUBSYSTEM = 0xf20,
    RESET = 0x7ff,
};
enum { AUDIO_FUNCTION = 1, VERSION = 0x100100 };

typedef struct Node {
    uint8_t kind;
    uint8_t from;   /* the node that it is connected to; 0: none */
    uint8_t jack;   /* abilities */
    uint32_t where; /* default configuration of a jack */
} Node;

typedef struct HdaCodecClass {
    DeviceClass device;
    uint32_t id;
    Node nodes[HDA_NODES - FIRST];
    unsigned count;
} HdaCodecClass;

/* Jacks at the back, which do not say whether something is in them: green for the line out, pink
 * for a microphone, blue for a line in. */
#define LINE_OUT   0x01014110u
#define MICROPHONE 0x01a19120u
#define LINE_IN    0x01813120u

static const HdaCodecClass *class_of(const HdaCodec *codec)
{
    return object_ops(&codec->parent.parent);
}

static const Node *node_at(const HdaCodec *codec, uint8_t node)
{
    const HdaCodecClass *class = class_of(codec);

    return node >= FIRST && node < FIRST + class->count ? &class->nodes[node - FIRST] : NULL;
}

static uint32_t widget_abilities(const Node *n)
{
    return (uint32_t)n->kind << 20 | STEREO | (n->kind == JACK ? 0 : OWN_FORMAT) |
           (n->from ? HAS_LIST : 0);
}

static uint32_t parameter(const HdaCodec *codec, uint8_t node, uint8_t which)
{
    const HdaCodecClass *class = class_of(codec);
    const Node *n = node_at(codec, node);
    bool formats = node == FUNCTION || (n && n->kind != JACK);

    switch (which) {
    case VENDOR:
    case SUBSYSTEM:
        return node == ROOT || which == SUBSYSTEM ? class->id : 0;
    case REVISION:
        return node == ROOT ? VERSION : 0;
    case SUBNODES:
        return node == ROOT       ? FUNCTION << 16 | 1
               : node == FUNCTION ? FIRST << 16 | class->count
                                  : 0;
    case FUNCTION_TYPE:
        return node == FUNCTION ? AUDIO_FUNCTION : 0;
    case WIDGET:
        return n ? widget_abilities(n) : 0;
    case PCM_RATES:
        return formats ? RATES : 0;
    case FORMATS:
        return formats ? PLAIN : 0;
    case JACK_ABILITIES:
        return n ? n->jack : 0;
    case LIST_LENGTH:
        return n && n->from ? 1 : 0;
    case POWER_STATES:
        return node == FUNCTION ? 0xf : 0;
    default:
        return 0;
    }
}

static void codec_reset(Device *dev)
{
    HdaCodec *codec = HDA_CODEC(dev);

    for (unsigned i = 0; i < HDA_NODES; i++) {
        codec->stream[i] = codec->pin[i] = codec->power[i] = codec->unsolicited[i] = 0;
        codec->format[i] = 0;
    }
}

/* A verb of twelve bits, which may set something. */
static uint32_t long_verb(HdaCodec *codec, uint8_t node, unsigned verb, uint8_t payload)
{
    const Node *n = node_at(codec, node);

    switch (verb) {
    case GET_PARAMETER:
        return parameter(codec, node, payload);
    case GET_LIST:
        return n && payload == 0 ? n->from : 0;
    case GET_POWER:
        return codec->power[node] | (uint32_t)codec->power[node] << 4;
    case SET_POWER:
        codec->power[node] = payload & 0xf;
        return 0;
    case GET_STREAM:
        return codec->stream[node];
    case SET_STREAM:
        codec->stream[node] = n && n->kind != JACK ? payload : 0;
        return 0;
    case GET_PIN:
        return codec->pin[node];
    case SET_PIN:
        codec->pin[node] = n && n->kind == JACK ? payload : 0;
        return 0;
    case GET_UNSOLICITED:
        return codec->unsolicited[node];
    case SET_UNSOLICITED:
        codec->unsolicited[node] = payload;
        return 0;
    case GET_DEFAULT:
        return n ? n->where : 0;
    case GET_SUBSYSTEM:
        return class_of(codec)->id;
    case RESET:
        codec_reset(&codec->parent);
        return 0;
    case GET_SELECTED:
    default:
        return 0;
    }
}

uint32_t hda_codec_command(HdaCodec *codec, uint8_t node, uint32_t verb)
{
    const Node *n = node_at(codec, node);

    if (node >= HDA_NODES) {
        return 0;
    }
    switch (verb >> 16 & 0xf) {
    case SET_FORMAT:
        codec->format[node] = n && n->kind != JACK ? (uint16_t)verb : 0;
        return 0;
    case GET_FORMAT:
        return codec->format[node];
    case 0x7:
    case 0xf:
        return long_verb(codec, node, verb >> 8 & 0xfff, (uint8_t)verb);
    default:
        return 0;
    }
}

bool hda_codec_plays(const HdaCodec *codec, unsigned number)
{
    for (uint8_t i = FIRST; i < HDA_NODES; i++) {
        const Node *n = node_at(codec, i);

        if (n && n->kind == CONVERTER_OUT && number && (unsigned)codec->stream[i] >> 4 == number) {
            return true;
        }
    }
    return false;
}

/* ---- life ---- */

static bool codec_realize(Device *dev, GError **errp)
{
    HdaCodec *codec = HDA_CODEC(dev);
    AudioDev *audio = audio_dev_find(codec->audiodev, errp);

    codec->voice = audio ? audio_voice_new(audio) : NULL;
    return audio;
}

static void codec_unrealize(Device *dev)
{
    g_clear_pointer(&HDA_CODEC(dev)->voice, audio_voice_free);
}

static const StateField codec_fields[] = {
    STATE_UINTS(HdaCodec, stream), STATE_UINTS(HdaCodec, format),      STATE_UINTS(HdaCodec, pin),
    STATE_UINTS(HdaCodec, power),  STATE_UINTS(HdaCodec, unsolicited), {},
};
static const StateTable codec_state = { .name = TYPE_HDA_CODEC,
                                        .version = 1,
                                        .fields = codec_fields };

static const Property codec_properties[] = {
    { .name = "bus",
      .kind = PROP_STRING,
      .offset = offsetof(HdaCodec, parent.bus_name),
      .description = "name of the bus: ID.0 of an HDA controller" },
    { .name = "cad",
      .kind = PROP_UINT32,
      .offset = offsetof(HdaCodec, address),
      .has_default = true,
      .default_int = PROP_UNSET,
      .description = "its address on the bus, 0 to 14; without it the first that is free" },
    { .name = "audiodev",
      .kind = PROP_STRING,
      .offset = offsetof(HdaCodec, audiodev),
      .description = "id of the -audiodev where its sound goes; without it nobody hears it" },
    { 0 },
};

static const ObjectType codec_type = {
    .name = TYPE_HDA_CODEC,
    .parent = TYPE_DEVICE,
    .description = "a codec of HD audio",
    .instance_size = sizeof(HdaCodec),
    .abstract = true,
    .properties = codec_properties,
};
OBJECT_TYPE_REGISTER(codec_type)

#define CODEC_CLASS                                                                   \
    {                                                                                 \
        .category = "sound", .bus = TYPE_HDA_BUS, .flags = DEVICE_USER_CREATABLE,     \
        .realize = codec_realize, .unrealize = codec_unrealize, .reset = codec_reset, \
        .state = &codec_state                                                         \
    }

static const HdaCodecClass output_ops = { .device = CODEC_CLASS,
                                          .id = 0x1af40012,
                                          .nodes = { { CONVERTER_OUT, 0, 0, 0 },
                                                     { JACK, 2, JACK_OUT, LINE_OUT } },
                                          .count = 2 };
static const HdaCodecClass micro_ops = { .device = CODEC_CLASS,
                                         .id = 0x1af40032,
                                         .nodes = { { CONVERTER_OUT, 0, 0, 0 },
                                                    { JACK, 2, JACK_OUT, LINE_OUT },
                                                    { CONVERTER_IN, 5, 0, 0 },
                                                    { JACK, 0, JACK_IN, MICROPHONE } },
                                         .count = 4 };
static const HdaCodecClass duplex_ops = { .device = CODEC_CLASS,
                                          .id = 0x1af40022,
                                          .nodes = { { CONVERTER_OUT, 0, 0, 0 },
                                                     { JACK, 2, JACK_OUT, LINE_OUT },
                                                     { CONVERTER_IN, 5, 0, 0 },
                                                     { JACK, 0, JACK_IN, LINE_IN } },
                                          .count = 4 };

#define CODEC_TYPE(id, name_, description_) \
    static const ObjectType id##_type = {   \
        .name = (name_),                    \
        .parent = TYPE_HDA_CODEC,           \
        .description = (description_),      \
        .ops = &id##_ops,                   \
    };                                      \
    OBJECT_TYPE_REGISTER(id##_type)

CODEC_TYPE(output, "hda-output", "codec of HD audio: a line out")
CODEC_TYPE(micro, "hda-micro", "codec of HD audio: a line out, and a microphone")
CODEC_TYPE(duplex, "hda-duplex", "codec of HD audio: a line out, and a line in")

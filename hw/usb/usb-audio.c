/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usb-audio: a speaker of full speed (USB Audio Class 1.0): 48000 frames a second of two sides, 16
 * bits each, by an isochronous endpoint, and a switch that makes it silent. Machine lock for
 * everything.
 */
#include <string.h>

#include "audio/audio.h"
#include "hw/usb/usb-device.h"
#include "util/error.h"

#define TYPE_USB_AUDIO "usb-audio"

enum { RATE = 48000, FRAME = 4, PACKET = RATE / 1000 * FRAME, OUT_ENDPOINT = 0x01 };
enum { CONTROL_INTERFACE, STREAM_INTERFACE };
/* Units, from the guest to the speaker. */
enum { FROM_USB = 1, SWITCH = 2, SPEAKER = 3 };
enum { SET_CURRENT = 0x01, GET_CURRENT = 0x81, MUTE = 1 };

typedef struct UsbAudio {
    UsbDevice parent;
    bool mute;
    /* configuration */
    char *audiodev;
    /* wiring */
    AudioVoice *voice;
} UsbAudio;
OBJECT_CAST_DEFINE(UsbAudio, USB_AUDIO, TYPE_USB_AUDIO)

/* The units (4.3 of the class's specification). */
static const uint8_t units[] = {
    9,        0x24,     0x01,
    0x00,     0x01,     40,
    0,        1,        STREAM_INTERFACE, /* header: 40 bytes */
    12,       0x24,     0x02,
    FROM_USB, 0x01,     0x01,
    0,        2,        0x03,
    0x00,     0,        0, /* left and right */
    10,       0x24,     0x06,
    SWITCH,   FROM_USB, 1,
    0x01,     0x00,     0x00,
    0, /* for both at once */
    9,        0x24,     0x03,
    SPEAKER,  0x01,     0x03,
    0,        SWITCH,   0,
};
/* What the stream has (4.5): plain samples. */
static const uint8_t stream[] = {
    7,  0x24, 0x01, FROM_USB, 1, 0x01, 0x00,                                      /* */
    11, 0x24, 0x02, 0x01,     2, 2,    16,   1, RATE & 0xff, RATE >> 8 & 0xff, 0, /* */
};
static const uint8_t endpoint_extra[] = { 7, 0x25, 0x01, 0, 0, 0, 0 };

/* Adaptive: it takes what comes. */
static const UsbEndpoint endpoints[] = { { .address = OUT_ENDPOINT,
                                           .kind = USB_ISOCHRONOUS | 0x08,
                                           .max_packet = PACKET,
                                           .interval = 1,
                                           .audio = true,
                                           .extra = endpoint_extra,
                                           .extra_size = sizeof(endpoint_extra) } };
static const UsbInterface interfaces[] = {
    { .number = CONTROL_INTERFACE,
      .class = 1,
      .subclass = 1,
      .extra = units,
      .extra_size = sizeof(units) },
    { .number = STREAM_INTERFACE, .class = 1, .subclass = 2 },
    { .number = STREAM_INTERFACE,
      .alternate = 1,
      .class = 1,
      .subclass = 2,
      .extra = stream,
      .extra_size = sizeof(stream),
      .endpoints = endpoints,
      .endpoint_count = 1 },
};
static const UsbConfiguration full_speed = { 64, USB_SELF_POWERED, 0, interfaces,
                                             G_N_ELEMENTS(interfaces) };
static const UsbDescription description = {
    .vendor = 0x46f4,
    .product = 0x0002,
    .maker = "QEMU",
    .name = "QEMU USB Audio",
    .serial = "1",
    .speeds = { [USB_SPEED_FULL] = &full_speed },
};

static const UsbDescription *describe(const UsbDevice *dev)
{
    return &description;
}

static UsbStatus audio_data(UsbDevice *dev, const UsbEndpoint *endpoint, uint8_t *data,
                            unsigned *size)
{
    UsbAudio *s = USB_AUDIO(dev);
    int16_t samples[2 * 1024 / FRAME];
    unsigned count = MIN(*size, 1024u) / FRAME;

    for (unsigned i = 0; i < 2 * count; i++) {
        samples[i] = s->mute ? 0 : (int16_t)(data[2 * i] | data[2 * i + 1] << 8);
    }
    audio_voice_write(s->voice, samples, count);
    return USB_OK;
}

static int audio_control(UsbDevice *dev, const UsbSetup *setup, uint8_t *data)
{
    UsbAudio *s = USB_AUDIO(dev);
    bool ours = setup->index == (SWITCH << 8 | CONTROL_INTERFACE) && setup->value >> 8 == MUTE;

    if (ours &&
        setup->request == USB_REQUEST(USB_TO_HOST | USB_CLASS | USB_INTERFACE, GET_CURRENT)) {
        data[0] = s->mute;
        return 1;
    }
    if (ours && setup->length == 1 &&
        setup->request == USB_REQUEST(USB_CLASS | USB_INTERFACE, SET_CURRENT)) {
        s->mute = data[0];
        return 0;
    }
    return -1;
}

/* It sounds while the guest has chosen the alternate with the endpoint. */
static void configured(UsbDevice *dev)
{
    UsbAudio *s = USB_AUDIO(dev);

    if (dev->configuration && dev->alternates[STREAM_INTERFACE]) {
        audio_voice_start(s->voice, RATE);
    } else {
        audio_voice_stop(s->voice);
    }
}

static void audio_reset(UsbDevice *dev)
{
    USB_AUDIO(dev)->mute = false;
    configured(dev);
}

static bool audio_realize(UsbDevice *dev, GError **errp)
{
    UsbAudio *s = USB_AUDIO(dev);
    AudioDev *audio = audio_dev_find(s->audiodev, errp);

    s->voice = audio ? audio_voice_new(audio) : NULL;
    return audio;
}

static void audio_unrealize(UsbDevice *dev)
{
    g_clear_pointer(&USB_AUDIO(dev)->voice, audio_voice_free);
}

static const StateField audio_fields[] = {
    STATE_STRUCT(UsbAudio, parent, &usb_device_state),
    STATE_BOOL(UsbAudio, mute),
    {},
};
static const StateTable audio_state = { .name = TYPE_USB_AUDIO,
                                        .version = 1,
                                        .fields = audio_fields };

static const UsbDeviceClass audio_ops = {
    .device = USB_DEVICE_CLASS("sound", &audio_state),
    .describe = describe,
    .realize = audio_realize,
    .unrealize = audio_unrealize,
    .reset = audio_reset,
    .configured = configured,
    .control = audio_control,
    .data = audio_data,
};

static const Property audio_properties[] = {
    { .name = "audiodev",
      .kind = PROP_STRING,
      .offset = offsetof(UsbAudio, audiodev),
      .description = "id of the -audiodev where its sound goes; without it nobody hears it" },
    USB_SERIAL_PROPERTY,
    { 0 },
};

static const ObjectType audio_type = {
    .name = TYPE_USB_AUDIO,
    .parent = TYPE_USB_DEVICE,
    .description = "USB speaker",
    .instance_size = sizeof(UsbAudio),
    .properties = audio_properties,
    .ops = &audio_ops,
};
OBJECT_TYPE_REGISTER(audio_type)

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/timer/pcspk.h"

#include "audio/audio.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/timer.h"

#define RATE      48000u
#define PERIOD_NS INT64_C(10000000)

typedef struct Pcspk {
    Device parent;
    uint32_t period; /* of the wave, in ticks of the 8254; 0: silence */
    uint32_t phase;  /* ticks since it began, in 256ths */
    uint64_t since;  /* up to when it has sounded */
    Timer *timer;    /* while it sounds */
    /* configuration */
    char *audiodev;
    /* wiring */
    I8254 *pit;
    AudioVoice *voice;
} Pcspk;
OBJECT_CAST_DEFINE(Pcspk, PCSPK, TYPE_PCSPK)

/* What nobody could hear, and a file of RATE could not hold, is silence. */
static int16_t sample(const Pcspk *s)
{
    enum { LOUD = 8192, HIGHEST_HZ = 20000 };

    return s->period < I8254_HZ / HIGHEST_HZ      ? 0
           : s->phase < (uint64_t)s->period * 128 ? LOUD
                                                  : -LOUD;
}

/* What has sounded since the last time. */
static void sound(Pcspk *s)
{
    enum { STEP = I8254_HZ * 256ull / RATE, LATE_NS = 200 * 1000 * 1000, CHUNK = 512 };
    int64_t now = clock_ns(), from = CLAMP((int64_t)s->since, now - LATE_NS, now);
    int64_t frames = (now - from) * RATE / NS_PER_SEC;

    s->since = (uint64_t)(from + frames * NS_PER_SEC / RATE);
    while (frames > 0 && s->period) {
        int16_t samples[2 * CHUNK];
        unsigned count = (unsigned)MIN(frames, CHUNK);

        for (unsigned i = 0; i < count; i++) {
            samples[2 * i] = samples[2 * i + 1] = sample(s);
            s->phase = (uint32_t)((s->phase + (uint64_t)STEP) % ((uint64_t)s->period * 256));
        }
        audio_voice_write(s->voice, samples, count);
        frames -= count;
    }
}

static void set_voice(Pcspk *s)
{
    if (s->period) {
        audio_voice_start(s->voice, RATE);
    } else {
        audio_voice_stop(s->voice);
    }
}

static void expired(void *opaque)
{
    Pcspk *s = opaque;

    set_voice(s); /* of a machine that was loaded, too */
    sound(s);
    if (s->period) {
        timer_mod(s->timer, clock_ns() + PERIOD_NS);
    }
}

static void tone_changed(void *opaque)
{
    Pcspk *s = opaque;
    uint32_t period = i8254_tone(s->pit);

    if (period == s->period) {
        return;
    }
    sound(s);
    if (!s->period) {
        s->since = (uint64_t)clock_ns();
        timer_mod(s->timer, clock_ns() + PERIOD_NS);
    }
    s->period = period;
    s->phase = 0;
    set_voice(s);
}

static void pcspk_reset(Device *dev)
{
    Pcspk *s = PCSPK(dev);

    s->period = s->phase = 0;
    s->since = 0;
    timer_del(s->timer);
    set_voice(s);
}

static bool pcspk_realize(Device *dev, GError **errp)
{
    Pcspk *s = PCSPK(dev);
    AudioDev *audio = audio_dev_find(s->audiodev, errp);

    if (!audio) {
        return false;
    }
    s->voice = audio_voice_new(audio);
    s->timer = timer_new(expired, s);
    i8254_on_tone(s->pit, tone_changed, s);
    return true;
}

static void pcspk_unrealize(Device *dev)
{
    Pcspk *s = PCSPK(dev);

    i8254_on_tone(s->pit, NULL, NULL);
    g_clear_pointer(&s->timer, timer_free);
    g_clear_pointer(&s->voice, audio_voice_free);
}

static const StateField pcspk_fields[] = {
    STATE_UINT_MAX(Pcspk, period, 0x10000),
    STATE_UINT(Pcspk, phase),
    STATE_UINT(Pcspk, since),
    STATE_TIMER(Pcspk, timer),
    {},
};
static const StateTable pcspk_state = { .name = TYPE_PCSPK, .version = 1, .fields = pcspk_fields };

static const Property pcspk_properties[] = {
    { .name = "audiodev",
      .kind = PROP_STRING,
      .offset = offsetof(Pcspk, audiodev),
      .description = "id of the -audiodev where its sound goes" },
    { 0 },
};

static const DeviceClass pcspk_class = {
    .category = "sound",
    .realize = pcspk_realize,
    .unrealize = pcspk_unrealize,
    .reset = pcspk_reset,
    .state = &pcspk_state,
};

static const ObjectType pcspk_type = {
    .name = TYPE_PCSPK,
    .parent = TYPE_DEVICE,
    .description = "PC speaker",
    .instance_size = sizeof(Pcspk),
    .properties = pcspk_properties,
    .ops = &pcspk_class,
};
OBJECT_TYPE_REGISTER(pcspk_type)

bool pcspk_create(I8254 *pit, const char *audiodev, GError **errp)
{
    Pcspk *s;

    if (!audio_dev_find(audiodev, errp)) {
        g_prefix_error(errp, "pcspk-audiodev=%s: ", audiodev);
        return false;
    }
    s = PCSPK(device_new_onboard(TYPE_PCSPK));
    s->pit = pit;
    s->audiodev = g_strdup(audiodev);
    return device_realize(&s->parent, errp);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "audio/audio.h"

#include <json-c/json.h>
#include <string.h>

#include "audio/capture.h"
#include "audio/rate.h"
#include "audio/wav.h"
#include "util/error.h"

enum { RATE = 44100, RATE_MIN = 8000, RATE_MAX = 192000, SIDES = AUDIO_SIDES, BITS = 16 };

struct AudioDev {
    char *id;
    unsigned rate, channels;
    bool spice;        /* the sink hears it */
    AudioDev *mixed;   /* the one whose sound this is, too: there is one sink; borrowed */
    WavFile *file;     /* NULL: there is none */
    GPtrArray *voices; /* of AudioVoice *, that sound; borrowed */
};

struct AudioVoice {
    AudioDev *dev;
    unsigned rate;
    bool sounds;
    AudioRate at;
    GArray *pending; /* of int16_t: frames of the device's rate, which wait for other voices */
};

static GPtrArray *devs; /* of AudioDev *, owned; for ever */
static const AudioSink *sink;

/* ---- options ---- */

static const char *text_of(struct json_object *opts, const char *name)
{
    struct json_object *value = NULL;

    return json_object_object_get_ex(opts, name, &value) ? json_object_get_string(value) : NULL;
}

char *audio_dev_text(void)
{
    return g_strdup("none,id=ID        nobody hears the sound\n"
                    "spice,id=ID       the clients of -spice hear it\n"
                    "dbus,id=ID        the same: clients on D-Bus hear nothing\n"
                    "sdl,id=ID         the same: SDL plays nothing\n"
                    "wav,id=ID,path=FILE[,out.frequency=44100][,out.channels=2]\n"
                    "                  it goes to a file, 16 bits a sample\n");
}

/* A number of "out"; false: it is none of those. */
static bool get_number(struct json_object *out, const char *name, unsigned min, unsigned max,
                       unsigned *value, GError **errp)
{
    const char *text = out ? text_of(out, name) : NULL;
    guint64 number;

    if (!text) {
        return true;
    }
    if (!g_ascii_string_to_unsigned(text, 10, min, max, &number, NULL)) {
        error_set(errp, "out.%s=%s: %u to %u is possible", name, text, min, max);
        return false;
    }
    *value = (unsigned)number;
    return true;
}

static bool open_wav(AudioDev *dev, struct json_object *opts, GError **errp)
{
    struct json_object *out = json_object_object_get(opts, "out");
    const char *path = text_of(opts, "path"), *format = out ? text_of(out, "format") : NULL;

    if (out && !json_object_is_type(out, json_type_object)) {
        error_set(errp, "out= has members: out.frequency=44100");
        return false;
    }
    if (format && strcmp(format, "s16") != 0) {
        error_set(errp, "out.format=%s: s16 is what there is", format);
        return false;
    }
    if (!get_number(out, "frequency", RATE_MIN, RATE_MAX, &dev->rate, errp) ||
        !get_number(out, "channels", 1, SIDES, &dev->channels, errp)) {
        return false;
    }
    dev->file = wav_open(path ? path : "qemu.wav", dev->rate, dev->channels, BITS, errp);
    return dev->file;
}

static AudioDev *find(const char *id)
{
    for (unsigned i = 0; devs && i < devs->len; i++) {
        AudioDev *dev = devs->pdata[i];

        if (g_strcmp0(dev->id, id) == 0) {
            return dev;
        }
    }
    return NULL;
}

static AudioDev *find_spice(void)
{
    for (unsigned i = 0; devs && i < devs->len; i++) {
        AudioDev *dev = devs->pdata[i];

        if (dev->spice) {
            return dev;
        }
    }
    return NULL;
}

static AudioDev *add(const char *id, bool spice)
{
    AudioDev *dev = g_new0(AudioDev, 1), *first = spice ? find_spice() : NULL;

    dev->id = g_strdup(id);
    dev->spice = spice;
    dev->mixed = first ? first : dev;
    dev->rate = RATE;
    dev->channels = SIDES;
    dev->voices = g_ptr_array_new();
    devs = devs ? devs : g_ptr_array_new();
    g_ptr_array_add(devs, dev);
    return dev;
}

bool audio_dev_new(struct json_object *opts, GError **errp)
{
    const char *driver = text_of(opts, "driver"), *id = text_of(opts, "id");
    static const char *const silent[] = { "none", "dbus", "sdl", NULL };
    bool wav = g_strcmp0(driver, "wav") == 0, spice = g_strcmp0(driver, "spice") == 0;
    AudioDev *dev;

    if (!wav && !spice && !(driver && g_strv_contains(silent, driver))) {
        error_set(errp, "driver=%s: no such sound driver; there are none, wav, spice, dbus and sdl",
                  driver ? driver : "");
        return false;
    }
    if (json_object_object_get_ex(opts, "model", NULL)) {
        error_set(errp, "model=: -audio makes a sound card; with -audiodev, -device does: -device "
                        "ich9-intel-hda -device hda-duplex,audiodev=ID");
        return false;
    }
    if (!id && !wav) {
        return true; /* `-audio none`, to which nothing can refer */
    }
    if (!id || !*id) {
        error_set(errp, "an -audiodev needs a name: id=ID");
        return false;
    }
    if (find(id)) {
        error_set(errp, "id=%s: there is another -audiodev of this name", id);
        return false;
    }
    dev = add(id, spice);
    if (wav && !open_wav(dev, opts, errp)) {
        g_ptr_array_remove(devs, dev);
        g_ptr_array_unref(dev->voices);
        g_free(dev->id);
        g_free(dev);
        return false;
    }
    return true;
}

AudioDev *audio_dev_find(const char *id, GError **errp)
{
    g_autoptr(GString) names = g_string_new(NULL);
    AudioDev *dev = find(id);

    if (dev || !id) {
        return dev ? dev : add(NULL, false);
    }
    for (unsigned i = 0; devs && i < devs->len; i++) {
        const AudioDev *other = devs->pdata[i];

        if (other->id) {
            g_string_append_printf(names, "%s%s", names->len ? ", " : "", other->id);
        }
    }
    error_set(errp, "audiodev '%s' not found; there is %s", id,
              names->len ? names->str : "none: -audiodev none,id=ID makes one");
    return NULL;
}

const AudioDev *audio_dev_heard(const AudioDev *dev)
{
    return dev->mixed;
}

/* ---- voices ---- */

AudioVoice *audio_voice_new(AudioDev *dev)
{
    AudioVoice *v = g_new0(AudioVoice, 1);

    v->dev = dev->mixed;
    v->pending = g_array_new(FALSE, FALSE, sizeof(int16_t));
    return v;
}

void audio_voice_free(AudioVoice *v)
{
    audio_voice_stop(v);
    g_array_unref(v->pending);
    g_free(v);
}

static bool is_heard(const AudioDev *dev)
{
    return dev->file || (dev->spice && sink) || audio_capture_listens(dev);
}

void audio_set_sink(const AudioSink *to)
{
    sink = to;
}

/* Samples that each voice has; but one that has none for a second is not waited for. */
static unsigned common(const AudioDev *dev)
{
    unsigned least = UINT_MAX, most = 0;

    for (unsigned i = 0; i < dev->voices->len; i++) {
        const AudioVoice *v = dev->voices->pdata[i];

        least = MIN(least, v->pending->len);
        most = MAX(most, v->pending->len);
    }
    return most > dev->rate * SIDES ? most : dev->voices->len ? least : 0;
}

/* @count samples, of both sides, to all that hear them. */
static void pass_on(AudioDev *dev, int16_t *samples, unsigned count)
{
    audio_capture_add(dev, dev->rate, samples, count / SIDES);
    if (dev->file) {
        unsigned kept = 0;

        for (unsigned n = 0; n < count; n += SIDES / dev->channels) {
            samples[kept++] = samples[n];
        }
        wav_write(dev->file, samples, kept);
    } else if (dev->spice && sink) {
        sink->write(samples, count / SIDES);
    }
}

static void mix(AudioDev *dev)
{
    unsigned count = common(dev);
    g_autofree int16_t *samples = g_new(int16_t, count + 1);

    for (unsigned n = 0; n < count; n++) {
        int32_t sum = 0;

        for (unsigned i = 0; i < dev->voices->len; i++) {
            const AudioVoice *v = dev->voices->pdata[i];

            sum += n < v->pending->len ? g_array_index(v->pending, int16_t, n) : 0;
        }
        samples[n] = (int16_t)CLAMP(sum, INT16_MIN, INT16_MAX);
    }
    for (unsigned i = 0; i < dev->voices->len; i++) {
        GArray *pending = ((AudioVoice *)dev->voices->pdata[i])->pending;

        g_array_remove_range(pending, 0, MIN(count, pending->len));
    }
    if (count) {
        pass_on(dev, samples, count);
    }
}

void audio_voice_start(AudioVoice *v, unsigned rate)
{
    if (v->sounds && v->rate == rate) {
        return;
    }
    audio_voice_stop(v);
    v->rate = rate;
    v->at = (AudioRate){ 0 };
    v->sounds = true;
    if (v->dev->spice && sink && !v->dev->voices->len) {
        v->dev->rate = sink->start();
    }
    g_ptr_array_add(v->dev->voices, v);
}

void audio_voice_stop(AudioVoice *v)
{
    if (v->sounds) {
        v->sounds = false;
        g_ptr_array_remove(v->dev->voices, v);
        g_array_set_size(v->pending, 0);
        if (is_heard(v->dev)) {
            mix(v->dev);
        }
        if (v->dev->spice && sink && !v->dev->voices->len) {
            sink->stop();
        }
    }
}

void audio_voice_write(AudioVoice *v, const int16_t *samples, unsigned count)
{
    if (!v->sounds || !is_heard(v->dev)) {
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        audio_rate_add(&v->at, samples + (size_t)SIDES * i, v->rate, v->dev->rate, v->pending);
    }
    mix(v->dev);
}

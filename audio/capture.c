/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "audio/capture.h"

#include "audio/rate.h"
#include "audio/wav.h"
#include "util/error.h"

enum { RATE_MIN = 8000, RATE_MAX = 192000 };

typedef struct Capture {
    const AudioDev *dev; /* there for ever */
    char *path;
    unsigned rate, bits, channels;
    AudioRate at;
    WavFile *file;
} Capture;

static GPtrArray *captures; /* of Capture, owned; NULL: there were none yet */

static void capture_free(void *opaque)
{
    Capture *c = opaque;

    if (c->file) {
        wav_close(c->file);
    }
    g_free(c->path);
    g_free(c);
}

static bool check(unsigned rate, unsigned bits, unsigned channels, GError **errp)
{
    if (rate < RATE_MIN || rate > RATE_MAX) {
        error_set(errp, "%u frames a second: %d to %d are possible", rate, RATE_MIN, RATE_MAX);
    } else if (bits != 8 && bits != 16) {
        error_set(errp, "%u bits a sample: 8 and 16 are possible", bits);
    } else if (channels != 1 && channels != AUDIO_SIDES) {
        error_set(errp, "%u channels: 1 and 2 are possible", channels);
    } else {
        return true;
    }
    return false;
}

bool audio_capture_start(const char *id, const char *path, unsigned rate, unsigned bits,
                         unsigned channels, GError **errp)
{
    const AudioDev *dev = audio_dev_find(id, errp);
    WavFile *file = dev && check(rate, bits, channels, errp)
                        ? wav_open(path, rate, channels, bits, errp)
                        : NULL;
    Capture *c;

    if (!file) {
        return false;
    }
    c = g_new0(Capture, 1);
    *c = (Capture){ .dev = audio_dev_heard(dev),
                    .path = g_strdup(path),
                    .rate = rate,
                    .bits = bits,
                    .channels = channels,
                    .file = file };
    captures = captures ? captures : g_ptr_array_new_with_free_func(capture_free);
    g_ptr_array_insert(captures, 0, c);
    return true;
}

bool audio_capture_stop(unsigned n, GError **errp)
{
    if (!captures || n >= captures->len) {
        error_set(errp, "there is no copy number %u; info capture lists those there are", n);
        return false;
    }
    g_ptr_array_remove_index(captures, n);
    return true;
}

char *audio_capture_text(void)
{
    GString *text = g_string_new(NULL);

    for (unsigned i = 0; captures && i < captures->len; i++) {
        const Capture *c = captures->pdata[i];

        g_string_append_printf(text, "[%u]: Capturing audio(%u,%u,%u) to %s: %u bytes\n", i,
                               c->rate, c->bits, c->channels, c->path, wav_bytes(c->file));
    }
    return g_string_free(text, FALSE);
}

bool audio_capture_listens(const AudioDev *dev)
{
    for (unsigned i = 0; captures && i < captures->len; i++) {
        if (((const Capture *)captures->pdata[i])->dev == dev) {
            return true;
        }
    }
    return false;
}

void audio_capture_add(const AudioDev *dev, unsigned rate, const int16_t *frames, unsigned count)
{
    for (unsigned i = 0; captures && i < captures->len; i++) {
        Capture *c = captures->pdata[i];
        g_autoptr(GArray) samples = g_array_new(FALSE, FALSE, sizeof(int16_t));
        unsigned kept = 0;

        if (c->dev != dev) {
            continue;
        }
        for (unsigned n = 0; n < count; n++) {
            audio_rate_add(&c->at, frames + (size_t)AUDIO_SIDES * n, rate, c->rate, samples);
        }
        for (unsigned n = 0; n < samples->len; n += AUDIO_SIDES / c->channels) {
            g_array_index(samples, int16_t, kept++) = g_array_index(samples, int16_t, n);
        }
        wav_write(c->file, &g_array_index(samples, int16_t, 0), kept);
    }
}

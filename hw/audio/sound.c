/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/audio/sound.h"

#include <glib.h>

#include "util/clock.h"

unsigned sound_due(uint64_t *since, int64_t now, unsigned rate)
{
    enum { LATE_NS = 200 * 1000 * 1000 };
    int64_t from = CLAMP((int64_t)*since, now - LATE_NS, now);
    int64_t frames = (now - from) * rate / NS_PER_SEC;

    *since = (uint64_t)(from + frames * NS_PER_SEC / rate);
    return (unsigned)frames;
}

int16_t sound_scale(int16_t sample, int steps)
{
    /* 1.5 dB four times is half of it, near enough. */
    static const int32_t quarters[] = { 65536, 55141, 46396, 39037 };
    enum { LOUDEST = -8, SILENT = 64 };
    int from_loudest = CLAMP(steps, LOUDEST, SILENT) - LOUDEST;
    int64_t value = (int64_t)sample * 4 * quarters[from_loudest % 4] / 65536;

    value /= (int64_t)1 << from_loudest / 4;
    return (int16_t)CLAMP(value, INT16_MIN, INT16_MAX);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "audio/rate.h"

#include <string.h>

void audio_rate_add(AudioRate *r, const int16_t *frame, unsigned from, unsigned to, GArray *out)
{
    const uint64_t one = (uint64_t)1 << 32, step = ((uint64_t)from << 32) / to;

    for (; r->phase < one; r->phase += step) {
        for (unsigned side = 0; side < AUDIO_SIDES; side++) {
            int64_t part = (int64_t)(r->phase >> 16) * (frame[side] - r->last[side]) / (1 << 16);
            int16_t sample = (int16_t)(r->last[side] + part);

            g_array_append_val(out, sample);
        }
    }
    r->phase -= one;
    memcpy(r->last, frame, sizeof(r->last));
}

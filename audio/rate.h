/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sound at one rate as sound at another: frames of two sides, with straight lines between them. */
#ifndef AUDIO_RATE_H
#define AUDIO_RATE_H

#include <glib.h>
#include <stdint.h>

#define AUDIO_SIDES 2

typedef struct AudioRate {
    uint64_t phase;            /* of the next frame, from the last one that came: 32.32 */
    int16_t last[AUDIO_SIDES]; /* frame that came; all zeros at first */
} AudioRate;

/* @frame is the next of @from frames a second; append to @out, of int16_t, what is heard until then
 * of @to frames a second. */
void audio_rate_add(AudioRate *r, const int16_t *frame, unsigned from, unsigned to, GArray *out);

#endif

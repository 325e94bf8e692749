/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What sound cards have in common: how much has sounded, and how loud. */
#ifndef HW_AUDIO_SOUND_H
#define HW_AUDIO_SOUND_H

#include <stdint.h>

#define SOUND_PERIOD_NS INT64_C(10000000) /* how often something is moved */

/* Frames that have sounded from *@since to @now, at @rate a second, which moves on by them; what is
 * more than 200 ms late is left out. */
unsigned sound_due(uint64_t *since, int64_t now, unsigned rate);
/* @sample, attenuated by @steps of 1.5 dB; negative: amplified, by 12 dB at the most. */
int16_t sound_scale(int16_t sample, int steps);

#endif

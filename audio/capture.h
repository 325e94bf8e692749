/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copies of what devices of -audiodev sound like, in files, begun and ended while the machine runs.
 * Known by their places in the list, the newest first. Machine lock.
 */
#ifndef AUDIO_CAPTURE_H
#define AUDIO_CAPTURE_H

#include "audio/audio.h"

/* What -audiodev @id sounds like goes to @path, which is overwritten: @rate frames a second (8000
 * to 192000), @bits (8 or 16) a sample, @channels (1 or 2). */
bool audio_capture_start(const char *id, const char *path, unsigned rate, unsigned bits,
                         unsigned channels, GError **errp);
/* Number @n ends. */
bool audio_capture_stop(unsigned n, GError **errp);
/* A line each, for people; g_free. */
char *audio_capture_text(void);

/* ---- for audio.c ---- */

/* Is there one of @dev? */
bool audio_capture_listens(const AudioDev *dev);
/* @count frames more, of @rate a second. */
void audio_capture_add(const AudioDev *dev, unsigned rate, const int16_t *frames, unsigned count);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files of the format WAVE. */
#ifndef AUDIO_WAV_H
#define AUDIO_WAV_H

#include <glib.h>
#include <stdint.h>

typedef struct WavFile WavFile;

/* A new, empty one at @path, which is overwritten, with 8 or 16 @bits a sample; wav_close(). */
WavFile *wav_open(const char *path, unsigned rate, unsigned channels, unsigned bits, GError **errp);
/* @count samples more. The file is whole after each call. What finds no room is lost. */
void wav_write(WavFile *file, const int16_t *samples, unsigned count);
/* Of sound, so far. */
unsigned wav_bytes(const WavFile *file);
void wav_close(WavFile *file);

#endif

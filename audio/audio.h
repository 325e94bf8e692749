/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sound: what `-audiodev` gives a name is where the sound of devices goes. A device has a voice; it
 * writes to it as time passes for its guest, and voices that sound at the same time are mixed.
 * There are the drivers none; wav, which writes a file; and spice, which has a sink above. Machine
 * lock for everything.
 */
#ifndef AUDIO_AUDIO_H
#define AUDIO_AUDIO_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

struct json_object;

typedef struct AudioDev AudioDev;
typedef struct AudioVoice AudioVoice;

/* What `-audiodev` says: "driver", "id", and options of the driver. */
bool audio_dev_new(struct json_object *opts, GError **errp);
/* The one with @id; NULL stands for one of the driver none. An error that lists those there are.
 * Borrowed. */
AudioDev *audio_dev_find(const char *id, GError **errp);
/* The one whose sound that of @dev is mixed into: itself, or what all of the driver spice share. */
const AudioDev *audio_dev_heard(const AudioDev *dev);
/* The drivers and their options, for people; g_free. */
char *audio_dev_text(void);

/* Takes the sound of the driver spice, of all its devices mixed. */
typedef struct AudioSink {
    /* Something sounds from now on; how many frames a second it takes, 8000 to 192000. */
    unsigned (*start)(void);
    /* @count frames: a sample of the left side, one of the right. */
    void (*write)(const int16_t *samples, unsigned count);
    void (*stop)(void);
} AudioSink;

/* @sink is borrowed until another is set; NULL: nobody hears it. While nothing sounds, or at the
 * end. */
void audio_set_sink(const AudioSink *sink);

/* A voice of a device, silent until audio_voice_start(); audio_voice_free(). */
AudioVoice *audio_voice_new(AudioDev *dev);
void audio_voice_free(AudioVoice *voice);
/* It sounds from now on, @rate frames a second, if it does not yet. */
void audio_voice_start(AudioVoice *voice, unsigned rate);
/* The next @count frames: a sample of the left side, one of the right. */
void audio_voice_write(AudioVoice *voice, const int16_t *samples, unsigned count);
/* It is silent; the others go on without it. */
void audio_voice_stop(AudioVoice *voice);

#endif

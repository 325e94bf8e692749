/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the guest plays, for clients of SPICE. Devices write it on threads of vCPUs, too; the
 * library is told on the main thread.
 */
#include <string.h>

#include "audio/audio.h"
#include "ui/spice-internal.h"
#include "util/main-loop.h"

enum { FRAMES_MAX = 48000 }; /* that wait for the main thread: a second */

static struct {
    SpicePlaybackInstance instance;
    bool there;          /* the library knows it */
    bool due;            /* tell() comes */
    bool wanted;         /* something sounds; */
    bool sounds;         /* and the library knows */
    unsigned rate;       /* frames a second */
    GArray *waiting;     /* of uint32_t: frames */
    uint32_t *buffer;    /* of the library's, that is being filled; NULL: none */
    uint32_t size, used; /* frames of it */
} playback;

static const SpicePlaybackInterface playback_ops = {
    .base = { .type = SPICE_INTERFACE_PLAYBACK,
              .description = "playback",
              .major_version = SPICE_INTERFACE_PLAYBACK_MAJOR,
              .minor_version = SPICE_INTERFACE_PLAYBACK_MINOR },
};

/* ---- on the main thread ---- */

/* Without a client there is no buffer, and nobody hears it. */
static void put_frames(const uint32_t *frames, unsigned count)
{
    while (count) {
        if (!playback.buffer) {
            playback.used = 0;
            spice_server_playback_get_buffer(&playback.instance, &playback.buffer, &playback.size);
        }
        if (!playback.buffer) {
            return;
        }
        unsigned part = MIN(count, playback.size - playback.used);
        memcpy(playback.buffer + playback.used, frames, part * sizeof(*frames));
        playback.used += part;
        frames += part;
        count -= part;
        if (playback.used == playback.size) {
            spice_server_playback_put_samples(&playback.instance, playback.buffer);
            playback.buffer = NULL;
        }
    }
}

/* The rest of a piece is silence. */
static void end_piece(void)
{
    if (playback.buffer) {
        memset(playback.buffer + playback.used, 0,
               (playback.size - playback.used) * sizeof(*playback.buffer));
        spice_server_playback_put_samples(&playback.instance, playback.buffer);
        playback.buffer = NULL;
    }
}

static void tell(void *opaque)
{
    playback.due = false;
    if (!playback.there) {
        return;
    }
    if (!playback.sounds && (playback.wanted || playback.waiting->len)) {
        spice_server_set_playback_rate(&playback.instance, playback.rate);
        spice_server_playback_start(&playback.instance);
        playback.sounds = true;
    }
    put_frames((const uint32_t *)(const void *)playback.waiting->data, playback.waiting->len);
    g_array_set_size(playback.waiting, 0);
    if (playback.sounds && !playback.wanted) {
        end_piece();
        spice_server_playback_stop(&playback.instance);
        playback.sounds = false;
        spice_audio_check();
    }
}

void spice_audio_check(void)
{
    if (playback.there && !playback.sounds && !playback.wanted) {
        playback.rate = spice_server_get_best_playback_rate(&playback.instance);
    }
}

/* ---- what is heard ---- */

static void tell_later(void)
{
    if (!playback.due) {
        playback.due = true;
        main_loop_schedule(tell, NULL);
    }
}

static unsigned start(void)
{
    playback.wanted = true;
    tell_later();
    return playback.rate;
}

static void take(const int16_t *samples, unsigned count)
{
    unsigned room = FRAMES_MAX - MIN(playback.waiting->len, FRAMES_MAX);

    g_array_append_vals(playback.waiting, samples, MIN(count, room));
    tell_later();
}

static void stop(void)
{
    playback.wanted = false;
    tell_later();
}

static const AudioSink audio_sink = { start, take, stop };

void spice_audio_start(SpiceServer *server)
{
    playback.waiting = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    playback.instance.base.sif = &playback_ops.base;
    playback.there = spice_server_add_interface(server, &playback.instance.base) == 0;
    if (playback.there) {
        spice_audio_check();
        audio_set_sink(&audio_sink);
    }
}

void spice_audio_stop(void)
{
    audio_set_sink(NULL);
    if (playback.there) {
        end_piece();
        spice_server_remove_interface(&playback.instance.base);
        playback.there = false;
    }
    g_clear_pointer(&playback.waiting, g_array_unref);
}

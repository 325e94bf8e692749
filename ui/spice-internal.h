/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the SPICE server have in common. */
#ifndef UI_SPICE_INTERNAL_H
#define UI_SPICE_INTERNAL_H

#include <spice.h>

#include "ui/spice-card.h"
#include "ui/spice.h"

/* ---- spice-core.c: the main loop, for the library ---- */

/* @event is told of channels, on the main thread. Borrowed for ever. */
SpiceCoreInterface *spice_core(void (*event)(int event, const SpiceChannelEventInfo *info));

/* ---- spice-display.c: consoles ---- */

/* @only_cards: of cards that draw themselves (ui/spice-card.h), and no others. */
void spice_display_start(SpiceServer *server, bool only_cards);
void spice_display_stop(void);
/* Somebody looks, or nobody does any more. */
void spice_display_watch(bool watched);

/* ---- spice.c ---- */

/* For cards where nobody has asked for a server: one that listens nowhere. Main thread or vCPU's,
 * machine lock. */
bool spice_start_local(void);

/* ---- spice-card.c ---- */

/* NULL: it is none. */
SpiceCard *spice_card_of(const Object *device);

/* ---- spice-input.c: keys and pointers ---- */

void spice_input_start(SpiceServer *server, const SpiceHost *host);
void spice_input_stop(void);
/* A client comes: what kind of pointer is there now? */
void spice_input_check(void);

/* ---- spice-audio.c: what is heard ---- */

void spice_audio_start(SpiceServer *server);
void spice_audio_stop(void);
/* A client comes or goes: how many frames a second are best from now on? */
void spice_audio_check(void);

/* ---- spice-migrate.c: clients go where the machine goes ---- */

void spice_migrate_start(SpiceServer *server);
void spice_migrate_stop(void);
/* They have gone. */
bool spice_migrate_is_done(void);

/* ---- spice-char.c: channels for programs of the guest ---- */

/* NULL: there is no server any more. */
void spice_char_start(SpiceServer *server);

#endif

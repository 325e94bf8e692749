/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -display sdl: a window that shows a console, with keys and a pointer. SDL is loaded when it is
 * asked for, and lives on a thread of its own, which never takes the machine lock. Main thread,
 * machine lock.
 */
#ifndef UI_SDL_H
#define UI_SDL_H

#include "qapi/qapi-types.h"

#define SDL_AXIS_MAX 32767

/* What users do goes to folders above, by these. Keys are numbers: scan codes of set 1, and 0x80
 * more where the prefix 0xe0 goes before them. */
typedef struct SdlHost {
    void (*key)(uint8_t number, bool down);
    bool (*absolute)(void); /* the pointer takes places, 0 to SDL_AXIS_MAX, rather than moves */
    void (*move)(InputAxis axis, int value, bool absolute);
    void (*button)(InputButton button, bool down);
    void (*sync)(void);               /* that was all of it */
    void (*close)(void);              /* the window is closed */
    uint8_t (*usage)(uint8_t number); /* of the key, as USB counts them; 0: none */
} SdlHost;

/* Open the window; @name: of the machine, or NULL. @host is borrowed for ever. */
bool sdl_display_start(const DisplayOptions *options, const char *name, const SdlHost *host,
                       GError **errp);
/* Harmless if there is none. */
void sdl_display_stop(void);

#endif

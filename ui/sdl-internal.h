/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The SDL display's two sides: ui/sdl.c on the main thread copies what a console shows below the
 * lock, and ui/sdl-window.c, on a thread of its own, draws it. What users do comes to the main
 * thread by main_loop_schedule(); no more than SDL_EVENTS_MAX are on their way.
 */
#ifndef UI_SDL_INTERNAL_H
#define UI_SDL_INTERNAL_H

#include <pixman.h>

#include "ui/console.h"
#include "ui/sdl.h"

#define SDL_EVENTS_MAX 256

typedef struct SdlShared {
    /* never changed */
    char *title;
    DisplayGrabMod grab_mod;
    bool full_screen, window_close, show_cursor;
    uint8_t numbers[256]; /* of keys, by their usages; 0: none */

    GMutex lock;            /* for what follows */
    GCond cond;             /* something changed */
    bool ready, ends, over; /* there is a window, or an error; it is to go; it is gone */
    char *error;            /* instead of a window; owned */
    unsigned width, height;
    uint32_t *pixels; /* without gaps between lines; owned */
    pixman_region32_t changed;
    unsigned serial; /* another one: another size */
    unsigned cursor_width, cursor_height, cursor_hot_x, cursor_hot_y;
    uint32_t *cursor; /* NULL: there is none; owned */
    unsigned cursor_serial;
    int cursor_x, cursor_y;
    bool cursor_visible;
    bool absolute;   /* what the guest's pointer takes */
    unsigned events; /* that the main thread has not seen */
} SdlShared;

typedef enum SdlEventKind {
    SDL_EVENT_KEY,     /* number x, if y it is down */
    SDL_EVENT_PLACE,   /* the pointer is at x, y, 0 to SDL_AXIS_MAX */
    SDL_EVENT_MOVE,    /* it was moved by x, y */
    SDL_EVENT_BUTTON,  /* InputButton x, if y it is down */
    SDL_EVENT_SIZE,    /* the window is x times y now, as the user wants */
    SDL_EVENT_CONSOLE, /* show the one with number x */
    SDL_EVENT_CLOSED,
} SdlEventKind;

/* To the main thread; from the window's, which waits for room. Without the lock. */
void sdl_event_send(SdlShared *shared, SdlEventKind kind, int x, int y);

/* The window's thread: until `ends`. @opaque: SdlShared. */
gpointer sdl_window_thread(gpointer opaque);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Consoles: what display devices show, and who looks at it.
 *
 * A console is one head of a display device: a picture, the surface, and perhaps a pointer in front
 * of it. The device says what of the picture has changed; each listener (a VNC server, SPICE) is
 * told so. A device that only notices changes when it looks for them does so when it is asked,
 * which is by a timer while somebody listens, and by console_refresh(): a machine without viewers
 * draws nothing.
 *
 * Machine lock for everything, on the main thread but for console_free() with what it calls, as a
 * guest's ejection takes a device out on the thread of a vCPU. Callbacks may add and remove
 * listeners, and must neither free the console nor wait.
 */
#ifndef UI_CONSOLE_H
#define UI_CONSOLE_H

#include <glib.h>
#include <pixman.h>
#include <stdbool.h>
#include <stdint.h>

#include "qom/object.h"

#define CONSOLE_REFRESH_MS 30  /* between two updates while somebody listens */
#define CONSOLE_WIDTH      640 /* of the picture before the device has one: black */
#define CONSOLE_HEIGHT     480
#define CONSOLE_SIZE_MAX   16384 /* pixels of a surface, in each direction */
#define CONSOLE_CURSOR_MAX 512   /* and of a pointer */

typedef struct Console Console;

/* What a device does for its console; each may be NULL. */
typedef struct ConsoleSource {
    /* Somebody wants the newest picture: console_set_surface() and console_update() as needed. */
    void (*update)(void *opaque);
    /* A viewer would like this size; the guest may be told. */
    void (*ui_info)(void *opaque, unsigned width, unsigned height);
} ConsoleSource;

/* The picture of a pointer: width * height pixels of 0xAARRGGBB, not premultiplied. */
typedef struct ConsoleCursor {
    unsigned width, height; /* 1 to CONSOLE_CURSOR_MAX */
    unsigned hot_x, hot_y;  /* what it points with; may be outside */
    const uint32_t *argb;
} ConsoleCursor;

/* Functions may be NULL. What they get is borrowed until they return; references to a surface may
 * be taken, whose pixels go on changing until the next surface. */
typedef struct ConsoleListener {
    /* There is another surface, perhaps of another size; all of it is new. */
    void (*surface)(void *opaque, Console *console, pixman_image_t *surface);
    /* These pixels changed; not empty, and inside of the surface. */
    void (*update)(void *opaque, Console *console, unsigned x, unsigned y, unsigned width,
                   unsigned height);
    /* The pointer looks so now; NULL: the device has none. */
    void (*cursor)(void *opaque, Console *console, const ConsoleCursor *cursor);
    /* Its hot spot is there, perhaps outside of the surface. */
    void (*cursor_move)(void *opaque, Console *console, int x, int y, bool visible);
    void *opaque;
} ConsoleListener;

/* ---- for devices ---- */

/* Head @head of @device, both borrowed, has a console from now on: of CONSOLE_WIDTH times
 * CONSOLE_HEIGHT black pixels. @source is borrowed. */
Console *console_new(Object *device, unsigned head, const ConsoleSource *source, void *opaque);
/* It goes: those who asked for changes are told, and listeners that stay then are dropped. NULL is
 * fine. */
void console_free(Console *console);

/* @surface (PIXMAN_x8r8g8b8, up to CONSOLE_SIZE_MAX in each direction; a reference is taken) is the
 * picture from now on. NULL: as at first. */
void console_set_surface(Console *console, pixman_image_t *surface);
/* This rectangle of it changed; what lies outside of it is cut off. */
void console_update(Console *console, int x, int y, int width, int height);
/* The pointer looks like @cursor (copied) from now on. NULL: there is none. */
void console_define_cursor(Console *console, const ConsoleCursor *cursor);
void console_move_cursor(Console *console, int x, int y, bool visible);

/* ---- for viewers ---- */

/* Never NULL. Borrowed: until the next surface. */
pixman_image_t *console_surface(const Console *console);
/* NULL: none. Borrowed. */
const ConsoleCursor *console_cursor(const Console *console);
Object *console_device(const Console *console);
unsigned console_head(const Console *console);
/* Its number: the lowest that was free when it came. */
unsigned console_index(const Console *console);
/* Whether its device takes wishes for a size; and one. */
bool console_has_ui_info(const Console *console);
void console_ui_info(Console *console, unsigned width, unsigned height);

/* @listener, borrowed until it is removed, is told of everything from now on, beginning with the
 * surface, the cursor and its place as they are. */
void console_add_listener(Console *console, const ConsoleListener *listener);
/* Harmless if it is none. */
void console_remove_listener(Console *console, const ConsoleListener *listener);
/* Bring the picture up to date, once. */
void console_refresh(Console *console);

/* ---- finding them ---- */

/* NULL: none. Borrowed, as in all that follow. */
Console *console_by_index(unsigned index);
Console *console_by_device(const Object *device, unsigned head);
/* The one with the lowest index; NULL: there is none. */
Console *console_first(void);
/* The one with the lowest index above @console's; NULL: that was the last one. */
Console *console_next(const Console *console);

/* Call @fn for each console that comes (@added), and before one goes; until it is removed with the
 * same arguments. */
typedef void ConsoleChangeFn(void *opaque, Console *console, bool added);
void console_add_change(ConsoleChangeFn *fn, void *opaque);
void console_remove_change(ConsoleChangeFn *fn, void *opaque);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The picture of a display device, which is drawn line by line: viewers are told what differs from
 * before. Machine lock for everything.
 */
#ifndef HW_DISPLAY_SCREEN_H
#define HW_DISPLAY_SCREEN_H

#include "hw/display/pixels.h"
#include "hw/display/vram.h"
#include "ui/console.h"

/* A picture that lies in memory as it is. */
typedef struct Framebuffer {
    PixelFormat format;
    unsigned width, height;
    uint64_t offset, pitch; /* bytes: of its first pixel; from a line to the next */
} Framebuffer;

/* ---- the picture ---- */

typedef struct Screen {
    Console *console;
    pixman_image_t *surface; /* NULL: none yet, or not ours */
    unsigned width, height;
    uint32_t *line; /* room for one */
    /* What lies over the picture: of line @y, before it is put. NULL: nothing. */
    void (*overlay)(void *opaque, unsigned y, uint32_t *line, unsigned width);
    void *overlay_opaque;
    /* lines that changed and were not reported yet: from first on, before last */
    unsigned first, last;
} Screen;

void screen_init(Screen *screen, Object *device, unsigned head, const ConsoleSource *source,
                 void *opaque);
void screen_destroy(Screen *screen);
/* It has this size now; true: it had another, and is black. Up to CONSOLE_SIZE_MAX each. */
bool screen_resize(Screen *screen, unsigned width, unsigned height);
/* There is no picture. */
void screen_off(Screen *screen);
/* `line` is line @y. In the order of lines. */
void screen_put_line(Screen *screen, unsigned y);
/* The last line was put. */
void screen_end(Screen *screen);
/* All of @fb from @vram, or, without @all, what was written of it. Lines, and ends of lines, that
 * are not in the memory are black. */
void screen_draw(Screen *screen, Vram *vram, const Framebuffer *fb, const uint32_t *palette,
                 bool all);

#endif

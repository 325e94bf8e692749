/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From what the library has drawn into a QXL card's memory to the picture of its console. */
#include <string.h>

#include "hw/display/qxl.h"

enum { RECTS = 32 };

static PixelFormat format_of(uint32_t format)
{
    return format == SPICE_SURFACE_FMT_16_555 ? PIXEL_RGB555 : PIXEL_XRGB8888;
}

/* Lines [@first, @last) of the primary surface. */
static void put_lines(Qxl *s, unsigned first, unsigned last)
{
    const QxlSurfacePlace *p = &s->places[0];
    Screen *screen = &s->vga.screen;
    const uint8_t *data = qxl_place_data(s, p);
    const int64_t stride = p->stride;

    if (stride < 0) { /* its last line comes first */
        data -= stride * (p->height - 1);
    }
    for (unsigned y = first; y < last; y++) {
        pixels_convert(format_of(p->format), data + stride * y, screen->line, p->width, NULL);
        screen_put_line(screen, y);
    }
    screen_end(screen);
}

void qxl_draw(Qxl *s)
{
    const QxlSurfacePlace p = s->places[0];
    QXLRect all = { .right = (int32_t)p.width, .bottom = (int32_t)p.height };
    QXLRect dirty[RECTS] = { 0 };
    unsigned first = p.height, last = 0;

    if (!s->instance || !p.memory) {
        return;
    }
    qxl_begin_sync(s);
    spice_qxl_update_area(s->instance, 0, &all, dirty, RECTS, 1);
    qxl_end_sync(s);
    if (screen_resize(&s->vga.screen, p.width, p.height) || s->redraw) {
        s->redraw = false;
        first = 0;
        last = p.height;
    }
    for (unsigned i = 0; i < RECTS; i++) {
        if (dirty[i].top >= 0 && dirty[i].top < dirty[i].bottom) {
            first = MIN(first, (unsigned)dirty[i].top);
            last = MAX(last, MIN((unsigned)dirty[i].bottom, p.height));
        }
    }
    if (first < last) {
        put_lines(s, first, last);
    }
}

/* ---- the pointer ---- */

/* Two masks, of which the first takes what is below, and the second changes it: opaque black and
 * white, and what would be inverted is black. */
static void draw_mono(const QXLCursor *from, uint32_t *to)
{
    const unsigned width = from->header.width, height = from->header.height;
    const unsigned pitch = (width + 7) / 8;
    const uint8_t *and = from->chunk.data, *xor = and+pitch *height;

    for (unsigned y = 0; y < height; y++) {
        for (unsigned x = 0; x < width; x++) {
            const unsigned byte = y * pitch + x / 8, bit = 7 - (x & 7);
            const bool keeps = and[byte] >> bit & 1, sets = xor[byte] >> bit & 1;

            to[y * width + x] = keeps ? (sets ? 0xff000000u : 0) : sets ? 0xffffffffu : 0xff000000u;
        }
    }
}

static void define(const Qxl *s, const QXLCursor *shape)
{
    const unsigned width = shape->header.width, height = shape->header.height;
    g_autofree uint32_t *argb = g_new0(uint32_t, (gsize)width * height);
    const ConsoleCursor cursor = { width, height, shape->header.hot_spot_x,
                                   shape->header.hot_spot_y, argb };

    if (shape->header.type == SPICE_CURSOR_TYPE_ALPHA) {
        memcpy(argb, shape->chunk.data, sizeof(uint32_t) * width * height);
    } else if (shape->header.type == SPICE_CURSOR_TYPE_MONO) {
        draw_mono(shape, argb);
    }
    console_define_cursor(s->vga.screen.console, &cursor);
}

void qxl_show_cursor(Qxl *s)
{
    g_autoptr(GBytes) bytes = NULL;
    int32_t x, y;
    bool on, is_new;

    g_mutex_lock(&s->lock);
    is_new = s->cursor_new;
    bytes = s->cursor ? g_bytes_ref(s->cursor) : NULL;
    s->cursor_new = s->cursor_moved = false;
    on = s->cursor_set;
    x = s->cursor_x;
    y = s->cursor_y;
    g_mutex_unlock(&s->lock);
    if (is_new && !bytes) {
        console_define_cursor(s->vga.screen.console, NULL);
    } else if (is_new) {
        define(s, (const QXLCursor *)((const uint8_t *)g_bytes_get_data(bytes, NULL) +
                                      sizeof(QXLCursorCmd)));
    }
    console_move_cursor(s->vga.screen.console, x, y, on);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/display/screen.h"

#include <string.h>

/* ---- the picture ---- */

void screen_init(Screen *screen, Object *device, unsigned head, const ConsoleSource *source,
                 void *opaque)
{
    screen->console = console_new(device, head, source, opaque);
}

static void drop_surface(Screen *screen)
{
    g_clear_pointer(&screen->surface, pixman_image_unref);
    g_clear_pointer(&screen->line, g_free);
    screen->width = screen->height = 0;
}

void screen_destroy(Screen *screen)
{
    g_clear_pointer(&screen->console, console_free);
    drop_surface(screen);
}

bool screen_resize(Screen *screen, unsigned width, unsigned height)
{
    if (screen->surface && screen->width == width && screen->height == height) {
        return false;
    }
    drop_surface(screen);
    screen->surface = pixman_image_create_bits(PIXMAN_x8r8g8b8, (int)width, (int)height, NULL, 0);
    screen->line = g_new(uint32_t, width);
    screen->width = width;
    screen->height = height;
    console_set_surface(screen->console, screen->surface);
    return true;
}

void screen_off(Screen *screen)
{
    if (screen->surface) {
        drop_surface(screen);
        console_set_surface(screen->console, NULL);
    }
}

static void report(Screen *screen)
{
    if (screen->first < screen->last) {
        console_update(screen->console, 0, (int)screen->first, (int)screen->width,
                       (int)(screen->last - screen->first));
    }
    screen->first = screen->last = 0;
}

void screen_put_line(Screen *screen, unsigned y)
{
    uint8_t *to = (uint8_t *)pixman_image_get_data(screen->surface) +
                  (size_t)y * (size_t)pixman_image_get_stride(screen->surface);
    size_t size = (size_t)screen->width * sizeof(uint32_t);

    if (screen->overlay) {
        screen->overlay(screen->overlay_opaque, y, screen->line, screen->width);
    }
    if (memcmp(to, screen->line, size) == 0) {
        return;
    }
    memcpy(to, screen->line, size);
    if (screen->last != y || screen->first == screen->last) {
        report(screen);
        screen->first = y;
    }
    screen->last = y + 1;
}

void screen_end(Screen *screen)
{
    report(screen);
}

/* How many pixels of the line at @offset are in @size bytes of memory. */
static unsigned pixels_there(const Framebuffer *fb, uint64_t offset, uint64_t size)
{
    return offset >= size ? 0 : (unsigned)MIN((size - offset) / pixels_size(fb->format), fb->width);
}

void screen_draw(Screen *screen, Vram *vram, const Framebuffer *fb, const uint32_t *palette,
                 bool all)
{
    uint64_t offset = fb->offset;

    all |= screen_resize(screen, fb->width, fb->height);
    for (unsigned y = 0; y < fb->height; y++, offset += fb->pitch) {
        unsigned count = pixels_there(fb, offset, vram_size(vram));

        if (all || vram_is_dirty(vram, offset, (uint64_t)count * pixels_size(fb->format))) {
            if (count) {
                pixels_convert(fb->format, vram->block->host + offset, screen->line, count,
                               palette);
            }
            memset(screen->line + count, 0, (fb->width - count) * sizeof(uint32_t));
            screen_put_line(screen, y);
        }
    }
    screen_end(screen);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pointer of a VMware SVGA II. */
#include <string.h>

#include "hw/display/vmware-svga.h"

#define OPAQUE 0xff000000u
#define RGB    0x00ffffffu

/* ---- what the commands say ---- */

enum { HOT_X = 1, HOT_Y, WIDTH, HEIGHT, AND_DEPTH, XOR_DEPTH, MASKS, ALPHA_PIXELS = AND_DEPTH };

/* False: there is no such pointer. */
static bool begin(SvgaCursor *cursor, const uint32_t *words)
{
    cursor->width = words[WIDTH];
    cursor->height = words[HEIGHT];
    if (!words[WIDTH] || !words[HEIGHT] || words[WIDTH] > SVGA_CURSOR_SIZE ||
        words[HEIGHT] > SVGA_CURSOR_SIZE) {
        cursor->width = cursor->height = 0;
        return false;
    }
    cursor->hot_x = MIN(words[HOT_X], words[WIDTH] - 1);
    cursor->hot_y = MIN(words[HOT_Y], words[HEIGHT] - 1);
    return true;
}

/* Lines of whole words. */
static uint64_t line_words(uint32_t width, uint32_t depth)
{
    return ((uint64_t)width * depth + 31) / 32;
}

uint64_t svga_mask_words(uint32_t width, uint32_t height, uint32_t depth)
{
    uint64_t line = MIN(line_words(width, MIN(depth, 32)), UINT32_MAX);

    return MIN(line * height, UINT32_MAX);
}

/* One bit, the first pixel's being the highest of its byte, is black or white. */
static uint32_t mask_pixel(const uint32_t *mask, uint32_t width, uint32_t depth, unsigned x,
                           unsigned y)
{
    const uint32_t *line = mask + y * line_words(width, depth);

    if (depth == 32) {
        return line[x] & RGB;
    }
    return ((const uint8_t *)line)[x / 8] >> (7 - x % 8) & 1 ? RGB : 0;
}

/* What is on the screen is first ANDed, then XORed. No viewer can do that: what is not to be kept
 * is a pixel, and so is what is to be inverted, which is black. */
static uint32_t masked(uint32_t and, uint32_t xor)
{
    if (and != RGB) {
        return OPAQUE | xor;
    }
    return xor? OPAQUE : 0;
}

void svga_define_cursor(VmwareSvga *s, const uint32_t *words)
{
    SvgaCursor *c = &s->cursor;
    uint32_t and_depth = words[AND_DEPTH], xor_depth = words[XOR_DEPTH];

    if ((and_depth == 1 || and_depth == 32) && (xor_depth == 1 || xor_depth == 32) &&
        begin(c, words)) {
        const uint32_t *and = words + MASKS;
        const uint32_t * xor = and+svga_mask_words(c->width, c->height, and_depth);

        for (unsigned i = 0; i < c->width * c->height; i++) {
            unsigned x = i % c->width, y = i / c->width;

            c->argb[i] = masked(mask_pixel(and, c->width, and_depth, x, y),
                                mask_pixel(xor, c->width, xor_depth, x, y));
        }
    }
    svga_show_cursor(s);
}

/* The guest's colours are multiplied by how much of them is to be seen. */
static uint32_t unmultiplied(uint32_t argb)
{
    unsigned alpha = argb >> 24;
    uint32_t rgb = 0;

    for (int shift = 16; alpha && shift >= 0; shift -= 8) {
        rgb |= MIN((argb >> shift & 0xff) * 255 / alpha, 255) << shift;
    }
    return (uint32_t)alpha << 24 | rgb;
}

void svga_define_alpha_cursor(VmwareSvga *s, const uint32_t *words)
{
    SvgaCursor *c = &s->cursor;

    if (begin(c, words)) {
        for (unsigned i = 0; i < c->width * c->height; i++) {
            c->argb[i] = unmultiplied(words[ALPHA_PIXELS + i]);
        }
    }
    svga_show_cursor(s);
}

/* ---- what viewers see ---- */

void svga_show_cursor(VmwareSvga *s)
{
    const ConsoleCursor cursor = { .width = s->cursor.width,
                                   .height = s->cursor.height,
                                   .hot_x = s->cursor.hot_x,
                                   .hot_y = s->cursor.hot_y,
                                   .argb = s->cursor.argb };

    console_define_cursor(s->vga.screen.console, svga_shown(s) && cursor.width ? &cursor : NULL);
    svga_move_cursor(s);
}

void svga_move_cursor(VmwareSvga *s)
{
    enum { SHOW = 1, RESTORE = 3 };
    bool visible = s->cursor_on == SHOW || s->cursor_on == RESTORE;

    console_move_cursor(s->vga.screen.console, (int)MIN(s->cursor_x, SVGA_SIZE_MAX),
                        (int)MIN(s->cursor_y, SVGA_SIZE_MAX), visible && svga_shown(s));
}

/* ---- state ---- */

static bool loaded(void *opaque, GError **errp)
{
    SvgaCursor *c = opaque;

    if (!c->width || !c->height) {
        c->width = c->height = 0;
    }
    return true;
}

static const StateField cursor_fields[] = {
    STATE_UINT_MAX(SvgaCursor, width, SVGA_CURSOR_SIZE),
    STATE_UINT_MAX(SvgaCursor, height, SVGA_CURSOR_SIZE),
    STATE_UINT_MAX(SvgaCursor, hot_x, SVGA_CURSOR_SIZE - 1),
    STATE_UINT_MAX(SvgaCursor, hot_y, SVGA_CURSOR_SIZE - 1),
    STATE_UINTS(SvgaCursor, argb),
    {},
};
const StateTable svga_cursor_state = {
    .name = "svga-cursor", .version = 1, .fields = cursor_fields, .post_load = loaded
};

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/display/pixels.h"

#include <stddef.h>

static const uint8_t pixel_sizes[] = { 1, 2, 2, 3, 4 };

unsigned pixels_size(PixelFormat format)
{
    return pixel_sizes[format];
}

static unsigned get16(const uint8_t *p)
{
    return p[0] | (unsigned)p[1] << 8;
}

/* @bits of @value from @shift on, as eight. */
static uint32_t widen(unsigned value, unsigned shift, unsigned bits)
{
    unsigned v = value >> shift & ((1u << bits) - 1);

    return v << (8 - bits) | v >> (2 * bits - 8);
}

static uint32_t rgb(uint32_t red, uint32_t green, uint32_t blue)
{
    return red << 16 | green << 8 | blue;
}

void pixels_convert(PixelFormat format, const uint8_t *from, uint32_t *to, unsigned count,
                    const uint32_t *palette)
{
    for (unsigned i = 0; i < count; i++) {
        const uint8_t *p = from + (size_t)i * pixel_sizes[format];

        switch (format) {
        case PIXEL_INDEX8:
            to[i] = palette[*p];
            break;
        case PIXEL_RGB555:
            to[i] = rgb(widen(get16(p), 10, 5), widen(get16(p), 5, 5), widen(get16(p), 0, 5));
            break;
        case PIXEL_RGB565:
            to[i] = rgb(widen(get16(p), 11, 5), widen(get16(p), 5, 6), widen(get16(p), 0, 5));
            break;
        case PIXEL_RGB888:
        case PIXEL_XRGB8888:
            to[i] = rgb(p[2], p[1], p[0]);
            break;
        }
    }
}

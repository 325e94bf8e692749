/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Formats of pixels in memory. Any thread. */
#ifndef HW_DISPLAY_PIXELS_H
#define HW_DISPLAY_PIXELS_H

#include <stdint.h>

typedef enum PixelFormat {
    PIXEL_INDEX8,
    PIXEL_RGB555,
    PIXEL_RGB565,
    PIXEL_RGB888, /* little endian: blue comes first */
    PIXEL_XRGB8888,
} PixelFormat;

/* Bytes of a pixel. */
unsigned pixels_size(PixelFormat format);
/* @count pixels at @from, of any alignment, as x8r8g8b8; @palette of 256 colours is for
 * PIXEL_INDEX8. */
void pixels_convert(PixelFormat format, const uint8_t *from, uint32_t *to, unsigned count,
                    const uint32_t *palette);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a command of a QXL card's guest is copied, with all that it points to. With the lock. */
#ifndef HW_DISPLAY_QXL_COPY_H
#define HW_DISPLAY_QXL_COPY_H

#include "hw/display/qxl.h"

enum {
    QXL_CHUNKS_MAX = 0x10000,     /* of one piece of data */
    QXL_COMMAND_MAX = 64 << 20,   /* bytes of a command with all that belongs to it */
    QXL_SIDE_MAX = 16384,         /* pixels of an image */
    QXL_TEXT_MAX = 32 << 20,      /* pixels of a text */
    QXL_COORDINATE_MAX = 1 << 15, /* of what is clipped later */
};

typedef struct QxlCopy {
    Qxl *s;
    QxlCommand *to;
    const QXLDrawable *drawable; /* whose parts are copied */
    bool is_mask;                /* what is copied now */
    const char *bad;             /* why it is none; NULL: it is good so far */
} QxlCopy;

/* It is no command, as @why says. Returns false. */
bool qxl_fail(QxlCopy *c, const char *why);
/* [@addr, @addr + @size) of the guest's; NULL, and a failure: it is in no slot. */
const void *qxl_guest_part(QxlCopy *c, QXLPHYSICAL addr, uint64_t size);
/* What lies there now; the guest may change it at any time, so that it is read once. Zeros with a
 * failure. */
bool qxl_fetch(QxlCopy *c, QXLPHYSICAL addr, void *to, uint64_t size);
/* Room that goes with the command, of zeros. NULL, and a failure: it is too large. */
void *qxl_room(QxlCopy *c, uint64_t size);
/* A structure of @head bytes that ends with the first chunk, and all chunks behind it as one of
 * @size bytes. */
uint8_t *qxl_copy_chunks(QxlCopy *c, QXLPHYSICAL addr, uint64_t head, uint32_t *size);
bool qxl_rect_is_good(QxlCopy *c, const QXLRect *r, int32_t width, int32_t height);
bool qxl_point_is_good(QxlCopy *c, int32_t x, int32_t y);
/* NULL, and a failure: there is none. */
const QxlSurfacePlace *qxl_surface(QxlCopy *c, uint32_t id);
/* Bits of a pixel of a format of bitmaps; 0: there is none. */
unsigned qxl_bitmap_bits(unsigned format);
/* The image at @addr, and its size. 0, and a failure: there is none. */
QXLPHYSICAL qxl_copy_image(QxlCopy *c, QXLPHYSICAL addr, int32_t *width, int32_t *height);
/* On surfaces of alpha the library would end the program, or write beyond what is its own. */
void qxl_check_target(QxlCopy *c, const QXLDrawable *d);
/* As the library has addresses. */
static inline QXLPHYSICAL qxl_host(const void *part)
{
    return (uintptr_t)part;
}

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What commands of a QXL card point to: data in pieces, and images. With the lock. */
#include <string.h>

#include "hw/display/qxl-copy.h"

enum {
    SLOT_SHIFT = 56,
    GENERATION_SHIFT = 48,
    PALETTE_MAX = 256,
};

/* ---- addresses ---- */

RamBlock *qxl_memory(const Qxl *s, unsigned memory)
{
    return memory == 1 ? s->ram : memory == 2 ? s->vram : NULL;
}

void *qxl_guest(const Qxl *s, QXLPHYSICAL addr, uint64_t size, uint8_t *memory, uint64_t *offset)
{
    const uint64_t n = addr >> SLOT_SHIFT;
    const uint64_t at = addr & (((uint64_t)1 << GENERATION_SHIFT) - 1);
    const QxlSlot *slot = n < QXL_SLOTS ? &s->slots[n] : NULL;

    if (!slot || !slot->memory || addr >> GENERATION_SHIFT & 0xff || at < slot->base ||
        at - slot->base > slot->size || size > slot->size - (at - slot->base)) {
        return NULL;
    }
    *memory = slot->memory;
    *offset = slot->offset + (at - slot->base);
    return qxl_memory(s, slot->memory)->host + *offset;
}

bool qxl_fail(QxlCopy *c, const char *why)
{
    if (!c->bad) {
        c->bad = why;
    }
    return false;
}

const void *qxl_guest_part(QxlCopy *c, QXLPHYSICAL addr, uint64_t size)
{
    uint8_t memory;
    uint64_t offset;
    const void *at = qxl_guest(c->s, addr, size, &memory, &offset);

    if (!at) {
        qxl_fail(c, "an address is in no slot");
    }
    return at;
}

/* What lies there now; the guest may change it at any time, so that it is read once. */
bool qxl_fetch(QxlCopy *c, QXLPHYSICAL addr, void *to, uint64_t size)
{
    const void *from = qxl_guest_part(c, addr, size);

    if (!from) {
        memset(to, 0, size);
        return false;
    }
    memcpy(to, from, size);
    return true;
}

/* Room that goes with the command. */
void *qxl_room(QxlCopy *c, uint64_t size)
{
    void *part;

    if (size > QXL_COMMAND_MAX || c->to->size > QXL_COMMAND_MAX - size) {
        qxl_fail(c, "it is too large");
        return NULL;
    }
    part = g_malloc0(MAX(size, 1));
    g_ptr_array_add(c->to->parts, part);
    c->to->size += size;
    return part;
}

/* ---- data in pieces ---- */

/* A structure of @head bytes that ends with the first chunk, and all chunks behind it as one. */
uint8_t *qxl_copy_chunks(QxlCopy *c, QXLPHYSICAL addr, uint64_t head, uint32_t *size)
{
    g_autoptr(GArray) chunks = g_array_new(FALSE, FALSE, sizeof(QXLDataChunk));
    g_autoptr(GArray) places = g_array_new(FALSE, FALSE, sizeof(QXLPHYSICAL));
    QXLPHYSICAL at = addr + head;
    uint64_t total = 0, done = 0;
    uint8_t *to;

    for (QXLDataChunk chunk; at; at = chunk.next_chunk) {
        if (chunks->len == QXL_CHUNKS_MAX) {
            qxl_fail(c, "it is of too many chunks");
            return NULL;
        }
        if (!qxl_fetch(c, at, &chunk, sizeof(chunk)) ||
            !qxl_guest_part(c, at, sizeof(chunk) + (uint64_t)chunk.data_size)) {
            return NULL;
        }
        g_array_append_val(chunks, chunk);
        g_array_append_val(places, at);
        total += chunk.data_size;
    }
    to = total > QXL_COMMAND_MAX ? NULL : qxl_room(c, head + sizeof(QXLDataChunk) + total);
    if (!to) {
        qxl_fail(c, "it is too large");
        return NULL;
    }
    if (!qxl_fetch(c, addr, to, head)) {
        return NULL;
    }
    ((QXLDataChunk *)(to + head))->data_size = (uint32_t)total;
    for (unsigned i = 0; i < chunks->len; i++) {
        const uint32_t part = g_array_index(chunks, QXLDataChunk, i).data_size;

        qxl_fetch(c, g_array_index(places, QXLPHYSICAL, i) + sizeof(QXLDataChunk),
                  to + head + sizeof(QXLDataChunk) + done, part);
        done += part;
    }
    *size = (uint32_t)total;
    return to;
}

/* ---- rectangles ---- */

bool qxl_rect_is_good(QxlCopy *c, const QXLRect *r, int32_t width, int32_t height)
{
    return (r->left >= 0 && r->top >= 0 && r->left <= r->right && r->top <= r->bottom &&
            r->right <= width && r->bottom <= height) ||
           qxl_fail(c, "a rectangle is not in its picture");
}

bool qxl_point_is_good(QxlCopy *c, int32_t x, int32_t y)
{
    return (x >= -QXL_COORDINATE_MAX && y >= -QXL_COORDINATE_MAX && x <= QXL_COORDINATE_MAX &&
            y <= QXL_COORDINATE_MAX) ||
           qxl_fail(c, "a point is far away");
}

const QxlSurfacePlace *qxl_surface(QxlCopy *c, uint32_t id)
{
    if (id >= c->s->surfaces || !c->s->places[id].memory) {
        qxl_fail(c, "there is no such surface");
        return NULL;
    }
    return &c->s->places[id];
}

/* ---- images ---- */

/* Bits of a pixel of the formats of bitmaps; 0: there is none. */
unsigned qxl_bitmap_bits(unsigned format)
{
    static const uint8_t bits[] = {
        [SPICE_BITMAP_FMT_1BIT_LE] = 1, [SPICE_BITMAP_FMT_1BIT_BE] = 1,
        [SPICE_BITMAP_FMT_4BIT_LE] = 4, [SPICE_BITMAP_FMT_4BIT_BE] = 4,
        [SPICE_BITMAP_FMT_8BIT] = 8,    [SPICE_BITMAP_FMT_16BIT] = 16,
        [SPICE_BITMAP_FMT_24BIT] = 24,  [SPICE_BITMAP_FMT_32BIT] = 32,
        [SPICE_BITMAP_FMT_RGBA] = 32,   [SPICE_BITMAP_FMT_8BIT_A] = 8,
    };

    return format < G_N_ELEMENTS(bits) ? bits[format] : 0;
}

/* Elsewhere the library would end the program. */
static bool knows_palettes(const QxlCopy *c)
{
    const uint32_t format = c->s->places[c->drawable->surface_id].format;

    return format == SPICE_SURFACE_FMT_16_555 || format == SPICE_SURFACE_FMT_32_xRGB ||
           format == SPICE_SURFACE_FMT_32_ARGB;
}

/* As many colours as pixels can name, whatever it says. */
static QXLPHYSICAL copy_palette(QxlCopy *c, QXLPHYSICAL addr, unsigned bits)
{
    const unsigned count = 1u << bits;
    QXLPalette head, *to;

    if (!qxl_fetch(c, addr, &head, sizeof(head))) {
        return 0;
    }
    if (!knows_palettes(c)) {
        qxl_fail(c, "a surface of such pixels takes no colours of a palette");
        return 0;
    }
    if (head.num_ents > PALETTE_MAX) {
        qxl_fail(c, "a palette has more than 256 colours");
        return 0;
    }
    to = qxl_room(c, sizeof(*to) + count * sizeof(uint32_t));
    if (!to) {
        return 0;
    }
    to->unique = head.unique;
    to->num_ents = (uint16_t)count;
    qxl_fetch(c, addr + sizeof(head), to->ents,
              MIN(count, (unsigned)head.num_ents) * sizeof(uint32_t));
    return qxl_host(to);
}

static bool copy_bitmap(QxlCopy *c, QXLImage *image)
{
    QXLBitmap *b = &image->bitmap;
    const unsigned bits = qxl_bitmap_bits(b->format);
    uint32_t size = 0;

    if (!bits || (!c->is_mask && (b->format == SPICE_BITMAP_FMT_1BIT_LE ||
                                  b->format == SPICE_BITMAP_FMT_4BIT_LE))) {
        return qxl_fail(
            c, "there is no such format of bitmaps"); /* the library would end the program */
    }
    if (b->x != image->descriptor.width || b->y != image->descriptor.height ||
        b->stride < ((uint64_t)b->x * bits + 7) / 8 || b->stride > 4 * QXL_SIDE_MAX + 64) {
        return qxl_fail(c, "a bitmap has no such size");
    }
    if (bits <= 8 && b->format != SPICE_BITMAP_FMT_8BIT_A && b->palette && !c->is_mask) {
        b->palette = copy_palette(c, b->palette, bits);
    } else if (bits <= 8 && !c->is_mask && b->format != SPICE_BITMAP_FMT_8BIT_A) {
        return qxl_fail(c, "a bitmap has no palette");
    } else {
        b->palette = 0;
    }
    b->flags &= QXL_BITMAP_DIRECT | QXL_BITMAP_UNSTABLE | QXL_BITMAP_TOP_DOWN;
    if (b->flags & QXL_BITMAP_DIRECT) {
        const uint64_t all = (uint64_t)b->stride * b->y;
        void *to = qxl_guest_part(c, b->data, all) ? qxl_room(c, all) : NULL;

        if (to) {
            qxl_fetch(c, b->data, to, all);
        }
        b->data = qxl_host(to);
    } else {
        uint8_t *to = qxl_copy_chunks(c, b->data, 0, &size);

        if (to && size < (uint64_t)b->stride * b->y) {
            return qxl_fail(c, "a bitmap is shorter than it says");
        }
        b->flags |= QXL_BITMAP_DIRECT;
        b->data = qxl_host(to ? to + sizeof(QXLDataChunk) : NULL);
    }
    return !c->bad;
}

/* The library reads one other (QUIC), but ends the program if it cannot decode it. */
static QXLImage *copy_by_type(QxlCopy *c, QXLPHYSICAL addr, unsigned type)
{
    QXLImage *image = qxl_room(c, sizeof(*image));

    if (!image || !qxl_fetch(c, addr, &image->descriptor, sizeof(image->descriptor))) {
        return NULL;
    }
    addr += sizeof(image->descriptor);
    if (type == SPICE_IMAGE_TYPE_SURFACE) {
        qxl_fetch(c, addr, &image->surface_image, sizeof(image->surface_image));
    } else if (type == SPICE_IMAGE_TYPE_BITMAP) {
        qxl_fetch(c, addr, &image->bitmap, sizeof(image->bitmap));
    } else {
        qxl_fail(c, "there is no such type of images");
    }
    return image;
}

/* What a drawing takes from other surfaces it says at its head: by that the library knows what
 * clients need before. */
static bool is_named(const QxlCopy *c, uint32_t id)
{
    const QXLDrawable *d = c->drawable;
    bool found = id == d->surface_id;

    for (unsigned i = 0; i < G_N_ELEMENTS(d->surfaces_dest); i++) {
        found |= d->surfaces_dest[i] >= 0 && id == (uint32_t)d->surfaces_dest[i];
    }
    return found;
}

/* Only where pixels are blended may they be of another size than those that are drawn on, and only
 * there does something else than alpha become alpha: the library would end the program. */
static bool suits(const QxlCopy *c, const QXLImage *image)
{
    const QXLDrawable *d = c->drawable;
    const uint32_t on = c->s->places[d->surface_id].format;

    if (d->type == QXL_DRAW_COMPOSITE || d->type == QXL_DRAW_ALPHA_BLEND) {
        return true;
    }
    if (image->descriptor.type == SPICE_IMAGE_TYPE_SURFACE) {
        const uint32_t from = c->s->places[image->surface_image.surface_id].format;

        return qxl_format_bytes(from) == qxl_format_bytes(on);
    }
    return c->is_mask || on != SPICE_SURFACE_FMT_8_A ||
           image->bitmap.format == SPICE_BITMAP_FMT_8BIT_A;
}

/* The image at @addr, and its size. 0: there is none. */
QXLPHYSICAL qxl_copy_image(QxlCopy *c, QXLPHYSICAL addr, int32_t *width, int32_t *height)
{
    QXLImageDescriptor head;
    QXLImage *image;

    if (!qxl_fetch(c, addr, &head, sizeof(head))) {
        return 0;
    }
    image = copy_by_type(c, addr, head.type);
    if (!image || c->bad) {
        return qxl_fail(c, "there is no such image");
    }
    image->descriptor.type = head.type; /* the guest may have changed it meanwhile */
    image->descriptor.flags = 0; /* the library would take a cached one, of whatever size that is */
    if (image->descriptor.width > QXL_SIDE_MAX || image->descriptor.height > QXL_SIDE_MAX ||
        !image->descriptor.width || !image->descriptor.height) {
        return qxl_fail(c, "an image has no such size");
    }
    *width = (int32_t)image->descriptor.width;
    *height = (int32_t)image->descriptor.height;
    if (head.type == SPICE_IMAGE_TYPE_BITMAP && !copy_bitmap(c, image)) {
        return 0;
    }
    if (head.type == SPICE_IMAGE_TYPE_SURFACE) {
        const QxlSurfacePlace *place = qxl_surface(c, image->surface_image.surface_id);

        if (!place || !is_named(c, image->surface_image.surface_id)) {
            qxl_fail(c, "an image is a surface that the drawing does not name");
            return 0;
        }
        *width = (int32_t)place->width;
        *height = (int32_t)place->height;
    }
    if (!suits(c, image)) {
        return qxl_fail(c, "an image has other pixels than what is drawn on");
    }
    return qxl_host(image);
}

/* ---- what is drawn on ---- */

/* What the library can do to surfaces of alpha alone. */
static bool is_for_alpha(unsigned type)
{
    static const uint8_t types[] = { QXL_DRAW_NOP,    QXL_DRAW_FILL,      QXL_DRAW_COPY,
                                     QXL_COPY_BITS,   QXL_DRAW_BLACKNESS, QXL_DRAW_WHITENESS,
                                     QXL_DRAW_INVERS, QXL_DRAW_COMPOSITE };

    return memchr(types, (int)type, sizeof(types));
}

void qxl_check_target(QxlCopy *c, const QXLDrawable *d)
{
    if (c->s->places[d->surface_id].format == SPICE_SURFACE_FMT_8_A && !is_for_alpha(d->type)) {
        qxl_fail(c, "that cannot be drawn on a surface of alpha");
    }
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's commands, copied with all that they point to: addresses become the program's. What
 * the library takes for granted is checked in the copy. With the lock for everything.
 */
#include <string.h>

#include "hw/display/qxl-copy.h"
#include "util/log.h"

enum { COMPOSITE_WORK = 8 }; /* a pixel, as others count */

/* ---- parts of drawing commands ---- */

static QXLPHYSICAL copy_source(QxlCopy *c, QXLPHYSICAL addr, const QXLRect *area)
{
    int32_t width, height;
    const QXLPHYSICAL image = qxl_copy_image(c, addr, &width, &height);

    return image && qxl_rect_is_good(c, area, width, height) ? image : 0;
}

static void copy_mask(QxlCopy *c, QXLQMask *mask)
{
    int32_t width, height;
    const QXLImage *image;

    if (!mask->bitmap) {
        return;
    }
    c->is_mask = true;
    mask->bitmap = qxl_copy_image(c, mask->bitmap, &width, &height);
    c->is_mask = false;
    if (!mask->bitmap) {
        return;
    }
    image = (const QXLImage *)(uintptr_t)mask->bitmap;
    if (image->descriptor.type != SPICE_IMAGE_TYPE_BITMAP ||
        qxl_bitmap_bits(image->bitmap.format) != 1) {
        qxl_fail(c, "a mask is no bitmap of 1 bit");
    }
    if (mask->pos.x < 0 || mask->pos.y < 0 || mask->pos.x >= width || mask->pos.y >= height) {
        qxl_fail(c, "a mask begins outside of its bitmap");
    }
}

/* The same place of a pattern of @size pixels, which is not right of, or below, any that is drawn:
 * the library counts from there on. */
static int32_t wrap(int32_t at, int32_t size)
{
    at %= size;
    return at > 0 ? at - size : at;
}

static void copy_brush(QxlCopy *c, QXLBrush *brush)
{
    int32_t width, height;

    if (brush->type == SPICE_BRUSH_TYPE_PATTERN) {
        brush->u.pattern.pat = qxl_copy_image(c, brush->u.pattern.pat, &width, &height);
        if (brush->u.pattern.pat) {
            brush->u.pattern.pos.x = wrap(brush->u.pattern.pos.x, width);
            brush->u.pattern.pos.y = wrap(brush->u.pattern.pos.y, height);
        }
    } else if (brush->type != SPICE_BRUSH_TYPE_SOLID && brush->type != SPICE_BRUSH_TYPE_NONE) {
        qxl_fail(c, "there is no such brush");
    }
}

static void check_scale(QxlCopy *c, uint8_t mode)
{
    if (mode > SPICE_IMAGE_SCALE_MODE_NEAREST) {
        qxl_fail(c, "there is no such way to scale");
    }
}

static void copy_clip(QxlCopy *c, QXLClip *clip)
{
    uint32_t size = 0;
    QXLClipRects *rects;

    if (clip->type == SPICE_CLIP_TYPE_NONE) {
        return;
    }
    if (clip->type != SPICE_CLIP_TYPE_RECTS) {
        qxl_fail(c, "there is no such clip");
        return;
    }
    rects = (QXLClipRects *)qxl_copy_chunks(c, clip->data, offsetof(QXLClipRects, chunk), &size);
    if (!rects) {
        return;
    }
    if (rects->num_rects != size / sizeof(QXLRect) || size % sizeof(QXLRect)) {
        qxl_fail(c, "a clip is of another size than it says");
        return;
    }
    for (uint32_t i = 0; i < rects->num_rects; i++) {
        const QXLRect *r = (const QXLRect *)rects->chunk.data + i;

        if (!qxl_point_is_good(c, r->left, r->top) || !qxl_point_is_good(c, r->right, r->bottom) ||
            r->left > r->right || r->top > r->bottom) {
            qxl_fail(c, "a clip has no such rectangles");
            return;
        }
    }
    clip->data = qxl_host(rects);
}

/* ---- lines and texts ---- */

static bool is_near(QXLFIXED at)
{
    return at >= -QXL_COORDINATE_MAX * 16 && at <= QXL_COORDINATE_MAX * 16;
}

/* One piece of a path, behind a line of *@points: only one that has points can be closed. Of some
 * curves the library never comes to an end. */
static bool piece_is_good(const QXLPathSeg *seg, uint64_t *points)
{
    const bool begins = seg->flags & QXL_PATH_BEGIN, ends = seg->flags & QXL_PATH_END;

    if ((begins && !seg->count) || seg->flags & QXL_PATH_BEZIER) {
        return false;
    }
    *points = seg->count + (begins ? 0 : *points);
    if (ends && seg->flags & QXL_PATH_CLOSE && !*points) {
        return false;
    }
    *points = ends ? 0 : *points;
    return true;
}

/* The library would end the program, or read what is none of it. */
static bool path_is_good(const uint8_t *data, uint32_t size)
{
    uint64_t points = 0;

    while (size) {
        QXLPathSeg seg;

        if (size < sizeof(seg)) {
            return false;
        }
        memcpy(&seg, data, sizeof(seg));
        data += sizeof(seg);
        size -= (uint32_t)sizeof(seg);
        if (seg.count > size / sizeof(QXLPointFix) || !piece_is_good(&seg, &points)) {
            return false;
        }
        for (uint32_t i = 0; i < seg.count; i++) {
            QXLPointFix p;

            memcpy(&p, data + i * sizeof(p), sizeof(p));
            if (!is_near(p.x) || !is_near(p.y)) {
                return false;
            }
        }
        data += seg.count * sizeof(QXLPointFix);
        size -= seg.count * (uint32_t)sizeof(QXLPointFix);
    }
    return true;
}

/* Dashes that have no length never end. */
static void copy_style(QxlCopy *c, QXLLineAttr *attr)
{
    const uint64_t size = attr->style_nseg * sizeof(QXLFIXED);
    QXLFIXED *to = qxl_guest_part(c, attr->style, size) ? qxl_room(c, size) : NULL;

    if (!to) {
        return;
    }
    qxl_fetch(c, attr->style, to, size);
    for (unsigned i = 0; i < attr->style_nseg; i++) {
        if (to[i] < 16 || !is_near(to[i])) {
            qxl_fail(c, "a dash has no such length");
        }
    }
    attr->style = qxl_host(to);
}

static void copy_stroke(QxlCopy *c, QXLStroke *stroke)
{
    uint32_t size = 0;
    QXLPath *path = (QXLPath *)qxl_copy_chunks(c, stroke->path, offsetof(QXLPath, chunk), &size);

    if (path && (path->data_size != size || !path_is_good(path->chunk.data, size))) {
        qxl_fail(c, "a path has no such points");
    }
    stroke->path = qxl_host(path);
    if (stroke->attr.flags & SPICE_LINE_FLAGS_STYLED && stroke->attr.style_nseg) {
        copy_style(c, &stroke->attr);
    } else {
        stroke->attr.flags &= (uint8_t)~SPICE_LINE_FLAGS_STYLED;
        stroke->attr.style_nseg = 0;
        stroke->attr.style = 0;
    }
    copy_brush(c, &stroke->brush);
    if (!c->bad && stroke->brush.type == SPICE_BRUSH_TYPE_PATTERN &&
        ((const QXLImage *)(uintptr_t)stroke->brush.u.pattern.pat)->descriptor.type ==
            SPICE_IMAGE_TYPE_SURFACE) {
        qxl_fail(c, "lines are not drawn with surfaces");
    }
}

static bool glyph_is_good(const QXLRasterGlyph *g)
{
    return g->width <= QXL_SIDE_MAX / 16 && g->height <= QXL_SIDE_MAX / 16 &&
           ABS((int64_t)g->render_pos.x) <= QXL_COORDINATE_MAX &&
           ABS((int64_t)g->render_pos.y) <= QXL_COORDINATE_MAX &&
           ABS((int64_t)g->glyph_origin.x) <= QXL_COORDINATE_MAX &&
           ABS((int64_t)g->glyph_origin.y) <= QXL_COORDINATE_MAX;
}

/* A rectangle around all glyphs, of which the library makes a picture. */
static void add_glyph(QXLRect *box, const QXLRasterGlyph *g)
{
    const int32_t x = g->render_pos.x + g->glyph_origin.x, y = g->render_pos.y + g->glyph_origin.y;

    box->left = MIN(box->left, x);
    box->top = MIN(box->top, y);
    box->right = MAX(box->right, x + g->width);
    box->bottom = MAX(box->bottom, y + g->height);
}

static bool box_is_good(const QXLRect *box)
{
    const int64_t width = (int64_t)box->right - box->left;
    const int64_t height = (int64_t)box->bottom - box->top;

    return width <= QXL_SIDE_MAX && height <= QXL_SIDE_MAX && width * height <= QXL_TEXT_MAX;
}

/* As many as it says, and nothing behind them: the library would end the program. */
static bool glyphs_are_good(const QXLString *text, uint32_t size)
{
    const uint8_t *data = text->chunk.data;
    static const uint8_t raster[] = { [SPICE_STRING_FLAGS_RASTER_A1] = 1,
                                      [SPICE_STRING_FLAGS_RASTER_A4] = 4,
                                      [SPICE_STRING_FLAGS_RASTER_A8] = 8 };
    const unsigned kind = text->flags & ~SPICE_STRING_FLAGS_RASTER_TOP_DOWN;
    const unsigned bits = kind < G_N_ELEMENTS(raster) ? raster[kind] : 0;
    QXLRect box = { .left = INT32_MAX, .top = INT32_MAX, .right = INT32_MIN, .bottom = INT32_MIN };

    if (!bits || !text->length) {
        return false;
    }
    for (unsigned i = 0; i < text->length; i++) {
        QXLRasterGlyph glyph;
        uint64_t bytes;

        if (size < sizeof(glyph)) {
            return false;
        }
        memcpy(&glyph, data, sizeof(glyph));
        bytes = sizeof(glyph) + ((uint64_t)glyph.width * bits + 7) / 8 * glyph.height;
        if (bytes > size || !glyph_is_good(&glyph)) {
            return false;
        }
        add_glyph(&box, &glyph);
        data += bytes;
        size -= (uint32_t)bytes;
    }
    return !size && box_is_good(&box);
}

static void copy_text(QxlCopy *c, QXLText *text)
{
    uint32_t size = 0;
    QXLString *to = (QXLString *)qxl_copy_chunks(c, text->str, offsetof(QXLString, chunk), &size);

    if (to && (to->data_size != size || !glyphs_are_good(to, size))) {
        qxl_fail(c, "a text has no such glyphs");
    }
    text->str = qxl_host(to);
    qxl_point_is_good(c, text->back_area.left, text->back_area.top);
    qxl_point_is_good(c, text->back_area.right, text->back_area.bottom);
    if (text->back_area.left > text->back_area.right ||
        text->back_area.top > text->back_area.bottom) {
        qxl_fail(c, "there is no such area behind a text");
    }
    copy_brush(c, &text->fore_brush);
    copy_brush(c, &text->back_brush);
    if (text->fore_mode != SPICE_ROPD_OP_PUT || text->back_mode != SPICE_ROPD_OP_PUT) {
        qxl_fail(c, "a text is no more than put");
    }
}

static QXLPHYSICAL copy_transform(QxlCopy *c, QXLPHYSICAL addr)
{
    QXLTransform *to = addr ? qxl_room(c, sizeof(*to)) : NULL;

    if (to) {
        qxl_fetch(c, addr, to, sizeof(*to));
    }
    return qxl_host(to);
}

static void copy_composite(QxlCopy *c, QXLComposite *composite)
{
    int32_t width, height;
    const uint32_t has = SPICE_COMPOSITE_HAS_MASK | SPICE_COMPOSITE_HAS_SRC_TRANSFORM |
                         SPICE_COMPOSITE_HAS_MASK_TRANSFORM;

    composite->flags &= ~has; /* the library sets them */
    composite->src = qxl_copy_image(c, composite->src, &width, &height);
    composite->src_transform = copy_transform(c, composite->src_transform);
    if (composite->mask) {
        composite->mask = qxl_copy_image(c, composite->mask, &width, &height);
    }
    composite->mask_transform = copy_transform(c, composite->mask_transform);
    /* Bits that are no filter of pixman's would end the program. */
    if ((composite->flags >> 8 & 7) > 1 || (composite->flags >> 11 & 7) > 1) {
        qxl_fail(c, "there is no such filter");
    }
    switch (composite->flags & 0xff) {
    case QXL_OP_CLEAR ... QXL_OP_SATURATE:
    case QXL_OP_MULTIPLY ... QXL_OP_HSL_LUMINOSITY:
        break;
    default:
        qxl_fail(c, "there is no such operator");
    }
}

/* ---- drawing commands ---- */

/* It needs the brush, the source and what was there before. Others are other commands, and the
 * library would end the program. */
static void check_rop3(QxlCopy *c, unsigned rop)
{
    if (rop >> 4 == (rop & 0xf) || (rop >> 2 & 0x33) == (rop & 0x33) ||
        (rop >> 1 & 0x55) == (rop & 0x55)) {
        qxl_fail(c, "an operation does not need all three operands");
    }
}

static void copy_body(QxlCopy *c, QXLDrawable *d)
{
    switch (d->type) {
    case QXL_DRAW_NOP:
        break;
    case QXL_DRAW_FILL:
        copy_brush(c, &d->u.fill.brush);
        copy_mask(c, &d->u.fill.mask);
        break;
    case QXL_DRAW_OPAQUE:
        d->u.opaque.src_bitmap = copy_source(c, d->u.opaque.src_bitmap, &d->u.opaque.src_area);
        copy_brush(c, &d->u.opaque.brush);
        check_scale(c, d->u.opaque.scale_mode);
        copy_mask(c, &d->u.opaque.mask);
        break;
    case QXL_DRAW_COPY:
    case QXL_DRAW_BLEND:
        d->u.copy.src_bitmap = copy_source(c, d->u.copy.src_bitmap, &d->u.copy.src_area);
        check_scale(c, d->u.copy.scale_mode);
        copy_mask(c, &d->u.copy.mask);
        break;
    case QXL_COPY_BITS:
        qxl_point_is_good(c, d->u.copy_bits.src_pos.x, d->u.copy_bits.src_pos.y);
        break;
    case QXL_DRAW_BLACKNESS:
    case QXL_DRAW_WHITENESS:
    case QXL_DRAW_INVERS:
        copy_mask(c, &d->u.blackness.mask);
        break;
    case QXL_DRAW_ROP3:
        d->u.rop3.src_bitmap = copy_source(c, d->u.rop3.src_bitmap, &d->u.rop3.src_area);
        copy_brush(c, &d->u.rop3.brush);
        check_scale(c, d->u.rop3.scale_mode);
        check_rop3(c, d->u.rop3.rop3);
        copy_mask(c, &d->u.rop3.mask);
        break;
    case QXL_DRAW_STROKE:
        copy_stroke(c, &d->u.stroke);
        break;
    case QXL_DRAW_TEXT:
        copy_text(c, &d->u.text);
        break;
    case QXL_DRAW_TRANSPARENT:
        d->u.transparent.src_bitmap =
            copy_source(c, d->u.transparent.src_bitmap, &d->u.transparent.src_area);
        break;
    case QXL_DRAW_ALPHA_BLEND:
        d->u.alpha_blend.src_bitmap =
            copy_source(c, d->u.alpha_blend.src_bitmap, &d->u.alpha_blend.src_area);
        break;
    case QXL_DRAW_COMPOSITE:
        copy_composite(c, &d->u.composite);
        break;
    default:
        qxl_fail(c, "there is no such drawing command");
    }
}

/* Where pixels are copied from within a surface. */
static bool bits_are_good(QxlCopy *c, const QXLDrawable *d, const QxlSurfacePlace *place)
{
    const QXLPoint *from = &d->u.copy_bits.src_pos;
    const QXLRect source = { .left = from->x,
                             .top = from->y,
                             .right = from->x + (d->bbox.right - d->bbox.left),
                             .bottom = from->y + (d->bbox.bottom - d->bbox.top) };

    return d->type != QXL_COPY_BITS ||
           qxl_rect_is_good(c, &source, (int32_t)place->width, (int32_t)place->height);
}

static void copy_drawable(QxlCopy *c, QXLDrawable *d)
{
    const QxlSurfacePlace *place = qxl_surface(c, d->surface_id);

    if (!place || !qxl_rect_is_good(c, &d->bbox, (int32_t)place->width, (int32_t)place->height)) {
        return;
    }
    d->self_bitmap = d->self_bitmap != 0;
    if (d->self_bitmap) {
        qxl_rect_is_good(c, &d->self_bitmap_area, (int32_t)place->width, (int32_t)place->height);
    }
    if (d->effect > QXL_EFFECT_OPAQUE_BRUSH) {
        qxl_fail(c, "there is no such effect");
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(d->surfaces_dest); i++) {
        const QXLRect rect = d->surfaces_rects[i]; /* that one is packed */

        if (d->surfaces_dest[i] != -1) {
            place = qxl_surface(c, (uint32_t)d->surfaces_dest[i]);
            if (place) {
                qxl_rect_is_good(c, &rect, (int32_t)place->width, (int32_t)place->height);
            }
        }
    }
    qxl_check_target(c, d);
    copy_clip(c, &d->clip);
    if (!c->bad) {
        copy_body(c, d);
    }
    place = qxl_surface(c, d->surface_id);
    if (!c->bad && place) {
        bits_are_good(c, d, place);
    }
}

/* As the first revision has them. */
static void widen(QXLDrawable *d, const QXLCompatDrawable *from)
{
    *d = (QXLDrawable){ .effect = from->effect,
                        .type = from->type,
                        .self_bitmap = from->bitmap_offset != 0,
                        .self_bitmap_area = from->bitmap_area,
                        .bbox = from->bbox,
                        .clip = from->clip,
                        .mm_time = from->mm_time,
                        .surfaces_dest = { -1, -1, -1 } };
    if (from->type == QXL_DRAW_ALPHA_BLEND) {
        d->u.alpha_blend = (QXLAlphaBlend){ .alpha = from->u.alpha_blend.alpha,
                                            .src_bitmap = from->u.alpha_blend.src_bitmap,
                                            .src_area = from->u.alpha_blend.src_area };
    } else {
        memcpy(&d->u, &from->u, MIN(sizeof(d->u), sizeof(from->u)));
    }
}

/* It is not drawn before somebody waits for it, who should not wait for long. */
static size_t work(const QXLDrawable *d)
{
    const size_t width = (size_t)(d->bbox.right - d->bbox.left);
    const size_t height = (size_t)(d->bbox.bottom - d->bbox.top);

    return width * height * (d->type == QXL_DRAW_COMPOSITE ? COMPOSITE_WORK : 1);
}

static void *take_drawable(QxlCopy *c, QXLPHYSICAL addr, bool compat)
{
    QXLDrawable *d = qxl_room(c, sizeof(*d));

    if (compat) {
        QXLCompatDrawable from;

        qxl_fetch(c, addr, &from, sizeof(from));
        widen(d, &from);
    } else {
        qxl_fetch(c, addr, d, sizeof(*d));
    }
    if (!c->bad) {
        c->drawable = d;
        copy_drawable(c, d);
    }
    if (!c->bad) {
        c->to->size += work(d);
    }
    return d;
}

/* ---- the others ---- */

static void *take_update(QxlCopy *c, QXLPHYSICAL addr, bool compat)
{
    QXLUpdateCmd *u = qxl_room(c, sizeof(*u));
    const QxlSurfacePlace *place;

    qxl_fetch(c, addr, u, compat ? sizeof(QXLCompatUpdateCmd) : sizeof(*u));
    place = qxl_surface(c, u->surface_id);
    if (place && qxl_rect_is_good(c, &u->area, (int32_t)place->width, (int32_t)place->height) &&
        (u->area.left == u->area.right || u->area.top == u->area.bottom)) {
        qxl_fail(c, "there is no such area");
    }
    return u;
}

static void create_surface(QxlCopy *c, QXLSurfaceCmd *cmd)
{
    QXLSurface *from = &cmd->u.surface_create;
    QxlSurfacePlace *place = &c->s->places[cmd->surface_id], made = { 0 };
    uint64_t offset = 0;

    made.format = from->format;
    made.width = from->width;
    made.height = from->height;
    made.stride = from->stride;
    if (place->memory ||
        !qxl_guest(c->s, from->data, qxl_place_size(&made), &made.memory, &offset)) {
        qxl_fail(c, "a surface is there, or in no memory");
        return;
    }
    made.offset = offset;
    if (!qxl_place_is_good(c->s, &made)) {
        qxl_fail(c, "a surface has no such size");
        return;
    }
    *place = made;
    from->data = qxl_host(qxl_place_data(c->s, place));
}

static void *take_surface(QxlCopy *c, QXLPHYSICAL addr)
{
    QXLSurfaceCmd *cmd = qxl_room(c, sizeof(*cmd));

    if (!qxl_fetch(c, addr, cmd, sizeof(*cmd))) {
        return cmd;
    }
    cmd->flags &= QXL_SURF_FLAG_KEEP_DATA;
    if (!cmd->surface_id || cmd->surface_id >= c->s->surfaces) {
        qxl_fail(c, "there is no such surface");
    } else if (cmd->type == QXL_SURFACE_CMD_CREATE) {
        create_surface(c, cmd);
    } else if (cmd->type == QXL_SURFACE_CMD_DESTROY && c->s->places[cmd->surface_id].memory) {
        c->s->places[cmd->surface_id] = (QxlSurfacePlace){ 0 };
        c->to->epoch = c->s->epoch; /* the guest has its memory back when the library is through */
    } else {
        qxl_fail(c, "there is no such surface");
    }
    return cmd;
}

static uint64_t cursor_bytes(const QXLCursorHeader *h)
{
    const uint64_t pixels = (uint64_t)h->width * h->height;
    const uint64_t mask = ((uint64_t)h->width + 7) / 8 * h->height;

    switch (h->type) {
    case SPICE_CURSOR_TYPE_ALPHA:
        return 4 * pixels;
    case SPICE_CURSOR_TYPE_MONO:
        return 2 * mask;
    case SPICE_CURSOR_TYPE_COLOR16:
        return 2 * pixels + mask;
    case SPICE_CURSOR_TYPE_COLOR24:
        return 3 * pixels + mask;
    case SPICE_CURSOR_TYPE_COLOR32:
        return 4 * pixels + mask;
    case SPICE_CURSOR_TYPE_COLOR4:
        return ((uint64_t)h->width + 1) / 2 * h->height + mask + 16 * sizeof(uint32_t);
    case SPICE_CURSOR_TYPE_COLOR8:
        return pixels + mask + 256 * sizeof(uint32_t);
    default:
        return UINT64_MAX;
    }
}

static void keep_cursor(Qxl *s, const QXLCursorCmd *cmd, const QXLCursor *cursor, uint32_t size)
{
    GByteArray *all = g_byte_array_new();

    g_byte_array_append(all, (const guint8 *)cmd, sizeof(*cmd));
    g_byte_array_append(all, (const guint8 *)cursor, (guint)(sizeof(*cursor) + size));
    g_clear_pointer(&s->cursor, g_bytes_unref);
    s->cursor = g_byte_array_free_to_bytes(all);
}

static void copy_shape(QxlCopy *c, QXLCursorCmd *cmd)
{
    uint32_t size = 0;
    QXLCursor *cursor =
        (QXLCursor *)qxl_copy_chunks(c, cmd->u.set.shape, offsetof(QXLCursor, chunk), &size);

    if (!cursor) {
        return;
    }
    if (!cursor->header.width || !cursor->header.height ||
        cursor->header.width > CONSOLE_CURSOR_MAX || cursor->header.height > CONSOLE_CURSOR_MAX ||
        cursor->header.hot_spot_x > cursor->header.width ||
        cursor->header.hot_spot_y > cursor->header.height || size < cursor_bytes(&cursor->header)) {
        qxl_fail(c, "a pointer has no such shape");
        return;
    }
    cursor->data_size = size;
    cmd->u.set.shape = qxl_host(cursor);
    keep_cursor(c->s, cmd, cursor, size);
}

static void *take_cursor(QxlCopy *c, QXLPHYSICAL addr)
{
    QXLCursorCmd *cmd = qxl_room(c, sizeof(*cmd));
    Qxl *s = c->s;

    qxl_fetch(c, addr, cmd, sizeof(*cmd));
    switch (cmd->type) {
    case QXL_CURSOR_SET:
        copy_shape(c, cmd);
        s->cursor_set = cmd->u.set.visible;
        s->cursor_x = cmd->u.set.position.x;
        s->cursor_y = cmd->u.set.position.y;
        s->cursor_new = true;
        break;
    case QXL_CURSOR_MOVE:
        s->cursor_set = true;
        s->cursor_x = cmd->u.position.x;
        s->cursor_y = cmd->u.position.y;
        break;
    case QXL_CURSOR_HIDE:
        s->cursor_set = false;
        break;
    case QXL_CURSOR_TRAIL:
        break;
    default:
        qxl_fail(c, "there is no such command of pointers");
    }
    s->cursor_moved = true;
    return cmd;
}

/* ---- all ---- */

void qxl_free_command(Qxl *s, QxlCommand *command)
{
    s->given -= MIN(command->size, s->given);
    g_ptr_array_unref(command->parts);
    g_free(command);
}

static QxlCommand *new_command(Qxl *s)
{
    QxlCommand *command = g_new0(QxlCommand, 1);

    command->parts = g_ptr_array_new_with_free_func(g_free);
    command->ext.group_id = SPICE_CARD_GROUP;
    command->epoch = s->epoch;
    return command;
}

/* @body begins with a QXLReleaseInfo; NULL: there is none. */
static QxlCommand *finish(Qxl *s, QxlCommand *command, uint32_t type, void *body)
{
    if (body) {
        ((QXLReleaseInfo *)body)->id = (uintptr_t)command;
    }
    command->ext.cmd.type = type;
    command->ext.cmd.data = qxl_host(body);
    s->given += command->size;
    return command;
}

/* The body, and what the library is to make of it; NULL: nothing. */
static void *take_body(QxlCopy *c, QXLPHYSICAL addr, uint32_t type, bool compat)
{
    void *body = NULL;

    switch (type) {
    case QXL_CMD_DRAW:
        body = take_drawable(c, addr, compat);
        if (!c->bad && ((const QXLDrawable *)body)->type == QXL_DRAW_NOP) {
            return NULL;
        }
        break;
    case QXL_CMD_UPDATE:
        body = take_update(c, addr, compat);
        break;
    case QXL_CMD_CURSOR:
        body = take_cursor(c, addr);
        break;
    case QXL_CMD_SURFACE:
        body = take_surface(c, addr);
        break;
    case QXL_CMD_MESSAGE: /* texts for people who look for faults in drivers */
        break;
    }
    if (c->bad && log_enabled(LOG_GUEST_ERROR)) {
        log_printf("qxl: a command is dropped: %s\n", c->bad);
    }
    return c->bad ? NULL : body;
}

QxlCommand *qxl_copy_command(Qxl *s, const QXLCommand *from, bool compat, const char **why)
{
    QxlCopy c = { .s = s, .to = new_command(s) };
    const uint32_t type = from->type;
    QXLReleaseInfo info = { 0 };
    void *body;

    if (!qxl_guest(s, from->data, sizeof(info), &c.to->memory, &c.to->offset)) {
        qxl_fail(&c, "a command is in no slot");
    } else if (type == QXL_CMD_NOP || type > QXL_CMD_SURFACE) {
        qxl_fail(&c, "there is no such command");
    } else {
        qxl_fetch(&c, from->data, &info, sizeof(info));
        c.to->guest_id = info.id;
    }
    if (c.bad) {
        *why = c.bad;
        qxl_free_command(s, c.to);
        return NULL;
    }
    body = take_body(&c, from->data, type, compat);
    return finish(s, c.to, body ? type : QXL_CMD_NOP, body);
}

QxlCommand *qxl_make_surface(Qxl *s, uint32_t id)
{
    const QxlSurfacePlace *place = &s->places[id];
    QxlCopy c = { .s = s, .to = new_command(s) };
    QXLSurfaceCmd *cmd = qxl_room(&c, sizeof(*cmd));

    cmd->surface_id = id;
    cmd->type = place->memory ? QXL_SURFACE_CMD_CREATE : QXL_SURFACE_CMD_DESTROY;
    if (place->memory) {
        cmd->flags = QXL_SURF_FLAG_KEEP_DATA;
        cmd->u.surface_create = (QXLSurface){ .format = place->format,
                                              .width = place->width,
                                              .height = place->height,
                                              .stride = place->stride,
                                              .data = qxl_host(qxl_place_data(s, place)) };
    }
    return finish(s, c.to, QXL_CMD_SURFACE, cmd);
}

QxlCommand *qxl_make_cursor(Qxl *s)
{
    gsize size = 0;
    const uint8_t *data = s->cursor ? g_bytes_get_data(s->cursor, &size) : NULL;
    const QXLCursor *shape;
    QXLCursorCmd *cmd;

    if (size < sizeof(*cmd) + sizeof(*shape) || size > QXL_COMMAND_MAX) {
        return NULL;
    }
    shape = (const QXLCursor *)(data + sizeof(QXLCursorCmd));
    if (shape->chunk.data_size != size - sizeof(*cmd) - sizeof(*shape) ||
        shape->data_size != shape->chunk.data_size || !shape->header.width ||
        !shape->header.height || shape->header.width > CONSOLE_CURSOR_MAX ||
        shape->header.height > CONSOLE_CURSOR_MAX ||
        shape->header.hot_spot_x > shape->header.width ||
        shape->header.hot_spot_y > shape->header.height ||
        shape->data_size < cursor_bytes(&shape->header)) {
        return NULL;
    }
    QxlCopy c = { .s = s, .to = new_command(s) };
    QXLCursor *to = qxl_room(&c, size - sizeof(*cmd));

    cmd = qxl_room(&c, sizeof(*cmd));
    memcpy(to, shape, size - sizeof(*cmd));
    to->chunk.next_chunk = to->chunk.prev_chunk = 0;
    cmd->type = QXL_CURSOR_SET;
    cmd->u.set.visible = s->cursor_set;
    cmd->u.set.position.x = (int16_t)s->cursor_x;
    cmd->u.set.position.y = (int16_t)s->cursor_y;
    cmd->u.set.shape = qxl_host(to);
    return finish(s, c.to, QXL_CMD_CURSOR, cmd);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine: rectangles of the memory, filled with a pattern of 8 by 8 pixels or with what lies
 * elsewhere or comes from the CPU, each pixel of which may be one bit of it; combined with what was
 * there. A BLT has 16 MiB at most, as its registers have 13 bits for a line and 11 for their
 * number.
 */
#include <string.h>

#include "hw/display/cirrus.h"

enum {
    MODE_BACKWARDS = 1 << 0,
    MODE_TO_CPU = 1 << 1,
    MODE_FROM_CPU = 1 << 2,
    MODE_TRANSPARENT = 1 << 3,
    MODE_PIXEL_SHIFT = 4, /* bytes of a pixel less one, in two bits */
    MODE_PATTERN = 1 << 6,
    MODE_EXPAND = 1 << 7,
    MORE_DWORDS = 1 << 0, /* lines of bits are in whole ones */
    MORE_INVERT = 1 << 1, /* of transparent bits */
    MORE_SOLID = 1 << 2,
    STATUS_BUSY = 1 << 0,
    STATUS_START = 1 << 1,
    STATUS_BUFFERED = 1 << 4,
    PATTERN = 8, /* pixels, in each direction */
    PIXEL_MAX = 4,
};

/* ---- how source and destination are combined ---- */

typedef void RopFn(uint8_t *to, const uint8_t *from, size_t count, int step);

/* One byte after the other, as lines may overlap. */
#define ROP(name, value)                                                       \
    static void name(uint8_t *to, const uint8_t *from, size_t count, int step) \
    {                                                                          \
        if (step > 0) {                                                        \
            for (size_t i = 0; i < count; i++) {                               \
                unsigned s = from[i], d = to[i];                               \
                to[i] = (uint8_t)(value);                                      \
                (void)s, (void)d;                                              \
            }                                                                  \
        } else {                                                               \
            for (size_t i = 0; i < count; i++) {                               \
                unsigned s = *(from - i), d = *(to - i);                       \
                *(to - i) = (uint8_t)(value);                                  \
                (void)s, (void)d;                                              \
            }                                                                  \
        }                                                                      \
    }
ROP(rop_black, 0)
ROP(rop_white, 0xff)
ROP(rop_none, d)
ROP(rop_copy, s)
ROP(rop_invert, ~d)
ROP(rop_not, ~s)
ROP(rop_and, s &d)
ROP(rop_and_not, s & ~d)
ROP(rop_not_and, ~s &d)
ROP(rop_nor, ~(s | d))
ROP(rop_or, s | d)
ROP(rop_or_not, s | ~d)
ROP(rop_not_or, ~s | d)
ROP(rop_nand, ~(s &d))
ROP(rop_xor, s ^ d)
ROP(rop_xnor, ~(s ^ d))

static const struct {
    uint8_t code;
    RopFn *fn;
} rops[] = {
    { 0x00, rop_black },  { 0x05, rop_and },  { 0x06, rop_none },   { 0x09, rop_and_not },
    { 0x0b, rop_invert }, { 0x0d, rop_copy }, { 0x0e, rop_white },  { 0x50, rop_not_and },
    { 0x59, rop_xor },    { 0x6d, rop_or },   { 0x90, rop_nor },    { 0x95, rop_xnor },
    { 0xad, rop_or_not }, { 0xd0, rop_not },  { 0xd6, rop_not_or }, { 0xda, rop_nand },
};

/* ---- what the registers say ---- */

typedef struct Blt {
    uint8_t *memory;
    uint64_t size;
    unsigned mode, more;
    unsigned width, height; /* bytes of a line; lines */
    unsigned dest, source;  /* of the first byte; backwards: the last one */
    unsigned dest_pitch, source_pitch;
    unsigned pixel; /* bytes */
    unsigned skip;  /* pixels at the beginning of each line that stay */
    uint8_t front[PIXEL_MAX], back[PIXEL_MAX], key[PIXEL_MAX];
    bool solid; /* all of it has the first colour */
    RopFn *rop;
    uint8_t line[CIRRUS_LINE_MAX + PIXEL_MAX]; /* of source pixels */
    bool there[CIRRUS_LINE_MAX + 1];           /* are they? */
} Blt;

static unsigned get(const Cirrus *s, unsigned reg, unsigned bits)
{
    unsigned value = s->gfx[reg] | (unsigned)s->gfx[reg + 1] << 8;

    if (bits > 16) {
        value |= (unsigned)s->gfx[reg + 2] << 16;
    }
    return value & ((1u << bits) - 1);
}

static RopFn *find_rop(uint8_t code)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(rops); i++) {
        if (rops[i].code == code) {
            return rops[i].fn;
        }
    }
    return rop_none;
}

static Blt *blt_new(const Cirrus *s)
{
    Blt *b = g_new(Blt, 1);
    unsigned skip = s->gfx[CIRRUS_GFX_SKIP];

    b->memory = s->vga.vram.block->host;
    b->size = MIN(vram_size(&s->vga.vram), CIRRUS_REACH);
    b->mode = s->gfx[CIRRUS_GFX_BLT_MODE];
    if (b->mode & (MODE_PATTERN | MODE_EXPAND | MODE_FROM_CPU)) {
        b->mode &= ~(unsigned)MODE_BACKWARDS; /* that is for copies of what may overlap */
    }
    b->more = s->gfx[CIRRUS_GFX_BLT_MORE];
    b->solid = b->more & MORE_SOLID && b->mode & MODE_PATTERN && b->mode & MODE_EXPAND &&
               !(b->mode & MODE_TRANSPARENT);
    if (b->solid) {
        b->mode &= ~(unsigned)MODE_FROM_CPU; /* there is nothing to send */
    }
    b->width = get(s, CIRRUS_GFX_WIDTH, 13) + 1;
    b->height = get(s, CIRRUS_GFX_HEIGHT, 11) + 1;
    b->dest = get(s, CIRRUS_GFX_DEST, 22);
    b->source = get(s, CIRRUS_GFX_SOURCE, 22);
    b->dest_pitch = get(s, CIRRUS_GFX_DEST_PITCH, 13);
    b->source_pitch = get(s, CIRRUS_GFX_SOURCE_PITCH, 13);
    b->pixel = (b->mode >> MODE_PIXEL_SHIFT & 3) + 1;
    b->skip = b->pixel == 3 && (b->mode & (MODE_EXPAND | MODE_TRANSPARENT)) != MODE_EXPAND
                  ? (skip & 0x1f) / 3 /* bytes */
                  : skip & 7;
    b->rop = find_rop(s->gfx[CIRRUS_GFX_ROP]);
    for (unsigned i = 0; i < PIXEL_MAX; i++) {
        b->back[i] = s->gfx[i ? 0xe + 2 * i : 0];
        b->front[i] = s->gfx[i ? 0xf + 2 * i : 1];
        b->key[i] = s->gfx[CIRRUS_GFX_KEY + (i & 1)];
    }
    return b;
}

/* Is a rectangle at @at inside of the memory? */
static bool inside(const Blt *b, unsigned at, unsigned pitch, unsigned width, unsigned height,
                   bool backwards)
{
    uint64_t reach = (uint64_t)pitch * (height - 1) + width;

    return backwards ? at < b->size && at + 1ull >= reach : at + reach <= b->size;
}

/* ---- lines ---- */

/* @count pixels of `line`, as far as they are `there`, from pixel @first of the destination on. */
static void put_pixels(Blt *b, uint8_t *to, unsigned first, unsigned count)
{
    for (unsigned i = first; i < count;) {
        unsigned end = i;

        while (end < count && b->there[end]) {
            end++;
        }
        if (end > i) {
            b->rop(to + (size_t)i * b->pixel, b->line + (size_t)i * b->pixel,
                   (size_t)(end - i) * b->pixel, 1);
        }
        i = end + 1;
    }
}

/* Each bit from @bits on, the highest of a byte first, is a pixel; with @wrap, of eight only. */
static void expand(Blt *b, const uint8_t *bits, unsigned count, bool wrap)
{
    bool transparent = b->mode & MODE_TRANSPARENT, invert = transparent && b->more & MORE_INVERT;

    for (unsigned i = b->skip; i < count; i++) {
        bool set = (bits[wrap ? 0 : i / 8] >> (7 - i % 8) & 1) != invert;

        b->there[i] = set || !transparent;
        memcpy(b->line + (size_t)i * b->pixel, set && !invert ? b->front : b->back, b->pixel);
    }
}

/* ---- patterns ---- */

/* One of eight lines of a pattern; 24 bits a pixel take as much room as 32. */
static unsigned pattern_pitch(const Blt *b)
{
    if (b->mode & MODE_EXPAND) {
        return 1;
    }
    return PATTERN * (b->pixel == 3 ? 4 : b->pixel);
}

static void pattern_line(Blt *b, const uint8_t *row, unsigned count)
{
    if (b->mode & MODE_EXPAND && !b->solid) {
        expand(b, row, count, true);
        return;
    }
    for (unsigned i = b->solid ? 0 : b->skip; i < count; i++) {
        const uint8_t *from = b->solid ? b->front : row + (size_t)(i % PATTERN) * b->pixel;

        memcpy(b->line + (size_t)i * b->pixel, from, b->pixel);
        b->there[i] = true;
    }
}

static unsigned pattern_size(const Blt *b)
{
    return PATTERN * pattern_pitch(b);
}

/* The lowest bits of the address say with which line it begins. */
static void fill_pattern(Blt *b, const uint8_t *pattern)
{
    unsigned count = b->width / b->pixel, first = b->source & (PATTERN - 1);

    for (unsigned y = 0; y < b->height; y++) {
        pattern_line(b, pattern + (size_t)((first + y) % PATTERN) * pattern_pitch(b), count);
        put_pixels(b, b->memory + b->dest + (size_t)y * b->dest_pitch, b->solid ? 0 : b->skip,
                   count);
    }
}

static void pattern_from_memory(Blt *b)
{
    uint8_t pattern[PATTERN * PATTERN * PIXEL_MAX];
    unsigned size = pattern_size(b), at = b->source & ~(PATTERN - 1u);

    if (at + size <= b->size) {
        memcpy(pattern, b->memory + at, size);
        fill_pattern(b, pattern);
    }
}

/* ---- copies ---- */

static bool is_key(const Blt *b, const uint8_t *pixel)
{
    return memcmp(pixel, b->key, MIN(b->pixel, 2)) == 0;
}

/* Which pixels of `line` are there: those that have not the colour of the key. */
static void find_key(Blt *b, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        b->there[i] = !is_key(b, b->line + (size_t)i * b->pixel);
    }
}

/* What would be there is compared. */
static void copy_keyed(Blt *b, uint8_t *to, const uint8_t *from)
{
    unsigned count = b->width / b->pixel;
    RopFn *rop = b->rop;

    memcpy(b->line, to, (size_t)count * b->pixel);
    rop(b->line, from, (size_t)count * b->pixel, 1);
    find_key(b, count);
    b->rop = rop_copy;
    put_pixels(b, to, 0, count);
    b->rop = rop;
}

static void copy(Blt *b)
{
    bool backwards = b->mode & MODE_BACKWARDS;
    unsigned first = backwards ? b->width - 1 : 0; /* from the first byte to where it begins */

    if (!inside(b, b->source, b->source_pitch, b->width, b->height, backwards)) {
        return;
    }
    for (unsigned y = 0; y < b->height; y++) {
        ptrdiff_t sign = backwards ? -1 : 1;
        uint8_t *to = b->memory + (b->dest + sign * (ptrdiff_t)y * b->dest_pitch);
        const uint8_t *from = b->memory + (b->source + sign * (ptrdiff_t)y * b->source_pitch);

        if (b->mode & MODE_TRANSPARENT) {
            copy_keyed(b, to - first, from - first);
        } else {
            b->rop(to, from, b->width, (int)sign);
        }
    }
}

/* Lines of bits lie one behind the other. */
static void expand_from_memory(Blt *b)
{
    unsigned count = b->width / b->pixel, size = (count + 7) / 8;

    if (!inside(b, b->source, size, size, b->height, false)) {
        return;
    }
    for (unsigned y = 0; y < b->height; y++) {
        expand(b, b->memory + b->source + (size_t)y * size, count, false);
        put_pixels(b, b->memory + b->dest + (size_t)y * b->dest_pitch, b->skip, count);
    }
}

/* ---- from the CPU ---- */

/* Bytes that it sends before something is done. */
static unsigned cpu_size(const Blt *b)
{
    unsigned count = b->width / b->pixel;

    if (b->mode & MODE_PATTERN) {
        return pattern_size(b);
    }
    if (b->mode & MODE_EXPAND) {
        return b->more & MORE_DWORDS ? (count + 31) / 32 * 4 : (count + 7) / 8;
    }
    return (b->width + 3) & ~3u;
}

static void cpu_line(Blt *b, const uint8_t *data, unsigned y)
{
    uint8_t *to = b->memory + b->dest + (size_t)y * b->dest_pitch;

    if (b->mode & MODE_PATTERN) {
        fill_pattern(b, data);
    } else if (b->mode & MODE_EXPAND) {
        expand(b, data, b->width / b->pixel, false);
        put_pixels(b, to, b->skip, b->width / b->pixel);
    } else if (b->mode & MODE_TRANSPARENT) {
        copy_keyed(b, to, data);
    } else {
        b->rop(to, data, b->width, 1);
    }
}

/* ---- all of it ---- */

void cirrus_blt_stop(Cirrus *s)
{
    bool waited = cirrus_blt_waits(s);

    s->lines_left = s->line_size = s->received = 0;
    s->gfx[CIRRUS_GFX_STATUS] &= (uint8_t) ~(STATUS_START | STATUS_BUSY | STATUS_BUFFERED);
    if (waited) {
        cirrus_map(s);
    }
}

/* Which bytes of the destination may change: of a part of all lines. */
static void mark(Cirrus *s, const Blt *b, unsigned y, unsigned height)
{
    bool backwards = b->mode & MODE_BACKWARDS;
    uint64_t size = (uint64_t)b->dest_pitch * (height - 1) + b->width;
    uint64_t at = backwards ? b->dest + 1 - (uint64_t)y * b->dest_pitch - size
                            : b->dest + (uint64_t)y * b->dest_pitch;

    vram_mark(&s->vga.vram, at, size);
}

static void now(Cirrus *s, Blt *b)
{
    if (b->mode & MODE_PATTERN) {
        pattern_from_memory(b);
    } else if (b->mode & MODE_EXPAND) {
        expand_from_memory(b);
    } else {
        copy(b);
    }
    mark(s, b, 0, b->height);
}

static void wait_for_cpu(Cirrus *s, const Blt *b)
{
    s->lines_left = b->mode & MODE_PATTERN ? 1 : b->height;
    s->line_size = cpu_size(b);
    s->received = 0;
    s->gfx[CIRRUS_GFX_STATUS] |= STATUS_BUSY | STATUS_START;
    cirrus_map(s);
}

void cirrus_blt_start(Cirrus *s)
{
    g_autofree Blt *b = blt_new(s);

    if (!s->blitter) {
        return;
    }
    cirrus_blt_stop(s);
    if (b->mode & MODE_TO_CPU ||
        !inside(b, b->dest, b->dest_pitch, b->width, b->height, b->mode & MODE_BACKWARDS)) {
        return;
    }
    if (b->mode & MODE_FROM_CPU) {
        wait_for_cpu(s, b);
    } else {
        now(s, b);
    }
}

/* The registers may have changed meanwhile: all is looked at again. */
static void line_came(Cirrus *s)
{
    g_autofree Blt *b = blt_new(s);
    unsigned height = b->mode & MODE_PATTERN ? 1 : b->height;
    unsigned y = s->lines_left <= height ? height - s->lines_left : 0;

    b->mode &= ~(unsigned)MODE_BACKWARDS; /* even if it would be another kind by now */
    if (cpu_size(b) == s->line_size &&
        inside(b, b->dest, b->dest_pitch, b->width, b->height, false)) {
        cpu_line(b, s->line, y);
        mark(s, b, b->mode & MODE_PATTERN ? 0 : y, b->mode & MODE_PATTERN ? b->height : 1);
    }
    s->received = 0;
    if (--s->lines_left == 0) {
        cirrus_blt_stop(s);
        cirrus_map(s);
    }
}

void cirrus_blt_byte(Cirrus *s, uint8_t value)
{
    s->line[s->received++] = value;
    if (s->received >= s->line_size) {
        line_came(s);
    }
}

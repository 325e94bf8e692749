/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From the memory of a VGA to its picture: the modes of its own registers line by line, as the CRTC
 * counts, and those of the dispi.
 */
#include <string.h>

#include "hw/display/vga.h"
#include "util/clock.h"

enum {
    SEQ_8_DOTS = 1 << 0,
    SEQ_HALF_CLOCK = 1 << 3,
    SEQ_SCREEN_OFF = 1 << 5,
    CRTC_DOUBLE = 1 << 7,     /* of the scan lines */
    CRTC_CURSOR_OFF = 1 << 5, /* of the cursor's start */
    CRTC_ROW_0 = 1 << 0,      /* of the mode: 0: bit 0 of the scan line is an address */
    CRTC_ROW_1 = 1 << 1,      /* the same of bit 1 */
    CRTC_BYTES = 1 << 6,      /* bytes, and not words, are counted */
    ATTR_MONO = 1 << 1,
    ATTR_LINES = 1 << 2,
    ATTR_BLINK = 1 << 3,
    ATTR_COMPAT = 1 << 5, /* no panning below the split */
    ATTR_P45 = 1 << 7,
    GRAPHICS = 1 << 0,
    COLOURS = 256,
    SLACK = 32,               /* dots of a line beyond its end, for panning */
    BLINK_NS = 16 * 14285714, /* a phase of the cursor: 16 pictures; characters have two */
};

typedef enum VgaKind {
    KIND_OFF,
    KIND_TEXT,
    KIND_PLANAR, /* 16 colours of four planes */
    KIND_CGA,    /* 4 of two bits, side by side */
    KIND_PACKED, /* 256 */
    KIND_DISPI,
    KIND_CARD, /* as the card says */
} VgaKind;

typedef struct VgaMode {
    VgaKind kind;
    bool blank;
    unsigned width, height; /* of the picture */
    unsigned cells;         /* that are counted in a line */
    unsigned dots;          /* of a cell, of text */
    unsigned repeat;        /* each dot so often */
    unsigned rows;          /* scan lines of a row of cells */
    unsigned doubled;       /* 1: each twice */
    uint32_t start, pitch;  /* counts */
    uint32_t mask;          /* of counts */
    unsigned compare;       /* the last line before those from count 0 on */
    Framebuffer fb;         /* of KIND_DISPI and KIND_CARD */
} VgaMode;

typedef struct Line {
    const Vga *vga;
    const VgaMode *mode;
    uint32_t colours[COLOURS]; /* of dots */
    uint8_t *dots;
    unsigned blink;
} Line;

/* ---- which mode it is ---- */

static unsigned bit(unsigned value, unsigned from, unsigned to)
{
    return (value >> from & 1) << to;
}

static VgaKind kind_of(const Vga *s)
{
    static const VgaKind shifts[] = { KIND_PLANAR, KIND_CGA, KIND_PACKED, KIND_PACKED };

    return s->gfx[VGA_GFX_MISC] & GRAPHICS ? shifts[s->gfx[VGA_GFX_MODE] >> 5 & 3] : KIND_TEXT;
}

static void own_mode(const Vga *s, VgaMode *mode)
{
    const uint8_t *crtc = s->crtc;
    unsigned overflow = crtc[VGA_CRTC_OVERFLOW], scan = crtc[VGA_CRTC_MAX_SCAN];
    unsigned height = crtc[VGA_CRTC_V_DISPLAY] | bit(overflow, 1, 8) | bit(overflow, 6, 9);

    if (!height || !crtc[VGA_CRTC_H_DISPLAY]) {
        return; /* nobody has set one */
    }
    mode->kind = kind_of(s);
    mode->height = height + 1;
    mode->cells = crtc[VGA_CRTC_H_DISPLAY] + 1;
    mode->dots = mode->kind == KIND_TEXT && !(s->seq[VGA_SEQ_CLOCKING] & SEQ_8_DOTS) ? 9 : 8;
    mode->repeat = s->seq[VGA_SEQ_CLOCKING] & SEQ_HALF_CLOCK ? 2 : 1;
    mode->width = mode->cells * mode->dots * mode->repeat;
    mode->repeat *= mode->kind == KIND_PACKED ? 2 : 1;
    mode->rows = (scan & 0x1f) + 1;
    mode->doubled = scan & CRTC_DOUBLE ? 1 : 0;
    mode->start = (unsigned)crtc[VGA_CRTC_START_HIGH] << 8 | crtc[VGA_CRTC_START_HIGH + 1];
    mode->start += crtc[VGA_CRTC_PRESET] >> 5 & 3;
    mode->pitch = crtc[VGA_CRTC_OFFSET] * 2u;
    mode->mask = VGA_PLANE_SIZE - 1;
    mode->compare = crtc[VGA_CRTC_COMPARE] | bit(overflow, 4, 8) | bit(scan, 6, 9);
}

/* The planes of 4 bits a pixel. */
static void dispi_planar_mode(const Vga *s, VgaMode *mode)
{
    const uint16_t *regs = s->dispi.regs;
    uint32_t cells = (uint32_t)(vram_size(&s->vram) / VGA_PLANES);

    mode->cells = regs[DISPI_XRES] / 8u;
    mode->pitch = MAX(regs[DISPI_VIRT_WIDTH], regs[DISPI_XRES]) / 8u;
    if (!mode->cells || !regs[DISPI_YRES]) {
        return;
    }
    mode->kind = KIND_PLANAR;
    mode->width = mode->cells * 8;
    mode->height = MIN(regs[DISPI_YRES], cells / mode->pitch);
    mode->repeat = mode->rows = 1;
    mode->dots = 8;
    mode->start = regs[DISPI_Y_OFFSET] * mode->pitch + regs[DISPI_X_OFFSET] / 8u;
    mode->mask = cells - 1;
    mode->compare = UINT32_MAX;
}

static void find_mode(const Vga *s, VgaMode *mode)
{
    memset(mode, 0, sizeof(*mode));
    if (s->card && s->card->framebuffer && s->card->framebuffer(s->card_opaque, &mode->fb)) {
        mode->kind = KIND_CARD;
        mode->width = mode->fb.width;
        mode->height = mode->fb.height;
    } else if (!dispi_enabled(&s->dispi)) {
        own_mode(s, mode);
    } else if (dispi_framebuffer(&s->dispi, &s->vram, &mode->fb)) {
        mode->kind = KIND_DISPI;
        mode->width = mode->fb.width;
        mode->height = mode->fb.height;
    } else if (s->dispi.regs[DISPI_BPP] == 4) {
        dispi_planar_mode(s, mode);
    }
    mode->blank = !(s->attr_index & VGA_ATTR_ON);
    if (mode->kind != KIND_CARD) { /* of those SeaBIOS sets it, too */
        mode->blank |= s->seq[VGA_SEQ_CLOCKING] & SEQ_SCREEN_OFF;
    } else if (s->card->unblanked) {
        mode->blank = false;
    }
}

/* ---- colours ---- */

static uint32_t eight_bits(const Vga *s, uint8_t part)
{
    bool wide = dispi_enabled(&s->dispi) && s->dispi.regs[DISPI_ENABLE] & DISPI_8BIT_DAC;

    return wide ? part : (uint8_t)(part << 2 | (part & 0x3f) >> 4);
}

static uint32_t dac_colour(const Vga *s, unsigned index)
{
    const uint8_t *p = &s->palette[(index & s->dac_mask) * 3];

    return eight_bits(s, p[0]) << 16 | eight_bits(s, p[1]) << 8 | eight_bits(s, p[2]);
}

/* Which of the DAC's the attribute controller makes of one of sixteen. */
static unsigned attr_colour(const Vga *s, unsigned dot)
{
    unsigned colour = s->attr[dot & s->attr[VGA_ATTR_PLANES] & 0xf];
    unsigned select = s->attr[VGA_ATTR_SELECT];

    return s->attr[VGA_ATTR_MODE] & ATTR_P45 ? (colour & 0xf) | (select & 0xf) << 4
                                             : (colour & 0x3f) | (select & 0xc) << 4;
}

static void find_colours(const Vga *s, VgaKind kind, uint32_t *colours)
{
    for (unsigned i = 0; i < COLOURS; i++) {
        bool all = kind == KIND_PACKED || kind >= KIND_DISPI;

        colours[i] = dac_colour(s, all ? i : attr_colour(s, i));
    }
}

/* ---- dots of a line ---- */

static const uint8_t *cell(const Line *line, uint32_t count)
{
    return line->vga->vram.block->host + (size_t)(count & line->mode->mask) * VGA_PLANES;
}

static void planar_dots(const Line *line, uint32_t count, unsigned cells)
{
    uint8_t *to = line->dots;

    for (unsigned i = 0; i < cells; i++) {
        const uint8_t *p = cell(line, count + i);

        for (int shift = 7; shift >= 0; shift--) {
            *to++ = (uint8_t)((p[0] >> shift & 1) | (p[1] >> shift & 1) << 1 |
                              (p[2] >> shift & 1) << 2 | (p[3] >> shift & 1) << 3);
        }
    }
}

/* The first four dots are of the even planes, the others of the odd ones. */
static void cga_dots(const Line *line, uint32_t count, unsigned cells)
{
    uint8_t *to = line->dots;

    for (unsigned i = 0; i < cells; i++) {
        const uint8_t *p = cell(line, count + i);

        for (unsigned odd = 0; odd < 2; odd++) {
            for (int shift = 6; shift >= 0; shift -= 2) {
                *to++ = (uint8_t)((p[odd] >> shift & 3) | (p[odd + 2] >> shift & 3) << 2);
            }
        }
    }
}

static void packed_dots(const Line *line, uint32_t count, unsigned cells)
{
    for (unsigned i = 0; i < cells; i++) {
        memcpy(line->dots + (size_t)i * VGA_PLANES, cell(line, count + i), VGA_PLANES);
    }
}

/* Where a font begins in plane 2, of the two that attributes choose. */
static uint32_t font_at(const Vga *s, bool second)
{
    static const uint16_t places[] = { 0x0000, 0x4000, 0x8000, 0xc000,
                                       0x2000, 0x6000, 0xa000, 0xe000 };
    unsigned fonts = s->seq[VGA_SEQ_FONTS];

    return places[second ? (fonts >> 2 & 3) | bit(fonts, 5, 2) : (fonts & 3) | bit(fonts, 4, 2)];
}

static bool has_cursor(const Line *line, uint32_t count, unsigned scan)
{
    const uint8_t *crtc = line->vga->crtc;
    uint32_t at = (uint32_t)crtc[VGA_CRTC_CURSOR_HIGH] << 8 | crtc[VGA_CRTC_CURSOR_HIGH + 1];
    unsigned start = crtc[VGA_CRTC_CURSOR_START], end = crtc[VGA_CRTC_CURSOR_END];

    return !(start & CRTC_CURSOR_OFF) && !(line->blink & 1) && (count & line->mode->mask) == at &&
           scan >= (start & 0x1f) && scan <= (end & 0x1f);
}

/* The dots of scan line @scan of a character; bit 8 is the first of nine. */
static unsigned glyph_line(const Line *line, const uint8_t *p, unsigned scan)
{
    const Vga *s = line->vga;
    uint8_t mode = s->attr[VGA_ATTR_MODE];
    uint32_t at = font_at(s, p[1] & 8) + p[0] * 32u + scan;
    unsigned glyph = s->vram.block->host[(size_t)(at % VGA_PLANE_SIZE) * VGA_PLANES + 2] * 2u;

    if (mode & ATTR_LINES && p[0] >= 0xc0 && p[0] <= 0xdf) {
        glyph |= glyph >> 1 & 1;
    }
    if (mode & ATTR_MONO && (p[1] & 0x77) == 1 && scan == (s->crtc[VGA_CRTC_UNDERLINE] & 0x1fu)) {
        glyph = 0x1ff;
    }
    return mode & ATTR_BLINK && p[1] & 0x80 && line->blink & 2 ? 0 : glyph;
}

static void text_dots(const Line *line, uint32_t count, unsigned cells, unsigned scan)
{
    bool blink = line->vga->attr[VGA_ATTR_MODE] & ATTR_BLINK;
    uint8_t *to = line->dots;

    for (unsigned i = 0; i < cells; i++) {
        const uint8_t *p = cell(line, count + i);
        unsigned glyph = has_cursor(line, count + i, scan) ? 0x1ff : glyph_line(line, p, scan);
        uint8_t front = p[1] & 0xf, back = p[1] >> 4 & (blink ? 7 : 0xf);

        for (unsigned dot = 0; dot < line->mode->dots; dot++) {
            *to++ = glyph >> (8 - dot) & 1 ? front : back;
        }
    }
}

/* ---- lines ---- */

/* Where line @y begins, and which of its row it is. */
static uint32_t line_count(const Vga *s, const VgaMode *mode, unsigned y, unsigned *scan)
{
    bool below = y > mode->compare;
    unsigned line = (below ? y - mode->compare - 1 : y) >> mode->doubled;
    unsigned mode_bits = s->crtc[VGA_CRTC_MODE];

    if (!below && !dispi_enabled(&s->dispi)) {
        line += s->crtc[VGA_CRTC_PRESET] & 0x1f;
    }
    *scan = line % mode->rows;
    uint32_t count = (below ? 0 : mode->start) + line / mode->rows * mode->pitch;
    if (mode->kind != KIND_TEXT && !dispi_enabled(&s->dispi)) {
        unsigned bank = mode_bits & CRTC_BYTES ? 13 : 12;

        if (!(mode_bits & CRTC_ROW_0)) {
            count = (count & ~(1u << bank)) | bit(*scan, 0, bank);
        }
        if (!(mode_bits & CRTC_ROW_1)) {
            count = (count & ~(1u << (bank + 1))) | bit(*scan, 1, bank + 1);
        }
    }
    return count;
}

/* Dots that the line is moved to the left. */
static unsigned panning(const Vga *s, const VgaMode *mode, unsigned y)
{
    unsigned by = s->attr[VGA_ATTR_PANNING];

    if (dispi_enabled(&s->dispi) || (y > mode->compare && s->attr[VGA_ATTR_MODE] & ATTR_COMPAT)) {
        return 0;
    }
    if (mode->dots == 9) {
        return by >= 8 ? 0 : by + 1;
    }
    by &= 7;
    return mode->kind == KIND_PACKED ? by / 2 : by;
}

static void draw_line(const Line *line, unsigned y, uint32_t *to)
{
    const VgaMode *mode = line->mode;
    unsigned scan, cells = mode->cells + 2; /* for what panning brings in */
    uint32_t count = line_count(line->vga, mode, y, &scan);
    const uint8_t *dots = line->dots + panning(line->vga, mode, y);

    switch (mode->kind) {
    case KIND_TEXT:
        text_dots(line, count, cells, scan);
        break;
    case KIND_PLANAR:
        planar_dots(line, count, cells);
        break;
    case KIND_CGA:
        cga_dots(line, count, cells);
        break;
    default:
        packed_dots(line, count, cells);
        break;
    }
    for (unsigned x = 0; x < mode->width; x++) {
        to[x] = line->colours[dots[x / mode->repeat]];
    }
}

/* May line @y look otherwise than before? In text, fonts and cells lie anywhere. */
static bool line_is_dirty(const Vga *s, const VgaMode *mode, unsigned y)
{
    unsigned scan;
    uint64_t at = (uint64_t)(line_count(s, mode, y, &scan) & mode->mask) * VGA_PLANES;
    uint64_t size = (mode->cells + 2) * VGA_PLANES;

    return mode->kind == KIND_TEXT || vram_is_dirty(&s->vram, at, size) ||
           at + size > ((uint64_t)mode->mask + 1) * VGA_PLANES; /* it goes on at the beginning */
}

static void draw_lines(Vga *s, const VgaMode *mode, unsigned blink, bool all)
{
    g_autofree Line *line = g_new0(Line, 1);
    g_autofree uint8_t *dots = g_malloc0((size_t)(mode->cells + 2) * 9 + SLACK);

    line->vga = s;
    line->mode = mode;
    line->dots = dots;
    line->blink = blink;
    find_colours(s, mode->kind, line->colours);
    for (unsigned y = 0; y < mode->height; y++) {
        if (all || line_is_dirty(s, mode, y)) {
            draw_line(line, y, s->screen.line);
            screen_put_line(&s->screen, y);
        }
    }
    screen_end(&s->screen);
}

/* ---- all of it ---- */

static void draw_blank(Vga *s, const VgaMode *mode)
{
    memset(s->screen.line, 0, mode->width * sizeof(uint32_t));
    for (unsigned y = 0; y < mode->height; y++) {
        screen_put_line(&s->screen, y);
    }
    screen_end(&s->screen);
}

void vga_draw(Vga *s)
{
    unsigned blink = (unsigned)(clock_ns() / BLINK_NS) & 3;
    bool written, all;
    VgaMode mode;

    if (s->card && s->card->looking) {
        s->card->looking(s->card_opaque);
    }
    written = vram_collect(&s->vram);
    if (s->card && s->card->drawing) {
        s->card->drawing(s->card_opaque);
    }
    all = s->redraw;
    find_mode(s, &mode);
    if (!s->drawn) {
        s->drawn = g_new0(VgaMode, 1);
        all = true;
    }
    all |= memcmp(&mode, s->drawn, sizeof(mode)) != 0;
    all |= mode.kind == KIND_TEXT && blink != s->blink;
    *s->drawn = mode;
    s->blink = blink;
    s->redraw = false;
    if (mode.kind == KIND_OFF) {
        screen_off(&s->screen);
    } else if (all || written) {
        all |= screen_resize(&s->screen, mode.width, mode.height);
        if (mode.blank) {
            draw_blank(s, &mode);
        } else if (mode.kind >= KIND_DISPI) {
            uint32_t colours[COLOURS];

            find_colours(s, mode.kind, colours);
            screen_draw(&s->screen, &s->vram, &mode.fb, colours, all);
        } else {
            draw_lines(s, &mode, blink, all);
        }
    }
    vram_clean(&s->vram);
}

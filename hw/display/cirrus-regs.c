/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The registers of a GD5446, and what its picture is. */
#include <string.h>

#include "hw/display/cirrus.h"

enum {
    CRTC_INDEX = 0x3d4, /* as ports of a colour screen; data is at the next one */
    SEQ_INDEX = 0x3c4,
    GFX_INDEX = 0x3ce,
    DAC_MASK = 0x3c6,
    DAC_WRITE = 0x3c8,
    DAC_DATA = 0x3c9,
    DAC_HIDDEN_READS = 4, /* of the mask, before the hidden register is there */
    UNLOCK = 0x12,
    LOCKED = 0x0f,
    CHIP_GD5446 = 0xb8,
    CRTC_LATCH = 0x22,
    CRTC_ATTR_PHASE = 0x24,
    CRTC_ATTR_INDEX = 0x26,
    CRTC_ID = 0x27,
    STATUS_START = 1 << 1,
    STATUS_RESET = 1 << 2,
    STATUS_AUTOSTART = 1 << 7,
    STATUS_OWN = 0x13, /* bits that the engine sets */
    CURSOR_ON = 1 << 0,
    CURSOR_COLOURS = 1 << 1,
    CURSOR_LARGE = 1 << 2,
    MODE_EXTENDED = 1 << 0,
};

/* ---- behind the index of the sequencer ---- */

/* The pointer's places have their lowest three bits in the index. */
static unsigned seq_reg(const Cirrus *s)
{
    unsigned reg = s->seq_index & 0x1f;

    return reg == CIRRUS_SEQ_CURSOR_X || reg == CIRRUS_SEQ_CURSOR_Y ? reg : s->seq_index;
}

static uint8_t seq_read(const Cirrus *s)
{
    unsigned reg = seq_reg(s);

    if (reg >= CIRRUS_SEQ_REGS) {
        return UINT8_MAX;
    }
    return reg < CIRRUS_SEQ_UNLOCK - 1 ? s->vga.seq[reg] : s->seq[reg];
}

static void seq_write(Cirrus *s, uint8_t value)
{
    unsigned reg = seq_reg(s);

    if (reg >= CIRRUS_SEQ_REGS) {
        return;
    }
    s->vga.redraw = true;
    if (reg < CIRRUS_SEQ_UNLOCK - 1) {
        vga_port_write(&s->vga, SEQ_INDEX, (uint8_t)reg);
        vga_port_write(&s->vga, SEQ_INDEX + 1, value);
        return;
    }
    switch (reg) {
    case CIRRUS_SEQ_UNLOCK - 1:
        return;
    case CIRRUS_SEQ_UNLOCK:
        value = (value & 0x17) == UNLOCK ? UNLOCK : LOCKED;
        break;
    case CIRRUS_SEQ_CURSOR_X:
        s->cursor_x = (uint16_t)(value << 3 | s->seq_index >> 5);
        break;
    case CIRRUS_SEQ_CURSOR_Y:
        s->cursor_y = (uint16_t)(value << 3 | s->seq_index >> 5);
        break;
    case CIRRUS_SEQ_CONTROL: /* bits 3 to 5 say that it is on a PCI bus */
        value = (uint8_t)((s->seq[reg] & 0x38) | (value & 0xc7));
        break;
    }
    s->seq[reg] = value;
    cirrus_map(s);
}

/* ---- of the graphics controller ---- */

static const uint8_t gfx_masks[CIRRUS_GFX_REGS] = {
    [0x00] = 0xff, 0xff, 0x0f, 0x1f, 0x03,          0x7f,          0x0f,
    0x0f,          0xff, 0xff, 0xff, 0xff,          [0x10] = 0xff, 0xff,
    0xff,          0xff, 0xff, 0xff, [0x20] = 0xff, 0x1f,          0xff,
    0x1f,          0xff, 0x1f, 0xff, 0x1f,          [0x28] = 0xff, 0xff,
    0x3f,          0x00, 0xff, 0xff, 0x3f,          0xff,          [0x30] = 0xff,
    0xff,          0xff, 0xff, 0xff, 0xff,          [0x38] = 0xff, 0xff,
};

uint8_t cirrus_gfx_read(const Cirrus *s, unsigned reg)
{
    return reg < CIRRUS_GFX_REGS ? s->gfx[reg] : UINT8_MAX;
}

static void write_status(Cirrus *s, uint8_t value)
{
    uint8_t old = s->gfx[CIRRUS_GFX_STATUS];

    s->gfx[CIRRUS_GFX_STATUS] = (uint8_t)((value & ~STATUS_OWN) | (old & STATUS_OWN));
    if (old & STATUS_RESET && !(value & STATUS_RESET)) {
        cirrus_blt_stop(s);
    } else if (value & STATUS_START && !(old & STATUS_START)) {
        cirrus_blt_start(s);
    }
}

void cirrus_gfx_write(Cirrus *s, unsigned reg, uint8_t value)
{
    if (reg >= CIRRUS_GFX_REGS) {
        return;
    }
    if (reg == CIRRUS_GFX_STATUS) {
        write_status(s, value);
        return;
    }
    s->gfx[reg] = value & gfx_masks[reg];
    if (reg < VGA_GFX_REGS) {
        vga_port_write(&s->vga, GFX_INDEX, (uint8_t)reg);
        vga_port_write(&s->vga, GFX_INDEX + 1, value);
    }
    if (reg < CIRRUS_GFX_WIDTH) {
        cirrus_map(s);
    }
    if (reg == CIRRUS_GFX_DEST + 2 && s->gfx[CIRRUS_GFX_STATUS] & STATUS_AUTOSTART) {
        cirrus_blt_start(s);
    }
}

/* ---- of the CRTC ---- */

static uint8_t crtc_read(const Cirrus *s)
{
    unsigned reg = s->vga.crtc_index;

    if (reg < VGA_CRTC_REGS) {
        return s->vga.crtc[reg];
    }
    switch (reg) {
    case CRTC_LATCH:
        return s->vga.latch[s->vga.gfx[VGA_GFX_READ_MAP] & 3];
    case CRTC_ATTR_PHASE:
        return s->vga.attr_data ? 0x80 : 0;
    case 0x25:
        return 0;
    case CRTC_ATTR_INDEX:
        return s->vga.attr_index;
    case CRTC_ID:
        return CHIP_GD5446;
    }
    reg -= CIRRUS_CRTC_FIRST;
    return reg < CIRRUS_CRTC_REGS ? s->crtc[reg] : UINT8_MAX;
}

static void crtc_write(Cirrus *s, uint8_t value)
{
    unsigned reg = s->vga.crtc_index;

    if (reg < VGA_CRTC_REGS) {
        vga_port_write(&s->vga, s->vga.misc & 1 ? CRTC_INDEX + 1 : CRTC_INDEX + 1 - 0x20, value);
    } else if (reg < CIRRUS_CRTC_FIRST + CIRRUS_CRTC_REGS) {
        s->crtc[reg - CIRRUS_CRTC_FIRST] = value;
        s->vga.redraw = true;
    }
}

/* ---- of the DAC ---- */

static uint8_t mask_read(Cirrus *s)
{
    if (s->dac_reads < DAC_HIDDEN_READS) {
        s->dac_reads++;
        return s->vga.dac_mask;
    }
    s->dac_reads = 0;
    return s->dac_hidden;
}

static void mask_write(Cirrus *s, uint8_t value)
{
    s->vga.redraw = true;
    if (s->dac_reads == DAC_HIDDEN_READS) {
        s->dac_hidden = value;
    } else {
        s->vga.dac_mask = value;
    }
    s->dac_reads = 0;
}

/* Where the next byte of the pointer's colours is; NULL: they are not there now. */
static uint8_t *cursor_colour(Cirrus *s)
{
    if (!(s->seq[CIRRUS_SEQ_CURSOR] & CURSOR_COLOURS)) {
        return NULL;
    }
    return &s->cursor_colours[s->vga.dac_index % CIRRUS_CURSOR_COLOURS * 3 + s->vga.dac_part];
}

static void next_part(Vga *vga)
{
    if (++vga->dac_part == 3) {
        vga->dac_part = 0;
        vga->dac_index++;
    }
    vga->redraw = true;
}

/* ---- ports ---- */

uint8_t cirrus_port_read(void *opaque, unsigned port)
{
    Cirrus *s = opaque;
    unsigned colour = vga_colour_port(&s->vga, port);
    const uint8_t *part;
    uint8_t value;

    if (colour != DAC_MASK) {
        s->dac_reads = 0;
    }
    switch (colour) {
    case SEQ_INDEX:
        return s->seq_index;
    case SEQ_INDEX + 1:
        return seq_read(s);
    case GFX_INDEX:
        return s->gfx_index;
    case GFX_INDEX + 1:
        return cirrus_gfx_read(s, s->gfx_index);
    case CRTC_INDEX + 1:
        return crtc_read(s);
    case DAC_MASK:
        return mask_read(s);
    case DAC_DATA:
        part = cursor_colour(s);
        if (part) {
            value = *part;
            next_part(&s->vga);
            return value;
        }
        break;
    }
    return vga_port_read(&s->vga, port);
}

void cirrus_port_write(void *opaque, unsigned port, uint8_t value)
{
    Cirrus *s = opaque;
    unsigned colour = vga_colour_port(&s->vga, port);
    uint8_t *part;

    if (colour != DAC_MASK) {
        s->dac_reads = 0;
    }
    switch (colour) {
    case SEQ_INDEX:
        s->seq_index = value;
        return;
    case SEQ_INDEX + 1:
        seq_write(s, value);
        return;
    case GFX_INDEX:
        s->gfx_index = value;
        return;
    case GFX_INDEX + 1:
        cirrus_gfx_write(s, s->gfx_index, value);
        return;
    case CRTC_INDEX + 1:
        crtc_write(s, value);
        return;
    case DAC_MASK:
        mask_write(s, value);
        return;
    case DAC_DATA:
        part = cursor_colour(s);
        if (part) {
            *part = value & 0x3f;
            next_part(&s->vga);
            return;
        }
        break;
    }
    vga_port_write(&s->vga, port, value);
}

/* ---- the picture ---- */

static PixelFormat format_of(const Cirrus *s)
{
    static const PixelFormat formats[] = {
        PIXEL_INDEX8,   PIXEL_RGB565, PIXEL_RGB888, PIXEL_RGB565,
        PIXEL_XRGB8888, PIXEL_INDEX8, PIXEL_INDEX8, PIXEL_INDEX8
    };
    PixelFormat format = formats[s->seq[CIRRUS_SEQ_MODE] >> 1 & 7];

    return format == PIXEL_RGB565 && !(s->dac_hidden & 0xf) ? PIXEL_RGB555 : format;
}

static unsigned crtc_extra(const Cirrus *s, unsigned reg, unsigned from, unsigned bits, unsigned to)
{
    return (s->crtc[reg - CIRRUS_CRTC_FIRST] >> from & ((1u << bits) - 1)) << to;
}

static bool framebuffer(void *opaque, Framebuffer *fb)
{
    const Cirrus *s = opaque;
    const uint8_t *crtc = s->vga.crtc;
    unsigned overflow = crtc[VGA_CRTC_OVERFLOW], start;

    if (!(s->seq[CIRRUS_SEQ_MODE] & MODE_EXTENDED) || !crtc[VGA_CRTC_H_DISPLAY]) {
        return false;
    }
    start = crtc[VGA_CRTC_START_HIGH + 1] | (unsigned)crtc[VGA_CRTC_START_HIGH] << 8 |
            crtc_extra(s, CIRRUS_CRTC_EXTENDED, 0, 1, 16) |
            crtc_extra(s, CIRRUS_CRTC_EXTENDED, 2, 2, 17) |
            crtc_extra(s, CIRRUS_CRTC_OVERLAY, 7, 1, 19);
    fb->format = format_of(s);
    fb->width = (crtc[VGA_CRTC_H_DISPLAY] + 1u) * 8;
    fb->height =
        (crtc[VGA_CRTC_V_DISPLAY] | (overflow >> 1 & 1) << 8 | (overflow >> 6 & 1) << 9) + 1;
    fb->height <<= crtc_extra(s, CIRRUS_CRTC_INTERLACE, 0, 1, 0);
    fb->pitch = (crtc[VGA_CRTC_OFFSET] | crtc_extra(s, CIRRUS_CRTC_EXTENDED, 4, 1, 8)) * 8u;
    fb->offset = start * 4ull;
    return true;
}

/* ---- the pointer ---- */

static uint32_t colour_of(const Cirrus *s, unsigned entry)
{
    const uint8_t *part = &s->cursor_colours[entry * 3];
    uint32_t rgb = 0;

    for (unsigned i = 0; i < 3; i++) {
        rgb = rgb << 8 | (uint8_t)(part[i] << 2 | part[i] >> 4);
    }
    return rgb;
}

/* Line @y of its picture: two planes. */
static const uint8_t *cursor_line(const Cirrus *s, unsigned y, unsigned *second)
{
    uint64_t at = vram_size(&s->vga.vram) - CIRRUS_CURSORS;

    if (s->seq[CIRRUS_SEQ_CURSOR] & CURSOR_LARGE) {
        at += (s->seq[CIRRUS_SEQ_PATTERN] & 0x3c) * 256u + y * 16;
        *second = 8;
    } else {
        at += (s->seq[CIRRUS_SEQ_PATTERN] & 0x3f) * 256u + y * 4;
        *second = 128;
    }
    return s->vga.vram.block->host + at;
}

void cirrus_overlay(void *opaque, unsigned y, uint32_t *line, unsigned width)
{
    const Cirrus *s = opaque;
    unsigned size = s->seq[CIRRUS_SEQ_CURSOR] & CURSOR_LARGE ? 64 : 32, second;

    if (!(s->seq[CIRRUS_SEQ_CURSOR] & CURSOR_ON) || !(s->seq[CIRRUS_SEQ_MODE] & MODE_EXTENDED) ||
        y < s->cursor_y || y - s->cursor_y >= size) {
        return;
    }
    const uint8_t *bits = cursor_line(s, y - s->cursor_y, &second);
    for (unsigned x = 0; x < size && s->cursor_x + x < width; x++) {
        bool first = bits[x / 8] >> (7 - x % 8) & 1,
             other = bits[second + x / 8] >> (7 - x % 8) & 1;
        uint32_t *to = &line[s->cursor_x + x];

        if (other) {
            *to = colour_of(s, first ? 15 : 0);
        } else if (first) {
            *to ^= 0xffffff;
        }
    }
}

/* Its picture lies in memory, too. */
static void drawing(void *opaque)
{
    Cirrus *s = opaque;

    if (s->seq[CIRRUS_SEQ_CURSOR] & CURSOR_ON) {
        s->vga.redraw |=
            vram_is_dirty(&s->vga.vram, vram_size(&s->vga.vram) - CIRRUS_CURSORS, CIRRUS_CURSORS);
    }
}

const VgaCard cirrus_card = {
    .port_read = cirrus_port_read,
    .port_write = cirrus_port_write,
    .window_read = cirrus_window_read,
    .window_write = cirrus_window_write,
    .drawing = drawing,
    .framebuffer = framebuffer,
    .no_dispi = true,
};

/* ---- after a reset ---- */

void cirrus_reset(Cirrus *s)
{
    enum { SEQ_DRAM = 0xf, SEQ_SIZE = 0x15, SEQ_MCLK = 0x1f };

    cirrus_blt_stop(s);
    vga_reset(&s->vga);
    memset(s->seq, 0, sizeof(s->seq));
    memset(s->gfx, 0, sizeof(s->gfx));
    memset(s->crtc, 0, sizeof(s->crtc));
    memset(s->line, 0, sizeof(s->line));
    memset(s->cursor_colours, 0, sizeof(s->cursor_colours));
    s->seq_index = s->gfx_index = s->dac_reads = s->dac_hidden = 0;
    s->cursor_x = s->cursor_y = 0;
    s->seq[CIRRUS_SEQ_UNLOCK] = LOCKED;
    s->seq[SEQ_DRAM] = 0x98; /* how much memory there is: 4 MiB, as these two say it */
    s->seq[SEQ_SIZE] = 0x04;
    s->seq[CIRRUS_SEQ_CONTROL] = 0x20; /* on a PCI bus */
    s->seq[SEQ_MCLK] = 0x2d;
    cirrus_map(s);
}

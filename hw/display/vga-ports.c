/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The registers of a VGA. */
#include "hw/display/vga.h"
#include "util/clock.h"

/* Ports. Those of the CRTC and of the status are at 0x3b0 or at 0x3d0, as bit 0 of `misc` says. */
enum {
    CRTC_INDEX = 0x3d4,
    CRTC_DATA = 0x3d5,
    STATUS1 = 0x3da, /* write: feature control */
    ATTR_WRITE = 0x3c0,
    ATTR_READ = 0x3c1,
    STATUS0 = 0x3c2, /* write: misc */
    SEQ_INDEX = 0x3c4,
    SEQ_DATA = 0x3c5,
    DAC_MASK = 0x3c6,
    DAC_READ = 0x3c7, /* index; read: state */
    DAC_WRITE = 0x3c8,
    DAC_DATA = 0x3c9,
    FEATURE_READ = 0x3ca,
    MISC_READ = 0x3cc,
    GFX_INDEX = 0x3ce,
    GFX_DATA = 0x3cf,
    MONO = 0x20, /* from the colour ports down to these */
    MISC_COLOUR = 1 << 0,
};

/* Of the picture's beam, which goes by the virtual clock: 70 pictures a second, of 449 lines. */
enum {
    LINES = 449,
    LINES_SHOWN = 400,
    LINES_SYNC = 412, /* the first of two in which it flies back */
    LINE_NS = 31778,
    LINE_SHOWN_NS = 25422,
    STATUS_BLANK = 1 << 0,
    STATUS_RETRACE = 1 << 3,
};

static uint8_t beam(void)
{
    int64_t now = clock_ns();
    unsigned line = (unsigned)(now / LINE_NS % LINES);
    uint8_t status = 0;

    if (line >= LINES_SHOWN || now % LINE_NS >= LINE_SHOWN_NS) {
        status |= STATUS_BLANK;
    }
    return line == LINES_SYNC || line == LINES_SYNC + 1 ? status | STATUS_RETRACE : status;
}

unsigned vga_colour_port(const Vga *s, unsigned port)
{
    bool colour = s->misc & MISC_COLOUR;

    if (port >= ATTR_WRITE && port < ATTR_WRITE + 0x10) {
        return port;
    }
    if (colour != (port >= CRTC_INDEX)) {
        return 0;
    }
    return colour ? port : port + MONO;
}

static uint8_t dac_read(Vga *s)
{
    uint8_t value = s->palette[s->dac_index * 3 + s->dac_part];

    if (++s->dac_part == 3) {
        s->dac_part = 0;
        s->dac_index++;
    }
    return value;
}

/* A colour changes when its third part is there. */
static void dac_write(Vga *s, uint8_t value)
{
    if (s->dac_part < 2) {
        s->dac_got[s->dac_part++] = value;
        return;
    }
    uint8_t *colour = &s->palette[s->dac_index * 3];
    colour[0] = s->dac_got[0];
    colour[1] = s->dac_got[1];
    colour[2] = value;
    s->dac_part = 0;
    s->dac_index++;
    s->redraw = true;
}

uint8_t vga_port_read(Vga *s, unsigned port)
{
    switch (vga_colour_port(s, port)) {
    case ATTR_WRITE:
        return s->attr_data ? 0 : s->attr_index;
    case ATTR_READ:
        return (s->attr_index & 0x1f) < VGA_ATTR_REGS ? s->attr[s->attr_index & 0x1f] : 0;
    case STATUS0:
        return 0;
    case SEQ_INDEX:
        return s->seq_index;
    case SEQ_DATA:
        return s->seq[s->seq_index];
    case DAC_MASK:
        return s->dac_mask;
    case DAC_READ:
        return s->dac_reading ? 3 : 0;
    case DAC_WRITE:
        return s->dac_index;
    case DAC_DATA:
        return dac_read(s);
    case FEATURE_READ:
        return s->feature;
    case MISC_READ:
        return s->misc;
    case GFX_INDEX:
        return s->gfx_index;
    case GFX_DATA:
        return s->gfx_index < VGA_GFX_REGS ? s->gfx[s->gfx_index] : 0;
    case CRTC_INDEX:
        return s->crtc_index;
    case CRTC_DATA:
        return s->crtc_index < VGA_CRTC_REGS ? s->crtc[s->crtc_index] : 0;
    case STATUS1:
        s->attr_data = false;
        return beam();
    }
    return UINT8_MAX;
}

static void attr_write(Vga *s, uint8_t value)
{
    static const uint8_t masks[VGA_ATTR_REGS] = {
        63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 0xef, 0xff, 0x3f, 0xf, 0xf,
    };
    unsigned reg = s->attr_index & 0x1f;

    s->attr_data = !s->attr_data;
    s->redraw = true;
    if (s->attr_data) {
        s->attr_index = value & 0x3f;
    } else if (reg < VGA_ATTR_REGS) {
        s->attr[reg] = value & masks[reg];
    }
}

static void seq_write(Vga *s, uint8_t value)
{
    static const uint8_t masks[VGA_SEQ_REGS] = { 0x03, 0x3d, 0x0f, 0x3f, 0x0e };

    s->seq[s->seq_index] = value & masks[s->seq_index];
    s->redraw = true;
}

static void gfx_write(Vga *s, uint8_t value)
{
    static const uint8_t masks[VGA_GFX_REGS] = {
        0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff,
    };

    if (s->gfx_index < VGA_GFX_REGS) {
        s->gfx[s->gfx_index] = value & masks[s->gfx_index];
        s->redraw = true;
    }
}

static void crtc_write(Vga *s, uint8_t value)
{
    enum { PROTECTED = 8, COMPARE_BIT = 1 << 4 };

    if (s->crtc_index >= VGA_CRTC_REGS) {
        return;
    }
    if (s->crtc_index < PROTECTED && s->crtc[VGA_CRTC_SYNC_END] & 0x80) {
        if (s->crtc_index != VGA_CRTC_OVERFLOW) {
            return;
        }
        value = (uint8_t)((s->crtc[VGA_CRTC_OVERFLOW] & ~COMPARE_BIT) | (value & COMPARE_BIT));
    }
    s->crtc[s->crtc_index] = value;
    s->redraw = true;
}

void vga_port_write(Vga *s, unsigned port, uint8_t value)
{
    switch (vga_colour_port(s, port)) {
    case ATTR_WRITE:
        attr_write(s, value);
        break;
    case STATUS0:
        s->misc = value & 0xef;
        break;
    case SEQ_INDEX:
        s->seq_index = value & (VGA_SEQ_REGS - 1);
        break;
    case SEQ_DATA:
        seq_write(s, value);
        break;
    case DAC_MASK:
        s->dac_mask = value;
        s->redraw = true;
        break;
    case DAC_READ:
    case DAC_WRITE:
        s->dac_index = value;
        s->dac_part = 0;
        s->dac_reading = port == DAC_READ;
        break;
    case DAC_DATA:
        dac_write(s, value);
        break;
    case GFX_INDEX:
        s->gfx_index = value & 0xf;
        break;
    case GFX_DATA:
        gfx_write(s, value);
        break;
    case CRTC_INDEX:
        s->crtc_index = value;
        break;
    case CRTC_DATA:
        crtc_write(s, value);
        break;
    case STATUS1:
        s->feature = value & 0x10;
        break;
    }
}

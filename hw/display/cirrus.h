/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cirrus Logic's GD5446, as its technical reference manual has it: a VGA with more registers behind
 * its indexes, pictures of 8 to 32 bits a pixel, a pointer, and an engine that moves and fills
 * rectangles (a BLT). Machine lock for everything.
 */
#ifndef HW_DISPLAY_CIRRUS_H
#define HW_DISPLAY_CIRRUS_H

#include "hw/display/vga.h"

#define CIRRUS_REACH     (4u << 20) /* bytes that a BLT's addresses of 22 bits reach */
#define CIRRUS_CURSORS   0x4000u    /* bytes at the end of the memory: pictures of the pointer */
#define CIRRUS_LINE_MAX  8192u      /* bytes of a line of a BLT */
#define CIRRUS_MMIO_SIZE 256u       /* the engine's registers in memory */

/* Registers, and what their bits say. */
enum {
    CIRRUS_SEQ_REGS = 0x20,
    CIRRUS_SEQ_UNLOCK = 6,
    CIRRUS_SEQ_MODE = 7, /* bit 0: not a VGA's picture; 1-3: the kind of pixels */
    CIRRUS_SEQ_CURSOR_X = 0x10,
    CIRRUS_SEQ_CURSOR_Y = 0x11,
    CIRRUS_SEQ_CURSOR = 0x12, /* bit 0: there is one, 1: its colours are at the DAC, 2: 64 x 64 */
    CIRRUS_SEQ_PATTERN = 0x13,
    CIRRUS_SEQ_CONTROL = 0x17, /* bit 2: MMIO, 6: at the end of the memory, else at 0xb8000 */

    CIRRUS_GFX_REGS = 0x3a,
    CIRRUS_GFX_OFFSET = 9,       /* and the second one */
    CIRRUS_GFX_EXTENSIONS = 0xb, /* see cirrus-window.c */
    CIRRUS_GFX_WIDTH = 0x20,
    CIRRUS_GFX_HEIGHT = 0x22,
    CIRRUS_GFX_DEST_PITCH = 0x24,
    CIRRUS_GFX_SOURCE_PITCH = 0x26,
    CIRRUS_GFX_DEST = 0x28,
    CIRRUS_GFX_SOURCE = 0x2c,
    CIRRUS_GFX_SKIP = 0x2f,
    CIRRUS_GFX_BLT_MODE = 0x30,
    CIRRUS_GFX_STATUS = 0x31,
    CIRRUS_GFX_ROP = 0x32,
    CIRRUS_GFX_BLT_MORE = 0x33,
    CIRRUS_GFX_KEY = 0x34,

    CIRRUS_CRTC_FIRST = 0x19, /* behind those of a VGA */
    CIRRUS_CRTC_REGS = 5,
    CIRRUS_CRTC_INTERLACE = 0x1a,
    CIRRUS_CRTC_EXTENDED = 0x1b,
    CIRRUS_CRTC_OVERLAY = 0x1d,

    CIRRUS_CURSOR_COLOURS = 16, /* entries beside the palette, of which 0 and 15 are used */
};

typedef struct Cirrus {
    PciDevice parent;
    Vga vga;
    /* configuration: properties */
    bool blitter, global_vmstate;
    /* state */
    uint8_t seq_index, seq[CIRRUS_SEQ_REGS];
    uint8_t gfx_index, gfx[CIRRUS_GFX_REGS];
    uint8_t crtc[CIRRUS_CRTC_REGS];
    uint8_t dac_reads; /* of the mask, one after the other */
    uint8_t dac_hidden;
    uint16_t cursor_x, cursor_y;
    uint8_t cursor_colours[CIRRUS_CURSOR_COLOURS * 3];
    /* a BLT from the CPU: 0 lines: none */
    uint32_t lines_left, line_size, received;
    uint8_t line[CIRRUS_LINE_MAX]; /* what came of one */
    /* wiring */
    MemoryRegion bar, by_cpu, aperture, mmio;
} Cirrus;
OBJECT_CAST_DEFINE(Cirrus, CIRRUS_VGA, "cirrus-vga")

/* ---- cirrus-regs.c ---- */

extern const VgaCard cirrus_card; /* with the Cirrus as its opaque */

/* A port, by which register of a VGA it is. */
uint8_t cirrus_port_read(void *opaque, unsigned port);
void cirrus_port_write(void *opaque, unsigned port, uint8_t value);
/* A register of the graphics controller. */
uint8_t cirrus_gfx_read(const Cirrus *s, unsigned reg);
void cirrus_gfx_write(Cirrus *s, unsigned reg, uint8_t value);
void cirrus_reset(Cirrus *s);
/* Line @y of a picture, with the pointer over it. */
void cirrus_overlay(void *opaque, unsigned y, uint32_t *line, unsigned width);

/* ---- cirrus-window.c ---- */

uint8_t cirrus_window_read(void *opaque, uint32_t addr);
void cirrus_window_write(void *opaque, uint32_t addr, uint8_t value);
/* A byte of the memory as the registers say, and not as it lies there. */
uint8_t cirrus_linear_read(Cirrus *s, uint32_t addr);
void cirrus_linear_write(Cirrus *s, uint32_t addr, uint8_t value);
/* Do they say so now? */
bool cirrus_is_indirect(const Cirrus *s);
/* A byte of the engine's registers in memory, from 0 on. */
uint8_t cirrus_mmio_read(const Cirrus *s, uint32_t addr);
void cirrus_mmio_write(Cirrus *s, uint32_t addr, uint8_t value);
/* Have BAR 0 show it, after a register has changed. */
void cirrus_map(Cirrus *s);

/* ---- cirrus-blt.c ---- */

/* Begin the BLT that the registers say: it is done at once, or waits for the CPU's data. One that
 * reaches beyond the memory does nothing. */
void cirrus_blt_start(Cirrus *s);
/* It is given up. */
void cirrus_blt_stop(Cirrus *s);
/* A byte of the CPU's, for the one that waits. */
void cirrus_blt_byte(Cirrus *s, uint8_t value);
static inline bool cirrus_blt_waits(const Cirrus *s)
{
    return s->lines_left;
}

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How the CPU gets at the memory of a GD5446: the window below 1 MiB, in banks; what the memory's
 * own addresses show; eight pixels by a write; data of a BLT; the engine's registers.
 */
#include "hw/display/cirrus.h"

enum {
    EXT_TWO_BANKS = 1 << 0,
    EXT_BY_8 = 1 << 1, /* an address is of eight bytes */
    EXT_WRITES = 1 << 2,
    EXT_BY_16 = 1 << 4,       /* or of sixteen, with the one before */
    EXT_LARGE_BANKS = 1 << 5, /* counted in 16 KiB, else in 4 */
    WRITE_BITS = 4,           /* a bit that is set writes a pixel of the first colour */
    WRITE_PIXELS = 5,         /* and one that is not, one of the second */
    CONTROL_MMIO = 1 << 2,
    CONTROL_MMIO_AT_END = 1 << 6,
    BANK = 0x8000,
    MMIO_WINDOW = 0x18000,
};

static bool wide(const Cirrus *s)
{
    unsigned both = EXT_WRITES | EXT_BY_16;

    return (s->gfx[CIRRUS_GFX_EXTENSIONS] & both) == both;
}

static unsigned write_mode(const Cirrus *s)
{
    return s->gfx[CIRRUS_GFX_EXTENSIONS] & EXT_WRITES ? s->gfx[VGA_GFX_MODE] & 7 : 0;
}

static unsigned address_shift(const Cirrus *s)
{
    return wide(s) ? 4 : s->gfx[CIRRUS_GFX_EXTENSIONS] & EXT_BY_8 ? 3 : 0;
}

static bool mmio_at(const Cirrus *s, bool end)
{
    unsigned control = s->seq[CIRRUS_SEQ_CONTROL];

    return control & CONTROL_MMIO && !(control & CONTROL_MMIO_AT_END) == !end;
}

/* ---- memory ---- */

static uint64_t inside(const Cirrus *s, uint64_t addr)
{
    return addr & (vram_size(&s->vga.vram) - 1);
}

static void put(Cirrus *s, uint64_t addr, uint8_t value)
{
    addr = inside(s, addr);
    s->vga.vram.block->host[addr] = value;
    vram_mark(&s->vga.vram, addr, 1);
}

/* Eight pixels, of one byte or two. */
static void put_pixels(Cirrus *s, uint64_t addr, uint8_t bits, bool both)
{
    unsigned size = wide(s) ? 2 : 1;

    for (unsigned i = 0; i < 8; i++) {
        bool set = bits >> (7 - i) & 1;

        for (unsigned part = 0; (set || both) && part < size; part++) {
            put(s, addr + i * size + part, s->gfx[part * 0x10 + (set ? 1 : 0)]);
        }
    }
}

static void write_memory(Cirrus *s, uint64_t addr, uint8_t value)
{
    unsigned mode = write_mode(s);

    addr <<= address_shift(s);
    if (mode == WRITE_BITS || mode == WRITE_PIXELS) {
        put_pixels(s, addr, value, mode == WRITE_PIXELS);
    } else {
        put(s, addr, value);
    }
}

static uint8_t read_memory(const Cirrus *s, uint64_t addr)
{
    return s->vga.vram.block->host[inside(s, addr << address_shift(s))];
}

/* ---- registers in memory ---- */

/* By offset, which register of the graphics controller it is. */
static bool mmio_reg(uint32_t addr, unsigned *reg)
{
    static const uint8_t colours[] = { 0x00, 0x10, 0x12, 0x14, 0x01, 0x11, 0x13, 0x15 };
    static const uint8_t others[] = { 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28,
                                      0x29, 0x2a, 0x2b, 0x2c, 0x2d, 0x2e, 0x2f, 0x30, 0,
                                      0x32, 0x33, 0x34, 0x35, 0,    0,    0x38, 0x39 };

    if (addr < G_N_ELEMENTS(colours)) {
        *reg = colours[addr];
        return true;
    }
    if (addr == 0x40) {
        *reg = CIRRUS_GFX_STATUS;
        return true;
    }
    addr -= G_N_ELEMENTS(colours);
    *reg = addr < G_N_ELEMENTS(others) ? others[addr] : 0;
    return *reg;
}

uint8_t cirrus_mmio_read(const Cirrus *s, uint32_t addr)
{
    unsigned reg;

    return mmio_reg(addr, &reg) ? cirrus_gfx_read(s, reg) : UINT8_MAX;
}

void cirrus_mmio_write(Cirrus *s, uint32_t addr, uint8_t value)
{
    unsigned reg;

    if (mmio_reg(addr, &reg)) {
        cirrus_gfx_write(s, reg, value);
    }
}

/* ---- the window ---- */

static bool is_extended(const Cirrus *s)
{
    return s->seq[CIRRUS_SEQ_MODE] & 1;
}

/* False: there is no memory. */
static bool banked(const Cirrus *s, uint32_t addr, uint64_t *at)
{
    unsigned ext = s->gfx[CIRRUS_GFX_EXTENSIONS], bank = addr / BANK;
    unsigned offset = s->gfx[CIRRUS_GFX_OFFSET + (ext & EXT_TWO_BANKS ? bank : 0)];

    *at = (uint64_t)offset << (ext & EXT_LARGE_BANKS ? 14 : 12);
    *at += ext & EXT_TWO_BANKS ? addr % BANK : addr;
    return *at < vram_size(&s->vga.vram);
}

uint8_t cirrus_window_read(void *opaque, uint32_t addr)
{
    Cirrus *s = opaque;
    uint64_t at;

    if (!is_extended(s)) {
        return vga_window_read(&s->vga, addr);
    }
    if (addr < 2 * BANK) {
        return banked(s, addr, &at) ? read_memory(s, at) : UINT8_MAX;
    }
    return mmio_at(s, false) && addr - MMIO_WINDOW < CIRRUS_MMIO_SIZE
               ? cirrus_mmio_read(s, addr - MMIO_WINDOW)
               : UINT8_MAX;
}

void cirrus_window_write(void *opaque, uint32_t addr, uint8_t value)
{
    Cirrus *s = opaque;
    uint64_t at;

    if (!is_extended(s)) {
        vga_window_write(&s->vga, addr, value);
    } else if (addr < 2 * BANK) {
        if (cirrus_blt_waits(s)) {
            cirrus_blt_byte(s, value);
        } else if (banked(s, addr, &at)) {
            write_memory(s, at, value);
        }
    } else if (mmio_at(s, false) && addr - MMIO_WINDOW < CIRRUS_MMIO_SIZE) {
        cirrus_mmio_write(s, addr - MMIO_WINDOW, value);
    }
}

/* ---- its own addresses ---- */

static bool at_end(const Cirrus *s, uint32_t addr)
{
    return mmio_at(s, true) && addr >= vram_size(&s->vga.vram) - CIRRUS_MMIO_SIZE;
}

uint8_t cirrus_linear_read(Cirrus *s, uint32_t addr)
{
    return at_end(s, addr) ? cirrus_mmio_read(s, addr % CIRRUS_MMIO_SIZE) : read_memory(s, addr);
}

void cirrus_linear_write(Cirrus *s, uint32_t addr, uint8_t value)
{
    if (at_end(s, addr)) {
        cirrus_mmio_write(s, addr % CIRRUS_MMIO_SIZE, value);
    } else if (cirrus_blt_waits(s)) {
        cirrus_blt_byte(s, value);
    } else {
        write_memory(s, addr, value);
    }
}

bool cirrus_is_indirect(const Cirrus *s)
{
    unsigned mode = write_mode(s);

    return cirrus_blt_waits(s) || address_shift(s) || mode == WRITE_BITS || mode == WRITE_PIXELS ||
           mmio_at(s, true);
}

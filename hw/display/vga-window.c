/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The window of a VGA, 0xa0000-0xbffff: how its bytes become those of planes, and back. */
#include "hw/display/vga.h"

enum {
    SEQ_NO_ODD_EVEN = 1 << 2,
    SEQ_CHAIN4 = 1 << 3,
    GFX_READ_COMPARE = 1 << 3,
    GFX_ODD_EVEN = 1 << 4,
};

/* Where in the memory byte @addr of the planes is, of which a VGA has 64 KiB each; what is more is
 * reached in banks, in the planar modes that are larger. */
static uint32_t planar_at(const Vga *s, uint32_t addr)
{
    uint64_t plane = dispi_enabled(&s->dispi) ? vram_size(&s->vram) / VGA_PLANES : VGA_PLANE_SIZE;
    uint64_t bank = dispi_enabled(&s->dispi) ? s->dispi.regs[DISPI_BANK] : 0;

    return (uint32_t)((addr + bank * DISPI_BANK_SIZE) % plane) * VGA_PLANES;
}

/* Is @addr of the window seen now? If so, *addr is counted from what is shown on. */
static bool in_map(const Vga *s, uint32_t *addr)
{
    static const struct {
        uint32_t from, size;
    } maps[] = { { 0, 0x20000 }, { 0, 0x10000 }, { 0x10000, 0x8000 }, { 0x18000, 0x8000 } };
    unsigned map = s->gfx[VGA_GFX_MISC] >> 2 & 3;

    if (*addr < maps[map].from || *addr - maps[map].from >= maps[map].size) {
        return false;
    }
    *addr -= maps[map].from;
    return true;
}

/* A picture that lies in memory as it is: 64 KiB of it. NULL: there is no memory. */
static uint8_t *banked(Vga *s, uint32_t addr, uint64_t *at)
{
    *at = (uint64_t)s->dispi.regs[DISPI_BANK] * DISPI_BANK_SIZE + addr;
    return addr < DISPI_BANK_SIZE && *at < vram_size(&s->vram) ? s->vram.block->host + *at : NULL;
}

static bool is_banked(const Vga *s)
{
    return dispi_enabled(&s->dispi) && s->dispi.regs[DISPI_BPP] != 4;
}

static void load_latch(Vga *s, uint32_t at)
{
    const uint8_t *p = s->vram.block->host + at;

    for (unsigned plane = 0; plane < VGA_PLANES; plane++) {
        s->latch[plane] = p[plane];
    }
}

/* ---- reads ---- */

/* A bit is set where the planes that count have the colour. */
static uint8_t compare(const Vga *s)
{
    uint8_t differ = 0;

    for (unsigned plane = 0; plane < VGA_PLANES; plane++) {
        uint8_t want = s->gfx[VGA_GFX_COMPARE] >> plane & 1 ? UINT8_MAX : 0;

        if (s->gfx[VGA_GFX_DONT_CARE] >> plane & 1) {
            differ |= s->latch[plane] ^ want;
        }
    }
    return (uint8_t)~differ;
}

uint8_t vga_window_read(Vga *s, uint32_t addr)
{
    unsigned plane = s->gfx[VGA_GFX_READ_MAP] & 3;
    uint64_t at;

    if (is_banked(s)) {
        const uint8_t *p = banked(s, addr, &at);

        return p ? *p : UINT8_MAX;
    }
    if (!in_map(s, &addr)) {
        return UINT8_MAX;
    }
    if (s->seq[VGA_SEQ_MODE] & SEQ_CHAIN4) {
        plane = addr & 3;
        addr >>= 2;
    } else if (s->gfx[VGA_GFX_MODE] & GFX_ODD_EVEN) {
        plane = (plane & 2) | (addr & 1);
        addr >>= 1;
    }
    load_latch(s, planar_at(s, addr));
    return s->gfx[VGA_GFX_MODE] & GFX_READ_COMPARE ? compare(s) : s->latch[plane];
}

/* ---- writes ---- */

static uint8_t rotate(const Vga *s, uint8_t value)
{
    unsigned by = s->gfx[VGA_GFX_ROTATE] & 7;

    return (uint8_t)(value >> by | value << (8 - by));
}

static uint8_t all_bits(unsigned of, unsigned plane)
{
    return of >> plane & 1 ? UINT8_MAX : 0;
}

static uint8_t combine(const Vga *s, uint8_t value, uint8_t latch, uint8_t mask)
{
    switch (s->gfx[VGA_GFX_ROTATE] >> 3 & 3) {
    case 1:
        value &= latch;
        break;
    case 2:
        value |= latch;
        break;
    case 3:
        value ^= latch;
        break;
    }
    return (uint8_t)((value & mask) | (latch & ~mask));
}

/* What @value becomes in @plane. */
static uint8_t plane_value(const Vga *s, uint8_t value, unsigned plane)
{
    uint8_t set = all_bits(s->gfx[VGA_GFX_SET], plane), mask = s->gfx[VGA_GFX_BIT_MASK];

    switch (s->gfx[VGA_GFX_MODE] & 3) {
    case 0:
        value = s->gfx[VGA_GFX_ENABLE_SET] >> plane & 1 ? set : rotate(s, value);
        return combine(s, value, s->latch[plane], mask);
    case 1:
        return s->latch[plane];
    case 2:
        return combine(s, all_bits(value, plane), s->latch[plane], mask);
    default:
        return combine(s, set, s->latch[plane], mask & rotate(s, value));
    }
}

void vga_window_write(Vga *s, uint32_t addr, uint8_t value)
{
    unsigned mask = s->seq[VGA_SEQ_MAP_MASK] & 0xf;
    uint64_t at;

    if (is_banked(s)) {
        uint8_t *p = banked(s, addr, &at);

        if (p) {
            *p = value;
            vram_mark(&s->vram, at, 1);
        }
        return;
    }
    if (!in_map(s, &addr)) {
        return;
    }
    if (s->seq[VGA_SEQ_MODE] & SEQ_CHAIN4) {
        mask &= 1u << (addr & 3);
        addr >>= 2;
    } else if (!(s->seq[VGA_SEQ_MODE] & SEQ_NO_ODD_EVEN)) {
        mask &= addr & 1 ? 0xa : 0x5;
        addr >>= 1;
    }
    at = planar_at(s, addr);
    for (unsigned plane = 0; plane < VGA_PLANES; plane++) {
        if (mask >> plane & 1) {
            s->vram.block->host[at + plane] = plane_value(s, value, plane);
        }
    }
    vram_mark(&s->vram, at, VGA_PLANES);
}

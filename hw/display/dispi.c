/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/display/dispi.h"

#include <string.h>

#include "ui/edid.h"

#define ID_FIRST  0xb0c0
#define ID_NEWEST 0xb0c5

void dispi_reset(Dispi *dispi)
{
    memset(dispi->regs, 0, sizeof(dispi->regs));
    dispi->regs[DISPI_ID] = ID_NEWEST;
}

uint16_t dispi_read(const Dispi *dispi, const Vram *vram, unsigned reg)
{
    static const uint16_t caps[] = {
        [DISPI_XRES] = DISPI_XRES_MAX, [DISPI_YRES] = DISPI_YRES_MAX, [DISPI_BPP] = DISPI_BPP_MAX
    };

    if (reg == DISPI_MEMORY) {
        return (uint16_t)(vram_size(vram) / DISPI_BANK_SIZE);
    }
    if (reg >= DISPI_REGS) {
        return 0;
    }
    if (reg < G_N_ELEMENTS(caps) && caps[reg] && dispi->regs[DISPI_ENABLE] & DISPI_GETCAPS) {
        return caps[reg];
    }
    return dispi->regs[reg];
}

/* Of so many pixels; 15 bits take two bytes. */
static uint64_t bytes_of(const Dispi *dispi, uint64_t pixels)
{
    unsigned bpp = dispi->regs[DISPI_BPP];

    return pixels * (bpp == 15 ? 16 : bpp) / 8;
}

/* As wide as the picture at least; and what height the memory has for that. */
static void set_virtual_width(Dispi *dispi, const Vram *vram, uint16_t width)
{
    uint16_t *regs = dispi->regs;
    uint64_t pitch;

    regs[DISPI_VIRT_WIDTH] = MAX(width, regs[DISPI_XRES]);
    pitch = bytes_of(dispi, regs[DISPI_VIRT_WIDTH]);
    regs[DISPI_VIRT_HEIGHT] = pitch ? (uint16_t)MIN(vram_size(vram) / pitch, UINT16_MAX) : 0;
}

static void enable(Dispi *dispi, Vram *vram, uint16_t value)
{
    uint16_t *regs = dispi->regs;
    bool on = value & DISPI_ENABLED && !dispi_enabled(dispi);

    regs[DISPI_ENABLE] = value;
    if (!on) {
        return;
    }
    regs[DISPI_BANK] = regs[DISPI_X_OFFSET] = regs[DISPI_Y_OFFSET] = 0;
    set_virtual_width(dispi, vram, 0);
    if (!(value & DISPI_NOCLEARMEM)) {
        uint64_t size = bytes_of(dispi, (uint64_t)regs[DISPI_VIRT_WIDTH] * regs[DISPI_YRES]);

        size = MIN(size, vram_size(vram));
        if (size) {
            memset(vram->block->host, 0, size);
            vram_mark(vram, 0, size);
        }
    }
}

static uint16_t known_bpp(uint16_t value)
{
    static const uint8_t known[] = { 4, 8, 15, 16, 24, 32 };

    return value && memchr(known, (int)MIN(value, UINT8_MAX), sizeof(known)) ? value : 8;
}

void dispi_write(Dispi *dispi, Vram *vram, unsigned reg, uint16_t value)
{
    uint16_t *regs = dispi->regs;

    switch (reg) {
    case DISPI_ID:
        if (value >= ID_FIRST && value <= ID_NEWEST) {
            regs[DISPI_ID] = value;
        }
        break;
    case DISPI_XRES:
        regs[reg] = MIN(value, DISPI_XRES_MAX);
        break;
    case DISPI_YRES:
        regs[reg] = MIN(value, DISPI_YRES_MAX);
        break;
    case DISPI_BPP:
        regs[reg] = known_bpp(value);
        break;
    case DISPI_ENABLE:
        enable(dispi, vram, value);
        break;
    case DISPI_BANK:
        regs[reg] = (uint16_t)(value % (vram_size(vram) / DISPI_BANK_SIZE));
        break;
    case DISPI_VIRT_WIDTH:
        set_virtual_width(dispi, vram, value);
        break;
    case DISPI_X_OFFSET:
    case DISPI_Y_OFFSET:
        regs[reg] = value;
        break;
    }
}

static bool format_of(unsigned bpp, PixelFormat *format)
{
    static const struct {
        uint8_t bpp;
        PixelFormat format;
    } formats[] = { { 8, PIXEL_INDEX8 },
                    { 15, PIXEL_RGB555 },
                    { 16, PIXEL_RGB565 },
                    { 24, PIXEL_RGB888 },
                    { 32, PIXEL_XRGB8888 } };

    for (unsigned i = 0; i < G_N_ELEMENTS(formats); i++) {
        if (formats[i].bpp == bpp) {
            *format = formats[i].format;
            return true;
        }
    }
    return false;
}

bool dispi_framebuffer(const Dispi *dispi, const Vram *vram, Framebuffer *fb)
{
    const uint16_t *regs = dispi->regs;

    if (!dispi_enabled(dispi) || !regs[DISPI_XRES] || !format_of(regs[DISPI_BPP], &fb->format)) {
        return false;
    }
    fb->width = regs[DISPI_XRES];
    fb->pitch = bytes_of(dispi, MAX(regs[DISPI_VIRT_WIDTH], regs[DISPI_XRES]));
    fb->height = (unsigned)MIN(regs[DISPI_YRES], vram_size(vram) / fb->pitch);
    fb->offset = regs[DISPI_Y_OFFSET] * fb->pitch + bytes_of(dispi, regs[DISPI_X_OFFSET]);
    return fb->height;
}

/* ---- registers in memory ---- */

uint16_t dispi_bar_read(const Dispi *dispi, const Vram *vram, const uint8_t *edid, bool ext,
                        hwaddr addr)
{
    if (edid && addr < DISPI_BAR_EDID + EDID_SIZE) {
        return (uint16_t)(edid[addr] | edid[addr + 1] << 8);
    }
    if (addr >= DISPI_BAR_REGS && addr <= DISPI_BAR_REGS + 2 * DISPI_MEMORY) {
        return dispi_read(dispi, vram, (unsigned)(addr - DISPI_BAR_REGS) / 2);
    }
    if (ext && addr >= DISPI_BAR_EXT && addr < DISPI_BAR_EXT + DISPI_EXT_SIZE) {
        const uint32_t words[] = { DISPI_EXT_SIZE, DISPI_LITTLE_ENDIAN };
        unsigned at = (unsigned)(addr - DISPI_BAR_EXT);

        return (uint16_t)(words[at / 4] >> (at % 4 * 8));
    }
    return UINT16_MAX;
}

/* ---- state ---- */

/* Anything may be in the bytes: as if the guest had tried to write it. */
static bool loaded(void *opaque, GError **errp)
{
    uint16_t *regs = ((Dispi *)opaque)->regs;

    regs[DISPI_XRES] = MIN(regs[DISPI_XRES], DISPI_XRES_MAX);
    regs[DISPI_YRES] = MIN(regs[DISPI_YRES], DISPI_YRES_MAX);
    return true;
}

static const StateField dispi_fields[] = {
    STATE_UINTS(Dispi, regs),
    {},
};
const StateTable dispi_state = {
    .name = "dispi", .version = 1, .fields = dispi_fields, .post_load = loaded
};

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The display interface of Bochs (its "VBE DISPI", as QEMU's published interface of its standard
 * VGA has it): ten 16-bit registers by which a guest sets modes whose pixels lie in memory as they
 * are. Machine lock.
 */
#ifndef HW_DISPLAY_DISPI_H
#define HW_DISPLAY_DISPI_H

#include "hw/display/screen.h"

enum {
    DISPI_ID,
    DISPI_XRES,
    DISPI_YRES,
    DISPI_BPP,
    DISPI_ENABLE,
    DISPI_BANK,
    DISPI_VIRT_WIDTH,
    DISPI_VIRT_HEIGHT,
    DISPI_X_OFFSET,
    DISPI_Y_OFFSET,
    DISPI_REGS,
    DISPI_MEMORY = DISPI_REGS, /* video memory in 64 KiB; read only */
};

enum {
    DISPI_ENABLED = 1 << 0,
    DISPI_GETCAPS = 1 << 1, /* the first three registers say what is possible */
    DISPI_8BIT_DAC = 1 << 5,
    DISPI_LFB = 1 << 6,
    DISPI_NOCLEARMEM = 1 << 7,
    DISPI_BANK_SIZE = 0x10000,
    DISPI_XRES_MAX = 16000,
    DISPI_YRES_MAX = 12000,
    DISPI_BPP_MAX = 32,
};

typedef struct Dispi {
    uint16_t regs[DISPI_REGS];
} Dispi;

extern const StateTable dispi_state;

void dispi_reset(Dispi *dispi);
uint16_t dispi_read(const Dispi *dispi, const Vram *vram, unsigned reg);
void dispi_write(Dispi *dispi, Vram *vram, unsigned reg, uint16_t value);
static inline bool dispi_enabled(const Dispi *dispi)
{
    return dispi->regs[DISPI_ENABLE] & DISPI_ENABLED;
}
/* Where its picture is, as much of its height as the memory has; false: it has none, or one of four
 * planes (4 bits). */
bool dispi_framebuffer(const Dispi *dispi, const Vram *vram, Framebuffer *fb);

/* ---- registers in memory, of all functions that have a dispi ---- */

enum {
    DISPI_BAR_SIZE = 0x1000,
    DISPI_BAR_EDID = 0,
    DISPI_BAR_VGA = 0x400, /* to 0x41f: ports 0x3c0-0x3df */
    DISPI_BAR_REGS = 0x500,
    DISPI_BAR_EXT = 0x600, /* u32 how many bytes there are of these, u32 byte order */
    DISPI_EXT_SIZE = 8,
};

#define DISPI_LITTLE_ENDIAN 0x1e1e1e1eu

/* Reads of what is the same for all of them: EDID (NULL: none), the registers, the extended ones
 * (@ext). Two bytes at an even offset. */
uint16_t dispi_bar_read(const Dispi *dispi, const Vram *vram, const uint8_t *edid, bool ext,
                        hwaddr addr);

#endif

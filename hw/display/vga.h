/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VGA (IBM's, as guests know it: "VGA" in the FreeVGA documents), with the modes of Bochs's
 * display interface beside its own. Its four planes are one memory: byte p of each four is plane p,
 * so that a picture of 256 colours lies there as it is.
 *
 * For cards that are a VGA and more: their function has a Vga, and calls vga_realize() when it has
 * its place on its bus. Machine lock for everything.
 */
#ifndef HW_DISPLAY_VGA_H
#define HW_DISPLAY_VGA_H

#include "hw/display/dispi.h"
#include "hw/display/screen.h"
#include "ui/edid.h"

#define VGA_WINDOW      0xa0000
#define VGA_WINDOW_SIZE 0x20000
#define VGA_PORTS       0x3b0 /* to 0x3df */
#define VGA_PORTS_SIZE  0x30
#define VGA_PORT_GROUPS 5
#define VGA_PLANES      4
#define VGA_PLANE_SIZE  0x10000

/* Registers behind an index, and what their bits say, where more than one file needs it. */
enum {
    VGA_SEQ_REGS = 8,
    VGA_SEQ_CLOCKING = 1, /* bit 0: 8 dots a character, 3: half the clock, 5: no picture */
    VGA_SEQ_MAP_MASK = 2,
    VGA_SEQ_FONTS = 3,
    VGA_SEQ_MODE = 4, /* bit 2: no odd/even, 3: chain 4 */

    VGA_GFX_REGS = 9,
    VGA_GFX_SET = 0,
    VGA_GFX_ENABLE_SET = 1,
    VGA_GFX_COMPARE = 2,
    VGA_GFX_ROTATE = 3,
    VGA_GFX_READ_MAP = 4,
    VGA_GFX_MODE = 5, /* bits 0-1: of writes, 3: of reads, 4: odd/even, 5-6: shift */
    VGA_GFX_MISC = 6, /* bit 0: graphics, 2-3: where the window is */
    VGA_GFX_DONT_CARE = 7,
    VGA_GFX_BIT_MASK = 8,

    VGA_CRTC_REGS = 0x19,
    VGA_CRTC_H_DISPLAY = 1,
    VGA_CRTC_OVERFLOW = 7,
    VGA_CRTC_PRESET = 8,
    VGA_CRTC_MAX_SCAN = 9,
    VGA_CRTC_CURSOR_START = 0xa,
    VGA_CRTC_CURSOR_END = 0xb,
    VGA_CRTC_START_HIGH = 0xc,
    VGA_CRTC_CURSOR_HIGH = 0xe,
    VGA_CRTC_SYNC_END = 0x11, /* bit 7: registers 0 to 7 are protected */
    VGA_CRTC_V_DISPLAY = 0x12,
    VGA_CRTC_OFFSET = 0x13,
    VGA_CRTC_UNDERLINE = 0x14,
    VGA_CRTC_MODE = 0x17,
    VGA_CRTC_COMPARE = 0x18,

    VGA_ATTR_REGS = 0x15,
    VGA_ATTR_MODE = 0x10, /* bit 1: mono, 2: line graphics, 3: blink, 5: panning, 6: 256, 7: P4-5 */
    VGA_ATTR_OVERSCAN = 0x11,
    VGA_ATTR_PLANES = 0x12,
    VGA_ATTR_PANNING = 0x13,
    VGA_ATTR_SELECT = 0x14,
    VGA_ATTR_ON = 1 << 5, /* of the index: there is a picture, and no access to the palette */
};

/* What a card has that is more than a VGA, or other. All may be NULL. */
typedef struct VgaCard {
    /* Instead of vga_port_read() and those that follow below. */
    uint8_t (*port_read)(void *opaque, unsigned port);
    void (*port_write)(void *opaque, unsigned port, uint8_t value);
    uint8_t (*window_read)(void *opaque, uint32_t addr);
    void (*window_write)(void *opaque, uint32_t addr, uint8_t value);
    /* Somebody is going to look. */
    void (*looking)(void *opaque);
    /* Before the picture is drawn: what was written since is known (vram_is_dirty()). */
    void (*drawing)(void *opaque);
    /* A picture that lies in memory as it is; false: that of the VGA is shown. */
    bool (*framebuffer)(void *opaque, Framebuffer *fb);
    bool unblanked; /* that one is seen whatever the VGA's registers say */
    bool no_dispi;  /* nor its ports */
} VgaCard;

typedef struct Vga {
    /* configuration: properties */
    uint32_t memory_mb;
    uint64_t whole; /* bytes of a block that has more behind the VGA's memory; 0: it has not */
    bool edid_on, ext_regs;
    EdidInfo edid_info;
    /* state */
    uint8_t misc, feature;
    uint8_t seq_index, seq[VGA_SEQ_REGS];
    uint8_t gfx_index, gfx[VGA_GFX_REGS];
    uint8_t crtc_index, crtc[VGA_CRTC_REGS];
    uint8_t attr_index, attr[VGA_ATTR_REGS];
    bool attr_data; /* the next write to 0x3c0 is data */
    uint8_t dac_mask, dac_index, dac_part, dac_got[2];
    bool dac_reading;
    uint8_t palette[256 * 3];
    uint8_t latch[VGA_PLANES];
    uint16_t dispi_index;
    uint8_t dispi_low; /* the first byte of data that is written to an odd port */
    Dispi dispi;
    /* wiring */
    Vram vram;
    Screen screen;
    uint8_t edid[EDID_SIZE];
    MemoryRegion bar, window, dispi_ports;
    MemoryRegion all_ports, ports[VGA_PORT_GROUPS]; /* which show parts of all_ports */
    bool legacy;                                    /* it has the ports and the window */
    Console *shared;     /* another device's, which has it drawn there; NULL: its own */
    const VgaCard *card; /* with its opaque; NULL: a VGA is all it is */
    void *card_opaque;
    /* derived: what was drawn last */
    bool redraw;    /* all of it */
    unsigned blink; /* in which phase */
    struct VgaMode *drawn;
} Vga;

extern const StateTable vga_state;

#define VGA_PROPERTIES(type, member)                                        \
    { .name = "vgamem_mb",                                                  \
      .kind = PROP_UINT32,                                                  \
      .offset = offsetof(type, member.memory_mb),                           \
      .has_default = true,                                                  \
      .default_int = 16,                                                    \
      .description = "MiB of video memory: a power of 2 from 1 to 256" },   \
        { .name = "edid",                                                   \
          .kind = PROP_BOOL,                                                \
          .offset = offsetof(type, member.edid_on),                         \
          .has_default = true,                                              \
          .default_int = true,                                              \
          .description = "the guest can read which sizes the screen has" }, \
        { .name = "qemu-extended-regs",                                     \
          .kind = PROP_BOOL,                                                \
          .offset = offsetof(type, member.ext_regs),                        \
          .has_default = true,                                              \
          .default_int = true,                                              \
          .description = "the register of the byte order is there" },       \
        EDID_PROPERTIES(type, member.edid_info)

/* It only says under which name QEMU saves the memory. */
#define VGA_GLOBAL_VMSTATE(type, member)                                                       \
    {                                                                                          \
        .name = "global-vmstate", .kind = PROP_BOOL, .offset = offsetof(type, member),         \
        .has_default = true, .default_int = false,                                             \
        .description = "accepted: the memory's name in a saved machine is as it is everywhere" \
    }

#define EDID_PROPERTIES(type, member)                                                      \
    EDID_PROPERTY("xres", type, member.width, "pixels of the preferred size: its width"),  \
        EDID_PROPERTY("yres", type, member.height, "its height"),                          \
        EDID_PROPERTY("xmax", type, member.max_width, "the largest width that is told"),   \
        EDID_PROPERTY("ymax", type, member.max_height, "the largest height that is told"), \
        EDID_PROPERTY("refresh_rate", type, member.refresh, "mHz that are told")
#define EDID_PROPERTY(text, type, member, what)                                                   \
    {                                                                                             \
        .name = text, .kind = PROP_UINT32, .offset = offsetof(type, member), .has_default = true, \
        .default_int = 0, .description = what "; 0: as it comes"                                  \
    }

/* Make memory, console, and the registers `bar`, for @dev; with @legacy, show the ports and the
 * window as well. Errors: the size is no power of 2; the ports are someone else's. */
bool vga_realize(Vga *vga, PciDevice *dev, bool legacy, GError **errp);
void vga_unrealize(Vga *vga);
void vga_reset(Vga *vga);
/* A screen of @width times @height is preferred from now on. */
void vga_ui_info(Vga *vga, unsigned width, unsigned height);

/* ---- its parts ---- */

/* @port as that of a colour screen; 0: nobody is there now. */
unsigned vga_colour_port(const Vga *vga, unsigned port);
/* A port from 0x3b0 to 0x3df. */
uint8_t vga_port_read(Vga *vga, unsigned port);
void vga_port_write(Vga *vga, unsigned port, uint8_t value);
/* A byte of the window. */
uint8_t vga_window_read(Vga *vga, uint32_t addr);
void vga_window_write(Vga *vga, uint32_t addr, uint8_t value);
/* Bring the picture up to date. */
void vga_draw(Vga *vga);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/display/vga.h"

#include <string.h>

#include "hw/char/isa-ports.h"
#include "memory/address-space.h"
#include "util/error.h"
#include "util/units.h"

#define MEMORY_MB_MAX 256
#define DISPI_PORT    0x1ce /* index; data is at the next one, and at the one behind that */

/* ---- what the guest sees ---- */

static const VgaCard no_card = { 0 };

static const VgaCard *card_of(const Vga *s)
{
    return s->card ? s->card : &no_card;
}

static uint64_t ports_read(void *opaque, hwaddr addr, unsigned size)
{
    Vga *s = opaque;
    unsigned port = VGA_PORTS + (unsigned)addr;

    return card_of(s)->port_read ? s->card->port_read(s->card_opaque, port)
                                 : vga_port_read(s, port);
}

static void ports_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    Vga *s = opaque;
    unsigned port = VGA_PORTS + (unsigned)addr;

    if (card_of(s)->port_write) {
        s->card->port_write(s->card_opaque, port, (uint8_t)value);
    } else {
        vga_port_write(s, port, (uint8_t)value);
    }
}

static const MemoryRegionOps ports_ops = { ports_read, ports_write, 1, 1 };

/* Where they are; others have those between. */
static const struct {
    uint16_t first, count;
} groups[] = { { 0x3b4, 2 }, { 0x3ba, 1 }, { 0x3c0, 16 }, { 0x3d4, 2 }, { 0x3da, 1 } };
G_STATIC_ASSERT(G_N_ELEMENTS(groups) == VGA_PORT_GROUPS);

/* The index is two bytes at the first port; data is two at the next one, and at the one behind
 * that: at an odd port they come one by one. */
static uint64_t dispi_port_read(void *opaque, hwaddr addr, unsigned size)
{
    Vga *s = opaque;
    uint16_t data = addr == 0 ? s->dispi_index : dispi_read(&s->dispi, &s->vram, s->dispi_index);

    return addr == 2 && size == 1 ? data >> 8 : data;
}

static void write_dispi(Vga *s, unsigned reg, uint16_t value)
{
    dispi_write(&s->dispi, &s->vram, reg, value);
    s->redraw = true;
}

static void dispi_port_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    Vga *s = opaque;

    if (addr == 0) {
        s->dispi_index = (uint16_t)value;
    } else if (addr == 1) {
        s->dispi_low = (uint8_t)value;
    } else if (addr == 2) {
        write_dispi(s, s->dispi_index, (uint16_t)(size == 1 ? value << 8 | s->dispi_low : value));
    }
}

static const MemoryRegionOps dispi_port_ops = { dispi_port_read, dispi_port_write, 1, 2 };

static uint64_t window_read(void *opaque, hwaddr addr, unsigned size)
{
    Vga *s = opaque;

    return card_of(s)->window_read ? s->card->window_read(s->card_opaque, (uint32_t)addr)
                                   : vga_window_read(s, (uint32_t)addr);
}

static void window_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    Vga *s = opaque;

    if (card_of(s)->window_write) {
        s->card->window_write(s->card_opaque, (uint32_t)addr, (uint8_t)value);
    } else {
        vga_window_write(s, (uint32_t)addr, (uint8_t)value);
    }
}

static const MemoryRegionOps window_ops = { window_read, window_write, 1, 1 };

static bool is_vga(hwaddr addr)
{
    return addr >= DISPI_BAR_VGA && addr < DISPI_BAR_VGA + 0x20;
}

static uint64_t bar_read(void *opaque, hwaddr addr, unsigned size)
{
    Vga *s = opaque;
    unsigned port = (unsigned)addr - DISPI_BAR_VGA + 0x3c0;

    if (is_vga(addr)) {
        return vga_port_read(s, port) | (size == 2 ? vga_port_read(s, port + 1) << 8 : 0);
    }
    return dispi_bar_read(&s->dispi, &s->vram, s->edid_on ? s->edid : NULL, s->ext_regs,
                          addr & ~1ull) >>
           (addr & 1) * 8;
}

static void bar_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    Vga *s = opaque;

    if (is_vga(addr)) {
        for (unsigned i = 0; i < size; i++) {
            vga_port_write(s, (unsigned)addr + i - DISPI_BAR_VGA + 0x3c0,
                           (uint8_t)(value >> 8 * i));
        }
    } else if (size == 2 && addr >= DISPI_BAR_REGS && addr < DISPI_BAR_REGS + 2 * DISPI_REGS) {
        write_dispi(s, (unsigned)(addr - DISPI_BAR_REGS) / 2, (uint16_t)value);
    }
}

static const MemoryRegionOps bar_ops = { bar_read, bar_write, 1, 2 };

/* ---- its life ---- */

static void update(void *opaque)
{
    vga_draw(opaque);
}

void vga_ui_info(Vga *s, unsigned width, unsigned height)
{
    EdidInfo info = s->edid_info;

    info.width = width;
    info.height = height;
    edid_make(&info, s->edid);
}

static void ui_info(void *opaque, unsigned width, unsigned height)
{
    vga_ui_info(opaque, width, height);
}

static const ConsoleSource console_source = { update, ui_info };
static const ConsoleSource card_source = { update, NULL }; /* what has no EDID can tell nobody */

static void map_legacy(Vga *s, Device *dev)
{
    memory_region_init_io(&s->all_ports, &ports_ops, s, "vga", VGA_PORTS_SIZE);
    for (unsigned i = 0; i < VGA_PORT_GROUPS; i++) {
        memory_region_init_alias(&s->ports[i], "vga", &s->all_ports, groups[i].first - VGA_PORTS,
                                 groups[i].count);
        device_map(dev, memory_io(), groups[i].first, &s->ports[i], 0);
    }
    if (!card_of(s)->no_dispi) {
        memory_region_init_io(&s->dispi_ports, &dispi_port_ops, s, "dispi", 4);
        device_map(dev, memory_io(), DISPI_PORT, &s->dispi_ports, 0);
    }
    memory_region_init_io(&s->window, &window_ops, s, "vga-window", VGA_WINDOW_SIZE);
    device_map(dev, memory_system(), VGA_WINDOW, &s->window, 1); /* over RAM */
}

static bool check(const Vga *s, bool legacy, GError **errp)
{
    if (!s->memory_mb || s->memory_mb > MEMORY_MB_MAX || s->memory_mb & (s->memory_mb - 1)) {
        error_set(errp, "'vgamem_mb' is %u: it must be a power of 2 from 1 to %d", s->memory_mb,
                  MEMORY_MB_MAX);
        return false;
    }
    if (legacy && (!isa_ports_free(NULL, VGA_PORTS + 0x10, 0x10, errp) ||
                   !isa_ports_free(NULL, DISPI_PORT, 4, errp))) {
        g_prefix_error(errp,
                       "there can be one VGA with the ports of one (secondary-vga has none): ");
        return false;
    }
    return true;
}

bool vga_realize(Vga *s, PciDevice *dev, bool legacy, GError **errp)
{
    if (!check(s, legacy, errp) ||
        !vram_init(&s->vram, dev, s->memory_mb * MIB, MAX(s->memory_mb * MIB, s->whole), errp)) {
        return false;
    }
    s->legacy = legacy;
    edid_make(&s->edid_info, s->edid);
    memory_region_init_io(&s->bar, &bar_ops, s, "vga-registers", DISPI_BAR_SIZE);
    if (legacy) {
        map_legacy(s, &dev->parent);
    }
    if (s->shared) {
        s->screen.console = s->shared;
    } else {
        screen_init(&s->screen, OBJECT(dev), 0, s->card ? &card_source : &console_source, s);
    }
    return true;
}

void vga_unrealize(Vga *s)
{
    if (s->shared) {
        screen_off(&s->screen);
        s->screen.console = s->shared = NULL;
    }
    screen_destroy(&s->screen);
    g_clear_pointer(&s->drawn, g_free);
    memory_region_destroy(&s->bar);
    if (s->legacy) {
        memory_region_destroy(&s->window);
        if (!card_of(s)->no_dispi) {
            memory_region_destroy(&s->dispi_ports);
        }
        for (unsigned i = 0; i < VGA_PORT_GROUPS; i++) {
            memory_region_destroy(&s->ports[i]);
        }
        memory_region_destroy(&s->all_ports);
    }
    vram_destroy(&s->vram);
}

/* Its memory stays. */
void vga_reset(Vga *s)
{
    s->misc = 0;
    s->feature = s->seq_index = s->gfx_index = s->crtc_index = s->attr_index = 0;
    memset(s->seq, 0, sizeof(s->seq));
    memset(s->gfx, 0, sizeof(s->gfx));
    memset(s->crtc, 0, sizeof(s->crtc));
    memset(s->attr, 0, sizeof(s->attr));
    memset(s->palette, 0, sizeof(s->palette));
    memset(s->latch, 0, sizeof(s->latch));
    memset(s->dac_got, 0, sizeof(s->dac_got));
    s->attr_data = s->dac_reading = false;
    s->dac_mask = UINT8_MAX;
    s->dac_index = s->dac_part = 0;
    s->dispi_index = s->dispi_low = 0;
    dispi_reset(&s->dispi);
    s->redraw = true;
}

/* ---- state ---- */

static bool loaded(void *opaque, GError **errp)
{
    Vga *s = opaque;

    s->redraw = true;
    return true;
}

static const StateField vga_fields[] = {
    STATE_UINT(Vga, misc),
    STATE_UINT(Vga, feature),
    STATE_UINT_MAX(Vga, seq_index, VGA_SEQ_REGS - 1),
    STATE_UINTS(Vga, seq),
    STATE_UINT(Vga, gfx_index),
    STATE_UINTS(Vga, gfx),
    STATE_UINT(Vga, crtc_index),
    STATE_UINTS(Vga, crtc),
    STATE_UINT(Vga, attr_index),
    STATE_UINTS(Vga, attr),
    STATE_BOOL(Vga, attr_data),
    STATE_UINT(Vga, dac_mask),
    STATE_UINT(Vga, dac_index),
    STATE_UINT_MAX(Vga, dac_part, 2),
    STATE_UINTS(Vga, dac_got),
    STATE_BOOL(Vga, dac_reading),
    STATE_UINTS(Vga, palette),
    STATE_UINTS(Vga, latch),
    STATE_UINT(Vga, dispi_index),
    STATE_UINT(Vga, dispi_low),
    STATE_STRUCT(Vga, dispi, &dispi_state),
    {},
};
const StateTable vga_state = {
    .name = "vga", .version = 1, .fields = vga_fields, .post_load = loaded
};

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bochs-display: a graphics card with the display interface of Bochs alone, and nothing of a VGA.
 * BAR 0 is its memory, BAR 2 its registers.
 */
#include <inttypes.h>

#include "hw/display/dispi.h"
#include "hw/display/vga.h"
#include "util/error.h"
#include "util/units.h"

#define TYPE_BOCHS_DISPLAY "bochs-display"

#define MEMORY_MAX (256 * MIB)

typedef struct BochsDisplay {
    PciDevice parent;
    /* configuration */
    uint64_t memory;
    bool edid_on;
    EdidInfo edid_info;
    /* state */
    Dispi dispi;
    /* wiring */
    Vram vram;
    Screen screen;
    MemoryRegion bar;
    uint8_t edid[EDID_SIZE];
    /* derived: what was drawn last */
    Framebuffer drawn;
} BochsDisplay;
OBJECT_CAST_DEFINE(BochsDisplay, BOCHS_DISPLAY, TYPE_BOCHS_DISPLAY)

static const PciRegister bochs_registers[] = {
    { PCI_VENDOR_ID, 2, 0x1234 },
    { PCI_DEVICE_ID, 2, 0x1111 },
    { PCI_COMMAND, 2, 0, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER },
    { PCI_REVISION_ID, 1, 2 },
    { PCI_CLASS_DEVICE, 2, 0x0380 },
    { PCI_SUBSYSTEM_VENDOR_ID, 2, PCI_SUBSYSTEM_VENDOR_BOARD },
    { PCI_SUBSYSTEM_ID, 2, PCI_SUBSYSTEM_BOARD },
};

static uint64_t bar_read(void *opaque, hwaddr addr, unsigned size)
{
    BochsDisplay *s = opaque;

    return dispi_bar_read(&s->dispi, &s->vram, s->edid_on ? s->edid : NULL, true, addr & ~1ull) >>
           (addr & 1) * 8;
}

static void bar_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    BochsDisplay *s = opaque;

    if (size == 2 && addr >= DISPI_BAR_REGS && addr < DISPI_BAR_REGS + 2 * DISPI_REGS) {
        dispi_write(&s->dispi, &s->vram, (unsigned)(addr - DISPI_BAR_REGS) / 2, (uint16_t)value);
    }
}

static const MemoryRegionOps bar_ops = { bar_read, bar_write, 1, 2 };

/* It has no palette, and so no modes of 256 colours. */
static void update(void *opaque)
{
    BochsDisplay *s = opaque;
    bool written = vram_collect(&s->vram);
    Framebuffer fb = { 0 };

    if (!dispi_framebuffer(&s->dispi, &s->vram, &fb) || fb.format == PIXEL_INDEX8) {
        fb.width = 0;
        screen_off(&s->screen);
    } else {
        bool same = fb.format == s->drawn.format && fb.offset == s->drawn.offset &&
                    fb.pitch == s->drawn.pitch && fb.width == s->drawn.width;

        if (written || !same || fb.height != s->drawn.height) {
            screen_draw(&s->screen, &s->vram, &fb, NULL, !same);
        }
    }
    s->drawn = fb;
    vram_clean(&s->vram);
}

static void ui_info(void *opaque, unsigned width, unsigned height)
{
    BochsDisplay *s = opaque;
    EdidInfo info = s->edid_info;

    info.width = width;
    info.height = height;
    edid_make(&info, s->edid);
}

static const ConsoleSource console_source = { update, ui_info };

static bool bochs_realize(PciDevice *dev, GError **errp)
{
    BochsDisplay *s = BOCHS_DISPLAY(dev);

    if (s->memory < MIB || s->memory > MEMORY_MAX || s->memory & (s->memory - 1)) {
        error_set(errp, "'vgamem' is %" PRIu64 ": it must be a power of 2 from 1M to %" PRIu64 "M",
                  s->memory, MEMORY_MAX / MIB);
        return false;
    }
    if (!vram_init(&s->vram, dev, s->memory, s->memory, errp)) {
        return false;
    }
    edid_make(&s->edid_info, s->edid);
    memory_region_init_io(&s->bar, &bar_ops, s, "bochs-display", DISPI_BAR_SIZE);
    screen_init(&s->screen, OBJECT(dev), 0, &console_source, s);
    pci_add_bar(dev, 0, PCI_BAR_PREFETCH, &s->vram.region);
    pci_add_bar(dev, 2, 0, &s->bar);
    return true;
}

static void bochs_unrealize(PciDevice *dev)
{
    BochsDisplay *s = BOCHS_DISPLAY(dev);

    screen_destroy(&s->screen);
    memory_region_destroy(&s->bar);
    vram_destroy(&s->vram);
}

static void bochs_reset(PciDevice *dev)
{
    dispi_reset(&BOCHS_DISPLAY(dev)->dispi);
}

/* Its registers are all there is. */
static void bochs_loaded(PciDevice *dev)
{
}

/* The memory is another one, too. */
static bool redraw(void *opaque, GError **errp)
{
    BochsDisplay *s = opaque;

    s->drawn = (Framebuffer){ 0 };
    return true;
}

static const StateField bochs_fields[] = {
    STATE_STRUCT(BochsDisplay, parent, &pci_device_state),
    STATE_STRUCT(BochsDisplay, dispi, &dispi_state),
    {},
};
static const StateTable bochs_state = {
    .name = TYPE_BOCHS_DISPLAY, .version = 1, .fields = bochs_fields, .post_load = redraw
};

static const PciFunctionClass bochs_ops = {
    .device = { PCI_DEVICE_CLASS_CORE, .category = "display",
                .flags = DEVICE_USER_CREATABLE | DEVICE_HOTPLUG, .state = &bochs_state },
    .rom = "vgabios-bochs-display.bin",
    .realize = bochs_realize,
    .unrealize = bochs_unrealize,
    .reset = bochs_reset,
    .loaded = bochs_loaded,
};

static void bochs_init(Object *obj)
{
    pci_set_registers(PCI_DEVICE(obj), bochs_registers, G_N_ELEMENTS(bochs_registers));
}

static const Property bochs_properties[] = {
    { .name = "vgamem",
      .kind = PROP_SIZE,
      .offset = offsetof(BochsDisplay, memory),
      .has_default = true,
      .default_int = 16 * MIB,
      .description = "video memory: a power of 2 from 1M to 256M" },
    { .name = "edid",
      .kind = PROP_BOOL,
      .offset = offsetof(BochsDisplay, edid_on),
      .has_default = true,
      .default_int = true,
      .description = "the guest can read which sizes the screen has" },
    EDID_PROPERTIES(BochsDisplay, edid_info),
    { 0 },
};

static const ObjectType bochs_type = {
    .name = TYPE_BOCHS_DISPLAY,
    .parent = TYPE_PCI_DEVICE,
    .description = "Graphics card: Bochs's interface, and nothing of a VGA",
    .instance_size = sizeof(BochsDisplay),
    .properties = bochs_properties,
    .ops = &bochs_ops,
    .init = bochs_init,
};
OBJECT_TYPE_REGISTER(bochs_type)

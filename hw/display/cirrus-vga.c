/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The GD5446 as a PCI function: BAR 0 is its memory, as it lies there or as its registers say, and
 * 16 MiB behind that the place of a BLT's data; BAR 1 has its ports and the engine's registers.
 */
#include "hw/display/cirrus.h"
#include "util/error.h"
#include "util/units.h"

enum {
    BAR_SIZE = 32 << 20,
    APERTURE_AT = 16 << 20,
    APERTURE_SIZE = 4 << 20,
    MMIO_BAR_SIZE = 0x1000,
    MMIO_PORTS = 0x20, /* from 0x3c0 on */
    MMIO_ENGINE = 0x100,
};

static const PciRegister cirrus_registers[] = {
    { PCI_VENDOR_ID, 2, 0x1013 },
    { PCI_DEVICE_ID, 2, 0x00b8 },
    { PCI_COMMAND, 2, 0, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER },
    { PCI_CLASS_DEVICE, 2, 0x0300 },
    { PCI_SUBSYSTEM_VENDOR_ID, 2, PCI_SUBSYSTEM_VENDOR_BOARD },
    { PCI_SUBSYSTEM_ID, 2, PCI_SUBSYSTEM_BOARD },
};

/* ---- what the guest sees ---- */

static uint64_t linear_read(void *opaque, hwaddr addr, unsigned size)
{
    return cirrus_linear_read(opaque, (uint32_t)addr);
}

static void linear_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    cirrus_linear_write(opaque, (uint32_t)addr, (uint8_t)value);
}

static const MemoryRegionOps linear_ops = { linear_read, linear_write, 1, 1 };

static uint64_t aperture_read(void *opaque, hwaddr addr, unsigned size)
{
    return UINT8_MAX;
}

static void aperture_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    Cirrus *s = opaque;

    if (cirrus_blt_waits(s)) {
        cirrus_blt_byte(s, (uint8_t)value);
    }
}

static const MemoryRegionOps aperture_ops = { aperture_read, aperture_write, 1, 1 };

/* The ports there are those of a colour screen, whatever it is. */
static unsigned port_at(const Cirrus *s, hwaddr addr)
{
    unsigned port = 0x3c0 + (unsigned)addr;

    return port >= 0x3d0 && !(s->vga.misc & 1) ? port - 0x20 : port;
}

static uint64_t mmio_read(void *opaque, hwaddr addr, unsigned size)
{
    Cirrus *s = opaque;

    if (addr < MMIO_PORTS) {
        return cirrus_port_read(s, port_at(s, addr));
    }
    return addr >= MMIO_ENGINE ? cirrus_mmio_read(s, (uint32_t)addr - MMIO_ENGINE) : UINT8_MAX;
}

static void mmio_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    Cirrus *s = opaque;

    if (addr < MMIO_PORTS) {
        cirrus_port_write(s, port_at(s, addr), (uint8_t)value);
    } else if (addr >= MMIO_ENGINE) {
        cirrus_mmio_write(s, (uint32_t)addr - MMIO_ENGINE, (uint8_t)value);
    }
}

static const MemoryRegionOps mmio_ops = { mmio_read, mmio_write, 1, 1 };

void cirrus_map(Cirrus *s)
{
    bool on = cirrus_is_indirect(s);

    if (s->by_cpu.enabled != on) {
        memory_region_set_enabled(&s->by_cpu, on);
    }
}

/* ---- its life ---- */

static bool cirrus_realize(PciDevice *dev, GError **errp)
{
    Cirrus *s = CIRRUS_VGA(dev);
    uint32_t size = s->vga.memory_mb;

    if (size != 4 && size != 8 && size != 16) {
        error_set(errp, "'vgamem_mb' is %u: it must be 4, 8 or 16", size);
        return false;
    }
    s->vga.card = &cirrus_card;
    s->vga.card_opaque = s;
    if (!vga_realize(&s->vga, dev, true, errp)) {
        return false;
    }
    s->vga.screen.overlay = cirrus_overlay;
    s->vga.screen.overlay_opaque = s;
    memory_region_init_container(&s->bar, "cirrus", BAR_SIZE);
    memory_region_init_io(&s->by_cpu, &linear_ops, s, "cirrus-linear", size * MIB);
    memory_region_init_io(&s->aperture, &aperture_ops, s, "cirrus-data", APERTURE_SIZE);
    memory_region_init_io(&s->mmio, &mmio_ops, s, "cirrus-registers", MMIO_BAR_SIZE);
    memory_region_add(&s->bar, 0, &s->vga.vram.region);
    memory_region_add_overlap(&s->bar, 0, &s->by_cpu, 1);
    memory_region_set_enabled(&s->by_cpu, false);
    memory_region_add(&s->bar, APERTURE_AT, &s->aperture);
    pci_add_bar(dev, 0, PCI_BAR_PREFETCH, &s->bar);
    pci_add_bar(dev, 1, 0, &s->mmio);
    return true;
}

static void cirrus_unrealize(PciDevice *dev)
{
    Cirrus *s = CIRRUS_VGA(dev);

    memory_region_remove(&s->aperture);
    memory_region_remove(&s->by_cpu);
    memory_region_remove(&s->vga.vram.region);
    memory_region_destroy(&s->mmio);
    memory_region_destroy(&s->aperture);
    memory_region_destroy(&s->by_cpu);
    memory_region_destroy(&s->bar);
    vga_unrealize(&s->vga);
}

static void pci_cirrus_reset(PciDevice *dev)
{
    cirrus_reset(CIRRUS_VGA(dev));
}

/* ---- state ---- */

/* Anything may be in the bytes: a BLT that there cannot be is none. */
static bool state_loaded(void *opaque, GError **errp)
{
    Cirrus *s = opaque;

    if (!s->lines_left || !s->line_size || s->line_size > CIRRUS_LINE_MAX ||
        s->received >= s->line_size) {
        s->lines_left = s->line_size = s->received = 0;
    }
    cirrus_map(s);
    return true;
}

/* That is all there is. */
static void cirrus_loaded(PciDevice *dev)
{
}

static const StateField cirrus_fields[] = {
    STATE_STRUCT(Cirrus, parent, &pci_device_state),
    STATE_STRUCT(Cirrus, vga, &vga_state),
    STATE_UINT(Cirrus, seq_index),
    STATE_UINTS(Cirrus, seq),
    STATE_UINT(Cirrus, gfx_index),
    STATE_UINTS(Cirrus, gfx),
    STATE_UINTS(Cirrus, crtc),
    STATE_UINT_MAX(Cirrus, dac_reads, 4),
    STATE_UINT(Cirrus, dac_hidden),
    STATE_UINT(Cirrus, cursor_x),
    STATE_UINT(Cirrus, cursor_y),
    STATE_UINTS(Cirrus, cursor_colours),
    STATE_UINT_MAX(Cirrus, lines_left, 2048),
    STATE_UINT(Cirrus, line_size),
    STATE_UINT(Cirrus, received),
    STATE_UINTS(Cirrus, line),
    {},
};
static const StateTable cirrus_state = {
    .name = "cirrus-vga", .version = 1, .fields = cirrus_fields, .post_load = state_loaded
};

static const PciFunctionClass cirrus_ops = {
    .device = { PCI_DEVICE_CLASS_CORE, .category = "display", .flags = DEVICE_USER_CREATABLE,
                .state = &cirrus_state },
    .rom = "vgabios-cirrus.bin",
    .realize = cirrus_realize,
    .unrealize = cirrus_unrealize,
    .reset = pci_cirrus_reset,
    .loaded = cirrus_loaded,
};

static void cirrus_init(Object *obj)
{
    pci_set_registers(PCI_DEVICE(obj), cirrus_registers, G_N_ELEMENTS(cirrus_registers));
}

static const Property cirrus_properties[] = {
    { .name = "vgamem_mb",
      .kind = PROP_UINT32,
      .offset = offsetof(Cirrus, vga.memory_mb),
      .has_default = true,
      .default_int = 4,
      .description = "MiB of video memory: 4, 8 or 16" },
    { .name = "blitter",
      .kind = PROP_BOOL,
      .offset = offsetof(Cirrus, blitter),
      .has_default = true,
      .default_int = true,
      .description = "there is an engine that moves and fills rectangles" },
    VGA_GLOBAL_VMSTATE(Cirrus, global_vmstate),
    { 0 },
};

static const ObjectType cirrus_type = {
    .name = "cirrus-vga",
    .parent = TYPE_PCI_DEVICE,
    .description = "Graphics card: Cirrus Logic GD5446",
    .instance_size = sizeof(Cirrus),
    .properties = cirrus_properties,
    .ops = &cirrus_ops,
    .init = cirrus_init,
};
OBJECT_TYPE_REGISTER(cirrus_type)

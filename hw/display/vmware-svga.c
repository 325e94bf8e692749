/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VMware's SVGA II as a PCI function: BAR 0 has its two ports, BAR 1 is its memory, BAR 2 its FIFO.
 * It has no interrupts: a guest that waits asks.
 */
#include "hw/display/vmware-svga.h"

#include <string.h>

#include "hw/core/runstate.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/units.h"

enum {
    PORT_INDEX = 0, /* each of 32 bits, although the second is behind one byte of the first */
    PORT_VALUE = 1,
    PORTS_SIZE = 16,
    ID_FIRST = (int)0x90000000,
    ID_NEWEST = (int)0x90000002,
    ENABLE_ON = 1 << 0,
    ENABLE_HIDE = 1 << 1,
    WIDTH_FIRST = 640, /* before the guest sets one */
    HEIGHT_FIRST = 480,
    PITCH_MAX = 0xfffc,
    DEPTH = 24,
    BITS_PER_PIXEL = 32,
    CAP_RECT_FILL = 1 << 0,
    CAP_RECT_COPY = 1 << 1,
    CAP_CURSOR = 1 << 5,
    CAP_CURSOR_BYPASS = 1 << 6, /* its place, by registers */
    CAP_CURSOR_BYPASS_2 = 1 << 7,
    CAP_ALPHA_CURSOR = 1 << 9,
    CAP_EXTENDED_FIFO = 1 << 15,
    CAP_PITCHLOCK = 1 << 17,
};

enum {
    REG_ID,
    REG_ENABLE,
    REG_WIDTH,
    REG_HEIGHT,
    REG_MAX_WIDTH,
    REG_MAX_HEIGHT,
    REG_DEPTH,
    REG_BITS_PER_PIXEL,
    REG_PSEUDOCOLOR,
    REG_RED_MASK,
    REG_GREEN_MASK,
    REG_BLUE_MASK,
    REG_BYTES_PER_LINE,
    REG_FB_START,
    REG_FB_OFFSET,
    REG_VRAM_SIZE,
    REG_FB_SIZE,
    REG_CAPABILITIES,
    REG_MEM_START,
    REG_MEM_SIZE,
    REG_CONFIG_DONE,
    REG_SYNC,
    REG_BUSY,
    REG_GUEST_ID,
    REG_CURSOR_ID,
    REG_CURSOR_X,
    REG_CURSOR_Y,
    REG_CURSOR_ON,
    REG_HOST_BITS_PER_PIXEL,
    REG_SCRATCH_SIZE,
    REG_MEM_REGS,
    REG_NUM_DISPLAYS,
    REG_PITCHLOCK,
    REG_TRACES = 45,
};

static const PciRegister svga_registers[] = {
    { PCI_VENDOR_ID, 2, 0x15ad },
    { PCI_DEVICE_ID, 2, 0x0405 },
    { PCI_COMMAND, 2, 0, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER },
    { PCI_CLASS_DEVICE, 2, 0x0300 },
    { PCI_LATENCY_TIMER, 1, 0x40 },
    { PCI_SUBSYSTEM_VENDOR_ID, 2, 0x15ad },
    { PCI_SUBSYSTEM_ID, 2, 0x0405 },
};

/* ---- registers ---- */

uint32_t svga_pitch(const VmwareSvga *s)
{
    return s->pitch_lock ? s->pitch_lock : s->width * 4;
}

bool svga_shown(const VmwareSvga *s)
{
    return s->enable & ENABLE_ON && !(s->enable & ENABLE_HIDE);
}

static uint32_t bar_address(const VmwareSvga *s, unsigned n)
{
    uint64_t addr;

    return pci_bar_address(&s->parent, n, &addr) ? (uint32_t)addr : 0;
}

static uint32_t is_busy(VmwareSvga *s)
{
    if (s->busy) {
        svga_fifo_run(s);
    }
    return s->busy;
}

/* What never changes, and what is a member; the others are asked for below. */
static const uint32_t constants[] = {
    [REG_MAX_WIDTH] = SVGA_SIZE_MAX,
    [REG_MAX_HEIGHT] = SVGA_SIZE_MAX,
    [REG_DEPTH] = DEPTH,
    [REG_BITS_PER_PIXEL] = BITS_PER_PIXEL,
    [REG_RED_MASK] = 0xff0000,
    [REG_GREEN_MASK] = 0x00ff00,
    [REG_BLUE_MASK] = 0x0000ff,
    [REG_CAPABILITIES] = CAP_RECT_FILL | CAP_RECT_COPY | CAP_CURSOR | CAP_CURSOR_BYPASS |
                         CAP_CURSOR_BYPASS_2 | CAP_ALPHA_CURSOR | CAP_EXTENDED_FIFO | CAP_PITCHLOCK,
    [REG_MEM_SIZE] = SVGA_FIFO_SIZE,
    [REG_HOST_BITS_PER_PIXEL] = BITS_PER_PIXEL,
    [REG_MEM_REGS] = SVGA_FIFO_REGS,
    [REG_NUM_DISPLAYS] = 1,
};

#define MEMBER(name) (1 + offsetof(VmwareSvga, name))
static const size_t members[] = {
    [REG_ID] = MEMBER(id),
    [REG_ENABLE] = MEMBER(enable),
    [REG_WIDTH] = MEMBER(width),
    [REG_HEIGHT] = MEMBER(height),
    [REG_CONFIG_DONE] = MEMBER(config_done),
    [REG_GUEST_ID] = MEMBER(guest_id),
    [REG_CURSOR_ID] = MEMBER(cursor_id),
    [REG_CURSOR_X] = MEMBER(cursor_x),
    [REG_CURSOR_Y] = MEMBER(cursor_y),
    [REG_CURSOR_ON] = MEMBER(cursor_on),
    [REG_PITCHLOCK] = MEMBER(pitch_lock),
    [REG_TRACES] = MEMBER(traces),
};

static uint32_t *member(VmwareSvga *s, uint32_t reg)
{
    size_t at = reg < G_N_ELEMENTS(members) ? members[reg] : 0;

    return at ? (uint32_t *)(void *)((char *)s + at - 1) : NULL;
}

static uint32_t read_register(VmwareSvga *s)
{
    const uint32_t *own = member(s, s->index);

    if (own) {
        return *own;
    }
    switch (s->index) {
    case REG_BYTES_PER_LINE:
        return svga_pitch(s);
    case REG_FB_START:
        return bar_address(s, 1);
    case REG_VRAM_SIZE:
    case REG_FB_SIZE:
        return (uint32_t)vram_size(&s->vga.vram);
    case REG_MEM_START:
        return bar_address(s, 2);
    case REG_SYNC:
    case REG_BUSY:
        return is_busy(s);
    }
    return s->index < G_N_ELEMENTS(constants) ? constants[s->index] : 0;
}

static void write_enable(VmwareSvga *s, uint32_t value)
{
    s->enable = value & (ENABLE_ON | ENABLE_HIDE);
    if (!(value & ENABLE_ON)) {
        s->config_done = 0;
    }
    s->vga.redraw = true;
    svga_show_cursor(s);
}

static void write_sync(VmwareSvga *s)
{
    s->busy = true;
    svga_fifo_run(s);
}

static void write_register(VmwareSvga *s, uint32_t value)
{
    uint32_t *own = member(s, s->index);

    switch (s->index) {
    case REG_ID:
        if (value >= (uint32_t)ID_FIRST && value <= (uint32_t)ID_NEWEST) {
            s->id = value;
        }
        break;
    case REG_ENABLE:
        write_enable(s, value);
        break;
    case REG_WIDTH:
    case REG_HEIGHT:
        if (value && value <= SVGA_SIZE_MAX) {
            *own = value;
        }
        break;
    case REG_PITCHLOCK:
        *own = MIN(value, PITCH_MAX) & ~3u;
        break;
    case REG_CONFIG_DONE:
        *own = value & 1;
        break;
    case REG_SYNC:
        write_sync(s);
        break;
    case REG_CURSOR_ON:
        *own = value;
        svga_move_cursor(s);
        break;
    default:
        if (own) {
            *own = value;
        }
        break;
    }
}

/* The second port is at an odd place, so that its four bytes come as one, two and one. The first of
 * a read asks, the last of a write does it. */
static uint64_t ports_read(void *opaque, hwaddr addr, unsigned size)
{
    VmwareSvga *s = opaque;

    if (addr == PORT_INDEX) {
        return s->index;
    }
    if (addr == PORT_VALUE) {
        s->value = read_register(s);
    }
    return addr < PORT_VALUE + 4 ? s->value >> 8 * (addr - PORT_VALUE) : UINT32_MAX;
}

static void ports_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    VmwareSvga *s = opaque;

    if (addr == PORT_INDEX) {
        s->index = (uint32_t)value;
    } else if (addr < PORT_VALUE + 4) {
        unsigned shift = 8 * (unsigned)(addr - PORT_VALUE);
        uint32_t mask = (uint32_t)((1ull << 8 * size) - 1) << shift;

        s->value = (s->value & ~mask) | ((uint32_t)value << shift & mask);
        if (addr + size == PORT_VALUE + 4) {
            write_register(s, s->value);
        }
    }
}

static const MemoryRegionOps ports_ops = { ports_read, ports_write, 1, 4 };

/* ---- the picture ---- */

/* Commands are carried out while somebody looks, and when the guest asks for it; none while the
 * machine stands, of which nothing changes then. */
static void looking(void *opaque)
{
    VmwareSvga *s = opaque;

    if (s->enable && runstate_is_running()) {
        svga_fifo_run(s);
    }
}

/* No larger than the memory, as viewers make several of it. */
static bool framebuffer(void *opaque, Framebuffer *fb)
{
    const VmwareSvga *s = opaque;

    if (!svga_shown(s)) {
        return false;
    }
    fb->format = PIXEL_XRGB8888;
    fb->width = s->width;
    fb->height = (unsigned)MIN(s->height, vram_size(&s->vga.vram) / (s->width * 4));
    fb->pitch = svga_pitch(s);
    fb->offset = 0;
    return true;
}

static const VgaCard svga_card = { .looking = looking,
                                   .framebuffer = framebuffer,
                                   .unblanked = true };

static void goes_on(void *opaque)
{
    svga_fifo_run(opaque);
}

/* ---- its life ---- */

static bool make_fifo(VmwareSvga *s, GError **errp)
{
    const PciDevice *dev = &s->parent;
    const Bus *bus = &pci_bus_of(dev)->parent;
    g_autofree char *name = g_strdup_printf("%s/%02x.%x/fifo", bus->parent.name,
                                            PCI_SLOT(dev->devfn), PCI_FUNC(dev->devfn));

    s->fifo = ram_block_new(name, SVGA_FIFO_SIZE, -1, false, true, 0, errp);
    if (!s->fifo) {
        return false;
    }
    memory_region_init_ram(&s->fifo_bar, "fifo", s->fifo);
    return true;
}

static bool svga_realize(PciDevice *dev, GError **errp)
{
    VmwareSvga *s = VMWARE_SVGA(dev);

    s->vga.card = &svga_card;
    s->vga.card_opaque = s;
    if (!vga_realize(&s->vga, dev, true, errp)) {
        return false;
    }
    if (!make_fifo(s, errp)) {
        vga_unrealize(&s->vga);
        return false;
    }
    s->timer = timer_new(goes_on, s);
    memory_region_init_io(&s->ports, &ports_ops, s, "svga-registers", PORTS_SIZE);
    pci_add_bar(dev, 0, PCI_BAR_IO, &s->ports);
    pci_add_bar(dev, 1, PCI_BAR_PREFETCH, &s->vga.vram.region);
    pci_add_bar(dev, 2, PCI_BAR_PREFETCH, &s->fifo_bar);
    return true;
}

static void svga_unrealize(PciDevice *dev)
{
    VmwareSvga *s = VMWARE_SVGA(dev);

    g_clear_pointer(&s->timer, timer_free);
    memory_region_destroy(&s->ports);
    memory_region_destroy(&s->fifo_bar);
    g_clear_pointer(&s->fifo, ram_block_unref);
    vga_unrealize(&s->vga);
}

static void svga_reset(PciDevice *dev)
{
    VmwareSvga *s = VMWARE_SVGA(dev);

    vga_reset(&s->vga);
    timer_del(s->timer);
    svga_fifo_reset(s);
    s->index = s->value = s->enable = s->config_done = s->pitch_lock = s->guest_id = s->traces = 0;
    s->cursor_id = s->cursor_x = s->cursor_y = s->cursor_on = s->cursor_count = 0;
    s->busy = false;
    s->id = (uint32_t)ID_NEWEST;
    s->width = WIDTH_FIRST;
    s->height = HEIGHT_FIRST;
    memset(&s->cursor, 0, sizeof(s->cursor));
    svga_show_cursor(s);
}

/* ---- state ---- */

/* Anything may be in the bytes: as if the guest had tried to write it. */
static bool state_loaded(void *opaque, GError **errp)
{
    VmwareSvga *s = opaque;

    s->pitch_lock = MIN(s->pitch_lock, PITCH_MAX) & ~3u;
    s->width = CLAMP(s->width, 1, SVGA_SIZE_MAX);
    s->height = CLAMP(s->height, 1, SVGA_SIZE_MAX);
    timer_del(s->timer);
    if (s->busy) {
        timer_mod(s->timer, clock_ns());
    }
    svga_show_cursor(s);
    return true;
}

/* That is all there is. */
static void svga_loaded(PciDevice *dev)
{
}

static const StateField svga_fields[] = {
    STATE_STRUCT(VmwareSvga, parent, &pci_device_state),
    STATE_STRUCT(VmwareSvga, vga, &vga_state),
    STATE_UINT(VmwareSvga, index),
    STATE_UINT(VmwareSvga, value),
    STATE_UINT(VmwareSvga, id),
    STATE_UINT_MAX(VmwareSvga, enable, 3),
    STATE_UINT_MAX(VmwareSvga, config_done, 1),
    STATE_UINT(VmwareSvga, width),
    STATE_UINT(VmwareSvga, height),
    STATE_UINT(VmwareSvga, pitch_lock),
    STATE_UINT(VmwareSvga, guest_id),
    STATE_UINT(VmwareSvga, traces),
    STATE_UINT(VmwareSvga, cursor_id),
    STATE_UINT(VmwareSvga, cursor_x),
    STATE_UINT(VmwareSvga, cursor_y),
    STATE_UINT(VmwareSvga, cursor_on),
    STATE_UINT(VmwareSvga, cursor_count),
    STATE_BOOL(VmwareSvga, busy),
    STATE_STRUCT(VmwareSvga, cursor, &svga_cursor_state),
    {},
};
static const StateTable svga_state = {
    .name = "vmware-svga", .version = 1, .fields = svga_fields, .post_load = state_loaded
};

static const PciFunctionClass svga_ops = {
    .device = { PCI_DEVICE_CLASS_CORE, .category = "display", .flags = DEVICE_USER_CREATABLE,
                .state = &svga_state },
    .rom = "vgabios-vmware.bin",
    .realize = svga_realize,
    .unrealize = svga_unrealize,
    .reset = svga_reset,
    .loaded = svga_loaded,
};

static void svga_init(Object *obj)
{
    pci_set_registers(PCI_DEVICE(obj), svga_registers, G_N_ELEMENTS(svga_registers));
}

static const Property svga_properties[] = {
    { .name = "vgamem_mb",
      .kind = PROP_UINT32,
      .offset = offsetof(VmwareSvga, vga.memory_mb),
      .has_default = true,
      .default_int = 16,
      .description = "MiB of video memory: a power of 2 from 1 to 256" },
    VGA_GLOBAL_VMSTATE(VmwareSvga, global_vmstate),
    { 0 },
};

static const ObjectType svga_type = {
    .name = "vmware-svga",
    .parent = TYPE_PCI_DEVICE,
    .description = "Graphics card: VMware SVGA II, without 3D",
    .instance_size = sizeof(VmwareSvga),
    .properties = svga_properties,
    .ops = &svga_ops,
    .init = svga_init,
};
OBJECT_TYPE_REGISTER(svga_type)

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QXL as a PCI function: BAR 0 is its RAM, with the VGA's memory in front and the header at the
 * end, BAR 1 and, if it has more than that shows, BAR 4 the video memory, BAR 2 the ROM, and BAR 3
 * the ports. "qxl-vga" is a PC's VGA as well, "qxl" is none.
 */
#include "hw/display/qxl.h"

#include <inttypes.h>

#include "hw/core/runstate.h"
#include "util/error.h"
#include "util/units.h"

#define TYPE_QXL_VGA "qxl-vga"
#define TYPE_QXL     "qxl"

enum {
    VGAMEM_MIN = 8,
    VGAMEM_MAX = 256,
    REVISION_MIN = 1,
    REVISION_MAX = 5,
    OUTPUTS_MAX = 16,
    IO_SIZE = 32,
};

#define VRAM_MIN 4096
#define BAR_MAX  (2 * GIB) /* below 4 GiB */
#define VRAM_MAX (256 * GIB)

#define QXL_REGISTERS(class)                                                             \
    { PCI_VENDOR_ID, 2, 0x1b36 }, { PCI_DEVICE_ID, 2, 0x0100 },                          \
        { PCI_COMMAND, 2, 0, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER }, \
        { PCI_CLASS_DEVICE, 2, class },                                                  \
        { PCI_SUBSYSTEM_VENDOR_ID, 2, PCI_SUBSYSTEM_VENDOR_BOARD },                      \
        { PCI_SUBSYSTEM_ID, 2, PCI_SUBSYSTEM_BOARD },                                    \
    {                                                                                    \
        PCI_INTERRUPT_PIN, 1, 1                                                          \
    }

static const PciRegister vga_registers[] = { QXL_REGISTERS(0x0300) };
static const PciRegister secondary_registers[] = { QXL_REGISTERS(0x0380) };

/* ---- the console ---- */

static void update(void *opaque)
{
    Qxl *s = opaque;

    if (s->mode != QXL_MODE_VGA) {
        qxl_draw(s);
    } else if (s->primary) {
        vga_draw(&s->vga);
    }
}

static void ui_info(void *opaque, unsigned width, unsigned height)
{
    g_autofree VDAgentMonitorsConfig *config =
        g_malloc0(sizeof(*config) + sizeof(config->monitors[0]));

    config->num_of_monitors = 1;
    config->monitors[0].width = width;
    config->monitors[0].height = height;
    qxl_client_monitors(opaque, config);
}

static const ConsoleSource console_source = { update, ui_info };

/* ---- running and not ---- */

static void set_stopped(Qxl *s, bool stopped)
{
    g_mutex_lock(&s->lock);
    s->stopped = stopped;
    g_mutex_unlock(&s->lock);
}

static void started(void *opaque)
{
    Qxl *s = opaque;

    set_stopped(s, false);
    if (s->instance) {
        spice_qxl_wakeup(s->instance);
    }
}

/* What was fetched is drawn. The library has written past all notes of dirty pages. */
static void stopped(void *opaque)
{
    Qxl *s = opaque;

    set_stopped(s, true);
    if (s->instance) {
        qxl_flush(s);
        dirty_mark(s->ram, 0, s->ram->size);
        dirty_mark(s->vram, 0, s->vram->size);
    }
    dirty_mark(s->rom_block, 0, s->rom_block->size);
    qxl_update_irq(s); /* the bell may come too late to be saved */
}

/* ---- sizes ---- */

static uint64_t pow2ceil(uint64_t n)
{
    return n <= 1 ? 1 : (uint64_t)1 << (64 - __builtin_clzll(n - 1));
}

static bool check_number(const char *name, uint32_t value, uint32_t least, uint32_t most,
                         GError **errp)
{
    if (value < least || value > most) {
        error_set(errp, "'%s' is %u: it must be from %u to %u", name, value, least, most);
        return false;
    }
    return true;
}

/* MiB, if given so, else bytes. */
static uint64_t size_of(uint32_t mb, uint64_t bytes)
{
    return mb == PROP_UNSET ? bytes : mb * MIB;
}

static bool find_sizes(const Qxl *s, uint64_t *ram, uint64_t *vram32, uint64_t *vram, GError **errp)
{
    const uint64_t vgamem = s->vga.memory_mb * MIB;

    *ram = pow2ceil(MAX(size_of(s->ram_mb, s->ram_size), 2 * vgamem));
    *vram32 = pow2ceil(MAX(size_of(s->vram_mb, s->vram_size), VRAM_MIN));
    *vram = MAX(*vram32, s->vram64_mb == PROP_UNSET ? 0 : pow2ceil(s->vram64_mb * MIB));
    if (*ram > BAR_MAX || *vram32 > BAR_MAX || *vram > VRAM_MAX) {
        error_set(errp,
                  "the RAM has %" PRIu64 " MiB, the video memory %" PRIu64 " (vram64: %" PRIu64
                  "): there can be up to %" PRIu64 ", %" PRIu64 " and %" PRIu64,
                  *ram / MIB, *vram32 / MIB, *vram / MIB, BAR_MAX / MIB, BAR_MAX / MIB,
                  VRAM_MAX / MIB);
        return false;
    }
    return true;
}

static bool check(Qxl *s, GError **errp)
{
    const uint32_t outputs = s->max_outputs;

    s->vga.memory_mb = (uint32_t)pow2ceil(CLAMP(s->vga.memory_mb, VGAMEM_MIN, VGAMEM_MAX));
    return check_number("revision", s->revision, REVISION_MIN, REVISION_MAX, errp) &&
           check_number("surfaces", s->surfaces, 1, QXL_SURFACES_MAX, errp) &&
           check_number("max_outputs", outputs, 0, OUTPUTS_MAX, errp);
}

/* ---- its life ---- */

static bool make_vga(Qxl *s, PciDevice *dev, GError **errp)
{
    if (s->primary) {
        return vga_realize(&s->vga, dev, true, errp);
    }
    s->vga.screen.console = s->vga.shared;
    return vram_init(&s->vga.vram, dev, s->vga.memory_mb * MIB, s->vga.whole, errp);
}

static void free_vga(Qxl *s)
{
    if (s->primary) {
        vga_unrealize(&s->vga);
    } else {
        screen_off(&s->vga.screen);
        s->vga.screen.console = s->vga.shared = NULL;
        screen_destroy(&s->vga.screen);
        vram_destroy(&s->vga.vram);
    }
}

static bool make_memory(Qxl *s, PciDevice *dev, GError **errp)
{
    uint64_t vram32, vram;

    if (!find_sizes(s, &s->vga.whole, &vram32, &vram, errp) || !make_vga(s, dev, errp)) {
        return false;
    }
    s->ram = s->vga.vram.block;
    s->vram = vram_block(dev, "vram2", vram, errp);
    s->rom_block = s->vram ? vram_block(dev, "qxl-rom", QXL_ROM_SIZE, errp) : NULL;
    if (!s->rom_block) {
        g_clear_pointer(&s->vram, ram_block_unref);
        free_vga(s);
        return false;
    }
    g_mutex_lock(&s->lock);
    s->rom = (QXLRom *)s->rom_block->host;
    s->header = (QXLRam *)(s->ram->host + s->ram->size - QXL_HEADER_SIZE);
    g_mutex_unlock(&s->lock);
    memory_region_init_ram(&s->vram_region, "qxl-vram", s->vram);
    memory_region_init_alias(&s->vram_bar, "qxl-vram", &s->vram_region, 0, vram32);
    memory_region_init_ram(&s->rom_bar_region, "qxl-rom", s->rom_block);
    memory_region_set_readonly(&s->rom_bar_region, true);
    memory_region_init_io(&s->io, &qxl_io_ops, s, "qxl-ports", IO_SIZE);
    pci_add_bar(dev, 0, 0, &s->vga.vram.region);
    pci_add_bar(dev, 1, 0, &s->vram_bar);
    pci_add_bar(dev, 2, 0, &s->rom_bar_region);
    pci_add_bar(dev, 3, PCI_BAR_IO, &s->io);
    if (vram > vram32) {
        pci_add_bar(dev, 4, PCI_BAR_MEM64 | PCI_BAR_PREFETCH, &s->vram_region);
    }
    return true;
}

static void free_console(Qxl *s)
{
    console_free(s->vga.shared);
    s->vga.shared = NULL;
    spice_card_remove(&s->card);
}

static bool qxl_realize(PciDevice *dev, GError **errp)
{
    Qxl *s = QXL(dev);
    Console *console;

    if (!check(s, errp)) {
        return false;
    }
    s->card = (SpiceCard){ OBJECT(dev), &qxl_card_ops, s, s->surfaces };
    s->monitors = g_malloc0(sizeof(*s->monitors) + QXL_HEADS_MAX * sizeof(QXLHead));
    s->stopped = !runstate_is_running();
    dev->config[PCI_REVISION_ID] = (uint8_t)s->revision;
    dev->initial[PCI_REVISION_ID] = (uint8_t)s->revision;
    /* A SPICE server asks for the ROM as soon as there is a console. */
    spice_card_add(&s->card);
    console = s->vga.shared = console_new(OBJECT(dev), 0, &console_source, s);
    if (!make_memory(s, dev, errp)) {
        s->vga.shared = console;
        free_console(s);
        g_clear_pointer(&s->monitors, g_free);
        return false;
    }
    runstate_add_start(started, s);
    runstate_add_stop(stopped, s);
    return true;
}

static void qxl_unrealize(PciDevice *dev)
{
    Qxl *s = QXL(dev);
    Console *console = s->vga.screen.console;

    runstate_remove_start(started, s);
    runstate_remove_stop(stopped, s);
    qxl_reset_card(s);
    g_mutex_lock(&s->lock);
    s->rom = NULL;
    s->header = NULL;
    g_mutex_unlock(&s->lock);
    free_vga(s);
    s->vga.shared = console;
    free_console(s);
    qxl_cancel_bell(s);
    memory_region_destroy(&s->io);
    memory_region_destroy(&s->rom_bar_region);
    memory_region_destroy(&s->vram_bar);
    memory_region_destroy(&s->vram_region);
    g_clear_pointer(&s->rom_block, ram_block_unref);
    g_clear_pointer(&s->vram, ram_block_unref);
    g_clear_pointer(&s->monitors, g_free);
    s->ram = NULL;
}

static void qxl_reset(PciDevice *dev)
{
    Qxl *s = QXL(dev);

    qxl_reset_card(s);
    if (s->primary) {
        vga_reset(&s->vga);
    }
}

/* What it has loaded, the table sees to. */
static void qxl_loaded(PciDevice *dev)
{
}

/* ---- state ---- */

static bool loaded(void *opaque, GError **errp)
{
    return qxl_restore(opaque, errp);
}

static const StateField slot_fields[] = {
    STATE_UINT_MAX(QxlSlot, memory, 2),
    STATE_UINT(QxlSlot, offset),
    STATE_UINT(QxlSlot, size),
    STATE_UINT(QxlSlot, base),
    {},
};
static const StateTable slot_state = { .name = "qxl-slot", .version = 1, .fields = slot_fields };

static const StateField place_fields[] = {
    STATE_UINT_MAX(QxlSurfacePlace, memory, 2),
    STATE_UINT(QxlSurfacePlace, format),
    STATE_UINT(QxlSurfacePlace, width),
    STATE_UINT(QxlSurfacePlace, height),
    STATE_INT(QxlSurfacePlace, stride),
    STATE_UINT(QxlSurfacePlace, offset),
    {},
};
static const StateTable place_state = { .name = "qxl-surface",
                                        .version = 1,
                                        .fields = place_fields };

static const StateField qxl_fields[] = {
    STATE_STRUCT(Qxl, parent, &pci_device_state),
    STATE_STRUCT(Qxl, vga, &vga_state),
    STATE_UINT_MAX(Qxl, mode, QXL_MODE_MAX),
    STATE_BOOL(Qxl, broken),
    STATE_STRUCTS(Qxl, slots, &slot_state),
    STATE_STRUCTS(Qxl, places, &place_state),
    STATE_UINT(Qxl, mouse_mode),
    STATE_UINT(Qxl, position),
    STATE_BOOL(Qxl, chained),
    STATE_UINT_MAX(Qxl, chain_memory, 2),
    STATE_UINT(Qxl, chain_offset),
    STATE_BLOB(Qxl, cursor),
    STATE_BOOL(Qxl, cursor_set),
    STATE_INT(Qxl, cursor_x),
    STATE_INT(Qxl, cursor_y),
    {},
};
static const StateTable qxl_state = {
    .name = TYPE_QXL, .version = 1, .fields = qxl_fields, .post_load = loaded
};

/* ---- types ---- */

static const PciFunctionClass vga_ops = {
    .device = { PCI_DEVICE_CLASS_CORE, .category = "display", .flags = DEVICE_USER_CREATABLE,
                .state = &qxl_state },
    .rom = "vgabios-qxl.bin",
    .realize = qxl_realize,
    .unrealize = qxl_unrealize,
    .reset = qxl_reset,
    .loaded = qxl_loaded,
};

static const PciFunctionClass secondary_ops = {
    .device = { PCI_DEVICE_CLASS_CORE, .category = "display", .flags = DEVICE_USER_CREATABLE,
                .state = &qxl_state },
    .realize = qxl_realize,
    .unrealize = qxl_unrealize,
    .reset = qxl_reset,
    .loaded = qxl_loaded,
};

static void common_init(Object *obj)
{
    Qxl *s = QXL(obj);

    g_mutex_init(&s->lock);
    g_queue_init(&s->waiting);
    s->vga.ext_regs = true;
}

static void common_finalize(Object *obj)
{
    Qxl *s = QXL(obj);

    g_clear_pointer(&s->cursor, g_bytes_unref);
    g_mutex_clear(&s->lock);
}

static void vga_init(Object *obj)
{
    QXL(obj)->primary = true;
    pci_set_registers(PCI_DEVICE(obj), vga_registers, G_N_ELEMENTS(vga_registers));
}

static void secondary_init(Object *obj)
{
    pci_set_registers(PCI_DEVICE(obj), secondary_registers, G_N_ELEMENTS(secondary_registers));
}

#define NUMBER(text, member, value, what)                                                        \
    {                                                                                            \
        .name = text, .kind = PROP_UINT32, .offset = offsetof(Qxl, member), .has_default = true, \
        .default_int = (value), .description = what                                              \
    }

static const Property qxl_properties[] = {
    NUMBER("ram_size", ram_size, 64 << 20, "bytes of the RAM (BAR 0): made a power of 2"),
    NUMBER("ram_size_mb", ram_mb, PROP_UNSET, "MiB of the RAM, in place of ram_size"),
    { .name = "vram_size",
      .kind = PROP_UINT64,
      .offset = offsetof(Qxl, vram_size),
      .has_default = true,
      .default_int = 64 << 20,
      .description = "bytes of the video memory (BAR 1): made a power of 2" },
    NUMBER("vram_size_mb", vram_mb, PROP_UNSET, "MiB of the video memory, in place of vram_size"),
    NUMBER("vram64_size_mb", vram64_mb, PROP_UNSET,
           "MiB of the video memory, of which BAR 4 shows all if BAR 1 does not"),
    NUMBER("vgamem_mb", vga.memory_mb, 16,
           "MiB of the RAM for the VGA and the largest mode: 8 to 256"),
    NUMBER("revision", revision, REVISION_MAX, "of the card: 1 to 5"),
    NUMBER("surfaces", surfaces, QXL_SURFACES_MAX, "that the guest may have: 1 to 1024"),
    NUMBER("max_outputs", max_outputs, 0,
           "heads that the guest is told to have, up to 16; 0: as it likes"),
    NUMBER("xres", xres, 0, "accepted: there is no EDID"),
    NUMBER("yres", yres, 0, "accepted: there is no EDID"),
    { 0 },
};

static const ObjectType common_type = {
    .name = "qxl-common",
    .parent = TYPE_PCI_DEVICE,
    .description = "A QXL card",
    .abstract = true,
    .instance_size = sizeof(Qxl),
    .properties = qxl_properties,
    .init = common_init,
    .finalize = common_finalize,
};
OBJECT_TYPE_REGISTER(common_type)

static const ObjectType vga_type = {
    .name = TYPE_QXL_VGA,
    .parent = "qxl-common",
    .description = "Graphics card: QXL, SPICE's own, that is a VGA as well",
    .ops = &vga_ops,
    .init = vga_init,
};
OBJECT_TYPE_REGISTER(vga_type)

static const ObjectType secondary_type = {
    .name = TYPE_QXL,
    .parent = "qxl-common",
    .description = "Graphics card: QXL, SPICE's own, without a VGA",
    .ops = &secondary_ops,
    .init = secondary_init,
};
OBJECT_TYPE_REGISTER(secondary_type)

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a QXL card tells its guest: the ROM with its modes, and the header at the end of the RAM. */
#include <string.h>
#include <zlib.h>

#include "hw/display/qxl.h"
#include "util/units.h"

/* Each with 16 and 32 bits a pixel, as it is and turned. */
static const struct {
    uint16_t width, height;
} sizes[] = {
    { 640, 480 },   { 800, 480 },   { 800, 600 },   { 832, 624 },   { 960, 640 },   { 1024, 600 },
    { 1024, 768 },  { 1152, 864 },  { 1152, 870 },  { 1280, 720 },  { 1280, 760 },  { 1280, 768 },
    { 1280, 800 },  { 1280, 960 },  { 1280, 1024 }, { 1360, 768 },  { 1366, 768 },  { 1400, 1050 },
    { 1440, 900 },  { 1600, 900 },  { 1600, 1200 }, { 1680, 1050 }, { 1920, 1080 }, { 1920, 1200 },
    { 1920, 1440 }, { 2000, 2000 }, { 2048, 1536 }, { 2048, 2048 }, { 2560, 1440 }, { 2560, 1600 },
    { 2560, 2048 }, { 2800, 2100 }, { 3200, 2400 }, { 3840, 2160 }, { 4096, 2160 }, { 7680, 4320 },
    { 8192, 4320 },
};

enum {
    PER_SIZE = 4,
    SLOT_BITS = 8,
    MODES_AT = sizeof(QXLRom),
};

/* So large is a pixel of a screen that users have: 86.5 to the inch. */
static uint32_t millimetres(uint32_t pixels)
{
    return pixels * 254 / 865;
}

static QXLMode make_mode(uint32_t id)
{
    const unsigned bits = id & 1 ? 32 : 16;
    const uint32_t width = sizes[id / PER_SIZE].width, height = sizes[id / PER_SIZE].height;

    return (QXLMode){ .id = id,
                      .x_res = width,
                      .y_res = height,
                      .bits = bits,
                      .stride = width * bits / 8,
                      .x_mili = millimetres(width),
                      .y_mili = millimetres(height),
                      .orientation = id >> 1 & 1 };
}

static uint32_t screen_size(const Qxl *s)
{
    return s->vga.memory_mb * (uint32_t)MIB;
}

/* The ROM itself, which a stream has brought, is not believed. */
bool qxl_mode(const Qxl *s, uint32_t id, QXLMode *mode)
{
    if (id >= PER_SIZE * G_N_ELEMENTS(sizes)) {
        return false;
    }
    *mode = make_mode(id);
    return mode->stride * mode->y_res <= screen_size(s);
}

/* The ROM is the guest's to read only. */
void qxl_init_rom(Qxl *s)
{
    QXLRom *rom = s->rom;
    QXLModes *modes = (QXLModes *)(s->rom_block->host + MODES_AT);
    const uint32_t screen = screen_size(s);
    const uint8_t present = rom->client_present;
    uint8_t caps[sizeof(rom->client_capabilities)];

    memcpy(caps, rom->client_capabilities, sizeof(caps));
    memset(s->rom_block->host, 0, QXL_ROM_SIZE);
    *rom = (QXLRom){
        .magic = QXL_ROM_MAGIC,
        .id = console_index(s->vga.screen.console),
        .modes_offset = MODES_AT,
        .num_pages = (uint32_t)(s->ram->size - screen - QXL_HEADER_SIZE) / 4096,
        .pages_offset = screen,
        .surface0_area_size = screen,
        .ram_header_offset = (uint32_t)(s->ram->size - QXL_HEADER_SIZE),
        .n_surfaces = s->surfaces,
        .slots_start = QXL_SLOTS_FIRST,
        .slots_end = QXL_SLOTS - 1,
        .slot_gen_bits = SLOT_BITS,
        .slot_id_bits = SLOT_BITS,
        .client_present = present,
    };
    memcpy(rom->client_capabilities, caps, sizeof(caps));
    for (uint32_t id = 0; id < PER_SIZE * G_N_ELEMENTS(sizes); id++) {
        QXLMode mode;

        if (qxl_mode(s, id, &mode)) {
            modes->modes[modes->n_modes++] = mode;
        }
    }
}

/* The guest's from then on: nothing in it is believed. */
void qxl_init_header(Qxl *s)
{
    QXLRam *ram = s->header;

    ram->magic = QXL_RAM_MAGIC;
    ram->int_pending = ram->int_mask = 0;
    ram->update_surface = 0;
    ram->monitors_config = 0;
    SPICE_RING_INIT(&ram->cmd_ring);
    SPICE_RING_INIT(&ram->cursor_ring);
    SPICE_RING_INIT(&ram->release_ring);
    ram->release_ring.items[0].el = 0;
}

/* As Linux counts it: from 0 on, and not inverted. */
static uint32_t checksum(const void *data, size_t size)
{
    return ~(uint32_t)crc32(UINT32_MAX, data, (uInt)size);
}

static bool is_heard(const Qxl *s)
{
    return s->header && s->revision >= QXL_REVISION_STABLE_V12 &&
           s->header->int_mask & QXL_INTERRUPT_CLIENT_MONITORS_CONFIG;
}

bool qxl_client_monitors(Qxl *s, const VDAgentMonitorsConfig *config)
{
    QXLRom *rom = s->rom;
    unsigned count;

    if (!is_heard(s)) {
        return false;
    }
    if (!config) {
        return true;
    }
    count = MIN(config->num_of_monitors, QXL_HEADS_MAX);
    count = s->max_outputs ? MIN(count, s->max_outputs) : count;
    g_mutex_lock(&s->lock);
    memset(&rom->client_monitors_config, 0, sizeof(rom->client_monitors_config));
    rom->client_monitors_config.count = (uint16_t)count;
    for (unsigned i = 0; i < count; i++) {
        const VDAgentMonConfig *m = &config->monitors[i];

        rom->client_monitors_config.heads[i] = (QXLURect){ .top = (uint32_t)m->y,
                                                           .left = (uint32_t)m->x,
                                                           .bottom = (uint32_t)m->y + m->height,
                                                           .right = (uint32_t)m->x + m->width };
    }
    rom->client_monitors_config_crc =
        checksum(&rom->client_monitors_config, sizeof(rom->client_monitors_config));
    qxl_tell(s, QXL_INTERRUPT_CLIENT_MONITORS_CONFIG);
    g_mutex_unlock(&s->lock);
    return true;
}

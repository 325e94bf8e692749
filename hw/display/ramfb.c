/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ramfb: a picture in the guest's RAM. Firmware writes where it is, and how, into the file
 * etc/ramfb of fw_cfg (QEMU's published interface); there is nothing else of it. As nobody is told
 * who writes to RAM, all of the picture is looked at each time.
 */
#include <string.h>

#include "hw/core/device.h"
#include "hw/core/firmware-file.h"
#include "hw/display/screen.h"
#include "hw/i386/fw-cfg.h"
#include "memory/dma.h"
#include "util/bytes.h"
#include "util/error.h"

#define TYPE_RAMFB "ramfb"
#define FILE_NAME  "etc/ramfb"
#define ROM        "vgabios-ramfb.bin"
#define ROM_FILE   "vgaroms/" ROM
#define PIXELS_MIN 16
#define PIXELS_MAX 8192

/* The file, big endian: u64 address, and u32 each the format's four letters, flags, width, height,
 * bytes of a line (0: as many as it needs). */
enum { ADDRESS = 0, FORMAT = 8, WIDTH = 16, HEIGHT = 20, PITCH = 24, FILE_SIZE = 28 };

typedef struct RamFb {
    Device parent;
    /* state */
    uint8_t file[FILE_SIZE]; /* as the guest has left it */
    /* wiring */
    Screen screen;
} RamFb;
OBJECT_CAST_DEFINE(RamFb, RAMFB, TYPE_RAMFB)

static const DmaSpace dma = { .as = &address_space_memory };

/* As Linux's drm_fourcc.h names them, the first letter in the lowest byte. */
static bool format_of(uint32_t letters, PixelFormat *format)
{
    static const struct {
        char letters[5];
        PixelFormat format;
    } formats[] = { { "XR24", PIXEL_XRGB8888 },
                    { "AR24", PIXEL_XRGB8888 },
                    { "RG24", PIXEL_RGB888 },
                    { "RG16", PIXEL_RGB565 },
                    { "XR15", PIXEL_RGB555 } };
    const char given[] = { (char)letters, (char)(letters >> 8), (char)(letters >> 16),
                           (char)(letters >> 24) };

    for (unsigned i = 0; i < G_N_ELEMENTS(formats); i++) {
        if (memcmp(formats[i].letters, given, sizeof(given)) == 0) {
            *format = formats[i].format;
            return true;
        }
    }
    return false;
}

/* What the guest has said, if that makes sense; `offset` is an address. */
static bool framebuffer(const RamFb *s, Framebuffer *fb)
{
    uint64_t line;

    fb->offset = bytes_get_be64(s->file + ADDRESS);
    fb->width = bytes_get_be32(s->file + WIDTH);
    fb->height = bytes_get_be32(s->file + HEIGHT);
    fb->pitch = bytes_get_be32(s->file + PITCH);
    if (!format_of(bytes_get_be32(s->file + FORMAT), &fb->format) || fb->width < PIXELS_MIN ||
        fb->height < PIXELS_MIN || fb->width > PIXELS_MAX || fb->height > PIXELS_MAX) {
        return false;
    }
    line = (uint64_t)fb->width * pixels_size(fb->format);
    fb->pitch = fb->pitch ? fb->pitch : line;
    return fb->pitch >= line && dma_is_ram(&dma, fb->offset, fb->pitch * (fb->height - 1) + line);
}

static void update(void *opaque)
{
    RamFb *s = opaque;
    Framebuffer fb;

    if (!framebuffer(s, &fb)) {
        screen_off(&s->screen);
        return;
    }
    screen_resize(&s->screen, fb.width, fb.height);
    uint64_t size = (uint64_t)fb.width * pixels_size(fb.format);
    g_autofree uint8_t *line = g_malloc(size);
    for (unsigned y = 0; y < fb.height; y++) {
        if (dma_read_ram(&dma, fb.offset + y * fb.pitch, line, size)) {
            pixels_convert(fb.format, line, s->screen.line, fb.width, NULL);
            screen_put_line(&s->screen, y);
        }
    }
    screen_end(&s->screen);
}

static const ConsoleSource console_source = { .update = update };

/* ---- its life ---- */

static void show(const RamFb *s)
{
    fw_cfg_set_file_copy(fw_cfg_get(), FILE_NAME, s->file, FILE_SIZE);
}

static void written(void *opaque, GBytes *bytes, uint64_t offset, uint64_t len)
{
    RamFb *s = opaque;

    memcpy(s->file, g_bytes_get_data(bytes, NULL), FILE_SIZE);
}

static void ramfb_reset(Device *dev)
{
    RamFb *s = RAMFB(dev);

    memset(s->file, 0, FILE_SIZE);
    show(s);
}

static bool loaded(void *opaque, GError **errp)
{
    show(opaque);
    return true;
}

/* By it SeaBIOS, and what it boots, can write texts; without it the screen is for others. */
static void add_rom(FwCfg *fw)
{
    g_autofree char *path = firmware_file_find(ROM, NULL);
    char *contents;
    gsize size;

    if (path && g_file_get_contents(path, &contents, &size, NULL)) {
        g_autoptr(GBytes) bytes = g_bytes_new_take(contents, size);

        fw_cfg_set_file(fw, ROM_FILE, bytes);
    }
}

static bool ramfb_realize(Device *dev, GError **errp)
{
    FwCfg *fw = fw_cfg_get();

    if (!fw) {
        error_set(errp, "a guest tells of its picture by fw_cfg, which this machine has not");
        return false;
    }
    if (fw_cfg_find_file(fw, FILE_NAME)) {
        error_set(errp, "there is a " TYPE_RAMFB " already; one is enough");
        return false;
    }
    ramfb_reset(dev);
    fw_cfg_set_file_writable(fw, FILE_NAME, written, dev);
    add_rom(fw);
    screen_init(&RAMFB(dev)->screen, OBJECT(dev), 0, &console_source, dev);
    return true;
}

static void ramfb_unrealize(Device *dev)
{
    screen_destroy(&RAMFB(dev)->screen);
    fw_cfg_remove_file(fw_cfg_get(), FILE_NAME);
    fw_cfg_remove_file(fw_cfg_get(), ROM_FILE);
}

static const StateField ramfb_fields[] = {
    STATE_UINTS(RamFb, file),
    {},
};
static const StateTable ramfb_state = {
    .name = TYPE_RAMFB, .version = 1, .fields = ramfb_fields, .post_load = loaded
};

static const DeviceClass ramfb_device_ops = {
    .category = "display",
    .flags = DEVICE_USER_CREATABLE,
    .realize = ramfb_realize,
    .unrealize = ramfb_unrealize,
    .reset = ramfb_reset,
    .state = &ramfb_state,
};

static const ObjectType ramfb_type = {
    .name = TYPE_RAMFB,
    .parent = TYPE_DEVICE,
    .description = "A screen whose picture is in the guest's RAM",
    .instance_size = sizeof(RamFb),
    .ops = &ramfb_device_ops,
};
OBJECT_TYPE_REGISTER(ramfb_type)

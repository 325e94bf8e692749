/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Screens in QMP and HMP (qapi/screen.json). */
#include <inttypes.h>
#include <png.h>
#include <string.h>

#include "monitor/hmp.h"
#include "monitor/output-file.h"
#include "qapi/qapi-commands.h"
#include "ui/console.h"
#include "util/error.h"
#include "util/parse.h"

/* ---- which screen ---- */

static Console *find_console(const char *device, int64_t head, GError **errp)
{
    bool ambiguous = false;
    const Object *obj = object_resolve(device, &ambiguous);

    if (!obj) {
        error_set(errp,
                  ambiguous ? "'%s' is the name of several objects; give a path"
                            : "there is no device '%s'",
                  device);
        return NULL;
    }
    if (!console_by_device(obj, 0)) {
        error_set(errp, "device '%s' has no screen", device);
        return NULL;
    }
    Console *console =
        head >= 0 && head <= UINT32_MAX ? console_by_device(obj, (unsigned)head) : NULL;
    if (!console) {
        error_set(errp, "device '%s' has no head %" PRId64 "; the first is 0", device, head);
    }
    return console;
}

static Console *first_console(bool has_head, GError **errp)
{
    if (has_head) {
        error_set(errp, "'head' is one of a device: give 'device', too");
        return NULL;
    }
    if (!console_first()) {
        error_set(errp, "there is no screen: the machine has no display device, such as VGA");
    }
    return console_first();
}

/* ---- formats ---- */

/* A line as bytes: red, green, blue. */
static void put_line(uint8_t *to, pixman_image_t *image, int y)
{
    const uint32_t *from =
        pixman_image_get_data(image) + (size_t)y * pixman_image_get_stride(image) / 4;

    for (int x = 0; x < pixman_image_get_width(image); x++) {
        *to++ = (uint8_t)(from[x] >> 16);
        *to++ = (uint8_t)(from[x] >> 8);
        *to++ = (uint8_t)from[x];
    }
}

static GByteArray *make_ppm(pixman_image_t *image)
{
    int width = pixman_image_get_width(image), height = pixman_image_get_height(image);
    g_autofree char *header = g_strdup_printf("P6\n%d %d\n255\n", width, height);
    GByteArray *out = g_byte_array_new();
    guint at = (guint)strlen(header);

    g_byte_array_append(out, (const guint8 *)header, at);
    g_byte_array_set_size(out, at + (guint)width * (guint)height * 3);
    for (int y = 0; y < height; y++, at += (guint)width * 3) {
        put_line(out->data + at, image, y);
    }
    return out;
}

static void png_append(png_structp png, png_bytep data, png_size_t size)
{
    g_byte_array_append(png_get_io_ptr(png), data, (guint)size);
}

static void png_flushed(png_structp png)
{
}

static GByteArray *make_png(pixman_image_t *image)
{
    png_uint_32 width = (png_uint_32)pixman_image_get_width(image);
    png_uint_32 height = (png_uint_32)pixman_image_get_height(image);
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    g_autofree uint8_t *line = g_malloc((gsize)width * 3);
    GByteArray *out = g_byte_array_new();

    /* Nothing can fail in memory: what libpng would tell us is a bug, and it aborts. */
    png_set_write_fn(png, out, png_append, png_flushed);
    png_set_IHDR(png, info, width, height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    for (unsigned y = 0; y < height; y++) {
        put_line(line, image, (int)y);
        png_write_row(png, line);
    }
    png_write_end(png, NULL);
    png_destroy_write_struct(&png, &info);
    return out;
}

/* ---- the commands ---- */

bool qmp_screendump(const char *filename, const char *device, bool has_head, int64_t head,
                    bool has_format, ImageFormat format, GError **errp)
{
    Console *console =
        device ? find_console(device, has_head ? head : 0, errp) : first_console(has_head, errp);
    OutputFile file;

    if (!console || !output_file_open(&file, filename, false, errp)) {
        return false;
    }
    console_refresh(console);
    pixman_image_t *image = console_surface(console);
    g_autoptr(GByteArray) bytes =
        has_format && format == IMAGE_FORMAT_PNG ? make_png(image) : make_ppm(image);
    bool ok = output_file_write_at(&file, bytes->data, bytes->len, 0, errp);
    output_file_close(&file, ok);
    return ok;
}

void hmp_screendump(Hmp *hmp, char **argv)
{
    const char *file = argv[0], *device = NULL;
    ImageFormat format = IMAGE_FORMAT_PPM;
    GError *err = NULL; /* hmp_error() takes it */
    uint64_t head = 0;

    argv++;
    if (argv[0] && strcmp(argv[0], "-f") == 0) {
        if (!argv[1] || (strcmp(argv[1], "ppm") && strcmp(argv[1], "png"))) {
            hmp_printf(hmp, "Error: behind -f comes ppm or png\n");
            return;
        }
        format = strcmp(argv[1], "png") == 0 ? IMAGE_FORMAT_PNG : IMAGE_FORMAT_PPM;
        argv += 2;
    }
    device = argv[0];
    if (device && argv[1] && !parse_uint(argv[1], UINT32_MAX, &head)) {
        hmp_printf(hmp, "Error: '%s' is no number of a screen\n", argv[1]);
    } else if (!qmp_screendump(file, device, device != NULL, (int64_t)head, true, format, &err)) {
        hmp_error(hmp, err);
    }
}

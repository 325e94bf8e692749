/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Display devices: from known memory to known pixels, and what the window makes of bytes. */
#include <string.h>

#include "hw/display/vga.h"
#include "hw/display/vram.h"
#include "memory/address-space.h"
#include "util/main-loop.h"
#include "util/units.h"

#define RED   0xff0000u
#define GREEN 0x00ff00u
#define BLUE  0x0000ffu
#define WHITE 0xffffffu
#define VRAM  (1 * MIB)

static const ConsoleSource source = { 0 };

/* A VGA without its function. */
static Vga *vga_make(void)
{
    Vga *s = g_new0(Vga, 1);

    s->vram.block = ram_block_new("vram", VRAM, -1, false, true, 0, NULL);
    s->vram.size = VRAM;
    memory_region_init_ram(&s->vram.region, "vram", s->vram.block);
    s->vram.dirty = g_malloc0(VRAM / DIRTY_PAGE);
    screen_init(&s->screen, object_root(), 0, &source, s);
    vga_reset(s);
    vga_port_write(s, 0x3c2, 0x63); /* colour */
    return s;
}

static void vga_drop(Vga *s)
{
    screen_destroy(&s->screen);
    g_free(s->drawn);
    vram_destroy(&s->vram);
    g_free(s);
}

static void set(Vga *s, unsigned port, uint8_t index, uint8_t value)
{
    vga_port_write(s, port, index);
    vga_port_write(s, port + 1, value);
}

static void set_attr(Vga *s, uint8_t index, uint8_t value)
{
    vga_port_read(s, 0x3da);
    vga_port_write(s, 0x3c0, index);
    vga_port_write(s, 0x3c0, value);
}

static void set_colour(Vga *s, uint8_t index, uint32_t rgb)
{
    vga_port_write(s, 0x3c8, index);
    vga_port_write(s, 0x3c9, rgb >> 18 & 0x3f);
    vga_port_write(s, 0x3c9, rgb >> 10 & 0x3f);
    vga_port_write(s, 0x3c9, rgb >> 2 & 0x3f);
}

/* @cells of eight dots, or nine, by @height lines, from counter 0 on. */
static void set_size(Vga *s, unsigned cells, unsigned height, unsigned rows)
{
    set(s, 0x3d4, VGA_CRTC_SYNC_END, 0);
    set(s, 0x3d4, VGA_CRTC_H_DISPLAY, cells - 1);
    set(s, 0x3d4, VGA_CRTC_V_DISPLAY, height - 1);
    set(s, 0x3d4, VGA_CRTC_OVERFLOW, 0x10); /* bit 8 of the line compare */
    set(s, 0x3d4, VGA_CRTC_COMPARE, 0xff);
    set(s, 0x3d4, VGA_CRTC_MAX_SCAN, 0x40 | (rows - 1));
    set(s, 0x3d4, VGA_CRTC_OFFSET, cells / 2);
    set(s, 0x3d4, VGA_CRTC_MODE, 0xe3);
    for (unsigned i = 0; i < 16; i++) {
        set_attr(s, i, i);
    }
    set_attr(s, VGA_ATTR_PLANES, 0xf);
    vga_port_read(s, 0x3da);
    vga_port_write(s, 0x3c0, VGA_ATTR_ON);
}

static uint32_t pixel(Vga *s, unsigned x, unsigned y)
{
    pixman_image_t *image = console_surface(s->screen.console);

    g_assert_cmpint(x, <, pixman_image_get_width(image));
    g_assert_cmpint(y, <, pixman_image_get_height(image));
    return pixman_image_get_data(image)[y * pixman_image_get_stride(image) / 4 + x];
}

static void assert_size(Vga *s, int width, int height)
{
    pixman_image_t *image = console_surface(s->screen.console);

    g_assert_cmpint(pixman_image_get_width(image), ==, width);
    g_assert_cmpint(pixman_image_get_height(image), ==, height);
}

static void set_text(Vga *s)
{
    set(s, 0x3c4, VGA_SEQ_MODE, 2);
    set(s, 0x3ce, VGA_GFX_MODE, 0x10);
    set(s, 0x3ce, VGA_GFX_MISC, 0x0e);
    set(s, 0x3ce, VGA_GFX_BIT_MASK, 0xff);
    set(s, 0x3c4, VGA_SEQ_MAP_MASK, 3);
    set_size(s, 4, 32, 16);
    set(s, 0x3d4, VGA_CRTC_CURSOR_START, 0x20);
    set_attr(s, VGA_ATTR_PANNING, 8); /* none, of nine dots */
    vga_port_write(s, 0x3c0, VGA_ATTR_ON);
    set_colour(s, 1, BLUE);
    set_colour(s, 2, GREEN);
    set_colour(s, 4, RED);
}

/* A character whose second line has its first dot and its last. */
static void load_font(Vga *s, unsigned ch)
{
    set(s, 0x3c4, VGA_SEQ_MAP_MASK, 4);
    set(s, 0x3c4, VGA_SEQ_MODE, 6);
    set(s, 0x3ce, VGA_GFX_MISC, 4);
    vga_window_write(s, ch * 32 + 1, 0x81);
    set(s, 0x3ce, VGA_GFX_MISC, 0x0e);
    set(s, 0x3c4, VGA_SEQ_MODE, 2);
    set(s, 0x3c4, VGA_SEQ_MAP_MASK, 3);
}

static void test_text(void)
{
    Vga *s = vga_make();

    vga_draw(s);
    assert_size(s, CONSOLE_WIDTH, CONSOLE_HEIGHT); /* no mode was set */
    set_text(s);
    load_font(s, 'A');
    load_font(s, 0xc4);
    vga_window_write(s, 0x18002, 'A');
    vga_window_write(s, 0x18003, 0x41); /* blue on red */
    vga_draw(s);
    assert_size(s, 36, 32);
    g_assert_cmphex(pixel(s, 0, 1), ==, 0);
    g_assert_cmphex(pixel(s, 9, 1), ==, BLUE);
    g_assert_cmphex(pixel(s, 10, 1), ==, RED);
    g_assert_cmphex(pixel(s, 16, 1), ==, BLUE);
    g_assert_cmphex(pixel(s, 17, 1), ==, RED); /* the ninth dot */
    g_assert_cmphex(pixel(s, 9, 0), ==, RED);
    g_assert_cmphex(pixel(s, 9, 17), ==, 0);
    vga_window_write(s, 0x18002, 0xc4);
    set_attr(s, VGA_ATTR_MODE, 4); /* line graphics */
    vga_port_write(s, 0x3c0, VGA_ATTR_ON);
    vga_draw(s);
    g_assert_cmphex(pixel(s, 17, 1), ==, BLUE);
    set(s, 0x3c4, VGA_SEQ_CLOCKING, 9); /* eight dots, each twice */
    vga_draw(s);
    assert_size(s, 64, 32);
    g_assert_cmphex(pixel(s, 17, 1), ==, BLUE);
    g_assert_cmphex(pixel(s, 18, 1), ==, RED);
    g_assert_cmphex(vga_window_read(s, 0x18003), ==, 0x41);
    vga_drop(s);
}

static void test_cursor(void)
{
    Vga *s = vga_make();

    set_text(s);
    vga_window_write(s, 0x18003, 2);
    set(s, 0x3d4, VGA_CRTC_CURSOR_START, 14);
    set(s, 0x3d4, VGA_CRTC_CURSOR_END, 15);
    set(s, 0x3d4, VGA_CRTC_CURSOR_HIGH + 1, 1);
    vga_draw(s);
    g_assert_cmphex(pixel(s, 9, 13), ==, 0);
    g_assert_cmphex(pixel(s, 9, 14), ==, GREEN);
    g_assert_cmphex(pixel(s, 17, 15), ==, GREEN);
    g_assert_cmphex(pixel(s, 0, 15), ==, 0);
    vga_drop(s);
}

/* 16 colours; write modes; a part of the picture that stays. */
static void test_planar(void)
{
    Vga *s = vga_make();

    set(s, 0x3c4, VGA_SEQ_MODE, 6);
    set(s, 0x3c4, VGA_SEQ_MAP_MASK, 0xf);
    set(s, 0x3ce, VGA_GFX_MISC, 5);
    set(s, 0x3ce, VGA_GFX_BIT_MASK, 0xff);
    set_size(s, 4, 8, 1);
    set_colour(s, 5, RED);
    set(s, 0x3ce, VGA_GFX_MODE, 2);
    vga_window_write(s, 0, 5); /* eight pixels of one colour */
    set(s, 0x3ce, VGA_GFX_BIT_MASK, 0x80);
    vga_window_read(s, 0);
    vga_window_write(s, 0, 0); /* and the first one black */
    vga_draw(s);
    assert_size(s, 32, 8);
    g_assert_cmphex(pixel(s, 0, 0), ==, 0);
    g_assert_cmphex(pixel(s, 1, 0), ==, RED);
    g_assert_cmphex(pixel(s, 7, 0), ==, RED);
    g_assert_cmphex(pixel(s, 8, 0), ==, 0);
    set(s, 0x3ce, VGA_GFX_MODE, 8); /* which are of colour 5? */
    set(s, 0x3ce, VGA_GFX_COMPARE, 5);
    set(s, 0x3ce, VGA_GFX_DONT_CARE, 0xf);
    g_assert_cmphex(vga_window_read(s, 0), ==, 0x7f);
    set(s, 0x3ce, VGA_GFX_MODE, 1); /* latches go to the next line */
    vga_window_write(s, 4, 0);
    vga_draw(s);
    g_assert_cmphex(pixel(s, 1, 1), ==, RED);
    set(s, 0x3d4, VGA_CRTC_START_HIGH + 1, 4);
    set(s, 0x3d4, VGA_CRTC_COMPARE, 3);
    set(s, 0x3d4, VGA_CRTC_OVERFLOW, 0);
    set(s, 0x3d4, VGA_CRTC_MAX_SCAN, 0);
    vga_draw(s);
    g_assert_cmphex(pixel(s, 1, 0), ==, RED); /* what was line 1 */
    g_assert_cmphex(pixel(s, 1, 3), ==, 0);
    g_assert_cmphex(pixel(s, 1, 4), ==, RED); /* and from the beginning */
    vga_drop(s);
}

static void test_packed(void)
{
    Vga *s = vga_make();

    set(s, 0x3c4, VGA_SEQ_MODE, 0xe);
    set(s, 0x3c4, VGA_SEQ_MAP_MASK, 0xf);
    set(s, 0x3ce, VGA_GFX_MISC, 5);
    set(s, 0x3ce, VGA_GFX_MODE, 0x40);
    set(s, 0x3ce, VGA_GFX_BIT_MASK, 0xff);
    set_size(s, 8, 8, 2);
    set_colour(s, 200, WHITE);
    vga_window_write(s, 3, 200);
    vga_window_write(s, 32 + 1, 200);
    vga_draw(s);
    assert_size(s, 64, 8);
    g_assert_cmphex(pixel(s, 5, 0), ==, 0);
    g_assert_cmphex(pixel(s, 6, 0), ==, WHITE);
    g_assert_cmphex(pixel(s, 7, 1), ==, WHITE);
    g_assert_cmphex(pixel(s, 2, 2), ==, WHITE);
    g_assert_cmphex(s->vram.block->host[3], ==, 200);
    set(s, 0x3c4, VGA_SEQ_CLOCKING, 0x20); /* no picture */
    vga_draw(s);
    g_assert_cmphex(pixel(s, 6, 0), ==, 0);
    vga_drop(s);
}

/* 4 colours of CGA, whose odd lines are elsewhere. */
static void test_cga(void)
{
    Vga *s = vga_make();

    set(s, 0x3c4, VGA_SEQ_MODE, 2);
    set(s, 0x3c4, VGA_SEQ_MAP_MASK, 3);
    set(s, 0x3ce, VGA_GFX_MISC, 0xf);
    set(s, 0x3ce, VGA_GFX_MODE, 0x30);
    set(s, 0x3ce, VGA_GFX_BIT_MASK, 0xff);
    set_size(s, 4, 4, 2);
    set(s, 0x3d4, VGA_CRTC_MODE, 0xa2);
    set_colour(s, 1, RED);
    set_colour(s, 3, BLUE);
    vga_window_write(s, 0x18001, 0x40); /* the fifth dot */
    vga_window_write(s, 0x1a000, 0xc0); /* line 1 */
    vga_draw(s);
    assert_size(s, 32, 4);
    g_assert_cmphex(pixel(s, 4, 0), ==, RED);
    g_assert_cmphex(pixel(s, 3, 0), ==, 0);
    g_assert_cmphex(pixel(s, 0, 1), ==, BLUE);
    g_assert_cmphex(pixel(s, 1, 1), ==, 0);
    vga_drop(s);
}

static void set_dispi(Vga *s, unsigned width, unsigned height, unsigned bpp)
{
    dispi_write(&s->dispi, &s->vram, DISPI_ENABLE, 0);
    dispi_write(&s->dispi, &s->vram, DISPI_XRES, width);
    dispi_write(&s->dispi, &s->vram, DISPI_YRES, height);
    dispi_write(&s->dispi, &s->vram, DISPI_BPP, bpp);
    dispi_write(&s->dispi, &s->vram, DISPI_ENABLE, DISPI_ENABLED | DISPI_LFB);
    vga_port_write(s, 0x3c0, VGA_ATTR_ON);
}

static void test_dispi(void)
{
    static const struct {
        unsigned bpp;
        uint8_t bytes[4];
        uint32_t pixel;
    } formats[] = { { 8, { 7 }, GREEN },
                    { 15, { 0x00, 0x7c }, RED },
                    { 15, { 0x10, 0x00 }, 0x84 },
                    { 16, { 0xe0, 0x07 }, GREEN },
                    { 16, { 0x00, 0x08 }, 0x080000 },
                    { 24, { 0x33, 0x22, 0x11 }, 0x112233 },
                    { 32, { 0x66, 0x55, 0x44, 0x99 }, 0x445566 } };
    Vga *s = vga_make();

    set_colour(s, 7, GREEN);
    vga_port_read(s, 0x3da);
    for (unsigned i = 0; i < G_N_ELEMENTS(formats); i++) {
        unsigned size = (formats[i].bpp + 7) / 8, at = (2 * 64 + 5) * size;

        set_dispi(s, 64, 48, formats[i].bpp);
        vga_port_read(s, 0x3da);
        vga_draw(s);
        memcpy(s->vram.block->host + at, formats[i].bytes, size);
        vram_mark(&s->vram, at, size);
        vga_draw(s);
        assert_size(s, 64, 48);
        g_assert_cmphex(pixel(s, 5, 2), ==, formats[i].pixel);
        g_assert_cmphex(pixel(s, 6, 2), ==, 0);
    }
    dispi_write(&s->dispi, &s->vram, DISPI_Y_OFFSET, 2); /* it moves up */
    vga_draw(s);
    g_assert_cmphex(pixel(s, 5, 0), ==, 0x445566);
    dispi_write(&s->dispi, &s->vram, DISPI_BANK, 1); /* the window, in banks */
    vga_window_write(s, 2, 0x77);
    g_assert_cmphex(s->vram.block->host[0x10002], ==, 0x77);
    g_assert_cmphex(vga_window_read(s, 0x10000), ==, 0xff);
    set_dispi(s, 64, 48, 4); /* planes */
    s->vram.block->host[0] = 0x80;
    s->redraw = true;
    set_colour(s, 1, RED);
    set_attr(s, 1, 1);
    set_attr(s, VGA_ATTR_PLANES, 0xf);
    vga_port_write(s, 0x3c0, VGA_ATTR_ON);
    vga_draw(s);
    g_assert_cmphex(pixel(s, 0, 0), ==, RED);
    vga_drop(s);
}

/* Sizes that the memory has not, offsets behind it, modes that there are not. */
static void test_dispi_bounds(void)
{
    Vga *s = vga_make();

    set_dispi(s, 0xffff, 0xffff, 32);
    g_assert_cmpuint(dispi_read(&s->dispi, &s->vram, DISPI_XRES), ==, DISPI_XRES_MAX);
    vga_draw(s);
    assert_size(s, DISPI_XRES_MAX, VRAM / (DISPI_XRES_MAX * 4));
    dispi_write(&s->dispi, &s->vram, DISPI_Y_OFFSET, 0xffff);
    dispi_write(&s->dispi, &s->vram, DISPI_X_OFFSET, 0xffff);
    dispi_write(&s->dispi, &s->vram, DISPI_BANK, 0xffff);
    vga_window_write(s, 0xffff, 1);
    vga_draw(s);
    g_assert_cmphex(pixel(s, 0, 0), ==, 0);
    dispi_write(&s->dispi, &s->vram, DISPI_BPP, 77);
    g_assert_cmpuint(dispi_read(&s->dispi, &s->vram, DISPI_BPP), ==, 8);
    g_assert_cmpuint(dispi_read(&s->dispi, &s->vram, DISPI_MEMORY), ==, VRAM / 0x10000);
    g_assert_cmpuint(dispi_read(&s->dispi, &s->vram, 99), ==, 0);
    dispi_write(&s->dispi, &s->vram, DISPI_ENABLE, DISPI_GETCAPS);
    g_assert_cmpuint(dispi_read(&s->dispi, &s->vram, DISPI_YRES), ==, DISPI_YRES_MAX);
    vga_draw(s);
    set_dispi(s, 0, 0, 0);
    vga_draw(s);
    assert_size(s, CONSOLE_WIDTH, CONSOLE_HEIGHT);
    vga_drop(s);
}

static unsigned updates, first_line, lines;

static void on_update(void *opaque, Console *console, unsigned x, unsigned y, unsigned width,
                      unsigned height)
{
    updates++;
    first_line = y;
    lines = height;
}

/* Only what differs is told. */
static void test_told(void)
{
    const ConsoleListener listener = { .update = on_update };
    Vga *s = vga_make();

    set_dispi(s, 64, 48, 32);
    vga_draw(s);
    console_add_listener(s->screen.console, &listener);
    updates = 0;
    vga_draw(s);
    memset(s->vram.block->host + 10 * 256, 0, 512); /* as it was */
    vram_mark(&s->vram, 10 * 256, 512);
    vga_draw(s);
    g_assert_cmpuint(updates, ==, 0);
    memset(s->vram.block->host + 10 * 256, 1, 512);
    vram_mark(&s->vram, 10 * 256, 512);
    vga_draw(s);
    g_assert_cmpuint(updates, ==, 1);
    g_assert_cmpuint(first_line, ==, 10);
    g_assert_cmpuint(lines, ==, 2);
    console_remove_listener(s->screen.console, &listener);
    vga_drop(s);
}

static void test_edid(void)
{
    const EdidInfo given = { .width = 1920, .height = 1080, .max_width = 1280 };
    uint8_t edid[EDID_SIZE];

    edid_make(&given, edid);
    for (unsigned block = 0; block < 2; block++) {
        uint8_t sum = 0;

        for (unsigned i = 0; i < 128; i++) {
            sum += edid[block * 128 + i];
        }
        g_assert_cmpuint(sum, ==, 0);
    }
    g_assert_cmpuint(edid[54 + 2] | (edid[54 + 4] & 0xf0) << 4, ==, 1920);
    g_assert_cmpuint(edid[54 + 5] | (edid[54 + 7] & 0xf0) << 4, ==, 1080);
    for (unsigned i = 38; i < 54; i += 2) {
        g_assert_true(edid[i] == 1 || (edid[i] + 31u) * 8 <= 1280);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    memory_init();
    g_test_add_func("/vga/text", test_text);
    g_test_add_func("/vga/cursor", test_cursor);
    g_test_add_func("/vga/planar", test_planar);
    g_test_add_func("/vga/packed", test_packed);
    g_test_add_func("/vga/cga", test_cga);
    g_test_add_func("/vga/dispi", test_dispi);
    g_test_add_func("/vga/dispi-bounds", test_dispi_bounds);
    g_test_add_func("/vga/told", test_told);
    g_test_add_func("/vga/edid", test_edid);
    return g_test_run();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pointer of a vmware-svga: what its commands say, and what viewers are shown. */
#include <string.h>

#include "hw/display/vmware-svga.h"
#include "util/main-loop.h"

#define BLACK 0xff000000u
#define WHITE 0xffffffffu

enum { HOT_X = 1, HOT_Y, WIDTH, HEIGHT, AND_DEPTH, XOR_DEPTH, MASKS };

static const ConsoleSource source = { 0 };

/* A card without its function. */
static VmwareSvga *svga_make(void)
{
    VmwareSvga *s = g_new0(VmwareSvga, 1);

    screen_init(&s->vga.screen, object_root(), 0, &source, s);
    s->enable = 1;
    return s;
}

static void svga_drop(VmwareSvga *s)
{
    screen_destroy(&s->vga.screen);
    g_free(s);
}

static const ConsoleCursor *shown(const VmwareSvga *s)
{
    return console_cursor(s->vga.screen.console);
}

/* Eight pixels: AND and XOR, of a bit each. */
static void test_masks(void)
{
    const uint32_t words[] = { 0, 2, 0, 4, 1, 1, 1, 0x000000c0, 0x000000a0 };
    const uint32_t wanted[] = { BLACK, 0, WHITE, BLACK };
    VmwareSvga *s = svga_make();

    g_assert_cmpuint(svga_mask_words(4, 1, 1), ==, 1);
    g_assert_cmpuint(svga_mask_words(33, 2, 1), ==, 4);
    svga_define_cursor(s, words);
    g_assert_cmpuint(shown(s)->width, ==, 4);
    g_assert_cmpuint(shown(s)->height, ==, 1);
    g_assert_cmpuint(shown(s)->hot_x, ==, 2);
    g_assert_cmpmem(shown(s)->argb, sizeof(wanted), wanted, sizeof(wanted));
    svga_drop(s);
}

/* The second mask has colours. */
static void test_colours(void)
{
    const uint32_t words[] = { 0, 9, 9, 2, 1, 1, 32, 0x00000040, 0x112233, 0 };
    const uint32_t wanted[] = { 0xff112233, 0 };
    VmwareSvga *s = svga_make();

    svga_define_cursor(s, words);
    g_assert_cmpuint(shown(s)->hot_x, ==, 1); /* inside */
    g_assert_cmpmem(shown(s)->argb, sizeof(wanted), wanted, sizeof(wanted));
    svga_drop(s);
}

static void test_alpha(void)
{
    const uint32_t words[] = { 0, 0, 0, 3, 1, 0xff102030, 0x80402000, 0x00ffffff };
    const uint32_t wanted[] = { 0xff102030, 0x807f3f00, 0 };
    VmwareSvga *s = svga_make();

    svga_define_alpha_cursor(s, words);
    g_assert_cmpmem(shown(s)->argb, sizeof(wanted), wanted, sizeof(wanted));
    s->enable = 0; /* of the SVGA's picture */
    svga_show_cursor(s);
    g_assert_null(shown(s));
    svga_drop(s);
}

/* Sizes and depths that there are not. */
static void test_none(void)
{
    const uint32_t sizes[][2] = { { 0, 1 }, { 1, 0 }, { 129, 1 }, { 1, 129 }, { UINT32_MAX, 2 } };
    uint32_t words[] = { 0, 0, 0, 1, 1, 1, 1, 0, 0 };
    VmwareSvga *s = svga_make();

    for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
        words[WIDTH] = words[HEIGHT] = 1;
        svga_define_cursor(s, words);
        g_assert_nonnull(shown(s));
        words[WIDTH] = sizes[i][0];
        words[HEIGHT] = sizes[i][1];
        svga_define_cursor(s, words);
        g_assert_null(shown(s));
        svga_define_alpha_cursor(s, words);
        g_assert_null(shown(s));
    }
    words[WIDTH] = words[HEIGHT] = 1;
    words[XOR_DEPTH] = 8;
    svga_define_cursor(s, words); /* as it was */
    g_assert_null(shown(s));
    g_assert_cmpuint(svga_mask_words(UINT32_MAX, UINT32_MAX, UINT32_MAX), ==, UINT32_MAX);
    svga_drop(s);
}

static int at_x, at_y;
static bool visible;

static void on_move(void *opaque, Console *console, int x, int y, bool seen)
{
    at_x = x;
    at_y = y;
    visible = seen;
}

static void test_place(void)
{
    const ConsoleListener listener = { .cursor_move = on_move };
    VmwareSvga *s = svga_make();

    console_add_listener(s->vga.screen.console, &listener);
    s->cursor_x = 10;
    s->cursor_y = UINT32_MAX;
    s->cursor_on = 1;
    svga_move_cursor(s);
    g_assert_cmpint(at_x, ==, 10);
    g_assert_cmpint(at_y, ==, (int)SVGA_SIZE_MAX);
    g_assert_true(visible);
    s->cursor_on = 2;
    svga_move_cursor(s);
    g_assert_false(visible);
    console_remove_listener(s->vga.screen.console, &listener);
    svga_drop(s);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    memory_init();
    g_test_add_func("/vmware-cursor/masks", test_masks);
    g_test_add_func("/vmware-cursor/colours", test_colours);
    g_test_add_func("/vmware-cursor/alpha", test_alpha);
    g_test_add_func("/vmware-cursor/none", test_none);
    g_test_add_func("/vmware-cursor/place", test_place);
    return g_test_run();
}

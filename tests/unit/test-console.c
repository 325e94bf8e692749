/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Consoles: who is told what; finding them; nothing is drawn where nobody looks. */
#include "ui/console.h"
#include "util/main-loop.h"

typedef struct Viewer {
    ConsoleListener ops;
    Console *removes; /* at the next update */
    unsigned surfaces, updates, cursors, moves;
    pixman_image_t *surface;
    unsigned x, y, width, height;
    const ConsoleCursor *cursor;
    int cursor_x, cursor_y;
    bool visible;
} Viewer;

static void on_surface(void *opaque, Console *console, pixman_image_t *surface)
{
    Viewer *v = opaque;

    v->surfaces++;
    v->surface = surface;
}

static void on_update(void *opaque, Console *console, unsigned x, unsigned y, unsigned width,
                      unsigned height)
{
    Viewer *v = opaque;

    v->updates++;
    v->x = x;
    v->y = y;
    v->width = width;
    v->height = height;
    if (v->removes) {
        console_remove_listener(v->removes, &v->ops);
    }
}

static void on_cursor(void *opaque, Console *console, const ConsoleCursor *cursor)
{
    Viewer *v = opaque;

    v->cursors++;
    v->cursor = cursor;
}

static void on_move(void *opaque, Console *console, int x, int y, bool visible)
{
    Viewer *v = opaque;

    v->moves++;
    v->cursor_x = x;
    v->cursor_y = y;
    v->visible = visible;
}

static void viewer_init(Viewer *v)
{
    *v = (Viewer){ .ops = { on_surface, on_update, on_cursor, on_move, v } };
}

static unsigned drawn, wished_width, wished_height;

static void source_update(void *opaque)
{
    drawn++;
}

static void source_ui_info(void *opaque, unsigned width, unsigned height)
{
    wished_width = width;
    wished_height = height;
}

static const ConsoleSource source = { source_update, source_ui_info };
static const ConsoleSource still = { 0 };

static void test_surface(void)
{
    Console *c = console_new(object_root(), 0, &still, NULL);
    pixman_image_t *image = pixman_image_create_bits(PIXMAN_x8r8g8b8, 800, 600, NULL, 0);
    Viewer v;

    viewer_init(&v);
    console_add_listener(c, &v.ops);
    g_assert_cmpuint(v.surfaces, ==, 1);
    g_assert_true(v.surface == console_surface(c));
    g_assert_cmpint(pixman_image_get_width(v.surface), ==, CONSOLE_WIDTH);
    g_assert_cmpint(pixman_image_get_height(v.surface), ==, CONSOLE_HEIGHT);
    g_assert_cmphex(*pixman_image_get_data(v.surface), ==, 0);
    console_set_surface(c, image);
    pixman_image_unref(image);
    g_assert_true(v.surface == image && console_surface(c) == image);
    console_set_surface(c, NULL);
    g_assert_cmpuint(v.surfaces, ==, 3);
    g_assert_cmpint(pixman_image_get_width(v.surface), ==, CONSOLE_WIDTH);
    console_free(c);
}

static void test_update(void)
{
    Console *c = console_new(object_root(), 0, &still, NULL);
    Viewer v, other;

    viewer_init(&v);
    viewer_init(&other);
    console_add_listener(c, &v.ops);
    console_add_listener(c, &other.ops);
    console_update(c, 10, 20, 30, 40);
    g_assert_cmpuint(v.x, ==, 10);
    g_assert_cmpuint(v.height, ==, 40);
    console_update(c, -5, 470, 2000, 2000);
    g_assert_cmpuint(v.x, ==, 0);
    g_assert_cmpuint(v.y, ==, 470);
    g_assert_cmpuint(v.width, ==, 640);
    g_assert_cmpuint(v.height, ==, 10);
    console_update(c, 1, 1, G_MAXINT, G_MAXINT);
    g_assert_cmpuint(v.width, ==, 639);
    g_assert_cmpuint(v.updates, ==, 3);
    console_update(c, 640, 0, 10, 10);
    console_update(c, 0, 0, 0, 10);
    console_update(c, -10, -10, 10, 20);
    console_update(c, 5, 5, -1, 5);
    g_assert_cmpuint(v.updates, ==, 3);
    v.removes = c; /* while it is told; the other one hears of it, too */
    console_update(c, 0, 0, 1, 1);
    console_update(c, 0, 0, 1, 1);
    g_assert_cmpuint(v.updates, ==, 4);
    g_assert_cmpuint(other.updates, ==, 5);
    console_free(c);
}

static void test_cursor(void)
{
    Console *c = console_new(object_root(), 0, &still, NULL);
    uint32_t pixels[2] = { 0xff112233, 0x80445566 };
    const ConsoleCursor cursor = { .width = 2, .height = 1, .hot_x = 1, .argb = pixels };
    Viewer v;

    viewer_init(&v);
    console_define_cursor(c, &cursor);
    console_move_cursor(c, -3, 7, true);
    pixels[0] = 0; /* it has a copy */
    console_add_listener(c, &v.ops);
    g_assert_cmpuint(v.cursors, ==, 1);
    g_assert_cmphex(v.cursor->argb[0], ==, 0xff112233);
    g_assert_cmphex(console_cursor(c)->argb[1], ==, 0x80445566);
    g_assert_cmpuint(v.cursor->hot_x, ==, 1);
    g_assert_cmpint(v.cursor_x, ==, -3);
    g_assert_cmpint(v.cursor_y, ==, 7);
    g_assert_true(v.visible);
    console_define_cursor(c, console_cursor(c)); /* it may be its own */
    g_assert_cmphex(v.cursor->argb[1], ==, 0x80445566);
    console_move_cursor(c, 0, 0, false);
    g_assert_false(v.visible);
    console_define_cursor(c, NULL);
    g_assert_null(v.cursor);
    console_free(c);
}

/* The timer runs only while somebody listens. */
static void test_refresh(void)
{
    Console *c = console_new(object_root(), 0, &source, NULL);
    Viewer v, other;

    viewer_init(&v);
    viewer_init(&other);
    drawn = 0;
    g_assert_false(g_main_context_pending(NULL));
    console_refresh(c);
    g_assert_cmpuint(drawn, ==, 1);
    console_add_listener(c, &v.ops);
    console_add_listener(c, &other.ops);
    while (drawn < 3) {
        main_loop_iterate(true);
    }
    console_remove_listener(c, &v.ops);
    while (drawn < 4) {
        main_loop_iterate(true);
    }
    console_remove_listener(c, &other.ops);
    console_remove_listener(c, &other.ops);
    drawn = 0;
    g_usleep(2 * CONSOLE_REFRESH_MS * 1000);
    while (main_loop_iterate(false)) {
    }
    g_assert_cmpuint(drawn, ==, 0);
    console_add_listener(c, &v.ops);
    console_free(c); /* with its timer */
    g_usleep(2 * CONSOLE_REFRESH_MS * 1000);
    while (main_loop_iterate(false)) {
    }
    g_assert_cmpuint(drawn, ==, 0);
}

static void test_ui_info(void)
{
    Console *c = console_new(object_root(), 0, &source, NULL);
    Console *d = console_new(object_root(), 1, &still, NULL);

    g_assert_true(console_has_ui_info(c));
    console_ui_info(c, 1024, 768);
    g_assert_cmpuint(wished_width, ==, 1024);
    g_assert_cmpuint(wished_height, ==, 768);
    g_assert_false(console_has_ui_info(d));
    console_ui_info(d, 1, 1);
    console_refresh(d);
    console_free(c);
    console_free(d);
}

static GString *history;

static void on_change(void *opaque, Console *console, bool added)
{
    g_string_append_printf(history, "%c%u", added ? '+' : '-', console_index(console));
    if (!added) {
        console_remove_listener(console, opaque);
    }
}

static void test_find(void)
{
    Object *device = object_container("/screen");
    Console *a, *b, *c;
    Viewer v;

    history = g_string_new("");
    viewer_init(&v);
    g_assert_null(console_first());
    console_add_change(on_change, &v.ops);
    a = console_new(object_root(), 0, &still, NULL);
    b = console_new(device, 0, &still, NULL);
    c = console_new(device, 1, &still, NULL);
    console_add_listener(b, &v.ops);
    g_assert_true(console_by_index(1) == b && console_by_index(2) == c);
    g_assert_null(console_by_index(3));
    g_assert_true(console_by_device(device, 1) == c);
    g_assert_null(console_by_device(device, 2));
    g_assert_true(console_device(c) == device && console_head(c) == 1);
    console_free(b);
    g_assert_null(console_by_index(1));
    g_assert_null(console_by_device(device, 0));
    g_assert_true(console_first() == a && console_next(a) == c);
    g_assert_null(console_next(c));
    b = console_new(device, 0, &still, NULL); /* where the first one was */
    g_assert_cmpuint(console_index(b), ==, 1);
    console_free(a);
    console_remove_change(on_change, &v.ops);
    console_remove_change(on_change, &v.ops);
    console_free(b);
    console_free(c);
    console_free(NULL);
    g_assert_cmpstr(history->str, ==, "+0+1+2-1+1-0");
    g_assert_null(console_first());
    g_string_free(history, TRUE);
}

static void on_other_change(void *opaque, Console *console, bool added)
{
    g_string_append(history, "!");
}

static void on_last_change(void *opaque, Console *console, bool added)
{
    on_change(opaque, console, added);
    console_remove_change(on_other_change, opaque);
    console_remove_change(on_last_change, opaque);
}

/* Who is removed by another one that is told hears nothing of it. */
static void test_change(void)
{
    Console *a;

    history = g_string_new("");
    console_add_change(on_last_change, NULL);
    console_add_change(on_other_change, NULL);
    console_add_change(on_change, history);
    a = console_new(object_root(), 0, &still, NULL);
    console_remove_change(on_change, history);
    console_free(a);
    g_assert_cmpstr(history->str, ==, "+0+0");
    g_string_free(history, TRUE);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    g_test_add_func("/console/surface", test_surface);
    g_test_add_func("/console/update", test_update);
    g_test_add_func("/console/cursor", test_cursor);
    g_test_add_func("/console/refresh", test_refresh);
    g_test_add_func("/console/ui-info", test_ui_info);
    g_test_add_func("/console/find", test_find);
    g_test_add_func("/console/change", test_change);
    return g_test_run();
}

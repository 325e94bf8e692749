/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a display gives SPICE's library, when the library takes it late. */
#include "ui/console.h"
#include "ui/spice-internal.h"
#include "util/main-loop.h"

/* ---- the library: it fetches when the test does ---- */

static QXLInstance *instance;
static const QXLInterface *ops;
static unsigned width, height; /* of the surface */
static unsigned watched_again; /* the library told so when a display went */

int spice_server_add_interface(SpiceServer *server, SpiceBaseInstance *base)
{
    instance = (QXLInstance *)((char *)base - offsetof(QXLInstance, base));
    ops = (const QXLInterface *)((const char *)base->sif - offsetof(QXLInterface, base));
    return 0;
}

/* Its channels go, which is told, while the main one of the same client stays. */
int spice_server_remove_interface(SpiceBaseInstance *base)
{
    g_assert_true(base == &instance->base);
    instance = NULL;
    watched_again++;
    spice_display_watch(true);
    return 0;
}

void spice_qxl_add_memslot(QXLInstance *qxl, QXLDevMemSlot *slot)
{
}

void spice_qxl_create_primary_surface(QXLInstance *qxl, uint32_t id, QXLDevSurfaceCreate *create)
{
    width = create->width;
    height = create->height;
}

void spice_qxl_destroy_primary_surface(QXLInstance *qxl, uint32_t id)
{
    width = height = 0;
}

void spice_qxl_wakeup(QXLInstance *qxl)
{
}

void spice_qxl_destroy_surfaces(QXLInstance *qxl)
{
}

void spice_qxl_reset_image_cache(QXLInstance *qxl)
{
}

void spice_qxl_reset_cursor(QXLInstance *qxl)
{
}

static unsigned asked; /* to give back what it keeps */

void spice_qxl_oom(QXLInstance *qxl)
{
    asked++;
}

static void release(void *info)
{
    ops->release_resource(instance, (QXLReleaseInfoExt){ .info = info });
}

/* Fetch what waits; returns how many pictures. Each lies in the surface. */
static unsigned fetch(void)
{
    QXLCommandExt ext;
    unsigned count = 0;

    for (; ops->get_command(instance, &ext); count++) {
        QXLDrawable *drawable = (void *)(uintptr_t)ext.cmd.data;

        g_assert_cmpint(drawable->bbox.left, >=, 0);
        g_assert_cmpint(drawable->bbox.top, >=, 0);
        g_assert_cmpint(drawable->bbox.right, <=, width);
        g_assert_cmpint(drawable->bbox.bottom, <=, height);
        release(&drawable->release_info);
    }
    return count;
}

static unsigned fetch_cursors(void)
{
    QXLCommandExt ext;
    unsigned count = 0;

    for (; ops->get_cursor_command(instance, &ext); count++) {
        QXLCursorCmd *command = (void *)(uintptr_t)ext.cmd.data;

        release(&command->release_info);
    }
    return count;
}

/* ---- tests ---- */

static const ConsoleSource still = { 0 };

static void set_size(Console *c, int w, int h)
{
    pixman_image_t *image = pixman_image_create_bits(PIXMAN_x8r8g8b8, w, h, NULL, 0);

    console_set_surface(c, image);
    pixman_image_unref(image);
}

static Console *begin(void)
{
    Console *c = console_new(object_root(), 0, &still, NULL);

    spice_display_start(NULL, false);
    spice_display_watch(true);
    set_size(c, 800, 600);
    return c;
}

static void end(Console *c)
{
    fetch();
    fetch_cursors();
    spice_display_stop();
    console_free(c);
}

/* More than wait: what is left over becomes one rectangle, which is drawn a little later. */
static void leave_over(Console *c)
{
    for (unsigned i = 0; i < 8; i++) {
        console_update(c, 700, 500, 100, 100);
    }
}

/* What waits to be drawn of a picture is not drawn of a smaller one, which does not have it. */
static void test_smaller(void)
{
    Console *c = begin();

    leave_over(c);
    set_size(c, 64, 48);
    g_assert_cmpuint(width, ==, 64);
    g_assert_cmpuint(fetch(), ==, 1);
    end(c);
}

static gboolean over(gpointer opaque)
{
    *(bool *)opaque = true;
    return G_SOURCE_REMOVE;
}

/* Whatever was to be drawn a little later would be drawn now. */
static void pass_time(void)
{
    bool done = false;

    g_timeout_add(40, over, &done);
    while (!done) {
        g_main_context_iteration(NULL, TRUE);
    }
}

/* The same, when the picture becomes smaller while nobody looks: then nothing is drawn at all. */
static void test_unwatched(void)
{
    Console *c = begin();

    leave_over(c);
    spice_display_watch(false);
    fetch();
    set_size(c, 64, 48);
    pass_time();
    g_assert_cmpuint(fetch(), ==, 0);
    spice_display_watch(true);
    g_assert_cmpuint(width, ==, 64);
    g_assert_cmpuint(fetch(), ==, 1);
    end(c);
}

/* However often it moves, few commands wait: also without a picture of a pointer. */
static void test_pointer(void)
{
    Console *c = begin();

    fetch_cursors();
    for (int i = 0; i < 1000; i++) {
        console_move_cursor(c, i, i, i % 3 == 0);
    }
    g_assert_cmpuint(fetch_cursors(), <=, 2);
    end(c);
}

/* The library keeps what it has fetched: it gets a few pictures of them, is asked to give back, and
 * gets what has changed meanwhile when it has. */
static void test_kept(void)
{
    enum { SIDE = 2048, PICTURE = 4 * SIDE * SIDE };
    g_autoptr(GPtrArray) kept = g_ptr_array_new();
    Console *c = begin();
    size_t size = 0;
    QXLCommandExt ext;

    set_size(c, SIDE, SIDE);
    for (int i = 0; i < 20; i++) {
        console_update(c, 0, 0, SIDE - i, SIDE);
        while (ops->get_command(instance, &ext)) {
            QXLDrawable *drawable = (void *)(uintptr_t)ext.cmd.data;

            size += 4 * (size_t)drawable->bbox.right * (size_t)drawable->bbox.bottom;
            g_ptr_array_add(kept, &drawable->release_info);
        }
    }
    g_assert_cmpuint(size, >=, 4 * (size_t)PICTURE - PICTURE);
    g_assert_cmpuint(size, <=, 5 * (size_t)PICTURE);
    g_assert_cmpuint(asked, >, 0);
    for (unsigned i = 0; i < kept->len; i++) {
        release(kept->pdata[i]);
    }
    pass_time();
    g_assert_cmpuint(fetch(), ==, 1);
    end(c);
}

/* A display that goes is not watched any more, whatever is told meanwhile. */
static void test_goes(void)
{
    Console *c = begin();

    watched_again = 0;
    console_free(c);
    g_assert_null(instance);
    c = console_new(object_root(), 0, &still, NULL);
    g_assert_nonnull(instance);
    spice_display_stop();
    g_assert_null(instance);
    g_assert_cmpuint(watched_again, ==, 2);
    console_free(c);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    g_test_add_func("/spice-display/smaller", test_smaller);
    g_test_add_func("/spice-display/unwatched", test_unwatched);
    g_test_add_func("/spice-display/pointer", test_pointer);
    g_test_add_func("/spice-display/kept", test_kept);
    g_test_add_func("/spice-display/goes", test_goes);
    return g_test_run();
}

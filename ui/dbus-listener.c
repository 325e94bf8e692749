/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who looks at a console, over a connection of their own. They are told one thing at a time; what
 * changes until they have answered becomes one more, with the pixels as they are then.
 */
#include <string.h>

#include "ui/dbus-internal.h"

#define LISTENER_PATH "/org/qemu/Display1/Listener"
#define LISTENER_NAME DBUS_PREFIX "Listener"
#define MESSAGE_MAX   (32u << 20) /* bytes of pixels; D-Bus has arrays of 64 MiB at most */
#define RECTS_MAX     16

struct DbusListener {
    unsigned refs;    /* the owner's; of a call, of a connection that begins */
    Console *console; /* NULL: it goes */
    ConsoleListener ops;
    void (*ended)(DbusListener *l); /* NULL: it was called */
    GDBusConnection *connection;    /* NULL: not yet */
    gulong closed;
    bool busy;                           /* it has not answered yet */
    bool picture, define, move, disable; /* what it is to be told */
    pixman_region32_t changed;
    int x, y; /* of the pointer */
    bool visible;
};

static void tell(DbusListener *l);

static void unref(DbusListener *l)
{
    if (--l->refs == 0) {
        pixman_region32_fini(&l->changed);
        g_free(l);
    }
}

/* ---- what it is told ---- */

static void answered(GObject *source, GAsyncResult *result, gpointer opaque)
{
    DbusListener *l = opaque;
    g_autoptr(GVariant) reply =
        g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, NULL);

    l->busy = false;
    if (l->connection) {
        tell(l);
    }
    unref(l);
}

static void call(DbusListener *l, const char *method, GVariant *args)
{
    l->busy = true;
    l->refs++;
    g_dbus_connection_call(l->connection, NULL, LISTENER_PATH, LISTENER_NAME, method, args, NULL,
                           G_DBUS_CALL_FLAGS_NO_AUTO_START, G_MAXINT, NULL, answered, l);
}

/* The pixels of a rectangle, without gaps; floating. */
static GVariant *pixels(pixman_image_t *image, const pixman_box32_t *box)
{
    const size_t width = 4 * (size_t)(box->x2 - box->x1), height = (size_t)(box->y2 - box->y1);
    const size_t stride = (size_t)pixman_image_get_stride(image);
    const uint8_t *from = (const uint8_t *)pixman_image_get_data(image);
    uint8_t *data = g_malloc(width * height);

    for (size_t y = 0; y < height; y++) {
        memcpy(data + width * y, from + stride * (y + (size_t)box->y1) + 4 * (size_t)box->x1,
               width);
    }
    return g_variant_new_from_data(G_VARIANT_TYPE_BYTESTRING, data, width * height, TRUE, g_free,
                                   data);
}

static void tell_picture(DbusListener *l)
{
    pixman_image_t *image = console_surface(l->console);
    const int width = pixman_image_get_width(image), height = pixman_image_get_height(image);
    const pixman_box32_t all = { 0, 0, width, height };

    l->picture = false;
    pixman_region32_clear(&l->changed);
    if ((size_t)width * (size_t)height * 4 > 2 * (size_t)MESSAGE_MAX) {
        call(l, "Disable", NULL); /* no message could have it */
        return;
    }
    call(l, "Scanout",
         g_variant_new("(uuuu@ay)", (guint)width, (guint)height, 4 * (guint)width,
                       (guint)PIXMAN_x8r8g8b8, pixels(image, &all)));
}

/* One rectangle of what changed, which is not too large. */
static pixman_box32_t take_box(DbusListener *l)
{
    int count;
    const pixman_box32_t *boxes = pixman_region32_rectangles(&l->changed, &count);
    pixman_box32_t box = count > RECTS_MAX ? *pixman_region32_extents(&l->changed) : boxes[0];
    pixman_region32_t part;

    box.y2 = MIN(box.y2, box.y1 + (int)(MESSAGE_MAX / (4 * (unsigned)(box.x2 - box.x1))));
    pixman_region32_init_rect(&part, box.x1, box.y1, (unsigned)(box.x2 - box.x1),
                              (unsigned)(box.y2 - box.y1));
    pixman_region32_subtract(&l->changed, &l->changed, &part);
    pixman_region32_fini(&part);
    return box;
}

static void tell_change(DbusListener *l)
{
    pixman_image_t *image = console_surface(l->console);
    const pixman_box32_t box = take_box(l);
    const int width = box.x2 - box.x1, height = box.y2 - box.y1;

    call(l, "Update",
         g_variant_new("(iiiiuu@ay)", box.x1, box.y1, width, height, 4 * (guint)width,
                       (guint)PIXMAN_x8r8g8b8, pixels(image, &box)));
}

static void tell_cursor(DbusListener *l)
{
    const ConsoleCursor *cursor = console_cursor(l->console);

    l->define = false;
    if (cursor) {
        call(
            l, "CursorDefine",
            g_variant_new("(iiii@ay)", (int)cursor->width, (int)cursor->height, (int)cursor->hot_x,
                          (int)cursor->hot_y,
                          g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, cursor->argb,
                                                    4 * (gsize)cursor->width * cursor->height, 1)));
    }
}

static void tell_place(DbusListener *l)
{
    l->move = false;
    call(l, "MouseSet", g_variant_new("(iii)", l->x, l->y, (int)l->visible));
}

/* The next thing, if it waits for one. */
static void tell(DbusListener *l)
{
    if (!l->connection || l->busy) {
        return;
    }
    if (l->disable) {
        l->disable = false;
        call(l, "Disable", NULL);
    } else if (!l->console) {
        g_dbus_connection_close(l->connection, NULL, NULL, NULL);
    } else if (l->picture) {
        tell_picture(l);
    } else if (l->define) {
        tell_cursor(l);
        tell(l); /* there may be none */
    } else if (l->move) {
        tell_place(l);
    } else if (pixman_region32_not_empty(&l->changed)) {
        tell_change(l);
    }
}

/* ---- the console ---- */

static void surface(void *opaque, Console *console, pixman_image_t *image)
{
    DbusListener *l = opaque;

    l->picture = true;
    pixman_region32_clear(&l->changed);
    tell(l);
}

static void update(void *opaque, Console *console, unsigned x, unsigned y, unsigned width,
                   unsigned height)
{
    DbusListener *l = opaque;

    if (!l->picture) {
        pixman_region32_union_rect(&l->changed, &l->changed, (int)x, (int)y, width, height);
        tell(l);
    }
}

static void cursor_changed(void *opaque, Console *console, const ConsoleCursor *cursor)
{
    DbusListener *l = opaque;

    l->define = true;
    tell(l);
}

static void cursor_moved(void *opaque, Console *console, int x, int y, bool visible)
{
    DbusListener *l = opaque;

    l->x = x;
    l->y = y;
    l->visible = visible;
    l->move = true;
    tell(l);
}

/* ---- life ---- */

static void forget_console(DbusListener *l)
{
    if (l->console) {
        console_remove_listener(l->console, &l->ops);
        l->console = NULL;
    }
}

void dbus_listener_end(DbusListener *l)
{
    void (*ended)(DbusListener *) = l->ended;

    if (!ended) {
        return;
    }
    l->ended = NULL;
    forget_console(l);
    if (l->connection) {
        g_signal_handler_disconnect(l->connection, l->closed);
        g_dbus_connection_close(l->connection, NULL, NULL, NULL);
        g_clear_object(&l->connection);
    }
    ended(l);
    unref(l);
}

static void on_closed(GDBusConnection *connection, gboolean vanished, GError *err, gpointer opaque)
{
    dbus_listener_end(opaque);
}

static void ready(void *opaque, GDBusConnection *connection)
{
    DbusListener *l = opaque;

    if (!connection || !l->ended) {
        dbus_listener_end(l);
    } else {
        l->connection = g_object_ref(connection);
        l->closed = g_signal_connect(connection, "closed", G_CALLBACK(on_closed), l);
        dbus_bound(connection, false);
        g_dbus_connection_start_message_processing(connection);
        if (l->console) {
            console_add_listener(l->console, &l->ops);
            console_refresh(l->console);
        }
        tell(l);
    }
    unref(l);
}

DbusListener *dbus_listener_new(Console *console, int fd, void (*ended)(DbusListener *),
                                GError **errp)
{
    DbusListener *l = g_new0(DbusListener, 1);

    l->refs = 2;
    l->console = console;
    l->ended = ended;
    l->ops = (ConsoleListener){ surface, update, cursor_changed, cursor_moved, l };
    pixman_region32_init(&l->changed);
    if (!dbus_accept(fd, ready, l, errp)) {
        l->refs = 1;
        unref(l);
        return NULL;
    }
    return l;
}

void dbus_listener_disable(DbusListener *l)
{
    forget_console(l);
    l->picture = l->define = l->move = false;
    pixman_region32_clear(&l->changed);
    l->disable = true;
    tell(l);
}

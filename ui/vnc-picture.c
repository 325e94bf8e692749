/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a VNC server's console shows, copied for the threads of its clients. */
#include <string.h>

#include "ui/vnc-internal.h"

/* All of the picture is new to all clients. With the lock. */
static void all_changed(VncServer *server)
{
    for (unsigned i = 0; i < server->clients->len; i++) {
        VncClient *client = server->clients->pdata[i];

        pixman_region32_union_rect(&client->changed, &client->changed, 0, 0, server->width,
                                   server->height);
        vnc_client_wake(client);
    }
}

static void copy_rows(VncServer *server, pixman_image_t *surface, unsigned x, unsigned y,
                      unsigned width, unsigned height)
{
    const uint32_t *from = pixman_image_get_data(surface);
    size_t stride = (size_t)pixman_image_get_stride(surface) / sizeof(*from);

    for (unsigned row = y; row < y + height; row++) {
        memcpy(server->pixels + (size_t)row * server->width + x, from + row * stride + x,
               width * sizeof(*from));
    }
}

/* With the lock. */
static void set_size(VncServer *server, unsigned width, unsigned height)
{
    if (width != server->width || height != server->height) {
        g_free(server->pixels);
        server->pixels = g_new0(uint32_t, (size_t)width * height);
        server->width = width;
        server->height = height;
        server->serial++;
    }
}

static void surface(void *opaque, Console *console, pixman_image_t *image)
{
    VncServer *server = opaque;
    unsigned width = pixman_image_get_width(image), height = pixman_image_get_height(image);

    g_mutex_lock(&server->lock);
    set_size(server, width, height);
    copy_rows(server, image, 0, 0, width, height);
    all_changed(server);
    g_mutex_unlock(&server->lock);
}

static void update(void *opaque, Console *console, unsigned x, unsigned y, unsigned width,
                   unsigned height)
{
    VncServer *server = opaque;

    g_mutex_lock(&server->lock);
    copy_rows(server, console_surface(console), x, y, width, height);
    for (unsigned i = 0; i < server->clients->len; i++) {
        VncClient *client = server->clients->pdata[i];

        pixman_region32_union_rect(&client->changed, &client->changed, x, y, width, height);
        vnc_client_wake(client);
    }
    g_mutex_unlock(&server->lock);
}

/* With the lock. */
static void set_cursor(VncServer *server, const ConsoleCursor *from)
{
    VncCursor *cursor = &server->cursor;

    g_clear_pointer(&cursor->argb, g_free);
    *cursor = (VncCursor){ .serial = cursor->serial + 1 };
    if (from) {
        cursor->width = from->width;
        cursor->height = from->height;
        cursor->hot_x = MIN(from->hot_x, from->width - 1);
        cursor->hot_y = MIN(from->hot_y, from->height - 1);
        cursor->argb =
            g_memdup2(from->argb, (size_t)from->width * from->height * sizeof(*from->argb));
    }
    for (unsigned i = 0; i < server->clients->len; i++) {
        vnc_client_wake(server->clients->pdata[i]);
    }
}

static void cursor_changed(void *opaque, Console *console, const ConsoleCursor *from)
{
    VncServer *server = opaque;

    g_mutex_lock(&server->lock);
    set_cursor(server, from);
    g_mutex_unlock(&server->lock);
}

/* There is no device (any more): black, and no pointer. */
static void show_nothing(VncServer *server)
{
    g_mutex_lock(&server->lock);
    set_size(server, CONSOLE_WIDTH, CONSOLE_HEIGHT);
    memset(server->pixels, 0, (size_t)server->width * server->height * sizeof(*server->pixels));
    set_cursor(server, NULL);
    all_changed(server);
    server->takes_size = false;
    g_mutex_unlock(&server->lock);
}

void vnc_server_watch(VncServer *server)
{
    bool listen = server->console && server->clients->len;

    if (listen == server->listens) {
        return;
    }
    server->listens = listen;
    if (!listen) {
        console_remove_listener(server->console, &server->listener);
        return;
    }
    g_mutex_lock(&server->lock);
    server->takes_size = console_has_ui_info(server->console);
    g_mutex_unlock(&server->lock);
    console_add_listener(server->console, &server->listener);
    console_refresh(server->console);
}

/* ---- which console ---- */

static bool is_mine(const VncServer *server, const Console *console)
{
    if (console_head(console) != server->head) {
        return false;
    }
    for (const Object *o = console_device(console); o && server->display; o = o->parent) {
        if (g_strcmp0(o->name, server->display) == 0) {
            return true;
        }
    }
    return !server->display;
}

static void console_changed(void *opaque, Console *console, bool added)
{
    VncServer *server = opaque;

    if (added && !server->console && is_mine(server, console)) {
        server->console = console;
        vnc_server_watch(server);
    } else if (!added && server->console == console) {
        if (server->listens) {
            server->listens = false;
            console_remove_listener(console, &server->listener);
        }
        server->console = NULL;
        show_nothing(server);
        for (Console *c = console_first(); c; c = console_next(c)) {
            if (c != console) {
                console_changed(server, c, true);
            }
        }
    }
}

void vnc_picture_init(VncServer *server)
{
    server->listener = (ConsoleListener){
        .surface = surface, .update = update, .cursor = cursor_changed, .opaque = server
    };
    show_nothing(server);
    for (Console *c = console_first(); c; c = console_next(c)) {
        console_changed(server, c, true);
    }
    console_add_change(console_changed, server);
}

void vnc_picture_clear(VncServer *server)
{
    console_remove_change(console_changed, server);
    if (server->listens) {
        console_remove_listener(server->console, &server->listener);
    }
    g_free(server->pixels);
    g_free(server->cursor.argb);
}

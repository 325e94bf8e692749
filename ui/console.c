/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ui/console.h"

#include <string.h>

struct Console {
    Object *device;
    unsigned head, index;
    const ConsoleSource *source;
    void *opaque;
    pixman_image_t *surface;
    ConsoleCursor cursor; /* argb is its own; NULL: none */
    int cursor_x, cursor_y;
    bool cursor_visible;
    GPtrArray *listeners; /* of const ConsoleListener *, borrowed */
    guint timer;          /* while there are listeners; 0: none */
};

typedef struct Change {
    ConsoleChangeFn *fn;
    void *opaque;
} Change;

static GPtrArray *consoles; /* by index, with gaps (NULL); NULL: there was none yet */
static GArray *changes;     /* of Change; NULL: none yet */

/* ---- the list of them ---- */

Console *console_by_index(unsigned index)
{
    return consoles && index < consoles->len ? g_ptr_array_index(consoles, index) : NULL;
}

static Console *from_index(unsigned index)
{
    while (consoles && index < consoles->len) {
        Console *c = g_ptr_array_index(consoles, index++);

        if (c) {
            return c;
        }
    }
    return NULL;
}

Console *console_first(void)
{
    return from_index(0);
}

Console *console_next(const Console *console)
{
    return from_index(console->index + 1);
}

Console *console_by_device(const Object *device, unsigned head)
{
    for (Console *c = console_first(); c; c = console_next(c)) {
        if (c->device == device && c->head == head) {
            return c;
        }
    }
    return NULL;
}

void console_add_change(ConsoleChangeFn *fn, void *opaque)
{
    const Change change = { fn, opaque };

    if (!changes) {
        changes = g_array_new(FALSE, FALSE, sizeof(Change));
    }
    g_array_append_val(changes, change);
}

/* Where it is in `changes`; -1: nowhere. */
static int find_change(ConsoleChangeFn *fn, const void *opaque)
{
    for (unsigned i = 0; changes && i < changes->len; i++) {
        const Change *change = &g_array_index(changes, Change, i);

        if (change->fn == fn && change->opaque == opaque) {
            return (int)i;
        }
    }
    return -1;
}

void console_remove_change(ConsoleChangeFn *fn, void *opaque)
{
    int i = find_change(fn, opaque);

    if (i >= 0) {
        g_array_remove_index(changes, (unsigned)i);
    }
}

/* Those that are there now: one of them may remove others, which may be gone then. */
static void tell_change(Console *c, bool added)
{
    g_autofree Change *told = NULL;
    unsigned count = changes ? changes->len : 0;

    if (!count) {
        return;
    }
    told = g_memdup2(changes->data, count * sizeof(*told));
    for (unsigned i = 0; i < count; i++) {
        if (find_change(told[i].fn, told[i].opaque) >= 0) {
            told[i].fn(told[i].opaque, c, added);
        }
    }
}

/* ---- what listeners are told ---- */

/* The listeners as they are now: a callback may change who listens. Free the array. */
static GPtrArray *listening(const Console *c)
{
    return g_ptr_array_copy(c->listeners, NULL, NULL);
}

static bool listens(const Console *c, const ConsoleListener *listener)
{
    return g_ptr_array_find(c->listeners, listener, NULL);
}

/* Number @i of them; NULL: it does not listen any more. */
static const ConsoleListener *listener(const Console *c, const GPtrArray *all, unsigned i)
{
    const ConsoleListener *l = g_ptr_array_index(all, i);

    return listens(c, l) ? l : NULL;
}

static const ConsoleCursor *shown_cursor(const Console *c)
{
    return c->cursor.argb ? &c->cursor : NULL;
}

void console_set_surface(Console *c, pixman_image_t *surface)
{
    g_autoptr(GPtrArray) all = listening(c);
    pixman_image_t *old = c->surface;

    if (surface) {
        g_assert(pixman_image_get_format(surface) == PIXMAN_x8r8g8b8);
        g_assert(pixman_image_get_width(surface) <= CONSOLE_SIZE_MAX &&
                 pixman_image_get_height(surface) <= CONSOLE_SIZE_MAX);
        c->surface = pixman_image_ref(surface);
    } else {
        c->surface =
            pixman_image_create_bits(PIXMAN_x8r8g8b8, CONSOLE_WIDTH, CONSOLE_HEIGHT, NULL, 0);
    }
    for (unsigned i = 0; i < all->len; i++) {
        const ConsoleListener *l = listener(c, all, i);

        if (l && l->surface) {
            l->surface(l->opaque, c, c->surface);
        }
    }
    if (old) {
        pixman_image_unref(old);
    }
}

void console_update(Console *c, int x, int y, int width, int height)
{
    g_autoptr(GPtrArray) all = listening(c);
    int64_t x0 = MAX(x, 0), y0 = MAX(y, 0);
    int64_t x1 = MIN((int64_t)x + width, pixman_image_get_width(c->surface));
    int64_t y1 = MIN((int64_t)y + height, pixman_image_get_height(c->surface));

    if (x1 <= x0 || y1 <= y0) {
        return;
    }
    for (unsigned i = 0; i < all->len; i++) {
        const ConsoleListener *l = listener(c, all, i);

        if (l && l->update) {
            l->update(l->opaque, c, x0, y0, x1 - x0, y1 - y0);
        }
    }
}

void console_define_cursor(Console *c, const ConsoleCursor *cursor)
{
    g_autoptr(GPtrArray) all = listening(c);
    g_autofree const uint32_t *old = c->cursor.argb; /* perhaps @cursor's own */

    if (cursor) {
        g_assert(cursor->width && cursor->height && cursor->width <= CONSOLE_CURSOR_MAX &&
                 cursor->height <= CONSOLE_CURSOR_MAX);
        c->cursor = *cursor;
        c->cursor.argb =
            g_memdup2(cursor->argb, (gsize)cursor->width * cursor->height * sizeof(uint32_t));
    } else {
        memset(&c->cursor, 0, sizeof(c->cursor));
    }
    for (unsigned i = 0; i < all->len; i++) {
        const ConsoleListener *l = listener(c, all, i);

        if (l && l->cursor) {
            l->cursor(l->opaque, c, shown_cursor(c));
        }
    }
}

void console_move_cursor(Console *c, int x, int y, bool visible)
{
    g_autoptr(GPtrArray) all = listening(c);

    c->cursor_x = x;
    c->cursor_y = y;
    c->cursor_visible = visible;
    for (unsigned i = 0; i < all->len; i++) {
        const ConsoleListener *l = listener(c, all, i);

        if (l && l->cursor_move) {
            l->cursor_move(l->opaque, c, x, y, visible);
        }
    }
}

/* ---- viewers ---- */

pixman_image_t *console_surface(const Console *c)
{
    return c->surface;
}

const ConsoleCursor *console_cursor(const Console *c)
{
    return shown_cursor(c);
}

Object *console_device(const Console *c)
{
    return c->device;
}

unsigned console_head(const Console *c)
{
    return c->head;
}

unsigned console_index(const Console *c)
{
    return c->index;
}

bool console_has_ui_info(const Console *c)
{
    return c->source->ui_info;
}

void console_ui_info(Console *c, unsigned width, unsigned height)
{
    if (c->source->ui_info) {
        c->source->ui_info(c->opaque, width, height);
    }
}

void console_refresh(Console *c)
{
    if (c->source->update) {
        c->source->update(c->opaque);
    }
}

static gboolean refresh_due(gpointer opaque)
{
    console_refresh(opaque);
    return G_SOURCE_CONTINUE;
}

void console_add_listener(Console *c, const ConsoleListener *l)
{
    g_ptr_array_add(c->listeners, (gpointer)l);
    if (!c->timer && c->source->update) {
        c->timer = g_timeout_add(CONSOLE_REFRESH_MS, refresh_due, c);
    }
    if (l->surface) {
        l->surface(l->opaque, c, c->surface);
    }
    if (l->cursor && listens(c, l)) {
        l->cursor(l->opaque, c, shown_cursor(c));
    }
    if (l->cursor_move && listens(c, l)) {
        l->cursor_move(l->opaque, c, c->cursor_x, c->cursor_y, c->cursor_visible);
    }
}

void console_remove_listener(Console *c, const ConsoleListener *l)
{
    g_ptr_array_remove(c->listeners, (gpointer)l);
    if (!c->listeners->len && c->timer) {
        g_source_remove(c->timer);
        c->timer = 0;
    }
}

/* ---- coming and going ---- */

Console *console_new(Object *device, unsigned head, const ConsoleSource *source, void *opaque)
{
    Console *c = g_new0(Console, 1);

    c->device = device;
    c->head = head;
    c->source = source;
    c->opaque = opaque;
    c->listeners = g_ptr_array_new();
    console_set_surface(c, NULL);
    if (!consoles) {
        consoles = g_ptr_array_new();
    }
    while (console_by_index(c->index)) {
        c->index++;
    }
    if (c->index == consoles->len) {
        g_ptr_array_add(consoles, c);
    } else {
        consoles->pdata[c->index] = c;
    }
    tell_change(c, true);
    return c;
}

void console_free(Console *c)
{
    if (!c) {
        return;
    }
    tell_change(c, false);
    if (c->timer) {
        g_source_remove(c->timer);
    }
    consoles->pdata[c->index] = NULL;
    g_ptr_array_unref(c->listeners);
    pixman_image_unref(c->surface);
    g_free((void *)c->cursor.argb);
    g_free(c);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The SDL display on the main thread: the console it shows, and what users do. */
#include <string.h>

#include "ui/sdl-internal.h"
#include "util/error.h"
#include "util/interrupt.h"
#include "util/main-loop.h"

#define CLOSE_MS 1000 /* that the window has to go */
#define LOOK_MS  20   /* for signals, while it comes */

static struct {
    SdlShared *shared; /* NULL: there is no display */
    GThread *thread;
    const SdlHost *host;
    Console *console; /* NULL: none */
    ConsoleListener listener;
} display;

/* ---- the picture ---- */

static void copy_rows(SdlShared *s, pixman_image_t *image, unsigned x, unsigned y, unsigned width,
                      unsigned height)
{
    const uint32_t *from = pixman_image_get_data(image);
    const size_t stride = (size_t)pixman_image_get_stride(image) / sizeof(*from);

    for (unsigned row = y; row < y + height; row++) {
        memcpy(s->pixels + (size_t)row * s->width + x, from + row * stride + x,
               width * sizeof(*from));
    }
    pixman_region32_union_rect(&s->changed, &s->changed, (int)x, (int)y, width, height);
    g_cond_signal(&s->cond);
}

/* With the lock. */
static void set_size(SdlShared *s, unsigned width, unsigned height)
{
    if (s->width != width || s->height != height || !s->pixels) {
        g_free(s->pixels);
        s->pixels = g_new0(uint32_t, (size_t)width * height);
        s->width = width;
        s->height = height;
        s->serial++;
        pixman_region32_clear(&s->changed);
    }
}

static void surface(void *opaque, Console *console, pixman_image_t *image)
{
    SdlShared *s = opaque;
    const unsigned width = (unsigned)pixman_image_get_width(image),
                   height = (unsigned)pixman_image_get_height(image);

    g_mutex_lock(&s->lock);
    set_size(s, width, height);
    copy_rows(s, image, 0, 0, width, height);
    g_mutex_unlock(&s->lock);
}

static void update(void *opaque, Console *console, unsigned x, unsigned y, unsigned width,
                   unsigned height)
{
    SdlShared *s = opaque;

    g_mutex_lock(&s->lock);
    copy_rows(s, console_surface(console), x, y, width, height);
    s->absolute = display.host->absolute();
    g_mutex_unlock(&s->lock);
}

/* With the lock. */
static void set_cursor(SdlShared *s, const ConsoleCursor *cursor)
{
    g_clear_pointer(&s->cursor, g_free);
    if (cursor) {
        s->cursor =
            g_memdup2(cursor->argb, (size_t)cursor->width * cursor->height * sizeof(*cursor->argb));
        s->cursor_width = cursor->width;
        s->cursor_height = cursor->height;
        s->cursor_hot_x = cursor->hot_x;
        s->cursor_hot_y = cursor->hot_y;
    }
    s->cursor_serial++;
    g_cond_signal(&s->cond);
}

static void cursor_changed(void *opaque, Console *console, const ConsoleCursor *cursor)
{
    SdlShared *s = opaque;

    g_mutex_lock(&s->lock);
    set_cursor(s, cursor);
    g_mutex_unlock(&s->lock);
}

static void cursor_moved(void *opaque, Console *console, int x, int y, bool visible)
{
    SdlShared *s = opaque;

    g_mutex_lock(&s->lock);
    s->cursor_x = x;
    s->cursor_y = y;
    s->cursor_visible = visible;
    g_cond_signal(&s->cond);
    g_mutex_unlock(&s->lock);
}

/* ---- which console ---- */

static void show_nothing(SdlShared *s)
{
    g_mutex_lock(&s->lock);
    set_size(s, CONSOLE_WIDTH, CONSOLE_HEIGHT);
    memset(s->pixels, 0, (size_t)s->width * s->height * sizeof(*s->pixels));
    pixman_region32_union_rect(&s->changed, &s->changed, 0, 0, s->width, s->height);
    set_cursor(s, NULL);
    g_mutex_unlock(&s->lock);
}

/* NULL: none. */
static void show(Console *console)
{
    if (display.console) {
        console_remove_listener(display.console, &display.listener);
    }
    display.console = console;
    if (console) {
        console_add_listener(console, &display.listener);
        console_refresh(console);
    } else {
        show_nothing(display.shared);
    }
}

static void console_changed(void *opaque, Console *console, bool added)
{
    if (added && !display.console) {
        show(console);
    } else if (!added && display.console == console) {
        Console *other = console_first();

        show(other == console ? console_next(console) : other);
    }
}

/* ---- what users do ---- */

typedef struct SdlEvent {
    SdlEventKind kind;
    int x, y;
} SdlEvent;

static void do_key(int number, int down)
{
    display.host->key((uint8_t)number, down);
}

static void move(int x, int y, bool absolute)
{
    if (display.host->absolute() == absolute) {
        display.host->move(INPUT_AXIS_X, x, absolute);
        display.host->move(INPUT_AXIS_Y, y, absolute);
        display.host->sync();
    }
}

static void do_place(int x, int y)
{
    move(x, y, true);
}

static void do_move(int x, int y)
{
    move(x, y, false);
}

static void do_button(int button, int down)
{
    display.host->button((InputButton)button, down);
    display.host->sync();
}

static void do_size(int width, int height)
{
    if (display.console && width > 0 && height > 0) {
        console_ui_info(display.console, (unsigned)width, (unsigned)height);
    }
}

static void do_console(int number, int unused)
{
    Console *console = console_by_index((unsigned)number);

    if (console && console != display.console) {
        show(console);
    }
}

static void do_close(int x, int y)
{
    display.host->close();
}

static void deliver(void *opaque)
{
    static void (*const handlers[])(int, int) = {
        [SDL_EVENT_KEY] = do_key,      [SDL_EVENT_PLACE] = do_place,
        [SDL_EVENT_MOVE] = do_move,    [SDL_EVENT_BUTTON] = do_button,
        [SDL_EVENT_SIZE] = do_size,    [SDL_EVENT_CONSOLE] = do_console,
        [SDL_EVENT_CLOSED] = do_close,
    };
    g_autofree SdlEvent *event = opaque;
    SdlShared *s = display.shared;

    if (!s) {
        return;
    }
    g_mutex_lock(&s->lock);
    s->events--;
    s->absolute = display.host->absolute();
    g_cond_signal(&s->cond);
    g_mutex_unlock(&s->lock);
    handlers[event->kind](event->x, event->y);
}

void sdl_event_send(SdlShared *s, SdlEventKind kind, int x, int y)
{
    SdlEvent *event = g_new(SdlEvent, 1);

    *event = (SdlEvent){ kind, x, y };
    g_mutex_lock(&s->lock);
    while (s->events >= SDL_EVENTS_MAX && !s->ends) {
        g_cond_wait(&s->cond, &s->lock);
    }
    s->events++;
    g_mutex_unlock(&s->lock);
    main_loop_schedule(deliver, event);
}

/* ---- life ---- */

static void free_shared(SdlShared *s)
{
    g_free(s->title);
    g_free(s->error);
    g_free(s->pixels);
    g_free(s->cursor);
    pixman_region32_fini(&s->changed);
    g_mutex_clear(&s->lock);
    g_cond_clear(&s->cond);
    g_free(s);
}

static SdlShared *new_shared(const DisplayOptions *o, const char *name, const SdlHost *host)
{
    SdlShared *s = g_new0(SdlShared, 1);

    s->title = name ? g_strdup_printf("Dimmable (%s)", name) : g_strdup("Dimmable");
    s->grab_mod =
        o->u.sdl && o->u.sdl->has_grab_mod ? o->u.sdl->grab_mod : DISPLAY_GRAB_MOD_LCTRL_LALT;
    s->full_screen = o->has_full_screen && o->full_screen;
    s->window_close = !o->has_window_close || o->window_close;
    s->show_cursor = o->has_show_cursor && o->show_cursor;
    for (unsigned number = 1; number < 0x100; number++) {
        if (host->usage((uint8_t)number)) {
            s->numbers[host->usage((uint8_t)number)] = (uint8_t)number;
        }
    }
    g_mutex_init(&s->lock);
    g_cond_init(&s->cond);
    pixman_region32_init(&s->changed);
    return s;
}

static bool wait_for_window(SdlShared *s, GError **errp)
{
    g_mutex_lock(&s->lock);
    while (!s->ready && !interrupt_pending()) {
        g_cond_wait_until(&s->cond, &s->lock,
                          g_get_monotonic_time() + LOOK_MS * G_TIME_SPAN_MILLISECOND);
    }
    const bool open = s->ready && !s->error;
    if (s->error) {
        error_set(errp, "%s", s->error);
    } else if (!open) {
        interrupt_check(errp);
    }
    g_mutex_unlock(&s->lock);
    return open;
}

bool sdl_display_start(const DisplayOptions *options, const char *name, const SdlHost *host,
                       GError **errp)
{
    SdlShared *s = new_shared(options, name, host);

    s->absolute = host->absolute();
    display.shared = s;
    display.host = host;
    display.listener = (ConsoleListener){ surface, update, cursor_changed, cursor_moved, s };
    show_nothing(s);
    display.thread = g_thread_try_new("sdl", sdl_window_thread, s, errp);
    if (!display.thread || !wait_for_window(s, errp)) {
        sdl_display_stop();
        return false;
    }
    console_add_change(console_changed, NULL);
    show(console_first());
    return true;
}

/* False: the X server hangs, and the thread in it. */
static bool end_thread(SdlShared *s)
{
    const gint64 end = g_get_monotonic_time() + CLOSE_MS * G_TIME_SPAN_MILLISECOND;

    g_mutex_lock(&s->lock);
    s->ends = true;
    g_cond_broadcast(&s->cond);
    while (display.thread && !s->over && g_cond_wait_until(&s->cond, &s->lock, end)) {
    }
    const bool over = !display.thread || s->over;
    g_mutex_unlock(&s->lock);
    if (display.thread && over) {
        g_thread_join(display.thread);
    } else if (display.thread) {
        g_thread_unref(display.thread);
    }
    display.thread = NULL;
    return over;
}

void sdl_display_stop(void)
{
    SdlShared *s = display.shared;

    if (!s) {
        return;
    }
    console_remove_change(console_changed, NULL);
    if (display.console) {
        console_remove_listener(display.console, &display.listener);
        display.console = NULL;
    }
    display.shared = NULL;
    if (end_thread(s)) {
        free_shared(s); /* else it stays, as the thread does */
    }
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The SDL display's window, on its thread. SDL tells nobody when there is something to do without
 * being asked, so it is, every TICK_MS.
 */
#include <SDL.h>
#include <gmodule.h>

#include "ui/sdl-internal.h"

#define LIBRARY "libSDL2-2.0.so.0"
#define TICK_MS 10

/* What of SDL is used: it is loaded, as it comes with most of a desktop. */
#define SDL_FUNCTIONS(F)    \
    F(CreateRenderer)       \
    F(CreateTexture)        \
    F(CreateWindow)         \
    F(DestroyRenderer)      \
    F(DestroyTexture)       \
    F(DestroyWindow)        \
    F(GetError)             \
    F(GetWindowSize)        \
    F(Init)                 \
    F(PollEvent)            \
    F(Quit)                 \
    F(RenderClear)          \
    F(RenderCopy)           \
    F(RenderPresent)        \
    F(SetHint)              \
    F(SetRelativeMouseMode) \
    F(SetTextureBlendMode)  \
    F(SetWindowFullscreen)  \
    F(SetWindowGrab)        \
    F(SetWindowSize)        \
    F(SetWindowTitle)       \
    F(ShowCursor)           \
    F(UpdateTexture)

#define MEMBER(name) __typeof__(&SDL_##name) name;
static struct {
    SDL_FUNCTIONS(MEMBER)
} sdl;
#undef MEMBER

typedef struct Window {
    SdlShared *shared;
    SDL_Window *window;
    SDL_Renderer *renderer;
    SDL_Texture *picture, *cursor; /* NULL: none */
    unsigned serial, cursor_serial;
    int width, height;  /* of the picture */
    SDL_Rect cursor_at; /* in the picture, with its hot spot at 0, 0 */
    int cursor_x, cursor_y;
    bool cursor_visible;
    bool absolute, grabbed, full_screen;
    bool own_size; /* the user has chosen it, and it stays when the picture changes */
    bool redraw;
    bool resize, regrab; /* the window is to get the picture's size; the pointer's kind changed */
    uint8_t held[256];   /* keys, by number */
} Window;

/* ---- loading ---- */

static bool load(char **error)
{
    static const struct {
        const char *name;
        gpointer *to;
    } functions[] = {
#define ROW(name) { "SDL_" #name, (gpointer *)(void *)&sdl.name },
        SDL_FUNCTIONS(ROW)
#undef ROW
    };
    GModule *module = g_module_open(LIBRARY, G_MODULE_BIND_LOCAL | G_MODULE_BIND_LAZY);

    if (!module) {
        *error = g_strdup(LIBRARY " cannot be loaded: install the package libsdl2-2.0-0");
        return false;
    }
    g_module_make_resident(module); /* it has threads, perhaps */
    for (unsigned i = 0; i < G_N_ELEMENTS(functions); i++) {
        if (!g_module_symbol(module, functions[i].name, functions[i].to)) {
            *error = g_strdup_printf(LIBRARY " is too old: it has no %s", functions[i].name);
            return false;
        }
    }
    return true;
}

/* ---- the pointer and the title ---- */

static void show_pointer(const Window *w)
{
    const bool hidden = w->absolute || w->grabbed;

    sdl.ShowCursor(hidden && !w->shared->show_cursor ? SDL_DISABLE : SDL_ENABLE);
}

static void show_title(const Window *w)
{
    static const char *const keys[] = {
        [DISPLAY_GRAB_MOD_LCTRL_LALT] = "Ctrl+Alt+G",
        [DISPLAY_GRAB_MOD_LSHIFT_LCTRL_LALT] = "Ctrl+Alt+Shift+G",
        [DISPLAY_GRAB_MOD_RCTRL] = "Right-Ctrl+G",
    };
    g_autofree char *text = w->grabbed
                                ? g_strdup_printf("%s - press %s to release the pointer",
                                                  w->shared->title, keys[w->shared->grab_mod])
                                : g_strdup(w->shared->title);

    sdl.SetWindowTitle(w->window, text);
}

static void set_grab(Window *w, bool grab)
{
    w->grabbed = grab;
    sdl.SetWindowGrab(w->window, grab ? SDL_TRUE : SDL_FALSE);
    sdl.SetRelativeMouseMode(grab && !w->absolute ? SDL_TRUE : SDL_FALSE);
    show_pointer(w);
    show_title(w);
}

/* ---- the window's size ---- */

static void set_full_screen(Window *w, bool full)
{
    w->full_screen = full;
    sdl.SetWindowFullscreen(w->window, full ? SDL_WINDOW_FULLSCREEN_DESKTOP : 0);
    if (full) {
        set_grab(w, true);
    }
    w->redraw = true;
}

static void unscale(Window *w)
{
    w->own_size = false;
    sdl.SetWindowSize(w->window, w->width, w->height);
    w->redraw = true;
}

/* By a quarter more or less of the picture's size, between that and four times. */
static void zoom(Window *w, int by)
{
    int width, height;

    sdl.GetWindowSize(w->window, &width, &height);
    int quarters = CLAMP(width * 4 / w->width + by, 2, 16);
    w->own_size = true;
    sdl.SetWindowSize(w->window, w->width * quarters / 4, w->height * quarters / 4);
    w->redraw = true;
}

/* ---- keys ---- */

static void release_all(Window *w)
{
    for (int number = 1; number < 0x100; number++) {
        if (w->held[number]) {
            w->held[number] = 0;
            sdl_event_send(w->shared, SDL_EVENT_KEY, number, false);
        }
    }
}

/* @now: what was held when a key was pressed, which is over, perhaps. */
static bool modifiers_held(const Window *w, unsigned now)
{
    static const unsigned wanted[] = {
        [DISPLAY_GRAB_MOD_LCTRL_LALT] = KMOD_LCTRL | KMOD_LALT,
        [DISPLAY_GRAB_MOD_LSHIFT_LCTRL_LALT] = KMOD_LSHIFT | KMOD_LCTRL | KMOD_LALT,
        [DISPLAY_GRAB_MOD_RCTRL] = KMOD_RCTRL,
    };
    const unsigned mod = wanted[w->shared->grab_mod];

    return (now & mod) == mod;
}

/* True: it was one of ours. */
static bool command(Window *w, SDL_Scancode code)
{
    if (code >= SDL_SCANCODE_1 && code <= SDL_SCANCODE_9) {
        sdl_event_send(w->shared, SDL_EVENT_CONSOLE, (int)(code - SDL_SCANCODE_1), 0);
        return true;
    }
    switch (code) {
    case SDL_SCANCODE_F:
        set_full_screen(w, !w->full_screen);
        return true;
    case SDL_SCANCODE_G:
        set_grab(w, !w->grabbed);
        return true;
    case SDL_SCANCODE_U:
        unscale(w);
        return true;
    case SDL_SCANCODE_EQUALS:
    case SDL_SCANCODE_KP_PLUS:
        zoom(w, 1);
        return true;
    case SDL_SCANCODE_MINUS:
    case SDL_SCANCODE_KP_MINUS:
        zoom(w, -1);
        return true;
    default:
        return false;
    }
}

static void key(Window *w, const SDL_KeyboardEvent *event)
{
    const bool down = event->type == SDL_KEYDOWN;
    const SDL_Scancode code = event->keysym.scancode;
    const uint8_t number = code < G_N_ELEMENTS(w->shared->numbers) ? w->shared->numbers[code] : 0;

    if ((down && !event->repeat && modifiers_held(w, event->keysym.mod) && command(w, code)) ||
        !number || (!down && !w->held[number])) {
        return;
    }
    w->held[number] = down;
    sdl_event_send(w->shared, SDL_EVENT_KEY, number, down);
}

/* ---- the pointer ---- */

static int place(int at, int size)
{
    return (int)((int64_t)CLAMP(at, 0, MAX(size, 2) - 1) * SDL_AXIS_MAX / (MAX(size, 2) - 1));
}

static void motion(Window *w, const SDL_MouseMotionEvent *event)
{
    int width, height;

    sdl.GetWindowSize(w->window, &width, &height);
    if (w->absolute) {
        sdl_event_send(w->shared, SDL_EVENT_PLACE, place(event->x, width), place(event->y, height));
    } else if (w->grabbed) {
        sdl_event_send(w->shared, SDL_EVENT_MOVE, event->xrel, event->yrel);
    }
}

static void button(Window *w, const SDL_MouseButtonEvent *event)
{
    static const InputButton names[] = {
        [SDL_BUTTON_LEFT] = INPUT_BUTTON_LEFT,   [SDL_BUTTON_MIDDLE] = INPUT_BUTTON_MIDDLE,
        [SDL_BUTTON_RIGHT] = INPUT_BUTTON_RIGHT, [SDL_BUTTON_X1] = INPUT_BUTTON_SIDE,
        [SDL_BUTTON_X2] = INPUT_BUTTON_EXTRA,
    };
    const bool down = event->type == SDL_MOUSEBUTTONDOWN;

    if (event->button == 0 || event->button >= G_N_ELEMENTS(names)) {
        return;
    }
    if (!w->absolute && !w->grabbed) {
        if (down && event->button == SDL_BUTTON_LEFT) {
            set_grab(w, true);
        }
        return;
    }
    sdl_event_send(w->shared, SDL_EVENT_BUTTON, (int)names[event->button], down);
}

static void wheel(Window *w, const SDL_MouseWheelEvent *event)
{
    const InputButton which = event->y > 0 ? INPUT_BUTTON_WHEEL_UP : INPUT_BUTTON_WHEEL_DOWN;

    if (event->y && (w->absolute || w->grabbed)) {
        sdl_event_send(w->shared, SDL_EVENT_BUTTON, (int)which, true);
        sdl_event_send(w->shared, SDL_EVENT_BUTTON, (int)which, false);
    }
}

/* ---- events ---- */

static void window_event(Window *w, const SDL_WindowEvent *event)
{
    switch (event->event) {
    case SDL_WINDOWEVENT_RESIZED:
        if (!w->full_screen && (event->data1 != w->width || event->data2 != w->height)) {
            w->own_size = true;
            sdl_event_send(w->shared, SDL_EVENT_SIZE, event->data1, event->data2);
        }
        w->redraw = true;
        break;
    case SDL_WINDOWEVENT_EXPOSED:
    case SDL_WINDOWEVENT_SIZE_CHANGED:
        w->redraw = true;
        break;
    case SDL_WINDOWEVENT_FOCUS_LOST:
        release_all(w);
        if (w->grabbed && !w->full_screen) {
            set_grab(w, false);
        }
        break;
    default:
        break;
    }
}

static void take_events(Window *w)
{
    SDL_Event event;

    while (sdl.PollEvent(&event)) {
        switch (event.type) {
        case SDL_KEYDOWN:
        case SDL_KEYUP:
            key(w, &event.key);
            break;
        case SDL_MOUSEMOTION:
            motion(w, &event.motion);
            break;
        case SDL_MOUSEBUTTONDOWN:
        case SDL_MOUSEBUTTONUP:
            button(w, &event.button);
            break;
        case SDL_MOUSEWHEEL:
            wheel(w, &event.wheel);
            break;
        case SDL_WINDOWEVENT:
            window_event(w, &event.window);
            break;
        case SDL_QUIT:
            if (w->shared->window_close) {
                sdl_event_send(w->shared, SDL_EVENT_CLOSED, 0, 0);
            }
            break;
        default:
            break;
        }
    }
}

/* ---- the picture ---- */

static void destroy(SDL_Texture **texture)
{
    if (*texture) {
        sdl.DestroyTexture(*texture);
        *texture = NULL;
    }
}

/* Of another size; with the lock. */
static void new_picture(Window *w)
{
    SdlShared *s = w->shared;

    w->serial = s->serial;
    w->width = (int)s->width;
    w->height = (int)s->height;
    destroy(&w->picture);
    w->picture = sdl.CreateTexture(w->renderer, SDL_PIXELFORMAT_RGB888, SDL_TEXTUREACCESS_STREAMING,
                                   w->width, w->height);
    pixman_region32_union_rect(&s->changed, &s->changed, 0, 0, s->width, s->height);
    w->resize = true;
}

/* With the lock. */
static void new_cursor(Window *w)
{
    const SdlShared *s = w->shared;

    w->cursor_serial = s->cursor_serial;
    destroy(&w->cursor);
    if (!s->cursor) {
        return;
    }
    w->cursor = sdl.CreateTexture(w->renderer, SDL_PIXELFORMAT_ARGB8888, SDL_TEXTUREACCESS_STATIC,
                                  (int)s->cursor_width, (int)s->cursor_height);
    if (w->cursor) {
        sdl.UpdateTexture(w->cursor, NULL, s->cursor, 4 * (int)s->cursor_width);
        sdl.SetTextureBlendMode(w->cursor, SDL_BLENDMODE_BLEND);
        w->cursor_at = (SDL_Rect){ -(int)s->cursor_hot_x, -(int)s->cursor_hot_y,
                                   (int)s->cursor_width, (int)s->cursor_height };
    }
}

/* With the lock. */
static void take_pixels(Window *w)
{
    SdlShared *s = w->shared;
    int count;
    const pixman_box32_t *boxes = pixman_region32_rectangles(&s->changed, &count);

    for (int i = 0; i < count && w->picture; i++) {
        const SDL_Rect rect = { boxes[i].x1, boxes[i].y1, boxes[i].x2 - boxes[i].x1,
                                boxes[i].y2 - boxes[i].y1 };

        sdl.UpdateTexture(w->picture, &rect, s->pixels + (size_t)rect.y * s->width + rect.x,
                          4 * w->width);
    }
    w->redraw |= count > 0;
    pixman_region32_clear(&s->changed);
}

/* What the main thread has changed; with the lock, which that waits for: textures are ours, and the
 * X server, which may hang, is asked for nothing. */
static void take_changes(Window *w)
{
    const SdlShared *s = w->shared;

    if (w->serial != s->serial) {
        new_picture(w);
    }
    take_pixels(w);
    if (w->cursor_serial != s->cursor_serial) {
        new_cursor(w);
        w->redraw = true;
    }
    if (w->cursor_x != s->cursor_x || w->cursor_y != s->cursor_y ||
        w->cursor_visible != s->cursor_visible) {
        w->cursor_x = s->cursor_x;
        w->cursor_y = s->cursor_y;
        w->cursor_visible = s->cursor_visible;
        w->redraw = true;
    }
    if (w->absolute != s->absolute) {
        w->absolute = s->absolute;
        w->regrab = true;
    }
}

/* Without the lock. */
static void change_window(Window *w)
{
    if (w->resize && !w->own_size && !w->full_screen) {
        sdl.SetWindowSize(w->window, w->width, w->height);
    }
    if (w->regrab) {
        set_grab(w, w->grabbed && !w->absolute);
    }
    w->resize = w->regrab = false;
}

static void draw(Window *w)
{
    int width, height;

    sdl.GetWindowSize(w->window, &width, &height);
    sdl.RenderClear(w->renderer);
    if (w->picture) {
        sdl.RenderCopy(w->renderer, w->picture, NULL, NULL);
    }
    if (w->cursor && w->cursor_visible) {
        const SDL_Rect at = { (w->cursor_at.x + w->cursor_x) * width / w->width,
                              (w->cursor_at.y + w->cursor_y) * height / w->height,
                              w->cursor_at.w * width / w->width,
                              w->cursor_at.h * height / w->height };

        sdl.RenderCopy(w->renderer, w->cursor, NULL, &at);
    }
    sdl.RenderPresent(w->renderer);
    w->redraw = false;
}

/* ---- the thread ---- */

static bool open_window(Window *w, char **error)
{
    if (!load(error)) {
        return false;
    }
    sdl.SetHint(SDL_HINT_NO_SIGNAL_HANDLERS, "1");
    sdl.SetHint(SDL_HINT_VIDEO_ALLOW_SCREENSAVER, "1");
    sdl.SetHint(SDL_HINT_GRAB_KEYBOARD, "1");
    sdl.SetHint(SDL_HINT_WINDOWS_NO_CLOSE_ON_ALT_F4, "1");
    if (sdl.Init(SDL_INIT_VIDEO) < 0) {
        *error = g_strdup_printf("there is no screen for a window: %s", sdl.GetError());
        return false;
    }
    w->window = sdl.CreateWindow(w->shared->title, SDL_WINDOWPOS_UNDEFINED, SDL_WINDOWPOS_UNDEFINED,
                                 CONSOLE_WIDTH, CONSOLE_HEIGHT,
                                 SDL_WINDOW_RESIZABLE |
                                     (w->shared->full_screen ? SDL_WINDOW_FULLSCREEN_DESKTOP : 0U));
    w->renderer = w->window ? sdl.CreateRenderer(w->window, -1, SDL_RENDERER_SOFTWARE) : NULL;
    if (!w->renderer) {
        *error = g_strdup_printf("there is no window: %s", sdl.GetError());
        return false;
    }
    w->full_screen = w->shared->full_screen;
    set_grab(w, w->full_screen);
    return true;
}

static void close_window(Window *w)
{
    destroy(&w->picture);
    destroy(&w->cursor);
    if (w->renderer) {
        sdl.DestroyRenderer(w->renderer);
    }
    if (w->window) {
        sdl.DestroyWindow(w->window);
    }
    if (sdl.Quit) {
        sdl.Quit();
    }
}

static void run(Window *w)
{
    SdlShared *s = w->shared;

    g_mutex_lock(&s->lock);
    while (!s->ends) {
        take_changes(w);
        g_mutex_unlock(&s->lock);
        change_window(w);
        if (w->redraw) {
            draw(w);
        }
        take_events(w);
        g_mutex_lock(&s->lock);
        if (!s->ends) {
            g_cond_wait_until(&s->cond, &s->lock, g_get_monotonic_time() + TICK_MS * 1000);
        }
    }
    g_mutex_unlock(&s->lock);
}

gpointer sdl_window_thread(gpointer opaque)
{
    SdlShared *s = opaque;
    Window w = { .shared = s, .absolute = s->absolute };
    char *error = NULL;
    const bool open = open_window(&w, &error);

    g_mutex_lock(&s->lock);
    s->error = error;
    s->ready = true;
    g_cond_broadcast(&s->cond);
    g_mutex_unlock(&s->lock);
    if (open) {
        run(&w);
    }
    close_window(&w);
    g_mutex_lock(&s->lock);
    s->over = true;
    g_cond_broadcast(&s->cond);
    g_mutex_unlock(&s->lock);
    return NULL;
}

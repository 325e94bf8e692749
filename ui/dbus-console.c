/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Consoles as objects on D-Bus, with the keyboard and the pointer that belong to all of them. */
#include <glib/gstdio.h>
#include <string.h>

#include "ui/dbus-internal.h"
#include "util/error.h"
#include "util/main-loop.h"

#define LISTENERS_MAX 16 /* of a console */

typedef struct DbusConsole {
    Console *console;
    char *name;            /* of its object */
    GPtrArray *listeners;  /* of DbusListener *, each its own */
    ConsoleListener watch; /* of the size; only while there are listeners */
    unsigned width, height;
} DbusConsole;

static GPtrArray *consoles;   /* of DbusConsole *; NULL: there is no display */
static uint8_t held[256 / 8]; /* keys */
static unsigned buttons;      /* 1 << InputButton */
static bool was_absolute;

static void refuse(GDBusMethodInvocation *invocation, const char *kind, const char *text)
{
    g_dbus_method_invocation_return_dbus_error(invocation, kind, text);
}

static void done(GDBusMethodInvocation *invocation)
{
    g_dbus_method_invocation_return_value(invocation, NULL);
}

/* ---- the console ---- */

static void listener_ended(DbusListener *listener)
{
    for (unsigned i = 0; consoles && i < consoles->len; i++) {
        DbusConsole *c = consoles->pdata[i];

        if (g_ptr_array_remove(c->listeners, listener) && !c->listeners->len) {
            console_remove_listener(c->console, &c->watch);
        }
    }
    dbus_console_release();
}

static void register_listener(void *opaque, GVariant *args, GDBusMethodInvocation *invocation)
{
    DbusConsole *c = opaque;
    g_autoptr(GError) err = NULL;
    int32_t index;

    g_variant_get(args, "(h)", &index);
    int fd = dbus_take_fd(invocation, index);
    if (fd < 0) {
        refuse(invocation, DBUS_INVALID, "a descriptor must come with the message");
        return;
    }
    DbusListener *listener = NULL;
    if (c->listeners->len >= LISTENERS_MAX) {
        error_set(&err, "this console has %d listeners, and may have no more", LISTENERS_MAX);
        g_close(fd, NULL);
    } else {
        listener = dbus_listener_new(c->console, fd, listener_ended, &err);
    }
    if (!listener) {
        refuse(invocation, DBUS_INVALID, err->message);
        return;
    }
    if (!c->listeners->len) {
        console_add_listener(c->console, &c->watch);
    }
    g_ptr_array_add(c->listeners, listener);
    done(invocation);
}

static void set_ui_info(void *opaque, GVariant *args, GDBusMethodInvocation *invocation)
{
    DbusConsole *c = opaque;
    uint32_t width, height;

    g_variant_get(args, "(qqiiuu)", NULL, NULL, NULL, NULL, &width, &height);
    if (!console_has_ui_info(c->console)) {
        refuse(invocation, DBUS_UNSUPPORTED, "the device does not take wishes for a size");
    } else if (!width || !height || width > CONSOLE_SIZE_MAX || height > CONSOLE_SIZE_MAX) {
        refuse(invocation, DBUS_INVALID, "a size is from 1 to 16384 pixels each way");
    } else {
        console_ui_info(c->console, width, height);
        done(invocation);
    }
}

static GVariant *get_label(void *opaque)
{
    const DbusConsole *c = opaque;

    return g_variant_new_string(object_typename(console_device(c->console)));
}

static GVariant *get_head(void *opaque)
{
    return g_variant_new_uint32(console_head(((DbusConsole *)opaque)->console));
}

static GVariant *get_type(void *opaque)
{
    return g_variant_new_string("Graphic");
}

static GVariant *get_width(void *opaque)
{
    pixman_image_t *image = console_surface(((DbusConsole *)opaque)->console);

    return g_variant_new_uint32((guint)pixman_image_get_width(image));
}

static GVariant *get_height(void *opaque)
{
    pixman_image_t *image = console_surface(((DbusConsole *)opaque)->console);

    return g_variant_new_uint32((guint)pixman_image_get_height(image));
}

static GVariant *get_address(void *opaque)
{
    const DbusConsole *c = opaque;

    return g_variant_new_take_string(dbus_host()->address(console_device(c->console)));
}

static const DbusInterface console_interface = {
    .name = "Console",
    .xml =
        "<method name='RegisterListener'><arg type='h' name='listener'/></method>"
        "<method name='SetUIInfo'><arg type='q' name='width_mm'/><arg type='q' name='height_mm'/>"
        "<arg type='i' name='xoff'/><arg type='i' name='yoff'/>"
        "<arg type='u' name='width'/><arg type='u' name='height'/></method>"
        "<property name='Label' type='s' access='read'/>"
        "<property name='Head' type='u' access='read'/>"
        "<property name='Type' type='s' access='read'/>"
        "<property name='Width' type='u' access='read'/>"
        "<property name='Height' type='u' access='read'/>"
        "<property name='DeviceAddress' type='s' access='read'/>",
    .methods = (const DbusMethod[]){ { "RegisterListener", register_listener },
                                     { "SetUIInfo", set_ui_info },
                                     { 0 } },
    .properties = (const DbusProperty[]){ { "Label", get_label },
                                          { "Head", get_head },
                                          { "Type", get_type },
                                          { "Width", get_width },
                                          { "Height", get_height },
                                          { "DeviceAddress", get_address },
                                          { 0 } },
};

/* ---- the keyboard ---- */

static void set_key(uint32_t number, bool down)
{
    const uint8_t bit = (uint8_t)(1u << number % 8);

    held[number / 8] = down ? held[number / 8] | bit : held[number / 8] & (uint8_t)~bit;
    dbus_host()->key((uint8_t)number, down);
}

static void key(GVariant *args, GDBusMethodInvocation *invocation, bool down)
{
    uint32_t number;

    g_variant_get(args, "(u)", &number);
    if (number && number < 0x100) { /* others no keyboard has */
        set_key(number, down);
    }
    done(invocation);
}

static void press_key(void *opaque, GVariant *args, GDBusMethodInvocation *invocation)
{
    key(args, invocation, true);
}

static void release_key(void *opaque, GVariant *args, GDBusMethodInvocation *invocation)
{
    key(args, invocation, false);
}

static GVariant *get_modifiers(void *opaque)
{
    return g_variant_new_uint32(0);
}

static const DbusInterface keyboard_interface = {
    .name = "Keyboard",
    .xml = "<method name='Press'><arg type='u' name='keycode'/></method>"
           "<method name='Release'><arg type='u' name='keycode'/></method>"
           "<property name='Modifiers' type='u' access='read'/>",
    .methods = (const DbusMethod[]){ { "Press", press_key }, { "Release", release_key }, { 0 } },
    .properties = (const DbusProperty[]){ { "Modifiers", get_modifiers }, { 0 } },
};

/* ---- the pointer ---- */

static void set_button(InputButton button, bool down)
{
    buttons = down ? buttons | 1u << button : buttons & ~(1u << button);
    dbus_host()->button(button, down);
    dbus_host()->sync();
}

static void button(GVariant *args, GDBusMethodInvocation *invocation, bool down)
{
    uint32_t number;

    g_variant_get(args, "(u)", &number);
    if (number >= INPUT_BUTTON__MAX) {
        refuse(invocation, DBUS_INVALID, "there is no such button");
        return;
    }
    set_button((InputButton)number, down);
    done(invocation);
}

static void press_button(void *opaque, GVariant *args, GDBusMethodInvocation *invocation)
{
    button(args, invocation, true);
}

static void release_button(void *opaque, GVariant *args, GDBusMethodInvocation *invocation)
{
    button(args, invocation, false);
}

static int place(uint32_t at, int size)
{
    return (int)((int64_t)at * DBUS_AXIS_MAX / (MAX(size, 2) - 1));
}

static void set_position(void *opaque, GVariant *args, GDBusMethodInvocation *invocation)
{
    const DbusConsole *c = opaque;
    pixman_image_t *image = console_surface(c->console);
    const int width = pixman_image_get_width(image), height = pixman_image_get_height(image);
    uint32_t x, y;

    g_variant_get(args, "(uu)", &x, &y);
    if (!dbus_host()->absolute()) {
        refuse(invocation, DBUS_INVALID, "the guest's pointer takes moves, and no places");
    } else if (x >= (uint32_t)width || y >= (uint32_t)height) {
        refuse(invocation, DBUS_INVALID, "this place is outside of the picture");
    } else {
        dbus_host()->move(INPUT_AXIS_X, place(x, width), true);
        dbus_host()->move(INPUT_AXIS_Y, place(y, height), true);
        dbus_host()->sync();
        done(invocation);
    }
}

static void move(void *opaque, GVariant *args, GDBusMethodInvocation *invocation)
{
    int32_t x, y;

    g_variant_get(args, "(ii)", &x, &y);
    if (dbus_host()->absolute()) {
        refuse(invocation, DBUS_INVALID, "the guest's pointer takes places, and no moves");
        return;
    }
    dbus_host()->move(INPUT_AXIS_X, CLAMP(x, -DBUS_AXIS_MAX, DBUS_AXIS_MAX), false);
    dbus_host()->move(INPUT_AXIS_Y, CLAMP(y, -DBUS_AXIS_MAX, DBUS_AXIS_MAX), false);
    dbus_host()->sync();
    done(invocation);
}

static GVariant *get_absolute(void *opaque)
{
    return g_variant_new_boolean(dbus_host()->absolute());
}

static const DbusInterface mouse_interface = {
    .name = "Mouse",
    .xml = "<method name='Press'><arg type='u' name='button'/></method>"
           "<method name='Release'><arg type='u' name='button'/></method>"
           "<method name='SetAbsPosition'><arg type='u' name='x'/><arg type='u' name='y'/></method>"
           "<method name='RelMotion'><arg type='i' name='dx'/><arg type='i' name='dy'/></method>"
           "<property name='IsAbsolute' type='b' access='read'/>",
    .methods = (const DbusMethod[]){ { "Press", press_button },
                                     { "Release", release_button },
                                     { "SetAbsPosition", set_position },
                                     { "RelMotion", move },
                                     { 0 } },
    .properties = (const DbusProperty[]){ { "IsAbsolute", get_absolute }, { 0 } },
};

static const DbusInterface *const interfaces[] = { &console_interface, &keyboard_interface,
                                                   &mouse_interface, NULL };

void dbus_console_release(void)
{
    for (unsigned number = 1; number < 0x100; number++) {
        if (held[number / 8] >> number % 8 & 1) {
            set_key(number, false);
        }
    }
    for (unsigned i = 0; i < INPUT_BUTTON__MAX; i++) {
        if (buttons >> i & 1) {
            set_button((InputButton)i, false);
        }
    }
}

static void check_pointer(void *opaque)
{
    if (!consoles || was_absolute == dbus_host()->absolute()) {
        return;
    }
    was_absolute = !was_absolute;
    for (unsigned i = 0; i < consoles->len; i++) {
        dbus_object_changed(((DbusConsole *)consoles->pdata[i])->name, &mouse_interface,
                            "IsAbsolute");
    }
}

void dbus_display_pointer_changed(void)
{
    if (consoles) {
        main_loop_schedule(check_pointer, NULL);
    }
}

/* ---- coming and going ---- */

static void size_changed(void *opaque, Console *console, pixman_image_t *image)
{
    DbusConsole *c = opaque;
    const unsigned width = (unsigned)pixman_image_get_width(image),
                   height = (unsigned)pixman_image_get_height(image);

    if (c->width != width) {
        c->width = width;
        dbus_object_changed(c->name, &console_interface, "Width");
    }
    if (c->height != height) {
        c->height = height;
        dbus_object_changed(c->name, &console_interface, "Height");
    }
}

GVariant *dbus_console_ids(void)
{
    GVariantBuilder ids;

    g_variant_builder_init(&ids, G_VARIANT_TYPE("au"));
    for (unsigned i = 0; consoles && i < consoles->len; i++) {
        const DbusConsole *c = consoles->pdata[i];

        g_variant_builder_add(&ids, "u", console_index(c->console));
    }
    return g_variant_builder_end(&ids);
}

static void console_free_all(gpointer opaque)
{
    DbusConsole *c = opaque;

    dbus_object_remove(c->name);
    g_ptr_array_unref(c->listeners);
    g_free(c->name);
    g_free(c);
}

static DbusConsole *find(const Console *console)
{
    for (unsigned i = 0; i < consoles->len; i++) {
        if (((DbusConsole *)consoles->pdata[i])->console == console) {
            return consoles->pdata[i];
        }
    }
    return NULL;
}

static void console_changed(void *opaque, Console *console, bool added)
{
    DbusConsole *c;

    if (added) {
        c = g_new0(DbusConsole, 1);
        c->console = console;
        c->name = g_strdup_printf("Console_%u", console_index(console));
        c->listeners = g_ptr_array_new();
        c->watch = (ConsoleListener){ .surface = size_changed, .opaque = c };
        g_ptr_array_add(consoles, c);
        dbus_object_add(c->name, interfaces, c);
        dbus_consoles_changed();
    } else if ((c = find(console))) {
        for (unsigned i = 0; i < c->listeners->len; i++) {
            dbus_listener_disable(c->listeners->pdata[i]);
        }
        console_remove_listener(console, &c->watch);
        g_ptr_array_remove(consoles, c);
        dbus_consoles_changed();
    }
}

void dbus_console_start(void)
{
    consoles = g_ptr_array_new_with_free_func(console_free_all);
    was_absolute = dbus_host()->absolute();
    for (Console *c = console_first(); c; c = console_next(c)) {
        console_changed(NULL, c, true);
    }
    console_add_change(console_changed, NULL);
}

void dbus_console_stop(void)
{
    console_remove_change(console_changed, NULL);
    for (unsigned i = 0; i < consoles->len; i++) {
        const DbusConsole *c = consoles->pdata[i];

        while (c->listeners->len) {
            dbus_listener_end(c->listeners->pdata[0]);
        }
    }
    g_clear_pointer(&consoles, g_ptr_array_unref);
}

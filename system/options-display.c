/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -display and -full-screen: what shows the machine, and what users do there. */
#include "ui/display.h"

#include <string.h>

#include "hw/core/runstate.h"
#include "hw/input/input.h"
#include "hw/input/key-codes.h"
#include "hw/pci/pci.h"
#include "system/options-more.h"
#include "system/viewer.h"
#include "ui/dbus.h"
#include "ui/sdl.h"
#include "util/error.h"
#include "util/keyval.h"

/* ---- D-Bus ---- */

/* "/02.0" for each bridge from the root on, and the function itself. */
static void add_place(GString *text, const PciDevice *dev)
{
    const PciBus *bus = pci_bus_of(dev);

    if (bus->bridge) {
        add_place(text, bus->bridge);
    }
    g_string_append_printf(text, "/%02x.%x", PCI_SLOT(dev->devfn), PCI_FUNC(dev->devfn));
}

static char *address(const Object *device)
{
    GString *text = g_string_new(NULL);

    while (device && !object_is_a(device, TYPE_PCI_DEVICE)) {
        device = device->parent;
    }
    if (device) {
        g_string_append(text, "pci/0000");
        add_place(text, PCI_DEVICE((Object *)(uintptr_t)device));
    }
    return g_string_free(text, FALSE);
}

static const DbusHost dbus_host_ops = { viewer_key,    viewer_absolute, viewer_move,
                                        viewer_button, viewer_sync,     address };

static bool start_dbus(const DisplayOptions *o, const Machine *machine, GError **errp)
{
    const uint8_t *u = machine->uuid;
    g_autofree char *uuid = g_strdup_printf(
        "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0], u[1], u[2],
        u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14], u[15]);

    if (!dbus_display_start(o->u.dbus, machine->guest_name, uuid, &dbus_host_ops, errp)) {
        return false;
    }
    input_pointers_watch(dbus_display_pointer_changed);
    return true;
}

/* ---- SDL ---- */

static void window_closed(void)
{
    runstate_request_shutdown(SHUTDOWN_CAUSE_HOST_UI);
}

static const SdlHost sdl_host = { viewer_key,  viewer_absolute, viewer_move,   viewer_button,
                                  viewer_sync, window_closed,   key_code_usage };

static bool start_sdl(const DisplayOptions *o, const Machine *machine, GError **errp)
{
    return sdl_display_start(o, machine->guest_name, &sdl_host, errp);
}

/* ---- the option ---- */

static const struct {
    const char *name, *why;
} absent[] = {
    { "gtk", "there is no window by GTK; use sdl" },
    { "cocoa", "there is no window by Cocoa; use sdl" },
    { "curses", "screens are not shown on terminals; use -nographic, or vnc=[HOST]:N" },
    { "spice-app", "no viewer is started; use -spice, and start one" },
};

static bool check_type(const char *arg, GError **errp)
{
    g_autofree char *type = g_strndup(arg, strcspn(arg, ","));

    for (unsigned i = 0; i < G_N_ELEMENTS(absent); i++) {
        if (strcmp(absent[i].name, type) == 0) {
            error_set(errp, "'%s': %s", type, absent[i].why);
            return false;
        }
    }
    return true;
}

bool option_do_display(Startup *startup, const char *arg, GError **errp)
{
    struct json_object *given;
    DisplayOptions *o;

    startup->display = DISPLAY_NONE;
    if (g_str_has_prefix(arg, "vnc=")) {
        startup->display_vnc = arg + strlen("vnc=");
        return true;
    }
    if (!check_type(arg, errp)) {
        return false;
    }
    given = keyval_or_json_parse(arg, "type", errp);
    o = given ? DisplayOptions_from_json(given, NULL, errp) : NULL;
    json_object_put(given);
    if (o && o->has_gl && o->gl != DISPLAY_GL_MODE_OFF && o->type != DISPLAY_TYPE_EGL_HEADLESS) {
        error_set(errp, "gl=%s: pictures are not drawn by OpenGL; leave it out, or gl=off",
                  DisplayGlMode_str(o->gl));
        DisplayOptions_free(o);
        o = NULL;
    }
    if (!o) {
        return false;
    }
    display_options_set(o);
    return true;
}

bool option_start_display(Startup *startup, GError **errp)
{
    static bool (*const starts[DISPLAY_TYPE__MAX])(const DisplayOptions *, const Machine *,
                                                   GError **) = {
        [DISPLAY_TYPE_DBUS] = start_dbus,
        [DISPLAY_TYPE_SDL] = start_sdl,
    };
    const DisplayOptions *o = display_options();

    if (startup->full_screen && o && o->type == DISPLAY_TYPE_SDL) {
        DisplayOptions *mine = (DisplayOptions *)(uintptr_t)o; /* nobody has it yet */

        mine->has_full_screen = mine->full_screen = true;
    }
    if (!o || !starts[o->type] || starts[o->type](o, startup->machine, errp)) {
        return true;
    }
    g_prefix_error(errp, "-display %s: ", DisplayType_str(o->type));
    return false;
}

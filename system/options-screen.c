/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -display, -vga, and the graphics card of a machine that has none given. */
#include <string.h>

#include "hw/core/device.h"
#include "system/cmdline.h"
#include "system/options-more.h"
#include "util/error.h"
#include "util/keyval.h"

/* What -vga calls them, and the types of devices. */
static const struct {
    const char *name, *type, *what;
} cards[] = {
    { "none", NULL, "no graphics card" },
    { "std", "VGA", "standard VGA" },
    { "virtio", "virtio-vga", "virtio VGA" },
    { "vmware", "vmware-svga", "VMware SVGA II" },
    { "cirrus", "cirrus-vga", "Cirrus Logic GD5446" },
    { "qxl", "qxl-vga", "QXL VGA" },
};

char *option_text_vga(const char *what, GError **errp)
{
    GString *text = g_string_new(NULL);

    for (unsigned i = 0; i < G_N_ELEMENTS(cards); i++) {
        g_string_append_printf(text, "%-20s %s\n", cards[i].name, cards[i].what);
    }
    return g_string_free(text, FALSE);
}

bool option_do_vga(Startup *startup, const char *arg, GError **errp)
{
    g_autoptr(GString) names = g_string_new(NULL);

    for (unsigned i = 0; i < G_N_ELEMENTS(cards); i++) {
        if (strcmp(arg, cards[i].name) == 0) {
            startup->vga_given = true;
            startup->vga = cards[i].type;
            return true;
        }
        g_string_append_printf(names, "%s%s", names->len ? ", " : "", cards[i].name);
    }
    error_set(errp, "there is no graphics card '%s'; there are %s", arg, names->str);
    return false;
}

/* Is it a -device of a graphics card that firmware begins with? */
static bool gives_card(const OptionUse *use)
{
    bool is_card = false;

    if (strcmp(use->option->name, "device") == 0) {
        struct json_object *props = keyval_device_parse(use->arg, NULL), *driver;

        if (props && json_object_object_get_ex(props, "driver", &driver)) {
            const ObjectType *type = device_type_called(json_object_get_string(driver));

            for (unsigned i = 0; i < G_N_ELEMENTS(cards); i++) {
                is_card |= type && cards[i].type && object_type_is_a(type, cards[i].type);
            }
        }
        json_object_put(props);
    }
    return is_card;
}

static bool gives_viewer(const OptionUse *use)
{
    const char *name = use->option->name;

    return ((strcmp(name, "vnc") == 0 || strcmp(name, "display") == 0) &&
            g_strcmp0(use->arg, "none") != 0) ||
           strcmp(name, "spice") == 0;
}

/* Somebody will look at what there is: a viewer is given, and no card. */
static bool wants_card(const Startup *startup)
{
    bool viewer = false;

    for (unsigned i = 0; i < startup->uses->len; i++) {
        const OptionUse *use = &g_array_index(startup->uses, OptionUse, i);

        if (gives_card(use)) {
            return false;
        }
        viewer |= gives_viewer(use);
    }
    return viewer && !startup->no_defaults && machine_ops(startup->machine)->default_nic;
}

bool option_add_vga(Startup *startup, GError **errp)
{
    const char *type = startup->vga_given ? startup->vga : wants_card(startup) ? "VGA" : NULL;

    if (!type) {
        return true;
    }
    struct json_object *props = json_object_new_object();
    json_object_object_add(props, "driver", json_object_new_string(type));
    bool ok = device_add(props, errp);
    json_object_put(props);
    if (!ok) {
        g_prefix_error(errp, "-vga: ");
    }
    return ok;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -usb, -usbdevice. */
#include <string.h>

#include "hw/core/device.h"
#include "hw/core/machine.h"
#include "system/options-more.h"
#include "util/error.h"
#include "util/keyval.h"

bool option_do_usb(Startup *startup, const char *arg, GError **errp)
{
    return object_property_parse(OBJECT(startup->machine), "usb", "on", errp);
}

/* Names that were there before -device. */
bool option_do_usbdevice(Startup *startup, const char *arg, GError **errp)
{
    static const char *const types[][2] = { { "keyboard", "usb-kbd" },
                                            { "mouse", "usb-mouse" },
                                            { "tablet", "usb-tablet" } };

    for (unsigned i = 0; i < G_N_ELEMENTS(types); i++) {
        if (strcmp(types[i][0], arg) == 0) {
            struct json_object *props = keyval_device_parse(types[i][1], errp);
            bool ok = props && device_add(props, errp);

            json_object_put(props);
            return ok;
        }
    }
    error_set(errp, "there is no '%s'; it is keyboard, mouse or tablet, and -device has the others",
              arg);
    return false;
}

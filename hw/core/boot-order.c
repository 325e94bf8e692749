/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/core/boot-order.h"

#include "util/error.h"

static GArray *list; /* of BootDevice, by index */

bool boot_order_add(Device *dev, int32_t index, Device *card, const char *kind, const char *below,
                    GError **errp)
{
    BootDevice boot = { dev, index, card, kind, NULL };
    unsigned at = 0;

    if (index < 0) {
        return true;
    }
    list = list ? list : g_array_new(FALSE, FALSE, sizeof(BootDevice));
    while (at < list->len && g_array_index(list, BootDevice, at).index < index) {
        at++;
    }
    if (at < list->len && g_array_index(list, BootDevice, at).index == index) {
        g_autofree char *other = device_describe(g_array_index(list, BootDevice, at).dev);

        error_set(errp, "bootindex=%d is that of %s", index, other);
        return false;
    }
    boot.below = g_strdup(below);
    g_array_insert_val(list, at, boot);
    return true;
}

void boot_order_remove(Device *dev)
{
    for (unsigned i = list ? list->len : 0; i-- > 0;) {
        const BootDevice *boot = &g_array_index(list, BootDevice, i);

        if (boot->dev == dev || boot->card == dev) {
            g_free(boot->below);
            g_array_remove_index(list, i);
        }
    }
}

void boot_order_foreach(void (*fn)(const BootDevice *boot, void *opaque), void *opaque)
{
    for (unsigned i = 0; list && i < list->len; i++) {
        fn(&g_array_index(list, BootDevice, i), opaque);
    }
}

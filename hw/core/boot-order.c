/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/core/boot-order.h"

#include "util/error.h"

static GArray *list; /* of BootDevice, by index; those with a geometry first */

bool boot_order_add(Device *dev, int32_t index, Device *card, const char *kind, const char *below,
                    GError **errp)
{
    BootDevice boot = { .dev = dev, .index = index, .card = card, .kind = kind };
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

bool boot_geometry_add(Device *dev, const BootGeometry *geometry, Device *card, const char *kind,
                       const char *below, GError **errp)
{
    enum { MAX_CYLS = 65535, MAX_HEADS = 255, MAX_SECS = 255 };
    BootDevice boot = {
        .dev = dev, .index = -1, .card = card, .kind = kind, .geometry = *geometry
    };
    bool given = geometry->cyls || geometry->heads || geometry->secs;

    if (given &&
        (!geometry->cyls || !geometry->heads || !geometry->secs || geometry->cyls > MAX_CYLS ||
         geometry->heads > MAX_HEADS || geometry->secs > MAX_SECS)) {
        error_set(errp, "lcyls=%u, lheads=%u, lsecs=%u: none is given, or all, up to %u, %u and %u",
                  geometry->cyls, geometry->heads, geometry->secs, MAX_CYLS, MAX_HEADS, MAX_SECS);
        return false;
    }
    if (given) {
        list = list ? list : g_array_new(FALSE, FALSE, sizeof(BootDevice));
        boot.below = g_strdup(below);
        g_array_prepend_val(list, boot);
    }
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
        if (g_array_index(list, BootDevice, i).index >= 0) {
            fn(&g_array_index(list, BootDevice, i), opaque);
        }
    }
}

void boot_geometry_foreach(void (*fn)(const BootDevice *boot, void *opaque), void *opaque)
{
    /* Of the first one made on. */
    for (unsigned i = list ? list->len : 0; i-- > 0;) {
        if (g_array_index(list, BootDevice, i).index < 0) {
            fn(&g_array_index(list, BootDevice, i), opaque);
        }
    }
}

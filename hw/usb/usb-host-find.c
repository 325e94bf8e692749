/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/usb/usb-host-find.h"

#include <string.h>

enum { CLASS_HUB = 9, TEXT_MAX = 256 };

static void info_free(void *opaque)
{
    UsbHostInfo *info = opaque;

    g_free(info->port);
    g_free(info->speed);
    g_free(info->name);
    g_free(info);
}

/* Texts are the device's own. */
static char *read_text(const char *folder, const char *device, const char *what)
{
    g_autofree char *path = g_build_filename(folder, device, what, NULL);
    char *text = NULL;

    if (!g_file_get_contents(path, &text, NULL, NULL)) {
        return g_strdup("");
    }
    text[MIN(strlen(text), TEXT_MAX)] = 0;
    g_strstrip(text);
    for (char *at = text; *at; at++) {
        *at = g_ascii_isprint(*at) ? *at : '?';
    }
    return text;
}

static uint32_t read_number(const char *folder, const char *device, const char *what, unsigned base)
{
    g_autofree char *text = read_text(folder, device, what);

    return (uint32_t)g_ascii_strtoull(text, NULL, base);
}

static bool fits(const UsbHostInfo *info, const UsbHostMatch *m)
{
    return (!m->vendor || m->vendor == info->vendor) &&
           (!m->product || m->product == info->product) && (!m->bus || m->bus == info->bus) &&
           (!m->address || m->address == info->address) &&
           (!m->port || strcmp(m->port, info->port) == 0);
}

static int compare(const void *a, const void *b)
{
    const UsbHostInfo *one = *(UsbHostInfo *const *)a, *other = *(UsbHostInfo *const *)b;

    return one->bus != other->bus
               ? (one->bus > other->bus) - (one->bus < other->bus)
               : (one->address > other->address) - (one->address < other->address);
}

GPtrArray *usb_host_find(const char *folder, const UsbHostMatch *match)
{
    GPtrArray *found = g_ptr_array_new_with_free_func(info_free);
    GDir *dir = g_dir_open(folder, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        UsbHostInfo *info;

        if (strchr(name, ':')) { /* an interface of one */
            continue;
        }
        info = g_new(UsbHostInfo, 1);
        *info = (UsbHostInfo){ .vendor = read_number(folder, name, "idVendor", 16),
                               .product = read_number(folder, name, "idProduct", 16),
                               .bus = read_number(folder, name, "busnum", 10),
                               .address = read_number(folder, name, "devnum", 10),
                               .port = read_text(folder, name, "devpath"),
                               .speed = read_text(folder, name, "speed"),
                               .name = read_text(folder, name, "product") };
        if (info->bus && info->address &&
            read_number(folder, name, "bDeviceClass", 16) != CLASS_HUB && fits(info, match)) {
            g_ptr_array_add(found, info);
        } else {
            info_free(info);
        }
    }
    if (dir) {
        g_dir_close(dir);
    }
    g_ptr_array_sort(found, compare);
    return found;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/input/evdev.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "util/error.h"
#include "util/fdset.h"
#include "util/loop.h"

enum { EVENTS_AT_ONCE = 64 };

bool evdev_open(Evdev *e, const char *path, GError **errp)
{
    int version;

    e->fd = fdset_open_path(path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0);
    if (e->fd < 0) {
        error_set_errno(errp, errno, "cannot open '%s'", path);
        return false;
    }
    if (ioctl(e->fd, EVIOCGVERSION, &version) < 0) {
        error_set(errp,
                  "'%s' is no input device of the host; those are /dev/input/event0 and so on",
                  path);
        close(e->fd);
        return false;
    }
    e->path = g_strdup(path);
    e->grabbed = false;
    e->have = 0;
    return true;
}

void evdev_close(Evdev *e)
{
    if (e->path) {
        evdev_read(e, false);
        close(e->fd);
        g_clear_pointer(&e->path, g_free);
        e->grabbed = false;
    }
}

static gboolean readable(gint fd, GIOCondition condition, gpointer opaque)
{
    Evdev *e = opaque;

    for (unsigned i = 0; i < EVENTS_AT_ONCE && e->source; i++) {
        ssize_t n = read(e->fd, e->partial + e->have, sizeof(e->partial) - e->have);
        struct input_event event;

        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            break;
        }
        if (n <= 0) {
            error_warn("the input device '%s' has gone", e->path);
            e->gone(e->opaque);
            evdev_close(e);
            return G_SOURCE_REMOVE;
        }
        e->have += (size_t)n;
        if (e->have == sizeof(event)) {
            memcpy(&event, e->partial, sizeof(event));
            e->have = 0;
            e->event(e->opaque, &event);
        }
    }
    return G_SOURCE_CONTINUE;
}

void evdev_read(Evdev *e, bool on)
{
    if (on && !e->source) {
        e->source = g_unix_fd_source_new(e->fd, G_IO_IN);
        g_source_set_callback(e->source, G_SOURCE_FUNC(readable), e, NULL);
        loop_attach(loop_main(), e->source);
    } else if (!on && e->source) {
        g_source_destroy(e->source);
        g_clear_pointer(&e->source, g_source_unref);
    }
}

bool evdev_grab(Evdev *e, bool on, GError **errp)
{
    if (e->path && e->grabbed != on) {
        if (ioctl(e->fd, EVIOCGRAB, on ? (void *)1 : NULL) < 0) {
            error_set_errno(errp, errno, "'%s' cannot be %s", e->path,
                            on ? "taken from the host" : "given back to the host");
            return false;
        }
        e->grabbed = on;
    }
    return true;
}

bool evdev_keys(const Evdev *e, uint8_t keys[EVDEV_KEY_BYTES])
{
    memset(keys, 0, EVDEV_KEY_BYTES);
    return ioctl(e->fd, EVIOCGKEY(EVDEV_KEY_BYTES), keys) >= 0;
}

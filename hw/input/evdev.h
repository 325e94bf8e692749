/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An input device of the host: a file of its kernel's with events (linux/input.h). Machine lock. */
#ifndef HW_INPUT_EVDEV_H
#define HW_INPUT_EVDEV_H

#include <glib.h>
#include <linux/input.h>
#include <stdbool.h>
#include <stdint.h>

#define EVDEV_KEY_BYTES (KEY_CNT / 8)

typedef struct Evdev {
    char *path; /* NULL: it is not open */
    int fd;
    GSource *source; /* NULL: nothing is read now */
    bool grabbed;
    /* An event; and that there will be no more, after which it is closed. */
    void (*event)(void *opaque, const struct input_event *event);
    void (*gone)(void *opaque);
    void *opaque;
    uint8_t partial[sizeof(struct input_event)];
    size_t have; /* bytes of it */
} Evdev;

/* Open @path; nothing is read yet. An error leaves it closed. */
bool evdev_open(Evdev *e, const char *path, GError **errp);
/* It is given back to the host; one that is not open is left so. */
void evdev_close(Evdev *e);
static inline bool evdev_is_open(const Evdev *e)
{
    return e->path != NULL;
}
/* Read, from the main loop, or do so no more. */
void evdev_read(Evdev *e, bool on);
/* This program alone has it, or does not. */
bool evdev_grab(Evdev *e, bool on, GError **errp);
/* The keys that are held, a bit each; false: the kernel does not say. */
bool evdev_keys(const Evdev *e, uint8_t keys[EVDEV_KEY_BYTES]);

#endif

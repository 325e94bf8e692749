/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chardev serial: a serial port, or another terminal, of the host (termios(3)), raw and at 115200
 * bits a second. Its modes are put back at the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include "chardev/char-backend.h"
#include "util/error.h"

typedef struct CharSerial {
    Chardev parent;
    char *path;
    int fd;
    struct termios old_modes;
    bool changed; /* from old_modes */
} CharSerial;

static void serial_restore(CharSerial *serial)
{
    if (serial->changed) {
        serial->changed = false;
        tcsetattr(serial->fd, TCSANOW, &serial->old_modes);
    }
}

static bool serial_complete(Object *obj, GError **errp)
{
    CharSerial *serial = (CharSerial *)obj;
    struct termios modes;

    if (!serial->path || !*serial->path) {
        error_set(errp, "backend serial needs path=DEVICE, as in path=/dev/ttyS0");
        return false;
    }
    serial->fd = open(serial->path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (serial->fd < 0) {
        error_set_errno(errp, errno, "cannot open '%s'", serial->path);
        return false;
    }
    if (tcgetattr(serial->fd, &serial->old_modes) < 0) {
        error_set_errno(errp, errno, "'%s' is no terminal (for others use backend file or pipe)",
                        serial->path);
        return false;
    }
    modes = serial->old_modes;
    cfmakeraw(&modes);
    modes.c_cflag |= CLOCAL | CREAD; /* no modem decides whether we hear something */
    cfsetspeed(&modes, B115200);
    if (tcsetattr(serial->fd, TCSANOW, &modes) < 0) {
        error_set_errno(errp, errno, "cannot set up '%s'", serial->path);
        return false;
    }
    serial->changed = true;
    chardev_connected(CHARDEV(serial), serial->fd, serial->fd);
    return true;
}

/* The line is gone for good (a USB adapter was pulled, a terminal closed). */
static void serial_hangup(Chardev *chr)
{
    chardev_disconnected(chr);
}

static void serial_cleanup(Chardev *chr)
{
    serial_restore((CharSerial *)chr);
}

static void serial_init(Object *obj)
{
    ((CharSerial *)obj)->fd = -1;
}

static void serial_finalize(Object *obj)
{
    CharSerial *serial = (CharSerial *)obj;

    serial_restore(serial);
    if (serial->fd >= 0) {
        close(serial->fd);
    }
}

static const Property serial_properties[] = {
    { .name = "path",
      .kind = PROP_STRING,
      .offset = offsetof(CharSerial, path),
      .description = "the device" },
    { NULL },
};

static const ChardevOps serial_ops = {
    .hangup = serial_hangup,
    .cleanup = serial_cleanup,
};

static const ObjectType serial_type = {
    .name = "chardev-serial",
    .parent = TYPE_CHARDEV,
    .description = "a serial port of the host",
    .instance_size = sizeof(CharSerial),
    .properties = serial_properties,
    .ops = &serial_ops,
    .init = serial_init,
    .finalize = serial_finalize,
    .complete = serial_complete,
};
OBJECT_TYPE_REGISTER(serial_type)

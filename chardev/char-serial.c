/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chardev serial: a serial port, or another terminal, of the host (termios(3)), raw. It is at
 * 115200 bits a second with 8 data bits until the front end says what it wants. Its modes are put
 * back at the end.
 */
#include "chardev/char-serial.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "chardev/char-backend.h"
#include "util/error.h"

typedef struct CharSerial {
    Chardev parent;
    char *path;
    int fd;
    struct termios old_modes;
    bool changed; /* from old_modes */
    bool in_break;
} CharSerial;
OBJECT_CAST_DEFINE(CharSerial, CHAR_SERIAL, "chardev-serial")

static const struct {
    unsigned speed;
    speed_t code;
} speeds[] = {
    { 50, B50 },       { 75, B75 },         { 110, B110 },   { 134, B134 },     { 150, B150 },
    { 200, B200 },     { 300, B300 },       { 600, B600 },   { 1200, B1200 },   { 1800, B1800 },
    { 2400, B2400 },   { 4800, B4800 },     { 9600, B9600 }, { 19200, B19200 }, { 38400, B38400 },
    { 57600, B57600 }, { 115200, B115200 },
};

static const tcflag_t data_bits[] = { CS5, CS6, CS7, CS8 };

static const tcflag_t parities[] = {
    [CHAR_PARITY_ODD] = PARENB | PARODD,
    [CHAR_PARITY_EVEN] = PARENB,
    [CHAR_PARITY_MARK] = PARENB | PARODD | CMSPAR,
    [CHAR_PARITY_SPACE] = PARENB | CMSPAR,
};

/* The nearest that termios knows. */
static speed_t speed_code(unsigned speed)
{
    size_t best = 0;

    for (size_t i = 1; i < G_N_ELEMENTS(speeds); i++) {
        if (ABS((int)(speeds[i].speed - speed)) < ABS((int)(speeds[best].speed - speed))) {
            best = i;
        }
    }
    return speeds[best].code;
}

void char_serial_modes(struct termios *modes, const CharLine *line)
{
    modes->c_cflag &= ~(CSIZE | CSTOPB | PARENB | PARODD | CMSPAR);
    modes->c_cflag |= data_bits[line->data_bits - 5] | parities[line->parity];
    if (line->stop_bits == 2) {
        modes->c_cflag |= CSTOPB;
    }
    cfsetspeed(modes, speed_code(line->speed));
}

/* What the port cannot do it leaves as it was: then the guest's bytes come out as they can. */
static void serial_set_line(Chardev *chr, const CharLine *line)
{
    const CharSerial *serial = CHAR_SERIAL(chr);
    struct termios modes;

    if (chr->connected && tcgetattr(serial->fd, &modes) == 0) {
        char_serial_modes(&modes, line);
        tcsetattr(serial->fd, TCSANOW, &modes);
    }
}

static void serial_set_break(Chardev *chr, bool on)
{
    CharSerial *serial = CHAR_SERIAL(chr);

    if (on != serial->in_break && chr->connected) {
        serial->in_break = on;
        ioctl(serial->fd, on ? TIOCSBRK : TIOCCBRK);
    }
}

static void serial_restore(CharSerial *serial)
{
    if (serial->changed) {
        serial->changed = false;
        serial_set_break(CHARDEV(serial), false);
        tcsetattr(serial->fd, TCSANOW, &serial->old_modes);
    }
}

static bool serial_complete(Object *obj, GError **errp)
{
    CharSerial *serial = CHAR_SERIAL(obj);
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
    serial_restore(CHAR_SERIAL(chr));
}

static void serial_init(Object *obj)
{
    CHAR_SERIAL(obj)->fd = -1;
}

static void serial_finalize(Object *obj)
{
    CharSerial *serial = CHAR_SERIAL(obj);

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
    .set_line = serial_set_line,
    .set_break = serial_set_break,
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

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A program at a usb-redir that does not keep up with the guest, and then does. */
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "chardev/chardev.h"
#include "hw/usb/usb-bus.h"
#include "migration/reader.h"
#include "tests/unit/saved-machine.h"
#include "util/keyval.h"

/* Messages of the protocol, and what it says that it can. */
enum { HELLO = 0, CONNECT = 1, ENDPOINTS = 5, CAPS = 1 << 1 | 1 << 4 };
enum { OUT_ENDPOINT = 1, ISOCHRONOUS = 1, NONE = 255, PACKET = 1000 };

static unsigned readies; /* the controller was told that it is worth asking */

static void ready(void *opaque, UsbDevice *dev, uint8_t address)
{
    readies++;
}

static const UsbBusOps bus_ops = { .ready = ready };

static UsbDevice *add_device(const char *text)
{
    GError *err = NULL;
    struct json_object *props = keyval_parse(text, "driver", NULL);
    Device *dev = device_add(props, &err);

    g_assert_no_error(err);
    json_object_put(props);
    return object_is_a(&dev->parent, TYPE_USB_DEVICE) ? USB_DEVICE(dev) : NULL;
}

static int connect_program(const char *path)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    g_strlcpy(at.sun_path, path, sizeof(at.sun_path));
    g_assert_cmpint(connect(fd, (struct sockaddr *)&at, sizeof(at)), ==, 0);
    return fd;
}

static void say(int fd, uint32_t type, const void *body, uint32_t size)
{
    const uint32_t head[] = { GUINT32_TO_LE(type), GUINT32_TO_LE(size), 0 };

    g_assert_cmpint(write(fd, head, sizeof(head)), ==, sizeof(head));
    g_assert_cmpint(write(fd, body, size), ==, size);
}

/* A device of high speed with one endpoint. */
static void say_device(int fd)
{
    static const uint8_t device[10] = { 2 };
    uint8_t hello[68] = "test", endpoints[160];
    uint32_t caps = GUINT32_TO_LE(CAPS);

    memcpy(hello + 64, &caps, sizeof(caps));
    say(fd, HELLO, hello, sizeof(hello));
    memset(endpoints, 0, sizeof(endpoints));
    memset(endpoints, NONE, 32);
    endpoints[OUT_ENDPOINT] = ISOCHRONOUS;
    say(fd, ENDPOINTS, endpoints, sizeof(endpoints));
    say(fd, CONNECT, device, sizeof(device));
}

static UsbStatus give_packet(UsbDevice *dev)
{
    uint8_t data[PACKET] = { 0 };
    unsigned size = sizeof(data);

    return usb_device_packet(dev, USB_OUT, OUT_ENDPOINT, data, &size);
}

static void test_slow(void)
{
    g_autofree char *dir = g_dir_make_tmp(NULL, NULL);
    g_autofree char *path = g_build_filename(dir, "redir", NULL);
    g_autofree char *options = g_strdup_printf("socket,id=r,server=on,wait=off,path=%s", path);
    uint8_t taken[4096];
    GError *err = NULL;
    UsbDevice *dev;
    int fd;

    make_machine("pc");
    chardev_new_from_opts(options, &err);
    g_assert_no_error(err);
    add_device("ich9-usb-ehci1,id=e");
    dev = add_device("usb-redir,chardev=r,bus=e.0");
    fd = connect_program(path);
    say_device(fd);
    while (dev->absent) {
        main_loop_iterate(true);
    }
    const UsbBusOps *ops = dev->port->bus->ops;
    dev->port->bus->ops = &bus_ops;
    while (give_packet(dev) == USB_OK) {
    }
    g_assert_cmpint(give_packet(dev), ==, USB_NAK);
    g_assert_cmpuint(readies, ==, 0);
    /* It takes what there is, up to the last byte. */
    for (unsigned idle = 0; idle < 100; idle++) {
        while (recv(fd, taken, sizeof(taken), MSG_DONTWAIT) > 0) {
            idle = 0;
        }
        main_loop_iterate(false);
    }
    g_assert_cmpuint(readies, ==, 1);
    g_assert_cmpint(give_packet(dev), ==, USB_OK);
    dev->port->bus->ops = ops;
    close(fd);
    g_unlink(path);
    g_rmdir(dir);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/usb-redir/slow", test_slow);
    return g_test_run();
}

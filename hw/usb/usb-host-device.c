/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The device of the host behind a usb-host: its interfaces, and what the host's kernel must know.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "hw/usb/usb-bus.h"
#include "hw/usb/usb-host.h"
#include "util/error.h"
#include "util/fdset.h"

static bool set_error(GError **errp, const char *path, const char *what, int result)
{
    error_set(errp, "%s %s: %s", path, what, libusb_strerror(result));
    return false;
}

/* ---- what it has ---- */

static void add_endpoint(UsbHost *s, const struct libusb_endpoint_descriptor *d)
{
    unsigned index = (d->bEndpointAddress & 0xf) | (d->bEndpointAddress & USB_ENDPOINT_IN ? 16 : 0);
    HostEndpoint *e = &s->endpoints[index];
    unsigned more = s->parent.speed == USB_SPEED_HIGH ? d->wMaxPacketSize >> 11 & 3 : 0;

    if (index & 0xf) {
        e->kind = d->bmAttributes & 3;
        e->packet = MAX((d->wMaxPacketSize & 0x7ff) * (more + 1), 1u);
    }
}

/* Those of the configuration and of the alternates that are chosen. */
static void look_at_endpoints(UsbHost *s)
{
    struct libusb_config_descriptor *c;

    for (unsigned i = 0; i < USB_HOST_ENDPOINTS; i++) {
        s->endpoints[i].kind = USB_HOST_NO_ENDPOINT;
    }
    if (libusb_get_active_config_descriptor(libusb_get_device(s->handle), &c) < 0) {
        return;
    }
    for (unsigned i = 0; i < c->bNumInterfaces; i++) {
        for (int j = 0; j < c->interface[i].num_altsetting; j++) {
            const struct libusb_interface_descriptor *d = &c->interface[i].altsetting[j];

            if (d->bInterfaceNumber >= USB_HOST_INTERFACES ||
                d->bAlternateSetting != s->alternate[d->bInterfaceNumber]) {
                continue;
            }
            for (unsigned k = 0; k < d->bNumEndpoints; k++) {
                add_endpoint(s, &d->endpoint[k]);
            }
        }
    }
    libusb_free_config_descriptor(c);
}

/* ---- its interfaces ---- */

static void release_interfaces(UsbHost *s)
{
    for (unsigned i = 0; i < USB_HOST_INTERFACES; i++) {
        if (s->claimed & 1u << i) {
            libusb_release_interface(s->handle, (int)i);
        }
    }
    s->claimed = 0;
}

static bool claim_interface(UsbHost *s, unsigned number, GError **errp)
{
    int result;

    if (number >= USB_HOST_INTERFACES || s->claimed & 1u << number) {
        return true;
    }
    if (libusb_kernel_driver_active(s->handle, (int)number) == 1) {
        result = libusb_detach_kernel_driver(s->handle, (int)number);
        if (result < 0 && result != LIBUSB_ERROR_NOT_FOUND) {
            return set_error(errp, s->path, "is not given up by the host's driver", result);
        }
        s->detached |= 1u << number;
    }
    result = libusb_claim_interface(s->handle, (int)number);
    if (result < 0) {
        return set_error(errp, s->path, "is in use", result);
    }
    s->claimed |= 1u << number;
    return true;
}

static bool claim_interfaces(UsbHost *s, GError **errp)
{
    struct libusb_config_descriptor *c;
    int result = libusb_get_active_config_descriptor(libusb_get_device(s->handle), &c);
    bool ok = true;

    if (result < 0) { /* it has no configuration yet, or makes no sense: it has nothing to claim */
        return result == LIBUSB_ERROR_NOT_FOUND ||
               set_error(errp, s->path, "has no descriptor that makes sense", result);
    }
    for (unsigned i = 0; ok && i < c->bNumInterfaces; i++) {
        ok = !c->interface[i].num_altsetting ||
             claim_interface(s, c->interface[i].altsetting[0].bInterfaceNumber, errp);
    }
    libusb_free_config_descriptor(c);
    return ok;
}

/* ---- open and closed ---- */

static bool check_speed(UsbHost *s, GError **errp)
{
    static const uint8_t speeds[] = { [LIBUSB_SPEED_LOW] = USB_SPEED_LOW,
                                      [LIBUSB_SPEED_FULL] = USB_SPEED_FULL,
                                      [LIBUSB_SPEED_HIGH] = USB_SPEED_HIGH };
    int speed = libusb_get_device_speed(libusb_get_device(s->handle));
    UsbSpeed common;

    if (speed <= LIBUSB_SPEED_UNKNOWN || (unsigned)speed >= G_N_ELEMENTS(speeds)) {
        error_set(errp, "%s has a speed that no port has: those are low, full and high", s->path);
        return false;
    }
    for (unsigned i = 0; i < USB_SPEEDS; i++) {
        s->description.speeds[i] = i == speeds[speed] ? &s->configuration : NULL;
    }
    common = usb_port_speed(&s->parent, s->parent.port->speeds);
    if (common == USB_SPEEDS) {
        error_set(errp, "%s has another speed (%s Mb/s) than port %s", s->path,
                  usb_speed_name(speeds[speed]), s->parent.port->path);
        return false;
    }
    s->parent.speed = common;
    return true;
}

static bool look(UsbHost *s, GError **errp)
{
    struct libusb_device_descriptor d;
    int result = libusb_get_device_descriptor(libusb_get_device(s->handle), &d);

    if (result < 0) {
        return set_error(errp, s->path, "has no descriptor", result);
    }
    if (d.bDeviceClass == LIBUSB_CLASS_HUB) {
        error_set(errp, "%s is a hub; give the devices behind it, one by one", s->path);
        return false;
    }
    s->description.vendor = d.idVendor;
    s->description.product = d.idProduct;
    return true;
}

bool usb_host_open(UsbHost *s, const char *path, GError **errp)
{
    libusb_context *context = usb_host_library(errp);
    int result;

    if (!context) {
        return false;
    }
    s->fd = fdset_open_path(path, O_RDWR | O_NOCTTY | O_CLOEXEC, 0);
    if (s->fd < 0) {
        error_set_errno(errp, errno, "cannot open '%s'", path);
        return false;
    }
    s->path = g_strdup(path);
    s->gone = false;
    s->claimed = s->detached = 0;
    memset(s->alternate, 0, sizeof(s->alternate));
    result = libusb_wrap_sys_device(context, (intptr_t)s->fd, &s->handle);
    if (result < 0) {
        s->handle = NULL;
        error_set(errp, "'%s' is no USB device of the host (/dev/bus/usb/BUS/DEVICE): %s", path,
                  libusb_strerror(result));
    } else if (look(s, errp) && check_speed(s, errp) && claim_interfaces(s, errp)) {
        look_at_endpoints(s);
        return true;
    }
    usb_host_close(s);
    return false;
}

void usb_host_close(UsbHost *s)
{
    if (s->handle) {
        usb_host_forget(s);
        if (usb_host_drain(s)) {
            release_interfaces(s);
            for (unsigned i = 0; i < USB_HOST_INTERFACES; i++) {
                if (s->detached & 1u << i) {
                    libusb_attach_kernel_driver(s->handle, (int)i);
                }
            }
            libusb_close(s->handle);
        } else { /* the library would fall over them */
            error_warn("usb-host: %s does not end what it does; it stays open", s->path);
            s->fd = -1;
            s->flying = 0;
        }
        s->handle = NULL;
    }
    if (s->fd >= 0) {
        close(s->fd);
        s->fd = -1;
    }
    s->claimed = s->detached = 0;
    g_clear_pointer(&s->path, g_free);
}

/* ---- what the host's kernel must know ---- */

bool usb_host_set_configuration(UsbHost *s, int value)
{
    g_autoptr(GError) err = NULL;
    bool ok;

    usb_host_forget(s);
    release_interfaces(s);
    ok = libusb_set_configuration(s->handle, value ? value : -1) == 0;
    memset(s->alternate, 0, sizeof(s->alternate));
    if (!claim_interfaces(s, &err)) {
        error_warn("usb-host: %s", err->message);
        ok = false;
    }
    look_at_endpoints(s);
    return ok;
}

static bool has_endpoint(const UsbHost *s, uint8_t address)
{
    return address & 0xf &&
           s->endpoints[(address & 0xf) | (address & USB_ENDPOINT_IN ? 16 : 0)].kind !=
               USB_HOST_NO_ENDPOINT;
}

bool usb_host_set_interface(UsbHost *s, uint8_t number, uint8_t alternate)
{
    if (number >= USB_HOST_INTERFACES || !(s->claimed & 1u << number)) {
        return false;
    }
    usb_host_forget(s);
    if (libusb_set_interface_alt_setting(s->handle, number, alternate) < 0) {
        return false;
    }
    s->alternate[number] = alternate;
    look_at_endpoints(s);
    return true;
}

bool usb_host_clear_halt(UsbHost *s, uint8_t address)
{
    return has_endpoint(s, address) && libusb_clear_halt(s->handle, address) == 0;
}

void usb_host_reset(UsbHost *s)
{
    int result;

    usb_host_forget(s);
    usb_host_drain(s);
    result = libusb_reset_device(s->handle);
    if (result < 0) {
        s->gone |= result == LIBUSB_ERROR_NOT_FOUND || result == LIBUSB_ERROR_NO_DEVICE;
        error_warn("usb-host: %s is not reset: %s", s->path, libusb_strerror(result));
    }
    memset(s->alternate, 0, sizeof(s->alternate));
    look_at_endpoints(s);
}

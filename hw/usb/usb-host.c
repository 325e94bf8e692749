/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/usb/usb-host.h"

#include <glib-unix.h>
#include <string.h>

#include "hw/core/boot-order.h"
#include "hw/core/runstate.h"
#include "hw/core/save-leave.h"
#include "hw/usb/usb-bus.h"
#include "hw/usb/usb-host-find.h"
#include "util/error.h"
#include "util/loop.h"

enum { SEARCH_MS = 1000 };

static const UsbDescription *describe(const UsbDevice *dev)
{
    return &USB_HOST(dev)->description;
}

/* ---- the device comes and goes ---- */

static void forget_source(GSource **source)
{
    if (*source) {
        g_source_destroy(*source);
        g_clear_pointer(source, g_source_unref);
    }
}

static void detach(UsbHost *s)
{
    UsbDevice *dev = &s->parent;

    forget_source(&s->watch);
    if (s->handle) {
        if (!dev->absent) {
            dev->port->ops->detached(dev->port);
        }
        dev->absent = true;
        dev->address = 0;
        usb_host_close(s);
    }
}

static gboolean search(gpointer opaque);

/* May another one come, when this one has gone? */
static bool waits_for_one(const UsbHost *s)
{
    return !s->host_device && (s->vendor || s->product || s->host_port || !s->address);
}

static void start_search(UsbHost *s)
{
    if (waits_for_one(s) && !s->search) {
        s->search = g_timeout_source_new(SEARCH_MS);
        g_source_set_callback(s->search, search, s, NULL);
        loop_attach(loop_main(), s->search);
    }
}

void usb_host_gone(UsbHost *s)
{
    if (s->gone && s->handle) {
        detach(s);
        start_search(s);
    }
}

static gboolean has_gone(gint fd, GIOCondition condition, gpointer opaque)
{
    UsbHost *s = opaque;

    s->gone = true;
    usb_host_gone(s);
    return G_SOURCE_REMOVE;
}

static void attach(UsbHost *s)
{
    s->watch = g_unix_fd_source_new(s->fd, G_IO_ERR | G_IO_HUP);
    g_source_set_callback(s->watch, G_SOURCE_FUNC(has_gone), s, NULL);
    loop_attach(loop_main(), s->watch);
    s->parent.absent = false;
    s->parent.address = 0;
}

/* Open the first one that is as it should be and is not in use. */
static bool open_one(UsbHost *s, GError **errp)
{
    const UsbHostMatch match = { s->vendor, s->product, s->bus, s->address, s->host_port };
    g_autoptr(GPtrArray) found = NULL;
    GError *err = NULL;

    if (s->host_device) {
        return usb_host_open(s, s->host_device, errp);
    }
    found = usb_host_find(USB_HOST_FOLDER, &match);
    for (unsigned i = 0; i < found->len; i++) {
        const UsbHostInfo *info = found->pdata[i];
        g_autofree char *path = g_strdup_printf("/dev/bus/usb/%03u/%03u", info->bus, info->address);

        g_clear_error(&err);
        if (usb_host_open(s, path, &err)) {
            return true;
        }
    }
    if (!err) {
        error_set(&err, "the host has no such device; 'info usbhost' lists those it has");
    }
    g_propagate_error(errp, err);
    return false;
}

static gboolean search(gpointer opaque)
{
    UsbHost *s = opaque;

    if (!runstate_is_running() || !open_one(s, NULL)) {
        return G_SOURCE_CONTINUE;
    }
    forget_source(&s->search);
    attach(s);
    s->parent.port->ops->attached(s->parent.port);
    return G_SOURCE_REMOVE;
}

/* ---- machines that are saved and loaded ---- */

/* It stays here: the guest sees it go, wherever it goes on. */
static void leave(void *opaque)
{
    UsbHost *s = opaque;

    s->away |= s->handle != NULL;
    detach(s);
    forget_source(&s->search);
}

/* What left comes again, if the machine goes on here; and one that was loaded knows nothing of what
 * there is. */
static void machine_starts(void *opaque)
{
    UsbHost *s = opaque;
    g_autoptr(GError) err = NULL;

    if (s->unseen && s->handle) {
        s->parent.port->ops->attached(s->parent.port);
    } else if (s->away && !s->handle) {
        if (open_one(s, &err)) {
            attach(s);
            s->parent.port->ops->attached(s->parent.port);
        } else {
            error_warn("usb-host: %s", err->message);
        }
    }
    s->unseen = s->away = false;
    if (!s->handle) {
        start_search(s);
    }
}

static bool note_loaded(void *opaque, GError **errp)
{
    UsbHost *s = opaque;

    s->unseen = s->handle != NULL;
    return true;
}

/* ---- life ---- */

static void host_reset(UsbDevice *dev)
{
    UsbHost *s = USB_HOST(dev);

    if (!s->handle) {
        return;
    }
    usb_host_forget(s);
    if (s->guest_reset && (s->guest_resets_all || s->used)) {
        usb_host_reset(s);
    }
    s->used = false;
}

static bool check(const UsbHost *s, GError **errp)
{
    if (s->host_device && (s->vendor || s->product || s->bus || s->address || s->host_port)) {
        error_set(errp, "hostdevice= says which device it is; leave out the others");
    } else if (!s->host_device && !s->vendor && !s->product && !s->bus && !s->address &&
               !s->host_port) {
        error_set(errp, "which device? vendorid= and productid=, hostbus= and hostport=, "
                        "hostbus= and hostaddr=, or hostdevice=");
    } else if (s->host_port && !s->bus) {
        error_set(errp, "hostport=%s is a port of a bus: hostbus= is missing", s->host_port);
    } else if (!s->iso_buffers || s->iso_buffers > USB_HOST_ISO_MAX || !s->iso_packets ||
               s->iso_packets > USB_HOST_ISO_MAX) {
        error_set(errp, "isobufs= and isobsize= are 1 to %u", USB_HOST_ISO_MAX);
    } else {
        return true;
    }
    return false;
}

static bool start(UsbHost *s, GError **errp)
{
    g_autofree char *place = usb_port_firmware_path(s->parent.port, TYPE_USB_HOST);
    g_autoptr(GError) err = NULL;

    if (!boot_order_add(&s->parent.parent, s->boot_index, s->parent.port->bus->card, "usb", place,
                        errp)) {
        return false;
    }
    if (runstate_get() == RUN_STATE_INMIGRATE) { /* where it comes from may have it still */
        s->away = true;
    } else if (open_one(s, &err)) {
        attach(s);
    } else if (waits_for_one(s)) {
        start_search(s);
    } else {
        boot_order_remove(&s->parent.parent);
        g_propagate_error(errp, g_steal_pointer(&err));
        return false;
    }
    return true;
}

static bool host_realize(UsbDevice *dev, GError **errp)
{
    UsbHost *s = USB_HOST(dev);

    s->unseen = s->away = s->used = false;
    dev->absent = true;
    if (!check(s, errp) || !usb_host_library(errp) || !start(s, errp)) {
        return false;
    }
    save_leave_add(leave, s);
    runstate_add_start(machine_starts, s);
    return true;
}

/* The bus has told the guest. */
static void host_unrealize(UsbDevice *dev)
{
    UsbHost *s = USB_HOST(dev);

    runstate_remove_start(machine_starts, s);
    save_leave_remove(leave, s);
    forget_source(&s->search);
    dev->absent = true;
    detach(s);
    usb_host_never(s);
    boot_order_remove(&dev->parent);
    for (unsigned i = 0; i < USB_SPEEDS; i++) { /* the next one may have any */
        s->description.speeds[i] = &s->configuration;
    }
}

static void host_init(Object *obj)
{
    UsbHost *s = USB_HOST(obj);

    s->fd = -1;
    s->configuration = (UsbConfiguration){ .max_packet = 64 };
    s->description = (UsbDescription){ .maker = "", .name = "USB Host Device" };
    for (unsigned i = 0; i < USB_SPEEDS; i++) {
        s->description.speeds[i] = &s->configuration;
    }
    for (unsigned i = 0; i < USB_HOST_ENDPOINTS; i++) {
        HostEndpoint *e = &s->endpoints[i];

        g_queue_init(&e->queue);
        e->streams = g_ptr_array_new();
        e->packets = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
        e->kind = USB_HOST_NO_ENDPOINT;
    }
    s->parent.absent = true;
}

static void host_finalize(Object *obj)
{
    UsbHost *s = USB_HOST(obj);

    for (unsigned i = 0; i < USB_HOST_ENDPOINTS; i++) {
        g_ptr_array_unref(s->endpoints[i].streams);
        g_ptr_array_unref(s->endpoints[i].packets);
    }
}

static const StateField host_fields[] = {
    STATE_STRUCT(UsbHost, parent, &usb_device_state),
    {},
};
static const StateTable host_state = {
    .name = TYPE_USB_HOST, .version = 1, .fields = host_fields, .post_load = note_loaded
};

static const UsbDeviceClass host_ops = {
    .device = USB_DEVICE_CLASS("usb", &host_state),
    .describe = describe,
    .realize = host_realize,
    .unrealize = host_unrealize,
    .reset = host_reset,
    .packet = usb_host_packet,
};

static const Property host_properties[] = {
    { .name = "vendorid",
      .kind = PROP_UINT32,
      .offset = offsetof(UsbHost, vendor),
      .description = "the maker of the device; 0: any" },
    { .name = "productid",
      .kind = PROP_UINT32,
      .offset = offsetof(UsbHost, product),
      .description = "its kind, by the maker; 0: any" },
    { .name = "hostbus",
      .kind = PROP_UINT32,
      .offset = offsetof(UsbHost, bus),
      .description = "the bus of the host that it is at; 0: any" },
    { .name = "hostaddr",
      .kind = PROP_UINT32,
      .offset = offsetof(UsbHost, address),
      .description = "its address there; 0: any" },
    { .name = "hostport",
      .kind = PROP_STRING,
      .offset = offsetof(UsbHost, host_port),
      .description = "its port there: 1, or 1.2 behind a hub" },
    { .name = "hostdevice",
      .kind = PROP_STRING,
      .offset = offsetof(UsbHost, host_device),
      .description = "the device itself: /dev/bus/usb/BUS/DEVICE" },
    { .name = "isobufs",
      .kind = PROP_UINT32,
      .offset = offsetof(UsbHost, iso_buffers),
      .has_default = true,
      .default_int = 4,
      .description = "isochronous transfers of an endpoint that are under way" },
    { .name = "isobsize",
      .kind = PROP_UINT32,
      .offset = offsetof(UsbHost, iso_packets),
      .has_default = true,
      .default_int = 32,
      .description = "packets of each" },
    { .name = "guest-reset",
      .kind = PROP_BOOL,
      .offset = offsetof(UsbHost, guest_reset),
      .has_default = true,
      .default_int = 1,
      .description = "a reset by the guest resets the device" },
    { .name = "guest-resets-all",
      .kind = PROP_BOOL,
      .offset = offsetof(UsbHost, guest_resets_all),
      .description = "so do those before the guest has used it" },
    { .name = "pipeline",
      .kind = PROP_BOOL,
      .offset = offsetof(UsbHost, pipeline),
      .has_default = true,
      .default_int = 1,
      .description = "accepted, without effect: one transfer of an endpoint is under way" },
    { .name = "suppress-remote-wake",
      .kind = PROP_BOOL,
      .offset = offsetof(UsbHost, suppress_wake),
      .has_default = true,
      .default_int = 1,
      .description = "the device does not say that it can wake the guest" },
    { .name = "bootindex",
      .kind = PROP_INT32,
      .offset = offsetof(UsbHost, boot_index),
      .has_default = true,
      .default_int = -1,
      .description = "its place in the order of devices that firmware is told; -1: none" },
    { 0 },
};

static const ObjectType host_type = {
    .name = TYPE_USB_HOST,
    .parent = TYPE_USB_DEVICE,
    .description = "a USB device of the host",
    .instance_size = sizeof(UsbHost),
    .properties = host_properties,
    .init = host_init,
    .finalize = host_finalize,
    .ops = &host_ops,
};
OBJECT_TYPE_REGISTER(host_type)

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ports: between two virtqueues and a character device. Nothing stays in flight: a buffer that the
 * other side cannot take yet stays in the ring, and the port knows how much of it has gone.
 */
#include <string.h>

#include "chardev/chardev.h"
#include "hw/virtio/virtio-serial.h"
#include "qapi/qapi-events.h"
#include "util/error.h"
#include "util/units.h"

#define CHUNK      4096u
#define MAX_UNSENT (64 * KIB) /* more output than that has to wait in the guest */

/* ---- output ---- */

/* Give the chardev what it takes of @element; false: not all. */
static bool send_element(VirtioSerialPort *port, const VirtqElement *element)
{
    uint8_t bytes[CHUNK];
    size_t len;

    if (!port->attached || !port->host_open) {
        return true; /* nobody is there */
    }
    while (port->tx_offset < element->out_size) {
        if (char_unsent(&port->fe) >= MAX_UNSENT) {
            return false;
        }
        len = virtq_read(element, port->tx_offset, bytes, sizeof(bytes));
        char_write(&port->fe, bytes, len);
        port->tx_offset += len;
    }
    return true;
}

void virtio_serial_port_send(VirtioSerialPort *port)
{
    VirtioSerial *s = virtio_serial_of(port);
    VirtQueue *vq = virtio_serial_tx(s, port->nr);
    VirtqElement *element = NULL;
    unsigned n = 0;

    while (virtio_device_runs(&s->parent) && n++ < vq->size && (element = virtq_pop(vq))) {
        port->blocked = !send_element(port, element);
        if (port->blocked) { /* port_can_receive() hears when the chardev has room */
            virtq_unpop(vq, element);
            element = NULL;
            break;
        }
        port->tx_offset = 0;
        virtq_push(vq, element, 0);
    }
    virtio_notify(&s->parent, vq);
    if (element) {
        virtio_queue_again(&s->parent, vq);
    }
}

/* ---- input ---- */

/* Room in the next buffer. Nobody but the chardev asks, so the driver hears here if that makes no
 * sense. */
static int room(VirtioSerialPort *port)
{
    VirtioSerial *s = virtio_serial_of(port);
    VirtQueue *vq = virtio_serial_rx(s, port->nr);
    VirtqElement *element =
        port->guest_open && virtio_device_runs(&s->parent) ? virtq_pop(vq) : NULL;
    uint64_t size;

    if (!element) {
        virtio_notify(&s->parent, vq);
        return 0;
    }
    size = element->in_size;
    virtq_unpop(vq, element);
    return (int)MIN(size, CHUNK);
}

static int port_can_receive(void *opaque)
{
    VirtioSerialPort *port = opaque;
    VirtioSerial *s = virtio_serial_of(port);

    if (port->blocked && char_unsent(&port->fe) < MAX_UNSENT) {
        virtio_queue_again(&s->parent, virtio_serial_tx(s, port->nr));
    }
    return room(port);
}

static void port_received(void *opaque, const uint8_t *buf, int len)
{
    VirtioSerialPort *port = opaque;
    VirtioSerial *s = virtio_serial_of(port);
    VirtQueue *vq = virtio_serial_rx(s, port->nr);
    VirtqElement *element = virtq_pop(vq);

    if (element) {
        virtq_push(vq, element, (uint32_t)virtq_write(element, 0, buf, (size_t)len));
    }
    virtio_notify(&s->parent, vq);
}

void virtio_serial_port_receive(VirtioSerialPort *port)
{
    if (port->attached) {
        char_accept_input(&port->fe);
    }
}

static void port_event(void *opaque, CharEvent event)
{
    VirtioSerialPort *port = opaque;
    VirtioSerial *s = virtio_serial_of(port);

    if (event == CHAR_EVENT_OPENED || event == CHAR_EVENT_CLOSED) {
        port->host_open = event == CHAR_EVENT_OPENED;
        port->tx_offset = 0; /* who comes next does not begin in the middle */
        virtio_serial_tell(s);
        virtio_queue_again(&s->parent, virtio_serial_tx(s, port->nr));
    }
}

/* ---- what the guest does ---- */

void virtio_serial_port_set_open(VirtioSerialPort *port, bool open)
{
    open |= port->console;
    if (port->guest_open == open) {
        return;
    }
    port->guest_open = open;
    char_set_open(&port->fe, open);
    if (port->parent.id) {
        qapi_event_send_vserport_change(port->parent.id, open);
    }
    virtio_serial_port_receive(port);
}

void virtio_serial_port_forget(VirtioSerialPort *port)
{
    port->ready = port->told_add = port->told_console = port->told_name = port->told_open = false;
    port->tx_offset = 0;
}

/* ---- life ---- */

static void port_reset(Device *dev)
{
    VirtioSerialPort *port = VIRTIO_SERIAL_PORT(dev);

    virtio_serial_port_forget(port);
    virtio_serial_port_set_open(port, false);
}

static bool port_realize(Device *dev, GError **errp)
{
    VirtioSerialPort *port = VIRTIO_SERIAL_PORT(dev);
    Chardev *chr = port->chardev ? chardev_find(port->chardev) : NULL;

    if (port->chardev && !chr) {
        error_set(errp, "chardev '%s' not found; make it with -chardev ...,id=%s", port->chardev,
                  port->chardev);
        return false;
    }
    port->fe = (CharFrontend){
        .can_receive = port_can_receive,
        .receive = port_received,
        .event = port_event,
        .opaque = port,
        .can_change = true,
    };
    port->host_open = !chr;
    port->attached = chr && char_attach(chr, &port->fe, errp);
    port->guest_open = port->console;
    return !chr || port->attached;
}

/* The driver hears of it when it is on the bus, and of its going when it has left. */
static void port_plugged(Machine *machine, Device *dev)
{
    virtio_serial_tell(virtio_serial_of(VIRTIO_SERIAL_PORT(dev)));
}

const HotplugHandler virtio_serial_port_hotplug = { .plug = port_plugged };

static void port_unrealize(Device *dev)
{
    VirtioSerialPort *port = VIRTIO_SERIAL_PORT(dev);

    if (port->attached) {
        char_detach(&port->fe);
        port->attached = false;
    }
}

static const StateField port_fields[] = {
    STATE_BOOL(VirtioSerialPort, guest_open), STATE_BOOL(VirtioSerialPort, ready),
    STATE_BOOL(VirtioSerialPort, told_add),   STATE_BOOL(VirtioSerialPort, told_console),
    STATE_BOOL(VirtioSerialPort, told_name),  STATE_BOOL(VirtioSerialPort, told_open),
    STATE_UINT(VirtioSerialPort, tx_offset),  {},
};

static bool port_loaded(void *obj, GError **errp)
{
    VirtioSerialPort *port = obj;

    char_set_open(&port->fe, port->guest_open);
    return true;
}

static const StateTable port_state = {
    .name = "virtio-serial-port", .version = 1, .fields = port_fields, .post_load = port_loaded
};

static const DeviceClass port_ops = {
    .category = "input",
    .bus = TYPE_VIRTIO_SERIAL_BUS,
    .flags = DEVICE_USER_CREATABLE | DEVICE_HOTPLUG,
    .realize = port_realize,
    .unrealize = port_unrealize,
    .reset = port_reset,
    .state = &port_state,
};

static const Property port_properties[] = {
    { .name = "bus",
      .kind = PROP_STRING,
      .offset = offsetof(VirtioSerialPort, parent.bus_name),
      .description = "name of the bus: ID.0 of a virtio-serial device" },
    { .name = "nr",
      .kind = PROP_UINT32,
      .offset = offsetof(VirtioSerialPort, nr),
      .description = "number of the port; without it the first free one, from 1 on for streams",
      .has_default = true,
      .default_int = PROP_UNSET },
    { .name = "chardev",
      .kind = PROP_STRING,
      .offset = offsetof(VirtioSerialPort, chardev),
      .description = "id of the character device at the other end" },
    { .name = "name",
      .kind = PROP_STRING,
      .offset = offsetof(VirtioSerialPort, name),
      .description = "by which programs of the guest find it: /dev/virtio-ports/NAME" },
    { 0 },
};

static const ObjectType port_type = {
    .name = "virtserialport",
    .parent = TYPE_DEVICE,
    .description = "a byte stream between a program of the guest and the host",
    .instance_size = sizeof(VirtioSerialPort),
    .properties = port_properties,
    .ops = &port_ops,
};
OBJECT_TYPE_REGISTER(port_type)

static void console_init(Object *obj)
{
    VIRTIO_SERIAL_PORT(obj)->console = true;
}

static const ObjectType console_type = {
    .name = "virtconsole",
    .parent = "virtserialport",
    .description = "a console of the guest: /dev/hvc0",
    .init = console_init,
};
OBJECT_TYPE_REGISTER(console_type)

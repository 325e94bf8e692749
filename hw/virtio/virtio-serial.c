/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The device: its queues, its control queue, its bus. */
#include "hw/virtio/virtio-serial.h"

#include <string.h>

#include "hw/virtio/virtio-pci.h"
#include "util/error.h"

#define QUEUE_SIZE         128
#define CONTROL_QUEUE_SIZE 32
#define F_MULTIPORT        1
#define CONFIG_SIZE        12
#define NAME_MAX_BYTES     256

/* Messages of the control queues (section 5.3.6.2). */
typedef enum ControlEvent {
    DEVICE_READY,
    DEVICE_ADD,
    DEVICE_REMOVE,
    PORT_READY,
    CONSOLE_PORT,
    RESIZE,
    PORT_OPEN,
    PORT_NAME,
} ControlEvent;

typedef struct __attribute__((packed)) Control {
    uint32_t id;
    uint16_t event, value;
} Control;

/* Port 0 has queues 0 and 1; 2 and 3 are for control; port 1 has 4 and 5, and so on. */
enum { CONTROL_RX = 2, CONTROL_TX = 3 };

VirtQueue *virtio_serial_rx(VirtioSerial *s, unsigned nr)
{
    return virtio_queue(&s->parent, nr ? 2 * nr + 2 : 0);
}

VirtQueue *virtio_serial_tx(VirtioSerial *s, unsigned nr)
{
    return virtio_queue(&s->parent, nr ? 2 * nr + 3 : 1);
}

static VirtioSerialPort *port_of(VirtioDevice *vdev, const VirtQueue *vq)
{
    unsigned n = virtio_queue_number(vdev, vq), nr = n < 2 ? 0 : n / 2 - 1;

    return VIRTIO_SERIAL(vdev)->ports[nr];
}

/* ---- to the driver ---- */

/* False: there is no buffer. */
static bool send_control(VirtioSerial *s, unsigned nr, ControlEvent event, bool value,
                         const char *name)
{
    VirtQueue *vq = virtio_queue(&s->parent, CONTROL_RX);
    VirtqElement *element = virtq_pop(vq);
    const Control message = { nr, event, value };
    size_t size;

    if (!element) {
        return false;
    }
    size = virtq_write(element, 0, &message, sizeof(message));
    if (name) {
        size += virtq_write(element, size, name, strlen(name) + 1);
    }
    virtq_push(vq, element, (uint32_t)size);
    return true;
}

/* Send unless *@told is @value already. */
static bool tell(VirtioSerial *s, unsigned nr, ControlEvent event, bool value, const char *name,
                 bool *told)
{
    if (*told != value && !send_control(s, nr, event, value, name)) {
        return false;
    }
    *told = value;
    return true;
}

static bool tell_port(VirtioSerial *s, unsigned nr)
{
    VirtioSerialPort *port = s->ports[nr];

    if (s->removed >> nr & 1) {
        if (!send_control(s, nr, DEVICE_REMOVE, true, NULL)) {
            return false;
        }
        s->removed &= ~(1u << nr);
    }
    if (!port) {
        return true;
    }
    if (!tell(s, nr, DEVICE_ADD, true, NULL, &port->told_add)) {
        return false;
    }
    return !port->ready ||
           (tell(s, nr, CONSOLE_PORT, port->console, NULL, &port->told_console) &&
            tell(s, nr, PORT_NAME, port->name != NULL, port->name, &port->told_name) &&
            tell(s, nr, PORT_OPEN, port->host_open, NULL, &port->told_open));
}

void virtio_serial_tell(VirtioSerial *s)
{
    if (!s->driver_ready || !virtio_device_runs(&s->parent)) {
        return;
    }
    for (unsigned nr = 0; nr < s->max_ports && tell_port(s, nr); nr++) {
    }
    virtio_notify(&s->parent, virtio_queue(&s->parent, CONTROL_RX));
}

/* ---- from the driver ---- */

static void port_is_ready(VirtioSerialPort *port)
{
    virtio_serial_port_forget(port);
    port->told_add = port->ready = true;
}

static void handle_message(VirtioSerial *s, const Control *message)
{
    VirtioSerialPort *port = message->id < s->max_ports ? s->ports[message->id] : NULL;

    if (message->event == DEVICE_READY) {
        s->driver_ready = message->value != 0;
        for (unsigned nr = 0; nr < s->max_ports; nr++) {
            if (s->ports[nr]) {
                virtio_serial_port_forget(s->ports[nr]);
            }
        }
    } else if (port && message->event == PORT_READY && message->value) {
        s->driver_ready = true; /* Linux, when it wakes, says it of its ports only */
        port_is_ready(port);
    } else if (port && message->event == PORT_OPEN) {
        virtio_serial_port_set_open(port, message->value != 0);
    }
}

static void handle_control(VirtioDevice *vdev, VirtQueue *vq)
{
    VirtioSerial *s = VIRTIO_SERIAL(vdev);
    VirtqElement *element = NULL;

    for (unsigned n = 0; n < vq->size && (element = virtq_pop(vq)); n++) {
        Control message;

        if (virtq_read(element, 0, &message, sizeof(message)) == sizeof(message)) {
            handle_message(s, &message);
        }
        virtq_push(vq, element, 0);
    }
    virtio_notify(vdev, vq);
    virtio_serial_tell(s);
    if (element) {
        virtio_queue_again(vdev, vq);
    }
}

static void handle_control_room(VirtioDevice *vdev, VirtQueue *vq)
{
    virtio_serial_tell(VIRTIO_SERIAL(vdev));
}

/* What is sent to a port that is not there goes nowhere. */
static void discard(VirtioDevice *vdev, VirtQueue *vq)
{
    VirtqElement *element = NULL;

    for (unsigned n = 0; n < vq->size && (element = virtq_pop(vq)); n++) {
        virtq_push(vq, element, 0);
    }
    virtio_notify(vdev, vq);
    if (element) {
        virtio_queue_again(vdev, vq);
    }
}

static void handle_output(VirtioDevice *vdev, VirtQueue *vq)
{
    VirtioSerialPort *port = port_of(vdev, vq);

    if (port) {
        virtio_serial_port_send(port);
    } else {
        discard(vdev, vq);
    }
}

static void handle_room(VirtioDevice *vdev, VirtQueue *vq)
{
    VirtioSerialPort *port = port_of(vdev, vq);

    if (port) {
        virtio_serial_port_receive(port);
    }
}

/* ---- life ---- */

/* A driver that knows no ports uses port 0, and has it open. */
static void status_written(VirtioDevice *vdev, uint8_t before)
{
    VirtioSerial *s = VIRTIO_SERIAL(vdev);

    if (vdev->status & VIRTIO_STATUS_DRIVER_OK && !(before & VIRTIO_STATUS_DRIVER_OK) &&
        !virtio_has(vdev, F_MULTIPORT) && s->ports[0]) {
        virtio_serial_port_set_open(s->ports[0], true);
    }
}

/* The driver has a buffer back of which some has gone: the next one is another. */
static void serial_queue_reset(VirtioDevice *vdev, VirtQueue *vq)
{
    VirtioSerialPort *port = port_of(vdev, vq);

    if (port && vq == virtio_serial_tx(VIRTIO_SERIAL(vdev), port->nr)) {
        port->tx_offset = 0;
    }
}

static void serial_reset(VirtioDevice *vdev)
{
    VirtioSerial *s = VIRTIO_SERIAL(vdev);

    s->driver_ready = false;
    s->removed = 0;
    for (unsigned nr = 0; nr < s->max_ports; nr++) {
        if (s->ports[nr]) {
            virtio_serial_port_forget(s->ports[nr]);
            virtio_serial_port_set_open(s->ports[nr], s->ports[nr]->console);
        }
    }
}

static void config_read(VirtioDevice *vdev, uint8_t *config)
{
    memcpy(config + 4, &VIRTIO_SERIAL(vdev)->max_ports, 4); /* columns and rows are not known */
}

/* "ID.0", as users expect, or a name of its own. */
static char *bus_name(const VirtioSerial *s)
{
    const Device *owner = DEVICE(s->parent.parent.bus->parent.parent);

    if (owner->id) {
        return g_strdup_printf("%s.0", owner->id);
    }
    for (unsigned n = 0;; n++) {
        g_autofree char *name = g_strdup_printf("virtio-serial-bus.%u", n);

        if (!bus_find(TYPE_VIRTIO_SERIAL_BUS, name, NULL)) {
            return g_steal_pointer(&name);
        }
    }
}

static bool serial_realize(VirtioDevice *vdev, GError **errp)
{
    VirtioSerial *s = VIRTIO_SERIAL(vdev);
    g_autofree char *name = bus_name(s);

    if (s->max_ports < 1 || s->max_ports > VIRTIO_SERIAL_MAX_PORTS) {
        error_set(errp, "'max_ports' is %u: it must be from 1 to %u", s->max_ports,
                  VIRTIO_SERIAL_MAX_PORTS);
        return false;
    }
    s->bus = VIRTIO_SERIAL_BUS(bus_new(TYPE_VIRTIO_SERIAL_BUS, name, OBJECT(s), errp));
    if (!s->bus) {
        return false;
    }
    s->bus->serial = s;
    s->bus->parent.hotplug = &virtio_serial_port_hotplug;
    virtio_offer(vdev, F_MULTIPORT);
    virtio_add_queue(vdev, QUEUE_SIZE, handle_room);
    virtio_add_queue(vdev, QUEUE_SIZE, handle_output);
    virtio_add_queue(vdev, CONTROL_QUEUE_SIZE, handle_control_room);
    virtio_add_queue(vdev, CONTROL_QUEUE_SIZE, handle_control);
    for (unsigned nr = 1; nr < s->max_ports; nr++) {
        virtio_add_queue(vdev, QUEUE_SIZE, handle_room);
        virtio_add_queue(vdev, QUEUE_SIZE, handle_output);
    }
    return true;
}

static void serial_unrealize(VirtioDevice *vdev)
{
    VirtioSerial *s = VIRTIO_SERIAL(vdev);

    object_unparent(&s->bus->parent.parent);
    s->bus = NULL;
}

static const StateField serial_fields[] = {
    STATE_STRUCT(VirtioSerial, parent, &virtio_device_state),
    STATE_BOOL(VirtioSerial, driver_ready),
    STATE_UINT(VirtioSerial, removed),
    {},
};
static const StateTable serial_state = { .name = "virtio-serial",
                                         .version = 1,
                                         .fields = serial_fields };

static const Property serial_properties[] = {
    { .name = "max_ports",
      .kind = PROP_UINT32,
      .offset = offsetof(VirtioSerial, max_ports),
      .description = "ports that there can be, up to 31",
      .has_default = true,
      .default_int = VIRTIO_SERIAL_MAX_PORTS },
    { 0 },
};

static const VirtioDeviceClass serial_ops = {
    .device = { VIRTIO_DEVICE_CLASS_BASE, .state = &serial_state },
    .id = VIRTIO_ID_CONSOLE,
    .config_size = CONFIG_SIZE,
    .realize = serial_realize,
    .unrealize = serial_unrealize,
    .queue_reset = serial_queue_reset,
    .reset = serial_reset,
    .status_written = status_written,
    .config_read = config_read,
};

static const ObjectType serial_type = {
    .name = TYPE_VIRTIO_SERIAL,
    .parent = TYPE_VIRTIO_DEVICE,
    .description = "consoles and byte streams between guest and host",
    .instance_size = sizeof(VirtioSerial),
    .properties = serial_properties,
    .ops = &serial_ops,
};
OBJECT_TYPE_REGISTER(serial_type)

static const VirtioPciClass serial_pci = VIRTIO_PCI_CLASS("input", 0x0780, 2);
VIRTIO_PCI_TYPES(serial, "virtio-serial", TYPE_VIRTIO_SERIAL, &serial_pci,
                 "consoles and byte streams between guest and host")

/* ---- the bus ---- */

static bool check_nr(const VirtioSerial *s, const VirtioSerialPort *port, GError **errp)
{
    if (port->nr >= s->max_ports) {
        error_set(errp, "'nr' is %u: this device has ports 0 to %u", port->nr, s->max_ports - 1);
        return false;
    }
    if (port->nr == 0 && !port->console) {
        error_set(errp, "port 0 is for a virtconsole: give a virtserialport another 'nr'");
        return false;
    }
    if (s->ports[port->nr]) {
        error_set(errp, "port %u is taken: choose another 'nr', or none for the first free one",
                  port->nr);
        return false;
    }
    return true;
}

static bool check_name(const VirtioSerialPort *port, const VirtioSerial *s, GError **errp)
{
    if (port->name && strlen(port->name) >= NAME_MAX_BYTES) {
        error_set(errp, "'name' has %zu bytes: the most is %u", strlen(port->name),
                  NAME_MAX_BYTES - 1);
        return false;
    }
    for (unsigned nr = 0; port->name && nr < s->max_ports; nr++) {
        if (s->ports[nr] && g_strcmp0(s->ports[nr]->name, port->name) == 0) {
            error_set(errp, "port %u has the name '%s' already", nr, port->name);
            return false;
        }
    }
    return true;
}

static bool bus_attach_port(Bus *bus, Device *dev, GError **errp)
{
    VirtioSerial *s = VIRTIO_SERIAL_BUS(bus)->serial;
    VirtioSerialPort *port = VIRTIO_SERIAL_PORT(dev);

    if (port->nr == PROP_UNSET) {
        port->nr = port->console ? 0 : 1;
        while (port->nr < s->max_ports && s->ports[port->nr]) {
            port->nr++;
        }
        if (port->nr >= s->max_ports) {
            port->nr = PROP_UNSET;
            error_set(errp, "bus '%s' has no free port", bus->parent.name);
            return false;
        }
    }
    if (!check_nr(s, port, errp) || !check_name(port, s, errp)) {
        return false;
    }
    s->ports[port->nr] = port;
    return true;
}

static void bus_detach_port(Bus *bus, Device *dev)
{
    VirtioSerial *s = VIRTIO_SERIAL_BUS(bus)->serial;
    const VirtioSerialPort *port = VIRTIO_SERIAL_PORT(dev);

    s->ports[port->nr] = NULL;
    if (port->told_add) {
        s->removed |= 1u << port->nr;
        virtio_serial_tell(s);
    }
}

static const BusClass bus_class_table = { .attach = bus_attach_port, .detach = bus_detach_port };

static const ObjectType bus_type = {
    .name = TYPE_VIRTIO_SERIAL_BUS,
    .parent = TYPE_BUS,
    .description = "ports of a virtio-serial device",
    .instance_size = sizeof(VirtioSerialBus),
    .ops = &bus_class_table,
};
OBJECT_TYPE_REGISTER(bus_type)

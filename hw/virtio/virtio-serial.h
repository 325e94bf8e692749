/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-serial: a device with up to 31 ports (Virtio 1.2, section 5.3), each a device on its bus:
 * a console of the guest (virtconsole), or a byte stream with a name for a program of it
 * (virtserialport). Machine lock.
 *
 * What the driver is to be told of a port is never queued: each port knows what was told, and
 * virtio_serial_tell() sends what is missing as far as there are buffers.
 */
#ifndef HW_VIRTIO_VIRTIO_SERIAL_H
#define HW_VIRTIO_VIRTIO_SERIAL_H

#include "chardev/char.h"
#include "hw/core/hotplug.h"
#include "hw/virtio/virtio-device.h"

#define TYPE_VIRTIO_SERIAL     "virtio-serial-device"
#define TYPE_VIRTIO_SERIAL_BUS "virtio-serial-bus"

#define VIRTIO_SERIAL_MAX_PORTS 31

typedef struct VirtioSerial VirtioSerial;
OBJECT_CAST_DEFINE(VirtioSerial, VIRTIO_SERIAL, TYPE_VIRTIO_SERIAL)

typedef struct VirtioSerialBus {
    Bus parent;
    /* wiring */
    VirtioSerial *serial;
} VirtioSerialBus;
OBJECT_CAST_DEFINE(VirtioSerialBus, VIRTIO_SERIAL_BUS, TYPE_VIRTIO_SERIAL_BUS)

typedef struct VirtioSerialPort {
    Device parent;
    bool guest_open; /* a program has it open; consoles: always */
    bool ready;      /* the driver has set it up */
    bool told_add, told_console, told_name;
    bool told_open;     /* that the host's side is open */
    uint64_t tx_offset; /* bytes of the next output buffer that the host's side has taken */
    /* configuration */
    char *chardev, *name;
    uint32_t nr; /* PROP_UNSET: the first that is free */
    bool console;
    /* wiring */
    CharFrontend fe;
    bool attached;
    bool host_open; /* somebody is at the other end of the chardev, or there is none */
    /* derived */
    bool blocked; /* output waits until the chardev has room */
} VirtioSerialPort;
OBJECT_CAST_DEFINE(VirtioSerialPort, VIRTIO_SERIAL_PORT, "virtserialport")

struct VirtioSerial {
    VirtioDevice parent;
    bool driver_ready; /* it wants to hear of ports */
    uint32_t removed;  /* a bit for each port that went, and the driver was not told yet */
    /* configuration */
    uint32_t max_ports;
    /* wiring */
    VirtioSerialBus *bus;
    VirtioSerialPort *ports[VIRTIO_SERIAL_MAX_PORTS]; /* by number; borrowed */
};

/* The device that @port is on. */
static inline VirtioSerial *virtio_serial_of(const VirtioSerialPort *port)
{
    return VIRTIO_SERIAL_BUS(port->parent.bus)->serial;
}

/* Tell the driver what it does not know yet. */
void virtio_serial_tell(VirtioSerial *s);
/* The queues of port @nr: what the guest receives, and what it sends. */
VirtQueue *virtio_serial_rx(VirtioSerial *s, unsigned nr);
VirtQueue *virtio_serial_tx(VirtioSerial *s, unsigned nr);

/* What plugging a port takes beside its realization. */
extern const HotplugHandler virtio_serial_port_hotplug;

/* ---- what a port does (virtio-serial-port.c) ---- */

/* There is output, or room for input. */
void virtio_serial_port_send(VirtioSerialPort *port);
void virtio_serial_port_receive(VirtioSerialPort *port);
/* The guest opened or closed it. */
void virtio_serial_port_set_open(VirtioSerialPort *port, bool open);
/* The driver forgot it, and is to be told all again. */
void virtio_serial_port_forget(VirtioSerialPort *port);

#endif

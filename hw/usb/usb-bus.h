/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * USB buses: ports of a host controller, and of the hubs behind them. A bus is called ID.0 after
 * the controller, or usb-bus.0 and so on. A port has a path, "1", or "1.2" for the second one of
 * the hub at 1. Machine lock for everything.
 */
#ifndef HW_USB_USB_BUS_H
#define HW_USB_USB_BUS_H

#include "hw/usb/usb-device.h"

#define USB_PATH_BYTES 32
#define USB_TIERS      5 /* numbers of a path: hubs behind hubs behind a controller */

typedef struct UsbBus UsbBus;
typedef struct UsbPort UsbPort;
OBJECT_CAST_DEFINE(UsbBus, USB_BUS, TYPE_USB_BUS)

/* What whose port it is, a controller or a hub, does. */
typedef struct UsbPortOps {
    /* port->dev has come, or is about to go: nothing is done if the port is empty already. */
    void (*attached)(UsbPort *port);
    void (*detached)(UsbPort *port);
    /* port->dev, which is suspended, wants to be talked to. */
    void (*wakeup)(UsbPort *port);
    /* It is worth asking what is there; of a companion's, or NULL. */
    void (*ready)(UsbPort *port);
} UsbPortOps;

struct UsbPort {
    UsbBus *bus;
    const UsbPortOps *ops;
    void *opaque;
    unsigned index;  /* the owner's number for it */
    unsigned speeds; /* 1 << UsbSpeed of those that it takes */
    UsbPort *above;  /* that of its hub; NULL: it is the controller's */
    /* Of a controller that has companions, and of those: the one of the other, or NULL. That of a
     * companion is none of the bus's, and `dev` is what is given to it. */
    UsbPort *companion, *master;
    char path[USB_PATH_BYTES];
    UsbDevice *dev; /* borrowed; NULL: it is empty */
    bool enabled;   /* packets get through: the owner's to say, if it asks usb_port_find() */
};

/* What a controller does. */
typedef struct UsbBusOps {
    /* It is worth asking the endpoint with @address of @dev again. */
    void (*ready)(void *opaque, UsbDevice *dev, uint8_t address);
    /* @port, of another controller, serves the port with @number, from 0 on; and no more. NULL:
     * there are none. */
    bool (*add_companion)(void *opaque, UsbPort *port, unsigned number, GError **errp);
    void (*remove_companion)(void *opaque, UsbPort *port);
} UsbBusOps;

struct UsbBus {
    Bus parent;
    /* wiring */
    const UsbBusOps *ops;
    void *opaque;
    Device *card;     /* the controller; borrowed */
    GPtrArray *ports; /* of UsbPort *, those of hubs too; borrowed */
    unsigned number;  /* that people know it by */
};

/* The bus of the controller @card. Borrowed. An error if there is one of its name. */
UsbBus *usb_bus_new(Device *card, const UsbBusOps *ops, void *opaque, GError **errp);

/* @port, of which ops, opaque, index, speeds and above are set, is there: the one with @number
 * (from 1 on) of the controller, or of the hub at port->above. */
void usb_port_add(UsbBus *bus, UsbPort *port, unsigned number);
/* Nothing is at it. */
void usb_port_remove(UsbPort *port);
/* The same for @count ports of a companion, from number @first on of the bus called @name. */
bool usb_companion_add(const char *name, unsigned first, UsbPort *ports, unsigned count,
                       GError **errp);
void usb_companion_remove(UsbPort *ports, unsigned count);
/* Is something there for the host to see? */
bool usb_port_shows(const UsbPort *port);
/* The highest of @speeds, a set, that @dev has; USB_SPEEDS: none. */
UsbSpeed usb_port_speed(const UsbDevice *dev, unsigned speeds);
/* The way of what is at it from the controller, as firmware has it, with its @kind:
 * "/hub@1/storage@2". */
char *usb_port_firmware_path(const UsbPort *port, const char *kind);
/* The port with @path; NULL: there is none. */
UsbPort *usb_port_called(const UsbBus *bus, const char *path);
/* The device with @address at @port, which is enabled, or behind hubs there; NULL: none answers. */
UsbDevice *usb_port_find(UsbPort *port, uint8_t address);

#endif

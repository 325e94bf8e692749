/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * USB devices, as host controllers and hubs see them: USB 2.0, chapters 5, 8 and 9.
 *
 * A device is asked by packets, and answers each at once: a controller never waits for one. Who has
 * nothing to give or no room answers USB_NAK, and calls usb_device_ready() when it is worth asking
 * again, so that nobody has to ask all the time; controllers whose guests do so ask in each frame.
 *
 * What a device is, its descriptors say, which are tables (UsbDescription); requests of chapter 9
 * are answered from them by generic code. Machine lock for everything.
 */
#ifndef HW_USB_USB_DEVICE_H
#define HW_USB_USB_DEVICE_H

#include "hw/core/bus.h"

#define TYPE_USB_DEVICE "usb-device"
#define TYPE_USB_BUS    "usb-bus" /* hw/usb/usb-bus.h */

typedef struct UsbDevice UsbDevice;
OBJECT_CAST_DEFINE(UsbDevice, USB_DEVICE, TYPE_USB_DEVICE)

typedef enum UsbSpeed {
    USB_SPEED_LOW,
    USB_SPEED_FULL,
    USB_SPEED_HIGH,
    USB_SPEEDS,
} UsbSpeed;

typedef enum UsbStatus {
    USB_OK,
    USB_NAK,
    USB_STALL,
    USB_NONE, /* nobody answers */
} UsbStatus;

typedef enum UsbToken {
    USB_SETUP,
    USB_IN,  /* to the host */
    USB_OUT, /* from it */
} UsbToken;

#define USB_ENDPOINT_IN 0x80
#define USB_ENDPOINTS   16 /* of each direction */
#define USB_INTERFACES  4
#define USB_CONTROL_MAX 1024 /* bytes of a control transfer that a device takes or gives */
#define USB_SETUP_BYTES 8
#define USB_HALTED(address) \
    (1u << (((address)&0xf) + ((address)&USB_ENDPOINT_IN ? USB_ENDPOINTS : 0)))

/* Kinds of transfers: bits 1 and 0 of bmAttributes of an endpoint. */
enum { USB_CONTROL = 0, USB_ISOCHRONOUS = 1, USB_BULK = 2, USB_INTERRUPT = 3 };

/* bmRequestType and bRequest, together; table 9-2 and 9-3, and each class. */
#define USB_REQUEST(type, request) ((type) << 8 | (request))
enum { USB_TO_HOST = 0x80, USB_CLASS = 0x20, USB_INTERFACE = 1, USB_ENDPOINT = 2, USB_OTHER = 3 };

/* The eight bytes of a SETUP packet (9.3). */
typedef struct UsbSetup {
    uint16_t request; /* USB_REQUEST() */
    uint16_t value, index, length;
} UsbSetup;

/* ---- descriptors ---- */

typedef struct UsbEndpoint {
    uint8_t address; /* with USB_ENDPOINT_IN */
    uint8_t kind;
    uint16_t max_packet;
    uint8_t interval; /* as its descriptor has it */
    bool audio;       /* that has two bytes more */
    /* Descriptors of its class, behind it. */
    const uint8_t *extra;
    unsigned extra_size;
} UsbEndpoint;

typedef struct UsbInterface {
    uint8_t number, alternate;
    uint8_t class, subclass, protocol;
    const uint8_t *extra; /* descriptors of the class, between those of interface and endpoints */
    unsigned extra_size;
    const UsbEndpoint *endpoints;
    unsigned endpoint_count;
} UsbInterface;

/* A device at a speed. It has one configuration, 1. */
typedef struct UsbConfiguration {
    uint8_t max_packet; /* of endpoint 0 */
    uint8_t attributes; /* USB_WAKES, USB_SELF_POWERED */
    uint8_t power;      /* in units of 2 mA */
    const UsbInterface *interfaces;
    unsigned interface_count;
} UsbConfiguration;
enum { USB_WAKES = 0x20, USB_SELF_POWERED = 0x40 };

typedef struct UsbDescription {
    uint16_t vendor, product, release;
    uint8_t class, subclass, protocol;
    const char *maker, *name;
    const char *serial; /* unless the user gives one; NULL: none */
    /* By speed; NULL: the device does not run at it. */
    const UsbConfiguration *speeds[USB_SPEEDS];
} UsbDescription;

/* ---- devices ---- */

struct UsbDevice {
    Device parent;
    /* configuration */
    char *port_path; /* property "port": "1", "1.2", ...; NULL: the first that is free */
    char *serial;    /* property "serial" of types that have it */
    /* wiring */
    const UsbDescription *description;
    struct UsbPort *port; /* where it is; NULL: nowhere */
    UsbSpeed speed;
    bool absent; /* its place is kept, but nothing is seen at the port */
    /* state */
    uint8_t address;       /* 0: none was given yet */
    uint8_t configuration; /* 0: none was chosen yet */
    uint8_t alternates[USB_INTERFACES];
    uint32_t halted; /* USB_HALTED() bits */
    bool wake_enabled, suspended;
    /* the control transfer that is under way */
    uint8_t setup[USB_SETUP_BYTES];
    uint8_t stage;
    uint8_t new_address;
    uint16_t control_size, control_next; /* bytes that there are, and that were moved */
    uint8_t control[USB_CONTROL_MAX];
};

/* What types define, as their ops. */
typedef struct UsbDeviceClass {
    DeviceClass device;
    /* What it is, as it is configured. */
    const UsbDescription *(*describe)(const UsbDevice *dev);
    bool (*realize)(UsbDevice *dev, GError **errp); /* may be NULL */
    void (*unrealize)(UsbDevice *dev);              /* may be NULL */
    /* As after power-up, or a reset of its port. May be NULL. */
    void (*reset)(UsbDevice *dev);
    /* Another configuration was chosen (0: none), or another alternate of an interface, or loaded.
     * May be NULL. */
    void (*configured)(UsbDevice *dev);
    /* A request that generic code does not know: of a class, or for a descriptor. @data has
     * @setup->length bytes that came, or room for USB_CONTROL_MAX to answer. The number of bytes of
     * the answer, 0 where nothing is to be answered, or -1: no such request. May be NULL. */
    int (*control)(UsbDevice *dev, const UsbSetup *setup, uint8_t *data);
    /* Move whole packets by an endpoint that is configured and not halted: as many of *@size bytes
     * as it can. It sets *@size to what was moved; what is no multiple of the endpoint's packets
     * ends the transfer. */
    UsbStatus (*data)(UsbDevice *dev, const UsbEndpoint *endpoint, uint8_t *data, unsigned *size);
    /* Instead of all that is above, for a device whose requests are answered elsewhere: as
     * usb_device_packet(), endpoint 0 too. */
    UsbStatus (*packet)(UsbDevice *dev, UsbToken token, uint8_t endpoint, uint8_t *data,
                        unsigned *size);
    /* A halt of the endpoint with @address is over. May be NULL. */
    void (*unhalted)(UsbDevice *dev, uint8_t address);
} UsbDeviceClass;

#define USB_DEVICE_CLASS(category_, state_)                                              \
    {                                                                                    \
        .category = (category_), .bus = TYPE_USB_BUS,                                    \
        .flags = DEVICE_USER_CREATABLE | DEVICE_HOTPLUG, .realize = usb_device_realize,  \
        .unrealize = usb_device_unrealize, .reset = usb_device_reset, .state = (state_), \
        .wake = usb_device_wake                                                          \
    }
/* A row of a table of properties. */
#define USB_SERIAL_PROPERTY                                                           \
    {                                                                                 \
        .name = "serial", .kind = PROP_STRING, .offset = offsetof(UsbDevice, serial), \
        .description = "serial number, for the guest"                                 \
    }
bool usb_device_realize(Device *dev, GError **errp);
void usb_device_unrealize(Device *dev);
void usb_device_reset(Device *dev);
void usb_device_wake(Device *dev);
/* The state of every device, for the beginning of its type's. */
extern const StateTable usb_device_state;

static inline const UsbDeviceClass *usb_device_class(const UsbDevice *dev)
{
    return object_ops(&dev->parent.parent);
}
/* Its configuration at the speed that it has. */
static inline const UsbConfiguration *usb_device_configuration(const UsbDevice *dev)
{
    return dev->description->speeds[dev->speed];
}
/* In Mb/s. */
const char *usb_speed_name(UsbSpeed speed);

/* ---- for controllers ---- */

/* Its port was reset: it has no address and no configuration. */
void usb_device_port_reset(UsbDevice *dev);
/* Send @token to endpoint number @endpoint with *@size bytes at @data, or room for them; any number
 * of packets, as UsbDeviceClass.data has it. */
UsbStatus usb_device_packet(UsbDevice *dev, UsbToken token, uint8_t endpoint, uint8_t *data,
                            unsigned *size);
/* The endpoint with @address, as it is configured now; NULL: there is none. Of endpoint 0 there are
 * no tables: NULL. */
const UsbEndpoint *usb_device_endpoint(const UsbDevice *dev, uint8_t address);
/* The host stops to talk to it, or goes on. */
void usb_device_suspend(UsbDevice *dev, bool suspended);

/* ---- for devices ---- */

/* It is worth asking the endpoint with @address again. A device that is suspended and may do so
 * wakes the host. */
void usb_device_ready(UsbDevice *dev, uint8_t address);
/* It answers nothing but STALL at the endpoint until the host has cleared that. */
void usb_device_halt(UsbDevice *dev, uint8_t address);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usb-host: a USB device of the host, by libusb. It is at its port while the host has it. Machine
 * lock for everything.
 *
 * What the guest asks goes to the device, and is answered with USB_NAK until that has answered: of
 * each endpoint one transfer is under way, and several of isochronous ones. What the guest sends is
 * kept until the device has it: when the guest offers the same again, it hears how that went.
 */
#ifndef HW_USB_USB_HOST_H
#define HW_USB_USB_HOST_H

#include <libusb.h>

#include "hw/usb/usb-device.h"

#define TYPE_USB_HOST        "usb-host"
#define USB_HOST_ENDPOINTS   32u /* number, and 16 more for those to the host */
#define USB_HOST_INTERFACES  32u
#define USB_HOST_CONTROL_MAX 4088u /* what the host's kernel takes */
#define USB_HOST_ISO_MAX     64u   /* transfers under way, and packets of each */
#define USB_HOST_NO_ENDPOINT 255

typedef struct UsbHost UsbHost;

/* A transfer of the library's. It is freed when it has ended, which it does later than it is
 * cancelled. */
typedef struct HostTransfer {
    struct libusb_transfer *transfer;
    UsbHost *host;
    struct HostEndpoint *endpoint; /* NULL: nobody waits for it, or it is of endpoint 0 */
    bool wanted;                   /* it was not cancelled */
    unsigned size;                 /* of what the guest sent */
    uint8_t *buffer;
} HostTransfer;

typedef struct HostEndpoint {
    uint8_t kind;           /* USB_BULK and so on, or USB_HOST_NO_ENDPOINT */
    unsigned packet;        /* bytes at a time */
    bool ends;              /* an empty packet ends what is in the queue */
    UsbStatus failed;       /* what the next packet is answered with, unless USB_OK */
    HostTransfer *transfer; /* under way */
    HostTransfer *sent;     /* has ended; the guest has not asked how it went */
    UsbStatus result;       /* of that */
    GQueue queue;           /* of GBytes *, to the guest */
    size_t taken;           /* bytes of the first */
    GPtrArray *packets;     /* isochronous, from the guest: of GBytes *, not sent yet */
    GPtrArray *streams;     /* isochronous: of HostTransfer *, under way */
} HostEndpoint;

typedef enum HostStage {
    HOST_IDLE,
    HOST_WAITS,   /* for the device's answer */
    HOST_ANSWER,  /* the guest takes what there is */
    HOST_DATA,    /* it gives what belongs to the request */
    HOST_DONE,    /* it went well, and the guest has not asked yet */
    HOST_STALLED, /* it did not */
} HostStage;

struct UsbHost {
    UsbDevice parent;
    /* configuration */
    char *host_device; /* property "hostdevice" */
    uint32_t vendor, product, bus, address;
    char *host_port;
    bool guest_reset, guest_resets_all, pipeline, suppress_wake;
    uint32_t iso_buffers, iso_packets;
    int32_t boot_index;
    /* wiring: what is here is the host's, and leaves before a machine is saved */
    UsbConfiguration configuration;
    UsbDescription description;
    libusb_device_handle *handle; /* NULL: there is none */
    int fd;                       /* -1: there is none */
    char *path;                   /* of that */
    GSource *watch;               /* hears that it has gone */
    GSource *search;              /* for one, from time to time */
    bool gone;                    /* the library says so */
    bool away;                    /* it left before the machine was saved, or is to come */
    bool used;   /* the guest gave it an address or a configuration since its last reset */
    bool unseen; /* the machine that was loaded knows nothing of it */
    uint32_t claimed, detached; /* interfaces */
    uint8_t alternate[USB_HOST_INTERFACES];
    HostEndpoint endpoints[USB_HOST_ENDPOINTS];
    unsigned flying; /* transfers of the handle that have not ended */
    HostStage stage;
    HostTransfer *control; /* under way */
    UsbSetup setup;
    unsigned size, next; /* bytes that there are, and that were moved */
    uint8_t buffer[USB_HOST_CONTROL_MAX];
};
OBJECT_CAST_DEFINE(UsbHost, USB_HOST, TYPE_USB_HOST)

/* ---- usb-host-transfers.c ---- */

UsbStatus usb_host_packet(UsbDevice *dev, UsbToken token, uint8_t number, uint8_t *data,
                          unsigned *size);
/* Nothing is under way that anybody waits for. */
void usb_host_forget(UsbHost *s);

/* The guest gave up what it asked of the endpoint. */
void usb_host_forget_endpoint(HostEndpoint *e);
/* A transfer with room for @size bytes, in @packets of an isochronous one. Its callback calls
 * usb_host_ended() first, which says whether anybody wants to know, and usb_host_done() last. */
HostTransfer *usb_host_transfer(UsbHost *s, HostEndpoint *e, unsigned size, unsigned packets);
bool usb_host_ended(HostTransfer *t);
void usb_host_done(HostTransfer *t);
/* It is the library's until it has ended. False: it is freed. */
bool usb_host_submit(HostTransfer *t);
/* A piece of what is in the queue, which is not empty. */
UsbStatus usb_host_give(HostEndpoint *e, uint8_t *data, unsigned *size);

/* ---- usb-host-iso.c: a packet each frame ---- */

UsbStatus usb_host_iso_in(UsbHost *s, HostEndpoint *e, uint8_t address, uint8_t *data,
                          unsigned *size);
UsbStatus usb_host_iso_out(UsbHost *s, HostEndpoint *e, uint8_t address, const uint8_t *data,
                           unsigned *size);

/* ---- usb-host.c ---- */

/* The device has gone: to be called by usb_host_later(). */
void usb_host_gone(UsbHost *s);

/* ---- usb-host-device.c: the device of the host ---- */

/* Open the one at @path, and take its interfaces from the host's drivers. An error leaves nothing.
 */
bool usb_host_open(UsbHost *s, const char *path, GError **errp);
/* Give it back. Nothing is open: nothing happens. */
void usb_host_close(UsbHost *s);
/* Requests that the host's kernel has to know of. False: it refuses. */
bool usb_host_set_configuration(UsbHost *s, int value);
bool usb_host_set_interface(UsbHost *s, uint8_t number, uint8_t alternate);
bool usb_host_clear_halt(UsbHost *s, uint8_t address);
void usb_host_reset(UsbHost *s);

/* ---- usb-host-library.c ---- */

/* The library, whose events come from the main loop. NULL with an error: there is none. */
libusb_context *usb_host_library(GError **errp);
/* Handle its events until @s has no transfer that has not ended; false: some do not, or it is a
 * callback that asks. */
bool usb_host_drain(UsbHost *s);
/* Call @fn for @s when the events that are handled now have been, from the main loop. */
void usb_host_later(UsbHost *s, void (*fn)(UsbHost *s));
void usb_host_never(UsbHost *s);

#endif

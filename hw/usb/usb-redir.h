/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usb-redir: a device that another program has and speaks for, by the usbredir protocol on a
 * chardev (usbredirserver, SPICE clients). It is at its port while that program has one. Machine
 * lock for everything.
 *
 * What the guest asks goes there, and is answered with USB_NAK until the answer is here. What it
 * sends to an endpoint is taken at once, one piece at a time; an error is told with the next one.
 */
#ifndef HW_USB_USB_REDIR_H
#define HW_USB_USB_REDIR_H

#include <usbredirfilter.h>
#include <usbredirparser.h>

#include "chardev/char.h"
#include "hw/usb/usb-device.h"

#define TYPE_USB_REDIR       "usb-redir"
#define USB_REDIR_UNSENT_MAX (1u << 20) /* bytes that wait for the other side */
#define USB_REDIR_ENDPOINTS  32u        /* number, and 16 more for those to the host */

typedef struct RedirEndpoint {
    uint8_t kind;    /* USB_BULK and so on, or 255: there is none */
    uint16_t packet; /* bytes */
    bool waits;      /* for the answer with `id` */
    bool streams;    /* the other side was told to send */
    bool failed;     /* the next packet is stalled */
    bool ends;       /* an empty packet ends what is in the queue */
    uint64_t id;
    uint32_t asked; /* bytes */
    GQueue queue;   /* of GBytes *, to the host */
    size_t taken;   /* bytes of the first */
} RedirEndpoint;

typedef enum RedirStage {
    REDIR_IDLE,
    REDIR_WAITS,   /* for the other side's answer */
    REDIR_ANSWER,  /* the host takes what there is */
    REDIR_DATA,    /* it gives what belongs to the request */
    REDIR_DONE,    /* it went well, and the host has not asked yet */
    REDIR_STALLED, /* it did not */
} RedirStage;

typedef struct UsbRedir {
    UsbDevice parent;
    /* configuration */
    char *chardev;
    char *filter;
    /* wiring: what is here is the other side's, and a machine with one is not saved */
    CharFrontend fe;
    struct usbredirfilter_rule *rules;
    int rule_count;
    UsbConfiguration configuration;
    UsbDescription description;
    struct usbredirparser *parser; /* NULL: nobody is at the other side */
    const uint8_t *input;
    int input_size;
    bool connected; /* and has a device */
    bool put_off;   /* the guest was, since the other side does not keep up */
    bool unseen;    /* which the machine that was loaded knows nothing of */
    struct usb_redir_interface_info_header interfaces;
    RedirEndpoint endpoints[USB_REDIR_ENDPOINTS];
    uint64_t next_id;
    RedirStage stage;
    uint64_t control_id;
    UsbSetup control;
    unsigned size, next; /* bytes that there are, and that were moved */
    uint8_t buffer[64 << 10];
} UsbRedir;
OBJECT_CAST_DEFINE(UsbRedir, USB_REDIR, TYPE_USB_REDIR)

/* ---- usb-redir-transfers.c ---- */

UsbStatus usb_redir_packet(UsbDevice *dev, UsbToken token, uint8_t number, uint8_t *data,
                           unsigned *size);
/* The callbacks of the parser for what it answers. */
void usb_redir_set_callbacks(struct usbredirparser *parser);
/* Nothing is under way. */
void usb_redir_forget(UsbRedir *s);
/* What waits goes out. */
void usb_redir_flush(UsbRedir *s);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The schedule (section 3 of the design guide): for each frame a list of transfer descriptors (TDs)
 * and queue heads (QHs). Guests make rings of them, to use all of a frame; what a frame can do is
 * bounded by bytes, as the wire's is, and by steps.
 */
#include "hw/usb/uhci.h"
#include "memory/dma.h"

enum { STEPS = 256, BYTES = 1280, MOST = 1280, FRAMES = 1024 };
/* Of links. */
enum { LINK_END = 1 << 0, LINK_QUEUE = 1 << 1, LINK_DEPTH = 1 << 2, LINK_MASK = 0xf };
/* Of the second word of a TD. */
enum {
    TD_LENGTH = 0x7ff,
    TD_TIMEOUT = 1 << 18,
    TD_NAK = 1 << 19,
    TD_STALLED = 1 << 22,
    TD_ACTIVE = 1 << 23,
    TD_INTERRUPT = 1 << 24,
    TD_ISOCHRONOUS = 1 << 25,
    TD_SHORT = 1 << 29,
    TD_STATUS = 0xff << 16,
};
enum { PID_IN = 0x69, PID_OUT = 0xe1, PID_SETUP = 0x2d };

typedef struct Td {
    uint32_t link, control, token, buffer;
} Td;

/* What became of a TD. */
typedef enum Outcome {
    TD_NOTHING, /* it is for another time, or is none */
    TD_DONE,
    TD_BLOCKED, /* its queue stands at it */
    TD_HALT,    /* the controller has stopped */
} Outcome;

/* A frame that is being done. */
typedef struct Frame {
    Uhci *s;
    unsigned steps, bytes;
    bool came; /* something of it */
} Frame;

static bool read_words(Uhci *s, uint32_t at, uint32_t *words, unsigned count)
{
    if (!dma_read_ram(&s->parent.dma, at, words, count * sizeof(*words))) {
        s->status |= UHCI_STS_HOST_ERROR;
        s->command &= ~UHCI_CMD_RUN;
        return false;
    }
    for (unsigned i = 0; i < count; i++) {
        words[i] = GUINT32_FROM_LE(words[i]);
    }
    return true;
}

static bool write_word(Uhci *s, uint32_t at, uint32_t word)
{
    word = GUINT32_TO_LE(word);
    if (!dma_write_ram(&s->parent.dma, at, &word, sizeof(word))) {
        s->status |= UHCI_STS_HOST_ERROR;
        s->command &= ~UHCI_CMD_RUN;
        return false;
    }
    return true;
}

static UsbDevice *find_device(Uhci *s, uint8_t address)
{
    for (unsigned i = 0; i < UHCI_PORTS; i++) {
        UsbDevice *dev = s->usb_ports[i].enabled ? usb_port_find(&s->usb_ports[i], address) : NULL;

        if (dev) {
            return dev;
        }
    }
    return NULL;
}

/* ---- a transfer ---- */

static bool token_of(const Td *td, UsbToken *token)
{
    switch (td->token & 0xff) {
    case PID_IN:
        *token = USB_IN;
        return true;
    case PID_OUT:
        *token = USB_OUT;
        return true;
    case PID_SETUP:
        *token = USB_SETUP;
        return true;
    default:
        return false;
    }
}

/* A packet with up to @asked bytes; *@size: that were moved. False: memory is not where it should
 * be. */
static bool move(Uhci *s, const Td *td, UsbToken token, unsigned asked, UsbStatus *status,
                 unsigned *size)
{
    uint8_t data[MOST];
    UsbDevice *dev = find_device(s, td->token >> 8 & 0x7f);

    *size = asked;
    *status = USB_NONE;
    if (token != USB_IN && !dma_read_ram(&s->parent.dma, td->buffer, data, asked)) {
        return false;
    }
    if (dev) {
        *status = usb_device_packet(dev, token, td->token >> 15 & 0xf, data, size);
    }
    return *status != USB_OK || token != USB_IN ||
           dma_write_ram(&s->parent.dma, td->buffer, data, *size);
}

/* It ended with @status: the new second word. */
static uint32_t result(Uhci *s, const Td *td, UsbStatus status, unsigned size)
{
    uint32_t control = td->control & ~(uint32_t)(TD_LENGTH | TD_STATUS);

    if (status == USB_OK) {
        control |= (size - 1) & TD_LENGTH;
    } else {
        control |= TD_LENGTH | TD_STALLED | (status == USB_NONE ? TD_TIMEOUT : 0);
        s->status |= UHCI_STS_ERROR;
    }
    if (td->control & TD_INTERRUPT) {
        s->status |= UHCI_STS_INTERRUPT;
        s->causes |= UHCI_CAUSE_COMPLETE;
    }
    return control;
}

static Outcome run_td(Frame *f, uint32_t at, Td *td)
{
    Uhci *s = f->s;
    unsigned asked = ((td->token >> 21) + 1) & TD_LENGTH, size;
    UsbToken token;
    UsbStatus status;

    if (!(td->control & TD_ACTIVE)) {
        return TD_NOTHING;
    }
    if (asked > MOST || !token_of(td, &token)) {
        s->status |= UHCI_STS_PROCESS_ERROR;
        s->command &= ~UHCI_CMD_RUN;
        return TD_HALT;
    }
    if (!move(s, td, token, asked, &status, &size)) {
        s->status |= UHCI_STS_HOST_ERROR;
        s->command &= ~UHCI_CMD_RUN;
        return TD_HALT;
    }
    f->bytes += size;
    f->came |= status != USB_NAK;
    if (status == USB_NAK && td->control & TD_ISOCHRONOUS) {
        status = USB_OK; /* it is over, and nothing came */
        size = 0;
    }
    if (status == USB_NAK) {
        return write_word(s, at + 4, td->control | TD_NAK) ? TD_BLOCKED : TD_HALT;
    }
    if (!write_word(s, at + 4, result(s, td, status, size))) {
        return TD_HALT;
    }
    if (status == USB_OK && token == USB_IN && size < asked && td->control & TD_SHORT) {
        s->status |= UHCI_STS_INTERRUPT;
        s->causes |= UHCI_CAUSE_SHORT;
        return TD_BLOCKED;
    }
    return status == USB_OK ? TD_DONE : TD_BLOCKED;
}

/* ---- lists ---- */

/* The TDs of a queue, as long as they go well and the guest wants depth. */
static bool run_queue(Frame *f, uint32_t queue, uint32_t element)
{
    while (!(element & (LINK_END | LINK_QUEUE)) && f->steps++ < STEPS && f->bytes < BYTES) {
        uint32_t at = element & ~(uint32_t)LINK_MASK;
        Td td;

        if (!read_words(f->s, at, &td.link, 4)) {
            return false;
        }
        Outcome outcome = run_td(f, at, &td);
        if (outcome == TD_HALT) {
            return false;
        }
        if (outcome != TD_DONE) {
            return true;
        }
        element = td.link;
        if (!write_word(f->s, queue + 4, element)) {
            return false;
        }
        if (!(element & LINK_DEPTH)) {
            return true;
        }
    }
    return true;
}

bool uhci_run_frame(Uhci *s)
{
    Frame f = { .s = s };
    uint32_t link;

    if (!read_words(s, s->list + 4 * (s->frame % FRAMES), &link, 1)) {
        return true;
    }
    while (!(link & LINK_END) && f.steps++ < STEPS && f.bytes < BYTES) {
        uint32_t at = link & ~(uint32_t)LINK_MASK, queue[2];
        Td td;

        if (link & LINK_QUEUE) {
            if (!read_words(s, at, queue, 2) || !run_queue(&f, at, queue[1])) {
                return true;
            }
            /* A queue within it is one more of the list. */
            link = queue[1] & LINK_QUEUE && !(queue[1] & LINK_END) ? queue[1] : queue[0];
        } else {
            if (!read_words(s, at, &td.link, 4) || run_td(&f, at, &td) == TD_HALT) {
                return true;
            }
            link = td.link;
        }
    }
    return f.came;
}

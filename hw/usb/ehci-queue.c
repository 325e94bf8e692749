/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Queue heads (3.6 of the specification), each with a copy of the transfer descriptor (qTD, 3.5)
 * that it is at, and the way from one descriptor to the next (4.10).
 */
#include "hw/usb/ehci.h"

#include <string.h>

#include "memory/dma.h"

enum { LINK_END = 1, LINK_MASK = 0x1f, PAGE = 4096, PAGES = 5, MOST = PAGES * PAGE };
/* Words of a queue head, and of a qTD, which is what comes from NEXT on. */
enum { CHARACTERISTICS = 1, CAPABILITIES, CURRENT, NEXT, ALTERNATE, TOKEN, BUFFERS, WORDS = 12 };
enum { TD_NEXT, TD_ALTERNATE, TD_TOKEN, TD_BUFFERS, TD_WORDS = 8 };
/* Of a token. */
enum {
    PING = 1 << 0,
    TRANSACTION_ERROR = 1 << 3,
    BUFFER_ERROR = 1 << 5,
    HALTED = 1 << 6,
    ACTIVE = 1 << 7,
    PID_SHIFT = 8,
    ERRORS_SHIFT = 10,
    PAGE_SHIFT = 12,
    INTERRUPT = 1 << 15,
    BYTES_SHIFT = 16,
    BYTES_MASK = 0x7fff,
};
#define TOGGLE 0x80000000u
enum { TOGGLE_OF_TD = 1 << 14, SPEED_SHIFT = 12, SPEED_HIGH = 2 };

bool ehci_read_words(Ehci *s, uint32_t at, uint32_t *words, unsigned count)
{
    if (!dma_read_ram(&s->parent.dma, at, words, count * sizeof(*words))) {
        ehci_host_error(s);
        return false;
    }
    for (unsigned i = 0; i < count; i++) {
        words[i] = GUINT32_FROM_LE(words[i]);
    }
    return true;
}

bool ehci_write_words(Ehci *s, uint32_t at, const uint32_t *words, unsigned count)
{
    uint32_t bytes[WORDS];

    for (unsigned i = 0; i < count; i++) {
        bytes[i] = GUINT32_TO_LE(words[i]);
    }
    if (!dma_write_ram(&s->parent.dma, at, bytes, count * sizeof(*bytes))) {
        ehci_host_error(s);
        return false;
    }
    return true;
}

UsbDevice *ehci_find_device(Ehci *s, uint8_t address)
{
    for (unsigned i = 0; i < EHCI_PORTS; i++) {
        UsbDevice *dev = s->usb_ports[i].enabled ? usb_port_find(&s->usb_ports[i], address) : NULL;

        if (dev) {
            return dev;
        }
    }
    return NULL;
}

/* ---- data ---- */

/* Bytes from where the transfer is to the end of its last page. */
static unsigned room(const uint32_t *queue)
{
    unsigned page = queue[TOKEN] >> PAGE_SHIFT & 7;

    return page < PAGES ? (PAGES - page) * PAGE - queue[BUFFERS] % PAGE : 0;
}

/* Between its pages and @data; to the guest if @in. */
static bool copy(Ehci *s, const uint32_t *queue, uint8_t *data, unsigned size, bool in)
{
    unsigned page = queue[TOKEN] >> PAGE_SHIFT & 7, offset = queue[BUFFERS] % PAGE;

    while (size) {
        unsigned bytes = MIN(size, PAGE - offset);
        uint32_t at = (queue[BUFFERS + page] & ~(uint32_t)(PAGE - 1)) + offset;

        if (in ? !dma_write_ram(&s->parent.dma, at, data, bytes)
               : !dma_read_ram(&s->parent.dma, at, data, bytes)) {
            ehci_host_error(s);
            return false;
        }
        data += bytes;
        size -= bytes;
        offset = 0;
        page++;
    }
    return true;
}

/* @size bytes were moved, in packets of up to @packet. */
static void account(uint32_t *queue, unsigned size, unsigned packet)
{
    unsigned packets = MAX((size + packet - 1) / packet, 1), page = queue[TOKEN] >> PAGE_SHIFT & 7;
    unsigned end = queue[BUFFERS] % PAGE + size;
    uint32_t bytes = (queue[TOKEN] >> BYTES_SHIFT & BYTES_MASK) - size;

    page = MIN(page + end / PAGE, 7u);
    queue[BUFFERS] = (queue[BUFFERS] & ~(uint32_t)(PAGE - 1)) | end % PAGE;
    queue[TOKEN] &= ~(uint32_t)(BYTES_MASK << BYTES_SHIFT | 7 << PAGE_SHIFT);
    queue[TOKEN] |= bytes << BYTES_SHIFT | page << PAGE_SHIFT;
    queue[TOKEN] ^= packets & 1 ? TOGGLE : 0;
}

/* ---- a transfer ---- */

typedef enum Outcome {
    WAITS,   /* nothing has changed */
    MOVED,   /* some bytes, and it goes on */
    ENDED,   /* in one way or the other */
    STOPPED, /* the controller has */
} Outcome;

static Outcome fail(Ehci *s, uint32_t *queue, uint32_t bits)
{
    queue[TOKEN] = (queue[TOKEN] & ~(uint32_t)ACTIVE) | HALTED | bits;
    s->status |= EHCI_STS_ERROR;
    if (queue[TOKEN] & INTERRUPT) {
        s->status |= EHCI_STS_INTERRUPT;
    }
    return ENDED;
}

static Outcome complete(Ehci *s, uint32_t *queue, bool is_short)
{
    queue[TOKEN] &= ~(uint32_t)ACTIVE;
    if (is_short || queue[TOKEN] & INTERRUPT) {
        s->status |= EHCI_STS_INTERRUPT;
    }
    return ENDED;
}

static Outcome move(Ehci *s, EhciBudget *left, uint32_t *queue, bool once)
{
    static const UsbToken tokens[] = { USB_OUT, USB_IN, USB_SETUP };
    uint8_t data[MOST];
    uint32_t what = queue[CHARACTERISTICS];
    unsigned pid = queue[TOKEN] >> PID_SHIFT & 3, packet = MAX(what >> 16 & 0x7ff, 1u);
    unsigned bytes = queue[TOKEN] >> BYTES_SHIFT & BYTES_MASK;
    unsigned asked = once ? MIN(bytes, packet * MAX(queue[CAPABILITIES] >> 30, 1u)) : bytes;
    unsigned size = asked;
    UsbDevice *dev =
        (what >> SPEED_SHIFT & 3) == SPEED_HIGH ? ehci_find_device(s, what & 0x7f) : NULL;

    if (pid >= G_N_ELEMENTS(tokens) || asked > room(queue)) {
        return fail(s, queue, BUFFER_ERROR);
    }
    if (!dev) {
        queue[TOKEN] &= ~(3u << ERRORS_SHIFT);
        return fail(s, queue, TRANSACTION_ERROR);
    }
    if (dev->suspended) {
        return WAITS;
    }
    UsbToken token = tokens[pid];
    if (token != USB_IN && !copy(s, queue, data, asked, false)) {
        return STOPPED;
    }
    switch (usb_device_packet(dev, token, what >> 8 & 0xf, data, &size)) {
    case USB_NAK:
        return WAITS;
    case USB_STALL:
        return fail(s, queue, 0);
    case USB_NONE:
        return fail(s, queue, TRANSACTION_ERROR);
    case USB_OK:
    default:
        break;
    }
    if (asked && !size && token != USB_IN) {
        return WAITS; /* it took nothing */
    }
    if (token == USB_IN && !copy(s, queue, data, size, true)) {
        return STOPPED;
    }
    left->bytes -= MIN(left->bytes, size);
    account(queue, size, packet);
    if (size == bytes) {
        return complete(s, queue, false);
    }
    return token == USB_IN && (size % packet || !size) ? complete(s, queue, true) : MOVED;
}

/* ---- the way from one to the next ---- */

/* The next descriptor becomes the queue's own. False: there is none now. */
static bool advance(Ehci *s, uint32_t *queue)
{
    bool is_short = queue[TOKEN] >> BYTES_SHIFT & BYTES_MASK;
    uint32_t next = is_short && !(queue[ALTERNATE] & LINK_END) ? queue[ALTERNATE] : queue[NEXT];
    uint32_t td[TD_WORDS], toggle = queue[TOKEN] & TOGGLE;

    if (queue[TOKEN] & HALTED || next & LINK_END ||
        !ehci_read_words(s, next & ~(uint32_t)LINK_MASK, td, TD_WORDS) ||
        !(td[TD_TOKEN] & ACTIVE)) {
        return false;
    }
    queue[CURRENT] = next & ~(uint32_t)LINK_MASK;
    memcpy(&queue[NEXT], td, sizeof(td));
    if (!(queue[CHARACTERISTICS] & TOGGLE_OF_TD)) {
        queue[TOKEN] = (queue[TOKEN] & ~TOGGLE) | toggle;
    }
    return true;
}

/* The guest sees it in the descriptor, when that has ended, and in the queue. */
static bool write_back(Ehci *s, uint32_t at, const uint32_t *queue, bool ended)
{
    return (!ended || ehci_write_words(s, queue[CURRENT] + 4 * TD_TOKEN, &queue[TOKEN], 1)) &&
           ehci_write_words(s, at + 4 * CURRENT, &queue[CURRENT], WORDS - CURRENT);
}

bool ehci_run_queue(Ehci *s, EhciBudget *left, uint32_t at, uint32_t *queue, bool once)
{
    bool came = false;

    while (left->steps && left->bytes && ehci_runs(s)) {
        bool fresh = false;
        Outcome outcome;

        left->steps--;
        if (!(queue[TOKEN] & ACTIVE)) {
            if (!advance(s, queue)) {
                break;
            }
            fresh = true;
        }
        outcome = move(s, left, queue, once);
        came |= outcome == MOVED || outcome == ENDED;
        if (outcome == STOPPED ||
            ((fresh || outcome != WAITS) && !write_back(s, at, queue, outcome == ENDED))) {
            break;
        }
        if (outcome == WAITS || once) {
            break;
        }
    }
    return came;
}

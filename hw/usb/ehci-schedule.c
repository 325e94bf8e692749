/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two lists: the periodic one (3.1 of the specification), with a chain for each frame of a
 * millisecond, and the asynchronous one (3.2), a ring of queues. What a frame can do is bounded by
 * steps and by bytes, wherever links lead.
 */
#include "hw/usb/ehci.h"

#include <string.h>

#include "memory/dma.h"

enum { LINK_END = 1, LINK_MASK = 0x1f, QUEUE_WORDS = 12 };
enum { KIND_ITD, KIND_QUEUE, KIND_SITD, KIND_NODE };
enum {
    PERIODIC_STEPS = 256,
    PERIODIC_BYTES = 64 << 10,
    ASYNC_STEPS = 512,
    ASYNC_BYTES = 512 << 10
};

static unsigned kind_of(uint32_t link)
{
    return link >> 1 & 3;
}

/* ---- isochronous transfers ---- */

enum { ITD_WORDS = 16, ITD_TRANSACTIONS = 1, ITD_BUFFERS = 9, ITD_PAGES = 7 };
enum { ITD_INTERRUPT = 1 << 15, ITD_NOBODY = 1 << 28, ITD_BUFFER_ERROR = 1 << 30 };
#define ITD_ACTIVE 0x80000000u
enum { ITD_MOST = 3 * 1024, SITD_TOKEN = 3, SITD_ACTIVE = 1 << 7, SITD_NOBODY = 1 << 3 };

static bool copy(Ehci *s, const uint32_t *itd, uint32_t what, uint8_t *data, unsigned size, bool in)
{
    unsigned page = what >> 12 & 7, offset = what & 0xfff;

    while (size) {
        unsigned bytes = MIN(size, 4096 - offset);
        uint32_t at;

        if (page >= ITD_PAGES) {
            return false;
        }
        at = (itd[ITD_BUFFERS + page] & 0xfffff000) + offset;
        if (in ? !dma_write_ram(&s->parent.dma, at, data, bytes)
               : !dma_read_ram(&s->parent.dma, at, data, bytes)) {
            return false;
        }
        data += bytes;
        size -= bytes;
        offset = 0;
        page++;
    }
    return true;
}

/* One microframe's. It ends, however that went. */
static uint32_t run_transaction(Ehci *s, EhciBudget *left, const uint32_t *itd, uint32_t what)
{
    uint8_t data[ITD_MOST];
    unsigned asked = what >> 16 & 0xfff, size = asked;
    bool in = itd[ITD_BUFFERS + 1] & 1 << 11;
    UsbDevice *dev = ehci_find_device(s, itd[ITD_BUFFERS] & 0x7f);
    UsbStatus status;

    if (what & ITD_INTERRUPT) {
        s->status |= EHCI_STS_INTERRUPT;
    }
    what &= 0x0fffffff;
    if (asked > ITD_MOST || (!in && !copy(s, itd, what, data, size, false))) {
        return what | ITD_BUFFER_ERROR;
    }
    status = dev ? usb_device_packet(dev, in ? USB_IN : USB_OUT, itd[ITD_BUFFERS] >> 8 & 0xf, data,
                                     &size)
                 : USB_NONE;
    if (status != USB_OK) {
        size = 0;
    }
    left->bytes -= MIN(left->bytes, size);
    if (in && !copy(s, itd, what, data, size, true)) {
        return what | ITD_BUFFER_ERROR;
    }
    if (in) {
        what = (what & 0xf000ffff) | size << 16;
    }
    return what | (status == USB_OK || status == USB_NAK ? 0 : ITD_NOBODY);
}

static bool run_itd(Ehci *s, EhciBudget *left, uint32_t at, uint32_t *itd)
{
    bool came = false;

    for (unsigned i = 0; i < EHCI_MICROFRAME; i++) {
        uint32_t *what = &itd[ITD_TRANSACTIONS + i];

        if (*what & ITD_ACTIVE) {
            *what = run_transaction(s, left, itd, *what);
            came = true;
        }
    }
    if (came) {
        ehci_write_words(s, at + 4 * ITD_TRANSACTIONS, itd + ITD_TRANSACTIONS, EHCI_MICROFRAME);
    }
    return came;
}

/* A split transaction goes to a hub of high speed, and there is none. */
static bool run_sitd(Ehci *s, uint32_t at, uint32_t *sitd)
{
    if (!(sitd[SITD_TOKEN] & SITD_ACTIVE)) {
        return false;
    }
    sitd[SITD_TOKEN] = (sitd[SITD_TOKEN] & ~(uint32_t)SITD_ACTIVE) | SITD_NOBODY;
    return ehci_write_words(s, at + 4 * SITD_TOKEN, &sitd[SITD_TOKEN], 1);
}

/* ---- lists ---- */

bool ehci_run_frame(Ehci *s)
{
    EhciBudget left = { PERIODIC_STEPS, PERIODIC_BYTES };
    unsigned size = 1024u >> ((s->command & EHCI_CMD_LIST_SIZE) >> 2);
    bool came = false;
    uint32_t link;

    if (!ehci_read_words(s, s->periodic_list + 4 * (s->frindex / EHCI_MICROFRAME % size), &link,
                         1)) {
        return true;
    }
    while (!(link & LINK_END) && left.steps && left.bytes && ehci_runs(s)) {
        static const unsigned counts[] = {
            [KIND_ITD] = ITD_WORDS, [KIND_QUEUE] = QUEUE_WORDS, [KIND_SITD] = 7, [KIND_NODE] = 2
        };
        uint32_t words[ITD_WORDS], at = link & ~(uint32_t)LINK_MASK;
        unsigned kind = kind_of(link);

        left.steps--;
        if (!ehci_read_words(s, at, words, counts[kind])) {
            return true;
        }
        link = words[0];
        came |= kind == KIND_ITD     ? run_itd(s, &left, at, words)
                : kind == KIND_QUEUE ? ehci_run_queue(s, &left, at, words, true)
                : kind == KIND_SITD  ? run_sitd(s, at, words)
                                     : false;
    }
    return came;
}

bool ehci_run_async(Ehci *s)
{
    EhciBudget left = { ASYNC_STEPS, ASYNC_BYTES };
    uint32_t at = s->async_list;
    bool came = false, in_round = false;

    while (left.steps && left.bytes && ehci_runs(s)) {
        uint32_t queue[QUEUE_WORDS];

        left.steps--;
        if (!ehci_read_words(s, at, queue, QUEUE_WORDS)) {
            return true;
        }
        in_round |= ehci_run_queue(s, &left, at, queue, false);
        came |= in_round;
        if (queue[0] & LINK_END || kind_of(queue[0]) != KIND_QUEUE) {
            break;
        }
        at = queue[0] & ~(uint32_t)LINK_MASK;
        if (at == s->async_list) {
            if (!in_round) {
                break;
            }
            in_round = false;
        }
    }
    return came;
}

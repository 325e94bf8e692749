/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Transfers (section 4.11). The ring of an endpoint has transfer descriptors (TDs), each of some
 * TRBs. How much of the first one was moved is in the endpoint's context: a device that has nothing
 * for the rest says when it has. A TD is begun when there is room for all of its events.
 */
#include <string.h>

#include "hw/usb/xhci.h"
#include "util/clock.h"

enum { TRBS_MAX = 1024, CHUNK = 64 * 1024, LENGTH = 0x1ffff, TDS_AT_ONCE = 64, ROUNDS = 8 };
enum { EP_STATE = 7, WORD_DEQUEUE = 2, WORD_DONE = 5, CODE_SHIFT = 24, EVENT_LENGTH = 0xffffff };
enum { EP_KIND = 7 };
/* Of an isochronous endpoint, in the words that are the controller's own: the microframe of the
 * next TD, and whether there is one. */
enum { WORD_DUE = 6, WORD_TIMED = 7, LATE_MAX = 64 };
#define FRAME_NS 125000 /* of a microframe */

/* A TD that is being done. */
typedef struct Transfer {
    Xhci *s;
    unsigned slot, endpoint;
    UsbDevice *dev;
    uint32_t context[XHCI_CONTEXT_WORDS];
    XhciTrb trbs[TRBS_MAX];
    uint64_t places[TRBS_MAX]; /* of them */
    unsigned count;
    uint64_t next; /* what follows it, and its cycle */
    bool next_cycle;
    uint32_t total, done; /* bytes */
} Transfer;

static bool moves(const XhciTrb *trb)
{
    unsigned type = xhci_trb_type(trb);

    return type >= XHCI_NORMAL && type <= XHCI_ISOCHRONOUS;
}

/* Bytes that belong to @trb. */
static uint32_t length_of(const XhciTrb *trb)
{
    unsigned type = xhci_trb_type(trb);

    return moves(trb) && type != XHCI_STATUS_STAGE ? trb->status & LENGTH : 0;
}

/* ---- the ring ---- */

static uint64_t dequeue_of(const uint32_t words[XHCI_CONTEXT_WORDS])
{
    return ((uint64_t)words[WORD_DEQUEUE + 1] << 32 | words[WORD_DEQUEUE]) & ~(uint64_t)0xf;
}

/* Read the TD that is next. False: it is not whole yet, or nowhere. Too long: `count` is 0. */
static bool read_td(Transfer *t)
{
    uint64_t at = dequeue_of(t->context);
    bool cycle = t->context[WORD_DEQUEUE] & 1;

    t->count = 0;
    t->total = 0;
    do {
        if (t->count == TRBS_MAX) {
            t->count = 0;
            return true;
        }
        if (!xhci_next_trb(t->s, &at, &cycle, &t->trbs[t->count], &t->places[t->count])) {
            return false;
        }
        t->total += length_of(&t->trbs[t->count]);
    } while (t->trbs[t->count++].control & XHCI_TRB_CHAIN);
    t->next = at;
    t->next_cycle = cycle;
    t->done = MIN(t->context[WORD_DONE], t->total);
    return true;
}

static void set_state(Transfer *t, unsigned state)
{
    t->context[0] = (t->context[0] & ~(uint32_t)EP_STATE) | state;
}

static bool write_back(Transfer *t, uint32_t done)
{
    t->context[WORD_DONE] = done;
    if (!xhci_write_context(t->s, t->slot, t->endpoint, t->context)) {
        xhci_host_error(t->s);
        return false;
    }
    return true;
}

/* ---- events ---- */

static void post(const Transfer *t, uint64_t parameter, XhciCode code, uint32_t length,
                 uint32_t flags)
{
    xhci_post_event(t->s, (XhciTrb){ parameter, (uint32_t)code << CODE_SHIFT | length,
                                     t->slot << 24 | t->endpoint << 16 |
                                         XHCI_TRANSFER_EVENT << XHCI_TRB_TYPE_SHIFT | flags });
}

/* How many there may be. */
static unsigned events_of(const Transfer *t)
{
    unsigned count = 1;

    for (unsigned i = 0; i < t->count; i++) {
        count += (t->trbs[i].control & XHCI_TRB_INTERRUPT) != 0;
    }
    return count;
}

/* It ended with @code when t->done bytes were moved. */
static void tell_end(const Transfer *t, XhciCode code)
{
    uint32_t left = t->done, since = 0; /* bytes of what follows; and for the next Event Data TRB */
    bool told = false, failed = code != XHCI_SUCCESS && code != XHCI_SHORT_PACKET;

    for (unsigned i = 0; i < t->count; i++) {
        const XhciTrb *trb = &t->trbs[i];
        uint32_t bytes = MIN(length_of(trb), left), rest = length_of(trb) - bytes;
        bool last = i + 1 == t->count;
        bool here = !told && code != XHCI_SUCCESS && moves(trb) && (rest || last);

        left -= bytes;
        since += bytes;
        if (xhci_trb_type(trb) == XHCI_EVENT_DATA) {
            if (trb->control & XHCI_TRB_INTERRUPT) {
                post(t, trb->parameter, code, since & EVENT_LENGTH, XHCI_TRB_EVENT_DATA);
            }
            since = 0;
        } else if (here) {
            told = failed || trb->control & (XHCI_TRB_INTERRUPT | XHCI_TRB_SHORT);
            if (told) {
                post(t, t->places[i], code, rest, 0);
            }
            if (failed) {
                return;
            }
        } else if (!told && trb->control & XHCI_TRB_INTERRUPT) {
            post(t, t->places[i], XHCI_SUCCESS, rest, 0);
        }
    }
}

void xhci_tell_stopped(Xhci *s, unsigned slot, unsigned endpoint,
                       const uint32_t words[XHCI_CONTEXT_WORDS])
{
    g_autofree Transfer *t = g_new(Transfer, 1);

    t->s = s;
    t->slot = slot;
    t->endpoint = endpoint;
    memcpy(t->context, words, sizeof(t->context));
    /* The event of the command goes behind. */
    if (xhci_event_room(s, NULL) < 2 || !read_td(t) || !t->count) {
        return;
    }
    uint32_t left = t->done;
    for (unsigned i = 0; i < t->count; i++) {
        uint32_t length = length_of(&t->trbs[i]);

        if (left < length) {
            post(t, t->places[i], XHCI_STOPPED, length - left, 0);
            return;
        }
        left -= length;
    }
}

/* ---- data ---- */

/* Move @size bytes at @data to (@in) or from where the TD has them, from t->done on. False: that is
 * nowhere. */
static bool copy(Transfer *t, uint8_t *data, uint32_t size, bool in)
{
    uint32_t begin = 0; /* of the TRB's bytes in the TD */

    for (unsigned i = 0; i < t->count && size; i++) {
        XhciTrb *trb = &t->trbs[i];
        uint32_t length = length_of(trb), skip = t->done > begin ? t->done - begin : 0;
        bool immediate = trb->control & XHCI_TRB_IMMEDIATE;

        begin += length;
        if (skip >= length) {
            continue;
        }
        uint32_t bytes = MIN(length - skip, size);
        if (immediate) {
            uint64_t value = GUINT64_TO_LE(trb->parameter);

            if (in || skip + bytes > sizeof(value)) {
                return false;
            }
            memcpy(data, (const uint8_t *)&value + skip, bytes);
        } else if (in ? !dma_write_ram(&t->s->parent.dma, trb->parameter + skip, data, bytes)
                      : !dma_read_ram(&t->s->parent.dma, trb->parameter + skip, data, bytes)) {
            return false;
        }
        data += bytes;
        size -= bytes;
        t->done += bytes;
    }
    return true;
}

static UsbToken token_of(const Transfer *t)
{
    const XhciTrb *first = &t->trbs[0];

    if (t->endpoint > 1) {
        return t->endpoint & 1 ? USB_IN : USB_OUT;
    }
    if (xhci_trb_type(first) == XHCI_SETUP_STAGE) {
        return USB_SETUP;
    }
    return first->control & XHCI_TRB_IN ? USB_IN : USB_OUT;
}

/* One piece. XHCI_SUCCESS with *@end: that was all. *@wait: not now. */
static XhciCode move_piece(Transfer *t, uint8_t *buffer, bool *end, bool *wait)
{
    UsbToken token = token_of(t);
    unsigned asked = MIN(t->total - t->done, CHUNK), size = asked;
    uint32_t packet = MAX(t->context[1] >> 16, 1), before = t->done;

    if (token != USB_IN && !copy(t, buffer, size, false)) {
        return XHCI_TRB_ERROR;
    }
    t->done = before;
    switch (usb_device_packet(t->dev, token, (uint8_t)(t->endpoint / 2), buffer, &size)) {
    case USB_NAK:
        *wait = true;
        return XHCI_SUCCESS;
    case USB_STALL:
        return XHCI_STALL_ERROR;
    case USB_NONE:
        return XHCI_TRANSACTION_ERROR;
    case USB_OK:
    default:
        break;
    }
    if (token == USB_IN && !copy(t, buffer, size, true)) {
        return XHCI_TRB_ERROR;
    }
    t->done = before + size;
    if (token != USB_IN && asked && !size) {
        *wait = true; /* it took nothing */
        return XHCI_SUCCESS;
    }
    *end = t->done == t->total || (token == USB_IN && (size % packet || !size));
    return t->done < t->total && *end ? XHCI_SHORT_PACKET : XHCI_SUCCESS;
}

/* ---- what has its time (4.14.2) ---- */

static bool is_isochronous(const Transfer *t)
{
    unsigned kind = t->context[1] >> XHCI_EP_KIND_SHIFT & EP_KIND;

    return kind == XHCI_ISOCHRONOUS_OUT || kind == XHCI_ISOCHRONOUS_IN;
}

static uint32_t interval_of(const Transfer *t)
{
    return 1u << MIN(t->context[0] >> XHCI_EP_INTERVAL_SHIFT & 0xff, XHCI_INTERVAL_MAX);
}

/* Is it time for the TD? The first one's is the next interval; so is that of one for which it is
 * far too late. */
static bool is_due(Transfer *t)
{
    uint64_t frame = (uint64_t)clock_ns() / FRAME_NS;
    uint32_t now = (uint32_t)frame, interval = interval_of(t), due = t->context[WORD_DUE];
    int32_t left = (int32_t)(due - now), most = (int32_t)interval;

    if (!t->context[WORD_TIMED] || left > most || left < -LATE_MAX * most) {
        due = (now + interval) & ~(interval - 1);
        left = (int32_t)(due - now);
        t->context[WORD_TIMED] = true;
    }
    t->context[WORD_DUE] = due;
    if (left <= 0) {
        t->context[WORD_DUE] += interval;
        return true;
    }
    t->s->wake = MIN(t->s->wake, (int64_t)(frame + (unsigned)left) * FRAME_NS);
    return false;
}

/* The TD in one piece. A device that has nothing, or takes nothing, is not asked again for it. */
static XhciCode move_isochronous(Transfer *t, uint8_t *buffer)
{
    UsbToken token = token_of(t);
    unsigned size = t->total;
    UsbStatus status;

    t->done = 0; /* whatever the context says */
    if (size > CHUNK || (token == USB_OUT && !copy(t, buffer, size, false))) {
        return XHCI_TRB_ERROR;
    }
    status = usb_device_packet(t->dev, token, (uint8_t)(t->endpoint / 2), buffer, &size);
    if (status != USB_OK && status != USB_NAK) {
        return XHCI_TRANSACTION_ERROR;
    }
    if (token == USB_OUT) {
        return XHCI_SUCCESS;
    }
    if (!copy(t, buffer, status == USB_OK ? size : 0, true)) {
        return XHCI_TRB_ERROR;
    }
    return t->done < t->total ? XHCI_SHORT_PACKET : XHCI_SUCCESS;
}

/* The kinds of TRBs that its endpoint may have, in the order in which they may be. */
static bool check_td(const Transfer *t)
{
    bool control = t->endpoint == 1;

    for (unsigned i = 0; i < t->count; i++) {
        unsigned type = xhci_trb_type(&t->trbs[i]);
        bool stage = type >= XHCI_SETUP_STAGE && type <= XHCI_STATUS_STAGE;
        bool other = type == XHCI_NORMAL || type == XHCI_EVENT_DATA || type == XHCI_NO_OP;
        bool timed = is_isochronous(t) && i == 0;

        if (timed ? type != XHCI_ISOCHRONOUS && type != XHCI_NO_OP
                  : !(stage && control && i == 0) && !other) {
            return false;
        }
    }
    return t->count &&
           (xhci_trb_type(&t->trbs[0]) != XHCI_SETUP_STAGE || t->total == USB_SETUP_BYTES);
}

/* ---- an endpoint ---- */

/* The TD has ended: the ring goes on behind it, or with an error stands at it. */
static bool end_td(Transfer *t, XhciCode code)
{
    bool well = code == XHCI_SUCCESS || code == XHCI_SHORT_PACKET ||
                (code != XHCI_TRB_ERROR && is_isochronous(t));

    if (well) {
        t->context[WORD_DEQUEUE] = (uint32_t)t->next | t->next_cycle;
        t->context[WORD_DEQUEUE + 1] = (uint32_t)(t->next >> 32);
    } else {
        set_state(t, code == XHCI_TRB_ERROR ? XHCI_EP_ERROR : XHCI_EP_HALTED);
        t->s->active[t->slot] &= ~(1u << t->endpoint);
    }
    if (!write_back(t, 0)) {
        return false;
    }
    if (t->count) {
        tell_end(t, code);
    } else {
        post(t, dequeue_of(t->context), code, 0, 0);
    }
    return well;
}

/* Do the next TD. False: there is nothing more to be done now. */
static bool run_td(Transfer *t, uint8_t *buffer)
{
    unsigned most = 0, room = xhci_event_room(t->s, &most);
    bool end = false, wait = false;
    XhciCode code = XHCI_SUCCESS;

    if (!room) {
        return false;
    }
    if (!read_td(t)) {
        if (t->context[WORD_TIMED] && is_isochronous(t)) {
            t->context[WORD_TIMED] = false;
            write_back(t, 0);
        }
        return false;
    }
    if (events_of(t) > room && events_of(t) <= most) {
        return false; /* until the guest has seen some */
    }
    if (events_of(t) > most || !check_td(t)) {
        return end_td(t, XHCI_TRB_ERROR);
    }
    if (!moves(&t->trbs[0]) && !t->total) {
        return end_td(t, XHCI_SUCCESS); /* nothing but No Op and Event Data */
    }
    if (is_isochronous(t)) {
        if (!is_due(t)) {
            write_back(t, 0);
            return false;
        }
        return end_td(t, move_isochronous(t, buffer));
    }
    while (!end && !wait && code == XHCI_SUCCESS) {
        code = move_piece(t, buffer, &end, &wait);
    }
    if (wait) {
        write_back(t, t->done);
        return false;
    }
    return end_td(t, code);
}

/* Is it still there, and running? */
static bool refresh(Transfer *t)
{
    Xhci *s = t->s;

    return xhci_runs(s) && s->active[t->slot] >> t->endpoint & 1 &&
           xhci_read_context(s, t->slot, t->endpoint, t->context) &&
           (t->context[0] & EP_STATE) == XHCI_EP_RUNNING;
}

static void run_endpoint(Xhci *s, unsigned slot, unsigned endpoint, Transfer *t, uint8_t *buffer)
{
    t->s = s;
    t->slot = slot;
    t->endpoint = endpoint;
    for (unsigned tds = 0; refresh(t); tds++) {
        if (tds == TDS_AT_ONCE) {
            s->again = true;
            break;
        }
        t->dev = xhci_slot_device(s, slot);
        if (!t->dev) {
            if (xhci_event_room(s, NULL) && read_td(t)) {
                t->done = 0;
                end_td(t, XHCI_TRANSACTION_ERROR);
            }
            break;
        }
        if (t->dev->suspended || !run_td(t, buffer)) {
            break;
        }
    }
}

static void run_active(Xhci *s, Transfer *t, uint8_t *buffer)
{
    for (unsigned slot = 1; slot <= XHCI_SLOTS; slot++) {
        for (uint32_t left = s->active[slot]; left; left &= left - 1) {
            run_endpoint(s, slot, (unsigned)__builtin_ctz(left), t, buffer);
        }
    }
}

/* What becomes possible by what is done here is done after it; and of a guest that gives ever more,
 * the rest a frame later. */
void xhci_run_endpoints(Xhci *s)
{
    if (s->busy || !xhci_runs(s)) {
        s->again = s->busy;
        return;
    }
    g_autofree Transfer *t = g_new(Transfer, 1);
    g_autofree uint8_t *buffer = g_malloc(CHUNK);

    s->busy = true;
    for (unsigned round = 0; round == 0 || (s->again && round < ROUNDS); round++) {
        s->again = false;
        s->wake = INT64_MAX;
        run_active(s, t, buffer);
    }
    s->busy = false;
    if (s->again) {
        s->wake = MIN(s->wake, clock_ns() + FRAME_NS);
    }
    if (s->wake != INT64_MAX) {
        timer_mod(s->later, s->wake);
    }
}

void xhci_ready(void *opaque, UsbDevice *dev, uint8_t address)
{
    xhci_run_endpoints(opaque);
}

void xhci_doorbell(Xhci *s, unsigned slot, unsigned endpoint)
{
    uint32_t words[XHCI_CONTEXT_WORDS];

    if (slot < 1 || slot > XHCI_SLOTS || !(s->slots >> (slot - 1) & 1) || endpoint < 1 ||
        endpoint >= XHCI_ENDPOINTS || !xhci_read_context(s, slot, endpoint, words)) {
        return;
    }
    if ((words[0] & EP_STATE) == XHCI_EP_STOPPED) {
        words[0] = (words[0] & ~(uint32_t)EP_STATE) | XHCI_EP_RUNNING;
        xhci_write_context(s, slot, endpoint, words);
    }
    if ((words[0] & EP_STATE) == XHCI_EP_RUNNING) {
        s->active[slot] |= 1u << endpoint;
        xhci_run_endpoints(s);
    }
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lists of endpoints (EDs, section 4.2 of the specification), each with a list of transfers (TDs,
 * 4.3). What has ended goes to a list of its own, which the guest is given at the end of a frame.
 * What a frame can do is bounded by steps and by bytes, wherever links lead.
 */
#include "hw/usb/ohci.h"
#include "memory/dma.h"

enum { STEPS = 512, BYTES = 16 << 10, PAGE = 4096, MOST = 2 * PAGE };
enum { HCCA_NUMBER = 0x80, HCCA_DONE = 0x84, FRAMES = 32 };
/* Words of an endpoint. */
enum { ED_INFO, ED_TAIL, ED_HEAD, ED_NEXT, ED_WORDS };
enum {
    ED_SKIP = 1 << 14,
    ED_ISOCHRONOUS = 1 << 15,
    HEAD_HALTED = 1,
    HEAD_TOGGLE = 2,
    LINK_MASK = 0xf
};
/* Of a transfer. */
enum { TD_INFO, TD_BUFFER, TD_NEXT, TD_END, TD_WORDS, TD_OFFSETS = 4, ITD_WORDS = 8 };
enum {
    TD_SHORT = 1 << 18,
    TD_PID_SHIFT = 19,
    TD_DELAY_SHIFT = 21,
    TD_TOGGLE = 1 << 24,
    TD_OWN_TOGGLE = 1 << 25,
    TD_ERRORS = 3 << 26,
    TD_CODE_SHIFT = 28,
};
enum { CODE_OK = 0, CODE_STALL = 4, CODE_NOBODY = 5, CODE_OVERRUN = 8, CODE_UNDERRUN = 9 };

typedef struct Frame {
    Ohci *s;
    unsigned steps, bytes; /* that are left */
    bool came;             /* something of it */
} Frame;

/* What became of a transfer. */
typedef enum Outcome {
    WAITS,   /* it is for another time */
    MOVED,   /* a part of it */
    RETIRED, /* it has ended */
    STOPPED, /* the controller has */
} Outcome;

static bool read_words(Ohci *s, uint32_t at, uint32_t *words, unsigned count)
{
    if (!dma_read_ram(&s->parent.dma, at, words, count * sizeof(*words))) {
        ohci_error(s);
        return false;
    }
    for (unsigned i = 0; i < count; i++) {
        words[i] = GUINT32_FROM_LE(words[i]);
    }
    return true;
}

static bool write_words(Ohci *s, uint32_t at, const uint32_t *words, unsigned count)
{
    uint32_t bytes[ITD_WORDS];

    for (unsigned i = 0; i < count; i++) {
        bytes[i] = GUINT32_TO_LE(words[i]);
    }
    if (!dma_write_ram(&s->parent.dma, at, bytes, count * sizeof(*bytes))) {
        ohci_error(s);
        return false;
    }
    return true;
}

static UsbDevice *find_device(Ohci *s, uint8_t address)
{
    for (unsigned i = 0; i < s->count; i++) {
        UsbDevice *dev = s->usb_ports[i].enabled ? usb_port_find(&s->usb_ports[i], address) : NULL;

        if (dev) {
            return dev;
        }
    }
    return NULL;
}

/* @size bytes from @first on, which go on at the beginning of the page of @last. */
static bool copy(Ohci *s, uint32_t first, uint32_t last, uint8_t *data, unsigned size, bool in)
{
    unsigned here = MIN(size, PAGE - first % PAGE);
    uint32_t next = last & ~(uint32_t)(PAGE - 1);
    bool ok = in ? dma_write_ram(&s->parent.dma, first, data, here)
                 : dma_read_ram(&s->parent.dma, first, data, here);

    if (ok && here < size) {
        ok = in ? dma_write_ram(&s->parent.dma, next, data + here, size - here)
                : dma_read_ram(&s->parent.dma, next, data + here, size - here);
    }
    if (!ok) {
        ohci_error(s);
    }
    return ok;
}

/* @td, at @at, has ended: it is the first of those that have. */
static Outcome retire(Frame *f, uint32_t *ed, uint32_t at, uint32_t *td, unsigned count,
                      unsigned code)
{
    Ohci *s = f->s;
    unsigned delay = td[TD_INFO] >> TD_DELAY_SHIFT & 7;

    td[TD_INFO] = (td[TD_INFO] & ~(0xfu << TD_CODE_SHIFT)) | (uint32_t)code << TD_CODE_SHIFT;
    ed[ED_HEAD] = (td[TD_NEXT] & ~(uint32_t)LINK_MASK) | (ed[ED_HEAD] & HEAD_TOGGLE);
    td[TD_NEXT] = s->done_head;
    s->done_head = at;
    s->delay = MIN(s->delay, delay);
    return write_words(s, at, td, count) ? RETIRED : STOPPED;
}

/* ---- control, bulk and interrupt transfers ---- */

static unsigned bytes_of(const uint32_t *td)
{
    if (!td[TD_BUFFER]) {
        return 0;
    }
    if ((td[TD_BUFFER] ^ td[TD_END]) & ~(uint32_t)(PAGE - 1)) {
        return PAGE - td[TD_BUFFER] % PAGE + td[TD_END] % PAGE + 1;
    }
    return td[TD_END] < td[TD_BUFFER] ? 0 : td[TD_END] - td[TD_BUFFER] + 1;
}

/* @size bytes were moved. */
static void account(uint32_t *ed, uint32_t *td, unsigned size, unsigned packet)
{
    unsigned packets = MAX((size + packet - 1) / packet, 1u), end = td[TD_BUFFER] % PAGE + size;
    bool toggle = td[TD_INFO] & TD_OWN_TOGGLE ? td[TD_INFO] & TD_TOGGLE : ed[ED_HEAD] & HEAD_TOGGLE;

    toggle ^= packets & 1;
    td[TD_INFO] = (td[TD_INFO] & ~(uint32_t)TD_TOGGLE) | TD_OWN_TOGGLE | (toggle ? TD_TOGGLE : 0);
    ed[ED_HEAD] = (ed[ED_HEAD] & ~(uint32_t)HEAD_TOGGLE) | (toggle ? HEAD_TOGGLE : 0);
    td[TD_BUFFER] =
        end < PAGE ? td[TD_BUFFER] + size : (td[TD_END] & ~(uint32_t)(PAGE - 1)) + end % PAGE;
}

static Outcome fail(Frame *f, uint32_t *ed, uint32_t at, uint32_t *td, unsigned code)
{
    Outcome outcome;

    td[TD_INFO] |= TD_ERRORS;
    outcome = retire(f, ed, at, td, TD_WORDS, code);
    ed[ED_HEAD] |= HEAD_HALTED;
    f->s->delay = 0;
    return outcome;
}

static bool token_of(const uint32_t *ed, const uint32_t *td, UsbToken *token)
{
    static const UsbToken tokens[] = { USB_SETUP, USB_OUT, USB_IN };
    unsigned pid = ed[ED_INFO] >> 11 & 3;

    if (pid != 1 && pid != 2) {
        pid = td[TD_INFO] >> TD_PID_SHIFT & 3;
    }
    *token = pid < G_N_ELEMENTS(tokens) ? tokens[pid] : USB_OUT;
    return pid < G_N_ELEMENTS(tokens);
}

static Outcome run_td(Frame *f, uint32_t *ed, uint32_t at, bool once)
{
    Ohci *s = f->s;
    uint8_t data[MOST];
    uint32_t td[TD_WORDS];
    UsbDevice *dev = find_device(s, ed[ED_INFO] & 0x7f);
    UsbToken token;

    if (!read_words(s, at, td, TD_WORDS)) {
        return STOPPED;
    }
    unsigned packet = MAX(ed[ED_INFO] >> 16 & 0x7ff, 1u), bytes = bytes_of(td);
    unsigned asked = once ? MIN(bytes, packet) : bytes, size = asked;
    if (!dev || !token_of(ed, td, &token)) {
        return fail(f, ed, at, td, CODE_NOBODY);
    }
    if (token != USB_IN && !copy(s, td[TD_BUFFER], td[TD_END], data, asked, false)) {
        return STOPPED;
    }
    switch (usb_device_packet(dev, token, ed[ED_INFO] >> 7 & 0xf, data, &size)) {
    case USB_NAK:
        return WAITS;
    case USB_STALL:
        return fail(f, ed, at, td, CODE_STALL);
    case USB_NONE:
        return fail(f, ed, at, td, CODE_NOBODY);
    case USB_OK:
    default:
        break;
    }
    if (token != USB_IN && asked && !size) {
        return WAITS; /* it took nothing */
    }
    if (token == USB_IN && !copy(s, td[TD_BUFFER], td[TD_END], data, size, true)) {
        return STOPPED;
    }
    f->bytes -= MIN(f->bytes, size);
    account(ed, td, size, packet);
    if (size == bytes) {
        td[TD_BUFFER] = 0;
        td[TD_INFO] &= ~(uint32_t)TD_ERRORS;
        return retire(f, ed, at, td, TD_WORDS, CODE_OK);
    }
    if (token == USB_IN && (size % packet || !size)) {
        return td[TD_INFO] & TD_SHORT ? retire(f, ed, at, td, TD_WORDS, CODE_OK)
                                      : fail(f, ed, at, td, CODE_UNDERRUN);
    }
    return write_words(s, at, td, TD_WORDS) ? MOVED : STOPPED;
}

/* ---- isochronous transfers ---- */

static unsigned offset_of(const uint32_t *td, unsigned i)
{
    return td[TD_OFFSETS + i / 2] >> 16 * (i % 2) & 0xffff;
}

/* Where offset @offset is: bit 12 says in which of two pages. */
static uint32_t place_of(const uint32_t *td, unsigned offset)
{
    uint32_t page = offset & PAGE ? td[TD_END] : td[TD_BUFFER];

    return (page & ~(uint32_t)(PAGE - 1)) + offset % PAGE;
}

/* Packet @i of it: the word that says what came of it. False: the controller has stopped. */
static bool run_packet(Frame *f, const uint32_t *ed, const uint32_t *td, unsigned i, bool last,
                       uint32_t *result)
{
    uint8_t data[MOST];
    unsigned begin = offset_of(td, i) & (MOST - 1);
    unsigned end = last ? (((td[TD_BUFFER] ^ td[TD_END]) & ~(uint32_t)(PAGE - 1) ? PAGE : 0) |
                           td[TD_END] % PAGE) +
                              1
                        : offset_of(td, i + 1) & (MOST - 1);
    bool in = (ed[ED_INFO] >> 11 & 3) == 2;
    UsbDevice *dev = find_device(f->s, ed[ED_INFO] & 0x7f);
    unsigned size = end > begin ? MIN(end - begin, 1023u) : 0;
    UsbStatus status;

    if (!in && !copy(f->s, place_of(td, begin), td[TD_END], data, size, false)) {
        return false;
    }
    status =
        dev ? usb_device_packet(dev, in ? USB_IN : USB_OUT, ed[ED_INFO] >> 7 & 0xf, data, &size)
            : USB_NONE;
    size = status == USB_OK ? size : 0;
    f->bytes -= MIN(f->bytes, size);
    *result =
        (status == USB_OK || status == USB_NAK ? CODE_OK : CODE_NOBODY) << 12 | (in ? size : 0);
    return !in || copy(f->s, place_of(td, begin), td[TD_END], data, size, true);
}

static Outcome run_itd(Frame *f, uint32_t *ed, uint32_t at)
{
    Ohci *s = f->s;
    uint32_t td[ITD_WORDS], result;

    if (!read_words(s, at, td, ITD_WORDS)) {
        return STOPPED;
    }
    int16_t i = (int16_t)(s->number - td[TD_INFO]);
    int16_t last = td[TD_INFO] >> 24 & 7;
    if (i < 0) {
        return WAITS;
    }
    if (i > last) { /* it comes too late */
        return retire(f, ed, at, td, ITD_WORDS, CODE_OVERRUN);
    }
    if (!run_packet(f, ed, td, (unsigned)i, i == last, &result)) {
        return STOPPED;
    }
    uint32_t *word = &td[TD_OFFSETS + i / 2];
    *word = (*word & ~(0xffffu << 16 * (i % 2))) | result << 16 * (i % 2);
    if (i == last) {
        return retire(f, ed, at, td, ITD_WORDS, CODE_OK);
    }
    f->came = true;
    return write_words(s, at, td, ITD_WORDS) ? WAITS : STOPPED;
}

/* ---- lists ---- */

/* The transfers of an endpoint; of the periodic list @once. False: the controller has stopped.
 * *@some: there are some. */
static bool run_endpoint(Frame *f, uint32_t at, uint32_t *ed, bool once, bool *some)
{
    bool isochronous = ed[ED_INFO] & ED_ISOCHRONOUS;

    while (!(ed[ED_INFO] & ED_SKIP) && !(ed[ED_HEAD] & HEAD_HALTED) &&
           (ed[ED_HEAD] ^ ed[ED_TAIL]) & ~(uint32_t)LINK_MASK && f->steps && f->bytes) {
        uint32_t td = ed[ED_HEAD] & ~(uint32_t)LINK_MASK;
        Outcome outcome;

        f->steps--;
        *some = true;
        outcome = isochronous ? run_itd(f, ed, td) : run_td(f, ed, td, once);
        f->came |= outcome == MOVED || outcome == RETIRED;
        if (outcome == STOPPED ||
            (outcome != WAITS && !write_words(f->s, at + 4 * ED_HEAD, &ed[ED_HEAD], 1))) {
            return false;
        }
        if (outcome == WAITS || (once && !isochronous)) {
            break;
        }
    }
    return true;
}

/* The endpoints from @at on. True: there are transfers. */
static bool run_list(Frame *f, uint32_t at, bool periodic)
{
    bool some = false;

    at &= ~(uint32_t)LINK_MASK;
    while (at && f->steps && f->bytes && ohci_runs(f->s)) {
        uint32_t ed[ED_WORDS];
        bool isochronous;

        f->steps--;
        if (!read_words(f->s, at, ed, ED_WORDS)) {
            break;
        }
        isochronous = ed[ED_INFO] & ED_ISOCHRONOUS;
        if ((!isochronous || (periodic && f->s->control & OHCI_CTL_ISOCHRONOUS)) &&
            !run_endpoint(f, at, ed, periodic, &some)) {
            break;
        }
        at = ed[ED_NEXT] & ~(uint32_t)LINK_MASK;
    }
    return some;
}

/* What has ended goes to the guest, if it has taken what it was given before. */
static void give_done(Ohci *s)
{
    if (s->delay && s->delay < OHCI_NO_DELAY) {
        s->delay--;
    }
    if (!s->delay && s->done_head && !(s->status & OHCI_INT_DONE)) {
        uint32_t others = s->status & s->interrupts & OHCI_INT_ALL;
        uint32_t head = s->done_head | (others ? 1 : 0);

        if (write_words(s, s->hcca + HCCA_DONE, &head, 1)) {
            s->done_head = 0;
            s->delay = OHCI_NO_DELAY;
            s->status |= OHCI_INT_DONE;
        }
    }
}

bool ohci_run_frame(Ohci *s)
{
    Frame f = { .s = s, .steps = STEPS, .bytes = BYTES };
    uint32_t number = s->number & 0xffff, first;

    if (!write_words(s, s->hcca + HCCA_NUMBER, &number, 1)) {
        return true;
    }
    s->status |= OHCI_INT_FRAME;
    if (s->control & OHCI_CTL_PERIODIC &&
        read_words(s, s->hcca + 4 * (s->number % FRAMES), &first, 1)) {
        run_list(&f, first, true);
    }
    if (s->control & OHCI_CTL_CONTROL && s->command & OHCI_CMD_CONTROL &&
        !run_list(&f, s->control_head, false) && f.steps) {
        s->command &= ~(uint32_t)OHCI_CMD_CONTROL;
    }
    if (s->control & OHCI_CTL_BULK && s->command & OHCI_CMD_BULK &&
        !run_list(&f, s->bulk_head, false) && f.steps) {
        s->command &= ~(uint32_t)OHCI_CMD_BULK;
    }
    give_done(s);
    return f.came || s->done_head;
}

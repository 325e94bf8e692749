/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The transfers of a usb-host: what the guest asks, and what the device answers. */
#include <string.h>

#include "hw/usb/usb-host.h"

enum {
    CLEAR_FEATURE = 1,
    SET_ADDRESS = 5,
    GET_DESCRIPTOR = 6,
    SET_CONFIGURATION = 9,
    SET_INTERFACE = 11
};
enum { CONFIGURATION = 2, ATTRIBUTES_AT = 7 }; /* its descriptor */
enum { PIECE_MAX = 64 << 10 };

static HostEndpoint *endpoint_at(UsbHost *s, uint8_t address)
{
    return &s->endpoints[(address & 0xf) | (address & USB_ENDPOINT_IN ? 16 : 0)];
}

/* ---- transfers of the library's ---- */

HostTransfer *usb_host_transfer(UsbHost *s, HostEndpoint *e, unsigned size, unsigned packets)
{
    HostTransfer *t = g_new0(HostTransfer, 1);

    t->transfer = libusb_alloc_transfer((int)packets);
    if (!t->transfer) {
        g_error("usb-host: no memory for a transfer");
    }
    t->host = s;
    t->endpoint = e;
    t->size = size;
    t->buffer = g_malloc0(MAX(size, 1));
    return t;
}

static void transfer_free(HostTransfer *t)
{
    if (t) {
        libusb_free_transfer(t->transfer);
        g_free(t->buffer);
        g_free(t);
    }
}

static void lost(UsbHost *s)
{
    s->gone = true;
    usb_host_later(s, usb_host_gone);
}

bool usb_host_submit(HostTransfer *t)
{
    UsbHost *s = t->host;
    int result = libusb_submit_transfer(t->transfer);

    if (result < 0) {
        if (result == LIBUSB_ERROR_NO_DEVICE) {
            lost(s);
        }
        transfer_free(t);
        return false;
    }
    t->wanted = true;
    s->flying++;
    object_ref(OBJECT(s));
    return true;
}

bool usb_host_ended(HostTransfer *t)
{
    UsbHost *s = t->host;

    if (t->transfer->dev_handle == s->handle) {
        s->flying--;
    }
    /* One that was cancelled may end when its device is another's, or is no more. */
    if (t->wanted && t->transfer->status == LIBUSB_TRANSFER_NO_DEVICE) {
        lost(s);
    }
    return t->wanted;
}

void usb_host_done(HostTransfer *t)
{
    UsbHost *s = t->host;

    transfer_free(t);
    object_unref(OBJECT(s));
}

static void give_up(HostTransfer **t)
{
    if (*t) {
        (*t)->wanted = false;
        libusb_cancel_transfer((*t)->transfer);
        *t = NULL;
    }
}

static UsbStatus status_of(const HostTransfer *t)
{
    switch (t->transfer->status) {
    case LIBUSB_TRANSFER_COMPLETED:
        return USB_OK;
    case LIBUSB_TRANSFER_STALL:
    case LIBUSB_TRANSFER_OVERFLOW:
        return USB_STALL;
    default:
        return USB_NONE;
    }
}

/* Bytes that came, whatever the library says. */
static unsigned moved(const HostTransfer *t)
{
    return (unsigned)CLAMP(t->transfer->actual_length, 0, t->transfer->length);
}

void usb_host_forget_endpoint(HostEndpoint *e)
{
    give_up(&e->transfer);
    for (unsigned i = 0; i < e->streams->len; i++) {
        HostTransfer *t = e->streams->pdata[i];

        give_up(&t);
    }
    g_ptr_array_set_size(e->streams, 0);
    g_ptr_array_set_size(e->packets, 0);
    g_clear_pointer(&e->sent, transfer_free);
    g_queue_clear_full(&e->queue, (GDestroyNotify)g_bytes_unref);
    e->taken = 0;
    e->ends = false;
    e->failed = USB_OK;
}

void usb_host_forget(UsbHost *s)
{
    for (unsigned i = 0; i < USB_HOST_ENDPOINTS; i++) {
        usb_host_forget_endpoint(&s->endpoints[i]);
    }
    give_up(&s->control);
    s->stage = HOST_IDLE;
    s->size = s->next = 0;
}

/* ---- control transfers ---- */

/* Nobody at the host listens whether the device would wake it: then it need not promise that. */
static void patch_answer(UsbHost *s)
{
    if (s->suppress_wake && s->setup.request == USB_REQUEST(USB_TO_HOST, GET_DESCRIPTOR) &&
        s->setup.value >> 8 == CONFIGURATION && s->size > ATTRIBUTES_AT) {
        s->buffer[ATTRIBUTES_AT] &= (uint8_t)~USB_WAKES;
    }
}

static void control_ended(struct libusb_transfer *transfer)
{
    HostTransfer *t = transfer->user_data;
    UsbHost *s = t->host;

    if (usb_host_ended(t)) {
        bool in = s->setup.request >> 8 & USB_TO_HOST;

        s->control = NULL;
        s->stage = status_of(t) != USB_OK ? HOST_STALLED : in ? HOST_ANSWER : HOST_DONE;
        if (s->stage == HOST_ANSWER) {
            s->size = MIN(moved(t), t->size - LIBUSB_CONTROL_SETUP_SIZE);
            memcpy(s->buffer, t->buffer + LIBUSB_CONTROL_SETUP_SIZE, s->size);
            patch_answer(s);
        }
        usb_device_ready(&s->parent, 0);
    }
    usb_host_done(t);
}

/* To the device, with the data that belongs to it. */
static void send_control(UsbHost *s)
{
    const UsbSetup *c = &s->setup;
    unsigned length = MIN(c->length, USB_HOST_CONTROL_MAX);
    HostTransfer *t = usb_host_transfer(s, NULL, LIBUSB_CONTROL_SETUP_SIZE + length, 0);

    libusb_fill_control_setup(t->buffer, (uint8_t)(c->request >> 8), (uint8_t)c->request, c->value,
                              c->index, (uint16_t)length);
    memcpy(t->buffer + LIBUSB_CONTROL_SETUP_SIZE, s->buffer, s->size);
    libusb_fill_control_transfer(t->transfer, s->handle, t->buffer, control_ended, t, 0);
    s->stage = HOST_WAITS;
    s->control = t;
    if (!usb_host_submit(t)) {
        s->control = NULL;
        s->stage = HOST_STALLED;
    }
}

/* Those that the host's kernel does, and it keeps others from doing so behind its back. */
static bool is_for_kernel(UsbHost *s, bool *ok)
{
    const UsbSetup *c = &s->setup;

    if (c->request == USB_REQUEST(0, SET_ADDRESS)) {
        *ok = c->value <= 127;
        s->parent.address = *ok ? (uint8_t)c->value : s->parent.address;
        s->used |= s->parent.address != 0;
    } else if (c->request == USB_REQUEST(0, SET_CONFIGURATION)) {
        *ok = usb_host_set_configuration(s, c->value & 0xff);
        s->used = true; /* not each controller tells of an address */
    } else if (c->request == USB_REQUEST(USB_INTERFACE, SET_INTERFACE)) {
        *ok = usb_host_set_interface(s, (uint8_t)c->index, (uint8_t)c->value);
    } else if (c->request == USB_REQUEST(USB_ENDPOINT, CLEAR_FEATURE) && c->value == 0 &&
               c->index & 0xf) {
        usb_host_forget_endpoint(endpoint_at(s, (uint8_t)c->index));
        *ok = usb_host_clear_halt(s, (uint8_t)c->index);
    } else {
        return false;
    }
    return true;
}

static UsbStatus begin(UsbHost *s, const uint8_t *p, unsigned size)
{
    give_up(&s->control);
    s->size = s->next = 0;
    s->stage = HOST_STALLED;
    if (size != USB_SETUP_BYTES) {
        return USB_STALL;
    }
    s->setup = (UsbSetup){ .request = (uint16_t)USB_REQUEST(p[0], p[1]),
                           .value = (uint16_t)(p[2] | p[3] << 8),
                           .index = (uint16_t)(p[4] | p[5] << 8),
                           .length = (uint16_t)(p[6] | p[7] << 8) };
    if (p[0] & USB_TO_HOST) {
        send_control(s);
    } else if (s->setup.length <= USB_HOST_CONTROL_MAX) {
        s->stage = HOST_DATA;
    }
    return USB_OK;
}

/* Of a request without data to the guest: it asks how it went. */
static UsbStatus end(UsbHost *s)
{
    bool ok;

    if (s->stage == HOST_DATA && s->size == s->setup.length) {
        if (is_for_kernel(s, &ok)) {
            s->stage = ok ? HOST_DONE : HOST_STALLED;
        } else {
            send_control(s);
        }
    }
    if (s->stage == HOST_DONE) {
        s->stage = HOST_IDLE;
        return USB_OK;
    }
    return s->stage == HOST_WAITS ? USB_NAK : USB_STALL;
}

static UsbStatus control_in(UsbHost *s, uint8_t *data, unsigned *size)
{
    unsigned room = *size;

    *size = 0;
    if (!(s->setup.request >> 8 & USB_TO_HOST)) {
        return end(s);
    }
    if (s->stage != HOST_ANSWER) {
        return s->stage == HOST_WAITS ? USB_NAK : USB_STALL;
    }
    *size = MIN(room, s->size - s->next);
    memcpy(data, s->buffer + s->next, *size);
    s->next += *size;
    return USB_OK;
}

static UsbStatus control_out(UsbHost *s, const uint8_t *data, unsigned *size)
{
    unsigned count = *size;

    if (s->setup.request >> 8 & USB_TO_HOST) {
        *size = 0;
        if (s->stage == HOST_ANSWER) {
            s->stage = HOST_IDLE;
            return USB_OK;
        }
        return s->stage == HOST_WAITS ? USB_NAK : USB_STALL;
    }
    if (s->stage != HOST_DATA || count > s->setup.length - s->size) {
        *size = 0;
        return USB_STALL;
    }
    memcpy(s->buffer + s->size, data, count);
    s->size += count;
    return USB_OK;
}

/* ---- bulk and interrupt ---- */

UsbStatus usb_host_give(HostEndpoint *e, uint8_t *data, unsigned *size)
{
    gsize there;
    GBytes *first = g_queue_peek_head(&e->queue);
    const uint8_t *bytes = g_bytes_get_data(first, &there);

    *size = (unsigned)MIN(*size, there - e->taken);
    if (*size) {
        memcpy(data, bytes + e->taken, *size);
    }
    e->taken += *size;
    if (e->taken == there) {
        g_bytes_unref(g_queue_pop_head(&e->queue));
        e->taken = 0;
    }
    return USB_OK;
}

/* What waits to be told, if anything does. */
static bool told(HostEndpoint *e, UsbStatus *status)
{
    *status = e->failed;
    e->failed = USB_OK;
    return *status != USB_OK;
}

static void in_ended(struct libusb_transfer *transfer)
{
    HostTransfer *t = transfer->user_data;
    HostEndpoint *e = t->endpoint;

    if (usb_host_ended(t)) {
        unsigned size = moved(t);

        e->transfer = NULL;
        e->failed = status_of(t);
        if (size || (e->failed == USB_OK && e->kind == USB_INTERRUPT)) {
            g_queue_push_tail(&e->queue, g_bytes_new(t->buffer, size));
        }
        e->ends = e->failed == USB_OK && size < t->size && size % e->packet == 0 &&
                  (size || e->kind == USB_BULK);
        usb_device_ready(&t->host->parent, transfer->endpoint);
    }
    usb_host_done(t);
}

/* Whole packets are asked for: a device that has more than the guest wants is not lost then. */
static UsbStatus take_in(UsbHost *s, HostEndpoint *e, uint8_t address, uint8_t *data,
                         unsigned *size)
{
    UsbStatus status;
    unsigned packets;
    HostTransfer *t;

    if (!g_queue_is_empty(&e->queue)) {
        return usb_host_give(e, data, size);
    }
    if (e->ends) {
        e->ends = false;
        *size = 0;
        return USB_OK;
    }
    if (told(e, &status)) {
        return status;
    }
    if (e->transfer) {
        return USB_NAK;
    }
    packets = (MIN(*size, (unsigned)PIECE_MAX - e->packet) + e->packet - 1) / e->packet;
    t = usb_host_transfer(s, e, MAX(packets, 1) * e->packet, 0);
    libusb_fill_bulk_transfer(t->transfer, s->handle, address, t->buffer, (int)t->size, in_ended, t,
                              0);
    t->transfer->type =
        e->kind == USB_BULK ? LIBUSB_TRANSFER_TYPE_BULK : LIBUSB_TRANSFER_TYPE_INTERRUPT;
    if (!usb_host_submit(t)) {
        return s->gone ? USB_NONE : USB_STALL;
    }
    e->transfer = t;
    return USB_NAK;
}

static void out_ended(struct libusb_transfer *transfer)
{
    HostTransfer *t = transfer->user_data;
    HostEndpoint *e = t->endpoint;
    UsbHost *s = t->host;

    if (!usb_host_ended(t)) {
        usb_host_done(t);
        return;
    }
    e->transfer = NULL;
    e->sent = t;
    e->result = status_of(t);
    usb_device_ready(&s->parent, transfer->endpoint);
    object_unref(OBJECT(s));
}

/* Has the guest offered again what was sent? If not, it has given that up. */
static bool is_same(HostEndpoint *e, const uint8_t *data, unsigned size)
{
    return e->sent->size <= size && (size == 0) == (e->sent->size == 0) &&
           memcmp(e->sent->buffer, data, e->sent->size) == 0;
}

static UsbStatus take_out(UsbHost *s, HostEndpoint *e, uint8_t address, uint8_t *data,
                          unsigned *size)
{
    HostTransfer *t;

    if (e->transfer) {
        return USB_NAK;
    }
    if (e->sent) {
        bool same = is_same(e, data, *size);
        unsigned count = e->sent->size;

        g_clear_pointer(&e->sent, transfer_free);
        if (same) {
            *size = count;
            return e->result;
        }
    }
    t = usb_host_transfer(s, e, MIN(*size, (unsigned)PIECE_MAX), 0);
    memcpy(t->buffer, data, t->size);
    libusb_fill_bulk_transfer(t->transfer, s->handle, address, t->buffer, (int)t->size, out_ended,
                              t, 0);
    t->transfer->type =
        e->kind == USB_BULK ? LIBUSB_TRANSFER_TYPE_BULK : LIBUSB_TRANSFER_TYPE_INTERRUPT;
    if (!usb_host_submit(t)) {
        return s->gone ? USB_NONE : USB_STALL;
    }
    e->transfer = t;
    return USB_NAK;
}

/* ---- all ---- */

UsbStatus usb_host_packet(UsbDevice *dev, UsbToken token, uint8_t number, uint8_t *data,
                          unsigned *size)
{
    UsbHost *s = USB_HOST(dev);
    uint8_t address = number | (token == USB_IN ? USB_ENDPOINT_IN : 0);
    HostEndpoint *e = endpoint_at(s, address);
    UsbStatus status;

    if (!s->handle) {
        *size = 0;
        return USB_NONE;
    }
    if (!number) {
        status = token == USB_SETUP ? begin(s, data, *size)
                 : token == USB_IN  ? control_in(s, data, size)
                                    : control_out(s, data, size);
    } else if (token == USB_SETUP || e->kind > USB_INTERRUPT || e->kind == USB_CONTROL) {
        status = USB_STALL;
    } else if (e->kind == USB_ISOCHRONOUS) {
        status = token == USB_IN ? usb_host_iso_in(s, e, address, data, size)
                                 : usb_host_iso_out(s, e, address, data, size);
    } else {
        status = token == USB_IN ? take_in(s, e, address, data, size)
                                 : take_out(s, e, address, data, size);
    }
    *size = status == USB_OK ? *size : 0;
    return status;
}

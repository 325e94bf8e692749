/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The transfers of a usb-redir: what the guest asks, and what the other side answers. */
#include <string.h>

#include "hw/usb/usb-redir.h"

enum { SET_ADDRESS = 5, SET_CONFIGURATION = 9, SET_INTERFACE = 11, CLEAR_FEATURE = 1 };
enum { QUEUE_MAX = 64, PIECE_MAX = 64 << 10, ISO_PACKETS = 8, ISO_URBS = 3 };

static RedirEndpoint *endpoint_at(UsbRedir *s, uint8_t address)
{
    return &s->endpoints[(address & 0xf) | (address & USB_ENDPOINT_IN ? 16 : 0)];
}

static void clear_queue(RedirEndpoint *e)
{
    g_queue_clear_full(&e->queue, (GDestroyNotify)g_bytes_unref);
    e->taken = 0;
    e->ends = false;
}

void usb_redir_flush(UsbRedir *s)
{
    if (s->parser && usbredirparser_has_data_to_write(s->parser)) {
        usbredirparser_do_write(s->parser);
    }
}

static void forget_endpoint(UsbRedir *s, RedirEndpoint *e)
{
    if (e->waits && s->connected) {
        usbredirparser_send_cancel_data_packet(s->parser, e->id);
    }
    clear_queue(e);
    e->waits = e->streams = e->failed = false;
}

void usb_redir_forget(UsbRedir *s)
{
    for (unsigned i = 0; i < USB_REDIR_ENDPOINTS; i++) {
        forget_endpoint(s, &s->endpoints[i]);
    }
    s->stage = REDIR_IDLE;
    s->size = s->next = 0;
}

/* ---- control transfers ---- */

/* The request goes to the other side, with the data that belongs to it. */
static void send_control(UsbRedir *s)
{
    const UsbSetup *c = &s->control;
    struct usb_redir_control_packet_header header = {
        .endpoint = c->request >> 8 & USB_ENDPOINT_IN,
        .request = (uint8_t)c->request,
        .requesttype = (uint8_t)(c->request >> 8),
        .value = c->value,
        .index = c->index,
        .length = c->length,
    };
    bool in = header.endpoint;

    s->stage = REDIR_WAITS;
    s->control_id = s->next_id++;
    if (c->request == USB_REQUEST(0, SET_CONFIGURATION)) {
        struct usb_redir_set_configuration_header set = { (uint8_t)c->value };

        usb_redir_forget(s);
        s->stage = REDIR_WAITS;
        usbredirparser_send_set_configuration(s->parser, s->control_id, &set);
    } else if (c->request == USB_REQUEST(USB_INTERFACE, SET_INTERFACE)) {
        struct usb_redir_set_alt_setting_header set = { (uint8_t)c->index, (uint8_t)c->value };

        usbredirparser_send_set_alt_setting(s->parser, s->control_id, &set);
    } else {
        if (c->request == USB_REQUEST(USB_ENDPOINT, CLEAR_FEATURE)) {
            forget_endpoint(s, endpoint_at(s, (uint8_t)c->index));
        }
        usbredirparser_send_control_packet(s->parser, s->control_id, &header, in ? NULL : s->buffer,
                                           in ? 0 : (int)s->size);
    }
}

static UsbStatus begin(UsbRedir *s, const uint8_t *p, unsigned size)
{
    if (size != USB_SETUP_BYTES) {
        s->stage = REDIR_STALLED;
        return USB_STALL;
    }
    if (s->stage == REDIR_WAITS) {
        usbredirparser_send_cancel_data_packet(s->parser, s->control_id);
    }
    s->control = (UsbSetup){ .request = (uint16_t)USB_REQUEST(p[0], p[1]),
                             .value = (uint16_t)(p[2] | p[3] << 8),
                             .index = (uint16_t)(p[4] | p[5] << 8),
                             .length = (uint16_t)(p[6] | p[7] << 8) };
    s->size = s->next = 0;
    s->stage = REDIR_DATA;
    if (p[0] & USB_TO_HOST) {
        send_control(s);
    }
    return USB_OK;
}

/* Of a request without data to the host: the host asks how it went. */
static UsbStatus end(UsbRedir *s)
{
    if (s->stage == REDIR_DATA && s->size == s->control.length) {
        if (s->control.request == USB_REQUEST(0, SET_ADDRESS)) {
            s->parent.address = s->control.value & 0x7f;
            s->stage = REDIR_IDLE;
            return USB_OK;
        }
        send_control(s);
    }
    if (s->stage == REDIR_DONE) {
        s->stage = REDIR_IDLE;
        return USB_OK;
    }
    return s->stage == REDIR_WAITS ? USB_NAK : USB_STALL;
}

static UsbStatus control_in(UsbRedir *s, uint8_t *data, unsigned *size)
{
    unsigned room = *size;

    *size = 0;
    if (!(s->control.request >> 8 & USB_TO_HOST)) {
        return end(s);
    }
    if (s->stage != REDIR_ANSWER) {
        return s->stage == REDIR_WAITS ? USB_NAK : USB_STALL;
    }
    *size = MIN(room, s->size - s->next);
    memcpy(data, s->buffer + s->next, *size);
    s->next += *size;
    return USB_OK;
}

static UsbStatus control_out(UsbRedir *s, const uint8_t *data, unsigned *size)
{
    bool fits = *size <= s->control.length - MIN(s->size, s->control.length);

    if (s->control.request >> 8 & USB_TO_HOST) {
        *size = 0;
        if (s->stage == REDIR_ANSWER) {
            s->stage = REDIR_IDLE;
            return USB_OK;
        }
        return s->stage == REDIR_WAITS ? USB_NAK : USB_STALL;
    }
    if (s->stage != REDIR_DATA || !fits) {
        *size = 0;
        return USB_STALL;
    }
    memcpy(s->buffer + s->size, data, *size);
    s->size += *size;
    return USB_OK;
}

/* ---- others ---- */

/* A piece of what is in the queue. */
static UsbStatus give(RedirEndpoint *e, uint8_t *data, unsigned *size)
{
    gsize there;
    GBytes *first = g_queue_peek_head(&e->queue);
    const uint8_t *bytes = g_bytes_get_data(first, &there);

    *size = MIN(*size, (unsigned)(there - e->taken));
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

static UsbStatus take_in(UsbRedir *s, RedirEndpoint *e, uint8_t address, uint8_t *data,
                         unsigned *size)
{
    if (!g_queue_is_empty(&e->queue)) {
        return give(e, data, size);
    }
    if (e->ends) {
        e->ends = false;
        *size = 0;
        return USB_OK;
    }
    if (e->failed) {
        e->failed = false;
        return USB_STALL;
    }
    if (e->kind == USB_BULK && !e->waits) {
        e->asked = MIN(*size, (unsigned)PIECE_MAX - 1);
        struct usb_redir_bulk_packet_header header = { .endpoint = address,
                                                       .length = (uint16_t)e->asked };

        e->waits = true;
        e->id = s->next_id++;
        usbredirparser_send_bulk_packet(s->parser, e->id, &header, NULL, 0);
    } else if (e->kind == USB_INTERRUPT && !e->streams) {
        struct usb_redir_start_interrupt_receiving_header header = { address };

        e->streams = true;
        usbredirparser_send_start_interrupt_receiving(s->parser, s->next_id++, &header);
    } else if (e->kind == USB_ISOCHRONOUS && !e->streams) {
        struct usb_redir_start_iso_stream_header header = { address, ISO_PACKETS, ISO_URBS };

        e->streams = true;
        usbredirparser_send_start_iso_stream(s->parser, s->next_id++, &header);
    }
    return USB_NAK;
}

static UsbStatus take_out(UsbRedir *s, RedirEndpoint *e, uint8_t address, uint8_t *data,
                          unsigned *size)
{
    if (e->failed) {
        e->failed = false;
        return USB_STALL;
    }
    if (e->waits) {
        return USB_NAK;
    }
    *size = MIN(*size, (unsigned)PIECE_MAX / 2);
    e->waits = e->kind != USB_ISOCHRONOUS;
    e->id = s->next_id++;
    if (e->kind == USB_BULK) {
        struct usb_redir_bulk_packet_header header = { .endpoint = address,
                                                       .length = (uint16_t)*size };

        usbredirparser_send_bulk_packet(s->parser, e->id, &header, data, (int)*size);
    } else if (e->kind == USB_INTERRUPT) {
        struct usb_redir_interrupt_packet_header header = { address, 0, (uint16_t)*size };

        usbredirparser_send_interrupt_packet(s->parser, e->id, &header, data, (int)*size);
    } else {
        struct usb_redir_iso_packet_header header = { address, 0, (uint16_t)*size };

        if (!e->streams) {
            struct usb_redir_start_iso_stream_header start = { address, ISO_PACKETS, ISO_URBS };

            e->streams = true;
            usbredirparser_send_start_iso_stream(s->parser, s->next_id++, &start);
        }
        usbredirparser_send_iso_packet(s->parser, e->id, &header, data, (int)*size);
    }
    return USB_OK;
}

UsbStatus usb_redir_packet(UsbDevice *dev, UsbToken token, uint8_t number, uint8_t *data,
                           unsigned *size)
{
    UsbRedir *s = USB_REDIR(dev);
    uint8_t address = number | (token == USB_IN ? USB_ENDPOINT_IN : 0);
    RedirEndpoint *e = endpoint_at(s, address);
    UsbStatus status;

    if (!s->connected) {
        return USB_NONE;
    }
    if (char_unsent(&s->fe) > USB_REDIR_UNSENT_MAX) {
        *size = 0;
        s->put_off = true;
        return USB_NAK;
    }
    if (!number) {
        status = token == USB_SETUP ? begin(s, data, *size)
                 : token == USB_IN  ? control_in(s, data, size)
                                    : control_out(s, data, size);
    } else if (token == USB_SETUP || e->kind > USB_INTERRUPT || e->kind == USB_CONTROL) {
        status = USB_STALL;
    } else {
        status = token == USB_IN ? take_in(s, e, address, data, size)
                                 : take_out(s, e, address, data, size);
    }
    usb_redir_flush(s);
    *size = status == USB_OK ? *size : 0;
    return status;
}

/* ---- answers ---- */

static void control_ended(UsbRedir *s, uint64_t id, uint8_t status)
{
    if (s->stage == REDIR_WAITS && id == s->control_id) {
        s->stage = status == usb_redir_success ? REDIR_DONE : REDIR_STALLED;
        usb_device_ready(&s->parent, 0);
    }
}

static void configuration_status(void *priv, uint64_t id,
                                 struct usb_redir_configuration_status_header *header)
{
    control_ended(priv, id, header->status);
}

static void alt_setting_status(void *priv, uint64_t id,
                               struct usb_redir_alt_setting_status_header *header)
{
    control_ended(priv, id, header->status);
}

static void control_packet(void *priv, uint64_t id, struct usb_redir_control_packet_header *header,
                           uint8_t *data, int size)
{
    UsbRedir *s = priv;
    bool ours = s->stage == REDIR_WAITS && id == s->control_id;

    if (ours && s->control.request >> 8 & USB_TO_HOST) {
        s->size = MIN((unsigned)MAX(size, 0), s->control.length);
        if (s->size) {
            memcpy(s->buffer, data, s->size);
        }
        s->stage = header->status == usb_redir_success ? REDIR_ANSWER : REDIR_STALLED;
        usb_device_ready(&s->parent, 0);
    } else if (ours) {
        control_ended(s, id, header->status);
    }
    usbredirparser_free_packet_data(s->parser, data);
}

/* What came for the endpoint, or that what went there has arrived. */
static void arrived(UsbRedir *s, uint8_t address, uint8_t status, const uint8_t *data, int size)
{
    RedirEndpoint *e = endpoint_at(s, address);

    e->failed = status != usb_redir_success && status != usb_redir_cancelled;
    if (status == usb_redir_success && address & USB_ENDPOINT_IN &&
        g_queue_get_length(&e->queue) < QUEUE_MAX) {
        if (e->kind != USB_BULK || size > 0) {
            g_queue_push_tail(&e->queue, g_bytes_new(data, (gsize)MAX(size, 0)));
        }
        e->ends = e->kind == USB_BULK && (uint32_t)size < e->asked &&
                  (uint32_t)size % MAX(e->packet, 1) == 0;
    }
    usb_device_ready(&s->parent, address);
}

static void bulk_packet(void *priv, uint64_t id, struct usb_redir_bulk_packet_header *header,
                        uint8_t *data, int size)
{
    UsbRedir *s = priv;
    RedirEndpoint *e = endpoint_at(s, header->endpoint);

    if (e->waits && e->id == id && e->kind == USB_BULK) {
        e->waits = false;
        arrived(s, header->endpoint, header->status, data, (int)MIN((uint32_t)size, e->asked));
    }
    usbredirparser_free_packet_data(s->parser, data);
}

static void interrupt_packet(void *priv, uint64_t id,
                             struct usb_redir_interrupt_packet_header *header, uint8_t *data,
                             int size)
{
    UsbRedir *s = priv;
    RedirEndpoint *e = endpoint_at(s, header->endpoint);
    bool in = header->endpoint & USB_ENDPOINT_IN;

    if (e->kind == USB_INTERRUPT && (in ? e->streams : e->waits && e->id == id)) {
        e->waits = false;
        arrived(s, header->endpoint, header->status, data, size);
    }
    usbredirparser_free_packet_data(s->parser, data);
}

static void iso_packet(void *priv, uint64_t id, struct usb_redir_iso_packet_header *header,
                       uint8_t *data, int size)
{
    UsbRedir *s = priv;
    RedirEndpoint *e = endpoint_at(s, header->endpoint);

    if (e->kind == USB_ISOCHRONOUS && e->streams && header->endpoint & USB_ENDPOINT_IN) {
        arrived(s, header->endpoint, header->status, data, size);
        e->failed = false;
    }
    usbredirparser_free_packet_data(s->parser, data);
}

/* The other side sends no more: the guest is told, and asks again. */
static void stream_ended(UsbRedir *s, uint8_t address, uint8_t status)
{
    RedirEndpoint *e = endpoint_at(s, address);

    if (status != usb_redir_success && e->streams) {
        e->streams = false;
        e->failed = status == usb_redir_stall;
        usb_device_ready(&s->parent, address);
    }
}

static void interrupt_status(void *priv, uint64_t id,
                             struct usb_redir_interrupt_receiving_status_header *header)
{
    stream_ended(priv, header->endpoint, header->status);
}

static void iso_status(void *priv, uint64_t id, struct usb_redir_iso_stream_status_header *header)
{
    stream_ended(priv, header->endpoint, header->status);
}

void usb_redir_set_callbacks(struct usbredirparser *parser)
{
    parser->configuration_status_func = configuration_status;
    parser->alt_setting_status_func = alt_setting_status;
    parser->interrupt_receiving_status_func = interrupt_status;
    parser->iso_stream_status_func = iso_status;
    parser->control_packet_func = control_packet;
    parser->bulk_packet_func = bulk_packet;
    parser->interrupt_packet_func = interrupt_packet;
    parser->iso_packet_func = iso_packet;
}

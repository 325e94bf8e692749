/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Isochronous endpoints of a usb-host. The host is given some transfers of many packets each, so
 * that it always has one; the guest takes or gives a packet each frame. What comes too late is
 * lost, as on a bus.
 */
#include <string.h>

#include "hw/usb/usb-host.h"

enum { QUEUE_MAX = 1024 };

static HostTransfer *stream_new(UsbHost *s, HostEndpoint *e, uint8_t address, unsigned packets,
                                libusb_transfer_cb_fn callback)
{
    HostTransfer *t = usb_host_transfer(s, e, packets * e->packet, packets);

    libusb_fill_iso_transfer(t->transfer, s->handle, address, t->buffer, (int)t->size, (int)packets,
                             callback, t, 0);
    libusb_set_iso_packet_lengths(t->transfer, e->packet);
    return t;
}

static void send(HostEndpoint *e, HostTransfer *t)
{
    if (usb_host_submit(t)) {
        g_ptr_array_add(e->streams, t);
    }
}

/* ---- to the guest ---- */

static void in_ended(struct libusb_transfer *transfer)
{
    HostTransfer *t = transfer->user_data;
    HostEndpoint *e = t->endpoint;

    if (usb_host_ended(t)) {
        g_ptr_array_remove(e->streams, t);
        for (int i = 0; i < transfer->num_iso_packets; i++) {
            const struct libusb_iso_packet_descriptor *p = &transfer->iso_packet_desc[i];
            bool ok = transfer->status == LIBUSB_TRANSFER_COMPLETED &&
                      p->status == LIBUSB_TRANSFER_COMPLETED;

            if (ok && g_queue_get_length(&e->queue) < QUEUE_MAX) {
                g_queue_push_tail(&e->queue, g_bytes_new(t->buffer + (unsigned)i * e->packet,
                                                         MIN(p->actual_length, e->packet)));
            }
        }
        usb_device_ready(&t->host->parent, transfer->endpoint);
    }
    usb_host_done(t);
}

UsbStatus usb_host_iso_in(UsbHost *s, HostEndpoint *e, uint8_t address, uint8_t *data,
                          unsigned *size)
{
    while (e->streams->len < s->iso_buffers) {
        unsigned before = e->streams->len;

        send(e, stream_new(s, e, address, s->iso_packets, in_ended));
        if (e->streams->len == before) {
            break;
        }
    }
    return g_queue_is_empty(&e->queue) ? USB_NAK : usb_host_give(e, data, size);
}

/* ---- from it ---- */

static void out_ended(struct libusb_transfer *transfer)
{
    HostTransfer *t = transfer->user_data;

    if (usb_host_ended(t)) {
        g_ptr_array_remove(t->endpoint->streams, t);
    }
    usb_host_done(t);
}

static void send_packets(UsbHost *s, HostEndpoint *e, uint8_t address)
{
    HostTransfer *t = stream_new(s, e, address, e->packets->len, out_ended);
    unsigned at = 0;

    for (unsigned i = 0; i < e->packets->len; i++) {
        gsize size;
        const void *bytes = g_bytes_get_data(e->packets->pdata[i], &size);

        t->transfer->iso_packet_desc[i].length = (unsigned)size;
        if (size) {
            memcpy(t->buffer + at, bytes, size);
        }
        at += (unsigned)size;
    }
    t->transfer->length = (int)at;
    send(e, t);
}

UsbStatus usb_host_iso_out(UsbHost *s, HostEndpoint *e, uint8_t address, const uint8_t *data,
                           unsigned *size)
{
    *size = MIN(*size, e->packet);
    g_ptr_array_add(e->packets, g_bytes_new(data, *size));
    if (e->packets->len >= s->iso_packets) {
        if (e->streams->len < s->iso_buffers) {
            send_packets(s, e, address);
        }
        g_ptr_array_set_size(e->packets, 0);
    }
    return USB_OK;
}
